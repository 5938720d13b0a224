//! Bringing places back to what they were.

use super::place::{Content, Needs, Place, Saved, content};
use super::{rules, same};
use crate::kernel::netlink::{KernelError, Socket};
use crate::kernel::route::make_change;
use crate::model::network::{
    ChangeAction, FibFamily, Nexthop, OwnedRoute, PolicyRule, RouteBody, RouteChange, RouteHop,
    RouteKind, scope,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// What taking back did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Places that were different and are as they were again.
    pub restored: usize,
    pub failed: Vec<Unrestored>,
}

/// A place that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrestored {
    pub place: Place,
    /// The kernel's words, or what is different.
    pub reason: String,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.restored, self.failed.as_slice()) {
            (0, []) => f.write_str("nothing was changed"),
            (_, []) => f.write_str("what was changed before it has been taken back"),
            (_, failed) => {
                f.write_str("taking back what was changed before it failed for ")?;
                for (place, one) in failed.iter().enumerate() {
                    let before = if place == 0 { "" } else { ", " };
                    write!(f, "{before}{} ({})", one.place, one.reason)?;
                }
                Ok(())
            }
        }
    }
}

/// Restore the places, last touched first. One may need another (a route its gateway's, a next hop's id): those
/// that fail are tried again as long as others succeed.
pub(super) fn restore(socket: &mut Socket, before: &[Saved]) -> Undone {
    let mut undone = Undone::default();
    let needs = Needs::of_places(before);
    let mut open: Vec<(&Saved, String)> = Vec::new();
    let mut plainly = false;
    let mut first = true;
    loop {
        let network = match needs.read(socket) {
            Ok(network) => network,
            Err(error) => {
                let reason = format!("cannot read what is there: {error}");
                let failed = |saved: &Saved| Unrestored {
                    place: saved.place.clone(),
                    reason: reason.clone(),
                };
                undone.failed = before.iter().map(failed).collect();
                return undone;
            }
        };
        let differs =
            |saved: &Saved| !same::content(&content(&network, &saved.place), &saved.content);
        if first {
            let different = before.iter().rev().filter(|saved| differs(saved));
            open = different.map(|saved| (saved, String::new())).collect();
            undone.restored = open.len();
            first = false;
        } else {
            let left = open.len();
            open.retain(|(saved, _)| differs(saved));
            if open.len() == left {
                // The gentle way led nowhere: take everything out of the places, and put it back.
                if plainly {
                    break;
                }
                plainly = true;
            }
        }
        if open.is_empty() {
            break;
        }
        for (saved, reason) in &mut open {
            let now = content(&network, &saved.place);
            let steps = if plainly {
                rebuild(&now, &saved.content)
            } else {
                steps(&now, &saved.content)
            };
            *reason = "it is not as it was".to_owned();
            for step in steps {
                if let Err(error) = make_change(socket, &step) {
                    *reason = error.to_string();
                    if !is_absence(&error, &step) {
                        break;
                    }
                }
            }
        }
    }
    undone.restored -= open.len();
    undone.failed = open
        .into_iter()
        .map(|(saved, reason)| Unrestored {
            place: saved.place.clone(),
            reason,
        })
        .collect();
    undone
}

/// What was to be deleted went with something else.
fn is_absence(error: &KernelError, step: &RouteChange) -> bool {
    step.action == ChangeAction::Delete && matches!(error.errno(), Some(libc::ESRCH | libc::ENOENT))
}

/// The changes that make `saved` of `now`, as few as there can be.
pub(super) fn steps(now: &Content, saved: &Content) -> Vec<RouteChange> {
    match (now, saved) {
        (Content::Routes(now), Content::Routes(saved)) => route_steps(now, saved),
        (Content::Rules(now), Content::Rules(saved)) => rule_steps(now, saved),
        (Content::Neighbour(now), Content::Neighbour(saved)) => match (now, saved) {
            (Some(now), None) => {
                vec![RouteChange::neighbour(ChangeAction::Delete, now.clone())]
            }
            (_, Some(saved)) => {
                vec![RouteChange::neighbour(ChangeAction::Replace, saved.clone())]
            }
            (None, None) => Vec::new(),
        },
        (Content::Nexthop(now), Content::Nexthop(saved)) => nexthop_steps(now, saved),
        _ => Vec::new(),
    }
}

