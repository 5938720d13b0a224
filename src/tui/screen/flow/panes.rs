//! Drawing what is below the diagram: what runs at a hook, the steps of a path, and the explanation.

use super::layout::label;
use super::{Flow, Focus, Shown, Side, View, diagram};
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width, wrap};
use crate::tui::human;
use crate::tui::job::flow::{Entry, Line, Mark, Nature, Sort, Station, agree};
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

/// What the list below the diagram shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// What runs at the selected hook.
    Entries,
    Steps,
    /// Packets to begin with.
    Examples,
}

impl Flow {
    pub fn list(&self) -> List {
        match (self.focus, self.path()) {
            (Focus::Hooks, _) => List::Entries,
            (_, Some(_)) => List::Steps,
            (_, None) => List::Examples,
        }
    }

    /// Lines of the list.
    pub fn lines(&self) -> usize {
        match self.list() {
            List::Entries => self.entries_here().len(),
            List::Steps => self.rows().len(),
            List::Examples => self.seen.as_ref().map_or(0, |seen| seen.examples.len()),
        }
    }

    /// What runs at the selected station.
    pub fn entries_here(&self) -> &[Entry] {
        self.seen
            .as_ref()
            .map_or(&[], |seen| seen.diagram.at(self.family, self.station))
    }

    pub fn entry(&self) -> Option<&Entry> {
        self.entries_here().get(self.entries.selected)
    }
}

/// The explanation of what is selected.
pub fn about(state: &State) -> Vec<Line> {
    let flow = &state.flow;
    let line = |sort: Sort, text: String| Line { sort, text };
    match flow.list() {
        List::Entries => match flow.entry() {
            Some(entry) => about_entry(state, entry),
            None => vec![line(Sort::Plain, about_station(flow.station).into())],
        },
        List::Steps => match flow.path() {
            Some(Err(wrong)) => vec![
                line(Sort::Bad, wrong.message.clone()),
                line(
                    Sort::Dim,
                    "Change the packet, or ask about another one.".into(),
                ),
            ],
            _ => flow
                .row()
                .map_or_else(Vec::new, |shown| about_row(flow, shown)),
        },
        List::Examples => {
            let examples = flow.seen.as_ref().map(|seen| &seen.examples);
            let chosen = examples.and_then(|all| all.get(flow.steps.selected));
            let mut lines = vec![line(
                Sort::Plain,
                "A packet is followed through every hook: which rules it meets, which of them match and why, what NAT and routing do, and where it ends. Nothing is sent.".into(),
            )];
            if let Some((_, question)) = chosen {
                let options = crate::flow::options::of(question);
                let options = options.iter().map(|(name, text)| (*name, text.as_str()));
                lines.push(line(Sort::Dim, crate::flow::options::line(options)));
            }
            lines
        }
    }
}

fn about_row(flow: &Flow, shown: Shown<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let note = match shown.side {
        Side::Same => None,
        Side::Before if flow.view == View::Real => {
            Some("This was predicted, and the kernel did not do it.")
        }
        Side::After if flow.view == View::Real => {
            Some("The kernel did this, and it was not predicted.")
        }
        Side::Before => Some("This is so now, and no more with the pending changes."),
        Side::After => Some("This is so with the pending changes only."),
    };
    lines.extend(note.map(|note| Line {
        sort: Sort::Heading,
        text: note.into(),
    }));
    if let (Mark::End(_), Some((now, staged))) = (shown.row.mark, flow.both()) {
        let text = if now.end == staged.end {
            format!("With and without the pending changes: {}.", now.end)
        } else {
            format!(
                "Now: {}. With the pending changes: {}.",
                now.end, staged.end
            )
        };
        lines.push(Line {
            sort: Sort::Heading,
            text,
        });
    }
    if let (Mark::End(_), Some((now, real))) = (shown.row.mark, flow.held_against()) {
        let text = match agree(now, real) {
            true => "The kernel did what was predicted, rule by rule.".to_owned(),
            false if now.end == real.end => {
                "The end is as predicted, the way to it is another one.".to_owned()
            }
            false => format!("Predicted: {}. The kernel: {}.", now.end, real.end),
        };
        lines.push(Line {
            sort: Sort::Heading,
            text,
        });
        if !agree(now, real) {
            lines.push(Line {
                sort: Sort::Dim,
                text: "The prediction is about the ruleset and the connections as they are now; the packet met them as they were.".into(),
            });
        }
    }
    lines.extend(shown.row.about.iter().cloned());
    lines
}

