//! ipset: sets over netlink (`linux/netfilter/ipset/ip_set.h`). `list` reads them, `change` makes and changes them.
//! May use `model` and `kernel::netlink`.

mod change;
pub mod copy;
mod list;

pub use change::{Changer, explain};
pub use list::{add_message, read_ipsets};

use self::attributes::*;
use super::netlink::message::Nfgen;
use super::netlink::{AttrWriter, Fields, KernelError, Protocol, Socket};
use std::collections::BTreeMap;
use std::path::Path;

/// Numbers of commands and attributes.
mod attributes {
    const NFNL_SUBSYS_IPSET: u16 = 6;
    const fn command(number: u16) -> u16 {
        (NFNL_SUBSYS_IPSET << 8) | number
    }
    pub const CREATE: u16 = command(2);
    pub const DESTROY: u16 = command(3);
    pub const FLUSH: u16 = command(4);
    pub const RENAME: u16 = command(5);
    pub const SWAP: u16 = command(6);
    pub const LIST: u16 = command(7);
    pub const ADD: u16 = command(9);
    pub const DEL: u16 = command(10);
    pub const TYPE: u16 = command(13);
    pub const GET_BYNAME: u16 = command(14);
    /// `IPSET_PROTOCOL`
    pub const PROTOCOL: u8 = 7;
    /// `IPSET_FLAG_LIST_SETNAME`: names only
    pub const LIST_SETNAME: u32 = 2;

    pub const ATTR_PROTOCOL: u16 = 1;
    pub const ATTR_SETNAME: u16 = 2;
    pub const ATTR_TYPENAME: u16 = 3;
    /// The second name of `RENAME` and `SWAP`.
    pub const ATTR_SETNAME2: u16 = 3;
    pub const ATTR_REVISION: u16 = 4;
    pub const ATTR_FAMILY: u16 = 5;
    pub const ATTR_FLAGS: u16 = 6;
    pub const ATTR_DATA: u16 = 7;
    pub const ATTR_ADT: u16 = 8;
    pub const ATTR_INDEX: u16 = 11;

    // Inside `ATTR_DATA`: of sets and elements.
    pub const ATTR_IP: u16 = 1;
    pub const ATTR_IP_TO: u16 = 2;
    pub const ATTR_CIDR: u16 = 3;
    pub const ATTR_PORT: u16 = 4;
    pub const ATTR_PORT_TO: u16 = 5;
    pub const ATTR_TIMEOUT: u16 = 6;
    pub const ATTR_PROTO: u16 = 7;
    pub const ATTR_CADT_FLAGS: u16 = 8;
    pub const ATTR_MARK: u16 = 10;
    pub const ATTR_MARKMASK: u16 = 11;
    pub const ATTR_BITMASK: u16 = 12;

    // Of sets.
    pub const ATTR_INITVAL: u16 = 17;
    pub const ATTR_HASHSIZE: u16 = 18;
    pub const ATTR_MAXELEM: u16 = 19;
    pub const ATTR_NETMASK: u16 = 20;
    pub const ATTR_BUCKETSIZE: u16 = 21;
    pub const ATTR_SIZE: u16 = 23;

    // Of elements.
    pub const ATTR_ETHER: u16 = 17;
    pub const ATTR_NAME: u16 = 18;
    pub const ATTR_NAMEREF: u16 = 19;
    pub const ATTR_IP2: u16 = 20;
    pub const ATTR_CIDR2: u16 = 21;
    pub const ATTR_IP2_TO: u16 = 22;
    pub const ATTR_IFACE: u16 = 23;
    pub const ATTR_BYTES: u16 = 24;
    pub const ATTR_PACKETS: u16 = 25;
    pub const ATTR_COMMENT: u16 = 26;
    pub const ATTR_SKBMARK: u16 = 27;
    pub const ATTR_SKBPRIO: u16 = 28;
    pub const ATTR_SKBQUEUE: u16 = 29;
}

/// The names of all sets by number; empty where there are none, or no ipset, or no rights.
pub fn names() -> BTreeMap<u16, String> {
    // A request would load the module where nobody has sets.
    if !Path::new("/sys/module/ip_set").exists() {
        return BTreeMap::new();
    }
    read_names().unwrap_or_default()
}

fn read_names() -> Result<BTreeMap<u16, String>, KernelError> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let header = Nfgen::bytes(crate::model::ipset::IPV4, 0);
    let mut names = Vec::new();
    let mut list = AttrWriter::new();
    list.u8(ATTR_PROTOCOL, PROTOCOL)
        .be32(ATTR_FLAGS, LIST_SETNAME);
    socket.dump(LIST, &[&header, list.as_bytes()], |message| {
        let (_, attributes) = Nfgen::split(message.payload)?;
        let fields = Fields::<{ ATTR_INDEX as usize + 1 }>::parse(attributes)?;
        names.extend(fields.name(ATTR_SETNAME));
        Ok(())
    })?;
    let mut sets = BTreeMap::new();
    for name in names {
        let mut ask = AttrWriter::new();
        ask.u8(ATTR_PROTOCOL, PROTOCOL).text(ATTR_SETNAME, &name);
        socket.request(GET_BYNAME, 0, &[&header, ask.as_bytes()], |message| {
            let (_, attributes) = Nfgen::split(message.payload)?;
            let fields = Fields::<{ ATTR_INDEX as usize + 1 }>::parse(attributes)?;
            if let Some(index) = fields.be16(ATTR_INDEX)? {
                sets.insert(index, name.to_string());
            }
            Ok(())
        })?;
    }
    Ok(sets)
}
