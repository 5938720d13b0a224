//! A packet that was seen (by the kernel's trace, in a log group, in a capture): its fields, one line that names it,
//! and the question whose answer would be its path. Any bytes are fine: what is too short is absent.
//! May use `model` only.

use super::frame::{self, Skb};
use super::packet::{
    ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, Fragment, IPPROTO_ICMP,
    IPPROTO_ICMPV6, IPPROTO_TCP, Question, TCP_FLAGS, has_ports, protocol_name,
};
use crate::model::Family;
use crate::model::trace::TracedPacket;
use serde_json::{Map, Value};
use std::fmt;
use std::net::IpAddr;

/// What the headers of a packet say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub proto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    pub tcp_flags: Option<u8>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    /// At the IP layer, as its header says. bytes
    pub length: Option<u32>,
    pub ttl: Option<u8>,
    pub dscp: u8,
    pub fragment: Option<Fragment>,
    pub ether_src: Option<[u8; 6]>,
    pub ether_dst: Option<[u8; 6]>,
    /// 802.1Q identifier.
    pub vlan: Option<u16>,
    /// Of what the frame carries, where that is known.
    pub ethertype: Option<u16>,
    pub mark: u32,
}

impl Observed {
    /// From the beginnings of headers that a trace event carries.
    pub fn traced(packet: &TracedPacket, protocol: Option<Family>, mark: u32) -> Observed {
        let mut seen = Observed {
            mark,
            ..Observed::default()
        };
        seen.link(&packet.link);
        let network = &packet.network;
        seen.ethertype = match protocol {
            Some(Family::Ip) => Some(ETH_P_IP),
            Some(Family::Ip6) => Some(ETH_P_IPV6),
            Some(Family::Arp) => Some(ETH_P_ARP),
            _ => seen.ethertype.or(by_version(network)),
        };
        let skb = Skb {
            data: network.clone(),
            protocol: seen.ethertype.unwrap_or(0),
            ..Skb::default()
        };
        seen.network(&skb);
        if seen.fragment.is_none_or(|fragment| fragment.offset == 0) {
            let proto = skb.l4().proto;
            seen.transport(proto, &packet.transport);
        }
        seen
    }

    /// From the bytes of a packet, network header first; `link` is an Ethernet header or empty.
    pub fn packet(link: &[u8], network: &[u8], mark: u32) -> Observed {
        let mut seen = Observed {
            mark,
            ..Observed::default()
        };
        seen.link(link);
        seen.ethertype = seen.ethertype.or(by_version(network));
        seen.whole(Skb {
            data: network.to_vec(),
            protocol: seen.ethertype.unwrap_or(0),
            ..Skb::default()
        });
        seen
    }

    fn whole(&mut self, skb: Skb) {
        self.network(&skb);
        let l4 = skb.l4();
        if l4.known && l4.fragment == 0 {
            self.proto = Some(l4.proto);
            let bytes = skb.data.get(l4.offset..).unwrap_or_default();
            self.transport(l4.proto, bytes);
        }
    }

    fn link(&mut self, bytes: &[u8]) {
        // Shorter ones are not Ethernet's.
        if bytes.len() < 14 {
            return;
        }
        let Ok(skb) = frame::parse(bytes) else {
            return;
        };
        if let Some(mac) = skb.mac {
            self.ether_src = Some(mac.source);
            self.ether_dst = Some(mac.destination);
        }
        self.vlan = skb.vlan.map(|(_, tci)| tci & 0x0fff);
        let known = !matches!(skb.protocol, 0 | ETH_P_8021Q | ETH_P_8021AD);
        self.ethertype = known.then_some(skb.protocol);
    }

