//! Expressions of nf_tables rules, one variant per kernel expression (`struct nft_expr_type` names).
//!
//! Numbers are kept as the kernel has them (keys, flags, registers); their names are tables in `lang`.
//! What a decoder does not understand, in part or in whole, becomes [`Expression::Unknown`] with its bytes.

use super::text::Name;
use serde::{Deserialize, Serialize};

/// A register number as in the netlink attribute: 0 verdict, 1-4 128-bit, 8-23 32-bit.
pub type Register = u32;

/// Data of an immediate, of a set element's value, of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Data {
    Value(#[serde(with = "serde_bytes")] Vec<u8>),
    Verdict(Verdict),
}

/// `enum nft_verdicts` and the `NF_*` codes of `linux/netfilter.h`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    Drop,
    Accept,
    Stolen,
    Queue,
    Repeat,
    Stop,
    Continue,
    Break,
    Jump(Name),
    Goto(Name),
    Return,
    /// `NFTA_VERDICT_CHAIN_ID` only: a jump to a chain without a name (an anonymous chain in the making).
    Unknown(i32),
}

/// `enum nft_cmp_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CmpOp {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// `enum nft_payload_bases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PayloadBase {
    Link,
    Network,
    Transport,
    Inner,
    Tunnel,
}

/// `enum nft_bitwise_ops`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BitwiseOp {
    /// `(sreg & mask) ^ xor`
    Mask {
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    ShiftLeft(u32),
    ShiftRight(u32),
    And(BitwiseOperand),
    Or(BitwiseOperand),
    Xor(BitwiseOperand),
}

/// Second operand of the boolean operations (since Linux 6.13).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BitwiseOperand {
    Register(Register),
    Value(Vec<u8>),
}

/// `enum nft_dynset_ops`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DynsetOp {
    Add,
    Update,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NatKind {
    Source,
    Destination,
}

/// Parameters of `limit`, as expression and as object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    pub rate: u64,
    /// Seconds per `rate`.
    pub unit: u64,
    pub burst: u32,
    /// `enum nft_limit_type`: packets (0) or bytes (1).
    pub kind: u32,
    /// `NFT_LIMIT_F_INV`
    pub flags: u32,
}

