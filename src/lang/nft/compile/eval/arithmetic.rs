//! Prefixes, ranges, masks and shifts.

use super::*;
use crate::lang::nft::compile::prefix_mask;

impl Eval<'_, '_> {
    pub(super) fn prefix(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Prefix(base, bits) = &mut expr.kind else {
            return Ok(());
        };
        let bits = *bits;
        self.expr(base)?;
        if base.as_value().is_none() {
            return Err(Diagnostic::new(span, "a prefix needs a constant address"));
        }
        let is_text = base.dtype.is_text();
        if !is_text
            && base
                .dtype
                .root()
                .is_none_or(|root| root.id != types::INTEGER.id)
        {
            return Err(Diagnostic::new(
                span,
                format!("values of type {} have no prefix", type_name(base.dtype)),
            ));
        }
        if bits > base.len {
            return Err(Diagnostic::new(
                span,
                format!(
                    "a prefix of {bits} bits is too long for a value of {}",
                    base.len
                ),
            ));
        }
        // What the prefix does not cover is cleared.
        let value = base.as_value().unwrap_or_default();
        let mask = if is_text {
            number::bitmask(bits)
        } else {
            prefix_mask(base.len, bits)
        };
        base.kind = Kind::Value(value & mask & number::bitmask(base.len));
        let (dtype, order, len) = (base.dtype, base.order, base.len);
        expr.dtype = dtype;
        expr.order = order;
        expr.len = len;
        Ok(())
    }

    pub(super) fn range(&mut self, expr: &mut Expr) -> Result<()> {
        self.range_bounds(expr)?;
        let span = expr.span;
        let Kind::Range(left, right) = &expr.kind else {
            return Ok(());
        };
        if left.as_value() > right.as_value() {
            return Err(Diagnostic::new(span, "the range ends before it begins"));
        }
        expr.dtype = left.dtype;
        Ok(())
    }

    pub(super) fn range_bounds(&mut self, expr: &mut Expr) -> Result<()> {
        let Kind::Range(left, right) = &mut expr.kind else {
            return Ok(());
        };
        for bound in [left, right] {
            self.expr(bound)?;
            if bound
                .dtype
                .root()
                .is_none_or(|root| root.id != types::INTEGER.id)
            {
                return Err(Diagnostic::new(
                    bound.span,
                    format!("there are no ranges of type {}", type_name(bound.dtype)),
                ));
            }
            if bound.as_value().is_none() {
                return Err(Diagnostic::new(
                    bound.span,
                    "the end of a range must be constant",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn binop(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Binop { op, left, right } = &mut expr.kind else {
            return Ok(());
        };
        let op = *op;
        let symbol = op.symbol().unwrap_or_default();
        self.expr(left)?;
        let shift = matches!(op, Op::LeftShift | Op::RightShift);
        if shift {
            let (order, len) = (left.order, self.want.len);
            self.expect(Type::Basic(&types::INTEGER), order, len);
        }
        self.expr(right)?;
        let numeric = |expr: &Expr| {
            expr.dtype
                .root()
                .is_some_and(|root| root.id == types::INTEGER.id || root.id == types::STRING.id)
        };
        if !numeric(left) {
            return Err(Diagnostic::new(
                left.span,
                format!("`{symbol}` does not work on {}", type_name(left.dtype)),
            ));
        }
        if is_constant(left) && !is_singleton(left) {
            return Err(Diagnostic::new(
                left.span,
                format!("`{symbol}` needs a single value on its left"),
            ));
        }
        let Some(operand) = right.as_value() else {
            return Err(Diagnostic::new(
                right.span,
                format!("`{symbol}` needs a single constant value on its right"),
            ));
        };
        if shift {
            let by = number::low32(operand);
            if by >= left.len {
                return Err(Diagnostic::new(
                    right.span,
                    format!(
                        "a shift of {by} bits is too far for a value of {} bits",
                        left.len
                    ),
                ));
            }
            self.convert(left, Order::Host)?;
            self.convert(right, Order::Host)?;
            let (dtype, len) = (left.dtype, left.len);
            let value = left.as_value();
            expr.order = Order::Host;
            expr.len = len;
            if expr.dtype.is(&types::INVALID) {
                expr.dtype = dtype;
            }
            if let Some(value) = value {
                let mask = number::bitmask(len);
                let result = match op {
                    Op::LeftShift => number::shl(value, by) & mask,
                    _ => number::shr(value & mask, by),
                };
                *expr = Expr::new(Kind::Value(result), dtype, Order::Host, len).at(span);
                return self.expr(expr);
            }
            return Ok(());
        }
        let (dtype, order, len) = (left.dtype, left.order, left.len);
        self.convert(right, order)?;
        if let Some(value) = left.as_value() {
            let mask = number::bitmask(len);
            let result = match op {
                Op::And => value & operand,
                Op::Or => value | operand,
                _ => value ^ operand,
            } & mask;
            *expr = Expr::new(Kind::Value(result), dtype, order, len).at(span);
            return self.expr(expr);
        }
        expr.dtype = dtype;
        expr.order = order;
        expr.len = len;
        Ok(())
    }

    /// Several flags as one value.
    pub(super) fn list(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::List(parts) = &mut expr.kind else {
            return Ok(());
        };
        let mut sum = Num::ZERO;
        for part in parts {
            self.expr(part)?;
            let Some(value) = part.as_value() else {
                return Err(Diagnostic::new(
                    part.span,
                    "a list can only have constant values",
                ));
            };
            if !part.dtype.is_bitmask() {
                return Err(Diagnostic::new(
                    part.span,
                    format!(
                        "only flags can be listed, {} are none",
                        type_name(part.dtype)
                    ),
                )
                .help("write a set: `{ a, b }`"));
            }
            sum |= value;
        }
        let dtype = self.want.dtype.unwrap_or(Type::Basic(&types::INVALID));
        *expr = Expr::new(Kind::Value(sum), dtype, Order::Host, self.want.len).at(span);
        Ok(())
    }

    /// `FLAGS / MASK`: those of the mask are exactly these.
    pub(super) fn flagcmp(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::FlagCmp {
            op,
            expr: field,
            mask,
            value,
        } = std::mem::replace(&mut expr.kind, Kind::List(Vec::new()))
        else {
            return Ok(());
        };
        if !matches!(op, Op::Eq | Op::Neq) {
            return Err(Diagnostic::new(span, "here only `==` and `!=` can stand"));
        }
        let and = Expr::untyped(
            Kind::Binop {
                op: Op::And,
                left: field,
                right: mask,
            },
            span,
        );
        *expr = Expr::relational(op, and, *value).at(span);
        self.relational(expr)
    }
}
