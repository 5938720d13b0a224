//! `hookscope apply`: a text to the kernel, all of it or nothing, under guard if asked for.

use super::safety::Safety;
use super::show::{Backend, TableFamily};
use super::{Global, apply_route};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use hookscope::kernel::nf_tables::commit as kernel;
use hookscope::kernel::nf_tables::refusal::{Refusal, Refused};
use hookscope::lang::iptables::parse::{Reading, Wrong};
use hookscope::lang::nft::parse::render::{render, render_all};
use hookscope::lang::nft::syntax::{Diagnostic, Source, Sources, Span};
use hookscope::model::command::{Command, What};
use hookscope::model::text;
use hookscope::session::changes::severed;
use hookscope::session::compile::{self, Failure, Script};
use hookscope::session::iptables;
use hookscope::stage::commit::{self, CommitError, IpSetError, LegacyError};
use hookscope::stage::guard;
use hookscope::stage::legacy::{self, Rehearsal};
use std::io::{self, Read, Write};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// As nft -f takes it
    Nft,
    /// As iptables-restore takes it, or single commands
    Iptables,
    /// As ipset restore takes it, or single commands
    Ipset,
    /// As ip -batch takes it: routes, policy rules, neighbours, next hops
    Route,
}

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
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    text: Option<String>,
    /// Have the kernel check everything, and change nothing
    #[arg(short, long)]
    check: bool,
    #[command(flatten)]
    safety: Safety,
    /// What the text is written in
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
    /// What an ipset text makes may be there already (ipset -exist)
    #[arg(long)]
    exist: bool,
    /// Define a variable for the text
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE")]
    define: Vec<String>,
}

/// What is shown of a long list of mistakes.
const SHOWN: usize = 20;
const UNCHANGED: &str = "nothing was changed";

pub fn run(args: &ApplyArgs, global: &Global) -> anyhow::Result<()> {
    if global.snapshot.is_some() {
        bail!("a snapshot cannot be changed; leave --snapshot out to work on this machine");
    }
    if global.read_only && !args.check {
        bail!("--read-only refuses changes; --check looks without changing");
    }
    let (name, text) = source(args)?;
    match args.format {
        Format::Nft => {
            let defined = variables(&args.define)?;
            apply_nft(args, &name, &text, &defined)
        }
        Format::Iptables => apply_iptables(args, &name, &text),
        Format::Ipset => apply_ipsets(args, &name, &text),
        Format::Route => apply_routes(args, global, &text),
    }
}

fn read(name: &str, text: String, defined: &[(String, String)]) -> anyhow::Result<Script> {
    compile::parse(name, text, defined.to_vec())
        .map_err(|(sources, wrong)| mistakes(UNCHANGED, &sources, &wrong))
}

type Explain<'t> = Box<dyn FnOnce(&[Command], &[Refusal]) -> anyhow::Error + 't>;

/// What a text comes to at one moment.
struct Attempt<'t> {
    commands: Vec<Command>,
    /// Of the ruleset that it was compiled against.
    generation: u32,
    /// The kernel's refusals, put where the text asks for what they are about.
    explain: Explain<'t>,
}

