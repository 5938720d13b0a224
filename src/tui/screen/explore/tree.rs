//! The tree as a flat list of the rows that are open, rebuilt when the picture or an open node changes.
//!
//! Closed nodes cost nothing. A table with thousands of chains shows them in buckets by the beginning of
//! their names, so that 30,000 chains of Kubernetes are a handful of lines until one is opened.

use super::node::{Group, Node, NodeKey, index};
use crate::model::{Family, Name, Ruleset, Table};
use crate::tui::widget::list::ListState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A table with more chains than this shows those that are at no hook in buckets.
const BUCKETS_FROM: usize = 200;
/// Fewer chains than this are not worth a bucket.
const BUCKET_MIN: usize = 8;
/// A table with more chains than this starts closed.
const OPEN_UNTIL: usize = 60;

#[derive(Clone, Debug)]
pub struct Row {
    pub node: Node,
    pub depth: u8,
    pub expandable: bool,
    pub open: bool,
}

#[derive(Clone, Debug)]
struct Bucket {
    prefix: Name,
    chains: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Buckets {
    chain_count: usize,
    generation: u32,
    buckets: Vec<Bucket>,
    rest: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub rows: Vec<Row>,
    pub list: ListState,
    /// What is selected; stays when the rows change.
    pub selected: Option<NodeKey>,
    open: HashSet<NodeKey>,
    /// Tables that were opened or closed by size once.
    seen: HashSet<NodeKey>,
    buckets: HashMap<(Family, Name), Arc<Buckets>>,
}

impl Tree {
    pub fn is_open(&self, key: &NodeKey) -> bool {
        self.open.contains(key)
    }

    pub fn set_open(&mut self, key: NodeKey, open: bool) {
        if open {
            self.open.insert(key);
        } else {
            self.open.remove(&key);
        }
    }

    /// Close every table.
    pub fn close_all(&mut self) {
        self.open.retain(|key| matches!(key, NodeKey::Family(_)));
    }

    /// Make the rows anew and find the selected node again.
    pub fn rebuild(&mut self, ruleset: &Ruleset) {
        for (place, table) in ruleset.shown().enumerate() {
            let key = NodeKey::Table(table.family, table.name.clone());
            if self.seen.insert(key.clone()) {
                self.open.insert(NodeKey::Family(table.family));
                if table.chains.len() <= OPEN_UNTIL && place < 12 {
                    self.open.insert(key);
                }
            }
        }
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut families: Vec<Family> = Vec::new();
        for table in ruleset.shown() {
            if !families.contains(&table.family) {
                families.push(table.family);
            }
        }
        for family in families {
            let open = self.is_open(&NodeKey::Family(family));
            rows.push(Row {
                node: Node::Family(family),
                depth: 0,
                expandable: true,
                open,
            });
            if !open {
                continue;
            }
            for (place, table) in ruleset.shown().enumerate() {
                if table.family == family {
                    self.table_rows(&mut rows, ruleset.generation, index(place), table);
                }
            }
        }
        self.rows = rows;
        self.relocate(ruleset);
    }

    fn table_rows(&mut self, rows: &mut Vec<Row>, generation: u32, t: u32, table: &Arc<Table>) {
        let key = NodeKey::Table(table.family, table.name.clone());
        let open = self.is_open(&key);
        let leaf = |node: Node, depth: u8| Row {
            node,
            depth,
            expandable: false,
            open: false,
        };
        rows.push(Row {
            node: Node::Table(t),
            depth: 1,
            expandable: true,
            open,
        });
        if !open {
            return;
        }
        let buckets = self.buckets_of(generation, table);
        for &c in &buckets.rest {
            rows.push(leaf(Node::Chain(t, c), 2));
        }
        for bucket in &buckets.buckets {
            let key = NodeKey::Bucket(table.family, table.name.clone(), bucket.prefix.clone());
            let open = self.is_open(&key);
            rows.push(Row {
                node: Node::Bucket(t, bucket.prefix.clone()),
                depth: 2,
                expandable: true,
                open,
            });
            if open {
                rows.extend(bucket.chains.iter().map(|c| leaf(Node::Chain(t, *c), 3)));
            }
        }
        for group in GROUPS {
            let members = group_members(table, t, group);
            if members.is_empty() {
                continue;
            }
            let key = NodeKey::Group(table.family, table.name.clone(), group);
            let open = self.is_open(&key);
            rows.push(Row {
                node: Node::Group(t, group),
                depth: 2,
                expandable: true,
                open,
            });
            if open {
                rows.extend(members.into_iter().map(|node| leaf(node, 3)));
            }
        }
    }

