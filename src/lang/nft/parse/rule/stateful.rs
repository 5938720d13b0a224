//! Statements with a state of their own: counters, limits, quotas, connection limits, `last`, `synproxy`.

use super::object;
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::{At, ObjectRef, Statement};
use crate::model::expression::Counter;

impl Parser<'_> {
    fn object_name(&mut self, kind: u32, scope: Scope) -> Parsed<Statement> {
        self.bump();
        let expr = self.within(scope, Self::argument)?;
        Ok(Statement::Object(ObjectRef { kind, expr }))
    }

    /// `counter`, `limit`, `quota`, `ct count`, or a reference to an object of the first three.
    pub(in crate::lang::nft::parse) fn stateful(&mut self) -> Parsed<Statement> {
        match self.bump().kw {
            Kw::Counter if self.kw() == Kw::Name => {
                self.object_name(object::COUNTER, Scope::Counter)
            }
            Kw::Counter => {
                let mut counter = Counter::default();
                loop {
                    self.offer(&["packets", "bytes", "name"]);
                    match self.kw() {
                        Kw::Packets => {
                            self.bump();
                            counter.packets = self.number("a number of packets")?.value;
                        }
                        Kw::Bytes => {
                            self.bump();
                            counter.bytes = self.number("a number of bytes")?.value;
                        }
                        _ => return Ok(Statement::Counter(counter)),
                    }
                }
            }
            Kw::Limit if self.kw() == Kw::Name => self.object_name(object::LIMIT, Scope::Limit),
            Kw::Limit => {
                self.expect_one(&[Kw::Rate, Kw::Name])?;
                Ok(Statement::Limit(self.rate()?))
            }
            Kw::Quota if self.kw() == Kw::Name => self.object_name(object::QUOTA, Scope::Quota),
            Kw::Quota => Ok(Statement::Quota(self.quota()?)),
            _ => {
                self.expect_kw(Kw::Count)?;
                let over = self.eat_kw(Kw::Over);
                let count = self.number_as("a number of connections")?.value;
                Ok(Statement::Connlimit { count, over })
            }
        }
    }

    pub(in crate::lang::nft::parse) fn at_stateful(&mut self) -> bool {
        match self.kw() {
            Kw::Counter | Kw::Limit | Kw::Quota => true,
            Kw::Ct => self.peek_second().kw == Kw::Count,
            _ => self.at_last(),
        }
    }

    /// Statements of sets and of the elements that rules add.
    pub(in crate::lang::nft::parse) fn stateful_list(&mut self) -> Parsed<Vec<At<Statement>>> {
        let mut list = Vec::new();
        while self.at_stateful() {
            let start = self.here();
            let statement = if self.at_last() {
                self.last()?
            } else {
                self.stateful()?
            };
            list.push(At::new(statement, self.since(start)));
        }
        Ok(list)
    }

    /// `last` is no keyword of nft 1.0.6: it is the statement where nothing can follow that makes it a match.
    pub(super) fn at_last(&mut self) -> bool {
        let token = self.peek();
        if token.kind != Token::Word || self.text(token.span) != "last" {
            return false;
        }
        let next = self.peek_second();
        match next.kind {
            Token::Newline | Token::Semicolon | Token::CloseBrace | Token::End => true,
            Token::Word => next.kw.is_reserved(Scope::None) || self.text(next.span) == "used",
            _ => false,
        }
    }

    /// `last`, `last used never`, `last used 1h` (nft 1.0.8)
    pub(super) fn last(&mut self) -> Parsed<Statement> {
        self.bump();
        let token = self.peek();
        if token.kind != Token::Word || self.text(token.span) != "used" {
            return Ok(Statement::Last {
                set: false,
                msecs: 0,
            });
        }
        self.bump();
        let token = self.peek();
        if self.text(token.span) == "never" {
            self.bump();
            return Ok(Statement::Last {
                set: false,
                msecs: 0,
            });
        }
        let msecs = self.time()?.value;
        Ok(Statement::Last { set: true, msecs })
    }

    pub(super) fn synproxy_statement(&mut self) -> Parsed<Statement> {
        self.bump();
        if self.kw() == Kw::Name {
            return self.object_name(object::SYNPROXY, Scope::Synproxy);
        }
        Ok(Statement::Synproxy(self.synproxy()?))
    }
}
