//! Single rules put into and taken out of the bytes of a table, however large the rest of it is.
//!
//! Decoding a table of a cluster and encoding it again takes longer than the kernel does with it. Here one pass over
//! the entries notes where chains and jumps are; an edit moves what follows, and the jumps that lead there. Pure and
//! total. Tables that are laid out in another way than iptables and the kernel do are refused, not guessed at.

use super::blob::{
    self, Blob, BlobError, EXTENSION_HEADER, NAME_LEN, VERDICT, hook_names, host16, host32,
};
use super::layout::{self, Layout};
use crate::model::text::{name_from_bytes, to_bytes};
use crate::model::xtables::rule::{
    LegacyChain, LegacyPolicy, LegacyRule, LegacyTarget, LegacyVerdict,
};
use crate::model::{Family, Name};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where its first rule begins, or its policy when it has no rule. bytes
    pub first: usize,
    /// Where its policy begins, which in a user chain is the return at its end. bytes
    pub last: usize,
    /// The number of its first entry in the table, from 0.
    pub number: usize,
    /// Of a built-in chain.
    pub hook: Option<u32>,
}

/// A user chain.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// Where its name is. bytes
    name: usize,
    place: Place,
}

/// Where chains and jumps are in the bytes of a table.
#[derive(Debug)]
pub struct Index {
    family: Family,
    layout: Layout,
    hooks: Vec<(&'static str, Place)>,
    /// In the order of the table.
    heads: Vec<Head>,
    /// Where verdicts are that lead to a place in the table. bytes
    jumps: Vec<usize>,
}

/// One entry's borders: where it begins, its target, and the end.
fn borders(layout: &Layout, bytes: &[u8], at: usize) -> Result<(usize, usize), BlobError> {
    let short = || BlobError::Short(at);
    let target = usize::from(host16(bytes, at + layout.offsets).ok_or_else(short)?);
    let next = usize::from(host16(bytes, at + layout.offsets + 2).ok_or_else(short)?);
    if target < layout.size || target + EXTENSION_HEADER > next {
        return Err(BlobError::Offset(at + layout.offsets));
    }
    if at + next > bytes.len() {
        return Err(short());
    }
    Ok((at + target, at + next))
}

impl Index {
    /// # Errors
    /// Where the bytes are no table, or one that is laid out in an unusual way.
    pub fn of(family: Family, table: &Blob) -> Result<Index, BlobError> {
        let layout = layout::layout(family).ok_or(BlobError::Family)?;
        let (bytes, info) = (&**table.bytes, &table.info);
        let mut index = Index {
            family,
            layout,
            hooks: Vec::new(),
            heads: Vec::new(),
            jumps: Vec::new(),
        };
        for (hook, name) in (0u32..).zip(hook_names(family)) {
            let (first, last) = (
                info.hook_entry.get(hook as usize),
                info.underflow.get(hook as usize),
            );
            if info.valid_hooks & 1 << hook != 0
                && let (Some(&first), Some(&last)) = (first, last)
            {
                let place = Place {
                    first: first as usize,
                    last: last as usize,
                    number: usize::MAX,
                    hook: Some(hook),
                };
                index.hooks.push((*name, place));
            }
        }
        index.hooks.sort_by_key(|(_, place)| place.first);
        let (mut at, mut before, mut number) = (0, 0, 0);
        while at < bytes.len() {
            let (target, next) = borders(&layout, bytes, at)?;
            for (_, place) in &mut index.hooks {
                if place.first == at {
                    place.number = number;
                }
            }
            let name = bytes.get(target + 2..target + 2 + NAME_LEN);
            let name = name.ok_or(BlobError::Short(at))?;
            number += 1;
            if name.starts_with(&[0]) {
                let place = target + EXTENSION_HEADER;
                if host32(bytes, place).ok_or(BlobError::Short(at))? >= 0 {
                    index.jumps.push(place);
                }
            } else if name.starts_with(b"ERROR\0") {
                if let Some(head) = index.heads.last_mut() {
                    head.place.last = before;
                }
                index.heads.push(Head {
                    name: target + EXTENSION_HEADER,
                    place: Place {
                        first: next,
                        last: next,
                        number,
                        hook: None,
                    },
                });
            }
            (before, at) = (at, next);
        }
        if number != info.num_entries as usize {
            return Err(BlobError::Short(bytes.len()));
        }
        index.usual(bytes)?;
        Ok(index)
    }

