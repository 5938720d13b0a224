//! Types for what a text says: every word gets its value, every selector the protocol matches that it needs.
//!
//! The order of steps follows nft, because the bytecode must be the same. [`Eval`] works on one rule (or on the
//! elements of one set); what a rule needs before its current statement is put in front of it.

mod arithmetic;
mod collections;
mod payload;
mod relational;

use super::super::ast::*;
use super::super::context::ProtocolContext;
use super::super::datatype::{self as types, Type};
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::{self, Layer, Protocol};
use super::super::syntax::{Diagnostic, Span};
use super::value;
use super::world::World;
use crate::model::{Family, Name};
use std::rc::Rc;

pub use collections::{SetFrame, stateful_names, verdict_template};
pub use payload::shift_of;

pub type Result<T> = std::result::Result<T, Diagnostic>;

/// What the place an expression stands at expects of it.
#[derive(Clone, Default)]
pub struct Want {
    pub dtype: Option<Type>,
    pub order: Option<Order>,
    /// bits
    pub len: u32,
    /// Largest value, where it is less than the length allows; 0: none.
    pub max: u64,
    /// The key of a set, where its fields say more than their types do.
    pub key: Option<Rc<Expr>>,
}

impl Want {
    pub fn of(dtype: Type, order: Order, len: u32) -> Want {
        Want {
            dtype: Some(dtype),
            order: Some(order),
            len,
            max: 0,
            key: None,
        }
    }
}

pub struct Eval<'a, 'w> {
    pub world: &'a mut World<'w>,
    pub family: Family,
    pub table: Name,
    /// Protocols seen so far in the rule.
    pub seen: ProtocolContext,
    /// The statements before the current one.
    pub stmts: Vec<Stmt>,
    pub want: Want,
    /// The set whose elements are being read.
    pub set: Option<SetFrame>,
    /// Chains inside chains.
    pub depth: u32,
}

impl<'a, 'w> Eval<'a, 'w> {
    pub fn new(world: &'a mut World<'w>, family: Family, table: &Name) -> Eval<'a, 'w> {
        Eval {
            world,
            family,
            table: table.clone(),
            seen: ProtocolContext::new(family),
            stmts: Vec::new(),
            want: Want::default(),
            set: None,
            depth: 0,
        }
    }

    pub fn expect(&mut self, dtype: Type, order: Order, len: u32) {
        let key = self.want.key.take();
        self.want = Want {
            key,
            ..Want::of(dtype, order, len)
        };
    }

    fn expect_like(&mut self, expr: &Expr) {
        self.want = Want::of(expr.dtype, expr.order, expr.len);
    }

