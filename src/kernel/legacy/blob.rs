//! The bytes of a legacy table (`IPT_SO_GET_ENTRIES`, `IPT_SO_SET_REPLACE`) to plain rules and back.
//!
//! Pure and total: wrong offsets and cut bytes give an error. The kernel's table is a list of entries; jumps are
//! offsets into it, a user chain begins with an `ERROR` entry that names it, and the last rule of a chain is its policy.

pub use super::entries::{Blob, Entries, Info};
use super::layout::{self, Layout, decode_header, encode_header};
use crate::kernel::xtables::padded;
use crate::model::expression::{Counter, Xtables};
use crate::model::text::{name_from_bytes, to_bytes};
use crate::model::xtables::rule::{
    Header, LegacyChain, LegacyPolicy, LegacyRule, LegacyTable, LegacyTarget, LegacyVerdict,
};
use crate::model::{Family, Name};
use std::collections::HashMap;
use std::sync::Arc;

/// `NF_INET_NUMHOOKS`; arp has fewer, bridges have as many and `brouting`.
pub const HOOKS: usize = 5;

/// `struct xt_entry_match`, `struct xt_entry_target` without data.
pub(super) const EXTENSION_HEADER: usize = 32;
/// The data of `struct xt_standard_target`: the verdict and padding.
pub(super) const VERDICT: usize = 8;
/// `XT_EXTENSION_MAXNAMELEN`
pub(super) const NAME_LEN: usize = 29;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    #[error("no legacy tables in this family")]
    Family,
    #[error("cut short at byte {0}")]
    Short(usize),
    #[error("a wrong offset at byte {0}")]
    Offset(usize),
    #[error("a jump at byte {at} to byte {to}, where no chain begins")]
    Jump { at: usize, to: usize },
    #[error("chain '{0}' does not exist")]
    NoChain(String),
    #[error("'{0}' is too long for a name")]
    Name(String),
    #[error("a table of more than 4 GiB")]
    Size,
}

/// The names of built-in chains by hook number.
pub fn hook_names(family: Family) -> &'static [&'static str] {
    match family {
        Family::Arp => &["INPUT", "OUTPUT", "FORWARD"],
        _ => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    }
}

pub(super) fn host16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn host32(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(i32::from_ne_bytes)
}

fn host64(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    bytes.try_into().ok().map(u64::from_ne_bytes)
}

/// One entry, taken apart; jumps are still offsets.
pub(super) struct Entry<'b> {
    header: Header,
    matches: Vec<Xtables>,
    target: Xtables,
    /// Of a standard target.
    verdict: Option<i32>,
    counters: Counter,
    pub(super) bytes: &'b [u8],
}

impl Entry<'_> {
    /// The name that an `ERROR` entry carries.
    fn error_name(&self) -> Option<Name> {
        (&*self.target.name == "ERROR").then(|| name_from_bytes(&self.target.info))
    }
}

/// A match or target: its name, revision, data, and its length with the header.
fn extension(bytes: &[u8], at: usize) -> Result<(Xtables, usize), BlobError> {
    let size = usize::from(host16(bytes, at).ok_or(BlobError::Short(at))?);
    let whole = bytes
        .get(at..at + size)
        .filter(|_| size >= EXTENSION_HEADER)
        .ok_or(BlobError::Offset(at))?;
    let (name, revision) = (whole.get(2..2 + NAME_LEN), whole.get(2 + NAME_LEN));
    let extension = Xtables {
        name: name_from_bytes(name.unwrap_or_default()),
        revision: u32::from(revision.copied().unwrap_or(0)),
        info: whole.get(EXTENSION_HEADER..).unwrap_or_default().to_vec(),
    };
    Ok((extension, size))
}

pub(super) fn entry<'b>(
    family: Family,
    layout: &Layout,
    blob: &'b [u8],
    start: usize,
) -> Result<Entry<'b>, BlobError> {
    let short = || BlobError::Short(start);
    let rest = blob.get(start..).ok_or_else(short)?;
    let target_offset = usize::from(host16(rest, layout.offsets).ok_or_else(short)?);
    let next_offset = usize::from(host16(rest, layout.offsets + 2).ok_or_else(short)?);
    let bytes = rest.get(..next_offset).ok_or_else(short)?;
    if target_offset < layout.size || target_offset + EXTENSION_HEADER > next_offset {
        return Err(BlobError::Offset(start + layout.offsets));
    }
    let mut matches = Vec::new();
    let mut at = layout.size;
    while at < target_offset {
        let (one, size) = extension(bytes, at).map_err(|_| BlobError::Offset(start + at))?;
        matches.push(one);
        at += size;
    }
    if at != target_offset {
        return Err(BlobError::Offset(start + at));
    }
    let (target, size) = extension(bytes, at).map_err(|_| BlobError::Offset(start + at))?;
    if at + size != next_offset {
        return Err(BlobError::Offset(start + at));
    }
    let verdict = if target.name.is_empty() {
        Some(host32(&target.info, 0).ok_or(BlobError::Short(start + at))?)
    } else {
        None
    };
    Ok(Entry {
        header: decode_header(family, bytes).ok_or_else(short)?,
        matches,
        target,
        verdict,
        counters: Counter {
            packets: host64(bytes, layout.counters).ok_or_else(short)?,
            bytes: host64(bytes, layout.counters + 8).ok_or_else(short)?,
        },
        bytes,
    })
}

