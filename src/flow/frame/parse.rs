//! Frames taken apart.

use super::checksum::{checksum_place, finish, l4_sum, sctp_good, sum};
use super::{Checksums, Link, Skb};
use crate::flow::packet::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, IPPROTO_SCTP, IPPROTO_UDP};

/// Take an Ethernet frame apart.
pub fn parse(bytes: &[u8]) -> Result<Skb, String> {
    let short = || {
        format!(
            "a frame has 14 bytes of header, this has {} in all",
            bytes.len()
        )
    };
    let (destination, rest) = bytes.split_first_chunk::<6>().ok_or_else(short)?;
    let (source, rest) = rest.split_first_chunk::<6>().ok_or_else(short)?;
    let (protocol, mut rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let mut protocol = u16::from_be_bytes(*protocol);
    let mut vlan = None;
    if matches!(protocol, ETH_P_8021Q | ETH_P_8021AD) {
        let (tag, behind) = rest
            .split_first_chunk::<4>()
            .ok_or("the frame ends inside its VLAN tag")?;
        let [a, b, c, d] = *tag;
        vlan = Some((protocol, u16::from_be_bytes([a, b])));
        protocol = u16::from_be_bytes([c, d]);
        rest = behind;
    }
    let mut skb = Skb {
        data: rest.to_vec(),
        mac: Some(Link {
            destination: *destination,
            source: *source,
            protocol,
        }),
        vlan,
        protocol,
        ..Skb::default()
    };
    skb.checksums = verify(&skb);
    Ok(skb)
}

fn verify(skb: &Skb) -> Checksums {
    let mut found = Checksums::default();
    let (Some(src), Some(dst)) = (skb.src(), skb.dst()) else {
        return found;
    };
    let end = match skb.protocol {
        ETH_P_IP => {
            let header = skb.v4_header_len();
            if let Some(bytes) = skb.data.get(..header) {
                found.bad_ip = finish(sum(bytes, 0)) != 0;
            }
            usize::from(skb.u16_at(2).unwrap_or(0))
        }
        _ => 40 + usize::from(skb.u16_at(4).unwrap_or(0)),
    };
    let l4 = skb.l4();
    let body = skb.data.get(l4.offset..end.min(skb.data.len()));
    let (true, 0, Some(body)) = (l4.known, l4.fragment, body) else {
        return found;
    };
    if l4.proto == IPPROTO_SCTP {
        found.bad_l4 = body.len() >= 12 && !sctp_good(body);
        return found;
    }
    let Some(place) = checksum_place(l4.proto, skb.is_v6()) else {
        return found;
    };
    let Some(stored) = body.get(place..place + 2) else {
        return found;
    };
    if l4.proto == IPPROTO_UDP && stored == [0, 0] {
        return found;
    }
    found.bad_l4 = finish(l4_sum(body, src, dst, l4.proto)) != 0;
    found
}
