//! `{ ... }`: the elements of sets and maps, with their options.

use crate::lang::nft::ast::{Expr, Kind, SetElem, Stmt};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::Kw;
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::{At, Span};
use crate::model::Verdict;
use crate::model::expression::Counter;

/// What may stand behind the colon of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    Any,
    /// Of a `vmap`: every element has one.
    Verdict,
}

impl Parser<'_> {
    /// A set with its braces. Sets within it are taken apart.
    pub(in crate::lang::nft::parse) fn set_literal(&mut self) -> Parsed<Expr> {
        self.nested(|parser| parser.braces(Data::Any))
    }

    /// The map of a `vmap` with its braces.
    pub(in crate::lang::nft::parse) fn verdict_map(&mut self) -> Parsed<Expr> {
        self.nested(|parser| parser.braces(Data::Verdict))
    }

    fn braces(&mut self, data: Data) -> Parsed<Expr> {
        let start = self.expect(Token::OpenBrace)?.span;
        let mut elements = Vec::new();
        let mut after_comma = false;
        loop {
            let newline = self.eat(Token::Newline);
            match self.kind() {
                Token::CloseBrace if after_comma => break,
                Token::Comma if after_comma => {}
                Token::Newline if newline => {
                    return self.fail_blank_line();
                }
                Token::OpenBrace if data == Data::Any => {
                    let inner = self.set_literal()?;
                    match inner.kind {
                        Kind::SetLiteral(mut inner) => elements.append(&mut inner),
                        _ => elements.push(inner),
                    }
                }
                _ => {
                    // Operations are counted per element: none is deep only because there are many.
                    let outer = std::mem::take(&mut self.operations);
                    let element = self.element_with(data)?;
                    self.operations = outer;
                    match element.kind {
                        Kind::SetLiteral(mut inner) => elements.append(&mut inner),
                        _ => elements.push(element),
                    }
                }
            }
            if self.eat(Token::Newline) && self.at_kind(Token::Newline) {
                return self.fail_blank_line();
            }
            match self.kind() {
                Token::Comma => after_comma = true,
                Token::CloseBrace => break,
                _ => return self.unexpected(&["`,`", "`}`"], &[]),
            }
            self.bump();
        }
        self.bump();
        Ok(Expr::untyped(Kind::SetLiteral(elements), self.since(start)))
    }

    fn fail_blank_line<T>(&mut self) -> Parsed<T> {
        let here = self.here();
        let diagnostic = crate::lang::nft::syntax::Diagnostic::new(
            here,
            "an empty line among the elements of a set",
        );
        self.fail(diagnostic.help("nft takes one newline between elements; remove the empty line"))
    }

    /// One element with its options and data.
    pub(in crate::lang::nft::parse) fn element(&mut self) -> Parsed<Expr> {
        self.element_with(Data::Any)
    }

    fn element_with(&mut self, data: Data) -> Parsed<Expr> {
        let start = self.here();
        let key = if self.eat(Token::Asterisk) {
            Expr::untyped(Kind::CatchAll, start)
        } else {
            self.concat_rhs()?
        };
        let key = self.element_options(key, true)?;
        if !self.at_kind(Token::Colon) {
            if data == Data::Verdict {
                return self.unexpected(&["`:` and a verdict"], &[]);
            }
            return Ok(key);
        }
        self.bump();
        let value = match self.verdict_word()? {
            Some(verdict) => verdict,
            None if data == Data::Verdict => return self.unexpected_verdict(),
            None => self.concat_rhs()?,
        };
        Ok(Expr::untyped(
            Kind::Mapping(Box::new(key), Box::new(value)),
            self.since(start),
        ))
    }

    /// The key with the statements and options behind it; the key itself where there are none.
    pub(in crate::lang::nft::parse) fn element_options(
        &mut self,
        key: Expr,
        with_statements: bool,
    ) -> Parsed<Expr> {
        if !matches!(
            self.kw(),
            Kw::Counter | Kw::Limit | Kw::Ct | Kw::Timeout | Kw::Expires | Kw::Comment | Kw::Quota
        ) {
            return Ok(key);
        }
        let start = key.span;
        let mut element = SetElem::new(key);
        let mut found = false;
        while with_statements && let Some(stmt) = self.element_statement()? {
            element.stmts.push(stmt);
            found = true;
        }
        let mut comment = None;
        loop {
            match self.kw() {
                Kw::Timeout => {
                    self.bump();
                    element.timeout = self.time()?.value;
                }
                Kw::Expires => {
                    self.bump();
                    element.expiration = self.time()?.value;
                }
                Kw::Comment => comment = Some(self.comment(&comment)?),
                _ => break,
            }
            found = true;
        }
        if !found {
            return Ok(element.key);
        }
        element.comment = comment.map(|comment: At<String>| comment.value);
        Ok(Expr::untyped(
            Kind::SetElem(Box::new(element)),
            self.since(start),
        ))
    }

    fn element_statement(&mut self) -> Parsed<Option<Stmt>> {
        let stmt = match self.kw() {
            Kw::Counter => {
                self.bump();
                Stmt::Counter(if self.kw() == Kw::Packets {
                    self.counter_values()?
                } else {
                    Counter::default()
                })
            }
            Kw::Limit => {
                self.bump();
                self.expect_kw(Kw::Rate)?;
                Stmt::Limit(self.rate()?)
            }
            // nft 1.0.7
            Kw::Quota => {
                self.bump();
                Stmt::Quota(self.quota()?)
            }
            Kw::Ct => {
                self.bump();
                self.expect_kw(Kw::Count)?;
                let over = self.eat_kw(Kw::Over);
                Stmt::Connlimit {
                    count: self.number_as("a number of connections")?.value,
                    flags: u32::from(over),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(stmt))
    }

    /// `accept`, `jump c`, ...; nothing where no verdict stands.
    pub(in crate::lang::nft::parse) fn verdict_word(&mut self) -> Parsed<Option<Expr>> {
        let token = self.peek();
        let verdict = match token.kw {
            Kw::Accept => Verdict::Accept,
            Kw::Drop => Verdict::Drop,
            Kw::Continue => Verdict::Continue,
            Kw::Return => Verdict::Return,
            Kw::Jump | Kw::Goto => {
                self.bump();
                let chain = self.chain_name()?;
                let verdict = match token.kw {
                    Kw::Jump => Verdict::Jump(chain.value),
                    _ => Verdict::Goto(chain.value),
                };
                return Ok(Some(verdict_expr(verdict, self.since(token.span))));
            }
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some(verdict_expr(verdict, token.span)))
    }

    pub(in crate::lang::nft::parse) fn unexpected_verdict<T>(&mut self) -> Parsed<T> {
        let words = ["accept", "drop", "continue", "return", "jump", "goto"];
        self.unexpected(&[], &words)
    }

    /// The name of a chain, or a variable with one.
    fn chain_name(&mut self) -> Parsed<At<crate::model::Name>> {
        if !self.at_kind(Token::Dollar) {
            return self.name("the name of a chain");
        }
        let value = self.variable()?;
        match value.kind {
            Kind::Symbol(name) => Ok(At::new(name.into(), value.span)),
            _ => self.error(value.span, "the variable is not the name of a chain"),
        }
    }
}

fn verdict_expr(verdict: Verdict, span: Span) -> Expr {
    use crate::lang::nft::datatype::{self as types, Type};
    use crate::lang::nft::number::Order;
    Expr::new(
        Kind::Verdict(verdict),
        Type::Basic(&types::VERDICT),
        Order::Invalid,
        0,
    )
    .at(span)
}
