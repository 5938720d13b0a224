//! The words after `encap`: lightweight tunnels, as the attributes of `linux/lwtunnel.h`.
//!
//! `bpf` needs programs loaded from files, which is not done here.

use super::ParseContext;
use super::segments::{ioam6, rpl, seg6, seg6_local};
use super::value::{self, Result};
use super::words::Words;
use crate::kernel::netlink::AttrWriter;
use crate::lang::route::number;
use crate::model::network::{Encap, FibFamily};
use std::net::IpAddr;

/// Kinds by number (`LWTUNNEL_ENCAP_*`) that can be written.
const KINDS: [(&str, u16); 9] = [
    ("mpls", 1),
    ("ip", 2),
    ("ila", 3),
    ("ip6", 4),
    ("seg6", 5),
    ("seg6local", 7),
    ("rpl", 8),
    ("ioam6", 9),
    ("xfrm", 10),
];

/// The kind of tunnel and its settings.
pub(super) fn encap(words: &mut Words<'_>, context: &ParseContext<'_>) -> Result<Encap> {
    let expected = "mpls, ip, ip6, ila, seg6, seg6local, rpl, ioam6 or xfrm";
    let word = words.value("encap", expected)?;
    if word.text == "bpf" {
        return Err(words.wrong(
            word,
            "needs BPF programs, which hookscope does not load; use 'ip route' for it",
            expected,
        ));
    }
    let kind = KINDS.iter().find(|(name, _)| *name == word.text);
    let Some((name, kind)) = kind.copied() else {
        let names = KINDS.iter().map(|(name, _)| *name);
        return Err(words.unknown(word, "is not a kind of tunnel", expected, names));
    };
    let mut out = AttrWriter::new();
    match name {
        "mpls" => mpls(words, &mut out)?,
        "ip" => ip(words, &mut out, FibFamily::Ip4, context)?,
        "ip6" => ip(words, &mut out, FibFamily::Ip6, context)?,
        "ila" => ila(words, &mut out)?,
        "seg6" => seg6(words, &mut out)?,
        "seg6local" => seg6_local(words, &mut out, context)?,
        "rpl" => rpl(words, &mut out)?,
        "ioam6" => ioam6(words, &mut out)?,
        _ => xfrm(words, &mut out, context)?,
    }
    Ok(Encap {
        kind,
        attributes: out.into_bytes(),
    })
}

/// An address attribute of one family.
pub(super) fn put_address(
    words: &mut Words<'_>,
    after: &str,
    out: &mut AttrWriter,
    kind: u16,
    family: FibFamily,
) -> Result<()> {
    match value::address(words, after, &mut Some(family))? {
        IpAddr::V4(address) => out.put(kind, &address.octets()),
        IpAddr::V6(address) => out.put(kind, &address.octets()),
    };
    Ok(())
}

fn mpls(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    let labels = value::value(words, "encap mpls", "labels such as 100/200", value::labels)?;
    out.put(1, &labels);
    if words.take("ttl") {
        out.u8(2, value::number8(words, "ttl")?);
    }
    Ok(())
}

/// `LWTUNNEL_IP_*`, which `LWTUNNEL_IP6_*` equal.
fn ip(
    words: &mut Words<'_>,
    out: &mut AttrWriter,
    family: FibFamily,
    context: &ParseContext<'_>,
) -> Result<()> {
    let (limit, class) = match family {
        FibFamily::Ip4 => ("ttl", "tos"),
        FibFamily::Ip6 => ("hoplimit", "tc"),
    };
    let mut flags = 0u16;
    while let Some(word) = words.peek() {
        let taken = words.clone();
        words.next();
        match word {
            "id" => {
                out.be64(1, value::number64(words, "id")?);
            }
            "dst" => put_address(words, "dst", out, 2, family)?,
            "src" => put_address(words, "src", out, 3, family)?,
            "key" => flags |= 4,
            "csum" => flags |= 1,
            "seq" => flags |= 8,
            "geneve_opts" => options(words, word, out, 1, geneve)?,
            "vxlan_opts" => options(words, word, out, 2, vxlan)?,
            "erspan_opts" => options(words, word, out, 3, erspan)?,
            other if other == limit => {
                out.u8(4, value::number8(words, limit)?);
            }
            other if other == class => {
                out.u8(5, value::tos(words, class, context)?);
            }
            _ => {
                *words = taken;
                break;
            }
        }
    }
    if flags != 0 {
        out.be16(6, flags);
    }
    Ok(())
}

