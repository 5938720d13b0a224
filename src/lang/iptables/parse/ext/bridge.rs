//! Extensions of bridge tables.

use super::transport::icmp_type;
use super::{Built, ExtensionKind, Spec, m, spec, t};
use crate::lang::iptables::icmp::{ICMP, ICMP6, IGMP, IcmpName};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options, mac, network};
use crate::lang::iptables::rule::{Among, AmongSide, Part};
use crate::lang::iptables::save::ARP_OPCODES;
use crate::model::Family;
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::Bridge;
use crate::model::xtables::bridge::*;
use crate::model::xtables::layout::{Addr4, Field, Net16};
use crate::model::xtables::target::Nflog;

pub const SPECS: &[Spec] = &[
    m("802_3", Bridge, "802_3-sap! 802_3-type!", ieee8023),
    m("among", Bridge, "among-src! among-dst!", among),
    m(
        "arp",
        Bridge,
        "arp-opcode,arp-op! arp-htype! arp-ptype! arp-ip-src! arp-ip-dst! arp-mac-src! arp-mac-dst! arp-gratuitous!-",
        arp,
    ),
    m(
        "ip",
        Bridge,
        "ip-source,ip-src! ip-destination,ip-dst! ip-tos! ip-protocol,ip-proto! ip-source-port,ip-sport! \
         ip-destination-port,ip-dport! ip-icmp-type! ip-igmp-type!",
        ip,
    ),
    m(
        "ip6",
        Bridge,
        "ip6-source,ip6-src! ip6-destination,ip6-dst! ip6-tclass! ip6-protocol,ip6-proto! ip6-source-port,ip6-sport! \
         ip6-destination-port,ip6-dport! ip6-icmp-type!",
        ip6,
    ),
    m("mark_m", Bridge, "mark!", mark_match),
    m("pkttype", Bridge, "pkttype-type!", pkttype),
    m(
        "stp",
        Bridge,
        "stp-type! stp-flags! stp-root-prio! stp-root-addr! stp-root-cost! stp-sender-prio! stp-sender-addr! \
         stp-port! stp-msg-age! stp-max-age! stp-hello-time! stp-forward-delay!",
        stp,
    ),
    m("vlan", Bridge, "vlan-id! vlan-prio! vlan-encap!", vlan),
    t("arpreply", Bridge, "arpreply-mac arpreply-target", arpreply),
    t("dnat", Bridge, "to-destination,to-dst+ dnat-target", dnat),
    t(
        "snat",
        Bridge,
        "to-source,to-src+ snat-target snat-arp-",
        snat,
    ),
    t("redirect", Bridge, "redirect-target", redirect),
    t(
        "mark",
        Bridge,
        "mark-set,set-mark mark-or mark-and mark-xor mark-target",
        mark,
    ),
    Spec {
        watcher: true,
        ..spec(
            ExtensionKind::Target,
            "log",
            Bridge,
            "log- log-prefix log-level log-arp- log-ip- log-ip6-",
            log,
        )
    },
    Spec {
        watcher: true,
        ..spec(
            ExtensionKind::Target,
            "nflog",
            Bridge,
            "nflog- nflog-group nflog-prefix nflog-range nflog-threshold",
            nflog,
        )
    },
];

fn hex16(given: &Given) -> Result<u16, Wrong> {
    u16::from_str_radix(given.value.trim_start_matches("0x"), 16)
        .map_err(|_| given.wrong(format!("`{}` is no number", given.value)))
}

fn ieee8023(o: &Options<'_>) -> Built {
    if !o.lengths {
        return Err(o.wrong("only with -p LENGTH"));
    }
    let mut out = Ebt8023::zero();
    if let Some(given) = o.get("802_3-sap") {
        out.sap = given.u8()?;
        out.bitmask |= 1;
        out.invflags |= given.inverted as u8;
    }
    if let Some(given) = o.get("802_3-type") {
        out.kind = Net16(given.u16()?);
        out.bitmask |= 2;
        out.invflags |= (given.inverted as u8) << 1;
    }
    Ok(Part::Known(X::Ebt8023(out)))
}

