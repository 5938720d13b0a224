//! One table under change.

mod parts;

use super::elements::{self, Open};
use super::rules::{self, Kind};
use super::{Result, Why, exists, gone};
use crate::model::command::{
    Key, Make, NewRule, NewTable, Place, RuleKey, Take, What, split_pending,
};
use crate::model::ruleset::chain_flags;
use crate::model::{Chain, Elements, Family, Name, Policy, RuleList, Set, Table};
use crate::stage::make::{self, Reference};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub struct Work {
    pub table: Table,
    /// The highest handle that was given.
    handle: u64,
    /// The highest number in a name that the kernel made.
    number: u64,
    /// Names that the kernel gives: pending name to name.
    names: HashMap<Name, Name>,
    /// Handles of rules that later commands know by number.
    rules: HashMap<u32, u64>,
    /// Sets whose elements change.
    open: HashMap<Name, Open>,
    /// The kernel knows a renamed chain by its old name until the transaction is done: old to new.
    renames: HashMap<Name, Name>,
}

impl Work {
    pub fn new(table: Table) -> Work {
        let sets = table.sets.iter().map(|set| (set.handle, &set.name));
        let chains = table.chains.iter().map(|chain| (chain.handle, &chain.name));
        let number = |name: &Name| -> u64 {
            let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
            let made = name.starts_with("__");
            made.then(|| digits.parse().ok()).flatten().unwrap_or(0)
        };
        let number = sets
            .clone()
            .chain(chains.clone())
            .map(|(_, name)| number(name));
        let number = number.max().unwrap_or(0);
        let rules = table.chains.iter().flat_map(|chain| chain.rules.iter());
        let handles = sets.chain(chains).map(|(handle, _)| handle);
        let others = table.objects.iter().map(|object| object.handle);
        let flowtables = table.flowtables.iter().map(|flowtable| flowtable.handle);
        let handles = handles
            .chain(others)
            .chain(flowtables)
            .chain(rules.map(|rule| rule.handle));
        Work {
            handle: handles.max().unwrap_or(0),
            number,
            names: HashMap::new(),
            rules: HashMap::new(),
            open: HashMap::new(),
            renames: HashMap::new(),
            table,
        }
    }

    /// A table that is new.
    pub fn made(family: Family, new: &NewTable, handle: u64) -> Work {
        Work::new(Table {
            family,
            name: new.name.clone(),
            handle,
            flags: new.flags,
            owner: None,
            use_count: 0,
            userdata: new.userdata.clone(),
            chains: Vec::new(),
            sets: Vec::new(),
            objects: Vec::new(),
            flowtables: Vec::new(),
            raw: Vec::new(),
        })
    }

    fn next_handle(&mut self) -> u64 {
        self.handle += 1;
        self.handle
    }

