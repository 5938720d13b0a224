//! Trying changes on a copy: a new network namespace with the same links, addresses, rules and routes, which is
//! gone when the attempt is over. The copy's devices are dummies, so that everything the kernel checks about a
//! route is checked (gateways, devices, duplicates, types), but not what a driver says.

use super::place::{Content, Place, Saved};
use super::{Applied, Plan, Refused, apply, restore};
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::route::{copy_links, read_network};
use crate::model::network::{Network, PolicyRule};
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeMap;

/// More routes than these are not copied: that would take longer than people wait for an answer.
const MOST_ROUTES: usize = 200_000;

/// What came of an attempt.
#[derive(Debug)]
pub enum Rehearsal {
    /// The kernel takes all changes.
    Fine,
    /// The kernel refuses one of them.
    Refused(Refused),
    /// There was no copy to try them on, and why.
    NotTried(String),
}

/// Try a plan on a copy of the current network namespace.
pub fn rehearse(plan: &Plan) -> Rehearsal {
    let network = match read_network(|_| {}) {
        Ok(network) => network,
        Err(error) => return Rehearsal::NotTried(format!("cannot read the network: {error}")),
    };
    if network.routes.route_count() > MOST_ROUTES {
        return Rehearsal::NotTried(format!("more than {MOST_ROUTES} routes are not copied"));
    }
    // A thread of its own, because a network namespace belongs to a thread, and ends with it.
    let attempt = std::thread::scope(|scope| {
        let thread = scope.spawn(|| in_copy(&network, plan));
        thread.join()
    });
    match attempt {
        Ok(Ok(Ok(_))) => Rehearsal::Fine,
        Ok(Ok(Err(refused))) => Rehearsal::Refused(refused),
        Ok(Err(why)) => Rehearsal::NotTried(why),
        Err(_) => Rehearsal::NotTried("the attempt came to no end".to_owned()),
    }
}

fn in_copy(network: &Network, plan: &Plan) -> Result<Result<Applied, Refused>, String> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| format!("a network namespace for the attempt cannot be made: {error}"))?;
    let copied = || -> Result<_, KernelError> {
        let mut socket = Socket::open(Protocol::Route)?;
        let failed = copy_links(&mut socket, &network.links, &network.addresses)?;
        let undone = restore::restore(&mut socket, &everything(network, &plan.before));
        Ok((failed, undone))
    };
    let (failed, undone) = copied().map_err(|error| format!("the copy failed: {error}"))?;
    // Where the changes happen, the copy must be right.
    let touched = |place: &Place| plan.before.iter().any(|saved| saved.place == *place);
    let missing = undone.failed.iter().find(|one| touched(&one.place));
    match missing {
        _ if failed > 0 => Err(format!("{failed} devices or addresses could not be copied")),
        Some(one) => Err(format!("{} could not be copied: {}", one.place, one.reason)),
        None => Ok(()),
    }?;
    Ok(apply(plan.clone(), false))
}

/// Rules, routes and next hops of a network made again in the current namespace, where its links are. What the kernel
/// refuses is left out: one sentence each.
pub fn copy_routing(socket: &mut Socket, network: &Network) -> Vec<String> {
    let undone = restore::restore(socket, &everything(network, &[]));
    undone
        .failed
        .iter()
        .map(|one| format!("{}: {}", one.place, one.reason))
        .collect()
}

/// All places of a network that changes can depend on.
fn everything(network: &Network, before: &[Saved]) -> Vec<Saved> {
    let mut saved = Vec::new();
    // What was made first is restored last: next hops come after the routes that use them.
    for neighbour in before {
        if matches!(neighbour.place, Place::Neighbour { .. }) {
            saved.push(neighbour.clone());
        }
    }
    let mut rules: BTreeMap<(u8, u32), Vec<PolicyRule>> = BTreeMap::new();
    for rule in network.rules.iter() {
        let key = (rule.family, rule.priority);
        rules.entry(key).or_default().push(rule.clone());
    }
    // The rules that a new namespace has by itself may be gone in this one.
    for family in [2, 10] {
        for priority in [0, 32766, 32767] {
            rules.entry((family, priority)).or_default();
        }
    }
    // Gateways are looked up when routes are made, by the rules there are: those come behind the routes, as rules that
    // keep packets away would keep routes from being made.
    for ((family, priority), rules) in rules {
        saved.push(Saved {
            place: Place::Rules { family, priority },
            content: Content::Rules(rules),
        });
    }
    for table in &network.routes.tables {
        let mut destination = None;
        for route in table.iter() {
            if destination.replace(route.destination) == Some(route.destination) {
                continue;
            }
            let place = Place::Routes {
                family: table.family,
                table: table.id,
                destination: route.destination,
            };
            let content = super::place::content(network, &place);
            saved.push(Saved { place, content });
        }
    }
    for one in network.nexthops.iter() {
        saved.push(Saved {
            place: Place::Nexthop(one.id),
            content: Content::Nexthop(Some(one.clone())),
        });
    }
    saved
}
