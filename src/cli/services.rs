//! `hookscope services`: services and their endpoints, with what the rules that lead to them counted.

use super::{Global, machine};
use anyhow::{Context, bail};
use clap::Args;
use hookscope::insight::services::{self, Endpoint, Rate, Service, Traffic};
use hookscope::kernel::legacy;
use hookscope::kernel::nf_tables::load::ReadElements;
use hookscope::lang::iptables::from_legacy;
use hookscope::lang::iptables::rule::Table;
use hookscope::model::Family;
use hookscope::session::snapshot;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// Only those whose name, address or endpoint has this text
    filter: Option<String>,
    /// Print JSON, one object per line
    #[arg(short, long)]
    json: bool,
    /// Count for so many seconds (2), and show packets and bytes per second, the busiest service first
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    rates: Option<f64>,
}

pub fn run(args: &ServicesArgs, global: &Global) -> anyhow::Result<()> {
    let mut list = match &global.snapshot {
        Some(_) if args.rates.is_some() => {
            bail!("a snapshot is one moment: it has no rates; leave --rates or --snapshot out")
        }
        Some(path) => {
            let snapshot = snapshot::open(path)?;
            let legacy: Vec<Table> = snapshot.legacy.iter().map(from_legacy::table).collect();
            services::services(&snapshot.ruleset, &legacy)
        }
        None => live()?,
    };
    if let Some(seconds) = args.rates {
        // Longer than a day is a slip; the first reading itself takes a moment.
        let pause = Duration::try_from_secs_f64(seconds.clamp(0.1, 86_400.0))?;
        let began = Instant::now();
        std::thread::sleep(pause);
        let before = std::mem::replace(&mut list, live()?);
        services::measure(&before, &mut list, began.elapsed().as_secs_f64());
    }
    let wanted = |service: &&Service| {
        args.filter
            .as_deref()
            .is_none_or(|text| contains(service, text))
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut count = 0;
    for service in list.iter().filter(wanted) {
        count += 1;
        if args.json {
            serde_json::to_writer(&mut out, service)?;
            writeln!(out)?;
        } else {
            print(service, &mut out)?;
        }
    }
    if count == 0 && !args.json {
        let what = match &args.filter {
            Some(text) => format!("no service has `{text}` in it"),
            None => "no rules of kube-proxy and no ports published by Docker here".to_owned(),
        };
        writeln!(io::stderr(), "hookscope: {what}")?;
    }
    out.flush()?;
    Ok(())
}

/// The services of this machine now.
fn live() -> anyhow::Result<Vec<Service>> {
    let ruleset = machine::load_ruleset(ReadElements::All)?;
    Ok(services::services(&ruleset, &legacy_tables()?))
}

fn legacy_tables() -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for family in [Family::Ip, Family::Ip6] {
        let read = legacy::read_tables(family)
            .with_context(|| format!("cannot read the legacy tables of {family}"))?;
        tables.extend(read.iter().map(from_legacy::table));
    }
    Ok(tables)
}

fn contains(service: &Service, text: &str) -> bool {
    let places = service.cluster.iter().chain(&service.external);
    let ends = service
        .endpoints
        .iter()
        .filter_map(|one| one.address.as_ref());
    let node = service.node_port.map(|port| format!("*:{port}"));
    service.name.contains(text)
        || node.is_some_and(|node| node.contains(text))
        || places
            .chain(ends)
            .any(|address| address.to_string().contains(text))
}

fn print(service: &Service, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "{}  {} {}",
        service.name,
        service.protocol,
        service.place()
    )?;
    for address in &service.external {
        if service.cluster.is_some() {
            write!(out, ", {address}")?;
        }
    }
    if let (Some(port), Some(_)) = (service.node_port, service.cluster) {
        write!(out, ", node port {port}")?;
    }
    writeln!(out, "{}{}", counted(service.counters), rate(service.rate))?;
    if service.endpoints.is_empty() {
        writeln!(out, "    no endpoints: packets are refused")?;
    }
    for endpoint in &service.endpoints {
        writeln!(
            out,
            "    -> {}{}{}",
            place(endpoint),
            counted(endpoint.counters),
            rate(endpoint.rate)
        )?;
    }
    Ok(())
}

fn place(endpoint: &Endpoint) -> String {
    match endpoint.address {
        Some(address) => address.to_string(),
        None => format!("chain {}", endpoint.chain),
    }
}

fn rate(rate: Option<Rate>) -> String {
    match rate {
        Some(Rate { packets, bytes }) => format!("  {packets:.1} packets/s, {bytes:.0} bytes/s"),
        None => String::new(),
    }
}

fn counted(counters: Option<Traffic>) -> String {
    match counters {
        Some(Traffic { packets, bytes }) => format!("  {packets} packets, {bytes} bytes"),
        None => String::new(),
    }
}
