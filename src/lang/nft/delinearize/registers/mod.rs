//! Follows the register file through a rule and turns its expressions into statements.

mod nat;
mod sets;
mod values;

use super::super::ast::*;
use super::super::datatype::{self as types, Type};
use super::super::number::{self, Num, Order};
use super::super::protocol::Layer;
use super::context::TableView;
use super::{exthdr, intervals};
use crate::model::expression::{
    BitwiseOp, BitwiseOperand, CmpOp, ObjrefTarget, PayloadBase, Register, UnknownExpression,
};
use crate::model::{Data, Expression, Family, Verdict};
use nat::nat_without_address;
use values::{bits, cmp_op, mask_and_xor, split_like};
pub use values::{layer, splice, verdict_expr};

/// 32-bit registers, numbered from 1; a 128-bit register is four of them.
const REGISTERS: usize = 20;

pub struct Machine<'v> {
    pub view: &'v TableView,
    registers: [Option<Expr>; REGISTERS],
}

/// Why an expression does not make sense where it stands.
type Problem = &'static str;
type Parsed = Result<Option<Stmt>, Problem>;

pub fn statements(view: &TableView, expressions: &[Expression]) -> Vec<Stmt> {
    let mut machine = Machine {
        view,
        registers: Default::default(),
    };
    let mut stmts = Vec::with_capacity(expressions.len());
    for expression in expressions {
        match machine.expression(expression) {
            Ok(Some(stmt)) => stmts.push(stmt),
            Ok(None) => {}
            Err(problem) => stmts.push(Stmt::Unknown(UnknownExpression {
                name: expression.kernel_name().into(),
                data: Vec::new(),
                why: problem.to_owned(),
            })),
        }
    }
    stmts
}

/// The statement of a stateful expression that belongs to a set or an element.
pub fn stateful(view: &TableView, expression: &Expression) -> Option<Stmt> {
    statements(view, std::slice::from_ref(expression)).pop()
}

/// The place of a register, counted in 32-bit registers from 1; 0 is the verdict.
fn place(register: Register) -> usize {
    let register = register as usize;
    match register {
        1..=4 => 1 + (register - 1) * 4,
        8.. => register - 7,
        other => other,
    }
}

const NO_LEFT: Problem = "reads a register that nothing was loaded into";

