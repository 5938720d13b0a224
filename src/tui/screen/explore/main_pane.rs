//! The pane on the right: rules, elements, or the children of a node. Renders the lines on the screen only.

use super::node::{Item, Node};
use super::{Content, Pane, about, list_area, symbols, tree_pane};
use crate::model::{Chain, Elements, ObjectData, Rule, Ruleset, Set, Table};
use crate::session::{Picture, RateHistory, RuleKey};
use crate::tui::app::State;
use crate::tui::clean::{clean, elide, width};
use crate::tui::job::{Hits, SearchPlace, Sort};
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crate::tui::{chrome, human, owner, text};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;
use std::ops::Range;
use std::sync::Arc;

pub fn render(
    state: &State,
    picture: &Picture,
    content: &Content<'_>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = state.theme();
    let ruleset = &picture.ruleset;
    let focused = state.explore.focus == Pane::Main;
    let label = state.explore.tree.selected.as_ref();
    let label = label.map(|key| key.label()).unwrap_or_default();
    let len = state.explore.len(ruleset);
    let position = match content {
        Content::Rules(..) | Content::Elements(..) | Content::Listing(_) if len > 0 => format!(
            "{}/{}",
            human::exact(state.explore.list.selected as u64 + 1),
            human::exact(len as u64)
        ),
        _ => String::new(),
    };
    let remark = [Span::styled(position, theme.style(Meaning::Dim))];
    paint::title(frame, theme, area, focused, &label, &remark);
    if let Some(item) = state.explore.selected(ruleset)
        && !matches!(content, Content::Single(_))
    {
        let line = paint::row(area, 1);
        let line = Rect {
            x: line.x + 1,
            width: line.width.saturating_sub(2),
            ..line
        };
        paint::put(frame, line, about::line(state, ruleset, item));
    }
    let list = list_area(area, content);
    match content {
        Content::Nothing => {}
        Content::Rules(table, chain) => {
            rules(
                state,
                picture,
                table,
                chain,
                paint::row(area, 2),
                list,
                frame,
            );
        }
        Content::Elements(_, set) => {
            elements(state, set, paint::row(area, 2), list, frame);
        }
        Content::Listing(_) => listing(state, ruleset, paint::row(area, 2), list, frame),
        Content::Single(item) => single(state, picture, *item, list, frame),
    }
    let visible = state.explore.list.visible(len, usize::from(list.height));
    paint::scrollbar(frame, theme, list, visible.start, len);
}

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

fn digits(value: u64) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

