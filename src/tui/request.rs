//! What the interface asks of the kernel about changes, and what comes back. Plain data; the runner does it.

use crate::model::{Family, Name, Names, Ruleset};
use crate::session::changes::severed::Severed;
use crate::session::changes::whole::Opened;
use crate::session::changes::{Past, Problem, Window};
use crate::session::{Beside, Flows, boot};
use crate::stage::change::{Change, Edit};
use std::sync::Arc;
use std::time::Duration;

/// How long a commit stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    Always,
    /// It is taken back after this time unless somebody confirms it.
    Confirmed(Duration),
    /// It is taken back after this time.
    For(Duration),
}

impl Stay {
    pub fn confirm(self) -> Option<Duration> {
        match self {
            Stay::Confirmed(time) => Some(time),
            _ => None,
        }
    }

    pub fn limited(self) -> Option<Duration> {
        match self {
            Stay::For(time) => Some(time),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Request {
    /// Have the kernel look at the changes without making them.
    Check {
        version: u64,
        changes: Arc<Vec<Change>>,
        names: Arc<Names>,
    },
    /// Look which connections the changes would cut off.
    Severed {
        version: u64,
        changes: Arc<Vec<Change>>,
    },
    Commit {
        version: u64,
        changes: Arc<Vec<Change>>,
        names: Arc<Names>,
        stay: Stay,
        /// The reason, for the journal.
        why: String,
        /// What was on the screen when the person said yes.
        reviewed: Option<Arc<Ruleset>>,
    },
    /// What the next boot loads, held against what runs.
    Boot,
    /// Write what runs to the files of these programs, which are loaded at boot.
    SaveBoot(Vec<&'static str>),
    /// Keep the changes where a lost terminal does not lose them.
    Remember(Arc<Vec<Change>>),
    /// What a program staged that was killed.
    Recall,
    /// Read a table and print it, for an editor.
    OpenTable {
        family: Family,
        table: Name,
        names: Arc<Names>,
    },
    /// What makes of that table what an editor gave back.
    TableEdits {
        opened: Arc<Opened>,
        text: String,
        names: Arc<Names>,
    },
    /// Confirm the commit that waits.
    Keep,
    /// Take the commit back that waits.
    RollBack,
    /// Is there a commit that waits?
    Window,
    /// Take the last commit back that stands.
    UndoCommit,
    /// The commits of the journal.
    History,
    /// What decides about packets and is not in the picture.
    Beside { ruleset: Arc<Ruleset> },
    /// The tracked connections, of a snapshot where there is one; with rates since those before.
    Flows {
        snapshot: Option<Arc<Beside>>,
        before: Option<Arc<Flows>>,
    },
}

#[derive(Clone, Debug)]
pub enum Reply {
    Checked {
        version: u64,
        outcome: Result<(), Problem>,
    },
    /// With the generation that a commit made, and what went wrong beside it.
    Committed {
        version: u64,
        outcome: Result<(Option<u32>, Vec<String>), Problem>,
    },
    Severed {
        version: u64,
        outcome: Result<Severed, String>,
    },
    Remembered(Result<(), String>),
    Recalled(Vec<Edit>),
    TableOpened(Result<Arc<Opened>, String>),
    TableEdits(Result<Vec<Edit>, String>),
    Kept(Result<(), String>),
    /// With what could not be restored.
    RolledBack(Result<Vec<String>, String>),
    Window(Option<Window>),
    Boot(Result<Vec<boot::Saved>, String>),
    /// A sentence for each file.
    BootSaved(Vec<Result<String, String>>),
    History(Vec<Past>),
    Beside(Arc<Beside>),
    /// Or why they could not be read.
    Flows(Result<Arc<Flows>, String>),
}
