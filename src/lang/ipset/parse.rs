//! Texts as `ipset restore` takes them, and single commands (`ipset add NAME ...`).
//!
//! What an element is made of depends on its set: those that are there come in, those that the text makes are
//! noted. Mistakes say where they stand, and so do names of sets that cannot be there.

use super::kind::{self, Kind, Part};
use crate::lang::iptables::icmp;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::words::{self, Word};
use crate::lang::near;
use crate::model::ipset::{
    IPV4, IPV6, IpSet, IpSetChange, IpSetElement, IpSetOptions, IpSetWhat, ipset_flags, ipset_with,
};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// What names stand for.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Type and family of the sets that are there.
    pub sets: HashMap<String, (String, u8)>,
    pub protocols: BTreeMap<String, u8>,
    pub services: BTreeMap<String, u16>,
}

/// A change, and the bytes of the text that ask for it.
pub type Placed = (IpSetChange, usize, usize);

/// Read a text. With `exist`, nothing that is there already is an error.
pub fn text(text: &str, mut machine: Machine, exist: bool) -> Result<Vec<Placed>, Vec<Wrong>> {
    let mut changes = Vec::new();
    let mut wrongs = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        if line.trim().is_empty() || line.trim_start().starts_with('#') || line == "COMMIT" {
            continue;
        }
        match words::split(line, start).and_then(|words| command(&words, &mut machine, exist)) {
            Ok(Some(change)) => changes.push((change, start, start + line.len())),
            Ok(None) => {}
            Err(wrong) => wrongs.push(wrong),
        }
        if wrongs.len() > 100 {
            break;
        }
    }
    if wrongs.is_empty() {
        Ok(changes)
    } else {
        Err(wrongs)
    }
}

fn wrong(word: &Word, message: impl Into<String>) -> Wrong {
    Wrong::new(word.start, word.end, message)
}

/// `IPSET_MAXNAMELEN` less the NUL
const LONGEST_NAME: usize = 31;

const COMMANDS: &[(&str, &[&str])] = &[
    ("create", &["-N", "n", "--create"]),
    ("add", &["-A", "--add"]),
    ("del", &["-D", "--del"]),
    ("flush", &["-F", "--flush"]),
    ("destroy", &["-X", "x", "--destroy"]),
    ("rename", &["-E", "e", "--rename"]),
    ("swap", &["-W", "w", "--swap"]),
];

fn command(
    words: &[Word],
    machine: &mut Machine,
    exist: bool,
) -> Result<Option<IpSetChange>, Wrong> {
    let words = match words {
        [first, rest @ ..] if first.text.rsplit('/').next() == Some("ipset") => rest,
        words => words,
    };
    let is_exist = |word: &&Word| matches!(&*word.text, "-exist" | "-!");
    let exist = exist || words.iter().any(|word| is_exist(&word));
    let words: Vec<&Word> = words.iter().filter(|word| !is_exist(word)).collect();
    let [verb, rest @ ..] = words.as_slice() else {
        return Ok(None);
    };
    let found = COMMANDS
        .iter()
        .find(|(name, others)| *name == verb.text || others.contains(&&*verb.text));
    let Some((name, _)) = found else {
        let near = near::near(&verb.text, COMMANDS.iter().map(|(name, _)| *name));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(wrong(
            verb,
            format!("there is no command `{}`{hint}", verb.text),
        ));
    };
    let mut rest = rest.iter().copied();
    let mut named = |what: &str| rest.next().ok_or_else(|| wrong(verb, what));
    let change = |what| Ok(Some(IpSetChange { what, exist }));
    let result = match *name {
        "create" => {
            let name = named("create which set?")?;
            let kind = named("of which type?")?;
            let set = create(name, kind, rest.by_ref())?;
            if machine.sets.contains_key(&set.name) && !exist {
                return Err(wrong(name, format!("there is a set `{}`", name.text)));
            }
            let known = (set.kind.clone(), set.family);
            machine.sets.insert(set.name.clone(), known);
            change(IpSetWhat::Create(Box::new(set)))
        }
        "add" | "del" => {
            let set = named("which set?")?;
            let (kind, family) = of_set(set, machine)?;
            let text = named("which element?")?;
            let mut made = element(text, kind, family, machine)?;
            options(&mut made, kind, rest.by_ref())?;
            let (set, made) = (set.text.clone(), Box::new(made));
            change(match *name {
                "add" => IpSetWhat::Add(set, made),
                _ => IpSetWhat::Delete(set, made),
            })
        }
        "flush" | "destroy" => {
            let set = rest.next();
            if let Some(set) = set {
                there(set, machine)?;
            }
            let set = set.map(|set| set.text.clone());
            if *name == "flush" {
                change(IpSetWhat::Flush(set))
            } else {
                match &set {
                    Some(set) => {
                        machine.sets.remove(set);
                    }
                    None => machine.sets.clear(),
                }
                change(IpSetWhat::Destroy(set))
            }
        }
        "rename" => {
            let (from, to) = (named("which set?")?, named("to which name?")?);
            let known = there(from, machine)?;
            name_fits(to)?;
            if machine.sets.contains_key(&to.text) {
                return Err(wrong(to, format!("there is a set `{}`", to.text)));
            }
            machine.sets.remove(&from.text);
            machine.sets.insert(to.text.clone(), known);
            change(IpSetWhat::Rename(from.text.clone(), to.text.clone()))
        }
        _ => {
            let (a, b) = (named("which set?")?, named("with which set?")?);
            let (of_a, of_b) = (there(a, machine)?, there(b, machine)?);
            machine.sets.insert(a.text.clone(), of_b);
            machine.sets.insert(b.text.clone(), of_a);
            change(IpSetWhat::Swap(a.text.clone(), b.text.clone()))
        }
    };
    match rest.next() {
        Some(word) => Err(wrong(
            word,
            format!("`{}` is not understood here", word.text),
        )),
        None => result,
    }
}

