//! Sets of ipset (`linux/netfilter/ipset/ip_set.h`) with their elements, as plain data.

use super::text::Name;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `IPSET_FLAG_*` of elements.
pub mod ipset_flags {
    /// The interface is a port of a bridge.
    pub const PHYSDEV: u32 = 2;
    /// An exception from a wider element.
    pub const NOMATCH: u32 = 4;
    /// The interface's name is a prefix.
    pub const IFACE_WILDCARD: u32 = 0x80;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpSet {
    /// The number that rules know it by (`ip_set_id_t`).
    pub index: u16,
    pub name: String,
    /// `hash:ip`, `list:set`, ...
    pub kind: String,
    /// `AF_INET`, `AF_INET6`, 0 for either
    pub family: u8,
    /// Length in bits that addresses are cut to before they are looked for.
    pub netmask: Option<u8>,
    pub markmask: Option<u32>,
    pub elements: Vec<IpSetElement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpSetElement {
    pub ip: Option<IpAddr>,
    /// End of a range.
    pub ip_to: Option<IpAddr>,
    /// bits
    pub cidr: Option<u8>,
    pub ip2: Option<IpAddr>,
    pub cidr2: Option<u8>,
    pub port: Option<u16>,
    pub port_to: Option<u16>,
    pub proto: Option<u8>,
    pub mark: Option<u32>,
    pub ether: Option<[u8; 6]>,
    pub iface: Option<Name>,
    /// Member of a `list:set`.
    pub set: Option<Name>,
    /// See [`ipset_flags`].
    pub flags: u32,
    /// seconds
    pub timeout: Option<u32>,
}
