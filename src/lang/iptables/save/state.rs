//! Matches on devices, sockets, routes, marks, time and sets.

use super::Context;
use crate::lang::iptables::format::{not, quoted, w};
use crate::model::xtables::state::*;
use chrono::DateTime;
use std::collections::BTreeMap;

pub fn mark(mark: &Mark, out: &mut String) {
    not(out, mark.invert != 0);
    if mark.mask == u32::MAX {
        w!(out, " --mark 0x{:x}", mark.mark);
    } else {
        w!(out, " --mark 0x{:x}/0x{:x}", mark.mark, mark.mask);
    }
}

/// Address types in the order of `RTN_*`.
pub const ADDRESS_TYPES: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];

fn address_types(option: &str, mask: u16, inverted: bool, out: &mut String) {
    if mask == 0 {
        return;
    }
    not(out, inverted);
    let set: Vec<&str> = ADDRESS_TYPES
        .iter()
        .enumerate()
        .filter(|(n, _)| mask & 1 << n != 0)
        .map(|(_, name)| *name)
        .collect();
    w!(out, " {option} {}", set.join(","));
}

pub fn addrtype0(a: &Addrtype0, out: &mut String) {
    address_types("--src-type", a.source, a.invert_source != 0, out);
    address_types("--dst-type", a.dest, a.invert_dest != 0, out);
}

pub fn addrtype(a: &Addrtype1, out: &mut String) {
    address_types("--src-type", a.source, a.flags & 1 != 0, out);
    address_types("--dst-type", a.dest, a.flags & 2 != 0, out);
    if a.flags & 4 != 0 {
        out.push_str(" --limit-iface-in");
    }
    if a.flags & 8 != 0 {
        out.push_str(" --limit-iface-out");
    }
}

pub fn cpu(cpu: &Cpu, out: &mut String) {
    not(out, cpu.invert != 0);
    w!(out, " --cpu {}", cpu.cpu);
}

fn value_and_mask(value: u32, mask: u32, names: &BTreeMap<u32, String>, out: &mut String) {
    if mask != u32::MAX {
        w!(out, " 0x{value:x}/0x{mask:x}");
    } else if let Some(name) = names.get(&value) {
        w!(out, " {name}");
    } else {
        w!(out, " 0x{value:x}");
    }
}

pub fn devgroup(d: &Devgroup, cx: &Context<'_>, out: &mut String) {
    if d.flags & 1 != 0 {
        not(out, d.flags & 2 != 0);
        out.push_str(" --src-group");
        value_and_mask(d.src_group, d.src_mask, &cx.names.device_groups, out);
    }
    if d.flags & 4 != 0 {
        not(out, d.flags & 8 != 0);
        out.push_str(" --dst-group");
        value_and_mask(d.dst_group, d.dst_mask, &cx.names.device_groups, out);
    }
}

pub fn realm(realm: &Realm, cx: &Context<'_>, out: &mut String) {
    not(out, realm.invert != 0);
    out.push_str(" --realm");
    value_and_mask(realm.id, realm.mask, &cx.names.realms, out);
}

pub fn physdev(p: &Physdev, out: &mut String) {
    let flag = |bit: u8, option: &str, value: Option<String>, out: &mut String| {
        if p.bitmask & bit != 0 {
            not(out, p.invert & bit != 0);
            w!(out, " {option}");
            if let Some(value) = value {
                w!(out, " {value}");
            }
        }
    };
    flag(0x08, "--physdev-is-in", None, out);
    flag(0x01, "--physdev-in", Some(p.physindev.text()), out);
    flag(0x10, "--physdev-is-out", None, out);
    flag(0x02, "--physdev-out", Some(p.physoutdev.text()), out);
    flag(0x04, "--physdev-is-bridged", None, out);
}

pub fn rpfilter(r: &Rpfilter, out: &mut String) {
    for (bit, option) in [
        (1, " --loose"),
        (2, " --validmark"),
        (4, " --accept-local"),
        (8, " --invert"),
    ] {
        if r.flags & bit != 0 {
            out.push_str(option);
        }
    }
}

pub fn socket(s: &Socket, out: &mut String) {
    for (bit, option) in [
        (1, " --transparent"),
        (2, " --nowildcard"),
        (4, " --restore-skmark"),
    ] {
        if s.flags & bit != 0 {
            out.push_str(option);
        }
    }
}

pub fn owner(o: &Owner, out: &mut String) {
    let head = |bit: u8, option: &str, out: &mut String| {
        let set = o.match_ & bit != 0;
        if set {
            not(out, o.invert & bit != 0);
            w!(out, " {option}");
        }
        set
    };
    let ids = |min: u32, max: u32, out: &mut String| {
        if min == max {
            w!(out, " {min}");
        } else {
            w!(out, " {min}-{max}");
        }
    };
    head(4, "--socket-exists", out);
    if head(1, "--uid-owner", out) {
        ids(o.uid_min, o.uid_max, out);
    }
    if head(2, "--gid-owner", out) {
        ids(o.gid_min, o.gid_max, out);
    }
    head(8, "--suppl-groups", out);
}

