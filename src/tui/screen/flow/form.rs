//! The form of a packet: a line of options as `hookscope trace` takes it, and the same options as fields.

use super::complete;
use crate::flow::Question;
use crate::flow::options::{self, OPTIONS, Wrong};
use crate::model::conntrack::Flow;
use crate::session::Picture;
use crate::tui::action::Action;
use crate::tui::app::State;
use crate::tui::clean::{elide, width, wrap};
use crate::tui::key::Key;
use crate::tui::theme::Meaning;
use crate::tui::widget::input::Input;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Span;

#[derive(Clone, Debug)]
pub struct Form {
    pub line: Input,
    /// In the order of the options.
    pub fields: Vec<Input>,
    /// 0: the line; else a field, from 1.
    pub at: usize,
    pub wrong: Option<Wrong>,
    /// What Tab goes through.
    pub offers: Vec<String>,
    pub offer: Option<usize>,
}

/// Columns of fields side by side.
const COLUMNS: usize = 2;

impl Form {
    pub fn new(question: Option<&Question>) -> Form {
        let mut form = Form {
            line: Input::default(),
            fields: OPTIONS.iter().map(|_| Input::default()).collect(),
            at: 1,
            wrong: None,
            offers: Vec::new(),
            offer: None,
        };
        if let Some(question) = question {
            form.fill(&options::of(question));
            form.spell();
        }
        form
    }

