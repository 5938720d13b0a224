//! A plan for one table, and the commands of it in an order that the kernel takes: what refers to something goes
//! before it, and comes behind it. Pure.

use super::chains::element_refers;
use super::elements::{self, Elements};
use super::rules::Item;
use super::tables::Poisoned;
use crate::model::command::*;
use crate::model::{Chain, Element, Name, Rule, Set, Table};
use crate::stage::make::{Maker, Reference};
use std::sync::Arc;

/// What happens to a part of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is not there and shall not be.
    Absent,
    Stays,
    Comes,
    Goes,
    /// It is taken away and made anew, and with it what refers to it.
    Changes,
    /// It is changed where it stands.
    Updates,
}

#[derive(Debug)]
pub struct SetPart {
    pub name: Name,
    pub what: Part,
    pub elements: Elements,
}

#[derive(Debug)]
pub struct ChainPlan {
    pub name: Name,
    pub what: Part,
    /// Its handle, and the name that it has now.
    pub renamed: Option<(u64, Name)>,
    pub want: Option<Arc<Chain>>,
    pub now: Option<Arc<Chain>>,
    pub take_devices: Vec<Name>,
    /// The rules as they shall be.
    pub items: Vec<Item>,
}

#[derive(Debug, Default)]
pub struct TablePlan {
    pub flags: Option<u32>,
    /// Take the table away and make it anew with all that stays.
    pub fresh: bool,
    pub chains: Vec<ChainPlan>,
    pub sets: Vec<SetPart>,
    pub objects: Vec<((u32, Name), Part)>,
    pub flowtables: Vec<(Name, Part)>,
}

/// Whether nothing but what the kernel counts differs, seen without a closer look.
pub fn unchanged(want: &Table, was: &Table) -> bool {
    want == was
}

pub fn poisoned(plan: &TablePlan) -> Poisoned {
    let sets = plan.sets.iter().filter(|set| set.what == Part::Changes);
    let objects = plan
        .objects
        .iter()
        .filter(|(_, what)| *what == Part::Changes);
    let flowtables = plan
        .flowtables
        .iter()
        .filter(|(_, what)| *what == Part::Changes);
    sets.map(|set| Reference::Set(set.name.clone()))
        .chain(objects.map(|((_, name), _)| Reference::Object(name.clone())))
        .chain(flowtables.map(|(name, _)| Reference::Flowtable(name.clone())))
        .collect()
}

/// Elements of sets that stay and refer to what is made anew go and come with it.
pub fn again(plan: &mut TablePlan, is: &Table, poisoned: &Poisoned, _elapsed: u64) {
    if poisoned.is_empty() {
        return;
    }
    for set in &mut plan.sets {
        let Some(now) = is.set(&set.name).filter(|_| set.what == Part::Stays) else {
            continue;
        };
        for element in crate::stage::make::elements(now) {
            if element_refers(is, &element, poisoned, 0) && !set.elements.remove.contains(&element)
            {
                set.elements.remove.push(element.clone());
                set.elements.add.push(element);
            }
        }
    }
}

