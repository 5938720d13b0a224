//! Matches on network headers and on the packet's bytes.

use super::{Built, Spec, m};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::IPV6_HEADERS;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Inet, Ip, Ip6};
use crate::model::xtables::layout::{Field, Text};
use crate::model::xtables::protocol::*;

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

fn frag(o: &Options<'_>) -> Built {
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

fn hbh(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Hbh(options6(o, "hbh-len", "hbh-opts")?)))
}

fn dst(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Dst(options6(o, "dst-len", "dst-opts")?)))
}

fn rt(o: &Options<'_>) -> Built {
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

fn ipv6header(o: &Options<'_>) -> Built {
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

fn mh(o: &Options<'_>) -> Built {
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

/// `0x0&0xff=1:2,5&&4=0`
fn u32_test(o: &Options<'_>) -> Built {
    let given = o.need("u32")?;
    let mut out = U32 {
        invert: given.inverted.into(),
        ..U32::zero()
    };
    let number_of =
        |text: &str| -> Result<u32, Wrong> { given.number(text.trim(), 0..=0xffff_ffff) };
    let too_many = || given.wrong("too many parts");
    for (place, test) in given.value.split("&&").enumerate() {
        let slot = out.tests.get_mut(place).ok_or_else(too_many)?;
        let (location, values) = test
            .split_once('=')
            .ok_or_else(|| given.wrong("`=` is missing"))?;
        let mut rest = location.trim();
        let mut nextop = 0;
        let mut count = 0;
        loop {
            let digits = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(digits);
            let one = slot.location.get_mut(count).ok_or_else(too_many)?;
            one.number = number_of(digits)?;
            one.nextop = nextop;
            count += 1;
            rest = after.trim();
            if rest.is_empty() {
                break;
            }
            (nextop, rest) = if let Some(rest) = rest.strip_prefix('&') {
                (0, rest)
            } else if let Some(rest) = rest.strip_prefix("<<") {
                (1, rest)
            } else if let Some(rest) = rest.strip_prefix(">>") {
                (2, rest)
            } else if let Some(rest) = rest.strip_prefix('@') {
                (3, rest)
            } else {
                return Err(given.wrong(format!("`{rest}` is not understood")));
            };
            rest = rest.trim();
        }
        slot.nnums = count as u8;
        for (place, value) in values.split(',').enumerate() {
            let one = slot.value.get_mut(place).ok_or_else(too_many)?;
            let (from, to) = value.split_once(':').unwrap_or((value, value));
            (one.min, one.max) = (number_of(from)?, number_of(to)?);
            slot.nvalues = place as u8 + 1;
        }
        out.ntests = place as u8 + 1;
    }
    Ok(Part::Known(X::U32(Box::new(out))))
}

/// `|0d 0a|` between ordinary text.
fn hex_text(given: &Given) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::new();
    let mut hex = false;
    let mut chars = given.value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '|' => hex = !hex,
            ' ' if hex => {}
            '\\' if !hex => out.extend(chars.next().map(|c| c as u8)),
            _ if hex => {
                let second = chars.next().and_then(|c| c.to_digit(16));
                match (c.to_digit(16), second) {
                    (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
                    _ => return Err(given.wrong("no hexadecimal digits")),
                }
            }
            c => out.extend(c.to_string().into_bytes()),
        }
    }
    if hex {
        return Err(given.wrong("`|` is not closed"));
    }
    Ok(out)
}

fn string(o: &Options<'_>) -> Built {
    let given = o.one(&["string", "hex-string"])?;
    let bytes = if given.name == "string" {
        crate::model::text::to_bytes(&given.value).to_vec()
    } else {
        hex_text(given)?
    };
    let mut out = StringMatch {
        to_offset: u16::MAX,
        algo: o.need("algo")?.text::<16>()?,
        flags: given.inverted as u8 | (o.has("icase") as u8) << 1,
        ..StringMatch::zero()
    };
    if out.algo != Text::new(b"bm").unwrap_or(out.algo)
        && out.algo != Text::new(b"kmp").unwrap_or(out.algo)
    {
        return Err(o.need("algo")?.wrong("bm or kmp"));
    }
    if bytes.is_empty() || bytes.len() > out.pattern.len() {
        return Err(given.wrong("1 to 128 bytes are possible"));
    }
    for (to, from) in out.pattern.iter_mut().zip(&bytes) {
        *to = *from;
    }
    out.patlen = bytes.len() as u8;
    if let Some(given) = o.get("from") {
        out.from_offset = given.u16()?;
    }
    if let Some(given) = o.get("to") {
        out.to_offset = given.u16()?;
    }
    Ok(Part::Known(X::String1(Box::new(out))))
}

fn bpf(o: &Options<'_>) -> Built {
    let given = o.one(&["bytecode"])?;
    let mut bpf = Bpf1::zero();
    let mut parts = given.value.split(',');
    let count: u16 = given.number(parts.next().unwrap_or_default().trim(), 1..=64)?;
    for place in 0..usize::from(count) {
        let line = parts
            .next()
            .ok_or_else(|| given.wrong("fewer instructions than said"))?;
        let mut words = line.split_ascii_whitespace();
        let mut next = |most: u64| -> Result<u64, Wrong> {
            given.number(words.next().unwrap_or_default(), 0..=most)
        };
        let code = next(0xffff)? as u16;
        let (jt, jf) = (next(255)? as u8, next(255)? as u8);
        let k = next(0xffff_ffff)? as u32;
        if let Some(slot) = bpf.program.get_mut(place) {
            *slot = SockFilter { code, jt, jf, k };
        }
    }
    bpf.len = count;
    Ok(Part::Known(X::Bpf1(Box::new(bpf))))
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

fn srh(o: &Options<'_>) -> Built {
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
