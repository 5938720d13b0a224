//! User data that nft keeps with objects: type, length, value, one byte each for the first two (`libnftnl/udata.h`).

use super::super::ast::*;
use super::super::delinearize::userdata_types as ud;
use super::super::number::Order;
use super::super::syntax::{At, Diagnostic};
use super::eval::Result;
use crate::model::text::to_bytes;

/// `NFTNL_UDATA_COMMENT_MAXLEN`
const COMMENT_MAX: usize = 128;

pub fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if let Ok(len) = u8::try_from(value.len()) {
        out.extend_from_slice(&[kind, len]);
        out.extend_from_slice(value);
    }
}

pub fn put_u32(out: &mut Vec<u8>, kind: u8, value: u32) {
    put(out, kind, &value.to_ne_bytes());
}

fn put_comment(out: &mut Vec<u8>, kind: u8, comment: &At<String>) -> Result<()> {
    let mut bytes = to_bytes(&comment.value);
    if bytes.len() > COMMENT_MAX {
        return Err(Diagnostic::new(
            comment.span,
            format!("the comment exceeds {COMMENT_MAX} bytes"),
        ));
    }
    bytes.push(0);
    put(out, kind, &bytes);
    Ok(())
}

/// The comment of a rule, chain, table, object or element.
pub fn comment(out: &mut Vec<u8>, comment: &At<String>) -> Result<()> {
    put_comment(out, ud::COMMENT, comment)
}

/// What nft notes about a set's declaration.
pub fn set(info: &SetInfo, set_comment: Option<&At<String>>) -> Result<Vec<u8>> {
    use crate::model::set::flags;
    let mut out = Vec::new();
    let order = |order: Order| match order {
        Order::Invalid => 0,
        Order::Host => 1,
        Order::Big => 2,
    };
    put_u32(&mut out, ud::set::KEY_BYTEORDER, order(info.key.order));
    let is_map = info.flags & flags::MAP != 0;
    if is_map && let Some(data) = &info.data {
        put_u32(&mut out, ud::set::DATA_BYTEORDER, order(data.order));
    }
    if info.auto_merge {
        put_u32(&mut out, ud::set::MERGE_ELEMENTS, 1);
    }
    put_expression(&mut out, ud::set::KEY_TYPEOF, &info.key);
    if let Some(data) = &info.data {
        put_expression(&mut out, ud::set::DATA_TYPEOF, data);
        put_u32(
            &mut out,
            ud::set::DATA_INTERVAL,
            u32::from(info.data_interval),
        );
    }
    if let Some(comment) = set_comment {
        put_comment(&mut out, ud::set::COMMENT, comment)?;
    }
    Ok(out)
}

/// `typeof`: the expression's number and data.
fn put_expression(out: &mut Vec<u8>, kind: u8, expr: &Expr) {
    let Some((number, data)) = expression(expr) else {
        return;
    };
    let mut nested = Vec::new();
    put_u32(&mut nested, ud::set::TYPEOF_EXPR, number);
    put(&mut nested, ud::set::TYPEOF_DATA, &data);
    put(out, kind, &nested);
}

/// `enum expr_types` of nft and what it notes of each expression; none where it notes nothing.
fn expression(expr: &Expr) -> Option<(u32, Vec<u8>)> {
    let mut data = Vec::new();
    let mut numbers = |list: &[(u8, u32)]| {
        for (kind, value) in list {
            put_u32(&mut data, *kind, *value);
        }
    };
    let number = match &expr.kind {
        Kind::Verdict(_) => ud::etype::VERDICT,
        Kind::Payload(payload) => {
            let known = payload.is_known();
            let id = payload.protocol.id;
            let field = payload.field.filter(|_| known).unwrap_or(0) as u32;
            numbers(&[(0, id), (1, field)]);
            if id == 0 {
                numbers(&[(2, payload.layer as u32), (3, payload.offset)]);
            }
            if expr.dtype.id() == super::super::datatype::INTEGER.id {
                numbers(&[(4, expr.len)]);
            }
            ud::etype::PAYLOAD
        }
        Kind::Exthdr(header) => {
            let op = match header.op {
                ExthdrOp::Ipv6 => 0,
                ExthdrOp::TcpOption => 1,
                ExthdrOp::Ipv4Option => 2,
                ExthdrOp::SctpChunk => 3,
                ExthdrOp::DccpOption => 4,
                ExthdrOp::Unknown(op) => op,
            };
            let id = match header.op {
                ExthdrOp::Ipv6 => header.header.map_or(0, |header| header.id),
                _ => u32::from(header.kind),
            };
            numbers(&[(1, header.field.unwrap_or(0) as u32), (0, id), (2, op)]);
            ud::etype::EXTHDR
        }
        Kind::Meta { key } => {
            numbers(&[(0, *key)]);
            ud::etype::META
        }
        Kind::Socket { key, .. } => {
            numbers(&[(0, *key)]);
            ud::etype::SOCKET
        }
        Kind::Osf { .. } => ud::etype::OSF,
        Kind::Ct { key, direction, .. } => {
            // No direction is -1 in nft.
            let direction = direction.map_or(u32::MAX, u32::from);
            numbers(&[(0, *key), (1, direction)]);
            ud::etype::CT
        }
        Kind::Rt { key } => {
            numbers(&[(0, *key)]);
            ud::etype::RT
        }
        Kind::Fib { flags, result } => {
            numbers(&[(0, *result), (1, *flags)]);
            ud::etype::FIB
        }
        Kind::Hash(hash) => {
            numbers(&[
                (0, u32::from(hash.symmetric)),
                (1, hash.offset),
                (2, hash.modulus),
                (3, hash.seed.unwrap_or(0)),
                (4, u32::from(hash.seed.is_some())),
            ]);
            ud::etype::HASH
        }
        Kind::Numgen {
            kind,
            modulus,
            offset,
        } => {
            numbers(&[(0, *kind), (1, *modulus), (2, *offset)]);
            ud::etype::NUMGEN
        }
        Kind::Xfrm {
            key,
            direction,
            spnum,
        } => {
            numbers(&[(0, *key), (1, *spnum), (2, u32::from(*direction))]);
            ud::etype::XFRM
        }
        Kind::Concat(parts) => {
            for (place, part) in parts.iter().enumerate() {
                let part = match &part.kind {
                    Kind::Binop { left, .. } => left,
                    _ => part,
                };
                let (number, inner) = expression(part)?;
                let mut nested = Vec::new();
                put_u32(&mut nested, 0, number);
                put(&mut nested, 1, &inner);
                put(&mut data, place as u8, &nested);
            }
            ud::etype::CONCAT
        }
        _ => return None,
    };
    Some((number, data))
}
