//! A packet of a client to a service: what Flow is asked for.

use super::Line;
use crate::flow::Question;
use crate::insight::services::{Service, Way, WayKind};
use crate::model::Network;
use crate::tui::job::flow::examples::arriving;
use std::net::IpAddr;

/// An ephemeral port, as clients have.
const CLIENT: u16 = 40_000;

/// The packet that the line is about; where the list has the focus, one to the first place of the service.
pub fn question(network: &Network, service: &Service, line: Option<Line<'_>>) -> Option<Question> {
    match line {
        Some(Line::Way(way, _)) => by_way(network, service, way),
        // Past the service: is the endpoint itself reached?
        Some(Line::Endpoint(endpoint, _)) => {
            let address = endpoint.address?;
            Some(from_here(service, address.ip(), address.port()))
        }
        Some(Line::Nowhere) | None => by_way(network, service, service.ways.first()?),
    }
}

fn from_here(service: &Service, dst: IpAddr, port: u16) -> Question {
    Question {
        dst: Some(dst),
        proto: protocol(&service.protocol),
        sport: Some(CLIENT),
        dport: Some(port),
        ..Question::default()
    }
}

fn protocol(word: &str) -> Option<u8> {
    match word {
        "tcp" => Some(6),
        "udp" => Some(17),
        "sctp" => Some(132),
        number => number.parse().ok(),
    }
}

/// Who uses a cluster IP is on this machine; the other places are for clients elsewhere.
fn by_way(network: &Network, service: &Service, way: &Way) -> Option<Question> {
    let ipv4 = service.family != crate::model::Family::Ip6;
    let local = way.address.is_some_and(|address| address.is_loopback());
    // A client that is an endpoint itself is a case of its own.
    let ends = service.endpoints.iter().filter_map(|one| one.address);
    let ends: Vec<IpAddr> = ends.map(|address| address.ip()).collect();
    let arriving =
        arriving(network, ipv4, &ends).filter(|_| way.kind != WayKind::Cluster && !local);
    let Some((link, client, own)) = arriving else {
        let loopback = if ipv4 {
            IpAddr::from([127, 0, 0, 1])
        } else {
            IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
        };
        return Some(from_here(
            service,
            way.address.unwrap_or(loopback),
            way.port,
        ));
    };
    Some(Question {
        iif: Some(link.name.to_string()),
        src: Some(client),
        ..from_here(service, way.address.unwrap_or(own), way.port)
    })
}
