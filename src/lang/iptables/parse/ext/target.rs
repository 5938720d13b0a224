//! Targets.

use super::packet::{dscp_value, tos_value};
use super::state::set_info;
use super::{Built, Spec, t};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::{NftLog, Part};
use crate::lang::iptables::save::{CT_EVENTS, REJECT_WITH, REJECT_WITH6};
use crate::model::Family;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Any, Arp, Inet, Ip, Ip6};
use crate::model::xtables::layout::{Addr4, Field, Net16};
use crate::model::xtables::protocol::Ttl;
use crate::model::xtables::state::SetInfo;
use crate::model::xtables::target::*;

pub const SPECS: &[Spec] = &[
    t("AUDIT", Inet, "type+", audit),
    t("CHECKSUM", Inet, "checksum-fill+-", |_| {
        Ok(Part::Known(X::Checksum(Checksum { operation: 1 })))
    }),
    t("CLASSIFY", Any, "set-class+", classify),
    t(
        "CONNMARK",
        Inet,
        "set-xmark set-mark and-mark or-mark xor-mark left-shift-mark right-shift-mark save-mark- restore-mark- \
         ctmask nfmask mask",
        connmark,
    ),
    t("CONNSECMARK", Inet, "save- restore-", connsecmark),
    t(
        "CT",
        Inet,
        "notrack- helper timeout ctevents expevents zone zone-orig zone-reply",
        ct,
    ),
    t("NOTRACK", Inet, "", notrack),
    t("DSCP", Inet, "set-dscp set-dscp-class", dscp),
    t("TOS", Inet, "set-tos and-tos or-tos xor-tos", tos),
    t("TTL", Ip, "ttl-set ttl-dec ttl-inc", |o| {
        Ok(Part::Known(X::TtlTarget(hops(
            o,
            ["ttl-set", "ttl-inc", "ttl-dec"],
        )?)))
    }),
    t("HL", Ip6, "hl-set hl-dec hl-inc", |o| {
        Ok(Part::Known(X::HlTarget(hops(
            o,
            ["hl-set", "hl-inc", "hl-dec"],
        )?)))
    }),
    t("IDLETIMER", Inet, "timeout+ label+ alarm-", idletimer),
    t(
        "LED",
        Inet,
        "led-trigger-id+ led-delay led-always-blink-",
        led,
    ),
    t(
        "LOG",
        Inet,
        "log-level log-prefix log-tcp-sequence- log-tcp-options- log-ip-options- log-uid- log-macdecode-",
        log,
    ),
    t(
        "MARK",
        Any,
        "set-xmark set-mark and-mark or-mark xor-mark",
        mark,
    ),
    t(
        "NFLOG",
        Inet,
        "nflog-group nflog-prefix nflog-range nflog-size nflog-threshold",
        nflog,
    ),
    t(
        "NFQUEUE",
        Inet,
        "queue-num queue-balance queue-bypass- queue-cpu-fanout-",
        nfqueue,
    ),
    t("REJECT", Ip, "reject-with", |o| {
        Ok(Part::Known(X::Reject(reject(o, REJECT_WITH, 3)?)))
    }),
    t("REJECT", Ip6, "reject-with", |o| {
        Ok(Part::Known(X::Reject6(reject(o, REJECT_WITH6, 4)?)))
    }),
    t("SECMARK", Inet, "selctx+", secmark),
    t(
        "SET",
        Inet,
        "add-set= del-set= map-set= exist- timeout map-mark- map-prio- map-queue-",
        set,
    ),
    t(
        "SYNPROXY",
        Inet,
        "sack-perm- timestamp- wscale mss ecn-",
        synproxy,
    ),
    t("TCPMSS", Inet, "set-mss clamp-mss-to-pmtu-", tcpmss),
    t("TCPOPTSTRIP", Inet, "strip-options+", tcpoptstrip),
    t("TEE", Inet, "gateway+ oif", tee),
    t("TPROXY", Inet, "on-port+ on-ip tproxy-mark", tproxy),
    t("TRACE", Inet, "", |_| {
        Ok(Part::Known(X::Trace(Field::zero())))
    }),
    t(
        "ECN",
        Ip,
        "ecn-tcp-remove- ecn-tcp-cwr ecn-tcp-ece ecn-ip-ect",
        ecn,
    ),
    t(
        "CLUSTERIP",
        Ip,
        "new- hashmode clustermac total-nodes local-node hash-init",
        clusterip,
    ),
    t(
        "HMARK",
        Inet,
        "hmark-tuple hmark-mod+ hmark-offset hmark-rnd+ hmark-src-prefix hmark-dst-prefix hmark-sport hmark-dport hmark-sport-mask hmark-dport-mask hmark-spi hmark-spi-mask hmark-proto-mask",
        hmark,
    ),
    t(
        "mangle",
        Arp,
        "mangle-ip-s mangle-ip-d mangle-mac-s mangle-mac-d mangle-target",
        arp_mangle,
    ),
];

