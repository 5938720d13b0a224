//! Making, renaming and taking away what the tree shows, as commands in the change set.

use super::edit::chain_place;
use super::node::{Group, Item};
use super::symbols;
use crate::model::{Chain, Family, Name, Ruleset, Table};
use crate::stage::change::{Edit, Place};
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::human;
use crate::tui::overlay::editor;
use crate::tui::screen::changes;

/// The node under the cursor of the tree.
fn item<'r>(state: &State, ruleset: &'r Ruleset) -> Option<Item<'r>> {
    let node = state.explore.tree.selected.as_ref()?;
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
    /// A change of a legacy table with a name to be written.
    Named(Edit),
    /// A chain of a legacy table is to go.
    Gone(Place),
}

/// The same for a legacy table: chains come and go as `iptables` has it.
fn start_legacy(item: Item<'_>, action: Action) -> Option<Start> {
    match (action, item) {
        (Action::AddAfter, Item::Table(table) | Item::Chain(table, _) | Item::Bucket(table)) => {
            Some(Start::Named(Edit::MakeChain {
                table: Place {
                    family: table.family,
                    table: table.name.clone(),
                    name: "".into(),
                },
                text: String::new(),
            }))
        }
        // The kernel's own chains stay and keep their names.
        (Action::Edit, Item::Chain(table, chain)) if chain.base.is_none() => {
            Some(Start::Named(Edit::RenameChain {
                chain: chain_place(table, chain),
                text: chain.name.to_string(),
            }))
        }
        (Action::Delete, Item::Chain(table, chain)) if chain.base.is_none() => {
            Some(Start::Gone(chain_place(table, chain)))
        }
        _ => None,
    }
}

/// The table of a node below a family.
fn table_of<'r>(item: &Item<'r>) -> Option<&'r Table> {
    match item {
        Item::Family(_) => None,
        Item::Table(table)
        | Item::Group(table, _)
        | Item::Bucket(table)
        | Item::Chain(table, _)
        | Item::Set(table, _)
        | Item::Flowtable(table, _)
        | Item::Object(table, _) => Some(&***table),
    }
}

fn begin(ruleset: &Ruleset, item: Item<'_>, action: Action) -> Option<Start> {
    let legacy = |table: &Table| ruleset.is_legacy(table.family, &table.name);
    match table_of(&item).is_some_and(legacy) {
        true => start_legacy(item, action),
        false => start(item, action),
    }
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
    item(state, ruleset).is_some_and(|item| begin(ruleset, item, action).is_some())
}

