//! What happens on Explore.

use super::node::{Item, NodeKey, chain_key};
use super::{Content, Pane, list_area};
use crate::model::{ElementList, Elements, Name, Ruleset};
use crate::session::{ChainKey, Command, Picture};
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State, job};
use crate::tui::effect::Effect;
use crate::tui::job::{Found, Hits, Job, SearchPlace, Sort, Target};
use crate::tui::overlay::finder;
use crate::tui::{search, text};
use std::sync::Arc;
use std::time::Duration;

/// How long a set must stay selected before its elements are read.
const DWELL: Duration = Duration::from_millis(200);
/// How long to wait before elements are asked for again.
const RETRY: Duration = Duration::from_secs(5);
const HISTORY_MAX: usize = 100;

fn main_height(state: &State, ruleset: &Ruleset) -> usize {
    let content = state.explore.content(ruleset);
    let panes = state.explore.panes(state.body(), &content);
    let main = panes.main.map(|main| list_area(main, &content));
    usize::from(main.map_or(1, |area| area.height))
}

fn tree_height(state: &State) -> usize {
    usize::from(state.body().height.saturating_sub(1))
}

/// Keep cursors on the screen after its size or the picture has changed.
pub fn settle(state: &mut State) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let height = main_height(state, &ruleset);
    let len = state.explore.len(&ruleset);
    state.explore.list.settle(len, height);
    let height = tree_height(state);
    let rows = state.explore.tree.rows.len();
    state.explore.tree.list.settle(rows, height);
}

/// A new picture is there.
pub fn pictured(state: &mut State, previous: Option<&Picture>, effects: &mut Vec<Effect>) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let same = previous.is_some_and(|previous| Arc::ptr_eq(&previous.ruleset, &ruleset));
    if !same {
        let before = state.explore.tree.selected.clone();
        state.explore.tree.rebuild(&ruleset);
        if !state.explore.touched {
            choose_first(state, &ruleset);
        }
        if state.explore.tree.selected != before {
            entered(state, &ruleset, before, effects);
        } else {
            list_children(state, &ruleset);
            find_rule_again(state, &ruleset);
        }
        let changed = previous.is_some_and(|p| p.ruleset.generation != ruleset.generation);
        if changed && state.search.is_active() {
            search::start(state, false, effects);
        }
    }
    if state.explore.sort != Sort::Place {
        ask_order(state, effects);
    }
    prepare(state, &ruleset, effects);
    show_chain(state, &ruleset, effects);
    ask_references(state, &ruleset, effects);
    settle(state);
}

/// Start on the first chain at a hook: that is where packets arrive.
fn choose_first(state: &mut State, ruleset: &Ruleset) {
    if matches!(state.explore.tree.selected, Some(NodeKey::Chain(..))) {
        return;
    }
    let first = ruleset.tables.iter().find_map(|table| {
        let hooked = |chain: &&Arc<crate::model::Chain>| chain.base.is_some();
        let chain = table.chains.iter().find(hooked)?;
        Some(NodeKey::chain(&chain_key(table, chain)))
    });
    if let Some(key) = first {
        state.explore.tree.select(ruleset, key);
    }
}

fn list_children(state: &mut State, ruleset: &Ruleset) {
    let explore = &mut state.explore;
    let is_listing = matches!(explore.content(ruleset), Content::Listing(_));
    explore.listing = if is_listing {
        let node = explore.tree.rows.get(explore.tree.list.selected);
        match node.map(|row| row.node.clone()) {
            Some(node) => explore.tree.children(ruleset, &node),
            None => Vec::new(),
        }
    } else {
        Vec::new()
    };
}

/// Rules may have moved: put the cursor back on the rule it was on.
fn find_rule_again(state: &mut State, ruleset: &Ruleset) {
    let explore = &mut state.explore;
    let (Some(handle), Content::Rules(_, chain)) = (explore.handle, explore.content(ruleset))
    else {
        return;
    };
    let here = chain.rules.get(explore.place_of(explore.list.selected));
    if here.is_some_and(|rule| rule.handle == handle) {
        return;
    }
    let line = chain
        .rules
        .index_of(handle)
        .and_then(|place| explore.line_of(place));
    match line {
        Some(line) => explore.list.selected = line,
        None => take_handle(state, ruleset),
    }
}

fn take_handle(state: &mut State, ruleset: &Ruleset) {
    state.explore.handle = state
        .explore
        .rule(ruleset)
        .map(|(_, _, _, rule)| rule.handle);
}