fn audit(o: &Options<'_>) -> Built {
    let kind = o.need("type")?.one_of(&["accept", "drop", "reject"])? as u8;
    Ok(Part::Known(X::Audit(Audit { kind })))
}

/// `1:2`, both hexadecimal.
fn class(given: &Given) -> Result<u32, Wrong> {
    let wrong = || given.wrong(format!("`{}` is no class", given.value));
    let (major, minor) = given.value.split_once(':').ok_or_else(wrong)?;
    let part = |text: &str| u16::from_str_radix(text, 16).map_err(|_| wrong());
    Ok(u32::from(part(major)?) << 16 | u32::from(part(minor)?))
}

fn classify(o: &Options<'_>) -> Built {
    let priority = class(o.need("set-class")?)?;
    Ok(Part::Known(X::Classify(Classify { priority })))
}

/// The words that set a mark, as value and mask of `--set-xmark`.
fn set_mark(given: &Given) -> Result<(u32, u32), Wrong> {
    Ok(match given.name {
        "set-xmark" => given.masked()?,
        "set-mark" => {
            let (value, mask) = given.masked()?;
            (value, value | mask)
        }
        "and-mark" => (0, !given.u32()?),
        "or-mark" => {
            let value = given.u32()?;
            (value, value)
        }
        _ => (given.u32()?, 0),
    })
}

const SET_MARK: [&str; 5] = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"];

fn mark(o: &Options<'_>) -> Built {
    let given = o.one(&SET_MARK)?;
    let (mark, mask) = if o.family == Family::Arp {
        // arptables reads these numbers as hexadecimal ones, and sets no bits of the mask.
        let digits = given.value.trim_start_matches("0x");
        let (mark, mask) = set_mark(&Given {
            value: format!("0x{digits}"),
            ..given.clone()
        })?;
        (mark, if given.name == "set-mark" { 0 } else { mask })
    } else {
        set_mark(given)?
    };
    Ok(Part::Known(X::MarkTarget(MarkTarget { mark, mask })))
}

fn connmark(o: &Options<'_>) -> Built {
    let operations = [
        "set-xmark",
        "set-mark",
        "and-mark",
        "or-mark",
        "xor-mark",
        "save-mark",
        "restore-mark",
    ];
    let given = o.one(&operations)?;
    let mut out = Connmark2 {
        ctmask: u32::MAX,
        nfmask: u32::MAX,
        ..Connmark2::zero()
    };
    match given.name {
        "save-mark" | "restore-mark" => {
            out.mode = if given.name == "save-mark" { 1 } else { 2 };
            for name in ["ctmask", "nfmask", "mask"] {
                let Some(given) = o.get(name) else { continue };
                let mask = given.u32()?;
                if name != "nfmask" {
                    out.ctmask = mask;
                }
                if name != "ctmask" {
                    out.nfmask = mask;
                }
            }
        }
        _ => (out.ctmark, out.ctmask) = set_mark(given)?,
    }
    o.at_most_one(&["left-shift-mark", "right-shift-mark"])?;
    for (direction, name) in [(0, "left-shift-mark"), (1, "right-shift-mark")] {
        if let Some(given) = o.get(name) {
            out.shift_dir = direction;
            out.shift_bits = given.number(&given.value, 0..=32)?;
        }
    }
    Ok(Part::Known(X::Connmark2(out)))
}

