//! Services in tables of iptables: kube-proxy's chains `KUBE-SVC-*` and `KUBE-SEP-*`, Docker's chain `DOCKER`.

use super::{Endpoint, Service, Source, Traffic, protocol, socket};
use crate::lang::iptables::rule::{Chain, Part, Rule, Table, Target};
use crate::model::expression::Counter;
use crate::model::xtables::Extension;
use crate::model::xtables::rule::Header;
use crate::model::xtables::target::NatRange2;
use crate::model::{Family, Name};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

/// What rules say about the packets that they are for.
struct Read<'r> {
    destination: Option<IpAddr>,
    protocol: u16,
    port: Option<u16>,
    comment: Option<String>,
    to: Option<&'r Name>,
    counters: Counter,
}

fn whole4(address: [u8; 4], mask: [u8; 4]) -> Option<IpAddr> {
    (mask == [0xff; 4]).then(|| address.into())
}

fn whole6(address: [u8; 16], mask: [u8; 16]) -> Option<IpAddr> {
    (mask == [0xff; 16]).then(|| address.into())
}

fn read(rule: &Rule) -> Read<'_> {
    let (destination, protocol) = match &rule.header {
        Header::Ip(header) => (whole4(header.dst, header.dmsk), header.proto),
        Header::Ip6(header) => (whole6(header.dst, header.dmsk), header.proto),
        _ => (None, 0),
    };
    let mut port = None;
    let mut comment = None;
    for part in &rule.parts {
        let Part::Known(extension) = part else {
            continue;
        };
        let ports = match extension {
            Extension::Tcp(tcp) => Some(tcp.dpts),
            Extension::Udp(udp) => Some(udp.dpts),
            Extension::Comment(text) => {
                comment = Some(text.comment.text());
                None
            }
            _ => None,
        };
        if let Some([from, to]) = ports
            && from == to
        {
            port = Some(from);
        }
    }
    Read {
        destination,
        protocol,
        port,
        comment,
        to: match &rule.target {
            Target::Jump(chain) | Target::Goto(chain) => Some(chain),
            _ => None,
        },
        counters: rule.counters,
    }
}

/// Where a rule sends packets by DNAT.
fn translated(family: Family, rule: &Rule) -> Option<SocketAddr> {
    /// `NF_NAT_RANGE_PROTO_SPECIFIED`
    const PORTED: u32 = 2;
    let Target::Extension(Part::Known(extension)) = &rule.target else {
        return None;
    };
    let range = match extension {
        Extension::Dnat0(range) => NatRange2::from(range),
        Extension::Dnat1(range) => NatRange2::from(range),
        Extension::Dnat2(range) => range.clone(),
        _ => return None,
    };
    let address = match family {
        Family::Ip => range.min_addr.v4().0.into(),
        _ => IpAddr::from(range.min_addr.0),
    };
    let port = (range.flags & PORTED != 0).then_some(range.min_proto.0);
    let named = || read(rule).port;
    socket(Some(address), port.or_else(named))
}

/// `KUBE-SVC-X`, `KUBE-EXT-X`, `KUBE-FW-X` and the rest belong to the service X.
fn key(chain: &str) -> Option<&str> {
    let rest = chain.strip_prefix("KUBE-")?;
    let (kind, key) = rest.split_once('-')?;
    ["SVC", "SVL", "EXT", "FW", "XLB"]
        .contains(&kind)
        .then_some(key)
}

/// `namespace/name:port`, without what the comment says about it.
fn name_in(comment: &str) -> Option<&str> {
    let name = comment.split(' ').next()?;
    name.contains('/').then_some(name)
}

struct Reader<'t> {
    family: Family,
    chains: HashMap<&'t str, &'t Chain>,
    services: BTreeMap<String, Service>,
}

/// The services of the tables of one family and backend.
pub fn services(tables: &[&Table]) -> Vec<Service> {
    let Some(family) = tables.first().map(|table| table.family) else {
        return Vec::new();
    };
    let nat = tables.iter().find(|table| &*table.name == "nat");
    let chains = nat.into_iter().flat_map(|table| &table.chains);
    let mut reader = Reader {
        family,
        chains: chains.map(|chain| (&*chain.name, chain)).collect(),
        services: BTreeMap::new(),
    };
    for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES"] {
        reader.portal(chain);
    }
    let filter = tables.iter().find(|table| &*table.name == "filter");
    for chain in filter.into_iter().flat_map(|table| &table.chains) {
        if chain.name.starts_with("KUBE-") {
            reader.without_endpoints(chain);
        }
    }
    reader.endpoints();
    let mut services: Vec<Service> = reader.services.into_values().collect();
    if let Some(nat) = nat {
        services.extend(published(nat));
    }
    services
}

