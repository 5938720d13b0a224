//! Tunnels of IPv6 routing headers: segment routing (`linux/seg6_iptunnel.h`, `linux/seg6_local.h`), RPL, IOAM.

use super::ParseContext;
use super::encap::put_address;
use super::value::{self, Result};
use super::words::Words;
use crate::kernel::netlink::AttrWriter;
use crate::lang::route::encap::{ACTIONS, FLAVOURS, SEG6_MODES};
use crate::lang::route::number;
use crate::model::network::FibFamily;
use std::net::Ipv6Addr;

fn addresses(words: &mut Words<'_>) -> Result<Vec<Ipv6Addr>> {
    value::value(
        words,
        "segs",
        "IPv6 addresses with commas between them",
        |text| text.split(',').map(|part| part.parse().ok()).collect(),
    )
}

/// `struct ipv6_sr_hdr`: the segments last one first; one more, to be filled in, when the header goes into the
/// packet that is there instead of a new one.
fn routing_header(segments: &[Ipv6Addr], hmac: u32, own_packet: bool) -> Vec<u8> {
    let count = segments.len() + usize::from(!own_packet);
    let length = 8 + 16 * count + if hmac != 0 { 40 } else { 0 };
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    let mut header = vec![
        0,
        byte(length / 8 - 1),
        4,
        byte(count.saturating_sub(1)),
        byte(count.saturating_sub(1)),
        if hmac != 0 { 8 } else { 0 },
        0,
        0,
    ];
    if !own_packet {
        header.extend_from_slice(&[0; 16]);
    }
    for segment in segments.iter().rev() {
        header.extend_from_slice(&segment.octets());
    }
    if hmac != 0 {
        // The HMAC TLV: type 5, 38 bytes, the key in its third word.
        header.extend_from_slice(&[5, 38, 0, 0]);
        header.extend_from_slice(&hmac.to_be_bytes());
        header.extend_from_slice(&[0; 32]);
    }
    header
}

pub(super) fn seg6(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    let (mut mode, mut segments, mut hmac) = (None, None, 0);
    loop {
        if words.take("mode") {
            let read = |text: &str| SEG6_MODES.iter().position(|name| *name == text);
            mode = Some(value::value(words, "mode", &SEG6_MODES.join(", "), read)?);
        } else if words.take("segs") {
            segments = Some(addresses(words)?);
        } else if words.take("hmac") {
            hmac = value::number32(words, "hmac")?;
        } else {
            break;
        }
    }
    let Some(mode) = mode else {
        return Err(words.missing(
            "the mode is missing in 'encap seg6'",
            "mode inline or encap",
        ));
    };
    let Some(segments) = segments else {
        return Err(words.missing("segs is missing in 'encap seg6'", "segs and IPv6 addresses"));
    };
    let mut bytes = u32::try_from(mode).unwrap_or(0).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&routing_header(&segments, hmac, mode != 0));
    out.put(1, &bytes);
    Ok(())
}

/// `SEG6_LOCAL_*`
pub(super) fn seg6_local(
    words: &mut Words<'_>,
    out: &mut AttrWriter,
    context: &ParseContext<'_>,
) -> Result<()> {
    const ENCAPSULATE: u32 = 10;
    let (mut action, mut header) = (None, None);
    while let Some(word) = words.peek() {
        let taken = words.clone();
        words.next();
        match word {
            "action" => {
                let read = |text: &str| {
                    let place = ACTIONS.iter().position(|name| *name == text)?;
                    u32::try_from(place).ok().filter(|&place| place != 0)
                };
                let number = value::value(words, word, "End, End.X, End.DT6, ...", read)?;
                out.ne32(1, number);
                action = Some(number);
            }
            "table" => {
                out.ne32(3, value::table(words, word, context)?);
            }
            "vrftable" => {
                out.ne32(9, value::table(words, word, context)?);
            }
            "nh4" => put_address(words, word, out, 4, FibFamily::Ip4)?,
            "nh6" => put_address(words, word, out, 5, FibFamily::Ip6)?,
            "iif" => {
                out.ne32(6, value::device(words, word, context)?);
            }
            "oif" => {
                out.ne32(7, value::device(words, word, context)?);
            }
            "count" => {
                out.nest(10, |out| {
                    for kind in [2, 3, 4] {
                        out.put(kind, &[0; 8]);
                    }
                });
            }
            "flavors" => flavours(words, out)?,
            "srh" => {
                if !words.take("segs") {
                    return Err(words.missing("segs is missing after 'srh'", "segs"));
                }
                let segments = addresses(words)?;
                let hmac = match words.take("hmac") {
                    true => value::number32(words, "hmac")?,
                    false => 0,
                };
                header = Some((segments, hmac));
            }
            _ => {
                *words = taken;
                break;
            }
        }
    }
    let Some(action) = action else {
        let problem = "the action is missing in 'encap seg6local'";
        return Err(words.missing(problem, "action and its name"));
    };
    if let Some((segments, hmac)) = header {
        out.put(2, &routing_header(&segments, hmac, action == ENCAPSULATE));
    }
    Ok(())
}

