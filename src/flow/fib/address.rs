//! Kinds of addresses, and the choice of source addresses (`devinet.c`, `addrconf.c`).

use super::routes::InTable;
use super::{FibView, FlowKey, Found};
use crate::model::network::{Address, FibFamily, RouteKind, scope, table};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl FibView<'_> {
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
}

pub fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// `ipv6_addr_scope`: 0 for global ones.
pub(super) fn scope_bits(address: Ipv6Addr) -> u32 {
    if address.is_multicast() {
        let [_, scope, ..] = address.octets();
        return match scope & 15 {
            1 => 0x10,
            2 => 0x20,
            5 => 0x40,
            _ => 0,
        };
    }
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
pub(super) fn source_scope(address: Ipv6Addr) -> i32 {
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
pub(super) fn label(address: Ipv6Addr) -> u32 {
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
