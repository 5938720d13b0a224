//! Whether the rules that changes point at are still what they were. Reads sets that are written out in rules.

use super::{Moved, Problem, Wrong};
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::dump;
use crate::lang::iptables::print;
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::model::{Elements, Family, Name, Names, Rule, Ruleset, Table};
use crate::stage::change::{Edit, RuleRef, is_iptables};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every rule that a change points at is still there, and still says what it said.
pub(super) fn verify(edits: &[Edit], ruleset: &Ruleset, names: &Names) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    let mut last: Option<(Family, Name, TableView)> = None;
    let rules = edits.iter().enumerate();
    // Those of legacy tables are compared when these are read.
    let rules = rules.filter(|(_, edit)| edit.is_of_ruleset());
    let rules =
        rules.flat_map(|(place, edit)| edit.points_at().map(move |rule| (place, edit, rule)));
    for (place, edit, rule) in rules {
        let (family, name) = (rule.chain.family, &rule.chain.table);
        if !matches!(&last, Some((f, n, _)) if *f == family && n == name) {
            let Some(table) = ruleset.table(family, name) else {
                wrong.push(gone(place, edit, rule));
                continue;
            };
            let wanted = edits.iter().flat_map(Edit::points_at);
            let table = with_written_out_sets(table, wanted)
                .map_err(|error| Problem::Other(format!("cannot read sets: {error}")))?;
            last = Some((family, name.clone(), TableView::new(&Arc::new(table))));
        }
        let Some((_, _, view)) = &last else {
            continue;
        };
        let chain = view
            .table
            .chains
            .iter()
            .find(|chain| chain.name == rule.chain.name);
        let now = chain
            .and_then(|chain| chain.rules.get(chain.rules.index_of(rule.handle)?))
            .map(|now| said(view, names, now, &rule.text));
        match now {
            None => wrong.push(gone(place, edit, rule)),
            Some(now) if now != rule.text => wrong.push(another(place, edit, rule, now)),
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Problem::Changes(wrong))
    }
}

/// The rule in the language in which it was written down.
fn said(view: &TableView, names: &Names, now: Rule<'_>, was: &str) -> String {
    let own = match is_iptables(was) {
        true => print::text(&view.table, names, now),
        false => None,
    };
    own.unwrap_or_else(|| facts::rule_text_stateless(view, names, now))
}

/// A rule that says something else than when the change of it was made.
pub(super) fn another(place: usize, edit: &Edit, rule: &RuleRef, now: String) -> Wrong {
    Wrong {
        change: place,
        span: 0..edit.lead().trim_end().len(),
        message: format!(
            "rule #{} was changed by somebody; it says now: {now}",
            rule.handle
        ),
        help: Some("look at it; remove this change, or make it for the rule as it is now".into()),
        moved: Some(Moved {
            handle: rule.handle,
            was: rule.text.clone(),
            now: Some(now),
        }),
    }
}

pub(super) fn gone(place: usize, edit: &Edit, rule: &RuleRef) -> Wrong {
    Wrong {
        change: place,
        span: 0..edit.lead().trim_end().len(),
        message: format!(
            "rule #{} of {} is gone; it said: {}",
            rule.handle,
            rule.chain.words(),
            rule.text
        ),
        help: Some("remove this change, and make it again if it still fits".into()),
        moved: Some(Moved {
            handle: rule.handle,
            was: rule.text.clone(),
            now: None,
        }),
    }
}

/// The table with the elements of those sets that are written out in the rules that are compared.
fn with_written_out_sets<'r>(
    table: &Table,
    rules: impl Iterator<Item = &'r RuleRef>,
) -> Result<Table, KernelError> {
    let mut names: BTreeSet<Name> = BTreeSet::new();
    for rule in rules {
        if rule.chain.family != table.family || rule.chain.table != table.name {
            continue;
        }
        let chain = table.chains.iter().find(|c| c.name == rule.chain.name);
        let found = chain.and_then(|chain| chain.rules.get(chain.rules.index_of(rule.handle)?));
        names.extend(
            found
                .into_iter()
                .flat_map(|rule| facts::references(rule).sets),
        );
    }
    with_elements(table, |set| names.contains(set))
}

/// The tables of the rules that are moved, with the elements of all sets that belong to rules.
pub(super) fn for_moves(ruleset: &Ruleset, edits: &[Edit]) -> Result<Ruleset, KernelError> {
    let mut ruleset = ruleset.clone();
    let moved = edits.iter().filter_map(|edit| match edit {
        Edit::MoveRule { rule, .. } => Some((rule.chain.family, &rule.chain.table)),
        _ => None,
    });
    let moved: BTreeSet<(Family, &Name)> = moved.collect();
    for table in &mut ruleset.tables {
        if moved.contains(&(table.family, &table.name)) {
            *table = Arc::new(with_elements(table, |_| true)?);
        }
    }
    Ok(ruleset)
}

/// The table with the elements of those sets without a name of their own that are wanted.
fn with_elements(table: &Table, wanted: impl Fn(&Name) -> bool) -> Result<Table, KernelError> {
    let mut table = table.clone();
    let mut socket = None;
    let (family, own) = (table.family, table.name.clone());
    for set in &mut table.sets {
        if !set.is_anonymous() || !wanted(&set.name) {
            continue;
        }
        let socket = match &mut socket {
            Some(socket) => socket,
            none => none.insert(Socket::open(Protocol::Netfilter)?),
        };
        let list = dump::elements(socket, family, &own, &set.name)?;
        Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
    }
    Ok(table)
}
