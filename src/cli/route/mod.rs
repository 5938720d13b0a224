//! `hookscope route`: what `ip route`, `ip rule`, `ip neigh` and `ip nexthop` do.

// Not all of it is used here: `apply --format route` takes whole texts.
#[allow(dead_code)]
pub mod change;
mod get;
mod list;
mod sink;

use super::safety::Safety;
use change::ChangeError;
use clap::{Args, Subcommand};
use hookscope::kernel::netlink::{KernelError, Socket};
use hookscope::kernel::route::read_links;
use hookscope::lang::route::Names;
use hookscope::model::network::{FibFamily, Network};
use hookscope::session::route::AskError;
use std::io::{self, Write};
use std::sync::Arc;
use thiserror::Error;

#[derive(Args, Clone, Debug)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub command: RouteCommand,
    /// IPv4 only
    #[arg(short = '4', global = true, conflicts_with = "six")]
    pub four: bool,
    /// IPv6 instead of IPv4
    #[arg(short = '6', global = true)]
    pub six: bool,
    /// Print JSON, as 'ip -j' does
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub how: How,
}

#[derive(Subcommand, Clone, Debug)]
pub enum RouteCommand {
    /// Routes of the main table, or of the one named: as 'ip route show' prints them
    #[command(visible_alias = "show")]
    List {
        /// [table all|NUMBER|NAME]
        #[arg(value_name = "SELECTOR")]
        words: Vec<String>,
    },
    /// Policy rules as 'ip rule' prints them; after add or del, changes them as 'ip rule' does
    Rules {
        /// [add|del [not] [from PREFIX] [to PREFIX] [iif DEV] [fwmark N[/MASK]] ... [pref N] [table ID|goto N|...]]
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    /// Add a route: the words of 'ip route add'
    Add(ChangeWords),
    /// Put a route behind those with the same destination and metric
    Append(ChangeWords),
    /// Put a route before those with the same destination and metric
    Prepend(ChangeWords),
    /// Put a route in the place of the first with the same destination and metric
    Replace(ChangeWords),
    /// As replace, but there must be one
    Change(ChangeWords),
    /// Delete the first route that has what is given
    #[command(visible_alias = "delete")]
    Del(ChangeWords),
    /// Change neighbours: the words of 'ip neigh'
    Neigh {
        /// add|del|replace|change ADDRESS [lladdr MAC] dev DEV [nud STATE] [proxy ADDRESS] [router] ...
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    /// Change next hop objects: the words of 'ip nexthop'
    Nexthop {
        /// add|del|replace id N [via ADDRESS] [dev DEV] [group ID[,WEIGHT]/...] ...
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
    },
    /// Ask the kernel which way a packet would go: as 'ip route get' prints it
    Get {
        /// DST [from SRC] [iif DEV] [oif DEV] [mark N] [ipproto P] [sport N] [dport N] [tos N] [uid N] [fibmatch]
        #[arg(value_name = "DST", required = true)]
        words: Vec<String>,
    },
}

#[derive(Args, Clone, Debug)]
pub struct ChangeWords {
    /// [TYPE] PREFIX [via ADDRESS] [dev DEV] [src ADDRESS] [metric N] [table ID] [proto P] [scope S] [mtu N] [nhid ID] [nexthop ...]
    #[arg(value_name = "WORD", required = true)]
    pub words: Vec<String>,
}

/// How a change is made. Nothing of it concerns the commands that only look.
#[derive(Args, Clone, Debug, Default)]
pub struct How {
    /// Try the change on a copy of the network, and change nothing here
    #[arg(short, long, global = true)]
    pub check: bool,
    #[command(flatten)]
    pub safety: Safety,
}

/// Where the answers come from.
#[derive(Clone, Copy)]
pub struct RouteContext<'a> {
    /// A saved picture instead of the kernel.
    pub snapshot: Option<&'a Network>,
    pub names: &'a Names,
    /// Refuse to change anything.
    pub read_only: bool,
}

#[derive(Debug, Error)]
pub enum RouteError {
    #[error("'{word}' is not understood after 'route {command}'; the words are {known}")]
    UnknownWord {
        command: &'static str,
        word: String,
        known: &'static str,
    },
    #[error("a value is missing after '{0}'; add it")]
    MissingValue(String),
    #[error("'{value}' is not a valid value of '{word}'; give {expected}")]
    Invalid {
        word: String,
        value: String,
        expected: &'static str,
    },
    #[error(
        "routing table '{0}' does not exist for {1}; 'hookscope route list table all' lists all routes"
    )]
    NoTable(String, &'static str),
    #[error(
        "'route get' asks the running kernel and a snapshot has none; use 'hookscope trace --snapshot' instead"
    )]
    SnapshotGet,
    #[error(
        "this only looks; --check, --confirm, --for, --why and --cut-me-off go with commands that change something"
    )]
    OnlyLooks,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("cannot read routes from the kernel: {0}")]
    Kernel(#[from] KernelError),
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
}

