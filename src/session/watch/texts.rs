//! What the live ruleset says about the chains and rules that a trace names: read when it is asked for, and again
//! when the ruleset changed.

use crate::kernel::machine;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::events::{Event, Events, What};
use crate::kernel::nf_tables::{decode, dump, load};
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::model::{BaseChain, Elements, Family, Name, Names, Ruleset, Table};
use std::collections::HashMap;
use std::sync::Arc;

/// A rule as a trace needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFacts {
    pub text: String,
    /// It refuses with an answer: the kernel's trace shows a drop.
    pub rejects: bool,
}

/// One table: what its chains are, and rules by chain and handle.
struct Cached {
    table: Arc<Table>,
    rules: HashMap<Name, HashMap<u64, RuleFacts>>,
}

pub struct Texts {
    socket: Socket,
    events: Events,
    names: Names,
    tables: HashMap<(Family, Name), Cached>,
}

impl Texts {
    pub fn open() -> Result<Texts, KernelError> {
        let mut texts = Texts {
            socket: Socket::open(Protocol::Netfilter)?,
            events: Events::open()?,
            names: machine::names(&Ruleset::default()),
            tables: HashMap::new(),
        };
        texts.read_tables()?;
        Ok(texts)
    }

    /// Tables, their chains, and the sets that belong to rules.
    fn read_tables(&mut self) -> Result<(), KernelError> {
        self.tables.clear();
        for mut table in load::skeleton(&mut self.socket)? {
            let (family, name) = (table.family, table.name.clone());
            for set in &mut table.sets {
                if set.is_anonymous()
                    && let Ok(list) = dump::elements(&mut self.socket, family, &name, &set.name)
                {
                    Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
                }
            }
            let cached = Cached {
                table: Arc::new(table),
                rules: HashMap::new(),
            };
            self.tables.insert((family, name), cached);
        }
        Ok(())
    }

    /// Hear what changed since the last call.
    pub fn refresh(&mut self) {
        let mut all = false;
        match self.events.read() {
            Ok(events) => {
                for event in events {
                    match event {
                        Event::RuleNew {
                            family,
                            table,
                            chain,
                            ..
                        } => {
                            if let Some(cached) = self.tables.get_mut(&(family, table)) {
                                cached.rules.remove(&chain);
                            }
                        }
                        // What is gone keeps its text: packets that met it are still told of.
                        Event::RuleGone { .. } | Event::Elements { .. } | Event::Generation(_) => {}
                        Event::Structure { what, .. } => {
                            all |= matches!(what, What::Table | What::Chain | What::Set);
                        }
                    }
                }
            }
            Err(_) => all = true,
        }
        if all && self.read_tables().is_err() {
            // It is changing at this moment; the next call tries again.
            self.tables.clear();
        }
    }

    pub fn base(&self, family: Family, table: &Name, chain: &str) -> Option<&BaseChain> {
        let cached = self.tables.get(&(family, table.clone()))?;
        cached.table.chain(chain)?.base.as_ref()
    }

    /// A rule of a chain; nothing when it is gone by now.
    pub fn rule(
        &mut self,
        family: Family,
        table: &Name,
        chain: &Name,
        handle: u64,
    ) -> Option<RuleFacts> {
        let cached = self.tables.get_mut(&(family, table.clone()))?;
        if !cached.rules.contains_key(chain) {
            let list = load::read_chain_rules(&mut self.socket, family, table, chain).ok()?;
            let view = TableView::new(&cached.table);
            let rules = list
                .iter()
                .map(|rule| {
                    let expressions = decode::rule(rule)
                        .map(|body| body.expressions)
                        .unwrap_or_default();
                    let facts = RuleFacts {
                        text: facts::rule_text_stateless(&view, &self.names, rule),
                        rejects: expressions.iter().any(facts::rejects),
                    };
                    (rule.handle, facts)
                })
                .collect();
            cached.rules.insert(chain.clone(), rules);
        }
        cached.rules.get(chain)?.get(&handle).cloned()
    }

    /// Whether a table of bridges or of devices has base chains: then packets end there, too.
    pub fn devices_with_ingress(&self) -> Vec<Name> {
        let mut devices: Vec<Name> = self
            .tables
            .values()
            .flat_map(|cached| &cached.table.chains)
            .filter_map(|chain| chain.base.as_ref())
            .flat_map(|base| base.devices.iter().cloned())
            .collect();
        devices.sort();
        devices.dedup();
        devices
    }
}
