//! `RTM_NEWROUTE`: `struct rtmsg` and `RTA_*` in `linux/rtnetlink.h`.
//!
//! A message is split once ([`RouteMessage`]); everything but its destination is decoded only when it
//! was not seen before ([`BodyCache`]), which makes a table of a million routes cheap to read and print.

use super::{ip, split};
use crate::kernel::netlink::{Attr, Attrs, DecodeError};
use crate::model::network::{
    CacheInfo, Encap, FibFamily, OwnedRoute, Prefix, RawAttribute, RawRoute, RouteBody, RouteHop,
    RouteKind, RouteMetric, RouteRare, Via,
};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::net::IpAddr;

pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_SRC: u16 = 2;
pub(super) const RTA_IIF: u16 = 3;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_PRIORITY: u16 = 6;
pub(super) const RTA_PREFSRC: u16 = 7;
pub(super) const RTA_METRICS: u16 = 8;
pub(super) const RTA_MULTIPATH: u16 = 9;
pub(super) const RTA_FLOW: u16 = 11;
pub(super) const RTA_CACHEINFO: u16 = 12;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const RTA_MARK: u16 = 16;
pub(super) const RTA_VIA: u16 = 18;
pub(super) const RTA_NEWDST: u16 = 19;
pub(super) const RTA_PREF: u16 = 20;
pub(super) const RTA_ENCAP_TYPE: u16 = 21;
pub(super) const RTA_ENCAP: u16 = 22;
pub(super) const RTA_PAD: u16 = 24;
pub(super) const RTA_UID: u16 = 25;
pub(super) const RTA_TTL_PROPAGATE: u16 = 26;
pub(super) const RTA_NH_ID: u16 = 30;

/// Length of `struct rtmsg`.
pub(super) const HEADER: usize = 12;
const NEXTHOP_HEADER: usize = 8;

/// The payload of a route message, split.
#[derive(Clone, Copy, Debug)]
pub struct RouteMessage<'a> {
    header: &'a [u8; HEADER],
    attributes: &'a [u8],
    /// Offset behind the destination attribute, and its payload.
    destination: Option<(usize, &'a [u8])>,
    table: u32,
}

