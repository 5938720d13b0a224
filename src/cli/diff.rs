//! `hookscope diff A B`: two snapshots, or one and the machine as it is: what was changed, rule by rule.

use super::{Global, machine};
use clap::Args;
use hookscope::model::Snapshot;
use hookscope::session::{diff, snapshot};
use hookscope::stage::difference::{Difference, Line};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A snapshot as it was before, or `live`
    #[arg(value_name = "A")]
    old: String,
    /// A snapshot as it was after, or `live`
    #[arg(value_name = "B")]
    new: String,
    /// Exit with 1 when there is a difference
    #[arg(long)]
    exit_code: bool,
}

pub fn run(args: &DiffArgs, global: &Global) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        global.snapshot.is_none(),
        "`diff` is told both pictures: hookscope diff OLD NEW, each a snapshot or `live`; leave --snapshot out"
    );
    let open = |name: &str| -> anyhow::Result<Snapshot> {
        match name {
            "live" => snapshot::take(global.netns.clone()).map_err(machine::explain),
            path => Ok(snapshot::open(Path::new(path))?),
        }
    };
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    for (name, picture) in [(&args.old, &old), (&args.new, &new)] {
        for what in &picture.missing {
            let _ = writeln!(
                io::stderr(),
                "hookscope: warning: not in '{name}', so not compared: {what}"
            );
        }
    }
    let found = diff::between(&old, &new);
    write(&found, &mut io::stdout().lock())?;
    Ok(match args.exit_code && !found.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Differences as lines of text.
pub fn write(found: &[Difference], out: &mut impl Write) -> io::Result<()> {
    for one in found {
        writeln!(out, "  {}", one.place)?;
        for line in &one.lines {
            match line {
                Line::Old(text) => writeln!(out, "-   {text}")?,
                Line::New(text) => writeln!(out, "+   {text}")?,
                Line::Same(text) => writeln!(out, "    {text}")?,
                Line::Gap(count) => writeln!(out, "    ... {count} more")?,
            }
        }
    }
    Ok(())
}
