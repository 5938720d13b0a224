//! Rules: statements one after the other, maybe with a comment.

mod log;
mod nat;
mod sets;
mod stateful;

use super::Parsed;
use super::cursor::Parser;
use super::expr::{EXPRESSION_WORDS, starts_expression};
use super::keyword::{Kw, Scope};
use super::lexer::Kind as Token;
use crate::lang::nft::ast::{Expr, ExthdrOp, Kind, XtKind};
use crate::lang::nft::syntax::{At, Diagnostic, ObjectRef, RejectWith, Rule, Span, Statement};
use crate::lang::nft::{keys, protocol};

/// `NFT_OBJECT_*`
pub(super) mod object {
    pub const COUNTER: u32 = 1;
    pub const QUOTA: u32 = 2;
    pub const CT_HELPER: u32 = 3;
    pub const LIMIT: u32 = 4;
    pub const CT_TIMEOUT: u32 = 7;
    pub const SECMARK: u32 = 8;
    pub const CT_EXPECT: u32 = 9;
    pub const SYNPROXY: u32 = 10;
}

/// `NFT_META_SECMARK`, `NFT_CT_HELPER`
const META_SECMARK: u32 = 14;
const CT_HELPER: u32 = 6;

/// How statements begin that are no matches.
const STATEMENT_WORDS: &[&str] = &[
    "accept",
    "drop",
    "continue",
    "return",
    "jump",
    "goto",
    "counter",
    "limit",
    "quota",
    "log",
    "reject",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "tproxy",
    "queue",
    "dup",
    "fwd",
    "add",
    "update",
    "delete",
    "synproxy",
    "notrack",
    "meter",
    "flow",
    "reset",
    "comment",
];

