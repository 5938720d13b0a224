//! Targets that put marks and classes on packets and connections.

use super::super::Built;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::model::Family;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::{Field, Net16};
use crate::model::xtables::target::*;

/// `1:2`, both hexadecimal.
pub(super) fn class(given: &Given) -> Result<u32, Wrong> {
    let wrong = || given.wrong(format!("`{}` is no class", given.value));
    let (major, minor) = given.value.split_once(':').ok_or_else(wrong)?;
    let part = |text: &str| u16::from_str_radix(text, 16).map_err(|_| wrong());
    Ok(u32::from(part(major)?) << 16 | u32::from(part(minor)?))
}

pub(super) fn classify(o: &Options<'_>) -> Built {
    let priority = class(o.need("set-class")?)?;
    Ok(Part::Known(X::Classify(Classify { priority })))
}

/// The words that set a mark, as value and mask of `--set-xmark`.
fn set_mark(given: &Given) -> Result<(u32, u32), Wrong> {
    Ok(match given.name {
        "set-xmark" => given.masked()?,
        "set-mark" => {
            let (value, mask) = given.masked()?;
            (value, value | mask)
        }
        "and-mark" => (0, !given.u32()?),
        "or-mark" => {
            let value = given.u32()?;
            (value, value)
        }
        _ => (given.u32()?, 0),
    })
}

const SET_MARK: [&str; 5] = ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"];

pub(super) fn mark(o: &Options<'_>) -> Built {
    let given = o.one(&SET_MARK)?;
    let (mark, mask) = if o.family == Family::Arp {
        // arptables reads these numbers as hexadecimal ones, and sets no bits of the mask.
        let digits = given.value.trim_start_matches("0x");
        let (mark, mask) = set_mark(&Given {
            value: format!("0x{digits}"),
            ..given.clone()
        })?;
        (mark, if given.name == "set-mark" { 0 } else { mask })
    } else {
        set_mark(given)?
    };
    Ok(Part::Known(X::MarkTarget(MarkTarget { mark, mask })))
}

pub(super) fn connmark(o: &Options<'_>) -> Built {
    let operations = [
        "set-xmark",
        "set-mark",
        "and-mark",
        "or-mark",
        "xor-mark",
        "save-mark",
        "restore-mark",
    ];
    let given = o.one(&operations)?;
    let mut out = Connmark2 {
        ctmask: u32::MAX,
        nfmask: u32::MAX,
        ..Connmark2::zero()
    };
    match given.name {
        "save-mark" | "restore-mark" => {
            out.mode = if given.name == "save-mark" { 1 } else { 2 };
            for name in ["ctmask", "nfmask", "mask"] {
                let Some(given) = o.get(name) else { continue };
                let mask = given.u32()?;
                if name != "nfmask" {
                    out.ctmask = mask;
                }
                if name != "ctmask" {
                    out.nfmask = mask;
                }
            }
        }
        _ => (out.ctmark, out.ctmask) = set_mark(given)?,
    }
    o.at_most_one(&["left-shift-mark", "right-shift-mark"])?;
    for (direction, name) in [(0, "left-shift-mark"), (1, "right-shift-mark")] {
        if let Some(given) = o.get(name) {
            out.shift_dir = direction;
            out.shift_bits = given.number(&given.value, 0..=32)?;
        }
    }
    Ok(Part::Known(X::Connmark2(out)))
}

pub(super) fn connsecmark(o: &Options<'_>) -> Built {
    let mode = if o.one(&["save", "restore"])?.name == "save" {
        1
    } else {
        2
    };
    Ok(Part::Known(X::Connsecmark(Connsecmark { mode })))
}

pub(super) fn secmark(o: &Options<'_>) -> Built {
    Ok(Part::Known(X::Secmark1(Box::new(Secmark1 {
        mode: 1,
        secctx: o.need("selctx")?.text()?,
        secid: 0,
    }))))
}

/// `enum` of `xt_HMARK.h`: bit numbers
mod hmark_bit {
    pub const SADDR_MASK: u32 = 0;
    pub const DADDR_MASK: u32 = 1;
    pub const SPI: u32 = 2;
    pub const SPI_MASK: u32 = 3;
    pub const SPORT: u32 = 4;
    pub const DPORT: u32 = 5;
    pub const SPORT_MASK: u32 = 6;
    pub const DPORT_MASK: u32 = 7;
    pub const PROTO_MASK: u32 = 8;
    pub const RND: u32 = 9;
    pub const MODULUS: u32 = 10;
    pub const OFFSET: u32 = 11;
    pub const CT: u32 = 12;
    pub const METHOD_L3: u32 = 13;
    pub const METHOD_L3_4: u32 = 14;
}

