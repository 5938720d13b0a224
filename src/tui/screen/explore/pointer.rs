//! The mouse on Explore.

use super::update::{
    cursor_moved, enabled, main_height, perform, scroll_details, settle, take_handle, tree_height,
};
use super::walk::{collapse, expand};
use super::{Pane, list_area};
use crate::tui::action::Action;
use crate::tui::app::State;
use crate::tui::effect::Effect;

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
