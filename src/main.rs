//! The command line.

use clap::{Parser, Subcommand};
use hookscope::cli::route::{self, RouteArgs, RouteContext};
use std::process::ExitCode;

#[derive(Parser)]
struct Arguments {
    /// Network namespace: a name, a process id or a path
    #[arg(long, global = true)]
    netns: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Routes, policy rules, and the kernel's way to a destination
    Route(RouteArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(namespace) = &arguments.netns
        && let Err(error) = hookscope::kernel::netns::enter(namespace)
    {
        eprintln!("hookscope: error: {error}");
        return ExitCode::FAILURE;
    }
    let names = hookscope::session::names::read_names();
    let context = RouteContext {
        snapshot: None,
        names: &names,
    };
    let Command::Route(args) = &arguments.command;
    match route::run(args, context, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hookscope: error: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
