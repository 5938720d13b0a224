//! The kernel's answer beside the prediction: rules in order, policies, fate, device and NAT.

use super::Answer;
use super::reason::{Reason, reason};
use crate::flow::fib::LOOPBACK;
use crate::flow::group::{End, verdict_words};
use crate::flow::hooks::hook_name;
use crate::flow::report::{ChainStep, Fate, Outcome, Place, RuleVerdict};
use crate::flow::{Simulator, Step, Trace};
use crate::kernel::nf_tables::decode;
use crate::lang::nft::facts;
use crate::model::{Family, Name, Rule, Snapshot, Verdict};
use serde_json::{Value, json};
use std::fmt;
use std::net::IpAddr;

/// One thing that rules did, on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub family: Family,
    pub table: Name,
    pub chain: Name,
    /// Of the rule, in the picture; nothing for a policy.
    pub handle: Option<u64>,
    pub verdict: String,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.family, self.table, self.chain)?;
        match self.handle {
            Some(handle) => write!(f, "rule {handle}: {}", self.verdict),
            None => write!(f, "policy {}", self.verdict),
        }
    }
}

/// Both answers, side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What the kernel did, by rules and policies.
    pub kernel: Vec<Act>,
    pub predicted: Vec<Act>,
    /// Nothing where the trace only ends, by routing or a check between the hooks, and no counter tells why.
    pub fate: Option<Fate>,
    pub oif: Option<Name>,
    /// Where the packet ended, in words.
    pub end: String,
    /// The first of them is where they part.
    pub differences: Vec<String>,
    /// The prediction named what it does not know.
    pub uncertain: bool,
}

