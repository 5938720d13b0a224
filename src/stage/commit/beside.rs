//! What is done beside the commands of a transaction: legacy tables and routes, and what takes them back.

use crate::stage::{Step, legacy, route};
use thiserror::Error;

/// What is done beside the commands. Neither legacy tables nor rtnetlink have transactions: the kernel has checked
/// the commands when these are done, and they are taken back when it refuses the commands all the same. The caller
/// holds the lock of legacy tables since it read them for the plan.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub legacy: legacy::Plan,
    pub routes: route::Plan,
}

impl Beside {
    pub fn is_empty(&self) -> bool {
        self.legacy.is_empty() && self.routes.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.legacy.len() + self.routes.changes.len()
    }

    /// What takes it back.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.legacy.is_empty() {
            steps.push(Step::Legacy(self.legacy.saved()));
        }
        if !self.routes.changes.is_empty() {
            steps.push(Step::Routes(self.routes.before.clone()));
        }
        steps
    }

    /// All of it or nothing.
    pub(super) fn apply(mut self) -> Result<(), BesideRefused> {
        legacy::apply(&mut self.legacy).map_err(BesideRefused::Legacy)?;
        if self.routes.changes.is_empty() {
            return Ok(());
        }
        let done = match self.legacy.is_empty() {
            true => Vec::new(),
            false => vec![Step::Legacy(self.legacy.saved())],
        };
        let applied = route::apply(self.routes, false);
        applied.map(drop).map_err(|refused| BesideRefused::Routes {
            refused,
            left: Step::undo_all(&done).1,
        })
    }
}

/// What the kernel refused beside the commands; the rest was taken back.
#[derive(Debug, Error)]
pub enum BesideRefused {
    #[error("{0}")]
    Legacy(legacy::Refused),
    #[error("{refused}{}", left.iter().map(|one| format!("; {one}")).collect::<String>())]
    Routes {
        refused: route::Refused,
        /// What could not be taken back, a sentence each.
        left: Vec<String>,
    },
}
