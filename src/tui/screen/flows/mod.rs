//! Flows: the connections that the kernel tracks now, what NAT makes of them, and what they carry.
//!
//! May use `session`'s flows as values, names of `insight`'s services, and the rest of `tui`. The table is read by a
//! request while the screen is open and made by a job: what is drawn is only what stands on the screen.

pub mod columns;
pub mod details;
pub mod render;
pub mod update;

use crate::model::conntrack::Flow;
use crate::session;
use crate::tui::job::flows::{Order, View};
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use ratatui::layout::Rect;
use std::sync::Arc;
use std::time::Duration;

/// From so many columns on, the details of a connection stand beside the list.
const WIDE: u16 = 150;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    List,
    /// What there is to say about the selected connection.
    Details,
}

#[derive(Clone, Debug, Default)]
pub struct Flows {
    /// As they were read last.
    pub now: Option<Arc<session::Flows>>,
    /// Why they could not be read.
    pub trouble: Option<String>,
    pub focus: Pane,
    pub list: ListState,
    /// First line of the details.
    pub scroll: usize,
    /// The details have the whole body.
    pub zoom: bool,
    pub order: Order,
    /// The table as it is on the screen.
    pub view: Option<Arc<View>>,
    made_for: Option<update::MadeFor>,
    /// Being read.
    reading: bool,
    /// A table is being made.
    working: bool,
    /// When they are worth reading again.
    due: Duration,
    /// Somebody does not want to wait for that.
    wanted: bool,
    /// The connection under the cursor; stays when others come and go around it.
    here: Option<Box<Flow>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    /// Nothing where the details cover it.
    pub list: Rect,
    pub details: Rect,
    pub beside: bool,
}

impl Flows {
    pub fn len(&self) -> usize {
        self.view.as_ref().map_or(0, |view| view.lines.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection under the cursor, and its place in the table it was read with.
    pub fn selected(&self) -> Option<(&Flow, u32)> {
        self.view.as_ref()?.flow(self.list.selected)
    }

    /// What is shown is not enough: read as soon as the screen is open.
    pub fn read_now(&mut self) {
        self.wanted = true;
    }

    pub fn panes(&self, body: Rect) -> Panes {
        if self.zoom {
            return Panes {
                list: Rect::default(),
                details: body,
                beside: false,
            };
        }
        if body.width >= WIDE {
            let width = (body.width * 3 / 10).clamp(46, 70);
            let list = body.width - width - 1;
            return Panes {
                list: Rect {
                    width: list,
                    ..body
                },
                details: Rect {
                    x: body.x + list + 1,
                    width,
                    ..body
                },
                beside: true,
            };
        }
        let height = (body.height * 2 / 5).clamp(5, 14).min(body.height);
        let list = body.height - height;
        Panes {
            list: paint::rows(body, 0, list),
            details: paint::rows(body, list, height),
            beside: false,
        }
    }
}

/// The lines of the list below its title and its column heads.
pub fn list_area(pane: Rect) -> Rect {
    paint::rows(pane, 2, pane.height.saturating_sub(2))
}