    /// Built-in chains one after the other, each until its policy, then user chains, then the entry that ends it all.
    fn usual(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let end = self.heads.pop().map(|head| head.place.first);
        if end != Some(bytes.len()) {
            return Err(BlobError::Short(bytes.len()));
        }
        let mut expected = 0;
        for (_, place) in &self.hooks {
            if place.first != expected || place.number == usize::MAX || place.last < place.first {
                return Err(BlobError::Offset(place.first));
            }
            expected = borders(&self.layout, bytes, place.last)?.1;
        }
        for head in &self.heads {
            // Whoever goes to a chain comes in behind the entry with its name, and leaves at its return.
            if head.name < expected || head.place.last < head.place.first {
                return Err(BlobError::Offset(head.name));
            }
        }
        Ok(())
    }

    /// All chains, in the order of the table.
    pub fn chains(&self, table: &Blob) -> Vec<(Name, Place)> {
        let hooks = self.hooks.iter();
        let hooks = hooks.map(|(name, place)| (Name::from(*name), *place));
        let user = self.heads.iter().map(|head| {
            let name = named(&table.bytes, head).unwrap_or_default();
            (name_from_bytes(name), head.place)
        });
        hooks.chain(user).collect()
    }

    /// The chain of this name.
    pub fn chain(&self, table: &Blob, name: &str) -> Option<Place> {
        let built_in = self.hooks.iter().find(|(known, _)| *known == name);
        let wanted = to_bytes(name);
        let user = || {
            self.heads
                .iter()
                .find(|head| named(&table.bytes, head).is_some_and(|name| *name == *wanted))
        };
        match built_in {
            Some((_, place)) => Some(*place),
            None => user().map(|head| head.place),
        }
    }

    /// Where the rules of a chain begin, and its policy after them.
    pub fn rules(&self, table: &Blob, chain: Place) -> Result<Vec<usize>, BlobError> {
        let mut places = Vec::new();
        let mut at = chain.first;
        while at < chain.last {
            places.push(at);
            at = borders(&self.layout, &table.bytes, at)?.1;
        }
        match at == chain.last {
            true => Ok(places),
            false => Err(BlobError::Offset(chain.last)),
        }
    }

    /// The rule at a place.
    pub fn rule(&self, table: &Blob, at: usize) -> Result<LegacyRule, BlobError> {
        let one = blob::entry(self.family, &self.layout, &table.bytes, at)?;
        blob::rule(&one, at, |to| self.name_at(&table.bytes, to))
    }

    /// What becomes of packets at the end of a built-in chain; nothing for a user chain, which they leave there.
    pub fn policy(&self, table: &Blob, chain: Place) -> Result<Option<LegacyPolicy>, BlobError> {
        let last = self.rule(table, chain.last)?;
        match (chain.hook, last.target) {
            (Some(hook), LegacyTarget::Verdict(verdict)) => Ok(Some(LegacyPolicy {
                hook,
                verdict,
                counters: last.counters,
            })),
            (None, LegacyTarget::Verdict(LegacyVerdict::Return)) => Ok(None),
            _ => Err(BlobError::Offset(chain.last)),
        }
    }

    /// A chain as it is, not decoded yet.
    pub fn copy(&self, table: &Blob, name: &str, chain: Place) -> Result<ChainBytes, BlobError> {
        let bytes = &**table.bytes;
        let own = bytes.get(chain.first..chain.last);
        let own = own.ok_or(BlobError::Offset(chain.first))?;
        let from = self.jumps.partition_point(|place| *place < chain.first);
        let mut leads = BTreeMap::new();
        for place in self.jumps.get(from..).unwrap_or_default() {
            if *place >= chain.last {
                break;
            }
            let to = host32(bytes, *place).and_then(|to| usize::try_from(to).ok());
            // One that leads nowhere is found out when the rule is read.
            if let Some(to) = to
                && let Some(name) = self.name_at(bytes, to)
            {
                leads.insert(to, name);
            }
        }
        Ok(ChainBytes {
            family: self.family,
            name: Name::from(name),
            policy: self.policy(table, chain)?,
            first: chain.first,
            bytes: own.to_vec().into(),
            leads,
        })
    }

    /// The user chain whose rules begin at a place.
    fn name_at(&self, bytes: &[u8], first: usize) -> Option<Name> {
        let known = self
            .heads
            .binary_search_by_key(&first, |head| head.place.first);
        let head = self.heads.get(known.ok()?)?;
        named(bytes, head).map(name_from_bytes)
    }

