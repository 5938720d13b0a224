//! Changes of ipsets, made in order, undone as a whole. May use `model` and `kernel`.
//!
//! ipset has no transactions: each change is made by itself. So the sets that a text names are noted before the first
//! change; when one is refused, and when somebody takes the change back, they are brought back: by their number,
//! which rules know them by, then by their elements. What others did to other elements stays. It may be repeated.

use crate::kernel::ipset::{self, Changer, explain};
use crate::kernel::netlink::KernelError;
use crate::model::ipset::{IpSet, IpSetChange, IpSetElement, IpSetWhat};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use thiserror::Error;

/// The sets that a change is about, before and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Names that the change uses.
    pub names: BTreeSet<String>,
    pub before: Vec<IpSet>,
    /// None until it was made: then what is there counts.
    pub after: Option<Vec<IpSet>>,
}

/// One change was refused, and those before it were taken back.
#[derive(Debug, Error)]
pub struct Refused {
    pub index: usize,
    pub why: String,
    /// What could not be brought back.
    pub left: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel refuses this: {}", self.why)
    }
}

/// Note what is there before the changes.
pub fn note(changes: &[IpSetChange], now: &[IpSet]) -> Saved {
    let mut names = BTreeSet::new();
    for change in changes {
        match &change.what {
            IpSetWhat::Create(set) => names.extend([set.name.clone()]),
            IpSetWhat::Add(name, _)
            | IpSetWhat::Delete(name, _)
            | IpSetWhat::Flush(Some(name))
            | IpSetWhat::Destroy(Some(name)) => names.extend([name.clone()]),
            IpSetWhat::Rename(a, b) | IpSetWhat::Swap(a, b) => {
                names.extend([a.clone(), b.clone()]);
            }
            IpSetWhat::Flush(None) | IpSetWhat::Destroy(None) => {
                names.extend(now.iter().map(|set| set.name.clone()));
            }
        }
    }
    Saved {
        before: named(now, &names),
        names,
        after: None,
    }
}

fn named(sets: &[IpSet], names: &BTreeSet<String>) -> Vec<IpSet> {
    let wanted = sets.iter().filter(|set| names.contains(&set.name));
    wanted.cloned().collect()
}

/// Make the changes in order, all of them or none.
pub fn apply(changes: &[IpSetChange], saved: &Saved) -> Result<(), Refused> {
    let refused = |index, why| Refused {
        index,
        why,
        left: Vec::new(),
    };
    let mut changer = Changer::open().map_err(|error| refused(0, error.to_string()))?;
    for (index, change) in changes.iter().enumerate() {
        let Err(error) = changer.make(change) else {
            continue;
        };
        let kind = match &change.what {
            IpSetWhat::Create(set) => set.kind.clone(),
            IpSetWhat::Add(name, _) | IpSetWhat::Delete(name, _) => kind_of(name, saved, changes),
            _ => String::new(),
        };
        let mut refused = refused(index, explain(&error, &kind));
        if index > 0 {
            refused.left = match saved.undo() {
                Ok((_, left)) => left,
                Err(error) => vec![error.to_string()],
            };
        }
        return Err(refused);
    }
    Ok(())
}

fn kind_of(name: &str, saved: &Saved, changes: &[IpSetChange]) -> String {
    let made = changes.iter().find_map(|change| match &change.what {
        IpSetWhat::Create(set) if set.name == name => Some(set.kind.clone()),
        _ => None,
    });
    let there = || saved.before.iter().find(|set| set.name == name);
    made.or_else(|| there().map(|set| set.kind.clone()))
        .unwrap_or_default()
}

impl Saved {
    /// The changes were made just now.
    pub fn done(&mut self) {
        if let Ok(now) = ipset::read_ipsets() {
            self.after = Some(named(&now, &self.names));
        }
    }

    /// Bring the sets back: how many changes that took, and what could not be, a sentence each.
    pub fn undo(&self) -> Result<(usize, Vec<String>), KernelError> {
        let mut back = Back {
            changer: Changer::open()?,
            count: 0,
            left: Vec::new(),
        };
        back.names(self)?;
        back.elements(self)?;
        back.gone(self)?;
        Ok((back.count, back.left))
    }

    /// Whether something is there that [`Saved::undo`] would take back.
    pub fn differs(&self) -> bool {
        match ipset::read_ipsets() {
            Ok(now) => named(&now, &self.names) != self.before,
            Err(_) => true,
        }
    }
}

struct Back {
    changer: Changer,
    count: usize,
    left: Vec<String>,
}

