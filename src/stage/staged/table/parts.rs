//! What else is in a table: sets, objects, flowtables; and the new names of chains.

use super::Work;
use crate::model::command::Make;
use crate::model::{ElementList, Elements, Flowtable, Name, Object, ObjectData, RuleList, Set};
use crate::stage::make::{self, Reference};
use crate::stage::staged::rules::{self, Kind};
use crate::stage::staged::{Result, elements, exists};
use std::sync::Arc;

/// `NFT_DATA_VERDICT`
const VERDICT: u32 = 0xffff_ff00;

/// `sizeof(struct nft_verdict)`, which the kernel puts in whatever it was told.
const VERDICT_LEN: u32 = 16;

impl Work {
    pub(super) fn make_set(&mut self, make: Make, new: &Set) -> Result<()> {
        if let Ok(set) = self.set(&new.name) {
            if make == Make::Create {
                return Err(exists("set", &new.name));
            }
            set.timeout = new.timeout.or(set.timeout);
            set.gc_interval = new.gc_interval.or(set.gc_interval);
            set.size = new.size.or(set.size);
            return Ok(());
        }
        let mut set = new.clone();
        set.handle = self.next_handle();
        set.name = self.christen(&new.name);
        set.count = None;
        set.raw = Vec::new();
        if set.data_type == Some(VERDICT) {
            set.data_len = Some(VERDICT_LEN);
        }
        set.elements = Elements::Read(Arc::new(ElementList::default()));
        self.table.sets.push(Arc::new(set));
        Ok(())
    }

    pub(super) fn make_object(&mut self, make: Make, new: &Object) -> Result<()> {
        let mut objects = self.table.objects.iter_mut();
        let there = objects.find(|object| object.kind == new.kind && object.name == new.name);
        if let Some(object) = there {
            if make == Make::Create {
                return Err(exists("object", &new.name));
            }
            // Only these can be changed while they are there.
            match (&mut Arc::make_mut(object).data, &new.data) {
                (ObjectData::Quota(old), ObjectData::Quota(new)) => {
                    old.bytes = new.bytes;
                    old.flags = new.flags;
                }
                (ObjectData::Synproxy(old), ObjectData::Synproxy(new)) => old.clone_from(new),
                _ => {}
            }
            return Ok(());
        }
        let handle = self.next_handle();
        let mut object = Object {
            handle,
            use_count: 0,
            raw: Vec::new(),
            ..new.clone()
        };
        // Of the table's family where none is given (nft_ct_helper_obj_init).
        if let ObjectData::CtHelper { l3proto, .. } = &mut object.data
            && *l3proto == 0
        {
            *l3proto = u16::from(self.table.family.to_wire());
        }
        self.table.objects.push(Arc::new(object));
        Ok(())
    }

    pub(super) fn make_flowtable(&mut self, make: Make, new: &Flowtable) -> Result<()> {
        let mut flowtables = self.table.flowtables.iter_mut();
        if let Some(flowtable) = flowtables.find(|one| one.name == new.name) {
            if make == Make::Create {
                return Err(exists("flowtable", &new.name));
            }
            let flowtable = Arc::make_mut(flowtable);
            for device in &new.devices {
                if !flowtable.devices.contains(device) {
                    flowtable.devices.push(device.clone());
                }
            }
            return Ok(());
        }
        let handle = self.next_handle();
        self.table.flowtables.push(Arc::new(Flowtable {
            handle,
            use_count: 0,
            raw: Vec::new(),
            ..new.clone()
        }));
        Ok(())
    }

    /// The transaction is done: chains get their new names, and with them all that goes to them.
    pub(super) fn rename(&mut self) -> Result<()> {
        let renames = std::mem::take(&mut self.renames);
        for chain in &mut self.table.chains {
            let mut list = RuleList::EMPTY;
            let mut changed = false;
            for rule in chain.rules.iter() {
                let concerned = make::references(rule.attributes)
                    .iter()
                    .any(|one| matches!(one, Reference::Chain(name) if renames.contains_key(name)));
                let mut new = |kind: Kind, name: &Name| -> Result<Name> {
                    let new = renames.get(name).filter(|_| kind == Kind::Chain);
                    Ok(new.unwrap_or(name).clone())
                };
                let bytes = if concerned {
                    rules::renamed(rule.attributes, &mut new)?
                } else {
                    None
                };
                changed |= bytes.is_some();
                list.push(rule.handle, bytes.as_deref().unwrap_or(rule.attributes));
            }
            if changed {
                Arc::make_mut(chain).rules = list;
            }
            if let Some(new) = renames.get(&chain.name) {
                Arc::make_mut(chain).name = new.clone();
            }
        }
        for set in self.table.sets.iter_mut().filter(|set| set.is_map()) {
            if let Elements::Read(list) = &set.elements
                && let Some(list) = elements::renamed(list, &|name| renames.get(name).cloned())
            {
                Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
            }
        }
        Ok(())
    }
}
