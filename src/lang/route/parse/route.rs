//! The words of `ip route add` and its kin.

use super::ParseContext;
use super::encap::encap;
use super::metrics::{self, Metrics};
use super::value::{self, Result};
use super::words::{Keyword, Words, keyword, names_of};
use crate::lang::route::number;
use crate::model::network::{
    CacheInfo, ChangeAction, FibFamily, OwnedRoute, RawAttribute, RouteBody, RouteHop, RouteKind,
    RouteRare, Via, hop_flags, scope, table,
};
use serde_bytes::ByteBuf;
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Src,
    As,
    Via,
    From,
    Tos,
    Expires,
    Metric,
    Scope,
    /// A metric with its number on the wire.
    RouteMetric(u16),
    Realms,
    Onlink,
    Nexthop,
    Nhid,
    Protocol,
    Table,
    Vrf,
    Device,
    Pref,
    Encap,
    TtlPropagate,
}

/// In iproute2's order; `true` where the beginning of a word is enough.
#[rustfmt::skip]
const KEYS: &[Keyword<Key>] = &[
    ("src", false, Key::Src), ("as", false, Key::As), ("via", false, Key::Via), ("from", false, Key::From),
    ("tos", false, Key::Tos), ("dsfield", true, Key::Tos), ("expires", false, Key::Expires),
    ("metric", true, Key::Metric), ("priority", true, Key::Metric), ("preference", false, Key::Metric),
    ("scope", false, Key::Scope), ("mtu", false, Key::RouteMetric(2)), ("hoplimit", false, Key::RouteMetric(10)),
    ("advmss", false, Key::RouteMetric(8)), ("reordering", true, Key::RouteMetric(9)),
    ("rtt", false, Key::RouteMetric(4)), ("rto_min", false, Key::RouteMetric(13)),
    ("window", true, Key::RouteMetric(3)), ("cwnd", true, Key::RouteMetric(7)),
    ("initcwnd", true, Key::RouteMetric(11)), ("initrwnd", true, Key::RouteMetric(14)),
    ("features", true, Key::RouteMetric(12)), ("quickack", true, Key::RouteMetric(15)),
    ("congctl", true, Key::RouteMetric(16)), ("rttvar", true, Key::RouteMetric(5)),
    ("ssthresh", true, Key::RouteMetric(6)), ("realms", true, Key::Realms), ("onlink", false, Key::Onlink),
    ("nexthop", false, Key::Nexthop), ("nhid", false, Key::Nhid), ("protocol", true, Key::Protocol),
    ("table", true, Key::Table), ("vrf", true, Key::Vrf), ("dev", false, Key::Device), ("oif", false, Key::Device),
    ("pref", true, Key::Pref), ("encap", false, Key::Encap), ("ttl-propagate", false, Key::TtlPropagate),
    ("fastopen_no_cookie", true, Key::RouteMetric(17)),
];

const KINDS: [&str; 10] = [
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "default",
];

/// What was said about the route so far.
struct Reader<'a> {
    context: &'a ParseContext<'a>,
    family: Option<FibFamily>,
    body: RouteBody,
    rare: RouteRare,
    metrics: Metrics,
    destination: Option<Option<crate::model::network::Prefix>>,
    said: Said,
}

#[derive(Default)]
struct Said {
    gateway: bool,
    scope: bool,
    table: bool,
}

/// Read the words after `route add`.
pub(super) fn route(
    action: ChangeAction,
    mut words: Words<'_>,
    context: &ParseContext<'_>,
) -> Result<OwnedRoute> {
    let delete = action == ChangeAction::Delete;
    let mut body = RouteBody::new(FibFamily::Ip4, table::MAIN);
    if delete {
        (body.kind, body.scope) = (RouteKind::Unspec, scope::NOWHERE);
    } else {
        const BOOT: u8 = 3;
        body.protocol = BOOT;
    }
    let mut reader = Reader {
        context,
        family: context.family,
        body,
        rare: RouteRare::default(),
        metrics: Metrics::default(),
        destination: None,
        said: Said::default(),
    };
    while let Some(word) = words.next() {
        match keyword(KEYS, &word.text) {
            Some(Key::Nexthop) => {
                reader.hops(&mut words)?;
                break;
            }
            Some(key) => reader.key(key, &word.text, &mut words)?,
            None => reader.destination(word, &mut words)?,
        }
    }
    reader.finish(delete, &words)
}

