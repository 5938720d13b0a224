//! Drawing the changes: each with what it takes away and puts there, and what the kernel says to it.

use super::{Busy, Verdict, update};
use crate::session::changes::Moved;
use crate::stage::change::{Change, Edit};
use crate::tui::action::{Action, Layer};
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::{clean, elide, width, wrap};
use crate::tui::highlight::highlight;
use crate::tui::human;
use crate::tui::theme::Meaning;
use crate::tui::widget::{difference, paint};
use crate::tui::{key, overlay};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// From this width on the commands stand beside the changes.
const WIDE: u16 = 130;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let changes = &state.changes;
    let (body, foot) = with_foot(state, body);
    if let Some(foot) = foot {
        boot(state, frame, foot);
    }
    let (left, right, past) = panes(state, body);
    if let Some(past) = past {
        history(state, frame, past);
    }
    let count = match changes.set.len() {
        0 => "Changes".to_string(),
        count => human::plural(count, "change", "changes"),
    };
    let remark = match &changes.busy {
        Some(Busy::Checking) => format!("{} the kernel looks at them", spinner(state)),
        Some(Busy::Committing { .. }) => format!("{} committing", spinner(state)),
        Some(Busy::Editing) => format!("{} reading the table", spinner(state)),
        Some(Busy::Ending) => format!("{} asking the guard", spinner(state)),
        None => summary(state),
    };
    let remark = [Span::styled(remark, theme.style(Meaning::Dim))];
    paint::title(frame, theme, left, true, &count, &remark);
    let inner = paint::inside(left);
    if changes.set.is_empty() {
        nothing(state, frame, inner);
        return;
    }
    let (lines, starts) = lines(state, inner);
    let offset = offset(state, &lines, &starts, inner);
    for (place, (_, spans)) in lines
        .iter()
        .enumerate()
        .skip(offset)
        .take(usize::from(inner.height))
    {
        let row = paint::row(inner, (place - offset) as u16);
        let row = Rect {
            width: row.width.saturating_sub(1),
            ..row
        };
        paint::put(frame, row, spans.clone());
        if starts.get(changes.list.selected) == Some(&place) {
            paint::select(frame, row, theme.style(Meaning::Selection));
        }
    }
    paint::scrollbar(frame, theme, inner, offset, lines.len());
    if let Some(right) = right {
        paint::divider(frame, theme, right, right.x - 1, &[]);
        commands(state, frame, right);
    }
}

/// The body without its last line, and that line, where something stands in it.
fn with_foot(state: &State, body: Rect) -> (Rect, Option<Rect>) {
    if state.changes.boot.is_none() {
        return (body, None);
    }
    let upper = body.height.saturating_sub(1);
    let foot = paint::rows(body, upper, body.height - upper);
    (paint::rows(body, 0, upper), Some(foot))
}

/// The changes, the commands beside them where there is room, the history below where there is one.
fn panes(state: &State, body: Rect) -> (Rect, Option<Rect>, Option<Rect>) {
    let lines = state
        .changes
        .history
        .len()
        .min(usize::from(body.height) / 4) as u16;
    let height = if lines == 0 { 0 } else { lines + 1 };
    let upper = paint::rows(body, 0, body.height.saturating_sub(height));
    let past = (height > 0).then(|| paint::rows(body, upper.height, height));
    if body.width < WIDE || state.changes.set.is_empty() {
        return (upper, None, past);
    }
    let left = Rect {
        width: upper.width / 2,
        ..upper
    };
    let right = Rect {
        x: left.right() + 1,
        width: upper.width - left.width - 1,
        ..upper
    };
    (left, Some(right), past)
}

/// The last commits and what became of them, the newest first.
fn history(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let keys = state
        .settings
        .keymap
        .keys(&[Layer::Changes], Action::UndoCommit);
    let remark = match keys {
        Some(keys) if update::enabled(state, Action::UndoCommit) => {
            format!("{} takes the last one back", key::show(keys))
        }
        _ => String::new(),
    };
    let remark = [Span::styled(remark, theme.style(Meaning::Dim))];
    paint::title(frame, theme, area, false, "Committed", &remark);
    let inner = paint::inside(area);
    for (place, past) in state.changes.history.iter().enumerate() {
        if place >= usize::from(inner.height) {
            break;
        }
        let meaning = match past.fate.as_str() {
            "kept" => Meaning::Good,
            "waits" => Meaning::Warning,
            _ => Meaning::Dim,
        };
        let dim = theme.style(Meaning::Dim);
        let mut spans = vec![
            Span::styled(format!(" {:>3}  {}  ", past.number, past.when), dim),
            Span::styled(format!("{:<10}  ", past.fate), theme.style(meaning)),
            Span::styled(format!("{}  ", elide(&past.who, 16)), dim),
        ];
        spans.extend(paint::syntax(theme, &clean(&past.what), ""));
        paint::put(frame, paint::row(inner, place as u16), spans);
    }
}

