//! Changing what Explore shows: everything here goes into the change set, nothing to the kernel. And the pending
//! changes in their place among the rules.

use super::node::Item;
use super::{Content, Pane, arrange, edit_tree, pick};
use crate::model::{Chain, Elements, Policy, Rule, Ruleset, Set, Table};
use crate::stage::change::{self, Anchor, Change, Edit, Line, Place, RuleRef};
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::job::Sort;
use crate::tui::overlay::editor;
use crate::tui::screen::changes;
use crate::tui::text;
use std::sync::Arc;

/// The lines of the chain on the screen with its new rules among them, and what they were made for.
#[derive(Clone, Debug, Default)]
pub struct Mixed {
    pub lines: Option<Arc<Vec<Line>>>,
    version: u64,
    chain: Option<Arc<Chain>>,
    place: Option<Place>,
}

pub fn chain_place(table: &Table, chain: &Chain) -> Place {
    Place {
        family: table.family,
        table: table.name.clone(),
        name: chain.name.clone(),
    }
}

pub fn set_place(table: &Table, set: &Set) -> Place {
    Place {
        family: table.family,
        table: table.name.clone(),
        name: set.name.clone(),
    }
}

/// Put new rules among those of the chain on the screen. Costs nothing while neither of them changes.
pub(super) fn mix(state: &mut State) {
    let Some(ruleset) = state.ruleset() else {
        return;
    };
    let Content::Rules(table, chain) = state.explore.content(&ruleset) else {
        state.explore.mixed = Mixed::default();
        return;
    };
    let version = state.changes.set.version();
    let mixed = &state.explore.mixed;
    let place = chain_place(table, chain);
    let same = mixed
        .chain
        .as_ref()
        .is_some_and(|old| Arc::ptr_eq(old, chain));
    if same && mixed.version == version && mixed.place.as_ref() == Some(&place) {
        return;
    }
    let handles = chain.rules.iter().map(|rule| rule.handle);
    let lines = change::lines(&state.changes.set, &place, handles);
    state.explore.mixed = Mixed {
        lines: lines.map(Arc::new),
        version,
        chain: Some(chain.clone()),
        place: Some(place),
    };
}

/// The new rule under the cursor.
pub fn new_rule(state: &State) -> Option<&Change> {
    new_rule_at(state, state.explore.list.selected)
}

/// The new rule on a line of the screen.
pub fn new_rule_at(state: &State, line: usize) -> Option<&Change> {
    match state.explore.mixed_lines()?.get(line)? {
        Line::New(id) => state.changes.set.get(*id),
        Line::Rule(_) => None,
    }
}

/// A change was staged: put the cursor on it where it is a line of its own.
pub fn staged(state: &mut State, id: u64) {
    mix(state);
    let lines = state.explore.mixed_lines();
    let line = lines.and_then(|lines| lines.iter().position(|line| *line == Line::New(id)));
    if let Some(line) = line {
        state.explore.list.selected = line;
        state.explore.handle = None;
        super::update::settle(state);
    }
}

/// The rule under the cursor, by handle and content.
pub(super) fn pointed(state: &State, ruleset: &Ruleset) -> Option<RuleRef> {
    let picture = state.picture.as_ref()?;
    let (table, chain, _, rule) = state.explore.rule(ruleset)?;
    Some(RuleRef {
        chain: chain_place(table, chain),
        handle: rule.handle,
        text: state.explore.printer(picture, table).rule_stateless(rule),
    })
}

/// The text of a rule is not known yet: it has `{ ... }` where a set is written out.
pub(super) fn is_half_read(table: &Table, rule: Rule<'_>) -> bool {
    let sets = text::rule_references(rule).sets;
    let mut sets = sets.iter().filter_map(|name| table.set(name));
    sets.any(|set| set.is_anonymous() && set.elements == Elements::NotRead)
}

/// The set on the screen, and the element under the cursor.
fn element(state: &State, ruleset: &Ruleset) -> Option<(Place, Option<String>)> {
    let Content::Elements(table, set) = state.explore.content(ruleset) else {
        return None;
    };
    if set.is_anonymous() {
        return None;
    }
    let texts = state.explore.texts();
    let text = texts.and_then(|texts| texts.get(state.explore.list.selected));
    let text = text.map(|text| without_state(text).to_string());
    Some((set_place(table, set), text))
}

/// An element without what passes by itself: `1.2.3.4 timeout 1h expires 59m` is deleted as `1.2.3.4`.
fn without_state(element: &str) -> &str {
    let mut end = element.len();
    for word in [
        " timeout ",
        " expires ",
        " counter ",
        " limit ",
        " quota ",
        " last ",
        " comment ",
    ] {
        if let Some(at) = element.find(word) {
            end = end.min(at);
        }
    }
    element.get(..end).unwrap_or(element)
}

