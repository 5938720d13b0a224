//! Named stateful objects: `NFT_OBJECT_*` in `linux/netfilter/nf_tables.h`.

use super::expression::{Counter, Limit, Quota, Synproxy};
use super::text::Name;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub name: Name,
    pub handle: u64,
    /// `NFT_OBJECT_*`
    pub kind: u32,
    /// How many rules, elements and chains refer to it.
    pub use_count: u32,
    pub data: ObjectData,
    #[serde(with = "serde_bytes")]
    pub userdata: Vec<u8>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectData {
    Counter(Counter),
    Quota(Quota),
    Limit(Limit),
    Connlimit {
        count: u32,
        flags: u32,
    },
    CtHelper {
        name: Name,
        l3proto: u16,
        l4proto: u8,
    },
    CtTimeout {
        l3proto: u16,
        l4proto: u8,
        /// State number (`CTA_TIMEOUT_*` of the protocol) and seconds.
        policy: Vec<(u16, u32)>,
    },
    CtExpectation {
        l3proto: u16,
        l4proto: u8,
        dport: u16,
        /// milliseconds
        timeout: u32,
        size: u8,
    },
    Synproxy(Synproxy),
    Secmark {
        context: String,
    },
    Tunnel(Box<Tunnel>),
    /// Not understood; see `why`. The bytes are in [`Object::raw`].
    Unknown {
        why: String,
    },
}

/// A tunnel's metadata (`NFTA_TUNNEL_KEY_*`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    pub id: u32,
    pub ip: Option<(Vec<u8>, Vec<u8>)>,
    pub ip6: Option<(Vec<u8>, Vec<u8>)>,
    pub ip6_flowlabel: u32,
    pub flags: u32,
    pub tos: Option<u8>,
    pub ttl: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    /// `NFTA_TUNNEL_KEY_OPTS`, byte for byte.
    #[serde(with = "serde_bytes")]
    pub options: Vec<u8>,
}
