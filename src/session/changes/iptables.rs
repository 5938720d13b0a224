//! Rules in the iptables language among the changes: read, and put into tables of nf_tables as the very expressions
//! that iptables-nft writes. Pure but for the names of this machine.

use super::Wrong;
use crate::lang::iptables::parse::{self, Machine, words};
use crate::lang::iptables::rule::{Rule, Target};
use crate::lang::iptables::{builtin, from_nft, to_nft};
use crate::lang::near::near;
use crate::model::Ruleset;
use crate::model::command::{Command, Make, RuleBody, What};
use crate::session::iptables;
use crate::stage::change::{Edit, Place};
use crate::stage::make::Maker;

/// A mistake in the text of a rule.
fn wrong(start: usize, end: usize, message: String) -> parse::Wrong {
    parse::Wrong::new(start, end, message)
}

/// The one rule that a text says. It may begin with the command that puts it there: `-A INPUT`.
pub(super) fn rule(text: &str, place: &Place, machine: &Machine) -> Result<Rule, parse::Wrong> {
    let mut words = words::split(text, 0)?;
    if let [command, chain, ..] = words.as_slice()
        && matches!(command.text.as_str(), "-A" | "--append" | "-I" | "--insert")
    {
        if chain.text != *place.name {
            let message = format!("the rule is for chain {}; leave this out", place.name);
            return Err(wrong(command.start, chain.end, message));
        }
        words.drain(..2);
    }
    let mut rules = parse::rule(&words, place.family, machine)?.into_iter();
    match (rules.next(), rules.next()) {
        (Some(rule), None) => Ok(rule),
        _ => {
            let message = "several addresses make several rules; write them one by one";
            Err(wrong(0, text.len(), message.to_owned()))
        }
    }
}

/// Where a rule goes to must be a chain of its own table; `chains` are those that can be jumped to.
pub(super) fn jump<'c>(
    text: &str,
    rule: &Rule,
    mut chains: impl Iterator<Item = &'c str> + Clone,
) -> Result<(), parse::Wrong> {
    let (Target::Jump(to) | Target::Goto(to)) = &rule.target else {
        return Ok(());
    };
    if chains.clone().any(|chain| chain == &**to) {
        return Ok(());
    }
    let at = text.rfind(&**to).unwrap_or(0);
    let near = near(to, &mut chains).map(|near| format!("; did you mean `{near}`?"));
    let message = format!(
        "there is no target and no chain `{to}` here{}",
        near.unwrap_or_default()
    );
    Err(wrong(at, at + to.len(), message))
}

/// A mistake in the rule of a change.
pub(super) fn of_change(change: usize, edit: &Edit, wrong: parse::Wrong) -> Wrong {
    let lead = edit.lead().len();
    Wrong {
        change,
        span: lead + wrong.start..lead + wrong.end.max(wrong.start),
        message: wrong.message,
        help: None,
        moved: None,
    }
}

/// Whether rules of iptables can stand in a table.
fn takes_iptables(ruleset: &Ruleset, place: &Place) -> bool {
    match ruleset.table(place.family, &place.table) {
        Some(table) => from_nft::is_of_iptables(table),
        // The changes before this one make it.
        None => builtin::table(place.family, &place.table).is_some(),
    }
}

/// In the place of what stands for them, the rules that are written in the iptables language. `owner` tells which
/// edit each command was compiled from; the same comes back for the new commands.
pub(super) fn translate(
    edits: &[Edit],
    commands: Vec<Command>,
    owner: Vec<usize>,
    ruleset: &Ruleset,
) -> Result<(Vec<Command>, Vec<usize>), Vec<Wrong>> {
    if edits.iter().all(|edit| edit.iptables_rule().is_none()) {
        return Ok((commands, owner));
    }
    let machine = iptables::machine(&Ruleset::default());
    let mut maker = Maker::beside(&commands);
    let mut next = maker.id();
    let mut owners = Vec::with_capacity(owner.len());
    let mut mistakes = Vec::new();
    for (index, (mut command, owner)) in commands.iter().cloned().zip(owner).enumerate() {
        let edit = edits.get(owner);
        if let Some((edit, (text, place))) = edit.and_then(|one| Some((one, one.iptables_rule()?)))
            && let What::MakeRule(new) = &mut command.what
        {
            let read = match takes_iptables(ruleset, place) {
                true => rule(text, place, &machine),
                false => Err(wrong(
                    0,
                    text.len(),
                    format!(
                        "table {} {} is not one of iptables: it takes rules of the nft language, such as `tcp dport 22 accept`",
                        place.family, place.table
                    ),
                )),
            };
            let before = commands.get(..index).unwrap_or_default();
            let read = read.and_then(|read| {
                let chains = chains(ruleset, before, place);
                jump(text, &read, chains.iter().map(String::as_str))?;
                Ok(read)
            });
            match read {
                Err(mistake) => mistakes.push(of_change(owner, edit, mistake)),
                Ok(read) => {
                    let encoded = to_nft::rule(&read, &mut next);
                    for (set, elements) in encoded.sets {
                        let make = to_nft::set(set, elements).into_iter();
                        maker.commands.extend(make.map(|what| Command {
                            family: place.family,
                            table: place.table.clone(),
                            what,
                        }));
                    }
                    new.body = RuleBody::Built {
                        expressions: encoded.expressions,
                        userdata: Vec::new(),
                        compat: encoded.compat,
                    };
                }
            }
        }
        maker.commands.push(command);
        owners.resize(maker.commands.len(), owner);
    }
    match mistakes.is_empty() {
        true => Ok((maker.commands, owners)),
        false => Err(mistakes),
    }
}

/// The chains that a rule there can go to.
fn chains(ruleset: &Ruleset, before: &[Command], place: &Place) -> Vec<String> {
    let table = ruleset.table(place.family, &place.table);
    let there = table.iter().flat_map(|table| &table.chains);
    let there = there.filter(|chain| chain.base.is_none());
    let mut names: Vec<String> = there.map(|chain| chain.name.to_string()).collect();
    let same =
        |command: &&Command| (command.family, &command.table) == (place.family, &place.table);
    names.extend(
        before
            .iter()
            .filter(same)
            .filter_map(|one| match &one.what {
                What::MakeChain(Make::Add | Make::Create, chain) => Some(chain.name.to_string()),
                _ => None,
            }),
    );
    names
}
