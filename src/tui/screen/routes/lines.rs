//! One line of each list as columns of text, each with its meaning; searching uses the same words.

use super::Item;
use crate::model::Names;
use crate::model::network::{
    Address, Link, Neighbour, Network, Nexthop, PolicyRule, Prefix, Route, RouteKind, RuleAction,
    neighbour_state, rule_flags,
};
use crate::session::Picture;
use crate::tui::human;
use crate::tui::theme::Meaning;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;

/// One column of a line.
pub type Cell = (Meaning, String);

/// A heading and the least and most columns it takes; 0: whatever is left.
pub type Column = (&'static str, usize, usize);

#[rustfmt::skip]
pub fn columns(item: Item) -> &'static [Column] {
    match item {
        Item::Rules(_) => &[("prio", 6, 6), ("selector", 18, 60), ("action", 0, 0)],
        Item::Table(..) => &[("destination", 18, 34), ("next hop", 16, 32), ("dev", 8, 15), ("metric", 6, 8), ("from", 8, 10), ("", 0, 0)],
        Item::Neighbours | Item::Noarp | Item::Forwarding => &[("address", 16, 40), ("link address", 18, 20), ("dev", 8, 15), ("state", 0, 0)],
        Item::Links => &[("link", 10, 16), ("state", 6, 8), ("mtu", 6, 6), ("received", 9, 10), ("sent", 9, 10), ("", 0, 0)],
        Item::Addresses => &[("dev", 10, 16), ("address", 20, 44), ("scope", 8, 8), ("", 0, 0)],
        Item::Nexthops => &[("id", 6, 10), ("next hop", 18, 40), ("dev", 8, 15), ("", 0, 0)],
    }
}

/// The cells of line `place` behind an item.
pub fn cells(picture: &Picture, item: Item, place: usize) -> Option<Vec<Cell>> {
    let (network, names) = (&picture.network, &*picture.names);
    Some(match item {
        Item::Rules(family) => rule(names, network.rules_of(family).nth(place)?),
        Item::Table(family, id) => {
            let route = network.routes.table(family, id)?.get(place)?;
            self::route(network, names, route)
        }
        Item::Neighbours | Item::Noarp | Item::Forwarding => {
            neighbour(network, super::neighbours(network, item).nth(place)?)
        }
        Item::Links => link(network, network.links.get(place)?),
        Item::Addresses => address(network, names, network.addresses.get(place)?),
        Item::Nexthops => nexthop(network, names, network.nexthops.get(place)?),
    })
}

/// The words of a line, for searching and copying.
pub fn text(picture: &Picture, item: Item, place: usize) -> Option<String> {
    Some(words(cells(picture, item, place)?.into_iter()))
}

/// The words of many lines. Routes of one table share what they are apart from their destinations, so that
/// part is printed once; a million routes then cost their prefixes.
#[derive(Debug, Default)]
pub struct Texts {
    rest: HashMap<usize, String>,
    /// Where the lines of an item are among all neighbours.
    neighbours: Option<(Item, Vec<usize>)>,
    line: String,
}

impl Texts {
    /// The same as [`text`].
    pub fn text(&mut self, picture: &Picture, item: Item, place: usize) -> Option<&str> {
        self.line.clear();
        let network = &picture.network;
        let (family, id) = match item {
            Item::Table(family, id) => (family, id),
            Item::Neighbours | Item::Noarp | Item::Forwarding => {
                if self.neighbours.as_ref().is_none_or(|(of, _)| *of != item) {
                    let all = network.neighbours.iter().enumerate();
                    let own = all.filter(|(_, neighbour)| super::belongs(neighbour, item));
                    self.neighbours = Some((item, own.map(|(place, _)| place).collect()));
                }
                let (_, places) = self.neighbours.as_ref()?;
                let found = network.neighbours.get(*places.get(place)?)?;
                self.line = words(neighbour(network, found).into_iter());
                return Some(&self.line);
            }
            _ => {
                self.line = text(picture, item, place)?;
                return Some(&self.line);
            }
        };
        let route = network.routes.table(family, id)?.get(place)?;
        let rest = self
            .rest
            .entry(std::ptr::from_ref(route.body) as usize)
            .or_insert_with(|| {
                words(
                    self::route(network, &picture.names, route)
                        .into_iter()
                        .skip(1),
                )
            });
        // Writing to a String cannot fail.
        let _ = match route.destination {
            prefix if prefix.length == 0 => write!(self.line, "default {rest}"),
            prefix if prefix.is_host() => write!(self.line, "{} {rest}", prefix.address),
            prefix => write!(self.line, "{prefix} {rest}"),
        };
        Some(&self.line)
    }
}

