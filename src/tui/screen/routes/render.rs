//! Drawing Routes.

use super::lines::{Cell, Column};
use super::{Item, Pane, edit, len, lines, list_area};
use crate::model::Names;
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width, wrap};
use crate::tui::human;
use crate::tui::job::{Hits, SearchPlace};
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let Some(picture) = &state.picture else {
        let heading = format!("{} Reading the routes…", spinner(state));
        paint::empty(frame, theme, body, &heading, &[]);
        return;
    };
    let panes = state.routes.panes(body);
    render_items(state, picture, frame, panes.items);
    let titles = [panes.lines.y, panes.lookup.y];
    paint::divider(frame, theme, body, panes.items.right(), &titles);
    for (pane, item) in [
        (panes.links, Item::Links),
        (panes.neighbours, Item::Neighbours),
    ] {
        if let Some(pane) = pane {
            paint::divider(frame, theme, pane, pane.x.saturating_sub(1), &[]);
            render_list(state, picture, item, false, frame, pane);
        }
    }
    if let Some(item) = state.routes.selected {
        if let (Some(rules), Item::Table(family, _)) = (panes.rules, item) {
            render_list(state, picture, Item::Rules(family), false, frame, rules);
        }
        render_list(state, picture, item, true, frame, panes.lines);
    }
    render_lookup(state, frame, panes.lookup);
}

pub fn title(names: &Names, item: Item) -> String {
    match item {
        Item::Rules(family) => format!("{} policy rules", super::names::family(family)),
        Item::Table(family, id) => {
            format!(
                "{} table {}",
                super::names::family(family),
                super::names::table_name(names, id)
            )
        }
        Item::Neighbours => "Neighbours".into(),
        Item::Noarp => "Neighbours without ARP".into(),
        Item::Forwarding => "Bridge forwarding".into(),
        Item::Links => "Links".into(),
        Item::Addresses => "Addresses".into(),
        Item::Nexthops => "Next hop objects".into(),
    }
}

fn render_items(state: &State, picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let focused = state.routes.focus == Pane::Items;
    paint::title(frame, theme, area, focused, "Routing", &[]);
    let inner = paint::inside(area);
    let items = &state.routes.items;
    let visible = state
        .routes
        .item
        .visible(items.len(), usize::from(inner.height));
    for (row, place) in visible.enumerate() {
        let Some(item) = items.get(place).copied() else {
            continue;
        };
        let area = paint::row(inner, row as u16);
        let (label, meaning) = match item {
            Item::Table(_, id) => {
                let name = super::names::table_name(&picture.names, id);
                (format!("   table {name}"), Meaning::BaseChain)
            }
            Item::Noarp => ("   without ARP".into(), Meaning::BaseChain),
            Item::Forwarding => ("   of bridges".into(), Meaning::BaseChain),
            other => (format!(" {}", title(&picture.names, other)), Meaning::Table),
        };
        let count = human::count(len(&picture.network, item) as u64);
        let room = usize::from(area.width).saturating_sub(count.len() + 2);
        let label = elide(&label, room);
        let fill = room.saturating_sub(width(&label));
        let spans = vec![
            Span::styled(label, theme.style(meaning)),
            Span::raw(" ".repeat(fill + 1)),
            Span::styled(count, theme.style(Meaning::Dim)),
        ];
        paint::put(frame, area, spans);
        if place == state.routes.item.selected {
            let meaning = if focused {
                Meaning::Selection
            } else {
                Meaning::SelectionBack
            };
            paint::select(frame, area, theme.style(meaning));
        }
    }
}

/// The width of a column that is left out.
const GONE: usize = usize::MAX;

