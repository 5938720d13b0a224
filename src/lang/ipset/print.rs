//! Sets as `ipset save` prints them.

use super::kind::{self, Kind, Part};
use crate::lang::iptables::format::{ip6, mac, w};
use crate::lang::iptables::icmp;
use crate::model::Names;
use crate::model::ipset::{IPV6, IpSet, IpSetElement, ipset_flags, ipset_with};
use std::io::{self, Write};
use std::net::IpAddr;

/// All sets, each with its elements.
pub fn sets<W: Write>(sets: &[IpSet], names: &Names, out: &mut W) -> io::Result<()> {
    let mut line = String::new();
    for set in sets {
        line.clear();
        create(set, &mut line);
        line.push('\n');
        out.write_all(&crate::model::text::to_bytes(&line))?;
        for one in &set.elements {
            line.clear();
            w!(line, "add {} ", set.name);
            element(set, one, names, &mut line);
            line.push('\n');
            out.write_all(&crate::model::text::to_bytes(&line))?;
        }
    }
    Ok(())
}

pub fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => ip6(address.octets()),
    }
}

/// `create NAME TYPE ...`
pub fn create(set: &IpSet, out: &mut String) {
    let made = &set.options;
    w!(out, "create {} {}", set.name, set.kind);
    if set.kind.starts_with("hash:") && set.kind != "hash:mac" {
        let family = if set.family == IPV6 { "inet6" } else { "inet" };
        w!(out, " family {family}");
    }
    if let Some((from, to)) = made.range {
        w!(out, " range {}-{}", address(from), address(to));
    }
    if let Some((from, to)) = made.ports {
        w!(out, " range {from}-{to}");
    }
    if let Some(mask) = set.markmask {
        w!(out, " markmask 0x{mask:08x}");
    }
    for (word, number) in [
        ("hashsize", made.hash_size),
        ("maxelem", made.max_elements),
        ("size", made.size),
        ("netmask", set.netmask.map(u32::from)),
    ] {
        if let Some(number) = number {
            w!(out, " {word} {number}");
        }
    }
    if let Some(mask) = made.bitmask {
        w!(out, " bitmask {}", address(mask));
    }
    if let Some(seconds) = made.timeout {
        w!(out, " timeout {seconds}");
    }
    for (bit, word) in [
        (ipset_with::COUNTERS, "counters"),
        (ipset_with::COMMENT, "comment"),
        (ipset_with::SKBINFO, "skbinfo"),
        (ipset_with::FORCEADD, "forceadd"),
    ] {
        if made.with & bit != 0 {
            w!(out, " {word}");
        }
    }
    if let Some(size) = made.bucket_size {
        w!(out, " bucketsize {size}");
    }
    if let Some(start) = made.start {
        w!(out, " initval 0x{start:08x}");
    }
}

/// An element with what belongs to it.
pub fn element(set: &IpSet, element: &IpSetElement, names: &Names, out: &mut String) {
    parts(set, element, names, out);
    if let Some(seconds) = element.timeout {
        w!(out, " timeout {seconds}");
    }
    for (bit, word) in [
        (ipset_flags::NOMATCH, "nomatch"),
        (ipset_flags::IFACE_WILDCARD, "wildcard"),
    ] {
        if element.flags & bit != 0 {
            w!(out, " {word}");
        }
    }
    for (word, number) in [("packets", element.packets), ("bytes", element.bytes)] {
        if let Some(number) = number {
            w!(out, " {word} {number}");
        }
    }
    if let Some(comment) = &element.comment {
        w!(out, " comment \"{comment}\"");
    }
    match element.skb_mark {
        Some((value, u32::MAX)) => w!(out, " skbmark 0x{value:x}"),
        Some((value, mask)) => w!(out, " skbmark 0x{value:x}/0x{mask:x}"),
        None => {}
    }
    if let Some((major, minor)) = element.skb_priority {
        w!(out, " skbprio {major:x}:{minor:x}");
    }
    if let Some(queue) = element.skb_queue {
        w!(out, " skbqueue {queue}");
    }
}