/// Whether everything would stand in the order that is wanted.
pub fn in_order(plan: &TablePlan, want: &Table, is: &Table) -> bool {
    fn check<K: PartialEq + Clone>(parts: &[(K, Part)], want: Vec<K>, is: Vec<K>) -> bool {
        let what = |key: &K| {
            parts
                .iter()
                .find(|(other, _)| other == key)
                .map(|(_, what)| *what)
        };
        let stays = |key: &&K| matches!(what(key), Some(Part::Stays | Part::Updates));
        let comes = parts
            .iter()
            .filter(|(_, what)| matches!(what, Part::Comes | Part::Changes));
        let result: Vec<&K> = is
            .iter()
            .filter(stays)
            .chain(comes.map(|(key, _)| key))
            .filter(|key| want.contains(key))
            .collect();
        result == want.iter().collect::<Vec<_>>()
    }
    let plain = |table: &'_ Table| {
        let chains = table.chains.iter().filter(|chain| !chain.is_binding());
        chains.map(|chain| chain.name.clone()).collect::<Vec<_>>()
    };
    let sets = |table: &'_ Table| {
        let sets = table.sets.iter().filter(|set| !set.is_anonymous());
        sets.map(|set| set.name.clone()).collect::<Vec<_>>()
    };
    let objects = |table: &'_ Table| {
        let objects = table.objects.iter();
        objects
            .map(|object| (object.kind, object.name.clone()))
            .collect::<Vec<_>>()
    };
    let flowtables = |table: &'_ Table| {
        let flowtables = table.flowtables.iter();
        flowtables
            .map(|flowtable| flowtable.name.clone())
            .collect::<Vec<_>>()
    };
    let chain_parts: Vec<_> = plan
        .chains
        .iter()
        .map(|chain| (chain.name.clone(), chain.what))
        .collect();
    let renamed = |names: Vec<Name>| {
        names
            .into_iter()
            .map(|name| {
                let mut chains = plan.chains.iter();
                chains
                    .find(|chain| {
                        chain
                            .renamed
                            .as_ref()
                            .is_some_and(|(_, from)| *from == name)
                    })
                    .map_or(name, |chain| chain.name.clone())
            })
            .collect()
    };
    let set_parts: Vec<_> = plan
        .sets
        .iter()
        .map(|set| (set.name.clone(), set.what))
        .collect();
    check(&chain_parts, plain(want), renamed(plain(is)))
        && check(&set_parts, sets(want), sets(is))
        && check(&plan.objects, objects(want), objects(is))
        && check(&plan.flowtables, flowtables(want), flowtables(is))
}

/// A table that is not there.
pub fn whole(maker: &mut Maker, want: &Table, elapsed: u64) {
    maker.table(want, Make::Create);
    let named = || want.chains.iter().filter(|chain| !chain.is_binding());
    for chain in named() {
        maker.chain(want, chain, Make::Create);
    }
    for object in &want.objects {
        maker.object(want, object, Make::Create);
    }
    for flowtable in &want.flowtables {
        maker.flowtable(want, flowtable, Make::Create);
    }
    for set in want.sets.iter().filter(|set| !set.is_anonymous()) {
        maker.set(want, set, Make::Create);
        maker.elements(want, set.name.clone(), elements::all_aged(set, elapsed));
    }
    for chain in named() {
        for rule in chain.rules.iter() {
            maker.rule(want, chain.name.clone(), Place::Last, rule, None);
        }
    }
}

pub fn emit(maker: &mut Maker, plan: &TablePlan, (want, is): (&Table, &Table), elapsed: u64) {
    if plan.fresh {
        let key = Key::Name(is.name.clone());
        maker.push(is, What::TakeTable(Take::Delete, Some(key)));
        let table = Table {
            flags: plan.flags.unwrap_or(is.flags),
            userdata: want.userdata.clone(),
            ..shell(is)
        };
        maker.table(&table, Make::Create);
        // What stays of the rules names chains as they are called now; the new table has them by their other names.
        for chain in &plan.chains {
            if let Some((_, from)) = &chain.renamed {
                maker.old_names.insert(from.clone(), chain.name.clone());
            }
        }
    } else {
        for chain in &plan.chains {
            if let Some((_, from)) = &chain.renamed
                && chain.what != Part::Changes
            {
                maker.old_names.insert(chain.name.clone(), from.clone());
            }
        }
        if let Some(flags) = plan.flags {
            let table = Table { flags, ..shell(is) };
            maker.table(&table, Make::Add);
        }
        go(maker, plan, is);
    }
    come(maker, plan, (want, is), elapsed);
    maker.old_names.clear();
    if !plan.fresh {
        rename(maker, plan, is);
    }
}

fn rename(maker: &mut Maker, plan: &TablePlan, is: &Table) {
    for chain in &plan.chains {
        if let Some((handle, from)) = &chain.renamed
            && chain.what != Part::Changes
        {
            let what = What::RenameChain {
                handle: Some(*handle),
                from: from.clone(),
                to: chain.name.clone(),
            };
            maker.push(is, what);
        }
    }
}

