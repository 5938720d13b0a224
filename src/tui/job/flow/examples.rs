//! Packets worth asking about, made from what the machine really has: its connections, its devices, its routes.

use crate::flow::packet::{IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, protocol_name};
use crate::flow::report::Endpoint;
use crate::flow::{Question, Simulator, cut};
use crate::model::Network;
use crate::model::conntrack::Flow;
use crate::model::network::Link;
use std::net::IpAddr;

/// So many at most.
const MOST: usize = 6;

pub fn find(simulator: &Simulator<'_>, flows: &[Flow]) -> Vec<(String, Question)> {
    let network = simulator.network;
    let mut found: Vec<(String, Question)> = Vec::new();
    // TCP says more than the rest.
    let mut known: Vec<&Flow> = flows.iter().take(2000).collect();
    known.sort_by_key(|flow| flow.original.protocol != IPPROTO_TCP);
    for flow in known {
        let question = cut::question_of(simulator, flow, false);
        let same = |(_, other): &(String, Question)| {
            (&other.iif, other.dst, other.proto, other.dport)
                == (&question.iif, question.dst, question.proto, question.dport)
        };
        if !found.iter().any(same) {
            found.push((format!("the connection {}", words(&question)), question));
        }
        if found.len() == MOST / 2 {
            break;
        }
    }
    let mut put = |what: String, question: Question| {
        if found.len() < MOST {
            found.push((what, question));
        }
    };
    for link in outside(network) {
        let Some(own) = own_address(network, link) else {
            continue;
        };
        let Some(source) = neighbour(network, link, own, &[]) else {
            continue;
        };
        let ssh = Question {
            iif: Some(link.name.to_string()),
            src: Some(source),
            dst: Some(own),
            proto: Some(IPPROTO_TCP),
            sport: Some(40000),
            dport: Some(22),
            ..Question::default()
        };
        put(format!("ssh to this machine by {}", link.name), ssh.clone());
        let ping = Question {
            proto: Some(if own.is_ipv4() {
                IPPROTO_ICMP
            } else {
                IPPROTO_ICMPV6
            }),
            sport: None,
            dport: None,
            ..ssh.clone()
        };
        put(format!("a ping of this machine by {}", link.name), ping);
        // From one device to the other: is it forwarded?
        let others = outside(network).filter(|other| other.index != link.index);
        let through = others
            .filter_map(|other| Some((other, own_address(network, other)?)))
            .find(|(_, address)| address.is_ipv4() == own.is_ipv4())
            .and_then(|(other, address)| Some((other, neighbour(network, other, address, &[])?)));
        if let Some((other, address)) = through {
            let web = Question {
                dst: Some(address),
                dport: Some(443),
                ..ssh.clone()
            };
            put(format!("https from {} to {}", link.name, other.name), web);
        }
    }
    let remote: IpAddr = [192, 0, 2, 1].into();
    let out = Question {
        dst: Some(remote),
        proto: Some(IPPROTO_TCP),
        sport: Some(40000),
        dport: Some(443),
        ..Question::default()
    };
    if found.len() < MOST {
        found.push(("https from this machine to the world".into(), out));
    }
    found
}

fn words(question: &Question) -> String {
    let end = |address: Option<IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), port) => Endpoint { address, port }.to_string(),
        _ => String::new(),
    };
    format!(
        "{} {} → {}",
        question.proto.map(protocol_name).unwrap_or_default(),
        end(question.src, question.sport),
        end(question.dst, question.dport)
    )
}

/// Somebody who sends packets here from elsewhere, and is none of `others`: the device they arrive on, the sender, and
/// this machine's address there.
pub fn arriving<'n>(
    network: &'n Network,
    ipv4: bool,
    others: &[IpAddr],
) -> Option<(&'n Link, IpAddr, IpAddr)> {
    let mut links: Vec<&Link> = outside(network).collect();
    // The world is behind a device of its own; bridges and the like lead to what runs here.
    let inner = |link: &&Link| link.kind.is_some() && link.kind.as_deref() != Some("bond");
    links.sort_by_key(|link| (inner(link), link.master.is_some()));
    links.into_iter().find_map(|link| {
        let own = addresses(network, link);
        let own = own.into_iter().find(|own| own.is_ipv4() == ipv4)?;
        Some((link, neighbour(network, link, own, others)?, own))
    })
}

/// Devices that packets from elsewhere arrive on.
fn outside(network: &Network) -> impl Iterator<Item = &Link> {
    network
        .links
        .iter()
        .filter(|link| link.is_up() && !link.is_loopback())
}

/// An address of the device that others can reach.
fn own_address(network: &Network, link: &Link) -> Option<IpAddr> {
    addresses(network, link).first().copied()
}

/// The addresses of the device that others can reach, IPv4 first.
fn addresses(network: &Network, link: &Link) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = network
        .addresses_of(link.index)
        .map(|own| own.local.address)
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => address
                .segments()
                .first()
                .is_some_and(|s| s & 0xffc0 != 0xfe80),
        })
        .collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all
}

/// Somebody on the device's network: a neighbour that is known, else the address after its own.
fn neighbour(network: &Network, link: &Link, own: IpAddr, others: &[IpAddr]) -> Option<IpAddr> {
    let known = network
        .neighbours
        .iter()
        .filter(|one| one.index == link.index)
        .filter_map(|one| one.address)
        .filter(|address| address.is_ipv4() == own.is_ipv4() && !address.is_multicast())
        .find(|address| !others.contains(address));
    known.or(match own {
        IpAddr::V4(own) => {
            let bits = u32::from(own);
            Some(std::net::Ipv4Addr::from(if bits & 1 == 0 { bits + 1 } else { bits ^ 3 }).into())
        }
        IpAddr::V6(own) => Some(std::net::Ipv6Addr::from(u128::from(own) ^ 3).into()),
    })
}
