//! Routes and policy rules in words.

use super::sentence::capital;
use super::services::service;
use super::value::{either, protocol_name};
use crate::lang::route::{Context, ip_text};
use crate::model::network::{
    FibFamily, PolicyRule, PortRange, Prefix, Route, RouteHop, RouteKind, RuleAction, hop_flags,
    metric, rule_flags,
};

/// `Packets to 10.0.0.0/8 go by eth0 to the gateway 192.0.2.1.`
pub fn route(route: Route<'_>, context: &Context<'_>) -> String {
    let rare = route.rare.as_deref();
    let mut text = match (route.destination.length, route.family) {
        (0, FibFamily::Ip4) => "IPv4 packets that no other route of the table fits".to_owned(),
        (0, FibFamily::Ip6) => "IPv6 packets that no other route of the table fits".to_owned(),
        _ => format!("packets to {}", prefix(route.destination)),
    };
    if let Some(from) = rare.and_then(|rare| rare.from) {
        text.push_str(&format!(" from {}", prefix(from)));
    }
    if route.tos != 0 {
        text.push_str(&format!(
            " with the type of service {}",
            context.names.tos(route.tos)
        ));
    }
    text.push_str(&way(route, context));
    let mut more = Vec::new();
    if let Some(source) = route.source {
        more.push(format!(
            "with {} as their source if they have none yet",
            ip_text(source)
        ));
    }
    if let Some(mtu) = rare.and_then(|rare| {
        let mtu = rare.metrics.iter().find(|one| one.kind == metric::MTU)?;
        mtu.number()
    }) {
        more.push(format!("no larger than {mtu} bytes"));
    }
    if rare.is_some_and(|rare| rare.encap.is_some()) {
        more.push("wrapped for a tunnel".to_owned());
    }
    for one in &more {
        text.push_str(", ");
        text.push_str(one);
    }
    if let Some(metric) = route.metric.filter(|&metric| metric != 0) {
        text.push_str(&format!("; routes with a metric below {metric} come first"));
    }
    let flags = route.flags;
    if flags & u32::from(hop_flags::DEAD | hop_flags::LINKDOWN) != 0 {
        text.push_str("; it is out of use now, because its link is down");
    }
    if let Some(expires) = rare.and_then(|rare| rare.cache).map(|cache| cache.expires)
        && expires > 0
    {
        text.push_str(&format!("; it expires in {} seconds", expires / 100));
    }
    if rare.is_some_and(|rare| !rare.unknown.is_empty()) {
        text.push_str("; it has attributes that hookscope does not understand");
    }
    format!("{}.", capital(&text))
}

fn way(route: Route<'_>, context: &Context<'_>) -> String {
    let device = |index: u32| (context.device)(index);
    match route.kind {
        RouteKind::Local => return " are for this machine itself".to_owned(),
        RouteKind::Broadcast => {
            return match route.oif {
                Some(oif) => format!(" are broadcast on {}", device(oif)),
                None => " are broadcast".to_owned(),
            };
        }
        RouteKind::Anycast => {
            return " are for this machine as one of several (anycast)".to_owned();
        }
        RouteKind::Blackhole => return " are dropped silently".to_owned(),
        RouteKind::Unreachable => return " are refused as unreachable".to_owned(),
        RouteKind::Prohibit => return " are refused as prohibited".to_owned(),
        RouteKind::Throw => {
            return " are not decided by this table: the next policy rule is asked".to_owned();
        }
        RouteKind::Unicast | RouteKind::Multicast => {}
        _ => return " meet a kind of route that hookscope does not understand".to_owned(),
    }
    let verb = match route.kind {
        RouteKind::Multicast => "are multicast",
        _ => "go",
    };
    if let Some(id) = route.nexthop {
        return format!(" {verb} the way of the next hop object {id}");
    }
    let hops = route.hops();
    if !hops.is_empty() {
        let total: u32 = hops.iter().map(|hop| hop.weight).sum();
        let words: Vec<String> = hops
            .iter()
            .map(|hop| {
                let way = hop_way(hop, context);
                format!("{way} ({} in {total})", hop.weight)
            })
            .collect();
        return format!(
            " are shared among {} ways: {verb} {}",
            hops.len(),
            either(&words, "or")
        );
    }
    let one = RouteHop {
        oif: route.oif.unwrap_or(0),
        gateway: route.gateway,
        via: route.via().cloned(),
        ..RouteHop::default()
    };
    format!(" {verb} {}", hop_way(&one, context))
}

/// `by eth0 to the gateway 192.0.2.1`
fn hop_way(hop: &RouteHop, context: &Context<'_>) -> String {
    let mut text = match hop.oif {
        0 => "by a device that is not named".to_owned(),
        oif => format!("by {}", (context.device)(oif)),
    };
    let gateway = hop.gateway.or_else(|| hop.via.as_ref()?.ip());
    match (gateway, &hop.via) {
        (Some(gateway), _) => text.push_str(&format!(" to the gateway {}", ip_text(gateway))),
        (None, Some(_)) => text.push_str(" to a gateway of another address family"),
        (None, None) => text.push_str(" straight to their destination"),
    }
    text
}

