//! Next hop objects: `RTM_NEWNEXTHOP`, `struct nhmsg` and `NHA_*` in `linux/nexthop.h`.

use super::route::Encap;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nexthop {
    pub id: u32,
    /// `AF_INET`, `AF_INET6`; 0 for groups.
    pub family: u8,
    pub scope: u8,
    pub protocol: u8,
    /// `RTNH_F_*`
    pub flags: u32,
    pub gateway: Option<IpAddr>,
    pub oif: Option<u32>,
    pub blackhole: bool,
    /// Of a bridge or VXLAN forwarding entry, not of routes.
    pub fdb: bool,
    /// Members of a group.
    pub group: Vec<NexthopMember>,
    /// `NEXTHOP_GRP_TYPE_*`: 0 hash threshold, 1 resilient.
    pub group_kind: Option<u16>,
    pub resilient: Option<ResilientGroup>,
    pub encap: Option<Encap>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Nexthop {
    /// A next hop with a number and nothing else.
    pub fn new(id: u32) -> Nexthop {
        Nexthop {
            id,
            family: 0,
            scope: 0,
            protocol: 0,
            flags: 0,
            gateway: None,
            oif: None,
            blackhole: false,
            fdb: false,
            group: Vec::new(),
            group_kind: None,
            resilient: None,
            encap: None,
            raw: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NexthopMember {
    pub id: u32,
    /// 1 to 65,536: the wire's number plus one.
    pub weight: u32,
}

/// `NHA_RES_GROUP_*`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResilientGroup {
    pub buckets: u16,
    /// Clock ticks (100 a second).
    pub idle_timer: u32,
    /// Clock ticks.
    pub unbalanced_timer: u32,
    /// Clock ticks.
    pub unbalanced_time: u64,
}
