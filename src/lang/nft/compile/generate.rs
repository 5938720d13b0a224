//! Typed statements to the kernel's expressions, with registers given out as nft does.

mod sets;
mod stmt;

use super::super::ast::*;
use super::super::number::{self, Num, Order};
use super::super::protocol::Layer;
use super::super::syntax::{Diagnostic, Span};
use super::eval::Result;
use super::world::World;
use crate::model::expression::{
    BitwiseOp, CmpOp, Data, Expression, PayloadBase, Register, Verdict,
};
use crate::model::{Family, Name};

pub use sets::{element, entries_of, model_set};
pub use stmt::stateful;

/// The expressions of a rule. Sets that belong to it are pushed first.
pub fn rule(
    world: &mut World<'_>,
    family: Family,
    table: &Name,
    stmts: &[Stmt],
    span: Span,
) -> Result<Vec<Expression>> {
    let mut generator = Generator {
        world,
        family,
        table,
        out: Vec::new(),
        low: 0,
        span,
    };
    for stmt in stmts {
        generator.stmt(stmt)?;
    }
    Ok(generator.out)
}

struct Generator<'a, 'w> {
    world: &'a mut World<'w>,
    family: Family,
    table: &'a Name,
    out: Vec<Expression>,
    /// The lowest register that is free, counted in registers of 32 bits.
    low: u32,
    span: Span,
}

/// Registers of 32 bits that `bits` need.
fn space(bits: u32) -> u32 {
    bits.div_ceil(32)
}

/// The number of a register in messages: whole 128-bit registers by their old numbers.
fn number_of(register: u32) -> Register {
    if register.is_multiple_of(4) {
        1 + register / 4
    } else {
        8 + register
    }
}

/// `NFT_REG_VERDICT`
const VERDICT: u32 = u32::MAX;

impl Generator<'_, '_> {
    fn get(&mut self, expr: Option<&Expr>) -> Result<u32> {
        let count = self.count(expr);
        const REGISTERS: u32 = 16;
        if self.low + count > REGISTERS {
            return Err(Diagnostic::new(
                self.span,
                "the values of this rule do not fit into the registers of nf_tables",
            ));
        }
        let register = self.low;
        self.low += count;
        Ok(register)
    }

    fn release(&mut self, expr: Option<&Expr>) {
        self.low = self.low.saturating_sub(self.count(expr));
    }

    fn count(&self, expr: Option<&Expr>) -> u32 {
        match expr {
            Some(expr) if matches!(expr.kind, Kind::Concat(_)) => space(expr.len),
            _ => 4,
        }
    }

    fn push(&mut self, expression: Expression) {
        self.out.push(expression);
    }

    fn unsupported(&self, expr: &Expr) -> Diagnostic {
        Diagnostic::new(expr.span, "this cannot be expressed for the kernel here")
    }

    fn expr(&mut self, expr: &Expr, register: u32) -> Result<()> {
        let dreg = if register == VERDICT {
            0
        } else {
            number_of(register)
        };
        match &expr.kind {
            Kind::Verdict(verdict) => {
                self.push(Expression::Immediate {
                    dreg,
                    data: Data::Verdict(verdict.clone()),
                });
            }
            Kind::Value(_) => {
                let data = Data::Value(constant(expr));
                self.push(Expression::Immediate { dreg, data });
            }
            Kind::Unary { op, arg } => {
                let size = if arg.len.is_multiple_of(64) {
                    8
                } else if arg.len.is_multiple_of(32) {
                    4
                } else {
                    2
                };
                self.expr(arg, register)?;
                self.push(Expression::Byteorder {
                    sreg: dreg,
                    dreg,
                    op: u32::from(*op == Op::Hton),
                    len: expr.len / 8,
                    size,
                });
            }
            Kind::Binop { op, left, right } => match op {
                Op::LeftShift | Op::RightShift => {
                    self.expr(left, register)?;
                    let by = number::low32(right.as_value().unwrap_or_default());
                    self.push(Expression::Bitwise {
                        sreg: dreg,
                        dreg,
                        len: expr.len.div_ceil(8),
                        op: if *op == Op::LeftShift {
                            BitwiseOp::ShiftLeft(by)
                        } else {
                            BitwiseOp::ShiftRight(by)
                        },
                    });
                }
                _ => self.bitwise(expr, register)?,
            },
            Kind::Relational { .. } => self.relational(expr)?,
            Kind::Concat(parts) => {
                let mut register = register;
                for part in parts {
                    self.expr(part, register)?;
                    register += space(part.len);
                }
            }
            Kind::Map { key, mappings } => self.map(key, mappings, register)?,
            Kind::SetElem(element) => self.expr(&element.key, register)?,
            Kind::Payload(payload) => {
                self.push(Expression::Payload {
                    dreg,
                    base: base(payload.layer),
                    offset: payload.offset / 8,
                    len: expr.len.div_ceil(8),
                });
            }
            Kind::Exthdr(header) => {
                self.push(Expression::Exthdr {
                    dreg,
                    kind: header.kind,
                    offset: header.offset / 8,
                    len: expr.len.div_ceil(8),
                    flags: u32::from(header.present),
                    op: exthdr_op(header.op),
                });
            }
            Kind::Hash(hash) => {
                let (mut sreg, mut len) = (None, 0);
                if let Some(inner) = &hash.expr {
                    let source = self.get(Some(inner))?;
                    self.expr(inner, source)?;
                    self.release(Some(inner));
                    sreg = Some(number_of(source));
                    len = inner.len.div_ceil(8);
                }
                self.push(Expression::Hash {
                    dreg,
                    sreg,
                    len,
                    modulus: hash.modulus,
                    seed: hash.seed,
                    offset: hash.offset,
                    kind: u32::from(hash.symmetric),
                });
            }
            _ => {
                let selector = selector(expr, dreg).ok_or_else(|| self.unsupported(expr))?;
                self.push(selector);
            }
        }
        Ok(())
    }

