//! Routes: `RTM_NEWROUTE`, `struct rtmsg` and `RTA_*` in `linux/rtnetlink.h`.
//!
//! A route is a destination and a [`RouteBody`]; routes of one table that differ in nothing but the
//! destination share one body, so that a million routes cost 16 bytes each (see [`super::RouteTable`]).

use super::fib::FibFamily;
use super::prefix::Prefix;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::Deref;

/// Numbers of the tables that always exist: `enum rt_class_t`.
pub mod table {
    pub const COMPAT: u32 = 252;
    pub const DEFAULT: u32 = 253;
    pub const MAIN: u32 = 254;
    pub const LOCAL: u32 = 255;
}

/// `enum rt_scope_t`
pub mod scope {
    pub const UNIVERSE: u8 = 0;
    pub const SITE: u8 = 200;
    pub const LINK: u8 = 253;
    pub const HOST: u8 = 254;
    pub const NOWHERE: u8 = 255;
}

/// `RTM_F_*`
pub mod route_flags {
    pub const NOTIFY: u32 = 0x100;
    /// The answer to a lookup, not a route of a table.
    pub const CLONED: u32 = 0x200;
    pub const OFFLOAD: u32 = 0x4000;
    pub const TRAP: u32 = 0x8000;
    pub const OFFLOAD_FAILED: u32 = 0x2000_0000;
}

/// `RTNH_F_*`: of next hops, and of routes with one next hop.
pub mod hop_flags {
    pub const DEAD: u8 = 1;
    pub const PERVASIVE: u8 = 2;
    pub const ONLINK: u8 = 4;
    pub const OFFLOAD: u8 = 8;
    pub const LINKDOWN: u8 = 16;
    pub const UNRESOLVED: u8 = 32;
    pub const TRAP: u8 = 64;
}

/// `RTAX_*`
pub mod metric {
    pub const LOCK: u16 = 1;
    pub const MTU: u16 = 2;
    pub const WINDOW: u16 = 3;
    pub const RTT: u16 = 4;
    pub const RTTVAR: u16 = 5;
    pub const SSTHRESH: u16 = 6;
    pub const CWND: u16 = 7;
    pub const ADVMSS: u16 = 8;
    pub const REORDERING: u16 = 9;
    pub const HOPLIMIT: u16 = 10;
    pub const INITCWND: u16 = 11;
    pub const FEATURES: u16 = 12;
    pub const RTO_MIN: u16 = 13;
    pub const INITRWND: u16 = 14;
    pub const QUICKACK: u16 = 15;
    pub const CC_ALGO: u16 = 16;
    pub const FASTOPEN_NO_COOKIE: u16 = 17;
}

/// What a route does with a packet: `RTN_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RouteKind {
    Unspec,
    Unicast,
    Local,
    Broadcast,
    Anycast,
    Multicast,
    Blackhole,
    Unreachable,
    Prohibit,
    /// Go on with the next policy rule.
    Throw,
    Nat,
    Xresolve,
    Unknown(u8),
}

impl RouteKind {
    const NAMED: [RouteKind; 12] = [
        RouteKind::Unspec,
        RouteKind::Unicast,
        RouteKind::Local,
        RouteKind::Broadcast,
        RouteKind::Anycast,
        RouteKind::Multicast,
        RouteKind::Blackhole,
        RouteKind::Unreachable,
        RouteKind::Prohibit,
        RouteKind::Throw,
        RouteKind::Nat,
        RouteKind::Xresolve,
    ];

    pub fn from_wire(value: u8) -> RouteKind {
        let named = RouteKind::NAMED.get(usize::from(value)).copied();
        named.unwrap_or(RouteKind::Unknown(value))
    }

    pub fn to_wire(self) -> u8 {
        match self {
            RouteKind::Unspec => 0,
            RouteKind::Unicast => 1,
            RouteKind::Local => 2,
            RouteKind::Broadcast => 3,
            RouteKind::Anycast => 4,
            RouteKind::Multicast => 5,
            RouteKind::Blackhole => 6,
            RouteKind::Unreachable => 7,
            RouteKind::Prohibit => 8,
            RouteKind::Throw => 9,
            RouteKind::Nat => 10,
            RouteKind::Xresolve => 11,
            RouteKind::Unknown(value) => value,
        }
    }
}

/// Everything of a route but its destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteBody {
    pub family: FibFamily,
    /// See [`table`].
    pub table: u32,
    /// Matches packets of this type of service only; 0 matches all.
    pub tos: u8,
    pub kind: RouteKind,
    /// See [`scope`].
    pub scope: u8,
    /// Who made the route (`RTPROT_*`, `/etc/iproute2/rt_protos`).
    pub protocol: u8,
    /// See [`route_flags`]; the low byte is that of [`hop_flags`].
    pub flags: u32,
    /// Lower is preferred. Absent counts as 0.
    pub metric: Option<u32>,
    pub gateway: Option<IpAddr>,
    /// Device that packets leave by.
    pub oif: Option<u32>,
    /// Source address of packets that have none yet (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
    /// Next hop object.
    pub nexthop: Option<u32>,
    /// What few routes have.
    pub rare: Option<Box<RouteRare>>,
}

