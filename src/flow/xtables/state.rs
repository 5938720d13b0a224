//! Matches on what the kernel keeps beside the packet: conntrack, marks, devices, sockets, routes, sets, rates.

use super::super::conntrack::Tuple;
use super::super::fib::{FlowKey, LOOPBACK};
use super::super::path::Walk;
use super::Matched;
use crate::model::network::RouteKind;
use crate::model::xtables::Extension;
use crate::model::xtables::layout::Addr16;
use crate::model::xtables::state::{Addrtype1, Owner, SetInfo, Time};
use std::net::{IpAddr, Ipv6Addr};

/// `XT_CONNTRACK_*`
mod what {
    pub const STATE: u16 = 1;
    pub const PROTO: u16 = 2;
    pub const ORIGSRC: u16 = 4;
    pub const ORIGDST: u16 = 8;
    pub const REPLSRC: u16 = 0x10;
    pub const REPLDST: u16 = 0x20;
    pub const STATUS: u16 = 0x40;
    pub const EXPIRES: u16 = 0x80;
    pub const ORIGSRC_PORT: u16 = 0x100;
    pub const ORIGDST_PORT: u16 = 0x200;
    pub const REPLSRC_PORT: u16 = 0x400;
    pub const REPLDST_PORT: u16 = 0x800;
    pub const DIRECTION: u16 = 0x1000;
}

/// All revisions of the `conntrack` match in one form.
struct Conntrack {
    addresses: [(Addr16, Addr16); 4],
    ports: [(u16, u16); 4],
    l4proto: u16,
    wanted: u16,
    inverted: u16,
    states: u16,
    status: u16,
}

macro_rules! conntrack {
    ($info:expr, $port:expr) => {
        Conntrack {
            addresses: [
                ($info.connection.origsrc_addr, $info.connection.origsrc_mask),
                ($info.connection.origdst_addr, $info.connection.origdst_mask),
                ($info.connection.replsrc_addr, $info.connection.replsrc_mask),
                ($info.connection.repldst_addr, $info.connection.repldst_mask),
            ],
            ports: $port,
            l4proto: $info.l4proto,
            wanted: $info.match_flags,
            inverted: $info.invert_flags,
            states: $info.state_mask.into(),
            status: $info.status_mask.into(),
        }
    };
}

impl Conntrack {
    fn of(extension: &Extension) -> Option<Conntrack> {
        Some(match extension {
            Extension::Conntrack1(i) => conntrack!(
                i,
                [
                    (i.origsrc_port.0, i.origsrc_port.0),
                    (i.origdst_port.0, i.origdst_port.0),
                    (i.replsrc_port.0, i.replsrc_port.0),
                    (i.repldst_port.0, i.repldst_port.0),
                ]
            ),
            Extension::Conntrack2(i) => conntrack!(
                i,
                [
                    (i.origsrc_port.0, i.origsrc_port.0),
                    (i.origdst_port.0, i.origdst_port.0),
                    (i.replsrc_port.0, i.replsrc_port.0),
                    (i.repldst_port.0, i.repldst_port.0),
                ]
            ),
            Extension::Conntrack3(i) => conntrack!(
                i,
                [
                    (i.origsrc_port, i.origsrc_port_high),
                    (i.origdst_port, i.origdst_port_high),
                    (i.replsrc_port, i.replsrc_port_high),
                    (i.repldst_port, i.repldst_port_high),
                ]
            ),
            _ => return None,
        })
    }
}

fn bytes_of(address: IpAddr) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(a) => {
            bytes[..4].copy_from_slice(&a.octets());
            (bytes, 4)
        }
        IpAddr::V6(a) => (a.octets(), 16),
    }
}

fn masked_equal(own: IpAddr, wanted: Addr16, mask: Addr16) -> bool {
    let (own, len) = bytes_of(own);
    let bytes = own.iter().zip(&wanted.0).zip(&mask.0).take(len);
    bytes
        .into_iter()
        .all(|((own, wanted), mask)| (own ^ wanted) & mask == 0)
}