fn about_station(station: Station) -> &'static str {
    match station {
        Station::Route => {
            "Here routing decides about an arriving packet: for this machine, for somebody else, or nowhere."
        }
        Station::Local => {
            "The programs of this machine. What they send is routed first, then comes to output."
        }
        Station::Ingress => {
            "Packets as a device hands them over: XDP, traffic control and netdev chains come before everything else. Nothing is there."
        }
        Station::Egress => "The last hook before a device sends a packet. Nothing is there.",
        _ => "No chain is at this hook: every packet passes.",
    }
}

fn about_entry(state: &State, entry: &Entry) -> Vec<Line> {
    let line = |sort: Sort, text: String| Line { sort, text };
    let mut lines = vec![line(Sort::Heading, entry.name.clone())];
    lines.push(line(Sort::Plain, entry.reading.clone()));
    if matches!(entry.nature, Nature::Chain(_) | Nature::Legacy(..)) {
        let policy = match entry.policy {
            Some(true) => ", policy accept",
            Some(false) => ", policy drop",
            None => "",
        };
        let rules = human::plural(entry.rules, "rule", "rules");
        let priority = entry
            .priority
            .map_or(String::new(), |p| format!(", priority {p}"));
        lines.push(line(
            Sort::Plain,
            format!("type {}{priority}{policy}, {rules}", entry.kind),
        ));
    }
    if !entry.devices.is_empty() {
        lines.push(line(
            Sort::Plain,
            format!("at {}", entry.devices.join(", ")),
        ));
    }
    let rate = state
        .picture
        .as_ref()
        .and_then(|picture| diagram::rate(picture, entry));
    match (rate, &entry.nature) {
        (Some(rate), _) => lines.push(line(
            Sort::Dim,
            format!("{}/s pass its busiest counter", human::rate(rate)),
        )),
        (None, Nature::Chain(_)) => {
            lines.push(line(Sort::Dim, "nothing in it counts packets".into()));
        }
        _ => {}
    }
    lines
}

/// The title of the list and its remark.
fn head(state: &State, room: usize) -> (String, Vec<Span<'static>>) {
    let flow = &state.flow;
    let theme = state.theme();
    let dim = theme.style(Meaning::Dim);
    match flow.list() {
        List::Entries => {
            let name = label(flow.family, flow.station);
            let count = flow.lines();
            (
                format!("At {} {name}, in the kernel's order", flow.family),
                vec![Span::styled(count.to_string(), dim)],
            )
        }
        List::Examples => ("Packets to begin with".into(), Vec::new()),
        List::Steps => {
            let (title, told) = match (flow.view, flow.both()) {
                (View::Staged, Some(_)) => ("Path, with pending changes", flow.told()),
                (View::Both, Some(_)) => ("Path, before and after", flow.told()),
                (View::Real, _) if room >= 90 => ("Predicted ┆ real", flow.told()),
                (View::Real, _) => ("Path, - predicted, + real", flow.told()),
                _ => ("Path", flow.told()),
            };
            let Some(told) = told else {
                return (title.into(), Vec::new());
            };
            let meaning = if told.fate.passes() {
                Meaning::Accept
            } else {
                Meaning::Drop
            };
            let mut end = told.end.clone();
            if let Some((now, real)) = flow.held_against() {
                end = match agree(now, real) {
                    true => format!("{end}, as predicted"),
                    false if now.end == real.end => format!("{end}, but by another way"),
                    false if flow.view == View::Real => {
                        format!("{} ≠ {}", now.fate.word(), real.end)
                    }
                    false => format!("{end} ≠ the kernel"),
                };
            } else if let Some((now, staged)) = flow.both()
                && now.end != staged.end
            {
                end = match flow.view {
                    View::Now => format!("{end} ≠ pending"),
                    _ => format!("{} ⇒ {}", now.fate.word(), staged.end),
                };
            }
            let end = elide(&end, room.saturating_sub(width(title) + 14));
            (title.into(), vec![Span::styled(end, theme.style(meaning))])
        }
    }
}

