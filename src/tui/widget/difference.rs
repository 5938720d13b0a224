//! Lines of a difference: what is gone, what is there instead, and where.

use crate::stage::difference::{Difference, Line};
use crate::tui::clean::{clean, wrap};
use crate::tui::highlight::highlight;
use crate::tui::human;
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use ratatui::text::Span;

/// As lines that fit `columns`.
pub fn lines(theme: &Theme, differences: &[Difference], columns: usize) -> Vec<Vec<Span<'static>>> {
    let mut lines = Vec::new();
    for one in differences {
        let place = clean(&one.place).into_owned();
        lines.push(vec![Span::styled(place, theme.style(Meaning::Title))]);
        for line in &one.lines {
            let (sign, text, meaning) = match line {
                Line::Old(text) => ("- ", text.as_str(), Meaning::Drop),
                Line::New(text) => ("+ ", text.as_str(), Meaning::Good),
                Line::Same(text) => ("  ", text.as_str(), Meaning::Dim),
                Line::Gap(count) => {
                    let text = format!("    … {}", human::plural(*count, "line", "lines"));
                    lines.push(vec![Span::styled(text, theme.style(Meaning::Dim))]);
                    continue;
                }
            };
            let text = clean(text);
            let pieces = highlight(&text);
            for (part, range) in wrap(&text, columns.saturating_sub(6))
                .into_iter()
                .enumerate()
            {
                let lead = if part == 0 {
                    format!("  {sign}")
                } else {
                    "      ".to_owned()
                };
                let mut spans = vec![Span::styled(lead, theme.ink(meaning))];
                // What is new is read; what goes and what stays is only to be known again.
                if let Line::New(_) = line {
                    spans.extend(paint::syntax_part(theme, &text, &pieces, range, ""));
                } else {
                    let piece = text.get(range).unwrap_or_default().to_string();
                    spans.push(Span::styled(piece, theme.ink(meaning)));
                }
                lines.push(spans);
            }
        }
    }
    lines
}
