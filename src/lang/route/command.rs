//! The words that make a route, policy rule, neighbour or next hop that is there: what stands behind `ip route add`
//! and its like. Pure.
//!
//! What iproute2 prints is nearly what it takes; what only the kernel can say (`linkdown`, an age) is left out.

use super::Context;
use super::print::route_line;
use super::rule::rule_line;
use crate::model::network::{FibFamily, Neighbour, PolicyRule, Route, neighbour_state};
use std::fmt::Write;

/// What the kernel says about a route and nobody can ask for.
const SAID: &[&str] = &[
    "linkdown",
    "dead",
    "offload",
    "rt_offload",
    "offload_failed",
    "rt_offload_failed",
    "trap",
    "rt_trap",
    "pervasive",
    "unresolved",
    "notify",
    "cache",
    "cloned",
];
/// The same, with a value behind the word.
const SAID_WITH_VALUE: &[&str] = &["error", "users", "age", "used", "iif"];

fn family(family: FibFamily) -> &'static str {
    match family {
        FibFamily::Ip6 => "-6 ",
        _ => "",
    }
}

/// `-6 route` or `route`, and behind it what describes the route.
pub fn route_words(route: Route<'_>, context: &Context<'_>) -> (String, String) {
    let line = route_line(route, context);
    let mut words = Vec::new();
    let mut rest = line.split_whitespace();
    while let Some(word) = rest.next() {
        if SAID_WITH_VALUE.contains(&word) {
            rest.next();
        } else if word == "expires" {
            // `299sec` is what is left of it.
            words.push(word.to_owned());
            let left = rest.next().unwrap_or_default();
            words.push(left.strip_suffix("sec").unwrap_or(left).to_owned());
        } else if word == "segs" {
            // `segs 2 [ a b ]` is what `segs a,b` has become.
            words.push(word.to_owned());
            let inside = rest.by_ref().skip_while(|word| *word != "[").skip(1);
            let segments: Vec<&str> = inside.take_while(|word| *word != "]").collect();
            words.push(segments.join(","));
        } else if word == "lock" && words.last().is_some_and(|last| last == "rto_min") {
            // It is always locked; nobody says so.
        } else if !SAID.contains(&word) {
            words.push(word.to_owned());
        }
    }
    let object = format!("{}route", family(route.body.family));
    (object, words.join(" "))
}

/// `-6 rule` or `rule`, and behind it what describes the rule.
pub fn rule_words(rule: &PolicyRule, context: &Context<'_>) -> (String, String) {
    let line = rule_line(rule, context);
    let (priority, rest) = line.split_once(':').unwrap_or(("0", &line));
    let mut words = vec!["priority", priority];
    for word in rest.split_whitespace() {
        match word {
            // The table of the device's VRF.
            "[l3mdev-table]" => {
                words.pop();
                words.push("l3mdev");
            }
            // The device is not there at present, or the rule to go to.
            "[detached]" | "[unresolved]" => {}
            // A protocol without a name is printed with the word in front of its number.
            word => words.push(word.strip_prefix("ipproto-").unwrap_or(word)),
        }
    }
    let object = format!(
        "{}rule",
        FibFamily::from_wire(rule.family).map_or("", family)
    );
    (object, words.join(" "))
}

/// Behind `neigh`. Nothing for an entry of a bridge, and for one without an address.
pub fn neighbour_words(one: &Neighbour, context: &Context<'_>) -> Option<String> {
    if one.family == 7 {
        return None;
    }
    let address = one.address?;
    let device = (context.device)(one.index);
    if one.is_proxy() {
        return Some(format!("proxy {address} dev {device}"));
    }
    let mut words = format!("{address}");
    if !one.link_address.is_empty() {
        words.push_str(" lladdr ");
        for (place, byte) in one.link_address.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            // Writing to a String cannot fail.
            let _ = write!(words, "{colon}{byte:02x}");
        }
    }
    let _ = write!(words, " dev {device}");
    let state = match one.state {
        neighbour_state::PERMANENT => "permanent",
        neighbour_state::NOARP => "noarp",
        neighbour_state::STALE => "stale",
        _ => "reachable",
    };
    let _ = write!(words, " nud {state}");
    Some(words)
}