/// The changes that take everything out and put `saved` in.
fn rebuild(now: &Content, saved: &Content) -> Vec<RouteChange> {
    let mut changes = Vec::new();
    match (now, saved) {
        (Content::Routes(now), Content::Routes(saved)) => {
            changes.extend(now.iter().map(delete_route));
            changes.extend(saved.iter().map(append_route));
        }
        (Content::Rules(now), Content::Rules(saved)) => {
            changes.extend(now.iter().map(delete_rule));
            changes.extend(saved.iter().map(append_rule));
        }
        (Content::Neighbour(Some(now)), Content::Neighbour(Some(saved))) => {
            changes.push(RouteChange::neighbour(ChangeAction::Delete, now.clone()));
            changes.push(RouteChange::neighbour(ChangeAction::Replace, saved.clone()));
        }
        _ => return steps(now, saved),
    }
    changes
}

fn nexthop_steps(now: &Option<Nexthop>, saved: &Option<Nexthop>) -> Vec<RouteChange> {
    let change = |action, one: &Nexthop| RouteChange::nexthop(action, one.clone());
    match (now, saved) {
        (Some(now), None) => vec![change(ChangeAction::Delete, now)],
        // A group cannot take the place of a single next hop.
        (Some(now), Some(saved)) if now.group.is_empty() != saved.group.is_empty() => {
            vec![
                change(ChangeAction::Delete, now),
                change(ChangeAction::Add, saved),
            ]
        }
        (_, Some(saved)) => vec![change(ChangeAction::Replace, saved)],
        (None, None) => Vec::new(),
    }
}

fn delete_rule(rule: &PolicyRule) -> RouteChange {
    RouteChange::rule(ChangeAction::Delete, rule.clone())
}

fn append_rule(rule: &PolicyRule) -> RouteChange {
    RouteChange::rule(ChangeAction::Append, rule.clone())
}

/// The kernel adds a rule behind those of its priority, and deletes the first that fits.
fn rule_steps(now: &[PolicyRule], saved: &[PolicyRule]) -> Vec<RouteChange> {
    let kept = longest_run(now, saved, same::rule, false);
    let (gone, new) = (&kept.gone, &saved[kept.run.end..]);
    let mut left: Vec<&PolicyRule> = now.iter().collect();
    let mut changes = Vec::new();
    for &place in gone {
        let rule = &now[place];
        let hit = left
            .iter()
            .position(|other| rules::pattern_matches(rule, other));
        match hit.and_then(|hit| left.get(hit)) {
            Some(other) if std::ptr::eq(*other, rule) => {
                left.retain(|other| !std::ptr::eq(*other, rule));
                changes.push(delete_rule(rule));
            }
            // Another rule would go instead.
            _ => {
                let mut all: Vec<RouteChange> = now.iter().map(delete_rule).collect();
                all.extend(saved.iter().map(append_rule));
                return all;
            }
        }
    }
    changes.extend(new.iter().map(append_rule));
    changes
}

/// What can stay where it is.
struct Kept {
    /// The part of the saved list that is there already, in order.
    run: Range<usize>,
    /// Places of the present list that have to go.
    gone: Vec<usize>,
}

/// The longest run of `saved` that is in `now` in this order, other things between; from the start of `saved`
/// unless things can be put before it.
fn longest_run<T>(now: &[T], saved: &[T], same: impl Fn(&T, &T) -> bool, anywhere: bool) -> Kept {
    let mut best = (0..0, Vec::new());
    let starts = if anywhere { saved.len() } else { 1 };
    for start in 0..starts {
        for first in 0..now.len() {
            let (mut end, mut stay) = (start, Vec::new());
            for (place, one) in now.iter().enumerate().skip(first) {
                if saved.get(end).is_some_and(|wanted| same(wanted, one)) {
                    end += 1;
                    stay.push(place);
                }
            }
            if stay.len() > best.1.len() {
                best = (start..end, stay);
            }
        }
    }
    let (run, stay) = best;
    let gone = (0..now.len()).filter(|place| !stay.contains(place));
    Kept {
        run,
        gone: gone.collect(),
    }
}

fn delete_route(route: &OwnedRoute) -> RouteChange {
    with_kind(ChangeAction::Delete, route, RouteKind::Unspec)
}

fn append_route(route: &OwnedRoute) -> RouteChange {
    put_route(ChangeAction::Append, route)
}

fn put_route(action: ChangeAction, route: &OwnedRoute) -> RouteChange {
    with_kind(action, route, RouteKind::Unicast)
}

