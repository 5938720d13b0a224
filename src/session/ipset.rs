//! A text in the ipset language against the sets that are there.

use super::iptables::Failure;
use crate::kernel::{ipset, machine};
use crate::lang::ipset::parse::{self, Machine};
use crate::lang::iptables::parse::Wrong;
use crate::model::ipset::IpSetChange;
use crate::stage::ipset::{Refused, Saved, note};

/// Changes, and what is needed to take them back.
pub struct Prepared {
    pub changes: Vec<IpSetChange>,
    pub saved: Saved,
    spans: Vec<(usize, usize)>,
}

impl Prepared {
    /// A refusal, put on the text.
    pub fn wrong(&self, refused: &Refused) -> Wrong {
        let (start, end) = self.spans.get(refused.index).copied().unwrap_or_default();
        Wrong::new(start, end, refused.to_string())
    }
}

/// Read a text. With `exist`, nothing that is there already is an error.
pub fn prepare(text: &str, exist: bool) -> Result<Prepared, Failure> {
    let now = ipset::read_ipsets().map_err(|error| Failure::Other(error.to_string()))?;
    let machine = Machine {
        sets: now
            .iter()
            .map(|set| (set.name.clone(), (set.kind.clone(), set.family)))
            .collect(),
        protocols: machine::protocol_numbers(),
        services: machine::services(),
    };
    let placed = parse::text(text, machine, exist).map_err(Failure::Text)?;
    let spans = placed
        .iter()
        .map(|(_, start, end)| (*start, *end))
        .collect();
    let changes: Vec<IpSetChange> = placed.into_iter().map(|(change, ..)| change).collect();
    Ok(Prepared {
        saved: note(&changes, &now),
        changes,
        spans,
    })
}
