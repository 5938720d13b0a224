//! Changing routes, policy rules, neighbours and next hop objects: [`RouteChange`] to `RTM_NEW*` and `RTM_DEL*`.
//! May use `model` and `kernel::netlink`.
//!
//! What a dump gave can be sent again as it is: state that only the kernel sets (dead next hops, ages, the devices
//! of a next hop object) is left out, everything else is sent, attributes without a name here byte for byte.

use super::neighbour::{NDA_DST, NDA_FLAGS_EXT, NDA_LLADDR, NDA_PROTOCOL};
use super::nexthop as nh;
use super::route as rta;
use super::rule as fra;
use super::{
    RTM_DELNEIGH, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_DELRULE, RTM_NEWNEIGH, RTM_NEWNEXTHOP,
    RTM_NEWROUTE, RTM_NEWRULE,
};
use crate::kernel::netlink::attr::NLA_F_NESTED;
use crate::kernel::netlink::message::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use crate::kernel::netlink::{AttrWriter, KernelError, Socket};
use crate::model::network::{
    ChangeAction, Encap, Neighbour, Nexthop, OwnedRoute, PolicyRule, PortRange, Prefix,
    RawAttribute, RouteChange, RouteHop, RouteRare, RoutingObject, RuleAction, Via, hop_flags,
    neighbour_flags, rule_flags,
};
use std::net::IpAddr;

/// `RTA_EXPIRES`: seconds until the route goes.
const RTA_EXPIRES: u16 = 23;

/// A change in the kernel's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `RTM_*`
    pub kind: u16,
    /// `NLM_F_CREATE` and so on.
    pub flags: u16,
    pub payload: Vec<u8>,
}

/// Put a change in the kernel's form.
pub fn encode_change(change: &RouteChange) -> Request {
    let delete = change.action == ChangeAction::Delete;
    let (new, gone, payload) = match &change.object {
        RoutingObject::Route(route) => (RTM_NEWROUTE, RTM_DELROUTE, encode_route(route, delete)),
        RoutingObject::Rule {
            rule,
            with_priority,
        } => (RTM_NEWRULE, RTM_DELRULE, encode_rule(rule, *with_priority)),
        RoutingObject::Neighbour(one) => (RTM_NEWNEIGH, RTM_DELNEIGH, encode_neighbour(one)),
        RoutingObject::Nexthop(one) => {
            (RTM_NEWNEXTHOP, RTM_DELNEXTHOP, encode_nexthop(one, delete))
        }
    };
    Request {
        kind: if delete { gone } else { new },
        flags: match change.action {
            ChangeAction::Add => NLM_F_CREATE | NLM_F_EXCL,
            ChangeAction::Prepend => NLM_F_CREATE,
            ChangeAction::Append => NLM_F_CREATE | NLM_F_APPEND,
            ChangeAction::Replace => NLM_F_CREATE | NLM_F_REPLACE,
            ChangeAction::Change => NLM_F_REPLACE,
            ChangeAction::Delete => 0,
        },
        payload,
    }
}

/// Make one change. A refusal carries the kernel's own words where it has some.
pub fn make_change(socket: &mut Socket, change: &RouteChange) -> Result<(), KernelError> {
    let request = encode_change(change);
    socket.request(request.kind, request.flags, &[&request.payload], |_| Ok(()))
}

fn put_ip(attributes: &mut AttrWriter, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => attributes.put(kind, &address.octets()),
        IpAddr::V6(address) => attributes.put(kind, &address.octets()),
    };
}

/// A prefix goes into the header by its length, and as an attribute unless it matches everything.
fn put_prefix(attributes: &mut AttrWriter, kind: u16, prefix: Option<Prefix>) -> u8 {
    match prefix {
        Some(prefix) if prefix.length != 0 => {
            put_ip(attributes, kind, prefix.address);
            prefix.length
        }
        _ => 0,
    }
}

/// Tables above 255 do not fit the header.
fn put_table(attributes: &mut AttrWriter, kind: u16, table: u32) -> u8 {
    u8::try_from(table).unwrap_or_else(|_| {
        attributes.ne32(kind, table);
        0
    })
}

fn put_unknown(attributes: &mut AttrWriter, unknown: &[RawAttribute]) {
    for attribute in unknown {
        attributes.put(attribute.kind, &attribute.payload);
    }
}

fn put_encap(attributes: &mut AttrWriter, kinds: [u16; 2], encap: &Encap) {
    let [kind, content] = kinds;
    attributes.put(kind, &encap.kind.to_ne_bytes());
    attributes.put(content | NLA_F_NESTED, &encap.attributes);
}

fn put_via(attributes: &mut AttrWriter, via: &Via) {
    let mut bytes = via.family.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&via.address);
    attributes.put(rta::RTA_VIA, &bytes);
}

