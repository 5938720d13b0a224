//! Changes of legacy tables among the others. The kernel replaces such a table as a whole: the changes are made in a
//! table as it is now, and what comes out takes its place. [`applied`] is pure.

mod chains;

use super::iptables::{jump, of_change, rule};
use super::verify::{another, gone};
use super::{Problem, Wrong};
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::legacy::{XtablesLock, blob};
use crate::lang::iptables::parse::{self, Machine};
use crate::lang::iptables::print;
use crate::lang::iptables::rule::{Rule, Table};
use crate::lang::iptables::save::Context;
use crate::lang::iptables::{as_nft, from_legacy, from_nft, to_legacy};
use crate::lang::nft::compile as compiler;
use crate::model::xtables::rule::{LegacyTable, LegacyVerdict};
use crate::model::{self, Family, Names, Policy, Ruleset};
use crate::session::resolve;
use crate::session::{compile, iptables};
use crate::stage::change::{Anchor, Edit, Place, RuleRef, is_iptables};
use crate::stage::legacy::Rehearsal;
use crate::stage::{legacy, staged};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The changes of each legacy table, each with its place in the set.
fn by_table(edits: &[Edit]) -> BTreeMap<(Family, &str), Vec<(usize, &Edit)>> {
    let mut tables: BTreeMap<(Family, &str), Vec<(usize, &Edit)>> = BTreeMap::new();
    for (place, edit) in edits.iter().enumerate() {
        if let Some(table) = edit.legacy_table() {
            tables.entry(table).or_default().push((place, edit));
        }
    }
    tables
}

/// What names in rules stand for: those of the picture, and what only reading needs.
fn machine(names: &Names) -> Machine {
    Machine {
        names: names.clone(),
        ..iptables::machine(&Ruleset::default())
    }
}

/// A rule of a chain with the number that it had before the changes; new ones have none.
type Slot = (Option<u64>, Rule);

/// A table while changes are made in it.
struct Work<'w> {
    table: Table,
    slots: Vec<Vec<Slot>>,
    machine: &'w Machine,
}

