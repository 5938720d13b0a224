//! Policy rules: `RTM_NEWRULE`, `struct fib_rule_hdr` and `FRA_*` in `linux/fib_rules.h`.

use super::prefix::Prefix;
use super::route::{RawAttribute, RouteKind};
use crate::model::Name;
use serde::{Deserialize, Serialize};

/// `FIB_RULE_*`
pub mod rule_flags {
    /// The selectors are negated as a whole.
    pub const INVERT: u32 = 2;
    /// The target of a goto does not exist.
    pub const UNRESOLVED: u32 = 4;
    /// The `iif` device does not exist.
    pub const IIF_DETACHED: u32 = 8;
    pub const OIF_DETACHED: u32 = 16;
    pub const FIND_SADDR: u32 = 0x1_0000;
}

/// `FR_ACT_*`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleAction {
    /// Look the destination up in a table.
    Lookup,
    /// Go on at the rule with this priority; `None`: not said.
    Goto(Option<u32>),
    Nop,
    Blackhole,
    Unreachable,
    Prohibit,
    Unknown(u8),
}

impl RuleAction {
    /// The number on the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            RuleAction::Lookup => 1,
            RuleAction::Goto(_) => 2,
            RuleAction::Nop => 3,
            RuleAction::Blackhole => RouteKind::Blackhole.to_wire(),
            RuleAction::Unreachable => RouteKind::Unreachable.to_wire(),
            RuleAction::Prohibit => RouteKind::Prohibit.to_wire(),
            RuleAction::Unknown(value) => value,
        }
    }
}

/// Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    pub start: u16,
    pub end: u16,
    /// `FRA_SPORT_MASK`, `FRA_DPORT_MASK`
    pub mask: Option<u16>,
}

/// Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UidRange {
    pub start: u32,
    pub end: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// `AF_INET`, `AF_INET6`, ...
    pub family: u8,
    /// Rules are walked by ascending priority, then in order of insertion.
    pub priority: u32,
    /// See [`rule_flags`].
    pub flags: u32,
    pub action: RuleAction,
    /// Table to look in; 0 when the action is another one or the table is that of the device's VRF.
    pub table: u32,
    pub src: Option<Prefix>,
    /// Prefix length of a source selector without an address (`from 0/N`).
    pub src_len: u8,
    pub dst: Option<Prefix>,
    pub dst_len: u8,
    /// 0 matches all.
    pub tos: u8,
    pub mark: Option<u32>,
    pub mask: Option<u32>,
    /// `lo` stands for packets of this machine.
    pub iif: Option<Name>,
    /// Matches sockets bound to the device.
    pub oif: Option<Name>,
    /// Look in the table of the VRF that the device belongs to.
    pub l3mdev: Option<u8>,
    pub uid: Option<UidRange>,
    /// `IPPROTO_*`
    pub ipproto: Option<u8>,
    pub sport: Option<PortRange>,
    pub dport: Option<PortRange>,
    /// Network byte order on the wire, a plain number here.
    pub tunnel: Option<u64>,
    pub dscp: Option<u8>,
    pub dscp_mask: Option<u8>,
    pub flow_label: Option<u32>,
    pub flow_label_mask: Option<u32>,
    /// Ignore a result whose prefix is not longer than this; -1: off.
    pub suppress_prefix_length: Option<i32>,
    /// Ignore a result through a device of this group; -1: off.
    pub suppress_group: Option<i32>,
    /// Realms: from in the upper, to in the lower 16 bits.
    pub realms: Option<u32>,
    /// Who made the rule (`RTPROT_*`).
    pub protocol: Option<u8>,
    /// Attributes that this build does not know, byte for byte.
    pub unknown: Vec<RawAttribute>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl PolicyRule {
    /// Matches every packet and looks in table 0, which stands for none.
    pub fn new(family: u8) -> PolicyRule {
        PolicyRule {
            family,
            priority: 0,
            flags: 0,
            action: RuleAction::Lookup,
            table: 0,
            src: None,
            src_len: 0,
            dst: None,
            dst_len: 0,
            tos: 0,
            mark: None,
            mask: None,
            iif: None,
            oif: None,
            l3mdev: None,
            uid: None,
            ipproto: None,
            sport: None,
            dport: None,
            tunnel: None,
            dscp: None,
            dscp_mask: None,
            flow_label: None,
            flow_label_mask: None,
            suppress_prefix_length: None,
            suppress_group: None,
            realms: None,
            protocol: None,
            unknown: Vec::new(),
            raw: Vec::new(),
        }
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}
