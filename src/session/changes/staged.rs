//! The machine with the changes made, before they are: the ruleset and legacy tables are worked out, routing is tried
//! by the kernel on a copy of the network.

use super::text::read;
use super::{Wrong, iptables, legacy, routes};
use crate::lang::nft::compile as compiler;
use crate::model::network::Network;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Elements, Family, Names, Ruleset};
use crate::session::resolve::Machine;
use crate::stage;
use crate::stage::carry::carry;
use crate::stage::change::Edit;

/// What decides about packets.
#[derive(Clone, Debug, Default)]
pub struct Deciding {
    pub ruleset: Ruleset,
    pub legacy: Vec<LegacyTable>,
    pub network: Network,
}

/// What decides about packets with the changes made, and what of them could not be looked at, a sentence. Blocks where
/// there are changes of routing.
pub fn decided(
    (ruleset, legacy, network): (&Ruleset, &[LegacyTable], &Network),
    edits: &[Edit],
    names: &Names,
) -> Result<(Deciding, Option<String>), Vec<Wrong>> {
    let (network, unseen) = routes::staged(network, edits, names)?;
    let after = Deciding {
        ruleset: staged(ruleset, edits)?,
        legacy: legacy::staged_legacy(legacy, edits)?,
        network,
    };
    Ok((after, unseen))
}

/// The ruleset with the changes made, without asking the kernel; changes of routing are left out. The elements of sets that changes are about
/// must have been read.
pub fn staged(ruleset: &Ruleset, edits: &[Edit]) -> Result<Ruleset, Vec<Wrong>> {
    let (text, script) = read(edits)?;
    let elements = |family: Family, table: &str, set: &str| {
        let set = ruleset.table(family, table).and_then(|t| t.set(set));
        match set.map(|set| &set.elements) {
            Some(Elements::Read(list)) => Ok(list.clone()),
            _ => Err("the elements of this set have not been read".to_owned()),
        }
    };
    let compiled = compiler::compile(script.commands, ruleset, &Machine::new(), &elements)
        .map_err(|diagnostics| text.all_wrong(diagnostics))?;
    let owner = compiled.spans.iter().map(|span| text.change(*span));
    let (commands, owner) =
        iptables::translate(edits, compiled.commands, owner.collect(), ruleset)?;
    let (commands, owner) = carry(edits, commands, owner, ruleset);
    let staged = stage::staged::staged(ruleset, &commands).map_err(|error| {
        vec![Wrong {
            change: owner.get(error.command).copied().unwrap_or_default(),
            span: 0..0,
            message: error.why.to_string(),
            help: None,
            moved: None,
        }]
    })?;
    let mut staged = staged;
    legacy::shown(&mut staged, edits)?;
    Ok(staged)
}
