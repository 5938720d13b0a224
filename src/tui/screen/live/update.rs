//! What keys and the feed do to Live.

use super::{Feed, Live, MOST, Running};
use crate::flow::filter_words;
use crate::session::ChainKey;
use crate::session::watch::Options;
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State};
use crate::tui::effect::Effect;
use crate::tui::job::Target;
use crate::tui::screen::{explore, flow};
use crate::tui::widget::input::Input;
use crate::tui::widget::paint;

/// Take what the feed tells.
pub fn fed(state: &mut State, feed: Feed) {
    let live = &mut state.live;
    match feed {
        Feed::Started => live.running = Running::Yes,
        Feed::Packets {
            packets,
            lost,
            left_out,
        } => {
            live.lost |= lost;
            live.left_out += left_out;
            let mut shown = 0;
            for packet in packets {
                live.seen += 1;
                live.dropped += u64::from(packet.is_drop());
                shown += usize::from(!live.drops_only || packet.is_drop());
                let list = live.held.as_mut().unwrap_or(&mut live.packets);
                list.push_front(packet);
                list.truncate(MOST);
            }
            // Who looks at a packet goes on looking at it.
            if live.held.is_none() && live.list.selected > 0 {
                live.list.selected += shown;
                live.list.offset += shown;
            }
        }
        Feed::Stopped(why) => {
            live.running = Running::No;
            live.trouble.clone_from(&why);
            if let Some(why) = why {
                state.notify(Level::Warning, why);
            }
        }
        Feed::Failed(why) => {
            live.running = Running::No;
            live.trouble = Some(why.clone());
            state.notify(Level::Error, why);
        }
    }
    settle(state);
}

pub fn enabled(state: &State, action: Action) -> bool {
    if state.screen != Screen::Live {
        return false;
    }
    let live = &state.live;
    match action {
        Action::Watch => !matches!(live.running, Running::Starting | Running::Stopping),
        Action::WatchFilter => true,
        Action::DropsOnly | Action::Pause => !live.packets.is_empty() || live.held.is_some(),
        Action::OpenItem => live.open.is_none() && live.selected().is_some(),
        Action::ClosePath => live.open.is_some(),
        Action::Predict => {
            let packet = live.open.as_ref().or(live.selected());
            packet.is_some() && state.picture.is_some()
        }
        Action::ToRule => live.rule().is_some(),
        Action::CopyText => live.selected().is_some(),
        _ => false,
    }
}

fn heights(state: &State) -> (usize, usize) {
    let panes = state.live.panes(state.body());
    let path = panes.path.unwrap_or_default();
    (
        usize::from(paint::inside(panes.list).height),
        usize::from(paint::inside(path).height),
    )
}

pub fn settle(state: &mut State) {
    let (list, path) = heights(state);
    let (shown, lines) = (state.live.shown().count(), state.live.lines().len());
    state.live.list.settle(shown, list);
    state.live.path.settle(lines, path);
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let (list, path) = heights(state);
    match action {
        Action::Watch => toggle(state, effects),
        Action::WatchFilter => state.live.editing = Some(Input::new(&state.live.filter)),
        Action::DropsOnly => {
            state.live.drops_only = !state.live.drops_only;
            state.live.list = Default::default();
        }
        Action::Pause => pause(&mut state.live),
        Action::OpenItem => {
            state.live.open = state.live.selected().cloned();
            // Where it ended is what people ask for.
            let place = state.live.lines().len().saturating_sub(2);
            state.live.path.selected = place;
        }
        Action::ClosePath => state.live.open = None,
        Action::Predict => {
            if let Some(packet) = state.live.open.as_ref().or(state.live.selected()) {
                flow::update::show_real(state, packet.clone(), effects);
            }
        }
        Action::ToRule => to_rule(state, effects),
        Action::CopyText => {
            if let Some(packet) = state.live.open.as_ref().or(state.live.selected()) {
                let words = crate::flow::options::text(&packet.question());
                effects.push(Effect::Copy(format!("hookscope trace {words}")));
                state.notify(
                    Level::Info,
                    "copied the packet, as a command that traces it",
                );
            }
        }
        // Beside the list, the path follows the selected packet.
        _ if state.live.open.is_some() => {
            let lines = state.live.lines().len();
            state.live.path.act(action, lines, path);
        }
        _ => {
            let shown = state.live.shown().count();
            state.live.list.act(action, shown, list);
        }
    }
    settle(state);
}

fn pause(live: &mut Live) {
    match live.held.take() {
        None => live.held = Some(Default::default()),
        Some(mut held) => {
            held.append(&mut live.packets);
            held.truncate(MOST);
            live.packets = held;
            live.list = Default::default();
        }
    }
}

fn toggle(state: &mut State, effects: &mut Vec<Effect>) {
    if state.live.running == Running::Yes {
        state.live.running = Running::Stopping;
        effects.push(Effect::Watch(None));
        return;
    }
    if state.settings.read_only {
        state.notify(
            Level::Error,
            "read-only: watching would install a table that marks packets for the kernel's trace",
        );
        return;
    }
    match filter_words::parse(&state.live.filter) {
        Ok(filter) => {
            state.live.trouble = None;
            state.live.running = Running::Starting;
            let options = Options {
                filter,
                ..Options::default()
            };
            effects.push(Effect::Watch(Some(Box::new(options))));
        }
        Err(wrong) => state.live.trouble = Some(wrong),
    }
}

/// While the filter is being written.
pub fn perform_editing(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Cancel => state.live.editing = None,
        Action::Accept => {
            let Some(input) = &state.live.editing else {
                return;
            };
            let text = input.text().trim().to_owned();
            match filter_words::parse(&text) {
                Ok(_) => {
                    state.live.editing = None;
                    let other = state.live.filter != text;
                    state.live.filter = text;
                    state.live.trouble = None;
                    // A new filter is a new watch.
                    if other && state.live.running == Running::Yes {
                        state.live.running = Running::No;
                        toggle(state, effects);
                    }
                }
                Err(wrong) => state.live.trouble = Some(wrong),
            }
        }
        _ => {}
    }
}

fn to_rule(state: &mut State, effects: &mut Vec<Effect>) {
    let live = &state.live;
    let Some(packet) = live.open.as_ref().or(live.selected()) else {
        return;
    };
    let Some((pass, hit)) = live.rule() else {
        return;
    };
    let Some(pass) = packet.passes.get(pass) else {
        return;
    };
    let key = ChainKey {
        family: pass.family,
        table: pass.table.clone(),
        chain: hit.chain.clone(),
    };
    let target = Target::Rule(key, hit.handle);
    state.screen = Screen::Explore;
    explore::go::go_to(state, target, effects);
}

pub fn click(state: &mut State, x: u16, y: u16) {
    let panes = state.live.panes(state.body());
    let at = (x, y).into();
    let (list, path) = heights(state);
    if panes.filter.contains(at) {
        state.live.editing = Some(Input::new(&state.live.filter));
    } else if let Some(pane) = panes.path.filter(|pane| pane.contains(at)) {
        let inner = paint::inside(pane);
        let lines = state.live.lines().len();
        let first = state.live.path.visible(lines, path).start;
        if inner.contains(at) {
            state.live.path.selected = first + usize::from(y - inner.y);
        }
    } else if panes.list.contains(at) {
        let inner = paint::inside(panes.list);
        let shown = state.live.shown().count();
        let first = state.live.list.visible(shown, list).start;
        if inner.contains(at) {
            state.live.list.selected = first + usize::from(y - inner.y);
            if state.live.open.is_some() {
                state.live.open = state.live.selected().cloned();
            }
        }
    }
    settle(state);
}
