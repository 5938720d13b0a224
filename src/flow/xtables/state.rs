//! Matches on what the kernel keeps beside the packet: conntrack, marks, devices, sockets, routes, sets, rates.

use super::super::path::Walk;
use super::Matched;
use super::conntrack::Conntrack;
use super::time::time;
use crate::model::xtables::Extension;
use crate::model::xtables::state::{Addrtype1, Owner, SetInfo};

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
    pub(super) fn ct_entry(&self) -> Option<&super::super::conntrack::Entry> {
        self.entry.as_deref().or(self.template.as_deref())
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

    /// `set_match_v1` and later
    fn set(&mut self, info: &SetInfo) -> Option<Matched> {
        const INVERT: u8 = 1;
        let hit = self.sim.ipsets.test(self, info)?;
        Some((hit != (info.flags & INVERT != 0)).into())
    }
}
