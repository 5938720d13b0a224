//! Making sets of ipset (`linux/netfilter/ipset/ip_set.h`) as they were read, in a namespace that has none.
//! May use `model` and `kernel::netlink`.

use super::netlink::attr::NLA_F_NET_BYTEORDER;
use super::netlink::message::{NLM_F_CREATE, NLM_F_EXCL, Nfgen};
use super::netlink::{AttrWriter, Fields, KernelError, Socket};
use crate::model::ipset::{IpSet, IpSetElement};
use std::net::IpAddr;

const NFNL_SUBSYS_IPSET: u16 = 6;
const fn command(number: u16) -> u16 {
    (NFNL_SUBSYS_IPSET << 8) | number
}
const CREATE: u16 = command(2);
const DESTROY: u16 = command(3);
const ADD: u16 = command(9);
const TYPE: u16 = command(13);
/// `IPSET_PROTOCOL`
const PROTOCOL: u8 = 7;

const ATTR_PROTOCOL: u16 = 1;
const ATTR_SETNAME: u16 = 2;
const ATTR_TYPENAME: u16 = 3;
const ATTR_REVISION: u16 = 4;
const ATTR_FAMILY: u16 = 5;
const ATTR_DATA: u16 = 7;
const ATTR_ADT: u16 = 8;
const ATTR_LINENO: u16 = 9;

const ATTR_IP: u16 = 1;
const ATTR_IP_TO: u16 = 2;
const ATTR_CIDR: u16 = 3;
const ATTR_PORT: u16 = 4;
const ATTR_PORT_TO: u16 = 5;
const ATTR_TIMEOUT: u16 = 6;
const ATTR_PROTO: u16 = 7;
const ATTR_CADT_FLAGS: u16 = 8;
const ATTR_MARK: u16 = 10;
const ATTR_MARKMASK: u16 = 11;
const ATTR_ETHER: u16 = 17;
const ATTR_NAME: u16 = 18;
const ATTR_MAXELEM: u16 = 19;
const ATTR_NETMASK: u16 = 20;
const ATTR_IP2: u16 = 20;
const ATTR_CIDR2: u16 = 21;
const ATTR_IFACE: u16 = 23;
const ATTR_IPADDR_IPV4: u16 = 1;
const ATTR_IPADDR_IPV6: u16 = 2;

const AF_INET: u8 = 2;
const AF_UNSPEC: u8 = 0;
/// Elements in one message.
const AT_ONCE: usize = 500;
/// Numbers without a set that are bridged at most.
const MOST_GAPS: u16 = 1024;

/// Make the sets with the numbers that rules know them by. What could not be made: one sentence each.
pub fn make_all(socket: &mut Socket, sets: &[IpSet]) -> Vec<String> {
    let mut sorted: Vec<&IpSet> = sets.iter().collect();
    sorted.sort_by_key(|set| set.index);
    let mut wrong = Vec::new();
    let mut gaps = Vec::new();
    let mut next = 0;
    for set in &sorted {
        // The kernel gives the lowest number that is free.
        while next < set.index && set.index - next <= MOST_GAPS {
            let gap = IpSet {
                name: format!("gap-{next}"),
                kind: "hash:ip".into(),
                family: AF_INET,
                ..IpSet::default()
            };
            if create(socket, &gap).is_ok() {
                gaps.push(gap.name);
            }
            next += 1;
        }
        next = set.index.saturating_add(1);
        if let Err(error) = create(socket, set) {
            wrong.push(format!("ipset {} ({error})", set.name));
        }
    }
    for set in &sorted {
        for some in set.elements.chunks(AT_ONCE) {
            if let Err(error) = add(socket, set, some) {
                wrong.push(format!("elements of ipset {} ({error})", set.name));
                break;
            }
        }
    }
    for name in gaps {
        let mut out = start(&name);
        let _ = request(socket, DESTROY, 0, &mut out);
    }
    wrong
}

fn start(name: &str) -> AttrWriter {
    let mut out = AttrWriter::new();
    out.u8(ATTR_PROTOCOL, PROTOCOL).text(ATTR_SETNAME, name);
    out
}

fn request(
    socket: &mut Socket,
    kind: u16,
    flags: u16,
    out: &mut AttrWriter,
) -> Result<(), KernelError> {
    let header = Nfgen::bytes(AF_INET, 0);
    socket.request(kind, flags, &[&header, out.as_bytes()], |_| Ok(()))
}

/// The newest revision of a type that this kernel has.
fn revision(socket: &mut Socket, kind: &str, family: u8) -> Result<u8, KernelError> {
    let mut ask = AttrWriter::new();
    ask.u8(ATTR_PROTOCOL, PROTOCOL)
        .text(ATTR_TYPENAME, kind)
        .u8(ATTR_FAMILY, family);
    let mut found = 0;
    let header = Nfgen::bytes(AF_INET, 0);
    socket.request(TYPE, 0, &[&header, ask.as_bytes()], |message| {
        let (_, attributes) = Nfgen::split(message.payload)?;
        found = Fields::<12>::parse(attributes)?
            .u8(ATTR_REVISION)?
            .unwrap_or(0);
        Ok(())
    })?;
    Ok(found)
}