/// Whether the next boot brings what runs, in one line.
fn boot(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let (sign, meaning, text) = match &state.changes.boot {
        None => return,
        Some(Err(why)) => ("✖", Meaning::Error, why.clone()),
        Some(Ok(files)) => match (files.iter().find(|file| !file.same()), files.first()) {
            (Some(file), _) => {
                let (sign, meaning) = overlay::boot::sign(file);
                let more = files.iter().filter(|file| !file.same()).count() - 1;
                let text = overlay::boot::sentence(file);
                let text = text.lines().next().unwrap_or_default();
                let more = match more {
                    0 => String::new(),
                    more => format!("; and {}", human::plural(more, "file", "files")),
                };
                (sign, meaning, format!("{text}{more}"))
            }
            (None, Some(file)) => {
                let text = overlay::boot::sentence(file);
                ("✔", Meaning::Good, text)
            }
            (None, None) => ("✔", Meaning::Dim, "nothing runs, nothing is loaded".into()),
        },
    };
    let keys = state
        .settings
        .keymap
        .keys(&[Layer::Changes], Action::Boot)
        .map(|keys| format!("  {} shows it", key::show(keys)))
        .unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(14 + width(&keys));
    paint::put(
        frame,
        area,
        vec![
            Span::styled(" next boot ", theme.style(Meaning::Dim)),
            Span::styled(format!("{sign} "), theme.ink(meaning)),
            Span::raw(elide(&clean(&text), room)),
            Span::styled(keys, theme.style(Meaning::Dim)),
        ],
    );
}

fn summary(state: &State) -> String {
    let verdicts = &state.changes.verdicts;
    if state.changes.set.is_empty() {
        return String::new();
    }
    let bad = verdicts
        .values()
        .filter(|one| **one != Verdict::Good)
        .count();
    match (verdicts.len(), bad) {
        (0, _) => "not validated".into(),
        (_, 0) => "✔ the kernel takes them".into(),
        (_, bad) => format!("✖ {bad} refused"),
    }
}

