//! What something is compared with: words, values, ranges, prefixes, lists, concatenations, sets.

use super::Side;
use crate::lang::nft::ast::{Expr, Kind, Op};
use crate::lang::nft::datatype::{self as types, DataType};
use crate::lang::nft::number::{Num, Order};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::{Parser, VALUE};
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;

/// Protocols whose names are keywords; IANA protocol numbers.
pub(super) fn protocol_number(kw: Kw) -> Option<u8> {
    Some(match kw {
        Kw::Tcp => 6,
        Kw::Udp => 17,
        Kw::Udplite => 136,
        Kw::Esp => 50,
        Kw::Ah => 51,
        Kw::Icmp => 1,
        Kw::Igmp => 2,
        Kw::Icmpv6 => 58,
        Kw::Comp => 108,
        Kw::Dccp => 33,
        Kw::Sctp => 132,
        _ => return None,
    })
}

fn byte(value: u8, dtype: &'static DataType) -> Expr {
    Expr::value(Num::from(value), dtype, Order::Host, 8)
}

pub(super) fn protocol_value(number: u8) -> Expr {
    byte(number, &types::INET_PROTOCOL)
}

impl Parser<'_> {
    /// `exists`, `missing`, and keywords that are words of a type, too.
    pub(super) fn word_value(&mut self) -> Option<Expr> {
        let token = self.peek();
        let expr = match token.kw {
            Kw::Exists => byte(1, &types::BOOLEAN),
            Kw::Missing => byte(0, &types::BOOLEAN),
            Kw::Ether
            | Kw::Ip
            | Kw::Ip6
            | Kw::Vlan
            | Kw::Arp
            | Kw::Dnat
            | Kw::Snat
            | Kw::Ecn
            | Kw::Reset => Expr::symbol(token.kw.text(), token.span),
            // Keywords within `ct` only; elsewhere they are words anyway.
            Kw::Original | Kw::Reply | Kw::Label => Expr::symbol(token.kw.text(), token.span),
            _ => return None,
        };
        self.bump();
        Some(expr.at(token.span))
    }

    pub(super) fn rhs_primary(&mut self) -> Parsed<Expr> {
        if let Some(symbol) = self.symbol()? {
            return Ok(symbol);
        }
        if let Some(word) = self.word_value() {
            return Ok(word);
        }
        let token = self.peek();
        if token.kw == Kw::Redirect {
            const ICMP_REDIRECT: u8 = 5;
            self.bump();
            return Ok(byte(ICMP_REDIRECT, &types::ICMP_TYPE).at(token.span));
        }
        if let Some(number) = protocol_number(token.kw) {
            self.bump();
            return Ok(protocol_value(number).at(token.span));
        }
        self.unexpected(&[VALUE], &[])
    }

    /// A value, maybe with a range or prefix.
    fn multiton(&mut self) -> Parsed<Expr> {
        let left = self.operations(Side::Right)?;
        self.range_or_prefix(left, Side::Right)
    }

    pub(super) fn range_or_prefix(&mut self, left: Expr, side: Side) -> Parsed<Expr> {
        let start = left.span;
        if self.eat(Token::Dash) {
            let right = self.operations(side)?;
            return Ok(Expr::range(left, right).at(self.since(start)));
        }
        if self.eat(Token::Slash) {
            let len = self.number_as("the length of a prefix")?.value;
            return Ok(Expr::prefix(left, len).at(self.since(start)));
        }
        Ok(left)
    }

    /// Values with dots between them.
    pub(super) fn concat_rhs(&mut self) -> Parsed<Expr> {
        let first = self.multiton()?;
        self.concat_rest(first, Self::multiton)
    }

    /// A value, a set or the name of a set.
    pub(super) fn rhs(&mut self) -> Parsed<Expr> {
        match self.kind() {
            Token::OpenBrace => self.set_literal(),
            Token::At => self.set_name(),
            _ => self.concat_rhs(),
        }
    }

    /// The same, or values with commas between them.
    pub(in crate::lang::nft::parse) fn rhs_or_list(&mut self) -> Parsed<Expr> {
        let first = self.rhs()?;
        self.list_rest(first)
    }

    /// Values with commas between them, behind the first.
    fn list_rest(&mut self, first: Expr) -> Parsed<Expr> {
        let start = first.span;
        let single = !matches!(
            first.kind,
            Kind::Range(..)
                | Kind::Prefix(..)
                | Kind::Concat(_)
                | Kind::SetLiteral(_)
                | Kind::SetName(_)
        );
        if !single || !self.at_kind(Token::Comma) {
            return Ok(first);
        }
        let mut list = vec![first];
        while self.eat(Token::Comma) {
            list.push(self.operations(Side::Right)?);
        }
        Ok(Expr::untyped(Kind::List(list), self.since(start)))
    }

    /// `@name`
    pub(in crate::lang::nft::parse) fn set_name(&mut self) -> Parsed<Expr> {
        let start = self.expect(Token::At)?.span;
        let name = self.within(Scope::At, |parser| parser.name("the name of a set"))?;
        Ok(Expr::untyped(Kind::SetName(name.value), self.since(start)))
    }

    /// `@name`, or a variable that holds one.
    pub(in crate::lang::nft::parse) fn set_reference(&mut self) -> Parsed<Expr> {
        if self.at_kind(Token::Dollar) {
            return self.variable();
        }
        if self.at_kind(Token::At) {
            return self.set_name();
        }
        self.unexpected(&["`@` and the name of a set"], &[])
    }

    /// The rest of a match, behind what is matched: operator and values.
    pub(in crate::lang::nft::parse) fn relation(&mut self, left: Expr) -> Parsed<Expr> {
        let start = left.span;
        let op = match self.kind() {
            Token::Equal => Op::Eq,
            Token::NotEqual => Op::Neq,
            Token::Less => Op::Lt,
            Token::Greater => Op::Gt,
            Token::GreaterEqual => Op::Gte,
            Token::LessEqual => Op::Lte,
            Token::Not => Op::Neg,
            _ => Op::Implicit,
        };
        if op != Op::Implicit {
            self.bump();
        }
        self.compared = left.dtype.basic();
        if matches!(self.kind(), Token::OpenBrace | Token::At) {
            let right = self.rhs()?;
            return Ok(Expr::relational(op, left, right).at(self.since(start)));
        }
        // `flags / mask`: the mask is a list, so that a single number is the length of a prefix.
        let first = self.operations(Side::Right)?;
        let value = self.list_rest(first)?;
        if self.at_kind(Token::Slash) {
            let slash = self.bump().span;
            let is_list = matches!(value.kind, Kind::List(_));
            let mask = self.operations(Side::Right)?;
            if self.at_kind(Token::Comma) || is_list {
                if !self.at_kind(Token::Comma) {
                    return self.unexpected(&["`,` and another flag of the mask"], &[]);
                }
                let mask = self.list_rest(mask)?;
                let op = if op == Op::Implicit { Op::Eq } else { op };
                let kind = Kind::FlagCmp {
                    op,
                    expr: Box::new(left),
                    mask: Box::new(mask),
                    value: Box::new(value),
                };
                return Ok(Expr::untyped(kind, self.since(start)));
            }
            let length = match &mask.kind {
                Kind::Symbol(word) if word.bytes().all(|b| b.is_ascii_digit()) => word.parse().ok(),
                _ => None,
            };
            let Some(length) = length else {
                let span = slash.to(mask.span);
                return self.error(
                    span,
                    "expected the length of a prefix, or a mask of several flags with commas",
                );
            };
            let span = value.span.to(mask.span);
            let prefix = Expr::prefix(value, length).at(span);
            let right = self.concat_rest(prefix, Self::multiton)?;
            return Ok(Expr::relational(op, left, right).at(self.since(start)));
        }
        let right = match value.kind {
            Kind::List(_) => value,
            _ => {
                let right = self.range_or_prefix(value, Side::Right)?;
                self.concat_rest(right, Self::multiton)?
            }
        };
        Ok(Expr::relational(op, left, right).at(self.since(start)))
    }
}
