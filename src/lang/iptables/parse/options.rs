//! The options of one extension as they were given, checked against what it takes.

use super::{Machine, Wrong};
use crate::model::Family;
use crate::model::xtables::layout::{Addr16, Text};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// How an option is written: its name, other names, and what it takes.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: &'static str,
    pub values: u8,
    pub invertible: bool,
    pub repeatable: bool,
    pub mandatory: bool,
    /// The value may be left out.
    pub optional: bool,
}

/// Options in short: names with commas between them, then `!` may be inverted, `*` may come again, `+` must be
/// given, `-` takes no value, `=` takes two, `?` may have none.
pub fn known(list: &'static str) -> impl Iterator<Item = (Vec<&'static str>, Known)> {
    list.split_ascii_whitespace().map(|entry| {
        let names = entry.trim_end_matches(['!', '*', '+', '-', '=', '?']);
        let marks = entry.get(names.len()..).unwrap_or_default();
        let names: Vec<&'static str> = names.split(',').collect();
        let known = Known {
            name: names.first().copied().unwrap_or_default(),
            values: match marks {
                _ if marks.contains('-') => 0,
                _ if marks.contains('=') => 2,
                _ => 1,
            },
            invertible: marks.contains('!'),
            repeatable: marks.contains('*'),
            mandatory: marks.contains('+'),
            optional: marks.contains('?'),
        };
        (names, known)
    })
}

/// One option with its value.
#[derive(Clone, Debug)]
pub struct Given {
    pub name: &'static str,
    pub value: String,
    pub second: String,
    pub inverted: bool,
    pub start: usize,
    pub end: usize,
}

/// A number with an optional `0x` or `0` in front, as strtoul takes it with base 0.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ if text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

impl Given {
    pub fn wrong(&self, message: impl Display) -> Wrong {
        let dashes = if self.name.chars().count() == 1 {
            "-"
        } else {
            "--"
        };
        Wrong::new(
            self.start,
            self.end,
            format!("{dashes}{}: {message}", self.name),
        )
    }

    /// A number in text that belongs to this option.
    pub fn number<T: TryFrom<u64>>(
        &self,
        text: &str,
        fits: RangeInclusive<u64>,
    ) -> Result<T, Wrong> {
        number(text)
            .filter(|number| fits.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (from, to) = (fits.start(), fits.end());
                self.wrong(format!("`{text}` is not a number from {from} to {to}"))
            })
    }

    pub fn u8(&self) -> Result<u8, Wrong> {
        self.number(&self.value, 0..=0xff)
    }

    pub fn u16(&self) -> Result<u16, Wrong> {
        self.number(&self.value, 0..=0xffff)
    }

    pub fn u32(&self) -> Result<u32, Wrong> {
        self.number(&self.value, 0..=0xffff_ffff)
    }

    pub fn u64(&self) -> Result<u64, Wrong> {
        self.number(&self.value, 0..=u64::MAX)
    }

    /// `1`, `1:2`, `:2`, `1:`
    pub fn range<T: TryFrom<u64>>(&self, most: u64) -> Result<[T; 2], Wrong> {
        let Some((from, to)) = self.value.split_once(':') else {
            let text = &*self.value;
            return Ok([self.number(text, 0..=most)?, self.number(text, 0..=most)?]);
        };
        let from_number: u64 = if from.is_empty() {
            0
        } else {
            self.number(from, 0..=most)?
        };
        let to_number: u64 = if to.is_empty() {
            most
        } else {
            self.number(to, 0..=most)?
        };
        if from_number > to_number {
            return Err(self.wrong(format!("`{from}` is greater than `{to}`")));
        }
        let fit = |number| T::try_from(number).map_err(|_| self.wrong("too great a number"));
        Ok([fit(from_number)?, fit(to_number)?])
    }

    /// `0x1/0xff`; without a mask all bits.
    pub fn masked(&self) -> Result<(u32, u32), Wrong> {
        let all = 0..=0xffff_ffff;
        match self.value.split_once('/') {
            Some((value, mask)) => Ok((self.number(value, all.clone())?, self.number(mask, all)?)),
            None => Ok((self.number(&self.value, all)?, u32::MAX)),
        }
    }

    /// The place of a name in a list, in any case of letters.
    pub fn one_of(&self, names: &[&str]) -> Result<usize, Wrong> {
        names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(&self.value))
            .ok_or_else(|| self.wrong(format!("`{}` is none of: {}", self.value, names.join(", "))))
    }

    /// Text in a field of the kernel, which ends with a NUL.
    pub fn text<const N: usize>(&self) -> Result<Text<N>, Wrong> {
        let bytes = crate::model::text::to_bytes(&self.value);
        match Text::new(&bytes) {
            Some(text) if bytes.len() < N => Ok(text),
            _ => Err(self.wrong(format!("at most {} bytes are possible", N - 1))),
        }
    }

    pub fn parse<T: FromStr>(&self, text: &str, what: &str) -> Result<T, Wrong> {
        text.parse()
            .map_err(|_| self.wrong(format!("`{text}` is not {what}")))
    }

    pub fn mac(&self) -> Result<[u8; 6], Wrong> {
        mac(&self.value)
            .ok_or_else(|| self.wrong(format!("`{}` is no hardware address", self.value)))
    }
}

