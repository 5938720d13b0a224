//! The palette and find: one field, one list, everything that resembles what is typed.

use super::Overlay;
use crate::tui::action::{ACTIONS, Action};
use crate::tui::app::{self, State, job};
use crate::tui::chrome::spinner;
use crate::tui::clean::{elide, width};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::job::{Found, Job, Target, find_labels};
use crate::tui::key;
use crate::tui::screen::{explore, routes};
use crate::tui::theme::Meaning;
use crate::tui::widget::input::Input;
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Actions, tables, chains, sets.
    Palette,
    /// Names and the text of rules.
    Find,
    /// One of a few given things.
    Choose,
}

#[derive(Clone, Debug)]
pub struct Finder {
    pub mode: Mode,
    pub input: Input,
    pub list: ListState,
    /// Actions of the palette, or what there is to choose from.
    own: Vec<Found>,
    found: Vec<Found>,
    of: usize,
    waiting: bool,
    ticket: u64,
    title: String,
}

impl Finder {
    /// Take over an answer, unless it is for an older question.
    pub fn found(&mut self, ticket: u64, found: Vec<Found>, of: usize, complete: bool) {
        if ticket != self.ticket {
            return;
        }
        let chosen = self.get(self.list.selected).map(|f| f.target.clone());
        self.found = found;
        self.of = of;
        self.waiting = !complete;
        // Who has moved stays on what was chosen, wherever it is now.
        if self.list.selected > 0 && chosen.is_some() {
            let same = |place: &usize| self.get(*place).map(|f| &f.target) == chosen.as_ref();
            self.list.selected = (0..self.len()).find(same).unwrap_or(0);
        }
    }

    fn len(&self) -> usize {
        self.own.len() + self.found.len()
    }

    fn get(&self, place: usize) -> Option<&Found> {
        match place.checked_sub(self.own.len()) {
            None => self.own.get(place),
            Some(place) => self.found.get(place),
        }
    }
}

pub fn open(state: &mut State, mode: Mode, effects: &mut Vec<Effect>) {
    let title = match mode {
        Mode::Palette => "Commands, tables, chains, sets",
        _ => "Find in rules, chains, sets, objects and routes",
    };
    put(state, mode, title.into(), Vec::new());
    changed(state, effects);
}

/// Let a person choose between a few targets.
pub fn choose(state: &mut State, title: String, own: Vec<Found>) {
    put(state, Mode::Choose, title, own);
}

fn put(state: &mut State, mode: Mode, title: String, own: Vec<Found>) {
    state.overlay = Some(Overlay::Finder(Box::new(Finder {
        mode,
        input: Input::default(),
        list: ListState::default(),
        own,
        found: Vec::new(),
        of: 0,
        waiting: false,
        ticket: 0,
        title,
    })));
}

/// The text of the field has changed.
pub fn changed(state: &mut State, effects: &mut Vec<Effect>) {
    let ticket = state.ticket();
    let enabled: Vec<Action> = ACTIONS
        .iter()
        .filter(|row| row.palette && offered(state, row.action))
        .map(|row| row.action)
        .collect();
    let Some(Overlay::Finder(finder)) = &mut state.overlay else {
        return;
    };
    let query = finder.input.text().to_string();
    finder.list = ListState::default();
    finder.ticket = ticket;
    match finder.mode {
        Mode::Choose => return,
        Mode::Palette => {
            let labels: Vec<String> = enabled
                .iter()
                .map(|action| format!("{} — {}", action.row().label, action.row().help))
                .collect();
            let found = find_labels(&labels, &query);
            let item = |(place, score, hits): (usize, i64, Vec<usize>)| {
                Some(Found {
                    target: Target::Action(*enabled.get(place)?),
                    kind: "do",
                    label: labels.get(place)?.clone(),
                    hits,
                    score,
                })
            };
            finder.own = found.into_iter().filter_map(item).collect();
        }
        Mode::Find => {}
    }
    let rules = finder.mode == Mode::Find;
    if query.is_empty() {
        finder.found.clear();
        finder.waiting = false;
        if rules {
            return;
        }
    } else {
        finder.waiting = true;
    }
    job(state, effects, |picture| Job::Find {
        ticket,
        picture,
        query,
        rules,
    });
}

/// The palette lists actions as if it were not open.
fn offered(state: &State, action: Action) -> bool {
    state.enabled(action)
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let height = usize::from(list_area(area(state)).height);
    let Some(Overlay::Finder(finder)) = &mut state.overlay else {
        return;
    };
    if action == Action::Accept {
        let target = finder.get(finder.list.selected).map(|f| f.target.clone());
        if let Some(target) = target {
            accept(state, target, effects);
        }
        return;
    }
    let len = finder.len();
    finder.list.act(action, len, height);
}

/// Go to what was chosen.
fn accept(state: &mut State, target: Target, effects: &mut Vec<Effect>) {
    state.overlay = None;
    match target {
        Target::Action(action) => app::perform(state, action, effects),
        Target::Line(item, place) => {
            state.screen = app::Screen::Routes;
            routes::update::go_to(state, item, place);
        }
        target => {
            state.screen = app::Screen::Explore;
            explore::go::go_to(state, target, effects);
        }
    }
}

/// A click on a line: select and take it.
pub fn click(state: &mut State, x: u16, y: u16, effects: &mut Vec<Effect>) {
    let window = area(state);
    if !window.contains((x, y).into()) {
        state.overlay = None;
        return;
    }
    let list = list_area(window);
    let Some(Overlay::Finder(finder)) = &mut state.overlay else {
        return;
    };
    if list.contains((x, y).into()) {
        let visible = finder.list.visible(finder.len(), usize::from(list.height));
        let place = visible.start + usize::from(y - list.y);
        if let Some(target) = finder.get(place).map(|found| found.target.clone()) {
            accept(state, target, effects);
        }
    }
}

