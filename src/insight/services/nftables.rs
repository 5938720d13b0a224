//! Services of kube-proxy's nftables mode: maps from addresses and ports to chains, whose names say what they are.
//!
//! `service-HASH-NAMESPACE/NAME/PROTOCOL/PORT` and `endpoint-HASH-...__ADDRESS/PORT`.

use super::{Balance, Endpoint, RuleAt, Service, Source, Traffic, Way, WayKind, socket};
use crate::kernel::nf_tables::decode;
use crate::lang::nft::delinearize::userdata_comment;
use crate::model::expression::{Data, Expression, Verdict};
use crate::model::set::{Elements, Set};
use crate::model::{Chain, Family, Name, Table};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

pub const TABLE: &str = "kube-proxy";
const IPS: &str = "service-ips";
const NODE_PORTS: &str = "service-nodeports";
/// Places of services without endpoints; comments name them.
const NO_IPS: &str = "no-endpoint-services";
const NO_NODE_PORTS: &str = "no-endpoint-nodeports";
/// The maps of kube-proxy's tables that tell where services are: their elements must have been read.
pub const ADDRESS_MAPS: [&str; 4] = [IPS, NODE_PORTS, NO_IPS, NO_NODE_PORTS];

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

/// Where an element of a map leads, and what is written beside it.
struct Leads {
    key: Vec<u8>,
    to: Option<Name>,
    comment: Option<String>,
}

fn leads(set: &Set) -> Vec<Leads> {
    let Elements::Read(list) = &set.elements else {
        return Vec::new();
    };
    let read = list.iter().filter_map(|bytes| {
        let element = decode::element(bytes).ok()?;
        let to = match element.data? {
            Data::Verdict(Verdict::Goto(chain) | Verdict::Jump(chain)) => Some(chain),
            Data::Verdict(_) => None,
            Data::Value(_) => return None,
        };
        Some(Leads {
            key: element.key?,
            to,
            comment: userdata_comment(&element.userdata),
        })
    });
    read.collect()
}

fn family_length(family: Family) -> usize {
    if family == Family::Ip6 { 16 } else { 4 }
}

/// Parts of a concatenation, each padded to four bytes: the number of a protocol, and a port.
fn protocol_and_port(key: &[u8]) -> Option<(u8, u16)> {
    let port = key.get(4..6)?.try_into().ok()?;
    Some((*key.first()?, u16::from_be_bytes(port)))
}

/// The place that a key means, and its protocol; `addressed` keys begin with an address.
fn place_of(family: Family, addressed: bool, key: &[u8]) -> Option<(Option<IpAddr>, u8, u16)> {
    let length = if addressed { family_length(family) } else { 0 };
    let (address, rest) = key.split_at_checked(length)?;
    let (protocol, port) = protocol_and_port(rest)?;
    let address = match (address.len(), <[u8; 4]>::try_from(address)) {
        (0, _) => None,
        (_, Ok(four)) => Some(IpAddr::from(four)),
        (_, Err(_)) => Some(IpAddr::from(<[u8; 16]>::try_from(address).ok()?)),
    };
    Some((address, protocol, port))
}

/// By name and protocol.
type Services = HashMap<(String, String), Service>;

/// The services of a table, if it is kube-proxy's.
pub fn services(table: &Table) -> Vec<Service> {
    if &*table.name != TABLE {
        return Vec::new();
    }
    let mut found = Services::new();
    for set in &table.sets {
        let (addressed, ends) = match &*set.name {
            IPS => (true, false),
            NODE_PORTS => (false, false),
            NO_IPS => (true, true),
            NO_NODE_PORTS => (false, true),
            _ => continue,
        };
        for lead in leads(set) {
            let Some(place) = place_of(table.family, addressed, &lead.key) else {
                continue;
            };
            if ends {
                without_endpoints(table, set, &mut found, &lead, place);
            } else if let Some(chain) = lead.to {
                leading(table, &mut found, &chain, place);
            }
        }
    }
    for chain in &table.chains {
        let Some(key) = behind(&chain.name, "service").and_then(service_of) else {
            continue;
        };
        let service = entry(&mut found, key, table, &chain.name);
        service.chain = chain.name.clone();
        choice(table, chain, service);
    }
    found.into_values().collect()
}

