//! Rules made ready to run: decoded once, registers as places, chains and sets found by number.
//! A chain is compiled when a packet first comes to it.

use super::fused::{self, Field, Step};
use crate::flow::runs::{self, Row, Run};
use crate::flow::sets::SetIndex;
use crate::flow::tracer::WATCH;
use crate::flow::xtables::Code;
use crate::kernel::nf_tables::decode;
use crate::model::expression::{BitwiseOp, CmpOp, PayloadBase, Xtables};
use crate::model::ruleset::table_flags;
use crate::model::xtables::ExtensionKind;
use crate::model::{
    Chain, Data, Expression, Family, Name, Object, Policy, Ruleset, Set, Table, Verdict,
};
use std::collections::HashMap;
use std::sync::OnceLock;

pub type TableId = usize;
pub type ChainId = usize;
pub type SetId = usize;

/// Bytes of the register file: the verdict's 16 and sixteen registers of 4.
pub const REGISTERS: usize = 80;

/// Where a register begins in the file.
pub fn place(register: u32) -> Option<usize> {
    match register {
        1..=4 => Some(register as usize * 16),
        8..=23 => Some(16 + (register as usize - 8) * 4),
        _ => None,
    }
}

/// A verdict with its chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Accept,
    Drop,
    Stolen,
    Queue,
    Continue,
    Break,
    Return,
    Jump(Name, Option<ChainId>),
    Goto(Name, Option<ChainId>),
    /// What this build cannot follow.
    Unknown(String),
}

#[derive(Clone, Debug)]
pub enum Op {
    Verdict(Target),
    Immediate {
        dreg: usize,
        data: Box<[u8]>,
    },
    Cmp {
        sreg: usize,
        op: CmpOp,
        data: Box<[u8]>,
    },
    Mask {
        sreg: usize,
        dreg: usize,
        mask: Box<[u8]>,
        xor: Box<[u8]>,
    },
    Payload {
        dreg: usize,
        base: PayloadBase,
        offset: u32,
        len: u32,
    },
    Meta {
        dreg: usize,
        key: u32,
    },
    Ct {
        dreg: usize,
        key: u32,
        direction: Option<u8>,
    },
    Lookup {
        set: Option<SetId>,
        sreg: usize,
        dreg: Option<usize>,
        /// The map's values are verdicts.
        verdicts: bool,
        invert: bool,
    },
    /// Changes nothing that a packet's way depends on: counters, logs.
    Nothing,
    Match(Box<Code>),
    Target(Box<Code>),
    Other(Box<Expression>),
    Unknown(String),
}

#[derive(Clone, Debug)]
pub struct RuleCode {
    pub handle: u64,
    pub ops: Box<[Op]>,
    /// The same as it runs.
    pub steps: Box<[Step]>,
    /// The run that it is part of.
    pub run: Option<usize>,
}

/// A chain's rules, ready to run.
#[derive(Default)]
pub struct Rules {
    pub list: Box<[RuleCode]>,
    pub runs: Box<[Run<Field>]>,
}

impl RuleCode {
    fn new(handle: u64, ops: Box<[Op]>) -> RuleCode {
        let steps = fused::steps(&ops);
        RuleCode {
            handle,
            ops,
            steps,
            run: None,
        }
    }
}

impl Row for RuleCode {
    type Field = Field;

    fn wants(&self) -> impl Iterator<Item = (Field, u128)> {
        let tests = self.steps.iter().map_while(Step::test);
        tests.filter_map(|(field, wanted, negated)| (!negated).then_some((field, wanted)))
    }

    fn join(&mut self, run: usize) {
        self.run = Some(run);
    }
}

pub struct TableCode<'a> {
    pub table: &'a Table,
    chains: HashMap<&'a str, ChainId>,
    sets: HashMap<&'a str, SetId>,
}

pub struct ChainCode<'a> {
    pub table: TableId,
    pub chain: &'a Chain,
    code: OnceLock<Rules>,
}

struct SetCode<'a> {
    table: TableId,
    set: &'a Set,
    index: OnceLock<SetIndex>,
}

/// All tables of a ruleset.
pub struct Program<'a> {
    pub tables: Vec<TableCode<'a>>,
    pub chains: Vec<ChainCode<'a>>,
    sets: Vec<SetCode<'a>>,
}

