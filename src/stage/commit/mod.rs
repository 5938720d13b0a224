//! Carrying out a change set: checked, pinned to what was reviewed, guarded, written down.
//!
//! ```text
//! let options = Options { confirm: Some(Duration::from_secs(60)), why: "open port 8443".into(), ..Options::default() };
//! let done = commit::run(&commands, &options)?;    // the guard waits now
//! guard::confirm()?;                               // from anywhere, in the same network namespace
//! ```
//!
//! The order: a window that waits refuses everything else; the tables of the commands are read; what was reviewed
//! must still be so; with a window the kernel checks the commands first, and the guard stands by before they are
//! sent; they are sent for exactly the generation that is known. Others may change other tables at any rate: the
//! commit is tried again for the new generation as long as the tables of the commands are what they were.

mod additions;
mod beside;
mod prepare;
mod reviewed;
mod step;

pub use beside::{Beside, BesideRefused};
pub use reviewed::ThreeWay;
pub use step::{
    BesideError, IpSetError, LegacyError, RouteError, StepError, run_ipsets, run_legacy, run_routes,
};

use super::guard::{self, Guard, GuardError, Pending, restore};
use super::journal::{self, Fate};
use super::plan;
use super::touched::{Scope, Watch};
use super::{Step, fault};
use crate::kernel::netlink::KernelError;
use crate::kernel::nf_tables::commit as kernel;
use crate::kernel::nf_tables::load::LoadError;
use crate::kernel::nf_tables::refusal::{Refusal, Refused};
use crate::model::Ruleset;
use crate::model::command::Command;
use additions::{add_rules, adds_rules_only};
use prepare::{begin, forget, stand_by};
use reviewed::unmoved;
use std::time::Duration;
use step::run_step;
use thiserror::Error;

/// What becomes of an unconfirmed commit when the program that made it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It waits until its time is up: for a program that ends at once.
    #[default]
    Detached,
    /// It is taken back at once, unless [`Committed::guard`] was detached: for a program that shows the countdown.
    WithProgram,
}

#[derive(Clone, Debug, Default)]
pub struct Options<'r> {
    /// Take everything back unless somebody confirms it in this time.
    pub confirm: Option<Duration>,
    /// Take everything back after this time; nobody is asked.
    pub limited: Option<Duration>,
    pub hold: Hold,
    /// The picture that the change was made for. Tables of the commands that others changed since refuse it.
    pub reviewed: Option<&'r Ruleset>,
    /// The generation that the commands were compiled for. When their tables changed since, they are refused as
    /// [`CommitError::Stale`], because positions in them may mean something else.
    pub compiled_at: Option<u32>,
    /// Have the kernel check it, and change nothing.
    pub check: bool,
    /// For the journal: the reason, and the change as a person reads it.
    pub why: String,
    pub text: String,
    /// What was done beside the commands and is taken back with them.
    pub steps: Vec<Step>,
    /// Leave no entry in the journal.
    pub unlogged: bool,
}

/// It is done.
#[derive(Default)]
pub struct Committed {
    pub generation: Option<u32>,
    /// (index of the command, handle of what it made)
    pub handles: Vec<(usize, u64)>,
    /// The tables of the commands before and after.
    pub before: Ruleset,
    pub after: Ruleset,
    /// While it waits; dropping it means the end of the program to the guard (see [`Hold`]).
    pub guard: Option<Guard>,
    /// Its number in the journal.
    pub entry: Option<u64>,
    /// What did not go well beside the commit itself.
    pub warnings: Vec<String>,
}

#[derive(Debug, Error)]
pub enum CommitError {
    /// The kernel refuses it; nothing was changed.
    #[error("{}", explain(refusals, commands))]
    Refused {
        refusals: Vec<Refusal>,
        commands: Vec<Command>,
    },
    /// Others changed the same tables since; nothing was changed.
    #[error(
        "somebody else changed the same tables in the meantime ({} changes); nothing was changed, look again",
        .0.theirs.commands.len()
    )]
    Moved(Box<ThreeWay>),
    #[error(
        "a change by {} waits for confirmation ({}); end it with `hookscope confirm` or `hookscope rollback` first",
        .0.who, remaining(.0)
    )]
    Window(Box<Pending>),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{0}; nothing was changed")]
    Kernel(Refused),
    #[error("cannot read the ruleset: {0}; nothing was changed")]
    Read(#[from] LoadError),
    /// About what was done beside the commands.
    #[error("{0}")]
    Beside(String),
    #[error("others change the same tables without a pause; nothing was changed")]
    Restless,
    /// What the commands were compiled for has changed: compile again.
    #[error("the ruleset changed while the text was read; nothing was changed")]
    Stale,
}

impl From<KernelError> for CommitError {
    fn from(error: KernelError) -> CommitError {
        CommitError::Read(error.into())
    }
}

fn remaining(pending: &Pending) -> String {
    match pending.left {
        Some(left) => format!("{} s are left", left.as_secs()),
        None => "it is being taken back".to_owned(),
    }
}

fn explain(refusals: &[Refusal], commands: &[Command]) -> String {
    let Some(first) = refusals.first() else {
        return "refused".to_owned();
    };
    let why = match commands.get(first.command) {
        Some(command) => first.explain(command),
        None => first.kernel(),
    };
    let more = match refusals.len() {
        1 => String::new(),
        more => format!("; {} more changes are refused", more - 1),
    };
    format!(
        "the kernel refuses change {} of {}: {why}{more}; nothing was changed",
        first.command + 1,
        commands.len()
    )
}

/// How often a commit starts again because others changed the same tables.
const TRIES: usize = 20;

