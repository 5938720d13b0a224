//! Reads the kernel for the session: everything at first, then what changed. Blocking; runs on a blocking thread.
//!
//! It owns the ruleset that the next picture is made of. Parts that did not change are shared with the last one.

mod counters;
mod place;

use super::pending::{Pending, RuleChange, SetKey};
use super::picture::{ChainKey, Rates};
use super::rates::Readings;
use super::system;
use crate::kernel::machine;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::decode;
use crate::kernel::nf_tables::dump::{self, RuleScope};
use crate::kernel::nf_tables::load;
use crate::kernel::route;
use crate::model::network::NetworkChange;
use crate::model::set::flags;
use crate::model::text::to_bytes;
use crate::model::{Chain, Elements, Family, Name, Names, Network, RuleList, Ruleset, Set, Table};
use place::put_in_place;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to so many rules, a chain that changed is read again; beyond, single changes are put in place.
const SMALL_CHAIN: usize = 2_000;
/// More changes to one chain than this: read it again, however large it is.
const MANY_CHANGES: usize = 64;
/// Rounds of reading before a restless ruleset is left for the next time.
const ROUNDS: usize = 5;
/// While the first load runs, a picture is handed out this often.
const PROGRESS: Duration = Duration::from_millis(120);

/// What the reader hands out.
pub struct Reading {
    pub ruleset: Arc<Ruleset>,
    pub network: Network,
    pub names: Arc<Names>,
    pub rates: Arc<Rates>,
    /// What is being read; none when the picture is complete.
    pub step: Option<(String, usize, usize)>,
}

pub struct Reader {
    socket: Socket,
    generation: u32,
    tables: Vec<Arc<Table>>,
    /// Tables of the legacy backends, which tell nobody when they change.
    legacy: system::Legacy,
    network: Network,
    names: Arc<Names>,
    rates: Arc<Rates>,
    readings: Readings,
    /// When the policy counters were read.
    policies_read: Instant,
    /// The ruleset moved while it was read: what was read is not of one generation.
    pub restless: bool,
}

impl Reader {
    pub fn open() -> Result<Reader, KernelError> {
        Ok(Reader {
            socket: Socket::open(Protocol::Netfilter)?,
            generation: 0,
            tables: Vec::new(),
            legacy: system::Legacy::default(),
            network: Network::default(),
            names: Arc::default(),
            rates: Arc::default(),
            readings: Readings::default(),
            policies_read: Instant::now(),
            restless: false,
        })
    }

    pub fn reading(&self, step: Option<(String, usize, usize)>) -> Reading {
        Reading {
            ruleset: Arc::new(Ruleset {
                generation: self.generation,
                tables: self.tables.clone(),
                legacy: self.legacy.shown.clone(),
            }),
            network: self.network.clone(),
            names: self.names.clone(),
            rates: self.rates.clone(),
            step,
        }
    }

    /// Read everything. `shown` is asked between chains which ones a person waits for; `publish` gets the picture
    /// as it grows.
    pub fn load(
        &mut self,
        shown: &dyn Fn() -> Vec<ChainKey>,
        publish: &mut dyn FnMut(Reading),
    ) -> Result<(), KernelError> {
        for _ in 0..ROUNDS {
            match self.load_once(shown, publish) {
                Err(error) if error.is_transient() || error.errno() == Some(libc::ENOENT) => {}
                result => {
                    result?;
                    let generation = dump::generation(&mut self.socket)?.id;
                    self.restless = generation != self.generation;
                    if !self.restless {
                        break;
                    }
                }
            }
        }
        publish(self.reading(Some(("routes".into(), 0, 0))));
        self.read_network();
        self.read_anonymous_elements()?;
        self.names = Arc::new(machine::names(&self.reading(None).ruleset));
        Ok(())
    }

    fn load_once(
        &mut self,
        shown: &dyn Fn() -> Vec<ChainKey>,
        publish: &mut dyn FnMut(Reading),
    ) -> Result<(), KernelError> {
        self.generation = dump::generation(&mut self.socket)?.id;
        self.read_skeleton()?;
        if self.names.interfaces.is_empty() {
            self.names = Arc::new(machine::names(&self.reading(None).ruleset));
        }
        let total = self.tables.iter().map(|table| table.chains.len()).sum();
        publish(self.reading(Some(("rules".into(), 0, total))));
        // The chain that a screen opens with comes first.
        if let Some(first) = self.first_chain() {
            self.read_chain_slowly(&first, publish, total)?;
        }
        let mut done = 1;
        for table in self.tables.clone() {
            for key in shown() {
                self.read_chain_slowly(&key, publish, total)?;
            }
            self.read_table_rules(&table, publish, &mut done, total)?;
        }
        Ok(())
    }

