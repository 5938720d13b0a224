//! A table in parts, line by line, without handles and state: what two rulesets are compared by for a person.

use super::super::delinearize::{TableView, element_expressions, userdata_comment};
use super::super::facts;
use super::Printer;
use super::ruleset::{Options, flag_words};
use super::stmt::object_kind;
use crate::lang::Names;
use crate::model::{Chain, Elements, Set, Table};

/// A chain, a set, an object, a flowtable, or what the table says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `chain input`; empty for the table itself.
    pub title: String,
    /// What it is, then one line each: a rule, an element.
    pub lines: Vec<String>,
}

/// Everything of a table, in the order in which nft lists it. Elements are those that were read.
pub fn sections(table: &std::sync::Arc<Table>, names: &Names) -> Vec<Section> {
    let view = TableView::new(table);
    let mut sections = vec![itself(table)];
    let options = Options {
        stateless: true,
        terse: true,
        ..Options::default()
    };
    let printed = |print: &dyn Fn(&mut Printer<'_>)| {
        let mut printer = Printer::new(names, &view, true);
        print(&mut printer);
        printer.out
    };
    for object in &table.objects {
        let text = printed(&|printer| printer.object(object, options));
        let title = format!("{} {}", object_kind(object.kind), object.name);
        sections.push(block(title, &text));
    }
    for set in table.sets.iter().filter(|set| !set.is_anonymous()) {
        let text = printed(&|printer| printer.set(set, options));
        let kind = if set.is_map() { "map" } else { "set" };
        let mut section = block(format!("{kind} {}", set.name), &text);
        section.lines.extend(elements(&view, set, names));
        sections.push(section);
    }
    for flowtable in &table.flowtables {
        let text = printed(&|printer| printer.flowtable(flowtable, options));
        sections.push(block(format!("flowtable {}", flowtable.name), &text));
    }
    for chain in table.chains.iter().filter(|chain| !chain.is_binding()) {
        let head = printed(&|printer| printer.base_chain(chain));
        sections.push(rules(&view, chain, &head, names));
    }
    sections
}

fn itself(table: &Table) -> Section {
    let mut lines = Vec::new();
    let flags = flag_words(table.flags);
    if !flags.is_empty() {
        lines.push(format!("flags {}", flags.join(",")));
    }
    if let Some(comment) = userdata_comment(&table.userdata) {
        lines.push(format!("comment \"{comment}\""));
    }
    Section {
        title: String::new(),
        lines,
    }
}

/// The lines between the brackets of what was printed.
fn block(title: String, text: &str) -> Section {
    let mut lines: Vec<String> = text.lines().skip(1).map(|l| l.trim().to_owned()).collect();
    if lines.last().is_some_and(|line| line == "}") {
        lines.pop();
    }
    Section { title, lines }
}

fn elements(view: &TableView, set: &Set, names: &Names) -> Vec<String> {
    let (Elements::Read(list), Some(info)) = (&set.elements, view.set_info(set)) else {
        return Vec::new();
    };
    let elements = element_expressions(view, &info, list);
    let printed = elements.iter().map(|element| {
        let mut printer = Printer::new(names, view, true);
        printer.expr(element);
        printer.out
    });
    printed.collect()
}

fn rules(view: &TableView, chain: &Chain, head: &str, names: &Names) -> Section {
    let mut lines = Vec::with_capacity(chain.rules.len() + 1);
    let head = head.trim();
    if !head.is_empty() {
        lines.push(head.to_owned());
    }
    if let Some(comment) = userdata_comment(&chain.userdata) {
        lines.push(format!("comment \"{comment}\""));
    }
    let rules = chain.rules.iter();
    lines.extend(rules.map(|rule| facts::rule_text_stateless(view, names, rule)));
    Section {
        title: format!("chain {}", chain.name),
        lines,
    }
}
