//! The ruleset as it will be when commands have been made: what a commit would leave, without asking the kernel.
//! Pure. May use `model` and the codecs of `kernel`.
//!
//! For looking at what a change does before it is made: packets are simulated in the result, and flows that would
//! be cut are found. Whether the kernel takes the commands is for the kernel to say; here a command fails only
//! where there is nothing to apply it to.
//!
//! `table` is one table under change, `rules` the bytes of rules, `elements` the contents of sets. What only the
//! kernel can give is made up: handles go on from the highest one, sets and chains without a name get numbers.

mod elements;
mod rules;
mod table;

use crate::model::command::{Command, Key, Make, Take, What};
use crate::model::{Family, Name, Ruleset, Table};
use std::sync::Arc;
use table::Work;
use thiserror::Error;

/// A command that cannot be applied to the ruleset.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{why}")]
pub struct Unstageable {
    /// Which one, from 0.
    pub command: usize,
    pub why: Why,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Why {
    #[error("there is no {kind} '{name}'")]
    Gone { kind: &'static str, name: String },
    #[error("there is a {kind} '{name}' already")]
    Exists { kind: &'static str, name: String },
    #[error("the elements of set '{0}' have not been read")]
    Unread(Name),
    #[error("the rules of chain '{0}' have not been read")]
    UnreadRules(Name),
    #[error("{0} is too large for a message of the kernel")]
    Large(&'static str),
}

type Result<T> = std::result::Result<T, Why>;

fn gone(kind: &'static str, name: impl std::fmt::Display) -> Why {
    Why::Gone {
        kind,
        name: name.to_string(),
    }
}

fn exists(kind: &'static str, name: impl std::fmt::Display) -> Why {
    Why::Exists {
        kind,
        name: name.to_string(),
    }
}

/// The ruleset after all commands, in order. Tables, chains and sets that no command is about are shared with the
/// old one. Sets that get or lose elements must have been read.
pub fn staged(
    ruleset: &Ruleset,
    commands: &[Command],
) -> std::result::Result<Ruleset, Unstageable> {
    let mut stage = Stage {
        slots: ruleset.tables.iter().cloned().map(Slot::Same).collect(),
        last: 0,
    };
    for (number, command) in commands.iter().enumerate() {
        stage.command(command).map_err(|why| Unstageable {
            command: number,
            why,
        })?;
    }
    let mut tables = Vec::with_capacity(stage.slots.len());
    for slot in stage.slots {
        tables.push(match slot {
            Slot::Same(table) => table,
            Slot::Work(work) => {
                let end = commands.len().saturating_sub(1);
                let table = work
                    .finish()
                    .map_err(|why| Unstageable { command: end, why })?;
                Arc::new(table)
            }
        });
    }
    Ok(Ruleset {
        generation: ruleset.generation,
        tables,
        legacy: ruleset.legacy.clone(),
    })
}

/// A table as it was, or under change.
enum Slot {
    Same(Arc<Table>),
    Work(Box<Work>),
}

impl Slot {
    fn table(&self) -> &Table {
        match self {
            Slot::Same(table) => table,
            Slot::Work(work) => &work.table,
        }
    }

    fn is(&self, family: Family, name: &str) -> bool {
        self.table().family == family && &*self.table().name == name
    }
}

struct Stage {
    slots: Vec<Slot>,
    /// Where the last command found its table: most commands are about the same one.
    last: usize,
}

impl Stage {
    fn place(&mut self, family: Family, name: &str) -> Option<usize> {
        if !self
            .slots
            .get(self.last)
            .is_some_and(|slot| slot.is(family, name))
        {
            self.last = self.slots.iter().position(|slot| slot.is(family, name))?;
        }
        Some(self.last)
    }

    fn work(&mut self, family: Family, name: &str) -> Result<&mut Work> {
        let place = self.place(family, name);
        let slot = place.and_then(|place| self.slots.get_mut(place));
        let slot = slot.ok_or_else(|| gone("table", format!("{} {name}", family.name())))?;
        if let Slot::Same(table) = slot {
            *slot = Slot::Work(Box::new(Work::new((**table).clone())));
        }
        match slot {
            Slot::Work(work) => Ok(work),
            Slot::Same(_) => Err(gone("table", name)),
        }
    }

    fn command(&mut self, command: &Command) -> Result<()> {
        let family = command.family;
        match &command.what {
            What::MakeTable(make, new) => {
                if self.place(family, &new.name).is_none() {
                    let handles = self.slots.iter().map(|slot| slot.table().handle);
                    let handle = handles.max().unwrap_or(0) + 1;
                    let work = Work::made(family, new, handle);
                    self.slots.push(Slot::Work(Box::new(work)));
                    return Ok(());
                }
                if *make == Make::Create {
                    return Err(exists("table", &new.name));
                }
                let work = self.work(family, &new.name)?;
                if work.table.flags != new.flags {
                    work.table.flags = new.flags;
                }
                Ok(())
            }
            What::TakeTable(_, None) => {
                let all = family == Family::Unknown(0);
                self.slots
                    .retain(|slot| !all && slot.table().family != family);
                Ok(())
            }
            What::TakeTable(take, Some(key)) => {
                let found = self.slots.iter().position(|slot| {
                    let table = slot.table();
                    table.family == family
                        && match key {
                            Key::Name(name) => table.name == *name,
                            Key::Handle(handle) => table.handle == *handle,
                        }
                });
                match found {
                    Some(place) => {
                        self.slots.remove(place);
                        Ok(())
                    }
                    None if *take == Take::Destroy => Ok(()),
                    None => Err(gone("table", table::key_words(key))),
                }
            }
            what => self.work(family, &command.table)?.apply(what),
        }
    }
}
