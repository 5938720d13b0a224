//! Drawing Live.

use super::{Line, Live, Running};
use crate::flow::report::Fate;
use crate::session::watch::Packet;
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width};
use crate::tui::human;
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let panes = state.live.panes(body);
    if !panes.list.is_empty() {
        list(state, frame, panes.list);
    }
    if let Some(pane) = panes.path {
        if !panes.list.is_empty() {
            let x = pane.x.saturating_sub(1);
            paint::divider(frame, state.theme(), pane, x, &[pane.y]);
        }
        path(state, frame, pane);
    }
    filter(state, frame, panes.filter);
}

fn remark(state: &State) -> Vec<Span<'static>> {
    let theme = state.theme();
    let live = &state.live;
    let mut spans = Vec::new();
    let mut put = |text: String, meaning: Meaning| {
        spans.push(Span::styled(format!(" {text} "), theme.style(meaning)));
    };
    if live.seen > 0 {
        put(
            format!(
                "{} seen, {} dropped",
                human::count(live.seen),
                human::count(live.dropped)
            ),
            Meaning::Dim,
        );
    }
    if live.left_out > 0 {
        put(
            format!("{} left out", human::count(live.left_out)),
            Meaning::Warning,
        );
    }
    if live.lost {
        put("events lost".into(), Meaning::Warning);
    }
    if live.drops_only {
        put("drops only".into(), Meaning::Accent);
    }
    if let Some(held) = &live.held {
        put(format!("paused, {} wait", held.len()), Meaning::Warning);
    }
    match live.running {
        Running::No => put("stopped".into(), Meaning::Dim),
        Running::Starting => put(format!("{} starting", spinner(state)), Meaning::Progress),
        Running::Yes => put(format!("{} watching", spinner(state)), Meaning::Good),
        Running::Stopping => put("stopping".into(), Meaning::Dim),
    }
    spans
}

fn list(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let live = &state.live;
    let focused = live.open.is_none();
    paint::title(frame, theme, pane, focused, "Packets", &remark(state));
    let inner = paint::inside(pane);
    let shown: Vec<&Packet> = live.shown().map(|packet| &**packet).collect();
    if shown.is_empty() {
        empty(state, frame, inner);
        return;
    }
    let visible = live.list.visible(shown.len(), usize::from(inner.height));
    let first = visible.start;
    for (row, place) in visible.enumerate() {
        let Some(packet) = shown.get(place) else {
            continue;
        };
        let area = paint::row(inner, row as u16);
        paint::put(frame, area, packet_line(theme, packet, area.width));
        if place == live.list.selected {
            let meaning = if focused {
                Meaning::Selection
            } else {
                Meaning::SelectionBack
            };
            paint::select(frame, area, theme.style(meaning));
        }
    }
    paint::scrollbar(frame, theme, inner, first, shown.len());
}

fn empty(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let live = &state.live;
    let (heading, lines): (String, Vec<&str>) = match live.running {
        Running::Yes if live.drops_only && !live.packets.is_empty() => (
            "No drops so far".into(),
            vec!["Packets that pass are hidden; the same key shows them again."],
        ),
        Running::Yes => (
            format!("{} Waiting for packets that match", spinner(state)),
            vec!["The kernel tells of every packet that matches, rule by rule."],
        ),
        Running::Starting => (format!("{} Starting", spinner(state)), Vec::new()),
        Running::No | Running::Stopping => (
            "Nothing is watched".into(),
            vec![
                "Starting installs a table that marks packets for the kernel's own trace. It belongs to this program: the kernel removes it when the program ends, however it ends.",
                "Write a filter first where there is much traffic: above 500 packets a second watching stops by itself.",
            ],
        ),
    };
    paint::empty(frame, theme, area, &heading, &lines);
}

/// What the eye should see of a fate.
fn fate(packet: &Packet) -> (&'static str, Meaning) {
    match packet.fate {
        Some(Fate::Dropped) => ("DROP", Meaning::Error),
        Some(Fate::Rejected) => ("REJECT", Meaning::Error),
        Some(Fate::Queued) => ("queued", Meaning::Warning),
        Some(Fate::Stolen) => ("stolen", Meaning::Warning),
        Some(fate) => (fate.word(), Meaning::Good),
        None => ("unseen", Meaning::Warning),
    }
}

fn packet_line(theme: &Theme, packet: &Packet, columns: u16) -> Vec<Span<'static>> {
    let (word, meaning) = fate(packet);
    // Hours to milliseconds.
    let time: String = packet.clock.chars().take(12).collect();
    let from = match &packet.iif {
        Some(iif) if !packet.local => clean(iif).into_owned(),
        _ => "(here)".to_owned(),
    };
    let head = format!("{time} ");
    let from = format!(" {:<8} ", elide(&from, 8));
    let used = width(&head) + 9 + width(&from);
    let room = usize::from(columns).saturating_sub(used + 1);
    let seen = packet.seen.to_string();
    let reason = packet.reason();
    let reason = clean(&reason);
    let left = room.saturating_sub(width(&seen) + 2);
    let seen = elide(&seen, room);
    let mut spans = vec![
        Span::styled(head, theme.style(Meaning::Dim)),
        Span::styled(format!("{word:<9}"), theme.style(meaning)),
        Span::styled(from, theme.style(Meaning::Object)),
        Span::styled(seen, theme.style(Meaning::Text)),
    ];
    if left > 12 {
        let text = format!("  {}", elide(&reason, left));
        spans.push(Span::styled(text, theme.style(Meaning::Dim)));
    }
    spans
}