/// Widths of the columns of a list in `room` columns of the screen.
fn widths(columns: &[Column], cells: &[Vec<Cell>], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(place, (head, least, most))| {
            let longest = cells
                .iter()
                .filter_map(|line| line.get(place))
                .map(|(_, text)| width(text))
                .max()
                .unwrap_or(0);
            match *most {
                0 => 0,
                // Nothing to show, nothing to leave room for.
                _ if longest == 0 => GONE,
                most => longest.max(width(head)).clamp((*least).min(6), most),
            }
        })
        .collect();
    // Where there is too little room, the widest column gives way first, down to its least width.
    loop {
        let shown = widths.iter().filter(|width| **width != GONE);
        let used: usize = shown.map(|width| width + 1).sum();
        if used <= room {
            break;
        }
        let widest = widths
            .iter_mut()
            .zip(columns)
            .filter(|(width, (_, least, _))| **width > *least && **width != GONE)
            .max_by_key(|(width, _)| **width);
        match widest {
            Some((width, _)) => *width -= 1,
            None => break,
        }
    }
    widths
}

fn render_list(
    state: &State,
    picture: &Picture,
    item: Item,
    main: bool,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = state.theme();
    let focused = main && state.routes.focus == Pane::Lines;
    let count = len(&picture.network, item);
    let list_state = if main {
        state.routes.list
    } else {
        Default::default()
    };
    let pending = edit::pending(state, picture);
    let here = pending.iter().filter(|one| edit::concerns(one, item));
    let here: Vec<&edit::Pending> = here.collect();
    let mut position = match (main, count) {
        (_, 0) => String::new(),
        (true, _) => format!(
            "{}/{}",
            human::exact(list_state.selected as u64 + 1),
            human::exact(count as u64)
        ),
        (false, _) => human::exact(count as u64),
    };
    if !here.is_empty() {
        position = format!("± {} pending  {position}", here.len());
    }
    let remark = [Span::styled(position, theme.style(Meaning::Dim))];
    paint::title(
        frame,
        theme,
        area,
        focused,
        &title(&picture.names, item),
        &remark,
    );
    let list = list_area(area);
    if count == 0 && here.is_empty() {
        let (heading, text) = nothing(item);
        paint::empty(frame, theme, list, heading, &[text]);
        return;
    }
    let visible = list_state.visible(count, usize::from(list.height));
    let cells: Vec<Vec<Cell>> = visible
        .clone()
        .map(|place| lines::cells(picture, item, place).unwrap_or_default())
        .collect();
    let columns = lines::columns(item);
    let room = usize::from(list.width.saturating_sub(2));
    let gap = if room >= 80 { 2 } else { 1 };
    let widths = widths(
        columns,
        &cells,
        room.saturating_sub((gap - 1) * columns.len()),
    );
    let mut heads = String::from(" ");
    for ((head, _, _), width) in columns.iter().zip(&widths) {
        if *width == GONE {
            continue;
        }
        heads.push_str(&format!("{head:<w$}", w = width + gap));
    }
    let heads = format!("{heads:<w$}", w = usize::from(list.width));
    let heads = Span::styled(heads, theme.style(Meaning::Column));
    paint::put(frame, paint::row(area, 1), vec![heads]);
    let hits = match (&state.search.place, &state.search.hits) {
        (Some(SearchPlace::Network(place)), Some(Hits::Lines(lines))) if *place == item => {
            Some(lines)
        }
        _ => None,
    };
    for (row, (line, place)) in cells.into_iter().zip(visible.clone()).enumerate() {
        let row_area = paint::row(list, row as u16);
        let row_area = Rect {
            width: row_area.width.saturating_sub(1),
            ..row_area
        };
        let hit = hits.is_some_and(|hits| hits.binary_search(&(place as u32)).is_ok());
        let query = if hit { state.search.query.as_str() } else { "" };
        let (mark, meaning) = match edit::mark(&pending, &picture.network, item, place) {
            Some('-') => ("-", Meaning::Drop),
            Some(_) => ("~", Meaning::Warning),
            None if hit => ("›", Meaning::Accent),
            None => (" ", Meaning::Accent),
        };
        let mut spans = vec![Span::styled(mark, theme.style(meaning))];
        for ((meaning, text), width_of) in line.into_iter().zip(&widths) {
            if *width_of == GONE {
                continue;
            }
            let text = if *width_of == 0 {
                clean(&text).into_owned()
            } else {
                elide(&text, *width_of)
            };
            let fill = (width_of + gap).saturating_sub(width(&text));
            spans.extend(paint::plain(theme, &text, theme.style(meaning), query));
            spans.push(Span::raw(" ".repeat(fill)));
        }
        paint::put(frame, row_area, spans);
        if main && place == list_state.selected {
            let meaning = if focused {
                Meaning::Selection
            } else {
                Meaning::SelectionBack
            };
            paint::select(frame, row_area, theme.style(meaning));
        }
    }
    // What is new stands behind the last line, where that is on the screen.
    let rows = visible.len() as u16;
    let new = here.iter().filter(|one| !one.deletes());
    for (row, one) in (rows..list.height)
        .zip(new)
        .filter(|_| visible.end == count)
    {
        let style = theme.style(Meaning::Good);
        let text = elide(&clean(&one.text), usize::from(list.width.saturating_sub(3)));
        let spans = vec![Span::styled("+ ", style), Span::styled(text, style)];
        paint::put(frame, paint::row(list, row), spans);
    }
    paint::scrollbar(frame, theme, list, visible.start, count);
}

