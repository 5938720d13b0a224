//! Changes that the kernel reports, applied to a picture without reading everything again.

use super::Network;
use super::address::Address;
use super::fib::{Fib, FibFamily, RawRoute, RouteTable};
use super::link::Link;
use super::neighbour::Neighbour;
use super::nexthop::Nexthop;
use super::prefix::Prefix;
use super::route::{OwnedRoute, RouteBody, RouteHop};
use super::rule::PolicyRule;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One event of rtnetlink.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkChange {
    Link(Box<Link>),
    LinkGone(u32),
    Address(Address),
    AddressGone(Address),
    /// `replace` and `append` as in the event's message flags (`NLM_F_REPLACE`, `NLM_F_APPEND`).
    Route {
        route: OwnedRoute,
        replace: bool,
        append: bool,
    },
    RouteGone(OwnedRoute),
    /// A route of a family that is not decoded.
    RawRoute(RawRoute),
    RawRouteGone(RawRoute),
    Rule(Box<PolicyRule>),
    RuleGone(Box<PolicyRule>),
    Neighbour(Neighbour),
    NeighbourGone(Neighbour),
    Nexthop(Box<Nexthop>),
    NexthopGone(u32),
}

/// What [`Network::apply`] could not know from the events: the kernel takes some routes away without
/// saying so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkSummary {
    /// IPv4 routes have to be read again: a device went down or away, an address or a next hop object
    /// was removed, and IPv4 does not report the routes that went with it.
    pub reread_routes4: bool,
    pub reread_routes6: bool,
    /// Other families are not followed change by change.
    pub reread_other: bool,
    /// Number of changes that made a difference.
    pub applied: usize,
}

/// Routes by family and table, then by destination, in the kernel's order.
pub type RouteChanges = BTreeMap<(FibFamily, u32), BTreeMap<Prefix, Vec<OwnedRoute>>>;

impl Network {
    /// Apply changes in order. Many at once cost one pass over each routing table that they touch.
    pub fn apply(&mut self, changes: Vec<NetworkChange>) -> NetworkSummary {
        let mut summary = NetworkSummary::default();
        let mut routes = RouteChanges::new();
        for change in changes {
            let differs = match change {
                NetworkChange::Link(link) => self.set_link(*link, &mut summary),
                NetworkChange::LinkGone(index) => {
                    summary.reread_routes4 = true;
                    let links = Arc::make_mut(&mut self.links);
                    remove_where(links, |link| link.index == index)
                }
                NetworkChange::Address(address) => self.set_address(address),
                NetworkChange::AddressGone(gone) => {
                    summary.reread_routes4 |= gone.local.address.is_ipv4();
                    let addresses = Arc::make_mut(&mut self.addresses);
                    remove_where(addresses, |address| same_address(address, &gone))
                }
                NetworkChange::Route {
                    route,
                    replace,
                    append,
                } => {
                    let group = group_of(&mut routes, &self.routes, &route);
                    add_route(group, route, replace, append);
                    true
                }
                NetworkChange::RouteGone(gone) => {
                    let group = group_of(&mut routes, &self.routes, &gone);
                    remove_route(group, &gone)
                }
                NetworkChange::RawRoute(_) | NetworkChange::RawRouteGone(_) => {
                    summary.reread_other = true;
                    true
                }
                NetworkChange::Rule(rule) => self.add_rule(*rule),
                NetworkChange::RuleGone(gone) => {
                    let rules = Arc::make_mut(&mut self.rules);
                    let place = rules.iter().position(|rule| same_rule(rule, &gone));
                    place.map(|place| rules.remove(place)).is_some()
                }
                NetworkChange::Neighbour(neighbour) => self.set_neighbour(neighbour),
                NetworkChange::NeighbourGone(gone) => {
                    let neighbours = Arc::make_mut(&mut self.neighbours);
                    remove_where(neighbours, |neighbour| same_neighbour(neighbour, &gone))
                }
                NetworkChange::Nexthop(nexthop) => self.set_nexthop(*nexthop),
                NetworkChange::NexthopGone(id) => {
                    summary.reread_routes4 = true;
                    summary.reread_routes6 = true;
                    let nexthops = Arc::make_mut(&mut self.nexthops);
                    remove_where(nexthops, |nexthop| nexthop.id == id)
                }
            };
            summary.applied += usize::from(differs);
        }
        if !routes.is_empty() {
            Arc::make_mut(&mut self.routes).set_groups(routes);
        }
        summary
    }

