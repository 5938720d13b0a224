//! Legacy tables as rules of the iptables language.

use super::rule::{Chain, Part, Rule, Table, Target};
use crate::model::Family;
use crate::model::expression::Counter;
use crate::model::xtables::ExtensionKind;
use crate::model::xtables::rule::{LegacyRule, LegacyTable, LegacyTarget};

pub fn table(table: &LegacyTable) -> Table {
    Table {
        family: table.family,
        name: table.name.clone(),
        chains: table
            .chains
            .iter()
            .map(|chain| Chain {
                name: chain.name.clone(),
                policy: chain
                    .policy
                    .as_ref()
                    .map(|policy| (policy.verdict, policy.counters)),
                rules: chain
                    .rules
                    .iter()
                    .map(|one| rule(table.family, one))
                    .collect(),
            })
            .collect(),
    }
}

pub fn rule(family: Family, rule: &LegacyRule) -> Rule {
    let matches = rule
        .matches
        .iter()
        .map(|raw| Part::read(ExtensionKind::Match, family, raw));
    let watchers = rule
        .watchers
        .iter()
        .map(|raw| Part::read(ExtensionKind::Target, family, raw));
    Rule {
        header: rule.header.clone(),
        parts: matches.chain(watchers).collect(),
        target: match &rule.target {
            LegacyTarget::Nothing => Target::Nothing,
            LegacyTarget::Verdict(verdict) => Target::Verdict(*verdict),
            LegacyTarget::Jump(chain) => Target::Jump(chain.clone()),
            LegacyTarget::Goto(chain) => Target::Goto(chain.clone()),
            LegacyTarget::Extension(raw) => {
                Target::Extension(Part::read(ExtensionKind::Target, family, raw))
            }
        },
        counters: Counter { ..rule.counters },
    }
}
