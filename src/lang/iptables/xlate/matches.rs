//! Matches on network headers, on the packet's way through the machine, on rates and times.

use super::{Context, Pieces, add, ne, not, range};
use crate::lang::iptables::save::{
    ADDRESS_TYPES, Hashlimit, LIMIT_SCALE, byte_burst, byte_rate, mode, rate_unit,
};
use crate::model::xtables::layout::Field;
use crate::model::xtables::protocol::*;
use crate::model::xtables::state::*;
use chrono::DateTime;

pub fn frag6(frag: &Frag6, out: &mut Pieces) {
    if frag.ids != [0, u32::MAX] {
        add!(out, "frag id {}", ne(frag.invflags & 1 != 0));
        out.add(range(frag.ids));
    }
    for (bit, text) in [
        // IP6T_FRAG_RES, FST, MF, NMF
        (4, "frag reserved 1"),
        (8, "frag frag-off 0"),
        (0x10, "frag more-fragments 1"),
        (0x20, "frag more-fragments 0"),
    ] {
        if frag.flags & bit != 0 {
            out.add(text);
        }
    }
}

pub fn hbh(opts: &Opts6, out: &mut Pieces) -> Option<()> {
    // IP6T_OPTS_LEN 1, IP6T_OPTS_OPTS 2
    if opts.flags & 3 != 1 {
        return None;
    }
    add!(
        out,
        "hbh hdrlength {}{}",
        ne(opts.invflags & 1 != 0),
        opts.hdrlen
    );
    Some(())
}

pub fn rt6(rt: &Rt6, out: &mut Pieces) -> Option<()> {
    // IP6T_RT_TYP 1, SGS 2, LEN 4, RES 8, FST_MASK 0x30
    if rt.flags & 1 != 0 {
        add!(out, "rt type{} {}", not(rt.invflags & 1 != 0), rt.rt_type);
    }
    if rt.segsleft != [0, u32::MAX] {
        add!(out, "rt seg-left{} ", not(rt.invflags & 2 != 0));
        out.add(range(rt.segsleft));
    }
    if rt.flags & 4 != 0 {
        add!(
            out,
            "rt hdrlength{} {}",
            not(rt.invflags & 4 != 0),
            rt.hdrlen
        );
    }
    (rt.flags & 0x38 == 0).then_some(())
}

pub fn mh(mh: &Mh, out: &mut Pieces) {
    if mh.types != [0, 0xff] {
        add!(
            out,
            "mh type {}{}",
            ne(mh.invflags & 1 != 0),
            range(mh.types)
        );
    }
}

pub fn ttl(ttl: &Ttl, out: &mut Pieces) -> Option<()> {
    let op = ["", " !=", " lt", " gt"].get(usize::from(ttl.mode))?;
    add!(out, "ip ttl{op} {}", ttl.ttl);
    Some(())
}

pub fn hl(hl: &Ttl, out: &mut Pieces) -> Option<()> {
    let op = ["", "!= ", "lt ", "gt "].get(usize::from(hl.mode))?;
    add!(out, "ip6 hoplimit {op}{}", hl.ttl);
    Some(())
}

pub fn ecn(ecn: &Ecn, out: &mut Pieces) -> Option<()> {
    let inverted = ne(ecn.invert != 0);
    // XT_ECN_OP_MATCH_IP 1, ECE 0x10, CWR 0x20
    for (bit, name) in [(0x10, "ecn"), (0x20, "cwr")] {
        if ecn.operation & bit != 0 {
            out.add("tcp flags ");
            out.add(inverted);
            out.add(name);
        }
    }
    if ecn.operation & 1 != 0 {
        out.add("ip ecn ");
        out.add(inverted);
        out.add(["not-ect", "ect1", "ect0", "ce"].get(usize::from(ecn.ip_ect))?);
    }
    Some(())
}

pub fn pkttype(p: &PktType, out: &mut Pieces) {
    add!(out, "pkttype{} ", not(p.invert != 0));
    match p.pkttype {
        0 => out.add("unicast"),
        1 => out.add("broadcast"),
        2 => out.add("multicast"),
        other => add!(out, "{other}"),
    }
}

pub fn iprange(r: &IpRange, cx: &Context<'_>, out: &mut Pieces) {
    // IPRANGE_SRC 1, DST 2, SRC_INV 0x10, DST_INV 0x20
    for (bit, side, min, max) in [
        (1, "saddr", r.src_min, r.src_max),
        (2, "daddr", r.dst_min, r.dst_max),
    ] {
        if r.flags & bit != 0 {
            add!(
                out,
                "{} {side}{} {}",
                cx.ip(),
                not(r.flags & bit << 4 != 0),
                cx.addr(min.0)
            );
            add!(out, "-{}", cx.addr(max.0));
        }
    }
}

