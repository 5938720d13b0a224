//! One packet under way: what it carries, and what runs at a hook.

use super::{Headers, Simulator, bridge};
use crate::flow::conntrack::{CtInfo, Entry, Tracker, Tuple};
use crate::flow::eval::program::SetId;
use crate::flow::eval::{RULES_PER_PACKET, Registers};
use crate::flow::fib::FlowKey;
use crate::flow::frame::{L4, Skb};
use crate::flow::hooks::{Entry as HookEntry, Function, hook_name, inet};
use crate::flow::packet::Question;
use crate::flow::report::{Check, ConntrackStep, Decision, Fate, RuleVerdict, Step};
use crate::model::Family;
use crate::model::conntrack::status;
use std::net::IpAddr;

/// Where in the hook graph the packet is.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct HookState {
    /// Of the packet: `Ip` and `Ip6` also at inet chains.
    pub family: Family,
    /// The same as rules read it (`NFPROTO_*`).
    pub nfproto: u8,
    pub hook: u8,
    pub name: &'static str,
    /// 0: none
    pub iif: u32,
    pub oif: u32,
    pub is_egress: bool,
}

/// The route that a packet has been given (`skb_dst`).
#[derive(Clone, Debug)]
pub(in crate::flow) struct Dst {
    pub oif: u32,
    pub gateway: Option<IpAddr>,
    pub mtu: Option<u32>,
    pub local: bool,
}

/// An element that a rule added to a set or took out of it, while this packet passed.
pub(in crate::flow) struct Added {
    pub set: SetId,
    pub key: Vec<u8>,
    pub data: Option<Vec<u8>>,
    pub deleted: bool,
}

/// One packet under way.
pub(in crate::flow) struct Walk<'s, 'a> {
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
pub(super) struct Ended {
    pub(super) fate: Fate,
    pub(super) oif: Option<u32>,
    pub(super) steps: Vec<Step>,
    pub(super) decisions: Vec<Decision>,
    pub(super) notes: Vec<String>,
    /// Of a walk that is recorded.
    pub(super) last: Headers,
}

impl Simulator<'_> {
    pub(super) fn walk(
        &self,
        question: &Question,
        skb: Skb,
        script: &[usize],
        record: bool,
    ) -> Ended {
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
                nfproto: 0,
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
            last: if record {
                Headers::of(&walk.skb)
            } else {
                Headers::default()
            },
            steps: walk.steps,
            decisions: walk.decisions,
            notes: walk.notes,
        }
    }
}

impl<'s, 'a> Walk<'s, 'a> {
    /// Something nobody knows: the first option is taken, unless this walk is about another one.
    pub(in crate::flow) fn decide(
        &mut self,
        what: impl FnOnce() -> String,
        options: &[&str],
        likely: bool,
    ) -> usize {
        let options = || options.iter().map(|option| (*option).to_owned()).collect();
        self.choose(what, options, likely)
    }

    /// The same with options that are put into words only when somebody reads them.
    pub(in crate::flow) fn choose(
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

    pub(in crate::flow) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.record {
            let what = what();
            if !self.notes.contains(&what) {
                self.notes.push(what);
            }
        }
    }

    /// The path cannot be followed any further.
    pub(in crate::flow) fn stuck(&mut self, why: impl FnOnce() -> String) {
        self.note(why);
        self.end(Fate::Uncertain);
    }

    pub(in crate::flow) fn end(&mut self, fate: Fate) {
        if self.fate.is_none() {
            self.fate = Some(fate);
        }
    }

    pub(in crate::flow) fn end_at(&mut self, fate: Fate, oif: u32) {
        if self.fate.is_none() {
            self.oif = Some(oif);
        }
        self.end(fate);
    }

    pub(in crate::flow) fn is_over(&self) -> bool {
        self.fate.is_some()
    }

    pub(in crate::flow) fn check(
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
    pub(in crate::flow) fn fail(
        &mut self,
        fate: Fate,
        name: &'static str,
        detail: impl FnOnce() -> String,
    ) {
        self.check(name, false, detail);
        self.end(fate);
    }

    pub(in crate::flow) fn refresh_l4(&mut self) {
        self.l4 = match self.state.family {
            Family::Ip | Family::Ip6 if self.state.hook != inet::INGRESS => self.skb.l4(),
            Family::Arp => L4::default(),
            _ => self.skb.l4_checked(),
        };
    }

    /// The name of a device as a register holds it; without a device zeros.
    pub(in crate::flow) fn device_name(&self, index: u32) -> [u8; 16] {
        self.sim.names.get(index).copied().unwrap_or_default()
    }

    pub(in crate::flow) fn device(&self, index: u32) -> String {
        self.sim.network.link_name(index).to_string()
    }

    /// Enter a hook: everything that runs there, in order. False: the packet has ended.
    pub(in crate::flow) fn run_hook(
        &mut self,
        family: Family,
        hook: u8,
        iif: u32,
        oif: u32,
    ) -> bool {
        let sim = self.sim;
        let list = sim.hooks.at(family, hook);
        self.run_list(list, family, hook, iif, oif, i32::MIN)
    }

    pub(in crate::flow) fn enter(&mut self, family: Family, hook: u8, iif: u32, oif: u32) {
        self.state = HookState {
            family,
            nfproto: family.to_wire(),
            hook,
            name: hook_name(family, hook),
            iif,
            oif,
            is_egress: false,
        };
        self.refresh_l4();
    }

    /// Run the functions of a list with at least this priority.
    pub(in crate::flow) fn run_list(
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
                let reroutes = || {
                    let chain = self.sim.program.chain(chain)?;
                    chain.base.as_ref().filter(|base| &*base.kind == "route")
                };
                if self.state.hook == inet::OUTPUT && reroutes().is_some() {
                    self.run_route_chain(chain);
                } else {
                    let verdict = self.run_base_chain(chain);
                    self.take(verdict);
                }
            }
            Function::Legacy(table) => {
                let reroutes = self.state.hook == inet::OUTPUT && self.legacy_reroutes(table);
                let before = reroutes.then(|| self.routing_facts());
                let verdict = self.run_legacy(table);
                self.take(verdict);
                if before.is_some_and(|before| !self.is_over() && before != self.routing_facts()) {
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
    pub(in crate::flow) fn run_nat_chain(&mut self, function: Function) -> RuleVerdict {
        match function {
            Function::Nft(chain) => self.run_base_chain(chain),
            Function::Legacy(table) => self.run_legacy(table),
            _ => RuleVerdict::Accept,
        }
    }

    /// What a chain's verdict does to the packet.
    pub(in crate::flow) fn take(&mut self, verdict: RuleVerdict) {
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

    pub(in crate::flow) fn set_template(&mut self, zone: u16) {
        let nowhere = Tuple {
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
        let mut tracker = Tracker {
            table: &sim.flows,
            zone: self.template.take().map_or(0, |template| template.zone),
            checksum: sim.settings.ct_checksum,
            tcp_loose: sim.settings.tcp_loose,
            answers: None,
            prerouting: self.state.hook == inet::PREROUTING,
        };
        if self.question.frame.is_none() {
            let flows = tracker.questions(&self.skb);
            let taken = match flows.len() {
                0 | 1 => 0,
                _ => self.choose(
                    || "which tracked flow the ICMP answer belongs to: nobody said its id".into(),
                    || flows.iter().map(|flow| sim.flows.words(*flow)).collect(),
                    false,
                ),
            };
            tracker.answers = flows.get(taken).copied();
        }
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
                flow: tracked.flow,
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
    pub(in crate::flow) fn flow_key(&self) -> Option<FlowKey> {
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
