//! What the session hands to the screens, and what the screens may ask of it: plain values.

use crate::model::{Family, Name, Names, Network, Ruleset};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Everything known at one moment. Cheap to clone; parts that did not change are shared.
#[derive(Clone, Debug)]
pub struct Picture {
    pub source: Source,
    pub ruleset: Arc<Ruleset>,
    /// Links, addresses, routes, policy rules, neighbours. A clone shares everything.
    pub network: Network,
    /// What the machine calls its numbers.
    pub names: Arc<Names>,
    pub rates: Arc<Rates>,
    pub progress: Progress,
    /// Newest last; bounded.
    pub changes: Arc<Vec<Change>>,
    pub evidence: Evidence,
    /// What a snapshot holds beside; the running kernel is asked for it when it is needed.
    pub beside: Option<Arc<super::Beside>>,
}

/// Where the picture comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The running kernel; the network namespace's name where it is not the machine's own.
    Live { host: String, netns: Option<String> },
    Snapshot {
        path: String,
        host: String,
        taken: SystemTime,
    },
}

/// How far the first load has come. Everything that is in the picture is usable at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being read, in words; empty when all is read.
    pub step: String,
    pub done: usize,
    /// 0: not known yet.
    pub total: usize,
    /// The picture is complete.
    pub complete: bool,
}

/// When and from what the picture was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub read_at: SystemTime,
    /// Number of resyncs after lost events.
    pub resyncs: u64,
    /// The last problem of the session, in words (lost privileges, kernel without nf_tables, ...).
    pub problem: Option<String>,
}

/// One change that was seen to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: SystemTime,
    pub generation: u32,
    /// Process that made it, where the kernel says so.
    pub pid: Option<u32>,
    pub process: Option<String>,
    /// One line: what changed.
    pub summary: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainKey {
    pub family: Family,
    pub table: Name,
    pub chain: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleKey {
    pub chain: ChainKey,
    pub handle: u64,
}

/// Per second, from two readings of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    pub packets: f64,
    pub bytes: f64,
}

/// Rates of everything with a counter that was read at least twice.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub rules: HashMap<RuleKey, RateHistory>,
    /// Counters of base chain policies.
    pub chains: HashMap<ChainKey, RateHistory>,
    /// Named counters: family, table, object.
    pub objects: HashMap<(Family, Name, Name), RateHistory>,
}

/// The newest rate and those before it, for a sparkline.
#[derive(Clone, Debug, Default)]
pub struct RateHistory {
    pub now: Rate,
    /// Packets per second, oldest first, at most 60.
    pub packets: Vec<f32>,
}

/// What a screen may ask the session to do. Answers come as [`SessionEvent`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// These chains are on screen: read them first and keep their counters fresh.
    Show(Vec<ChainKey>),
    /// Read the elements of a set.
    ReadElements {
        family: Family,
        table: Name,
        set: Name,
    },
    /// Ask the kernel for the route to an address (RTM_GETROUTE); `ticket` comes back with the answer.
    RouteGet { ticket: u64, query: RouteQuery },
    /// Read everything again.
    Reload,
    /// Seconds between counter readings of what is on screen.
    Interval(Duration),
}

/// The words of `ip route get`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteQuery {
    pub dst: Option<IpAddr>,
    pub from: Option<IpAddr>,
    pub iif: Option<String>,
    pub oif: Option<String>,
    pub mark: Option<u32>,
    pub tos: Option<u8>,
    pub uid: Option<u32>,
    pub ipproto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
}

/// The two ends that an interface holds of a running session.
#[derive(Debug)]
pub struct SessionHandle {
    pub events: tokio::sync::mpsc::Receiver<SessionEvent>,
    pub commands: tokio::sync::mpsc::Sender<Command>,
}

#[derive(Clone, Debug)]
pub enum SessionEvent {
    Picture(Arc<Picture>),
    /// The kernel's answer to [`Command::RouteGet`], or its refusal in words.
    RouteAnswer {
        ticket: u64,
        answer: Result<String, String>,
    },
    /// Something a person should read once.
    Notice(String),
}
