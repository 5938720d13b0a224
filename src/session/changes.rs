//! A change set against the kernel: what is wrong with it, whether the kernel would take it, and carrying it out.
//!
//! May use `stage`, `kernel`, `lang`, `model`. [`look`] needs no kernel; [`check`], [`commit`] and the rest block
//! and belong on threads of their own.

use super::compile::{self, Compiled, Failure, Script};
use super::resolve::Machine;
use crate::kernel::netlink::{Protocol, Socket};
use crate::kernel::nf_tables::dump;
use crate::lang::nft::compile as compiler;
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::lang::nft::syntax::{Diagnostic, Span};
use crate::model::{Elements, Family, Name, Names, Ruleset, Table};
use crate::stage;
use crate::stage::change::{Edit, RuleRef};
use crate::stage::commit::{self, CommitError, Committed, Hold, Options};
use crate::stage::guard::{self, Guard, Restored};
use crate::stage::journal::{self, Entry, Fate};
use crate::stage::undo;
use chrono::{DateTime, Local};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with one change of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its place in the set.
    pub change: usize,
    /// Bytes of its command.
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// At least one.
    Changes(Vec<Wrong>),
    /// Nothing that a single change is to blame for; a sentence.
    Other(String),
}

/// A commit is done.
pub struct Done {
    /// While it waits for confirmation: dropping it takes the commit back.
    pub guard: Option<Guard>,
    pub entry: Option<u64>,
    pub warnings: Vec<String>,
}

/// The commands of all changes as one text, one per line, and where each begins.
struct Text {
    text: String,
    starts: Vec<usize>,
}

impl Text {
    fn of(edits: &[Edit]) -> Text {
        let mut text = String::new();
        let mut starts = Vec::new();
        for edit in edits {
            starts.push(text.len());
            text.push_str(&edit.command());
            text.push('\n');
        }
        Text { text, starts }
    }

    fn wrong(&self, span: Span, message: String, help: Option<String>) -> Wrong {
        // A place in an included file belongs to who knows which change.
        let at = if span.file == 0 {
            span.start as usize
        } else {
            0
        };
        let change = self.starts.partition_point(|start| *start <= at).max(1) - 1;
        let start = self.starts.get(change).copied().unwrap_or(0);
        let end = (span.end as usize).max(at);
        Wrong {
            change,
            span: at - start..end - start,
            message,
            help,
        }
    }

    fn all_wrong(&self, diagnostics: Vec<Diagnostic>) -> Vec<Wrong> {
        diagnostics
            .into_iter()
            .map(|one| self.wrong(one.span, one.message, one.help))
            .collect()
    }
}