fn words(cells: impl Iterator<Item = Cell>) -> String {
    let words: Vec<String> = cells
        .map(|(_, text)| text)
        .filter(|text| !text.is_empty() && text != "—")
        .collect();
    words.join(" ")
}

pub fn prefix(prefix: Prefix) -> String {
    if prefix.length == 0 {
        "default".into()
    } else if prefix.is_host() {
        prefix.address.to_string()
    } else {
        prefix.to_string()
    }
}

fn device(network: &Network, index: Option<u32>) -> String {
    match index {
        Some(index) => network.link_name(index).to_string(),
        None => String::new(),
    }
}

fn hop(gateway: Option<IpAddr>, via: Option<IpAddr>) -> String {
    match gateway.or(via) {
        Some(address) => format!("via {address}"),
        None => String::new(),
    }
}

fn route(network: &Network, names: &Names, route: Route<'_>) -> Vec<Cell> {
    let kind_meaning = match route.kind {
        RouteKind::Unicast => Meaning::Text,
        RouteKind::Local | RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => {
            Meaning::Dim
        }
        _ => Meaning::Drop,
    };
    let hops = route.hops();
    let next = if !hops.is_empty() {
        format!("{} next hops", hops.len())
    } else if let Some(id) = route.nexthop {
        format!("next hop {id}")
    } else if route.kind != RouteKind::Unicast {
        super::names::kind(route.kind).into_owned()
    } else {
        match hop(route.gateway, route.via().and_then(|via| via.ip())) {
            text if text.is_empty() => "on link".into(),
            text => text,
        }
    };
    let next_meaning = match (route.kind, next.as_str()) {
        (RouteKind::Unicast, "on link") => Meaning::Dim,
        _ => kind_meaning,
    };
    let devices: Vec<String> = hops
        .iter()
        .map(|hop| device(network, Some(hop.oif)))
        .collect();
    let dev = if hops.is_empty() {
        device(network, route.oif)
    } else {
        devices.join(",")
    };
    let mut rest: Vec<String> = Vec::new();
    if let Some(source) = route.source {
        rest.push(format!("src {source}"));
    }
    for hop_of in hops {
        let via = hop(hop_of.gateway, hop_of.via.as_ref().and_then(|via| via.ip()));
        let dev = device(network, Some(hop_of.oif));
        rest.push(format!("[{via} dev {dev} weight {}]", hop_of.weight));
    }
    if route.tos != 0 {
        rest.push(format!("tos {:#x}", route.tos));
    }
    let flags = [(1, "dead"), (4, "onlink"), (16, "linkdown"), (8, "offload")];
    let set = flags
        .into_iter()
        .filter(|(flag, _)| route.flags & flag != 0);
    rest.extend(set.map(|(_, name)| name.to_string()));
    let scope = super::names::scope_name(names, route.scope);
    if scope != "global" {
        rest.push(format!("scope {scope}"));
    }
    let destination_meaning = if route.destination.length == 0 {
        Meaning::Accent
    } else {
        Meaning::BaseChain
    };
    vec![
        (destination_meaning, prefix(route.destination)),
        (next_meaning, next),
        (Meaning::Text, dev),
        (
            Meaning::Dim,
            route.metric.map(|m| m.to_string()).unwrap_or_default(),
        ),
        (
            Meaning::Dim,
            super::names::protocol(names, route.protocol).into_owned(),
        ),
        (Meaning::Dim, rest.join(" ")),
    ]
}

