//! `RTM_GETROUTE` for one destination: the kernel's own answer to "which way would this packet go?"

use super::RTM_GETROUTE;
use super::route::{HEADER, decode_route};
use crate::kernel::netlink::{AttrWriter, KernelError, Socket};
use crate::model::network::{FibFamily, OwnedRoute};
use std::net::IpAddr;

const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// What to ask. Without `iif` the packet is one of this machine; with it, it arrives there and `from` is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteLookup {
    pub destination: IpAddr,
    pub from: Option<IpAddr>,
    /// Device indexes.
    pub iif: Option<u32>,
    pub oif: Option<u32>,
    pub mark: Option<u32>,
    pub tos: u8,
    /// The caller's own when absent.
    pub uid: Option<u32>,
    pub ipproto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    /// Answer with the route of the table itself, all next hops included.
    pub fib_match: bool,
}

impl RouteLookup {
    pub fn new(destination: IpAddr) -> RouteLookup {
        RouteLookup {
            destination,
            from: None,
            iif: None,
            oif: None,
            mark: None,
            tos: 0,
            uid: None,
            ipproto: None,
            sport: None,
            dport: None,
            fib_match: false,
        }
    }
}

/// The payload of the question.
pub fn encode_lookup(lookup: &RouteLookup) -> Vec<u8> {
    let family = FibFamily::of(lookup.destination);
    let mut flags = 0;
    // Only IPv4 has it: without, the answer names the main table whatever table it is from.
    if family == FibFamily::Ip4 {
        flags |= RTM_F_LOOKUP_TABLE;
    }
    if lookup.fib_match {
        flags |= RTM_F_FIB_MATCH;
    }
    let from_length = lookup.from.map_or(0, |_| family.bits());
    let mut header = [0u8; HEADER];
    header[..4].copy_from_slice(&[family.to_wire(), family.bits(), from_length, lookup.tos]);
    header[8..].copy_from_slice(&flags.to_ne_bytes());

    let mut attributes = AttrWriter::new();
    put_ip(&mut attributes, 1, Some(lookup.destination));
    put_ip(&mut attributes, 2, lookup.from);
    for (kind, value) in [
        (3, lookup.iif),
        (4, lookup.oif),
        (16, lookup.mark.filter(|&mark| mark != 0)),
        (25, lookup.uid),
    ] {
        if let Some(value) = value {
            attributes.ne32(kind, value);
        }
    }
    if let Some(protocol) = lookup.ipproto {
        attributes.u8(27, protocol);
    }
    for (kind, port) in [(28, lookup.sport), (29, lookup.dport)] {
        if let Some(port) = port {
            attributes.be16(kind, port);
        }
    }
    let mut payload = header.to_vec();
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

fn put_ip(attributes: &mut AttrWriter, kind: u16, address: Option<IpAddr>) {
    match address {
        Some(IpAddr::V4(address)) => attributes.put(kind, &address.octets()),
        Some(IpAddr::V6(address)) => attributes.put(kind, &address.octets()),
        None => attributes,
    };
}

/// Ask the kernel. A route that refuses packets is an error: `EINVAL` blackhole, `EHOSTUNREACH` unreachable,
/// `EACCES` prohibit, `ENETUNREACH` none (and refusing rules).
pub fn route_get(socket: &mut Socket, lookup: &RouteLookup) -> Result<OwnedRoute, KernelError> {
    let payload = encode_lookup(lookup);
    let mut answer = None;
    socket.request(RTM_GETROUTE, 0, &[&payload], |message| {
        answer = Some(decode_route(message.payload)?);
        Ok(())
    })?;
    answer.ok_or(KernelError::Decode(
        crate::kernel::netlink::DecodeError::ShortMessage(0),
    ))
}
