//! The frame around every screen: the line at the top, the tabs, the footer, and what is said in passing.

use super::action::{ACTIONS, Action, Layer};
use super::app::{LEAST_SIZE, Level, MIN_SIZE, Screen, State};
use super::clean::{clean, elide, head, width, wrap};
use super::key;
use super::overlay::messages::sign;
use super::overlay::{self, Overlay};
use super::screen::changes::update::can_change;
use super::theme::Meaning;
use super::widget::paint;
use super::{human, owner, screen};
use crate::session::Source;
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::text::Span;
use ratatui::widgets::{Block, Clear};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub tabs: Rect,
    pub body: Rect,
    pub footer: Rect,
}

pub fn areas(size: Size) -> Areas {
    let full = Rect::new(0, 0, size.width, size.height);
    Areas {
        header: paint::rows(full, 0, 1),
        tabs: paint::rows(full, 1, 1),
        body: paint::rows(full, 2, full.height.saturating_sub(3)),
        footer: paint::rows(full, full.height.saturating_sub(1), 1),
    }
}

/// Draw everything. Reads the state, changes nothing.
pub fn render(state: &State, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let full = frame.area();
    frame.render_widget(Block::new().style(theme.style(Meaning::Text)), full);
    if full.width < LEAST_SIZE.width || full.height < LEAST_SIZE.height {
        too_small(state, frame, full);
        return;
    }
    let areas = areas(full.as_size());
    header(state, frame, areas.header);
    tab_line(state, frame, areas.tabs);
    match state.screen {
        Screen::Explore => screen::explore::render::render(state, frame, areas.body),
        Screen::Routes => screen::routes::render::render(state, frame, areas.body),
        Screen::Changes => screen::changes::render::render(state, frame, areas.body),
        Screen::Flow => screen::flow::render::render(state, frame, areas.body),
        Screen::Live => screen::live::render::render(state, frame, areas.body),
        Screen::Services => screen::services::render::render(state, frame, areas.body),
        Screen::Flows => screen::flows::render::render(state, frame, areas.body),
    }
    footer(state, frame, areas.footer);
    toast(state, frame, areas.body);
    match &state.overlay {
        Some(Overlay::Ask(question)) => overlay::ask::render(state, *question, frame),
        Some(Overlay::Editor(editor)) => overlay::editor::render(state, editor, frame),
        Some(Overlay::Finder(finder)) => overlay::finder::render(state, finder, frame),
        Some(Overlay::Help { scroll }) => overlay::help::render(state, *scroll, frame),
        Some(Overlay::Boot { scroll }) => overlay::boot::render(state, *scroll, frame),
        Some(Overlay::Messages { scroll }) => overlay::messages::render(state, *scroll, frame),
        None => {}
    }
}

fn too_small(state: &State, frame: &mut Frame<'_>, full: Rect) {
    let theme = state.theme();
    let needed = format!("{} x {} is needed,", MIN_SIZE.width, MIN_SIZE.height);
    let here = format!("this is {} x {}.", full.width, full.height);
    let lines = [
        (Meaning::Accent, "Too small a terminal"),
        (Meaning::Text, needed.as_str()),
        (Meaning::Text, here.as_str()),
        (Meaning::Dim, "Enlarge it, or use"),
        (Meaning::Dim, "hookscope show"),
    ];
    let top = full.height.saturating_sub(lines.len() as u16) / 2;
    for (place, (meaning, text)) in lines.into_iter().enumerate() {
        let line = paint::row(full, top + place as u16);
        let indent = line.width.saturating_sub(width(text) as u16) / 2;
        let line = Rect {
            x: line.x + indent,
            width: line.width - indent,
            ..line
        };
        paint::put(
            frame,
            line,
            vec![Span::styled(text.to_string(), theme.style(meaning))],
        );
    }
}

