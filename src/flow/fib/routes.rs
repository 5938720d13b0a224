//! One table: the routes of a destination from the most specific on, and what each says (`fib_table_lookup`,
//! `fib6_table_lookup`, `nexthop.c`).

use super::{FibView, FlowKey, Found, Hop, Hops, LOOPBACK, NoWay};
use crate::model::network::{
    FibFamily, Prefix, Route, RouteKind, RouteTable, hop_flags, metric, table,
};

/// What one table says.
pub(super) enum InTable {
    Found(Found),
    Refused(NoWay, Prefix),
    /// Go on with the next rule.
    Nothing,
}

impl FibView<'_> {
    pub(super) fn in_table(&self, family: FibFamily, id: u32, key: &FlowKey) -> InTable {
        let routes = match (family, id) {
            (FibFamily::Ip4, table::LOCAL) => self.local4,
            (FibFamily::Ip4, table::MAIN) => self.main4,
            _ => self.tables.get(&(family, id)).copied(),
        };
        let Some(routes) = routes else {
            return InTable::Nothing;
        };
        let found = match family {
            FibFamily::Ip4 => routes.find(key.dst, |route| {
                if route.tos != 0 && route.tos != key.tos & 0x1c {
                    return None;
                }
                self.judge(route, id, key)
            }),
            FibFamily::Ip6 if self.by_source.contains(&id) => {
                return self.in_table6(routes, id, key);
            }
            FibFamily::Ip6 => routes.find(key.dst, |route| self.judge(route, id, key)),
        };
        found.unwrap_or(InTable::Nothing)
    }

    /// A table with routes for some sources only: of the routes of one prefix, those for this source come first, longest source prefix first.
    fn in_table6(&self, routes: &RouteTable, id: u32, key: &FlowKey) -> InTable {
        let from = |route: &Route<'_>| route.rare.as_deref().and_then(|rare| rare.from);
        let mut waiting: Vec<Route<'_>> = Vec::new();
        let mut prefix: Option<Prefix> = None;
        let flush = |waiting: &mut Vec<Route<'_>>| -> Option<InTable> {
            if waiting.iter().any(|route| from(route).is_some()) {
                waiting.sort_by_key(|route| std::cmp::Reverse(from(route).map_or(0, |p| p.length)));
            }
            waiting
                .drain(..)
                .filter(|route| from(route).is_none_or(|source| source.contains(key.src)))
                .find_map(|route| self.judge(route, id, key))
        };
        for route in routes.lookup(key.dst) {
            if prefix != Some(route.destination) {
                if let Some(result) = flush(&mut waiting) {
                    return result;
                }
                prefix = Some(route.destination);
            }
            waiting.push(route);
        }
        flush(&mut waiting).unwrap_or(InTable::Nothing)
    }

    /// What a route says about this packet; `None`: it does not count.
    fn judge(&self, route: Route<'_>, id: u32, key: &FlowKey) -> Option<InTable> {
        let refused = |why| Some(InTable::Refused(why, route.destination));
        match route.kind {
            RouteKind::Blackhole => return refused(NoWay::Blackhole),
            RouteKind::Unreachable => return refused(NoWay::Unreachable),
            RouteKind::Prohibit => return refused(NoWay::Prohibit),
            RouteKind::Throw => return Some(InTable::Nothing),
            _ => {}
        }
        if route.flags as u8 & hop_flags::DEAD != 0 {
            return None;
        }
        let usable = |hop: &Hop, flags: u8| {
            let linkdown = flags & hop_flags::LINKDOWN != 0
                && !key.ignore_linkdown
                && self.ignores_linkdown(route.family, hop.oif);
            let wrong = key.oif != 0
                && key.oif != hop.oif
                && (route.family == FibFamily::Ip4 || key.strict);
            flags & hop_flags::DEAD == 0 && !linkdown && !wrong
        };
        let hops = match single_hop(route) {
            Some((hop, flags)) if usable(&hop, flags) => Hops::One([hop]),
            Some(_) => return None,
            None => {
                let mut hops = Vec::new();
                if !self.hops_of(route, &mut hops) {
                    return refused(NoWay::Blackhole);
                }
                hops.retain(|(hop, flags)| usable(hop, *flags));
                let (first, _) = hops.first()?;
                let free = route.family == FibFamily::Ip6 && key.oif != 0 && !key.strict;
                if free && first.oif != key.oif {
                    // Not forced: another hop through the device is better, if there is one.
                    if let Some(place) = hops.iter().position(|(hop, _)| hop.oif == key.oif) {
                        hops.swap(0, place);
                        hops.truncate(1);
                    }
                }
                Hops::Several(hops.into_iter().map(|(hop, _)| hop).collect())
            }
        };
        let rare = route.rare.as_deref();
        let mtu = rare.and_then(|rare| {
            let mut metrics = rare.metrics.iter();
            metrics.find(|metric| metric.kind == metric::MTU)?.number()
        });
        Some(InTable::Found(Found {
            rule: None,
            table: id,
            prefix: route.destination,
            kind: route.kind,
            scope: route.scope,
            source: route.source,
            hops,
            mtu,
        }))
    }

    fn ignores_linkdown(&self, family: FibFamily, oif: u32) -> bool {
        let family = match family {
            FibFamily::Ip4 => "ipv4",
            FibFamily::Ip6 => "ipv6",
        };
        self.network.link(oif).is_some_and(|link| {
            let setting =
                self.network
                    .sysctls
                    .interface(family, &link.name, "ignore_routes_with_linkdown");
            setting.unwrap_or(0) != 0
        })
    }

    /// Fill in the ways out; false: a next hop object that drops.
    fn hops_of(&self, route: Route<'_>, hops: &mut Vec<(Hop, u8)>) -> bool {
        for hop in route.hops() {
            let via = hop.via.as_ref().and_then(|via| via.ip());
            let one = Hop {
                oif: hop.oif,
                gateway: hop.gateway.or(via),
                weight: hop.weight,
            };
            hops.push((one, hop.flags));
        }
        if !hops.is_empty() {
            return true;
        }
        if let Some(one) = single_hop(route) {
            hops.push(one);
            return true;
        }
        let Some(object) = route.nexthop.and_then(|id| self.network.nexthop(id)) else {
            // Local and broadcast routes of IPv6 may have no device.
            hops.push((
                Hop {
                    oif: LOOPBACK,
                    gateway: None,
                    weight: 1,
                },
                0,
            ));
            return true;
        };
        if object.blackhole {
            return false;
        }
        let one = |object: &crate::model::network::Nexthop, weight| {
            let hop = Hop {
                oif: object.oif?,
                gateway: object.gateway,
                weight,
            };
            Some((hop, object.flags as u8))
        };
        hops.extend(one(object, 1));
        for member in &object.group {
            if let Some(object) = self.network.nexthop(member.id) {
                if object.blackhole {
                    return false;
                }
                hops.extend(one(object, member.weight));
            }
        }
        true
    }
}

/// The next hop of a route that names one itself, with its flags.
fn single_hop(route: Route<'_>) -> Option<(Hop, u8)> {
    let oif = route.oif.filter(|_| route.hops().is_empty())?;
    let via = route.via().and_then(|via| via.ip());
    let hop = Hop {
        oif,
        gateway: route.gateway.or(via),
        weight: 1,
    };
    Some((hop, route.flags as u8))
}