impl Back {
    fn make(&mut self, what: IpSetWhat) {
        let change = IpSetChange { what, exist: true };
        match self.changer.make(&change) {
            Ok(()) => self.count += 1,
            Err(error) => {
                let (kind, text) = match &change.what {
                    IpSetWhat::Create(set) => (set.kind.clone(), format!("set {}", set.name)),
                    IpSetWhat::Add(name, _) | IpSetWhat::Delete(name, _) => {
                        (String::new(), format!("an element of set {name}"))
                    }
                    IpSetWhat::Destroy(Some(name)) => {
                        (String::new(), format!("that there was no set {name}"))
                    }
                    other => (String::new(), format!("{other:?}")),
                };
                self.left
                    .push(format!("{text}: {}", explain(&error, &kind)));
            }
        }
    }

    /// Sets have the names that they had, and those that were there are there again.
    fn names(&mut self, saved: &Saved) -> Result<(), KernelError> {
        let now = ipset::read_ipsets()?;
        let there: HashMap<&str, &IpSet> = now.iter().map(|set| (set.name.as_str(), set)).collect();
        for was in &saved.before {
            let is = there.get(was.name.as_str());
            let renamed = now.iter().find(|set| {
                set.index == was.index && set.name != was.name && saved.names.contains(&set.name)
            });
            match (is, renamed) {
                (None, Some(renamed)) => {
                    self.make(IpSetWhat::Rename(renamed.name.clone(), was.name.clone()));
                }
                (None, None) => self.make(IpSetWhat::Create(Box::new(empty(was)))),
                (Some(is), _) if made_alike(is, was) => {}
                (Some(_), _) => {
                    // Made anew as something else, or swapped with something else: rules know it by its place.
                    let other = format!("{:.20}-restored", was.name);
                    let fresh = IpSet {
                        name: other.clone(),
                        ..empty(was)
                    };
                    self.make(IpSetWhat::Create(Box::new(fresh)));
                    self.make(IpSetWhat::Swap(other.clone(), was.name.clone()));
                    self.make(IpSetWhat::Destroy(Some(other)));
                }
            }
        }
        Ok(())
    }

    /// What the change did to elements; others may have changed others.
    fn elements(&mut self, saved: &Saved) -> Result<(), KernelError> {
        let now = ipset::read_ipsets()?;
        let after = saved.after.as_deref().unwrap_or(&now);
        for was in &saved.before {
            let Some(is) = now.iter().find(|set| set.name == was.name) else {
                continue;
            };
            let made = after.iter().find(|set| set.name == was.name);
            let made: HashSet<IpSetElement> = keys(made.unwrap_or(is));
            let (was_keys, is_keys) = (keys(was), keys(is));
            for element in &is.elements {
                let key = element.key();
                if made.contains(&key) && !was_keys.contains(&key) {
                    let gone = Box::new(key);
                    self.make(IpSetWhat::Delete(was.name.clone(), gone));
                }
            }
            let mut before = None;
            for element in &was.elements {
                let key = element.key();
                // Others took it away, if the change left it.
                let theirs = saved.after.is_some() && made.contains(&key);
                let told = is.elements.iter().find(|one| one.key() == key);
                let same = told.is_some_and(|told| lasting(told) == lasting(element));
                let gone = theirs && !is_keys.contains(&key);
                if !same && !gone {
                    let mut element = element.clone();
                    // Members of a list have an order.
                    element.beside = before.clone().filter(|_| element.set.is_some());
                    self.make(IpSetWhat::Add(was.name.clone(), Box::new(element)));
                }
                before.clone_from(&element.set);
            }
        }
        Ok(())
    }

    /// What the change made is gone; lists of sets first, which name others.
    fn gone(&mut self, saved: &Saved) -> Result<(), KernelError> {
        let now = ipset::read_ipsets()?;
        let was = |name: &String| saved.before.iter().any(|set| set.name == *name);
        let mut extra: Vec<&IpSet> = now
            .iter()
            .filter(|set| saved.names.contains(&set.name) && !was(&set.name))
            .collect();
        extra.sort_by_key(|set| set.kind != "list:set");
        for set in extra {
            self.make(IpSetWhat::Destroy(Some(set.name.clone())));
        }
        Ok(())
    }
}

fn keys(set: &IpSet) -> HashSet<IpSetElement> {
    set.elements.iter().map(IpSetElement::key).collect()
}

/// What a person wrote, without what counts up and runs out.
fn lasting(element: &IpSetElement) -> IpSetElement {
    IpSetElement {
        timeout: None,
        packets: None,
        bytes: None,
        beside: None,
        ..element.clone()
    }
}

fn empty(set: &IpSet) -> IpSet {
    IpSet {
        elements: Vec::new(),
        ..set.clone()
    }
}

fn made_alike(a: &IpSet, b: &IpSet) -> bool {
    // The table of a hash grows by itself.
    let made = |set: &IpSet| {
        let mut options = set.options.clone();
        (options.hash_size, options.start) = (None, None);
        (
            set.kind.clone(),
            set.family,
            set.netmask,
            set.markmask,
            options,
        )
    };
    made(a) == made(b)
}