/// One value of the header, most important first; what does not fit is left out from the end.
fn header_parts(state: &State) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme();
    let dim = |text: &str| Span::styled(text.to_string(), theme.style(Meaning::Header));
    let value = |text: String| Span::styled(text, theme.style(Meaning::HeaderValue));
    let mut parts = Vec::new();
    let Some(picture) = &state.picture else {
        parts.push(vec![dim("reading…")]);
        return parts;
    };
    match &picture.source {
        Source::Live { host, netns } => {
            parts.push(vec![value(elide(host, 24))]);
            if let Some(netns) = netns {
                parts.push(vec![dim("netns "), value(elide(netns, 20))]);
            }
        }
        Source::Snapshot { path, host, .. } => {
            let path = elide(path, 28);
            parts.push(vec![value(elide(host, 20)), dim(" snapshot "), value(path)]);
        }
    }
    let writable = if state.settings.read_only {
        "read-only"
    } else {
        "read-write"
    };
    parts.push(vec![value(writable.into())]);
    let mut backends = Vec::new();
    if !picture.ruleset.tables.is_empty() {
        backends.push("nf_tables".to_owned());
    }
    for table in &picture.ruleset.tables {
        if owner::is_xtables(table)
            && let Some(name) = owner::of_table(table)
            && !backends.contains(&name)
        {
            backends.push(name);
        }
    }
    if !picture.network.legacy_tables.is_empty() {
        backends.push("iptables-legacy".into());
    }
    if backends.is_empty() {
        backends.push("no tables".into());
    }
    parts.push(vec![value(backends.join(" + "))]);
    if picture.ruleset.tables.is_empty() {
        return parts;
    }
    let generation = picture.ruleset.generation.to_string();
    parts.push(vec![dim("gen "), value(generation)]);
    let rules = human::count(picture.ruleset.rule_count() as u64);
    parts.push(vec![value(rules), dim(" rules")]);
    parts
}

/// What needs attention, at the right end of the header.
fn header_alerts(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme();
    let header = theme.style(Meaning::Header);
    let mut spans = Vec::new();
    let mut add = |text: String, meaning: Meaning| {
        spans.push(Span::styled("  ", header));
        spans.push(Span::styled(text, header.patch(theme.ink(meaning))));
    };
    if let Some(left) = state.changes.left(state.now).filter(|_| can_change(state)) {
        let key = |action| {
            let keys = state.settings.keymap.keys(&Layer::ALL, action);
            keys.map(key::show).unwrap_or_default()
        };
        let (keep, back) = (key(Action::Keep), key(Action::RollBack));
        add(
            format!("▲ {left} s to keep ({keep}) or take back ({back})"),
            Meaning::Warning,
        );
    }
    if !state.changes.set.is_empty() {
        add(
            format!("± {} pending", state.changes.set.len()),
            Meaning::Accent,
        );
    }
    if let Some(since) = state.frozen_at {
        let age = human::duration(state.now.saturating_sub(since));
        let news = if state.held.is_some() { " ●" } else { "" };
        add(format!("‖ FROZEN {age}{news}"), Meaning::Warning);
    }
    if state.ended {
        add("✖ disconnected".into(), Meaning::Error);
    }
    if let Some(picture) = &state.picture {
        if picture.evidence.problem.is_some() {
            add("▲ problem (!)".into(), Meaning::Error);
        }
        if picture.evidence.resyncs > 0 {
            let text = human::plural(picture.evidence.resyncs as usize, "resync", "resyncs");
            add(text, Meaning::Warning);
        }
        let progress = &picture.progress;
        if !progress.complete {
            let share = (progress.done * 100).checked_div(progress.total);
            let share = share
                .map(|percent| format!(" {percent}%"))
                .unwrap_or_default();
            let step = elide(&progress.step, 30);
            add(
                format!("{} {step}{share}", spinner(state)),
                Meaning::Progress,
            );
        }
    }
    spans.push(Span::styled(" ", header));
    spans
}

/// A sign that turns while something is being done.
pub fn spinner(state: &State) -> &'static str {
    const SIGNS: [&str; 8] = ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇", "⠏", "⠹"];
    let place = (state.now.as_millis() / 250) as usize % SIGNS.len();
    SIGNS.get(place).copied().unwrap_or("·")
}

fn header(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let style = theme.style(Meaning::Header);
    frame.buffer_mut().set_style(area, style);
    let alerts = header_alerts(state);
    let alert_width: usize = alerts.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(alert_width);
    let mut spans = vec![
        Span::styled(" hookscope ", theme.style(Meaning::Brand)),
        Span::styled(" ", style),
    ];
    let mut used = 12;
    for (place, part) in header_parts(state).into_iter().enumerate() {
        let part_width: usize = part.iter().map(Span::width).sum();
        let gap = if place == 0 { 0 } else { 3 };
        if used + gap + part_width > room {
            break;
        }
        if gap > 0 {
            spans.push(Span::styled(" · ", style));
        }
        spans.extend(part);
        used += gap + part_width;
    }
    paint::put(frame, area, spans);
    let right = Rect {
        x: area.right().saturating_sub(alert_width as u16),
        width: (alert_width as u16).min(area.width),
        ..area
    };
    paint::put(frame, right, alerts);
}

