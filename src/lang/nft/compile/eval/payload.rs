//! Header fields: the protocol matches that they need, and fields that do not begin or end at whole bytes.

use super::*;
use crate::lang::nft::context::hook;
use crate::lang::nft::protocol::IcmpDep;

impl Eval<'_, '_> {
    pub(super) fn payload(&mut self, expr: &mut Expr) -> Result<()> {
        self.payload_dependencies(expr)?;
        self.expect_like(expr);
        let Kind::Payload(payload) = &expr.kind else {
            return Ok(());
        };
        if !payload.offset.is_multiple_of(8) || !expr.len.is_multiple_of(8) {
            cut_bits(expr);
        }
        Ok(())
    }

    /// See that the packet has the header that a field belongs to; adds to the offset what lies before it.
    pub(in crate::lang::nft::compile) fn payload_dependencies(
        &mut self,
        expr: &mut Expr,
    ) -> Result<()> {
        let span = expr.span;
        let Some(payload) = expr.as_payload().copied() else {
            return Ok(());
        };
        if payload.raw || payload.field.is_none() {
            return Ok(());
        }
        let (layer, wanted) = (payload.layer, payload.protocol);
        let conflict = |seen: &Protocol| {
            Diagnostic::new(
                span,
                format!("conflicting protocols: {} vs. {}", seen.name, wanted.name),
            )
        };
        let mut desc = match self.seen.at(layer) {
            Some(desc) => desc,
            None => {
                let dependency = self.dependency(wanted, span)?;
                self.stmts.push(dependency);
                let desc = self.seen.at(layer).ok_or_else(|| {
                    Diagnostic::new(span, format!("no {} header can be here", wanted.name))
                })?;
                if desc.is(wanted) {
                    return self.icmp_dependency(&payload, span);
                }
                if layer == Layer::Link {
                    let number = desc.number_of(wanted).ok_or_else(|| conflict(desc))?;
                    let dependency = self.link_dependency(number, span)?;
                    let below = self.seen.stacked_link.first().map_or(0, |link| link.length);
                    if let Kind::Payload(payload) = &mut expr.kind {
                        payload.offset += below;
                    }
                    self.stmts.push(dependency);
                    return Ok(());
                }
                desc
            }
        };
        if layer == desc.layer && layer == Layer::Transport && self.seen.transports.len() > 1 {
            let other = self.seen.transports.iter().find(|seen| !seen.is(wanted));
            return Err(conflict(other.unwrap_or(&desc)));
        }
        if desc.is(wanted) {
            if desc.layer == Layer::Link {
                let below: u32 = self.seen.stacked_link.iter().map(|link| link.length).sum();
                if let Kind::Payload(payload) = &mut expr.kind {
                    payload.offset += below;
                }
            }
            return self.icmp_dependency(&payload, span);
        }
        if layer == desc.layer {
            if layer == Layer::Link {
                if desc.is(&protocol::INET) || desc.is(&protocol::NETDEV) {
                    let dependency = self.device_dependency(wanted, span)?;
                    self.stmts.push(dependency);
                    desc = wanted;
                } else if self.seen.stacked_link.iter().any(|link| link.is(wanted)) {
                    return Ok(());
                }
            }
            // Another header of the same layer can only be behind this one.
            let above = self.seen.at(layer_above(layer));
            let number = desc.number_of(wanted);
            if above.is_none()
                && let Some(number) = number
                && layer == Layer::Link
            {
                let dependency = self.link_dependency(number, span)?;
                let below: u32 = self.seen.stacked_link.iter().map(|link| link.length).sum();
                if let Kind::Payload(payload) = &mut expr.kind {
                    payload.offset += below;
                }
                self.stmts.push(dependency);
                return Ok(());
            }
            if self.seen.at(layer).is_some_and(|now| now.is(wanted)) {
                return Ok(());
            }
        }
        Err(conflict(self.seen.at(layer).unwrap_or(desc)))
    }

    /// A match that makes sure of a protocol.
    pub(in crate::lang::nft::compile) fn dependency(
        &mut self,
        wanted: &'static Protocol,
        span: Span,
    ) -> Result<Stmt> {
        let (base, _) = hook(self.family)
            .ok_or_else(|| Diagnostic::new(span, "this family has no header fields"))?;
        if wanted.layer < base {
            if wanted.layer < base.below() {
                return Err(Diagnostic::new(
                    span,
                    format!("{} fields cannot be read in this family", wanted.name),
                ));
            }
            return self.device_dependency(wanted, span);
        }
        let mut desc = self.seen.at(wanted.layer.below());
        if desc.is_none() {
            desc = self.special_dependency(wanted, span)?;
        }
        let Some(mut desc) = desc else {
            return Err(Diagnostic::new(
                span,
                format!("nothing says which protocol is below {}", wanted.name),
            ));
        };
        // skb->protocol, because a VLAN tag stands between for the one who looks at the Ethernet header.
        if self.family == Family::Bridge
            && desc.is(&protocol::ETHER)
            && (wanted.is(&protocol::IP) || wanted.is(&protocol::IP6))
        {
            desc = &protocol::NETDEV;
        }
        self.protocol_match(desc, wanted, span)
    }

