//! Commands: what stands in a file outside of blocks.

use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use super::{Parsed, suggest};
use crate::lang::nft::syntax::{
    At, ChainBody, Command, Diagnostic, Id, Position, TableBody, TableId, Verb, What,
};
use crate::model::{Family, Name};

pub(super) const FAMILIES: &[&str] = &["ip", "ip6", "inet", "arp", "bridge", "netdev"];

const COMMAND_WORDS: &[&str] = &[
    "add",
    "create",
    "insert",
    "replace",
    "delete",
    "destroy",
    "flush",
    "reset",
    "rename",
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
    "include",
    "define",
    "redefine",
    "undefine",
];

const OBJECT_WORDS: &[&str] = &[
    "table",
    "chain",
    "set",
    "map",
    "element",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
];

impl Parser<'_> {
    /// Everything up to the end of the last text.
    pub(super) fn commands(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        while !self.gave_up() {
            match self.kind() {
                Token::End => break,
                Token::Newline | Token::Semicolon => {
                    self.bump();
                    continue;
                }
                // After an error in a block, where it ends may be mistaken.
                Token::CloseBrace if !self.diagnostics.is_empty() => {
                    self.bump();
                    continue;
                }
                _ => {}
            }
            let start = self.here();
            let line = match self.kw() {
                Kw::Include => self.include(),
                Kw::Define | Kw::Redefine | Kw::Undefine => self.definition(),
                _ => self.command_line(&mut commands),
            };
            if line.is_err() {
                self.recover(0, start);
            }
        }
        commands
    }

    fn command_line(&mut self, commands: &mut Vec<Command>) -> Parsed<()> {
        let start = self.here();
        let (verb, what) = self.command()?;
        let span = self.since(start);
        if !self.at_kind(Token::End) {
            self.separator()?;
        }
        commands.push(Command { verb, span, what });
        Ok(())
    }

    fn command(&mut self) -> Parsed<(Verb, What)> {
        let token = self.peek();
        let verb = match token.kw {
            Kw::Add => Verb::Add,
            Kw::Create => Verb::Create,
            Kw::Insert => Verb::Insert,
            Kw::Replace => Verb::Replace,
            Kw::Delete => Verb::Delete,
            Kw::Flush => Verb::Flush,
            Kw::Rename => Verb::Rename,
            Kw::Reset => Verb::Reset,
            Kw::List | Kw::Get | Kw::Monitor | Kw::Export | Kw::Import | Kw::Describe => {
                return self.refuse_query(token.kw);
            }
            // nft 1.0.7; nothing else can be meant where one of its objects follows.
            Kw::None if self.text(token.span) == "destroy" => {
                let next = self.peek_second().kw;
                if next == Kw::None || !COMMAND_WORDS.contains(&next.text()) {
                    return Ok((Verb::Add, self.add(Verb::Add)?));
                }
                Verb::Destroy
            }
            _ => return Ok((Verb::Add, self.add(Verb::Add)?)),
        };
        self.bump();
        let what = match verb {
            Verb::Add | Verb::Create => self.add(verb)?,
            Verb::Insert => {
                self.expect_kw(Kw::Rule)?;
                self.new_rule()?
            }
            Verb::Replace => {
                self.expect_kw(Kw::Rule)?;
                let (table, chain) = self.chain_id()?;
                let position = self.handle()?;
                let rule = Some(self.rule()?);
                What::Rule {
                    table,
                    chain,
                    position: Some(Position::Handle(position)),
                    rule,
                }
            }
            Verb::Delete | Verb::Destroy => self.delete()?,
            Verb::Flush => self.flush()?,
            Verb::Rename => {
                self.expect_kw(Kw::Chain)?;
                let (table, chain) = self.chain_id()?;
                let new_name = Some(self.name("the new name of the chain")?);
                What::Chain {
                    table,
                    id: Id::Name(chain),
                    body: ChainBody::default(),
                    new_name,
                }
            }
            Verb::Reset => self.reset()?,
        };
        Ok((verb, what))
    }

    fn refuse_query<T>(&mut self, kw: Kw) -> Parsed<T> {
        let span = self.here();
        let message = format!("`{}` changes nothing and has no place here", kw.text());
        let mut diagnostic = Diagnostic::new(span, message);
        match kw {
            Kw::List | Kw::Get | Kw::Export => {
                diagnostic = diagnostic.help("`hookscope show` shows the ruleset");
            }
            Kw::Import => {
                diagnostic.message = "`import` is not known to nft any more".to_owned();
            }
            _ => {}
        }
        self.fail(diagnostic)
    }

    /// The family that is written here.
    pub(super) fn family(&mut self) -> Option<Family> {
        let family = match self.kw() {
            Kw::Ip => Family::Ip,
            Kw::Ip6 => Family::Ip6,
            Kw::Inet => Family::Inet,
            Kw::Arp => Family::Arp,
            Kw::Bridge => Family::Bridge,
            Kw::Netdev => Family::Netdev,
            _ => return None,
        };
        self.bump();
        Some(family)
    }

    pub(super) fn family_or_ip(&mut self) -> Family {
        self.family().unwrap_or(Family::Ip)
    }

    pub(super) fn table_id(&mut self) -> Parsed<TableId> {
        let family = self.family_or_ip();
        let name = self.name("the name of a table")?;
        Ok(TableId { family, name })
    }

    pub(super) fn chain_id(&mut self) -> Parsed<(TableId, At<Name>)> {
        let table = self.table_id()?;
        let chain = self.name("the name of a chain")?;
        Ok((table, chain))
    }

    pub(super) fn handle(&mut self) -> Parsed<At<u64>> {
        self.expect_kw(Kw::Handle)?;
        self.number("a handle")
    }

    /// A name or `handle N`.
    pub(super) fn id(&mut self, what: &'static str) -> Parsed<Id> {
        if self.kw() == Kw::Handle {
            return Ok(Id::Handle(self.handle()?));
        }
        Ok(Id::Name(self.name(what)?))
    }

    /// What `add` and `create` take; `add` may be left out.
    fn add(&mut self, verb: Verb) -> Parsed<What> {
        let kw = self.kw();
        match kw {
            Kw::Table => {
                self.bump();
                let table = self.table_id()?;
                let body = match self.eat(Token::OpenBrace) {
                    true => self.table_block()?,
                    false => TableBody::default(),
                };
                Ok(What::Table {
                    family: table.family,
                    id: Id::Name(table.name),
                    body,
                })
            }
            Kw::Chain => {
                self.bump();
                let (table, chain) = self.chain_id()?;
                let body = match self.eat(Token::OpenBrace) {
                    true => self.chain_block()?,
                    false => ChainBody::default(),
                };
                Ok(What::Chain {
                    table,
                    id: Id::Name(chain),
                    body,
                    new_name: None,
                })
            }
            Kw::Rule if verb == Verb::Add => {
                self.bump();
                self.new_rule()
            }
            Kw::Set | Kw::Map => {
                self.bump();
                let table = self.table_id()?;
                let name = self.name("the name of a set")?;
                self.expect(Token::OpenBrace)?;
                let map = kw == Kw::Map;
                let body = self.set_block(map)?;
                Ok(What::Set {
                    table,
                    id: Id::Name(name),
                    map,
                    meter: false,
                    body,
                })
            }
            Kw::Element => self.element_command(),
            Kw::Flowtable => {
                self.bump();
                let table = self.table_id()?;
                let name = self.name("the name of a flowtable")?;
                self.expect(Token::OpenBrace)?;
                let body = self.flowtable_block()?;
                Ok(What::Flowtable {
                    table,
                    id: Id::Name(name),
                    body,
                })
            }
            _ => {
                if let Some(kind) = self.object_kind() {
                    return self.in_object(kind, |parser| parser.new_object(kind));
                }
                let starts_rule = self.at_name() || FAMILIES.contains(&kw.text());
                if verb == Verb::Add && starts_rule {
                    return self.rule_without_word();
                }
                match verb {
                    Verb::Add => self.unexpected(&["a command"], COMMAND_WORDS),
                    _ => self.unexpected(&[], OBJECT_WORDS),
                }
            }
        }
    }

    /// A line that begins with a name is a rule for the table of that name; where it is none and the name is near
    /// to a command, that is what was meant.
    fn rule_without_word(&mut self) -> Parsed<What> {
        let token = self.peek();
        let errors = self.diagnostics.len();
        let rule = self.new_rule();
        let word = self.text(token.span).to_owned();
        if rule.is_err()
            && token.kw == Kw::None
            && let Some(near) = suggest::near(&word, COMMAND_WORDS.iter().copied())
        {
            self.diagnostics.truncate(errors);
            let message = format!("unexpected `{}`, expected a command", suggest::short(&word));
            let diagnostic = Diagnostic::new(token.span, message);
            return self.fail(diagnostic.help(format!("did you mean `{near}`?")));
        }
        rule
    }

    pub(super) fn element_command(&mut self) -> Parsed<What> {
        self.bump();
        let table = self.table_id()?;
        let set = self.name("the name of a set")?;
        let elements = self.elements()?;
        Ok(What::Elements {
            table,
            set,
            elements,
        })
    }

    /// `FAMILY TABLE CHAIN [POSITION] RULE`
    fn new_rule(&mut self) -> Parsed<What> {
        let (table, chain) = self.chain_id()?;
        let position = match self.kw() {
            Kw::Handle => Some(Position::Handle(self.handle()?)),
            Kw::Position => {
                self.bump();
                Some(Position::Position(self.number("a handle")?))
            }
            Kw::Index => {
                self.bump();
                Some(Position::Index(self.number("an index")?))
            }
            _ => None,
        };
        let rule = Some(self.rule()?);
        Ok(What::Rule {
            table,
            chain,
            position,
            rule,
        })
    }

    fn new_object(&mut self, kind: u32) -> Parsed<What> {
        use super::rule::object;
        let table = self.table_id()?;
        let name = self.name("the name of the object")?;
        let is_ct = matches!(
            kind,
            object::CT_HELPER | object::CT_TIMEOUT | object::CT_EXPECT
        );
        let ends = matches!(self.kind(), Token::Newline | Token::Semicolon | Token::End);
        let body = if self.eat(Token::OpenBrace) {
            Some(self.object_block(kind)?)
        } else if ends && kind == object::COUNTER {
            None
        } else if is_ct {
            return self.unexpected(&["`{`"], &[]);
        } else {
            Some(self.object_flat(kind)?)
        };
        Ok(What::Object {
            table,
            id: Id::Name(name),
            kind,
            body,
        })
    }
}