fn among(o: &Options<'_>) -> Built {
    let side = |name: &str| -> Result<AmongSide, Wrong> {
        let Some(given) = o.get(name) else {
            return Ok(AmongSide::default());
        };
        let mut side = AmongSide {
            inverted: given.inverted,
            ..AmongSide::default()
        };
        for one in given.value.trim_end_matches(',').split(',') {
            let (ether, ip) = match one.split_once('=') {
                Some((ether, ip)) => (ether, Some(ip)),
                None => (one, None),
            };
            let ether = mac(ether)
                .ok_or_else(|| given.wrong(format!("`{ether}` is no hardware address")))?;
            side.with_ip |= ip.is_some();
            let ip = match ip {
                Some(ip) => given
                    .parse::<std::net::Ipv4Addr>(ip, "an address")?
                    .octets(),
                None => [0; 4],
            };
            let mut pair = [0; 12];
            for (to, from) in pair
                .iter_mut()
                .zip(ether.into_iter().chain([0, 0]).chain(ip))
            {
                *to = from;
            }
            side.pairs.push(pair);
        }
        side.pairs.sort_unstable();
        Ok(side)
    };
    Ok(Part::Among(Among {
        source: side("among-src")?,
        destination: side("among-dst")?,
    }))
}

fn net4(given: &Given) -> Result<(Addr4, Addr4), Wrong> {
    let found = network(&given.value, Family::Ip);
    let (addr, mask) =
        found.ok_or_else(|| given.wrong(format!("`{}` is no address", given.value)))?;
    Ok((addr.v4(), mask.v4()))
}

fn arp(o: &Options<'_>) -> Built {
    let mut out = EbtArp::zero();
    for given in &o.given {
        let bit = match given.name {
            "arp-opcode" => {
                let named = ARP_OPCODES
                    .iter()
                    .position(|name| name.eq_ignore_ascii_case(&given.value));
                out.opcode = Net16(match named {
                    Some(place) => place as u16 + 1,
                    None => given.u16()?,
                });
                1
            }
            "arp-htype" => {
                out.htype = Net16(if given.value.eq_ignore_ascii_case("Ethernet") {
                    1
                } else {
                    given.u16()?
                });
                2
            }
            "arp-ptype" => {
                let named = o
                    .machine
                    .names
                    .ethertypes
                    .iter()
                    .find(|(_, name)| name.eq_ignore_ascii_case(&given.value));
                out.ptype = Net16(match named {
                    Some((number, _)) => *number,
                    None => hex16(given)?,
                });
                4
            }
            "arp-ip-src" => {
                (out.saddr, out.smsk) = net4(given)?;
                8
            }
            "arp-ip-dst" => {
                (out.daddr, out.dmsk) = net4(given)?;
                0x10
            }
            "arp-mac-src" => {
                (out.smaddr, out.smmsk) = super::super::header::mac_and_mask(given)?;
                0x20
            }
            "arp-mac-dst" => {
                (out.dmaddr, out.dmmsk) = super::super::header::mac_and_mask(given)?;
                0x40
            }
            _ => 0x80,
        };
        out.bitmask |= bit;
        if given.inverted {
            out.invflags |= bit;
        }
    }
    Ok(Part::Known(X::EbtArp(out)))
}

fn stp(o: &Options<'_>) -> Built {
    let mut out = EbtStp::zero();
    for given in &o.given {
        let config = &mut out.config;
        let short = || given.range::<u16>(0xffff);
        let named = |names: &[(&str, u8)]| -> Result<u8, Wrong> {
            let found = names
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&given.value));
            found.map_or_else(|| given.u8(), |(_, value)| Ok(*value))
        };
        let bit = match given.name {
            "stp-type" => {
                out.kind = named(&[("config", 0), ("tcn", 0x80)])?;
                0
            }
            "stp-flags" => {
                config.flags = named(&[("topology-change", 1), ("topology-change-ack", 0x80)])?;
                1
            }
            "stp-root-prio" => {
                config.root_prio = short()?;
                2
            }
            "stp-root-addr" => {
                (config.root_addr, config.root_addrmsk) =
                    super::super::header::mac_and_mask(given)?;
                3
            }
            "stp-root-cost" => {
                config.root_cost = given.range(u64::from(u32::MAX))?;
                4
            }
            "stp-sender-prio" => {
                config.sender_prio = short()?;
                5
            }
            "stp-sender-addr" => {
                (config.sender_addr, config.sender_addrmsk) =
                    super::super::header::mac_and_mask(given)?;
                6
            }
            "stp-port" => {
                config.port = short()?;
                7
            }
            "stp-msg-age" => {
                config.msg_age = short()?;
                8
            }
            "stp-max-age" => {
                config.max_age = short()?;
                9
            }
            "stp-hello-time" => {
                config.hello_time = short()?;
                10
            }
            _ => {
                config.forward_delay = short()?;
                11
            }
        };
        out.bitmask |= 1 << bit;
        if given.inverted {
            out.invflags |= 1 << bit;
        }
    }
    Ok(Part::Known(X::EbtStp(out)))
}

