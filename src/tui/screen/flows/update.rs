//! What keys do to Flows, and when it asks for what.

use super::columns::{at, columns};
use super::{Pane, details, list_area};
use crate::flow::Question;
use crate::insight::services::Found;
use crate::lang::conntrack::flow_line;
use crate::session;
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State, job, scrolled};
use crate::tui::effect::Effect;
use crate::tui::job::flows::{Ask, By, Order, View};
use crate::tui::job::{Hits, Job, SearchPlace};
use crate::tui::request::Request;
use crate::tui::screen::flow;
use crate::tui::widget::paint;
use std::sync::Arc;
use std::time::Duration;

/// Between two readings, where counters are read every second.
const PAUSE: f32 = 2.0;
/// How much longer than reading and making the table took, nobody reads again.
const REST: u32 = 20;
/// What could not be read is tried again after so long.
const RETRY: Duration = Duration::from_secs(10);
/// So long after it should have been read again, a reading and rates since it say little about now.
const OLD: Duration = Duration::from_secs(10);

/// What the table on the screen was made for.
#[derive(Clone, Debug)]
pub struct MadeFor {
    flows: Arc<session::Flows>,
    services: Option<Arc<Found>>,
    order: Order,
    query: String,
}

/// What the list is narrowed to.
pub(super) fn query(state: &State) -> &str {
    match state.search.place {
        Some(SearchPlace::Flows) => &state.search.query,
        _ => "",
    }
}

fn pause(state: &State) -> Duration {
    Duration::from_secs_f32((PAUSE * state.interval).clamp(0.5, 60.0))
}

/// Ask for what is not so any more. Does nothing on other screens.
pub fn refresh(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen != Screen::Flows {
        return;
    }
    read_again(state, effects);
    let flows = &state.flows;
    let Some(now) = flows.now.clone().filter(|_| !flows.working) else {
        return;
    };
    let (order, query) = (flows.order, query(state).to_owned());
    let services = state.services.found.clone();
    let same_names = |a: &Option<Arc<Found>>, b: &Option<Arc<Found>>| match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    };
    let same = flows.made_for.as_ref().is_some_and(|made| {
        Arc::ptr_eq(&made.flows, &now)
            && same_names(&made.services, &services)
            && (made.order, &made.query) == (order, &query)
    });
    if same {
        return;
    }
    state.flows.made_for = Some(MadeFor {
        flows: now.clone(),
        services: services.clone(),
        order,
        query: query.clone(),
    });
    state.flows.working = true;
    effects.push(Effect::Job(Job::FlowTable(Box::new(Ask {
        flows: now,
        services,
        order,
        query,
    }))));
}

/// Have the connections read, where it is time.
fn read_again(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(picture) = &state.picture else {
        return;
    };
    let snapshot = picture.beside.clone();
    let still = state.frozen_at.is_some() || state.ended || snapshot.is_some();
    let flows = &mut state.flows;
    // What stands still is read once.
    let due = flows.now.is_none() || !still && (flows.wanted || state.now >= flows.due);
    if flows.reading || !due || flows.trouble.is_some() && state.now < flows.due {
        return;
    }
    if !still && state.now.saturating_sub(flows.due) > OLD && !flows.wanted {
        // Nobody has looked for a while: what was then is not what is.
        flows.now = None;
        flows.view = None;
        flows.made_for = None;
    }
    flows.reading = true;
    flows.wanted = false;
    let before = flows.now.clone();
    effects.push(Effect::Kernel(Request::Flows { snapshot, before }));
}

/// They were read, or not.
pub fn read(state: &mut State, flows: Result<Arc<session::Flows>, String>) {
    let pause = pause(state);
    let now = state.now;
    let own = &mut state.flows;
    own.reading = false;
    match flows {
        Ok(flows) => {
            let made = own.view.as_ref().map_or(Duration::ZERO, |view| view.took);
            let rest = (flows.took + made) * REST;
            // Rates need a second reading: nobody should wait for it as for the later ones.
            own.due = now
                + if flows.compared || !flows.counted {
                    pause.max(rest)
                } else {
                    pause
                };
            own.now = Some(flows);
            own.trouble = None;
        }
        Err(trouble) => {
            own.due = now + RETRY;
            own.now = None;
            own.view = None;
            own.made_for = None;
            own.trouble = Some(trouble);
        }
    }
}

