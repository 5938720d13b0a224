//! Payload loads: which header field they are, and which protocol matches they make redundant.

use super::super::ast::*;
use super::super::context::ProtocolContext;
use super::super::datatype::Type;
use super::super::number::{self, Num};
use super::super::protocol::{self, IcmpDep, Layer, Protocol};
use super::postprocess::Dependencies;
use crate::model::Family;

/// The field exists in ICMP messages of the type seen so far.
fn icmp_allows(dep: IcmpDep, seen: u8) -> bool {
    match dep {
        IcmpDep::Any => true,
        IcmpDep::Type(kind) => seen == 0 || seen == kind,
    }
}

/// Name the field that a raw load is, if the protocol of its layer is known.
pub fn complete(expr: &mut Expr, context: &ProtocolContext) {
    let Kind::Payload(payload) = &mut expr.kind else {
        return;
    };
    let Some(protocol) = context.at(payload.layer) else {
        return;
    };
    if protocol.is(&protocol::INET) {
        return;
    }
    let (protocol, skip) = context.stacked(protocol, payload);
    let offset = payload.offset.wrapping_sub(skip);
    for (index, field) in protocol.fields.iter().enumerate() {
        if field.len == 0 || field.offset != offset || field.len != expr.len {
            continue;
        }
        if field.meta_key.is_some() && index == 0 {
            continue;
        }
        if !icmp_allows(field.icmp, context.icmp_type) {
            continue;
        }
        expr.dtype = Type::Basic(field.kind);
        payload.protocol = protocol;
        payload.field = Some(index);
        return;
    }
}

/// Find the fields that a mask picks out of a load. Shortens the load to them and returns by how many bits the
/// constants it is compared with are to be shifted.
pub fn trim(
    expr: &mut Expr,
    mask: Num,
    mask_expr_len: u32,
    context: &ProtocolContext,
) -> Option<u32> {
    let Kind::Payload(payload) = &mut expr.kind else {
        return None;
    };
    let protocol = context.at(payload.layer)?;
    let shift = number::scan1(mask, 0).unwrap_or(u32::MAX);
    let mask_len = if shift == u32::MAX {
        number::scan0(mask, 0)
    } else {
        number::scan0(mask, shift + 1)
    };
    let (protocol, skip) = context.stacked(protocol, payload);
    let before = mask_expr_len.next_multiple_of(8).checked_sub(mask_len)?;
    let mut offset = payload.offset.wrapping_sub(skip) + before;
    let mut left = expr.len;
    let mut len = 0;
    for field in protocol.fields.iter().skip(1).filter(|field| field.len > 0) {
        if field.offset != offset {
            continue;
        }
        if field.len > left {
            return None;
        }
        left -= field.len;
        offset += field.len;
        len += field.len;
        if left == 0 {
            return None;
        }
        if shift.checked_add(len) == Some(mask_len) {
            payload.offset += before;
            expr.len = len;
            return Some(shift);
        }
    }
    None
}

/// Split a merged load into the fields it is made of.
pub fn expand(expr: &Expr, context: &ProtocolContext) -> Vec<Expr> {
    let Kind::Payload(payload) = &expr.kind else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut left = expr.len;
    let mut offset = payload.offset;
    if let Some(protocol) = context
        .at(payload.layer)
        .filter(|p| !p.is(&protocol::UNKNOWN))
    {
        let (protocol, skip) = context.stacked(protocol, payload);
        offset = offset.wrapping_sub(skip);
        for (index, field) in protocol.fields.iter().enumerate().skip(1) {
            if field.len == 0 {
                break;
            }
            if field.offset != offset || !icmp_allows(field.icmp, context.icmp_type) {
                continue;
            }
            let Some(mut part) = Expr::field(protocol, index) else {
                break;
            };
            if field.len <= left {
                left -= field.len;
                offset += field.len;
                out.push(part);
                if left == 0 {
                    return out;
                }
            } else if left > 0 {
                part.len = left;
                out.push(part);
                return out;
            } else {
                break;
            }
        }
    }
    out.push(Expr::raw_payload(payload.layer, offset, left));
    out
}

