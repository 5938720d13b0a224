//! One route in iproute2's words: what `ip route show` and `ip route get` print.

use super::address::{bytes_text, family_name, ip_text, labels_text};
use super::out::Out;
use super::{Context, encap};
use crate::model::network::{
    CacheInfo, FibFamily, Prefix, RawRoute, Route, RouteBody, RouteHop, RouteKind, RouteMetric,
    RouteRare, Via, hop_flags, metric, route_flags, table,
};
use std::fmt::Write;

/// What stands before and behind the destination: equal for routes with equal bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteText {
    pub head: String,
    pub tail: String,
}

impl RouteText {
    pub fn new(body: &RouteBody, context: &Context<'_>, json: bool) -> RouteText {
        let mut out = Out::new(json);
        head(&mut out, body);
        if json {
            out.string("dst", "", "", "");
            let mut head = out.take();
            // The value follows, in quotes of its own.
            head.truncate(head.len().saturating_sub(2));
            tail(&mut out, body, context);
            return RouteText {
                head,
                tail: out.take(),
            };
        }
        let head = out.take();
        tail(&mut out, body, context);
        RouteText {
            head,
            tail: out.take(),
        }
    }

    /// Append the whole line (text) or object (JSON) to `to`.
    pub fn write(&self, destination: Prefix, json: bool, to: &mut String) {
        to.push_str(&self.head);
        if json {
            to.push('"');
        }
        write_destination(destination, to);
        to.push(if json { '"' } else { ' ' });
        to.push_str(&self.tail);
    }
}

/// The destination as iproute2 writes it: `default`, an address, or a prefix.
fn write_destination(destination: Prefix, to: &mut String) {
    if destination.length == 0 {
        to.push_str("default");
        return;
    }
    // Writing to a String cannot fail.
    let _ = match destination.address {
        std::net::IpAddr::V4(address) => write!(to, "{address}"),
        address => to.write_str(&ip_text(address)),
    };
    if !destination.is_host() {
        let _ = write!(to, "/{}", destination.length);
    }
}

/// One route, in the form of `out`.
pub fn route(out: &mut Out, route: Route<'_>, context: &Context<'_>) {
    head(out, route.body);
    let mut destination = String::new();
    write_destination(route.destination, &mut destination);
    out.string("dst", "", &destination, " ");
    tail(out, route.body, context);
}

/// One route as a line of text, without the line feed.
pub fn route_line(one: Route<'_>, context: &Context<'_>) -> String {
    let mut out = Out::new(false);
    route(&mut out, one, context);
    let mut line = out.take();
    line.truncate(line.trim_end_matches('\n').len());
    line
}

/// A route of a family that is not decoded: its number and its attributes in hexadecimal.
pub fn other_route(out: &mut Out, route: &RawRoute) {
    out.open_object(None);
    out.number("family", "family ", route.family, " ");
    for attribute in &route.attributes {
        unknown(out, attribute.kind, &attribute.payload);
    }
    out.text('\n');
    out.close_object();
}

fn head(out: &mut Out, body: &RouteBody) {
    out.open_object(None);
    if body.kind != RouteKind::Unicast {
        out.string("type", "", &kind_name(body.kind), " ");
    }
}

pub(super) fn kind_name(kind: RouteKind) -> String {
    match kind {
        RouteKind::Unspec => "none",
        RouteKind::Unicast => "unicast",
        RouteKind::Local => "local",
        RouteKind::Broadcast => "broadcast",
        RouteKind::Anycast => "anycast",
        RouteKind::Multicast => "multicast",
        RouteKind::Blackhole => "blackhole",
        RouteKind::Unreachable => "unreachable",
        RouteKind::Prohibit => "prohibit",
        RouteKind::Throw => "throw",
        RouteKind::Nat => "nat",
        RouteKind::Xresolve => "xresolve",
        RouteKind::Unknown(value) => return value.to_string(),
    }
    .to_owned()
}

