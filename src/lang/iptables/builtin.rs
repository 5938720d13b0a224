//! The tables and base chains that iptables-nft knows; it leaves others to nft.

use crate::model::Family;

/// A base chain: its name, type, hook and priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinChain {
    pub name: &'static str,
    pub kind: &'static str,
    pub hook: u32,
    pub priority: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinTable {
    pub name: &'static str,
    /// In the order of hooks.
    pub chains: &'static [BuiltinChain],
}

const fn chain(name: &'static str, kind: &'static str, hook: u32, priority: i32) -> BuiltinChain {
    BuiltinChain {
        name,
        kind,
        hook,
        priority,
    }
}

/// In the order in which `iptables-nft-save` prints them.
#[rustfmt::skip]
const INET: &[BuiltinTable] = &[
    BuiltinTable { name: "mangle", chains: &[
        chain("PREROUTING", "filter", 0, -150), chain("INPUT", "filter", 1, -150),
        chain("FORWARD", "filter", 2, -150), chain("OUTPUT", "route", 3, -150),
        chain("POSTROUTING", "filter", 4, -150),
    ] },
    BuiltinTable { name: "security", chains: &[
        chain("INPUT", "filter", 1, 150), chain("FORWARD", "filter", 2, 150), chain("OUTPUT", "filter", 3, 150),
    ] },
    BuiltinTable { name: "raw", chains: &[
        chain("PREROUTING", "filter", 0, -300), chain("OUTPUT", "filter", 3, -300),
    ] },
    BuiltinTable { name: "filter", chains: &[
        chain("INPUT", "filter", 1, 0), chain("FORWARD", "filter", 2, 0), chain("OUTPUT", "filter", 3, 0),
    ] },
    BuiltinTable { name: "nat", chains: &[
        chain("PREROUTING", "nat", 0, -100), chain("INPUT", "nat", 1, 100),
        chain("OUTPUT", "nat", 3, -100), chain("POSTROUTING", "nat", 4, 100),
    ] },
];

#[rustfmt::skip]
const BRIDGE: &[BuiltinTable] = &[
    BuiltinTable { name: "filter", chains: &[
        chain("INPUT", "filter", 1, -200), chain("FORWARD", "filter", 2, -200), chain("OUTPUT", "filter", 3, -200),
    ] },
    BuiltinTable { name: "nat", chains: &[
        chain("PREROUTING", "filter", 0, -300), chain("OUTPUT", "filter", 3, 100),
        chain("POSTROUTING", "filter", 4, 300),
    ] },
];

#[rustfmt::skip]
const ARP: &[BuiltinTable] = &[
    BuiltinTable { name: "filter", chains: &[
        chain("INPUT", "filter", 0, 0), chain("OUTPUT", "filter", 1, 0),
    ] },
];

pub fn tables(family: Family) -> &'static [BuiltinTable] {
    match family {
        Family::Ip | Family::Ip6 => INET,
        Family::Bridge => BRIDGE,
        Family::Arp => ARP,
        _ => &[],
    }
}

pub fn table(family: Family, name: &str) -> Option<&'static BuiltinTable> {
    tables(family).iter().find(|table| table.name == name)
}
