//! Which connections a change would cut off, the person's own among them: every tracked connection is simulated
//! against the ruleset as it is and as it would be. Reads the kernel; blocks.

use crate::flow::cut::{Session, cut};
use crate::flow::words::Words;
use crate::flow::{Simulator, World};
use crate::lang::conntrack;
use crate::model::Snapshot;
use crate::model::command::Command;
use crate::model::xtables::rule::LegacyTable;
use crate::session::{snapshot, ssh};
use crate::stage::change::Edit;
use crate::stage::legacy;
use crate::stage::route::{self, Plan, Rehearsal};
use crate::stage::staged;
use std::time::SystemTime;

/// Who would be cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Severed {
    /// Connections that were looked at.
    pub of: usize,
    pub count: usize,
    /// The person's own session is among them; what ends it.
    pub own: Option<String>,
    /// The first of them, a sentence each.
    pub lines: Vec<String>,
    /// What was not looked at.
    pub unseen: Vec<String>,
}

/// Connections that are told of one by one.
const TOLD: usize = 50;

/// By commands that were compiled against the ruleset as it is.
pub fn by_commands(commands: &[Command]) -> Result<Severed, String> {
    let taken = take()?;
    let ruleset = staged::staged(&taken.ruleset, commands).map_err(|error| error.to_string())?;
    let after = World {
        ruleset: &ruleset,
        ..world(&taken)
    };
    Ok(compare(&taken, after))
}

/// By legacy tables that are replaced.
pub fn by_legacy(plan: &legacy::Plan) -> Result<Severed, String> {
    let tables = plan.tables().map_err(|error| error.to_string())?;
    let taken = take()?;
    let mut legacy = taken.legacy.clone();
    for new in tables {
        let same = |old: &&mut LegacyTable| (old.family, &old.name) == (new.family, &new.name);
        match legacy.iter_mut().find(same) {
            Some(old) => *old = new,
            None => legacy.push(new),
        }
    }
    let after = World {
        legacy: &legacy,
        ..world(&taken)
    };
    Ok(compare(&taken, after))
}

/// By changes of routing. What the kernel would refuse cuts nobody off.
pub fn by_routes(plan: &Plan) -> Result<Severed, String> {
    let taken = take()?;
    match route::rehearse_on(&taken.network, plan) {
        Rehearsal::Fine(network) => {
            let after = World {
                network: &network,
                ..world(&taken)
            };
            Ok(compare(&taken, after))
        }
        Rehearsal::Refused(refused) => Err(refused.to_string()),
        Rehearsal::NotTried(why) => Err(why),
    }
}

/// By the changes of a set.
pub fn by_edits(edits: &[Edit]) -> Result<Severed, String> {
    let taken = take()?;
    let first = |wrong: Vec<super::Wrong>| {
        let first = wrong.into_iter().next();
        first.map_or_else(String::new, |one| one.message)
    };
    let before = (&taken.ruleset, &*taken.legacy, &taken.network);
    let (after, unseen) = super::decided(before, edits, &taken.names).map_err(first)?;
    let world = World {
        ruleset: &after.ruleset,
        legacy: &after.legacy,
        network: &after.network,
        ..world(&taken)
    };
    let mut severed = compare(&taken, world);
    severed.unseen.extend(unseen);
    Ok(severed)
}

fn take() -> Result<Snapshot, String> {
    snapshot::take(None).map_err(|error| format!("cannot read what decides about packets: {error}"))
}

fn world(taken: &Snapshot) -> World<'_> {
    World {
        ruleset: &taken.ruleset,
        network: &taken.network,
        flows: &taken.flows,
        ipsets: &taken.ipsets,
        legacy: &taken.legacy,
    }
}

fn compare(taken: &Snapshot, after: World<'_>) -> Severed {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.ok().and_then(|now| i64::try_from(now.as_nanos()).ok());
    let session: Option<Session> = ssh::session();
    let before_world = Simulator::new(world(taken));
    let after_world = Simulator::new(after);
    let cuts = cut(
        &before_world,
        &after_world,
        &taken.flows,
        session.as_ref(),
        now,
    );
    let words = Words::new(&after_world, after.ruleset, &taken.names);
    let mut severed = Severed {
        of: taken.flows.len() + usize::from(session.is_some() && taken.flows.is_empty()),
        count: cuts.len(),
        unseen: taken.missing.clone(),
        ..Severed::default()
    };
    for one in &cuts {
        let by = one
            .by
            .as_ref()
            .map_or_else(|| "its way has changed".to_owned(), |by| by.words(&words));
        if one.own {
            severed.own = Some(by.clone());
        }
        if severed.lines.len() >= TOLD {
            continue;
        }
        let who = match (one.flow.and_then(|at| taken.flows.get(at)), session) {
            (Some(flow), _) => conntrack::ends(flow),
            (None, Some(session)) => format!("tcp {} → {}", session.peer, session.local),
            (None, None) => "a connection".to_owned(),
        };
        let own = if one.own { "your own session: " } else { "" };
        let part = if one.reply { " (its answers)" } else { "" };
        severed.lines.push(format!("{own}{who}{part}: {by}"));
    }
    severed
}
