//! Links, addresses and routes of the lab, over rtnetlink (`linux/if_link.h`, `linux/rtnetlink.h`).

use super::namespace::Namespace;
use crate::kernel::netlink::message::{NLM_F_CREATE, NLM_F_EXCL};
use crate::kernel::netlink::{AttrWriter, KernelError, Protocol, Socket};
use std::net::IpAddr;
use std::os::fd::AsRawFd;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const RTA_GATEWAY: u16 = 5;
const RTA_OIF: u16 = 4;
const IFF_UP: u32 = 1;

/// Network configuration of the namespace of the thread that opens it.
pub struct Links {
    socket: Socket,
}

/// `struct ifinfomsg`
fn header(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

fn bytes_of(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (2, address.octets().into()),
        IpAddr::V6(address) => (10, address.octets().into()),
    }
}

impl Links {
    pub fn open() -> Result<Links, KernelError> {
        Ok(Links {
            socket: Socket::open(Protocol::Route)?,
        })
    }

    fn change(&mut self, kind: u16, flags: u16, payload: &[&[u8]]) -> Result<(), KernelError> {
        self.socket.request(kind, flags, payload, |_| Ok(()))
    }

    /// A cable between here and another namespace.
    pub fn veth(&mut self, name: &str, peer: &str, to: &Namespace) -> Result<(), KernelError> {
        let mut attributes = AttrWriter::new();
        attributes
            .text(IFLA_IFNAME, name)
            .nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "veth")
                    .nest(IFLA_INFO_DATA, |data| {
                        let mut other = AttrWriter::new();
                        other
                            .text(IFLA_IFNAME, peer)
                            .put(IFLA_NET_NS_FD, &to.file().as_raw_fd().to_ne_bytes());
                        let mut payload = header(0, 0, 0).to_vec();
                        payload.extend_from_slice(other.as_bytes());
                        data.put(VETH_INFO_PEER, &payload);
                    });
            });
        let header = header(0, 0, 0);
        self.change(
            RTM_NEWLINK,
            NLM_F_CREATE | NLM_F_EXCL,
            &[&header, attributes.as_bytes()],
        )
    }

    fn index(&self, name: &str) -> Result<u32, KernelError> {
        nix::net::if_::if_nametoindex(name).map_err(|error| KernelError::Io(error.into()))
    }

    pub fn up(&mut self, name: &str) -> Result<(), KernelError> {
        let header = header(self.index(name)?, IFF_UP, IFF_UP);
        self.change(RTM_NEWLINK, 0, &[&header])
    }

    pub fn address(&mut self, name: &str, address: IpAddr, prefix: u8) -> Result<(), KernelError> {
        let (family, bytes) = bytes_of(address);
        // struct ifaddrmsg
        let mut header = vec![family, prefix, IFA_F_NODAD, 0];
        header.extend_from_slice(&self.index(name)?.to_ne_bytes());
        let mut attributes = AttrWriter::new();
        attributes.put(IFA_LOCAL, &bytes).put(IFA_ADDRESS, &bytes);
        self.change(
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_EXCL,
            &[&header, attributes.as_bytes()],
        )
    }

    pub fn default_route(&mut self, name: &str, gateway: IpAddr) -> Result<(), KernelError> {
        let (family, bytes) = bytes_of(gateway);
        const MAIN: u8 = 254;
        const PROTO_STATIC: u8 = 4;
        const UNICAST: u8 = 1;
        // struct rtmsg
        let header = [family, 0, 0, 0, MAIN, PROTO_STATIC, 0, UNICAST, 0, 0, 0, 0];
        let mut attributes = AttrWriter::new();
        attributes
            .put(RTA_GATEWAY, &bytes)
            .ne32(RTA_OIF, self.index(name)?);
        self.change(
            RTM_NEWROUTE,
            NLM_F_CREATE | NLM_F_EXCL,
            &[&header, attributes.as_bytes()],
        )
    }
}
