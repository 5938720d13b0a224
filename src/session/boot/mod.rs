//! What the next boot loads, held against what runs: by meaning, not by text. Reads files and the kernel; blocks.

pub mod write;

use super::compile;
use super::{iptables, resolve};
use crate::kernel::netlink::{Protocol, Socket};
use crate::kernel::nf_tables::load::{self, ReadElements};
use crate::kernel::{legacy, machine};
use crate::lang::iptables::from_nft::{self, Read};
use crate::lang::iptables::rule::Table;
use crate::lang::iptables::save::Context;
use crate::lang::iptables::{from_legacy, parse, print};
use crate::lang::nft::compile as compiler;
use crate::lang::nft::parse::render::render_all;
use crate::model::{ElementList, Family, Names, Ruleset, text};
use crate::stage::difference::{self, Difference, Line};
use crate::stage::save;
use crate::stage::staged;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// What runs.
    Same,
    /// Something else: what leads from the file to what runs.
    Differs(Vec<Difference>),
    /// There is no such file: nothing is loaded, and this runs.
    NoFile(Vec<Difference>),
    /// It cannot be told, and why.
    Unknown(String),
}

/// A file that is loaded at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// `nft`, `iptables`, `ip6tables`
    pub program: &'static str,
    pub path: PathBuf,
    pub says: Says,
    /// Why it may not count, a sentence each.
    pub notes: Vec<String>,
}

impl Saved {
    /// The next boot brings what runs now.
    pub fn same(&self) -> bool {
        self.says == Says::Same
    }

    /// In few words.
    pub fn summary(&self) -> String {
        let lines = |differences: &[Difference]| match difference::count(differences) {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        };
        match &self.says {
            Says::Same => "says what runs".to_owned(),
            Says::Differs(found) => format!("differs from what runs in {}", lines(found)),
            Says::NoFile(found) => format!("is not there; {} would not come back", lines(found)),
            Says::Unknown(why) => format!("cannot be compared: {why}"),
        }
    }
}

/// Every file that this system loads rules from, or would. Tables of iptables that the file of nft does not have are
/// held against the files of iptables.
pub fn look(running: &Ruleset, names: &Names) -> Vec<Saved> {
    let mut found = Vec::new();
    let mut rest = running.clone();
    match save::place() {
        Ok(path) => {
            let read = read_nft(&path);
            let in_file = |table: &crate::model::Table| matches!(&read, Ok(Some(saved)) if saved.table(table.family, &table.name).is_some());
            rest.tables
                .retain(|table| from_nft::is_of_iptables(table) && !in_file(table));
            let mut own = running.clone();
            own.tables
                .retain(|table| rest.table(table.family, &table.name).is_none());
            let nothing = own.tables.is_empty() && !path.exists();
            if !nothing {
                found.push(nft(path, read, &own, names));
            }
        }
        Err(error) if !running.tables.is_empty() => found.push(Saved {
            program: "nft",
            path: PathBuf::new(),
            says: Says::Unknown(error.to_string()),
            notes: Vec::new(),
        }),
        Err(_) => {}
    }
    for family in [Family::Ip, Family::Ip6] {
        found.extend(of_iptables(family, &rest, names));
    }
    found
}

/// The same, of what runs now.
pub fn look_now() -> Result<Vec<Saved>, String> {
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| error.to_string())?;
    let running = load::load(&mut socket, ReadElements::All).map_err(|error| error.to_string())?;
    Ok(look(&running, &machine::names(&running)))
}

/// One file of nft, whatever is loaded at boot.
pub fn look_at(path: &Path, running: &Ruleset, names: &Names) -> Saved {
    nft(path.to_owned(), read_nft(path), running, names)
}

fn nft(
    path: PathBuf,
    read: Result<Option<Ruleset>, String>,
    running: &Ruleset,
    names: &Names,
) -> Saved {
    let running = save::lasting(running, &mut Vec::new());
    let says = match read {
        Err(why) => Says::Unknown(why),
        Ok(None) => Says::NoFile(difference::difference(&Ruleset::default(), &running, names)),
        Ok(Some(saved)) => {
            let saved = save::lasting(&saved, &mut Vec::new());
            let found = difference::difference(&saved, &running, names);
            match found.is_empty() {
                true => Says::Same,
                false => Says::Differs(found),
            }
        }
    };
    let mut notes = Vec::new();
    notes.extend(save::loader(Path::new("/")));
    Saved {
        program: "nft",
        path,
        says,
        notes,
    }
}

