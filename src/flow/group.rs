//! Events of the kernel's trace, put together to packets. Pure: the clock is the caller's.
//! May use `model` only.
//!
//! The kernel gives every packet a number, made of its place in memory, so that numbers come again. A packet is over
//! when its number begins anew at the same place, or when nothing was heard of it for a while.

use super::observed::Observed;
use super::tracer::chain;
use crate::model::trace::{TraceEvent, TraceKind, TracedCt};
use crate::model::{Family, Name, Policy, Verdict};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// After its last verdict, other tables may still have a say (a bridge's).
const QUIET: Duration = Duration::from_millis(20);
/// For a packet whose end was not seen: it may be in a queue, or was dropped between hooks.
const SILENT: Duration = Duration::from_millis(200);
/// Rules of one packet that are kept; chains may be long, but not endless.
const MOST_RULES: usize = 4096;
/// Packets that are put together at one time.
const MOST_OPEN: usize = 8192;

/// A rule that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub chain: Name,
    pub handle: u64,
    pub verdict: Verdict,
}

/// One base chain that the packet went through.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    pub family: Family,
    pub table: Name,
    pub chain: Name,
    /// The packet as it came to the chain.
    pub seen: Option<Observed>,
    pub iif: Option<u32>,
    pub oif: Option<u32>,
    pub ct: Option<TracedCt>,
    pub hits: Vec<Hit>,
    pub verdict: Option<Verdict>,
    pub by_policy: bool,
}

/// How far it is known to have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its trace ends after the last chain, and no rule or policy ended it.
    Unseen,
    Dropped,
    Queued,
    Stolen,
    /// At the end of the input hook.
    Delivered,
    /// At the end of the postrouting hook.
    Left,
}

/// One packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub id: u32,
    pub first: Observed,
    pub iif: Option<u32>,
    pub oif: Option<u32>,
    /// This machine sent it.
    pub local: bool,
    /// It was traced when it got here, as a packet with another number: a copy, or out of a bridge.
    pub continued: bool,
    pub passes: Vec<Pass>,
    pub end: End,
    /// With which headers it came to its end.
    pub last: Option<Observed>,
    pub ct: Option<TracedCt>,
    pub events: usize,
    /// `oif` is the port of a bridge.
    by_port: bool,
}

impl Group {
    /// The pass and the rule that decided, for a packet that a rule or policy ended.
    pub fn ended_by(&self) -> Option<(&Pass, Option<&Hit>)> {
        if !matches!(self.end, End::Dropped | End::Queued | End::Stolen) {
            return None;
        }
        let pass = self.passes.last()?;
        let hit = pass.hits.last().filter(|_| !pass.by_policy);
        Some((pass, hit))
    }
}

#[derive(Debug)]
struct Open {
    group: Group,
    /// Its place among all packets.
    serial: u64,
    heard: Duration,
    /// Families of the tracer's tables that it began in.
    starts: Vec<Family>,
}

/// Puts packets together.
#[derive(Debug)]
pub struct Grouper {
    /// Name of the tracer's tables.
    own: String,
    open: HashMap<u32, Open>,
    /// In the order in which they began.
    order: VecDeque<u32>,
    /// Packets that began lately, to know their continuations by.
    recent: VecDeque<Observed>,
    /// Over, and waiting for those that began before them.
    done: BTreeMap<u64, Group>,
    serial: u64,
    /// Events of packets that others have traced.
    pub foreign: u64,
}

impl Grouper {
    pub fn new(own: &str) -> Grouper {
        Grouper {
            own: own.to_owned(),
            open: HashMap::new(),
            order: VecDeque::new(),
            recent: VecDeque::new(),
            done: BTreeMap::new(),
            serial: 0,
            foreign: 0,
        }
    }

