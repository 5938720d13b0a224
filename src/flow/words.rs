//! A path in words: texts of rules, the JSON of `hookscope trace`, and lines for people.
//! May use `lang`, which writes the texts of rules.

use super::eval::program::ChainId;
use super::path::{Headers, Simulator, Trace};
use super::report::{ChainStep, Outcome, Place, RuleStep, RuleVerdict, Step};
use crate::kernel::netlink::Attrs;
use crate::lang::english;
use crate::lang::iptables::rule::Target;
use crate::lang::iptables::save::Context;
use crate::lang::iptables::{from_legacy, print as iptables_print};
use crate::lang::nft::delinearize::TableView;
use crate::lang::nft::facts;
use crate::model::{Family, Names, Rule, Ruleset};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Words of one picture.
pub struct Words<'a> {
    sim: &'a Simulator<'a>,
    ruleset: &'a Ruleset,
    names: &'a Names,
    views: RefCell<HashMap<usize, Rc<TableView>>>,
    texts: RefCell<HashMap<(ChainId, usize), Rc<str>>>,
}

const NFTA_RULE_EXPRESSIONS: u16 = 4;

/// The attributes of a rule with its first expressions only.
fn first_expressions(attributes: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(attributes.len());
    let mut put = |kind: u16, payload: &[u8]| {
        let len = (payload.len() + 4) as u16;
        out.extend(len.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(payload);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    for attr in Attrs::new(attributes).filter_map(Result::ok) {
        if attr.kind != NFTA_RULE_EXPRESSIONS {
            continue;
        }
        let mut list = Vec::new();
        for element in Attrs::new(attr.payload).filter_map(Result::ok).take(count) {
            let len = (element.payload.len() + 4) as u16;
            list.extend(len.to_ne_bytes());
            list.extend(element.kind.to_ne_bytes());
            list.extend(element.payload);
            list.resize(list.len().next_multiple_of(4), 0);
        }
        put(attr.kind, &list);
    }
    out
}

impl<'a> Words<'a> {
    pub fn new(sim: &'a Simulator<'a>, ruleset: &'a Ruleset, names: &'a Names) -> Words<'a> {
        Words {
            sim,
            ruleset,
            names,
            views: RefCell::default(),
            texts: RefCell::default(),
        }
    }

    fn view(&self, chain: ChainId) -> Option<Rc<TableView>> {
        let number = self.sim.program.chains.get(chain)?.table;
        if let Some(view) = self.views.borrow().get(&number) {
            return Some(view.clone());
        }
        let view = Rc::new(TableView::new(self.ruleset.tables.get(number)?));
        self.views.borrow_mut().insert(number, view.clone());
        Some(view)
    }

    /// A rule as one line, without counters.
    pub fn rule(&self, place: Place, rule: usize) -> Rc<str> {
        let chain = match place {
            Place::Nft(chain) => chain,
            Place::Legacy { table, chain } => return self.legacy_rule(table, chain, rule).into(),
        };
        if let Some(text) = self.texts.borrow().get(&(chain, rule)) {
            return text.clone();
        }
        let found = self
            .sim
            .program
            .chain(chain)
            .and_then(|chain| chain.rules.get(rule));
        let text: Rc<str> = match (self.view(chain), found) {
            (Some(view), Some(rule)) => facts::rule_text_stateless(&view, self.names, rule).into(),
            _ => "".into(),
        };
        self.texts.borrow_mut().insert((chain, rule), text.clone());
        text
    }

    /// A rule in plain English; nothing for rules of the legacy backend.
    pub fn sentence(&self, place: Place, rule: usize) -> Option<String> {
        let Place::Nft(chain) = place else {
            return None;
        };
        let rule = self.sim.program.chain(chain)?.rules.get(rule)?;
        Some(english::rule(&*self.view(chain)?, self.names, rule))
    }

    fn context(&self, family: Family) -> Context<'_> {
        Context {
            family,
            names: self.names,
        }
    }

    fn legacy_rule(&self, table: usize, chain: usize, rule: usize) -> String {
        let mut text = String::new();
        let Some(table) = self.sim.legacy.get(table).map(|table| table.table) else {
            return text;
        };
        let found = table
            .chains
            .get(chain)
            .and_then(|chain| chain.rules.get(rule));
        if let Some(rule) = found {
            let rule = from_legacy::rule(table.family, rule);
            iptables_print::rule(&rule, &self.context(table.family), &mut text);
        }
        text.trim_start().to_owned()
    }

    /// The part of a legacy rule that did not match: its header, or one of its matches.
    fn legacy_failed(&self, table: usize, chain: usize, rule: usize, part: usize) -> String {
        let mut text = String::new();
        let Some(table) = self.sim.legacy.get(table).map(|table| table.table) else {
            return text;
        };
        let found = table
            .chains
            .get(chain)
            .and_then(|chain| chain.rules.get(rule));
        let Some(found) = found else {
            return text;
        };
        let mut rule = from_legacy::rule(table.family, found);
        match part.checked_sub(1) {
            None => {
                rule.parts.clear();
                rule.target = Target::Nothing;
                iptables_print::rule(&rule, &self.context(table.family), &mut text);
            }
            Some(part) => {
                if let Some(part) = rule.parts.get(part) {
                    text = format!("-m {}", part.name());
                    iptables_print::options(part, &self.context(table.family), &mut text);
                }
            }
        }
        text.trim_start().to_owned()
    }

    /// The statement that did not match.
    pub fn failed(&self, place: Place, rule: usize, op: usize) -> String {
        let chain = match place {
            Place::Nft(chain) => chain,
            Place::Legacy { table, chain } => return self.legacy_failed(table, chain, rule, op),
        };
        let found = self
            .sim
            .program
            .chain(chain)
            .and_then(|chain| chain.rules.get(rule));
        let (Some(view), Some(rule)) = (self.view(chain), found) else {
            return String::new();
        };
        let upto = |count: usize| {
            let attributes = first_expressions(rule.attributes, count);
            let rule = Rule {
                handle: rule.handle,
                attributes: &attributes,
            };
            facts::rule_text_stateless(&view, self.names, rule)
        };
        let whole = upto(op + 1);
        // What stood before the failing statement is not repeated.
        let before = (0..=op).rev().map(upto).find(|before| {
            !before.is_empty() && whole.len() > before.len() && whole.starts_with(&**before)
        });
        match before {
            Some(before) => whole
                .get(before.len()..)
                .unwrap_or_default()
                .trim()
                .to_owned(),
            None => whole,
        }
    }

    /// Family, table, chain, type, priority and backend of a place.
    pub fn chain_facts(&self, place: Place) -> Option<ChainFacts> {
        let id = match place {
            Place::Nft(id) => id,
            Place::Legacy { table, chain } => {
                let table = self.sim.legacy.get(table)?;
                let hooks = table.hooks();
                let chain = table.table.chains.get(chain)?;
                let kind = if hooks.is_nat { "nat" } else { "filter" };
                let hook = chain.policy.as_ref().map(|policy| policy.hook as usize);
                return Some(ChainFacts {
                    family: table.table.family.name().to_owned(),
                    table: table.table.name.to_string(),
                    chain: chain.name.to_string(),
                    kind: hook.map(|_| kind.to_owned()),
                    priority: hook.and_then(|hook| hooks.priority.get(hook).copied()),
                    backend: "legacy",
                });
            }
        };
        let (table, chain) = (self.sim.program.table_of(id)?, self.sim.program.chain(id)?);
        let base = chain.base.as_ref();
        Some(ChainFacts {
            family: table.family.name().to_owned(),
            table: table.name.to_string(),
            chain: chain.name.to_string(),
            kind: base.map(|base| base.kind.to_string()),
            priority: base.map(|base| base.priority),
            backend: "nft",
        })
    }

    /// Its handle, or its number in a legacy chain.
    pub fn handle(&self, place: Place, rule: usize) -> u64 {
        match place {
            Place::Nft(id) => {
                let chain = self.sim.program.chain(id);
                chain
                    .and_then(|chain| chain.rules.get(rule))
                    .map_or(0, |rule| rule.handle)
            }
            Place::Legacy { .. } => rule as u64 + 1,
        }
    }

    fn device(&self, index: u32) -> String {
        self.sim.network.link_name(index).to_string()
    }

    /// The name of a routing table.
    pub fn table(&self, id: u32) -> String {
        self.names.routing.table(id).into_owned()
    }

    fn rule_json(&self, rule: &RuleStep) -> Value {
        let chain = self.chain_facts(rule.place).map(|facts| facts.chain);
        let mut out = json!({
            "chain": chain,
            "handle": self.handle(rule.place, rule.rule),
            "text": &*self.rule(rule.place, rule.rule),
        });
        match &rule.outcome {
            Outcome::Matched(verdict) => {
                out["matched"] = true.into();
                out["verdict"] = verdict.words().into();
            }
            Outcome::Failed(op) => {
                out["matched"] = false.into();
                out["failed_at"] = self.failed(rule.place, rule.rule, *op).into();
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
                    out["random_port"] = true.into();
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
                    out["candidates"] = all.collect::<Vec<_>>().into();
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
                .map(|p| super::packet::protocol_name(p).into()),
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
            out["final"] = last.into();
        }
        out["evidence"] = evidence.clone();
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
                out["family"] = facts.family.into();
                out["table"] = facts.table.into();
                out["chain"] = facts.chain.into();
                let last = chain.rules.last().filter(|_| !chain.by_policy);
                if let Some(rule) = last {
                    if let Some(inner) = self.chain_facts(rule.place) {
                        out["chain"] = inner.chain.into();
                    }
                    out["handle"] = self.handle(rule.place, rule.rule).into();
                }
            }
            Step::Check(check) => out["check"] = check.name.into(),
            Step::Route(route) => out["route"] = route.decision.into(),
            _ => {}
        }
        out
    }

    /// The path for people, in lines of at most `width` columns.
    pub fn lines(&self, trace: &Trace, iif: Option<&str>, width: usize) -> Vec<String> {
        let mut out = vec![packet_line(trace, iif)];
        for step in &trace.steps {
            match step {
                Step::Chain(chain) => self.chain_lines(chain, &mut out),
                Step::Nat(nat) => {
                    let side = if nat.source { "source" } else { "destination" };
                    let note = if nat.unknown_port {
                        " (the port is drawn at random)"
                    } else {
                        ""
                    };
                    out.push(format!("nat: {side} {} becomes {}{note}", nat.from, nat.to));
                }
                Step::Route(route) => {
                    let mut line = format!("route: {}", route.decision);
                    if let Some(table) = route.table {
                        line += &format!(", table {}", self.table(table));
                    }
                    if let Some(prefix) = route.prefix {
                        line += &format!(", {prefix}");
                    }
                    if let Some(oif) = route.oif {
                        line += &format!(" dev {}", self.device(oif));
                    }
                    if let Some(via) = route.via {
                        line += &format!(" via {via}");
                    }
                    if let Some(src) = route.src {
                        line += &format!(" src {src}");
                    }
                    if let Some(rule) = route.rule {
                        line += &format!(" (rule {rule})");
                    }
                    out.push(line);
                }
                Step::Check(check) => {
                    let mark = if check.passed { "passed" } else { "FAILED" };
                    out.push(format!("check: {} {mark}: {}", check.name, check.detail));
                }
                Step::Conntrack(ct) => {
                    let side = if ct.reply { ", an answer" } else { "" };
                    let why = ct.why.map(|why| format!(" ({why})")).unwrap_or_default();
                    out.push(format!("conntrack: {}{side}{why}", ct.state));
                }
            }
        }
        let by = self.ended_by(trace);
        let oif = trace
            .oif
            .map(|index| format!(" by {}", self.device(index)))
            .unwrap_or_default();
        out.push(format!("=> {}{oif}{by}", trace.fate.word()));
        for one in &trace.uncertain {
            out.push(format!("uncertain: {}", one.what));
            for branch in &one.branches {
                let oif = branch
                    .oif
                    .map(|index| format!(" by {}", self.device(index)));
                out.push(format!(
                    "  if {}: {}{}",
                    branch.assume,
                    branch.fate.word(),
                    oif.unwrap_or_default()
                ));
            }
        }
        out.iter().flat_map(|line| wrap(line, width)).collect()
    }

    fn ended_by(&self, trace: &Trace) -> String {
        let step = trace.dropped_by.and_then(|at| trace.steps.get(at));
        match step {
            Some(Step::Chain(chain)) => {
                let facts = self.chain_facts(chain.place).unwrap_or_default();
                let what = match chain.rules.last().filter(|_| !chain.by_policy) {
                    Some(rule) => format!("rule {}", self.handle(rule.place, rule.rule)),
                    None => "the policy".into(),
                };
                format!(
                    ", {what} of {} {} {}",
                    facts.family, facts.table, facts.chain
                )
            }
            _ => String::new(),
        }
    }

    fn chain_lines(&self, step: &ChainStep, out: &mut Vec<String>) {
        let facts = self.chain_facts(step.place).unwrap_or_default();
        let priority = facts
            .priority
            .map(|p| format!(" priority {p}"))
            .unwrap_or_default();
        let by = if step.by_policy { " (policy)" } else { "" };
        out.push(format!(
            "{}: {} {} {}{priority}: {}{by}",
            step.hook,
            facts.family,
            facts.table,
            facts.chain,
            step.verdict.words()
        ));
        let mut depth: Vec<Place> = vec![step.place];
        for rule in &step.rules {
            match depth.iter().position(|place| *place == rule.place) {
                Some(at) => depth.truncate(at + 1),
                None => depth.push(rule.place),
            }
            let indent = "  ".repeat(depth.len());
            let text = self.rule(rule.place, rule.rule);
            let handle = self.handle(rule.place, rule.rule);
            match &rule.outcome {
                Outcome::Matched(verdict) => {
                    let verdict = match verdict {
                        RuleVerdict::Continue => String::new(),
                        verdict => format!(" -> {}", verdict.words()),
                    };
                    out.push(format!("{indent}+ {handle}: {text}{verdict}"));
                }
                Outcome::Failed(op) => {
                    let failed = self.failed(rule.place, rule.rule, *op);
                    let failed = if *failed == *text {
                        "no match".into()
                    } else {
                        format!("not: {failed}")
                    };
                    out.push(format!("{indent}- {handle}: {text}  [{failed}]"));
                }
            }
        }
    }
}

