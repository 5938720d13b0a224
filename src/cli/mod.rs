//! The command line: what it takes, and one file per subcommand.
//!
//! May use everything. Results go to standard output, errors to standard error as `hookscope: error: ...` with
//! what to do next; exit 1. Wrong usage exits 2. A reader that closes the pipe is not an error.

mod machine;
mod show;

use clap::{Parser, Subcommand};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// See, explain and safely change the Linux firewall and routing.
#[derive(Debug, Parser)]
#[command(name = "hookscope", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, clap::Args)]
pub struct Global {
    /// Work in this network namespace: a name under /run/netns, or the PID of a process in it
    #[arg(long, global = true, value_name = "NAME|PID")]
    pub netns: Option<String>,
    /// Work on a saved picture instead of the kernel
    #[arg(long, global = true, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Refuse everything that changes the machine
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Directory with keymaps, themes and settings
    #[arg(long, global = true, value_name = "DIR")]
    pub config: Option<PathBuf>,
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Log more, to a file under the state directory (-v, -vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the nf_tables ruleset as `nft list ruleset` does
    Show(show::ShowArgs),
}

/// Run the command that the program was called with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed too; then there is nobody to tell.
            let _ = writeln!(io::stderr(), "hookscope: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Some(Command::Show(args)) => show::run(args, &cli.global),
        None => anyhow::bail!("the terminal interface is not there yet; try `hookscope show`"),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}
