//! The subcommands: their names, what they are for, and what each takes.
//!
//! clap would build the options of all of them before it looks at the first word. Most of what a short command takes
//! is the start of the program, so only those of the command that was called are built.

use super::{
    apply, demo, diff, guard, history, rollback, route, save, services, show, snapshot, test,
    trace, watch,
};
use clap::{ArgMatches, Args, Error, FromArgMatches, Subcommand};

/// Of commands that take nothing but what all take.
#[derive(Clone, Copy, Debug, Args)]
pub struct Nothing {}

#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

macro_rules! commands {
    ($($name:literal $variant:ident($args:ty) $(@$hidden:ident)? $about:literal;)*) => {
        #[derive(Debug)]
        pub enum Command {
            $($variant($args),)*
        }

        impl FromArgMatches for Command {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Command, Error> {
                match matches.subcommand() {
                    $(Some(($name, matches)) => {
                        <$args>::from_arg_matches(matches).map(Command::$variant)
                    })*
                    _ => Err(Error::new(clap::error::ErrorKind::MissingSubcommand)),
                }
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
                *self = Command::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Subcommand for Command {
            fn augment_subcommands(command: clap::Command) -> clap::Command {
                command$(.subcommand(
                    clap::Command::new($name)
                        .about($about)
                        $(.$hidden(true))?
                        // What the options are in says what it is for, too; that is not for the person.
                        .defer(|command| <$args>::augment_args(command).about($about)),
                ))*
            }

            fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
                Command::augment_subcommands(command)
            }

            fn has_subcommand(name: &str) -> bool {
                matches!(name, $($name)|*)
            }
        }
    };
}

commands! {
    "show" Show(show::ShowArgs) "Print the nf_tables ruleset as `nft list ruleset` does";
    "apply" Apply(apply::ApplyArgs) "Change the ruleset by a text: all of it or nothing";
    "history" History(history::HistoryArgs) "Who changed what, when and why: the journal of commits";
    "save" Save(save::SaveArgs) "Make the running ruleset the one of the next boot";
    "route" Route(route::RouteArgs) "Routes, policy rules, and the kernel's way to a destination";
    "trace" Trace(Box<trace::TraceArgs>) "Which way a packet goes: hooks, rules, NAT and routes, simulated";
    "watch" Watch(Box<watch::WatchArgs>) "The kernel's own trace of packets that match, live; nothing of it stays behind";
    "test" Test(test::TestArgs) "Hold packet expectations (TOML) against this machine or a snapshot";
    "demo" Demo(demo::DemoArgs) "A real firewall in a private namespace, with live traffic; needs no root";
    "services" Services(services::ServicesArgs) "Services of Kubernetes and published ports of Docker: where they are, and where their packets go";
    "snapshot" Snapshot(snapshot::SnapshotArgs) "Save everything needed to look at this machine elsewhere";
    "diff" Diff(diff::DiffArgs) "Two snapshots, or one and `live`: what was changed, rule by rule, counters ignored";
    "confirm" Confirm(Nothing) "Keep a change that waits for confirmation";
    "rollback" Rollback(rollback::RollbackArgs) "Take back a change that waits for confirmation, or the last one that was kept";
    "guard-run" GuardRun(guard::GuardArgs) @hide "The guard of a change, started by hookscope itself";
    "completions" Completions(CompletionsArgs) "Print a completion script for a shell";
    "man" Man(Nothing) "Print the manual page";
}
