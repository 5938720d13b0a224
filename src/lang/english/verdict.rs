//! Verdicts in words, and maps that choose one.

use super::Reader;
use super::sentence::Effect;
use crate::lang::nft::ast::{Expr, Kind};
use crate::model::Verdict;

impl Reader<'_> {
    pub(super) fn verdict(&self, expr: &Expr) -> Effect {
        let verdict = match &expr.kind {
            Kind::Verdict(verdict) => verdict,
            Kind::Map { key, mappings } => return self.verdict_map(key, mappings),
            _ => return Effect::new("decide about", format!("by '{}'", self.plain(expr))),
        };
        match verdict {
            Verdict::Accept => Effect::new("accept", ""),
            Verdict::Drop => Effect::new("drop", ""),
            Verdict::Queue => Effect::new("hand", "to a program in user space"),
            Verdict::Stolen => Effect::new("take", "out of the path without a trace"),
            Verdict::Repeat => Effect::new("repeat the hook for", ""),
            Verdict::Stop => Effect::new("accept", "without asking other chains"),
            Verdict::Continue => Effect::new("go on to the next rule with", ""),
            Verdict::Break => Effect::new("go on to the next rule with", ""),
            Verdict::Jump(chain) => Effect::new(
                "send",
                format!("through the chain {chain}, and go on here with what it does not decide"),
            ),
            Verdict::Goto(chain) => Effect::new(
                "send",
                format!("to the chain {chain}, without coming back to this one"),
            ),
            Verdict::Return => Effect::new("end this chain for", ""),
            Verdict::Unknown(code) => Effect::new(
                "give",
                format!("the unknown verdict {}", code.cast_unsigned()),
            ),
        }
    }

    /// A verdict in one or two words, for lists.
    fn short_verdict(&self, expr: &Expr) -> String {
        match &expr.kind {
            Kind::Verdict(Verdict::Jump(chain)) => format!("go through the chain {chain}"),
            Kind::Verdict(Verdict::Goto(chain)) => format!("go to the chain {chain} for good"),
            Kind::Verdict(Verdict::Return) => "end this chain".to_owned(),
            Kind::Verdict(Verdict::Continue | Verdict::Break) => "go on".to_owned(),
            _ => self.plain(expr),
        }
    }

    pub(super) fn verdict_map(&self, key: &Expr, mappings: &Expr) -> Effect {
        const NAMED: usize = 12;
        let key = self.the_noun(key);
        let Kind::SetRef(reference) = &mappings.kind else {
            return Effect::new("decide about", format!("by {key} and an unknown map"));
        };
        let Some(elements) = &reference.elements else {
            let map = self.set_name(reference);
            return Effect::new(
                "decide about",
                format!("by {key} as {map} says, and go on with those it does not know"),
            );
        };
        let mut all = false;
        let mut pairs: Vec<String> = Vec::new();
        for element in elements {
            let Kind::Mapping(left, right) = &element.kind else {
                pairs.push(self.value(element));
                continue;
            };
            all |= is_catch_all(left);
            if pairs.len() < NAMED || is_catch_all(left) {
                pairs.push(format!(
                    "{}: {}",
                    self.value(left),
                    self.short_verdict(right)
                ));
            }
        }
        if elements.len() > pairs.len() {
            pairs.push(format!("and {} more", elements.len() - pairs.len()));
        }
        let rest = if all { "" } else { "; others go on" };
        Effect::new(
            "decide about",
            format!("by {key} ({}{rest})", pairs.join(", ")),
        )
    }

    pub(super) fn own_chain(&self, goto: bool, chain: &str) -> Effect {
        let rules = self.view.table.chain(chain).map(|chain| chain.rules.len());
        let what = match rules {
            Some(1) => "a chain of 1 rule of its own".to_owned(),
            Some(count) => format!("a chain of {count} rules of its own"),
            None => "a chain of its own that was not read".to_owned(),
        };
        match goto {
            true => Effect::new("send", format!("to {what}, without coming back")),
            false => Effect::new(
                "send",
                format!("through {what}, and go on here with what it does not decide"),
            ),
        }
    }
}

fn is_catch_all(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::CatchAll => true,
        Kind::SetElem(element) => is_catch_all(&element.key),
        _ => false,
    }
}
