//! The chains of one table: definitions, names, and the rules of each. Pure.

use super::emit::{ChainPlan, Part, TablePlan};
use super::rules::{self, Item};
use super::tables::{self, Poisoned};
use crate::model::{BaseChain, Chain, Name, RuleList, Table};
use crate::stage::content::{Contents, asked_flags};
use crate::stage::make::{Reference, references};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether two chains are declared alike; rules and counters aside.
pub fn same_definition(a: &Chain, b: &Chain) -> bool {
    let base = |chain: &Chain| {
        chain.base.as_ref().map(|base| {
            let mut devices = base.devices.clone();
            devices.sort();
            (identity(base), base.policy, devices)
        })
    };
    base(a) == base(b) && asked_flags(a) == asked_flags(b) && a.userdata == b.userdata
}

/// What cannot be changed about a base chain that is there.
fn identity(base: &BaseChain) -> (Name, u32, i32) {
    (base.kind.clone(), base.hook, base.priority)
}

/// Whether a chain that is there can be changed into the other.
fn can_become(a: &Chain, b: &Chain) -> bool {
    a.base.as_ref().map(identity) == b.base.as_ref().map(identity)
        && asked_flags(a) == asked_flags(b)
        && a.userdata == b.userdata
}

pub struct Chains<'t> {
    want: &'t Table,
    was: &'t Table,
    is: &'t Table,
    /// Chains that got another name: from the name they have now to the one they had.
    renamed: HashMap<Name, Name>,
}

impl<'t> Chains<'t> {
    pub fn new(want: &'t Table, was: &'t Table, is: &'t Table) -> Chains<'t> {
        let mut renamed = HashMap::new();
        // Handles say something only about one and the same table.
        if want.handle == was.handle {
            for chain in named(want).filter(|chain| chain.handle != 0) {
                let there = named(was).find(|other| other.handle == chain.handle);
                if let Some(there) = there.filter(|there| there.name != chain.name)
                    && want.chain(&there.name).is_none()
                    && is.chain(&chain.name).is_none()
                    && is
                        .chain(&there.name)
                        .is_some_and(|now| now.handle == chain.handle)
                {
                    renamed.insert(there.name.clone(), chain.name.clone());
                }
            }
        }
        Chains {
            want,
            was,
            is,
            renamed,
        }
    }

    /// The chain of `was` or `is` that is called `name` in the end.
    fn find<'a>(&self, table: &'a Table, name: &str) -> Option<&'a Arc<Chain>> {
        let old = self.renamed.iter().find(|(_, to)| &***to == name);
        let name = old.map_or(name, |(from, _)| from);
        table.chain(name).filter(|chain| !chain.is_binding())
    }

    /// Which chains come, go, change and are renamed.
    pub fn definitions(
        &mut self,
        plan: &mut TablePlan,
        left: &mut Vec<String>,
        poisoned: &mut Poisoned,
    ) {
        let lists = [&*self.want.chains, &*self.is.chains, &*self.was.chains];
        let all = tables::names(lists, |chain| (!chain.is_binding()).then_some(&chain.name));
        for name in all
            .into_iter()
            .filter(|name| !self.renamed.contains_key(name))
        {
            let want = self.want.chain(&name).filter(|chain| !chain.is_binding());
            let (was, is) = (self.find(self.was, &name), self.find(self.is, &name));
            let mut what = tables::chain_part([want, was, is]).unwrap_or_else(|why| {
                left.push(format!(
                    "table {} {}: chain '{name}': {why} in the meantime",
                    self.want.family, self.want.name
                ));
                Part::Stays
            });
            let mut take_devices = Vec::new();
            if let (Part::Changes, Some(want), Some(is)) = (what, want, is) {
                if can_become(is, want) {
                    what = Part::Updates;
                    take_devices = devices_gone(is, want);
                } else {
                    poisoned.insert(Reference::Chain(name.clone()));
                }
            }
            plan.chains.push(ChainPlan {
                renamed: self
                    .renamed
                    .iter()
                    .find(|(_, to)| **to == name)
                    .and_then(|(from, _)| Some((is?.handle, from.clone()))),
                want: want.cloned(),
                now: is.cloned(),
                name,
                what,
                take_devices,
                items: Vec::new(),
            });
        }
    }

    /// Which rules of each chain stay and come.
    pub fn rules(&self, plan: &mut TablePlan, left: &mut Vec<String>, poisoned: &Poisoned) {
        let mut contents = (
            Contents::new(self.want),
            Contents::with_renames(self.was, &self.renamed),
        );
        for chain in &mut plan.chains {
            let was = self.find(self.was, &chain.name);
            let want = chain.want.as_ref();
            let all = |chain: &Chain| (0..chain.rules.len()).collect::<Vec<_>>();
            chain.items = match (chain.what, want, was, &chain.now) {
                (Part::Absent, ..) => Vec::new(),
                (Part::Comes, Some(want), ..) => all(want).into_iter().map(Item::Want).collect(),
                // Also of a chain that goes: what others put into it remains.
                (_, want, Some(was), Some(now)) if was.handle == now.handle => {
                    static NONE: RuleList = RuleList::EMPTY;
                    let want = want.map_or(&NONE, |want| &want.rules);
                    merge(want, &was.rules, &now.rules, &mut contents)
                }
                (Part::Goes, ..) => Vec::new(),
                (_, _, _, Some(now)) => all(now).into_iter().map(Item::Keep).collect(),
                _ => Vec::new(),
            };
            if chain.what == Part::Goes && !chain.items.is_empty() {
                left.push(format!(
                    "table {} {}: chain '{}': somebody else added rules in the meantime; it stays with theirs",
                    self.want.family, self.want.name, chain.name
                ));
                chain.what = Part::Stays;
            }
            let anew = chain.what == Part::Changes;
            let Some(now) = &chain.now else { continue };
            for item in &mut chain.items {
                if let Item::Keep(index) = *item
                    && (anew
                        || now
                            .rules
                            .get(index)
                            .is_some_and(|rule| refers(self.is, rule.attributes, poisoned, 0)))
                {
                    *item = Item::Again(index);
                }
            }
        }
    }
}