    fn buckets_of(&mut self, generation: u32, table: &Arc<Table>) -> Arc<Buckets> {
        let key = (table.family, table.name.clone());
        if let Some(cached) = self.buckets.get(&key)
            && cached.generation == generation
            && cached.chain_count == table.chains.len()
        {
            return cached.clone();
        }
        let made = Arc::new(make_buckets(generation, table));
        self.buckets.insert(key, made.clone());
        made
    }

    /// The children of a node, as places.
    pub fn children(&mut self, ruleset: &Ruleset, node: &Node) -> Vec<Node> {
        let table = |t: u32| ruleset.at(t as usize);
        match node {
            Node::Family(family) => {
                let of_family = |(_, table): &(usize, &Arc<Table>)| table.family == *family;
                ruleset
                    .shown()
                    .enumerate()
                    .filter(of_family)
                    .map(|(place, _)| Node::Table(index(place)))
                    .collect()
            }
            Node::Table(t) => {
                let Some(table) = table(*t) else {
                    return Vec::new();
                };
                let chains = &table.chains;
                let places = 0..chains.len();
                let base = |c: &usize| chains.get(*c).is_some_and(|c| c.base.is_some());
                let (hooked, other): (Vec<usize>, Vec<usize>) = places.partition(base);
                let chain = |c: usize| Node::Chain(*t, index(c));
                let mut nodes: Vec<Node> = hooked.into_iter().chain(other).map(chain).collect();
                for group in GROUPS {
                    // Anonymous sets are parts of rules; they have a place of their own in the tree.
                    if group == Group::Anonymous {
                        continue;
                    }
                    nodes.extend(group_members(table, *t, group));
                }
                nodes
            }
            Node::Group(t, group) => table(*t)
                .map(|table| group_members(table, *t, *group))
                .unwrap_or_default(),
            Node::Bucket(t, prefix) => {
                let Some(table) = table(*t) else {
                    return Vec::new();
                };
                let buckets = self.buckets_of(ruleset.generation, table);
                let bucket = buckets.buckets.iter().find(|b| b.prefix == *prefix);
                bucket
                    .map(|b| b.chains.iter().map(|c| Node::Chain(*t, *c)).collect())
                    .unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// How many chains a bucket holds.
    pub fn bucket_len(&self, table: &Table, prefix: &str) -> usize {
        self.buckets
            .get(&(table.family, table.name.clone()))
            .and_then(|buckets| buckets.buckets.iter().find(|b| &*b.prefix == prefix))
            .map_or(0, |bucket| bucket.chains.len())
    }

    /// Open everything above a node, so that it has a row.
    pub fn reveal(&mut self, ruleset: &Ruleset, key: &NodeKey) {
        let Some((family, table)) = key.table() else {
            return;
        };
        self.open.insert(NodeKey::Family(family));
        if matches!(key, NodeKey::Table(..)) {
            return;
        }
        self.open.insert(NodeKey::Table(family, table.clone()));
        let group = |group| NodeKey::Group(family, table.clone(), group);
        match key {
            NodeKey::Chain(_, _, name) => {
                let Some(found) = ruleset.find(family, table) else {
                    return;
                };
                let Some(Node::Chain(_, c)) = key.locate(ruleset) else {
                    return;
                };
                let buckets = self.buckets_of(ruleset.generation, found);
                let bucket = buckets
                    .buckets
                    .iter()
                    .find(|b| name.starts_with(&*b.prefix) && b.chains.contains(&c));
                if let Some(bucket) = bucket {
                    self.open.insert(NodeKey::Bucket(
                        family,
                        table.clone(),
                        bucket.prefix.clone(),
                    ));
                }
            }
            NodeKey::Set(_, _, name) => {
                let set = ruleset.find(family, table).and_then(|t| t.set(name));
                let which = match set {
                    Some(set) => set_group(set),
                    None => Group::Sets,
                };
                self.open.insert(group(which));
            }
            NodeKey::Flowtable(..) => {
                self.open.insert(group(Group::Flowtables));
            }
            NodeKey::Object(..) => {
                self.open.insert(group(Group::Objects));
            }
            _ => {}
        }
    }

    /// Select a node, opening what is above it. False when there is no such node.
    pub fn select(&mut self, ruleset: &Ruleset, key: NodeKey) -> bool {
        if key.locate(ruleset).is_none() {
            return false;
        }
        self.reveal(ruleset, &key);
        self.selected = Some(key);
        self.rebuild(ruleset);
        true
    }

    /// Take over the row the cursor is on.
    pub fn take_cursor(&mut self, ruleset: &Ruleset) {
        if let Some(row) = self.rows.get(self.list.selected) {
            self.selected = row.node.key(ruleset);
        }
    }

    fn relocate(&mut self, ruleset: &Ruleset) {
        let node = self.selected.as_ref().and_then(|key| key.locate(ruleset));
        let at = |row: &Row| Some(&row.node) == node.as_ref();
        // Mostly it is where it was.
        if self.rows.get(self.list.selected).is_some_and(at) {
            return;
        }
        match self.rows.iter().position(at) {
            Some(place) => self.list.selected = place,
            None => {
                self.list.selected = self.list.selected.min(self.rows.len().saturating_sub(1));
                self.take_cursor(ruleset);
            }
        }
    }
}

const GROUPS: [Group; 5] = [
    Group::Sets,
    Group::Maps,
    Group::Objects,
    Group::Flowtables,
    Group::Anonymous,
];

fn set_group(set: &crate::model::Set) -> Group {
    match (set.is_anonymous(), set.is_map()) {
        (true, _) => Group::Anonymous,
        (false, true) => Group::Maps,
        (false, false) => Group::Sets,
    }
}

pub fn group_members(table: &Table, t: u32, group: Group) -> Vec<Node> {
    match group {
        Group::Flowtables => (0..table.flowtables.len())
            .map(|f| Node::Flowtable(t, index(f)))
            .collect(),
        Group::Objects => (0..table.objects.len())
            .map(|o| Node::Object(t, index(o)))
            .collect(),
        Group::Sets | Group::Maps | Group::Anonymous => table
            .sets
            .iter()
            .enumerate()
            .filter(|(_, set)| set_group(set) == group)
            .map(|(s, _)| Node::Set(t, index(s)))
            .collect(),
    }
}

fn make_buckets(generation: u32, table: &Table) -> Buckets {
    let mut made = Buckets {
        generation,
        chain_count: table.chains.len(),
        ..Buckets::default()
    };
    let mut regular = Vec::new();
    for (place, chain) in table.chains.iter().enumerate() {
        if chain.base.is_some() {
            made.rest.push(index(place));
        } else {
            regular.push(index(place));
        }
    }
    if regular.len() < BUCKETS_FROM {
        made.rest.append(&mut regular);
        return made;
    }
    let mut by_prefix: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<(&str, Vec<u32>)> = Vec::new();
    for c in regular {
        let name = table.chains.get(c as usize).map_or("", |c| &*c.name);
        let prefix = prefix(name);
        let place = *by_prefix.entry(prefix).or_insert_with(|| {
            found.push((prefix, Vec::new()));
            found.len() - 1
        });
        if let Some((_, chains)) = found.get_mut(place) {
            chains.push(c);
        }
    }
    for (prefix, mut chains) in found {
        if chains.len() < BUCKET_MIN && !prefix.is_empty() {
            made.rest.append(&mut chains);
        } else {
            made.buckets.push(Bucket {
                prefix: prefix.into(),
                chains,
            });
        }
    }
    made
}

/// `KUBE-SVC-` of `KUBE-SVC-ABCDEF`: up to the second separator, or the first where there is no second.
fn prefix(name: &str) -> &str {
    let mut ends = name
        .char_indices()
        .filter(|(_, c)| matches!(c, '-' | '_' | '.' | ':'))
        .map(|(place, _)| place + 1);
    let first = ends.next();
    let end = ends.next().or(first).unwrap_or(0);
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_names_that_programs_make() {
        assert_eq!(prefix("KUBE-SVC-ABC"), "KUBE-SVC-");
        assert_eq!(prefix("cali-fw"), "cali-");
        assert_eq!(prefix("input"), "");
    }
}