    pub fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        match &mut expr.kind {
            Kind::Symbol(word) => {
                let word = std::mem::take(word);
                let Some(dtype) = self.want.dtype else {
                    return Err(Diagnostic::new(
                        span,
                        format!("nothing says what `{word}` is"),
                    ));
                };
                *expr = value::parse(&word, span, dtype, self.world.resolve)?;
                self.value(expr)
            }
            Kind::SetName(name) => {
                let set = self.world.set(self.family, &self.table, name, span)?;
                *expr = set_ref(set, None).at(span);
                Ok(())
            }
            Kind::SetRef(_) | Kind::CatchAll | Kind::Text(_) => Ok(()),
            Kind::Value(_) => self.value(expr),
            Kind::Verdict(_) => {
                self.expect_like(expr);
                Ok(())
            }
            Kind::Payload(_) => self.payload(expr),
            Kind::Exthdr(_) => self.exthdr(expr),
            Kind::Meta { key } => {
                let key = *key;
                if key == keys::meta::NFPROTO && self.family != Family::Inet && expr.protocol {
                    return Err(Diagnostic::new(
                        span,
                        "`meta nfproto` is only useful in the inet family",
                    ));
                }
                self.expect_like(expr);
                // Days of the week
                if expr.dtype.is(&types::DAY) {
                    self.want.max = 6;
                }
                Ok(())
            }
            Kind::Ct { .. } => self.ct(expr),
            Kind::Rt { .. } => self.rt(expr),
            Kind::Socket { key, .. } => {
                let boolean = matches!(*key, 0 | 2);
                self.expect_like(expr);
                if boolean {
                    self.want.max = 1;
                }
                Ok(())
            }
            Kind::Osf { .. } | Kind::Fib { .. } | Kind::Tunnel { .. } => {
                self.expect_like(expr);
                Ok(())
            }
            Kind::Xfrm { .. } => {
                if !matches!(self.family, Family::Ip | Family::Ip6 | Family::Inet) {
                    return Err(Diagnostic::new(
                        span,
                        "`ipsec` is only valid in ip, ip6 and inet tables",
                    ));
                }
                self.expect_like(expr);
                Ok(())
            }
            Kind::Numgen {
                modulus, offset, ..
            } => {
                let max = u64::from(modulus.wrapping_add(*offset).wrapping_sub(1));
                self.take_wanted_type(expr);
                self.expect_like(expr);
                self.want.max = max;
                Ok(())
            }
            Kind::Hash(_) => self.hash(expr),
            Kind::Prefix(..) => self.prefix(expr),
            Kind::Range(..) => self.range(expr),
            Kind::Binop { .. } => self.binop(expr),
            Kind::Unary { .. } => Ok(()),
            Kind::Concat(_) => self.concat(expr),
            Kind::List(_) => self.list(expr),
            Kind::SetLiteral(_) => self.set_literal(expr).map(|_| ()),
            Kind::SetElem(_) => self.set_elem(expr),
            Kind::Mapping(..) => self.mapping(expr),
            Kind::Map { .. } => self.map(expr),
            Kind::Relational { .. } => self.relational(expr),
            Kind::FlagCmp { .. } => self.flagcmp(expr),
            Kind::Inner { .. } => Err(Diagnostic::new(
                span,
                "matches inside tunnels cannot be written yet",
            )),
        }
    }

    /// A 32-bit number takes the type of the place it stands at.
    fn take_wanted_type(&self, expr: &mut Expr) {
        let Some(dtype) = self.want.dtype else {
            return;
        };
        let of_integer = dtype
            .basic()
            .and_then(|basic| basic.base)
            .is_some_and(|base| base.is(&types::INTEGER));
        if of_integer && self.want.len == 32 {
            expr.dtype = dtype;
            expr.len = 32;
        }
    }

    fn value(&mut self, expr: &mut Expr) -> Result<()> {
        match expr.dtype.root().map(|root| root.id) {
            Some(id) if id == types::INTEGER.id => self.integer(expr),
            Some(id) if id == types::STRING.id => self.string(expr),
            _ => Err(Diagnostic::new(
                expr.span,
                format!("a value of type {} cannot stand here", expr.dtype.name()),
            )),
        }
    }

    fn integer(&mut self, expr: &mut Expr) -> Result<()> {
        let value = expr.as_value().unwrap_or_default();
        if self.want.max > 0 && value > Num::from(self.want.max) {
            return Err(Diagnostic::new(
                expr.span,
                format!("value {value} exceeds the valid range 0-{}", self.want.max),
            ));
        }
        let most = number::bitmask(self.want.len);
        if value > most {
            return Err(Diagnostic::new(
                expr.span,
                format!("value {value} exceeds the valid range 0-{most}"),
            ));
        }
        expr.order = self.want.order.unwrap_or(Order::Invalid);
        expr.len = self.want.len;
        Ok(())
    }

    /// A name; one that ends with `*` stands for all that begin like it.
    fn string(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let mut bytes = value::text_of(expr).unwrap_or_default();
        let given = bytes.len() as u32 * 8 + 8;
        let len = if self.want.len > 0 {
            if given > self.want.len {
                return Err(Diagnostic::new(
                    span,
                    format!("the name exceeds {} bytes", self.want.len / 8 - 1),
                ));
            }
            self.want.len
        } else {
            given
        };
        let dtype = self.want.dtype.unwrap_or(expr.dtype);
        let constant = |bytes: &[u8]| {
            Expr::new(
                Kind::Value(number::import(bytes, Order::Host)),
                dtype,
                Order::Host,
                len,
            )
            .at(span)
        };
        if bytes.is_empty() {
            return Err(Diagnostic::new(span, "an empty name is not allowed"));
        }
        if bytes.last() != Some(&b'*') {
            *expr = constant(&bytes);
            return Ok(());
        }
        bytes.pop();
        match bytes.last() {
            None => Err(Diagnostic::new(
                span,
                "`*` alone is not supported: leave the match out",
            )),
            Some(b'\\') => {
                // An escaped asterisk is one.
                bytes.pop();
                bytes.push(b'*');
                *expr = constant(&bytes);
                Ok(())
            }
            Some(_) => {
                let mut prefix = Expr::prefix(constant(&bytes), bytes.len() as u32 * 8).at(span);
                prefix.dtype = dtype;
                prefix.order = Order::Host;
                prefix.len = len;
                *expr = prefix;
                Ok(())
            }
        }
    }

    fn rt(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Rt { key } = &mut expr.kind else {
            return Ok(());
        };
        let network = self.seen.at(Layer::Network);
        if *key == keys::RT_NEXTHOP4 {
            // `rt nexthop` without a family is the IPv4 key without a type.
            if network.is_some_and(|seen| seen.is(&protocol::IP)) {
                expr.dtype = Type::Basic(&types::IPADDR);
            } else if network.is_some_and(|seen| seen.is(&protocol::IP6)) {
                *key = keys::RT_NEXTHOP6;
                expr.dtype = Type::Basic(&types::IP6ADDR);
            }
            expr.len = expr.dtype.size();
        }
        let wrong = match *key {
            keys::RT_NEXTHOP4 if !expr.dtype.is(&types::IPADDR) => true,
            keys::RT_NEXTHOP6 if !expr.dtype.is(&types::IP6ADDR) => true,
            keys::RT_NEXTHOP4 if self.family == Family::Ip6 => {
                return Err(Diagnostic::new(
                    span,
                    "`rt ip nexthop` will never match here",
                ));
            }
            keys::RT_NEXTHOP6 if self.family == Family::Ip => {
                return Err(Diagnostic::new(
                    span,
                    "`rt ip6 nexthop` will never match here",
                ));
            }
            _ => false,
        };
        if wrong {
            return Err(Diagnostic::new(span, "the IP version is not known here")
                .help("write `rt ip nexthop` or `rt ip6 nexthop`"));
        }
        self.expect_like(expr);
        Ok(())
    }

    fn ct(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Ct {
            key,
            direction,
            nfproto,
        } = &mut expr.kind
        else {
            return Ok(());
        };
        let (key, direction) = (*key, *direction);
        let network = self.seen.at(Layer::Network);
        let conflict = |other: &Protocol| {
            Diagnostic::new(
                span,
                format!(
                    "conflicting protocols: {} vs. {}",
                    network.map_or("", |seen| seen.name),
                    other.name
                ),
            )
        };
        match key {
            keys::ct::SRC | keys::ct::DST => {
                let base = match network {
                    Some(seen) => seen,
                    None => {
                        return Err(Diagnostic::new(span, "the IP version is not known here")
                            .help(format!(
                                "write `ct {} ip {1}` or `ct {} ip6 {1}`",
                                if direction == Some(1) {
                                    "reply"
                                } else {
                                    "original"
                                },
                                if key == keys::ct::SRC {
                                    "saddr"
                                } else {
                                    "daddr"
                                },
                            )));
                    }
                };
                if base.is(&protocol::IP) {
                    *nfproto = Family::Ip.to_wire();
                    expr.dtype = Type::Basic(&types::IPADDR);
                } else if base.is(&protocol::IP6) {
                    *nfproto = Family::Ip6.to_wire();
                    expr.dtype = Type::Basic(&types::IP6ADDR);
                }
                expr.len = expr.dtype.size();
            }
            keys::ct::SRC_IP | keys::ct::DST_IP => {
                if network.is_some_and(|seen| seen.is(&protocol::IP6)) {
                    return Err(conflict(&protocol::IP));
                }
                expr.dtype = Type::Basic(&types::IPADDR);
                expr.len = 32;
            }
            keys::ct::SRC_IP6 | keys::ct::DST_IP6 => {
                if network.is_some_and(|seen| seen.is(&protocol::IP)) {
                    return Err(conflict(&protocol::IP6));
                }
                expr.dtype = Type::Basic(&types::IP6ADDR);
                expr.len = 128;
            }
            keys::ct::PROTO_SRC | keys::ct::PROTO_DST
                if self.seen.at(Layer::Transport).is_some() =>
            {
                expr.dtype = Type::Basic(&types::INET_SERVICE);
            }
            _ => {}
        }
        self.expect_like(expr);
        Ok(())
    }

    fn hash(&mut self, expr: &mut Expr) -> Result<()> {
        self.take_wanted_type(expr);
        let Kind::Hash(hash) = &mut expr.kind else {
            return Ok(());
        };
        self.want = Want::default();
        let max = u64::from(hash.modulus.wrapping_add(hash.offset).wrapping_sub(1));
        if let Some(inner) = &mut hash.expr {
            self.expr(inner)?;
        }
        self.expect_like(expr);
        self.want.max = max;
        Ok(())
    }

    /// Turn an expression into another byte order; constants are simply written so.
    pub fn convert(&mut self, expr: &mut Expr, order: Order) -> Result<()> {
        if expr.order == order {
            return Ok(());
        }
        if let Kind::Concat(parts) = &mut expr.kind {
            for part in parts {
                if part.order == Order::Big || part.dtype.is_text() {
                    continue;
                }
                wrap_unary(part, order)?;
            }
            return Ok(());
        }
        match expr.dtype.root().map(|root| root.id) {
            Some(id) if id == types::INTEGER.id => {}
            Some(id) if id == types::STRING.id => return Ok(()),
            _ => {
                return Err(Diagnostic::new(
                    expr.span,
                    "the byte order of this expression cannot be changed",
                ));
            }
        }
        if is_constant(expr) || expr.len / 8 < 2 {
            expr.order = order;
            Ok(())
        } else {
            wrap_unary(expr, order)
        }
    }
}