    /// A chain of masks and exclusive ors as one operation: `(value & mask) ^ xor`.
    fn bitwise(&mut self, expr: &Expr, register: u32) -> Result<()> {
        let all = number::bitmask(expr.len);
        let mut chain = Vec::new();
        let mut inner = expr;
        while let Kind::Binop {
            op: op @ (Op::And | Op::Or | Op::Xor),
            left,
            right,
        } = &inner.kind
        {
            chain.push((*op, right.as_value().unwrap_or_default()));
            inner = left;
        }
        self.expr(inner, register)?;
        let (mut mask, mut xor) = (all, Num::ZERO);
        for (op, value) in chain.into_iter().rev() {
            let (m, x) = match op {
                Op::And => (value, Num::ZERO),
                Op::Or => (!value & all, value),
                _ => (all, value),
            };
            xor = x ^ (xor & m);
            mask &= m;
        }
        let len = number::bytes_of(expr.len);
        let register = number_of(register);
        self.push(Expression::Bitwise {
            sreg: register,
            dreg: register,
            len: len as u32,
            op: BitwiseOp::Mask {
                mask: number::export(mask, expr.order, len),
                xor: number::export(xor, expr.order, len),
            },
        });
        Ok(())
    }

    fn map(&mut self, key: &Expr, mappings: &Expr, register: u32) -> Result<()> {
        let Kind::SetRef(reference) = &mappings.kind else {
            return Err(self.unsupported(mappings));
        };
        let set = self.set_name(reference, mappings.span)?;
        let source = if register == VERDICT {
            self.get(Some(key))?
        } else {
            register
        };
        self.expr(key, source)?;
        if register == VERDICT {
            self.release(Some(key));
        }
        self.push(Expression::Lookup {
            set,
            sreg: number_of(source),
            dreg: Some(if register == VERDICT {
                0
            } else {
                number_of(register)
            }),
            flags: 0,
        });
        Ok(())
    }

    fn relational(&mut self, expr: &Expr) -> Result<()> {
        let Kind::Relational { op, left, right } = &expr.kind else {
            return Ok(());
        };
        match &right.kind {
            Kind::Range(from, to) => {
                let register = self.get(Some(left))?;
                self.expr(left, register)?;
                let sreg = number_of(register);
                match op {
                    Op::Neq => self.push(Expression::Range {
                        sreg,
                        op: CmpOp::Neq,
                        from: constant(from),
                        to: constant(to),
                    }),
                    Op::Eq | Op::Implicit => {
                        for (op, bound) in [(CmpOp::Gte, from), (CmpOp::Lte, to)] {
                            self.push(Expression::Cmp {
                                sreg,
                                op,
                                data: constant(bound),
                            });
                        }
                    }
                    _ => return Err(self.unsupported(expr)),
                }
                self.release(Some(left));
                return Ok(());
            }
            Kind::SetRef(reference) => {
                let set = self.set_name(reference, right.span)?;
                let register = self.get(Some(left))?;
                self.expr(left, register)?;
                self.push(Expression::Lookup {
                    set,
                    sreg: number_of(register),
                    dreg: None,
                    // NFT_LOOKUP_F_INV
                    flags: u32::from(*op == Op::Neq),
                });
                self.release(Some(left));
                return Ok(());
            }
            _ => {}
        }
        let register = self.get(Some(left))?;
        let sreg = number_of(register);
        let data = match &right.kind {
            Kind::Prefix(base, bits) => {
                let whole = right.order == Order::Big && *bits > 0 && bits.is_multiple_of(8);
                if left.dtype.is_text() || whole {
                    // The load is as short as the prefix.
                    let mut short = (**left).clone();
                    short.len = *bits;
                    self.expr(&short, register)?;
                    let mut bytes = constant(base);
                    bytes.truncate(number::bytes_of(*bits));
                    bytes
                } else {
                    self.expr(left, register)?;
                    let len = number::bytes_of(right.len);
                    let mask = super::prefix_mask(right.len, *bits);
                    self.push(Expression::Bitwise {
                        sreg,
                        dreg: sreg,
                        len: len as u32,
                        op: BitwiseOp::Mask {
                            mask: number::export(mask, right.order, len),
                            xor: vec![0; len],
                        },
                    });
                    constant(base)
                }
            }
            Kind::Value(_) => {
                self.expr(left, register)?;
                if matches!(op, Op::Implicit | Op::Neg) && right.dtype.is_bitmask() {
                    self.flags(*op, left, right, sreg);
                    self.release(Some(left));
                    return Ok(());
                }
                constant(right)
            }
            _ => return Err(self.unsupported(right)),
        };
        let op = match op {
            Op::Eq | Op::Implicit => CmpOp::Eq,
            Op::Neq | Op::Neg => CmpOp::Neq,
            Op::Lt => CmpOp::Lt,
            Op::Gt => CmpOp::Gt,
            Op::Lte => CmpOp::Lte,
            _ => CmpOp::Gte,
        };
        self.push(Expression::Cmp { sreg, op, data });
        self.release(Some(left));
        Ok(())
    }

