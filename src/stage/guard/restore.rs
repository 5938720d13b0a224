//! Taking a commit back: what was, three ways with what others did since, until the kernel has it.

use super::state::{self, Phase, State};
use crate::kernel::nf_tables::commit::{Options, Outcome, commit};
use crate::kernel::nf_tables::load::LoadError;
use crate::kernel::nf_tables::refusal::Refused;
use crate::model::Ruleset;
use crate::stage::plan::{self, Pictures, Plan};
use crate::stage::touched::{Scope, Watch};
use crate::stage::{Step, fault, legacy};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Commands that were carried out; 0 when nothing was left to take back.
    pub commands: usize,
    /// The ruleset was read again and is what it was, but for `left`.
    pub verified: bool,
    /// One sentence each: what could not be restored.
    pub left: Vec<String>,
}

/// Others change the same tables without a pause: give up after so many tries.
const TRIES: usize = 300;

/// Take back what the state says was done.
pub fn restore(state: &State) -> Result<Restored, String> {
    let scope = state.scope();
    let elapsed = state::awake_time().saturating_sub(state.read);
    restore_to(&state.before, state.after.as_ref(), &scope, elapsed)
}

/// Make the tables of `scope` what they were in `before`, where a commit made them `after`. Without `after` nobody
/// knows what was the commit's doing: then all that differs is taken for it.
pub fn restore_to(
    before: &Ruleset,
    after: Option<&Ruleset>,
    scope: &Scope,
    elapsed: u64,
) -> Result<Restored, String> {
    let text = |error: LoadError| error.to_string();
    let mut watch = Watch::new().map_err(|error| error.to_string())?;
    let mut result = Restored::default();
    let mut refused: Vec<crate::model::command::Command> = Vec::new();
    for _ in 0..TRIES {
        let now = watch.read(scope).map_err(text)?;
        if same(before, &now, scope) {
            result.verified = true;
            return Ok(result);
        }
        let mut plan = plan_back(before, after, &now, scope, elapsed);
        plan.commands.retain(|command| !refused.contains(command));
        if !plan.commands.is_empty() {
            match pinned(&mut watch, scope, &plan.commands, false) {
                Ok(_) => {
                    fault::point("guard:rolled-back");
                    result.commands = plan.commands.len();
                }
                Err(Refused::Moved) => continue,
                Err(Refused::Commands(refusals)) => {
                    // All the others are carried out without what cannot be.
                    for refusal in refusals {
                        let Some(command) = plan.commands.get(refusal.command) else {
                            continue;
                        };
                        result.left.push(refusal.explain(command));
                        refused.push(command.clone());
                    }
                    continue;
                }
                Err(other) => return Err(other.to_string()),
            }
        }
        // Did it take? Read again: it is what it was, or nothing more can be done about what others changed.
        let then = watch.read(scope).map_err(text)?;
        let more = || plan_back(before, after, &then, scope, elapsed).commands;
        result.verified = refused.is_empty() && (same(before, &then, scope) || more().is_empty());
        result.left.extend(plan.left);
        return Ok(result);
    }
    Err("others change the same tables without a pause".to_owned())
}

fn plan_back(
    before: &Ruleset,
    after: Option<&Ruleset>,
    now: &Ruleset,
    scope: &Scope,
    elapsed: u64,
) -> Plan {
    // Tables that were made anew have other handles. Where they say what the commit made them say, nobody else
    // changed anything, and they stand for it.
    let base = after
        .filter(|after| !same(after, now, scope))
        .unwrap_or(now);
    let pictures = Pictures {
        want: before,
        base,
        now,
    };
    let options = plan::Options {
        scope: scope.tables(),
        elapsed,
        order: true,
    };
    plan::plan(pictures, options)
}

/// Whether two pictures of the same tables say the same.
fn same(a: &Ruleset, b: &Ruleset, scope: &Scope) -> bool {
    let pictures = Pictures {
        want: a,
        base: b,
        now: b,
    };
    let options = plan::Options {
        scope: scope.tables(),
        ..plan::Options::default()
    };
    plan::plan(pictures, options).commands.is_empty()
}

/// Commit for the generation that was read, as often as others change only other tables.
pub fn pinned(
    watch: &mut Watch,
    scope: &Scope,
    commands: &[crate::model::command::Command],
    echo: bool,
) -> Result<Outcome, Refused> {
    for _ in 0..2000 {
        let heard = watch.heard(scope).map_err(|_| Refused::Moved)?;
        if heard.iter().any(|one| one.touched) {
            return Err(Refused::Moved);
        }
        let options = Options {
            generation: Some(watch.generation),
            check: false,
            echo,
        };
        match commit(commands, options) {
            Ok(outcome) => return Ok(outcome),
            Err(Refused::Moved) => watch.wait(Duration::from_millis(50)),
            Err(error) => return Err(error),
        }
    }
    Err(Refused::Moved)
}

/// The commit of a state in [`Phase::Prepared`] whose guard heard nothing of it: whether it happened.
pub fn happened(state: &State) -> Result<bool, String> {
    debug_assert_eq!(state.phase, Phase::Prepared);
    let different = |step: &Step| match step {
        Step::Legacy(saved) => legacy::differs(saved),
        Step::IpSets(saved) => saved.differs(),
        Step::Nf(_) | Step::Routes(_) => true,
    };
    if !state.steps.is_empty() {
        return Ok(state.steps.iter().any(different));
    }
    let scope = state.scope();
    let mut watch = Watch::new().map_err(|error| error.to_string())?;
    let now = watch.read(&scope).map_err(|error| error.to_string())?;
    Ok(!same(&state.before, &now, &scope))
}
