//! From what the kernel runs to what a person would have written.
//!
//! Protocol matches that a later match implies are dropped, as long as nothing with a side effect stands between.

mod dependencies;
mod masks;
mod tunnel;

use super::super::ast::*;
use super::super::context::ProtocolContext;
use super::super::datatype::{self as types, Type};
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::{self, Layer};
use super::context::TableView;
use super::exthdr;
use super::payload;
use crate::model::Family;
pub use dependencies::Dependencies;
use tunnel::Inside;

struct Context {
    protocols: ProtocolContext,
    dependencies: Dependencies,
    inside: Inside,
    /// Masks in concatenations and set elements are undone at once: there is no comparison around them.
    remove_masks: bool,
    out: Vec<Option<Stmt>>,
    /// The place of the statement being processed.
    place: usize,
    /// The statement was replaced by others, which are in `out`.
    replaced: bool,
}

/// Postprocess the statements of one rule.
pub fn rule(view: &TableView, stmts: Vec<Stmt>) -> Vec<Stmt> {
    let mut context = Context {
        protocols: ProtocolContext::new(view.family()),
        dependencies: Dependencies::default(),
        inside: Inside::new(""),
        remove_masks: false,
        out: Vec::with_capacity(stmts.len()),
        place: 0,
        replaced: false,
    };
    for stmt in stmts {
        context.place = context.out.len();
        context.out.push(None);
        context.replaced = false;
        let is_match = matches!(stmt, Stmt::Match(_));
        if let Some(stmt) = context.stmt(stmt) {
            let place = context.place;
            if let Some(slot) = context.out.get_mut(place) {
                *slot = Some(stmt);
            }
        }
        for place in std::mem::take(&mut context.dependencies.released) {
            if let Some(slot) = context.out.get_mut(place) {
                *slot = None;
            }
        }
        context.dependencies.previous = (!context.replaced).then_some(context.place);
        if !is_match {
            context.dependencies.reset();
            context.inside.reset();
        }
    }
    context.out.into_iter().flatten().collect()
}

