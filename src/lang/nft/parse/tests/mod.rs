//! The parser as a whole: what it makes of texts, and what it says of those that are none.

mod expressions;
mod files;
mod statements;

use super::*;
use crate::lang::nft::ast::{Kind, NatKind, Op};
use crate::lang::nft::syntax::*;
use crate::model::expression::DynsetOp;
use crate::model::{Family, Verdict};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

fn commands(text: &str) -> Vec<Command> {
    let (sources, result) = parse(super::text(text), &Options::bare());
    result.unwrap_or_else(|errors| panic!("{}", render::render_all(&sources, &errors)))
}

fn rule_of(text: &str) -> Rule {
    let (sources, result) = parse_rule(super::text(text), &Options::bare());
    result.unwrap_or_else(|errors| panic!("{}", render::render_all(&sources, &errors)))
}

fn statement_of(text: &str) -> Statement {
    let mut rule = rule_of(text);
    assert_eq!(rule.statements.len(), 1, "{text}");
    rule.statements.remove(0).value
}

fn match_of(text: &str) -> (Op, Expr, Expr) {
    match statement_of(text) {
        Statement::Match(Expr {
            kind: Kind::Relational { op, left, right },
            ..
        }) => (op, *left, *right),
        other => panic!("{text}: {other:?}"),
    }
}

/// The first error of a text.
fn error_of(text: &str) -> String {
    let (_, result) = parse(super::text(text), &Options::bare());
    match result {
        Ok(commands) => panic!("{text}: {commands:?}"),
        Err(errors) => errors[0].message.clone(),
    }
}

fn errors_of(text: &str) -> Vec<Diagnostic> {
    let (_, result) = parse(super::text(text), &Options::bare());
    result.expect_err(text)
}

/// A short writing of an expression: what it is made of.
fn shape(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(shape).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        Kind::Symbol(word) => word.clone(),
        Kind::SetName(name) => format!("@{name}"),
        Kind::SetLiteral(items) => format!("{{{}}}", list(items)),
        Kind::List(items) => format!("[{}]", list(items)),
        Kind::Concat(items) => format!("<{}>", list(items)),
        Kind::Range(a, b) => format!("{}..{}", shape(a), shape(b)),
        Kind::Prefix(a, len) => format!("{}/{len}", shape(a)),
        Kind::Mapping(a, b) => format!("{}:{}", shape(a), shape(b)),
        Kind::Binop { op, left, right } => {
            format!(
                "({} {} {})",
                shape(left),
                op.symbol().unwrap_or(""),
                shape(right)
            )
        }
        Kind::Map { key, mappings } => format!("{} map {}", shape(key), shape(mappings)),
        Kind::SetElem(element) => format!("elem({})", shape(&element.key)),
        Kind::CatchAll => "*".to_owned(),
        Kind::Value(value) => format!("={value}"),
        Kind::Verdict(verdict) => format!("{verdict:?}"),
        Kind::Payload(payload) => match payload.template() {
            Some(field) => format!("{}.{}", payload.protocol.name, field.token),
            None => format!("raw.{}.{}", payload.offset, expr.len),
        },
        Kind::Exthdr(header) => format!(
            "{}.{}{}",
            header.header.map_or("?", |header| header.name),
            header.template().map_or("?", |field| field.token),
            if header.present { "?" } else { "" }
        ),
        Kind::Meta { key } => format!("meta.{key}"),
        Kind::Ct { key, direction, .. } => format!("ct.{key}.{direction:?}"),
        Kind::Rt { key } => format!("rt.{key}"),
        other => format!("{other:?}"),
    }
}

fn right_of(text: &str) -> String {
    shape(&match_of(text).2)
}
