//! Comparisons, and masks and shifts moved to the constant side of them.

use super::collections::Literal;
use super::*;

impl Eval<'_, '_> {
    pub(in crate::lang::nft::compile) fn relational(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Relational { op, left, right } = &mut expr.kind else {
            return Ok(());
        };
        self.expr(left)?;
        if matches!(&left.kind, Kind::Meta { .. })
            && (left.dtype.is(&types::HOUR) || left.dtype.is(&types::DAY))
            && matches!(right.kind, Kind::Range(..))
        {
            self.range_bounds(right)?;
            if let Kind::Range(from, to) = &mut right.kind
                && from.as_value() > to.as_value()
            {
                // Over midnight: the complement is a range.
                std::mem::swap(from, to);
                *op = if *op == Op::Neq { Op::Eq } else { Op::Neq };
            }
        }
        if let Kind::Fib { flags, .. } = &mut left.kind
            && right.dtype.is(&types::BOOLEAN)
        {
            // NFTA_FIB_F_PRESENT
            *flags |= 32;
            left.dtype = Type::Basic(&types::BOOLEAN);
            let (dtype, order, len) = (left.dtype, left.order, left.len);
            self.expect(dtype, order, len);
        }
        let mut literal = None;
        if matches!(right.kind, Kind::SetLiteral(_)) {
            literal = self.set_literal(right)?;
        } else {
            self.expr(right)?;
        }
        if !is_constant(right) && !matches!(right.kind, Kind::SetRef(_)) {
            return Err(Diagnostic::new(
                right.span,
                "the right side of a comparison must be constant",
            ));
        }
        if is_constant(left) {
            return Err(Diagnostic::new(
                left.span,
                "this comparison does not depend on the packet",
            ));
        }
        if left.dtype.id() != right.dtype.id() {
            return Err(mismatch(right.span, left.dtype, right.dtype));
        }
        // NFT_META_SECMARK, NFT_CT_SECMARK
        if matches!(left.kind, Kind::Meta { key: 14 } | Kind::Ct { key: 4, .. })
            && is_constant(right)
        {
            return Err(Diagnostic::new(
                right.span,
                "a security mark cannot be compared with a constant",
            ));
        }
        match *op {
            Op::Eq | Op::Implicit => {
                self.learn(left, right);
                self.equality(op, left, right, literal)?;
            }
            Op::Neq | Op::Neg => self.equality(op, left, right, literal)?,
            _ => {
                let symbol = op.symbol().unwrap_or_default();
                if matches!(left.kind, Kind::Concat(_)) {
                    return Err(Diagnostic::new(
                        left.span,
                        format!("`{symbol}` does not work on concatenations"),
                    ));
                }
                if !is_singleton(right) {
                    return Err(Diagnostic::new(
                        right.span,
                        format!("`{symbol}` needs a single value on its right"),
                    ));
                }
                self.convert(left, Order::Big)?;
                self.convert(right, Order::Big)?;
            }
        }
        expr.span = span;
        self.transfer(expr)
    }

    /// What a match tells about protocols.
    fn learn(&mut self, left: &Expr, right: &Expr) {
        if !left.protocol {
            return;
        }
        match &right.kind {
            Kind::Value(_) => self.seen.learn(left, right),
            Kind::SetLiteral(elements) => {
                for element in elements {
                    if let Kind::SetElem(element) = &element.kind
                        && element.key.is_value()
                    {
                        self.seen.learn(left, &element.key);
                    }
                }
            }
            _ => {}
        }
    }

    fn equality(
        &mut self,
        op: &mut Op,
        left: &mut Expr,
        right: &mut Expr,
        literal: Option<Literal>,
    ) -> Result<()> {
        if *op == Op::Neg {
            if matches!(left.kind, Kind::Binop { .. }) {
                return Err(Diagnostic::new(
                    left.span,
                    "`!` cannot be combined with a mask or shift",
                ));
            }
            if !right.is_value() || !right.dtype.is_bitmask() {
                return Err(Diagnostic::new(
                    right.span,
                    "`!` works only with flags; write `!=`",
                ));
            }
        }
        match &mut right.kind {
            Kind::Range(from, to) => {
                self.convert(left, Order::Big)?;
                self.convert(from, Order::Big)?;
                self.convert(to, Order::Big)
            }
            Kind::Prefix(base, _) => {
                self.convert(base, left.order)?;
                right.order = left.order;
                Ok(())
            }
            Kind::Value(_) => self.convert(right, left.order),
            Kind::SetLiteral(elements) => {
                if elements.is_empty() {
                    return Err(Diagnostic::new(right.span, "the set is empty"));
                }
                let literal = literal.unwrap_or_default();
                let elements = std::mem::take(elements);
                let span = right.span;
                let info =
                    self.declare_anonymous("__set", left, None, literal.flags, None, span)?;
                let elements = self.intervals_of(&info, elements, span)?;
                *right = set_ref(info, Some(elements)).at(span);
                self.set_side(left, right)
            }
            Kind::SetRef(_) => self.set_side(left, right),
            Kind::Concat(_) => Err(Diagnostic::new(
                right.span,
                "a concatenation can only be looked up in a set",
            )
            .help("write `{ a . b }`")),
            _ => Err(Diagnostic::new(right.span, "this cannot be compared with")),
        }
    }

