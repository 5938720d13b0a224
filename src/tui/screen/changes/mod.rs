//! Changes: what is staged, as a difference; what the kernel says to it; the commit and its confirm window.
//!
//! May use `stage`'s change set, `session`'s words about it and the rest of `tui`.

pub mod render;
pub mod table;
pub mod update;

use crate::model::Ruleset;
use crate::session::boot::Saved;
use crate::session::changes::severed::Severed;
use crate::session::changes::whole::Opened;
use crate::session::changes::{Moved, Past};
use crate::stage::change::{Change, ChangeSet};
use crate::stage::difference::Difference;
use crate::tui::request::Stay;
use crate::tui::widget::input::Input;
use crate::tui::widget::list::ListState;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What is known about one change of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel would take it.
    Good,
    /// It would not. Bytes of the command, and why.
    Refused {
        start: usize,
        message: String,
        help: Option<String>,
        moved: Option<Moved>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    Checking,
    Committing {
        stay: Stay,
    },
    Ending,
    /// A table is read for the editor, or what it gave back is.
    Editing,
}

/// A commit that waits for confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// When it is taken back, in the interface's time.
    pub until: Duration,
    pub who: String,
    /// When somebody last looked whether it still waits.
    pub asked: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub set: ChangeSet,
    pub list: ListState,
    /// By the number of the change; empty after every change of the set.
    pub verdicts: HashMap<u64, Verdict>,
    /// What is wrong with all of them together.
    pub trouble: Option<String>,
    pub busy: Option<Busy>,
    pub window: Option<Waiting>,
    /// The last commits, newest first, and when they were asked for.
    pub history: Vec<Past>,
    pub history_asked: Option<Duration>,
    /// The table that is open in the person's editor.
    pub opened: Option<Arc<Opened>>,
    /// A text that could not be read: the editor is opened with it again.
    pub rejected: Option<(Arc<Opened>, String)>,
    /// Who would be cut off by the set as it is; nothing while that is being looked at.
    pub severed: Option<Result<Severed, String>>,
    /// The state of the set that was kept on disk last.
    pub remembered: u64,
    /// Why the changes are made, as far as the person says so.
    pub why: Input,
    /// What was on the screen when the person asked for the commit.
    pub reviewed: Option<Arc<Ruleset>>,
    /// The generation that the last commit made.
    pub committed: Option<u32>,
    /// What others did to the same tables since then.
    pub theirs: Vec<Difference>,
    /// What the next boot loads; when it was asked for, of which generation, and whether the answer is still out.
    pub boot: Option<Result<Vec<Saved>, String>>,
    pub boot_asked: Option<(Duration, u32)>,
    pub boot_busy: bool,
    /// How long the last answer took.
    pub boot_took: Duration,
    /// What the last commit came to.
    pub last: Option<String>,
}

impl Changes {
    pub fn selected(&self) -> Option<&Change> {
        self.set.changes().get(self.list.selected)
    }

    /// Seconds until the commit that waits is taken back.
    pub fn left(&self, now: Duration) -> Option<u64> {
        let window = self.window.as_ref()?;
        let left = window.until.saturating_sub(now);
        Some(left.as_millis().div_ceil(1000) as u64)
    }
}
