//! Matches on conntrack.

use super::Context;
use crate::lang::iptables::format::{not, quoted, range, w};
use crate::model::xtables::layout::Net16;
use crate::model::xtables::state::*;

/// Names of state bits, in the order in which they are printed.
pub const STATES: [(&str, u16); 7] = [
    ("INVALID", 0x01),
    ("NEW", 0x08),
    ("RELATED", 0x04),
    ("ESTABLISHED", 0x02),
    ("UNTRACKED", 0x100),
    ("SNAT", 0x40),
    ("DNAT", 0x80),
];

/// Names of status bits (`IPS_*`).
pub const STATUSES: [(&str, u16); 4] = [
    ("EXPECTED", 1),
    ("SEEN_REPLY", 2),
    ("ASSURED", 4),
    ("CONFIRMED", 8),
];

fn bits(out: &mut String, names: &[(&str, u16)], bits: u16) {
    let set: Vec<&str> = names
        .iter()
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(name, _)| *name)
        .collect();
    out.push_str(&set.join(","));
}

macro_rules! up {
    ($from:ty, $port:expr) => {
        /// Ports become host values and ranges of one port.
        impl From<&$from> for Conntrack3 {
            fn from(c: &$from) -> Conntrack3 {
                let port: fn(Net16) -> u16 = $port;
                Conntrack3 {
                    connection: c.connection.clone(),
                    l4proto: c.l4proto,
                    origsrc_port: port(c.origsrc_port),
                    origdst_port: port(c.origdst_port),
                    replsrc_port: port(c.replsrc_port),
                    repldst_port: port(c.repldst_port),
                    match_flags: c.match_flags,
                    invert_flags: c.invert_flags,
                    state_mask: u16::from(c.state_mask),
                    status_mask: u16::from(c.status_mask),
                    origsrc_port_high: 0,
                    origdst_port_high: 0,
                    replsrc_port_high: 0,
                    repldst_port_high: 0,
                }
            }
        }
    };
}
up!(Conntrack1, |port| port.0);
up!(Conntrack2, |port| port.0);

impl From<&Conntrack3> for Conntrack3 {
    fn from(c: &Conntrack3) -> Conntrack3 {
        c.clone()
    }
}

pub fn conntrack(c: &Conntrack3, cx: &Context<'_>, out: &mut String) {
    let has = |bit: u16| c.match_flags & 1 << bit != 0;
    let inverted = |bit: u16| c.invert_flags & 1 << bit != 0;
    if has(0) {
        not(out, inverted(0));
        out.push_str(if has(13) { " --state " } else { " --ctstate " });
        bits(out, &STATES, c.state_mask);
    }
    if has(1) {
        not(out, inverted(1));
        w!(out, " --ctproto {}", c.l4proto);
    }
    for (bit, word, addr, mask) in [
        (
            2,
            "ctorigsrc",
            &c.connection.origsrc_addr,
            &c.connection.origsrc_mask,
        ),
        (
            3,
            "ctorigdst",
            &c.connection.origdst_addr,
            &c.connection.origdst_mask,
        ),
        (
            4,
            "ctreplsrc",
            &c.connection.replsrc_addr,
            &c.connection.replsrc_mask,
        ),
        (
            5,
            "ctrepldst",
            &c.connection.repldst_addr,
            &c.connection.repldst_mask,
        ),
    ] {
        if has(bit) {
            not(out, inverted(bit));
            w!(out, " --{word} {}{}", cx.addr(addr.0), cx.mask(mask.0));
        }
    }
    for (bit, option, low, high) in [
        (8, "--ctorigsrcport", c.origsrc_port, c.origsrc_port_high),
        (9, "--ctorigdstport", c.origdst_port, c.origdst_port_high),
        (10, "--ctreplsrcport", c.replsrc_port, c.replsrc_port_high),
        (11, "--ctrepldstport", c.repldst_port, c.repldst_port_high),
    ] {
        if has(bit) {
            not(out, inverted(bit));
            range(out, option, low, if high == 0 { low } else { high });
        }
    }
    if has(6) {
        not(out, inverted(6));
        out.push_str(" --ctstatus ");
        if c.status_mask == 0 {
            out.push_str("NONE");
        }
        bits(out, &STATUSES, c.status_mask);
    }
    if has(7) {
        not(out, inverted(7));
        range(
            out,
            "--ctexpire",
            c.connection.expires_min,
            c.connection.expires_max,
        );
    }
    if has(12) {
        out.push_str(if inverted(12) {
            " --ctdir REPLY"
        } else {
            " --ctdir ORIGINAL"
        });
    }
}

pub fn state(state: &State, out: &mut String) {
    out.push_str(" --state ");
    let (named, _) = STATES.split_at(5);
    bits(out, named, state.statemask as u16);
}

pub fn connbytes(c: &Connbytes, out: &mut String) {
    let (from, to) = (c.from.min(c.to), c.from.max(c.to));
    not(out, c.from > c.to);
    w!(out, " --connbytes {from}");
    if to != 0 && to < u64::MAX {
        w!(out, ":{to}");
    }
    let mode = ["packets", "bytes", "avgpkt"]
        .get(usize::from(c.what))
        .unwrap_or(&"unknown");
    let direction = ["original", "reply", "both"]
        .get(usize::from(c.direction))
        .unwrap_or(&"unknown");
    w!(out, " --connbytes-mode {mode} --connbytes-dir {direction}");
}

pub fn connlabel(c: &Connlabel, cx: &Context<'_>, out: &mut String) {
    not(out, c.options & 1 != 0);
    match cx.names.xtables_labels.get(&u32::from(c.bit)) {
        Some(name) => w!(out, " --label \"{name}\""),
        None => w!(out, " --label \"{}\"", c.bit),
    }
    if c.options & 2 != 0 {
        out.push_str(" --set");
    }
}

pub fn connlimit(c: &Connlimit, cx: &Context<'_>, out: &mut String) {
    let option = if c.flags & 1 != 0 { "upto" } else { "above" };
    w!(out, " --connlimit-{option} {}", c.limit);
    // iptables counts the bits up to the highest zero, also in masks that are not prefixes.
    let width = if cx.is_ip6() { 16 } else { 4 };
    let mask = c.mask.0.get(..width).unwrap_or_default();
    let bits: u32 = mask
        .chunks_exact(4)
        .map(|word| {
            let word = word
                .iter()
                .fold(0u32, |all, &byte| all << 8 | u32::from(byte));
            (!word).leading_zeros()
        })
        .sum();
    w!(out, " --connlimit-mask {bits}");
    out.push_str(if c.flags & 2 != 0 {
        " --connlimit-daddr"
    } else {
        " --connlimit-saddr"
    });
}

pub fn helper(helper: &Helper, out: &mut String) {
    not(out, helper.invert != 0);
    out.push_str(" --helper");
    quoted(out, &helper.name.text());
}

pub fn cluster(c: &Cluster, out: &mut String) {
    not(out, c.flags & 1 != 0);
    w!(
        out,
        " --cluster-local-nodemask 0x{:08x} --cluster-total-nodes {} --cluster-hash-seed 0x{:08x}",
        c.node_mask,
        c.total_nodes,
        c.hash_seed
    );
}
