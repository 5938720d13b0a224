//! Drawing the editor: the text with its mistake under it, how it reads, and the words that could come next.

use super::{Editor, Language};
use crate::lang::nft::complete::What;
use crate::stage::change::Edit;
use crate::tui::app::State;
use crate::tui::clean::{clean, width, wrap};
use crate::tui::highlight::highlight;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use std::ops::Range;

/// What one keeps in sight of the text.
const ROWS: usize = 12;

/// The rows of the window that show the text: which line, which of its bytes.
fn text_rows(lines: &[String], columns: usize) -> Vec<(usize, Range<usize>)> {
    let columns = columns.max(2);
    let mut rows = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let mut start = 0;
        let mut used = 0;
        for (at, c) in line.char_indices() {
            let mut buffer = [0; 4];
            let wide = width(c.encode_utf8(&mut buffer));
            if used + wide > columns {
                rows.push((number, start..at));
                start = at;
                used = 0;
            }
            used += wide;
        }
        rows.push((number, start..line.len()));
    }
    rows
}

pub fn render(state: &State, editor: &Editor, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let full = Rect::new(0, 0, state.size.width, state.size.height);
    let columns = full.width.saturating_sub(4).min(120);
    // Border and padding on both sides, and the column of the cursor behind the last character.
    let room = usize::from(columns.saturating_sub(5));
    let lines = editor.area.lines();
    let rows = text_rows(lines, room);
    let lead = editor.edit.lead();
    let said = said(state, editor, room);
    let height = 2 + 2 + rows.len().min(ROWS) + 1 + said.len().max(2);
    let mut area = paint::centered(full, columns, height as u16);
    area.y = full.height.saturating_sub(area.height) / 3;
    let foot = match &editor.edit {
        Edit::Command { .. } | Edit::Route { .. } => {
            "⏎ stage · ⇥ complete · alt-⏎ new line · ^Z undo · esc give up"
        }
        _ => "⏎ stage · ⇥ complete · ^Z undo · esc give up",
    };
    let rule = matches!(editor.edit, Edit::AddRule { .. } | Edit::ReplaceRule { .. });
    let title = match rule {
        true => format!("{} · {}", editor.edit.title(), editor.language.words()),
        false => editor.edit.title(),
    };
    let inner = paint::window(frame, theme, area, &title, foot);
    let head = match &editor.edit {
        Edit::Command { .. } => "commands of the nft language, one per line".to_string(),
        Edit::Route { .. } => {
            "route, rule, neigh or nexthop, in the words of ip; one per line".to_string()
        }
        _ => lead.trim_end().to_string(),
    };
    let dim = theme.style(Meaning::Dim);
    paint::put(frame, paint::row(inner, 0), vec![Span::styled(head, dim)]);
    let (cursor_line, cursor_column) = editor.cursor();
    let cursor_byte = lines.get(cursor_line).map_or(0, |line| {
        line.char_indices()
            .nth(cursor_column)
            .map_or(line.len(), |(at, _)| at)
    });
    let of_cursor = |(line, range): &(usize, Range<usize>)| {
        *line == cursor_line && range.start <= cursor_byte && cursor_byte <= range.end
    };
    let cursor_row = rows.iter().rposition(of_cursor).unwrap_or(0);
    let skip = (cursor_row + 1).saturating_sub(ROWS);
    let marks = error_marks(editor);
    let mut y = 1;
    let mut caret_done = false;
    for (place, (number, range)) in rows.iter().enumerate().skip(skip).take(ROWS) {
        let Some(line) = lines.get(*number) else {
            continue;
        };
        let row = paint::row(inner, y);
        y += 1;
        let spans = paint::syntax_part(theme, line, &highlight(line), range.clone(), "");
        paint::put(frame, row, spans);
        let column = |byte: usize| width(line.get(range.start..byte).unwrap_or_default()) as u16;
        let mark = marks
            .iter()
            .filter(|(on, _)| on == number)
            .find_map(|(_, bytes)| mark_in(range, line.len(), bytes));
        if place == cursor_row {
            let cell = Rect {
                x: row.x + column(cursor_byte),
                width: 1,
                ..row
            };
            let buffer = frame.buffer_mut();
            buffer.set_style(
                cell,
                ratatui::style::Style::new().add_modifier(Modifier::REVERSED),
            );
        }
        if let Some(mark) = mark.filter(|_| !caret_done) {
            caret_done = true;
            let from = column(mark.start);
            let carets = column(mark.end).saturating_sub(from).max(1);
            let text = format!(
                "{}{}",
                " ".repeat(usize::from(from)),
                "^".repeat(usize::from(carets))
            );
            let style = theme.ink(Meaning::Error);
            paint::put(frame, paint::row(inner, y), vec![Span::styled(text, style)]);
            y += 1;
        }
    }
    if !caret_done {
        y += 1;
    }
    for (place, line) in said.into_iter().enumerate() {
        paint::put(frame, paint::row(inner, y + place as u16), line);
    }
}