pub fn enabled(state: &State, ruleset: &Ruleset, action: Action) -> bool {
    if !changes::update::can_change(state) {
        return false;
    }
    let rules = matches!(state.explore.content(ruleset), Content::Rules(..));
    let in_list = state.explore.focus != Pane::Tree;
    if action == Action::EditTable {
        return super::edit_tree::table(state).is_some() && state.changes.busy.is_none();
    }
    if !in_list && !matches!(action, Action::TurnPolicy | Action::PutDown) {
        return edit_tree::enabled(state, ruleset, action);
    }
    let on_rule = in_list && (state.explore.rule(ruleset).is_some() || new_rule(state).is_some());
    match action {
        Action::Edit => on_rule,
        Action::Delete => {
            on_rule || in_list && element(state, ruleset).is_some_and(|(_, text)| text.is_some())
        }
        Action::AddAfter => in_list && (rules || element(state, ruleset).is_some()),
        Action::AddBefore => in_list && rules,
        Action::TurnPolicy => policy(state, ruleset).is_some(),
        Action::MoveUp | Action::MoveDown | Action::SwitchRule => {
            in_list && arrange::enabled(state, ruleset, action)
        }
        Action::PickUp => in_list && pick::enabled(state, ruleset, action),
        Action::PutDown => pick::enabled(state, ruleset, action),
        _ => false,
    }
}

/// The chain on the screen and its policy, where it has one.
fn policy(state: &State, ruleset: &Ruleset) -> Option<(Place, Policy)> {
    let Content::Rules(table, chain) = state.explore.content(ruleset) else {
        return None;
    };
    let policy = chain.base.as_ref()?.policy?;
    Some((chain_place(table, chain), policy))
}

pub(super) fn perform(
    state: &mut State,
    ruleset: &Ruleset,
    action: Action,
    effects: &mut Vec<Effect>,
) {
    if !enabled(state, ruleset, action) {
        return;
    }
    if action == Action::EditTable {
        if let Some((family, table)) = edit_tree::table(state) {
            changes::table::open(state, family, table, effects);
        }
        return;
    }
    let in_tree = state.explore.focus == Pane::Tree;
    if in_tree && !matches!(action, Action::TurnPolicy | Action::PutDown) {
        edit_tree::perform(state, ruleset, action, effects);
        return;
    }
    let rule = state.explore.rule(ruleset);
    let half_read = rule.is_some_and(|(table, _, _, rule)| is_half_read(table, rule));
    if action != Action::TurnPolicy && half_read {
        let text = "the sets of this rule are still being read; try again in a moment";
        state.notify(Level::Warning, text);
        return;
    }
    match action {
        Action::Edit => edit(state, ruleset, effects),
        Action::Delete => delete(state, ruleset),
        Action::AddAfter | Action::AddBefore => add(state, ruleset, action, effects),
        Action::TurnPolicy => turn_policy(state, ruleset),
        Action::MoveUp => arrange::shift(state, ruleset, true),
        Action::MoveDown => arrange::shift(state, ruleset, false),
        Action::SwitchRule => arrange::switch(state, ruleset),
        Action::PickUp => pick::pick_up(state, ruleset),
        Action::PutDown => pick::put_down(state, ruleset),
        _ => {}
    }
}

fn edit(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    if let Some(change) = new_rule(state).cloned() {
        if matches!(change.edit, Edit::MoveRule { .. }) {
            let text = "this rule is going to be moved; commit that first, then change it";
            state.notify(Level::Warning, text);
            return;
        }
        editor::open(state, change.edit, Some(change.id), effects);
        return;
    }
    let Some(rule) = pointed(state, ruleset) else {
        return;
    };
    match state.changes.set.of_rule(&rule.chain, rule.handle).cloned() {
        Some(change) if matches!(change.edit, Edit::ReplaceRule { .. }) => {
            editor::open(state, change.edit, Some(change.id), effects);
        }
        Some(_) => {
            let text = "this rule is going to be moved or deleted; take that change away first";
            state.notify(Level::Warning, text);
        }
        None => {
            let text = rule.text.clone();
            editor::open(
                state,
                Edit::ReplaceRule {
                    rule,
                    text,
                    keep: false,
                },
                None,
                effects,
            );
        }
    }
}

