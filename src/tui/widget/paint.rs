//! Drawing that every screen shares: titles, lines of spans, empty states, scroll bars, windows.

use crate::tui::clean::{elide, width};
use crate::tui::highlight::highlight;
use crate::tui::job::holds;
use crate::tui::theme::{Meaning, Theme};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Scrollbar, ScrollbarOrientation, ScrollbarState};
use std::ops::Range;

/// The part of a pane below its title.
pub fn inside(pane: Rect) -> Rect {
    rows(pane, 1, pane.height.saturating_sub(1))
}

/// `height` rows of `area`, beginning `skip` rows below its top; empty where there are none.
pub fn rows(area: Rect, skip: u16, height: u16) -> Rect {
    let skip = skip.min(area.height);
    Rect {
        y: area.y + skip,
        height: height.min(area.height - skip),
        ..area
    }
}

/// One row of `area`.
pub fn row(area: Rect, place: u16) -> Rect {
    rows(area, place, 1)
}

/// The line on top of a pane: title on the left, a remark on the right.
pub fn title(
    frame: &mut Frame<'_>,
    theme: &Theme,
    pane: Rect,
    focused: bool,
    text: &str,
    remark: &[Span<'_>],
) {
    let line = row(pane, 0);
    if line.is_empty() {
        return;
    }
    let (border, title) = if focused {
        (Meaning::BorderFocused, Meaning::TitleFocused)
    } else {
        (Meaning::Border, Meaning::Title)
    };
    let buf = frame.buffer_mut();
    let dash = if focused { "━" } else { "─" };
    let dashes = dash.repeat(usize::from(line.width));
    buf.set_string(line.x, line.y, dashes, theme.style(border));
    let room = usize::from(line.width);
    let remark_width: usize = remark.iter().map(Span::width).sum();
    let show_remark = remark_width > 0 && remark_width + 12 <= room;
    let left = room.saturating_sub(if show_remark { remark_width + 6 } else { 4 });
    let text = format!(" {} ", elide(text, left.saturating_sub(2)));
    buf.set_string(line.x + 1, line.y, &text, theme.style(title));
    if show_remark {
        let mut spans = vec![Span::raw(" ")];
        spans.extend(remark.iter().cloned());
        spans.push(Span::raw(" "));
        let x = line.right().saturating_sub(remark_width as u16 + 3);
        buf.set_line(x, line.y, &Line::from(spans), line.right() - x);
    }
}

/// A few lines in the middle of an empty area: what is missing, and what to do about it.
pub fn empty(frame: &mut Frame<'_>, theme: &Theme, area: Rect, heading: &str, lines: &[&str]) {
    let columns = usize::from(area.width.saturating_sub(4)).min(64);
    let mut wrapped: Vec<String> = Vec::new();
    for line in lines {
        let pieces = crate::tui::clean::wrap(line, columns.max(8));
        wrapped.extend(
            pieces
                .into_iter()
                .filter_map(|r| line.get(r))
                .map(str::to_string),
        );
    }
    let height = wrapped.len() as u16 + 2;
    let top = area.height.saturating_sub(height) / 3;
    let block = wrapped
        .iter()
        .map(|line| width(line))
        .chain([width(heading)])
        .max()
        .unwrap_or(0) as u16;
    let x = area.x + area.width.saturating_sub(block) / 2;
    let buf = frame.buffer_mut();
    let mut put = |place: u16, text: &str, style: Style| {
        let line = row(area, top + place);
        if !line.is_empty() {
            let room = usize::from(line.right().saturating_sub(x));
            buf.set_stringn(x, line.y, text, room, style);
        }
    };
    put(0, heading, theme.style(Meaning::Accent));
    for (place, line) in wrapped.iter().enumerate() {
        put(place as u16 + 2, line, theme.style(Meaning::Dim));
    }
}

/// The bar at the right edge of a list that is longer than its area.
pub fn scrollbar(frame: &mut Frame<'_>, theme: &Theme, area: Rect, offset: usize, len: usize) {
    let height = usize::from(area.height);
    if len <= height || area.is_empty() {
        return;
    }
    let mut state = ScrollbarState::new(len - height)
        .position(offset)
        .viewport_content_length(height);
    let bar = Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .begin_symbol(None)
        .end_symbol(None)
        .track_symbol(None)
        .thumb_symbol("▐")
        .style(theme.style(Meaning::Scrollbar));
    frame.render_stateful_widget(bar, area, &mut state);
}

/// A window over the screen. Returns its inside.
pub fn window(frame: &mut Frame<'_>, theme: &Theme, area: Rect, title: &str, foot: &str) -> Rect {
    let border = theme.style(Meaning::PopupBorder);
    let mut block = Block::bordered()
        .border_set(border::ROUNDED)
        .border_style(border)
        .style(theme.style(Meaning::Popup))
        .padding(Padding::horizontal(1))
        .title(Line::styled(
            format!(
                " {} ",
                elide(title, usize::from(area.width.saturating_sub(6)))
            ),
            theme.style(Meaning::TitleFocused),
        ));
    if !foot.is_empty() {
        let foot = elide(foot, usize::from(area.width.saturating_sub(6)));
        block = block.title_bottom(
            Line::styled(format!(" {foot} "), theme.style(Meaning::Dim)).right_aligned(),
        );
    }
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    // A wide character that the window covers by half would push its border aside.
    if let Some(x) = area.x.checked_sub(1) {
        let buf = frame.buffer_mut();
        for y in area.top()..area.bottom() {
            if let Some(cell) = buf.cell_mut((x, y)).filter(|c| width(c.symbol()) > 1) {
                cell.set_symbol(" ");
            }
        }
    }
    frame.render_widget(block, area);
    inner
}

/// `width` by `height` in the middle of `area`, or as much of it as there is.
pub fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// A line of nft syntax in colours; what a search looks for stands out.
pub fn syntax<'a>(theme: &Theme, text: &str, query: &str) -> Vec<Span<'a>> {
    let pieces = highlight(text);
    syntax_part(theme, text, &pieces, 0..text.len(), query)
}

/// The same for a part of a text that was highlighted as a whole.
pub fn syntax_part<'a>(
    theme: &Theme,
    text: &str,
    pieces: &[(Range<usize>, crate::tui::highlight::Class)],
    part: Range<usize>,
    query: &str,
) -> Vec<Span<'a>> {
    let mut cuts: Vec<(Range<usize>, Style)> = Vec::new();
    let mut at = part.start;
    for (range, class) in pieces {
        let start = range.start.max(part.start);
        let end = range.end.min(part.end);
        if start >= end {
            continue;
        }
        if at < start {
            cuts.push((at..start, Style::new()));
        }
        cuts.push((start..end, theme.style(class.meaning())));
        at = end;
    }
    if at < part.end {
        cuts.push((at..part.end, Style::new()));
    }
    let hits = hits(text, query);
    let mut spans = Vec::new();
    for (range, style) in cuts {
        let mut start = range.start;
        for hit in &hits {
            let (from, to) = (hit.start.max(start), hit.end.min(range.end));
            if from < to {
                push(&mut spans, text, start..from, style);
                push(
                    &mut spans,
                    text,
                    from..to,
                    style.patch(theme.style(Meaning::Hit)),
                );
                start = to;
            }
        }
        push(&mut spans, text, start..range.end, style);
    }
    spans
}

