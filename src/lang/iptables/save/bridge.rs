//! Extensions of bridge tables. Here a space follows every word.

use super::{Context, rate};
use crate::lang::iptables::format::{self, w};
use crate::lang::iptables::icmp::{ICMP, ICMP6, IGMP, IcmpName};
use crate::model::xtables::bridge::*;
use crate::model::xtables::layout::{Addr4, Addr16};
use crate::model::xtables::target::Nflog;

/// `! ` where a condition is inverted.
fn no(inverted: bool) -> &'static str {
    if inverted { "! " } else { "" }
}

/// `EBT_ACCEPT` and the rest, from -1 down.
pub fn verdict(target: i32) -> &'static str {
    match target {
        -1 => "ACCEPT",
        -2 => "DROP",
        -3 => "CONTINUE",
        -4 => "RETURN",
        _ => "unknown",
    }
}

/// Only the lowest four bits are the verdict.
const VERDICT_BITS: i32 = 0xf;

pub fn limit(limit: &EbtLimit, out: &mut String) {
    rate::bridge_limit(limit.avg, limit.burst, out);
}

pub fn ieee8023(x: &Ebt8023, out: &mut String) {
    if x.bitmask & 1 != 0 {
        w!(
            out,
            "--802_3-sap {}0x{:02x} ",
            no(x.invflags & 1 != 0),
            x.sap
        );
    }
    if x.bitmask & 2 != 0 {
        w!(
            out,
            "--802_3-type {}0x{:04x} ",
            no(x.invflags & 2 != 0),
            x.kind.0
        );
    }
}

pub const ARP_OPCODES: [&str; 9] = [
    "Request",
    "Reply",
    "Request_Reverse",
    "Reply_Reverse",
    "DRARP_Request",
    "DRARP_Reply",
    "DRARP_Error",
    "InARP_Request",
    "ARP_NAK",
];

pub fn arp(x: &EbtArp, out: &mut String) {
    let has = |bit: u8| x.bitmask & bit != 0;
    let no = |bit: u8| no(x.invflags & bit != 0);
    if has(1) {
        let name = usize::from(x.opcode.0)
            .checked_sub(1)
            .and_then(|n| ARP_OPCODES.get(n));
        match name {
            Some(name) => w!(out, "--arp-op {}{name} ", no(1)),
            None => w!(out, "--arp-op {}{} ", no(1), x.opcode.0),
        }
    }
    if has(2) {
        w!(out, "--arp-htype {}{} ", no(2), x.htype.0);
    }
    if has(4) {
        w!(out, "--arp-ptype {}0x{:x} ", no(4), x.ptype.0);
    }
    if has(8) {
        w!(
            out,
            "--arp-ip-src {}{}{} ",
            no(8),
            format::ip4(x.saddr.0),
            format::mask4(x.smsk.0)
        );
    }
    if has(0x10) {
        w!(
            out,
            "--arp-ip-dst {}{}{} ",
            no(0x10),
            format::ip4(x.daddr.0),
            format::mask4(x.dmsk.0)
        );
    }
    if has(0x20) {
        w!(
            out,
            "--arp-mac-src {}{} ",
            no(0x20),
            format::mac_and_mask(&x.smaddr, &x.smmsk)
        );
    }
    if has(0x40) {
        w!(
            out,
            "--arp-mac-dst {}{} ",
            no(0x40),
            format::mac_and_mask(&x.dmaddr, &x.dmmsk)
        );
    }
    if has(0x80) {
        w!(out, "{}--arp-gratuitous ", no(0x80));
    }
}

fn ports(ports: [u16; 2], out: &mut String) {
    if ports[0] == ports[1] {
        w!(out, "{} ", ports[0]);
    } else {
        w!(out, "{}:{} ", ports[0], ports[1]);
    }
}

fn protocol(number: u8, cx: &Context<'_>, out: &mut String) {
    match cx.names.protocols.get(&number) {
        Some(name) => w!(out, "{name} "),
        None => w!(out, "{number} "),
    }
}

fn icmp(names: &[IcmpName], kind: [u8; 2], code: Option<[u8; 2]>, out: &mut String) {
    let codes = |out: &mut String| match code {
        None => {}
        Some([a, b]) if a == b => w!(out, "/{a} "),
        Some([a, b]) => w!(out, "/{a}:{b} "),
    };
    if kind[0] != kind[1] {
        w!(out, "{}:{}", kind[0], kind[1]);
        codes(out);
        return;
    }
    let name = names
        .iter()
        .find(|row| row.1 == kind[0] && code.is_none_or(|code| [row.2, row.3] == code));
    match name {
        Some((name, _, _, _)) => w!(out, "{name} "),
        None => {
            w!(out, "{}", kind[0]);
            codes(out);
        }
    }
}

