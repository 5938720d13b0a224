//! Asking the kernel for a route, and saying in words why there is none.

use super::picture::RouteQuery;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::route::{RouteLookup, read_links, route_get};
use crate::lang::route::{Context, Names, route_line};
use crate::model::network::{Link, Network, OwnedRoute};
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum AskError {
    #[error("a destination address is missing; name one, as in 'route get 192.0.2.1'")]
    NoDestination,
    #[error("there is no device '{0}'; 'ip link' lists the devices of this network namespace")]
    UnknownDevice(String),
    #[error(
        "the source {from} and the destination {to} are of different families; give two of one"
    )]
    Families {
        from: std::net::IpAddr,
        to: std::net::IpAddr,
    },
    #[error("no route to {to}: {error}; {}", advice(error))]
    Refused {
        to: std::net::IpAddr,
        error: KernelError,
    },
    #[error("cannot ask the kernel for routes: {0}")]
    Kernel(#[from] KernelError),
}

/// What an error of a lookup means.
fn advice(error: &KernelError) -> &'static str {
    match error.errno() {
        Some(libc::ENETUNREACH) => {
            "no table has a route, or a rule refuses it: see 'hookscope route rules' and 'hookscope route list table all'"
        }
        Some(libc::EHOSTUNREACH) => {
            "an 'unreachable' route matches, or the packet would have to be forwarded and forwarding is off"
        }
        Some(libc::EACCES) => "a 'prohibit' route or rule matches",
        Some(libc::EINVAL) => {
            "a 'blackhole' route matches, or the source is not acceptable on the device it arrives on (rp_filter, martian)"
        }
        Some(libc::EXDEV) => "the source is not acceptable on the device it arrives on",
        _ => "see 'hookscope route list table all'",
    }
}

/// Put the question in the kernel's terms.
pub fn lookup(query: &RouteQuery, links: &[Link]) -> Result<RouteLookup, AskError> {
    let to = query.dst.ok_or(AskError::NoDestination)?;
    if let Some(from) = query.from
        && from.is_ipv4() != to.is_ipv4()
    {
        return Err(AskError::Families { from, to });
    }
    let index = |name: &Option<String>| match name {
        None => Ok(None),
        Some(name) => device(links, name).map(Some),
    };
    Ok(RouteLookup {
        from: query.from,
        iif: index(&query.iif)?,
        oif: index(&query.oif)?,
        mark: query.mark,
        tos: query.tos.unwrap_or(0),
        uid: query.uid,
        ipproto: query.ipproto,
        sport: query.sport,
        dport: query.dport,
        ..RouteLookup::new(to)
    })
}

fn device(links: &[Link], name: &str) -> Result<u32, AskError> {
    let by_name = links.iter().find(|link| {
        &*link.name == name
            || link
                .alt_names
                .iter()
                .any(|alternative| &**alternative == name)
    });
    // iproute2 takes the names that it prints for devices it cannot see.
    let index = by_name
        .map(|link| link.index)
        .or_else(|| name.strip_prefix("if")?.parse().ok());
    index.ok_or_else(|| AskError::UnknownDevice(name.to_owned()))
}

/// Ask the kernel; a refusal is explained.
pub fn ask(socket: &mut Socket, lookup: &RouteLookup) -> Result<OwnedRoute, AskError> {
    route_get(socket, lookup).map_err(|error| match error {
        KernelError::Refused { .. } => AskError::Refused {
            to: lookup.destination,
            error,
        },
        other => AskError::Kernel(other),
    })
}

/// Answer [`super::Command::RouteGet`]: the words of `ip route get`, or why not. Blocks for one exchange with
/// the kernel.
pub fn answer(query: &RouteQuery, names: &Names) -> Result<String, String> {
    let answer = || -> Result<String, AskError> {
        let mut socket = Socket::open(Protocol::Route)?;
        let links = read_links(&mut socket)?;
        let route = ask(&mut socket, &lookup(query, &links)?)?;
        let network = Network {
            links: Arc::new(links),
            ..Network::default()
        };
        let device = |index| network.link_name(index);
        let context = Context {
            names,
            device: &device,
            one_table: false,
        };
        Ok(route_line(route.as_route(), &context))
    };
    answer().map_err(|error| error.to_string())
}
