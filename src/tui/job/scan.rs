//! Passes over many rules: searching, ordering, counting references.

use super::find::each_node;
use super::{Hits, Incoming, STRIDE, SearchPlace, Sort};
use crate::kernel::nf_tables::decode;
use crate::model::expression::{Data, Verdict};
use crate::model::{Elements, Family, Name, Set, Table};
use crate::session::{ChainKey, Picture, RuleKey};
use crate::tui::clean::clean;
use crate::tui::screen::explore::node::NodeKey;
use crate::tui::screen::routes;
use crate::tui::text::{self, Printer, Texts};
use std::collections::HashSet;
use std::sync::Arc;

/// True when `text` holds `query`; case matters only where the query has capitals.
pub fn holds(text: &str, query: &str) -> bool {
    if query.chars().any(char::is_uppercase) {
        return text.contains(query);
    }
    if text.contains(query) {
        return true;
    }
    text.chars().any(char::is_uppercase) && text.to_lowercase().contains(query)
}

pub fn search(
    picture: &Picture,
    place: &SearchPlace,
    query: &str,
    elements: Option<&Texts>,
    wanted: &dyn Fn() -> bool,
) -> Option<Hits> {
    let ruleset = &picture.ruleset;
    if let SearchPlace::Network(item) = place {
        let network = &picture.network;
        let mut texts = routes::lines::Texts::default();
        let mut lines = Vec::new();
        for place in 0..routes::len(network, *item) {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            let text = texts.text(picture, *item, place);
            if text.is_some_and(|text| holds(&clean(text), query)) {
                lines.push(u32::try_from(place).unwrap_or(u32::MAX));
            }
        }
        return Some(Hits::Lines(lines));
    }
    let SearchPlace::Lines(key) = place else {
        let mut nodes = Vec::new();
        each_node(ruleset, &mut |key, _, label| {
            if holds(&clean(&label), query) {
                nodes.push(key);
            }
        });
        return Some(Hits::Nodes(nodes));
    };
    let mut lines = Vec::new();
    let mut look = |place: usize, text: &str| {
        if holds(&clean(text), query) {
            lines.push(u32::try_from(place).unwrap_or(u32::MAX));
        }
    };
    match key {
        NodeKey::Chain(family, table, name) => {
            let table = ruleset.find(*family, table)?;
            let chain = table.chain(name)?;
            let printer = Printer::new(table, &picture.names);
            for (place, rule) in chain.rules.iter().enumerate() {
                if place % STRIDE == 0 && !wanted() {
                    return None;
                }
                look(place, &printer.searched(rule));
            }
        }
        NodeKey::Set(..) => {
            for (place, text) in elements.iter().flat_map(|texts| texts.iter()).enumerate() {
                if place % STRIDE == 0 && !wanted() {
                    return None;
                }
                look(place, text);
            }
        }
        _ => {}
    }
    Some(Hits::Lines(lines))
}

pub fn order(
    picture: &Picture,
    key: &ChainKey,
    sort: Sort,
    wanted: &dyn Fn() -> bool,
) -> Option<Vec<u32>> {
    let chain = picture
        .ruleset
        .table(key.family, &key.table)?
        .chain(&key.chain)?;
    let mut places: Vec<(u32, f64)> = Vec::with_capacity(chain.rules.len());
    for (place, rule) in chain.rules.iter().enumerate() {
        if place % STRIDE == 0 && !wanted() {
            return None;
        }
        let counters = || text::rule_counters(rule);
        let weight = match sort {
            Sort::Place => 0.0,
            Sort::Rate => {
                let key = RuleKey {
                    chain: key.clone(),
                    handle: rule.handle,
                };
                let history = picture.rates.rules.get(&key);
                history.map_or(-1.0, |history| history.now.packets)
            }
            Sort::Packets => counters().map_or(-1.0, |(packets, _)| packets as f64),
            Sort::Bytes => counters().map_or(-1.0, |(_, bytes)| bytes as f64),
        };
        places.push((u32::try_from(place).unwrap_or(u32::MAX), weight));
    }
    // Stable: rules that are equal stay in the kernel's order.
    places.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Some(places.into_iter().map(|(place, _)| place).collect())
}

pub fn references(
    picture: &Picture,
    family: Family,
    name: &Name,
    wanted: &dyn Fn() -> bool,
) -> Option<Incoming> {
    let table = picture.ruleset.find(family, name)?;
    let mut incoming = Incoming {
        table: Some((family, name.clone())),
        generation: picture.ruleset.generation,
        rules: table.chains.iter().map(|chain| chain.rules.len()).sum(),
        ..Incoming::default()
    };
    for chain in &table.chains {
        for (place, rule) in chain.rules.iter().enumerate() {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            let from = text::rule_references(rule);
            let here = || (chain.name.clone(), rule.handle);
            for jump in from.jumps {
                incoming.jumps.entry(jump).or_default().push(here());
            }
            for set in from.sets {
                incoming.sets.entry(set).or_default().push(here());
            }
            for object in from.objects {
                incoming.objects.entry(object).or_default().push(here());
            }
        }
    }
    by_maps(table, &mut incoming);
    Some(incoming)
}

/// Chains that are reached through a map from something to verdicts: by the rules that look there.
fn by_maps(table: &Table, incoming: &mut Incoming) {
    for set in table.sets.iter().filter(|set| to_verdicts(set)) {
        let Some(rules) = incoming.sets.get(&set.name) else {
            continue;
        };
        let Elements::Read(list) = &set.elements else {
            incoming.unread = true;
            continue;
        };
        let read = list.iter().filter_map(|bytes| decode::element(bytes).ok());
        let chains: HashSet<Name> = read
            .filter_map(|element| match element.data {
                Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => Some(chain),
                _ => None,
            })
            .collect();
        for chain in chains {
            let known = incoming.jumps.entry(chain).or_default();
            known.extend(rules.iter().cloned());
        }
    }
}

fn to_verdicts(set: &Set) -> bool {
    /// `NFT_DATA_VERDICT`
    const VERDICT: u32 = 0xffff_ff00;
    set.data_type == Some(VERDICT)
}

/// Maps to verdicts whose elements are known: with each more, more is known about who leads where.
pub fn read_maps(table: &Table) -> usize {
    let read = |set: &&Arc<Set>| to_verdicts(set) && set.elements != Elements::NotRead;
    table.sets.iter().filter(read).count()
}
