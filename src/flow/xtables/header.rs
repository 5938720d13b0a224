//! Matches on the packet's own bytes.

use super::super::path::Walk;
use super::Matched;
use crate::model::xtables::Extension;
use crate::model::xtables::protocol::{Icmp, Multiport, StringMatch, Tcp, Udp};

const INVERT: u8 = 1;

fn inside<T: PartialOrd>(range: &[T; 2], value: T) -> bool {
    range[0] <= value && value <= range[1]
}

impl Walk<'_, '_> {
    /// `None`: not a match of this kind, or not one that can be told.
    pub(super) fn match_header(&mut self, extension: &Extension) -> Option<Matched> {
        let skb = &self.skb;
        let l4 = self.l4;
        Some(match extension {
            Extension::Tcp(info) => self.tcp(info),
            Extension::Udp(info) | Extension::Udplite(info) => self.udp(info),
            Extension::Icmp(info) => self.icmp(info, true),
            Extension::Icmp6(info) => self.icmp(info, false),
            Extension::Multiport(info) => self.multiport(info),
            Extension::Sctp(info) if info.flags & !3 == 0 => {
                self.two_ports(12, &info.spts, &info.dpts, info.flags, info.invflags)
            }
            Extension::Dccp(info) if info.flags & !3 == 0 => self.two_ports(
                12,
                &info.spts,
                &info.dpts,
                info.flags.into(),
                info.invflags.into(),
            ),
            Extension::Esp(info) => match self.spi(l4.offset, 8) {
                Ok(spi) => (inside(&info.spis, spi) != (info.invflags & INVERT != 0)).into(),
                Err(matched) => matched,
            },
            Extension::Ah(info) => match self.spi(l4.offset + 4, 8) {
                Ok(spi) => (inside(&info.spis, spi) != (info.invflags & INVERT != 0)).into(),
                Err(matched) => matched,
            },
            Extension::Ttl(info) | Extension::Hl(info) => {
                let own = skb.ttl();
                match info.mode {
                    0 => own == info.ttl,
                    1 => own != info.ttl,
                    2 => own < info.ttl,
                    3 => own > info.ttl,
                    _ => false,
                }
                .into()
            }
            Extension::Dscp(info) => ((skb.tos() >> 2 == info.dscp) != (info.invert != 0)).into(),
            Extension::Tos(info) => {
                ((skb.tos() & info.tos_mask == info.tos_value) != (info.invert != 0)).into()
            }
            Extension::Length(info) => {
                let length = if skb.is_v4() {
                    usize::from(skb.u16_at(2)?)
                } else {
                    usize::from(skb.u16_at(4)?) + 40
                };
                let range = usize::from(info.min)..=usize::from(info.max);
                (range.contains(&length) != (info.invert != 0)).into()
            }
            Extension::Iprange(info) => {
                use std::net::IpAddr;
                let side = |flag: u8, own: Option<IpAddr>, min: [u8; 16], max: [u8; 16]| {
                    if info.flags & flag == 0 {
                        return true;
                    }
                    let mut bytes = [0; 16];
                    match own {
                        Some(IpAddr::V4(a)) => bytes[..4].copy_from_slice(&a.octets()),
                        Some(IpAddr::V6(a)) => bytes = a.octets(),
                        None => return false,
                    }
                    let len = if skb.is_v4() { 4 } else { 16 };
                    let (own, min, max) = (bytes.get(..len), min.get(..len), max.get(..len));
                    let outside = own < min || own > max;
                    outside == (info.flags & (flag << 4) != 0)
                };
                (side(1, skb.src(), info.src_min.0, info.src_max.0)
                    && side(2, skb.dst(), info.dst_min.0, info.dst_max.0))
                .into()
            }
            Extension::Ecn(info) => {
                const IP: u8 = 1;
                const ECE: u8 = 0x10;
                const CWR: u8 = 0x20;
                if info.operation & IP != 0
                    && (skb.tos() & 3 == info.ip_ect) == (info.invert & IP != 0)
                {
                    return Some(Matched::No);
                }
                if info.operation & (ECE | CWR) != 0 {
                    let Some(flags) = skb.u8_at(l4.offset + 13).filter(|_| l4.proto == 6) else {
                        return Some(Matched::No);
                    };
                    for (operation, bit) in [(ECE, 0x40), (CWR, 0x80)] {
                        if info.operation & operation != 0
                            && (flags & bit != 0) == (info.invert & operation != 0)
                        {
                            return Some(Matched::No);
                        }
                    }
                }
                Matched::Yes
            }
            Extension::Tcpmss(info) => {
                let range = [info.mss_min, info.mss_max];
                let invert = info.invert != 0;
                if l4.proto != 6 || skb.data.get(l4.offset..l4.offset + 20).is_none() {
                    return Some(Matched::Drop);
                }
                match self.tcp_option(2).filter(|(_, size)| *size == 4) {
                    Some((at, _)) => {
                        let mss = self.skb.u16_at(at + 2)?;
                        (inside(&range, mss) != invert).into()
                    }
                    None => invert.into(),
                }
            }
            Extension::Frag6(info) => {
                let Some(found) = skb.find_v6(Some(44)) else {
                    return Some(Matched::No);
                };
                let word = skb.u16_at(found.offset + 2)?;
                let id = u32::from(skb.u16_at(found.offset + 4)?) << 16
                    | u32::from(skb.u16_at(found.offset + 6)?);
                const RESERVED: u8 = 4;
                const FIRST: u8 = 8;
                const MORE: u8 = 0x10;
                const LAST: u8 = 0x20;
                let id_fits = inside(&info.ids, id) != (info.invflags & 1 != 0);
                let reserved = skb.u8_at(found.offset + 1)? != 0 || word & 6 != 0;
                (id_fits
                    && !(info.flags & RESERVED != 0 && reserved)
                    && !(info.flags & FIRST != 0 && word & 0xfff8 != 0)
                    && !(info.flags & MORE != 0 && word & 1 == 0)
                    && !(info.flags & LAST != 0 && word & 1 != 0))
                    .into()
            }
            Extension::String1(info) => self.string(info),
            Extension::Ipv6Header(info) => {
                let present = self.v6_headers();
                if info.modeflag != 0 {
                    // Soft: those that are asked for.
                    let wanted = info.matchflags;
                    ((present ^ info.invflags) & wanted == wanted).into()
                } else {
                    (present == info.matchflags ^ info.invflags).into()
                }
            }
            Extension::Comment(_) | Extension::Nfacct0(_) | Extension::Nfacct1(_) => Matched::Yes,
            _ => return None,
        })
    }