/// Another node was selected in the tree.
fn entered(
    state: &mut State,
    ruleset: &Ruleset,
    before: Option<NodeKey>,
    effects: &mut Vec<Effect>,
) {
    let explore = &mut state.explore;
    if let Some(before) = before {
        let place = (explore.list.selected, explore.handle);
        explore.places.insert(before, place);
    }
    let known = explore.tree.selected.as_ref();
    let known = known.and_then(|key| explore.places.get(key)).copied();
    let (line, handle) = known.unwrap_or_default();
    explore.list = Default::default();
    explore.list.selected = line;
    explore.handle = handle;
    explore.order = Default::default();
    explore.details_scroll = 0;
    explore.elements_asked = None;
    explore.printing = None;
    if explore.printed.as_ref().map(|printed| &printed.set) != explore.tree.selected.as_ref() {
        explore.printed = None;
    }
    list_children(state, ruleset);
    if state.explore.sort == Sort::Place {
        find_rule_again(state, ruleset);
    }
    ask_order(state, effects);
    prepare(state, ruleset, effects);
    show_chain(state, ruleset, effects);
    ask_references(state, ruleset, effects);
    settle(state);
    take_handle(state, ruleset);
}

/// Keep what prints the table on the screen, and have the elements of the set on the screen printed.
fn prepare(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let Some(picture) = state.picture.clone() else {
        return;
    };
    match state.explore.content(ruleset) {
        Content::Rules(table, _) => {
            let printer = state.explore.printer(&picture, table);
            state.explore.printer = Some(printer);
        }
        Content::Elements(table, set) => {
            let printer = state.explore.printer(&picture, table);
            state.explore.printer = Some(printer);
            let Elements::Read(list) = &set.elements else {
                return;
            };
            let key = NodeKey::Set(table.family, table.name.clone(), set.name.clone());
            let same = |other: &Arc<ElementList>| Arc::ptr_eq(other, list);
            let printed = state.explore.printed.as_ref();
            let done = printed.is_some_and(|p| p.set == key && same(&p.list));
            if !done && !state.explore.printing.as_ref().is_some_and(same) {
                state.explore.printing = Some(list.clone());
                effects.push(Effect::Job(Job::Elements {
                    picture,
                    family: table.family,
                    table: table.name.clone(),
                    set: set.name.clone(),
                }));
            }
        }
        _ => {}
    }
}

/// Tell the session what is on the screen.
fn show_chain(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let shown: Vec<ChainKey> = match state.explore.content(ruleset) {
        Content::Rules(table, chain) => vec![chain_key(table, chain)],
        _ => Vec::new(),
    };
    if shown != state.explore.shown {
        state.explore.shown = shown.clone();
        effects.push(Effect::Send(Command::Show(shown)));
    }
}

/// Count who refers to what in the table that is on the screen, once per state of the ruleset.
fn ask_references(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let Some(key) = &state.explore.tree.selected else {
        return;
    };
    let Some((family, name)) = key.table() else {
        return;
    };
    let name = name.clone();
    let rules = ruleset.table(family, &name).map_or(0, |table| {
        table.chains.iter().map(|chain| chain.rules.len()).sum()
    });
    let asked = (
        NodeKey::Table(family, name.clone()),
        ruleset.generation,
        rules,
    );
    if state.explore.incoming_asked.as_ref() != Some(&asked) {
        state.explore.incoming_asked = Some(asked);
        job(state, effects, |picture| Job::References {
            picture,
            family,
            table: name,
        });
    }
}

fn ask_order(state: &mut State, effects: &mut Vec<Effect>) {
    let ticket = state.ticket();
    state.explore.order.ticket = ticket;
    let sort = state.explore.sort;
    let chain = match state
        .ruleset()
        .map(|ruleset| match state.explore.content(&ruleset) {
            Content::Rules(table, chain) => Some(chain_key(table, chain)),
            _ => None,
        }) {
        Some(Some(chain)) if sort != Sort::Place => chain,
        _ => {
            state.explore.order.places = None;
            return;
        }
    };
    job(state, effects, |picture| Job::Order {
        ticket,
        picture,
        chain,
        sort,
    });
}

pub fn ordered(state: &mut State, ticket: u64, order: Vec<u32>) {
    if ticket != state.explore.order.ticket {
        return;
    }
    state.explore.order.places = Some(Arc::new(order));
    if let Some(ruleset) = state.ruleset() {
        // A person who has not moved wants the top of the new order; one who has wants the same rule.
        if state.explore.list.selected > 0 {
            find_rule_again(state, &ruleset);
        } else {
            take_handle(state, &ruleset);
        }
        settle(state);
    }
}