    /// Tables that see more than one network protocol.
    fn special_dependency(
        &mut self,
        wanted: &'static Protocol,
        span: Span,
    ) -> Result<Option<&'static Protocol>> {
        let link = match self.family {
            Family::Inet => Some(&protocol::INET),
            Family::Bridge => Some(&protocol::ETHER),
            Family::Netdev => Some(&protocol::NETDEV),
            _ => None,
        };
        match wanted.layer {
            Layer::Link => Ok(link),
            Layer::Transport => {
                let network = if wanted.is(&protocol::ICMP) || wanted.is(&protocol::IGMP) {
                    &protocol::IP
                } else if wanted.is(&protocol::ICMPV6) {
                    &protocol::IP6
                } else {
                    return Ok(Some(&protocol::INET_SERVICE_PROTOCOL));
                };
                let Some(desc) = self.seen.at(Layer::Link).or(link) else {
                    return Ok(Some(&protocol::INET_SERVICE_PROTOCOL));
                };
                let dependency = self.protocol_match(desc, network, span)?;
                self.stmts.push(dependency);
                Ok(Some(network))
            }
            _ => Ok(None),
        }
    }

    /// `desc`'s field for the upper protocol names `wanted`.
    pub(in crate::lang::nft::compile) fn protocol_match(
        &mut self,
        desc: &'static Protocol,
        wanted: &'static Protocol,
        span: Span,
    ) -> Result<Stmt> {
        let Some(number) = desc.number_of(wanted) else {
            return Err(Diagnostic::new(
                span,
                format!("conflicting protocols: {} vs. {}", desc.name, wanted.name),
            ));
        };
        let template = desc.fields.get(desc.key);
        let left = match template.and_then(|field| field.meta_key) {
            Some(key) => Expr::meta(key),
            None => Expr::field(desc, desc.key),
        };
        let mut left = left.ok_or_else(|| Diagnostic::new(span, "no such protocol field"))?;
        left.span = span;
        let dtype = template.map_or(&types::INTEGER, |field| field.kind);
        let len = template.map_or(left.len, |field| field.len);
        let right = Expr::value(Num::from(number), dtype, dtype.order, len).at(span);
        self.match_stmt(left, right, span)
    }

    fn match_stmt(&mut self, left: Expr, right: Expr, span: Span) -> Result<Stmt> {
        let mut relational = Expr::relational(Op::Eq, left, right).at(span);
        self.want = Want::default();
        self.relational(&mut relational)?;
        Ok(Stmt::Match(relational))
    }

    /// `meta iiftype`: packets of devices with this kind of header.
    fn device_dependency(&mut self, wanted: &'static Protocol, span: Span) -> Result<Stmt> {
        let kind = protocol::device_type_of(wanted).ok_or_else(|| {
            Diagnostic::new(
                span,
                format!("{} fields cannot be read in this family", wanted.name),
            )
        })?;
        let mut left = Expr::meta(keys::meta::IIFTYPE)
            .ok_or_else(|| Diagnostic::new(span, "no such protocol field"))?;
        left.span = span;
        left.protocol = true;
        let right = Expr::value(Num::from(kind), &types::ARPHRD, Order::Host, 16).at(span);
        self.match_stmt(left, right, span)
    }

    /// The link-layer header seen so far is followed by the protocol with this number.
    fn link_dependency(&mut self, number: u32, span: Span) -> Result<Stmt> {
        let Some(desc) = self.seen.at(Layer::Link) else {
            return Err(Diagnostic::new(span, "no link-layer header is known here"));
        };
        let mut left = Expr::field(desc, desc.key)
            .ok_or_else(|| Diagnostic::new(span, "no such protocol field"))?;
        left.span = span;
        let template = desc.fields.get(desc.key);
        let dtype = template.map_or(&types::INTEGER, |field| field.kind);
        let right = Expr::value(Num::from(number), dtype, dtype.order, left.len).at(span);
        self.match_stmt(left, right, span)
    }

    /// Fields that only ICMP messages of some type have.
    fn icmp_dependency(&mut self, payload: &Payload, span: Span) -> Result<()> {
        let Some(IcmpDep::Type(kind)) = payload.template().map(|field| field.icmp) else {
            return Ok(());
        };
        let desc = payload.protocol;
        let v6 = desc.is(&protocol::ICMPV6);
        let echo = kind == if v6 { 128 } else { 8 };
        let seen = self.seen.icmp_type;
        if seen == kind || (v6 && echo && seen == 129) {
            return Ok(());
        }
        if seen != 0 {
            return Err(Diagnostic::new(
                span,
                format!("the rule is about ICMP type {seen}, but this field is of type {kind}"),
            ));
        }
        let mut left = Expr::field(desc, desc.key)
            .ok_or_else(|| Diagnostic::new(span, "no such protocol field"))?;
        left.span = span;
        let dtype: &'static types::DataType = if v6 {
            &types::ICMP6_TYPE
        } else {
            &types::ICMP_TYPE
        };
        let constant = |kind: u8| Expr::value(Num::from(kind), dtype, Order::Big, 8).at(span);
        self.seen.icmp_type = kind;
        let right = if echo {
            let reply = if v6 { 129 } else { 0 };
            let element =
                |kind| Expr::untyped(Kind::SetElem(Box::new(SetElem::new(constant(kind)))), span);
            Expr::untyped(Kind::SetLiteral(vec![element(kind), element(reply)]), span)
        } else {
            constant(kind)
        };
        let op = if echo { Op::Implicit } else { Op::Eq };
        let mut relational = Expr::relational(op, left, right).at(span);
        self.want = Want::default();
        self.relational(&mut relational)?;
        self.seen.icmp_type = kind;
        self.stmts.push(Stmt::Match(relational));
        Ok(())
    }

    pub(super) fn exthdr(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Exthdr(header) = &expr.kind else {
            return Ok(());
        };
        let wanted = match header.op {
            ExthdrOp::TcpOption | ExthdrOp::SctpChunk => return self.exthdr_bits(expr),
            ExthdrOp::Ipv4Option => &protocol::IP,
            _ => &protocol::IP6,
        };
        match self.seen.at(Layer::Network) {
            Some(seen) if seen.is(wanted) => {}
            Some(seen) => {
                return Err(Diagnostic::new(
                    span,
                    format!("this header does not exist in {} packets", seen.name),
                ));
            }
            None => {
                let desc = self.seen.at(Layer::Link).ok_or_else(|| {
                    Diagnostic::new(span, "nothing says which network protocol this is")
                })?;
                let dependency = self.protocol_match(desc, wanted, span)?;
                self.stmts.insert(0, dependency);
            }
        }
        self.exthdr_bits(expr)
    }

    pub(in crate::lang::nft::compile) fn exthdr_bits(&mut self, expr: &mut Expr) -> Result<()> {
        let Kind::Exthdr(header) = &expr.kind else {
            return Ok(());
        };
        let header = *header;
        if header.present {
            expr.dtype = Type::Basic(&types::BOOLEAN);
        }
        self.expect_like(expr);
        if !header.offset.is_multiple_of(8) || !expr.len.is_multiple_of(8) {
            cut_bits(expr);
        }
        let end = header.offset + header.template().map_or(0, |field| field.len);
        // The options of TCP and IPv4 headers have 40 bytes at most.
        if matches!(header.op, ExthdrOp::TcpOption | ExthdrOp::Ipv4Option) && end > 40 * 8 {
            return Err(Diagnostic::new(
                expr.span,
                format!("the option field ends at bit {end}, but options have 320 bits"),
            ));
        }
        Ok(())
    }
}