    /// The first base chain of the first table.
    fn first_chain(&self) -> Option<ChainKey> {
        let table = self.tables.iter().find(|table| !table.chains.is_empty())?;
        let chain = table
            .chains
            .iter()
            .find(|chain| chain.base.is_some())
            .or(table.chains.first())?;
        Some(key_of(table, chain))
    }

    /// Tables, chains, sets, objects and flowtables; rules and elements of those that are still the same are kept.
    fn read_skeleton(&mut self) -> Result<(), KernelError> {
        let mut fresh = load::skeleton(&mut self.socket)?;
        for table in &mut fresh {
            let Some(old) = self.tables.iter().find(|old| {
                old.family == table.family && old.name == table.name && old.handle == table.handle
            }) else {
                continue;
            };
            let chains: HashMap<&Name, &Arc<Chain>> = old
                .chains
                .iter()
                .map(|chain| (&chain.name, chain))
                .collect();
            for chain in &mut table.chains {
                if let Some(old) = chains
                    .get(&chain.name)
                    .filter(|old| old.handle == chain.handle)
                {
                    Arc::make_mut(chain).rules = old.rules.clone();
                }
            }
            let sets: HashMap<&Name, &Arc<Set>> =
                old.sets.iter().map(|set| (&set.name, set)).collect();
            for set in &mut table.sets {
                if let Some(old) = sets.get(&set.name).filter(|old| old.handle == set.handle)
                    && matches!(old.elements, Elements::Read(_))
                {
                    Arc::make_mut(set).elements = old.elements.clone();
                }
            }
        }
        self.tables = fresh.into_iter().map(Arc::new).collect();
        Ok(())
    }