impl Walk<'_, '_> {
    /// `None`: not a match of this kind, or not one that can be told.
    pub(super) fn match_state(&mut self, extension: &Extension) -> Option<Matched> {
        if let Some(info) = Conntrack::of(extension) {
            return self.conntrack_match(&info);
        }
        Some(match extension {
            Extension::State(info) => (info.statemask & self.ct_state_bit() != 0).into(),
            Extension::Mark(info) => {
                ((self.skb.mark & info.mask == info.mark) != (info.invert != 0)).into()
            }
            Extension::Connmark(info) => match self.ct_entry() {
                Some(entry) => ((entry.mark & info.mask == info.mark) != (info.invert != 0)).into(),
                None => Matched::No,
            },
            Extension::Connbytes(info) => {
                let Some(entry) = self.ct_entry() else {
                    return Some(Matched::No);
                };
                let sum = |v: [u64; 2]| match info.direction {
                    0 => v[0],
                    1 => v[1],
                    _ => v[0].wrapping_add(v[1]),
                };
                let (packets, bytes) = (sum(entry.packets), sum(entry.bytes));
                let own = match info.what {
                    0 => packets,
                    1 => bytes,
                    _ => bytes.checked_div(packets).unwrap_or(0),
                };
                if info.to >= info.from {
                    (info.from <= own && own <= info.to).into()
                } else {
                    (!(info.to < own && own < info.from)).into()
                }
            }
            Extension::Connlabel(info) => {
                const INVERT: u16 = 1;
                const SET: u16 = 2;
                let invert = info.options & INVERT != 0;
                let Some(entry) = self.entry.as_deref_mut() else {
                    return Some(invert.into());
                };
                let (byte, bit) = (usize::from(info.bit / 8), 1u8 << (info.bit % 8));
                let Some(place) = entry.labels.get_mut(byte) else {
                    return Some(invert.into());
                };
                if info.options & SET != 0 {
                    *place |= bit;
                }
                ((*place & bit != 0) != invert).into()
            }
            Extension::Helper(info) => {
                let invert = info.invert != 0;
                let Some(entry) = self.ct_entry() else {
                    return Some(invert.into());
                };
                // The helper is that of the connection that expected this one, of which nothing is known here.
                if entry.has(crate::model::conntrack::status::EXPECTED) {
                    return None;
                }
                invert.into()
            }
            Extension::Addrtype0(info) => self.addrtype(&Addrtype1 {
                source: info.source,
                dest: info.dest,
                flags: u32::from(info.invert_source != 0) | u32::from(info.invert_dest != 0) << 1,
            }),
            Extension::Addrtype1(info) => self.addrtype(info),
            Extension::Pkttype(info) => {
                ((i32::from(self.skb.pkt_type) == info.pkttype) != (info.invert != 0)).into()
            }
            Extension::Mac(info) => {
                let device = self.sim.network.link(self.state.iif);
                match (self.skb.mac, device) {
                    (Some(mac), Some(link)) if link.hardware == 1 => {
                        ((mac.source == info.srcaddr) != (info.invert != 0)).into()
                    }
                    _ => Matched::No,
                }
            }
            Extension::Owner(info) => return self.owner(info),
            Extension::Devgroup(info) => {
                let group = |index: u32| self.sim.network.link(index).map(|link| link.group);
                let side = |index: u32, match_bit: u32, group_wanted: u32, mask: u32| {
                    info.flags & match_bit == 0
                        || group(index).is_some_and(|own| {
                            (own & mask == group_wanted) != (info.flags & (match_bit << 1) != 0)
                        })
                };
                (side(self.state.iif, 1, info.src_group, info.src_mask)
                    && side(self.state.oif, 4, info.dst_group, info.dst_mask))
                .into()
            }
            Extension::Physdev(info) => self.physdev(info),
            Extension::Realm(info) => {
                // Routes with realms are not followed: no realm is 0.
                ((info.id == 0) != (info.invert != 0)).into()
            }
            Extension::Rpfilter(info) => self.rpfilter(info.flags),
            Extension::Policy(info) => {
                const NONE: u16 = 4;
                // No packet here went through IPsec.
                (info.flags & NONE != 0).into()
            }
            Extension::Time(info) => match self.question.time {
                Some(now) => time(info, now.div_euclid(1_000_000_000)).into(),
                None => return None,
            },
            Extension::Set1(info) | Extension::Set2(info) => return self.set(&info.match_set),
            Extension::Set3(info) if info.packets.op == 0 && info.bytes.op == 0 => {
                return self.set(&info.match_set);
            }
            Extension::Set4(info) if info.packets.op == 0 && info.bytes.op == 0 => {
                return self.set(&info.match_set);
            }
            Extension::Limit(_) => self.likely(|| "a rate limit (-m limit)".into(), true),
            Extension::EbtLimit(_) => self.likely(|| "a rate limit (--limit)".into(), true),
            Extension::Hashlimit1(_) | Extension::Hashlimit2(_) | Extension::Hashlimit3(_) => {
                const INVERT: u32 = 0x20;
                let mode = match extension {
                    Extension::Hashlimit1(info) => info.cfg.mode,
                    Extension::Hashlimit2(info) => info.cfg.mode,
                    Extension::Hashlimit3(info) => info.cfg.mode,
                    _ => 0,
                };
                self.likely(|| "a rate limit (-m hashlimit)".into(), mode & INVERT == 0)
            }
            Extension::Connlimit(info) => {
                let over = info.flags & 1 == 0;
                self.likely(
                    || {
                        format!(
                            "how many connections there are (-m connlimit {})",
                            info.limit
                        )
                    },
                    !over,
                )
            }
            Extension::Quota(info) => {
                let enough = info.quota > self.skb.data.len() as u64;
                self.likely(
                    || "what is left of a quota (-m quota)".into(),
                    enough != (info.flags & 1 != 0),
                )
            }
            Extension::Statistic(info) => {
                let what = if info.mode == 0 {
                    "chance (-m statistic)"
                } else {
                    "a counter (-m statistic)"
                };
                // Certain when the probability is all or nothing.
                match (info.mode, info.every) {
                    (0, 0x8000_0000..) => (info.flags & 1 == 0).into(),
                    (0, 0) => (info.flags & 1 != 0).into(),
                    (1, 0) => Matched::Yes,
                    _ => self.maybe(|| what.into()),
                }
            }
            _ => return None,
        })
    }

