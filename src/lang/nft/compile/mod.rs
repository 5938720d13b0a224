//! A text in the nft language to the commands of a transaction: names are looked up, types checked, protocol
//! matches added, and the kernel's expressions generated as nft generates them.
//!
//! Pure: what a machine knows comes through [`Resolve`] and a function that reads elements. `eval` gives types,
//! `stmt` does so for statements, `reduce` merges comparisons, `generate` hands out registers; `command` is about
//! tables, chains and sets; `world` is what can be referred to.

mod command;
mod eval;
mod generate;
mod interval;
mod object;
mod reduce;
mod resolve;
mod stmt;
mod userdata;
mod value;
mod world;

pub use resolve::{Nothing, Resolve};
pub use world::ReadElements;

use super::number::{self, Num};
use super::syntax::{self, Diagnostic, Span};
use crate::model::Ruleset;
use crate::model::command::Command;
use world::World;

/// `1d2h3m4s5ms`, or seconds, as the language writes times: milliseconds.
pub fn time(word: &str) -> Option<u64> {
    value::time(word, Span::default()).ok()
}

/// The highest `bits` of `len` bits.
fn prefix_mask(len: u32, bits: u32) -> Num {
    number::shl(number::bitmask(bits), len.saturating_sub(bits))
}

/// The commands of a transaction, and where each of them is written.
#[derive(Debug, Default)]
pub struct Compiled {
    pub commands: Vec<Command>,
    pub spans: Vec<Span>,
}

/// Compile commands against a picture of the ruleset.
///
/// Every command is looked at, so that all mistakes are told at once (up to a limit).
pub fn compile(
    commands: Vec<syntax::Command>,
    ruleset: &Ruleset,
    resolve: &dyn Resolve,
    read_elements: &ReadElements<'_>,
) -> Result<Compiled, Vec<Diagnostic>> {
    const MOST: usize = 20;
    let mut world = World::new(ruleset, resolve, read_elements);
    world.count_mentions(&commands);
    let mut wrong = Vec::new();
    for command in commands {
        if let Err(diagnostic) = world.command(command) {
            wrong.push(diagnostic);
            if wrong.len() >= MOST {
                break;
            }
        }
    }
    if wrong.is_empty() {
        Ok(Compiled {
            commands: world.out,
            spans: world.spans,
        })
    } else {
        Err(wrong)
    }
}