fn prefix(prefix: Prefix) -> String {
    match prefix.is_host() {
        true => ip_text(prefix.address),
        false => format!("{}/{}", ip_text(prefix.address), prefix.length),
    }
}

/// `Packets from 10.0.0.0/8 are looked up in the table main.`
pub fn policy_rule(rule: &PolicyRule, context: &Context<'_>) -> String {
    let conditions = selectors(rule, context);
    let who = match (conditions.is_empty(), rule.has(rule_flags::INVERT)) {
        (true, false) => "all packets".to_owned(),
        (true, true) => "no packets at all".to_owned(),
        (false, false) => format!("packets {}", conditions.join(" ")),
        (false, true) => format!("packets other than those {}", conditions.join(" ")),
    };
    let detached = rule.has(rule_flags::IIF_DETACHED) || rule.has(rule_flags::OIF_DETACHED);
    let mut text = format!("{who} {}", target(rule, context));
    if let Some(realms) = rule.realms {
        text.push_str(&format!(
            ", and count for the realm {}",
            context.names.realm(realms & 0xffff)
        ));
    }
    if detached {
        text.push_str("; the rule sleeps, because the device does not exist");
    }
    if !rule.unknown.is_empty() {
        text.push_str("; it has selectors that hookscope does not understand");
    }
    format!("{}.", capital(&text))
}

fn selectors(rule: &PolicyRule, context: &Context<'_>) -> Vec<String> {
    let names = context.names;
    let mut words = Vec::new();
    match (rule.src, rule.src_len) {
        (Some(src), _) => words.push(format!("from {}", prefix(src))),
        (None, 0) => {}
        (None, length) => words.push(format!("from the first addresses of length /{length}")),
    }
    match (rule.dst, rule.dst_len) {
        (Some(dst), _) => words.push(format!("to {}", prefix(dst))),
        (None, 0) => {}
        (None, length) => words.push(format!("to the first addresses of length /{length}")),
    }
    match rule.iif.as_deref() {
        Some("lo") => words.push("that this machine sends itself".to_owned()),
        Some(name) => words.push(format!("arriving on {name}")),
        None => {}
    }
    if let Some(name) = &rule.oif {
        words.push(format!("of sockets bound to {name}"));
    }
    if let Some(protocol) = rule.ipproto {
        let name = names.ip_protocol(protocol);
        let name = name.strip_prefix("ipproto-").unwrap_or(&name).to_owned();
        words.push(format!("of {}", protocol_name(&name)));
    }
    if let Some(range) = rule.sport {
        words.push(format!("from {}", ports(range)));
    }
    if let Some(range) = rule.dport {
        words.push(format!("to {}", ports(range)));
    }
    let mark = rule.mark.unwrap_or(0);
    match (rule.mark, rule.mask) {
        (None, None) => {}
        (_, Some(mask)) if mask != u32::MAX => {
            words.push(format!("whose mark, masked with {mask:#x}, is {mark:#x}"));
        }
        _ => words.push(format!("whose mark is {mark:#x}")),
    }
    if rule.tos != 0 {
        words.push(format!("whose type of service is {}", names.tos(rule.tos)));
    }
    if let Some(dscp) = rule.dscp {
        let mask = rule.dscp_mask.filter(|&mask| mask != 0x3f);
        words.push(match mask {
            Some(mask) => format!("whose DSCP, masked with {mask:#x}, is {dscp:#x}"),
            None => format!("whose DSCP is {dscp}"),
        });
    }
    if let Some(label) = rule.flow_label {
        let mask = rule.flow_label_mask.filter(|&mask| mask != 0xf_ffff);
        words.push(match mask {
            Some(mask) => format!("whose flow label, masked with {mask:#x}, is {label:#x}"),
            None => format!("whose flow label is {label:#x}"),
        });
    }
    if let Some(uid) = rule.uid {
        words.push(match uid.start == uid.end {
            true => format!("of user {}", uid.start),
            false => format!("of users {} to {}", uid.start, uid.end),
        });
    }
    if let Some(id) = rule.tunnel {
        words.push(format!("with the tunnel id {id}"));
    }
    if rule.l3mdev.is_some_and(|value| value != 0) {
        words.push("of devices in a VRF".to_owned());
    }
    words
}

fn ports(range: PortRange) -> String {
    if range.start != range.end {
        return format!("ports {} to {}", range.start, range.end);
    }
    let port = match service(range.start) {
        Some(name) => format!("port {} ({name})", range.start),
        None => format!("port {}", range.start),
    };
    match range.mask.filter(|&mask| mask != u16::MAX) {
        Some(mask) => format!("{port}, masked with {mask:#x}"),
        None => port,
    }
}

