//! Changes of routing among the others: read, tried, and put on the change that they belong to.

use super::{Problem, Wrong};
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::route::read_links;
use crate::lang::route::{ParseContext, ParseError, parse_batch};
use crate::model::Names;
use crate::model::network::{Link, Network, RouteChange};
use crate::stage::change::Edit;
use crate::stage::route::{self, Plan, Reason, Refused, Rehearsal};

/// Changes of routing, each with the place in the set of the change that it is a part of.
#[derive(Debug, Default)]
pub(super) struct Routing {
    pub plan: Plan,
    owners: Vec<usize>,
}

/// What the words say. Pure.
pub(super) fn read(
    edits: &[Edit],
    links: &[Link],
    names: &Names,
) -> Result<Vec<(usize, RouteChange)>, Vec<Wrong>> {
    let context = ParseContext {
        names: &names.routing,
        links,
        family: None,
    };
    let (mut changes, mut wrong) = (Vec::new(), Vec::new());
    for (place, edit) in edits.iter().enumerate() {
        let Edit::Route { text } = edit else {
            continue;
        };
        match parse_batch(text, &context) {
            Ok(parsed) if parsed.is_empty() => wrong.push(Wrong {
                change: place,
                span: 0..0,
                message: "expected a change, such as: route add 192.0.2.0/24 via 198.51.100.1"
                    .into(),
                help: None,
                moved: None,
            }),
            Ok(parsed) => changes.extend(parsed.into_iter().map(|one| (place, one.change))),
            Err(mistakes) => wrong.extend(mistakes.iter().map(|one| mistake(place, text, one))),
        }
    }
    if wrong.is_empty() {
        Ok(changes)
    } else {
        Err(wrong)
    }
}

fn mistake(change: usize, text: &str, error: &ParseError) -> Wrong {
    let line = text
        .split_inclusive('\n')
        .take(error.line.saturating_sub(1));
    let start: usize = line.map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let column = error.column.saturating_sub(1);
    let column = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(at, _)| at);
    let start = start + column;
    let subject = match error.word.as_str() {
        "" => String::new(),
        word => format!("'{word}' "),
    };
    let expected = match error.expected.as_str() {
        "" => String::new(),
        expected => format!("; expected {expected}"),
    };
    Wrong {
        change,
        span: start..start + error.word.len(),
        message: format!("{subject}{}{expected}", error.problem),
        help: error
            .near
            .as_ref()
            .map(|near| format!("did you mean '{near}'?")),
        moved: None,
    }
}

/// Read the changes for this machine, and note what is there before them.
pub(super) fn prepare(edits: &[Edit], names: &Names) -> Result<Routing, Problem> {
    if !edits.iter().any(Edit::is_route) {
        return Ok(Routing::default());
    }
    let sentence = |error: KernelError| {
        Problem::Other(format!(
            "cannot read the routes: {error}; nothing was changed"
        ))
    };
    let mut socket = Socket::open(Protocol::Route).map_err(sentence)?;
    let links = read_links(&mut socket).map_err(sentence)?;
    let changes = read(edits, &links, names).map_err(Problem::Changes)?;
    let (owners, changes): (Vec<usize>, Vec<RouteChange>) = changes.into_iter().unzip();
    let network = route::read_for(&changes).map_err(sentence)?;
    let plan = route::plan(changes, &network);
    Ok(Routing { plan, owners })
}

/// A network with the changes of routing made, by the kernel on a copy of it; the network as it is and why, where
/// there could be no copy.
pub(super) fn staged(
    network: &Network,
    edits: &[Edit],
    names: &Names,
) -> Result<(Network, Option<String>), Vec<Wrong>> {
    if !edits.iter().any(Edit::is_route) {
        return Ok((network.clone(), None));
    }
    let (owners, changes) = read(edits, &network.links, names)?.into_iter().unzip();
    let plan = route::plan(changes, network);
    match route::rehearse_on(network, &plan) {
        Rehearsal::Fine(after) => Ok((*after, None)),
        Rehearsal::NotTried(why) => {
            let unseen = format!("the changes of routes, because {why}");
            Ok((network.clone(), Some(unseen)))
        }
        Rehearsal::Refused(refused) => match (Routing { plan, owners }).refused(&refused, false) {
            Problem::Changes(wrong) => Err(wrong),
            Problem::Theirs(_) => Ok((network.clone(), Some("the changes of routes".to_owned()))),
            Problem::Other(why) => {
                let unseen = format!("the changes of routes, because {why}");
                Ok((network.clone(), Some(unseen)))
            }
        },
    }
}

impl Routing {
    /// Try the changes on a copy of the network.
    pub fn rehearse(&self) -> Result<(), Problem> {
        if self.plan.changes.is_empty() {
            return Ok(());
        }
        match route::rehearse(&self.plan) {
            Rehearsal::Refused(refused) => Err(self.refused(&refused, false)),
            Rehearsal::Fine(_) | Rehearsal::NotTried(_) => Ok(()),
        }
    }

    /// On the change that the kernel did not take. `done`: changes before it were made, and taken back.
    pub fn refused(&self, refused: &Refused, done: bool) -> Problem {
        let Reason::Kernel { index, error } = &refused.reason else {
            return Problem::Other(refused.to_string());
        };
        let Some(owner) = self.owners.get(*index) else {
            return Problem::Other(refused.to_string());
        };
        let undone = match done && !refused.undone.failed.is_empty() {
            true => format!("; {}", refused.undone),
            false => String::new(),
        };
        Problem::Changes(vec![Wrong {
            change: *owner,
            span: 0..0,
            message: format!("the kernel refuses it: {error}{undone}"),
            help: None,
            moved: None,
        }])
    }
}
