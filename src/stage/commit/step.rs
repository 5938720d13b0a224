//! Changes that are no transactions of nf_tables, under the same guard and into the same journal: routes, legacy
//! tables, ipsets.

use super::prepare::{begin, forget, stand_by};
use super::{BesideRefused, CommitError, Committed, Hold, Options};
use crate::model::Ruleset;
use crate::model::ipset::IpSetChange;
use crate::stage::journal::{self, Fate};
use crate::stage::touched::Scope;
use crate::stage::{Step, fault, guard, ipset, legacy, route};
use thiserror::Error;

/// Why something beside the ruleset was not changed.
#[derive(Debug, Error)]
pub enum StepError<E> {
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("{0}")]
    Refused(E),
}

pub type BesideError = StepError<BesideRefused>;
pub type RouteError = StepError<route::Refused>;
pub type IpSetError = StepError<ipset::Refused>;
pub type LegacyError = StepError<legacy::Refused>;

/// Carry out changes of routes, policy rules, neighbours and next hops, all or none of them, under the same guard
/// and into the same journal as commits of the ruleset.
pub fn run_routes(plan: route::Plan, options: &Options<'_>) -> Result<Committed, RouteError> {
    let options = with_step(options, Step::Routes(plan.before.clone()));
    run_step(plan.changes.len(), &options, || {
        route::apply(plan, false).map(drop)
    })
}

/// Replace legacy tables, all or none of them, likewise. The caller holds the lock of legacy tables since it read
/// them for the plan.
pub fn run_legacy(
    plan: &mut legacy::Plan,
    options: &Options<'_>,
) -> Result<Committed, LegacyError> {
    let options = with_step(options, Step::Legacy(plan.saved()));
    run_step(plan.len(), &options, || legacy::apply(plan))
}

/// Change ipsets, all changes or none, likewise.
pub fn run_ipsets(
    changes: &[IpSetChange],
    saved: ipset::Saved,
    options: &Options<'_>,
) -> Result<Committed, IpSetError> {
    let options = with_step(options, Step::IpSets(saved.clone()));
    run_step(changes.len(), &options, || ipset::apply(changes, &saved))
}

fn with_step<'r>(options: &Options<'r>, step: Step) -> Options<'r> {
    Options {
        steps: vec![step],
        ..options.clone()
    }
}

/// Do something that is no transaction of nf_tables: the steps of `options` take it back, `apply` does it or leaves
/// all as it was.
pub(super) fn run_step<E>(
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
    let entry = begin(count, &options, &scope, &mut done.warnings);
    done.entry = entry.as_ref().map(|entry| entry.number);
    fault::point("program:before-guard");
    let guard = stand_by(&options, &scope, &Ruleset::default(), entry.as_ref())
        .inspect_err(|_| forget(entry.as_ref()))
        .map_err(CommitError::from)?;
    fault::point("program:before-commit");
    if let Err(refused) = apply() {
        if let Some(guard) = guard {
            guard.refused();
        }
        forget(entry.as_ref());
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
    if let Some(entry) = entry
        && let Err(error) = journal::finish(entry, None, fate, pictures, &options.steps)
    {
        done.warnings
            .push(format!("the journal was not written: {error}"));
    }
    Ok(done)
}
