//! Counters and what else changes without an event: read again, and made rates.

use super::*;

impl Reader {
    /// Read counters: of the chains on screen, of policies and objects, or of everything.
    pub(super) fn read_counters(
        &mut self,
        shown: &[ChainKey],
        sweep: bool,
    ) -> Result<(), KernelError> {
        let keys: Vec<ChainKey> = if sweep {
            self.tables
                .iter()
                .flat_map(|table| table.chains.iter().map(|chain| key_of(table, chain)))
                .collect()
        } else {
            shown.to_vec()
        };
        if sweep {
            self.sweep_rules()?;
        } else {
            for key in &keys {
                let Some(old) = self
                    .chain(key)
                    .filter(|chain| chain.rules.read)
                    .map(|c| c.rules.clone())
                else {
                    continue;
                };
                let new = self.read_chain(key)?;
                let rates = Arc::make_mut(&mut self.rates);
                self.readings.chain(rates, key, &old, &new, Instant::now());
                self.set_rules(key, new);
            }
        }
        let legacy = |key: &ChainKey| {
            let mut tables = self.legacy.shown.iter();
            tables.any(|table| (table.family, &table.name) == (key.family, &key.table))
        };
        // A sweep reads them anyway.
        if !sweep && self.legacy.rested() && shown.iter().any(legacy) {
            let mut missing = Vec::new();
            self.read_legacy(&mut missing);
            for missing in missing {
                tracing::warn!(missing, "cannot read counters");
            }
        }
        self.read_objects()?;
        self.read_policies()?;
        self.read_expiring()
    }

    /// Legacy tables, each as a whole, and what their rules counted since they were read.
    pub(super) fn read_legacy(&mut self, missing: &mut Vec<String>) {
        let before = self.legacy.shown.clone();
        let steady = self.legacy.read(&self.network, missing);
        let now = Instant::now();
        let rates = Arc::make_mut(&mut self.rates);
        for table in &self.legacy.shown {
            let mut old = before.iter();
            let old = old.find(|old| (old.family, &old.name) == (table.family, &table.name));
            for (place, chain) in table.chains.iter().enumerate() {
                let key = key_of(table, chain);
                if self.readings.just_read(&key, now) {
                    continue;
                }
                let old = old.and_then(|old| old.chains.get(place));
                match old.filter(|_| steady.contains(&key)) {
                    Some(old) => self
                        .readings
                        .chain(rates, &key, &old.rules, &chain.rules, now),
                    None => self.readings.anew(rates, &key, now),
                }
            }
        }
    }

    /// Counters of all rules, a table at a time.
    pub(super) fn sweep_rules(&mut self) -> Result<(), KernelError> {
        for table in self.tables.clone() {
            let mut fresh = (*table).clone();
            for chain in &mut fresh.chains {
                Arc::make_mut(chain).rules = RuleList::default();
            }
            load::read_table_rules(&mut self.socket, &mut fresh)?;
            let now = Instant::now();
            let rates = Arc::make_mut(&mut self.rates);
            for (old, new) in table.chains.iter().zip(&fresh.chains) {
                self.readings
                    .chain(rates, &key_of(&table, old), &old.rules, &new.rules, now);
            }
            if let Some(place) = self.place(table.family, &table.name)
                && let Some(slot) = self.tables.get_mut(place)
            {
                *slot = Arc::new(fresh);
            }
        }
        Ok(())
    }

    pub(super) fn read_objects(&mut self) -> Result<(), KernelError> {
        if self.tables.iter().all(|table| table.objects.is_empty()) {
            return Ok(());
        }
        let mut fresh: HashMap<(Family, Name), Vec<Arc<crate::model::Object>>> = HashMap::new();
        for (family, table, object) in dump::objects(&mut self.socket)? {
            fresh
                .entry((family, table))
                .or_default()
                .push(Arc::new(object));
        }
        for table in &mut self.tables {
            if let Some(objects) = fresh.remove(&(table.family, table.name.clone()))
                && objects != table.objects
            {
                Arc::make_mut(table).objects = objects;
            }
        }
        Ok(())
    }

    /// Counters of the policies of base chains: few chains, asked one by one.
    pub(super) fn read_policies(&mut self) -> Result<(), KernelError> {
        let counted: Vec<ChainKey> = self
            .tables
            .iter()
            .flat_map(|table| {
                table
                    .chains
                    .iter()
                    .filter(|chain| {
                        chain
                            .base
                            .as_ref()
                            .is_some_and(|base| base.counters.is_some())
                    })
                    .map(|chain| key_of(table, chain))
            })
            .collect();
        let elapsed = self.policies_read.elapsed();
        for key in counted {
            let Some(fresh) = dump::chain(&mut self.socket, key.family, &key.table, &key.chain)?
            else {
                continue;
            };
            let new = fresh.base.as_ref().and_then(|base| base.counters);
            let Some(chain) = self.chain_mut(&key) else {
                continue;
            };
            let old = chain.base.as_ref().and_then(|base| base.counters);
            chain.base = fresh.base;
            if let (Some(old), Some(new)) = (old, new) {
                let rates = Arc::make_mut(&mut self.rates);
                self.readings.policy(rates, &key, old, new, elapsed);
            }
        }
        self.policies_read = Instant::now();
        Ok(())
    }

    /// Elements come and go without an event in sets with timeouts and in sets that rules fill.
    pub(super) fn read_expiring(&mut self) -> Result<(), KernelError> {
        const AFFORDABLE: usize = 20_000;
        let mut keys = Vec::new();
        for table in &self.tables {
            for set in &table.sets {
                if let Elements::Read(list) = &set.elements
                    && !set.is_anonymous()
                    && set.flags & (flags::TIMEOUT | flags::EVAL | flags::EXPR) != 0
                    && list.len() <= AFFORDABLE
                {
                    keys.push((table.family, table.name.clone(), set.name.clone()));
                }
            }
        }
        self.read_elements(&keys)
    }
}
