//! The commands that take away: `delete`, `destroy`, `flush`, `reset`.

use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use super::{Failed, Parsed};
use crate::lang::nft::syntax::{
    ChainBody, FlowtableBody, Id, Position, ResetKind, SetBody, TableBody, What,
};

impl Parser<'_> {
    pub(super) fn delete(&mut self) -> Parsed<What> {
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

    pub(super) fn flush(&mut self) -> Parsed<What> {
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

    pub(super) fn reset(&mut self) -> Parsed<What> {
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
