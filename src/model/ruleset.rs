//! Tables, chains, rules, flowtables: the nf_tables ruleset of one network namespace at one generation.
//!
//! Parts are behind `Arc`: a new picture shares everything that did not change with the old one.

use super::family::Family;
use super::object::Object;
use super::set::Set;
use super::text::Name;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Generation id (`NFTA_GEN_ID`) at which everything was read.
    pub generation: u32,
    /// In the kernel's order.
    pub tables: Vec<Arc<Table>>,
    /// Tables of the legacy backends, as they would be here, for showing them; their names end in [`LEGACY`].
    /// Nothing else looks at them.
    #[serde(skip)]
    pub legacy: Vec<Arc<Table>>,
}

/// What the names of [`Ruleset::legacy`] end in.
pub const LEGACY: &str = " (legacy)";

impl Ruleset {
    pub fn table(&self, family: Family, name: &str) -> Option<&Arc<Table>> {
        self.tables
            .iter()
            .find(|table| table.family == family && &*table.name == name)
    }

    /// The tables and the legacy tables: all that can be shown. Their places go on.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.iter().chain(&self.legacy)
    }

    /// A table by its place among those that are [`shown`](Self::shown).
    pub fn at(&self, place: usize) -> Option<&Arc<Table>> {
        let legacy = || self.legacy.get(place.checked_sub(self.tables.len())?);
        self.tables.get(place).or_else(legacy)
    }

    /// A table among those that are [`shown`](Self::shown).
    pub fn find(&self, family: Family, name: &str) -> Option<&Arc<Table>> {
        self.shown()
            .find(|table| table.family == family && &*table.name == name)
    }

    pub fn is_legacy(&self, family: Family, name: &str) -> bool {
        self.table(family, name).is_none() && self.find(family, name).is_some()
    }

    pub fn rule_count(&self) -> usize {
        self.tables
            .iter()
            .flat_map(|table| &table.chains)
            .map(|chain| chain.rules.len())
            .sum()
    }
}

/// `NFT_TABLE_F_*`
pub mod table_flags {
    pub const DORMANT: u32 = 1;
    pub const OWNER: u32 = 2;
    pub const PERSIST: u32 = 4;
}

/// `NFT_CHAIN_*` flags
pub mod chain_flags {
    pub const BASE: u32 = 1;
    pub const HW_OFFLOAD: u32 = 2;
    /// Created for an inline `jump { ... }`.
    pub const BINDING: u32 = 4;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub family: Family,
    pub name: Name,
    pub handle: u64,
    /// See [`table_flags`].
    pub flags: u32,
    /// Netlink port id of the process that owns the table.
    pub owner: Option<u32>,
    pub use_count: u32,
    #[serde(with = "serde_bytes")]
    pub userdata: Vec<u8>,
    pub chains: Vec<Arc<Chain>>,
    pub sets: Vec<Arc<Set>>,
    pub objects: Vec<Arc<Object>>,
    pub flowtables: Vec<Arc<Flowtable>>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Table {
    /// Whether iptables, ip6tables, arptables or ebtables keeps its rules here: their table names and the names of
    /// their built-in chains at hooks. Rules of such a table must stay rules that they can read.
    pub fn is_iptables(&self) -> bool {
        const TABLES: [&str; 6] = ["filter", "nat", "mangle", "raw", "security", "broute"];
        const CHAINS: [&str; 6] = [
            "PREROUTING",
            "INPUT",
            "FORWARD",
            "OUTPUT",
            "POSTROUTING",
            "BROUTING",
        ];
        let family = matches!(
            self.family,
            Family::Ip | Family::Ip6 | Family::Arp | Family::Bridge
        );
        let built_in = |chain: &Arc<Chain>| chain.base.is_some() && CHAINS.contains(&&*chain.name);
        family && TABLES.contains(&&*self.name) && self.chains.iter().any(built_in)
    }

    pub fn chain(&self, name: &str) -> Option<&Arc<Chain>> {
        self.chains.iter().find(|chain| &*chain.name == name)
    }

    pub fn set(&self, name: &str) -> Option<&Arc<Set>> {
        self.sets.iter().find(|set| &*set.name == name)
    }
}

/// What happens to a packet that runs off the end of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Policy {
    Accept,
    Drop,
    Unknown(u32),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseChain {
    /// `filter`, `nat`, `route`
    pub kind: Name,
    /// Hook number; its meaning depends on the family.
    pub hook: u32,
    pub priority: i32,
    pub policy: Option<Policy>,
    /// Devices of netdev chains and inet ingress chains.
    pub devices: Vec<Name>,
    /// How `devices` was sent: one `NFTA_HOOK_DEV`, or a list.
    pub device_list: bool,
    /// Packets and bytes that the policy decided.
    pub counters: Option<super::expression::Counter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    pub name: Name,
    pub handle: u64,
    pub base: Option<BaseChain>,
    /// See [`chain_flags`].
    pub flags: u32,
    pub use_count: u32,
    #[serde(with = "serde_bytes")]
    pub userdata: Vec<u8>,
    pub rules: RuleList,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Chain {
    pub fn is_binding(&self) -> bool {
        self.flags & chain_flags::BINDING != 0
    }

    /// The chain itself: no rules, and not the bytes of its message.
    pub fn clone_without_rules(&self) -> Chain {
        Chain {
            name: self.name.clone(),
            handle: self.handle,
            base: self.base.clone(),
            flags: self.flags,
            use_count: self.use_count,
            userdata: self.userdata.clone(),
            rules: RuleList::default(),
            raw: Vec::new(),
        }
    }
}

/// The rules of one chain as the kernel sent them, decoded on demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleList {
    #[serde(with = "serde_bytes")]
    buffer: Vec<u8>,
    spans: Vec<RuleSpan>,
    /// False while the rules of the chain have not been read yet.
    pub read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct RuleSpan {
    handle: u64,
    end: u32,
}

/// One rule: its handle and its attributes (`NFTA_RULE_*`), byte for byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule<'a> {
    pub handle: u64,
    pub attributes: &'a [u8],
}

impl RuleList {
    pub const EMPTY: RuleList = RuleList {
        buffer: Vec::new(),
        spans: Vec::new(),
        read: true,
    };