impl RouteError {
    /// The command line is at fault, not the machine.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            RouteError::UnknownWord { .. }
                | RouteError::MissingValue(_)
                | RouteError::Invalid { .. }
                | RouteError::OnlyLooks
                | RouteError::Ask(AskError::NoDestination)
                | RouteError::Change(ChangeError::Words(_))
        )
    }
}

/// `route rules` without a word lists them.
fn lists(word: Option<&str>) -> bool {
    matches!(word, None | Some("list" | "show" | "ls"))
}

impl RouteCommand {
    fn only_looks(&self) -> bool {
        match self {
            RouteCommand::List { .. } | RouteCommand::Get { .. } => true,
            RouteCommand::Rules { words } => lists(words.first().map(String::as_str)),
            _ => false,
        }
    }
}

/// Run the subcommand. A reader that closes its end of the pipe is not an error.
pub fn run(
    args: &RouteArgs,
    context: RouteContext<'_>,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    if args.command.only_looks() && (args.how.check || args.how.safety.is_given()) {
        return Err(RouteError::OnlyLooks);
    }
    let result = match &args.command {
        RouteCommand::List { words } => list::list(args, words, context, out),
        RouteCommand::Rules { words } => match words.first().map(String::as_str) {
            word if lists(word) => list::rules(args, context, out),
            _ => change(args, "rule", words, context),
        },
        RouteCommand::Get { words } => get::get(args, words, context, out),
        RouteCommand::Add(given) => route_change(args, "add", given, context),
        RouteCommand::Append(given) => route_change(args, "append", given, context),
        RouteCommand::Prepend(given) => route_change(args, "prepend", given, context),
        RouteCommand::Replace(given) => route_change(args, "replace", given, context),
        RouteCommand::Change(given) => route_change(args, "change", given, context),
        RouteCommand::Del(given) => route_change(args, "del", given, context),
        RouteCommand::Neigh { words } => change(args, "neigh", words, context),
        RouteCommand::Nexthop { words } => change(args, "nexthop", words, context),
    };
    match result.and_then(|()| Ok(out.flush()?)) {
        Err(RouteError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn family(args: &RouteArgs) -> Option<FibFamily> {
    match (args.four, args.six) {
        (true, _) => Some(FibFamily::Ip4),
        (_, true) => Some(FibFamily::Ip6),
        _ => None,
    }
}

fn route_change(
    args: &RouteArgs,
    action: &str,
    given: &ChangeWords,
    context: RouteContext<'_>,
) -> Result<(), RouteError> {
    let mut words = vec![action.to_owned()];
    words.extend(given.words.iter().cloned());
    change(args, "route", &words, context)
}

/// One change, in the words of `ip`.
fn change(
    args: &RouteArgs,
    object: &str,
    words: &[String],
    context: RouteContext<'_>,
) -> Result<(), RouteError> {
    if context.snapshot.is_some() {
        return Err(ChangeError::Snapshot.into());
    }
    let mut all = vec![object.to_owned()];
    all.extend(words.iter().cloned());
    let how = &args.how;
    let outcome = change::apply_words(
        &all,
        &change::Options {
            names: context.names,
            family: family(args),
            check: how.check,
            read_only: context.read_only,
            commit: how.safety.options().map_err(ChangeError::Safety)?,
            safety: &how.safety,
        },
    )?;
    Ok(change::told(&outcome, &how.safety)?)
}

/// A picture with nothing but the devices.
fn devices(socket: &mut Socket) -> Result<Network, KernelError> {
    Ok(Network {
        links: Arc::new(read_links(socket)?),
        ..Network::default()
    })
}

fn invalid(word: &str, value: &str, expected: &'static str) -> RouteError {
    RouteError::Invalid {
        word: word.to_owned(),
        value: value.to_owned(),
        expected,
    }
}
