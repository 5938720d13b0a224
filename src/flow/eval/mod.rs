//! The nf_tables machine: runs a base chain on a packet, on registers, as `nft_do_chain` does.
//!
//! `program` makes rules ready, `load` reads packets and metadata, `ct`, `fib` and `set` what their names say,
//! `statement` does the rest; `fused` does the usual sequences of them at once.
//! Runs of rules that want something else are passed over: what those would have left in registers is of no use, for the
//! kernel refuses rules that read a register before they have written it.

mod ct;
mod fib;
mod fused;
mod load;
pub mod program;
mod set;
mod statement;

use super::path::Walk;
use super::report::{ChainStep, Outcome, Place, RuleStep, RuleVerdict, Step};
use crate::model::Policy;
use crate::model::expression::CmpOp;
use fused::Step as Fused;
use program::{ChainId, Op, REGISTERS, RuleCode, Target};

/// `NFT_JUMP_STACK_SIZE`
const STACK: usize = 16;

/// After so many rules something is wrong with the ruleset: the kernel refuses chains that loop.
pub const RULES_PER_PACKET: u32 = 2_000_000;

/// What comes after an expression.
pub(super) enum Next<'s> {
    Continue,
    /// The rule does not match.
    Break,
    Verdict(&'s Target),
    /// A verdict that an expression of its own decides.
    End(RuleVerdict),
}

/// The register file, and which of it nobody can know.
pub(super) struct Registers {
    bytes: [u8; REGISTERS],
    /// Bit per four bytes.
    unknown: u32,
    what: &'static str,
}

impl Registers {
    pub fn new() -> Registers {
        Registers {
            bytes: [0; REGISTERS],
            unknown: 0,
            what: "",
        }
    }

    pub fn get(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.bytes.get(at..at.checked_add(len)?)
    }

    /// The last word is filled up with zeros, as the kernel does.
    pub fn put(&mut self, at: usize, data: &[u8]) {
        // Most loads are of one word: a store, not a call that copies.
        let word = match *data {
            [a, b, c, d] => Some([a, b, c, d]),
            [a, b] => Some([a, b, 0, 0]),
            [a] => Some([a, 0, 0, 0]),
            _ => None,
        };
        if let Some(word) = word {
            if let Some(place) = self.bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&word);
            }
        } else if let Some(place) = self.bytes.get_mut(at..at + data.len().next_multiple_of(4)) {
            let (value, rest) = place.split_at_mut(data.len());
            value.copy_from_slice(data);
            rest.fill(0);
        }
        if self.unknown != 0 {
            self.unknown &= !words(at, data.len());
        }
    }

    pub fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_ne_bytes());
    }

    pub fn put_unknown(&mut self, at: usize, len: usize, what: &'static str) {
        self.unknown |= words(at, len);
        self.what = what;
    }

    pub fn u32(&self, at: usize) -> u32 {
        self.get(at, 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_ne_bytes)
    }

    /// What the value depends on, when it is not known.
    pub fn unknown(&self, at: usize, len: usize) -> Option<&'static str> {
        (self.unknown != 0 && self.unknown & words(at, len) != 0).then_some(self.what)
    }
}

fn words(at: usize, len: usize) -> u32 {
    (at / 4..(at + len.max(1)).div_ceil(4))
        .filter(|word| *word < 32)
        .fold(0, |bits, word| bits | 1 << word)
}

/// Values of one word, as most are, without a call.
fn same(own: &[u8], data: &[u8]) -> bool {
    match (own, data) {
        (&[a, b, c, d], &[e, f, g, h]) => [a, b, c, d] == [e, f, g, h],
        (&[a, b], &[c, d]) => [a, b] == [c, d],
        (&[a], &[b]) => a == b,
        _ => own == data,
    }
}

fn verdict_of(target: &Target) -> RuleVerdict {
    match target {
        Target::Accept => RuleVerdict::Accept,
        Target::Drop | Target::Unknown(_) => RuleVerdict::Drop,
        Target::Stolen => RuleVerdict::Stolen,
        Target::Queue => RuleVerdict::Queue(0),
        Target::Continue | Target::Break => RuleVerdict::Continue,
        Target::Return => RuleVerdict::Return,
        Target::Jump(name, _) => RuleVerdict::Jump(name.clone()),
        Target::Goto(name, _) => RuleVerdict::Goto(name.clone()),
    }
}

