//! The table of connections as it is shown: which of them, in which order, and how much room they take; and the packet
//! of one of them, for the screen that follows packets. Pure.

pub mod words;

use super::{STRIDE, holds};
use crate::flow::fib::FibView;
use crate::flow::report::Endpoint;
use crate::flow::{Question, cut};
use crate::insight::services::Found;
use crate::model::Network;
use crate::model::conntrack::Flow;
use crate::session::Flows;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What connections are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    #[default]
    Source,
    Destination,
    State,
    Rate,
    Bytes,
    /// Time until the kernel forgets it.
    Left,
    Age,
}

impl By {
    pub const ALL: [By; 7] = [
        By::Source,
        By::Destination,
        By::State,
        By::Rate,
        By::Bytes,
        By::Left,
        By::Age,
    ];

    pub fn word(self) -> &'static str {
        match self {
            By::Source => "source",
            By::Destination => "destination",
            By::State => "state",
            By::Rate => "rate",
            By::Bytes => "bytes",
            By::Left => "time left",
            By::Age => "age",
        }
    }

    /// Of numbers, people look for the largest.
    fn largest_first(self) -> bool {
        !matches!(self, By::Source | By::Destination | By::State)
    }

    /// The kernel tells what this goes by.
    pub fn is_known(self, flows: &Flows) -> bool {
        match self {
            By::Rate => flows.counted && !flows.is_snapshot(),
            By::Bytes => flows.counted,
            By::Age => flows.stamped,
            _ => true,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub by: By,
    pub turned: bool,
}

impl Order {
    pub fn falls(self) -> bool {
        self.by.largest_first() != self.turned
    }
}

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Ask {
    pub flows: Arc<Flows>,
    /// Services whose names are shown, and searched.
    pub services: Option<Arc<Found>>,
    pub order: Order,
    /// Words that a connection must have, all of them; of words that begin with `!`, none.
    pub query: String,
}

#[derive(Clone, Debug)]
pub struct View {
    pub ask: Ask,
    /// Places of connections, in the order in which they are shown.
    pub lines: Vec<u32>,
    pub source: Needs,
    pub destination: Needs,
    /// Columns that the longest remark takes.
    pub about: usize,
    /// How long it took to make: the next one comes later where that was long.
    pub took: Duration,
}

/// Columns that ends of connections take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All of them as a whole.
    pub all: usize,
    /// Three of four as a whole: a few long ones must not take the room of the rest.
    pub most: usize,
    /// Three of four with no more than a sign where NAT makes others of them.
    pub short: usize,
}

/// Counts lengths, to find what is enough for most.
struct Lengths {
    whole: [u32; LONGEST],
    short: [u32; LONGEST],
    count: u32,
}

/// Nothing is longer: two addresses of IPv6 with brackets and ports, and an arrow.
const LONGEST: usize = 100;

impl Lengths {
    fn new() -> Lengths {
        Lengths {
            whole: [0; LONGEST],
            short: [0; LONGEST],
            count: 0,
        }
    }

    fn add(&mut self, side: &words::Side) {
        self.count += 1;
        for (counts, width) in [
            (&mut self.whole, side.width()),
            (&mut self.short, side.short_width()),
        ] {
            if let Some(count) = counts.get_mut(width.min(LONGEST - 1)) {
                *count += 1;
            }
        }
    }

    /// The length that all but so many do not exceed.
    fn enough(&self, counts: &[u32], but: u32) -> usize {
        let mut left = self.count;
        let mut rest = counts.iter().take_while(|count| {
            left -= **count;
            left > but
        });
        rest.by_ref().count()
    }

    fn needs(&self) -> Needs {
        let few = self.count / 4;
        Needs {
            all: self.enough(&self.whole, 0),
            most: self.enough(&self.whole, few),
            short: self.enough(&self.short, few),
        }
    }
}

impl View {
    pub fn flow(&self, line: usize) -> Option<(&Flow, u32)> {
        let place = *self.lines.get(line)?;
        Some((self.ask.flows.get(place)?, place))
    }

    /// The line that a connection stands on, that of another reading too.
    pub fn line(&self, flow: &Flow) -> Option<usize> {
        let place = self.ask.flows.place(flow)?;
        self.lines.iter().position(|line| *line == place)
    }
}

/// The words of a query: with capitals, case matters.
#[derive(Clone, Debug, Default)]
pub struct Words<'q> {
    pub wanted: Vec<&'q str>,
    unwanted: Vec<&'q str>,
}