    fn spi(&self, at: usize, needed: usize) -> Result<u32, Matched> {
        let l4 = self.l4;
        if l4.fragment != 0 {
            return Err(Matched::No);
        }
        if self.skb.data.get(l4.offset..l4.offset + needed).is_none() {
            return Err(Matched::Drop);
        }
        let word = |at: usize| u32::from(self.skb.u16_at(at).unwrap_or(0));
        Ok(word(at) << 16 | word(at + 2))
    }

    /// The ports, when the header is whole.
    fn ports_of(&self, header: usize) -> Result<(u16, u16), Matched> {
        let l4 = self.l4;
        if l4.fragment != 0 {
            return Err(Matched::No);
        }
        let whole = self.skb.data.get(l4.offset..l4.offset + header).is_some();
        match (self.skb.u16_at(l4.offset), self.skb.u16_at(l4.offset + 2)) {
            (Some(sport), Some(dport)) if whole => Ok((sport, dport)),
            _ => Err(Matched::Drop),
        }
    }

    fn tcp(&self, info: &Tcp) -> Matched {
        const SOURCE: u8 = 1;
        const DESTINATION: u8 = 2;
        const FLAGS: u8 = 4;
        const OPTION: u8 = 8;
        // The second piece of a datagram that overwrites the header: an attack.
        if self.l4.fragment == 1 {
            return Matched::Drop;
        }
        let (sport, dport) = match self.ports_of(20) {
            Ok(ports) => ports,
            Err(matched) => return matched,
        };
        let flags = self.skb.u8_at(self.l4.offset + 13).unwrap_or(0);
        let inverted = |bit: u8| info.invflags & bit != 0;
        if inside(&info.spts, sport) == inverted(SOURCE)
            || inside(&info.dpts, dport) == inverted(DESTINATION)
            || (flags & info.flg_mask == info.flg_cmp) == inverted(FLAGS)
        {
            return Matched::No;
        }
        if info.option != 0 {
            let words = self.skb.u8_at(self.l4.offset + 12).unwrap_or(0) >> 4;
            if words < 5 {
                return Matched::Drop;
            }
            let end = self.l4.offset + usize::from(words) * 4;
            if self.skb.data.len() < end {
                return Matched::Drop;
            }
            let found = self.tcp_option(info.option).is_some();
            return (found != inverted(OPTION)).into();
        }
        Matched::Yes
    }

