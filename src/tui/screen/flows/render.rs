//! Drawing Flows: only the lines on the screen are written.

use super::columns::{self, Column, Kind, columns};
use super::update::query;
use super::{Pane, details, list_area};
use crate::model::conntrack::{Flow, status};
use crate::model::network::Offered;
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width};
use crate::tui::human;
use crate::tui::job::flows::words::state as state_word;
use crate::tui::job::flows::{View, Words, about};
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// From so many percent on, a table is nearly full.
const FULL: u64 = 80;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let flows = &state.flows;
    let Some(view) = flows.view.as_ref().filter(|view| {
        // A list that a search has emptied is a list.
        !view.ask.flows.list().is_empty()
    }) else {
        paint::title(frame, theme, body, true, "Connections", &[]);
        return empty(state, frame, paint::inside(body));
    };
    let panes = flows.panes(body);
    if !panes.list.is_empty() {
        list(state, view, frame, panes.list);
    }
    if panes.beside {
        let x = panes.details.x.saturating_sub(1);
        paint::divider(frame, theme, panes.details, x, &[]);
    }
    about_one(state, frame, panes.details);
}

fn empty(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let flows = &state.flows;
    if let Some(trouble) = &flows.trouble {
        let heading = "Connections cannot be read";
        return paint::empty(frame, theme, area, heading, &[&clean(trouble)]);
    }
    let Some(now) = flows.now.as_ref().filter(|_| flows.view.is_some()) else {
        let heading = format!("{} Reading connections…", spinner(state));
        return paint::empty(frame, theme, area, &heading, &[]);
    };
    let snapshot = state.picture.as_ref().and_then(|one| one.beside.as_ref());
    let missing = snapshot.and_then(|beside| {
        let mut missing = beside.missing.iter();
        missing.find(|what| what.starts_with("connections"))
    });
    let when = "The kernel tracks connections where a rule asks for it: ct state, NAT, masquerade, and the like in iptables.";
    if let Some(missing) = missing {
        let lines = [
            &*clean(missing),
            "The snapshot was taken where they could not be read.",
        ];
        return paint::empty(
            frame,
            theme,
            area,
            "No connections in this snapshot",
            &lines,
        );
    }
    if snapshot.is_some() {
        let lines = [when, "None was tracked when the snapshot was taken."];
        return paint::empty(frame, theme, area, "No connections", &lines);
    }
    if !now.offered {
        let lines = [
            "This kernel offers no table of tracked connections.",
            "`modprobe nf_conntrack_netlink` loads what reads it.",
        ];
        return paint::empty(frame, theme, area, "No connection tracking", &lines);
    }
    let lines = match is_tracking(state.picture.as_deref()) {
        Some(false) => [when, "No rule here does, so that nothing is tracked."],
        Some(true) => [when, "A rule here does, but nothing has come since."],
        None => [when, "Nothing is tracked now."],
    };
    paint::empty(frame, theme, area, "No connections", &lines);
}

/// Whether the kernel tracks connections here, where it tells.
fn is_tracking(picture: Option<&Picture>) -> Option<bool> {
    let hooks = &picture?.network.hooks;
    let module = |module: &str| module.starts_with("nf_conntrack");
    let function = |name: &str| name.contains("conntrack");
    (hooks.offered == Offered::Yes).then(|| {
        hooks.functions.iter().any(|one| {
            one.module.as_deref().is_some_and(module)
                || one.function.as_deref().is_some_and(function)
        })
    })
}

