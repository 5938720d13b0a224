//! Carrying out what was asked about changes, on blocking threads, and keeping the guard of a commit that waits.

use crate::session::changes::{Terms, kept, severed, whole};
use crate::session::{beside, boot, changes, flows};
use crate::stage::change::Edit;
use crate::stage::guard::Guard;
use crate::stage::save::Saved;
use crate::tui::request::{Reply, Request};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The guard on this side: when it is dropped before the commit is confirmed, the commit is taken back.
pub type Held = Arc<Mutex<Option<Guard>>>;

/// Commits of the journal that are shown.
const HISTORY: usize = 50;

pub fn run(request: Request, held: &Held) -> Reply {
    let edits = |changes: &[crate::stage::change::Change]| -> Vec<Edit> {
        changes.iter().map(|change| change.edit.clone()).collect()
    };
    let release = || {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        // A commit may have been made since this was asked for: dropping its guard would take it back.
        let guard = held.take_if(|guard| !guard.waits());
        drop(held);
        if let Some(mut guard) = guard {
            // It has nothing left to do: wait for its end, so that no dead process is left behind.
            let over = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                guard.is_over()
            });
            if !over {
                tracing::warn!("the guard of a settled commit still runs");
            }
        }
    };
    match request {
        Request::Check {
            version,
            changes,
            names,
        } => Reply::Checked {
            version,
            outcome: changes::check(&edits(&changes), &names),
        },
        Request::Severed { version, changes } => Reply::Severed {
            version,
            outcome: severed::by_edits(&edits(&changes)),
        },
        Request::Commit {
            version,
            changes,
            names,
            stay,
            why,
            reviewed,
        } => {
            let terms = Terms {
                confirm: stay.confirm(),
                limited: stay.limited(),
                why: match why.as_str() {
                    "" => "made in the terminal interface",
                    why => why,
                },
                reviewed: reviewed.as_deref(),
            };
            let outcome = changes::commit(&edits(&changes), &names, terms);
            let outcome = outcome.map(|done| {
                *held.lock().unwrap_or_else(PoisonError::into_inner) = done.guard;
                (done.generation, done.warnings)
            });
            Reply::Committed { version, outcome }
        }
        Request::Remember(changes) => {
            let kept = kept::keep(&edits(&changes));
            Reply::Remembered(kept.map_err(|error| error.to_string()))
        }
        Request::Recall => Reply::Recalled(kept::orphaned().unwrap_or_default()),
        Request::OpenTable {
            family,
            table,
            names,
        } => Reply::TableOpened(whole::open(family, &table, &names).map(Arc::new)),
        Request::TableEdits {
            opened,
            text,
            names,
        } => Reply::TableEdits(whole::edits(&opened, &text, &names)),
        Request::Keep => {
            let outcome = changes::keep();
            if outcome.is_ok() {
                release();
            }
            Reply::Kept(outcome)
        }
        Request::RollBack => {
            let outcome = changes::roll_back();
            if outcome.is_ok() {
                release();
            }
            Reply::RolledBack(outcome)
        }
        Request::UndoCommit => Reply::RolledBack(changes::undo_last()),
        Request::Beside { ruleset } => Reply::Beside(Arc::new(beside::read(&ruleset))),
        Request::Flows { snapshot, before } => Reply::Flows(match snapshot {
            Some(beside) => Ok(Arc::new(flows::of_snapshot(&beside))),
            None => match flows::read(before.as_deref()) {
                Ok(flows) => Ok(Arc::new(flows)),
                Err(error) => Err(flows::explain(&error)),
            },
        }),
        Request::Boot => Reply::Boot(boot::look_now()),
        Request::SaveBoot(programs) => {
            let saved = programs.into_iter().map(boot::write::file);
            let sentence = |saved: Saved| match (saved.written, saved.backup) {
                (false, _) => format!("{} says this already", saved.path.display()),
                (true, None) => format!("{} is written", saved.path.display()),
                (true, Some(backup)) => format!(
                    "{} is written; what was there is in {}",
                    saved.path.display(),
                    backup.file_name().unwrap_or_default().display()
                ),
            };
            Reply::BootSaved(saved.map(|one| one.map(sentence)).collect())
        }
        Request::History => Reply::History(changes::history(HISTORY)),
        Request::Window => {
            let window = changes::window();
            if window.is_none() {
                release();
            }
            Reply::Window(window)
        }
    }
}