fn pair([low, high]: [u8; 2]) -> u16 {
    u16::from_ne_bytes([low, high])
}

/// A name, or ranges of types and codes: `3:4/0:1`
fn types(given: &Given, names: &[IcmpName]) -> Result<([u8; 2], [u8; 2]), Wrong> {
    let ranged = |text: &str| -> Result<[u8; 2], Wrong> {
        let one = Given {
            value: text.to_owned(),
            ..given.clone()
        };
        one.range(255)
    };
    if given.value.starts_with(|c: char| c.is_ascii_digit()) {
        return match given.value.split_once('/') {
            Some((kind, code)) => Ok((ranged(kind)?, ranged(code)?)),
            None => Ok((ranged(&given.value)?, [0, 255])),
        };
    }
    let icmp = icmp_type(given, names)?;
    Ok(([icmp.kind; 2], icmp.code))
}

/// An option of `ip` and `ip6` that is about no address; `name` is without that word. The bit that it sets.
fn above(
    o: &Options<'_>,
    given: &Given,
    name: &str,
    icmp: &[IcmpName],
    out: &mut EbtAbove,
) -> Result<u8, Wrong> {
    Ok(match name {
        "tos" | "tclass" => {
            let text = given
                .value
                .trim_start_matches("0x")
                .trim_start_matches("0X");
            let what = if name == "tos" { "no TOS" } else { "no class" };
            out.class = u8::from_str_radix(text, 16).map_err(|_| given.wrong(what))?;
            4
        }
        "protocol" => {
            out.protocol = u8::try_from(o.protocol(given, &given.value)?).unwrap_or(0);
            8
        }
        "source-port" => {
            out.sport = o.ports(given)?;
            0x10
        }
        "destination-port" => {
            out.dport = o.ports(given)?;
            0x20
        }
        "icmp-type" => {
            let (kind, code) = types(given, icmp)?;
            (out.sport[0], out.dport[0]) = (pair(kind), pair(code));
            0x40
        }
        _ => {
            let (kind, _) = types(given, IGMP)?;
            out.sport[0] = pair(kind);
            0x80
        }
    })
}

fn ip(o: &Options<'_>) -> Built {
    let mut out = EbtIp::zero();
    for given in &o.given {
        let bit = match given.name.trim_start_matches("ip-") {
            "source" => {
                (out.saddr, out.smsk) = net4(given)?;
                1
            }
            "destination" => {
                (out.daddr, out.dmsk) = net4(given)?;
                2
            }
            name => above(o, given, name, ICMP, &mut out.above)?,
        };
        out.above.bitmask |= bit;
        if given.inverted {
            out.above.invflags |= bit;
        }
    }
    Ok(Part::Known(X::EbtIp(out)))
}

fn ip6(o: &Options<'_>) -> Built {
    let mut out = EbtIp6::zero();
    let net = |given: &Given| {
        network(&given.value, Family::Ip6)
            .ok_or_else(|| given.wrong(format!("`{}` is no address", given.value)))
    };
    for given in &o.given {
        let bit = match given.name.trim_start_matches("ip6-") {
            "source" => {
                (out.saddr, out.smsk) = net(given)?;
                1
            }
            "destination" => {
                (out.daddr, out.dmsk) = net(given)?;
                2
            }
            name => above(o, given, name, ICMP6, &mut out.above)?,
        };
        out.above.bitmask |= bit;
        if given.inverted {
            out.above.invflags |= bit;
        }
    }
    Ok(Part::Known(X::EbtIp6(out)))
}

fn mark_match(o: &Options<'_>) -> Built {
    let given = o.need("mark")?;
    let (mark, mask, bitmask) = match given.value.split_once('/') {
        Some(("", mask)) => (0, given.number(mask, 0..=0xffff_ffff)?, 2),
        Some((mark, mask)) => (
            given.number(mark, 0..=0xffff_ffff)?,
            given.number(mask, 0..=0xffff_ffff)?,
            1,
        ),
        None => (given.u32()?.into(), 0xffff_ffff, 1),
    };
    Ok(Part::Known(X::EbtMarkMatch(EbtMarkMatch {
        mark,
        mask,
        invert: given.inverted.into(),
        bitmask,
    })))
}

