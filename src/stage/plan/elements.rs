//! The elements of one set: which go and which come. Pure.

use crate::model::set::{element_flags, flags};
use crate::model::{Element, Set};
use crate::stage::content::{Identity, element_identity, same_element};
use crate::stage::make;
use std::collections::HashMap;

/// What has to be done to a set, and what could not be decided.
#[derive(Debug, Default)]
pub struct Elements {
    pub remove: Vec<Element>,
    pub add: Vec<Element>,
    /// How many elements somebody else changed that were to be changed here.
    pub left: usize,
}

/// Elements that come and go together: the two ends of an interval, or one by itself.
type Group = Vec<Element>;

fn groups(set: &Set) -> Vec<Group> {
    let elements = make::elements(set);
    if !set.has(flags::INTERVAL) || !set.field_lens.is_empty() {
        return elements.into_iter().map(|element| vec![element]).collect();
    }
    let mut groups: Vec<Group> = Vec::with_capacity(elements.len() / 2 + 1);
    for element in elements {
        // Ascending, so that an end follows its start.
        let end = element.flags & element_flags::INTERVAL_END != 0;
        match groups.last_mut() {
            Some(group) if end && group.len() == 1 && !is_end(group) => group.push(element),
            _ => groups.push(vec![element]),
        }
    }
    groups
}

fn is_end(group: &Group) -> bool {
    group
        .last()
        .is_some_and(|element| element.flags & element_flags::INTERVAL_END != 0)
}

fn index(groups: &[Group]) -> HashMap<Vec<Identity>, &Group> {
    groups
        .iter()
        .map(|group| (group.iter().map(element_identity).collect(), group))
        .collect()
}

fn same(a: &Group, b: &Group) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_element(a, b))
}

/// Milliseconds have passed since `want` was read: what would have expired does not come back.
fn aged(group: &Group, elapsed: u64) -> Option<Group> {
    group
        .iter()
        .map(|element| {
            let mut element = element.clone();
            element.expiration = match element.expiration {
                Some(left) => Some(left.checked_sub(elapsed).filter(|left| *left > 0)?),
                None => None,
            };
            Some(element)
        })
        .collect()
}

/// What takes back in `now` what was done from `want` to `base`.
pub fn merge(want: &Set, base: &Set, now: &Set, elapsed: u64) -> Elements {
    let mut plan = Elements::default();
    if want.elements == base.elements {
        return plan;
    }
    let (want, base, now) = (groups(want), groups(base), groups(now));
    let (base_index, want_index, now_index) = (index(&base), index(&want), index(&now));
    let key = |group: &Group| group.iter().map(element_identity).collect::<Vec<_>>();
    for group in &base {
        let key = key(group);
        if !want_index.contains_key(&key)
            && let Some(there) = now_index.get(&key)
        {
            plan.remove.extend(there.iter().cloned());
        }
    }
    for group in &want {
        let key = key(group);
        let (was, is) = (base_index.get(&key), now_index.get(&key));
        match (was, is) {
            (Some(was), _) if same(was, group) => {}
            (_, Some(is)) if same(is, group) => {}
            (None, None) => plan.add.extend(aged(group, elapsed).unwrap_or_default()),
            (Some(was), Some(is)) if same(was, is) => {
                plan.remove.extend(is.iter().cloned());
                plan.add.extend(aged(group, elapsed).unwrap_or_default());
            }
            _ => plan.left += 1,
        }
    }
    plan
}

/// All elements of `set` with what the plan says, as if it were made anew.
pub fn all(set: &Set, plan: &Elements) -> Vec<Element> {
    let gone: std::collections::HashSet<Identity> =
        plan.remove.iter().map(element_identity).collect();
    let mut elements = make::elements(set);
    elements.retain(|element| !gone.contains(&element_identity(element)));
    elements.extend(plan.add.iter().cloned());
    elements
}

/// All elements of a set that was read so long ago. milliseconds
pub fn all_aged(set: &Set, elapsed: u64) -> Vec<Element> {
    groups(set)
        .iter()
        .filter_map(|group| aged(group, elapsed))
        .flatten()
        .collect()
}
