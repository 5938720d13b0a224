//! A text in the iptables language to the kernel: read, compared with what is there, written all at once.

mod legacy;

pub use legacy::{Legacy, compile_legacy};

use crate::kernel::legacy::blob;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::load::{self, ReadElements};
use crate::kernel::nf_tables::refusal::{Refusal, Refused};
use crate::kernel::nf_tables::{commit, dump};
use crate::kernel::{machine, name_service};
use crate::lang::iptables::parse::{self, Action, Machine, Reading, TableText, Wrong};
use crate::lang::iptables::rule::{Chain, Table};
use crate::lang::iptables::{builtin, from_nft, print, save, to_legacy, to_nft};
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

/// What the names in this text stand for on this machine now.
fn machine_for(text: &str, family: Family) -> Machine {
    Machine {
        names: machine::names_for_iptables(text, family),
        service: Some(machine::service),
        protocol: Some(machine::protocol),
        user: Some(name_service::user),
        group: Some(name_service::group),
    }
}

/// What names in any text stand for on this machine now.
pub fn machine(ruleset: &Ruleset) -> Machine {
    Machine {
        names: machine::names(ruleset),
        service: Some(machine::service),
        protocol: Some(machine::protocol),
        user: Some(name_service::user),
        group: Some(name_service::group),
    }
}

/// A table as it is before anything is written to it.
pub fn empty(family: Family, name: &str) -> Table {
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

/// The kernel's refusals of commands, put on the text that they were made from.
pub fn wrongs(commands: &[Command], spans: &[(usize, usize)], refusals: &[Refusal]) -> Vec<Wrong> {
    let whole = (0, usize::MAX);
    refusals
        .iter()
        .map(|refusal| {
            let (start, end) = spans.get(refusal.command).copied().unwrap_or(whole);
            let why = match commands.get(refusal.command) {
                Some(command) => refusal.explain(command),
                None => refusal.to_string(),
            };
            Wrong::new(start, end, why)
        })
        .collect()
}

/// Read a text and compare it with the ruleset as it is now.
pub fn compile_nft(text: &str, family: Family, reading: Reading) -> Result<Compiled, Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let machine = machine_for(text, family);
    let texts = parse::text(text, family, &machine, reading).map_err(Failure::Text)?;
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| other(&error))?;
    if let Some(compiled) = single(&mut socket, family, &texts)? {
        return Ok(compiled);
    }
    let ruleset =
        load::load(&mut socket, ReadElements::Anonymous).map_err(|error| other(&error))?;
    let (commands, spans) = commands(&ruleset, family, &texts)?;
    Ok(Compiled {
        commands,
        spans,
        generation: ruleset.generation,
    })
}

/// A text about single rules, for which only their chains are read; nothing when it is about more.
fn single(
    socket: &mut Socket,
    family: Family,
    texts: &[TableText],
) -> Result<Option<Compiled>, Failure> {
    const ROUNDS: usize = 20;
    let other = |error: KernelError| Failure::Other(error.to_string());
    let [text] = texts else {
        return Ok(None);
    };
    let Some(chains) = to_nft::single::chains(text) else {
        return Ok(None);
    };
    for _ in 0..ROUNDS {
        let generation = dump::generation(socket).map_err(other)?.id;
        let wanted = chains.iter().map(|(name, rules)| (name, *rules));
        let part = match load::part(socket, family, &text.name, wanted) {
            Err(error) if error.is_transient() || error.errno() == Some(libc::ENOENT) => continue,
            result => result.map_err(other)?,
        };
        if dump::generation(socket).map_err(other)?.id != generation {
            continue;
        }
        // Without the table its chains are made, too.
        let Some(table) = part else {
            return Ok(None);
        };
        let made = to_nft::single::commands(family, text, &table, &mut 0)
            .map_err(|wrong| Failure::Text(vec![wrong]))?;
        return Ok(made.map(|(commands, spans)| Compiled {
            commands,
            spans,
            generation,
        }));
    }
    Ok(None)
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

/// A text that is to be loaded at another time: it says the very same when it is read again, the kernel can hold what
/// it says, and where the kernel can be asked it agrees.
pub fn verify(text: &str, family: Family, legacy: bool, counters: bool) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let reading = Reading {
        noflush: false,
        counters,
    };
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|error| other(&error))?;
    let ruleset = match legacy {
        true => Ruleset::default(),
        false => load::load(&mut socket, ReadElements::Anonymous).map_err(|error| other(&error))?,
    };
    let machine = machine(&ruleset);
    let texts = parse::text(text, family, &machine, reading).map_err(Failure::Text)?;
    let mut again = Vec::new();
    for one in &texts {
        let table = parse::apply(one, empty(family, &one.name))
            .map_err(|wrong| Failure::Text(vec![wrong]))?;
        let cx = save::Context {
            family,
            names: &machine.names,
        };
        print::table(&table, &cx, print::Options { counters }, &mut again)
            .map_err(|error| other(&error))?;
        if legacy {
            let table = to_legacy::table(&table).map_err(|error| other(&error))?;
            blob::encode(&table).map_err(|error| other(&error))?;
        }
    }
    let again = crate::model::text::from_bytes(&again);
    let mut at = 0;
    for (line, read) in text.lines().zip(again.lines()) {
        if line != read {
            let message = format!("this is read as `{read}`");
            return Err(Failure::Text(vec![Wrong::new(
                at,
                at + line.len(),
                message,
            )]));
        }
        at += line.len() + 1;
    }
    if text.len() != again.len() {
        return Err(Failure::Other("the text is not read to its end".to_owned()));
    }
    if legacy {
        return Ok(());
    }
    let (commands, spans) = commands(&ruleset, family, &texts)?;
    let check = commit::Options {
        check: true,
        ..commit::Options::default()
    };
    match commit::commit(&commands, check) {
        Ok(_) => Ok(()),
        Err(Refused::Commands(list)) => Err(Failure::Kernel(wrongs(&commands, &spans, &list))),
        Err(refused) => Err(other(&refused)),
    }
}
