//! Targets.

use super::Context;
use super::state::set;
use crate::lang::iptables::format::{ip4, mac, quoted, w};
use crate::model::Family;
use crate::model::xtables::layout::Text;
use crate::model::xtables::protocol::Ttl;
use crate::model::xtables::state::SetInfo;
use crate::model::xtables::target::*;

pub fn audit(audit: &Audit, out: &mut String) {
    out.push_str(match audit.kind {
        0 => " --type accept",
        1 => " --type drop",
        2 => " --type reject",
        _ => "",
    });
}

pub fn checksum(checksum: &Checksum, out: &mut String) {
    if checksum.operation & 1 != 0 {
        out.push_str(" --checksum-fill");
    }
}

pub fn classify(classify: &Classify, cx: &Context<'_>, out: &mut String) {
    let (major, minor) = (classify.priority >> 16, classify.priority & 0xffff);
    if cx.family == Family::Arp {
        w!(out, " --set-class {major:x}:{minor:x}");
    } else {
        w!(out, " --set-class {major:04x}:{minor:04x}");
    }
}

pub fn connmark(
    mode: u8,
    [mark, ctmask, nfmask]: [u32; 3],
    shift: Option<(u8, u8)>,
    out: &mut String,
) {
    match mode {
        0 => w!(out, " --set-xmark 0x{mark:x}/0x{ctmask:x}"),
        1 => w!(
            out,
            " --save-mark --nfmask 0x{nfmask:x} --ctmask 0x{ctmask:x}"
        ),
        2 => w!(
            out,
            " --restore-mark --nfmask 0x{nfmask:x} --ctmask 0x{ctmask:x}"
        ),
        _ => out.push_str(" ERROR: UNKNOWN CONNMARK MODE"),
    }
    if let Some((direction, bits)) = shift.filter(|(_, bits)| *bits != 0) {
        let word = if direction == 0 { "left" } else { "right" };
        w!(out, " --{word}-shift-mark {bits}");
    }
}

pub fn connsecmark(c: &Connsecmark, out: &mut String) {
    out.push_str(if c.mode == 1 { " --save" } else { " --restore" });
}

/// Events by bit number (`IPCT_*`).
pub const CT_EVENTS: [(&str, u32); 10] = [
    ("new", 0),
    ("related", 1),
    ("destroy", 2),
    ("reply", 3),
    ("assured", 4),
    ("protoinfo", 5),
    ("helper", 6),
    ("mark", 7),
    ("natseqinfo", 8),
    ("secmark", 9),
];

impl From<&Ct0> for Ct1 {
    fn from(c: &Ct0) -> Ct1 {
        Ct1 {
            flags: c.flags,
            zone: c.zone,
            ct_events: c.ct_events,
            exp_events: c.exp_events,
            helper: c.helper,
            timeout: Text([0; 32]),
            ct: c.ct,
        }
    }
}

pub fn ct(ct: &Ct1, out: &mut String) {
    const ALIAS: u16 = 2;
    if ct.flags & ALIAS != 0 {
        return;
    }
    if ct.flags & 1 != 0 {
        out.push_str(" --notrack");
    }
    if !ct.helper.is_empty() {
        w!(out, " --helper {}", ct.helper.text());
    }
    if !ct.timeout.is_empty() {
        w!(out, " --timeout {}", ct.timeout.text());
    }
    if ct.ct_events != 0 {
        let events: Vec<&str> = CT_EVENTS
            .iter()
            .filter(|(_, bit)| ct.ct_events & 1 << bit != 0)
            .map(|(name, _)| *name)
            .collect();
        w!(out, " --ctevents {}", events.join(","));
    }
    if ct.exp_events != 0 {
        out.push_str(" --expevents ");
        if ct.exp_events & 1 != 0 {
            out.push_str("new");
        }
    }
    if ct.flags & 0x10 != 0 || ct.zone != 0 {
        out.push_str(" --zone");
        match ct.flags & 0x0c {
            0x04 => out.push_str("-orig"),
            0x08 => out.push_str("-reply"),
            _ => {}
        }
        if ct.flags & 0x10 != 0 {
            out.push_str(" mark");
        } else {
            w!(out, " {}", ct.zone);
        }
    }
}

