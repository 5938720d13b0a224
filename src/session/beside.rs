//! What decides about packets and is not in the live picture, because nobody looks at it all the time: tracked
//! connections, ipsets, legacy tables, the elements of sets. Read when packets are simulated.
//!
//! Blocks: belongs on a thread of its own.

use crate::flow::World;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::dump;
use crate::kernel::{conntrack, ipset, legacy};
use crate::model::conntrack::Flow;
use crate::model::ipset::IpSet;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Elements, Family, Network, Ruleset};
use std::sync::Arc;
use std::time::SystemTime;

/// Everything that a simulation needs beside links and routes.
#[derive(Clone, Debug)]
pub struct Beside {
    /// With the elements of all sets.
    pub ruleset: Ruleset,
    pub flows: Vec<Flow>,
    pub ipsets: Vec<IpSet>,
    /// Newest first within a family.
    pub legacy: Vec<LegacyTable>,
    /// What could not be read, and why.
    pub missing: Vec<String>,
    pub read_at: SystemTime,
}

impl Beside {
    pub fn world<'a>(&'a self, network: &'a Network) -> World<'a> {
        World {
            ruleset: &self.ruleset,
            network,
            flows: &self.flows,
            ipsets: &self.ipsets,
            legacy: &self.legacy,
        }
    }
}

/// Read from the running kernel what goes with this ruleset.
pub fn read(ruleset: &Ruleset) -> Beside {
    let mut missing = Vec::new();
    let ruleset = with_elements(ruleset, &mut missing);
    let flows = conntrack::read_conntrack().unwrap_or_else(|error| {
        missing.push(format!("connections: {error}"));
        Vec::new()
    });
    let ipsets = ipset::read_ipsets().unwrap_or_else(|error| {
        missing.push(format!("ipsets: {error}"));
        Vec::new()
    });
    let mut tables = Vec::new();
    for family in [Family::Ip, Family::Ip6, Family::Arp] {
        match legacy::read_tables(family) {
            Ok(read) => tables.extend(read),
            Err(error) => missing.push(format!("legacy {family} tables: {error}")),
        }
    }
    Beside {
        ruleset,
        flows,
        ipsets,
        legacy: tables,
        missing,
        read_at: SystemTime::now(),
    }
}

/// The ruleset with the elements that were not read with it. Sets that packets fill change without a word of the
/// kernel: they are read again.
fn with_elements(ruleset: &Ruleset, missing: &mut Vec<String>) -> Ruleset {
    use crate::model::set::flags::{EVAL, TIMEOUT};
    let mut ruleset = ruleset.clone();
    let mut socket: Option<Socket> = None;
    for table in &mut ruleset.tables {
        let stale = |set: &crate::model::Set| {
            matches!(set.elements, Elements::NotRead) || set.has(EVAL) || set.has(TIMEOUT)
        };
        if !table.sets.iter().any(|set| stale(set)) {
            continue;
        }
        let (family, name) = (table.family, table.name.clone());
        for set in &mut Arc::make_mut(table).sets {
            if !stale(set) {
                continue;
            }
            let read = ask(&mut socket, |socket| {
                dump::elements(socket, family, &name, &set.name)
            });
            match read {
                Ok(list) => Arc::make_mut(set).elements = Elements::Read(Arc::new(list)),
                Err(error) => missing.push(format!("set {family} {name} {}: {error}", set.name)),
            }
        }
    }
    ruleset
}

fn ask<T>(
    socket: &mut Option<Socket>,
    ask: impl Fn(&mut Socket) -> Result<T, KernelError>,
) -> Result<T, KernelError> {
    let socket = match socket {
        Some(socket) => socket,
        none => none.insert(Socket::open(Protocol::Netfilter)?),
    };
    let mut tries = 0;
    loop {
        match ask(socket) {
            // Somebody changed something while it was read.
            Err(error) if error.is_transient() && tries < 20 => tries += 1,
            result => return result,
        }
    }
}
