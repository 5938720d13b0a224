//! Address translation: choosing a mapping for a new flow, and rewriting the packets of flows that have one
//! (`nf_nat_core.c`, `nf_nat_proto.c`, `nf_nat_masquerade.c`, `nf_nat_redirect.c`).

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

fn in_addresses(address: IpAddr, range: &Range) -> bool {
    match (range.min, range.max) {
        (Some(min), Some(max)) => min <= address && address <= max,
        _ => true,
    }
}

/// `l4proto_in_range`
fn in_ports(tuple: &Tuple, manip: Manip, range: &Range) -> bool {
    let port = match tuple.proto {
        IPPROTO_ICMP | IPPROTO_ICMPV6 => tuple.sport,
        proto if has_ports(proto) => match manip {
            Manip::Source => tuple.sport,
            Manip::Destination => tuple.dport,
        },
        _ => return true,
    };
    (range.min_port..=range.max_port).contains(&port)
}

fn in_range(tuple: &Tuple, range: &Range) -> bool {
    let address = range.flags & range_flags::MAP_IPS == 0 || in_addresses(tuple.src, range);
    address
        && (range.flags & range_flags::PROTO_SPECIFIED == 0
            || in_ports(tuple, Manip::Source, range))
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

    /// Another flow's answers look like the answers to this tuple would.
    fn is_taken(&self, tuple: &Tuple) -> bool {
        let Some((reply, own)) = tuple.invert().zip(self.entry.as_deref()) else {
            return false;
        };
        let Some((place, _)) = self.sim.flows.find(&reply, own.zone) else {
            return false;
        };
        // Two packets of one flow that race are one flow.
        let same = self.sim.flows.flow(place);
        same.is_some_and(|flow| Tuple::from_model(&flow.original) != own.original)
    }

    /// `get_unique_tuple`
    fn unique_tuple(&mut self, current: &Tuple, range: &Range, manip: Manip) -> Tuple {
        let random = range.flags & range_flags::RANDOM_ALL != 0;
        if manip == Manip::Source && !random {
            if in_range(current, range) {
                if !self.is_taken(current) {
                    return *current;
                }
            } else if let Some(tuple) = self.earlier_choice(current, range)
                && !self.is_taken(&tuple)
            {
                return tuple;
            }
        }
        let mut tuple = *current;
        if range.flags & range_flags::MAP_IPS != 0 {
            self.choose_address(&mut tuple, range, manip);
        }
        if !random {
            if range.flags & range_flags::PROTO_SPECIFIED != 0 {
                if range.flags & range_flags::PROTO_OFFSET == 0
                    && in_ports(&tuple, manip, range)
                    && (range.min_port == range.max_port || !self.is_taken(&tuple))
                {
                    return tuple;
                }
            } else if !self.is_taken(&tuple) {
                return tuple;
            }
        }
        self.choose_port(&mut tuple, range, manip);
        tuple
    }

    /// `find_appropriate_src`: a mapping that the same source has already.
    fn earlier_choice(&self, current: &Tuple, range: &Range) -> Option<Tuple> {
        let zone = self.entry.as_deref()?.zone;
        self.sim
            .flows
            .from_source(current.src, current.proto, current.sport)
            .filter(|flow| flow.zone.unwrap_or(0) == zone)
            .find_map(|flow| {
                let mapped = Tuple::from_model(&flow.reply).invert()?;
                let tuple = Tuple {
                    dst: current.dst,
                    dport: current.dport,
                    ..mapped
                };
                in_range(&tuple, range).then_some(tuple)
            })
    }

    /// `find_best_ips_proto`: a hash of both addresses chooses, always the same.
    fn choose_address(&self, tuple: &mut Tuple, range: &Range, manip: Manip) {
        let (Some(min), Some(max)) = (range.min, range.max) else {
            return;
        };
        let chosen = if min == max {
            min
        } else {
            let zone = self.entry.as_deref().map_or(0, |entry| entry.zone);
            hashed_address(tuple, min, max, range.flags, zone)
        };
        match manip {
            Manip::Source => tuple.src = chosen,
            Manip::Destination => tuple.dst = chosen,
        }
    }

    /// `nf_nat_l4proto_unique_tuple`. Where the kernel draws lots the port stays, and that is noted.
    fn choose_port(&mut self, tuple: &mut Tuple, range: &Range, manip: Manip) {
        let icmp = matches!(tuple.proto, IPPROTO_ICMP | IPPROTO_ICMPV6);
        if !icmp && !has_ports(tuple.proto) {
            return;
        }
        let specified = range.flags & range_flags::PROTO_SPECIFIED != 0;
        if !icmp && !specified && manip == Manip::Destination {
            return;
        }
        let source = icmp || manip == Manip::Source;
        let port = if source { tuple.sport } else { tuple.dport };
        let (min, size) = match (specified, icmp) {
            (true, _) => {
                let low = range.min_port.min(range.max_port);
                let high = range.min_port.max(range.max_port);
                (low, u32::from(high - low) + 1)
            }
            (false, true) => (0, 65_536),
            (false, false) if port < 512 => (1, 511),
            (false, false) if port < 1024 => (600, 424),
            (false, false) => (1024, 64_512),
        };
        let mut put = |value: u16| {
            if source {
                tuple.sport = value;
            } else {
                tuple.dport = value;
            }
        };
        if range.flags & range_flags::PROTO_OFFSET != 0 {
            let offset = u32::from(port.wrapping_sub(range.base_port));
            put(min.wrapping_add((offset % size) as u16));
            return;
        }
        if size == 1 {
            put(min);
            return;
        }
        self.unknown_port = true;
        let last = u32::from(min) + size - 1;
        self.note(|| format!("the port is drawn at random from {min} to {last}"));
        if specified && !(u32::from(min)..=last).contains(&u32::from(port)) {
            put(min);
        }
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

fn address_words(address: IpAddr) -> [u32; 4] {
    let mut bytes = [0u8; 16];
    match address {
        IpAddr::V4(a) => bytes[..4].copy_from_slice(&a.octets()),
        IpAddr::V6(a) => bytes = a.octets(),
    }
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_ne_bytes(chunk.try_into().unwrap_or_default());
    }
    words
}

fn hashed_address(tuple: &Tuple, min: IpAddr, max: IpAddr, flags: u32, zone: u16) -> IpAddr {
    let source = address_words(tuple.src);
    let destination = address_words(tuple.dst);
    let (min, max) = (address_words(min), address_words(max));
    let last = if tuple.src.is_ipv4() { 0 } else { 3 };
    let persistent = flags & range_flags::PERSISTENT != 0;
    let start = if persistent {
        0
    } else {
        destination[last] ^ u32::from(zone)
    };
    let mut hash = jhash2(&source, start);
    let mut full = false;
    let mut out = [0u32; 4];
    for place in 0..=last {
        let (low, distance) = if full {
            (0, u32::MAX)
        } else {
            let low = u32::from_be(min[place]);
            let high = u32::from_be(max[place]);
            (low, high.wrapping_sub(low).wrapping_add(1))
        };
        let scaled = ((u64::from(hash) * u64::from(distance)) >> 32) as u32;
        out[place] = low.wrapping_add(scaled).to_be();
        full |= out[place] != max[place];
        if !persistent {
            hash ^= destination[place];
        }
    }
    if tuple.src.is_ipv4() {
        IpAddr::V4(out[0].to_ne_bytes().into())
    } else {
        let mut bytes = [0; 16];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(out) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        IpAddr::V6(bytes.into())
    }
}

const JHASH_INITVAL: u32 = 0xdead_beef;

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    for (x, y, z, by) in [
        (0, 2, 1, 4),
        (1, 0, 2, 6),
        (2, 1, 0, 8),
        (0, 2, 1, 16),
        (1, 0, 2, 19),
        (2, 1, 0, 4),
    ] {
        let mut v = [*a, *b, *c];
        // v[x] loses v[y] and is mixed with it; v[y] gains v[z].
        v[x] = v[x].wrapping_sub(v[y]);
        v[x] ^= v[y].rotate_left(by);
        v[y] = v[y].wrapping_add(v[z]);
        (*a, *b, *c) = (v[0], v[1], v[2]);
    }
}

