//! The choice of a mapping for a new flow: address by hash, port as it is or drawn (`get_unique_tuple`).

use super::{Manip, Range, range_flags};
use crate::flow::conntrack::Tuple;
use crate::flow::jhash::jhash2;
use crate::flow::packet::{IPPROTO_ICMP, IPPROTO_ICMPV6, has_ports};
use crate::flow::path::Walk;
use std::net::IpAddr;

fn in_addresses(address: IpAddr, range: &Range) -> bool {
    match (range.min, range.max) {
        (Some(min), Some(max)) => min <= address && address <= max,
        _ => true,
    }
}

/// `l4proto_in_range`
fn in_ports(tuple: &Tuple, manip: Manip, range: &Range) -> bool {
    let port = match tuple.proto {
        IPPROTO_ICMP | IPPROTO_ICMPV6 => tuple.sport,
        proto if has_ports(proto) => match manip {
            Manip::Source => tuple.sport,
            Manip::Destination => tuple.dport,
        },
        _ => return true,
    };
    (range.min_port..=range.max_port).contains(&port)
}

fn in_range(tuple: &Tuple, range: &Range) -> bool {
    let address = range.flags & range_flags::MAP_IPS == 0 || in_addresses(tuple.src, range);
    address
        && (range.flags & range_flags::PROTO_SPECIFIED == 0
            || in_ports(tuple, Manip::Source, range))
}

impl Walk<'_, '_> {
    /// Another flow's answers look like the answers to this tuple would.
    fn is_taken(&self, tuple: &Tuple) -> bool {
        let Some((reply, own)) = tuple.invert().zip(self.entry.as_deref()) else {
            return false;
        };
        let Some((place, _)) = self.sim.flows.find(&reply, own.zone) else {
            return false;
        };
        // Two packets of one flow that race are one flow.
        let same = self.sim.flows.flow(place);
        same.is_some_and(|flow| Tuple::from_model(&flow.original) != own.original)
    }

    /// `get_unique_tuple`
    pub(super) fn unique_tuple(&mut self, current: &Tuple, range: &Range, manip: Manip) -> Tuple {
        let random = range.flags & range_flags::RANDOM_ALL != 0;
        if manip == Manip::Source && !random {
            if in_range(current, range) {
                if !self.is_taken(current) {
                    return *current;
                }
            } else if let Some(tuple) = self.earlier_choice(current, range)
                && !self.is_taken(&tuple)
            {
                return tuple;
            }
        }
        let mut tuple = *current;
        if range.flags & range_flags::MAP_IPS != 0 {
            self.choose_address(&mut tuple, range, manip);
        }
        if !random {
            if range.flags & range_flags::PROTO_SPECIFIED != 0 {
                if range.flags & range_flags::PROTO_OFFSET == 0
                    && in_ports(&tuple, manip, range)
                    && (range.min_port == range.max_port || !self.is_taken(&tuple))
                {
                    return tuple;
                }
            } else if !self.is_taken(&tuple) {
                return tuple;
            }
        }
        self.choose_port(&mut tuple, range, manip);
        tuple
    }

    /// `find_appropriate_src`: a mapping that the same source has already.
    fn earlier_choice(&self, current: &Tuple, range: &Range) -> Option<Tuple> {
        let zone = self.entry.as_deref()?.zone;
        self.sim
            .flows
            .from_source(current.src, current.proto, current.sport)
            .filter(|flow| flow.zone.unwrap_or(0) == zone)
            .find_map(|flow| {
                let mapped = Tuple::from_model(&flow.reply).invert()?;
                let tuple = Tuple {
                    dst: current.dst,
                    dport: current.dport,
                    ..mapped
                };
                in_range(&tuple, range).then_some(tuple)
            })
    }

    /// `find_best_ips_proto`: a hash of both addresses chooses, always the same.
    fn choose_address(&self, tuple: &mut Tuple, range: &Range, manip: Manip) {
        let (Some(min), Some(max)) = (range.min, range.max) else {
            return;
        };
        let chosen = if min == max {
            min
        } else {
            let zone = self.entry.as_deref().map_or(0, |entry| entry.zone);
            hashed_address(tuple, min, max, range.flags, zone)
        };
        match manip {
            Manip::Source => tuple.src = chosen,
            Manip::Destination => tuple.dst = chosen,
        }
    }