fn tail(out: &mut Out, body: &RouteBody, context: &Context<'_>) {
    let none = RouteRare::default();
    let rare = body.rare.as_deref().unwrap_or(&none);
    let names = context.names;
    if let Some(from) = rare.from {
        let mut text = String::new();
        match (from.length, from.is_host()) {
            (_, true) => text = ip_text(from.address),
            (length, false) if from == from_any(body.family, length) => {
                let _ = write!(text, "0/{length}");
            }
            (length, false) => {
                let _ = write!(text, "{}/{length}", ip_text(from.address));
            }
        }
        out.string("from", "from ", &text, " ");
    }
    if let Some(id) = body.nexthop {
        out.number("nhid", "nhid ", id, " ");
    }
    if let Some(bytes) = &rare.new_destination {
        new_destination(out, body.family, bytes);
    }
    if let Some(tunnel) = &rare.encap {
        encap::print(out, tunnel, context);
    }
    if body.tos != 0 {
        out.string("tos", "tos ", &names.tos(body.tos), " ");
    }
    if let Some(gateway) = body.gateway {
        out.string("gateway", "via ", &ip_text(gateway), " ");
    }
    if let Some(gateway) = &rare.via {
        via(out, gateway);
    }
    if let Some(index) = body.oif {
        out.string("dev", "dev ", &(context.device)(index), " ");
    }
    if body.table != 0 && body.table != table::MAIN && !context.one_table {
        out.string("table", "table ", &names.table(body.table), " ");
    }
    if !body.is_cloned() {
        const BOOT: u8 = 3;
        if body.protocol != BOOT {
            out.string("protocol", "proto ", &names.protocol(body.protocol), " ");
        }
        if body.scope != 0 {
            out.string("scope", "scope ", &names.scope(body.scope), " ");
        }
    }
    if let Some(source) = body.source {
        out.string("prefsrc", "src ", &ip_text(source), " ");
    }
    if let Some(metric) = body.metric {
        out.number("metric", "metric ", metric, " ");
    }
    flags(out, body.flags);
    match rare.mark {
        Some(0) | None => {}
        Some(mark) if out.is_json() => out.number("mark", "", mark, ""),
        Some(mark) if mark >= 16 => out.text(format_args!("mark 0x{mark:x} ")),
        Some(mark) => out.text(format_args!("mark {mark} ")),
    }
    if let Some(value) = rare.realms {
        realms(out, value, context);
    }
    if let Some(uid) = rare.uid {
        out.number("uid", "uid ", uid, " ");
    }
    if body.family == FibFamily::Ip4 && body.is_cloned() {
        cache_flags(out, body.flags);
    }
    if let Some(info) = &rare.cache {
        cache(out, info);
    }
    if !rare.metrics.is_empty() {
        metrics(out, &rare.metrics);
    }
    if let Some(index) = rare.iif {
        out.string("iif", "iif ", &(context.device)(index), " ");
    }
    match rare.pref {
        None => {}
        Some(0) => out.string("pref", "pref ", "medium", ""),
        Some(1) => out.string("pref", "pref ", "high", ""),
        Some(3) => out.string("pref", "pref ", "low", ""),
        Some(other) => out.number("pref", "", other, ""),
    }
    if let Some(propagate) = rare.ttl_propagate {
        // iproute2's own spelling.
        let word = if propagate != 0 {
            "enabled"
        } else {
            "disabled"
        };
        out.boolean("ttl-propogate", propagate != 0);
        out.text(format_args!("ttl-propogate {word}"));
    }
    for attribute in &rare.unknown {
        unknown(out, attribute.kind, &attribute.payload);
    }
    if !rare.hops.is_empty() {
        hops(out, body, &rare.hops, context);
    }
    out.text('\n');
    out.close_object();
}

fn from_any(family: FibFamily, length: u8) -> Prefix {
    Prefix {
        length,
        ..family.any()
    }
}

/// An attribute that has no words: its number and bytes.
fn unknown(out: &mut Out, kind: u16, payload: &[u8]) {
    let bytes: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    if out.is_json() {
        out.string(&format!("attribute_{kind}"), "", &bytes, "");
    } else {
        out.text(format_args!("attribute {kind} 0x{bytes} "));
    }
}

fn new_destination(out: &mut Out, family: FibFamily, bytes: &[u8]) {
    let family = match family {
        FibFamily::Ip4 => 2,
        FibFamily::Ip6 => 10,
    };
    out.string("to", "as to ", &bytes_text(family, bytes), " ");
}

fn via(out: &mut Out, gateway: &Via) {
    let address = match gateway.family {
        28 => labels_text(&gateway.address),
        family => bytes_text(family, &gateway.address),
    };
    out.open_object(Some("via"));
    out.string("family", "via ", family_name(gateway.family), " ");
    out.string("host", "", &address, " ");
    out.close_object();
}