/// Parameters of `quota`, as expression and as object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    pub bytes: u64,
    /// `NFT_QUOTA_F_INV`, `NFT_QUOTA_F_DEPLETED`
    pub flags: u32,
    pub consumed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counter {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Synproxy {
    pub mss: u16,
    pub wscale: u8,
    /// `NF_SYNPROXY_OPT_*`
    pub flags: u32,
}

/// `match` and `target`: an xtables extension run by nf_tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Xtables {
    pub name: Name,
    pub revision: u32,
    #[serde(with = "serde_bytes")]
    pub info: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expression {
    Immediate {
        dreg: Register,
        data: Data,
    },
    Cmp {
        sreg: Register,
        op: CmpOp,
        data: Vec<u8>,
    },
    Range {
        sreg: Register,
        op: CmpOp,
        from: Vec<u8>,
        to: Vec<u8>,
    },
    Bitwise {
        sreg: Register,
        dreg: Register,
        len: u32,
        op: BitwiseOp,
    },
    Byteorder {
        sreg: Register,
        dreg: Register,
        /// 0: network to host, 1: host to network
        op: u32,
        len: u32,
        size: u32,
    },
    Payload {
        dreg: Register,
        base: PayloadBase,
        offset: u32,
        len: u32,
    },
    PayloadSet {
        sreg: Register,
        base: PayloadBase,
        offset: u32,
        len: u32,
        csum_type: u32,
        csum_offset: u32,
        csum_flags: u32,
    },
    Exthdr {
        dreg: Register,
        kind: u8,
        offset: u32,
        len: u32,
        /// `NFT_EXTHDR_F_PRESENT`
        flags: u32,
        /// `enum nft_exthdr_op`: ipv6, tcp option, ip option, sctp chunk, dccp option
        op: u32,
    },
    ExthdrSet {
        sreg: Register,
        kind: u8,
        offset: u32,
        len: u32,
        flags: u32,
        op: u32,
    },
    /// An `exthdr` with neither register: strips the option (`reset tcp option`).
    ExthdrReset {
        kind: u8,
        op: u32,
    },
    Meta {
        dreg: Register,
        key: u32,
    },
    MetaSet {
        sreg: Register,
        key: u32,
    },
    Ct {
        dreg: Register,
        key: u32,
        /// `enum ip_conntrack_dir`
        direction: Option<u8>,
    },
    CtSet {
        sreg: Register,
        key: u32,
        direction: Option<u8>,
    },
    Rt {
        dreg: Register,
        key: u32,
    },
    Socket {
        dreg: Register,
        key: u32,
        level: u32,
    },
    Osf {
        dreg: Register,
        ttl: u8,
        flags: u32,
    },
    Fib {
        dreg: Register,
        result: u32,
        flags: u32,
    },
    Hash {
        dreg: Register,
        sreg: Option<Register>,
        len: u32,
        modulus: u32,
        seed: Option<u32>,
        offset: u32,
        /// `enum nft_hash_types`: jenkins (0), sym (1)
        kind: u32,
    },
    Numgen {
        dreg: Register,
        modulus: u32,
        /// `enum nft_ng_types`: incremental (0), random (1)
        kind: u32,
        offset: u32,
    },
    Lookup {
        set: Name,
        sreg: Register,
        dreg: Option<Register>,
        /// `NFT_LOOKUP_F_INV`
        flags: u32,
    },
    Dynset {
        set: Name,
        op: DynsetOp,
        sreg_key: Register,
        sreg_data: Option<Register>,
        /// milliseconds
        timeout: u64,
        /// `NFT_DYNSET_F_INV`, `NFT_DYNSET_F_EXPR`
        flags: u32,
        expressions: Vec<Expression>,
    },
    /// A reference to a stateful object, by name or by a map.
    Objref {
        target: ObjrefTarget,
    },
    Counter(Counter),
    Quota(Quota),
    Limit(Limit),
    Connlimit {
        count: u32,
        /// `NFT_CONNLIMIT_F_INV`
        flags: u32,
    },
    Last {
        set: bool,
        /// milliseconds since the last match
        msecs: u64,
    },
    Log {
        prefix: Option<String>,
        group: Option<u16>,
        snaplen: Option<u32>,
        qthreshold: Option<u16>,
        level: Option<u32>,
        flags: Option<u32>,
    },
    Reject {
        /// `enum nft_reject_types`
        kind: u32,
        code: u8,
    },
    Nat {
        kind: NatKind,
        family: u32,
        addr_min: Option<Register>,
        addr_max: Option<Register>,
        proto_min: Option<Register>,
        proto_max: Option<Register>,
        flags: u32,
    },
    Masq {
        flags: u32,
        proto_min: Option<Register>,
        proto_max: Option<Register>,
    },
    Redir {
        proto_min: Option<Register>,
        proto_max: Option<Register>,
        flags: u32,
    },
    Dup {
        addr: Option<Register>,
        dev: Option<Register>,
    },
    Fwd {
        dev: Register,
        addr: Option<Register>,
        nfproto: Option<u32>,
    },
    Queue {
        num: u16,
        total: u16,
        /// `NFT_QUEUE_FLAG_*`
        flags: u16,
        sreg_qnum: Option<Register>,
    },
    Tproxy {
        family: u32,
        addr: Option<Register>,
        port: Option<Register>,
    },
    Synproxy(Synproxy),
    Notrack,
    FlowOffload {
        table: Name,
    },
    Tunnel {
        dreg: Register,
        key: u32,
        mode: u32,
    },
    Xfrm {
        dreg: Register,
        key: u32,
        direction: u8,
        spnum: u32,
    },
    Inner {
        num: u32,
        /// `enum nft_inner_type`
        kind: u32,
        flags: u32,
        header_size: u32,
        expression: Box<Expression>,
    },
    Match(Xtables),
    Target(Xtables),
    Unknown(UnknownExpression),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjrefTarget {
    Name { kind: u32, name: Name },
    Map { sreg: Register, set: Name },
}

/// An expression this build cannot read: its name, the bytes of `NFTA_EXPR_DATA`, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UnknownExpression {
    pub name: Name,
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
    pub why: String,
}

impl Expression {
    /// The kernel's name of the expression.
    pub fn kernel_name(&self) -> &str {
        match self {
            Expression::Immediate { .. } => "immediate",
            Expression::Cmp { .. } => "cmp",
            Expression::Range { .. } => "range",
            Expression::Bitwise { .. } => "bitwise",
            Expression::Byteorder { .. } => "byteorder",
            Expression::Payload { .. } | Expression::PayloadSet { .. } => "payload",
            Expression::Exthdr { .. }
            | Expression::ExthdrSet { .. }
            | Expression::ExthdrReset { .. } => "exthdr",
            Expression::Meta { .. } | Expression::MetaSet { .. } => "meta",
            Expression::Ct { .. } | Expression::CtSet { .. } => "ct",
            Expression::Rt { .. } => "rt",
            Expression::Socket { .. } => "socket",
            Expression::Osf { .. } => "osf",
            Expression::Fib { .. } => "fib",
            Expression::Hash { .. } => "hash",
            Expression::Numgen { .. } => "numgen",
            Expression::Lookup { .. } => "lookup",
            Expression::Dynset { .. } => "dynset",
            Expression::Objref { .. } => "objref",
            Expression::Counter(_) => "counter",
            Expression::Quota(_) => "quota",
            Expression::Limit(_) => "limit",
            Expression::Connlimit { .. } => "connlimit",
            Expression::Last { .. } => "last",
            Expression::Log { .. } => "log",
            Expression::Reject { .. } => "reject",
            Expression::Nat { .. } => "nat",
            Expression::Masq { .. } => "masq",
            Expression::Redir { .. } => "redir",
            Expression::Dup { .. } => "dup",
            Expression::Fwd { .. } => "fwd",
            Expression::Queue { .. } => "queue",
            Expression::Tproxy { .. } => "tproxy",
            Expression::Synproxy(_) => "synproxy",
            Expression::Notrack => "notrack",
            Expression::FlowOffload { .. } => "flow_offload",
            Expression::Tunnel { .. } => "tunnel",
            Expression::Xfrm { .. } => "xfrm",
            Expression::Inner { .. } => "inner",
            Expression::Match(_) => "match",
            Expression::Target(_) => "target",
            Expression::Unknown(unknown) => &unknown.name,
        }
    }
}
