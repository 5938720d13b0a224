//! What a text can refer to: the tables of a picture, changed by the commands so far; and the commands themselves.

mod chains;
mod sets;

use super::super::ast::*;
use super::super::syntax::{self, Diagnostic, Span};
use super::eval::{Result, SetFrame};
use super::resolve::Resolve;
use crate::lang::near::near;
use crate::model::command::{Command, RuleKey, What};
use crate::model::{ElementList, Family, Name, Ruleset, Set, Table};
pub use sets::anonymous_set;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Reads the elements of a set that the picture does not hold.
pub type ReadElements<'w> =
    dyn Fn(Family, &str, &str) -> std::result::Result<Arc<ElementList>, String> + 'w;

/// A set as far as commands for it need it.
pub struct KnownSet {
    pub info: Rc<SetInfo>,
    /// Statements declared for its elements.
    pub statements: Vec<&'static str>,
    /// Index of the command that makes it.
    declared: Option<usize>,
    kernel: Option<Arc<Set>>,
    /// Its elements as ranges, if it is one of intervals and somebody asked.
    pub ranges: Option<Vec<Expr>>,
}

impl KnownSet {
    pub fn frame(&self) -> SetFrame {
        SetFrame {
            statements: self.statements.clone(),
            ..SetFrame::new(&self.info)
        }
    }
}

#[derive(Default)]
struct TableState {
    picture: Option<Arc<Table>>,
    /// Of the picture, by name.
    index: HashMap<Name, usize>,
    sets: HashMap<Name, Option<KnownSet>>,
    chains: HashMap<Name, Option<ChainState>>,
}

#[derive(Default)]
struct ChainState {
    rules: Vec<RuleKey>,
}

pub struct World<'w> {
    ruleset: &'w Ruleset,
    pub resolve: &'w dyn Resolve,
    read_elements: &'w ReadElements<'w>,
    /// None: there is no such table any more.
    tables: HashMap<(Family, Name), Option<TableState>>,
    /// `flush ruleset` was said: what the picture holds is gone.
    flushed: Vec<Option<Family>>,
    pub out: Vec<Command>,
    /// Where each command is written.
    pub spans: Vec<Span>,
    /// How often sets are still to come in the text: only then is it kept what they hold.
    mentions: HashMap<(Family, Name, Name), u32>,
    ids: u32,
    /// Rules made here: the place of each one's command.
    made: Vec<Option<usize>>,
}

impl<'w> World<'w> {
    pub fn new(
        ruleset: &'w Ruleset,
        resolve: &'w dyn Resolve,
        read_elements: &'w ReadElements<'w>,
    ) -> World<'w> {
        World {
            ruleset,
            resolve,
            read_elements,
            tables: HashMap::new(),
            flushed: Vec::new(),
            out: Vec::new(),
            spans: Vec::new(),
            mentions: HashMap::new(),
            ids: 0,
            made: Vec::new(),
        }
    }

    /// Count how often each set is named by commands about sets and elements.
    pub fn count_mentions(&mut self, commands: &[syntax::Command]) {
        use syntax::{Id, TableItem};
        for command in commands {
            let (family, table, sets): (Family, &Name, Vec<&Name>) = match &command.what {
                syntax::What::Elements { table, set, .. } => {
                    (table.family, &table.name.value, vec![&set.value])
                }
                syntax::What::Set {
                    table,
                    id: Id::Name(name),
                    ..
                } => (table.family, &table.name.value, vec![&name.value]),
                syntax::What::Table {
                    family,
                    id: Id::Name(table),
                    body,
                } => {
                    let sets = body.items.iter().filter_map(|item| match item {
                        TableItem::Set { name, .. } => Some(&name.value),
                        _ => None,
                    });
                    (*family, &table.value, sets.collect())
                }
                _ => continue,
            };
            for set in sets {
                *self
                    .mentions
                    .entry((family, table.clone(), set.clone()))
                    .or_default() += 1;
            }
        }
    }

    /// A command about the set is done; are there more?
    pub fn is_mentioned_again(&mut self, family: Family, table: &Name, set: &Name) -> bool {
        let key = (family, table.clone(), set.clone());
        self.mentions.get_mut(&key).is_some_and(|left| {
            *left = left.saturating_sub(1);
            *left > 0
        })
    }

    pub fn next_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    pub fn push(&mut self, family: Family, table: &Name, what: What, span: Span) {
        self.out.push(Command {
            family,
            table: table.clone(),
            what,
        });
        self.spans.push(span);
    }

    fn is_flushed(&self, family: Family) -> bool {
        self.flushed
            .iter()
            .any(|flushed| flushed.is_none_or(|flushed| flushed == family))
    }

    pub fn flush(&mut self, family: Option<Family>) {
        self.flushed.push(family);
        self.tables
            .retain(|(of, _), _| family.is_some_and(|family| family != *of));
    }

    /// Make sure that a table can be referred to.
    pub fn make_table(&mut self, family: Family, name: &Name) {
        if self.table(family, name).is_none() {
            self.tables
                .insert((family, name.clone()), Some(TableState::default()));
        }
    }

    pub fn drop_table(&mut self, family: Family, name: &Name) {
        self.tables.insert((family, name.clone()), None);
    }

    fn table(&mut self, family: Family, name: &Name) -> Option<&mut TableState> {
        let key = (family, name.clone());
        if !self.tables.contains_key(&key) {
            let picture = if self.is_flushed(family) {
                None
            } else {
                self.ruleset.table(family, name).cloned()
            };
            let state = picture.map(|table| TableState {
                index: table
                    .sets
                    .iter()
                    .enumerate()
                    .map(|(place, set)| (set.name.clone(), place))
                    .collect(),
                picture: Some(table),
                ..TableState::default()
            });
            self.tables.insert(key.clone(), state);
        }
        self.tables.get_mut(&key)?.as_mut()
    }

    pub fn need_table(&mut self, table: &syntax::TableId) -> Result<()> {
        let (family, name) = (table.family, table.name.value.clone());
        if self.table(family, &name).is_some() {
            return Ok(());
        }
        let diagnostic = Diagnostic::new(
            table.name.span,
            format!("there is no table `{} {name}`", family.name()),
        );
        let tables = &self.ruleset.tables;
        // The same name in another family is the most likely slip.
        let meant = tables.iter().find(|table| table.name == name).or_else(|| {
            let near = near(&name, tables.iter().map(|table| &*table.name))?;
            tables.iter().find(|table| &*table.name == near)
        });
        Err(match meant {
            Some(table) => diagnostic.help(format!(
                "did you mean `{} {}`?",
                table.family.name(),
                table.name
            )),
            None => diagnostic,
        })
    }
}
