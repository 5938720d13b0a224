//! `hookscope save --format iptables`: the tables of iptables, for the service that loads them at boot.

use super::{SaveArgs, tell};
use crate::cli::apply::iptables_mistakes;
use crate::cli::machine;
use crate::cli::show::Backend;
use anyhow::{anyhow, bail};
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::model::Family;
use hookscope::session::boot::write::{self, Unready};
use hookscope::session::iptables::Failure;
use hookscope::stage::save::iptables as save;
use std::io::{self, Write};

pub fn run(args: &SaveArgs) -> anyhow::Result<()> {
    let families: Vec<Family> = match (args.family, &args.output) {
        (Some(family), _) => vec![family.into()],
        (None, Some(_)) => vec![Family::Ip],
        (None, None) => vec![Family::Ip, Family::Ip6],
    };
    let ruleset = machine::load_ruleset(ReadElements::Anonymous)?;
    let names = hookscope::kernel::machine::names(&ruleset);
    let legacy = args.backend.map(|backend| backend == Backend::Legacy);
    let path = args.output.as_deref();
    // All of them are checked before the first is written.
    let mut ready = Vec::new();
    for family in families {
        match write::prepare(family, legacy, args.counters, path, &ruleset, &names) {
            Ok(one) => ready.push(one),
            Err(Unready::Nothing) => writeln!(
                io::stderr(),
                "hookscope: {} has no tables; its file is left alone",
                save::program(family)
            )?,
            Err(Unready::Text(text, failure)) => return Err(refused(family, &text, failure)),
            Err(Unready::Other(why)) => bail!(why),
        }
    }
    if ready.is_empty() {
        bail!("iptables has no tables here; there is nothing to save");
    }
    for one in ready {
        tell(&save::save(one.family, &one.text, one.notes, path)?)?;
    }
    Ok(())
}

/// The text would not bring the tables back.
fn refused(family: Family, text: &str, failure: Failure) -> anyhow::Error {
    let why = match failure {
        Failure::Text(wrongs) | Failure::Kernel(wrongs) => {
            let name = format!("<{}>", save::program(family));
            iptables_mistakes("nothing was written", &name, text, wrongs)
        }
        Failure::Other(why) => anyhow!("nothing was written: {why}"),
    };
    why.context("the text of the running tables cannot be loaded again")
}
