//! Making sets as they were read, with the numbers that rules know them by, in a namespace that has none.

use super::change::Changer;
use crate::kernel::netlink::KernelError;
use crate::model::ipset::{IpSet, IpSetChange, IpSetWhat};

/// Sets that are made for a moment only, so that those after them get the numbers that they had.
const MOST_GAPS: u16 = 1024;
const AF_INET: u8 = 2;

fn make(changer: &mut Changer, what: IpSetWhat) -> Result<(), KernelError> {
    changer.make(&IpSetChange { what, exist: true })
}

/// Make the sets with their elements. What could not be made: one sentence each.
pub fn make_all(sets: &[IpSet]) -> Vec<String> {
    let mut wrong = Vec::new();
    if sets.is_empty() {
        return wrong;
    }
    let mut changer = match Changer::open() {
        Ok(changer) => changer,
        Err(error) => return vec![format!("all ipsets ({error})")],
    };
    let mut sorted: Vec<&IpSet> = sets.iter().collect();
    sorted.sort_by_key(|set| set.index);
    let mut gaps = Vec::new();
    let mut next = 0;
    for set in &sorted {
        // The kernel gives the lowest number that is free.
        while next < set.index && set.index - next <= MOST_GAPS {
            let gap = IpSet {
                name: format!("gap-{next}"),
                kind: "hash:ip".into(),
                family: AF_INET,
                ..IpSet::default()
            };
            let name = gap.name.clone();
            if make(&mut changer, IpSetWhat::Create(Box::new(gap))).is_ok() {
                gaps.push(name);
            }
            next += 1;
        }
        next = set.index.saturating_add(1);
        let what = IpSetWhat::Create(Box::new((*set).clone()));
        if let Err(error) = make(&mut changer, what) {
            wrong.push(format!("ipset {} ({error})", set.name));
        }
    }
    for set in &sorted {
        for element in &set.elements {
            let what = IpSetWhat::Add(set.name.clone(), Box::new(element.clone()));
            if let Err(error) = make(&mut changer, what) {
                wrong.push(format!("elements of ipset {} ({error})", set.name));
                break;
            }
        }
    }
    for name in gaps {
        let _ = make(&mut changer, IpSetWhat::Destroy(Some(name)));
    }
    wrong
}
