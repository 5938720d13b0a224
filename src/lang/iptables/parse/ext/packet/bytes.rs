//! Matches on bytes anywhere in the packet.

use super::super::Built;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::{Field, Text};
use crate::model::xtables::protocol::*;

/// `0x0&0xff=1:2,5&&4=0`
pub(super) fn u32_test(o: &Options<'_>) -> Built {
    let given = o.need("u32")?;
    let mut out = U32 {
        invert: given.inverted.into(),
        ..U32::zero()
    };
    let number_of =
        |text: &str| -> Result<u32, Wrong> { given.number(text.trim(), 0..=0xffff_ffff) };
    let too_many = || given.wrong("too many parts");
    for (place, test) in given.value.split("&&").enumerate() {
        let slot = out.tests.get_mut(place).ok_or_else(too_many)?;
        let (location, values) = test
            .split_once('=')
            .ok_or_else(|| given.wrong("`=` is missing"))?;
        let mut rest = location.trim();
        let mut nextop = 0;
        let mut count = 0;
        loop {
            let digits = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(digits);
            let one = slot.location.get_mut(count).ok_or_else(too_many)?;
            one.number = number_of(digits)?;
            one.nextop = nextop;
            count += 1;
            rest = after.trim();
            if rest.is_empty() {
                break;
            }
            (nextop, rest) = if let Some(rest) = rest.strip_prefix('&') {
                (0, rest)
            } else if let Some(rest) = rest.strip_prefix("<<") {
                (1, rest)
            } else if let Some(rest) = rest.strip_prefix(">>") {
                (2, rest)
            } else if let Some(rest) = rest.strip_prefix('@') {
                (3, rest)
            } else {
                return Err(given.wrong(format!("`{rest}` is not understood")));
            };
            rest = rest.trim();
        }
        slot.nnums = count as u8;
        for (place, value) in values.split(',').enumerate() {
            let one = slot.value.get_mut(place).ok_or_else(too_many)?;
            let (from, to) = value.split_once(':').unwrap_or((value, value));
            (one.min, one.max) = (number_of(from)?, number_of(to)?);
            slot.nvalues = place as u8 + 1;
        }
        out.ntests = place as u8 + 1;
    }
    Ok(Part::Known(X::U32(Box::new(out))))
}

/// `|0d 0a|` between ordinary text.
fn hex_text(given: &Given) -> Result<Vec<u8>, Wrong> {
    let mut out = Vec::new();
    let mut hex = false;
    let mut chars = given.value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '|' => hex = !hex,
            ' ' if hex => {}
            '\\' if !hex => out.extend(chars.next().map(|c| c as u8)),
            _ if hex => {
                let second = chars.next().and_then(|c| c.to_digit(16));
                match (c.to_digit(16), second) {
                    (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
                    _ => return Err(given.wrong("no hexadecimal digits")),
                }
            }
            c => out.extend(c.to_string().into_bytes()),
        }
    }
    if hex {
        return Err(given.wrong("`|` is not closed"));
    }
    Ok(out)
}

pub(super) fn string(o: &Options<'_>) -> Built {
    let given = o.one(&["string", "hex-string"])?;
    let bytes = if given.name == "string" {
        crate::model::text::to_bytes(&given.value).to_vec()
    } else {
        hex_text(given)?
    };
    let mut out = StringMatch {
        to_offset: u16::MAX,
        algo: o.need("algo")?.text::<16>()?,
        flags: given.inverted as u8 | (o.has("icase") as u8) << 1,
        ..StringMatch::zero()
    };
    if out.algo != Text::new(b"bm").unwrap_or(out.algo)
        && out.algo != Text::new(b"kmp").unwrap_or(out.algo)
    {
        return Err(o.need("algo")?.wrong("bm or kmp"));
    }
    if bytes.is_empty() || bytes.len() > out.pattern.len() {
        return Err(given.wrong("1 to 128 bytes are possible"));
    }
    for (to, from) in out.pattern.iter_mut().zip(&bytes) {
        *to = *from;
    }
    out.patlen = bytes.len() as u8;
    if let Some(given) = o.get("from") {
        out.from_offset = given.u16()?;
    }
    if let Some(given) = o.get("to") {
        out.to_offset = given.u16()?;
    }
    Ok(Part::Known(X::String1(Box::new(out))))
}

pub(super) fn bpf(o: &Options<'_>) -> Built {
    let given = o.one(&["bytecode"])?;
    let mut bpf = Bpf1::zero();
    let mut parts = given.value.split(',');
    let count: u16 = given.number(parts.next().unwrap_or_default().trim(), 1..=64)?;
    for place in 0..usize::from(count) {
        let line = parts
            .next()
            .ok_or_else(|| given.wrong("fewer instructions than said"))?;
        let mut words = line.split_ascii_whitespace();
        let mut next = |most: u64| -> Result<u64, Wrong> {
            given.number(words.next().unwrap_or_default(), 0..=most)
        };
        let code = next(0xffff)? as u16;
        let (jt, jf) = (next(255)? as u8, next(255)? as u8);
        let k = next(0xffff_ffff)? as u32;
        if let Some(slot) = bpf.program.get_mut(place) {
            *slot = SockFilter { code, jt, jf, k };
        }
    }
    bpf.len = count;
    Ok(Part::Known(X::Bpf1(Box::new(bpf))))
}
