//! What the interface asks of the kernel about changes, and what comes back. Plain data; the runner does it.

use crate::model::{Family, Name, Names, Ruleset};
use crate::session::Beside;
use crate::session::changes::severed::Severed;
use crate::session::changes::whole::Opened;
use crate::session::changes::{Past, Problem, Window};
use crate::stage::change::{Change, Edit};
use std::sync::Arc;
use std::time::Duration;

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
        /// Take them back after this time unless they are confirmed.
        confirm: Option<Duration>,
    },
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
}

#[derive(Clone, Debug)]
pub enum Reply {
    Checked {
        version: u64,
        outcome: Result<(), Problem>,
    },
    /// With what went wrong beside a commit that was made.
    Committed {
        version: u64,
        outcome: Result<Vec<String>, Problem>,
    },
    Severed {
        version: u64,
        outcome: Result<Severed, String>,
    },
    TableOpened(Result<Arc<Opened>, String>),
    TableEdits(Result<Vec<Edit>, String>),
    Kept(Result<(), String>),
    /// With what could not be restored.
    RolledBack(Result<Vec<String>, String>),
    Window(Option<Window>),
    History(Vec<Past>),
    Beside(Arc<Beside>),
}
