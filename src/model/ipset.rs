//! Sets of ipset (`linux/netfilter/ipset/ip_set.h`) with their elements, and changes of them, as plain data.

use super::text::Name;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `IPSET_FLAG_*` of elements.
pub mod ipset_flags {
    /// Member of a `list:set`: before the one that is named, not after it.
    pub const BEFORE: u32 = 1;
    /// The interface is a port of a bridge.
    pub const PHYSDEV: u32 = 2;
    /// An exception from a wider element.
    pub const NOMATCH: u32 = 4;
    /// The interface's name is a prefix.
    pub const IFACE_WILDCARD: u32 = 0x80;
}

/// `IPSET_FLAG_WITH_*` of sets.
pub mod ipset_with {
    pub const COUNTERS: u32 = 8;
    pub const COMMENT: u32 = 0x10;
    pub const FORCEADD: u32 = 0x20;
    pub const SKBINFO: u32 = 0x40;
}

/// `AF_INET`
pub const IPV4: u8 = 2;
/// `AF_INET6`
pub const IPV6: u8 = 10;

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
    /// What else it was made with.
    #[serde(default)]
    pub options: IpSetOptions,
}

/// What a set is made with, beside what its elements are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpSetOptions {
    /// See [`ipset_with`].
    pub with: u32,
    /// What elements without a time of their own live for. seconds
    pub timeout: Option<u32>,
    /// First and last address of a bitmap; the last may be given by the length of a prefix.
    pub range: Option<(IpAddr, IpAddr)>,
    pub ports: Option<(u16, u16)>,
    pub hash_size: Option<u32>,
    pub max_elements: Option<u32>,
    pub bucket_size: Option<u8>,
    /// Start of the hash function; the kernel makes one up.
    pub start: Option<u32>,
    /// A mask that is no prefix.
    pub bitmask: Option<IpAddr>,
    /// Room of a `list:set`.
    pub size: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IpSetElement {
    pub ip: Option<IpAddr>,
    /// End of a range.
    pub ip_to: Option<IpAddr>,
    /// bits
    pub cidr: Option<u8>,
    pub ip2: Option<IpAddr>,
    #[serde(default)]
    pub ip2_to: Option<IpAddr>,
    pub cidr2: Option<u8>,
    pub port: Option<u16>,
    pub port_to: Option<u16>,
    pub proto: Option<u8>,
    pub mark: Option<u32>,
    pub ether: Option<[u8; 6]>,
    pub iface: Option<Name>,
    /// Member of a `list:set`.
    pub set: Option<Name>,
    /// The member that it stands before or after.
    #[serde(default)]
    pub beside: Option<Name>,
    /// See [`ipset_flags`].
    pub flags: u32,
    /// seconds
    pub timeout: Option<u32>,
    #[serde(default)]
    pub packets: Option<u64>,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(default)]
    pub comment: Option<String>,
    /// Value and mask.
    #[serde(default)]
    pub skb_mark: Option<(u32, u32)>,
    /// Major and minor number of a class.
    #[serde(default)]
    pub skb_priority: Option<(u16, u16)>,
    #[serde(default)]
    pub skb_queue: Option<u16>,
}

impl IpSetElement {
    /// What makes it another element: not what it counted, says or how long it lives.
    pub fn key(&self) -> IpSetElement {
        IpSetElement {
            timeout: None,
            packets: None,
            bytes: None,
            comment: None,
            skb_mark: None,
            skb_priority: None,
            skb_queue: None,
            beside: None,
            flags: self.flags & (ipset_flags::PHYSDEV | ipset_flags::IFACE_WILDCARD),
            ..self.clone()
        }
    }
}

/// One change, as one message to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpSetChange {
    pub what: IpSetWhat,
    /// It is no error if it is so already.
    pub exist: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IpSetWhat {
    /// Its elements do not count.
    Create(Box<IpSet>),
    Add(String, Box<IpSetElement>),
    Delete(String, Box<IpSetElement>),
    /// One set, or all.
    Flush(Option<String>),
    Destroy(Option<String>),
    Rename(String, String),
    Swap(String, String),
}