/// What a chain is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainFacts {
    pub family: String,
    pub table: String,
    pub chain: String,
    pub kind: Option<String>,
    pub priority: Option<i32>,
    /// `nft` or `legacy`
    pub backend: &'static str,
}

fn packet_line(trace: &Trace, iif: Option<&str>) -> String {
    let first = &trace.first;
    let end = |address: Option<std::net::IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), port) => super::report::Endpoint { address, port }.to_string(),
        (None, _) => "?".into(),
    };
    let proto = first
        .proto
        .map(super::packet::protocol_name)
        .unwrap_or_default();
    let from = match iif {
        Some(iif) => format!("arrives on {iif}"),
        None => "sent by this machine".into(),
    };
    format!(
        "packet: {proto} {} -> {}, {} bytes, {from}",
        end(first.src, first.sport),
        end(first.dst, first.dport),
        first.length
    )
}

/// Break a line at spaces; what follows is set in.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let width = width.max(20);
    // Beyond half of the width nothing would be gained by a new line.
    let indent = (line.len() - line.trim_start().len() + 4).min(width / 2);
    let mut out = Vec::new();
    let mut rest = line.to_owned();
    while rest.chars().count() > width {
        let limit: usize = rest
            .char_indices()
            .nth(width)
            .map_or(rest.len(), |(at, _)| at);
        let start = if out.is_empty() { 0 } else { indent };
        let head = rest.get(..limit).unwrap_or(&rest);
        let cut = head
            .rfind(' ')
            .filter(|cut| *cut > start + 8)
            .unwrap_or(limit);
        let next = rest.split_off(cut).trim_start().to_owned();
        out.push(rest);
        rest = " ".repeat(indent) + &next;
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn long_lines_are_broken_at_spaces() {
        let line = "  + 12: tcp dport { 22, 80, 443, 8080, 8443 } counter jump services_of_the_inside -> jump";
        let lines = wrap(line, 40);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 40),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("      "));
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&lines.join(" ")), words(line));
        assert_eq!(wrap("short", 40), ["short"]);
        // Nothing to break at: it is cut, and ends.
        assert!(wrap(&"x".repeat(500), 40).len() > 10);
    }
}