/// The element itself: `192.0.2.1,tcp:80`.
pub fn parts(set: &IpSet, element: &IpSetElement, names: &Names, out: &mut String) {
    let Some(kind) = kind::find(&set.kind) else {
        w!(out, "[an element of an unknown type]");
        return;
    };
    let mut addresses = [
        (element.ip, element.ip_to, element.cidr),
        (element.ip2, element.ip2_to, element.cidr2),
    ]
    .into_iter();
    let mut first = true;
    for part in kind.parts {
        let start = out.len();
        if !first {
            out.push(',');
        }
        let written = match part {
            Part::Ip | Part::Net => addresses.next().is_some_and(|(from, to, bits)| {
                from.is_some_and(|from| {
                    span(from, to, bits, out);
                    true
                })
            }),
            Part::Mac => element.ether.is_some_and(|address| {
                out.push_str(&mac(&address).to_uppercase());
                true
            }),
            Part::Mark => element.mark.is_some_and(|mark| {
                w!(out, "0x{mark:08x}");
                true
            }),
            Part::Port => port(kind, set.family, element, names, out),
            Part::Iface => element.iface.as_ref().is_some_and(|name| {
                if element.flags & ipset_flags::PHYSDEV != 0 {
                    out.push_str("physdev:");
                }
                out.push_str(name);
                true
            }),
            Part::Set => element.set.as_ref().is_some_and(|name| {
                out.push_str(name);
                true
            }),
        };
        // A part that may be missing (the hardware address of `bitmap:ip,mac`).
        if !written {
            out.truncate(start);
        }
        first = false;
    }
}

fn span(from: IpAddr, to: Option<IpAddr>, bits: Option<u8>, out: &mut String) {
    let whole = if from.is_ipv4() { 32 } else { 128 };
    out.push_str(&address(from));
    match (to, bits) {
        (Some(to), _) => w!(out, "-{}", address(to)),
        (None, Some(bits)) if bits != whole => w!(out, "/{bits}"),
        _ => {}
    }
}

fn port(kind: &Kind, family: u8, element: &IpSetElement, names: &Names, out: &mut String) -> bool {
    const ICMP: u8 = 1;
    const ICMP6: u8 = 58;
    let Some(port) = element.port else {
        return false;
    };
    if let Some(proto) = element.proto.filter(|_| !kind.is_bitmap()) {
        match names.protocols.get(&proto) {
            Some(name) => w!(out, "{name}:"),
            None => w!(out, "{proto}:"),
        }
        let table = match (proto, family) {
            (ICMP, family) if family != IPV6 => Some(icmp::ICMP),
            (ICMP6, IPV6) => Some(icmp::ICMP6),
            _ => None,
        };
        if let Some(table) = table {
            let [kind, code] = port.to_be_bytes();
            match icmp_name(table, kind, code) {
                Some(name) => out.push_str(name),
                None => w!(out, "{kind}/{code}"),
            }
            return true;
        }
    }
    w!(out, "{port}");
    if let Some(to) = element.port_to.filter(|to| *to != port) {
        w!(out, "-{to}");
    }
    true
}

/// ipset has a name for a type with one code each, and fewer than iptables.
fn icmp_name(table: &[icmp::IcmpName], kind: u8, code: u8) -> Option<&'static str> {
    const NOT_OF_IPSET: [&str; 3] = ["beyond-scope", "failed-policy", "reject-route"];
    let mut names = table
        .iter()
        .filter(|(name, of, ..)| *of == kind && !NOT_OF_IPSET.contains(name));
    let exact = names
        .clone()
        .find(|(_, _, from, to)| (*from, *to) == (code, code));
    let general = || names.find(|(_, _, from, to)| code == 0 && (*from, *to) == (0, 0xff));
    exact.or_else(general).map(|(name, ..)| *name)
}