/// Read every change for itself, then all together: an open bracket does not swallow the changes after it.
fn read(edits: &[Edit]) -> Result<(Text, Script), Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (place, edit) in edits.iter().enumerate() {
        let alone = Text::of(std::slice::from_ref(edit));
        match compile::parse("change", alone.text.clone(), Vec::new()) {
            Ok(script) if script.commands.is_empty() => wrong.push(Wrong {
                change: place,
                span: 0..0,
                message: "expected a command".into(),
                help: None,
            }),
            Ok(_) => {}
            Err((_, diagnostics)) => {
                let of_this = |one: Wrong| Wrong {
                    change: place,
                    ..one
                };
                wrong.extend(alone.all_wrong(diagnostics).into_iter().map(of_this));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let text = Text::of(edits);
    match compile::parse("changes", text.text.clone(), Vec::new()) {
        Ok(script) => Ok((text, script)),
        Err((_, diagnostics)) => Err(text.all_wrong(diagnostics)),
    }
}

/// What can be said about changes without asking the kernel: syntax, names, types.
pub fn look(ruleset: &Ruleset, edits: &[Edit]) -> Vec<Wrong> {
    let (text, script) = match read(edits) {
        Ok(read) => read,
        Err(wrong) => return wrong,
    };
    let elements = |family: Family, table: &str, set: &str| {
        let set = ruleset.table(family, table).and_then(|t| t.set(set));
        match set.map(|set| &set.elements) {
            Some(Elements::Read(list)) => Ok(list.clone()),
            // Whether they clash with those that were not read is seen when the kernel is asked.
            _ => Ok(Arc::default()),
        }
    };
    match compiler::compile(script.commands, ruleset, &Machine::new(), &elements) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => text.all_wrong(diagnostics),
    }
}

/// The ruleset with the changes made, without asking the kernel; the elements of its sets must have been read.
pub fn staged(ruleset: &Ruleset, edits: &[Edit]) -> Result<Ruleset, Vec<Wrong>> {
    let (text, script) = read(edits)?;
    let elements = |family: Family, table: &str, set: &str| {
        let set = ruleset.table(family, table).and_then(|t| t.set(set));
        match set.map(|set| &set.elements) {
            Some(Elements::Read(list)) => Ok(list.clone()),
            _ => Err("the elements of this set have not been read".to_owned()),
        }
    };
    let compiled = compiler::compile(script.commands, ruleset, &Machine::new(), &elements)
        .map_err(|diagnostics| text.all_wrong(diagnostics))?;
    stage::staged::staged(ruleset, &compiled.commands).map_err(|error| {
        let span = compiled.spans.get(error.command).copied();
        vec![text.wrong(span.unwrap_or_default(), error.why.to_string(), None)]
    })
}

/// Have the kernel look at the changes without making them.
pub fn check(edits: &[Edit], names: &Names) -> Result<(), Problem> {
    let options = Options {
        check: true,
        ..Options::default()
    };
    run(edits, names, &options).map(|_| ())
}

/// Make the changes, all or none of them. With `confirm` they are taken back after that time unless somebody
/// confirms them, and at once when this program ends.
pub fn commit(edits: &[Edit], names: &Names, confirm: Option<Duration>) -> Result<Done, Problem> {
    let commands: Vec<String> = edits.iter().map(Edit::command).collect();
    let options = Options {
        confirm,
        hold: Hold::WithProgram,
        why: "made in the terminal interface".into(),
        text: commands.join("\n"),
        ..Options::default()
    };
    let done = run(edits, names, &options)?;
    Ok(Done {
        guard: done.guard,
        entry: done.entry,
        warnings: done.warnings,
    })
}

/// How often to start again when others change the same tables between reading and committing.
const TRIES: usize = 10;

fn run(edits: &[Edit], names: &Names, options: &Options<'_>) -> Result<Committed, Problem> {
    for _ in 0..TRIES {
        let (text, script) = read(edits).map_err(Problem::Changes)?;
        // First of all: a rule that is another one now must be told as that, not as a mistake in a text.
        let tables: BTreeSet<(Family, Name)> = edits
            .iter()
            .filter_map(Edit::points_at)
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
            Err(Failure::Kernel(error)) => {
                let sentence = format!("cannot read the ruleset: {error}; nothing was changed");
                return Err(Problem::Other(sentence));
            }
        };
        verify(edits, &ruleset, names)?;
        let options = Options {
            reviewed: Some(&ruleset),
            ..options.clone()
        };
        match commit::run(&compiled.commands, &options) {
            Ok(done) => return Ok(done),
            Err(CommitError::Moved(_)) => {}
            Err(error) => return Err(refused(error, &compiled, &text)),
        }
    }
    Err(Problem::Other(
        "other programs change the same tables all the time; nothing was changed, try again".into(),
    ))
}

