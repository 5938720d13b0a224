//! Changes that somebody wants made to routes, policy rules, neighbours and next hops, as plain values.
//! What the kernel reports about changes is [`super::NetworkChange`].

use super::neighbour::Neighbour;
use super::nexthop::Nexthop;
use super::route::OwnedRoute;
use super::rule::PolicyRule;
use serde::{Deserialize, Serialize};

/// What to do with the object; the words are those of iproute2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeAction {
    /// Refused when there is one already.
    Add,
    /// Put before what is there with the same destination and metric (IPv4; IPv6 puts it behind).
    Prepend,
    /// Put behind what is there.
    Append,
    /// Take the place of what is there; make it when there is none.
    Replace,
    /// Take the place of what is there; refused when there is none.
    Change,
    /// Of routes and rules, the first one that has what is given; see [`RoutingObject`].
    Delete,
}

/// What to change. In a [`ChangeAction::Delete`] it is a pattern: what is absent, zero, or for the scope of a route
/// [`super::scope::NOWHERE`], matches anything, as in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutingObject {
    Route(OwnedRoute),
    Rule {
        rule: Box<PolicyRule>,
        /// Without it the kernel picks the priority of a new rule, and deletes a rule of any.
        with_priority: bool,
    },
    Neighbour(Box<Neighbour>),
    /// The kernel picks the number of a new next hop whose `id` is 0.
    Nexthop(Box<Nexthop>),
}

/// One change of the routing side of a network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChange {
    pub action: ChangeAction,
    pub object: RoutingObject,
}

impl RouteChange {
    pub fn route(action: ChangeAction, route: OwnedRoute) -> RouteChange {
        let object = RoutingObject::Route(route);
        RouteChange { action, object }
    }

    /// A change of a rule whose priority counts.
    pub fn rule(action: ChangeAction, rule: PolicyRule) -> RouteChange {
        let object = RoutingObject::Rule {
            rule: Box::new(rule),
            with_priority: true,
        };
        RouteChange { action, object }
    }

    pub fn neighbour(action: ChangeAction, neighbour: Neighbour) -> RouteChange {
        let object = RoutingObject::Neighbour(Box::new(neighbour));
        RouteChange { action, object }
    }

    pub fn nexthop(action: ChangeAction, nexthop: Nexthop) -> RouteChange {
        let object = RoutingObject::Nexthop(Box::new(nexthop));
        RouteChange { action, object }
    }
}
