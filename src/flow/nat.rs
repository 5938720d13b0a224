//! Address translation: choosing a mapping for a new flow, and rewriting the packets of flows that have one
//! (`nf_nat_core.c`, `nf_nat_proto.c`, `nf_nat_masquerade.c`, `nf_nat_redirect.c`).

mod choose;

use super::conntrack::{CtInfo, Entry, Tuple};
use super::hooks::inet;
use super::packet::{IPPROTO_ICMP, IPPROTO_ICMPV6, has_ports};
use super::path::Walk;
use super::report::{Endpoint, NatStep, RuleVerdict, Step};
use crate::model::conntrack::status;
use crate::model::network::scope;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `NF_NAT_RANGE_*`
pub mod range_flags {
    pub const MAP_IPS: u32 = 1;
    pub const PROTO_SPECIFIED: u32 = 2;
    pub const PROTO_RANDOM: u32 = 4;
    pub const PERSISTENT: u32 = 8;
    pub const PROTO_RANDOM_FULLY: u32 = 16;
    pub const PROTO_OFFSET: u32 = 32;
    pub const NETMAP: u32 = 64;
    pub const RANDOM_ALL: u32 = PROTO_RANDOM | PROTO_RANDOM_FULLY;
}

/// What may be chosen from: `struct nf_nat_range2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// See [`range_flags`].
    pub flags: u32,
    pub min: Option<IpAddr>,
    pub max: Option<IpAddr>,
    pub min_port: u16,
    pub max_port: u16,
    pub base_port: u16,
}

/// `enum nf_nat_manip_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manip {
    Source,
    Destination,
}

impl Manip {
    /// What a hook translates (`HOOK2MANIP`).
    pub fn at(hook: u8) -> Manip {
        if matches!(hook, inet::POSTROUTING | inet::INPUT) {
            Manip::Source
        } else {
            Manip::Destination
        }
    }

    fn done(self) -> u32 {
        match self {
            Manip::Source => status::SRC_NAT_DONE,
            Manip::Destination => status::DST_NAT_DONE,
        }
    }

    fn changed(self) -> u32 {
        match self {
            Manip::Source => status::SRC_NAT,
            Manip::Destination => status::DST_NAT,
        }
    }
}

