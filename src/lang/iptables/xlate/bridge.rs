//! Extensions of bridge tables.

use super::{Context, Pieces, add, ne, range};
use crate::lang::iptables::format::{ip4, ip6 as ip6_text, mask4, mask6};
use crate::model::xtables::bridge::*;
use crate::model::xtables::layout::{Addr4, Addr16};
use crate::model::xtables::target::Nflog;

const VERDICT_BITS: i32 = 0xf;

fn verdict(target: i32) -> &'static str {
    match target {
        -1 => "accept",
        -2 => "drop",
        -3 => "continue",
        -4 => "return",
        _ => "",
    }
}

/// As `ether_ntoa`.
fn mac([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}")
}

fn transport_name(proto: u8) -> Option<&'static str> {
    match proto {
        6 => Some("tcp"),
        17 => Some("udp"),
        136 => Some("udplite"),
        132 => Some("sctp"),
        33 => Some("dccp"),
        _ => None,
    }
}

/// The protocol, where it is not implied by what comes next; gives the name that ports are written with.
fn protocol(
    key: &str,
    proto: u8,
    inverted: bool,
    implied: bool,
    cx: &Context<'_>,
    out: &mut Pieces,
) -> Option<&'static str> {
    if implied && !inverted {
        return transport_name(proto);
    }
    out.add(key);
    out.add(ne(inverted));
    match cx.names.protocols.get(&proto) {
        Some(name) => add!(out, "{name} "),
        None => add!(out, "{proto} "),
    }
    None
}

fn ports(
    name: Option<&str>,
    side: &str,
    raw: &str,
    ports: [u16; 2],
    inverted: bool,
    out: &mut Pieces,
) {
    match name {
        Some(name) => add!(out, "{name} {side} "),
        None => out.add(raw),
    }
    out.add(ne(inverted));
    add!(out, "{} ", range(ports));
}

/// Ranges of types and codes stand in the bytes of the first source and destination port.
fn bytes([first, _]: [u16; 2]) -> [u8; 2] {
    first.to_ne_bytes()
}

fn types(name: &str, kind: [u8; 2], code: [u8; 2], inverted: bool, out: &mut Pieces) {
    add!(out, "{name} type ");
    out.add(ne(inverted));
    add!(out, "{} ", range(kind));
    if code == [0, 0xff] {
        return;
    }
    add!(out, "{name} code ");
    out.add(ne(inverted));
    add!(out, "{} ", range(code));
}

/// Addresses with their masks as text, and what IPv4 and IPv6 have alike; `protocol_key` is what names the protocol.
fn network(
    name: &str,
    ends: [String; 2],
    protocol_key: &str,
    x: &EbtAbove,
    cx: &Context<'_>,
    out: &mut Pieces,
) {
    let has = |bit: u8| x.bitmask & bit != 0;
    let inverted = |bit: u8| x.invflags & bit != 0;
    for ((bit, side), end) in [(1, "saddr"), (2, "daddr")].into_iter().zip(ends) {
        if has(bit) {
            add!(out, "{name} {side} ");
            out.add(ne(inverted(bit)));
            add!(out, "{end} ");
        }
    }
    if has(4) {
        add!(out, "{name} dscp ");
        out.add(ne(inverted(4)));
        add!(out, "0x{:02x} ", x.class & 0x3f);
    }
    let mut transport = None;
    if has(8) {
        transport = protocol(protocol_key, x.protocol, inverted(8), has(0x70), cx, out);
    }
    if has(0x10) {
        ports(
            transport,
            "sport",
            "@th,0,16 ",
            x.sport,
            inverted(0x10),
            out,
        );
    }
    if has(0x20) {
        ports(
            transport,
            "dport",
            "@th,16,16 ",
            x.dport,
            inverted(0x20),
            out,
        );
    }
    if has(0x40) {
        let icmp = if name == "ip" { "icmp" } else { "icmpv6" };
        types(icmp, bytes(x.sport), bytes(x.dport), inverted(0x40), out);
    }
}

pub fn ip(x: &EbtIp, cx: &Context<'_>, out: &mut Pieces) {
    let text = |addr: Addr4, mask: Addr4| format!("{}{}", ip4(addr.0), mask4(mask.0));
    let ends = [text(x.saddr, x.smsk), text(x.daddr, x.dmsk)];
    network("ip", ends, "ip protocol ", &x.above, cx, out);
    if x.above.bitmask & 0x80 != 0 {
        out.add("@th,0,8 ");
        out.add(ne(x.above.invflags & 0x80 != 0));
        add!(out, "{} ", range(bytes(x.above.sport)));
    }
}

