//! One line about the selected node: what it is, where packets enter it, who keeps it.

use super::node::{Group, Item};
use super::symbols;
use super::tree_pane;
use crate::model::ruleset::{chain_flags, table_flags};
use crate::model::{Elements, Ruleset, Set, Table};
use crate::tui::app::State;
use crate::tui::clean::{clean, elide};
use crate::tui::theme::Meaning;
use crate::tui::{human, owner, text};
use ratatui::text::Span;

/// The spans of the line, most important first.
pub fn line(state: &State, ruleset: &Ruleset, item: Item<'_>) -> Vec<Span<'static>> {
    let theme = state.theme();
    let mut parts: Vec<Vec<Span<'static>>> = Vec::new();
    let dim = |text: &str| Span::styled(text.to_string(), theme.style(Meaning::Dim));
    let value = |text: String| Span::styled(text, theme.style(Meaning::Text));
    match item {
        Item::Family(family) => {
            let of_family = |table: &&std::sync::Arc<Table>| table.family == family;
            let tables = ruleset.shown().filter(of_family).count();
            parts.push(vec![value(human::plural(tables, "table", "tables"))]);
            parts.push(vec![dim(family_words(family))]);
        }
        Item::Table(table) => {
            owner_part(&mut parts, table, theme.style(Meaning::Owner));
            parts.push(vec![value(human::plural(
                table.chains.len(),
                "chain",
                "chains",
            ))]);
            let rules = table.chains.iter().map(|chain| chain.rules.len()).sum();
            parts.push(vec![value(human::plural(rules, "rule", "rules"))]);
            if table.flags & table_flags::DORMANT != 0 {
                let text = "DORMANT: none of its chains see packets";
                parts.insert(0, vec![Span::styled(text, theme.style(Meaning::Warning))]);
            }
            if table.flags & table_flags::OWNER != 0 {
                parts.push(vec![dim("goes away with its owner")]);
            }
        }
        Item::Group(table, group) => {
            let words = match group {
                Group::Sets => "values that rules look up by @name",
                Group::Maps => "from a value to another, or to a verdict",
                Group::Objects => "counters, quotas, limits and helpers with a name",
                Group::Flowtables => "established flows that skip the rest of the ruleset",
                Group::Anonymous => "written out inside rules; the kernel keeps them as sets",
            };
            parts.push(vec![dim(words)]);
            owner_part(&mut parts, table, theme.style(Meaning::Owner));
        }
        Item::Bucket(table) => owner_part(&mut parts, table, theme.style(Meaning::Owner)),
        Item::Chain(table, chain) => {
            if let Some(base) = &chain.base {
                let hook = symbols::hook(table.family, base.hook);
                parts.push(vec![dim("hook "), value(hook.into())]);
                if base.policy.is_some() {
                    parts.push(vec![dim("policy "), tree_pane::policy(theme, base.policy)]);
                }
                let priority = symbols::priority(table.family, base.hook, base.priority);
                let exact = match priority.parse::<i32>() {
                    Ok(_) => String::new(),
                    Err(_) => format!(" ({})", base.priority),
                };
                parts.push(vec![dim("priority "), value(priority), dim(&exact)]);
                if !base.devices.is_empty() {
                    let devices: Vec<String> = base.devices.iter().map(|d| elide(d, 16)).collect();
                    parts.push(vec![dim("on "), value(devices.join(", "))]);
                }
                if &*base.kind != "filter" {
                    parts.insert(0, vec![dim("type "), value(elide(&base.kind, 16))]);
                }
                if let Some(counter) = base.counters {
                    let text = human::count(counter.packets);
                    parts.push(vec![dim("policy decided "), value(text)]);
                }
            } else {
                parts.push(vec![dim("no hook: runs when a rule jumps here")]);
                parts.push(incoming(state, table, &chain.name));
            }
            if chain.flags & chain_flags::HW_OFFLOAD != 0 {
                parts.push(vec![value("offloaded to hardware".into())]);
            }
            let chain_owner = owner::of_chain(table.family, &chain.name).map(str::to_string);
            if let Some(owner) = chain_owner.or_else(|| owner::of_table(table)) {
                parts.push(vec![Span::styled(owner, theme.style(Meaning::Owner))]);
            }
        }
        Item::Set(_, set) => {
            parts.push(vec![value(kind_of(set).into())]);
            let flags = symbols::set_flags(set.flags);
            if !flags.is_empty() {
                parts.push(vec![dim(&flags.join(", "))]);
            }
            if let Some(count) = count(state, set) {
                let mut text = human::plural(count, "element", "elements");
                if let Some(size) = set.size {
                    text = format!("{text} of {}", human::exact(size.into()));
                }
                parts.push(vec![value(text)]);
            }
            if let Some(timeout) = set.timeout {
                let timeout = human::duration(std::time::Duration::from_millis(timeout));
                parts.push(vec![dim("timeout "), value(timeout)]);
            }
        }
        Item::Flowtable(table, _) | Item::Object(table, _) => {
            owner_part(&mut parts, table, theme.style(Meaning::Owner));
        }
    }
    if let Item::Table(table) | Item::Chain(table, _) = item
        && ruleset.is_legacy(table.family, &table.name)
    {
        parts.insert(0, vec![value("legacy backend".into())]);
    }
    let comment = match item {
        Item::Table(table) => text::comment(&table.userdata),
        Item::Chain(_, chain) => text::comment(&chain.userdata),
        Item::Set(_, set) => text::set_comment(set),
        Item::Object(_, object) => text::comment(&object.userdata),
        _ => None,
    };
    if let Some(comment) = comment {
        let comment = format!("\"{}\"", clean(&comment));
        parts.push(vec![Span::styled(comment, theme.style(Meaning::Comment))]);
    }
    let mut spans = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", theme.style(Meaning::Border)));
        }
        spans.extend(part);
    }
    spans
}

