//! Texts of the iptables language read: files of the `-restore` programs, and single commands.
//!
//! Every mistake says where it stands. The extensions' options are in `ext`, one function per extension.

pub mod ext;
pub mod header;
pub mod options;
mod rule;
pub mod words;

use super::rule::{Chain, Rule, Table, Target};
use crate::model::Family;
use crate::model::expression::Counter;
use crate::model::names::Names;
use crate::model::xtables::rule::LegacyVerdict;

pub use rule::{chain_name, rule};

/// What is wrong, and the bytes of the text that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    pub start: usize,
    pub end: usize,
    pub message: String,
}

impl Wrong {
    pub fn new(start: usize, end: usize, message: impl Into<String>) -> Wrong {
        Wrong {
            start,
            end,
            message: message.into(),
        }
    }
}

/// What names in the text stand for on this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub names: Names,
    /// Looks up the port of a service: most texts name none.
    pub service: Option<fn(&str) -> Option<u16>>,
    /// Looks up the number of a protocol that iptables does not know by itself.
    pub protocol: Option<fn(&str) -> Option<u8>>,
    /// Looks up accounts. Machines have more of them than anyone wants listed, and keep them in several places.
    pub user: Option<fn(&str) -> Option<u32>>,
    pub group: Option<fn(&str) -> Option<u32>>,
}

impl Machine {
    pub fn protocol(&self, text: &str) -> Option<u16> {
        let lower = text.to_ascii_lowercase();
        let known = match lower.as_str() {
            "all" => Some(0),
            "tcp" => Some(6),
            "udp" => Some(17),
            "udplite" => Some(136),
            "icmp" => Some(1),
            "icmpv6" | "ipv6-icmp" => Some(58),
            "sctp" => Some(132),
            "esp" => Some(50),
            "ah" => Some(51),
            "mh" | "ipv6-mh" => Some(135),
            _ => None,
        };
        known.or_else(|| {
            if let Some(number) = options::number(text) {
                return u16::try_from(number).ok();
            }
            let look_up = self.protocol?;
            look_up(&lower).or_else(|| look_up(text)).map(u16::from)
        })
    }
}

/// One thing that a text asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `:NAME POLICY [p:b]`, or `-P`, or `-N`
    Declare {
        chain: String,
        /// `None` for a user chain.
        policy: Option<LegacyVerdict>,
        counters: Option<Counter>,
        /// It is an error if it is there (`-N`).
        exclusive: bool,
    },
    Append {
        chain: String,
        rule: Box<Rule>,
    },
    /// Before the rule of this number, from 1.
    Insert {
        chain: String,
        number: usize,
        rule: Box<Rule>,
    },
    Replace {
        chain: String,
        number: usize,
        rule: Box<Rule>,
    },
    /// The first rule that is the same.
    Delete {
        chain: String,
        rule: Box<Rule>,
    },
    DeleteNumber {
        chain: String,
        number: usize,
    },
    Flush(Option<String>),
    DeleteChain(Option<String>),
    Rename {
        from: String,
        to: String,
    },
    Zero(Option<String>),
}

/// What is asked of one table, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct TableText {
    pub name: String,
    /// The table is emptied first (a `-restore` file without `--noflush`).
    pub flush: bool,
    /// Each with the bytes of the text that ask for it.
    pub actions: Vec<(Action, usize, usize)>,
}

/// How a text is meant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub noflush: bool,
    /// Take the counters that are written.
    pub counters: bool,
}

/// Read a `-restore` file, or single commands with `iptables` in front or not.
pub fn text(
    text: &str,
    family: Family,
    machine: &Machine,
    reading: Reading,
) -> Result<Vec<TableText>, Vec<Wrong>> {
    let mut tables: Vec<TableText> = Vec::new();
    let mut wrongs = Vec::new();
    let mut open = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let mut state = State {
            family,
            machine,
            reading,
            tables: &mut tables,
            open: &mut open,
        };
        if let Err(wrong) = state.line(line, start) {
            wrongs.push(wrong);
            if wrongs.len() > 100 {
                break;
            }
        }
    }
    if wrongs.is_empty() {
        Ok(tables)
    } else {
        Err(wrongs)
    }
}

struct State<'s> {
    family: Family,
    machine: &'s Machine,
    reading: Reading,
    tables: &'s mut Vec<TableText>,
    open: &'s mut bool,
}

