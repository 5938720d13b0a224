//! `hookscope save`: the running ruleset becomes the one of the next boot.

use super::show::{Backend, Format, TableFamily};
use super::{Global, machine};
use anyhow::bail;
use clap::Args;
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::session::boot::{self, Says};
use hookscope::stage::save::Saved;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Write nothing: show how what is saved differs from what runs, and exit with 1 when it does
    #[arg(long, conflicts_with_all = ["family", "backend", "counters"])]
    diff: bool,
}

pub fn run(args: &SaveArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if args.output.is_none()
        && let Some(namespace) = &global.netns
    {
        bail!(
            "what this machine loads at boot is for its own network namespace, not for {namespace}; name a file with --output"
        );
    }
    if args.output.is_none() && std::env::var_os(super::demo::INSIDE).is_some() {
        bail!("the demo is not what this machine should load at boot; name a file with --output");
    }
    if args.diff && global.snapshot.is_none() {
        return diff(args);
    }
    write(args, global).map(|()| ExitCode::SUCCESS)
}

fn write(args: &SaveArgs, global: &Global) -> anyhow::Result<()> {
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
    let saved = boot::write::nft(&ruleset, &names, args.output.as_deref());
    tell(&saved.map_err(|why| anyhow::anyhow!(why))?)
}

/// What the next boot would bring, held against what runs.
fn diff(args: &SaveArgs) -> anyhow::Result<ExitCode> {
    let ruleset = machine::load_ruleset(ReadElements::All)?;
    let names = hookscope::kernel::machine::names(&ruleset);
    let files = match (&args.output, args.format) {
        (Some(path), Format::Nft) => vec![boot::look_at(path, &ruleset, &names)],
        (Some(_), _) => {
            bail!("--diff with --output compares files of nft only; leave --output out")
        }
        (None, _) => boot::look(&ruleset, &names),
    };
    let mut out = io::stdout().lock();
    if files.is_empty() {
        writeln!(out, "no rules run, and none are loaded at boot")?;
    }
    for file in &files {
        let place = match file.path.as_os_str().is_empty() {
            true => "(no file)".to_owned(),
            false => file.path.display().to_string(),
        };
        writeln!(out, "{} {place}: {}", file.program, file.summary())?;
        for note in &file.notes {
            writeln!(out, "  {note}")?;
        }
        let (Says::Differs(found) | Says::NoFile(found)) = &file.says else {
            continue;
        };
        super::diff::write(found, &mut out)?;
    }
    Ok(match files.iter().all(boot::Saved::same) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
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
