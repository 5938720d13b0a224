//! A text in the iptables language to the kernel: read, compared with what is there, written all at once.

use crate::kernel::legacy::blob;
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::machine;
use crate::kernel::netlink::{Protocol, Socket};
use crate::kernel::nf_tables::load::{self, ReadElements};
use crate::kernel::nf_tables::refusal::Refusal;
use crate::lang::iptables::parse::{self, Action, Machine, Reading, TableText, Wrong};
use crate::lang::iptables::rule::{Chain, Table};
use crate::lang::iptables::{builtin, from_legacy, from_nft, to_legacy, to_nft};
use crate::model::command::{Command, What};
use crate::model::expression::Counter;
use crate::model::xtables::rule::LegacyVerdict;
use crate::model::{Family, Ruleset};

/// Why nothing was changed.
#[derive(Debug)]
pub enum Failure {
    /// Mistakes, with the bytes of the text that they are in.
    Text(Vec<Wrong>),
    /// The kernel's refusals, with the bytes of the rules that they are about.
    Kernel(Vec<Wrong>),
    Other(String),
}

/// What names stand for on this machine now.
pub fn machine(ruleset: &Ruleset) -> Machine {
    Machine {
        names: machine::names(ruleset),
        services: machine::services(),
        users: machine::accounts("/etc/passwd"),
        groups: machine::accounts("/etc/group"),
    }
}

/// A table as it is before anything is written to it.
fn empty(family: Family, name: &str) -> Table {
    let chains = builtin::table(family, name).map_or(&[][..], |table| table.chains);
    Table {
        family,
        name: name.into(),
        chains: chains
            .iter()
            .map(|chain| Chain {
                name: chain.name.into(),
                policy: Some((LegacyVerdict::Accept, Counter::default())),
                rules: Vec::new(),
            })
            .collect(),
    }
}

/// A text for nf_tables, as iptables-nft would write it.
pub struct Compiled {
    pub commands: Vec<Command>,
    /// For each command, the bytes of the text that ask for it.
    pub spans: Vec<(usize, usize)>,
    /// Of the ruleset that it was compared with.
    pub generation: u32,
}

impl Compiled {
    /// The kernel's refusals, put on the text.
    pub fn wrongs(&self, refusals: &[Refusal]) -> Vec<Wrong> {
        let whole = (0, usize::MAX);
        refusals
            .iter()
            .map(|refusal| {
                let (start, end) = self.spans.get(refusal.command).copied().unwrap_or(whole);
                let why = match self.commands.get(refusal.command) {
                    Some(command) => refusal.explain(command),
                    None => refusal.to_string(),
                };
                Wrong::new(start, end, why)
            })
            .collect()
    }
}

/// Read a text and compare it with the ruleset as it is now.
pub fn compile_nft(text: &str, family: Family, reading: Reading) -> Result<Compiled, Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| other(&error))?;
    let ruleset =
        load::load(&mut socket, ReadElements::Anonymous).map_err(|error| other(&error))?;
    let machine = machine(&ruleset);
    let texts = parse::text(text, family, &machine, reading).map_err(Failure::Text)?;
    let (commands, spans) = commands(&ruleset, family, &texts)?;
    Ok(Compiled {
        commands,
        spans,
        generation: ruleset.generation,
    })
}

/// Commands, and for each the bytes of the text that ask for it.
type Spanned = (Vec<Command>, Vec<(usize, usize)>);

fn commands(ruleset: &Ruleset, family: Family, texts: &[TableText]) -> Result<Spanned, Failure> {
    let mut all = (Vec::new(), Vec::new());
    let mut next_set = 0;
    for text in texts {
        let now = ruleset.table(family, &text.name);
        let table = match now {
            None => empty(family, &text.name),
            Some(_) if text.flush => empty(family, &text.name),
            Some(table) => {
                from_nft::table(table)
                    .map_err(|why| Failure::Other(why.to_string()))?
                    .0
            }
        };
        let wanted = parse::apply(text, table).map_err(|wrong| Failure::Text(vec![wrong]))?;
        let made = to_nft::table(
            family,
            text,
            now.map(|table| &**table),
            &wanted,
            &mut next_set,
        );
        all.1.extend(spans(text, &made));
        all.0.extend(made);
    }
    Ok(all)
}

/// Rules are found again by their chain and their place among those that are appended to it.
fn spans(text: &TableText, commands: &[Command]) -> Vec<(usize, usize)> {
    let whole = match (text.actions.first(), text.actions.last()) {
        (Some((_, start, _)), Some((.., end))) => (*start, *end),
        _ => (0, 0),
    };
    let mut appended = std::collections::HashMap::<&str, Vec<(usize, usize)>>::new();
    for (action, start, end) in &text.actions {
        if let Action::Append { chain, .. } = action {
            appended.entry(chain).or_default().push((*start, *end));
        }
    }
    let mut seen = std::collections::HashMap::<&str, usize>::new();
    let mut out = Vec::with_capacity(commands.len());
    for command in commands {
        out.push(match &command.what {
            What::MakeRule(rule) => {
                let index = seen.entry(&rule.chain).or_default();
                let place = appended
                    .get(&*rule.chain)
                    .and_then(|places| places.get(*index));
                *index += 1;
                place.copied().unwrap_or(whole)
            }
            _ => whole,
        });
    }
    out
}

/// Apply a text to the legacy tables: one replacement per table, counters carried over.
pub fn apply_legacy(
    text: &str,
    family: Family,
    reading: Reading,
    check: bool,
) -> Result<(), Failure> {
    let machine = machine(&Ruleset::default());
    let texts = parse::text(text, family, &machine, reading).map_err(Failure::Text)?;
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let socket = LegacySocket::open(family).map_err(|error| other(&error))?;
    let mut tables = Vec::new();
    for one in &texts {
        let now = socket.table(&one.name).map_err(|error| other(&error))?;
        let wanted = parse::apply(one, from_legacy::table(&now))
            .map_err(|wrong| Failure::Text(vec![wrong]))?;
        let legacy = to_legacy::table(&wanted).map_err(|error| other(&error))?;
        let encoded = blob::encode(&legacy).map_err(|error| other(&error))?;
        tables.push((one, encoded));
    }
    if check {
        return Ok(());
    }
    for (one, encoded) in tables {
        let span = match (one.actions.first(), one.actions.last()) {
            (Some((_, start, _)), Some((.., end))) => (*start, *end),
            _ => (0, 0),
        };
        let refused = |error: std::io::Error| {
            let message = format!("the kernel refuses table {}: {error}", one.name);
            Failure::Kernel(vec![Wrong::new(span.0, span.1, message)])
        };
        socket.replace(&one.name, &encoded).map_err(refused)?;
        socket
            .add_counters(&one.name, &encoded.counters)
            .map_err(refused)?;
    }
    Ok(())
}
