//! `fib` and `rt`: what routing would say (`nft_fib_ipv4.c`, `nft_fib_ipv6.c`, `nft_rt.c`).

use super::{Next, Walk};
use crate::flow::fib::{FlowKey, LOOPBACK, NoWay, is_link_local};
use crate::flow::hooks::inet;
use crate::model::Family;
use crate::model::network::RouteKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `NFTA_FIB_F_*`
mod flag {
    pub const DADDR: u32 = 2;
    pub const MARK: u32 = 4;
    pub const IIF: u32 = 8;
    pub const OIF: u32 = 16;
    /// The result is only whether there is one.
    pub const PRESENT: u32 = 32;
}

/// `enum nft_fib_result`
mod result {
    pub const OIF: u32 = 1;
    pub const OIFNAME: u32 = 2;
    pub const ADDRTYPE: u32 = 3;
}

impl<'s> Walk<'s, '_> {
    pub(super) fn fib_load(&mut self, dreg: usize, wanted: u32, flags: u32) -> Next<'s> {
        let (Some(src), Some(dst)) = (self.skb.src(), self.skb.dst()) else {
            return Next::Break;
        };
        let device = match (flags & flag::IIF != 0, flags & flag::OIF != 0) {
            (true, _) => Some(self.state.iif),
            (_, true) => Some(self.state.oif),
            _ => None,
        }
        .filter(|index| *index != 0);
        match wanted {
            result::ADDRTYPE => {
                let address = if flags & flag::DADDR != 0 { dst } else { src };
                let kind = match (address, src, dst) {
                    (IpAddr::V4(address), ..) => self.sim.fib.kind4(address, device),
                    (IpAddr::V6(_), IpAddr::V6(src), IpAddr::V6(dst)) => {
                        self.kind6(src, dst, flags, device)
                    }
                    _ => return Next::Break,
                };
                self.registers.put_u32(dreg, u32::from(kind.to_wire()));
            }
            result::OIF | result::OIFNAME => {
                let found = match (src, dst) {
                    (IpAddr::V4(src), IpAddr::V4(dst)) => self.fib_device4(src, dst, flags, device),
                    (IpAddr::V6(src), IpAddr::V6(dst)) => self.fib_device6(src, dst, flags, device),
                    _ => return Next::Break,
                };
                self.store_device(dreg, wanted, flags, found);
            }
            other => {
                return self
                    .break_or_not(|| format!("fib result {other}, which is not understood"));
            }
        }
        Next::Continue
    }

    fn store_device(&mut self, dreg: usize, wanted: u32, flags: u32, found: Option<u32>) {
        if flags & flag::PRESENT != 0 {
            self.registers.put(dreg, &[u8::from(found.is_some())]);
        } else if wanted == result::OIF {
            self.registers.put_u32(dreg, found.unwrap_or(0));
        } else {
            let mut name = [0; 16];
            let link = found.and_then(|index| self.sim.network.link(index));
            for (place, byte) in name
                .iter_mut()
                .take(15)
                .zip(link.iter().flat_map(|l| l.name.bytes()))
            {
                *place = byte;
            }
            self.registers.put(dreg, &name);
        }
    }

    /// Loopback traffic on its way in: it came from where it came (`nft_fib_can_skip`).
    fn is_looped(&self) -> bool {
        (self.is_before_routing() || self.state.hook == inet::INPUT) && self.state.iif == LOOPBACK
    }

    fn fib_device4(
        &mut self,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        flags: u32,
        device: Option<u32>,
    ) -> Option<u32> {
        if self.is_looped() {
            return Some(self.state.iif);
        }
        let zero = |address: Ipv4Addr| address.octets()[0] == 0;
        let local_group = dst.octets()[..3] == [224, 0, 0];
        if zero(src) && (dst.is_broadcast() || local_group) {
            return Some(self.state.iif).filter(|index| *index != 0);
        }
        let station = |address: Ipv4Addr| {
            if address.is_multicast() || address.is_broadcast() || zero(address) {
                Ipv4Addr::UNSPECIFIED
            } else {
                address
            }
        };
        let by_destination = flags & flag::DADDR != 0;
        let mut key = if by_destination {
            FlowKey::new(station(src).into(), dst.into())
        } else {
            FlowKey::new(station(dst).into(), src.into())
        };
        if !by_destination && self.state.hook == inet::FORWARD && flags & flag::IIF != 0 {
            key.iif = self.state.oif;
        }
        key.tos = self.skb.tos() & 0xfc;
        key.ignore_linkdown = true;
        if flags & flag::MARK != 0 {
            key.mark = self.skb.mark;
        }
        let found = self.sim.fib.lookup(&key).ok()?;
        if found.kind == RouteKind::Local {
            return None;
        }
        match device {
            Some(device) => found.uses(device).then_some(device),
            None => found.hops.first().map(|hop| hop.oif),
        }
    }

    fn key6(&self, src: Ipv6Addr, dst: Ipv6Addr, flags: u32, device: Option<u32>) -> FlowKey {
        let (from, to) = if flags & flag::DADDR != 0 {
            (src, dst)
        } else {
            (dst, src)
        };
        let mut key = FlowKey::new(from.into(), to.into());
        if is_link_local(to) {
            key.strict = true;
            let own = if self.state.iif != 0 {
                self.state.iif
            } else {
                self.state.oif
            };
            key.oif = device.unwrap_or(own);
        }
        if flags & flag::MARK != 0 {
            key.mark = self.skb.mark;
        }
        key.tos = self.skb.tos();
        key.proto = self.l4.proto;
        key
    }

    fn fib_device6(
        &mut self,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        flags: u32,
        device: Option<u32>,
    ) -> Option<u32> {
        const ICMPV6: u8 = 58;
        if self.is_looped() {
            return Some(self.state.iif);
        }
        let discovery = self.l4.proto == ICMPV6 && src.is_unspecified() && is_link_local(dst);
        if (self.is_before_routing() || self.state.hook == inet::INPUT) && discovery {
            return Some(self.state.iif);
        }
        let mut key = self.key6(src, dst, flags, device);
        let by_source = flags & flag::DADDR == 0 && flags & flag::IIF != 0;
        if by_source && self.state.hook == inet::FORWARD {
            key.iif = self.state.oif;
        }
        let found = self.sim.fib.lookup(&key).ok()?;
        if matches!(found.kind, RouteKind::Local | RouteKind::Anycast) {
            return None;
        }
        match device {
            Some(device) => found.uses(device).then_some(device),
            None => found.hops.first().map(|hop| hop.oif),
        }
    }

    fn kind6(&self, src: Ipv6Addr, dst: Ipv6Addr, flags: u32, device: Option<u32>) -> RouteKind {
        let key = self.key6(src, dst, flags, device);
        let IpAddr::V6(address) = key.dst else {
            return RouteKind::Unspec;
        };
        let own = device.is_some_and(|device| self.sim.fib.is_own6(address, Some(device)));
        let found = match self.sim.fib.lookup(&key) {
            Ok(found) => found,
            Err(refusal) => {
                return match refusal.why {
                    NoWay::Blackhole => RouteKind::Blackhole,
                    NoWay::Prohibit => RouteKind::Prohibit,
                    NoWay::None | NoWay::Unreachable => RouteKind::Unreachable,
                };
            }
        };
        if found.kind == RouteKind::Anycast {
            return RouteKind::Anycast;
        }
        if own || device.is_none() && found.kind == RouteKind::Local {
            return RouteKind::Local;
        }
        if address.is_multicast() {
            RouteKind::Multicast
        } else if address.is_unspecified() {
            RouteKind::Unspec
        } else {
            RouteKind::Unicast
        }
    }

    /// `rt`: facts of the route that the packet already has.
    pub(super) fn rt_load(&mut self, dreg: usize, key: u32) -> Next<'s> {
        const CLASSID: u32 = 0;
        const NEXTHOP4: u32 = 1;
        const NEXTHOP6: u32 = 2;
        const TCPMSS: u32 = 3;
        const XFRM: u32 = 4;
        let Some(dst) = &self.dst else {
            return Next::Break;
        };
        match key {
            CLASSID => self.registers.put_u32(dreg, 0),
            NEXTHOP4 | NEXTHOP6 => {
                let family = if key == NEXTHOP4 {
                    Family::Ip
                } else {
                    Family::Ip6
                };
                if self.state.family != family {
                    return Next::Break;
                }
                match dst.gateway.or(self.skb.dst()) {
                    Some(IpAddr::V4(hop)) => self.registers.put(dreg, &hop.octets()),
                    Some(IpAddr::V6(hop)) => self.registers.put(dreg, &hop.octets()),
                    None => return Next::Break,
                }
            }
            TCPMSS => {
                let link = self.sim.network.link(dst.oif).map(|link| link.mtu);
                let mtu = dst.mtu.or(link).unwrap_or(1500);
                let headers = if self.skb.is_v4() { 40 } else { 60 };
                let mss = mtu.saturating_sub(headers).min(0xffff) as u16;
                self.registers.put(dreg, &mss.to_ne_bytes());
            }
            XFRM => self.registers.put(dreg, &[0]),
            other => {
                return self.break_or_not(|| format!("rt key {other}, which is not understood"));
            }
        }
        Next::Continue
    }
}