    fn set_side(&mut self, left: &mut Expr, right: &mut Expr) -> Result<()> {
        use crate::model::set::flags;
        let Kind::SetRef(reference) = &mut right.kind else {
            return Ok(());
        };
        if reference.set.flags & flags::INTERVAL == 0 {
            return Ok(());
        }
        // Intervals are kept in network order.
        let before = left.order;
        self.convert(left, Order::Big)?;
        if reference.set.is_anonymous()
            && before != left.order
            && !matches!(left.kind, Kind::Unary { .. } | Kind::Concat(_))
        {
            let mut info = (*reference.set).clone();
            info.key.order = left.order;
            reference.set = Rc::new(info);
        }
        Ok(())
    }

    /// Move shifts and exclusive ors to the other side.
    pub(super) fn transfer(&mut self, expr: &mut Expr) -> Result<()> {
        let Kind::Relational { left, right, .. } = &mut expr.kind else {
            return Ok(());
        };
        self.transfer_sides(left, right)
    }

    pub(super) fn transfer_sides(&mut self, left: &mut Expr, right: &mut Expr) -> Result<()> {
        let Kind::Binop {
            op,
            right: operand,
            left: inner,
        } = &mut left.kind
        else {
            return Ok(());
        };
        let by = operand.as_value().unwrap_or_default();
        let moved = match &mut right.kind {
            Kind::Value(_) | Kind::Range(..) => {
                self.can_transfer(*op, by, right)? && {
                    self.transfer_one(*op, by, right)?;
                    true
                }
            }
            Kind::SetRef(SetRef {
                set,
                elements: Some(elements),
            }) if set.is_anonymous() => {
                for element in elements.iter() {
                    if !self.can_transfer(*op, by, element)? {
                        return Ok(());
                    }
                }
                for element in elements.iter_mut() {
                    self.transfer_one(*op, by, element)?;
                }
                true
            }
            _ => false,
        };
        if !moved {
            return Ok(());
        }
        match op {
            Op::RightShift => {
                // Mask out the bits that the shift would have dropped.
                let shift = number::low32(by) & 0xff;
                operand.kind = Kind::Value(number::shl(number::bitmask(inner.len), shift));
                *op = Op::And;
            }
            _ => {
                let dtype = left.dtype;
                let Kind::Binop { left: inner, .. } =
                    std::mem::replace(&mut left.kind, Kind::List(Vec::new()))
                else {
                    return Ok(());
                };
                *left = *inner;
                left.dtype = dtype;
            }
        }
        Ok(())
    }

    fn can_transfer(&mut self, op: Op, by: Num, right: &Expr) -> Result<bool> {
        match &right.kind {
            Kind::SetElem(element) => return self.can_transfer(op, by, &element.key),
            Kind::Mapping(key, _) => return self.can_transfer(op, by, key),
            Kind::Range(from, to) => {
                return Ok(self.can_transfer(op, by, from)? && self.can_transfer(op, by, to)?);
            }
            Kind::Value(_) => {}
            _ => return Ok(false),
        }
        let shift = number::low32(by);
        match op {
            Op::LeftShift => {
                let value = right.as_value().unwrap_or_default();
                if number::scan1(value, 0).is_some_and(|lowest| lowest < shift) {
                    return Err(Diagnostic::new(
                        right.span,
                        "this comparison is always false",
                    ));
                }
                Ok(true)
            }
            Op::RightShift => {
                if self.want.len < right.len + shift {
                    self.want.len += shift;
                }
                Ok(true)
            }
            Op::Xor => Ok(true),
            _ => Ok(false),
        }
    }

    fn transfer_one(&mut self, op: Op, by: Num, right: &mut Expr) -> Result<()> {
        match &mut right.kind {
            Kind::SetElem(element) => return self.transfer_one(op, by, &mut element.key),
            Kind::Mapping(key, _) => return self.transfer_one(op, by, key),
            Kind::Range(from, to) => {
                self.transfer_one(op, by, from)?;
                return self.transfer_one(op, by, to);
            }
            _ => {}
        }
        let Some(value) = right.as_value() else {
            return Ok(());
        };
        // As in an evaluation of the inverse operation.
        self.integer(right)?;
        let mask = number::bitmask(right.len);
        let shift = number::low32(by);
        let result = match op {
            Op::LeftShift => number::shr(value & mask, shift),
            Op::RightShift => number::shl(value, shift) & mask,
            _ => (value ^ by) & mask,
        };
        right.kind = Kind::Value(result);
        self.integer(right)
    }
}