pub fn mark(mark: &Mark, out: &mut Pieces) {
    let inverted = mark.invert != 0;
    if mark.mask == u32::MAX {
        add!(out, " {}0x{:x}", ne(inverted), mark.mark);
    } else {
        let op = if inverted { "!=" } else { "==" };
        add!(out, " and 0x{:x} {op} 0x{:x}", mark.mask, mark.mark);
    }
}

pub fn addrtype(a: &Addrtype1, out: &mut Pieces) {
    // XT_ADDRTYPE_INVERT_SOURCE 1, INVERT_DEST 2, LIMIT_IFACE_IN 4, LIMIT_IFACE_OUT 8
    out.add("fib ");
    let types = if a.source != 0 {
        out.add("saddr ");
        a.source
    } else {
        out.add("daddr ");
        a.dest
    };
    if a.flags & 4 != 0 {
        out.add(". iif ");
    } else if a.flags & 8 != 0 {
        out.add(". oif ");
    }
    out.add("type ");
    out.add(ne(a.flags & 3 != 0));
    let several = types.count_ones() > 1;
    if several {
        out.add("{ ");
    }
    let mut comma = "";
    for (bit, name) in ADDRESS_TYPES.iter().enumerate() {
        if types & 1 << bit != 0 {
            add!(out, "{comma}{}", name.to_ascii_lowercase());
            comma = ", ";
        }
    }
    if several {
        out.add(" }");
    }
}

pub fn devgroup(d: &Devgroup, cx: &Context<'_>, out: &mut Pieces) {
    // XT_DEVGROUP_MATCH_SRC 1, INVERT_SRC 2, MATCH_DST 4, INVERT_DST 8
    let mut inverted = false;
    for (bit, key, group, mask) in [
        (1, "iifgroup ", d.src_group, d.src_mask),
        (4, "oifgroup ", d.dst_group, d.dst_mask),
    ] {
        if d.flags & bit == 0 {
            continue;
        }
        // An inverted source group inverts the other one too, in libxtables.
        inverted |= d.flags & bit << 1 != 0;
        out.add(key);
        if mask == u32::MAX {
            out.add(ne(inverted));
            match cx.names.device_groups.get(&group) {
                Some(name) => out.add(name),
                None => add!(out, "0x{group:x}"),
            }
        } else {
            let op = if inverted { "!=" } else { "==" };
            add!(out, "and 0x{mask:x} {op} 0x{group:x}");
        }
    }
}

pub fn realm(r: &Realm, cx: &Context<'_>, out: &mut Pieces) {
    out.add("rtclassid");
    let inverted = r.invert != 0;
    if r.mask != u32::MAX {
        let op = if inverted { "!=" } else { "==" };
        add!(out, " and 0x{:x} {op} 0x{:x}", r.mask, r.id);
        return;
    }
    match cx.names.realms.get(&r.id) {
        Some(name) => add!(out, " {}{name}", ne(inverted)),
        None => add!(out, " {}0x{:x}", ne(inverted), r.id),
    }
}

pub fn rpfilter(r: &Rpfilter, out: &mut Pieces) -> Option<()> {
    // XT_RPFILTER_LOOSE 1, VALID_MARK 2, ACCEPT_LOCAL 4, INVERT 8
    let inverted = r.flags & 8 != 0;
    if r.flags & 4 != 0 {
        if !inverted {
            return None;
        }
        out.add("fib saddr type != local ");
    }
    out.add("fib saddr ");
    if r.flags & 2 != 0 {
        out.add(". mark ");
    }
    if r.flags & 1 == 0 {
        out.add(". iif ");
    }
    add!(out, "oif {}0", ne(!inverted));
    Some(())
}

pub fn owner(o: &Owner, out: &mut Pieces) -> Option<()> {
    let (key, ids) = match o.match_ {
        1 => ("skuid", [o.uid_min, o.uid_max]),
        2 => ("skgid", [o.gid_min, o.gid_max]),
        _ => return None,
    };
    add!(out, "{key}{} ", not(o.invert != 0));
    out.add(range(ids));
    Some(())
}

pub fn classid(has: u8, inverted: u8, classid: u32, out: &mut Pieces) {
    if has != 0 {
        add!(out, "meta cgroup {}{classid}", ne(inverted != 0));
    }
}

pub fn policy(p: &Policy, out: &mut Pieces) -> Option<()> {
    // XT_POLICY_MATCH_IN 1, OUT 2, NONE 4, STRICT 8
    let [first, ..] = &p.pol;
    if p.flags & !0xd != 0 || p.len > 1 || *first != PolicyElement::zero() {
        return None;
    }
    out.add("meta secpath ");
    out.add(if p.flags & 4 != 0 {
        "missing"
    } else {
        "exists"
    });
    Some(())
}

