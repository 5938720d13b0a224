//! What happens on Routes.

use crate::session::Command;
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::widget::input::Input;

pub fn pictured(_state: &mut State) {}

pub fn settle(_state: &mut State) {}

pub fn enabled(state: &State, action: Action) -> bool {
    match action {
        Action::CopyText => matches!(state.routes.answer, Some(Ok(_))),
        _ => true,
    }
}

pub fn answer(state: &mut State, ticket: u64, answer: Result<String, String>) {
    if ticket == state.routes.ticket {
        state.routes.answer = Some(answer);
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Lookup => state.routes.editing = Some(Input::new(&state.routes.question)),
        Action::CopyText => {
            if let Some(Ok(text)) = state.routes.answer.clone() {
                state.notify(Level::Info, "copied the kernel's answer");
                effects.push(Effect::Copy(text));
            }
        }
        _ => {}
    }
}

pub fn perform_editing(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Cancel => state.routes.editing = None,
        Action::Accept => {
            let text = state
                .routes
                .editing
                .take()
                .map(|input| input.text().to_string());
            let text = text.unwrap_or_default();
            match super::query::parse(&text) {
                Ok(query) => {
                    let ticket = state.ticket();
                    state.routes.ticket = ticket;
                    state.routes.question = text;
                    state.routes.answer = None;
                    effects.push(Effect::Send(Command::RouteGet { ticket, query }));
                }
                Err(why) => {
                    state.notify(Level::Error, why);
                    state.routes.editing = Some(Input::new(&text));
                }
            }
        }
        _ => {}
    }
}

pub fn click(_state: &mut State, _x: u16, _y: u16) {}

pub fn wheel(_state: &mut State, _x: u16, _y: u16, _lines: isize) {}
