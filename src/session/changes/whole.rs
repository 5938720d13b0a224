//! A whole table as text: what a person gets into an editor, and the least changes that make of the table what
//! comes back. [`open`] reads the kernel; [`edits`] is pure.
//!
//! Rules are compared by their text, so that one which was left as it is stays what it is, whatever it holds.

use crate::kernel::nf_tables::load::LoadError;
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::lang::nft::parse::lexer::{Kind, Piece, piece};
use crate::lang::nft::parse::render::render_all;
use crate::lang::nft::print::{self, Options};
use crate::lang::nft::syntax::{ChainBody, Id, PolicyWord, Span, TableBody, TableItem, What};
use crate::model::{Elements, Family, Name, Names, Policy, Ruleset, Table};
use crate::session::compile;
use crate::stage::change::{Anchor, Edit, Place, RuleRef};
use crate::stage::plan::rules::matches;
use crate::stage::touched::{Scope, Watch};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// A table that is being edited.
#[derive(Clone, Debug)]
pub struct Opened {
    pub table: Arc<Table>,
    /// What the person gets.
    pub text: String,
    /// Sets whose elements are not in the text because they are too many.
    large: BTreeSet<Name>,
}

/// Sets of more elements than this are better changed one element at a time.
const MOST_ELEMENTS: usize = 1000;

/// Read a table and print it. Blocks.
pub fn open(family: Family, name: &Name, names: &Names) -> Result<Opened, String> {
    let scope = Scope::Tables([(family, name.clone())].into_iter().collect());
    let read = || -> Result<Ruleset, LoadError> { Watch::new()?.read(&scope) };
    let ruleset = read().map_err(|error| format!("cannot read the table: {error}"))?;
    let table = ruleset
        .tables
        .iter()
        .find(|table| table.name == *name && table.family == family);
    let table = table.ok_or_else(|| format!("there is no table {family} {name} any more"))?;
    opened(table, names)
}

fn opened(table: &Arc<Table>, names: &Names) -> Result<Opened, String> {
    let mut large = BTreeSet::new();
    let mut shown = (**table).clone();
    for set in shown.sets.iter_mut().filter(|set| !set.is_anonymous()) {
        if let Elements::Read(list) = &set.elements
            && list.len() > MOST_ELEMENTS
        {
            large.insert(set.name.clone());
            Arc::make_mut(set).elements = Elements::Read(Arc::default());
        }
    }
    let ruleset = Ruleset {
        generation: 0,
        tables: vec![Arc::new(shown)],
        ..Ruleset::default()
    };
    let options = Options {
        stateless: true,
        ..Options::default()
    };
    let mut text = Vec::new();
    print::ruleset(&ruleset, names, options, &mut text).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text)
        .map_err(|_| "this table holds names that no editor can show; use `hookscope apply`")?;
    Ok(Opened {
        table: table.clone(),
        text,
        large,
    })
}

/// Comments for the person, above the text.
pub fn heading(opened: &Opened) -> String {
    let mut text = String::from(
        "# Change this table as you like; what you leave as it is stays what it is, with its counters.\n\
         # Nothing reaches the kernel yet: what you changed is staged. An empty file changes nothing.\n",
    );
    for set in &opened.large {
        text.push_str(&format!("# The elements of {set} are not here and stay.\n"));
    }
    text
}

/// A part of a table block.
struct Item<'t> {
    kind: &'static str,
    name: &'t Name,
    /// All of it: `chain input { ... }`.
    text: &'t str,
    /// Where that begins in the whole text.
    start: usize,
    chain: Option<&'t ChainBody>,
}

/// What a text says about one table.
struct Parsed {
    text: String,
    body: TableBody,
}

fn parse(text: &str, table: &Table) -> Result<Parsed, String> {
    let script = compile::parse("the table", text.to_owned(), Vec::new())
        .map_err(|(sources, wrong)| render_all(&sources, &wrong))?;
    let mut found = None;
    for command in script.commands {
        let What::Table { family, id, body } = command.what else {
            return Err("only the block of the table may stand here".into());
        };
        let named = matches!(&id, Id::Name(name) if name.value == table.name);
        let same = family == table.family && named;
        if !same || found.is_some() {
            return Err(format!(
                "only one block of table {} {} may stand here; other tables have editors of their own",
                table.family, table.name
            ));
        }
        found = Some(body);
    }
    let body = found.ok_or("the block of the table is gone; delete a table with d in the tree")?;
    Ok(Parsed {
        text: text.to_owned(),
        body,
    })
}

