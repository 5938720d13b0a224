//! Links and addresses of one network namespace made again in another, as far as routing looks at them: names,
//! numbers, state, VRFs. Every device becomes a dummy, or one end of a pair where there are none. May use `model` and `kernel::netlink`.

use super::{RTM_NEWADDR, RTM_NEWLINK};
use crate::kernel::netlink::message::{NLM_F_CREATE, NLM_F_EXCL};
use crate::kernel::netlink::{AttrWriter, KernelError, Socket};
use crate::model::network::{Address, Link, link_flags};
use std::net::IpAddr;

const LOOPBACK: u32 = 1;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
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
    let mut failed = 0;
    // VRFs first: others belong to them.
    let vrfs = links.iter().filter(|link| link.vrf_table.is_some());
    let others = links.iter().filter(|link| link.vrf_table.is_none());
    for link in vrfs.chain(others) {
        let vrf = link.master.filter(|&master| {
            links
                .iter()
                .any(|one| one.index == master && one.vrf_table.is_some())
        });
        failed += refused(copy_link(socket, link, vrf))?;
    }
    for address in addresses {
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

fn copy_link(socket: &mut Socket, link: &Link, vrf: Option<u32>) -> Result<(), KernelError> {
    let up = link.flags & link_flags::UP;
    if link.index == LOOPBACK {
        return switch(socket, link.index, up);
    }
    let mut make = |kind| {
        let payload = encode_link(link, vrf, kind);
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        socket.request(RTM_NEWLINK, flags, &[&payload], |_| Ok(()))
    };
    if link.vrf_table.is_some() {
        make("vrf")?;
    } else {
        match make("dummy") {
            // A kernel without dummies has pairs. The other end has to be up for there to be a carrier.
            Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => {
                make("veth")?;
                settle(socket, PEERS + link.index, link_flags::UP)?;
            }
            result => result?,
        }
    }
    settle(socket, link.index, up)
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

fn encode_link(link: &Link, vrf: Option<u32>, kind: &str) -> Vec<u8> {
    let mut attributes = AttrWriter::new();
    attributes.text(IFLA_IFNAME, &link.name);
    attributes.ne32(IFLA_MTU, link.mtu);
    attributes.nest(IFLA_LINKINFO, |info| {
        info.text(IFLA_INFO_KIND, kind);
        match (kind, link.vrf_table) {
            ("vrf", Some(table)) => {
                info.nest(IFLA_INFO_DATA, |data| {
                    data.ne32(IFLA_VRF_TABLE, table);
                });
            }
            ("veth", _) => {
                // The other end, out of the way.
                let mut peer = header(PEERS + link.index, 0);
                let mut name = AttrWriter::new();
                name.text(IFLA_IFNAME, &format!("peer-{}", link.index));
                peer.extend_from_slice(name.as_bytes());
                info.nest(IFLA_INFO_DATA, |data| {
                    data.put(VETH_INFO_PEER, &peer);
                });
            }
            _ => {}
        }
    });
    if let Some(master) = vrf {
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
