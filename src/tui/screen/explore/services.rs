//! Names of services beside the addresses in rules, once they are known: finding them takes a while in a large
//! ruleset, and is done beside the interface.

use crate::insight::services::{self, Index};
use crate::model::Ruleset;
use crate::model::ruleset::LEGACY;
use crate::tui::app::{State, job};
use crate::tui::clean::{clean, elide};
use crate::tui::effect::Effect;
use crate::tui::job::Job;
use crate::tui::theme::Meaning;
use ratatui::text::Span;
use std::sync::Arc;
use std::time::Duration;

/// Names of this length are cut in lists.
const LONGEST: usize = 32;
/// In a cluster the ruleset changes all the time; names of services do not.
const PAUSE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default)]
pub struct Services {
    pub index: Option<Arc<Index>>,
    /// The generation that it was last asked for, and when.
    asked: Option<(u32, Duration)>,
}

/// Have the names found, where the ruleset has rules that tell some.
pub(super) fn ask(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let complete = state
        .picture
        .as_ref()
        .is_some_and(|picture| picture.progress.complete);
    let tells = |table: &Arc<crate::model::Table>| {
        &*table.name == "kube-proxy"
            || (table.name.trim_end_matches(LEGACY) == "nat"
                && table.chains.iter().any(|chain| {
                    let owner = services::owner(&table.name, &chain.name);
                    owner.is_some_and(|owner| ["kube-proxy", "Docker"].contains(&owner.program))
                }))
    };
    let due = match state.explore.services.asked {
        None => true,
        Some((generation, at)) => generation != ruleset.generation && state.now >= at + PAUSE,
    };
    if !complete || !due || !ruleset.shown().any(tells) {
        return;
    }
    state.explore.services.asked = Some((ruleset.generation, state.now));
    job(state, effects, |picture| Job::Services { picture });
}

/// What the addresses of a rule are: (address, name).
pub(super) fn names(state: &State, text: &str) -> Vec<(String, String)> {
    let Some(index) = &state.explore.services.index else {
        return Vec::new();
    };
    let found = index.names_in(text).into_iter();
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
