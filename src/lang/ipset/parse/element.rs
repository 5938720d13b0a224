//! Elements in a text of ipset: their parts, and what belongs to them.

use super::super::kind::{Kind, Part};
use super::{Machine, wrong};
use crate::lang::iptables::icmp;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::words::Word;
use crate::model::ipset::{IPV6, IpSetElement, ipset_flags};
use std::net::IpAddr;

fn digits(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn number(word: &Word, most: u32) -> Result<u32, Wrong> {
    digits(&word.text)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number <= most)
        .ok_or_else(|| wrong(word, format!("a number from 0 to {most}")))
}

pub(super) fn small(word: &Word) -> Result<u8, Wrong> {
    let text = word.text.trim_start_matches('/');
    text.parse()
        .map_err(|_| wrong(word, "a number from 0 to 255"))
}

pub(super) fn ip(word: &Word, text: &str) -> Result<IpAddr, Wrong> {
    text.parse()
        .map_err(|_| wrong(word, format!("`{text}` is no address")))
}

/// First and last address of `a-b` or `a/bits`.
pub(super) fn span_of(word: &Word, text: &str) -> Result<(IpAddr, IpAddr), Wrong> {
    if let Some((from, to)) = text.split_once('-') {
        return Ok((ip(word, from)?, ip(word, to)?));
    }
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (ip(word, address)?, Some(bits)),
        None => (ip(word, text)?, None),
    };
    let IpAddr::V4(four) = address else {
        return Err(wrong(word, "bitmaps hold IPv4 addresses"));
    };
    let bits: u32 = match bits {
        Some(bits) => bits
            .parse()
            .map_err(|_| wrong(word, "no length of a prefix"))?,
        None => 32,
    };
    let host = match bits {
        0 => u32::MAX,
        1..=32 => u32::MAX.checked_shr(bits).unwrap_or(0),
        _ => return Err(wrong(word, "no length of a prefix")),
    };
    let first = u32::from(four) & !host;
    Ok((IpAddr::V4(first.into()), IpAddr::V4((first | host).into())))
}

/// The parts of an element, between commas.
pub(super) fn element(
    word: &Word,
    kind: &Kind,
    family: u8,
    machine: &Machine,
) -> Result<IpSetElement, Wrong> {
    let mut made = IpSetElement::default();
    let mut texts = word.text.split(',');
    let mut addresses = 0;
    for (index, part) in kind.parts.iter().enumerate() {
        let Some(text) = texts.next().filter(|text| !text.is_empty()) else {
            // The hardware address of this type may be learnt later.
            if kind.name == "bitmap:ip,mac" && index == 1 {
                continue;
            }
            let count = kind.parts.len();
            return Err(wrong(
                word,
                format!("elements of {} have {count} parts", kind.name),
            ));
        };
        match part {
            Part::Ip | Part::Net => {
                let (from, to, bits) = net(word, text)?;
                let six = family == IPV6;
                if family != 0 && from.is_ipv6() != six {
                    let wanted = if six { "IPv6" } else { "IPv4" };
                    return Err(wrong(word, format!("the set holds {wanted} addresses")));
                }
                if addresses == 0 {
                    (made.ip, made.ip_to, made.cidr) = (Some(from), to, bits);
                } else {
                    (made.ip2, made.ip2_to, made.cidr2) = (Some(from), to, bits);
                }
                addresses += 1;
            }
            Part::Mac => made.ether = Some(mac(word, text)?),
            Part::Mark => {
                let mark = digits(text).and_then(|mark| u32::try_from(mark).ok());
                made.mark = Some(mark.ok_or_else(|| wrong(word, format!("`{text}` is no mark")))?);
            }
            Part::Port => port(word, text, kind, &mut made, family, machine)?,
            Part::Iface => {
                let name = match text.strip_prefix("physdev:") {
                    Some(name) => {
                        made.flags |= ipset_flags::PHYSDEV;
                        name
                    }
                    None => text,
                };
                if name.len() > 15 {
                    return Err(wrong(word, "an interface's name has at most 15 bytes"));
                }
                made.iface = Some(name.into());
            }
            Part::Set => made.set = Some(text.into()),
        }
    }
    match texts.next() {
        Some(text) => Err(wrong(
            word,
            format!("`,{text}` is too much for {}", kind.name),
        )),
        None => Ok(made),
    }
}

/// An address, or the beginning and end or the prefix of some.
fn net(word: &Word, text: &str) -> Result<(IpAddr, Option<IpAddr>, Option<u8>), Wrong> {
    if let Some((from, to)) = text.split_once('-') {
        return Ok((ip(word, from)?, Some(ip(word, to)?), None));
    }
    let Some((address, bits)) = text.split_once('/') else {
        return Ok((ip(word, text)?, None, None));
    };
    let address = ip(word, address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse().ok().filter(|bits| *bits <= most);
    let bits: u8 = bits.ok_or_else(|| wrong(word, format!("a prefix has 0 to {most} bits")))?;
    Ok((address, None, Some(bits)))
}

fn mac(word: &Word, text: &str) -> Result<[u8; 6], Wrong> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts
            .next()
            .and_then(|part| u8::from_str_radix(part, 16).ok());
        *byte = part.ok_or_else(|| wrong(word, format!("`{text}` is no hardware address")))?;
    }
    match parts.next() {
        None => Ok(bytes),
        Some(_) => Err(wrong(word, format!("`{text}` is no hardware address"))),
    }
}