pub fn perform(state: &mut State, ruleset: &Ruleset, action: Action, effects: &mut Vec<Effect>) {
    let start = item(state, ruleset).and_then(|item| begin(ruleset, item, action));
    let Some(start) = start else {
        return;
    };
    match start {
        Start::Named(edit) => {
            // A name that was given already is written anew.
            let mut staged = state.changes.set.changes().iter();
            let same = |other: &Edit| match (&edit, other) {
                (Edit::RenameChain { chain, .. }, Edit::RenameChain { chain: own, .. }) => {
                    chain == own
                }
                _ => false,
            };
            let known = staged.find(|one| same(&one.edit));
            let known = known.map(|one| (one.id, one.edit.clone()));
            let (id, edit) = known.map_or((None, edit), |(id, edit)| (Some(id), edit));
            editor::open(state, edit, id, effects);
        }
        Start::Gone(chain) => delete_legacy(state, ruleset, chain),
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

/// As `iptables -X`: a chain goes when it is empty and nothing leads there.
fn delete_legacy(state: &mut State, ruleset: &Ruleset, chain: Place) {
    let all = state.changes.set.changes();
    let same = |edit: &Edit| matches!(edit, Edit::DeleteChain { chain: own } if *own == chain);
    if let Some(id) = all.iter().find(|one| same(&one.edit)).map(|one| one.id) {
        changes::update::remove(state, id);
        state.notify(Level::Info, format!("chain {} stays", chain.name));
        return;
    }
    if let Some(why) = kept(state, ruleset, &chain) {
        state.notify(Level::Warning, format!("not staged: {why}"));
        return;
    }
    let text = format!("staged: chain {} goes", chain.name);
    if changes::update::stage(state, Edit::DeleteChain { chain }).is_some() {
        state.notify(Level::Info, text);
    }
}

/// Why a chain cannot go, with the changes that are staged.
fn kept(state: &State, ruleset: &Ruleset, chain: &Place) -> Option<String> {
    let set = &state.changes.set;
    let goes = |place: &Place, handle: u64| {
        let change = set.of_rule(place, handle).map(|one| &one.edit);
        matches!(
            change,
            Some(Edit::DeleteRule { .. } | Edit::MoveRule { .. })
        )
    };
    let table = ruleset.find(chain.family, &chain.table)?;
    let rules = &table.chain(&chain.name)?.rules;
    let stay = rules
        .iter()
        .filter(|rule| !goes(chain, rule.handle))
        .count();
    let stay = stay + set.new_rules(chain).count();
    if stay > 0 {
        let rules = human::plural(stay, "rule", "rules");
        return Some(format!(
            "chain {} holds {rules}; delete what it holds first",
            chain.name
        ));
    }
    // Not known yet: then the commit tells.
    let incoming = state.explore.incoming.as_ref()?;
    if incoming.table.as_ref() != Some(&(chain.family, chain.table.clone())) {
        return None;
    }
    let from = |(from, handle): &&(Name, u64)| {
        let place = Place {
            name: from.clone(),
            ..chain.clone()
        };
        !goes(&place, *handle)
    };
    let (from, number) = incoming.jumps.get(&chain.name)?.iter().find(from)?;
    Some(format!(
        "rule {number} of {from} goes to {}; delete that rule first",
        chain.name
    ))
}

/// What is going to become of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Gone,
    /// Its name then.
    Renamed(String),
}

/// What a command that was made here says of a chain: `delete chain ip t c`, `rename chain ip t c d`.
fn of_command(text: &str, chain: &Place) -> Option<Fate> {
    let (verb, rest) = text.lines().last()?.split_once(" chain ")?;
    let rest = rest.strip_prefix(&chain.words())?;
    match (verb, rest.strip_prefix(' ')) {
        ("delete", None) if rest.is_empty() => Some(Fate::Gone),
        ("rename", Some(name)) => Some(Fate::Renamed(name.trim().to_owned())),
        _ => None,
    }
}

pub(super) fn fate(state: &State, table: &Table, chain: &Chain) -> Option<Fate> {
    if state.changes.set.is_empty() {
        return None;
    }
    let place = chain_place(table, chain);
    let mut edits = state.changes.set.changes().iter().map(|one| &one.edit);
    edits.find_map(|edit| match edit {
        Edit::DeleteChain { chain } if *chain == place => Some(Fate::Gone),
        Edit::RenameChain { chain, text } if *chain == place => Some(Fate::Renamed(text.clone())),
        Edit::Command { text } => of_command(text, &place),
        _ => None,
    })
}

/// The chains that a table is going to have besides.
pub(super) fn new_chains(state: &State, table: &Table) -> Vec<String> {
    let edits = state.changes.set.changes().iter().map(|one| &one.edit);
    let lead = format!("add chain {} ", place(table));
    let new = edits.filter_map(|edit| match edit {
        Edit::MakeChain { table: own, text }
            if (own.family, &own.table) == (table.family, &table.name) =>
        {
            Some(text.clone())
        }
        Edit::Command { text } => {
            let name = text
                .strip_prefix(&lead)?
                .split([' ', '{', ';', '\n'])
                .next()?;
            // A chain that is there gets another policy that way.
            let there = table.chain(name).is_some();
            (!name.is_empty() && !there).then(|| name.to_owned())
        }
        _ => None,
    });
    new.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_what_becomes_of_a_chain() {
        let chain = Place {
            family: Family::Ip,
            table: "t".into(),
            name: "c".into(),
        };
        for (text, fate) in [
            ("delete chain ip t c", Some(Fate::Gone)),
            ("flush chain ip t c\ndelete chain ip t c", Some(Fate::Gone)),
            ("rename chain ip t c d", Some(Fate::Renamed("d".into()))),
            ("delete chain ip t cc", None),
            ("flush chain ip t c", None),
            ("add rule ip t c accept", None),
        ] {
            assert_eq!(of_command(text, &chain), fate, "{text}");
        }
    }
}