/// Plain text; what a search looks for stands out.
pub fn plain<'a>(theme: &Theme, text: &str, style: Style, query: &str) -> Vec<Span<'a>> {
    let mut spans = Vec::new();
    let mut start = 0;
    for hit in hits(text, query) {
        push(&mut spans, text, start..hit.start, style);
        let strong = style.patch(theme.style(Meaning::Hit));
        push(&mut spans, text, hit.clone(), strong);
        start = hit.end;
    }
    push(&mut spans, text, start..text.len(), style);
    spans
}

fn push(spans: &mut Vec<Span<'_>>, text: &str, range: Range<usize>, style: Style) {
    if let Some(piece) = text.get(range).filter(|piece| !piece.is_empty()) {
        spans.push(Span::styled(piece.to_string(), style));
    }
}

/// Where `query` stands in `text`.
fn hits(text: &str, query: &str) -> Vec<Range<usize>> {
    if query.is_empty() || !holds(text, query) {
        return Vec::new();
    }
    let exact = query.chars().any(char::is_uppercase);
    let lower = text.to_lowercase();
    // Lower case may have another length in bytes; then only exact matches can be placed.
    let hay = if exact || lower.len() != text.len() {
        text
    } else {
        &lower
    };
    hay.match_indices(query)
        .map(|(place, found)| place..place + found.len())
        .collect()
}

