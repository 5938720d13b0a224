//! `hookscope trace`: which way a packet goes, by simulation.

use super::packet::{PacketArgs, parse_line};
use super::trace_kernel::{Asked, Kept};
use super::trace_pcap::Through;
use super::{Global, machine, trace_pcap};
use anyhow::Context;
use clap::Args;
use hookscope::flow::words::Words;
use hookscope::flow::{Question, Simulator, World};
use hookscope::model::Snapshot;
use hookscope::session::snapshot;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    packet: PacketArgs,
    /// Print one JSON object (a packet a line)
    #[arg(short, long)]
    json: bool,
    /// Packets from a file, one a line, in these options
    #[arg(long, value_name = "FILE", conflicts_with_all = ["src", "dst", "hex"])]
    batch: Option<PathBuf>,
    /// With the changes made that are staged in the terminal interface, or those of an nft text
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    staged: Option<Option<PathBuf>>,
    /// Every packet of a capture (pcap, pcapng): those of others arrive on --iif, those of this machine are sent
    #[arg(long, value_name = "FILE", conflicts_with_all = ["src", "dst", "hex", "batch", "in_kernel"])]
    pcap: Option<PathBuf>,
    /// Ask the kernel, too: the packet goes through a throw-away copy of this network, and both answers are compared
    #[arg(long)]
    in_kernel: bool,
    /// Where the answers differ, keep everything that is needed to look into it
    #[arg(long, value_name = "FILE", requires = "in_kernel")]
    save_case: Option<PathBuf>,
    /// Ask both again about a case that --save-case kept: its packet, in the network of that time
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "iif", "src", "dst", "hex", "batch", "staged", "pcap", "in_kernel",
    ])]
    case: Option<PathBuf>,
}

pub fn run(args: &TraceArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let now = now();
    let mut questions: Vec<anyhow::Result<Question>> = Vec::new();
    let case = match &args.case {
        Some(_) if global.snapshot.is_some() => {
            anyhow::bail!("a case holds the network of its time; leave out --snapshot")
        }
        Some(path) => Some(Kept::open(path)?),
        None => None,
    };
    match (&args.batch, &case) {
        (_, Some(case)) => questions.push(case.question(now)),
        (Some(path), _) => {
            let text = read(path)?;
            for line in text.lines().filter(|line| !is_blank(line)) {
                questions.push(parse_line(line).map(|packet| packet.question(now)));
            }
        }
        _ if args.pcap.is_some() => {}
        _ => questions.push(Ok(args.packet.clone().question(now))),
    }
    let mut picture = match &case {
        Some(case) => case.snapshot().clone(),
        None => picture(global)?,
    };
    if let Some(file) = &args.staged {
        super::staged::stage(&mut picture, file.as_deref())?;
    }
    let picture = Arc::new(picture);
    let mut evidence = evidence(&picture, global);
    evidence["staged"] = args.staged.is_some().into();
    if case.is_some() {
        evidence["source"] = "case".into();
    }
    let simulator = Simulator::new(World {
        ruleset: &picture.ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    });
    let words = Words::new(&simulator, &picture.ruleset, &picture.names);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if let Some(path) = &args.pcap {
        let through = Through {
            simulator: &simulator,
            words: &words,
            network: &picture.network,
            evidence: &evidence,
            iif: args.packet.iif.as_deref(),
            json: args.json,
        };
        return trace_pcap::run(path, &through, &mut out);
    }
    let mut failed = false;
    let many = args.batch.is_some();
    let asked = if args.in_kernel || case.is_some() {
        let all: Vec<&Question> = questions.iter().flatten().collect();
        let asked = Asked::new(&picture, &all)?;
        evidence["in_kernel"] = true.into();
        Some(asked)
    } else {
        None
    };
    for question in questions {
        let answer = question.and_then(|question| {
            let trace = simulator.trace(&question)?;
            let both = asked
                .as_ref()
                .map(|asked| asked.ask(&simulator, &question, &trace));
            Ok((question, trace, both.transpose()?))
        });
        if let (Ok((question, trace, Some(both))), Some(path), Some(asked)) =
            (&answer, &args.save_case, &asked)
            && !both.comparison.agrees()
        {
            asked.save(path, &words, question, trace, both)?;
        }
        match answer {
            Ok((question, trace, both)) if args.json => {
                let mut value = words.json(&trace, question.iif.as_deref(), &evidence);
                if let Some(both) = both {
                    value["in_kernel"] = both.json;
                }
                if let Some(case) = &case {
                    value["case"] = case.json();
                }
                writeln!(out, "{value}")?;
            }
            Ok((question, trace, both)) => {
                for line in words.lines(&trace, question.iif.as_deref(), width()) {
                    writeln!(out, "{line}")?;
                }
                if let (Some(both), Some(asked)) = (&both, &asked) {
                    for line in asked.lines(both, case.is_some()) {
                        writeln!(out, "{line}")?;
                    }
                }
                if let Some(case) = &case {
                    for line in case.lines() {
                        writeln!(out, "{line}")?;
                    }
                }
                if many {
                    writeln!(out)?;
                }
            }
            Err(error) if many && args.json => {
                failed = true;
                writeln!(out, "{}", json!({"error": format!("{error:#}")}))?;
            }
            Err(error) if many => {
                failed = true;
                writeln!(out, "error: {error:#}\n")?;
            }
            Err(error) => {
                out.flush()?;
                let _ = writeln!(io::stderr(), "hookscope: error: {error:#}");
                return Ok(ExitCode::from(2));
            }
        }
    }
    if !args.json {
        for line in evidence_lines(&evidence) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

pub fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read '{}'", path.display()))
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .unwrap_or(0)
}

/// Everything that decides, from the kernel or from a file.
pub fn picture(global: &Global) -> anyhow::Result<Snapshot> {
    match &global.snapshot {
        Some(path) => Ok(snapshot::open(path)?),
        None => snapshot::take(global.netns.clone()).map_err(machine::explain),
    }
}

/// What an answer rests on, and what nobody looked at.
pub fn evidence(picture: &Snapshot, global: &Global) -> Value {
    let age = SystemTime::now()
        .duration_since(picture.taken)
        .map_or(0, |age| age.as_secs());
    let mut unseen = vec![
        "BPF programs at XDP, tc, cgroups and netfilter hooks".to_owned(),
        "other network namespaces".to_owned(),
        "packets that a flowtable or hardware forwards by itself".to_owned(),
    ];
    unseen.extend(picture.missing.iter().cloned());
    json!({
        "source": if global.snapshot.is_some() { "snapshot" } else { "live" },
        "host": picture.host,
        "kernel": picture.kernel,
        "generation": picture.ruleset.generation,
        "age_seconds": age,
        "staged": false,
        "not_looked_at": unseen,
    })
}

fn evidence_lines(evidence: &Value) -> Vec<String> {
    let source = match evidence["source"].as_str() {
        Some(kept @ ("snapshot" | "case")) => format!(
            "a {kept} of {}, {} s old",
            evidence["host"].as_str().unwrap_or(""),
            evidence["age_seconds"]
        ),
        _ => "the running kernel".to_owned(),
    };
    let staged = match evidence["staged"].as_bool() {
        Some(true) => ", with the staged changes made",
        _ => "",
    };
    let mut lines = vec![format!(
        "rests on {source}, generation {}{staged}",
        evidence["generation"]
    )];
    lines.push("not looked at: BPF programs, other namespaces, offloaded flows".to_owned());
    lines
}

fn width() -> usize {
    crossterm::terminal::size()
        .map_or(80, |(columns, _)| usize::from(columns))
        .max(40)
}