/// Carry out `commands`, all or none of them.
pub fn run(commands: &[Command], options: &Options<'_>) -> Result<Committed, CommitError> {
    match carry_out(commands, Beside::default(), options) {
        Ok(done) => Ok(done),
        Err(BesideError::Commit(error)) => Err(error),
        Err(BesideError::Refused(refused)) => {
            // There was nothing.
            Err(CommitError::Beside(refused.to_string()))
        }
    }
}

/// Carry out `commands` and what goes with them, all or nothing.
pub fn run_with(
    commands: &[Command],
    beside: Beside,
    options: &Options<'_>,
) -> Result<Committed, BesideError> {
    if beside.is_empty() {
        return Ok(run(commands, options)?);
    }
    let mut options = options.clone();
    options.steps.extend(beside.steps());
    if commands.is_empty() {
        return run_step(beside.len(), &options, || beside.apply());
    }
    carry_out(commands, beside, &options)
}

fn carry_out(
    commands: &[Command],
    beside: Beside,
    options: &Options<'_>,
) -> Result<Committed, BesideError> {
    let waits = options.confirm.is_some() || options.limited.is_some();
    if let Some(window) = guard::pending().into_iter().find(|one| !one.limited) {
        return Err(CommitError::Window(Box::new(window)).into());
    }
    if commands.is_empty() {
        return Ok(Committed::default());
    }
    let plain = !waits && !options.check && options.reviewed.is_none() && beside.is_empty();
    if let Some(generation) = options.compiled_at
        && plain
        && adds_rules_only(commands)
    {
        return Ok(add_rules(commands, generation, options)?);
    }
    let refused = |error: Refused| match error {
        Refused::Commands(refusals) => CommitError::Refused {
            refusals,
            commands: commands.to_vec(),
        },
        other => CommitError::Kernel(other),
    };
    let mut watch = Watch::new().map_err(CommitError::from)?;
    let tables = watch.tables().map_err(CommitError::from)?;
    let mut scope = Scope::of(commands, &tables);
    if options.reviewed.is_none() {
        scope = scope.narrowed(commands, &tables);
    }
    let mut beside = (!beside.is_empty()).then_some(beside);
    let mut before = watch.read(&scope).map_err(CommitError::from)?;
    if options
        .compiled_at
        .is_some_and(|generation| generation != before.generation)
    {
        return Err(CommitError::Stale.into());
    }
    if waits || options.check || beside.is_some() {
        let check = kernel::Options {
            check: true,
            ..kernel::Options::default()
        };
        kernel::commit(commands, check).map_err(refused)?;
    }
    unmoved(commands, options, &scope, &before)?;
    if options.check {
        return Ok(Committed {
            after: before.clone(),
            before,
            ..Committed::default()
        });
    }
    let mut warnings = Vec::new();
    let mut entry = begin(commands.len(), options, &scope, &mut warnings);
    let number = entry.as_ref().map(|entry| entry.number);
    let cancel = |error: CommitError| {
        if let Some(number) = number {
            journal::cancel(number);
        }
        error
    };
    // What was done beside the commands, when they come to nothing.
    let mut made = Vec::new();
    let fail = |error: CommitError, made: &[Step]| {
        let left = Step::undo_all(made).1;
        match left.is_empty() {
            true => BesideError::from(cancel(error)),
            false => cancel(CommitError::Beside(format!(
                "{error}; what was done beside it could not be taken back: {}",
                left.join("; ")
            )))
            .into(),
        }
    };
    for _ in 0..TRIES {
        fault::point("program:before-guard");
        let guard = match stand_by(options, &scope, &before, entry.as_ref()) {
            Ok(guard) => guard,
            Err(error) => return Err(fail(error.into(), &made)),
        };
        if let Some(beside) = beside.take() {
            let steps = beside.steps();
            if let Err(refused) = beside.apply() {
                if let Some(guard) = guard {
                    guard.refused();
                }
                forget(entry.as_ref());
                return Err(StepError::Refused(refused));
            }
            made = steps;
        }
        fault::point("program:before-commit");
        match restore::pinned(&mut watch, &scope, commands, true) {
            Ok(outcome) => {
                fault::point("program:committed");
                let detach = options.hold == Hold::Detached || options.limited.is_some();
                let guard = match guard.map(|guard| guard.committed(detach)).transpose() {
                    Ok(guard) => guard,
                    Err(error) => {
                        warnings.push(error.to_string());
                        None
                    }
                };
                let after = watch.read(&scope).unwrap_or_else(|error| {
                    warnings.push(format!("cannot read what was made: {error}"));
                    before.clone()
                });
                let fate = if waits { Fate::Waiting } else { Fate::Kept };
                let mut steps = options.steps.clone();
                steps.iter_mut().for_each(Step::done);
                let written = entry.take().map(|entry| {
                    journal::finish(entry, outcome.generation, fate, (&before, &after), &steps)
                });
                if let Some(Err(error)) = written {
                    warnings.push(format!("the journal was not written: {error}"));
                }
                return Ok(Committed {
                    generation: outcome.generation,
                    handles: outcome.handles,
                    before,
                    after,
                    guard,
                    entry: number,
                    warnings,
                });
            }
            Err(error) => {
                if let Some(guard) = guard {
                    guard.refused();
                }
                if !matches!(error, Refused::Moved) {
                    return Err(fail(refused(error), &made));
                }
                let seen = before;
                before = watch
                    .read(&scope)
                    .map_err(|error| fail(error.into(), &made))?;
                unmoved(commands, options, &scope, &before).map_err(|error| fail(error, &made))?;
                if options.compiled_at.is_some() && !plan::diff(&seen, &before).commands.is_empty()
                {
                    return Err(fail(CommitError::Stale, &made));
                }
            }
        }
    }
    Err(fail(CommitError::Restless, &made))
}
