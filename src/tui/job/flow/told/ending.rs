//! The end of a path: what becomes of the packet, what was not certain, and what all that rests on.

use super::Teller;
use crate::flow::Trace;
use crate::flow::report::{Fate, Step};
use crate::tui::job::flow::path::{Line, Mark, Sort, line};

impl Teller<'_> {
    /// What becomes of it, and by what.
    pub(super) fn end(&self, trace: &Trace) -> String {
        let oif = trace.oif.map(|index| format!(" by {}", self.device(index)));
        let oif = oif.unwrap_or_default();
        let what = match trace.fate {
            Fate::Delivered => "delivered to this machine".to_owned(),
            Fate::Forwarded => format!("forwarded{oif}"),
            Fate::Sent => format!("sent{oif}"),
            Fate::Dropped => "DROPPED".into(),
            Fate::Rejected => "REJECTED".into(),
            Fate::Queued => "queued to a program that decides".into(),
            Fate::Stolen => "taken over by something else".into(),
            Fate::NoRoute => "NO ROUTE".into(),
            Fate::Uncertain => "uncertain: it depends, see below".into(),
        };
        let step = trace.dropped_by.and_then(|at| trace.steps.get(at));
        let by = match step {
            Some(Step::Chain(chain)) => {
                let inner = chain.rules.last().filter(|_| !chain.by_policy);
                let place = inner.map_or(chain.place, |rule| rule.place);
                let facts = self.words.chain_facts(place).unwrap_or_default();
                let who = match inner {
                    Some(rule) => format!("rule #{}", self.words.handle(rule.place, rule.rule)),
                    None => "the policy".into(),
                };
                format!(
                    " by {who} of {} {} {}",
                    facts.family, facts.table, facts.chain
                )
            }
            Some(Step::Check(check)) if !check.passed => format!(" by the check {}", check.name),
            // What it says already.
            Some(Step::Route(route)) if route.decision == "no route" => String::new(),
            Some(Step::Route(route)) => format!(": {}", route.decision),
            _ => String::new(),
        };
        format!("{what}{by}")
    }

    pub(super) fn about_end(&self, trace: &Trace, end: &str) -> Vec<Line> {
        let sort = if trace.fate.passes() {
            Sort::Good
        } else {
            Sort::Bad
        };
        let what = match trace.fate {
            Fate::NoRoute => format!("The packet goes nowhere: {end}."),
            _ => format!("The packet is {end}."),
        };
        let mut about = vec![line(sort, what)];
        let why = match trace.fate {
            Fate::Dropped => "It disappears; the sender hears nothing.",
            Fate::Rejected => "It is dropped, and the sender is told so.",
            Fate::Delivered => "A program that listens there gets it.",
            Fate::Forwarded => "It leaves this machine for its next hop.",
            Fate::Sent => "It leaves this machine.",
            Fate::NoRoute => {
                "Routing has no way for it; the sender is told where the kernel does so."
            }
            Fate::Queued => "A program in user space decides what happens then.",
            Fate::Stolen => {
                "Something else in the kernel goes on with it, or waits for other fragments."
            }
            Fate::Uncertain => "What decides is known to the running kernel only.",
        };
        about.push(line(Sort::Plain, why));
        if let Some(last) = self.rows.last().filter(|row| row.fatal) {
            about.extend(
                last.about
                    .iter()
                    .filter(|line| line.sort != Sort::Heading)
                    .cloned(),
            );
        }
        if trace.fate.passes()
            && (trace.first.src, trace.first.dst) != (trace.last.src, trace.last.dst)
        {
            about.push(line(
                Sort::Plain,
                format!(
                    "As it ends it is {} → {}.",
                    super::end(trace.last.src, trace.last.sport),
                    super::end(trace.last.dst, trace.last.dport)
                ),
            ));
        }
        about
    }

    pub(super) fn uncertain(&mut self, trace: &Trace) {
        for one in &trace.uncertain {
            let mut about = vec![line(
                Sort::Plain,
                format!("Only the running kernel knows: {}.", one.what),
            )];
            for branch in &one.branches {
                let oif = branch
                    .oif
                    .map(|index| format!(" by {}", self.device(index)));
                let sort = if branch.fate.passes() {
                    Sort::Good
                } else {
                    Sort::Bad
                };
                let text = format!(
                    "If {}: {}{}",
                    branch.assume,
                    branch.fate.word(),
                    oif.unwrap_or_default()
                );
                about.push(line(sort, text));
            }
            let branches: Vec<String> = one
                .branches
                .iter()
                .map(|branch| format!("{}: {}", branch.assume, branch.fate.word()))
                .collect();
            let text = if branches.is_empty() {
                format!("uncertain: {}", one.what)
            } else {
                format!("uncertain: {} ({})", one.what, branches.join("; "))
            };
            self.push(Mark::Unsure, true, text, about);
        }
    }

    pub(super) fn basis(&mut self, basis: Vec<String>) {
        let first = basis.first().cloned().unwrap_or_default();
        let about = basis.into_iter().map(|text| line(Sort::Plain, text));
        let about = about.collect();
        self.push(Mark::Basis, true, first, about);
    }
}