impl Reader<'_> {
    fn key(&mut self, key: Key, word: &str, words: &mut Words<'_>) -> Result<()> {
        let context = self.context;
        let (body, rare) = (&mut self.body, &mut self.rare);
        match key {
            Key::Src => body.source = Some(value::address(words, word, &mut self.family)?),
            Key::As => rare.new_destination = Some(new_destination(words, &mut self.family)?),
            Key::Via => {
                if self.said.gateway {
                    return Err(words.missing(
                        "a second 'via' in one route",
                        "'nexthop via ... nexthop via ...' for several gateways",
                    ));
                }
                self.said.gateway = true;
                (body.gateway, rare.via) = gateway(words, &mut self.family)?;
            }
            Key::From => {
                let from = words.value(word, "a prefix")?;
                rare.from = value::prefix(words, from, &mut self.family)?
                    .filter(|prefix| prefix.length != 0);
            }
            Key::Tos => body.tos = value::tos(words, word, context)?,
            Key::Expires => {
                let seconds = value::number32(words, word)?;
                expires(rare, seconds);
            }
            Key::Metric => body.metric = Some(value::number32(words, word)?),
            Key::Scope => {
                body.scope = value::named8(words, word, &context.names.scopes)?;
                self.said.scope = true;
            }
            Key::RouteMetric(kind) => metrics::read(words, word, kind, &mut self.metrics)?,
            Key::Realms => rare.realms = Some(value::realms(words, word, context)?),
            Key::Onlink => body.flags |= u32::from(hop_flags::ONLINK),
            Key::Nhid => body.nexthop = Some(value::number32(words, word)?),
            Key::Protocol => {
                body.protocol = value::named8(words, word, &context.names.protocols)?;
            }
            Key::Table => {
                body.table = value::table(words, word, context)?;
                self.said.table = true;
            }
            Key::Vrf => {
                body.table = value::vrf_table(words, word, context)?;
                self.said.table = true;
            }
            Key::Device => body.oif = Some(value::device(words, word, context)?),
            Key::Pref => rare.pref = Some(router_preference(words, word)?),
            Key::Encap => rare.encap = Some(encap(words, context)?),
            Key::TtlPropagate => {
                let read = |text: &str| {
                    let table = [("enabled", true, 1), ("disabled", true, 0)];
                    keyword(&table, text)
                };
                let value = value::value(words, word, "'enabled' or 'disabled'", read)?;
                rare.ttl_propagate = Some(value);
            }
            Key::Nexthop => {}
        }
        Ok(())
    }

    /// What is no keyword: `[to] [TYPE] PREFIX`.
    fn destination(&mut self, word: &super::words::Word, words: &mut Words<'_>) -> Result<()> {
        const EXPECTED: &str = "a destination such as 192.0.2.0/24 or 'default'";
        let mut word = word;
        if word.text == "to" {
            word = words.value("to", EXPECTED)?;
        }
        let numeric = word.text.starts_with(|c: char| c.is_ascii_digit());
        if !numeric && let Some(kind) = value::kind(&word.text) {
            self.body.kind = kind;
            let after = word.text.clone();
            word = words.value(&after, EXPECTED)?;
        }
        if self.destination.is_some() {
            return Err(
                match value::ip(word.text.split('/').next().unwrap_or_default()) {
                    Some(_) => words.wrong(word, "is a second destination", "one destination"),
                    None => {
                        let known = names_of(KEYS).chain(KINDS);
                        words.unknown(
                            word,
                            "is not a word of a route",
                            "via, dev, src, metric, table, proto, scope, mtu, nexthop, ...",
                            known,
                        )
                    }
                },
            );
        }
        match value::prefix(words, word, &mut self.family) {
            Ok(prefix) => self.destination = Some(prefix),
            Err(mut error) => {
                let known = names_of(KEYS).chain(KINDS);
                error.near = crate::lang::near::near(&word.text, known).map(str::to_owned);
                return Err(error);
            }
        }
        Ok(())
    }

    /// `nexthop ... nexthop ...` up to the end; the first `nexthop` has been taken.
    fn hops(&mut self, words: &mut Words<'_>) -> Result<()> {
        if words.peek().is_none() {
            return Err(words.missing("nothing stands after 'nexthop'", "via or dev"));
        }
        loop {
            let hop = self.hop(words)?;
            self.rare.hops.push(hop);
            match words.next() {
                None => return Ok(()),
                Some(word) if word.text == "nexthop" => {}
                Some(word) => {
                    let known = [
                        "via", "dev", "weight", "onlink", "realms", "encap", "nexthop",
                    ];
                    return Err(words.unknown(
                        word,
                        "is not a word of a next hop",
                        "via, dev, weight, onlink, realms, encap, or the next 'nexthop'",
                        known,
                    ));
                }
            }
        }
    }

    fn hop(&mut self, words: &mut Words<'_>) -> Result<RouteHop> {
        let mut hop = RouteHop {
            weight: 1,
            ..RouteHop::default()
        };
        loop {
            match words.peek() {
                Some("via") => {
                    words.next();
                    (hop.gateway, hop.via) = gateway(words, &mut self.family)?;
                }
                Some("dev") => {
                    words.next();
                    hop.oif = value::device(words, "dev", self.context)?;
                }
                Some("weight") => {
                    words.next();
                    let read = |text: &str| number(text).filter(|w| (1..=256).contains(w));
                    hop.weight = value::value(words, "weight", "a number from 1 to 256", read)?;
                }
                Some("onlink") => {
                    words.next();
                    hop.flags |= hop_flags::ONLINK;
                }
                Some("encap") => {
                    words.next();
                    hop.encap = Some(encap(words, self.context)?);
                }
                Some("as") => {
                    words.next();
                    hop.new_destination = Some(new_destination(words, &mut self.family)?);
                }
                Some(other) if !other.is_empty() && "realms".starts_with(other) => {
                    words.next();
                    hop.realms = Some(value::realms(words, "realms", self.context)?);
                }
                _ => return Ok(hop),
            }
        }
    }

    fn finish(self, delete: bool, words: &Words<'_>) -> Result<OwnedRoute> {
        let Some(destination) = self.destination else {
            return Err(words.missing(
                "the destination is missing",
                "a prefix such as 192.0.2.0/24, or 'default'",
            ));
        };
        let family = self.family.unwrap_or(FibFamily::Ip4);
        let (mut body, mut rare) = (self.body, self.rare);
        rare.metrics = self.metrics.finish();
        body.family = family;
        use RouteKind::{Anycast, Broadcast, Local, Multicast, Nat, Unicast, Unspec};
        if !self.said.table && matches!(body.kind, Local | Broadcast | Nat | Anycast) {
            body.table = table::LOCAL;
        }
        if !self.said.scope {
            let reached = self.said.gateway || !rare.hops.is_empty() || body.nexthop.is_some();
            body.scope = match (family, body.kind) {
                (FibFamily::Ip6, _) => scope::UNIVERSE,
                (_, Local | Nat) => scope::HOST,
                (_, Broadcast | Multicast | Anycast) => scope::LINK,
                (_, Unicast | Unspec) if delete => scope::NOWHERE,
                (_, Unicast | Unspec) if !reached => scope::LINK,
                _ => body.scope,
            };
        }
        if rare != RouteRare::default() {
            body.rare = Some(Box::new(rare));
        }
        Ok(OwnedRoute {
            destination: destination.unwrap_or(family.any()),
            body,
        })
    }
}

