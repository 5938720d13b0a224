//! Live: what the kernel does with packets, as it does it. One line a packet, newest first; nothing is installed
//! before the person starts it, and nothing stays when the program ends.
//!
//! May use `session`'s watch as values, and the rest of `tui`.

pub mod render;
pub mod update;

use crate::flow::Question;
use crate::session::watch::{Packet, RuleHit};
use crate::tui::app::Screen;
use crate::tui::key::Key;
use crate::tui::widget::input::Input;
use crate::tui::widget::list::ListState;
use ratatui::layout::Rect;
use std::collections::VecDeque;
use std::sync::Arc;

/// Packets that are kept.
pub const MOST: usize = 2_000;
/// From so many columns on, a packet's path stands beside the list.
const WIDE: u16 = 120;

/// What the feed tells.
#[derive(Clone, Debug)]
pub enum Feed {
    Started,
    /// Newest last. `left_out`: packets that there was no time for.
    Packets {
        packets: Vec<Arc<Packet>>,
        lost: bool,
        left_out: u64,
    },
    /// It ended: by the person, or by itself, and then why.
    Stopped(Option<String>),
    Failed(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    #[default]
    No,
    Starting,
    Yes,
    Stopping,
}

#[derive(Clone, Debug, Default)]
pub struct Live {
    pub running: Running,
    /// The filter as it was written.
    pub filter: String,
    pub editing: Option<Input>,
    /// What is wrong with the filter, or why the feed ended.
    pub trouble: Option<String>,
    /// Newest first.
    pub packets: VecDeque<Arc<Packet>>,
    /// What came while paused, newest first.
    pub held: Option<VecDeque<Arc<Packet>>>,
    pub drops_only: bool,
    pub list: ListState,
    /// The packet whose path is shown.
    pub open: Option<Arc<Packet>>,
    pub path: ListState,
    pub seen: u64,
    pub dropped: u64,
    pub left_out: u64,
    pub lost: bool,
}

/// One line of a packet's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A base chain: place in the passes.
    Chain(usize),
    /// A rule: pass and hit.
    Rule(usize, usize),
    End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    /// Nothing where the path covers it.
    pub list: Rect,
    pub path: Option<Rect>,
    /// The filter line.
    pub filter: Rect,
}

impl Live {
    pub fn is_editing(&self, screen: Screen) -> bool {
        screen == Screen::Live && self.editing.is_some()
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

    /// The packets of the list, newest first.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Packet>> {
        let drops = self.drops_only;
        self.packets
            .iter()
            .filter(move |packet| !drops || packet.is_drop())
    }

    pub fn selected(&self) -> Option<&Arc<Packet>> {
        self.shown().nth(self.list.selected)
    }

    /// The question that the selected packet asks, for the screen that simulates it.
    pub fn question(&self) -> Option<Question> {
        let packet = self.open.as_ref().or(self.selected())?;
        Some(packet.question())
    }

    /// The lines of the open packet's path.
    pub fn lines(&self) -> Vec<Line> {
        let Some(packet) = &self.open else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for (pass, one) in packet.passes.iter().enumerate() {
            lines.push(Line::Chain(pass));
            lines.extend((0..one.hits.len()).map(|hit| Line::Rule(pass, hit)));
        }
        lines.push(Line::End);
        lines
    }

    /// The rule under the cursor, or the one that ended the packet.
    pub fn rule(&self) -> Option<(usize, &RuleHit)> {
        let packet = self.open.as_ref().or(self.selected())?;
        if self.open.is_some()
            && let Some(Line::Rule(pass, hit)) = self.lines().get(self.path.selected)
        {
            return Some((*pass, packet.passes.get(*pass)?.hits.get(*hit)?));
        }
        let last = packet.passes.len().checked_sub(1)?;
        Some((last, packet.passes.get(last)?.hits.last()?))
    }

    pub fn panes(&self, body: Rect) -> Panes {
        let filter = Rect {
            y: body.bottom().saturating_sub(2),
            height: body.height.min(2),
            ..body
        };
        let upper = Rect {
            height: body.height.saturating_sub(2),
            ..body
        };
        if self.open.is_none() {
            return Panes {
                list: upper,
                path: None,
                filter,
            };
        }
        if body.width < WIDE {
            return Panes {
                list: Rect::default(),
                path: Some(upper),
                filter,
            };
        }
        let half = upper.width / 2;
        Panes {
            list: Rect {
                width: half.saturating_sub(1),
                ..upper
            },
            path: Some(Rect {
                x: upper.x + half,
                width: upper.width - half,
                ..upper
            }),
            filter,
        }
    }
}