    /// The entry, or a template that stands for one.
    fn ct_entry(&self) -> Option<&super::super::conntrack::Entry> {
        self.entry.as_deref().or(self.template.as_deref())
    }

    fn conntrack_match(&mut self, info: &Conntrack) -> Option<Matched> {
        use crate::model::conntrack::status;
        const SNAT: u16 = 0x40;
        const DNAT: u16 = 0x80;
        const UNTRACKED: u16 = 0x100;
        let wanted = |flag: u16| info.wanted & flag != 0;
        let inverted = |flag: u16| info.inverted & flag != 0;
        let entry = self.ct_entry();
        if wanted(what::STATE) {
            let mut bits = match self.ct_state_bit() {
                64 => UNTRACKED,
                bit => bit as u16,
            };
            if let Some(entry) = entry {
                bits |= if entry.has(status::SRC_NAT) { SNAT } else { 0 };
                bits |= if entry.has(status::DST_NAT) { DNAT } else { 0 };
            }
            if (info.states & bits != 0) == inverted(what::STATE) {
                return Some(Matched::No);
            }
        }
        let Some(entry) = entry else {
            return Some(wanted(what::STATE).into());
        };
        if wanted(what::DIRECTION) && self.ct_info.is_reply() != inverted(what::DIRECTION) {
            return Some(Matched::No);
        }
        let (original, reply): (Tuple, Tuple) = (entry.original, entry.reply);
        let sides = [original.src, original.dst, reply.src, reply.dst];
        let flags = [what::ORIGSRC, what::ORIGDST, what::REPLSRC, what::REPLDST];
        for ((flag, own), (address, mask)) in flags.into_iter().zip(sides).zip(info.addresses) {
            if wanted(flag) && masked_equal(own, address, mask) == inverted(flag) {
                return Some(Matched::No);
            }
        }
        if wanted(what::PROTO)
            && (u16::from(original.proto) == info.l4proto) == inverted(what::PROTO)
        {
            return Some(Matched::No);
        }
        let own = [original.sport, original.dport, reply.sport, reply.dport];
        let flags = [
            what::ORIGSRC_PORT,
            what::ORIGDST_PORT,
            what::REPLSRC_PORT,
            what::REPLDST_PORT,
        ];
        for ((flag, own), (low, high)) in flags.into_iter().zip(own).zip(info.ports) {
            let hit = low <= own && own <= high.max(low);
            if wanted(flag) && hit == inverted(flag) {
                return Some(Matched::No);
            }
        }
        if wanted(what::STATUS)
            && (u32::from(info.status) & entry.status != 0) == inverted(what::STATUS)
        {
            return Some(Matched::No);
        }
        if wanted(what::EXPIRES) {
            return None;
        }
        Some(Matched::Yes)
    }