impl Comparison {
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

type Ends = (Option<IpAddr>, Option<IpAddr>, Option<u16>, Option<u16>);

pub fn compare(
    picture: &Snapshot,
    simulator: &Simulator<'_>,
    trace: &Trace,
    answer: &Answer,
) -> Comparison {
    let (kernel, rejected) = acts_of_kernel(picture, answer);
    let predicted = acts_of_prediction(simulator, trace);
    let local = answer.group.as_ref().is_none_or(|group| group.local);
    // What leaves by the loopback device comes in again, and has ended there.
    let looped = answer
        .group
        .as_ref()
        .is_some_and(|group| group.oif == Some(LOOPBACK));
    let gone = match answer.end() {
        End::Unseen => true,
        End::Left => looped,
        _ => false,
    };
    let reason = reason(&answer.counted).filter(|_| gone);
    let fate = match answer.end() {
        _ if gone => reason.as_ref().and_then(|reason| reason.fate),
        End::Unseen => None,
        End::Dropped if rejected => Some(Fate::Rejected),
        End::Dropped => Some(Fate::Dropped),
        End::Queued => Some(Fate::Queued),
        End::Stolen => Some(Fate::Stolen),
        End::Delivered => Some(Fate::Delivered),
        End::Left if local => Some(Fate::Sent),
        End::Left => Some(Fate::Forwarded),
    };
    let oif = answer
        .group
        .as_ref()
        .filter(|_| fate.is_some_and(|fate| matches!(fate, Fate::Sent | Fate::Forwarded)))
        .and_then(|group| group.oif)
        .map(|index| picture.network.link_name(index));
    let mut differences = Vec::new();
    parts_at(&kernel, &predicted, &mut differences);
    compare_fates(fate, trace.fate, &mut differences);
    if let Some((reason, check)) = reason
        .as_ref()
        .and_then(|reason| Some((reason, reason.contradicts(trace)?)))
    {
        differences.push(format!(
            "reason: the kernel's counters say {}, predicted was the check {check}",
            reason.words
        ));
    }
    if let (Some(oif), true) = (&oif, trace.fate.passes()) {
        let expected = trace.oif.map(|index| picture.network.link_name(index));
        if expected.as_ref().is_some_and(|expected| expected != oif) {
            let expected = expected.unwrap_or_else(|| "none".into());
            differences.push(format!(
                "device: the kernel sends by {oif}, predicted was {expected}"
            ));
        }
    }
    let random = trace
        .steps
        .iter()
        .any(|step| matches!(step, Step::Nat(nat) if nat.unknown_port));
    if let Some(last) = answer.group.as_ref().and_then(|group| group.last.as_ref())
        && trace.fate.passes()
        && !random
    {
        let theirs: Ends = (last.src, last.dst, last.sport, last.dport);
        let ours = &trace.last;
        let ours: Ends = (ours.src, ours.dst, ours.sport, ours.dport);
        let same = |theirs: Option<u16>, ours: Option<u16>| {
            // Behind extension headers and in fragments the trace shows no ports.
            theirs.is_none() || ours.is_none() || theirs == ours
        };
        let equal = (theirs.0, theirs.1) == (ours.0, ours.1)
            && same(theirs.2, ours.2)
            && same(theirs.3, ours.3);
        if !equal {
            differences.push(format!(
                "headers at the end: {} in the kernel, predicted were {}",
                ends(theirs),
                ends(ours)
            ));
        }
    }
    let by = gone.then_some(if picture.legacy.is_empty() {
        "by routing or a check"
    } else {
        "by routing, a check or a legacy rule"
    });
    let uncertain = !trace.uncertain.is_empty();
    if uncertain && !differences.is_empty() {
        // Another branch may be what the kernel took: then nothing was wrong.
        let named = fate.is_some_and(|fate| {
            let mut branches = trace.uncertain.iter().flat_map(|one| &one.branches);
            branches.any(|branch| branch.fate == fate)
        });
        if named {
            differences.clear();
        }
    }
    Comparison {
        end: end_words(answer, fate, by, reason.as_ref()),
        kernel,
        predicted,
        fate,
        oif,
        differences,
        uncertain,
    }
}

fn ends((src, dst, sport, dport): Ends) -> String {
    let side = |address: Option<IpAddr>, port: Option<u16>| {
        let address = address.map_or_else(|| "?".to_owned(), |address| address.to_string());
        match port {
            Some(port) => format!("{address} port {port}"),
            None => address,
        }
    };
    format!("{} to {}", side(src, sport), side(dst, dport))
}

/// `by`: what may have ended a packet that no rule of nf_tables ended.
fn end_words(
    answer: &Answer,
    fate: Option<Fate>,
    by: Option<&str>,
    reason: Option<&Reason>,
) -> String {
    let (Some(by), fate) = (by, fate) else {
        return fate.map_or("uncertain", Fate::word).to_owned();
    };
    let errno = answer
        .refused
        .map(|errno| format!(" ({})", std::io::Error::from_raw_os_error(errno)))
        .unwrap_or_default();
    let last = answer
        .group
        .as_ref()
        .and_then(|group| group.passes.last())
        .map(|pass| format!("last seen in {} {} {}", pass.family, pass.table, pass.chain));
    let last = last.unwrap_or_else(|| "no chain of the ruleset saw it".to_owned());
    let word = fate.map_or("gone between the hooks", Fate::word);
    let why = reason.map_or(by, |reason| reason.words);
    format!("{word}, {why}{errno}; {last}")
}

/// The first act that is not the same on both sides.
fn parts_at(kernel: &[Act], predicted: &[Act], differences: &mut Vec<String>) {
    let place = kernel
        .iter()
        .zip(predicted)
        .position(|(theirs, ours)| !same(theirs, ours))
        .or_else(|| (kernel.len() != predicted.len()).then(|| kernel.len().min(predicted.len())));
    let Some(place) = place else {
        return;
    };
    let words = |acts: &[Act]| {
        acts.get(place)
            .map_or_else(|| "nothing more".to_owned(), Act::to_string)
    };
    differences.push(format!(
        "rules: the kernel's is {}, predicted was {}",
        words(kernel),
        words(predicted)
    ));
}

fn same(theirs: &Act, ours: &Act) -> bool {
    // Chains without a name get another one in the twin.
    let nameless = |act: &Act| act.chain.starts_with("__chain");
    if nameless(theirs) && nameless(ours) {
        return (theirs.family, &theirs.table) == (ours.family, &ours.table);
    }
    let jump = |words: &str| words.contains("__chain");
    let verdicts = theirs.verdict == ours.verdict || jump(&theirs.verdict) && jump(&ours.verdict);
    (theirs.family, &theirs.table, &theirs.chain, theirs.handle)
        == (ours.family, &ours.table, &ours.chain, ours.handle)
        && verdicts
}

fn compare_fates(kernel: Option<Fate>, predicted: Fate, differences: &mut Vec<String>) {
    let agrees = match kernel {
        Some(fate) => fate == predicted,
        // It is gone between the hooks: all that can be said is that it did not pass.
        None => matches!(
            predicted,
            Fate::Dropped | Fate::NoRoute | Fate::Stolen | Fate::Rejected
        ),
    };
    if !agrees && predicted != Fate::Uncertain {
        let theirs = kernel.map_or("gone between the hooks", Fate::word);
        differences.push(format!(
            "fate: {theirs} in the kernel, predicted was {}",
            predicted.word()
        ));
    }
}

/// What the trace says, with handles of the picture; and whether the last rule rejected.
fn acts_of_kernel(picture: &Snapshot, answer: &Answer) -> (Vec<Act>, bool) {
    let mut acts = Vec::new();
    let mut rejected = false;
    let Some(group) = &answer.group else {
        return (acts, false);
    };
    for (pass, places) in group.passes.iter().zip(&answer.places) {
        let table = picture.ruleset.table(pass.family, &pass.table);
        for (hit, place) in pass.hits.iter().zip(places) {
            let rule: Option<Rule<'_>> = table
                .and_then(|table| table.chain(&hit.chain))
                .zip(*place)
                .and_then(|(chain, place)| chain.rules.get(place));
            let rejects = rule
                .and_then(|rule| decode::rule(rule).ok())
                .is_some_and(|body| body.expressions.iter().any(facts::rejects));
            rejected = rejects && hit.verdict == Verdict::Drop;
            acts.push(Act {
                family: pass.family,
                table: pass.table.clone(),
                chain: hit.chain.clone(),
                handle: Some(rule.map_or(0, |rule| rule.handle)),
                verdict: if rejected {
                    "reject".into()
                } else {
                    verdict_words(&hit.verdict)
                },
            });
        }
        if let (true, Some(verdict)) = (pass.by_policy, &pass.verdict) {
            rejected = false;
            acts.push(Act {
                family: pass.family,
                table: pass.table.clone(),
                chain: pass.chain.clone(),
                handle: None,
                verdict: verdict_words(verdict),
            });
        }
    }
    (acts, rejected)
}

fn acts_of_prediction(simulator: &Simulator<'_>, trace: &Trace) -> Vec<Act> {
    let mut acts = Vec::new();
    for step in &trace.steps {
        let Step::Chain(step) = step else {
            continue;
        };
        for rule in &step.rules {
            let (Outcome::Matched(verdict), Place::Nft(id)) = (&rule.outcome, rule.place) else {
                continue;
            };
            let program = &simulator.program;
            let (Some(table), Some(chain)) = (program.table_of(id), program.chain(id)) else {
                continue;
            };
            acts.push(Act {
                family: table.family,
                table: table.name.clone(),
                chain: chain.name.clone(),
                handle: chain.rules.get(rule.rule).map(|rule| rule.handle),
                verdict: verdict.words(),
            });
        }
        policy(simulator, step, &mut acts);
    }
    acts
}

fn policy(simulator: &Simulator<'_>, step: &ChainStep, acts: &mut Vec<Act>) {
    let Place::Nft(id) = step.place else {
        return;
    };
    let program = &simulator.program;
    if let (true, Some(table), Some(chain)) =
        (step.by_policy, program.table_of(id), program.chain(id))
    {
        let verdict = match &step.verdict {
            RuleVerdict::Continue => "accept".to_owned(),
            verdict => verdict.words(),
        };
        acts.push(Act {
            family: table.family,
            table: table.name.clone(),
            chain: chain.name.clone(),
            handle: None,
            verdict,
        });
    }
}

/// What the kernel said, in the vocabulary of `trace --json`; `text` gives the text of a rule by its act.
pub fn json(
    picture: &Snapshot,
    answer: &Answer,
    comparison: &Comparison,
    not_copied: &[String],
    text: impl Fn(&Act) -> Option<String>,
) -> Value {
    let mut acts = comparison.kernel.iter();
    let passes = answer.group.iter().flat_map(|group| &group.passes);
    let steps: Vec<Value> = passes
        .map(|pass| {
            let rules: Vec<Value> = acts
                .by_ref()
                .take(pass.hits.len())
                .map(|act| {
                    json!({
                        "chain": &*act.chain,
                        "handle": act.handle,
                        "text": text(act),
                        "matched": true,
                        "verdict": act.verdict,
                    })
                })
                .collect();
            if pass.by_policy {
                let _ = acts.next();
            }
            let base = picture
                .ruleset
                .table(pass.family, &pass.table)
                .and_then(|table| table.chain(&pass.chain))
                .and_then(|chain| chain.base.as_ref());
            json!({
                "kind": "chain",
                "hook": base.map(|base| hook_name(pass.family, u8::try_from(base.hook).unwrap_or(u8::MAX))),
                "family": pass.family.name(),
                "table": &*pass.table,
                "chain": &*pass.chain,
                "type": base.map(|base| base.kind.to_string()),
                "priority": base.map(|base| base.priority),
                "backend": "nft",
                "rules": rules,
                "verdict": pass.verdict.as_ref().map(verdict_words),
                "by": if pass.by_policy { "policy" } else { "rule" },
            })
        })
        .collect();
    let last = answer.group.as_ref().and_then(|group| group.last.as_ref());
    json!({
        "steps": steps,
        "fate": comparison.fate.map(Fate::word),
        "end": comparison.end,
        "oif": comparison.oif.as_deref(),
        "final": last.map(crate::flow::observed::Observed::json),
        "agrees": comparison.agrees(),
        "differences": comparison.differences,
        "prediction_uncertain": comparison.uncertain,
        "not_copied": not_copied,
    })
}
