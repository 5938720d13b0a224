//! Whether two things are the same but for what the kernel changes by itself: dead next hops, ages, states.

use super::place::Content;
use crate::model::network::{
    Neighbour, Nexthop, OwnedRoute, PolicyRule, RouteRare, hop_flags, neighbour_flags,
    neighbour_state, rule_flags,
};

pub(super) fn content(a: &Content, b: &Content) -> bool {
    match (a, b) {
        (Content::Routes(a), Content::Routes(b)) => all(a, b, route),
        (Content::Rules(a), Content::Rules(b)) => all(a, b, rule),
        (Content::Neighbour(a), Content::Neighbour(b)) => both(a, b, neighbour),
        (Content::Nexthop(a), Content::Nexthop(b)) => both(a, b, nexthop),
        _ => false,
    }
}

fn all<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn both<T>(a: &Option<T>, b: &Option<T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

pub(super) fn route(a: &OwnedRoute, b: &OwnedRoute) -> bool {
    lasting(a) == lasting(b)
}

/// A route without what changes while it stays the same.
pub(super) fn lasting(route: &OwnedRoute) -> OwnedRoute {
    const SAID: u32 = hop_flags::ONLINK as u32;
    let mut route = route.clone();
    let body = &mut route.body;
    body.flags &= SAID;
    if let Some(mut rare) = body.rare.take() {
        for hop in &mut rare.hops {
            hop.flags &= hop_flags::ONLINK;
        }
        if body.nexthop.is_some() {
            // The way is that of the next hop object.
            rare.hops.clear();
            rare.via = None;
            rare.encap = None;
        }
        // That a route expires is part of it, when it does is not.
        rare.cache = rare
            .cache
            .filter(|cache| cache.expires != 0)
            .map(|_| Default::default());
        rare.metrics.sort_by_key(|metric| metric.kind);
        if *rare != RouteRare::default() {
            body.rare = Some(rare);
        }
    }
    if body.nexthop.is_some() {
        (body.gateway, body.oif, body.flags) = (None, None, 0);
    }
    route
}

pub(super) fn rule(a: &PolicyRule, b: &PolicyRule) -> bool {
    const STATE: u32 = rule_flags::UNRESOLVED | rule_flags::IIF_DETACHED | rule_flags::OIF_DETACHED;
    let lasting = |rule: &PolicyRule| PolicyRule {
        flags: rule.flags & !STATE,
        raw: Vec::new(),
        ..rule.clone()
    };
    lasting(a) == lasting(b)
}

fn neighbour(a: &Neighbour, b: &Neighbour) -> bool {
    const SAID: u8 = neighbour_flags::ROUTER
        | neighbour_flags::PROXY
        | neighbour_flags::EXT_LEARNED
        | neighbour_flags::STICKY;
    let lasting = |one: &Neighbour| {
        // States that the kernel leaves by itself count as one.
        let fixed = one.state & (neighbour_state::PERMANENT | neighbour_state::NOARP);
        (
            fixed,
            one.flags & SAID,
            one.extended_flags,
            one.protocol,
            one.link_address.clone(),
        )
    };
    lasting(a) == lasting(b)
}

pub(super) fn nexthop(a: &Nexthop, b: &Nexthop) -> bool {
    const SAID: u32 = hop_flags::ONLINK as u32;
    let lasting = |one: &Nexthop| {
        let mut one = one.clone();
        one.flags &= SAID;
        one.raw.clear();
        if let Some(group) = &mut one.resilient {
            group.unbalanced_time = 0;
        }
        one
    };
    lasting(a) == lasting(b)
}