    /// `nf_nat_l4proto_unique_tuple`. Where the kernel draws lots the port stays, and that is noted.
    fn choose_port(&mut self, tuple: &mut Tuple, range: &Range, manip: Manip) {
        let icmp = matches!(tuple.proto, IPPROTO_ICMP | IPPROTO_ICMPV6);
        if !icmp && !has_ports(tuple.proto) {
            return;
        }
        let specified = range.flags & range_flags::PROTO_SPECIFIED != 0;
        if !icmp && !specified && manip == Manip::Destination {
            return;
        }
        let source = icmp || manip == Manip::Source;
        let port = if source { tuple.sport } else { tuple.dport };
        let (min, size) = match (specified, icmp) {
            (true, _) => {
                let low = range.min_port.min(range.max_port);
                let high = range.min_port.max(range.max_port);
                (low, u32::from(high - low) + 1)
            }
            (false, true) => (0, 65_536),
            (false, false) if port < 512 => (1, 511),
            (false, false) if port < 1024 => (600, 424),
            (false, false) => (1024, 64_512),
        };
        let mut put = |value: u16| {
            if source {
                tuple.sport = value;
            } else {
                tuple.dport = value;
            }
        };
        if range.flags & range_flags::PROTO_OFFSET != 0 {
            let offset = u32::from(port.wrapping_sub(range.base_port));
            put(min.wrapping_add((offset % size) as u16));
            return;
        }
        if size == 1 {
            put(min);
            return;
        }
        self.unknown_port = true;
        let last = u32::from(min) + size - 1;
        self.note(|| format!("the port is drawn at random from {min} to {last}"));
        if specified && !(u32::from(min)..=last).contains(&u32::from(port)) {
            put(min);
        }
    }
}

/// An address as words in network order; IPv4 ones have one.
fn address_words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(a) => [u32::from_ne_bytes(a.octets()), 0, 0, 0],
        IpAddr::V6(a) => {
            let bits = a.to_bits();
            [96, 64, 32, 0].map(|shift| ((bits >> shift) as u32).to_be())
        }
    }
}

fn hashed_address(tuple: &Tuple, min: IpAddr, max: IpAddr, flags: u32, zone: u16) -> IpAddr {
    let source = address_words(tuple.src);
    let destination = address_words(tuple.dst);
    let v4 = tuple.src.is_ipv4();
    let persistent = flags & range_flags::PERSISTENT != 0;
    let [first, .., last] = destination;
    let start = match (persistent, v4) {
        (true, _) => 0,
        (false, true) => first ^ u32::from(zone),
        (false, false) => last ^ u32::from(zone),
    };
    let mut hash = jhash2(&source, start);
    // Once a word is not the largest, those behind it may be anything.
    let mut full = false;
    let bounds = address_words(min).into_iter().zip(address_words(max));
    let mut bounds = bounds.zip(destination);
    let out: [u32; 4] = std::array::from_fn(|_| {
        let Some(((min, max), destination)) = bounds.next() else {
            return 0;
        };
        let (low, distance) = if full {
            (0, u32::MAX)
        } else {
            let (low, high) = (u32::from_be(min), u32::from_be(max));
            (low, high.wrapping_sub(low).wrapping_add(1))
        };
        let scaled = ((u64::from(hash) * u64::from(distance)) >> 32) as u32;
        let chosen = low.wrapping_add(scaled).to_be();
        full |= chosen != max;
        if !persistent {
            hash ^= destination;
        }
        chosen
    });
    let [first, ..] = out;
    if v4 {
        IpAddr::V4(first.to_ne_bytes().into())
    } else {
        let words = out.map(u32::from_be);
        let number = words
            .iter()
            .fold(0, |all, word| all << 32 | u128::from(*word));
        IpAddr::V6(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple() -> Tuple {
        Tuple {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            proto: 6,
            sport: 4000,
            dport: 80,
        }
    }

    #[test]
    fn ranges() {
        let range = Range {
            flags: range_flags::MAP_IPS | range_flags::PROTO_SPECIFIED,
            min: Some("10.0.0.1".parse().unwrap()),
            max: Some("10.0.0.9".parse().unwrap()),
            min_port: 4000,
            max_port: 4001,
            base_port: 0,
        };
        assert!(in_range(&tuple(), &range));
        assert!(!in_range(
            &Tuple {
                sport: 4002,
                ..tuple()
            },
            &range
        ));
        assert!(!in_range(
            &Tuple {
                src: "10.0.0.10".parse().unwrap(),
                ..tuple()
            },
            &range
        ));
        let chosen = hashed_address(&tuple(), range.min.unwrap(), range.max.unwrap(), 0, 0);
        assert!(in_addresses(chosen, &range));
    }
}