/// Every rule that a change points at is still there, and still says what it said.
fn verify(edits: &[Edit], ruleset: &Ruleset, names: &Names) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    let mut last: Option<(Family, Name, TableView)> = None;
    for (place, edit) in edits.iter().enumerate() {
        let Some(rule) = edit.points_at() else {
            continue;
        };
        let (family, name) = (rule.chain.family, &rule.chain.table);
        if !matches!(&last, Some((f, n, _)) if *f == family && n == name) {
            let Some(table) = ruleset.table(family, name) else {
                wrong.push(gone(place, edit, rule));
                continue;
            };
            let wanted = edits.iter().filter_map(Edit::points_at);
            let table = with_written_out_sets(table, wanted)
                .map_err(|error| Problem::Other(format!("cannot read sets: {error}")))?;
            last = Some((family, name.clone(), TableView::new(&Arc::new(table))));
        }
        let Some((_, _, view)) = &last else {
            continue;
        };
        let chain = view
            .table
            .chains
            .iter()
            .find(|chain| chain.name == rule.chain.name);
        let now = chain
            .and_then(|chain| chain.rules.get(chain.rules.index_of(rule.handle)?))
            .map(|now| facts::rule_text_stateless(view, names, now));
        match now {
            None => wrong.push(gone(place, edit, rule)),
            Some(now) if now != rule.text => wrong.push(Wrong {
                change: place,
                span: 0..edit.lead().trim_end().len(),
                message: format!(
                    "rule #{} was changed by somebody; it says now: {now}",
                    rule.handle
                ),
                help: Some("remove this change, and make it again if it still fits".into()),
            }),
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Problem::Changes(wrong))
    }
}

fn gone(place: usize, edit: &Edit, rule: &RuleRef) -> Wrong {
    Wrong {
        change: place,
        span: 0..edit.lead().trim_end().len(),
        message: format!(
            "rule #{} of {} is gone; it said: {}",
            rule.handle,
            rule.chain.words(),
            rule.text
        ),
        help: Some("remove this change, and make it again if it still fits".into()),
    }
}

/// The table with the elements of those sets that are written out in the rules that are compared.
fn with_written_out_sets<'r>(
    table: &Table,
    rules: impl Iterator<Item = &'r RuleRef>,
) -> Result<Table, crate::kernel::netlink::KernelError> {
    let mut table = table.clone();
    let mut names: BTreeSet<Name> = BTreeSet::new();
    for rule in rules {
        if rule.chain.family != table.family || rule.chain.table != table.name {
            continue;
        }
        let chain = table.chains.iter().find(|c| c.name == rule.chain.name);
        let found = chain.and_then(|chain| chain.rules.get(chain.rules.index_of(rule.handle)?));
        names.extend(
            found
                .into_iter()
                .flat_map(|rule| facts::references(rule).sets),
        );
    }
    let mut socket = None;
    let (family, own) = (table.family, table.name.clone());
    for set in &mut table.sets {
        if !set.is_anonymous() || !names.contains(&set.name) {
            continue;
        }
        let socket = match &mut socket {
            Some(socket) => socket,
            none => none.insert(Socket::open(Protocol::Netfilter)?),
        };
        let list = dump::elements(socket, family, &own, &set.name)?;
        Arc::make_mut(set).elements = Elements::Read(Arc::new(list));
    }
    Ok(table)
}

fn refused(error: CommitError, compiled: &Compiled, text: &Text) -> Problem {
    let CommitError::Refused { refusals, commands } = &error else {
        return Problem::Other(error.to_string());
    };
    let wrong: Vec<Wrong> = refusals
        .iter()
        .filter_map(|refusal| {
            let span = compiled.spans.get(refusal.command)?;
            let why = match commands.get(refusal.command) {
                Some(command) => refusal.explain(command),
                None => refusal.kernel(),
            };
            Some(text.wrong(*span, format!("the kernel refuses it: {why}"), None))
        })
        .collect();
    if wrong.is_empty() {
        Problem::Other(error.to_string())
    } else {
        Problem::Changes(wrong)
    }
}

/// A confirm window of this network namespace, whoever opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Until the commit is taken back; nothing while that is being done.
    pub left: Option<Duration>,
    pub who: String,
}

pub fn window() -> Option<Window> {
    let pending = guard::pending().into_iter().find(|one| !one.limited)?;
    Some(Window {
        left: pending.left,
        who: pending.who,
    })
}