    /// Any of these flags, none of these flags.
    fn flags(&mut self, op: Op, left: &Expr, right: &Expr, sreg: Register) {
        if matches!(left.kind, Kind::Binop { .. }) {
            self.push(Expression::Cmp {
                sreg,
                op: CmpOp::Eq,
                data: constant(right),
            });
            return;
        }
        let len = number::bytes_of(left.len);
        self.push(Expression::Bitwise {
            sreg,
            dreg: sreg,
            len: len as u32,
            op: BitwiseOp::Mask {
                mask: constant(right),
                xor: vec![0; len],
            },
        });
        self.push(Expression::Cmp {
            sreg,
            op: if op == Op::Neg { CmpOp::Eq } else { CmpOp::Neq },
            data: vec![0; len],
        });
    }

    /// The name to look up by; a set that belongs to the rule is made here.
    fn set_name(&mut self, reference: &SetRef, span: Span) -> Result<Name> {
        if let Some(elements) = &reference.elements {
            sets::make_anonymous(
                self.world,
                self.family,
                self.table,
                &reference.set,
                elements.clone(),
                span,
            )?;
        }
        Ok(reference.set.name.clone())
    }
}

/// The bytes of a constant.
pub fn constant(expr: &Expr) -> Vec<u8> {
    let value = expr.as_value().unwrap_or_default();
    number::export(value, expr.order, number::bytes_of(expr.len))
}

fn base(layer: Layer) -> PayloadBase {
    match layer {
        Layer::None | Layer::Link => PayloadBase::Link,
        Layer::Network => PayloadBase::Network,
        Layer::Transport => PayloadBase::Transport,
        Layer::Inner => PayloadBase::Inner,
        Layer::Tunnel => PayloadBase::Tunnel,
    }
}

fn exthdr_op(op: ExthdrOp) -> u32 {
    match op {
        ExthdrOp::Ipv6 => 0,
        ExthdrOp::TcpOption => 1,
        ExthdrOp::Ipv4Option => 2,
        ExthdrOp::SctpChunk => 3,
        ExthdrOp::DccpOption => 4,
        ExthdrOp::Unknown(op) => op,
    }
}

/// Selectors that load into a register what they name.
fn selector(expr: &Expr, dreg: Register) -> Option<Expression> {
    Some(match expr.kind {
        Kind::Meta { key } => Expression::Meta { dreg, key },
        Kind::Ct { key, direction, .. } => Expression::Ct {
            dreg,
            key,
            direction,
        },
        Kind::Rt { key } => Expression::Rt { dreg, key },
        Kind::Socket { key, level } => Expression::Socket { dreg, key, level },
        Kind::Osf { ttl, flags } => Expression::Osf { dreg, ttl, flags },
        Kind::Fib { flags, result } => Expression::Fib {
            dreg,
            result,
            flags,
        },
        Kind::Numgen {
            kind,
            modulus,
            offset,
        } => Expression::Numgen {
            dreg,
            modulus,
            kind,
            offset,
        },
        Kind::Xfrm {
            key,
            direction,
            spnum,
        } => Expression::Xfrm {
            dreg,
            key,
            direction,
            spnum,
        },
        Kind::Tunnel { key } => Expression::Tunnel { dreg, key, mode: 0 },
        _ => return None,
    })
}