fn named(table: &Table) -> impl Iterator<Item = &Arc<Chain>> {
    table.chains.iter().filter(|chain| !chain.is_binding())
}

fn devices_gone(is: &Chain, want: &Chain) -> Vec<Name> {
    let devices = |chain: &'_ Chain| {
        let base = chain.base.as_ref();
        base.map(|base| base.devices.clone()).unwrap_or_default()
    };
    let wanted = devices(want);
    let mut gone = devices(is);
    gone.retain(|device| !wanted.contains(device));
    gone
}

fn merge(
    want: &RuleList,
    was: &RuleList,
    now: &RuleList,
    contents: &mut (Contents<'_>, Contents<'_>),
) -> Vec<Item> {
    // Rules never change: what has the handle is the rule.
    let places: HashMap<u64, usize> = now
        .iter()
        .enumerate()
        .map(|(index, rule)| (rule.handle, index))
        .collect();
    let handles: Vec<u64> = was.iter().map(|rule| rule.handle).collect();
    let now_of = |place: usize| places.get(handles.get(place)?).copied();
    if want == was {
        return (0..now.len()).map(Item::Keep).collect();
    }
    let want: Vec<_> = want.iter().map(|rule| contents.0.of(rule)).collect();
    let was: Vec<_> = was.iter().map(|rule| contents.1.of(rule)).collect();
    rules::merge(&want, &was, now.len(), now_of)
}

/// Whether the rule, or a set or chain that belongs to it alone, names something of these.
fn refers(table: &Table, attributes: &[u8], poisoned: &Poisoned, depth: u8) -> bool {
    const DEPTH: u8 = 20;
    if poisoned.is_empty() || depth > DEPTH {
        return false;
    }
    references(attributes).into_iter().any(|reference| {
        if poisoned.contains(&reference) {
            return true;
        }
        match &reference {
            Reference::Set(name) => table
                .set(name)
                .filter(|set| set.is_anonymous())
                .is_some_and(|set| {
                    let mut elements = crate::stage::make::elements(set).into_iter();
                    elements.any(|element| element_refers(table, &element, poisoned, depth + 1))
                }),
            Reference::Chain(name) => binding_refers(table, name, poisoned, depth + 1),
            _ => false,
        }
    })
}

fn binding_refers(table: &Table, name: &str, poisoned: &Poisoned, depth: u8) -> bool {
    let chain = table.chain(name).filter(|chain| chain.is_binding());
    chain.is_some_and(|chain| {
        let mut rules = chain.rules.iter();
        rules.any(|rule| refers(table, rule.attributes, poisoned, depth))
    })
}

/// Whether an element names something of these.
pub fn element_refers(
    table: &Table,
    element: &crate::model::Element,
    poisoned: &Poisoned,
    depth: u8,
) -> bool {
    use crate::model::{Data, Verdict};
    let chain = match &element.data {
        Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => Some(chain),
        _ => None,
    };
    let named = |reference: Reference| poisoned.contains(&reference);
    chain.is_some_and(|chain| {
        named(Reference::Chain(chain.clone())) || binding_refers(table, chain, poisoned, depth)
    }) || element
        .object
        .as_ref()
        .is_some_and(|object| named(Reference::Object(object.clone())))
}
