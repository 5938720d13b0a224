//! Services of kube-proxy's nftables mode: maps from addresses and ports to chains, whose names say what they are.
//!
//! `service-HASH-NAMESPACE/NAME/PROTOCOL/PORT` and `endpoint-HASH-...__ADDRESS/PORT`.

use super::{Endpoint, Service, Source, Traffic, socket};
use crate::kernel::nf_tables::decode;
use crate::model::expression::{Data, Expression, Verdict};
use crate::model::set::{Elements, Set};
use crate::model::{Chain, Family, Name, Table};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

const IPS: &str = "service-ips";
const NODE_PORTS: &str = "service-nodeports";
/// The maps of kube-proxy's tables that tell where services are: their elements must have been read.
pub const ADDRESS_MAPS: [&str; 2] = [IPS, NODE_PORTS];

/// `namespace/name:port` and the protocol.
fn service_of(rest: &str) -> Option<(String, String)> {
    let mut parts = rest.splitn(4, '/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    let (protocol, port) = (parts.next()?, parts.next().unwrap_or_default());
    let port = if port.is_empty() {
        String::new()
    } else {
        format!(":{port}")
    };
    Some((format!("{namespace}/{name}{port}"), protocol.to_owned()))
}

/// What stands behind `KIND-HASH-`.
fn behind<'n>(chain: &'n str, kind: &str) -> Option<&'n str> {
    let rest = chain.strip_prefix(kind)?.strip_prefix('-')?;
    rest.split_once('-').map(|(_, rest)| rest)
}

/// The address of an endpoint's chain: `...__10.0.0.1/8080`, IPv6 with dots for colons.
fn endpoint_of(family: Family, chain: &str) -> Option<SocketAddr> {
    let (_, place) = behind(chain, "endpoint")?.rsplit_once("__")?;
    let (address, port) = place.rsplit_once('/')?;
    let address = match family {
        Family::Ip6 => address.replace('.', ":").parse::<IpAddr>().ok(),
        _ => address.parse().ok(),
    };
    socket(address, port.parse().ok())
}

fn verdicts(set: &Set) -> Vec<(Vec<u8>, Name)> {
    let Elements::Read(list) = &set.elements else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|bytes| {
            let element = decode::element(bytes).ok()?;
            match element.data? {
                Data::Verdict(Verdict::Goto(chain) | Verdict::Jump(chain)) => {
                    Some((element.key?, chain))
                }
                _ => None,
            }
        })
        .collect()
}

/// Address, and the two numbers behind it, each padded to four bytes.
fn place_of(family: Family, key: &[u8]) -> Option<SocketAddr> {
    let length = if family == Family::Ip6 { 16 } else { 4 };
    let (address, rest) = key.split_at_checked(length)?;
    let port = rest.get(4..6)?;
    let address = match <[u8; 4]>::try_from(address) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    socket(Some(address), port.try_into().ok().map(u16::from_be_bytes))
}

/// The services of a table, if it is kube-proxy's.
pub fn services(table: &Table) -> Vec<Service> {
    if &*table.name != "kube-proxy" {
        return Vec::new();
    }
    let mut found: HashMap<(String, String), Service> = HashMap::new();
    let mut at = |chain: &Name, kinds: &[&str]| -> Option<(String, String)> {
        let rest = kinds.iter().find_map(|kind| behind(chain, kind))?;
        let key = service_of(rest)?;
        found.entry(key.clone()).or_insert_with(|| {
            Service::new(
                Source::Kubernetes,
                key.0.clone(),
                key.1.clone(),
                table.family,
                chain.clone(),
            )
        });
        Some(key)
    };
    let kinds = ["service", "external", "firewall"];
    let mut places = Vec::new();
    let mut ports = Vec::new();
    for (name, chain) in table.sets.iter().flat_map(|set| {
        let list = verdicts(set).into_iter();
        list.map(move |(key, chain)| ((&*set.name, key), chain))
    }) {
        let Some(service) = at(&chain, &kinds) else {
            continue;
        };
        match name {
            (IPS, key) => places.push((service, place_of(table.family, &key), chain)),
            (NODE_PORTS, key) => {
                let port = key.get(4..6).and_then(|port| port.try_into().ok());
                ports.push((service, port.map(u16::from_be_bytes)));
            }
            _ => {}
        }
    }
    let chains: Vec<((String, String), &Chain)> = table
        .chains
        .iter()
        .filter_map(|chain| Some((at(&chain.name, &["service"])?, &**chain)))
        .collect();
    for (key, place, chain) in places {
        let (Some(service), Some(place)) = (found.get_mut(&key), place) else {
            continue;
        };
        // The cluster's own address leads straight to the service's chain.
        if chain.starts_with("service-") && service.cluster.is_none() {
            service.cluster = Some(place);
        } else {
            service.external.push(place);
        }
    }
    for (key, port) in ports {
        if let Some(service) = found.get_mut(&key) {
            service.node_port = service.node_port.or(port);
        }
    }
    for (key, chain) in chains {
        let Some(service) = found.get_mut(&key) else {
            continue;
        };
        service.chain = chain.name.clone();
        let (targets, counters) = targets(table, chain);
        service.counters = counters;
        for target in targets {
            let counted = table
                .chain(&target)
                .and_then(|chain| self::targets(table, chain).1);
            service.endpoints.push(Endpoint {
                address: endpoint_of(table.family, &target),
                counters: counted,
                rate: None,
                chain: target,
            });
        }
        // The kernel keeps the choice among them in no order.
        service.endpoints.sort_by_key(|one| one.address);
    }
    found.into_values().collect()
}

/// The endpoints' chains that a chain leads to, and what its first counting rule counted.
fn targets(table: &Table, chain: &Chain) -> (Vec<Name>, Option<Traffic>) {
    let (mut targets, mut counted) = (Vec::new(), None);
    for rule in chain.rules.iter() {
        let Ok(body) = decode::rule(rule) else {
            continue;
        };
        for expression in &body.expressions {
            match expression {
                Expression::Lookup { set, .. } => {
                    let set = table.set(set).filter(|set| set.is_anonymous());
                    let list = set.map(|set| verdicts(set)).unwrap_or_default();
                    targets.extend(list.into_iter().map(|(_, chain)| chain));
                }
                Expression::Immediate {
                    data: Data::Verdict(Verdict::Goto(chain)),
                    ..
                } => targets.push(chain.clone()),
                Expression::Counter(counter) => {
                    counted.get_or_insert(Traffic::from(*counter));
                }
                _ => {}
            }
        }
    }
    targets.retain(|chain| chain.starts_with("endpoint-"));
    (targets, counted)
}
