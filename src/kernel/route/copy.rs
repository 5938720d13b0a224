//! Links and addresses of one network namespace made again in another, as far as routing looks at them: names,
//! numbers, state, VRFs. Every device becomes a dummy, or one end of a pair where there are none. For packets to go
//! through the copy, bridges become bridges with their options and those of their ports, and devices where packets
//! arrive get a cable to another namespace.
//! May use `model` and `kernel::netlink`.

use super::bridge::{
    IFLA_INFO_DATA, IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND, IFLA_LINKINFO, options_of_bridge,
    options_of_port,
};
use super::{RTM_NEWADDR, RTM_NEWLINK};
use crate::kernel::netlink::message::{NLM_F_CREATE, NLM_F_EXCL};
use crate::kernel::netlink::{AttrWriter, KernelError, Socket};
use crate::model::network::{Address, Link, link_flags};
use std::net::IpAddr;
use std::os::fd::RawFd;

const LOOPBACK: u32 = 1;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const VETH_INFO_PEER: u16 = 1;
/// Numbers of the other ends of pairs begin here.
const PEERS: u32 = 1 << 24;
const IFLA_VRF_TABLE: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE`: no addresses but those that are copied.
const NO_ADDRESSES: u8 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
/// `IFA_F_NODAD`: usable at once.
const NO_DETECTION: u32 = 2;
/// `IFA_F_NOPREFIXROUTE`
const NO_PREFIX_ROUTE: u32 = 0x200;

/// Make these links and addresses in the current network namespace, which should be new: what fails is counted and
/// left out.
pub fn copy_links(
    socket: &mut Socket,
    links: &[Link],
    addresses: &[Address],
) -> Result<usize, KernelError> {
    copy_links_for(socket, links, addresses, None)
}

/// What a copy has beyond names and numbers, so that packets can go through it.
#[derive(Clone, Copy, Debug)]
pub struct ForPackets<'a> {
    /// Devices that get a cable, by index; the other end is called `peer-INDEX`.
    pub cables: &'a [u32],
    /// The namespace of the other ends.
    pub far: RawFd,
}

/// The same for packets: with bridges, hardware addresses, and cables.
pub fn copy_links_for(
    socket: &mut Socket,
    links: &[Link],
    addresses: &[Address],
    packets: Option<ForPackets<'_>>,
) -> Result<usize, KernelError> {
    let mut failed = 0;
    let is_master = |link: &Link| {
        link.vrf_table.is_some() || packets.is_some_and(|packets| packets.is_bridge(link))
    };
    // Masters first: others belong to them.
    let masters = links.iter().filter(|link| is_master(link));
    let others = links.iter().filter(|link| !is_master(link));
    for link in masters.chain(others) {
        let master = link.master.filter(|&master| {
            links
                .iter()
                .any(|one| one.index == master && is_master(one))
        });
        failed += refused(copy_link(socket, link, master, packets))?;
    }
    // The kernel puts a new IPv6 address before the others of its scope, and lists them in that order.
    let (six, four): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|address| address.local.address.is_ipv6());
    for address in four.into_iter().chain(six.into_iter().rev()) {
        let payload = encode_address(address);
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        let result = socket.request(RTM_NEWADDR, flags, &[&payload], |_| Ok(()));
        // The loopback device has its own already.
        if address.index != LOOPBACK {
            failed += refused(result)?;
        }
    }
    Ok(failed)
}

impl ForPackets<'_> {
    /// A bridge where packets are put in has a cable of its own instead: they would come from a port otherwise.
    fn is_bridge(&self, link: &Link) -> bool {
        link.kind.as_deref() == Some("bridge") && !self.cables.contains(&link.index)
    }
}

fn copy_link(
    socket: &mut Socket,
    link: &Link,
    master: Option<u32>,
    packets: Option<ForPackets<'_>>,
) -> Result<(), KernelError> {
    let up = link.flags & link_flags::UP;
    if link.index == LOOPBACK {
        return switch(socket, link.index, up);
    }
    let mut make = |kind| {
        let payload = encode_link(link, master, kind, packets);
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        socket.request(RTM_NEWLINK, flags, &[&payload], |_| Ok(()))
    };
    if link.vrf_table.is_some() {
        make("vrf")?;
    } else if packets.is_some_and(|packets| packets.is_bridge(link)) {
        make("bridge")?;
    } else if packets.is_some_and(|packets| packets.cables.contains(&link.index)) {
        make("veth")?;
    } else {
        match make("dummy") {
            // A kernel without dummies has pairs. The other end has to be up for there to be a carrier.
            Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => {
                make("veth")?;
                if packets.is_none() {
                    settle(socket, PEERS + link.index, link_flags::UP)?;
                }
            }
            result => result?,
        }
    }
    if packets.is_some_and(|packets| !packets.is_bridge(link)) && link.vrf_table.is_none() {
        // Nobody answers at the other end: neighbours are not asked for.
        let mut payload = header(link.index, link_flags::NOARP);
        payload.truncate(12);
        payload.extend_from_slice(&link_flags::NOARP.to_ne_bytes());
        socket.request(RTM_NEWLINK, 0, &[&payload], |_| Ok(()))?;
    }
    settle(socket, link.index, up)?;
    let options = options_of_port(link);
    if packets.is_some() && master.is_some() && !options.is_empty() {
        let mut attributes = AttrWriter::new();
        attributes.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge");
            info.nest(IFLA_INFO_SLAVE_DATA, |data| {
                for (kind, value) in options {
                    data.put(kind, value);
                }
            });
        });
        let mut payload = header(link.index, up);
        payload.extend_from_slice(attributes.as_bytes());
        socket.request(RTM_NEWLINK, 0, &[&payload], |_| Ok(()))?;
    }
    Ok(())
}

/// Tell a device not to make addresses by itself, and only then switch it on.
fn settle(socket: &mut Socket, index: u32, up: u32) -> Result<(), KernelError> {
    let mut attributes = AttrWriter::new();
    attributes.nest(IFLA_AF_SPEC, |families| {
        const AF_INET6: u16 = 10;
        families.nest(AF_INET6, |six| {
            six.u8(IFLA_INET6_ADDR_GEN_MODE, NO_ADDRESSES);
        });
    });
    let mut payload = header(index, 0);
    payload.extend_from_slice(attributes.as_bytes());
    // A machine without IPv6 has nothing to be told.
    refused(socket.request(RTM_NEWLINK, 0, &[&payload], |_| Ok(())))?;
    switch(socket, index, up)
}

/// Number of the other end of a device's cable.
pub fn peer_index(index: u32) -> u32 {
    PEERS + index
}

/// Bring a device up.
pub fn switch_on(socket: &mut Socket, index: u32) -> Result<(), KernelError> {
    switch(socket, index, link_flags::UP)
}

fn switch(socket: &mut Socket, index: u32, up: u32) -> Result<(), KernelError> {
    socket.request(RTM_NEWLINK, 0, &[&header(index, up)], |_| Ok(()))
}

fn refused(result: Result<(), KernelError>) -> Result<usize, KernelError> {
    match result {
        Ok(()) => Ok(0),
        Err(KernelError::Refused { .. }) => Ok(1),
        Err(other) => Err(other),
    }
}

fn encode_link(
    link: &Link,
    master: Option<u32>,
    kind: &str,
    packets: Option<ForPackets<'_>>,
) -> Vec<u8> {
    let mut attributes = AttrWriter::new();
    attributes.text(IFLA_IFNAME, &link.name);
    attributes.ne32(IFLA_MTU, link.mtu);
    if packets.is_some() && link.address.len() == 6 && link.address.iter().any(|byte| *byte != 0) {
        attributes.put(IFLA_ADDRESS, &link.address);
    }
    attributes.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, kind);
        match (kind, link.vrf_table) {
            ("vrf", Some(table)) => {
                info.nest(IFLA_INFO_DATA, |data| {
                    data.ne32(IFLA_VRF_TABLE, table);
                });
            }
            ("bridge", _) => {
                info.nest(IFLA_INFO_DATA, |data| {
                    for (kind, value) in options_of_bridge(link) {
                        data.put(kind, value);
                    }
                });
            }
            ("veth", _) => {
                // The other end, out of the way.
                let mut peer = header(PEERS + link.index, 0);
                let mut name = AttrWriter::new();
                name.text(IFLA_IFNAME, &format!("peer-{}", link.index));
                if let Some(packets) = packets {
                    name.ne32(IFLA_NET_NS_FD, packets.far.cast_unsigned());
                }
                peer.extend_from_slice(name.as_bytes());
                info.nest(IFLA_INFO_DATA, |data| {
                    data.put(VETH_INFO_PEER, &peer);
                });
            }
            _ => {}
        }
    });
    if let Some(master) = master {
        attributes.ne32(IFLA_MASTER, master);
    }
    let mut payload = header(link.index, 0);
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

/// `struct ifinfomsg`: family, type, index, flags, and which of the flags count.
fn header(index: u32, flags: u32) -> Vec<u8> {
    let mut payload = vec![0; 4];
    payload.extend_from_slice(&index.to_ne_bytes());
    payload.extend_from_slice(&flags.to_ne_bytes());
    payload.extend_from_slice(&link_flags::UP.to_ne_bytes());
    payload
}

fn encode_address(address: &Address) -> Vec<u8> {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let local = address.local.address;
    let six = local.is_ipv6();
    let mut attributes = AttrWriter::new();
    attributes.put(IFA_LOCAL, &bytes(local));
    attributes.put(IFA_ADDRESS, &bytes(address.peer.unwrap_or(local)));
    if let Some(broadcast) = address.broadcast {
        attributes.put(IFA_BROADCAST, &bytes(broadcast));
    }
    if let Some(metric) = address.metric {
        attributes.ne32(IFA_RT_PRIORITY, metric);
    }
    let mut flags = address.flags & NO_PREFIX_ROUTE;
    if six {
        flags |= NO_DETECTION;
    }
    attributes.ne32(IFA_FLAGS, flags);
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    let family = if six { AF_INET6 } else { AF_INET };
    let mut payload = vec![family, address.local.length, 0, address.scope];
    payload.extend_from_slice(&address.index.to_ne_bytes());
    payload.extend_from_slice(attributes.as_bytes());
    payload
}
