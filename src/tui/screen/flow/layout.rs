//! Where everything of Flow stands. The diagram takes the whole width: hooks from left to right as packets pass
//! them, this machine's programs below.

use crate::model::Family;
use crate::tui::job::flow::{FAMILIES, Station};
use crate::tui::widget::paint;
use ratatui::layout::Rect;

#[derive(Clone, Debug)]
pub struct Layout {
    /// With its title.
    pub diagram: Rect,
    /// Boxes of hooks, and the labels between them.
    pub places: Vec<(Station, Rect)>,
    /// What runs at the hook, or the steps; with its title.
    pub list: Rect,
    /// The explanation, with its title.
    pub about: Rect,
    /// The list stands beside the explanation.
    pub beside: bool,
    /// Where the line from routing goes down, and where that to postrouting goes up.
    pub down: u16,
    pub up: u16,
    /// The middle row of the upper and the lower line of boxes.
    pub upper: u16,
    pub lower: u16,
}

/// The hooks that a family has.
pub fn has(family: Family, station: Station) -> bool {
    match family {
        Family::Netdev => matches!(station, Station::Ingress | Station::Egress),
        Family::Arp => !matches!(station, Station::Prerouting | Station::Postrouting),
        _ => true,
    }
}

/// A station with a box around it: others are words on the line.
pub fn is_hook(station: Station) -> bool {
    !matches!(station, Station::Route | Station::Local)
}

/// The word for a station of a family.
pub fn label(family: Family, station: Station) -> &'static str {
    match (family, station) {
        (Family::Bridge, Station::Route) => "bridge",
        (Family::Netdev, Station::Route) => "kernel",
        (Family::Arp, Station::Route) => "arp",
        (_, Station::Local) => "local",
        (_, other) => other.title(),
    }
}

/// Columns of the upper line at 80: boxes and, between them, arrows of two columns.
const WIDTHS: [(Station, u16, u16); 6] = [
    // station, columns, share of what there is beyond 80
    (Station::Ingress, 11, 4),
    (Station::Prerouting, 14, 6),
    (Station::Route, 7, 0),
    (Station::Forward, 12, 6),
    (Station::Postrouting, 15, 6),
    (Station::Egress, 10, 4),
];
const ARROW: u16 = 2;

/// `lines` is how many would show everything that runs at the fullest hook.
pub fn layout(body: Rect, lines: usize) -> Layout {
    // Lines inside a box.
    let inner = if body.height < 27 {
        1
    } else {
        let most = ((body.height * 11 / 20).saturating_sub(6) / 2).clamp(2, 12);
        u16::try_from(lines).unwrap_or(most).clamp(2, most)
    };
    let height = inner + 2;
    let diagram = paint::rows(body, 0, 2 * height + 2);
    let below = paint::rows(
        body,
        diagram.height,
        body.height.saturating_sub(diagram.height),
    );
    let beside = body.width >= 120;
    let (list, about) = if beside {
        let half = (body.width / 2).saturating_sub(1);
        (
            Rect {
                width: half,
                ..below
            },
            Rect {
                x: below.x + half + 1,
                width: below.width - half - 1,
                ..below
            },
        )
    } else {
        let half = below.height.div_ceil(2);
        (
            paint::rows(below, 0, half),
            paint::rows(below, half, below.height - half),
        )
    };
    let top = diagram.y + 1;
    let extra = body.width.saturating_sub(80);
    let shares: u16 = WIDTHS.iter().map(|(_, _, share)| share).sum();
    let mut places = Vec::new();
    let mut x = body.x;
    for (station, columns, share) in WIDTHS {
        let wide = u32::from(extra) * u32::from(share) / u32::from(shares);
        let width = columns + u16::try_from(wide).unwrap_or(0);
        let area = Rect {
            x,
            y: top,
            width,
            height,
        };
        places.push((station, area.intersection(body)));
        x += width + ARROW;
    }
    let area = |station: Station| {
        let found = places.iter().find(|(one, _)| *one == station);
        found.map_or(Rect::default(), |(_, area)| *area)
    };
    let (route, post) = (area(Station::Route), area(Station::Postrouting));
    let down = route.x + route.width / 2;
    let up = post.x + post.width / 2;
    let bottom = top + height + 1;
    // The lower line: input below routing, output below postrouting, this machine between them.
    let label = 9;
    let room = up.saturating_sub(down);
    let width = (room + 14).saturating_sub(label + 2 * ARROW) / 2 + 4;
    let input = Rect {
        x: down.saturating_sub(7).max(body.x),
        y: bottom,
        width: width.min(down + room / 2 - label / 2 - ARROW - down.saturating_sub(7)),
        height,
    };
    let local = Rect {
        x: input.right() + ARROW,
        width: label,
        ..input
    };
    let output = Rect {
        x: local.right() + ARROW,
        width: (up + 8).saturating_sub(local.right() + ARROW),
        ..input
    };
    for (station, area) in [
        (Station::Input, input),
        (Station::Local, local),
        (Station::Output, output),
    ] {
        places.push((station, area.intersection(body)));
    }
    Layout {
        diagram,
        places,
        list,
        about,
        beside,
        down,
        up,
        upper: top + height / 2,
        lower: bottom + height / 2,
    }
}

impl Layout {
    pub fn area(&self, station: Station) -> Rect {
        let found = self.places.iter().find(|(one, _)| *one == station);
        found.map_or(Rect::default(), |(_, area)| *area)
    }

    /// The part of the diagram that is always free: below where packets come in.
    pub fn corner(&self) -> Rect {
        let input = self.area(Station::Input);
        Rect {
            x: self.diagram.x + 1,
            width: input.x.saturating_sub(self.diagram.x + 2),
            ..input
        }
    }

    /// Where the names of the families stand.
    pub fn families(&self) -> Vec<(Family, Rect)> {
        let corner = self.corner();
        let (mut x, mut y) = (corner.x, corner.y);
        let mut places = Vec::new();
        for family in FAMILIES {
            let width = family.name().len() as u16 + 2;
            if x + width > corner.right() && x > corner.x {
                (x, y) = (corner.x, y + 1);
            }
            let area = Rect {
                x,
                y,
                width,
                height: 1,
            };
            places.push((family, area.intersection(corner)));
            x += width;
        }
        places
    }

    /// The station under a point.
    pub fn at(&self, x: u16, y: u16) -> Option<Station> {
        let found = self
            .places
            .iter()
            .find(|(_, area)| area.contains((x, y).into()));
        found.map(|(station, _)| *station)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_everything_fits() {
        for (width, height) in [
            (60, 12),
            (80, 21),
            (100, 27),
            (120, 37),
            (200, 47),
            (320, 90),
        ] {
            let body = Rect::new(0, 2, width, height);
            let layout = layout(body, 5);
            for (station, area) in &layout.places {
                assert_eq!(
                    area.intersection(body),
                    *area,
                    "{station:?} at {width}x{height}"
                );
                for (other, beside) in &layout.places {
                    let overlap = area.intersection(*beside);
                    assert!(
                        station == other || overlap.is_empty(),
                        "{station:?} {other:?} at {width}"
                    );
                }
            }
            if width >= 80 && height >= 21 {
                assert!(layout.places.iter().all(|(_, area)| area.width >= 7));
                let least = if layout.beside { 10 } else { 6 };
                assert!(layout.list.height >= least && layout.about.height >= least);
            }
        }
    }
}
