//! Matches on conntrack.

use super::{Context, Pieces, add, ne, range};
use crate::lang::iptables::format::{mask4, mask6};
use crate::model::xtables::layout::Addr16;
use crate::model::xtables::state::*;

/// `XT_CONNTRACK_*`
mod has {
    pub const STATE: u16 = 1;
    pub const PROTO: u16 = 2;
    pub const ORIGSRC: u16 = 4;
    pub const ORIGDST: u16 = 8;
    pub const REPLSRC: u16 = 0x10;
    pub const REPLDST: u16 = 0x20;
    pub const STATUS: u16 = 0x40;
    pub const EXPIRES: u16 = 0x80;
    pub const ORIGSRC_PORT: u16 = 0x100;
    pub const ORIGDST_PORT: u16 = 0x200;
    pub const REPLSRC_PORT: u16 = 0x400;
    pub const REPLDST_PORT: u16 = 0x800;
    pub const DIRECTION: u16 = 0x1000;
}

const STATES: [(&str, u16); 5] = [
    ("invalid", 1),
    ("new", 8),
    ("related", 4),
    ("established", 2),
    ("untracked", 0x100),
];
const SNAT: u16 = 0x40;
const DNAT: u16 = 0x80;

const STATUSES: [(&str, u16); 4] = [
    ("expected", 1),
    ("seen-reply", 2),
    ("assured", 4),
    ("confirmed", 8),
];

fn bits(names: &[(&str, u16)], bits: u16, inverted: bool, out: &mut Pieces) {
    if inverted {
        out.add("! ");
    }
    let mut comma = "";
    for (name, _) in names.iter().filter(|(_, bit)| bits & bit != 0) {
        add!(out, "{comma}{name}");
        comma = ",";
    }
}

pub fn conntrack(c: &Conntrack3, cx: &Context<'_>, out: &mut Pieces) {
    let has = |bit: u16| c.match_flags & bit != 0;
    let inverted = |bit: u16| c.invert_flags & bit != 0;
    let mut space = "";
    let direction = if inverted(has::DIRECTION) {
        "reply"
    } else {
        "original"
    };
    if has(has::DIRECTION) {
        add!(out, "ct direction {direction}");
        space = " ";
    }
    if has(has::PROTO) {
        add!(
            out,
            "{space}ct {direction} protocol {}{}",
            ne(inverted(has::PROTO)),
            c.l4proto
        );
        space = " ";
    }
    if has(has::STATE) {
        if c.state_mask & (SNAT | DNAT) != 0 {
            let not = if inverted(has::STATUS) { "!=" } else { "" };
            let kind = if c.state_mask & SNAT != 0 {
                "snat"
            } else {
                "dnat"
            };
            add!(out, "{space}ct status {not}{kind}");
        } else {
            add!(out, "{space}ct state ");
            bits(&STATES, c.state_mask, inverted(has::STATE), out);
        }
        space = " ";
    }
    if has(has::STATUS) {
        add!(out, "{space}ct status ");
        bits(&STATUSES, c.status_mask, inverted(has::STATUS), out);
        space = " ";
    }
    if has(has::EXPIRES) {
        add!(out, "{space}ct expiration {}", ne(inverted(has::EXPIRES)));
        out.add(range([c.connection.expires_min, c.connection.expires_max]));
        space = " ";
    }
    let addresses = [
        (
            has::ORIGSRC,
            "original saddr",
            c.connection.origsrc_addr,
            c.connection.origsrc_mask,
        ),
        (
            has::ORIGDST,
            "original daddr",
            c.connection.origdst_addr,
            c.connection.origdst_mask,
        ),
        (
            has::REPLSRC,
            "reply saddr",
            c.connection.replsrc_addr,
            c.connection.replsrc_mask,
        ),
        (
            has::REPLDST,
            "reply daddr",
            c.connection.repldst_addr,
            c.connection.repldst_mask,
        ),
    ];
    for (bit, key, Addr16(addr), mask) in addresses {
        if has(bit) {
            let mask = if cx.is_ip6() {
                mask6(mask.0)
            } else {
                mask4(mask.v4().0)
            };
            add!(out, "{space}ct {key} {}", ne(inverted(bit)));
            add!(out, "{}{mask}", cx.addr(addr));
            space = " ";
        }
    }
    let ports = [
        (
            has::ORIGSRC_PORT,
            "original proto-src",
            [c.origsrc_port, c.origsrc_port_high],
        ),
        (
            has::ORIGDST_PORT,
            "original proto-dst",
            [c.origdst_port, c.origdst_port_high],
        ),
        (
            has::REPLSRC_PORT,
            "reply proto-src",
            [c.replsrc_port, c.replsrc_port_high],
        ),
        (
            has::REPLDST_PORT,
            "reply proto-dst",
            [c.repldst_port, c.repldst_port_high],
        ),
    ];
    for (bit, key, ports) in ports {
        if has(bit) {
            add!(out, "{space}ct {key} {}", ne(inverted(bit)));
            out.add(range(ports));
            space = " ";
        }
    }
}

pub fn connbytes(c: &Connbytes, out: &mut Pieces) -> Option<()> {
    out.add("ct ");
    match c.direction {
        0 => out.add("original "),
        1 => out.add("reply "),
        2 => {}
        _ => return None,
    }
    out.add(match c.what {
        0 => "packets ",
        1 => "bytes ",
        2 => "avgpkt ",
        _ => return None,
    });
    let inverted = c.from > c.to;
    let (from, to) = (c.from.min(c.to), c.from.max(c.to));
    if from == to {
        add!(out, "{from}");
    } else if to == u64::MAX {
        add!(out, "{} {from}", if inverted { "lt" } else { "ge" });
    } else {
        add!(out, "{}{from}-{to}", ne(inverted));
    }
    Some(())
}

pub fn connlabel(c: &Connlabel, cx: &Context<'_>, out: &mut Pieces) {
    let name = match cx.names.xtables_labels.get(&u32::from(c.bit)) {
        Some(name) => name.clone(),
        None => c.bit.to_string(),
    };
    if c.options & 2 != 0 {
        add!(out, "ct label set {name} ");
    }
    out.add("ct label ");
    if c.options & 1 != 0 {
        add!(out, "and {name} != ");
    }
    out.add(name);
}

pub fn cluster(c: &Cluster, out: &mut Pieces) {
    const HERE: &str = "meta pkttype set host";
    let head = format!(
        "jhash ct original saddr mod {} seed 0x{:08x}",
        c.total_nodes, c.hash_seed
    );
    if c.node_mask.count_ones() <= 1 {
        let node = if c.node_mask <= 2 {
            c.node_mask
        } else {
            32 - c.node_mask.leading_zeros()
        };
        add!(out, "{head} eq {node} {HERE}");
        return;
    }
    add!(out, "{head} ");
    out.add("{ ");
    let mut comma = "";
    for node in (0..32).filter(|node| c.node_mask & 1 << node != 0) {
        out.add(comma);
        comma = ", ";
        add!(out, "{node}");
    }
    out.add(" }");
    add!(out, " {HERE}");
}