/// The kernel tells every route through a blackhole next hop as `blackhole`, whatever kind it was made as, and
/// deletes it by that kind only.
fn with_kind(action: ChangeAction, route: &OwnedRoute, kind: RouteKind) -> RouteChange {
    let mut route = route.clone();
    if route.body.nexthop.is_some() && route.body.kind == RouteKind::Blackhole {
        route.body.kind = kind;
    }
    RouteChange::route(action, route)
}

/// Routes that the kernel keeps in order of arrival: those of equal type of service, source and metric.
fn rank(route: &OwnedRoute) -> (u8, u32, Option<crate::model::network::Prefix>) {
    let body = &route.body;
    let from = body.rare.as_deref().and_then(|rare| rare.from);
    (body.tos, body.metric_value(), from)
}

fn route_steps(now: &[OwnedRoute], saved: &[OwnedRoute]) -> Vec<RouteChange> {
    let mut ranks: Vec<_> = now.iter().chain(saved).map(rank).collect();
    ranks.sort();
    ranks.dedup();
    // The list as it is after the steps so far, to foresee which route a deletion hits.
    let mut list: Vec<OwnedRoute> = now.to_vec();
    let mut changes = Vec::new();
    for wanted in ranks {
        let of_rank = |routes: &[OwnedRoute]| -> Vec<OwnedRoute> {
            let here = routes.iter().filter(|route| rank(route) == wanted);
            here.cloned().collect()
        };
        let (mine, theirs) = (of_rank(now), of_rank(saved));
        match rank_steps(&mut list, &mine, &theirs) {
            Some(steps) => changes.extend(steps),
            None => {
                let mut all: Vec<RouteChange> = now.iter().map(delete_route).collect();
                all.extend(saved.iter().map(append_route));
                return all;
            }
        }
    }
    changes
}

/// The steps for one rank; `None` when a deletion would hit another route.
fn rank_steps(
    list: &mut Vec<OwnedRoute>,
    now: &[OwnedRoute],
    saved: &[OwnedRoute],
) -> Option<Vec<RouteChange>> {
    let one = saved.first().or_else(|| now.first())?;
    let six = one.body.family == FibFamily::Ip6;
    if now.len() == saved.len() && now.iter().zip(saved).all(|(a, b)| same::route(a, b)) {
        return Some(Vec::new());
    }
    // The first of a rank can be replaced at once, without a moment in which there is none.
    if let ([_, now_rest @ ..], [first, saved_rest @ ..]) = (now, saved)
        && now_rest.len() == saved_rest.len()
        && now_rest
            .iter()
            .zip(saved_rest)
            .all(|(a, b)| same::route(a, b))
        && (!six || now_rest.is_empty())
        && !now_rest.iter().any(|other| same::route(other, first))
    {
        let place = list.iter().position(|route| rank(route) == rank(first))?;
        *list.get_mut(place)? = first.clone();
        return Some(vec![put_route(ChangeAction::Replace, first)]);
    }
    let kept = longest_run(now, saved, same::route, !six);
    let mut deletions = Vec::new();
    for &place in &kept.gone {
        let route = &now[place];
        let hit = list.iter().position(|other| could_match(route, other))?;
        if !same::route(list.get(hit)?, route) {
            return None;
        }
        list.remove(hit);
        deletions.push(delete_route(route));
    }
    let (before, after) = (&saved[..kept.run.start], &saved[kept.run.end..]);
    let mut additions: Vec<RouteChange> = Vec::new();
    for route in before.iter().rev() {
        additions.push(put_route(ChangeAction::Prepend, route));
    }
    additions.extend(after.iter().map(append_route));
    let start = list
        .iter()
        .position(|route| rank(route) >= rank(one))
        .unwrap_or(list.len());
    list.splice(start..start, before.iter().chain(after).cloned());
    // First the new, then away with the old, so that packets always find a route; but IPv6 would join the old
    // and the new to one route, and a route cannot be there twice.
    let twice = kept.gone.iter().any(|&place| {
        let mut added = before.iter().chain(after);
        added.any(|route| could_match(&now[place], route))
    });
    Some(if six || twice {
        deletions.into_iter().chain(additions).collect()
    } else {
        additions.into_iter().chain(deletions).collect()
    })
}

fn first_hop(body: &RouteBody) -> RouteHop {
    body.hops().first().cloned().unwrap_or_else(|| RouteHop {
        oif: body.oif.unwrap_or(0),
        gateway: body.gateway,
        via: body.via().cloned(),
        ..RouteHop::default()
    })
}

