//! Names of routing numbers, as the picture brings them.

use crate::model::Names;
use crate::model::network::{FibFamily, RouteKind, table};
use std::borrow::Cow;

pub fn protocol(names: &Names, value: u8) -> Cow<'_, str> {
    names.routing.protocol(value)
}

pub fn scope_name(names: &Names, value: u8) -> Cow<'_, str> {
    names.routing.scope(value)
}

pub fn table_name(names: &Names, id: u32) -> Cow<'_, str> {
    names.routing.table(id)
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
