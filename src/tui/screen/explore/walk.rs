//! Walking the tree and the panes: opening, closing, giving the focus on.

use super::update::cursor_moved;
use super::{Content, Pane};
use crate::model::Ruleset;
use crate::tui::app::State;
use crate::tui::effect::Effect;

/// Give the focus to the next or previous pane that is there.
pub(super) fn turn_pane(state: &mut State, ruleset: &Ruleset, forward: bool) {
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

pub(super) fn expand(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
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

pub(super) fn collapse(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
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