/// Flags of routes and next hops, in iproute2's order.
#[rustfmt::skip]
const FLAGS: [(u32, &str); 11] = [
    (hop_flags::DEAD as u32,        "dead"),
    (hop_flags::ONLINK as u32,      "onlink"),
    (hop_flags::PERVASIVE as u32,   "pervasive"),
    (hop_flags::OFFLOAD as u32,     "offload"),
    (hop_flags::TRAP as u32,        "trap"),
    (route_flags::NOTIFY,           "notify"),
    (hop_flags::LINKDOWN as u32,    "linkdown"),
    (hop_flags::UNRESOLVED as u32,  "unresolved"),
    (route_flags::OFFLOAD,          "rt_offload"),
    (route_flags::TRAP,             "rt_trap"),
    (route_flags::OFFLOAD_FAILED,   "rt_offload_failed"),
];

fn flags(out: &mut Out, flags: u32) {
    out.open_array(Some("flags"));
    for (flag, name) in FLAGS {
        if flags & flag != 0 {
            out.element(name, " ");
        }
    }
    out.close_array();
}

fn realms(out: &mut Out, value: u32, context: &Context<'_>) {
    let (from, to) = (value >> 16, value & 0xffff);
    out.open_object(Some("flow"));
    out.text(if from != 0 { "realms " } else { "realm " });
    if from != 0 {
        out.string("from", "", &context.names.realm(from), "/");
    }
    out.string("to", "", &context.names.realm(to), " ");
    out.close_object();
}

/// `RTCF_*` in `linux/in_route.h`, in iproute2's order.
#[rustfmt::skip]
const CACHE_FLAGS: [(u32, &str); 14] = [
    (0x8000_0000, "local"),
    (0x4000_0000, "reject"),
    (0x2000_0000, "mc"),
    (0x1000_0000, "brd"),
    (0x0800_0000, "dst-nat"),
    (0x0080_0000, "src-nat"),
    (0x0040_0000, "masq"),
    (0x0002_0000, "dst-direct"),
    (0x0400_0000, "src-direct"),
    (0x0004_0000, "redirected"),
    (0x0100_0000, "redirect"),
    (0x0020_0000, "fastroute"),
    (0x0001_0000, "notify"),
    (0x0008_0000, "proxy"),
];

fn cache_flags(out: &mut Out, flags: u32) {
    let mut left = flags & !0xffff;
    out.open_array(Some("cache"));
    out.text("\n    cache ");
    if left != 0 {
        out.text('<');
    }
    for (flag, name) in CACHE_FLAGS {
        if left & flag != 0 {
            left &= !flag;
            out.element(name, if left != 0 { "," } else { "> " });
        }
    }
    if left != 0 {
        out.element(&format!("{left:x}"), ">");
    }
    out.close_array();
}

fn cache(out: &mut Out, info: &CacheInfo) {
    /// Clock ticks a second that the kernel counts in towards user space, whatever its own rate.
    const USER_HZ: i32 = 100;
    if info.expires != 0 {
        out.number("expires", "expires ", info.expires / USER_HZ, "sec ");
    }
    if info.error != 0 {
        out.number("error", "error ", info.error, " ");
    }
    if info.id != 0 {
        if out.is_json() {
            out.hex("ipid", "", u64::from(info.id), "");
        } else {
            out.text(format_args!("ipid 0x{:04x} ", info.id));
        }
    }
    if info.ts != 0 || info.tsage != 0 {
        if out.is_json() {
            out.hex("ts", "", u64::from(info.ts), "");
        } else {
            out.text(format_args!("ts 0x{:x}", info.ts));
        }
        out.number("tsage", "tsage ", info.tsage, "sec ");
    }
}

/// `RTAX_*` by number.
const METRICS: [&str; 18] = [
    "",
    "lock",
    "mtu",
    "window",
    "rtt",
    "rttvar",
    "ssthresh",
    "cwnd",
    "advmss",
    "reordering",
    "hoplimit",
    "initcwnd",
    "features",
    "rto_min",
    "initrwnd",
    "quickack",
    "congctl",
    "fastopen_no_cookie",
];

