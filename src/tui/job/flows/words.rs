//! How connections are written: their ends, what NAT made of them, their state. Pure.

use crate::flow::packet::protocol_name;
use crate::flow::report::Endpoint;
use crate::insight::services::Index;
use crate::lang::conntrack::flow_line;
use crate::model::conntrack::{Flow, Ports, Tuple, status};
use std::fmt::{self, Display, Formatter, Write};
use std::net::IpAddr;

/// One end of a connection, as one side knows it and as the other does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// In the packets of who began.
    pub seen: Endpoint,
    /// What NAT makes of it, where that is another one.
    pub real: Option<Endpoint>,
}

/// An end that is known already, but for what differs.
#[derive(Clone, Copy, Debug)]
pub struct Changed(pub Endpoint, pub Endpoint);

impl Display for Changed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Changed(before, after) = self;
        match after.port {
            Some(port) if before.address == after.address => write!(f, ":{port}"),
            port if port == before.port => write!(f, "{}", after.address),
            _ => write!(f, "{after}"),
        }
    }
}

/// NAT makes another one of this end.
pub const SIGN: &str = " ⇒";

/// Between what an end was and what NAT makes of it.
pub const ARROW: &str = " ⇒ ";

impl Display for Side {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seen)?;
        match self.real {
            Some(real) => write!(f, "{ARROW}{}", Changed(self.seen, real)),
            None => Ok(()),
        }
    }
}

impl Side {
    /// Columns that it takes as a whole.
    pub fn width(&self) -> usize {
        written(self)
    }

    /// Columns that it takes with a sign in place of what NAT makes of it.
    pub fn short_width(&self) -> usize {
        written(&self.seen)
            + if self.real.is_some() {
                written(&SIGN)
            } else {
                0
            }
    }
}

/// Columns of a text that nobody needs.
fn written(what: &impl Display) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            // The arrow is the only thing here that is no ASCII, and it takes one column.
            self.0 += text.chars().count();
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = write!(count, "{what}");
    count.0
}

fn source_of(tuple: &Tuple) -> Endpoint {
    let port = match tuple.ports {
        Ports::Ports { src, .. } if tuple.protocol != GRE => Some(src),
        _ => None,
    };
    Endpoint {
        address: tuple.src,
        port,
    }
}

fn destination_of(tuple: &Tuple) -> Endpoint {
    let port = match tuple.ports {
        Ports::Ports { dst, .. } if tuple.protocol != GRE => Some(dst),
        _ => None,
    };
    Endpoint {
        address: tuple.dst,
        port,
    }
}

/// Its keys are no ports.
pub const GRE: u8 = 47;

/// Both ends of one direction.
pub fn ends(tuple: &Tuple) -> (Endpoint, Endpoint) {
    (source_of(tuple), destination_of(tuple))
}

fn side(seen: Endpoint, real: Endpoint) -> Side {
    Side {
        seen,
        real: (real != seen).then_some(real),
    }
}

/// Who began. NAT of sources shows it to the other end as somebody else.
pub fn source(flow: &Flow) -> Side {
    side(source_of(&flow.original), destination_of(&flow.reply))
}

/// Whom it is for. NAT of destinations leads it to somebody else.
pub fn destination(flow: &Flow) -> Side {
    side(destination_of(&flow.original), source_of(&flow.reply))
}

pub fn protocol(flow: &Flow) -> String {
    protocol_name(flow.original.protocol)
}

/// States in the order in which connections go through them: those that nobody answered come first.
const STATES: [&str; 16] = [
    "UNREPLIED",
    "NONE",
    "SYN_SENT",
    "SYN_SENT2",
    "SYN_RECV",
    "ESTABLISHED",
    "ASSURED",
    "REPLIED",
    "HW_OFFLOAD",
    "OFFLOAD",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "CLOSED",
];

/// The state of its protocol, or how far the kernel itself says it has come.
pub fn state(flow: &Flow) -> &'static str {
    if flow.has(status::HW_OFFLOAD) {
        return "HW_OFFLOAD";
    }
    if flow.has(status::OFFLOAD) {
        return "OFFLOAD";
    }
    match flow.state_name() {
        Some(state) => state,
        None if !flow.has(status::SEEN_REPLY) => "UNREPLIED",
        None if flow.has(status::ASSURED) => "ASSURED",
        None => "REPLIED",
    }
}

pub fn rank(flow: &Flow) -> u64 {
    let state = state(flow);
    let place = STATES.iter().position(|one| *one == state);
    place.unwrap_or(STATES.len()) as u64
}

/// What few connections have, in few words.
pub fn extras(flow: &Flow) -> Vec<String> {
    let mut words = Vec::new();
    if let Ports::Icmp { id, kind, .. } = flow.original.ports {
        let word = match (flow.original.src, kind) {
            (IpAddr::V4(_), 8) | (IpAddr::V6(_), 128) => "echo".to_owned(),
            _ => format!("type {kind}"),
        };
        words.push(format!("{word} id {id}"));
    }
    // A state says that already, where it is of the beginning.
    let begun = flow.state_name().is_some_and(|state| state != "SYN_SENT");
    if begun && !flow.has(status::SEEN_REPLY) {
        words.push("unreplied".into());
    }
    if let Some(mark) = flow.mark.filter(|mark| *mark != 0) {
        words.push(format!("mark {mark:#x}"));
    }
    let zones = [
        ("zone", flow.zone),
        ("zone-orig", flow.original.zone),
        ("zone-reply", flow.reply.zone),
    ];
    words.extend(
        zones
            .into_iter()
            .filter_map(|(word, zone)| Some(format!("{word} {}", zone?))),
    );
    let rare = flow.rare.as_deref();
    if let Some(helper) = rare.and_then(|rare| rare.helper.as_ref()) {
        words.push(format!("helper {helper}"));
    }
    if flow.has(status::EXPECTED) {
        words.push("expected".into());
    }
    words
}

/// What addresses of the connection belong to: the end, and the name; each name once.
pub fn names<'n>(flow: &Flow, index: &'n Index) -> Vec<(Endpoint, &'n str)> {
    let mut found: Vec<(Endpoint, &str)> = Vec::new();
    if index.is_empty() {
        return found;
    }
    let (from, to) = (source(flow), destination(flow));
    let ends = [Some(to.seen), to.real, Some(from.seen), from.real];
    for end in ends.into_iter().flatten() {
        let name = index.name(end.address, end.port);
        if let Some(name) = name.filter(|name| !found.iter().any(|(_, known)| known == name)) {
            found.push((end, name));
        }
    }
    found
}

/// Everything that is shown of a connection and everything that conntrack(8) would show, to be searched in.
pub fn searched(out: &mut String, flow: &Flow, index: Option<&Index>, own: bool) {
    out.clear();
    let (source, destination) = (source(flow), destination(flow));
    // Writing to a String cannot fail.
    let _ = write!(out, "{} {source} → {destination} ", state(flow));
    for (_, name) in index.map(|index| names(flow, index)).unwrap_or_default() {
        let _ = write!(out, "‹{name}› ");
    }
    for word in extras(flow) {
        let _ = write!(out, "{word} ");
    }
    if own {
        out.push_str("your session ");
    }
    out.push_str(&flow_line(flow, None));
}
