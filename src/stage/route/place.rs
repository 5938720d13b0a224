//! Places that changes touch, what is in them, and reading no more than they need.

use crate::kernel::netlink::{KernelError, Socket};
use crate::kernel::route::{read_fib, read_neighbours, read_nexthops, read_rules, read_table};
use crate::model::network::{
    ChangeAction, Fib, FibFamily, Neighbour, Network, Nexthop, OwnedRoute, PolicyRule, Prefix,
    RouteChange, RouteChanges, RoutingObject, table,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// What is restored as one: its order counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Place {
    /// All routes of one table to one destination.
    Routes {
        family: FibFamily,
        table: u32,
        destination: Prefix,
    },
    /// All policy rules of one family and priority.
    Rules { family: u8, priority: u32 },
    Neighbour {
        family: u8,
        index: u32,
        address: IpAddr,
        proxy: bool,
    },
    /// A next hop object by its id.
    Nexthop(u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Routes {
                table, destination, ..
            } => write!(f, "the routes to {destination} in table {table}"),
            Place::Rules { priority, .. } => write!(f, "the rules of priority {priority}"),
            Place::Neighbour {
                address,
                proxy: false,
                ..
            } => write!(f, "the neighbour {address}"),
            Place::Neighbour { address, .. } => write!(f, "the proxy entry of {address}"),
            Place::Nexthop(id) => write!(f, "the next hop {id}"),
        }
    }
}

/// What is in a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// In the kernel's order.
    Routes(Vec<OwnedRoute>),
    /// In the kernel's order.
    Rules(Vec<PolicyRule>),
    Neighbour(Option<Neighbour>),
    Nexthop(Option<Nexthop>),
}

/// A place and what was in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub place: Place,
    pub content: Content,
}

/// What is in a place of a picture.
pub(super) fn content(network: &Network, place: &Place) -> Content {
    match *place {
        Place::Routes {
            family,
            table,
            destination,
        } => Content::Routes(match network.routes.table(family, table) {
            Some(table) => table
                .exact(destination)
                .filter_map(|row| table.get(row))
                .map(|route| route.to_owned())
                .collect(),
            None => Vec::new(),
        }),
        Place::Rules { family, priority } => {
            let rules = network.rules.iter();
            let here = |rule: &&PolicyRule| rule.family == family && rule.priority == priority;
            Content::Rules(rules.filter(here).cloned().collect())
        }
        Place::Neighbour {
            family,
            index,
            address,
            proxy,
        } => {
            let here = |one: &&Neighbour| {
                (one.family, one.index, one.address, one.is_proxy())
                    == (family, index, Some(address), proxy)
            };
            Content::Neighbour(network.neighbours.iter().find(here).cloned())
        }
        Place::Nexthop(id) => Content::Nexthop(network.nexthop(id).cloned()),
    }
}

/// A picture with other contents in some of its places.
pub(super) fn with_contents(network: &Network, contents: Vec<Saved>) -> Network {
    let mut network = network.clone();
    let mut routes = RouteChanges::new();
    for Saved { place, content } in contents {
        match (place, content) {
            (
                Place::Routes {
                    family,
                    table,
                    destination,
                },
                Content::Routes(list),
            ) => {
                let groups = routes.entry((family, table)).or_default();
                groups.insert(destination, list);
            }
            (Place::Rules { family, priority }, Content::Rules(list)) => {
                let rules = Arc::make_mut(&mut network.rules);
                rules.retain(|rule| (rule.family, rule.priority) != (family, priority));
                let order = |rule: &PolicyRule| (rule.family, rule.priority);
                let at = rules.partition_point(|rule| order(rule) < (family, priority));
                rules.splice(at..at, list);
            }
            (
                Place::Neighbour {
                    family,
                    index,
                    address,
                    proxy,
                },
                Content::Neighbour(one),
            ) => {
                let neighbours = Arc::make_mut(&mut network.neighbours);
                neighbours.retain(|old| {
                    (old.family, old.index, old.address, old.is_proxy())
                        != (family, index, Some(address), proxy)
                });
                neighbours.extend(one);
            }
            (Place::Nexthop(id), Content::Nexthop(one)) => {
                let nexthops = Arc::make_mut(&mut network.nexthops);
                nexthops.retain(|old| old.id != id);
                let at = nexthops.partition_point(|old| old.id < id);
                nexthops.splice(at..at, one);
            }
            // `content` gives a place what belongs there.
            _ => {}
        }
    }
    if !routes.is_empty() {
        Arc::make_mut(&mut network.routes).set_groups(routes);
    }
    network
}

/// Which parts of the kernel's tables have to be read.
#[derive(Debug, Default)]
pub(super) struct Needs {
    all_routes: bool,
    tables: BTreeSet<(FibFamily, u32)>,
    rules: bool,
    neighbours: bool,
    nexthops: bool,
}

impl Needs {
    pub(super) fn of_changes(changes: &[RouteChange]) -> Needs {
        let mut needs = Needs::default();
        for change in changes {
            match &change.object {
                RoutingObject::Route(route) => {
                    let table = match route.body.table {
                        0 => table::MAIN,
                        table => table,
                    };
                    needs.tables.insert((route.body.family, table));
                }
                RoutingObject::Rule { .. } => needs.rules = true,
                RoutingObject::Neighbour(_) => needs.neighbours = true,
                RoutingObject::Nexthop(_) => {
                    needs.nexthops = true;
                    needs.all_routes |= change.action == ChangeAction::Delete;
                }
            }
        }
        needs
    }

    pub(super) fn of_places(saved: &[Saved]) -> Needs {
        let mut needs = Needs::default();
        for one in saved {
            match one.place {
                Place::Routes { family, table, .. } => {
                    needs.tables.insert((family, table));
                }
                Place::Rules { .. } => needs.rules = true,
                Place::Neighbour { .. } => needs.neighbours = true,
                Place::Nexthop(_) => needs.nexthops = true,
            }
        }
        needs
    }

    pub(super) fn read(&self, socket: &mut Socket) -> Result<Network, KernelError> {
        let mut network = Network::default();
        if self.all_routes {
            network.routes = Arc::new(read_fib(socket, |_| {})?);
        } else if !self.tables.is_empty() {
            let mut fib = Fib::default();
            for &(family, id) in &self.tables {
                fib.tables.push(Arc::new(read_table(socket, family, id)?));
            }
            network.routes = Arc::new(fib);
        }
        if self.rules {
            let mut rules = read_rules(socket, FibFamily::Ip4)?;
            rules.extend(read_rules(socket, FibFamily::Ip6)?);
            network.rules = Arc::new(rules);
        }
        if self.neighbours {
            network.neighbours = Arc::new(read_neighbours(socket)?);
        }
        if self.nexthops {
            network.nexthops = Arc::new(read_nexthops(socket)?);
        }
        Ok(network)
    }
}
