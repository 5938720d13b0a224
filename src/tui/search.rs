//! Searching the screen: the query, its hits, and stepping through them.

use super::action::Action;
use super::app::{Level, Screen, State, job};
use super::effect::Effect;
use super::job::{Hits, Job, SearchPlace};
use super::key::Key;
use super::screen::{explore, flows, routes, services};
use super::widget::input::Input;

#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What is looked for; empty: nothing.
    pub query: String,
    /// The field while it is being typed into.
    pub editing: Option<Input>,
    pub place: Option<SearchPlace>,
    pub hits: Option<Hits>,
    /// Go to the first hit as soon as it is known.
    jump: bool,
    ticket: u64,
}

impl Search {
    pub fn is_editing(&self) -> bool {
        self.editing.is_some()
    }

    pub fn is_active(&self) -> bool {
        !self.query.is_empty()
    }

    pub fn key(&mut self, key: Key) -> bool {
        self.editing.as_mut().is_some_and(|input| input.key(key))
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.editing {
            input.paste(text);
        }
    }
}

pub fn open(state: &mut State) {
    state.search = Search {
        editing: Some(Input::default()),
        ..Search::default()
    };
}

/// Tables that have only the lines that fit, while something is searched in them.
fn table(screen: Screen) -> Option<SearchPlace> {
    match screen {
        Screen::Services => Some(SearchPlace::Services),
        Screen::Flows => Some(SearchPlace::Flows),
        _ => None,
    }
}

/// What a search looks through now.
fn place(state: &State) -> SearchPlace {
    if let Some(table) = table(state.screen) {
        return table;
    }
    match routes::update::searched(state) {
        Some(item) => SearchPlace::Network(item),
        None => explore::go::search_place(state),
    }
}

fn go(state: &mut State, forward: bool, here: bool, effects: &mut Vec<Effect>) {
    match (&state.search.place, &state.search.hits) {
        (Some(SearchPlace::Network(_)), Some(Hits::Lines(places))) => {
            let places = places.clone();
            routes::update::go_to_line(state, &places, forward, here);
        }
        (Some(SearchPlace::Services), _) => services::update::go_to_line(state, forward, here),
        (Some(SearchPlace::Flows), _) => flows::update::go_to_line(state, forward, here),
        _ => explore::go::go_to_hit(state, forward, here, effects),
    }
}

/// The query has changed: search again.
pub fn changed(state: &mut State, effects: &mut Vec<Effect>) {
    let text = state
        .search
        .editing
        .as_ref()
        .map(|input| input.text().to_string());
    if let Some(text) = text {
        state.search.query = text;
    }
    start(state, true, effects);
}

/// Search for the query in what is on the screen now.
pub fn start(state: &mut State, jump: bool, effects: &mut Vec<Effect>) {
    let place = place(state);
    // A new picture is no reason to take what was looked for elsewhere to this screen.
    let elsewhere = state.search.place.as_ref() != Some(&place);
    if !jump && elsewhere && table(state.screen).is_some() {
        return;
    }
    let ticket = state.ticket();
    state.search.place = Some(place.clone());
    state.search.ticket = ticket;
    state.search.jump = jump;
    if state.search.query.is_empty() {
        state.search.hits = None;
        return;
    }
    if table(state.screen).is_some() {
        // Its table is made anew for every query; that tells the hits.
        state.search.jump = false;
        return;
    }
    let query = state.search.query.clone();
    let printed = state.explore.printed.as_ref();
    let elements = printed.map(|printed| printed.texts.clone());
    job(state, effects, |picture| Job::Search {
        ticket,
        picture,
        place,
        query,
        elements,
    });
}

pub fn answered(state: &mut State, ticket: u64, hits: Hits, effects: &mut Vec<Effect>) {
    if ticket != state.search.ticket {
        return;
    }
    let jump = std::mem::take(&mut state.search.jump);
    let any = !hits.is_empty();
    state.search.hits = Some(hits);
    if jump && any {
        go(state, true, true, effects);
    }
}

pub fn step(state: &mut State, forward: bool, effects: &mut Vec<Effect>) {
    if state.search.query.is_empty() {
        return;
    }
    if state.search.place.as_ref() != Some(&place(state)) {
        start(state, true, effects);
        return;
    }
    match &state.search.hits {
        Some(hits) if hits.is_empty() => {
            let text = format!(
                "'{}' is not here; f searches everywhere",
                state.search.query
            );
            state.notify(Level::Warning, text);
        }
        Some(_) => go(state, forward, false, effects),
        None => {}
    }
}

/// Actions while the query is being typed.
pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Accept => {
            state.search.editing = None;
            if state.search.query.is_empty() {
                state.search = Search::default();
            }
        }
        Action::Cancel => state.search = Search::default(),
        Action::NextMatch => step(state, true, effects),
        Action::PreviousMatch => step(state, false, effects),
        _ => {}
    }
}
