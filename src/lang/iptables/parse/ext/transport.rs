//! Matches on transport headers.

use super::{Built, Spec, m};
use crate::lang::iptables::icmp::{ICMP, ICMP6, IcmpName};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::{DCCP_TYPES, SCTP_CHUNKS};
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Inet, Ip, Ip6};
use crate::model::xtables::layout::Field;
use crate::model::xtables::protocol::*;

pub const SPECS: &[Spec] = &[
    m(
        "tcp",
        Inet,
        "source-port,sport! destination-port,dport! syn!- tcp-flags!= tcp-option!",
        tcp,
    ),
    m(
        "udp",
        Inet,
        "source-port,sport! destination-port,dport!",
        udp,
    ),
    m("icmp", Ip, "icmp-type!+", icmp),
    m("icmp6", Ip6, "icmpv6-type!+", icmp6),
    m(
        "sctp",
        Inet,
        "source-port,sport! destination-port,dport! chunk-types!=",
        sctp,
    ),
    m(
        "dccp",
        Inet,
        "source-port,sport! destination-port,dport! dccp-types! dccp-option!",
        dccp,
    ),
    m(
        "multiport",
        Inet,
        "source-ports,sports! destination-ports,dports! ports!",
        multiport,
    ),
    m("esp", Inet, "espspi!", esp),
    m("ah", Ip, "ahspi!", ah),
    m("ah", Ip6, "ahspi! ahlen! ahres-", ah6),
    m("ipcomp", Inet, "ipcompspi! compres-", ipcomp),
    m("tcpmss", Inet, "mss!+", tcpmss),
];

const ALL: [u16; 2] = [0, u16::MAX];
const ALL_SPIS: [u32; 2] = [0, u32::MAX];

fn port_pair(o: &Options<'_>, name: &str) -> Result<([u16; 2], bool), Wrong> {
    match o.get(name) {
        Some(given) => Ok((o.ports(given)?, given.inverted)),
        None => Ok((ALL, false)),
    }
}

fn flags(given: &Given, text: &str) -> Result<u8, Wrong> {
    let mut all = 0;
    for name in text.split(',') {
        all |= match name.to_ascii_uppercase().as_str() {
            "FIN" => 1,
            "SYN" => 2,
            "RST" => 4,
            "PSH" => 8,
            "ACK" => 0x10,
            "URG" => 0x20,
            "ALL" => 0x3f,
            "NONE" => 0,
            _ => return Err(given.wrong(format!("`{name}` is no TCP flag"))),
        };
    }
    Ok(all)
}

fn tcp(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    o.at_most_one(&["syn", "tcp-flags"])?;
    let (spts, no_source) = port_pair(o, "source-port")?;
    let (dpts, no_destination) = port_pair(o, "destination-port")?;
    let mut tcp = Tcp {
        spts,
        dpts,
        invflags: u8::from(no_source) | u8::from(no_destination) << 1,
        ..Tcp::default()
    };
    if let Some(syn) = o.get("syn") {
        (tcp.flg_mask, tcp.flg_cmp) = (0x17, 2);
        tcp.invflags |= u8::from(syn.inverted) << 2;
    }
    if let Some(given) = o.get("tcp-flags") {
        (tcp.flg_mask, tcp.flg_cmp) = (flags(given, &given.value)?, flags(given, &given.second)?);
        tcp.invflags |= u8::from(given.inverted) << 2;
    }
    if let Some(given) = o.get("tcp-option") {
        tcp.option = given.number(&given.value, 1..=255)?;
        tcp.invflags |= u8::from(given.inverted) << 3;
    }
    Ok(Part::Known(X::Tcp(tcp)))
}

fn udp(o: &Options<'_>) -> Built {
    o.protocols(&[17], "udp")?;
    let (spts, no_source) = port_pair(o, "source-port")?;
    let (dpts, no_destination) = port_pair(o, "destination-port")?;
    Ok(Part::Known(X::Udp(Udp {
        spts,
        dpts,
        invflags: u8::from(no_source) | u8::from(no_destination) << 1,
    })))
}

