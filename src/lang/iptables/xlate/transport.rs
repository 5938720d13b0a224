//! Matches on transport headers.

use super::{Context, Pieces, add, ne, not, range};
use crate::lang::iptables::icmp::{ICMP, ICMP6};
use crate::lang::iptables::save::SCTP_CHUNKS;
use crate::model::xtables::protocol::*;

const ALL: [u16; 2] = [0, u16::MAX];
const ALL_SPIS: [u32; 2] = [0, u32::MAX];

fn ports(name: &str, both: [([u16; 2], u8); 2], invflags: u8, out: &mut Pieces) {
    for ((ports, bit), side) in both.into_iter().zip(["sport", "dport"]) {
        if ports != ALL {
            add!(
                out,
                "{name} {side} {}{}",
                ne(invflags & bit != 0),
                range(ports)
            );
        }
    }
}

const TCP_FLAGS: [(&str, u8); 6] = [
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 0x10),
    ("urg", 0x20),
];

fn tcp_flags(flags: u8, out: &mut Pieces) {
    let mut comma = "";
    for (name, _) in TCP_FLAGS.iter().filter(|(_, bit)| flags & bit != 0) {
        add!(out, "{comma}{name}");
        comma = ",";
    }
    if comma.is_empty() {
        out.add("0x0");
    }
}

pub fn tcp(tcp: &Tcp, out: &mut Pieces) {
    ports("tcp", [(tcp.spts, 1), (tcp.dpts, 2)], tcp.invflags, out);
    if tcp.option != 0 {
        let there = if tcp.invflags & 8 != 0 {
            "missing"
        } else {
            "exists"
        };
        add!(out, "tcp option {} {there}", tcp.option);
    }
    let inverted = tcp.invflags & 4 != 0;
    if tcp.flg_mask != 0 || inverted {
        add!(out, "tcp flags {}", ne(inverted));
        tcp_flags(tcp.flg_cmp, out);
        out.add(" / ");
        tcp_flags(tcp.flg_mask, out);
    }
}

pub fn udp(udp: &Udp, out: &mut Pieces) {
    // libxtables looks at the bit of the source ports for both.
    ports("udp", [(udp.spts, 1), (udp.dpts, 1)], udp.invflags, out);
}

pub fn icmp(icmp: &Icmp, out: &mut Pieces) -> Option<()> {
    if icmp.kind == 0xff {
        out.add("ip protocol icmp");
        return Some(());
    }
    let [from, to] = icmp.code;
    let (name, ..) = ICMP
        .iter()
        .find(|one| from != to && (one.1, one.2, one.3) == (icmp.kind, from, to))?;
    add!(out, "icmp type{} {name}", not(icmp.invflags & 1 != 0));
    Some(())
}

pub fn icmp6(icmp: &Icmp, out: &mut Pieces) -> Option<()> {
    let [from, to] = icmp.code;
    if from == to {
        return None;
    }
    let name = match icmp.kind {
        133 => "nd-router-solicit",
        134 => "nd-router-advert",
        135 => "nd-neighbor-solicit",
        136 => "nd-neighbor-advert",
        137 => "nd-redirect",
        kind => {
            ICMP6
                .iter()
                .find(|one| (one.1, one.2, one.3) == (kind, from, to))?
                .0
        }
    };
    add!(out, "icmpv6 type{} {name}", not(icmp.invflags & 1 != 0));
    Some(())
}

pub fn sctp(sctp: &Sctp, out: &mut Pieces) -> Option<()> {
    if sctp.flags == 0 {
        return None;
    }
    for (ports, bit, side) in [(sctp.spts, 1, "sport"), (sctp.dpts, 2, "dport")] {
        if sctp.flags & bit != 0 {
            add!(
                out,
                "sctp {side}{} {}",
                not(sctp.invflags & bit != 0),
                range(ports)
            );
        }
    }
    if sctp.flags & 4 == 0 {
        return Some(());
    }
    const ANY: u32 = 1;
    const ONLY: u32 = 4;
    if sctp.chunk_match_type == ANY {
        return None;
    }
    let inverted = sctp.invflags & 4 != 0;
    for (name, kind, _) in SCTP_CHUNKS {
        let name = match name {
            "ECN_ECNE" => "ecne".to_owned(),
            "ECN_CWR" => "cwr".to_owned(),
            name => name.to_ascii_lowercase().replace('_', "-"),
        };
        let word = sctp
            .chunkmap
            .get(usize::from(kind) / 32)
            .copied()
            .unwrap_or(0);
        if word & 1 << (kind % 32) == 0 {
            if sctp.chunk_match_type == ONLY {
                add!(
                    out,
                    "sctp chunk {name} {}",
                    if inverted { "exists" } else { "missing" }
                );
            }
            continue;
        }
        let count = usize::try_from(sctp.flag_count).unwrap_or(0);
        let flags = sctp
            .flag_info
            .iter()
            .take(count)
            .find(|flags| flags.chunktype == kind);
        match flags {
            None => add!(
                out,
                "sctp chunk {name} {}",
                if inverted { "missing" } else { "exists" }
            ),
            Some(flags) => {
                let op = if inverted { "!=" } else { "==" };
                add!(
                    out,
                    "sctp chunk {name} flags & 0x{:x} {op} 0x{:x}",
                    flags.flag_mask,
                    flags.flag
                );
            }
        }
    }
    Some(())
}

