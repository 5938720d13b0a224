//! The changes as one text of the nft language, and what can be said about it without asking the kernel. Pure.

use super::{Wrong, iptables, legacy, routes};
use crate::lang::nft::compile as compiler;
use crate::lang::nft::syntax::{Diagnostic, Span};
use crate::model::network::Link;
use crate::model::{Elements, Family, Names, Ruleset};
use crate::session::compile::{self, Script};
use crate::session::resolve::Machine;
use crate::stage::change::Edit;
use std::sync::Arc;

/// The commands of all changes that are about the ruleset as one text, one per line, and where each begins.
pub(super) struct Text {
    text: String,
    /// (place of the change in the set, where it begins)
    starts: Vec<(usize, usize)>,
}

impl Text {
    fn of<'e>(edits: impl Iterator<Item = (usize, &'e Edit)>) -> Text {
        let mut text = String::new();
        let mut starts = Vec::new();
        for (place, edit) in edits.filter(|(_, edit)| edit.is_of_ruleset()) {
            starts.push((place, text.len()));
            text.push_str(&edit.source());
            text.push('\n');
        }
        Text { text, starts }
    }

    /// The change that a place in the text belongs to, and where its command begins.
    fn owner(&self, span: Span) -> (usize, usize) {
        // A place in an included file belongs to who knows which change.
        let at = if span.file == 0 {
            span.start as usize
        } else {
            0
        };
        let index = self.starts.partition_point(|(_, start)| *start <= at);
        let owner = self.starts.get(index.max(1) - 1);
        owner.copied().unwrap_or_default()
    }

    /// The change that a command was written by.
    pub fn change(&self, span: Span) -> usize {
        self.owner(span).0
    }

    pub fn wrong(&self, span: Span, message: String, help: Option<String>) -> Wrong {
        let (change, start) = self.owner(span);
        let at = if span.file == 0 {
            span.start as usize
        } else {
            start
        };
        let end = (span.end as usize).max(at);
        Wrong {
            change,
            span: at - start..end - start,
            message,
            help,
            moved: None,
        }
    }

    pub fn all_wrong(&self, diagnostics: Vec<Diagnostic>) -> Vec<Wrong> {
        diagnostics
            .into_iter()
            .map(|one| self.wrong(one.span, one.message, one.help))
            .collect()
    }
}

/// Read every change for itself, then all together: an open bracket does not swallow the changes after it.
pub(super) fn read(edits: &[Edit]) -> Result<(Text, Script), Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (place, edit) in edits
        .iter()
        .enumerate()
        .filter(|(_, edit)| edit.is_of_ruleset())
    {
        let alone = Text::of([(place, edit)].into_iter());
        match compile::parse("change", alone.text.clone(), Vec::new()) {
            Ok(script) if script.commands.is_empty() => wrong.push(Wrong {
                change: place,
                span: 0..0,
                message: "expected a command".into(),
                help: None,
                moved: None,
            }),
            Ok(_) => {}
            Err((_, diagnostics)) => wrong.extend(alone.all_wrong(diagnostics)),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let text = Text::of(edits.iter().enumerate());
    match compile::parse("changes", text.text.clone(), Vec::new()) {
        Ok(script) => Ok((text, script)),
        Err((_, diagnostics)) => Err(text.all_wrong(diagnostics)),
    }
}

/// What can be said about changes without asking the kernel: syntax, names, types. `links` are the devices that
/// routes may name.
pub fn look(ruleset: &Ruleset, edits: &[Edit], links: &[Link], names: &Names) -> Vec<Wrong> {
    let (read, routes) = (read(edits), routes::read(edits, links, names));
    let (text, script) = match (read, routes) {
        (Ok(read), Ok(_)) => read,
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => return wrong,
        (Err(mut wrong), Err(more)) => {
            wrong.extend(more);
            return wrong;
        }
    };
    let elements = |family: Family, table: &str, set: &str| {
        let set = ruleset.table(family, table).and_then(|t| t.set(set));
        match set.map(|set| &set.elements) {
            Some(Elements::Read(list)) => Ok(list.clone()),
            // Whether they clash with those that were not read is seen when the kernel is asked.
            _ => Ok(Arc::default()),
        }
    };
    let compiled = match compiler::compile(script.commands, ruleset, &Machine::new(), &elements) {
        Ok(compiled) => compiled,
        Err(diagnostics) => return text.all_wrong(diagnostics),
    };
    let owner = compiled.spans.iter().map(|span| text.change(*span));
    let read = iptables::translate(edits, compiled.commands, owner.collect(), ruleset);
    let legacy = legacy::shown(&mut Ruleset::clone(ruleset), edits);
    let mistakes = [read.err(), legacy.err()];
    mistakes.into_iter().flatten().flatten().collect()
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

    fn looked(edits: &[Edit]) -> Vec<Wrong> {
        look(&Ruleset::default(), edits, &[], &Names::default())
    }

    #[test]
    fn mistakes_are_put_on_their_change() {
        let good = [
            "add table ip t",
            "add chain ip t c",
            "add rule ip t c accept",
        ];
        assert_eq!(looked(&edits(&good)), []);
        // Syntax: the open bracket does not reach the change after it.
        let wrong = looked(&edits(&["add table ip t {", "add table ip u"]));
        assert!(!wrong.is_empty());
        assert!(wrong.iter().all(|one| one.change == 0), "{wrong:?}");
        // Meaning: found when all changes are known to be well-formed.
        let bad = [
            "add table ip t",
            "add chain ip t c",
            "add rule ip t c tcp dport nonsense",
        ];
        let wrong = looked(&edits(&bad));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert_eq!(wrong[0].change, 2);
        assert_eq!(&bad[2][wrong[0].span.clone()], "nonsense");
        assert_eq!(looked(&edits(&[" "]))[0].message, "expected a command");
    }

    #[test]
    fn new_rules_are_read_as_rules() {
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
        let wrong = looked(&all);
        let command = all[2].command();
        assert_eq!(wrong[0].change, 2);
        assert_eq!(wrong[0].span.start, command.find("dprt").unwrap());
    }
}
