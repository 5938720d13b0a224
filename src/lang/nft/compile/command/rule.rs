//! Rules: added, inserted, replaced, deleted.

use super::super::super::syntax::{self, *};
use super::super::eval::{Eval, Result};
use super::super::world::World;
use super::*;
use crate::model::command::{Place, What as Do};
use crate::model::{Family, Name};

impl World<'_> {
    fn add_written_rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        rule: &syntax::Rule,
        place: (Place, u32),
    ) -> Result<()> {
        let stmts = Eval::new(self, family, table).rule(rule)?;
        self.add_rule(family, table, chain, stmts, rule, Some(place))
    }

    pub(super) fn append_rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        rule: &syntax::Rule,
    ) -> Result<()> {
        let place = self.place(family, table, chain, false, None)?;
        self.add_written_rule(family, table, chain, rule, place)
    }

    pub(super) fn rule_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        chain: &At<Name>,
        position: Option<&Position>,
        rule: Option<&syntax::Rule>,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        self.need_chain(family, name, &chain.value, chain.span)?;
        let handle = match position {
            Some(Position::Handle(handle)) => Some(handle),
            _ => None,
        };
        match (verb, rule) {
            (Verb::Add | Verb::Create | Verb::Insert, Some(rule)) => {
                let insert = verb == Verb::Insert;
                let stmts = Eval::new(self, family, name).rule(rule)?;
                let place = self.place(family, name, &chain.value, insert, position)?;
                self.add_rule(family, name, &chain.value, stmts, rule, Some(place))
            }
            (Verb::Replace, Some(rule)) => {
                let handle =
                    handle.ok_or_else(|| Diagnostic::new(span, "`replace` needs `handle N`"))?;
                // The place is looked up, so that a wrong handle is found here.
                let (_, serial) = self.place(family, name, &chain.value, true, position)?;
                self.forget_rule(family, name, &chain.value, handle.value);
                let place = Place::Replace(handle.value);
                self.add_written_rule(family, name, &chain.value, rule, (place, serial))
            }
            (Verb::Delete | Verb::Destroy, _) => {
                let handle = match (handle, position) {
                    (Some(handle), _) => handle.value,
                    (None, Some(Position::Index(index))) => self
                        .handle_at(family, name, &chain.value, index.value)
                        .ok_or_else(|| Diagnostic::new(index.span, "there is no such rule"))?,
                    _ => return Err(Diagnostic::new(span, "`delete rule` needs `handle N`")),
                };
                self.forget_rule(family, name, &chain.value, handle);
                let what = Do::TakeRule(take(verb), chain.value.clone(), handle);
                self.push(family, name, what, span);
                Ok(())
            }
            _ => Err(no_such_command(span)),
        }
    }
}
