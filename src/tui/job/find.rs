//! Fuzzy finding over names, rules and routes.

use super::{Found, STRIDE, Target};
use crate::model::Ruleset;
use crate::session::{ChainKey, Picture};
use crate::tui::clean::clean;
use crate::tui::screen::explore::node::{NodeKey, chain_key};
use crate::tui::screen::routes;
use crate::tui::text::Printer;
use fuzzy_matcher::FuzzyMatcher;
use fuzzy_matcher::skim::SkimMatcherV2;

/// Results that find keeps.
const FOUND_MAX: usize = 300;

/// What find looks through; made once per generation, because printing all rules takes a while.
#[derive(Clone, Debug, Default)]
pub struct Index {
    generation: u32,
    rules: usize,
    nodes: Vec<(NodeKey, &'static str, String)>,
    lines: Vec<(ChainKey, u64, String)>,
}

impl Index {
    /// True when the index was made from this ruleset, or from one that differs in counters only.
    pub fn fits(&self, ruleset: &Ruleset) -> bool {
        self.generation == ruleset.generation && self.rules == ruleset.rule_count()
    }

    /// Tables, chains, sets and so on, without the rules.
    pub fn names(picture: &Picture) -> Index {
        let ruleset = &picture.ruleset;
        let mut index = Index {
            generation: ruleset.generation,
            rules: ruleset.rule_count(),
            ..Index::default()
        };
        each_node(ruleset, &mut |key, kind, label| {
            index.nodes.push((key, kind, clean(&label).into_owned()));
        });
        index
    }

