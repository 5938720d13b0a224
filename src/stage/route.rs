//! Changes of routes, policy rules, neighbours and next hops: planned, applied in order, undone as a whole.
//! May use `model` and `kernel`.
//!
//! rtnetlink has no batches: each change is made by itself. So [`plan`] notes, for every [`Place`] that the changes
//! touch (the routes of one destination, the rules of one priority, ...), what is there before; [`apply`] makes the
//! changes and stops at the first that the kernel refuses; [`undo`] brings every place back to what was noted.
//! Undoing looks at what is there rather than at what was done: it may be repeated, it works after a crash at any
//! step, and what somebody else changed in other places stays.

mod place;
mod rehearse;
mod restore;
mod rules;
mod same;

pub use place::{Content, Place, Saved};
pub use rehearse::{Rehearsal, copy_routing, rehearse, rehearse_on};
pub use restore::{Undone, Unrestored};

use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::route::make_change;
use crate::model::network::{ChangeAction, Network, PolicyRule, RouteChange, RoutingObject, table};
use place::{Needs, content};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use thiserror::Error;

/// Changes, and all that is needed to take them back: a guard that holds it can [`undo`] after any crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In order. Numbers that the kernel would have picked (priorities of rules, ids of next hops) are filled in.
    pub changes: Vec<RouteChange>,
    /// What is in the places that the changes touch, in the order in which they are first touched.
    pub before: Vec<Saved>,
}

/// Changes that were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    pub plan: Plan,
}

/// Why changes were not made.
#[derive(Debug, Error)]
pub enum Reason {
    /// The kernel refused the change at this place of the list.
    #[error("{error}")]
    Kernel { index: usize, error: KernelError },
    /// Somebody changed these places after the plan was made.
    #[error("somebody changed {} meanwhile", list(.0))]
    Moved(Vec<Place>),
    #[error("cannot read what is there: {0}")]
    Read(KernelError),
}

fn list(places: &[Place]) -> String {
    let texts: Vec<String> = places.iter().map(Place::to_string).collect();
    texts.join(", ")
}

/// Changes were not made, or made and taken back.
#[derive(Debug, Error)]
pub struct Refused {
    pub reason: Reason,
    /// How taking back went; empty when nothing had been changed.
    pub undone: Undone,
}

impl Refused {
    /// The place of the refused change in the list.
    pub fn index(&self) -> Option<usize> {
        match self.reason {
            Reason::Kernel { index, .. } => Some(index),
            _ => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.undone)
    }
}

/// Read as much of the current network namespace as [`plan`] has to know for these changes.
pub fn read_for(changes: &[RouteChange]) -> Result<Network, KernelError> {
    let mut socket = Socket::open(Protocol::Route)?;
    Needs::of_changes(changes).read(&mut socket)
}

/// Note what is there before the changes.
pub fn plan(changes: Vec<RouteChange>, network: &Network) -> Plan {
    let mut planner = Planner {
        network,
        rules: network.rules.as_ref().clone(),
        taken: network.nexthops.iter().map(|one| one.id).collect(),
        seen: HashSet::new(),
        plan: Plan::default(),
    };
    for change in changes {
        planner.add(change);
    }
    planner.plan
}

struct Planner<'a> {
    network: &'a Network,
    /// The rules as they are after the changes so far.
    rules: Vec<PolicyRule>,
    /// Ids of next hops in use.
    taken: BTreeSet<u32>,
    seen: HashSet<Place>,
    plan: Plan,
}

