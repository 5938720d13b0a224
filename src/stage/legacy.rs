//! Replacing legacy tables so that it can be taken back. May use `model` and `kernel`.
//!
//! The kernel replaces one table at a time, as a whole. [`plan`] keeps the bytes that are there; [`apply`] replaces
//! table after table, and brings back those already replaced when one is refused; [`undo`] brings back what was.
//! Rules that stay keep what they have counted until then. What others did to a table since stays there: undoing
//! is a merge of what was, what was made of it and what is there now (`merge`), and may be repeated.

mod counted;
mod merge;

use crate::kernel::legacy::blob::{self, Blob, BlobError};
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::legacy::{LegacyError, XtablesLock};
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Family, Name};
use counted::Counters;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long another program may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// A table before and after a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub family: Family,
    pub table: Name,
    /// As the kernel gave it, counters among it.
    pub before: Blob,
    /// What it was replaced by.
    pub after: Blob,
}

/// Replacements, checked as far as that is possible without making them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    saved: Saved,
    wanted: LegacyTable,
    counters: Counters,
}

/// One table was not replaced, and those before it are what they were.
#[derive(Debug, Error)]
pub struct Refused {
    /// Of the table, in the order of the plan.
    pub index: usize,
    pub error: io::Error,
    /// What could not be brought back.
    pub left: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.error.raw_os_error() {
            Some(libc::EINVAL) => write!(
                f,
                "the kernel refuses the table: a match or target does not fit its chain or its protocol"
            )?,
            Some(libc::ENOENT) => write!(
                f,
                "the kernel refuses the table: it does not know one of its matches or targets"
            )?,
            Some(libc::ELOOP) => write!(f, "the kernel refuses the table: its chains loop")?,
            Some(libc::EAGAIN) => write!(f, "somebody else replaced the table meanwhile")?,
            _ => write!(f, "the kernel refuses the table: {}", self.error)?,
        }
        for sentence in &self.left {
            write!(f, "; {sentence}")?;
        }
        Ok(())
    }
}

/// Keep others from replacing legacy tables while one reads and writes them.
pub fn lock() -> io::Result<XtablesLock> {
    XtablesLock::take(PATIENCE)
}

impl Plan {
    /// The tables as they shall be.
    pub fn tables(&self) -> impl Iterator<Item = &LegacyTable> {
        self.changes.iter().map(|change| &change.wanted)
    }

    /// Add a table: what it is now, as the kernel gave it and decoded, and what it shall be.
    pub fn add(
        &mut self,
        before: Blob,
        now: &LegacyTable,
        wanted: LegacyTable,
    ) -> Result<(), BlobError> {
        let encoded = blob::encode(&wanted)?;
        let counters = Counters::asked(now, &wanted);
        debug_assert_eq!(encoded.counters.len(), counters.len());
        self.changes.push(Change {
            saved: Saved {
                family: wanted.family,
                table: wanted.name.clone(),
                before,
                after: Blob {
                    info: encoded.info,
                    bytes: Arc::new(encoded.blob.into()),
                },
            },
            wanted,
            counters,
        });
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// All that is needed to take it back.
    pub fn saved(&self) -> Vec<Saved> {
        self.changes
            .iter()
            .map(|change| change.saved.clone())
            .collect()
    }
}

/// Replace the tables, all of them or none. The caller holds the [`lock`] since it read them.
pub fn apply(plan: &Plan) -> Result<(), Refused> {
    for (index, change) in plan.changes.iter().enumerate() {
        let result = change.make();
        if let Err(error) = result {
            let mut left = Vec::new();
            // The table itself, too: it may have been replaced without its counters.
            for done in plan.changes.iter().take(index + 1).rev() {
                if let Err(why) = done.saved.undo() {
                    left.push(format!(
                        "table {} is not what it was: {why}",
                        done.saved.table
                    ));
                }
            }
            return Err(Refused { index, error, left });
        }
    }
    Ok(())
}

impl Change {
    fn make(&self) -> io::Result<()> {
        let saved = &self.saved;
        let socket = LegacySocket::open(saved.family)?;
        put(&socket, &saved.table, &saved.after, &self.counters)
    }
}

/// Replace one table, and give its rules what they have counted.
fn put(socket: &LegacySocket, table: &str, blob: &Blob, counters: &Counters) -> io::Result<()> {
    let fresh = socket.replace(table, &blob.info, &blob.bytes)?;
    socket.add_counters(table, &counters.with(&fresh))
}

impl Saved {
    /// It was replaced just now: keep it as the kernel tells it, which may leave out what matches keep for themselves.
    pub fn done(&mut self) {
        let now = LegacySocket::open(self.family)
            .ok()
            .and_then(|socket| socket.blob(&self.table).ok());
        if let Some(now) = now {
            self.after = now;
        }
    }

    fn decode(&self, blob: &Blob) -> Result<LegacyTable, BlobError> {
        blob::decode(self.family, &self.table, &blob.info, &blob.bytes)
    }

    /// Bring the table back: whether there was anything to bring back, and what could not be, a sentence each.
    fn undo(&self) -> Result<(bool, Vec<String>), String> {
        let text = |error: BlobError| error.to_string();
        let socket = LegacySocket::open(self.family).map_err(|error| error.to_string())?;
        let read = || socket.blob(&self.table).map_err(|error| error.to_string());
        let (before, after) = (
            self.decode(&self.before).map_err(text)?,
            self.decode(&self.after).map_err(text)?,
        );
        let now = self.decode(&read()?).map_err(text)?;
        if merge::same(&before, &now) {
            return Ok((false, Vec::new()));
        }
        let (wanted, left) = merge::back(&before, &after, &now);
        let blob = if merge::same(&wanted, &before) {
            self.before.clone()
        } else {
            let encoded = blob::encode(&wanted).map_err(text)?;
            Blob {
                info: encoded.info,
                bytes: Arc::new(encoded.blob.into()),
            }
        };
        let made = self.decode(&blob).map_err(text)?;
        let counters = Counters::kept(&now, &made, &wanted);
        put(&socket, &self.table, &blob, &counters).map_err(|error| error.to_string())?;
        let then = self.decode(&read()?).map_err(text)?;
        if !merge::same(&then, &wanted) {
            return Err("somebody else replaced it at the same time".to_owned());
        }
        Ok((true, left))
    }
}

/// Bring tables back to what they were: how many had to be, and what could not be, a sentence each.
pub fn undo(saved: &[Saved]) -> Result<(usize, Vec<String>), LegacyError> {
    let _lock = lock()?;
    let mut count = 0;
    let mut left = Vec::new();
    for one in saved.iter().rev() {
        match one.undo() {
            Ok((changed, sentences)) => {
                count += usize::from(changed);
                left.extend(sentences);
            }
            Err(why) => left.push(format!("legacy table {} {}: {why}", one.family, one.table)),
        }
    }
    Ok((count, left))
}

/// Whether something is there that [`undo`] would take back.
pub fn differs(saved: &[Saved]) -> bool {
    saved.iter().any(|one| {
        let now = LegacySocket::open(one.family)
            .ok()
            .and_then(|socket| socket.table(&one.table).ok());
        match (one.decode(&one.before), now) {
            (Ok(before), Some(now)) => !merge::same(&before, &now),
            _ => true,
        }
    })
}
