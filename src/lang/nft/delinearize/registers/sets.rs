//! What refers to sets, maps and objects.

use super::*;

impl Machine<'_> {
    pub(super) fn lookup(
        &mut self,
        set: &str,
        sreg: Register,
        dreg: Option<Register>,
        flags: u32,
    ) -> Parsed {
        const INVERTED: u32 = 1;
        let reference = self
            .view
            .set_ref(set)
            .ok_or("refers to a set that is not there")?;
        let mut left = self.load(sreg)?;
        let key_len = reference.set.key.len;
        if left.len < key_len {
            left = self.load_concat(sreg, key_len)?;
        }
        let right = set_ref_expr(reference);
        let expr = match dreg {
            Some(dreg) => {
                let map = map_expr(left, right);
                if place(dreg) != 0 {
                    return self.store(dreg, map);
                }
                map
            }
            None => {
                let op = if flags & INVERTED != 0 {
                    Op::Neq
                } else {
                    Op::Eq
                };
                Expr::relational(op, left, right)
            }
        };
        Ok(Some(Stmt::Match(expr)))
    }

    pub(super) fn dynset(&mut self, expression: &Expression) -> Parsed {
        let Expression::Dynset {
            set,
            op,
            sreg_key,
            sreg_data,
            timeout,
            expressions,
            ..
        } = expression
        else {
            return Err("is no dynset");
        };
        let reference = self
            .view
            .set_ref(set)
            .ok_or("refers to a set that is not there")?;
        let info = reference.set.clone();
        let mut key = self.load(*sreg_key)?;
        if key.len < info.key.len {
            key = self.load_concat_typed(*sreg_key, info.key.len, Some(info.key.dtype))?;
        }
        let (dtype, order, len) = (key.dtype, key.order, key.len);
        let mut element = SetElem::new(key);
        element.timeout = *timeout;
        let key = Expr::new(Kind::SetElem(Box::new(element)), dtype, order, len);
        let mut stmts = Vec::new();
        for expression in expressions {
            if let Some(stmt) = self.expression(expression)? {
                stmts.push(stmt);
            }
        }
        let mut data = None;
        if let (Some(register), Some(template)) = (sreg_data, &info.data) {
            let mut value = self.load(*register)?;
            if value.len < template.len {
                value = self.load_concat(*register, template.len)?;
            }
            value.set_type(template.dtype, template.order);
            data = Some(value);
        }
        if data.is_none() && info.is_anonymous() && !stmts.is_empty() {
            let size = info.size.unwrap_or(0);
            let stmt = Box::new(stmts.swap_remove(0));
            return Ok(Some(Stmt::Meter {
                set: reference,
                key,
                stmt,
                size,
            }));
        }
        Ok(Some(Stmt::Set(SetStmt {
            op: *op,
            set: reference,
            key,
            data,
            stmts,
        })))
    }

    pub(super) fn objref(&mut self, target: &ObjrefTarget) -> Parsed {
        let (kind, expr) = match target {
            ObjrefTarget::Name { kind, name } => (*kind, Expr::text(&**name)),
            ObjrefTarget::Map { sreg, set } => {
                let reference = self
                    .view
                    .set_ref(set)
                    .ok_or("refers to a map that is not there")?;
                let mut left = self.load(*sreg)?;
                let (key_len, kind) = (reference.set.key.len, reference.set.object_type);
                if left.len < key_len {
                    left = self.load_concat(*sreg, key_len)?;
                }
                let mut map = map_expr(left, set_ref_expr(reference));
                map.set_type(Type::Basic(&types::STRING), Order::Host);
                (kind.unwrap_or(0), map)
            }
        };
        Ok(Some(Stmt::Objref { kind, expr }))
    }
}

pub(super) fn set_ref_expr(reference: SetRef) -> Expr {
    let dtype = reference.set.key.dtype;
    Expr::new(Kind::SetRef(reference), dtype, Order::Invalid, 0)
}

pub(super) fn map_expr(key: Expr, mappings: Expr) -> Expr {
    let map = Kind::Map {
        key: Box::new(key),
        mappings: Box::new(mappings),
    };
    Expr::new(map, Type::Basic(&types::INVALID), Order::Invalid, 0)
}
