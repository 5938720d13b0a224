//! Having the kernel look at changes, and making them. Blocks.

use super::text::{Text, read};
use super::verify::{for_moves, verify};
use super::{Done, Problem, Terms, Wrong, iptables, legacy, routes};
use crate::kernel::netlink::KernelError;
use crate::lang::nft::syntax::Span;
use crate::model::{Family, Name, Names};
use crate::session::compile::{self, Failure};
use crate::stage::carry::carry;
use crate::stage::change::Edit;
use crate::stage::commit::{
    self, Beside, BesideError, BesideRefused, CommitError, Committed, Hold, Options,
};
use crate::stage::difference::difference;
use std::collections::BTreeSet;

/// Have the kernel look at the changes without making them.
pub fn check(edits: &[Edit], names: &Names) -> Result<(), Problem> {
    let options = Options {
        check: true,
        ..Options::default()
    };
    run(edits, names, &options).map(|_| ())
}

/// Make the changes, all or none of them.
pub fn commit(edits: &[Edit], names: &Names, terms: Terms<'_>) -> Result<Done, Problem> {
    let commands: Vec<String> = edits.iter().map(Edit::command).collect();
    let options = Options {
        confirm: terms.confirm,
        limited: terms.limited,
        hold: Hold::WithProgram,
        why: terms.why.to_owned(),
        text: commands.join("\n"),
        reviewed: terms.reviewed,
        ..Options::default()
    };
    let done = run(edits, names, &options)?;
    Ok(Done {
        guard: done.guard,
        entry: done.entry,
        generation: done.generation,
        warnings: done.warnings,
    })
}

/// How often to start again when others change the same tables between reading and committing.
const TRIES: usize = 10;

fn run(edits: &[Edit], names: &Names, options: &Options<'_>) -> Result<Committed, Problem> {
    let reviewed = options.reviewed;
    for _ in 0..TRIES {
        let (text, script) = read(edits).map_err(Problem::Changes)?;
        let routing = routes::prepare(edits, names)?;
        let replacing = legacy::prepare(edits, names)?;
        // First of all: a rule that is another one now must be told as that, not as a mistake in a text.
        let tables: BTreeSet<(Family, Name)> = edits
            .iter()
            .filter(|edit| edit.is_of_ruleset())
            .flat_map(Edit::points_at)
            .map(|rule| (rule.chain.family, rule.chain.table.clone()))
            .collect();
        let compiled = compile::compile_with(script.commands, tables.clone());
        let (compiled, ruleset) = match compiled {
            Ok(compiled) => compiled,
            Err(Failure::Text(diagnostics)) => {
                if let Ok((_, ruleset)) = compile::compile_with(Vec::new(), tables) {
                    verify(edits, &ruleset, names)?;
                }
                let wrong = text.all_wrong(diagnostics);
                return Err(Problem::Changes(wrong));
            }
            Err(Failure::Kernel(error)) => return Err(unreadable(error)),
        };
        verify(edits, &ruleset, names)?;
        let owner = compiled
            .spans
            .iter()
            .map(|span| text.change(*span))
            .collect();
        let spans = compiled.spans;
        let (commands, owner) = iptables::translate(edits, compiled.commands, owner, &ruleset)
            .map_err(Problem::Changes)?;
        let with_sets = for_moves(&ruleset, edits).map_err(unreadable)?;
        let (commands, owner) = carry(edits, commands, owner, &with_sets);
        // Places within a change are known while each of its commands is where it was written.
        let spans = (spans.len() == commands.len()).then_some(spans);
        let place = Places {
            text: &text,
            owner: &owner,
            spans: spans.as_deref(),
        };
        let options = Options {
            reviewed: options.reviewed.or(Some(&ruleset)),
            ..options.clone()
        };
        let done = if options.check {
            routing.rehearse()?;
            replacing.rehearse()?;
            commit::run(&commands, &options).map_err(BesideError::from)
        } else {
            let beside = Beside {
                legacy: replacing.plan.clone(),
                routes: routing.plan.clone(),
            };
            commit::run_with(&commands, beside, &options)
        };
        match done {
            Ok(done) => return Ok(done),
            Err(BesideError::Commit(CommitError::Moved(moved))) => {
                if reviewed.is_some() {
                    let theirs = difference(&moved.reviewed, &moved.seen, names);
                    return Err(Problem::Theirs(theirs));
                }
            }
            Err(BesideError::Commit(error)) => return Err(refused(error, &place)),
            Err(BesideError::Refused(error)) => {
                return Err(match &error {
                    BesideRefused::Legacy(refused) => replacing.refused(refused),
                    BesideRefused::Routes { refused, left } if left.is_empty() => {
                        routing.refused(refused, true)
                    }
                    BesideRefused::Routes { .. } => Problem::Other(error.to_string()),
                });
            }
        }
    }
    Err(Problem::Other(
        "other programs change the same tables all the time; nothing was changed, try again".into(),
    ))
}

fn unreadable(error: KernelError) -> Problem {
    Problem::Other(format!(
        "cannot read the ruleset: {error}; nothing was changed"
    ))
}

/// Where each command of a transaction was written.
struct Places<'t> {
    text: &'t Text,
    owner: &'t [usize],
    /// Nothing where commands were put in the place of others.
    spans: Option<&'t [Span]>,
}

impl Places<'_> {
    fn wrong(&self, command: usize, message: String) -> Option<Wrong> {
        if let Some(span) = self.spans.and_then(|spans| spans.get(command)) {
            return Some(self.text.wrong(*span, message, None));
        }
        Some(Wrong {
            change: *self.owner.get(command)?,
            span: 0..0,
            message,
            help: None,
            moved: None,
        })
    }
}

fn refused(error: CommitError, places: &Places<'_>) -> Problem {
    let CommitError::Refused { refusals, commands } = &error else {
        return Problem::Other(error.to_string());
    };
    let wrong: Vec<Wrong> = refusals
        .iter()
        .filter_map(|refusal| {
            let why = match commands.get(refusal.command) {
                Some(command) => refusal.explain(command),
                None => refusal.kernel(),
            };
            places.wrong(refusal.command, format!("the kernel refuses it: {why}"))
        })
        .collect();
    if wrong.is_empty() {
        Problem::Other(error.to_string())
    } else {
        Problem::Changes(wrong)
    }
}
