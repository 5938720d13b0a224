//! The rules of a chain as a table: handle, counters, rate, text. Renders the lines on the screen only.

use super::edit::{chain_place, new_rule_at};
use super::main_pane::{line_hits, select};
use super::services;
use super::symbols;
use crate::model::{Chain, Rule, Table};
use crate::session::{Picture, RateHistory, RuleKey};
use crate::stage::change::{Edit, disable};
use crate::tui::app::State;
use crate::tui::clean::clean;
use crate::tui::job::Sort;
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use crate::tui::{chrome, human, text};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;
use std::ops::Range;
use std::sync::Arc;

/// Widths of the columns before the text of a rule.
struct Columns {
    handle: usize,
    bytes: bool,
    rate: bool,
}

impl Columns {
    fn width(&self) -> usize {
        let bytes = if self.bytes { 10 } else { 0 };
        let rate = if self.rate { 7 } else { 0 };
        1 + self.handle + 1 + 6 + bytes + rate + 2
    }
}

fn columns(chain: &Chain, visible: &Range<usize>, room: u16, state: &State) -> Columns {
    // Handles grow; the last rules on the screen have the longest, in any order at least four digits.
    let handle = visible
        .clone()
        .filter_map(|line| chain.rules.get(state.explore.place_of(line)))
        .map(|rule| digits(rule.handle))
        .max()
        .unwrap_or(4)
        .max(4);
    Columns {
        handle,
        bytes: room >= 90,
        rate: room >= 60,
    }
}

pub(super) fn digits(value: u64) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

pub(super) fn rules(
    state: &State,
    picture: &Picture,
    table: &Arc<Table>,
    chain: &Chain,
    head: Rect,
    list: Rect,
    frame: &mut Frame<'_>,
) {
    let theme = state.theme();
    if state.explore.len(&picture.ruleset) == 0 {
        let (heading, line) = match (chain.rules.read, &chain.base) {
            (false, _) => (
                format!("{} Reading the rules…", chrome::spinner(state)),
                "This chain is read before all others, because it is on the screen.".to_string(),
            ),
            (true, Some(base)) => {
                let policy = base.policy.map_or("accept".into(), symbols::policy);
                let line = format!("Every packet that comes here meets the policy: {policy}.");
                ("No rules".into(), line)
            }
            (true, None) => (
                "No rules".into(),
                "Packets that are sent here go straight back to where they came from.".into(),
            ),
        };
        paint::empty(frame, theme, list, &heading, &[&line]);
        return;
    }
    let visible = state.explore.list.visible(
        state.explore.len(&picture.ruleset),
        usize::from(list.height),
    );
    let columns = columns(chain, &visible, list.width, state);
    let arrow = |sort: Sort| {
        if state.explore.sort == sort {
            "▼"
        } else {
            ""
        }
    };
    let mut heads = format!(
        " {:>h$} {:>6}",
        "#",
        format!("{}pkts", arrow(Sort::Packets)),
        h = columns.handle
    );
    if columns.bytes {
        heads.push_str(&format!("{:>10}", format!("{}bytes", arrow(Sort::Bytes))));
    }
    if columns.rate {
        heads.push_str(&format!("{:>7}", format!("{}pkt/s", arrow(Sort::Rate))));
    }
    let printer = state.explore.printer(picture, table);
    heads.push_str(match (printer.is_iptables(), state.explore.nft_syntax) {
        (true, false) => "  rule, as iptables writes it",
        (true, true) => "  rule, as nft writes it",
        (false, _) => "  rule",
    });
    if state.explore.sort != Sort::Place {
        heads.push_str(" (not in the kernel's order)");
    }
    let heads = format!("{heads:<w$}", w = usize::from(head.width));
    let style = theme.style(Meaning::Column);
    paint::put(frame, head, vec![Span::styled(heads, style)]);
    let hits = line_hits(state);
    let here = chain_place(table, chain);
    for (row, line) in visible.enumerate() {
        let area = paint::row(list, row as u16);
        let area = Rect {
            width: area.width.saturating_sub(1),
            ..area
        };
        let room = usize::from(area.width).saturating_sub(columns.width());
        if let Some(change) = new_rule_at(state, line) {
            let style = theme.style(Meaning::Good);
            let indent = columns.width() - 1;
            let word = match &change.edit {
                Edit::MoveRule { rule, .. } => format!(" moved here (#{})", rule.handle),
                _ => " new".into(),
            };
            let word = crate::tui::clean::head(&word, indent.saturating_sub(1)).to_string();
            let mut spans = vec![
                Span::styled("+", style),
                Span::styled(format!("{word:<indent$}"), style),
            ];
            spans.extend(pending_text(theme, change.edit.text(), room));
            paint::put(frame, area, spans);
            select(state, frame, area, line);
            continue;
        }
        let place = state.explore.place_of(line);
        let Some(rule) = chain.rules.get(place) else {
            continue;
        };
        let hit = hits.is_some_and(|hits| hits.binary_search(&(place as u32)).is_ok());
        let change = state.changes.set.of_rule(&here, rule.handle);
        let (mark, meaning) = match change.map(|change| &change.edit) {
            Some(Edit::DeleteRule { .. } | Edit::MoveRule { .. }) => ("-", Meaning::Drop),
            Some(_) => ("~", Meaning::Warning),
            None if hit => ("›", Meaning::Accent),
            None => (" ", Meaning::Accent),
        };
        let mut spans = vec![Span::styled(mark, theme.style(meaning))];
        spans.extend(numbers(state, picture, table, chain, rule, &columns));
        match change.map(|change| &change.edit) {
            Some(Edit::DeleteRule { rule } | Edit::MoveRule { rule, .. }) => {
                let style = theme.ink(Meaning::Drop).add_modifier(Modifier::CROSSED_OUT);
                let text = clean(&rule.text).into_owned();
                spans.push(Span::styled(text, style));
                paint::put(frame, area, spans);
                select(state, frame, area, line);
                continue;
            }
            Some(edit) => {
                spans.extend(pending_text(theme, edit.text(), room));
                paint::put(frame, area, spans);
                select(state, frame, area, line);
                continue;
            }
            None => {}
        }
        let text = printer.shown(rule, state.explore.nft_syntax);
        let text = without_counters(&clean(&text));
        let query = if hit { state.search.query.as_str() } else { "" };
        // Longer than the line is never seen: do not colour it.
        let shown = crate::tui::clean::head(&text, room + 1);
        let mut words = paint::syntax(theme, shown, query);
        if disable::is_disabled(&text) {
            let dim = theme.style(Meaning::Dim);
            words.iter_mut().for_each(|word| word.style = dim);
        }
        spans.extend(words);
        spans.extend(services::remark(state, &text));
        paint::put(frame, area, spans);
        select(state, frame, area, line);
    }
}

