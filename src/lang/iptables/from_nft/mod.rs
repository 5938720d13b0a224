//! Rules of iptables-nft read back: the few nft expressions it writes, and `match` and `target`.
//!
//! A table that holds anything else is left to nft, as iptables-nft does.

mod header;
mod transport;

use super::builtin;
use super::rule::{Among, AmongSide, Chain, NftLog, Part, Rule, Table, Target};
use crate::kernel::nf_tables::decode;
use crate::lang::nft::delinearize::userdata_comment;
use crate::model::expression::{
    BitwiseOp, CmpOp, Counter, Data, Expression, PayloadBase, Register, Verdict,
};
use crate::model::ruleset::{LEGACY, Policy};
use crate::model::set::{Elements, Set};
use crate::model::text::to_bytes;
use crate::model::xtables::bridge::EbtLimit;
use crate::model::xtables::layout::{Field, Text};
use crate::model::xtables::rule::{BridgeHeader, Header, Ip6Header, IpHeader, LegacyVerdict};
use crate::model::xtables::state::{Comment, Limit};
use crate::model::xtables::{Extension, ExtensionKind};
use crate::model::{self, Family, Name};
use std::collections::HashMap;

/// Why a table or rule is not shown in the iptables language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotIptables(pub String);

fn no<T>(why: impl Into<String>) -> Result<T, NotIptables> {
    Err(NotIptables(why.into()))
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// All of it; `tainted` when base chains were left out.
    Table { table: Table, tainted: bool },
    /// A table of a name that iptables knows, with rules that it does not.
    Incompatible(NotIptables),
}

/// The tables of a family that belong to iptables, in the order in which it saves them.
pub fn tables(ruleset: &model::Ruleset, family: Family) -> Vec<(Name, Read)> {
    builtin::tables(family)
        .iter()
        .filter_map(|known| ruleset.table(family, known.name))
        .map(|table| {
            let read = match self::table(table) {
                Ok((table, tainted)) => Read::Table { table, tainted },
                Err(why) => Read::Incompatible(why),
            };
            (table.name.clone(), read)
        })
        .collect()
}

/// Whether a table is iptables' by its chains: all that are at a hook are where iptables puts chains of their names.
/// Single rules of it may be nft's all the same.
pub fn is_of_iptables(table: &model::Table) -> bool {
    // Those of a legacy backend are, whatever their chains.
    if table.name.ends_with(LEGACY) {
        return true;
    }
    let Some(known) = builtin::table(table.family, &table.name) else {
        return false;
    };
    let mut hooked = table
        .chains
        .iter()
        .filter_map(|chain| Some((chain, chain.base.as_ref()?)))
        .peekable();
    hooked.peek().is_some()
        && hooked.all(|(chain, base)| {
            known.chains.iter().any(|one| {
                (one.name, one.hook, one.priority) == (&*chain.name, base.hook, base.priority)
            })
        })
}

/// One table, and whether base chains had to be left out.
pub fn table(table: &model::Table) -> Result<(Table, bool), NotIptables> {
    let Some(known) = builtin::table(table.family, &table.name) else {
        return no("not a table of iptables");
    };
    let mut tainted = false;
    let mut built_in = Vec::new();
    let mut user = Vec::new();
    for chain in &table.chains {
        let Some(base) = &chain.base else {
            user.push(chain);
            continue;
        };
        let fits = known.chains.iter().any(|one| {
            (one.name, one.kind, one.hook, one.priority)
                == (&*chain.name, &*base.kind, base.hook, base.priority)
        });
        if fits {
            built_in.push(chain);
        } else {
            tainted = true;
        }
    }
    user.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let mut chains = Vec::new();
    for one in known.chains {
        let found = built_in.iter().find(|chain| &*chain.name == one.name);
        let Some(chain) = found else {
            chains.push(Chain {
                name: one.name.into(),
                policy: Some((LegacyVerdict::Accept, Counter::default())),
                rules: Vec::new(),
            });
            continue;
        };
        let base = chain.base.as_ref();
        let policy = match base.and_then(|base| base.policy) {
            Some(Policy::Drop) => LegacyVerdict::Drop,
            _ => LegacyVerdict::Accept,
        };
        let counters = base.and_then(|base| base.counters).unwrap_or_default();
        chains.push(Chain {
            name: chain.name.clone(),
            policy: Some((policy, counters)),
            rules: rules(table, chain)?,
        });
    }
    for chain in user {
        chains.push(Chain {
            name: chain.name.clone(),
            policy: None,
            rules: rules(table, chain)?,
        });
    }
    let table = Table {
        family: table.family,
        name: table.name.clone(),
        chains,
    };
    Ok((table, tainted))
}

