//! Making and changing ipsets: one message each, there are no transactions.

use super::attributes::*;
use crate::kernel::netlink::message::Nfgen;
use crate::kernel::netlink::{AttrWriter, Fields, KernelError, Protocol, Socket};
use crate::model::ipset::{IPV4, IpSet, IpSetChange, IpSetElement, IpSetWhat};
use std::collections::HashMap;
use std::net::IpAddr;

const NLA_F_NET_BYTEORDER: u16 = 1 << 14;
const NLM_F_EXCL: u16 = 0x200;

/// Sends changes, one after the other.
pub struct Changer {
    socket: Socket,
    /// The newest revision of a type that the kernel has, by type and family.
    revisions: HashMap<(String, u8), u8>,
}

impl Changer {
    pub fn open() -> Result<Changer, KernelError> {
        Ok(Changer {
            socket: Socket::open(Protocol::Netfilter)?,
            revisions: HashMap::new(),
        })
    }

    pub fn make(&mut self, change: &IpSetChange) -> Result<(), KernelError> {
        let mut message = AttrWriter::new();
        message.u8(ATTR_PROTOCOL, PROTOCOL);
        let out = &mut message;
        let command = match &change.what {
            IpSetWhat::Create(set) => {
                let revision = self.revision(&set.kind, set.family)?;
                out.text(ATTR_SETNAME, &set.name)
                    .text(ATTR_TYPENAME, &set.kind)
                    .u8(ATTR_REVISION, revision)
                    .u8(ATTR_FAMILY, set.family)
                    .nest(ATTR_DATA, |out| put_options(set, out));
                CREATE
            }
            IpSetWhat::Add(set, element) => {
                out.text(ATTR_SETNAME, set)
                    .nest(ATTR_DATA, |out| put_element(element, out));
                ADD
            }
            IpSetWhat::Delete(set, element) => {
                out.text(ATTR_SETNAME, set)
                    .nest(ATTR_DATA, |out| put_element(element, out));
                DEL
            }
            IpSetWhat::Flush(set) => {
                if let Some(set) = set {
                    out.text(ATTR_SETNAME, set);
                }
                FLUSH
            }
            IpSetWhat::Destroy(set) => {
                if let Some(set) = set {
                    out.text(ATTR_SETNAME, set);
                }
                DESTROY
            }
            IpSetWhat::Rename(from, to) => {
                out.text(ATTR_SETNAME, from).text(ATTR_SETNAME2, to);
                RENAME
            }
            IpSetWhat::Swap(a, b) => {
                out.text(ATTR_SETNAME, a).text(ATTR_SETNAME2, b);
                SWAP
            }
        };
        let flags = if change.exist { 0 } else { NLM_F_EXCL };
        let payload: [&[u8]; 2] = [&Nfgen::bytes(IPV4, 0), message.as_bytes()];
        self.socket.request(command, flags, &payload, |_| Ok(()))
    }

    fn revision(&mut self, kind: &str, family: u8) -> Result<u8, KernelError> {
        let key = (kind.to_owned(), family);
        if let Some(known) = self.revisions.get(&key) {
            return Ok(*known);
        }
        let mut ask = AttrWriter::new();
        ask.u8(ATTR_PROTOCOL, PROTOCOL)
            .text(ATTR_TYPENAME, kind)
            .u8(ATTR_FAMILY, family);
        let mut revision = 0;
        let payload: [&[u8]; 2] = [&Nfgen::bytes(IPV4, 0), ask.as_bytes()];
        self.socket.request(TYPE, 0, &payload, |message| {
            let (_, attributes) = Nfgen::split(message.payload)?;
            let fields = Fields::<{ ATTR_INDEX as usize + 1 }>::parse(attributes)?;
            revision = fields.u8(ATTR_REVISION)?.unwrap_or(0);
            Ok(())
        })?;
        self.revisions.insert(key, revision);
        Ok(revision)
    }
}

/// Numbers in network byte order, which the kernel wants marked as such.
fn put16(out: &mut AttrWriter, kind: u16, value: Option<u16>) {
    if let Some(value) = value {
        out.be16(kind | NLA_F_NET_BYTEORDER, value);
    }
}

fn put32(out: &mut AttrWriter, kind: u16, value: Option<u32>) {
    if let Some(value) = value {
        out.be32(kind | NLA_F_NET_BYTEORDER, value);
    }
}

fn put64(out: &mut AttrWriter, kind: u16, value: Option<u64>) {
    if let Some(value) = value {
        out.be64(kind | NLA_F_NET_BYTEORDER, value);
    }
}

fn put8(out: &mut AttrWriter, kind: u16, value: Option<u8>) {
    if let Some(value) = value {
        out.u8(kind, value);
    }
}

fn put_address(out: &mut AttrWriter, kind: u16, address: Option<IpAddr>) {
    /// `IPSET_ATTR_IPADDR_IPV4`, `IPSET_ATTR_IPADDR_IPV6`
    const FAMILIES: [u16; 2] = [1 | NLA_F_NET_BYTEORDER, 2 | NLA_F_NET_BYTEORDER];
    match address {
        Some(IpAddr::V4(address)) => {
            out.nest(kind, |out| {
                out.put(FAMILIES[0], &address.octets());
            });
        }
        Some(IpAddr::V6(address)) => {
            out.nest(kind, |out| {
                out.put(FAMILIES[1], &address.octets());
            });
        }
        None => {}
    }
}

