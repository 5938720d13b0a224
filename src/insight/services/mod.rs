//! Services of Kubernetes and published ports of Docker, from the rules that lead to them.
//!
//! `owner` knows programs by the names of their chains; `iptables` reads what kube-proxy and Docker write for
//! iptables (either backend), `nftables` kube-proxy's own tables; `index` finds names by addresses.

mod index;
mod iptables;
mod nftables;
mod owner;

pub use index::Index;
pub use nftables::ADDRESS_MAPS;
pub use owner::{Owner, owner};

use crate::lang::iptables::from_nft::{self, Read};
use crate::lang::iptables::rule::Table;
use crate::model::expression::Counter;
use crate::model::{Family, Name, Ruleset};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Who made a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Kubernetes,
    Docker,
}

/// One port of a service, and where packets for it go.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Service {
    pub source: Source,
    /// `namespace/name:port`; for Docker the published port.
    pub name: String,
    /// `tcp`, `udp`, `sctp`, or a number
    pub protocol: String,
    pub cluster: Option<SocketAddr>,
    /// External and load-balancer addresses.
    pub external: Vec<SocketAddr>,
    /// Reached by this port of every (or the given external) address of the machine.
    pub node_port: Option<u16>,
    /// What the rules that lead to it counted, where they count.
    pub counters: Option<Traffic>,
    /// How fast, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    pub endpoints: Vec<Endpoint>,
    /// Where it is in the ruleset.
    pub family: String,
    pub chain: Name,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// None where the rule that leads there could not be read.
    pub address: Option<SocketAddr>,
    pub counters: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    pub chain: Name,
}

/// New connections: rules of nat tables see the first packet of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

/// Each second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    pub packets: f64,
    pub bytes: f64,
}

impl Rate {
    /// From one reading to the next. A counter that went back was set to zero in between: what it says is new.
    fn between(before: Option<Traffic>, after: Option<Traffic>, seconds: f64) -> Option<Rate> {
        let (before, after) = (before?, after?);
        let new = |before: u64, after: u64| after.checked_sub(before).unwrap_or(after) as f64;
        (seconds > 0.0).then(|| Rate {
            packets: new(before.packets, after.packets) / seconds,
            bytes: new(before.bytes, after.bytes) / seconds,
        })
    }
}

/// Say of services and their endpoints how fast they count, by what they had counted `seconds` before; the fastest
/// come first. What was not there before has no rate.
pub fn measure(before: &[Service], after: &mut [Service], seconds: f64) {
    let key = |service: &Service| {
        (
            service.family.clone(),
            service.chain.clone(),
            service.name.clone(),
        )
    };
    let known: HashMap<_, &Service> = before.iter().map(|one| (key(one), one)).collect();
    for service in after.iter_mut() {
        let Some(was) = known.get(&key(service)) else {
            continue;
        };
        service.rate = Rate::between(was.counters, service.counters, seconds);
        for endpoint in &mut service.endpoints {
            let mut there = was.endpoints.iter();
            let own =
                there.find(|one| one.chain == endpoint.chain && one.address == endpoint.address);
            endpoint.rate =
                own.and_then(|own| Rate::between(own.counters, endpoint.counters, seconds));
        }
    }
    let packets = |service: &Service| service.rate.map_or(-1.0, |rate| rate.packets);
    after.sort_by(|a, b| packets(b).total_cmp(&packets(a)));
}

impl From<Counter> for Traffic {
    fn from(counter: Counter) -> Traffic {
        Traffic {
            packets: counter.packets,
            bytes: counter.bytes,
        }
    }
}

impl std::ops::AddAssign<Counter> for Traffic {
    fn add_assign(&mut self, counter: Counter) {
        self.packets += counter.packets;
        self.bytes += counter.bytes;
    }
}

impl Service {
    fn new(source: Source, name: String, protocol: String, family: Family, chain: Name) -> Service {
        Service {
            source,
            name,
            protocol,
            cluster: None,
            external: Vec::new(),
            node_port: None,
            counters: None,
            rate: None,
            endpoints: Vec::new(),
            family: family.to_string(),
            chain,
        }
    }

    /// Where a client finds it: its address, or its port on this machine.
    pub fn place(&self) -> String {
        let address = self.cluster.or(self.external.first().copied());
        match (address, self.node_port) {
            (Some(address), _) => address.to_string(),
            (None, Some(port)) => format!("*:{port}"),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Kubernetes => "Kubernetes",
            Source::Docker => "Docker",
        })
    }
}

/// All services that the rules of a machine lead to, by name. `legacy` are its legacy tables.
pub fn services(ruleset: &Ruleset, legacy: &[Table]) -> Vec<Service> {
    let mut found = Vec::new();
    for family in [Family::Ip, Family::Ip6] {
        let tables: Vec<Table> = from_nft::tables(ruleset, family)
            .into_iter()
            .filter_map(|(_, read)| match read {
                Read::Table { table, .. } => Some(table),
                Read::Incompatible(_) => None,
            })
            .collect();
        found.extend(iptables::services(&tables.iter().collect::<Vec<_>>()));
        let legacy: Vec<&Table> = legacy
            .iter()
            .filter(|table| table.family == family)
            .collect();
        found.extend(iptables::services(&legacy));
    }
    for table in &ruleset.tables {
        found.extend(nftables::services(table));
    }
    found.sort_by(|a, b| {
        (&a.name, &a.protocol, &a.family, a.source).cmp(&(
            &b.name,
            &b.protocol,
            &b.family,
            b.source,
        ))
    });
    found
}

/// An address and a port, where there are both.
fn socket(address: Option<IpAddr>, port: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::new(address?, port?))
}

fn protocol(number: u16) -> String {
    match number {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
