//! Replacing legacy tables so that it can be taken back. May use `model` and `kernel`.
//!
//! The kernel replaces one table at a time, as a whole. [`plan`] keeps the bytes that are there; [`apply`] replaces
//! table after table, and brings back those already replaced when one is refused; [`undo`] brings back what was.
//! Rules that stay keep what they have counted until then. What others did to a table since stays there: undoing
//! is a merge of what was, what was made of it and what is there now (`merge`), and may be repeated.
//!
//! A change of single rules is made in the bytes (`edit`): of a table of a cluster all the rest need not be understood,
//! nor kept for taking it back. [`rehearse`] asks the kernel about a plan without carrying it out.

mod counted;
pub mod edit;
mod merge;
mod rehearse;

use crate::kernel::legacy::blob::{self, Blob, BlobError};
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::legacy::{LegacyError, XtablesLock};
use crate::model::xtables::rule::{LegacyChain, LegacyTable};
use crate::model::{Family, Name};
use counted::Counters;
use edit::{Back, Changed, Edited};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;
use thiserror::Error;

pub use rehearse::{Rehearsal, rehearse};

const MEANWHILE: &str = "somebody else replaced it at the same time";
/// How long another program may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// What takes the change of a table back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub family: Family,
    pub table: Name,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kept {
    /// The table as the kernel gave it, counters among it, and what it was replaced by.
    Whole { before: Blob, after: Blob },
    /// Chains where nothing but rules of these was changed.
    Chains(Vec<Changed>),
}