impl Context {
    fn stmt(&mut self, mut stmt: Stmt) -> Option<Stmt> {
        match &mut stmt {
            Stmt::Match(expr) => {
                self.expr(expr);
                if self.replaced {
                    return None;
                }
                self.merge_range(expr);
            }
            Stmt::Payload { expr, value } => self.payload_stmt(expr, value),
            Stmt::Meter { key, .. } => self.expr(key),
            Stmt::Meta { expr, .. } => self.expr(expr),
            Stmt::Ct { key, expr, .. } => {
                self.expr(expr);
                if *key == keys::ct::EVENTMASK && matches!(expr.kind, Kind::Binop { .. }) {
                    *expr = expr.clone().or_to_list();
                }
            }
            Stmt::Nat(nat) => {
                if let Some(addr) = &mut nat.addr {
                    self.expr(addr);
                }
                if let Some(proto) = &mut nat.proto {
                    self.dependencies.reset();
                    self.expr(proto);
                }
            }
            Stmt::Tproxy { addr, port, .. } => {
                if let Some(addr) = addr {
                    self.expr(addr);
                }
                if let Some(port) = port {
                    self.dependencies.reset();
                    self.expr(port);
                }
            }
            Stmt::Reject(reject) => self.reject(reject),
            Stmt::Set(set) => {
                self.expr(&mut set.key);
                if let Some(data) = &mut set.data {
                    self.expr(data);
                }
            }
            Stmt::Dup { to, dev } => {
                for expr in [to, dev].into_iter().flatten() {
                    self.expr(expr);
                }
            }
            Stmt::Fwd { dev, addr, .. } => {
                self.expr(dev);
                if let Some(addr) = addr {
                    self.expr(addr);
                }
            }
            Stmt::Objref { expr, .. } => self.expr(expr),
            Stmt::Queue { expr, .. } if !matches!(expr.kind, Kind::Value(_) | Kind::Range(..)) => {
                self.expr(expr);
            }
            Stmt::Xt { proto, .. } => {
                let transport = self.protocols.at(Layer::Transport);
                *proto = match transport.map_or("", |protocol| protocol.name) {
                    "tcp" => 6,
                    "udp" => 17,
                    "udplite" => 136,
                    "sctp" => 132,
                    "dccp" => 33,
                    "esp" => 50,
                    "ah" => 51,
                    _ => 0,
                };
            }
            _ => {}
        }
        Some(stmt)
    }

    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            Kind::Map { key, mappings } => {
                if matches!(key.kind, Kind::Binop { op: Op::And, .. }) {
                    self.undo_mask_of_map(key, mappings);
                }
                self.expr(key);
                self.expr(mappings);
            }
            Kind::Mapping(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            Kind::Concat(parts) => {
                let id = match expr.dtype {
                    Type::Concat(id) if id != 0 => Some(id),
                    _ => None,
                };
                let count = id.map_or(0, |id| types::subtypes(id).count() as u32);
                let outer = std::mem::replace(&mut self.remove_masks, true);
                let mut new = 0;
                for (n, part) in parts.iter_mut().enumerate() {
                    if let Some(id) = id {
                        let subtype = types::subtype_at(id, count.saturating_sub(n as u32 + 1));
                        part.set_type(Type::Basic(subtype), subtype.order);
                    }
                    self.expr(part);
                    new = types::append_subtype(new, part.dtype.id());
                }
                self.remove_masks = outer;
                expr.dtype = Type::Concat(new);
            }
            Kind::Unary { arg, .. } => {
                self.expr(arg);
                let order = match arg.order {
                    Order::Invalid => Order::Host,
                    _ => Order::Invalid,
                };
                expr.dtype = arg.dtype;
                expr.order = order;
            }
            Kind::Binop { .. } => self.binop(expr),
            Kind::Relational { .. } => self.relational(expr),
            Kind::Payload(_) => {
                payload::complete(expr, &self.protocols);
                let family = self.protocols.family;
                payload::kill_dependency(&mut self.dependencies, expr, family);
            }
            Kind::Inner {
                tunnel,
                expr: inner,
            } => {
                self.inside(tunnel, |context| context.expr(inner));
                expr.dtype = inner.dtype;
                expr.order = inner.order;
            }
            Kind::Value(_) => value(expr),
            Kind::Range(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            Kind::Prefix(inner, _) => self.expr(inner),
            Kind::SetElem(element) => {
                let outer = std::mem::replace(&mut self.remove_masks, true);
                self.expr(&mut element.key);
                self.remove_masks = outer;
            }
            Kind::Exthdr(header) => {
                let layer = match header.op {
                    ExthdrOp::TcpOption => Layer::Transport,
                    ExthdrOp::Ipv6 | ExthdrOp::Ipv4Option => Layer::Network,
                    _ => return,
                };
                if self.dependencies.exists(layer) {
                    self.dependencies.release(layer);
                }
            }
            Kind::Hash(hash) => {
                if let Some(inner) = &mut hash.expr {
                    self.expr(inner);
                }
            }
            Kind::Ct { .. } => self.ct_type(expr),
            _ => {}
        }
    }

    /// Addresses and ports of `ct` have the type that the packet's protocol gives them.
    fn ct_type(&mut self, expr: &mut Expr) {
        let layer = expr.base_layer();
        let found = self.protocols.at(layer);
        let Kind::Ct { key, nfproto, .. } = &mut expr.kind else {
            return;
        };
        let mut kind: Option<&'static types::DataType> = None;
        match *key {
            keys::ct::SRC | keys::ct::DST => {
                if found.is_some_and(|p| p.is(&protocol::IP)) {
                    kind = Some(&types::IPADDR);
                    *nfproto = 2;
                } else if found.is_some_and(|p| p.is(&protocol::IP6)) {
                    kind = Some(&types::IP6ADDR);
                    *nfproto = 10;
                }
                expr.len = kind.map_or(expr.dtype.size(), |kind| kind.size);
            }
            keys::ct::PROTO_SRC | keys::ct::PROTO_DST if found.is_some() => {
                kind = Some(&types::INET_SERVICE);
            }
            keys::ct::SRC_IP | keys::ct::DST_IP => kind = Some(&types::IPADDR),
            keys::ct::SRC_IP6 | keys::ct::DST_IP6 => kind = Some(&types::IP6ADDR),
            _ => {}
        }
        if let Some(kind) = kind {
            expr.dtype = Type::Basic(kind);
        }
    }

