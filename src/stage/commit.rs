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

use super::guard::state::{self, Phase, State};
use super::guard::{self, Guard, GuardError, Pending, restore};
use super::journal::{self, Fate, Note};
use super::plan::{self, Pictures, Plan};
use super::touched::{Scope, Watch};
use super::{Step, fault};
use crate::kernel::netlink::KernelError;
use crate::kernel::nf_tables::commit as kernel;
use crate::kernel::nf_tables::load::LoadError;
use crate::kernel::nf_tables::refusal::{Refusal, Refused};
use crate::model::command::{Command, Place, Take, What};
use crate::model::ipset::IpSetChange;
use crate::model::set::flags;
use crate::model::{Elements, Ruleset};
use std::sync::Arc;
use std::time::Duration;
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

/// What the person saw, what others made of it, and what the person wanted.
#[derive(Debug)]
pub struct ThreeWay {
    /// From what was reviewed to what is now.
    pub theirs: Plan,
    pub ours: Vec<Command>,
    /// The tables of the commands as they are now.
    pub now: Ruleset,
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

/// What is done beside the commands. Neither legacy tables nor rtnetlink have transactions: the kernel has checked
/// the commands when these are done, and they are taken back when it refuses the commands all the same. The caller
/// holds the lock of legacy tables since it read them for the plan.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub legacy: super::legacy::Plan,
    pub routes: super::route::Plan,
}

impl Beside {
    pub fn is_empty(&self) -> bool {
        self.legacy.is_empty() && self.routes.changes.is_empty()
    }

    fn len(&self) -> usize {
        self.legacy.len() + self.routes.changes.len()
    }

    /// What takes it back.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.legacy.is_empty() {
            steps.push(Step::Legacy(self.legacy.saved()));
        }
        if !self.routes.changes.is_empty() {
            steps.push(Step::Routes(self.routes.before.clone()));
        }
        steps
    }

    /// All of it or nothing.
    fn apply(self) -> Result<(), BesideRefused> {
        super::legacy::apply(&self.legacy).map_err(BesideRefused::Legacy)?;
        if self.routes.changes.is_empty() {
            return Ok(());
        }
        let done = match self.legacy.is_empty() {
            true => Vec::new(),
            false => vec![Step::Legacy(self.legacy.saved())],
        };
        let applied = super::route::apply(self.routes, false);
        applied.map(drop).map_err(|refused| BesideRefused::Routes {
            refused,
            left: Step::undo_all(&done).1,
        })
    }
}

