//! Changes: what has to be done to get from one ruleset to another, and doing it so that it can be taken back.
//!
//! May use `model`, `kernel`, `lang`. `plan` (differences, inverses, three-way), `make` and `content` are pure.
//!
//! For a caller: [`commit::run`] applies commands with everything around it (dry run, generation, confirm window,
//! journal); [`guard::confirm`] and [`guard::rollback`] end a window; [`journal::list`] and [`undo::last`] are the
//! history; [`route`] does the same for routes; [`save`] makes the running ruleset the one of the next boot; [`guard::check`] belongs at the start of
//! every program that may find a killed guard.

pub mod carry;
pub mod change;
pub mod commit;
pub mod content;
pub mod difference;
mod fault;
pub mod guard;
pub mod ipset;
pub mod journal;
pub mod legacy;
pub mod make;
pub mod plan;
pub mod route;
pub mod save;
pub mod staged;
pub mod touched;
pub mod undo;

use crate::kernel::nf_tables;
use crate::model::command::Command;
use serde::{Deserialize, Serialize};

/// Something that was done beside the tables of nf_tables under guard, by what takes it back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    Nf(Vec<Command>),
    /// Places of the routing tables, as they were. Taking them back may be repeated.
    Routes(Vec<route::Saved>),
    /// Legacy tables before and after. Taking them back may be repeated.
    Legacy(Vec<legacy::Saved>),
    /// Sets of ipset before and after. Taking them back may be repeated.
    IpSets(ipset::Saved),
}

impl Step {
    /// Take it back: how much there was to take back, and what could not be, a sentence each.
    pub fn undo(&self) -> (usize, Vec<String>) {
        let failed = |why: String| (0, vec![why]);
        match self {
            Step::Nf(commands) => match nf_tables::commit::commit(commands, Default::default()) {
                Ok(_) => (commands.len(), Vec::new()),
                Err(error) => failed(error.to_string()),
            },
            Step::Routes(saved) => match route::undo(saved) {
                Ok(undone) if undone.failed.is_empty() => (undone.restored, Vec::new()),
                Ok(undone) => (undone.restored, vec![undone.to_string()]),
                Err(error) => failed(error.to_string()),
            },
            Step::Legacy(saved) => match legacy::undo(saved) {
                Ok(undone) => undone,
                Err(error) => failed(error.to_string()),
            },
            Step::IpSets(saved) => match saved.undo() {
                Ok(undone) => undone,
                Err(error) => failed(error.to_string()),
            },
        }
    }

    /// All steps, in reverse.
    pub fn undo_all(steps: &[Step]) -> (usize, Vec<String>) {
        let (mut count, mut left) = (0, Vec::new());
        for step in steps.iter().rev() {
            let (some, sentences) = step.undo();
            count += some;
            left.extend(sentences);
        }
        (count, left)
    }

    /// It was done just now: keep what the kernel made of it, where that counts for taking it back.
    pub fn done(&mut self) {
        match self {
            Step::Legacy(saved) => saved.iter_mut().for_each(legacy::Saved::done),
            Step::IpSets(saved) => saved.done(),
            Step::Nf(_) | Step::Routes(_) => {}
        }
    }
}