pub fn render_list(state: &State, picture: &Picture, frame: &mut Frame<'_>, area: Rect) {
    let flow = &state.flow;
    let theme = state.theme();
    let focused = flow.focus != Focus::About;
    let (title, remark) = head(state, usize::from(area.width));
    paint::title(frame, theme, area, focused, &title, &remark);
    let inner = paint::inside(area);
    if let Some(Err(wrong)) = flow.path().filter(|_| flow.list() == List::Steps) {
        let lines = [
            wrong.message.as_str(),
            "Change the packet, or begin with another one.",
        ];
        return paint::empty(frame, theme, inner, "This packet makes no sense", &lines);
    }
    let len = flow.lines();
    let list = if flow.list() == List::Entries {
        &flow.entries
    } else {
        &flow.steps
    };
    if len == 0 {
        let text = if flow.seen.is_none() {
            format!("{} looking at the hooks…", spinner(state))
        } else {
            "Nothing runs here.".to_owned()
        };
        return paint::empty(frame, theme, inner, "", &[&text]);
    }
    let visible = list.visible(len, usize::from(inner.height));
    let start = visible.start;
    let rows = flow.rows();
    for place in visible {
        let line = paint::row(inner, (place - start) as u16);
        let spans = match flow.list() {
            List::Entries => flow
                .entries_here()
                .get(place)
                .map(|entry| entry_spans(state, picture, entry, usize::from(line.width))),
            List::Steps => rows.get(place).map(|shown| match flow.view {
                View::Real if is_wide(area) => pair_spans(state, *shown, usize::from(line.width)),
                _ => step_spans(state, *shown, usize::from(line.width)),
            }),
            List::Examples => flow
                .seen
                .as_ref()
                .and_then(|seen| seen.examples.get(place))
                .map(|(what, _)| {
                    vec![
                        Span::styled(format!(" {} ", place + 1), theme.style(Meaning::Dim)),
                        Span::styled(clean(what).into_owned(), theme.style(Meaning::Text)),
                    ]
                }),
        };
        paint::put(frame, line, spans.unwrap_or_default());
        if place == list.selected {
            let meaning = if focused {
                Meaning::Selection
            } else {
                Meaning::SelectionBack
            };
            paint::select(frame, line, theme.style(meaning));
        }
    }
    paint::scrollbar(frame, theme, inner, start, len);
}

