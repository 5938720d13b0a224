//! A text in the nft language against the kernel's ruleset: parse, read what the text refers to, compile.

use super::resolve::Machine;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::{dump, load};
use crate::lang::nft::compile;
use crate::lang::nft::parse::{self, Entry, Files, Options};
use crate::lang::nft::syntax::{Command, Diagnostic, Position, Source, Sources, Span, What};
use crate::model::command;
use crate::model::{Family, Name, Ruleset};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that `include` names, from this machine.
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                directory: fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir()),
            });
        }
        Ok(entries)
    }
}

/// Where nft looks for included files.
fn include_paths() -> Vec<PathBuf> {
    vec![PathBuf::from("/etc")]
}

/// A text that was read, with its sources for messages.
pub struct Script {
    pub sources: Sources,
    pub commands: Vec<Command>,
}

/// Read a text. What is wrong comes with the sources, so that it can be shown.
pub fn parse(
    name: &str,
    text: String,
    variables: Vec<(String, String)>,
) -> Result<Script, (Sources, Vec<Diagnostic>)> {
    let options = Options {
        include_paths: include_paths(),
        variables,
        files: &Disk,
    };
    let source = Source {
        name: name.to_owned(),
        text,
        included: None,
    };
    let (sources, commands) = parse::parse(source, &options);
    match commands {
        Ok(commands) => Ok(Script { sources, commands }),
        Err(wrong) => Err((sources, wrong)),
    }
}

/// What commands are compiled to, and the generation of the ruleset that they were compiled against.
pub struct Compiled {
    pub commands: Vec<command::Command>,
    /// Where each command is written.
    pub spans: Vec<Span>,
    pub generation: u32,
}

#[derive(Debug)]
pub enum Failure {
    Text(Vec<Diagnostic>),
    Kernel(KernelError),
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Failure {
        Failure::Kernel(error)
    }
}

/// Compile against the ruleset as it is now.
pub fn compile(commands: Vec<Command>) -> Result<Compiled, Failure> {
    compile_with(commands, BTreeSet::new()).map(|(compiled, _)| compiled)
}

/// Compile, and return the ruleset that it was done against, with the rules of `tables` among those that are read.
pub fn compile_with(
    commands: Vec<Command>,
    tables: BTreeSet<(Family, Name)>,
) -> Result<(Compiled, Ruleset), Failure> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut with_rules = tables_with_positions(&commands);
    with_rules.extend(tables);
    let ruleset = read(&mut socket, &with_rules)?;
    let socket = RefCell::new(socket);
    let elements = |family: Family, table: &str, set: &str| {
        dump::elements(&mut socket.borrow_mut(), family, table, set)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    };
    let generation = ruleset.generation;
    match compile::compile(commands, &ruleset, &Machine::new(), &elements) {
        Ok(compile::Compiled { commands, spans }) => {
            let compiled = Compiled {
                commands,
                spans,
                generation,
            };
            Ok((compiled, ruleset))
        }
        Err(wrong) => Err(Failure::Text(wrong)),
    }
}

/// Tables with what they hold; the rules only of `with_rules`.
fn read(
    socket: &mut Socket,
    with_rules: &BTreeSet<(Family, Name)>,
) -> Result<Ruleset, KernelError> {
    const ROUNDS: usize = 50;
    let mut last = KernelError::Interrupted;
    for _ in 0..ROUNDS {
        let before = dump::generation(socket)?.id;
        let read = load::skeleton(socket).and_then(|mut tables| {
            for table in &mut tables {
                if with_rules.contains(&(table.family, table.name.clone())) {
                    load::read_table_rules(socket, table)?;
                }
            }
            Ok(tables)
        });
        match read {
            Ok(tables) if dump::generation(socket)?.id == before => {
                return Ok(Ruleset {
                    generation: before,
                    tables: tables.into_iter().map(Arc::new).collect(),
                    ..Ruleset::default()
                });
            }
            Ok(_) => {}
            Err(error) if error.is_transient() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Tables where the text counts or names rules.
fn tables_with_positions(commands: &[Command]) -> BTreeSet<(Family, Name)> {
    commands
        .iter()
        .filter_map(|command| match &command.what {
            What::Rule {
                table,
                position: Some(Position::Handle(_) | Position::Position(_) | Position::Index(_)),
                ..
            } => Some((table.family, table.name.value.clone())),
            _ => None,
        })
        .collect()
}
