//! Masks and shifts that nft adds for fields that are no whole bytes, undone.

use super::*;

impl Context {
    /// A comparison of something masked: flags, a prefix, a field that is no whole number of bytes.
    pub(super) fn relational_binop(&mut self, expr: &mut Expr) {
        let Kind::Relational { op, left, right } = &mut expr.kind else {
            return;
        };
        let op = *op;
        let Kind::Binop {
            op: inner,
            left: load,
            right: mask,
        } = &mut left.kind
        else {
            return;
        };
        let inner = *inner;
        if inner == Op::And && matches!(op, Op::Eq | Op::Neq) && right.dtype.is_bitmask() {
            match &right.kind {
                Kind::Value(value) if value.is_zero() => {
                    let list = (**mask).clone().or_to_list();
                    let load = (**load).clone();
                    **right = list;
                    **left = load;
                    let Kind::Relational { op, .. } = &mut expr.kind else {
                        return;
                    };
                    *op = if *op == Op::Neq {
                        Op::Implicit
                    } else {
                        Op::Neg
                    };
                }
                Kind::Value(value) if mask.as_value() == Some(*value) => {}
                Kind::Value(_) | Kind::Binop { .. } => {
                    let new = Expr::new(
                        Kind::FlagCmp {
                            op,
                            mask: Box::new((**mask).clone().or_to_list()),
                            value: Box::new((**right).clone().or_to_list()),
                            expr: load.clone(),
                        },
                        load.dtype,
                        load.order,
                        load.len,
                    );
                    *expr = new;
                }
                _ => {}
            }
            return;
        }
        if inner == Op::And
            && load.dtype.allows_prefix()
            && right.is_value()
            && let Some(value) = mask.as_value()
            && let Some(prefix) = mask_to_prefix(value, mask.len)
        {
            let load = (**load).clone();
            **right = Expr::prefix((**right).clone(), prefix);
            **left = load;
            return;
        }
        if inner == Op::And && mask.is_value() {
            self.undo_mask(op, left, right);
        } else if inner == Op::RightShift
            && mask.is_value()
            && matches!(&load.kind, Kind::Binop { op: Op::And, right, .. } if right.is_value())
        {
            // `ip version @set` and the like: a mask and a shift. The shift's constant is adjusted with the mask.
            let mut shifted = (**load).clone();
            let mut by = (**mask).clone();
            if let Some(distance) = self.undo_mask_of_load(&mut shifted) {
                if let Kind::Value(value) = &mut by.kind {
                    *value = number::shr(*value, distance);
                }
                self.complete_load(&mut shifted);
            }
            if by.as_value().is_some_and(|value| value.is_zero()) {
                **left = shifted;
            } else {
                **load = shifted;
                **mask = by;
            }
        }
    }

    pub(super) fn complete_load(&mut self, load: &mut Expr) {
        if matches!(load.kind, Kind::Payload(_)) {
            payload::complete(load, &self.protocols);
            let family = self.protocols.family;
            payload::kill_dependency(&mut self.dependencies, load, family);
        }
    }

    /// Replace `load & mask` by the field that the mask picks out; returns the shift of constants.
    pub(super) fn undo_mask_of_load(&mut self, expr: &mut Expr) -> Option<u32> {
        let Kind::Binop {
            op: Op::And,
            left: load,
            right: mask,
        } = &expr.kind
        else {
            return None;
        };
        let value = mask.as_value()?;
        let mut load = (**load).clone();
        let shift = match load.kind {
            Kind::Payload(_) => payload::trim(&mut load, value, mask.len, &self.protocols)?,
            Kind::Exthdr(_) => exthdr::trim(&mut load, value, mask.len)?,
            _ => return None,
        };
        *expr = load;
        Some(shift)
    }

    pub(super) fn undo_mask(&mut self, op: Op, left: &mut Expr, right: &mut Expr) {
        let Some(shift) = self.undo_mask_of_load(left) else {
            return;
        };
        adjust(right, shift, left.len);
        if matches!(left.kind, Kind::Payload(_)) {
            self.payload_match(op, left, right);
        } else {
            right.set_type(left.dtype, left.order);
        }
    }

    pub(super) fn undo_mask_of_map(&mut self, key: &mut Expr, mappings: &mut Expr) {
        let Kind::Binop { left, right, .. } = &key.kind else {
            return;
        };
        if !matches!(left.kind, Kind::Payload(_)) || !right.is_value() {
            return;
        }
        if let Some(shift) = self.undo_mask_of_load(key) {
            adjust(mappings, shift, key.len);
            payload::complete(key, &self.protocols);
            mappings.set_type(key.dtype, key.order);
            let family = self.protocols.family;
            payload::kill_dependency(&mut self.dependencies, key, family);
        }
    }