fn rules(table: &model::Table, chain: &model::Chain) -> Result<Vec<Rule>, NotIptables> {
    chain.rules.iter().map(|one| rule(table, one)).collect()
}

/// One rule of a table, when iptables has words for all of it. [`rule`] reads as iptables does, which passes over sets
/// that a rule of nft looks values up in: what it says then is not what the rule does.
pub fn whole_rule(table: &model::Table, one: model::Rule<'_>) -> Result<Rule, NotIptables> {
    if table.family != Family::Bridge {
        let body = decode::rule(one).map_err(|error| NotIptables(error.to_string()))?;
        let looks_up = |expression: &Expression| matches!(expression, Expression::Lookup { .. });
        if body.expressions.iter().any(looks_up) {
            return no("iptables passes over the set in it");
        }
    }
    rule(table, one)
}

/// One rule of a table, as iptables reads it.
pub fn rule(table: &model::Table, rule: model::Rule<'_>) -> Result<Rule, NotIptables> {
    let body = decode::rule(rule).map_err(|error| NotIptables(error.to_string()))?;
    let mut reader = Reader::new(table)?;
    for expression in &body.expressions {
        reader.expression(expression)?;
    }
    if let Some(comment) = userdata_comment(&body.userdata) {
        let bytes = to_bytes(&comment);
        let cut = bytes.get(..bytes.len().min(255)).unwrap_or_default();
        if let Some(comment) = Text::new(cut) {
            let comment = Box::new(Comment { comment });
            reader
                .rule
                .parts
                .push(Part::Known(Extension::Comment(comment)));
        }
    }
    Ok(reader.rule)
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    Meta(u32),
    Payload {
        base: PayloadBase,
        offset: u32,
        len: u32,
    },
    Immediate(Vec<u8>),
}

/// A loaded value and the mask that was put on it.
#[derive(Clone, Debug, PartialEq)]
struct Loaded {
    held: Held,
    mask: Option<Vec<u8>>,
}

/// 128-bit registers by the number of their first 32 bits.
fn place(register: Register) -> Register {
    match register {
        1..=4 => 8 + (register - 1) * 4,
        other => other,
    }
}

struct Reader<'t> {
    table: &'t model::Table,
    registers: HashMap<Register, Loaded>,
    rule: Rule,
    /// Where the `tcp` or `udp` match stands that port comparisons go to.
    ports: Option<usize>,
}

