//! Expressions: `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA` to [`Expression`].
//!
//! Strict on purpose: an attribute, a value or a length that is not known makes the whole expression
//! [`Expression::Unknown`], because its meaning is then not known either.

use super::abi;
use crate::kernel::netlink::{Attr, Attrs, DecodeError, Fields};
use crate::model::expression::*;
use crate::model::text::{from_bytes, name_from_bytes};
use crate::model::{Data, Expression, Name, Verdict};
use rustables::sys::*;

type Result<T> = std::result::Result<T, DecodeError>;

/// The expressions in a list of `NFTA_LIST_ELEM`.
pub fn list(bytes: &[u8]) -> Result<Vec<Expression>> {
    list_at(bytes, 0)
}

fn list_at(bytes: &[u8], depth: u8) -> Result<Vec<Expression>> {
    Attrs::new(bytes)
        .map(|attr| expression_at(attr?.payload, depth))
        .collect()
}

/// One expression from the attributes `NFTA_EXPR_*`.
pub fn expression(bytes: &[u8]) -> Result<Expression> {
    expression_at(bytes, 0)
}

fn expression_at(bytes: &[u8], depth: u8) -> Result<Expression> {
    if depth > abi::MAX_DEPTH {
        return Err(DecodeError::Depth);
    }
    let fields = Fields::<3>::parse(bytes)?;
    let name = fields.need(NFTA_EXPR_NAME)?.text();
    let data = fields
        .get(NFTA_EXPR_DATA)
        .map(|attr| attr.payload)
        .unwrap_or_default();
    let unknown = |why: String| {
        Expression::Unknown(UnknownExpression {
            name: name_from_bytes(name),
            data: data.to_vec(),
            why,
        })
    };
    Ok(match decode(name, data, depth) {
        Ok(Some(expression)) => expression,
        Ok(None) => unknown("no expression of this name is known".into()),
        Err(error) => unknown(error.to_string()),
    })
}

