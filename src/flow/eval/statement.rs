//! Everything else: comparisons of ranges, arithmetic, limits, NAT, reject, queue
//! (`nft_range.c`, `nft_bitwise.c`, `nft_limit.c`, `nft_nat.c`, ...).

use super::program::{ChainId, place};
use super::{Next, Walk};
use crate::flow::conntrack::has_tuple;
use crate::flow::nat::{Manip, Range, range_flags};
use crate::flow::report::RuleVerdict;
use crate::model::expression::{BitwiseOp, BitwiseOperand, CmpOp, Limit, NatKind, Quota};
use crate::model::{Expression, Family};
use std::net::IpAddr;

impl<'s> Walk<'s, '_> {
    pub(super) fn other(&mut self, chain: ChainId, expression: &'s Expression) -> Next<'s> {
        // A register that does not exist cannot be compiled into a rule by the kernel.
        macro_rules! at {
            ($register:expr) => {
                match place($register) {
                    Some(place) => place,
                    None => return Next::Break,
                }
            };
        }
        match expression {
            Expression::Range { sreg, op, from, to } => self.range(at!(*sreg), *op, from, to),
            Expression::Bitwise {
                sreg,
                dreg,
                len,
                op,
            } => {
                self.bitwise(at!(*sreg), at!(*dreg), *len as usize, op);
                Next::Continue
            }
            Expression::Byteorder {
                sreg,
                dreg,
                len,
                size,
                ..
            } => {
                self.byteorder(at!(*sreg), at!(*dreg), *len as usize, *size as usize);
                Next::Continue
            }
            Expression::PayloadSet {
                sreg,
                base,
                offset,
                len,
                csum_type,
                csum_offset,
                csum_flags,
            } => {
                let data = self.registers.get(at!(*sreg), *len as usize);
                let Some(data) = data.map(<[u8]>::to_vec) else {
                    return Next::Break;
                };
                let sums =
                    self.has_checksums(*base, *csum_type, *csum_offset as usize, *csum_flags);
                if sums && self.write_payload(*base, *offset as usize, &data) {
                    self.refresh_l4();
                    Next::Continue
                } else {
                    Next::Break
                }
            }
            Expression::Exthdr {
                dreg,
                kind,
                offset,
                len,
                flags,
                op,
            } => self.exthdr(
                at!(*dreg),
                *kind,
                *offset as usize,
                *len as usize,
                *flags,
                *op,
            ),
            Expression::ExthdrSet { kind, .. } | Expression::ExthdrReset { kind, .. } => {
                if !self.l4.known || self.l4.proto != 6 {
                    return Next::Break;
                }
                // What is in an option decides nothing any more, unless a later rule reads it.
                let _ = self.tcp_option(*kind);
                Next::Continue
            }
            Expression::MetaSet { sreg, key } => {
                self.meta_store(at!(*sreg), *key);
                Next::Continue
            }
            Expression::CtSet { sreg, key, .. } => self.ct_store(at!(*sreg), *key),
            Expression::Rt { dreg, key } => self.rt_load(at!(*dreg), *key),
            Expression::Fib {
                dreg,
                result,
                flags,
            } => self.fib_load(at!(*dreg), *result, *flags),
            Expression::Socket { .. } => self.socket_load(),
            Expression::Osf { .. } => {
                self.break_or_not(|| "the operating system that sent it".into())
            }
            Expression::Hash {
                dreg,
                sreg,
                len,
                modulus,
                seed,
                offset,
                kind,
            } => {
                let sreg = sreg.and_then(place);
                let (dreg, len) = (at!(*dreg), *len as usize);
                self.hash(dreg, sreg, len, *modulus, *seed, *offset, *kind);
                Next::Continue
            }
            Expression::Numgen {
                dreg,
                modulus,
                kind,
                offset,
            } => {
                self.numgen(at!(*dreg), *modulus, *kind, *offset);
                Next::Continue
            }
            Expression::Dynset { .. } => self.dynset(chain, expression),
            Expression::Objref { target } => self.objref(chain, target),
            Expression::Quota(_) | Expression::Limit(_) | Expression::Connlimit { .. } => {
                self.stateful(expression)
            }
            Expression::Reject { .. } => Next::End(RuleVerdict::Reject),
            Expression::Nat {
                kind,
                family,
                addr_min,
                addr_max,
                proto_min,
                proto_max,
                flags,
            } => {
                let registers = [*addr_min, *addr_max, *proto_min, *proto_max];
                self.nat_statement(*kind, *family, registers, *flags)
            }
            Expression::Masq {
                flags,
                proto_min,
                proto_max,
            } => {
                let range = self.port_range(*flags, *proto_min, *proto_max);
                Next::End(self.masquerade(range))
            }
            Expression::Redir {
                flags,
                proto_min,
                proto_max,
            } => {
                let range = self.port_range(*flags, *proto_min, *proto_max);
                Next::End(self.redirect(range))
            }
            Expression::Fwd { .. } => Next::End(RuleVerdict::Stolen),
            Expression::Queue { num, flags, .. } => self.queue(*num, *flags),
            Expression::Tproxy { .. } => {
                let l4 = self.l4;
                if !l4.known || !matches!(l4.proto, 6 | 17) {
                    return Next::Break;
                }
                self.break_or_not(|| "whether a transparent proxy listens".into())
            }
            Expression::Synproxy(_) => self.synproxy(),
            Expression::Notrack => {
                self.notrack();
                Next::Continue
            }
            Expression::Tunnel { dreg, key, .. } => {
                const PATH: u32 = 0;
                if *key != PATH {
                    return Next::Break;
                }
                self.registers.put(at!(*dreg), &[0]);
                Next::Continue
            }
            // No packet here went through IPsec.
            Expression::Xfrm { .. } => Next::Break,
            Expression::Inner { .. } => {
                self.break_or_not(|| "what is inside a tunnel's packet".into())
            }
            // Copies, flowtables of later packets: this packet goes on.
            _ => Next::Continue,
        }
    }

    /// State that packets change: what it is now is only partly known.
    pub(super) fn stateful(&mut self, expression: &Expression) -> Next<'s> {
        match expression {
            Expression::Quota(quota) => self.quota(*quota),
            Expression::Limit(limit) => self.limit(*limit, None),
            Expression::Connlimit { count, flags } => self.connlimit(*count, *flags),
            _ => Next::Continue,
        }
    }

    fn range(&mut self, sreg: usize, op: CmpOp, from: &[u8], to: &[u8]) -> Next<'s> {
        if let Some(what) = self.registers.unknown(sreg, from.len()) {
            return self.break_or_not(|| what.into());
        }
        let Some(own) = self.registers.get(sreg, from.len()) else {
            return Next::Break;
        };
        let inside = from <= own && own <= to;
        if inside == (op != CmpOp::Neq) {
            Next::Continue
        } else {
            Next::Break
        }
    }

    fn bitwise(&mut self, sreg: usize, dreg: usize, len: usize, op: &BitwiseOp) {
        let Some(own) = self.registers.get(sreg, len).map(<[u8]>::to_vec) else {
            return;
        };
        if let Some(what) = self.registers.unknown(sreg, len) {
            self.registers.put_unknown(dreg, len, what);
            return;
        }
        let operand = |operand: &BitwiseOperand| -> Vec<u8> {
            match operand {
                BitwiseOperand::Value(value) => value.clone(),
                BitwiseOperand::Register(register) => place(*register)
                    .and_then(|at| self.registers.get(at, len))
                    .map(<[u8]>::to_vec)
                    .unwrap_or_default(),
            }
        };
        let bytewise = |other: Vec<u8>, f: fn(u8, u8) -> u8| -> Vec<u8> {
            let other = other.into_iter().chain(std::iter::repeat(0));
            own.iter().zip(other).map(|(a, b)| f(*a, b)).collect()
        };
        let out = match op {
            BitwiseOp::Mask { mask, xor } => {
                let masked = bytewise(mask.clone(), |a, b| a & b);
                let xor = xor.iter().copied().chain(std::iter::repeat(0));
                masked.into_iter().zip(xor).map(|(a, b)| a ^ b).collect()
            }
            BitwiseOp::And(other) => bytewise(operand(other), |a, b| a & b),
            BitwiseOp::Or(other) => bytewise(operand(other), |a, b| a | b),
            BitwiseOp::Xor(other) => bytewise(operand(other), |a, b| a ^ b),
            BitwiseOp::ShiftLeft(by) => shift(&own, *by, true),
            BitwiseOp::ShiftRight(by) => shift(&own, *by, false),
        };
        self.registers.put(dreg, &out);
    }

    fn byteorder(&mut self, sreg: usize, dreg: usize, len: usize, size: usize) {
        if let Some(what) = self.registers.unknown(sreg, len) {
            self.registers.put_unknown(dreg, len, what);
            return;
        }
        let Some(mut own) = self.registers.get(sreg, len).map(<[u8]>::to_vec) else {
            return;
        };
        // Both directions swap on little-endian machines and neither does on others.
        if cfg!(target_endian = "little") && size > 0 {
            own.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        self.registers.put(dreg, &own);
    }

    fn meta_store(&mut self, sreg: usize, key: u32) {
        const MARK: u32 = 3;
        const PRIORITY: u32 = 2;
        const PKTTYPE: u32 = 19;
        const OTHERHOST: u8 = 3;
        let value = self.registers.u32(sreg);
        match key {
            MARK => self.skb.mark = value,
            PRIORITY => self.skb.priority = value,
            PKTTYPE => {
                let kind = self
                    .registers
                    .get(sreg, 1)
                    .and_then(|bytes| bytes.first().copied())
                    .unwrap_or(0);
                if kind <= OTHERHOST && self.skb.pkt_type <= OTHERHOST {
                    self.skb.pkt_type = kind;
                }
            }
            _ => {}
        }
    }

    fn socket_load(&mut self) -> Next<'s> {
        self.break_or_not(|| "whether a socket of this machine is waiting for it".into())
    }

    #[allow(clippy::too_many_arguments)]
    fn hash(
        &mut self,
        dreg: usize,
        sreg: Option<usize>,
        len: usize,
        modulus: u32,
        seed: Option<u32>,
        offset: u32,
        kind: u32,
    ) {
        const JENKINS: u32 = 0;
        let data = sreg.and_then(|at| self.registers.get(at, len));
        match (kind, seed, data) {
            (JENKINS, Some(seed), Some(data)) => {
                let hash = crate::flow::jhash::jhash(data, seed);
                let scaled = (u64::from(hash) * u64::from(modulus)) >> 32;
                self.registers.put_u32(dreg, scaled as u32 + offset);
            }
            _ => self.any_number(dreg, modulus, offset, "a hash with a random seed"),
        }
    }

    fn numgen(&mut self, dreg: usize, modulus: u32, kind: u32, offset: u32) {
        let what = if kind == 0 {
            "a counter of the rule (numgen inc)"
        } else {
            "a random number (numgen random)"
        };
        self.any_number(dreg, modulus, offset, what);
    }

    /// One of a few numbers: each is a branch.
    fn any_number(&mut self, dreg: usize, modulus: u32, offset: u32, what: &'static str) {
        const SHOWN: u32 = 16;
        if modulus == 0 || modulus > SHOWN {
            self.registers.put_unknown(dreg, 4, what);
            return;
        }
        let options = || {
            (0..modulus)
                .map(|n| format!("it is {}", n + offset))
                .collect()
        };
        let taken = self.choose(|| what.into(), options, modulus == 1);
        self.registers.put_u32(dreg, taken as u32 + offset);
    }

    pub(super) fn quota(&mut self, quota: Quota) -> Next<'s> {
        const INVERT: u32 = 1;
        let used = quota.consumed.saturating_add(self.skb.data.len() as u64);
        let over = used >= quota.bytes;
        if over != (quota.flags & INVERT != 0) {
            Next::Break
        } else {
            Next::Continue
        }
    }

    pub(super) fn limit(&mut self, limit: Limit, name: Option<&str>) -> Next<'s> {
        const INVERT: u32 = 1;
        let what = || {
            let unit = match limit.unit {
                1 => "second",
                60 => "minute",
                3600 => "hour",
                86_400 => "day",
                _ => "week",
            };
            let kind = if limit.kind == 1 { " bytes" } else { "" };
            let name = name.map(|name| format!(" '{name}'")).unwrap_or_default();
            format!("the rate limit{name} of {}{kind}/{unit}", limit.rate)
        };
        let over = self.decide(
            what,
            &["the rate is below it", "the rate is above it"],
            true,
        ) == 1;
        if over != (limit.flags & INVERT != 0) {
            Next::Break
        } else {
            Next::Continue
        }
    }

    pub(super) fn connlimit(&mut self, count: u32, flags: u32) -> Next<'s> {
        const INVERT: u32 = 1;
        // Without an entry the packet's own tuple is counted; one that has none is dropped.
        if self.entry.is_none() && !has_tuple(&self.skb) {
            return Next::End(RuleVerdict::Drop);
        }
        let what = || format!("how many connections the rule has counted (limit {count})");
        let over = self.decide(what, &["not more than that", "more than that"], true) == 1;
        if over != (flags & INVERT != 0) {
            Next::Break
        } else {
            Next::Continue
        }
    }

    pub(super) fn synproxy(&mut self) -> Next<'s> {
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        let l4 = self.l4;
        if !l4.known || l4.proto != 6 {
            return Next::Break;
        }
        match self.skb.u8_at(l4.offset + 13) {
            Some(flags) if flags & SYN != 0 && flags & ACK == 0 => Next::End(RuleVerdict::Stolen),
            Some(flags) if flags & ACK != 0 => {
                self.break_or_not(|| "whether the handshake's cookie is right (synproxy)".into())
            }
            _ => Next::Continue,
        }
    }

    fn queue(&mut self, number: u16, flags: u16) -> Next<'s> {
        const BYPASS: u16 = 1;
        if flags & BYPASS != 0 {
            let what = || format!("whether a program listens at queue {number}");
            if self.decide(
                what,
                &["one does", "none does, the packet is accepted"],
                true,
            ) == 1
            {
                return Next::End(RuleVerdict::Accept);
            }
        }
        Next::End(RuleVerdict::Queue(number))
    }

    fn port_at(&self, register: Option<u32>) -> Option<u16> {
        let at = place(register?)?;
        let bytes = self.registers.get(at, 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    fn port_range(&self, flags: u32, min: Option<u32>, max: Option<u32>) -> Range {
        let mut range = Range {
            flags,
            ..Range::default()
        };
        if let Some(port) = self.port_at(min) {
            range.flags |= range_flags::PROTO_SPECIFIED;
            range.min_port = port;
            range.max_port = self.port_at(max).unwrap_or(port);
        }
        range
    }

    fn address_at(&self, register: Option<u32>) -> Option<IpAddr> {
        let at = place(register?)?;
        match self.state.family {
            Family::Ip => {
                let bytes: [u8; 4] = self.registers.get(at, 4)?.try_into().ok()?;
                Some(bytes.into())
            }
            Family::Ip6 => {
                let bytes: [u8; 16] = self.registers.get(at, 16)?.try_into().ok()?;
                Some(bytes.into())
            }
            _ => None,
        }
    }

    fn nat_statement(
        &mut self,
        kind: NatKind,
        family: u32,
        registers: [Option<u32>; 4],
        flags: u32,
    ) -> Next<'s> {
        let own = Family::from_wire(family as u8);
        // In inet tables a translation to an address of the other family does nothing.
        if own != Family::Inet && own != self.state.family {
            return Next::Continue;
        }
        let mut range = self.port_range(flags, registers[2], registers[3]);
        if let Some(address) = self.address_at(registers[0]) {
            range.flags |= range_flags::MAP_IPS;
            range.min = Some(address);
            range.max = self.address_at(registers[1]).or(Some(address));
        }
        let manip = match kind {
            NatKind::Source => Manip::Source,
            NatKind::Destination => Manip::Destination,
        };
        if range.flags & range_flags::NETMAP != 0 {
            self.netmap(&mut range, manip);
        }
        Next::End(self.nat_setup(&range, manip))
    }
}

