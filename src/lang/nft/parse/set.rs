//! Blocks of sets and maps.

use super::Parsed;
use super::cursor::Parser;
use super::keyword::{Kw, Scope};
use super::lexer::Kind as Token;
use super::rule::object;
use super::suggest;
use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::datatype as types;
use crate::lang::nft::syntax::{At, Declared, Diagnostic, SetBody};
use crate::model::Name;
use crate::model::set::flags;

/// `enum nft_set_policies`
const PERFORMANCE: u32 = 0;
const MEMORY: u32 = 1;

const SET_WORDS: &[&str] = &[
    "type",
    "typeof",
    "flags",
    "timeout",
    "gc-interval",
    "size",
    "policy",
    "auto-merge",
    "elements",
    "comment",
    "counter",
    "limit",
    "quota",
];

impl Parser<'_> {
    /// The inside of a set's block, up to and with its brace; the opening one has been taken.
    pub(super) fn set_block(&mut self, map: bool) -> Parsed<SetBody> {
        let mut body = SetBody::default();
        let base = self.open_braces();
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            let start = self.here();
            if !self.eat_separator() && self.set_line(&mut body, map).is_err() {
                self.recover(base, start);
            }
        }
        self.expect(Token::CloseBrace)?;
        Ok(body)
    }

    fn set_line(&mut self, body: &mut SetBody, map: bool) -> Parsed<()> {
        match self.kw() {
            Kw::Include => return self.include(),
            Kw::Define | Kw::Redefine | Kw::Undefine => return self.definition(),
            Kw::Type => {
                self.bump();
                self.within(Scope::Type, |parser| parser.declared_types(body, map))?;
            }
            Kw::Typeof => {
                self.bump();
                self.declared_typeof(body, map)?;
            }
            Kw::Flags => {
                let start = self.bump().span;
                let read = self.set_flags()?;
                let value = match &body.flags {
                    Some(so_far) if map => so_far.value | read,
                    _ => read,
                };
                body.flags = Some(At::new(value, self.since(start)));
            }
            Kw::Timeout => {
                self.bump();
                body.timeout = Some(self.time()?);
            }
            Kw::GcInterval if !map => {
                self.bump();
                body.gc_interval = Some(self.time()?);
            }
            Kw::Elements => {
                self.bump();
                self.expect(Token::Assign)?;
                body.elements = Some(self.elements()?);
                return Ok(());
            }
            Kw::AutoMerge if !map => {
                self.bump();
                body.auto_merge = true;
                return Ok(());
            }
            Kw::Policy => {
                self.bump();
                let (kw, _) = self.expect_one(&[Kw::Performance, Kw::Memory])?;
                body.policy = Some(match kw {
                    Kw::Performance => PERFORMANCE,
                    _ => MEMORY,
                });
            }
            Kw::Size => {
                self.bump();
                body.size = Some(self.number_as("a size")?);
            }
            Kw::Comment => body.comment = Some(self.comment(&body.comment)?),
            _ if self.at_stateful() => {
                let mut statements = self.stateful_list()?;
                body.statements.append(&mut statements);
            }
            _ => return self.unexpected(&[], SET_WORDS),
        }
        self.separator()
    }

    /// `{ ... }`, or a variable that holds elements.
    pub(super) fn elements(&mut self) -> Parsed<Expr> {
        if self.at_kind(Token::Dollar) {
            let value = self.variable()?;
            return Ok(match value.kind {
                Kind::SetLiteral(_) => value,
                _ => {
                    let span = value.span;
                    Expr::untyped(Kind::SetLiteral(vec![value]), span)
                }
            });
        }
        self.set_literal()
    }

    fn set_flags(&mut self) -> Parsed<u32> {
        let mut value = 0;
        loop {
            let words = [Kw::Constant, Kw::Interval, Kw::Timeout, Kw::Dynamic];
            value |= match self.expect_one(&words)?.0 {
                Kw::Constant => flags::CONSTANT,
                Kw::Interval => flags::INTERVAL,
                Kw::Timeout => flags::TIMEOUT,
                _ => flags::EVAL,
            };
            if !self.eat(Token::Comma) {
                return Ok(value);
            }
        }
    }

    /// `ipv4_addr . inet_service`
    fn type_names(&mut self) -> Parsed<Vec<At<Name>>> {
        let mut names = Vec::new();
        loop {
            let token = self.peek();
            let named = matches!(
                token.kw,
                Kw::Mark | Kw::Dscp | Kw::Ecn | Kw::Classid | Kw::Time
            );
            let name = if named {
                self.bump();
                At::new(Name::from(token.kw.text()), token.span)
            } else {
                self.name("the name of a type")?
            };
            if types::by_name(&name.value).is_none() {
                let message = format!("there is no type `{}`", suggest::short(&name.value));
                let mut diagnostic = Diagnostic::new(name.span, message);
                if let Some(near) = suggest::near(&name.value, types::names()) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                }
                return self.fail(diagnostic);
            }
            names.push(name);
            if !self.eat(Token::Dot) {
                return Ok(names);
            }
        }
    }

    fn declared_types(&mut self, body: &mut SetBody, map: bool) -> Parsed<()> {
        let start = self.here();
        let names = self.type_names()?;
        body.key = Some(At::new(Declared::Type(names), self.since(start)));
        if !map {
            return Ok(());
        }
        self.expect(Token::Colon)?;
        body.data_interval = self.eat_kw(Kw::Interval);
        let start = self.here();
        let object = match self.kw() {
            _ if body.data_interval => None,
            Kw::Counter => Some(object::COUNTER),
            Kw::Quota => Some(object::QUOTA),
            Kw::Limit => Some(object::LIMIT),
            Kw::Secmark => Some(object::SECMARK),
            Kw::Synproxy => Some(object::SYNPROXY),
            _ => None,
        };
        let data = match object {
            Some(kind) => {
                self.bump();
                Declared::Object(kind)
            }
            None => match self.type_names()? {
                names if matches!(names.as_slice(), [one] if &*one.value == "verdict") => {
                    Declared::Verdict
                }
                names => Declared::Type(names),
            },
        };
        body.data = Some(At::new(data, self.since(start)));
        Ok(())
    }

    fn declared_typeof(&mut self, body: &mut SetBody, map: bool) -> Parsed<()> {
        let key = self.typeof_expr()?;
        body.key = Some(At::new(Declared::Typeof(key.clone()), key.span));
        if !map {
            return Ok(());
        }
        self.expect(Token::Colon)?;
        body.data_interval = self.eat_kw(Kw::Interval);
        let token = self.peek();
        if !body.data_interval && token.kind == Token::Word && self.text(token.span) == "verdict" {
            self.bump();
            body.data = Some(At::new(Declared::Verdict, token.span));
            return Ok(());
        }
        // nft 1.0.7: objects here, too.
        let object = match token.kw {
            _ if body.data_interval => None,
            Kw::Counter => Some(object::COUNTER),
            Kw::Quota => Some(object::QUOTA),
            Kw::Limit => Some(object::LIMIT),
            Kw::Secmark => Some(object::SECMARK),
            Kw::Synproxy => Some(object::SYNPROXY),
            _ => None,
        };
        if let Some(kind) = object {
            self.bump();
            body.data = Some(At::new(Declared::Object(kind), token.span));
            return Ok(());
        }
        let data = self.typeof_expr()?;
        body.data = Some(At::new(Declared::Typeof(data.clone()), data.span));
        Ok(())
    }

    /// `ip saddr . tcp dport`: what has a type that a set can keep.
    fn typeof_expr(&mut self) -> Parsed<Expr> {
        let first = self.typeof_part()?;
        self.concat_rest(first, Self::typeof_part)
    }

    fn typeof_part(&mut self) -> Parsed<Expr> {
        let expr = if self.at_kind(Token::OpenParen) {
            use super::expr::Side;
            self.operations(Side::Left)?
        } else {
            self.primary()?
        };
        match expr.kind {
            Kind::Symbol(_) | Kind::Binop { .. } | Kind::SetLiteral(_) => {
                self.error(expr.span, "this has no type of its own")
            }
            _ => Ok(expr),
        }
    }
}
