//! The packet itself: bytes from the network header on, and what the kernel keeps beside them (`struct sk_buff`).
//! Builds packets from questions and takes frames apart. Any bytes are fine: what is too short is `None`.

use super::packet::{
    ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, IPPROTO_AH, IPPROTO_ICMP, IPPROTO_ICMPV6,
    IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, Question, QuestionError, has_ports,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who a frame is for: `PACKET_*` in `linux/if_packet.h`.
pub mod pkt_type {
    pub const HOST: u8 = 0;
    pub const BROADCAST: u8 = 1;
    pub const MULTICAST: u8 = 2;
    pub const OTHERHOST: u8 = 3;
    pub const OUTGOING: u8 = 4;
}

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub destination: [u8; 6],
    pub source: [u8; 6],
    pub protocol: u16,
}

impl Link {
    pub fn bytes(&self) -> [u8; 14] {
        let mut out = [0; 14];
        out[..6].copy_from_slice(&self.destination);
        out[6..12].copy_from_slice(&self.source);
        out[12..].copy_from_slice(&self.protocol.to_be_bytes());
        out
    }
}

/// Where the transport header is: `nft_set_pktinfo_ipv4` and `_ipv6`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L4 {
    /// The protocol is known.
    pub known: bool,
    pub proto: u8,
    /// bytes from the network header
    pub offset: usize,
    /// Not 0: a later fragment.
    pub fragment: u16,
}

/// Checksums of an arriving packet, as conntrack looks at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    pub bad_ip: bool,
    pub bad_l4: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Skb {
    /// From the network header on.
    pub data: Vec<u8>,
    pub mac: Option<Link>,
    /// A tag beside the data: protocol and TCI.
    pub vlan: Option<(u16, u16)>,
    /// EtherType of `data`.
    pub protocol: u16,
    pub mark: u32,
    pub priority: u32,
    /// See [`pkt_type`].
    pub pkt_type: u8,
    pub checksums: Checksums,
}

impl Skb {
    pub fn is_v4(&self) -> bool {
        self.protocol == ETH_P_IP
    }

    pub fn is_v6(&self) -> bool {
        self.protocol == ETH_P_IPV6
    }

    pub fn u8_at(&self, offset: usize) -> Option<u8> {
        self.data.get(offset).copied()
    }