impl<'a> Program<'a> {
    pub fn new(ruleset: &'a Ruleset) -> Program<'a> {
        let mut program = Program {
            tables: Vec::new(),
            chains: Vec::new(),
            sets: Vec::new(),
        };
        for (number, table) in ruleset.tables.iter().enumerate() {
            let mut code = TableCode {
                table,
                chains: HashMap::with_capacity(table.chains.len()),
                sets: HashMap::with_capacity(table.sets.len()),
            };
            // What only has packets traced decides nothing about them.
            let chains = if only_traces(table) {
                &[]
            } else {
                table.chains.as_slice()
            };
            for chain in chains {
                code.chains.insert(&chain.name, program.chains.len());
                program.chains.push(ChainCode {
                    table: number,
                    chain,
                    code: OnceLock::new(),
                });
            }
            for set in &table.sets {
                code.sets.insert(&set.name, program.sets.len());
                program.sets.push(SetCode {
                    table: number,
                    set,
                    index: OnceLock::new(),
                });
            }
            program.tables.push(code);
        }
        program
    }

    pub fn table_of(&self, chain: ChainId) -> Option<&'a Table> {
        let table = self.chains.get(chain)?.table;
        self.tables.get(table).map(|code| code.table)
    }

    pub fn family_of(&self, chain: ChainId) -> Family {
        self.table_of(chain)
            .map_or(Family::Unknown(0), |table| table.family)
    }

