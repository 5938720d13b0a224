//! Names of routing numbers: the machine's own, or those that iproute2 has when nobody has changed them.

use crate::model::Names;
use crate::model::network::{FibFamily, RouteKind, scope, table};
use std::borrow::Cow;

/// `rt_protos`
#[rustfmt::skip]
const PROTOCOLS: &[(u8, &str)] = &[
    (0, "unspec"), (1, "redirect"), (2, "kernel"), (3, "boot"), (4, "static"), (8, "gated"), (9, "ra"), (10, "mrt"), (11, "zebra"),
    (12, "bird"), (13, "dnrouted"), (14, "xorp"), (15, "ntk"), (16, "dhcp"), (17, "mrouted"), (18, "keepalived"), (42, "babel"),
    (84, "ovn"), (99, "openr"), (186, "bgp"), (187, "isis"), (188, "ospf"), (189, "rip"), (192, "eigrp"),
];

pub fn protocol(names: &Names, value: u8) -> Cow<'_, str> {
    if let Some(name) = names.route_protocols.get(&u32::from(value)) {
        return name.into();
    }
    let row = PROTOCOLS.iter().find(|(number, _)| *number == value);
    row.map_or_else(|| value.to_string().into(), |(_, name)| (*name).into())
}

pub fn scope_name(names: &Names, value: u8) -> Cow<'_, str> {
    if let Some(name) = names.route_scopes.get(&u32::from(value)) {
        return name.into();
    }
    match value {
        scope::UNIVERSE => "global".into(),
        scope::SITE => "site".into(),
        scope::LINK => "link".into(),
        scope::HOST => "host".into(),
        scope::NOWHERE => "nowhere".into(),
        other => other.to_string().into(),
    }
}

pub fn table_name(names: &Names, id: u32) -> Cow<'_, str> {
    if let Some(name) = names.route_tables.get(&id) {
        return name.into();
    }
    match id {
        table::DEFAULT => "default".into(),
        table::MAIN => "main".into(),
        table::LOCAL => "local".into(),
        other => other.to_string().into(),
    }
}

/// main, local, default, then the rest.
pub fn table_order(id: u32) -> u8 {
    match id {
        table::MAIN => 0,
        table::LOCAL => 2,
        table::DEFAULT => 3,
        _ => 1,
    }
}

pub fn family(family: FibFamily) -> &'static str {
    match family {
        FibFamily::Ip4 => "IPv4",
        FibFamily::Ip6 => "IPv6",
    }
}

pub fn kind(kind: RouteKind) -> Cow<'static, str> {
    match kind {
        RouteKind::Unspec => "unspec".into(),
        RouteKind::Unicast => "unicast".into(),
        RouteKind::Local => "local".into(),
        RouteKind::Broadcast => "broadcast".into(),
        RouteKind::Anycast => "anycast".into(),
        RouteKind::Multicast => "multicast".into(),
        RouteKind::Blackhole => "blackhole".into(),
        RouteKind::Unreachable => "unreachable".into(),
        RouteKind::Prohibit => "prohibit".into(),
        RouteKind::Throw => "throw".into(),
        RouteKind::Nat => "nat".into(),
        RouteKind::Xresolve => "xresolve".into(),
        RouteKind::Unknown(value) => value.to_string().into(),
    }
}
