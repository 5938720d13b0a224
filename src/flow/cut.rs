//! Who would be cut off: connections whose packets pass now and would not pass any more. Pure.
//!
//! Every tracked connection is simulated in both directions, in the world as it will be; only what fails there is
//! looked at in the world as it is. Several threads share the work.

use super::fib::{FibView, FlowKey};
use super::packet::{IPPROTO_TCP, Question, TCP_FLAGS, has_ports};
use super::path::Simulator;
use super::report::{Fate, Place, Step};
use super::words::Words;
use crate::model::Network;
use crate::model::conntrack::{Flow, Ports, Tuple, status};
use std::net::{IpAddr, SocketAddr};

/// The terminal session of the person who asks: packets come from `peer` to `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

impl Session {
    /// Whether the connection is this session.
    pub fn is(&self, flow: &Flow) -> bool {
        let ends = |tuple: &Tuple| match tuple.ports {
            Ports::Ports { src, dst } if tuple.protocol == IPPROTO_TCP => Some((
                SocketAddr::new(tuple.src, src),
                SocketAddr::new(tuple.dst, dst),
            )),
            _ => None,
        };
        let (peer, local) = (self.peer, self.local);
        ends(&flow.original) == Some((peer, local)) || ends(&flow.reply) == Some((local, peer))
    }

    fn question(&self, reply: bool) -> Question {
        let (from, to) = if reply {
            (self.local, self.peer)
        } else {
            (self.peer, self.local)
        };
        Question {
            src: Some(from.ip()),
            dst: Some(to.ip()),
            proto: Some(IPPROTO_TCP),
            sport: Some(from.port()),
            dport: Some(to.port()),
            tcp_flags: ack(),
            ..Question::default()
        }
    }
}

/// A connection that would be cut.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Its place among the flows; none for a session that is not tracked.
    pub flow: Option<usize>,
    /// The session of the person who asks.
    pub own: bool,
    /// The direction that fails: that of the answers.
    pub reply: bool,
    /// The packet that does not pass any more.
    pub question: Question,
    pub before: Fate,
    pub after: Fate,
    /// What ends it, in the simulator of the world as it will be; told of the first [`REASONS`] only.
    pub by: Option<By>,
}

/// How many cuts come with their reason.
pub const REASONS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Rule(Place, usize),
    Policy(Place),
    /// A check or a route, by its word.
    Other(String),
}

impl By {
    /// `rule 12 of ip filter INPUT: tcp dport 22 drop`; `words` are those of the world as it will be.
    pub fn words(&self, words: &Words<'_>) -> String {
        let chain = |place: &Place| {
            let facts = words.chain_facts(*place).unwrap_or_default();
            format!("{} {} {}", facts.family, facts.table, facts.chain)
        };
        match self {
            By::Rule(place, rule) => format!(
                "rule {} of {}: {}",
                words.handle(*place, *rule),
                chain(place),
                words.rule(*place, *rule)
            ),
            By::Policy(place) => format!("the policy of {}", chain(place)),
            By::Other(what) => what.clone(),
        }
    }
}

/// The connections that pass in `before` and not in `after`: the person's own session first, then in the order of
/// `flows`. Both worlds must hold these flows.
pub fn cut(
    before: &Simulator<'_>,
    after: &Simulator<'_>,
    flows: &[Flow],
    session: Option<&Session>,
    now: Option<i64>,
) -> Vec<Cut> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = flows.len().div_ceil(threads).max(1);
    let look = |start: usize, flows: &[Flow]| -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (place, flow) in flows.iter().enumerate() {
            let own = session.is_some_and(|session| session.is(flow));
            // Answers that never came cannot be missed, but for one's own.
            let both = own || flow.status & status::SEEN_REPLY != 0;
            for reply in [false, true] {
                if reply && !both {
                    break;
                }
                let question = question_of(before, flow, reply);
                if let Some(cut) = compare(before, after, question, now) {
                    cuts.push(Cut {
                        flow: Some(start + place),
                        own,
                        reply,
                        ..cut
                    });
                    break;
                }
            }
        }
        cuts
    };
    let mut cuts: Vec<Cut> = std::thread::scope(|scope| {
        let parts: Vec<_> = flows
            .chunks(share)
            .enumerate()
            .map(|(number, part)| scope.spawn(move || look(number * share, part)))
            .collect();
        let done = parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_default());
        done.collect()
    });
    let tracked = session.is_some_and(|session| flows.iter().any(|flow| session.is(flow)));
    if let Some(session) = session.filter(|_| !tracked) {
        let found = [false, true].into_iter().find_map(|reply| {
            let question = arriving(&before.fib, before.network, session.question(reply));
            let cut = compare(before, after, question, now)?;
            Some(Cut {
                own: true,
                reply,
                ..cut
            })
        });
        cuts.extend(found);
    }
    cuts.sort_by_key(|cut| !cut.own);
    for cut in cuts.iter_mut().take(REASONS) {
        cut.by = reason(after, &cut.question);
    }
    cuts
}

