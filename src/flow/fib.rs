//! Routing decisions: policy rules and tables (`fib_rules.c`, `fib_trie.c`, `ip6_fib.c`), kinds of addresses, choice
//! of source addresses (`devinet.c`, `addrconf.c`). On top of the tables of `model::network`.
//!
//! Here is the walk through the rules; `rule` says which of them match, `routes` what one table answers, `address` what
//! an address is, `source` whether a packet may come from where it says.

mod address;
mod routes;
mod rule;
mod source;

pub use address::is_link_local;
use routes::InTable;
use rule::is_default;
pub use source::SourceFault;

use super::hash::Map;
use crate::model::Network;
use crate::model::network::{
    FibFamily, PolicyRule, Prefix, RouteKind, RouteTable, RuleAction, scope, table,
};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// `LOOPBACK_IFINDEX`: the first device of every network namespace.
pub const LOOPBACK: u32 = 1;

/// What a lookup is about: `struct flowi4`, `struct flowi6`.
#[derive(Clone, Copy, Debug)]
pub struct FlowKey {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub iif: u32,
    pub oif: u32,
    pub mark: u32,
    /// Type of service or traffic class, ECN bits included.
    pub tos: u8,
    pub proto: u8,
    pub sport: u16,
    pub dport: u16,
    pub uid: u32,
    /// IPv6: the route must leave by `oif` (`RT6_LOOKUP_F_IFACE`).
    pub strict: bool,
    pub ignore_linkdown: bool,
}

impl FlowKey {
    pub fn new(src: IpAddr, dst: IpAddr) -> FlowKey {
        FlowKey {
            src,
            dst,
            iif: LOOPBACK,
            oif: 0,
            mark: 0,
            tos: 0,
            proto: 0,
            sport: 0,
            dport: 0,
            uid: 0,
            strict: false,
            ignore_linkdown: false,
        }
    }
}

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    pub oif: u32,
    pub gateway: Option<IpAddr>,
    pub weight: u32,
}

/// The ways out of a route. Nearly always it is one, which takes no memory of its own.
#[derive(Clone, Debug)]
pub enum Hops {
    One([Hop; 1]),
    Several(Vec<Hop>),
}

impl Deref for Hops {
    type Target = [Hop];

    fn deref(&self) -> &[Hop] {
        match self {
            Hops::One(hop) => hop,
            Hops::Several(hops) => hops,
        }
    }
}

impl DerefMut for Hops {
    fn deref_mut(&mut self) -> &mut [Hop] {
        match self {
            Hops::One(hop) => hop,
            Hops::Several(hops) => hops,
        }
    }
}

/// A route that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub rule: Option<u32>,
    pub table: u32,
    pub prefix: Prefix,
    pub kind: RouteKind,
    pub scope: u8,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// At least one; several of a multipath route, between which a hash decides.
    pub hops: Hops,
    /// bytes, where the route sets one
    pub mtu: Option<u32>,
}

impl Found {
    pub fn uses(&self, device: u32) -> bool {
        self.hops.iter().any(|hop| hop.oif == device)
    }

    /// Scope of the next hop (`nhc_scope`): that of what lies behind a gateway is the link.
    pub fn hop_scope(&self) -> u8 {
        match self.hops.first() {
            Some(hop) if hop.gateway.is_some() => scope::LINK,
            _ if self.scope == scope::HOST => scope::NOWHERE,
            _ => scope::HOST,
        }
    }
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// No rule led to a route.
    None,
    Blackhole,
    Unreachable,
    Prohibit,
}

impl NoWay {
    pub fn words(self) -> &'static str {
        match self {
            NoWay::None => "no route",
            NoWay::Blackhole => "blackhole",
            NoWay::Unreachable => "unreachable",
            NoWay::Prohibit => "prohibit",
        }
    }
}

/// A lookup without a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub why: NoWay,
    pub rule: Option<u32>,
    pub table: Option<u32>,
    pub prefix: Option<Prefix>,
}

