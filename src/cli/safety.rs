//! What every change from the command line can ask for: a window to confirm in, a time to be taken back after, a reason
//! for the journal; and the look whether it would cut off the person who makes it.

use anyhow::{anyhow, bail};
use clap::Args;
use hookscope::session::changes::severed::Severed;
use hookscope::session::ssh;
use hookscope::stage::commit::{self, Committed};
use std::io::{self, Write};
use std::time::Duration;

#[derive(Args, Clone, Debug, Default)]
pub struct Safety {
    /// Take everything back after this time unless `hookscope confirm` runs
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    confirm: Option<u64>,
    /// Take everything back after this time (`2h`, `30m`, `90s`), for example an opening for an incident
    #[arg(
        long = "for",
        global = true,
        value_name = "TIME",
        conflicts_with = "confirm"
    )]
    limited: Option<String>,
    /// Why, for the journal
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    why: String,
    /// Make the change even if it cuts off the SSH session that this runs in
    #[arg(long, global = true)]
    cut_me_off: bool,
}

impl Safety {
    /// A guard is going to take the change back.
    pub fn is_guarded(&self) -> bool {
        self.confirm.is_some() || self.limited.is_some()
    }

    /// Something was asked for that only makes sense with a change.
    pub fn is_given(&self) -> bool {
        self.is_guarded() || !self.why.is_empty() || self.cut_me_off
    }

    pub fn options(&self) -> anyhow::Result<commit::Options<'static>> {
        Ok(commit::Options {
            confirm: self.confirm.map(Duration::from_secs),
            limited: self.limited.as_deref().map(time).transpose()?,
            why: self.why.clone(),
            ..commit::Options::default()
        })
    }

    /// Over SSH, a change that would cut the own session off is not made without a window that brings it back, or the
    /// person's word. `severed` is not asked where it makes no difference.
    pub fn look(&self, severed: impl FnOnce() -> Result<Severed, String>) -> anyhow::Result<()> {
        if self.cut_me_off || self.is_guarded() || ssh::session().is_none() {
            return Ok(());
        }
        // What cannot be simulated is not refused: the kernel is going to say what is wrong with it.
        if let Ok(Severed { own: Some(by), .. }) = severed() {
            bail!(
                "this would cut your own SSH session off, by {by}; nothing was changed\n  next: --confirm 60 takes it back unless `hookscope confirm` runs; --cut-me-off does it all the same"
            );
        }
        Ok(())
    }

    /// Tell what a person must know after a commit.
    pub fn told(&self, done: &Committed) -> io::Result<()> {
        for warning in &done.warnings {
            writeln!(io::stderr(), "hookscope: {warning}")?;
        }
        if let Some(seconds) = self.confirm {
            writeln!(
                io::stdout(),
                "applied; taken back in {seconds} s unless `hookscope confirm` runs (`hookscope rollback` takes it back now)"
            )?;
        }
        if let Some(limited) = &self.limited {
            writeln!(io::stdout(), "applied for {limited}")?;
        }
        Ok(())
    }
}

fn time(word: &str) -> anyhow::Result<Duration> {
    hookscope::lang::nft::compile::time(word)
        .filter(|milliseconds| *milliseconds > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| anyhow!("`{word}` is no time; write for example `2h` or `1d12h`"))
}
