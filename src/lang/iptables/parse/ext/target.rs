//! Targets.

mod mark;
mod report;
mod rewrite;

use super::state::set_info;
use super::{Built, Spec, t};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::{CT_EVENTS, REJECT_WITH, REJECT_WITH6};
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Any, Arp, Inet, Ip, Ip6};
use crate::model::xtables::layout::{Field, Net16};
use crate::model::xtables::state::SetInfo;
use crate::model::xtables::target::*;
use mark::*;
pub use report::level;
use report::*;
use rewrite::*;

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
