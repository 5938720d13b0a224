//! `hookscope history`: the journal of commits on this machine, newest first.

use chrono::{Local, TimeZone};
use clap::Args;
use hookscope::stage::journal::{self, Entry, Fate};
use std::io::{self, Write};

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// So many at most
    #[arg(short = 'n', long, default_value_t = 20)]
    count: usize,
    /// Print JSON, one object per line
    #[arg(short, long)]
    json: bool,
    /// Print the text of each commit
    #[arg(short, long)]
    text: bool,
}

pub fn run(args: &HistoryArgs) -> anyhow::Result<()> {
    let entries = journal::list();
    let mut out = io::stdout().lock();
    if entries.is_empty() && !args.json {
        writeln!(
            out,
            "no commits yet in '{}'",
            journal::directory().display()
        )?;
    }
    for entry in entries.iter().rev().take(args.count) {
        if args.json {
            serde_json::to_writer(&mut out, entry)?;
            writeln!(out)?;
            continue;
        }
        writeln!(out, "{}", line(entry))?;
        if args.text {
            for line in entry.text.lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    Ok(())
}

fn line(entry: &Entry) -> String {
    let time = i64::try_from(entry.time)
        .ok()
        .and_then(|seconds| Local.timestamp_opt(seconds, 0).single())
        .map_or_else(
            || entry.time.to_string(),
            |time| time.format("%Y-%m-%d %H:%M:%S").to_string(),
        );
    let fate = match &entry.fate {
        Fate::Begun => "cut short: it may have happened".to_owned(),
        Fate::Kept => "kept".to_owned(),
        Fate::Waiting => "waits for a confirmation, or for its time to end".to_owned(),
        Fate::RolledBack { reason, left } if left.is_empty() => format!("taken back: {reason}"),
        Fate::RolledBack { reason, left } => {
            format!("taken back but for {} parts: {reason}", left.len())
        }
        Fate::Undone(by) => format!("taken back by commit {by}"),
    };
    let what = match (&*entry.why, entry.text.lines().next()) {
        ("", Some(first)) => first.trim().to_owned(),
        ("", None) => String::new(),
        (why, _) => why.to_owned(),
    };
    let undoes = entry
        .undoes
        .map(|number| format!(", takes back {number}"))
        .unwrap_or_default();
    format!(
        "{:>4}  {time}  {}  {fate}{undoes}  {what}",
        entry.number, entry.who
    )
}
