//! Statements that fill sets: `add @set { ... }`, `update`, `delete`, `meter`; and `flow`.

use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::{At, Statement};
use crate::model::Name;
use crate::model::expression::DynsetOp;

impl Parser<'_> {
    /// The name of a set behind `@`, or a variable that holds it.
    fn set_target(&mut self) -> Parsed<At<Name>> {
        let expr = self.set_reference()?;
        match expr.kind {
            Kind::SetName(name) => Ok(At::new(name, expr.span)),
            _ => self.error(expr.span, "the variable is not the name of a set"),
        }
    }

    fn set_op(&mut self) -> Parsed<DynsetOp> {
        let (kw, _) = self.expect_one(&[Kw::Add, Kw::Update, Kw::Delete])?;
        Ok(match kw {
            Kw::Add => DynsetOp::Add,
            Kw::Update => DynsetOp::Update,
            _ => DynsetOp::Delete,
        })
    }

    /// A key with its options, but without statements.
    fn key_with_options(&mut self) -> Parsed<Expr> {
        let key = self.concat()?;
        self.element_options(key, false)
    }

    /// `add @set { KEY [OPTIONS] [STATEMENTS] [: DATA] }`, and the old `set add KEY @set`.
    pub(super) fn set_statement(&mut self) -> Parsed<Statement> {
        if self.eat_kw(Kw::Set) {
            let op = self.set_op()?;
            let key = self.key_with_options()?;
            let set = self.set_target()?;
            return Ok(Statement::Set {
                op,
                set,
                key,
                data: None,
                stmts: Vec::new(),
            });
        }
        let op = self.set_op()?;
        let set = self.set_target()?;
        self.expect(Token::OpenBrace)?;
        let key = self.key_with_options()?;
        let stmts = self.stateful_list()?;
        let data = if self.eat(Token::Colon) {
            Some(self.key_with_options()?)
        } else {
            None
        };
        self.expect(Token::CloseBrace)?;
        Ok(Statement::Set {
            op,
            set,
            key,
            data,
            stmts,
        })
    }

    /// `meter NAME [size N] { KEY [OPTIONS] STATEMENT }`
    pub(super) fn meter(&mut self) -> Parsed<Statement> {
        self.bump();
        let name = self.name("the name of a meter")?;
        let mut size = None;
        if self.eat_kw(Kw::Size) {
            size = Some(self.number_as("a size")?.value);
        }
        self.meter_body(name, size)
    }

    fn meter_body(&mut self, name: At<Name>, size: Option<u32>) -> Parsed<Statement> {
        self.nested(|parser| {
            parser.expect(Token::OpenBrace)?;
            let key = parser.key_with_options()?;
            let stmt = parser.statement()?;
            parser.expect(Token::CloseBrace)?;
            Ok(Statement::Meter {
                name,
                size,
                key,
                stmt: Box::new(stmt),
            })
        })
    }

    /// `flow add @table`, `flow offload @table`, and the old `flow table NAME { KEY STATEMENT }`.
    pub(super) fn flow(&mut self) -> Parsed<Statement> {
        self.bump();
        let (kw, _) = self.expect_one(&[Kw::Add, Kw::Offload, Kw::Table])?;
        if kw == Kw::Table {
            let mut name = self.name("the name of a meter")?;
            while self.eat_kw(Kw::Table) {
                name = self.name("the name of a meter")?;
            }
            return self.meter_body(name, None);
        }
        self.expect(Token::At)?;
        let name = self.within(Scope::At, |parser| parser.string("the name of a flowtable"))?;
        Ok(Statement::FlowOffload(At::new(
            name.value.into(),
            name.span,
        )))
    }
}
