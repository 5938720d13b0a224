//! Matches on the extension headers of IPv6.

use super::super::Built;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::Options;
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::IPV6_HEADERS;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::Field;
use crate::model::xtables::protocol::*;

pub(super) fn frag(o: &Options<'_>) -> Built {
    let mut frag = Frag6 {
        ids: [0, u32::MAX],
        ..Frag6::default()
    };
    if let Some(given) = o.get("fragid") {
        frag.ids = given.range(u64::from(u32::MAX))?;
        frag.flags |= 1;
        frag.invflags |= given.inverted as u8;
    }
    if let Some(given) = o.get("fraglen") {
        frag.hdrlen = given.u32()?;
        frag.flags |= 2;
        frag.invflags |= (given.inverted as u8) << 1;
    }
    for (bit, name) in [
        (4, "fragres"),
        (8, "fragfirst"),
        (0x10, "fragmore"),
        (0x20, "fraglast"),
    ] {
        if o.has(name) {
            frag.flags |= bit;
        }
    }
    o.at_most_one(&["fragmore", "fraglast"])?;
    Ok(Part::Known(X::Frag6(frag)))
}

fn options6(o: &Options<'_>, len: &str, opts: &str) -> Result<Opts6, Wrong> {
    let mut out = Opts6::zero();
    if let Some(given) = o.get(len) {
        out.hdrlen = given.u32()?;
        out.flags |= 1;
        out.invflags |= given.inverted as u8;
    }
    if let Some(given) = o.get(opts) {
        out.flags |= 2;
        for (place, one) in given.value.split(',').enumerate() {
            let (kind, len) = match one.split_once(':') {
                Some((kind, len)) => (kind, given.number(len, 0..=255)?),
                None => (one, 255u16),
            };
            let kind: u16 = given.number(kind, 0..=255)?;
            let slot = out.opts.get_mut(place);
            *slot.ok_or_else(|| given.wrong("at most 16 options"))? = kind << 8 | len;
            out.optsnr = place as u8 + 1;
        }
    }
    Ok(out)
}

pub(super) fn hbh(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Hbh(options6(o, "hbh-len", "hbh-opts")?)))
}

pub(super) fn dst(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Dst(options6(o, "dst-len", "dst-opts")?)))
}

pub(super) fn rt(o: &Options<'_>) -> Built {
    let mut rt = Rt6 {
        segsleft: [0, u32::MAX],
        ..Rt6::default()
    };
    if let Some(given) = o.get("rt-type") {
        rt.rt_type = given.u32()?;
        rt.flags |= 1;
        rt.invflags |= given.inverted as u8;
    }
    if let Some(given) = o.get("rt-segsleft") {
        rt.segsleft = given.range(u64::from(u32::MAX))?;
        rt.flags |= 2;
        rt.invflags |= (given.inverted as u8) << 1;
    }
    if let Some(given) = o.get("rt-len") {
        rt.hdrlen = given.u32()?;
        rt.flags |= 4;
        rt.invflags |= (given.inverted as u8) << 2;
    }
    let type_0 = rt.flags & 1 != 0 && rt.rt_type == 0 && rt.invflags & 1 == 0;
    for name in ["rt-0-res", "rt-0-addrs", "rt-0-not-strict"] {
        if let Some(given) = o.get(name).filter(|_| !type_0) {
            return Err(given.wrong("only with --rt-type 0"));
        }
    }
    if o.has("rt-0-res") {
        rt.flags |= 8;
    }
    if let Some(given) = o.get("rt-0-addrs") {
        rt.flags |= 0x10;
        for (place, one) in given.value.split(',').enumerate() {
            let addr = o.addr(given, one)?;
            *rt.addrs
                .get_mut(place)
                .ok_or_else(|| given.wrong("at most 16 addresses"))? = addr;
            rt.addrnr = place as u8 + 1;
        }
    }
    if let Some(given) = o.get("rt-0-not-strict") {
        if rt.flags & 0x10 == 0 {
            return Err(given.wrong("only with --rt-0-addrs"));
        }
        rt.flags |= 0x20;
    }
    Ok(Part::Known(X::Rt6(Box::new(rt))))
}

