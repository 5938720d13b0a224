//! From what the kernel runs to what a person would have written.
//!
//! Protocol matches that a later match implies are dropped, as long as nothing with a side effect stands between.

use super::super::ast::*;
use super::super::datatype::{self as types, Type};
use super::super::keys;
use super::super::number::{self, Num, Order};
use super::super::protocol::{self, Layer};
use super::context::TableView;
use super::exthdr;
use super::payload::{self, ProtocolContext};
use crate::model::Family;

/// Matches that tell a protocol and may turn out to be implied.
#[derive(Default)]
pub struct Dependencies {
    /// By the layer of the protocol that is told: place in the output, and the match.
    stored: [Option<(usize, Op, Expr, Expr)>; 7],
    pub icmp_type: u8,
    /// The place of the statement before this one.
    previous: Option<usize>,
    released: Vec<usize>,
}

impl Dependencies {
    fn slot(&self, layer: Layer) -> Option<usize> {
        let index = layer as usize;
        if self.stored.get(index).is_some_and(Option::is_some) {
            return Some(index);
        }
        let inner = Layer::Inner as usize;
        (layer == Layer::Transport && self.stored.get(inner).is_some_and(Option::is_some))
            .then_some(inner)
    }

    pub fn exists(&self, layer: Layer) -> bool {
        self.slot(layer).is_some()
    }

    pub fn get(&self, layer: Layer) -> Option<(Op, &Expr, &Expr)> {
        let (_, op, left, right) = self.stored.get(self.slot(layer)?)?.as_ref()?;
        Some((*op, left, right))
    }

    pub fn release(&mut self, layer: Layer) {
        if let Some(slot) = self.slot(layer)
            && let Some((place, ..)) = self.stored.get_mut(slot).and_then(Option::take)
        {
            self.released.push(place);
            if self.previous == Some(place) {
                self.previous = None;
            }
        }
    }

    /// Remember a match on a field of `layer` that tells the protocol above.
    fn store(&mut self, layer: Layer, place: usize, op: Op, left: &Expr, right: &Expr) {
        if self.is_icmp_echo(left, right) {
            return;
        }
        if let Some(slot) = self.stored.get_mut(layer as usize + 1) {
            *slot = Some((place, op, left.clone(), right.clone()));
        }
    }

    /// Remembers the ICMP type. Echo stands for request and reply, which no single value implies.
    fn is_icmp_echo(&mut self, left: &Expr, right: &Expr) -> bool {
        let (Some(payload), Some(value)) = (left.as_payload(), right.as_value()) else {
            return false;
        };
        if right.len != 8 {
            return false;
        }
        let kind = number::low8(value);
        if payload.protocol.is(&protocol::ICMP) {
            self.icmp_type = if kind == 0 { 8 } else { kind };
            return self.icmp_type == 8;
        }
        if payload.protocol.is(&protocol::ICMPV6) {
            self.icmp_type = kind;
            return kind == 128 || kind == 129;
        }
        false
    }

    fn reset(&mut self) {
        let released = std::mem::take(&mut self.released);
        *self = Dependencies {
            released,
            ..Dependencies::default()
        };
    }
}