    pub fn chain(&self, chain: ChainId) -> Option<&'a Chain> {
        self.chains.get(chain).map(|code| code.chain)
    }

    /// The rules of a chain, ready to run.
    pub fn rules(&self, chain: ChainId) -> Option<&Rules> {
        let code = self.chains.get(chain)?;
        let rules = code.code.get_or_init(|| {
            let mut list: Box<[RuleCode]> = code
                .chain
                .rules
                .iter()
                .map(|rule| match decode::rule(rule) {
                    Ok(body) => {
                        let expressions = body.expressions.into_iter();
                        let ops =
                            expressions.map(|expression| self.compile(code.table, expression));
                        RuleCode::new(rule.handle, ops.collect())
                    }
                    Err(error) => {
                        let op = Op::Unknown(format!("the rule cannot be read: {error}"));
                        RuleCode::new(rule.handle, Box::new([op]))
                    }
                })
                .collect();
            let runs = runs::find(&mut list);
            Rules { list, runs }
        });
        Some(rules)
    }

    pub fn set_named(&self, table: TableId, name: &str) -> Option<SetId> {
        self.tables.get(table)?.sets.get(name).copied()
    }

    pub fn set(&self, set: SetId) -> Option<&'a Set> {
        self.sets.get(set).map(|code| code.set)
    }

    pub fn set_index(&self, set: SetId) -> Option<&SetIndex> {
        let code = self.sets.get(set)?;
        let resolve = |verdict: &Verdict| self.target(code.table, verdict);
        Some(
            code.index
                .get_or_init(|| SetIndex::build(code.set, &resolve)),
        )
    }

    pub fn object(&self, table: TableId, kind: Option<u32>, name: &str) -> Option<&'a Object> {
        let table = self.tables.get(table)?.table;
        table
            .objects
            .iter()
            .find(|object| &*object.name == name && kind.is_none_or(|kind| object.kind == kind))
            .map(|object| &**object)
    }

    pub fn target(&self, table: TableId, verdict: &Verdict) -> Target {
        let chain = |name: &Name| {
            let table = self.tables.get(table)?;
            table.chains.get(&**name).copied()
        };
        match verdict {
            Verdict::Accept => Target::Accept,
            Verdict::Drop => Target::Drop,
            Verdict::Stolen => Target::Stolen,
            Verdict::Queue => Target::Queue,
            Verdict::Continue => Target::Continue,
            Verdict::Break => Target::Break,
            Verdict::Return => Target::Return,
            Verdict::Jump(name) => Target::Jump(name.clone(), chain(name)),
            Verdict::Goto(name) => Target::Goto(name.clone(), chain(name)),
            Verdict::Repeat | Verdict::Stop => Target::Unknown(format!("verdict {verdict:?}")),
            Verdict::Unknown(code) => Target::Unknown(format!("verdict {code}")),
        }
    }

    /// The standard target of ebtables-nft is a verdict; the others are extensions.
    fn xt_target(&self, _table: TableId, family: Family, target: &Xtables) -> Op {
        if &*target.name == "standard" || target.name.is_empty() {
            let code = target
                .info
                .first_chunk::<4>()
                .map(|b| i32::from_ne_bytes(*b));
            return Op::Verdict(match code {
                Some(-1) => Target::Accept,
                Some(-2) => Target::Drop,
                Some(-3) => Target::Continue,
                Some(-4) => Target::Return,
                other => Target::Unknown(format!("standard target {other:?}")),
            });
        }
        Op::Target(Box::new(Code::new(ExtensionKind::Target, family, target)))
    }

    fn compile(&self, table: TableId, expression: Expression) -> Op {
        let family = self
            .tables
            .get(table)
            .map_or(Family::Ip, |code| code.table.family);
        let bad = |register: u32| Op::Unknown(format!("there is no register {register}"));
        macro_rules! at {
            ($register:expr) => {
                match place($register) {
                    Some(place) => place,
                    None => return bad($register),
                }
            };
        }
        match expression {
            Expression::Immediate { dreg, data } => match data {
                Data::Verdict(verdict) => Op::Verdict(self.target(table, &verdict)),
                Data::Value(data) => Op::Immediate {
                    dreg: at!(dreg),
                    data: data.into(),
                },
            },
            Expression::Cmp { sreg, op, data } => Op::Cmp {
                sreg: at!(sreg),
                op,
                data: data.into(),
            },
            Expression::Bitwise {
                sreg,
                dreg,
                op: BitwiseOp::Mask { mask, xor },
                ..
            } => Op::Mask {
                sreg: at!(sreg),
                dreg: at!(dreg),
                mask: mask.into(),
                xor: xor.into(),
            },
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => Op::Payload {
                dreg: at!(dreg),
                base,
                offset,
                len,
            },
            Expression::Meta { dreg, key } => Op::Meta {
                dreg: at!(dreg),
                key,
            },
            Expression::Ct {
                dreg,
                key,
                direction,
            } => Op::Ct {
                dreg: at!(dreg),
                key,
                direction,
            },
            Expression::Lookup {
                set,
                sreg,
                dreg,
                flags,
            } => {
                let found = self.set_named(table, &set);
                if found.is_none() {
                    return Op::Unknown(format!("there is no set '{set}'"));
                }
                let (verdicts, dreg) = match dreg {
                    Some(0) => (true, None),
                    Some(register) => (false, Some(at!(register))),
                    None => (false, None),
                };
                Op::Lookup {
                    set: found,
                    sreg: at!(sreg),
                    dreg,
                    verdicts,
                    invert: flags & 1 != 0,
                }
            }
            Expression::Counter(_) | Expression::Last { .. } | Expression::Log { .. } => {
                Op::Nothing
            }
            Expression::Match(xtables) => {
                Op::Match(Box::new(Code::new(ExtensionKind::Match, family, &xtables)))
            }
            Expression::Target(xtables) => self.xt_target(table, family, &xtables),
            Expression::Unknown(unknown) => Op::Unknown(format!(
                "the expression '{}' is not understood: {}",
                unknown.name, unknown.why
            )),
            other => Op::Other(Box::new(other)),
        }
    }
}

/// The table is one of `hookscope watch`, by its name and by everything that is in it.
fn only_traces(table: &Table) -> bool {
    const NFTRACE: u32 = 12;
    let harmless = |expression: &Expression| match expression {
        Expression::MetaSet { key, .. } => *key == NFTRACE,
        Expression::Immediate { data, .. } => {
            matches!(data, Data::Value(_) | Data::Verdict(Verdict::Goto(_)))
        }
        Expression::Meta { .. }
        | Expression::Payload { .. }
        | Expression::Cmp { .. }
        | Expression::Bitwise { .. }
        | Expression::Numgen { .. }
        | Expression::Limit(_) => true,
        _ => false,
    };
    table.name.starts_with(WATCH)
        && table.flags & table_flags::OWNER != 0
        && table.chains.iter().all(|chain| {
            let accepts = chain
                .base
                .as_ref()
                .is_none_or(|base| base.policy != Some(Policy::Drop));
            let mut rules = chain.rules.iter();
            accepts
                && rules.all(|rule| {
                    decode::rule(rule).is_ok_and(|body| body.expressions.iter().all(harmless))
                })
        })
}