    pub fn apply(&mut self, what: &What) -> Result<()> {
        match what {
            What::MakeTable(..) | What::TakeTable(..) => Ok(()),
            What::MakeChain(make, chain) => self.make_chain(*make, chain),
            What::RenameChain { handle, from, to } => {
                let chain = self.table.chains.iter().find(|chain| match handle {
                    Some(handle) => chain.handle == *handle,
                    None => chain.name == *from,
                });
                let old = chain.ok_or_else(|| gone("chain", from))?.name.clone();
                if self.table.chain(to).is_some() {
                    return Err(exists("chain", to));
                }
                self.renames.insert(old, to.clone());
                Ok(())
            }
            What::TakeChain(take, key) => self.take_chain(*take, key),
            What::TakeChainDevices(name, devices) => {
                let chain = self.chain(name)?;
                if let Some(base) = &mut chain.base {
                    base.devices.retain(|device| !devices.contains(device));
                }
                Ok(())
            }
            What::MakeRule(rule) => self.make_rule(rule),
            What::TakeRule(take, chain, handle) => match self.take_rule(chain, *handle) {
                Err(_) if *take == Take::Destroy => Ok(()),
                result => result,
            },
            What::FlushRules(chain) => self.flush_rules(chain.as_ref()),
            What::MakeSet(make, set) => self.make_set(*make, set),
            What::TakeSet(take, key) => {
                let found = place(&self.table.sets, key, |set| (&set.name, set.handle));
                match remove(&mut self.table.sets, found, *take, "set", key)? {
                    Some(set) => {
                        self.open.remove(&set.name);
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            What::MakeElements {
                set,
                make,
                elements,
            } => {
                let name = self.resolve(set)?;
                for element in elements {
                    let mut element = element.clone();
                    if let Some(chain) = elements::target(&mut element) {
                        *chain = self.resolve(chain)?;
                    }
                    let (open, set) = self.open(&name)?;
                    if !open.add(set, element)? && *make == Make::Create {
                        return Err(exists("element of the set", &name));
                    }
                }
                Ok(())
            }
            What::TakeElements {
                set,
                take,
                elements,
            } => {
                let name = self.resolve(set)?;
                let (open, _) = self.open(&name)?;
                for element in elements {
                    if !open.take(element) && *take == Take::Delete {
                        return Err(gone("such element in the set", &name));
                    }
                }
                Ok(())
            }
            What::FlushSet(set) => {
                let name = self.resolve(set)?;
                let set = self.set(&name)?;
                set.elements = Elements::Read(Arc::default());
                if let Some(open) = self.open.get_mut(&name) {
                    open.clear();
                }
                Ok(())
            }
            What::MakeObject(make, object) => self.make_object(*make, object),
            What::TakeObject(take, kind, key) => {
                let found = self.table.objects.iter().position(|object| {
                    object.kind == *kind && is(key, &object.name, object.handle)
                });
                remove(&mut self.table.objects, found, *take, "object", key).map(|_| ())
            }
            What::MakeFlowtable(make, flowtable) => self.make_flowtable(*make, flowtable),
            What::TakeFlowtable(take, key) => {
                let list = &self.table.flowtables;
                let found = place(list, key, |one| (&one.name, one.handle));
                remove(&mut self.table.flowtables, found, *take, "flowtable", key).map(|_| ())
            }
            What::TakeFlowtableDevices(name, devices) => {
                let flowtable = self
                    .table
                    .flowtables
                    .iter_mut()
                    .find(|one| one.name == *name);
                let flowtable = flowtable.ok_or_else(|| gone("flowtable", name))?;
                Arc::make_mut(flowtable)
                    .devices
                    .retain(|device| !devices.contains(device));
                Ok(())
            }
        }
    }

    /// The name that counts for one that is written in a command.
    fn resolve(&self, name: &Name) -> Result<Name> {
        if split_pending(name).is_none() {
            return Ok(name.clone());
        }
        self.names
            .get(name)
            .cloned()
            .ok_or_else(|| gone("set or chain", name))
    }

    /// Give a name to what has none yet.
    fn christen(&mut self, pending: &Name) -> Name {
        let Some((template, _)) = split_pending(pending) else {
            return pending.clone();
        };
        self.number += 1;
        let name: Name = template.replacen("%d", &self.number.to_string(), 1).into();
        self.names.insert(pending.clone(), name.clone());
        name
    }

    fn chain(&mut self, name: &str) -> Result<&mut Chain> {
        let chains = &mut self.table.chains;
        let chain = chains.iter_mut().find(|chain| &*chain.name == name);
        chain.map(Arc::make_mut).ok_or_else(|| gone("chain", name))
    }

    fn set(&mut self, name: &str) -> Result<&mut Set> {
        let set = self.table.sets.iter_mut().find(|set| &*set.name == name);
        set.map(Arc::make_mut).ok_or_else(|| gone("set", name))
    }

    fn open(&mut self, name: &Name) -> Result<(&mut Open, &Set)> {
        let set = self.table.sets.iter().find(|set| set.name == *name);
        let set = &**set.ok_or_else(|| gone("set", name))?;
        if !self.open.contains_key(name) {
            self.open.insert(name.clone(), Open::new(set)?);
        }
        let open = self.open.get_mut(name).ok_or_else(|| gone("set", name))?;
        Ok((open, set))
    }

    fn make_chain(&mut self, make: Make, new: &Chain) -> Result<()> {
        if let Ok(chain) = self.chain(&new.name) {
            if make == Make::Create {
                return Err(exists("chain", &new.name));
            }
            if let (Some(base), Some(new)) = (&mut chain.base, &new.base) {
                base.policy = new.policy.or(base.policy);
                base.counters = new.counters.or(base.counters);
                for device in &new.devices {
                    if !base.devices.contains(device) {
                        base.devices.push(device.clone());
                        base.device_list = true;
                    }
                }
            }
            return Ok(());
        }
        let mut chain = new.clone_without_rules();
        chain.rules = RuleList::EMPTY;
        chain.handle = self.next_handle();
        chain.name = self.christen(&new.name);
        if let Some(base) = &mut chain.base {
            // A policy alone is that of a chain which is there.
            if base.kind.is_empty() {
                return Err(gone("base chain", &new.name));
            }
            base.policy.get_or_insert(Policy::Accept);
            chain.flags |= chain_flags::BASE;
        }
        self.table.chains.push(Arc::new(chain));
        Ok(())
    }

    fn take_chain(&mut self, take: Take, key: &Key) -> Result<()> {
        let found = place(&self.table.chains, key, |chain| (&chain.name, chain.handle));
        if let Some(chain) = remove(&mut self.table.chains, found, take, "chain", key)? {
            self.renames.remove(&chain.name);
            self.release(chain.rules.iter().map(|rule| rule.attributes));
        }
        Ok(())
    }

    fn make_rule(&mut self, new: &NewRule) -> Result<()> {
        let name = self.resolve(&new.chain)?;
        // A rule in the place of another one keeps its handle.
        let handle = match new.place {
            Place::Replace(handle) => handle,
            _ => self.next_handle(),
        };
        let known = |work: &Work, key: &RuleKey| match key {
            RuleKey::Handle(handle) => Ok(*handle),
            RuleKey::Id(id) => {
                let handle = work.rules.get(id).copied();
                handle.ok_or_else(|| gone("rule with number", id))
            }
        };
        let beside = match &new.place {
            Place::After(key) | Place::Before(key) => Some(known(self, key)?),
            Place::Replace(handle) => Some(*handle),
            Place::First | Place::Last => None,
        };
        let mut rename = |kind: Kind, name: &Name| -> Result<Name> {
            let name = self.resolve(name)?;
            let there = match kind {
                Kind::Set => self.table.set(&name).is_some(),
                Kind::Chain => self.table.chain(&name).is_some(),
            };
            match (there, kind) {
                (true, _) => Ok(name),
                (false, Kind::Set) => Err(gone("set", name)),
                (false, Kind::Chain) => Err(gone("chain", name)),
            }
        };
        let table = self.table.name.clone();
        let bytes = rules::attributes(&table, &name, handle, &new.body, &mut rename)?;
        let chain = self.chain(&name)?;
        let at = match beside {
            Some(handle) => match chain.rules.index_of(handle) {
                Some(at) => at,
                None if !chain.rules.read => return Err(Why::UnreadRules(name)),
                None => return Err(gone("rule with handle", handle)),
            },
            None => 0,
        };
        let mut old = None;
        let put = match &new.place {
            Place::First | Place::Before(_) => chain.rules.insert(at, handle, &bytes),
            Place::After(_) => chain.rules.insert(at + 1, handle, &bytes),
            Place::Last => chain.rules.push(handle, &bytes),
            Place::Replace(_) => {
                old = chain.rules.get(at).map(|rule| rule.attributes.to_vec());
                chain.rules.remove(at) && chain.rules.insert(at, handle, &bytes)
            }
        };
        if !put {
            return Err(Why::Large("a chain"));
        }
        if let Some(id) = new.id {
            self.rules.insert(id, handle);
        }
        // A set that packets fill has an end, whether it was given one or not (nft_dynset_init).
        for set in rules::filled(&bytes) {
            let set = self.set(&set)?;
            set.size = set.size.filter(|size| *size > 0).or(Some(0xffff));
        }
        self.release(old.iter().map(Vec::as_slice));
        Ok(())
    }

    fn take_rule(&mut self, chain: &Name, handle: u64) -> Result<()> {
        let name = self.resolve(chain)?;
        let chain = self.chain(&name)?;
        let Some(at) = chain.rules.index_of(handle) else {
            return Err(if chain.rules.read {
                gone("rule with handle", handle)
            } else {
                Why::UnreadRules(name)
            });
        };
        let old = chain.rules.get(at).map(|rule| rule.attributes.to_vec());
        chain.rules.remove(at);
        self.release(old.iter().map(Vec::as_slice));
        Ok(())
    }

    /// Of one chain, or of all that have a name.
    fn flush_rules(&mut self, chain: Option<&Name>) -> Result<()> {
        let mut lists = Vec::new();
        match chain {
            Some(chain) => {
                let name = self.resolve(chain)?;
                let chain = self.chain(&name)?;
                lists.push(std::mem::replace(&mut chain.rules, RuleList::EMPTY));
            }
            None => {
                for chain in &mut self.table.chains {
                    if !chain.is_binding() && !chain.rules.is_empty() {
                        let rules = &mut Arc::make_mut(chain).rules;
                        lists.push(std::mem::replace(rules, RuleList::EMPTY));
                    }
                }
            }
        }
        self.release(
            lists
                .iter()
                .flat_map(|list| list.iter())
                .map(|rule| rule.attributes),
        );
        Ok(())
    }

    /// What belongs to rules that are gone goes with them: sets and chains without names.
    fn release<'r>(&mut self, rules: impl Iterator<Item = &'r [u8]>) {
        let mut sets: HashSet<Name> = HashSet::new();
        let mut chains: HashSet<Name> = HashSet::new();
        let mut left: Vec<Reference> = rules.flat_map(make::references).collect();
        while let Some(reference) = left.pop() {
            match reference {
                Reference::Set(name) => {
                    let Some(set) = self.table.set(&name).filter(|set| set.is_anonymous()) else {
                        continue;
                    };
                    for mut element in make::elements(set) {
                        let chain = elements::target(&mut element).cloned();
                        left.extend(chain.map(Reference::Chain));
                    }
                    sets.insert(name);
                }
                Reference::Chain(name) => {
                    let chain = self.table.chain(&name).filter(|chain| chain.is_binding());
                    if let Some(chain) = chain
                        && chains.insert(name.clone())
                    {
                        let rules = chain.rules.iter().map(|rule| rule.attributes);
                        left.extend(rules.flat_map(make::references));
                    }
                }
                Reference::Object(_) | Reference::Flowtable(_) => {}
            }
        }
        if !sets.is_empty() {
            self.table.sets.retain(|set| !sets.contains(&set.name));
            self.open.retain(|name, _| !sets.contains(name));
        }
        if !chains.is_empty() {
            self.table
                .chains
                .retain(|chain| !chains.contains(&chain.name));
        }
    }

    pub fn finish(mut self) -> Result<Table> {
        for (name, open) in std::mem::take(&mut self.open) {
            let set = self.set(&name)?;
            let list = open.finish(set);
            set.elements = Elements::Read(Arc::new(list));
        }
        if !self.renames.is_empty() {
            self.rename()?;
        }
        Ok(self.table)
    }
}

fn is(key: &Key, name: &Name, handle: u64) -> bool {
    match key {
        Key::Name(wanted) => wanted == name,
        Key::Handle(wanted) => *wanted == handle,
    }
}

fn place<T>(list: &[Arc<T>], key: &Key, of: impl Fn(&T) -> (&Name, u64)) -> Option<usize> {
    list.iter().position(|one| {
        let (name, handle) = of(one);
        is(key, name, handle)
    })
}

/// Take one out of a list; nothing when it may be gone already.
fn remove<T>(
    list: &mut Vec<Arc<T>>,
    found: Option<usize>,
    take: Take,
    kind: &'static str,
    key: &Key,
) -> Result<Option<Arc<T>>> {
    match found {
        Some(place) => Ok(Some(list.remove(place))),
        None if take == Take::Destroy => Ok(None),
        None => Err(gone(kind, key_words(key))),
    }
}

pub fn key_words(key: &Key) -> String {
    match key {
        Key::Name(name) => name.to_string(),
        Key::Handle(handle) => format!("with handle {handle}"),
    }
}
