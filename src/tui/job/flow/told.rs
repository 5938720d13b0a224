//! A simulated path as rows for people: what happened at every hook, rule by rule, and why.

mod ending;

use super::Station;
use super::path::{Line, Mark, Row, Sort, Told, line};
use super::reasons::{check_words, state_words, verdict_words};
use crate::flow::packet::protocol_name;
use crate::flow::report::{ChainStep, Endpoint, Fate, Outcome, Place, RuleStep, RuleVerdict, Step};
use crate::flow::words::Words;
use crate::flow::{Question, Simulator, Trace};
use crate::lang::iptables::as_nft;
use crate::model::Family;
use crate::session::ChainKey;
use crate::tui::{human, text};

fn end(address: Option<std::net::IpAddr>, port: Option<u16>) -> String {
    match (address, port) {
        (Some(address), port) => Endpoint { address, port }.to_string(),
        (None, _) => "?".into(),
    }
}

struct Teller<'t> {
    simulator: &'t Simulator<'t>,
    words: &'t Words<'t>,
    rows: Vec<Row>,
    family: Family,
    station: Station,
}

/// The path in rows.
pub fn tell(
    simulator: &Simulator<'_>,
    words: &Words<'_>,
    question: &Question,
    trace: &Trace,
    basis: Vec<String>,
) -> Told {
    let v6 = trace
        .first
        .src
        .or(trace.first.dst)
        .is_some_and(|a| a.is_ipv6());
    let own = if v6 { Family::Ip6 } else { Family::Ip };
    let mut teller = Teller {
        simulator,
        words,
        rows: Vec::new(),
        family: own,
        station: if question.iif.is_some() {
            Station::Ingress
        } else {
            Station::Local
        },
    };
    let proto = trace.first.proto.map(protocol_name).unwrap_or_default();
    let packet = format!(
        "{proto} {} → {}",
        end(trace.first.src, trace.first.sport),
        end(trace.first.dst, trace.first.dport)
    );
    let packet = packet.trim_start().to_owned();
    let comes = match &question.iif {
        Some(iif) => format!("arrives on {iif}"),
        None => "is sent by this machine".into(),
    };
    let mut about = vec![line(
        Sort::Plain,
        format!(
            "A packet of {} bytes {comes}: {packet}.",
            trace.first.length
        ),
    )];
    let given = crate::flow::options::of(&Question {
        time: None,
        ..question.clone()
    });
    let given = given.iter().map(|(name, text)| (*name, text.as_str()));
    about.push(line(Sort::Dim, crate::flow::options::line(given)));
    teller.push(Mark::Packet, true, format!("packet {comes}"), about);
    for (place, step) in trace.steps.iter().enumerate() {
        let last = trace.dropped_by == Some(place);
        teller.step(step, own, last, question);
    }
    // A packet that goes on is seen to its end.
    match trace.fate {
        Fate::Delivered => teller.station = Station::Local,
        Fate::Forwarded | Fate::Sent => teller.station = Station::Egress,
        _ => {}
    }
    let end = teller.end(trace);
    let ends_at = teller.rows.len();
    let about = teller.about_end(trace, &end);
    let last = teller.rows.last().filter(|row| row.fatal);
    let rule = last.and_then(|row| row.rule.clone());
    teller.push(Mark::End(trace.fate), true, end.clone(), about);
    if let Some(row) = teller.rows.last_mut() {
        row.rule = rule;
        row.fatal = !trace.fate.passes();
    }
    teller.uncertain(trace);
    teller.basis(basis);
    Told {
        packet,
        rows: teller.rows,
        fate: trace.fate,
        end,
        ends_at,
    }
}

