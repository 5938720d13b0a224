//! What stands ready before anything is changed: the entry of the journal, and the guard.

use super::Options;
use crate::model::Ruleset;
use crate::stage::guard::state::{self, Phase, State};
use crate::stage::guard::{Guard, GuardError};
use crate::stage::journal::{self, Entry, Note};
use crate::stage::plan;
use crate::stage::touched::Scope;

/// Nothing came of it.
pub(super) fn forget(entry: Option<&Entry>) {
    if let Some(entry) = entry {
        journal::cancel(entry.number);
    }
}

pub(super) fn begin(
    count: usize,
    options: &Options<'_>,
    scope: &Scope,
    warnings: &mut Vec<String>,
) -> Option<Entry> {
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

pub(super) fn listed(scope: &Scope) -> Option<Vec<plan::TableKey>> {
    let mut tables: Vec<_> = scope.tables()?.iter().cloned().collect();
    tables.sort();
    Some(tables)
}

/// The guard, where one is asked for: on disk, running, and hearing what the kernel does.
pub(super) fn stand_by(
    options: &Options<'_>,
    scope: &Scope,
    before: &Ruleset,
    entry: Option<&Entry>,
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
        entry: entry.map(|entry| entry.number),
    };
    Guard::prepare(&place, &state).map(Some)
}
