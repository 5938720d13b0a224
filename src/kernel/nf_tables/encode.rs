//! Expressions to `NFTA_EXPR_*` attributes: the inverse of `expression`, attribute for attribute in the kernel's order.

use super::abi;
use crate::kernel::netlink::AttrWriter;
use crate::model::expression::*;
use crate::model::{Data, Expression, Verdict};
use rustables::sys::*;

/// A list of expressions, as `NFTA_RULE_EXPRESSIONS` holds it.
pub fn list(out: &mut AttrWriter, expressions: &[Expression]) {
    for expression in expressions {
        out.nest(NFTA_LIST_ELEM, |element| {
            self::expression(element, expression)
        });
    }
}

/// The name and data of one expression.
pub fn expression(out: &mut AttrWriter, expression: &Expression) {
    out.text(NFTA_EXPR_NAME, expression.kernel_name());
    match expression {
        Expression::Unknown(unknown) => {
            out.put(
                NFTA_EXPR_DATA | crate::kernel::netlink::attr::NLA_F_NESTED,
                &unknown.data,
            );
        }
        other => {
            out.nest(NFTA_EXPR_DATA, |data| fill(data, other));
        }
    }
}

fn value(out: &mut AttrWriter, kind: u16, bytes: &[u8]) {
    out.nest(kind, |inner| {
        inner.put(NFTA_DATA_VALUE, bytes);
    });
}

/// A value or a verdict, as `NFTA_IMMEDIATE_DATA` and `NFTA_SET_ELEM_DATA` hold it.
pub fn data(out: &mut AttrWriter, kind: u16, data: &Data) {
    match data {
        Data::Value(bytes) => value(out, kind, bytes),
        Data::Verdict(verdict) => {
            out.nest(kind, |inner| {
                inner.nest(NFTA_DATA_VERDICT, |inner| self::verdict(inner, verdict));
            });
        }
    }
}

fn verdict(out: &mut AttrWriter, verdict: &Verdict) {
    let (code, chain) = match verdict {
        Verdict::Drop => (0, None),
        Verdict::Accept => (1, None),
        Verdict::Stolen => (2, None),
        Verdict::Queue => (3, None),
        Verdict::Repeat => (4, None),
        Verdict::Stop => (5, None),
        Verdict::Continue => (NFT_CONTINUE, None),
        Verdict::Break => (NFT_BREAK, None),
        Verdict::Jump(chain) => (NFT_JUMP, Some(chain)),
        Verdict::Goto(chain) => (NFT_GOTO, Some(chain)),
        Verdict::Return => (NFT_RETURN, None),
        Verdict::Unknown(code) => (*code, None),
    };
    out.be32(NFTA_VERDICT_CODE, code.cast_unsigned());
    if let Some(chain) = chain {
        out.text(NFTA_VERDICT_CHAIN, chain);
    }
}

fn cmp_op(op: CmpOp) -> u32 {
    match op {
        CmpOp::Eq => 0,
        CmpOp::Neq => 1,
        CmpOp::Lt => 2,
        CmpOp::Lte => 3,
        CmpOp::Gt => 4,
        CmpOp::Gte => 5,
    }
}

fn base(base: PayloadBase) -> u32 {
    match base {
        PayloadBase::Link => NFT_PAYLOAD_LL_HEADER,
        PayloadBase::Network => NFT_PAYLOAD_NETWORK_HEADER,
        PayloadBase::Transport => NFT_PAYLOAD_TRANSPORT_HEADER,
        PayloadBase::Inner => abi::NFT_PAYLOAD_INNER_HEADER,
        PayloadBase::Tunnel => abi::NFT_PAYLOAD_TUN_HEADER,
    }
}

/// Attributes that are there only when there is something to say.
trait Optional {
    fn some32(&mut self, kind: u16, value: Option<u32>);
    fn nonzero32(&mut self, kind: u16, value: u32);
}

impl Optional for AttrWriter {
    fn some32(&mut self, kind: u16, value: Option<u32>) {
        if let Some(value) = value {
            self.be32(kind, value);
        }
    }
    fn nonzero32(&mut self, kind: u16, value: u32) {
        self.some32(kind, (value != 0).then_some(value));
    }
}

