//! Targets.

use super::{Context, Pieces, add};
use crate::lang::iptables::save::{nat_flags, range_text};
use crate::model::xtables::target::*;

pub fn classify(c: &Classify, out: &mut Pieces) {
    out.add("meta priority set ");
    match c.priority {
        u32::MAX => out.add("root"),
        0 => out.add("none"),
        class => add!(out, "{:x}:{:x}", class >> 16, class & 0xffff),
    }
}

/// What the masks of `--set-xmark` do.
fn set(value: u32, mask: u32) -> Option<(&'static str, u32)> {
    if mask == u32::MAX {
        None
    } else if value == 0 {
        Some(("and", !mask))
    } else if value == mask {
        Some(("or", value))
    } else if mask == 0 {
        Some(("xor", value))
    } else {
        Some(("", 0))
    }
}

pub fn connmark(
    mode: u8,
    [ctmark, ctmask, nfmask]: [u32; 3],
    shift: Option<(u8, u8)>,
    out: &mut Pieces,
) -> Option<()> {
    let (left, bits) = shift.unwrap_or((0, 0));
    let brace = if bits != 0 { "( " } else { "" };
    match mode {
        0 => {
            add!(out, "ct mark set {brace}");
            match set(ctmark, ctmask) {
                None => add!(out, "0x{ctmark:x} "),
                Some(("", _)) => add!(out, "ct mark xor 0x{ctmark:x} and 0x{:x}", !ctmask),
                Some((op, value)) => add!(out, "ct mark {op} 0x{value:x}"),
            }
        }
        1 | 2 => {
            if mode == 1 {
                add!(out, "ct mark set {brace}mark");
            } else {
                add!(out, "meta mark set {brace}ct mark");
            }
            if nfmask != ctmask {
                return None;
            }
            if nfmask != u32::MAX {
                shift?;
                add!(out, " and 0x{nfmask:x}");
            }
        }
        _ => {}
    }
    if mode <= 2 && bits != 0 {
        add!(out, " ) {} {bits}", if left != 0 { ">>" } else { "<<" });
    }
    Some(())
}

pub fn mark(m: &MarkTarget, out: &mut Pieces) {
    out.add("meta mark set ");
    match set(m.mark, m.mask) {
        None => add!(out, "0x{:x} ", m.mark),
        Some(("", _)) => add!(out, "mark and 0x{:x} xor 0x{:x} ", !m.mask, m.mark),
        Some((op, value)) => add!(out, "mark {op} 0x{value:x} "),
    }
}

pub fn tos(t: &TosTarget, out: &mut Pieces) {
    // libxtables writes ip6 in both families.
    out.add("ip6 dscp set ");
    let (tos, mask) = (t.tos_value, t.tos_mask);
    if mask & 0x3f == 0x3f {
        add!(out, "0x{:02x}", tos >> 2);
    } else if tos == 0 {
        add!(out, "ip6 dscp and 0x{:02x}", !mask >> 2);
    } else if tos == mask {
        add!(out, "ip6 dscp or 0x{:02x}", tos >> 2);
    } else if mask == 0 {
        add!(out, "ip6 dscp xor 0x{:02x}", tos >> 2);
    } else {
        add!(
            out,
            "ip6 dscp and 0x{:02x} xor 0x{:02x}",
            !mask >> 2,
            tos >> 2
        );
    }
}

const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

pub fn log(l: &Log, out: &mut Pieces) -> Option<()> {
    const WARNING: u8 = 4;
    const ALL: u8 = 0x2f;
    let level = LEVELS.get(usize::from(l.level));
    out.add("log");
    if !l.prefix.is_empty() {
        add!(out, " prefix \"{}\"", l.prefix.text());
    }
    let level = level?;
    if l.level != WARNING {
        add!(out, " level {level}");
    }
    let has = |bit: u8| l.logflags & bit != 0;
    if l.logflags & ALL == ALL {
        out.add(" flags all");
        return Some(());
    }
    if has(3) {
        out.add(" flags tcp");
        if has(1) {
            out.add(" sequence");
        }
        if has(2) {
            add!(out, "{}options", if has(1) { "," } else { " " });
        }
    }
    for (bit, text) in [
        (4, " flags ip options"),
        (8, " flags skuid"),
        (0x20, " flags ether"),
    ] {
        if has(bit) {
            out.add(text);
        }
    }
    Some(())
}

