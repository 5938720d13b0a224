//! The tables that a change is about: which they are, reading them, and hearing when others change them.
//!
//! Uses the kernel. Others may change other tables as often as they like: what is read here stays true, because the
//! kernel's events say table by table what changed, and a transaction is pinned to the last generation heard of.

use super::plan::TableKey;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::dump;
use crate::kernel::nf_tables::events::{Event, Events};
use crate::kernel::nf_tables::load::{self, LoadError};
use crate::model::command::{Command, Key, What, split_pending};
use crate::model::{Elements, Family, Name, Ruleset, Table};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::{BTreeSet, HashSet};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often reading starts again while others change the same tables.
const ATTEMPTS: usize = 400;

/// Which tables a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Tables(HashSet<TableKey>),
    /// Only the rules of these chains.
    Chains(Chains),
}

/// Chains whose rules a change is about, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    tables: HashSet<TableKey>,
    chains: BTreeSet<(Family, Name, Name)>,
}

impl FromIterator<(Family, Name, Name)> for Chains {
    fn from_iter<T: IntoIterator<Item = (Family, Name, Name)>>(list: T) -> Chains {
        let chains: BTreeSet<_> = list.into_iter().collect();
        Chains {
            tables: chains
                .iter()
                .map(|(family, table, _)| (*family, table.clone()))
                .collect(),
            chains,
        }
    }
}

impl Scope {
    /// Those of the commands; `tables` are all that are there.
    pub fn of(commands: &[Command], tables: &[Table]) -> Scope {
        let mut scope = HashSet::new();
        for command in commands {
            match &command.what {
                What::TakeTable(_, None) if command.family == Family::Unknown(0) => {
                    return Scope::All;
                }
                What::TakeTable(_, None) => {
                    let family = tables.iter().filter(|table| table.family == command.family);
                    scope.extend(family.map(|table| (table.family, table.name.clone())));
                }
                What::TakeTable(_, Some(Key::Handle(handle))) => {
                    let table = tables
                        .iter()
                        .find(|table| table.family == command.family && table.handle == *handle);
                    scope.extend(table.map(|table| (table.family, table.name.clone())));
                }
                What::TakeTable(_, Some(Key::Name(name))) => {
                    scope.insert((command.family, name.clone()));
                }
                What::MakeTable(_, new) => {
                    scope.insert((command.family, new.name.clone()));
                }
                _ => {
                    scope.insert((command.family, command.table.clone()));
                }
            }
        }
        Scope::Tables(scope)
    }

    pub fn contains(&self, family: Family, table: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Tables(tables) | Scope::Chains(Chains { tables, .. }) => {
                tables.contains(&(family, table.into()))
            }
        }
    }

    /// For a plan.
    pub fn tables(&self) -> Option<&HashSet<TableKey>> {
        match self {
            Scope::All => None,
            Scope::Tables(tables) | Scope::Chains(Chains { tables, .. }) => Some(tables),
        }
    }

    /// The chains, where it is about no more than rules of them.
    pub fn chains(&self) -> Vec<(Family, Name, Name)> {
        match self {
            Scope::Chains(chains) => chains.chains.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// As it is kept on disk: the tables (none for all), and the chains if it is only about these.
    pub fn kept(tables: Option<&[TableKey]>, chains: &[(Family, Name, Name)]) -> Scope {
        match (tables, chains) {
            (None, _) => Scope::All,
            (Some(_), [_, ..]) => Scope::Chains(chains.iter().cloned().collect()),
            (Some(tables), []) => Scope::Tables(tables.iter().cloned().collect()),
        }
    }

    /// No more than the chains whose rules the commands change, where they change nothing else: a rule of a table
    /// with thousands of chains is changed without reading them.
    pub fn narrowed(self, commands: &[Command], tables: &[Table]) -> Scope {
        let mut chains = Vec::new();
        for command in commands {
            let chain = match &command.what {
                What::MakeRule(rule) => rule.chain.clone(),
                What::TakeRule(_, chain, _) => chain.clone(),
                What::FlushRules(Some(chain)) => chain.clone(),
                _ => return self,
            };
            let there = tables
                .iter()
                .any(|table| table.family == command.family && table.name == command.table);
            if !there || split_pending(&chain).is_some() {
                return self;
            }
            chains.push((command.family, command.table.clone(), chain));
        }
        Scope::Chains(chains.into_iter().collect())
    }
}

/// A transaction that others made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub generation: u32,
    pub pid: Option<u32>,
    /// Whether it was about the tables that are watched.
    pub touched: bool,
}

/// Hears about every transaction from its making on.
pub struct Watch {
    events: Events,
    socket: Socket,
    /// The generation that is known about.
    pub generation: u32,
    /// What has been heard since the last generation was complete.
    touched: bool,
}

