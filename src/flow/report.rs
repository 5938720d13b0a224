//! What a path is made of: steps with their evidence, decisions that were not certain, the end.
//! Plain values. May use `model`.

use super::eval::program::ChainId;
use super::fib::NoWay;
use crate::model::network::Prefix;
use crate::model::{Family, Name};
use std::net::IpAddr;

/// How a packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// To the input path of a local socket.
    Delivered,
    Forwarded,
    Sent,
    Dropped,
    /// Dropped, with an answer to the sender.
    Rejected,
    /// To a program that decides.
    Queued,
    /// Taken over by something else, or waiting for other fragments.
    Stolen,
    NoRoute,
    /// The branches that are equally likely end differently.
    Uncertain,
}

impl Fate {
    pub const ALL: [Fate; 9] = [
        Fate::Delivered,
        Fate::Forwarded,
        Fate::Sent,
        Fate::Dropped,
        Fate::Rejected,
        Fate::Queued,
        Fate::Stolen,
        Fate::NoRoute,
        Fate::Uncertain,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Fate::Delivered => "delivered",
            Fate::Forwarded => "forwarded",
            Fate::Sent => "sent",
            Fate::Dropped => "dropped",
            Fate::Rejected => "rejected",
            Fate::Queued => "queued",
            Fate::Stolen => "stolen",
            Fate::NoRoute => "no-route",
            Fate::Uncertain => "uncertain",
        }
    }

    pub fn from_word(word: &str) -> Option<Fate> {
        Fate::ALL.into_iter().find(|fate| fate.word() == word)
    }

    /// The packet goes on.
    pub fn passes(self) -> bool {
        matches!(self, Fate::Delivered | Fate::Forwarded | Fate::Sent)
    }
}

/// Where rules are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Nft(ChainId),
    /// Table and chain of the legacy backend.
    Legacy {
        table: usize,
        chain: usize,
    },
}

/// What a rule said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleVerdict {
    Continue,
    Accept,
    Drop,
    Reject,
    Jump(Name),
    Goto(Name),
    Return,
    Queue(u16),
    Stolen,
}

impl RuleVerdict {
    pub fn words(&self) -> String {
        match self {
            RuleVerdict::Continue => "continue".into(),
            RuleVerdict::Accept => "accept".into(),
            RuleVerdict::Drop => "drop".into(),
            RuleVerdict::Reject => "reject".into(),
            RuleVerdict::Jump(chain) => format!("jump {chain}"),
            RuleVerdict::Goto(chain) => format!("goto {chain}"),
            RuleVerdict::Return => "return".into(),
            RuleVerdict::Queue(number) => format!("queue {number}"),
            RuleVerdict::Stolen => "stolen".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The place of the expression (or match) that did not match.
    Failed(usize),
    Matched(RuleVerdict),
}

/// One rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    pub place: Place,
    /// From 0.
    pub rule: usize,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStep {
    /// `prerouting`, `ingress`, ...
    pub hook: &'static str,
    pub place: Place,
    /// Of the packet at this hook.
    pub protocol: Family,
    pub iif: u32,
    pub oif: u32,
    pub rules: Vec<RuleStep>,
    pub verdict: RuleVerdict,
    pub by_policy: bool,
}

/// An address and, where the protocol has them, a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: IpAddr,
    pub port: Option<u16>,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.address, self.port) {
            (address, None) => write!(f, "{address}"),
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatStep {
    /// True: the source was rewritten.
    pub source: bool,
    pub from: Endpoint,
    pub to: Endpoint,
    /// The port is drawn at random, `to` shows the old one.
    pub unknown_port: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStep {
    /// `forward`, `local`, `broadcast`, `output`, `reroute`, `multicast`, or why there is no way.
    pub decision: &'static str,
    pub rule: Option<u32>,
    pub table: Option<u32>,
    pub prefix: Option<Prefix>,
    pub oif: Option<u32>,
    pub via: Option<IpAddr>,
    /// Source address that was chosen.
    pub src: Option<IpAddr>,
    /// Ways out of a multipath route.
    pub candidates: Vec<(u32, Option<IpAddr>)>,
    pub refused: Option<NoWay>,
}

/// A check of the kernel that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub passed: bool,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConntrackStep {
    pub state: &'static str,
    pub reply: bool,
    /// The entry's place among the flows, if it is a known one.
    pub flow: Option<usize>,
    pub why: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Chain(ChainStep),
    Nat(NatStep),
    Route(RouteStep),
    Check(Check),
    Conntrack(ConntrackStep),
}

/// Something that only the running kernel knows, and what was taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub what: String,
    /// The first is the likeliest, where one is.
    pub options: Vec<String>,
    pub taken: usize,
    /// The first option is much likelier than the others.
    pub likely: bool,
}

/// A decision with the ends of all its branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertainty {
    pub what: String,
    pub branches: Vec<Branch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub assume: String,
    pub fate: Fate,
    pub oif: Option<u32>,
}