    pub fn u16_at(&self, offset: usize) -> Option<u16> {
        let bytes = self.data.get(offset..offset + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    fn ip4_at(&self, offset: usize) -> Option<Ipv4Addr> {
        let bytes = self.data.get(offset..offset + 4)?;
        <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
    }

    fn ip6_at(&self, offset: usize) -> Option<Ipv6Addr> {
        let bytes = self.data.get(offset..offset + 16)?;
        <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
    }

    pub fn src(&self) -> Option<IpAddr> {
        match self.protocol {
            ETH_P_IP => self.ip4_at(12).map(IpAddr::V4),
            ETH_P_IPV6 => self.ip6_at(8).map(IpAddr::V6),
            _ => None,
        }
    }

    pub fn dst(&self) -> Option<IpAddr> {
        match self.protocol {
            ETH_P_IP => self.ip4_at(16).map(IpAddr::V4),
            ETH_P_IPV6 => self.ip6_at(24).map(IpAddr::V6),
            _ => None,
        }
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(place) = self.data.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    pub fn set_src(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) if self.is_v4() => self.put(12, &a.octets()),
            IpAddr::V6(a) if self.is_v6() => self.put(8, &a.octets()),
            _ => {}
        }
    }

    pub fn set_dst(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) if self.is_v4() => self.put(16, &a.octets()),
            IpAddr::V6(a) if self.is_v6() => self.put(24, &a.octets()),
            _ => {}
        }
    }

    pub fn set_u16(&mut self, offset: usize, value: u16) {
        self.put(offset, &value.to_be_bytes());
    }

    /// Type of service or traffic class, with the ECN bits.
    pub fn tos(&self) -> u8 {
        match self.protocol {
            ETH_P_IP => self.u8_at(1).unwrap_or(0),
            ETH_P_IPV6 => self.u16_at(0).map_or(0, |word| (word >> 4) as u8),
            _ => 0,
        }
    }

    /// The priority that the type of service asks for (`rt_tos2priority`).
    pub fn tos_priority(&self) -> u32 {
        match (self.tos() & 0x1e) >> 1 {
            0..=3 => 0,
            4..=7 => 2,
            8..=11 => 6,
            _ => 4,
        }
    }

    pub fn ttl(&self) -> u8 {
        let offset = if self.is_v4() { 8 } else { 7 };
        self.u8_at(offset).unwrap_or(0)
    }

    pub fn decrease_ttl(&mut self) {
        let offset = if self.is_v4() { 8 } else { 7 };
        if let Some(ttl) = self.data.get_mut(offset) {
            *ttl = ttl.saturating_sub(1);
        }
    }

    pub fn v4_header_len(&self) -> usize {
        self.u8_at(0).map_or(0, |byte| usize::from(byte & 15) * 4)
    }

    /// Don't fragment.
    pub fn is_df(&self) -> bool {
        self.is_v4() && self.u16_at(6).is_some_and(|word| word & 0x4000 != 0)
    }

    /// A fragment that only makes sense with others (`ip_is_fragment`).
    pub fn is_fragment(&self) -> bool {
        match self.protocol {
            ETH_P_IP => self.u16_at(6).is_some_and(|word| word & 0x3fff != 0),
            ETH_P_IPV6 => self
                .find_v6(Some(44))
                .and_then(|found| self.u16_at(found.offset + 2))
                .is_some_and(|word| word & 0xfff9 != 0),
            _ => false,
        }
    }

    /// An IPv6 fragment with more to come whose data is no multiple of 8 bytes: nobody can put it together, and
    /// conntrack lets it pass as it is.
    pub fn is_odd_fragment(&self) -> bool {
        if !self.is_v6() {
            return false;
        }
        let Some(found) = self.find_v6(Some(44)) else {
            return false;
        };
        let more = self
            .u16_at(found.offset + 2)
            .is_some_and(|word| word & 1 != 0);
        let end = 40 + usize::from(self.u16_at(4).unwrap_or(0));
        more && end.saturating_sub(found.offset + 8) % 8 != 0
    }

    /// Where the transport header is, for the IP families.
    pub fn l4(&self) -> L4 {
        match self.protocol {
            ETH_P_IP => L4 {
                known: true,
                proto: self.u8_at(9).unwrap_or(0),
                offset: self.v4_header_len(),
                fragment: self.u16_at(6).unwrap_or(0) & 0x1fff,
            },
            ETH_P_IPV6 => match self.find_v6(None) {
                Some(found) => L4 {
                    known: true,
                    proto: found.header,
                    offset: found.offset,
                    fragment: found.fragment,
                },
                None => L4::default(),
            },
            _ => L4::default(),
        }
    }

    /// The same with the sanity checks of families that see unchecked packets (netdev, bridge).
    pub fn l4_checked(&self) -> L4 {
        let good = match self.protocol {
            ETH_P_IP => {
                let total = usize::from(self.u16_at(2).unwrap_or(0));
                let header = self.v4_header_len();
                self.u8_at(0).is_some_and(|byte| byte >> 4 == 4)
                    && header >= 20
                    && self.data.len() >= total
                    && total >= header
            }
            ETH_P_IPV6 => {
                let payload = usize::from(self.u16_at(4).unwrap_or(0));
                self.u8_at(0).is_some_and(|byte| byte >> 4 == 6)
                    && self.data.len() >= 40
                    && payload + 40 <= self.data.len()
            }
            _ => false,
        };
        if good { self.l4() } else { L4::default() }
    }

    /// `ipv6_find_hdr`: walk the extension headers to one, or to the transport header.
    pub fn find_v6(&self, target: Option<u8>) -> Option<FoundHeader> {
        let mut next = self.u8_at(6)?;
        let mut offset = 40;
        loop {
            let found = target == Some(next);
            let extension = matches!(next, 0 | 43 | 44 | 51 | 59 | 60);
            if !extension || next == 59 {
                if target.is_none() || found {
                    break;
                }
                return None;
            }
            if found {
                break;
            }
            let header = self.data.get(offset..offset + 2)?;
            let &[following, len] = header else {
                return None;
            };
            let length = match next {
                44 => {
                    let word = self.u16_at(offset + 2)?;
                    let fragment = word & 0xfff8;
                    if fragment != 0 {
                        let last = !matches!(following, 0 | 43 | 44 | 51 | 60);
                        return if target.is_none() && last {
                            // The kernel leaves the offset as it was: at the IPv6 header.
                            Some(FoundHeader {
                                header: following,
                                offset: 0,
                                fragment: fragment >> 3,
                            })
                        } else {
                            None
                        };
                    }
                    8
                }
                51 => (usize::from(len) + 2) * 4,
                _ => (usize::from(len) + 1) * 8,
            };
            next = following;
            offset += length;
        }
        Some(FoundHeader {
            header: next,
            offset,
            fragment: 0,
        })
    }

    /// Ports, where the protocol has them and the packet holds them.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let l4 = self.l4();
        if !l4.known || l4.fragment != 0 || !has_ports(l4.proto) {
            return None;
        }
        Some((self.u16_at(l4.offset)?, self.u16_at(l4.offset + 2)?))
    }
}