/// A line where single characters, given by their places, stand out.
pub fn marked<'a>(theme: &Theme, text: &str, style: Style, marks: &[usize]) -> Vec<Span<'a>> {
    let strong = style.patch(theme.style(Meaning::Accent));
    let mut spans: Vec<Span<'a>> = Vec::new();
    let mut piece = String::new();
    let mut piece_marked = false;
    for (place, c) in text.chars().enumerate() {
        let is_marked = marks.binary_search(&place).is_ok();
        if is_marked != piece_marked && !piece.is_empty() {
            let style = if piece_marked { strong } else { style };
            spans.push(Span::styled(std::mem::take(&mut piece), style));
        }
        piece_marked = is_marked;
        piece.push(c);
    }
    let style = if piece_marked { strong } else { style };
    spans.push(Span::styled(piece, style));
    spans
}

/// Write spans into a row, cut at its end with an ellipsis.
pub fn put(frame: &mut Frame<'_>, area: Rect, spans: Vec<Span<'_>>) {
    if area.is_empty() {
        return;
    }
    let line = Line::from(spans);
    let too_long = line.width() > usize::from(area.width);
    let buf = frame.buffer_mut();
    buf.set_line(area.x, area.y, &line, area.width);
    let end = area.right() - 1;
    // A wide character that takes the last column makes room as a whole.
    let before = end.checked_sub(1).filter(|x| *x >= area.x);
    let wide = before.filter(|x| {
        buf.cell((*x, area.y))
            .is_some_and(|c| width(c.symbol()) > 1)
    });
    if too_long {
        for (x, sign) in [
            (wide.unwrap_or(end), "…"),
            (end, if wide.is_some() { " " } else { "…" }),
        ] {
            if let Some(cell) = buf.cell_mut((x, area.y)) {
                cell.set_symbol(sign);
            }
        }
    }
}

/// Mark a line as the selected one. Where that means reversed colours, the line loses its own: reversed
/// pieces of different colours would be hard to read.
pub fn select(frame: &mut Frame<'_>, area: Rect, style: Style) {
    let buf = frame.buffer_mut();
    if style.add_modifier.contains(Modifier::REVERSED) {
        let plain = Style::new()
            .fg(Color::Reset)
            .bg(Color::Reset)
            .remove_modifier(Modifier::REVERSED | Modifier::DIM);
        buf.set_style(area, plain);
    }
    buf.set_style(area, style);
}

/// The line between two panes side by side, at column `x`; titles of panes to its right begin at `titles`.
pub fn divider(frame: &mut Frame<'_>, theme: &Theme, area: Rect, x: u16, titles: &[u16]) {
    let line = Rect {
        x,
        width: 1,
        ..area
    };
    let style = theme.style(Meaning::Border);
    for place in 0..line.height {
        let sign = match place {
            0 => "┬",
            _ if titles.contains(&(line.y + place)) => "├",
            _ => "│",
        };
        put(frame, row(line, place), vec![Span::styled(sign, style)]);
    }
}