impl<'s> Walk<'s, '_> {
    /// `nf_nat_inet_fn` and its wrappers: the NAT function of a hook. What it comes to.
    pub(super) fn nat_hook(&mut self) -> RuleVerdict {
        let manip = Manip::at(self.state.hook);
        let Some(entry) = self.entry.as_deref() else {
            return RuleVerdict::Accept;
        };
        let related = matches!(self.ct_info, CtInfo::Related | CtInfo::RelatedReply);
        if related && self.is_icmp() {
            self.translate_error(manip);
            return RuleVerdict::Accept;
        }
        if matches!(
            self.ct_info,
            CtInfo::New | CtInfo::Related | CtInfo::RelatedReply
        ) && !entry.has(manip.done())
        {
            let (family, hook) = (self.state.family, self.state.hook);
            for chain in self.sim.hooks.nat_at(family, hook) {
                let verdict = self.run_nat_chain(chain.function);
                if self.is_over() || !matches!(verdict, RuleVerdict::Accept) {
                    return verdict;
                }
                if self
                    .entry
                    .as_deref()
                    .is_some_and(|entry| entry.has(manip.done()))
                {
                    break;
                }
            }
            if self
                .entry
                .as_deref()
                .is_some_and(|entry| !entry.has(manip.done()))
            {
                self.null_binding(manip);
            }
        }
        self.translate(manip);
        RuleVerdict::Accept
    }

    pub(super) fn is_icmp(&self) -> bool {
        let own = if self.skb.is_v6() {
            IPPROTO_ICMPV6
        } else {
            IPPROTO_ICMP
        };
        let l4 = self.skb.l4();
        l4.known && l4.proto == own
    }

    /// `nf_nat_alloc_null_binding`: no rule said anything; addresses stay, unless an answer could not be told
    /// from another flow's.
    fn null_binding(&mut self, manip: Manip) {
        let Some(entry) = self.entry.as_deref() else {
            return;
        };
        let address = match manip {
            Manip::Source => entry.reply.dst,
            Manip::Destination => entry.reply.src,
        };
        let range = Range {
            flags: range_flags::MAP_IPS,
            min: Some(address),
            max: Some(address),
            ..Range::default()
        };
        self.nat_setup(&range, manip);
    }

    /// `nf_nat_setup_info`
    pub(super) fn nat_setup(&mut self, range: &Range, manip: Manip) -> RuleVerdict {
        let Some(entry) = self.entry.as_deref() else {
            return RuleVerdict::Accept;
        };
        if entry.is_confirmed() {
            return RuleVerdict::Accept;
        }
        if entry.has(manip.done()) {
            return RuleVerdict::Drop;
        }
        let Some(current) = entry.reply.invert() else {
            return RuleVerdict::Accept;
        };
        let chosen = self.unique_tuple(&current, range, manip);
        let Some(entry) = self.entry.as_deref_mut() else {
            return RuleVerdict::Accept;
        };
        if chosen != current {
            if let Some(reply) = chosen.invert() {
                entry.reply = reply;
            }
            entry.status |= manip.changed();
        }
        entry.status |= manip.done();
        RuleVerdict::Accept
    }

    /// `nft_nat_setup_netmap`: the host's part stays, the network's is replaced.
    pub(super) fn netmap(&self, range: &mut Range, manip: Manip) {
        let (Some(min), Some(max)) = (range.min, range.max) else {
            return;
        };
        let own = match manip {
            Manip::Source => self.skb.src(),
            Manip::Destination => self.skb.dst(),
        };
        let new = match (min, max, own) {
            (IpAddr::V4(min), IpAddr::V4(max), Some(IpAddr::V4(own))) => {
                let mask = !(u32::from(min) ^ u32::from(max));
                IpAddr::V4(((u32::from(own) & !mask) | (u32::from(min) & mask)).into())
            }
            (IpAddr::V6(min), IpAddr::V6(max), Some(IpAddr::V6(own))) => {
                let mask = !(u128::from(min) ^ u128::from(max));
                IpAddr::V6(((u128::from(own) & !mask) | (u128::from(min) & mask)).into())
            }
            _ => return,
        };
        range.min = Some(new);
        range.max = Some(new);
    }

    /// `nf_nat_masquerade_ipv4`, `_ipv6`
    pub(super) fn masquerade(&mut self, mut range: Range) -> RuleVerdict {
        let Some(entry) = self.entry.as_deref() else {
            return RuleVerdict::Accept;
        };
        let device = self.state.oif;
        let source = match (self.skb.dst(), entry.original.src) {
            (Some(IpAddr::V4(_)), IpAddr::V4(from)) if from.is_unspecified() => {
                return RuleVerdict::Accept;
            }
            (Some(IpAddr::V4(dst)), _) => {
                let gateway = self.dst.as_ref().and_then(|route| route.gateway);
                let near = match gateway {
                    Some(IpAddr::V4(gateway)) => gateway,
                    _ => dst,
                };
                self.sim
                    .fib
                    .select4(device, near, scope::UNIVERSE)
                    .map(IpAddr::V4)
            }
            (Some(IpAddr::V6(dst)), _) => self.sim.fib.select6(device, dst).map(IpAddr::V6),
            _ => None,
        };
        let Some(source) = source else {
            return RuleVerdict::Drop;
        };
        range.flags |= range_flags::MAP_IPS;
        (range.min, range.max) = (Some(source), Some(source));
        self.nat_setup(&range, Manip::Source)
    }

    /// `nf_nat_redirect_ipv4`, `_ipv6`
    pub(super) fn redirect(&mut self, mut range: Range) -> RuleVerdict {
        let local = self.state.hook == inet::OUTPUT;
        let own = match self.skb.dst() {
            Some(IpAddr::V4(_)) if local => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(IpAddr::V6(_)) if local => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            Some(IpAddr::V4(_)) => self.sim.fib.primary4(self.state.iif).map(IpAddr::V4),
            Some(IpAddr::V6(dst)) => self.sim.fib.redirect6(self.state.iif, dst).map(IpAddr::V6),
            None => None,
        };
        let Some(own) = own else {
            return RuleVerdict::Drop;
        };
        range.flags |= range_flags::MAP_IPS;
        (range.min, range.max) = (Some(own), Some(own));
        self.nat_setup(&range, Manip::Destination)
    }

    /// `nf_nat_packet`: rewrite what this hook rewrites, if the flow is translated that way.
    fn translate(&mut self, manip: Manip) {
        let Some(entry) = self.entry.as_deref() else {
            return;
        };
        let reply = self.ct_info.is_reply();
        let bit = match (manip, reply) {
            (Manip::Source, false) | (Manip::Destination, true) => status::SRC_NAT,
            (Manip::Destination, false) | (Manip::Source, true) => status::DST_NAT,
        };
        if !entry.has(bit) {
            return;
        }
        let Some(target) = entry.tuple(u8::from(!reply)).invert() else {
            return;
        };
        self.rewrite(&target, manip, true);
    }

    /// Put one side of a tuple into the packet.
    fn rewrite(&mut self, target: &Tuple, manip: Manip, ports: bool) {
        let l4 = self.skb.l4();
        let source = manip == Manip::Source;
        let (old, new) = if source {
            (self.skb.src(), target.src)
        } else {
            (self.skb.dst(), target.dst)
        };
        let Some(old) = old else {
            return;
        };
        let has = ports && l4.known && l4.fragment == 0 && has_ports(l4.proto);
        let place = l4.offset + if source { 0 } else { 2 };
        let old_port = if has { self.skb.u16_at(place) } else { None };
        let new_port = old_port.map(|_| if source { target.sport } else { target.dport });
        if source {
            self.skb.set_src(new);
        } else {
            self.skb.set_dst(new);
        }
        if let Some(port) = new_port {
            self.skb.set_u16(place, port);
        } else if ports && self.is_icmp() && l4.fragment == 0 {
            self.skb.set_u16(l4.offset + 4, target.sport);
        }
        self.refresh_l4();
        let unknown_port = std::mem::take(&mut self.unknown_port) && source;
        if self.record && (old != new || old_port != new_port || unknown_port) {
            self.steps.push(Step::Nat(NatStep {
                source,
                from: Endpoint {
                    address: old,
                    port: old_port,
                },
                to: Endpoint {
                    address: new,
                    port: new_port,
                },
                unknown_port,
            }));
        }
    }

    /// `nf_nat_icmp_reply_translation`: the packet inside is turned back, the outer address follows.
    fn translate_error(&mut self, manip: Manip) {
        let Some(entry) = self.entry.as_deref() else {
            return;
        };
        let reply = self.ct_info.is_reply();
        let bit = match (manip, reply) {
            (Manip::Source, false) | (Manip::Destination, true) => status::SRC_NAT,
            (Manip::Destination, false) | (Manip::Source, true) => status::DST_NAT,
        };
        if !entry.has(bit) {
            return;
        }
        let Some(target) = entry.tuple(u8::from(!reply)).invert() else {
            return;
        };
        self.rewrite(&target, manip, false);
    }

    /// The flow's answers would be taken for another flow's (`__nf_conntrack_confirm`).
    pub(super) fn clashes(&self, entry: &Entry) -> bool {
        [entry.original, entry.reply]
            .iter()
            .any(|tuple| self.sim.flows.find(tuple, entry.zone).is_some())
    }
}
