//! What the entries of a replaced legacy table start to count from: a replacement sets all counters to zero and
//! hands out those of the old table as of that very moment. Pure.

use super::merge::{ZERO, carried};
use crate::model::expression::Counter;
use crate::model::xtables::rule::{LegacyChain, LegacyTable};
use std::collections::HashMap;

/// Where the counter of one entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The old table's entry of this number.
    Old(usize),
    Given(Counter),
}

/// For every entry of a table, in the order of its blob.
#[derive(Clone, Debug)]
pub enum Counters {
    Each(Vec<Source>),
    /// All go on but for those of entries that are put in and taken out, one after the other.
    Edited(Vec<Splice>),
}

/// An entry that comes or goes.
#[derive(Clone, Copy, Debug)]
pub struct Splice {
    /// The number of the entry, from 0.
    pub at: usize,
    /// The one that is there goes.
    pub instead: bool,
    /// What the one that comes has counted.
    pub new: Option<Counter>,
}

impl Counters {
    /// `new` in the place of `old`, both as decoded: rules that stay and that nobody gave other counters go on.
    pub fn asked(old: &LegacyTable, new: &LegacyTable) -> Counters {
        // Encoding puts built-in chains first, by their hooks.
        let mut chains: Vec<&LegacyChain> = new.chains.iter().collect();
        chains.sort_by_key(|chain| chain.policy.as_ref().map_or(u32::MAX, |policy| policy.hook));
        Counters::of(old, &chains, |was, is| was == is)
    }

    /// `new` as decoded in the place of `old`: rules that stay go on, others have what `wanted` says.
    pub fn kept(old: &LegacyTable, new: &LegacyTable, wanted: &LegacyTable) -> Counters {
        let by_name: HashMap<&str, &LegacyChain> = wanted
            .chains
            .iter()
            .map(|chain| (&*chain.name, chain))
            .collect();
        // Only the order of chains may differ between the two.
        let chains: Vec<&LegacyChain> = new
            .chains
            .iter()
            .map(|chain| by_name.get(&*chain.name).copied().unwrap_or(chain))
            .collect();
        Counters::of(old, &chains, |_, _| true)
    }

    fn of(
        old: &LegacyTable,
        chains: &[&LegacyChain],
        goes_on: impl Fn(Counter, Counter) -> bool,
    ) -> Counters {
        let mut firsts: HashMap<&str, (usize, &LegacyChain)> = HashMap::new();
        let mut at = 0;
        for chain in &old.chains {
            // A user chain begins with the entry that names it.
            let first = at + usize::from(chain.policy.is_none());
            firsts.insert(&*chain.name, (first, chain));
            at = first + chain.rules.len() + 1;
        }
        let mut sources = Vec::new();
        for chain in chains {
            if chain.policy.is_none() {
                sources.push(Source::Given(ZERO));
            }
            let was = firsts.get(&*chain.name);
            let places = was.map_or_else(Vec::new, |(_, was)| carried(was, chain));
            for (index, rule) in chain.rules.iter().enumerate() {
                let place = places.get(index).copied().flatten();
                let counted = place.and_then(|place| {
                    let (first, was) = was?;
                    let before = was.rules.get(place)?.counters;
                    goes_on(before, rule.counters).then_some(Source::Old(first + place))
                });
                sources.push(counted.unwrap_or(Source::Given(rule.counters)));
            }
            let policy = chain.policy.as_ref().map_or(ZERO, |policy| policy.counters);
            let last = was.and_then(|(first, was)| {
                let before = was.policy.as_ref()?.counters;
                goes_on(before, policy).then_some(Source::Old(first + was.rules.len()))
            });
            sources.push(last.unwrap_or(Source::Given(policy)));
        }
        // The entry that ends the table.
        sources.push(Source::Given(ZERO));
        Counters::Each(sources)
    }

    pub fn len(&self) -> usize {
        match self {
            Counters::Each(sources) => sources.len(),
            Counters::Edited(splices) => splices.len(),
        }
    }

    /// The counters to start from, where `old` are those of the old table's entries.
    pub fn with(&self, mut old: Vec<Counter>) -> Vec<Counter> {
        match self {
            Counters::Each(sources) => sources
                .iter()
                .map(|source| match source {
                    Source::Given(counter) => *counter,
                    Source::Old(place) => old.get(*place).copied().unwrap_or(ZERO),
                })
                .collect(),
            Counters::Edited(splices) => {
                for splice in splices {
                    let at = splice.at.min(old.len());
                    let end = (at + usize::from(splice.instead)).min(old.len());
                    old.splice(at..end, splice.new);
                }
                old
            }
        }
    }
}
