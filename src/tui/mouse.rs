//! The mouse: clicks and the wheel become what keys would have done.

use super::action::Action;
use super::app::{Screen, State, perform};
use super::effect::Effect;
use super::overlay::{self, Overlay};
use super::{chrome, screen};
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

/// Lines per notch of the wheel.
const NOTCH: isize = 3;

pub fn update(state: &mut State, event: MouseEvent, effects: &mut Vec<Effect>) {
    let (x, y) = (event.column, event.row);
    match event.kind {
        MouseEventKind::Down(MouseButton::Left) => click(state, x, y, effects),
        MouseEventKind::ScrollUp => wheel(state, x, y, -NOTCH, effects),
        MouseEventKind::ScrollDown => wheel(state, x, y, NOTCH, effects),
        _ => {}
    }
}

fn click(state: &mut State, x: u16, y: u16, effects: &mut Vec<Effect>) {
    match &state.overlay {
        Some(Overlay::Finder(_)) => {
            overlay::finder::click(state, x, y, effects);
            return;
        }
        // Nobody loses what was written by a click beside it.
        Some(Overlay::Editor(_) | Overlay::Ask(_)) => return,
        Some(Overlay::Help { .. } | Overlay::Messages { .. } | Overlay::Boot { .. }) => {
            if !overlay::help::area(state.size).contains((x, y).into()) {
                state.overlay = None;
            }
            return;
        }
        None => {}
    }
    let areas = chrome::areas(state.size);
    let at = (x, y).into();
    if areas.tabs.contains(at) {
        let tab = chrome::tabs(areas.tabs)
            .into_iter()
            .find(|(_, r)| r.contains(at));
        if let Some((screen, _)) = tab {
            state.screen = screen;
        }
    } else if areas.footer.contains(at) {
        let items = chrome::footer_items(state, areas.footer);
        let hit = items.into_iter().find(|item| item.area.contains(at));
        if let Some(item) = hit {
            perform(state, item.action, effects);
        }
    } else if areas.body.contains(at) {
        match state.screen {
            Screen::Explore => screen::explore::pointer::click(state, x, y, effects),
            Screen::Routes => screen::routes::update::click(state, x, y),
            Screen::Changes => screen::changes::update::click(state, y),
            Screen::Flow => screen::flow::pointer::click(state, x, y),
            Screen::Live => screen::live::update::click(state, x, y),
            Screen::Services => screen::services::update::click(state, x, y),
            Screen::Flows => screen::flows::update::click(state, x, y),
        }
    }
}

fn wheel(state: &mut State, x: u16, y: u16, lines: isize, effects: &mut Vec<Effect>) {
    if state.overlay.is_some() {
        let action = if lines < 0 { Action::Up } else { Action::Down };
        for _ in 0..lines.unsigned_abs() {
            perform(state, action, effects);
        }
        return;
    }
    if chrome::areas(state.size).body.contains((x, y).into()) {
        match state.screen {
            Screen::Explore => screen::explore::pointer::wheel(state, x, y, lines, effects),
            Screen::Routes => screen::routes::update::wheel(state, x, y, lines),
            Screen::Flow => screen::flow::pointer::wheel(state, x, y, lines),
            Screen::Services => screen::services::update::wheel(state, x, y, lines),
            Screen::Flows => screen::flows::update::wheel(state, x, y, lines),
            Screen::Changes | Screen::Live => {
                let action = if lines < 0 { Action::Up } else { Action::Down };
                perform(state, action, effects);
            }
        }
    }
}