/// The part of a mistake that begins in this row of a line. The end of a line is a place, too.
fn mark_in(row: &Range<usize>, line: usize, mistake: &Range<usize>) -> Option<Range<usize>> {
    let last = row.end == line;
    if mistake.start < row.start || (mistake.start >= row.end && !last) {
        return None;
    }
    let start = mistake.start.min(line);
    Some(start..mistake.end.min(row.end).max(start))
}

/// Where the mistakes are: line and bytes of it.
fn error_marks(editor: &Editor) -> Vec<(usize, Range<usize>)> {
    let lines = editor.area.lines();
    let mut marks = Vec::new();
    for wrong in editor.wrong.iter().take(1) {
        let mut start = 0;
        for (number, line) in lines.iter().enumerate() {
            let end = start + line.len();
            if wrong.span.start <= end {
                let from = wrong.span.start - start;
                let to = wrong.span.end.min(end).saturating_sub(start).max(from);
                marks.push((number, from..to));
                break;
            }
            start = end + 1;
        }
    }
    marks
}

/// What is known about the text, below it.
fn said(state: &State, editor: &Editor, columns: usize) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme();
    let mut said = Vec::new();
    let mut say = |sign: &str, text: &str, meaning: Meaning| {
        for (place, range) in wrap(text, columns.saturating_sub(2))
            .into_iter()
            .enumerate()
        {
            let lead = if place == 0 { sign } else { " " };
            said.push(vec![
                Span::styled(format!("{lead} "), theme.ink(meaning)),
                Span::raw(text.get(range).unwrap_or_default().to_string()),
            ]);
        }
    };
    let text = editor.text();
    if let Some(wrong) = editor.wrong.first() {
        say("✖", &wrong.message, Meaning::Error);
        if let Some(help) = &wrong.help {
            say("→", help, Meaning::Info);
        }
        let more = editor.wrong.len() - 1;
        if more > 0 {
            say(" ", &format!("and {more} more"), Meaning::Dim);
        }
    } else if text.trim().is_empty() {
        let example = match &editor.edit {
            Edit::AddElement { .. } | Edit::DeleteElement { .. } => {
                "one or more elements, separated by commas"
            }
            Edit::Command { .. } => "such as: add chain ip filter extra",
            Edit::MakeChain { .. } | Edit::RenameChain { .. } => "a name of at most 28 bytes",
            Edit::Route { .. } => "such as: route add 192.0.2.0/24 via 198.51.100.1 dev eth0",
            _ if editor.language == Language::Nft => "such as: tcp dport 22 ct state new accept",
            _ => "such as: -p tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT",
        };
        say("·", example, Meaning::Dim);
    } else if text == editor.original {
        say("·", "unchanged: nothing will be staged", Meaning::Dim);
    } else if editor.looking {
        say("…", "reading", Meaning::Progress);
    } else {
        say(
            "✔",
            "well-formed; the kernel checks it with the others",
            Meaning::Good,
        );
        if let Some(english) = &editor.english {
            say("·", &clean(english), Meaning::Dim);
        }
        if let Some(note) = &editor.note {
            say("!", &clean(note), Meaning::Warning);
        }
    }
    said.extend(words(state, editor, columns));
    said
}

/// The words that fit at the cursor, as many as there is room for, the one that stands there among them.
fn words(state: &State, editor: &Editor, columns: usize) -> Option<Vec<Span<'static>>> {
    let theme = state.theme();
    let words = editor.completion.words();
    if words.is_empty() {
        return None;
    }
    let picked = editor.completion.picked();
    let dim = theme.style(Meaning::Dim);
    // The picked one is in sight: begin where it is the last that fits.
    let mut first = 0;
    if let Some(picked) = picked {
        let mut room = columns.saturating_sub(8);
        first = picked;
        while let Some(before) = first.checked_sub(1).and_then(|at| words.get(at)) {
            let need = width(&before.text) + 2;
            if need > room {
                break;
            }
            room -= need;
            first -= 1;
        }
    }
    let mut spans = vec![Span::styled("⇥ ", dim)];
    if first > 0 {
        spans.push(Span::styled("… ", dim));
    }
    let mut room = columns.saturating_sub(6);
    for (place, word) in words.iter().enumerate().skip(first) {
        let need = width(&word.text) + 2;
        if need > room {
            spans.push(Span::styled(format!("+{}", words.len() - place), dim));
            break;
        }
        room -= need;
        let meaning = match word.what {
            What::Keyword => Meaning::Keyword,
            What::Chain | What::Table => Meaning::Chain,
            What::Set | What::Flowtable | What::Object => Meaning::Set,
            _ => Meaning::Text,
        };
        let mut style = theme.ink(meaning);
        if picked == Some(place) {
            style = style.add_modifier(Modifier::REVERSED);
        }
        spans.push(Span::styled(clean(&word.text).into_owned(), style));
        spans.push(Span::raw("  "));
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_without_losing_a_byte() {
        let lines = vec!["abcdef".to_string(), String::new(), "日本語".to_string()];
        assert_eq!(
            text_rows(&lines, 4),
            [(0, 0..4), (0, 4..6), (1, 0..0), (2, 0..6), (2, 6..9)]
        );
    }
}
