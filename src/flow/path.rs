//! The walk: a packet through the kernel from where it enters to where it ends, with everything that happens to it
//! in order. `receive` follows arriving packets, `output` sent ones, `bridge` frames between ports.

mod bridge;
mod output;
mod receive;

use super::conntrack::{CtInfo, Entry, Table, Tracker};
use super::eval::program::{Program, SetId};
use super::eval::{RULES_PER_PACKET, Registers};
use super::fib::{FibView, FlowKey};
use super::frame::{L4, Skb};
use super::hash::Map;
use super::hooks::{Entry as HookEntry, Function, Hooks, hook_name, inet};
use super::packet::{Question, QuestionError};
use super::report::{
    Branch, Check, ConntrackStep, Decision, Fate, Outcome, Place, RuleVerdict, Step, Uncertainty,
};
use super::settings::Settings;
use super::xtables::ipset::IpSets;
use super::xtables::legacy;
use crate::model::conntrack::{Flow, status};
use crate::model::ipset::IpSet;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Family, Network, Ruleset};
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
    names: Map<u32, [u8; 16]>,
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

/// Where in the hook graph the packet is.
#[derive(Clone, Copy, Debug)]
pub(super) struct HookState {
    /// Of the packet: `Ip` and `Ip6` also at inet chains.
    pub family: Family,
    pub hook: u8,
    pub name: &'static str,
    /// 0: none
    pub iif: u32,
    pub oif: u32,
    pub is_egress: bool,
}

/// The route that a packet has been given (`skb_dst`).
#[derive(Clone, Debug)]
pub(super) struct Dst {
    pub oif: u32,
    pub gateway: Option<IpAddr>,
    pub mtu: Option<u32>,
    pub local: bool,
}

/// An element that a rule added to a set or took out of it, while this packet passed.
pub(super) struct Added {
    pub set: SetId,
    pub key: Vec<u8>,
    pub data: Option<Vec<u8>>,
    pub deleted: bool,
}

/// A name as a register holds it.
fn in_register(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let own = crate::model::text::to_bytes(name);
    for (place, byte) in bytes.iter_mut().take(15).zip(own) {
        *place = byte;
    }
    bytes
}

/// One packet under way.
pub(super) struct Walk<'s, 'a> {
    pub sim: &'s Simulator<'a>,
    pub question: &'s Question,
    pub skb: Skb,
    pub ct_info: CtInfo,
    pub entry: Option<Box<Entry>>,
    /// A zone that a rule set before conntrack looked.
    pub template: Option<Box<Entry>>,
    /// A socket of this machine sent it.
    pub socket: bool,
    pub dst: Option<Dst>,
    pub state: HookState,
    pub l4: L4,
    pub registers: Registers,
    pub added: Vec<Added>,
    pub unknown_port: bool,
    pub record: bool,
    pub steps: Vec<Step>,
    /// Rules that may still be looked at.
    pub budget: u32,
    script: &'s [usize],
    /// Decisions so far; only a recorded walk keeps them.
    decided: usize,
    decisions: Vec<Decision>,
    notes: Vec<String>,
    fate: Option<Fate>,
    oif: Option<u32>,
    /// br_netfilter took the packet through IP prerouting already.
    pub nf_bridge: Option<bridge::BridgeInfo>,
}

/// How a walk ended.
struct Ended {
    fate: Fate,
    oif: Option<u32>,
    steps: Vec<Step>,
    decisions: Vec<Decision>,
    notes: Vec<String>,
    last: Headers,
}

