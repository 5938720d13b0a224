//! Statements: what is written becomes the typed statement that delinearization would read back.

mod hand;
mod nat;
mod reject;
mod set;

use super::super::ast::*;
use super::super::datatype::{self as types, Type};
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::Layer;
use super::super::syntax::{self, At, Diagnostic, Span, Statement};
use super::eval::{Eval, Result, is_constant, mismatch};
use crate::model::Family;
use crate::model::set::flags;
use hand::log;
use set::prefix_to_range;

/// `NFT_OBJ_MAXNAMELEN`, less the NUL.
const NAME_MAX: usize = 255;

/// Names longer than a register file are kept as text.
fn object_name(expr: &mut Expr) -> Result<()> {
    match &expr.kind {
        Kind::Symbol(name) if name.is_empty() => {
            Err(Diagnostic::new(expr.span, "an empty name is not allowed"))
        }
        Kind::Symbol(name) if name.len() > NAME_MAX => {
            Err(Diagnostic::new(expr.span, "the name is too long"))
        }
        Kind::Symbol(name) => {
            expr.kind = Kind::Text(name.clone());
            Ok(())
        }
        Kind::Text(_) => Ok(()),
        _ => Err(Diagnostic::new(expr.span, "expected the name of an object")),
    }
}

/// Nothing that stands behind it is reached.
fn is_terminal(stmt: &Stmt) -> bool {
    use crate::model::Verdict;
    match stmt {
        Stmt::Verdict(expr) => {
            matches!(&expr.kind, Kind::Verdict(verdict) if *verdict != Verdict::Continue)
        }
        Stmt::Reject(_) | Stmt::Nat(_) | Stmt::Fwd { .. } | Stmt::Queue { .. } => true,
        _ => false,
    }
}

impl Eval<'_, '_> {
    /// The statements of a rule, typed, with the protocol matches that they need.
    pub fn rule(&mut self, rule: &syntax::Rule) -> Result<Vec<Stmt>> {
        let mut terminal = false;
        for statement in &rule.statements {
            if terminal {
                return Err(Diagnostic::new(
                    statement.span,
                    "this is never reached: the statement before it ends the rule",
                ));
            }
            self.want = Default::default();
            let stmt = self.statement(statement)?;
            terminal = is_terminal(&stmt);
            self.stmts.push(stmt);
        }
        Ok(std::mem::take(&mut self.stmts))
    }

