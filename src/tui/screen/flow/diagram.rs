//! Drawing the hooks: boxes with what runs in them, the lines between them, and the packet's way over both.
//!
//! Without colours the way is told by its lines: heavy ones are on it, double ones are where the packet is.

use super::layout::{Layout, has, is_hook, label};
use super::{Flow, Focus};
use crate::session::{Picture, RuleKey};
use crate::tui::app::State;
use crate::tui::clean::{elide, width};
use crate::tui::human;
use crate::tui::job::flow::{Entry, Nature, Station};
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// Rules of a chain whose rates are looked at for a picture.
const RULES: usize = 300;

/// Packets a second that are known to pass a chain: the busiest counter in it.
pub fn rate(picture: &Picture, entry: &Entry) -> Option<f64> {
    let Nature::Chain(key) = &entry.nature else {
        return None;
    };
    let mut rates: Vec<f64> = Vec::new();
    rates.extend(
        picture
            .rates
            .chains
            .get(key)
            .map(|history| history.now.packets),
    );
    let table = picture.ruleset.table(key.family, &key.table)?;
    let chain = table.chain(&key.chain)?;
    for rule in chain.rules.iter().take(RULES) {
        let rule = RuleKey {
            chain: key.clone(),
            handle: rule.handle,
        };
        rates.extend(
            picture
                .rates
                .rules
                .get(&rule)
                .map(|history| history.now.packets),
        );
    }
    rates.into_iter().reduce(f64::max)
}

/// What of an entry counts in a box: not the kernel's own functions where room is short.
fn is_chain(entry: &Entry) -> bool {
    entry.nature != Nature::Builtin
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The packet does not come here.
    Off,
    /// It will.
    Ahead,
    Passed,
    Here,
}

struct Drawing<'d> {
    state: &'d State,
    theme: &'d Theme,
    layout: &'d Layout,
    passed: Vec<Station>,
    all: Vec<Station>,
    /// Where the packet is.
    here: Option<Station>,
}

pub fn render(state: &State, picture: &Picture, frame: &mut Frame<'_>, layout: &Layout) {
    let flow = &state.flow;
    let (passed, all) = flow.trails();
    let here = passed.last().copied();
    let drawing = Drawing {
        state,
        theme: state.theme(),
        layout,
        passed,
        all,
        here,
    };
    drawing.lines(frame);
    for (station, area) in &layout.places {
        if !has(flow.family, *station) {
            continue;
        }
        if is_hook(*station) {
            drawing.hook(picture, frame, *station, *area);
        } else {
            drawing.word(frame, *station, *area);
        }
    }
}

