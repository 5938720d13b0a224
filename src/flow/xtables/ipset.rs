//! Is a packet in a set of ipset? (`net/netfilter/ipset/ip_set_*.c`)

use super::super::hash::Map;
use super::super::packet::{
    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
};
use super::super::path::Walk;
use crate::model::Name;
use crate::model::ipset::{IpSet, IpSetElement, ipset_flags};
use crate::model::network::Prefix;
use crate::model::xtables::state::SetInfo;
use std::collections::HashMap;
use std::net::IpAddr;

/// All sets, found by number and by name.
pub struct IpSets<'a> {
    sets: Vec<Indexed<'a>>,
    by_index: Map<u16, usize>,
    by_name: HashMap<&'a str, usize>,
}

struct Indexed<'a> {
    set: &'a IpSet,
    /// Elements that are single addresses (with a port, or another address).
    exact: Map<(IpAddr, u16, u8), Vec<usize>>,
    /// The others.
    rest: Vec<usize>,
}

/// What a packet has to offer, for one direction word each (`src`, `dst`).
struct Offer {
    addresses: [Option<IpAddr>; 3],
    port: Option<(u16, u8)>,
    mark: u32,
    ether: Option<[u8; 6]>,
    iface: Option<Name>,
}

impl<'a> IpSets<'a> {
    pub fn new(sets: &'a [IpSet]) -> IpSets<'a> {
        let indexed = sets
            .iter()
            .map(|set| {
                let mut exact: Map<_, Vec<usize>> = Map::default();
                let mut rest = Vec::new();
                for (place, element) in set.elements.iter().enumerate() {
                    match exact_key(set, element) {
                        Some(key) => exact.entry(key).or_default().push(place),
                        None => rest.push(place),
                    }
                }
                Indexed { set, exact, rest }
            })
            .collect();
        IpSets {
            sets: indexed,
            by_index: sets
                .iter()
                .enumerate()
                .map(|(at, set)| (set.index, at))
                .collect(),
            by_name: sets
                .iter()
                .enumerate()
                .map(|(at, set)| (set.name.as_str(), at))
                .collect(),
        }
    }

    /// `None`: there is no such set here, or one of a kind that is not understood.
    pub(super) fn test(&self, walk: &Walk<'_, '_>, info: &SetInfo) -> Option<bool> {
        let place = *self.by_index.get(&info.index)?;
        self.test_at(walk, place, info, 0)
    }

    fn test_at(
        &self,
        walk: &Walk<'_, '_>,
        place: usize,
        info: &SetInfo,
        depth: u8,
    ) -> Option<bool> {
        let own = self.sets.get(place)?;
        let set = own.set;
        let dimensions = if set.kind == "list:set" {
            1
        } else {
            set.kind.matches(',').count() + 1
        };
        let family = if walk.skb.is_v6() { 10 } else { 2 };
        if usize::from(info.dim) < dimensions || (set.family != 0 && set.family != family) {
            return Some(false);
        }
        if set.kind == "list:set" {
            if depth > 8 {
                return None;
            }
            for element in &set.elements {
                let member = element.set.as_deref()?;
                let member = *self.by_name.get(member)?;
                if self.test_at(walk, member, info, depth + 1)? {
                    return Some(true);
                }
            }
            return Some(false);
        }
        let Some(offer) = offer(walk, set, info) else {
            return Some(false);
        };
        let parts: Vec<&str> = set.kind.split(':').nth(1)?.split(',').collect();
        if !parts
            .iter()
            .all(|part| matches!(*part, "ip" | "net" | "port" | "mark" | "mac" | "iface"))
        {
            return None;
        }
        let mut best: Option<(u16, bool)> = None;
        let mut look = |element: &IpSetElement| {
            if let Some(width) = fits(set, element, &parts, &offer, walk) {
                let excluded = element.flags & ipset_flags::NOMATCH != 0;
                // The narrowest element decides.
                if best.is_none_or(|(known, _)| width > known) {
                    best = Some((width, !excluded));
                }
            }
        };
        if let Some(address) = offer.addresses[0] {
            let (port, proto) = offer.port.unwrap_or((0, 0));
            let keys = [(address, port, proto), (address, 0, 0)];
            let keys = if keys[0] == keys[1] {
                &keys[..1]
            } else {
                &keys[..]
            };
            for key in keys {
                for place in own.exact.get(key).into_iter().flatten() {
                    if let Some(element) = set.elements.get(*place) {
                        look(element);
                    }
                }
            }
        }
        for place in &own.rest {
            if let Some(element) = set.elements.get(*place) {
                look(element);
            }
        }
        Some(best.is_some_and(|(_, inside)| inside))
    }
}

/// The key of an element that stands for one address only.
fn exact_key(set: &IpSet, element: &IpSetElement) -> Option<(IpAddr, u16, u8)> {
    let ip = element.ip?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let single = element.cidr.is_none_or(|cidr| cidr == bits) && element.ip_to.is_none();
    if !single || set.netmask.is_some() || element.port_to.is_some() {
        return None;
    }
    Some((ip, element.port.unwrap_or(0), element.proto.unwrap_or(0)))
}

fn is_source(info: &SetInfo, dimension: usize) -> bool {
    info.flags & (2 << dimension) != 0
}

/// What the packet has for a set of this kind; `None`: something that the set needs is missing.
fn offer(walk: &Walk<'_, '_>, set: &IpSet, info: &SetInfo) -> Option<Offer> {
    let kind = set.kind.split(':').nth(1)?;
    let mut offer = Offer {
        addresses: [None; 3],
        port: None,
        mark: walk.skb.mark & set.markmask.unwrap_or(u32::MAX),
        ether: None,
        iface: None,
    };
    let mut addresses = 0;
    for (dimension, part) in kind.split(',').enumerate() {
        let source = is_source(info, dimension);
        match part {
            "ip" | "net" => {
                let address = if source {
                    walk.skb.src()
                } else {
                    walk.skb.dst()
                }?;
                let address = match set.netmask {
                    Some(bits) if part == "ip" => Prefix::new(address, bits).masked().address,
                    _ => address,
                };
                *offer.addresses.get_mut(addresses)? = Some(address);
                addresses += 1;
            }
            "port" => {
                let only_ports = set.kind == "bitmap:port";
                offer.port = Some(port(walk, source, only_ports)?);
            }
            "mac" => {
                let mac = walk.skb.mac?;
                offer.ether = Some(if source { mac.source } else { mac.destination });
            }
            "iface" => {
                let index = if source {
                    walk.state.iif
                } else {
                    walk.state.oif
                };
                offer.iface = Some(walk.sim.network.link(index)?.name.clone());
            }
            _ => {}
        }
    }
    Some(offer)
}

/// `ip_set_get_ip4_port`: the port and its protocol.
fn port(walk: &Walk<'_, '_>, source: bool, only_ports: bool) -> Option<(u16, u8)> {
    let l4 = walk.skb.l4();
    if !l4.known {
        return None;
    }
    let carries = matches!(
        l4.proto,
        IPPROTO_TCP | IPPROTO_UDP | IPPROTO_SCTP | IPPROTO_UDPLITE
    );
    if l4.fragment != 0 {
        return None;
    }
    if carries {
        let header = if l4.proto == IPPROTO_TCP { 20 } else { 8 };
        let header = if l4.proto == IPPROTO_SCTP { 12 } else { header };
        walk.skb.data.get(l4.offset..l4.offset + header)?;
        let at = l4.offset + if source { 0 } else { 2 };
        return Some((walk.skb.u16_at(at)?, l4.proto));
    }
    if only_ports {
        return None;
    }
    match l4.proto {
        IPPROTO_ICMP | IPPROTO_ICMPV6 => {
            walk.skb.data.get(l4.offset..l4.offset + 8)?;
            Some((walk.skb.u16_at(l4.offset)?, l4.proto))
        }
        _ => Some((0, l4.proto)),
    }
}

fn in_network(
    element: Option<IpAddr>,
    to: Option<IpAddr>,
    cidr: Option<u8>,
    own: IpAddr,
) -> Option<u16> {
    let ip = element?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    if let Some(to) = to {
        return (ip <= own && own <= to && ip.is_ipv4() == own.is_ipv4())
            .then_some(u16::from(bits));
    }
    let length = cidr.unwrap_or(bits);
    Prefix::new(ip, length)
        .contains(own)
        .then_some(u16::from(length))
}

/// How narrow an element is that the packet fits; `None`: it does not.
fn fits(
    set: &IpSet,
    element: &IpSetElement,
    parts: &[&str],
    offer: &Offer,
    walk: &Walk<'_, '_>,
) -> Option<u16> {
    let mut width = 0;
    let mut address = 0;
    for part in parts {
        match *part {
            "ip" | "net" => {
                let own = offer.addresses.get(address).copied().flatten()?;
                width += match address {
                    0 => in_network(element.ip, element.ip_to, element.cidr, own)? * 256,
                    _ => in_network(element.ip2, None, element.cidr2, own)?,
                };
                address += 1;
            }
            "port" => {
                let (port, proto) = offer.port?;
                let low = element.port?;
                if port < low || port > element.port_to.unwrap_or(low) {
                    return None;
                }
                if set.kind != "bitmap:port" && element.proto.is_some_and(|own| own != proto) {
                    return None;
                }
            }
            "mark" => {
                if element.mark? != offer.mark {
                    return None;
                }
            }
            "mac" => {
                // An element of bitmap:ip,mac without an address yet takes any.
                if let Some(ether) = element.ether
                    && Some(ether) != offer.ether
                {
                    return None;
                }
            }
            "iface" => {
                let wanted = element.iface.as_deref()?;
                let own = if element.flags & ipset_flags::PHYSDEV != 0 {
                    let port = walk.nf_bridge.as_ref()?.in_port;
                    walk.sim.network.link(port)?.name.clone()
                } else {
                    offer.iface.clone()?
                };
                let hit = if element.flags & ipset_flags::IFACE_WILDCARD != 0 {
                    own.starts_with(wanted)
                } else {
                    *own == *wanted
                };
                if !hit {
                    return None;
                }
            }
            _ => return None,
        }
    }
    Some(width)
}
