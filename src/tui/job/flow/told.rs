//! A simulated path as rows for people: what happened at every hook, rule by rule, and why.

use super::Station;
use crate::flow::packet::protocol_name;
use crate::flow::report::{ChainStep, Endpoint, Fate, Outcome, Place, RuleStep, RuleVerdict, Step};
use crate::flow::words::Words;
use crate::flow::{Question, Simulator, Trace};
use crate::model::Family;
use crate::session::ChainKey;
use crate::tui::{human, text};

/// The sign in front of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The packet as it begins.
    Packet,
    Chain,
    Match,
    Miss,
    /// Conntrack, NAT, routing.
    Kernel,
    CheckPassed,
    CheckFailed,
    End(Fate),
    Unsure,
    Basis,
}

/// What a line of the explanation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Plain,
    /// nft syntax
    Rule,
    Heading,
    Good,
    Bad,
    Dim,
}

/// One paragraph of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub sort: Sort,
    pub text: String,
}

fn line(sort: Sort, text: impl Into<String>) -> Line {
    Line {
        sort,
        text: text.into(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub family: Family,
    pub station: Station,
    pub mark: Mark,
    /// How deep in jumps.
    pub depth: usize,
    pub text: String,
    /// At the end of the line: a verdict.
    pub verdict: String,
    /// True where the verdict ends the packet.
    pub fatal: bool,
    /// The base chain that the packet is in: as the diagram names it.
    pub chain: Option<String>,
    /// The rule of nf_tables that it is about.
    pub rule: Option<(ChainKey, u64)>,
    pub about: Vec<Line>,
    /// The row begins a step.
    pub head: bool,
}

/// A path in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `tcp 10.0.0.5:40000 → 192.0.2.1:80`
    pub packet: String,
    pub rows: Vec<Row>,
    pub fate: Fate,
    /// In one line what becomes of it, and by what.
    pub end: String,
    /// The row of the end.
    pub ends_at: usize,
}

impl Told {
    /// The stations of a family's diagram that the packet passes until the row `at`, in order.
    pub fn trail(&self, family: Family, at: usize) -> Vec<Station> {
        let mut trail: Vec<Station> = Vec::new();
        for row in self.rows.iter().take(at.min(self.ends_at) + 1) {
            let here = row.family == family
                || (family == Family::Netdev
                    && matches!(row.station, Station::Ingress | Station::Egress));
            if !here {
                continue;
            }
            match trail.last() {
                None => trail.push(row.station),
                Some(last) if *last == row.station => {}
                Some(last) => {
                    let between = way(*last, row.station);
                    trail.extend(between);
                }
            }
        }
        trail
    }
}

/// The shortest way from one station to another, without the first and with the last.
fn way(from: Station, to: Station) -> Vec<Station> {
    let mut ways: Vec<Vec<Station>> = vec![vec![from]];
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(path) = ways.get(at).cloned() {
        at += 1;
        let Some(last) = path.last() else { continue };
        if *last == to {
            return path.into_iter().skip(1).collect();
        }
        for next in last.next() {
            if !seen.contains(next) {
                seen.push(*next);
                let mut longer = path.clone();
                longer.push(*next);
                ways.push(longer);
            }
        }
    }
    vec![to]
}

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
            Place::Legacy { .. } => None,
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

    /// What becomes of it, and by what.
    fn end(&self, trace: &Trace) -> String {
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
            Some(Step::Route(route)) => format!(": {}", route.decision),
            _ => String::new(),
        };
        format!("{what}{by}")
    }

    fn about_end(&self, trace: &Trace, end: &str) -> Vec<Line> {
        let sort = if trace.fate.passes() {
            Sort::Good
        } else {
            Sort::Bad
        };
        let mut about = vec![line(sort, format!("The packet is {end}."))];
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
                    self::end(trace.last.src, trace.last.sport),
                    self::end(trace.last.dst, trace.last.dport)
                ),
            ));
        }
        about
    }

    fn uncertain(&mut self, trace: &Trace) {
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

    fn basis(&mut self, basis: Vec<String>) {
        let first = basis.first().cloned().unwrap_or_default();
        let about = basis.into_iter().map(|text| line(Sort::Plain, text));
        let about = about.collect();
        self.push(Mark::Basis, true, first, about);
    }
}

fn state_words(state: &str, reply: bool) -> String {
    let what = match state {
        "new" => "The packet begins a new connection.",
        "established" => "The packet belongs to a connection that has seen packets both ways.",
        "related" => {
            "The packet belongs to another connection: an ICMP error, or one that a helper expects."
        }
        "invalid" => "The packet fits no connection and begins none.",
        "untracked" => "The packet is not tracked.",
        other => return format!("The state of its connection is {other}."),
    };
    if reply {
        format!("{what} It goes in the direction of the answers.")
    } else {
        what.to_owned()
    }
}

fn verdict_words(verdict: &RuleVerdict) -> String {
    match verdict {
        RuleVerdict::Continue => "nothing is decided, the next rule is looked at.".into(),
        RuleVerdict::Accept => {
            "the packet passes this hook's chain; later chains still see it.".into()
        }
        RuleVerdict::Drop => "the packet is dropped here, nothing later sees it.".into(),
        RuleVerdict::Reject => "the packet is dropped and the sender is told.".into(),
        RuleVerdict::Jump(chain) => {
            format!("it goes to chain {chain} and comes back if nothing decides there.")
        }
        RuleVerdict::Goto(chain) => format!("it goes to chain {chain} and does not come back."),
        RuleVerdict::Return => "it goes back to the chain that it came from.".into(),
        RuleVerdict::Queue(number) => format!("a program decides, by queue {number}."),
        RuleVerdict::Stolen => "something else goes on with the packet.".into(),
    }
}

fn check_words(name: &str) -> &'static str {
    match name {
        "rp_filter" => {
            "The reverse path filter: would an answer to the source leave by the device that the packet came from?"
        }
        "forwarding" => "Packets for others are passed on only where forwarding is switched on.",
        "ttl" => "Every machine on the way counts the TTL down; at zero the packet ends.",
        "martian" => "Addresses that cannot come from here end the packet.",
        "source" => "The source address must be one that a sender may have.",
        "ip_header" => "The IP header must be in order.",
        "mtu" => "A packet larger than the device takes is cut into fragments, or ends.",
        "packet_type" => "What the frame is addressed to must fit what the packet is for.",
        "other_host" => "A frame for another machine's address is not looked at any further.",
        "conntrack" => "Connection tracking may refuse a packet.",
        "defragmentation" => "Fragments are put together before the rules see them.",
        "multicast" => "Packets for a group pass where somebody listens to it.",
        "bridge" => "The bridge decides which port the frame leaves by.",
        _ => "A check of the kernel that is no rule.",
    }
}