pub fn ttl(ttl: &Ttl, word: &str, out: &mut String) {
    match ttl.mode {
        0 => w!(out, " --{word}-set"),
        1 => w!(out, " --{word}-inc"),
        2 => w!(out, " --{word}-dec"),
        _ => {}
    }
    w!(out, " {}", ttl.ttl);
}

pub fn hmark(h: &Hmark, cx: &Context<'_>, out: &mut String) {
    let has = |bit: u32| h.flags & 1 << bit != 0;
    for (bit, word, mask) in [(0, "src", h.src_mask), (1, "dst", h.dst_mask)] {
        if has(bit) {
            let width = if cx.is_ip6() { 16 } else { 4 };
            let mask = mask.0.get(..width).unwrap_or_default();
            let bits = crate::lang::iptables::format::prefix_len(mask);
            w!(out, " --hmark-{word}-prefix {}", bits.map_or(-1, i64::from));
        }
    }
    let word = |pair: &[crate::model::xtables::layout::Net16; 2]| {
        u32::from(pair[0].0) << 16 | u32::from(pair[1].0)
    };
    if has(6) {
        w!(out, " --hmark-sport-mask 0x{:04x}", h.port_mask[0].0);
    }
    if has(7) {
        w!(out, " --hmark-dport-mask 0x{:04x}", h.port_mask[1].0);
    }
    if has(3) {
        w!(out, " --hmark-spi-mask 0x{:08x}", word(&h.port_mask));
    }
    if has(4) {
        w!(out, " --hmark-sport 0x{:04x}", h.port_set[0].0);
    }
    if has(5) {
        w!(out, " --hmark-dport 0x{:04x}", h.port_set[1].0);
    }
    if has(2) {
        w!(out, " --hmark-spi 0x{:08x}", word(&h.port_set));
    }
    if has(8) {
        w!(out, " --hmark-proto-mask 0x{:02x}", h.proto_mask);
    }
    if has(9) {
        w!(out, " --hmark-rnd 0x{:08x}", h.hashrnd);
    }
    if has(10) {
        w!(out, " --hmark-mod {}", h.hmodulus);
    }
    if has(11) {
        w!(out, " --hmark-offset {}", h.hoffset);
    }
    if has(12) {
        out.push_str(" --hmark-tuple ct");
    }
}

pub fn idletimer(i: &Idletimer1, out: &mut String) {
    w!(out, " --timeout {} --label {}", i.timeout, i.label.text());
    if i.timer_type == 1 {
        out.push_str(" --alarm");
    }
}

pub fn led(led: &Led, out: &mut String) {
    let id = led.id.text();
    out.push_str(" --led-trigger-id \"");
    for c in id.strip_prefix("netfilter-").unwrap_or(&id).chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    match led.delay {
        0 => {}
        u32::MAX => out.push_str(" --led-delay inf"),
        delay => w!(out, " --led-delay {}", delay.cast_signed()),
    }
    if led.always_blink != 0 {
        out.push_str(" --led-always-blink");
    }
}

pub fn log(log: &Log, out: &mut String) {
    const WARNING: u8 = 4;
    if !log.prefix.is_empty() {
        out.push_str(" --log-prefix");
        quoted(out, &log.prefix.text());
    }
    if log.level != WARNING {
        w!(out, " --log-level {}", log.level);
    }
    for (bit, option) in [
        (1, " --log-tcp-sequence"),
        (2, " --log-tcp-options"),
        (4, " --log-ip-options"),
        (8, " --log-uid"),
        (0x20, " --log-macdecode"),
    ] {
        if log.logflags & bit != 0 {
            out.push_str(option);
        }
    }
}

pub fn mark(m: &MarkTarget, cx: &Context<'_>, out: &mut String) {
    if cx.family != Family::Arp {
        w!(out, " --set-xmark 0x{:x}/0x{:x}", m.mark, m.mask);
    } else if m.mark == 0 {
        w!(out, " --and-mark {:x}", !m.mask);
    } else if m.mark == m.mask {
        w!(out, " --or-mark {:x}", m.mark);
    } else {
        w!(out, " --set-mark {:x}", m.mark);
    }
}

