//! One packet as people and programs see it: devices by name, rules with their texts, and its fate.

use super::Devices;
use super::texts::Texts;
use crate::flow::Question;
use crate::flow::group::{End, Group, verdict_words};
use crate::flow::hooks::hook_name;
use crate::flow::observed::Observed;
use crate::flow::packet::CtOverride;
use crate::flow::report::Fate;
use crate::model::trace::TracedCt;
use crate::model::{Family, Name, Verdict};
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// A rule that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleHit {
    pub chain: Name,
    pub handle: u64,
    /// Nothing where the rule is gone by now.
    pub text: Option<String>,
    /// In the words of `trace --json`.
    pub verdict: String,
    /// The chain that was jumped to stands so deep; 0: the base chain.
    pub depth: usize,
}

/// A base chain that the packet went through.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainPass {
    /// Nothing where the chain is gone by now.
    pub hook: Option<&'static str>,
    pub kind: Option<Name>,
    pub priority: Option<i32>,
    pub family: Family,
    pub table: Name,
    pub chain: Name,
    pub hits: Vec<RuleHit>,
    pub verdict: String,
    pub by_policy: bool,
    /// The packet as it came here.
    pub seen: Option<Observed>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// From 1, in the order in which packets were seen.
    pub number: u64,
    /// The kernel's number of its trace.
    pub id: u32,
    pub time: SystemTime,
    /// The same as local time of day, with microseconds.
    pub clock: String,
    pub seen: Observed,
    pub iif: Option<Name>,
    pub oif: Option<Name>,
    /// This machine sent it.
    pub local: bool,
    /// A copy of a packet, or one that went on as another.
    pub continued: bool,
    pub ct: Option<TracedCt>,
    pub passes: Vec<ChainPass>,
    /// Nothing where the trace does not tell.
    pub fate: Option<Fate>,
    /// Headers at the end of its last hook.
    pub last: Option<Observed>,
}

pub fn make(number: u64, group: Group, texts: &mut Texts, devices: &mut Devices) -> Packet {
    let mut rejected = false;
    let mut passes = Vec::new();
    for pass in &group.passes {
        let mut stack = vec![pass.chain.clone()];
        let mut hits = Vec::new();
        for hit in &pass.hits {
            match stack.iter().position(|chain| *chain == hit.chain) {
                Some(at) => stack.truncate(at + 1),
                None => stack.push(hit.chain.clone()),
            }
            let facts = texts.rule(pass.family, &pass.table, &hit.chain, hit.handle);
            let rejects = facts.as_ref().is_some_and(|facts| facts.rejects);
            let drops = hit.verdict == Verdict::Drop;
            rejected = rejects && drops;
            hits.push(RuleHit {
                chain: hit.chain.clone(),
                handle: hit.handle,
                text: facts.map(|facts| facts.text),
                verdict: if rejected {
                    "reject".into()
                } else {
                    verdict_words(&hit.verdict)
                },
                depth: stack.len() - 1,
            });
        }
        rejected &= !pass.by_policy;
        let base = texts.base(pass.family, &pass.table, &pass.chain);
        passes.push(ChainPass {
            hook: base
                .map(|base| hook_name(pass.family, u8::try_from(base.hook).unwrap_or(u8::MAX))),
            kind: base.map(|base| base.kind.clone()),
            priority: base.map(|base| base.priority),
            family: pass.family,
            table: pass.table.clone(),
            chain: pass.chain.clone(),
            hits,
            verdict: match &pass.verdict {
                _ if rejected => "reject".into(),
                Some(verdict) => verdict_words(verdict),
                None => "unknown".into(),
            },
            by_policy: pass.by_policy,
            seen: pass.seen.clone(),
        });
    }
    let fate = match group.end {
        End::Unseen => None,
        End::Dropped if rejected => Some(Fate::Rejected),
        End::Dropped => Some(Fate::Dropped),
        End::Queued => Some(Fate::Queued),
        End::Stolen => Some(Fate::Stolen),
        End::Delivered => Some(Fate::Delivered),
        End::Left if group.local => Some(Fate::Sent),
        End::Left => Some(Fate::Forwarded),
    };
    let time = SystemTime::now();
    Packet {
        number,
        id: group.id,
        time,
        clock: clock(time),
        iif: devices.name(group.iif),
        oif: devices.name(group.oif),
        local: group.local,
        continued: group.continued,
        ct: group.ct,
        seen: group.first,
        passes,
        fate,
        last: group.last,
    }
}

impl Packet {
    pub fn is_drop(&self) -> bool {
        matches!(self.fate, Some(Fate::Dropped | Fate::Rejected))
    }

    /// The chain, and the rule in it, that ended the packet.
    pub fn ended_by(&self) -> Option<(&ChainPass, Option<&RuleHit>)> {
        if !self.is_drop() && !matches!(self.fate, Some(Fate::Queued | Fate::Stolen)) {
            return None;
        }
        let pass = self.passes.last()?;
        Some((pass, pass.hits.last().filter(|_| !pass.by_policy)))
    }

