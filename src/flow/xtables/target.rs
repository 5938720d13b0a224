//! Targets: verdicts, marks, rewriting, NAT.

use super::super::nat::{Manip, Range, range_flags};
use super::super::path::Walk;
use super::super::report::RuleVerdict;
use super::Code;
use crate::model::xtables::Extension;
use crate::model::xtables::layout::Addr16;
use crate::model::xtables::target::{NatRange, NatRange2, NatRange4};
use std::net::IpAddr;

fn range4(info: &NatRange4) -> Range {
    Range {
        flags: info.flags,
        min: Some(info.min_ip.0.into()),
        max: Some(info.max_ip.0.into()),
        min_port: info.min.0,
        max_port: info.max.0,
        base_port: 0,
    }
}

fn address(bytes: Addr16, v6: bool) -> IpAddr {
    if v6 {
        bytes.0.into()
    } else {
        bytes.v4().0.into()
    }
}

impl Walk<'_, '_> {
    /// `None`: the next rule, or the next expression.
    pub(in crate::flow) fn run_target(&mut self, code: &Code) -> Option<RuleVerdict> {
        let extension = match &code.extension {
            Ok(extension) => extension,
            Err(why) => {
                self.note(|| format!("the iptables target '{}': {why}", code.name));
                return None;
            }
        };
        match extension {
            Extension::Reject(_) | Extension::Reject6(_) => return Some(RuleVerdict::Reject),
            Extension::MarkTarget(info) => {
                self.skb.mark = (self.skb.mark & !info.mask) ^ info.mark;
            }
            Extension::Connmark1(info) => {
                self.connmark(info.mode, info.ctmark, info.ctmask, info.nfmask, 0, 0);
            }
            Extension::Connmark2(info) => self.connmark(
                info.mode,
                info.ctmark,
                info.ctmask,
                info.nfmask,
                info.shift_dir,
                info.shift_bits,
            ),
            Extension::Classify(info) => self.skb.priority = info.priority,
            Extension::DscpTarget(info) => {
                let ecn = self.skb.tos() & 3;
                self.set_tos(info.dscp << 2 | ecn);
            }
            Extension::TosTarget(info) => {
                let tos = (self.skb.tos() & !info.tos_mask) ^ info.tos_value;
                self.set_tos(tos);
            }
            Extension::TtlTarget(info) | Extension::HlTarget(info) => {
                let old = self.skb.ttl();
                let new = match info.mode {
                    0 => info.ttl,
                    1 => old.saturating_add(info.ttl),
                    2 => old.saturating_sub(info.ttl),
                    _ => old,
                };
                let at = if self.skb.is_v4() { 8 } else { 7 };
                if let Some(place) = self.skb.data.get_mut(at) {
                    *place = new;
                }
            }
            Extension::EcnTarget(info) if info.operation & 1 != 0 => {
                let tos = self.skb.tos() & !3 | (info.ip_ect & 3);
                self.set_tos(tos);
            }
            Extension::Notrack(_) => self.notrack(),
            Extension::Ct0(info) => self.ct_target(info.flags, info.zone),
            Extension::Ct1(info) | Extension::Ct2(info) => self.ct_target(info.flags, info.zone),
            Extension::Snat0(info) => return Some(self.nat_setup(&range4(info), Manip::Source)),
            Extension::Dnat0(info) => {
                return Some(self.nat_setup(&range4(info), Manip::Destination));
            }
            Extension::Snat1(info) => return Some(self.nat_range(info, Manip::Source)),
            Extension::Dnat1(info) => return Some(self.nat_range(info, Manip::Destination)),
            Extension::Snat2(info) => return Some(self.nat_range2(info, Manip::Source)),
            Extension::Dnat2(info) => return Some(self.nat_range2(info, Manip::Destination)),
            Extension::Masquerade(info) => return Some(self.masquerade(range4(info))),
            Extension::Masquerade6(info) => {
                let range = self.range_of(info);
                return Some(self.masquerade(range));
            }
            Extension::Redirect(info) => return Some(self.redirect(range4(info))),
            Extension::Redirect6(info) => {
                let range = self.range_of(info);
                return Some(self.redirect(range));
            }
            Extension::Netmap(info) => return Some(self.netmap_target(range4(info))),
            Extension::Netmap6(info) => {
                let range = self.range_of(info);
                return Some(self.netmap_target(range));
            }
            Extension::Nfqueue0(info) => return Some(RuleVerdict::Queue(info.queuenum)),
            Extension::Nfqueue1(info) => return Some(RuleVerdict::Queue(info.queuenum)),
            Extension::Nfqueue2(info) | Extension::Nfqueue3(info) => {
                const BYPASS: u16 = 1;
                if info.flags & BYPASS != 0 {
                    let number = info.queuenum;
                    let what = || format!("whether a program listens at queue {number}");
                    let options = ["one does", "none does, the packet is accepted"];
                    if self.decide(what, &options, true) == 1 {
                        return Some(RuleVerdict::Accept);
                    }
                }
                return Some(RuleVerdict::Queue(info.queuenum));
            }
            Extension::Synproxy(_) => {
                const SYN: u8 = 2;
                const ACK: u8 = 16;
                let flags = self.skb.u8_at(self.l4.offset + 13).unwrap_or(0);
                if flags & SYN != 0 && flags & ACK == 0 {
                    return Some(RuleVerdict::Stolen);
                }
            }
            Extension::Tproxy0(_) | Extension::Tproxy1(_) => {
                let what = || "whether a transparent proxy listens".to_owned();
                if self.decide(
                    what,
                    &["none does, the packet is dropped", "one does"],
                    false,
                ) == 0
                {
                    return Some(RuleVerdict::Drop);
                }
                return Some(RuleVerdict::Accept);
            }
            Extension::Hmark(_) => {
                self.note(|| "the mark that HMARK computes from the packet is not known".into());
            }
            Extension::Snpt(_) | Extension::Dnpt(_) => {
                self.note(|| "prefix translation (SNPT, DNPT) is not followed".into());
            }
            Extension::SetTarget0(_)
            | Extension::SetTarget1(_)
            | Extension::SetTarget2(_)
            | Extension::SetTarget3(_) => {
                self.note(|| {
                    "the packet changes an ipset; later rules are shown as if it did not".into()
                });
            }
            Extension::EbtMark(info) => {
                let value = info.mark as u32;
                match info.target as u32 & 0xffff_fff0 {
                    0xffff_fff0 => self.skb.mark = value,
                    0xffff_ffe0 => self.skb.mark |= value,
                    0xffff_ffd0 => self.skb.mark &= value,
                    0xffff_ffc0 => self.skb.mark ^= value,
                    _ => {}
                }
                return bridge_verdict(info.target | !0xf);
            }
            Extension::EbtDnat(info) => {
                if let Some(mac) = &mut self.skb.mac {
                    mac.destination = info.mac;
                }
                return bridge_verdict(info.target);
            }
            Extension::EbtSnat(info) => {
                if let Some(mac) = &mut self.skb.mac {
                    mac.source = info.mac;
                }
                return bridge_verdict(info.target | !0xf);
            }
            Extension::EbtRedirect(info) => {
                let own = self
                    .bridge_of(self.state.iif)
                    .and_then(|bridge| self.sim.network.link(bridge))
                    .and_then(|link| link.address.as_slice().try_into().ok());
                if let (Some(mac), Some(own)) = (&mut self.skb.mac, own) {
                    mac.destination = own;
                }
                self.skb.pkt_type = 0;
                return bridge_verdict(info.target);
            }
            // Logs, counters, timers and what changes nothing that decides.
            _ => {}
        }
        None
    }