/// The ruleset that a file makes; nothing when there is no file.
fn read_nft(path: &Path) -> Result<Option<Ruleset>, String> {
    let text = match fs::read(path) {
        Ok(bytes) => text::from_bytes(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let name = path.display().to_string();
    let script = compile::parse(&name, text, Vec::new())
        .map_err(|(sources, wrong)| render_all(&sources, &wrong))?;
    let none = |_: Family, _: &str, _: &str| Ok(Arc::<ElementList>::default());
    let machine = resolve::Machine::new();
    let compiled = compiler::compile(script.commands, &Ruleset::default(), &machine, &none)
        .map_err(|wrong| render_all(&script.sources, &wrong))?;
    staged::staged(&Ruleset::default(), &compiled.commands)
        .map(Some)
        .map_err(|error| error.to_string())
}

/// The file of `iptables-restore`; nothing where there are neither tables nor a file.
fn of_iptables(family: Family, nft: &Ruleset, names: &Names) -> Option<Saved> {
    let path = save::iptables::place(family);
    let program = save::iptables::program(family);
    let saved = |path: PathBuf, says: Says| Saved {
        program,
        path,
        says,
        notes: save::iptables::loader(Path::new("/"), family)
            .into_iter()
            .collect(),
    };
    let running = running(family, nft);
    let path = match (path, &running) {
        (Ok(path), _) => path,
        (Err(_), Ok(tables)) if tables.is_empty() => return None,
        (Err(error), _) => return Some(saved(PathBuf::new(), Says::Unknown(error.to_string()))),
    };
    let running = match running {
        Ok(tables) => tables,
        Err(why) => return Some(saved(path, Says::Unknown(why))),
    };
    let file = match fs::read(&path) {
        Ok(bytes) => Some(text::from_bytes(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Some(saved(path, Says::Unknown(error.to_string()))),
    };
    if running.is_empty() && file.is_none() {
        return None;
    }
    let there = file.is_some();
    let says = match tables_of(file.as_deref().unwrap_or_default(), family, nft) {
        Err(why) => Says::Unknown(why),
        Ok(tables) => {
            let found = between(family, &tables, &running, names);
            match (found.is_empty(), there) {
                (true, true) => Says::Same,
                (_, true) => Says::Differs(found),
                (_, false) => Says::NoFile(found),
            }
        }
    };
    Some(saved(path, says))
}

/// The tables of iptables that run.
fn running(family: Family, nft: &Ruleset) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    for (name, read) in from_nft::tables(nft, family) {
        match read {
            Read::Table { table, .. } => tables.push(table),
            Read::Incompatible(why) => {
                return Err(format!(
                    "table {family} {name} has rules that iptables cannot express ({why})"
                ));
            }
        }
    }
    let legacy = legacy::read_tables(family).map_err(|error| error.to_string())?;
    if !tables.is_empty() && !legacy.is_empty() {
        return Err("both backends have tables".to_owned());
    }
    tables.extend(legacy.iter().map(from_legacy::table));
    Ok(tables)
}

/// The tables that a file makes.
fn tables_of(file: &str, family: Family, ruleset: &Ruleset) -> Result<Vec<Table>, String> {
    let reading = parse::Reading {
        noflush: false,
        counters: false,
    };
    let wrong = |wrong: &parse::Wrong| {
        let before = file.get(..wrong.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        format!("line {line}: {}", wrong.message)
    };
    let machine = iptables::machine(ruleset);
    let texts = parse::text(file, family, &machine, reading)
        .map_err(|wrongs| wrongs.first().map(wrong).unwrap_or_default())?;
    let tables = texts
        .iter()
        .map(|one| parse::apply(one, iptables::empty(family, &one.name)));
    tables.collect::<Result<_, _>>().map_err(|one| wrong(&one))
}

fn between(family: Family, old: &[Table], new: &[Table], names: &Names) -> Vec<Difference> {
    let lines = |tables: &[Table], name: &str| -> Vec<String> {
        // A table that is not there does what an empty one does.
        let none = iptables::empty(family, name);
        let table = tables.iter().find(|table| &*table.name == name);
        let table = table.unwrap_or(&none);
        let cx = Context {
            family: table.family,
            names,
        };
        let mut out = Vec::new();
        // Writing to memory does not fail.
        let _ = print::table(table, &cx, print::Options { counters: false }, &mut out);
        let text = text::from_bytes(&out);
        let lines = text.lines().filter(|line| *line != "COMMIT");
        // `:INPUT ACCEPT [12:3400]`: what was counted does not count.
        let lines = lines.map(|line| match line.strip_prefix(':') {
            Some(rest) => format!(":{}", rest.split(" [").next().unwrap_or(rest)),
            None => line.to_owned(),
        });
        lines.collect()
    };
    let mut names_of: Vec<&str> = old.iter().chain(new).map(|table| &*table.name).collect();
    names_of.sort_unstable();
    names_of.dedup();
    let differ = names_of.into_iter().filter_map(|name| {
        let lines: Vec<Line> = difference::compare(&lines(old, name), &lines(new, name));
        (!lines.is_empty()).then(|| Difference {
            place: format!("table {name}"),
            lines,
        })
    });
    differ.collect()
}