    fn udp(&self, info: &Udp) -> Matched {
        let (sport, dport) = match self.ports_of(8) {
            Ok(ports) => ports,
            Err(matched) => return matched,
        };
        let inverted = |bit: u8| info.invflags & bit != 0;
        (inside(&info.spts, sport) != inverted(1) && inside(&info.dpts, dport) != inverted(2))
            .into()
    }

    fn two_ports(
        &self,
        header: usize,
        spts: &[u16; 2],
        dpts: &[u16; 2],
        flags: u32,
        invert: u32,
    ) -> Matched {
        let (sport, dport) = match self.ports_of(header) {
            Ok(ports) => ports,
            Err(matched) => return matched,
        };
        let side = |bit: u32, hit: bool| flags & bit == 0 || hit != (invert & bit != 0);
        (side(1, inside(spts, sport)) && side(2, inside(dpts, dport))).into()
    }

    fn icmp(&self, info: &Icmp, v4: bool) -> Matched {
        let l4 = self.l4;
        if l4.fragment != 0 {
            return Matched::No;
        }
        if self.skb.data.get(l4.offset..l4.offset + 8).is_none() {
            return Matched::Drop;
        }
        let kind = self.skb.u8_at(l4.offset).unwrap_or(0);
        let code = self.skb.u8_at(l4.offset + 1).unwrap_or(0);
        let any = v4 && info.kind == 0xff;
        let hit = any || (info.kind == kind && inside(&info.code, code));
        (hit != (info.invflags & INVERT != 0)).into()
    }

    fn multiport(&self, info: &Multiport) -> Matched {
        let (sport, dport) = match self.ports_of(4) {
            Ok(ports) => ports,
            Err(matched) => return matched,
        };
        let mut hit = false;
        let count = usize::from(info.count);
        let mut ports = info.ports.iter().zip(&info.pflags).enumerate();
        while let Some((at, (&low, &begins_range))) = ports.next()
            && at < count
            && !hit
        {
            // A port that is marked is the first of a range; the next one is its last.
            let high = match begins_range {
                0 => low,
                _ => ports.next().map_or(low, |(_, (&high, _))| high),
            };
            let range = [low, high];
            hit = match info.flags {
                0 => inside(&range, sport),
                1 => inside(&range, dport),
                _ => inside(&range, sport) || inside(&range, dport),
            };
        }
        (hit != (info.invert != 0)).into()
    }

    fn string(&self, info: &StringMatch) -> Matched {
        const INVERT: u8 = 1;
        const IGNORE_CASE: u8 = 2;
        let len = usize::from(info.patlen).min(info.pattern.len());
        let pattern = info.pattern.get(..len).unwrap_or_default();
        let from = usize::from(info.from_offset);
        let to = usize::from(info.to_offset).min(self.skb.data.len());
        let same = |a: &[u8]| {
            if info.flags & IGNORE_CASE != 0 {
                a.eq_ignore_ascii_case(pattern)
            } else {
                a == pattern
            }
        };
        // A match may begin up to the end of the range and reach beyond it.
        let hit = !pattern.is_empty()
            && (from..=to)
                .filter_map(|at| self.skb.data.get(at..at + pattern.len()))
                .any(same);
        (hit != (info.flags & INVERT != 0)).into()
    }

    /// `MASK_*` of `ip6t_ipv6header.h`.
    fn v6_headers(&self) -> u8 {
        const HOPOPTS: u8 = 128;
        const DSTOPTS: u8 = 64;
        const ROUTING: u8 = 32;
        const FRAGMENT: u8 = 16;
        const AH: u8 = 8;
        const ESP: u8 = 4;
        const NONE: u8 = 2;
        const PROTO: u8 = 1;
        let mut found = 0;
        let mut next = self.skb.u8_at(6).unwrap_or(59);
        let mut at = 40;
        while let Some(following) = self.skb.u8_at(at) {
            let len = usize::from(self.skb.u8_at(at + 1).unwrap_or(0));
            let (bit, size) = match next {
                0 => (HOPOPTS, (len + 1) * 8),
                43 => (ROUTING, (len + 1) * 8),
                60 => (DSTOPTS, (len + 1) * 8),
                44 => (FRAGMENT, 8),
                51 => (AH, (len + 2) * 4),
                _ => break,
            };
            found |= bit;
            next = following;
            at += size;
        }
        found
            | match next {
                59 => NONE,
                50 => ESP,
                _ => PROTO,
            }
    }
}