/// The table without what is in it.
fn shell(table: &Table) -> Table {
    Table {
        family: table.family,
        name: table.name.clone(),
        handle: table.handle,
        flags: table.flags,
        owner: None,
        use_count: 0,
        userdata: table.userdata.clone(),
        chains: Vec::new(),
        sets: Vec::new(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        raw: Vec::new(),
    }
}

/// Everything that goes: what refers to others first.
fn go(maker: &mut Maker, plan: &TablePlan, is: &Table) {
    for chain in &plan.chains {
        rules_go(maker, chain, is);
    }
    for set in &plan.sets {
        if set.what == Part::Stays && !set.elements.remove.is_empty() {
            let what = What::TakeElements {
                set: set.name.clone(),
                take: Take::Delete,
                elements: set.elements.remove.clone(),
            };
            maker.push(is, what);
        }
    }
    let gone = |what: Part| matches!(what, Part::Goes | Part::Changes);
    for set in plan.sets.iter().filter(|set| gone(set.what)) {
        let key = Key::Name(set.name.clone());
        maker.push(is, What::TakeSet(Take::Delete, key));
    }
    for ((kind, name), _) in plan.objects.iter().filter(|(_, what)| gone(*what)) {
        let key = Key::Name(name.clone());
        maker.push(is, What::TakeObject(Take::Delete, *kind, key));
    }
    for (name, _) in plan.flowtables.iter().filter(|(_, what)| gone(*what)) {
        let key = Key::Name(name.clone());
        maker.push(is, What::TakeFlowtable(Take::Delete, key));
    }
    for chain in plan.chains.iter().filter(|chain| gone(chain.what)) {
        let name = chain.now.as_ref().map_or(&chain.name, |now| &now.name);
        let key = Key::Name(name.clone());
        maker.push(is, What::TakeChain(Take::Delete, key));
    }
    for chain in &plan.chains {
        if !chain.take_devices.is_empty() {
            let name = chain.now.as_ref().map_or(&chain.name, |now| &now.name);
            let what = What::TakeChainDevices(name.clone(), chain.take_devices.clone());
            maker.push(is, what);
        }
    }
}

fn rules_go(maker: &mut Maker, chain: &ChainPlan, is: &Table) {
    let Some(now) = &chain.now else { return };
    let mut stays = vec![false; now.rules.len()];
    for item in &chain.items {
        if let Item::Keep(index) = *item
            && let Some(slot) = stays.get_mut(index)
        {
            *slot = true;
        }
    }
    if stays.len() > 1 && !stays.contains(&true) {
        maker.push(is, What::FlushRules(Some(now.name.clone())));
        return;
    }
    for (rule, stays) in now.rules.iter().zip(stays) {
        if !stays {
            let what = What::TakeRule(Take::Delete, now.name.clone(), rule.handle);
            maker.push(is, what);
        }
    }
}

/// Everything that comes.
fn come(maker: &mut Maker, plan: &TablePlan, (want, is): (&Table, &Table), elapsed: u64) {
    let fresh = plan.fresh;
    // What is there already comes only into a table made anew.
    let comes = |what: Part| match what {
        Part::Comes | Part::Changes => true,
        Part::Stays | Part::Updates => fresh,
        Part::Absent | Part::Goes => false,
    };
    for chain in &plan.chains {
        match chain.what {
            Part::Updates if !fresh => {
                if let (Some(wanted), Some(now)) = (&chain.want, &chain.now) {
                    let mut made = updated(wanted, now);
                    made.name = now.name.clone();
                    maker.chain(is, &made, Make::Add);
                }
            }
            what if comes(what) => {
                let source = match what {
                    Part::Stays => chain.now.as_ref(),
                    _ => chain.want.as_ref(),
                };
                if let Some(source) = source {
                    let mut made = source.clone_without_rules();
                    made.name = chain.name.clone();
                    maker.chain(is, &made, Make::Create);
                }
            }
            _ => {}
        }
    }
    for ((kind, name), what) in plan.objects.iter().filter(|(_, what)| comes(*what)) {
        let table = if *what == Part::Stays { is } else { want };
        let mut objects = table.objects.iter();
        if let Some(object) = objects.find(|o| (o.kind, &o.name) == (*kind, name)) {
            maker.object(is, object, Make::Create);
        }
    }
    for (name, what) in plan.flowtables.iter().filter(|(_, what)| comes(*what)) {
        let table = if *what == Part::Stays { is } else { want };
        let mut flowtables = table.flowtables.iter();
        if let Some(flowtable) = flowtables.find(|flowtable| flowtable.name == *name) {
            maker.flowtable(is, flowtable, Make::Create);
        }
    }
    for set in plan.sets.iter().filter(|set| comes(set.what)) {
        let table = if set.what == Part::Stays { is } else { want };
        if let Some(source) = table.set(&set.name) {
            maker.set(is, source, Make::Create);
        }
    }
    for set in &plan.sets {
        let elements = set_elements(set, (want, is), comes(set.what), elapsed);
        maker.elements(is, set.name.clone(), elements);
    }
    for chain in &plan.chains {
        rules_come(maker, chain, (want, is), fresh);
    }
}

fn set_elements(
    set: &SetPart,
    (want, is): (&Table, &Table),
    made: bool,
    elapsed: u64,
) -> Vec<Element> {
    match (set.what, is.set(&set.name)) {
        (Part::Absent | Part::Goes, _) => Vec::new(),
        (Part::Stays, _) if !made => set.elements.add.clone(),
        (_, Some(now)) if same_keys(want.set(&set.name), now) => elements::all(now, &set.elements),
        _ => want
            .set(&set.name)
            .map(|set| elements::all_aged(set, elapsed))
            .unwrap_or_default(),
    }
}

/// Whether the elements of the set as it is fit the one that is wanted.
fn same_keys(want: Option<&Arc<Set>>, now: &Set) -> bool {
    want.is_none_or(|want| {
        let shape = |set: &Set| {
            (
                set.key_type,
                set.key_len,
                set.data_type,
                set.data_len,
                set.object_type,
                set.flags,
                set.field_lens.clone(),
            )
        };
        shape(want) == shape(now)
    })
}

/// The chain with what is wanted of it; its counters go on.
fn updated(want: &Chain, now: &Chain) -> Chain {
    let mut chain = want.clone_without_rules();
    if let (Some(base), Some(old)) = (&mut chain.base, &now.base)
        && old.counters.is_some()
    {
        base.counters = None;
    }
    chain
}

fn rules_come(maker: &mut Maker, chain: &ChainPlan, (want, is): (&Table, &Table), fresh: bool) {
    let now = |index: usize| -> Option<Rule<'_>> { chain.now.as_ref()?.rules.get(index) };
    let wanted = |index: usize| -> Option<Rule<'_>> { chain.want.as_ref()?.rules.get(index) };
    let keeps = |item: &Item| matches!(item, Item::Keep(_)) && !fresh;
    // Behind the last rule that stays, everything goes to the end.
    let end = chain
        .items
        .iter()
        .rposition(keeps)
        .map_or(0, |last| last + 1);
    let mut before: Option<RuleKey> = None;
    for (place, item) in chain.items.iter().enumerate() {
        let (rule, table) = match *item {
            Item::Keep(index) if !fresh => {
                before = now(index).map(|rule| RuleKey::Handle(rule.handle));
                continue;
            }
            Item::Keep(index) | Item::Again(index) => (now(index), is),
            Item::Want(index) => (wanted(index), want),
        };
        let Some(rule) = rule else { continue };
        if place >= end {
            maker.rule(table, chain.name.clone(), Place::Last, rule, None);
            continue;
        }
        let id = maker.id();
        let at = before.map_or(Place::First, Place::After);
        maker.rule(table, chain.name.clone(), at, rule, Some(id));
        before = Some(RuleKey::Id(id));
    }
}
