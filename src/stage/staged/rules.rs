//! The bytes of a rule as the kernel would send it back.

use super::{Result, Why};
use crate::kernel::netlink::attr::NLA_F_NESTED;
use crate::kernel::netlink::{AttrWriter, Attrs};
use crate::kernel::nf_tables::{decode, encode, expression};
use crate::model::command::RuleBody;
use crate::model::expression::ObjrefTarget;
use crate::model::{Data, Expression, Name, Rule, Verdict};
use rustables::sys::*;

/// What a name of an expression is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Set,
    Chain,
}

/// The name that an expression refers to, where it does.
fn name_of(expression: &mut Expression) -> Option<(Kind, &mut Name)> {
    match expression {
        Expression::Immediate {
            data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)),
            ..
        } => Some((Kind::Chain, chain)),
        Expression::Lookup { set, .. }
        | Expression::Dynset { set, .. }
        | Expression::Objref {
            target: ObjrefTarget::Map { set, .. },
        } => Some((Kind::Set, set)),
        _ => None,
    }
}

/// The attributes of a new rule. `rename` gives the name that counts for each that is referred to.
pub fn attributes(
    table: &str,
    chain: &str,
    handle: u64,
    body: &RuleBody,
    rename: &mut dyn FnMut(Kind, &Name) -> Result<Name>,
) -> Result<Vec<u8>> {
    let mut out = AttrWriter::new();
    out.text(NFTA_RULE_TABLE, table)
        .text(NFTA_RULE_CHAIN, chain)
        .be64(NFTA_RULE_HANDLE, handle);
    match body {
        RuleBody::Built {
            expressions,
            userdata,
            ..
        } => {
            let mut expressions = expressions.clone();
            rename_all(&mut expressions, rename)?;
            out.nest(NFTA_RULE_EXPRESSIONS, |list| {
                encode::list(list, &expressions)
            });
            if !userdata.is_empty() {
                out.put(NFTA_RULE_USERDATA, userdata);
            }
        }
        RuleBody::Raw {
            attributes,
            renamed,
            ..
        } => {
            let mut renamed_in = |kind: Kind, name: &Name| {
                let new = renamed.iter().find(|(old, _)| old == name);
                rename(kind, new.map_or(name, |(_, new)| new))
            };
            kept(&mut out, attributes, &mut renamed_in)?;
        }
    }
    finish(out)
}

/// The sets that packets fill by this rule.
pub fn filled(attributes: &[u8]) -> Vec<Name> {
    let rule = Rule {
        handle: 0,
        attributes,
    };
    let body = decode::rule(rule).unwrap_or_default();
    let sets = body.expressions.into_iter().filter_map(|one| match one {
        Expression::Dynset { set, .. } => Some(set),
        _ => None,
    });
    sets.collect()
}

/// The rule with other names in it; nothing where none is another.
pub fn renamed(
    attributes: &[u8],
    rename: &mut dyn FnMut(Kind, &Name) -> Result<Name>,
) -> Result<Option<Vec<u8>>> {
    let Ok(body) = decode::rule(Rule {
        handle: 0,
        attributes,
    }) else {
        return Ok(None);
    };
    let mut expressions = body.expressions.clone();
    rename_all(&mut expressions, rename)?;
    if expressions == body.expressions {
        return Ok(None);
    }
    let mut out = AttrWriter::new();
    for attr in Attrs::new(attributes).filter_map(std::result::Result::ok) {
        if !matches!(attr.kind, NFTA_RULE_EXPRESSIONS | NFTA_RULE_USERDATA) {
            out.put(attr.kind, attr.payload);
        }
    }
    kept(&mut out, attributes, rename)?;
    finish(out).map(Some)
}

/// Expressions and user data as they came, with other names where there are others.
fn kept(
    out: &mut AttrWriter,
    attributes: &[u8],
    rename: &mut dyn FnMut(Kind, &Name) -> Result<Name>,
) -> Result<()> {
    for attr in Attrs::new(attributes).filter_map(std::result::Result::ok) {
        match attr.kind {
            NFTA_RULE_EXPRESSIONS => {
                let start = out.begin(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
                let read = expression::list(attr.payload).unwrap_or_default();
                let mut new = read.clone();
                rename_all(&mut new, rename)?;
                if new == read {
                    out.raw(attr.payload);
                } else {
                    encode::list(out, &new);
                }
                out.end(start);
            }
            NFTA_RULE_USERDATA => {
                out.put(NFTA_RULE_USERDATA, attr.payload);
            }
            _ => {}
        }
    }
    Ok(())
}

fn rename_all(
    expressions: &mut [Expression],
    rename: &mut dyn FnMut(Kind, &Name) -> Result<Name>,
) -> Result<()> {
    for expression in expressions {
        if let Some((kind, name)) = name_of(expression) {
            *name = rename(kind, name)?;
        }
    }
    Ok(())
}

fn finish(out: AttrWriter) -> Result<Vec<u8>> {
    if out.is_cut() {
        return Err(Why::Large("a rule"));
    }
    Ok(out.into_bytes())
}