/// Shifts work on 32-bit words in host byte order, carrying from word to word.
fn shift(own: &[u8], by: u32, left: bool) -> Vec<u8> {
    let by = by % 32;
    if by == 0 {
        return own.to_vec();
    }
    let words: Vec<u32> = own
        .chunks(4)
        .map(|chunk| {
            let mut word = [0; 4];
            word.iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            u32::from_ne_bytes(word)
        })
        .collect();
    let mut out = vec![0u32; words.len()];
    let mut carry = 0;
    if left {
        for (to, from) in out.iter_mut().zip(&words).rev() {
            *to = (from << by) | carry;
            carry = from >> (32 - by);
        }
    } else {
        for (to, from) in out.iter_mut().zip(&words) {
            *to = carry | (from >> by);
            carry = from << (32 - by);
        }
    }
    let mut bytes: Vec<u8> = out.into_iter().flat_map(u32::to_ne_bytes).collect();
    bytes.truncate(own.len());
    bytes
}

#[cfg(test)]
mod tests {
    use super::shift;

    #[test]
    fn shifts_carry_between_words() {
        let words = |a: u32, b: u32| [a.to_ne_bytes(), b.to_ne_bytes()].concat();
        assert_eq!(shift(&words(1, 0x8000_0001), 1, true), words(3, 2));
        assert_eq!(shift(&words(3, 2), 1, false), words(1, 0x8000_0001));
        assert_eq!(shift(&5u32.to_ne_bytes(), 0, true), 5u32.to_ne_bytes());
    }
}