    fn set_tos(&mut self, tos: u8) {
        if self.skb.is_v4() {
            if let Some(place) = self.skb.data.get_mut(1) {
                *place = tos;
            }
        } else if let Some(word) = self.skb.u16_at(0) {
            self.skb.set_u16(0, word & 0xf00f | u16::from(tos) << 4);
        }
    }

    fn connmark(&mut self, mode: u8, ctmark: u32, ctmask: u32, nfmask: u32, left: u8, bits: u8) {
        const SET: u8 = 0;
        const SAVE: u8 = 1;
        const RESTORE: u8 = 2;
        const RIGHT: u8 = 1;
        let shift = |value: u32| {
            let bits = u32::from(bits);
            if left == RIGHT {
                value.checked_shr(bits).unwrap_or(0)
            } else {
                value.checked_shl(bits).unwrap_or(0)
            }
        };
        let mark = self.skb.mark;
        let Some(entry) = self.entry.as_deref_mut() else {
            return;
        };
        match mode {
            SET => entry.mark = shift((entry.mark & !ctmask) ^ ctmark),
            SAVE => entry.mark = (entry.mark & !ctmask) ^ shift(mark & nfmask),
            RESTORE => self.skb.mark = (mark & !nfmask) ^ shift(entry.mark & ctmask),
            _ => {}
        }
    }

    fn ct_target(&mut self, flags: u16, zone: u16) {
        const NOTRACK: u16 = 1;
        if flags & NOTRACK != 0 {
            self.notrack();
        } else if self.entry.is_none() && self.template.is_none() {
            self.set_template(zone);
        }
    }

    fn range_of(&self, info: &NatRange) -> Range {
        let v6 = self.skb.is_v6();
        Range {
            flags: info.flags,
            min: Some(address(info.min_addr, v6)),
            max: Some(address(info.max_addr, v6)),
            min_port: info.min_proto.0,
            max_port: info.max_proto.0,
            base_port: 0,
        }
    }

    fn nat_range(&mut self, info: &NatRange, manip: Manip) -> RuleVerdict {
        let range = self.range_of(info);
        self.nat_setup(&range, manip)
    }

    fn nat_range2(&mut self, info: &NatRange2, manip: Manip) -> RuleVerdict {
        let v6 = self.skb.is_v6();
        let range = Range {
            flags: info.flags,
            min: Some(address(info.min_addr, v6)),
            max: Some(address(info.max_addr, v6)),
            min_port: info.min_proto.0,
            max_port: info.max_proto.0,
            base_port: info.base_proto.0,
        };
        self.nat_setup(&range, manip)
    }

    fn netmap_target(&mut self, mut range: Range) -> RuleVerdict {
        let manip = Manip::at(self.state.hook);
        self.netmap(&mut range, manip);
        range.flags |= range_flags::MAP_IPS;
        self.nat_setup(&range, manip)
    }
}

/// Verdicts of ebtables: `EBT_*`.
fn bridge_verdict(target: i32) -> Option<RuleVerdict> {
    match target {
        -1 => Some(RuleVerdict::Accept),
        -2 => Some(RuleVerdict::Drop),
        -4 => Some(RuleVerdict::Return),
        _ => None,
    }
}
