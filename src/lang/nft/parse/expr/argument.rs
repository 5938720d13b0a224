//! What a statement takes: `snat to EXPR`, `meta mark set EXPR`.

use super::{Side, payload};
use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::{Parser, VALUE};
use crate::lang::nft::parse::keyword::Kw;
use crate::lang::nft::parse::lexer::Kind as Token;

impl Parser<'_> {
    pub(super) fn argument_primary(&mut self) -> Parsed<Expr> {
        let kw = self.kw();
        let is_header = matches!(kw, Kw::Ether | Kw::Ip | Kw::Ip6 | Kw::Vlan | Kw::Arp) && {
            let next = self.peek_second();
            payload::protocol(kw).is_some_and(|protocol| {
                next.kw == Kw::Option
                    || matches!(next.kw, Kw::Saddr | Kw::Daddr)
                    || protocol.field(next.kw.text()).is_some()
            })
        };
        if !is_header && let Some(word) = self.word_value() {
            return Ok(word);
        }
        // Of what can be matched, extension headers, `fib` and `ipsec` are not taken here.
        if matches!(
            kw,
            Kw::Exthdr
                | Kw::Hbh
                | Kw::Rt0
                | Kw::Rt2
                | Kw::Srh
                | Kw::Frag
                | Kw::Dst
                | Kw::Mh
                | Kw::Fib
        ) {
            return self.unexpected(&[VALUE], &[]);
        }
        self.primary()
    }

    /// What stands behind `set`. nft prints `ip protocol set tcp`, but does not read it, as `tcp` has to have a field
    /// there; here the protocol is meant where no field follows.
    pub(in crate::lang::nft::parse) fn set_argument(&mut self) -> Parsed<Expr> {
        let kw = self.kw();
        if let Some(number) = super::rhs::protocol_number(kw) {
            let next = self.peek_second();
            let field = payload::protocol(kw).and_then(|protocol| protocol.field(next.kw.text()));
            let is_field =
                field.is_some() || matches!(next.kw, Kw::Option | Kw::Chunk | Kw::ParamProblem);
            if !is_field {
                let span = self.bump().span;
                return Ok(super::rhs::protocol_value(number).at(span));
            }
        }
        self.argument()
    }

    /// A value, a map, a range, a prefix, or words with commas between them.
    pub(in crate::lang::nft::parse) fn argument(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let start = parser.here();
            // In lists words stand, no numbers.
            let is_word = !parser.at_kind(Token::Number);
            let first = parser.operations(Side::Argument)?;
            match parser.kind() {
                Token::Comma if is_word && matches!(first.kind, Kind::Symbol(_)) => {
                    let mut list = vec![first];
                    while parser.eat(Token::Comma) {
                        if parser.at_kind(Token::Number) {
                            return parser.unexpected(&["a word"], &[]);
                        }
                        let item = match parser.symbol()? {
                            Some(symbol) => symbol,
                            None => match parser.word_value() {
                                Some(word) => word,
                                None => return parser.unexpected(&["a word"], &[]),
                            },
                        };
                        list.push(item);
                    }
                    return Ok(Expr::untyped(Kind::List(list), parser.since(start)));
                }
                Token::Dash | Token::Slash => return parser.range_or_prefix(first, Side::Argument),
                _ => {}
            }
            let key = parser.concat_rest(first, |parser| {
                if parser.at_kind(Token::OpenParen) {
                    parser.bump();
                    let inner = parser.nested(|parser| parser.operations(Side::Argument))?;
                    parser.expect(Token::CloseParen)?;
                    return Ok(inner);
                }
                parser.argument_primary()
            })?;
            if !parser.eat_kw(Kw::Map) {
                return Ok(key);
            }
            parser.compared = key.dtype.basic();
            let mappings = if parser.at_kind(Token::OpenBrace) {
                parser.set_literal()?
            } else {
                parser.set_reference()?
            };
            Ok(parser.mapped(key, mappings).at(parser.since(start)))
        })
    }
}
