//! Drawing Flow.

use super::layout::Layout;
use super::{diagram, form, panes};
use crate::session::{Picture, Source};
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::clean::elide;
use crate::tui::theme::Meaning;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let Some(picture) = &state.picture else {
        let heading = format!("{} Reading the ruleset…", spinner(state));
        return paint::empty(frame, theme, body, &heading, &[]);
    };
    let layout = state.flow.layout(body);
    title(state, picture, frame, &layout);
    diagram::render(state, picture, frame, &layout);
    if layout.beside {
        let below = Rect {
            width: body.width,
            ..layout.list
        };
        paint::divider(frame, theme, below, layout.list.right(), &[]);
    }
    panes::render_list(state, picture, frame, layout.list);
    panes::render_about(state, frame, layout.about);
    if let Some(form) = &state.flow.form {
        form::render(state, form, frame);
    }
}

/// The packet on the left, what the picture rests on at the right.
fn title(state: &State, picture: &Picture, frame: &mut Frame<'_>, layout: &Layout) {
    let area = layout.diagram;
    let flow = &state.flow;
    let theme = state.theme();
    let family = flow.family;
    let told = flow.told();
    let title = match told {
        Some(told) => format!("{family} · {}", told.packet),
        None => format!("{family} · the hooks of {family} packets"),
    };
    let mut remark: Vec<Span<'static>> = Vec::new();
    if let Some(news) = &flow.news {
        remark.push(Span::styled(elide(news, 40), theme.style(Meaning::Warning)));
    } else if flow.reading || flow.working {
        remark.push(Span::styled(
            format!("{} following", spinner(state)),
            theme.style(Meaning::Progress),
        ));
    } else {
        let source = match &picture.source {
            Source::Live { .. } => "live",
            Source::Snapshot { .. } => "snapshot",
        };
        let made = flow.made_for.as_ref().map(|(generation, ..)| *generation);
        let generation = made.unwrap_or(picture.ruleset.generation);
        let text = format!("{source}, generation {generation}");
        remark.push(Span::styled(text, theme.style(Meaning::Dim)));
    }
    paint::title(frame, theme, area, false, &title, &remark);
    families(state, frame, layout);
    let bare = flow
        .seen
        .as_ref()
        .is_some_and(|seen| seen.diagram.is_bare());
    if bare {
        let corner = layout.corner();
        let style = theme.style(Meaning::Warning);
        let text = "no chain of any kind";
        let line = paint::row(corner, 2.min(corner.height.saturating_sub(1)));
        paint::put(frame, line, vec![Span::styled(text, style)]);
    }
}

/// The families that there are, in the corner that the diagram leaves free.
fn families(state: &State, frame: &mut Frame<'_>, layout: &Layout) {
    let theme = state.theme();
    for (family, area) in layout.families() {
        let meaning = if family == state.flow.family {
            Meaning::TabActive
        } else {
            Meaning::Tab
        };
        let text = format!(" {family} ");
        paint::put(frame, area, vec![Span::styled(text, theme.style(meaning))]);
    }
}