/// The table is made.
pub fn viewed(state: &mut State, view: Arc<View>) {
    state.flows.working = false;
    if state.flows.now.is_none() {
        state.flows.made_for = None;
        return;
    }
    let ask = &view.ask;
    if state.search.place == Some(SearchPlace::Flows) && state.search.query == ask.query {
        let lines = (0..view.lines.len()).map(|line| u32::try_from(line).unwrap_or(u32::MAX));
        state.search.hits = Some(Hits::Lines(lines.collect()));
    }
    let flows = &mut state.flows;
    let old = flows.view.as_ref().map(|view| &view.ask);
    let narrowed = old.map(|old| &old.query) != Some(&ask.query);
    let reordered = old.map(|old| old.order) != Some(ask.order);
    let here = flows.here.as_ref().and_then(|flow| view.line(flow));
    flows.list.made_anew(here, narrowed, reordered);
    flows.view = Some(view);
    settle(state);
    take(state);
}

/// Remember the connection under the cursor.
fn take(state: &mut State) {
    let flows = &mut state.flows;
    let here = flows.selected().map(|(flow, _)| flow);
    if here != flows.here.as_deref() {
        flows.here = here.cloned().map(Box::new);
    }
}

/// The packet of a connection is known: follow it.
pub fn explained(state: &mut State, question: Question, effects: &mut Vec<Effect>) {
    // Who has gone elsewhere meanwhile stays there.
    if state.screen == Screen::Flows {
        flow::update::show(state, question, effects);
    }
}

/// Lines of the list, and of the details.
fn heights(state: &State) -> (usize, usize) {
    let panes = state.flows.panes(state.body());
    (
        usize::from(list_area(panes.list).height),
        usize::from(paint::inside(panes.details).height),
    )
}

pub fn settle(state: &mut State) {
    let (list, details) = heights(state);
    let len = state.flows.len();
    if !state.flows.zoom {
        state.flows.list.settle(len, list);
    }
    if state.flows.scroll > 0 {
        let most = details::lines(state).len().saturating_sub(details);
        state.flows.scroll = state.flows.scroll.min(most);
    }
}

/// What this screen decides about itself.
pub const OWN: &[Action] = &[
    Action::Predict,
    Action::PredictReply,
    Action::Sort,
    Action::SortBack,
    Action::Reverse,
    Action::Zoom,
    Action::CopyText,
    Action::Search,
    Action::NextPane,
    Action::PreviousPane,
];

