//! `hookscope guard-run`: the guard's own process. Started by hookscope, not by people.

use clap::Args;
use hookscope::stage::guard::process;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Where the guard's state is
    place: PathBuf,
    /// Take up what a killed guard left
    #[arg(long)]
    resume: bool,
}

pub fn run(args: &GuardArgs) -> anyhow::Result<()> {
    process::run(&args.place, args.resume).map_err(anyhow::Error::msg)
}
