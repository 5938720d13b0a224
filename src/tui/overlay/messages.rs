//! All notices and all changes by others so far, newest first.

use super::help;
use crate::tui::app::{Level, State};
use crate::tui::clean::{clean, wrap};
use crate::tui::human;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::text::{Line, Span};

/// What is shown: for each notice its age and its text.
pub fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let mut lines = Vec::new();
    let columns = width.clamp(40, 96).saturating_sub(20);
    for notice in state.notices.iter().rev() {
        let (sign, meaning) = sign(notice.level);
        let age = human::duration(state.now.saturating_sub(notice.at));
        let text = clean(&notice.text);
        for (place, range) in wrap(&text, columns).into_iter().enumerate() {
            let lead = if place == 0 {
                format!("{age:>8} ago {sign} ")
            } else {
                " ".repeat(15)
            };
            lines.push(Line::from(vec![
                Span::styled(lead, theme.style(meaning)),
                Span::raw(text.get(range).unwrap_or_default().to_string()),
            ]));
        }
    }
    lines
}

/// Level as a sign, so that it needs no colour.
pub fn sign(level: Level) -> (&'static str, Meaning) {
    match level {
        Level::Change => ("±", Meaning::Accent),
        Level::Info => ("•", Meaning::Info),
        Level::Warning => ("▲", Meaning::Warning),
        Level::Error => ("✖", Meaning::Error),
    }
}

pub fn render(state: &State, scroll: usize, frame: &mut Frame<'_>) {
    let lines = lines(state, usize::from(state.size.width));
    let inner = paint::window(
        frame,
        state.theme(),
        help::area(state.size),
        "Messages",
        "esc closes",
    );
    if lines.is_empty() {
        let text = "Notices, problems and what others change will be kept here.";
        paint::empty(frame, state.theme(), inner, "Nothing to report", &[text]);
        return;
    }
    help::render_lines(state, &lines, scroll, inner, frame);
}
