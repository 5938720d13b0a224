//! What may lie over a screen: the palette and find, help, messages, the search line.

pub mod finder;
pub mod help;
pub mod messages;

use crate::tui::action::Layer;

/// At most one at a time; it takes all keys.
#[derive(Clone, Debug)]
pub enum Overlay {
    Finder(Box<finder::Finder>),
    Help { scroll: usize },
    Messages { scroll: usize },
}

impl Overlay {
    pub fn layer(&self) -> Layer {
        match self {
            Overlay::Finder(_) => Layer::Finder,
            Overlay::Help { .. } | Overlay::Messages { .. } => Layer::Dialog,
        }
    }
}