/// Keep the commit that waits.
pub fn keep() -> Result<(), String> {
    guard::confirm()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Take the commit back that waits; what could not be restored, a sentence each.
pub fn roll_back() -> Result<Vec<String>, String> {
    let (_, restored) = guard::rollback().map_err(|error| error.to_string())?;
    Ok(unrestored(restored))
}

/// Take the last commit of the journal back that stands; what could not be restored, a sentence each.
pub fn undo_last() -> Result<Vec<String>, String> {
    let (_, restored) = undo::last().map_err(|error| error.to_string())?;
    Ok(unrestored(restored))
}

fn unrestored(restored: Restored) -> Vec<String> {
    let mut left = restored.left;
    if left.is_empty() && !restored.verified {
        left.push("the ruleset is not what it was".into());
    }
    left
}

/// A commit of the journal, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub number: u64,
    /// Local date and time.
    pub when: String,
    pub who: String,
    pub what: String,
    pub fate: String,
    /// It can be taken back, when nothing later stands.
    pub stands: bool,
}

/// The newest commits of this network namespace, the last one first.
pub fn history(most: usize) -> Vec<Past> {
    let past = |entry: &Entry| {
        let time = i64::try_from(entry.time).unwrap_or(i64::MAX);
        let when = DateTime::from_timestamp(time, 0)
            .map(|when| when.with_timezone(&Local).format("%m-%d %H:%M").to_string());
        let mut commands = entry.text.lines();
        let mut what = commands.next().unwrap_or_default().to_string();
        let more = commands.count();
        if more > 0 {
            what.push_str(&format!(" (and {more} more)"));
        }
        Past {
            number: entry.number,
            when: when.unwrap_or_default(),
            who: entry.who.clone(),
            what,
            fate: match &entry.fate {
                Fate::Begun => "cut short".into(),
                Fate::Kept => "kept".into(),
                Fate::Waiting => "waits".into(),
                Fate::RolledBack { .. } => "taken back".into(),
                Fate::Undone(_) => "undone".into(),
            },
            stands: entry.fate == Fate::Kept && entry.undoes.is_none(),
        }
    };
    journal::here().iter().rev().take(most).map(past).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::change::{Anchor, Place};

    fn edits(texts: &[&str]) -> Vec<Edit> {
        let text = |text: &&str| Edit::Command {
            text: (*text).into(),
        };
        texts.iter().map(text).collect()
    }

    #[test]
    fn mistakes_are_put_on_their_change() {
        let empty = Ruleset::default();
        let good = [
            "add table ip t",
            "add chain ip t c",
            "add rule ip t c accept",
        ];
        assert_eq!(look(&empty, &edits(&good)), []);
        // Syntax: the open bracket does not reach the change after it.
        let wrong = look(&empty, &edits(&["add table ip t {", "add table ip u"]));
        assert!(!wrong.is_empty());
        assert!(wrong.iter().all(|one| one.change == 0), "{wrong:?}");
        // Meaning: found when all changes are known to be well-formed.
        let bad = [
            "add table ip t",
            "add chain ip t c",
            "add rule ip t c tcp dport nonsense",
        ];
        let wrong = look(&empty, &edits(&bad));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(wrong[0].change, 2);
        assert_eq!(&bad[2][wrong[0].span.clone()], "nonsense");
        assert_eq!(
            look(&empty, &edits(&[" "]))[0].message,
            "expected a command"
        );
    }

    #[test]
    fn new_rules_are_read_as_rules() {
        let empty = Ruleset::default();
        let at = Anchor::End(Place {
            family: Family::Ip,
            table: "t".into(),
            name: "c".into(),
        });
        let mut all = edits(&["add table ip t", "add chain ip t c"]);
        all.push(Edit::AddRule {
            at,
            text: "tcp dprt 22".into(),
        });
        let wrong = look(&empty, &all);
        let command = all[2].command();
        assert_eq!(wrong[0].change, 2);
        assert_eq!(wrong[0].span.start, command.find("dprt").unwrap());
    }
}
