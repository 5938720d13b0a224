//! `hookscope demo`: a real firewall in private namespaces; needs no root, leaves nothing behind.

use super::Global;
use anyhow::Context;
use clap::Args;
use hookscope::lab::{self, SCENARIOS};
use std::io::{self, Write};
use std::process::{Command, ExitCode};

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which scenario; see --list
    #[arg(default_value = SCENARIOS[0].name)]
    scenario: String,
    /// List the scenarios
    #[arg(long)]
    list: bool,
    /// Run a command in the scenario instead of the terminal interface
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "CMD")]
    exec: Vec<String>,
}

/// Set for programs that run in a scenario.
pub const INSIDE: &str = "HOOKSCOPE_DEMO";

pub fn run(args: &DemoArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if args.list {
        let mut out = io::stdout().lock();
        for scenario in &SCENARIOS {
            writeln!(out, "{:<12}{}", scenario.name, scenario.about)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(
        global.snapshot.is_none() && global.netns.is_none(),
        "the demo makes its own network; leave --snapshot and --netns out"
    );
    let scenario = lab::scenario(&args.scenario).with_context(|| {
        format!(
            "there is no scenario '{}'; `hookscope demo --list` lists them",
            args.scenario
        )
    })?;
    let lab = lab::start(scenario)?;
    let result = match args.exec.split_first() {
        Some((program, rest)) => execute(program, rest),
        None => super::tui::run(global, Some(scenario.name)),
    };
    drop(lab);
    result
}

/// Run a program in the scenario; it ends when this process does, however this process ends.
fn execute(program: &str, args: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(program);
    command.args(args).env(INSIDE, "1");
    hookscope::kernel::process::die_with_parent(&mut command);
    let status = command
        .status()
        .with_context(|| format!("cannot run '{program}' in the demo"))?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        // Ended by a signal, as shells report it.
        None => ExitCode::from(128),
    })
}
