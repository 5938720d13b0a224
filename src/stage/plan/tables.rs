//! One table: to be taken away, made, or changed. Pure.

use super::Options;
use super::chains::{self, Chains};
use super::elements;
use super::emit::{self, Part, SetPart, TablePlan};
use crate::model::command::*;
use crate::model::ruleset::table_flags;
use crate::model::{Flowtable, Name, Object, ObjectData, Set, Table};
use crate::stage::content::same_definition;
use crate::stage::make::{Maker, Reference};
use std::collections::HashSet;
use std::sync::Arc;

fn title(table: &Table) -> String {
    format!("table {} {}", table.family, table.name)
}

fn owned(table: &Table) -> bool {
    table.flags & table_flags::OWNER != 0
}

/// A table that was made and shall not be.
pub fn take(maker: &mut Maker, left: &mut Vec<String>, base: &Table, now: &Table) {
    if base.handle != now.handle {
        left.push(format!(
            "{}: somebody else made it anew in the meantime; it stays",
            title(base)
        ));
        return;
    }
    if owned(now) {
        left.push(format!(
            "{}: another process owns it; it stays",
            title(base)
        ));
        return;
    }
    if foreign(base, now) {
        // Somebody else's chains and rules stand in it: take out what was made, and leave the rest.
        left.push(format!(
            "{}: somebody else added to it in the meantime; it stays with what they added",
            title(base)
        ));
        let empty = Table {
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            flowtables: Vec::new(),
            ..base.clone()
        };
        restore(
            maker,
            left,
            &empty,
            (Some(base), Some(now)),
            Options::default(),
        );
        return;
    }
    let key = Key::Name(now.name.clone());
    maker.push(now, What::TakeTable(Take::Delete, Some(key)));
}

/// Whether `now` holds chains, rules, sets or objects that `base` does not.
fn foreign(base: &Table, now: &Table) -> bool {
    let handles = |table: &Table| -> HashSet<(u8, u64)> {
        let chains = table.chains.iter().map(|chain| (0, chain.handle));
        let sets = table.sets.iter().map(|set| (1, set.handle));
        let objects = table.objects.iter().map(|object| (2, object.handle));
        let flowtables = table
            .flowtables
            .iter()
            .map(|flowtable| (3, flowtable.handle));
        let rules = table.chains.iter().flat_map(|chain| chain.rules.iter());
        let rules = rules.map(|rule| (4, rule.handle));
        chains
            .chain(sets)
            .chain(objects)
            .chain(flowtables)
            .chain(rules)
            .collect()
    };
    !handles(now).is_subset(&handles(base))
}

/// A table that shall be as in `want`; `was` is what was made of it, `is` what is there.
pub fn restore(
    maker: &mut Maker,
    left: &mut Vec<String>,
    want: &Table,
    (was, is): (Option<&Table>, Option<&Table>),
    options: Options<'_>,
) {
    if owned(want) && is.is_none() {
        left.push(format!(
            "{}: it belonged to a process, which alone can make it",
            title(want)
        ));
        return;
    }
    let (was, is) = match (was, is) {
        (_, None) if was.is_none() => return emit::whole(maker, want, options.elapsed),
        (None, Some(_)) => {
            left.push(format!(
                "{}: somebody else made one in the meantime; theirs stays",
                title(want)
            ));
            return;
        }
        (Some(_), None) => {
            left.push(format!(
                "{}: somebody else deleted it in the meantime; it stays deleted",
                title(want)
            ));
            return;
        }
        (Some(was), Some(is)) if was.handle != is.handle => {
            left.push(format!(
                "{}: somebody else made it anew in the meantime; theirs stays",
                title(was)
            ));
            return;
        }
        (Some(was), Some(is)) => (was, is),
        (None, None) => return,
    };
    let whole = emit::unchanged(want, was);
    if whole {
        return;
    }
    if owned(is) {
        left.push(format!("{}: another process owns it", title(want)));
        return;
    }
    let mut plan = TablePlan::default();
    if want.flags != was.flags && is.flags == was.flags {
        plan.flags = Some(want.flags);
    }
    plan.fresh = want.userdata != was.userdata;
    sets(&mut plan, left, (want, was, is), options.elapsed);
    objects(&mut plan, left, (want, was, is));
    flowtables(&mut plan, left, (want, was, is));
    let mut poisoned = emit::poisoned(&plan);
    let mut target = Chains::new(want, was, is);
    target.definitions(&mut plan, left, &mut poisoned);
    target.rules(&mut plan, left, &poisoned);
    emit::again(&mut plan, is, &poisoned, options.elapsed);
    if !plan.fresh && options.order && !foreign(was, is) {
        plan.fresh = !emit::in_order(&plan, want, is);
    }
    emit::emit(maker, &plan, (want, is), options.elapsed);
}

/// A part as it is wanted, as it was made, and as it is.
pub(super) type Forms<'t, T> = [Option<&'t Arc<T>>; 3];

/// What happens to a named part, from its three forms.
fn part<T>(
    forms: Forms<'_, T>,
    same: impl Fn(&T, &T) -> bool,
    handle: impl Fn(&T) -> u64,
) -> Result<Part, &'static str> {
    let [want, was, is] = forms;
    let theirs = match (was, is) {
        (Some(was), Some(is)) => handle(was) != handle(is),
        (None, Some(_)) => true,
        _ => false,
    };
    Ok(match (want, was, is) {
        (None, _, None) => Part::Absent,
        // What others made, and nobody here wants to be otherwise.
        (None, None, Some(_)) => Part::Stays,
        (None, Some(_), Some(_)) if theirs => return Err("somebody else made it anew"),
        (None, Some(_), Some(_)) => Part::Goes,
        (Some(_), None, None) => Part::Comes,
        (Some(want), Some(was), None) if same(want, was) => Part::Absent,
        (Some(_), Some(_), None) => return Err("somebody else deleted it"),
        (Some(want), Some(was), Some(_)) if same(want, was) => Part::Stays,
        (Some(want), _, Some(is)) if same(want, is) => Part::Stays,
        (Some(_), _, Some(_)) if theirs => return Err("somebody else made it anew"),
        (Some(_), _, Some(_)) => Part::Changes,
    })
}

