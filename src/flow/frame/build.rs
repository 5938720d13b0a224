//! Packets from the fields of a question.

use super::Skb;
use super::checksum::{finish, put_checksum, sum};
use crate::flow::packet::{
    ETH_P_IP, ETH_P_IPV6, IPPROTO_DCCP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP,
    IPPROTO_UDP, IPPROTO_UDPLITE, Question, QuestionError,
};
use std::net::IpAddr;

/// Make the packet that a question's fields describe.
pub fn build(question: &Question, src: IpAddr, dst: IpAddr) -> Result<Skb, QuestionError> {
    let v6 = dst.is_ipv6();
    let proto = question.proto.unwrap_or(match question.fragment {
        _ if question.sport.is_some() => IPPROTO_TCP,
        _ if v6 => IPPROTO_ICMPV6,
        _ => IPPROTO_ICMP,
    });
    let later = question
        .fragment
        .is_some_and(|fragment| fragment.offset > 0);
    let mut body = if later {
        question.payload.clone()
    } else {
        transport(question, proto, v6)
    };
    let head = if v6 { 40 } else { 20 };
    let extra = if v6 && question.fragment.is_some() {
        8
    } else {
        0
    };
    let natural = head + extra + body.len();
    if let Some(length) = question.length {
        let wanted = length as usize;
        if wanted > 65_535 {
            return Err(QuestionError::TooLong(wanted));
        }
        if wanted < head + extra {
            return Err(QuestionError::Length {
                given: length,
                needed: natural,
                least: head + extra,
            });
        }
        // Longer: more payload. Shorter: a packet that was cut off.
        body.resize(wanted - head - extra, 0);
    } else if natural > 65_535 {
        return Err(QuestionError::TooLong(natural));
    }
    let len = (body.len() as u16).to_be_bytes();
    if !later
        && matches!(proto, IPPROTO_UDP)
        && let Some(place) = body.get_mut(4..6)
    {
        place.copy_from_slice(&len);
    }
    if !later {
        put_checksum(&mut body, src, dst, proto);
    }
    let ttl = question.ttl.unwrap_or(64);
    let tos = question.dscp << 2;
    let mut data = Vec::with_capacity(head + extra + body.len());
    match (src, dst) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            let fragment = question.fragment.map_or(0, |fragment| {
                (fragment.offset & 0x1fff) | if fragment.more { 0x2000 } else { 0 }
            });
            let total = (head + body.len()) as u16;
            data.extend([0x45, tos]);
            data.extend(total.to_be_bytes());
            data.extend([0, 1]);
            data.extend(fragment.to_be_bytes());
            data.extend([ttl, proto, 0, 0]);
            data.extend(s.octets());
            data.extend(d.octets());
            let check = finish(sum(&data, 0));
            if let Some(place) = data.get_mut(10..12) {
                place.copy_from_slice(&check.to_be_bytes());
            }
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            data.extend((0x6000_0000u32 | u32::from(tos) << 20).to_be_bytes());
            data.extend(((extra + body.len()) as u16).to_be_bytes());
            data.extend([if extra > 0 { 44 } else { proto }, ttl]);
            data.extend(s.octets());
            data.extend(d.octets());
            if let Some(fragment) = question.fragment {
                data.extend([proto, 0]);
                data.extend(((fragment.offset << 3) | u16::from(fragment.more)).to_be_bytes());
                data.extend([0, 0, 0, 1]);
            }
        }
        _ => {}
    }
    data.extend(body);
    Ok(Skb {
        data,
        protocol: if v6 { ETH_P_IPV6 } else { ETH_P_IP },
        ..Skb::default()
    })
}

/// Transport header and payload, without a checksum.
fn transport(question: &Question, proto: u8, v6: bool) -> Vec<u8> {
    let (sport, dport) = (question.sport.unwrap_or(0), question.dport.unwrap_or(0));
    let mut out = Vec::new();
    let ports = |out: &mut Vec<u8>| {
        out.extend(sport.to_be_bytes());
        out.extend(dport.to_be_bytes());
    };
    let icmp = |out: &mut Vec<u8>, request: u8| {
        let kind = question.icmp_type.unwrap_or(request);
        out.extend([kind, question.icmp_code.unwrap_or(0), 0, 0, 0, 0, 0, 1]);
    };
    match proto {
        IPPROTO_TCP => {
            ports(&mut out);
            let flags = question.tcp_flags.unwrap_or(2);
            out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        }
        IPPROTO_UDP | IPPROTO_UDPLITE => {
            ports(&mut out);
            out.extend([0, 0, 0, 0]);
        }
        IPPROTO_SCTP => {
            ports(&mut out);
            out.extend([0; 8]);
        }
        IPPROTO_DCCP => {
            ports(&mut out);
            out.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        }
        IPPROTO_ICMP if !v6 => icmp(&mut out, 8),
        IPPROTO_ICMPV6 if v6 => icmp(&mut out, 128),
        _ => {}
    }
    out.extend(&question.payload);
    out
}
