//! The legacy tables: rules walked as `ipt_do_table`, `ip6t_do_table` and `arpt_do_table` walk them.

use super::super::hooks::{LegacyHooks, xtables_tracks};
use super::super::path::Walk;
use super::super::report::{ChainStep, Outcome, Place, RuleStep, RuleVerdict, Step};
use super::super::runs::{self, Row, Run};
use super::rows::{self, Field};
use super::{Code, Matched};
use crate::model::xtables::ExtensionKind;
use crate::model::xtables::rule::{
    ArpHeader, Device, Header, Ip6Header, IpHeader, LegacyTable, LegacyTarget, LegacyVerdict,
};
use crate::model::{Family, Name};
use std::collections::HashMap;

/// A table ready to run.
pub struct Table<'a> {
    pub table: &'a LegacyTable,
    chains: Vec<Rules<'a>>,
    /// The built-in chain of a hook.
    entry: [Option<usize>; 5],
}

/// A chain's rules.
struct Rules<'a> {
    list: Vec<Rule<'a>>,
    runs: Box<[Run<Field>]>,
}

struct Rule<'a> {
    header: &'a Header,
    matches: Vec<Code>,
    target: Target,
    /// The run that it is part of.
    run: Option<usize>,
}

impl Row for Rule<'_> {
    type Field = Field;

    fn wants(&self) -> impl Iterator<Item = (Field, u128)> {
        rows::wants(self.header, &self.matches)
    }

    fn join(&mut self, run: usize) {
        self.run = Some(run);
    }
}

enum Target {
    Nothing,
    Verdict(LegacyVerdict),
    Jump(Name, Option<usize>),
    Goto(Name, Option<usize>),
    Extension(Box<Code>),
}

/// How deep chains may call each other before something must be wrong.
const DEPTH: usize = 1024;

impl<'a> Table<'a> {
    pub fn new(table: &'a LegacyTable) -> Table<'a> {
        let names: HashMap<&str, usize> = table
            .chains
            .iter()
            .enumerate()
            .map(|(place, chain)| (&*chain.name, place))
            .collect();
        let find = |name: &Name| names.get(&**name).copied();
        let mut entry = [None; 5];
        for (place, chain) in table.chains.iter().enumerate() {
            if let Some(policy) = &chain.policy
                && let Some(slot) = entry.get_mut(policy.hook as usize)
            {
                *slot = Some(place);
            }
        }
        let chains = table
            .chains
            .iter()
            .map(|chain| {
                let rules = chain.rules.iter();
                let mut list: Vec<_> = rules
                    .map(|rule| Rule {
                        run: None,
                        header: &rule.header,
                        matches: rule
                            .matches
                            .iter()
                            .map(|one| Code::new(ExtensionKind::Match, table.family, one))
                            .collect(),
                        target: match &rule.target {
                            LegacyTarget::Nothing => Target::Nothing,
                            LegacyTarget::Verdict(verdict) => Target::Verdict(*verdict),
                            LegacyTarget::Jump(name) => Target::Jump(name.clone(), find(name)),
                            LegacyTarget::Goto(name) => Target::Goto(name.clone(), find(name)),
                            LegacyTarget::Extension(target) => Target::Extension(Box::new(
                                Code::new(ExtensionKind::Target, table.family, target),
                            )),
                        },
                    })
                    .collect();
                let runs = runs::find(&mut list);
                Rules { list, runs }
            })
            .collect();
        Table {
            table,
            chains,
            entry,
        }
    }

    /// Where the table sits in the hook graph.
    pub fn hooks(&self) -> LegacyHooks {
        let mut hooks = 0;
        for (hook, entry) in self.entry.iter().enumerate() {
            if entry.is_some() {
                hooks |= 1 << hook;
            }
        }
        let priority = match (&*self.table.name, self.table.family) {
            ("raw", _) => [-300; 5],
            ("mangle", _) => [-150; 5],
            ("nat", _) => [-100, 100, 0, -100, 100],
            ("security", _) => [50; 5],
            _ => [0; 5],
        };
        let tracks = self
            .table
            .chains
            .iter()
            .flat_map(|chain| &chain.rules)
            .any(|rule| {
                let target = match &rule.target {
                    LegacyTarget::Extension(target) => Some(target),
                    _ => None,
                };
                rule.matches
                    .iter()
                    .chain(target)
                    .any(|one| xtables_tracks(one.name.as_bytes(), &one.info))
            });
        LegacyHooks {
            family: self.table.family,
            hooks,
            priority,
            is_nat: &*self.table.name == "nat",
            uses_conntrack: tracks,
        }
    }
}

impl<'s> Walk<'s, '_> {
    /// Run a table at the present hook; what it comes to.
    pub(in crate::flow) fn run_legacy(&mut self, number: usize) -> RuleVerdict {
        let sim = self.sim;
        let Some(table) = sim.legacy.get(number) else {
            return RuleVerdict::Accept;
        };
        let base = table
            .entry
            .get(usize::from(self.state.hook))
            .copied()
            .flatten();
        let Some(base) = base else {
            return RuleVerdict::Accept;
        };
        self.refresh_l4();
        let (verdict, by_policy, rules, short) = self.walk_legacy(table, number, base);
        if self.record {
            self.steps.push(Step::Chain(ChainStep {
                hook: self.state.name,
                place: Place::Legacy {
                    table: number,
                    chain: base,
                },
                protocol: self.state.family,
                iif: self.state.iif,
                oif: self.state.oif,
                rules,
                verdict: verdict.clone(),
                by_policy,
            }));
        }
        if short {
            self.check("hotdrop", false, || {
                "a match wants to see more of the packet than there is, and drops it".into()
            });
        }
        verdict
    }

