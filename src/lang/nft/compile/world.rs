//! What a text can refer to: the tables of a picture, changed by the commands so far; and the commands themselves.

use super::super::ast::*;
use super::super::delinearize::{TableView, element_expressions, set_info};
use super::super::syntax::{self, Diagnostic, Position, Span};
use super::eval::{Result, SetFrame};
use super::resolve::Resolve;
use super::{generate, interval, userdata};
use crate::lang::near::near;
use crate::model::command::{Command, Make, NewRule, Place, RuleBody, RuleKey, What, pending_name};
use crate::model::ruleset::chain_flags;
use crate::model::set::flags;
use crate::model::{Chain, ElementList, Elements, Family, Name, RuleList, Ruleset, Set, Table};
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

    fn known_set(&mut self, family: Family, table: &Name, name: &Name) -> Option<&mut KnownSet> {
        let state = self.table(family, table)?;
        if !state.sets.contains_key(name) {
            let set = state
                .index
                .get(name)
                .and_then(|place| state.picture.as_ref()?.sets.get(*place).cloned());
            let known = set.and_then(|set| {
                Some(KnownSet {
                    info: Rc::new(set_info(&set)?),
                    statements: set
                        .expressions
                        .iter()
                        .map(|expression| stateful_word(expression.kernel_name()))
                        .collect(),
                    declared: None,
                    kernel: Some(set),
                    ranges: None,
                })
            });
            state.sets.insert(name.clone(), known);
        }
        state.sets.get_mut(name)?.as_mut()
    }

    pub fn has_set(&mut self, family: Family, table: &Name, name: &Name) -> bool {
        self.known_set(family, table, name).is_some()
    }

    pub fn set(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
    ) -> Result<Rc<SetInfo>> {
        if let Some(known) = self.known_set(family, table, name) {
            return Ok(known.info.clone());
        }
        Err(self.no_set(family, table, name, span))
    }

    fn no_set(&mut self, family: Family, table: &Name, name: &Name, span: Span) -> Diagnostic {
        let diagnostic = Diagnostic::new(
            span,
            format!(
                "there is no set `{name}` in table `{} {table}`",
                family.name()
            ),
        );
        let mut names: Vec<Name> = Vec::new();
        if let Some(state) = self.table(family, table) {
            names.extend(state.index.keys().cloned());
            names.extend(
                state
                    .sets
                    .iter()
                    .filter(|set| set.1.is_some())
                    .map(|set| set.0.clone()),
            );
        }
        match near(name, names.iter().map(|other| &**other)) {
            Some(other) => diagnostic.help(format!("did you mean `@{other}`?")),
            None => diagnostic,
        }
    }

    pub fn with_set<T>(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
        work: impl FnOnce(&mut KnownSet) -> T,
    ) -> Result<T> {
        match self.known_set(family, table, name) {
            Some(known) => Ok(work(known)),
            None => Err(self.no_set(family, table, name, span)),
        }
    }

    /// A set was declared by the command that is pushed next.
    pub fn declare_set(
        &mut self,
        family: Family,
        table: &Name,
        info: Rc<SetInfo>,
        statements: Vec<&'static str>,
        ranges: Option<Vec<Expr>>,
    ) {
        let declared = Some(self.out.len());
        let name = info.name.clone();
        if let Some(state) = self.table(family, table) {
            state.sets.insert(
                name,
                Some(KnownSet {
                    info,
                    statements,
                    declared,
                    kernel: None,
                    ranges,
                }),
            );
        }
    }

    pub fn drop_set(&mut self, family: Family, table: &Name, name: &Name) {
        if let Some(state) = self.table(family, table) {
            state.sets.insert(name.clone(), None);
        }
    }

    /// Packets fill the set: a set made here is made for that.
    pub fn mark_dynamic(&mut self, family: Family, table: &Name, name: &Name) {
        let Some(known) = self.known_set(family, table, name) else {
            return;
        };
        let mut info = (*known.info).clone();
        info.flags |= flags::EVAL;
        known.info = Rc::new(info);
        if let Some(index) = known.declared
            && let Some(Command {
                what: What::MakeSet(_, set),
                ..
            }) = self.out.get_mut(index)
        {
            set.flags |= flags::EVAL;
        }
    }

    /// The intervals that a set has now, as sorted ranges; read from the kernel when first asked for.
    pub fn ranges(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
    ) -> Result<Vec<Expr>> {
        let read = self.read_elements;
        let picture = self
            .table(family, table)
            .and_then(|state| state.picture.clone());
        let Some(known) = self.known_set(family, table, name) else {
            return Err(self.no_set(family, table, name, span));
        };
        if known.ranges.is_none() {
            let mut ranges = Vec::new();
            if let (Some(set), Some(table)) = (&known.kernel, &picture) {
                let list = match &set.elements {
                    Elements::Read(list) => list.clone(),
                    Elements::NotRead => read(family, &table.name, name)
                        .map_err(|why| Diagnostic::new(span, format!("reading `{name}`: {why}")))?,
                };
                let view = TableView::new(table);
                ranges = interval::to_ranges(element_expressions(&view, &known.info, &list));
                interval::sort(&mut ranges);
            }
            known.ranges = Some(ranges);
        }
        Ok(known.ranges.clone().unwrap_or_default())
    }

    pub fn make_chain(&mut self, family: Family, table: &Name, name: &Name) {
        if self.chain(family, table, name).is_none()
            && let Some(state) = self.table(family, table)
        {
            state
                .chains
                .insert(name.clone(), Some(ChainState::default()));
        }
    }

    pub fn drop_chain(&mut self, family: Family, table: &Name, name: &Name) {
        if let Some(state) = self.table(family, table) {
            state.chains.insert(name.clone(), None);
        }
    }

    pub fn flush_chain(&mut self, family: Family, table: &Name, name: Option<&Name>) {
        match name {
            Some(name) => {
                if let Some(chain) = self.chain(family, table, name) {
                    chain.rules.clear();
                }
            }
            None => {
                let names: Vec<Name> = self
                    .table(family, table)
                    .and_then(|state| state.picture.as_ref())
                    .map(|table| {
                        table
                            .chains
                            .iter()
                            .map(|chain| chain.name.clone())
                            .collect()
                    })
                    .unwrap_or_default();
                for name in names {
                    self.flush_chain(family, table, Some(&name));
                }
            }
        }
    }

    fn chain(&mut self, family: Family, table: &Name, name: &Name) -> Option<&mut ChainState> {
        let state = self.table(family, table)?;
        if !state.chains.contains_key(name) {
            let chain = state
                .picture
                .as_ref()
                .and_then(|table| table.chain(name))
                .map(|chain| ChainState {
                    rules: chain
                        .rules
                        .iter()
                        .map(|rule| RuleKey::Handle(rule.handle))
                        .collect(),
                });
            state.chains.insert(name.clone(), chain);
        }
        state.chains.get_mut(name)?.as_mut()
    }

    pub fn need_chain(
        &mut self,
        family: Family,
        table: &Name,
        name: &Name,
        span: Span,
    ) -> Result<()> {
        if self.chain(family, table, name).is_some() {
            return Ok(());
        }
        let diagnostic = Diagnostic::new(
            span,
            format!(
                "there is no chain `{name}` in table `{} {table}`",
                family.name()
            ),
        );
        let near = self.table(family, table).and_then(|state| {
            let mut names: Vec<Name> = state
                .chains
                .iter()
                .filter(|chain| chain.1.is_some())
                .map(|chain| chain.0.clone())
                .collect();
            names.extend(
                state
                    .picture
                    .iter()
                    .flat_map(|table| &table.chains)
                    .map(|chain| chain.name.clone()),
            );
            near(name, names.iter().map(|other| &**other)).map(str::to_owned)
        });
        Err(match near {
            Some(other) => diagnostic.help(format!("did you mean `{other}`?")),
            None => diagnostic,
        })
    }

    /// Where a rule goes, and a number for it. Follows the rules of the chain, so that later positions count it.
    pub fn place(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        insert: bool,
        position: Option<&Position>,
    ) -> Result<(Place, u32)> {
        let serial = self.made.len() as u32;
        self.made.push(None);
        let made = RuleKey::Id(serial);
        let Some(state) = self.chain(family, table, chain) else {
            let place = if insert { Place::First } else { Place::Last };
            return Ok((place, serial));
        };
        let (place, wrong) = match position {
            None => {
                let (at, place) = if insert {
                    (0, Place::First)
                } else {
                    (state.rules.len(), Place::Last)
                };
                state.rules.insert(at, made);
                return Ok((place, serial));
            }
            Some(Position::Index(index)) => (
                usize::try_from(index.value)
                    .ok()
                    .filter(|place| *place < state.rules.len()),
                Diagnostic::new(
                    index.span,
                    format!("the chain has only {} rules", state.rules.len()),
                )
                .help("indexes count from 0"),
            ),
            Some(Position::Handle(handle) | Position::Position(handle)) => (
                state
                    .rules
                    .iter()
                    .position(|key| *key == RuleKey::Handle(handle.value)),
                Diagnostic::new(
                    handle.span,
                    format!(
                        "the chain `{chain}` has no rule with handle {}",
                        handle.value
                    ),
                ),
            ),
        };
        let Some((place, key)) = place.and_then(|place| Some((place, *state.rules.get(place)?)))
        else {
            return Err(wrong);
        };
        state
            .rules
            .insert(if insert { place } else { place + 1 }, made);
        // A rule of this text gets an id when another one refers to it; 0 is none.
        let key = match key {
            RuleKey::Id(serial) => {
                let command = self.made.get(serial as usize).copied().flatten();
                if let Some(Command {
                    what: What::MakeRule(rule),
                    ..
                }) = command.and_then(|index| self.out.get_mut(index))
                {
                    rule.id = Some(serial + 1);
                }
                RuleKey::Id(serial + 1)
            }
            key => key,
        };
        let place = if insert {
            Place::Before(key)
        } else {
            Place::After(key)
        };
        Ok((place, serial))
    }

    /// The handle of the rule at this place of a chain, counted from 0.
    pub fn handle_at(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        index: u64,
    ) -> Option<u64> {
        let rules = &self.chain(family, table, chain)?.rules;
        match rules.get(usize::try_from(index).ok()?)? {
            RuleKey::Handle(handle) => Some(*handle),
            RuleKey::Id(_) => None,
        }
    }

    /// The handle of a chain of the picture.
    pub fn chain_handle(&mut self, family: Family, table: &Name, chain: &Name) -> Option<u64> {
        let state = self.table(family, table)?;
        Some(state.picture.as_ref()?.chain(chain)?.handle)
    }

    pub fn forget_rule(&mut self, family: Family, table: &Name, chain: &Name, handle: u64) {
        if let Some(state) = self.chain(family, table, chain) {
            state.rules.retain(|key| *key != RuleKey::Handle(handle));
        }
    }

    /// The chain of `jump { ... }`.
    pub fn anonymous_chain(&mut self, family: Family, table: &Name, span: Span) -> Name {
        let name = pending_name("__chain", self.next_id());
        let chain = Chain {
            name: name.clone(),
            handle: 0,
            base: None,
            flags: chain_flags::BINDING,
            use_count: 0,
            userdata: Vec::new(),
            rules: RuleList::default(),
            raw: Vec::new(),
        };
        self.push(
            family,
            table,
            What::MakeChain(Make::Add, Box::new(chain)),
            span,
        );
        name
    }

    /// Push a rule, after the sets that belong to it.
    pub fn add_rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        stmts: Vec<Stmt>,
        rule: &syntax::Rule,
        place: Option<(Place, u32)>,
    ) -> Result<()> {
        let stmts = super::reduce::reduce(family, stmts);
        let expressions = generate::rule(self, family, table, &stmts, rule.span)?;
        let mut bytes = Vec::new();
        if let Some(comment) = &rule.comment {
            userdata::comment(&mut bytes, comment)?;
        }
        let (place, serial) = match place {
            Some((place, serial)) => (place, Some(serial)),
            None => (Place::Last, None),
        };
        if let Some(slot) = serial.and_then(|serial| self.made.get_mut(serial as usize)) {
            *slot = Some(self.out.len());
        }
        self.push(
            family,
            table,
            What::MakeRule(NewRule {
                chain: chain.clone(),
                place,
                id: None,
                body: RuleBody::Built {
                    expressions,
                    userdata: bytes,
                    compat: None,
                },
            }),
            rule.span,
        );
        Ok(())
    }
}

/// The kernel's names that live as long as the program.
fn stateful_word(name: &str) -> &'static str {
    ["counter", "limit", "quota", "connlimit", "last"]
        .into_iter()
        .find(|word| *word == name)
        .unwrap_or("other")
}

/// A set that belongs to one rule.
pub fn anonymous_set(
    name: &str,
    id: u32,
    key: Expr,
    data: Option<Expr>,
    set_flags: u32,
    object_type: Option<u32>,
) -> SetInfo {
    let field_count = match &key.kind {
        Kind::Concat(parts) => parts.len(),
        _ => 0,
    };
    let mut all = set_flags | flags::ANONYMOUS;
    if field_count > 0 && all & flags::INTERVAL != 0 {
        all |= flags::CONCAT;
    }
    SetInfo {
        name: pending_name(name, id),
        flags: all,
        key,
        data,
        data_interval: false,
        object_type,
        typeof_key: false,
        auto_merge: all & flags::INTERVAL != 0 && all & (flags::MAP | flags::OBJECT) == 0,
        comment: None,
        field_count,
        size: None,
    }
}
