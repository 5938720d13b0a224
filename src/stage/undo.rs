//! Taking back the last commits of the journal, one after the other.

use super::Step;
use super::guard::{Restored, restore};
use super::journal::{self, Entry, Fate, Kept, Note};
use super::touched::{Scope, Watch};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum UndoError {
    #[error("the journal has no commit of this network namespace that could be taken back")]
    Nothing,
    #[error(
        "a change waits for confirmation; end it with `hookscope confirm` or `hookscope rollback` first"
    )]
    Window,
    #[error("what commit {0} changed is no longer kept: {1}")]
    Gone(u64, std::io::Error),
    #[error("cannot take commit {0} back: {1}")]
    Restore(u64, String),
}

/// Take the newest commit back that stands; returns it, and how it went. What others did since stays.
pub fn last() -> Result<(Entry, Restored), UndoError> {
    if super::guard::pending().iter().any(|one| !one.limited) {
        return Err(UndoError::Window);
    }
    let entries = journal::here();
    let stands = |entry: &&Entry| entry.fate == Fate::Kept && entry.undoes.is_none();
    let entry = entries
        .iter()
        .rev()
        .find(stands)
        .ok_or(UndoError::Nothing)?;
    let number = entry.number;
    let Kept {
        before,
        after,
        steps,
    } = journal::kept(number).map_err(|error| UndoError::Gone(number, error))?;
    let scope = Scope::kept(entry.scope.as_deref(), &entry.chains);
    let wrong = |why: String| UndoError::Restore(number, why);
    let mut watch = Watch::new().map_err(|error| wrong(error.to_string()))?;
    let now = watch
        .read(&scope)
        .map_err(|error| wrong(error.to_string()))?;
    let age = journal::now().saturating_sub(entry.time) * 1000;
    let note = Note {
        why: format!("takes back commit {number}"),
        text: format!("takes back: {}", entry.text),
        generation: None,
        scope: entry.scope.clone(),
        chains: entry.chains.clone(),
        undoes: Some(number),
    };
    let own = journal::begin(note).ok();
    let mut restored = match restore::restore_to(&before, Some(&after), &scope, age) {
        Ok(restored) => restored,
        Err(why) => {
            if let Some(own) = own {
                journal::cancel(own.number);
            }
            return Err(wrong(why));
        }
    };
    let (taken_back, left) = Step::undo_all(&steps);
    restored.commands += taken_back;
    restored.left.extend(left);
    let then = watch
        .read(&scope)
        .map_err(|error| wrong(error.to_string()))?;
    let written = own.map(|own| {
        let generation = Some(then.generation);
        journal::finish(own, generation, Fate::Kept, (&now, &then), &[])
    });
    if !matches!(written, Some(Ok(()))) {
        journal::set_fate(number, Fate::Undone(0));
    }
    Ok((entry.clone(), restored))
}
