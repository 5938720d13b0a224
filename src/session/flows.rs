//! The table of tracked connections as the Flows screen shows it: read as a whole, with what each connection carried
//! since it was read before.
//!
//! Blocks: belongs on a thread of its own.

use super::Beside;
use super::picture::Rate;
use super::ssh;
use crate::flow::cut::Session;
use crate::kernel::conntrack;
use crate::kernel::netlink::KernelError;
use crate::model::conntrack::{Flow, FlowCounter};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What a connection carries per second, direction by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    pub original: Rate,
    pub reply: Rate,
}

impl Speed {
    /// Of both directions.
    pub fn bytes(&self) -> f64 {
        self.original.bytes + self.reply.bytes
    }
}

/// The entries: read now, or part of a snapshot.
#[derive(Clone, Debug)]
enum Held {
    Read(Vec<Flow>),
    Snapshot(Arc<Beside>),
}

/// When a table was read.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock, as the kernel stamps connections.
    pub clock: SystemTime,
    /// By the clock that nobody sets; rates are measured with it.
    pub steady: Instant,
}

impl Moment {
    pub fn now() -> Moment {
        Moment {
            clock: SystemTime::now(),
            steady: Instant::now(),
        }
    }
}

/// All connections at one moment.
#[derive(Clone, Debug)]
pub struct Flows {
    held: Held,
    /// Of each entry; nothing where it is not counted, or was not there before.
    speeds: Vec<Option<Speed>>,
    /// Entries by what tells them apart.
    places: Places,
    /// Measured between two readings, or there is but one.
    pub compared: bool,
    pub at: Moment,
    /// How long reading took.
    pub took: Duration,
    /// The kernel has such a table.
    pub offered: bool,
    /// Some entry has counters.
    pub counted: bool,
    /// Some entry says when it began.
    pub stamped: bool,
    /// The session that the person who looks came by.
    pub own: Option<Session>,
}

/// Read the table of the current network namespace. Rates are those since `before`.
pub fn read(before: Option<&Flows>) -> Result<Flows, KernelError> {
    let mut tries = 0;
    let at = Moment::now();
    let (list, offered) = loop {
        let mut list = Vec::with_capacity(before.map_or(0, |before| before.list().len()));
        match conntrack::dump(|flow| list.push(flow)) {
            Ok(()) => break (list, true),
            // nfnetlink says so when this kernel does not track connections.
            Err(error) if error.errno() == Some(libc::EINVAL) => break (Vec::new(), false),
            Err(error) if error.is_transient() && tries < 5 => tries += 1,
            Err(error) => return Err(error),
        }
    };
    let mut flows = Flows::new(list, before, at);
    flows.offered = offered;
    flows.own = ssh::session();
    flows.took = at.steady.elapsed();
    Ok(flows)
}

/// A refusal in words that say what to do.
pub fn explain(error: &KernelError) -> String {
    match error.errno() {
        Some(libc::EPERM | libc::EACCES) => {
            "no right to read tracked connections here: needs CAP_NET_ADMIN; run as root, or try `hookscope demo`".into()
        }
        _ => format!("reading tracked connections failed: {error}"),
    }
}

/// Those of a snapshot. Whose session is whose is not in it.
pub fn of_snapshot(beside: &Arc<Beside>) -> Flows {
    let at = Moment {
        clock: beside.read_at,
        steady: Instant::now(),
    };
    Flows::with(Held::Snapshot(beside.clone()), None, at)
}

impl Flows {
    /// Of a table that was read `at` that moment.
    pub fn new(list: Vec<Flow>, before: Option<&Flows>, at: Moment) -> Flows {
        let flows = Flows::with(Held::Read(list), before, at);
        match flows.held {
            // While a table is read it may grow, and entries move: one may come twice.
            Held::Read(list) if flows.places.len() < list.len() => {
                let places = &flows.places;
                let first = |flow: &Flow| {
                    let place = places.get(&key(flow)).copied().unwrap_or(0);
                    list.get(place as usize)
                };
                let once = list.iter().filter(|flow| {
                    first(flow).is_none_or(|first| ptr::eq(first, *flow) || !is_same(first, flow))
                });
                let once = once.cloned().collect();
                Flows::with(Held::Read(once), before, at)
            }
            held => Flows { held, ..flows },
        }
    }

