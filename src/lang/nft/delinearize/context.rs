//! One table as its rules see it: sets by name, anonymous chains.

use super::super::ast::{SetInfo, SetRef};
use super::sets;
use crate::model::{Elements, Family, Name, Set, Table};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// Made once for a table, then used for all its rules.
pub struct TableView {
    pub table: Arc<Table>,
    /// Places in `table.sets`.
    sets: HashMap<Name, usize>,
    infos: RefCell<HashMap<Name, Option<Rc<SetInfo>>>>,
    bindings: HashSet<Name>,
}

impl TableView {
    pub fn new(table: &Arc<Table>) -> TableView {
        TableView {
            table: table.clone(),
            sets: table
                .sets
                .iter()
                .enumerate()
                .map(|(place, set)| (set.name.clone(), place))
                .collect(),
            infos: RefCell::default(),
            bindings: table
                .chains
                .iter()
                .filter(|chain| chain.is_binding())
                .map(|chain| chain.name.clone())
                .collect(),
        }
    }

    pub fn family(&self) -> Family {
        self.table.family
    }

    /// The chain was made for a `jump { ... }` in a rule.
    pub fn is_binding(&self, chain: &str) -> bool {
        self.bindings.contains(chain)
    }

    pub fn set(&self, name: &str) -> Option<&Arc<Set>> {
        self.table.sets.get(*self.sets.get(name)?)
    }

    /// Types of a set; none when nft could not name them either.
    pub fn set_info(&self, set: &Set) -> Option<Rc<SetInfo>> {
        if let Some(info) = self.infos.borrow().get(&*set.name) {
            return info.clone();
        }
        let info = sets::set_info(set).map(Rc::new);
        // Anonymous sets are looked at once: do not keep what nobody asks for again.
        if !set.is_anonymous() {
            self.infos
                .borrow_mut()
                .insert(set.name.clone(), info.clone());
        }
        info
    }

    /// A set as a rule refers to it, with the elements of an anonymous one.
    pub fn set_ref(&self, name: &str) -> Option<SetRef> {
        let set = self.set(name)?;
        let info = self.set_info(set)?;
        let elements = match &set.elements {
            Elements::Read(list) if set.is_anonymous() => {
                Some(sets::element_expressions(self, &info, list))
            }
            _ => None,
        };
        Some(SetRef {
            set: info,
            elements,
        })
    }
}
