//! The editor of one change: a rule, an element or a command is written, and what is wrong with it is said while
//! it is being written.

use super::Overlay;
use crate::session::changes::Wrong;
use crate::stage::change::Edit;
use crate::tui::action::Action;
use crate::tui::app::{Level, State, job};
use crate::tui::clean::{width, wrap};
use crate::tui::effect::Effect;
use crate::tui::highlight::highlight;
use crate::tui::job::Job;
use crate::tui::key::Key;
use crate::tui::screen::changes;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use ratatui_textarea::{CursorMove, Input, Key as AreaKey, TextArea};
use std::ops::Range;

#[derive(Clone, Debug)]
pub struct Editor {
    area: TextArea<'static>,
    /// What comes out of it, but for the text.
    edit: Edit,
    /// The change of the set that is being edited again.
    id: Option<u64>,
    original: String,
    /// Places are bytes of the text.
    wrong: Vec<Wrong>,
    ticket: u64,
    /// Nothing is known about the text as it is now.
    looking: bool,
    /// Stage it as soon as it is known to be right.
    staging: bool,
}

impl Editor {
    /// Everything that was written. Only commands have several lines; elsewhere a line end is a blank.
    pub fn text(&self) -> String {
        let end = match self.edit {
            Edit::Command { .. } | Edit::Route { .. } => "\n",
            _ => " ",
        };
        self.area.lines().join(end)
    }

    fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// Take over what was found, unless it is about an older text.
    fn looked(&mut self, ticket: u64, wrong: Vec<Wrong>) -> bool {
        if ticket != self.ticket {
            return false;
        }
        let lead = self.edit.lead().len();
        let len = self.text().len();
        let place = |at: usize| at.saturating_sub(lead).min(len);
        self.wrong = wrong
            .into_iter()
            .map(|one| Wrong {
                span: place(one.span.start)..place(one.span.end),
                ..one
            })
            .collect();
        self.looking = false;
        true
    }
}

/// Open the editor for a change that is to be made, or for one of the set.
pub fn open(state: &mut State, edit: Edit, id: Option<u64>, effects: &mut Vec<Effect>) {
    let text = edit.text().to_string();
    if text.chars().any(|c| c.is_control() && c != '\n') {
        let text = "this text holds bytes that no editor can show; use `hookscope apply`";
        state.notify(Level::Warning, text);
        return;
    }
    let mut area = TextArea::new(text.split('\n').map(str::to_string).collect());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    state.overlay = Some(Overlay::Editor(Box::new(Editor {
        area,
        edit,
        id,
        original: text,
        wrong: Vec::new(),
        ticket: 0,
        looking: false,
        staging: false,
    })));
    changed(state, effects);
}

/// A key that is no action goes into the text.
pub fn key(state: &mut State, key: Key, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let code = match key.code {
        KeyCode::Char(c) => AreaKey::Char(c),
        KeyCode::Backspace => AreaKey::Backspace,
        KeyCode::Delete => AreaKey::Delete,
        KeyCode::Left => AreaKey::Left,
        KeyCode::Right => AreaKey::Right,
        KeyCode::Up => AreaKey::Up,
        KeyCode::Down => AreaKey::Down,
        KeyCode::Home => AreaKey::Home,
        KeyCode::End => AreaKey::End,
        _ => return,
    };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let typed = match code {
        AreaKey::Char('z') if ctrl => editor.area.undo(),
        AreaKey::Char('u') if ctrl => editor.area.delete_line_by_head(),
        AreaKey::Char('m' | 'j') if ctrl => false,
        key_code => editor.area.input(Input {
            key: key_code,
            ctrl,
            alt: key.modifiers.contains(KeyModifiers::ALT),
            shift: false,
        }),
    };
    if typed {
        changed(state, effects);
    }
}

pub fn paste(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String = text
        .trim_end_matches('\n')
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect();
    editor.area.insert_str(clean);
    changed(state, effects);
}

/// The text is another one: have it looked at.
fn changed(state: &mut State, effects: &mut Vec<Effect>) {
    let ticket = state.ticket();
    let set = state.changes.set.clone();
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    editor.ticket = ticket;
    editor.staging = false;
    let text = editor.text();
    if text.trim().is_empty() || text == editor.original {
        // Nothing written yet, or what is there already.
        editor.wrong.clear();
        editor.looking = false;
        return;
    }
    editor.looking = true;
    let own = editor.edit.with_text(&text);
    // As the set would be; what comes after this change does not matter to it.
    let mut set = set;
    let id = match editor.id {
        Some(id) => {
            set.amend(id, own);
            id
        }
        None => set.stage(own),
    };
    let mut edits = Vec::new();
    for change in set.changes().iter() {
        edits.push(change.edit.clone());
        if change.id == id {
            break;
        }
    }
    let which = edits.len().saturating_sub(1);
    job(state, effects, |picture| Job::Look {
        ticket,
        picture,
        edits,
        which,
    });
}

pub fn looked(state: &mut State, ticket: u64, wrong: Vec<Wrong>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    if editor.looked(ticket, wrong) && std::mem::take(&mut editor.staging) {
        accept(state);
    }
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    match action {
        Action::Accept => accept(state),
        Action::NewLine => {
            editor.area.insert_newline();
            changed(state, effects);
        }
        _ => {}
    }
}

fn accept(state: &mut State) {
    let Some(Overlay::Editor(editor)) = &mut state.overlay else {
        return;
    };
    let text = editor.text();
    if text != editor.original {
        if editor.looking {
            editor.staging = true;
            return;
        }
        if !editor.wrong.is_empty() && !text.trim().is_empty() {
            let text = "not staged: it cannot be read yet; esc gives up";
            state.notify(Level::Warning, text);
            return;
        }
    }
    let (edit, id) = (editor.edit.clone(), editor.id);
    let unchanged = text == editor.original;
    state.overlay = None;
    if !unchanged {
        changes::update::written(state, edit, id, text.trim());
    }
}

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
            "⏎ stage · alt-⏎ new line · ^Z undo · esc give up"
        }
        _ => "⏎ stage · ^Z undo · esc give up",
    };
    let inner = paint::window(frame, theme, area, &editor.edit.title(), foot);
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
            Edit::Route { .. } => "such as: route add 192.0.2.0/24 via 198.51.100.1 dev eth0",
            _ => "such as: tcp dport 22 ct state new accept",
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
    }
    said
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
