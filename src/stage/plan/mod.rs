//! Three pictures and what follows: how to get from what is now to what is wanted, where what is wanted was made to
//! something else (the base) and others may have changed that since. Pure.
//!
//! With the base being what is now, it is the difference of two rulesets; with the base being what a commit made and
//! the picture before it being wanted, it takes the commit back and leaves alone what others did.

mod chains;
mod elements;
mod emit;
pub mod rules;
mod tables;

use crate::model::command::Command;
use crate::model::{Family, Name, Ruleset, Table};
use std::collections::HashSet;
use std::sync::Arc;

/// A table by its name.
pub type TableKey = (Family, Name);

/// What to do, and what cannot be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub commands: Vec<Command>,
    /// One sentence each: what stays different from what is wanted, and why.
    pub left: Vec<String>,
}

/// The three pictures; all with the elements of all sets.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'r> {
    pub want: &'r Ruleset,
    pub base: &'r Ruleset,
    pub now: &'r Ruleset,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'s> {
    /// Only these tables; all others stay as they are.
    pub scope: Option<&'s HashSet<TableKey>>,
    /// Since what is wanted was read. Elements with a timeout come back with what is left of it. milliseconds
    pub elapsed: u64,
    /// Make a table anew when its chains or sets would otherwise stand in another order than wanted.
    pub order: bool,
}

/// What leads from `now` to what is wanted.
pub fn plan(pictures: Pictures<'_>, options: Options<'_>) -> Plan {
    let Pictures { want, base, now } = pictures;
    let mut plan = Plan::default();
    let mut maker = crate::stage::make::Maker::new();
    let wanted = |key: &TableKey| options.scope.is_none_or(|scope| scope.contains(key));
    let key = |table: &Arc<Table>| (table.family, table.name.clone());
    // Tables that go make room first.
    for table in base.tables.iter().filter(|table| wanted(&key(table))) {
        if want.table(table.family, &table.name).is_none()
            && let Some(there) = now.table(table.family, &table.name)
        {
            tables::take(&mut maker, &mut plan.left, table, there);
        }
    }
    for table in want.tables.iter().filter(|table| wanted(&key(table))) {
        let find = |ruleset: &'_ Ruleset| ruleset.table(table.family, &table.name).cloned();
        let (was, is) = (find(base), find(now));
        tables::restore(
            &mut maker,
            &mut plan.left,
            table,
            (was.as_deref(), is.as_deref()),
            options,
        );
    }
    plan.commands = maker.commands;
    plan
}

/// What leads from one ruleset to another, with as little change as is seen (rules by their content).
pub fn diff(old: &Ruleset, new: &Ruleset) -> Plan {
    plan(
        Pictures {
            want: new,
            base: old,
            now: old,
        },
        Options::default(),
    )
}

/// What leads back from `after` to `before`: positions, elements, policies and counters as they were.
pub fn inverse(before: &Ruleset, after: &Ruleset) -> Plan {
    plan(
        Pictures {
            want: before,
            base: after,
            now: after,
        },
        Options {
            order: true,
            ..Options::default()
        },
    )
}
