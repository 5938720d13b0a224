//! Values in the words of iproute2: numbers, addresses, prefixes, times, names of tables and devices.

use super::ParseContext;
use super::words::{ParseError, Word, Words};
use crate::lang::near::near;
use crate::lang::route::{NameTable, number};
use crate::model::network::{FibFamily, Link, Prefix, RouteKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) type Result<T> = std::result::Result<T, Box<ParseError>>;

/// The value after a word, read by `read`.
pub(super) fn value<T>(
    words: &mut Words<'_>,
    after: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T> {
    let word = words.value(after, expected)?;
    read(&word.text)
        .ok_or_else(|| words.wrong(word, &format!("is not a value of '{after}'"), expected))
}

/// A number of 32 bits: decimal, `0x` hexadecimal or `0` octal.
pub(super) fn number32(words: &mut Words<'_>, after: &str) -> Result<u32> {
    value(words, after, "a number from 0 to 4294967295", number)
}

pub(super) fn number16(words: &mut Words<'_>, after: &str) -> Result<u16> {
    value(words, after, "a number from 0 to 65535", |text| {
        u16::try_from(number(text)?).ok()
    })
}

pub(super) fn number8(words: &mut Words<'_>, after: &str) -> Result<u8> {
    value(words, after, "a number from 0 to 255", |text| {
        u8::try_from(number(text)?).ok()
    })
}

pub(super) fn number64(words: &mut Words<'_>, after: &str) -> Result<u64> {
    value(words, after, "a number", |text| {
        if let Some(digits) = text.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16).ok();
        }
        match text.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        }
    })
}

/// A name of a table of names, or a number up to `most`.
pub(super) fn named(
    words: &mut Words<'_>,
    after: &str,
    table: &NameTable,
    most: u32,
) -> Result<u32> {
    let expected = format!("a name or a number from 0 to {most}");
    let word = words.value(after, &expected)?;
    let id = table.number(&word.text).or_else(|| number(&word.text));
    id.filter(|&id| id <= most).ok_or_else(|| {
        let problem = format!("is not a value of '{after}'");
        words.unknown(
            word,
            &problem,
            &expected,
            table.iter().map(|(_, name)| name),
        )
    })
}

pub(super) fn named8(words: &mut Words<'_>, after: &str, table: &NameTable) -> Result<u8> {
    let id = named(words, after, table, u8::MAX.into())?;
    Ok(u8::try_from(id).unwrap_or(u8::MAX))
}

pub(super) fn table(words: &mut Words<'_>, after: &str, context: &ParseContext<'_>) -> Result<u32> {
    named(words, after, &context.names.tables, u32::MAX)
}

/// A type of service: a name, or a hexadecimal number.
pub(super) fn tos(words: &mut Words<'_>, after: &str, context: &ParseContext<'_>) -> Result<u8> {
    value(
        words,
        after,
        "a name or a hexadecimal number up to ff",
        |text| context.names.tos_number(text),
    )
}

/// `FROM/TO` or `TO`, by name or number: from in the upper, to in the lower 16 bits.
pub(super) fn realms(
    words: &mut Words<'_>,
    after: &str,
    context: &ParseContext<'_>,
) -> Result<u32> {
    let one = |text: &str| {
        let id = context
            .names
            .realms
            .number(text)
            .or_else(|| number(text).filter(|&id| id <= 255));
        id.or(if text.is_empty() { Some(0) } else { None })
    };
    value(words, after, "a realm, or two as FROM/TO", |text| {
        let parts = match text.split_once('/') {
            Some((from, to)) => one(from)
                .filter(|_| !from.is_empty())
                .zip(one(to))
                .map(|(from, to)| from << 16 | to),
            None => one(text),
        };
        parts.or_else(|| number(text))
    })
}

/// An IPv4 address as iproute2 reads it: missing bytes at the end are zero.
fn ip4(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0u8; 4];
    for (place, part) in text.split('.').enumerate() {
        *bytes.get_mut(place)? = u8::try_from(number(part)?).ok()?;
    }
    Some(bytes.into())
}

/// An address of any family.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    ip4(text).map(IpAddr::V4)
}

fn expected_address(family: Option<FibFamily>) -> &'static str {
    match family {
        Some(FibFamily::Ip4) => "an IPv4 address",
        Some(FibFamily::Ip6) => "an IPv6 address",
        None => "an IPv4 or IPv6 address",
    }
}