pub fn enabled(state: &State, action: Action) -> bool {
    let flows = &state.flows;
    match action {
        Action::Search => {
            let view = flows.view.as_ref();
            view.is_some_and(|view| !view.ask.flows.list().is_empty())
        }
        // Who types fast must not get a connection that the search is about to take away.
        Action::Predict | Action::PredictReply | Action::CopyText => {
            let view = flows.view.as_ref();
            let current = view.is_some_and(|view| view.ask.query == query(state));
            current && flows.selected().is_some() && state.picture.is_some()
        }
        Action::NextPane | Action::PreviousPane => !flows.is_empty() && !flows.zoom,
        _ => !flows.is_empty(),
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let (list, details) = heights(state);
    match action {
        Action::NextPane | Action::PreviousPane => {
            state.flows.focus = match state.flows.focus {
                Pane::List => Pane::Details,
                Pane::Details => Pane::List,
            };
        }
        Action::Zoom => {
            state.flows.zoom = !state.flows.zoom;
            state.flows.scroll = 0;
        }
        Action::Sort => turn(state, 1),
        Action::SortBack => turn(state, By::ALL.len() - 1),
        Action::Reverse => state.flows.order.turned = !state.flows.order.turned,
        Action::Predict => explain(state, false, effects),
        Action::PredictReply => explain(state, true, effects),
        Action::CopyText => {
            if let Some((flow, _)) = state.flows.selected() {
                let line = flow_line(flow, None);
                state.notify(
                    Level::Info,
                    "copied the connection, as conntrack -L writes it",
                );
                effects.push(Effect::Copy(line));
            }
        }
        _ if state.flows.zoom || state.flows.focus == Pane::Details => {
            let lines = details::lines(state).len();
            state.flows.scroll = scrolled(state.flows.scroll, action, lines, details);
        }
        _ => {
            let len = state.flows.len();
            state.flows.list.act(action, len, list);
            moved(state);
        }
    }
    settle(state);
}

/// Another connection is under the cursor.
fn moved(state: &mut State) {
    state.flows.scroll = 0;
    take(state);
}

/// Order by the next column that the kernel tells something about.
fn turn(state: &mut State, steps: usize) {
    let Some(now) = state.flows.now.clone() else {
        return;
    };
    let all = By::ALL;
    let place = all.iter().position(|by| *by == state.flows.order.by);
    let mut place = place.unwrap_or(0);
    for _ in 0..all.len() {
        place = (place + steps) % all.len();
        if let Some(by) = all.get(place).filter(|by| by.is_known(&now)) {
            order(state, *by);
            return;
        }
    }
}

fn order(state: &mut State, by: By) {
    state.flows.order = Order { by, turned: false };
}

fn explain(state: &State, reply: bool, effects: &mut Vec<Effect>) {
    let Some((flow, _)) = state.flows.selected() else {
        return;
    };
    let flow = Box::new(flow.clone());
    job(state, effects, |picture| Job::Explain {
        picture,
        flow,
        reply,
    });
}

/// The next connection, of those that a search left.
pub fn go_to_line(state: &mut State, forward: bool, here: bool) {
    let len = state.flows.len();
    if here || len == 0 {
        return;
    }
    let (list, _) = heights(state);
    state.flows.list.turn(forward, len, list);
    moved(state);
    settle(state);
}

pub fn click(state: &mut State, x: u16, y: u16) {
    let panes = state.flows.panes(state.body());
    let (list, _) = heights(state);
    let place = (x, y).into();
    if panes.details.contains(place) {
        state.flows.focus = Pane::Details;
    } else if panes.list.contains(place) {
        state.flows.focus = Pane::List;
        let area = list_area(panes.list);
        let len = state.flows.len();
        if area.contains(place) {
            let first = state.flows.list.visible(len, list).start;
            let line = first + usize::from(y - area.y);
            if line < len {
                state.flows.list.selected = line;
                moved(state);
            }
        } else if y + 1 == area.y {
            head(state, usize::from(x - area.x), panes.list.width);
        }
    }
    settle(state);
}

/// A click on the head of a column orders by it; another one the other way round.
fn head(state: &mut State, x: usize, width: u16) {
    let Some(view) = &state.flows.view else {
        return;
    };
    let Some(by) = at(&columns(width, view), x).and_then(super::columns::Kind::by) else {
        return;
    };
    if state.flows.order.by == by {
        state.flows.order.turned = !state.flows.order.turned;
    } else {
        order(state, by);
    }
}

pub fn wheel(state: &mut State, x: u16, y: u16, notch: isize) {
    let panes = state.flows.panes(state.body());
    let (list, details) = heights(state);
    let at = (x, y).into();
    if panes.details.contains(at) {
        let most = details::lines(state).len().saturating_sub(details);
        let scroll = state.flows.scroll.saturating_add_signed(notch);
        state.flows.scroll = scroll.min(most);
    } else if panes.list.contains(at) {
        let len = state.flows.len();
        let before = state.flows.list.selected;
        state.flows.list.scroll(notch, len, list);
        if state.flows.list.selected != before {
            moved(state);
        }
    }
    settle(state);
}
