//! Changes of routes, policy rules, neighbours and next hops, from words or from a file as `ip -batch` takes it.

use super::Safety;
use hookscope::kernel::netlink::{KernelError, Protocol, Socket};
use hookscope::kernel::route::read_links;
use hookscope::lang::route::{
    Names, ParseContext, ParseError, ParsedChange, parse_batch, parse_words,
};
use hookscope::model::network::{FibFamily, RouteChange};
use hookscope::session::changes::severed;
use hookscope::stage::commit::{self, CommitError, Committed, RouteError};
use hookscope::stage::route::{self as stage, Plan, Reason, Refused, Rehearsal, Undone};
use std::fmt;
use std::io::{self, Write};
use thiserror::Error;

/// How to make changes.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    pub names: &'a Names,
    /// The family asked for; without one, addresses decide.
    pub family: Option<FibFamily>,
    /// Change nothing: read the text, look devices and names up, try the changes on a copy.
    pub check: bool,
    /// Refuse to change anything.
    pub read_only: bool,
    /// The window to confirm in, and what the journal says.
    pub commit: commit::Options<'a>,
    /// Whether to look who would be cut off.
    pub safety: &'a Safety,
}

/// What a text asks for, ready to be made: `plan.before` is what a guard needs to take it back.
#[derive(Debug)]
pub struct Prepared {
    pub plan: Plan,
    /// The text of each change, in order, and where it stands.
    pub sources: Vec<ParsedChange>,
}

/// What came of a text.
pub enum Outcome {
    /// The changes are made; [`stage::undo`] with `plan.before` takes them back.
    Applied(Box<Made>),
    /// Nothing was changed, and the text is fine; what could not be looked at.
    Checked {
        changes: usize,
        unchecked: Option<String>,
    },
}

/// Changes that were made.
pub struct Made {
    pub plan: Plan,
    pub commit: Committed,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Applied(made) => f.debug_tuple("Applied").field(&made.plan).finish(),
            Outcome::Checked { changes, unchecked } => f
                .debug_struct("Checked")
                .field("changes", changes)
                .field("unchecked", unchecked)
                .finish(),
        }
    }
}

#[derive(Debug, Error)]
pub enum ChangeError {
    #[error("{0}")]
    Words(Box<ParseError>),
    #[error("{}", mistakes(.0))]
    Text(Vec<ParseError>),
    #[error("--read-only: nothing is changed; leave it out to change routes")]
    ReadOnly,
    #[error("a snapshot cannot be changed; leave --snapshot out to change this machine")]
    Snapshot,
    #[error("cannot read what is there before the change: {0}")]
    Read(#[from] KernelError),
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The change would cut the person off.
    #[error(transparent)]
    Safety(#[from] anyhow::Error),
}

/// The kernel refused a change, or somebody was faster.
#[derive(Debug)]
pub struct Refusal {
    pub refused: Refused,
    /// The change at fault, and how many there were.
    pub source: Option<ParsedChange>,
    pub count: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undone = &self.refused.undone;
        match (&self.refused.reason, &self.source) {
            (Reason::Kernel { index, error }, Some(source)) => {
                let place = match self.count {
                    1 => String::new(),
                    count => format!(
                        " (change {} of {count}, line {}, column {})",
                        index + 1,
                        source.line,
                        source.column
                    ),
                };
                write!(
                    f,
                    "the kernel refuses '{}'{place}\n  kernel: {error}\n  {undone}",
                    source.text
                )?;
                match advice(error, &source.change) {
                    Some(next) => write!(f, "\n  next: {next}"),
                    None => Ok(()),
                }
            }
            _ => write!(f, "{}", self.refused),
        }
    }
}

/// What to do about a refusal.
fn advice(error: &KernelError, change: &RouteChange) -> Option<&'static str> {
    use hookscope::model::network::{ChangeAction, RoutingObject};
    Some(match error.errno()? {
        libc::EPERM | libc::EACCES => {
            "changing routes needs CAP_NET_ADMIN in this network namespace; run as root"
        }
        libc::EEXIST => "there is one already; use replace to put this one in its place",
        libc::ESRCH | libc::ENOENT => match (change.action, &change.object) {
            (ChangeAction::Delete, RoutingObject::Route(_)) => {
                "no such route in this table; 'hookscope route list table all' shows all"
            }
            (ChangeAction::Delete, RoutingObject::Rule { .. }) => {
                "no such rule; 'hookscope route rules' shows all"
            }
            (ChangeAction::Change, _) => "there is nothing to change; use add or replace",
            _ => return None,
        },
        libc::ENETUNREACH | libc::EHOSTUNREACH => {
            "the gateway must be reachable through a route of this machine; name 'dev', and 'onlink' if it is on that link"
        }
        libc::ENETDOWN => "the device is down; 'ip link set DEV up' first",
        _ => return None,
    })
}

