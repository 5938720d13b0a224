//! Trying changes on a copy: a new network namespace with the same links, addresses, rules and routes, which is
//! gone when the attempt is over. The copy's devices are dummies, so that everything the kernel checks about a
//! route is checked (gateways, devices, duplicates, types), but not what a driver says.

use super::place::{Content, Needs, Place, Saved, content, with_contents};
use super::{Plan, Refused, apply, restore};
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::netns;
use crate::kernel::route::{copy_links, read_fib, read_network};
use crate::model::network::{Network, PolicyRule, RouteBody, hop_flags, link_flags};
use std::collections::BTreeMap;

/// More routes than these are not copied: that would take longer than people wait for an answer.
const MOST_ROUTES: usize = 200_000;

/// What came of an attempt.
#[derive(Debug)]
pub enum Rehearsal {
    /// The kernel takes all changes; the network as it is then.
    Fine(Box<Network>),
    /// The kernel refuses one of them.
    Refused(Refused),
    /// There was no copy to try them on, and why.
    NotTried(String),
}

/// What came of an attempt in the copy: what is then in the places that the changes touch.
type Outcome = Result<Vec<Saved>, Refused>;

/// Try a plan on a copy of the current network namespace.
pub fn rehearse(plan: &Plan) -> Rehearsal {
    match read_network(|_| {}) {
        Ok(network) => rehearse_on(&network, plan),
        Err(error) => Rehearsal::NotTried(format!("cannot read the network: {error}")),
    }
}

/// Try a plan on a copy of a network, which may be of another namespace, machine or time.
pub fn rehearse_on(network: &Network, plan: &Plan) -> Rehearsal {
    if network.routes.route_count() > MOST_ROUTES {
        return Rehearsal::NotTried(format!("more than {MOST_ROUTES} routes are not copied"));
    }
    match netns::in_new(|| in_copy(network, plan)) {
        Ok(Ok(Ok(after))) => Rehearsal::Fine(Box::new(with_contents(network, after))),
        Ok(Ok(Err(refused))) => Rehearsal::Refused(refused),
        Ok(Err(why)) | Err(why) => Rehearsal::NotTried(why),
    }
}

fn in_copy(network: &Network, plan: &Plan) -> Result<Outcome, String> {
    let failure = |error: KernelError| format!("the copy failed: {error}");
    let mut socket = Socket::open(Protocol::Route).map_err(failure)?;
    let failed = copy_links(&mut socket, &network.links, &network.addresses).map_err(failure)?;
    let mut wanted = everything(network, &plan.before);
    wanted.extend(surplus(&mut socket, network).map_err(failure)?);
    let undone = restore::restore(&mut socket, &wanted);
    // Where the changes happen, the copy must be right.
    let touched = |place: &Place| plan.before.iter().any(|saved| saved.place == *place);
    let missing = undone.failed.iter().find(|one| touched(&one.place));
    match missing {
        _ if failed > 0 => Err(format!("{failed} devices or addresses could not be copied")),
        Some(one) => Err(format!("{} could not be copied: {}", one.place, one.reason)),
        None => Ok(()),
    }?;
    if let Err(refused) = apply(plan.clone(), false) {
        return Ok(Err(refused));
    }
    let copy = Needs::of_places(&plan.before)
        .read(&mut socket)
        .map_err(failure)?;
    let places = plan.before.iter().map(|saved| saved.place.clone());
    let mut after: Vec<Saved> = places
        .map(|place| Saved {
            content: content(&copy, &place),
            place,
        })
        .collect();
    for saved in &mut after {
        mark_linkdown(network, &mut saved.content);
    }
    Ok(Ok(after))
}

/// The copy's devices all have a carrier: hops through those that really have none are marked as the kernel does it.
fn mark_linkdown(network: &Network, content: &mut Content) {
    const CARRIED: u32 = link_flags::UP | link_flags::LOWER_UP;
    let is_down = |index: u32| {
        let link = network.link(index);
        link.is_some_and(|link| link.flags & CARRIED == link_flags::UP)
    };
    let bodies: Vec<&mut RouteBody> = match content {
        Content::Routes(routes) => routes.iter_mut().map(|route| &mut route.body).collect(),
        Content::Nexthop(Some(one)) if one.oif.is_some_and(is_down) => {
            one.flags |= u32::from(hop_flags::LINKDOWN);
            return;
        }
        _ => return,
    };
    for body in bodies {
        if body.oif.is_some_and(is_down) {
            body.flags |= u32::from(hop_flags::LINKDOWN);
        }
        let hops = body.rare.as_deref_mut().map(|rare| &mut *rare.hops);
        let hops = hops.unwrap_or_default();
        if !hops.is_empty() && hops.iter().all(|hop| is_down(hop.oif)) {
            body.flags |= u32::from(hop_flags::LINKDOWN);
        }
        for hop in hops.iter_mut().filter(|hop| is_down(hop.oif)) {
            hop.flags |= hop_flags::LINKDOWN;
        }
    }
}

/// Rules, routes and next hops of a network made again in the current namespace, where its links are. What the kernel
/// refuses is left out: one sentence each.
pub fn copy_routing(socket: &mut Socket, network: &Network) -> Vec<String> {
    let mut wanted = everything(network, &[]);
    // Without the look, routes that only the copy has stay.
    wanted.extend(surplus(socket, network).unwrap_or_default());
    let undone = restore::restore(socket, &wanted);
    undone
        .failed
        .iter()
        .map(|one| format!("{}: {}", one.place, one.reason))
        .collect()
}

/// Where the current namespace, new but for its addresses, has routes and the network has none: somebody took them
/// away there.
fn surplus(socket: &mut Socket, network: &Network) -> Result<Vec<Saved>, KernelError> {
    let mut saved = Vec::new();
    for table in &read_fib(socket, |_| {})?.tables {
        let wanted = network.routes.table(table.family, table.id);
        for route in table.iter() {
            let destination = route.destination;
            if wanted.is_none_or(|wanted| wanted.exact(destination).is_empty()) {
                saved.push(Saved {
                    place: Place::Routes {
                        family: table.family,
                        table: table.id,
                        destination,
                    },
                    content: Content::Routes(Vec::new()),
                });
            }
        }
    }
    Ok(saved)
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