pub fn ip6(x: &EbtIp6, cx: &Context<'_>, out: &mut Pieces) {
    if x.above.bitmask & 0x47 == 0 {
        out.add("ether type ip6 ");
    }
    let text = |addr: Addr16, mask: Addr16| format!("{}{}", ip6_text(addr.0), mask6(mask.0));
    let ends = [text(x.saddr, x.smsk), text(x.daddr, x.dmsk)];
    network("ip6", ends, "meta l4proto ", &x.above, cx, out);
}

pub fn mark_match(m: &EbtMarkMatch, out: &mut Pieces) {
    const OR: u8 = 2;
    let inverted = m.invert != 0;
    let (mark, mask) = (m.mark as u32, m.mask as u32);
    out.add("meta mark ");
    if m.bitmask == OR {
        add!(out, "and 0x{mask:x} {}0 ", ne(!inverted));
    } else if m.mask != 0xffff_ffff {
        add!(out, "and 0x{mask:x} {}0x{mark:x} ", ne(inverted));
    } else {
        add!(out, "{}0x{mark:x} ", ne(inverted));
    }
}

pub fn pkttype(p: &EbtPktType, out: &mut Pieces) {
    add!(out, "meta pkttype {}", ne(p.invert != 0));
    match p.pkt_type {
        0 => out.add("host "),
        1 => out.add("broadcast "),
        2 => out.add("multicast "),
        3 => out.add("other "),
        other => add!(out, "{other} "),
    }
}

pub fn vlan(v: &EbtVlan, out: &mut Pieces) {
    // EBT_VLAN_ID 1, PRIO 2, ENCAP 4
    let inverted = |bit: u8| ne(v.invflags & bit != 0);
    if v.bitmask & 1 != 0 {
        add!(out, "vlan id {}{} ", inverted(1), v.id);
    }
    if v.bitmask & 2 != 0 {
        add!(out, "vlan pcp {}{} ", inverted(2), v.prio);
    }
    if v.bitmask & 4 != 0 {
        add!(out, "vlan type {}0x{:04x} ", inverted(4), v.encap.0);
    }
}

pub fn dnat(n: &EbtNat, out: &mut Pieces) {
    add!(out, "ether daddr set {} {} ", mac(n.mac), verdict(n.target));
}

pub fn snat(n: &EbtNat, out: &mut Pieces) -> Option<()> {
    const ARP: i32 = 0x10;
    add!(out, "ether saddr set {} ", mac(n.mac));
    if n.target & ARP == 0 {
        return None;
    }
    add!(out, "{} ", verdict(n.target | !VERDICT_BITS));
    Some(())
}

pub fn redirect(r: &EbtRedirect, out: &mut Pieces) {
    out.add("meta set pkttype host");
    if r.target != -1 {
        add!(out, " {} ", verdict(r.target));
    }
}

pub fn mark(m: &EbtMark, out: &mut Pieces) -> Option<()> {
    out.add("meta mark set ");
    match m.target & !VERDICT_BITS {
        // MARK_SET_VALUE, OR, AND, XOR
        -16 => {}
        -32 => out.add("meta mark or "),
        -48 => out.add("meta mark and "),
        -64 => out.add("meta mark xor "),
        _ => return None,
    }
    add!(out, "0x{:x} {} ", m.mark, verdict(m.target | !VERDICT_BITS));
    Some(())
}

pub fn log(l: &EbtLog, out: &mut Pieces) {
    const LEVELS: [&str; 8] = [
        "emerg", "alert", "crit", "error", "warning", "notice", "info", "debug",
    ];
    const INFO: u8 = 6;
    out.add("log");
    if !l.prefix.is_empty() {
        add!(out, " prefix \"{}\"", l.prefix.text());
    }
    if l.loglevel != INFO
        && let Some(name) = LEVELS.get(usize::from(l.loglevel))
    {
        add!(out, " level {name}");
    }
    out.add(" flags ether ");
}

pub fn nflog(n: &Nflog, out: &mut Pieces) {
    out.add("log ");
    if !n.prefix.is_empty() {
        add!(out, "prefix \"{}\" ", n.prefix.text());
    }
    add!(out, "group {} ", n.group);
    if n.len != 0 {
        add!(out, "snaplen {} ", n.len);
    }
    if n.threshold > 1 {
        add!(out, "queue-threshold {} ", n.threshold);
    }
}