/// Whether deleting `wanted` could hit `other`: true wherever the kernel's rules (`fib_table_delete`,
/// `ip6_route_del`) leave a doubt.
fn could_match(wanted: &OwnedRoute, other: &OwnedRoute) -> bool {
    let (a, b) = (&wanted.body, &other.body);
    let six = a.family == FibFamily::Ip6;
    let from = |body: &RouteBody| body.rare.as_deref().and_then(|rare| rare.from);
    if (a.metric_value() != 0 && a.metric_value() != b.metric_value())
        || (a.protocol != 0 && a.protocol != b.protocol)
        || from(a) != from(b)
        || (a.nexthop.is_some() && a.nexthop != b.nexthop)
    {
        return false;
    }
    if !six
        && (a.tos != b.tos
            || a.kind != b.kind
            || (a.scope != scope::NOWHERE && a.scope != b.scope)
            || (a.source.is_some() && a.source != b.source))
    {
        return false;
    }
    let metrics = |body: &RouteBody| {
        let rare = body.rare.as_deref();
        rare.map(|rare| rare.metrics.clone()).unwrap_or_default()
    };
    if !six && !metrics(a).is_empty() && metrics(a) != metrics(b) {
        return false;
    }
    if a.nexthop.is_some() {
        return true;
    }
    let (mine, theirs) = (first_hop(a), first_hop(b));
    let device = mine.oif == 0 || theirs.oif == 0 || mine.oif == theirs.oif;
    let gateway = (mine.gateway.is_none() && mine.via.is_none())
        || (mine.gateway == theirs.gateway && mine.via == theirs.via)
        // The hops of an IPv6 route go one by one.
        || (six && (!a.hops().is_empty() || !b.hops().is_empty()));
    if b.nexthop.is_some() && (mine.oif != 0 || mine.gateway.is_some() || mine.via.is_some()) {
        return false;
    }
    device && gateway
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Prefix;
    use std::net::IpAddr;

    fn route(last: u8, metric: u32) -> OwnedRoute {
        OwnedRoute {
            destination: Prefix::new(IpAddr::from([10, 0, 0, 0]), 8),
            body: RouteBody {
                metric: Some(metric).filter(|&metric| metric != 0),
                gateway: Some(IpAddr::from([192, 0, 2, last])),
                oif: Some(2),
                protocol: 4,
                ..RouteBody::new(FibFamily::Ip4, 254)
            },
        }
    }

    fn told(now: &[u8], saved: &[u8]) -> String {
        let list = |lasts: &[u8]| lasts.iter().map(|&last| route(last, 5)).collect();
        let steps = steps(&Content::Routes(list(now)), &Content::Routes(list(saved)));
        let words = steps.iter().map(|change| {
            let crate::model::network::RoutingObject::Route(route) = &change.object else {
                return String::new();
            };
            let last = match route.body.gateway {
                Some(IpAddr::V4(address)) => address.octets()[3],
                _ => 0,
            };
            format!("{:?} {last}", change.action)
        });
        words.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_least_that_has_to_be_done() {
        for (now, saved, steps) in [
            (&[1, 2][..], &[1, 2][..], ""),
            (&[1], &[], "Delete 1"),
            (&[], &[1, 2], "Append 1, Append 2"),
            (&[3, 2], &[1, 2], "Replace 1"),
            (&[9, 1, 2], &[1, 2], "Delete 9"),
            (&[1, 9, 2], &[1, 2], "Delete 9"),
            (&[2], &[1, 2, 3], "Prepend 1, Append 3"),
            (&[2, 1], &[1, 2], "Delete 2, Append 2"),
            (&[7, 8], &[1, 2], "Append 1, Append 2, Delete 7, Delete 8"),
        ] {
            assert_eq!(told(now, saved), steps, "{now:?} to {saved:?}");
        }
    }

    #[test]
    fn a_deletion_never_hits_another_route() {
        // Without a source address, 1 also names the route before it that has one.
        let mut other = route(1, 5);
        other.body.source = Some(IpAddr::from([192, 0, 2, 9]));
        let now = [other.clone(), route(1, 5)];
        let steps = route_steps(&now, &[other.clone()]);
        let actions: Vec<_> = steps.iter().map(|change| change.action).collect();
        use ChangeAction::{Append, Delete};
        assert_eq!(actions, [Delete, Delete, Append]);
    }
}
