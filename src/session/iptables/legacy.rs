//! Texts for legacy tables: one replacement per table.

use super::{Failure, machine_for};
use crate::kernel::legacy::blob::{self, Blob, BlobError};
use crate::kernel::legacy::sockopt::LegacySocket;
use crate::kernel::legacy::{XtablesLock, legacy_table_exists};
use crate::kernel::netns;
use crate::lang::iptables::parse::{self, Action, Reading, TableText, Wrong};
use crate::lang::iptables::rule::{Rule, Target};
use crate::lang::iptables::{from_legacy, to_legacy};
use crate::model::Family;
use crate::stage::legacy;
use crate::stage::legacy::edit::{Edited, Editor};

/// What a text for legacy tables comes to.
pub struct Legacy {
    pub plan: legacy::Plan,
    /// For each table, the bytes of the text that are about it.
    pub spans: Vec<(usize, usize)>,
    /// Keeps others from the tables until the plan is carried out.
    _lock: XtablesLock,
}

impl Legacy {
    /// A refusal, put on the text.
    pub fn wrong(&self, refused: &legacy::Refused) -> Wrong {
        let (start, end) = self.spans.get(refused.index).copied().unwrap_or_default();
        Wrong::new(start, end, refused.to_string())
    }
}

/// Read a text and compare it with the legacy tables as they are now. Those that are not there are created, unless
/// `looking` is all that is wanted.
pub fn compile_legacy(
    text: &str,
    family: Family,
    reading: Reading,
    looking: bool,
) -> Result<Legacy, Failure> {
    let machine = machine_for(text, family);
    let texts = parse::text(text, family, &machine, reading).map_err(Failure::Text)?;
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let socket = LegacySocket::open(family).map_err(|error| match error.kind() {
        std::io::ErrorKind::Unsupported => Failure::Other(format!(
            "legacy tables of the family {family} are not supported; leave --backend out"
        )),
        _ => other(&error),
    })?;
    let mut compiled = Legacy {
        _lock: legacy::lock().map_err(|error| other(&error))?,
        plan: legacy::Plan::default(),
        spans: Vec::new(),
    };
    for one in together(texts) {
        let read = || read(&socket, family, &one.name, looking);
        match edited(&read, family, &one)? {
            Some(edited) => compiled.plan.add_edited(edited),
            None => replaced(read()?, family, &one, &mut compiled.plan)?,
        }
        compiled
            .spans
            .push(match (one.actions.first(), one.actions.last()) {
                (Some((_, start, _)), Some((.., end))) => (*start, *end),
                _ => (0, 0),
            });
    }
    Ok(compiled)
}

/// A table as it is now. Asking for one that is not there would create it, and its hooks: what it would be is seen
/// elsewhere.
fn read(
    socket: &LegacySocket,
    family: Family,
    table: &str,
    looking: bool,
) -> Result<Blob, Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    if looking && !legacy_table_exists(family, table).map_err(|error| other(&error))? {
        let new = || LegacySocket::open(family)?.blob(table);
        let new = netns::in_new(new).map_err(|why| other(&why))?;
        return new.map_err(|error| other(&error));
    }
    socket.blob(table).map_err(|error| other(&error))
}

/// The table made anew, out of what it is now.
fn replaced(
    before: Blob,
    family: Family,
    text: &TableText,
    plan: &mut legacy::Plan,
) -> Result<(), Failure> {
    let other = |error: &dyn std::fmt::Display| Failure::Other(error.to_string());
    let now = blob::decode(family, &text.name, &before.info, &before.bytes)
        .map_err(|error| other(&error))?;
    let wanted =
        parse::apply(text, from_legacy::table(&now)).map_err(|wrong| Failure::Text(vec![wrong]))?;
    let wanted = to_legacy::table(&wanted).map_err(|error| other(&error))?;
    plan.add(before, &now, &wanted)
        .map_err(|error| other(&error))
}

/// As many rules are changed one by one; each takes a pass over the table.
const FEW: usize = 8;

