//! Computations that may take longer than a frame: searching, finding, ordering, counting references.
//!
//! Pure functions over an immutable picture. The runner calls them on other threads, tests call them
//! directly. A ticket comes back with every answer, so that a late one is recognized.

use super::clean::clean;
use super::screen::explore::node::{NodeKey, chain_key};
use super::screen::routes;
use super::text::{self, Printer, Texts};
use crate::model::network::Network;
use crate::model::{ElementList, Elements, Family, Name, Ruleset};
use crate::session::{ChainKey, Picture, RuleKey};
use fuzzy_matcher::FuzzyMatcher;
use fuzzy_matcher::skim::SkimMatcherV2;
use std::collections::HashMap;
use std::sync::Arc;

/// Results that find keeps.
const FOUND_MAX: usize = 300;
/// Lines between two looks at whether somebody still wants the answer.
const STRIDE: usize = 4096;

/// How the rules of a chain are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// As the kernel evaluates them.
    #[default]
    Place,
    Rate,
    Packets,
    Bytes,
}

#[derive(Clone, Debug)]
pub enum Job {
    /// The lines of one place that hold `query`.
    Search {
        ticket: u64,
        picture: Arc<Picture>,
        place: SearchPlace,
        query: String,
        /// The elements on the screen, where a set is searched.
        elements: Option<Arc<Texts>>,
    },
    /// Print the elements of a set.
    Elements {
        picture: Arc<Picture>,
        family: Family,
        table: Name,
        set: Name,
    },
    /// Everything that resembles `query`, best first.
    Find {
        ticket: u64,
        picture: Arc<Picture>,
        query: String,
        /// Also the text of rules, not only names.
        rules: bool,
    },
    /// The order of a chain's rules by something that changes.
    Order {
        ticket: u64,
        picture: Arc<Picture>,
        chain: ChainKey,
        sort: Sort,
    },
    /// Who refers to what within a table.
    References {
        picture: Arc<Picture>,
        family: Family,
        table: Name,
    },
}

/// Jobs of one kind replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    Search,
    Find,
    Order,
    References,
    Elements,
}

