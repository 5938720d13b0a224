//! Rules in a row that each want another value of the same field, as lists of addresses and services have them: the
//! rules that do not want the packet's are passed over at once.
//!
//! Only tests stand before the one that tells them apart, so nothing of a rule that is passed over would have
//! happened. What it would have left in registers is of no use: the kernel refuses rules that read a register before
//! they have written it. Walks that are recorded look at every rule.

use super::Walk;
use super::fused::{Field, Step};
use super::program::RuleCode;

/// So many values must be wanted among the next few rules.
const LEAST: usize = 4;
const NEAR: usize = 64;

/// Some rules in a row.
#[derive(Clone, Debug)]
pub struct Run {
    field: Field,
    /// The rule behind the last one.
    end: usize,
    /// What each rule wants, ascending, with the rule's place.
    wanted: Box<[(u128, u32)]>,
}

/// Find the runs of a chain, and tell its rules of them.
pub fn find(rules: &mut [RuleCode]) -> Box<[Run]> {
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    while let Some(rest) = rules.get_mut(at..).filter(|rest| !rest.is_empty()) {
        let Some(run) = begin(rest, at) else {
            at += 1;
            continue;
        };
        let end = run.end;
        runs.push(run);
        for rule in rest.iter_mut().take(end - at) {
            rule.run = Some(runs.len() - 1);
        }
        at = end;
    }
    runs.into()
}

/// The tests that come before anything else in a rule: fields, and what is wanted of them.
fn tests(rule: &RuleCode) -> impl Iterator<Item = (Field, u128)> {
    let tests = rule.steps.iter().map_while(Step::test);
    tests.filter_map(|(field, wanted, negated)| (!negated).then_some((field, wanted)))
}

/// The run that begins with the first of some rules: that of the field which tells most of them apart.
fn begin(rules: &[RuleCode], at: usize) -> Option<Run> {
    let near = rules.get(..NEAR).unwrap_or(rules);
    let fields = tests(rules.first()?).filter_map(|(field, _)| {
        let mut values: Vec<u128> = wanted(near, field).collect();
        values.sort_unstable();
        values.dedup();
        (values.len() >= LEAST).then_some((values.len(), field))
    });
    let (_, field) = fields.max_by_key(|(values, _)| *values)?;
    let mut wanted: Vec<(u128, u32)> = wanted(rules, field).zip(at as u32..).collect();
    let end = at + wanted.len();
    wanted.sort_unstable();
    Some(Run {
        field,
        end,
        wanted: wanted.into(),
    })
}

/// What each of the first rules wants of a field, as long as they want something.
fn wanted(rules: &[RuleCode], field: Field) -> impl Iterator<Item = u128> {
    rules.iter().map_while(move |rule| {
        let mut own = tests(rule);
        own.find_map(|(other, wanted)| (other == field).then_some(wanted))
    })
}

impl Run {
    /// The next rule from `at` on that wants `value`, or the one behind the run.
    fn next(&self, value: u128, at: usize) -> usize {
        let place = self
            .wanted
            .partition_point(|(wanted, rule)| (*wanted, *rule as usize) < (value, at));
        match self.wanted.get(place) {
            Some((wanted, rule)) if *wanted == value => *rule as usize,
            _ => self.end,
        }
    }
}

impl Walk<'_, '_> {
    /// The first rule from `at` on, which is in this run, that is worth looking at.
    pub(super) fn pass_over(&self, run: &Run, at: usize) -> usize {
        match self.field(run.field) {
            Some(value) => run.next(value, at),
            // What is not there is not what anybody wants.
            None => run.end,
        }
    }
}