fn entry_spans(state: &State, picture: &Picture, entry: &Entry, room: usize) -> Vec<Span<'static>> {
    let theme = state.theme();
    let priority = match entry.priority {
        None => String::new(),
        Some(i32::MAX) => "last".into(),
        Some(i32::MIN) => "first".into(),
        Some(priority) => priority.to_string(),
    };
    let meaning = match entry.nature {
        Nature::Builtin => Meaning::Dim,
        Nature::Program => Meaning::Warning,
        _ => Meaning::BaseChain,
    };
    let chain = matches!(entry.nature, Nature::Chain(_) | Nature::Legacy(..));
    let rules = if chain {
        human::plural(entry.rules, "rule", "rules")
    } else {
        String::new()
    };
    let (policy, policy_meaning) = match entry.policy {
        Some(true) if chain => ("accept", Meaning::PolicyAccept),
        Some(false) if chain => ("drop", Meaning::PolicyDrop),
        _ => ("", Meaning::Dim),
    };
    let rate = diagram::rate(picture, entry);
    let rate = rate.map_or(String::new(), |rate| format!("{}/s", human::rate(rate)));
    let devices = match entry.devices.as_slice() {
        [] => String::new(),
        [one] => format!(" @{one}"),
        [one, more @ ..] => format!(" @{one}+{}", more.len()),
    };
    let fixed = 7 + 7 + 8 + 11 + 8;
    let wide = room.saturating_sub(fixed);
    let name = elide(&format!("{}{devices}", entry.name), wide);
    let gap = wide.saturating_sub(width(&name));
    vec![
        Span::styled(format!("{priority:>6} "), theme.style(Meaning::Number)),
        Span::styled(name, theme.style(meaning)),
        Span::raw(" ".repeat(gap + 1)),
        Span::styled(format!("{:<7}", entry.kind), theme.style(Meaning::Dim)),
        Span::styled(format!("{policy:<7}"), theme.style(policy_meaning)),
        Span::styled(format!("{rules:>11}"), theme.style(Meaning::Dim)),
        Span::styled(format!("{rate:>8}"), theme.style(Meaning::Rate)),
    ]
}

fn sign(mark: Mark) -> (&'static str, Meaning) {
    match mark {
        Mark::Packet => ("●", Meaning::Accent),
        Mark::Chain => ("◆", Meaning::BaseChain),
        Mark::Match => ("✓", Meaning::Good),
        Mark::Miss => ("·", Meaning::Dim),
        Mark::Kernel => ("○", Meaning::Info),
        Mark::CheckPassed => ("✓", Meaning::Good),
        Mark::CheckFailed => ("✖", Meaning::Error),
        Mark::End(fate) if fate.passes() => ("⇒", Meaning::Accept),
        Mark::End(_) => ("⇒", Meaning::Drop),
        Mark::Unsure => ("?", Meaning::Warning),
        Mark::Basis => ("∎", Meaning::Dim),
    }
}

/// The colour of a verdict.
fn verdict_meaning(verdict: &str) -> Meaning {
    match verdict.split_whitespace().next() {
        Some("accept") => Meaning::Accept,
        Some("drop" | "reject") => Meaning::Drop,
        _ => Meaning::Jump,
    }
}

/// Two paths stand side by side.
fn is_wide(list: Rect) -> bool {
    list.width >= 90
}