/// What stands beside the tabs should have this much room: who changed what.
const BESIDE_TABS: u16 = 38;

/// Columns of a title where the line is too short for whole ones.
const SHORT: usize = 6;

/// What a tab is called in a line so wide.
fn tab_title(screen: Screen, line: u16) -> &'static str {
    let all: usize = Screen::ALL.iter().map(|one| width(one.title()) + 4).sum();
    match all <= usize::from(line) {
        true => screen.title(),
        false => head(screen.title(), SHORT),
    }
}

/// Where each tab is. Where there is little room they stand close.
pub fn tabs(area: Rect) -> Vec<(Screen, Rect)> {
    let width = |screen: Screen| width(tab_title(screen, area.width)) as u16 + 4;
    let all: u16 = Screen::ALL.into_iter().map(width).sum();
    // The last of the blanks around a title.
    let close = u16::from(all > area.width);
    let gaps = Screen::ALL.len() as u16;
    let gap = u16::from(all + gaps + BESIDE_TABS <= area.width);
    let mut x = area.x;
    let mut tabs = Vec::new();
    for screen in Screen::ALL {
        let width = (width(screen) - close).min(area.right().saturating_sub(x));
        tabs.push((screen, Rect { x, width, ..area }));
        x += width + gap;
    }
    tabs
}

fn tab_line(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let line = area.width;
    for (place, (screen, area)) in tabs(area).into_iter().enumerate() {
        let meaning = if screen == state.screen {
            Meaning::TabActive
        } else {
            Meaning::Tab
        };
        let text = format!(" {} {} ", place + 1, tab_title(screen, line));
        let text = head(&text, usize::from(area.width)).to_owned();
        paint::put(frame, area, vec![Span::styled(text, theme.style(meaning))]);
    }
    if state.search.is_editing() || state.search.is_active() {
        search_line(state, frame, area);
    } else {
        change_line(state, frame, area);
    }
}

/// What somebody else just changed and who it was, in the line of tabs.
fn change_line(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let Some(change) = state.fresh_change() else {
        return;
    };
    let end = tabs(area).last().map_or(area.x, |(_, tab)| tab.right()) + 2;
    let room = usize::from(area.right().saturating_sub(end));
    let text = elide(&format!("± {}", clean(&change.text)), room);
    let columns = width(&text) as u16;
    let line = Rect {
        x: area.right().saturating_sub(columns + 1),
        width: columns,
        ..area
    };
    let style = state.theme().style(Meaning::Accent);
    paint::put(frame, line, vec![Span::styled(text, style)]);
}

/// The search, in the right half of the line of tabs.
fn search_line(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let line_width = (area.width / 2).min(60);
    let line = Rect {
        x: area.right() - line_width,
        width: line_width,
        ..area
    };
    // Where there is little room, it covers tabs.
    frame.render_widget(Clear, line);
    frame.render_widget(Block::new().style(theme.style(Meaning::Text)), line);
    let count = match &state.search.hits {
        Some(hits) => human::plural(hits.len(), "match", "matches"),
        None if state.search.query.is_empty() => String::new(),
        None => "searching…".into(),
    };
    let count_width = width(&count) as u16 + 1;
    let field = Rect {
        x: line.x + 2,
        width: line.width.saturating_sub(count_width + 3),
        ..line
    };
    paint::put(
        frame,
        line,
        vec![Span::styled("/", theme.style(Meaning::Accent))],
    );
    match &state.search.editing {
        Some(input) => input.render(frame, field, theme.style(Meaning::Text), true),
        None => {
            let text = elide(&state.search.query, usize::from(field.width));
            paint::put(
                frame,
                field,
                vec![Span::styled(text, theme.style(Meaning::Hit))],
            );
        }
    }
    let right = Rect {
        x: line.right().saturating_sub(count_width),
        width: count_width,
        ..line
    };
    let none = state
        .search
        .hits
        .as_ref()
        .is_some_and(|hits| hits.is_empty());
    let meaning = if none { Meaning::Warning } else { Meaning::Dim };
    paint::put(
        frame,
        right,
        vec![Span::styled(count, theme.style(meaning))],
    );
}

/// A key of the footer and where it stands.
#[derive(Clone, Debug)]
pub struct FooterItem {
    pub action: Action,
    pub key: String,
    pub area: Rect,
}

