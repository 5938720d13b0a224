//! Two pictures of a machine side by side: what was changed, rule by rule. Pure.
//!
//! May use `stage`, `lang`, `model`. What passes by itself is left out: counters, connections, ages, timers, neighbours
//! that were learned, and elements that rules put into sets.

use crate::lang::ipset;
use crate::lang::iptables::from_legacy;
use crate::lang::iptables::print::{self, Options};
use crate::lang::iptables::save;
use crate::lang::route::{Context, ip_text, neighbour_words, route_words, rule_words};
use crate::model::expression::Counter;
use crate::model::network::{FibFamily, Link, Network, Nexthop, link_flags, neighbour_state};
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Names, Snapshot, text};
use crate::stage::difference::{Difference, Line, compare, difference};
use std::collections::{BTreeMap, BTreeSet};

/// What is different, place by place. Empty when the machine is set up the same.
pub fn between(old: &Snapshot, new: &Snapshot) -> Vec<Difference> {
    let mut found = difference(&old.ruleset, &new.ruleset, &new.names);
    found.extend(in_order(legacy(old), legacy(new)));
    found.extend(as_sets(ipsets(old), ipsets(new)));
    let network = |one: &Snapshot| Parts::of(&one.network, &one.names);
    let (old, new) = (network(old), network(new));
    found.extend(as_sets(old.any_order, new.any_order));
    found.extend(in_order(old.ordered, new.ordered));
    found
}

/// Lines by the place that they belong to.
type Texts = BTreeMap<String, Vec<String>>;

fn pairs(old: Texts, mut new: Texts) -> impl Iterator<Item = (String, Vec<String>, Vec<String>)> {
    let places: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    let mut old = old;
    places.into_iter().map(move |place| {
        let (old, new) = (old.remove(&place), new.remove(&place));
        (place, old.unwrap_or_default(), new.unwrap_or_default())
    })
}

/// Where the place of a line counts.
fn in_order(old: Texts, new: Texts) -> Vec<Difference> {
    let differing = pairs(old, new).map(|(place, old, new)| Difference {
        place,
        lines: compare(&old, &new),
    });
    differing.filter(|one| !one.lines.is_empty()).collect()
}

/// Where it does not: a million routes are compared in no more time than they take to sort.
fn as_sets(old: Texts, new: Texts) -> Vec<Difference> {
    let mut found = Vec::new();
    for (place, old, new) in pairs(old, new) {
        let (old, new): (BTreeSet<String>, BTreeSet<String>) =
            (old.into_iter().collect(), new.into_iter().collect());
        let gone = old.difference(&new).cloned().map(Line::Old);
        let lines: Vec<Line> = gone
            .chain(new.difference(&old).cloned().map(Line::New))
            .collect();
        if !lines.is_empty() {
            found.push(Difference { place, lines });
        }
    }
    found
}

fn lines(bytes: &[u8]) -> Vec<String> {
    text::from_bytes(bytes).lines().map(str::to_owned).collect()
}

/// Legacy tables, as iptables-save writes them.
fn legacy(picture: &Snapshot) -> Texts {
    let table = |table: &LegacyTable| {
        let mut read = from_legacy::table(table);
        for chain in &mut read.chains {
            if let Some((_, counters)) = &mut chain.policy {
                *counters = Counter::default();
            }
        }
        let cx = save::Context {
            family: table.family,
            names: &picture.names,
        };
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = print::table(&read, &cx, Options { counters: false }, &mut bytes);
        let place = format!("legacy table {} {}", table.family, table.name);
        (place, lines(&bytes))
    };
    picture.legacy.iter().map(table).collect()
}