pub fn tick(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen != Screen::Explore {
        return;
    }
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let Content::Elements(table, set) = state.explore.content(&ruleset) else {
        return;
    };
    if set.elements != Elements::NotRead {
        return;
    }
    let key = NodeKey::Set(table.family, table.name.clone(), set.name.clone());
    let wait = match &state.explore.elements_asked {
        Some((asked, at)) if *asked == key => state.now.saturating_sub(*at) < RETRY,
        _ => false,
    };
    if !wait {
        state.explore.elements_asked = Some((key, state.now + DWELL));
        effects.push(Effect::Send(Command::ReadElements {
            family: table.family,
            table: table.name.clone(),
            set: set.name.clone(),
        }));
    }
}

pub fn enabled(state: &State, action: Action) -> bool {
    let Some(picture) = &state.picture else {
        return false;
    };
    let explore = &state.explore;
    let ruleset = &picture.ruleset;
    match action {
        Action::Expand | Action::Collapse | Action::CollapseAll => explore.focus == Pane::Tree,
        Action::ToggleTree => !explore.zoom,
        Action::ToTree => explore.focus != Pane::Tree,
        Action::Back => !explore.history.is_empty(),
        Action::Zoom => {
            explore.zoom
                || (explore.focus != Pane::Tree && explore.len(ruleset) > 0)
                    && !matches!(explore.content(ruleset), Content::Listing(_))
        }
        Action::Sort => matches!(explore.content(ruleset), Content::Rules(..)),
        Action::OpenItem => {
            matches!(explore.content(ruleset), Content::Listing(_)) && explore.focus == Pane::Main
        }
        Action::Follow => explore.focus != Pane::Tree && !targets(state, ruleset).is_empty(),
        Action::CopyText => explore.focus != Pane::Tree && explore.len(ruleset) > 0,
        Action::CopyHandle => explore.focus != Pane::Tree && explore.rule(ruleset).is_some(),
        _ => true,
    }
}

/// Where the rule under the cursor points.
fn targets(state: &State, ruleset: &Ruleset) -> Vec<Target> {
    let Some((table, _, _, rule)) = state.explore.rule(ruleset) else {
        return Vec::new();
    };
    let family = table.family;
    let here = || table.name.clone();
    let references = text::rule_references(rule);
    let mut keys: Vec<NodeKey> = Vec::new();
    let chains = references.jumps.into_iter();
    keys.extend(chains.map(|name| NodeKey::Chain(family, here(), name)));
    let sets = references.sets.into_iter();
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

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    state.explore.touched = true;
    match action {
        Action::NextPane => turn_pane(state, &ruleset, true),
        Action::PreviousPane => turn_pane(state, &ruleset, false),
        Action::ToTree => {
            state.explore.zoom = false;
            state.explore.tree_hidden = false;
            state.explore.focus = Pane::Tree;
        }
        Action::ToggleTree => {
            let visible = {
                let content = state.explore.content(&ruleset);
                let panes = state.explore.panes(state.body(), &content);
                panes.tree.is_some()
            };
            state.explore.tree_hidden = visible;
            if visible {
                if state.explore.focus == Pane::Tree {
                    state.explore.focus = Pane::Main;
                }
            } else {
                state.explore.focus = Pane::Tree;
            }
        }
        Action::Zoom => {
            state.explore.zoom = !state.explore.zoom;
            state.explore.details_scroll = 0;
            state.explore.focus = if state.explore.zoom {
                Pane::Details
            } else {
                Pane::Main
            };
        }
        Action::Expand => expand(state, &ruleset, effects),
        Action::Collapse => collapse(state, &ruleset, effects),
        Action::CollapseAll => {
            let before = state.explore.tree.selected.clone();
            state.explore.tree.close_all();
            if let Some((family, table)) = before.as_ref().and_then(NodeKey::table) {
                state.explore.tree.selected = Some(NodeKey::Table(family, table.clone()));
            }
            state.explore.tree.rebuild(&ruleset);
            entered(state, &ruleset, before, effects);
        }
        Action::Follow => follow(state, &ruleset, effects),
        Action::OpenItem => {
            let node = state.explore.listing.get(state.explore.list.selected);
            if let Some(key) = node.and_then(|node| node.key(&ruleset)) {
                go_to(state, Target::Node(key), effects);
            }
        }
        Action::Back => back(state, &ruleset, effects),
        Action::Sort => {
            state.explore.sort = match state.explore.sort {
                Sort::Place => Sort::Rate,
                Sort::Rate => Sort::Packets,
                Sort::Packets => Sort::Bytes,
                Sort::Bytes => Sort::Place,
            };
            ask_order(state, effects);
            if state.explore.sort == Sort::Place {
                find_rule_again(state, &ruleset);
                settle(state);
            }
        }
        Action::CopyText => copy_text(state, &ruleset, effects),
        Action::CopyHandle => {
            if let Some((_, _, _, rule)) = state.explore.rule(&ruleset) {
                let handle = rule.handle.to_string();
                state.notify(Level::Info, format!("copied handle {handle}"));
                effects.push(Effect::Copy(handle));
            }
        }
        _ => motion(state, &ruleset, action, effects),
    }
    settle(state);
}

