//! Parts of expressions: masks, pieces of constants, layers.

use super::*;

pub(super) fn bits(bytes: u32) -> Result<u32, Problem> {
    bytes
        .checked_mul(8)
        .ok_or("has an offset or a length that no packet has")
}

pub fn layer(base: PayloadBase) -> Layer {
    match base {
        PayloadBase::Link => Layer::Link,
        PayloadBase::Network => Layer::Network,
        PayloadBase::Transport => Layer::Transport,
        PayloadBase::Inner => Layer::Inner,
        PayloadBase::Tunnel => Layer::Tunnel,
    }
}

pub(super) fn cmp_op(op: CmpOp) -> Op {
    match op {
        CmpOp::Eq => Op::Eq,
        CmpOp::Neq => Op::Neq,
        CmpOp::Lt => Op::Lt,
        CmpOp::Lte => Op::Lte,
        CmpOp::Gt => Op::Gt,
        CmpOp::Gte => Op::Gte,
    }
}

pub fn verdict_expr(verdict: Verdict) -> Expr {
    Expr::new(
        Kind::Verdict(verdict),
        Type::Basic(&types::VERDICT),
        Order::Invalid,
        0,
    )
}

/// `(left & mask) ^ xor` in the fewest operations of `&`, `^`, `|`.
pub(super) fn mask_and_xor(left: Expr, mask: &[u8], xor: &[u8]) -> Expr {
    let mask_expr = Expr::from_bytes(mask);
    let xor_expr = Expr::from_bytes(xor);
    let (Some(mut m), Some(mut x)) = (mask_expr.as_value(), xor_expr.as_value()) else {
        return left;
    };
    let mut o = Num::ZERO;
    if number::scan0(m, 0) != mask_expr.len || !x.is_zero() {
        o = (m & x) ^ x;
        x &= m;
        m |= o;
    }
    let len = left.len;
    let constant = |template: &Expr, value: Num| Expr {
        kind: Kind::Value(value),
        ..template.clone()
    };
    let mut expr = left;
    if !(len > 0 && number::scan0(m, 0) == len) {
        expr = Expr::binop(Op::And, expr, constant(&mask_expr, m));
        expr.len = len;
    }
    if !x.is_zero() {
        expr = Expr::binop(Op::Xor, expr, constant(&xor_expr, x));
        expr.len = len;
    }
    if !o.is_zero() {
        expr = Expr::binop(Op::Or, expr, constant(&xor_expr, o));
        expr.len = len;
    }
    expr
}

/// Split a constant into parts as long as those of a concatenation.
pub(super) fn split_like(concat: &Expr, mut data: Expr) -> Result<Expr, Problem> {
    let Kind::Concat(parts) = &concat.kind else {
        return Err(NO_LEFT);
    };
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        values
            .push(splice(&mut data, part.len).ok_or("compares with a constant of another length")?);
        data.len = data.len.saturating_sub(types::padded(part.len) - part.len);
    }
    Ok(Expr::new(
        Kind::Concat(values),
        Type::Basic(&types::INVALID),
        Order::Invalid,
        0,
    ))
}

/// Take the first `len` bits off a constant.
pub fn splice(data: &mut Expr, len: u32) -> Option<Expr> {
    let value = data.as_value()?;
    let rest = data.len.checked_sub(len)?;
    let slice = number::shr(value, rest) & number::bitmask(len);
    data.len = rest;
    Some(Expr::value(slice, &types::INVALID, Order::Invalid, len))
}