/// An address of the family of the command, which it decides when nothing did before.
pub(super) fn address(
    words: &mut Words<'_>,
    after: &str,
    family: &mut Option<FibFamily>,
) -> Result<IpAddr> {
    let expected = expected_address(*family);
    let word = words.value(after, expected)?;
    match ip(&word.text) {
        Some(address) if family.is_none_or(|family| family == FibFamily::of(address)) => {
            *family = Some(FibFamily::of(address));
            Ok(address)
        }
        Some(_) => Err(words.wrong(word, "is of the other address family", expected)),
        None => Err(words.wrong(word, "is not an address", expected)),
    }
}

/// A prefix, an address, `default`, `all` or `any`; `None` for the last three while the family is not known.
pub(super) fn prefix(
    words: &Words<'_>,
    word: &Word,
    family: &mut Option<FibFamily>,
) -> Result<Option<Prefix>> {
    let expected = match family {
        Some(FibFamily::Ip4) => "an IPv4 prefix such as 192.0.2.0/24, or 'default'",
        Some(FibFamily::Ip6) => "an IPv6 prefix such as 2001:db8::/32, or 'default'",
        None => "a prefix such as 192.0.2.0/24, or 'default'",
    };
    if matches!(word.text.as_str(), "default" | "all" | "any") {
        return Ok(family.map(FibFamily::any));
    }
    let (text, length) = match word.text.split_once('/') {
        Some((text, length)) => (text, Some(length)),
        None => (word.text.as_str(), None),
    };
    let Some(address) = ip(text) else {
        return Err(words.wrong(word, "is not an address or a prefix", expected));
    };
    let own = FibFamily::of(address);
    if family.is_some_and(|family| family != own) {
        return Err(words.wrong(word, "is of the other address family", expected));
    }
    let length = match length {
        None => own.bits(),
        Some(text) => match number(text).or_else(|| mask_bits(text)) {
            Some(bits) if bits <= u32::from(own.bits()) => u8::try_from(bits).unwrap_or(own.bits()),
            _ => {
                let problem = format!("has a length that is not between 0 and {}", own.bits());
                return Err(words.wrong(word, &problem, expected));
            }
        },
    };
    *family = Some(own);
    Ok(Some(Prefix::new(address, length)))
}

/// The length that a netmask stands for.
fn mask_bits(text: &str) -> Option<u32> {
    let mask = u32::from(ip4(text)?);
    (mask.leading_ones() + mask.trailing_zeros() == 32 || mask == 0).then(|| mask.leading_ones())
}

/// A device's number by its name, an alternative name, or `if` and the number.
pub(super) fn device(
    words: &mut Words<'_>,
    after: &str,
    context: &ParseContext<'_>,
) -> Result<u32> {
    let word = words.value(after, "the name of a device")?;
    find_device(context.links, &word.text)
        .map(|link| link.index)
        .or_else(|| word.text.strip_prefix("if")?.parse().ok())
        .ok_or_else(|| no_device(words, word, context))
}

pub(super) fn no_device(
    words: &Words<'_>,
    word: &Word,
    context: &ParseContext<'_>,
) -> Box<ParseError> {
    let names: Vec<&str> = context.links.iter().map(|link| &*link.name).collect();
    let mut error = words.wrong(
        word,
        "is not a device of this network namespace",
        &match names.len() {
            0..=8 => format!("one of: {}", names.join(", ")),
            _ => "one of those that 'ip link' lists".to_owned(),
        },
    );
    error.near = near(&word.text, names).map(str::to_owned);
    error
}

pub(super) fn find_device<'a>(links: &'a [Link], name: &str) -> Option<&'a Link> {
    let own = links.iter().find(|link| &*link.name == name);
    own.or_else(|| {
        links
            .iter()
            .find(|link| link.alt_names.iter().any(|other| &**other == name))
    })
}

/// The routing table of a VRF.
pub(super) fn vrf_table(
    words: &mut Words<'_>,
    after: &str,
    context: &ParseContext<'_>,
) -> Result<u32> {
    let word = words.value(after, "the name of a VRF")?;
    match find_device(context.links, &word.text) {
        None => Err(no_device(words, word, context)),
        Some(link) => link
            .vrf_table
            .ok_or_else(|| words.wrong(word, "is not a VRF", "a device of kind vrf")),
    }
}

/// A name that a device could have, for rules, which need no such device.
pub(super) fn device_name(words: &mut Words<'_>, after: &str) -> Result<crate::model::Name> {
    const LONGEST: usize = 15;
    value(
        words,
        after,
        "a device name of at most 15 characters without '/' and blanks",
        |text| {
            let fine = !text.is_empty()
                && text.len() <= LONGEST
                && !text.contains(|c: char| c == '/' || c.is_whitespace());
            fine.then(|| crate::model::Name::from(text))
        },
    )
}

