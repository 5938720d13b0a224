//! What happens on Routes.

use super::{Item, Pane, items, len, lines, list_area};
use crate::model::network::{FibFamily, RuleAction, table};
use crate::session::Command;
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State};
use crate::tui::effect::Effect;
use crate::tui::widget::input::Input;

/// Heights of the list of items and of the lines.
fn heights(state: &State) -> (usize, usize) {
    let panes = state.routes.panes(state.body());
    let items = panes.items.height.saturating_sub(1);
    (
        usize::from(items),
        usize::from(list_area(panes.lines).height),
    )
}

fn count(state: &State) -> usize {
    match (&state.picture, state.routes.selected) {
        (Some(picture), Some(item)) => len(&picture.network, item),
        _ => 0,
    }
}

pub fn pictured(state: &mut State) {
    let Some(picture) = state.picture.clone() else {
        return;
    };
    state.routes.items = items(&picture.network);
    let selected = state.routes.selected;
    let known = |item: Item| state.routes.items.contains(&item);
    let main = Item::Table(FibFamily::Ip4, table::MAIN);
    let touched = state.routes.touched;
    let choice = match selected.filter(|item| touched && known(*item)) {
        Some(item) => Some(item),
        None if known(main) => Some(main),
        None => state.routes.items.first().copied(),
    };
    if let Some(item) = choice {
        select(state, item);
    }
    settle(state);
}

fn select(state: &mut State, item: Item) {
    let routes = &mut state.routes;
    if routes.selected != Some(item) {
        if let Some(old) = routes.selected {
            routes.places.insert(old, routes.list);
        }
        routes.list = routes.places.get(&item).copied().unwrap_or_default();
        routes.selected = Some(item);
    }
    if let Some(place) = routes.items.iter().position(|other| *other == item) {
        routes.item.selected = place;
    }
}

pub fn settle(state: &mut State) {
    let (items, lines) = heights(state);
    let (all, count) = (state.routes.items.len(), count(state));
    state.routes.item.settle(all, items);
    state.routes.list.settle(count, lines);
}

pub fn enabled(state: &State, action: Action) -> bool {
    match action {
        Action::CopyText => {
            (state.routes.focus == Pane::Lines && count(state) > 0)
                || matches!(state.routes.answer, Some(Ok(_)))
        }
        Action::Edit | Action::Delete | Action::AddAfter => super::edit::enabled(state, action),
        Action::OpenItem => match state.routes.focus {
            Pane::Items => true,
            Pane::Lines => target(state).is_some(),
        },
        _ => true,
    }
}

/// The table that the policy rule under the cursor looks in.
fn target(state: &State) -> Option<Item> {
    let picture = state.picture.as_ref()?;
    let Some(Item::Rules(family)) = state.routes.selected else {
        return None;
    };
    let rule = picture
        .network
        .rules_of(family)
        .nth(state.routes.list.selected)?;
    let item = Item::Table(family, rule.table);
    let known = rule.action == RuleAction::Lookup && state.routes.items.contains(&item);
    known.then_some(item)
}