/// `-NF_ACCEPT - 1` and the rest.
fn verdict(number: i32) -> LegacyVerdict {
    match number {
        -1 => LegacyVerdict::Drop,
        -2 => LegacyVerdict::Accept,
        -4 => LegacyVerdict::Queue,
        -5 => LegacyVerdict::Return,
        other => LegacyVerdict::Unknown(other),
    }
}

/// The number of a verdict in a standard target.
fn verdict_number(verdict: LegacyVerdict) -> i32 {
    match verdict {
        LegacyVerdict::Drop => -1,
        LegacyVerdict::Accept => -2,
        LegacyVerdict::Queue => -4,
        LegacyVerdict::Return | LegacyVerdict::Continue => -5,
        LegacyVerdict::Unknown(number) => number,
    }
}

fn goes(header: &Header) -> bool {
    match header {
        Header::Ip(h) => h.flags & 2 != 0,
        Header::Ip6(h) => h.flags & 4 != 0,
        Header::Arp(_) | Header::Bridge(_) => false,
    }
}

/// The rules of a table from the bytes of `IPT_SO_GET_ENTRIES`.
pub fn decode(
    family: Family,
    name: &str,
    info: &Info,
    blob: &[u8],
) -> Result<LegacyTable, BlobError> {
    let layout = layout::layout(family).ok_or(BlobError::Family)?;
    let mut starts = Vec::new();
    let mut entries = Vec::new();
    let mut at = 0;
    while at < blob.len() {
        let one = entry(family, &layout, blob, at)?;
        starts.push(at);
        at += one.bytes.len();
        entries.push(one);
    }
    if entries.len() != info.num_entries as usize {
        return Err(BlobError::Short(blob.len()));
    }
    let is_start = |offset: u32| starts.binary_search(&(offset as usize)).is_ok();
    // Where chains begin: built-in ones at a hook, user chains after an entry that names them.
    let mut heads: Vec<(usize, Name, Option<u32>)> = Vec::new();
    for (hook, chain) in hook_names(family).iter().enumerate() {
        if info.valid_hooks & 1 << hook == 0 {
            continue;
        }
        let (Some(&first), Some(&last)) = (info.hook_entry.get(hook), info.underflow.get(hook))
        else {
            continue;
        };
        if !is_start(first) || !is_start(last) || last < first {
            return Err(BlobError::Offset(first as usize));
        }
        heads.push((first as usize, Name::from(*chain), Some(hook as u32)));
    }
    let mut user: HashMap<usize, Name> = HashMap::new();
    for (index, one) in entries.iter().enumerate() {
        if let (Some(chain), Some(&first)) = (one.error_name(), starts.get(index + 1)) {
            user.insert(first, chain.clone());
            heads.push((first, chain, None));
        }
    }
    heads.sort_by_key(|(start, ..)| *start);
    let ends: Vec<usize> = heads.iter().skip(1).map(|(start, ..)| *start).collect();
    let mut chains = Vec::new();
    for (index, (start, chain, hook)) in heads.into_iter().enumerate() {
        let end = ends.get(index).copied().unwrap_or(blob.len());
        let from = starts.partition_point(|&at| at < start);
        let to = starts.partition_point(|&at| at < end);
        let mut rules = Vec::new();
        for index in from..to {
            let (Some(one), Some(&at)) = (entries.get(index), starts.get(index)) else {
                continue;
            };
            // The entry that names the next chain belongs to that one.
            if one.error_name().is_none() {
                rules.push(rule(one, at, |to| user.get(&to).cloned())?);
            }
        }
        // The last rule of a chain is its policy; for user chains that is RETURN.
        let last = rules.pop();
        let policy = match (hook, last) {
            (Some(hook), Some(last)) => {
                let LegacyTarget::Verdict(verdict) = last.target else {
                    return Err(BlobError::Offset(start));
                };
                Some(LegacyPolicy {
                    hook,
                    verdict,
                    counters: last.counters,
                })
            }
            (Some(_), None) => return Err(BlobError::Offset(start)),
            (None, _) => None,
        };
        chains.push(LegacyChain {
            name: chain,
            policy,
            rules,
        });
    }
    Ok(LegacyTable {
        family,
        name: Name::from(name),
        chains,
    })
}