pub(super) fn hmark(o: &Options<'_>) -> Built {
    use hmark_bit as bit;
    let mut out = Hmark::zero();
    let mut tuple = (false, false);
    if !o.has("hmark-tuple")
        && !o.given.iter().any(|given| {
            given.name.contains("prefix")
                || given.name.contains("port")
                || given.name.contains("spi")
        })
    {
        return Err(o.wrong("--hmark-tuple is missing"));
    }
    for given in &o.given {
        let v32 = |value: u32| [Net16((value >> 16) as u16), Net16(value as u16)];
        let set = match given.name {
            "hmark-tuple" => {
                for name in given.value.split(',') {
                    match name {
                        "src" => {
                            out.src_mask.0 = [0xff; 16];
                            out.flags |= 1 << bit::SADDR_MASK;
                        }
                        "dst" => {
                            out.dst_mask.0 = [0xff; 16];
                            out.flags |= 1 << bit::DADDR_MASK;
                        }
                        "sport" => {
                            out.port_mask[0] = Net16(u16::MAX);
                            out.flags |= 1 << bit::SPORT_MASK;
                            tuple.1 = true;
                        }
                        "dport" => {
                            out.port_mask[1] = Net16(u16::MAX);
                            out.flags |= 1 << bit::DPORT_MASK;
                            tuple.1 = true;
                        }
                        "spi" => {
                            out.port_mask = v32(u32::MAX);
                            out.flags |= 1 << bit::SPI_MASK;
                            tuple.1 = true;
                        }
                        "ct" => out.flags |= 1 << bit::CT,
                        "proto" => {
                            out.proto_mask = u16::MAX;
                            out.flags |= 1 << bit::PROTO_MASK;
                        }
                        other => return Err(given.wrong(format!("`{other}` is not known"))),
                    }
                }
                continue;
            }
            "hmark-src-prefix" => {
                out.src_mask = super::super::state::mask_of(o, given)?;
                bit::SADDR_MASK
            }
            "hmark-dst-prefix" => {
                out.dst_mask = super::super::state::mask_of(o, given)?;
                bit::DADDR_MASK
            }
            "hmark-sport" => {
                out.port_set[0] = Net16(given.u16()?);
                bit::SPORT
            }
            "hmark-dport" => {
                out.port_set[1] = Net16(given.u16()?);
                bit::DPORT
            }
            "hmark-sport-mask" => {
                out.port_mask[0] = Net16(given.u16()?);
                bit::SPORT_MASK
            }
            "hmark-dport-mask" => {
                out.port_mask[1] = Net16(given.u16()?);
                bit::DPORT_MASK
            }
            "hmark-spi" => {
                out.port_set = v32(given.u32()?);
                bit::SPI
            }
            "hmark-spi-mask" => {
                out.port_mask = v32(given.u32()?);
                bit::SPI_MASK
            }
            "hmark-proto-mask" => {
                out.proto_mask = given.u16()?;
                bit::PROTO_MASK
            }
            "hmark-rnd" => {
                out.hashrnd = given.u32()?;
                bit::RND
            }
            "hmark-mod" => {
                out.hmodulus = given.number(&given.value, 1..=u64::from(u32::MAX))?;
                bit::MODULUS
            }
            _ => {
                out.hoffset = given.u32()?;
                bit::OFFSET
            }
        };
        out.flags |= 1 << set;
    }
    let _ = (tuple, bit::METHOD_L3, bit::METHOD_L3_4);
    let spi = out.flags & (1 << bit::SPI_MASK | 1 << bit::SPI) != 0;
    let ports = out.flags
        & (1 << bit::SPORT_MASK | 1 << bit::DPORT_MASK | 1 << bit::SPORT | 1 << bit::DPORT)
        != 0;
    if spi && ports {
        return Err(o.wrong("ports and SPIs exclude each other"));
    }
    Ok(Part::Known(X::Hmark(out)))
}
