//! What else decides about packets and tells nobody when it changes: sysctls, legacy tables, hook functions.

use super::picture::ChainKey;
use crate::kernel::{hooks, legacy, sysctl};
use crate::lang::iptables::as_nft;
use crate::model::xtables::rule::{LegacyChain, LegacyRule, LegacyTable};
use crate::model::{Family, Network, Table};
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// Read it into `network`; what did not change stays shared. Returns what could not be read, in words.
pub fn read(network: &mut Network) -> Vec<String> {
    let mut missing = Vec::new();
    // A file that is not there is a sysctl that this kernel does not have: no error.
    put(
        &mut network.sysctls,
        Ok::<_, Infallible>(sysctl::read_sysctls()),
        "sysctls",
        &mut missing,
    );
    put(
        &mut network.legacy_tables,
        legacy::read_legacy_tables(),
        "legacy tables",
        &mut missing,
    );
    let links = network.links.clone();
    let devices: Vec<&str> = links.iter().map(|link| &*link.name).collect();
    put(
        &mut network.hooks,
        hooks::read_hooks(&devices),
        "hook functions",
        &mut missing,
    );
    missing
}

/// Tables of the legacy backends, as they are shown.
#[derive(Default)]
pub struct Legacy {
    read: Vec<LegacyTable>,
    pub shown: Vec<Arc<Table>>,
    /// When counters are worth reading again: tables are read as a whole, and large ones take their time.
    rest_until: Option<Instant>,
}

/// How much longer than reading took nobody reads again for the sake of counters.
const REST: u32 = 20;

impl Legacy {
    /// Reading for the sake of counters would not take more than its share of a core.
    pub fn rested(&self) -> bool {
        self.rest_until.is_none_or(|until| Instant::now() >= until)
    }

    /// Read those whose names `network` has; none is created by that. Returns the chains whose rules are what they
    /// were, but for what they counted: a rule has no handle by which it is known elsewhere.
    pub fn read(&mut self, network: &Network, missing: &mut Vec<String>) -> HashSet<ChainKey> {
        let begun = Instant::now();
        let mut tables = Vec::new();
        if !network.legacy_tables.is_empty() {
            for family in [Family::Ip, Family::Ip6, Family::Arp] {
                match legacy::read_tables(family) {
                    Ok(read) => tables.extend(read),
                    Err(error) => missing.push(format!("legacy {family} tables: {error}")),
                }
            }
        }
        let steady = steady(&self.read, &tables);
        if tables != self.read {
            self.shown = shown(&tables);
            self.read = tables;
        }
        let done = Instant::now();
        self.rest_until = done.checked_add(REST * done.saturating_duration_since(begun));
        steady
    }
}

fn steady(before: &[LegacyTable], now: &[LegacyTable]) -> HashSet<ChainKey> {
    let same_rule = |(a, b): (&LegacyRule, &LegacyRule)| {
        (&a.header, &a.matches, &a.watchers, &a.target)
            == (&b.header, &b.matches, &b.watchers, &b.target)
    };
    let same = |a: &LegacyChain, b: &LegacyChain| {
        a.rules.len() == b.rules.len() && a.rules.iter().zip(&b.rules).all(same_rule)
    };
    let mut steady = HashSet::new();
    for table in now {
        let mut old = before.iter();
        let Some(old) = old.find(|old| (old.family, &old.name) == (table.family, &table.name))
        else {
            continue;
        };
        let name = as_nft::shown_name(&table.name);
        // Chains stand in the same order, as long as none comes or goes.
        let chains = table.chains.iter().zip(&old.chains);
        let unchanged = chains.filter(|(a, b)| a.name == b.name && same(a, b));
        steady.extend(unchanged.map(|(chain, _)| ChainKey {
            family: table.family,
            table: name.clone(),
            chain: chain.name.clone(),
        }));
    }
    steady
}

/// Legacy tables as parts of a picture.
pub fn shown(tables: &[LegacyTable]) -> Vec<Arc<Table>> {
    let shown = tables.iter().map(|table| Arc::new(as_nft::table(table)));
    shown.collect()
}

fn put<T: PartialEq, E: std::fmt::Display>(
    place: &mut Arc<T>,
    read: Result<T, E>,
    what: &str,
    missing: &mut Vec<String>,
) {
    match read {
        Ok(new) if **place == new => {}
        Ok(new) => *place = Arc::new(new),
        Err(error) => missing.push(format!("{what}: {error}")),
    }
}
