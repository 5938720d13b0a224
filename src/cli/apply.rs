//! `hookscope apply`: a text to the kernel, all of it or nothing.

use super::Global;
use super::show::{Backend, Format, TableFamily};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use hookscope::kernel::nf_tables::commit::{self, Options};
use hookscope::kernel::nf_tables::refusal::Refused;
use hookscope::lang::iptables;
use hookscope::lang::nft::parse::render::{render, render_all};
use hookscope::lang::nft::syntax::{Diagnostic, Source, Sources, Span};
use hookscope::model::text;
use hookscope::session;
use hookscope::session::compile::{self, Compiled, Failure, Script};
use std::io::{self, Read};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A file, or - for standard input
    #[arg(required_unless_present = "text")]
    file: Option<PathBuf>,
    /// The text itself
    #[arg(
        short = 'e',
        long = "text",
        value_name = "TEXT",
        conflicts_with = "file"
    )]
    text: Option<String>,
    /// Have the kernel check everything, and change nothing
    #[arg(short, long)]
    check: bool,
    /// The language of the text
    #[arg(long, value_enum, default_value_t = Format::Nft)]
    format: Format,
    /// Whose tables an iptables text is about
    #[arg(long, value_enum, default_value_t = TableFamily::Ip)]
    family: TableFamily,
    /// Where the iptables rules go
    #[arg(long, value_enum, default_value_t = Backend::Nft)]
    backend: Backend,
    /// Keep what the tables of an iptables text hold (iptables-restore -n)
    #[arg(long)]
    noflush: bool,
    /// Take the counters that an iptables text gives (iptables-restore -c)
    #[arg(long)]
    counters: bool,
    /// Define a variable for the text
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE")]
    define: Vec<String>,
}

/// What is shown of a long list of mistakes.
const SHOWN: usize = 20;

pub fn run(args: &ApplyArgs, global: &Global) -> anyhow::Result<()> {
    if global.snapshot.is_some() {
        bail!("a snapshot cannot be changed; leave --snapshot out to work on this machine");
    }
    if global.read_only && !args.check {
        bail!("--read-only refuses changes; --check looks without changing");
    }
    let (name, text) = source(args)?;
    if args.format == Format::Iptables {
        return apply_iptables(args, name, text);
    }
    let defined = variables(&args.define)?;
    let first = read(&name, text, &defined)?;
    apply_nft(first, &name, &defined, args.check)
}

fn apply_iptables(args: &ApplyArgs, name: String, text: String) -> anyhow::Result<()> {
    let reading = iptables::parse::Reading {
        noflush: args.noflush,
        counters: args.counters,
    };
    let family = args.family.into();
    let applied = match args.backend {
        Backend::Nft => session::iptables::apply_nft(&text, family, reading, args.check),
        Backend::Legacy => session::iptables::apply_legacy(&text, family, reading, args.check),
    };
    let wrongs = match applied {
        Ok(()) => return Ok(()),
        Err(
            session::iptables::Failure::Text(wrongs) | session::iptables::Failure::Kernel(wrongs),
        ) => wrongs,
        Err(session::iptables::Failure::Other(why)) => bail!("nothing was changed: {why}"),
    };
    let sources = Sources {
        files: vec![Source {
            name,
            text,
            included: None,
        }],
    };
    let place = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    let wrongs: Vec<Diagnostic> = wrongs
        .into_iter()
        .map(|wrong| {
            let span = Span {
                file: 0,
                start: place(wrong.start),
                end: place(wrong.end),
            };
            Diagnostic::new(span, wrong.message)
        })
        .collect();
    Err(mistakes(&sources, &wrongs))
}

fn read(name: &str, text: String, defined: &[(String, String)]) -> anyhow::Result<Script> {
    compile::parse(name, text, defined.to_vec())
        .map_err(|(sources, wrong)| mistakes(&sources, &wrong))
}

/// Compile and commit; again when somebody else changed the ruleset in between.
fn apply_nft(
    mut script: Script,
    name: &str,
    defined: &[(String, String)],
    check: bool,
) -> anyhow::Result<()> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let commands = std::mem::take(&mut script.commands);
        let compiled = compile::compile(commands).map_err(|failure| match failure {
            Failure::Text(wrong) => mistakes(&script.sources, &wrong),
            Failure::Kernel(error) => super::machine::explain(error.into()),
        })?;
        let options = Options {
            generation: Some(compiled.generation),
            check,
            echo: false,
        };
        match commit::commit(&compiled.commands, options) {
            Ok(_) => return Ok(()),
            Err(Refused::Moved) => {
                // Compiling uses the text up; reading it again is the rare case.
                let text = script.sources.files.first().map(|file| file.text.clone());
                script = read(name, text.unwrap_or_default(), defined)?;
            }
            Err(refused) => return Err(refusals(&script.sources, &compiled, refused)),
        }
    }
    Err(anyhow!(
        "other programs change the ruleset all the time; nothing was changed, try again"
    ))
}

fn source(args: &ApplyArgs) -> anyhow::Result<(String, String)> {
    if let Some(text) = &args.text {
        return Ok(("<command line>".into(), text.clone()));
    }
    let path = args.file.clone().unwrap_or_else(|| "-".into());
    let (name, bytes) = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        ("<stdin>".to_owned(), bytes)
    } else {
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        (path.display().to_string(), bytes)
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => text::from_bytes(error.as_bytes()),
    };
    Ok((name, text))
}

fn variables(given: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    given
        .iter()
        .map(|definition| match definition.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(anyhow!("`{definition}` is no definition; write NAME=VALUE")),
        })
        .collect()
}

fn mistakes(sources: &Sources, wrong: &[Diagnostic]) -> anyhow::Error {
    let shown = wrong.get(..SHOWN).unwrap_or(wrong);
    let count = match wrong.len() {
        1 => "a mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    anyhow!(
        "nothing was changed: {count} in the text\n{}",
        render_all(sources, shown).trim_end()
    )
}

/// The kernel's refusals, each put where its command is written.
fn refusals(sources: &Sources, compiled: &Compiled, refused: Refused) -> anyhow::Error {
    let Refused::Commands(list) = &refused else {
        return anyhow!("nothing was changed: {refused}");
    };
    let mut texts = Vec::new();
    for refusal in list.iter().take(SHOWN) {
        let place = compiled.commands.get(refusal.command);
        texts.push(match (place, compiled.spans.get(refusal.command)) {
            (Some(command), Some(span)) => {
                render(sources, &Diagnostic::new(*span, refusal.explain(command)))
            }
            _ => refusal.to_string(),
        });
    }
    if list.len() > SHOWN {
        texts.push(format!("and {} more\n", list.len() - SHOWN));
    }
    anyhow!(
        "nothing was changed: the kernel refuses the text\n{}",
        texts.join("\n").trim_end()
    )
}