fn nothing(item: Item) -> (&'static str, &'static str) {
    match item {
        Item::Rules(_) => (
            "No policy rules",
            "Without rules no routing table is asked: packets of this family go nowhere.",
        ),
        Item::Table(..) => (
            "No routes",
            "A rule that looks here finds nothing and the next rule is tried.",
        ),
        Item::Neighbours | Item::Noarp | Item::Forwarding => (
            "No neighbours",
            "Nobody on a connected network has been talked to lately.",
        ),
        Item::Links => ("No links", "This namespace has no devices, not even lo."),
        Item::Addresses => (
            "No addresses",
            "This machine cannot be reached and cannot answer.",
        ),
        Item::Nexthops => (
            "No next hop objects",
            "Routes name their next hops themselves.",
        ),
    }
}

fn render_lookup(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let editing = state.routes.editing.is_some();
    paint::title(frame, theme, area, editing, "Where would it go?", &[]);
    let inner = paint::inside(area);
    let line = paint::row(inner, 0);
    let prompt = Span::styled(" › ", theme.style(Meaning::Accent));
    paint::put(frame, line, vec![prompt]);
    let field = Rect {
        x: line.x + 3,
        width: line.width.saturating_sub(4),
        ..line
    };
    match &state.routes.editing {
        Some(input) => input.render(frame, field, theme.style(Meaning::Text), true),
        None if state.routes.question.is_empty() => {
            let text = "ADDRESS [from SRC] [iif DEV] [mark N] [ipproto P] [dport N]";
            paint::put(
                frame,
                field,
                vec![Span::styled(text, theme.style(Meaning::Dim))],
            );
        }
        None => {
            let text = clean(&state.routes.question).into_owned();
            paint::put(frame, field, vec![Span::raw(text)]);
        }
    }
    let rest = paint::rows(inner, 1, inner.height.saturating_sub(1));
    let rest = Rect {
        x: rest.x + 3,
        width: rest.width.saturating_sub(4),
        ..rest
    };
    let (meaning, text) = match (&state.routes.answer, state.routes.question.is_empty()) {
        (Some(Ok(text)), _) => (Meaning::Good, text.clone()),
        (Some(Err(why)), _) => (Meaning::Error, format!("✖ {why}")),
        (None, false) => (
            Meaning::Progress,
            format!("{} asking the kernel…", spinner(state)),
        ),
        (None, true) => (
            Meaning::Dim,
            "The kernel itself answers, as it does for `ip route get`.".into(),
        ),
    };
    let mut row = 0;
    for part in text.lines() {
        let part = clean(part.trim_end());
        for range in wrap(&part, usize::from(rest.width)) {
            let piece = part.get(range).unwrap_or_default().to_string();
            let span = Span::styled(piece, theme.style(meaning));
            paint::put(frame, paint::row(rest, row), vec![span]);
            row += 1;
        }
    }
}