fn connsecmark(o: &Options<'_>) -> Built {
    let mode = if o.one(&["save", "restore"])?.name == "save" {
        1
    } else {
        2
    };
    Ok(Part::Known(X::Connsecmark(Connsecmark { mode })))
}

fn events(given: &Given, names: &[(&str, u32)]) -> Result<u32, Wrong> {
    let mut all = 0;
    for name in given.value.split(',') {
        let found = names.iter().find(|(one, _)| *one == name);
        all |= 1
            << found
                .ok_or_else(|| given.wrong(format!("`{name}` is no event")))?
                .1;
    }
    Ok(all)
}

fn ct(o: &Options<'_>) -> Built {
    let mut out = Ct1::zero();
    out.flags |= o.has("notrack") as u16;
    if let Some(given) = o.get("helper") {
        out.helper = given.text()?;
    }
    if let Some(given) = o.get("timeout") {
        out.timeout = given.text()?;
    }
    if let Some(given) = o.get("ctevents") {
        out.ct_events = events(given, &CT_EVENTS)?;
    }
    if let Some(given) = o.get("expevents") {
        out.exp_events = events(given, &[("new", 0)])?;
    }
    o.at_most_one(&["zone", "zone-orig", "zone-reply"])?;
    for (bit, name) in [(0, "zone"), (4, "zone-orig"), (8, "zone-reply")] {
        if let Some(given) = o.get(name) {
            out.flags |= bit;
            if given.value == "mark" {
                out.flags |= 0x10;
            } else {
                out.zone = given.u16()?;
            }
        }
    }
    Ok(Part::Known(X::Ct2(out)))
}

/// An alias of `CT --notrack`; a flag that the kernel ignores says how it was written.
fn notrack(_: &Options<'_>) -> Built {
    Ok(Part::Known(X::Ct2(Ct1 {
        flags: 3,
        ..Ct1::zero()
    })))
}

fn dscp(o: &Options<'_>) -> Built {
    let dscp = dscp_value(o.one(&["set-dscp", "set-dscp-class"])?)?;
    Ok(Part::Known(X::DscpTarget(DscpTarget { dscp })))
}

fn tos(o: &Options<'_>) -> Built {
    let given = o.one(&["set-tos", "and-tos", "or-tos", "xor-tos"])?;
    let (tos_value, tos_mask) = match given.name {
        "set-tos" => tos_value(given, 0xff)?,
        "and-tos" => (0, !given.u8()?),
        "or-tos" => {
            let value = given.u8()?;
            (value, value)
        }
        _ => (given.u8()?, 0),
    };
    Ok(Part::Known(X::TosTarget(TosTarget {
        tos_value,
        tos_mask,
    })))
}

fn hops(o: &Options<'_>, names: [&str; 3]) -> Result<Ttl, Wrong> {
    let given = o.one(&names)?;
    let mode = names
        .iter()
        .position(|name| *name == given.name)
        .unwrap_or(0) as u8;
    let least = u64::from(mode != 0);
    Ok(Ttl {
        mode,
        ttl: given.number(&given.value, least..=255)?,
    })
}

fn idletimer(o: &Options<'_>) -> Built {
    let timeout = o.need("timeout")?;
    Ok(Part::Known(X::Idletimer1(Idletimer1 {
        timeout: timeout.number(&timeout.value, 1..=u64::from(u32::MAX))?,
        label: o.need("label")?.text()?,
        timer_type: o.has("alarm").into(),
        ..Idletimer1::zero()
    })))
}

fn led(o: &Options<'_>) -> Built {
    let id = o.need("led-trigger-id")?;
    let mut out = Led::zero();
    let named = Given {
        value: format!("netfilter-{}", id.value),
        ..id.clone()
    };
    out.id = named.text()?;
    out.always_blink = o.has("led-always-blink").into();
    if let Some(given) = o.get("led-delay") {
        out.delay = if given.value == "inf" {
            u32::MAX
        } else {
            given.u32()?
        };
    }
    Ok(Part::Known(X::Led(out)))
}