/// The kinds of routes by name (iproute2 takes the beginnings of some) or number.
pub(super) fn kind(text: &str) -> Option<RouteKind> {
    const KINDS: [(&str, bool, RouteKind); 12] = [
        ("local", false, RouteKind::Local),
        ("nat", false, RouteKind::Nat),
        ("broadcast", true, RouteKind::Broadcast),
        ("brd", false, RouteKind::Broadcast),
        ("anycast", true, RouteKind::Anycast),
        ("multicast", true, RouteKind::Multicast),
        ("prohibit", true, RouteKind::Prohibit),
        ("unreachable", true, RouteKind::Unreachable),
        ("blackhole", true, RouteKind::Blackhole),
        ("xresolve", true, RouteKind::Xresolve),
        ("unicast", true, RouteKind::Unicast),
        ("throw", false, RouteKind::Throw),
    ];
    super::words::keyword(&KINDS, text).or_else(|| {
        let value = u8::try_from(number(text)?).ok()?;
        Some(RouteKind::from_wire(value))
    })
}

/// A time for round trips, in milliseconds; the second value says that no unit was given.
pub(super) fn round_trip(words: &mut Words<'_>, after: &str) -> Result<(u32, bool)> {
    value(
        words,
        after,
        "a time such as 200ms or 1.5s, or a number",
        |text| {
            let digits = text
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(text.len());
            let (amount, unit) = match text.strip_prefix("0x") {
                Some(_) => (f64::from(number(text)?), ""),
                None => {
                    let (amount, unit) = text.split_at(digits);
                    (amount.parse::<f64>().ok()?, unit)
                }
            };
            let amount = match unit.to_ascii_lowercase().as_str() {
                "s" | "sec" | "secs" => amount * 1000.0,
                "" | "ms" | "msec" | "msecs" => amount,
                _ => return None,
            };
            // Rounded up, as iproute2 does.
            let rounded = amount.ceil();
            if !(0.0..=f64::from(u32::MAX)).contains(&rounded) {
                return None;
            }
            // Within the range of the type.
            Some((rounded as u32, unit.is_empty()))
        },
    )
}

/// A link layer address: bytes in hexadecimal with colons between them, or an IPv4 address.
pub(super) fn link_address(text: &str) -> Option<Vec<u8>> {
    if text.contains('.') {
        return Some(ip4(text)?.octets().to_vec());
    }
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() <= 20)
}

/// An MPLS label stack: labels with slashes between them, outermost first.
pub(super) fn labels(text: &str) -> Option<Vec<u8>> {
    const BOTTOM: u32 = 0x100;
    let parts: Option<Vec<u32>> = text
        .split('/')
        .map(|part| number(part).filter(|&label| label < 1 << 20))
        .collect();
    let parts = parts?;
    let last = parts.len().checked_sub(1)?;
    let entries = parts.iter().enumerate().flat_map(|(place, label)| {
        let bottom = if place == last { BOTTOM } else { 0 };
        (label << 12 | bottom).to_be_bytes()
    });
    Some(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_iproute2_reads_them() {
        assert_eq!(ip("10.1"), Some(IpAddr::from([10, 1, 0, 0])));
        assert_eq!(ip("0x10.010"), Some(IpAddr::from([16, 8, 0, 0])));
        assert_eq!(ip("10.1.2.3.4"), None);
        assert_eq!(ip("10.256"), None);
        assert_eq!(ip("::1").map(|ip| ip.is_ipv6()), Some(true));
        assert_eq!(
            (mask_bits("255.255.255.0"), mask_bits("255.0.255.0")),
            (Some(24), None)
        );
        assert_eq!(mask_bits("0.0.0.0"), Some(0));
    }

    #[test]
    fn kinds_by_their_beginnings() {
        assert_eq!(kind("b"), Some(RouteKind::Broadcast));
        assert_eq!(kind("bl"), Some(RouteKind::Blackhole));
        assert_eq!(kind("loc"), None);
        assert_eq!(kind("9"), Some(RouteKind::Throw));
    }

    #[test]
    fn labels_and_link_addresses() {
        assert_eq!(labels("100/200").unwrap(), [0, 6, 0x40, 0, 0, 12, 0x81, 0]);
        assert_eq!(labels("1048576"), None);
        assert_eq!(
            link_address("2:0:0:a:b:FF").unwrap(),
            [2, 0, 0, 10, 11, 255]
        );
        assert_eq!(link_address("2:zz"), None);
    }
}
