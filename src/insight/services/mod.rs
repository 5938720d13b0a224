//! Services of Kubernetes and published ports of Docker, from the rules that lead to them.
//!
//! `owner` knows programs by the names of their chains; `iptables` reads what kube-proxy and Docker write for
//! iptables (either backend), `nftables` kube-proxy's own tables, `docker` Docker's; `index` finds names by addresses,
//! `rates` is about what was counted in between.

mod docker;
mod index;
mod iptables;
mod nftables;
mod owner;
mod rates;

pub use docker::TABLE as DOCKER_TABLE;
pub use index::Index;
pub use nftables::{ADDRESS_MAPS, TABLE as KUBE_PROXY_TABLE};
pub use owner::{Owner, owner};
pub use rates::{Rate, measure};

use crate::lang::iptables::as_nft;
use crate::lang::iptables::from_nft::{self, Read};
use crate::lang::iptables::rule::Table;
use crate::model::expression::Counter;
use crate::model::{self, Family, Name, Ruleset};
use serde::{Serialize, Serializer};
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
    pub balance: Balance,
    pub endpoints: Vec<Endpoint>,
    /// Where it is in the ruleset.
    #[serde(serialize_with = "word")]
    pub family: Family,
    pub table: Name,
    pub chain: Name,
    /// The rule in that chain, where one rule is all there is to it.
    #[serde(skip)]
    pub rule: Option<u64>,
    /// All places where clients find it.
    #[serde(skip)]
    pub ways: Vec<Way>,
    /// What its counters are those of, beside the ways: rules of its table.
    #[serde(skip)]
    pub counted: Vec<RuleAt>,
}

/// How the endpoint of a connection is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// There is no endpoint: packets are refused.
    #[default]
    None,
    /// There is one.
    One,
    /// By chance, each connection for itself.
    Random,
    /// By chance, but a client that was here lately goes where it went then.
    Sticky,
}

/// A rule of the table that a service is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleAt {
    pub chain: Name,
    /// In legacy tables its number.
    pub handle: u64,
}

/// What kind of place a client finds a service at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayKind {
    Cluster,
    LoadBalancer,
    External,
    /// A port of every address of the machine.
    NodePort,
}

/// A place where clients find a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub kind: WayKind,
    /// Of a node port: none.
    pub address: Option<IpAddr>,
    pub port: u16,
    /// The rule that takes packets from there; maps have elements instead.
    pub rule: Option<RuleAt>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// None where the rule that leads there could not be read.
    pub address: Option<SocketAddr>,
    /// The part of new connections that goes there, of 1, where chance decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    pub counters: Option<Traffic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    pub chain: Name,
    /// The rule in that chain, where one rule is all there is to it.
    #[serde(skip)]
    pub rule: Option<u64>,
    /// The rules whose counters are its own.
    #[serde(skip)]
    pub counted: Vec<RuleAt>,
}

/// What there is of one machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// By name.
    pub services: Vec<Service>,
    pub index: Index,
}

impl Found {
    pub fn new(services: Vec<Service>) -> Found {
        let index = Index::new(&services);
        Found { services, index }
    }
}

fn word<S: Serializer>(family: &Family, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(family)
}

/// New connections: rules of nat tables see the first packet of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
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
    fn new(
        source: Source,
        name: String,
        protocol: String,
        (family, table, chain): (Family, &Name, &Name),
    ) -> Service {
        Service {
            source,
            name,
            protocol,
            cluster: None,
            external: Vec::new(),
            node_port: None,
            counters: None,
            rate: None,
            balance: Balance::None,
            endpoints: Vec::new(),
            family,
            table: table.clone(),
            chain: chain.clone(),
            rule: None,
            ways: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Clients find it there, too.
    fn add_way(&mut self, way: Way) {
        let same = |other: &Way| (other.address, other.port) == (way.address, way.port);
        if !self.ways.iter().any(same) {
            self.ways.push(way);
        }
    }

    /// All ways and endpoints are known: say what follows from them.
    fn finish(mut self) -> Service {
        self.ways.sort_by_key(|way| (way.kind, way.address));
        for way in &self.ways {
            let address = way.address.map(|ip| SocketAddr::new(ip, way.port));
            match (way.kind, address) {
                (WayKind::NodePort, _) | (_, None) => {
                    self.node_port = self.node_port.or(Some(way.port));
                }
                (WayKind::Cluster, address) if self.cluster.is_none() => self.cluster = address,
                (_, Some(address)) => self.external.push(address),
            }
        }
        self.balance = match (self.endpoints.len(), self.balance) {
            (0, _) => Balance::None,
            (_, Balance::Sticky) => Balance::Sticky,
            (1, _) => Balance::One,
            _ => Balance::Random,
        };
        self
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

impl Balance {
    pub fn word(self) -> &'static str {
        match self {
            Balance::None => "refused",
            Balance::One => "one",
            Balance::Random => "random",
            Balance::Sticky => "sticky",
        }
    }
}

impl WayKind {
    pub fn words(self) -> &'static str {
        match self {
            WayKind::Cluster => "cluster IP",
            WayKind::LoadBalancer => "load balancer",
            WayKind::External => "external IP",
            WayKind::NodePort => "node port",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => write!(f, "*:{}", self.port),
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
        let known = tables.iter().map(|table| Numbered {
            table,
            name: table.name.clone(),
            shown: ruleset.table(family, &table.name).map(|shown| &**shown),
        });
        found.extend(iptables::services(&known.collect::<Vec<_>>()));
        let legacy = legacy.iter().filter(|table| table.family == family);
        let legacy = legacy.map(|table| Numbered {
            table,
            name: as_nft::shown_name(&table.name),
            shown: None,
        });
        found.extend(iptables::services(&legacy.collect::<Vec<_>>()));
    }
    for table in &ruleset.tables {
        found.extend(nftables::services(table));
        found.extend(docker::services(table));
    }
    let mut found: Vec<Service> = found.into_iter().map(Service::finish).collect();
    found.sort_by(|a, b| {
        let key = |one: &Service| (one.family, one.source);
        (&a.name, &a.protocol, key(a)).cmp(&(&b.name, &b.protocol, key(b)))
    });
    found
}

/// A table in the iptables language, and where the handles of its rules are.
struct Numbered<'t> {
    table: &'t Table,
    /// As the table is shown.
    name: Name,
    /// Without it, handles are numbers from 1.
    shown: Option<&'t model::Table>,
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
