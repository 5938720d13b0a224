//! Address translation and duplication: what stands in registers becomes addresses and ports.

use super::*;

impl Machine<'_> {
    /// An address in a register, of an IP family.
    pub(super) fn address(&self, register: Register, family: u32) -> Result<Expr, Problem> {
        let mut addr = self.load(register)?;
        let kind = if family == 2 {
            &types::IPADDR
        } else {
            &types::IP6ADDR
        };
        addr.set_type(Type::Basic(kind), Order::Big);
        Ok(addr)
    }

    /// A port, or a range of ports.
    pub(super) fn ports(
        &self,
        min: Option<Register>,
        max: Option<Register>,
    ) -> Result<Option<Expr>, Problem> {
        let port = |register: Register| -> Result<Expr, Problem> {
            let mut port = self.load(register)?;
            port.set_type(Type::Basic(&types::INET_SERVICE), Order::Big);
            Ok(port)
        };
        let low = min.map(port).transpose()?;
        let high = max
            .filter(|max| Some(place(*max)) != min.map(place))
            .map(port)
            .transpose()?;
        Ok(match (low, high) {
            (Some(low), Some(high)) => Some(Expr::range(low, high)),
            (low, high) => low.or(high),
        })
    }

    pub(super) fn nat(&mut self, expression: &Expression) -> Parsed {
        let Expression::Nat {
            kind,
            family,
            addr_min,
            addr_max,
            proto_min,
            proto_max,
            flags,
        } = expression
        else {
            return Err("is no nat");
        };
        const NETMAP: u32 = 1 << 6;
        let mut nat = Nat {
            kind: match kind {
                crate::model::expression::NatKind::Source => NatKind::Snat,
                crate::model::expression::NatKind::Destination => NatKind::Dnat,
            },
            family: if self.view.family() == Family::Inet {
                *family as u8
            } else {
                0
            },
            addr: None,
            proto: None,
            flags: *flags,
            prefix: flags & NETMAP != 0,
            interval: false,
            concat: false,
        };
        if let Some(register) = addr_min {
            nat.addr = Some(self.address(*register, *family)?);
        }
        // A map to intervals of addresses, perhaps with ports: one register holds it all.
        if let Some((data_len, true)) = map_data(&nat.addr) {
            let (single, pair) = if *family == 2 { (64, 128) } else { (256, 320) };
            if data_len == single || data_len == pair {
                nat.interval = true;
                nat.concat = data_len == pair;
                nat.family = *family as u8;
                return Ok(Some(Stmt::Nat(Box::new(nat))));
            }
        }
        let mut last = nat.addr.clone();
        if let Some(register) = addr_max
            && Some(place(*register)) != addr_min.map(place)
        {
            let high = self.address(*register, *family)?;
            nat.addr = Some(match nat.addr.take() {
                Some(low) => intervals::range_to_prefix(Expr::range(low, high)),
                None => high,
            });
            last = nat.addr.clone();
        }
        // A map to address and port.
        if let Some((data_len, _)) = map_data(&last)
            && data_len == if *family == 2 { 64 } else { 160 }
        {
            nat.family = *family as u8;
            nat.concat = true;
            return Ok(Some(Stmt::Nat(Box::new(nat))));
        }
        nat.proto = self.ports(*proto_min, *proto_max)?;
        Ok(Some(Stmt::Nat(Box::new(nat))))
    }

    pub(super) fn dup(&mut self, addr: Option<Register>, dev: Option<Register>) -> Parsed {
        let mut to = None;
        if let Some(register) = addr {
            let mut addr = self.load(register)?;
            match self.view.family() {
                Family::Ip => addr.set_type(Type::Basic(&types::IPADDR), Order::Big),
                Family::Ip6 => addr.set_type(Type::Basic(&types::IP6ADDR), Order::Big),
                _ => {}
            }
            to = Some(addr);
        }
        let mut device = None;
        if let Some(register) = dev {
            let mut dev = self.load(register)?;
            dev.set_type(Type::Basic(&types::IFINDEX), Order::Host);
            match to {
                None => to = Some(dev),
                Some(_) => device = Some(dev),
            }
        }
        Ok(Some(Stmt::Dup { to, dev: device }))
    }
}

pub(super) fn nat_without_address(kind: NatKind, proto: Option<Expr>, flags: u32) -> Stmt {
    Stmt::Nat(Box::new(Nat {
        kind,
        family: 0,
        addr: None,
        proto,
        flags,
        prefix: false,
        interval: false,
        concat: false,
    }))
}

/// Length in bits of the values of the map that an address comes from, and whether they are intervals.
pub(super) fn map_data(addr: &Option<Expr>) -> Option<(u32, bool)> {
    let Kind::Map { mappings, .. } = &addr.as_ref()?.kind else {
        return None;
    };
    let Kind::SetRef(reference) = &mappings.kind else {
        return None;
    };
    let data = reference.set.data.as_ref()?;
    Some((data.len, reference.set.data_interval))
}