    /// With the rules, printed. None when the program ends.
    pub fn with_rules(mut self, picture: &Picture, alive: &dyn Fn() -> bool) -> Option<Index> {
        let ruleset = &picture.ruleset;
        for table in ruleset.shown() {
            let printer = Printer::new(table, &picture.names);
            for chain in &table.chains {
                let key = chain_key(table, chain);
                for (place, rule) in chain.rules.iter().enumerate() {
                    if place % STRIDE == 0 && !alive() {
                        return None;
                    }
                    // In the words in which Explore shows it.
                    let text = printer.shown(rule, false);
                    let text = clean(&text).into_owned();
                    self.lines.push((key.clone(), rule.handle, text));
                }
            }
        }
        Some(self)
    }
}

/// All nodes with a name, with the word for what they are.
pub(super) fn each_node(ruleset: &Ruleset, visit: &mut dyn FnMut(NodeKey, &'static str, String)) {
    let mut add = |kind, key: NodeKey| {
        let label = key.label();
        visit(key, kind, label);
    };
    for table in ruleset.shown() {
        let (family, name) = (table.family, &table.name);
        add("table", NodeKey::Table(family, name.clone()));
        for chain in &table.chains {
            let key = NodeKey::Chain(family, name.clone(), chain.name.clone());
            add("chain", key);
        }
        for set in table.sets.iter().filter(|set| !set.is_anonymous()) {
            let kind = if set.is_map() { "map" } else { "set" };
            add(kind, NodeKey::Set(family, name.clone(), set.name.clone()));
        }
        for flowtable in &table.flowtables {
            let key = NodeKey::Flowtable(family, name.clone(), flowtable.name.clone());
            add("flowtable", key);
        }
        for object in &table.objects {
            let key = NodeKey::Object(family, name.clone(), object.name.clone(), object.kind);
            add("object", key);
        }
    }
}

/// Fuzzy: everything in the index that resembles `query`, best first.
pub fn find(
    index: &Index,
    query: &str,
    rules: bool,
    wanted: &dyn Fn() -> bool,
) -> Option<(Vec<Found>, usize)> {
    let matcher = SkimMatcherV2::default();
    let words: Vec<&str> = query.split_whitespace().collect();
    // Every word has to be found; the order of words does not matter.
    let score = |label: &str| -> Option<i64> {
        let mut sum = 0;
        for word in &words {
            let literal = if label.contains(word) { 40 } else { 0 };
            sum += literal + matcher.fuzzy_match(label, word)?;
        }
        Some(sum)
    };
    let mut best: Vec<(i64, bool, usize)> = Vec::new();
    let mut of = 0;
    for (place, (_, kind, label)) in index.nodes.iter().enumerate() {
        if place % STRIDE == 0 && !wanted() {
            return None;
        }
        of += 1;
        let bonus = if *kind == "table" { 8 } else { 4 };
        if let Some(score) = score(label) {
            best.push((score + bonus, false, place));
        }
    }
    if rules {
        for (place, (_, _, text)) in index.lines.iter().enumerate() {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            of += 1;
            if let Some(score) = score(text) {
                best.push((score, true, place));
            }
        }
    }
    best.sort_by_key(|(score, line, place)| (-score, *line, *place));
    best.truncate(FOUND_MAX);
    let found = best.into_iter().filter_map(|(score, line, place)| {
        let (target, kind, label) = if line {
            let (chain, handle, text) = index.lines.get(place)?;
            let target = Target::Rule(chain.clone(), *handle);
            (target, "rule", text.clone())
        } else {
            let (key, kind, label) = index.nodes.get(place)?;
            (Target::Node(key.clone()), *kind, label.clone())
        };
        let hits = fuzzy_hits(&matcher, &label, &words);
        Some(Found {
            target,
            kind,
            label,
            hits,
            score,
        })
    });
    Some((found.collect(), of))
}

/// Routes, neighbours and the like that hold every word of `query`. Not fuzzy: in addresses every digit counts.
pub(super) fn find_routes(
    picture: &Picture,
    query: &str,
    wanted: &dyn Fn() -> bool,
) -> Option<(Vec<Found>, usize)> {
    let network = &picture.network;
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<Found> = Vec::new();
    let mut texts = routes::lines::Texts::default();
    let mut of = 0;
    for item in routes::items(network) {
        for place in 0..routes::len(network, item) {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            of += 1;
            let Some(text) = texts.text(picture, item, place) else {
                continue;
            };
            if found.len() < FOUND_MAX && words.iter().all(|word| text.contains(word)) {
                let text = clean(text).into_owned();
                let begins = words.first().is_some_and(|word| text.starts_with(word));
                found.push(Found {
                    target: Target::Line(item, place),
                    kind: item.word(),
                    hits: literal_hits(&text, &words),
                    label: text,
                    score: if begins { 120 } else { 60 },
                });
            }
        }
    }
    Some((found, of))
}

/// Places of the characters of `label` where the words stand.
fn literal_hits(label: &str, words: &[&str]) -> Vec<usize> {
    let mut hits: Vec<usize> = Vec::new();
    for word in words {
        if let Some(at) = label.find(word) {
            let start = label.get(..at).map_or(0, |before| before.chars().count());
            hits.extend(start..start + word.chars().count());
        }
    }
    hits.sort_unstable();
    hits.dedup();
    hits
}

/// Places of the characters of `label` that the words match.
fn fuzzy_hits(matcher: &SkimMatcherV2, label: &str, words: &[&str]) -> Vec<usize> {
    let mut hits: Vec<usize> = words
        .iter()
        .filter_map(|word| matcher.fuzzy_indices(label, word))
        .flat_map(|(_, hits)| hits)
        .collect();
    hits.sort_unstable();
    hits.dedup();
    hits
}

/// Fuzzy over a few labels, for the palette's actions. Places of the labels, best first.
pub fn find_labels(labels: &[String], query: &str) -> Vec<(usize, i64, Vec<usize>)> {
    let matcher = SkimMatcherV2::default();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<(usize, i64, Vec<usize>)> = Vec::new();
    for (place, label) in labels.iter().enumerate() {
        let mut sum = 0;
        let all = words.iter().all(|word| {
            let score = matcher.fuzzy_match(label, word);
            sum += score.unwrap_or(0);
            score.is_some()
        });
        if all {
            found.push((place, sum, fuzzy_hits(&matcher, label, &words)));
        }
    }
    found.sort_by_key(|(place, score, _)| (-score, *place));
    found
}
