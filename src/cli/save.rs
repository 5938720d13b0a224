//! `hookscope save`: the running ruleset becomes the one of the next boot.

use super::show::{Backend, Format, TableFamily};
use super::{Global, machine};
use anyhow::bail;
use clap::Args;
use hookscope::kernel::nf_tables::commit as kernel;
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::lang::nft::parse::render::render_all;
use hookscope::session::compile::{self, Failure};
use hookscope::stage::save::{self, Saved};
use std::io::{self, Write};
use std::path::PathBuf;

mod iptables;

#[derive(Debug, Args)]
pub struct SaveArgs {
    /// What to save: the whole ruleset, or the tables of iptables in its own language
    #[arg(long, value_enum, default_value_t = Format::Nft)]
    format: Format,
    /// Whose tables to save in the iptables language; without it those of IPv4 and IPv6, each in its own file
    #[arg(long, value_enum)]
    family: Option<TableFamily>,
    /// Where the iptables rules are; without it where there are some
    #[arg(long, value_enum)]
    backend: Option<Backend>,
    /// Save the counters of iptables rules, too
    #[arg(long)]
    counters: bool,
    /// Write this file instead of the one that this distribution loads at boot
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

pub fn run(args: &SaveArgs, global: &Global) -> anyhow::Result<()> {
    if global.read_only {
        bail!("--read-only refuses to write files");
    }
    if global.snapshot.is_some() {
        bail!("a snapshot is saved as it is; leave --snapshot out to save this machine's ruleset");
    }
    match args.format {
        Format::Nft => {}
        Format::Iptables => return iptables::run(args),
        Format::Ipset => {
            bail!("ipsets are not saved yet; `hookscope show --format ipset` prints them")
        }
    }
    let ruleset = machine::load_ruleset(ReadElements::All)?;
    let names = hookscope::kernel::machine::names(&ruleset);
    let saved = save::save(&ruleset, &names, args.output.as_deref(), check)?;
    tell(&saved)
}

fn tell(saved: &Saved) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if saved.written {
        writeln!(out, "written: {}", saved.path.display())?;
    } else {
        writeln!(out, "{} says this already", saved.path.display())?;
    }
    if let Some(backup) = &saved.backup {
        writeln!(out, "what was there before: {}", backup.display())?;
    }
    for note in &saved.notes {
        writeln!(io::stderr(), "hookscope: {note}")?;
    }
    Ok(())
}

/// The kernel takes the very text that is going to be written.
fn check(text: &str) -> Result<(), String> {
    let script = compile::parse("the text", text.to_owned(), Vec::new())
        .map_err(|(sources, wrong)| render_all(&sources, &wrong))?;
    let sources = script.sources;
    let compiled = compile::compile(script.commands).map_err(|failure| match failure {
        Failure::Text(wrong) => render_all(&sources, &wrong),
        Failure::Kernel(error) => error.to_string(),
    })?;
    let options = kernel::Options {
        check: true,
        ..kernel::Options::default()
    };
    kernel::commit(&compiled.commands, options)
        .map(|_| ())
        .map_err(|refused| refused.to_string())
}