pub fn dccp(dccp: &Dccp, out: &mut Pieces) -> Option<()> {
    for (ports, bit, side) in [(dccp.spts, 1, "sport"), (dccp.dpts, 2, "dport")] {
        if dccp.flags & bit != 0 {
            add!(
                out,
                "dccp {side}{} {}",
                not(dccp.invflags & bit != 0),
                range(ports)
            );
        }
    }
    if dccp.flags & 4 != 0 && dccp.typemask != 0 {
        const NAMES: [&str; 11] = [
            "request", "response", "data", "ack", "dataack", "closereq", "close", "reset", "sync",
            "syncack", "10-15",
        ];
        add!(out, "dccp type{} ", not(dccp.invflags & 4 != 0));
        let mut types = dccp.typemask & 0x3ff;
        if dccp.typemask & !0x3ff != 0 {
            types |= 1 << 10;
        }
        let several = types.count_ones() > 1;
        if several {
            out.add("{");
        }
        let mut first = true;
        for (bit, name) in NAMES.iter().enumerate() {
            if types & 1 << bit != 0 {
                if !first {
                    out.add(", ");
                }
                first = false;
                out.add(name);
            }
        }
        if several {
            out.add("}");
        }
    }
    (dccp.flags & 8 == 0).then_some(())
}

pub fn multiport(m: &Multiport, cx: &Context<'_>, out: &mut Pieces) {
    let proto = match cx.proto {
        6 => "tcp",
        17 => "udp",
        136 => "udplite",
        132 => "sctp",
        33 => "dccp",
        _ => "(null)",
    };
    out.add(proto);
    let count = usize::from(m.count).min(m.ports.len());
    let ports = m.ports.get(..count).unwrap_or(&m.ports);
    match m.flags {
        0 => out.add(" sport "),
        1 => out.add(" dport "),
        2 => {
            add!(out, " sport . {proto} dport {{ ");
            for (n, port) in ports.iter().enumerate() {
                if n > 0 {
                    out.add(", ");
                }
                add!(out, "0-65535 . {port}, {port} . 0-65535");
            }
            out.add(" }");
            return;
        }
        _ => {}
    }
    if m.invert != 0 {
        out.add("!= ");
    }
    let one_range = m.pflags.first().is_some_and(|&flag| flag != 0);
    let several = count > 2 || (count > 1 && !one_range);
    if several {
        out.add("{ ");
    }
    let mut rest = ports.iter().zip(&m.pflags);
    let mut comma = "";
    while let Some((port, flag)) = rest.next() {
        add!(out, "{comma}{port}");
        comma = ", ";
        if *flag != 0
            && let Some((to, _)) = rest.next()
        {
            add!(out, "-{to}");
        }
    }
    if several {
        out.add("}");
    }
}

pub fn esp(esp: &Spi, out: &mut Pieces) {
    if esp.spis != ALL_SPIS {
        add!(out, "esp spi{}", not(esp.invflags & 1 != 0));
        add!(out, " {}", range(esp.spis));
    }
}

pub fn ah(ah: &Spi, out: &mut Pieces) {
    if ah.spis != ALL_SPIS {
        add!(out, "ah spi{} ", not(ah.invflags & 1 != 0));
        out.add(range(ah.spis));
    }
}

pub fn ah6(ah: &Ah6, out: &mut Pieces) {
    let mut space = "";
    if ah.spis != ALL_SPIS {
        add!(out, "ah spi{} ", not(ah.invflags & 1 != 0));
        out.add(range(ah.spis));
        space = " ";
    }
    if ah.hdrlen != 0 || ah.invflags & 2 != 0 {
        add!(
            out,
            "{space}ah hdrlength{} {}",
            not(ah.invflags & 2 != 0),
            ah.hdrlen
        );
        space = " ";
    }
    if ah.hdrres != 0 {
        add!(out, "{space}ah reserved {}", ah.hdrres);
        space = " ";
    }
    if space.is_empty() {
        out.add("meta l4proto ah");
    }
}

pub fn ipcomp(ipcomp: &Ipcomp, out: &mut Pieces) {
    add!(out, "comp cpi {}", ne(ipcomp.invflags & 1 != 0));
    out.add(range(ipcomp.spis));
}

pub fn tcpmss(mss: &TcpMss, out: &mut Pieces) {
    add!(out, "tcp option maxseg size {}", ne(mss.invert != 0));
    out.add(range([mss.mss_min, mss.mss_max]));
}