fn finish(a: u32, b: u32, c: u32) -> u32 {
    let mut v = [a, b, c];
    for (x, y, by) in [
        (2, 1, 14),
        (0, 2, 11),
        (1, 0, 25),
        (2, 1, 16),
        (0, 2, 4),
        (1, 0, 14),
        (2, 1, 24),
    ] {
        v[x] ^= v[y];
        v[x] = v[x].wrapping_sub(v[y].rotate_left(by));
    }
    v[2]
}

/// Bob Jenkins' hash of bytes, as `linux/jhash.h` has it.
pub fn jhash(data: &[u8], initial: u32) -> u32 {
    let start = JHASH_INITVAL
        .wrapping_add(data.len() as u32)
        .wrapping_add(initial);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(word)
    };
    let mut rest = data;
    while rest.len() > 12 {
        a = a.wrapping_add(word(&rest[..4]));
        b = b.wrapping_add(word(&rest[4..8]));
        c = c.wrapping_add(word(&rest[8..12]));
        mix(&mut a, &mut b, &mut c);
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    let mut parts = rest.chunks(4).map(word);
    a = a.wrapping_add(parts.next().unwrap_or(0));
    b = b.wrapping_add(parts.next().unwrap_or(0));
    c = c.wrapping_add(parts.next().unwrap_or(0));
    finish(a, b, c)
}