    fn network(&mut self, skb: &Skb) {
        (self.src, self.dst) = (skb.src(), skb.dst());
        if self.dst.is_none() {
            return;
        }
        self.ttl = Some(skb.ttl());
        self.dscp = skb.tos() >> 2;
        let length = |at| skb.u16_at(at).map(u32::from);
        if skb.is_v4() {
            self.length = length(2);
            self.proto = skb.u8_at(9);
            let bits = skb.u16_at(6).unwrap_or(0);
            if bits & 0x3fff != 0 {
                self.fragment = Some(Fragment {
                    offset: bits & 0x1fff,
                    more: bits & 0x2000 != 0,
                });
            }
        } else {
            self.length = length(4).map(|payload| payload + 40);
            let l4 = skb.l4();
            self.proto = (l4.known && !frame::is_extension(l4.proto)).then_some(l4.proto);
            if let Some(header) = skb.find_v6(Some(44)).filter(|_| skb.is_fragment())
                && let Some(bits) = skb.u16_at(header.offset + 2)
            {
                self.fragment = Some(Fragment {
                    offset: bits >> 3,
                    more: bits & 1 != 0,
                });
            }
        }
    }

    fn transport(&mut self, proto: u8, bytes: &[u8]) {
        let u16_at = |at: usize| {
            let bytes = bytes.get(at..at + 2)?;
            Some(u16::from_be_bytes(bytes.try_into().ok()?))
        };
        if has_ports(proto) {
            (self.sport, self.dport) = (u16_at(0), u16_at(2));
        }
        if proto == IPPROTO_TCP {
            self.tcp_flags = bytes.get(13).copied();
        }
        if matches!(proto, IPPROTO_ICMP | IPPROTO_ICMPV6) {
            (self.icmp_type, self.icmp_code) = (bytes.first().copied(), bytes.get(1).copied());
        }
    }

    /// The question whose answer is the path of such a packet: arriving on `iif`, or sent by this machine.
    pub fn question(&self, iif: Option<String>) -> Question {
        let arriving = iif.is_some();
        Question {
            src: self.src,
            dst: self.dst,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            tcp_flags: self.tcp_flags,
            icmp_type: self.icmp_type,
            icmp_code: self.icmp_code,
            mark: self.mark,
            length: self.length,
            ttl: self.ttl,
            dscp: self.dscp,
            // Frames that this machine sends have no header yet.
            ether_src: self.ether_src.filter(|_| arriving),
            ether_dst: self.ether_dst.filter(|_| arriving),
            vlan: self.vlan.filter(|_| arriving),
            fragment: self.fragment,
            iif,
            ..Question::default()
        }
    }

    /// The fields under the names of `trace --json`.
    pub fn json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(key.to_owned(), value);
            }
        };
        put("src", self.src.map(|a| a.to_string().into()));
        put("dst", self.dst.map(|a| a.to_string().into()));
        put("proto", self.proto.map(|p| protocol_name(p).into()));
        put("sport", self.sport.map(Into::into));
        put("dport", self.dport.map(Into::into));
        put("tcp_flags", self.tcp_flags.map(|f| flags(f).into()));
        put("icmp_type", self.icmp_type.map(Into::into));
        put("icmp_code", self.icmp_code.map(Into::into));
        put("length", self.length.map(Into::into));
        put("ttl", self.ttl.map(Into::into));
        put("dscp", (self.dscp != 0).then(|| self.dscp.into()));
        put("mark", (self.mark != 0).then(|| self.mark.into()));
        put("vlan", self.vlan.map(Into::into));
        put("ether_src", self.ether_src.map(|a| mac(a).into()));
        put("ether_dst", self.ether_dst.map(|a| mac(a).into()));
        if self.dst.is_none() {
            put(
                "ethertype",
                self.ethertype.map(|e| format!("{e:#06x}").into()),
            );
        }
        if let Some(fragment) = self.fragment {
            let more = if fragment.more { "+" } else { "" };
            put(
                "fragment",
                Some(format!("{}{more}", fragment.offset).into()),
            );
        }
        out
    }

    /// Two packets of one conversation, in one direction.
    pub fn same_flow(&self, other: &Observed) -> bool {
        let key = |seen: &Observed| (seen.src, seen.dst, seen.proto, seen.sport, seen.dport);
        key(self) == key(other)
    }
}

