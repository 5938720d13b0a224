//! The JSON of `hookscope trace`.

use super::Words;
use crate::flow::path::{Headers, Trace};
use crate::flow::report::{ChainStep, Outcome, RuleStep, Step};
use serde_json::{Map, Value, json};

/// Add a member to an object.
fn put(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value.into());
    }
}

impl Words<'_> {
    fn rule_json(&self, rule: &RuleStep) -> Value {
        let chain = self.chain_facts(rule.place).map(|facts| facts.chain);
        let mut out = json!({
            "chain": chain,
            "handle": self.handle(rule.place, rule.rule),
            "text": &*self.rule(rule.place, rule.rule),
        });
        match &rule.outcome {
            Outcome::Matched(verdict) => {
                put(&mut out, "matched", true);
                put(&mut out, "verdict", verdict.words());
            }
            Outcome::Failed(op) => {
                put(&mut out, "matched", false);
                put(
                    &mut out,
                    "failed_at",
                    self.failed(rule.place, rule.rule, *op),
                );
            }
        }
        out
    }

    fn chain_json(&self, step: &ChainStep) -> Value {
        let facts = self.chain_facts(step.place).unwrap_or_default();
        json!({
            "kind": "chain",
            "hook": step.hook,
            "family": facts.family,
            "table": facts.table,
            "chain": facts.chain,
            "type": facts.kind,
            "priority": facts.priority,
            "backend": facts.backend,
            "rules": step.rules.iter().map(|rule| self.rule_json(rule)).collect::<Vec<_>>(),
            "verdict": step.verdict.words(),
            "by": if step.by_policy { "policy" } else { "rule" },
        })
    }

    fn step_json(&self, step: &Step) -> Value {
        match step {
            Step::Chain(chain) => self.chain_json(chain),
            Step::Nat(nat) => {
                let mut out = json!({
                    "kind": "nat",
                    "field": if nat.source { "src" } else { "dst" },
                    "from": nat.from.to_string(),
                    "to": nat.to.to_string(),
                });
                if nat.unknown_port {
                    put(&mut out, "random_port", true);
                }
                out
            }
            Step::Route(route) => {
                let mut out = json!({
                    "kind": "route",
                    "decision": route.decision,
                    "rule_priority": route.rule,
                    "table": route.table.map(|id| self.table(id)),
                    "prefix": route.prefix.map(|prefix| prefix.to_string()),
                    "oif": route.oif.map(|index| self.device(index)),
                    "via": route.via.map(|via| via.to_string()),
                    "src": route.src.map(|src| src.to_string()),
                });
                if !route.candidates.is_empty() {
                    let all = route.candidates.iter().map(|(oif, via)| {
                        json!({"oif": self.device(*oif), "via": via.map(|via| via.to_string())})
                    });
                    put(&mut out, "candidates", all.collect::<Vec<_>>());
                }
                out
            }
            Step::Check(check) => json!({
                "kind": "check",
                "name": check.name,
                "passed": check.passed,
                "detail": check.detail,
            }),
            Step::Conntrack(ct) => json!({
                "kind": "conntrack",
                "state": ct.state,
                "direction": if ct.reply { "reply" } else { "original" },
                "known": ct.flow.is_some(),
                "detail": ct.why,
            }),
        }
    }

    fn headers_json(headers: &Headers) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(key.to_owned(), value);
            }
        };
        put("src", headers.src.map(|a| a.to_string().into()));
        put("dst", headers.dst.map(|a| a.to_string().into()));
        put(
            "proto",
            headers
                .proto
                .map(|p| crate::flow::packet::protocol_name(p).into()),
        );
        put("sport", headers.sport.map(Into::into));
        put("dport", headers.dport.map(Into::into));
        out
    }

    /// The object of `hookscope trace --json`.
    pub fn json(&self, trace: &Trace, iif: Option<&str>, evidence: &Value) -> Value {
        let mut packet = Map::new();
        if let Some(iif) = iif {
            packet.insert("iif".into(), iif.into());
        }
        packet.extend(Self::headers_json(&trace.first));
        packet.insert("length".into(), trace.first.length.into());
        let steps: Vec<Value> = trace
            .steps
            .iter()
            .map(|step| self.step_json(step))
            .collect();
        let mut out = json!({
            "packet": packet,
            "steps": steps,
            "fate": trace.fate.word(),
            "oif": trace.oif.map(|index| self.device(index)),
            "dropped_by": self.dropped_by(trace),
            "uncertain": trace.uncertain.iter().map(|one| json!({
                "what": one.what,
                "branches": one.branches.iter().map(|branch| json!({
                    "assume": branch.assume,
                    "fate": branch.fate.word(),
                    "oif": branch.oif.map(|index| self.device(index)),
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        });
        if trace.fate.passes() {
            let mut last = Self::headers_json(&trace.last);
            last.remove("proto");
            put(&mut out, "final", last);
        }
        put(&mut out, "evidence", evidence.clone());
        out
    }

    fn dropped_by(&self, trace: &Trace) -> Value {
        let Some((place, step)) = trace
            .dropped_by
            .and_then(|at| Some((at, trace.steps.get(at)?)))
        else {
            return Value::Null;
        };
        let mut out = json!({"step": place});
        match step {
            Step::Chain(chain) => {
                let facts = self.chain_facts(chain.place).unwrap_or_default();
                put(&mut out, "family", facts.family);
                put(&mut out, "table", facts.table);
                put(&mut out, "chain", facts.chain);
                let last = chain.rules.last().filter(|_| !chain.by_policy);
                if let Some(rule) = last {
                    if let Some(inner) = self.chain_facts(rule.place) {
                        put(&mut out, "chain", inner.chain);
                    }
                    put(&mut out, "handle", self.handle(rule.place, rule.rule));
                }
            }
            Step::Check(check) => put(&mut out, "check", check.name),
            Step::Route(route) => put(&mut out, "route", route.decision),
            _ => {}
        }
        out
    }
}
