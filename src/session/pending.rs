//! What the kernel told and the picture does not show yet.

use super::picture::ChainKey;
use crate::kernel::nf_tables::events::{Event, RulePlace, What};
use crate::model::network::NetworkChange;
use crate::model::{Family, Name};
use std::collections::{HashMap, HashSet};

pub type SetKey = (Family, Name, Name);

/// What happened since the last time, not yet in the picture.
#[derive(Debug, Default)]
pub struct Pending {
    /// Read everything again.
    pub everything: bool,
    /// Tables, chains, sets, objects or flowtables came, went or changed.
    pub structure: bool,
    /// Changes of rules, by chain, in order.
    pub rules: HashMap<ChainKey, Vec<RuleChange>>,
    /// Sets whose elements changed, or that somebody looks at for the first time.
    pub elements: HashSet<SetKey>,
    pub wanted_elements: HashSet<SetKey>,
    pub network: Vec<NetworkChange>,
    pub reread_network: bool,
    /// Read the counters of what is on screen.
    pub counters: bool,
    /// Read the counters of everything.
    pub sweep: bool,
}

#[derive(Debug)]
pub enum RuleChange {
    New {
        handle: u64,
        place: RulePlace,
        attributes: Vec<u8>,
    },
    Gone {
        handle: u64,
    },
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        !(self.everything
            || self.structure
            || !self.rules.is_empty()
            || !self.elements.is_empty()
            || !self.wanted_elements.is_empty()
            || !self.network.is_empty()
            || self.reread_network
            || self.counters
            || self.sweep)
    }

    pub fn add(&mut self, event: Event) {
        match event {
            Event::RuleNew {
                family,
                table,
                chain,
                handle,
                place,
                attributes,
            } => self
                .rules
                .entry(ChainKey {
                    family,
                    table,
                    chain,
                })
                .or_default()
                .push(RuleChange::New {
                    handle,
                    place,
                    attributes,
                }),
            Event::RuleGone {
                family,
                table,
                chain,
                handle,
            } => self
                .rules
                .entry(ChainKey {
                    family,
                    table,
                    chain,
                })
                .or_default()
                .push(RuleChange::Gone { handle }),
            Event::Elements { family, table, set } => {
                self.elements.insert((family, table, set));
            }
            Event::Structure { .. } => self.structure = true,
            Event::Generation(_) => {}
        }
    }
}

/// One line for a person: what a transaction did.
pub fn summary(events: &[Event]) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut count = |text: String| match counts.iter_mut().find(|(known, _)| *known == text) {
        Some((_, n)) => *n += 1,
        None => counts.push((text, 1)),
    };
    for event in events {
        match event {
            Event::RuleNew {
                family,
                table,
                chain,
                ..
            } => count(format!("+rule {family} {table} {chain}")),
            Event::RuleGone {
                family,
                table,
                chain,
                ..
            } => count(format!("-rule {family} {table} {chain}")),
            Event::Elements { family, table, set } => {
                count(format!("elements {family} {table} {set}"))
            }
            Event::Structure {
                what,
                family,
                table,
                name,
                gone,
            } => {
                let sign = if *gone { '-' } else { '+' };
                match what {
                    What::Table => count(format!("{sign}table {family} {table}")),
                    What::Chain => count(format!("{sign}chain {family} {table} {name}")),
                    What::Set => count(format!("{sign}set {family} {table} {name}")),
                    What::Object => count(format!("{sign}object {family} {table} {name}")),
                    What::Flowtable => count(format!("{sign}flowtable {family} {table} {name}")),
                }
            }
            Event::Generation(_) => {}
        }
    }
    const SHOWN: usize = 3;
    let mut text: Vec<String> = counts
        .iter()
        .take(SHOWN)
        .map(|(text, n)| {
            if *n > 1 {
                format!("{text} (x{n})")
            } else {
                text.clone()
            }
        })
        .collect();
    if counts.len() > SHOWN {
        text.push(format!("and {} more", counts.len() - SHOWN));
    }
    text.join(", ")
}