/// A name (or its beginning), or `type`, or `type/code`.
pub fn icmp_type(given: &Given, names: &[IcmpName]) -> Result<Icmp, Wrong> {
    let text = given.value.to_ascii_lowercase();
    let exact = names.iter().find(|one| one.0.eq_ignore_ascii_case(&text));
    let mut begun = names
        .iter()
        .filter(|one| one.0.to_ascii_lowercase().starts_with(&text));
    let found = exact.or_else(|| {
        let first = begun.next()?;
        begun
            .all(|one| (one.1, one.2, one.3) == (first.1, first.2, first.3))
            .then_some(first)
    });
    let (kind, code) = match found {
        Some((_, kind, from, to)) => (*kind, [*from, *to]),
        None => match given.value.split_once('/') {
            Some((kind, code)) => {
                let code = given.number(code, 0..=255)?;
                (given.number(kind, 0..=255)?, [code, code])
            }
            None => (given.number(&given.value, 0..=255)?, [0, 255]),
        },
    };
    Ok(Icmp {
        kind,
        code,
        invflags: given.inverted.into(),
    })
}

fn icmp(o: &Options<'_>) -> Built {
    o.protocols(&[1], "icmp")?;
    Ok(Part::Known(X::Icmp(icmp_type(o.need("icmp-type")?, ICMP)?)))
}

fn icmp6(o: &Options<'_>) -> Built {
    o.protocols(&[58], "icmpv6")?;
    Ok(Part::Known(X::Icmp6(icmp_type(
        o.need("icmpv6-type")?,
        ICMP6,
    )?)))
}

fn sctp(o: &Options<'_>) -> Built {
    o.protocols(&[132], "sctp")?;
    let mut sctp = Sctp::zero();
    for info in &mut sctp.flag_info {
        info.chunktype = 0xff;
    }
    for (bit, name) in [(1, "source-port"), (2, "destination-port")] {
        if let Some(given) = o.get(name) {
            let ports = o.ports(given)?;
            if bit == 1 {
                sctp.spts = ports;
            } else {
                sctp.dpts = ports;
            }
            sctp.flags |= bit;
            sctp.invflags |= u32::from(given.inverted) * bit;
        }
    }
    if let Some(given) = o.get("chunk-types") {
        sctp.flags |= 4;
        sctp.invflags |= u32::from(given.inverted) * 4;
        sctp.chunk_match_type = match &*given.value {
            "any" => 1,
            "all" => 2,
            "only" => 4,
            other => return Err(given.wrong(format!("`{other}` is none of any, all, only"))),
        };
        chunks(given, &mut sctp)?;
    }
    Ok(Part::Known(X::Sctp(Box::new(sctp))))
}

fn chunks(given: &Given, sctp: &mut Sctp) -> Result<(), Wrong> {
    match given.second.to_ascii_uppercase().as_str() {
        "ALL" => {
            sctp.chunkmap = [u32::MAX; 64];
            return Ok(());
        }
        "NONE" => return Ok(()),
        _ => {}
    }
    for one in given.second.split(',') {
        let (name, bits) = match one.split_once(':') {
            Some((name, bits)) => (name, Some(bits)),
            None => (one, None),
        };
        let found = SCTP_CHUNKS
            .iter()
            .find(|chunk| chunk.0.eq_ignore_ascii_case(name));
        let (_, kind, valid) = found.ok_or_else(|| given.wrong(format!("`{name}` is no chunk")))?;
        if let Some(word) = sctp.chunkmap.get_mut(usize::from(*kind) / 32) {
            *word |= 1 << (kind % 32);
        }
        let Some(bits) = bits else { continue };
        for letter in bits.chars() {
            let place = valid
                .chars()
                .position(|one| one == letter.to_ascii_uppercase() && one != '-');
            let place =
                place.ok_or_else(|| given.wrong(format!("`{letter}` is no flag of {name}")))?;
            let bit = 0x80u8 >> place;
            let count = usize::try_from(sctp.flag_count).unwrap_or(0);
            let index = sctp
                .flag_info
                .iter()
                .take(count)
                .position(|info| info.chunktype == *kind)
                .unwrap_or(count);
            let info = sctp.flag_info.get_mut(index);
            let info = info.ok_or_else(|| given.wrong("flags of at most four chunks"))?;
            info.chunktype = *kind;
            info.flag_mask |= bit;
            if letter.is_ascii_uppercase() {
                info.flag |= bit;
            }
            if index == count {
                sctp.flag_count += 1;
            }
        }
    }
    Ok(())
}

