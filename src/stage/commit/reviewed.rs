//! Whether the tables of a commit still say what the person saw. Pure.

use super::{CommitError, Options};
use crate::model::command::Command;
use crate::model::set::flags;
use crate::model::{Elements, Ruleset};
use crate::stage::plan::{self, Pictures, Plan};
use crate::stage::touched::Scope;
use std::sync::Arc;

/// What the person saw, what others made of it, and what the person wanted.
#[derive(Debug)]
pub struct ThreeWay {
    /// From what was reviewed to what is now.
    pub theirs: Plan,
    pub ours: Vec<Command>,
    /// The tables of the commands as they are now.
    pub now: Ruleset,
    /// The tables of the commands as they were reviewed, and as they are now without what comes and goes by itself.
    pub reviewed: Ruleset,
    pub seen: Ruleset,
}

/// The tables of the commands still say what the person saw.
pub(super) fn unmoved(
    commands: &[Command],
    options: &Options<'_>,
    scope: &Scope,
    now: &Ruleset,
) -> Result<(), CommitError> {
    let Some(reviewed) = options.reviewed else {
        return Ok(());
    };
    if reviewed.generation == now.generation {
        return Ok(());
    }
    let seen = as_seen(reviewed, now);
    let pictures = Pictures {
        want: &seen,
        base: reviewed,
        now: reviewed,
    };
    let plan_options = plan::Options {
        scope: scope.tables(),
        ..plan::Options::default()
    };
    let theirs = plan::plan(pictures, plan_options);
    if theirs.commands.is_empty() {
        return Ok(());
    }
    Err(CommitError::Moved(Box::new(ThreeWay {
        theirs,
        ours: commands.to_vec(),
        now: now.clone(),
        reviewed: within(reviewed, scope),
        seen,
    })))
}

/// `now`, with the elements of those sets that were reviewed, where they come and go without anybody's doing or
/// were not looked at.
fn as_seen(reviewed: &Ruleset, now: &Ruleset) -> Ruleset {
    let mut seen = now.clone();
    for table in &mut seen.tables {
        let Some(old) = reviewed.table(table.family, &table.name) else {
            continue;
        };
        for set in &mut Arc::make_mut(table).sets {
            if let Some(old) = old.set(&set.name)
                && (old.elements == Elements::NotRead || set.has(flags::TIMEOUT | flags::EVAL))
            {
                Arc::make_mut(set).elements = old.elements.clone();
            }
        }
    }
    seen
}

/// The tables of the scope only.
fn within(ruleset: &Ruleset, scope: &Scope) -> Ruleset {
    let mut within = ruleset.clone();
    if let Some(scope) = scope.tables() {
        within
            .tables
            .retain(|table| scope.contains(&(table.family, table.name.clone())));
    }
    within
}
