//! Going from place to place: following what a rule points to, back, to what was found.

use super::node::NodeKey;
use super::update::{entered, main_height, settle, take_handle, tree_height};
use super::{Content, Pane};
use crate::model::{Name, Ruleset};
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::job::{Found, Hits, SearchPlace, Target};
use crate::tui::overlay::finder;
use crate::tui::text;
use std::sync::Arc;

const HISTORY_MAX: usize = 100;

/// Where the rule under the cursor points.
pub(super) fn targets(state: &State, ruleset: &Ruleset) -> Vec<Target> {
    let Some((table, _, _, rule)) = state.explore.rule(ruleset) else {
        return Vec::new();
    };
    let family = table.family;
    let here = || table.name.clone();
    let references = text::rule_references(rule);
    let mut keys: Vec<NodeKey> = Vec::new();
    let chains = references.jumps.into_iter();
    keys.extend(chains.map(|name| NodeKey::Chain(family, here(), name)));
    // What an anonymous set holds is written in the rule itself.
    let named = |name: &Name| !table.set(name).is_some_and(|set| set.is_anonymous());
    let sets = references.sets.into_iter().filter(named);
    keys.extend(sets.map(|name| NodeKey::Set(family, here(), name)));
    for name in references.objects {
        let same = |object: &&Arc<crate::model::Object>| object.name == name;
        if let Some(object) = table.objects.iter().find(same) {
            keys.push(NodeKey::Object(family, here(), name, object.kind));
        }
    }
    let mut unique: Vec<Target> = Vec::new();
    for key in keys {
        let target = Target::Node(key);
        if !unique.contains(&target) {
            unique.push(target);
        }
    }
    unique
}

fn remember(state: &mut State) {
    let explore = &mut state.explore;
    if let Some(key) = explore.tree.selected.clone() {
        explore.history.push((key, explore.handle));
        if explore.history.len() > HISTORY_MAX {
            explore.history.remove(0);
        }
    }
}

pub(super) fn follow(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let mut targets = targets(state, ruleset);
    if targets.len() > 1 {
        let found = targets.into_iter().map(|target| {
            let (kind, label) = match &target {
                Target::Node(key @ NodeKey::Chain(..)) => ("chain", key.label()),
                Target::Node(key @ NodeKey::Set(..)) => ("set", key.label()),
                Target::Node(key) => ("object", key.label()),
                _ => ("", String::new()),
            };
            Found {
                target,
                kind,
                label,
                hits: Vec::new(),
                score: 0,
            }
        });
        let found = found.collect();
        finder::choose(state, "This rule points to".into(), found);
    } else if let Some(target) = targets.pop() {
        go_to(state, target, effects);
    }
}

/// Go to a node or a rule, wherever it is.
pub fn go_to(state: &mut State, target: Target, effects: &mut Vec<Effect>) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let (key, handle) = match target {
        Target::Node(key) => (key, None),
        Target::Rule(chain, handle) => (NodeKey::chain(&chain), Some(handle)),
        Target::Line(..) | Target::Action(_) => return,
    };
    state.explore.touched = true;
    remember(state);
    move_to(state, &ruleset, key, handle, effects);
}

fn move_to(
    state: &mut State,
    ruleset: &Ruleset,
    key: NodeKey,
    handle: Option<u64>,
    effects: &mut Vec<Effect>,
) {
    let before = state.explore.tree.selected.clone();
    let holds_lines = matches!(key, NodeKey::Chain(..) | NodeKey::Set(..));
    let label = key.label();
    if !state.explore.tree.select(ruleset, key) {
        state.notify(Level::Warning, format!("{label} is not there any more"));
        return;
    }
    state.explore.zoom = false;
    if state.explore.tree.selected != before {
        entered(state, ruleset, before, effects);
    }
    if holds_lines {
        state.explore.focus = Pane::Main;
    }
    if let (Some(handle), Content::Rules(_, chain)) = (handle, state.explore.content(ruleset)) {
        let place = chain.rules.index_of(handle);
        if let Some(line) = place.and_then(|place| state.explore.line_of(place)) {
            let (len, height) = (chain.rules.len(), main_height(state, ruleset));
            state.explore.list.jump(line, len, height);
        }
        state.explore.handle = Some(handle);
    }
    settle(state);
}

pub(super) fn back(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    if let Some((key, handle)) = state.explore.history.pop() {
        move_to(state, ruleset, key, handle, effects);
    }
}

/// What a search on this screen looks through now.
pub fn search_place(state: &State) -> SearchPlace {
    let lines = state.explore.focus != Pane::Tree;
    match &state.explore.tree.selected {
        Some(key @ (NodeKey::Chain(..) | NodeKey::Set(..))) if lines => {
            SearchPlace::Lines(key.clone())
        }
        _ => SearchPlace::Tree,
    }
}

/// Go to the next hit of the search; `here` counts the current line too.
pub fn go_to_hit(state: &mut State, forward: bool, here: bool, effects: &mut Vec<Effect>) {
    let (Some(ruleset), Some(hits)) = (state.ruleset(), state.search.hits.clone()) else {
        return;
    };
    match hits {
        Hits::Lines(places) => {
            let sorted = state.explore.order.places.is_some();
            let mut lines: Vec<usize> = places
                .iter()
                .filter_map(|place| {
                    if sorted {
                        state.explore.line_of(*place as usize)
                    } else {
                        Some(*place as usize)
                    }
                })
                .collect();
            if sorted {
                lines.sort_unstable();
            }
            let at = state.explore.list.selected;
            let next = if forward {
                let after = |line: &&usize| **line > at || (here && **line == at);
                lines.iter().find(after).or_else(|| lines.first())
            } else {
                lines
                    .iter()
                    .rfind(|line| **line < at)
                    .or_else(|| lines.last())
            };
            if let Some(line) = next.copied() {
                let (len, height) = (state.explore.len(&ruleset), main_height(state, &ruleset));
                state.explore.list.jump(line, len, height);
                take_handle(state, &ruleset);
            }
        }
        Hits::Nodes(nodes) => {
            let selected = state.explore.tree.selected.clone();
            let at = nodes.iter().position(|key| Some(key) == selected.as_ref());
            let count = nodes.len();
            let next = match at {
                Some(at) if here => at,
                Some(at) if forward => (at + 1) % count,
                Some(at) => (at + count - 1) % count,
                None => 0,
            };
            if let Some(key) = nodes.get(next).cloned() {
                let before = state.explore.tree.selected.clone();
                state.explore.touched = true;
                if state.explore.tree.select(&ruleset, key) && state.explore.tree.selected != before
                {
                    entered(state, &ruleset, before, effects);
                }
                let (rows, height) = (state.explore.tree.rows.len(), tree_height(state));
                let line = state.explore.tree.list.selected;
                state.explore.tree.list.jump(line, rows, height);
            }
        }
    }
}