/// Addresses with their masks as text, and what IPv4 and IPv6 have alike: `name` is what the options begin with.
fn network(
    name: &str,
    [source, destination]: [String; 2],
    x: &EbtAbove,
    cx: &Context<'_>,
    out: &mut String,
) {
    let v4 = name == "ip";
    let has = |bit: u8| x.bitmask & bit != 0;
    let no = |bit: u8| no(x.invflags & bit != 0);
    if has(1) {
        w!(out, "--{name}-src {}{source} ", no(1));
    }
    if has(2) {
        w!(out, "--{name}-dst {}{destination} ", no(2));
    }
    if has(4) {
        let option = if v4 { "tos" } else { "tclass" };
        w!(out, "--{name}-{option} {}0x{:02X} ", no(4), x.class);
    }
    if has(8) {
        w!(out, "--{name}-proto {}", no(8));
        protocol(x.protocol, cx, out);
    }
    if has(0x10) {
        w!(out, "--{name}-sport {}", no(0x10));
        ports(x.sport, out);
    }
    if has(0x20) {
        w!(out, "--{name}-dport {}", no(0x20));
        ports(x.dport, out);
    }
    let kinds = x.sport[0].to_ne_bytes();
    if has(0x40) {
        w!(out, "--{name}-icmp-type {}", no(0x40));
        let codes = x.dport[0].to_ne_bytes();
        icmp(if v4 { ICMP } else { ICMP6 }, kinds, Some(codes), out);
    }
    if v4 && has(0x80) {
        w!(out, "--ip-igmp-type {}", no(0x80));
        icmp(IGMP, kinds, None, out);
    }
}

pub fn ip(x: &EbtIp, cx: &Context<'_>, out: &mut String) {
    let text = |addr: Addr4, mask: Addr4| format::ip4(addr.0).to_string() + &format::mask4(mask.0);
    let ends = [text(x.saddr, x.smsk), text(x.daddr, x.dmsk)];
    network("ip", ends, &x.above, cx, out);
}

pub fn ip6(x: &EbtIp6, cx: &Context<'_>, out: &mut String) {
    let text =
        |addr: Addr16, mask: Addr16| format::ip6(addr.0).to_string() + &format::mask6(mask.0);
    let ends = [text(x.saddr, x.smsk), text(x.daddr, x.dmsk)];
    network("ip6", ends, &x.above, cx, out);
}

pub fn mark_match(x: &EbtMarkMatch, out: &mut String) {
    w!(out, "--mark {}", no(x.invert != 0));
    if x.bitmask == 2 {
        w!(out, "/0x{:x} ", x.mask);
    } else if x.mask != 0xffff_ffff {
        w!(out, "0x{:x}/0x{:x} ", x.mark, x.mask);
    } else {
        w!(out, "0x{:x} ", x.mark);
    }
}

pub const PACKET_CLASSES: [&str; 7] = [
    "host",
    "broadcast",
    "multicast",
    "otherhost",
    "outgoing",
    "loopback",
    "fastroute",
];

pub fn pkttype(x: &EbtPktType, out: &mut String) {
    let no = no(x.invert != 0);
    match PACKET_CLASSES.get(usize::from(x.pkt_type)) {
        Some(class) => w!(out, "--pkttype-type {no}{class} "),
        None => w!(out, "--pkttype-type {no}{} ", x.pkt_type),
    }
}

/// Options by bit number.
pub const STP_OPTIONS: [&str; 12] = [
    "stp-type",
    "stp-flags",
    "stp-root-prio",
    "stp-root-addr",
    "stp-root-cost",
    "stp-sender-prio",
    "stp-sender-addr",
    "stp-port",
    "stp-msg-age",
    "stp-max-age",
    "stp-hello-time",
    "stp-forward-delay",
];

