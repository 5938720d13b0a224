//! Names that the machine gives to numbers. Plain data: who has a machine fills it in.

use super::network::RouteNames;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Looked up when a number is printed; everything may be empty, then numbers are printed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    /// Interface index to name.
    pub interfaces: BTreeMap<u32, String>,
    /// `/etc/protocols`
    pub protocols: BTreeMap<u8, String>,
    /// `/etc/iproute2/rt_marks`
    pub marks: BTreeMap<u32, String>,
    /// `/etc/iproute2/rt_realms`
    pub realms: BTreeMap<u32, String>,
    /// `/etc/iproute2/group`
    pub device_groups: BTreeMap<u32, String>,
    /// `/etc/connlabel.conf`, for nft: bit to name.
    pub conntrack_labels: BTreeMap<u32, String>,
    /// `/etc/xtables/connlabel.conf`, for iptables: bit to name.
    #[serde(default)]
    pub xtables_labels: BTreeMap<u32, String>,
    /// Those of routing: iproute2's own and its files'.
    #[serde(default)]
    pub routing: RouteNames,
    /// Inode of a cgroup v2 directory to its path below the mount point.
    pub cgroups: BTreeMap<u64, String>,
    /// Sets of ipset by their number in this network namespace.
    #[serde(default)]
    pub ipsets: BTreeMap<u16, String>,
    /// `/etc/ethertypes`
    #[serde(default)]
    pub ethertypes: BTreeMap<u16, String>,
    /// Netlink port of a table's owner to the name of the process.
    pub processes: BTreeMap<u32, String>,
    /// Of the machine that looks, not of the one that was looked at.
    #[serde(skip)]
    pub zone: Zone,
}

/// The local time zone, as the offset it has at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    /// Seconds east of UTC at this Unix time.
    pub offset_at: fn(i64) -> i32,
    /// Seconds east of UTC now.
    pub offset_now: i32,
}

impl Default for Zone {
    fn default() -> Zone {
        Zone {
            offset_at: |_| 0,
            offset_now: 0,
        }
    }
}

/// Read a table of iproute2: lines of a number (decimal, or hexadecimal with `0x`) and a name.
pub fn parse_number_table(text: &str) -> BTreeMap<u32, String> {
    let mut table = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(number), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        let number = match number.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        if let Ok(number) = number {
            table.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    table
}

/// Read `/etc/protocols`: name, number, aliases.
pub fn parse_protocols(text: &str) -> BTreeMap<u8, String> {
    let mut table = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if let (Some(name), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) {
            table.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    table
}

/// Read `/etc/ethertypes`: name, number (hexadecimal), aliases.
pub fn parse_ethertypes(text: &str) -> BTreeMap<u16, String> {
    let mut table = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if let (Some(name), Some(number)) = (words.next(), words.next())
            && let Ok(number) = u16::from_str_radix(number.trim_start_matches("0x"), 16)
        {
            table.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let marks = parse_number_table("# comment\n0x10\thigh\n 7 low # x\nbad line\n");
        assert_eq!(marks[&16], "high");
        assert_eq!(marks[&7], "low");
        assert_eq!(marks.len(), 2);
        let protocols = parse_protocols("tcp\t6\tTCP # transmission\n# udp 17\n");
        assert_eq!(protocols[&6], "tcp");
        assert_eq!(protocols.len(), 1);
    }
}
