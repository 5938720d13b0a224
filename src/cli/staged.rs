//! `--staged`: a picture with changes made that are not in the kernel yet.

use anyhow::{anyhow, bail};
use hookscope::lang::nft::compile as compiler;
use hookscope::lang::nft::parse::render::render_all;
use hookscope::model::{Elements, Family, Snapshot};
use hookscope::session::changes::{self, kept};
use hookscope::session::compile;
use hookscope::session::resolve::Machine;
use hookscope::stage::staged::staged;
use std::path::Path;

/// Make the changes in the picture: those of `file`, a text in the nft language, or, without one, those that are
/// staged in the terminal interface.
pub fn stage(picture: &mut Snapshot, file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file else {
        let Some(edits) = kept::newest() else {
            bail!(
                "nothing is staged in this network namespace; stage changes in hookscope, or name a text: --staged=FILE"
            );
        };
        let unfit = |wrong: Vec<changes::Wrong>| {
            let lines: Vec<String> = wrong.into_iter().map(|one| one.message).collect();
            anyhow!(
                "what is staged does not fit this ruleset: {}",
                lines.join("; ")
            )
        };
        let before = (&picture.ruleset, &*picture.legacy, &picture.network);
        let (after, unseen) = changes::decided(before, &edits, &picture.names).map_err(unfit)?;
        picture.ruleset = after.ruleset;
        picture.legacy = after.legacy;
        picture.network = after.network;
        picture.missing.extend(unseen);
        return Ok(());
    };
    let text = super::trace::read(file)?;
    let script = compile::parse(&file.display().to_string(), text, Vec::new())
        .map_err(|(sources, wrong)| anyhow!("{}", render_all(&sources, &wrong)))?;
    let ruleset = &picture.ruleset;
    let elements = |family: Family, table: &str, set: &str| {
        let set = ruleset
            .table(family, table)
            .and_then(|table| table.set(set));
        match set.map(|set| &set.elements) {
            Some(Elements::Read(list)) => Ok(list.clone()),
            _ => Err("the elements of this set are not in the picture".to_owned()),
        }
    };
    let sources = script.sources;
    let compiled = compiler::compile(script.commands, ruleset, &Machine::new(), &elements)
        .map_err(|wrong| anyhow!("{}", render_all(&sources, &wrong)))?;
    picture.ruleset = staged(ruleset, &compiled.commands)
        .map_err(|error| anyhow!("the changes of '{}' do not fit: {error}", file.display()))?;
    Ok(())
}
