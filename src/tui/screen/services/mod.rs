//! Services: what Kubernetes and Docker lead packets to, where clients find it, and where it ends.
//!
//! May use `insight`'s services as values, `session`'s picture types and the rest of `tui`. Finding them and making
//! the table are jobs: `find` asks for the first, `update` for the second.

pub mod find;
mod packet;
pub mod render;
pub mod update;

use crate::insight::services::{Endpoint, Found, Service, Source, Way};
use crate::tui::job::services::{Counted, Numbers, Order, View};
use crate::tui::widget::list::ListState;
use crate::tui::widget::paint;
use ratatui::layout::Rect;
use std::sync::Arc;

/// From so many columns on, the ways of a service stand beside the list.
const WIDE: u16 = 140;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    List,
    /// The ways to the selected service, and its endpoints.
    Ways,
}

#[derive(Clone, Debug, Default)]
pub struct Services {
    /// Nothing until somebody has looked, and where rules tell of none.
    pub found: Option<Arc<Found>>,
    pub asked: Option<find::Asked>,
    pub focus: Pane,
    pub list: ListState,
    pub ways: ListState,
    pub order: Order,
    /// The table as it is on the screen.
    pub view: Option<Arc<View>>,
    made_for: Option<update::MadeFor>,
    /// A table is being made.
    working: bool,
    /// The service under the cursor; stays when others come and go around it.
    here: Option<(Arc<Found>, u32)>,
}

/// A line below: a place where clients find the service, or where its packets end.
#[derive(Clone, Copy, Debug)]
pub enum Line<'s> {
    Way(&'s Way, Counted),
    Endpoint(&'s Endpoint, Counted),
    /// There is no endpoint.
    Nowhere,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panes {
    pub list: Rect,
    pub ways: Rect,
    pub beside: bool,
}

impl Services {
    pub fn len(&self) -> usize {
        self.view.as_ref().map_or(0, |view| view.lines.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The service under the cursor.
    pub fn selected(&self) -> Option<(&Service, &Numbers)> {
        self.view.as_ref()?.service(self.list.selected)
    }

    /// What is known of the service under the cursor, line by line.
    pub fn lines(&self) -> Vec<Line<'_>> {
        let Some((service, numbers)) = self.selected() else {
            return Vec::new();
        };
        let ways = service.ways.iter().zip(&numbers.ways);
        let ends = service.endpoints.iter().zip(&numbers.endpoints);
        let mut lines: Vec<Line<'_>> = ways.map(|(way, of)| Line::Way(way, *of)).collect();
        lines.extend(ends.map(|(end, of)| Line::Endpoint(end, *of)));
        if service.endpoints.is_empty() {
            lines.push(Line::Nowhere);
        }
        lines
    }

    /// The line under the cursor, where it is in that pane.
    pub fn line(&self) -> Option<Line<'_>> {
        let lines = self.lines();
        let chosen = lines.get(self.ways.selected).copied();
        chosen.filter(|_| self.focus == Pane::Ways)
    }

    pub fn panes(&self, body: Rect) -> Panes {
        if body.width >= WIDE {
            let width = body.width * 11 / 20;
            return Panes {
                list: Rect { width, ..body },
                ways: Rect {
                    x: body.x + width + 1,
                    width: body.width - width - 1,
                    ..body
                },
                beside: true,
            };
        }
        let height = (body.height * 2 / 5).clamp(5, 16).min(body.height);
        let list = body.height - height;
        Panes {
            list: paint::rows(body, 0, list),
            ways: paint::rows(body, list, height),
            beside: false,
        }
    }
}

/// What a way is called.
pub fn words(source: Source, way: &Way) -> &'static str {
    match source {
        Source::Kubernetes => way.kind.words(),
        Source::Docker => "published",
    }
}

/// The lines of a pane below its title and its column heads.
pub fn list_area(pane: Rect) -> Rect {
    paint::rows(pane, 2, pane.height.saturating_sub(2))
}
