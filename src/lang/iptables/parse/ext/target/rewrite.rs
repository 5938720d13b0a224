//! Targets that rewrite headers.

use super::super::Built;
use super::super::packet::{dscp_value, tos_value};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::Options;
use crate::lang::iptables::rule::Part;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::{Addr4, Field};
use crate::model::xtables::protocol::Ttl;
use crate::model::xtables::target::*;

pub(super) fn dscp(o: &Options<'_>) -> Built {
    let dscp = dscp_value(o.one(&["set-dscp", "set-dscp-class"])?)?;
    Ok(Part::Known(X::DscpTarget(DscpTarget { dscp })))
}

pub(super) fn tos(o: &Options<'_>) -> Built {
    let given = o.one(&["set-tos", "and-tos", "or-tos", "xor-tos"])?;
    let (tos_value, tos_mask) = match given.name {
        "set-tos" => tos_value(given, 0xff)?,
        "and-tos" => (0, !given.u8()?),
        "or-tos" => {
            let value = given.u8()?;
            (value, value)
        }
        _ => (given.u8()?, 0),
    };
    Ok(Part::Known(X::TosTarget(TosTarget {
        tos_value,
        tos_mask,
    })))
}

pub(super) fn hops(o: &Options<'_>, names: [&str; 3]) -> Result<Ttl, Wrong> {
    let given = o.one(&names)?;
    let mode = names
        .iter()
        .position(|name| *name == given.name)
        .unwrap_or(0) as u8;
    let least = u64::from(mode != 0);
    Ok(Ttl {
        mode,
        ttl: given.number(&given.value, least..=255)?,
    })
}

pub(super) fn tcpmss(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.one(&["set-mss", "clamp-mss-to-pmtu"])?;
    let mss = if given.name == "set-mss" {
        given.number(&given.value, 0..=0xfffe)?
    } else {
        u16::MAX
    };
    Ok(Part::Known(X::TcpmssTarget(TcpmssTarget { mss })))
}

pub(super) fn tcpoptstrip(o: &Options<'_>) -> Built {
    o.protocols(&[6], "tcp")?;
    let given = o.need("strip-options")?;
    let mut out = Tcpoptstrip::zero();
    for name in given.value.split(',') {
        let number: u8 = match name {
            "wscale" => 3,
            "mss" => 2,
            "sack-permitted" => 4,
            "sack" => 5,
            "timestamp" => 8,
            "md5" => 19,
            name => given.number(name, 2..=255)?,
        };
        if let Some(word) = out.strip_bmap.get_mut(usize::from(number) / 32) {
            *word |= 1 << (number % 32);
        }
    }
    Ok(Part::Known(X::Tcpoptstrip(out)))
}

pub(super) fn ecn(o: &Options<'_>) -> Built {
    // IPT_ECN_OP_SET_IP 1, SET_ECE 0x10, SET_CWR 0x20
    let mut out = EcnTarget::zero();
    if let Some(given) = o.get("ecn-tcp-remove") {
        if o.proto != 6 || o.proto_inverted {
            return Err(given.wrong("only with -p tcp"));
        }
        out.operation |= 0x30;
    }
    for (bit, name) in [(0x20, "ecn-tcp-cwr"), (0x10, "ecn-tcp-ece")] {
        if let Some(given) = o.get(name) {
            out.operation |= bit;
            if given.number::<u8>(&given.value, 0..=1)? == 1 {
                out.tcp |= if bit == 0x20 { 2 } else { 1 };
            }
        }
    }
    if let Some(given) = o.get("ecn-ip-ect") {
        out.operation |= 1;
        out.ip_ect = given.number(&given.value, 0..=3)?;
    }
    if out.operation == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::EcnTarget(out)))
}

pub(super) fn arp_mangle(o: &Options<'_>) -> Built {
    // ARPT_MANGLE_SDEV 1, TDEV 2, SIP 4, TIP 8; target NF_ACCEPT 1
    let mut out = ArpMangle {
        target: 1,
        ..ArpMangle::zero()
    };
    for given in &o.given {
        match given.name {
            "mangle-ip-s" => {
                out.src_ip = Addr4(o.addr(given, &given.value)?.v4().0);
                out.flags |= 4;
            }
            "mangle-ip-d" => {
                out.tgt_ip = Addr4(o.addr(given, &given.value)?.v4().0);
                out.flags |= 8;
            }
            "mangle-mac-s" | "mangle-mac-d" => {
                let mac = given.mac()?;
                let source = given.name == "mangle-mac-s";
                let place = if source {
                    &mut out.src_devaddr
                } else {
                    &mut out.tgt_devaddr
                };
                for (to, from) in place.iter_mut().zip(mac) {
                    *to = from;
                }
                out.flags |= if source { 1 } else { 2 };
            }
            _ => {
                out.target = match given.one_of(&["DROP", "ACCEPT", "CONTINUE"])? {
                    0 => 0,
                    1 => 1,
                    _ => -1,
                }
            }
        }
    }
    Ok(Part::Known(X::ArpMangle(out)))
}