    fn walk_legacy(
        &mut self,
        table: &'s Table<'_>,
        number: usize,
        base: usize,
    ) -> (RuleVerdict, bool, Vec<RuleStep>, bool) {
        let mut seen = Vec::new();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        let (mut chain, mut at) = (base, 0);
        loop {
            let rules = table.chains.get(chain);
            let Some((rules, rule)) = rules.and_then(|rules| Some((rules, rules.list.get(at)?)))
            else {
                match stack.pop() {
                    Some(back) => {
                        (chain, at) = back;
                        continue;
                    }
                    None => return (self.legacy_policy(table, base), true, seen, false),
                }
            };
            if let (Some(run), false) = (rule.run, self.record)
                && let Some(run) = rules.runs.get(run)
            {
                let next = self.pass_over_rows(run, at);
                if next != at {
                    at = next;
                    continue;
                }
            }
            at += 1;
            if self.budget == 0 || stack.len() > DEPTH {
                self.stuck(|| {
                    "the chains send packets around in circles; the kernel refuses such rules"
                        .into()
                });
                return (RuleVerdict::Drop, false, seen, false);
            }
            self.budget -= 1;
            let mut note = |outcome: Outcome, record: bool| {
                if record {
                    seen.push(RuleStep {
                        place: Place::Legacy {
                            table: number,
                            chain,
                        },
                        rule: at - 1,
                        outcome,
                    });
                }
            };
            match self.legacy_fits(rule) {
                Ok(()) => {}
                Err((place, matched)) => {
                    note(Outcome::Failed(place), self.record);
                    if matched == Matched::Drop {
                        return (RuleVerdict::Drop, false, seen, true);
                    }
                    continue;
                }
            }
            let verdict = match &rule.target {
                Target::Nothing => RuleVerdict::Continue,
                Target::Verdict(LegacyVerdict::Accept) => RuleVerdict::Accept,
                Target::Verdict(LegacyVerdict::Drop) => RuleVerdict::Drop,
                Target::Verdict(LegacyVerdict::Queue) => RuleVerdict::Queue(0),
                Target::Verdict(LegacyVerdict::Return) => RuleVerdict::Return,
                Target::Verdict(_) => RuleVerdict::Continue,
                Target::Jump(name, _) => RuleVerdict::Jump(name.clone()),
                Target::Goto(name, _) => RuleVerdict::Goto(name.clone()),
                Target::Extension(code) => self.run_target(code).unwrap_or(RuleVerdict::Continue),
            };
            note(Outcome::Matched(verdict.clone()), self.record);
            match (&rule.target, verdict) {
                (_, RuleVerdict::Continue) => {}
                (Target::Jump(name, to) | Target::Goto(name, to), verdict) => {
                    let Some(to) = *to else {
                        self.stuck(|| format!("there is no chain '{name}' to go to"));
                        return (RuleVerdict::Drop, false, seen, false);
                    };
                    if matches!(verdict, RuleVerdict::Jump(_)) {
                        stack.push((chain, at));
                    }
                    (chain, at) = (to, 0);
                }
                (_, RuleVerdict::Return) => match stack.pop() {
                    Some(back) => (chain, at) = back,
                    None => return (self.legacy_policy(table, base), true, seen, false),
                },
                (_, verdict) => return (verdict, false, seen, false),
            }
        }
    }

    fn legacy_policy(&self, table: &Table<'_>, base: usize) -> RuleVerdict {
        let policy = table
            .table
            .chains
            .get(base)
            .and_then(|chain| chain.policy.as_ref());
        match policy.map(|policy| policy.verdict) {
            Some(LegacyVerdict::Drop) => RuleVerdict::Drop,
            _ => RuleVerdict::Accept,
        }
    }

    /// The place of what does not fit: 0 the header, then the matches.
    fn legacy_fits(&mut self, rule: &Rule<'_>) -> Result<(), (usize, Matched)> {
        let header = match rule.header {
            Header::Ip(header) => self.fits_ip(header),
            Header::Ip6(header) => self.fits_ip6(header),
            Header::Arp(header) => self.fits_arp(header),
            Header::Bridge(_) => Matched::No,
        };
        if header != Matched::Yes {
            return Err((0, header));
        }
        for (place, code) in rule.matches.iter().enumerate() {
            match self.run_match(code) {
                Matched::Yes => {}
                matched => return Err((place + 1, matched)),
            }
        }
        Ok(())
    }

