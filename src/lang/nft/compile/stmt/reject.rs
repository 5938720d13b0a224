//! `reject`: which answer, and that the packet is one that can get it.

use super::*;
use crate::lang::nft::compile::resolve::Resolve;
use crate::lang::nft::compile::value;
use crate::lang::nft::protocol::{self, Protocol};
use crate::lang::nft::syntax::RejectWith;

/// `enum nft_reject_types`
const UNREACHABLE: u32 = 0;
const TCP_RESET: u32 = 1;
const ICMPX: u32 = 2;

impl Eval<'_, '_> {
    pub(super) fn reject(&mut self, with: &RejectWith, span: Span) -> Result<Stmt> {
        let v4 = Family::Ip.to_wire();
        let v6 = Family::Ip6.to_wire();
        let (kind, family, code) = match with {
            RejectWith::Default => self.default_reject(),
            RejectWith::TcpReset => {
                let transport = self.seen.at(Layer::Transport);
                if transport.is_some_and(|seen| !seen.is(&protocol::TCP)) {
                    return Err(Diagnostic::new(
                        span,
                        format!(
                            "{} packets cannot be answered with a TCP reset",
                            transport.map_or("", |seen| seen.name)
                        ),
                    ));
                }
                (TCP_RESET, 0, 0)
            }
            RejectWith::Icmp(word) => (
                UNREACHABLE,
                v4,
                code(word, &types::ICMP_CODE, self.world.resolve)?,
            ),
            RejectWith::Icmpv6(word) => (
                UNREACHABLE,
                v6,
                code(word, &types::ICMPV6_CODE, self.world.resolve)?,
            ),
            RejectWith::Icmpx(word) => (
                ICMPX,
                0,
                code(word, &types::ICMPX_CODE, self.world.resolve)?,
            ),
        };
        self.check_reject(kind, family, span)?;
        let dtype: &'static types::DataType = match (kind, family) {
            (ICMPX, _) => &types::ICMPX_CODE,
            (UNREACHABLE, 10) => &types::ICMPV6_CODE,
            _ => &types::ICMP_CODE,
        };
        Ok(Stmt::Reject(Box::new(Reject {
            kind,
            code,
            family,
            expr: Expr::value(Num::from(code), dtype, Order::Big, 8).at(span),
            verbose: false,
        })))
    }

    /// Port unreachable, in the words of the packet's protocol.
    fn default_reject(&self) -> (u32, u8, u8) {
        let v4 = (UNREACHABLE, Family::Ip.to_wire(), 3);
        let v6 = (UNREACHABLE, Family::Ip6.to_wire(), 4);
        match self.family {
            Family::Ip => v4,
            Family::Ip6 => v6,
            _ => match self.seen.at(Layer::Network) {
                Some(seen) if seen.is(&protocol::IP) => v4,
                Some(seen) if seen.is(&protocol::IP6) => v6,
                Some(_) => (UNREACHABLE, 0, 0),
                None => (ICMPX, 0, 1),
            },
        }
    }

    fn check_reject(&mut self, kind: u32, family: u8, span: Span) -> Result<()> {
        let conflict = || {
            Diagnostic::new(
                span,
                "the answer is of another IP version than the packets of this rule",
            )
        };
        match self.family {
            Family::Arp => Err(Diagnostic::new(span, "ARP packets cannot be rejected")),
            Family::Ip | Family::Ip6 => match kind {
                TCP_RESET => self.require_tcp(span),
                ICMPX => Err(
                    Diagnostic::new(span, "`icmpx` is for tables of both IP versions")
                        .help("write `icmp` or `icmpv6`"),
                ),
                _ if family == self.family.to_wire() => Ok(()),
                _ => Err(conflict()),
            },
            Family::Inet | Family::Bridge | Family::Netdev => {
                let network = self.seen.at(Layer::Network);
                if self.family != Family::Inet {
                    let link = self.seen.at(Layer::Link);
                    let fits = link.is_some_and(|seen| {
                        seen.is(&protocol::ETHER)
                            || seen.is(&protocol::VLAN)
                            || seen.is(&protocol::NETDEV)
                    });
                    if !fits {
                        return Err(Diagnostic::new(
                            span,
                            "packets of this link layer cannot be rejected",
                        ));
                    }
                }
                if let Some(seen) = network {
                    let ip = seen.is(&protocol::IP);
                    let known = ip || seen.is(&protocol::IP6);
                    if kind == UNREACHABLE {
                        let version = if ip { Family::Ip } else { Family::Ip6 };
                        if !known || version.to_wire() != family {
                            return Err(conflict());
                        }
                    } else if !known && self.family != Family::Inet {
                        return Err(Diagnostic::new(
                            span,
                            format!("{} packets cannot be rejected", seen.name),
                        ));
                    }
                }
                match kind {
                    ICMPX => Ok(()),
                    TCP_RESET => self.require_tcp(span),
                    _ if network.is_some() => Ok(()),
                    _ => {
                        let wanted: &'static Protocol = if family == Family::Ip6.to_wire() {
                            &protocol::IP6
                        } else {
                            &protocol::IP
                        };
                        let dependency = self.dependency(wanted, span)?;
                        self.stmts.insert(0, dependency);
                        Ok(())
                    }
                }
            }
            Family::Unknown(_) => Err(Diagnostic::new(span, "this family cannot reject")),
        }
    }

    /// Before everything else, so that nothing is logged or counted that is not rejected.
    fn require_tcp(&mut self, span: Span) -> Result<()> {
        if self.seen.at(Layer::Transport).is_some() {
            return Ok(());
        }
        let dependency = self.dependency(&protocol::TCP, span)?;
        self.stmts.insert(0, dependency);
        Ok(())
    }
}

fn code(word: &Expr, dtype: &'static types::DataType, resolve: &dyn Resolve) -> Result<u8> {
    let text = match &word.kind {
        Kind::Symbol(text) => text,
        Kind::Value(value) => return Ok(number::low8(*value)),
        _ => return Err(Diagnostic::new(word.span, "expected an ICMP code")),
    };
    let value = value::parse(text, word.span, Type::Basic(dtype), resolve)?;
    u8::try_from(value.as_value().unwrap_or_default())
        .map_err(|_| Diagnostic::new(word.span, format!("code {text} is out of range 0-255")))
}
