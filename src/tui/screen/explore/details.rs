//! The pane below: the line under the cursor in full, who leads here, where it leads, what the kernel runs.

use super::{Content, Pane, rules, services};
use crate::model::{Chain, Name, Rule, Table};
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::clean::{clean, wrap};
use crate::tui::highlight::highlight;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crate::tui::{human, text};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use std::sync::Arc;

/// Rules named in a list of who leads here, before "and N more".
const SOURCES_MAX: usize = 12;

pub fn render(
    state: &State,
    picture: &Picture,
    frame: &mut Frame<'_>,
    area: Rect,
    extra: Option<Rect>,
) {
    let theme = state.theme();
    let focused = state.explore.focus == Pane::Details;
    let ruleset = &picture.ruleset;
    let title = match state.explore.content(ruleset) {
        Content::Rules(..) => match state.explore.rule(ruleset) {
            // Rules of legacy tables have no handles.
            Some((table, _, place, _)) if ruleset.is_legacy(table.family, &table.name) => {
                format!("Rule {}", place + 1)
            }
            Some((_, _, place, rule)) => format!("Rule {}, handle {}", place + 1, rule.handle),
            None if super::edit::new_rule(state).is_some() => {
                "New rule, not in the kernel yet".into()
            }
            None => "Chain".into(),
        },
        Content::Elements(..) => "Element".into(),
        _ => "Details".into(),
    };
    let (left, right) = lines(state, picture, area.width, extra.is_some());
    let height = usize::from(area.height.saturating_sub(1));
    let scroll = state
        .explore
        .details_scroll
        .min(left.len().saturating_sub(height));
    let more = if left.len() > height {
        format!("{}/{}", (scroll + height).min(left.len()), left.len())
    } else {
        String::new()
    };
    let remark = [Span::styled(more, theme.style(Meaning::Dim))];
    paint::title(frame, theme, area, focused, &title, &remark);
    put_lines(frame, paint::inside(area), &left, scroll);
    if left.len() > height {
        paint::scrollbar(frame, theme, paint::inside(area), scroll, left.len());
    }
    if let Some(extra) = extra {
        paint::title(frame, theme, extra, focused, "In the kernel", &[]);
        put_lines(
            frame,
            paint::inside(extra),
            &right,
            state.explore.details_scroll,
        );
    }
}

fn put_lines(frame: &mut Frame<'_>, area: Rect, lines: &[Line<'static>], scroll: usize) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    for (place, line) in lines
        .iter()
        .skip(scroll)
        .take(usize::from(area.height))
        .enumerate()
    {
        paint::put(frame, paint::row(area, place as u16), line.spans.clone());
    }
}

/// Lines and height of the details, for scrolling.
pub fn extent(state: &State) -> (usize, usize) {
    let Some(picture) = &state.picture else {
        return (0, 0);
    };
    let content = state.explore.content(&picture.ruleset);
    let panes = state.explore.panes(state.body(), &content);
    let area = panes.details.unwrap_or_default();
    let (left, right) = lines(state, picture, area.width, panes.extra.is_some());
    (
        left.len().max(right.len()),
        usize::from(area.height.saturating_sub(1)),
    )
}

type Lines = Vec<Line<'static>>;

/// The details; the kernel's view apart where there is room beside.
fn lines(state: &State, picture: &Picture, width: u16, apart: bool) -> (Lines, Lines) {
    let columns = usize::from(width.saturating_sub(3)).max(10);
    let ruleset = &picture.ruleset;
    match state.explore.content(ruleset) {
        Content::Rules(..) => {
            let Some((table, chain, _, rule)) = state.explore.rule(ruleset) else {
                let new = super::edit::new_rule(state);
                return match new {
                    Some(new) => (wrapped(state, &clean(new.edit.text()), columns), Vec::new()),
                    None => (chain_lines(state, picture, columns), Vec::new()),
                };
            };
            let mut left = rule_lines(state, picture, table, chain, rule, columns);
            let kernel = expression_lines(state, rule, columns);
            if apart {
                return (left, kernel);
            }
            left.push(heading(state, "in the kernel"));
            left.extend(kernel);
            (left, Vec::new())
        }
        Content::Elements(table, set) => {
            let mut left = Lines::new();
            let texts = state.explore.texts();
            if let Some(text) = texts.and_then(|texts| texts.get(state.explore.list.selected)) {
                left.extend(wrapped(state, &clean(text), columns));
            }
            let kind = state.explore.printer(picture, table).set_type(set);
            left.extend(wrapped(state, &clean(&kind), columns));
            left.extend(sources(
                state,
                table,
                "used by",
                Kind::Set,
                &set.name,
                columns,
            ));
            (left, Vec::new())
        }
        _ => (Lines::new(), Vec::new()),
    }
}

