//! The change set: what a person wants changed, as data, in order, with undo and redo. Pure.
//!
//! A change knows the command of the nft language that carries it out, and, where it is about a rule, that rule by
//! its handle *and* its text: a handle may belong to another rule after somebody else has reloaded the ruleset.

use crate::model::{Family, Name, Policy};
use std::sync::Arc;

/// A chain or set by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub family: Family,
    pub table: Name,
    pub name: Name,
}

impl Place {
    /// As the nft language names it.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.name)
    }
}

/// A rule of the kernel, and what it said when the change was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    pub chain: Place,
    pub handle: u64,
    /// Without counters and other state.
    pub text: String,
}

/// Where a new rule goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    Before(RuleRef),
    After(RuleRef),
    /// Behind the last rule of the chain.
    End(Place),
}

impl Anchor {
    pub fn chain(&self) -> &Place {
        match self {
            Anchor::Before(rule) | Anchor::After(rule) => &rule.chain,
            Anchor::End(chain) => chain,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    AddRule {
        at: Anchor,
        text: String,
    },
    ReplaceRule {
        rule: RuleRef,
        text: String,
    },
    DeleteRule {
        rule: RuleRef,
    },
    SetPolicy {
        chain: Place,
        from: Policy,
        to: Policy,
    },
    AddElement {
        set: Place,
        text: String,
    },
    DeleteElement {
        set: Place,
        text: String,
    },
    /// A command that a person typed.
    Command {
        text: String,
    },
}

pub fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
        Policy::Unknown(_) => "unknown",
    }
}

impl Edit {
    /// What stands before the text that a person writes, in the command.
    pub fn lead(&self) -> String {
        match self {
            Edit::AddRule { at, .. } => {
                let chain = at.chain().words();
                match at {
                    Anchor::Before(rule) => format!("insert rule {chain} handle {} ", rule.handle),
                    Anchor::After(rule) => format!("add rule {chain} handle {} ", rule.handle),
                    Anchor::End(_) => format!("add rule {chain} "),
                }
            }
            Edit::ReplaceRule { rule, .. } => {
                let chain = rule.chain.words();
                format!("replace rule {chain} handle {} ", rule.handle)
            }
            Edit::DeleteRule { rule } => {
                let chain = rule.chain.words();
                format!("delete rule {chain} handle {}", rule.handle)
            }
            Edit::SetPolicy { chain, to, .. } => {
                let policy = policy_word(*to);
                format!("add chain {} {{ policy {policy}; }}", chain.words())
            }
            Edit::AddElement { set, .. } => format!("add element {} {{ ", set.words()),
            Edit::DeleteElement { set, .. } => format!("delete element {} {{ ", set.words()),
            Edit::Command { .. } => String::new(),
        }
    }

    /// What a person writes or wrote.
    pub fn text(&self) -> &str {
        match self {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::DeleteElement { text, .. }
            | Edit::Command { text } => text,
            Edit::DeleteRule { .. } | Edit::SetPolicy { .. } => "",
        }
    }

    /// The same change with another text.
    pub fn with_text(&self, new: &str) -> Edit {
        let mut edit = self.clone();
        match &mut edit {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::DeleteElement { text, .. }
            | Edit::Command { text } => new.clone_into(text),
            Edit::DeleteRule { .. } | Edit::SetPolicy { .. } => {}
        }
        edit
    }

    /// The command in the nft language.
    pub fn command(&self) -> String {
        let tail = match self {
            Edit::AddElement { .. } | Edit::DeleteElement { .. } => " }",
            _ => "",
        };
        format!("{}{}{tail}", self.lead(), self.text())
    }

    /// The rule of the kernel that must still be what it was.
    pub fn points_at(&self) -> Option<&RuleRef> {
        match self {
            Edit::AddRule {
                at: Anchor::Before(rule) | Anchor::After(rule),
                ..
            }
            | Edit::ReplaceRule { rule, .. }
            | Edit::DeleteRule { rule } => Some(rule),
            _ => None,
        }
    }

    /// Whether that rule, by its handle, is not there any more afterwards.
    fn ends(&self, rule: &RuleRef) -> bool {
        match self {
            Edit::ReplaceRule { rule: own, .. } | Edit::DeleteRule { rule: own } => {
                own.handle == rule.handle && own.chain == rule.chain
            }
            _ => false,
        }
    }