pub fn nat(word: &str, range: &NatRange2, cx: &Context<'_>, out: &mut Pieces) -> Option<()> {
    if range.flags & nat_flags::PROTO_OFFSET != 0 {
        return None;
    }
    out.add(word);
    let text = range_text(range, cx.is_ip6());
    if !text.is_empty() {
        add!(out, " to {text}");
    }
    let mut separator = " ";
    for (bit, name) in [
        (nat_flags::PROTO_RANDOM, "random"),
        (nat_flags::PROTO_RANDOM_FULLY, "fully-random"),
        (nat_flags::PERSISTENT, "persistent"),
    ] {
        if range.flags & bit != 0 {
            add!(out, "{separator}{name}");
            separator = ",";
        }
    }
    Some(())
}

pub fn nflog(n: &Nflog, out: &mut Pieces) {
    out.add("log ");
    if !n.prefix.is_empty() {
        add!(out, "prefix \"{}\" ", n.prefix.text());
    }
    if n.flags & 1 != 0 {
        add!(out, "snaplen {} ", n.len);
    }
    if n.threshold != 0 {
        add!(out, "queue-threshold {} ", n.threshold);
    }
    add!(out, "group {} ", n.group);
}

pub fn nfqueue(num: u16, total: u16, flags: u16, out: &mut Pieces) {
    if total > 1 {
        let last = u32::from(total) + u32::from(num) - 1;
        add!(out, "queue num {num}-{last} ");
    } else {
        add!(out, "queue num {num} ");
    }
    if flags & 1 != 0 {
        out.add("bypass");
    }
    if flags & 2 != 0 {
        add!(out, "{}fanout ", if flags & 1 != 0 { "," } else { "" });
    }
}

/// `default` is what `reject` alone means.
pub fn reject(
    r: &Reject,
    protocol: &str,
    names: &[(&str, &str, &str)],
    default: u32,
    out: &mut Pieces,
) {
    if r.with == default {
        out.add("reject");
        return;
    }
    match names.get(r.with as usize) {
        Some((_, _, word @ "tcp reset")) => add!(out, "reject with {word}"),
        Some((_, _, word)) => add!(out, "reject with {protocol} type {word}"),
        None => add!(out, "reject with {protocol} type {}", r.with),
    }
}

pub fn synproxy(s: &Synproxy, out: &mut Pieces) {
    // XT_SYNPROXY_OPT_MSS 1, WSCALE 2, SACK_PERM 4, TIMESTAMP 8, ECN 0x10
    out.add("synproxy ");
    if s.options & 4 != 0 {
        out.add("sack-perm ");
    }
    if s.options & 8 != 0 {
        out.add("timestamp ");
    }
    if s.options & 2 != 0 {
        add!(out, "wscale {} ", s.wscale);
    }
    if s.options & 1 != 0 {
        add!(out, "mss {} ", s.mss);
    }
    if s.options & 0x10 != 0 {
        out.add("ecn ");
    }
}

pub fn tcpmss(t: &TcpmssTarget, out: &mut Pieces) {
    if t.mss == u16::MAX {
        out.add("tcp option maxseg size set rt mtu");
    } else {
        add!(out, "tcp option maxseg size set {}", t.mss);
    }
}

pub fn tee(t: &Tee, cx: &Context<'_>, out: &mut Pieces) {
    add!(out, "dup to {}", cx.addr(t.gw.0));
    if !t.oif.is_empty() {
        add!(out, " device {}", t.oif.text());
    }
}
