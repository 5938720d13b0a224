//! What keys do to Services, and what they ask for.

use super::{Line, Pane, list_area, packet};
use crate::insight::services::{ADDRESS_MAPS, Found, Service, WayKind};
use crate::model::{Name, Ruleset};
use crate::session::{ChainKey, Command, Rates};
use crate::tui::action::Action;
use crate::tui::app::{Level, Screen, State};
use crate::tui::effect::Effect;
use crate::tui::job::services::{Ask, Order, View};
use crate::tui::job::{Hits, Job, SearchPlace, Target};
use crate::tui::screen::explore::node::NodeKey;
use crate::tui::screen::{explore, flow};
use std::sync::Arc;

/// More chains than these are not read every second.
const WATCHED: usize = 60;

/// What the table on the screen was made for.
#[derive(Clone, Debug)]
pub struct MadeFor {
    found: Arc<Found>,
    ruleset: Arc<Ruleset>,
    rates: Arc<Rates>,
    order: Order,
    query: String,
}

/// What the list is narrowed to.
fn query(state: &State) -> &str {
    match state.search.place {
        Some(SearchPlace::Services) => &state.search.query,
        _ => "",
    }
}

/// Ask for what is not so any more. Does nothing on other screens.
pub fn refresh(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen != Screen::Services {
        return;
    }
    let Some(picture) = state.picture.clone() else {
        return;
    };
    super::find::ask(state, &picture.ruleset, effects);
    let services = &state.services;
    let Some(found) = services.found.clone().filter(|_| !services.working) else {
        return;
    };
    let (order, query) = (services.order, query(state).to_owned());
    let same = services.made_for.as_ref().is_some_and(|made| {
        Arc::ptr_eq(&made.found, &found)
            && Arc::ptr_eq(&made.ruleset, &picture.ruleset)
            && Arc::ptr_eq(&made.rates, &picture.rates)
            && (made.order, &made.query) == (order, &query)
    });
    if same && services.view.is_some() {
        return;
    }
    state.services.made_for = Some(MadeFor {
        found: found.clone(),
        ruleset: picture.ruleset.clone(),
        rates: picture.rates.clone(),
        order,
        query: query.clone(),
    });
    state.services.working = true;
    effects.push(Effect::Job(Job::ServiceTable(Ask {
        found,
        picture,
        order,
        query,
    })));
}

/// Services were found.
pub fn found(state: &mut State, found: Arc<Found>) {
    // The ruleset may have lost them meanwhile.
    if state.services.asked.as_ref().is_some_and(|one| one.tells) {
        state.services.found = Some(found);
    }
}

/// The table is made.
pub fn viewed(state: &mut State, view: Arc<View>, effects: &mut Vec<Effect>) {
    state.services.working = false;
    if state.services.found.is_none() {
        return;
    }
    let services = &mut state.services;
    let narrowed = services.view.as_ref().map(|old| &old.query) != Some(&view.query);
    let reordered = services.view.as_ref().map(|old| old.order) != Some(view.order);
    if state.search.place == Some(SearchPlace::Services) && state.search.query == view.query {
        let lines = (0..view.lines.len() as u32).collect();
        state.search.hits = Some(Hits::Lines(lines));
    }
    let here = services.here.as_ref().and_then(|(found, place)| {
        let service = found.services.get(*place as usize)?;
        let same = |place: &u32| {
            let other = view.found.services.get(*place as usize);
            other.is_some_and(|other| is_same(service, other))
        };
        view.lines.iter().position(same)
    });
    services.list.made_anew(here, narrowed, reordered);
    services.view = Some(view);
    settle(state);
    take(state);
    watch(state, effects);
}

fn is_same(a: &Service, b: &Service) -> bool {
    (a.family, &a.table, &a.chain, a.rule) == (b.family, &b.table, &b.chain, b.rule)
        && (&a.name, &a.protocol) == (&b.name, &b.protocol)
}

