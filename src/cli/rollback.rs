//! `hookscope rollback`: take back the change that waits for confirmation, or the last one of the journal.

use clap::Args;
use hookscope::stage::guard::{self, Restored};
use hookscope::stage::undo;
use std::io::{self, Write};

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Take back the last commit that was kept, as written in the journal
    #[arg(long)]
    last: bool,
}

pub fn run(args: &RollbackArgs) -> anyhow::Result<()> {
    let (what, restored) = if args.last {
        let (entry, restored) = undo::last()?;
        (
            format!("commit {} by {}", entry.number, entry.who),
            restored,
        )
    } else {
        let (one, restored) = guard::rollback()?;
        (format!("the change by {}", one.who), restored)
    };
    let mut out = io::stdout();
    if restored.commands == 0 {
        writeln!(out, "{what}: nothing of it was left to take back")?;
    } else {
        writeln!(out, "taken back: {what}")?;
    }
    report(&restored)
}

/// What could not be restored is an error: the ruleset is not what it was.
fn report(restored: &Restored) -> anyhow::Result<()> {
    if restored.left.is_empty() {
        anyhow::ensure!(
            restored.verified,
            "the ruleset is not what it was; look at it with `hookscope show`"
        );
        return Ok(());
    }
    for sentence in &restored.left {
        writeln!(io::stderr(), "hookscope: not restored: {sentence}")?;
    }
    anyhow::bail!(
        "{} parts were not restored; all else is as it was",
        restored.left.len()
    )
}