pub fn nflog(n: &Nflog, out: &mut String) {
    nflog_words(
        &n.prefix.text(),
        n.group,
        n.flags & 1 != 0,
        n.len,
        n.threshold,
        out,
    );
}

/// `NFLOG`, also where the nft expression `log` holds it, with longer prefixes.
pub fn nflog_words(
    prefix: &str,
    group: u16,
    copies: bool,
    len: u32,
    threshold: u16,
    out: &mut String,
) {
    if !prefix.is_empty() {
        out.push_str(" --nflog-prefix");
        quoted(out, prefix);
    }
    if group != 0 {
        w!(out, " --nflog-group {group}");
    }
    if copies {
        w!(out, " --nflog-size {len}");
    } else if len != 0 {
        w!(out, " --nflog-range {len}");
    }
    if threshold != 0 {
        w!(out, " --nflog-threshold {threshold}");
    }
}

pub fn nfqueue(num: u16, total: u16, flags: u16, out: &mut String) {
    if total > 1 {
        let last = u32::from(total) + u32::from(num) - 1;
        w!(out, " --queue-balance {num}:{last}");
    } else {
        w!(out, " --queue-num {num}");
    }
    if flags & 1 != 0 {
        out.push_str(" --queue-bypass");
    }
    if flags & 2 != 0 {
        out.push_str(" --queue-cpu-fanout");
    }
}

/// By `enum ipt_reject_with`: the name, its short form, and the word of nft.
pub const REJECT_WITH: &[(&str, &str, &str)] = &[
    ("icmp-net-unreachable", "net-unreach", "net-unreachable"),
    ("icmp-host-unreachable", "host-unreach", "host-unreachable"),
    (
        "icmp-proto-unreachable",
        "proto-unreach",
        "prot-unreachable",
    ),
    ("icmp-port-unreachable", "port-unreach", "port-unreachable"),
    ("", "", ""),
    ("icmp-net-prohibited", "net-prohib", "net-prohibited"),
    ("icmp-host-prohibited", "host-prohib", "host-prohibited"),
    ("tcp-reset", "tcp-rst", "tcp reset"),
    ("icmp-admin-prohibited", "admin-prohib", "admin-prohibited"),
];

/// By `enum ip6t_reject_with`.
pub const REJECT_WITH6: &[(&str, &str, &str)] = &[
    ("icmp6-no-route", "no-route", "no-route"),
    ("icmp6-adm-prohibited", "adm-prohibited", "admin-prohibited"),
    ("", "", ""),
    ("icmp6-addr-unreachable", "addr-unreach", "addr-unreachable"),
    ("icmp6-port-unreachable", "port-unreach", "port-unreachable"),
    ("", "", ""),
    ("tcp-reset", "tcp-reset", "tcp reset"),
    ("icmp6-policy-fail", "policy-fail", "policy-fail"),
    ("icmp6-reject-route", "reject-route", "reject-route"),
];

pub fn reject(reject: &Reject, names: &[(&str, &str, &str)], out: &mut String) {
    match names.get(reject.with as usize) {
        Some((name, _, _)) => w!(out, " --reject-with {name}"),
        None => w!(out, " --reject-with {}", reject.with),
    }
}

fn target_set(option: &str, info: &SetInfo, cx: &Context<'_>, out: &mut String) {
    const INVALID: u16 = 0xffff;
    if info.index != INVALID {
        set(option, info, cx, out);
    }
}

pub fn set1(x: &SetTarget1, cx: &Context<'_>, out: &mut String) {
    target_set("--add-set", &x.add_set, cx, out);
    target_set("--del-set", &x.del_set, cx, out);
}

fn added(add: &SetInfo, flags: u32, timeout: u32, cx: &Context<'_>, out: &mut String) {
    target_set("--add-set", add, cx, out);
    if flags & 1 != 0 {
        out.push_str(" --exist");
    }
    if timeout != u32::MAX {
        w!(out, " --timeout {timeout}");
    }
}

pub fn set2(x: &SetTarget2, cx: &Context<'_>, out: &mut String) {
    added(&x.add_set, x.flags, x.timeout, cx, out);
    target_set("--del-set", &x.del_set, cx, out);
}