/// Remember the service under the cursor.
fn take(state: &mut State) {
    let services = &mut state.services;
    services.here = services.view.as_ref().and_then(|view| {
        let place = view.lines.get(services.list.selected)?;
        Some((view.found.clone(), *place))
    });
}

pub fn tick(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Services {
        watch(state, effects);
    }
}

/// Have the counters read of what is on the screen: those of the services' own rules are in few chains, those of
/// endpoints are read of the selected service.
fn watch(state: &mut State, effects: &mut Vec<Effect>) {
    let (list, _) = heights(state);
    let services = &state.services;
    let Some(view) = &services.view else {
        return;
    };
    let mut chains: Vec<ChainKey> = Vec::new();
    let mut put = |service: &Service, chain: &Name| {
        let key = ChainKey {
            family: service.family,
            table: service.table.clone(),
            chain: chain.clone(),
        };
        if chains.len() < WATCHED && !chains.contains(&key) {
            chains.push(key);
        }
    };
    if let Some((service, _)) = services.selected() {
        let ends = service.endpoints.iter().flat_map(|one| &one.counted);
        for rule in service.counted.iter().chain(ends) {
            put(service, &rule.chain);
        }
    }
    for line in services.list.visible(view.lines.len(), list) {
        if let Some((service, _)) = view.service(line) {
            for rule in &service.counted {
                put(service, &rule.chain);
            }
        }
    }
    if chains != state.explore.shown {
        state.explore.shown.clone_from(&chains);
        effects.push(Effect::Send(Command::Show(chains)));
    }
}

/// Heights of the two lists.
fn heights(state: &State) -> (usize, usize) {
    let panes = state.services.panes(state.body());
    (
        usize::from(list_area(panes.list).height),
        usize::from(list_area(panes.ways).height),
    )
}

pub fn settle(state: &mut State) {
    let (list, ways) = heights(state);
    let (services, lines) = (state.services.len(), state.services.lines().len());
    state.services.list.settle(services, list);
    state.services.ways.settle(lines, ways);
}

/// What this screen decides about itself.
pub const OWN: &[Action] = &[
    Action::OpenItem,
    Action::Predict,
    Action::Sort,
    Action::CopyText,
    Action::Search,
    Action::NextPane,
    Action::PreviousPane,
];

