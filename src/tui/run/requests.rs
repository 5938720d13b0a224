//! Carrying out what was asked about changes, on blocking threads, and keeping the guard of a commit that waits.

use crate::session::changes;
use crate::stage::change::Edit;
use crate::stage::guard::Guard;
use crate::tui::request::{Reply, Request};
use std::sync::{Arc, Mutex, PoisonError};

/// The guard on this side: when it is dropped before the commit is confirmed, the commit is taken back.
pub type Held = Arc<Mutex<Option<Guard>>>;

pub fn run(request: Request, held: &Held) -> Reply {
    let edits = |changes: &[crate::stage::change::Change]| -> Vec<Edit> {
        changes.iter().map(|change| change.edit.clone()).collect()
    };
    let release = || {
        // Its words are said; what is left is a process that has ended.
        if let Some(mut guard) = held.lock().unwrap_or_else(PoisonError::into_inner).take() {
            guard.is_over();
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
        Request::Commit {
            version,
            changes,
            names,
            confirm,
        } => {
            let outcome = changes::commit(&edits(&changes), &names, confirm);
            let outcome = outcome.map(|done| {
                *held.lock().unwrap_or_else(PoisonError::into_inner) = done.guard;
                done.warnings
            });
            Reply::Committed { version, outcome }
        }
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
        Request::Window => {
            let window = changes::window();
            if window.is_none() {
                release();
            }
            Reply::Window(window)
        }
    }
}
