//! Matches on transport headers.

use crate::lang::iptables::format::{not, range, w};
use crate::model::xtables::protocol::*;

const TCP_FLAGS: [(&str, u8); 6] = [
    ("FIN", 0x01),
    ("SYN", 0x02),
    ("RST", 0x04),
    ("PSH", 0x08),
    ("ACK", 0x10),
    ("URG", 0x20),
];

fn ports(out: &mut String, option: &str, ports: [u16; 2], inverted: bool) {
    if ports != [0, 0xffff] {
        not(out, inverted);
        range(out, option, ports[0], ports[1]);
    }
}

fn tcp_flags(out: &mut String, flags: u8) {
    let mut first = true;
    for (name, flag) in TCP_FLAGS {
        if flags & flag != 0 {
            if !first {
                out.push(',');
            }
            out.push_str(name);
            first = false;
        }
    }
    if first {
        out.push_str("NONE");
    }
}

pub fn tcp(tcp: &Tcp, out: &mut String) {
    ports(out, "--sport", tcp.spts, tcp.invflags & 1 != 0);
    ports(out, "--dport", tcp.dpts, tcp.invflags & 2 != 0);
    if tcp.option != 0 || tcp.invflags & 8 != 0 {
        not(out, tcp.invflags & 8 != 0);
        w!(out, " --tcp-option {}", tcp.option);
    }
    if tcp.flg_mask != 0 || tcp.invflags & 4 != 0 {
        not(out, tcp.invflags & 4 != 0);
        out.push_str(" --tcp-flags ");
        tcp_flags(out, tcp.flg_mask);
        out.push(' ');
        tcp_flags(out, tcp.flg_cmp);
    }
}

pub fn udp(udp: &Udp, out: &mut String) {
    ports(out, "--sport", udp.spts, udp.invflags & 1 != 0);
    ports(out, "--dport", udp.dpts, udp.invflags & 2 != 0);
}

pub fn icmp(icmp: &Icmp, out: &mut String) {
    not(out, icmp.invflags & 1 != 0);
    if icmp.kind == 0xff {
        out.push_str(" --icmp-type any");
        return;
    }
    icmp_type("--icmp-type", icmp, out);
}

pub fn icmp6(icmp: &Icmp, out: &mut String) {
    not(out, icmp.invflags & 1 != 0);
    icmp_type("--icmpv6-type", icmp, out);
}

fn icmp_type(option: &str, icmp: &Icmp, out: &mut String) {
    w!(out, " {option} {}", icmp.kind);
    if icmp.code != [0, 0xff] {
        w!(out, "/{}", icmp.code[0]);
    }
}

/// Chunk types of SCTP: name, number, letters of the flags from bit 7 down.
#[rustfmt::skip]
pub const SCTP_CHUNKS: [(&str, u8, &str); 22] = [
    ("DATA", 0, "----IUBE"), ("INIT", 1, "--------"), ("INIT_ACK", 2, "--------"), ("SACK", 3, "--------"),
    ("HEARTBEAT", 4, "--------"), ("HEARTBEAT_ACK", 5, "--------"), ("ABORT", 6, "-------T"), ("SHUTDOWN", 7, "--------"),
    ("SHUTDOWN_ACK", 8, "--------"), ("ERROR", 9, "--------"), ("COOKIE_ECHO", 10, "--------"),
    ("COOKIE_ACK", 11, "--------"), ("ECN_ECNE", 12, "--------"), ("ECN_CWR", 13, "--------"),
    ("SHUTDOWN_COMPLETE", 14, "-------T"), ("I_DATA", 64, "----IUBE"), ("RE_CONFIG", 130, "--------"),
    ("PAD", 132, "--------"), ("ASCONF", 193, "--------"), ("ASCONF_ACK", 128, "--------"),
    ("FORWARD_TSN", 192, "--------"), ("I_FORWARD_TSN", 194, "--------"),
];

pub fn sctp(sctp: &Sctp, out: &mut String) {
    if sctp.flags & 1 != 0 {
        not(out, sctp.invflags & 1 != 0);
        range(out, "--sport", sctp.spts[0], sctp.spts[1]);
    }
    if sctp.flags & 2 != 0 {
        not(out, sctp.invflags & 2 != 0);
        range(out, "--dport", sctp.dpts[0], sctp.dpts[1]);
    }
    if sctp.flags & 4 != 0 {
        not(out, sctp.invflags & 4 != 0);
        out.push_str(" --chunk-types");
        chunks(sctp, out);
    }
}