/// The table with the changes made.
fn applied(now: Table, edits: &[(usize, &Edit)], machine: &Machine) -> Result<Table, Vec<Wrong>> {
    let numbered = |rules: &[Rule]| (1..).map(Some).zip(rules.iter().cloned()).collect();
    let mut work = Work {
        slots: now.chains.iter().map(|one| numbered(&one.rules)).collect(),
        table: now,
        machine,
    };
    let mut wrong = Vec::new();
    for (place, edit) in edits {
        if let Err(mistake) = work.make(*place, edit) {
            wrong.push(*mistake);
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let Work {
        mut table, slots, ..
    } = work;
    for (chain, slots) in table.chains.iter_mut().zip(slots) {
        chain.rules = slots.into_iter().map(|(_, rule)| rule).collect();
    }
    Ok(table)
}

impl Work<'_> {
    fn chain(&mut self, change: usize, edit: &Edit, place: &Place) -> Result<usize, Box<Wrong>> {
        let mut chains = self.table.chains.iter();
        chains
            .position(|chain| chain.name == place.name)
            .ok_or_else(|| {
                Box::new(Wrong {
                    change,
                    span: 0..edit.lead().trim_end().len(),
                    message: format!("there is no chain {} any more", place.words()),
                    help: Some("remove this change".into()),
                    moved: None,
                })
            })
    }

    /// Where a rule is that still says what it said: at its number, or, when others have put rules before it or taken
    /// some away, where it is the only one that says so.
    fn find(
        &mut self,
        change: usize,
        edit: &Edit,
        rule: &RuleRef,
    ) -> Result<(usize, usize), Box<Wrong>> {
        let chain = self.chain(change, edit, &rule.chain)?;
        let slots = self.slots.get(chain).map_or(&[][..], Vec::as_slice);
        let cx = Context {
            family: self.table.family,
            names: &self.machine.names,
        };
        let says = |slot: &Slot| print::words(&slot.1, &cx);
        let own = slots.iter().position(|slot| slot.0 == Some(rule.handle));
        let now = own.and_then(|own| slots.get(own)).map(says);
        // One without words is compared by its number alone.
        let same = now.as_ref() == Some(&rule.text) || !is_iptables(&rule.text);
        if let Some(own) = own.filter(|_| same) {
            return Ok((chain, own));
        }
        let there = slots.iter().enumerate();
        let mut others = there.filter(|(_, slot)| slot.0.is_some() && says(slot) == rule.text);
        match (others.next(), others.next()) {
            (Some((only, _)), None) => Ok((chain, only)),
            _ => Err(Box::new(match now {
                Some(now) => another(change, edit, rule, now),
                None => gone(change, edit, rule),
            })),
        }
    }

    fn put(
        &mut self,
        change: usize,
        edit: &Edit,
        at: &Anchor,
        new: Slot,
    ) -> Result<(), Box<Wrong>> {
        let (chain, index) = match at {
            Anchor::Before(rule) => self.find(change, edit, rule)?,
            Anchor::After(rule) => {
                let (chain, index) = self.find(change, edit, rule)?;
                (chain, index + 1)
            }
            Anchor::End(place) => (self.chain(change, edit, place)?, usize::MAX),
        };
        if let Some(slots) = self.slots.get_mut(chain) {
            slots.insert(index.min(slots.len()), new);
        }
        Ok(())
    }

    fn written(&self, change: usize, edit: &Edit, place: &Place) -> Result<Rule, Box<Wrong>> {
        let text = edit.text();
        let read = match is_iptables(text) {
            true => rule(text, place, self.machine),
            false => in_nft(text, place, &self.table),
        };
        let read = read.and_then(|read| {
            let chains = self.table.chains.iter();
            let chains = chains.filter(|chain| chain.policy.is_none());
            jump(text, &read, chains.map(|chain| &*chain.name))?;
            to_legacy::rule(&read)
                .map_err(|why| parse::Wrong::new(0, text.len(), why.to_string()))?;
            Ok(read)
        });
        read.map_err(|mistake| Box::new(of_change(change, edit, mistake)))
    }

    fn make(&mut self, change: usize, edit: &Edit) -> Result<(), Box<Wrong>> {
        match edit {
            Edit::AddRule { at, .. } => {
                let new = self.written(change, edit, at.chain())?;
                self.put(change, edit, at, (None, new))
            }
            Edit::ReplaceRule { rule, keep, .. } => {
                let mut new = self.written(change, edit, &rule.chain)?;
                let (chain, at) = self.find(change, edit, rule)?;
                let slot = self
                    .slots
                    .get_mut(chain)
                    .and_then(|slots| slots.get_mut(at));
                if let Some((_, old)) = slot {
                    if *keep {
                        new.counters = old.counters;
                    }
                    *old = new;
                }
                Ok(())
            }
            Edit::MoveRule { rule, to } => {
                let (chain, at) = self.find(change, edit, rule)?;
                let slots = self.slots.get_mut(chain);
                let Some((_, moved)) = slots.map(|slots| slots.remove(at)) else {
                    return Ok(());
                };
                self.put(change, edit, to, (None, moved))
            }
            Edit::DeleteRule { rule } => {
                let (chain, at) = self.find(change, edit, rule)?;
                if let Some(slots) = self.slots.get_mut(chain) {
                    slots.remove(at);
                }
                Ok(())
            }
            Edit::SetPolicy { chain, to, .. } => {
                let chain = self.chain(change, edit, chain)?;
                let chain = self.table.chains.get_mut(chain);
                if let Some((verdict, _)) = chain.and_then(|chain| chain.policy.as_mut()) {
                    *verdict = match to {
                        Policy::Drop => LegacyVerdict::Drop,
                        _ => LegacyVerdict::Accept,
                    };
                }
                Ok(())
            }
            Edit::MakeChain { text, .. } => self.make_chain(change, edit, text),
            Edit::RenameChain { chain, text } => self.rename_chain(change, edit, chain, text),
            Edit::DeleteChain { chain } => self.delete_chain(change, edit, chain),
            _ => Ok(()),
        }
    }
}

/// A rule in the words of nft that iptables has words for, too: compiled for a table of nf_tables that says the same.
fn in_nft(text: &str, place: &Place, table: &Table) -> Result<Rule, parse::Wrong> {
    let whole = |message: String| parse::Wrong::new(0, text.len(), message);
    let takes = "this table takes rules of iptables, such as `-p tcp --dport 22 -j ACCEPT`";
    let legacy = to_legacy::table(table).map_err(|why| whole(why.to_string()))?;
    let mut shown = as_nft::table(&legacy);
    shown.name = table.name.clone();
    let ruleset = Ruleset {
        tables: vec![Arc::new(shown)],
        ..Ruleset::default()
    };
    let lead = format!("add rule {} {} {} ", place.family, table.name, place.name);
    let told = |diagnostics: Vec<crate::lang::nft::syntax::Diagnostic>| match diagnostics.first() {
        Some(one) => {
            let place = |at: u32| (at as usize).saturating_sub(lead.len()).min(text.len());
            let (start, end) = (place(one.span.start), place(one.span.end));
            parse::Wrong::new(start, end, format!("{}; {takes}", one.message))
        }
        None => whole(takes.to_owned()),
    };
    let script = compile::parse("rule", format!("{lead}{text}"), Vec::new())
        .map_err(|(_, diagnostics)| told(diagnostics))?;
    let none = |_: Family, _: &str, _: &str| Ok(Arc::default());
    let compiled = compiler::compile(script.commands, &ruleset, &resolve::Machine::new(), &none)
        .map_err(told)?;
    let made = staged::staged(&ruleset, &compiled.commands)
        .map_err(|error| whole(error.why.to_string()))?;
    let made = made.tables.first().and_then(|table| {
        let rules = &table.chain(&place.name)?.rules;
        Some((table, rules.get(rules.len().checked_sub(1)?)?))
    });
    let Some((made, rule)) = made else {
        return Err(whole(takes.to_owned()));
    };
    from_nft::whole_rule(made, rule).map_err(|why| {
        whole(format!(
            "iptables has no words for this rule ({why}); {takes}"
        ))
    })
}

/// The legacy tables, which a picture shows as tables of its own, with the changes made. Pictures without them are
/// not for showing.
pub(super) fn shown(ruleset: &mut Ruleset, edits: &[Edit]) -> Result<(), Vec<Wrong>> {
    let tables = by_table(edits);
    if tables.is_empty() || ruleset.legacy.is_empty() {
        return Ok(());
    }
    let machine = iptables::machine(&Ruleset::default());
    let mut wrong = Vec::new();
    for ((family, name), edits) in tables {
        let table = ruleset.legacy.iter_mut().find(|table| {
            let same = table.name.strip_suffix(crate::model::ruleset::LEGACY) == Some(name);
            same && table.family == family
        });
        let read = table.as_ref().and_then(|table| as_nft::read(table));
        let (Some(table), Some(read)) = (table, read) else {
            wrong.extend(edits.iter().map(|(place, edit)| no_table(*place, edit)));
            continue;
        };
        match applied(read, &edits, &machine) {
            Ok(made) => {
                if let Ok(made) = to_legacy::table(&made) {
                    *table = Arc::new(as_nft::table(&made));
                }
            }
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    done(wrong)
}

fn done(wrong: Vec<Wrong>) -> Result<(), Vec<Wrong>> {
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

fn no_table(change: usize, edit: &Edit) -> Wrong {
    Wrong {
        change,
        span: 0..edit.lead().trim_end().len(),
        message: "this legacy table is not there (any more)".into(),
        help: None,
        moved: None,
    }
}

/// The rule that a change writes into a legacy table, alone in a table that can be read as one of nf_tables.
pub fn alone(ruleset: &Ruleset, edit: &Edit, names: &Names) -> Option<Arc<model::Table>> {
    let place = edit.place()?;
    let shown = ruleset.legacy.iter();
    let mut shown = shown.filter(|table| table.family == place.family);
    let table = as_nft::read(shown.find(|table| table.name == place.table)?)?;
    let machine = machine(names);
    let work = Work {
        table,
        slots: Vec::new(),
        machine: &machine,
    };
    let new = work.written(0, edit, place).ok()?;
    let mut table = work.table;
    for chain in &mut table.chains {
        chain.rules.clear();
        if chain.name == place.name {
            chain.rules.push(new.clone());
        }
    }
    let table = to_legacy::table(&table).ok()?;
    Some(Arc::new(as_nft::table(&table)))
}

/// The legacy tables with the changes made. Pure but for the names of this machine.
pub fn staged_legacy(now: &[LegacyTable], edits: &[Edit]) -> Result<Vec<LegacyTable>, Vec<Wrong>> {
    let mut tables = now.to_vec();
    let changes = by_table(edits);
    if changes.is_empty() {
        return Ok(tables);
    }
    let machine = iptables::machine(&Ruleset::default());
    let mut wrong = Vec::new();
    for ((family, name), edits) in changes {
        let mut of_name = tables.iter_mut();
        let Some(table) = of_name.find(|one| one.family == family && &*one.name == name) else {
            wrong.extend(edits.iter().map(|(place, edit)| no_table(*place, edit)));
            continue;
        };
        match applied(from_legacy::table(table), &edits, &machine) {
            Ok(made) => match to_legacy::table(&made) {
                Ok(made) => *table = made,
                Err(_) => wrong.extend(edits.iter().map(|(place, edit)| no_table(*place, edit))),
            },
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    done(wrong)?;
    Ok(tables)
}

/// Replacements of legacy tables, and the changes that each is made of.
#[derive(Default)]
pub(super) struct Replacing {
    pub plan: legacy::Plan,
    owners: Vec<Vec<usize>>,
    /// Keeps others from the tables until the plan is carried out.
    _lock: Option<XtablesLock>,
}

/// Read the tables as they are now, and make the changes in them.
pub(super) fn prepare(edits: &[Edit], names: &Names) -> Result<Replacing, Problem> {
    let tables = by_table(edits);
    if tables.is_empty() {
        return Ok(Replacing::default());
    }
    let other =
        |error: &dyn std::fmt::Display| Problem::Other(format!("{error}; nothing was changed"));
    let machine = machine(names);
    let mut replacing = Replacing {
        _lock: Some(legacy::lock().map_err(|error| other(&error))?),
        ..Replacing::default()
    };
    let mut wrong = Vec::new();
    for ((family, name), edits) in tables {
        let socket = LegacySocket::open(family).map_err(|error| other(&error))?;
        let before = socket.blob(name).map_err(|error| other(&error))?;
        let now = blob::decode(family, name, &before.info, &before.bytes)
            .map_err(|error| other(&error))?;
        match applied(from_legacy::table(&now), &edits, &machine) {
            Ok(wanted) => {
                let wanted = to_legacy::table(&wanted).map_err(|error| other(&error))?;
                let added = replacing.plan.add(before, &now, &wanted);
                added.map_err(|error| other(&error))?;
                let owners = edits.iter().map(|(place, _)| *place).collect();
                replacing.owners.push(owners);
            }
            Err(mistakes) => wrong.extend(mistakes),
        }
    }
    match wrong.is_empty() {
        true => Ok(replacing),
        false => Err(Problem::Changes(wrong)),
    }
}

impl Replacing {
    /// Have the kernel look at the tables, where they do no harm.
    pub fn rehearse(&self) -> Result<(), Problem> {
        if self.plan.is_empty() {
            return Ok(());
        }
        match legacy::rehearse(&self.plan) {
            Rehearsal::Refused(refused) => Err(self.refused(&refused)),
            Rehearsal::Fine | Rehearsal::NotTried(_) => Ok(()),
        }
    }

    /// On the changes of the table that the kernel did not take.
    pub fn refused(&self, refused: &legacy::Refused) -> Problem {
        let owners = self
            .owners
            .get(refused.index)
            .map_or(&[][..], Vec::as_slice);
        if owners.is_empty() {
            return Problem::Other(refused.to_string());
        }
        let wrong = owners.iter().map(|change| Wrong {
            change: *change,
            span: 0..0,
            message: refused.to_string(),
            help: None,
            moved: None,
        });
        Problem::Changes(wrong.collect())
    }
}
