//! Rules, chains and routes in plain English, one sentence each.
//!
//! Pure: reads the typed statements of `lang::nft` and the values of `model`. Truth before elegance: what has no
//! words of its own is quoted as nft writes it, what is not understood is said to be so, and protocols that a match
//! presupposes are named, because without them the packet does not match.

mod chain;
mod condition;
mod effect;
mod extension;
mod flags;
mod limit;
mod nat;
mod phrases;
mod route;
mod selector;
mod sentence;
mod services;
mod value;
mod verdict;

pub use chain::chain;
pub use route::{policy_rule, route};

use super::Names;
use super::nft::delinearize::{self, TableView};
use crate::model::Rule;
use sentence::{Condition, Step, sentence};

/// Knows the table that is read, and the machine's names.
struct Reader<'r> {
    view: &'r TableView,
    names: &'r Names,
}

/// A rule of nf_tables as one sentence.
pub fn rule(view: &TableView, names: &Names, rule: Rule<'_>) -> String {
    let text = match delinearize::rule(view, rule) {
        Ok(text) => text,
        Err(error) => return format!("This rule cannot be read: {error}."),
    };
    let reader = Reader { view, names };
    let mut steps = Vec::new();
    for (place, stmt) in text.stmts.iter().enumerate() {
        reader.steps(stmt, &mut steps);
        // What follows a map of verdicts happens to those that it sends on only.
        if effect::decides(stmt) && place + 1 < text.stmts.len() {
            let undecided = Condition::That("are still undecided".to_owned());
            steps.push(Step::Condition(undecided));
        }
    }
    if steps.is_empty() {
        return "This rule does nothing.".to_owned();
    }
    sentence(steps)
}
