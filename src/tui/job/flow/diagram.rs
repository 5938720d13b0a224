//! What runs at every hook, in the kernel's order, of all backends.

use super::Station;
use crate::flow::Simulator;
use crate::flow::hooks::{Entry as HookEntry, Function, arp, inet};
use crate::lang::iptables::as_nft;
use crate::model::xtables::rule::{LegacyTable, LegacyVerdict};
use crate::model::{Family, Policy};
use crate::session::ChainKey;
use crate::tui::text;
use std::collections::HashMap;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nature {
    /// A base chain of nf_tables.
    Chain(ChainKey),
    /// A built-in chain of the legacy backend, as the picture shows it.
    Legacy(ChainKey),
    /// Something of the kernel itself: conntrack, NAT, defragmentation.
    Builtin,
    /// A BPF program or a filter of traffic control.
    Program,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub nature: Nature,
    pub priority: Option<i32>,
    /// `ip nat PREROUTING`, `conntrack`, ...
    pub name: String,
    /// `filter`, `nat`, `route`; empty for what is no chain.
    pub kind: String,
    pub policy: Option<bool>,
    pub rules: usize,
    /// Devices that it is bound to.
    pub devices: Vec<String>,
    /// In plain English.
    pub reading: String,
}

#[derive(Clone, Debug, Default)]
pub struct Diagram {
    places: HashMap<(Family, Station), Vec<Entry>>,
}

impl Diagram {
    pub fn at(&self, family: Family, station: Station) -> &[Entry] {
        self.places
            .get(&(family, station))
            .map_or(&[], Vec::as_slice)
    }

    /// No chain of any backend anywhere.
    pub fn is_bare(&self) -> bool {
        let mut all = self.places.values().flatten();
        !all.any(|entry| matches!(entry.nature, Nature::Chain(_) | Nature::Legacy(..)))
    }

    /// Chains of nf_tables in one family.
    pub fn chains(&self, family: Family) -> Vec<ChainKey> {
        let mut keys: Vec<ChainKey> = Vec::new();
        for station in Station::ALL {
            for entry in self.at(family, station) {
                if let Nature::Chain(key) = &entry.nature
                    && !keys.contains(key)
                {
                    keys.push(key.clone());
                }
            }
        }
        keys
    }
}

const HOOKS: [(u8, Station); 5] = [
    (inet::PREROUTING, Station::Prerouting),
    (inet::INPUT, Station::Input),
    (inet::FORWARD, Station::Forward),
    (inet::OUTPUT, Station::Output),
    (inet::POSTROUTING, Station::Postrouting),
];

pub fn build(simulator: &Simulator<'_>) -> Diagram {
    let mut diagram = Diagram::default();
    let hooks = &simulator.hooks;
    for family in [Family::Ip, Family::Ip6, Family::Bridge] {
        for (hook, station) in HOOKS {
            let mut entries = Vec::new();
            for entry in hooks.at(family, hook) {
                if entry.function == Function::Nat {
                    entries.push(builtin(entry, "nat"));
                    let chains = hooks.nat_at(family, hook);
                    entries.extend(
                        chains
                            .iter()
                            .filter_map(|one| self::entry(simulator, one, hook)),
                    );
                } else {
                    entries.extend(self::entry(simulator, entry, hook));
                }
            }
            diagram.places.insert((family, station), entries);
        }
    }
    for (hook, station) in [
        (arp::IN, Station::Input),
        (arp::OUT, Station::Output),
        (arp::FORWARD, Station::Forward),
    ] {
        let entries = hooks.at(Family::Arp, hook).iter();
        let entries = entries.filter_map(|one| entry(simulator, one, hook));
        diagram
            .places
            .insert((Family::Arp, station), entries.collect());
    }
    let ingress = devices(simulator, true);
    let egress = devices(simulator, false);
    for family in super::FAMILIES {
        diagram
            .places
            .insert((family, Station::Ingress), ingress.clone());
        diagram
            .places
            .insert((family, Station::Egress), egress.clone());
    }
    diagram
}

fn builtin(entry: &HookEntry, name: &str) -> Entry {
    let reading = match name {
        "conntrack" => {
            "Connection tracking looks up which connection the packet belongs to, or begins a new one."
        }
        "nat" => {
            "Addresses and ports are rewritten: the nat chains below decide for the first packet of a connection, all later ones follow it."
        }
        "defrag" => "Fragments wait here until the whole packet has come.",
        "confirm" => "A new connection that came this far is entered into the table.",
        _ => "Bridged packets are handed to the IP hooks here (br_netfilter).",
    };
    Entry {
        nature: Nature::Builtin,
        priority: Some(entry.priority),
        name: name.to_owned(),
        kind: String::new(),
        policy: None,
        rules: 0,
        devices: Vec::new(),
        reading: reading.to_owned(),
    }
}