    fn statement(&mut self, statement: &At<Statement>) -> Result<Stmt> {
        let span = statement.span;
        Ok(match &statement.value {
            Statement::Match(expr) => {
                let mut expr = expr.clone();
                self.expr(&mut expr)?;
                if !matches!(expr.kind, Kind::Relational { .. }) {
                    return Err(Diagnostic::new(span, "this is no comparison"));
                }
                Stmt::Match(expr)
            }
            Statement::Verdict(expr) => {
                let mut expr = expr.clone();
                self.argument(&mut expr, Type::Basic(&types::VERDICT), 0, Order::Invalid)?;
                Stmt::Verdict(expr)
            }
            Statement::Chain { goto, rules } => {
                const DEEPEST: u32 = 16;
                if self.depth >= DEEPEST {
                    return Err(Diagnostic::new(span, "chains are nested too deeply"));
                }
                let chain = self.world.anonymous_chain(self.family, &self.table, span);
                for rule in rules {
                    let (family, table, depth) = (self.family, self.table.clone(), self.depth + 1);
                    let mut inner = Eval::new(self.world, family, &table);
                    inner.depth = depth;
                    let stmts = inner.rule(rule)?;
                    self.world
                        .add_rule(family, &table, &chain, stmts, rule, None)?;
                }
                Stmt::Chain { goto: *goto, chain }
            }
            Statement::Meter {
                name,
                size,
                key,
                stmt,
            } => self.meter(name, *size, key, stmt, span)?,
            Statement::Set {
                op,
                set,
                key,
                data,
                stmts,
            } => self.set_statement(*op, set, key, data.as_ref(), stmts)?,
            Statement::Connlimit { count, over } => Stmt::Connlimit {
                count: *count,
                flags: u32::from(*over),
            },
            Statement::Counter(counter) => Stmt::Counter(*counter),
            Statement::Last { set, msecs } => Stmt::Last {
                set: *set,
                msecs: *msecs,
            },
            Statement::Object(object) => self.objref(object)?,
            Statement::Log(words) => Stmt::Log(log(words, span)?),
            Statement::Limit(limit) => Stmt::Limit(*limit),
            Statement::Quota(quota) => Stmt::Quota(*quota),
            Statement::Queue { expr, flags } => self.queue(expr.as_ref(), *flags, span)?,
            Statement::Reject(with) => self.reject(with, span)?,
            Statement::Nat { .. } => self.nat(&statement.value, span)?,
            Statement::Dup { to, dev } => self.dup(to.as_ref(), dev.as_ref(), span)?,
            Statement::Fwd { family, addr, dev } => self.fwd(*family, addr.as_ref(), dev, span)?,
            Statement::OptStrip(expr) => {
                let mut expr = expr.clone();
                self.expr(&mut expr)?;
                Stmt::OptStrip(expr)
            }
            Statement::Tproxy { family, addr, port } => {
                self.tproxy(*family, addr.as_ref(), port.as_ref(), span)?
            }
            Statement::Synproxy(synproxy) => Stmt::Synproxy(*synproxy),
            Statement::Payload { expr, value } => self.payload_statement(expr, value, span)?,
            Statement::Exthdr { expr, value } => {
                let (mut expr, mut value) = (expr.clone(), value.clone());
                self.exthdr_bits(&mut expr)?;
                let (dtype, len) = (expr.dtype, expr.len);
                self.argument(&mut value, dtype, len, Order::Big)?;
                Stmt::Exthdr { expr, value }
            }
            Statement::Meta { key, expr } => {
                let mut expr = expr.clone();
                let template = keys::get(&keys::META, *key)
                    .ok_or_else(|| Diagnostic::new(span, "this key cannot be set"))?;
                let dtype = Type::Basic(template.kind);
                self.argument(&mut expr, dtype, template.len, template.order)?;
                Stmt::Meta { key: *key, expr }
            }
            Statement::Ct {
                key,
                direction,
                expr,
            } => {
                let mut expr = expr.clone();
                let template = keys::get(&keys::CT, *key)
                    .ok_or_else(|| Diagnostic::new(span, "this key cannot be set"))?;
                let dtype = Type::Basic(template.kind);
                self.argument(&mut expr, dtype, template.len, template.order)?;
                const SECMARK: u32 = 4;
                if *key == SECMARK && is_constant(&expr) && !matches!(expr.kind, Kind::Map { .. }) {
                    return Err(Diagnostic::new(
                        span,
                        "the security mark cannot be set to a constant",
                    ));
                }
                Stmt::Ct {
                    key: *key,
                    direction: *direction,
                    expr,
                }
            }
            Statement::Notrack => Stmt::Notrack,
            Statement::FlowOffload(name) => Stmt::FlowOffload(name.value.clone()),
            Statement::Xt { name, .. } => {
                return Err(Diagnostic::new(
                    span,
                    format!(
                        "the parameters of the xtables extension `{}` are not in this text",
                        name.value
                    ),
                )
                .help("rules of iptables are written with `apply --format iptables`"));
            }
        })
    }

    /// A value for a place of known type.
    pub(super) fn argument(
        &mut self,
        expr: &mut Expr,
        dtype: Type,
        len: u32,
        order: Order,
    ) -> Result<()> {
        self.want = super::eval::Want::of(dtype, order, len);
        self.expr(expr)?;
        self.check_argument(expr, dtype, len, order)
    }

    fn check_argument(
        &mut self,
        expr: &mut Expr,
        dtype: Type,
        len: u32,
        order: Order,
    ) -> Result<()> {
        let integer = expr.dtype.id() == types::INTEGER.id;
        let root = dtype.root().map(|root| root.id);
        let wrong = if integer && matches!(expr.kind, Kind::Payload(_)) {
            root != Some(types::INTEGER.id) || expr.len != len
        } else {
            !integer && expr.dtype.id() != dtype.id()
        };
        if wrong {
            return Err(mismatch(expr.span, dtype, expr.dtype));
        }
        match &expr.kind {
            Kind::SetLiteral(_) | Kind::SetRef(_) => Err(Diagnostic::new(
                expr.span,
                "a set cannot stand here: which of its values?",
            )
            .help("a map yields a value: `KEY map { ... }`")),
            Kind::Rt { .. } => self.convert(expr, order),
            Kind::Prefix(..) => prefix_to_range(expr),
            _ => Ok(()),
        }
    }

