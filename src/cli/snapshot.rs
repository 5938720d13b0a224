//! `hookscope snapshot`: save everything needed to look at this machine elsewhere.

use super::{Global, machine};
use anyhow::Context;
use clap::Args;
use hookscope::session::snapshot;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// The file to write; without it the snapshot goes to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &SnapshotArgs, global: &Global) -> anyhow::Result<()> {
    anyhow::ensure!(
        global.snapshot.is_none(),
        "--snapshot reads a snapshot and `snapshot` takes one; leave one of them out"
    );
    let taken = snapshot::take(global.netns.clone()).map_err(machine::explain)?;
    for what in &taken.missing {
        let _ = writeln!(
            io::stderr(),
            "hookscope: warning: not in the snapshot: {what}"
        );
    }
    match &args.output {
        Some(path) => snapshot::save(&taken, path)?,
        None => {
            anyhow::ensure!(
                !io::stdout().is_terminal(),
                "a snapshot is no text for a terminal; name a file with -o FILE"
            );
            snapshot::write(&taken, io::stdout().lock()).context("cannot write the snapshot")?;
        }
    }
    Ok(())
}