/// A chain without a rule to speak of.
fn chain_lines(state: &State, picture: &Picture, columns: usize) -> Lines {
    match state.explore.content(&picture.ruleset) {
        Content::Rules(table, chain) => match &chain.base {
            Some(_) => {
                let sentence = text::chain_sentence(table.family, chain);
                told(state, "chain", &sentence, columns)
            }
            None => sources(state, table, "from", Kind::Chain, &chain.name, columns),
        },
        _ => Lines::new(),
    }
}

fn rule_lines(
    state: &State,
    picture: &Picture,
    table: &Arc<Table>,
    chain: &Chain,
    rule: Rule<'_>,
    columns: usize,
) -> Lines {
    let theme = state.theme();
    let printer = state.explore.printer(picture, table);
    let text = printer.rule(rule);
    let mut lines = match printer.iptables(rule) {
        // In both languages: the one that the list does not show stands below.
        Some(own) => {
            let own = format!("-A {} {own}", chain.name);
            let (first, word, second) = match state.explore.nft_syntax {
                true => (&text, "iptables", &own),
                false => (&own, "nft", &text),
            };
            let mut lines = wrapped(state, &clean(first), columns);
            lines.extend(told(state, word, second, columns));
            lines
        }
        None => wrapped(state, &clean(&text), columns),
    };
    if picture.ruleset.is_legacy(table.family, &table.name) {
        let how = "with its whole table: the kernel replaces legacy tables in one piece";
        lines.extend(told(state, "changed", how, columns));
    }
    for (address, name) in services::names(state, &text) {
        lines.extend(told(
            state,
            "service",
            &format!("{address} is {name}"),
            columns,
        ));
    }
    if let Some(owner) = crate::insight::services::owner(&table.name, &chain.name) {
        let text = format!("by {}: {}", owner.program, owner.advice);
        lines.extend(told(state, "written", &text, columns));
    }
    let sentence = state.explore.printer(picture, table).sentence(rule);
    lines.extend(told(state, "in words", &sentence, columns));
    let history = rules::history(picture, table, chain, rule.handle);
    match text::rule_counters(rule) {
        Some((packets, bytes)) => {
            let text = format!(
                "{} packets, {} bytes ({})",
                human::exact(packets),
                human::exact(bytes),
                human::bytes(bytes)
            );
            lines.push(fact(state, "counted", &text));
            if let Some(history) = history {
                let now = format!(
                    "{} packets/s, {}/s  ",
                    human::rate(history.now.packets),
                    human::bytes(history.now.bytes.max(0.0) as u64)
                );
                let mut spans = vec![
                    label(state, "now"),
                    Span::styled(now, theme.style(Meaning::Rate)),
                ];
                let used: usize = spans.iter().map(Span::width).sum();
                spans.push(Span::styled(
                    spark(&history.packets, columns.saturating_sub(used).min(60)),
                    theme.style(Meaning::Spark),
                ));
                lines.push(Line::from(spans));
            }
        }
        None => lines.push(fact(state, "counted", "by nobody: the rule has no counter")),
    }
    let mut references = text::rule_references(rule);
    let anonymous = |name: &Name| table.set(name).is_some_and(|set| set.is_anonymous());
    references.sets.retain(|name| !anonymous(name));
    let names = |names: &[Name], sign: &str| -> String {
        let names: Vec<String> = names
            .iter()
            .map(|n| format!("{sign}{}", clean(n)))
            .collect();
        names.join(", ")
    };
    if !references.jumps.is_empty() {
        lines.push(fact(state, "jumps to", &names(&references.jumps, "")));
    }
    if !references.sets.is_empty() {
        lines.push(fact(state, "looks in", &names(&references.sets, "@")));
    }
    if !references.objects.is_empty() {
        lines.push(fact(state, "uses", &names(&references.objects, "")));
    }
    if !references.flowtables.is_empty() {
        lines.push(fact(state, "offloads", &names(&references.flowtables, "@")));
    }
    if chain.base.is_some() {
        let sentence = text::chain_sentence(table.family, chain);
        lines.extend(told(state, "chain", &sentence, columns));
    } else {
        lines.extend(sources(
            state,
            table,
            "reached by",
            Kind::Chain,
            &chain.name,
            columns,
        ));
    }
    lines
}

