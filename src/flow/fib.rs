//! Routing decisions: policy rules and tables (`fib_rules.c`, `fib_trie.c`, `ip6_fib.c`), kinds of addresses, choice
//! of source addresses (`devinet.c`, `addrconf.c`). On top of the tables of `model::network`.

use super::hash::Map;
use super::settings::Settings;
use crate::model::Network;
use crate::model::network::{
    Address, FibFamily, PolicyRule, Prefix, Route, RouteKind, RouteTable, RuleAction, hop_flags,
    rule_flags, scope, table,
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

/// What one table says.
enum InTable {
    Found(Found),
    Refused(NoWay, Prefix),
    /// Go on with the next rule.
    Nothing,
}

pub struct FibView<'a> {
    network: &'a Network,
    rules4: Vec<&'a PolicyRule>,
    rules6: Vec<&'a PolicyRule>,
    tables: Map<(FibFamily, u32), &'a Arc<RouteTable>>,
    /// Rules other than those that always exist; the kernel then keeps the local table apart from the main one.
    pub custom4: bool,
    pub custom6: bool,
    /// Somebody added local routes by hand.
    custom_local4: bool,
    own4: Map<Ipv4Addr, u32>,
    index_of: HashMap<&'a str, u32>,
}

fn is_default(rules: &[&PolicyRule], wanted: &[(u32, u32)]) -> bool {
    let plain = |rule: &PolicyRule| {
        rule.action == RuleAction::Lookup
            && rule.src_len == 0
            && rule.dst_len == 0
            && rule.tos == 0
            && rule.mark.unwrap_or(0) == 0
            && rule.iif.is_none()
            && rule.oif.is_none()
            && rule.flags & rule_flags::INVERT == 0
    };
    rules.len() == wanted.len()
        && rules
            .iter()
            .zip(wanted)
            .all(|(rule, wanted)| plain(rule) && (rule.priority, rule.table) == *wanted)
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
            tables: network
                .routes
                .tables
                .iter()
                .map(|table| ((table.family, table.id), table))
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
        self.tables
            .get(&(FibFamily::Ip4, table::LOCAL))
            .is_some_and(|table| {
                table.len() < 10_000
                    && table.iter().any(|route| {
                        route.kind == RouteKind::Local && route.protocol != RTPROT_KERNEL
                    })
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
                InTable::Found(found) => {
                    if self.is_suppressed(rule, &found) {
                        continue;
                    }
                    return Ok(Found {
                        rule: Some(rule.priority),
                        ..found
                    });
                }
            }
        }
        Err(nothing)
    }

    /// With only the rules that always exist, the local and the main table of IPv4 are one trie.
    fn lookup_merged(&self, key: &FlowKey) -> Lookup {
        let tables = [table::LOCAL, table::MAIN, table::DEFAULT];
        let priorities = [0, 32766, 32767];
        let mut best: Option<(u8, Lookup)> = None;
        for (id, priority) in tables.into_iter().zip(priorities) {
            if id == table::DEFAULT && best.is_some() {
                break;
            }
            let (length, result) = match self.in_table(FibFamily::Ip4, id, key) {
                InTable::Nothing => continue,
                InTable::Found(found) => (
                    found.prefix.length,
                    Ok(Found {
                        rule: Some(priority),
                        ..found
                    }),
                ),
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

    fn table_of(&self, rule: &PolicyRule, key: &FlowKey) -> u32 {
        if rule.l3mdev.unwrap_or(0) == 0 {
            return rule.table;
        }
        self.vrf_table(key.oif)
            .or_else(|| self.vrf_table(key.iif))
            .unwrap_or(rule.table)
    }

    /// The table of the VRF that a device is or belongs to.
    fn vrf_table(&self, index: u32) -> Option<u32> {
        let link = self.network.link(index)?;
        link.vrf_table
            .or_else(|| self.network.link(link.master?)?.vrf_table)
    }

    fn is_suppressed(&self, rule: &PolicyRule, found: &Found) -> bool {
        if let Some(length) = rule.suppress_prefix_length
            && length >= 0
            && i32::from(found.prefix.length) <= length
        {
            return true;
        }
        if let Some(group) = rule.suppress_group
            && let Ok(group) = u32::try_from(group)
        {
            let device = found
                .hops
                .first()
                .and_then(|hop| self.network.link(hop.oif));
            return device.is_some_and(|link| link.group == group);
        }
        false
    }

    fn matches(&self, rule: &PolicyRule, key: &FlowKey, family: FibFamily) -> bool {
        let hit = self.selectors_match(rule, key, family);
        hit != rule.has(rule_flags::INVERT)
    }

    fn selectors_match(&self, rule: &PolicyRule, key: &FlowKey, family: FibFamily) -> bool {
        let device = |name: &Option<crate::model::Name>, index: u32| match name {
            None => true,
            Some(name) => self.index_of.get(&**name) == Some(&index),
        };
        if !device(&rule.iif, key.iif) || !device(&rule.oif, key.oif) {
            return false;
        }
        if let Some(mark) = rule.mark
            && (mark ^ key.mark) & rule.mask.unwrap_or(u32::MAX) != 0
        {
            return false;
        }
        if rule.tunnel.unwrap_or(0) != 0 {
            return false;
        }
        if rule.l3mdev.unwrap_or(0) != 0
            && self
                .vrf_table(key.oif)
                .or(self.vrf_table(key.iif))
                .is_none()
        {
            return false;
        }
        if let Some(range) = rule.uid
            && !(range.start..=range.end).contains(&key.uid)
        {
            return false;
        }
        let prefix = |wanted: &Option<Prefix>, address: IpAddr| {
            wanted.is_none_or(|wanted| wanted.contains(address))
        };
        if !prefix(&rule.src, key.src) || !prefix(&rule.dst, key.dst) {
            return false;
        }
        if let Some(dscp) = rule.dscp {
            let mask = rule.dscp_mask.unwrap_or(0x3f);
            if (dscp ^ (key.tos >> 2)) & mask != 0 {
                return false;
            }
        } else if rule.tos != 0 {
            // IPv4 compares the old TOS bits only, IPv6 the whole DSCP.
            let mask = if family == FibFamily::Ip4 { 0x1c } else { 0xfc };
            if rule.tos != key.tos & mask {
                return false;
            }
        }
        if rule
            .ipproto
            .is_some_and(|proto| proto != 0 && proto != key.proto)
        {
            return false;
        }
        let port = |range: &Option<crate::model::network::PortRange>, port: u16| {
            range.is_none_or(|range| match range.mask {
                Some(mask) if mask != u16::MAX => (port ^ range.start) & mask == 0,
                _ => port != 0 && (range.start..=range.end).contains(&port),
            })
        };
        if !port(&rule.sport, key.sport) || !port(&rule.dport, key.dport) {
            return false;
        }
        rule.flow_label.unwrap_or(0) == 0
    }

    fn in_table(&self, family: FibFamily, id: u32, key: &FlowKey) -> InTable {
        let Some(routes) = self.tables.get(&(family, id)) else {
            return InTable::Nothing;
        };
        match family {
            FibFamily::Ip4 => {
                for route in routes.lookup(key.dst) {
                    if route.tos != 0 && route.tos != key.tos & 0x1c {
                        continue;
                    }
                    if let Some(result) = self.judge(route, id, key) {
                        return result;
                    }
                }
                InTable::Nothing
            }
            FibFamily::Ip6 => self.in_table6(routes, id, key),
        }
    }

    /// Of the routes of one prefix, those for this source come first, longest source prefix first.
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
        Some(InTable::Found(Found {
            rule: None,
            table: id,
            prefix: route.destination,
            kind: route.kind,
            scope: route.scope,
            source: route.source,
            hops,
            mtu: rare
                .into_iter()
                .flat_map(|rare| &rare.metrics)
                .find(|metric| metric.kind == crate::model::network::metric::MTU)
                .and_then(|metric| metric.number()),
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

    /// `inet_dev_addr_type`: what kind of address this is, seen from any device or from one.
    pub fn kind4(&self, address: Ipv4Addr, device: Option<u32>) -> RouteKind {
        if address.octets()[0] == 0 || address.is_broadcast() {
            return RouteKind::Broadcast;
        }
        if address.is_multicast() {
            return RouteKind::Multicast;
        }
        let key = FlowKey::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(address));
        match self.in_table(FibFamily::Ip4, table::LOCAL, &key) {
            InTable::Found(found) if device.is_none_or(|device| found.uses(device)) => found.kind,
            _ => RouteKind::Unicast,
        }
    }

    /// `inet_select_addr`: the source address for a destination on a device.
    pub fn select4(&self, device: u32, dst: Ipv4Addr, wanted: u8) -> Option<Ipv4Addr> {
        let fits = |address: &Address| !address.is_secondary() && address.scope <= wanted;
        let mut first = None;
        for address in self.network.addresses_of(device) {
            let IpAddr::V4(own) = address.local.address else {
                continue;
            };
            if !fits(address) {
                continue;
            }
            if dst.is_unspecified() || address.local.contains(IpAddr::V4(dst)) {
                return Some(own);
            }
            first = first.or(Some(own));
        }
        if first.is_some() {
            return first;
        }
        self.network.addresses.iter().find_map(|address| {
            let IpAddr::V4(own) = address.local.address else {
                return None;
            };
            (fits(address) && address.scope != scope::LINK).then_some(own)
        })
    }

    /// The first address of a device that is not a secondary one.
    pub fn primary4(&self, device: u32) -> Option<Ipv4Addr> {
        self.network.addresses_of(device).find_map(|address| {
            match (address.local.address, address.is_secondary()) {
                (IpAddr::V4(own), false) => Some(own),
                _ => None,
            }
        })
    }

    /// The first usable IPv6 address of a device, of the scope of `dst` (`nf_nat_redirect_ipv6`).
    pub fn redirect6(&self, device: u32, dst: Ipv6Addr) -> Option<Ipv6Addr> {
        const TENTATIVE: u32 = 0x40;
        const OPTIMISTIC: u32 = 0x04;
        self.network.addresses_of(device).find_map(|address| {
            let IpAddr::V6(own) = address.local.address else {
                return None;
            };
            let usable = address.flags & TENTATIVE == 0 || address.flags & OPTIMISTIC != 0;
            let wanted = scope_bits(dst);
            let scope = wanted == 0 || wanted & scope_bits(own) != 0;
            (usable && scope).then_some(own)
        })
    }

    /// `ipv6_dev_get_saddr`: RFC 6724 among the addresses of this machine.
    pub fn select6(&self, device: u32, dst: Ipv6Addr) -> Option<Ipv6Addr> {
        const TENTATIVE: u32 = 0x40;
        const DEPRECATED: u32 = 0x20;
        let only_device = dst.is_multicast() || is_link_local(dst);
        let mut best: Option<([i32; 6], Ipv6Addr)> = None;
        let links = self.network.links.iter().map(|link| link.index);
        for index in links.filter(|index| !only_device || *index == device) {
            for address in self.network.addresses_of(index) {
                let IpAddr::V6(own) = address.local.address else {
                    continue;
                };
                if address.flags & TENTATIVE != 0 || own.is_multicast() || own.is_unspecified() {
                    continue;
                }
                let own_scope = source_scope(own);
                let wanted = source_scope(dst);
                let by_scope = if own_scope >= wanted {
                    -own_scope
                } else {
                    own_scope - 128
                };
                let common = (u128::from(own) ^ u128::from(dst)).leading_zeros();
                let common = common.min(u32::from(address.local.length));
                let score = [
                    i32::from(own == dst),
                    by_scope,
                    i32::from(address.flags & DEPRECATED == 0),
                    i32::from(index == device),
                    i32::from(label(own) == label(dst)),
                    common as i32,
                ];
                if best.as_ref().is_none_or(|(known, _)| score > *known) {
                    best = Some((score, own));
                }
            }
        }
        best.map(|(_, own)| own)
    }

    /// The source that a socket without one of its own gets for a route (`fib_result_prefsrc`, `ip6_route_get_saddr`).
    pub fn source_for(&self, found: &Found, dst: IpAddr) -> Option<IpAddr> {
        if let Some(source) = found.source {
            return Some(source);
        }
        let hop = found.hops.first()?;
        match dst {
            IpAddr::V4(dst) => {
                if found.kind == RouteKind::Local {
                    return Some(IpAddr::V4(dst));
                }
                let near = match hop.gateway {
                    Some(IpAddr::V4(gateway)) => gateway,
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                self.select4(hop.oif, near, found.scope).map(IpAddr::V4)
            }
            IpAddr::V6(dst) => {
                if found.kind == RouteKind::Local {
                    return Some(IpAddr::V6(dst));
                }
                self.select6(hop.oif, dst).map(IpAddr::V6)
            }
        }
    }

    /// `fib_validate_source`: may a packet from `key.src` to `key.dst` come in on this device?
    /// `key.oif` is where it would go on.
    pub fn validate4(
        &self,
        key: &FlowKey,
        device: u32,
        settings: &Settings,
    ) -> Result<(), SourceFault> {
        let (IpAddr::V4(src), own) = (key.src, settings.device4(device)) else {
            return Ok(());
        };
        let filter = own.rp_filter;
        if filter == 0 && (device != key.oif || !own.send_redirects) {
            if own.accept_local {
                return Ok(());
            }
            if !self.custom4 && !self.custom_local4 {
                return if self.is_own_address4(src) {
                    Err(SourceFault::Local)
                } else {
                    Ok(())
                };
            }
        }
        let mut back = FlowKey {
            src: key.dst,
            dst: key.src,
            iif: if key.oif != 0 { key.oif } else { LOOPBACK },
            oif: 0,
            mark: if own.src_valid_mark { key.mark } else { 0 },
            sport: key.dport,
            dport: key.sport,
            ..*key
        };
        let last_resort = || {
            if filter != 0 {
                Err(SourceFault::ReversePath)
            } else {
                Ok(())
            }
        };
        let Ok(found) = self.lookup(&back) else {
            return last_resort();
        };
        match found.kind {
            RouteKind::Unicast => {}
            RouteKind::Local if own.accept_local => {}
            RouteKind::Local => return Err(SourceFault::Local),
            _ => return Err(SourceFault::Martian),
        }
        if found.uses(device) || (found.kind == RouteKind::Local && device == LOOPBACK) {
            return Ok(());
        }
        if !self
            .network
            .addresses_of(device)
            .any(|a| a.local.address.is_ipv4())
        {
            return last_resort();
        }
        if filter == 1 {
            return Err(SourceFault::ReversePath);
        }
        back.oif = device;
        back.ignore_linkdown = true;
        // Only whether the sender is on the link depends on it.
        let _ = self.lookup(&back);
        Ok(())
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

/// Why a source address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// One of this machine's own.
    Local,
    /// No address of a station.
    Martian,
    ReversePath,
}

pub fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// `ipv6_addr_scope`: 0 for global ones.
fn scope_bits(address: Ipv6Addr) -> u32 {
    if is_link_local(address) {
        0x20
    } else if address.is_loopback() {
        0x10
    } else if address.segments()[0] & 0xffc0 == 0xfec0 {
        0x40
    } else {
        0
    }
}

/// `IPV6_ADDR_SCOPE_*`: 2 link, 5 site, 14 global.
fn source_scope(address: Ipv6Addr) -> i32 {
    if address.is_multicast() {
        return i32::from(address.octets()[1] & 15);
    }
    match scope_bits(address) {
        0x20 | 0x10 => 2,
        0x40 => 5,
        _ => 14,
    }
}

/// The label of the default policy table of RFC 6724, as `addrlabel.c` has it.
fn label(address: Ipv6Addr) -> u32 {
    let s = address.segments();
    if address.is_loopback() {
        0
    } else if s[0] & 0xfe00 == 0xfc00 {
        5
    } else if s[0] == 0x2002 {
        2
    } else if s[0] == 0x2001 && s[1] == 0 {
        6
    } else if s[0] == 0x2001 && s[1] & 0xfff0 == 0x10 {
        7
    } else if s[..5] == [0; 5] && s[5] == 0xffff {
        4
    } else if s[..6] == [0; 6] {
        3
    } else {
        1
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::network::{Fib, Link, RouteBody, RouteTableBuilder, TcHooks};

    pub(in crate::flow) fn device() -> Link {
        Link {
            index: 0,
            name: "".into(),
            alt_names: Vec::new(),
            hardware: 1,
            kind: None,
            slave_kind: None,
            flags: 1,
            mtu: 1500,
            address: vec![2, 0, 0, 0, 0, 9],
            operstate: 6,
            carrier: Some(true),
            master: None,
            lower: None,
            lower_netns: None,
            group: 0,
            alias: None,
            txqlen: 0,
            qdisc: "".into(),
            vlan: None,
            vrf_table: None,
            xdp: Vec::new(),
            tc: TcHooks::default(),
            stats: None,
            raw: Vec::new(),
        }
    }

    fn rule(priority: u32, table: u32) -> PolicyRule {
        PolicyRule {
            family: 2,
            priority,
            flags: 0,
            action: RuleAction::Lookup,
            table,
            src: None,
            src_len: 0,
            dst: None,
            dst_len: 0,
            tos: 0,
            mark: None,
            mask: None,
            iif: None,
            oif: None,
            l3mdev: None,
            uid: None,
            ipproto: None,
            sport: None,
            dport: None,
            tunnel: None,
            dscp: None,
            dscp_mask: None,
            flow_label: None,
            flow_label_mask: None,
            suppress_prefix_length: None,
            suppress_group: None,
            realms: None,
            protocol: None,
            unknown: Vec::new(),
            raw: Vec::new(),
        }
    }

    fn network(rules: Vec<PolicyRule>) -> Network {
        let mut tables = Vec::new();
        for (id, routes) in [
            (255, vec![("10.0.0.1/32", RouteKind::Local, 0, 2)]),
            (
                254,
                vec![
                    ("0.0.0.0/0", RouteKind::Unicast, 0, 3),
                    ("10.0.0.0/8", RouteKind::Unicast, 0x10, 3),
                    ("10.0.0.0/8", RouteKind::Unicast, 0, 2),
                    ("192.168.0.0/16", RouteKind::Blackhole, 0, 1),
                ],
            ),
            (
                100,
                vec![
                    ("0.0.0.0/0", RouteKind::Unicast, 0, 4),
                    ("10.9.0.0/16", RouteKind::Throw, 0, 1),
                ],
            ),
        ] {
            let mut table = RouteTableBuilder::new(FibFamily::Ip4, id);
            for (prefix, kind, tos, oif) in routes {
                let (address, length) = prefix.split_once('/').unwrap();
                let destination = Prefix::new(address.parse().unwrap(), length.parse().unwrap());
                let body = RouteBody {
                    kind,
                    tos,
                    oif: Some(oif),
                    ..RouteBody::new(FibFamily::Ip4, id)
                };
                let body = table.add_body(body);
                table.push(destination, body);
            }
            tables.push(Arc::new(table.finish()));
        }
        let link = |index, name: &str| Link {
            index,
            name: name.into(),
            ..device()
        };
        Network {
            links: Arc::new(vec![
                link(1, "lo"),
                link(2, "a"),
                link(3, "b"),
                link(4, "c"),
            ]),
            routes: Arc::new(Fib {
                tables,
                other: Vec::new(),
            }),
            rules: Arc::new(rules),
            ..Network::default()
        }
    }

    fn to(dst: &str) -> FlowKey {
        FlowKey::new("0.0.0.0".parse().unwrap(), dst.parse().unwrap())
    }

    fn oif(view: &FibView<'_>, key: &FlowKey) -> Result<u32, NoWay> {
        view.lookup(key)
            .map(|found| found.hops[0].oif)
            .map_err(|refusal| refusal.why)
    }

    #[test]
    fn rules_tables_tos_and_throw() {
        let marked = PolicyRule {
            mark: Some(1),
            mask: Some(1),
            ..rule(50, 100)
        };
        let network = network(vec![
            rule(0, 255),
            marked,
            rule(32766, 254),
            rule(32767, 253),
        ]);
        let view = FibView::new(&network);
        assert!(view.custom4);
        assert_eq!(oif(&view, &to("10.9.1.1")), Ok(2));
        assert_eq!(
            oif(
                &view,
                &FlowKey {
                    tos: 0x10,
                    ..to("10.9.1.1")
                }
            ),
            Ok(3)
        );
        assert_eq!(
            oif(
                &view,
                &FlowKey {
                    mark: 1,
                    ..to("8.8.8.8")
                }
            ),
            Ok(4)
        );
        // A throw route sends it on to the next rule.
        assert_eq!(
            oif(
                &view,
                &FlowKey {
                    mark: 1,
                    ..to("10.9.1.1")
                }
            ),
            Ok(2)
        );
        assert_eq!(oif(&view, &to("192.168.1.1")), Err(NoWay::Blackhole));
        assert_eq!(view.lookup(&to("10.0.0.1")).unwrap().kind, RouteKind::Local);
        assert_eq!(
            view.kind4("10.0.0.1".parse().unwrap(), Some(3)),
            RouteKind::Unicast
        );
        assert_eq!(
            view.kind4("10.0.0.1".parse().unwrap(), None),
            RouteKind::Local
        );
    }

    #[test]
    fn suppressed_results_and_gotos_go_on() {
        let suppress = PolicyRule {
            suppress_prefix_length: Some(0),
            ..rule(10, 254)
        };
        let jump = PolicyRule {
            action: RuleAction::Goto(Some(40)),
            ..rule(20, 0)
        };
        let block = PolicyRule {
            action: RuleAction::Prohibit,
            ..rule(30, 0)
        };
        let network = network(vec![rule(0, 255), suppress, jump, block, rule(40, 100)]);
        let view = FibView::new(&network);
        assert_eq!(oif(&view, &to("10.1.1.1")), Ok(2));
        assert_eq!(oif(&view, &to("8.8.8.8")), Ok(4));
    }

    #[test]
    fn labels_and_scopes() {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        assert_eq!(label(address("fd00::1")), 5);
        assert_eq!(label(address("2001:db8::1")), 1);
        assert_eq!(source_scope(address("fe80::1")), 2);
        assert_eq!(source_scope(address("ff02::1")), 2);
        assert_eq!(source_scope(address("fd00::1")), 14);
    }
}