pub(super) fn ipv6header(o: &Options<'_>) -> Built {
    let given = o.need("header")?;
    let mut header = Ipv6Header {
        modeflag: if o.has("soft") { 0xff } else { 0 },
        ..Ipv6Header::default()
    };
    for name in given.value.split(',') {
        let name = match name {
            "hop" => "hop-by-hop",
            "dst" => "ipv6-opts",
            "route" => "ipv6-route",
            "frag" => "ipv6-frag",
            "none" => "ipv6-nonxt",
            "auth" => "ah",
            "prot" | "proto" => "protocol",
            name => name,
        };
        let number = o.machine.protocol(name).filter(|_| name != "protocol");
        let found = IPV6_HEADERS.iter().find(|(proto, _, word)| {
            name.eq_ignore_ascii_case(word) || number == Some(u16::from(*proto))
        });
        let bit = match (name, found) {
            ("hop-by-hop", _) => 0x80,
            ("ipv6-opts", _) => 0x40,
            ("ipv6-route", _) => 0x20,
            ("ipv6-frag", _) => 0x10,
            ("ah", _) => 8,
            ("esp", _) => 4,
            ("ipv6-nonxt", _) => 2,
            ("protocol", _) => 1,
            (_, Some((_, bit, _))) => *bit,
            (_, None) => return Err(given.wrong(format!("`{name}` is no header"))),
        };
        header.matchflags |= bit;
    }
    if given.inverted {
        header.invflags |= 0xff;
    }
    Ok(Part::Known(X::Ipv6Header(header)))
}

const MH_TYPES: &[(&str, u8)] = &[
    ("binding-refresh-request", 0),
    ("brr", 0),
    ("home-test-init", 1),
    ("hoti", 1),
    ("careof-test-init", 2),
    ("coti", 2),
    ("home-test", 3),
    ("hot", 3),
    ("careof-test", 4),
    ("cot", 4),
    ("binding-update", 5),
    ("bu", 5),
    ("binding-acknowledgement", 6),
    ("ba", 6),
    ("binding-error", 7),
    ("be", 7),
];

pub(super) fn mh(o: &Options<'_>) -> Built {
    o.protocols(&[135], "mh")?;
    let mut mh = Mh {
        types: [0, 255],
        invflags: 0,
    };
    if let Some(given) = o.get("mh-type") {
        let one = |text: &str| -> Result<u8, Wrong> {
            let named = MH_TYPES
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(text));
            named.map_or_else(|| given.number(text, 0..=255), |(_, kind)| Ok(*kind))
        };
        mh.types = match given.value.split_once(':') {
            Some((from, to)) => [
                if from.is_empty() { 0 } else { one(from)? },
                if to.is_empty() { 255 } else { one(to)? },
            ],
            None => [one(&given.value)?; 2],
        };
        let [from, to] = mh.types;
        if from > to {
            return Err(given.wrong("the first type is greater than the last"));
        }
        mh.invflags = given.inverted.into();
    }
    Ok(Part::Known(X::Mh(mh)))
}

pub(super) fn srh(o: &Options<'_>) -> Built {
    let mut srh = Srh1::zero();
    for given in &o.given {
        let mut bits = |bit: u16| {
            srh.mt_flags |= bit;
            if given.inverted {
                srh.mt_invflags |= bit;
            }
        };
        match given.name {
            "srh-next-hdr" => bits(1),
            "srh-hdr-len-eq" => bits(2),
            "srh-hdr-len-gt" => bits(4),
            "srh-hdr-len-lt" => bits(8),
            "srh-segs-left-eq" => bits(0x10),
            "srh-segs-left-gt" => bits(0x20),
            "srh-segs-left-lt" => bits(0x40),
            "srh-last-entry-eq" => bits(0x80),
            "srh-last-entry-gt" => bits(0x100),
            "srh-last-entry-lt" => bits(0x200),
            "srh-tag" => bits(0x400),
            "srh-psid" => bits(0x800),
            "srh-nsid" => bits(0x1000),
            _ => bits(0x2000),
        }
        match given.name {
            "srh-next-hdr" => {
                srh.next_hdr = u8::try_from(o.protocol(given, &given.value)?).unwrap_or(0);
            }
            "srh-tag" => srh.tag = given.u16()?,
            "srh-psid" => (srh.psid_addr, srh.psid_msk) = o.host_mask(given)?,
            "srh-nsid" => (srh.nsid_addr, srh.nsid_msk) = o.host_mask(given)?,
            "srh-lsid" => (srh.lsid_addr, srh.lsid_msk) = o.host_mask(given)?,
            name if name.starts_with("srh-hdr") => srh.hdr_len = given.u8()?,
            name if name.starts_with("srh-segs") => srh.segs_left = given.u8()?,
            _ => srh.last_entry = given.u8()?,
        }
    }
    Ok(Part::Known(X::Srh1(Box::new(srh))))
}