/// The order, the place of the cursor, and how full the table of the kernel is.
fn remark(state: &State, view: &View, columns: &[Column]) -> Vec<Span<'static>> {
    let theme = state.theme();
    let mut spans = Vec::new();
    let order = view.ask.order;
    // A head may say it already.
    if !columns
        .iter()
        .any(|column| column.kind.by() == Some(order.by))
    {
        let text = format!("by {}  ", order.by.word());
        spans.push(Span::styled(text, theme.style(Meaning::Accent)));
    }
    let (all, len) = (view.ask.flows.list().len() as u64, view.lines.len() as u64);
    let mut text = match len {
        0 => String::new(),
        _ => human::exact(state.flows.list.selected as u64 + 1) + "/",
    };
    text.push_str(&human::exact(len));
    if len != all {
        text.push_str(&format!(" of {}", human::exact(all)));
    }
    spans.push(Span::styled(text, theme.style(Meaning::Dim)));
    let network = state.picture.as_ref().map(|picture| &picture.network);
    let most = network.and_then(|network| {
        let most = network.sysctls.number("net/netfilter/nf_conntrack_max")?;
        u64::try_from(most).ok().filter(|most| *most > 0)
    });
    if let Some(most) = most {
        let percent = all.saturating_mul(100) / most;
        let meaning = match percent {
            percent if percent >= FULL => Meaning::Warning,
            _ => Meaning::Dim,
        };
        let text = format!("  table {percent}% full");
        spans.push(Span::styled(text, theme.style(meaning)));
    }
    spans
}

/// Text of a column.
fn cell(text: &str, column: Column) -> String {
    let text = elide(text, column.width);
    let fill = " ".repeat(column.width.saturating_sub(width(&text)));
    if column.kind.is_number() {
        format!(" {fill}{text}")
    } else {
        format!(" {text}{fill}")
    }
}

fn list(state: &State, view: &View, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let flows = &state.flows;
    let columns = columns(pane.width, view);
    let focused = flows.focus == Pane::List;
    let remark = remark(state, view, &columns);
    paint::title(frame, theme, pane, focused, "Connections", &remark);
    heads(frame, theme, view, &columns, paint::row(pane, 1));
    let area = list_area(pane);
    let len = view.lines.len();
    if len == 0 {
        let text = "every word must be in what is shown or in the line that conntrack -L prints, but for words behind !; esc ends the search";
        return paint::empty(frame, theme, area, "No connection has that", &[text]);
    }
    let words = match query(state) == view.ask.query {
        true => Words::of(&view.ask.query),
        false => Words::default(),
    };
    let visible = flows.list.visible(len, usize::from(area.height));
    for (row, line) in visible.clone().enumerate() {
        let Some((flow, place)) = view.flow(line) else {
            continue;
        };
        let row = paint::row(area, row as u16);
        let row = Rect {
            width: row.width.saturating_sub(1),
            ..row
        };
        paint::put(
            frame,
            row,
            flow_line(theme, view, &columns, flow, place, &words),
        );
        if line == flows.list.selected {
            let meaning = match focused {
                true => Meaning::Selection,
                false => Meaning::SelectionBack,
            };
            paint::select(frame, row, theme.style(meaning));
        }
    }
    paint::scrollbar(frame, theme, area, visible.start, len);
}

fn heads(frame: &mut Frame<'_>, theme: &Theme, view: &View, columns: &[Column], row: Rect) {
    let order = view.ask.order;
    let mut text = String::from(" ");
    let mut marked = false;
    for column in columns {
        let mut head = column.kind.head().to_owned();
        if column.kind.by() == Some(order.by) && !marked {
            marked = true;
            let sign = if order.falls() { "▼" } else { "▲" };
            head = match column.kind.is_number() {
                true => format!("{sign}{head}"),
                false => format!("{head} {sign}"),
            };
        }
        text.push_str(&cell(&head, *column));
    }
    let text = format!("{text:<w$}", w = usize::from(row.width));
    paint::put(
        frame,
        row,
        vec![Span::styled(text, theme.style(Meaning::Column))],
    );
}

/// What the eye should see of a state.
fn meaning(flow: &Flow) -> Meaning {
    match state_word(flow) {
        "ESTABLISHED" | "ASSURED" => Meaning::Good,
        "UNREPLIED" | "SYN_SENT" | "SYN_SENT2" | "SYN_RECV" => Meaning::Warning,
        "OFFLOAD" | "HW_OFFLOAD" => Meaning::Accent,
        "TIME_WAIT" | "CLOSE" | "CLOSED" | "LAST_ACK" => Meaning::Dim,
        _ => Meaning::Text,
    }
}

