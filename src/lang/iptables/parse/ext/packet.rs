//! Matches on network headers and on the packet's bytes.

mod bytes;
mod header6;

use super::{Built, Spec, m};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Inet, Ip, Ip6};
use crate::model::xtables::layout::Field;
use crate::model::xtables::protocol::*;
use bytes::*;
use header6::*;

pub const SPECS: &[Spec] = &[
    m(
        "frag",
        Ip6,
        "fragid! fraglen! fragres- fragfirst- fragmore- fraglast-",
        frag,
    ),
    m("hbh", Ip6, "hbh-len! hbh-opts", hbh),
    m("dst", Ip6, "dst-len! dst-opts", dst),
    m(
        "rt",
        Ip6,
        "rt-type! rt-segsleft! rt-len! rt-0-res- rt-0-addrs rt-0-not-strict-",
        rt,
    ),
    m("ipv6header", Ip6, "header+! soft-", ipv6header),
    m("eui64", Ip6, "", |_| {
        Ok(Part::Known(X::Eui64(Field::zero())))
    }),
    m("mh", Ip6, "mh-type!", mh),
    m("ttl", Ip, "ttl-eq,ttl! ttl-lt ttl-gt", ttl),
    m("hl", Ip6, "hl-eq,hl! hl-lt hl-gt", hl),
    m("dscp", Inet, "dscp! dscp-class!", dscp),
    m("tos", Inet, "tos!+", tos),
    m("ecn", Inet, "ecn-tcp-cwr!- ecn-tcp-ece!- ecn-ip-ect!", ecn),
    m("length", Inet, "length!+", length),
    m("u32", Inet, "u32!+", u32_test),
    m(
        "string",
        Inet,
        "algo+ from to string! hex-string! icase-",
        string,
    ),
    m("bpf", Inet, "bytecode object-pinned", bpf),
    m("mac", Inet, "mac-source!+", mac),
    m("pkttype", Inet, "pkt-type!+", pkttype),
    m("iprange", Inet, "src-range! dst-range!", iprange),
    m("l2tp", Inet, "tid sid pversion type", l2tp),
    m(
        "srh",
        Ip6,
        "srh-next-hdr! srh-hdr-len-eq! srh-hdr-len-gt! srh-hdr-len-lt! srh-segs-left-eq! srh-segs-left-gt! srh-segs-left-lt! srh-last-entry-eq! srh-last-entry-gt! srh-last-entry-lt! srh-tag! srh-psid! srh-nsid! srh-lsid!",
        srh,
    ),
];

fn hops(o: &Options<'_>, names: [&str; 3]) -> Result<Ttl, Wrong> {
    let given = o.one(&names)?;
    let [equal, less, _] = names;
    Ok(Ttl {
        mode: match given.name {
            name if name == equal => given.inverted.into(),
            name if name == less => 2,
            _ => 3,
        },
        ttl: given.u8()?,
    })
}

fn ttl(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Ttl(hops(
        o,
        ["ttl-eq", "ttl-lt", "ttl-gt"],
    )?)))
}

fn hl(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Hl(hops(o, ["hl-eq", "hl-lt", "hl-gt"])?)))
}

const DSCP_CLASSES: &[(&str, u8)] = &[
    ("CS0", 0),
    ("CS1", 8),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// By number or by class.
pub fn dscp_value(given: &Given) -> Result<u8, Wrong> {
    if !given.name.ends_with("class") {
        return given.number(&given.value, 0..=0x3f);
    }
    let class = DSCP_CLASSES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&given.value));
    class
        .map(|(_, value)| *value)
        .ok_or_else(|| given.wrong(format!("`{}` is no class", given.value)))
}

fn dscp(o: &Options<'_>) -> Built {
    let given = o.one(&["dscp", "dscp-class"])?;
    Ok(Part::Known(X::Dscp(Dscp {
        dscp: dscp_value(given)?,
        invert: given.inverted.into(),
    })))
}

/// `0x10/0xff` or a name; gives value and mask.
pub fn tos_value(given: &Given, default: u8) -> Result<(u8, u8), Wrong> {
    for (name, value) in [
        ("Minimize-Delay", 0x10),
        ("Maximize-Throughput", 8),
        ("Maximize-Reliability", 4),
        ("Minimize-Cost", 2),
        ("Normal-Service", 0),
    ] {
        if name.eq_ignore_ascii_case(&given.value) {
            return Ok((value, 0x3f));
        }
    }
    match given.value.split_once('/') {
        Some((value, mask)) => Ok((given.number(value, 0..=255)?, given.number(mask, 0..=255)?)),
        None => Ok((given.u8()?, default)),
    }
}