fn ipsets(picture: &Snapshot) -> Texts {
    let set = |set: &crate::model::ipset::IpSet| {
        let mut create = String::new();
        ipset::print::create(set, &mut create);
        let mut all = vec![create];
        // Elements that time out come and go.
        let lasting = set.elements.iter().filter(|one| one.timeout.is_none());
        all.extend(lasting.map(|element| {
            let mut line = String::new();
            ipset::print::element(set, element, &picture.names, &mut line);
            line
        }));
        (format!("ipset {}", set.name), all)
    };
    picture.ipsets.iter().map(set).collect()
}

/// What routes packets, in words.
#[derive(Default)]
struct Parts {
    any_order: Texts,
    ordered: Texts,
}

impl Parts {
    fn of(network: &Network, names: &Names) -> Parts {
        let mut parts = Parts::default();
        let device = |index| network.link_name(index);
        let context = Context {
            names: &names.routing,
            device: &device,
            one_table: true,
        };
        let any = &mut parts.any_order;
        let links = network.links.iter().map(|link| link_line(network, link));
        any.insert("devices".to_owned(), links.collect());
        let addresses = network.addresses.iter().map(|one| {
            let peer = one.peer.filter(|peer| *peer != one.local.address);
            let peer = peer.map(|peer| format!(" peer {}", ip_text(peer)));
            let (local, device) = (one.local, network.link_name(one.index));
            format!("{local}{} dev {device}", peer.unwrap_or_default())
        });
        any.insert("addresses".to_owned(), addresses.collect());
        let nexthops = network
            .nexthops
            .iter()
            .map(|one| nexthop_line(network, one));
        any.insert("next hops".to_owned(), nexthops.collect());
        let lasting = network
            .neighbours
            .iter()
            .filter(|one| one.state & neighbour_state::PERMANENT != 0 || one.is_proxy());
        let neighbours = lasting.filter_map(|one| neighbour_words(one, &context));
        any.insert("neighbours".to_owned(), neighbours.collect());
        let settings = network.sysctls.0.iter();
        let settings = settings.map(|(path, value)| format!("{path} = {}", value.trim()));
        any.insert("sysctls".to_owned(), settings.collect());
        for table in &network.routes.tables {
            let id = names.routing.table(table.id);
            let family = match table.family {
                FibFamily::Ip4 => "ip",
                FibFamily::Ip6 => "ip6",
            };
            let place = format!("routes of {family}, table {id}");
            let routes = table.iter().map(|route| route_words(route, &context).1);
            any.insert(place, routes.map(ageless).collect());
        }
        for rule in network.rules.iter() {
            let (object, words) = rule_words(rule, &context);
            let place = match object.as_str() {
                "rule" => "policy rules of ip",
                _ => "policy rules of ip6",
            };
            parts
                .ordered
                .entry(place.to_owned())
                .or_default()
                .push(words);
        }
        parts
    }
}

/// Routes that the kernel learned go by themselves: when, is no difference.
fn ageless(words: String) -> String {
    match words.split_once(" expires ") {
        Some((before, after)) => {
            let rest = after.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{before} {rest}").trim_end().to_owned()
        }
        None => words,
    }
}

fn link_line(network: &Network, link: &Link) -> String {
    let mut line = format!("{} mtu {}", link.name, link.mtu);
    line += match link.flags & link_flags::UP {
        0 => " down",
        _ => " up",
    };
    if let Some(kind) = &link.kind {
        line += &format!(" {kind}");
    }
    if let Some(master) = link.master {
        line += &format!(" master {}", network.link_name(master));
    }
    line
}

fn nexthop_line(network: &Network, one: &Nexthop) -> String {
    let mut line = format!("id {}", one.id);
    if let Some(gateway) = one.gateway {
        line += &format!(" via {}", ip_text(gateway));
    }
    if let Some(index) = one.oif {
        line += &format!(" dev {}", network.link_name(index));
    }
    if one.blackhole {
        line += " blackhole";
    }
    if !one.group.is_empty() {
        let members = one.group.iter();
        let members = members.map(|member| format!("{},{}", member.id, member.weight));
        line += &format!(" group {}", members.collect::<Vec<_>>().join("/"));
    }
    line
}
