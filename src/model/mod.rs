//! Plain data: the firewall and the routing of one machine, as values.
//!
//! This layer performs no I/O and names no other layer. Everything above it speaks in these types.

pub mod command;
pub mod conntrack;
pub mod expression;
pub mod family;
pub mod ipset;
pub mod names;
pub mod network;
pub mod object;
pub mod ruleset;
pub mod set;
pub mod snapshot;
pub mod text;
pub mod trace;
pub mod xtables;

pub use expression::{Data, Expression, Verdict};
pub use family::Family;
pub use names::Names;
pub use network::Network;
pub use object::{Object, ObjectData};
pub use ruleset::{BaseChain, Chain, Flowtable, Policy, Rule, RuleList, Ruleset, Table};
pub use set::{Element, ElementList, Elements, Set};
pub use snapshot::Snapshot;
pub use text::Name;
