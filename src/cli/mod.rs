//! The command line: what it takes, and one file per subcommand.
//!
//! May use everything. Results go to standard output, errors to standard error as `hookscope: error: ...` with
//! what to do next; exit 1. Wrong usage exits 2. A reader that closes the pipe is not an error.

mod apply;
mod apply_route;
mod commands;
mod confirm;
mod demo;
mod diff;
mod guard;
mod history;
mod log;
mod machine;
mod packet;
mod rollback;
mod route;
mod safety;
mod save;
mod services;
mod show;
mod snapshot;
mod staged;
mod test;
mod trace;
mod trace_kernel;
mod trace_pcap;
mod tui;
mod watch;

use clap::{CommandFactory, Parser};
pub use commands::Command;
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
    /// Colours: dark, light, 16, mono, or a theme of your own
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// Keys: default, vim, or a keymap of your own
    #[arg(long, global = true, value_name = "NAME")]
    pub keymap: Option<String>,
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

/// Run the command that the program was called with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(&cli) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed too; then there is nobody to tell.
            let _ = writeln!(io::stderr(), "hookscope: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    log::start(cli.global.verbose)?;
    if let Some(namespace) = &cli.global.netns {
        hookscope::kernel::netns::enter(namespace)?;
    }
    if changes_or_shows(&cli.command) {
        for sentence in hookscope::stage::guard::check() {
            let _ = writeln!(io::stderr(), "hookscope: {sentence}");
        }
    }
    match &cli.command {
        Some(Command::Confirm(_)) => confirm::run()?,
        Some(Command::Rollback(args)) => rollback::run(args)?,
        Some(Command::GuardRun(args)) => guard::run(args)?,
        Some(Command::Show(args)) => show::run(args, &cli.global)?,
        Some(Command::Apply(args)) => apply::run(args, &cli.global)?,
        Some(Command::History(args)) => history::run(args)?,
        Some(Command::Save(args)) => return save::run(args, &cli.global),
        Some(Command::Route(args)) => return run_route(args, &cli.global),
        Some(Command::Test(args)) => return test::run(args, &cli.global),
        Some(Command::Trace(args)) => return trace::run(args, &cli.global),
        Some(Command::Watch(args)) => return watch::run(args, &cli.global),
        Some(Command::Demo(args)) => return demo::run(args, &cli.global),
        Some(Command::Services(args)) => services::run(args, &cli.global)?,
        Some(Command::Snapshot(args)) => snapshot::run(args, &cli.global)?,
        Some(Command::Diff(args)) => return diff::run(args, &cli.global),
        Some(Command::Completions(args)) => {
            clap_complete::generate(
                args.shell,
                &mut Cli::command(),
                "hookscope",
                &mut io::stdout(),
            );
        }
        Some(Command::Man(_)) => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
        None => return tui::run(&cli.global, None),
    }
    Ok(ExitCode::SUCCESS)
}

/// Commands that meet what a killed guard left, and are not about to deal with it themselves.
fn changes_or_shows(command: &Option<Command>) -> bool {
    !matches!(
        command,
        Some(
            Command::Confirm(_)
                | Command::Rollback(_)
                | Command::GuardRun(_)
                | Command::Completions(_)
                | Command::Man(_)
                | Command::Demo(_)
        )
    )
}

/// `hookscope route` has words that only it can judge: wrong ones exit 2, as wrong options do.
fn run_route(args: &route::RouteArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let names = hookscope::session::names::read_names();
    let snapshot = global
        .snapshot
        .as_deref()
        .map(hookscope::session::snapshot::open)
        .transpose()?;
    let context = route::RouteContext {
        snapshot: snapshot.as_ref().map(|snapshot| &snapshot.network),
        names: &names,
        read_only: global.read_only,
    };
    match route::run(args, context, &mut io::stdout()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is_usage() => {
            let _ = writeln!(io::stderr(), "hookscope: error: {error}");
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}