fn encode_route(route: &OwnedRoute, delete: bool) -> Vec<u8> {
    let body = &route.body;
    let none = RouteRare::default();
    let rare = body.rare.as_deref().unwrap_or(&none);
    let mut attributes = AttrWriter::new();
    let out = &mut attributes;
    let to = put_prefix(out, rta::RTA_DST, Some(route.destination));
    let from = put_prefix(out, rta::RTA_SRC, rare.from);
    let table = put_table(out, rta::RTA_TABLE, body.table);
    if let Some(metric) = body.metric {
        out.ne32(rta::RTA_PRIORITY, metric);
    }
    if let Some(source) = body.source {
        put_ip(out, rta::RTA_PREFSRC, source);
    }
    // Of a route with a next hop object the rest of the way is the object's.
    match body.nexthop {
        Some(id) => {
            out.ne32(rta::RTA_NH_ID, id);
        }
        None => put_way(out, route, rare),
    }
    if !rare.metrics.is_empty() {
        out.nest(rta::RTA_METRICS, |metrics| {
            for metric in &rare.metrics {
                metrics.put(metric.kind, &metric.value);
            }
        });
    }
    if let Some(pref) = rare.pref {
        out.u8(rta::RTA_PREF, pref);
    }
    if let Some(expires) = rare.cache.map(|cache| cache.expires)
        && expires > 0
        && !delete
    {
        const USER_HZ: i32 = 100;
        let seconds = (expires / USER_HZ).max(1);
        out.ne32(RTA_EXPIRES, seconds.cast_unsigned());
    }
    if let Some(propagate) = rare.ttl_propagate {
        out.u8(rta::RTA_TTL_PROPAGATE, propagate);
    }
    put_unknown(out, &rare.unknown);

    let onlink = body.flags & u32::from(hop_flags::ONLINK);
    let mut payload = vec![
        body.family.to_wire(),
        to,
        from,
        body.tos,
        table,
        body.protocol,
        body.scope,
        body.kind.to_wire(),
    ];
    payload.extend_from_slice(&onlink.to_ne_bytes());
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

/// The gateway and device of a route, or its several next hops.
fn put_way(out: &mut AttrWriter, route: &OwnedRoute, rare: &RouteRare) {
    let body = &route.body;
    if let Some(gateway) = body.gateway {
        put_ip(out, rta::RTA_GATEWAY, gateway);
    }
    if let Some(via) = &rare.via {
        put_via(out, via);
    }
    if let Some(oif) = body.oif {
        out.ne32(rta::RTA_OIF, oif);
    }
    if let Some(realms) = rare.realms {
        out.ne32(rta::RTA_FLOW, realms);
    }
    if let Some(encap) = &rare.encap {
        put_encap(out, [rta::RTA_ENCAP_TYPE, rta::RTA_ENCAP], encap);
    }
    if let Some(bytes) = &rare.new_destination {
        out.put(rta::RTA_NEWDST, bytes);
    }
    if !rare.hops.is_empty() {
        let mut hops = Vec::new();
        for hop in &rare.hops {
            put_hop(&mut hops, hop);
        }
        out.put(rta::RTA_MULTIPATH, &hops);
    }
}

/// `struct rtnexthop`: its length, flags, weight and device, then attributes.
fn put_hop(hops: &mut Vec<u8>, hop: &RouteHop) {
    let mut attributes = AttrWriter::new();
    if let Some(gateway) = hop.gateway {
        put_ip(&mut attributes, rta::RTA_GATEWAY, gateway);
    }
    if let Some(via) = &hop.via {
        put_via(&mut attributes, via);
    }
    if let Some(realms) = hop.realms {
        attributes.ne32(rta::RTA_FLOW, realms);
    }
    if let Some(encap) = &hop.encap {
        put_encap(
            &mut attributes,
            [rta::RTA_ENCAP_TYPE, rta::RTA_ENCAP],
            encap,
        );
    }
    if let Some(bytes) = &hop.new_destination {
        attributes.put(rta::RTA_NEWDST, bytes);
    }
    put_unknown(&mut attributes, &hop.unknown);
    let length = 8 + attributes.as_bytes().len();
    hops.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    hops.push(hop.flags & hop_flags::ONLINK);
    hops.push(u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX));
    hops.extend_from_slice(&hop.oif.to_ne_bytes());
    hops.extend_from_slice(attributes.as_bytes());
}