impl RouteBody {
    pub fn new(family: FibFamily, table: u32) -> RouteBody {
        RouteBody {
            family,
            table,
            tos: 0,
            kind: RouteKind::Unicast,
            scope: scope::UNIVERSE,
            protocol: 0,
            flags: 0,
            metric: None,
            gateway: None,
            oif: None,
            source: None,
            nexthop: None,
            rare: None,
        }
    }

    /// The metric as the kernel compares it.
    pub fn metric_value(&self) -> u32 {
        self.metric.unwrap_or(0)
    }

    /// Next hops of a multipath route; empty for others.
    pub fn hops(&self) -> &[RouteHop] {
        self.rare.as_deref().map_or(&[], |rare| &rare.hops)
    }

    /// The gateway is of another family (`via inet6`).
    pub fn via(&self) -> Option<&Via> {
        self.rare.as_deref().and_then(|rare| rare.via.as_ref())
    }

    pub fn is_cloned(&self) -> bool {
        self.flags & route_flags::CLONED != 0
    }
}

/// One route of a table: cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Route<'a> {
    pub destination: Prefix,
    pub body: &'a RouteBody,
}

impl Deref for Route<'_> {
    type Target = RouteBody;

    fn deref(&self) -> &RouteBody {
        self.body
    }
}

impl Route<'_> {
    pub fn to_owned(self) -> OwnedRoute {
        OwnedRoute {
            destination: self.destination,
            body: self.body.clone(),
        }
    }
}

/// A route by itself: of an event, or the answer to a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OwnedRoute {
    pub destination: Prefix,
    pub body: RouteBody,
}

impl OwnedRoute {
    pub fn as_route(&self) -> Route<'_> {
        Route {
            destination: self.destination,
            body: &self.body,
        }
    }
}

/// Attributes of routes that few have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteRare {
    /// Only packets from here (`RTA_SRC`; IPv6 subtrees, answers to lookups).
    pub from: Option<Prefix>,
    pub via: Option<Via>,
    pub hops: Vec<RouteHop>,
    /// In the kernel's order, [`metric::LOCK`] included.
    pub metrics: Vec<RouteMetric>,
    pub encap: Option<Encap>,
    /// Realms: from in the upper, to in the lower 16 bits.
    pub realms: Option<u32>,
    pub cache: Option<CacheInfo>,
    pub mark: Option<u32>,
    pub uid: Option<u32>,
    /// Device of arrival of the lookup that this is the answer to.
    pub iif: Option<u32>,
    /// `ICMPV6_ROUTER_PREF_*`: 0 medium, 1 high, 3 low.
    pub pref: Option<u8>,
    pub ttl_propagate: Option<u8>,
    /// The new destination of an MPLS route: label stack entries or an address.
    pub new_destination: Option<serde_bytes::ByteBuf>,
    /// Attributes that this build does not know, byte for byte.
    pub unknown: Vec<RawAttribute>,
}

/// `struct rtvia`: a gateway with its own family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Via {
    /// `AF_*`
    pub family: u16,
    #[serde(with = "serde_bytes")]
    pub address: Vec<u8>,
}

impl Via {
    pub fn ip(&self) -> Option<IpAddr> {
        match self.family {
            2 => <[u8; 4]>::try_from(&*self.address).ok().map(IpAddr::from),
            10 => <[u8; 16]>::try_from(&*self.address).ok().map(IpAddr::from),
            _ => None,
        }
    }
}

/// One next hop of a multipath route: `struct rtnexthop`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteHop {
    pub oif: u32,
    /// See [`hop_flags`].
    pub flags: u8,
    /// 1 to 65,536: the wire's number plus one.
    pub weight: u32,
    pub gateway: Option<IpAddr>,
    pub via: Option<Via>,
    pub encap: Option<Encap>,
    pub realms: Option<u32>,
    pub new_destination: Option<serde_bytes::ByteBuf>,
    pub unknown: Vec<RawAttribute>,
}

/// One metric of a route: its number ([`metric`]) and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RouteMetric {
    pub kind: u16,
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

impl RouteMetric {
    /// The value as a number, which all but the congestion control algorithm are.
    pub fn number(&self) -> Option<u32> {
        let bytes = <[u8; 4]>::try_from(&*self.value).ok()?;
        Some(u32::from_ne_bytes(bytes))
    }
}

/// Lightweight tunnel: `LWTUNNEL_ENCAP_*` in `linux/lwtunnel.h`, with its attributes byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Encap {
    pub kind: u16,
    #[serde(with = "serde_bytes")]
    pub attributes: Vec<u8>,
}

/// `struct rta_cacheinfo`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CacheInfo {
    pub clntref: u32,
    /// Clock ticks (100 a second).
    pub lastuse: u32,
    /// Clock ticks until the route goes; 0: never. Negative when overdue.
    pub expires: i32,
    /// errno that packets get.
    pub error: u32,
    pub used: u32,
    pub id: u32,
    pub ts: u32,
    pub tsage: u32,
}

/// An attribute that is not understood, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RawAttribute {
    pub kind: u16,
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}
