//! The legacy tables (`ip_tables`, `ip6_tables`, `arp_tables`, `ebtables`) as plain values.
//!
//! A rule holds what all of them have: a header match of its family, matches, a target and counters. The same
//! form is what iptables-nft's rules are read back into, so that both backends are printed alike.
//! Uses nothing but the rest of `model`.

use super::super::expression::{Counter, Xtables};
use super::super::family::Family;
use super::super::text::Name;
use serde::{Deserialize, Serialize};

/// One table, as `IPT_SO_GET_ENTRIES` returns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyTable {
    pub family: Family,
    pub name: Name,
    /// Built-in chains and user chains in the order of the kernel's blob.
    pub chains: Vec<LegacyChain>,
}

impl LegacyTable {
    pub fn chain(&self, name: &str) -> Option<&LegacyChain> {
        self.chains.iter().find(|chain| &*chain.name == name)
    }
}

/// What happens at the end of a built-in chain, and what it counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyPolicy {
    /// `NF_INET_*`, `NF_ARP_*` or `NF_BR_*` hook number.
    pub hook: u32,
    pub verdict: LegacyVerdict,
    pub counters: Counter,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyChain {
    pub name: Name,
    /// `None` for a user chain, which returns at its end.
    pub policy: Option<LegacyPolicy>,
    pub rules: Vec<LegacyRule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegacyVerdict {
    Accept,
    Drop,
    Queue,
    Return,
    /// ebtables' `CONTINUE`: the next rule.
    Continue,
    /// A value of the kernel without a name here.
    Unknown(i32),
}

/// What a rule does with a packet that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LegacyTarget {
    /// A rule without a target: only counts.
    Nothing,
    Verdict(LegacyVerdict),
    Jump(Name),
    Goto(Name),
    Extension(Xtables),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyRule {
    pub header: Header,
    pub matches: Vec<Xtables>,
    /// Bridge tables only: what is run before the target, for logging.
    pub watchers: Vec<Xtables>,
    pub target: LegacyTarget,
    pub counters: Counter,
}

/// The match on the packet's header that every rule of a family has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Header {
    Ip(IpHeader),
    Ip6(Ip6Header),
    Arp(Box<ArpHeader>),
    Bridge(BridgeHeader),
}

/// A device name with the mask of the bytes that count: all of them and a NUL, or a prefix (`eth+`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub name: [u8; 16],
    pub mask: [u8; 16],
}

/// `struct ipt_ip`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpHeader {
    pub src: [u8; 4],
    pub dst: [u8; 4],
    pub smsk: [u8; 4],
    pub dmsk: [u8; 4],
    pub input: Device,
    pub output: Device,
    /// 0 for any.
    pub proto: u16,
    /// 1 `IPT_F_FRAG`, 2 `IPT_F_GOTO`
    pub flags: u8,
    /// `IPT_INV_*`: 1 input, 2 output, 4 TOS, 8 source, 0x10 destination, 0x20 fragment, 0x40 protocol
    pub invflags: u8,
}

/// `struct ip6t_ip6`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip6Header {
    pub src: [u8; 16],
    pub dst: [u8; 16],
    pub smsk: [u8; 16],
    pub dmsk: [u8; 16],
    pub input: Device,
    pub output: Device,
    pub proto: u16,
    pub tos: u8,
    /// 1 `IP6T_F_PROTO`, 2 `IP6T_F_TOS`, 4 `IP6T_F_GOTO`
    pub flags: u8,
    /// `IP6T_INV_*`, as in IPv4
    pub invflags: u8,
}

/// A hardware address with its mask (`struct arpt_devaddr_info`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAddress {
    pub addr: [u8; 16],
    pub mask: [u8; 16],
}

/// `struct arpt_arp`. 16-bit numbers are host values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpHeader {
    pub src: [u8; 4],
    pub tgt: [u8; 4],
    pub smsk: [u8; 4],
    pub tmsk: [u8; 4],
    pub arhln: u8,
    pub arhln_mask: u8,
    pub src_devaddr: DeviceAddress,
    pub tgt_devaddr: DeviceAddress,
    pub arpop: u16,
    pub arpop_mask: u16,
    pub arhrd: u16,
    pub arhrd_mask: u16,
    pub arpro: u16,
    pub arpro_mask: u16,
    pub input: Device,
    pub output: Device,
    pub flags: u8,
    /// `ARPT_INV_*`: 1 input, 2 output, 4 source IP, 8 target IP, 0x10 source device, 0x20 target device,
    /// 0x40 operation, 0x80 hardware type, 0x100 protocol, 0x200 hardware length
    pub invflags: u16,
}

/// The header part of `struct ebt_entry`. Bit numbers as in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeHeader {
    /// 1 any protocol, 2 802.3 (length instead of type), 4 source MAC, 8 destination MAC
    pub bitmask: u32,
    /// `EBT_I*`: 1 protocol, 2 input, 4 output, 8 source, 0x10 destination, 0x20 logical in, 0x40 logical out
    pub invflags: u32,
    /// host value
    pub ethproto: u16,
    /// A last byte `+` stands for any rest.
    pub input: [u8; 16],
    pub logical_input: [u8; 16],
    pub output: [u8; 16],
    pub logical_output: [u8; 16],
    pub source: [u8; 6],
    pub source_mask: [u8; 6],
    pub destination: [u8; 6],
    pub destination_mask: [u8; 6],
}
