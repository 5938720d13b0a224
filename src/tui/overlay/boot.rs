//! What the next boot loads: each file, and how what runs differs from what it says.

use super::help;
use crate::session::boot::{Saved, Says};
use crate::tui::action::{Action, Layer};
use crate::tui::app::State;
use crate::tui::clean::{clean, wrap};
use crate::tui::key;
use crate::tui::screen::changes::update;
use crate::tui::theme::Meaning;
use crate::tui::widget::{difference, paint};
use ratatui::Frame;
use ratatui::text::{Line, Span};

/// A sign and a colour for what a file says.
pub fn sign(saved: &Saved) -> (&'static str, Meaning) {
    match saved.says {
        Says::Same => ("✔", Meaning::Good),
        Says::Unknown(_) => ("·", Meaning::Warning),
        Says::Differs(_) | Says::NoFile(_) => ("▲", Meaning::Warning),
    }
}

/// `/etc/nftables.conf differs from what runs in 3 lines`
pub fn sentence(saved: &Saved) -> String {
    let path = saved.path.display().to_string();
    let path = if path.is_empty() {
        saved.program
    } else {
        path.as_str()
    };
    format!("{path} {}", saved.summary())
}

pub fn lines(state: &State) -> Vec<Line<'static>> {
    let theme = state.theme();
    let columns = usize::from(help::area(state.size).width).saturating_sub(5);
    let mut lines = Vec::new();
    let mut say = |lead: &str, text: &str, meaning: Meaning| {
        let text = clean(text);
        for (part, range) in wrap(&text, columns.saturating_sub(2))
            .into_iter()
            .enumerate()
        {
            let lead = if part == 0 {
                format!("{lead:<2}")
            } else {
                "  ".to_owned()
            };
            let piece = text.get(range).unwrap_or_default().to_string();
            lines.push(Line::from(vec![
                Span::styled(lead, theme.ink(meaning)),
                Span::raw(piece),
            ]));
        }
    };
    let files = match &state.changes.boot {
        None => {
            say(
                "…",
                "reading what is saved and what runs",
                Meaning::Progress,
            );
            return lines;
        }
        Some(Err(why)) => {
            say("✖", why, Meaning::Error);
            return lines;
        }
        Some(Ok(files)) => files,
    };
    if files.is_empty() {
        say(
            "✔",
            "No rules run, and none are loaded at boot.",
            Meaning::Good,
        );
    }
    for (place, file) in files.iter().enumerate() {
        if place > 0 {
            lines.push(Line::raw(""));
        }
        let (sign, meaning) = sign(file);
        let mut say = |lead: &str, text: &str, meaning: Meaning| {
            for text in text.lines() {
                let text = clean(text);
                for range in wrap(&text, columns.saturating_sub(2)) {
                    let piece = text.get(range).unwrap_or_default().to_string();
                    lines.push(Line::from(vec![
                        Span::styled(format!("{lead:<2}"), theme.ink(meaning)),
                        Span::raw(piece),
                    ]));
                }
            }
        };
        say(sign, &sentence(file), meaning);
        for note in &file.notes {
            say("▲", note, Meaning::Warning);
        }
        if let Says::Differs(found) | Says::NoFile(found) = &file.says {
            let found = difference::lines(theme, found, columns.saturating_sub(2));
            lines.extend(found.into_iter().map(|mut spans| {
                spans.insert(0, Span::raw("  "));
                Line::from(spans)
            }));
        }
    }
    lines
}

pub fn render(state: &State, scroll: usize, frame: &mut Frame<'_>) {
    let keys = state
        .settings
        .keymap
        .keys(&[Layer::Dialog], Action::SaveBoot)
        .filter(|_| update::enabled(state, Action::SaveBoot));
    let foot = match keys {
        Some(keys) => format!(
            "{} writes what runs there; the old file is kept · esc closes",
            key::show(keys)
        ),
        None => "esc closes".to_owned(),
    };
    let area = help::area(state.size);
    let inner = paint::window(
        frame,
        state.theme(),
        area,
        "The next boot (- saved, + runs now)",
        &foot,
    );
    help::render_lines(state, &lines(state), scroll, inner, frame);
}