pub fn cgroup0(c: &Cgroup0, out: &mut String) {
    not(out, c.invert != 0);
    w!(out, " --cgroup {}", c.id);
}

fn cgroup_path(path: &str, inverted: bool, out: &mut String) {
    not(out, inverted);
    out.push_str(" --path");
    quoted(out, path);
}

pub fn cgroup1(c: &Cgroup1, out: &mut String) {
    if c.has_path != 0 {
        cgroup_path(&c.path.text(), c.invert_path != 0, out);
    }
    if c.has_classid != 0 {
        not(out, c.invert_classid != 0);
        w!(out, " --cgroup {}", c.classid);
    }
}

/// The class id that shares its bytes with the path.
pub fn classid(c: &Cgroup2) -> u32 {
    let [a, b, d, e, ..] = c.path.0;
    u32::from_ne_bytes([a, b, d, e])
}

pub fn cgroup2(c: &Cgroup2, out: &mut String) {
    if c.has_path != 0 {
        cgroup_path(&c.path.text(), c.invert_path != 0, out);
    }
    if c.has_classid != 0 {
        not(out, c.invert_classid != 0);
        w!(out, " --cgroup {}", classid(c));
    }
}

pub fn ipvs(v: &Ipvs, cx: &Context<'_>, out: &mut String) {
    let head = |bit: u8, option: &str, out: &mut String| {
        let set = v.bitmask & bit != 0;
        if set {
            not(out, v.invert & bit != 0);
            w!(out, " {option}");
        }
        set
    };
    if v.bitmask == 1 {
        head(1, "--ipvs", out);
    }
    if head(2, "--vproto", out) {
        w!(out, " {}", v.l4proto);
    }
    if head(4, "--vaddr", out) {
        w!(out, " {}{}", cx.addr(v.vaddr.0), cx.mask(v.vmask.0));
    }
    if head(8, "--vport", out) {
        w!(out, " {}", v.vport.0);
    }
    if v.bitmask & 0x10 != 0 {
        out.push_str(if v.invert & 0x10 != 0 {
            " --vdir REPLY"
        } else {
            " --vdir ORIGINAL"
        });
    }
    if head(0x20, "--vmethod", out) {
        // `IP_VS_CONN_F_*`
        out.push_str(match v.fwd_method {
            0 => " MASQ",
            2 => " IPIP",
            3 => " GATE",
            _ => " UNKNOWN",
        });
    }
    if head(0x40, "--vportctl", out) {
        w!(out, " {}", v.vportctl.0);
    }
}

pub fn policy(p: &Policy, cx: &Context<'_>, out: &mut String) {
    out.push_str(if p.flags & 1 != 0 {
        " --dir in"
    } else {
        " --dir out"
    });
    out.push_str(if p.flags & 4 != 0 {
        " --pol none"
    } else {
        " --pol ipsec"
    });
    if p.flags & 8 != 0 {
        out.push_str(" --strict");
    }
    let len = usize::from(p.len);
    for (n, e) in p.pol.iter().take(len).enumerate() {
        let head = |bit: u8, option: &str, out: &mut String| {
            let set = e.match_ & bit != 0;
            if set {
                not(out, e.invert & bit != 0);
                w!(out, " {option} ");
            }
            set
        };
        if head(0x20, "--reqid", out) {
            w!(out, "{}", e.reqid);
        }
        if head(0x10, "--spi", out) {
            // iptables keeps and prints the number in host order, whatever the kernel makes of it.
            w!(out, "0x{:x}", u32::from_ne_bytes(e.spi.0.to_be_bytes()));
        }
        if head(0x04, "--proto", out) {
            match cx.names.protocols.get(&e.proto) {
                Some(name) => out.push_str(name),
                None => w!(out, "{}", e.proto),
            }
        }
        if head(0x08, "--mode", out) {
            out.push_str(match e.mode {
                0 => "transport",
                1 => "tunnel",
                _ => "???",
            });
        }
        if head(0x02, "--tunnel-dst", out) {
            w!(out, "{}{}", cx.addr(e.daddr.0), cx.mask(e.dmask.0));
        }
        if head(0x01, "--tunnel-src", out) {
            w!(out, "{}{}", cx.addr(e.saddr.0), cx.mask(e.smask.0));
        }
        if n + 1 < len {
            out.push_str(" --next");
        }
    }
}

pub fn osf(osf: &Osf, out: &mut String) {
    not(out, osf.flags & 8 != 0);
    w!(out, " --genre {}", osf.genre.text());
    if osf.flags & 2 != 0 {
        w!(out, " --ttl {}", osf.ttl);
    }
    if osf.flags & 4 != 0 {
        w!(out, " --log {}", osf.loglevel);
    }
}

pub fn comment(comment: &Comment, out: &mut String) {
    out.push_str(" --comment");
    quoted(out, &comment.comment.text());
}