fn rules(
    state: &State,
    picture: &Picture,
    table: &Arc<Table>,
    chain: &Chain,
    head: Rect,
    list: Rect,
    frame: &mut Frame<'_>,
) {
    let theme = state.theme();
    if chain.rules.is_empty() {
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
    let visible = state
        .explore
        .list
        .visible(chain.rules.len(), usize::from(list.height));
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
    heads.push_str(match state.explore.sort {
        Sort::Place => "  rule",
        _ => "  rule (not in the kernel's order)",
    });
    let heads = format!("{heads:<w$}", w = usize::from(head.width));
    let style = theme.style(Meaning::Column);
    paint::put(frame, head, vec![Span::styled(heads, style)]);
    let hits = line_hits(state);
    let printer = state.explore.printer(picture, table);
    for (row, line) in visible.enumerate() {
        let place = state.explore.place_of(line);
        let Some(rule) = chain.rules.get(place) else {
            continue;
        };
        let area = paint::row(list, row as u16);
        let area = Rect {
            width: area.width.saturating_sub(1),
            ..area
        };
        let hit = hits.is_some_and(|hits| hits.binary_search(&(place as u32)).is_ok());
        let mut spans = vec![Span::styled(
            if hit { "›" } else { " " },
            theme.style(Meaning::Accent),
        )];
        spans.extend(numbers(state, picture, table, chain, rule, &columns));
        let text = printer.rule(rule);
        let text = without_counters(&clean(&text));
        let query = if hit { state.search.query.as_str() } else { "" };
        // Longer than the line is never seen: do not colour it.
        let room = usize::from(area.width).saturating_sub(columns.width());
        let shown = crate::tui::clean::head(&text, room + 1);
        spans.extend(paint::syntax(theme, shown, query));
        paint::put(frame, area, spans);
        select(state, frame, area, line);
    }
}

/// The places that the search found, when it searched this list.
fn line_hits(state: &State) -> Option<&[u32]> {
    let place = state.explore.tree.selected.as_ref()?;
    match (&state.search.place, &state.search.hits) {
        (Some(SearchPlace::Lines(key)), Some(Hits::Lines(lines))) if key == place => Some(lines),
        _ => None,
    }
}

fn select(state: &State, frame: &mut Frame<'_>, area: Rect, line: usize) {
    if line == state.explore.list.selected {
        let meaning = if state.explore.focus == Pane::Main {
            Meaning::Selection
        } else {
            Meaning::SelectionBack
        };
        paint::select(frame, area, state.theme().style(meaning));
    }
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

fn elements(state: &State, set: &Set, head: Rect, list: Rect, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let Elements::Read(elements) = &set.elements else {
        let heading = format!("{} Reading the elements…", chrome::spinner(state));
        let line = match set.count {
            Some(count) => human::plural(count as usize, "element", "elements"),
            None => "Elements are read when somebody looks at them.".into(),
        };
        paint::empty(frame, theme, list, &heading, &[&line]);
        return;
    };
    if elements.is_empty() {
        let line = "Nothing matches an empty set; rules that look it up never match.";
        paint::empty(frame, theme, list, "No elements", &[line]);
        return;
    }
    let Some(texts) = state.explore.texts() else {
        let heading = format!("{} Sorting the elements…", chrome::spinner(state));
        let line = human::plural(elements.len(), "element", "elements");
        paint::empty(frame, theme, list, &heading, &[&line]);
        return;
    };
    let numbers = digits(texts.len() as u64).max(4);
    let heads = format!(" {:>numbers$}  element", "no.");
    let heads = format!("{heads:<w$}", w = usize::from(head.width));
    paint::put(
        frame,
        head,
        vec![Span::styled(heads, theme.style(Meaning::Column))],
    );
    let hits = line_hits(state);
    let visible = state
        .explore
        .list
        .visible(texts.len(), usize::from(list.height));
    for (row, line) in visible.enumerate() {
        let Some(text) = texts.get(line) else {
            continue;
        };
        let area = paint::row(list, row as u16);
        let area = Rect {
            width: area.width.saturating_sub(1),
            ..area
        };
        let hit = hits.is_some_and(|hits| hits.binary_search(&(line as u32)).is_ok());
        let query = if hit { state.search.query.as_str() } else { "" };
        let mut spans = vec![
            Span::styled(if hit { "›" } else { " " }, theme.style(Meaning::Accent)),
            Span::styled(
                format!("{:>numbers$}  ", line + 1),
                theme.style(Meaning::Dim),
            ),
        ];
        spans.extend(paint::syntax(theme, &clean(text), query));
        paint::put(frame, area, spans);
        select(state, frame, area, line);
    }
}

fn listing(state: &State, ruleset: &Ruleset, head: Rect, list: Rect, frame: &mut Frame<'_>) {
    let theme = state.theme();
    let nodes = &state.explore.listing;
    if nodes.is_empty() {
        let line = "Nothing in it filters, counts or translates packets.";
        paint::empty(frame, theme, list, "Empty", &[line]);
        return;
    }
    let name_width = usize::from(list.width * 2 / 5).clamp(14, 40);
    let heads = format!(" {:<name_width$} {:>6}  ", "name", "rules");
    let heads = match nodes.first() {
        Some(Node::Table(_)) => format!(" {:<name_width$} {:>6}  chains", "table", "rules"),
        Some(Node::Chain(..)) => format!("{heads}what"),
        _ => format!(" {:<name_width$} {:>6}  what", "name", "count"),
    };
    let heads = format!("{heads:<w$}", w = usize::from(head.width));
    paint::put(
        frame,
        head,
        vec![Span::styled(heads, theme.style(Meaning::Column))],
    );
    let visible = state
        .explore
        .list
        .visible(nodes.len(), usize::from(list.height));
    for (row, line) in visible.enumerate() {
        let Some(item) = nodes.get(line).and_then(|node| node.item(ruleset)) else {
            continue;
        };
        let area = paint::row(list, row as u16);
        let area = Rect {
            width: area.width.saturating_sub(1),
            ..area
        };
        let mut spans = vec![Span::raw(" ")];
        spans.extend(listed(state, item, name_width));
        paint::put(frame, area, spans);
        select(state, frame, area, line);
    }
}

fn listed(state: &State, item: Item<'_>, name_width: usize) -> Vec<Span<'static>> {
    let theme = state.theme();
    let (sign, name, meaning, count): (&str, &str, Meaning, Option<usize>) = match item {
        Item::Table(table) => {
            let rules = table.chains.iter().map(|chain| chain.rules.len()).sum();
            ("", &table.name, Meaning::Table, Some(rules))
        }
        Item::Chain(_, chain) if chain.base.is_some() => (
            "◆ ",
            &chain.name,
            Meaning::BaseChain,
            Some(chain.rules.len()),
        ),
        Item::Chain(_, chain) => ("· ", &chain.name, Meaning::Chain, Some(chain.rules.len())),
        Item::Set(_, set) => ("@", &set.name, Meaning::Set, about::count(state, set)),
        Item::Flowtable(_, flowtable) => ("⇄ ", &flowtable.name, Meaning::Object, None),
        Item::Object(_, object) => ("∑ ", &object.name, Meaning::Object, None),
        _ => ("", "", Meaning::Text, None),
    };
    let name = elide(name, name_width.saturating_sub(width(sign)));
    let fill = name_width.saturating_sub(width(sign) + width(&name));
    let count = count
        .map(|count| human::count(count as u64))
        .unwrap_or_default();
    let mut spans = vec![
        Span::styled(format!("{sign}{name}"), theme.style(meaning)),
        Span::raw(" ".repeat(fill)),
        Span::styled(format!(" {count:>6}  "), theme.style(Meaning::Number)),
    ];
    spans.extend(what(state, item));
    spans
}

/// What a listed thing is, in a few words.
fn what(state: &State, item: Item<'_>) -> Vec<Span<'static>> {
    let theme = state.theme();
    let dim = |text: String| Span::styled(text, theme.style(Meaning::Dim));
    match item {
        Item::Table(table) => {
            let mut spans = vec![Span::raw(format!("{:<8}", table.chains.len()))];
            if let Some(owner) = owner::of_table(table) {
                spans.push(Span::styled(owner, theme.style(Meaning::Owner)));
            }
            spans
        }
        Item::Chain(table, chain) => match &chain.base {
            Some(base) => vec![
                dim(format!("{:<12}", symbols::hook(table.family, base.hook))),
                dim(format!(
                    "{:<12}",
                    symbols::priority(table.family, base.hook, base.priority)
                )),
                tree_pane::policy(theme, base.policy),
            ],
            None => match owner::of_chain(table.family, &chain.name) {
                Some(owner) => vec![Span::styled(owner, theme.style(Meaning::Owner))],
                None => Vec::new(),
            },
        },
        Item::Set(_, set) => {
            let flags = symbols::set_flags(set.flags).join(", ");
            vec![dim(format!("{} {flags}", about::kind_of(set)))]
        }
        Item::Flowtable(_, flowtable) => {
            let devices: Vec<String> = flowtable.devices.iter().map(|d| elide(d, 16)).collect();
            vec![dim(format!("flowtable on {}", devices.join(", ")))]
        }
        Item::Object(_, object) => vec![dim(symbols::object_kind(object.kind))],
        _ => Vec::new(),
    }
}

/// An object or a flowtable: its parts, one per line.
fn single(state: &State, picture: &Picture, item: Item<'_>, area: Rect, frame: &mut Frame<'_>) {
    let theme = state.theme();
    for (place, (name, value)) in facts(picture, item).into_iter().enumerate() {
        let spans = vec![
            Span::styled(format!(" {name:<14} "), theme.style(Meaning::Dim)),
            Span::styled(clean(&value).into_owned(), theme.style(Meaning::Text)),
        ];
        paint::put(frame, paint::row(area, place as u16 + 1), spans);
    }
}

fn facts(picture: &Picture, item: Item<'_>) -> Vec<(&'static str, String)> {
    let exact = human::exact;
    match item {
        Item::Flowtable(table, flowtable) => vec![
            ("kind", "flowtable".into()),
            ("handle", flowtable.handle.to_string()),
            ("hook", "ingress".into()),
            (
                "priority",
                symbols::priority(table.family, flowtable.hook, flowtable.priority),
            ),
            ("devices", flowtable.devices.join(", ")),
            (
                "offload",
                if flowtable.flags & 1 != 0 {
                    "hardware"
                } else {
                    "software"
                }
                .into(),
            ),
            (
                "used by",
                human::plural(flowtable.use_count as usize, "rule", "rules"),
            ),
        ],
        Item::Object(table, object) => {
            let mut facts = vec![
                ("kind", symbols::object_kind(object.kind)),
                ("handle", object.handle.to_string()),
                (
                    "used by",
                    human::plural(object.use_count as usize, "reference", "references"),
                ),
            ];
            match &object.data {
                ObjectData::Counter(counter) => {
                    facts.push(("packets", exact(counter.packets)));
                    let bytes =
                        format!("{} ({})", exact(counter.bytes), human::bytes(counter.bytes));
                    facts.push(("bytes", bytes));
                    let key = (table.family, table.name.clone(), object.name.clone());
                    if let Some(history) = picture.rates.objects.get(&key) {
                        let rate = format!("{} packets/s", human::rate(history.now.packets));
                        facts.push(("rate", rate));
                    }
                }
                ObjectData::Quota(quota) => {
                    facts.push(("limit", human::bytes(quota.bytes)));
                    facts.push(("used", human::bytes(quota.consumed)));
                }
                ObjectData::Limit(limit) => {
                    facts.push(("rate", format!("{} per {} s", limit.rate, limit.unit)));
                    facts.push(("burst", limit.burst.to_string()));
                }
                ObjectData::Connlimit { count, .. } => facts.push(("count", count.to_string())),
                ObjectData::CtHelper { name, .. } => facts.push(("helper", name.to_string())),
                ObjectData::Secmark { context } => facts.push(("context", context.clone())),
                ObjectData::Unknown { why } => facts.push(("not understood", why.clone())),
                _ => {}
            }
            facts
        }
        _ => Vec::new(),
    }
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
