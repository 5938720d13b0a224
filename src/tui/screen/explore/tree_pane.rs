//! Drawing the tree: only the rows on the screen become items of the tree widget.
//!
//! The widget walks everything it is given on every frame, so it is given the window and what is above
//! it; a tree of 30,000 open chains costs as much as one of 30.

use super::edit_tree::{self, Fate};
use super::node::{Item, Node};
use super::symbols;
use super::tree::Row;
use super::{Pane, about, edit};
use crate::model::{Policy, Ruleset};
use crate::tui::app::State;
use crate::tui::clean::{elide, width};
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widget::paint;
use crate::tui::{human, owner};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::StatefulWidget;
use tui_tree_widget::{Tree as TreeWidget, TreeItem, TreeState};

pub fn render(state: &State, ruleset: &Ruleset, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let focused = state.explore.focus == Pane::Tree;
    let tables = human::plural(ruleset.shown().count(), "table", "tables");
    paint::title(
        frame,
        theme,
        area,
        focused,
        "Ruleset",
        &[Span::styled(tables, theme.style(Meaning::Dim))],
    );
    let inner = paint::inside(area);
    let tree = &state.explore.tree;
    let height = usize::from(inner.height);
    let visible = tree.list.visible(tree.rows.len(), height);
    let (first, last) = (visible.start, visible.end);
    // The rows above the window that hold its first row.
    let mut above: Vec<usize> = Vec::new();
    if let Some(row) = tree.rows.get(first) {
        let mut depth = row.depth;
        for place in (0..first).rev() {
            if depth == 0 {
                break;
            }
            if let Some(row) = tree.rows.get(place).filter(|row| row.depth < depth) {
                depth = row.depth;
                above.push(place);
            }
        }
    }
    above.reverse();
    let shown: Vec<usize> = above.iter().copied().chain(first..last).collect();
    let mut widget_state = TreeState::default();
    let mut rest = shown.as_slice();
    let mut path = Vec::new();
    let room = usize::from(inner.width);
    let items = build(
        state,
        ruleset,
        &mut rest,
        0,
        &mut path,
        &mut widget_state,
        room,
    );
    let Ok(widget) = TreeWidget::new(&items) else {
        return;
    };
    let widget = widget
        .node_closed_symbol("▸ ")
        .node_open_symbol("▾ ")
        .node_no_children_symbol("  ");
    // Drawn on a taller sheet, of which the rows above the window are cut off.
    let skip = above.len() as u16;
    let sheet_area = Rect::new(0, 0, inner.width, inner.height + skip);
    let mut sheet = Buffer::empty(sheet_area);
    sheet.set_style(sheet_area, theme.style(Meaning::Text));
    widget.render(sheet_area, &mut sheet, &mut widget_state);
    let buf = frame.buffer_mut();
    for y in 0..inner.height {
        for x in 0..inner.width {
            let from = sheet.cell((x, y + skip)).cloned();
            if let (Some(from), Some(to)) = (from, buf.cell_mut((inner.x + x, inner.y + y))) {
                *to = from;
            }
        }
    }
    if let Some(line) = tree
        .list
        .selected
        .checked_sub(first)
        .filter(|_| tree.list.selected < last)
    {
        let meaning = if focused {
            Meaning::Selection
        } else {
            Meaning::SelectionBack
        };
        let row = paint::row(inner, line as u16);
        paint::select(frame, row, theme.style(meaning));
    }
    paint::scrollbar(frame, theme, inner, first, tree.rows.len());
}

/// Items for the rows of one depth and what is below them; takes them from `rest`.
fn build(
    state: &State,
    ruleset: &Ruleset,
    rest: &mut &[usize],
    depth: u8,
    path: &mut Vec<usize>,
    widget: &mut TreeState<usize>,
    room: usize,
) -> Vec<TreeItem<'static, usize>> {
    let mut items = Vec::new();
    while let Some((&place, tail)) = rest.split_first() {
        let Some(row) = state.explore.tree.rows.get(place) else {
            break;
        };
        if row.depth < depth {
            break;
        }
        *rest = tail;
        path.push(place);
        if row.open {
            widget.open(path.clone());
        }
        let mut children = build(state, ruleset, rest, depth + 1, path, widget, room);
        if row.expandable && children.is_empty() && (!row.open || rest.is_empty()) {
            // Nodes that are closed, or at the lower edge, have children too; which does not matter.
            children.push(TreeItem::new_leaf(usize::MAX, ""));
        }
        path.pop();
        let text = label(
            state,
            ruleset,
            row,
            room.saturating_sub(usize::from(row.depth) * 2 + 2),
        );
        if let Ok(item) = TreeItem::new(place, text, children) {
            items.push(item);
        }
    }
    items
}