/// The keys that work right now, as many as fit; help and quit always do.
pub fn footer_items(state: &State, area: Rect) -> Vec<FooterItem> {
    let layers = state.layers();
    let enabled = |action: Action| state.enabled(action);
    let mut rows: Vec<_> = ACTIONS.iter().filter(|row| row.footer > 0).collect();
    rows.sort_by_key(|row| row.footer);
    let mut chosen: Vec<(Action, String, u16)> = Vec::new();
    for row in rows {
        if !enabled(row.action) {
            continue;
        }
        let Some(keys) = state.settings.keymap.keys(&layers, row.action) else {
            continue;
        };
        // The key may run something else at the moment.
        let resolved = state.settings.keymap.resolve(&layers, keys, &enabled);
        if resolved != super::keymap::Resolved::Run(row.action) {
            continue;
        }
        let key = key::show(keys);
        let width = (width(&key) + width(label(state, row.action))) as u16 + 3;
        chosen.push((row.action, key, width));
    }
    // What is used everywhere goes to the end of the line, but is the last to be left out.
    let mut total: u16 = chosen.iter().map(|(_, _, width)| width).sum();
    while total > area.width.saturating_sub(1) {
        match chosen.pop() {
            Some((_, _, width)) => total -= width,
            None => break,
        }
    }
    let place = |action: &Action| match action {
        Action::Help => 1,
        Action::Quit => 2,
        _ => 0,
    };
    chosen.sort_by_key(|(action, _, _)| place(action));
    let mut x = area.x + 1;
    let mut items = Vec::new();
    for (action, key, width) in chosen {
        items.push(FooterItem {
            action,
            key,
            area: Rect {
                x,
                width: width - 2,
                ..area
            },
        });
        x += width;
    }
    items
}

/// Some labels say what the key would do now.
fn label(state: &State, action: Action) -> &'static str {
    match action {
        Action::Freeze if state.frozen_at.is_some() => "unfreeze",
        Action::Zoom if state.screen == Screen::Flows && state.flows.zoom => "back",
        Action::Zoom if state.screen == Screen::Explore && state.explore.zoom => "back",
        Action::Accept if matches!(state.overlay, Some(Overlay::Editor(_))) => "stage",
        Action::Accept if matches!(state.overlay, Some(Overlay::Ask(_))) => "yes",
        Action::Accept if state.flow.is_editing(state.screen) => "follow",
        Action::Back if state.screen == Screen::Flow => "new",
        Action::Predict if state.screen == Screen::Services => "packet",
        Action::Predict if state.screen == Screen::Flows => "explain",
        _ => action.row().label,
    }
}

fn footer(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    frame
        .buffer_mut()
        .set_style(area, theme.style(Meaning::Footer));
    if !state.pending.is_empty() {
        let text = format!(" {}… ", key::show(&state.pending));
        paint::put(
            frame,
            area,
            vec![Span::styled(text, theme.style(Meaning::FooterKey))],
        );
        return;
    }
    for item in footer_items(state, area) {
        let label = label(state, item.action);
        let spans = vec![
            Span::styled(item.key, theme.style(Meaning::FooterKey)),
            Span::styled(format!(" {label}"), theme.style(Meaning::Footer)),
        ];
        let room = Rect {
            width: item.area.width + 1,
            ..item.area
        };
        paint::put(frame, room, spans);
    }
}

/// The newest notice, for a few seconds, at the bottom right of the body.
fn toast(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let Some(notice) = state.fresh_notice() else {
        return;
    };
    let theme = state.theme();
    let (sign, meaning) = sign(notice.level);
    let text = clean(&notice.text);
    let most = usize::from(body.width * 2 / 3).clamp(20, 72);
    let mut lines: Vec<&str> = wrap(&text, most)
        .into_iter()
        .filter_map(|range| text.get(range))
        .collect();
    let limit = if notice.level == Level::Info { 2 } else { 5 };
    let cut = lines.len() > limit;
    lines.truncate(limit);
    let columns = lines.iter().map(|line| width(line)).max().unwrap_or(0) as u16 + 6;
    let height = lines.len() as u16;
    let area = Rect {
        x: body.right().saturating_sub(columns + 1),
        y: body.bottom().saturating_sub(height),
        width: columns.min(body.width),
        height,
    };
    frame.render_widget(Clear, area);
    frame.render_widget(Block::new().style(theme.style(Meaning::Popup)), area);
    for (place, line) in lines.iter().enumerate() {
        let lead = if place == 0 { sign } else { " " };
        let end = if cut && place + 1 == limit { "…" } else { "" };
        let spans = vec![
            Span::styled(format!(" {lead} "), theme.ink(meaning)),
            Span::raw(format!("{line}{end}")),
        ];
        paint::put(frame, paint::row(area, place as u16), spans);
    }
}
