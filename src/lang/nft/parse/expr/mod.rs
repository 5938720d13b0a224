//! Expressions. Three grammars share their operators: what is matched (to the left), what it is compared with
//! ([`rhs`]), and what a statement takes ([`argument`]).

mod argument;
mod exthdr;
mod generator;
mod keys;
mod literal;
mod options;
mod payload;
mod rhs;

pub(super) use keys::UNQUALIFIED_META;

use super::Parsed;
use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::{Kind as Token, value};
use crate::lang::nft::ast::{Expr, Kind, Op};

/// Which grammar the operands are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// What is matched; its right operands are of [`Side::Right`].
    Left,
    Right,
    Argument,
}

impl Parser<'_> {
    /// What is matched: `ip saddr . tcp dport`, `{ ... }`, `KEY map { ... }`.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            if parser.at_kind(Token::OpenBrace) {
                return parser.set_literal();
            }
            let expr = parser.concat()?;
            if parser.kw() == Kw::Map {
                return parser.map(expr);
            }
            Ok(expr)
        })
    }

    /// `map ...` behind its key.
    pub(super) fn map(&mut self, key: Expr) -> Parsed<Expr> {
        let start = key.span;
        self.expect_kw(Kw::Map)?;
        self.compared = key.dtype.basic();
        let mappings = self.rhs()?;
        Ok(self.mapped(key, mappings).at(self.since(start)))
    }

    pub(super) fn mapped(&mut self, key: Expr, mappings: Expr) -> Expr {
        let span = key.span;
        Expr::untyped(
            Kind::Map {
                key: Box::new(key),
                mappings: Box::new(mappings),
            },
            span,
        )
    }

    /// Keys with dots between them.
    pub(super) fn concat(&mut self) -> Parsed<Expr> {
        let first = self.operations(Side::Left)?;
        self.concat_rest(first, |parser| parser.operations(Side::Left))
    }

    /// What stands behind the first part of a concatenation.
    pub(super) fn concat_rest(
        &mut self,
        first: Expr,
        mut part: impl FnMut(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        if !self.at_kind(Token::Dot) {
            return Ok(first);
        }
        let start = first.span;
        let mut parts = match first.kind {
            // As nft does: a variable's parts are parts.
            Kind::Concat(parts) => parts,
            _ => vec![first],
        };
        while self.eat(Token::Dot) {
            parts.push(part(self)?);
        }
        Ok(Expr::untyped(Kind::Concat(parts), self.since(start)))
    }

    /// Operands with shifts, `&`, `^`, `|` between them.
    pub(super) fn operations(&mut self, side: Side) -> Parsed<Expr> {
        self.operations_to(side, Op::Or.precedence())
    }

    fn operations_to(&mut self, side: Side, loosest: u8) -> Parsed<Expr> {
        let mut left = self.operand(side)?;
        loop {
            let op = match self.kind() {
                Token::ShiftLeft => Op::LeftShift,
                Token::ShiftRight => Op::RightShift,
                Token::Ampersand => Op::And,
                Token::Caret => Op::Xor,
                Token::Pipe => Op::Or,
                _ => return Ok(left),
            };
            if op.precedence() > loosest {
                return Ok(left);
            }
            let span = self.bump().span;
            self.count_operations(1, span)?;
            let right_side = match side {
                Side::Left => Side::Right,
                other => other,
            };
            let right = self.operations_to(right_side, op.precedence() - 1)?;
            let start = left.span;
            left = Expr::binop(op, left, right).at(self.since(start));
        }
    }

    fn operand(&mut self, side: Side) -> Parsed<Expr> {
        if self.at_kind(Token::OpenParen) {
            self.bump();
            let inner = self.nested(|parser| parser.operations(side))?;
            self.expect(Token::CloseParen)?;
            return Ok(inner);
        }
        match side {
            Side::Left => self.primary(),
            Side::Right => self.rhs_primary(),
            Side::Argument => self.argument_primary(),
        }
    }

    /// A word, string, number or variable; nothing where there is none.
    pub(super) fn symbol(&mut self) -> Parsed<Option<Expr>> {
        let token = self.peek();
        match token.kind {
            Token::Dollar => return self.variable().map(Some),
            Token::Number => {
                self.bump();
                let text = self.text(token.span);
                // nft reads the number and writes it as a word again.
                let word = match text.as_bytes() {
                    [b'0', _, ..] => value(text.as_bytes()).unwrap_or(0).to_string(),
                    _ => text.to_owned(),
                };
                return Ok(Some(Expr::symbol(word, token.span)));
            }
            Token::Quoted | Token::Wildcard => {}
            _ if self.is_name(token) => {}
            _ => return Ok(None),
        }
        self.bump();
        Ok(Some(Expr::symbol(self.bare(token), token.span)))
    }

    /// One thing that can be matched.
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        if let Some(symbol) = self.symbol()? {
            return Ok(symbol);
        }
        let start = self.here();
        let expr = match self.kw() {
            _ if self.at_kind(Token::At) => self.raw_payload()?,
            Kw::Meta => self.meta()?,
            Kw::Ct => self.ct()?,
            Kw::Socket => self.socket()?,
            Kw::Rt => self.rt()?,
            Kw::Ipsec => self.ipsec()?,
            Kw::Fib => self.fib()?,
            Kw::Osf => self.osf()?,
            Kw::Numgen => self.numgen()?,
            Kw::Jhash | Kw::Symhash => self.hash()?,
            Kw::Exthdr => self.exthdr_exists()?,
            Kw::Hbh | Kw::Rt0 | Kw::Rt2 | Kw::Srh | Kw::Frag | Kw::Dst | Kw::Mh => {
                self.exthdr_field()?
            }
            kw if UNQUALIFIED_META.contains(&kw) => self.meta_unqualified()?,
            kw if payload::protocol(kw).is_some() => self.payload()?,
            _ => return self.unexpected(&["an expression"], EXPRESSION_WORDS),
        };
        Ok(expr.at(self.since(start)))
    }
}

/// Whether an expression can begin with that keyword.
pub(super) fn starts_expression(kw: Kw) -> bool {
    matches!(
        kw,
        Kw::Meta
            | Kw::Ct
            | Kw::Socket
            | Kw::Rt
            | Kw::Ipsec
            | Kw::Fib
            | Kw::Osf
            | Kw::Numgen
            | Kw::Jhash
            | Kw::Symhash
            | Kw::Exthdr
            | Kw::Hbh
            | Kw::Rt0
            | Kw::Rt2
            | Kw::Srh
            | Kw::Frag
            | Kw::Dst
            | Kw::Mh
    ) || payload::protocol(kw).is_some()
        || UNQUALIFIED_META.contains(&kw)
}

/// How expressions begin.
pub(super) const EXPRESSION_WORDS: &[&str] = &[
    "meta", "ct", "socket", "rt", "ipsec", "fib", "osf", "numgen", "jhash", "symhash", "exthdr",
    "hbh", "rt0", "rt2", "srh", "frag", "dst", "mh", "ether", "vlan", "arp", "ip", "ip6", "icmp",
    "icmpv6", "igmp", "ah", "esp", "comp", "udp", "udplite", "tcp", "dccp", "sctp", "th", "iif",
    "iifname", "oif", "oifname", "iifgroup", "oifgroup", "mark", "skuid", "skgid", "pkttype",
];