fn tos(o: &Options<'_>) -> Built {
    let given = o.need("tos")?;
    let (tos_value, tos_mask) = tos_value(given, 0xff)?;
    Ok(Part::Known(X::Tos(Tos {
        tos_mask,
        tos_value,
        invert: given.inverted.into(),
    })))
}

fn ecn(o: &Options<'_>) -> Built {
    let mut ecn = Ecn::default();
    for (bit, name) in [(0x20, "ecn-tcp-cwr"), (0x10, "ecn-tcp-ece")] {
        if let Some(given) = o.get(name) {
            if o.proto != 6 || o.proto_inverted {
                return Err(given.wrong("only with -p tcp"));
            }
            ecn.operation |= bit;
            ecn.invert |= if given.inverted { bit } else { 0 };
        }
    }
    if let Some(given) = o.get("ecn-ip-ect") {
        ecn.operation |= 1;
        ecn.invert |= given.inverted as u8;
        ecn.ip_ect = given.number(&given.value, 0..=3)?;
    }
    if ecn.operation == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::Ecn(ecn)))
}

fn length(o: &Options<'_>) -> Built {
    let given = o.need("length")?;
    let [min, max] = given.range(0xffff)?;
    Ok(Part::Known(X::Length(Length {
        min,
        max,
        invert: given.inverted.into(),
    })))
}

fn mac(o: &Options<'_>) -> Built {
    let given = o.need("mac-source")?;
    Ok(Part::Known(X::Mac(Mac {
        srcaddr: given.mac()?,
        invert: given.inverted.into(),
    })))
}

fn pkttype(o: &Options<'_>) -> Built {
    let given = o.need("pkt-type")?;
    let pkttype = match given.value.to_ascii_lowercase().as_str() {
        "unicast" | "host" => 0,
        "broadcast" => 1,
        "multicast" => 2,
        other => {
            return Err(given.wrong(format!(
                "`{other}` is none of unicast, broadcast, multicast"
            )));
        }
    };
    Ok(Part::Known(X::Pkttype(PktType {
        pkttype,
        invert: given.inverted.into(),
    })))
}

fn iprange(o: &Options<'_>) -> Built {
    let mut range = IpRange::zero();
    for (bit, name) in [(1, "src-range"), (2, "dst-range")] {
        let Some(given) = o.get(name) else { continue };
        let (from, to) = given
            .value
            .split_once('-')
            .unwrap_or((&given.value, &given.value));
        let (from, to) = (o.addr(given, from)?, o.addr(given, to)?);
        if from.0 > to.0 {
            return Err(given.wrong("the first address is greater than the last"));
        }
        range.flags |= bit;
        if given.inverted {
            range.flags |= bit << 4;
        }
        if bit == 1 {
            (range.src_min, range.src_max) = (from, to);
        } else {
            (range.dst_min, range.dst_max) = (from, to);
        }
    }
    if range.flags == 0 {
        return Err(o.wrong("--src-range or --dst-range is missing"));
    }
    Ok(Part::Known(X::Iprange(range)))
}

fn l2tp(o: &Options<'_>) -> Built {
    let mut l2tp = L2tp::zero();
    // XT_L2TP_TID 1, SID 2, VERSION 4, TYPE 8
    if let Some(given) = o.get("tid") {
        l2tp.tid = given.u32()?;
        l2tp.flags |= 1;
    }
    if let Some(given) = o.get("sid") {
        l2tp.sid = given.u32()?;
        l2tp.flags |= 2;
    }
    if let Some(given) = o.get("pversion") {
        l2tp.version = given.number(&given.value, 2..=3)?;
        l2tp.flags |= 4;
    }
    if let Some(given) = o.get("type") {
        l2tp.kind = match &*given.value {
            "control" => 0,
            "data" => 1,
            other => return Err(given.wrong(format!("`{other}` is none of control, data"))),
        };
        l2tp.flags |= 8;
    }
    if l2tp.flags == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::L2tp(l2tp)))
}