/// Levels of syslog by number or name.
pub fn level(given: &Given) -> Result<u8, Wrong> {
    let names: [&[&str]; 8] = [
        &["emerg", "panic"],
        &["alert"],
        &["crit"],
        &["err", "error"],
        &["warning", "warn"],
        &["notice"],
        &["info"],
        &["debug"],
    ];
    let named = names.iter().position(|names| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&given.value))
    });
    match named {
        Some(level) => Ok(level as u8),
        None => given.number(&given.value, 0..=7),
    }
}

fn log(o: &Options<'_>) -> Built {
    let mut out = Log {
        level: 4,
        ..Log::zero()
    };
    if let Some(given) = o.get("log-level") {
        out.level = level(given)?;
    }
    if let Some(given) = o.get("log-prefix") {
        if given.value.contains('\n') {
            return Err(given.wrong("no line breaks"));
        }
        out.prefix = given.text()?;
    }
    for (bit, name) in [
        (1, "log-tcp-sequence"),
        (2, "log-tcp-options"),
        (4, "log-ip-options"),
        (8, "log-uid"),
        (0x20, "log-macdecode"),
    ] {
        if o.has(name) {
            out.logflags |= bit;
        }
    }
    Ok(Part::Known(X::Log(out)))
}

/// As the nft expression may hold it; the legacy structure has room for 63 bytes of prefix.
fn nflog(o: &Options<'_>) -> Built {
    o.at_most_one(&["nflog-range", "nflog-size"])?;
    let mut out = Nflog::zero();
    let mut long = NftLog::default();
    if let Some(given) = o.get("nflog-group") {
        out.group = given.u16()?;
    }
    if let Some(given) = o.get("nflog-threshold") {
        out.threshold = given.u16()?;
    }
    if let Some(given) = o.get("nflog-size") {
        out.len = given.u32()?;
        out.flags = 1;
    }
    if let Some(given) = o.get("nflog-range") {
        out.len = given.u32()?;
    }
    if let Some(given) = o.get("nflog-prefix") {
        if given.value.contains('\n') || given.value.len() > 127 {
            return Err(given.wrong("at most 127 bytes without line breaks"));
        }
        if given.value.len() > 63 {
            long.prefix = given.value.clone();
        } else {
            out.prefix = given.text()?;
        }
    }
    if long.prefix.is_empty() {
        return Ok(Part::Known(X::Nflog(out)));
    }
    long.group = out.group;
    long.threshold = out.threshold;
    long.snaplen = (out.flags & 1 != 0).then_some(out.len);
    Ok(Part::Log(long))
}

fn nfqueue(o: &Options<'_>) -> Built {
    o.at_most_one(&["queue-num", "queue-balance"])?;
    let mut out = Nfqueue3 {
        queues_total: 1,
        ..Nfqueue3::zero()
    };
    if let Some(given) = o.get("queue-num") {
        out.queuenum = given.u16()?;
    }
    if let Some(given) = o.get("queue-balance") {
        let (from, to) = given
            .value
            .split_once(':')
            .ok_or_else(|| given.wrong("two numbers are needed"))?;
        let (from, to): (u16, u16) = (
            given.number(from, 0..=0xffff)?,
            given.number(to, 0..=0xffff)?,
        );
        if to <= from || (from == 0 && to == u16::MAX) {
            return Err(given.wrong("these are no queues"));
        }
        (out.queuenum, out.queues_total) = (from, to - from + 1);
    }
    if let Some(given) = o.get("queue-cpu-fanout") {
        if !o.has("queue-balance") {
            return Err(given.wrong("only with --queue-balance"));
        }
        out.flags |= 2;
    }
    out.flags |= o.has("queue-bypass") as u16;
    Ok(Part::Known(X::Nfqueue3(out)))
}

fn reject(o: &Options<'_>, names: &[(&str, &str, &str)], default: u32) -> Result<Reject, Wrong> {
    let Some(given) = o.get("reject-with") else {
        return Ok(Reject { with: default });
    };
    let text = given.value.to_ascii_lowercase();
    let found = names.iter().position(|(name, short, _)| {
        !name.is_empty() && (name.starts_with(&text) || *short == text)
    });
    let with = found.ok_or_else(|| given.wrong(format!("`{text}` is no answer")))? as u32;
    // enum ipt_reject_with: 4 is an echo reply, which nobody sends any more
    Ok(Reject { with })
}

