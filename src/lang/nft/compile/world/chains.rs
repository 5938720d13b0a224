//! Chains that a text can refer to, and the places of their rules.

use super::super::super::ast::*;
use super::super::super::syntax::{self, Diagnostic, Position, Span};
use super::super::eval::Result;
use super::super::{generate, userdata};
use super::*;
use crate::lang::near::near;
use crate::model::command::{Command, Make, NewRule, Place, RuleBody, RuleKey, What, pending_name};
use crate::model::ruleset::chain_flags;
use crate::model::{Chain, Family, Name, RuleList};

impl<'w> World<'w> {
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
        let stmts = super::super::reduce::reduce(family, stmts);
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
