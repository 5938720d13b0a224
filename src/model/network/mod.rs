//! Links, addresses, routes, policy rules, neighbours, next hops: what routes packets in one network
//! namespace, as plain values. May use nothing but the rest of `model`.
//!
//! Numbers keep the kernel's values (`linux/rtnetlink.h` and friends); names for them belong to `lang`.
//! Everything the kernel said and this build does not understand is kept in `raw` or `unknown`.

mod address;
mod apply;
mod change;
mod fib;
mod link;
mod names;
mod neighbour;
mod nexthop;
mod prefix;
mod route;
mod rule;
mod system;
mod trie;
mod trie_index;
mod trie_leaves;

pub use address::Address;
pub use apply::{NetworkChange, NetworkSummary, RouteChanges};
pub use change::{ChangeAction, RouteChange, RoutingObject};
pub use fib::{Fib, FibFamily, RawRoute, RouteTable, RouteTableBuilder};
pub use link::{Link, LinkStats, TcHooks, Vlan, XdpAttachment, XdpMode, link_flags};
pub use names::{NameTable, RouteNames, number};
pub use neighbour::{Neighbour, neighbour_flags, neighbour_state};
pub use nexthop::{Nexthop, NexthopMember, ResilientGroup};
pub use prefix::Prefix;
pub use route::{
    CacheInfo, Encap, OwnedRoute, RawAttribute, Route, RouteBody, RouteHop, RouteKind, RouteMetric,
    RouteRare, Via, hop_flags, metric, route_flags, scope, table,
};
pub use rule::{PolicyRule, PortRange, RuleAction, UidRange, rule_flags};
pub use system::{HookFunction, Hooks, LegacyTables, Offered, Sysctls};

use crate::model::Name;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The routing side of one network namespace. A clone shares everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Ascending by index.
    pub links: Arc<Vec<Link>>,
    /// In the kernel's order.
    pub addresses: Arc<Vec<Address>>,
    pub routes: Arc<Fib>,
    /// IPv4 rules before IPv6 rules, each in the order in which the kernel walks them.
    pub rules: Arc<Vec<PolicyRule>>,
    /// ARP and NDP entries, proxies and bridge forwarding entries, in the kernel's order.
    pub neighbours: Arc<Vec<Neighbour>>,
    /// Next hop objects, ascending by id.
    pub nexthops: Arc<Vec<Nexthop>>,
    pub sysctls: Arc<Sysctls>,
    pub legacy_tables: Arc<LegacyTables>,
    pub hooks: Arc<Hooks>,
}

impl Network {
    pub fn link(&self, index: u32) -> Option<&Link> {
        let place = self.links.binary_search_by_key(&index, |link| link.index);
        place.ok().and_then(|place| self.links.get(place))
    }

    /// By name or alternative name.
    pub fn link_by_name(&self, name: &str) -> Option<&Link> {
        self.links
            .iter()
            .find(|link| &*link.name == name)
            .or_else(|| {
                self.links
                    .iter()
                    .find(|link| link.alt_names.iter().any(|alt| &**alt == name))
            })
    }

    /// The device's name; `if` and the number when there is no such device, as iproute2 writes it.
    pub fn link_name(&self, index: u32) -> Name {
        match self.link(index) {
            Some(link) => link.name.clone(),
            None if index == 0 => Name::from("*"),
            None => Name::from(format!("if{index}")),
        }
    }

    pub fn nexthop(&self, id: u32) -> Option<&Nexthop> {
        let place = self
            .nexthops
            .binary_search_by_key(&id, |nexthop| nexthop.id);
        place.ok().and_then(|place| self.nexthops.get(place))
    }

    pub fn addresses_of(&self, index: u32) -> impl Iterator<Item = &Address> {
        self.addresses
            .iter()
            .filter(move |address| address.index == index)
    }

    /// The rules of one family in the order in which the kernel walks them.
    pub fn rules_of(&self, family: FibFamily) -> impl Iterator<Item = &PolicyRule> {
        self.rules
            .iter()
            .filter(move |rule| rule.family == family.to_wire())
    }
}