/// How a rule ended.
enum Ran<'s> {
    Broke(usize),
    Through,
    Verdict(&'s Target),
    End(RuleVerdict),
}

impl Ran<'_> {
    fn outcome(&self) -> Outcome {
        match self {
            Ran::Broke(op) => Outcome::Failed(*op),
            Ran::Through => Outcome::Matched(RuleVerdict::Continue),
            Ran::Verdict(target) => Outcome::Matched(verdict_of(target)),
            Ran::End(verdict) => Outcome::Matched(verdict.clone()),
        }
    }
}

impl<'s, 'a> Walk<'s, 'a> {
    /// Run a base chain at the present hook; what it comes to.
    pub(super) fn run_chain(&mut self, base: ChainId) -> RuleVerdict {
        let sim = self.sim;
        let (verdict, by_policy, rules) = self.run_rules(base);
        if self.record {
            self.steps.push(Step::Chain(ChainStep {
                hook: self.state.name,
                place: Place::Nft(base),
                protocol: self.state.family,
                iif: self.state.iif,
                oif: self.state.oif,
                rules,
                verdict: verdict.clone(),
                by_policy,
            }));
        }
        let _ = sim;
        verdict
    }

    fn run_rules(&mut self, base: ChainId) -> (RuleVerdict, bool, Vec<RuleStep>) {
        let sim = self.sim;
        self.registers = Registers::new();
        let mut seen = Vec::new();
        let mut stack = [(0u32, 0u32); STACK];
        let mut depth = 0;
        let (mut chain, mut at) = (base, 0);
        let mut rules = sim.program.rules(chain);
        loop {
            let Some(rule) = rules.and_then(|rules| rules.list.get(at)) else {
                // The end of a chain returns.
                if depth == 0 {
                    return (self.policy(base), true, seen);
                }
                depth -= 1;
                (chain, at) = stack.get(depth).map_or((chain, usize::MAX), |(chain, at)| {
                    (*chain as usize, *at as usize)
                });
                rules = sim.program.rules(chain);
                continue;
            };
            if let (Some(run), Some(rules), false) = (rule.run, rules, self.record)
                && let Some(run) = rules.runs.get(run)
            {
                let next = self.pass_over(run, at);
                if next != at {
                    at = next;
                    continue;
                }
            }
            at += 1;
            if self.budget == 0 {
                self.stuck(|| {
                    "the chains send packets around in circles; the kernel refuses such rules"
                        .into()
                });
                return (RuleVerdict::Drop, false, seen);
            }
            self.budget -= 1;
            let ran = self.run_rule(chain, rule);
            if self.record {
                seen.push(RuleStep {
                    place: Place::Nft(chain),
                    rule: at - 1,
                    outcome: ran.outcome(),
                });
            }
            let go = match ran {
                Ran::Broke(_) | Ran::Through => continue,
                Ran::Verdict(target) => target,
                Ran::End(verdict) => return (verdict, false, seen),
            };
            match go {
                Target::Continue | Target::Break => {}
                Target::Return => {
                    if depth == 0 {
                        return (self.policy(base), true, seen);
                    }
                    depth -= 1;
                    (chain, at) = stack.get(depth).map_or((chain, usize::MAX), |(chain, at)| {
                        (*chain as usize, *at as usize)
                    });
                    rules = sim.program.rules(chain);
                }
                Target::Jump(name, to) | Target::Goto(name, to) => {
                    let Some(to) = to else {
                        self.stuck(|| format!("there is no chain '{name}' to go to"));
                        return (RuleVerdict::Drop, false, seen);
                    };
                    if matches!(go, Target::Jump(..)) {
                        let Some(slot) = stack.get_mut(depth) else {
                            self.stuck(|| "the chains call each other more than 16 deep".into());
                            return (RuleVerdict::Drop, false, seen);
                        };
                        *slot = (chain as u32, at as u32);
                        depth += 1;
                    }
                    (chain, at) = (*to, 0);
                    rules = sim.program.rules(chain);
                }
                Target::Unknown(what) => {
                    self.stuck(|| format!("{what} cannot be followed"));
                    return (RuleVerdict::Drop, false, seen);
                }
                target => return (verdict_of(target), false, seen),
            }
        }
    }

