//! Rules of the iptables language as the nft expressions that iptables-nft writes for them.

mod among;
mod encode;
pub mod single;

use super::builtin::{self, BuiltinChain};
use super::parse::{Action, TableText};
use super::rule::{Rule, Table};
use crate::model::command::{Command, Key, Make, NewRule, NewTable, Place, RuleBody, Take, What};
use crate::model::expression::Counter;
use crate::model::ruleset::{BaseChain, Policy, RuleList, chain_flags};
use crate::model::set::{Element, Set};
use crate::model::xtables::rule::LegacyVerdict;
use crate::model::{self, Chain, Family, Name};
pub use encode::{Encoded, rule};

fn chain(name: &str, base: Option<(&BuiltinChain, Policy, Option<Counter>)>) -> Chain {
    Chain {
        name: name.into(),
        handle: 0,
        flags: if base.is_some() { chain_flags::BASE } else { 0 },
        base: base.map(|(known, policy, counters)| BaseChain {
            kind: known.kind.into(),
            hook: known.hook,
            priority: known.priority,
            policy: Some(policy),
            devices: Vec::new(),
            device_list: false,
            counters,
        }),
        use_count: 0,
        userdata: Vec::new(),
        rules: RuleList::default(),
        raw: Vec::new(),
    }
}

/// What makes a set that a rule needs.
pub fn set(set: Set, elements: Vec<Element>) -> [What; 2] {
    let name = set.name.clone();
    let elements = What::MakeElements {
        set: name,
        make: Make::Add,
        elements,
    };
    [What::MakeSet(Make::Add, Box::new(set)), elements]
}

/// The commands that make a table what a text says, given the table as it is now.
///
/// The whole table is written anew unless the text only adds to it.
pub fn table(
    family: Family,
    text: &TableText,
    now: Option<&model::Table>,
    wanted: &Table,
    next_set: &mut u32,
) -> Vec<Command> {
    let name: Name = text.name.as_str().into();
    let mut out = Vec::new();
    let mut push = |what: What| {
        out.push(Command {
            family,
            table: name.clone(),
            what,
        });
    };
    let Some(known) = builtin::table(family, &text.name) else {
        return out;
    };
    push(What::MakeTable(
        Make::Add,
        NewTable {
            name: name.clone(),
            flags: 0,
            userdata: Vec::new(),
        },
    ));
    let appends_only = !text.flush
        && text
            .actions
            .iter()
            .all(|(action, ..)| matches!(action, Action::Append { .. } | Action::Declare { .. }));
    if !appends_only && now.is_some() {
        push(What::FlushRules(None));
        // User chains that are wanted no more.
        for chain in now
            .iter()
            .flat_map(|table| &table.chains)
            .filter(|chain| chain.base.is_none())
        {
            if !wanted.chains.iter().any(|one| one.name == chain.name) {
                push(What::TakeChain(Take::Delete, Key::Name(chain.name.clone())));
            }
        }
    }
    for one in &wanted.chains {
        let made = match &one.policy {
            Some((policy, counters)) => {
                let Some(known) = known.chains.iter().find(|chain| chain.name == &*one.name) else {
                    continue;
                };
                let policy = if *policy == LegacyVerdict::Drop {
                    Policy::Drop
                } else {
                    Policy::Accept
                };
                let counted = (*counters != Counter::default()).then_some(*counters);
                chain(&one.name, Some((known, policy, counted)))
            }
            None => chain(&one.name, None),
        };
        push(What::MakeChain(Make::Add, Box::new(made)));
    }
    let mut add = |chain: &Name, one: &Rule| {
        let encoded = rule(one, next_set);
        for (made, elements) in encoded.sets {
            set(made, elements).into_iter().for_each(&mut push);
        }
        push(What::MakeRule(NewRule {
            chain: chain.clone(),
            place: Place::Last,
            id: None,
            body: RuleBody::Built {
                expressions: encoded.expressions,
                userdata: Vec::new(),
                compat: encoded.compat,
            },
        }));
    };
    if appends_only {
        for (action, ..) in &text.actions {
            if let Action::Append { chain, rule } = action {
                add(&chain.as_str().into(), rule);
            }
        }
    } else {
        for chain in &wanted.chains {
            for one in &chain.rules {
                add(&chain.name, one);
            }
        }
    }
    out
}
