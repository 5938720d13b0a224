//! A question before something that cannot be taken back by a key: committing, and leaving with work undone.

use super::Overlay;
use crate::session::changes::Past;
use crate::tui::action::Action;
use crate::tui::app::State;
use crate::tui::clean::{clean, wrap};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::screen::changes;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::time::Duration;

/// How long a commit waits for confirmation.
pub const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// With or without a confirm window.
    Commit {
        window: bool,
    },
    Quit,
    /// The last commit of the journal.
    UndoCommit,
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(Overlay::Ask(question)) = &mut state.overlay else {
        return;
    };
    match (action, question) {
        (Action::ToggleWindow, Question::Commit { window }) => *window = !*window,
        (Action::Accept, Question::Commit { window }) => {
            let confirm = window.then_some(WINDOW);
            state.overlay = None;
            changes::update::commit(state, confirm, effects);
        }
        (Action::Accept, Question::UndoCommit) => {
            state.overlay = None;
            changes::update::undo_commit(state, effects);
        }
        (Action::Accept, Question::Quit) => effects.push(Effect::Quit),
        _ => {}
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
        Question::Commit { window } => {
            lines.push((
                Meaning::Text,
                format!("{count} go to the kernel in one transaction: all or none."),
            ));
            lines.push((Meaning::Text, String::new()));
            let seconds = WINDOW.as_secs();
            if window {
                lines.push((
                    Meaning::Good,
                    format!("[x] taken back after {seconds} s unless you keep it, or if this program dies"),
                ));
            } else {
                lines.push((
                    Meaning::Warning,
                    "[ ] no confirm window: it stays, whatever happens".into(),
                ));
            }
            if state.settings.remote && !window {
                lines.push((
                    Meaning::Warning,
                    "▲ This is a remote session: a mistake may cut it off.".into(),
                ));
            }
            ("Commit?", "⏎ commit · w confirm window · esc back")
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