impl<'q> Words<'q> {
    pub fn of(query: &'q str) -> Words<'q> {
        let mut words = Words::default();
        for word in query.split_whitespace() {
            match word.strip_prefix('!') {
                // Somebody is about to write what is unwanted.
                Some("") => {}
                Some(unwanted) => words.unwanted.push(unwanted),
                None => words.wanted.push(word),
            }
        }
        words
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    fn fits(&self, text: &str) -> bool {
        self.wanted.iter().all(|word| holds(text, word))
            && !self.unwanted.iter().any(|word| holds(text, word))
    }
}

/// What is said beside a connection: names of services, then the rest.
pub fn about(flow: &Flow, services: Option<&Found>, own: bool) -> (String, String) {
    let names = services.map(|found| words::names(flow, &found.index));
    let mut shown: Vec<&str> = Vec::new();
    for (_, name) in names.unwrap_or_default() {
        // `endpoint of shop/web` says nothing new behind `shop/web`.
        let of = |known: &&str| {
            name.strip_suffix(known)
                .is_some_and(|lead| lead.ends_with(' '))
        };
        if !shown.iter().any(of) {
            shown.push(name);
        }
    }
    let names: Vec<String> = shown.iter().map(|name| format!("‹{name}›")).collect();
    let mut rest = words::extras(flow);
    if own {
        rest.insert(0, "your session".into());
    }
    (names.join(" "), rest.join(", "))
}

/// Do it, as long as it is wanted.
pub fn view(ask: &Ask, wanted: &dyn Fn() -> bool) -> Option<View> {
    let begun = Instant::now();
    let flows = &*ask.flows;
    let list = flows.list();
    let query = Words::of(&ask.query);
    let services = ask.services.as_deref();
    let index = services.map(|found| &found.index);
    let mut lines: Vec<u32> = Vec::new();
    let mut text = String::new();
    let (mut source, mut destination) = (Lengths::new(), Lengths::new());
    let mut beside = 0;
    for (place, flow) in (0u32..).zip(list) {
        if (place as usize).is_multiple_of(STRIDE) && !wanted() {
            return None;
        }
        let own = flows.is_own(flow);
        if !query.is_empty() {
            words::searched(&mut text, flow, index, own);
            if !query.fits(&text) {
                continue;
            }
        }
        lines.push(place);
        source.add(&words::source(flow));
        destination.add(&words::destination(flow));
        let (names, rest) = about(flow, services, own);
        let columns = crate::tui::clean::width(&names) + crate::tui::clean::width(&rest);
        let between = usize::from(!names.is_empty() && !rest.is_empty()) * 2;
        beside = beside.max(columns + between);
    }
    if !wanted() {
        return None;
    }
    let (by, falls) = (ask.order.by, ask.order.falls());
    let ends = matches!(by, By::Source | By::Destination);
    lines.sort_by_cached_key(|place| {
        let (number, ends, protocol, place) = sort_key(flows, *place, by);
        // Equals stand in the same order both ways.
        let number = if falls { !number } else { number };
        (number, ends, protocol, place)
    });
    if falls && ends {
        lines.reverse();
    }
    Some(View {
        ask: ask.clone(),
        lines,
        source: source.needs(),
        destination: destination.needs(),
        about: beside,
        took: begun.elapsed(),
    })
}

/// A number first; among equals the ends decide, and last the place, so that lines do not jump about.
type SortKey = (u64, Option<[(IpAddr, Option<u16>); 2]>, u8, u32);

fn sort_key(flows: &Flows, place: u32, by: By) -> SortKey {
    let Some(flow) = flows.get(place) else {
        return (0, None, 0, place);
    };
    let bytes = [flow.counter_original, flow.counter_reply];
    let bytes = || bytes.into_iter().flatten().map(|counter| counter.bytes);
    let number = match by {
        By::Source | By::Destination => 0,
        By::State => words::rank(flow),
        // Bits of numbers that are not negative are in the order of the numbers.
        By::Rate => flows
            .speed(place)
            .map_or(0, |speed| speed.bytes().max(0.0).to_bits()),
        By::Bytes => bytes().fold(0, u64::saturating_add),
        By::Left => flow.timeout.map_or(u64::MAX, u64::from),
        By::Age => flows.age(flow).map_or(0, |age| age.as_secs()),
    };
    let (source, destination) = words::ends(&flow.original);
    let end = |end: Endpoint| (end.address, end.port);
    let ends = match by {
        By::Destination => [end(destination), end(source)],
        _ => [end(source), end(destination)],
    };
    (number, Some(ends), flow.original.protocol, place)
}

/// A packet of a connection as it comes next: of who began it, or of who answers.
pub fn question(network: &Network, flow: &Flow, reply: bool) -> Question {
    let fib = FibView::new(network);
    cut::question(&fib, network, flow, reply)
}
