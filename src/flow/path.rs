//! The walk: a packet through the kernel from where it enters to where it ends, with everything that happens to it
//! in order. `receive` follows arriving packets, `output` sent ones, `bridge` frames between ports.

mod bridge;
mod ip4;
mod ip6;
mod output;
mod receive;
mod walk;

pub(in crate::flow) use walk::{Added, Dst, Walk};

use super::conntrack::Table;
use super::eval::program::Program;
use super::fib::FibView;
use super::frame::Skb;
use super::hash::ByIndex;
use super::hooks::Hooks;
use super::packet::{Question, QuestionError};
use super::report::{Branch, Fate, Outcome, Place, RuleVerdict, Step, Uncertainty};
use super::settings::Settings;
use super::xtables::ipset::IpSets;
use super::xtables::legacy;
use crate::model::conntrack::Flow;
use crate::model::ipset::IpSet;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Network, Ruleset};
use std::net::IpAddr;

/// What the answer rests on.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub ruleset: &'a Ruleset,
    pub network: &'a Network,
    pub flows: &'a [Flow],
    pub ipsets: &'a [IpSet],
    /// Legacy tables, newest first within a family.
    pub legacy: &'a [LegacyTable],
}

/// A picture made ready for questions.
pub struct Simulator<'a> {
    pub network: &'a Network,
    pub program: Program<'a>,
    pub hooks: Hooks,
    pub fib: FibView<'a>,
    pub settings: Settings,
    pub flows: Table<'a>,
    pub ipsets: IpSets<'a>,
    pub legacy: Vec<legacy::Table<'a>>,
    /// Devices' names as registers hold them.
    names: ByIndex<[u8; 16]>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub fate: Fate,
    /// The device it leaves by.
    pub oif: Option<u32>,
    pub steps: Vec<Step>,
    /// The step that ended it.
    pub dropped_by: Option<usize>,
    pub uncertain: Vec<Uncertainty>,
    /// The packet as it ends.
    pub last: Headers,
    /// As it began, for frames that nobody has taken apart.
    pub first: Headers,
}

/// Addresses and ports of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub proto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    pub mark: u32,
    /// bytes at the IP layer
    pub length: usize,
}

impl Headers {
    fn of(skb: &Skb) -> Headers {
        let l4 = skb.l4();
        let ports = skb.ports();
        Headers {
            src: skb.src(),
            dst: skb.dst(),
            proto: l4.known.then_some(l4.proto),
            sport: ports.map(|(port, _)| port),
            dport: ports.map(|(_, port)| port),
            mark: skb.mark,
            length: skb.data.len(),
        }
    }
}

/// More forks than these are not followed.
const MAX_DECISIONS: usize = 12;
const MAX_OPTIONS: usize = 17;

/// A name as a register holds it.
fn in_register(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let own = crate::model::text::to_bytes(name);
    for (place, byte) in bytes.iter_mut().take(15).zip(own) {
        *place = byte;
    }
    bytes
}

impl<'a> Simulator<'a> {
    pub fn new(world: World<'a>) -> Simulator<'a> {
        let settings = Settings::read(world.network);
        let program = Program::new(world.ruleset);
        let legacy: Vec<_> = world.legacy.iter().map(legacy::Table::new).collect();
        let places: Vec<_> = legacy.iter().map(legacy::Table::hooks).collect();
        let mut names = ByIndex::default();
        for link in world.network.links.iter() {
            names.insert(link.index, in_register(&link.name));
        }
        let hooks = Hooks::build(&program, world.network, &places, settings.br_netfilter);
        Simulator {
            network: world.network,
            hooks,
            fib: FibView::new(world.network),
            settings,
            flows: Table::new(world.flows),
            ipsets: IpSets::new(world.ipsets),
            legacy,
            names,
            program,
        }
    }

    /// Follow one packet, with every step.
    pub fn trace(&self, question: &Question) -> Result<Trace, QuestionError> {
        let skb = question.build(self.network)?;
        let first = Headers::of(&skb);
        let main = self.walk(question, skb.clone(), &[], true);
        let mut uncertain = Vec::new();
        let mut fate = main.fate;
        for (place, decision) in main.decisions.iter().enumerate().take(MAX_DECISIONS) {
            let mut branches = Vec::new();
            for (option, assume) in decision.options.iter().enumerate().take(MAX_OPTIONS) {
                let (branch, oif) = if option == decision.taken {
                    (main.fate, main.oif)
                } else {
                    let before = main.decisions.iter().take(place).map(|d| d.taken);
                    let script: Vec<usize> = before.chain([option]).collect();
                    let other = self.walk(question, skb.clone(), &script, false);
                    (other.fate, other.oif)
                };
                branches.push(Branch {
                    assume: assume.clone(),
                    fate: branch,
                    oif,
                });
            }
            let differ = branches.iter().any(|branch| branch.fate != main.fate);
            if differ && !decision.likely {
                fate = Fate::Uncertain;
            }
            uncertain.push(Uncertainty {
                what: decision.what.clone(),
                branches,
            });
        }
        for what in main.notes {
            uncertain.push(Uncertainty {
                what,
                branches: Vec::new(),
            });
        }
        let ended = matches!(main.fate, Fate::Delivered | Fate::Forwarded | Fate::Sent);
        Ok(Trace {
            fate,
            oif: main.oif,
            dropped_by: if ended {
                None
            } else {
                main.steps.len().checked_sub(1)
            },
            steps: main.steps,
            uncertain,
            last: main.last,
            first,
        })
    }

    /// Only the end: for many packets.
    pub fn fate(&self, question: &Question) -> Result<(Fate, Option<u32>), QuestionError> {
        let skb = question.build(self.network)?;
        let ended = self.walk(question, skb, &[], false);
        Ok((ended.fate, ended.oif))
    }

    /// The same for a packet that is there already.
    pub fn fate_of(&self, question: &Question, skb: Skb) -> (Fate, Option<u32>) {
        let ended = self.walk(question, skb, &[], false);
        (ended.fate, ended.oif)
    }
}

/// Rules that matched, for those who only want those.
pub fn matched(trace: &Trace) -> impl Iterator<Item = (Place, usize, &RuleVerdict)> {
    trace
        .steps
        .iter()
        .flat_map(|step| match step {
            Step::Chain(chain) => chain.rules.as_slice(),
            _ => &[],
        })
        .filter_map(|rule| match &rule.outcome {
            Outcome::Matched(verdict) => Some((rule.place, rule.rule, verdict)),
            Outcome::Failed(_) => None,
        })
}