/// `80`, `tcp:80-90`, `udp:domain`, `icmp:echo-request`, `vrrp:0`
fn port(
    word: &Word,
    text: &str,
    kind: &Kind,
    made: &mut IpSetElement,
    family: u8,
    machine: &Machine,
) -> Result<(), Wrong> {
    const TCP: u8 = 6;
    let (proto, text) = match text.split_once(':') {
        Some((proto, text)) => (Some(proto), text),
        None => (None, text),
    };
    let proto = match proto {
        None => TCP,
        Some("icmpv6" | "ipv6-icmp") => 58,
        Some(name) => digits(name)
            .and_then(|number| u8::try_from(number).ok())
            .or_else(|| machine.protocols.get(name).copied())
            .ok_or_else(|| wrong(word, format!("there is no protocol `{name}`")))?,
    };
    if !kind.is_bitmap() {
        made.proto = Some(proto);
    }
    let table = match (proto, family) {
        (1, family) if family != IPV6 => Some(icmp::ICMP),
        (58, IPV6) => Some(icmp::ICMP6),
        _ => None,
    };
    if let Some(table) = table {
        let numbers = text
            .split_once('/')
            .and_then(|(kind, code)| Some((kind.parse().ok()?, code.parse().ok()?)));
        let named = || {
            let found = table.iter().find(|(name, ..)| *name == text);
            found.map(|(_, kind, code, _)| (*kind, *code))
        };
        let plain = || text.parse().ok().map(|kind| (kind, 0));
        let (kind, code): (u8, u8) = numbers
            .or_else(named)
            .or_else(plain)
            .ok_or_else(|| wrong(word, format!("`{text}` is no type of ICMP")))?;
        made.port = Some(u16::from_be_bytes([kind, code]));
        return Ok(());
    }
    let one = |text: &str| {
        let number = text.parse::<u16>().ok();
        number
            .or_else(|| machine.services.get(text).copied())
            .ok_or_else(|| wrong(word, format!("`{text}` is no port")))
    };
    // A service may have a dash in its name.
    match text.split_once('-') {
        Some((from, to)) if !machine.services.contains_key(text) => {
            made.port = Some(one(from)?);
            made.port_to = Some(one(to)?);
        }
        _ => made.port = Some(one(text)?),
    }
    Ok(())
}

/// What belongs to an element.
pub(super) fn options<'w>(
    made: &mut IpSetElement,
    kind: &Kind,
    mut rest: impl Iterator<Item = &'w Word>,
) -> Result<(), Wrong> {
    while let Some(word) = rest.next() {
        match &*word.text {
            "nomatch" => {
                made.flags |= ipset_flags::NOMATCH;
                continue;
            }
            "wildcard" => {
                made.flags |= ipset_flags::IFACE_WILDCARD;
                continue;
            }
            _ => {}
        }
        let value = rest
            .next()
            .ok_or_else(|| wrong(word, format!("{} needs a value", word.text)))?;
        let long = || digits(&value.text).ok_or_else(|| wrong(value, "a number"));
        match &*word.text {
            "timeout" => made.timeout = Some(number(value, u32::MAX / 1000)?),
            "packets" => made.packets = Some(long()?),
            "bytes" => made.bytes = Some(long()?),
            "comment" => {
                if value.text.len() > 255 || value.text.contains('"') {
                    return Err(wrong(
                        value,
                        "a comment has at most 255 bytes, and no quotes",
                    ));
                }
                made.comment = Some(value.text.clone());
            }
            "skbmark" => {
                let (mark, mask) = match value.text.split_once('/') {
                    Some((mark, mask)) => (digits(mark), digits(mask)),
                    None => (digits(&value.text), Some(u32::MAX.into())),
                };
                let narrow = |number: Option<u64>| number.and_then(|n| u32::try_from(n).ok());
                made.skb_mark = Some(
                    narrow(mark)
                        .zip(narrow(mask))
                        .ok_or_else(|| wrong(value, "MARK or MARK/MASK"))?,
                );
            }
            "skbprio" => {
                let numbers = value.text.split_once(':').and_then(|(major, minor)| {
                    let hex = |text| u16::from_str_radix(text, 16).ok();
                    hex(major).zip(hex(minor))
                });
                made.skb_priority = Some(numbers.ok_or_else(|| wrong(value, "MAJOR:MINOR"))?);
            }
            "skbqueue" => {
                let queue = u16::try_from(long()?).map_err(|_| wrong(value, "a queue's number"))?;
                made.skb_queue = Some(queue);
            }
            "before" | "after" if kind.parts.contains(&Part::Set) => {
                made.beside = Some(value.text.as_str().into());
                if word.text == "before" {
                    made.flags |= ipset_flags::BEFORE;
                }
            }
            _ => {
                return Err(wrong(
                    word,
                    format!("`{}` is not understood here", word.text),
                ));
            }
        }
    }
    Ok(())
}