impl Job {
    pub fn kind(&self) -> JobKind {
        match self {
            Job::Search { .. } => JobKind::Search,
            Job::Find { .. } => JobKind::Find,
            Job::Order { .. } => JobKind::Order,
            Job::References { .. } => JobKind::References,
            Job::Elements { .. } => JobKind::Elements,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPlace {
    /// Names of all nodes.
    Tree,
    /// The rules of a chain or the elements of a set.
    Lines(NodeKey),
    /// A list of Routes.
    Network(routes::Item),
}

#[derive(Clone, Debug)]
pub enum Answer {
    Searched {
        ticket: u64,
        hits: Hits,
    },
    Found {
        ticket: u64,
        found: Vec<Found>,
        /// Candidates that were looked at.
        of: usize,
    },
    Ordered {
        ticket: u64,
        order: Vec<u32>,
    },
    References(Arc<Incoming>),
    Elements(Printed),
}

/// The elements of a set as text, and from what they were made.
#[derive(Clone, Debug)]
pub struct Printed {
    pub set: NodeKey,
    pub list: Arc<ElementList>,
    pub texts: Arc<Texts>,
}

/// Where a search was successful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hits {
    Nodes(Vec<NodeKey>),
    /// Places of rules or elements, ascending.
    Lines(Vec<u32>),
}

impl Hits {
    pub fn len(&self) -> usize {
        match self {
            Hits::Nodes(nodes) => nodes.len(),
            Hits::Lines(lines) => lines.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where find can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Node(NodeKey),
    Rule(ChainKey, u64),
    /// A line of a list of Routes.
    Line(routes::Item, usize),
    Action(super::action::Action),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub target: Target,
    pub kind: &'static str,
    pub label: String,
    /// Characters of the label that match.
    pub hits: Vec<usize>,
    pub score: i64,
}

/// Who refers to the chains, sets and objects of one table: the chain and the handle of each rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incoming {
    pub table: Option<(Family, Name)>,
    pub generation: u32,
    pub rules: usize,
    pub jumps: HashMap<Name, Vec<(Name, u64)>>,
    pub sets: HashMap<Name, Vec<(Name, u64)>>,
    pub objects: HashMap<Name, Vec<(Name, u64)>>,
}

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

    /// None when nobody wants it any more.
    pub fn build(picture: &Picture, wanted: &dyn Fn() -> bool) -> Option<Index> {
        let ruleset = &picture.ruleset;
        let mut index = Index {
            generation: ruleset.generation,
            rules: ruleset.rule_count(),
            ..Index::default()
        };
        each_node(ruleset, &mut |key, kind, label| {
            index.nodes.push((key, kind, clean(&label).into_owned()));
        });
        for table in &ruleset.tables {
            let printer = Printer::new(table, &picture.names);
            for chain in &table.chains {
                let key = chain_key(table, chain);
                for (place, rule) in chain.rules.iter().enumerate() {
                    if place % STRIDE == 0 && !wanted() {
                        return None;
                    }
                    let text = printer.rule(rule);
                    let text = clean(&text).into_owned();
                    index.lines.push((key.clone(), rule.handle, text));
                }
            }
        }
        Some(index)
    }
}

/// All nodes with a name, with the word for what they are.
fn each_node(ruleset: &Ruleset, visit: &mut dyn FnMut(NodeKey, &'static str, String)) {
    let mut add = |kind, key: NodeKey| {
        let label = key.label();
        visit(key, kind, label);
    };
    for table in &ruleset.tables {
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
fn find_routes(
    network: &Network,
    query: &str,
    wanted: &dyn Fn() -> bool,
) -> Option<(Vec<Found>, usize)> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<Found> = Vec::new();
    let mut of = 0;
    for item in routes::items(network) {
        for place in 0..routes::len(network, item) {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            of += 1;
            let Some(text) = routes::lines::text(network, item, place) else {
                continue;
            };
            let text = clean(&text).into_owned();
            if found.len() < FOUND_MAX && words.iter().all(|word| text.contains(word)) {
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
        let mut lines = Vec::new();
        for place in 0..routes::len(network, *item) {
            if place % STRIDE == 0 && !wanted() {
                return None;
            }
            let text = routes::lines::text(network, *item, place);
            if text.is_some_and(|text| holds(&clean(&text), query)) {
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
            let table = ruleset.table(*family, table)?;
            let chain = table.chain(name)?;
            let printer = Printer::new(table, &picture.names);
            for (place, rule) in chain.rules.iter().enumerate() {
                if place % STRIDE == 0 && !wanted() {
                    return None;
                }
                look(place, &printer.rule(rule));
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
    let table = picture.ruleset.table(family, name)?;
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
    Some(incoming)
}

/// Do a job to its end. `index` is kept from one find to the next.
pub fn run(job: Job, index: &mut Option<Arc<Index>>, wanted: &dyn Fn() -> bool) -> Option<Answer> {
    match job {
        Job::Search {
            ticket,
            picture,
            place,
            query,
            elements,
        } => {
            let hits = search(&picture, &place, &query, elements.as_deref(), wanted)?;
            Some(Answer::Searched { ticket, hits })
        }
        Job::Find {
            ticket,
            picture,
            query,
            rules,
        } => {
            let made = match index.take() {
                Some(made) if made.fits(&picture.ruleset) => made,
                _ => Arc::new(Index::build(&picture, wanted)?),
            };
            *index = Some(made.clone());
            let (mut found, mut of) = find(&made, &query, rules, wanted)?;
            if rules {
                let (lines, looked) = find_routes(&picture.network, &query, wanted)?;
                of += looked;
                found.extend(lines);
                found.sort_by_key(|found| -found.score);
            }
            Some(Answer::Found { ticket, found, of })
        }
        Job::Order {
            ticket,
            picture,
            chain,
            sort,
        } => {
            let order = order(&picture, &chain, sort, wanted)?;
            Some(Answer::Ordered { ticket, order })
        }
        Job::References {
            picture,
            family,
            table,
        } => {
            let incoming = references(&picture, family, &table, wanted)?;
            Some(Answer::References(Arc::new(incoming)))
        }
        Job::Elements {
            picture,
            family,
            table: table_name,
            set: set_name,
        } => {
            let table = picture.ruleset.table(family, &table_name)?;
            let set = table.set(&set_name)?;
            let Elements::Read(list) = &set.elements else {
                return None;
            };
            let printer = Printer::new(table, &picture.names);
            let texts = printer.elements(set, list, wanted)?;
            Some(Answer::Elements(Printed {
                set: NodeKey::Set(family, table_name, set_name),
                list: list.clone(),
                texts: Arc::new(texts),
            }))
        }
    }
}
