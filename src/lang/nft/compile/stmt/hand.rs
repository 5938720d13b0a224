//! Statements that hand packets to devices and programs: `dup`, `fwd`, `queue`, `log`.

use super::super::super::ast::*;
use super::super::super::datatype::{self as types, Type};
use super::super::super::number::{Num, Order};
use super::super::super::syntax::{Diagnostic, LogWords, Span};
use super::super::eval::{Eval, Result};
use super::*;
use crate::model::Family;

impl Eval<'_, '_> {
    pub(super) fn queue(&mut self, expr: Option<&Expr>, flags: u16, span: Span) -> Result<Stmt> {
        let mut expr = match expr {
            Some(expr) => expr.clone(),
            None => {
                return Ok(Stmt::Queue {
                    expr: Expr::value(Num::ZERO, &types::INTEGER, Order::Host, 16).at(span),
                    flags,
                });
            }
        };
        self.argument(&mut expr, Type::Basic(&types::INTEGER), 16, Order::Host)?;
        // NFT_QUEUE_FLAG_CPU_FANOUT
        if flags & 2 != 0 && !matches!(expr.kind, Kind::Range(..)) {
            return Err(Diagnostic::new(
                expr.span,
                "`fanout` needs a range of queues",
            ));
        }
        if self.want.max > u64::from(u16::MAX) {
            return Err(Diagnostic::new(expr.span, "queue numbers end at 65535"));
        }
        Ok(Stmt::Queue { expr, flags })
    }

    pub(super) fn dup(
        &mut self,
        to: Option<&Expr>,
        dev: Option<&Expr>,
        span: Span,
    ) -> Result<Stmt> {
        let index = Type::Basic(&types::IFINDEX);
        match self.family {
            Family::Ip | Family::Ip6 => {
                let mut to = to
                    .cloned()
                    .ok_or_else(|| Diagnostic::new(span, "the destination address is missing"))?;
                let dtype = nat::address_type(self.family);
                self.argument(&mut to, dtype, dtype.size(), Order::Big)?;
                let mut dev = dev.cloned();
                if let Some(dev) = &mut dev {
                    self.argument(dev, index, 32, Order::Host)?;
                }
                Ok(Stmt::Dup { to: Some(to), dev })
            }
            Family::Netdev => {
                let mut to = to
                    .cloned()
                    .ok_or_else(|| Diagnostic::new(span, "the destination interface is missing"))?;
                if let Some(dev) = dev {
                    return Err(Diagnostic::new(dev.span, "no `device` can stand here"));
                }
                self.argument(&mut to, index, 32, Order::Host)?;
                Ok(Stmt::Dup {
                    to: Some(to),
                    dev: None,
                })
            }
            _ => Err(Diagnostic::new(
                span,
                "`dup` works only in ip, ip6 and netdev tables",
            )),
        }
    }

    pub(super) fn fwd(
        &mut self,
        family: Option<Family>,
        addr: Option<&Expr>,
        dev: &Expr,
        span: Span,
    ) -> Result<Stmt> {
        if self.family != Family::Netdev {
            return Err(Diagnostic::new(span, "`fwd` works only in netdev tables"));
        }
        let mut dev = dev.clone();
        self.argument(&mut dev, Type::Basic(&types::IFINDEX), 32, Order::Host)?;
        let mut addr = addr.cloned();
        if let Some(addr) = &mut addr {
            let family = family.ok_or_else(|| {
                Diagnostic::new(addr.span, "the family of the address is missing")
                    .help("write `fwd ip to` or `fwd ip6 to`")
            })?;
            let dtype = nat::address_type(family);
            self.argument(addr, dtype, dtype.size(), Order::Big)?;
        }
        Ok(Stmt::Fwd {
            dev,
            addr,
            family: family.map_or(0, Family::to_wire),
        })
    }
}

pub(super) fn log(words: &LogWords, span: Span) -> Result<Log> {
    let by_group = words.group.is_some() || words.snaplen.is_some() || words.qthreshold.is_some();
    const AUDIT: u32 = 8;
    // NF_LOG_PREFIXLEN, with the NUL
    const PREFIX: usize = 128;
    if by_group && words.level.is_some() {
        return Err(Diagnostic::new(
            span,
            "`level` and `group` exclude each other",
        ));
    }
    if by_group && words.flags != 0 {
        return Err(Diagnostic::new(
            span,
            "`flags` and `group` exclude each other",
        ));
    }
    if words.level == Some(AUDIT) && (by_group || words.prefix.is_some() || words.flags != 0) {
        return Err(Diagnostic::new(
            span,
            "`level audit` takes no other options",
        ));
    }
    if let Some(prefix) = &words.prefix
        && crate::model::text::to_bytes(&prefix.value).len() >= PREFIX
    {
        return Err(Diagnostic::new(
            prefix.span,
            format!("the prefix exceeds {} bytes", PREFIX - 1),
        ));
    }
    Ok(Log {
        prefix: words.prefix.as_ref().map(|prefix| prefix.value.clone()),
        group: words.group,
        snaplen: words.snaplen,
        qthreshold: words.qthreshold,
        level: words.level,
        flags: words.flags,
    })
}
