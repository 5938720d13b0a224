//! What a change keeps of the rule that it is about: a rule that is moved goes as the bytes that it is, and counters
//! of a rule that is replaced go on counting where that is wanted. Pure.

use super::change::{Edit, RuleRef};
use super::make::Maker;
use crate::kernel::nf_tables::decode;
use crate::model::command::{Command, RuleBody, What};
use crate::model::{Expression, Rule, Ruleset, Table};

/// The commands that `edits` were compiled to, with what is carried over from the rules of `ruleset`. `owner` tells
/// which edit each command was compiled from; the same comes back for the new commands.
pub fn carry(
    edits: &[Edit],
    commands: Vec<Command>,
    owner: Vec<usize>,
    ruleset: &Ruleset,
) -> (Vec<Command>, Vec<usize>) {
    let carries = |edit: &Edit| {
        matches!(
            edit,
            Edit::MoveRule { .. } | Edit::ReplaceRule { keep: true, .. }
        )
    };
    if !edits.iter().any(carries) {
        return (commands, owner);
    }
    let mut maker = Maker::beside(&commands);
    let mut owners = Vec::with_capacity(owner.len());
    for (mut command, owner) in commands.into_iter().zip(owner) {
        match edits.get(owner) {
            Some(Edit::MoveRule { rule, .. }) => moved(&mut maker, command, rule, ruleset),
            Some(Edit::ReplaceRule {
                rule, keep: true, ..
            }) => {
                if let Some((_, old)) = find(ruleset, rule) {
                    keep_counters(&mut command, old);
                }
                maker.commands.push(command);
            }
            _ => maker.commands.push(command),
        }
        owners.resize(maker.commands.len(), owner);
    }
    (maker.commands, owners)
}

fn find<'r>(ruleset: &'r Ruleset, rule: &RuleRef) -> Option<(&'r Table, Rule<'r>)> {
    let table = ruleset.table(rule.chain.family, &rule.chain.table)?;
    let chain = table.chain(&rule.chain.name)?;
    let index = chain.rules.index_of(rule.handle)?;
    Some((table, chain.rules.get(index)?))
}

/// In the place of the rule that stands for it, the rule itself, with the sets and chains that are its alone.
fn moved(maker: &mut Maker, command: Command, rule: &RuleRef, ruleset: &Ruleset) {
    match (&command.what, find(ruleset, rule)) {
        (What::MakeRule(new), Some((table, old))) => {
            maker.rule(table, new.chain.clone(), new.place, old, new.id);
        }
        _ => maker.commands.push(command),
    }
}

/// The first counter of the new rule goes on where that of the old one is, the second where its second is, and so
/// on; the same for what was used of quotas.
fn keep_counters(command: &mut Command, old: Rule<'_>) {
    let What::MakeRule(new) = &mut command.what else {
        return;
    };
    let RuleBody::Built { expressions, .. } = &mut new.body else {
        return;
    };
    let Ok(old) = decode::rule(old) else {
        return;
    };
    let mut counters = old.expressions.iter().filter_map(|one| match one {
        Expression::Counter(counter) => Some(*counter),
        _ => None,
    });
    let mut quotas = old.expressions.iter().filter_map(|one| match one {
        Expression::Quota(quota) => Some(*quota),
        _ => None,
    });
    for expression in expressions {
        match expression {
            Expression::Counter(counter) => {
                if let Some(was) = counters.next() {
                    *counter = was;
                }
            }
            Expression::Quota(quota) => {
                if let Some(was) = quotas.next() {
                    quota.consumed = was.consumed;
                }
            }
            _ => {}
        }
    }
}