/// What was predicted on the left, what the kernel did on the right.
fn pair_spans(state: &State, shown: Shown<'_>, room: usize) -> Vec<Span<'static>> {
    let half = room.saturating_sub(3) / 2;
    let blank = || vec![Span::raw(" ".repeat(half))];
    let half_spans = || {
        let mut spans = step_spans(state, shown, half);
        let used: usize = spans.iter().map(|span| width(&span.content)).sum();
        spans.push(Span::raw(" ".repeat(half.saturating_sub(used))));
        spans
    };
    let (mut left, right) = match shown.side {
        Side::Same => (half_spans(), half_spans()),
        Side::Before => (half_spans(), blank()),
        Side::After => (blank(), half_spans()),
    };
    left.push(Span::styled(" ┆ ", state.theme().style(Meaning::Border)));
    left.extend(right);
    left
}

fn step_spans(state: &State, shown: Shown<'_>, room: usize) -> Vec<Span<'static>> {
    let theme = state.theme();
    let row = shown.row;
    let (side, side_meaning) = match shown.side {
        Side::Same => (" ", Meaning::Dim),
        Side::Before => ("-", Meaning::Drop),
        Side::After => ("+", Meaning::Accept),
    };
    let (sign, meaning) = sign(row.mark);
    let mut spans = vec![Span::styled(side, theme.style(side_meaning))];
    let mut used = 1;
    // The hook stands before the first column of what happens there.
    let hook = if row.depth == 0 {
        let hook = match row.mark {
            Mark::End(_) | Mark::Unsure | Mark::Basis => "",
            _ => label(row.family, row.station),
        };
        format!("{hook:<12}")
    } else {
        " ".repeat(12)
    };
    spans.push(Span::styled(hook, theme.style(Meaning::Column)));
    used += 12;
    let indent = "  ".repeat(row.depth.min(8));
    used += width(&indent) + 2;
    spans.push(Span::raw(indent));
    spans.push(Span::styled(format!("{sign} "), theme.style(meaning)));
    let verdict = if row.verdict.is_empty() {
        String::new()
    } else {
        format!(" {} ", row.verdict)
    };
    let wide = room.saturating_sub(used + width(&verdict)).max(8);
    let text = elide(&row.text, wide);
    let gap = wide.saturating_sub(width(&text));
    match row.mark {
        Mark::Match => spans.extend(paint::syntax(theme, &text, "")),
        _ => {
            let meaning = match row.mark {
                Mark::Miss | Mark::Basis => Meaning::Dim,
                Mark::Chain => Meaning::BaseChain,
                Mark::CheckFailed => Meaning::Error,
                Mark::Unsure => Meaning::Warning,
                Mark::End(fate) if fate.passes() => Meaning::Accept,
                Mark::End(_) => Meaning::Drop,
                _ => Meaning::Text,
            };
            let mut style = theme.style(meaning);
            if matches!(row.mark, Mark::End(_)) {
                style = style.add_modifier(Modifier::BOLD);
            }
            spans.push(Span::styled(text, style));
        }
    }
    spans.push(Span::raw(" ".repeat(gap)));
    let mut style = theme.style(verdict_meaning(&row.verdict));
    if row.fatal {
        style = style.add_modifier(Modifier::BOLD);
    }
    spans.push(Span::styled(verdict, style));
    spans
}

/// The explanation, broken into lines of the screen.
pub fn about_lines(state: &State, room: usize) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme();
    let mut out = Vec::new();
    for line in about(state) {
        let text = clean(&line.text).into_owned();
        if line.sort == Sort::Rule {
            let pieces = crate::tui::highlight::highlight(&text);
            for range in wrap(&text, room.saturating_sub(2).max(8)) {
                let mut spans = vec![Span::raw("  ")];
                spans.extend(paint::syntax_part(theme, &text, &pieces, range, ""));
                out.push(spans);
            }
            continue;
        }
        let style = match line.sort {
            Sort::Heading => theme.style(Meaning::Accent),
            Sort::Good => theme.style(Meaning::Accept),
            Sort::Bad => theme.style(Meaning::Drop),
            Sort::Dim => theme.style(Meaning::Dim),
            Sort::Plain | Sort::Rule => Style::new(),
        };
        for range in wrap(&text, room.max(8)) {
            let piece = text.get(range).unwrap_or_default().to_owned();
            out.push(vec![Span::styled(piece, style)]);
        }
    }
    out
}

pub fn render_about(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let flow = &state.flow;
    let focused = flow.focus == Focus::About;
    let title = match flow.list() {
        List::Entries => "What it is",
        List::Steps => "Why",
        List::Examples => "What this is",
    };
    let rule = flow.row().filter(|_| flow.list() == List::Steps);
    let rule = rule.is_some_and(|shown| shown.row.rule.is_some());
    let mut remark = Vec::new();
    if rule {
        remark.push(Span::styled(
            "⏎ goes to the rule",
            theme.style(Meaning::Dim),
        ));
    }
    paint::title(frame, theme, area, focused, title, &remark);
    let inner = paint::inside(area);
    let text = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let lines = about_lines(state, usize::from(text.width));
    let height = usize::from(text.height);
    let scroll = flow.scroll.min(lines.len().saturating_sub(height));
    for (place, spans) in lines.iter().skip(scroll).take(height).enumerate() {
        paint::put(frame, paint::row(text, place as u16), spans.clone());
    }
    paint::scrollbar(frame, theme, inner, scroll, lines.len());
}