fn fill(out: &mut AttrWriter, expression: &Expression) {
    match expression {
        Expression::Immediate { dreg, data } => {
            out.be32(NFTA_IMMEDIATE_DREG, *dreg);
            self::data(out, NFTA_IMMEDIATE_DATA, data);
        }
        Expression::Cmp { sreg, op, data } => {
            out.be32(NFTA_CMP_SREG, *sreg)
                .be32(NFTA_CMP_OP, cmp_op(*op));
            value(out, NFTA_CMP_DATA, data);
        }
        Expression::Range { sreg, op, from, to } => {
            out.be32(NFTA_RANGE_SREG, *sreg)
                .be32(NFTA_RANGE_OP, cmp_op(*op));
            value(out, NFTA_RANGE_FROM_DATA, from);
            value(out, NFTA_RANGE_TO_DATA, to);
        }
        Expression::Bitwise {
            sreg,
            dreg,
            len,
            op,
        } => bitwise(out, *sreg, *dreg, *len, op),
        Expression::Byteorder {
            sreg,
            dreg,
            op,
            len,
            size,
        } => {
            out.be32(NFTA_BYTEORDER_SREG, *sreg)
                .be32(NFTA_BYTEORDER_DREG, *dreg)
                .be32(NFTA_BYTEORDER_OP, *op)
                .be32(NFTA_BYTEORDER_LEN, *len)
                .be32(NFTA_BYTEORDER_SIZE, *size);
        }
        Expression::Payload {
            dreg,
            base: from,
            offset,
            len,
        } => {
            out.be32(NFTA_PAYLOAD_DREG, *dreg)
                .be32(NFTA_PAYLOAD_BASE, base(*from))
                .be32(NFTA_PAYLOAD_OFFSET, *offset)
                .be32(NFTA_PAYLOAD_LEN, *len);
        }
        Expression::PayloadSet {
            sreg,
            base: from,
            offset,
            len,
            csum_type,
            csum_offset,
            csum_flags,
        } => {
            out.be32(NFTA_PAYLOAD_SREG, *sreg)
                .be32(NFTA_PAYLOAD_BASE, base(*from))
                .be32(NFTA_PAYLOAD_OFFSET, *offset)
                .be32(NFTA_PAYLOAD_LEN, *len)
                .be32(NFTA_PAYLOAD_CSUM_TYPE, *csum_type)
                .be32(NFTA_PAYLOAD_CSUM_OFFSET, *csum_offset)
                .be32(NFTA_PAYLOAD_CSUM_FLAGS, *csum_flags);
        }
        Expression::Exthdr {
            dreg,
            kind,
            offset,
            len,
            flags,
            op,
        } => {
            out.be32(NFTA_EXTHDR_DREG, *dreg)
                .u8(NFTA_EXTHDR_TYPE, *kind)
                .be32(NFTA_EXTHDR_OFFSET, *offset)
                .be32(NFTA_EXTHDR_LEN, *len)
                .be32(NFTA_EXTHDR_FLAGS, *flags)
                .be32(NFTA_EXTHDR_OP, *op);
        }
        Expression::ExthdrSet {
            sreg,
            kind,
            offset,
            len,
            flags,
            op,
        } => {
            out.u8(NFTA_EXTHDR_TYPE, *kind)
                .be32(NFTA_EXTHDR_OFFSET, *offset)
                .be32(NFTA_EXTHDR_LEN, *len)
                .be32(NFTA_EXTHDR_FLAGS, *flags)
                .be32(NFTA_EXTHDR_OP, *op)
                .be32(NFTA_EXTHDR_SREG, *sreg);
        }
        Expression::ExthdrReset { kind, op } => {
            out.u8(NFTA_EXTHDR_TYPE, *kind)
                .be32(NFTA_EXTHDR_OFFSET, 0)
                .be32(NFTA_EXTHDR_LEN, 0)
                .be32(NFTA_EXTHDR_FLAGS, 0)
                .be32(NFTA_EXTHDR_OP, *op);
        }
        Expression::Meta { dreg, key } => {
            out.be32(NFTA_META_KEY, *key).be32(NFTA_META_DREG, *dreg);
        }
        Expression::MetaSet { sreg, key } => {
            out.be32(NFTA_META_KEY, *key).be32(NFTA_META_SREG, *sreg);
        }
        Expression::Ct {
            dreg,
            key,
            direction,
        } => {
            out.be32(NFTA_CT_DREG, *dreg).be32(NFTA_CT_KEY, *key);
            if let Some(direction) = direction {
                out.u8(NFTA_CT_DIRECTION, *direction);
            }
        }
        Expression::CtSet {
            sreg,
            key,
            direction,
        } => {
            out.be32(NFTA_CT_SREG, *sreg).be32(NFTA_CT_KEY, *key);
            if let Some(direction) = direction {
                out.u8(NFTA_CT_DIRECTION, *direction);
            }
        }
        Expression::Rt { dreg, key } => {
            out.be32(NFTA_RT_KEY, *key).be32(NFTA_RT_DREG, *dreg);
        }
        Expression::Socket { dreg, key, level } => {
            out.be32(NFTA_SOCKET_KEY, *key)
                .be32(NFTA_SOCKET_DREG, *dreg);
            out.nonzero32(NFTA_SOCKET_LEVEL, *level);
        }
        Expression::Osf { dreg, ttl, flags } => {
            out.be32(NFTA_OSF_DREG, *dreg)
                .u8(NFTA_OSF_TTL, *ttl)
                .be32(NFTA_OSF_FLAGS, *flags);
        }
        Expression::Fib {
            dreg,
            result,
            flags,
        } => {
            out.be32(NFTA_FIB_DREG, *dreg)
                .be32(NFTA_FIB_RESULT, *result)
                .be32(NFTA_FIB_FLAGS, *flags);
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
            out.some32(NFTA_HASH_SREG, *sreg);
            out.be32(NFTA_HASH_DREG, *dreg);
            if sreg.is_some() {
                out.be32(NFTA_HASH_LEN, *len);
            }
            out.be32(NFTA_HASH_MODULUS, *modulus);
            out.some32(NFTA_HASH_SEED, *seed);
            out.nonzero32(NFTA_HASH_OFFSET, *offset);
            out.be32(NFTA_HASH_TYPE, *kind);
        }
        Expression::Numgen {
            dreg,
            modulus,
            kind,
            offset,
        } => {
            out.be32(NFTA_NG_DREG, *dreg)
                .be32(NFTA_NG_MODULUS, *modulus)
                .be32(NFTA_NG_TYPE, *kind)
                .be32(NFTA_NG_OFFSET, *offset);
        }
        Expression::Lookup {
            set,
            sreg,
            dreg,
            flags,
        } => {
            out.text(NFTA_LOOKUP_SET, set).be32(NFTA_LOOKUP_SREG, *sreg);
            out.some32(NFTA_LOOKUP_DREG, *dreg);
            out.be32(NFTA_LOOKUP_FLAGS, *flags);
        }
        Expression::Dynset {
            set,
            op,
            sreg_key,
            sreg_data,
            timeout,
            flags,
            expressions,
        } => {
            let op = match op {
                DynsetOp::Add => 0,
                DynsetOp::Update => 1,
                DynsetOp::Delete => 2,
            };
            out.be32(NFTA_DYNSET_SREG_KEY, *sreg_key);
            out.some32(NFTA_DYNSET_SREG_DATA, *sreg_data);
            out.be32(NFTA_DYNSET_OP, op).text(NFTA_DYNSET_SET_NAME, set);
            if *timeout != 0 {
                out.be64(NFTA_DYNSET_TIMEOUT, *timeout);
            }
            match expressions.as_slice() {
                [] => {}
                [one] => {
                    out.nest(NFTA_DYNSET_EXPR, |inner| self::expression(inner, one));
                }
                many => {
                    out.nest(NFTA_DYNSET_EXPRESSIONS, |inner| list(inner, many));
                }
            }
            out.be32(NFTA_DYNSET_FLAGS, *flags);
        }
        Expression::Objref { target } => match target {
            ObjrefTarget::Name { kind, name } => {
                out.text(NFTA_OBJREF_IMM_NAME, name)
                    .be32(NFTA_OBJREF_IMM_TYPE, *kind);
            }
            ObjrefTarget::Map { sreg, set } => {
                out.be32(NFTA_OBJREF_SET_SREG, *sreg)
                    .text(NFTA_OBJREF_SET_NAME, set);
            }
        },
        Expression::Counter(counter) => {
            out.be64(NFTA_COUNTER_BYTES, counter.bytes)
                .be64(NFTA_COUNTER_PACKETS, counter.packets);
        }
        Expression::Quota(quota) => {
            out.be64(NFTA_QUOTA_BYTES, quota.bytes)
                .be64(NFTA_QUOTA_CONSUMED, quota.consumed)
                .be32(NFTA_QUOTA_FLAGS, quota.flags);
        }
        Expression::Limit(limit) => {
            out.be64(NFTA_LIMIT_RATE, limit.rate)
                .be64(NFTA_LIMIT_UNIT, limit.unit)
                .be32(NFTA_LIMIT_BURST, limit.burst)
                .be32(NFTA_LIMIT_TYPE, limit.kind)
                .be32(NFTA_LIMIT_FLAGS, limit.flags);
        }
        Expression::Connlimit { count, flags } => {
            out.be32(NFTA_CONNLIMIT_COUNT, *count)
                .be32(NFTA_CONNLIMIT_FLAGS, *flags);
        }
        Expression::Last { set, msecs } => {
            out.be64(NFTA_LAST_MSECS, *msecs)
                .be32(NFTA_LAST_SET, u32::from(*set));
        }
        Expression::Log {
            prefix,
            group,
            snaplen,
            qthreshold,
            level,
            flags,
        } => {
            if let Some(prefix) = prefix {
                out.text(NFTA_LOG_PREFIX, prefix);
            }
            out.some32(NFTA_LOG_LEVEL, *level);
            out.some32(NFTA_LOG_FLAGS, *flags);
            if let Some(group) = group {
                out.be16(NFTA_LOG_GROUP, *group);
            }
            out.some32(NFTA_LOG_SNAPLEN, *snaplen);
            if let Some(threshold) = qthreshold {
                out.be16(NFTA_LOG_QTHRESHOLD, *threshold);
            }
        }
        Expression::Reject { kind, code } => {
            out.be32(NFTA_REJECT_TYPE, *kind)
                .u8(NFTA_REJECT_ICMP_CODE, *code);
        }
        Expression::Nat {
            kind,
            family,
            addr_min,
            addr_max,
            proto_min,
            proto_max,
            flags,
        } => {
            let kind = match kind {
                NatKind::Source => 0,
                NatKind::Destination => 1,
            };
            out.be32(NFTA_NAT_TYPE, kind).be32(NFTA_NAT_FAMILY, *family);
            out.some32(NFTA_NAT_REG_ADDR_MIN, *addr_min);
            out.some32(NFTA_NAT_REG_ADDR_MAX, *addr_max);
            out.some32(NFTA_NAT_REG_PROTO_MIN, *proto_min);
            out.some32(NFTA_NAT_REG_PROTO_MAX, *proto_max);
            out.nonzero32(NFTA_NAT_FLAGS, *flags);
        }
        Expression::Masq {
            flags,
            proto_min,
            proto_max,
        } => {
            out.nonzero32(NFTA_MASQ_FLAGS, *flags);
            out.some32(NFTA_MASQ_REG_PROTO_MIN, *proto_min);
            out.some32(NFTA_MASQ_REG_PROTO_MAX, *proto_max);
        }
        Expression::Redir {
            proto_min,
            proto_max,
            flags,
        } => {
            out.some32(NFTA_REDIR_REG_PROTO_MIN, *proto_min);
            out.some32(NFTA_REDIR_REG_PROTO_MAX, *proto_max);
            out.nonzero32(NFTA_REDIR_FLAGS, *flags);
        }
        Expression::Dup { addr, dev } => {
            out.some32(NFTA_DUP_SREG_ADDR, *addr);
            out.some32(NFTA_DUP_SREG_DEV, *dev);
        }
        Expression::Fwd { dev, addr, nfproto } => {
            out.be32(NFTA_FWD_SREG_DEV, *dev);
            out.some32(NFTA_FWD_SREG_ADDR, *addr);
            out.some32(NFTA_FWD_NFPROTO, *nfproto);
        }
        Expression::Queue {
            num,
            total,
            flags,
            sreg_qnum,
        } => {
            match sreg_qnum {
                Some(register) => out.be32(NFTA_QUEUE_SREG_QNUM, *register),
                None => out
                    .be16(NFTA_QUEUE_NUM, *num)
                    .be16(NFTA_QUEUE_TOTAL, *total),
            };
            out.be16(NFTA_QUEUE_FLAGS, *flags);
        }
        Expression::Tproxy { family, addr, port } => {
            out.be32(NFTA_TPROXY_FAMILY, *family);
            out.some32(NFTA_TPROXY_REG_ADDR, *addr);
            out.some32(NFTA_TPROXY_REG_PORT, *port);
        }
        Expression::Synproxy(synproxy) => {
            out.be16(NFTA_SYNPROXY_MSS, synproxy.mss)
                .u8(NFTA_SYNPROXY_WSCALE, synproxy.wscale)
                .be32(NFTA_SYNPROXY_FLAGS, synproxy.flags);
        }
        Expression::Notrack | Expression::Unknown(_) => {}
        Expression::FlowOffload { table } => {
            out.text(NFTA_FLOW_TABLE_NAME, table);
        }
        Expression::Tunnel { dreg, key, mode } => {
            out.be32(NFTA_TUNNEL_KEY, *key)
                .be32(NFTA_TUNNEL_DREG, *dreg)
                .be32(NFTA_TUNNEL_MODE, *mode);
        }
        Expression::Xfrm {
            dreg,
            key,
            direction,
            spnum,
        } => {
            out.be32(NFTA_XFRM_DREG, *dreg)
                .be32(NFTA_XFRM_KEY, *key)
                .u8(NFTA_XFRM_DIR, *direction)
                .be32(NFTA_XFRM_SPNUM, *spnum);
        }
        Expression::Inner {
            num,
            kind,
            flags,
            header_size,
            expression,
        } => {
            out.be32(abi::NFTA_INNER_NUM, *num)
                .be32(abi::NFTA_INNER_TYPE, *kind)
                .be32(abi::NFTA_INNER_FLAGS, *flags)
                .be32(abi::NFTA_INNER_HDRSIZE, *header_size);
            out.nest(abi::NFTA_INNER_EXPR, |inner| {
                self::expression(inner, expression)
            });
        }
        Expression::Match(extension) | Expression::Target(extension) => {
            // NFTA_MATCH_* and NFTA_TARGET_* have the same numbers.
            out.text(1, &extension.name)
                .be32(2, extension.revision)
                .put(3, &extension.info);
        }
    }
}

