//! Drawing Explore: where the panes are, and what stands in them while there is nothing to show.

use super::{details, main_pane, tree_pane};
use crate::tui::app::State;
use crate::tui::chrome::spinner;
use crate::tui::widget::paint;
use ratatui::Frame;
use ratatui::layout::Rect;

pub fn render(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let Some(picture) = &state.picture else {
        let heading = format!("{} Reading the firewall…", spinner(state));
        let text = "Chains appear as they arrive; nothing is changed by looking.";
        paint::empty(frame, theme, body, &heading, &[text]);
        return;
    };
    let ruleset = &picture.ruleset;
    if ruleset.shown().next().is_none() {
        nothing(state, frame, body);
        return;
    }
    let content = state.explore.content(ruleset);
    let panes = state.explore.panes(body, &content);
    if let Some(tree) = panes.tree {
        tree_pane::render(state, ruleset, frame, tree);
        let titles: Vec<u16> = panes.details.iter().map(|pane| pane.y).collect();
        paint::divider(frame, theme, body, tree.right(), &titles);
    }
    if let Some(main) = panes.main {
        main_pane::render(state, picture, &content, frame, main);
    }
    if let Some(area) = panes.details {
        details::render(state, picture, frame, area, panes.extra);
    }
    if let (Some(extra), Some(details)) = (panes.extra, panes.details) {
        paint::divider(frame, theme, extra, details.right(), &[]);
    }
}

/// No tables: why that is fine, and what to do to see some.
fn nothing(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.theme();
    let picture = state.picture.as_ref();
    if let Some(problem) = picture.and_then(|picture| picture.evidence.problem.as_deref()) {
        let text = crate::tui::clean::clean(problem);
        let lines = [
            &*text,
            "",
            "Next: run hookscope as root, or try `hookscope demo`: a real firewall in a private namespace, no root needed.",
        ];
        paint::empty(frame, theme, body, "The ruleset cannot be read", &lines);
        return;
    }
    if picture.is_some_and(|picture| !picture.progress.complete) {
        let heading = format!("{} Reading the firewall…", spinner(state));
        let text = "Chains appear as they arrive; nothing is changed by looking.";
        paint::empty(frame, theme, body, &heading, &[text]);
        return;
    }
    let lines = [
        "There are no nf_tables tables in this network namespace: no packet is filtered, translated or counted by nftables or iptables-nft.",
        "",
        "Tables that other programs make show up here at once. Routes, links and neighbours are on the Routes screen.",
        "`hookscope demo` opens a real firewall with traffic in a private namespace; it needs no root and leaves nothing behind.",
        "`hookscope --netns NAME` looks into another namespace, such as a container's.",
    ];
    paint::empty(frame, theme, body, "No firewall here", &lines);
}