    fn addrtype(&mut self, info: &Addrtype1) -> Matched {
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

    fn owner(&mut self, info: &Owner) -> Option<Matched> {
        const UID: u8 = 1;
        const GID: u8 = 2;
        const SOCKET: u8 = 4;
        let wanted = info.match_ & (UID | GID | SOCKET);
        if !self.socket {
            return Some((wanted ^ info.invert == 0).into());
        }
        if info.match_ & info.invert & SOCKET != 0 {
            return Some(Matched::No);
        }
        for (flag, own, range) in [
            (UID, self.question.uid, info.uid_min..=info.uid_max),
            (GID, self.question.gid, info.gid_min..=info.gid_max),
        ] {
            if info.match_ & flag == 0 {
                continue;
            }
            // Whose socket it is was not said.
            let own = own?;
            if range.contains(&own) == (info.invert & flag != 0) {
                return Some(Matched::No);
            }
        }
        Some(Matched::Yes)
    }

    fn physdev(&mut self, info: &crate::model::xtables::state::Physdev) -> Matched {
        const IN: u8 = 1;
        const OUT: u8 = 2;
        const BRIDGED: u8 = 4;
        const IS_IN: u8 = 8;
        const IS_OUT: u8 = 0x10;
        let ports = self
            .nf_bridge
            .map(|bridge| (bridge.in_port, bridge.out_port));
        let Some((in_port, out_port)) = ports else {
            // Not from a bridge: only what is asked to be absent fits.
            let plain = [IN, OUT, BRIDGED, IS_IN, IS_OUT];
            let refused = plain
                .into_iter()
                .any(|bit| info.bitmask & bit != 0 && info.invert & bit == 0);
            return (!refused).into();
        };
        let known = |bit: u8, is: bool| info.bitmask & bit == 0 || is != (info.invert & bit != 0);
        let bridged = out_port != 0;
        if !known(BRIDGED, bridged) || !known(IS_IN, in_port != 0) || !known(IS_OUT, out_port != 0)
        {
            return Matched::No;
        }
        let named = |index: u32, name: &[u8], mask: &[u8; 16]| {
            let link = self.sim.network.link(index);
            let mut own = [0u8; 16];
            for (place, byte) in own
                .iter_mut()
                .take(15)
                .zip(link.iter().flat_map(|l| l.name.bytes()))
            {
                *place = byte;
            }
            let mut wanted = [0u8; 16];
            for (place, byte) in wanted.iter_mut().zip(name) {
                *place = *byte;
            }
            let bytes = own.iter().zip(&wanted).zip(mask);
            bytes
                .into_iter()
                .all(|((own, wanted), mask)| (own ^ wanted) & mask == 0)
        };
        let input = info.bitmask & IN == 0
            || named(in_port, info.physindev.bytes(), &info.in_mask) != (info.invert & IN != 0);
        let output = info.bitmask & OUT == 0
            || named(out_port, info.physoutdev.bytes(), &info.out_mask) != (info.invert & OUT != 0);
        (input && output).into()
    }

    /// `ipt_rpfilter`, `ip6t_rpfilter`
    fn rpfilter(&mut self, flags: u8) -> Matched {
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

    /// `set_match_v1` and later
    fn set(&mut self, info: &SetInfo) -> Option<Matched> {
        const INVERT: u8 = 1;
        let hit = self.sim.ipsets.test(self, info)?;
        Some((hit != (info.flags & INVERT != 0)).into())
    }
}

/// `xt_time`
fn time(info: &Time, now: i64) -> bool {
    const DAY: i64 = 86_400;
    const CONTIGUOUS: u8 = 2;
    let (start, stop) = (i64::from(info.date_start), i64::from(info.date_stop));
    if now < start || now > stop {
        return false;
    }
    let mut stamp = now;
    let second = stamp.rem_euclid(DAY);
    let (from, to) = (i64::from(info.daytime_start), i64::from(info.daytime_stop));
    if from < to {
        if second < from || second > to {
            return false;
        }
    } else {
        if second < from && second > to {
            return false;
        }
        // After midnight the day that it began counts.
        if info.flags & CONTIGUOUS != 0 && second < to {
            stamp -= DAY;
        }
    }
    let day = stamp.div_euclid(DAY);
    // 1970 began on a Thursday; Monday is 1 and Sunday 7.
    let weekday = (day + 3).rem_euclid(7) + 1;
    if info.weekdays_match & (1 << weekday) == 0 {
        return false;
    }
    if info.monthdays_match != u32::MAX - 1 {
        let monthday = day_of_month(day);
        if info.monthdays_match & (1 << monthday) == 0 {
            return false;
        }
    }
    true
}

/// Days since 1970 to the day of the month.
fn day_of_month(days: i64) -> u32 {
    // Months counted from March, in eras of 400 years.
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    (of_year - (153 * month + 2) / 5 + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times() {
        let at = |text: &str| {
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
                .unwrap()
                .and_utc()
                .timestamp()
        };
        assert_eq!(day_of_month(at("2024-02-29 12:00") / 86_400), 29);
        assert_eq!(day_of_month(at("2023-12-31 00:00") / 86_400), 31);
        let mut info = Time {
            date_start: 0,
            date_stop: u32::MAX,
            daytime_start: 9 * 3600,
            daytime_stop: 17 * 3600,
            monthdays_match: u32::MAX - 1,
            // Monday to Friday
            weekdays_match: 0b0011_1110,
            flags: 0,
        };
        assert!(time(&info, at("2024-01-31 10:00")));
        assert!(!time(&info, at("2024-01-31 18:00")));
        assert!(!time(&info, at("2024-02-03 10:00")));
        (info.daytime_start, info.daytime_stop) = (22 * 3600, 6 * 3600);
        assert!(time(&info, at("2024-01-31 23:00")) && time(&info, at("2024-01-31 05:00")));
        info.monthdays_match = 1 << 1;
        assert!(!time(&info, at("2024-01-31 23:00")));
    }
}