fn create(socket: &mut Socket, set: &IpSet) -> Result<(), KernelError> {
    let family = if set.kind.starts_with("bitmap:") || set.kind.starts_with("list:") {
        AF_UNSPEC
    } else {
        set.family
    };
    // A type for one family only is asked for by that.
    let revision = revision(
        socket,
        &set.kind,
        if family == 0 { AF_INET } else { family },
    )?;
    let mut out = start(&set.name);
    out.text(ATTR_TYPENAME, &set.kind)
        .u8(ATTR_REVISION, revision)
        .u8(ATTR_FAMILY, family);
    let timeout = set.elements.iter().any(|element| element.timeout.is_some());
    out.nest(ATTR_DATA, |data| {
        if timeout {
            number(data, ATTR_TIMEOUT, 0);
        }
        if set.kind.starts_with("hash:") {
            let most = u32::try_from(set.elements.len()).unwrap_or(u32::MAX);
            number(data, ATTR_MAXELEM, most.max(65_536));
            if let Some(netmask) = set.netmask {
                data.u8(ATTR_NETMASK, netmask);
            }
            if let Some(mask) = set.markmask {
                number(data, ATTR_MARKMASK, mask);
            }
        } else if set.kind == "bitmap:port" {
            data.be16(ATTR_PORT | NLA_F_NET_BYTEORDER, 0)
                .be16(ATTR_PORT_TO | NLA_F_NET_BYTEORDER, u16::MAX);
        } else if set.kind.starts_with("bitmap:") {
            let ends = |element: &IpSetElement| [element.ip, element.ip_to];
            let all = || set.elements.iter().flat_map(ends).flatten();
            let low = all().min().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            let high = all().max().unwrap_or(low);
            address(data, ATTR_IP, low);
            address(data, ATTR_IP_TO, high);
            if let Some(netmask) = set.netmask {
                data.u8(ATTR_NETMASK, netmask);
            }
        }
    });
    request(socket, CREATE, NLM_F_CREATE | NLM_F_EXCL, &mut out)
}

fn add(socket: &mut Socket, set: &IpSet, elements: &[IpSetElement]) -> Result<(), KernelError> {
    let mut out = start(&set.name);
    out.be32(ATTR_LINENO, 1);
    out.nest(ATTR_ADT, |list| {
        for element in elements {
            list.nest(ATTR_DATA, |data| encode(data, element));
        }
    });
    request(socket, ADD, 0, &mut out)
}

fn number(out: &mut AttrWriter, kind: u16, value: u32) {
    out.be32(kind | NLA_F_NET_BYTEORDER, value);
}

fn address(out: &mut AttrWriter, kind: u16, address: IpAddr) {
    out.nest(kind, |nest| match address {
        IpAddr::V4(address) => {
            nest.put(ATTR_IPADDR_IPV4 | NLA_F_NET_BYTEORDER, &address.octets());
        }
        IpAddr::V6(address) => {
            nest.put(ATTR_IPADDR_IPV6 | NLA_F_NET_BYTEORDER, &address.octets());
        }
    });
}

fn encode(out: &mut AttrWriter, element: &IpSetElement) {
    for (kind, ip) in [
        (ATTR_IP, element.ip),
        (ATTR_IP_TO, element.ip_to),
        (ATTR_IP2, element.ip2),
    ] {
        if let Some(ip) = ip {
            address(out, kind, ip);
        }
    }
    for (kind, value) in [
        (ATTR_CIDR, element.cidr),
        (ATTR_CIDR2, element.cidr2),
        (ATTR_PROTO, element.proto),
    ] {
        if let Some(value) = value {
            out.u8(kind, value);
        }
    }
    for (kind, port) in [(ATTR_PORT, element.port), (ATTR_PORT_TO, element.port_to)] {
        if let Some(port) = port {
            out.be16(kind | NLA_F_NET_BYTEORDER, port);
        }
    }
    if let Some(mark) = element.mark {
        number(out, ATTR_MARK, mark);
    }
    if let Some(timeout) = element.timeout {
        number(out, ATTR_TIMEOUT, timeout);
    }
    if let Some(ether) = element.ether {
        out.put(ATTR_ETHER, &ether);
    }
    if let Some(iface) = &element.iface {
        out.text(ATTR_IFACE, iface);
    }
    if let Some(set) = &element.set {
        out.text(ATTR_NAME, set);
    }
    if element.flags != 0 {
        number(out, ATTR_CADT_FLAGS, element.flags);
    }
}
