//! Routes: policy rules, routing tables, neighbours, links, and the kernel's answer to "where would this go?".

pub mod query;
pub mod render;
pub mod update;

use crate::tui::app::Screen;
use crate::tui::key::Key;
use crate::tui::widget::input::Input;

#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// The lookup field while it is being typed into.
    pub editing: Option<Input>,
    /// The last question, in words.
    pub question: String,
    pub ticket: u64,
    /// None while the kernel is being asked.
    pub answer: Option<Result<String, String>>,
}

impl Routes {
    pub fn is_editing(&self, screen: Screen) -> bool {
        screen == Screen::Routes && self.editing.is_some()
    }

    pub fn key(&mut self, key: Key) {
        if let Some(input) = &mut self.editing {
            input.key(key);
        }
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.editing {
            input.paste(text);
        }
    }
}