/// A rule at a place, where `user` knows the user chain that begins at another.
pub(super) fn rule(
    one: &Entry<'_>,
    at: usize,
    user: impl Fn(usize) -> Option<Name>,
) -> Result<LegacyRule, BlobError> {
    let target = match one.verdict {
        None => LegacyTarget::Extension(one.target.clone()),
        Some(number) => match usize::try_from(number) {
            Err(_) => LegacyTarget::Verdict(verdict(number)),
            Ok(to) if to == at + one.bytes.len() => LegacyTarget::Nothing,
            Ok(to) => {
                let chain = user(to).ok_or(BlobError::Jump { at, to })?;
                if goes(&one.header) {
                    LegacyTarget::Goto(chain)
                } else {
                    LegacyTarget::Jump(chain)
                }
            }
        },
    };
    Ok(LegacyRule {
        header: one.header.clone(),
        matches: one.matches.clone(),
        watchers: Vec::new(),
        target,
        counters: one.counters,
    })
}

/// What `IPT_SO_SET_REPLACE` takes: the entries, where chains are, and the counters of every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    pub info: Info,
    pub blob: Vec<u8>,
    pub counters: Vec<Counter>,
}

impl Encoded {
    pub fn into_blob(self) -> Blob {
        Blob {
            info: self.info,
            bytes: Arc::new(self.blob.into()),
        }
    }
}

/// The bytes of a table: built-in chains by hook, then user chains, then the entry that ends it.
pub fn encode(table: &LegacyTable) -> Result<Encoded, BlobError> {
    let layout = layout::layout(table.family).ok_or(BlobError::Family)?;
    let mut encoder = Encoder {
        layout,
        family: table.family,
        out: Encoded::default(),
        jumps: Vec::new(),
        firsts: HashMap::new(),
    };
    let mut built_in: Vec<(&LegacyChain, &LegacyPolicy)> = table
        .chains
        .iter()
        .filter_map(|chain| Some((chain, chain.policy.as_ref()?)))
        .collect();
    built_in.sort_by_key(|(_, policy)| policy.hook);
    for (chain, policy) in built_in {
        let hook = policy.hook as usize;
        let start = encoder.offset()?;
        for rule in &chain.rules {
            encoder.rule(rule)?;
        }
        let end = encoder.offset()?;
        let (Some(first), Some(last)) = (
            encoder.out.info.hook_entry.get_mut(hook),
            encoder.out.info.underflow.get_mut(hook),
        ) else {
            return Err(BlobError::Family);
        };
        (*first, *last) = (start, end);
        encoder.out.info.valid_hooks |= 1 << hook;
        encoder.verdict(policy.verdict, policy.counters)?;
    }
    for chain in table.chains.iter().filter(|chain| chain.policy.is_none()) {
        encoder.error(&chain.name)?;
        let first = encoder.offset()?;
        encoder.firsts.insert(chain.name.clone(), first);
        for rule in &chain.rules {
            encoder.rule(rule)?;
        }
        encoder.verdict(LegacyVerdict::Return, Counter::default())?;
    }
    encoder.error("ERROR")?;
    encoder.finish()
}

/// The bytes of one rule by itself. Those of a rule that goes on or to a chain end with the verdict, which is to be
/// filled in, and padding: [`VERDICT`] bytes.
pub(super) fn encode_rule(family: Family, rule: &LegacyRule) -> Result<Vec<u8>, BlobError> {
    let mut encoder = Encoder {
        layout: layout::layout(family).ok_or(BlobError::Family)?,
        family,
        out: Encoded::default(),
        jumps: Vec::new(),
        firsts: HashMap::new(),
    };
    encoder.rule(rule)?;
    Ok(encoder.out.blob)
}

struct Encoder {
    layout: Layout,
    family: Family,
    out: Encoded,
    /// Where the verdict of a jump stands, and to which chain it goes.
    jumps: Vec<(usize, Name)>,
    firsts: HashMap<Name, u32>,
}

impl Encoder {
    fn offset(&self) -> Result<u32, BlobError> {
        u32::try_from(self.out.blob.len()).map_err(|_| BlobError::Size)
    }

