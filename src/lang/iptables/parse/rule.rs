//! One command line: what to do with which rule.

mod reader;

use super::words::Word;
use super::{Action, Machine, Wrong};
use crate::lang::iptables::rule::Rule;
use crate::model::Family;
use crate::model::expression::Counter;
use reader::*;

/// What a command line asks for.
#[derive(Debug)]
pub struct Command {
    pub table: String,
    pub actions: Vec<Action>,
}

/// `XT_EXTENSION_MAXNAMELEN` less the NUL
const LONGEST_NAME: usize = 28;

pub fn chain_name(name: &str) -> Result<(), &'static str> {
    if name.len() > LONGEST_NAME {
        return Err("a chain's name has at most 28 bytes");
    }
    if name.is_empty() || name.starts_with(['-', '!']) {
        return Err("a chain's name does not begin with - or !");
    }
    Ok(())
}

/// The rule in words without a command, for tests and forms.
pub fn rule(words: &[Word], family: Family, machine: &Machine) -> Result<Vec<Rule>, Wrong> {
    let mut reader = Reader::new(words, family, machine);
    while reader.words.peek().is_some() {
        let option = reader.option()?;
        if let Some((word, ..)) = option {
            return Err(unknown(&word));
        }
    }
    reader.finish()
}

/// A whole line. `None`: it is only the name of a program.
pub fn command(
    words: &[Word],
    family: Family,
    machine: &Machine,
    table: Option<&str>,
    counters: Option<Counter>,
) -> Result<Option<Command>, Wrong> {
    let programs = ["iptables", "ip6tables", "arptables", "ebtables"];
    let is_program = |word: &Word| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        programs
            .iter()
            .any(|program| name == *program || name.strip_suffix("-nft") == Some(program))
    };
    let words = match words {
        [first, rest @ ..] if is_program(first) => rest,
        words => words,
    };
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return Ok(None);
    };
    let mut reader = Reader::new(words, family, machine);
    reader.counters = counters;
    let mut table = table.map(str::to_owned);
    let mut what: Option<(char, Word, Option<Word>)> = None;
    while reader.words.peek().is_some() {
        let Some((word, inverted)) = reader.option()? else {
            continue;
        };
        let letter = match &*word.text {
            "-A" | "--append" => 'A',
            "-I" | "--insert" => 'I',
            "-R" | "--replace" => 'R',
            "-D" | "--delete" => 'D',
            "-N" | "--new" | "--new-chain" => 'N',
            "-P" | "--policy" => 'P',
            "-F" | "--flush" => 'F',
            "-X" | "--delete-chain" => 'X',
            "-E" | "--rename-chain" => 'E',
            "-Z" | "--zero" => 'Z',
            "-t" | "--table" => 't',
            "-w" | "--wait" | "-n" | "--numeric" | "-v" | "--verbose" => continue,
            _ => return Err(unknown(&word)),
        };
        if inverted {
            return Err(Wrong::new(
                word.start,
                word.end,
                "a command cannot be inverted",
            ));
        }
        let value = reader
            .words
            .next_if(|next| !next.text.starts_with('-') && next.text != "!");
        if letter == 't' {
            let value = value.ok_or_else(|| Wrong::new(word.start, word.end, "which table?"))?;
            table = Some(value.text.clone());
            continue;
        }
        if what.is_some() {
            return Err(Wrong::new(word.start, word.end, "one command at a time"));
        }
        if value.is_none() && !"FXZ".contains(letter) {
            return Err(Wrong::new(word.start, word.end, "which chain?"));
        }
        what = Some((letter, value.cloned().unwrap_or_else(|| word.clone()), None));
        if value.is_none() {
            what = Some((
                letter,
                Word {
                    text: String::new(),
                    ..word
                },
                None,
            ));
            continue;
        }
        if "IRDPE".contains(letter) {
            let number =
                |next: &&Word| letter == 'P' || letter == 'E' || next.text.parse::<usize>().is_ok();
            let second = reader.words.next_if(number).cloned();
            if let Some((_, _, place)) = &mut what {
                *place = second;
            }
        }
    }
    let Some((letter, chain, second)) = what else {
        return Err(Wrong::new(
            first.start,
            last.end,
            "no command: -A, -I, -D, -N, -P, ...",
        ));
    };
    let table = table.unwrap_or_else(|| "filter".to_owned());
    if super::super::builtin::table(family, &table).is_none() {
        return Err(Wrong::new(
            first.start,
            last.end,
            format!("there is no table `{table}`"),
        ));
    }
    let wrong = |message: &str| Wrong::new(chain.start, chain.end, message);
    let name = chain.text.clone();
    let number = || {
        second
            .as_ref()
            .and_then(|word| word.text.parse::<usize>().ok())
    };
    let some = || (!name.is_empty()).then(|| name.clone());
    let mut actions = Vec::new();
    match letter {
        'A' | 'I' | 'R' => {
            chain_name(&name).map_err(wrong)?;
            reader.devices_fit(&name).map_err(wrong)?;
            let place = number();
            if letter == 'R' && place.is_none() {
                return Err(wrong("the number of the rule is missing"));
            }
            for (index, rule) in reader.finish()?.into_iter().enumerate() {
                let (chain, rule) = (name.clone(), Box::new(rule));
                actions.push(match letter {
                    'A' => Action::Append { chain, rule },
                    'I' => Action::Insert {
                        chain,
                        number: place.unwrap_or(1) + index,
                        rule,
                    },
                    _ => Action::Replace {
                        chain,
                        number: place.unwrap_or(1),
                        rule,
                    },
                });
            }
        }
        'D' => match number() {
            Some(number) => actions.push(Action::DeleteNumber {
                chain: name,
                number,
            }),
            None => {
                for rule in reader.finish()? {
                    actions.push(Action::Delete {
                        chain: name.clone(),
                        rule: Box::new(rule),
                    });
                }
            }
        },
        'N' => {
            chain_name(&name).map_err(wrong)?;
            actions.push(Action::Declare {
                chain: name,
                policy: None,
                counters: None,
                exclusive: true,
            });
        }
        'P' => {
            let policy = second.as_ref().and_then(|word| super::policy(&word.text));
            let policy = Some(policy.ok_or_else(|| wrong("ACCEPT or DROP is missing"))?);
            actions.push(Action::Declare {
                chain: name,
                policy,
                counters,
                exclusive: false,
            });
        }
        'F' => actions.push(Action::Flush(some())),
        'X' => actions.push(Action::DeleteChain(some())),
        'Z' => actions.push(Action::Zero(some())),
        _ => {
            let to = second.ok_or_else(|| wrong("the new name is missing"))?.text;
            actions.push(Action::Rename { from: name, to });
        }
    }
    Ok(Some(Command { table, actions }))
}