pub fn stp(x: &EbtStp, out: &mut String) {
    let c = &x.config;
    let range = |out: &mut String, from: u32, to: u32| {
        if from == to {
            w!(out, "{from}");
        } else {
            w!(out, "{from}:{to}");
        }
    };
    let range16 = |out: &mut String, r: [u16; 2]| range(out, u32::from(r[0]), u32::from(r[1]));
    for (n, option) in STP_OPTIONS.iter().enumerate() {
        if x.bitmask & 1 << n == 0 {
            continue;
        }
        w!(out, "--{option} {}", no(x.invflags & 1 << n != 0));
        match n {
            0 => match x.kind {
                0 => out.push_str("config"),
                0x80 => out.push_str("tcn"),
                kind => w!(out, "{kind}"),
            },
            1 => match c.flags {
                1 => out.push_str("topology-change"),
                0x80 => out.push_str("topology-change-ack"),
                flags => w!(out, "{flags}"),
            },
            2 => range16(out, c.root_prio),
            3 => out.push_str(&format::mac_and_mask(&c.root_addr, &c.root_addrmsk)),
            4 => range(out, c.root_cost[0], c.root_cost[1]),
            5 => range16(out, c.sender_prio),
            6 => out.push_str(&format::mac_and_mask(&c.sender_addr, &c.sender_addrmsk)),
            7 => range16(out, c.port),
            8 => range16(out, c.msg_age),
            9 => range16(out, c.max_age),
            10 => range16(out, c.hello_time),
            _ => range16(out, c.forward_delay),
        }
        out.push(' ');
    }
}

pub fn vlan(x: &EbtVlan, out: &mut String) {
    let no = |bit: u8| no(x.invflags & bit != 0);
    if x.bitmask & 1 != 0 {
        w!(out, "--vlan-id {}{} ", no(1), x.id);
    }
    if x.bitmask & 2 != 0 {
        w!(out, "--vlan-prio {}{} ", no(2), x.prio);
    }
    if x.bitmask & 4 != 0 {
        w!(out, "--vlan-encap {}{:04X} ", no(4), x.encap.0);
    }
}

pub fn arpreply(x: &EbtNat, out: &mut String) {
    w!(out, "--arpreply-mac {}", format::mac(&x.mac));
    if x.target != -2 {
        w!(out, " --arpreply-target {}", verdict(x.target));
    }
}

pub fn dnat(x: &EbtNat, out: &mut String) {
    w!(
        out,
        "--to-dst {} --dnat-target {}",
        format::mac(&x.mac),
        verdict(x.target)
    );
}

pub fn snat(x: &EbtNat, out: &mut String) {
    const ARP_BIT: i32 = 0x10;
    w!(out, "--to-src {}", format::mac(&x.mac));
    if x.target & ARP_BIT == 0 {
        out.push_str(" --snat-arp");
    }
    w!(out, " --snat-target {}", verdict(x.target | !VERDICT_BITS));
}

pub fn redirect(x: &EbtRedirect, out: &mut String) {
    if x.target != -1 {
        w!(out, "--redirect-target {}", verdict(x.target));
    }
}

/// `MARK_*_VALUE`: what the upper bits of a mark target ask for.
pub const MARK_ACTIONS: [(&str, u32); 4] = [
    ("--mark-set", 0xffff_fff0),
    ("--mark-or", 0xffff_ffe0),
    ("--mark-and", 0xffff_ffd0),
    ("--mark-xor", 0xffff_ffc0),
];

pub fn mark(x: &EbtMark, out: &mut String) {
    let action = (x.target & !VERDICT_BITS).cast_unsigned();
    let option = MARK_ACTIONS.iter().find(|(_, value)| *value == action);
    let option = option.map_or("--mark-unknown", |(option, _)| option);
    w!(
        out,
        "{option} 0x{:x} --mark-target {}",
        x.mark,
        verdict(x.target | !VERDICT_BITS)
    );
}

pub const LOG_LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
];

pub fn log(x: &EbtLog, out: &mut String) {
    match LOG_LEVELS.get(usize::from(x.loglevel)) {
        Some(level) => w!(out, "--log-level {level}"),
        None => w!(out, "--log-level {}", x.loglevel),
    }
    if !x.prefix.is_empty() {
        w!(out, " --log-prefix \"{}\"", x.prefix.text());
    }
    for (bit, option) in [(1, " --log-ip"), (2, " --log-arp"), (8, " --log-ip6")] {
        if x.bitmask & bit != 0 {
            out.push_str(option);
        }
    }
    out.push(' ');
}

pub fn nflog(x: &Nflog, out: &mut String) {
    if !x.prefix.is_empty() {
        w!(out, "--nflog-prefix \"{}\" ", x.prefix.text());
    }
    if x.group != 0 {
        w!(out, "--nflog-group {} ", x.group);
    }
    if x.len != 0 {
        w!(out, "--nflog-range {} ", x.len.cast_signed());
    }
    if x.threshold != 1 {
        w!(out, "--nflog-threshold {} ", x.threshold);
    }
}
