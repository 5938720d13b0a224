//! What a table, a group or a family holds, one line each; and single things such as objects.

use super::main_pane::select;
use super::node::{Item, Node};
use super::{about, symbols, tree_pane};
use crate::model::{ObjectData, Ruleset};
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::clean::{clean, elide, width};
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crate::tui::{human, owner};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub(super) fn listing(
    state: &State,
    ruleset: &Ruleset,
    head: Rect,
    list: Rect,
    frame: &mut Frame<'_>,
) {
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
            Some(base) => {
                let mut policy = tree_pane::policy(theme, base.policy);
                policy.content = format!("{:<7}", policy.content).into();
                let hook = symbols::hook(table.family, base.hook);
                let priority = symbols::priority(table.family, base.hook, base.priority);
                vec![policy, dim(format!("{hook:<12}")), dim(priority)]
            }
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
pub(super) fn single(
    state: &State,
    picture: &Picture,
    item: Item<'_>,
    area: Rect,
    frame: &mut Frame<'_>,
) {
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