/// `[12:3456]`
fn counters(text: &str) -> Option<Counter> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counter {
        packets: packets.parse().ok()?,
        bytes: bytes.parse().ok()?,
    })
}

pub fn policy(text: &str) -> Option<LegacyVerdict> {
    Some(match text {
        "ACCEPT" => LegacyVerdict::Accept,
        "DROP" => LegacyVerdict::Drop,
        "QUEUE" => LegacyVerdict::Queue,
        "RETURN" => LegacyVerdict::Return,
        _ => return None,
    })
}

impl State<'_> {
    fn line(&mut self, line: &str, start: usize) -> Result<(), Wrong> {
        let end = start + line.len();
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(name) = line.strip_prefix('*') {
            let name = name.trim();
            if super::builtin::table(self.family, name).is_none() {
                return Err(Wrong::new(
                    start + 1,
                    end,
                    format!("there is no table `{name}`"),
                ));
            }
            self.tables.push(TableText {
                name: name.to_owned(),
                flush: !self.reading.noflush,
                actions: Vec::new(),
            });
            *self.open = true;
            return Ok(());
        }
        if line.trim_end() == "COMMIT" {
            *self.open = false;
            return Ok(());
        }
        if let Some(declaration) = line.strip_prefix(':') {
            return self.declare(declaration, start, end);
        }
        let (rest, count, skipped) = match line.split_once(' ') {
            Some((head, rest)) if head.starts_with('[') => {
                let Some(count) = counters(head) else {
                    return Err(Wrong::new(
                        start,
                        start + head.len(),
                        "these are no counters",
                    ));
                };
                (rest, Some(count), head.len() + 1)
            }
            _ => (line, None, 0),
        };
        let count = count.filter(|_| self.reading.counters);
        let words = words::split(rest, start + skipped)?;
        let table = self
            .tables
            .last()
            .filter(|_| *self.open)
            .map(|table| table.name.clone());
        let command = rule::command(&words, self.family, self.machine, table.as_deref(), count)?;
        let Some(command) = command else {
            return Ok(());
        };
        if !*self.open
            || self
                .tables
                .last()
                .is_none_or(|table| table.name != command.table)
        {
            self.tables.push(TableText {
                name: command.table.clone(),
                flush: false,
                actions: Vec::new(),
            });
        }
        if let Some(table) = self.tables.last_mut() {
            let actions = command.actions.into_iter();
            table
                .actions
                .extend(actions.map(|action| (action, start, end)));
        }
        Ok(())
    }

    fn declare(&mut self, declaration: &str, start: usize, end: usize) -> Result<(), Wrong> {
        let wrong = |message: &str| Wrong::new(start, end, message);
        let mut words = declaration.split_ascii_whitespace();
        let name = words.next().ok_or_else(|| wrong("a chain needs a name"))?;
        let policy_word = words
            .next()
            .ok_or_else(|| wrong("a chain needs a policy, or -"))?;
        let table = self
            .tables
            .last_mut()
            .filter(|_| *self.open)
            .ok_or_else(|| wrong("a chain outside of a table"))?;
        let built_in = super::builtin::table(self.family, &table.name)
            .is_some_and(|table| table.chains.iter().any(|chain| chain.name == name));
        let mut policy_is = None;
        let mut counted = None;
        if built_in {
            let verdict =
                policy(policy_word).or((policy_word == "-").then_some(LegacyVerdict::Accept));
            policy_is = Some(verdict.ok_or_else(|| wrong("no such policy"))?);
            counted = words
                .next()
                .and_then(counters)
                .filter(|_| self.reading.counters);
        }
        rule::chain_name(name).map_err(wrong)?;
        table.actions.push((
            Action::Declare {
                chain: name.to_owned(),
                policy: policy_is,
                counters: counted,
                exclusive: false,
            },
            start,
            end,
        ));
        Ok(())
    }
}

