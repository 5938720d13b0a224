//! Commits that were made: the one that waits, the journal, and taking them back. Everything here blocks.

use crate::stage::guard::{self, Restored};
use crate::stage::journal::{self, Entry, Fate};
use crate::stage::undo;
use chrono::{DateTime, Local};
use std::time::Duration;

/// A confirm window of this network namespace, whoever opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Until the commit is taken back; nothing while that is being done.
    pub left: Option<Duration>,
    pub who: String,
}

pub fn window() -> Option<Window> {
    let pending = guard::pending().into_iter().find(|one| !one.limited)?;
    Some(Window {
        left: pending.left,
        who: pending.who,
    })
}

/// Keep the commit that waits.
pub fn keep() -> Result<(), String> {
    guard::confirm()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Take the commit back that waits; what could not be restored, a sentence each.
pub fn roll_back() -> Result<Vec<String>, String> {
    let (_, restored) = guard::rollback().map_err(|error| error.to_string())?;
    Ok(unrestored(restored))
}

/// Take the last commit of the journal back that stands; what could not be restored, a sentence each.
pub fn undo_last() -> Result<Vec<String>, String> {
    let (_, restored) = undo::last().map_err(|error| error.to_string())?;
    Ok(unrestored(restored))
}

fn unrestored(restored: Restored) -> Vec<String> {
    let mut left = restored.left;
    if left.is_empty() && !restored.verified {
        left.push("the ruleset is not what it was".into());
    }
    left
}

/// A commit of the journal, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub number: u64,
    /// Local date and time.
    pub when: String,
    pub who: String,
    pub what: String,
    pub fate: String,
    /// It can be taken back, when nothing later stands.
    pub stands: bool,
}

/// The newest commits of this network namespace, the last one first.
pub fn history(most: usize) -> Vec<Past> {
    let past = |entry: &Entry| {
        let time = i64::try_from(entry.time).unwrap_or(i64::MAX);
        let when = DateTime::from_timestamp(time, 0)
            .map(|when| when.with_timezone(&Local).format("%m-%d %H:%M").to_string());
        let mut commands = entry.text.lines();
        let mut what = commands.next().unwrap_or_default().to_string();
        let more = commands.count();
        if more > 0 {
            what.push_str(&format!(" (and {more} more)"));
        }
        Past {
            number: entry.number,
            when: when.unwrap_or_default(),
            who: entry.who.clone(),
            what,
            fate: match &entry.fate {
                Fate::Begun => "cut short".into(),
                Fate::Kept => "kept".into(),
                Fate::Waiting => "waits".into(),
                Fate::RolledBack { .. } => "taken back".into(),
                Fate::Undone(_) => "undone".into(),
            },
            stands: entry.fate == Fate::Kept && entry.undoes.is_none(),
        }
    };
    journal::here().iter().rev().take(most).map(past).collect()
}
