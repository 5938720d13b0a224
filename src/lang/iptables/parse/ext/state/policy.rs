//! Matches on IPsec policies and IPVS connections.

use super::super::Built;
use crate::lang::iptables::parse::options::Options;
use crate::lang::iptables::rule::Part;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::{Field, Net16, Net32};
use crate::model::xtables::state::*;

pub(super) fn ipvs(o: &Options<'_>) -> Built {
    // XT_IPVS_IPVS_PROPERTY 1, PROTO 2, VADDR 4, VPORT 8, DIR 0x10, METHOD 0x20, VPORTCTL 0x40
    let mut out = Ipvs::zero();
    for given in &o.given {
        let bit = match given.name {
            "ipvs" => 1,
            "vproto" => {
                out.l4proto = u8::try_from(o.protocol(given, &given.value)?).unwrap_or(0);
                2
            }
            "vaddr" => {
                (out.vaddr, out.vmask) = o.host_mask(given)?;
                4
            }
            "vport" => {
                out.vport = Net16(o.port(given, &given.value)?);
                8
            }
            "vdir" => {
                if given.one_of(&["ORIGINAL", "REPLY"])? == 1 {
                    out.invert |= 0x10;
                }
                0x10
            }
            "vmethod" => {
                out.fwd_method = match given.one_of(&["GATE", "IPIP", "MASQ"])? {
                    0 => 3,
                    1 => 2,
                    _ => 0,
                };
                0x20
            }
            _ => {
                out.vportctl = Net16(o.port(given, &given.value)?);
                0x40
            }
        };
        out.bitmask |= bit;
        if given.inverted {
            out.invert |= bit;
        }
    }
    match out.bitmask {
        0 => return Err(o.wrong("one option is needed")),
        1 => {}
        _ => {
            if out.invert & 1 != 0 {
                return Err(o.wrong("! --ipvs excludes the other options"));
            }
            out.bitmask |= 1;
        }
    }
    Ok(Part::Known(X::Ipvs(out)))
}

pub(super) fn policy(o: &Options<'_>) -> Built {
    let mut out = Policy::zero();
    let mut place = 0;
    for given in &o.given {
        let full = || given.wrong("at most four elements");
        let element = out.pol.get_mut(place).ok_or_else(full)?;
        // reqid 1? the bits of match and invert: saddr, daddr, proto, mode, spi, reqid
        let bit = match given.name {
            "dir" => {
                out.flags |= 1 << given.one_of(&["in", "out"])?;
                continue;
            }
            "pol" => {
                if given.one_of(&["ipsec", "none"])? == 1 {
                    out.flags |= 4;
                }
                continue;
            }
            "strict" => {
                out.flags |= 8;
                continue;
            }
            "next" => {
                if !o.has("strict") {
                    return Err(given.wrong("only with --strict"));
                }
                place += 1;
                if place == 4 {
                    return Err(full());
                }
                continue;
            }
            "tunnel-src" => {
                (element.saddr, element.smask) = o.host_mask(given)?;
                1
            }
            "tunnel-dst" => {
                (element.daddr, element.dmask) = o.host_mask(given)?;
                2
            }
            "proto" => {
                let proto = o.protocol(given, &given.value)?;
                if ![50, 51, 108].contains(&proto) {
                    return Err(given.wrong("esp, ah or ipcomp"));
                }
                element.proto = proto as u8;
                4
            }
            "mode" => {
                element.mode = match given.one_of(&["transport", "tunnel"])? {
                    0 => 0,
                    _ => 1,
                };
                8
            }
            "spi" => {
                // The number stands there as it is in the machine.
                element.spi = Net32(given.u32()?.to_be());
                0x10
            }
            _ => {
                element.reqid = given.u32()?;
                0x20
            }
        };
        if element.match_ & bit != 0 {
            return Err(given.wrong("given twice"));
        }
        element.match_ |= bit;
        if given.inverted {
            element.invert |= bit;
        }
    }
    if out.flags & 4 != 0 {
        if out.flags & 8 != 0 || place != 0 {
            return Err(o.wrong("--pol none has neither --strict nor elements"));
        }
    } else {
        out.len = place as u16 + 1;
    }
    for element in out.pol.iter().take(usize::from(out.len)) {
        if out.flags & 8 != 0 && element.match_ == 0 {
            return Err(o.wrong("with --strict every element says something"));
        }
        let tunnel = element.mode == 1 && element.match_ & 8 != 0;
        let transport = element.mode == 0;
        let wrong_mode =
            (tunnel && element.invert & 8 != 0) || (transport && element.invert & 8 == 0);
        if element.match_ & 3 != 0 && wrong_mode {
            return Err(o.wrong("--tunnel-src and --tunnel-dst need --mode tunnel"));
        }
    }
    Ok(Part::Known(X::Policy(Box::new(out))))
}