impl Parsed {
    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn at(&self, span: Span) -> Range<usize> {
        span.start as usize..span.end as usize
    }

    /// The parts of the block, each from its first word to its last bracket.
    fn items(&self) -> Vec<Item<'_>> {
        let mut items = Vec::new();
        for item in &self.body.items {
            let (kind, name, chain) = match item {
                TableItem::Chain(name, body) => ("chain", name, Some(body)),
                TableItem::Set { name, map, .. } => (if *map { "map" } else { "set" }, name, None),
                TableItem::Flowtable(name, _) => ("flowtable", name, None),
                TableItem::Object { name, kind, .. } => (print::object_kind(*kind), name, None),
            };
            let before = self.slice(0..name.span.start as usize);
            // `ct helper NAME`: the words before the name on its line.
            let line = before.rfind(['\n', '{', '}', ';']).map_or(0, |at| at + 1);
            let indent = before.get(line..).unwrap_or_default();
            let start = line + (indent.len() - indent.trim_start().len());
            let end = block_end(&self.text, name.span.end as usize);
            items.push(Item {
                kind,
                name: &name.value,
                text: self.slice(start..end),
                start,
                chain,
            });
        }
        items
    }

    fn rules(&self, chain: &ChainBody) -> Vec<&str> {
        let rules = chain.rules.iter();
        rules
            .map(|rule| self.slice(self.at(rule.span)).trim())
            .collect()
    }

    /// What a chain says beside its rules and its policy, in one line.
    fn head(&self, item: &Item<'_>, chain: &ChainBody) -> String {
        let mut words = String::new();
        let mut at = item.start;
        let end = item.start + item.text.len();
        for rule in &chain.rules {
            let span = self.at(rule.span);
            words.push_str(self.slice(at..span.start));
            at = span.end;
        }
        words.push_str(self.slice(at..end));
        let words = plain(&words).replace(';', " ");
        let mut kept = Vec::new();
        let mut rest = words.split_whitespace();
        while let Some(word) = rest.next() {
            if word == "policy" {
                rest.next();
            } else {
                kept.push(word);
            }
        }
        kept.join(" ")
    }
}

/// Without comments, and with one blank between words.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some((found, end)) = piece(bytes, at) {
        if matches!(found, Piece::Token(..)) {
            words.push(text.get(at..end).unwrap_or_default().trim());
        }
        at = end;
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// The tokens from `at` on, with their places.
fn tokens(text: &str, mut at: usize) -> impl Iterator<Item = (Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    std::iter::from_fn(move || {
        loop {
            let (found, end) = piece(bytes, at)?;
            let range = at..end;
            at = end;
            if let Piece::Token(kind, _) = found {
                return Some((kind, range));
            }
        }
    })
}