fn decode(name: &[u8], data: &[u8], depth: u8) -> Result<Option<Expression>> {
    Ok(Some(match name {
        b"immediate" => immediate(data)?,
        b"cmp" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Cmp {
                sreg: f.need_be32(NFTA_CMP_SREG)?,
                op: cmp_op(f.need(NFTA_CMP_OP)?)?,
                data: value(f.need(NFTA_CMP_DATA)?)?,
            }
        }
        b"range" => {
            let f = Fields::<5>::parse_strict(data)?;
            Expression::Range {
                sreg: f.need_be32(NFTA_RANGE_SREG)?,
                op: cmp_op(f.need(NFTA_RANGE_OP)?)?,
                from: value(f.need(NFTA_RANGE_FROM_DATA)?)?,
                to: value(f.need(NFTA_RANGE_TO_DATA)?)?,
            }
        }
        b"bitwise" => bitwise(data)?,
        b"byteorder" => {
            let f = Fields::<6>::parse_strict(data)?;
            Expression::Byteorder {
                sreg: f.need_be32(NFTA_BYTEORDER_SREG)?,
                dreg: f.need_be32(NFTA_BYTEORDER_DREG)?,
                op: f.need_be32(NFTA_BYTEORDER_OP)?,
                len: f.need_be32(NFTA_BYTEORDER_LEN)?,
                size: f.need_be32(NFTA_BYTEORDER_SIZE)?,
            }
        }
        b"payload" => payload(data)?,
        b"exthdr" => exthdr(data)?,
        b"meta" => {
            let f = Fields::<4>::parse_strict(data)?;
            let key = f.need_be32(NFTA_META_KEY)?;
            match f.be32(NFTA_META_SREG)? {
                Some(sreg) => Expression::MetaSet { sreg, key },
                None => Expression::Meta {
                    dreg: f.need_be32(NFTA_META_DREG)?,
                    key,
                },
            }
        }
        b"ct" => {
            let f = Fields::<5>::parse_strict(data)?;
            let key = f.need_be32(NFTA_CT_KEY)?;
            let direction = f.u8(NFTA_CT_DIRECTION)?;
            match f.be32(NFTA_CT_SREG)? {
                Some(sreg) => Expression::CtSet {
                    sreg,
                    key,
                    direction,
                },
                None => Expression::Ct {
                    dreg: f.need_be32(NFTA_CT_DREG)?,
                    key,
                    direction,
                },
            }
        }
        b"rt" => {
            let f = Fields::<3>::parse_strict(data)?;
            Expression::Rt {
                dreg: f.need_be32(NFTA_RT_DREG)?,
                key: f.need_be32(NFTA_RT_KEY)?,
            }
        }
        b"socket" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Socket {
                dreg: f.need_be32(NFTA_SOCKET_DREG)?,
                key: f.need_be32(NFTA_SOCKET_KEY)?,
                level: f.be32(NFTA_SOCKET_LEVEL)?.unwrap_or(0),
            }
        }
        b"osf" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Osf {
                dreg: f.need_be32(NFTA_OSF_DREG)?,
                ttl: f.u8(NFTA_OSF_TTL)?.unwrap_or(0),
                flags: f.be32(NFTA_OSF_FLAGS)?.unwrap_or(0),
            }
        }
        b"fib" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Fib {
                dreg: f.need_be32(NFTA_FIB_DREG)?,
                result: f.need_be32(NFTA_FIB_RESULT)?,
                flags: f.need_be32(NFTA_FIB_FLAGS)?,
            }
        }
        b"hash" => {
            // NFTA_HASH_SET_NAME and _SET_ID (8, 9) are reserved and never sent.
            let f = Fields::<8>::parse_strict(data)?;
            Expression::Hash {
                dreg: f.need_be32(NFTA_HASH_DREG)?,
                sreg: f.be32(NFTA_HASH_SREG)?,
                len: f.be32(NFTA_HASH_LEN)?.unwrap_or(0),
                modulus: f.need_be32(NFTA_HASH_MODULUS)?,
                seed: f.be32(NFTA_HASH_SEED)?,
                offset: f.be32(NFTA_HASH_OFFSET)?.unwrap_or(0),
                kind: f.be32(NFTA_HASH_TYPE)?.unwrap_or(NFT_HASH_JENKINS),
            }
        }
        b"numgen" => {
            let f = Fields::<5>::parse_strict(data)?;
            Expression::Numgen {
                dreg: f.need_be32(NFTA_NG_DREG)?,
                modulus: f.need_be32(NFTA_NG_MODULUS)?,
                kind: f.need_be32(NFTA_NG_TYPE)?,
                offset: f.be32(NFTA_NG_OFFSET)?.unwrap_or(0),
            }
        }
        b"lookup" => {
            let f = Fields::<6>::parse_strict(data)?;
            Expression::Lookup {
                set: name_of(f.need(NFTA_LOOKUP_SET)?),
                sreg: f.need_be32(NFTA_LOOKUP_SREG)?,
                dreg: f.be32(NFTA_LOOKUP_DREG)?,
                flags: f.be32(NFTA_LOOKUP_FLAGS)?.unwrap_or(0),
            }
        }
        b"dynset" => dynset(data, depth)?,
        b"objref" => {
            let f = Fields::<6>::parse_strict(data)?;
            let target = match f.get(NFTA_OBJREF_SET_NAME) {
                Some(set) => ObjrefTarget::Map {
                    sreg: f.need_be32(NFTA_OBJREF_SET_SREG)?,
                    set: name_of(set),
                },
                None => ObjrefTarget::Name {
                    kind: f.need_be32(NFTA_OBJREF_IMM_TYPE)?,
                    name: name_of(f.need(NFTA_OBJREF_IMM_NAME)?),
                },
            };
            Expression::Objref { target }
        }
        b"counter" => Expression::Counter(counter(data)?),
        b"quota" => Expression::Quota(quota(data)?),
        b"limit" => Expression::Limit(limit(data)?),
        b"connlimit" => {
            let (count, flags) = connlimit(data)?;
            Expression::Connlimit { count, flags }
        }
        b"last" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Last {
                set: f.be32(NFTA_LAST_SET)?.unwrap_or(0) != 0,
                msecs: f.be64(NFTA_LAST_MSECS)?.unwrap_or(0),
            }
        }
        b"log" => {
            let f = Fields::<7>::parse_strict(data)?;
            Expression::Log {
                prefix: f.get(NFTA_LOG_PREFIX).map(|attr| from_bytes(attr.text())),
                group: f.be16(NFTA_LOG_GROUP)?,
                snaplen: f.be32(NFTA_LOG_SNAPLEN)?,
                qthreshold: f.be16(NFTA_LOG_QTHRESHOLD)?,
                level: f.be32(NFTA_LOG_LEVEL)?,
                flags: f.be32(NFTA_LOG_FLAGS)?,
            }
        }
        b"reject" => {
            let f = Fields::<3>::parse_strict(data)?;
            Expression::Reject {
                kind: f.need_be32(NFTA_REJECT_TYPE)?,
                code: f.u8(NFTA_REJECT_ICMP_CODE)?.unwrap_or(0),
            }
        }
        b"nat" => nat(data)?,
        b"masq" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Masq {
                flags: f.be32(NFTA_MASQ_FLAGS)?.unwrap_or(0),
                proto_min: f.be32(NFTA_MASQ_REG_PROTO_MIN)?,
                proto_max: f.be32(NFTA_MASQ_REG_PROTO_MAX)?,
            }
        }
        b"redir" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Redir {
                proto_min: f.be32(NFTA_REDIR_REG_PROTO_MIN)?,
                proto_max: f.be32(NFTA_REDIR_REG_PROTO_MAX)?,
                flags: f.be32(NFTA_REDIR_FLAGS)?.unwrap_or(0),
            }
        }
        b"dup" => {
            let f = Fields::<3>::parse_strict(data)?;
            Expression::Dup {
                addr: f.be32(NFTA_DUP_SREG_ADDR)?,
                dev: f.be32(NFTA_DUP_SREG_DEV)?,
            }
        }
        b"fwd" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Fwd {
                dev: f.need_be32(NFTA_FWD_SREG_DEV)?,
                addr: f.be32(NFTA_FWD_SREG_ADDR)?,
                nfproto: f.be32(NFTA_FWD_NFPROTO)?,
            }
        }
        b"queue" => {
            let f = Fields::<5>::parse_strict(data)?;
            Expression::Queue {
                num: f.be16(NFTA_QUEUE_NUM)?.unwrap_or(0),
                total: f.be16(NFTA_QUEUE_TOTAL)?.unwrap_or(0),
                flags: f.be16(NFTA_QUEUE_FLAGS)?.unwrap_or(0),
                sreg_qnum: f.be32(NFTA_QUEUE_SREG_QNUM)?,
            }
        }
        b"tproxy" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Tproxy {
                family: f.need_be32(NFTA_TPROXY_FAMILY)?,
                addr: f.be32(NFTA_TPROXY_REG_ADDR)?,
                port: f.be32(NFTA_TPROXY_REG_PORT)?,
            }
        }
        b"synproxy" => Expression::Synproxy(synproxy(data)?),
        b"notrack" => {
            Fields::<1>::parse_strict(data)?;
            Expression::Notrack
        }
        b"flow_offload" => {
            let f = Fields::<2>::parse_strict(data)?;
            Expression::FlowOffload {
                table: name_of(f.need(NFTA_FLOW_TABLE_NAME)?),
            }
        }
        b"tunnel" => {
            let f = Fields::<4>::parse_strict(data)?;
            Expression::Tunnel {
                dreg: f.need_be32(NFTA_TUNNEL_DREG)?,
                key: f.need_be32(NFTA_TUNNEL_KEY)?,
                mode: f.be32(NFTA_TUNNEL_MODE)?.unwrap_or(NFT_TUNNEL_MODE_NONE),
            }
        }
        b"xfrm" => {
            let f = Fields::<5>::parse_strict(data)?;
            Expression::Xfrm {
                dreg: f.need_be32(NFTA_XFRM_DREG)?,
                key: f.need_be32(NFTA_XFRM_KEY)?,
                direction: f.need(NFTA_XFRM_DIR)?.u8()?,
                spnum: f.be32(NFTA_XFRM_SPNUM)?.unwrap_or(0),
            }
        }
        b"inner" => {
            let f = Fields::<6>::parse_strict(data)?;
            let inner = f.need(abi::NFTA_INNER_EXPR)?.payload;
            Expression::Inner {
                num: f.be32(abi::NFTA_INNER_NUM)?.unwrap_or(0),
                kind: f.need_be32(abi::NFTA_INNER_TYPE)?,
                flags: f.need_be32(abi::NFTA_INNER_FLAGS)?,
                header_size: f.need_be32(abi::NFTA_INNER_HDRSIZE)?,
                expression: Box::new(expression_at(inner, depth + 1)?),
            }
        }
        b"match" => Expression::Match(xtables(data)?),
        b"target" => Expression::Target(xtables(data)?),
        _ => return Ok(None),
    }))
}