fn encode_rule(rule: &PolicyRule, with_priority: bool) -> Vec<u8> {
    const STATE: u32 = rule_flags::UNRESOLVED | rule_flags::IIF_DETACHED | rule_flags::OIF_DETACHED;
    let mut attributes = AttrWriter::new();
    let out = &mut attributes;
    let to = put_prefix(out, fra::FRA_DST, rule.dst).max(rule.dst_len);
    let from = put_prefix(out, fra::FRA_SRC, rule.src).max(rule.src_len);
    let table = put_table(out, fra::FRA_TABLE, rule.table);
    if with_priority {
        out.ne32(fra::FRA_PRIORITY, rule.priority);
    }
    if let RuleAction::Goto(Some(to)) = rule.action {
        out.ne32(fra::FRA_GOTO, to);
    }
    for (kind, value) in [
        (fra::FRA_FWMARK, rule.mark),
        (fra::FRA_FWMASK, rule.mask),
        (fra::FRA_FLOW, rule.realms),
        (
            fra::FRA_SUPPRESS_PREFIXLEN,
            rule.suppress_prefix_length.map(i32::cast_unsigned),
        ),
        (
            fra::FRA_SUPPRESS_IFGROUP,
            rule.suppress_group.map(i32::cast_unsigned),
        ),
    ] {
        if let Some(value) = value {
            out.ne32(kind, value);
        }
    }
    for (kind, name) in [(fra::FRA_IIFNAME, &rule.iif), (fra::FRA_OIFNAME, &rule.oif)] {
        if let Some(name) = name {
            out.text(kind, name);
        }
    }
    for (kind, value) in [
        (fra::FRA_L3MDEV, rule.l3mdev),
        (fra::FRA_IP_PROTO, rule.ipproto),
        (fra::FRA_PROTOCOL, rule.protocol),
        (fra::FRA_DSCP, rule.dscp),
        (fra::FRA_DSCP_MASK, rule.dscp_mask),
    ] {
        if let Some(value) = value {
            out.u8(kind, value);
        }
    }
    if let Some(id) = rule.tunnel {
        out.be64(fra::FRA_TUN_ID, id);
    }
    if let Some(uid) = rule.uid {
        let bytes = [uid.start.to_ne_bytes(), uid.end.to_ne_bytes()].concat();
        out.put(fra::FRA_UID_RANGE, &bytes);
    }
    put_ports(out, [fra::FRA_SPORT_RANGE, fra::FRA_SPORT_MASK], rule.sport);
    put_ports(out, [fra::FRA_DPORT_RANGE, fra::FRA_DPORT_MASK], rule.dport);
    for (kind, value) in [
        (fra::FRA_FLOWLABEL, rule.flow_label),
        (fra::FRA_FLOWLABEL_MASK, rule.flow_label_mask),
    ] {
        if let Some(value) = value {
            out.be32(kind, value);
        }
    }
    put_unknown(out, &rule.unknown);

    let mut payload = vec![
        rule.family,
        to,
        from,
        rule.tos,
        table,
        0,
        0,
        rule.action.to_wire(),
    ];
    payload.extend_from_slice(&(rule.flags & !STATE).to_ne_bytes());
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

fn put_ports(out: &mut AttrWriter, kinds: [u16; 2], ports: Option<PortRange>) {
    let [range, mask] = kinds;
    if let Some(ports) = ports {
        let bytes = [ports.start.to_ne_bytes(), ports.end.to_ne_bytes()].concat();
        out.put(range, &bytes);
        // The kernel gives every range a mask, and takes none but that of a single port.
        if let Some(value) = ports.mask.filter(|&value| value != u16::MAX && value != 0) {
            out.put(mask, &value.to_ne_bytes());
        }
    }
}

fn encode_neighbour(neighbour: &Neighbour) -> Vec<u8> {
    /// What the kernel learns and decides by itself.
    const STATE: u8 = neighbour_flags::OFFLOADED;
    let mut attributes = AttrWriter::new();
    if let Some(address) = neighbour.address {
        put_ip(&mut attributes, NDA_DST, address);
    }
    if !neighbour.link_address.is_empty() {
        attributes.put(NDA_LLADDR, &neighbour.link_address);
    }
    if neighbour.extended_flags != 0 {
        attributes.ne32(NDA_FLAGS_EXT, neighbour.extended_flags);
    }
    if let Some(protocol) = neighbour.protocol {
        attributes.u8(NDA_PROTOCOL, protocol);
    }
    let mut payload = vec![neighbour.family, 0, 0, 0];
    payload.extend_from_slice(&neighbour.index.to_ne_bytes());
    payload.extend_from_slice(&neighbour.state.to_ne_bytes());
    payload.push(neighbour.flags & !STATE);
    payload.push(neighbour.kind);
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

fn encode_nexthop(nexthop: &Nexthop, delete: bool) -> Vec<u8> {
    let onlink = nexthop.flags & u32::from(hop_flags::ONLINK);
    let mut attributes = AttrWriter::new();
    if nexthop.id != 0 {
        attributes.ne32(nh::NHA_ID, nexthop.id);
    }
    if delete {
        // The kernel takes nothing but the number.
        let mut payload = vec![0; 8];
        payload.extend_from_slice(attributes.as_bytes());
        return payload;
    }
    if nexthop.blackhole {
        attributes.put(nh::NHA_BLACKHOLE, &[]);
    }
    if nexthop.fdb {
        attributes.put(nh::NHA_FDB, &[]);
    }
    if let Some(oif) = nexthop.oif.filter(|_| !nexthop.blackhole) {
        attributes.ne32(nh::NHA_OIF, oif);
    }
    if let Some(gateway) = nexthop.gateway {
        put_ip(&mut attributes, nh::NHA_GATEWAY, gateway);
    }
    if let Some(encap) = &nexthop.encap {
        put_encap(&mut attributes, [nh::NHA_ENCAP_TYPE, nh::NHA_ENCAP], encap);
    }
    if !nexthop.group.is_empty() {
        let mut members = Vec::new();
        for member in &nexthop.group {
            let weight = u16::try_from(member.weight.saturating_sub(1)).unwrap_or(u16::MAX);
            members.extend_from_slice(&member.id.to_ne_bytes());
            members.extend_from_slice(&weight.to_le_bytes());
            members.extend_from_slice(&[0, 0]);
        }
        attributes.put(nh::NHA_GROUP, &members);
    }
    if let Some(kind) = nexthop.group_kind {
        attributes.put(nh::NHA_GROUP_TYPE, &kind.to_ne_bytes());
    }
    if let Some(group) = nexthop.resilient {
        attributes.nest(nh::NHA_RES_GROUP, |out| {
            if group.buckets != 0 {
                out.put(nh::NHA_RES_GROUP_BUCKETS, &group.buckets.to_ne_bytes());
            }
            out.ne32(nh::NHA_RES_GROUP_IDLE_TIMER, group.idle_timer);
            out.ne32(nh::NHA_RES_GROUP_UNBALANCED_TIMER, group.unbalanced_timer);
        });
    }
    let mut payload = vec![nexthop.family, 0, nexthop.protocol, 0];
    payload.extend_from_slice(&onlink.to_ne_bytes());
    payload.extend_from_slice(attributes.as_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::route::{decode_neighbour, decode_route, decode_rule};
    use crate::model::network::{FibFamily, RouteBody, RouteMetric};

    #[test]
    fn what_was_read_is_written_again() {
        let route = OwnedRoute {
            destination: Prefix::new(IpAddr::from([10, 1, 0, 0]), 16),
            body: RouteBody {
                metric: Some(7),
                rare: Some(Box::new(RouteRare {
                    hops: vec![
                        RouteHop {
                            oif: 3,
                            weight: 2,
                            gateway: Some(IpAddr::from([192, 0, 2, 1])),
                            ..RouteHop::default()
                        },
                        RouteHop {
                            oif: 4,
                            weight: 256,
                            encap: Some(Encap {
                                kind: 1,
                                attributes: vec![8, 0, 1, 0, 0, 6, 0x41, 0],
                            }),
                            ..RouteHop::default()
                        },
                    ],
                    metrics: vec![RouteMetric {
                        kind: 2,
                        value: vec![1, 2, 3, 4],
                    }],
                    unknown: vec![RawAttribute {
                        kind: 77,
                        payload: b"later".to_vec(),
                    }],
                    ..RouteRare::default()
                })),
                ..RouteBody::new(FibFamily::Ip4, 1000)
            },
        };
        let change = RouteChange::route(ChangeAction::Append, route.clone());
        let request = encode_change(&change);
        assert_eq!(
            (request.kind, request.flags),
            (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND)
        );
        assert_eq!(decode_route(&request.payload).unwrap(), route);
    }

    #[test]
    fn rules_and_neighbours_too() {
        let mut rule = PolicyRule::new(2);
        rule.priority = 9;
        rule.table = 1000;
        rule.src = Some(Prefix::new(IpAddr::from([10, 0, 0, 0]), 8));
        rule.src_len = 8;
        rule.iif = Some("eth0".into());
        rule.action = RuleAction::Goto(Some(77));
        let request = encode_change(&RouteChange::rule(ChangeAction::Delete, rule.clone()));
        assert_eq!((request.kind, request.flags), (RTM_DELRULE, 0));
        let mut read = decode_rule(&request.payload).unwrap();
        read.raw.clear();
        assert_eq!(read, rule);

        let mut neighbour = Neighbour::new(3, IpAddr::from([1, 2, 3, 4]));
        neighbour.link_address = vec![2, 0, 0, 0, 0, 1];
        let change = RouteChange::neighbour(ChangeAction::Replace, neighbour.clone());
        let mut read = decode_neighbour(&encode_change(&change).payload).unwrap();
        read.raw.clear();
        assert_eq!(read, neighbour);
    }
}