/// Behind the bracket that closes the first one after `at`.
fn block_end(text: &str, at: usize) -> usize {
    let mut depth = 0usize;
    for (kind, range) in tokens(text, at) {
        match kind {
            Kind::OpenBrace => depth += 1,
            Kind::CloseBrace => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return range.end;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// The declaration of a set, and its elements, each in one line.
fn set_parts(text: &str) -> (String, Vec<String>) {
    let Some(found) = text.find("elements") else {
        return (plain(text), Vec::new());
    };
    let open = tokens(text, found).find(|(kind, _)| *kind == Kind::OpenBrace);
    let Some((_, open)) = open else {
        return (plain(text), Vec::new());
    };
    let end = block_end(text, found);
    let inside = text
        .get(open.end..end.saturating_sub(1))
        .unwrap_or_default();
    let mut elements = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    for (kind, range) in tokens(inside, 0) {
        match kind {
            Kind::OpenBrace => depth += 1,
            Kind::CloseBrace => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 0 => {
                elements.push(plain(inside.get(from..range.start).unwrap_or_default()));
                from = range.end;
            }
            _ => {}
        }
    }
    elements.push(plain(inside.get(from..).unwrap_or_default()));
    elements.retain(|element| !element.is_empty());
    let rest = format!(
        "{} {}",
        text.get(..found).unwrap_or_default(),
        text.get(end..).unwrap_or_default()
    );
    (plain(&rest), elements)
}

/// The least changes that make of the table what `text` says.
pub fn edits(opened: &Opened, text: &str, names: &Names) -> Result<Vec<Edit>, String> {
    let table = &opened.table;
    if plain(text).is_empty() {
        return Ok(Vec::new());
    }
    let (old, new) = (parse(&opened.text, table)?, parse(text, table)?);
    let (old_items, new_items) = (old.items(), new.items());
    let mut work = Work {
        table,
        view: TableView::new(table),
        names,
        edits: Vec::new(),
    };
    let find = |items: &'_ [Item<'_>], wanted: &Item<'_>| {
        items
            .iter()
            .position(|item| item.kind == wanted.kind && item.name == wanted.name)
    };
    work.header(&old.body, &new.body)?;
    // What rules refer to comes before them; what they referred to goes behind them.
    let mut last = Vec::new();
    for item in &new_items {
        let was = find(&old_items, item).and_then(|at| old_items.get(at));
        match (was, item.chain) {
            (None, None) => work.add(item),
            (None, Some(body)) => work.new_chain(&new, item, body),
            (Some(was), None) if matches!(item.kind, "set" | "map") => {
                work.set(was, item, opened.large.contains(item.name));
            }
            (Some(was), None) if plain(was.text) != plain(item.text) => {
                work.delete(was);
                work.add(item);
            }
            (Some(was), Some(body)) => last.push((was, item, body)),
            (Some(_), None) => {}
        }
    }
    for (was, item, body) in last {
        work.chain((&old, was), (&new, item, body));
    }
    for was in old_items
        .iter()
        .filter(|was| find(&new_items, was).is_none())
    {
        work.delete(was);
    }
    Ok(work.edits)
}

struct Work<'w> {
    table: &'w Arc<Table>,
    view: TableView,
    names: &'w Names,
    edits: Vec<Edit>,
}

