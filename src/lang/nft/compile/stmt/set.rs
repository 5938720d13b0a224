//! Statements about sets, meters and what counts or limits.

use super::super::super::ast::*;
use super::super::super::datatype::{self as types};
use super::super::super::number::{self, Order};
use super::super::super::syntax::{At, Diagnostic, Span, Statement};
use super::super::eval::{Eval, Result, is_constant, take};
use crate::model::Name;
use crate::model::expression::DynsetOp;
use crate::model::set::flags;
use std::rc::Rc;

impl Eval<'_, '_> {
    /// Statements that a set declares for its elements.
    pub fn stateful_list(&mut self, stmts: &[At<Statement>]) -> Result<Vec<Stmt>> {
        stmts.iter().map(|stmt| self.stateful(stmt)).collect()
    }

    fn stateful(&mut self, stmt: &At<Statement>) -> Result<Stmt> {
        let typed = self.statement(stmt)?;
        match typed {
            Stmt::Counter(_)
            | Stmt::Limit(_)
            | Stmt::Quota(_)
            | Stmt::Connlimit { .. }
            | Stmt::Last { .. } => Ok(typed),
            _ => Err(
                Diagnostic::new(stmt.span, "only statements with a state can stand here")
                    .help("counter, limit, quota, ct count"),
            ),
        }
    }

    /// The key of a set that packets fill, with its timeout.
    fn dynamic_key(&mut self, key: &Expr) -> Result<SetElem> {
        let mut element = match &key.kind {
            Kind::SetElem(element) => (**element).clone(),
            _ => SetElem::new(key.clone()),
        };
        if element.comment.is_some() {
            return Err(Diagnostic::new(key.span, "this key cannot have a comment"));
        }
        self.expr(&mut element.key)?;
        if is_constant(&element.key) {
            return Err(Diagnostic::new(
                element.key.span,
                "the key must depend on the packet",
            ));
        }
        Ok(element)
    }

    pub(super) fn meter(
        &mut self,
        name: &At<Name>,
        size: Option<u32>,
        key: &Expr,
        stmt: &At<Statement>,
        span: Span,
    ) -> Result<Stmt> {
        self.want = Default::default();
        let element = self.dynamic_key(key)?;
        let mut set_flags = flags::ANONYMOUS | flags::EVAL;
        if element.timeout > 0 {
            set_flags |= flags::TIMEOUT;
        }
        let mut info =
            super::super::world::anonymous_set("", 0, element.key.clone(), None, set_flags, None);
        info.name = name.value.clone();
        let size = size.unwrap_or(0);
        info.size = (size != 0).then_some(size);
        let stmt = self.stateful(stmt)?;
        let dtype = element.key.dtype;
        let len = element.key.len;
        let key = Expr::new(Kind::SetElem(Box::new(element)), dtype, Order::Invalid, len).at(span);
        Ok(Stmt::Meter {
            set: SetRef {
                set: Rc::new(info),
                elements: Some(Vec::new()),
            },
            key,
            stmt: Box::new(stmt),
            size,
        })
    }

    pub(super) fn set_statement(
        &mut self,
        op: DynsetOp,
        set: &At<Name>,
        key: &Expr,
        data: Option<&Expr>,
        stmts: &[At<Statement>],
    ) -> Result<Stmt> {
        let info = self
            .world
            .set(self.family, &self.table, &set.value, set.span)?;
        let key_template = &info.key;
        self.want =
            super::super::eval::Want::of(key_template.dtype, key_template.order, key_template.len);
        if matches!(key_template.kind, Kind::Concat(_)) {
            self.want.key = Some(Rc::new(key_template.clone()));
        }
        let mut element = self.dynamic_key(key)?;
        self.check_argument(
            &mut element.key,
            key_template.dtype,
            key_template.len,
            key_template.order,
        )?;
        let mut data = data.cloned();
        if let Some(data) = &mut data {
            let template = info.data.clone().ok_or_else(|| {
                Diagnostic::new(
                    data.span,
                    format!("`{}` is a set and has no values", set.value),
                )
            })?;
            if let Kind::SetElem(element) = &mut data.kind {
                *data = take(&mut element.key);
            }
            self.argument(data, template.dtype, template.len, template.order)?;
        }
        let stmts = stmts
            .iter()
            .map(|stmt| self.stateful(stmt))
            .collect::<Result<Vec<_>>>()?;
        if data.is_none() {
            // The kernel must take a kind of set that packets can fill.
            self.world
                .mark_dynamic(self.family, &self.table, &set.value);
        }
        let (dtype, len, span) = (element.key.dtype, element.key.len, key.span);
        let key = Expr::new(Kind::SetElem(Box::new(element)), dtype, Order::Invalid, len).at(span);
        Ok(Stmt::Set(SetStmt {
            op,
            set: SetRef {
                set: info,
                elements: None,
            },
            key,
            data,
            stmts,
        }))
    }
}

/// A prefix where a range of values can stand.
pub(super) fn prefix_to_range(expr: &mut Expr) -> Result<()> {
    let span = expr.span;
    let Kind::Prefix(base, bits) = &mut expr.kind else {
        return Ok(());
    };
    if base.as_value().is_none()
        || base
            .dtype
            .root()
            .is_none_or(|root| root.id != types::INTEGER.id)
    {
        return Err(Diagnostic::new(span, "no prefix can stand here"));
    }
    let rest = number::bitmask(base.len.saturating_sub(*bits));
    let first = take(base);
    let value = first.as_value().unwrap_or_default();
    let mut last = first.clone();
    last.kind = Kind::Value(value | rest);
    let (dtype, order, len) = (first.dtype, first.order, first.len);
    *expr = Expr::range(first, last).at(span);
    (expr.dtype, expr.order, expr.len) = (dtype, order, len);
    Ok(())
}
