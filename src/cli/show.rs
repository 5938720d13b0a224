//! `hookscope show`: the ruleset, as `nft list ruleset` prints it.

use super::{Global, machine};
use clap::Args;
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::lang::nft::json;
use hookscope::lang::nft::print::{self, Options};
use hookscope::session::snapshot;
use std::io::{self, BufWriter, Write};

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Print handles (nft -a)
    #[arg(short = 'a', long)]
    handles: bool,
    /// Leave out counters, quotas used and times left (nft -s)
    #[arg(short, long)]
    stateless: bool,
    /// Leave out the elements of sets (nft -t)
    #[arg(short, long)]
    terse: bool,
    /// Print the JSON of libnftables (nft -j)
    #[arg(short, long)]
    json: bool,
}

pub fn run(args: &ShowArgs, global: &Global) -> anyhow::Result<()> {
    let elements = if args.terse {
        ReadElements::Anonymous
    } else {
        ReadElements::All
    };
    let (ruleset, names) = match &global.snapshot {
        Some(path) => {
            let snapshot = snapshot::open(path)?;
            (snapshot.ruleset, snapshot.names)
        }
        None => {
            let ruleset = machine::load_ruleset(elements)?;
            let names = hookscope::kernel::machine::names(&ruleset);
            (ruleset, names)
        }
    };
    let options = Options {
        handles: args.handles,
        stateless: args.stateless,
        terse: args.terse,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if args.json {
        json::ruleset(&ruleset, &names, options, &mut out)?;
    } else {
        print::ruleset(&ruleset, &names, options, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