struct Context {
    protocols: ProtocolContext,
    dependencies: Dependencies,
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
            Stmt::Queue { expr, .. } => {
                if !matches!(expr.kind, Kind::Value(_) | Kind::Range(..)) {
                    self.expr(expr);
                }
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
            Kind::Inner { expr: inner, .. } => {
                payload::complete_inner(inner);
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

    /// A comparison of something masked: flags, a prefix, a field that is no whole number of bytes.
    fn relational_binop(&mut self, expr: &mut Expr) {
        let Kind::Relational { op, left, right } = &mut expr.kind else {
            return;
        };
        let op = *op;
        let Kind::Binop {
            op: inner,
            left: load,
            right: mask,
        } = &mut left.kind
        else {
            return;
        };
        let inner = *inner;
        if inner == Op::And && matches!(op, Op::Eq | Op::Neq) && right.dtype.is_bitmask() {
            match &right.kind {
                Kind::Value(value) if value.is_zero() => {
                    let list = (**mask).clone().or_to_list();
                    let load = (**load).clone();
                    **right = list;
                    **left = load;
                    let Kind::Relational { op, .. } = &mut expr.kind else {
                        return;
                    };
                    *op = if *op == Op::Neq {
                        Op::Implicit
                    } else {
                        Op::Neg
                    };
                }
                Kind::Value(value) if mask.as_value() == Some(*value) => {}
                Kind::Value(_) | Kind::Binop { .. } => {
                    let new = Expr::new(
                        Kind::FlagCmp {
                            op,
                            mask: Box::new((**mask).clone().or_to_list()),
                            value: Box::new((**right).clone().or_to_list()),
                            expr: load.clone(),
                        },
                        load.dtype,
                        load.order,
                        load.len,
                    );
                    *expr = new;
                }
                _ => {}
            }
            return;
        }
        if inner == Op::And
            && load.dtype.allows_prefix()
            && right.is_value()
            && let Some(value) = mask.as_value()
            && let Some(prefix) = mask_to_prefix(value, mask.len)
        {
            let load = (**load).clone();
            **right = Expr::prefix((**right).clone(), prefix);
            **left = load;
            return;
        }
        if inner == Op::And && mask.is_value() {
            self.undo_mask(op, left, right);
        } else if inner == Op::RightShift
            && mask.is_value()
            && matches!(&load.kind, Kind::Binop { op: Op::And, right, .. } if right.is_value())
        {
            // `ip version @set` and the like: a mask and a shift. The shift's constant is adjusted with the mask.
            let mut shifted = (**load).clone();
            let mut by = (**mask).clone();
            if let Some(distance) = self.undo_mask_of_load(&mut shifted) {
                if let Kind::Value(value) = &mut by.kind {
                    *value = number::shr(*value, distance);
                }
                self.complete_load(&mut shifted);
            }
            if by.as_value().is_some_and(|value| value.is_zero()) {
                **left = shifted;
            } else {
                **load = shifted;
                **mask = by;
            }
        }
    }

    fn complete_load(&mut self, load: &mut Expr) {
        if matches!(load.kind, Kind::Payload(_)) {
            payload::complete(load, &self.protocols);
            let family = self.protocols.family;
            payload::kill_dependency(&mut self.dependencies, load, family);
        }
    }

    /// Replace `load & mask` by the field that the mask picks out; returns the shift of constants.
    fn undo_mask_of_load(&mut self, expr: &mut Expr) -> Option<u32> {
        let Kind::Binop {
            op: Op::And,
            left: load,
            right: mask,
        } = &expr.kind
        else {
            return None;
        };
        let value = mask.as_value()?;
        let mut load = (**load).clone();
        let shift = match load.kind {
            Kind::Payload(_) => payload::trim(&mut load, value, mask.len, &self.protocols)?,
            Kind::Exthdr(_) => exthdr::trim(&mut load, value, mask.len)?,
            _ => return None,
        };
        *expr = load;
        Some(shift)
    }

    fn undo_mask(&mut self, op: Op, left: &mut Expr, right: &mut Expr) {
        let Some(shift) = self.undo_mask_of_load(left) else {
            return;
        };
        adjust(right, shift, left.len);
        if matches!(left.kind, Kind::Payload(_)) {
            self.payload_match(op, left, right);
        } else {
            right.set_type(left.dtype, left.order);
        }
    }

    fn undo_mask_of_map(&mut self, key: &mut Expr, mappings: &mut Expr) {
        let Kind::Binop { left, right, .. } = &key.kind else {
            return;
        };
        if !matches!(left.kind, Kind::Payload(_)) || !right.is_value() {
            return;
        }
        if let Some(shift) = self.undo_mask_of_load(key) {
            adjust(mappings, shift, key.len);
            payload::complete(key, &self.protocols);
            mappings.set_type(key.dtype, key.order);
            let family = self.protocols.family;
            payload::kill_dependency(&mut self.dependencies, key, family);
        }
    }

    /// `>= a` followed by `<= b` on the same thing is a range.
    fn merge_range(&mut self, expr: &mut Expr) {
        let Some(place) = self.dependencies.previous else {
            return;
        };
        let Some(Some(Stmt::Match(previous))) = self.out.get(place) else {
            return;
        };
        let (
            Kind::Relational {
                op: first,
                left: a,
                right: low,
            },
            Kind::Relational {
                op: second,
                left: b,
                right: high,
            },
        ) = (&previous.kind, &expr.kind)
        else {
            return;
        };
        if std::mem::discriminant(&peeled(a).kind) != std::mem::discriminant(&peeled(b).kind) {
            return;
        }
        let op = match (first, second) {
            (Op::Gte, Op::Lte) => Op::Eq,
            (Op::Lt, Op::Gt) => Op::Neq,
            _ => return,
        };
        let (dtype, order) = (high.dtype, high.order);
        let mut range = Expr::range((**low).clone(), (**high).clone());
        range.set_type(dtype, order);
        let merged = Expr::relational(op, (**b).clone(), range);
        *expr = merged;
        if let Some(slot) = self.out.get_mut(place) {
            *slot = None;
        }
    }

    fn payload_stmt(&mut self, expr: &mut Expr, value: &mut Expr) {
        payload::complete(expr, &self.protocols);
        if !expr.as_payload().is_some_and(Payload::is_known) {
            self.payload_stmt_mask(expr, value);
        }
        self.expr(expr);
        value.set_type(expr.dtype, expr.order);
        self.expr(value);
    }

    /// A field that is no whole number of bytes is written by loading its surroundings, masking and or-ing.
    fn payload_stmt_mask(&mut self, expr: &mut Expr, value: &mut Expr) {
        let Kind::Binop { op, left, right } = &value.kind else {
            return;
        };
        let Some(constant) = right.as_value() else {
            return;
        };
        let (load, mask, new) = match &left.kind {
            Kind::Binop {
                op: Op::And,
                left: load,
                right: mask,
            } if *op == Op::Or => {
                let Some(mask) = mask.as_value() else { return };
                let whole = number::bitmask(load.len);
                (load, (whole ^ mask) ^ constant, constant)
            }
            Kind::Payload(_) if *op == Op::And => {
                (left, number::bitmask(left.len) ^ constant, Num::ZERO)
            }
            Kind::Payload(_) if *op == Op::Or => (left, constant, constant),
            _ => return,
        };
        let (Some(a), Some(b)) = (load.as_payload(), expr.as_payload()) else {
            return;
        };
        if a.offset != b.offset || a.layer != b.layer {
            return;
        }
        // Bits that are set and kept at the same time: the mask above leaves out what is also written.
        let picked = match &left.kind {
            Kind::Binop { right: mask, .. } => match mask.as_value() {
                Some(mask) => number::bitmask(load.len) ^ mask,
                None => return,
            },
            _ => mask,
        };
        let mask_len = right.len;
        for candidate in [mask, picked] {
            let mut trimmed = (**load).clone();
            let Some(shift) = payload::trim(&mut trimmed, candidate, mask_len, &self.protocols)
            else {
                continue;
            };
            payload::complete(&mut trimmed, &self.protocols);
            if !trimmed.as_payload().is_some_and(Payload::is_known) {
                continue;
            }
            let mut constant = (**right).clone();
            constant.kind = Kind::Value(number::shr(new, shift));
            constant.len = trimmed.len;
            *expr = trimmed;
            *value = constant;
            return;
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

fn peeled(expr: &Expr) -> &Expr {
    match &expr.kind {
        Kind::Unary { arg, .. } => arg,
        _ => expr,
    }
}

/// The length of the prefix that a mask of leading ones stands for.
fn mask_to_prefix(mask: Num, len: u32) -> Option<u32> {
    let Some(first) = number::scan1(mask, 0) else {
        return Some(0);
    };
    let end = number::scan0(mask, first + 1);
    (end >= len).then(|| end - first)
}

/// Shift constants that were compared with a masked load.
fn adjust(right: &mut Expr, shift: u32, len: u32) {
    match &mut right.kind {
        Kind::Value(value) => {
            *value = number::shr(*value, shift);
            right.len = len;
        }
        Kind::Range(low, high) => {
            adjust(low, shift, len);
            adjust(high, shift, len);
        }
        Kind::SetRef(reference) => {
            for element in reference.elements.iter_mut().flatten() {
                adjust(element, shift, len);
            }
        }
        Kind::SetElem(element) => adjust(&mut element.key, shift, len),
        Kind::Mapping(left, _) => adjust(left, shift, len),
        _ => {}
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
