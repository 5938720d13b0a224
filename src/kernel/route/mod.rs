//! rtnetlink: links, addresses, routes, policy rules, neighbours, next hop objects and traffic control
//! (`linux/rtnetlink.h`). May use `model` and `kernel::netlink`.
//!
//! One file for each kind of message, each with a pure decoder of the message's payload; the `read_*`
//! functions dump. Messages are decoded by hand because a million routes must cost little more than
//! receiving them, and because what is not understood has to be kept byte for byte.

mod address;
mod bridge;
mod change;
mod copy;
mod event;
mod get;
mod link;
mod load;
mod neighbour;
mod nexthop;
#[allow(clippy::module_inception)]
mod route;
mod rule;
mod traffic;

pub use address::decode_address;
pub use bridge::{BridgePort, bridge_port, filters_vlans};
pub use change::{Request, encode_change, make_change};
pub use copy::{ForPackets, copy_links, copy_links_for, peer_index, switch_on};
pub use event::{Events, RouteEvent, decode_event};
pub use get::{RouteLookup, encode_lookup, route_get};
pub use link::decode_link;
pub use load::{RouteFilter, RouteLoader, dump_routes, read_fib, read_network, read_table};
pub use neighbour::decode_neighbour;
pub use nexthop::decode_nexthop;
pub use route::{BodyCache, RouteMessage, decode_route};
pub use rule::decode_rule;

use crate::kernel::netlink::{DecodeError, KernelError, Message, Socket};
use crate::model::network::{Address, FibFamily, Link, Neighbour, Nexthop, PolicyRule};
use std::net::IpAddr;

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_DELADDR: u16 = 21;
pub const RTM_GETADDR: u16 = 22;
pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;
pub const RTM_GETROUTE: u16 = 26;
pub const RTM_NEWNEIGH: u16 = 28;
pub const RTM_DELNEIGH: u16 = 29;
pub const RTM_GETNEIGH: u16 = 30;
pub const RTM_NEWRULE: u16 = 32;
pub const RTM_DELRULE: u16 = 33;
pub const RTM_GETRULE: u16 = 34;
pub const RTM_GETQDISC: u16 = 38;
pub const RTM_GETTFILTER: u16 = 46;
pub const RTM_NEWNEXTHOP: u16 = 104;
pub const RTM_DELNEXTHOP: u16 = 105;
pub const RTM_GETNEXTHOP: u16 = 106;

const AF_UNSPEC: u8 = 0;
const AF_BRIDGE: u8 = 7;
const NTF_PROXY: u8 = 8;

/// How often an interrupted dump is repeated before the interruption is reported.
const ATTEMPTS: usize = 5;

/// Split a message's payload into its fixed header and its attributes.
fn split<const N: usize>(payload: &[u8]) -> Result<(&[u8; N], &[u8]), DecodeError> {
    payload
        .split_first_chunk::<N>()
        .ok_or(DecodeError::ShortMessage(payload.len()))
}

/// An IPv4 or IPv6 address by the length of the attribute.
fn ip(kind: u16, payload: &[u8]) -> Result<IpAddr, DecodeError> {
    if let Ok(four) = <[u8; 4]>::try_from(payload) {
        return Ok(four.into());
    }
    match <[u8; 16]>::try_from(payload) {
        Ok(six) => Ok(six.into()),
        Err(_) => Err(DecodeError::Length {
            kind,
            length: payload.len(),
            expected: 16,
        }),
    }
}

/// Dump until a whole answer has come; `collect` starts from nothing at each attempt.
fn whole<T>(
    socket: &mut Socket,
    mut collect: impl FnMut(&mut Socket) -> Result<T, KernelError>,
) -> Result<T, KernelError> {
    let mut attempt = 1;
    loop {
        match collect(socket) {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// Dump messages of one kind and decode each.
fn list<T>(
    socket: &mut Socket,
    request: u16,
    header: &[u8],
    decode: impl Fn(&Message<'_>) -> Result<Option<T>, DecodeError>,
) -> Result<Vec<T>, KernelError> {
    whole(socket, |socket| {
        let mut items = Vec::new();
        socket.dump(request, &[header], |message| {
            items.extend(decode(message)?);
            Ok(())
        })?;
        Ok(items)
    })
}

/// All devices, ascending by index, with their XDP programs; see [`read_traffic`](read_links_with_filters)
/// for traffic control.
pub fn read_links(socket: &mut Socket) -> Result<Vec<Link>, KernelError> {
    let mut links = list(socket, RTM_GETLINK, &[0; 16], |message| {
        decode_link(message.payload).map(Some)
    })?;
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// All devices with what traffic control and tcx attach to them.
pub fn read_links_with_filters(socket: &mut Socket) -> Result<Vec<Link>, KernelError> {
    let mut links = read_links(socket)?;
    traffic::read_filters(socket, &mut links)?;
    Ok(links)
}

pub fn read_addresses(socket: &mut Socket) -> Result<Vec<Address>, KernelError> {
    list(socket, RTM_GETADDR, &[0; 8], |message| {
        decode_address(message.payload).map(Some)
    })
}

/// The policy rules of one family, in the order in which the kernel walks them.
pub fn read_rules(socket: &mut Socket, family: FibFamily) -> Result<Vec<PolicyRule>, KernelError> {
    let mut header = [0; 12];
    header[0] = family.to_wire();
    let rules = list(socket, RTM_GETRULE, &header, |message| {
        decode_rule(message.payload).map(Some)
    });
    absent_is_empty(rules)
}

/// Neighbours and proxies of both families, then the forwarding entries of bridges.
pub fn read_neighbours(socket: &mut Socket) -> Result<Vec<Neighbour>, KernelError> {
    let mut all = Vec::new();
    for (family, flags) in [(AF_UNSPEC, 0), (AF_UNSPEC, NTF_PROXY), (AF_BRIDGE, 0)] {
        let mut header = [0; 12];
        header[0] = family;
        header[10] = flags;
        let part = list(socket, RTM_GETNEIGH, &header, |message| {
            decode_neighbour(message.payload).map(Some)
        });
        all.extend(absent_is_empty(part)?);
    }
    Ok(all)
}

/// Next hop objects, ascending by id.
pub fn read_nexthops(socket: &mut Socket) -> Result<Vec<Nexthop>, KernelError> {
    let nexthops = list(socket, RTM_GETNEXTHOP, &[0; 8], |message| {
        decode_nexthop(message.payload).map(Some)
    });
    let mut nexthops = absent_is_empty(nexthops)?;
    nexthops.sort_by_key(|nexthop| nexthop.id);
    Ok(nexthops)
}

/// A kernel built without a family or a kind of object says so with one of these errors.
fn absent_is_empty<T>(result: Result<Vec<T>, KernelError>) -> Result<Vec<T>, KernelError> {
    match result {
        Err(error)
            if matches!(
                error.errno(),
                Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPFNOSUPPORT)
            ) =>
        {
            Ok(Vec::new())
        }
        other => other,
    }
}