    fn with(held: Held, before: Option<&Flows>, at: Moment) -> Flows {
        let mut flows = Flows {
            held,
            speeds: Vec::new(),
            places: Places::default(),
            compared: before.is_some(),
            at,
            took: Duration::ZERO,
            offered: true,
            counted: false,
            stamped: false,
            own: None,
        };
        let list = flows.list();
        let mut places = Places::with_capacity_and_hasher(list.len(), Hasher::default());
        for (place, flow) in (0u32..).zip(list) {
            places.entry(key(flow)).or_insert(place);
        }
        let counted = list.iter().any(|flow| flow.counter_original.is_some());
        let start = |flow: &Flow| flow.rare.as_ref().and_then(|rare| rare.start);
        let stamped = list.iter().any(|flow| start(flow).is_some());
        let speeds = match before.filter(|_| counted) {
            Some(before) => {
                let between = at.steady.saturating_duration_since(before.at.steady);
                let speed = |flow| speed(before.find(flow)?, flow, between);
                list.iter().map(speed).collect()
            }
            None => Vec::new(),
        };
        (flows.places, flows.speeds) = (places, speeds);
        (flows.counted, flows.stamped) = (counted, stamped);
        flows
    }

    pub fn list(&self) -> &[Flow] {
        match &self.held {
            Held::Read(list) => list,
            Held::Snapshot(beside) => &beside.flows,
        }
    }

    pub fn get(&self, place: u32) -> Option<&Flow> {
        self.list().get(place as usize)
    }

    pub fn speed(&self, place: u32) -> Option<&Speed> {
        self.speeds.get(place as usize)?.as_ref()
    }

    /// Where a connection of another reading is in this one.
    pub fn place(&self, other: &Flow) -> Option<u32> {
        let place = *self.places.get(&key(other))?;
        let found = self.get(place)?;
        is_same(found, other).then_some(place)
    }

    fn find(&self, other: &Flow) -> Option<&Flow> {
        self.get(self.place(other)?)
    }

    /// One moment of another time: there is no rate in it.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.held, Held::Snapshot(_))
    }

    pub fn is_own(&self, flow: &Flow) -> bool {
        self.own.is_some_and(|session| session.is(flow))
    }

    /// How long the connection has been tracked, where it has a time stamp.
    pub fn age(&self, flow: &Flow) -> Option<Duration> {
        let start = Duration::from_nanos(flow.rare.as_ref()?.start?);
        let since = self.at.clock.duration_since(SystemTime::UNIX_EPOCH);
        Some(since.ok()?.saturating_sub(start))
    }
}

type Hasher = BuildHasherDefault<DefaultHasher>;
type Places = HashMap<u64, u32, Hasher>;

/// What tells entries apart, in few bytes. Two may share a key: [`is_same`] decides.
fn key(flow: &Flow) -> u64 {
    let original = &flow.original;
    Hasher::default().hash_one((
        flow.id,
        flow.zone,
        original.zone,
        original.protocol,
        original.src,
        original.dst,
        original.ports,
    ))
}

fn is_same(a: &Flow, b: &Flow) -> bool {
    a.id == b.id && a.zone == b.zone && a.original == b.original
}

fn speed(before: &Flow, now: &Flow, between: Duration) -> Option<Speed> {
    let seconds = between.as_secs_f64();
    let rate = |before: Option<FlowCounter>, now: Option<FlowCounter>| {
        let (before, now) = (before?, now?);
        // Somebody may have set it to zero meanwhile.
        let packets = now.packets.checked_sub(before.packets)?;
        let bytes = now.bytes.checked_sub(before.bytes)?;
        (seconds > 0.0).then(|| Rate {
            packets: packets as f64 / seconds,
            bytes: bytes as f64 / seconds,
        })
    };
    Some(Speed {
        original: rate(before.counter_original, now.counter_original)?,
        reply: rate(before.counter_reply, now.counter_reply)?,
    })
}
