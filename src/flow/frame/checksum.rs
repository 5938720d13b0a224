//! Checksums: of the Internet, and CRC-32C of SCTP.

use crate::flow::packet::{
    IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
};
use std::net::IpAddr;

/// The Internet checksum of some bytes, added to a start value; not yet folded and inverted.
pub(super) fn sum(bytes: &[u8], start: u32) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut total = start;
    for pair in pairs {
        total = fold(total + u32::from(u16::from_be_bytes(*pair)));
    }
    if let [last] = rest {
        total = fold(total + (u32::from(*last) << 8));
    }
    total
}

fn fold(total: u32) -> u32 {
    (total & 0xffff) + (total >> 16)
}

pub(super) fn finish(total: u32) -> u16 {
    !(fold(fold(total)) as u16)
}

fn pseudo(src: IpAddr, dst: IpAddr, proto: u8, len: usize) -> u32 {
    let start = fold(u32::from(proto) + (len as u32 & 0xffff) + (len as u32 >> 16));
    match (src, dst) {
        (IpAddr::V4(s), IpAddr::V4(d)) => sum(&d.octets(), sum(&s.octets(), start)),
        (IpAddr::V6(s), IpAddr::V6(d)) => sum(&d.octets(), sum(&s.octets(), start)),
        _ => start,
    }
}

pub(super) fn checksum_place(proto: u8, v6: bool) -> Option<usize> {
    match proto {
        IPPROTO_TCP => Some(16),
        IPPROTO_UDP | IPPROTO_UDPLITE => Some(6),
        IPPROTO_ICMP if !v6 => Some(2),
        IPPROTO_ICMPV6 if v6 => Some(2),
        _ => None,
    }
}

pub(super) fn l4_sum(body: &[u8], src: IpAddr, dst: IpAddr, proto: u8) -> u32 {
    let start = match proto {
        IPPROTO_ICMP => 0,
        _ => pseudo(src, dst, proto, body.len()),
    };
    sum(body, start)
}

pub(super) fn put_checksum(body: &mut [u8], src: IpAddr, dst: IpAddr, proto: u8) {
    let Some(place) = checksum_place(proto, src.is_ipv6()) else {
        return;
    };
    if body.len() < place + 2 {
        return;
    }
    let value = match finish(l4_sum(body, src, dst, proto)) {
        0 if proto != IPPROTO_ICMP => 0xffff,
        value => value,
    };
    if let Some(place) = body.get_mut(place..place + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// CRC-32C of the packet with the checksum field as zeros, stored with the low byte first.
pub(super) fn sctp_good(body: &[u8]) -> bool {
    let mut crc = u32::MAX;
    for (place, byte) in body.iter().enumerate() {
        let byte = if (8..12).contains(&place) { 0 } else { *byte };
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    body.get(8..12) == Some(&(!crc).to_le_bytes()[..])
}