/// The table that a text makes out of another one (or out of an empty one).
pub fn apply(text: &TableText, mut table: Table) -> Result<Table, Wrong> {
    if text.flush {
        for chain in &mut table.chains {
            chain.rules.clear();
        }
        table.chains.retain(|chain| chain.policy.is_some());
    }
    for (action, start, end) in &text.actions {
        let wrong = |message: String| Wrong::new(*start, *end, message);
        act(&mut table, action).map_err(wrong)?;
    }
    for (action, start, end) in &text.actions {
        let (Action::Append { rule, .. }
        | Action::Insert { rule, .. }
        | Action::Replace { rule, .. }) = action
        else {
            continue;
        };
        if let Target::Jump(chain) | Target::Goto(chain) = &rule.target
            && !table
                .chains
                .iter()
                .any(|one| one.name == *chain && one.policy.is_none())
        {
            return Err(Wrong::new(
                *start,
                *end,
                format!("there is no chain or target `{chain}`"),
            ));
        }
    }
    Ok(table)
}

fn find<'t>(table: &'t mut Table, name: &str) -> Result<&'t mut Chain, String> {
    let found = table.chains.iter_mut().find(|chain| &*chain.name == name);
    found.ok_or_else(|| format!("there is no chain `{name}`"))
}

fn act(table: &mut Table, action: &Action) -> Result<(), String> {
    let beyond = |number: usize| format!("there is no rule {number}");
    match action {
        Action::Declare {
            chain,
            policy,
            counters,
            exclusive,
        } => match find(table, chain) {
            Ok(_) if *exclusive => return Err(format!("chain `{chain}` exists")),
            Ok(there) => {
                if let (Some((verdict, counted)), Some(policy)) = (&mut there.policy, policy) {
                    *verdict = *policy;
                    *counted = counters.unwrap_or(*counted);
                }
            }
            Err(missing) if policy.is_some() => return Err(missing),
            Err(_) => table.chains.push(Chain {
                name: chain.as_str().into(),
                policy: None,
                rules: Vec::new(),
            }),
        },
        Action::Append { chain, rule } => find(table, chain)?.rules.push((**rule).clone()),
        Action::Insert {
            chain,
            number,
            rule,
        } => {
            let rules = &mut find(table, chain)?.rules;
            if *number == 0 || *number > rules.len() + 1 {
                return Err(beyond(*number));
            }
            rules.insert(number - 1, (**rule).clone());
        }
        Action::Replace {
            chain,
            number,
            rule,
        } => {
            let there = find(table, chain)?.rules.get_mut(number.wrapping_sub(1));
            *there.ok_or_else(|| beyond(*number))? = (**rule).clone();
        }
        Action::Delete { chain, rule } => {
            let rules = &mut find(table, chain)?.rules;
            let same = |one: &Rule| {
                Rule {
                    counters: rule.counters,
                    ..one.clone()
                } == **rule
            };
            match rules.iter().position(same) {
                Some(index) => drop(rules.remove(index)),
                None => return Err("there is no such rule".to_owned()),
            }
        }
        Action::DeleteNumber { chain, number } => {
            let rules = &mut find(table, chain)?.rules;
            if *number == 0 || *number > rules.len() {
                return Err(beyond(*number));
            }
            rules.remove(number - 1);
        }
        Action::Flush(Some(chain)) => find(table, chain)?.rules.clear(),
        Action::Flush(None) => table
            .chains
            .iter_mut()
            .for_each(|chain| chain.rules.clear()),
        Action::DeleteChain(Some(name)) => {
            let chain = find(table, name)?;
            if chain.policy.is_some() || !chain.rules.is_empty() {
                return Err(format!("chain `{name}` is not an empty user chain"));
            }
            let leads = |chain: &&Chain| chain.rules.iter().any(|rule| rule.goes_to(name));
            if let Some(from) = table.chains.iter().find(leads) {
                return Err(format!("chain `{}` still goes to `{name}`", from.name));
            }
            table.chains.retain(|chain| &*chain.name != name.as_str());
        }
        Action::DeleteChain(None) => table.chains.retain(|chain| chain.policy.is_some()),
        Action::Rename { from, to } => {
            if find(table, to).is_ok() {
                return Err(format!("chain `{to}` exists"));
            }
            let chain = find(table, from)?;
            if chain.policy.is_some() {
                return Err(format!("chain `{from}` is a built-in chain"));
            }
            chain.name = to.as_str().into();
            for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
                rule.lead_to(from, to);
            }
        }
        Action::Zero(name) => {
            let all = table.chains.iter_mut();
            for chain in all.filter(|chain| name.as_deref().is_none_or(|name| name == &*chain.name))
            {
                for rule in &mut chain.rules {
                    rule.counters = Counter::default();
                }
            }
        }
    }
    Ok(())
}