/// The match leads to another protocol of the same layer: VLAN.
pub fn is_stacked(protocol: Option<&'static Protocol>, op: Op, left: &Expr, right: &Expr) -> bool {
    let Some(protocol) = protocol else {
        return false;
    };
    if !left.protocol || op != Op::Eq || !matches!(left.kind, Kind::Payload(_)) {
        return false;
    }
    right
        .as_value()
        .and_then(|value| protocol.upper_by_number(number::low32(value) & 0xffff))
        .is_some_and(|upper| upper.layer == protocol.layer)
}

/// Remove the protocol match below a load that implies it.
pub fn kill_dependency(dependencies: &mut Dependencies, expr: &Expr, family: Family) {
    let Kind::Payload(payload) = &expr.kind else {
        return;
    };
    if payload.protocol.is(&protocol::UNKNOWN) || !dependencies.exists(payload.layer) {
        return;
    }
    if may_kill(dependencies, family, expr, payload) {
        dependencies.release(payload.layer);
    }
}

fn may_kill(dependencies: &Dependencies, family: Family, expr: &Expr, payload: &Payload) -> bool {
    let Some((op, left, right)) = dependencies.get(payload.layer) else {
        return true;
    };
    let dependency = left.as_payload();
    if matches!(family, Family::Bridge | Family::Netdev | Family::Inet)
        && let Some(dependency) = dependency
    {
        // `ip protocol` says more than "this protocol": it says IPv4.
        if dependency.layer == Layer::Network
            && (dependency.protocol.is(&protocol::IP) || dependency.protocol.is(&protocol::IP6))
            && payload.layer == Layer::Transport
        {
            return false;
        }
        // Stacked protocols: `ether type vlan` is not implied by `vlan type ip`.
        if op == Op::Eq && payload.layer == dependency.layer {
            if expr.protocol {
                return false;
            }
            if payload.layer == Layer::Link {
                return may_kill_link(dependency, right);
            }
        }
    }
    if payload.layer != Layer::Transport {
        return true;
    }
    // What is not payload begins at layer 0 here, as in nft.
    let Some(dependency) = dependency.filter(|d| d.layer == Layer::Transport) else {
        return true;
    };
    if dependency.protocol.is(&protocol::ICMP) || dependency.protocol.is(&protocol::ICMPV6) {
        let Some(template) = payload.template() else {
            return false;
        };
        return match template.icmp {
            IcmpDep::Any => false,
            IcmpDep::Type(kind) => {
                std::ptr::eq(dependency.protocol, payload.protocol)
                    && dependencies.icmp_type == kind
            }
        };
    }
    true
}

fn may_kill_link(dependency: &Payload, right: &Expr) -> bool {
    if dependency.protocol.is(&protocol::VLAN) {
        return false;
    }
    if dependency.protocol.is(&protocol::ETHER) && right.len == 16 {
        // `vlan id` implies this very type; another one is no dependency.
        return right.as_value() == Some(Num::from(0x8100));
    }
    true
}

/// `icmp type { echo-request, ... } icmp id`: the set tells the type.
pub fn learn_icmp_from_set(context: &mut ProtocolContext, expr: &mut Expr, first: &Expr) {
    let Kind::Payload(payload) = &mut expr.kind else {
        return;
    };
    if payload.layer != Layer::Transport
        || expr.len != 8
        || first.len != 8
        || context.icmp_type != 0
    {
        return;
    }
    let Some(protocol) = context.at(payload.layer) else {
        return;
    };
    if !protocol.is(&protocol::ICMP) && !protocol.is(&protocol::ICMPV6) {
        return;
    }
    let Some(value) = first.as_value() else {
        return;
    };
    for (index, field) in protocol.fields.iter().enumerate().skip(1) {
        if field.len == 0 {
            return;
        }
        if field.offset != payload.offset || field.len != expr.len {
            continue;
        }
        if protocol.key == index {
            payload.protocol = protocol;
            payload.field = Some(index);
            context.icmp_type = number::low8(value);
        }
        return;
    }
}

/// The IP family that an ethertype names; 0: none.
///
/// The number is compared as nft compares it: values of `meta protocol` and `ether type` are in network order.
pub fn family_of_ethertype(value: Num) -> u8 {
    match number::low32(value) & 0xffff {
        0x0800 => 2,
        0x86dd => 10,
        _ => 0,
    }
}
