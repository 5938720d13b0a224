//! ipset: sets over netlink (`linux/netfilter/ipset/ip_set.h`). May use `model` and `kernel::netlink`.

use super::netlink::message::Nfgen;
use super::netlink::{AttrWriter, Fields, KernelError, Protocol, Socket};
use std::collections::BTreeMap;
use std::path::Path;

const NFNL_SUBSYS_IPSET: u16 = 6;
const LIST: u16 = (NFNL_SUBSYS_IPSET << 8) | 7;
const GET_BYNAME: u16 = (NFNL_SUBSYS_IPSET << 8) | 14;
/// `IPSET_PROTOCOL`
const PROTOCOL: u8 = 7;
const ATTR_PROTOCOL: u16 = 1;
const ATTR_SETNAME: u16 = 2;
const ATTR_FLAGS: u16 = 6;
const ATTR_INDEX: u16 = 11;
/// `IPSET_FLAG_LIST_SETNAME`: names only
const LIST_SETNAME: u32 = 2;
const IPV4: u8 = 2;

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
    let header = Nfgen::bytes(IPV4, 0);
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
