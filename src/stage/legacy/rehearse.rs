//! Trying replacements in a new network namespace, which is gone when the attempt is over: the kernel has no way to
//! look at a table without taking it.

use super::{Plan, Refused, apply};
use crate::kernel::ipset::{self, read_ipsets};
use crate::kernel::legacy::legacy_table_exists;
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::netns;
use crate::model::ipset::IpSet;
use crate::model::xtables::rule::{LegacyTable, LegacyTarget};
use std::io;

/// What came of an attempt.
#[derive(Debug)]
pub enum Rehearsal {
    /// The kernel takes all tables.
    Fine,
    Refused(Refused),
    /// It could not be tried, and why.
    NotTried(String),
}

/// What the kernel looks for in the namespace when it takes a table, and a new one has not. Sets are copied.
const ELSEWHERE: [&str; 4] = ["nfacct", "CT", "CLUSTERIP", "rateest"];

/// Try a plan where it does no harm.
pub fn rehearse(plan: &Plan) -> Rehearsal {
    let sets = match read_ipsets() {
        // Which elements they have does not matter.
        Ok(sets) => sets.into_iter().map(|set| IpSet {
            elements: Vec::new(),
            ..set
        }),
        Err(error) => return Rehearsal::NotTried(format!("cannot read the ipsets: {error}")),
    };
    let sets: Vec<IpSet> = sets.collect();
    let mut attempt = plan.clone();
    let refused = match in_copy(&sets, || apply(&mut attempt)) {
        Ok(Ok(())) => return Rehearsal::Fine,
        Ok(Err(refused)) => refused,
        Err(why) => return Rehearsal::NotTried(why),
    };
    // A namespace without the rest of this one may be what it refuses.
    let elsewhere = plan
        .tables()
        .is_ok_and(|tables| tables.iter().find_map(looks_elsewhere).is_some());
    match elsewhere || !stands(plan, refused.index, &sets) {
        true => {
            Rehearsal::NotTried("its rules use what a namespace for the attempt has not".to_owned())
        }
        false => Rehearsal::Refused(Refused {
            left: Vec::new(),
            ..refused
        }),
    }
}

fn in_copy<T: Send>(sets: &[IpSet], work: impl FnOnce() -> T + Send) -> Result<T, String> {
    netns::in_new(|| {
        ipset::copy::make_all(sets);
        work()
    })
}

/// Whether the table as it is now can stand in the copy.
fn stands(plan: &Plan, index: usize, sets: &[IpSet]) -> bool {
    let Some(change) = plan.changes.get(index) else {
        return false;
    };
    let (family, name) = (change.saved.family, &change.saved.table);
    // A new one stands everywhere.
    if !legacy_table_exists(family, name).unwrap_or(true) {
        return true;
    }
    let now = LegacySocket::open(family)
        .ok()
        .and_then(|socket| socket.blob(name).ok());
    let Some(mut now) = now else { return false };
    let put = move || -> io::Result<()> {
        LegacySocket::open(family)?
            .replace(name, &mut now)
            .map(drop)
    };
    in_copy(sets, put).is_ok_and(|done| done.is_ok())
}

fn looks_elsewhere(table: &LegacyTable) -> Option<&'static str> {
    let rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let mut used = rules.flat_map(|rule| {
        let target = match &rule.target {
            LegacyTarget::Extension(target) => Some(target),
            _ => None,
        };
        rule.matches.iter().chain(target)
    });
    used.find_map(|one| ELSEWHERE.into_iter().find(|name| **name == *one.name))
}