/// `SEG6_LOCAL_FLV_*`
fn flavours(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    const NEXT_CSID: u32 = 4;
    let read = |text: &str| {
        let mut bits = 0u32;
        for name in text.split(',') {
            let place = FLAVOURS
                .iter()
                .position(|known| !known.is_empty() && known.eq_ignore_ascii_case(name))?;
            bits |= 1 << place;
        }
        Some(bits)
    };
    let expected = "psp, usp, usd or next-csid, with commas between them";
    let bits = value::value(words, "flavors", expected, read)?;
    let (mut block, mut function) = (None, None);
    if bits & 1 << NEXT_CSID != 0 {
        if words.take("lblen") {
            block = Some(value::number8(words, "lblen")?);
        }
        if words.take("nflen") {
            function = Some(value::number8(words, "nflen")?);
        }
    }
    out.nest(11, |out| {
        out.ne32(1, bits);
        if let Some(block) = block {
            out.u8(2, block);
        }
        if let Some(function) = function {
            out.u8(3, function);
        }
    });
    Ok(())
}

/// `struct ipv6_rpl_sr_hdr`, without compression.
pub(super) fn rpl(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    if !words.take("segs") {
        return Err(words.missing("segs is missing in 'encap rpl'", "segs and IPv6 addresses"));
    }
    let segments = addresses(words)?;
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    let mut header = vec![
        0,
        byte(segments.len() * 2),
        3,
        byte(segments.len()),
        0,
        0,
        0,
        0,
    ];
    for segment in segments.iter().rev() {
        header.extend_from_slice(&segment.octets());
    }
    out.put(1, &header);
    Ok(())
}

/// `IOAM6_IPTUNNEL_*`
pub(super) fn ioam6(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    const MODES: [&str; 3] = ["inline", "encap", "auto"];
    const MOST: u32 = 1_000_000;
    let (mut every, mut of) = (1, 1);
    if words.take("freq") {
        let expected = "K/N with K not above N, both from 1 to 1000000";
        (every, of) = value::value(words, "freq", expected, |text| {
            let (k, n) = text.split_once('/')?;
            let (k, n): (u32, u32) = (k.parse().ok()?, n.parse().ok()?);
            (k >= 1 && k <= n && n <= MOST).then_some((k, n))
        })?;
    }
    let mut mode = 1u8;
    if words.take("mode") {
        let read = |text: &str| (1u8..).zip(MODES).find(|(_, name)| *name == text);
        mode = value::value(words, "mode", "inline, encap or auto", read)?.0;
    }
    let mut tunnel = AttrWriter::new();
    if mode != 1 {
        if !words.take("tundst") {
            return Err(words.missing("tundst is missing", "tundst and an IPv6 address"));
        }
        put_address(words, "tundst", &mut tunnel, 2, FibFamily::Ip6)?;
    }
    if !(words.take("trace") && words.take("prealloc")) {
        return Err(words.missing(
            "'trace prealloc' is missing",
            "trace prealloc type ... ns ... size ...",
        ));
    }
    let (mut kind, mut namespace, mut size) = (None, None, None);
    loop {
        if words.take("type") {
            let read = |text: &str| number(text).filter(|&bits| bits != 0 && bits < 1 << 24);
            kind = Some(value::value(words, "type", "a number of 24 bits", read)?);
        } else if words.take("ns") {
            namespace = Some(value::number16(words, "ns")?);
        } else if words.take("size") {
            let read = |text: &str| {
                let size = u8::try_from(number(text)?).ok()?;
                (size != 0 && size % 4 == 0 && size <= 244).then_some(size)
            };
            let expected = "a multiple of 4 from 4 to 244";
            size = Some(value::value(words, "size", expected, read)?);
        } else {
            break;
        }
    }
    let (Some(kind), Some(namespace), Some(size)) = (kind, namespace, size) else {
        return Err(words.missing(
            "a part of the trace is missing",
            "type, ns and size, each with a number",
        ));
    };
    out.ne32(4, every)
        .ne32(5, of)
        .u8(1, mode)
        .raw(tunnel.as_bytes());
    let mut trace = namespace.to_be_bytes().to_vec();
    trace.extend_from_slice(&[0, size / 4]);
    trace.extend_from_slice(&(kind << 8).to_be_bytes());
    out.put(3, &trace);
    Ok(())
}