fn secmark(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Secmark1(Box::new(Secmark1 {
        mode: 1,
        secctx: o.need("selctx")?.text()?,
        secid: 0,
    }))))
}

fn set(o: &Options<'_>) -> Built {
    let none = SetInfo {
        index: u16::MAX,
        dim: 0,
        flags: 0,
    };
    let one = |name: &str| -> Result<SetInfo, Wrong> {
        match o.get(name) {
            Some(given) => set_info(o, given, &given.second),
            None => Ok(none.clone()),
        }
    };
    let mut out = SetTarget3 {
        add_set: one("add-set")?,
        del_set: one("del-set")?,
        map_set: one("map-set")?,
        flags: 0,
        timeout: u32::MAX,
    };
    if !["add-set", "del-set", "map-set"]
        .iter()
        .any(|name| o.has(name))
    {
        return Err(o.wrong("--add-set, --del-set or --map-set is missing"));
    }
    if let Some(given) = o.get("timeout") {
        out.timeout = given.number(&given.value, 0..=u64::from(u32::MAX) - 1)?;
    }
    // IPSET_FLAG_EXIST 1 << 0? bits of `enum ipset_cmd_flags`
    for (bit, name, needs) in [
        (1, "exist", "add-set"),
        (1 << 8, "map-mark", "map-set"),
        (1 << 9, "map-prio", "map-set"),
        (1 << 10, "map-queue", "map-set"),
    ] {
        if let Some(given) = o.get(name) {
            if !o.has(needs) {
                return Err(given.wrong(format!("only with --{needs}")));
            }
            out.flags |= bit;
        }
    }
    Ok(Part::Known(X::SetTarget3(out)))
}

fn synproxy(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let mut out = Synproxy::zero();
    if let Some(given) = o.get("mss") {
        out.mss = given.u16()?;
        out.options |= 1;
    }
    if let Some(given) = o.get("wscale") {
        out.wscale = given.number(&given.value, 0..=14)?;
        out.options |= 2;
    }
    for (bit, name) in [(4, "sack-perm"), (8, "timestamp"), (0x10, "ecn")] {
        if o.has(name) {
            out.options |= bit;
        }
    }
    Ok(Part::Known(X::Synproxy(out)))
}

fn tcpmss(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.one(&["set-mss", "clamp-mss-to-pmtu"])?;
    let mss = if given.name == "set-mss" {
        given.number(&given.value, 0..=0xfffe)?
    } else {
        u16::MAX
    };
    Ok(Part::Known(X::TcpmssTarget(TcpmssTarget { mss })))
}

fn tcpoptstrip(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.need("strip-options")?;
    let mut out = Tcpoptstrip::zero();
    for name in given.value.split(',') {
        let number: u8 = match name {
            "wscale" => 3,
            "mss" => 2,
            "sack-permitted" => 4,
            "sack" => 5,
            "timestamp" => 8,
            "md5" => 19,
            name => given.number(name, 2..=255)?,
        };
        if let Some(word) = out.strip_bmap.get_mut(usize::from(number) / 32) {
            *word |= 1 << (number % 32);
        }
    }
    Ok(Part::Known(X::Tcpoptstrip(out)))
}

fn tee(o: &Options<'_>) -> Built {
    let given = o.need("gateway")?;
    let mut out = Tee::zero();
    out.gw = o.addr(given, &given.value)?;
    if let Some(given) = o.get("oif") {
        out.oif = given.text()?;
    }
    Ok(Part::Known(X::Tee(out)))
}

fn tproxy(o: &Options<'_>) -> Built {
    o.protocols(&[6, 17], "tcp or udp")?;
    let port = o.need("on-port")?;
    let mut out = Tproxy1::zero();
    out.lport = Net16(o.port(port, &port.value)?);
    if let Some(given) = o.get("on-ip") {
        out.laddr = o.addr(given, &given.value)?;
    }
    if let Some(given) = o.get("tproxy-mark") {
        (out.mark_value, out.mark_mask) = given.masked()?;
    }
    Ok(Part::Known(X::Tproxy1(out)))
}

