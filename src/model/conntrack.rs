//! Tracked connections: one entry of the kernel's conntrack table
//! (`linux/netfilter/nfnetlink_conntrack.h`, `nf_conntrack_common.h`).

use super::network::RawAttribute;
use super::text::Name;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `enum ip_conntrack_status`
pub mod status {
    pub const EXPECTED: u32 = 1;
    /// Packets were seen in both directions.
    pub const SEEN_REPLY: u32 = 2;
    /// Not dropped early when the table is full.
    pub const ASSURED: u32 = 4;
    pub const CONFIRMED: u32 = 8;
    pub const SRC_NAT: u32 = 0x10;
    pub const DST_NAT: u32 = 0x20;
    pub const SEQ_ADJUST: u32 = 0x40;
    pub const SRC_NAT_DONE: u32 = 0x80;
    pub const DST_NAT_DONE: u32 = 0x100;
    pub const DYING: u32 = 0x200;
    pub const FIXED_TIMEOUT: u32 = 0x400;
    pub const TEMPLATE: u32 = 0x800;
    pub const UNTRACKED: u32 = 0x1000;
    pub const HELPER: u32 = 0x2000;
    /// In a flowtable: packets pass without the rules being asked.
    pub const OFFLOAD: u32 = 0x4000;
    pub const HW_OFFLOAD: u32 = 0x8000;
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tuple {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// `IPPROTO_*`
    pub protocol: u8,
    pub ports: Ports,
    /// Zone of this direction only.
    pub zone: Option<u16>,
    pub unknown: Vec<RawAttribute>,
}

/// What tells flows of two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ports {
    None,
    /// TCP, UDP, SCTP, DCCP, UDP-Lite; GRE keys.
    Ports {
        src: u16,
        dst: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        id: u16,
        kind: u8,
        code: u8,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlowCounter {
    pub packets: u64,
    pub bytes: u64,
}

/// State of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProtocolState {
    /// `enum tcp_conntrack`, window scales, `IP_CT_TCP_FLAG_*`.
    Tcp {
        state: u8,
        scale_original: Option<u8>,
        scale_reply: Option<u8>,
        flags_original: Option<u8>,
        flags_reply: Option<u8>,
    },
    /// `enum sctp_conntrack`, verification tags.
    Sctp {
        state: u8,
        tag_original: Option<u32>,
        tag_reply: Option<u32>,
    },
    /// `enum ct_dccp_states`
    Dccp { state: u8, role: Option<u8> },
    /// Byte for byte.
    Unknown(RawAttribute),
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// `AF_INET` or `AF_INET6`
    pub family: u8,
    /// As the first packet was before NAT.
    pub original: Tuple,
    /// As answers come: after NAT, turned around.
    pub reply: Tuple,
    /// See [`status`].
    pub status: u32,
    /// Seconds until the entry goes, unless a packet comes.
    pub timeout: Option<u32>,
    pub mark: Option<u32>,
    pub zone: Option<u16>,
    pub id: Option<u32>,
    pub use_count: Option<u32>,
    pub protocol_state: Option<ProtocolState>,
    /// With `nf_conntrack_acct`.
    pub counter_original: Option<FlowCounter>,
    pub counter_reply: Option<FlowCounter>,
    pub rare: Option<Box<FlowRare>>,
}

/// What few entries have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlowRare {
    pub helper: Option<Name>,
    /// Bit n of the labels is bit n % 8 of byte n / 8.
    pub labels: Option<serde_bytes::ByteBuf>,
    /// Nanoseconds since 1970, with `nf_conntrack_timestamp`.
    pub start: Option<u64>,
    pub stop: Option<u64>,
    /// The connection that this one was expected by.
    pub master: Option<Tuple>,
    /// Security context.
    pub security: Option<Name>,
    /// Sequence adjustments, SYN proxy and whatever this build does not know, byte for byte.
    pub unknown: Vec<RawAttribute>,
}

impl Flow {
    pub fn has(&self, flag: u32) -> bool {
        self.status & flag != 0
    }

    /// Addresses or ports of the answers are not those of the first packet, turned around.
    pub fn is_translated(&self) -> bool {
        self.has(status::SRC_NAT | status::DST_NAT)
    }

    /// The word conntrack(8) uses for the state of the protocol.
    pub fn state_name(&self) -> Option<&'static str> {
        #[rustfmt::skip]
        const TCP: [&str; 10] = [
            "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT",
            "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
        ];
        #[rustfmt::skip]
        const SCTP: [&str; 10] = [
            "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT",
            "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED",
        ];
        #[rustfmt::skip]
        const DCCP: [&str; 9] = [
            "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
        ];
        let (names, state): (&[&'static str], u8) = match self.protocol_state.as_ref()? {
            ProtocolState::Tcp { state, .. } => (&TCP, *state),
            ProtocolState::Sctp { state, .. } => (&SCTP, *state),
            ProtocolState::Dccp { state, .. } => (&DCCP, *state),
            ProtocolState::Unknown(_) => return None,
        };
        names.get(usize::from(state)).copied()
    }
}
