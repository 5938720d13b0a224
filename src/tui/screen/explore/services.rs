//! Names of services beside the addresses in rules, once they are known.

use crate::tui::app::State;
use crate::tui::clean::{clean, elide};
use crate::tui::theme::Meaning;
use ratatui::text::Span;

/// Names of this length are cut in lists.
const LONGEST: usize = 32;

/// What the addresses of a rule are: (address, name).
pub(super) fn names(state: &State, text: &str) -> Vec<(String, String)> {
    let Some(found) = &state.services.found else {
        return Vec::new();
    };
    let found = found.index.names_in(text).into_iter();
    found
        .map(|(address, name)| (address, clean(name).into_owned()))
        .collect()
}

/// The same behind a rule in a list.
pub(super) fn remark(state: &State, text: &str) -> Vec<Span<'static>> {
    let names = names(state, text);
    let style = state.theme().style(Meaning::Owner);
    let one =
        |(_, name): (String, String)| Span::styled(format!("  ‹{}›", elide(&name, LONGEST)), style);
    names.into_iter().map(one).collect()
}