/// Headings may be underlined; numbers never are.
fn pale(theme: &Theme) -> Style {
    let style = theme.style(Meaning::Column);
    style.remove_modifier(Modifier::UNDERLINED)
}

fn flow_line(
    theme: &Theme,
    view: &View,
    columns: &[Column],
    flow: &Flow,
    place: u32,
    query: &Words<'_>,
) -> Vec<Span<'static>> {
    let flows = &view.ask.flows;
    let own = flows.is_own(flow);
    let mark = if own { "●" } else { " " };
    let mut spans = vec![Span::styled(mark, theme.style(Meaning::Accent))];
    let speed = flows.speed(place);
    for column in columns {
        let meaning = match column.kind {
            Kind::About => {
                let (names, rest) = about(flow, view.ask.services.as_deref(), own);
                spans.extend(beside(theme, &names, &rest, column.width));
                continue;
            }
            Kind::Protocol => Meaning::Family,
            Kind::State => meaning(flow),
            Kind::Source => Meaning::Text,
            Kind::Destination => Meaning::Value,
            Kind::Rate | Kind::RateOriginal | Kind::RateReply => Meaning::Rate,
            Kind::Bytes | Kind::Packets => Meaning::Number,
            Kind::Left | Kind::Age => Meaning::Dim,
        };
        let text = columns::text(*column, view, flow, speed);
        let style = match (column.kind.is_number(), text.as_str()) {
            (true, "0" | "0 B" | "—") => pale(theme),
            _ => theme.style(meaning),
        };
        spans.push(Span::styled(cell(&text, *column), style));
    }
    for word in &query.wanted {
        let marked = spans.into_iter().flat_map(|span| {
            let style = span.style;
            paint::plain(theme, &span.content, style, word)
        });
        spans = marked.collect();
    }
    spans
}

/// Names, and what else there is to say.
fn beside(theme: &Theme, names: &str, rest: &str, room: usize) -> Vec<Span<'static>> {
    let names = clean(names);
    let mut spans = vec![Span::raw("  ")];
    let shown = elide(&names, room.saturating_sub(1));
    let used = width(&shown);
    if used > 0 {
        spans.push(Span::styled(shown, theme.style(Meaning::Owner)));
    }
    let gap = usize::from(used > 0) * 2;
    let left = room.saturating_sub(1 + used + gap);
    if !rest.is_empty() && left > 3 {
        spans.push(Span::raw(" ".repeat(gap)));
        let text = elide(rest, left);
        spans.push(Span::styled(text, theme.style(Meaning::Dim)));
    }
    spans
}

fn about_one(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let flows = &state.flows;
    let focused = flows.focus == Pane::Details || flows.zoom;
    let Some((flow, _)) = flows.selected() else {
        return paint::title(frame, theme, pane, focused, "Details", &[]);
    };
    let remark = match flow.has(status::ASSURED) {
        true => Vec::new(),
        false => vec![Span::styled("not assured", theme.style(Meaning::Dim))],
    };
    let room = usize::from(pane.width).saturating_sub(if remark.is_empty() { 6 } else { 19 });
    let title = details::title(flow, room);
    paint::title(frame, theme, pane, focused, &title, &remark);
    let inner = paint::inside(pane);
    let lines = details::lines(state);
    let height = usize::from(inner.height);
    let scroll = flows.scroll.min(lines.len().saturating_sub(height));
    for (place, spans) in lines.iter().skip(scroll).take(height).enumerate() {
        let row = paint::row(inner, place as u16);
        let row = Rect {
            width: row.width.saturating_sub(1),
            ..row
        };
        paint::put(frame, row, spans.clone());
    }
    paint::scrollbar(frame, theme, inner, scroll, lines.len());
}
