//! Matches on the packet's way through the machine, on sets, times and comments.

mod policy;
mod time;

use super::{Built, Spec, m};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options, mask};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::ADDRESS_TYPES;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Any, Inet};
use crate::model::xtables::layout::{Field, Text};
use crate::model::xtables::state::*;
use policy::{ipvs, policy};
use std::collections::BTreeMap;
use time::time;

pub const SPECS: &[Spec] = &[
    m("connmark", Inet, "mark!+", |o| {
        Ok(Part::Known(X::Connmark(mark(o)?)))
    }),
    m("mark", Inet, "mark!+", |o| {
        Ok(Part::Known(X::Mark(mark(o)?)))
    }),
    m(
        "addrtype",
        Inet,
        "src-type! dst-type! limit-iface-in- limit-iface-out-",
        addrtype,
    ),
    m("cpu", Inet, "cpu!+", cpu),
    m("devgroup", Inet, "src-group! dst-group!", devgroup),
    m(
        "physdev",
        Inet,
        "physdev-in! physdev-out! physdev-is-in!- physdev-is-out!- physdev-is-bridged!-",
        physdev,
    ),
    m("realm", Inet, "realm!+", realm),
    m(
        "rpfilter",
        Inet,
        "loose- validmark- accept-local- invert-",
        rpfilter,
    ),
    m(
        "socket",
        Inet,
        "nowildcard- transparent- restore-skmark-",
        socket,
    ),
    m(
        "owner",
        Inet,
        "uid-owner! gid-owner! socket-exists!- suppl-groups-",
        owner,
    ),
    m("cgroup", Inet, "path! cgroup!", cgroup),
    m(
        "ipvs",
        Inet,
        "ipvs!- vproto! vaddr! vport! vdir vmethod! vportctl!",
        ipvs,
    ),
    m(
        "policy",
        Inet,
        "dir+ pol+ strict- reqid!* spi!* tunnel-src!* tunnel-dst!* proto!* mode!* next*-",
        policy,
    ),
    m("osf", Inet, "genre!+ ttl log", osf),
    m("comment", Any, "comment+", comment),
    m("nfacct", Inet, "nfacct-name+", nfacct),
    m(
        "time",
        Inet,
        "timestart timestop datestart datestop monthdays! weekdays! kerneltz,localtz- contiguous- utc-",
        time,
    ),
    m(
        "set",
        Inet,
        "match-set,set!=+ return-nomatch- update-counters!- update-subcounters!- packets-eq! packets-lt \
         packets-gt bytes-eq! bytes-lt bytes-gt",
        set,
    ),
];

fn mark(o: &Options<'_>) -> Result<Mark, Wrong> {
    let given = o.need("mark")?;
    let (value, mask) = given.masked()?;
    Ok(Mark {
        mark: value,
        mask,
        invert: given.inverted.into(),
    })
}

fn addrtype(o: &Options<'_>) -> Built {
    let types = |given: &Given| -> Result<u16, Wrong> {
        let mut all = 0;
        for name in given.value.split(',') {
            let place = ADDRESS_TYPES
                .iter()
                .position(|one| one.eq_ignore_ascii_case(name));
            all |=
                1 << place.ok_or_else(|| given.wrong(format!("`{name}` is no type of address")))?;
        }
        Ok(all)
    };
    let mut out = Addrtype1::zero();
    if let Some(given) = o.get("src-type") {
        out.source = types(given)?;
        out.flags |= given.inverted as u32;
    }
    if let Some(given) = o.get("dst-type") {
        out.dest = types(given)?;
        out.flags |= (given.inverted as u32) << 1;
    }
    o.at_most_one(&["limit-iface-in", "limit-iface-out"])?;
    if out.source == 0 && out.dest == 0 {
        return Err(o.wrong("--src-type or --dst-type is missing"));
    }
    out.flags |= (o.has("limit-iface-in") as u32) << 2 | (o.has("limit-iface-out") as u32) << 3;
    Ok(Part::Known(X::Addrtype1(out)))
}

fn cpu(o: &Options<'_>) -> Built {
    let given = o.need("cpu")?;
    Ok(Part::Known(X::Cpu(Cpu {
        cpu: given.u32()?,
        invert: given.inverted.into(),
    })))
}