fn put_options(set: &IpSet, out: &mut AttrWriter) {
    let made = &set.options;
    let (from, to) = made.range.unzip();
    put_address(out, ATTR_IP, from);
    put_address(out, ATTR_IP_TO, to);
    let (from, to) = made.ports.unzip();
    put16(out, ATTR_PORT, from);
    put16(out, ATTR_PORT_TO, to);
    put8(out, ATTR_NETMASK, set.netmask);
    put_address(out, ATTR_BITMASK, made.bitmask);
    put32(out, ATTR_MARKMASK, set.markmask);
    put32(out, ATTR_HASHSIZE, made.hash_size);
    put32(out, ATTR_MAXELEM, made.max_elements);
    put8(out, ATTR_BUCKETSIZE, made.bucket_size);
    put32(out, ATTR_INITVAL, made.start);
    put32(out, ATTR_SIZE, made.size);
    put32(out, ATTR_TIMEOUT, made.timeout);
    put32(out, ATTR_CADT_FLAGS, (made.with != 0).then_some(made.with));
}

fn put_element(element: &IpSetElement, out: &mut AttrWriter) {
    put_address(out, ATTR_IP, element.ip);
    put_address(out, ATTR_IP_TO, element.ip_to);
    put8(out, ATTR_CIDR, element.cidr);
    put_address(out, ATTR_IP2, element.ip2);
    put_address(out, ATTR_IP2_TO, element.ip2_to);
    put8(out, ATTR_CIDR2, element.cidr2);
    put8(out, ATTR_PROTO, element.proto);
    put16(out, ATTR_PORT, element.port);
    put16(out, ATTR_PORT_TO, element.port_to);
    put32(out, ATTR_MARK, element.mark);
    if let Some(address) = &element.ether {
        out.put(ATTR_ETHER, address);
    }
    for (kind, name) in [
        (ATTR_IFACE, &element.iface),
        (ATTR_NAME, &element.set),
        (ATTR_NAMEREF, &element.beside),
    ] {
        if let Some(name) = name {
            out.text(kind, name);
        }
    }
    put32(
        out,
        ATTR_CADT_FLAGS,
        (element.flags != 0).then_some(element.flags),
    );
    put32(out, ATTR_TIMEOUT, element.timeout);
    put64(out, ATTR_PACKETS, element.packets);
    put64(out, ATTR_BYTES, element.bytes);
    if let Some(comment) = &element.comment {
        out.text(ATTR_COMMENT, comment);
    }
    let mark = element
        .skb_mark
        .map(|(value, mask)| u64::from(value) << 32 | u64::from(mask));
    put64(out, ATTR_SKBMARK, mark);
    let class = element
        .skb_priority
        .map(|(major, minor)| u32::from(major) << 16 | u32::from(minor));
    put32(out, ATTR_SKBPRIO, class);
    put16(out, ATTR_SKBQUEUE, element.skb_queue);
}

/// What a refusal means; ipset has error numbers of its own, some of which depend on the type of the set.
pub fn explain(error: &KernelError, kind: &str) -> String {
    let Some(errno) = error.errno() else {
        return error.to_string();
    };
    let group = kind.split(':').next().unwrap_or_default();
    let text = match (errno, group) {
        (libc::ENOENT, _) => "there is no such set",
        (libc::EPERM | libc::EACCES, _) => "this needs CAP_NET_ADMIN",
        (libc::EEXIST, _) => "there is a set of this name",
        (4097, _) => "the kernel does not understand the message",
        (4098, _) => "the kernel does not have this type of set; its module may be missing",
        (4099, _) => "there are too many sets",
        (4100, _) => "the set is in use: rules or other sets name it",
        (4101, _) => "there is a set of the new name",
        (4102, _) => "the two sets are of different types",
        (4103, _) => "it is there already, or to be deleted and not there",
        (4104, _) => "the prefix has a wrong length",
        (4105, _) => "the netmask has a wrong length",
        (4106, _) => "addresses of this family do not fit the set",
        (4107, _) => "the set was made without timeouts",
        (4108, _) => "the set is in use: rules or other sets name it",
        (4109, _) => "an IPv4 address is missing",
        (4110, _) => "an IPv6 address is missing",
        (4111, _) => "the set was made without counters",
        (4112, _) => "the set was made without comments",
        (4113, _) => "the mark's mask is wrong",
        (4114, _) => "the set was made without skbinfo",
        (4115, _) => "netmask and bitmask exclude each other",
        (4352, "bitmap") => "it lies outside of the set's range",
        (4353, "bitmap") => "the range is larger than a bitmap can be",
        (4352, "hash") => "the set is full",
        (4353, "hash") => "this element cannot be in the set",
        (4354, "hash") => "the protocol has no ports",
        (4355, "hash") => "the protocol is missing",
        (4356, "hash") => "sets of this type take no ranges here",
        (4357, "hash") => "the range is wrong",
        (4352, "list") => "there is no set of this name to be a member",
        (4353, "list") => "a list cannot be a member of a list",
        (4354, "list") => "the set that it shall stand before or after is not a member",
        (4355, "list") => "there is no set of the name that it shall stand beside",
        (4356, "list") => "the list is full",
        (4357, "list") => "the set it shall stand beside is not a member",
        _ => return error.to_string(),
    };
    text.to_owned()
}