impl Watch {
    pub fn new() -> Result<Watch, KernelError> {
        let events = Events::open()?;
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let generation = dump::generation(&mut socket)?.id;
        Ok(Watch {
            events,
            socket,
            generation,
            touched: false,
        })
    }

    /// All tables by name, without what is in them.
    pub fn tables(&mut self) -> Result<Vec<Table>, KernelError> {
        retry(|| dump::tables(&mut self.socket))
    }

    /// What others did since the last call. An [`KernelError::Overrun`] means that it is not known.
    pub fn heard(&mut self, scope: &Scope) -> Result<Vec<Heard>, KernelError> {
        let mut heard = Vec::new();
        // One reading of the socket is bounded; all that waits is wanted here.
        loop {
            let events = self.events.read()?;
            if events.is_empty() {
                return Ok(heard);
            }
            self.take(events, scope, &mut heard);
        }
    }

    fn take(&mut self, events: Vec<Event>, scope: &Scope, heard: &mut Vec<Heard>) {
        for event in events {
            match event {
                Event::RuleNew { family, table, .. }
                | Event::RuleGone { family, table, .. }
                | Event::Elements { family, table, .. }
                | Event::Structure { family, table, .. } => {
                    self.touched |= scope.contains(family, &table);
                }
                Event::Generation(generation) => {
                    self.generation = generation.id;
                    heard.push(Heard {
                        generation: generation.id,
                        pid: generation.pid,
                        touched: std::mem::take(&mut self.touched),
                    });
                }
            }
        }
    }

    /// Wait until there is something to hear.
    pub fn wait(&self, time: Duration) {
        let mut fds = [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)];
        let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut fds, time);
    }

    /// The tables with all that is in them, and all elements, as of [`Watch::generation`]: nobody changed them
    /// while they were read. Elements that packets add have no generation.
    pub fn read(&mut self, scope: &Scope) -> Result<Ruleset, LoadError> {
        let started = Instant::now();
        for attempt in 0..ATTEMPTS {
            self.catch_up(scope)?;
            match self.attempt(scope) {
                Ok(tables) => {
                    let heard = self.heard(scope);
                    if heard.is_ok_and(|heard| !heard.iter().any(|one| one.touched))
                        && !self.touched
                    {
                        return Ok(Ruleset {
                            generation: self.generation,
                            tables,
                            ..Ruleset::default()
                        });
                    }
                }
                Err(error) if error.is_transient() || error.errno() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
            if attempt > 50 && started.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
        Err(LoadError::Restless)
    }

    /// Forget what was heard so far; after lost events ask for the generation anew.
    fn catch_up(&mut self, scope: &Scope) -> Result<(), KernelError> {
        loop {
            match self.heard(scope) {
                Ok(_) => break,
                Err(KernelError::Overrun) => {
                    self.generation = dump::generation(&mut self.socket)?.id;
                }
                Err(error) => return Err(error),
            }
        }
        // Of a transaction that is half heard the rest follows at once; it is read, or heard as a change.
        self.touched = false;
        Ok(())
    }

    fn attempt(&mut self, scope: &Scope) -> Result<Vec<Arc<Table>>, KernelError> {
        let socket = &mut self.socket;
        if let Scope::Chains(Chains { tables, chains }) = scope {
            let mut parts = Vec::new();
            for (family, name) in tables {
                let of = chains
                    .iter()
                    .filter(|(of, table, _)| of == family && table == name)
                    .map(|(.., chain)| (chain, true));
                let part = retry(|| load::part(socket, *family, name, of.clone()))?;
                parts.extend(part.map(Arc::new));
            }
            return Ok(parts);
        }
        let mut tables = retry(|| load::skeleton(socket))?;
        tables.retain(|table| scope.contains(table.family, &table.name));
        for table in &mut tables {
            retry(|| {
                for chain in &mut table.chains {
                    Arc::make_mut(chain).rules = Default::default();
                }
                load::read_table_rules(socket, table)
            })?;
            let (family, name) = (table.family, table.name.clone());
            for set in &mut table.sets {
                let list = retry(|| dump::elements(socket, family, &name, &set.name))?;
                Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
            }
        }
        Ok(tables.into_iter().map(Arc::new).collect())
    }
}

/// A dump that others interrupt gives a whole answer the next time.
fn retry<T>(mut ask: impl FnMut() -> Result<T, KernelError>) -> Result<T, KernelError> {
    for _ in 0..ATTEMPTS {
        match ask() {
            Err(error) if error.is_transient() => {}
            result => return result,
        }
    }
    ask()
}