    /// Take one event, heard at `now` (since any fixed moment).
    pub fn push(&mut self, event: &TraceEvent, now: Duration) {
        let own = *event.table == *self.own;
        // The first event of all is of the rule that switched the trace on, or of the one that leads to it, for a
        // packet whose trace was on already.
        let first = event.packet.is_some() && event.kind == TraceKind::Rule;
        let starts = [chain::ARRIVED, chain::SENT, chain::MARK];
        if own && first && starts.contains(&&*event.chain) {
            match self.open.get_mut(&event.id) {
                Some(open) if !open.starts.contains(&event.family) => {
                    open.starts.push(event.family);
                }
                Some(_) => {
                    self.finish(event.id);
                    self.begin(event, now, Some(event.family));
                }
                None => self.begin(event, now, Some(event.family)),
            }
        } else if !self.open.contains_key(&event.id) {
            // Its beginning is not known: a copy of one that is, or somebody else's trace.
            let seen = event
                .packet
                .as_ref()
                .map(|packet| Observed::traced(packet, event.protocol, event.mark));
            match seen {
                Some(seen) if !own && self.recent.iter().any(|one| one.same_flow(&seen)) => {
                    self.begin(event, now, None);
                }
                _ => {
                    self.foreign += 1;
                    return;
                }
            }
        }
        if let Some(open) = self.open.get_mut(&event.id) {
            open.heard = now;
            open.group.events += 1;
            if own {
                open.group.sentinel(event);
            } else {
                open.group.event(event);
            }
        }
    }

    fn begin(&mut self, event: &TraceEvent, now: Duration, start: Option<Family>) {
        if self.open.len() >= MOST_OPEN
            && let Some(id) = self.order.front().copied()
        {
            self.finish(id);
        }
        let packet = event.packet.clone().unwrap_or_default();
        let first = Observed::traced(&packet, event.protocol, event.mark);
        if start.is_some() {
            self.recent.push_back(first.clone());
            if self.recent.len() > 64 {
                self.recent.pop_front();
            }
        }
        let (iif, oif) = (packet.iif.map(|i| i.0), packet.oif.map(|i| i.0));
        let group = Group {
            id: event.id,
            first,
            iif,
            oif,
            local: iif.is_none() && oif.is_some(),
            continued: start.is_none(),
            passes: Vec::new(),
            end: End::Unseen,
            last: None,
            ct: packet.ct,
            events: 0,
            by_port: false,
        };
        self.serial += 1;
        let open = Open {
            group,
            serial: self.serial,
            heard: now,
            starts: start.into_iter().collect(),
        };
        self.open.insert(event.id, open);
        self.order.push_back(event.id);
    }

    fn finish(&mut self, id: u32) {
        if let Some(open) = self.open.remove(&id) {
            self.order.retain(|other| *other != id);
            // A continuation of which nothing more was heard says nothing.
            if !(open.group.continued && open.group.passes.is_empty()) {
                self.done.insert(open.serial, open.group);
            }
        }
    }

    /// Packets that are over, in the order in which they began.
    pub fn take(&mut self, now: Duration) -> Vec<Group> {
        let over: Vec<u32> = self
            .order
            .iter()
            .copied()
            .filter(|id| {
                self.open.get(id).is_some_and(|open| {
                    let wait = match open.group.end {
                        End::Unseen | End::Queued => SILENT,
                        _ => QUIET,
                    };
                    now.saturating_sub(open.heard) >= wait
                })
            })
            .collect();
        for id in over {
            self.finish(id);
        }
        let first = self.order.front().and_then(|id| self.open.get(id));
        let later = match first {
            Some(open) => self.done.split_off(&open.serial),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.done, later)
            .into_values()
            .collect()
    }

    /// All packets, over or not.
    pub fn take_all(&mut self) -> Vec<Group> {
        for id in self.order.clone() {
            self.finish(id);
        }
        std::mem::take(&mut self.done).into_values().collect()
    }