impl Work<'_> {
    fn words(&self) -> String {
        format!("{} {}", self.table.family, self.table.name)
    }

    fn place(&self, name: &Name) -> Place {
        Place {
            family: self.table.family,
            table: self.table.name.clone(),
            name: name.clone(),
        }
    }

    fn command(&mut self, text: String) {
        self.edits.push(Edit::Command { text });
    }

    fn header(&mut self, old: &TableBody, new: &TableBody) -> Result<(), String> {
        let comment = |body: &TableBody| body.comment.as_ref().map(|at| at.value.clone());
        if comment(old) != comment(new) {
            return Err("the comment of a table cannot be changed; make the table anew".into());
        }
        if old.flags != new.flags {
            let flags = match new.flags & 1 {
                0 => String::new(),
                _ => " flags dormant;".into(),
            };
            let text = format!("table {} {{{flags} }}", self.words());
            self.command(text);
        }
        Ok(())
    }

    /// A new part, as it was written.
    fn add(&mut self, item: &Item<'_>) {
        let text = format!("table {} {{\n\t{}\n}}", self.words(), item.text);
        self.command(text);
    }

    fn delete(&mut self, item: &Item<'_>) {
        let (words, Item { kind, name, .. }) = (self.words(), item);
        let full = item.chain.is_some_and(|chain| !chain.rules.is_empty());
        let flush = match full {
            true => format!("flush chain {words} {name}\n"),
            false => String::new(),
        };
        self.command(format!("{flush}delete {kind} {words} {name}"));
    }

    fn new_chain(&mut self, new: &Parsed, item: &Item<'_>, body: &ChainBody) {
        // A rule may jump to a chain that comes behind it: first all chains, then their rules.
        let mut empty = String::new();
        let mut at = item.start;
        for rule in &body.rules {
            let span = new.at(rule.span);
            empty.push_str(new.slice(at..span.start));
            at = span.end;
        }
        empty.push_str(new.slice(at..item.start + item.text.len()));
        let lines: Vec<&str> = empty
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let text = format!("table {} {{\n\t{}\n}}", self.words(), lines.join("\n"));
        let place = self.place(item.name);
        let chains = self
            .edits
            .iter()
            .take_while(|edit| matches!(edit, Edit::Command { .. }));
        let at = chains.count();
        self.edits.insert(at, Edit::Command { text });
        for rule in new.rules(body) {
            self.edits.push(Edit::AddRule {
                at: Anchor::End(place.clone()),
                text: rule.to_owned(),
            });
        }
    }

    fn set(&mut self, was: &Item<'_>, item: &Item<'_>, large: bool) {
        let ((old_head, old), (new_head, new)) = (set_parts(was.text), set_parts(item.text));
        if old_head != new_head {
            self.delete(was);
            self.add(item);
            return;
        }
        let place = self.place(item.name);
        let (was, is): (BTreeSet<&String>, BTreeSet<&String>) =
            (old.iter().collect(), new.iter().collect());
        for gone in old.iter().filter(|one| !is.contains(one) && !large) {
            self.edits.push(Edit::DeleteElement {
                set: place.clone(),
                text: gone.clone(),
            });
        }
        for come in new.iter().filter(|one| !was.contains(one)) {
            self.edits.push(Edit::AddElement {
                set: place.clone(),
                text: come.clone(),
            });
        }
    }

    fn chain(
        &mut self,
        (old, was): (&Parsed, &Item<'_>),
        (new, item, body): (&Parsed, &Item<'_>, &ChainBody),
    ) {
        let Some(old_body) = was.chain else {
            return;
        };
        if old.head(was, old_body) != new.head(item, body) {
            // Where a chain hooks in cannot be changed.
            self.delete(was);
            self.new_chain(new, item, body);
            return;
        }
        let place = self.place(item.name);
        let policy = |body: &ChainBody| match body.policy.as_ref().map(|at| at.value) {
            Some(PolicyWord::Drop) => Policy::Drop,
            _ => Policy::Accept,
        };
        if policy(old_body) != policy(body) {
            self.edits.push(Edit::SetPolicy {
                chain: place.clone(),
                from: policy(old_body),
                to: policy(body),
            });
        }
        self.rules(&place, &old.rules(old_body), &new.rules(body));
    }

    fn rules(&mut self, place: &Place, old: &[&str], new: &[&str]) {
        let Some(chain) = self.table.chain(&place.name) else {
            return;
        };
        let reference = |index: usize| -> Option<RuleRef> {
            let rule = chain.rules.get(index)?;
            Some(RuleRef {
                chain: place.clone(),
                handle: rule.handle,
                text: facts::rule_text_stateless(&self.view, self.names, rule),
            })
        };
        let plain_of =
            |rules: &[&str]| -> Vec<String> { rules.iter().map(|rule| plain(rule)).collect() };
        let mut found = matches(&plain_of(new), &plain_of(old));
        let mut kept = vec![false; old.len()];
        for at in found.iter().flatten() {
            if let Some(slot) = kept.get_mut(*at) {
                *slot = true;
            }
        }
        // Between two rules that stay, the first new rule takes the place of the first one that goes, and so on.
        let mut edits = Vec::new();
        let mut next_old = 0;
        let mut index = 0;
        while index < new.len() {
            match found.get(index).copied().flatten() {
                Some(at) => next_old = at + 1,
                None => {
                    if kept.get(next_old) == Some(&false)
                        && let Some(rule) = reference(next_old)
                    {
                        edits.push(Edit::ReplaceRule {
                            rule,
                            text: new.get(index).copied().unwrap_or_default().to_owned(),
                            keep: true,
                        });
                        if let (Some(slot), Some(own)) =
                            (found.get_mut(index), kept.get_mut(next_old))
                        {
                            *slot = Some(next_old);
                            *own = true;
                        }
                        next_old += 1;
                    }
                }
            }
            index += 1;
        }
        // The rest of the new ones go before the next rule that is there, in their order.
        for (index, text) in new.iter().enumerate() {
            if found.get(index).copied().flatten().is_some() {
                continue;
            }
            let next = found.iter().skip(index).flatten().next();
            let at = next.and_then(|at| reference(*at)).map(Anchor::Before);
            edits.push(Edit::AddRule {
                at: at.unwrap_or_else(|| Anchor::End(place.clone())),
                text: (*text).to_owned(),
            });
        }
        for (index, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            if let Some(rule) = reference(index) {
                edits.push(Edit::DeleteRule { rule });
            }
        }
        self.edits.extend(edits);
    }
}