    fn set_link(&mut self, mut link: Link, summary: &mut NetworkSummary) -> bool {
        let links = Arc::make_mut(&mut self.links);
        match links.binary_search_by_key(&link.index, |link| link.index) {
            Ok(place) => {
                let Some(old) = links.get_mut(place) else {
                    return false;
                };
                let state = |link: &Link| (link.flags, link.operstate, link.carrier);
                if state(old) != state(&link) {
                    summary.reread_routes4 = true;
                    summary.reread_routes6 = true;
                }
                // Events do not tell about filters.
                link.tc = std::mem::take(&mut old.tc);
                let differs = *old != link;
                *old = link;
                differs
            }
            Err(place) => {
                links.insert(place, link);
                true
            }
        }
    }

    fn set_address(&mut self, address: Address) -> bool {
        let addresses = Arc::make_mut(&mut self.addresses);
        let old = addresses.iter_mut().find(|old| same_address(old, &address));
        match old {
            Some(old) => std::mem::replace(old, address.clone()) != address,
            None => {
                addresses.push(address);
                true
            }
        }
    }

    fn add_rule(&mut self, rule: PolicyRule) -> bool {
        let rules = Arc::make_mut(&mut self.rules);
        if rules.iter().any(|old| same_rule(old, &rule)) {
            return false;
        }
        let order = |rule: &PolicyRule| (rule.family, rule.priority);
        let place = rules.partition_point(|old| order(old) <= order(&rule));
        rules.insert(place, rule);
        true
    }

    fn set_neighbour(&mut self, neighbour: Neighbour) -> bool {
        let neighbours = Arc::make_mut(&mut self.neighbours);
        let old = neighbours
            .iter_mut()
            .find(|old| same_neighbour(old, &neighbour));
        match old {
            Some(old) => std::mem::replace(old, neighbour.clone()) != neighbour,
            None => {
                neighbours.push(neighbour);
                true
            }
        }
    }

    fn set_nexthop(&mut self, nexthop: Nexthop) -> bool {
        let nexthops = Arc::make_mut(&mut self.nexthops);
        match nexthops.binary_search_by_key(&nexthop.id, |nexthop| nexthop.id) {
            Ok(place) => match nexthops.get_mut(place) {
                Some(old) => std::mem::replace(old, nexthop.clone()) != nexthop,
                None => false,
            },
            Err(place) => {
                nexthops.insert(place, nexthop);
                true
            }
        }
    }
}

impl Fib {
    /// Put other routes in the place of all those to some destinations; none takes them away.
    pub fn set_groups(&mut self, changes: RouteChanges) {
        for ((family, id), groups) in changes {
            let groups = groups.into_iter().collect();
            let known = self
                .tables
                .iter_mut()
                .find(|table| table.family == family && table.id == id);
            match known {
                Some(table) => Arc::make_mut(table).replace_groups(groups),
                None => {
                    let mut table = RouteTable::new(family, id);
                    table.replace_groups(groups);
                    // Dumps list IPv4 before IPv6, and the tables of a family by the low byte of their number.
                    let order = |table: &RouteTable| (table.family, table.id & 255);
                    let place = self
                        .tables
                        .partition_point(|other| order(other) < order(&table));
                    self.tables.insert(place, Arc::new(table));
                }
            }
        }
        self.tables.retain(|table| !table.is_empty());
    }
}

fn remove_where<T>(items: &mut Vec<T>, unwanted: impl Fn(&T) -> bool) -> bool {
    let before = items.len();
    items.retain(|item| !unwanted(item));
    items.len() != before
}

fn same_address(a: &Address, b: &Address) -> bool {
    (a.index, a.local, a.peer) == (b.index, b.local, b.peer)
}

/// The kernel removes the first rule that fits; flags such as `[detached]` may have changed meanwhile.
fn same_rule(a: &PolicyRule, b: &PolicyRule) -> bool {
    const STATE: u32 = super::rule_flags::UNRESOLVED
        | super::rule_flags::IIF_DETACHED
        | super::rule_flags::OIF_DETACHED;
    (a.family, a.priority, a.action) == (b.family, b.priority, b.action)
        && a.flags & !STATE == b.flags & !STATE
        && a.raw == b.raw
        && (a.src_len, a.dst_len, a.tos, a.table) == (b.src_len, b.dst_len, b.tos, b.table)
}