/// A row: its name, and what is worth knowing about it at the right edge.
fn label(state: &State, ruleset: &Ruleset, row: &Row, room: usize) -> Line<'static> {
    let theme = state.theme();
    let Some(item) = row.node.item(ruleset) else {
        return Line::default();
    };
    let (lead, name, meaning) = match (item, &row.node) {
        (Item::Family(family), _) => ("", family.to_string(), Meaning::Family),
        (Item::Table(table), _) => ("", table.name.to_string(), Meaning::Table),
        (Item::Group(_, group), _) => ("", group.title().to_string(), Meaning::Dim),
        (Item::Bucket(_), Node::Bucket(_, prefix)) if prefix.is_empty() => {
            ("", "other chains".into(), Meaning::Dim)
        }
        (Item::Bucket(_), Node::Bucket(_, prefix)) => ("", format!("{prefix}…"), Meaning::Dim),
        (Item::Chain(_, chain), _) if chain.base.is_some() => {
            ("◆ ", chain.name.to_string(), Meaning::BaseChain)
        }
        (Item::Chain(_, chain), _) => ("· ", chain.name.to_string(), Meaning::Chain),
        (Item::Set(_, set), _) => ("@", set.name.to_string(), Meaning::Set),
        (Item::Flowtable(_, flowtable), _) => ("⇄ ", flowtable.name.to_string(), Meaning::Object),
        (Item::Object(_, object), _) => ("∑ ", object.name.to_string(), Meaning::Object),
        (Item::Bucket(_), _) => ("", String::new(), Meaning::Dim),
    };
    let mut tail = tail(theme, item, &row.node, state);
    let fate = match item {
        Item::Chain(table, chain) => edit_tree::fate(state, table, chain),
        _ => None,
    };
    if let Item::Table(table) = item {
        let new = edit_tree::new_chains(state, table);
        if !new.is_empty() {
            let text = elide(&format!(" + {}", new.join(", ")), room / 2);
            tail.push(Span::styled(text, theme.ink(Meaning::Good)));
        }
    }
    let pending = edit::pending(state, item);
    if pending > 0 {
        let style = theme.ink(Meaning::Warning);
        tail.push(Span::styled(format!(" ±{pending}"), style));
    }
    let tail_width = |tail: &[Span<'_>]| tail.iter().map(Span::width).sum::<usize>();
    // The name comes first; what is beside it gives way.
    while tail_width(&tail) > 0 && room < width(lead) + width(&name).min(12) + 1 + tail_width(&tail)
    {
        tail.remove(0);
    }
    let tail_columns = tail_width(&tail);
    let gap = usize::from(tail_columns > 0);
    let name_room = room.saturating_sub(width(lead) + tail_columns + gap + 1);
    let name = match &fate {
        Some(Fate::Renamed(new)) => {
            let both = format!("{name} → {new}");
            // The new name says more than two halves.
            let fits = width(&both) <= name_room;
            if fits { both } else { format!("→ {new}") }
        }
        _ => name,
    };
    let name = elide(&name, name_room);
    let fill = room.saturating_sub(width(lead) + width(&name) + tail_columns + 1);
    let (lead, style) = match fate {
        None => (lead, theme.style(meaning)),
        Some(Fate::Gone) => {
            let style = theme.ink(Meaning::Drop);
            ("- ", style.add_modifier(Modifier::CROSSED_OUT))
        }
        Some(Fate::Renamed(_)) => ("~ ", theme.ink(Meaning::Warning)),
    };
    let mut spans = vec![Span::styled(lead, style)];
    let query = match &state.search.place {
        Some(crate::tui::job::SearchPlace::Tree) => state.search.query.as_str(),
        _ => "",
    };
    spans.extend(paint::plain(theme, &name, style, query));
    spans.push(Span::raw(" ".repeat(fill)));
    spans.extend(tail);
    Line::from(spans)
}

fn tail(theme: &Theme, item: Item<'_>, node: &Node, state: &State) -> Vec<Span<'static>> {
    let dim = |text: String| Span::styled(text, theme.style(Meaning::Dim));
    let number = |value: usize| dim(human::count(value as u64));
    match item {
        Item::Family(_) => Vec::new(),
        Item::Table(table) => match owner::of_table(table) {
            Some(owner) => vec![Span::styled(elide(&owner, 16), theme.style(Meaning::Owner))],
            None => Vec::new(),
        },
        Item::Group(table, group) => {
            vec![number(super::tree::group_members(table, 0, group).len())]
        }
        Item::Bucket(table) => match node {
            Node::Bucket(_, prefix) => vec![number(state.explore.tree.bucket_len(table, prefix))],
            _ => Vec::new(),
        },
        Item::Chain(table, chain) => match &chain.base {
            Some(base) => {
                let hook = symbols::hook(table.family, base.hook);
                let mut spans = Vec::new();
                if !hook.eq_ignore_ascii_case(&chain.name) {
                    spans.push(dim(format!("{hook} ")));
                }
                spans.push(policy(theme, base.policy));
                spans
            }
            None => vec![number(chain.rules.len())],
        },
        Item::Set(_, set) => about::count(state, set).map(number).into_iter().collect(),
        Item::Flowtable(..) => Vec::new(),
        Item::Object(_, object) => vec![dim(symbols::object_kind(object.kind))],
    }
}

/// A policy; drop stands out, also without colour.
pub fn policy(theme: &Theme, policy: Option<Policy>) -> Span<'static> {
    match policy {
        Some(Policy::Drop) => Span::styled("DROP", theme.ink(Meaning::PolicyDrop)),
        Some(Policy::Accept) => Span::styled("accept", theme.ink(Meaning::PolicyAccept)),
        Some(other) => Span::styled(symbols::policy(other), theme.ink(Meaning::Warning)),
        None => Span::raw(""),
    }
}
