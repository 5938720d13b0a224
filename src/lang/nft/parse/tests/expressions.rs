//! What expressions are read as.

use super::*;

#[test]
fn keys() {
    for (text, expected) in [
        ("ip saddr 1.2.3.4", "ip.saddr"),
        ("ether daddr 00:11:22:33:44:55", "ether.daddr"),
        ("vlan id 5", "vlan.id"),
        ("arp saddr ether 00:11:22:33:44:55", "arp.saddr ether"),
        ("icmpv6 param-problem 3", "icmpv6.parameter-problem"),
        ("th dport 53", "th.dport"),
        ("@th,16,16 53", "th.dport"),
        ("@nh,96,32 7", "raw.96.32"),
        ("iif lo", "meta.4"),
        ("meta iif lo", "meta.4"),
        ("meta l4proto tcp", "meta.16"),
        ("ipsec exists", "meta.25"),
        ("ct original saddr 1.2.3.4", "ct.8.Some(0)"),
        ("ct reply ip6 daddr ::1", "ct.22.Some(1)"),
        ("rt ip6 nexthop ::1", "rt.2"),
        ("rt type 0", "rt.type"),
        ("tcp option maxseg size 1460", "maxseg.size"),
        ("tcp option sack2 right 5", "sack.right"),
        ("tcp option sack-perm exists", "sack-perm.kind?"),
        ("ip option rr addr 1.2.3.4", "rr.addr"),
        ("sctp chunk init a-rwnd 5", "init.a-rwnd"),
        ("exthdr frag exists", "frag.nexthdr?"),
        ("srh sid[2] ::1", "srh.sid[2]"),
        ("ip saddr . tcp dport @s", "<ip.saddr tcp.dport>"),
    ] {
        assert_eq!(shape(&match_of(text).1), expected, "{text}");
    }
    let Kind::Exthdr(second) = match_of("tcp option sack2 right 5").1.kind else {
        panic!()
    };
    assert_eq!(second.offset, 48 + 2 * 64);
}

#[test]
fn values() {
    for (text, expected) in [
        ("tcp dport 22", "22"),
        ("tcp dport 0x16", "22"),
        ("tcp dport 010", "8"),
        ("tcp dport ssh", "ssh"),
        ("tcp dport 22-80", "22..80"),
        ("ip saddr 10.0.0.0/8", "10.0.0.0/8"),
        ("ip saddr 10.0.0.1-10.0.0.9", "10.0.0.1..10.0.0.9"),
        ("ip6 saddr fe80::/10", "fe80::/10"),
        ("ip6 daddr [2001:db8::1]", "2001:db8::1"),
        ("ct state new,established", "[new established]"),
        ("ct state original", "original"),
        ("iifname \"eth*\"", "eth*"),
        ("iifname eth*", "eth*"),
        ("ip saddr @blocked", "@blocked"),
        ("tcp dport { 22, 80-90, 443, }", "{22 80..90 443}"),
        ("tcp dport { 22, { 80, 443 } }", "{22 80 443}"),
        ("tcp flags & (syn | ack) == syn | ack", "(syn | ack)"),
        ("meta mark 1 | 2 ^ 3 & 4 << 5", "(1 | (2 ^ (3 & (4 << 5))))"),
        ("meta mark 1 << 2 << 3", "((1 << 2) << 3)"),
        ("ip protocol tcp", "=6"),
        ("exthdr hbh missing", "=0"),
        ("meta time \"2026-01-01\"", "2026-01-01"),
        (
            "ip saddr . tcp dport { 1.2.3.4 . 22, 10.0.0.0/8 . 80-90 }",
            "{<1.2.3.4 22> <10.0.0.0/8 80..90>}",
        ),
        ("ip saddr . ip daddr 1.2.3.4 . 5.6.7.8", "<1.2.3.4 5.6.7.8>"),
        ("icmp type redirect", "=5"),
        ("meta priority 1:2", "1:2"),
    ] {
        let text = format!("{text}\n");
        assert_eq!(right_of(&text), expected, "{text}");
    }
}

#[test]
fn operators() {
    for (text, expected) in [
        ("tcp dport 22", Op::Implicit),
        ("tcp dport == 22", Op::Eq),
        ("tcp dport eq 22", Op::Eq),
        ("tcp dport != 22", Op::Neq),
        ("tcp dport < 22", Op::Lt),
        ("tcp dport le 22", Op::Lte),
        ("tcp dport gt 22", Op::Gt),
        ("tcp dport >= 22", Op::Gte),
        ("ct state ! new", Op::Neg),
    ] {
        assert_eq!(match_of(text).0, expected, "{text}");
    }
    let (_, left, right) = match_of("meta mark and 0xff == 0x10");
    assert_eq!(
        (shape(&left).as_str(), shape(&right).as_str()),
        ("(meta.3 & 255)", "16")
    );
}

#[test]
fn flags_and_masks() {
    let Statement::Match(Expr {
        kind:
            Kind::FlagCmp {
                op,
                expr,
                mask,
                value,
            },
        ..
    }) = statement_of("tcp flags != syn,ack / syn,ack,rst")
    else {
        panic!()
    };
    assert_eq!(op, Op::Neq);
    assert_eq!(shape(&expr), "tcp.flags");
    assert_eq!(shape(&mask), "[syn ack rst]");
    assert_eq!(shape(&value), "[syn ack]");
    assert!(error_of("add rule t c tcp flags syn / syn").contains("mask"));
}