fn name_of(attr: Attr<'_>) -> Name {
    name_from_bytes(attr.payload)
}

/// `NFTA_DATA_VALUE` inside a data attribute.
fn value(attr: Attr<'_>) -> Result<Vec<u8>> {
    match data(attr)? {
        Data::Value(bytes) => Ok(bytes),
        Data::Verdict(_) => Err(DecodeError::Missing(NFTA_DATA_VALUE)),
    }
}

/// `NFTA_DATA_*`: a value or a verdict.
pub fn data(attr: Attr<'_>) -> Result<Data> {
    let f = Fields::<3>::parse_strict(attr.payload)?;
    if let Some(value) = f.get(NFTA_DATA_VALUE) {
        return Ok(Data::Value(value.payload.to_vec()));
    }
    verdict(f.need(NFTA_DATA_VERDICT)?).map(Data::Verdict)
}

/// `NFTA_VERDICT_*`.
pub fn verdict(attr: Attr<'_>) -> Result<Verdict> {
    let f = Fields::<4>::parse_strict(attr.payload)?;
    let code = f.need_be32(NFTA_VERDICT_CODE)?.cast_signed();
    let chain = || f.need(NFTA_VERDICT_CHAIN).map(name_of);
    Ok(match code {
        0 => Verdict::Drop,
        1 => Verdict::Accept,
        2 => Verdict::Stolen,
        3 => Verdict::Queue,
        4 => Verdict::Repeat,
        5 => Verdict::Stop,
        NFT_CONTINUE => Verdict::Continue,
        NFT_BREAK => Verdict::Break,
        NFT_JUMP => Verdict::Jump(chain()?),
        NFT_GOTO => Verdict::Goto(chain()?),
        NFT_RETURN => Verdict::Return,
        other => Verdict::Unknown(other),
    })
}

