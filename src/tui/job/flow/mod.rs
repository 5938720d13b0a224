//! The hook diagram, and the way of one packet through it, in words: what the Flow screen shows. Pure.
//!
//! `diagram` lists what runs at every hook, `told` turns a simulated path into the rows of `path`, `examples` finds
//! packets worth asking about.

mod diagram;
pub mod examples;
mod path;
mod real;
mod reasons;
mod told;

pub use diagram::{Diagram, Entry, Nature};
pub use path::{Line, Mark, Row, Sort, Told};
pub use real::{agree, alike, comparable};

pub use crate::flow::options::Wrong;
use crate::flow::words::Words;
use crate::flow::{Question, Simulator};
use crate::model::{Family, Names, Network};
use crate::session::watch::Packet;
use crate::session::{Beside, changes};
use crate::stage::change::Edit;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// A place of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Station {
    Ingress,
    Prerouting,
    /// Where routing (or the bridge) decides about an arriving packet.
    Route,
    Input,
    /// The programs of this machine, and the routing of what they send.
    Local,
    Forward,
    Output,
    Postrouting,
    Egress,
}

impl Station {
    pub const ALL: [Station; 9] = [
        Station::Ingress,
        Station::Prerouting,
        Station::Route,
        Station::Input,
        Station::Local,
        Station::Output,
        Station::Forward,
        Station::Postrouting,
        Station::Egress,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Station::Ingress => "ingress",
            Station::Prerouting => "prerouting",
            Station::Route => "route",
            Station::Input => "input",
            Station::Local => "local",
            Station::Forward => "forward",
            Station::Output => "output",
            Station::Postrouting => "postrouting",
            Station::Egress => "egress",
        }
    }

    /// Where packets go from here.
    pub fn next(self) -> &'static [Station] {
        match self {
            Station::Ingress => &[Station::Prerouting],
            Station::Prerouting => &[Station::Route],
            Station::Route => &[Station::Input, Station::Forward],
            Station::Input => &[Station::Local],
            Station::Local => &[Station::Output],
            Station::Forward | Station::Output => &[Station::Postrouting],
            Station::Postrouting => &[Station::Egress],
            // By the loopback device.
            Station::Egress => &[Station::Ingress],
        }
    }

    fn of_hook(hook: &str) -> Option<Station> {
        Station::ALL
            .into_iter()
            .find(|station| station.title() == hook)
    }
}

/// The families that have a diagram.
pub const FAMILIES: [Family; 5] = [
    Family::Ip,
    Family::Ip6,
    Family::Bridge,
    Family::Arp,
    Family::Netdev,
];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub beside: Arc<Beside>,
    pub network: Network,
    pub names: Arc<Names>,
    pub question: Option<Question>,
    /// Pending changes: the path is also looked for with them.
    pub edits: Vec<Edit>,
    /// What the answer rests on, in words.
    pub basis: Vec<String>,
    /// The packet that the question is about, as it was seen.
    pub real: Option<Arc<Packet>>,
}

/// The path of the packet, or what is wrong with the question.
pub type Path = Result<Arc<Told>, Wrong>;

#[derive(Clone, Debug)]
pub struct Seen {
    pub diagram: Arc<Diagram>,
    pub question: Option<Question>,
    /// None where nothing was asked.
    pub now: Option<Path>,
    /// With the pending changes, where there are any.
    pub staged: Option<Path>,
    /// What the kernel really did with it, where the question is about a packet that was seen.
    pub real: Option<Path>,
    /// Packets to begin with: what they are, and the question.
    pub examples: Vec<(String, Question)>,
}

/// Answer it.
pub fn run(ask: &Ask) -> Seen {
    let world = ask.beside.world(&ask.network);
    let simulator = Simulator::new(world);
    let words = Words::new(&simulator, world.ruleset, &ask.names);
    let diagram = Arc::new(diagram::build(&simulator));
    let time = ask.beside.read_at.duration_since(UNIX_EPOCH).ok();
    let question = ask.question.clone().map(|mut question| {
        let now = time.and_then(|time| i64::try_from(time.as_nanos()).ok());
        question.time = question.time.or(now);
        question
    });
    let now = question.as_ref().map(|question| {
        let basis = basis(ask, false);
        trace(&simulator, &words, question, basis)
    });
    let staged = question
        .as_ref()
        .filter(|_| !ask.edits.is_empty())
        .map(|question| after(ask, question));
    let examples = if question.is_none() {
        examples::find(&simulator, &ask.beside.flows)
    } else {
        Vec::new()
    };
    Seen {
        diagram,
        question: ask.question.clone(),
        now,
        staged,
        real: ask
            .real
            .as_deref()
            .map(|packet| Ok(Arc::new(real::tell(packet)))),
        examples,
    }
}

fn after(ask: &Ask, question: &Question) -> Path {
    let unfit = |wrong: Vec<changes::Wrong>| {
        let first = wrong.first().map(|one| one.message.as_str());
        Wrong {
            option: None,
            message: format!(
                "the pending changes cannot be made: {}",
                first.unwrap_or("they do not fit the ruleset")
            ),
        }
    };
    let before = (&ask.beside.ruleset, &*ask.beside.legacy, &ask.network);
    let (after, unseen) = changes::decided(before, &ask.edits, &ask.names).map_err(unfit)?;
    let mut world = ask.beside.world(&ask.network);
    world.ruleset = &after.ruleset;
    world.legacy = &after.legacy;
    world.network = &after.network;
    let simulator = Simulator::new(world);
    let words = Words::new(&simulator, &after.ruleset, &ask.names);
    let mut basis = basis(ask, true);
    basis.extend(unseen.map(|what| format!("not looked at: {what}")));
    trace(&simulator, &words, question, basis)
}

fn trace(
    simulator: &Simulator<'_>,
    words: &Words<'_>,
    question: &Question,
    basis: Vec<String>,
) -> Path {
    let trace = simulator
        .trace(question)
        .map_err(|error| Wrong::of(&error))?;
    Ok(Arc::new(told::tell(
        simulator, words, question, &trace, basis,
    )))
}

/// What an answer rests on, and what nobody looked at.
fn basis(ask: &Ask, staged: bool) -> Vec<String> {
    let mut lines = ask.basis.clone();
    if staged {
        lines.push("with the pending changes, which the kernel does not have yet".into());
    }
    lines.push(format!(
        "{} tracked connections, {} ipsets, {} legacy tables were looked at",
        ask.beside.flows.len(),
        ask.beside.ipsets.len(),
        ask.beside.legacy.len()
    ));
    lines.push(
        "not looked at: BPF programs (XDP, tc, cgroups, netfilter), other network namespaces, packets that a flowtable or hardware forwards by itself"
            .into(),
    );
    let missing = ask.beside.missing.iter();
    lines.extend(missing.map(|missing| format!("could not be read: {missing}")));
    lines
}