fn mistakes(errors: &[ParseError]) -> String {
    const SHOWN: usize = 20;
    let mut text = match errors.len() {
        1 => "nothing was changed: ".to_owned(),
        count => format!("nothing was changed: {count} mistakes\n"),
    };
    let shown: Vec<String> = errors.iter().take(SHOWN).map(ToString::to_string).collect();
    text.push_str(&shown.join("\n"));
    if errors.len() > SHOWN {
        text.push_str(&format!("\nand {} more", errors.len() - SHOWN));
    }
    text
}

/// One change from the words of a command line: `route add default via 192.0.2.1`.
pub fn apply_words(words: &[String], options: &Options<'_>) -> Result<Outcome, ChangeError> {
    let parsed = with_context(options, |context| parse_words(words, context))?
        .map_err(ChangeError::Words)?;
    make(prepare(vec![parsed])?, options)
}

/// Tell what came of it.
pub fn told(outcome: &Outcome, safety: &Safety) -> io::Result<()> {
    match outcome {
        Outcome::Applied(made) => safety.told(&made.commit),
        Outcome::Checked {
            unchecked: Some(unchecked),
            ..
        } => writeln!(io::stderr(), "hookscope: not checked: {unchecked}"),
        Outcome::Checked { .. } => Ok(()),
    }
}

/// All changes of a text as `ip -batch` takes it, or none of them.
pub fn apply_text(text: &str, options: &Options<'_>) -> Result<Outcome, ChangeError> {
    make(prepare_text(text, options)?, options)
}

/// Read a text, and note what is there before its changes.
pub fn prepare_text(text: &str, options: &Options<'_>) -> Result<Prepared, ChangeError> {
    let parsed =
        with_context(options, |context| parse_batch(text, context))?.map_err(ChangeError::Text)?;
    prepare(parsed)
}

fn with_context<T>(
    options: &Options<'_>,
    read: impl FnOnce(&ParseContext<'_>) -> T,
) -> Result<T, ChangeError> {
    let links = read_links(&mut Socket::open(Protocol::Route)?)?;
    Ok(read(&ParseContext {
        names: options.names,
        links: &links,
        family: options.family,
    }))
}

fn prepare(sources: Vec<ParsedChange>) -> Result<Prepared, ChangeError> {
    let changes: Vec<RouteChange> = sources.iter().map(|one| one.change.clone()).collect();
    let network = stage::read_for(&changes)?;
    let plan = stage::plan(changes, &network);
    Ok(Prepared { plan, sources })
}

/// Make the changes that a text asked for. The picture was read just now: nobody is looked for who was faster.
pub fn make(prepared: Prepared, options: &Options<'_>) -> Result<Outcome, ChangeError> {
    let count = prepared.plan.changes.len();
    let refusal = |refused: Refused| {
        let source = refused
            .index()
            .and_then(|index| prepared.sources.get(index).cloned());
        ChangeError::Refused(Box::new(Refusal {
            refused,
            source,
            count,
        }))
    };
    if options.check {
        let unchecked = match stage::rehearse(&prepared.plan) {
            Rehearsal::Fine(_) => None,
            // What was taken back was taken back in the copy.
            Rehearsal::Refused(refused) => {
                return Err(refusal(Refused {
                    undone: Undone::default(),
                    ..refused
                }));
            }
            Rehearsal::NotTried(why) => Some(format!(
                "whether the kernel takes the changes, because {why}"
            )),
        };
        return Ok(Outcome::Checked {
            changes: count,
            unchecked,
        });
    }
    if options.read_only {
        return Err(ChangeError::ReadOnly);
    }
    let mut commit = options.commit.clone();
    if commit.text.is_empty() {
        let lines: Vec<&str> = prepared.sources.iter().map(|one| &*one.text).collect();
        commit.text = lines.join("\n");
    }
    options.safety.look(|| severed::by_routes(&prepared.plan))?;
    match commit::run_routes(prepared.plan.clone(), &commit) {
        Ok(done) => Ok(Outcome::Applied(Box::new(Made {
            plan: prepared.plan,
            commit: done,
        }))),
        Err(RouteError::Refused(refused)) => Err(refusal(refused)),
        Err(RouteError::Commit(error)) => Err(error.into()),
    }
}
