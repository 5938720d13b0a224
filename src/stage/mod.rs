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
mod fault;
pub mod guard;
pub mod journal;
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

/// Something that was done beside the tables under guard, by what takes it back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    Nf(Vec<Command>),
    /// Places of the routing tables, as they were. Taking them back may be repeated.
    Routes(Vec<route::Saved>),
}

impl Step {
    /// Take it back: how much there was to take back; a sentence when that is not possible.
    pub fn undo(&self) -> Result<usize, String> {
        match self {
            Step::Nf(commands) => nf_tables::commit::commit(commands, Default::default())
                .map(|_| commands.len())
                .map_err(|error| error.to_string()),
            Step::Routes(saved) => {
                let undone = route::undo(saved).map_err(|error| error.to_string())?;
                if undone.failed.is_empty() {
                    Ok(undone.restored)
                } else {
                    Err(undone.to_string())
                }
            }
        }
    }
}