pub fn nfacct(nfacct: &Nfacct, out: &mut String) {
    out.push_str(" --nfacct-name ");
    quoted(out, &nfacct.name.text());
}

pub const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub fn time(t: &Time, out: &mut String) {
    if t.daytime_start != 0 || t.daytime_stop != 86_399 {
        for (option, seconds) in [
            ("--timestart", t.daytime_start),
            ("--timestop", t.daytime_stop),
        ] {
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            w!(out, " {option} {h:02}:{m:02}:{s:02}");
        }
    }
    if t.monthdays_match != 0xffff_fffe {
        let days: Vec<String> = (1..=31)
            .filter(|day| t.monthdays_match & 1 << day != 0)
            .map(|day: u32| day.to_string())
            .collect();
        w!(out, " --monthdays {}", days.join(","));
    }
    if t.weekdays_match != 0xfe {
        let days: Vec<&str> = WEEKDAYS
            .iter()
            .enumerate()
            .filter(|(n, _)| t.weekdays_match & 2 << n != 0)
            .map(|(_, name)| *name)
            .collect();
        w!(out, " --weekdays {}", days.join(","));
    }
    for (option, date) in [("--datestart", t.date_start), ("--datestop", t.date_stop)] {
        if date != 0
            && let Some(date) = DateTime::from_timestamp(i64::from(date), 0)
        {
            w!(out, " {option} {}", date.format("%Y-%m-%dT%H:%M:%S"));
        }
    }
    if t.flags & 1 != 0 {
        out.push_str(" --kerneltz");
    }
    if t.flags & 2 != 0 {
        out.push_str(" --contiguous");
    }
}

/// `IPSET_FLAG_*` of matches
mod set_flags {
    pub const RETURN_NOMATCH: u32 = 1 << 7;
    pub const SKIP_COUNTER_UPDATE: u32 = 1 << 3;
    pub const SKIP_SUBCOUNTER_UPDATE: u32 = 1 << 4;
}

pub fn set0(option: &str, set: &SetInfo0, cx: &Context<'_>, out: &mut String) {
    const INVALID: u16 = 0xffff;
    const INVERTED: u32 = 4;
    if set.index == INVALID {
        return;
    }
    not(out, set.flags[0] & INVERTED != 0);
    w!(out, " {option} {}", cx.set_name(set.index));
    let mut separator = ' ';
    for flag in set.flags.iter().take_while(|flag| **flag != 0) {
        w!(
            out,
            "{separator}{}",
            if flag & 1 != 0 { "src" } else { "dst" }
        );
        separator = ',';
    }
}

/// ` OPTION NAME src,dst`
pub fn set(option: &str, set: &SetInfo, cx: &Context<'_>, out: &mut String) {
    w!(out, " {option} {}", cx.set_name(set.index));
    let mut separator = ' ';
    for n in 1..=set.dim.min(7) {
        w!(
            out,
            "{separator}{}",
            if set.flags & 1 << n != 0 {
                "src"
            } else {
                "dst"
            }
        );
        separator = ',';
    }
}

pub fn match_set(info: &SetInfo, cx: &Context<'_>, out: &mut String) {
    not(out, info.flags & 1 != 0);
    set("--match-set", info, cx, out);
}

pub fn set2(x: &Set1, cx: &Context<'_>, out: &mut String) {
    match_set(&x.match_set, cx, out);
    if x.match_set.flags & 0x80 != 0 {
        out.push_str(" --return-nomatch");
    }
}

fn set_options(flags: u32, counters: [(&str, u8, u64); 2], out: &mut String) {
    if flags & set_flags::RETURN_NOMATCH != 0 {
        out.push_str(" --return-nomatch");
    }
    if flags & set_flags::SKIP_COUNTER_UPDATE != 0 {
        out.push_str(" ! --update-counters");
    }
    if flags & set_flags::SKIP_SUBCOUNTER_UPDATE != 0 {
        out.push_str(" ! --update-subcounters");
    }
    for (name, op, value) in counters {
        match op {
            1 => w!(out, " --{name}-eq {value}"),
            2 => w!(out, " ! --{name}-eq {value}"),
            3 => w!(out, " --{name}-lt {value}"),
            4 => w!(out, " --{name}-gt {value}"),
            _ => {}
        }
    }
}

pub fn set3(x: &Set3, cx: &Context<'_>, out: &mut String) {
    match_set(&x.match_set, cx, out);
    let counters = [
        ("packets", x.packets.op, x.packets.value),
        ("bytes", x.bytes.op, x.bytes.value),
    ];
    set_options(x.flags, counters, out);
}

pub fn set4(x: &Set4, cx: &Context<'_>, out: &mut String) {
    match_set(&x.match_set, cx, out);
    let counters = [
        ("packets", x.packets.op, x.packets.value),
        ("bytes", x.bytes.op, x.bytes.value),
    ];
    set_options(x.flags, counters, out);
}