/// `LWTUNNEL_IP_OPTS_*`: one value that `read` turns into attributes.
fn options(
    words: &mut Words<'_>,
    after: &str,
    out: &mut AttrWriter,
    kind: u16,
    read: fn(&str, &mut AttrWriter, u16) -> Option<()>,
) -> Result<()> {
    const OPTIONS: u16 = 8;
    let mut inner = AttrWriter::new();
    let expected = match after {
        "geneve_opts" => "CLASS:TYPE:DATA[,CLASS:TYPE:DATA]...",
        "vxlan_opts" => "a number",
        _ => "VERSION:INDEX:DIRECTION:HARDWARE",
    };
    value::value(words, after, expected, |text| read(text, &mut inner, kind))?;
    out.nest(OPTIONS, |out| {
        out.raw(inner.as_bytes());
    });
    Ok(())
}

fn geneve(text: &str, out: &mut AttrWriter, kind: u16) -> Option<()> {
    for option in text.split(',') {
        let parts: Vec<&str> = option.split(':').collect();
        let [class, option, data] = parts.as_slice() else {
            return None;
        };
        let mut inner = AttrWriter::new();
        if !class.is_empty() {
            inner.be16(1, u16::try_from(number(class)?).ok()?);
        }
        if !option.is_empty() {
            inner.u8(2, u8::try_from(number(option)?).ok()?);
        }
        if !data.is_empty() {
            let bytes: Option<Vec<u8>> = (0..data.len() / 2)
                .map(|place| {
                    let digits = data.get(place * 2..place * 2 + 2)?;
                    u8::from_str_radix(digits, 16).ok()
                })
                .collect();
            inner.put(3, &bytes?);
        }
        out.nest(kind, |out| {
            out.raw(inner.as_bytes());
        });
    }
    Some(())
}

fn vxlan(text: &str, out: &mut AttrWriter, kind: u16) -> Option<()> {
    let policy = number(text)?;
    out.nest(kind, |out| {
        out.ne32(1, policy);
    });
    Some(())
}

fn erspan(text: &str, out: &mut AttrWriter, kind: u16) -> Option<()> {
    let mut inner = AttrWriter::new();
    for (attribute, part) in (1u16..).zip(text.split(':')) {
        match attribute {
            _ if part.is_empty() => {}
            2 => {
                inner.be32(2, number(part)?);
            }
            1 | 3 | 4 => {
                inner.u8(attribute, u8::try_from(number(part)?).ok()?);
            }
            _ => return None,
        }
    }
    out.nest(kind, |out| {
        out.raw(inner.as_bytes());
    });
    Some(())
}

/// Words and their numbers.
type Choices = &'static [(&'static str, u8)];

/// `ILA_ATTR_*`
fn ila(words: &mut Words<'_>, out: &mut AttrWriter) -> Result<()> {
    let locator = value::value(
        words,
        "encap ila",
        "a locator of four groups of hexadecimal digits",
        |text| {
            let groups: Option<Vec<[u8; 2]>> = text
                .split(':')
                .map(|part| Some(u16::from_str_radix(part, 16).ok()?.to_be_bytes()))
                .collect();
            groups.filter(|groups| groups.len() <= 4)
        },
    )?;
    let mut bytes: Vec<u8> = locator.concat();
    bytes.resize(8, 0);
    out.put(1, &bytes);
    #[rustfmt::skip]
    const SETTINGS: [(&str, u16, Choices); 3] = [
        ("csum-mode", 6, &[("adj-transport", 0), ("neutral-map", 1), ("no-action", 2), ("neutral-map-auto", 3)]),
        ("ident-type", 7, &[("luid", 1), ("use-format", 0x70)]),
        ("hook-type", 8, &[("output", 0), ("input", 1)]),
    ];
    while let Some((name, kind, choices)) = SETTINGS
        .iter()
        .find(|(name, ..)| words.peek() == Some(*name))
    {
        words.next();
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let choice = value::value(words, name, &names.join(" or "), |text| {
            let found = choices.iter().find(|(name, _)| *name == text)?;
            Some(found.1)
        })?;
        out.u8(*kind, choice);
    }
    Ok(())
}

/// `LWT_XFRM_*`
fn xfrm(words: &mut Words<'_>, out: &mut AttrWriter, context: &ParseContext<'_>) -> Result<()> {
    let mut named = false;
    loop {
        if words.take("if_id") {
            let read = |text: &str| number(text).filter(|&id| id != 0);
            out.ne32(1, value::value(words, "if_id", "a number from 1 on", read)?);
            named = true;
        } else if words.take("link_dev") {
            out.ne32(2, value::device(words, "link_dev", context)?);
        } else if named {
            return Ok(());
        } else {
            return Err(words.missing("if_id is missing in 'encap xfrm'", "if_id and a number"));
        }
    }
}