fn compare(
    before: &Simulator<'_>,
    after: &Simulator<'_>,
    question: Question,
    now: Option<i64>,
) -> Option<Cut> {
    let question = Question {
        time: now,
        ..question
    };
    let (then, _) = after.fate(&question).ok()?;
    if then.passes() {
        return None;
    }
    let (before, _) = before.fate(&question).ok()?;
    before.passes().then_some(Cut {
        flow: None,
        own: false,
        reply: false,
        question,
        before,
        after: then,
        by: None,
    })
}

fn reason(after: &Simulator<'_>, question: &Question) -> Option<By> {
    let trace = after.trace(question).ok()?;
    match trace.steps.get(trace.dropped_by?)? {
        Step::Chain(chain) if chain.by_policy => Some(By::Policy(chain.place)),
        Step::Chain(chain) => {
            let last = chain.rules.last()?;
            Some(By::Rule(last.place, last.rule))
        }
        Step::Check(check) => Some(By::Other(check.name.to_owned())),
        Step::Route(route) => Some(By::Other(route.decision.to_owned())),
        Step::Nat(_) | Step::Conntrack(_) => None,
    }
}

fn ack() -> Option<u8> {
    flags(&["ack"])
}

fn flags(names: &[&str]) -> Option<u8> {
    let known = TCP_FLAGS.iter().filter(|(name, _)| names.contains(name));
    known.map(|(_, bit)| *bit).reduce(|a, b| a | b)
}

/// The next packet of one direction of a connection, as it comes to this machine or leaves a socket of it.
pub fn question_of(simulator: &Simulator<'_>, flow: &Flow, reply: bool) -> Question {
    question(&simulator.fib, simulator.network, flow, reply)
}

/// The same for who asks without a simulator.
pub fn question(fib: &FibView<'_>, network: &Network, flow: &Flow, reply: bool) -> Question {
    let tuple = if reply { &flow.reply } else { &flow.original };
    let mut question = Question {
        src: Some(tuple.src),
        dst: Some(tuple.dst),
        proto: Some(tuple.protocol),
        ..Question::default()
    };
    match tuple.ports {
        Ports::Ports { src, dst } if has_ports(tuple.protocol) => {
            question.sport = Some(src);
            question.dport = Some(dst);
        }
        Ports::Icmp { kind, code, .. } => {
            question.icmp_type = Some(kind);
            question.icmp_code = Some(code);
        }
        _ => {}
    }
    if tuple.protocol == IPPROTO_TCP {
        // Where nobody has answered, anything but another SYN or its answer is invalid.
        question.tcp_flags = match (flow.state_name(), reply) {
            (Some("SYN_SENT"), false) => None,
            (Some("SYN_SENT"), true) => flags(&["syn", "ack"]),
            _ => ack(),
        };
    }
    arriving(fib, network, question)
}

/// With the device that it arrives on; without one if this machine sends it.
fn arriving(fib: &FibView<'_>, network: &Network, question: Question) -> Question {
    let (Some(src), Some(dst)) = (question.src, question.dst) else {
        return question;
    };
    let iif = device_towards(fib, network, src, dst);
    Question { iif, ..question }
}

/// The device that packets from `src` come by; none if it is this machine's own address.
fn device_towards(
    fib: &FibView<'_>,
    network: &Network,
    src: IpAddr,
    dst: IpAddr,
) -> Option<String> {
    let own = network.addresses.iter().any(|own| own.local.address == src);
    if own || src.is_loopback() {
        return None;
    }
    // Routing is asked as for an answer: from whom the packet is for, where that is this machine.
    let here = network.addresses.iter().any(|own| own.local.address == dst);
    let from = match (here, src) {
        (true, _) => dst,
        (false, IpAddr::V4(_)) => IpAddr::from([0u8; 4]),
        (false, IpAddr::V6(_)) => IpAddr::from([0u8; 16]),
    };
    let found = fib.lookup(&FlowKey::new(from, src)).ok()?;
    let link = network.link(found.hops.first()?.oif)?;
    (link.is_up() && !link.is_loopback()).then(|| link.name.to_string())
}