fn expression_lines(state: &State, rule: Rule<'_>, columns: usize) -> Lines {
    let style = state.theme().style(Meaning::Dim);
    let mut lines = Lines::new();
    for line in text::rule_expressions(rule) {
        let line = clean(&line);
        for (place, range) in wrap(&line, columns.saturating_sub(4))
            .into_iter()
            .enumerate()
        {
            let indent = if place == 0 { "" } else { "  " };
            let piece = line.get(range).unwrap_or_default();
            lines.push(Line::from(vec![Span::styled(
                format!("{indent}{piece}"),
                style,
            )]));
        }
    }
    lines
}

enum Kind {
    Chain,
    Set,
}

/// Which rules lead to a chain or set.
fn sources(
    state: &State,
    table: &Table,
    word: &str,
    kind: Kind,
    name: &Name,
    columns: usize,
) -> Lines {
    let Some(incoming) = &state.explore.incoming else {
        return Lines::new();
    };
    if incoming.table.as_ref() != Some(&(table.family, table.name.clone())) {
        return vec![fact(state, word, "counting…")];
    }
    let from = match kind {
        Kind::Chain => incoming.jumps.get(name),
        Kind::Set => incoming.sets.get(name),
    };
    let Some(from) = from.filter(|from| !from.is_empty()) else {
        let text = match (&kind, incoming.unread) {
            (Kind::Chain, true) => "no rule; a map whose elements were not read may lead here",
            _ => "nothing in this table",
        };
        return vec![fact(state, word, text)];
    };
    let mut names: Vec<String> = from
        .iter()
        .take(SOURCES_MAX)
        .map(|(chain, handle)| format!("{} #{handle}", clean(chain)))
        .collect();
    if from.len() > SOURCES_MAX {
        names.push(format!("and {} more", from.len() - SOURCES_MAX));
    }
    told(state, word, &names.join(", "), columns)
}

/// A text behind its label, wrapped.
fn told(state: &State, word: &str, text: &str, columns: usize) -> Lines {
    const INDENT: usize = 11;
    let text = clean(text);
    wrap(&text, columns.saturating_sub(INDENT))
        .into_iter()
        .enumerate()
        .map(|(place, range)| {
            let lead = if place == 0 { word } else { "" };
            fact(state, lead, text.get(range).unwrap_or_default())
        })
        .collect()
}

fn wrapped(state: &State, text: &str, columns: usize) -> Lines {
    let pieces = highlight(text);
    wrap(text, columns)
        .into_iter()
        .map(|range| Line::from(paint::syntax_part(state.theme(), text, &pieces, range, "")))
        .collect()
}

fn label(state: &State, word: &str) -> Span<'static> {
    Span::styled(format!("{word:<10} "), state.theme().style(Meaning::Dim))
}

fn fact(state: &State, word: &str, value: &str) -> Line<'static> {
    Line::from(vec![label(state, word), Span::raw(value.to_string())])
}

fn heading(state: &State, text: &str) -> Line<'static> {
    Line::from(vec![Span::styled(
        text.to_string(),
        state.theme().style(Meaning::Title),
    )])
}

/// Rates as bars of eighths, the newest at the right end.
fn spark(values: &[f32], columns: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let start = values.len().saturating_sub(columns);
    let values = values.get(start..).unwrap_or_default();
    let most = values.iter().copied().fold(0.0f32, f32::max);
    values
        .iter()
        .map(|value| {
            let level = if most > 0.0 {
                (value / most * 7.0).round().clamp(0.0, 7.0) as usize
            } else {
                0
            };
            BARS.get(level).copied().unwrap_or('▁')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_bars() {
        assert_eq!(spark(&[0.0, 1.0, 2.0], 10), "▁▅█");
        assert_eq!(spark(&[0.0, 0.0], 10), "▁▁");
        assert_eq!(spark(&[1.0, 2.0, 4.0], 1), "█");
    }
}