pub type Lookup = Result<Found, Refusal>;

pub struct FibView<'a> {
    network: &'a Network,
    rules4: Vec<&'a PolicyRule>,
    rules6: Vec<&'a PolicyRule>,
    tables: Map<(FibFamily, u32), &'a RouteTable>,
    /// The two tables of IPv4 that nearly every lookup asks.
    local4: Option<&'a RouteTable>,
    main4: Option<&'a RouteTable>,
    /// Rules other than those that always exist; the kernel then keeps the local table apart from the main one.
    pub custom4: bool,
    pub custom6: bool,
    /// Somebody added local routes by hand.
    custom_local4: bool,
    /// Tables of IPv6 that have routes for some sources only.
    by_source: Vec<u32>,
    own4: Map<Ipv4Addr, u32>,
    index_of: HashMap<&'a str, u32>,
}

impl<'a> FibView<'a> {
    pub fn new(network: &'a Network) -> FibView<'a> {
        let rules4: Vec<_> = network.rules_of(FibFamily::Ip4).collect();
        let rules6: Vec<_> = network.rules_of(FibFamily::Ip6).collect();
        let standard = [
            (0, table::LOCAL),
            (32766, table::MAIN),
            (32767, table::DEFAULT),
        ];
        let mut own4 = Map::default();
        for address in network.addresses.iter() {
            if let IpAddr::V4(own) = address.local.address {
                own4.entry(own).or_insert(address.index);
            }
        }
        let mut view = FibView {
            custom_local4: false,
            custom4: !is_default(&rules4, &standard),
            custom6: !is_default(&rules6, &standard[..2]),
            rules4,
            rules6,
            local4: network
                .routes
                .table(FibFamily::Ip4, table::LOCAL)
                .map(Arc::as_ref),
            main4: network
                .routes
                .table(FibFamily::Ip4, table::MAIN)
                .map(Arc::as_ref),
            tables: network
                .routes
                .tables
                .iter()
                .map(|table| ((table.family, table.id), table.as_ref()))
                .collect(),
            by_source: network
                .routes
                .tables_of(FibFamily::Ip6)
                .filter(|table| table.has_sources())
                .map(|table| table.id)
                .collect(),
            own4,
            index_of: network
                .links
                .iter()
                .map(|link| (&*link.name, link.index))
                .collect(),
            network,
        };
        view.custom_local4 = view.has_custom_local4();
        view
    }

    /// The device that has this address (`__ip_dev_find`, first by address, then by local routes).
    pub fn owner4(&self, address: Ipv4Addr) -> Option<u32> {
        if let Some(index) = self.own4.get(&address) {
            return Some(*index);
        }
        let key = FlowKey::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(address));
        match self.in_table(FibFamily::Ip4, table::LOCAL, &key) {
            InTable::Found(found) if found.kind == RouteKind::Local => {
                found.hops.first().map(|hop| hop.oif)
            }
            _ => None,
        }
    }

    /// The address is one of this machine's, by its addresses only (`inet_lookup_ifaddr_rcu`).
    pub fn is_own_address4(&self, address: Ipv4Addr) -> bool {
        self.own4.contains_key(&address)
    }

    /// An own IPv6 address, on any device or on one.
    pub fn is_own6(&self, address: Ipv6Addr, device: Option<u32>) -> bool {
        self.network.addresses.iter().any(|own| {
            own.local.address == IpAddr::V6(address)
                && device.is_none_or(|device| own.index == device)
        })
    }

    /// Somebody added local routes by hand.
    fn has_custom_local4(&self) -> bool {
        const RTPROT_KERNEL: u8 = 2;
        self.local4.is_some_and(|table| {
            table.len() < 10_000
                && table
                    .iter()
                    .any(|route| route.kind == RouteKind::Local && route.protocol != RTPROT_KERNEL)
        })
    }