impl Machine<'_> {
    fn store(&mut self, register: Register, expr: Expr) -> Parsed {
        let slot = self
            .registers
            .get_mut(place(register))
            .ok_or("writes an unknown register")?;
        *slot = Some(expr);
        Ok(None)
    }

    fn load_place(&self, place: usize) -> Result<Expr, Problem> {
        self.registers
            .get(place)
            .and_then(Clone::clone)
            .ok_or(NO_LEFT)
    }

    fn load(&self, register: Register) -> Result<Expr, Problem> {
        self.load_place(place(register))
    }

    /// A concatenation of what stands in the registers from `register` on, `len` bits long.
    fn load_concat(&self, register: Register, len: u32) -> Result<Expr, Problem> {
        self.load_concat_typed(register, len, None)
    }

    fn load_concat_typed(
        &self,
        register: Register,
        len: u32,
        key_type: Option<Type>,
    ) -> Result<Expr, Problem> {
        let mut place = place(register);
        let mut left = i64::from(len);
        let mut parts = Vec::new();
        let mut n = key_type.map_or(0, |t| t.subtype_count());
        while left > 0 {
            let mut part = self.load_place(place)?;
            if let (Some(Type::Concat(id)), true) = (key_type, n > 0) {
                n -= 1;
                let subtype = types::subtype_at(id, n);
                part.set_type(Type::Basic(subtype), subtype.order);
            }
            let padded = types::padded(part.len);
            if padded == 0 {
                return Err("a part of a concatenation has no length");
            }
            left -= i64::from(padded);
            place += (padded / 32) as usize;
            parts.push(part);
        }
        Ok(Expr::new(
            Kind::Concat(parts),
            Type::Basic(&types::INVALID),
            Order::Invalid,
            0,
        ))
    }

    fn expression(&mut self, expression: &Expression) -> Parsed {
        match expression {
            Expression::Immediate { dreg, data } => self.immediate(*dreg, data),
            Expression::Cmp { sreg, op, data } => self.cmp(*sreg, *op, data),
            Expression::Range { sreg, op, from, to } => {
                let left = self.load(*sreg)?;
                let right = Expr::range(Expr::from_bytes(from), Expr::from_bytes(to));
                Ok(Some(Stmt::Match(Expr::relational(
                    cmp_op(*op),
                    left,
                    right,
                ))))
            }
            Expression::Bitwise {
                sreg,
                dreg,
                len,
                op,
            } => self.bitwise(*sreg, *dreg, *len, op),
            Expression::Byteorder { sreg, dreg, op, .. } => {
                let arg = self.load(*sreg)?;
                let len = arg.len;
                let op = if *op == 0 { Op::Ntoh } else { Op::Hton };
                let unary = Kind::Unary {
                    op,
                    arg: Box::new(arg),
                };
                self.store(
                    *dreg,
                    Expr::new(unary, Type::Basic(&types::INVALID), Order::Invalid, len),
                )
            }
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => self.store(
                *dreg,
                Expr::raw_payload(layer(*base), bits(*offset)?, bits(*len)?),
            ),
            Expression::PayloadSet {
                sreg,
                base,
                offset,
                len,
                ..
            } => {
                let value = self.load(*sreg)?;
                let expr = Expr::raw_payload(layer(*base), bits(*offset)?, bits(*len)?);
                Ok(Some(Stmt::Payload { expr, value }))
            }
            Expression::Exthdr {
                dreg,
                kind,
                offset,
                len,
                flags,
                op,
            } => {
                let expr = exthdr::raw(*kind, bits(*offset)?, bits(*len)?, *op, *flags);
                self.store(*dreg, expr)
            }
            Expression::ExthdrSet {
                sreg,
                kind,
                offset,
                len,
                flags,
                op,
            } => {
                let expr = exthdr::raw(*kind, bits(*offset)?, bits(*len)?, *op, *flags);
                let mut value = self.load(*sreg)?;
                value.set_type(expr.dtype, expr.order);
                Ok(Some(Stmt::Exthdr { expr, value }))
            }
            Expression::ExthdrReset { kind, op } => {
                let mut expr = exthdr::raw(*kind, 0, 0, *op, 0);
                if let Kind::Exthdr(header) = &mut expr.kind {
                    header.present = true;
                }
                Ok(Some(Stmt::OptStrip(expr)))
            }
            Expression::Meta { dreg, key } => {
                self.store(*dreg, Expr::meta(*key).ok_or("unknown meta key")?)
            }
            Expression::MetaSet { sreg, key } => {
                let template = Expr::meta(*key).ok_or("unknown meta key")?;
                let mut expr = self.load(*sreg)?;
                expr.set_type(template.dtype, template.order);
                Ok(Some(Stmt::Meta { key: *key, expr }))
            }
            Expression::Ct {
                dreg,
                key,
                direction,
            } => self.store(*dreg, Expr::ct(*key, *direction).ok_or("unknown ct key")?),
            Expression::CtSet {
                sreg,
                key,
                direction,
            } => {
                let template = Expr::ct(*key, None).ok_or("unknown ct key")?;
                let mut expr = self.load(*sreg)?;
                expr.set_type(template.dtype, template.order);
                Ok(Some(Stmt::Ct {
                    key: *key,
                    direction: *direction,
                    expr,
                }))
            }
            Expression::Rt { dreg, key } => {
                self.store(*dreg, Expr::rt(*key).ok_or("unknown rt key")?)
            }
            Expression::Socket { dreg, key, level } => self.store(
                *dreg,
                Expr::socket(*key, *level).ok_or("unknown socket key")?,
            ),
            Expression::Osf { dreg, ttl, flags } => self.store(*dreg, Expr::osf(*ttl, *flags)),
            Expression::Fib {
                dreg,
                result,
                flags,
            } => self.store(
                *dreg,
                Expr::fib(*flags, *result).ok_or("unknown fib result")?,
            ),
            Expression::Hash {
                dreg,
                sreg,
                len,
                modulus,
                seed,
                offset,
                kind,
            } => {
                let expr = match sreg {
                    Some(sreg) if *kind == 0 => {
                        let expr = self.load(*sreg)?;
                        let len = bits(*len)?;
                        Some(if expr.len < len {
                            self.load_concat(*sreg, len)?
                        } else {
                            expr
                        })
                    }
                    _ => None,
                };
                let hash = Hash {
                    expr,
                    modulus: *modulus,
                    seed: *seed,
                    offset: *offset,
                    symmetric: *kind == 1,
                };
                self.store(*dreg, Expr::hash(hash))
            }
            Expression::Numgen {
                dreg,
                modulus,
                kind,
                offset,
            } => self.store(*dreg, Expr::numgen(*kind, *modulus, *offset)),
            Expression::Lookup {
                set,
                sreg,
                dreg,
                flags,
            } => self.lookup(set, *sreg, *dreg, *flags),
            Expression::Dynset { .. } => self.dynset(expression),
            Expression::Objref { target } => self.objref(target),
            Expression::Counter(counter) => Ok(Some(Stmt::Counter(*counter))),
            Expression::Quota(quota) => Ok(Some(Stmt::Quota(*quota))),
            Expression::Limit(limit) => Ok(Some(Stmt::Limit(*limit))),
            Expression::Connlimit { count, flags } => Ok(Some(Stmt::Connlimit {
                count: *count,
                flags: *flags,
            })),
            Expression::Last { set, msecs } => Ok(Some(Stmt::Last {
                set: *set,
                msecs: *msecs,
            })),
            Expression::Log {
                prefix,
                group,
                snaplen,
                qthreshold,
                level,
                flags,
            } => Ok(Some(Stmt::Log(Log {
                prefix: prefix.clone(),
                group: *group,
                snaplen: *snaplen,
                qthreshold: *qthreshold,
                level: *level,
                flags: flags.unwrap_or(0),
            }))),
            Expression::Reject { kind, code } => Ok(Some(Stmt::Reject(Box::new(Reject {
                kind: *kind,
                code: *code,
                family: 0,
                expr: Expr::value(Num::from(*code), &types::INTEGER, Order::Host, 8),
                verbose: false,
            })))),
            Expression::Nat { .. } => self.nat(expression),
            Expression::Masq {
                flags,
                proto_min,
                proto_max,
            } => {
                let proto = self.ports(*proto_min, *proto_max)?;
                Ok(Some(nat_without_address(
                    NatKind::Masquerade,
                    proto,
                    *flags,
                )))
            }
            Expression::Redir {
                proto_min,
                proto_max,
                flags,
            } => {
                let proto = self.ports(*proto_min, *proto_max)?;
                Ok(Some(nat_without_address(NatKind::Redirect, proto, *flags)))
            }
            Expression::Dup { addr, dev } => self.dup(*addr, *dev),
            Expression::Fwd { dev, addr, nfproto } => {
                let mut dev = self.load(*dev)?;
                dev.set_type(Type::Basic(&types::IFINDEX), Order::Host);
                let family = nfproto.unwrap_or(0) as u8;
                let addr = addr
                    .map(|addr| self.address(addr, u32::from(family)))
                    .transpose()?;
                Ok(Some(Stmt::Fwd { dev, addr, family }))
            }
            Expression::Queue {
                num,
                total,
                flags,
                sreg_qnum,
            } => {
                let expr = match sreg_qnum {
                    Some(register) => self.load(*register)?,
                    None => {
                        let number =
                            |n: u16| Expr::value(Num::from(n), &types::INTEGER, Order::Host, 16);
                        if *total > 1 {
                            let last = total.wrapping_add(*num).wrapping_sub(1);
                            Expr::range(number(*num), number(last))
                        } else {
                            number(*num)
                        }
                    }
                };
                Ok(Some(Stmt::Queue {
                    expr,
                    flags: *flags,
                }))
            }
            Expression::Tproxy { family, addr, port } => {
                let addr = addr.map(|addr| self.address(addr, *family)).transpose()?;
                let port = self.ports(*port, None)?;
                Ok(Some(Stmt::Tproxy {
                    family: *family as u8,
                    table_family: self.view.family().to_wire(),
                    addr,
                    port,
                }))
            }
            Expression::Synproxy(synproxy) => Ok(Some(Stmt::Synproxy(*synproxy))),
            Expression::Notrack => Ok(Some(Stmt::Notrack)),
            Expression::FlowOffload { table } => Ok(Some(Stmt::FlowOffload(table.clone()))),
            Expression::Tunnel { dreg, key, .. } => {
                self.store(*dreg, Expr::tunnel(*key).ok_or("unknown tunnel key")?)
            }
            Expression::Xfrm {
                dreg,
                key,
                direction,
                spnum,
            } => self.store(
                *dreg,
                Expr::xfrm(*key, *direction, *spnum).ok_or("unknown ipsec key")?,
            ),
            Expression::Inner {
                kind, expression, ..
            } => self.inner(*kind, expression),
            Expression::Match(extension) => Ok(Some(Stmt::Xt {
                kind: XtKind::Match,
                extension: extension.clone(),
                proto: 0,
            })),
            Expression::Target(extension) => {
                let watcher = self.view.family() == Family::Bridge
                    && matches!(&*extension.name, "log" | "nflog");
                let kind = if watcher {
                    XtKind::Watcher
                } else {
                    XtKind::Target
                };
                Ok(Some(Stmt::Xt {
                    kind,
                    extension: extension.clone(),
                    proto: 0,
                }))
            }
            Expression::Unknown(unknown) => Ok(Some(Stmt::Unknown(unknown.clone()))),
        }
    }

    fn immediate(&mut self, dreg: Register, data: &Data) -> Parsed {
        match data {
            Data::Value(bytes) => self.store(dreg, Expr::from_bytes(bytes)),
            Data::Verdict(verdict) => {
                let goto = matches!(verdict, Verdict::Goto(_));
                if let Verdict::Jump(chain) | Verdict::Goto(chain) = verdict
                    && self.view.is_binding(chain)
                {
                    return Ok(Some(Stmt::Chain {
                        goto,
                        chain: chain.clone(),
                    }));
                }
                Ok(Some(Stmt::Verdict(verdict_expr(verdict.clone()))))
            }
        }
    }

    fn cmp(&mut self, sreg: Register, op: CmpOp, data: &[u8]) -> Parsed {
        let mut left = self.load(sreg)?;
        let mut right = Expr::from_bytes(data);
        if left.len > right.len && !left.dtype.is_text() {
            let (full, given) = (left.len, right.len);
            if let Kind::Value(value) = &mut right.kind {
                *value = number::shl(*value, full - given);
            }
            right.len = full;
            right = Expr::prefix(right, given);
        } else if left.len > 0 && left.len < right.len {
            let len = right.len;
            left = self.load_concat(sreg, len)?;
            right = split_like(&left, right)?;
        }
        Ok(Some(Stmt::Match(Expr::relational(cmp_op(op), left, right))))
    }

    fn bitwise(&mut self, sreg: Register, dreg: Register, len: u32, op: &BitwiseOp) -> Parsed {
        let left = self.load(sreg)?;
        let expr = match op {
            BitwiseOp::Mask { mask, xor } => mask_and_xor(left, mask, xor),
            BitwiseOp::ShiftLeft(by) | BitwiseOp::ShiftRight(by) => {
                let op = match op {
                    BitwiseOp::ShiftLeft(_) => Op::LeftShift,
                    _ => Op::RightShift,
                };
                // Kept in the order in which constants of the host arrive; it is turned round when the type is set.
                let by = number::import(&by.to_ne_bytes(), Order::Invalid);
                let by = Expr::value(by, &types::INVALID, Order::Host, 32);
                Expr::binop(op, left, by)
            }
            BitwiseOp::And(operand) | BitwiseOp::Or(operand) | BitwiseOp::Xor(operand) => {
                let op = match op {
                    BitwiseOp::And(_) => Op::And,
                    BitwiseOp::Or(_) => Op::Or,
                    _ => Op::Xor,
                };
                let right = match operand {
                    BitwiseOperand::Register(register) => self.load(*register)?,
                    BitwiseOperand::Value(bytes) => Expr::from_bytes(bytes),
                };
                Expr::binop(op, left, right)
            }
        };
        let _ = len;
        self.store(dreg, expr)
    }

    /// A load from the packet inside a tunnel (Linux 6.2, nft 1.0.8).
    fn inner(&mut self, kind: u32, expression: &Expression) -> Parsed {
        let tunnel = match kind {
            0 => "vxlan",
            1 => "geneve",
            2 => "gre",
            3 => "gretap",
            _ => return Err("unknown kind of tunnel"),
        };
        let (dreg, expr) = match expression {
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => (
                *dreg,
                Expr::raw_payload(layer(*base), bits(*offset)?, bits(*len)?),
            ),
            Expression::Meta { dreg, key } => (*dreg, Expr::meta(*key).ok_or("unknown meta key")?),
            _ => return Err("holds an expression that cannot look into tunnels"),
        };
        let (dtype, order, len) = (expr.dtype, expr.order, expr.len);
        let inner = Kind::Inner {
            tunnel,
            expr: Box::new(expr),
        };
        self.store(dreg, Expr::new(inner, dtype, order, len))
    }
}