/// The chain that the data of an `immediate` jumps or goes to; nothing for other data.
pub fn verdict_chain(attr: Attr<'_>) -> Option<Name> {
    match data(attr) {
        Ok(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => Some(chain),
        _ => None,
    }
}

fn cmp_op(attr: Attr<'_>) -> Result<CmpOp> {
    Ok(match attr.be32()? {
        0 => CmpOp::Eq,
        1 => CmpOp::Neq,
        2 => CmpOp::Lt,
        3 => CmpOp::Lte,
        4 => CmpOp::Gt,
        5 => CmpOp::Gte,
        other => {
            return Err(DecodeError::UnknownValue {
                kind: attr.kind,
                value: other.into(),
            });
        }
    })
}

fn immediate(bytes: &[u8]) -> Result<Expression> {
    let f = Fields::<3>::parse_strict(bytes)?;
    Ok(Expression::Immediate {
        dreg: f.need_be32(NFTA_IMMEDIATE_DREG)?,
        data: data(f.need(NFTA_IMMEDIATE_DATA)?)?,
    })
}

fn bitwise(bytes: &[u8]) -> Result<Expression> {
    let f = Fields::<9>::parse_strict(bytes)?;
    let shift = || -> Result<u32> {
        let bytes = value(f.need(NFTA_BITWISE_DATA)?)?;
        // The kernel stores the shift in host byte order.
        bytes
            .first_chunk::<4>()
            .map(|b| u32::from_ne_bytes(*b))
            .ok_or(DecodeError::Length {
                kind: NFTA_BITWISE_DATA,
                length: bytes.len(),
                expected: 4,
            })
    };
    let operand = || -> Result<BitwiseOperand> {
        Ok(match f.be32(abi::NFTA_BITWISE_SREG2)? {
            Some(register) => BitwiseOperand::Register(register),
            None => BitwiseOperand::Value(value(f.need(NFTA_BITWISE_DATA)?)?),
        })
    };
    let op = match f
        .be32(NFTA_BITWISE_OP)?
        .unwrap_or(abi::NFT_BITWISE_MASK_XOR)
    {
        abi::NFT_BITWISE_MASK_XOR => BitwiseOp::Mask {
            mask: value(f.need(NFTA_BITWISE_MASK)?)?,
            xor: value(f.need(NFTA_BITWISE_XOR)?)?,
        },
        abi::NFT_BITWISE_LSHIFT => BitwiseOp::ShiftLeft(shift()?),
        abi::NFT_BITWISE_RSHIFT => BitwiseOp::ShiftRight(shift()?),
        abi::NFT_BITWISE_AND => BitwiseOp::And(operand()?),
        abi::NFT_BITWISE_OR => BitwiseOp::Or(operand()?),
        abi::NFT_BITWISE_XOR => BitwiseOp::Xor(operand()?),
        other => {
            return Err(DecodeError::UnknownValue {
                kind: NFTA_BITWISE_OP,
                value: other.into(),
            });
        }
    };
    Ok(Expression::Bitwise {
        sreg: f.need_be32(NFTA_BITWISE_SREG)?,
        dreg: f.need_be32(NFTA_BITWISE_DREG)?,
        len: f.need_be32(NFTA_BITWISE_LEN)?,
        op,
    })
}

fn payload(bytes: &[u8]) -> Result<Expression> {
    let f = Fields::<9>::parse_strict(bytes)?;
    let base = match f.need_be32(NFTA_PAYLOAD_BASE)? {
        NFT_PAYLOAD_LL_HEADER => PayloadBase::Link,
        NFT_PAYLOAD_NETWORK_HEADER => PayloadBase::Network,
        NFT_PAYLOAD_TRANSPORT_HEADER => PayloadBase::Transport,
        abi::NFT_PAYLOAD_INNER_HEADER => PayloadBase::Inner,
        abi::NFT_PAYLOAD_TUN_HEADER => PayloadBase::Tunnel,
        other => {
            return Err(DecodeError::UnknownValue {
                kind: NFTA_PAYLOAD_BASE,
                value: other.into(),
            });
        }
    };
    let offset = f.need_be32(NFTA_PAYLOAD_OFFSET)?;
    let len = f.need_be32(NFTA_PAYLOAD_LEN)?;
    Ok(match f.be32(NFTA_PAYLOAD_SREG)? {
        Some(sreg) => Expression::PayloadSet {
            sreg,
            base,
            offset,
            len,
            csum_type: f.be32(NFTA_PAYLOAD_CSUM_TYPE)?.unwrap_or(0),
            csum_offset: f.be32(NFTA_PAYLOAD_CSUM_OFFSET)?.unwrap_or(0),
            csum_flags: f.be32(NFTA_PAYLOAD_CSUM_FLAGS)?.unwrap_or(0),
        },
        None => Expression::Payload {
            dreg: f.need_be32(NFTA_PAYLOAD_DREG)?,
            base,
            offset,
            len,
        },
    })
}

fn exthdr(bytes: &[u8]) -> Result<Expression> {
    let f = Fields::<8>::parse_strict(bytes)?;
    let kind = f.u8(NFTA_EXTHDR_TYPE)?.unwrap_or(0);
    let op = f.be32(NFTA_EXTHDR_OP)?.unwrap_or(NFT_EXTHDR_OP_IPV6);
    let offset = f.be32(NFTA_EXTHDR_OFFSET)?.unwrap_or(0);
    let len = f.be32(NFTA_EXTHDR_LEN)?.unwrap_or(0);
    let flags = f.be32(NFTA_EXTHDR_FLAGS)?.unwrap_or(0);
    Ok(
        match (f.be32(NFTA_EXTHDR_DREG)?, f.be32(NFTA_EXTHDR_SREG)?) {
            (Some(dreg), _) => Expression::Exthdr {
                dreg,
                kind,
                offset,
                len,
                flags,
                op,
            },
            (None, Some(sreg)) => Expression::ExthdrSet {
                sreg,
                kind,
                offset,
                len,
                flags,
                op,
            },
            (None, None) => Expression::ExthdrReset { kind, op },
        },
    )
}

fn dynset(bytes: &[u8], depth: u8) -> Result<Expression> {
    let f = Fields::<11>::parse_strict(bytes)?;
    let op = match f.need_be32(NFTA_DYNSET_OP)? {
        0 => DynsetOp::Add,
        1 => DynsetOp::Update,
        2 => DynsetOp::Delete,
        other => {
            return Err(DecodeError::UnknownValue {
                kind: NFTA_DYNSET_OP,
                value: other.into(),
            });
        }
    };
    let expressions = match (f.get(NFTA_DYNSET_EXPRESSIONS), f.get(NFTA_DYNSET_EXPR)) {
        (Some(many), _) => list_at(many.payload, depth + 1)?,
        (None, Some(one)) => vec![expression_at(one.payload, depth + 1)?],
        (None, None) => Vec::new(),
    };
    Ok(Expression::Dynset {
        set: name_of(f.need(NFTA_DYNSET_SET_NAME)?),
        op,
        sreg_key: f.need_be32(NFTA_DYNSET_SREG_KEY)?,
        sreg_data: f.be32(NFTA_DYNSET_SREG_DATA)?,
        timeout: f.be64(NFTA_DYNSET_TIMEOUT)?.unwrap_or(0),
        flags: f.be32(NFTA_DYNSET_FLAGS)?.unwrap_or(0),
        expressions,
    })
}

fn nat(bytes: &[u8]) -> Result<Expression> {
    let f = Fields::<8>::parse_strict(bytes)?;
    let kind = match f.need_be32(NFTA_NAT_TYPE)? {
        0 => NatKind::Source,
        1 => NatKind::Destination,
        other => {
            return Err(DecodeError::UnknownValue {
                kind: NFTA_NAT_TYPE,
                value: other.into(),
            });
        }
    };
    Ok(Expression::Nat {
        kind,
        family: f.need_be32(NFTA_NAT_FAMILY)?,
        addr_min: f.be32(NFTA_NAT_REG_ADDR_MIN)?,
        addr_max: f.be32(NFTA_NAT_REG_ADDR_MAX)?,
        proto_min: f.be32(NFTA_NAT_REG_PROTO_MIN)?,
        proto_max: f.be32(NFTA_NAT_REG_PROTO_MAX)?,
        flags: f.be32(NFTA_NAT_FLAGS)?.unwrap_or(0),
    })
}

fn xtables(bytes: &[u8]) -> Result<Xtables> {
    // NFTA_MATCH_* and NFTA_TARGET_* have the same numbers.
    let f = Fields::<4>::parse_strict(bytes)?;
    Ok(Xtables {
        name: name_of(f.need(1)?),
        revision: f.need_be32(2)?,
        info: f.bytes(3),
    })
}

pub fn counter(bytes: &[u8]) -> Result<Counter> {
    let f = Fields::<4>::parse_strict(bytes)?;
    Ok(Counter {
        packets: f.be64(NFTA_COUNTER_PACKETS)?.unwrap_or(0),
        bytes: f.be64(NFTA_COUNTER_BYTES)?.unwrap_or(0),
    })
}

pub fn quota(bytes: &[u8]) -> Result<Quota> {
    let f = Fields::<5>::parse_strict(bytes)?;
    Ok(Quota {
        bytes: f.need(NFTA_QUOTA_BYTES)?.be64()?,
        flags: f.be32(NFTA_QUOTA_FLAGS)?.unwrap_or(0),
        consumed: f.be64(NFTA_QUOTA_CONSUMED)?.unwrap_or(0),
    })
}

pub fn limit(bytes: &[u8]) -> Result<Limit> {
    let f = Fields::<7>::parse_strict(bytes)?;
    Ok(Limit {
        rate: f.need(NFTA_LIMIT_RATE)?.be64()?,
        unit: f.need(NFTA_LIMIT_UNIT)?.be64()?,
        burst: f.be32(NFTA_LIMIT_BURST)?.unwrap_or(0),
        kind: f.be32(NFTA_LIMIT_TYPE)?.unwrap_or(0),
        flags: f.be32(NFTA_LIMIT_FLAGS)?.unwrap_or(0),
    })
}

/// Count and flags.
pub fn connlimit(bytes: &[u8]) -> Result<(u32, u32)> {
    let f = Fields::<3>::parse_strict(bytes)?;
    Ok((
        f.need_be32(NFTA_CONNLIMIT_COUNT)?,
        f.be32(NFTA_CONNLIMIT_FLAGS)?.unwrap_or(0),
    ))
}

pub fn synproxy(bytes: &[u8]) -> Result<Synproxy> {
    let f = Fields::<4>::parse_strict(bytes)?;
    Ok(Synproxy {
        mss: f.be16(NFTA_SYNPROXY_MSS)?.unwrap_or(0),
        wscale: f.u8(NFTA_SYNPROXY_WSCALE)?.unwrap_or(0),
        flags: f.be32(NFTA_SYNPROXY_FLAGS)?.unwrap_or(0),
    })
}