fn path(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let live = &state.live;
    let Some(packet) = &live.open else {
        return;
    };
    let name = packet.seen.to_string();
    let room = usize::from(pane.width).saturating_sub(14);
    let title = elide(&name, room);
    let (word, meaning) = fate(packet);
    let mark = [Span::styled(format!(" {word} "), theme.style(meaning))];
    paint::title(frame, theme, pane, true, &title, &mark);
    let inner = paint::inside(pane);
    let lines = live.lines();
    let visible = live.path.visible(lines.len(), usize::from(inner.height));
    let first = visible.start;
    for (row, place) in visible.enumerate() {
        let Some(line) = lines.get(place) else {
            continue;
        };
        let area = paint::row(inner, row as u16);
        paint::put(frame, area, path_line(theme, live, packet, line));
        if place == live.path.selected {
            paint::select(frame, area, theme.style(Meaning::Selection));
        }
    }
    paint::scrollbar(frame, theme, inner, first, lines.len());
}

fn path_line(theme: &Theme, live: &Live, packet: &Packet, line: &Line) -> Vec<Span<'static>> {
    let _ = live;
    let style = |meaning| theme.style(meaning);
    let verdict = |words: &str| {
        let meaning = match words {
            "drop" | "reject" => Meaning::Error,
            "accept" => Meaning::Good,
            _ => Meaning::Accent,
        };
        Span::styled(clean(words).into_owned(), style(meaning))
    };
    match line {
        Line::Chain(place) => {
            let Some(pass) = packet.passes.get(*place) else {
                return Vec::new();
            };
            let priority = pass
                .priority
                .map(|priority| format!(" priority {priority}"))
                .unwrap_or_default();
            let policy = if pass.by_policy { " (policy)" } else { "" };
            vec![
                Span::styled(
                    format!("{:<12}", pass.hook.unwrap_or("?")),
                    style(Meaning::Family),
                ),
                Span::styled(
                    format!(
                        "{} {} {}",
                        pass.family,
                        clean(&pass.table),
                        clean(&pass.chain)
                    ),
                    style(Meaning::BaseChain),
                ),
                Span::styled(format!("{priority}: "), style(Meaning::Dim)),
                verdict(&pass.verdict),
                Span::styled(policy, style(Meaning::Dim)),
            ]
        }
        Line::Rule(pass, hit) => {
            let found = packet.passes.get(*pass);
            let Some(hit) = found.and_then(|pass| pass.hits.get(*hit)) else {
                return Vec::new();
            };
            let indent = "  ".repeat(hit.depth + 1);
            let text = hit.text.as_deref().unwrap_or("(the rule is gone by now)");
            let mut spans = vec![Span::styled(
                format!("{indent}{:>4}  ", hit.handle),
                style(Meaning::Number),
            )];
            // The text of a rule says its verdict itself, except where that is in a map.
            let text = clean(text).into_owned();
            let pieces = paint::syntax(theme, &text, "");
            spans.extend(
                pieces
                    .into_iter()
                    .map(|piece| Span::styled(piece.content.into_owned(), piece.style)),
            );
            if hit.verdict != "continue" {
                spans.push(Span::styled("  → ", style(Meaning::Dim)));
                spans.push(verdict(&hit.verdict));
            }
            spans
        }
        Line::End => {
            let ct = packet
                .ct
                .map(|ct| format!("; connection: {}", ct.state_word()))
                .unwrap_or_default();
            let (word, meaning) = fate(packet);
            vec![
                Span::styled(format!("∎ {word}"), style(meaning)),
                Span::styled(
                    format!(", {}{ct}", clean(&packet.reason())),
                    style(Meaning::Text),
                ),
            ]
        }
    }
}

fn filter(state: &State, frame: &mut Frame<'_>, pane: Rect) {
    let theme = state.theme();
    let live = &state.live;
    let remark: Vec<Span<'_>> = match &live.trouble {
        Some(trouble) => {
            let room = usize::from(pane.width).saturating_sub(14);
            let text = format!(" {} ", elide(&clean(trouble), room));
            vec![Span::styled(text, theme.style(Meaning::Error))]
        }
        None => Vec::new(),
    };
    let editing = live.editing.is_some();
    paint::title(frame, theme, pane, editing, "Filter", &remark);
    let line = paint::inside(pane);
    match &live.editing {
        Some(input) => {
            if input.is_empty() {
                let hint = "for example: src 10.0.0.0/8 proto tcp dport 443 both";
                paint::put(
                    frame,
                    line,
                    vec![Span::styled(format!("  {hint}"), theme.style(Meaning::Dim))],
                );
            }
            input.render(frame, line, theme.style(Meaning::Text), true);
        }
        None => {
            let text = if live.filter.is_empty() {
                Span::styled("every packet", theme.style(Meaning::Dim))
            } else {
                let text = clean(&live.filter).into_owned();
                Span::styled(text, theme.style(Meaning::Text))
            };
            paint::put(frame, line, vec![Span::raw(" "), text]);
        }
    }
}