    /// When the next packet will be over, if nothing more comes.
    pub fn is_waiting(&self) -> bool {
        !self.open.is_empty() || !self.done.is_empty()
    }
}

impl Group {
    /// An event of the tracer's own tables.
    fn sentinel(&mut self, event: &TraceEvent) {
        let end = match &*event.chain {
            // A bridge's input hook is on the way to those of its device.
            chain::END_INPUT if event.family != Family::Bridge => End::Delivered,
            chain::END_POSTROUTING => End::Left,
            _ => return,
        };
        self.end = end;
        if let Some(packet) = &event.packet {
            self.last = Some(Observed::traced(packet, event.protocol, event.mark));
            // A bridge's port says more than the bridge, whose hooks come before or after the port's.
            if event.family == Family::Bridge || !self.by_port {
                self.oif = packet.oif.map_or(self.oif, |oif| Some(oif.0));
            }
            self.by_port |= event.family == Family::Bridge;
            self.ct = packet.ct.or(self.ct);
        }
    }

    fn event(&mut self, event: &TraceEvent) {
        let begins = event.packet.is_some()
            || self
                .passes
                .last()
                .is_none_or(|pass| (pass.family, &pass.table) != (event.family, &event.table));
        if begins {
            let packet = event.packet.clone().unwrap_or_default();
            let seen = event
                .packet
                .as_ref()
                .map(|packet| Observed::traced(packet, event.protocol, event.mark));
            let (iif, oif) = (packet.iif.map(|i| i.0), packet.oif.map(|i| i.0));
            self.iif = self.iif.or(iif);
            if !self.by_port {
                self.oif = oif.or(self.oif);
            }
            self.ct = packet.ct.or(self.ct);
            self.passes.push(Pass {
                family: event.family,
                table: event.table.clone(),
                chain: event.chain.clone(),
                seen,
                iif,
                oif,
                ct: packet.ct,
                hits: Vec::new(),
                verdict: None,
                by_policy: false,
            });
        }
        let Some(pass) = self.passes.last_mut() else {
            return;
        };
        let verdict = match (&event.kind, &event.verdict, event.policy) {
            (TraceKind::Policy, _, Some(policy)) => {
                pass.by_policy = true;
                let verdict = match policy {
                    Policy::Drop => Verdict::Drop,
                    Policy::Accept | Policy::Unknown(_) => Verdict::Accept,
                };
                pass.verdict = Some(verdict.clone());
                verdict
            }
            (TraceKind::Rule | TraceKind::Return, Some(verdict), _) => {
                // Without a handle: the end of a chain that was jumped to.
                let Some(handle) = event.handle else {
                    return;
                };
                if pass.hits.len() < MOST_RULES {
                    pass.hits.push(Hit {
                        chain: event.chain.clone(),
                        handle,
                        verdict: verdict.clone(),
                    });
                }
                if is_final(verdict) {
                    pass.verdict = Some(verdict.clone());
                }
                verdict.clone()
            }
            _ => return,
        };
        self.end = match verdict {
            Verdict::Drop => End::Dropped,
            Verdict::Stolen => End::Stolen,
            Verdict::Queue => End::Queued,
            // The number of the queue, or the error, is in the upper half.
            Verdict::Unknown(code) if code & 0xff == 3 => End::Queued,
            Verdict::Unknown(code) if code & 0xff == 0 => End::Dropped,
            // What was queued has come back.
            _ if self.end == End::Queued => End::Unseen,
            _ => self.end,
        };
    }
}

/// All events as those of one packet, whatever its numbers: where nothing else is traced.
pub fn one_packet(own: &str, events: &[TraceEvent]) -> Option<Group> {
    let mut grouper = Grouper::new(own);
    let first = events.iter().find(|event| event.packet.is_some())?;
    grouper.begin(first, Duration::ZERO, Some(first.family));
    let mut group = grouper.take_all().into_iter().next()?;
    for event in events {
        group.events += 1;
        if *event.table == *own {
            group.sentinel(event);
        } else {
            group.event(event);
        }
        // What follows is an answer to it.
        if group.end == End::Delivered && event.family == Family::Inet {
            break;
        }
    }
    Some(group)
}