    fn binop(&mut self, expr: &mut Expr) {
        let Kind::Binop { op, left, right } = &mut expr.kind else {
            return;
        };
        self.expr(left);
        match op {
            Op::LeftShift | Op::RightShift => {
                right.set_type(Type::Basic(&types::INTEGER), Order::Host);
            }
            Op::And => {
                right.set_type(left.dtype, left.order);
                if self.remove_masks
                    && matches!(left.kind, Kind::Payload(_))
                    && let Some(mask) = right.as_value()
                {
                    let mut load = (**left).clone();
                    if payload::trim(&mut load, mask, right.len, &self.protocols).is_some() {
                        payload::complete(&mut load, &self.protocols);
                        let family = self.protocols.family;
                        payload::kill_dependency(&mut self.dependencies, &load, family);
                        *expr = load;
                    }
                    return;
                }
            }
            _ => right.set_type(left.dtype, left.order),
        }
        self.expr(right);
        let (dtype, order) = (left.dtype, left.order);
        expr.dtype = dtype;
        expr.order = order;
    }

    fn relational(&mut self, expr: &mut Expr) {
        if self.relational_inside(expr) {
            return;
        }
        let Kind::Relational { op, left, right } = &mut expr.kind else {
            return;
        };
        if matches!(left.kind, Kind::Payload(_)) {
            let op = *op;
            self.payload_match(op, left, right);
            return;
        }
        self.expr(left);
        right.set_type(left.dtype, left.order);
        self.expr(right);
        match left.kind {
            Kind::Ct { .. } | Kind::Meta { .. } => {
                let op = *op;
                self.key_match(op, left, right);
            }
            Kind::Binop { .. } => self.relational_binop(expr),
            _ => {}
        }
    }

    fn payload_match(&mut self, op: Op, left: &mut Expr, right: &mut Expr) {
        if matches!(op, Op::Eq | Op::Neq) {
            if right.is_value() {
                self.expand_match(op, left, right);
                return;
            }
            if let Kind::SetRef(reference) = &right.kind
                && let Some(first) = reference
                    .elements
                    .as_ref()
                    .and_then(|elements| elements.first())
                && let Kind::SetElem(element) = &first.kind
                && element.key.is_value()
            {
                payload::learn_icmp_from_set(&mut self.protocols, left, &element.key);
            }
        }
        payload::complete(left, &self.protocols);
        right.set_type(left.dtype, left.order);
        let family = self.protocols.family;
        payload::kill_dependency(&mut self.dependencies, left, family);
    }

    /// A load may cover several fields that were matched one by one: split the match.
    fn expand_match(&mut self, op: Op, left: &Expr, right: &Expr) {
        let Some(load) = left.as_payload() else {
            return;
        };
        let mut layer = load.layer;
        let mut constant = right.clone();
        let full = constant.len;
        for part in payload::expand(left, &self.protocols) {
            let Some(mut value) = super::registers::splice(&mut constant, part.len.min(full))
            else {
                break;
            };
            value.set_type(part.dtype, part.order);
            if let Some(template) = part.as_payload().and_then(Payload::template)
                && part.len < template.len
            {
                if let Kind::Value(number) = &mut value.kind {
                    *number = number::shl(*number, template.len - part.len);
                }
                value.len = template.len;
                value = Expr::prefix(value, part.len);
            }
            if op == Op::Eq && value.is_value() {
                self.protocols.learn(&part, &value);
            }
            if payload::is_stacked(self.protocols.at(layer), op, &part, &value) {
                layer = layer.below();
            }
            let family = self.protocols.family;
            payload::kill_dependency(&mut self.dependencies, &part, family);
            let place = self.out.len();
            if op == Op::Eq && part.protocol {
                self.dependencies.store(layer, place, op, &part, &value);
            }
            self.out
                .push(Some(Stmt::Match(Expr::relational(op, part, value))));
        }
        self.replaced = true;
    }

    /// Matches on `meta` and `ct` keys that tell a protocol.
    fn key_match(&mut self, op: Op, left: &Expr, right: &mut Expr) {
        if matches!(right.kind, Kind::SetRef(_)) {
            right.set_type(left.dtype, left.order);
        }
        if op != Op::Eq || matches!(right.kind, Kind::Range(..) | Kind::SetRef(_)) {
            return;
        }
        self.protocols.learn(left, right);
        let layer = left.base_layer();
        if layer >= Layer::Transport {
            return;
        }
        if self.dependencies.exists(layer) && self.key_may_kill(left, right) {
            self.dependencies.release(layer);
        }
        if left.protocol {
            let place = self.place;
            self.dependencies.store(layer, place, op, left, right);
        }
    }