/// A number with a mask, or a name.
pub fn named(given: &Given, names: &BTreeMap<u32, String>) -> Result<(u32, u32), Wrong> {
    match names.iter().find(|(_, name)| **name == given.value) {
        Some((number, _)) => Ok((*number, u32::MAX)),
        None => given.masked(),
    }
}

fn devgroup(o: &Options<'_>) -> Built {
    let mut out = Devgroup::zero();
    let names = &o.machine.names.device_groups;
    if let Some(given) = o.get("src-group") {
        (out.src_group, out.src_mask) = named(given, names)?;
        out.flags |= 1 | (given.inverted as u32) << 1;
    }
    if let Some(given) = o.get("dst-group") {
        (out.dst_group, out.dst_mask) = named(given, names)?;
        out.flags |= 4 | (given.inverted as u32) << 3;
    }
    if out.flags == 0 {
        return Err(o.wrong("--src-group or --dst-group is missing"));
    }
    Ok(Part::Known(X::Devgroup(out)))
}

fn interface(given: &Given) -> Result<(Text<16>, [u8; 16]), Wrong> {
    let name: Text<16> = given.text()?;
    let len = name.bytes().len();
    let masked = if given.value.ends_with('+') {
        len - 1
    } else {
        len + 1
    };
    let mut mask = [0; 16];
    for byte in mask.iter_mut().take(masked) {
        *byte = 0xff;
    }
    Ok((name, mask))
}

fn physdev(o: &Options<'_>) -> Built {
    // XT_PHYSDEV_OP_IN 1, OUT 2, BRIDGED 4, ISIN 8, ISOUT 0x10
    let mut out = Physdev::zero();
    for given in &o.given {
        let bit = match given.name {
            "physdev-in" => {
                (out.physindev, out.in_mask) = interface(given)?;
                1
            }
            "physdev-out" => {
                (out.physoutdev, out.out_mask) = interface(given)?;
                2
            }
            "physdev-is-bridged" => 4,
            "physdev-is-in" => 8,
            _ => 0x10,
        };
        out.bitmask |= bit;
        if given.inverted {
            out.invert |= bit;
        }
    }
    if out.bitmask == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::Physdev(out)))
}

fn realm(o: &Options<'_>) -> Built {
    let given = o.need("realm")?;
    let (id, mask) = named(given, &o.machine.names.realms)?;
    Ok(Part::Known(X::Realm(Realm {
        id,
        mask,
        invert: given.inverted.into(),
    })))
}

fn bits(o: &Options<'_>, names: &[&str]) -> u8 {
    let set = names.iter().enumerate().filter(|(_, name)| o.has(name));
    set.fold(0, |all, (place, _)| all | 1 << place)
}

fn rpfilter(o: &Options<'_>) -> Built {
    let flags = bits(o, &["loose", "validmark", "accept-local", "invert"]);
    Ok(Part::Known(X::Rpfilter(Rpfilter { flags })))
}

fn socket(o: &Options<'_>) -> Built {
    let flags = bits(o, &["transparent", "nowildcard", "restore-skmark"]);
    Ok(Part::Known(X::Socket3(Socket { flags })))
}

/// A user or group by name, or a range of numbers.
fn ids(given: &Given, look_up: Option<fn(&str) -> Option<u32>>) -> Result<[u32; 2], Wrong> {
    if let Some(id) = look_up.and_then(|look_up| look_up(&given.value)) {
        return Ok([id, id]);
    }
    let most = u64::from(u32::MAX) - 1;
    match given.value.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (given.number(from, 0..=most)?, given.number(to, 0..=most)?);
            if from > to {
                return Err(given.wrong("the first number is greater than the last"));
            }
            Ok([from, to])
        }
        None => Ok([given.number(&given.value, 0..=most)?; 2]),
    }
}

fn owner(o: &Options<'_>) -> Built {
    let mut out = Owner::zero();
    for given in &o.given {
        let bit = match given.name {
            "uid-owner" => {
                [out.uid_min, out.uid_max] = ids(given, o.machine.user)?;
                1
            }
            "gid-owner" => {
                [out.gid_min, out.gid_max] = ids(given, o.machine.group)?;
                2
            }
            "socket-exists" => 4,
            _ if out.match_ & 2 == 0 => return Err(given.wrong("--gid-owner comes first")),
            _ => 8,
        };
        out.match_ |= bit;
        if given.inverted {
            out.invert |= bit;
        }
    }
    if out.match_ == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::Owner(out)))
}

