//! Table blocks: chains, sets, maps, flowtables, objects.

use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use super::{Failed, Parsed};
use crate::lang::nft::syntax::{TableBody, TableItem};
use crate::model::ruleset::table_flags;

const TABLE_WORDS: &[&str] = &[
    "chain",
    "set",
    "map",
    "flowtable",
    "counter",
    "quota",
    "limit",
    "ct",
    "secmark",
    "synproxy",
    "flags",
    "comment",
    "include",
    "define",
    "redefine",
    "undefine",
];

impl Parser<'_> {
    /// The inside of a table block, up to and with its brace; the opening one has been taken.
    pub(super) fn table_block(&mut self) -> Parsed<TableBody> {
        self.variables.open_block();
        let mut body = TableBody::default();
        let base = self.open_braces();
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            let start = self.here();
            if !self.eat_separator() && self.table_line(&mut body).is_err() {
                self.recover(base, start);
            }
        }
        self.variables.close_block();
        self.expect(Token::CloseBrace)?;
        Ok(body)
    }

    fn table_line(&mut self, body: &mut TableBody) -> Parsed<()> {
        match self.kw() {
            Kw::Include => return self.include(),
            Kw::Define | Kw::Redefine | Kw::Undefine => return self.definition(),
            Kw::Flags => {
                self.bump();
                let word = self.one_word(&["dormant", "owner", "persist"])?;
                body.flags |= match &*word.value {
                    "dormant" => table_flags::DORMANT,
                    "owner" => table_flags::OWNER,
                    // nft 1.0.9
                    _ => table_flags::PERSIST,
                };
            }
            Kw::Comment => body.comment = Some(self.comment(&body.comment)?),
            Kw::Chain => {
                self.bump();
                let name = self.name("the name of a chain")?;
                self.expect(Token::OpenBrace)?;
                let chain = self.chain_block()?;
                body.items.push(TableItem::Chain(name, chain));
            }
            kw @ (Kw::Set | Kw::Map) => {
                self.bump();
                let map = kw == Kw::Map;
                let name = self.name(if map {
                    "the name of a map"
                } else {
                    "the name of a set"
                })?;
                self.expect(Token::OpenBrace)?;
                let set = self.set_block(map)?;
                body.items.push(TableItem::Set {
                    name,
                    map,
                    body: set,
                });
            }
            Kw::Flowtable => {
                self.bump();
                let name = self.name("the name of a flowtable")?;
                self.expect(Token::OpenBrace)?;
                let flowtable = self.flowtable_block()?;
                body.items.push(TableItem::Flowtable(name, flowtable));
            }
            _ => {
                let Some(kind) = self.object_kind() else {
                    return self.unexpected(&[], TABLE_WORDS);
                };
                let item = self.in_object(kind, |parser| {
                    let name = parser.name("the name of the object")?;
                    parser.expect(Token::OpenBrace)?;
                    let body = parser.object_block(kind)?;
                    Ok::<_, Failed>(TableItem::Object { name, kind, body })
                })?;
                body.items.push(item);
            }
        }
        self.separator()
    }
}
