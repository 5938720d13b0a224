//! The packet itself: bytes from the network header on, and what the kernel keeps beside them (`struct sk_buff`).
//! `build` makes packets from questions, `parse` takes frames apart. Any bytes are fine: what is too short is `None`.

mod build;
mod checksum;
mod parse;
#[cfg(test)]
mod tests;

pub use build::build;
pub use parse::parse;

use super::packet::{ETH_P_IP, ETH_P_IPV6, IPPROTO_AH, has_ports};
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

/// True when the type is skipped on the way to the transport header (`ipv6_ext_hdr`).
pub fn is_extension(header: u8) -> bool {
    matches!(header, 0 | 43 | 44 | 59 | 60) || header == IPPROTO_AH
}