fn motion(state: &mut State, ruleset: &Ruleset, action: Action, effects: &mut Vec<Effect>) {
    match state.explore.focus {
        Pane::Tree => {
            let height = tree_height(state);
            let rows = state.explore.tree.rows.len();
            state.explore.tree.list.act(action, rows, height);
            cursor_moved(state, ruleset, effects);
        }
        Pane::Main => {
            let height = main_height(state, ruleset);
            let len = state.explore.len(ruleset);
            state.explore.list.act(action, len, height);
            state.explore.details_scroll = 0;
            take_handle(state, ruleset);
        }
        Pane::Details => scroll_details(state, action),
    }
}

pub fn scroll_details(state: &mut State, action: Action) {
    let (len, height) = super::details::extent(state);
    let scroll = state.explore.details_scroll;
    state.explore.details_scroll = crate::tui::app::scrolled(scroll, action, len, height);
}

/// The cursor of the tree has moved.
fn cursor_moved(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let before = state.explore.tree.selected.clone();
    state.explore.tree.take_cursor(ruleset);
    if state.explore.tree.selected != before {
        entered(state, ruleset, before, effects);
    }
}

/// Give the focus to the next or previous pane that is there.
fn turn_pane(state: &mut State, ruleset: &Ruleset, forward: bool) {
    let has_details = matches!(
        state.explore.content(ruleset),
        Content::Rules(..) | Content::Elements(..)
    );
    let mut panes = vec![Pane::Tree, Pane::Main];
    if has_details {
        panes.push(Pane::Details);
    }
    if state.explore.tree_hidden {
        panes.remove(0);
    }
    if state.explore.zoom {
        state.explore.zoom = false;
        state.explore.focus = Pane::Details;
    }
    let at = panes.iter().position(|pane| *pane == state.explore.focus);
    let step = if forward { 1 } else { panes.len() - 1 };
    let next = (at.unwrap_or(0) + step) % panes.len();
    if let Some(pane) = panes.get(next) {
        state.explore.focus = *pane;
    }
}

fn expand(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let Some(row) = state
        .explore
        .tree
        .rows
        .get(state.explore.tree.list.selected)
    else {
        return;
    };
    if row.expandable && !row.open {
        if let Some(key) = row.node.key(ruleset) {
            state.explore.tree.set_open(key, true);
            state.explore.tree.rebuild(ruleset);
        }
    } else if row.expandable {
        let depth = row.depth;
        let next = state.explore.tree.list.selected + 1;
        let child = state.explore.tree.rows.get(next);
        if child.is_some_and(|child| child.depth > depth) {
            state.explore.tree.list.selected = next;
            cursor_moved(state, ruleset, effects);
        }
    } else {
        state.explore.focus = Pane::Main;
    }
}