    fn policy(&self, base: ChainId) -> RuleVerdict {
        let chain = self.sim.program.chain(base);
        match chain.and_then(|chain| chain.base.as_ref()?.policy) {
            Some(Policy::Drop) => RuleVerdict::Drop,
            _ => RuleVerdict::Accept,
        }
    }

    fn run_rule(&mut self, chain: ChainId, rule: &'s RuleCode) -> Ran<'s> {
        for step in &rule.steps {
            let failed = match step {
                Fused::Word(test) => self.test(test),
                Fused::Wide(test) => self.test_wide(test),
                Fused::One(place) => match self.run_one(chain, rule, *place) {
                    Ran::Through => None,
                    ended => return ended,
                },
            };
            if let Some(place) = failed {
                return Ran::Broke(place);
            }
        }
        Ran::Through
    }

    fn run_one(&mut self, chain: ChainId, rule: &'s RuleCode, place: usize) -> Ran<'s> {
        if let Some(op) = rule.ops.get(place) {
            match self.run_op(chain, op) {
                Next::Continue => {}
                Next::Break => return Ran::Broke(place),
                Next::Verdict(Target::Continue) => {}
                Next::Verdict(Target::Break) => return Ran::Broke(place),
                Next::Verdict(target) => return Ran::Verdict(target),
                Next::End(verdict) => return Ran::End(verdict),
            }
        }
        Ran::Through
    }

    fn run_op(&mut self, chain: ChainId, op: &'s Op) -> Next<'s> {
        match op {
            Op::Payload {
                dreg,
                base,
                offset,
                len,
            } => self.payload(*dreg, *base, *offset as usize, *len as usize),
            Op::Cmp { sreg, op, data } => self.compare(*sreg, *op, data),
            Op::Meta { dreg, key } => self.meta(*dreg, *key),
            Op::Mask {
                sreg,
                dreg,
                mask,
                xor,
            } => {
                self.mask(*sreg, *dreg, mask, xor);
                Next::Continue
            }
            Op::Lookup {
                set,
                sreg,
                dreg,
                verdicts,
                invert,
            } => self.lookup(*set, *sreg, *dreg, *verdicts, *invert),
            Op::Verdict(target) => Next::Verdict(target),
            Op::Immediate { dreg, data } => {
                self.registers.put(*dreg, data);
                Next::Continue
            }
            Op::Ct {
                dreg,
                key,
                direction,
            } => self.ct_load(*dreg, *key, *direction),
            Op::Nothing => Next::Continue,
            Op::Other(expression) => self.other(chain, expression),
            Op::Match(extension) => self.xt_match(extension),
            Op::Target(extension) => self.xt_target(extension),
            Op::Unknown(what) => self.break_or_not(|| what.clone()),
        }
    }

    /// Something that cannot be known: the rule goes on, or it does not match. Neither is likelier.
    pub(super) fn break_or_not(&mut self, what: impl FnOnce() -> String) -> Next<'s> {
        match self.decide(what, &["does not match", "matches"], false) {
            0 => Next::Break,
            _ => Next::Continue,
        }
    }

    fn compare(&mut self, sreg: usize, op: CmpOp, data: &[u8]) -> Next<'s> {
        if let Some(what) = self.registers.unknown(sreg, data.len()) {
            return self.break_or_not(|| what.into());
        }
        let Some(own) = self.registers.get(sreg, data.len()) else {
            return Next::Break;
        };
        let hit = match op {
            CmpOp::Eq => same(own, data),
            CmpOp::Neq => !same(own, data),
            CmpOp::Lt => own < data,
            CmpOp::Lte => own <= data,
            CmpOp::Gt => own > data,
            CmpOp::Gte => own >= data,
        };
        if hit { Next::Continue } else { Next::Break }
    }

    fn mask(&mut self, sreg: usize, dreg: usize, mask: &[u8], xor: &[u8]) {
        let len = mask.len();
        if let Some(what) = self.registers.unknown(sreg, len) {
            self.registers.put_unknown(dreg, len, what);
            return;
        }
        let mut out = [0u8; 64];
        let (Some(own), Some(out)) = (self.registers.get(sreg, len), out.get_mut(..len)) else {
            return;
        };
        let xor = xor.iter().copied().chain(std::iter::repeat(0));
        for (((value, own), mask), xor) in out.iter_mut().zip(own).zip(mask).zip(xor) {
            *value = (own & mask) ^ xor;
        }
        self.registers.put(dreg, out);
    }
}