fn ecn(o: &Options<'_>) -> Built {
    // IPT_ECN_OP_SET_IP 1, SET_ECE 0x10, SET_CWR 0x20
    let mut out = EcnTarget::zero();
    if let Some(given) = o.get("ecn-tcp-remove") {
        if o.proto != 6 || o.proto_inverted {
            return Err(given.wrong("only with -p tcp"));
        }
        out.operation |= 0x30;
    }
    for (bit, name) in [(0x20, "ecn-tcp-cwr"), (0x10, "ecn-tcp-ece")] {
        if let Some(given) = o.get(name) {
            out.operation |= bit;
            if given.number::<u8>(&given.value, 0..=1)? == 1 {
                out.tcp |= if bit == 0x20 { 2 } else { 1 };
            }
        }
    }
    if let Some(given) = o.get("ecn-ip-ect") {
        out.operation |= 1;
        out.ip_ect = given.number(&given.value, 0..=3)?;
    }
    if out.operation == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::EcnTarget(out)))
}

fn clusterip(o: &Options<'_>) -> Built {
    let mut out = Clusterip::zero();
    if !o.has("new") {
        return Ok(Part::Known(X::Clusterip(out)));
    }
    out.flags = 1;
    out.hash_mode = o.need("hashmode")?.one_of(&[
        "sourceip",
        "sourceip-sourceport",
        "sourceip-sourceport-destport",
    ])? as u32;
    out.clustermac = o.need("clustermac")?.mac()?;
    let total = o.need("total-nodes")?;
    out.num_total_nodes = total.number(&total.value, 1..=16)?;
    let local = o.need("local-node")?;
    out.num_local_nodes = 1;
    if let Some(first) = out.local_nodes.first_mut() {
        *first = local.number(&local.value, 1..=16)?;
    }
    if let Some(given) = o.get("hash-init") {
        out.hash_initval = given.u32()?;
    }
    Ok(Part::Known(X::Clusterip(out)))
}

/// `enum` of `xt_HMARK.h`: bit numbers
mod hmark_bit {
    pub const SADDR_MASK: u32 = 0;
    pub const DADDR_MASK: u32 = 1;
    pub const SPI: u32 = 2;
    pub const SPI_MASK: u32 = 3;
    pub const SPORT: u32 = 4;
    pub const DPORT: u32 = 5;
    pub const SPORT_MASK: u32 = 6;
    pub const DPORT_MASK: u32 = 7;
    pub const PROTO_MASK: u32 = 8;
    pub const RND: u32 = 9;
    pub const MODULUS: u32 = 10;
    pub const OFFSET: u32 = 11;
    pub const CT: u32 = 12;
    pub const METHOD_L3: u32 = 13;
    pub const METHOD_L3_4: u32 = 14;
}

