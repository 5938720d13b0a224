//! Commands: what stands in a file outside of blocks.

use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use super::{Failed, Parsed};
use crate::lang::nft::syntax::{
    At, ChainBody, Command, Diagnostic, FlowtableBody, Id, Position, ResetKind, SetBody, TableBody,
    TableId, Verb, What,
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
            let line = match self.kw() {
                Kw::Include => self.include(),
                Kw::Define | Kw::Redefine | Kw::Undefine => self.definition(),
                _ => self.command_line(&mut commands),
            };
            if line.is_err() {
                self.recover(0);
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

    fn family_or_ip(&mut self) -> Family {
        self.family().unwrap_or(Family::Ip)
    }

    fn table_id(&mut self) -> Parsed<TableId> {
        let family = self.family_or_ip();
        let name = self.name("the name of a table")?;
        Ok(TableId { family, name })
    }

    fn chain_id(&mut self) -> Parsed<(TableId, At<Name>)> {
        let table = self.table_id()?;
        let chain = self.name("the name of a chain")?;
        Ok((table, chain))
    }

    fn handle(&mut self) -> Parsed<At<u64>> {
        self.expect_kw(Kw::Handle)?;
        self.number("a handle")
    }

    /// A name or `handle N`.
    fn id(&mut self, what: &str) -> Parsed<Id> {
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
                let starts_rule =
                    verb == Verb::Add && (self.at_name() || FAMILIES.contains(&kw.text()));
                if starts_rule && !self.misspelt_command() {
                    return self.new_rule();
                }
                match verb {
                    Verb::Add => self.unexpected(&["a command"], COMMAND_WORDS),
                    _ => self.unexpected(&[], OBJECT_WORDS),
                }
            }
        }
    }

    /// A line that begins with a name is a rule for the table of that name; unless the name looks like a command and
    /// what follows cannot be the name of a chain.
    fn misspelt_command(&mut self) -> bool {
        let token = self.peek();
        let next = self.peek_second();
        token.kind == Token::Word && token.kw == Kw::None && !self.is_name(next)
    }

    fn element_command(&mut self) -> Parsed<What> {
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

    fn delete(&mut self) -> Parsed<What> {
        let kw = self.kw();
        match kw {
            Kw::Table => {
                self.bump();
                let family = self.family_or_ip();
                let id = self.id("the name of a table")?;
                let body = TableBody::default();
                Ok(What::Table { family, id, body })
            }
            Kw::Chain => {
                self.bump();
                let table = self.table_id()?;
                let id = self.id("the name of a chain")?;
                // nft 1.0.8: `delete chain netdev t c { devices = ... }`
                let body = match self.eat(Token::OpenBrace) {
                    true => self.chain_block()?,
                    false => ChainBody::default(),
                };
                Ok(What::Chain {
                    table,
                    id,
                    body,
                    new_name: None,
                })
            }
            Kw::Rule => {
                self.bump();
                let (table, chain) = self.chain_id()?;
                let position = Some(Position::Handle(self.handle()?));
                Ok(What::Rule {
                    table,
                    chain,
                    position,
                    rule: None,
                })
            }
            Kw::Set | Kw::Map => {
                self.bump();
                let table = self.table_id()?;
                let id = self.id("the name of a set")?;
                Ok(What::Set {
                    table,
                    id,
                    map: kw == Kw::Map,
                    meter: false,
                    body: SetBody::default(),
                })
            }
            Kw::Element => self.element_command(),
            Kw::Flowtable => {
                self.bump();
                let table = self.table_id()?;
                let id = self.id("the name of a flowtable")?;
                let body = match self.eat(Token::OpenBrace) {
                    true => self.flowtable_block()?,
                    false => FlowtableBody::default(),
                };
                Ok(What::Flowtable { table, id, body })
            }
            _ => {
                let Some(kind) = self.object_kind() else {
                    let words = [
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
                    ];
                    return self.unexpected(&[], &words);
                };
                self.in_object(kind, |parser| {
                    let table = parser.table_id()?;
                    let id = parser.id("the name of the object")?;
                    Ok::<_, Failed>(What::Object {
                        table,
                        id,
                        kind,
                        body: None,
                    })
                })
            }
        }
    }

    fn flush(&mut self) -> Parsed<What> {
        let words = [
            Kw::Ruleset,
            Kw::Table,
            Kw::Chain,
            Kw::Set,
            Kw::Map,
            Kw::Meter,
            Kw::Flow,
        ];
        let (kw, _) = self.expect_one(&words)?;
        if kw == Kw::Ruleset {
            return Ok(What::Ruleset(self.family()));
        }
        if kw == Kw::Flow {
            self.expect_kw(Kw::Table)?;
        }
        let table = self.table_id()?;
        if kw == Kw::Table {
            return Ok(What::Table {
                family: table.family,
                id: Id::Name(table.name),
                body: TableBody::default(),
            });
        }
        if kw == Kw::Chain {
            let id = Id::Name(self.name("the name of a chain")?);
            return Ok(What::Chain {
                table,
                id,
                body: ChainBody::default(),
                new_name: None,
            });
        }
        let id = Id::Name(self.name("the name of a set")?);
        Ok(What::Set {
            table,
            id,
            map: kw == Kw::Map,
            meter: matches!(kw, Kw::Meter | Kw::Flow),
            body: SetBody::default(),
        })
    }

    fn reset(&mut self) -> Parsed<What> {
        use super::rule::object;
        let words = [Kw::Counters, Kw::Quotas, Kw::Counter, Kw::Quota, Kw::Rules];
        let (kw, _) = self.expect_one(&words)?;
        let kind = match kw {
            Kw::Counters | Kw::Counter => ResetKind::Objects(object::COUNTER),
            Kw::Quotas | Kw::Quota => ResetKind::Objects(object::QUOTA),
            // nft 1.0.7
            _ => ResetKind::Rules,
        };
        let one = matches!(kw, Kw::Counter | Kw::Quota);
        let chain = kind == ResetKind::Rules && self.eat_kw(Kw::Chain);
        if one || chain {
            let table = self.table_id()?;
            let name = Some(self.name(if chain {
                "the name of a chain"
            } else {
                "the name of the object"
            })?);
            return Ok(What::Reset {
                kind,
                family: Some(table.family),
                table: Some(table.name),
                name,
            });
        }
        if self.eat_kw(Kw::Table) {
            let table = self.table_id()?;
            return Ok(What::Reset {
                kind,
                family: Some(table.family),
                table: Some(table.name),
                name: None,
            });
        }
        Ok(What::Reset {
            kind,
            family: self.family(),
            table: None,
            name: None,
        })
    }
}