fn chunks(sctp: &Sctp, out: &mut String) {
    out.push_str(match sctp.chunk_match_type {
        1 => " any",
        2 => " all",
        4 => " only",
        _ => " unknown",
    });
    if sctp.chunkmap.iter().all(|&word| word == 0) {
        out.push_str(" NONE");
        return;
    }
    if sctp.chunkmap.iter().all(|&word| word == u32::MAX) {
        out.push_str(" ALL");
        return;
    }
    let mut separator = ' ';
    for kind in 0..=255u8 {
        let word = sctp
            .chunkmap
            .get(usize::from(kind / 32))
            .copied()
            .unwrap_or(0);
        if word & 1 << (kind % 32) == 0 {
            continue;
        }
        out.push(separator);
        separator = ',';
        let known = SCTP_CHUNKS.iter().find(|(_, number, _)| *number == kind);
        if let Some((name, _, _)) = known {
            out.push_str(name);
        }
        let count = usize::try_from(sctp.flag_count).unwrap_or(0);
        for info in sctp.flag_info.iter().take(count) {
            if info.chunktype == kind && info.flag_mask != 0 {
                // iptables looks the letters up by the place in its table, not by the type.
                let letters = SCTP_CHUNKS
                    .get(usize::from(kind))
                    .map_or("--------", |row| row.2);
                out.push(':');
                for (n, letter) in letters.chars().enumerate() {
                    let bit = 0x80u8 >> n;
                    if info.flag_mask & bit != 0 {
                        let set = info.flag & bit != 0;
                        out.push(if set {
                            letter
                        } else {
                            letter.to_ascii_lowercase()
                        });
                    }
                }
            }
        }
    }
}

/// Packet types of DCCP in the order of their numbers; the last stands for all others.
pub const DCCP_TYPES: [&str; 11] = [
    "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC",
    "SYNCACK", "INVALID",
];

pub fn dccp(dccp: &Dccp, out: &mut String) {
    if dccp.flags & 1 != 0 {
        not(out, dccp.invflags & 1 != 0);
        range(out, "--sport", dccp.spts[0], dccp.spts[1]);
    }
    if dccp.flags & 2 != 0 {
        not(out, dccp.invflags & 2 != 0);
        range(out, "--dport", dccp.dpts[0], dccp.dpts[1]);
    }
    if dccp.flags & 4 != 0 {
        not(out, dccp.invflags & 4 != 0);
        out.push_str(" --dccp-types ");
        let types = DCCP_TYPES.iter().enumerate();
        let set: Vec<&str> = types
            .filter(|(n, _)| dccp.typemask & 1 << n != 0)
            .map(|(_, name)| *name)
            .collect();
        out.push_str(&set.join(","));
    }
    if dccp.flags & 8 != 0 {
        not(out, dccp.invflags & 8 != 0);
        w!(out, " --dccp-option {}", dccp.option);
    }
}

pub fn multiport(multiport: &Multiport, out: &mut String) {
    not(out, multiport.invert != 0);
    out.push_str(match multiport.flags {
        0 => " --sports ",
        1 => " --dports ",
        2 => " --ports ",
        _ => "",
    });
    let count = usize::from(multiport.count).min(multiport.ports.len());
    let mut separator = "";
    for (n, port) in multiport.ports.iter().take(count).enumerate() {
        w!(out, "{separator}{port}");
        let ranged = multiport.pflags.get(n).is_some_and(|&flag| flag != 0);
        separator = if ranged { ":" } else { "," };
    }
}

pub fn spi(spi: &Spi, option: &str, out: &mut String) {
    spis(option, spi.spis, spi.invflags & 1 != 0, out);
}

fn spis(option: &str, spis: [u32; 2], inverted: bool, out: &mut String) {
    if spis != [0, u32::MAX] {
        not(out, inverted);
        range(out, option, spis[0], spis[1]);
    }
}

pub fn ah6(ah: &Ah6, out: &mut String) {
    spis("--ahspi", ah.spis, ah.invflags & 1 != 0, out);
    if ah.hdrlen != 0 || ah.invflags & 2 != 0 {
        not(out, ah.invflags & 2 != 0);
        w!(out, " --ahlen {}", ah.hdrlen);
    }
    if ah.hdrres != 0 {
        out.push_str(" --ahres");
    }
}

pub fn ipcomp(ipcomp: &Ipcomp, out: &mut String) {
    spis("--ipcompspi", ipcomp.spis, ipcomp.invflags & 1 != 0, out);
    if ipcomp.hdrres != 0 {
        out.push_str(" --compres");
    }
}

pub fn tcpmss(mss: &TcpMss, out: &mut String) {
    not(out, mss.invert != 0);
    range(out, "--mss", mss.mss_min, mss.mss_max);
}