/// What the kernel refused beside the commands; the rest was taken back.
#[derive(Debug, Error)]
pub enum BesideRefused {
    #[error("{0}")]
    Legacy(super::legacy::Refused),
    #[error("{refused}{}", left.iter().map(|one| format!("; {one}")).collect::<String>())]
    Routes {
        refused: super::route::Refused,
        /// What could not be taken back, a sentence each.
        left: Vec<String>,
    },
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
    let compiled = options.compiled_at.is_some() && !options.check;
    let mut beside = (!beside.is_empty()).then_some(beside);
    if compiled && !waits && beside.is_none() && adds_rules_only(commands, &scope) {
        return Ok(add_rules(commands, &mut watch, &scope, options)?);
    }
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
    let entry = begin(commands.len(), options, &scope, &mut warnings);
    let cancel = |error: CommitError| {
        if let Some(entry) = entry {
            journal::cancel(entry);
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
        let guard = match stand_by(options, &scope, &before, entry) {
            Ok(guard) => guard,
            Err(error) => return Err(fail(error.into(), &made)),
        };
        if let Some(beside) = beside.take() {
            let steps = beside.steps();
            if let Err(refused) = beside.apply() {
                if let Some(guard) = guard {
                    guard.refused();
                }
                forget(entry);
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
                let written = entry.map(|entry| {
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
                    entry,
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

/// Whether all that the commands do is undone by deleting the rules that they make.
fn adds_rules_only(commands: &[Command], scope: &Scope) -> bool {
    let adds = |command: &Command| match &command.what {
        What::MakeRule(rule) => !matches!(rule.place, Place::Replace(_)),
        _ => false,
    };
    matches!(scope, Scope::Chains(_)) && commands.iter().all(adds)
}

/// Make rules where nobody waits for a confirmation: their handles take them back, and the chains need not be read,
/// however long they are.
fn add_rules(
    commands: &[Command],
    watch: &mut Watch,
    scope: &Scope,
    options: &Options<'_>,
) -> Result<Committed, CommitError> {
    let known = options.compiled_at.unwrap_or(watch.generation);
    if known != watch.generation {
        return Err(CommitError::Stale);
    }
    let mut done = Committed::default();
    let none = Scope::of(&[], &[]);
    done.entry = begin(commands.len(), options, &none, &mut done.warnings);
    fault::point("program:before-commit");
    let outcome = match restore::pinned(watch, scope, commands, true) {
        Ok(outcome) => outcome,
        Err(error) => {
            forget(done.entry);
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
    if let Some(entry) = done.entry
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

/// Why something beside the ruleset was not changed.
#[derive(Debug, Error)]
pub enum StepError<E> {
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("{0}")]
    Refused(E),
}

pub type BesideError = StepError<BesideRefused>;
pub type RouteError = StepError<super::route::Refused>;
pub type IpSetError = StepError<super::ipset::Refused>;
pub type LegacyError = StepError<super::legacy::Refused>;

/// Carry out changes of routes, policy rules, neighbours and next hops, all or none of them, under the same guard
/// and into the same journal as commits of the ruleset.
pub fn run_routes(
    plan: super::route::Plan,
    options: &Options<'_>,
) -> Result<Committed, RouteError> {
    let options = with_step(options, Step::Routes(plan.before.clone()));
    run_step(plan.changes.len(), &options, || {
        super::route::apply(plan, false).map(drop)
    })
}

/// Replace legacy tables, all or none of them, likewise. The caller holds the lock of legacy tables since it read
/// them for the plan.
pub fn run_legacy(
    plan: &super::legacy::Plan,
    options: &Options<'_>,
) -> Result<Committed, LegacyError> {
    let options = with_step(options, Step::Legacy(plan.saved()));
    run_step(plan.len(), &options, || super::legacy::apply(plan))
}

/// Change ipsets, all changes or none, likewise.
pub fn run_ipsets(
    changes: &[IpSetChange],
    saved: super::ipset::Saved,
    options: &Options<'_>,
) -> Result<Committed, IpSetError> {
    let options = with_step(options, Step::IpSets(saved.clone()));
    run_step(changes.len(), &options, || {
        super::ipset::apply(changes, &saved)
    })
}

fn with_step<'r>(options: &Options<'r>, step: Step) -> Options<'r> {
    Options {
        steps: vec![step],
        ..options.clone()
    }
}

/// Do something that is no transaction of nf_tables: the steps of `options` take it back, `apply` does it or leaves
/// all as it was.
fn run_step<E>(
    count: usize,
    options: &Options<'_>,
    apply: impl FnOnce() -> Result<(), E>,
) -> Result<Committed, StepError<E>> {
    if let Some(window) = guard::pending().into_iter().find(|one| !one.limited) {
        return Err(CommitError::Window(Box::new(window)).into());
    }
    let mut done = Committed::default();
    if count == 0 {
        return Ok(done);
    }
    // No table of the ruleset is touched.
    let scope = Scope::of(&[], &[]);
    let mut options = options.clone();
    done.entry = begin(count, &options, &scope, &mut done.warnings);
    fault::point("program:before-guard");
    let guard = stand_by(&options, &scope, &Ruleset::default(), done.entry)
        .inspect_err(|_| forget(done.entry))
        .map_err(CommitError::from)?;
    fault::point("program:before-commit");
    if let Err(refused) = apply() {
        if let Some(guard) = guard {
            guard.refused();
        }
        forget(done.entry);
        return Err(StepError::Refused(refused));
    }
    fault::point("program:committed");
    options.steps.iter_mut().for_each(Step::done);
    let detach = options.hold == Hold::Detached || options.limited.is_some();
    match guard.map(|guard| guard.committed(detach)).transpose() {
        Ok(guard) => done.guard = guard,
        Err(error) => done.warnings.push(error.to_string()),
    }
    let waits = options.confirm.is_some() || options.limited.is_some();
    let fate = if waits { Fate::Waiting } else { Fate::Kept };
    let pictures = (&done.before, &done.after);
    if let Some(entry) = done.entry
        && let Err(error) = journal::finish(entry, None, fate, pictures, &options.steps)
    {
        done.warnings
            .push(format!("the journal was not written: {error}"));
    }
    Ok(done)
}

/// Nothing came of it.
fn forget(entry: Option<u64>) {
    if let Some(entry) = entry {
        journal::cancel(entry);
    }
}

fn begin(
    count: usize,
    options: &Options<'_>,
    scope: &Scope,
    warnings: &mut Vec<String>,
) -> Option<u64> {
    if options.unlogged {
        return None;
    }
    let text = match options.text.is_empty() {
        true => format!("{count} changes"),
        false => options.text.clone(),
    };
    let note = Note {
        why: options.why.clone(),
        text,
        generation: None,
        scope: listed(scope),
        chains: scope.chains(),
        undoes: None,
    };
    journal::begin(note)
        .map_err(|error| {
            let place = journal::directory();
            let text = format!(
                "the journal in '{}' was not written: {error}",
                place.display()
            );
            warnings.push(text);
        })
        .ok()
}

fn listed(scope: &Scope) -> Option<Vec<plan::TableKey>> {
    let mut tables: Vec<_> = scope.tables()?.iter().cloned().collect();
    tables.sort();
    Some(tables)
}

/// The guard, where one is asked for: on disk, running, and hearing what the kernel does.
fn stand_by(
    options: &Options<'_>,
    scope: &Scope,
    before: &Ruleset,
    entry: Option<u64>,
) -> Result<Option<Guard>, GuardError> {
    let (time, limited) = match (options.confirm, options.limited) {
        (Some(time), _) => (time, false),
        (None, Some(time)) => (time, true),
        (None, None) => return Ok(None),
    };
    let place = if limited {
        state::limited().map_err(|error| GuardError::Start(error.to_string()))?
    } else {
        state::window()
    };
    let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let state = State {
        phase: Phase::Prepared,
        program: nix::unistd::gettid().as_raw().cast_unsigned(),
        made: journal::now(),
        deadline: state::boot_time().saturating_add(time),
        read: state::awake_time(),
        who: journal::who(),
        why: options.why.clone(),
        limited,
        scope: listed(scope),
        chains: scope.chains(),
        before: before.clone(),
        after: None,
        steps: options.steps.clone(),
        entry,
    };
    Guard::prepare(&place, &state).map(Some)
}

/// The tables of the commands still say what the person saw.
fn unmoved(
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
