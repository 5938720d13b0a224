//! A field of one line.

use crate::tui::key::Key;
use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui_textarea::{Input as AreaInput, Key as AreaKey, TextArea};

#[derive(Clone, Debug, Default)]
pub struct Input {
    area: TextArea<'static>,
}

impl Input {
    pub fn new(text: &str) -> Input {
        let mut input = Input::default();
        input.paste(text);
        input
    }

    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Take a key; true when the text has changed.
    pub fn key(&mut self, key: Key) -> bool {
        let code = match key.code {
            KeyCode::Char(c) => AreaKey::Char(c),
            KeyCode::Backspace => AreaKey::Backspace,
            KeyCode::Delete => AreaKey::Delete,
            KeyCode::Left => AreaKey::Left,
            KeyCode::Right => AreaKey::Right,
            KeyCode::Home => AreaKey::Home,
            KeyCode::End => AreaKey::End,
            _ => return false,
        };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl && matches!(code, AreaKey::Char('m' | 'j')) {
            return false;
        }
        if ctrl && code == AreaKey::Char('u') {
            return self.area.delete_line_by_head();
        }
        self.area.input(AreaInput {
            key: code,
            ctrl,
            alt: key.modifiers.contains(KeyModifiers::ALT),
            shift: false,
        })
    }

    /// Take pasted text; line ends become blanks.
    pub fn paste(&mut self, text: &str) -> bool {
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.area.insert_str(line.trim_end())
    }

    pub fn render(&self, frame: &mut Frame<'_>, area: Rect, style: Style, active: bool) {
        let mut widget = self.area.clone();
        widget.set_style(style);
        widget.set_cursor_line_style(Style::new());
        let cursor = if active {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        widget.set_cursor_style(cursor);
        frame.render_widget(&widget, area);
    }
}