    fn objref(&mut self, object: &syntax::ObjectRef) -> Result<Stmt> {
        let mut expr = object.expr.clone();
        if !matches!(expr.kind, Kind::Map { .. }) {
            object_name(&mut expr)?;
            return Ok(Stmt::Objref {
                kind: object.kind,
                expr,
            });
        }
        let Kind::Map { key, mappings } = &mut expr.kind else {
            return Err(Diagnostic::new(expr.span, "expected a map"));
        };
        self.map_key(key)?;
        match &mut mappings.kind {
            Kind::SetLiteral(_) => {
                let data = Expr::new(
                    Kind::Value(Num::ZERO),
                    Type::Basic(&types::STRING),
                    Order::Host,
                    256 * 8,
                );
                self.map_literal(
                    key,
                    mappings,
                    "__objmap",
                    flags::OBJECT,
                    Some(data),
                    Some(object.kind),
                )?;
            }
            _ => self.expr(mappings)?,
        }
        let Kind::SetRef(reference) = &mappings.kind else {
            return Err(Diagnostic::new(mappings.span, "expected a map of objects"));
        };
        let set = reference.set.clone();
        if set.flags & flags::OBJECT == 0 {
            return Err(Diagnostic::new(
                mappings.span,
                format!("`{}` is not a map of objects", set.name),
            ));
        }
        self.map_sides(key, &set)?;
        Ok(Stmt::Objref {
            kind: object.kind,
            expr,
        })
    }

    fn payload_statement(&mut self, expr: &Expr, value: &Expr, span: Span) -> Result<Stmt> {
        let (mut expr, mut value) = (expr.clone(), value.clone());
        self.payload_dependencies(&mut expr)?;
        let (dtype, len, order) = (expr.dtype, expr.len, expr.order);
        self.argument(&mut value, dtype, len, order)?;
        if !is_constant(&value) {
            self.convert(&mut value, order)?;
        }
        let Some(payload) = expr.as_payload().copied() else {
            return Err(Diagnostic::new(span, "this cannot be set"));
        };
        let checksum = payload.layer == Layer::Inner || payload.protocol.checksum.is_some();
        let whole_bytes = payload.offset.is_multiple_of(8) && len.is_multiple_of(8);
        if whole_bytes && (!checksum || (len / 8).is_multiple_of(2)) {
            return Ok(Stmt::Payload { expr, value });
        }
        // Load whole bytes (an even number for checksums), keep the other bits, write all.
        let mut byte_offset = payload.offset / 8;
        let (mut shift, extra) = super::eval::shift_of(len, payload.offset);
        let mut bytes = (len + extra).div_ceil(8);
        if checksum && !bytes.is_multiple_of(2) {
            bytes += 1;
            if byte_offset.is_multiple_of(2) {
                shift += 8;
            } else {
                byte_offset -= 1;
            }
        }
        let bits = bytes * 8;
        if bits > 128 {
            return Err(Diagnostic::new(span, "the field is too long to be set"));
        }
        let Some(new) = value.as_value() else {
            return Err(Diagnostic::new(
                value.span,
                "this field can only be set to a constant",
            ));
        };
        let keep = number::bitmask(bits) ^ number::shl(number::bitmask(len), shift);
        let root = expr.dtype.root().unwrap_or(&types::INTEGER);
        let mut load = expr.clone();
        load.dtype = Type::Basic(&types::HEX);
        load.len = bits;
        if let Kind::Payload(load) = &mut load.kind {
            load.offset = byte_offset * 8;
            load.raw = true;
            load.field = None;
        }
        let constant = |value: Num| Expr::value(value, root, order, bits).at(span);
        let mut and = Expr::binop(Op::And, load, constant(keep));
        and.order = order;
        and.len = bits;
        let mut xor = Expr::binop(Op::Xor, and, constant(number::shl(new, shift)));
        xor.dtype = expr.dtype;
        xor.order = order;
        xor.len = bits;
        expr.len = bits;
        if let Kind::Payload(payload) = &mut expr.kind {
            payload.offset = byte_offset * 8;
        }
        Ok(Stmt::Payload { expr, value: xor })
    }
}