fn is_final(verdict: &Verdict) -> bool {
    !matches!(
        verdict,
        Verdict::Continue | Verdict::Break | Verdict::Jump(_) | Verdict::Goto(_) | Verdict::Return
    )
}

/// The verdict in the words of `trace --json`.
pub fn verdict_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop => "drop".into(),
        Verdict::Accept | Verdict::Stop => "accept".into(),
        Verdict::Stolen => "stolen".into(),
        Verdict::Queue => "queue 0".into(),
        Verdict::Repeat => "repeat".into(),
        Verdict::Continue | Verdict::Break => "continue".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Return => "return".into(),
        Verdict::Unknown(code) => match code & 0xff {
            0 => "drop".into(),
            3 => format!("queue {}", code.cast_unsigned() >> 16),
            _ => format!("verdict {code}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trace::TracedPacket;

    fn event(id: u32, table: &str, chain: &str, kind: TraceKind) -> TraceEvent {
        TraceEvent {
            id,
            kind,
            family: Family::Inet,
            table: table.into(),
            chain: chain.into(),
            handle: None,
            verdict: None,
            policy: None,
            protocol: Some(Family::Ip),
            mark: 0,
            packet: None,
            unknown: Vec::new(),
        }
    }

    fn first(mut event: TraceEvent) -> TraceEvent {
        event.packet = Some(TracedPacket {
            iif: Some((2, 1)),
            ..TracedPacket::default()
        });
        event
    }

    fn rule(id: u32, handle: u64, verdict: Verdict) -> TraceEvent {
        TraceEvent {
            handle: Some(handle),
            verdict: Some(verdict),
            ..event(id, "fw", "input", TraceKind::Rule)
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn events_of_two_packets_are_kept_apart() {
        let mut grouper = Grouper::new("own");
        for id in [1, 2] {
            grouper.push(
                &first(event(id, "own", chain::MARK, TraceKind::Rule)),
                Duration::ZERO,
            );
        }
        grouper.push(&first(rule(1, 5, Verdict::Jump("deeper".into()))), SECOND);
        grouper.push(&first(rule(2, 5, Verdict::Continue)), SECOND);
        grouper.push(&rule(1, 9, Verdict::Drop), SECOND);
        let ended = TraceEvent {
            policy: Some(Policy::Accept),
            ..event(2, "own", chain::END_INPUT, TraceKind::Policy)
        };
        grouper.push(&first(ended), SECOND);
        assert!(grouper.take(SECOND).is_empty());
        let groups = grouper.take(SECOND * 2);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].end, End::Dropped);
        let (pass, hit) = groups[0].ended_by().unwrap();
        assert_eq!((&*pass.chain, hit.unwrap().handle), ("input", 9));
        assert_eq!((groups[1].end, groups[1].passes.len()), (End::Delivered, 1));
    }

    #[test]
    fn a_number_that_begins_again_is_another_packet() {
        let mut grouper = Grouper::new("own");
        let start = first(event(7, "own", chain::MARK, TraceKind::Rule));
        for _ in 0..3 {
            grouper.push(&start, SECOND);
            grouper.push(&first(rule(7, 1, Verdict::Accept)), SECOND);
        }
        let groups = grouper.take_all();
        assert_eq!(groups.len(), 3);
        assert!(groups.iter().all(|group| group.passes.len() == 1));
    }

    #[test]
    fn what_others_trace_is_left_out() {
        let mut grouper = Grouper::new("own");
        grouper.push(&first(rule(7, 1, Verdict::Accept)), SECOND);
        assert_eq!((grouper.foreign, grouper.take_all().len()), (1, 0));
    }
}
