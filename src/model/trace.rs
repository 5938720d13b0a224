//! What the kernel itself says about packets: events of nf_tables' trace, and packets of its log groups.

use super::{Family, Name, Policy, Verdict};
use serde::{Deserialize, Serialize};

/// One event of the trace: `NFT_MSG_TRACE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// The same for all events of one packet; another packet may get it later.
    pub id: u32,
    pub kind: TraceKind,
    /// Of the table.
    pub family: Family,
    pub table: Name,
    pub chain: Name,
    /// What the verdict is of; absent where a chain ended.
    pub handle: Option<u64>,
    pub verdict: Option<Verdict>,
    /// Of the base chain, when that decided.
    pub policy: Option<Policy>,
    /// Of the packet at this hook.
    pub protocol: Option<Family>,
    pub mark: u32,
    /// What the first event of a packet in each base chain tells.
    pub packet: Option<TracedPacket>,
    /// Attributes without a meaning in this build: type and bytes.
    pub unknown: Vec<(u16, Vec<u8>)>,
}

/// `enum nft_trace_types`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceKind {
    /// A base chain's policy decided.
    Policy,
    /// A chain that was jumped to came to its end or returned.
    Return,
    Rule,
    Unknown(u32),
}

/// The packet as it is at a base chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedPacket {
    /// Index and type (`ARPHRD_*`) of the device it came in by.
    pub iif: Option<(u32, u16)>,
    pub oif: Option<(u32, u16)>,
    /// Beginnings of the headers: at most 20, 40 and 20 bytes.
    pub link: Vec<u8>,
    pub network: Vec<u8>,
    pub transport: Vec<u8>,
    pub ct: Option<TracedCt>,
}

/// The packet's connection; Linux 6.16 and later tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedCt {
    /// As `conntrack -o id` shows it.
    pub id: Option<u32>,
    pub reply: Option<bool>,
    /// `IPS_*`
    pub status: Option<u32>,
    /// Bits of `nft`'s `ct state`.
    pub state: u32,
}

impl TracedCt {
    /// The state's word.
    pub fn state_word(&self) -> &'static str {
        const WORDS: [(u32, &str); 5] = [
            (1, "invalid"),
            (2, "established"),
            (4, "related"),
            (8, "new"),
            (64, "untracked"),
        ];
        let found = WORDS.iter().find(|(bit, _)| self.state & bit != 0);
        found.map_or("unknown", |(_, word)| word)
    }
}

/// One packet that a rule sent to a log group: `NFULNL_MSG_PACKET`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedPacket {
    pub group: u16,
    pub prefix: String,
    /// `NFPROTO_*` and the number of the hook.
    pub protocol: Option<Family>,
    pub hook: u8,
    /// EtherType of the payload.
    pub ethertype: u16,
    pub mark: u32,
    pub iif: Option<u32>,
    pub oif: Option<u32>,
    /// Ports of a bridge, where the packet is on one.
    pub physical_iif: Option<u32>,
    pub physical_oif: Option<u32>,
    /// The link-layer header, and the type (`ARPHRD_*`) that it is of.
    pub link: Vec<u8>,
    pub link_type: u16,
    /// From the network header on, as much as was asked for.
    pub payload: Vec<u8>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Microseconds since 1970, where the packet has a time stamp.
    pub time: Option<u64>,
    pub unknown: Vec<(u16, Vec<u8>)>,
}