    /// The question that `hookscope trace` answers with the predicted path of such a packet.
    pub fn question(&self) -> Question {
        let iif = self.iif.as_ref().filter(|_| !self.local);
        let mut question = self.seen.question(iif.map(|name| name.to_string()));
        // The connection that it began is known by now.
        let new = self.ct.is_some_and(|ct| ct.state_word() == "new");
        question.ct_state = new.then_some(CtOverride::New);
        question
    }

    /// One word on its end, for people.
    pub fn fate_word(&self) -> &'static str {
        self.fate.map_or("unseen", Fate::word)
    }

    /// What ended it, or how far it was seen: `inet fw input: rule 7: tcp dport 23 drop`.
    pub fn reason(&self) -> String {
        if let Some((pass, hit)) = self.ended_by() {
            let place = format!("{} {}", pass.family, pass.table);
            return match hit {
                Some(hit) => {
                    let text = hit.text.as_deref().unwrap_or("(the rule is gone by now)");
                    format!("{place} {} rule {}: {text}", hit.chain, hit.handle)
                }
                None => format!("{place} {}: policy {}", pass.chain, pass.verdict),
            };
        }
        match (self.fate, &self.oif, self.passes.last()) {
            (Some(Fate::Delivered), ..) => "to this machine".into(),
            (Some(Fate::Forwarded | Fate::Sent), Some(oif), _) => format!("by {oif}"),
            (None, _, Some(pass)) => {
                format!("last seen in {} {} {}", pass.family, pass.table, pass.chain)
            }
            (None, _, None) => {
                "not seen after its first hook: routing or a check between the hooks".into()
            }
            _ => String::new(),
        }
    }

    /// One object, its steps in the vocabulary of `trace --json`.
    pub fn json(&self) -> Value {
        let mut packet = Map::new();
        if let Some(iif) = self.iif.as_ref().filter(|_| !self.local) {
            packet.insert("iif".into(), (**iif).into());
        }
        packet.extend(self.seen.json());
        let steps: Vec<Value> = self.passes.iter().map(ChainPass::json).collect();
        let mut out = json!({
            "number": self.number,
            "id": format!("{:08x}", self.id),
            "time": seconds(self.time),
            "packet": packet,
            "ct_state": self.ct.map(|ct| ct.state_word()),
            "steps": steps,
            "fate": self.fate.map(Fate::word),
            "oif": self.oif.as_ref().filter(|_| self.fate.is_none_or(Fate::passes)).map(|name| name.to_string()),
            "dropped_by": Value::Null,
        });
        if let (true, Some((pass, hit))) = (self.is_drop(), self.ended_by()) {
            let mut by = json!({
                "step": self.passes.len() - 1,
                "family": pass.family.name(),
                "table": &*pass.table,
                "chain": hit.map_or(&*pass.chain, |hit| &*hit.chain),
            });
            if let Some(hit) = hit {
                by["handle"] = hit.handle.into();
            }
            out["dropped_by"] = by;
        }
        if self.continued {
            out["continued"] = true.into();
        }
        if let Some(last) = &self.last {
            let all = last.json();
            let keys = ["src", "dst", "sport", "dport"];
            let last: Map<String, Value> = keys
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), all.get(key)?.clone())))
                .collect();
            out["final"] = last.into();
        }
        out
    }

    /// The path for people, chain by chain.
    pub fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        for pass in &self.passes {
            let hook = pass.hook.unwrap_or("?");
            let priority = pass
                .priority
                .map(|priority| format!(" priority {priority}"))
                .unwrap_or_default();
            let by = if pass.by_policy { " (policy)" } else { "" };
            out.push(format!(
                "{hook}: {} {} {}{priority}: {}{by}",
                pass.family, pass.table, pass.chain, pass.verdict
            ));
            for hit in &pass.hits {
                let indent = "  ".repeat(hit.depth + 1);
                let text = hit.text.as_deref().unwrap_or("(the rule is gone by now)");
                let verdict = match hit.verdict.as_str() {
                    "continue" => String::new(),
                    verdict => format!(" -> {verdict}"),
                };
                out.push(format!("{indent}+ {}: {text}{verdict}", hit.handle));
            }
        }
        out
    }
}

impl ChainPass {
    fn json(&self) -> Value {
        let rules: Vec<Value> = self
            .hits
            .iter()
            .map(|hit| {
                json!({
                    "chain": &*hit.chain,
                    "handle": hit.handle,
                    "text": hit.text,
                    "matched": true,
                    "verdict": hit.verdict,
                })
            })
            .collect();
        json!({
            "kind": "chain",
            "hook": self.hook,
            "family": self.family.name(),
            "table": &*self.table,
            "chain": &*self.chain,
            "type": self.kind.as_deref(),
            "priority": self.priority,
            "backend": "nft",
            "rules": rules,
            "verdict": self.verdict,
            "by": if self.by_policy { "policy" } else { "rule" },
        })
    }
}

/// Seconds since 1970, with microseconds.
pub fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_micros() as f64 / 1e6)
}

/// Local time of day, with microseconds.
pub fn clock(time: SystemTime) -> String {
    let time: chrono::DateTime<chrono::Local> = time.into();
    time.format("%H:%M:%S%.6f").to_string()
}