fn owner_part(parts: &mut Vec<Vec<Span<'static>>>, table: &Table, style: ratatui::style::Style) {
    if let Some(owner) = owner::of_table(table) {
        let text = if owner.starts_with("owned") {
            owner
        } else {
            format!("kept by {owner}")
        };
        parts.push(vec![Span::styled(text, style)]);
    }
}

/// Who jumps to a chain, shortly.
fn incoming(state: &State, table: &Table, chain: &str) -> Vec<Span<'static>> {
    let theme = state.theme();
    let Some(incoming) = &state.explore.incoming else {
        return Vec::new();
    };
    if incoming.table.as_ref() != Some(&(table.family, table.name.clone())) {
        return Vec::new();
    }
    let from = incoming.jumps.get(chain).map(Vec::as_slice).unwrap_or(&[]);
    match from {
        [] if incoming.unread => vec![Span::styled(
            "from no rule; maps may lead here",
            theme.style(Meaning::Dim),
        )],
        [] => vec![Span::styled(
            "nothing jumps here",
            theme.style(Meaning::Warning),
        )],
        [(from, handle)] => vec![Span::raw(format!("from {} #{handle}", elide(from, 24)))],
        many => vec![Span::raw(format!("from {} rules", many.len()))],
    }
}

pub fn kind_of(set: &Set) -> &'static str {
    use crate::model::set::flags;
    match (set.is_map(), set.has(flags::OBJECT)) {
        (_, true) => "object map",
        (true, _) => "map",
        _ => "set",
    }
}

/// Elements of a set as nft counts them, where known: the kernel has two for most intervals.
pub fn count(state: &State, set: &Set) -> Option<usize> {
    if let Some(printed) = &state.explore.printed
        && let Elements::Read(list) = &set.elements
        && std::sync::Arc::ptr_eq(&printed.list, list)
    {
        return Some(printed.texts.len());
    }
    match &set.elements {
        _ if set.has(crate::model::set::flags::INTERVAL) => None,
        Elements::Read(elements) => Some(elements.len()),
        Elements::NotRead => set.count.map(|count| count as usize),
    }
}

fn family_words(family: crate::model::Family) -> &'static str {
    use crate::model::Family;
    match family {
        Family::Inet => "IPv4 and IPv6 together",
        Family::Ip => "IPv4",
        Family::Ip6 => "IPv6",
        Family::Arp => "ARP",
        Family::Bridge => "frames crossing a bridge",
        Family::Netdev => "packets at a device, before anything else",
        Family::Unknown(_) => "a family this build does not know",
    }
}
