//! Legacy tables as iptables-nft would hold them: what is shown of tables of nf_tables is shown of them, too, their
//! rules in either language and in plain English.

use super::{builtin, from_legacy, from_nft, rule, to_nft};
use crate::kernel::netlink::AttrWriter;
use crate::kernel::nf_tables::encode;
use crate::model::ruleset::{BaseChain, LEGACY, Policy, RuleList, chain_flags};
use crate::model::xtables::rule::{LegacyChain, LegacyTable, LegacyVerdict};
use crate::model::{Chain, Name, Table};
use std::sync::Arc;

const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// The name under which a legacy table is shown.
pub fn shown_name(table: &str) -> Name {
    Name::from(format!("{table}{LEGACY}"))
}

/// The table under a name of its own; handles are the numbers of rules in their chains, from 1.
pub fn table(legacy: &LegacyTable) -> Table {
    Table {
        family: legacy.family,
        name: shown_name(&legacy.name),
        handle: 0,
        flags: 0,
        owner: None,
        use_count: 0,
        userdata: Vec::new(),
        chains: legacy
            .chains
            .iter()
            .map(|one| Arc::new(chain(legacy, one)))
            .collect(),
        sets: Vec::new(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        raw: Vec::new(),
    }
}

/// The table in the iptables language again.
pub fn read(shown: &Table) -> Option<rule::Table> {
    let name = shown.name.strip_suffix(LEGACY)?.into();
    let table = Table {
        name,
        ..shown.clone()
    };
    from_nft::table(&table).ok().map(|(table, _)| table)
}

fn chain(legacy: &LegacyTable, chain: &LegacyChain) -> Chain {
    let known = builtin::table(legacy.family, &legacy.name);
    let known = known.and_then(|table| table.chains.iter().find(|one| one.name == &*chain.name));
    let mut rules = RuleList::default();
    rules.read = true;
    let mut next_set = 0;
    for (number, rule) in (1u64..).zip(&chain.rules) {
        let rule = from_legacy::rule(legacy.family, rule);
        let mut out = AttrWriter::new();
        out.be64(NFTA_RULE_HANDLE, number);
        let expressions = to_nft::rule(&rule, &mut next_set).expressions;
        out.nest(NFTA_RULE_EXPRESSIONS, |out| encode::list(out, &expressions));
        rules.push(number, out.as_bytes());
    }
    rules.shrink();
    Chain {
        name: chain.name.clone(),
        handle: 0,
        flags: if chain.policy.is_some() {
            chain_flags::BASE
        } else {
            0
        },
        base: chain.policy.as_ref().map(|policy| BaseChain {
            kind: known.map_or("filter", |known| known.kind).into(),
            hook: policy.hook,
            priority: known.map_or(0, |known| known.priority),
            policy: Some(match policy.verdict {
                LegacyVerdict::Drop => Policy::Drop,
                _ => Policy::Accept,
            }),
            devices: Vec::new(),
            device_list: false,
            counters: Some(policy.counters),
        }),
        use_count: 0,
        userdata: Vec::new(),
        rules,
        raw: Vec::new(),
    }
}