impl Parser<'_> {
    /// Statements up to the end of the line; at least one.
    pub(super) fn rule(&mut self) -> Parsed<Rule> {
        let start = self.here();
        // Statements are large, and rules have few: they wait in a common place until their number is known.
        let first = self.waiting.len();
        if let Err(failed) = self.statements(first) {
            self.waiting.truncate(first);
            return Err(failed);
        }
        let statements = self.waiting.drain(first..).collect();
        let comment = match self.kw() {
            Kw::Comment => Some(self.comment(&None)?),
            _ => None,
        };
        Ok(Rule {
            statements,
            comment,
            span: self.since(start),
        })
    }

    fn statements(&mut self, first: usize) -> Parsed<()> {
        loop {
            let some = self.waiting.len() > first;
            let end = matches!(
                self.kind(),
                Token::Newline | Token::Semicolon | Token::CloseBrace | Token::End
            );
            if some && (end || self.kw() == Kw::Comment) {
                return Ok(());
            }
            let statement = self.statement()?;
            self.waiting.push(statement);
        }
    }

    pub(super) fn statement(&mut self) -> Parsed<At<Statement>> {
        self.operations = 0;
        let start = self.here();
        let statement = match self.kw() {
            Kw::Accept | Kw::Drop | Kw::Continue | Kw::Return | Kw::Jump | Kw::Goto => {
                self.verdict()?
            }
            Kw::Counter | Kw::Limit | Kw::Quota => self.stateful()?,
            Kw::Ct => self.ct_statement()?,
            Kw::Log => self.log()?,
            Kw::Reject => self.reject()?,
            Kw::Snat | Kw::Dnat => self.nat()?,
            Kw::Masquerade | Kw::Redirect => self.redirect()?,
            Kw::Tproxy => self.tproxy()?,
            Kw::Dup => self.dup()?,
            Kw::Fwd => self.fwd()?,
            Kw::Queue => self.queue()?,
            Kw::Set | Kw::Add | Kw::Update | Kw::Delete => self.set_statement()?,
            Kw::Meter => self.meter()?,
            Kw::Flow => self.flow()?,
            Kw::Synproxy => self.synproxy_statement()?,
            Kw::Reset => self.strip_option()?,
            Kw::Xt => self.xt()?,
            Kw::Notrack => {
                self.bump();
                Statement::Notrack
            }
            _ if self.at_last() => self.last()?,
            _ => self.expression_statement()?,
        };
        Ok(At::new(statement, self.since(start)))
    }

    fn verdict(&mut self) -> Parsed<Statement> {
        let kw = self.kw();
        if matches!(kw, Kw::Jump | Kw::Goto) && self.peek_second().kind == Token::OpenBrace {
            self.bump();
            let rules = self.nested(|parser| parser.inline_chain())?;
            return Ok(Statement::Chain {
                goto: kw == Kw::Goto,
                rules,
            });
        }
        match self.verdict_word()? {
            Some(verdict) => Ok(Statement::Verdict(verdict)),
            None => self.unexpected_verdict(),
        }
    }

    /// `{ rule; rule; }`
    fn inline_chain(&mut self) -> Parsed<Vec<Rule>> {
        let brace = self.expect(Token::OpenBrace)?.span;
        if !self.variables.may_open() {
            return self.error(brace, "too many chains inside each other");
        }
        let base = self.open_braces();
        self.variables.open_block();
        let mut rules = Vec::new();
        let mut failed = false;
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            if self.eat_separator() {
                continue;
            }
            let start = self.here();
            let rule = self.rule().and_then(|rule| self.separator().map(|()| rule));
            match rule {
                Ok(rule) => rules.push(rule),
                Err(_) => {
                    failed = true;
                    self.recover(base, start);
                }
            }
        }
        self.variables.close_block();
        self.expect(Token::CloseBrace)?;
        // The errors are told already; the statement around them cannot be used.
        if failed {
            Err(super::Failed)
        } else {
            Ok(rules)
        }
    }

    /// A match, a verdict map, or a value that is set.
    fn expression_statement(&mut self) -> Parsed<Statement> {
        self.offer(STATEMENT_WORDS);
        let starts_match = match self.kind() {
            Token::Word => {
                let kw = self.kw();
                !kw.is_reserved(self.scope) || starts_expression(kw)
            }
            Token::Comma | Token::Newline | Token::Semicolon | Token::CloseBrace | Token::End => {
                false
            }
            _ => true,
        };
        if !starts_match {
            return self.unexpected(&["a statement"], EXPRESSION_WORDS);
        }
        let expr = self.expression()?;
        self.offer(&["set", "vmap", "map"]);
        match self.kw() {
            Kw::Set => return self.setting(expr),
            Kw::Vmap => {
                self.bump();
                self.compared = expr.dtype.basic();
                let mappings = if self.at_kind(Token::OpenBrace) {
                    self.verdict_map()?
                } else {
                    self.set_reference()?
                };
                let start = expr.span;
                let map = Kind::Map {
                    key: Box::new(expr),
                    mappings: Box::new(mappings),
                };
                return Ok(Statement::Verdict(Expr::untyped(map, self.since(start))));
            }
            _ => {}
        }
        // A word or number alone cannot be matched: something is misspelt, or missing before it.
        if let Kind::Symbol(word) = &expr.kind {
            let word = word.clone();
            return self.unknown_word(&word, expr.span);
        }
        let relation = self.relation(expr)?;
        Ok(Statement::Match(relation))
    }

    fn unknown_word<T>(&mut self, word: &str, span: Span) -> Parsed<T> {
        use super::suggest;
        let message = format!("`{}` begins no statement", suggest::short(word));
        let mut diagnostic = Diagnostic::new(span, message);
        let headers: Vec<&str> = protocol::PROTOCOLS
            .iter()
            .filter(|protocol| protocol.field(word).is_some())
            .map(|protocol| protocol.name)
            .take(4)
            .collect();
        let words = EXPRESSION_WORDS.iter().chain(STATEMENT_WORDS).copied();
        let meta = keys::META.iter().any(|key| key.token == word);
        let ct = keys::CT.iter().any(|key| key.token == word);
        if !headers.is_empty() {
            let words: Vec<String> = headers.iter().map(|h| format!("`{h} {word}`")).collect();
            diagnostic = diagnostic.help(format!("write {}", suggest::or_list(&words)));
        } else if meta || ct {
            let head = if meta { "meta" } else { "ct" };
            diagnostic = diagnostic.help(format!("write `{head} {word}`"));
        } else if let Some(near) = suggest::near(word, words) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        self.fail(diagnostic)
    }

    /// `EXPR set VALUE`; the word has been seen.
    fn setting(&mut self, expr: Expr) -> Parsed<Statement> {
        let set = self.expect_kw(Kw::Set)?;
        let value = match expr.kind {
            Kind::Payload(_) => self.set_argument()?,
            _ => self.argument()?,
        };
        Ok(match expr.kind {
            Kind::Meta { key } if key == META_SECMARK && !matches!(value.kind, Kind::Ct { .. }) => {
                Statement::Object(ObjectRef {
                    kind: object::SECMARK,
                    expr: value,
                })
            }
            Kind::Meta { key } => Statement::Meta { key, expr: value },
            Kind::Ct {
                key,
                direction: None,
                ..
            } if key == CT_HELPER => Statement::Object(ObjectRef {
                kind: object::CT_HELPER,
                expr: value,
            }),
            Kind::Ct { key, direction, .. } => Statement::Ct {
                key,
                direction,
                expr: value,
            },
            Kind::Payload(_) => Statement::Payload { expr, value },
            Kind::Exthdr(header) if header.op != ExthdrOp::Ipv6 => {
                Statement::Exthdr { expr, value }
            }
            _ => return self.error(set.span, "this cannot be set"),
        })
    }

    fn ct_statement(&mut self) -> Parsed<Statement> {
        let kind = match self.peek_second().kw {
            Kw::Count => return self.stateful(),
            Kw::Timeout => object::CT_TIMEOUT,
            Kw::Expectation => object::CT_EXPECT,
            _ => return self.in_ct(Self::expression_statement_in_ct),
        };
        self.bump();
        self.bump();
        self.expect_kw(Kw::Set)?;
        let expr = self.in_ct(Self::argument)?;
        Ok(Statement::Object(ObjectRef { kind, expr }))
    }

    fn expression_statement_in_ct(&mut self) -> Parsed<Statement> {
        // Only the words of `ct` itself are read in its scope; what follows is not.
        self.within(Scope::None, Self::expression_statement)
    }

    fn reject(&mut self) -> Parsed<Statement> {
        self.bump();
        self.offer(&["with"]);
        if !self.eat_kw(Kw::With) {
            return Ok(Statement::Reject(RejectWith::Default));
        }
        let (kw, _) = self.expect_one(&[Kw::Icmp, Kw::Icmpv6, Kw::Icmpx, Kw::Tcp])?;
        if kw == Kw::Tcp {
            self.expect_kw(Kw::Reset)?;
            return Ok(Statement::Reject(RejectWith::TcpReset));
        }
        self.eat_kw(Kw::Type);
        let token = self.peek();
        let is_code = self.is_name(token) || token.kind == Token::Number;
        let code = match is_code {
            true => self.symbol_or_number()?,
            false => return self.unexpected(&["an ICMP code"], &[]),
        };
        Ok(Statement::Reject(match kw {
            Kw::Icmp => RejectWith::Icmp(code),
            Kw::Icmpv6 => RejectWith::Icmpv6(code),
            _ => RejectWith::Icmpx(code),
        }))
    }

    /// `reset tcp option X`
    fn strip_option(&mut self) -> Parsed<Statement> {
        self.bump();
        self.expect_kw(Kw::Tcp)?;
        self.expect_kw(Kw::Option)?;
        let start = self.here();
        let option = self.tcp_option_present(false)?;
        Ok(Statement::OptStrip(option.at(self.since(start))))
    }

    fn xt(&mut self) -> Parsed<Statement> {
        self.bump();
        let kind = self.name("`match`, `target` or `watcher`")?;
        let name = self.string("the name of an extension")?;
        let kind = match &*kind.value {
            "match" => XtKind::Match,
            "target" => XtKind::Target,
            "watcher" => XtKind::Watcher,
            _ => return self.error(kind.span, "expected `match`, `target` or `watcher`"),
        };
        Ok(Statement::Xt {
            kind,
            name: At::new(name.value.into(), name.span),
        })
    }
}
