//! What nf_tables tells about changes: multicast group `NFNLGRP_NFTABLES`.
//!
//! All notifications of a transaction come before its `NEWGEN`, which names the process that made it.

use super::abi;
use super::decode::{self, Generation};
use crate::kernel::netlink::message::{NLM_F_APPEND, NLMSG_ERROR, NLMSG_OVERRUN};
use crate::kernel::netlink::{DecodeError, Fields, KernelError, Message, Messages};
use crate::model::text::name_from_bytes;
use crate::model::{Family, Name};
use netlink_sys::SocketAddr;
use rustables::sys::*;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// `NFNLGRP_NFTABLES` of `linux/netfilter/nfnetlink.h`.
const GROUP: u32 = 7;
/// Room for the notifications of a reload of tens of thousands of rules. bytes
const BUFFER: usize = 64 << 20;

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A rule came; `attributes` are those of the message.
    RuleNew {
        family: Family,
        table: Name,
        chain: Name,
        handle: u64,
        place: RulePlace,
        attributes: Vec<u8>,
    },
    RuleGone {
        family: Family,
        table: Name,
        chain: Name,
        handle: u64,
    },
    /// Elements of a set came or went.
    Elements {
        family: Family,
        table: Name,
        set: Name,
    },
    /// A table, chain, set, object or flowtable came, went or changed.
    Structure {
        what: What,
        family: Family,
        table: Name,
        name: Name,
        gone: bool,
    },
    /// The transaction is complete.
    Generation(Generation),
}

/// Where a new rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulePlace {
    First,
    Last,
    After(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Table,
    Chain,
    Set,
    Object,
    Flowtable,
}

/// Decode one notification; none for those that say nothing about the ruleset.
pub fn decode(message: &Message<'_>) -> Result<Option<Event>, DecodeError> {
    if message.kind >> 8 != abi::SUBSYSTEM {
        return Ok(None);
    }
    let (family, attributes) = decode::split(message.payload)?;
    let structure = |what, table: u16, name: u16, gone| -> Result<Option<Event>, DecodeError> {
        let f = Fields::<16>::parse(attributes)?;
        let name = f.need(name)?.payload;
        let table = f.get(table).map_or(name, |attr| attr.payload);
        Ok(Some(Event::Structure {
            what,
            family,
            table: name_from_bytes(table),
            name: name_from_bytes(name),
            gone,
        }))
    };
    match message.kind & 0xff {
        kind @ (abi::NEWRULE | abi::DELRULE) => {
            let place = decode::rule_place(attributes)?;
            let (table, chain) = (name_from_bytes(place.table), name_from_bytes(place.chain));
            if kind == abi::DELRULE {
                return Ok(Some(Event::RuleGone {
                    family,
                    table,
                    chain,
                    handle: place.handle,
                }));
            }
            let f = Fields::<12>::parse(attributes)?;
            // The kernel names the rule before it unless the new one is the first or the last of its chain.
            let position = match f.be64(NFTA_RULE_POSITION)? {
                Some(handle) => RulePlace::After(handle),
                None if message.flags & NLM_F_APPEND != 0 => RulePlace::Last,
                None => RulePlace::First,
            };
            Ok(Some(Event::RuleNew {
                family,
                table,
                chain,
                handle: place.handle,
                place: position,
                attributes: attributes.to_vec(),
            }))
        }
        abi::NEWSETELEM | abi::DELSETELEM => {
            let (table, set) = decode::set_elements_place(attributes)?;
            Ok(Some(Event::Elements { family, table, set }))
        }
        kind @ (abi::NEWTABLE | abi::DELTABLE) => structure(
            What::Table,
            NFTA_TABLE_NAME,
            NFTA_TABLE_NAME,
            kind == abi::DELTABLE,
        ),
        kind @ (abi::NEWCHAIN | abi::DELCHAIN) => structure(
            What::Chain,
            NFTA_CHAIN_TABLE,
            NFTA_CHAIN_NAME,
            kind == abi::DELCHAIN,
        ),
        kind @ (abi::NEWSET | abi::DELSET) => structure(
            What::Set,
            NFTA_SET_TABLE,
            NFTA_SET_NAME,
            kind == abi::DELSET,
        ),
        kind @ (abi::NEWOBJ | abi::DELOBJ) => structure(
            What::Object,
            NFTA_OBJ_TABLE,
            NFTA_OBJ_NAME,
            kind == abi::DELOBJ,
        ),
        kind @ (abi::NEWFLOWTABLE | abi::DELFLOWTABLE) => structure(
            What::Flowtable,
            NFTA_FLOWTABLE_TABLE,
            NFTA_FLOWTABLE_NAME,
            kind == abi::DELFLOWTABLE,
        ),
        abi::NEWGEN => Ok(Some(Event::Generation(decode::generation(attributes)?))),
        _ => Ok(None),
    }
}

/// A non-blocking socket that hears about every change. Open it before the first dump: then nothing is missed.
pub struct Events {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

impl Events {
    pub fn open() -> Result<Events, KernelError> {
        let mut socket =
            netlink_sys::Socket::new(crate::kernel::netlink::Protocol::Netfilter.number())?;
        let size = BUFFER;
        use nix::sys::socket::{setsockopt, sockopt};
        if setsockopt(&socket, sockopt::RcvBufForce, &size).is_err() {
            // Beyond the system's limit needs CAP_NET_ADMIN; without it the usual size has to do.
            let _ = setsockopt(&socket, sockopt::RcvBuf, &size);
        }
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(GROUP)?;
        socket.set_non_blocking(true)?;
        Ok(Events {
            socket,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// What is waiting; empty when nothing is. [`KernelError::Overrun`] means that notifications were lost:
    /// read everything again, then go on.
    pub fn read(&mut self) -> Result<Vec<Event>, KernelError> {
        let mut events = Vec::new();
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(events),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Err(KernelError::Overrun);
                }
                Err(error) => return Err(error.into()),
            }
            for message in Messages::new(&self.buffer) {
                let message = message?;
                match message.kind {
                    NLMSG_OVERRUN => return Err(KernelError::Overrun),
                    NLMSG_ERROR => {}
                    _ => events.extend(decode(&message)?),
                }
            }
            // Hand on what there is: a burst without end must not keep the picture from being made.
            if events.len() >= 20_000 {
                return Ok(events);
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
