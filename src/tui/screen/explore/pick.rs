//! Moving a rule to another chain of its table: picked up here, put down there, in the change set.

use super::edit::{chain_place, is_half_read, new_rule, pointed};
use super::{Content, Pane};
use crate::model::Ruleset;
use crate::stage::change::{Anchor, Change, Edit, Place, RuleRef};
use crate::tui::action::{Action, Layer};
use crate::tui::app::{Level, State};
use crate::tui::key;
use crate::tui::screen::changes;

/// A rule that is to be put down elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picked {
    /// One of the kernel.
    Rule(RuleRef),
    /// One that is new, by the number of its change and the chain it is in.
    New(u64, Place),
}

impl Picked {
    fn chain(&self) -> &Place {
        match self {
            Picked::Rule(rule) => &rule.chain,
            Picked::New(_, chain) => chain,
        }
    }

    fn name(&self) -> String {
        match self {
            Picked::Rule(rule) => format!("rule #{}", rule.handle),
            Picked::New(..) => "the new rule".into(),
        }
    }
}

pub fn enabled(state: &State, ruleset: &Ruleset, action: Action) -> bool {
    match action {
        Action::PickUp => state.explore.rule(ruleset).is_some() || new_rule(state).is_some(),
        Action::PutDown => {
            let here = matches!(state.explore.content(ruleset), Content::Rules(..));
            here && state.explore.picked.is_some()
        }
        _ => false,
    }
}

/// Pick the rule under the cursor up, or leave the one that is picked up where it was.
pub fn pick_up(state: &mut State, ruleset: &Ruleset) {
    let new = new_rule(state).and_then(|change| match &change.edit {
        Edit::AddRule { at, .. } | Edit::MoveRule { to: at, .. } => {
            Some(Picked::New(change.id, at.chain().clone()))
        }
        _ => None,
    });
    let picked = new.or_else(|| pointed(state, ruleset).map(Picked::Rule));
    if picked == state.explore.picked {
        state.explore.picked = None;
        state.notify(Level::Info, "it stays where it is");
        return;
    }
    if let Some(Picked::Rule(rule)) = &picked
        && state
            .changes
            .set
            .of_rule(&rule.chain, rule.handle)
            .is_some()
    {
        let text = "this rule has a change already; take that away first";
        state.notify(Level::Warning, text);
        return;
    }
    state.explore.picked = picked;
}

/// Put the rule that is picked up behind the one under the cursor, or at the end of the chain.
pub fn put_down(state: &mut State, ruleset: &Ruleset) {
    let (Some(picked), Content::Rules(table, chain)) =
        (state.explore.picked.clone(), state.explore.content(ruleset))
    else {
        return;
    };
    let here = chain_place(table, chain);
    let from = picked.chain();
    if (from.family, &from.table) != (here.family, &here.table) {
        let text = format!(
            "{} is of table {} {}: rules move within their table, whose sets and chains they use",
            picked.name(),
            from.family,
            from.table
        );
        state.notify(Level::Warning, text);
        return;
    }
    let in_list = state.explore.focus != Pane::Tree;
    let rule = state.explore.rule(ruleset).filter(|_| in_list);
    if rule.is_some_and(|(table, _, _, rule)| is_half_read(table, rule)) {
        let text = "the sets of this rule are still being read; try again in a moment";
        state.notify(Level::Warning, text);
        return;
    }
    let under = new_rule(state).filter(|_| in_list).cloned();
    let anchor = match (pointed(state, ruleset).filter(|_| in_list), &under) {
        (Some(rule), _) => Anchor::After(rule),
        (
            None,
            Some(Change {
                edit: Edit::AddRule { at, .. } | Edit::MoveRule { to: at, .. },
                ..
            }),
        ) => at.clone(),
        (None, _) => Anchor::End(here),
    };
    let onto_itself = match (&picked, &anchor) {
        (Picked::Rule(rule), Anchor::After(beside)) => rule == beside,
        (Picked::New(id, _), _) => under.is_some_and(|change| change.id == *id),
        _ => false,
    };
    state.explore.picked = None;
    if onto_itself {
        return;
    }
    let id = match picked {
        Picked::Rule(rule) => changes::update::stage(state, Edit::MoveRule { rule, to: anchor }),
        Picked::New(id, _) => {
            let edit = match state.changes.set.get(id).map(|change| change.edit.clone()) {
                Some(Edit::AddRule { text, .. }) => Edit::AddRule { at: anchor, text },
                Some(Edit::MoveRule { rule, .. }) => Edit::MoveRule { rule, to: anchor },
                // It was taken away in the meantime.
                _ => return,
            };
            state.changes.set.amend(id, edit);
            changes::update::changed(state);
            Some(id)
        }
    };
    if let Some(id) = id {
        super::edit::staged(state, id);
    }
}

/// What is picked up, for the title of the rules.
pub fn remark(state: &State) -> Option<String> {
    let picked = state.explore.picked.as_ref()?;
    let keymap = &state.settings.keymap;
    let keys = keymap.keys(&[Layer::Rules], Action::PutDown);
    let keys = keys.map(key::show).unwrap_or_default();
    let name = match picked {
        Picked::Rule(rule) => format!("#{}", rule.handle),
        Picked::New(..) => "the new rule".into(),
    };
    Some(format!("{keys} puts {name} here"))
}
