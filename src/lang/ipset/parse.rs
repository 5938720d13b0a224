//! Texts as `ipset restore` takes them, and single commands (`ipset add NAME ...`).
//!
//! What an element is made of depends on its set: those that are there come in, those that the text makes are
//! noted. Mistakes say where they stand, and so do names of sets that cannot be there.

mod element;

use self::element::{element, ip, number, options, small, span_of};
use super::kind::{self, Kind, Part};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::words::{self, Word};
use crate::lang::near;
use crate::model::ipset::{IPV4, IPV6, IpSet, IpSetChange, IpSetOptions, IpSetWhat, ipset_with};
use std::collections::{BTreeMap, HashMap};

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
