//! Making, renaming and taking away what the tree shows, as commands in the change set.

use super::node::{Group, Item};
use super::symbols;
use crate::model::{Family, Name, Ruleset, Table};
use crate::stage::change::Edit;
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::overlay::editor;
use crate::tui::screen::changes;

/// The node under the cursor of the tree.
fn item<'r>(state: &State, ruleset: &'r Ruleset) -> Option<Item<'r>> {
    let node = state.explore.tree.selected.as_ref()?;
    let legacy = |(family, table): (Family, &Name)| ruleset.is_legacy(family, table);
    if node.table().is_some_and(legacy) {
        // Its chains are made and taken away by `hookscope apply --backend legacy`.
        return None;
    }
    node.locate(ruleset)?.item(ruleset)
}

/// The table of what is on the screen; a legacy one has no text of the nft language.
pub fn table(state: &State) -> Option<(Family, Name)> {
    let (family, table) = state.explore.tree.selected.as_ref()?.table()?;
    let legacy = state.ruleset()?.is_legacy(family, table);
    (!legacy).then(|| (family, table.clone()))
}

/// What a person begins with.
enum Start {
    /// A command that is whole.
    Whole(String),
    /// The beginning of one.
    Begun(String),
}

fn place(table: &Table) -> String {
    format!("{} {}", table.family, table.name)
}

fn start(item: Item<'_>, action: Action) -> Option<Start> {
    let object = |table: &Table, kind: &str, name: &str| {
        Start::Whole(format!("delete {kind} {} {name}", place(table)))
    };
    match action {
        Action::Delete => Some(match item {
            Item::Table(table) => Start::Whole(format!("delete table {}", place(table))),
            // The kernel takes no chain away that holds rules.
            Item::Chain(table, chain) if !chain.rules.is_empty() => {
                let chain = format!("chain {} {}", place(table), chain.name);
                Start::Whole(format!("flush {chain}\ndelete {chain}"))
            }
            Item::Chain(table, chain) => object(table, "chain", &chain.name),
            Item::Set(table, set) if !set.is_anonymous() => {
                let kind = if set.is_map() { "map" } else { "set" };
                object(table, kind, &set.name)
            }
            Item::Flowtable(table, one) => object(table, "flowtable", &one.name),
            Item::Object(table, one) => object(table, &symbols::object_kind(one.kind), &one.name),
            _ => return None,
        }),
        Action::Edit => match item {
            Item::Chain(table, chain) if chain.base.is_none() => {
                let (table, name) = (place(table), &chain.name);
                Some(Start::Begun(format!("rename chain {table} {name} ")))
            }
            _ => None,
        },
        Action::AddAfter => Some(Start::Begun(match item {
            Item::Family(family) => format!("add table {family} "),
            Item::Table(table) | Item::Chain(table, _) | Item::Bucket(table) => {
                format!("add chain {} ", place(table))
            }
            Item::Group(table, Group::Sets) | Item::Set(table, _) => {
                format!("add set {} ", place(table))
            }
            Item::Group(table, Group::Maps) => format!("add map {} ", place(table)),
            Item::Group(table, Group::Flowtables) | Item::Flowtable(table, _) => {
                format!("add flowtable {} ", place(table))
            }
            Item::Group(table, _) | Item::Object(table, _) => {
                format!("add counter {} ", place(table))
            }
        })),
        _ => None,
    }
}

pub fn enabled(state: &State, ruleset: &Ruleset, action: Action) -> bool {
    item(state, ruleset).is_some_and(|item| start(item, action).is_some())
}

pub fn perform(state: &mut State, ruleset: &Ruleset, action: Action, effects: &mut Vec<Effect>) {
    let Some(start) = item(state, ruleset).and_then(|item| start(item, action)) else {
        return;
    };
    match start {
        Start::Begun(text) => editor::open(state, Edit::Command { text }, None, effects),
        Start::Whole(text) => {
            let last = text.rsplit('\n').next().unwrap_or_default().to_owned();
            let all = state.changes.set.changes();
            let same = |edit: &Edit| matches!(edit, Edit::Command { text: own } if *own == text);
            if let Some(id) = all.iter().find(|one| same(&one.edit)).map(|one| one.id) {
                changes::update::remove(state, id);
                state.notify(Level::Info, format!("not any more: {last}"));
                return;
            }
            if changes::update::stage(state, Edit::Command { text }).is_some() {
                state.notify(Level::Info, format!("staged: {last}"));
            }
        }
    }
}
