//! Moving rules within their chain, and switching them off and on, in the change set.

use super::Content;
use super::edit::{chain_place, is_half_read, new_rule, pointed};
use crate::model::{Chain, Ruleset, Table};
use crate::stage::change::{Anchor, Change, Edit, Line, RuleRef, disable};
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::job::Sort;
use crate::tui::screen::changes;
use std::sync::Arc;

pub fn enabled(state: &State, ruleset: &Ruleset, action: Action) -> bool {
    let rule = state.explore.rule(ruleset);
    match action {
        Action::MoveUp | Action::MoveDown => {
            state.explore.sort == Sort::Place && (rule.is_some() || new_rule(state).is_some())
        }
        Action::SwitchRule => rule.is_some_and(|(table, ..)| {
            !table.is_iptables() && !ruleset.is_legacy(table.family, &table.name)
        }),
        _ => false,
    }
}

/// The lines of the chain as they are on the screen.
fn lines(state: &State, chain: &Chain) -> Vec<Line> {
    match state.explore.mixed_lines() {
        Some(lines) => lines.to_vec(),
        None => {
            let count = u32::try_from(chain.rules.len()).unwrap_or(u32::MAX);
            (0..count).map(Line::Rule).collect()
        }
    }
}

/// Move the rule under the cursor over the next one of the kernel that stays where it is.
pub fn shift(state: &mut State, ruleset: &Ruleset, up: bool) {
    let Content::Rules(table, chain) = state.explore.content(ruleset) else {
        return;
    };
    let (table, chain) = (table.clone(), chain.clone());
    let change = new_rule(state).cloned();
    let own = match &change {
        Some(Change {
            edit: Edit::MoveRule { rule, .. },
            ..
        }) => Some(rule.clone()),
        Some(_) => None,
        None => pointed(state, ruleset),
    };
    if change.is_none() {
        let place = chain_place(&table, &chain);
        let own = own
            .as_ref()
            .and_then(|rule| state.changes.set.of_rule(&place, rule.handle));
        if own.is_some() {
            let text = "this rule has a change already; take that away first, or move what is new";
            state.notify(Level::Warning, text);
            return;
        }
    }
    let lines = lines(state, &chain);
    let at = state.explore.list.selected;
    let neighbour = |line: &Line| stays(state, &table, &chain, *line, own.as_ref());
    let next = if up {
        lines
            .get(..at)
            .and_then(|before| before.iter().rev().find_map(neighbour))
    } else {
        lines
            .get(at + 1..)
            .and_then(|after| after.iter().find_map(neighbour))
    };
    let Some((place, next)) = next else {
        return;
    };
    let Some(next) = next else {
        let text = "the sets of the next rule are still being read; try again in a moment";
        state.notify(Level::Warning, text);
        return;
    };
    let home = own
        .as_ref()
        .and_then(|own| chain.rules.index_of(own.handle))
        .is_some_and(|home| is_home(state, &table, &chain, home, place, up));
    let anchor = if up {
        Anchor::Before(next)
    } else {
        Anchor::After(next)
    };
    match (change, own) {
        (Some(change), Some(own)) if home => {
            changes::update::remove(state, change.id);
            state.explore.handle = Some(own.handle);
            if let Some(place) = chain.rules.index_of(own.handle)
                && let Some(line) = state.explore.line_of(place)
            {
                state.explore.list.selected = line;
            }
            super::update::settle(state);
        }
        (Some(change), _) => {
            let edit = match change.edit {
                Edit::MoveRule { rule, .. } => Edit::MoveRule { rule, to: anchor },
                Edit::AddRule { text, .. } => Edit::AddRule { at: anchor, text },
                _ => return,
            };
            state.changes.set.amend(change.id, edit);
            changes::update::changed(state);
            super::edit::staged(state, change.id);
        }
        (None, Some(rule)) => {
            if let Some(id) = changes::update::stage(state, Edit::MoveRule { rule, to: anchor }) {
                super::edit::staged(state, id);
            }
        }
        (None, None) => {}
    }
}

/// A rule of the kernel that stays where it is: its place, and the rule unless it cannot be pointed at yet.
fn stays(
    state: &State,
    table: &Arc<Table>,
    chain: &Chain,
    line: Line,
    own: Option<&RuleRef>,
) -> Option<(usize, Option<RuleRef>)> {
    let Line::Rule(place) = line else {
        return None;
    };
    let place = place as usize;
    let rule = chain.rules.get(place)?;
    let here = chain_place(table, chain);
    let goes = state.changes.set.of_rule(&here, rule.handle);
    let goes = goes.is_some_and(|change| !matches!(change.edit, Edit::ReplaceRule { .. }));
    if goes || own.is_some_and(|own| own.handle == rule.handle) {
        return None;
    }
    if is_half_read(table, rule) {
        return Some((place, None));
    }
    let picture = state.picture.as_ref()?;
    let text = state.explore.printer(picture, table).rule_stateless(rule);
    let rule = RuleRef {
        chain: here,
        handle: rule.handle,
        text,
    };
    Some((place, Some(rule)))
}

/// Whether the place beyond `next` is where the rule stands in the kernel.
fn is_home(
    state: &State,
    table: &Arc<Table>,
    chain: &Chain,
    home: usize,
    next: usize,
    up: bool,
) -> bool {
    let between = if up { home + 1..next } else { next + 1..home };
    let beyond = if up { next > home } else { next < home };
    beyond
        && between
            .into_iter()
            .all(|place| stays(state, table, chain, Line::Rule(place as u32), None).is_none())
}

/// Switch the rule under the cursor off, or on again.
pub fn switch(state: &mut State, ruleset: &Ruleset) {
    let Some(rule) = pointed(state, ruleset) else {
        return;
    };
    let change = state.changes.set.of_rule(&rule.chain, rule.handle).cloned();
    let (text, keep) = match &change {
        Some(Change {
            edit: Edit::ReplaceRule { text, keep, .. },
            ..
        }) => (text.clone(), *keep),
        Some(_) => {
            let text = "this rule is going to be moved or deleted; take that change away first";
            state.notify(Level::Warning, text);
            return;
        }
        None => (rule.text.clone(), true),
    };
    let Some(text) = disable::enabled(&text).or_else(|| disable::disabled(&text)) else {
        return;
    };
    match change {
        Some(change) if text == rule.text => changes::update::remove(state, change.id),
        Some(change) => {
            let edit = Edit::ReplaceRule { rule, text, keep };
            state.changes.set.amend(change.id, edit);
            changes::update::changed(state);
        }
        None => {
            changes::update::stage(state, Edit::ReplaceRule { rule, text, keep });
        }
    }
}