/// Nothing is staged: how one gets something here.
fn nothing(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    let mut lines: Vec<String> = Vec::new();
    lines.extend(state.changes.last.clone());
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let press = |action| {
        let keys = state.settings.keymap.keys(&Layer::ALL, action);
        keys.map(key::show).unwrap_or_default()
    };
    if !update::can_change(state) {
        lines.push("Nothing can be changed here: this is a snapshot, or hookscope was started with --read-only.".into());
    } else {
        lines.push(format!(
            "On Explore, with a rule selected: {} edits it, {} deletes it, {} and {} add one after and before it, {} turns the policy of its chain. On elements of a set {} and {} work the same way; in the tree they and {} make, delete and rename chains.",
            press(Action::Edit), press(Action::Delete), press(Action::AddAfter), press(Action::AddBefore), press(Action::TurnPolicy), press(Action::AddAfter), press(Action::Delete), press(Action::Edit),
        ));
        lines.push(String::new());
        lines.push(format!(
            "{} takes any command of the nft language, such as: add chain ip filter extra",
            press(Action::Command)
        ));
        lines.push(String::new());
        lines.push(
            "Nothing reaches the kernel before you commit; all of it is applied, or nothing."
                .into(),
        );
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    paint::empty(frame, theme, area, "No changes staged", &lines);
}

type Lines = Vec<(usize, Vec<Span<'static>>)>;

/// All lines, each with the place of its change, and where each change begins.
fn lines(state: &State, area: Rect) -> (Lines, Vec<usize>) {
    let theme = state.theme();
    let columns = usize::from(area.width.saturating_sub(2));
    let mut lines: Lines = Vec::new();
    let mut starts = Vec::new();
    if let Some(trouble) = &state.changes.trouble {
        let text = clean(trouble);
        for (place, range) in wrap(&text, columns.saturating_sub(3))
            .into_iter()
            .enumerate()
        {
            let sign = if place == 0 { " ✖ " } else { "   " };
            let piece = text.get(range).unwrap_or_default().to_string();
            let spans = vec![
                Span::styled(sign, theme.style(Meaning::Error)),
                Span::raw(piece),
            ];
            lines.push((usize::MAX, spans));
        }
        lines.extend(theirs(state, columns));
        lines.push((usize::MAX, Vec::new()));
    }
    for (place, change) in state.changes.set.changes().iter().enumerate() {
        starts.push(lines.len());
        for spans in one(state, place, change, columns) {
            lines.push((place, spans));
        }
        lines.push((place, Vec::new()));
    }
    (lines, starts)
}

/// What others did, and what one can do now.
fn theirs(state: &State, columns: usize) -> Lines {
    /// Lines of it that are shown.
    const MOST: usize = 40;
    let theme = state.theme();
    let theirs = difference::lines(theme, &state.changes.theirs, columns.saturating_sub(4));
    if theirs.is_empty() {
        return Vec::new();
    }
    let left = theirs.len().saturating_sub(MOST);
    let mut lines: Lines = Vec::new();
    let mut put = |spans: Vec<Span<'static>>| lines.push((usize::MAX, spans));
    put(vec![Span::styled(
        "   theirs:",
        theme.style(Meaning::Warning),
    )]);
    for mut spans in theirs.into_iter().take(MOST) {
        spans.insert(0, Span::raw("   "));
        put(spans);
    }
    if left > 0 {
        let text = format!("   … and {}", human::plural(left, "line", "lines"));
        put(vec![Span::styled(text, theme.style(Meaning::Dim))]);
    }
    let keys = state.settings.keymap.keys(&Layer::ALL, Action::Commit);
    let keys = keys.map(key::show).unwrap_or_default();
    put(vec![
        Span::styled(" → ", theme.ink(Meaning::Info)),
        Span::raw(format!(
            "yours stand below; {keys} makes them on top of this"
        )),
    ]);
    lines
}

fn one(state: &State, place: usize, change: &Change, columns: usize) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme();
    let verdict = state.changes.verdicts.get(&change.id);
    let (word, meaning) = match verdict {
        None => ("· unchecked", Meaning::Dim),
        Some(Verdict::Good) => ("✔ ok", Meaning::Good),
        Some(Verdict::Refused { .. }) => ("✖ refused", Meaning::Error),
    };
    let title = clean(&change.edit.title()).into_owned();
    let head = format!(" {:>2}  {title}", place + 1);
    let fill = columns.saturating_sub(width(&head) + width(word));
    let mut lines = vec![vec![
        Span::styled(head, theme.style(Meaning::Title)),
        Span::raw(" ".repeat(fill.max(1))),
        Span::styled(word, theme.style(meaning)),
    ]];
    for (sign, text, meaning) in [
        ("-", change.edit.old(), Meaning::Drop),
        ("+", change.edit.new_text(), Meaning::Good),
    ] {
        let Some(text) = text else {
            continue;
        };
        for line in text.split('\n') {
            let line = clean(line);
            let pieces = highlight(&line);
            for (part, range) in wrap(&line, columns.saturating_sub(8))
                .into_iter()
                .enumerate()
            {
                let indent = if part == 0 { " " } else { "   " };
                let mut spans = vec![
                    Span::raw("     "),
                    Span::styled(format!("{sign}{indent}"), theme.ink(meaning)),
                ];
                if sign == "-" {
                    // What goes is in one colour: the eye should be at what comes.
                    let piece = line.get(range).unwrap_or_default().to_string();
                    spans.push(Span::styled(piece, theme.ink(meaning)));
                } else {
                    spans.extend(paint::syntax_part(theme, &line, &pieces, range, ""));
                }
                lines.push(spans);
            }
        }
    }
    if let Some(Verdict::Refused {
        moved: Some(moved), ..
    }) = verdict
    {
        lines.extend(three_way(state, change, moved, columns));
        return lines;
    }
    if let Some(Verdict::Refused { message, help, .. }) = verdict {
        let mut say = |sign: &'static str, text: &str, meaning: Meaning| {
            let text = clean(text);
            for (part, range) in wrap(&text, columns.saturating_sub(8))
                .into_iter()
                .enumerate()
            {
                let lead = if part == 0 { sign } else { " " };
                lines.push(vec![
                    Span::styled(format!("     {lead} "), theme.ink(meaning)),
                    Span::raw(text.get(range).unwrap_or_default().to_string()),
                ]);
            }
        };
        say("✖", message, Meaning::Error);
        if let Some(help) = help {
            say("→", help, Meaning::Info);
        }
    }
    lines
}