fn pkttype(o: &Options<'_>) -> Built {
    let given = o.need("pkttype-type")?;
    let names = [
        "host",
        "broadcast",
        "multicast",
        "otherhost",
        "outgoing",
        "loopback",
        "fastroute",
    ];
    let named = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(&given.value));
    Ok(Part::Known(X::EbtPkttype(EbtPktType {
        pkt_type: named.map_or_else(|| given.u8(), |place| Ok(place as u8))?,
        invert: given.inverted.into(),
    })))
}

fn vlan(o: &Options<'_>) -> Built {
    let mut out = EbtVlan::zero();
    for given in &o.given {
        let bit = match given.name {
            "vlan-id" => {
                out.id = given.number(&given.value, 0..=4094)?;
                1
            }
            "vlan-prio" => {
                out.prio = given.number(&given.value, 0..=7)?;
                2
            }
            _ => {
                let named = o
                    .machine
                    .names
                    .ethertypes
                    .iter()
                    .find(|(_, name)| name.eq_ignore_ascii_case(&given.value));
                out.encap = Net16(match named {
                    Some((number, _)) => *number,
                    None => hex16(given)?,
                });
                4
            }
        };
        out.bitmask |= bit;
        if given.inverted {
            out.invflags |= bit;
        }
    }
    Ok(Part::Known(X::EbtVlan(out)))
}

/// `EBT_ACCEPT` and the rest.
fn verdict(o: &Options<'_>, name: &str, default: i32) -> Result<i32, Wrong> {
    match o.get(name) {
        Some(given) => Ok(-1 - given.one_of(&["ACCEPT", "DROP", "CONTINUE", "RETURN"])? as i32),
        None => Ok(default),
    }
}

fn arpreply(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::EbtArpreply(EbtNat {
        mac: o.get("arpreply-mac").map_or(Ok([0; 6]), Given::mac)?,
        target: verdict(o, "arpreply-target", -2)?,
    })))
}

fn dnat(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::EbtDnat(EbtNat {
        mac: o.need("to-destination")?.mac()?,
        target: verdict(o, "dnat-target", -1)?,
    })))
}

fn snat(o: &Options<'_>) -> Built {
    let target = verdict(o, "snat-target", -1)?;
    Ok(Part::Known(X::EbtSnat(EbtNat {
        mac: o.need("to-source")?.mac()?,
        // A bit that is clear asks for ARP.
        target: if o.has("snat-arp") {
            target & !0x10
        } else {
            target
        },
    })))
}

fn redirect(o: &Options<'_>) -> Built {
    let target = verdict(o, "redirect-target", -1)?;
    Ok(Part::Known(X::EbtRedirect(EbtRedirect { target })))
}

fn mark(o: &Options<'_>) -> Built {
    let given = o.one(&["mark-set", "mark-or", "mark-and", "mark-xor"])?;
    let operation = match given.name {
        "mark-set" => -16,
        "mark-or" => -32,
        "mark-and" => -48,
        _ => -64,
    };
    let target = verdict(o, "mark-target", -1)?;
    Ok(Part::Known(X::EbtMark(EbtMark {
        mark: given.u32()?.into(),
        target: operation | (target & 0xf),
    })))
}

fn log(o: &Options<'_>) -> Built {
    let mut out = EbtLog {
        // notice
        loglevel: 5,
        ..EbtLog::zero()
    };
    if let Some(given) = o.get("log-level") {
        out.loglevel = super::target::level(given)?;
    }
    if let Some(given) = o.get("log-prefix") {
        out.prefix = given.text()?;
    }
    for (bit, name) in [(1, "log-ip"), (2, "log-arp"), (8, "log-ip6")] {
        if o.has(name) {
            out.bitmask |= bit;
        }
    }
    Ok(Part::Known(X::EbtLog(out)))
}

fn nflog(o: &Options<'_>) -> Built {
    let mut out = Nflog {
        group: 1,
        threshold: 1,
        ..Nflog::zero()
    };
    if let Some(given) = o.get("nflog-group") {
        out.group = given.u16()?;
    }
    if let Some(given) = o.get("nflog-prefix") {
        out.prefix = given.text()?;
    }
    if let Some(given) = o.get("nflog-range") {
        out.len = given.u32()?;
    }
    if let Some(given) = o.get("nflog-threshold") {
        out.threshold = given.u16()?;
    }
    Ok(Part::Known(X::EbtNflog(out)))
}