fn entry(simulator: &Simulator<'_>, entry: &HookEntry, hook: u8) -> Option<Entry> {
    Some(match entry.function {
        Function::Nft(id) => {
            let (table, chain) = (
                simulator.program.table_of(id)?,
                simulator.program.chain(id)?,
            );
            let base = chain.base.as_ref()?;
            Entry {
                nature: Nature::Chain(ChainKey {
                    family: table.family,
                    table: table.name.clone(),
                    chain: chain.name.clone(),
                }),
                priority: Some(base.priority),
                name: format!("{} {} {}", table.family, table.name, chain.name),
                kind: base.kind.to_string(),
                policy: base.policy.map(|policy| policy != Policy::Drop),
                rules: chain.rules.len(),
                devices: base.devices.iter().map(ToString::to_string).collect(),
                reading: text::chain_sentence(table.family, chain),
            }
        }
        Function::Legacy(place) => {
            let table = simulator.legacy.get(place)?;
            legacy(table.table, entry.priority, table.hooks().is_nat, hook)?
        }
        Function::Defrag => builtin(entry, "defrag"),
        Function::Conntrack => builtin(entry, "conntrack"),
        Function::Confirm => builtin(entry, "confirm"),
        Function::Nat => builtin(entry, "nat"),
        Function::BridgePrerouting | Function::BridgeForward | Function::BridgePostrouting => {
            builtin(entry, "br_netfilter")
        }
        Function::Sabotage => return None,
    })
}

fn legacy(table: &LegacyTable, priority: i32, is_nat: bool, hook: u8) -> Option<Entry> {
    let chain = table.chains.iter().find(|chain| {
        let policy = chain.policy.as_ref();
        policy.is_some_and(|policy| policy.hook == u32::from(hook))
    })?;
    let policy = chain.policy.as_ref()?;
    let word = if policy.verdict == LegacyVerdict::Drop {
        "dropped"
    } else {
        "accepted"
    };
    Some(Entry {
        nature: Nature::Legacy(ChainKey {
            family: table.family,
            table: as_nft::shown_name(&table.name),
            chain: chain.name.clone(),
        }),
        priority: Some(priority),
        name: format!("legacy {} {}", table.name, chain.name),
        kind: if is_nat { "nat" } else { "filter" }.into(),
        policy: Some(policy.verdict != LegacyVerdict::Drop),
        rules: chain.rules.len(),
        devices: Vec::new(),
        reading: format!(
            "A chain of iptables-legacy at this hook. Packets that none of its rules decides are {word}."
        ),
    })
}

/// What runs at devices: XDP and traffic control, then chains in order; chains of several devices once.
fn devices(simulator: &Simulator<'_>, ingress: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut chains: Vec<Entry> = Vec::new();
    let program = |name: String, device: &str, reading: &str| Entry {
        nature: Nature::Program,
        priority: None,
        name,
        kind: String::new(),
        policy: None,
        rules: 0,
        devices: vec![device.to_owned()],
        reading: reading.to_owned(),
    };
    for link in simulator.network.links.iter() {
        if ingress {
            for xdp in &link.xdp {
                let reading = "An XDP program sees packets of this device before everything else and may drop, change or redirect them. What it does is not simulated.";
                entries.push(program(
                    format!("XDP program {}", xdp.program),
                    &link.name,
                    reading,
                ));
            }
        }
        let (filters, programs) = if ingress {
            (link.tc.ingress, &link.tc.tcx_ingress)
        } else {
            (link.tc.egress + link.tc.root, &link.tc.tcx_egress)
        };
        let programs = programs.as_ref().map_or(0, Vec::len);
        let reading = "Traffic control at this device: filters and programs may drop, change or redirect packets. What they do is not simulated.";
        if filters > 0 {
            entries.push(program(
                format!("tc, {filters} filters"),
                &link.name,
                reading,
            ));
        }
        if programs > 0 {
            entries.push(program(
                format!("tcx, {programs} programs"),
                &link.name,
                reading,
            ));
        }
        let list = if ingress {
            simulator.hooks.ingress(link.index)
        } else {
            simulator.hooks.egress(link.index)
        };
        for one in list {
            if let Some(found) = entry(simulator, one, 0)
                && !chains.iter().any(|known| known.nature == found.nature)
            {
                chains.push(found);
            }
        }
    }
    chains.sort_by_key(|entry| entry.priority);
    entries.extend(chains);
    entries
}