fn dccp(o: &Options<'_>) -> Built {
    o.protocols(&[33], "dccp")?;
    let mut dccp = Dccp::zero();
    for (bit, name) in [(1, "source-port"), (2, "destination-port")] {
        if let Some(given) = o.get(name) {
            let ports = o.ports(given)?;
            if bit == 1 {
                dccp.spts = ports;
            } else {
                dccp.dpts = ports;
            }
            dccp.flags |= bit;
            dccp.invflags |= u16::from(given.inverted) * bit;
        }
    }
    if let Some(given) = o.get("dccp-types") {
        dccp.flags |= 4;
        dccp.invflags |= u16::from(given.inverted) * 4;
        for name in given.value.split(',') {
            let place = DCCP_TYPES
                .iter()
                .position(|one| one.eq_ignore_ascii_case(name));
            dccp.typemask |= match place {
                Some(10) => 0xfc00,
                Some(place) => 1 << place,
                None => return Err(given.wrong(format!("`{name}` is no packet type of DCCP"))),
            };
        }
    }
    if let Some(given) = o.get("dccp-option") {
        dccp.flags |= 8;
        dccp.invflags |= u16::from(given.inverted) * 8;
        dccp.option = given.u8()?;
    }
    Ok(Part::Known(X::Dccp(dccp)))
}

fn multiport(o: &Options<'_>) -> Built {
    o.protocols(&[6, 17, 136, 132, 33], "tcp, udp, udplite, sctp or dccp")?;
    let given = o.one(&["source-ports", "destination-ports", "ports"])?;
    let mut multiport = Multiport {
        flags: match given.name {
            "source-ports" => 0,
            "destination-ports" => 1,
            _ => 2,
        },
        invert: given.inverted.into(),
        ..Multiport::default()
    };
    let mut count = 0;
    for one in given.value.split(',') {
        let (from, to) = match one.split_once(':') {
            Some((from, to)) => (from, Some(to)),
            None => (one, None),
        };
        let from = o.port(given, from)?;
        let too_many = || given.wrong("at most 15 ports");
        *multiport.ports.get_mut(count).ok_or_else(too_many)? = from;
        if let Some(to) = to {
            let to = o.port(given, to)?;
            if from >= to {
                return Err(given.wrong("the first port is not less than the last"));
            }
            *multiport.pflags.get_mut(count).ok_or_else(too_many)? = 1;
            count += 1;
            *multiport.ports.get_mut(count).ok_or_else(too_many)? = to;
        }
        count += 1;
    }
    multiport.count = count as u8;
    Ok(Part::Known(X::Multiport(multiport)))
}

fn spi(o: &Options<'_>, name: &str) -> Result<Spi, Wrong> {
    Ok(match o.get(name) {
        Some(given) => Spi {
            spis: given.range(u64::from(u32::MAX))?,
            invflags: given.inverted.into(),
        },
        None => Spi {
            spis: ALL_SPIS,
            invflags: 0,
        },
    })
}

fn esp(o: &Options<'_>) -> Built {
    o.protocols(&[50], "esp")?;
    Ok(Part::Known(X::Esp(spi(o, "espspi")?)))
}

fn ah(o: &Options<'_>) -> Built {
    o.protocols(&[51], "ah")?;
    Ok(Part::Known(X::Ah(spi(o, "ahspi")?)))
}

fn ah6(o: &Options<'_>) -> Built {
    let spi = spi(o, "ahspi")?;
    let mut ah = Ah6 {
        spis: spi.spis,
        hdrres: o.has("ahres").into(),
        invflags: spi.invflags,
        ..Ah6::default()
    };
    if let Some(given) = o.get("ahlen") {
        ah.hdrlen = given.u32()?;
        ah.invflags |= u8::from(given.inverted) << 1;
    }
    Ok(Part::Known(X::Ah6(ah)))
}

fn ipcomp(o: &Options<'_>) -> Built {
    o.protocols(&[108], "ipcomp")?;
    let spi = spi(o, "ipcompspi")?;
    Ok(Part::Known(X::Ipcomp(Ipcomp {
        spis: spi.spis,
        invflags: spi.invflags,
        hdrres: o.has("compres").into(),
    })))
}

fn tcpmss(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.need("mss")?;
    let [mss_min, mss_max] = given.range(0xffff)?;
    Ok(Part::Known(X::Tcpmss(TcpMss {
        mss_min,
        mss_max,
        invert: given.inverted.into(),
    })))
}