fn target(rule: &PolicyRule, context: &Context<'_>) -> String {
    match rule.action {
        RuleAction::Lookup => {
            let mut text = if rule.l3mdev.is_some_and(|value| value != 0) {
                "are looked up in the table of that VRF".to_owned()
            } else {
                format!(
                    "are looked up in the table {}",
                    context.names.table(rule.table)
                )
            };
            if let Some(length) = rule.suppress_prefix_length.filter(|&length| length != -1) {
                text.push_str(&match length {
                    0 => ", but not by its default route".to_owned(),
                    length => format!(", but only by routes longer than /{length}"),
                });
            }
            if let Some(group) = rule.suppress_group.filter(|&group| group != -1) {
                let name = context.names.group(group.cast_unsigned());
                text.push_str(&format!(", but not by devices of the group {name}"));
            }
            text
        }
        RuleAction::Goto(Some(to)) if rule.has(rule_flags::UNRESOLVED) => {
            format!("would go on at priority {to}, where there is no rule: nothing happens")
        }
        RuleAction::Goto(Some(to)) => format!("go on at the rule of priority {to}"),
        RuleAction::Goto(None) => "go on at a rule that is not named".to_owned(),
        RuleAction::Nop => "go on to the next rule".to_owned(),
        RuleAction::Blackhole => "are dropped silently".to_owned(),
        RuleAction::Unreachable => "are refused as unreachable".to_owned(),
        RuleAction::Prohibit => "are refused as prohibited".to_owned(),
        RuleAction::Unknown(action) => {
            format!("meet the action {action}, which hookscope does not understand")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::route::Names;
    use crate::model::Name;
    use crate::model::network::{RouteBody, RouteMetric, RouteRare, UidRange};
    use std::net::IpAddr;

    fn told(read: impl FnOnce(&Context<'_>) -> String) -> String {
        let names = Names::built_in();
        let device = |index: u32| Name::from(format!("eth{index}"));
        read(&Context {
            names: &names,
            device: &device,
            one_table: false,
        })
    }

    fn route_told(length: u8, change: impl FnOnce(&mut RouteBody)) -> String {
        let mut body = RouteBody::new(FibFamily::Ip4, 254);
        change(&mut body);
        let route = Route {
            destination: Prefix::new(IpAddr::from([10, 0, 0, 0]), length),
            body: &body,
        };
        told(|context| super::route(route, context))
    }

    #[test]
    fn routes() {
        let gateway = Some(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(
            route_told(8, |body| (body.oif, body.gateway) = (Some(0), gateway)),
            "Packets to 10.0.0.0/8 go by a device that is not named to the gateway 192.0.2.1."
        );
        assert_eq!(
            route_told(0, |body| {
                (body.oif, body.gateway, body.metric) = (Some(1), gateway, Some(9));
                body.rare = Some(Box::new(RouteRare {
                    metrics: vec![RouteMetric {
                        kind: metric::MTU,
                        value: 1400u32.to_ne_bytes().to_vec(),
                    }],
                    ..RouteRare::default()
                }));
            }),
            "IPv4 packets that no other route of the table fits go by eth1 to the gateway 192.0.2.1, \
             no larger than 1400 bytes; routes with a metric below 9 come first."
        );
        assert_eq!(
            route_told(32, |body| body.kind = RouteKind::Throw),
            "Packets to 10.0.0.0 are not decided by this table: the next policy rule is asked."
        );
        assert_eq!(
            route_told(8, |body| {
                let hop = |oif, weight| RouteHop {
                    oif,
                    weight,
                    ..RouteHop::default()
                };
                body.rare = Some(Box::new(RouteRare {
                    hops: vec![hop(1, 1), hop(2, 3)],
                    ..RouteRare::default()
                }));
            }),
            "Packets to 10.0.0.0/8 are shared among 2 ways: go by eth1 straight to their destination (1 in 4) \
             or by eth2 straight to their destination (3 in 4)."
        );
    }

    #[test]
    fn rules() {
        let mut rule = PolicyRule::new(2);
        rule.table = 254;
        assert_eq!(
            told(|context| policy_rule(&rule, context)),
            "All packets are looked up in the table main."
        );
        rule.src = Some(Prefix::new(IpAddr::from([10, 0, 0, 0]), 8));
        rule.iif = Some("lo".into());
        (rule.mark, rule.mask) = (Some(5), Some(255));
        rule.uid = Some(UidRange { start: 7, end: 7 });
        rule.suppress_prefix_length = Some(0);
        assert_eq!(
            told(|context| policy_rule(&rule, context)),
            "Packets from 10.0.0.0/8 that this machine sends itself whose mark, masked with 0xff, is 0x5 of user 7 \
             are looked up in the table main, but not by its default route."
        );
        rule.flags = rule_flags::INVERT;
        rule.action = RuleAction::Prohibit;
        let text = told(|context| policy_rule(&rule, context));
        assert!(
            text.starts_with("Packets other than those from 10.0.0.0/8"),
            "{text}"
        );
        assert!(text.ends_with("are refused as prohibited."), "{text}");
    }
}
