//! The changes in order, with undo and redo. Pure.

use super::edit::{Anchor, Edit, Place, RuleRef};
use std::sync::Arc;

/// One change of the set. Its number stays while it is in the set, also when others go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub id: u64,
    pub edit: Edit,
}

/// States that undo can go back to.
const DEPTH: usize = 500;

#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    changes: Arc<Vec<Change>>,
    past: Vec<Arc<Vec<Change>>>,
    future: Vec<Arc<Vec<Change>>>,
    last_id: u64,
    /// Counts every state of the set, so that an answer about an older one is known.
    version: u64,
}

impl ChangeSet {
    pub fn changes(&self) -> &Arc<Vec<Change>> {
        &self.changes
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, id: u64) -> Option<&Change> {
        self.changes.iter().find(|change| change.id == id)
    }

    /// Put a change at the end; its number.
    pub fn stage(&mut self, edit: Edit) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let beside = edit.beside().cloned();
        self.become_new(|changes| {
            changes.push(Change { id, edit });
            if let Some(rule) = beside {
                last_what_ends(changes, &rule);
            }
        });
        id
    }

    /// Put several changes at the end, as one state.
    pub fn stage_all(&mut self, edits: Vec<Edit>) {
        let (past, future) = (self.past.len(), self.changes.clone());
        for edit in edits {
            self.stage(edit);
        }
        if self.past.len() > past {
            self.past.truncate(past);
            self.past.push(future);
        }
    }

    /// Put another change in the place of one.
    pub fn amend(&mut self, id: u64, edit: Edit) {
        let beside = edit.beside().cloned();
        self.become_new(|changes| {
            if let Some(change) = changes.iter_mut().find(|change| change.id == id) {
                change.edit = edit;
            }
            if let Some(rule) = beside {
                last_what_ends(changes, &rule);
            }
        });
    }

    pub fn remove(&mut self, id: u64) {
        self.become_new(|changes| changes.retain(|change| change.id != id));
    }

    pub fn clear(&mut self) {
        self.become_new(Vec::clear);
    }

    fn become_new(&mut self, change: impl FnOnce(&mut Vec<Change>)) {
        let mut changes = (*self.changes).clone();
        change(&mut changes);
        if changes == *self.changes {
            return;
        }
        let before = std::mem::replace(&mut self.changes, Arc::new(changes));
        self.past.push(before);
        if self.past.len() > DEPTH {
            self.past.remove(0);
        }
        self.future.clear();
        self.version += 1;
    }

    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    pub fn undo(&mut self) {
        if let Some(before) = self.past.pop() {
            self.future
                .push(std::mem::replace(&mut self.changes, before));
            self.version += 1;
        }
    }

    pub fn redo(&mut self) {
        if let Some(after) = self.future.pop() {
            self.past.push(std::mem::replace(&mut self.changes, after));
            self.version += 1;
        }
    }

    /// The kernel has them: an empty set that remembers nothing, because undoing them is another matter.
    pub fn committed(&mut self) {
        self.changes = Arc::default();
        self.past.clear();
        self.future.clear();
        self.version += 1;
    }

    /// The change that replaces, moves or deletes a rule.
    pub fn of_rule(&self, chain: &Place, handle: u64) -> Option<&Change> {
        self.changes.iter().find(|change| {
            let own = change.edit.changes_rule();
            own.is_some_and(|rule| rule.handle == handle && rule.chain == *chain)
        })
    }

    pub fn of_policy(&self, chain: &Place) -> Option<&Change> {
        let same = |change: &&Change| matches!(&change.edit, Edit::SetPolicy { chain: of, .. } if of == chain);
        self.changes.iter().find(same)
    }

    /// The change that deletes an element.
    pub fn of_element(&self, set: &Place, element: &str) -> Option<&Change> {
        let same = |change: &&Change| matches!(&change.edit, Edit::DeleteElement { set: of, text } if of == set && text == element);
        self.changes.iter().find(same)
    }

    /// Elements that a set gets.
    pub fn new_elements<'s>(&'s self, set: &'s Place) -> impl Iterator<Item = &'s Change> {
        self.changes.iter().filter(
            move |change| matches!(&change.edit, Edit::AddElement { set: of, .. } if of == set),
        )
    }

    /// New rules of a chain and those that are moved there, each with its anchor.
    pub fn new_rules<'s>(
        &'s self,
        chain: &'s Place,
    ) -> impl Iterator<Item = (&'s Change, &'s Anchor)> {
        let coming = |change: &'s Change| match &change.edit {
            Edit::AddRule { at, .. } | Edit::MoveRule { to: at, .. } => Some((change, at)),
            _ => None,
        };
        let coming = self.changes.iter().filter_map(coming);
        coming.filter(move |(_, at)| at.chain() == chain)
    }
}

/// Beside a rule that the same transaction has taken away or replaced nothing can be put: that comes last.
fn last_what_ends(changes: &mut Vec<Change>, rule: &RuleRef) {
    let (mut first, last): (Vec<_>, Vec<_>) = std::mem::take(changes)
        .into_iter()
        .partition(|change| !change.edit.ends(rule));
    first.extend(last);
    *changes = first;
}