fn metrics(out: &mut Out, metrics: &[RouteMetric]) {
    let value_of = |kind: u16| metrics.iter().rev().find(|metric| metric.kind == kind);
    let locks = value_of(metric::LOCK)
        .and_then(RouteMetric::number)
        .unwrap_or(0);
    let last = metrics.iter().map(|metric| metric.kind).max().unwrap_or(0);
    out.open_array(Some("metrics"));
    out.open_object(None);
    for kind in metric::MTU..=last.max(metric::FASTOPEN_NO_COOKIE) {
        let present = value_of(kind);
        let locked = locks.checked_shr(u32::from(kind)).unwrap_or(0) & 1 != 0;
        if present.is_none() && !locked {
            continue;
        }
        let value = present.and_then(RouteMetric::number).unwrap_or(0);
        if kind == metric::HOPLIMIT && value == u32::MAX {
            continue;
        }
        let known = METRICS.get(usize::from(kind)).copied();
        match known {
            Some(name) => out.text(format_args!("{name} ")),
            None => out.text(format_args!("metric {kind} ")),
        }
        if locked {
            out.text("lock ");
        }
        let key = known.map_or_else(|| format!("metric_{kind}"), str::to_owned);
        match kind {
            metric::FEATURES => features(out, value),
            metric::RTT => time(out, &key, value / 8),
            metric::RTTVAR => time(out, &key, value / 4),
            metric::RTO_MIN => time(out, &key, value),
            metric::CC_ALGO => {
                let bytes = present.map_or(&[][..], |metric| &metric.value);
                let name = crate::model::text::name_from_bytes(bytes);
                out.string("congestion", "", &name, " ");
            }
            _ => out.number(&key, "", value, " "),
        }
    }
    out.close_object();
    out.close_array();
}

fn features(out: &mut Out, features: u32) {
    const ECN: u32 = 1;
    if features & ECN != 0 {
        out.word("ecn", "ecn ");
    }
    if features & !ECN != 0 {
        out.hex("features", "", u64::from(features), " ");
    }
}

/// `value` in milliseconds.
fn time(out: &mut Out, key: &str, value: u32) {
    if out.is_json() {
        out.number(key, "", value, "");
    } else if value >= 1000 {
        out.text(format_args!("{}s ", general(f64::from(value) / 1e3)));
    } else {
        out.text(format_args!("{value}ms "));
    }
}

/// C's `%g`: six significant digits, no trailing zeros, an exponent from a million on.
fn general(value: f64) -> String {
    let exponential = format!("{value:.5e}");
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or(0);
        let fixed = format!("{value:.places$}");
        return trim_zeros(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(digits), exponent.abs())
}

fn trim_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

fn hops(out: &mut Out, body: &RouteBody, hops: &[RouteHop], context: &Context<'_>) {
    let multicast = body.is_cloned() && body.kind == RouteKind::Multicast;
    out.open_array(Some("nexthops"));
    for (place, hop) in hops.iter().enumerate() {
        out.open_object(None);
        match (multicast, place) {
            (false, _) => out.text("\n\tnexthop "),
            (true, 0) => out.text("Oifs: "),
            (true, _) => out.text(' '),
        }
        if let Some(tunnel) = &hop.encap {
            encap::print(out, tunnel, context);
        }
        if let Some(bytes) = &hop.new_destination {
            new_destination(out, body.family, bytes);
        }
        if let Some(gateway) = hop.gateway {
            out.string("gateway", "via ", &ip_text(gateway), " ");
        }
        if let Some(gateway) = &hop.via {
            via(out, gateway);
        }
        if let Some(value) = hop.realms {
            realms(out, value, context);
        }
        for attribute in &hop.unknown {
            unknown(out, attribute.kind, &attribute.payload);
        }
        let device = (context.device)(hop.oif);
        if multicast {
            out.string("dev", "", &device, "");
            if hop.weight != 2 {
                out.number("ttl", "(ttl>", hop.weight.saturating_sub(1), ")");
            }
            out.text(' ');
        } else {
            out.string("dev", "dev ", &device, " ");
            out.number("weight", "weight ", hop.weight, " ");
        }
        flags(out, u32::from(hop.flags));
        out.close_object();
    }
    out.close_array();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_like_c() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (4294967.295, "4.29497e+06"),
            (999999.5, "1e+06"),
            (12345.678, "12345.7"),
        ] {
            assert_eq!(general(value), text);
        }
    }
}