fn by_version(network: &[u8]) -> Option<u16> {
    match network.first()? >> 4 {
        4 => Some(ETH_P_IP),
        6 => Some(ETH_P_IPV6),
        _ => None,
    }
}

/// `syn,ack`, in the words of `--tcp-flags`.
pub fn flags(bits: u8) -> String {
    let set: Vec<&str> = TCP_FLAGS
        .iter()
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(name, _)| *name)
        .collect();
    if set.is_empty() {
        "none".to_owned()
    } else {
        set.join(",")
    }
}

pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// `tcp 10.0.0.1:4000 > 10.0.0.2:80 syn`
impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(src), Some(dst)) = (self.src, self.dst) else {
            return match self.ethertype {
                Some(ETH_P_ARP) => f.write_str("arp"),
                Some(other) => write!(f, "ethertype {other:#06x}"),
                None => f.write_str("a packet without headers"),
            };
        };
        let proto = self.proto.map_or_else(|| "ip".to_owned(), protocol_name);
        write!(f, "{proto} ")?;
        end(f, src, self.sport)?;
        f.write_str(" > ")?;
        end(f, dst, self.dport)?;
        if let Some(bits) = self.tcp_flags {
            write!(f, " {}", flags(bits))?;
        }
        match (self.icmp_type, self.icmp_code) {
            (Some(kind), Some(0) | None) => write!(f, " type {kind}")?,
            (Some(kind), Some(code)) => write!(f, " type {kind} code {code}")?,
            _ => {}
        }
        if let Some(fragment) = self.fragment {
            write!(f, " fragment at {}", u32::from(fragment.offset) * 8)?;
        }
        Ok(())
    }
}

fn end(f: &mut fmt::Formatter<'_>, address: IpAddr, port: Option<u16>) -> fmt::Result {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
        (address, Some(port)) => write!(f, "{address}:{port}"),
        (address, None) => write!(f, "{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::options;

    #[test]
    fn a_question_is_seen_again_in_its_packet() {
        for (src, dst) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            let question = Question {
                src: Some(src.parse().unwrap()),
                dst: Some(dst.parse().unwrap()),
                proto: Some(6),
                sport: Some(4000),
                dport: Some(80),
                ttl: Some(9),
                dscp: 10,
                ..Question::default()
            };
            let skb = question.build(&Default::default()).unwrap();
            let seen = Observed::packet(&[], &skb.data, 0);
            let again = seen.question(None);
            assert_eq!(
                options::text(&again),
                format!(
                    "--src {src} --dst {dst} --proto tcp --sport 4000 --dport 80 --tcp-flags syn --length {} --ttl 9 --dscp 10",
                    skb.data.len()
                )
            );
            let traced = TracedPacket {
                network: skb.data[..skb.l4().offset].to_vec(),
                transport: skb.data[skb.l4().offset..].to_vec(),
                ..TracedPacket::default()
            };
            let protocol = if skb.is_v4() { Family::Ip } else { Family::Ip6 };
            assert_eq!(Observed::traced(&traced, Some(protocol), 0), seen);
        }
    }

    #[test]
    fn any_bytes_are_fine() {
        for byte in [0u8, 0x45, 0x4f, 0x60, 0xff] {
            for len in 0..70 {
                let bytes = vec![byte; len];
                let seen = Observed::packet(&bytes, &bytes, 0);
                let _ = (seen.to_string(), seen.json());
                let traced = TracedPacket {
                    link: bytes.clone(),
                    network: bytes.clone(),
                    transport: bytes,
                    ..TracedPacket::default()
                };
                let _ = Observed::traced(&traced, None, 0);
            }
        }
    }
}