    /// One table by itself, without the rules.
    pub fn lookup_table(&self, id: u32, key: &FlowKey) -> Option<Lookup> {
        match self.in_table(FibFamily::of(key.dst), id, key) {
            InTable::Nothing => None,
            InTable::Found(found) => Some(Ok(found)),
            InTable::Refused(why, prefix) => Some(Err(Refusal {
                why,
                rule: None,
                table: Some(id),
                prefix: Some(prefix),
            })),
        }
    }

    /// Walk the rules.
    pub fn lookup(&self, key: &FlowKey) -> Lookup {
        let family = FibFamily::of(key.dst);
        let (rules, custom) = match family {
            FibFamily::Ip4 => (&self.rules4, self.custom4),
            FibFamily::Ip6 => (&self.rules6, self.custom6),
        };
        if family == FibFamily::Ip4 && !custom {
            return self.lookup_merged(key);
        }
        let nothing = Refusal {
            why: NoWay::None,
            rule: None,
            table: None,
            prefix: None,
        };
        let mut at = 0;
        while let Some(rule) = rules.get(at) {
            at += 1;
            if !self.matches(rule, key, family) {
                continue;
            }
            let refused = |why| Refusal {
                why,
                rule: Some(rule.priority),
                table: None,
                prefix: None,
            };
            let id = match rule.action {
                RuleAction::Lookup => self.table_of(rule, key),
                RuleAction::Goto(Some(target)) => {
                    // Forward only; an unresolved target is no operation.
                    if target > rule.priority
                        && let Some(place) = rules.iter().position(|other| other.priority == target)
                    {
                        at = place;
                    }
                    continue;
                }
                RuleAction::Goto(None) | RuleAction::Nop => continue,
                RuleAction::Blackhole => return Err(refused(NoWay::Blackhole)),
                RuleAction::Unreachable => return Err(refused(NoWay::Unreachable)),
                RuleAction::Prohibit => return Err(refused(NoWay::Prohibit)),
                RuleAction::Unknown(_) => continue,
            };
            match self.in_table(family, id, key) {
                InTable::Nothing => {}
                InTable::Refused(why, prefix) => {
                    return Err(Refusal {
                        table: Some(id),
                        prefix: Some(prefix),
                        ..refused(why)
                    });
                }
                InTable::Found(mut found) => {
                    if self.is_suppressed(rule, &found) {
                        continue;
                    }
                    found.rule = Some(rule.priority);
                    return Ok(found);
                }
            }
        }
        Err(nothing)
    }

    /// With only the rules that always exist, the local and the main table of IPv4 are one trie.
    fn lookup_merged(&self, key: &FlowKey) -> Lookup {
        let tables = [table::LOCAL, table::MAIN, table::DEFAULT];
        let priorities = [0, 32766, 32767];
        let whole = FibFamily::Ip4.bits();
        let mut best: Option<(u8, Lookup)> = None;
        for (id, priority) in tables.into_iter().zip(priorities) {
            if id == table::DEFAULT && best.is_some() {
                break;
            }
            let (length, result) = match self.in_table(FibFamily::Ip4, id, key) {
                InTable::Nothing => continue,
                InTable::Found(mut found) => {
                    found.rule = Some(priority);
                    // No prefix of another table is longer.
                    if best.is_none() && found.prefix.length == whole {
                        return Ok(found);
                    }
                    (found.prefix.length, Ok(found))
                }
                InTable::Refused(why, prefix) => (
                    prefix.length,
                    Err(Refusal {
                        why,
                        rule: Some(priority),
                        table: Some(id),
                        prefix: Some(prefix),
                    }),
                ),
            };
            if best.as_ref().is_none_or(|(known, _)| length > *known) {
                best = Some((length, result));
            }
        }
        best.map_or(
            Err(Refusal {
                why: NoWay::None,
                rule: None,
                table: None,
                prefix: None,
            }),
            |(_, result)| result,
        )
    }
}

#[cfg(test)]
pub(super) mod tests;