impl Drawing<'_> {
    fn flow(&self) -> &Flow {
        &self.state.flow
    }

    fn way(&self, station: Station) -> Way {
        if self.here == Some(station) {
            Way::Here
        } else if self.passed.contains(&station) {
            Way::Passed
        } else if self.all.contains(&station) {
            Way::Ahead
        } else {
            Way::Off
        }
    }

    fn style(&self, way: Way) -> Style {
        let meaning = match way {
            Way::Here | Way::Passed => Meaning::Accent,
            Way::Ahead => Meaning::Text,
            Way::Off if self.all.is_empty() => Meaning::Border,
            Way::Off => Meaning::Dim,
        };
        self.theme.style(meaning)
    }

    /// How the packet goes from one station straight to another.
    fn edge(&self, from: Station, to: Station) -> Way {
        let goes = |trail: &[Station]| trail.windows(2).any(|pair| pair == [from, to]);
        if goes(&self.passed) {
            Way::Passed
        } else if goes(&self.all) {
            Way::Ahead
        } else {
            Way::Off
        }
    }

    fn lines(&self, frame: &mut Frame<'_>) {
        let layout = self.layout;
        let family = self.flow().family;
        let upper = [
            Station::Ingress,
            Station::Prerouting,
            Station::Route,
            Station::Forward,
            Station::Postrouting,
            Station::Egress,
        ];
        for pair in upper.windows(2) {
            let [from, to] = *pair else { continue };
            let (a, b) = (layout.area(from), layout.area(to));
            // A hook that the family does not have is a piece of the line.
            let start = if has(family, from) { a.right() } else { a.x };
            let way = self.edge(from, to);
            self.horizontal(frame, layout.upper, start, b.x, has(family, to), way);
        }
        if !has(family, Station::Input) {
            return;
        }
        let input = layout.area(Station::Input);
        let way = self.edge(Station::Route, Station::Input);
        let heavy = way == Way::Passed;
        let style = self.style(way);
        for y in layout.upper + 1..input.y {
            let sign = match (y + 1 == input.y, heavy) {
                (true, _) => "▼",
                (false, true) => "┃",
                (false, false) => "│",
            };
            put(frame, layout.down, y, sign, style);
        }
        let pairs = [
            (Station::Input, Station::Local),
            (Station::Local, Station::Output),
        ];
        for (from, to) in pairs {
            let (a, b) = (layout.area(from), layout.area(to));
            let way = self.edge(from, to);
            self.horizontal(frame, layout.lower, a.right(), b.x, true, way);
        }
        let (output, post) = (
            layout.area(Station::Output),
            layout.area(Station::Postrouting),
        );
        let way = self.edge(Station::Output, Station::Postrouting);
        let style = self.style(way);
        let top = if has(family, Station::Postrouting) {
            post.bottom()
        } else {
            layout.upper + 1
        };
        for y in top..output.y {
            let sign = match (y == top, way == Way::Passed) {
                (true, _) => "▲",
                (false, true) => "┃",
                (false, false) => "│",
            };
            put(frame, layout.up, y, sign, style);
        }
    }

    fn horizontal(&self, frame: &mut Frame<'_>, y: u16, from: u16, to: u16, arrow: bool, way: Way) {
        let style = self.style(way);
        for x in from..to {
            let sign = match (x + 1 == to && arrow, way == Way::Passed) {
                (true, _) => "▶",
                (false, true) => "━",
                (false, false) => "─",
            };
            put(frame, x, y, sign, style);
        }
    }

    /// The word on the line where routing decides, and for the machine itself.
    fn word(&self, frame: &mut Frame<'_>, station: Station, area: Rect) {
        let way = self.way(station);
        let mut style = self.style(way);
        let row = if station == Station::Route {
            self.layout.upper
        } else {
            self.layout.lower
        };
        let line = Rect {
            y: row,
            height: 1,
            ..area
        };
        if way == Way::Here {
            style = style.add_modifier(Modifier::BOLD);
        }
        let word = label(self.flow().family, station);
        let room = usize::from(line.width);
        let text = match way {
            _ if width(word) + 2 > room => word.to_owned(),
            Way::Here => format!("[{word}]"),
            _ => format!(" {word} "),
        };
        let text = elide(&text, room);
        let left = room.saturating_sub(width(&text)) / 2;
        let text = format!("{}{text}", " ".repeat(left));
        let right = room.saturating_sub(width(&text));
        let text = format!("{text}{}", " ".repeat(right));
        paint::put(frame, line, vec![Span::styled(text, style)]);
        self.select(frame, station, line);
    }

    fn select(&self, frame: &mut Frame<'_>, station: Station, line: Rect) {
        if self.flow().focus == Focus::Hooks && self.flow().station == station {
            paint::select(frame, line, self.theme.style(Meaning::Selection));
        } else if self.flow().station == station {
            frame
                .buffer_mut()
                .set_style(line, Style::new().add_modifier(Modifier::UNDERLINED));
        }
    }

    fn hook(&self, picture: &Picture, frame: &mut Frame<'_>, station: Station, area: Rect) {
        if area.width < 4 || area.height < 3 {
            return;
        }
        let way = self.way(station);
        let style = self.style(way);
        let signs = match way {
            Way::Here => ["╔", "╗", "╚", "╝", "═", "║"],
            Way::Passed => ["┏", "┓", "┗", "┛", "━", "┃"],
            Way::Ahead | Way::Off => ["┌", "┐", "└", "┘", "─", "│"],
        };
        let [nw, ne, sw, se, flat, steep] = signs;
        let inside = usize::from(area.width - 2);
        let title = elide(label(self.flow().family, station), inside);
        let fill = inside - width(&title);
        let before = usize::from(fill > 1);
        let top = format!(
            "{nw}{}{title}{}{ne}",
            flat.repeat(before),
            flat.repeat(fill - before)
        );
        let bottom = format!("{sw}{}{se}", flat.repeat(inside));
        paint::put(frame, paint::row(area, 0), vec![Span::styled(top, style)]);
        for place in 1..area.height - 1 {
            let line = paint::row(area, place);
            let blank = format!("{steep}{}{steep}", " ".repeat(inside));
            paint::put(frame, line, vec![Span::styled(blank, style)]);
        }
        let last = paint::row(area, area.height - 1);
        paint::put(frame, last, vec![Span::styled(bottom, style)]);
        let inner = Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width - 2,
            height: area.height - 2,
        };
        self.contents(picture, frame, station, inner);
        self.coming(picture, frame, station, area);
        let name = Rect {
            x: area.x + 1 + before as u16,
            width: width(&title) as u16,
            height: 1,
            ..area
        };
        let strong = Style::new().add_modifier(Modifier::BOLD);
        if way == Way::Here {
            frame.buffer_mut().set_style(name, strong);
        }
        self.select(frame, station, name);
    }

    /// On the edge by which packets come to a hook: how many, as far as a counter at it knows. A box of one line
    /// says it inside.
    fn coming(&self, picture: &Picture, frame: &mut Frame<'_>, station: Station, area: Rect) {
        let flow = self.flow();
        let (Some(seen), true) = (&flow.seen, area.height > 3) else {
            return;
        };
        let entries = seen.diagram.at(flow.family, station).iter();
        let rates = entries.filter_map(|entry| rate(picture, entry));
        let Some(rate) = rates.reduce(f64::max).filter(|rate| *rate > 0.0) else {
            return;
        };
        let text = format!(" ≥{}/s ", human::rate(rate));
        let taken = width(label(flow.family, station)) + 4;
        let room = usize::from(area.width);
        if taken + width(&text) > room {
            return;
        }
        let place = Rect {
            x: area.right() - 2 - width(&text) as u16,
            width: width(&text) as u16,
            height: 1,
            ..area
        };
        let style = self.theme.style(Meaning::Rate);
        paint::put(frame, place, vec![Span::styled(text, style)]);
    }

    fn contents(&self, picture: &Picture, frame: &mut Frame<'_>, station: Station, inner: Rect) {
        let theme = self.theme;
        let flow = self.flow();
        let Some(seen) = &flow.seen else {
            return;
        };
        let entries = seen.diagram.at(flow.family, station);
        let faint = self.way(station) == Way::Off && !self.all.is_empty();
        let style = |meaning: Meaning| {
            let meaning = if faint { Meaning::Dim } else { meaning };
            theme.style(meaning)
        };
        let chains = entries.iter().filter(|entry| is_chain(entry)).count();
        if chains == 0 {
            let text = if inner.width > 10 {
                " no chains"
            } else {
                " none"
            };
            let text = Span::styled(text, theme.style(Meaning::Dim));
            return paint::put(frame, paint::row(inner, 0), vec![text]);
        }
        if inner.height == 1 {
            let busiest = entries.iter().filter_map(|entry| rate(picture, entry));
            let busiest = busiest.reduce(f64::max).filter(|rate| *rate > 0.0);
            let room = usize::from(inner.width);
            let mut text = human::plural(chains, "chain", "chains");
            let rate = busiest.map(|rate| format!("{}/s", human::rate(rate)));
            if 1 + text.len() + rate.as_ref().map_or(0, |rate| rate.len() + 1) > room {
                text = format!("{chains} ch");
            }
            let mut spans = vec![Span::styled(format!(" {text}"), style(Meaning::BaseChain))];
            if let Some(rate) = rate {
                spans.push(Span::styled(format!(" {rate}"), style(Meaning::Rate)));
            }
            return paint::put(frame, paint::row(inner, 0), spans);
        }
        let current = flow.row().and_then(|shown| shown.row.chain.clone());
        let height = usize::from(inner.height);
        // The kernel's own functions go first where not everything fits.
        let all: Vec<&Entry> = entries.iter().collect();
        let few: Vec<&Entry> = entries.iter().filter(|entry| is_chain(entry)).collect();
        let shown = if all.len() <= height { all } else { few };
        let fit = if shown.len() > height {
            height - 1
        } else {
            height
        };
        for (place, entry) in shown.iter().take(fit).enumerate() {
            let line = paint::row(inner, place as u16);
            let here = self.here == Some(station) && current.as_deref() == Some(&*entry.name);
            let priority = entry.priority.filter(|p| *p < i32::MAX);
            let priority = priority.map_or(String::new(), |p| p.to_string());
            let rate = rate(picture, entry).filter(|rate| *rate > 0.0);
            let rate = rate.map_or(String::new(), |rate| format!(" {}/s", human::rate(rate)));
            let room = usize::from(inner.width).saturating_sub(6 + width(&rate));
            // The table and the chain say more than the family, where not all of it fits.
            let rest = entry.name.split_once(' ').map_or("", |(_, rest)| rest);
            let last = rest.split_once(' ').map_or("", |(_, last)| last);
            let fits = [&entry.name, rest, last]
                .into_iter()
                .find(|text| !text.is_empty() && width(text) <= room);
            let name = elide(fits.unwrap_or(&entry.name), room);
            let gap = room.saturating_sub(width(&name));
            let meaning = match entry.nature {
                Nature::Builtin => Meaning::Dim,
                Nature::Program => Meaning::Warning,
                _ => Meaning::BaseChain,
            };
            let sign = if here { "▸" } else { " " };
            let mut spans = vec![
                Span::styled(sign, theme.style(Meaning::Accent)),
                Span::styled(format!("{priority:>4} "), style(Meaning::Dim)),
                Span::styled(name, style(meaning)),
                Span::raw(" ".repeat(gap)),
                Span::styled(rate, style(Meaning::Rate)),
            ];
            if here {
                for span in &mut spans {
                    span.style = span.style.patch(theme.style(Meaning::Accent));
                }
            }
            paint::put(frame, line, spans);
        }
        if shown.len() > fit {
            let text = format!("      +{} more", shown.len() - fit);
            let line = paint::row(inner, fit as u16);
            paint::put(
                frame,
                line,
                vec![Span::styled(text, theme.style(Meaning::Dim))],
            );
        }
    }
}

fn put(frame: &mut Frame<'_>, x: u16, y: u16, sign: &str, style: Style) {
    if let Some(cell) = frame.buffer_mut().cell_mut((x, y)) {
        cell.set_symbol(sign).set_style(style);
    }
}