/// Seconds until the route goes.
fn expires(rare: &mut RouteRare, seconds: u32) {
    const RTA_EXPIRES: u16 = 23;
    const USER_HZ: u32 = 100;
    let ticks = seconds.checked_mul(USER_HZ).map(i32::try_from);
    match ticks {
        Some(Ok(ticks)) => {
            rare.cache = Some(CacheInfo {
                expires: ticks,
                ..CacheInfo::default()
            });
        }
        // More than the kernel can tell about a route.
        _ => rare.unknown.push(RawAttribute {
            kind: RTA_EXPIRES,
            payload: seconds.to_ne_bytes().to_vec(),
        }),
    }
}

/// `[to] ADDRESS` after `as`.
fn new_destination(words: &mut Words<'_>, family: &mut Option<FibFamily>) -> Result<ByteBuf> {
    words.take("to");
    Ok(ByteBuf::from(match value::address(words, "as", family)? {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }))
}

/// `[FAMILY] ADDRESS` after `via`: a gateway of the route's family, or of another one.
fn gateway(
    words: &mut Words<'_>,
    family: &mut Option<FibFamily>,
) -> Result<(Option<IpAddr>, Option<Via>)> {
    /// `AF_*`
    const FAMILIES: [(&str, u16); 5] = [
        ("inet", 2),
        ("inet6", 10),
        ("link", 17),
        ("mpls", 28),
        ("bridge", 7),
    ];
    let named = FAMILIES
        .iter()
        .find(|(name, _)| words.peek() == Some(*name));
    let Some((_, wanted)) = named else {
        let address = value::address(words, "via", family)?;
        return Ok((Some(address), None));
    };
    words.next();
    let mut own = match wanted {
        2 => Some(FibFamily::Ip4),
        10 => Some(FibFamily::Ip6),
        17 => {
            let bytes = value::value(
                words,
                "via link",
                "a link layer address such as 02:00:00:00:00:01",
                value::link_address,
            )?;
            return Ok(via(17, bytes));
        }
        28 => {
            let bytes = value::value(words, "via mpls", "a label stack", value::labels)?;
            return Ok(via(28, bytes));
        }
        _ => {
            return Err(words.missing(
                "a gateway of family 'bridge' does not exist",
                "inet, inet6, link or mpls",
            ));
        }
    };
    let address = value::address(words, "via", &mut own)?;
    if family.is_none_or(|family| Some(family) == own) {
        *family = own;
        return Ok((Some(address), None));
    }
    Ok(match address {
        IpAddr::V4(address) => via(2, address.octets().to_vec()),
        IpAddr::V6(address) => via(10, address.octets().to_vec()),
    })
}

fn via(family: u16, address: Vec<u8>) -> (Option<IpAddr>, Option<Via>) {
    (None, Some(Via { family, address }))
}

/// `ICMPV6_ROUTER_PREF_*`
fn router_preference(words: &mut Words<'_>, word: &str) -> Result<u8> {
    value::value(words, word, "low, medium or high", |text| match text {
        "low" => Some(3),
        "medium" => Some(0),
        "high" => Some(1),
        other => u8::try_from(number(other)?).ok(),
    })
}
