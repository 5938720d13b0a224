//! `hookscope save --format iptables`: the tables of iptables, for the service that loads them at boot.

use super::{SaveArgs, tell};
use crate::cli::apply::iptables_mistakes;
use crate::cli::machine;
use crate::cli::show::Backend;
use anyhow::{Context, anyhow, bail};
use hookscope::kernel::legacy::{self, read_legacy_tables};
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::lang::iptables::from_nft::Read;
use hookscope::lang::iptables::rule::Table;
use hookscope::lang::iptables::{builtin, from_legacy, from_nft};
use hookscope::model::{Family, Ruleset};
use hookscope::session::iptables::{self, Failure};
use hookscope::stage::save::iptables as save;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A text that was checked, and where it goes.
struct Ready {
    family: Family,
    text: String,
    notes: Vec<String>,
    path: Option<PathBuf>,
}

pub fn run(args: &SaveArgs) -> anyhow::Result<()> {
    let families: Vec<Family> = match (args.family, &args.output) {
        (Some(family), _) => vec![family.into()],
        (None, Some(_)) => vec![Family::Ip],
        (None, None) => vec![Family::Ip, Family::Ip6],
    };
    let ruleset = machine::load_ruleset(ReadElements::Anonymous)?;
    // All of them are checked before the first is written.
    let mut ready = Vec::new();
    for family in families {
        ready.extend(prepare(args, family, &ruleset)?);
    }
    if ready.is_empty() {
        bail!("iptables has no tables here; there is nothing to save");
    }
    for one in ready {
        tell(&save::save(
            one.family,
            &one.text,
            one.notes,
            one.path.as_deref(),
        )?)?;
    }
    Ok(())
}

/// Nothing when this family has no tables and no file that would say otherwise.
fn prepare(args: &SaveArgs, family: Family, ruleset: &Ruleset) -> anyhow::Result<Option<Ready>> {
    let program = save::program(family);
    let backend = match args.backend {
        Some(backend) => backend,
        None => backend_in_use(family, ruleset)?,
    };
    let tables = match backend {
        Backend::Nft => nft_tables(family, ruleset)?,
        Backend::Legacy => legacy::read_tables(family)?
            .iter()
            .map(from_legacy::table)
            .collect(),
    };
    let path = match &args.output {
        Some(path) => path.clone(),
        None => save::place(family)?,
    };
    if tables.is_empty() && args.output.is_none() && !path.exists() {
        writeln!(
            io::stderr(),
            "hookscope: {program} has no tables; its file is left alone"
        )?;
        return Ok(None);
    }
    let names = hookscope::kernel::machine::names(ruleset);
    let (text, mut notes) = save::text(&tables, ruleset, &names, args.counters)?;
    if tables.is_empty() {
        notes.push(format!(
            "{program} has no tables: nothing is loaded at boot"
        ));
    }
    let legacy = backend == Backend::Legacy;
    iptables::verify(&text, family, legacy, args.counters)
        .map_err(|failure| refused(family, &text, failure))?;
    Ok(Some(Ready {
        family,
        text,
        notes,
        path: args.output.as_deref().map(Path::to_owned),
    }))
}

/// The text would not bring the tables back.
fn refused(family: Family, text: &str, failure: Failure) -> anyhow::Error {
    let why = match failure {
        Failure::Text(wrongs) | Failure::Kernel(wrongs) => {
            let name = format!("<{}>", save::program(family));
            iptables_mistakes("nothing was written", &name, text, wrongs)
        }
        Failure::Other(why) => anyhow!("nothing was written: {why}"),
    };
    why.context("the text of the running tables cannot be loaded again")
}

/// The backend that holds tables of the family; asks when both do.
fn backend_in_use(family: Family, ruleset: &Ruleset) -> anyhow::Result<Backend> {
    let lists = read_legacy_tables().context("cannot tell which legacy tables there are")?;
    let legacy = match family {
        Family::Ip => lists.ip,
        Family::Ip6 => lists.ip6,
        Family::Arp => lists.arp,
        _ => None,
    };
    let legacy = legacy.is_some_and(|names| !names.is_empty());
    let mut known = builtin::tables(family).iter();
    let nft = known.any(|one| ruleset.table(family, one.name).is_some());
    match (nft, legacy) {
        (true, true) => bail!(
            "{} has tables in both backends; say which to save: --backend nft or --backend legacy",
            save::program(family)
        ),
        (_, legacy) => Ok(if legacy {
            Backend::Legacy
        } else {
            Backend::Nft
        }),
    }
}

/// The tables that iptables can express in full; otherwise why not.
fn nft_tables(family: Family, ruleset: &Ruleset) -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for (name, read) in from_nft::tables(ruleset, family) {
        match read {
            Read::Table {
                table,
                tainted: false,
            } => tables.push(table),
            Read::Table { .. } => bail!(
                "table {family} {name} has base chains that iptables cannot express; nothing was written, \
                 save the whole ruleset with `hookscope save`"
            ),
            Read::Incompatible(why) => bail!(
                "table {family} {name} has rules that iptables cannot express ({why}); nothing was written, \
                 save the whole ruleset with `hookscope save`"
            ),
        }
    }
    Ok(tables)
}
