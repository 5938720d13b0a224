//! Address translation and `tproxy`.

use super::*;
use crate::lang::nft::protocol;

/// The type of addresses of a family.
pub fn address_type(family: Family) -> Type {
    match family {
        Family::Ip => Type::Basic(&types::IPADDR),
        Family::Ip6 => Type::Basic(&types::IP6ADDR),
        _ => Type::Basic(&types::INVALID),
    }
}

/// `NF_NAT_RANGE_PROTO_SPECIFIED`
const PROTO_SPECIFIED: u32 = 2;
/// `NF_NAT_RANGE_NETMAP`
const NETMAP: u32 = 64;

impl Eval<'_, '_> {
    pub(super) fn nat(&mut self, statement: &Statement, span: Span) -> Result<Stmt> {
        let Statement::Nat {
            kind,
            family,
            addr_port,
            prefix,
            interval,
            addr,
            port,
            flags,
        } = statement
        else {
            return Err(Diagnostic::new(span, "expected address translation"));
        };
        let mut nat = Nat {
            kind: kind.clone(),
            family: 0,
            addr: addr.clone(),
            proto: port.clone(),
            // As in nft, flags behind `prefix` stand for themselves alone.
            flags: if *prefix && *flags == 0 {
                NETMAP
            } else {
                *flags
            },
            prefix: *prefix,
            interval: *interval,
            concat: *addr_port,
        };
        let family = self.nat_family(*family, nat.addr.is_some(), span)?;
        nat.family = family.map_or(0, Family::to_wire);
        if nat.addr.is_some() {
            self.same_network(family, span)?;
            if self.is_address_and_port(&mut nat)? {
                self.address_and_port(&mut nat, family, span)?;
                return Ok(Stmt::Nat(Box::new(nat)));
            }
            if let Some(addr) = &mut nat.addr {
                self.address(addr, family, span)?;
                if let Kind::Map { mappings, .. } = &addr.kind
                    && let Kind::SetRef(reference) = &mappings.kind
                    && reference.set.data_interval
                {
                    nat.interval = true;
                }
            }
        }
        if let Some(port) = &mut nat.proto {
            self.require_transport(nat.addr.as_ref(), port.span)?;
            let dtype = Type::Basic(&types::INET_SERVICE);
            self.argument(port, dtype, 16, Order::Big)?;
            nat.flags |= PROTO_SPECIFIED;
        }
        Ok(Stmt::Nat(Box::new(nat)))
    }

    /// Which addresses are translated; none: not known.
    fn nat_family(
        &self,
        written: Option<Family>,
        with_address: bool,
        span: Span,
    ) -> Result<Option<Family>> {
        match self.family {
            Family::Ip | Family::Ip6 => Ok(Some(written.unwrap_or(self.family))),
            Family::Inet if !with_address => Ok(Some(Family::Inet)),
            Family::Inet => Ok(written.or_else(|| match self.seen.at(Layer::Network) {
                Some(seen) if seen.is(&protocol::IP) => Some(Family::Ip),
                Some(seen) if seen.is(&protocol::IP6) => Some(Family::Ip6),
                _ => None,
            })),
            _ => Err(Diagnostic::new(
                span,
                "addresses are translated in ip, ip6 and inet tables only",
            )),
        }
    }

    fn same_network(&self, family: Option<Family>, span: Span) -> Result<()> {
        let seen = match self.seen.at(Layer::Network) {
            Some(seen) if seen.is(&protocol::IP) => Family::Ip,
            Some(seen) if seen.is(&protocol::IP6) => Family::Ip6,
            _ => return Ok(()),
        };
        if family == Some(seen) {
            return Ok(());
        }
        Err(Diagnostic::new(
            span,
            format!(
                "the rule is about {} packets, the statement about {}",
                seen.name(),
                family.map_or("none", Family::name)
            ),
        )
        .help("name the family: `dnat ip to`, `dnat ip6 to`"))
    }

    fn address(&mut self, addr: &mut Expr, family: Option<Family>, span: Span) -> Result<()> {
        let dtype = address_type(if self.family == Family::Inet {
            family.unwrap_or(Family::Inet)
        } else {
            self.family
        });
        if dtype.size() == 0 {
            return Err(Diagnostic::new(
                span,
                "in an inet table the family of the address must be named",
            )
            .help("write `dnat ip to` or `dnat ip6 to`"));
        }
        self.argument(addr, dtype, dtype.size(), Order::Big)
    }

    /// The statement translates ports too, or the rule is about one transport protocol.
    fn require_transport(&self, addr: Option<&Expr>, span: Span) -> Result<()> {
        if self.seen.at(Layer::Transport).is_some() || addr.is_some_and(maps_transport) {
            return Ok(());
        }
        Err(Diagnostic::new(
            span,
            "ports can be translated only behind a match on the transport protocol",
        )
        .help("for example `meta l4proto { tcp, udp }` or `tcp dport 80` before it"))
    }