/// A text that changes a few rules of chains that are there, made in the table's bytes; nothing when it is about more.
fn edited(
    read: &dyn Fn() -> Result<Blob, Failure>,
    family: Family,
    text: &TableText,
) -> Result<Option<Edited>, Failure> {
    let single = |action: &Action| {
        matches!(
            action,
            Action::Append { .. }
                | Action::Insert { .. }
                | Action::Replace { .. }
                | Action::Delete { .. }
                | Action::DeleteNumber { .. }
        )
    };
    let mut actions = text.actions.iter();
    if text.flush || text.actions.len() > FEW || !actions.all(|(action, ..)| single(action)) {
        return Ok(None);
    }
    let Ok(mut editor) = Editor::new(family, &text.name, read()?) else {
        return Ok(None);
    };
    for (action, start, end) in &text.actions {
        act(&mut editor, family, action).map_err(|wrong| match wrong {
            Mistake::Text(message) => Failure::Text(vec![Wrong::new(*start, *end, message)]),
            Mistake::Table(error) => Failure::Other(error.to_string()),
        })?;
    }
    Ok(Some(editor.done()))
}

/// Why a rule is not changed.
enum Mistake {
    Text(String),
    Table(BlobError),
}

impl From<BlobError> for Mistake {
    fn from(error: BlobError) -> Mistake {
        Mistake::Table(error)
    }
}

fn act(editor: &mut Editor, family: Family, action: &Action) -> Result<(), Mistake> {
    let (Action::Append { chain: name, .. }
    | Action::Insert { chain: name, .. }
    | Action::Replace { chain: name, .. }
    | Action::Delete { chain: name, .. }
    | Action::DeleteNumber { chain: name, .. }) = action
    else {
        return Ok(());
    };
    let chain = editor.chain(name)?;
    let chain = chain.ok_or_else(|| Mistake::Text(format!("there is no chain `{name}`")))?;
    let new = match action {
        Action::Append { rule, .. }
        | Action::Insert { rule, .. }
        | Action::Replace { rule, .. } => {
            if let Target::Jump(to) | Target::Goto(to) = &rule.target
                && editor.chain(to)?.is_none_or(|chain| chain.hook.is_some())
            {
                let message = format!("there is no chain or target `{to}`");
                return Err(Mistake::Text(message));
            }
            let made = to_legacy::rule(rule).map_err(|error| Mistake::Text(error.to_string()))?;
            Some(made)
        }
        _ => None,
    };
    let mut rules = editor.rules(chain)?;
    let count = rules.len();
    let beyond = |number: usize| Mistake::Text(format!("there is no rule {number}"));
    let (place, instead) = match action {
        Action::Insert { number, .. } if (1..=count + 1).contains(number) => (number - 1, false),
        Action::Replace { number, .. } | Action::DeleteNumber { number, .. }
            if (1..=count).contains(number) =>
        {
            (number - 1, true)
        }
        Action::Insert { number, .. }
        | Action::Replace { number, .. }
        | Action::DeleteNumber { number, .. } => return Err(beyond(*number)),
        Action::Delete { rule, .. } => {
            // One that cannot be read is not the same.
            let same = |one: Result<_, BlobError>| -> Result<bool, BlobError> {
                let one = from_legacy::rule(family, &one?);
                Ok(Rule {
                    counters: rule.counters,
                    ..one
                } == **rule)
            };
            let found = rules.position(|one| same(one).unwrap_or(false));
            let missing = || Mistake::Text("there is no such rule".to_owned());
            (found.ok_or_else(missing)?, true)
        }
        _ => (count, false),
    };
    drop(rules);
    Ok(editor.change(name, place, instead, new.as_ref())?)
}

/// Each table once: a text may come back to one (single commands do), and it is replaced once.
fn together(texts: Vec<TableText>) -> Vec<TableText> {
    let mut merged: Vec<TableText> = Vec::new();
    for one in texts {
        match merged.iter_mut().find(|there| there.name == one.name) {
            // What stands before a table that is emptied does not count.
            Some(there) if one.flush => *there = one,
            Some(there) => there.actions.extend(one.actions),
            None => merged.push(one),
        }
    }
    merged
}
