//! Statements that need not be sent, and comparisons of neighbouring fields that can be one.

use super::super::ast::*;
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::{self, Layer};
use crate::model::Family;

/// Drop matches that the family implies, and merge comparisons of adjacent header fields, as nft does.
pub fn reduce(family: Family, stmts: Vec<Stmt>) -> Vec<Stmt> {
    let mut slots: Vec<Option<Stmt>> = Vec::with_capacity(stmts.len());
    let mut run: Vec<usize> = Vec::new();
    let count = stmts.len();
    for (index, stmt) in stmts.into_iter().enumerate() {
        let last = index + 1 == count;
        let Stmt::Match(expr) = &stmt else {
            if run.len() > 1 {
                merge(&mut slots, &run);
                run.clear();
            }
            slots.push(Some(stmt));
            continue;
        };
        let redundant = !last && implied(family, expr);
        if is_field_match(expr) {
            run.push(slots.len());
        }
        slots.push(if redundant { None } else { Some(stmt) });
    }
    if run.len() > 1 {
        merge(&mut slots, &run);
    }
    slots.into_iter().flatten().collect()
}

/// `meta protocol ip` in a table of that family.
fn implied(family: Family, expr: &Expr) -> bool {
    let Kind::Relational { op, left, right } = &expr.kind else {
        return false;
    };
    if !matches!(op, Op::Eq | Op::Implicit)
        || !matches!(left.kind, Kind::Meta { key } if key == keys::meta::PROTOCOL)
    {
        return false;
    }
    let value = right.as_value().map(number::low32);
    matches!(
        (family, value),
        (Family::Ip, Some(0x0800)) | (Family::Ip6, Some(0x86dd))
    )
}

fn is_field_match(expr: &Expr) -> bool {
    let Kind::Relational { op, left, right } = &expr.kind else {
        return false;
    };
    right.is_value()
        && matches!(left.kind, Kind::Payload(_))
        && matches!(op, Op::Eq | Op::Implicit | Op::Neq)
}

fn sides(stmt: &Option<Stmt>) -> Option<(Op, &Expr, &Expr)> {
    match stmt {
        Some(Stmt::Match(Expr {
            kind: Kind::Relational { op, left, right },
            ..
        })) => Some((*op, left, right)),
        _ => None,
    }
}

fn place(stmt: &Option<Stmt>) -> Option<(Layer, u32)> {
    let (_, left, _) = sides(stmt)?;
    let payload = left.as_payload()?;
    Some((payload.layer, payload.offset))
}

fn merge(slots: &mut [Option<Stmt>], run: &[usize]) {
    let mut order: Vec<usize> = run.to_vec();
    order.sort_by_key(|index| slots.get(*index).and_then(place));
    let Some((&first, rest)) = order.split_first() else {
        return;
    };
    // The statement that holds the merged comparison so far.
    let mut last = first;
    for &this in rest {
        let joined = match (
            slots.get(last).and_then(sides_of),
            slots.get(this).and_then(sides_of),
        ) {
            (Some(a), Some(b)) => join(a, b),
            _ => None,
        };
        let Some((left, right)) = joined else {
            last = this;
            continue;
        };
        // The merged comparison stands where the one that tells a protocol stood.
        let tells = slots
            .get(this)
            .and_then(sides)
            .is_some_and(|(_, left, _)| left.protocol);
        let (keep, drop) = if tells { (this, last) } else { (last, this) };
        if let Some(Some(Stmt::Match(Expr {
            kind:
                Kind::Relational {
                    left: kept_left,
                    right: kept_right,
                    ..
                },
            ..
        }))) = slots.get_mut(keep)
        {
            **kept_left = left;
            kept_left.protocol = tells;
            **kept_right = right;
        }
        if let Some(slot) = slots.get_mut(drop) {
            *slot = None;
        }
        last = keep;
    }
}

fn sides_of(stmt: &Option<Stmt>) -> Option<(Op, &Expr, &Expr)> {
    sides(stmt)
}

/// One comparison of two adjacent fields, if that pays.
fn join(first: (Op, &Expr, &Expr), second: (Op, &Expr, &Expr)) -> Option<(Expr, Expr)> {
    let plain = |op| if op == Op::Implicit { Op::Eq } else { op };
    let (op, left, right) = first;
    let (op2, left2, right2) = second;
    let (a, b) = (left.as_payload()?, left2.as_payload()?);
    let whole = |n: u32| n.is_multiple_of(8);
    if plain(op) != plain(op2)
        || a.layer != b.layer
        || a.offset + left.len != b.offset
        || !(whole(a.offset) && whole(left.len) && whole(left2.len))
    {
        return None;
    }
    let total = left.len + left2.len;
    // Short loads above the link layer are fast in the kernel as they are.
    let pays = total <= 32 || a.layer == Layer::Link || left.len > 32 || left2.len > 32;
    if total > 128 || !pays {
        return None;
    }
    let payload = Payload {
        protocol: &protocol::UNKNOWN,
        field: None,
        layer: a.layer,
        offset: a.offset,
        raw: false,
    };
    let mut joined = Expr::new(
        Kind::Payload(payload),
        super::super::datatype::Type::Basic(&super::super::datatype::HEX),
        Order::Invalid,
        total,
    );
    joined.span = left.span;
    let mut bytes = export(right);
    bytes.extend(export(right2));
    let mut value = right.clone();
    value.kind = Kind::Value(number::import(&bytes, Order::Big));
    value.order = Order::Big;
    value.len = total;
    Some((joined, value))
}

fn export(expr: &Expr) -> Vec<u8> {
    let value = expr.as_value().unwrap_or(Num::ZERO);
    number::export(value, expr.order, number::bytes_of(expr.len))
}
