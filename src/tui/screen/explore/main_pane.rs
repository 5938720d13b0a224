//! The pane on the right: rules, elements, or the children of a node.

use super::listing::{listing, single};
use super::rules::{digits, rules};
use super::{Content, Pane, about, edit, list_area};
use crate::model::{Elements, Set, Table};
use crate::session::Picture;
use crate::tui::app::State;
use crate::tui::clean::{clean, elide};
use crate::tui::job::{Hits, SearchPlace};
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use crate::tui::{chrome, human};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

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
    let mut remark = Vec::new();
    if let Some(pending) = edit::remark(state, content) {
        let room = usize::from(area.width / 3);
        let pending = format!("{}  ", elide(&pending, room));
        remark.push(Span::styled(pending, theme.style(Meaning::Warning)));
    }
    remark.push(Span::styled(position, theme.style(Meaning::Dim)));
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
        Content::Elements(table, set) => {
            elements(state, table, set, paint::row(area, 2), list, frame);
        }
        Content::Listing(_) => listing(state, ruleset, paint::row(area, 2), list, frame),
        Content::Single(item) => single(state, picture, *item, list, frame),
    }
    let visible = state.explore.list.visible(len, usize::from(list.height));
    paint::scrollbar(frame, theme, list, visible.start, len);
}

/// The places that the search found, when it searched this list.
pub(super) fn line_hits(state: &State) -> Option<&[u32]> {
    let place = state.explore.tree.selected.as_ref()?;
    match (&state.search.place, &state.search.hits) {
        (Some(SearchPlace::Lines(key)), Some(Hits::Lines(lines))) if key == place => Some(lines),
        _ => None,
    }
}

pub(super) fn select(state: &State, frame: &mut Frame<'_>, area: Rect, line: usize) {
    if line == state.explore.list.selected {
        let meaning = if state.explore.focus == Pane::Main {
            Meaning::Selection
        } else {
            Meaning::SelectionBack
        };
        paint::select(frame, area, state.theme().style(meaning));
    }
}

fn elements(
    state: &State,
    table: &Table,
    set: &Set,
    head: Rect,
    list: Rect,
    frame: &mut Frame<'_>,
) {
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
    let here = edit::set_place(table, set);
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
            match (edit::is_going(state, &here, text), hit) {
                (true, _) => Span::styled("-", theme.style(Meaning::Drop)),
                (_, true) => Span::styled("›", theme.style(Meaning::Accent)),
                _ => Span::raw(" "),
            },
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