pub fn layer_above(layer: Layer) -> Layer {
    match layer {
        Layer::None => Layer::Link,
        Layer::Link => Layer::Network,
        Layer::Network => Layer::Transport,
        Layer::Transport => Layer::Inner,
        Layer::Inner | Layer::Tunnel => Layer::Tunnel,
    }
}

/// Bits to shift a field by so that it ends at a whole byte, and bits to load beyond its own.
pub fn shift_of(len: u32, offset: u32) -> (u32, u32) {
    let rounded = len.div_ceil(8) * 8;
    let mut shift = rounded as i64 - i64::from(offset % 8 + len);
    let mut extra = 0;
    while shift < 0 {
        shift += 8;
        extra += 8;
    }
    (shift as u32, extra)
}

/// Load whole bytes, keep the field's bits, move them to the right.
fn cut_bits(expr: &mut Expr) {
    let offset = match &expr.kind {
        Kind::Payload(payload) => payload.offset,
        Kind::Exthdr(header) => header.offset,
        _ => return,
    };
    let mut field = take(expr);
    let (dtype, order, len, span) = (field.dtype, field.order, field.len, field.span);
    let root = field.dtype.root().unwrap_or(&types::INTEGER);
    let (shift, extra) = shift_of(len, offset);
    let masked = len + shift;
    let mask = Expr::value(
        number::shl(number::bitmask(len), shift),
        root,
        Order::Host,
        masked,
    )
    .at(span);
    field.len += extra;
    let typed = |op, left, right| {
        Expr::new(
            Kind::Binop {
                op,
                left: Box::new(left),
                right: Box::new(right),
            },
            dtype,
            order,
            masked,
        )
        .at(span)
    };
    let and = typed(Op::And, field, mask);
    *expr = if shift > 0 {
        let by = Expr::value(Num::from(shift), root, Order::Host, 8).at(span);
        typed(Op::RightShift, and, by)
    } else {
        and
    };
}