fn selector(rule: &PolicyRule) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut add = |word: &str, value: String| words.push(format!("{word} {value}"));
    if rule.has(rule_flags::INVERT) {
        add("not", String::new());
    }
    match rule.src {
        Some(src) => add("from", prefix(src)),
        None => add("from", "all".into()),
    }
    if let Some(dst) = rule.dst {
        add("to", prefix(dst));
    }
    if let Some(mark) = rule.mark {
        match rule.mask {
            Some(mask) if mask != u32::MAX => add("fwmark", format!("{mark:#x}/{mask:#x}")),
            _ => add("fwmark", format!("{mark:#x}")),
        }
    }
    if let Some(iif) = &rule.iif {
        add("iif", iif.to_string());
    }
    if let Some(oif) = &rule.oif {
        add("oif", oif.to_string());
    }
    if rule.tos != 0 {
        add("tos", format!("{:#x}", rule.tos));
    }
    if let Some(uid) = rule.uid {
        add("uidrange", format!("{}-{}", uid.start, uid.end));
    }
    if let Some(ipproto) = rule.ipproto {
        let name: Cow<'_, str> = match ipproto {
            1 => "icmp".into(),
            6 => "tcp".into(),
            17 => "udp".into(),
            other => other.to_string().into(),
        };
        add("ipproto", name.into_owned());
    }
    for (word, range) in [("sport", rule.sport), ("dport", rule.dport)] {
        if let Some(range) = range {
            let one = range.start == range.end;
            let end = if one {
                String::new()
            } else {
                format!("-{}", range.end)
            };
            add(word, format!("{}{end}", range.start));
        }
    }
    if rule.l3mdev.is_some_and(|on| on != 0) {
        words.push("[l3mdev]".into());
    }
    words.join(" ").replace("  ", " ")
}

fn rule(names: &Names, rule: &PolicyRule) -> Vec<Cell> {
    let (meaning, mut action) = match rule.action {
        RuleAction::Lookup if rule.l3mdev.is_some_and(|on| on != 0) => {
            (Meaning::Jump, "lookup the VRF's table".to_string())
        }
        RuleAction::Lookup => (
            Meaning::Jump,
            format!("lookup {}", super::names::table_name(names, rule.table)),
        ),
        RuleAction::Goto(Some(target)) => (Meaning::Jump, format!("goto {target}")),
        RuleAction::Goto(None) => (Meaning::Jump, "goto nowhere".into()),
        RuleAction::Nop => (Meaning::Dim, "nothing".into()),
        RuleAction::Blackhole => (Meaning::Drop, "blackhole".into()),
        RuleAction::Unreachable => (Meaning::Drop, "unreachable".into()),
        RuleAction::Prohibit => (Meaning::Drop, "prohibit".into()),
        RuleAction::Unknown(value) => (Meaning::Warning, format!("action {value}")),
    };
    if let Some(length) = rule.suppress_prefix_length.filter(|length| *length >= 0) {
        action.push_str(&format!(" suppress_prefixlength {length}"));
    }
    for (flag, note) in [
        (rule_flags::UNRESOLVED, " [unresolved]"),
        (rule_flags::IIF_DETACHED, " [iif gone]"),
        (rule_flags::OIF_DETACHED, " [oif gone]"),
    ] {
        if rule.has(flag) {
            action.push_str(note);
        }
    }
    vec![
        (Meaning::Dim, rule.priority.to_string()),
        (Meaning::Text, selector(rule)),
        (meaning, action),
    ]
}

