//! Neighbours: `RTM_NEWNEIGH`, `struct ndmsg` and `NDA_*` in `linux/neighbour.h`.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `NUD_*`
pub mod neighbour_state {
    pub const INCOMPLETE: u16 = 1;
    pub const REACHABLE: u16 = 2;
    pub const STALE: u16 = 4;
    pub const DELAY: u16 = 8;
    pub const PROBE: u16 = 0x10;
    pub const FAILED: u16 = 0x20;
    pub const NOARP: u16 = 0x40;
    pub const PERMANENT: u16 = 0x80;
}

/// `NTF_*`
pub mod neighbour_flags {
    pub const USE: u8 = 1;
    pub const SELF: u8 = 2;
    pub const MASTER: u8 = 4;
    /// Answered for on behalf of others.
    pub const PROXY: u8 = 8;
    pub const EXT_LEARNED: u8 = 0x10;
    pub const OFFLOADED: u8 = 0x20;
    pub const STICKY: u8 = 0x40;
    pub const ROUTER: u8 = 0x80;
    /// Extended flag: the kernel keeps the entry alive by itself.
    pub const EXT_MANAGED: u32 = 1;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// `AF_INET`, `AF_INET6`, or `AF_BRIDGE` (7) for forwarding entries of bridges and VXLAN devices.
    pub family: u8,
    pub index: u32,
    /// See [`neighbour_state`].
    pub state: u16,
    /// See [`neighbour_flags`].
    pub flags: u8,
    pub extended_flags: u32,
    /// `RTN_*`
    pub kind: u8,
    /// The neighbour's address; of a VXLAN forwarding entry the remote end.
    pub address: Option<IpAddr>,
    /// Link layer address; empty while it is not known.
    pub link_address: Vec<u8>,
    /// Bridge or VRF of the device.
    pub master: Option<u32>,
    pub vlan: Option<u16>,
    pub vni: Option<u32>,
    /// Solicitations sent without an answer.
    pub probes: Option<u32>,
    pub nexthop: Option<u32>,
    pub protocol: Option<u8>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Neighbour {
    /// An entry of a device for an address, permanent and without a link layer address.
    pub fn new(index: u32, address: IpAddr) -> Neighbour {
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;
        Neighbour {
            family: if address.is_ipv4() { AF_INET } else { AF_INET6 },
            index,
            state: neighbour_state::PERMANENT,
            flags: 0,
            extended_flags: 0,
            kind: 0,
            address: Some(address),
            link_address: Vec::new(),
            master: None,
            vlan: None,
            vni: None,
            probes: None,
            nexthop: None,
            protocol: None,
            raw: Vec::new(),
        }
    }

    /// The word `ip neigh` uses for the state.
    pub fn state_name(&self) -> &'static str {
        use neighbour_state as state;
        match self.state {
            0 => "NONE",
            state::INCOMPLETE => "INCOMPLETE",
            state::REACHABLE => "REACHABLE",
            state::STALE => "STALE",
            state::DELAY => "DELAY",
            state::PROBE => "PROBE",
            state::FAILED => "FAILED",
            state::NOARP => "NOARP",
            state::PERMANENT => "PERMANENT",
            _ => "UNKNOWN",
        }
    }

    pub fn is_proxy(&self) -> bool {
        self.flags & neighbour_flags::PROXY != 0
    }
}