/// What the rule said, what somebody else made of it, and what is wanted.
fn three_way(
    state: &State,
    change: &Change,
    moved: &Moved,
    columns: usize,
) -> Vec<Vec<Span<'static>>> {
    let theme = state.theme();
    let keys = |action| {
        let keys = state.settings.keymap.keys(&[Layer::Changes], action);
        keys.map(key::show).unwrap_or_default()
    };
    let (head, next) = match &moved.now {
        Some(_) => (
            format!(
                "somebody changed rule #{} since this change was made:",
                moved.handle
            ),
            format!(
                "{} makes this change for the rule as it is now · {} takes it away",
                keys(Action::TakeTheirs),
                keys(Action::Delete)
            ),
        ),
        None => (
            format!("rule #{} is gone since this change was made:", moved.handle),
            format!("{} takes this change away", keys(Action::Delete)),
        ),
    };
    let wanted = match &change.edit {
        Edit::DeleteRule { .. } => "(deleted)".to_owned(),
        Edit::MoveRule { to, .. } => format!("(moved {})", to.title()),
        Edit::AddRule { text, .. } => format!("(beside it) {text}"),
        edit => edit.text().to_owned(),
    };
    let gone = || "(deleted)".to_owned();
    let rows = [
        ("✖ ", "", head, Meaning::Error),
        ("  ", "it said   ", moved.was.clone(), Meaning::Dim),
        (
            "  ",
            "theirs    ",
            moved.now.clone().unwrap_or_else(gone),
            Meaning::Warning,
        ),
        ("  ", "yours     ", wanted, Meaning::Good),
        ("→ ", "", next, Meaning::Info),
    ];
    let mut lines = Vec::new();
    for (sign, label, text, meaning) in rows {
        let text = clean(&text);
        let room = columns.saturating_sub(8 + width(label));
        for (part, range) in wrap(&text, room).into_iter().enumerate() {
            let lead = match part {
                0 => format!("     {sign}{label}"),
                _ => " ".repeat(7 + width(label)),
            };
            let piece = text.get(range).unwrap_or_default().to_string();
            let style = match label {
                "" => Default::default(),
                _ => theme.ink(meaning),
            };
            lines.push(vec![
                Span::styled(lead, theme.ink(meaning)),
                Span::styled(piece, style),
            ]);
        }
    }
    lines
}

/// The first line on the screen: the selected change is always there.
fn offset(state: &State, lines: &Lines, starts: &[usize], area: Rect) -> usize {
    let height = usize::from(area.height);
    let most = lines.len().saturating_sub(height);
    let start = starts.get(state.changes.list.selected).copied();
    start.unwrap_or(0).saturating_sub(height / 3).min(most)
}

/// The change that is drawn on that line of the body.
pub fn change_at(state: &State, line: usize) -> Option<usize> {
    let inner = paint::inside(panes(state, with_foot(state, state.body()).0).0);
    let (lines, starts) = lines(state, inner);
    let at = offset(state, &lines, &starts, inner) + line.checked_sub(1)?;
    let (place, _) = lines.get(at)?;
    (*place != usize::MAX).then_some(*place)
}

/// The commands that will be sent, as the nft language has them.
fn commands(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.theme();
    paint::title(frame, theme, area, false, "As commands", &[]);
    let inner = paint::inside(area);
    let columns = usize::from(inner.width.saturating_sub(4));
    let mut y = 0;
    let offset = state
        .changes
        .list
        .selected
        .saturating_sub(usize::from(inner.height) / 3);
    for change in state.changes.set.changes().iter().skip(offset) {
        let command = change.edit.command();
        let caret = match state.changes.verdicts.get(&change.id) {
            Some(Verdict::Refused { start, .. }) => Some(*start),
            _ => None,
        };
        let mut at = 0;
        for line in command.split('\n') {
            let from = at;
            at += line.len() + 1;
            let line = clean(line);
            let pieces = highlight(&line);
            for range in wrap(&line, columns) {
                if y >= inner.height {
                    return;
                }
                let mut spans = vec![Span::raw("  ")];
                let shown = range.clone();
                spans.extend(paint::syntax_part(theme, &line, &pieces, range, ""));
                paint::put(frame, paint::row(inner, y), spans);
                y += 1;
                let here = caret.and_then(|caret| caret.checked_sub(from));
                if let Some(here) = here.filter(|here| shown.contains(here)) {
                    let before = line.get(shown.start..here).unwrap_or_default();
                    let text = format!("  {}^", " ".repeat(width(before)));
                    let style = theme.ink(Meaning::Error);
                    paint::put(frame, paint::row(inner, y), vec![Span::styled(text, style)]);
                    y += 1;
                }
            }
        }
    }
}
