//! What helps somebody who writes a change: what is wrong with it, how it reads in English, what could come next.

use crate::lang::english;
use crate::lang::iptables::complete::{self as own, Names as Named};
use crate::lang::iptables::from_nft;
use crate::lang::nft::complete::{self, Candidate, Mode};
use crate::lang::nft::delinearize::TableView;
use crate::model::{Ruleset, Table};
use crate::session::Picture;
use crate::session::changes::{self, Wrong};
use crate::session::resolve::Machine;
use crate::stage::change::{Edit, Place, is_iptables};
use std::sync::Arc;

/// Words that are offered.
const OFFERED: usize = 200;

#[derive(Clone, Debug, Default)]
pub struct Advice {
    pub wrong: Vec<Wrong>,
    /// The rule as a sentence, when it can be read.
    pub english: Option<String>,
    /// What a person should know before it is staged.
    pub note: Option<String>,
    /// Places are bytes of what the person writes.
    pub words: Vec<Candidate>,
}

/// About the last of `edits`; `cursor` is a byte of what the person writes of it. The edits before it are those that
/// it builds on.
pub fn advise(picture: &Picture, edits: &[Edit], cursor: usize) -> Advice {
    let Some(edit) = edits.last() else {
        return Advice::default();
    };
    let (ruleset, names) = (&picture.ruleset, &picture.names);
    let mut wrong = changes::look(ruleset, edits, &picture.network.links, names);
    wrong.retain(|one| one.change + 1 == edits.len());
    let english = match edit {
        Edit::AddRule { at, .. } => Some(at.chain()),
        Edit::ReplaceRule { rule, .. } => Some(&rule.chain),
        _ => None,
    };
    let place = english.filter(|_| wrong.is_empty());
    let (english, note) = match place.and_then(|place| made(picture, edits, place)) {
        Some((english, note)) => (Some(english), note),
        None => (None, None),
    };
    Advice {
        wrong,
        english,
        note,
        words: words(picture, edit, cursor),
    }
}

/// The rule that the last edit makes, as a sentence; and whether iptables loses it.
fn made(picture: &Picture, edits: &[Edit], place: &Place) -> Option<(String, Option<String>)> {
    if place.legacy().is_some() {
        let table = changes::alone(&picture.ruleset, edits.last()?, &picture.names)?;
        let rule = table.chain(&place.name)?.rules.get(0)?;
        let view = TableView::new(&table);
        return Some((english::rule(&view, &picture.names, rule), None));
    }
    let staged = changes::staged(&picture.ruleset, edits).ok()?;
    let table = staged.tables.iter().find(|one| is_of(one, place))?;
    let chain = table.chain(&place.name)?;
    // What is new has the highest handle.
    let rule = chain.rules.iter().max_by_key(|rule| rule.handle)?;
    let view = TableView::new(table);
    let sentence = english::rule(&view, &picture.names, rule);
    let note = match from_nft::whole_rule(table, rule) {
        Err(why) if from_nft::is_of_iptables(table) => Some(format!(
            "iptables cannot show this table as it is then: {why}"
        )),
        _ => None,
    };
    Some((sentence, note))
}

fn is_of(table: &Table, place: &Place) -> bool {
    table.family == place.family && table.name == place.table
}

/// Those that a rule is likely to name; all others can be written as well.
fn protocols(picture: &Picture) -> Vec<String> {
    const USUAL: [&str; 7] = ["tcp", "udp", "icmp", "icmpv6", "sctp", "esp", "ah"];
    let mut names: Vec<String> = USUAL.map(str::to_owned).to_vec();
    let others = picture.names.protocols.values().cloned();
    names.extend(others.filter(|name| !USUAL.contains(&name.as_str())));
    names
}

/// What could stand at the cursor.
fn words(picture: &Picture, edit: &Edit, cursor: usize) -> Vec<Candidate> {
    let mode = match edit {
        Edit::AddRule { .. } | Edit::ReplaceRule { .. } => Mode::Rule,
        Edit::Command { .. } => Mode::File,
        _ => return Vec::new(),
    };
    let ruleset: &Ruleset = &picture.ruleset;
    // What a rule names is in its own table.
    let place = edit.place();
    let tables: Vec<&Arc<Table>> = ruleset
        .tables
        .iter()
        .chain(&ruleset.legacy)
        .filter(|table| place.is_none_or(|place| is_of(table, place)))
        .collect();
    let all = |of: &dyn Fn(&Table) -> Vec<String>| -> Vec<String> {
        let mut all: Vec<String> = tables.iter().flat_map(|table| of(table)).collect();
        all.sort();
        all.dedup();
        all
    };
    let chains = all(&|table| {
        let named = table.chains.iter().filter(|chain| !chain.is_binding());
        // A base chain cannot be jumped to.
        let fits = named.filter(|chain| mode == Mode::File || chain.base.is_none());
        fits.map(|chain| chain.name.to_string()).collect()
    });
    let sets = all(&|table| {
        let named = table.sets.iter().filter(|set| !set.is_anonymous());
        named.map(|set| set.name.to_string()).collect()
    });
    let flowtables = all(&|table| {
        table
            .flowtables
            .iter()
            .map(|one| one.name.to_string())
            .collect()
    });
    let objects = all(&|table| {
        table
            .objects
            .iter()
            .map(|one| one.name.to_string())
            .collect()
    });
    let table_names = all(&|table| vec![table.name.to_string()]);
    let interfaces: Vec<String> = picture
        .network
        .links
        .iter()
        .map(|link| link.name.to_string())
        .collect();
    let services = Machine::new().service_names();
    if let Some(place) = place.filter(|_| mode == Mode::Rule)
        && tables.iter().any(|table| from_nft::is_of_iptables(table))
        && (edit.text().trim().is_empty() || is_iptables(edit.text()))
    {
        let names = Named {
            chains: &chains,
            interfaces: &interfaces,
            services: &services,
            protocols: &protocols(picture),
            sets: &picture.names.ipsets.values().cloned().collect::<Vec<_>>(),
        };
        let mut words = own::complete(edit.text(), cursor, place.family, &names);
        words.truncate(OFFERED);
        return words;
    }
    let names = complete::Names {
        tables: &table_names,
        chains: &chains,
        sets: &sets,
        flowtables: &flowtables,
        objects: &objects,
        interfaces: &interfaces,
        services: &services,
    };
    let mut words = complete::complete(edit.text(), cursor, mode, &names);
    words.truncate(OFFERED);
    words
}