    /// Take the rule at `at` out where `instead` says so, and put `new` there, where there is one. What is known here
    /// is no longer true of the table then.
    pub fn splice(
        self,
        table: &mut Blob,
        at: usize,
        instead: bool,
        new: Option<&LegacyRule>,
    ) -> Result<(), BlobError> {
        let bytes = &**table.bytes;
        let end = match instead {
            true => borders(&self.layout, bytes, at)?.1,
            false if at < bytes.len() => at,
            false => return Err(BlobError::Offset(at)),
        };
        let mut made = new.map_or(Ok(Vec::new()), |new| blob::encode_rule(self.family, new))?;
        let size = (bytes.len() + made.len()).checked_sub(end - at);
        let size = size.ok_or(BlobError::Offset(at))?;
        u32::try_from(size).map_err(|_| BlobError::Size)?;
        // What is there already keeps its place: it is led to as before, and comes to what is new first.
        let moved = |place: usize| match place > at {
            true => (place + made.len()).saturating_sub(end - at),
            false => place,
        };
        let to = match new.map(|new| &new.target) {
            Some(LegacyTarget::Nothing) => Some(at + made.len()),
            Some(LegacyTarget::Jump(chain) | LegacyTarget::Goto(chain)) => {
                let missing = || BlobError::NoChain(chain.to_string());
                let place = self.chain(table, chain).ok_or_else(missing)?;
                // Rules cannot lead to a built-in chain.
                if place.hook.is_some() {
                    return Err(missing());
                }
                Some(moved(place.first))
            }
            _ => None,
        };
        let mut leads = Vec::new();
        for place in self.jumps.iter().filter(|place| !(at..end).contains(place)) {
            let to = host32(bytes, *place).and_then(|to| usize::try_from(to).ok());
            let to = to.ok_or(BlobError::Offset(*place))?;
            if moved(to) != to {
                leads.push((*place, moved(to)));
            }
        }
        let number = |place: usize| u32::try_from(place).map_err(|_| BlobError::Size);
        let mut info = table.info.clone();
        for (_, place) in &self.hooks {
            let hook = place.hook.unwrap_or_default() as usize;
            if let Some(first) = info.hook_entry.get_mut(hook) {
                *first = number(moved(place.first))?;
            }
            // The policy, on the other hand, makes way for a rule in front of it.
            let pushed = if place.last == at { made.len() } else { 0 };
            if let Some(last) = info.underflow.get_mut(hook) {
                *last = number(moved(place.last) + pushed)?;
            }
        }
        info.size = number(size)?;
        info.num_entries += u32::from(new.is_some());
        info.num_entries -= u32::from(instead);
        if let Some(to) = to {
            let place = made.len().checked_sub(VERDICT);
            let place = place.and_then(|place| made.get_mut(place..place + 4));
            if let Some(place) = place {
                place.copy_from_slice(&number(to)?.to_ne_bytes());
            }
        }
        let entries = Arc::make_mut(&mut table.bytes);
        for (place, to) in leads {
            entries.put(place, &number(to)?.to_ne_bytes());
        }
        entries.replace(at, end, &made);
        table.info = info;
        Ok(())
    }
}

/// The rules of one chain, as they were in the bytes of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainBytes {
    family: Family,
    name: Name,
    policy: Option<LegacyPolicy>,
    /// Where they were in the table.
    first: usize,
    bytes: ByteBuf,
    /// The chains that rules lead to, by where they were.
    leads: BTreeMap<usize, Name>,
}

impl ChainBytes {
    pub fn decode(&self) -> Result<LegacyChain, BlobError> {
        let layout = layout::layout(self.family).ok_or(BlobError::Family)?;
        let mut rules = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            let one = blob::entry(self.family, &layout, &self.bytes, at)?;
            let lead = |to| self.leads.get(&to).cloned();
            rules.push(blob::rule(&one, self.first.saturating_add(at), lead)?);
            at += one.bytes.len();
        }
        Ok(LegacyChain {
            name: self.name.clone(),
            policy: self.policy.clone(),
            rules,
        })
    }

    pub fn name(&self) -> &Name {
        &self.name
    }
}

/// The name of a user chain.
fn named<'b>(bytes: &'b [u8], head: &Head) -> Option<&'b [u8]> {
    let name = bytes.get(head.name..head.name + NAME_LEN + 1)?;
    name.split(|byte| *byte == 0).next()
}

#[cfg(test)]
mod tests;
