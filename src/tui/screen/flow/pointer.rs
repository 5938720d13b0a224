//! The mouse on Flow.

use super::layout::has;
use super::panes::List;
use super::update::{choose_family, follow, heights, settle, turn};
use super::{Focus, form};
use crate::tui::action::Action;
use crate::tui::app::State;
use ratatui::layout::Rect;

pub fn click(state: &mut State, x: u16, y: u16) {
    let at = (x, y).into();
    if let Some(form) = &mut state.flow.form {
        let window = form::area(state.size);
        let inner = Rect {
            x: window.x + 2,
            y: window.y + 1,
            width: window.width.saturating_sub(4),
            height: window.height.saturating_sub(2),
        };
        let hit = form::places(inner)
            .iter()
            .position(|area| area.contains(at));
        form.at = hit.unwrap_or(form.at);
        return;
    }
    let layout = state.flow.layout(state.body());
    let (height, _) = heights(state);
    let len = state.flow.lines();
    let family = state.flow.family;
    let flow = &mut state.flow;
    let family_at = layout
        .families()
        .into_iter()
        .find(|(_, area)| area.contains(at));
    if let Some((chosen, _)) = family_at {
        choose_family(flow, chosen);
    } else if let Some(station) = layout.at(x, y).filter(|station| has(family, *station)) {
        flow.focus = Focus::Hooks;
        flow.station = station;
        flow.entries = Default::default();
        flow.scroll = 0;
    } else if layout.list.contains(at) {
        if flow.focus == Focus::About {
            flow.focus = Focus::Steps;
        }
        let list = match flow.list() {
            List::Entries => &mut flow.entries,
            List::Steps | List::Examples => &mut flow.steps,
        };
        let line = usize::from(y.saturating_sub(layout.list.y + 1));
        let place = list.visible(len, height).start + line;
        if y > layout.list.y && place < len {
            list.selected = place;
            flow.scroll = 0;
            if flow.list() == List::Steps {
                follow(flow);
            }
        }
    } else if layout.about.contains(at) {
        flow.focus = Focus::About;
    }
    settle(state);
}

pub fn wheel(state: &mut State, x: u16, y: u16, notch: isize) {
    let layout = state.flow.layout(state.body());
    let at = (x, y).into();
    let (height, _) = heights(state);
    if layout.about.contains(at) {
        let action = if notch < 0 { Action::Up } else { Action::Down };
        let focus = std::mem::replace(&mut state.flow.focus, Focus::About);
        for _ in 0..notch.unsigned_abs() {
            turn(state, action);
        }
        state.flow.focus = focus;
        return;
    }
    let len = state.flow.lines();
    let flow = &mut state.flow;
    match flow.list() {
        List::Entries => flow.entries.scroll(notch, len, height),
        List::Steps | List::Examples => {
            flow.steps.scroll(notch, len, height);
            follow(flow);
        }
    }
}
