//! Network devices: `RTM_NEWLINK`, `IFLA_*` in `linux/if_link.h`.

use crate::model::Name;
use serde::{Deserialize, Serialize};

/// `IFF_*` in `linux/if.h`
pub mod link_flags {
    pub const UP: u32 = 1;
    pub const BROADCAST: u32 = 2;
    pub const LOOPBACK: u32 = 8;
    pub const POINTOPOINT: u32 = 0x10;
    pub const RUNNING: u32 = 0x40;
    pub const NOARP: u32 = 0x80;
    pub const PROMISC: u32 = 0x100;
    pub const ALLMULTI: u32 = 0x200;
    pub const MASTER: u32 = 0x400;
    pub const SLAVE: u32 = 0x800;
    pub const MULTICAST: u32 = 0x1000;
    /// The lower layer has a carrier.
    pub const LOWER_UP: u32 = 0x1_0000;
    pub const DORMANT: u32 = 0x2_0000;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub index: u32,
    pub name: Name,
    pub alt_names: Vec<Name>,
    /// `ARPHRD_*` in `linux/if_arp.h`: 1 Ethernet, 772 loopback.
    pub hardware: u16,
    /// `veth`, `bridge`, `vlan`, ...; absent for plain hardware.
    pub kind: Option<Name>,
    /// What the device is to its master: `bridge`, `bond`, `vrf`.
    pub slave_kind: Option<Name>,
    /// See [`link_flags`].
    pub flags: u32,
    /// bytes
    pub mtu: u32,
    /// MAC address of Ethernet devices (6 bytes), other lengths elsewhere.
    pub address: Vec<u8>,
    /// `IF_OPER_*`: 0 unknown, 2 down, 5 dormant, 6 up.
    pub operstate: u8,
    pub carrier: Option<bool>,
    /// Index of the bridge, bond or VRF that the device is part of.
    pub master: Option<u32>,
    /// Index of the device below (vlan, macvlan) or at the other end (veth).
    pub lower: Option<u32>,
    /// Network namespace id in which `lower` is, when it is another one.
    pub lower_netns: Option<i32>,
    pub group: u32,
    pub alias: Option<Name>,
    /// Packets
    pub txqlen: u32,
    /// Name of the root queueing discipline.
    pub qdisc: Name,
    pub vlan: Option<Vlan>,
    /// Routing table of a VRF device.
    pub vrf_table: Option<u32>,
    pub xdp: Vec<XdpAttachment>,
    pub tc: TcHooks,
    pub stats: Option<LinkStats>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Link {
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Administratively up.
    pub fn is_up(&self) -> bool {
        self.has(link_flags::UP)
    }

    pub fn is_loopback(&self) -> bool {
        self.has(link_flags::LOOPBACK)
    }

    /// The hardware address as `aa:bb:cc:dd:ee:ff`; empty when there is none.
    pub fn mac(&self) -> String {
        let parts: Vec<String> = self.address.iter().map(|b| format!("{b:02x}")).collect();
        parts.join(":")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    pub id: u16,
    /// Ethertype: 0x8100 (802.1Q) or 0x88a8 (802.1ad).
    pub protocol: u16,
}

/// Where an XDP program runs: `XDP_ATTACHED_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum XdpMode {
    Driver,
    Generic,
    Offload,
    Unknown(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdpAttachment {
    pub mode: XdpMode,
    /// BPF program id.
    pub program: u32,
}

/// What traffic control does with packets of a device before and after netfilter sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcHooks {
    /// A `clsact` or `ingress` queueing discipline exists.
    pub clsact: bool,
    /// Filters on ingress (`cls_*`).
    pub ingress: u32,
    /// Filters on egress.
    pub egress: u32,
    /// Filters on the root queueing discipline.
    pub root: u32,
    /// BPF programs attached by tcx to ingress and egress, in order; `None` when the kernel did not say.
    pub tcx_ingress: Option<Vec<u32>>,
    pub tcx_egress: Option<Vec<u32>>,
}

/// `struct rtnl_link_stats64`, since the device exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStats {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
}