fn wrap_unary(expr: &mut Expr, order: Order) -> Result<()> {
    let op = match (expr.order, order) {
        (Order::Host, Order::Big) => Op::Hton,
        (Order::Big, Order::Host) => Op::Ntoh,
        _ => {
            return Err(Diagnostic::new(
                expr.span,
                "the byte order of this expression is not known",
            ));
        }
    };
    let inner = take(expr);
    let (dtype, len, span) = (inner.dtype, inner.len, inner.span);
    *expr = Expr::new(
        Kind::Unary {
            op,
            arg: Box::new(inner),
        },
        dtype,
        order,
        len,
    )
    .at(span);
    Ok(())
}

/// Move an expression out.
pub fn take(expr: &mut Expr) -> Expr {
    let empty = Expr::untyped(Kind::List(Vec::new()), expr.span);
    std::mem::replace(expr, empty)
}

/// The value is known before any packet comes.
pub fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Value(_)
        | Kind::Verdict(_)
        | Kind::Text(_)
        | Kind::Prefix(..)
        | Kind::Range(..)
        | Kind::SetRef(_)
        | Kind::SetLiteral(_)
        | Kind::CatchAll
        | Kind::Mapping(..)
        | Kind::Map { .. } => true,
        Kind::SetElem(elem) => is_constant(&elem.key),
        Kind::Concat(parts) => parts.iter().all(is_constant),
        _ => false,
    }
}

/// One value, neither a range nor a prefix.
pub fn is_singleton(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Value(_) | Kind::Verdict(_) | Kind::Text(_) => true,
        Kind::SetElem(elem) => is_singleton(&elem.key),
        Kind::Mapping(left, _) => is_singleton(left),
        Kind::Concat(parts) => parts.iter().all(is_singleton),
        Kind::CatchAll => true,
        _ => false,
    }
}

pub fn set_ref(set: Rc<SetInfo>, elements: Option<Vec<Expr>>) -> Expr {
    let (dtype, order, len) = (set.key.dtype, set.key.order, set.key.len);
    Expr::new(Kind::SetRef(SetRef { set, elements }), dtype, order, len)
}

/// How a type is called in messages.
pub fn type_name(dtype: Type) -> String {
    dtype.name()
}

pub fn mismatch(span: Span, expected: Type, found: Type) -> Diagnostic {
    Diagnostic::new(
        span,
        format!(
            "type mismatch: expected {}, this is {}",
            type_name(expected),
            type_name(found)
        ),
    )
}