/// Replacements, checked as far as that is possible without making them.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    saved: Saved,
    after: Blob,
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
    pub fn tables(&self) -> Result<Vec<LegacyTable>, BlobError> {
        let tables = self.changes.iter();
        tables
            .map(|change| change.saved.decode(&change.after))
            .collect()
    }

    /// Add a table: what it is now, as the kernel gave it and decoded, and what it shall be.
    pub fn add(
        &mut self,
        before: Blob,
        now: &LegacyTable,
        wanted: &LegacyTable,
    ) -> Result<(), BlobError> {
        let encoded = blob::encode(wanted)?;
        let counters = Counters::asked(now, wanted);
        debug_assert_eq!(encoded.counters.len(), counters.len());
        let after = encoded.into_blob();
        self.changes.push(Change {
            saved: Saved {
                family: wanted.family,
                table: wanted.name.clone(),
                kept: Kept::Whole {
                    before,
                    after: after.clone(),
                },
            },
            after,
            counters,
        });
        Ok(())
    }

    /// Add a table in which rules were changed one by one.
    pub fn add_edited(&mut self, edited: Edited) {
        let Edited {
            family,
            table,
            after,
            chains,
            counters,
        } = edited;
        self.changes.push(Change {
            saved: Saved {
                family,
                table,
                kept: Kept::Chains(chains),
            },
            after,
            counters,
        });
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
pub fn apply(plan: &mut Plan) -> Result<(), Refused> {
    for index in 0..plan.changes.len() {
        let result = plan.changes.get_mut(index).map_or(Ok(()), Change::make);
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
    fn make(&mut self) -> io::Result<()> {
        let socket = LegacySocket::open(self.saved.family)?;
        put(&socket, &self.saved.table, &mut self.after, &self.counters)
    }
}

/// Replace one table, and give its rules what they have counted.
fn put(socket: &LegacySocket, table: &str, blob: &mut Blob, counters: &Counters) -> io::Result<()> {
    let fresh = socket.replace(table, blob)?;
    let counted = counters.with(fresh);
    // They start from nothing by themselves.
    match counted.iter().all(|one| *one == merge::ZERO) {
        true => Ok(()),
        false => socket.add_counters(table, &counted),
    }
}

impl Saved {
    /// It was replaced just now: keep it as the kernel tells it, which may leave out what matches keep for themselves.
    /// Those of rules that were made one by one hold nothing yet.
    pub fn done(&mut self) {
        let Kept::Whole { after, .. } = &mut self.kept else {
            return;
        };
        let now = LegacySocket::open(self.family)
            .ok()
            .and_then(|socket| socket.blob(&self.table).ok());
        if let Some(now) = now {
            *after = now;
        }
    }

    fn decode(&self, blob: &Blob) -> Result<LegacyTable, BlobError> {
        blob::decode(self.family, &self.table, &blob.info, &blob.bytes)
    }

    /// The table before and after the change, where `now` is what it is now: chains that the change was not about are
    /// the same in both.
    fn tables(&self, now: &LegacyTable) -> Result<(LegacyTable, LegacyTable), BlobError> {
        match &self.kept {
            Kept::Whole { before, after } => Ok((self.decode(before)?, self.decode(after)?)),
            Kept::Chains(chains) => {
                let chains: Result<Vec<_>, _> = chains.iter().map(Changed::decode).collect();
                let chains = chains?;
                Ok((
                    with_chains(now, chains.iter().map(|(before, _)| before)),
                    with_chains(now, chains.iter().map(|(_, after)| after)),
                ))
            }
        }
    }

    /// Bring the table back: whether there was anything to bring back, and what could not be, a sentence each.
    fn undo(&self) -> Result<(bool, Vec<String>), String> {
        let text = |error: BlobError| error.to_string();
        let socket = LegacySocket::open(self.family).map_err(|error| error.to_string())?;
        let read = || socket.blob(&self.table).map_err(|error| error.to_string());
        let mut now = read()?;
        if let Kept::Chains(chains) = &self.kept {
            let back = |blob| edit::back(self.family, &self.table, blob, chains).map_err(text);
            match back(now)? {
                Back::Done => return Ok((false, Vec::new())),
                Back::Edited(Edited {
                    mut after,
                    counters,
                    ..
                }) => {
                    put(&socket, &self.table, &mut after, &counters)
                        .map_err(|error| error.to_string())?;
                    return match back(read()?)? {
                        Back::Done => Ok((true, Vec::new())),
                        _ => Err(MEANWHILE.to_owned()),
                    };
                }
                Back::Merge => now = read()?,
            }
        }
        let now = self.decode(&now).map_err(text)?;
        let (before, after) = self.tables(&now).map_err(text)?;
        if merge::same(&before, &now) {
            return Ok((false, Vec::new()));
        }
        let (wanted, left) = merge::back(&before, &after, &now);
        if merge::same(&wanted, &now) {
            return Ok((false, left));
        }
        let mut blob = match &self.kept {
            Kept::Whole { before: whole, .. } if merge::same(&wanted, &before) => whole.clone(),
            _ => blob::encode(&wanted).map_err(text)?.into_blob(),
        };
        let made = self.decode(&blob).map_err(text)?;
        let counters = Counters::kept(&now, &made, &wanted);
        put(&socket, &self.table, &mut blob, &counters).map_err(|error| error.to_string())?;
        let then = self.decode(&read()?).map_err(text)?;
        if !merge::same(&then, &wanted) {
            return Err(MEANWHILE.to_owned());
        }
        Ok((true, left))
    }
}

/// A table with other chains in the place of those of the same names.
fn with_chains<'c>(
    table: &LegacyTable,
    chains: impl Iterator<Item = &'c LegacyChain>,
) -> LegacyTable {
    let mut table = table.clone();
    for chain in chains {
        match table.chains.iter_mut().find(|one| one.name == chain.name) {
            Some(there) => {
                // The policy was not changed: it is what it is now.
                let policy = there.policy.take();
                *there = chain.clone();
                there.policy = policy;
            }
            None => table.chains.push(chain.clone()),
        }
    }
    table
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
        let Some(now) = now else { return true };
        let before = one.tables(&now).map(|(before, _)| before);
        before.map_or(true, |before| !merge::same(&before, &now))
    })
}