/// The same of 32-bit words.
pub fn jhash2(words: &[u32], initial: u32) -> u32 {
    let start = JHASH_INITVAL
        .wrapping_add((words.len() as u32) << 2)
        .wrapping_add(initial);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = words;
    while rest.len() > 3 {
        a = a.wrapping_add(rest[0]);
        b = b.wrapping_add(rest[1]);
        c = c.wrapping_add(rest[2]);
        mix(&mut a, &mut b, &mut c);
        rest = &rest[3..];
    }
    if rest.is_empty() {
        return c;
    }
    a = a.wrapping_add(rest.first().copied().unwrap_or(0));
    b = b.wrapping_add(rest.get(1).copied().unwrap_or(0));
    c = c.wrapping_add(rest.get(2).copied().unwrap_or(0));
    finish(a, b, c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple() -> Tuple {
        Tuple {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            proto: 6,
            sport: 4000,
            dport: 80,
        }
    }

    #[test]
    fn the_hash_is_lookup3() {
        // Vectors of the original: hashlittle of nothing, and of this sentence.
        assert_eq!(jhash(b"", 0), 0xdead_beef);
        assert_eq!(jhash(b"Four score and seven years ago", 0), 0x1777_0551);
        assert_eq!(jhash(b"Four score and seven years ago", 1), 0xcd62_8161);
        let words: Vec<u32> = b"Four score and seven years a"
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        assert_eq!(jhash2(&words, 7), jhash(b"Four score and seven years a", 7));
    }

    #[test]
    fn ranges() {
        let range = Range {
            flags: range_flags::MAP_IPS | range_flags::PROTO_SPECIFIED,
            min: Some("10.0.0.1".parse().unwrap()),
            max: Some("10.0.0.9".parse().unwrap()),
            min_port: 4000,
            max_port: 4001,
            base_port: 0,
        };
        assert!(in_range(&tuple(), &range));
        assert!(!in_range(
            &Tuple {
                sport: 4002,
                ..tuple()
            },
            &range
        ));
        assert!(!in_range(
            &Tuple {
                src: "10.0.0.10".parse().unwrap(),
                ..tuple()
            },
            &range
        ));
        let chosen = hashed_address(&tuple(), range.min.unwrap(), range.max.unwrap(), 0, 0);
        assert!(in_addresses(chosen, &range));
    }
}
