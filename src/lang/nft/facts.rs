//! What screens and searches ask about a rule without printing it: counters, references, decoded expressions.

use super::super::Names;
use super::ast::Expr;
use super::bytecode;
use super::delinearize::{TableView, element_expressions};
use super::print::Printer;
use crate::kernel::nf_tables::decode;
use crate::model::expression::ObjrefTarget;
use crate::model::{Data, ElementList, Expression, Name, Rule, Set, Verdict};

/// One rule as one line, without its handle.
pub fn rule_text(view: &TableView, names: &Names, rule: Rule<'_>) -> String {
    let mut printer = Printer::new(names, view, false);
    printer.rule(rule, false);
    printer.out
}

/// One rule as one line, without counters and other state: for searching and comparing.
pub fn rule_text_stateless(view: &TableView, names: &Names, rule: Rule<'_>) -> String {
    let mut printer = Printer::new(names, view, true);
    printer.rule(rule, false);
    printer.out
}

/// The elements of a set in nft's order, intervals put together; each can be printed by [`element_text`].
pub fn elements(view: &TableView, set: &Set, list: &ElementList) -> Vec<Expr> {
    view.set_info(set)
        .map(|info| element_expressions(view, &info, list))
        .unwrap_or_default()
}

pub fn element_text(view: &TableView, names: &Names, element: &Expr) -> String {
    let mut printer = Printer::new(names, view, false);
    printer.expr(element);
    printer.out
}

/// `type ipv4_addr . inet_service : verdict`
pub fn set_type_text(view: &TableView, names: &Names, set: &Set) -> String {
    let Some(info) = view.set_info(set) else {
        return "unknown type".into();
    };
    let mut printer = Printer::new(names, view, false);
    printer.set_types(&info);
    printer.out
}

/// The rule's expressions, one line each, as the kernel runs them.
pub fn expression_lines(rule: Rule<'_>) -> Vec<String> {
    match decode::rule(rule) {
        Ok(body) => body.expressions.iter().map(bytecode::line).collect(),
        Err(error) => vec![format!("unreadable: {error}")],
    }
}

/// An expression that refuses a packet with an answer; the kernel's trace shows a drop.
pub fn rejects(expression: &Expression) -> bool {
    match expression {
        Expression::Reject { .. } => true,
        Expression::Target(target) => &*target.name == "REJECT",
        _ => false,
    }
}

/// What a rule refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Chains it jumps or goes to, by a verdict of its own.
    pub chains: Vec<Name>,
    /// Sets and maps it looks up or fills.
    pub sets: Vec<Name>,
    pub objects: Vec<Name>,
    pub flowtables: Vec<Name>,
}

pub fn references(rule: Rule<'_>) -> References {
    let mut found = References::default();
    if let Ok(body) = decode::rule(rule) {
        for expression in &body.expressions {
            match expression {
                Expression::Immediate {
                    data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)),
                    ..
                } => found.chains.push(chain.clone()),
                Expression::Lookup { set, .. } | Expression::Dynset { set, .. } => {
                    found.sets.push(set.clone());
                }
                Expression::Objref {
                    target: ObjrefTarget::Map { set, .. },
                } => {
                    found.sets.push(set.clone());
                }
                Expression::Objref {
                    target: ObjrefTarget::Name { name, .. },
                } => {
                    found.objects.push(name.clone());
                }
                Expression::FlowOffload { table } => found.flowtables.push(table.clone()),
                _ => {}
            }
        }
    }
    found
}