pub fn set3(x: &SetTarget3, cx: &Context<'_>, out: &mut String) {
    added(&x.add_set, x.flags, x.timeout, cx, out);
    target_set("--del-set", &x.del_set, cx, out);
    target_set("--map-set", &x.map_set, cx, out);
    // `IPSET_FLAG_MAP_SKB*`
    for (bit, option) in [(8, " --map-mark"), (9, " --map-prio"), (10, " --map-queue")] {
        if x.flags & 1 << bit != 0 {
            out.push_str(option);
        }
    }
}

pub fn synproxy(s: &Synproxy, out: &mut String) {
    if s.options & 4 != 0 {
        out.push_str(" --sack-perm");
    }
    if s.options & 8 != 0 {
        out.push_str(" --timestamp");
    }
    if s.options & 2 != 0 {
        w!(out, " --wscale {}", s.wscale);
    }
    if s.options & 1 != 0 {
        w!(out, " --mss {}", s.mss);
    }
    if s.options & 0x10 != 0 {
        out.push_str(" --ecn");
    }
}

pub fn tcpmss(t: &TcpmssTarget, out: &mut String) {
    if t.mss == u16::MAX {
        out.push_str(" --clamp-mss-to-pmtu");
    } else {
        w!(out, " --set-mss {}", t.mss);
    }
}

pub fn tcpoptstrip(t: &Tcpoptstrip, out: &mut String) {
    let set: Vec<String> = (0..256usize)
        .filter(|n| {
            t.strip_bmap
                .get(n / 32)
                .is_some_and(|word| word & 1 << (n % 32) != 0)
        })
        .map(|n| n.to_string())
        .collect();
    if !set.is_empty() {
        w!(out, " --strip-options {}", set.join(","));
    }
}

pub fn tee(tee: &Tee, cx: &Context<'_>, out: &mut String) {
    w!(out, " --gateway {}", cx.addr(tee.gw.0));
    if !tee.oif.is_empty() {
        w!(out, " --oif {}", tee.oif.text());
    }
}

pub fn tproxy(port: u16, addr: &str, mark: u32, mask: u32, out: &mut String) {
    w!(
        out,
        " --on-port {port} --on-ip {addr} --tproxy-mark 0x{mark:x}/0x{mask:x}"
    );
}

pub fn ecn(ecn: &EcnTarget, out: &mut String) {
    if ecn.operation == 0x30 && ecn.tcp & 3 == 0 {
        out.push_str(" --ecn-tcp-remove");
        return;
    }
    if ecn.operation & 0x10 != 0 {
        w!(out, " --ecn-tcp-ece {}", ecn.tcp & 1);
    }
    if ecn.operation & 0x20 != 0 {
        w!(out, " --ecn-tcp-cwr {}", ecn.tcp >> 1 & 1);
    }
    if ecn.operation & 1 != 0 {
        w!(out, " --ecn-ip-ect {}", ecn.ip_ect);
    }
}

pub fn clusterip(c: &Clusterip, out: &mut String) {
    if c.flags & 1 == 0 {
        return;
    }
    let mode = [
        "sourceip",
        "sourceip-sourceport",
        "sourceip-sourceport-destport",
    ]
    .get(c.hash_mode as usize)
    .unwrap_or(&"unknown-error");
    w!(
        out,
        " --new --hashmode {mode} --clustermac {} --total-nodes {} --local-node {} --hash-init {}",
        mac(&c.clustermac).to_uppercase(),
        c.num_total_nodes,
        c.local_nodes[0],
        c.hash_initval
    );
}

pub fn arp_mangle(m: &ArpMangle, out: &mut String) {
    if m.flags & 4 != 0 {
        w!(out, " --mangle-ip-s {}", ip4(m.src_ip.0));
    }
    if m.flags & 1 != 0 {
        w!(out, " --mangle-mac-s {}", mac(&m.src_devaddr));
    }
    if m.flags & 8 != 0 {
        w!(out, " --mangle-ip-d {}", ip4(m.tgt_ip.0));
    }
    if m.flags & 2 != 0 {
        w!(out, " --mangle-mac-d {}", mac(&m.tgt_devaddr));
    }
    match m.target {
        1 => {}
        0 => out.push_str(" --mangle-target DROP"),
        _ => out.push_str(" --mangle-target CONTINUE"),
    }
}
