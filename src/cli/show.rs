//! `hookscope show`: the ruleset, as `nft list ruleset` or `iptables-save` prints it.

use super::{Global, machine};
use anyhow::bail;
use clap::{Args, ValueEnum};
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::lang::Names;
use hookscope::lang::iptables::from_nft::Read;
use hookscope::lang::iptables::save::Context;
use hookscope::lang::iptables::{self, from_legacy, from_nft};
use hookscope::lang::nft::json;
use hookscope::lang::nft::print::{self, Options};
use hookscope::model::{Family, Ruleset};
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
    /// The language to print in
    #[arg(long, value_enum, default_value_t = Format::Nft)]
    format: Format,
    /// Whose rules to print in the iptables language
    #[arg(long, value_enum, default_value_t = TableFamily::Ip)]
    family: TableFamily,
    /// Where the iptables rules are
    #[arg(long, value_enum, default_value_t = Backend::Nft)]
    backend: Backend,
    /// Print the counters of every iptables rule (iptables-save -c)
    #[arg(long)]
    counters: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Nft,
    Iptables,
    /// Sets of ipset, as ipset save prints them
    Ipset,
}

/// The families that have programs of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFamily {
    /// iptables
    Ip,
    /// ip6tables
    Ip6,
    /// arptables
    Arp,
    /// ebtables
    Bridge,
}

impl From<TableFamily> for Family {
    fn from(family: TableFamily) -> Family {
        match family {
            TableFamily::Ip => Family::Ip,
            TableFamily::Ip6 => Family::Ip6,
            TableFamily::Arp => Family::Arp,
            TableFamily::Bridge => Family::Bridge,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// nf_tables, written by iptables-nft
    Nft,
    /// ip_tables, ip6_tables, arp_tables
    Legacy,
}

pub fn run(args: &ShowArgs, global: &Global) -> anyhow::Result<()> {
    match args.format {
        Format::Nft => {}
        Format::Iptables => return run_iptables(args, global),
        Format::Ipset => return run_ipset(global),
    }
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

fn run_iptables(args: &ShowArgs, global: &Global) -> anyhow::Result<()> {
    let family = args.family.into();
    let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if args.backend == Backend::Legacy {
        if family == Family::Bridge {
            bail!("legacy tables of the family bridge are not supported; leave --backend out");
        }
        let Some(path) = &global.snapshot else {
            return print_legacy(args, family, out);
        };
        let snapshot = snapshot::open(path)?;
        let tables = snapshot.legacy.iter().filter(|one| one.family == family);
        let tables = tables.map(from_legacy::table);
        return print_tables(args, &snapshot.names, tables, out);
    }
    let (ruleset, names) = match &global.snapshot {
        Some(path) => {
            let snapshot = snapshot::open(path)?;
            (snapshot.ruleset, snapshot.names)
        }
        None => {
            let ruleset = machine::load_ruleset(ReadElements::Anonymous)?;
            let names = hookscope::kernel::machine::names(&ruleset);
            (ruleset, names)
        }
    };
    let mut tables = Vec::new();
    for (name, read) in from_nft::tables(&ruleset, family) {
        match read {
            Read::Table { table, tainted } => {
                if tainted {
                    eprintln!(
                        "table '{name}' has base chains that iptables does not know; nft lists them"
                    );
                }
                tables.push(table);
            }
            Read::Incompatible(why) => eprintln!("table '{name}' is left out: {why}"),
        }
    }
    print_tables(args, &names, tables.into_iter(), out)
}

fn run_ipset(global: &Global) -> anyhow::Result<()> {
    let (sets, names) = match &global.snapshot {
        Some(path) => {
            let snapshot = snapshot::open(path)?;
            (snapshot.ipsets, snapshot.names)
        }
        None => (
            hookscope::kernel::ipset::read_ipsets()?,
            hookscope::kernel::machine::names(&Ruleset::default()),
        ),
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    hookscope::lang::ipset::print::sets(&sets, &names, &mut out)?;
    out.flush()?;
    Ok(())
}

/// The legacy tables of this machine.
fn print_legacy(args: &ShowArgs, family: Family, mut out: impl Write) -> anyhow::Result<()> {
    let names = hookscope::kernel::machine::names(&Ruleset::default());
    let cx = Context {
        family,
        names: &names,
    };
    let options = iptables::print::Options {
        counters: args.counters,
    };
    for (name, table) in &hookscope::kernel::legacy::read_blobs(family)? {
        iptables::print_legacy::table(name, table, &cx, options, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn print_tables(
    args: &ShowArgs,
    names: &Names,
    tables: impl Iterator<Item = iptables::rule::Table>,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let options = iptables::print::Options {
        counters: args.counters,
    };
    for table in tables {
        let cx = Context {
            family: table.family,
            names,
        };
        iptables::print::table(&table, &cx, options, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