    fn fill(&mut self, pairs: &[(&'static str, String)]) {
        for ((name, ..), field) in OPTIONS.iter().zip(&mut self.fields) {
            let pair = pairs.iter().find(|(one, _)| one == name);
            let text = pair.map_or("", |(_, text)| text);
            if field.text() != text {
                *field = Input::new(text);
            }
        }
    }

    /// Names and texts of the fields that are not empty.
    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let named = OPTIONS.iter().zip(&self.fields);
        named
            .map(|((name, ..), field)| (*name, field.text().trim()))
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    /// The line says what the fields say.
    fn spell(&mut self) {
        let line = options::line(self.pairs());
        self.line = Input::new(&line);
    }

    fn input(&mut self) -> Option<&mut Input> {
        match self.at.checked_sub(1) {
            None => Some(&mut self.line),
            Some(field) => self.fields.get_mut(field),
        }
    }

    pub fn name(&self) -> Option<&'static str> {
        OPTIONS.get(self.at.checked_sub(1)?).map(|(name, ..)| *name)
    }

    /// The text has changed.
    fn changed(&mut self) {
        self.wrong = None;
        if self.at == 0 {
            // Half an option is no mistake while it is being typed.
            if let Ok(pairs) = options::pairs(self.line.text()) {
                self.fill(&pairs);
            }
        } else {
            self.spell();
        }
    }

    pub fn key(&mut self, key: Key) {
        let changed = self.input().is_some_and(|input| input.key(key));
        if changed {
            self.offers.clear();
            self.offer = None;
            self.changed();
        }
    }

    pub fn paste(&mut self, text: &str) {
        // A whole line of options belongs into the line, wherever the cursor is.
        if text.trim_start().starts_with("--") && self.at != 0 {
            self.at = 0;
            self.line = Input::default();
        }
        if let Some(input) = self.input() {
            input.paste(text);
        }
        self.offers.clear();
        self.offer = None;
        self.changed();
    }

    pub fn go(&mut self, action: Action) {
        let count = self.fields.len();
        let rows = count.div_ceil(COLUMNS);
        self.at = match (action, self.at) {
            (Action::Down, 0) => 1,
            (Action::Down, at) if at == rows => 0,
            (Action::Down, at) if at >= count => 0,
            (Action::Down, at) => at + 1,
            (Action::Up, 0) => rows,
            (Action::Up, at) if at == 1 || at == rows + 1 => 0,
            (Action::Up, at) => at - 1,
            // From one column to the other.
            (Action::NextPane | Action::PreviousPane, 0) => 1,
            (Action::NextPane | Action::PreviousPane, at) if at > rows => at - rows,
            (Action::NextPane | Action::PreviousPane, at) => (at + rows).min(count),
            (_, at) => at,
        };
        self.offers.clear();
        self.offer = None;
    }

    /// Put the next offer into the field.
    pub fn complete(&mut self, picture: &Picture, flows: &[Flow]) {
        if self.offers.is_empty() {
            self.offers = match self.name() {
                Some(name) => {
                    let text = self.input().map(|input| input.text().to_owned());
                    complete::offers(picture, flows, name, &text.unwrap_or_default())
                }
                None => complete::of_line(picture, flows, self.line.text()),
            };
            self.offer = None;
        }
        let next = self.offer.map_or(0, |place| place + 1) % self.offers.len().max(1);
        let Some(offer) = self.offers.get(next).cloned() else {
            return;
        };
        self.offer = Some(next);
        if let Some(input) = self.input() {
            *input = Input::new(&offer);
        }
        self.changed();
        // With one offer there is nothing to go through: the next Tab looks anew.
        if self.offers.len() == 1 {
            self.offers.clear();
            self.offer = None;
        }
    }

    /// The question, or what is wrong with it; then the cursor goes there.
    pub fn question(&mut self, picture: &Picture) -> Option<Question> {
        let read = if self.at == 0 {
            options::pairs(self.line.text()).and_then(|pairs| {
                let pairs = pairs.iter().map(|(name, text)| (*name, text.as_str()));
                options::question(pairs)
            })
        } else {
            options::question(self.pairs())
        };
        let checked = read.and_then(|question| {
            let built = question.build(&picture.network);
            built.map_err(|error| Wrong::of(&error))?;
            Ok(question)
        });
        match checked {
            Ok(question) => Some(question),
            Err(wrong) => {
                let field = wrong
                    .option
                    .and_then(|option| OPTIONS.iter().position(|(name, ..)| *name == option));
                if let Some(field) = field.filter(|_| self.at != 0) {
                    self.at = field + 1;
                }
                self.wrong = Some(wrong);
                None
            }
        }
    }
}

pub fn area(size: Size) -> Rect {
    let full = Rect::new(0, 0, size.width, size.height);
    paint::centered(full, 110, 22)
}

/// Where the line and the fields are, inside the window.
pub fn places(inner: Rect) -> Vec<Rect> {
    let mut places = vec![Rect { height: 1, ..inner }];
    let count = OPTIONS.len();
    let rows = count.div_ceil(COLUMNS);
    let half = inner.width / COLUMNS as u16;
    for place in 0..count {
        let (column, row) = (place / rows, place % rows);
        let area = Rect {
            x: inner.x + column as u16 * half,
            y: inner.y + 2 + row as u16,
            width: half.saturating_sub(1),
            height: 1,
        };
        places.push(area.intersection(inner));
    }
    places
}

/// Columns of the name before a field.
const NAME: u16 = 11;

pub fn render(state: &State, form: &Form, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let window = area(state.size);
    let foot = "tab completes · ⏎ follows the packet · esc closes";
    let inner = paint::window(frame, theme, window, "A packet", foot);
    let places = places(inner);
    let wrong_at = form.wrong.as_ref().and_then(|wrong| wrong.option);
    for (place, area) in places.iter().enumerate() {
        let active = form.at == place;
        let (name, input) = match place.checked_sub(1) {
            None => ("options", Some(&form.line)),
            Some(field) => (
                OPTIONS.get(field).map_or("", |(name, ..)| *name),
                form.fields.get(field),
            ),
        };
        let meaning = if wrong_at == Some(name) {
            Meaning::Error
        } else if active {
            Meaning::Accent
        } else {
            Meaning::Dim
        };
        let sign = if active { "▸" } else { " " };
        let label = format!("{sign}{name:<9} ");
        paint::put(frame, *area, vec![Span::styled(label, theme.ink(meaning))]);
        let field = Rect {
            x: area.x + NAME,
            width: area.width.saturating_sub(NAME),
            ..*area
        };
        let Some(input) = input else { continue };
        if active {
            input.render(frame, field, theme.ink(Meaning::Text), true);
        } else {
            let text = elide(input.text(), usize::from(field.width));
            paint::put(
                frame,
                field,
                vec![Span::styled(text, theme.ink(Meaning::Value))],
            );
        }
    }
    let rows = OPTIONS.len().div_ceil(COLUMNS) as u16;
    let below = paint::rows(inner, rows + 3, inner.height.saturating_sub(rows + 3));
    let mut lines: Vec<(String, Meaning)> = Vec::new();
    let room = usize::from(below.width);
    let mut put = |text: &str, meaning: Meaning| {
        for range in wrap(text, room.max(8)) {
            lines.push((text.get(range).unwrap_or_default().to_owned(), meaning));
        }
    };
    if let Some(wrong) = &form.wrong {
        let text = match wrong.option {
            Some(option) if !wrong.message.contains("--") => {
                format!("--{option}: {}", wrong.message)
            }
            _ => wrong.message.clone(),
        };
        put(&text, Meaning::Error);
    } else {
        let help = match form.at.checked_sub(1) {
            None => "the options of `hookscope trace`, as on the command line",
            Some(field) => OPTIONS.get(field).map_or("", |(_, _, help)| *help),
        };
        put(help, Meaning::Text);
    }
    for (place, (text, meaning)) in lines.iter().enumerate() {
        let line = paint::row(below, place as u16);
        let span = Span::styled(text.clone(), theme.ink(*meaning));
        paint::put(frame, line, vec![span]);
    }
    let line = paint::row(below, lines.len() as u16);
    paint::put(frame, line, offer_spans(state, form, room));
}

/// As many offers as fit, the chosen one among them.
fn offer_spans(state: &State, form: &Form, room: usize) -> Vec<Span<'static>> {
    let theme = state.theme();
    let chosen = form.offer.unwrap_or(0);
    let mut spans = Vec::new();
    let mut used = 0;
    // Of whole lines only the last word is news.
    let word = |offer: &str| -> String {
        let last = offer.rsplit(char::is_whitespace).next().unwrap_or_default();
        if form.at == 0 {
            last.to_owned()
        } else {
            offer.to_owned()
        }
    };
    for (place, offer) in form
        .offers
        .iter()
        .enumerate()
        .skip(chosen.saturating_sub(2))
    {
        let text = elide(&word(offer), 40);
        used += width(&text) + 2;
        if used > room {
            break;
        }
        let meaning = if form.offer == Some(place) {
            Meaning::Selection
        } else {
            Meaning::Dim
        };
        spans.push(Span::styled(text, theme.style(meaning)));
        spans.push(Span::raw("  "));
    }
    spans
}
