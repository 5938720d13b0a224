//! Having services found, once they may have changed: that takes a while in a large ruleset, and is done beside the
//! interface. Explore and Live show their names, whatever screen one is on.

use crate::insight::services;
use crate::model::ruleset::LEGACY;
use crate::model::{Elements, Ruleset, Table};
use crate::session::Command;
use crate::tui::app::{Screen, State, job};
use crate::tui::effect::Effect;
use crate::tui::job::Job;
use std::sync::Arc;
use std::time::Duration;

/// In a cluster the ruleset changes all the time; names of services do not.
const PAUSE: Duration = Duration::from_secs(20);
/// For who looks at the services themselves.
const SHORT: Duration = Duration::from_secs(2);

/// What services were last looked for in.
#[derive(Clone, Debug)]
pub struct Asked {
    generation: u32,
    legacy: Vec<Arc<Table>>,
    at: Duration,
    /// Maps of addresses whose elements were not read then.
    unread: usize,
    /// There was something to find.
    pub tells: bool,
}

impl Asked {
    /// Legacy tables have no generation.
    fn is_of(&self, ruleset: &Ruleset) -> bool {
        let same = |(a, b): (&Arc<Table>, &Arc<Table>)| Arc::ptr_eq(a, b);
        self.generation == ruleset.generation
            && self.legacy.len() == ruleset.legacy.len()
            && self.legacy.iter().zip(&ruleset.legacy).all(same)
    }
}

/// Whether a table has rules that lead to services.
fn tells(table: &Table) -> bool {
    let name = &*table.name;
    let writes = |chain: &Arc<crate::model::Chain>| {
        let owner = services::owner(name, &chain.name);
        owner.is_some_and(|owner| ["kube-proxy", "Docker"].contains(&owner.program))
    };
    [services::KUBE_PROXY_TABLE, services::DOCKER_TABLE].contains(&name)
        || (name.trim_end_matches(LEGACY) == "nat" && table.chains.iter().any(writes))
}

/// Have them found, where the ruleset has rules that tell some.
pub fn ask(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let picture = state.picture.as_ref();
    let complete = picture.is_some_and(|picture| picture.progress.complete);
    let pause = match state.screen {
        Screen::Services => SHORT,
        _ => PAUSE,
    };
    // The maps of kube-proxy's own tables: their elements are not part of a picture until somebody wants them.
    let unread: Vec<Command> = maps(ruleset).collect();
    let due = match &state.services.asked {
        None => true,
        Some(asked) => {
            let paused = |pause: Duration| state.now >= asked.at + pause;
            unread.len() < asked.unread
                || paused(pause) && asked.generation != ruleset.generation
                // Whatever they count, they are others.
                || paused(PAUSE) && !asked.is_of(ruleset)
        }
    };
    if !complete || !due {
        return;
    }
    let tells = ruleset.shown().any(|table| tells(table));
    state.services.asked = Some(Asked {
        generation: ruleset.generation,
        legacy: ruleset.legacy.clone(),
        at: state.now,
        unread: unread.len(),
        tells,
    });
    if !tells {
        state.services.found = None;
        state.services.view = None;
        return;
    }
    effects.extend(unread.into_iter().map(Effect::Send));
    job(state, effects, |picture| Job::Services { picture });
}

/// Reading the maps that tell the addresses of services, where that is not done yet.
fn maps(ruleset: &Ruleset) -> impl Iterator<Item = Command> {
    let tables = ruleset.tables.iter();
    let tables = tables.filter(|table| &*table.name == services::KUBE_PROXY_TABLE);
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