fn cgroup(o: &Options<'_>) -> Built {
    let given = o.one(&["path", "cgroup"])?;
    let mut out = Cgroup2::zero();
    if given.name == "path" {
        out.has_path = 1;
        out.invert_path = given.inverted.into();
        out.path = given.text()?;
    } else {
        out.has_classid = 1;
        out.invert_classid = given.inverted.into();
        let class = given.u32()?.to_ne_bytes();
        for (to, from) in out.path.0.iter_mut().zip(class) {
            *to = from;
        }
    }
    Ok(Part::Known(X::Cgroup2(Box::new(out))))
}

fn osf(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.need("genre")?;
    let mut out = Osf::zero();
    out.genre = given.text()?;
    out.len = given.value.len() as u32;
    // XT_OSF_GENRE 1, TTL 2, LOG 4, INVERT 8
    out.flags = 1 | if given.inverted { 8 } else { 0 };
    if let Some(given) = o.get("ttl") {
        out.ttl = given.number(&given.value, 0..=2)?;
        out.flags |= 2;
    }
    if let Some(given) = o.get("log") {
        out.loglevel = given.number(&given.value, 0..=2)?;
        out.flags |= 4;
    }
    Ok(Part::Known(X::Osf(out)))
}

fn comment(o: &Options<'_>) -> Built {
    let comment = o.need("comment")?.text()?;
    Ok(Part::Known(X::Comment(Box::new(Comment { comment }))))
}

fn nfacct(o: &Options<'_>) -> Built {
    let name = o.need("nfacct-name")?.text()?;
    Ok(Part::Known(X::Nfacct0(Nfacct { name, nfacct: 0 })))
}

/// A set by name with its directions.
pub fn set_info(o: &Options<'_>, given: &Given, sets: &str) -> Result<SetInfo, Wrong> {
    let mut names = o.machine.names.ipsets.iter();
    let found = names.find(|(_, name)| **name == given.value);
    let (index, _) =
        found.ok_or_else(|| given.wrong(format!("there is no set `{}`", given.value)))?;
    let mut info = SetInfo {
        index: *index,
        dim: 0,
        flags: 0,
    };
    for direction in sets.split(',') {
        info.dim += 1;
        if info.dim > 6 {
            return Err(given.wrong("at most six directions"));
        }
        match direction {
            "src" => info.flags |= 1 << info.dim,
            "dst" => {}
            other => return Err(given.wrong(format!("`{other}` is none of src, dst"))),
        }
    }
    Ok(info)
}

fn set(o: &Options<'_>) -> Built {
    let given = o.need("match-set")?;
    let mut out = Set4 {
        match_set: set_info(o, given, &given.second)?,
        ..Set4::zero()
    };
    // IPSET_INV_MATCH
    out.match_set.flags |= given.inverted as u8;
    if o.has("return-nomatch") {
        out.flags |= 1 << 7;
    }
    if o.inverted("update-counters") {
        out.flags |= 1 << 3;
    }
    if o.inverted("update-subcounters") {
        out.flags |= 1 << 4;
    }
    // IPSET_COUNTER_EQ 1, NE 2, LT 3, GT 4
    for (counter, names) in [
        (&mut out.packets, ["packets-eq", "packets-lt", "packets-gt"]),
        (&mut out.bytes, ["bytes-eq", "bytes-lt", "bytes-gt"]),
    ] {
        o.at_most_one(&names)?;
        for (place, name) in names.iter().enumerate() {
            if let Some(given) = o.get(name) {
                counter.op = match place {
                    0 => 1 + given.inverted as u8,
                    1 => 3,
                    _ => 4,
                };
                counter.value = given.u64()?;
                out.flags |= 1 << 5;
            }
        }
    }
    Ok(Part::Known(X::Set4(out)))
}

/// For options that take a mask.
pub fn mask_of(
    o: &Options<'_>,
    given: &Given,
) -> Result<crate::model::xtables::layout::Addr16, Wrong> {
    mask(&given.value, o.family).ok_or_else(|| given.wrong(format!("`{}` is no mask", given.value)))
}