fn delete(state: &mut State, ruleset: &Ruleset) {
    if let Some(id) = new_rule(state).map(|change| change.id) {
        changes::update::remove(state, id);
        return;
    }
    if let Some((set, Some(text))) = element(state, ruleset) {
        match state.changes.set.of_element(&set, &text).map(|one| one.id) {
            Some(id) => changes::update::remove(state, id),
            None => {
                changes::update::stage(state, Edit::DeleteElement { set, text });
            }
        }
        return;
    }
    let Some(rule) = pointed(state, ruleset) else {
        return;
    };
    match state.changes.set.of_rule(&rule.chain, rule.handle).cloned() {
        Some(change) if matches!(change.edit, Edit::DeleteRule { .. } | Edit::MoveRule { .. }) => {
            changes::update::remove(state, change.id);
        }
        Some(change) => {
            // What would be written into it does not matter any more.
            state
                .changes
                .set
                .amend(change.id, Edit::DeleteRule { rule });
            changes::update::changed(state);
        }
        None => {
            changes::update::stage(state, Edit::DeleteRule { rule });
        }
    }
}

fn add(state: &mut State, ruleset: &Ruleset, action: Action, effects: &mut Vec<Effect>) {
    if let Some((set, _)) = element(state, ruleset) {
        let text = String::new();
        editor::open(state, Edit::AddElement { set, text }, None, effects);
        return;
    }
    let Content::Rules(table, chain) = state.explore.content(ruleset) else {
        return;
    };
    let place = chain_place(table, chain);
    let at = match (pointed(state, ruleset), new_rule(state)) {
        (Some(rule), _) if action == Action::AddBefore => Anchor::Before(rule),
        (Some(rule), _) => Anchor::After(rule),
        // Beside a new rule: it goes where that one goes.
        (
            None,
            Some(Change {
                edit: Edit::AddRule { at, .. } | Edit::MoveRule { to: at, .. },
                ..
            }),
        ) => at.clone(),
        (None, _) => Anchor::End(place),
    };
    let text = String::new();
    editor::open(state, Edit::AddRule { at, text }, None, effects);
}

fn turn_policy(state: &mut State, ruleset: &Ruleset) {
    let Some((chain, from)) = policy(state, ruleset) else {
        return;
    };
    if let Some(id) = state.changes.set.of_policy(&chain).map(|one| one.id) {
        changes::update::remove(state, id);
        return;
    }
    let to = match from {
        Policy::Drop => Policy::Accept,
        _ => Policy::Drop,
    };
    changes::update::stage(state, Edit::SetPolicy { chain, from, to });
}

/// What is pending for the node on the screen beside its lines, in a few words.
pub(super) fn remark(state: &State, content: &Content<'_>) -> Option<String> {
    let set = &state.changes.set;
    match content {
        Content::Rules(table, chain) => {
            let place = chain_place(table, chain);
            let mut parts = Vec::new();
            parts.extend(pick::remark(state));
            if let Some(Edit::SetPolicy { to, .. }) = set.of_policy(&place).map(|one| &one.edit) {
                parts.push(format!("~ policy {}", change::policy_word(*to)));
            }
            let new = set.new_rules(&place).count();
            if new > 0 && state.explore.sort != Sort::Place {
                parts.push(format!("+{new}"));
            }
            (!parts.is_empty()).then(|| parts.join("  "))
        }
        Content::Elements(table, of) => {
            let place = set_place(table, of);
            let new: Vec<&str> = set
                .new_elements(&place)
                .map(|one| one.edit.text())
                .collect();
            (!new.is_empty()).then(|| format!("+ {}", new.join(", ")))
        }
        _ => None,
    }
}

/// Changes of a chain or set, for the tree.
pub(super) fn pending(state: &State, item: Item<'_>) -> usize {
    let set = &state.changes.set;
    let (place, elements) = match item {
        _ if set.is_empty() => return 0,
        Item::Chain(table, chain) => (chain_place(table, chain), false),
        Item::Set(table, of) => (set_place(table, of), true),
        _ => return 0,
    };
    // A chain and a set may have the same name.
    let is_element =
        |edit: &Edit| matches!(edit, Edit::AddElement { .. } | Edit::DeleteElement { .. });
    let changes = set.changes().iter().map(|one| &one.edit);
    let here = changes.filter(|edit| edit.place() == Some(&place) && is_element(edit) == elements);
    here.count()
}

/// The sign of an element that is going to be deleted.
pub(super) fn is_going(state: &State, place: &Place, element: &str) -> bool {
    state
        .changes
        .set
        .of_element(place, without_state(element))
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_deleted_by_their_key() {
        assert_eq!(without_state("1.2.3.4 timeout 1h expires 59m"), "1.2.3.4");
        assert_eq!(
            without_state("10.0.0.0/8 comment \"a timeout b\""),
            "10.0.0.0/8"
        );
        assert_eq!(without_state("1.2.3.4 . 22"), "1.2.3.4 . 22");
    }
}
