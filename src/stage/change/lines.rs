//! A chain as it will stand, with the new rules among those of the kernel. Pure.

use super::edit::{Anchor, Place};
use super::set::ChangeSet;
use std::collections::HashMap;

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
    let mut before: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut after: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut end = Vec::new();
    for (change, at) in set.new_rules(chain) {
        match at {
            Anchor::Before(rule) => before.entry(rule.handle).or_default().push(change.id),
            Anchor::After(rule) => after.entry(rule.handle).or_default().push(change.id),
            Anchor::End(_) => end.push(change.id),
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
