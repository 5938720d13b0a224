//! The whole ruleset at one generation.
//!
//! The generation id is read before and after; when it moved, everything is read again. The flag on
//! interrupted dumps alone does not prove that a picture is of one generation.

use super::decode;
use super::dump::{self, RuleScope};
use crate::kernel::netlink::{KernelError, Socket};
use crate::model::{Elements, Family, Name, RuleList, Ruleset, Set, Table};
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// Give up after so many interrupted attempts: somebody changes the ruleset without a pause.
const ATTEMPTS: usize = 50;

#[derive(Debug, Error)]
pub enum LoadError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("the ruleset changed {ATTEMPTS} times while it was read; try again when it is quiet")]
    Restless,
}

/// Which sets' elements are read with the ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadElements {
    All,
    /// Those that belong to one rule; the elements of named sets are read when they are looked at.
    Anonymous,
    None,
}

/// Read everything, again and again until the picture is of one generation.
pub fn load(socket: &mut Socket, elements: ReadElements) -> Result<Ruleset, LoadError> {
    for _ in 0..ATTEMPTS {
        match attempt(socket, elements) {
            Ok(Some(ruleset)) => return Ok(ruleset),
            Ok(None) => {}
            // A table or set can vanish between two dumps; the generation tells that apart from a real error.
            Err(error) if error.is_transient() || error.errno() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(LoadError::Restless)
}

fn attempt(socket: &mut Socket, elements: ReadElements) -> Result<Option<Ruleset>, KernelError> {
    let generation = dump::generation(socket)?.id;
    let mut tables = skeleton(socket)?;
    read_rules(socket, &mut tables)?;
    for table in &mut tables {
        let (family, name) = (table.family, table.name.clone());
        for set in &mut table.sets {
            if wanted(elements, set) {
                let list = dump::elements(socket, family, &name, &set.name)?;
                Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
            }
        }
    }
    if dump::generation(socket)?.id != generation {
        return Ok(None);
    }
    Ok(Some(Ruleset {
        generation,
        tables: tables.into_iter().map(Arc::new).collect(),
        ..Ruleset::default()
    }))
}

fn wanted(elements: ReadElements, set: &Set) -> bool {
    match elements {
        ReadElements::All => true,
        ReadElements::Anonymous => set.is_anonymous(),
        ReadElements::None => false,
    }
}

/// Tables with their chains, sets, objects and flowtables; without rules and elements. Milliseconds at any size.
pub fn skeleton(socket: &mut Socket) -> Result<Vec<Table>, KernelError> {
    let mut tables = dump::tables(socket)?;
    let index: HashMap<(Family, Name), usize> = tables
        .iter()
        .enumerate()
        .map(|(index, table)| ((table.family, table.name.clone()), index))
        .collect();
    let find = |family: Family, name: Name| index.get(&(family, name)).copied();
    // What belongs to a table that is not in the list was made after it was read: the generation moved.
    macro_rules! fill {
        ($what:ident) => {
            for (family, table, item) in dump::$what(socket)? {
                let place = find(family, table).ok_or(KernelError::Interrupted)?;
                if let Some(table) = tables.get_mut(place) {
                    table.$what.push(Arc::new(item));
                }
            }
        };
    }
    fill!(chains);
    fill!(sets);
    // Objects and flowtables may be missing from a kernel's configuration.
    match dump::objects(socket) {
        Ok(objects) => {
            for (family, table, item) in objects {
                let place = find(family, table).ok_or(KernelError::Interrupted)?;
                if let Some(table) = tables.get_mut(place) {
                    table.objects.push(Arc::new(item));
                }
            }
        }
        Err(error) if error.errno() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    fill!(flowtables);
    Ok(tables)
}

/// A part of a table: these chains, with or without their rules, and the sets, with the elements of anonymous ones.
/// Costs what the part costs, however large the table is. Nothing when the table is not there; chains that are not
/// there are left out.
pub fn part<'n>(
    socket: &mut Socket,
    family: Family,
    name: &str,
    chains: impl IntoIterator<Item = (&'n Name, bool)>,
) -> Result<Option<Table>, KernelError> {
    let mut tables = dump::tables(socket)?.into_iter();
    let Some(mut table) = tables.find(|table| table.family == family && &*table.name == name)
    else {
        return Ok(None);
    };
    let mut rules_read = false;
    for (chain, with_rules) in chains {
        rules_read |= with_rules;
        let Some(mut found) = dump::chain(socket, family, name, chain)? else {
            continue;
        };
        if with_rules {
            found.rules = read_chain_rules(socket, family, name, chain)?;
        }
        table.chains.push(Arc::new(found));
    }
    // Sets are read for the rules that name them.
    if !rules_read {
        return Ok(Some(table));
    }
    for (of, owner, mut set) in dump::sets(socket)? {
        if of != family || &*owner != name {
            continue;
        }
        if set.is_anonymous() {
            let list = dump::elements(socket, family, name, &set.name)?;
            set.elements = Elements::Read(Arc::new(list));
        }
        table.sets.push(Arc::new(set));
    }
    Ok(Some(table))
}

/// Fill in the rules of all chains: by one dump, or where that would be slow, table by table.
pub fn read_rules(socket: &mut Socket, tables: &mut [Table]) -> Result<(), KernelError> {
    if !tables.iter().any(|table| by_chain(table.chains.len())) {
        return read_scope(socket, tables, None);
    }
    for table in tables {
        read_table_rules(socket, table)?;
    }
    Ok(())
}

/// The same for one table only.
pub fn read_table_rules(socket: &mut Socket, table: &mut Table) -> Result<(), KernelError> {
    if !by_chain(table.chains.len()) {
        let only = Some((table.family, table.name.clone()));
        return read_scope(socket, std::slice::from_mut(table), only);
    }
    let (family, name) = (table.family, table.name.clone());
    for chain in &mut table.chains {
        let rules = read_chain_rules(socket, family, &name, &chain.name)?;
        Arc::make_mut(chain).rules = rules;
    }
    Ok(())
}

/// True when reading so many chains of a table costs less with one dump for each of them.
///
/// For every 32 KiB that it sends, the kernel walks all rules from the start of the dump again: the cost of one
/// dump grows with the square of the rules in it, that of a dump for each chain with the number of chains.
pub fn by_chain(chains: usize) -> bool {
    const MANY: usize = 4_000;
    chains > MANY
}

/// The rules of one chain.
pub fn read_chain_rules(
    socket: &mut Socket,
    family: Family,
    table: &str,
    chain: &str,
) -> Result<RuleList, KernelError> {
    let mut list = RuleList::default();
    list.read = true;
    let scope = RuleScope::Chain(family, table, chain);
    dump::rules(socket, scope, |_, attributes| {
        list.push(decode::rule_place(attributes)?.handle, attributes);
        Ok(())
    })?;
    list.shrink();
    Ok(list)
}

fn read_scope(
    socket: &mut Socket,
    tables: &mut [Table],
    only: Option<(Family, Name)>,
) -> Result<(), KernelError> {
    let scope = match &only {
        Some((family, name)) => RuleScope::Table(*family, name),
        None => RuleScope::All,
    };
    /// A table and its chains: where each is.
    type Place = (usize, HashMap<Vec<u8>, usize>);
    let mut places: HashMap<(Family, &[u8]), Place> = HashMap::new();
    let names: Vec<(Family, Vec<u8>)> = tables
        .iter()
        .map(|table| (table.family, crate::model::text::to_bytes(&table.name)))
        .collect();
    for (index, (table, (family, name))) in tables.iter_mut().zip(&names).enumerate() {
        let chains = table
            .chains
            .iter_mut()
            .enumerate()
            .map(|(index, chain)| {
                Arc::make_mut(chain).rules.read = true;
                (crate::model::text::to_bytes(&chain.name), index)
            })
            .collect();
        places.insert((*family, name), (index, chains));
    }
    // Rules of one chain arrive together: remember the last one's place.
    struct Last {
        family: Family,
        table: Vec<u8>,
        chain: Vec<u8>,
        place: (usize, usize),
    }
    let mut last: Option<Last> = None;
    dump::rules(socket, scope, |family, attributes| {
        let rule = decode::rule_place(attributes)?;
        let known = last
            .as_ref()
            .filter(|last| {
                last.family == family && last.table == rule.table && last.chain == rule.chain
            })
            .map(|last| last.place);
        let (table, chain) = match known {
            Some(place) => place,
            None => {
                let (table, chains) = places
                    .get(&(family, rule.table))
                    .ok_or(KernelError::Interrupted)?;
                let chain = chains.get(rule.chain).ok_or(KernelError::Interrupted)?;
                let place = (*table, *chain);
                last = Some(Last {
                    family,
                    table: rule.table.to_vec(),
                    chain: rule.chain.to_vec(),
                    place,
                });
                place
            }
        };
        if let Some(chain) = tables
            .get_mut(table)
            .and_then(|table| table.chains.get_mut(chain))
        {
            Arc::make_mut(chain).rules.push(rule.handle, attributes);
        }
        Ok(())
    })?;
    for table in tables {
        for chain in &mut table.chains {
            Arc::make_mut(chain).rules.shrink();
        }
    }
    Ok(())
}