fn same_neighbour(a: &Neighbour, b: &Neighbour) -> bool {
    const BRIDGE: u8 = 7;
    (a.family, a.index, a.address, a.is_proxy(), a.vlan)
        == (b.family, b.index, b.address, b.is_proxy(), b.vlan)
        && (a.family != BRIDGE || a.link_address == b.link_address)
}

/// The routes to the destination of `route` as they are after the changes so far.
fn group_of<'a>(
    changes: &'a mut RouteChanges,
    fib: &Fib,
    route: &OwnedRoute,
) -> &'a mut Vec<OwnedRoute> {
    let key = (route.body.family, route.body.table);
    let destination = route.destination.masked();
    changes
        .entry(key)
        .or_default()
        .entry(destination)
        .or_insert_with(|| match fib.table(key.0, key.1) {
            Some(table) => table
                .exact(destination)
                .filter_map(|row| table.get(row))
                .map(|route| route.to_owned())
                .collect(),
            None => Vec::new(),
        })
}

/// The place that the kernel sorts a route of one destination by: IPv4 by TOS (higher first), IPv6 those for
/// packets from somewhere first, both by metric.
fn rank(body: &RouteBody) -> (u8, u32) {
    let first = match body.family {
        FibFamily::Ip4 => u8::MAX - body.tos,
        FibFamily::Ip6 => u8::from(body.rare.as_deref().is_none_or(|rare| rare.from.is_none())),
    };
    (first, body.metric_value())
}

fn add_route(group: &mut Vec<OwnedRoute>, route: OwnedRoute, replace: bool, append: bool) {
    let mine = rank(&route.body);
    let six = route.body.family == FibFamily::Ip6;
    let same_rank = |old: &OwnedRoute| rank(&old.body) == mine && from_of(old) == from_of(&route);
    let known = group
        .iter()
        .position(|old| same_rank(old) && same_route(&old.body, &route.body));
    // IPv6 reports a multipath route whole, also after a hop was added to it.
    let grown = known.or_else(|| {
        let grows = |old: &OwnedRoute| {
            six && same_rank(old)
                && !route.body.hops().is_empty()
                && hops_of(&old.body)
                    .iter()
                    .all(|hop| has_hop(&route.body, hop))
        };
        group.iter().position(grows)
    });
    let target = match replace {
        true => grown.or_else(|| group.iter().position(same_rank)),
        false => grown,
    };
    match target.and_then(|place| group.get_mut(place)) {
        Some(old) if six && !replace && !route.body.hops().is_empty() => grow(old, route),
        Some(old) => *old = route,
        None => {
            let place = group.partition_point(|old| {
                let theirs = rank(&old.body);
                theirs < mine || ((append || six) && theirs == mine)
            });
            group.insert(place, route);
        }
    }
}

/// A hop was added to an IPv6 route. The event starts with the new hop and speaks of its metrics; the table
/// keeps the hops in the order in which they came and speaks of the first one's.
fn grow(old: &mut OwnedRoute, route: OwnedRoute) {
    let before = hops_of(&old.body);
    let Some(mut hops) = route.body.rare.map(|rare| rare.hops) else {
        return;
    };
    hops.sort_by_key(|hop| {
        let place = before.iter().position(|known| same_hop(known, hop));
        place.unwrap_or(before.len())
    });
    let rare = old.body.rare.get_or_insert_default();
    rare.hops = hops;
    (rare.via, rare.encap) = (None, None);
    (old.body.oif, old.body.gateway) = (None, None);
}

fn remove_route(group: &mut Vec<OwnedRoute>, gone: &OwnedRoute) -> bool {
    let mine = rank(&gone.body);
    let same_rank = |old: &OwnedRoute| rank(&old.body) == mine && from_of(old) == from_of(gone);
    let whole = group
        .iter()
        .position(|old| same_rank(old) && same_route(&old.body, &gone.body));
    if let Some(place) = whole {
        group.remove(place);
        return true;
    }
    // IPv6 reports the hops of a multipath route one by one when they go.
    let hops = hops_of(&gone.body);
    for old in group.iter_mut().filter(|old| same_rank(old)) {
        if !old.body.hops().is_empty() && hops.iter().all(|hop| has_hop(&old.body, hop)) {
            let Some(rare) = old.body.rare.as_deref_mut() else {
                continue;
            };
            rare.hops
                .retain(|hop| !hops.iter().any(|gone| same_hop(gone, hop)));
            if let [last] = rare.hops.as_slice() {
                let last = last.clone();
                old.body.oif = Some(last.oif).filter(|&oif| oif != 0);
                old.body.gateway = last.gateway;
                old.body.flags = (old.body.flags & !0xff) | u32::from(last.flags);
                rare.via = last.via;
                rare.encap = last.encap;
                rare.hops.clear();
                if *rare == super::RouteRare::default() {
                    old.body.rare = None;
                }
            }
            let empty = old.body.hops().is_empty() && old.body.oif.is_none();
            if empty {
                let same = old.clone();
                group.retain(|route| *route != same);
            }
            return true;
        }
    }
    false
}