    /// A match on the network protocol stays in tables of several families, unless it is implied by the ICMP version.
    fn key_may_kill(&self, left: &Expr, right: &Expr) -> bool {
        let Some((_, dep_left, dep_right)) = self.dependencies.get(Layer::Network) else {
            return true;
        };
        let value = dep_right.as_value().unwrap_or_default();
        let nfproto = match &dep_left.kind {
            Kind::Meta {
                key: keys::meta::NFPROTO,
            } => number::low8(value),
            Kind::Meta {
                key: keys::meta::PROTOCOL,
            } => payload::family_of_ethertype(value),
            Kind::Payload(load)
                if load.layer == Layer::Link && dep_left.dtype.is(&types::ETHERTYPE) =>
            {
                payload::family_of_ethertype(value)
            }
            _ => return true,
        };
        match self.protocols.family {
            Family::Inet | Family::Netdev | Family::Bridge => {}
            Family::Ip | Family::Ip6 => return self.protocols.family.to_wire() == nfproto,
            _ => return true,
        }
        if !matches!(
            left.kind,
            Kind::Meta {
                key: keys::meta::L4PROTO
            }
        ) {
            return true;
        }
        let l4proto = number::low8(right.as_value().unwrap_or_default());
        const ICMP: u8 = 1;
        const ICMPV6: u8 = 58;
        match l4proto {
            ICMP => nfproto != 10,
            ICMPV6 => nfproto != 2,
            _ => false,
        }
    }

    fn reject(&mut self, reject: &mut Reject) {
        const TCP_RESET: u32 = 1;
        const ICMPX: u32 = 2;
        let family = self.protocols.family;
        let set = |reject: &mut Reject, kind| reject.expr.dtype = Type::Basic(kind);
        match family {
            Family::Ip | Family::Ip6 => {
                reject.family = family.to_wire();
                set(
                    reject,
                    if family == Family::Ip {
                        &types::ICMP_CODE
                    } else {
                        &types::ICMPV6_CODE
                    },
                );
                if reject.kind == TCP_RESET && self.dependencies.exists(Layer::Transport) {
                    self.dependencies.release(Layer::Transport);
                }
            }
            Family::Inet | Family::Bridge | Family::Netdev => {
                if reject.kind == ICMPX {
                    set(reject, &types::ICMPX_CODE);
                    return;
                }
                reject.verbose = true;
                let link = self.protocols.at(Layer::Link);
                let network = self.protocols.at(Layer::Network);
                let number = link
                    .zip(network)
                    .and_then(|(link, network)| link.number_of(network));
                match number {
                    Some(2 | 0x0800) => {
                        reject.family = 2;
                        set(reject, &types::ICMP_CODE);
                    }
                    Some(10 | 0x86dd) => {
                        reject.family = 10;
                        set(reject, &types::ICMPV6_CODE);
                    }
                    _ => {}
                }
                if self.dependencies.exists(Layer::Network) {
                    self.dependencies.release(Layer::Network);
                }
            }
            _ => {}
        }
    }
}

/// Bytes of the kernel become a constant of the type that is known now.
fn value(expr: &mut Expr) {
    let len = (expr.len / 8) as usize;
    if expr.order == Order::Host
        && let Kind::Value(number) = &mut expr.kind
    {
        *number = number::swap(*number, len);
    }
    if expr.dtype.is_text() {
        text(expr);
    }
    if expr.dtype.is_bitmask() {
        *expr = expr.clone().bitmask_to_flags();
    }
}

/// Names: without a closing NUL they stand for all that begin so (`eth*`); a star that is meant is escaped.
fn text(expr: &mut Expr) {
    let Some(number) = expr.as_value() else {
        return;
    };
    let len = number::bytes_of(expr.len);
    let mut bytes = number::export(number, Order::Host, len);
    if bytes.last() == Some(&0) {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(len);
        bytes.truncate(end);
        if bytes.last() != Some(&b'*') {
            return;
        }
        bytes.pop();
        bytes.extend_from_slice(b"\\*");
        expr.len = u32::try_from((end + 2) * 8).unwrap_or(expr.len);
    } else {
        bytes.push(b'*');
        expr.len += 8;
    }
    expr.order = Order::Host;
    expr.kind = Kind::Value(number::import(&bytes, Order::Host));
}
