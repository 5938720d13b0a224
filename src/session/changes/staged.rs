//! The ruleset with the changes made, without asking the kernel. Pure.

use super::text::read;
use super::{Wrong, iptables, legacy};
use crate::lang::nft::compile as compiler;
use crate::model::{Elements, Family, Ruleset};
use crate::session::resolve::Machine;
use crate::stage;
use crate::stage::carry::carry;
use crate::stage::change::Edit;

/// The ruleset with the changes made; changes of routing are left out. The elements of sets that changes are about
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
