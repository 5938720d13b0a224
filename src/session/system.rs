//! What else decides about packets and tells nobody when it changes: sysctls, legacy tables, hook functions.

use crate::kernel::{hooks, legacy, sysctl};
use crate::lang::iptables::as_nft;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Family, Network, Table};
use std::convert::Infallible;
use std::sync::Arc;

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
}

impl Legacy {
    /// Read those whose names `network` has; none is created by that.
    pub fn read(&mut self, network: &Network, missing: &mut Vec<String>) {
        let mut tables = Vec::new();
        if !network.legacy_tables.is_empty() {
            for family in [Family::Ip, Family::Ip6, Family::Arp] {
                match legacy::read_tables(family) {
                    Ok(read) => tables.extend(read),
                    Err(error) => missing.push(format!("legacy {family} tables: {error}")),
                }
            }
        }
        if tables != self.read {
            self.shown = shown(&tables);
            self.read = tables;
        }
    }
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