/// Where `ipv6_find_hdr` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundHeader {
    pub header: u8,
    pub offset: usize,
    /// Units of 8 bytes.
    pub fragment: u16,
}

/// The Internet checksum of some bytes, added to a start value; not yet folded and inverted.
fn sum(bytes: &[u8], start: u32) -> u32 {
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

fn finish(total: u32) -> u16 {
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
        super::packet::IPPROTO_SCTP => {
            ports(&mut out);
            out.extend([0; 8]);
        }
        super::packet::IPPROTO_DCCP => {
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

fn checksum_place(proto: u8, v6: bool) -> Option<usize> {
    match proto {
        IPPROTO_TCP => Some(16),
        IPPROTO_UDP | IPPROTO_UDPLITE => Some(6),
        IPPROTO_ICMP if !v6 => Some(2),
        IPPROTO_ICMPV6 if v6 => Some(2),
        _ => None,
    }
}

fn l4_sum(body: &[u8], src: IpAddr, dst: IpAddr, proto: u8) -> u32 {
    let start = match proto {
        IPPROTO_ICMP => 0,
        _ => pseudo(src, dst, proto, body.len()),
    };
    sum(body, start)
}

fn put_checksum(body: &mut [u8], src: IpAddr, dst: IpAddr, proto: u8) {
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

/// CRC-32C of the packet with the checksum field as zeros, stored with the low byte first.
fn sctp_good(body: &[u8]) -> bool {
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

/// True when the type is skipped on the way to the transport header (`ipv6_ext_hdr`).
pub fn is_extension(header: u8) -> bool {
    matches!(header, 0 | 43 | 44 | 59 | 60) || header == IPPROTO_AH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(proto: u8) -> Question {
        Question {
            proto: Some(proto),
            sport: has_ports(proto).then_some(1000),
            dport: has_ports(proto).then_some(53),
            payload: vec![1, 2, 3],
            ..Question::default()
        }
    }

    fn ethernet(skb: &Skb) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(skb.protocol.to_be_bytes());
        frame.extend(&skb.data);
        frame
    }

    #[test]
    fn what_is_built_parses_with_good_checksums() {
        for (src, dst) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            for proto in [6, 17, 58, 1, 47] {
                let skb =
                    build(&question(proto), src.parse().unwrap(), dst.parse().unwrap()).unwrap();
                let mut frame = ethernet(&skb);
                let parsed = parse(&frame).unwrap();
                assert_eq!(parsed.checksums, Checksums::default(), "{src} {proto}");
                assert_eq!(parsed.l4().proto, proto);
                if checksum_place(proto, skb.is_v6()).is_some() {
                    *frame.last_mut().unwrap() ^= 0x55;
                    assert!(parse(&frame).unwrap().checksums.bad_l4, "{src} {proto}");
                }
            }
        }
    }

    #[test]
    fn later_ipv6_fragments_have_their_transport_at_the_ip_header() {
        let fragment = super::super::packet::Fragment {
            offset: 8,
            more: false,
        };
        let q = Question {
            fragment: Some(fragment),
            ..question(17)
        };
        let skb = build(&q, "fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()).unwrap();
        let l4 = skb.l4();
        assert_eq!(
            (l4.known, l4.proto, l4.offset, l4.fragment),
            (true, 17, 0, 8)
        );
        assert!(skb.is_fragment());
        assert_eq!(skb.ports(), None);
    }

    #[test]
    fn any_bytes_are_fine() {
        for len in 0..80 {
            let _ = parse(&vec![0x60; len]).map(|skb| (skb.l4(), skb.l4_checked(), skb.ports()));
            let _ = parse(&[&[0; 12][..], &[0x86, 0xdd], &vec![0x60; len]].concat())
                .map(|skb| (skb.l4(), skb.l4_checked(), skb.ports(), skb.is_fragment()));
        }
    }
}
