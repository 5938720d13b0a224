//! The path in lines for people.

use super::Words;
use crate::flow::path::Trace;
use crate::flow::report::{ChainStep, Endpoint, Outcome, Place, RuleVerdict, Step};

impl Words<'_> {
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

fn packet_line(trace: &Trace, iif: Option<&str>) -> String {
    let first = &trace.first;
    let end = |address: Option<std::net::IpAddr>, port: Option<u16>| match (address, port) {
        (Some(address), port) => Endpoint { address, port }.to_string(),
        (None, _) => "?".into(),
    };
    let proto = first
        .proto
        .map(crate::flow::packet::protocol_name)
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
