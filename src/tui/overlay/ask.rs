//! A question before something that cannot be taken back by a key: committing, and leaving with work undone.

use super::Overlay;
use crate::session::changes::Past;
use crate::session::changes::severed::Severed;
use crate::tui::action::Action;
use crate::tui::app::State;
use crate::tui::clean::{clean, wrap};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::key::Key;
use crate::tui::request::Stay;
use crate::tui::screen::changes;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::time::Duration;

/// How long a commit waits for confirmation.
pub const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Commit {
        stay: Stay,
        /// The person has said yes, and it is still being looked at who would be cut off.
        accepted: bool,
        /// The person writes the reason.
        writing: bool,
    },
    /// The commit would cut the person's own session off: a word has to be typed.
    CutOff {
        stay: Stay,
        typed: Typed,
    },
    Quit,
    /// The last commit of the journal.
    UndoCommit,
}

/// What has to be typed before one's own session is cut off.
const WORD: &str = "cut";

/// As much of the word as has been typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Typed(usize);

impl Typed {
    fn text(self) -> &'static str {
        WORD.get(..self.0).unwrap_or_default()
    }
}

/// What a commit may be given, one after the other.
const STAYS: [Stay; 7] = [
    Stay::Always,
    Stay::Confirmed(WINDOW),
    Stay::For(Duration::from_secs(15 * 60)),
    Stay::For(Duration::from_secs(3600)),
    Stay::For(Duration::from_secs(2 * 3600)),
    Stay::For(Duration::from_secs(8 * 3600)),
    Stay::For(Duration::from_secs(24 * 3600)),
];

fn next(stay: Stay) -> Stay {
    let mut stays = STAYS.iter().cycle().skip_while(|one| **one != stay);
    stays.nth(1).copied().unwrap_or(stay)
}

/// Text that was pasted while a question is asked: it can only be the reason.
pub fn paste(state: &mut State, text: &str) {
    if let Some(Overlay::Ask(Question::Commit { writing: true, .. })) = &state.overlay {
        state.changes.why.paste(text);
    }
}

/// A key while a question is asked that wants words.
pub fn key(state: &mut State, key: Key) {
    if let Some(Overlay::Ask(Question::Commit { writing: true, .. })) = &state.overlay {
        state.changes.why.key(key);
        return;
    }
    let Some(Overlay::Ask(Question::CutOff { typed, .. })) = &mut state.overlay else {
        return;
    };
    typed.0 = match key.code {
        KeyCode::Char(c) if WORD.chars().nth(typed.0) == Some(c) => typed.0 + 1,
        KeyCode::Char(_) => 0,
        KeyCode::Backspace => typed.0.saturating_sub(1),
        _ => typed.0,
    };
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(Overlay::Ask(question)) = &mut state.overlay else {
        return;
    };
    match (action, question) {
        (Action::Accept | Action::Cancel, Question::Commit { writing, .. }) if *writing => {
            *writing = false;
        }
        (Action::Cancel, _) => state.overlay = None,
        (Action::ToggleWindow, Question::Commit { stay, .. }) => *stay = next(*stay),
        (Action::Reason, Question::Commit { writing, .. }) => *writing = true,
        (Action::Accept, Question::Commit { stay, accepted, .. }) => {
            let stay = *stay;
            *accepted = true;
            if state.changes.severed.is_none() {
                return;
            }
            if let Some(Ok(Severed { own: Some(_), .. })) = &state.changes.severed {
                let typed = Typed::default();
                state.overlay = Some(Overlay::Ask(Question::CutOff { stay, typed }));
                return;
            }
            state.overlay = None;
            changes::update::commit(state, stay, effects);
        }
        (Action::Accept, Question::CutOff { stay, typed }) if typed.text() == WORD => {
            let stay = *stay;
            state.overlay = None;
            changes::update::commit(state, stay, effects);
        }
        (Action::Accept, Question::UndoCommit) => {
            state.overlay = None;
            changes::update::undo_commit(state, effects);
        }
        (Action::Accept, Question::Quit) => effects.push(Effect::Quit),
        _ => {}
    }
}

/// It is known who would be cut off: go on where the person has said yes already.
pub fn severed_known(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(Overlay::Ask(Question::Commit { accepted: true, .. })) = &state.overlay {
        perform(state, Action::Accept, effects);
    }
}

/// Who would be cut off, as far as it is known.
fn severed(state: &State) -> Vec<(Meaning, String)> {
    /// Connections that are named.
    const NAMED: usize = 4;
    let severed = match &state.changes.severed {
        None => {
            let text = "looking which connections this would cut off";
            return vec![(Meaning::Progress, format!("… {text}"))];
        }
        Some(Err(why)) => {
            let text = format!("· who would be cut off is not known: {}", clean(why));
            return vec![(Meaning::Warning, text)];
        }
        Some(Ok(severed)) => severed,
    };
    let of = human::plural(severed.of, "tracked connection", "tracked connections");
    let mut lines = match severed.count {
        0 => vec![(Meaning::Good, format!("✔ none of {of} would be cut off"))],
        count => vec![(
            Meaning::Error,
            format!("▲ {count} of {of} would be cut off:"),
        )],
    };
    let named = severed.lines.iter().take(NAMED);
    lines.extend(named.map(|line| (Meaning::Warning, format!("  {}", clean(line)))));
    if severed.count > NAMED {
        lines.push((
            Meaning::Dim,
            format!("  and {} more", severed.count - NAMED),
        ));
    }
    for unseen in &severed.unseen {
        lines.push((Meaning::Dim, format!("· not looked at: {}", clean(unseen))));
    }
    lines
}