fn collapse(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let at = state.explore.tree.list.selected;
    let Some(row) = state.explore.tree.rows.get(at) else {
        return;
    };
    if row.expandable && row.open {
        if let Some(key) = row.node.key(ruleset) {
            state.explore.tree.set_open(key, false);
            state.explore.tree.rebuild(ruleset);
        }
        return;
    }
    let depth = row.depth;
    let above = state.explore.tree.rows.get(..at).unwrap_or_default();
    if let Some(parent) = above.iter().rposition(|row| row.depth < depth) {
        state.explore.tree.list.selected = parent;
        cursor_moved(state, ruleset, effects);
    }
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

fn follow(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
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

fn back(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    if let Some((key, handle)) = state.explore.history.pop() {
        move_to(state, ruleset, key, handle, effects);
    }
}

fn copy_text(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let Some(picture) = state.picture.clone() else {
        return;
    };
    let text = match state.explore.content(ruleset) {
        Content::Rules(..) => {
            let rule = state.explore.rule(ruleset);
            rule.map(|(table, _, _, rule)| state.explore.printer(&picture, table).rule(rule))
        }
        Content::Elements(..) => {
            let texts = state.explore.texts();
            let text = texts.and_then(|texts| texts.get(state.explore.list.selected));
            text.map(str::to_string)
        }
        Content::Listing(_) => {
            let node = state.explore.listing.get(state.explore.list.selected);
            node.and_then(|node| node.item(ruleset)).and_then(name_of)
        }
        _ => None,
    };
    if let Some(text) = text {
        state.notify(Level::Info, format!("copied: {text}"));
        effects.push(Effect::Copy(text));
    }
}

fn name_of(item: Item<'_>) -> Option<String> {
    let name: &Name = match item {
        Item::Table(table) => &table.name,
        Item::Chain(_, chain) => &chain.name,
        Item::Set(_, set) => &set.name,
        Item::Flowtable(_, flowtable) => &flowtable.name,
        Item::Object(_, object) => &object.name,
        _ => return None,
    };
    Some(name.to_string())
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

/// A click into the body of the screen.
pub fn click(state: &mut State, x: u16, y: u16, effects: &mut Vec<Effect>) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    state.explore.touched = true;
    let content = state.explore.content(&ruleset);
    let panes = state.explore.panes(state.body(), &content);
    let list = panes.main.map(|main| list_area(main, &content));
    let at = (x, y).into();
    if let Some(tree) = panes.tree.filter(|tree| tree.contains(at)) {
        state.explore.focus = Pane::Tree;
        let rows = state.explore.tree.rows.len();
        let visible = state.explore.tree.list.visible(rows, tree_height(state));
        let line = usize::from(y.saturating_sub(tree.y + 1));
        if y == tree.y || line >= visible.len() {
            return;
        }
        let line = visible.start + line;
        let again = state.explore.tree.list.selected == line;
        state.explore.tree.list.selected = line;
        if again {
            let row = state.explore.tree.rows.get(line);
            match row {
                Some(row) if row.expandable && row.open => collapse(state, &ruleset, effects),
                Some(_) => expand(state, &ruleset, effects),
                None => {}
            }
        }
        cursor_moved(state, &ruleset, effects);
    } else if let Some(list) = list.filter(|list| list.contains(at)) {
        let len = state.explore.len(&ruleset);
        let visible = state.explore.list.visible(len, usize::from(list.height));
        let line = visible.start + usize::from(y - list.y);
        let again = state.explore.focus == Pane::Main && state.explore.list.selected == line;
        state.explore.focus = Pane::Main;
        if line < len {
            state.explore.list.selected = line;
            take_handle(state, &ruleset);
            if again {
                let open = [Action::OpenItem, Action::Follow];
                if let Some(action) = open.into_iter().find(|a| enabled(state, *a)) {
                    perform(state, action, effects);
                }
            }
        }
    } else if panes.main.is_some_and(|main| main.contains(at)) {
        state.explore.focus = Pane::Main;
    } else if [panes.details, panes.extra]
        .into_iter()
        .flatten()
        .any(|pane| pane.contains(at))
    {
        state.explore.focus = Pane::Details;
    }
    settle(state);
}

/// The wheel over the body of the screen.
pub fn wheel(state: &mut State, x: u16, y: u16, lines: isize, effects: &mut Vec<Effect>) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let content = state.explore.content(&ruleset);
    let panes = state.explore.panes(state.body(), &content);
    let at = (x, y).into();
    if panes.tree.is_some_and(|tree| tree.contains(at)) {
        let (rows, height) = (state.explore.tree.rows.len(), tree_height(state));
        state.explore.tree.list.scroll(lines, rows, height);
        cursor_moved(state, &ruleset, effects);
    } else if panes.main.is_some_and(|main| main.contains(at)) {
        let (len, height) = (state.explore.len(&ruleset), main_height(state, &ruleset));
        state.explore.list.scroll(lines, len, height);
        take_handle(state, &ruleset);
    } else {
        let action = if lines < 0 { Action::Up } else { Action::Down };
        for _ in 0..lines.unsigned_abs() {
            scroll_details(state, action);
        }
    }
}
