//! Targets that rewrite addresses.

use super::Context;
use crate::lang::iptables::format::{ip4, ip6, prefix_len, w};
use crate::model::xtables::layout::{Addr16, Net16};
use crate::model::xtables::target::*;

/// `NF_NAT_RANGE_*`
pub mod flags {
    pub const MAP_IPS: u32 = 1;
    pub const PROTO_SPECIFIED: u32 = 2;
    pub const PROTO_RANDOM: u32 = 4;
    pub const PERSISTENT: u32 = 8;
    pub const PROTO_RANDOM_FULLY: u32 = 0x10;
    pub const PROTO_OFFSET: u32 = 0x20;
}

/// The option before a range, and whether a colon before bare ports is left out.
pub type RangeOption = (&'static str, bool);

pub const SOURCE: RangeOption = ("--to-source", false);
pub const DESTINATION: RangeOption = ("--to-destination", false);
pub const PORTS: RangeOption = ("--to-ports", true);

impl From<&NatRange4> for NatRange2 {
    fn from(r: &NatRange4) -> NatRange2 {
        NatRange2 {
            flags: r.flags,
            min_addr: Addr16::from_v4(r.min_ip.0),
            max_addr: Addr16::from_v4(r.max_ip.0),
            min_proto: r.min,
            max_proto: r.max,
            base_proto: Net16(0),
        }
    }
}

impl From<&NatRange> for NatRange2 {
    fn from(r: &NatRange) -> NatRange2 {
        NatRange2 {
            flags: r.flags,
            min_addr: r.min_addr,
            max_addr: r.max_addr,
            min_proto: r.min_proto,
            max_proto: r.max_proto,
            base_proto: Net16(0),
        }
    }
}

/// `10.0.0.1-10.0.0.9:80-90/8080`, `[2001:db8::1]:80`
pub fn range_text(r: &NatRange2, is_ip6: bool) -> String {
    let mut text = String::new();
    let ported = r.flags & flags::PROTO_SPECIFIED != 0;
    if r.flags & flags::MAP_IPS != 0 {
        let addr = |addr: Addr16| {
            if is_ip6 {
                ip6(addr.0)
            } else {
                ip4(addr.v4().0).to_string()
            }
        };
        let brackets = is_ip6 && ported;
        if brackets {
            text.push('[');
        }
        text.push_str(&addr(r.min_addr));
        if r.min_addr != r.max_addr {
            w!(text, "-{}", addr(r.max_addr));
        }
        if brackets {
            text.push(']');
        }
    }
    if ported {
        w!(text, ":{}", r.min_proto.0);
        if r.max_proto != r.min_proto {
            w!(text, "-{}", r.max_proto.0);
        }
        if r.flags & flags::PROTO_OFFSET != 0 {
            w!(text, "/{}", r.base_proto.0);
        }
    }
    text
}

pub fn nat(r: &NatRange2, (option, bare_ports): RangeOption, cx: &Context<'_>, out: &mut String) {
    let range = range_text(r, cx.is_ip6());
    if !range.is_empty() {
        let range = if bare_ports {
            range.strip_prefix(':').unwrap_or(&range)
        } else {
            &range
        };
        w!(out, " {option} {range}");
    }
    for (flag, word) in [
        (flags::PROTO_RANDOM, " --random"),
        (flags::PROTO_RANDOM_FULLY, " --random-fully"),
        (flags::PERSISTENT, " --persistent"),
    ] {
        if r.flags & flag != 0 {
            out.push_str(word);
        }
    }
}

/// The mask whose host part lies between two addresses.
fn between<const N: usize>(min: [u8; N], max: [u8; N]) -> [u8; N] {
    let mut mask = [0; N];
    for ((byte, a), b) in mask.iter_mut().zip(min).zip(max) {
        *byte = !(a ^ b);
    }
    mask
}

pub fn netmap4(r: &NatRange4, out: &mut String) {
    let mask = between(r.min_ip.0, r.max_ip.0);
    w!(out, " --to {}", ip4(r.min_ip.0));
    match prefix_len(&mask) {
        Some(bits) => w!(out, "/{bits}"),
        None => w!(out, "/{}", ip4(mask)),
    }
}

pub fn netmap6(r: &NatRange, out: &mut String) {
    let mask = between(r.min_addr.0, r.max_addr.0);
    w!(out, " --to {}", ip6(r.min_addr.0));
    match prefix_len(&mask) {
        Some(bits) => w!(out, "/{bits}"),
        None => w!(out, "/{}", ip6(mask)),
    }
}

pub fn npt(npt: &Npt, out: &mut String) {
    for (option, addr, len) in [
        ("--src-pfx", npt.src_pfx, npt.src_pfx_len),
        ("--dst-pfx", npt.dst_pfx, npt.dst_pfx_len),
    ] {
        if addr != Addr16::default() || len != 0 {
            w!(out, " {option} {}/{len}", ip6(addr.0));
        }
    }
}