impl Reader<'_> {
    /// A chain that sends packets to the chains of services.
    fn portal(&mut self, name: &str) {
        let Some(chain) = self.chains.get(name).copied() else {
            return;
        };
        for rule in &chain.rules {
            let read = read(rule);
            let Some((to, key)) = read.to.and_then(|to| Some((to, key(to)?))) else {
                continue;
            };
            let comment = read.comment.as_deref().unwrap_or_default();
            let named = name_in(comment).unwrap_or(key);
            let service = self.services.entry(key.to_owned()).or_insert_with(|| {
                Service::new(
                    Source::Kubernetes,
                    named.to_owned(),
                    protocol(read.protocol),
                    self.family,
                    to.clone(),
                )
            });
            let address = socket(read.destination, read.port);
            if name == "KUBE-NODEPORTS" {
                service.node_port = service.node_port.or(read.port);
            } else if comment.ends_with("cluster IP") || service.cluster.is_none() {
                service.cluster = address;
            } else if let Some(address) = address
                && !service.external.contains(&address)
            {
                service.external.push(address);
            }
            *service.counters.get_or_insert_default() += read.counters;
        }
    }

    /// Rules of the table filter that refuse what has nowhere to go.
    fn without_endpoints(&mut self, chain: &Chain) {
        for rule in &chain.rules {
            let read = read(rule);
            let comment = read.comment.as_deref().unwrap_or_default();
            if !comment.ends_with("has no endpoints") {
                continue;
            }
            let Some(name) = name_in(comment) else {
                continue;
            };
            let key = format!("{name} {}", read.protocol);
            let service = self.services.entry(key).or_insert_with(|| {
                Service::new(
                    Source::Kubernetes,
                    name.to_owned(),
                    protocol(read.protocol),
                    self.family,
                    chain.name.clone(),
                )
            });
            match socket(read.destination, read.port) {
                Some(address) if service.cluster.is_none() => service.cluster = Some(address),
                Some(address) => service.external.push(address),
                None => service.node_port = service.node_port.or(read.port),
            }
            *service.counters.get_or_insert_default() += read.counters;
        }
    }

    /// From each service's chain to those of its endpoints.
    fn endpoints(&mut self) {
        for (key, service) in &mut self.services {
            let mut through: Vec<&Chain> = Vec::new();
            for kind in ["SVC", "SVL", "EXT", "XLB"] {
                let name = format!("KUBE-{kind}-{key}");
                through.extend(self.chains.get(name.as_str()).copied());
            }
            for chain in through {
                if chain.name.starts_with("KUBE-SVC-") {
                    service.chain = chain.name.clone();
                }
                for rule in &chain.rules {
                    let read = read(rule);
                    let Some(to) = read.to.filter(|to| to.starts_with("KUBE-SEP-")) else {
                        continue;
                    };
                    let known = service.endpoints.iter_mut().find(|one| one.chain == *to);
                    if let Some(known) = known {
                        *known.counters.get_or_insert_default() += read.counters;
                        continue;
                    }
                    let rules = self.chains.get(&**to).map_or(&[][..], |chain| &chain.rules);
                    let address = rules.iter().find_map(|rule| translated(self.family, rule));
                    service.endpoints.push(Endpoint {
                        address,
                        counters: Some(read.counters.into()),
                        rate: None,
                        chain: to.clone(),
                    });
                }
            }
        }
    }
}

/// Ports that Docker publishes: the DNAT rules of its chain.
fn published(nat: &Table) -> Vec<Service> {
    let chains = nat.chains.iter().filter(|chain| &*chain.name == "DOCKER");
    let mut services: Vec<Service> = Vec::new();
    for (chain, rule) in chains.flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)))
    {
        let read = read(rule);
        let (Some(address), Some(port)) = (translated(nat.family, rule), read.port) else {
            continue;
        };
        let protocol = protocol(read.protocol);
        let mut service = Service::new(
            Source::Docker,
            format!("published {port}/{protocol}"),
            protocol,
            nat.family,
            chain.name.clone(),
        );
        match read.destination {
            Some(host) => service.external.push(SocketAddr::new(host, port)),
            None => service.node_port = Some(port),
        }
        let counters = Traffic::from(read.counters);
        service.counters = Some(counters);
        service.endpoints.push(Endpoint {
            address: Some(address),
            counters: Some(counters),
            rate: None,
            chain: chain.name.clone(),
        });
        services.push(service);
    }
    services
}