fn mac(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

fn neighbour(network: &Network, neighbour: &Neighbour) -> Vec<Cell> {
    let meaning = match neighbour.state {
        neighbour_state::REACHABLE | neighbour_state::PERMANENT => Meaning::Good,
        neighbour_state::FAILED => Meaning::Error,
        neighbour_state::INCOMPLETE => Meaning::Warning,
        _ => Meaning::Dim,
    };
    let address = neighbour.address.map(|a| a.to_string()).unwrap_or_default();
    let mut state = neighbour.state_name().to_string();
    if neighbour.flags & crate::model::network::neighbour_flags::ROUTER != 0 {
        state.push_str(" router");
    }
    if let Some(vlan) = neighbour.vlan {
        state.push_str(&format!(" vlan {vlan}"));
    }
    if neighbour.is_proxy() {
        state.push_str(" proxy");
    }
    vec![
        (Meaning::Text, address),
        (Meaning::Dim, mac(&neighbour.link_address)),
        (Meaning::Text, device(network, Some(neighbour.index))),
        (meaning, state),
    ]
}

fn link(network: &Network, link: &Link) -> Vec<Cell> {
    let (meaning, state) = match (link.is_up(), link.operstate, link.carrier) {
        (false, ..) => (Meaning::Dim, "down"),
        (true, 6, _) | (true, _, Some(true)) => (Meaning::Good, "up"),
        (true, ..) => (Meaning::Warning, "no link"),
    };
    let (received, sent) = match link.stats {
        Some(stats) => (human::bytes(stats.rx_bytes), human::bytes(stats.tx_bytes)),
        None => Default::default(),
    };
    let mut rest: Vec<String> = Vec::new();
    rest.extend(link.kind.as_ref().map(|kind| kind.to_string()));
    if let Some(master) = link.master {
        rest.push(format!("in {}", network.link_name(master)));
    }
    let addresses = network
        .addresses_of(link.index)
        .map(|a| a.local.to_string());
    rest.extend(addresses.take(3));
    if !link.xdp.is_empty() {
        rest.push("XDP".into());
    }
    if let Some(stats) = link.stats
        && stats.rx_dropped + stats.rx_errors > 0
    {
        let lost = human::count(stats.rx_dropped + stats.rx_errors);
        rest.push(format!("{lost} lost"));
    }
    vec![
        (Meaning::BaseChain, link.name.to_string()),
        (meaning, state.into()),
        (Meaning::Dim, link.mtu.to_string()),
        (Meaning::Number, received),
        (Meaning::Number, sent),
        (Meaning::Dim, rest.join(" ")),
    ]
}

fn address(network: &Network, names: &Names, address: &Address) -> Vec<Cell> {
    let mut rest = Vec::new();
    if let Some(peer) = address.peer {
        rest.push(format!("peer {peer}"));
    }
    if address.is_secondary() {
        rest.push("secondary".into());
    }
    vec![
        (Meaning::Text, device(network, Some(address.index))),
        (Meaning::BaseChain, address.local.to_string()),
        (
            Meaning::Dim,
            super::names::scope_name(names, address.scope).into_owned(),
        ),
        (Meaning::Dim, rest.join(" ")),
    ]
}

fn nexthop(network: &Network, names: &Names, nexthop: &Nexthop) -> Vec<Cell> {
    let next = match (nexthop.blackhole, nexthop.group.is_empty()) {
        (true, _) => "blackhole".into(),
        (_, false) => {
            let members: Vec<String> = nexthop.group.iter().map(|m| m.id.to_string()).collect();
            format!("group {}", members.join("/"))
        }
        _ => hop(nexthop.gateway, None),
    };
    vec![
        (Meaning::Dim, nexthop.id.to_string()),
        (Meaning::BaseChain, next),
        (Meaning::Text, device(network, nexthop.oif)),
        (
            Meaning::Dim,
            super::names::protocol(names, nexthop.protocol).into_owned(),
        ),
    ]
}