pub fn area(state: &State) -> Rect {
    let full = Rect::new(0, 0, state.size.width, state.size.height);
    let width = (full.width - full.width / 6)
        .min(120)
        .max(full.width.min(76));
    let mut area = paint::centered(full, width, (full.height * 3 / 4).max(14));
    area.y = (full.height.saturating_sub(area.height)) / 4;
    area
}

fn list_area(window: Rect) -> Rect {
    let inner = Rect {
        x: window.x + 2,
        y: window.y + 1,
        width: window.width.saturating_sub(4),
        height: window.height.saturating_sub(2),
    };
    paint::rows(inner, 2, inner.height.saturating_sub(2))
}

pub fn render(state: &State, finder: &Finder, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let window = area(state);
    let foot = match (finder.mode, finder.waiting, finder.of) {
        (Mode::Choose, ..) => String::new(),
        (_, true, _) => format!("{} looking…", spinner(state)),
        (_, false, 0) => String::new(),
        (_, false, of) => format!(
            "{} of {}",
            human::exact(finder.found.len() as u64),
            human::exact(of as u64)
        ),
    };
    let inner = paint::window(frame, theme, window, &finder.title, &foot);
    if finder.mode == Mode::Choose {
        let text = "Where to?";
        paint::put(
            frame,
            paint::row(inner, 0),
            vec![Span::styled(text, theme.style(Meaning::Dim))],
        );
    } else {
        let line = paint::row(inner, 0);
        paint::put(
            frame,
            line,
            vec![Span::styled("› ", theme.style(Meaning::Accent))],
        );
        let field = Rect {
            x: line.x + 2,
            width: line.width.saturating_sub(2),
            ..line
        };
        finder
            .input
            .render(frame, field, theme.style(Meaning::Popup), true);
    }
    let rule = "─".repeat(usize::from(inner.width));
    let style = theme.style(Meaning::Border);
    paint::put(frame, paint::row(inner, 1), vec![Span::styled(rule, style)]);
    let list = list_area(window);
    if finder.len() == 0 {
        let (heading, text) = match (finder.mode, finder.input.is_empty(), finder.waiting) {
            (_, false, true) => (
                "Looking…",
                "Printing all rules takes a moment the first time.",
            ),
            (_, false, false) => (
                "Nothing like that",
                "Words may come in any order; letters may be left out.",
            ),
            _ => (
                "Find everything",
                "Type a few letters of a rule, an address, a chain, a set. Words may come in any order.",
            ),
        };
        paint::empty(frame, theme, list, heading, &[text]);
        return;
    }
    let visible = finder.list.visible(finder.len(), usize::from(list.height));
    for (line, place) in visible.clone().enumerate() {
        let Some(found) = finder.get(place) else {
            continue;
        };
        render_line(
            state,
            found,
            place == finder.list.selected,
            paint::row(list, line as u16),
            frame,
        );
    }
    let bar = Rect {
        width: list.width + 1,
        ..list
    };
    paint::scrollbar(frame, theme, bar, visible.start, finder.len());
}

fn render_line(state: &State, found: &Found, selected: bool, row: Rect, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let kind = theme.style(match found.kind {
        "chain" => Meaning::BaseChain,
        "set" | "map" => Meaning::Set,
        "object" | "flowtable" => Meaning::Object,
        _ => Meaning::Dim,
    });
    let mark = if selected { "▶ " } else { "  " };
    let mut spans = vec![
        Span::styled(mark, theme.style(Meaning::Accent)),
        Span::styled(format!("{:<10}", found.kind), kind),
    ];
    let mut right = String::new();
    let names = state.picture.as_ref().map(|picture| picture.names.clone());
    let names = names.unwrap_or_default();
    match &found.target {
        Target::Rule(chain, handle) => {
            right = format!("{} {} {} #{handle}", chain.family, chain.table, chain.chain);
        }
        Target::Action(action) => {
            if let Some(keys) = state
                .settings
                .keymap
                .keys(&crate::tui::action::Layer::ALL, *action)
            {
                right = key::show(keys);
            }
        }
        Target::Line(item, _) => right = routes::render::title(&names, *item),
        Target::Node(_) => {}
    }
    let right = elide(&right, usize::from(row.width / 2));
    let right_width = width(&right) as u16;
    let left = Rect {
        width: row.width.saturating_sub(right_width + 1),
        ..row
    };
    // A match beyond the right edge moves the label to the left.
    let room = usize::from(left.width).saturating_sub(13);
    let first = found.hits.first().copied().unwrap_or(0);
    let action = matches!(found.target, Target::Action(_));
    let skip = if !action && found.label.chars().count() > room && first + 12 > room {
        first.saturating_sub(8)
    } else {
        0
    };
    let mut label: String = found.label.chars().skip(skip).collect();
    let mut hits: Vec<usize> = found
        .hits
        .iter()
        .filter_map(|hit| hit.checked_sub(skip))
        .collect();
    if skip > 0 {
        label.insert(0, '…');
        hits.iter_mut().for_each(|hit| *hit += 1);
    }
    spans.extend(paint::marked(
        theme,
        &label,
        theme.ink(Meaning::Text),
        &hits,
    ));
    paint::put(frame, left, spans);
    let place = Rect {
        x: row.right().saturating_sub(right_width),
        width: right_width,
        ..row
    };
    paint::put(
        frame,
        place,
        vec![Span::styled(right, theme.style(Meaning::Dim))],
    );
    if selected {
        paint::select(frame, row, theme.style(Meaning::Selection));
    }
}