    fn fits_device(&self, device: &Device, index: u32, invert: bool) -> bool {
        if device.mask == [0; 16] {
            return true;
        }
        let own = self.device_name(index);
        let bytes = own.iter().zip(&device.name).zip(&device.mask);
        let hit = bytes
            .into_iter()
            .all(|((own, name), mask)| (own ^ name) & mask == 0);
        hit != invert
    }

    fn fits_ip(&self, header: &IpHeader) -> Matched {
        let data = &self.skb.data;
        let address = |at: usize, wanted: [u8; 4], mask: [u8; 4], bit: u8| {
            let hit = data
                .get(at..at + 4)
                .is_some_and(|own| is_masked(own, &mask, &wanted));
            hit != (header.invflags & bit != 0)
        };
        let inverted = |bit: u8| header.invflags & bit != 0;
        if !address(12, header.src, header.smsk, 8)
            || !address(16, header.dst, header.dmsk, 0x10)
            || !self.fits_device(&header.input, self.state.iif, inverted(1))
            || !self.fits_device(&header.output, self.state.oif, inverted(2))
        {
            return Matched::No;
        }
        if header.proto != 0 && (u16::from(self.l4.proto) == header.proto) == inverted(0x40) {
            return Matched::No;
        }
        const FRAGMENT: u8 = 1;
        let not_fragment = header.flags & FRAGMENT != 0 && self.l4.fragment == 0;
        (not_fragment == inverted(0x20)).into()
    }

    fn fits_ip6(&self, header: &Ip6Header) -> Matched {
        let data = &self.skb.data;
        let address = |at: usize, wanted: [u8; 16], mask: [u8; 16], bit: u8| {
            let hit = data
                .get(at..at + 16)
                .is_some_and(|own| is_masked(own, &mask, &wanted));
            hit != (header.invflags & bit != 0)
        };
        let inverted = |bit: u8| header.invflags & bit != 0;
        if !address(8, header.src, header.smsk, 8)
            || !address(24, header.dst, header.dmsk, 0x10)
            || !self.fits_device(&header.input, self.state.iif, inverted(1))
            || !self.fits_device(&header.output, self.state.oif, inverted(2))
        {
            return Matched::No;
        }
        const PROTO: u8 = 1;
        if header.flags & PROTO == 0 {
            return Matched::Yes;
        }
        if !self.l4.known {
            return Matched::Drop;
        }
        if header.proto == u16::from(self.l4.proto) {
            return (!inverted(0x40)).into();
        }
        (header.proto == 0 || inverted(0x40)).into()
    }

    fn fits_arp(&self, header: &ArpHeader) -> Matched {
        let skb = &self.skb;
        let inverted = |bit: u16| header.invflags & bit != 0;
        let word = |at: usize| skb.u16_at(at).unwrap_or(0);
        if ((word(6) ^ header.arpop) & header.arpop_mask != 0) != inverted(0x40)
            || ((word(0) ^ header.arhrd) & header.arhrd_mask != 0) != inverted(0x80)
            || ((word(2) ^ header.arpro) & header.arpro_mask != 0) != inverted(0x100)
        {
            return Matched::No;
        }
        let hardware = usize::from(skb.u8_at(4).unwrap_or(0));
        let wrong = (skb.u8_at(4).unwrap_or(0) ^ header.arhln) & header.arhln_mask != 0;
        if wrong != inverted(0x200) {
            return Matched::No;
        }
        let bytes = |at: usize, len: usize| skb.data.get(at..at + len).unwrap_or_default();
        let compare = |own: &[u8], wanted: &[u8], mask: &[u8]| {
            own.iter()
                .zip(wanted)
                .zip(mask)
                .all(|((own, wanted), mask)| (own ^ wanted) & mask == 0)
        };
        let sender = 8 + hardware;
        let target_mac = sender + 4;
        let target = target_mac + hardware;
        let fits = compare(
            bytes(8, hardware.min(16)),
            &header.src_devaddr.addr,
            &header.src_devaddr.mask,
        ) != inverted(0x10)
            && compare(
                bytes(target_mac, hardware.min(16)),
                &header.tgt_devaddr.addr,
                &header.tgt_devaddr.mask,
            ) != inverted(0x20)
            && compare(bytes(sender, 4), &header.src, &header.smsk) != inverted(4)
            && compare(bytes(target, 4), &header.tgt, &header.tmsk) != inverted(8);
        (fits
            && self.fits_device(&header.input, self.state.iif, inverted(1))
            && self.fits_device(&header.output, self.state.oif, inverted(2)))
        .into()
    }

    /// The family whose tables run at this hook.
    pub(in crate::flow) fn legacy_reroutes(&self, number: usize) -> bool {
        let table = self.sim.legacy.get(number).map(|table| table.table);
        table.is_some_and(|table| &*table.name == "mangle" && table.family != Family::Arp)
    }
}

/// What the mask leaves of an address is the wanted one.
fn is_masked(own: &[u8], mask: &[u8], wanted: &[u8]) -> bool {
    let bytes = own.iter().zip(mask).zip(wanted);
    bytes
        .into_iter()
        .all(|((own, mask), wanted)| own & mask == *wanted)
}