pub fn answer(state: &mut State, ticket: u64, answer: Result<String, String>) {
    if ticket == state.routes.ticket {
        state.routes.answer = Some(answer);
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    state.routes.touched = true;
    match action {
        Action::Lookup => state.routes.editing = Some(Input::new(&state.routes.question)),
        Action::CopyText => copy(state, effects),
        Action::Edit | Action::Delete | Action::AddAfter => {
            super::edit::perform(state, action, effects);
        }
        Action::NextPane | Action::PreviousPane | Action::ToTree => {
            state.routes.focus = match state.routes.focus {
                Pane::Items => Pane::Lines,
                Pane::Lines => Pane::Items,
            };
        }
        Action::OpenItem => match (state.routes.focus, target(state)) {
            (Pane::Items, _) => state.routes.focus = Pane::Lines,
            (Pane::Lines, Some(item)) => select(state, item),
            _ => {}
        },
        _ => {
            let (item_height, line_height) = heights(state);
            match state.routes.focus {
                Pane::Items => {
                    let all = state.routes.items.len();
                    state.routes.item.act(action, all, item_height);
                    let item = state.routes.items.get(state.routes.item.selected).copied();
                    if let Some(item) = item {
                        select(state, item);
                    }
                }
                Pane::Lines => {
                    let count = count(state);
                    state.routes.list.act(action, count, line_height);
                }
            }
        }
    }
    settle(state);
}

fn copy(state: &mut State, effects: &mut Vec<Effect>) {
    let line = match (&state.picture, state.routes.selected, state.routes.focus) {
        (Some(picture), Some(item), Pane::Lines) => {
            lines::text(picture, item, state.routes.list.selected)
        }
        _ => None,
    };
    let answer = state.routes.answer.clone().and_then(Result::ok);
    if let Some(text) = line.or(answer) {
        state.notify(Level::Info, format!("copied: {text}"));
        effects.push(Effect::Copy(text));
    }
}

pub fn perform_editing(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Cancel => state.routes.editing = None,
        Action::Accept => {
            let text = state.routes.editing.take();
            let text = text
                .map(|input| input.text().to_string())
                .unwrap_or_default();
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

pub fn click(state: &mut State, x: u16, y: u16) {
    state.routes.touched = true;
    let panes = state.routes.panes(state.body());
    let at = (x, y).into();
    let lines = list_area(panes.lines);
    let (item_height, line_height) = heights(state);
    if panes.items.contains(at) {
        state.routes.focus = Pane::Items;
        let visible = state
            .routes
            .item
            .visible(state.routes.items.len(), item_height);
        let line = usize::from(y.saturating_sub(panes.items.y + 1));
        if y > panes.items.y
            && let Some(item) = state.routes.items.get(visible.start + line).copied()
        {
            select(state, item);
        }
    } else if lines.contains(at) {
        state.routes.focus = Pane::Lines;
        let count = count(state);
        let visible = state.routes.list.visible(count, line_height);
        let line = visible.start + usize::from(y - lines.y);
        if line < count {
            state.routes.list.selected = line;
        }
    } else if panes.lines.contains(at) {
        state.routes.focus = Pane::Lines;
    } else if panes.lookup.contains(at) {
        state.routes.editing = Some(Input::new(&state.routes.question));
    }
    settle(state);
}

pub fn wheel(state: &mut State, x: u16, y: u16, notch: isize) {
    let panes = state.routes.panes(state.body());
    let at = (x, y).into();
    let (item_height, line_height) = heights(state);
    if panes.items.contains(at) {
        let all = state.routes.items.len();
        state.routes.item.scroll(notch, all, item_height);
        let item = state.routes.items.get(state.routes.item.selected).copied();
        if let Some(item) = item {
            select(state, item);
        }
    } else if panes.lines.contains(at) {
        let count = count(state);
        state.routes.list.scroll(notch, count, line_height);
    }
    settle(state);
}

/// What a search looks through.
pub fn searched(state: &State) -> Option<Item> {
    (state.screen == Screen::Routes)
        .then_some(state.routes.selected)
        .flatten()
}

/// Go to the next of the places that a search found.
pub fn go_to_line(state: &mut State, places: &[u32], forward: bool, here: bool) {
    let at = state.routes.list.selected;
    let next = if forward {
        let after = |place: &&u32| **place as usize > at || (here && **place as usize == at);
        places.iter().find(after).or_else(|| places.first())
    } else {
        let before = |place: &&u32| (**place as usize) < at;
        places.iter().rfind(before).or_else(|| places.last())
    };
    if let Some(place) = next {
        let (count, (_, height)) = (count(state), heights(state));
        state.routes.list.jump(*place as usize, count, height);
    }
}

/// Show a line, from wherever one is.
pub fn go_to(state: &mut State, item: Item, place: usize) {
    state.routes.touched = true;
    select(state, item);
    state.routes.focus = Pane::Lines;
    let (count, (_, height)) = (count(state), heights(state));
    state.routes.list.jump(place, count, height);
    settle(state);
}
