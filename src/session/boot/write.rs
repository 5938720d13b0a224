//! Making what runs the ruleset of the next boot: read, print, have the very text checked, write. Blocks.

use super::super::compile;
use super::super::iptables::{self, Failure};
use crate::kernel::legacy;
use crate::kernel::netlink::{Protocol, Socket};
use crate::kernel::nf_tables::commit as kernel;
use crate::kernel::nf_tables::load::{self, ReadElements};
use crate::lang::iptables::from_nft::{self, Read};
use crate::lang::iptables::rule::Table;
use crate::lang::iptables::{builtin, from_legacy};
use crate::lang::nft::parse::render::render_all;
use crate::model::{Family, Names, Ruleset};
use crate::stage::save::{self, Saved};
use std::path::Path;

/// Write the whole running ruleset to `path`, or where the system loads it from.
pub fn nft(ruleset: &Ruleset, names: &Names, path: Option<&Path>) -> Result<Saved, String> {
    save::save(ruleset, names, path, check).map_err(|error| error.to_string())
}

/// The kernel takes the very text that is going to be written.
fn check(text: &str) -> Result<(), String> {
    let script = compile::parse("the text", text.to_owned(), Vec::new())
        .map_err(|(sources, wrong)| render_all(&sources, &wrong))?;
    let sources = script.sources;
    let compiled = compile::compile(script.commands).map_err(|failure| match failure {
        compile::Failure::Text(wrong) => render_all(&sources, &wrong),
        compile::Failure::Kernel(error) => error.to_string(),
    })?;
    let options = kernel::Options {
        check: true,
        ..kernel::Options::default()
    };
    kernel::commit(&compiled.commands, options)
        .map(|_| ())
        .map_err(|refused| refused.to_string())
}

/// A text for `iptables-restore` that was checked.
pub struct Ready {
    pub family: Family,
    pub text: String,
    pub notes: Vec<String>,
}

/// Why there is none.
pub enum Unready {
    /// The family has no tables and no file that would say otherwise.
    Nothing,
    /// The text would not bring the tables back.
    Text(String, Failure),
    Other(String),
}

impl Unready {
    fn other(error: impl std::fmt::Display) -> Unready {
        Unready::Other(error.to_string())
    }
}

/// Print the tables of a family and check the text. `legacy` says which backend's, where that is asked for; `path`
/// where the text is to go.
pub fn prepare(
    family: Family,
    legacy: Option<bool>,
    counters: bool,
    path: Option<&Path>,
    ruleset: &Ruleset,
    names: &Names,
) -> Result<Ready, Unready> {
    let legacy = match legacy {
        Some(legacy) => legacy,
        None => is_legacy(family, ruleset).map_err(Unready::Other)?,
    };
    let tables = match legacy {
        false => nft_tables(family, ruleset).map_err(Unready::Other)?,
        true => {
            let tables = legacy::read_tables(family).map_err(Unready::other)?;
            tables.iter().map(from_legacy::table).collect()
        }
    };
    if tables.is_empty() && path.is_none() {
        let place = save::iptables::place(family).map_err(Unready::other)?;
        if !place.exists() {
            return Err(Unready::Nothing);
        }
    }
    let (text, mut notes) =
        save::iptables::text(&tables, ruleset, names, counters).map_err(Unready::other)?;
    if tables.is_empty() {
        let program = save::iptables::program(family);
        notes.push(format!(
            "{program} has no tables: nothing is loaded at boot"
        ));
    }
    match iptables::verify(&text, family, legacy, counters) {
        Ok(()) => Ok(Ready {
            family,
            text,
            notes,
        }),
        Err(failure) => Err(Unready::Text(text, failure)),
    }
}

/// Write the tables of a family of iptables where the system loads them from.
fn of_iptables(family: Family, ruleset: &Ruleset, names: &Names) -> Result<Saved, String> {
    let ready =
        prepare(family, None, false, None, ruleset, names).map_err(|unready| match unready {
            Unready::Nothing => "there are no tables".to_owned(),
            Unready::Other(why) => why,
            Unready::Text(_, Failure::Other(why)) => why,
            Unready::Text(text, Failure::Text(wrongs) | Failure::Kernel(wrongs)) => {
                let wrong = wrongs.first();
                let line = wrong.and_then(|wrong| text.get(wrong.start..wrong.end));
                let why = wrong.map_or("", |wrong| wrong.message.as_str());
                format!(
                    "`{}` cannot be loaded again: {why}",
                    line.unwrap_or_default()
                )
            }
        })?;
    save::iptables::save(family, &ready.text, ready.notes, None).map_err(|error| error.to_string())
}

/// Write one of the files that [`super::look`] found. Reads the kernel first: what runs now is what is written.
pub fn file(program: &str) -> Result<Saved, String> {
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| error.to_string())?;
    let ruleset = load::load(&mut socket, ReadElements::All).map_err(|error| error.to_string())?;
    let names = crate::kernel::machine::names(&ruleset);
    match program {
        "iptables" => of_iptables(Family::Ip, &ruleset, &names),
        "ip6tables" => of_iptables(Family::Ip6, &ruleset, &names),
        _ => nft(&ruleset, &names, None),
    }
}

/// The backend that holds tables of the family, or why it cannot be told.
fn is_legacy(family: Family, ruleset: &Ruleset) -> Result<bool, String> {
    let lists = legacy::read_legacy_tables()
        .map_err(|error| format!("cannot tell which legacy tables there are: {error}"))?;
    let legacy = match family {
        Family::Ip => lists.ip,
        Family::Ip6 => lists.ip6,
        Family::Arp => lists.arp,
        _ => None,
    };
    let legacy = legacy.is_some_and(|names| !names.is_empty());
    let mut known = builtin::tables(family).iter();
    let nft = known.any(|one| ruleset.table(family, one.name).is_some());
    if nft && legacy {
        return Err(format!(
            "{} has tables in both backends; say which to save: --backend nft or --backend legacy",
            save::iptables::program(family)
        ));
    }
    Ok(legacy)
}

/// The tables that iptables can express in full; otherwise why not.
fn nft_tables(family: Family, ruleset: &Ruleset) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    for (name, read) in from_nft::tables(ruleset, family) {
        let why = match read {
            Read::Table {
                table,
                tainted: false,
            } => {
                tables.push(table);
                continue;
            }
            Read::Table { .. } => "base chains that iptables cannot express".to_owned(),
            Read::Incompatible(why) => format!("rules that iptables cannot express ({why})"),
        };
        return Err(format!(
            "table {family} {name} has {why}; nothing was written, save the whole ruleset with `hookscope save`"
        ));
    }
    Ok(tables)
}
