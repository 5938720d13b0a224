//! What may lie over a screen: the palette and find, help, messages, the editor of a change, a question.

pub mod ask;
pub mod boot;
pub mod editor;
pub mod finder;
pub mod help;
pub mod messages;

use crate::tui::action::Layer;

/// At most one at a time; it takes all keys.
#[derive(Clone, Debug)]
pub enum Overlay {
    Ask(ask::Question),
    Editor(Box<editor::Editor>),
    Finder(Box<finder::Finder>),
    Help { scroll: usize },
    Messages { scroll: usize },
    Boot { scroll: usize },
}

impl Overlay {
    pub fn layer(&self) -> Layer {
        match self {
            Overlay::Ask(ask::Question::CutOff { .. }) => Layer::Prompt,
            Overlay::Ask(_) => Layer::Ask,
            Overlay::Editor(_) => Layer::Editor,
            Overlay::Finder(_) => Layer::Finder,
            Overlay::Help { .. } | Overlay::Messages { .. } | Overlay::Boot { .. } => Layer::Dialog,
        }
    }
}