pub fn enabled(state: &State, action: Action) -> bool {
    let services = &state.services;
    match action {
        Action::Search | Action::Sort => services.view.is_some(),
        Action::OpenItem => target(state).is_some(),
        Action::Predict => {
            let picture = state.picture.as_ref();
            picture.is_some_and(|picture| {
                let (service, line) = (services.selected(), services.line());
                let asked = |(service, _)| packet::question(&picture.network, service, line);
                service.and_then(asked).is_some()
            })
        }
        Action::CopyText => copied(state).is_some(),
        _ => !services.is_empty(),
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let (list, ways) = heights(state);
    match action {
        Action::NextPane | Action::PreviousPane => {
            state.services.focus = match state.services.focus {
                Pane::List => Pane::Ways,
                Pane::Ways => Pane::List,
            };
        }
        Action::Sort => {
            state.services.order = match state.services.order {
                Order::Name => Order::Rate,
                Order::Rate => Order::Packets,
                Order::Packets => Order::Endpoints,
                Order::Endpoints => Order::Name,
            };
        }
        Action::OpenItem => {
            if let Some(target) = target(state) {
                state.screen = Screen::Explore;
                explore::go::go_to(state, target, effects);
            }
        }
        Action::Predict => predict(state, effects),
        Action::CopyText => {
            if let Some(text) = copied(state) {
                state.notify(Level::Info, format!("copied: {text}"));
                effects.push(Effect::Copy(text));
            }
        }
        _ if state.services.focus == Pane::Ways => {
            let lines = state.services.lines().len();
            state.services.ways.act(action, lines, ways);
        }
        _ => {
            let len = state.services.len();
            state.services.list.act(action, len, list);
            moved(state);
        }
    }
    settle(state);
}

/// Another service is under the cursor.
fn moved(state: &mut State) {
    state.services.ways = Default::default();
    take(state);
}

fn predict(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(picture) = state.picture.clone() else {
        return;
    };
    let services = &state.services;
    let Some((service, _)) = services.selected() else {
        return;
    };
    if let Some(question) = packet::question(&picture.network, service, services.line()) {
        flow::update::show(state, question, effects);
    }
}

fn copied(state: &State) -> Option<String> {
    let services = &state.services;
    let (service, _) = services.selected()?;
    match services.line() {
        Some(Line::Way(way, _)) => Some(way.to_string()),
        Some(Line::Endpoint(endpoint, _)) => endpoint.address.map(|address| address.to_string()),
        Some(Line::Nowhere) | None => Some(service.name.clone()),
    }
}

/// Where the line under the cursor is in the ruleset.
fn target(state: &State) -> Option<Target> {
    let services = &state.services;
    let (service, _) = services.selected()?;
    let chain = |chain: &Name| ChainKey {
        family: service.family,
        table: service.table.clone(),
        chain: chain.clone(),
    };
    let (name, handle) = match services.line() {
        Some(Line::Way(way, _)) => match &way.rule {
            Some(rule) => (&rule.chain, Some(rule.handle)),
            None => {
                let [ips, ports, no_ips, no_ports] = ADDRESS_MAPS;
                let map = match (way.kind, service.endpoints.is_empty()) {
                    (WayKind::NodePort, false) => ports,
                    (WayKind::NodePort, true) => no_ports,
                    (_, false) => ips,
                    (_, true) => no_ips,
                };
                let (family, table) = (service.family, service.table.clone());
                return Some(Target::Node(NodeKey::Set(family, table, map.into())));
            }
        },
        Some(Line::Endpoint(endpoint, _)) => (&endpoint.chain, endpoint.rule),
        Some(Line::Nowhere) | None => (&service.chain, service.rule),
    };
    Some(match handle {
        Some(handle) => Target::Rule(chain(name), handle),
        None => Target::Node(NodeKey::chain(&chain(name))),
    })
}

/// The next service, of those that a search left.
pub fn go_to_line(state: &mut State, forward: bool, here: bool) {
    let len = state.services.len();
    if here || len == 0 {
        return;
    }
    let (list, _) = heights(state);
    state.services.list.turn(forward, len, list);
    moved(state);
    settle(state);
}

fn line_at(pane: ratatui::layout::Rect, first: usize, y: u16) -> Option<usize> {
    let area = list_area(pane);
    (area.top()..area.bottom())
        .contains(&y)
        .then(|| first + usize::from(y - area.y))
}

pub fn click(state: &mut State, x: u16, y: u16) {
    let panes = state.services.panes(state.body());
    let (list, ways) = heights(state);
    let (len, lines) = (state.services.len(), state.services.lines().len());
    let at = (x, y).into();
    if panes.ways.contains(at) {
        state.services.focus = Pane::Ways;
        let first = state.services.ways.visible(lines, ways).start;
        if let Some(line) = line_at(panes.ways, first, y).filter(|line| *line < lines) {
            state.services.ways.selected = line;
        }
    } else if panes.list.contains(at) {
        state.services.focus = Pane::List;
        let first = state.services.list.visible(len, list).start;
        if let Some(line) = line_at(panes.list, first, y).filter(|line| *line < len) {
            state.services.list.selected = line;
            moved(state);
        }
    }
    settle(state);
}

pub fn wheel(state: &mut State, x: u16, y: u16, notch: isize) {
    let panes = state.services.panes(state.body());
    let (list, ways) = heights(state);
    let at = (x, y).into();
    if panes.ways.contains(at) {
        let lines = state.services.lines().len();
        state.services.ways.scroll(notch, lines, ways);
    } else if panes.list.contains(at) {
        let len = state.services.len();
        let before = state.services.list.selected;
        state.services.list.scroll(notch, len, list);
        if state.services.list.selected != before {
            moved(state);
        }
    }
    settle(state);
}