impl<'a> RouteMessage<'a> {
    pub fn split(payload: &'a [u8]) -> Result<RouteMessage<'a>, DecodeError> {
        let (header, attributes) = split::<HEADER>(payload)?;
        let [_, _, _, _, table, ..] = *header;
        let mut message = RouteMessage {
            header,
            attributes,
            destination: None,
            table: u32::from(table),
        };
        // The kernel writes the table and the destination first; other attributes need not be visited.
        let mut attrs = Attrs::new(attributes);
        let (mut table_seen, mut offset) = (false, 0);
        let [_, destination_length, ..] = *header;
        while !table_seen || (message.destination.is_none() && destination_length != 0) {
            let Some(attr) = attrs.next() else {
                break;
            };
            let attr = attr?;
            offset += (4 + attr.payload.len()).next_multiple_of(4);
            match attr.kind {
                RTA_TABLE => {
                    message.table = attr.ne32()?;
                    table_seen = true;
                }
                RTA_DST => message.destination = Some((offset, attr.payload)),
                _ => {}
            }
        }
        Ok(message)
    }

    /// `AF_*`
    pub fn family(&self) -> u8 {
        let [family, ..] = *self.header;
        family
    }

    pub fn table(&self) -> u32 {
        self.table
    }

    /// Answers to lookups and cached exceptions, not routes of a table.
    pub fn is_cloned(&self) -> bool {
        let [.., f0, f1, f2, f3] = *self.header;
        u32::from_ne_bytes([f0, f1, f2, f3]) & crate::model::network::route_flags::CLONED != 0
    }

    /// IPv4 and IPv6; others are left to [`RouteMessage::raw`].
    pub fn fib_family(&self) -> Option<FibFamily> {
        FibFamily::from_wire(self.family())
    }

    pub fn destination(&self, family: FibFamily) -> Result<Prefix, DecodeError> {
        let [_, length, ..] = *self.header;
        match self.destination {
            Some((_, bytes)) => family_ip(family, RTA_DST, bytes)
                .map(|address| Prefix::new(address, length.min(family.bits()))),
            None => Ok(Prefix {
                length: length.min(family.bits()),
                ..family.any()
            }),
        }
    }

    /// Everything but the destination: equal for routes that have equal bodies.
    fn write_key(&self, key: &mut Vec<u8>) {
        key.clear();
        let [family, _, rest @ ..] = *self.header;
        key.push(family);
        key.extend_from_slice(&rest);
        match self.destination {
            Some((end, bytes)) => {
                let start = end - (4 + bytes.len()).next_multiple_of(4).min(end);
                key.extend_from_slice(self.attributes.get(..start).unwrap_or_default());
                key.extend_from_slice(self.attributes.get(end..).unwrap_or_default());
            }
            None => key.extend_from_slice(self.attributes),
        }
    }

    /// Decode everything but the destination.
    pub fn body(&self, family: FibFamily) -> Result<RouteBody, DecodeError> {
        let [
            _,
            _,
            from_length,
            tos,
            _,
            protocol,
            scope,
            kind,
            f0,
            f1,
            f2,
            f3,
        ] = *self.header;
        let mut body = RouteBody {
            tos,
            kind: RouteKind::from_wire(kind),
            scope,
            protocol,
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            ..RouteBody::new(family, self.table)
        };
        let mut rare = RouteRare::default();
        if from_length != 0 {
            rare.from = Some(Prefix {
                length: from_length,
                ..family.any()
            });
        }
        for attr in Attrs::new(self.attributes) {
            decode_attribute(family, from_length, attr?, &mut body, &mut rare)?;
        }
        if rare != RouteRare::default() {
            body.rare = Some(Box::new(rare));
        }
        Ok(body)
    }

    /// The message undecoded.
    pub fn raw(&self) -> Result<RawRoute, DecodeError> {
        let mut attributes = Vec::new();
        for attr in Attrs::new(self.attributes) {
            attributes.push(raw(attr?));
        }
        Ok(RawRoute {
            family: self.family(),
            header: self.header.to_vec(),
            attributes,
        })
    }
}

/// Decode the payload of `RTM_NEWROUTE` or `RTM_DELROUTE` of IPv4 or IPv6.
pub fn decode_route(payload: &[u8]) -> Result<OwnedRoute, DecodeError> {
    let message = RouteMessage::split(payload)?;
    let family = message.fib_family().ok_or(DecodeError::UnknownValue {
        kind: 0,
        value: u64::from(message.family()),
    })?;
    Ok(OwnedRoute {
        destination: message.destination(family)?,
        body: message.body(family)?,
    })
}

fn raw(attr: Attr<'_>) -> RawAttribute {
    RawAttribute {
        kind: attr.kind,
        payload: attr.payload.to_vec(),
    }
}

/// An address of the route's own family.
fn family_ip(family: FibFamily, kind: u16, bytes: &[u8]) -> Result<IpAddr, DecodeError> {
    let address = ip(kind, bytes)?;
    if FibFamily::of(address) == family {
        return Ok(address);
    }
    Err(DecodeError::Length {
        kind,
        length: bytes.len(),
        expected: usize::from(family.bits() / 8),
    })
}

fn decode_attribute(
    family: FibFamily,
    from_length: u8,
    attr: Attr<'_>,
    body: &mut RouteBody,
    rare: &mut RouteRare,
) -> Result<(), DecodeError> {
    let address = |attr: Attr<'_>| family_ip(family, attr.kind, attr.payload);
    match attr.kind {
        RTA_DST | RTA_TABLE | RTA_PAD => {}
        RTA_SRC => rare.from = Some(Prefix::new(address(attr)?, from_length)),
        RTA_IIF => rare.iif = Some(attr.ne32()?),
        RTA_OIF => body.oif = Some(attr.ne32()?),
        RTA_GATEWAY => body.gateway = Some(address(attr)?),
        RTA_PRIORITY => body.metric = Some(attr.ne32()?),
        RTA_PREFSRC => body.source = Some(address(attr)?),
        RTA_METRICS => {
            for metric in attr.nested() {
                let metric = metric?;
                rare.metrics.push(RouteMetric {
                    kind: metric.kind,
                    value: metric.payload.to_vec(),
                });
            }
        }
        RTA_MULTIPATH => rare.hops = decode_hops(family, attr.payload)?,
        RTA_FLOW => rare.realms = Some(attr.ne32()?),
        RTA_CACHEINFO => rare.cache = Some(decode_cache(attr)?),
        RTA_MARK => rare.mark = Some(attr.ne32()?),
        RTA_VIA => rare.via = Some(decode_via(attr)?),
        RTA_NEWDST => rare.new_destination = Some(ByteBuf::from(attr.payload)),
        RTA_PREF => rare.pref = Some(attr.u8()?),
        RTA_ENCAP_TYPE => encap(&mut rare.encap).kind = attr.ne16()?,
        RTA_ENCAP => encap(&mut rare.encap).attributes = attr.payload.to_vec(),
        RTA_UID => rare.uid = Some(attr.ne32()?),
        RTA_TTL_PROPAGATE => rare.ttl_propagate = Some(attr.u8()?),
        RTA_NH_ID => body.nexthop = Some(attr.ne32()?),
        _ => rare.unknown.push(raw(attr)),
    }
    Ok(())
}

fn encap(slot: &mut Option<Encap>) -> &mut Encap {
    slot.get_or_insert_with(|| Encap {
        kind: 0,
        attributes: Vec::new(),
    })
}

/// `struct rtvia`
fn decode_via(attr: Attr<'_>) -> Result<Via, DecodeError> {
    let (&family, address) = attr
        .payload
        .split_first_chunk::<2>()
        .ok_or(DecodeError::ShortMessage(attr.payload.len()))?;
    Ok(Via {
        family: u16::from_ne_bytes(family),
        address: address.to_vec(),
    })
}

/// `struct rta_cacheinfo`
fn decode_cache(attr: Attr<'_>) -> Result<CacheInfo, DecodeError> {
    let mut words = attr.payload.chunks_exact(4).map(|chunk| {
        <[u8; 4]>::try_from(chunk)
            .map(u32::from_ne_bytes)
            .unwrap_or(0)
    });
    let mut next = || {
        words.next().ok_or(DecodeError::Length {
            kind: RTA_CACHEINFO,
            length: attr.payload.len(),
            expected: 32,
        })
    };
    Ok(CacheInfo {
        clntref: next()?,
        lastuse: next()?,
        expires: next()?.cast_signed(),
        error: next()?,
        used: next()?,
        id: next()?,
        ts: next()?,
        tsage: next()?,
    })
}

/// A sequence of `struct rtnexthop`, each with attributes.
fn decode_hops(family: FibFamily, bytes: &[u8]) -> Result<Vec<RouteHop>, DecodeError> {
    let mut hops = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (&[l0, l1, flags, weight, i0, i1, i2, i3], _) = split::<NEXTHOP_HEADER>(rest)?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(attributes) = rest.get(NEXTHOP_HEADER..length) else {
            return Err(DecodeError::Truncated {
                offset: bytes.len() - rest.len(),
                length,
                left: rest.len(),
            });
        };
        let mut hop = RouteHop {
            oif: u32::from_ne_bytes([i0, i1, i2, i3]),
            flags,
            weight: u32::from(weight) + 1,
            ..RouteHop::default()
        };
        for attr in Attrs::new(attributes) {
            let attr = attr?;
            match attr.kind {
                RTA_GATEWAY => hop.gateway = Some(family_ip(family, attr.kind, attr.payload)?),
                RTA_VIA => hop.via = Some(decode_via(attr)?),
                RTA_FLOW => hop.realms = Some(attr.ne32()?),
                RTA_NEWDST => hop.new_destination = Some(ByteBuf::from(attr.payload)),
                RTA_ENCAP_TYPE => encap(&mut hop.encap).kind = attr.ne16()?,
                RTA_ENCAP => encap(&mut hop.encap).attributes = attr.payload.to_vec(),
                RTA_PAD => {}
                _ => hop.unknown.push(raw(attr)),
            }
        }
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

/// Remembers what was made of the bodies seen, by their bytes.
#[derive(Debug, Default)]
pub struct BodyCache<T> {
    places: HashMap<Box<[u8]>, usize>,
    made: Vec<T>,
    key: Vec<u8>,
}

/// Tables in which every route is different must not fill the memory with keys.
const CACHED_BODIES: usize = 1 << 16;

impl<T> BodyCache<T> {
    pub fn new() -> BodyCache<T> {
        BodyCache {
            places: HashMap::new(),
            made: Vec::new(),
            key: Vec::new(),
        }
    }

    /// Where to find what `make` made of this body, now or before. Good until the next call.
    pub fn place<E>(
        &mut self,
        message: &RouteMessage<'_>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<usize, E> {
        message.write_key(&mut self.key);
        if let Some(&place) = self.places.get(self.key.as_slice()) {
            return Ok(place);
        }
        if self.made.len() >= CACHED_BODIES {
            self.places.clear();
            self.made.clear();
        }
        self.made.push(make()?);
        let place = self.made.len() - 1;
        self.places.insert(self.key.as_slice().into(), place);
        Ok(place)
    }

    pub fn get(&self, place: usize) -> Option<&T> {
        self.made.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    fn payload() -> Vec<u8> {
        let mut attributes = AttrWriter::new();
        attributes
            .ne32(RTA_TABLE, 1000)
            .put(RTA_DST, &[10, 1, 0, 0])
            .ne32(RTA_PRIORITY, 7)
            .put(
                RTA_VIA,
                &[10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            )
            .nest(RTA_METRICS, |metrics| {
                metrics.ne32(2, 1400);
            })
            .put(
                RTA_MULTIPATH,
                &[16, 0, 4, 1, 3, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 1],
            )
            .put(77, b"later");
        let mut payload = vec![2, 16, 0, 0, 252, 4, 0, 1, 0, 0, 0, 0];
        payload.extend_from_slice(attributes.as_bytes());
        payload
    }

    #[test]
    fn reads_what_few_routes_have() {
        let route = decode_route(&payload()).unwrap();
        assert_eq!(route.destination.to_string(), "10.1.0.0/16");
        assert_eq!((route.body.table, route.body.metric), (1000, Some(7)));
        let rare = route.body.rare.unwrap();
        assert_eq!(rare.hops[0].gateway, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!((rare.hops[0].weight, rare.hops[0].oif), (2, 3));
        assert_eq!(rare.metrics[0].number(), Some(1400));
        assert_eq!(rare.unknown[0].payload, b"later");
        assert!(rare.via.unwrap().ip().is_some());
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let good = payload();
        for end in 0..good.len() {
            let _ = decode_route(&good[..end]);
            for value in [0u8, 1, 3, 4, 255] {
                let mut bad = good.clone();
                bad[end] = value;
                let _ = decode_route(&bad);
                if let Ok(message) = RouteMessage::split(&bad) {
                    message.write_key(&mut Vec::new());
                    let _ = message.raw();
                }
            }
        }
    }

    #[test]
    fn equal_bodies_are_made_once() {
        let mut cache = BodyCache::new();
        let mut made = 0;
        for last in 0..4u8 {
            let mut payload = payload();
            // The destination follows the table.
            payload[12 + 8 + 4 + 3] = last;
            let message = RouteMessage::split(&payload).unwrap();
            let place = cache.place(&message, || {
                made += 1;
                Ok::<i32, DecodeError>(made)
            });
            assert_eq!(cache.get(place.unwrap()), Some(&1));
        }
    }
}