    fn empty_header(&self) -> Header {
        use crate::model::xtables::rule::*;
        match self.family {
            Family::Ip6 => Header::Ip6(Ip6Header::default()),
            Family::Arp => Header::Arp(Box::default()),
            _ => Header::Ip(IpHeader::default()),
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        matches: &[Xtables],
        target: &Xtables,
        counters: Counter,
    ) -> Result<usize, BlobError> {
        let start = self.out.blob.len();
        let mut bytes = encode_header(header);
        bytes.resize(self.layout.size, 0);
        for one in matches {
            put_extension(&mut bytes, one)?;
        }
        let target_offset = bytes.len();
        put_extension(&mut bytes, target)?;
        for (at, offset) in [(0, target_offset), (2, bytes.len())] {
            let offset = u16::try_from(offset).map_err(|_| BlobError::Size)?;
            if let Some(place) =
                bytes.get_mut(self.layout.offsets + at..self.layout.offsets + at + 2)
            {
                place.copy_from_slice(&offset.to_ne_bytes());
            }
        }
        self.out.blob.extend(bytes);
        self.out.counters.push(counters);
        self.out.info.num_entries += 1;
        Ok(start + target_offset + EXTENSION_HEADER)
    }

    fn verdict(&mut self, verdict: LegacyVerdict, counters: Counter) -> Result<(), BlobError> {
        let header = self.empty_header();
        let target = standard(verdict_number(verdict));
        self.entry(&header, &[], &target, counters).map(drop)
    }

    /// The entry that begins a user chain, or ends the table.
    fn error(&mut self, name: &str) -> Result<(), BlobError> {
        let mut info = to_bytes(name);
        if info.len() >= NAME_LEN {
            return Err(BlobError::Name(name.to_owned()));
        }
        // `struct xt_error_target`: XT_FUNCTION_MAXNAMELEN
        info.resize(padded(30), 0);
        let target = Xtables {
            name: Name::from("ERROR"),
            revision: 0,
            info,
        };
        let header = self.empty_header();
        self.entry(&header, &[], &target, Counter::default())
            .map(drop)
    }

    fn rule(&mut self, rule: &LegacyRule) -> Result<(), BlobError> {
        let (target, chain) = match &rule.target {
            LegacyTarget::Extension(target) => (target.clone(), None),
            LegacyTarget::Verdict(verdict) => (standard(verdict_number(*verdict)), None),
            LegacyTarget::Nothing => (standard(0), None),
            LegacyTarget::Jump(chain) | LegacyTarget::Goto(chain) => {
                (standard(0), Some(chain.clone()))
            }
        };
        let place = self.entry(&rule.header, &rule.matches, &target, rule.counters)?;
        match (&rule.target, chain) {
            (_, Some(chain)) => self.jumps.push((place, chain)),
            (LegacyTarget::Nothing, None) => {
                let next = self.offset()?;
                self.put(place, next);
            }
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, place: usize, number: u32) {
        if let Some(bytes) = self.out.blob.get_mut(place..place + 4) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
    }

    fn finish(mut self) -> Result<Encoded, BlobError> {
        for (place, chain) in std::mem::take(&mut self.jumps) {
            let to = *self
                .firsts
                .get(&chain)
                .ok_or_else(|| BlobError::NoChain(chain.to_string()))?;
            self.put(place, to);
        }
        self.out.info.size = self.offset()?;
        Ok(self.out)
    }
}

/// `struct xt_standard_target`: the verdict and padding.
fn standard(verdict: i32) -> Xtables {
    let mut info = verdict.to_ne_bytes().to_vec();
    info.resize(VERDICT, 0);
    Xtables {
        name: Name::from(""),
        revision: 0,
        info,
    }
}

/// A rule as the kernel tells it when it was given this one: what its matches and its target hold is padded.
pub fn as_told(rule: &LegacyRule) -> LegacyRule {
    let mut rule = rule.clone();
    let target = match &mut rule.target {
        LegacyTarget::Extension(target) => Some(target),
        _ => None,
    };
    for one in rule.matches.iter_mut().chain(target) {
        one.info.resize(padded(one.info.len()), 0);
    }
    rule
}

fn put_extension(out: &mut Vec<u8>, extension: &Xtables) -> Result<(), BlobError> {
    let name = to_bytes(&extension.name);
    let size = EXTENSION_HEADER + padded(extension.info.len());
    let (Ok(size16), Ok(revision)) = (u16::try_from(size), u8::try_from(extension.revision)) else {
        return Err(BlobError::Size);
    };
    if name.len() >= NAME_LEN {
        return Err(BlobError::Name(extension.name.to_string()));
    }
    let start = out.len();
    out.extend(size16.to_ne_bytes());
    out.extend(&name);
    out.resize(start + 2 + NAME_LEN, 0);
    out.push(revision);
    out.extend(&extension.info);
    out.resize(start + size, 0);
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