/// Compile and commit; again when somebody else changed the ruleset in between.
fn settle<'t>(
    args: &ApplyArgs,
    (name, text): (&str, &str),
    mut compile: impl FnMut() -> anyhow::Result<Attempt<'t>>,
) -> anyhow::Result<()> {
    const TRIES: usize = 200;
    for _ in 0..TRIES {
        let Attempt {
            commands,
            generation,
            explain,
        } = compile()?;
        if args.check || is_too_large(args, &commands) {
            match send(args, &commands, generation) {
                Ok(()) => return Ok(()),
                Err(Refused::Moved) => continue,
                Err(Refused::Commands(list)) => return Err(explain(&commands, &list)),
                Err(other) => return Err(anyhow!("nothing was changed: {other}")),
            }
        }
        let options = commit::Options {
            compiled_at: Some(generation),
            text: beginning(name, text),
            ..args.safety.options()?
        };
        args.safety.look(|| severed::by_commands(&commands))?;
        match commit::run(&commands, &options) {
            Ok(done) => return Ok(args.safety.told(&done)?),
            Err(CommitError::Stale) => {}
            Err(CommitError::Refused { refusals, .. }) => {
                return Err(explain(&commands, &refusals));
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(anyhow!(
        "other programs change the ruleset all the time; nothing was changed, try again"
    ))
}

fn apply_nft(
    args: &ApplyArgs,
    name: &str,
    text: &str,
    defined: &[(String, String)],
) -> anyhow::Result<()> {
    settle(args, (name, text), || {
        // Compiling uses the text up; reading it again is the rare case.
        let Script { sources, commands } = read(name, text.to_owned(), defined)?;
        let compiled = compile::compile(commands).map_err(|failure| match failure {
            Failure::Text(wrong) => mistakes(UNCHANGED, &sources, &wrong),
            Failure::Kernel(error) => super::machine::explain(error.into()),
        })?;
        let spans = compiled.spans;
        Ok(Attempt {
            commands: compiled.commands,
            generation: compiled.generation,
            explain: Box::new(move |commands, list| refusals(&sources, commands, &spans, list)),
        })
    })
}

/// The journal keeps pictures of the tables before and after; of very large ones that takes longer than the change
/// itself (the kernel walks a set from its start for every 32 KiB that it tells). Without a window to confirm in,
/// such a change is made without an entry.
fn is_too_large(args: &ApplyArgs, commands: &[Command]) -> bool {
    const RULES: usize = 10_000;
    const ELEMENTS: usize = 50_000;
    let (mut rules, mut elements) = (0, 0);
    for command in commands {
        match &command.what {
            What::MakeRule(_) => rules += 1,
            What::MakeElements { elements: list, .. } => elements += list.len(),
            _ => {}
        }
    }
    !args.safety.is_guarded() && (rules > RULES || elements > ELEMENTS)
}

/// Check or apply without guard and journal.
fn send(args: &ApplyArgs, commands: &[Command], generation: u32) -> Result<(), Refused> {
    if let Some(window) = guard::pending().iter().find(|one| !one.limited)
        && !args.check
    {
        let why = format!("a change by {} waits for confirmation", window.who);
        return Err(io::Error::other(why).into());
    }
    let options = kernel::Options {
        generation: Some(generation),
        check: args.check,
        echo: false,
    };
    kernel::commit(commands, options)?;
    if !args.check {
        let _ = writeln!(
            io::stderr(),
            "hookscope: a change this large is not in the journal; `rollback --last` does not know it"
        );
    }
    Ok(())
}

fn apply_iptables(args: &ApplyArgs, name: &str, text: &str) -> anyhow::Result<()> {
    let reading = Reading {
        noflush: args.noflush,
        counters: args.counters,
    };
    let family = args.family.into();
    let failed = |failure: iptables::Failure| match failure {
        iptables::Failure::Text(wrongs) | iptables::Failure::Kernel(wrongs) => {
            iptables_mistakes(UNCHANGED, name, text, wrongs)
        }
        iptables::Failure::Other(why) => anyhow!("nothing was changed: {why}"),
    };
    if args.backend == Backend::Legacy {
        let compiled = iptables::compile_legacy(text, family, reading, args.check);
        return apply_legacy(args, name, text, compiled.map_err(failed)?);
    }
    settle(args, (name, text), || {
        let compiled = iptables::compile_nft(text, family, reading).map_err(failed)?;
        let spans = compiled.spans;
        Ok(Attempt {
            commands: compiled.commands,
            generation: compiled.generation,
            explain: Box::new(move |commands, list| {
                let wrongs = iptables::wrongs(commands, &spans, list);
                iptables_mistakes(UNCHANGED, name, text, wrongs)
            }),
        })
    })
}

fn apply_legacy(
    args: &ApplyArgs,
    name: &str,
    text: &str,
    mut compiled: iptables::Legacy,
) -> anyhow::Result<()> {
    let refused = |compiled: &iptables::Legacy, refused: &legacy::Refused| {
        let outcome = match refused.left.is_empty() {
            true => UNCHANGED,
            false => "not everything is what it was",
        };
        iptables_mistakes(outcome, name, text, vec![compiled.wrong(refused)])
    };
    if args.check {
        match legacy::rehearse(&compiled.plan) {
            Rehearsal::Fine => {}
            Rehearsal::Refused(error) => return Err(refused(&compiled, &error)),
            Rehearsal::NotTried(why) => writeln!(
                io::stderr(),
                "hookscope: the text can be read; the kernel was not asked, because {why}"
            )?,
        }
        return Ok(());
    }
    let options = commit::Options {
        text: beginning(name, text),
        ..args.safety.options()?
    };
    args.safety.look(|| severed::by_legacy(&compiled.plan))?;
    match commit::run_legacy(&mut compiled.plan, &options) {
        Ok(done) => Ok(args.safety.told(&done)?),
        Err(LegacyError::Refused(error)) => Err(refused(&compiled, &error)),
        Err(LegacyError::Commit(error)) => Err(error.into()),
    }
}

fn apply_ipsets(args: &ApplyArgs, name: &str, text: &str) -> anyhow::Result<()> {
    let mistake = |outcome, wrongs| iptables_mistakes(outcome, name, text, wrongs);
    let prepared =
        hookscope::session::ipset::prepare(text, args.exist).map_err(|failure| match failure {
            iptables::Failure::Text(wrongs) | iptables::Failure::Kernel(wrongs) => {
                mistake(UNCHANGED, wrongs)
            }
            iptables::Failure::Other(why) => anyhow!("nothing was changed: {why}"),
        })?;
    if args.check {
        writeln!(
            io::stderr(),
            "hookscope: the text can be read; the kernel cannot check ipsets without changing them"
        )?;
        return Ok(());
    }
    let options = commit::Options {
        text: beginning(name, text),
        ..args.safety.options()?
    };
    match commit::run_ipsets(&prepared.changes, prepared.saved.clone(), &options) {
        Ok(done) => Ok(args.safety.told(&done)?),
        Err(IpSetError::Refused(refused)) => {
            let outcome = match refused.left.is_empty() {
                true => UNCHANGED,
                false => "not everything is what it was",
            };
            for sentence in &refused.left {
                writeln!(io::stderr(), "hookscope: not restored: {sentence}")?;
            }
            Err(mistake(outcome, vec![prepared.wrong(&refused)]))
        }
        Err(IpSetError::Commit(error)) => Err(error.into()),
    }
}

/// Mistakes in an iptables text, each where it stands; `outcome` says what became of everything.
pub fn iptables_mistakes(
    outcome: &str,
    name: &str,
    text: &str,
    wrongs: Vec<Wrong>,
) -> anyhow::Error {
    let sources = Sources {
        files: vec![Source {
            name: name.to_owned(),
            text: text.to_owned(),
            included: None,
        }],
    };
    let place = |byte: usize| u32::try_from(byte.min(text.len())).unwrap_or(u32::MAX);
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
    mistakes(outcome, &sources, &wrongs)
}

/// The change as the journal keeps it: its text, or the beginning of a long one.
fn beginning(name: &str, text: &str) -> String {
    const LONGEST: usize = 4096;
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let shown = text.get(..end).unwrap_or_default().trim_end();
    if end < text.len() {
        format!("{shown}\n... {} bytes of {name}", text.len())
    } else {
        shown.to_owned()
    }
}

fn apply_routes(args: &ApplyArgs, global: &Global, text: &str) -> anyhow::Result<()> {
    let names = hookscope::session::names::read_names();
    let options = apply_route::Options {
        names: &names,
        family: None,
        check: args.check,
        read_only: global.read_only,
        commit: args.safety.options()?,
        safety: &args.safety,
    };
    let outcome = apply_route::apply_text(text, &options)?;
    Ok(apply_route::told(&outcome, &args.safety)?)
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

fn mistakes(outcome: &str, sources: &Sources, wrong: &[Diagnostic]) -> anyhow::Error {
    let shown = wrong.get(..SHOWN).unwrap_or(wrong);
    let count = match wrong.len() {
        1 => "a mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    anyhow!(
        "{outcome}: {count} in the text\n{}",
        render_all(sources, shown).trim_end()
    )
}

/// The kernel's refusals, each put where its command is written.
fn refusals(
    sources: &Sources,
    commands: &[Command],
    spans: &[Span],
    list: &[Refusal],
) -> anyhow::Error {
    let mut texts = Vec::new();
    for refusal in list.iter().take(SHOWN) {
        let place = commands.get(refusal.command);
        texts.push(match (place, spans.get(refusal.command)) {
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