pub fn time(t: &Time, out: &mut Pieces) -> Option<()> {
    const FOREVER: u32 = i32::MAX as u32;
    if t.date_start != 0 || t.date_stop != FOREVER {
        out.add("meta time ");
        for (dash, date) in [("", t.date_start), ("-", t.date_stop)] {
            let date = DateTime::from_timestamp(i64::from(date), 0)?;
            add!(out, "{dash}\"{}\"", date.format("%Y-%m-%d %H:%M:%S"));
        }
    }
    if t.daytime_start != 0 || t.daytime_stop != 86_399 {
        for (head, seconds) in [(" meta hour ", t.daytime_start), ("-", t.daytime_stop)] {
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            add!(out, "{head}\"{h:02}:{m:02}:{s:02}\"");
        }
    }
    if t.monthdays_match != 0xffff_fffe {
        return None;
    }
    if t.weekdays_match != 0xfe {
        out.add(" meta day ");
        let several = (t.weekdays_match & 0xfe).count_ones() > 1;
        if several {
            out.add("{");
        }
        let mut comma = "";
        for day in (1..=7).filter(|day| t.weekdays_match & 1 << day != 0) {
            add!(out, "{comma}{}", day % 7);
            comma = ", ";
        }
        if several {
            out.add("}");
        }
    }
    Some(())
}

const UNITS: [(&str, u64); 4] = [
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
];

/// ` 5/minute`
fn rate(period: u64, scale: u64) -> String {
    let (name, seconds) = UNITS
        .get(rate_unit(period, scale))
        .copied()
        .unwrap_or(("second", 1));
    match (seconds * scale).checked_div(period) {
        Some(rate) => format!(" {rate}/{name}"),
        None => " inf".to_owned(),
    }
}

pub fn limit(avg: u32, burst: u32, out: &mut Pieces) {
    out.add("limit rate");
    out.add(rate(u64::from(avg), LIMIT_SCALE));
    if burst != 0 {
        add!(out, " burst {burst} packets");
    }
}

/// ` and 255.255.0.0`
fn subnet(bits: u8, is_ip6: bool, out: &mut Pieces) {
    out.add(" and ");
    let (blocks, width, separator) = if is_ip6 { (8, 16, ":") } else { (4, 8, ".") };
    let mut left = u32::from(bits);
    for block in 0..blocks {
        let ones = left.min(width);
        left -= ones;
        let value = ((1u32 << ones) - 1) << (width - ones);
        if block > 0 {
            out.add(separator);
        }
        out.join(&if is_ip6 {
            format!("{value:04x}")
        } else {
            value.to_string()
        });
    }
}

pub fn hashlimit(h: &Hashlimit, cx: &Context<'_>, out: &mut Pieces) -> Option<()> {
    let cfg = &h.cfg;
    add!(out, "meter {} {{", h.name);
    let mut separator = " ";
    for (bit, side, bits) in [
        (mode::DSTIP, "daddr", Some(cfg.dstmask)),
        (mode::DSTPORT, "tcp dport", None),
        (mode::SRCIP, "saddr", Some(cfg.srcmask)),
        (mode::SRCPORT, "tcp sport", None),
    ] {
        if cfg.mode & bit == 0 {
            continue;
        }
        out.add(separator);
        separator = " . ";
        match bits {
            None => out.add(side),
            Some(bits) => {
                add!(out, "{} {side}", cx.ip());
                if bits != if cx.is_ip6() { 128 } else { 32 } {
                    subnet(bits, cx.is_ip6(), out);
                }
            }
        }
    }
    if separator == " " {
        return None;
    }
    if cfg.mode & mode::RATE_MATCH != 0 {
        // libxtables has no word for it.
        out.add(" . (null)");
    }
    if cfg.expire != 1000 {
        add!(out, " timeout {}s", cfg.expire / 1000);
    }
    out.add(" limit rate");
    if cfg.mode & mode::INVERT != 0 {
        out.add(" over");
    }
    if cfg.mode & mode::BYTES != 0 {
        let (amount, unit) = byte_rate(cfg.avg);
        add!(out, " {amount} {unit}bytes/second");
        if cfg.burst > 0 {
            let (amount, unit) = byte_burst(cfg.avg, cfg.burst);
            add!(out, " burst {amount} {unit}bytes");
        }
    } else {
        add!(out, "{} ", rate(cfg.avg, h.scale()));
        if cfg.burst != 5 {
            add!(out, "burst {} packets", cfg.burst);
        }
    }
    out.add("}");
    Some(())
}

pub fn statistic(s: &Statistic, out: &mut Pieces) -> Option<()> {
    let inverted = s.flags & 1 != 0;
    match s.mode {
        // The probability shares its place with `every`.
        0 => {
            let op = if inverted { ">=" } else { "<" };
            add!(out, "meta random & {} {op} {}", i32::MAX, s.every);
        }
        1 => add!(
            out,
            "numgen inc mod {} {}{}",
            s.every.wrapping_add(1),
            ne(inverted),
            s.packet
        ),
        _ => return None,
    }
    Some(())
}