    /// `>= a` followed by `<= b` on the same thing is a range.
    pub(super) fn merge_range(&mut self, expr: &mut Expr) {
        let Some(place) = self.dependencies.previous else {
            return;
        };
        let Some(Some(Stmt::Match(previous))) = self.out.get(place) else {
            return;
        };
        let (
            Kind::Relational {
                op: first,
                left: a,
                right: low,
            },
            Kind::Relational {
                op: second,
                left: b,
                right: high,
            },
        ) = (&previous.kind, &expr.kind)
        else {
            return;
        };
        if std::mem::discriminant(&peeled(a).kind) != std::mem::discriminant(&peeled(b).kind) {
            return;
        }
        let op = match (first, second) {
            (Op::Gte, Op::Lte) => Op::Eq,
            (Op::Lt, Op::Gt) => Op::Neq,
            _ => return,
        };
        let (dtype, order) = (high.dtype, high.order);
        let mut range = Expr::range((**low).clone(), (**high).clone());
        range.set_type(dtype, order);
        let merged = Expr::relational(op, (**b).clone(), range);
        *expr = merged;
        if let Some(slot) = self.out.get_mut(place) {
            *slot = None;
        }
    }

    pub(super) fn payload_stmt(&mut self, expr: &mut Expr, value: &mut Expr) {
        payload::complete(expr, &self.protocols);
        if !expr.as_payload().is_some_and(Payload::is_known) {
            self.payload_stmt_mask(expr, value);
        }
        self.expr(expr);
        value.set_type(expr.dtype, expr.order);
        self.expr(value);
    }

    /// A field that is no whole number of bytes is written by loading its surroundings, masking and or-ing.
    pub(super) fn payload_stmt_mask(&mut self, expr: &mut Expr, value: &mut Expr) {
        let Kind::Binop { op, left, right } = &value.kind else {
            return;
        };
        let Some(constant) = right.as_value() else {
            return;
        };
        let (load, mask, new) = match &left.kind {
            Kind::Binop {
                op: Op::And,
                left: load,
                right: mask,
            } if *op == Op::Or => {
                let Some(mask) = mask.as_value() else { return };
                let whole = number::bitmask(load.len);
                (load, (whole ^ mask) ^ constant, constant)
            }
            Kind::Payload(_) if *op == Op::And => {
                (left, number::bitmask(left.len) ^ constant, Num::ZERO)
            }
            Kind::Payload(_) if *op == Op::Or => (left, constant, constant),
            _ => return,
        };
        let (Some(a), Some(b)) = (load.as_payload(), expr.as_payload()) else {
            return;
        };
        if a.offset != b.offset || a.layer != b.layer {
            return;
        }
        // Bits that are set and kept at the same time: the mask above leaves out what is also written.
        let picked = match &left.kind {
            Kind::Binop { right: mask, .. } => match mask.as_value() {
                Some(mask) => number::bitmask(load.len) ^ mask,
                None => return,
            },
            _ => mask,
        };
        let mask_len = right.len;
        for candidate in [mask, picked] {
            let mut trimmed = (**load).clone();
            let Some(shift) = payload::trim(&mut trimmed, candidate, mask_len, &self.protocols)
            else {
                continue;
            };
            payload::complete(&mut trimmed, &self.protocols);
            if !trimmed.as_payload().is_some_and(Payload::is_known) {
                continue;
            }
            let mut constant = (**right).clone();
            constant.kind = Kind::Value(number::shr(new, shift));
            constant.len = trimmed.len;
            *expr = trimmed;
            *value = constant;
            return;
        }
    }
}

pub(super) fn peeled(expr: &Expr) -> &Expr {
    match &expr.kind {
        Kind::Unary { arg, .. } => arg,
        _ => expr,
    }
}

/// The length of the prefix that a mask of leading ones stands for.
pub(super) fn mask_to_prefix(mask: Num, len: u32) -> Option<u32> {
    let Some(first) = number::scan1(mask, 0) else {
        return Some(0);
    };
    let end = number::scan0(mask, first + 1);
    (end >= len).then(|| end - first)
}

/// Shift constants that were compared with a masked load.
pub(super) fn adjust(right: &mut Expr, shift: u32, len: u32) {
    match &mut right.kind {
        Kind::Value(value) => {
            *value = number::shr(*value, shift);
            right.len = len;
        }
        Kind::Range(low, high) => {
            adjust(low, shift, len);
            adjust(high, shift, len);
        }
        Kind::SetRef(reference) => {
            for element in reference.elements.iter_mut().flatten() {
                adjust(element, shift, len);
            }
        }
        Kind::SetElem(element) => adjust(&mut element.key, shift, len),
        Kind::Mapping(left, _) => adjust(left, shift, len),
        _ => {}
    }
}
