//! rtnetlink's notifications: `RTNLGRP_*` in `linux/rtnetlink.h`, decoded to [`NetworkChange`]s.

use super::route::RouteMessage;
use super::{
    AF_BRIDGE, RTM_DELADDR, RTM_DELLINK, RTM_DELNEIGH, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_DELRULE,
    RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWNEXTHOP, RTM_NEWROUTE, RTM_NEWRULE,
    decode_address, decode_link, decode_neighbour, decode_nexthop, decode_route, decode_rule,
};
use crate::kernel::netlink::message::{NLM_F_APPEND, NLM_F_REPLACE, NLMSG_OVERRUN};
use crate::kernel::netlink::{DecodeError, KernelError, Message, Messages};
use crate::model::network::NetworkChange;
use netlink_sys::SocketAddr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// `RTNLGRP_LINK`, `_NEIGH`, `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV4_RULE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`,
/// `_IPV6_RULE`, `_NEXTHOP`.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 32];

/// A receive buffer that holds bursts (a flapping BGP session) until they are read. bytes
const BUFFER: usize = 16 << 20;

/// One notification.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteEvent {
    Change(NetworkChange),
    /// A notification that says nothing about what a picture holds.
    Ignored,
}

/// Decode one notification.
pub fn decode_event(message: &Message<'_>) -> Result<RouteEvent, DecodeError> {
    let payload = message.payload;
    let change = match message.kind {
        RTM_NEWLINK | RTM_DELLINK if payload.first() == Some(&AF_BRIDGE) => {
            // What a bridge tells about its ports comes in the same group; the port itself is told about too.
            return Ok(RouteEvent::Ignored);
        }
        // Wireless extensions and other partial messages carry no name.
        RTM_NEWLINK => match decode_link(payload)? {
            link if link.name.is_empty() => return Ok(RouteEvent::Ignored),
            link => NetworkChange::Link(Box::new(link)),
        },
        RTM_DELLINK => NetworkChange::LinkGone(decode_link(payload)?.index),
        RTM_NEWADDR => NetworkChange::Address(decode_address(payload)?),
        RTM_DELADDR => NetworkChange::AddressGone(decode_address(payload)?),
        RTM_NEWROUTE | RTM_DELROUTE => return route(message),
        RTM_NEWRULE => NetworkChange::Rule(Box::new(decode_rule(payload)?)),
        RTM_DELRULE => NetworkChange::RuleGone(Box::new(decode_rule(payload)?)),
        RTM_NEWNEIGH => NetworkChange::Neighbour(decode_neighbour(payload)?),
        RTM_DELNEIGH => NetworkChange::NeighbourGone(decode_neighbour(payload)?),
        RTM_NEWNEXTHOP => NetworkChange::Nexthop(Box::new(decode_nexthop(payload)?)),
        RTM_DELNEXTHOP => NetworkChange::NexthopGone(decode_nexthop(payload)?.id),
        _ => return Ok(RouteEvent::Ignored),
    };
    Ok(RouteEvent::Change(change))
}

fn route(message: &Message<'_>) -> Result<RouteEvent, DecodeError> {
    let split = RouteMessage::split(message.payload)?;
    if split.is_cloned() {
        return Ok(RouteEvent::Ignored);
    }
    let new = message.kind == RTM_NEWROUTE;
    Ok(RouteEvent::Change(if split.fib_family().is_none() {
        match new {
            true => NetworkChange::RawRoute(split.raw()?),
            false => NetworkChange::RawRouteGone(split.raw()?),
        }
    } else if new {
        NetworkChange::Route {
            route: decode_route(message.payload)?,
            replace: message.flags & NLM_F_REPLACE != 0,
            append: message.flags & NLM_F_APPEND != 0,
        }
    } else {
        NetworkChange::RouteGone(decode_route(message.payload)?)
    }))
}

/// A non-blocking socket that hears about every change of links, addresses, routes, rules, neighbours and next
/// hops. Its descriptor becomes readable when there is something to [`Events::read`], so that it can be
/// watched with `tokio::io::unix::AsyncFd` or poll(2). Open it before the first dump: then nothing is missed.
pub struct Events {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

impl Events {
    pub fn open() -> Result<Events, KernelError> {
        let mut socket = netlink_sys::Socket::new(0)?;
        // More than the system's limit needs CAP_NET_ADMIN; without it the usual size has to do.
        let size = BUFFER;
        if nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &size)
            .is_err()
        {
            let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBuf, &size);
        }
        socket.bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            match socket.add_membership(group) {
                // An older kernel does not know the last groups.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                result => result?,
            }
        }
        socket.set_non_blocking(true)?;
        Ok(Events {
            socket,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// All changes that are waiting; empty when there are none. [`KernelError::Overrun`] means that
    /// notifications were lost: read everything again, then go on. After any other error too, because changes
    /// that came before it are not handed out.
    pub fn read(&mut self) -> Result<Vec<NetworkChange>, KernelError> {
        let mut changes = Vec::new();
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Err(KernelError::Overrun);
                }
                Err(error) => return Err(error.into()),
            }
            for message in Messages::new(&self.buffer) {
                let message = message?;
                if message.kind == NLMSG_OVERRUN {
                    return Err(KernelError::Overrun);
                }
                if let RouteEvent::Change(change) = decode_event(&message)? {
                    changes.push(change);
                }
            }
            // A picture every now and then is worth more than one at the end of an endless burst.
            if changes.len() >= 10_000 {
                return Ok(changes);
            }
        }
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
