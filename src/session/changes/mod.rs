//! A change set against the kernel: what is wrong with it, whether the kernel would take it, and carrying it out.
//!
//! May use `stage`, `kernel`, `lang`, `model`. [`look`] needs no kernel; [`check`], [`commit`] and the rest block
//! and belong on threads of their own.

mod iptables;
pub mod kept;
mod kernel;
mod legacy;
mod past;
mod routes;
pub mod severed;
mod staged;
mod text;
mod verify;
pub mod whole;

pub use kernel::{check, commit};
pub use legacy::{alone, staged_legacy};
pub use past::{Past, Window, history, keep, roll_back, undo_last, window};
pub use staged::{Deciding, decided, staged};
pub use text::look;

use crate::model::Ruleset;
use crate::stage::difference::Difference;
use crate::stage::guard::Guard;
use std::ops::Range;
use std::time::Duration;

/// What is wrong with one change of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place in the set.
    pub change: usize,
    /// Bytes of its command.
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
    /// The rule that it points at is not what it was.
    pub moved: Option<Moved>,
}

/// What became of a rule that a change points at, since the change was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub handle: u64,
    /// What it said when the change was made.
    pub was: String,
    /// What it says now; nothing when it is gone.
    pub now: Option<String>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// At least one.
    Changes(Vec<Wrong>),
    /// Others changed the same tables since the person looked; this is what they did.
    Theirs(Vec<Difference>),
    /// Nothing that a single change is to blame for; a sentence.
    Other(String),
}

/// How a commit is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'t> {
    /// Taken back after this time unless somebody confirms it, and at once when this program ends.
    pub confirm: Option<Duration>,
    /// Taken back after this time; nobody is asked.
    pub limited: Option<Duration>,
    /// For the journal.
    pub why: &'t str,
    /// The picture that the person saw: tables that the changes are about must be what they were in it.
    pub reviewed: Option<&'t Ruleset>,
}

/// A commit is done.
pub struct Done {
    /// While it waits for confirmation: dropping it takes the commit back.
    pub guard: Option<Guard>,
    pub entry: Option<u64>,
    /// Of the ruleset with the changes.
    pub generation: Option<u32>,
    pub warnings: Vec<String>,
}