impl<'t> Reader<'t> {
    fn new(table: &'t model::Table) -> Result<Reader<'t>, NotIptables> {
        let header = match table.family {
            Family::Ip => Header::Ip(IpHeader::default()),
            Family::Ip6 => Header::Ip6(Ip6Header::default()),
            Family::Arp => Header::Arp(Box::default()),
            Family::Bridge => Header::Bridge(BridgeHeader {
                bitmask: header::NO_PROTOCOL,
                ..BridgeHeader::default()
            }),
            _ => return no("iptables has no such family"),
        };
        Ok(Reader {
            table,
            registers: HashMap::new(),
            rule: Rule {
                header,
                parts: Vec::new(),
                target: Target::Nothing,
                counters: Counter::default(),
            },
            ports: None,
        })
    }

    fn load(&mut self, register: Register, held: Held) {
        self.registers
            .insert(place(register), Loaded { held, mask: None });
    }

    fn loaded(&self, register: Register) -> Result<Loaded, NotIptables> {
        match self.registers.get(&place(register)) {
            Some(loaded) => Ok(loaded.clone()),
            None => no("a register is read that was not loaded"),
        }
    }

    fn push(&mut self, extension: Extension) {
        self.rule.parts.push(Part::Known(extension));
    }

    fn expression(&mut self, expression: &Expression) -> Result<(), NotIptables> {
        match expression {
            Expression::Counter(counters) => self.rule.counters = *counters,
            Expression::Meta { dreg, key } => self.load(*dreg, Held::Meta(*key)),
            Expression::MetaSet { sreg, key } => self.meta_set(*sreg, *key)?,
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => self.load(
                *dreg,
                Held::Payload {
                    base: *base,
                    offset: *offset,
                    len: *len,
                },
            ),
            Expression::Bitwise { sreg, dreg, op, .. } => {
                let BitwiseOp::Mask { mask, xor } = op else {
                    return no("a bit operation that iptables has not");
                };
                if xor.iter().any(|&byte| byte != 0) {
                    return no("a bit operation that iptables has not");
                }
                let mut loaded = self.loaded(*sreg)?;
                loaded.mask = Some(mask.clone());
                self.registers.insert(place(*dreg), loaded);
            }
            Expression::Cmp { sreg, op, data } => self.cmp(&self.loaded(*sreg)?, *op, data)?,
            Expression::Range { sreg, op, from, to } => {
                let loaded = self.loaded(*sreg)?;
                self.port_range(&loaded, *op, from, to)?;
            }
            Expression::Immediate { dreg, data } => match data {
                Data::Value(bytes) => self.load(*dreg, Held::Immediate(bytes.clone())),
                Data::Verdict(verdict) => self.verdict(verdict)?,
            },
            Expression::Match(raw) => {
                let part = Part::read(ExtensionKind::Match, self.table.family, raw);
                self.rule.parts.push(part);
            }
            Expression::Target(raw) => {
                let part = Part::read(ExtensionKind::Target, self.table.family, raw);
                let watches = matches!(&*raw.name, "log" | "nflog");
                if self.table.family == Family::Bridge && watches {
                    self.rule.parts.push(part);
                } else {
                    self.rule.target = Target::Extension(part);
                }
            }
            Expression::Limit(limit) if limit.kind == 0 && limit.flags == 0 => {
                if limit.rate == 0 {
                    return no("a limit of nothing");
                }
                let avg = limit.unit.saturating_mul(10_000) / limit.rate;
                let avg = u32::try_from(avg).unwrap_or(u32::MAX);
                self.push(if self.table.family == Family::Bridge {
                    Extension::EbtLimit(EbtLimit {
                        avg,
                        burst: limit.burst,
                        ..EbtLimit::default()
                    })
                } else {
                    Extension::Limit(Limit {
                        avg,
                        burst: limit.burst,
                        ..Limit::default()
                    })
                });
            }
            Expression::Log {
                prefix,
                group: Some(group),
                snaplen,
                qthreshold,
                ..
            } => {
                self.rule.target = Target::Extension(Part::Log(NftLog {
                    group: *group,
                    threshold: qthreshold.unwrap_or(0),
                    snaplen: *snaplen,
                    prefix: prefix.clone().unwrap_or_default(),
                }));
            }
            Expression::Lookup {
                set, sreg, flags, ..
            } => self.lookup(set, *sreg, flags & 1 != 0)?,
            other => {
                return no(format!(
                    "iptables has no expression '{}'",
                    other.kernel_name()
                ));
            }
        }
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> Result<(), NotIptables> {
        self.rule.target = match verdict {
            Verdict::Accept => Target::Verdict(LegacyVerdict::Accept),
            Verdict::Drop => Target::Verdict(LegacyVerdict::Drop),
            Verdict::Return => Target::Verdict(LegacyVerdict::Return),
            Verdict::Jump(chain) => Target::Jump(chain.clone()),
            Verdict::Goto(chain) => Target::Goto(chain.clone()),
            Verdict::Continue => Target::Nothing,
            _ => return no("a verdict that iptables has not"),
        };
        Ok(())
    }

    /// Only `meta nftrace set 1` has a name: `TRACE`.
    fn meta_set(&mut self, sreg: Register, key: u32) -> Result<(), NotIptables> {
        const NFTRACE: u32 = 12;
        let Held::Immediate(value) = self.loaded(sreg)?.held else {
            return no("meta is set to something else than a constant");
        };
        if key != NFTRACE || value.first() == Some(&0) {
            return no("a meta value is set that iptables does not know");
        }
        let trace = Extension::Trace(Field::zero());
        self.rule.target = Target::Extension(Part::Known(trace));
        Ok(())
    }

    fn cmp(&mut self, loaded: &Loaded, op: CmpOp, data: &[u8]) -> Result<(), NotIptables> {
        match loaded.held {
            Held::Meta(key) => self.meta(key, loaded.mask.as_deref(), op, data),
            Held::Payload { base, offset, len } => match base {
                PayloadBase::Link if self.table.family == Family::Bridge => {
                    self.link(offset, len, loaded.mask.as_deref(), op, data)
                }
                PayloadBase::Link => Ok(()),
                PayloadBase::Network => self.network(offset, len, loaded.mask.as_deref(), op, data),
                PayloadBase::Transport => self.transport(offset, loaded.mask.as_deref(), op, data),
                _ => no("a part of the packet that iptables does not look at"),
            },
            Held::Immediate(_) => no("a constant is compared"),
        }
    }

    /// ebtables' `among`: hardware addresses, alone or with IPv4 addresses, in a set.
    fn lookup(&mut self, set: &str, sreg: Register, inverted: bool) -> Result<(), NotIptables> {
        if self.table.family != Family::Bridge {
            return Ok(());
        }
        let Some(set) = self.table.set(set) else {
            return no("a set that is not there");
        };
        let ether = |loaded: &Loaded| match loaded.held {
            Held::Payload {
                base: PayloadBase::Link,
                offset: 0,
                len: 6,
            } => Some(true),
            Held::Payload {
                base: PayloadBase::Link,
                offset: 6,
                len: 6,
            } => Some(false),
            _ => None,
        };
        let Some(destination) = ether(&self.loaded(sreg)?) else {
            return no("a lookup that iptables has not");
        };
        let with_ip = match set.key_len {
            6 => false,
            12 => {
                let offset = if destination { 16 } else { 12 };
                let held = self.loaded(place(sreg) + 2)?.held;
                let want = Held::Payload {
                    base: PayloadBase::Network,
                    offset,
                    len: 4,
                };
                if held != want {
                    return no("a lookup that iptables has not");
                }
                true
            }
            _ => return no("a lookup that iptables has not"),
        };
        let side = AmongSide {
            pairs: pairs(set)?,
            inverted,
            with_ip,
        };
        let there = self.rule.parts.iter_mut().find_map(|part| match part {
            Part::Among(among) => Some(among),
            _ => None,
        });
        let among = match there {
            Some(among) => among,
            None => {
                self.rule.parts.push(Part::Among(Among::default()));
                match self.rule.parts.last_mut() {
                    Some(Part::Among(among)) => among,
                    _ => return no("no room"),
                }
            }
        };
        if destination {
            among.destination = side;
        } else {
            among.source = side;
        }
        Ok(())
    }
}

fn pairs(set: &Set) -> Result<Vec<[u8; 12]>, NotIptables> {
    let Elements::Read(elements) = &set.elements else {
        return no("the elements of a set were not read");
    };
    let mut pairs = Vec::with_capacity(elements.len());
    for raw in elements.iter() {
        let element = decode::element(raw).map_err(|error| NotIptables(error.to_string()))?;
        let key = element.key.unwrap_or_default();
        let mut pair = [0; 12];
        for (to, from) in pair.iter_mut().zip(&key) {
            *to = *from;
        }
        pairs.push(pair);
    }
    pairs.sort_unstable();
    Ok(pairs)
}