fn hmark(o: &Options<'_>) -> Built {
    use hmark_bit as bit;
    let mut out = Hmark::zero();
    let mut tuple = (false, false);
    if !o.has("hmark-tuple")
        && !o.given.iter().any(|given| {
            given.name.contains("prefix")
                || given.name.contains("port")
                || given.name.contains("spi")
        })
    {
        return Err(o.wrong("--hmark-tuple is missing"));
    }
    for given in &o.given {
        let v32 = |value: u32| [Net16((value >> 16) as u16), Net16(value as u16)];
        let set = match given.name {
            "hmark-tuple" => {
                for name in given.value.split(',') {
                    match name {
                        "src" => {
                            out.src_mask.0 = [0xff; 16];
                            out.flags |= 1 << bit::SADDR_MASK;
                        }
                        "dst" => {
                            out.dst_mask.0 = [0xff; 16];
                            out.flags |= 1 << bit::DADDR_MASK;
                        }
                        "sport" => {
                            out.port_mask[0] = Net16(u16::MAX);
                            out.flags |= 1 << bit::SPORT_MASK;
                            tuple.1 = true;
                        }
                        "dport" => {
                            out.port_mask[1] = Net16(u16::MAX);
                            out.flags |= 1 << bit::DPORT_MASK;
                            tuple.1 = true;
                        }
                        "spi" => {
                            out.port_mask = v32(u32::MAX);
                            out.flags |= 1 << bit::SPI_MASK;
                            tuple.1 = true;
                        }
                        "ct" => out.flags |= 1 << bit::CT,
                        "proto" => {
                            out.proto_mask = u16::MAX;
                            out.flags |= 1 << bit::PROTO_MASK;
                        }
                        other => return Err(given.wrong(format!("`{other}` is not known"))),
                    }
                }
                continue;
            }
            "hmark-src-prefix" => {
                out.src_mask = super::state::mask_of(o, given)?;
                bit::SADDR_MASK
            }
            "hmark-dst-prefix" => {
                out.dst_mask = super::state::mask_of(o, given)?;
                bit::DADDR_MASK
            }
            "hmark-sport" => {
                out.port_set[0] = Net16(given.u16()?);
                bit::SPORT
            }
            "hmark-dport" => {
                out.port_set[1] = Net16(given.u16()?);
                bit::DPORT
            }
            "hmark-sport-mask" => {
                out.port_mask[0] = Net16(given.u16()?);
                bit::SPORT_MASK
            }
            "hmark-dport-mask" => {
                out.port_mask[1] = Net16(given.u16()?);
                bit::DPORT_MASK
            }
            "hmark-spi" => {
                out.port_set = v32(given.u32()?);
                bit::SPI
            }
            "hmark-spi-mask" => {
                out.port_mask = v32(given.u32()?);
                bit::SPI_MASK
            }
            "hmark-proto-mask" => {
                out.proto_mask = given.u16()?;
                bit::PROTO_MASK
            }
            "hmark-rnd" => {
                out.hashrnd = given.u32()?;
                bit::RND
            }
            "hmark-mod" => {
                out.hmodulus = given.number(&given.value, 1..=u64::from(u32::MAX))?;
                bit::MODULUS
            }
            _ => {
                out.hoffset = given.u32()?;
                bit::OFFSET
            }
        };
        out.flags |= 1 << set;
    }
    let _ = (tuple, bit::METHOD_L3, bit::METHOD_L3_4);
    let spi = out.flags & (1 << bit::SPI_MASK | 1 << bit::SPI) != 0;
    let ports = out.flags
        & (1 << bit::SPORT_MASK | 1 << bit::DPORT_MASK | 1 << bit::SPORT | 1 << bit::DPORT)
        != 0;
    if spi && ports {
        return Err(o.wrong("ports and SPIs exclude each other"));
    }
    Ok(Part::Known(X::Hmark(out)))
}

fn arp_mangle(o: &Options<'_>) -> Built {
    // ARPT_MANGLE_SDEV 1, TDEV 2, SIP 4, TIP 8; target NF_ACCEPT 1
    let mut out = ArpMangle {
        target: 1,
        ..ArpMangle::zero()
    };
    for given in &o.given {
        match given.name {
            "mangle-ip-s" => {
                out.src_ip = Addr4(o.addr(given, &given.value)?.v4().0);
                out.flags |= 4;
            }
            "mangle-ip-d" => {
                out.tgt_ip = Addr4(o.addr(given, &given.value)?.v4().0);
                out.flags |= 8;
            }
            "mangle-mac-s" | "mangle-mac-d" => {
                let mac = given.mac()?;
                let source = given.name == "mangle-mac-s";
                let place = if source {
                    &mut out.src_devaddr
                } else {
                    &mut out.tgt_devaddr
                };
                for (to, from) in place.iter_mut().zip(mac) {
                    *to = from;
                }
                out.flags |= if source { 1 } else { 2 };
            }
            _ => {
                out.target = match given.one_of(&["DROP", "ACCEPT", "CONTINUE"])? {
                    0 => 0,
                    1 => 1,
                    _ => -1,
                }
            }
        }
    }
    Ok(Part::Known(X::ArpMangle(out)))
}
