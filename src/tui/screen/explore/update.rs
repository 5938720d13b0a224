//! What happens on Explore.

use super::copy::copy_text;
use super::go::{back, follow, go_to, targets};
use super::node::{NodeKey, chain_key};
use super::walk::{collapse, expand, turn_pane};
use super::{Content, Pane, list_area};
use crate::model::{ElementList, Elements, Ruleset};
use crate::session::{ChainKey, Command, Picture};
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State, job};
use crate::tui::effect::Effect;
use crate::tui::job::{Job, Sort, Target, read_maps};
use crate::tui::search;
use std::sync::Arc;
use std::time::Duration;

/// How long a set must stay selected before its elements are read.
const DWELL: Duration = Duration::from_millis(200);

/// How long to wait before elements are asked for again.
const RETRY: Duration = Duration::from_secs(5);

pub(super) fn main_height(state: &State, ruleset: &Ruleset) -> usize {
    let content = state.explore.content(ruleset);
    let panes = state.explore.panes(state.body(), &content);
    let main = panes.main.map(|main| list_area(main, &content));
    usize::from(main.map_or(1, |area| area.height))
}

pub(super) fn tree_height(state: &State) -> usize {
    usize::from(state.body().height.saturating_sub(1))
}

/// Keep cursors on the screen after its size or the picture has changed.
pub fn settle(state: &mut State) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    super::edit::mix(state);
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
    let first = ruleset.shown().find_map(|table| {
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
    super::edit::mix(state);
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

pub(super) fn take_handle(state: &mut State, ruleset: &Ruleset) {
    state.explore.handle = state
        .explore
        .rule(ruleset)
        .map(|(_, _, _, rule)| rule.handle);
}

/// Another node was selected in the tree.
pub(super) fn entered(
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
    // These say themselves what they show.
    if matches!(state.screen, Screen::Flow | Screen::Services) {
        return;
    }
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
    let rules = ruleset.find(family, &name).map_or(0, |table| {
        let rules: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
        rules + read_maps(table)
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
    let due = match &state.explore.elements_asked {
        Some((asked, due)) if *asked == key => *due,
        // Who only passes on the way through the tree does not wait here; who has opened the set does.
        _ if state.explore.focus == Pane::Tree => state.now + DWELL,
        _ => state.now,
    };
    let ask = state.now >= due;
    let due = if ask { state.now + RETRY } else { due };
    state.explore.elements_asked = Some((key, due));
    if ask {
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
    if ruleset.shown().next().is_none() {
        return false;
    }
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
        Action::Syntax => match explore.content(ruleset) {
            Content::Rules(table, _) => explore.printer(picture, table).is_iptables(),
            _ => false,
        },
        _ if action.edits() => super::edit::enabled(state, ruleset, action),
        Action::OpenItem => {
            matches!(explore.content(ruleset), Content::Listing(_)) && explore.focus == Pane::Main
        }
        Action::Follow => explore.focus != Pane::Tree && !targets(state, ruleset).is_empty(),
        Action::CopyText => explore.focus != Pane::Tree && explore.len(ruleset) > 0,
        Action::CopyHandle => explore.focus != Pane::Tree && explore.rule(ruleset).is_some(),
        _ => true,
    }
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
        _ if action.edits() => super::edit::perform(state, &ruleset, action, effects),
        Action::Syntax => state.explore.nft_syntax = !state.explore.nft_syntax,
        Action::CopyText => copy_text(state, &ruleset, effects),
        Action::CopyHandle => {
            if let Some((table, _, _, rule)) = state.explore.rule(&ruleset) {
                let handle = rule.handle.to_string();
                // Rules of legacy tables have no handles; commands name them by their numbers.
                let what = match ruleset.is_legacy(table.family, &table.name) {
                    true => "number",
                    false => "handle",
                };
                state.notify(Level::Info, format!("copied {what} {handle}"));
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
pub(super) fn cursor_moved(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let before = state.explore.tree.selected.clone();
    state.explore.tree.take_cursor(ruleset);
    if state.explore.tree.selected != before {
        entered(state, ruleset, before, effects);
    }
}