/// The names of all three, in the order of what is wanted, then of what is there.
pub(super) fn names<'t, T: 't>(
    lists: [&'t [Arc<T>]; 3],
    name: impl Fn(&'t T) -> Option<&'t Name>,
) -> Vec<Name> {
    let mut seen = HashSet::new();
    lists
        .into_iter()
        .flatten()
        .filter_map(|item| name(item))
        .filter(|name| seen.insert((*name).clone()))
        .cloned()
        .collect()
}

type Three<'t> = (&'t Table, &'t Table, &'t Table);

fn sets(plan: &mut TablePlan, left: &mut Vec<String>, (want, was, is): Three<'_>, elapsed: u64) {
    let lists = [&*want.sets, &*is.sets, &*was.sets];
    let named = |set: &'_ Set| !set.is_anonymous();
    for name in names(lists, |set| named(set).then_some(&set.name)) {
        let find = |table: &'_ Table| table.set(&name).filter(|set| named(set)).cloned();
        let (w, b, n) = (find(want), find(was), find(is));
        let forms = [w.as_ref(), b.as_ref(), n.as_ref()];
        let what = part(forms, same_definition, |set| set.handle).unwrap_or_else(|why| {
            left.push(format!(
                "{}: set '{name}': {why} in the meantime",
                title(want)
            ));
            Part::Stays
        });
        let mut elements = elements::Elements::default();
        if let (Part::Stays | Part::Changes, Some(w), Some(b), Some(n)) = (what, &w, &b, &n)
            && b.handle == n.handle
        {
            // Elements can be compared as long as the keys are of one type.
            if w.key_len == b.key_len && (what == Part::Stays || same_definition(b, n)) {
                elements = elements::merge(w, b, n, elapsed);
            }
        }
        if elements.left > 0 {
            left.push(format!(
                "{}: set '{name}': somebody else changed {} elements in the meantime; they stay",
                title(want),
                elements.left
            ));
        }
        plan.sets.push(SetPart {
            name,
            what,
            elements,
        });
    }
}

fn objects(plan: &mut TablePlan, left: &mut Vec<String>, (want, was, is): Three<'_>) {
    let lists = [&*want.objects, &*is.objects, &*was.objects];
    let mut seen = HashSet::new();
    for object in lists.into_iter().flatten() {
        // Objects of different kinds may share a name.
        let key = (object.kind, object.name.clone());
        if !seen.insert(key.clone()) {
            continue;
        }
        let find = |table: &'_ Table| {
            let mut objects = table.objects.iter();
            objects
                .find(|other| (other.kind, &other.name) == (key.0, &key.1))
                .cloned()
        };
        let (w, b, n) = (find(want), find(was), find(is));
        let forms = [w.as_ref(), b.as_ref(), n.as_ref()];
        let what = part(forms, same_object, |object| object.handle).unwrap_or_else(|why| {
            left.push(format!(
                "{}: object '{}': {why} in the meantime",
                title(want),
                key.1
            ));
            Part::Stays
        });
        plan.objects.push((key, what));
    }
}

/// Whether two objects are declared alike, whatever they have counted.
fn same_object(a: &Object, b: &Object) -> bool {
    use crate::model::expression::Counter;
    let stateless = |data: &ObjectData| match data {
        ObjectData::Counter(_) => ObjectData::Counter(Counter::default()),
        ObjectData::Quota(quota) => {
            let mut quota = *quota;
            quota.consumed = 0;
            quota.flags &= !rustables::sys::NFT_QUOTA_F_DEPLETED;
            ObjectData::Quota(quota)
        }
        other => other.clone(),
    };
    a.kind == b.kind && a.userdata == b.userdata && stateless(&a.data) == stateless(&b.data)
}

fn flowtables(plan: &mut TablePlan, left: &mut Vec<String>, (want, was, is): Three<'_>) {
    let lists = [&*want.flowtables, &*is.flowtables, &*was.flowtables];
    for name in names(lists, |flowtable| Some(&flowtable.name)) {
        let find = |table: &'_ Table| {
            let mut flowtables = table.flowtables.iter();
            flowtables.find(|other| other.name == name).cloned()
        };
        let same = |a: &Flowtable, b: &Flowtable| {
            (a.hook, a.priority, a.flags, devices(a)) == (b.hook, b.priority, b.flags, devices(b))
        };
        let (w, b, n) = (find(want), find(was), find(is));
        let forms = [w.as_ref(), b.as_ref(), n.as_ref()];
        let what = part(forms, same, |flowtable| flowtable.handle).unwrap_or_else(|why| {
            left.push(format!(
                "{}: flowtable '{name}': {why} in the meantime",
                title(want)
            ));
            Part::Stays
        });
        plan.flowtables.push((name, what));
    }
}

fn devices(flowtable: &Flowtable) -> Vec<Name> {
    let mut devices = flowtable.devices.clone();
    devices.sort();
    devices
}

/// For `chains`, which has parts of its own kind.
pub(super) fn chain_part(forms: Forms<'_, crate::model::Chain>) -> Result<Part, &'static str> {
    part(forms, chains::same_definition, |chain| chain.handle)
}

/// What is made anew and so must not be referred to while it is gone.
pub(super) type Poisoned = HashSet<Reference>;
