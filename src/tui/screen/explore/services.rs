//! Names of services beside the addresses in rules, once they are known: finding them takes a while in a large
//! ruleset, and is done beside the interface.

use crate::insight::services::{self, Index};
use crate::model::ruleset::LEGACY;
use crate::model::{Elements, Ruleset};
use crate::session::Command;
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
    asked: Option<Asked>,
}

/// What the names were last found in.
#[derive(Clone, Copy, Debug)]
struct Asked {
    generation: u32,
    at: Duration,
    /// Maps of addresses whose elements were not read then.
    unread: usize,
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
    let paused = |asked: &Asked| state.now >= asked.at + PAUSE;
    let asked = state.explore.services.asked;
    // The maps of kube-proxy's own tables: their elements are not part of a picture until somebody wants them.
    let unread: Vec<Command> = maps(ruleset).collect();
    let due = match &asked {
        None => true,
        Some(asked) => {
            unread.len() < asked.unread || asked.generation != ruleset.generation && paused(asked)
        }
    };
    if !complete || !due || !ruleset.shown().any(tells) {
        return;
    }
    state.explore.services.asked = Some(Asked {
        generation: ruleset.generation,
        at: state.now,
        unread: unread.len(),
    });
    effects.extend(unread.into_iter().map(Effect::Send));
    job(state, effects, |picture| Job::Services { picture });
}

/// Reading the maps that tell the addresses of services, where that is not done yet.
fn maps(ruleset: &Ruleset) -> impl Iterator<Item = Command> {
    let tables = ruleset.tables.iter();
    let tables = tables.filter(|table| &*table.name == "kube-proxy");
    tables.flat_map(|table| {
        let sets = table.sets.iter();
        let unread = sets.filter(|set| {
            set.elements == Elements::NotRead && services::ADDRESS_MAPS.contains(&&*set.name)
        });
        unread.map(|set| Command::ReadElements {
            family: table.family,
            table: table.name.clone(),
            set: set.name.clone(),
        })
    })
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