fn entry<'s>(
    found: &'s mut Services,
    key: (String, String),
    table: &Table,
    chain: &Name,
) -> &'s mut Service {
    found.entry(key).or_insert_with_key(|(name, protocol)| {
        let place = (table.family, &table.name, chain);
        Service::new(Source::Kubernetes, name.clone(), protocol.clone(), place)
    })
}

fn leading(table: &Table, found: &mut Services, chain: &Name, place: (Option<IpAddr>, u8, u16)) {
    let kinds = ["service", "external", "firewall"];
    let rest = kinds.iter().find_map(|kind| behind(chain, kind));
    let Some(key) = rest.and_then(service_of) else {
        return;
    };
    let (address, _, port) = place;
    entry(found, key, table, chain).add_way(Way {
        kind: match address {
            None => WayKind::NodePort,
            // The cluster's own address leads straight to the service's chain.
            Some(_) if chain.starts_with("service-") => WayKind::Cluster,
            Some(_) => WayKind::External,
        },
        address,
        port,
        rule: None,
    });
}

/// A place whose packets are refused: the comment beside it names the service.
fn without_endpoints(
    table: &Table,
    set: &Set,
    found: &mut Services,
    lead: &Leads,
    (address, protocol, port): (Option<IpAddr>, u8, u16),
) {
    let word = super::protocol(protocol.into());
    let name = lead.comment.clone().unwrap_or_else(|| match address {
        Some(address) => SocketAddr::new(address, port).to_string(),
        None => format!("*:{port}"),
    });
    let chain = lead.to.clone().unwrap_or_else(|| set.name.clone());
    let service = entry(found, (name, word), table, &chain);
    service.add_way(Way {
        kind: match address {
            None => WayKind::NodePort,
            Some(_) if service.ways.is_empty() => WayKind::Cluster,
            Some(_) => WayKind::External,
        },
        address,
        port,
        rule: None,
    });
}

/// The first rule of a chain that counts, and what it counted.
fn counted(chain: &Chain) -> Option<(RuleAt, Traffic)> {
    chain.rules.iter().find_map(|rule| {
        let counter = decode::rule_counter(rule)?;
        let at = RuleAt {
            chain: chain.name.clone(),
            handle: rule.handle,
        };
        Some((at, counter.into()))
    })
}

/// The endpoints that a service's chain chooses from.
fn choice(table: &Table, chain: &Chain, service: &mut Service) {
    if let Some((at, counters)) = counted(chain) {
        service.counters = Some(counters);
        service.counted.push(at);
    }
    for rule in chain.rules.iter() {
        let Ok(body) = decode::rule(rule) else {
            continue;
        };
        // Of a random number, so many values are for one endpoint.
        let mut of = None;
        let mut to: Vec<(Name, Option<f64>)> = Vec::new();
        let mut sticky = false;
        for expression in &body.expressions {
            match expression {
                Expression::Numgen { modulus, .. } => of = Some(f64::from((*modulus).max(1))),
                Expression::Lookup { set, .. } if set.starts_with("affinity-") => sticky = true,
                Expression::Lookup { set, .. } => {
                    let set = table.set(set).filter(|set| set.is_anonymous());
                    let list = set.map(|set| leads(set)).unwrap_or_default();
                    let chains = list.into_iter().filter_map(|lead| lead.to);
                    to.extend(chains.map(|chain| (chain, of.map(|of| 1.0 / of))));
                }
                Expression::Immediate {
                    data: Data::Verdict(Verdict::Goto(chain)),
                    ..
                } => to.push((chain.clone(), (!sticky).then_some(1.0))),
                _ => {}
            }
        }
        if sticky {
            service.balance = Balance::Sticky;
        }
        to.retain(|(chain, _)| chain.starts_with("endpoint-"));
        for (chain, share) in to {
            endpoint(table, service, chain, share);
        }
    }
    // The kernel keeps the choice among them in no order.
    service.endpoints.sort_by_key(|one| one.address);
}

fn endpoint(table: &Table, service: &mut Service, chain: Name, share: Option<f64>) {
    let mut known = service.endpoints.iter_mut();
    if let Some(known) = known.find(|one| one.chain == chain) {
        known.share = match (known.share, share) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        return;
    }
    let counted = table.chain(&chain).and_then(|chain| counted(chain));
    service.endpoints.push(Endpoint {
        address: endpoint_of(table.family, &chain),
        share,
        counters: counted.as_ref().map(|(_, counters)| *counters),
        rate: None,
        rule: None,
        counted: counted.map(|(at, _)| at).into_iter().collect(),
        chain,
    });
}