    /// The map yields an address and a port.
    fn is_address_and_port(&mut self, nat: &mut Nat) -> Result<bool> {
        let Some(Expr {
            kind: Kind::Map { mappings, .. },
            ..
        }) = &mut nat.addr
        else {
            return Ok(nat.concat);
        };
        match &mappings.kind {
            Kind::SetLiteral(elements) => {
                nat.concat |= elements.iter().any(|element| {
                    matches!(&element.kind, Kind::Mapping(_, value) if matches!(value.kind, Kind::Concat(_)))
                });
            }
            Kind::SetName(_) => {
                self.expr(mappings)?;
                if let Kind::SetRef(reference) = &mappings.kind {
                    nat.concat |= reference
                        .set
                        .data
                        .as_ref()
                        .is_some_and(|data| data.dtype.subtype_count() > 0);
                }
            }
            _ => {}
        }
        Ok(nat.concat)
    }

    fn address_and_port(
        &mut self,
        nat: &mut Nat,
        family: Option<Family>,
        span: Span,
    ) -> Result<()> {
        let basic = match family {
            Some(Family::Ip) => &types::IPADDR,
            Some(Family::Ip6) => &types::IP6ADDR,
            _ => {
                return Err(Diagnostic::new(
                    span,
                    "in an inet table the family of the address must be named",
                )
                .help("write `dnat ip to` or `dnat ip6 to`"));
            }
        };
        let id = types::append_subtype(types::append_subtype(0, basic.id), types::INET_SERVICE.id);
        let dtype = Type::Concat(id);
        let Some(addr) = &mut nat.addr else {
            return Ok(());
        };
        self.want = crate::lang::nft::compile::eval::Want::of(dtype, Order::Invalid, dtype.size());
        self.expr(addr)?;
        if addr.dtype.id() != id {
            return Err(mismatch(addr.span, dtype, addr.dtype));
        }
        if let Kind::Map { mappings, .. } = &addr.kind
            && let Kind::SetRef(reference) = &mappings.kind
            && reference.set.data_interval
        {
            nat.interval = true;
        }
        let addr = addr.clone();
        self.require_transport(Some(&addr), addr.span)
    }

    pub(super) fn tproxy(
        &mut self,
        family: Option<Family>,
        addr: Option<&Expr>,
        port: Option<&Expr>,
        span: Span,
    ) -> Result<Stmt> {
        let family = match self.family {
            Family::Ip | Family::Ip6 => Some(family.unwrap_or(self.family)),
            Family::Inet => family,
            _ => {
                return Err(Diagnostic::new(
                    span,
                    "`tproxy` works in ip, ip6 and inet tables only",
                ));
            }
        };
        if self.seen.at(Layer::Transport).is_none() {
            return Err(Diagnostic::new(
                span,
                "`tproxy` needs a match on the transport protocol before it",
            ));
        }
        if addr.is_none() && port.is_none() {
            return Err(Diagnostic::new(span, "an address or a port is missing"));
        }
        self.same_network(family, span)?;
        let (mut addr, mut port) = (addr.cloned(), port.cloned());
        if let Some(addr) = &mut addr {
            if matches!(addr.kind, Kind::Range(..)) {
                return Err(Diagnostic::new(
                    addr.span,
                    "a range of addresses cannot stand here",
                ));
            }
            self.address(addr, family, span)?;
        }
        if let Some(port) = &mut port {
            if matches!(port.kind, Kind::Range(..)) {
                return Err(Diagnostic::new(
                    port.span,
                    "a range of ports cannot stand here",
                ));
            }
            self.argument(port, Type::Basic(&types::INET_SERVICE), 16, Order::Big)?;
        }
        Ok(Stmt::Tproxy {
            family: family.map_or(0, Family::to_wire),
            table_family: self.family.to_wire(),
            addr,
            port,
        })
    }
}

/// The key of a map tells the transport protocol.
fn maps_transport(expr: &Expr) -> bool {
    let Kind::Map { key, .. } = &expr.kind else {
        return false;
    };
    let Kind::Concat(parts) = &key.kind else {
        return false;
    };
    for part in parts {
        if let Some(payload) = part.as_payload()
            && payload.layer == Layer::Transport
            && !payload.protocol.is(&protocol::TH)
        {
            return true;
        }
        if !part.protocol {
            continue;
        }
        let layer = match &part.kind {
            Kind::Meta { .. } => part.base_layer(),
            Kind::Payload(payload) => payload.layer,
            _ => return false,
        };
        if layer == Layer::Network {
            return true;
        }
    }
    false
}