pub fn mac(text: &str) -> Option<[u8; 6]> {
    let mut out = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut out {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// An address of the table's family in the kernel's union.
pub fn address(text: &str, family: Family) -> Option<Addr16> {
    if family == Family::Ip6 {
        text.parse::<std::net::Ipv6Addr>()
            .ok()
            .map(|addr| Addr16(addr.octets()))
    } else {
        text.parse::<std::net::Ipv4Addr>()
            .ok()
            .map(|addr| Addr16::from_v4(addr.octets()))
    }
}

/// Ones for the first bits.
pub fn prefix<const N: usize>(bits: usize) -> [u8; N] {
    let mut out = [0; N];
    for (n, byte) in out.iter_mut().enumerate() {
        let ones = bits.saturating_sub(n * 8).min(8);
        *byte = (0xff00u16 >> ones) as u8;
    }
    out
}

/// A mask as a length or as an address.
pub fn mask(text: &str, family: Family) -> Option<Addr16> {
    if let Ok(bits) = text.parse::<usize>() {
        return match family {
            Family::Ip6 => (bits <= 128).then(|| Addr16(prefix(bits))),
            _ => (bits <= 32).then(|| Addr16::from_v4(prefix(bits))),
        };
    }
    address(text, family)
}

/// `10.0.0.0/8`, with host bits cleared.
pub fn network(text: &str, family: Family) -> Option<(Addr16, Addr16)> {
    let (addr, bits) = match text.split_once('/') {
        Some((addr, bits)) => (addr, mask(bits, family)?),
        None if family == Family::Ip6 => (text, Addr16([0xff; 16])),
        None => (text, Addr16::from_v4([0xff; 4])),
    };
    let mut addr = address(addr, family)?;
    for (byte, mask) in addr.0.iter_mut().zip(bits.0) {
        *byte &= mask;
    }
    Some((addr, bits))
}

/// Everything that was given for one extension, and what it may look up.
pub struct Options<'o> {
    pub given: Vec<Given>,
    /// Where the extension is named.
    pub start: usize,
    pub end: usize,
    pub name: &'o str,
    pub family: Family,
    /// The protocol of the rule, and whether it is inverted.
    pub proto: u16,
    pub proto_inverted: bool,
    /// ebtables' `-p LENGTH`
    pub lengths: bool,
    pub machine: &'o Machine,
}

impl Options<'_> {
    pub fn wrong(&self, message: impl Display) -> Wrong {
        Wrong::new(self.start, self.end, format!("{}: {message}", self.name))
    }

    pub fn get(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn inverted(&self, name: &str) -> bool {
        self.get(name).is_some_and(|given| given.inverted)
    }

    pub fn need(&self, name: &str) -> Result<&Given, Wrong> {
        self.get(name)
            .ok_or_else(|| self.wrong(format!("--{name} is missing")))
    }

    /// One of these and no other.
    pub fn one(&self, names: &[&str]) -> Result<&Given, Wrong> {
        self.at_most_one(names)?;
        self.given
            .iter()
            .find(|given| names.contains(&given.name))
            .ok_or_else(|| self.wrong(format!("one of --{} is missing", names.join(", --"))))
    }

    pub fn at_most_one(&self, names: &[&str]) -> Result<(), Wrong> {
        let mut there = self
            .given
            .iter()
            .filter(|given| names.contains(&given.name));
        match (there.next(), there.next()) {
            (Some(first), Some(second)) => {
                Err(second.wrong(format!("not together with --{}", first.name)))
            }
            _ => Ok(()),
        }
    }

    /// The rule must be about one of these protocols.
    pub fn protocols(&self, protocols: &[u16], names: &str) -> Result<(), Wrong> {
        if self.proto_inverted || !protocols.contains(&self.proto) {
            return Err(self.wrong(format!("only with -p {names}")));
        }
        Ok(())
    }

    pub fn addr(&self, given: &Given, text: &str) -> Result<Addr16, Wrong> {
        address(text, self.family).ok_or_else(|| given.wrong(format!("`{text}` is no address")))
    }

    pub fn network(&self, given: &Given) -> Result<(Addr16, Addr16), Wrong> {
        network(&given.value, self.family)
            .ok_or_else(|| given.wrong(format!("`{}` is no address", given.value)))
    }

    /// An address with its mask as extensions keep them: host bits stay, and a whole address has all bits of the
    /// union in its mask.
    pub fn host_mask(&self, given: &Given) -> Result<(Addr16, Addr16), Wrong> {
        let (addr, bits) = match given.value.split_once('/') {
            Some((addr, bits)) => (addr, mask(bits, self.family)),
            None => (given.value.as_str(), Some(Addr16([0xff; 16]))),
        };
        let bits = bits.ok_or_else(|| given.wrong(format!("`{}` has no mask", given.value)))?;
        Ok((self.addr(given, addr)?, bits))
    }

    pub fn is_ip6(&self) -> bool {
        self.family == Family::Ip6
    }

    /// A port by number or by its service.
    pub fn port(&self, given: &Given, text: &str) -> Result<u16, Wrong> {
        match number(text) {
            Some(port) => u16::try_from(port).ok(),
            None => self.machine.service.and_then(|find| find(text)),
        }
        .ok_or_else(|| given.wrong(format!("`{text}` is no port")))
    }

    /// `80`, `80:90`, `:90`, `http`
    pub fn ports(&self, given: &Given) -> Result<[u16; 2], Wrong> {
        let Some((from, to)) = given.value.split_once(':') else {
            let port = self.port(given, &given.value)?;
            return Ok([port, port]);
        };
        let from = if from.is_empty() {
            0
        } else {
            self.port(given, from)?
        };
        let to = if to.is_empty() {
            u16::MAX
        } else {
            self.port(given, to)?
        };
        if from > to {
            return Err(given.wrong("the first port is greater than the last"));
        }
        Ok([from, to])
    }

    pub fn protocol(&self, given: &Given, text: &str) -> Result<u16, Wrong> {
        self.machine
            .protocol(text)
            .ok_or_else(|| given.wrong(format!("`{text}` is no protocol")))
    }
}