    /// Read one chain, handing out what has come so far: a chain of 100,000 rules takes seconds.
    fn read_chain_slowly(
        &mut self,
        key: &ChainKey,
        publish: &mut dyn FnMut(Reading),
        total: usize,
    ) -> Result<(), KernelError> {
        if self.chain(key).is_none_or(|chain| chain.rules.read) {
            return Ok(());
        }
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let mut list = RuleList::default();
        let mut last = Instant::now();
        let mut pause = PROGRESS / 4;
        let (family, table, chain) = (key.family, key.table.clone(), key.chain.clone());
        dump::rules(
            &mut socket,
            RuleScope::Chain(family, &table, &chain),
            |_, attributes| {
                list.push(decode::rule_place(attributes)?.handle, attributes);
                if last.elapsed() > pause {
                    self.set_rules(key, list.clone());
                    publish(self.reading(Some((format!("rules of {chain}"), list.len(), total))));
                    last = Instant::now();
                    // Each copy costs more than the one before: leave more time between them.
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Ok(())
            },
        )?;
        list.read = true;
        list.shrink();
        self.set_rules(key, list);
        Ok(())
    }

    /// Read the rules of all chains of a table that are not read yet, by one dump.
    fn read_table_rules(
        &mut self,
        table: &Arc<Table>,
        publish: &mut dyn FnMut(Reading),
        done: &mut usize,
        total: usize,
    ) -> Result<(), KernelError> {
        let Some(place) = self.place(table.family, &table.name) else {
            return Ok(());
        };
        if load::by_chain(table.chains.len()) {
            return self.read_unread_chains(place, publish, done, total);
        }
        let missing: HashMap<Vec<u8>, usize> = self
            .tables
            .get(place)
            .into_iter()
            .flat_map(|table| table.chains.iter().enumerate())
            .filter(|(_, chain)| !chain.rules.read)
            .map(|(index, chain)| (to_bytes(&chain.name), index))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut lists: HashMap<usize, RuleList> = HashMap::new();
        let mut current: (Vec<u8>, Option<usize>) = (Vec::new(), None);
        let mut last = Instant::now();
        let name = table.name.clone();
        dump::rules(
            &mut self.socket,
            RuleScope::Table(table.family, &name),
            |_, attributes| {
                let rule = decode::rule_place(attributes)?;
                if current.1.is_none() || current.0 != rule.chain {
                    current = (rule.chain.to_vec(), missing.get(rule.chain).copied());
                    if last.elapsed() > PROGRESS {
                        last = Instant::now();
                        let ruleset = Arc::new(Ruleset {
                            generation: self.generation,
                            tables: self.tables.clone(),
                            legacy: self.legacy.shown.clone(),
                        });
                        publish(Reading {
                            ruleset,
                            network: self.network.clone(),
                            names: self.names.clone(),
                            rates: self.rates.clone(),
                            step: Some((format!("rules of {name}"), *done + lists.len(), total)),
                        });
                    }
                }
                if let Some(index) = current.1 {
                    lists
                        .entry(index)
                        .or_default()
                        .push(rule.handle, attributes);
                }
                Ok(())
            },
        )?;
        if let Some(table) = self.tables.get_mut(place) {
            let table = Arc::make_mut(table);
            for index in missing.into_values() {
                let mut list = lists.remove(&index).unwrap_or_default();
                list.read = true;
                list.shrink();
                if let Some(chain) = table.chains.get_mut(index) {
                    Arc::make_mut(chain).rules = list;
                }
            }
            *done += table.chains.len();
        }
        Ok(())
    }

    /// The same with one dump for each chain, see [`load::by_chain`].
    fn read_unread_chains(
        &mut self,
        place: usize,
        publish: &mut dyn FnMut(Reading),
        done: &mut usize,
        total: usize,
    ) -> Result<(), KernelError> {
        let Some(mut table) = self.tables.get(place).map(|table| Table::clone(table)) else {
            return Ok(());
        };
        let (family, name) = (table.family, table.name.clone());
        let mut last = Instant::now();
        for (index, chain) in table.chains.iter_mut().enumerate() {
            if chain.rules.read {
                continue;
            }
            let rules = load::read_chain_rules(&mut self.socket, family, &name, &chain.name)?;
            Arc::make_mut(chain).rules = rules;
            if last.elapsed() > PROGRESS {
                last = Instant::now();
                let step = (format!("rules of {name}"), *done + index, total);
                publish(self.reading(Some(step)));
            }
        }
        *done += table.chains.len();
        if let Some(slot) = self.tables.get_mut(place) {
            *slot = Arc::new(table);
        }
        Ok(())
    }

    fn place(&self, family: Family, table: &str) -> Option<usize> {
        self.tables
            .iter()
            .position(|known| known.family == family && &*known.name == table)
    }

    fn chain(&self, key: &ChainKey) -> Option<&Arc<Chain>> {
        self.tables
            .get(self.place(key.family, &key.table)?)?
            .chain(&key.chain)
    }

    fn chain_mut(&mut self, key: &ChainKey) -> Option<&mut Chain> {
        let place = self.place(key.family, &key.table)?;
        let table = Arc::make_mut(self.tables.get_mut(place)?);
        table
            .chains
            .iter_mut()
            .find(|chain| chain.name == key.chain)
            .map(Arc::make_mut)
    }

    fn set_rules(&mut self, key: &ChainKey, rules: RuleList) {
        if let Some(chain) = self.chain_mut(key) {
            chain.rules = rules;
        }
    }

    fn read_chain(&mut self, key: &ChainKey) -> Result<RuleList, KernelError> {
        load::read_chain_rules(&mut self.socket, key.family, &key.table, &key.chain)
    }

    /// Elements of sets that belong to one rule, where they are not read yet.
    fn read_anonymous_elements(&mut self) -> Result<(), KernelError> {
        let mut missing = Vec::new();
        for table in &self.tables {
            for set in &table.sets {
                if set.is_anonymous() && set.elements == Elements::NotRead {
                    missing.push((table.family, table.name.clone(), set.name.clone()));
                }
            }
        }
        self.read_elements(&missing)
    }

    fn read_elements(&mut self, keys: &[SetKey]) -> Result<(), KernelError> {
        let mut by_table: HashMap<(Family, Name), HashMap<Name, Elements>> = HashMap::new();
        for (family, table, set) in keys {
            match dump::elements(&mut self.socket, *family, table, set) {
                Ok(list) => {
                    by_table
                        .entry((*family, table.clone()))
                        .or_default()
                        .insert(set.clone(), Elements::Read(Arc::new(list)));
                }
                // The set went away: the event that says so comes.
                Err(error) if error.errno() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        for ((family, table), mut sets) in by_table {
            let Some(place) = self.place(family, &table) else {
                continue;
            };
            let Some(table) = self.tables.get_mut(place) else {
                continue;
            };
            for set in &mut Arc::make_mut(table).sets {
                if let Some(elements) = sets.remove(&set.name) {
                    Arc::make_mut(set).elements = elements;
                }
            }
        }
        Ok(())
    }

    fn read_network(&mut self) {
        // A machine whose routes cannot be read still has a firewall to show.
        match route::read_network(|_| {}) {
            Ok(network) => self.network = network,
            Err(error) => tracing::warn!(%error, "cannot read the network"),
        }
        self.read_system();
    }

    fn read_system(&mut self) {
        let mut missing = system::read(&mut self.network);
        self.read_legacy(&mut missing);
        for missing in missing {
            tracing::warn!(missing, "cannot read all of the system");
        }
    }

    /// Bring the picture up to date.
    pub fn refresh(&mut self, mut pending: Pending, shown: &[ChainKey]) -> Result<(), KernelError> {
        for _ in 0..ROUNDS {
            let generation = dump::generation(&mut self.socket)?.id;
            let result = self.refresh_once(&mut pending, shown);
            match result {
                Err(error) if error.is_transient() || error.errno() == Some(libc::ENOENT) => {
                    // Something that was asked for went away meanwhile: look at everything again.
                    pending.structure = true;
                    continue;
                }
                result => result?,
            }
            self.generation = generation;
            self.restless = dump::generation(&mut self.socket)?.id != generation;
            return Ok(());
        }
        self.restless = true;
        Ok(())
    }

    fn refresh_once(
        &mut self,
        pending: &mut Pending,
        shown: &[ChainKey],
    ) -> Result<(), KernelError> {
        if pending.structure {
            self.read_skeleton()?;
        }
        for (key, changes) in std::mem::take(&mut pending.rules) {
            self.apply_rules(&key, changes)?;
        }
        if pending.structure {
            self.read_unread()?;
            self.forget_gone();
        }
        self.read_anonymous_elements()?;
        let mut elements: Vec<SetKey> = pending.wanted_elements.drain().collect();
        elements.extend(
            pending
                .elements
                .drain()
                .filter(|key| self.has_elements(key)),
        );
        self.read_elements(&elements)?;
        pending.structure = false;
        if pending.reread_network {
            self.read_network();
            pending.reread_network = false;
        } else if !pending.network.is_empty() {
            self.apply_network(std::mem::take(&mut pending.network));
        }
        if pending.counters || pending.sweep {
            self.read_counters(shown, pending.sweep)?;
            if pending.sweep {
                self.read_system();
            }
            (pending.counters, pending.sweep) = (false, false);
        }
        Ok(())
    }

    /// Somebody has looked at the elements of this set: they are kept current.
    fn has_elements(&self, (family, table, set): &SetKey) -> bool {
        self.place(*family, table)
            .and_then(|place| self.tables.get(place)?.set(set))
            .is_some_and(|set| matches!(set.elements, Elements::Read(_)))
    }

    /// Chains that came and whose rules nobody has read.
    fn read_unread(&mut self) -> Result<(), KernelError> {
        let unread: Vec<ChainKey> = self
            .tables
            .iter()
            .flat_map(|table| {
                table
                    .chains
                    .iter()
                    .filter(|chain| !chain.rules.read)
                    .map(|chain| key_of(table, chain))
            })
            .collect();
        // Many chains of one table are cheaper by one dump.
        if unread.len() > 100 {
            let mut done = 0;
            for table in self.tables.clone() {
                self.read_table_rules(&table, &mut |_| {}, &mut done, 0)?;
            }
            return Ok(());
        }
        for key in unread {
            let rules = self.read_chain(&key)?;
            self.set_rules(&key, rules);
        }
        Ok(())
    }

    fn forget_gone(&mut self) {
        let known: HashSet<ChainKey> = self
            .tables
            .iter()
            .chain(&self.legacy.shown)
            .flat_map(|table| table.chains.iter().map(|chain| key_of(table, chain)))
            .collect();
        self.readings
            .retain(Arc::make_mut(&mut self.rates), |key| known.contains(key));
    }

    fn apply_rules(&mut self, key: &ChainKey, changes: Vec<RuleChange>) -> Result<(), KernelError> {
        let Some(chain) = self.chain(key) else {
            return Ok(());
        };
        if !chain.rules.read {
            return Ok(());
        }
        let small = chain.rules.len() <= SMALL_CHAIN;
        if !small && changes.len() <= MANY_CHANGES {
            let mut rules = chain.rules.clone();
            if put_in_place(&mut rules, changes) {
                self.set_rules(key, rules);
                return Ok(());
            }
        }
        let rules = self.read_chain(key)?;
        self.set_rules(key, rules);
        Ok(())
    }

    fn apply_network(&mut self, changes: Vec<NetworkChange>) {
        let links = changes
            .iter()
            .any(|change| matches!(change, NetworkChange::Link(_) | NetworkChange::LinkGone(_)));
        let summary = self.network.apply(changes);
        if summary.reread_routes4 || summary.reread_routes6 || summary.reread_other {
            self.read_network();
        }
        if links {
            self.names = Arc::new(machine::names(&self.reading(None).ruleset));
        }
    }
}

fn key_of(table: &Table, chain: &Chain) -> ChainKey {
    ChainKey {
        family: table.family,
        table: table.name.clone(),
        chain: chain.name.clone(),
    }
}