impl Teller<'_> {
    fn push(&mut self, mark: Mark, head: bool, text: String, about: Vec<Line>) {
        self.rows.push(Row {
            family: self.family,
            station: self.station,
            mark,
            depth: 0,
            text,
            verdict: String::new(),
            fatal: false,
            chain: None,
            rule: None,
            about,
            head,
        });
    }

    fn device(&self, index: u32) -> String {
        self.simulator.network.link_name(index).to_string()
    }

    fn step(&mut self, step: &Step, own: Family, last: bool, question: &Question) {
        match step {
            Step::Chain(chain) => self.chain(chain, own, last),
            Step::Conntrack(ct) => {
                self.station = match self.station {
                    Station::Ingress => Station::Prerouting,
                    Station::Local => Station::Output,
                    other => other,
                };
                let side = if ct.reply { ", an answer" } else { "" };
                let mut about = vec![line(Sort::Plain, state_words(ct.state, ct.reply))];
                let known = ct.flow.is_some();
                let table = if known {
                    "The connection is in the kernel's table of connections."
                } else {
                    "No entry of the kernel's table of connections fits it."
                };
                about.push(line(Sort::Dim, table));
                about.extend(ct.why.map(|why| line(Sort::Plain, why)));
                let text = format!("conntrack: {}{side}", ct.state);
                self.push(Mark::Kernel, true, text, about);
            }
            Step::Nat(nat) => {
                self.station = match (nat.source, self.station, question.iif.is_some()) {
                    (false, Station::Ingress, _) => Station::Prerouting,
                    (false, Station::Local, _) => Station::Output,
                    (true, Station::Route | Station::Forward, _) => Station::Postrouting,
                    (_, other, _) => other,
                };
                let side = if nat.source { "source" } else { "destination" };
                let mut about = vec![line(
                    Sort::Plain,
                    format!("NAT rewrites the {side} from {} to {}.", nat.from, nat.to),
                )];
                if nat.unknown_port {
                    let note = "The port is drawn at random by the kernel; the old one is shown.";
                    about.push(line(Sort::Plain, note));
                }
                let what = "Answers are rewritten back without asking any rule.";
                about.push(line(Sort::Dim, what));
                let text = format!("nat: {side} {} → {}", nat.from, nat.to);
                self.push(Mark::Kernel, true, text, about);
            }
            Step::Route(route) => self.route(route, own),
            Step::Check(check) => {
                if matches!(check.name, "rp_filter" | "martian" | "source" | "broadcast") {
                    self.station = match self.station {
                        Station::Ingress | Station::Prerouting => Station::Route,
                        other => other,
                    };
                }
                if matches!(check.name, "ttl" | "forwarding" | "mtu")
                    && self.station == Station::Route
                {
                    self.station = Station::Forward;
                }
                let (mark, sort, word) = if check.passed {
                    (Mark::CheckPassed, Sort::Good, "Passed")
                } else {
                    (Mark::CheckFailed, Sort::Bad, "Failed")
                };
                let mut about = vec![line(Sort::Plain, check_words(check.name))];
                about.push(line(sort, format!("{word}: {}", check.detail)));
                let text = format!("check {}: {}", check.name, check.detail);
                self.push(mark, true, text, about);
            }
        }
    }

    fn route(&mut self, route: &crate::flow::report::RouteStep, own: Family) {
        self.family = own;
        if !matches!(self.station, Station::Local | Station::Output) {
            self.station = Station::Route;
        }
        let mut text = format!("route: {}", route.decision);
        let mut about = Vec::new();
        if let Some(prefix) = route.prefix {
            text += &format!(", {prefix}");
            let table = route
                .table
                .map(|id| self.words.table(id))
                .unwrap_or_default();
            let rule = route
                .rule
                .map(|rule| format!("Policy rule {rule} looks in table {table}; there "))
                .unwrap_or_else(|| format!("In table {table} "));
            about.push(line(
                Sort::Plain,
                format!("{rule}{prefix} is the longest prefix that holds the destination."),
            ));
        }
        if let Some(oif) = route.oif {
            let oif = self.device(oif);
            text += &format!(" dev {oif}");
            let via = route.via.map(|via| format!(" to the next hop {via}"));
            let via_words = via.unwrap_or_default();
            about.push(line(Sort::Plain, format!("It leaves by {oif}{via_words}.")));
        }
        if let Some(via) = route.via {
            text += &format!(" via {via}");
        }
        if let Some(src) = route.src {
            about.push(line(
                Sort::Plain,
                format!("The source address becomes {src}."),
            ));
        }
        let what = match route.decision {
            "local" => "The packet is for this machine.",
            "forward" => "The packet is for somebody else: this machine passes it on.",
            "output" => "This machine sends it; routing chose the way before the rules see it.",
            "reroute" => "A rule changed the mark or an address: the way is chosen again.",
            "broadcast" => "The packet is for everybody on the network.",
            "multicast" => "The packet is for a group.",
            _ => "There is no way for this packet.",
        };
        about.insert(0, line(Sort::Plain, what));
        if !route.candidates.is_empty() {
            let hops = route.candidates.iter().map(|(oif, via)| {
                let via = via.map(|via| format!(" via {via}")).unwrap_or_default();
                format!("{}{via}", self.device(*oif))
            });
            let hops: Vec<String> = hops.collect();
            let text = format!(
                "One of several next hops is chosen by a hash: {}",
                hops.join(", ")
            );
            about.push(line(Sort::Plain, text));
        }
        let mark = if route.refused.is_some() {
            Mark::CheckFailed
        } else {
            Mark::Kernel
        };
        self.push(mark, true, text, about);
        self.station = match (route.refused, route.decision) {
            (None, "forward") => Station::Forward,
            (None, "local" | "broadcast") if self.station == Station::Route => Station::Input,
            _ => self.station,
        };
    }

    fn chain(&mut self, step: &ChainStep, own: Family, last: bool) {
        self.family = match step.protocol {
            Family::Bridge if !matches!(step.hook, "ingress" | "egress") => Family::Bridge,
            Family::Arp => Family::Arp,
            _ => own,
        };
        self.station = Station::of_hook(step.hook).unwrap_or(self.station);
        let facts = self.words.chain_facts(step.place).unwrap_or_default();
        let backend = if facts.backend == "legacy" {
            "legacy".to_owned()
        } else {
            facts.family.clone()
        };
        let name = format!("{backend} {} {}", facts.table, facts.chain);
        let mut about = vec![line(Sort::Heading, format!("{name} at {}", step.hook))];
        if let Place::Nft(id) = step.place
            && let Some(chain) = self.simulator.program.chain(id)
        {
            let family = self.simulator.program.family_of(id);
            about.push(line(Sort::Plain, text::chain_sentence(family, chain)));
        }
        let verdict = step.verdict.words();
        let by = if step.by_policy {
            "by its policy, because no rule decided"
        } else {
            "by the last of the rules below that matched"
        };
        let matched = step
            .rules
            .iter()
            .filter(|rule| matches!(rule.outcome, Outcome::Matched(_)));
        about.push(line(
            if last { Sort::Bad } else { Sort::Plain },
            format!(
                "{} looked at, {} matched. The chain ends with {verdict}, {by}.",
                human::plural(step.rules.len(), "rule was", "rules were"),
                matched.count()
            ),
        ));
        let priority = facts.priority.map(|p| format!(" {p}")).unwrap_or_default();
        self.push(Mark::Chain, true, format!("{name}{priority}"), about);
        if let Some(row) = self.rows.last_mut() {
            row.verdict = if step.by_policy {
                format!("{verdict} (policy)")
            } else {
                verdict
            };
            row.chain = Some(name.clone());
            row.fatal = last && step.by_policy;
            row.rule = None;
        }
        let mut depth: Vec<Place> = vec![step.place];
        let count = step.rules.len();
        for (number, rule) in step.rules.iter().enumerate() {
            match depth.iter().position(|place| *place == rule.place) {
                Some(at) => depth.truncate(at + 1),
                None => depth.push(rule.place),
            }
            let fatal = last && !step.by_policy && number + 1 == count;
            self.rule(rule, depth.len(), fatal, &name);
        }
    }

    fn rule(&mut self, rule: &RuleStep, depth: usize, fatal: bool, chain: &str) {
        let text = self.words.rule(rule.place, rule.rule);
        let handle = self.words.handle(rule.place, rule.rule);
        let facts = self.words.chain_facts(rule.place).unwrap_or_default();
        let mut about = vec![
            line(
                Sort::Heading,
                format!(
                    "rule #{handle} of {} {} {}",
                    facts.family, facts.table, facts.chain
                ),
            ),
            line(Sort::Rule, &*text),
        ];
        let (mark, verdict) = match &rule.outcome {
            Outcome::Matched(verdict) => {
                let sort = if fatal { Sort::Bad } else { Sort::Good };
                about.push(line(
                    sort,
                    format!("It matches: {}", verdict_words(verdict)),
                ));
                let word = match verdict {
                    RuleVerdict::Continue => String::new(),
                    other => other.words(),
                };
                (Mark::Match, word)
            }
            Outcome::Failed(op) => {
                let failed = self.words.failed(rule.place, rule.rule, *op);
                let why = if failed.is_empty() || *failed == *text {
                    "It does not match.".to_owned()
                } else {
                    format!("It does not match: this is not so of the packet: {failed}")
                };
                about.push(line(Sort::Bad, why));
                (Mark::Miss, String::new())
            }
        };
        let sentence = self.words.sentence(rule.place, rule.rule);
        about.extend(sentence.map(|sentence| line(Sort::Plain, sentence)));
        let key = match rule.place {
            Place::Nft(id) => self.key(id),
            Place::Legacy { .. } => Some(ChainKey {
                family: self.words.family(rule.place).unwrap_or(self.family),
                table: as_nft::shown_name(&facts.table),
                chain: facts.chain.as_str().into(),
            }),
        };
        self.rows.push(Row {
            family: self.family,
            station: self.station,
            mark,
            depth,
            text: format!("#{handle} {text}"),
            verdict,
            fatal,
            chain: Some(chain.to_owned()),
            rule: key.map(|key| (key, handle)),
            about,
            head: false,
        });
    }

    fn key(&self, id: usize) -> Option<ChainKey> {
        let table = self.simulator.program.table_of(id)?;
        let chain = self.simulator.program.chain(id)?;
        Some(ChainKey {
            family: table.family,
            table: table.name.clone(),
            chain: chain.name.clone(),
        })
    }
}