    /// Append a rule. Returns false when the list is full (4 GiB).
    pub fn push(&mut self, handle: u64, attributes: &[u8]) -> bool {
        match u32::try_from(self.buffer.len() + attributes.len()) {
            Ok(end) => {
                self.buffer.extend_from_slice(attributes);
                self.spans.push(RuleSpan { handle, end });
                true
            }
            Err(_) => false,
        }
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<Rule<'_>> {
        let span = self.spans.get(index)?;
        let start = match index.checked_sub(1) {
            Some(previous) => self.spans.get(previous)?.end as usize,
            None => 0,
        };
        Some(Rule {
            handle: span.handle,
            attributes: self.buffer.get(start..span.end as usize)?,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Insert a rule so that it stands at `index`. Returns false when there is no such place.
    pub fn insert(&mut self, index: usize, handle: u64, attributes: &[u8]) -> bool {
        let at = match index.checked_sub(1) {
            None => 0,
            Some(previous) => match self.spans.get(previous) {
                Some(span) => span.end as usize,
                None => return false,
            },
        };
        let Ok(len) = u32::try_from(attributes.len()) else {
            return false;
        };
        if u32::try_from(self.buffer.len() + attributes.len()).is_err() {
            return false;
        }
        self.buffer.splice(at..at, attributes.iter().copied());
        for span in self.spans.iter_mut().skip(index) {
            span.end += len;
        }
        let end = at as u32 + len;
        self.spans.insert(index, RuleSpan { handle, end });
        true
    }

    /// Remove the rule at `index`.
    pub fn remove(&mut self, index: usize) -> bool {
        let Some(rule) = self.get(index) else {
            return false;
        };
        let len = rule.attributes.len();
        let end = self.spans.remove(index).end as usize;
        self.buffer.drain(end - len..end);
        for span in self.spans.iter_mut().skip(index) {
            span.end -= len as u32;
        }
        true
    }

    /// The place of the rule with this handle.
    pub fn index_of(&self, handle: u64) -> Option<usize> {
        self.spans.iter().position(|span| span.handle == handle)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Give back memory reserved for growth.
    pub fn shrink(&mut self) {
        self.buffer.shrink_to_fit();
        self.spans.shrink_to_fit();
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flowtable {
    pub name: Name,
    pub handle: u64,
    pub hook: u32,
    pub priority: i32,
    pub devices: Vec<Name>,
    /// `NFT_FLOWTABLE_HW_OFFLOAD`, `NFT_FLOWTABLE_COUNTER`
    pub flags: u32,
    pub use_count: u32,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handles(list: &RuleList) -> Vec<(u64, Vec<u8>)> {
        list.iter()
            .map(|rule| (rule.handle, rule.attributes.to_vec()))
            .collect()
    }

    #[test]
    fn rules_keep_their_bytes_through_edits() {
        let mut list = RuleList::default();
        assert!(list.push(1, b"one") && list.push(3, b"three"));
        assert!(list.insert(1, 2, b"second"));
        assert!(list.insert(0, 9, b""));
        assert!(list.insert(4, 5, b"last"));
        assert!(!list.insert(7, 6, b"nowhere"));
        assert_eq!(list.index_of(3), Some(3));
        assert!(list.remove(1) && !list.remove(9));
        let expected: Vec<(u64, Vec<u8>)> = vec![
            (9, vec![]),
            (2, b"second".into()),
            (3, b"three".into()),
            (5, b"last".into()),
        ];
        assert_eq!(handles(&list), expected);
    }
}
