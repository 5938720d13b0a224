//! `hookscope test FILE`: packet expectations in TOML, held against the running kernel or a snapshot.
//!
//! ```toml
//! [[test]]
//! name = "the web is open"
//! packet = "--iif wan0 --src 203.0.113.5 --dst 198.51.100.1 --proto tcp --sport 40000 --dport 443"
//! fate = "delivered"            # or a list: ["dropped", "rejected"]
//! oif = "lan0"                  # optional: the device it leaves by
//! rule = { family = "inet", table = "fw", chain = "input", handle = 12 }   # optional: a rule that matches
//! ```

use super::Global;
use super::packet::parse_line;
use super::trace::{now, picture, read};
use anyhow::{Context, bail};
use clap::Args;
use hookscope::flow::words::Words;
use hookscope::flow::{Fate, Question, Simulator, Trace, World};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct TestArgs {
    /// TOML file with [[test]] tables: packet, fate, and optionally name, oif, rule
    file: PathBuf,
    /// Print one JSON object
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    /// In the options of `hookscope trace`.
    packet: String,
    fate: Fates,
    oif: Option<String>,
    rule: Option<RuleRef>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Fates {
    One(String),
    Any(Vec<String>),
}

/// Any part may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRef {
    family: Option<String>,
    table: Option<String>,
    chain: Option<String>,
    handle: Option<u64>,
    /// Words that the rule's text holds.
    text: Option<String>,
}

/// A case made ready.
struct Ready {
    name: String,
    question: Question,
    fates: Vec<Fate>,
    oif: Option<String>,
    rule: Option<RuleRef>,
}

pub fn run(args: &TestArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let text = read(&args.file)?;
    let place = args.file.display();
    let file: File =
        toml::from_str(&text).with_context(|| format!("'{place}' is no file of tests"))?;
    if file.test.is_empty() {
        bail!("'{place}' has no [[test]]; add one with 'packet' and 'fate'");
    }
    let cases: Vec<Ready> = file
        .test
        .into_iter()
        .enumerate()
        .map(|(number, case)| ready(number + 1, case))
        .collect::<anyhow::Result<_>>()?;
    let picture = picture(global)?;
    let simulator = Simulator::new(World {
        ruleset: &picture.ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    });
    let words = Words::new(&simulator, &picture.ruleset, &picture.names);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut failed = 0;
    let mut results = Vec::new();
    for case in &cases {
        let (problems, trace) = match simulator.trace(&case.question) {
            Ok(trace) => (judge(case, &trace, &words), Some(trace)),
            Err(error) => (vec![error.to_string()], None),
        };
        if !problems.is_empty() {
            failed += 1;
        }
        if args.json {
            results.push(json!({
                "name": case.name,
                "passed": problems.is_empty(),
                "problems": problems,
                "fate": trace.as_ref().map(|trace| trace.fate.word()),
            }));
            continue;
        }
        writeln!(
            out,
            "{} {}",
            if problems.is_empty() {
                "ok    "
            } else {
                "FAILED"
            },
            case.name
        )?;
        for problem in &problems {
            writeln!(out, "  {problem}")?;
        }
        if let (Some(trace), false) = (&trace, problems.is_empty()) {
            for line in words.lines(trace, case.question.iif.as_deref(), 76) {
                writeln!(out, "    {line}")?;
            }
        }
    }
    if args.json {
        let value: Value =
            json!({"passed": cases.len() - failed, "failed": failed, "tests": results});
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{} of {} as expected",
            cases.len() - failed,
            cases.len()
        )?;
    }
    out.flush()?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn ready(number: usize, case: Case) -> anyhow::Result<Ready> {
    let name = case.name.unwrap_or_else(|| format!("test {number}"));
    let packet = parse_line(&case.packet).with_context(|| format!("'{name}': packet"))?;
    let words = match case.fate {
        Fates::One(word) => vec![word],
        Fates::Any(words) => words,
    };
    let fates: Vec<Fate> = words
        .iter()
        .map(|word| {
            let known = || Fate::ALL.map(Fate::word).join(", ");
            Fate::from_word(word).with_context(|| {
                format!("'{name}': '{word}' is no fate; the fates are {}", known())
            })
        })
        .collect::<anyhow::Result<_>>()?;
    if fates.is_empty() {
        bail!("'{name}': no fate is expected; name one");
    }
    Ok(Ready {
        question: packet.question(now()),
        name,
        fates,
        oif: case.oif,
        rule: case.rule,
    })
}

/// What is not as expected, in words.
fn judge(case: &Ready, trace: &Trace, words: &Words<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if !case.fates.contains(&trace.fate) {
        let wanted: Vec<&str> = case.fates.iter().map(|fate| fate.word()).collect();
        problems.push(format!(
            "the packet is {}, expected {}",
            trace.fate.word(),
            wanted.join(" or ")
        ));
    }
    let json = words.json(trace, case.question.iif.as_deref(), &Value::Null);
    if let Some(wanted) = &case.oif {
        let own = json["oif"].as_str().unwrap_or("no device");
        if own != wanted {
            problems.push(format!("it leaves by {own}, expected {wanted}"));
        }
    }
    if let Some(wanted) = &case.rule
        && !rules(&json).any(|(step, rule)| fits(wanted, step, rule))
    {
        problems.push(format!("no rule matched that is {}", described(wanted)));
    }
    problems
}

/// Rules that matched, each with its step.
fn rules(json: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let steps = json["steps"].as_array().into_iter().flatten();
    steps.flat_map(|step| {
        let rules = step["rules"].as_array().into_iter().flatten();
        rules
            .filter(|rule| rule["matched"] == true)
            .map(move |rule| (step, rule))
    })
}

fn fits(wanted: &RuleRef, step: &Value, rule: &Value) -> bool {
    let same =
        |wanted: &Option<String>, own: &Value| wanted.as_deref().is_none_or(|wanted| own == wanted);
    same(&wanted.family, &step["family"])
        && same(&wanted.table, &step["table"])
        && same(&wanted.chain, &rule["chain"])
        && wanted.handle.is_none_or(|handle| rule["handle"] == handle)
        && wanted
            .text
            .as_deref()
            .is_none_or(|text| rule["text"].as_str().unwrap_or("").contains(text))
}

fn described(wanted: &RuleRef) -> String {
    let mut parts = Vec::new();
    for part in [&wanted.family, &wanted.table, &wanted.chain]
        .into_iter()
        .flatten()
    {
        parts.push(part.clone());
    }
    parts.extend(wanted.handle.map(|handle| format!("handle {handle}")));
    parts.extend(wanted.text.as_ref().map(|text| format!("'{text}'")));
    parts.join(" ")
}