    /// The chain or set that it changes; nothing for a typed command.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Edit::AddRule { at, .. } => Some(at.chain()),
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => Some(&rule.chain),
            Edit::SetPolicy { chain, .. } => Some(chain),
            Edit::AddElement { set, .. } | Edit::DeleteElement { set, .. } => Some(set),
            Edit::Command { .. } => None,
        }
    }

    /// What it takes away, as it was written.
    pub fn old(&self) -> Option<String> {
        match self {
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => Some(rule.text.clone()),
            Edit::SetPolicy { from, .. } => Some(format!("policy {}", policy_word(*from))),
            Edit::DeleteElement { text, .. } => Some(text.clone()),
            _ => None,
        }
    }

    /// What it puts there.
    pub fn new_text(&self) -> Option<String> {
        match self {
            Edit::AddRule { text, .. }
            | Edit::ReplaceRule { text, .. }
            | Edit::AddElement { text, .. }
            | Edit::Command { text } => Some(text.clone()),
            Edit::SetPolicy { to, .. } => Some(format!("policy {}", policy_word(*to))),
            Edit::DeleteRule { .. } | Edit::DeleteElement { .. } => None,
        }
    }

    /// Where it changes something and what, in a few words.
    pub fn title(&self) -> String {
        let place = self.place().map(Place::words).unwrap_or_default();
        match self {
            Edit::AddRule { at, .. } => match at {
                Anchor::Before(rule) => format!("{place}: new rule before #{}", rule.handle),
                Anchor::After(rule) => format!("{place}: new rule after #{}", rule.handle),
                Anchor::End(_) => format!("{place}: new rule at the end"),
            },
            Edit::ReplaceRule { rule, .. } => format!("{place}: change rule #{}", rule.handle),
            Edit::DeleteRule { rule } => format!("{place}: delete rule #{}", rule.handle),
            Edit::SetPolicy { .. } => format!("{place}: policy"),
            Edit::AddElement { .. } => format!("{place}: new element"),
            Edit::DeleteElement { .. } => format!("{place}: delete element"),
            Edit::Command { .. } => "command".into(),
        }
    }
}

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
        let beside = match &edit {
            Edit::AddRule { .. } => edit.points_at().cloned(),
            _ => None,
        };
        self.become_new(|changes| {
            changes.push(Change { id, edit });
            // Beside a rule that the same transaction has taken away or replaced nothing can be put: that comes
            // last.
            if let Some(rule) = beside {
                let (mut first, last): (Vec<_>, Vec<_>) = std::mem::take(changes)
                    .into_iter()
                    .partition(|change| !change.edit.ends(&rule));
                first.extend(last);
                *changes = first;
            }
        });
        id
    }

    /// Put another change in the place of one.
    pub fn amend(&mut self, id: u64, edit: Edit) {
        self.become_new(|changes| {
            if let Some(change) = changes.iter_mut().find(|change| change.id == id) {
                change.edit = edit;
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

    /// The change that replaces or deletes a rule.
    pub fn of_rule(&self, chain: &Place, handle: u64) -> Option<&Change> {
        self.changes.iter().find(|change| match &change.edit {
            Edit::ReplaceRule { rule, .. } | Edit::DeleteRule { rule } => {
                rule.handle == handle && rule.chain == *chain
            }
            _ => false,
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

    /// New rules of a chain, in the order in which they will stand there, each with its anchor.
    pub fn new_rules<'s>(&'s self, chain: &'s Place) -> impl Iterator<Item = &'s Change> {
        self.changes.iter().filter(
            move |change| matches!(&change.edit, Edit::AddRule { at, .. } if at.chain() == chain),
        )
    }
}

/// A line of a chain as it will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A rule of the kernel, by its place.
    Rule(u32),
    /// A new one, by the number of its change.
    New(u64),
}

/// The lines of a chain with its new rules among them; `handles` are those of its rules, in order. Later rules
/// before or after the same one stand closer to it, as the kernel puts them. Nothing where nothing is new.
pub fn lines(
    set: &ChangeSet,
    chain: &Place,
    handles: impl Iterator<Item = u64>,
) -> Option<Vec<Line>> {
    use std::collections::HashMap;
    let mut before: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut after: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut end = Vec::new();
    for change in set.new_rules(chain) {
        match &change.edit {
            Edit::AddRule { at, .. } => match at {
                Anchor::Before(rule) => before.entry(rule.handle).or_default().push(change.id),
                Anchor::After(rule) => after.entry(rule.handle).or_default().push(change.id),
                Anchor::End(_) => end.push(change.id),
            },
            _ => continue,
        }
    }
    if before.is_empty() && after.is_empty() && end.is_empty() {
        return None;
    }
    let mut lines = Vec::new();
    for (place, handle) in handles.enumerate() {
        let new = before.remove(&handle).unwrap_or_default();
        lines.extend(new.into_iter().map(Line::New));
        lines.push(Line::Rule(u32::try_from(place).unwrap_or(u32::MAX)));
        let new = after.remove(&handle).unwrap_or_default();
        lines.extend(new.into_iter().rev().map(Line::New));
    }
    // Their rule is gone; the commit will say so.
    let mut lost: Vec<u64> = before
        .into_values()
        .chain(after.into_values())
        .flatten()
        .collect();
    lost.sort_unstable();
    lines.extend(lost.into_iter().chain(end).map(Line::New));
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Place {
        Place {
            family: Family::Ip,
            table: "t".into(),
            name: "c".into(),
        }
    }

    fn rule(handle: u64) -> RuleRef {
        RuleRef {
            chain: chain(),
            handle,
            text: "accept".into(),
        }
    }

    fn add(at: Anchor, text: &str) -> Edit {
        Edit::AddRule {
            at,
            text: text.into(),
        }
    }

    #[test]
    fn changes_are_commands_of_the_language() {
        let edits = [
            add(Anchor::After(rule(7)), "drop"),
            add(Anchor::Before(rule(7)), "drop"),
            add(Anchor::End(chain()), "drop"),
            Edit::ReplaceRule {
                rule: rule(7),
                text: "drop".into(),
            },
            Edit::DeleteRule { rule: rule(7) },
            Edit::SetPolicy {
                chain: chain(),
                from: Policy::Accept,
                to: Policy::Drop,
            },
            Edit::AddElement {
                set: chain(),
                text: "1.2.3.4".into(),
            },
            Edit::DeleteElement {
                set: chain(),
                text: "1.2.3.4".into(),
            },
        ];
        let commands: Vec<String> = edits.iter().map(Edit::command).collect();
        assert_eq!(
            commands,
            [
                "add rule ip t c handle 7 drop",
                "insert rule ip t c handle 7 drop",
                "add rule ip t c drop",
                "replace rule ip t c handle 7 drop",
                "delete rule ip t c handle 7",
                "add chain ip t c { policy drop; }",
                "add element ip t c { 1.2.3.4 }",
                "delete element ip t c { 1.2.3.4 }",
            ]
        );
    }

    #[test]
    fn undo_and_redo_walk_through_every_state() {
        let mut set = ChangeSet::default();
        let first = set.stage(Edit::DeleteRule { rule: rule(7) });
        let second = set.stage(add(Anchor::End(chain()), "drop"));
        set.amend(second, add(Anchor::End(chain()), "accept"));
        set.remove(first);
        assert_eq!(set.len(), 1);
        set.remove(first);
        set.undo();
        assert_eq!(set.len(), 2, "removing nothing is no state of its own");
        set.undo();
        assert_eq!(set.get(second).unwrap().edit.text(), "drop");
        set.redo();
        assert_eq!(set.get(second).unwrap().edit.text(), "accept");
        set.undo();
        set.clear();
        assert!(!set.can_redo() && set.is_empty());
        for _ in 0..9 {
            set.undo();
        }
        assert!(!set.can_undo() && set.is_empty());
        set.redo();
        assert!(set.of_rule(&chain(), 7).is_some());
        assert!(set.of_rule(&chain(), 8).is_none());
    }

    #[test]
    fn a_rule_goes_after_those_beside_it_came() {
        let mut set = ChangeSet::default();
        set.stage(Edit::DeleteRule { rule: rule(7) });
        set.stage(Edit::DeleteRule { rule: rule(8) });
        set.stage(add(Anchor::Before(rule(7)), "drop"));
        let commands: Vec<String> = set.changes().iter().map(|one| one.edit.command()).collect();
        assert_eq!(
            commands,
            [
                "delete rule ip t c handle 8",
                "insert rule ip t c handle 7 drop",
                "delete rule ip t c handle 7",
            ]
        );
    }

    #[test]
    fn new_rules_stand_where_the_kernel_will_put_them() {
        let mut set = ChangeSet::default();
        assert_eq!(lines(&set, &chain(), [5, 7].into_iter()), None);
        let a = set.stage(add(Anchor::After(rule(5)), "a"));
        let b = set.stage(add(Anchor::After(rule(5)), "b"));
        let c = set.stage(add(Anchor::Before(rule(5)), "c"));
        let d = set.stage(add(Anchor::Before(rule(5)), "d"));
        let e = set.stage(add(Anchor::End(chain()), "e"));
        let lost = set.stage(add(Anchor::After(rule(9)), "f"));
        assert_eq!(
            lines(&set, &chain(), [5, 7].into_iter()).unwrap(),
            [
                Line::New(c),
                Line::New(d),
                Line::Rule(0),
                Line::New(b),
                Line::New(a),
                Line::Rule(1),
                Line::New(lost),
                Line::New(e),
            ]
        );
    }
}
