//! Single changes put where they belong in a long list of rules.

use super::RuleChange;
use crate::kernel::nf_tables::events::RulePlace;
use crate::model::RuleList;
use std::collections::HashSet;

/// Put single changes into a long list. False when they do not fit together: then the chain is read again.
pub(super) fn put_in_place(rules: &mut RuleList, changes: Vec<RuleChange>) -> bool {
    // A replaced rule comes and goes with one handle: which of the two is meant cannot be told.
    let mut seen = HashSet::new();
    for change in &changes {
        let (RuleChange::New { handle, .. } | RuleChange::Gone { handle }) = change;
        if !seen.insert(*handle) {
            return false;
        }
    }
    for change in changes {
        let fits = match change {
            RuleChange::Gone { handle } => rules
                .index_of(handle)
                .is_some_and(|index| rules.remove(index)),
            RuleChange::New { handle, .. } if rules.index_of(handle).is_some() => false,
            RuleChange::New {
                handle,
                place,
                attributes,
            } => {
                let index = match place {
                    RulePlace::First => Some(0),
                    RulePlace::Last => Some(rules.len()),
                    RulePlace::After(before) => rules.index_of(before).map(|index| index + 1),
                };
                index.is_some_and(|index| rules.insert(index, handle, &attributes))
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(handles: &[u64]) -> RuleList {
        let mut list = RuleList::default();
        for handle in handles {
            list.push(*handle, &handle.to_ne_bytes());
        }
        list
    }

    fn new(handle: u64, place: RulePlace) -> RuleChange {
        RuleChange::New {
            handle,
            place,
            attributes: handle.to_ne_bytes().into(),
        }
    }

    #[test]
    fn single_changes_are_put_in_place() {
        let mut rules = list(&[1, 2, 3]);
        let changes = vec![
            new(4, RulePlace::Last),
            new(5, RulePlace::After(1)),
            RuleChange::Gone { handle: 2 },
            new(6, RulePlace::First),
        ];
        assert!(put_in_place(&mut rules, changes));
        let handles: Vec<_> = rules.iter().map(|rule| rule.handle).collect();
        assert_eq!(handles, [6, 1, 5, 3, 4]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(!put_in_place(
            &mut list(&[1]),
            vec![new(2, RulePlace::After(9))]
        ));
        assert!(!put_in_place(
            &mut list(&[1]),
            vec![RuleChange::Gone { handle: 2 }]
        ));
        let replaced = vec![new(1, RulePlace::First), RuleChange::Gone { handle: 1 }];
        assert!(!put_in_place(&mut list(&[1]), replaced));
    }
}