impl Planner<'_> {
    fn touch(&mut self, place: Place) {
        if self.seen.insert(place.clone()) {
            let content = content(self.network, &place);
            self.plan.before.push(Saved { place, content });
        }
    }

    fn add(&mut self, mut change: RouteChange) {
        let action = change.action;
        match &mut change.object {
            RoutingObject::Route(route) => self.touch(Place::Routes {
                family: route.body.family,
                table: match route.body.table {
                    // The kernel's word for none is the main table.
                    0 => table::MAIN,
                    table => table,
                },
                destination: route.destination.masked(),
            }),
            RoutingObject::Rule {
                rule,
                with_priority,
            } => self.rule(action, rule, with_priority),
            RoutingObject::Neighbour(one) => {
                if let Some(address) = one.address {
                    self.touch(Place::Neighbour {
                        family: one.family,
                        index: one.index,
                        address,
                        proxy: one.is_proxy(),
                    });
                }
            }
            RoutingObject::Nexthop(one) => {
                if action == ChangeAction::Delete {
                    self.nexthop_gone(one.id);
                    self.taken.remove(&one.id);
                } else if one.id == 0 {
                    let free = (1..).find(|id| !self.taken.contains(id));
                    one.id = free.unwrap_or(0);
                }
                if action != ChangeAction::Delete {
                    self.taken.insert(one.id);
                }
                self.touch(Place::Nexthop(one.id));
            }
        }
        self.plan.changes.push(change);
    }

    fn rule(&mut self, action: ChangeAction, rule: &mut PolicyRule, with_priority: &mut bool) {
        let family = rule.family;
        if action == ChangeAction::Delete {
            let found = self.rules.iter().position(|other| {
                (!*with_priority || other.priority == rule.priority)
                    && rules::pattern_matches(rule, other)
            });
            if let Some(place) = found {
                let gone = self.rules.remove(place);
                (rule.priority, *with_priority) = (gone.priority, true);
                self.touch(Place::Rules {
                    family,
                    priority: gone.priority,
                });
            }
            // Without one that fits, the kernel refuses.
            return;
        }
        if !*with_priority {
            rule.priority = rules::picked_priority(&self.rules, family);
            *with_priority = true;
        }
        self.touch(Place::Rules {
            family,
            priority: rule.priority,
        });
        let order = |rule: &PolicyRule| (rule.family, rule.priority);
        let place = self
            .rules
            .partition_point(|other| order(other) <= order(rule));
        self.rules.insert(place, rule.clone());
    }

    /// A next hop object takes along the groups that would be empty without it, and all routes that use them.
    fn nexthop_gone(&mut self, id: u32) {
        let network = self.network;
        let mut gone = BTreeSet::from([id]);
        for other in network.nexthops.iter() {
            if other.group.iter().any(|member| member.id == id) {
                self.touch(Place::Nexthop(other.id));
                gone.insert(other.id);
            }
        }
        let mut places = Vec::new();
        for table in &network.routes.tables {
            for route in table.iter() {
                if route.nexthop.is_some_and(|id| gone.contains(&id)) {
                    places.push(Place::Routes {
                        family: table.family,
                        table: table.id,
                        destination: route.destination,
                    });
                }
            }
        }
        for place in places {
            self.touch(place);
        }
    }
}

/// Make the changes of a plan in the current network namespace. With `verify`, look first whether the places are
/// still as the plan noted them, and change nothing otherwise; leave that out only when the picture that the plan
/// is made from was read just now.
pub fn apply(plan: Plan, verify: bool) -> Result<Applied, Refused> {
    let unchanged = |reason| Refused {
        reason,
        undone: Undone::default(),
    };
    let mut socket =
        Socket::open(Protocol::Route).map_err(|error| unchanged(Reason::Read(error)))?;
    if verify {
        let network = Needs::of_places(&plan.before)
            .read(&mut socket)
            .map_err(|error| unchanged(Reason::Read(error)))?;
        let moved: Vec<Place> = plan
            .before
            .iter()
            .filter(|saved| !same::content(&content(&network, &saved.place), &saved.content))
            .map(|saved| saved.place.clone())
            .collect();
        if !moved.is_empty() {
            return Err(unchanged(Reason::Moved(moved)));
        }
    }
    for (index, change) in plan.changes.iter().enumerate() {
        if let Err(error) = make_change(&mut socket, change) {
            let undone = match index {
                0 => Undone::default(),
                _ => restore::restore(&mut socket, &plan.before),
            };
            let reason = Reason::Kernel { index, error };
            return Err(Refused { reason, undone });
        }
    }
    Ok(Applied { plan })
}

/// Bring the places that changes touched back to what they were. May be repeated, also when only some of the
/// changes had been made.
pub fn undo(before: &[Saved]) -> Result<Undone, KernelError> {
    let mut socket = Socket::open(Protocol::Route)?;
    Ok(restore::restore(&mut socket, before))
}

/// The changes that would undo a plan if it were applied to this picture and nothing else happened: for showing.
pub fn inverse(plan: &Plan, after: &Network) -> Vec<RouteChange> {
    let mut changes = Vec::new();
    for saved in plan.before.iter().rev() {
        let now = content(after, &saved.place);
        changes.extend(restore::steps(&now, &saved.content));
    }
    changes
}
