//! Statements.

use super::*;
use crate::lang::nft::protocol::{self, Protocol};
use crate::model::expression::{DynsetOp, NatKind as Direction, ObjrefTarget};

/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`
const PSEUDO_HEADER: u32 = 1;
/// `NFT_DYNSET_F_EXPR`
const SEVERAL: u32 = 2;

impl Generator<'_, '_> {
    pub(super) fn stmt(&mut self, stmt: &Stmt) -> Result<()> {
        match stmt {
            Stmt::Match(expr) | Stmt::Verdict(expr) => self.expr(expr, VERDICT)?,
            Stmt::Chain { goto, chain } => {
                let verdict = if *goto {
                    Verdict::Goto(chain.clone())
                } else {
                    Verdict::Jump(chain.clone())
                };
                self.push(Expression::Immediate {
                    dreg: 0,
                    data: Data::Verdict(verdict),
                });
            }
            Stmt::Meter { set, key, stmt, .. } => {
                let timeout = timeout_of(key);
                let set = self.set_name(set, key.span)?;
                let register = self.loaded(key)?;
                let expressions = stateful(stmt).into_iter().collect();
                self.push(Expression::Dynset {
                    set,
                    op: if timeout > 0 {
                        DynsetOp::Update
                    } else {
                        DynsetOp::Add
                    },
                    sreg_key: register,
                    sreg_data: None,
                    timeout,
                    flags: 0,
                    expressions,
                });
            }
            Stmt::Set(stmt) => self.set_stmt(stmt)?,
            Stmt::Objref { kind, expr } => self.objref(*kind, expr)?,
            Stmt::Log(log) => self.push(Expression::Log {
                prefix: log.prefix.clone(),
                group: log.group,
                snaplen: log.snaplen.filter(|_| log.group.is_some()),
                qthreshold: log.qthreshold.filter(|_| log.group.is_some()),
                level: log.level.filter(|_| log.group.is_none()),
                flags: Some(log.flags).filter(|flags| log.group.is_none() && *flags != 0),
            }),
            Stmt::Queue { expr, flags } => self.queue(expr, *flags)?,
            Stmt::Reject(reject) => self.push(Expression::Reject {
                kind: reject.kind,
                code: reject.code,
            }),
            Stmt::Nat(nat) => self.nat(nat)?,
            Stmt::Dup { to, dev } => {
                let (mut addr, mut port) = (None, None);
                if let Some(to) = to {
                    let register = self.get(Some(to))?;
                    self.expr(to, register)?;
                    if to.dtype.is(&crate::lang::nft::datatype::IFINDEX) {
                        port = Some(number_of(register));
                    } else {
                        addr = Some(number_of(register));
                    }
                }
                if let Some(dev) = dev {
                    let register = self.get(Some(dev))?;
                    self.expr(dev, register)?;
                    port = Some(number_of(register));
                    self.release(Some(dev));
                }
                if to.is_some() {
                    self.release(to.as_ref());
                }
                self.push(Expression::Dup { addr, dev: port });
            }
            Stmt::Fwd { dev, addr, family } => {
                let register = self.get(Some(dev))?;
                self.expr(dev, register)?;
                let mut address = None;
                if let Some(addr) = addr {
                    let register = self.get(Some(addr))?;
                    self.expr(addr, register)?;
                    address = Some(number_of(register));
                    self.release(Some(addr));
                }
                self.release(Some(dev));
                self.push(Expression::Fwd {
                    dev: number_of(register),
                    addr: address,
                    nfproto: (*family != 0).then_some(u32::from(*family)),
                });
            }
            Stmt::OptStrip(expr) => {
                let Kind::Exthdr(header) = &expr.kind else {
                    return Err(self.unsupported(expr));
                };
                self.push(Expression::ExthdrReset {
                    kind: header.kind,
                    op: exthdr_op(header.op),
                });
            }
            Stmt::Tproxy {
                family, addr, port, ..
            } => {
                let mut registers = 0;
                let mut load = |this: &mut Self, expr: &Option<Expr>| -> Result<Option<Register>> {
                    let Some(expr) = expr else {
                        return Ok(None);
                    };
                    let register = this.get(None)?;
                    registers += 1;
                    this.expr(expr, register)?;
                    Ok(Some(number_of(register)))
                };
                let addr = load(self, addr)?;
                let port = load(self, port)?;
                for _ in 0..registers {
                    self.release(None);
                }
                self.push(Expression::Tproxy {
                    family: u32::from(*family),
                    addr,
                    port,
                });
            }
            Stmt::Payload { expr, value } => self.payload_stmt(expr, value)?,
            Stmt::Exthdr { expr, value } => {
                let sreg = self.loaded(value)?;
                let Kind::Exthdr(header) = &expr.kind else {
                    return Err(self.unsupported(expr));
                };
                self.push(Expression::ExthdrSet {
                    sreg,
                    kind: header.kind,
                    offset: header.offset / 8,
                    len: expr.len.div_ceil(8),
                    flags: 0,
                    op: exthdr_op(header.op),
                });
            }
            Stmt::Meta { key, expr } => {
                let sreg = self.loaded(expr)?;
                self.push(Expression::MetaSet { sreg, key: *key });
            }
            Stmt::Ct {
                key,
                direction,
                expr,
            } => {
                let sreg = self.loaded(expr)?;
                self.push(Expression::CtSet {
                    sreg,
                    key: *key,
                    direction: *direction,
                });
            }
            Stmt::Synproxy(synproxy) => self.push(Expression::Synproxy(*synproxy)),
            Stmt::Notrack => self.push(Expression::Notrack),
            Stmt::FlowOffload(table) => self.push(Expression::FlowOffload {
                table: table.clone(),
            }),
            Stmt::Xt { .. } | Stmt::Unknown(_) => {
                return Err(Diagnostic::new(
                    self.span,
                    "the parameters of this extension are not in the text",
                ));
            }
            Stmt::Counter(_)
            | Stmt::Limit(_)
            | Stmt::Quota(_)
            | Stmt::Connlimit { .. }
            | Stmt::Last { .. } => {
                if let Some(expression) = stateful(stmt) {
                    self.push(expression);
                }
            }
        }
        Ok(())
    }

    /// Load a value; its register is free again for what follows.
    fn loaded(&mut self, expr: &Expr) -> Result<Register> {
        let inner = match &expr.kind {
            Kind::SetElem(element) => &element.key,
            _ => expr,
        };
        let register = self.get(Some(inner))?;
        self.expr(inner, register)?;
        self.release(Some(inner));
        Ok(number_of(register))
    }

    fn set_stmt(&mut self, stmt: &SetStmt) -> Result<()> {
        let timeout = timeout_of(&stmt.key);
        let expressions: Vec<Expression> = stmt.stmts.iter().filter_map(stateful).collect();
        let (sreg_key, sreg_data);
        match &stmt.data {
            None => {
                sreg_key = self.loaded(&stmt.key)?;
                sreg_data = None;
            }
            Some(data) => {
                let key = match &stmt.key.kind {
                    Kind::SetElem(element) => &element.key,
                    _ => &stmt.key,
                };
                let whole = self.get(None)?;
                // A long key takes more than the one register that nft counts.
                self.low += self.count(Some(key)).saturating_sub(4);
                self.expr(key, whole)?;
                let value = self.get(None)?;
                self.expr(data, value)?;
                self.low = whole;
                sreg_key = number_of(whole);
                sreg_data = Some(number_of(value));
            }
        }
        let flags = if stmt.data.is_none() && expressions.len() > 1 {
            SEVERAL
        } else {
            0
        };
        self.push(Expression::Dynset {
            set: stmt.set.set.name.clone(),
            op: stmt.op,
            sreg_key,
            sreg_data,
            timeout,
            flags,
            expressions,
        });
        Ok(())
    }

    fn objref(&mut self, kind: u32, expr: &Expr) -> Result<()> {
        let target = match &expr.kind {
            Kind::Map { key, mappings } => {
                let Kind::SetRef(reference) = &mappings.kind else {
                    return Err(self.unsupported(mappings));
                };
                let set = self.set_name(reference, mappings.span)?;
                ObjrefTarget::Map {
                    sreg: self.loaded(key)?,
                    set,
                }
            }
            Kind::Text(name) => ObjrefTarget::Name {
                kind,
                name: name.as_str().into(),
            },
            _ => return Err(self.unsupported(expr)),
        };
        self.push(Expression::Objref { target });
        Ok(())
    }

    fn queue(&mut self, expr: &Expr, flags: u16) -> Result<()> {
        let low16 =
            |expr: &Expr| (number::low64(expr.as_value().unwrap_or_default()) & 0xffff) as u16;
        let (mut num, mut total, mut sreg_qnum) = (0, 1, None);
        match &expr.kind {
            Kind::Value(_) => num = low16(expr),
            Kind::Range(from, to) => {
                num = low16(from);
                total = low16(to).wrapping_sub(num).wrapping_add(1);
            }
            _ => {
                sreg_qnum = Some(self.loaded(expr)?);
                total = 0;
            }
        }
        self.push(Expression::Queue {
            num,
            total,
            flags,
            sreg_qnum,
        });
        Ok(())
    }

    fn nat(&mut self, nat: &Nat) -> Result<()> {
        let address_space = space(if nat.family == Family::Ip.to_wire() {
            32
        } else {
            128
        });
        let (mut addr_min, mut addr_max, mut proto_min, mut proto_max) = (None, None, None, None);
        let mut registers = 0;
        if let Some(addr) = &nat.addr {
            let mut register = self.get(None)?;
            registers += 1;
            if let Kind::Range(from, to) = &addr.kind {
                let high = self.get(None)?;
                registers += 1;
                self.expr(from, register)?;
                self.expr(to, high)?;
                addr_min = Some(number_of(register));
                addr_max = Some(number_of(high));
            } else {
                self.expr(addr, register)?;
                addr_min = Some(number_of(register));
                let interval = matches!(&addr.kind, Kind::Map { mappings, .. }
                    if matches!(&mappings.kind, Kind::SetRef(set) if set.set.data_interval));
                if interval {
                    register += address_space;
                    if nat.concat {
                        proto_min = Some(number_of(register));
                    } else {
                        addr_max = Some(number_of(register));
                    }
                }
            }
            if nat.concat {
                if nat.interval {
                    register += address_space;
                    addr_max = Some(number_of(register));
                }
                register += address_space;
                if nat.interval {
                    proto_max = Some(number_of(register));
                } else {
                    proto_min = Some(number_of(register));
                }
            }
        }
        if let Some(proto) = &nat.proto {
            let register = self.get(None)?;
            registers += 1;
            if let Kind::Range(from, to) = &proto.kind {
                let high = self.get(None)?;
                registers += 1;
                self.expr(from, register)?;
                self.expr(to, high)?;
                proto_min = Some(number_of(register));
                proto_max = Some(number_of(high));
            } else {
                self.expr(proto, register)?;
                proto_min = Some(number_of(register));
            }
        }
        for _ in 0..registers {
            self.release(None);
        }
        let flags = nat.flags;
        self.push(match nat.kind {
            NatKind::Snat | NatKind::Dnat => Expression::Nat {
                kind: if matches!(nat.kind, NatKind::Snat) {
                    Direction::Source
                } else {
                    Direction::Destination
                },
                family: u32::from(nat.family),
                addr_min,
                addr_max,
                proto_min,
                proto_max,
                flags,
            },
            NatKind::Masquerade => Expression::Masq {
                flags,
                proto_min,
                proto_max,
            },
            NatKind::Redirect => Expression::Redir {
                proto_min,
                proto_max,
                flags,
            },
        });
        Ok(())
    }

    fn payload_stmt(&mut self, expr: &Expr, value: &Expr) -> Result<()> {
        let sreg = self.loaded(value)?;
        let Some(payload) = expr.as_payload() else {
            return Err(self.unsupported(expr));
        };
        let desc = payload.protocol;
        let checksum = desc
            .checksum
            .and_then(|(kind, field)| Some((kind, desc.fields.get(field)?.offset / 8)))
            .filter(|(_, offset)| *offset != 0);
        let pseudo = (payload.layer == Layer::Network && in_pseudo_header(desc, payload.field))
            || payload.layer == Layer::Inner;
        self.push(Expression::PayloadSet {
            sreg,
            base: base(payload.layer),
            offset: payload.offset / 8,
            len: expr.len / 8,
            csum_type: checksum.map_or(0, |(kind, _)| kind),
            csum_offset: checksum.map_or(0, |(_, offset)| offset),
            csum_flags: if pseudo { PSEUDO_HEADER } else { 0 },
        });
        Ok(())
    }
}

/// The transport checksum covers the field.
fn in_pseudo_header(desc: &'static Protocol, field: Option<usize>) -> bool {
    // nft lists field 0 of unknown headers among them too; those have no checksum to be kept.
    let token = field
        .and_then(|index| desc.fields.get(index))
        .map(|field| field.token);
    let list: &[&str] = if desc.is(&protocol::IP) {
        &["saddr", "daddr", "protocol", "length"]
    } else if desc.is(&protocol::IP6) {
        &["saddr", "daddr", "nexthdr", "length"]
    } else {
        &[]
    };
    token.is_some_and(|token| list.contains(&token))
}

fn timeout_of(key: &Expr) -> u64 {
    match &key.kind {
        Kind::SetElem(element) => element.timeout,
        _ => 0,
    }
}

/// The expression of a statement with a state.
pub fn stateful(stmt: &Stmt) -> Option<Expression> {
    Some(match stmt {
        Stmt::Counter(counter) => Expression::Counter(*counter),
        Stmt::Limit(limit) => Expression::Limit(*limit),
        Stmt::Quota(quota) => Expression::Quota(*quota),
        Stmt::Connlimit { count, flags } => Expression::Connlimit {
            count: *count,
            flags: *flags,
        },
        Stmt::Last { set, msecs } => Expression::Last {
            set: *set,
            msecs: *msecs,
        },
        _ => return None,
    })
}