fn there(name: &Word, machine: &Machine) -> Result<(String, u8), Wrong> {
    let known = machine.sets.get(&name.text).cloned();
    known.ok_or_else(|| {
        let near = near::near(&name.text, machine.sets.keys().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        wrong(name, format!("there is no set `{}`{hint}", name.text))
    })
}

fn of_set(name: &Word, machine: &Machine) -> Result<(&'static Kind, u8), Wrong> {
    let (kind, family) = there(name, machine)?;
    let known = kind::find(&kind)
        .ok_or_else(|| wrong(name, format!("sets of type {kind} are not understood")))?;
    Ok((known, family))
}

fn name_fits(name: &Word) -> Result<(), Wrong> {
    if name.text.len() > LONGEST_NAME {
        return Err(wrong(name, "a set's name has at most 31 bytes"));
    }
    Ok(())
}

fn create<'w>(
    name: &Word,
    type_name: &Word,
    mut rest: impl Iterator<Item = &'w Word>,
) -> Result<IpSet, Wrong> {
    name_fits(name)?;
    let kind = kind::find(&type_name.text).ok_or_else(|| {
        let near = near::near(&type_name.text, kind::KINDS.iter().map(|kind| kind.name));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        wrong(
            type_name,
            format!("there is no type `{}`{hint}", type_name.text),
        )
    })?;
    let ip_map = kind.is_bitmap() && kind.parts.first() == Some(&Part::Ip);
    let mut set = IpSet {
        name: name.text.clone(),
        kind: kind.name.to_owned(),
        family: if kind.with_family || ip_map { IPV4 } else { 0 },
        ..IpSet::default()
    };
    let mut range = None;
    while let Some(word) = rest.next() {
        let made = &mut set.options;
        let flag = match &*word.text {
            "counters" => ipset_with::COUNTERS,
            "comment" => ipset_with::COMMENT,
            "skbinfo" => ipset_with::SKBINFO,
            "forceadd" => ipset_with::FORCEADD,
            _ => 0,
        };
        if flag != 0 {
            made.with |= flag;
            continue;
        }
        let value = rest
            .next()
            .ok_or_else(|| wrong(word, format!("{} needs a value", word.text)))?;
        let fits = match &*word.text {
            "family" => kind.with_family,
            "range" => kind.is_bitmap(),
            "hashsize" | "maxelem" | "bucketsize" | "initval" => kind.is_hash(),
            "netmask" | "bitmask" => kind.with_family || ip_map,
            "markmask" => kind.parts.contains(&Part::Mark),
            "size" => kind.parts.contains(&Part::Set),
            _ => true,
        };
        if !fits {
            let message = format!("sets of type {} have no {}", kind.name, word.text);
            return Err(wrong(word, message));
        }
        match &*word.text {
            "family" => {
                set.family = match &*value.text {
                    "inet" | "ipv4" | "4" => IPV4,
                    "inet6" | "ipv6" | "6" => IPV6,
                    _ => return Err(wrong(value, "inet or inet6")),
                }
            }
            "range" => range = Some(value),
            "timeout" => made.timeout = Some(number(value, u32::MAX / 1000)?),
            "hashsize" => made.hash_size = Some(number(value, u32::MAX)?),
            "maxelem" => made.max_elements = Some(number(value, u32::MAX)?),
            "bucketsize" => made.bucket_size = Some(small(value)?),
            "initval" => made.start = Some(number(value, u32::MAX)?),
            "size" => made.size = Some(number(value, u32::MAX)?),
            "markmask" => set.markmask = Some(number(value, u32::MAX)?),
            "netmask" => set.netmask = Some(small(value)?),
            "bitmask" => made.bitmask = Some(ip(value, &value.text)?),
            // Of older versions, without a meaning now.
            "probes" | "resize" | "gc" => {}
            _ => {
                return Err(wrong(
                    word,
                    format!("`{}` is not understood here", word.text),
                ));
            }
        }
    }
    match (kind.is_bitmap(), range) {
        (true, None) => return Err(wrong(type_name, "a bitmap needs a range")),
        (true, Some(word)) if ip_map => set.options.range = Some(span_of(word, &word.text)?),
        (true, Some(word)) => {
            let (from, to) = word
                .text
                .split_once('-')
                .unwrap_or((&word.text, &word.text));
            let port = |text: &str| text.parse::<u16>().map_err(|_| wrong(word, "two ports"));
            set.options.ports = Some((port(from)?, port(to)?));
        }
        _ => {}
    }
    // What ipset itself sends when nothing is said.
    let made: &mut IpSetOptions = &mut set.options;
    if kind.parts.contains(&Part::Set) {
        made.size.get_or_insert(8);
    }
    Ok(set)
}

fn digits(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn number(word: &Word, most: u32) -> Result<u32, Wrong> {
    digits(&word.text)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number <= most)
        .ok_or_else(|| wrong(word, format!("a number from 0 to {most}")))
}

fn small(word: &Word) -> Result<u8, Wrong> {
    let text = word.text.trim_start_matches('/');
    text.parse()
        .map_err(|_| wrong(word, "a number from 0 to 255"))
}

fn ip(word: &Word, text: &str) -> Result<IpAddr, Wrong> {
    text.parse()
        .map_err(|_| wrong(word, format!("`{text}` is no address")))
}

/// First and last address of `a-b` or `a/bits`.
fn span_of(word: &Word, text: &str) -> Result<(IpAddr, IpAddr), Wrong> {
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
fn element(word: &Word, kind: &Kind, family: u8, machine: &Machine) -> Result<IpSetElement, Wrong> {
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
fn options<'w>(
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