fn from_of(route: &OwnedRoute) -> Option<Prefix> {
    route.body.rare.as_deref().and_then(|rare| rare.from)
}

/// The next hops of a route, also of one with a single one.
fn hops_of(body: &RouteBody) -> Vec<RouteHop> {
    if !body.hops().is_empty() {
        return body.hops().to_vec();
    }
    vec![RouteHop {
        oif: body.oif.unwrap_or(0),
        gateway: body.gateway,
        via: body.via().cloned(),
        encap: body.rare.as_deref().and_then(|rare| rare.encap.clone()),
        ..RouteHop::default()
    }]
}

fn has_hop(body: &RouteBody, hop: &RouteHop) -> bool {
    hops_of(body).iter().any(|own| same_hop(own, hop))
}

fn same_hop(a: &RouteHop, b: &RouteHop) -> bool {
    (a.oif, a.gateway, &a.via, &a.encap) == (b.oif, b.gateway, &b.via, &b.encap)
}

/// Whether two routes of one destination and rank are the same one; the state of next hops may differ.
fn same_route(a: &RouteBody, b: &RouteBody) -> bool {
    if a.family == FibFamily::Ip4 {
        // Routes that differ in nothing but a metric may stand side by side.
        return without_state(a) == without_state(b);
    }
    let (ours, theirs) = (hops_of(a), hops_of(b));
    (a.kind, a.protocol, a.nexthop, a.source) == (b.kind, b.protocol, b.nexthop, b.source)
        && (a.nexthop.is_some()
            || (ours.len() == theirs.len()
                && ours.iter().zip(&theirs).all(|(a, b)| same_hop(a, b))))
}

/// A route without what changes while it stays the same route: dead next hops, lost carriers, offload.
fn without_state(body: &RouteBody) -> RouteBody {
    let mut body = body.clone();
    body.flags = 0;
    if let Some(rare) = body.rare.as_deref_mut() {
        for hop in &mut rare.hops {
            hop.flags = 0;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn route(metric: u32, last: u8) -> OwnedRoute {
        OwnedRoute {
            destination: Prefix::new(IpAddr::from([10, 0, 0, 0]), 8),
            body: RouteBody {
                metric: Some(metric),
                gateway: Some(IpAddr::from([192, 0, 2, last])),
                oif: Some(2),
                ..RouteBody::new(FibFamily::Ip4, 254)
            },
        }
    }

    fn add(route: OwnedRoute, replace: bool, append: bool) -> NetworkChange {
        NetworkChange::Route {
            route,
            replace,
            append,
        }
    }

    fn gateways(network: &Network) -> Vec<u8> {
        let table = network.routes.table(FibFamily::Ip4, 254);
        let mut last = Vec::new();
        for route in table.iter().flat_map(|table| table.iter()) {
            if let Some(IpAddr::V4(gateway)) = route.gateway {
                last.push(gateway.octets()[3]);
            }
        }
        last
    }

    #[test]
    fn routes_come_change_and_go() {
        let mut network = Network::default();
        let old = network.clone();
        network.apply(vec![
            add(route(5, 1), false, false),
            add(route(3, 2), false, false),
            add(route(5, 3), false, true),
        ]);
        assert_eq!(gateways(&network), [2, 1, 3]);
        network.apply(vec![add(route(5, 4), true, false)]);
        assert_eq!(gateways(&network), [2, 4, 3]);
        network.apply(vec![
            NetworkChange::RouteGone(route(5, 3)),
            NetworkChange::RouteGone(route(3, 2)),
        ]);
        assert_eq!(gateways(&network), [4]);
        network.apply(vec![NetworkChange::RouteGone(route(5, 4))]);
        assert_eq!(network, old);
    }

    #[test]
    fn silent_losses_are_reported() {
        let mut network = Network::default();
        let summary = network.apply(vec![NetworkChange::LinkGone(3)]);
        assert!(summary.reread_routes4);
        assert_eq!(summary.applied, 0);
    }
}
