//! Matches that ask the routing tables: `addrtype` and `rpfilter`.

use super::Matched;
use crate::flow::fib::{FlowKey, LOOPBACK};
use crate::flow::path::Walk;
use crate::model::network::RouteKind;
use crate::model::xtables::state::Addrtype1;
use std::net::{IpAddr, Ipv6Addr};

impl Walk<'_, '_> {
    pub(super) fn addrtype(&mut self, info: &Addrtype1) -> Matched {
        const INVERT_SOURCE: u32 = 1;
        const INVERT_DEST: u32 = 2;
        const IFACE_IN: u32 = 4;
        const IFACE_OUT: u32 = 8;
        let device = match info.flags {
            flags if flags & IFACE_IN != 0 => Some(self.state.iif),
            flags if flags & IFACE_OUT != 0 => Some(self.state.oif),
            _ => None,
        }
        .filter(|index| *index != 0);
        let (Some(src), Some(dst)) = (self.skb.src(), self.skb.dst()) else {
            return Matched::No;
        };
        let kind = |mask: u16, address: IpAddr| match address {
            IpAddr::V4(address) => {
                let kind = self.sim.fib.kind4(address, device);
                mask & (1u16.checked_shl(kind.to_wire().into()).unwrap_or(0)) != 0
            }
            IpAddr::V6(address) => self.addrtype6(mask, address, device),
        };
        let side =
            |mask: u16, address: IpAddr, invert: bool| mask == 0 || kind(mask, address) != invert;
        (side(info.source, src, info.flags & INVERT_SOURCE != 0)
            && side(info.dest, dst, info.flags & INVERT_DEST != 0))
        .into()
    }

    /// `match_type6`
    fn addrtype6(&self, mask: u16, address: Ipv6Addr, device: Option<u32>) -> bool {
        const UNSPEC: u16 = 1;
        const UNICAST: u16 = 2;
        const LOCAL: u16 = 4;
        const ANYCAST: u16 = 0x10;
        const MULTICAST: u16 = 0x20;
        const UNREACHABLE: u16 = 0x80;
        const PROHIBIT: u16 = 0x100;
        if mask & MULTICAST != 0 && !address.is_multicast() {
            return false;
        }
        if mask & UNICAST != 0 && (address.is_multicast() || address.is_unspecified()) {
            return false;
        }
        if mask & UNSPEC != 0 && !address.is_unspecified() {
            return false;
        }
        if mask & (LOCAL | ANYCAST | PROHIBIT | UNREACHABLE) == 0 {
            return true;
        }
        let mut key = FlowKey::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(address));
        key.oif = device.unwrap_or(0);
        let mut found = 0;
        if device.is_some() && mask & LOCAL != 0 && self.sim.fib.is_own6(address, device) {
            found = LOCAL;
        }
        match self.sim.fib.lookup(&key) {
            Err(_) => return mask & UNREACHABLE != 0,
            Ok(route) => match route.kind {
                RouteKind::Local if device.is_none() => found |= LOCAL,
                RouteKind::Anycast => found |= ANYCAST,
                _ => {}
            },
        }
        mask & found != 0
    }

    /// `ipt_rpfilter`, `ip6t_rpfilter`
    pub(super) fn rpfilter(&mut self, flags: u8) -> Matched {
        const LOOSE: u8 = 1;
        const VALID_MARK: u8 = 2;
        const ACCEPT_LOCAL: u8 = 4;
        const INVERT: u8 = 8;
        let invert = flags & INVERT != 0;
        let (Some(src), Some(dst)) = (self.skb.src(), self.skb.dst()) else {
            return Matched::No;
        };
        let device = self.state.iif;
        if device == LOOPBACK {
            return (!invert).into();
        }
        let groups = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                if src.is_multicast() || src.is_broadcast() {
                    return invert.into();
                }
                src.octets()[0] == 0 && (dst.is_broadcast() || dst.octets()[..3] == [224, 0, 0])
            }
            (IpAddr::V6(src), _) => {
                if src.is_multicast() || src.is_loopback() {
                    return invert.into();
                }
                false
            }
            _ => false,
        };
        if groups {
            return (!invert).into();
        }
        let mut key = FlowKey::new(dst, src);
        key.tos = self.skb.tos();
        if matches!(dst, IpAddr::V4(dst) if dst.is_multicast() || dst.is_broadcast()) {
            key.src = IpAddr::from([0; 4]);
        }
        if flags & VALID_MARK != 0 {
            key.mark = self.skb.mark;
        }
        let good = match self.sim.fib.lookup(&key) {
            Err(_) => false,
            Ok(found) => match found.kind {
                RouteKind::Unicast => flags & LOOSE != 0 || found.uses(device),
                RouteKind::Local => flags & ACCEPT_LOCAL != 0,
                _ => false,
            },
        };
        (good != invert).into()
    }
}
