//! The quick way for commits that only make rules.

use super::prepare::{begin, forget};
use super::{CommitError, Committed, Options};
use crate::kernel::nf_tables::commit as kernel;
use crate::kernel::nf_tables::refusal::Refused;
use crate::model::command::{Command, Place, Take, What, split_pending};
use crate::stage::journal::{self, Fate};
use crate::stage::touched::Scope;
use crate::stage::{Step, fault};

/// Whether all that the commands do is undone by deleting the rules that they make.
pub(super) fn adds_rules_only(commands: &[Command]) -> bool {
    commands.iter().all(|command| match &command.what {
        What::MakeRule(rule) => {
            !matches!(rule.place, Place::Replace(_)) && split_pending(&rule.chain).is_none()
        }
        _ => false,
    })
}

/// Make rules where nobody waits for a confirmation, for the generation that they were compiled for: their handles
/// take them back, and nothing need be read, however large the table is.
pub(super) fn add_rules(
    commands: &[Command],
    generation: u32,
    options: &Options<'_>,
) -> Result<Committed, CommitError> {
    let mut done = Committed::default();
    let none = Scope::of(&[], &[]);
    let entry = begin(commands.len(), options, &none, &mut done.warnings);
    done.entry = entry.as_ref().map(|entry| entry.number);
    fault::point("program:before-commit");
    let pinned = kernel::Options {
        generation: Some(generation),
        check: false,
        echo: true,
    };
    let outcome = match kernel::commit(commands, pinned) {
        Ok(outcome) => outcome,
        Err(error) => {
            forget(entry.as_ref());
            return Err(match error {
                Refused::Moved => CommitError::Stale,
                Refused::Commands(refusals) => CommitError::Refused {
                    refusals,
                    commands: commands.to_vec(),
                },
                other => CommitError::Kernel(other),
            });
        }
    };
    fault::point("program:committed");
    let mut inverse = Vec::new();
    for (index, handle) in &outcome.handles {
        if let Some(command) = commands.get(*index)
            && let What::MakeRule(rule) = &command.what
        {
            inverse.push(Command {
                what: What::TakeRule(Take::Delete, rule.chain.clone(), *handle),
                ..command.clone()
            });
        }
    }
    let mut steps = options.steps.clone();
    steps.push(Step::Nf(inverse));
    if let Some(entry) = entry
        && let Err(error) = journal::finish(
            entry,
            outcome.generation,
            Fate::Kept,
            (&done.before, &done.after),
            &steps,
        )
    {
        done.warnings
            .push(format!("the journal was not written: {error}"));
    }
    (done.generation, done.handles) = (outcome.generation, outcome.handles);
    Ok(done)
}