fn bitwise(out: &mut AttrWriter, sreg: Register, dreg: Register, len: u32, op: &BitwiseOp) {
    let number = match op {
        BitwiseOp::Mask { .. } => abi::NFT_BITWISE_MASK_XOR,
        BitwiseOp::ShiftLeft(_) => abi::NFT_BITWISE_LSHIFT,
        BitwiseOp::ShiftRight(_) => abi::NFT_BITWISE_RSHIFT,
        BitwiseOp::And(_) => abi::NFT_BITWISE_AND,
        BitwiseOp::Or(_) => abi::NFT_BITWISE_OR,
        BitwiseOp::Xor(_) => abi::NFT_BITWISE_XOR,
    };
    out.be32(NFTA_BITWISE_SREG, sreg);
    if let BitwiseOp::And(BitwiseOperand::Register(second))
    | BitwiseOp::Or(BitwiseOperand::Register(second))
    | BitwiseOp::Xor(BitwiseOperand::Register(second)) = op
    {
        out.be32(abi::NFTA_BITWISE_SREG2, *second);
    }
    out.be32(NFTA_BITWISE_DREG, dreg)
        .be32(NFTA_BITWISE_LEN, len)
        .be32(NFTA_BITWISE_OP, number);
    match op {
        BitwiseOp::Mask { mask, xor } => {
            value(out, NFTA_BITWISE_MASK, mask);
            value(out, NFTA_BITWISE_XOR, xor);
        }
        BitwiseOp::ShiftLeft(by) | BitwiseOp::ShiftRight(by) => {
            value(out, NFTA_BITWISE_DATA, &by.to_ne_bytes());
        }
        BitwiseOp::And(BitwiseOperand::Value(bytes))
        | BitwiseOp::Or(BitwiseOperand::Value(bytes))
        | BitwiseOp::Xor(BitwiseOperand::Value(bytes)) => value(out, NFTA_BITWISE_DATA, bytes),
        _ => {}
    }
}