/// How long the commit stays.
fn staying(stay: Stay) -> (Meaning, String) {
    match stay {
        Stay::Confirmed(time) => (
            Meaning::Good,
            format!(
                "[x] taken back after {} s unless you keep it, or if this program dies",
                time.as_secs()
            ),
        ),
        Stay::For(time) => (
            Meaning::Good,
            format!(
                "[x] for {}: then it is taken back, whoever is here",
                human::span(time)
            ),
        ),
        Stay::Always => (
            Meaning::Warning,
            "[ ] no confirm window: it stays, whatever happens".into(),
        ),
    }
}

pub fn render(state: &State, question: Question, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let full = Rect::new(0, 0, state.size.width, state.size.height);
    let columns = full.width.saturating_sub(4).min(68);
    let room = usize::from(columns.saturating_sub(4));
    let count = human::plural(state.changes.set.len(), "change", "changes");
    let mut lines: Vec<(Meaning, String)> = Vec::new();
    let (title, foot) = match question {
        Question::Commit {
            stay,
            accepted,
            writing,
        } => {
            lines.push((
                Meaning::Text,
                format!("{count} go to the kernel in one transaction: all or none."),
            ));
            lines.push((Meaning::Text, String::new()));
            lines.push(staying(stay));
            let why = clean(state.changes.why.text()).into_owned();
            lines.push(match (writing, why.is_empty()) {
                (true, _) => (Meaning::Accent, format!("because: {why}▏")),
                (false, true) => (Meaning::Dim, "no reason is given for the journal".into()),
                (false, false) => (Meaning::Text, format!("because: {why}")),
            });
            if state.settings.remote && stay.confirm().is_none() {
                lines.push((
                    Meaning::Warning,
                    "▲ This is a remote session: a mistake may cut it off.".into(),
                ));
            }
            lines.push((Meaning::Text, String::new()));
            lines.extend(severed(state));
            if accepted {
                lines.push((Meaning::Progress, "then it is committed".into()));
            }
            let foot = match writing {
                true => "⏎ that is the reason · esc back",
                false => "⏎ commit · w how long · r reason · esc back",
            };
            ("Commit?", foot)
        }
        Question::CutOff { stay, typed } => {
            if let Some(Ok(Severed { own: Some(by), .. })) = &state.changes.severed {
                lines.push((
                    Meaning::Error,
                    format!("This cuts your own session off, by {}.", clean(by)),
                ));
            }
            lines.push((
                Meaning::Text,
                match stay.confirm().or(stay.limited()) {
                    Some(time) => format!("It comes back after {}.", human::span(time)),
                    None => "There is no confirm window: nothing brings it back.".into(),
                },
            ));
            lines.push((Meaning::Text, String::new()));
            lines.push((
                Meaning::Warning,
                format!(
                    "Type the word {WORD} to do it all the same: {}▏",
                    typed.text()
                ),
            ));
            ("Cut yourself off?", "⏎ when the word is written · esc back")
        }
        Question::UndoCommit => {
            let last = state.changes.history.iter().find(|past| past.stands);
            if let Some(past) = last {
                let Past {
                    number,
                    when,
                    who,
                    what,
                    ..
                } = past;
                let text = format!("Commit {number} of {when} by {who}: {what}");
                lines.push((Meaning::Text, clean(&text).into_owned()));
            }
            let text = "What others changed since then stays.";
            lines.push((Meaning::Dim, text.into()));
            ("Take it back?", "⏎ take back · esc leave it")
        }
        Question::Quit => {
            if state.changes.window.is_some() {
                lines.push((
                    Meaning::Warning,
                    "A commit waits for confirmation. If it was made here, leaving takes it back now.".into(),
                ));
            }
            if !state.changes.set.is_empty() {
                lines.push((
                    Meaning::Warning,
                    format!("{count} not committed; leaving forgets them."),
                ));
            }
            ("Leave?", "⏎ leave · esc stay")
        }
    };
    let wrapped: Vec<(Meaning, String)> = lines
        .into_iter()
        .flat_map(|(meaning, text)| {
            let pieces = wrap(&text, room);
            let pieces: Vec<String> = pieces
                .into_iter()
                .filter_map(|range| text.get(range).map(str::to_string))
                .collect();
            pieces.into_iter().map(move |piece| (meaning, piece))
        })
        .collect();
    let height = wrapped.len() as u16 + 2;
    let area = paint::centered(full, columns, height);
    let inner = paint::window(frame, theme, area, title, foot);
    for (place, (meaning, text)) in wrapped.into_iter().enumerate() {
        let span = Span::styled(text, theme.ink(meaning));
        paint::put(frame, paint::row(inner, place as u16), vec![span]);
    }
}