/// A text that is not in the kernel yet.
fn pending_text(theme: &Theme, text: &str, room: usize) -> Vec<Span<'static>> {
    let text = clean(text).into_owned();
    let shown = crate::tui::clean::head(&text, room + 1).to_string();
    let mut spans = paint::syntax(theme, &shown, "");
    for span in &mut spans {
        span.style = span.style.add_modifier(Modifier::ITALIC);
    }
    spans
}

/// The rate of a rule, where its counter was read twice.
pub fn history<'a>(
    picture: &'a Picture,
    table: &Table,
    chain: &Chain,
    handle: u64,
) -> Option<&'a RateHistory> {
    if picture.rates.rules.is_empty() {
        return None;
    }
    picture.rates.rules.get(&RuleKey {
        chain: super::node::chain_key(table, chain),
        handle,
    })
}

fn numbers(
    state: &State,
    picture: &Picture,
    table: &Table,
    chain: &Chain,
    rule: Rule<'_>,
    columns: &Columns,
) -> Vec<Span<'static>> {
    let theme = state.theme();
    let dim = theme.style(Meaning::Dim);
    let mut spans = vec![Span::styled(
        format!("{:>w$} ", rule.handle, w = columns.handle),
        dim,
    )];
    let (packets, bytes) = match text::rule_counters(rule) {
        Some((packets, bytes)) => (human::count(packets), human::bytes(bytes)),
        None => ("—".into(), "—".into()),
    };
    let style = |text: &str| match text {
        "—" | "0" | "0 B" => theme.style(Meaning::Column),
        _ => theme.style(Meaning::Number),
    };
    // Headings may be underlined; numbers never are.
    let plain =
        |style: ratatui::style::Style| style.remove_modifier(ratatui::style::Modifier::UNDERLINED);
    let packets_style = plain(style(&packets));
    spans.push(Span::styled(format!("{packets:>6}"), packets_style));
    if columns.bytes {
        let bytes_style = plain(style(&bytes));
        spans.push(Span::styled(format!("{bytes:>10}"), bytes_style));
    }
    if columns.rate {
        let rate = history(picture, table, chain, rule.handle).map(|history| history.now.packets);
        let (text, style) = match rate {
            Some(rate) if rate >= 0.05 => (human::rate(rate), theme.style(Meaning::Rate)),
            Some(_) => ("0".into(), plain(theme.style(Meaning::Column))),
            None => (String::new(), dim),
        };
        spans.push(Span::styled(format!("{text:>7}"), style));
    }
    spans.push(Span::raw("  "));
    spans
}

/// The numbers of `counter packets 1 bytes 2` have columns of their own.
pub fn without_counters(text: &str) -> String {
    const MARK: &str = "counter packets ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(MARK) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let numbers = after.get(MARK.len()..).unwrap_or_default();
        let mut words = numbers.splitn(4, ' ');
        let number = |word: Option<&str>| {
            word.is_some_and(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()))
        };
        let fits = number(words.next()) && words.next() == Some("bytes") && number(words.next());
        if fits {
            out.push_str("counter");
            rest = match words.next() {
                Some(tail) => {
                    out.push(' ');
                    tail
                }
                None => "",
            };
        } else {
            out.push_str(MARK);
            rest = numbers;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_lose_their_numbers_in_the_list() {
        assert_eq!(
            without_counters("tcp dport 22 counter packets 12 bytes 345 accept"),
            "tcp dport 22 counter accept"
        );
        assert_eq!(without_counters("counter packets 1 bytes 2"), "counter");
        let text = "comment \"counter packets x bytes\"";
        assert_eq!(without_counters(text), text);
    }
}
