//! Targets that rewrite addresses.

use super::{Built, Spec, t};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Inet, Ip6};
use crate::model::xtables::layout::{Addr16, Field, Net16};
use crate::model::xtables::target::*;

pub const SPECS: &[Spec] = &[
    t("DNAT", Inet, "to-destination+ random- persistent-", dnat),
    t(
        "SNAT",
        Inet,
        "to-source+ random- random-fully- persistent-",
        snat,
    ),
    t(
        "MASQUERADE",
        Inet,
        "to-ports random- random-fully-",
        masquerade,
    ),
    t("REDIRECT", Inet, "to-ports random-", redirect),
    t("NETMAP", Inet, "to+", netmap),
    t("SNPT", Ip6, "src-pfx+ dst-pfx+", |o| {
        Ok(Part::Known(X::Snpt(npt(o)?)))
    }),
    t("DNPT", Ip6, "src-pfx+ dst-pfx+", |o| {
        Ok(Part::Known(X::Dnpt(npt(o)?)))
    }),
];

const MAP_IPS: u32 = 1;
const PROTO_SPECIFIED: u32 = 2;
const PROTO_OFFSET: u32 = 0x20;

/// `80`, `80-90`, `80-90/8080`
fn ports(
    o: &Options<'_>,
    given: &Given,
    text: &str,
    shift: bool,
    range: &mut NatRange2,
) -> Result<(), Wrong> {
    let protocols = [6, 17, 132, 33, 1, 58, 136];
    if o.proto_inverted || !protocols.contains(&o.proto) {
        return Err(given.wrong("ports only with -p tcp, udp, sctp, dccp or icmp"));
    }
    range.flags |= PROTO_SPECIFIED;
    let (ports, base) = match text.split_once('/') {
        Some((ports, base)) if shift => (ports, Some(base)),
        Some(_) => return Err(given.wrong("ports cannot be shifted here")),
        None => (text, None),
    };
    // A service may have a dash in its name.
    let (from, to) = match ports.split_once('-') {
        Some((from, to)) if ports.starts_with(|c: char| c.is_ascii_digit()) => (from, Some(to)),
        _ => (ports, None),
    };
    let most = 0..=0xffff;
    if let Some(to) = to {
        let (from, to): (u16, u16) = (given.number(from, most.clone())?, given.number(to, most)?);
        if from > to {
            return Err(given.wrong("the first port is greater than the last"));
        }
        (range.min_proto, range.max_proto) = (Net16(from), Net16(to));
    } else {
        let port = o.port(given, from)?;
        (range.min_proto, range.max_proto) = (Net16(port), Net16(port));
    }
    if let Some(base) = base {
        if to.is_none() {
            return Err(given.wrong("only a range of ports can be shifted"));
        }
        range.base_proto = Net16(given.number(base, 1..=0xffff)?);
        range.flags |= PROTO_OFFSET;
    }
    Ok(())
}

fn range(o: &Options<'_>, given: &Given, shift: bool) -> Result<NatRange2, Wrong> {
    let mut range = NatRange2::zero();
    let text = given.value.as_str();
    let (addresses, port) = if let Some(rest) = text.strip_prefix('[') {
        let (addresses, rest) = rest
            .split_once(']')
            .ok_or_else(|| given.wrong("`]` is missing"))?;
        if !o.is_ip6() {
            return Err(given.wrong("no address"));
        }
        (addresses, rest.strip_prefix(':'))
    } else if text.matches(':').count() == 1 {
        let (addresses, port) = text.split_once(':').unwrap_or((text, ""));
        (addresses, Some(port))
    } else {
        (text, None)
    };
    if let Some(port) = port {
        ports(o, given, port, shift, &mut range)?;
    }
    if !addresses.is_empty() || port.is_none() {
        let (from, to) = addresses.split_once('-').unwrap_or((addresses, addresses));
        (range.min_addr, range.max_addr) = (o.addr(given, from)?, o.addr(given, to)?);
        range.flags |= MAP_IPS;
    }
    Ok(range)
}

fn flags(o: &Options<'_>) -> u32 {
    (o.has("random") as u32) << 2
        | (o.has("persistent") as u32) << 3
        | (o.has("random-fully") as u32) << 4
}

fn old4(range: &NatRange2) -> NatRange4 {
    NatRange4 {
        rangesize: 1,
        flags: range.flags,
        min_ip: range.min_addr.v4(),
        max_ip: range.max_addr.v4(),
        min: range.min_proto,
        max: range.max_proto,
    }
}

fn old6(range: &NatRange2) -> NatRange {
    NatRange {
        flags: range.flags,
        min_addr: range.min_addr,
        max_addr: range.max_addr,
        min_proto: range.min_proto,
        max_proto: range.max_proto,
    }
}

fn dnat(o: &Options<'_>) -> Built {
    let mut range = range(o, o.need("to-destination")?, true)?;
    range.flags |= flags(o);
    Ok(Part::Known(X::Dnat2(range)))
}

fn snat(o: &Options<'_>) -> Built {
    let mut range = range(o, o.need("to-source")?, false)?;
    range.flags |= flags(o);
    Ok(Part::Known(if o.is_ip6() {
        X::Snat1(old6(&range))
    } else {
        X::Snat0(old4(&range))
    }))
}

fn to_ports(o: &Options<'_>) -> Result<NatRange2, Wrong> {
    let mut range = NatRange2::zero();
    if let Some(given) = o.get("to-ports") {
        ports(o, given, &given.value, false, &mut range)?;
    }
    range.flags |= flags(o);
    Ok(range)
}

fn masquerade(o: &Options<'_>) -> Built {
    let range = to_ports(o)?;
    Ok(Part::Known(if o.is_ip6() {
        X::Masquerade6(old6(&range))
    } else {
        X::Masquerade(old4(&range))
    }))
}

fn redirect(o: &Options<'_>) -> Built {
    let range = to_ports(o)?;
    Ok(Part::Known(if o.is_ip6() {
        X::Redirect6(old6(&range))
    } else {
        X::Redirect(old4(&range))
    }))
}

fn netmap(o: &Options<'_>) -> Built {
    let (addr, mask) = o.network(o.need("to")?)?;
    let mut max = addr;
    for (byte, mask) in max.0.iter_mut().zip(mask.0) {
        *byte |= !mask;
    }
    if !o.is_ip6() {
        max = Addr16::from_v4(max.v4().0);
    }
    let range = NatRange2 {
        flags: MAP_IPS,
        min_addr: addr,
        max_addr: max,
        ..NatRange2::zero()
    };
    Ok(Part::Known(if o.is_ip6() {
        X::Netmap6(old6(&range))
    } else {
        X::Netmap(old4(&range))
    }))
}

fn npt(o: &Options<'_>) -> Result<Npt, Wrong> {
    let prefix = |name: &str| -> Result<(Addr16, u8), Wrong> {
        let given = o.need(name)?;
        let (addr, mask) = o.network(given)?;
        match crate::lang::iptables::format::prefix_len(&mask.0) {
            Some(bits) if bits <= 64 => Ok((addr, bits as u8)),
            _ => Err(given.wrong("at most 64 bits")),
        }
    };
    let (src_pfx, src_pfx_len) = prefix("src-pfx")?;
    let (dst_pfx, dst_pfx_len) = prefix("dst-pfx")?;
    Ok(Npt {
        src_pfx,
        dst_pfx,
        src_pfx_len,
        dst_pfx_len,
        adjustment: 0,
    })
}