impl<'a> Simulator<'a> {
    pub fn new(world: World<'a>) -> Simulator<'a> {
        let settings = Settings::read(world.network);
        let program = Program::new(world.ruleset);
        let legacy: Vec<_> = world.legacy.iter().map(legacy::Table::new).collect();
        let places: Vec<_> = legacy.iter().map(legacy::Table::hooks).collect();
        let hooks = Hooks::build(&program, world.network, &places, settings.br_netfilter);
        Simulator {
            network: world.network,
            hooks,
            fib: FibView::new(world.network),
            settings,
            flows: Table::new(world.flows),
            ipsets: IpSets::new(world.ipsets),
            legacy,
            names: world
                .network
                .links
                .iter()
                .map(|link| (link.index, in_register(&link.name)))
                .collect(),
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

    fn walk(&self, question: &Question, skb: Skb, script: &[usize], record: bool) -> Ended {
        let mut walk = Walk {
            sim: self,
            question,
            skb,
            ct_info: CtInfo::None,
            entry: None,
            template: None,
            socket: question.iif.is_none(),
            dst: None,
            state: HookState {
                family: Family::Ip,
                hook: 0,
                name: "",
                iif: 0,
                oif: 0,
                is_egress: false,
            },
            l4: L4::default(),
            registers: Registers::new(),
            added: Vec::new(),
            unknown_port: false,
            record,
            steps: Vec::new(),
            budget: RULES_PER_PACKET,
            script,
            decided: 0,
            decisions: Vec::new(),
            notes: Vec::new(),
            fate: None,
            oif: None,
            nf_bridge: None,
        };
        match &question.iif {
            Some(name) => match self.network.link_by_name(name) {
                Some(link) => walk.receive(link.index),
                None => walk.end(Fate::Dropped),
            },
            None => walk.send(),
        }
        Ended {
            fate: walk.fate.unwrap_or(Fate::Uncertain),
            oif: walk.oif,
            last: Headers::of(&walk.skb),
            steps: walk.steps,
            decisions: walk.decisions,
            notes: walk.notes,
        }
    }
}

/// More forks than these are not followed.
const MAX_DECISIONS: usize = 12;
const MAX_OPTIONS: usize = 17;

impl<'s, 'a> Walk<'s, 'a> {
    /// Something nobody knows: the first option is taken, unless this walk is about another one.
    pub(super) fn decide(
        &mut self,
        what: impl FnOnce() -> String,
        options: &[&str],
        likely: bool,
    ) -> usize {
        let options = || options.iter().map(|option| (*option).to_owned()).collect();
        self.choose(what, options, likely)
    }

    /// The same with options that are put into words only when somebody reads them.
    pub(super) fn choose(
        &mut self,
        what: impl FnOnce() -> String,
        options: impl FnOnce() -> Vec<String>,
        likely: bool,
    ) -> usize {
        let taken = self.script.get(self.decided).copied().unwrap_or(0);
        self.decided += 1;
        if self.record {
            self.decisions.push(Decision {
                what: what(),
                options: options(),
                taken,
                likely,
            });
        }
        taken
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.record {
            let what = what();
            if !self.notes.contains(&what) {
                self.notes.push(what);
            }
        }
    }

    /// The path cannot be followed any further.
    pub(super) fn stuck(&mut self, why: impl FnOnce() -> String) {
        self.note(why);
        self.end(Fate::Uncertain);
    }

    pub(super) fn end(&mut self, fate: Fate) {
        if self.fate.is_none() {
            self.fate = Some(fate);
        }
    }

    pub(super) fn end_at(&mut self, fate: Fate, oif: u32) {
        if self.fate.is_none() {
            self.oif = Some(oif);
        }
        self.end(fate);
    }

    pub(super) fn is_over(&self) -> bool {
        self.fate.is_some()
    }

    pub(super) fn check(
        &mut self,
        name: &'static str,
        passed: bool,
        detail: impl FnOnce() -> String,
    ) {
        if self.record {
            self.steps.push(Step::Check(Check {
                name,
                passed,
                detail: detail(),
            }));
        }
    }

    /// A check that failed ends the packet.
    pub(super) fn fail(&mut self, fate: Fate, name: &'static str, detail: impl FnOnce() -> String) {
        self.check(name, false, detail);
        self.end(fate);
    }

    pub(super) fn refresh_l4(&mut self) {
        self.l4 = match self.state.family {
            Family::Ip | Family::Ip6 if self.state.hook != inet::INGRESS => self.skb.l4(),
            Family::Arp => L4::default(),
            _ => self.skb.l4_checked(),
        };
    }

    /// The name of a device as a register holds it; without a device zeros.
    pub(super) fn device_name(&self, index: u32) -> [u8; 16] {
        self.sim.names.get(&index).copied().unwrap_or_default()
    }

    pub(super) fn device(&self, index: u32) -> String {
        self.sim.network.link_name(index).to_string()
    }

    /// Enter a hook: everything that runs there, in order. False: the packet has ended.
    pub(super) fn run_hook(&mut self, family: Family, hook: u8, iif: u32, oif: u32) -> bool {
        let sim = self.sim;
        let list = sim.hooks.at(family, hook);
        self.run_list(list, family, hook, iif, oif, i32::MIN)
    }

    pub(super) fn enter(&mut self, family: Family, hook: u8, iif: u32, oif: u32) {
        self.state = HookState {
            family,
            hook,
            name: hook_name(family, hook),
            iif,
            oif,
            is_egress: false,
        };
        self.refresh_l4();
    }

    /// Run the functions of a list with at least this priority.
    pub(super) fn run_list(
        &mut self,
        list: &'s [HookEntry],
        family: Family,
        hook: u8,
        iif: u32,
        oif: u32,
        from: i32,
    ) -> bool {
        self.enter(family, hook, iif, oif);
        let state = self.state;
        for entry in list.iter().filter(|entry| entry.priority >= from) {
            self.state = state;
            self.run_function(entry);
            if self.is_over() {
                return false;
            }
            if self.state.family != family || self.state.hook != hook {
                // Another family's hook ran inside this one.
                self.enter(family, hook, iif, oif);
            }
        }
        true
    }

    fn run_function(&mut self, entry: &HookEntry) {
        match entry.function {
            Function::Nft(chain) => {
                let kind = self
                    .sim
                    .program
                    .chain(chain)
                    .and_then(|chain| chain.base.as_ref());
                if kind.is_some_and(|base| &*base.kind == "route")
                    && self.state.hook == inet::OUTPUT
                {
                    self.run_route_chain(chain);
                } else {
                    let verdict = self.run_base_chain(chain);
                    self.take(verdict);
                }
            }
            Function::Legacy(table) => {
                let before = self.routing_facts();
                let verdict = self.run_legacy(table);
                self.take(verdict);
                let rerouted = self.state.hook == inet::OUTPUT && self.legacy_reroutes(table);
                if rerouted && !self.is_over() && before != self.routing_facts() {
                    self.reroute();
                }
            }
            Function::Defrag => self.defragment(),
            Function::Conntrack => self.conntrack(),
            Function::Nat => {
                let before = self.skb.dst();
                let verdict = self.nat_hook();
                self.take(verdict);
                if !self.is_over() {
                    self.after_nat(before);
                }
            }
            Function::Confirm => self.confirm(),
            Function::BridgePrerouting => self.bridge_prerouting(),
            Function::BridgeForward => self.bridge_forward(),
            Function::BridgePostrouting => self.bridge_postrouting(),
            Function::Sabotage => {}
        }
    }

    fn run_base_chain(&mut self, chain: usize) -> RuleVerdict {
        self.run_chain(chain)
    }

    /// A chain of the NAT function's list.
    pub(super) fn run_nat_chain(&mut self, function: Function) -> RuleVerdict {
        match function {
            Function::Nft(chain) => self.run_base_chain(chain),
            Function::Legacy(table) => self.run_legacy(table),
            _ => RuleVerdict::Accept,
        }
    }

    /// What a chain's verdict does to the packet.
    pub(super) fn take(&mut self, verdict: RuleVerdict) {
        match verdict {
            RuleVerdict::Drop => self.end(Fate::Dropped),
            RuleVerdict::Reject => self.end(Fate::Rejected),
            RuleVerdict::Stolen => self.end(Fate::Stolen),
            RuleVerdict::Queue(_) => self.end(Fate::Queued),
            _ => {}
        }
    }

    fn is_tracked_already(&self) -> bool {
        self.entry.is_some() || self.ct_info == CtInfo::Untracked
    }

    /// `ipv4_conntrack_defrag`, `ipv6_defrag`
    fn defragment(&mut self) {
        if self.is_tracked_already() || !self.skb.is_fragment() || self.skb.is_odd_fragment() {
            return;
        }
        self.fail(Fate::Stolen, "defragmentation", || {
            "conntrack keeps the fragment until the others have come".into()
        });
    }

    pub(super) fn set_template(&mut self, zone: u16) {
        let nowhere = super::conntrack::Tuple {
            src: IpAddr::from([0; 4]),
            dst: IpAddr::from([0; 4]),
            proto: 0,
            sport: 0,
            dport: 0,
        };
        self.template = Some(Box::new(Entry::new(nowhere, nowhere, zone)));
    }

    /// `nf_conntrack_in`
    fn conntrack(&mut self) {
        if self.is_tracked_already() {
            return;
        }
        let sim = self.sim;
        let tracker = Tracker {
            table: &sim.flows,
            zone: self.template.take().map_or(0, |template| template.zone),
            checksum: sim.settings.ct_checksum,
            tcp_loose: sim.settings.tcp_loose,
            any_icmp_id: self.question.frame.is_none(),
            prerouting: self.state.hook == inet::PREROUTING,
        };
        let tracked = match self.question.ct_state {
            Some(state) => tracker.forced(&self.skb, state),
            None => tracker.track(&self.skb),
        };
        self.ct_info = tracked.info;
        self.entry = tracked.entry.map(Box::new);
        if self.record {
            self.steps.push(Step::Conntrack(ConntrackStep {
                state: self.ct_info.word(),
                reply: self.ct_info.is_reply(),
                flow: self.entry.as_deref().and_then(|entry| entry.flow),
                why: tracked.why,
            }));
        }
    }

    /// `nf_confirm`: a new flow enters the table, unless its answers would be another flow's.
    fn confirm(&mut self) {
        let Some(entry) = self.entry.as_deref() else {
            return;
        };
        if entry.is_confirmed() || self.ct_info.is_reply() {
            return;
        }
        if self.clashes(entry) {
            self.fail(Fate::Dropped, "conntrack", || {
                "the answers to this flow would be taken for another flow's".into()
            });
            return;
        }
        if let Some(entry) = self.entry.as_deref_mut() {
            entry.status |= status::CONFIRMED;
        }
    }

    /// The key of a route lookup for the packet as it is now.
    pub(super) fn flow_key(&self) -> Option<FlowKey> {
        let (src, dst) = (self.skb.src()?, self.skb.dst()?);
        let mut key = FlowKey::new(src, dst);
        let l4 = self.skb.l4();
        key.mark = self.skb.mark;
        key.tos = self.skb.tos();
        if l4.known {
            key.proto = l4.proto;
        }
        if let Some((sport, dport)) = self.skb.ports() {
            (key.sport, key.dport) = (sport, dport);
        }
        Some(key)
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
