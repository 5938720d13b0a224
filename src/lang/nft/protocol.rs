//! Protocol headers of the nft language: fields, and which value of a field leads to which upper protocol. Data.
//!
//! Offsets and lengths are in bits. The order of fields matters: merged loads are split in this order.

use super::datatype::{self as types, DataType};
use super::number::Order;

/// Layer at which a header begins, as nft counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    None = 0,
    Link = 1,
    Network = 2,
    Transport = 3,
    Inner = 4,
    /// Newer than nft 1.0.6: `@tun`
    Tunnel = 5,
}

impl Layer {
    /// As in raw payload expressions.
    pub fn token(self) -> &'static str {
        match self {
            Layer::None => "invalid",
            Layer::Link => "ll",
            Layer::Network => "nh",
            Layer::Transport => "th",
            Layer::Inner => "ih",
            Layer::Tunnel => "tun",
        }
    }

    pub fn below(self) -> Layer {
        match self {
            Layer::None | Layer::Link => Layer::None,
            Layer::Network => Layer::Link,
            Layer::Transport => Layer::Network,
            Layer::Inner => Layer::Transport,
            Layer::Tunnel => Layer::Inner,
        }
    }
}

/// Which ICMP types have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpDep {
    Any,
    /// The ICMP type number that has it.
    Type(u8),
}

#[derive(Debug)]
pub struct Field {
    pub token: &'static str,
    pub kind: &'static DataType,
    pub order: Order,
    pub offset: u32,
    pub len: u32,
    /// The `meta` key that stands for this field in dependencies; only in pseudo protocols.
    pub meta_key: Option<u32>,
    pub icmp: IcmpDep,
}

#[derive(Debug)]
pub struct Protocol {
    pub name: &'static str,
    /// Number in the user data of sets (`enum proto_desc_id`); 0: none.
    pub id: u32,
    pub layer: Layer,
    /// Field that names the upper protocol; index in `fields`.
    pub key: usize,
    /// Length of the header, where another one of the same layer may follow; bits.
    pub length: u32,
    /// `enum nft_payload_csum_types` and the field with the checksum.
    pub checksum: Option<(u32, usize)>,
    pub upper: &'static [(u32, &'static Protocol)],
    /// Field 0 is a placeholder, as in nft, whose user data count fields from 1.
    pub fields: &'static [Field],
}

impl Protocol {
    pub fn is(&self, other: &'static Protocol) -> bool {
        std::ptr::eq(self, other)
    }

    pub fn upper_by_number(&self, number: u32) -> Option<&'static Protocol> {
        self.upper
            .iter()
            .find(|link| link.0 == number)
            .map(|link| link.1)
    }

    pub fn number_of(&self, upper: &Protocol) -> Option<u32> {
        self.upper
            .iter()
            .find(|link| std::ptr::eq(link.1, upper))
            .map(|link| link.0)
    }

    pub fn field(&self, token: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.len > 0 && field.meta_key.is_none() && field.token == token)
    }
}

use Layer::{Link, Network, Transport};
use types::{
    ARPOP, BITMASK, DCCP_PKTTYPE, DSCP, ECN, ETHERADDR, ETHERTYPE, ICMP_CODE, ICMP_TYPE,
    ICMP6_TYPE, ICMPV6_CODE, IGMP_TYPE, INET_PROTOCOL, INET_SERVICE, INTEGER, INVALID, IP6ADDR,
    IPADDR, NFPROTO, TCP_FLAG,
};

const CSUM_INET: u32 = 1;
const CSUM_SCTP: u32 = 2;

const fn field(token: &'static str, kind: &'static DataType, offset: u32, len: u32) -> Field {
    Field {
        token,
        kind,
        order: Order::Big,
        offset,
        len,
        meta_key: None,
        icmp: IcmpDep::Any,
    }
}

const fn num(token: &'static str, offset: u32, len: u32) -> Field {
    field(token, &INTEGER, offset, len)
}

const fn icmp(token: &'static str, offset: u32, len: u32, kind: u8) -> Field {
    Field {
        icmp: IcmpDep::Type(kind),
        ..num(token, offset, len)
    }
}

const fn meta(token: &'static str, kind: &'static DataType, key: u32, len: u32) -> Field {
    Field {
        meta_key: Some(key),
        order: Order::Host,
        ..field(token, kind, 0, len)
    }
}

const NO_FIELD: Field = Field {
    order: Order::Invalid,
    ..field("", &INVALID, 0, 0)
};

const PROTOCOL: Protocol = Protocol {
    name: "",
    id: 0,
    layer: Layer::None,
    key: 0,
    length: 0,
    checksum: None,
    upper: &[],
    fields: &[],
};

/// nft's stand-in for a protocol it does not know.
pub static UNKNOWN: Protocol = Protocol {
    name: "unknown",
    ..PROTOCOL
};

static TRANSPORTS: [(u32, &Protocol); 8] = [
    (50, &ESP),
    (51, &AH),
    (108, &COMP),
    (17, &UDP),
    (136, &UDPLITE),
    (6, &TCP),
    (33, &DCCP),
    (132, &SCTP),
];

pub static AH: Protocol = Protocol {
    name: "ah",
    id: 1,
    layer: Transport,
    key: 1,
    upper: &TRANSPORTS,
    fields: &[
        NO_FIELD,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("hdrlength", 8, 8),
        num("reserved", 16, 16),
        num("spi", 32, 32),
        num("sequence", 64, 32),
    ],
    ..PROTOCOL
};

pub static ESP: Protocol = Protocol {
    name: "esp",
    id: 2,
    layer: Transport,
    fields: &[NO_FIELD, num("spi", 0, 32), num("sequence", 32, 32)],
    ..PROTOCOL
};

pub static COMP: Protocol = Protocol {
    name: "comp",
    id: 3,
    layer: Transport,
    key: 1,
    upper: &TRANSPORTS,
    fields: &[
        NO_FIELD,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        field("flags", &BITMASK, 8, 8),
        num("cpi", 16, 16),
    ],
    ..PROTOCOL
};

pub static ICMP: Protocol = Protocol {
    name: "icmp",
    id: 4,
    layer: Transport,
    key: 1,
    checksum: Some((CSUM_INET, 3)),
    fields: &[
        NO_FIELD,
        field("type", &ICMP_TYPE, 0, 8),
        field("code", &ICMP_CODE, 8, 8),
        num("checksum", 16, 16),
        icmp("id", 32, 16, 8),
        icmp("sequence", 48, 16, 8),
        icmp("gateway", 32, 32, 5),
        icmp("mtu", 48, 16, 3),
    ],
    ..PROTOCOL
};

pub static IGMP: Protocol = Protocol {
    name: "igmp",
    id: 5,
    layer: Transport,
    checksum: Some((CSUM_INET, 3)),
    fields: &[
        NO_FIELD,
        field("type", &IGMP_TYPE, 0, 8),
        num("mrt", 8, 8),
        num("checksum", 16, 16),
        num("group", 32, 32),
    ],
    ..PROTOCOL
};

pub static UDP: Protocol = Protocol {
    name: "udp",
    id: 6,
    layer: Transport,
    checksum: Some((CSUM_INET, 4)),
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
        num("length", 32, 16),
        num("checksum", 48, 16),
    ],
    ..PROTOCOL
};

pub static UDPLITE: Protocol = Protocol {
    name: "udplite",
    id: 7,
    layer: Transport,
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
        num("csumcov", 32, 16),
        num("checksum", 48, 16),
    ],
    ..PROTOCOL
};

pub static TCP: Protocol = Protocol {
    name: "tcp",
    id: 8,
    layer: Transport,
    checksum: Some((CSUM_INET, 9)),
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
        num("sequence", 32, 32),
        num("ackseq", 64, 32),
        num("doff", 96, 4),
        num("reserved", 100, 4),
        field("flags", &TCP_FLAG, 104, 8),
        num("window", 112, 16),
        num("checksum", 128, 16),
        num("urgptr", 144, 16),
    ],
    ..PROTOCOL
};

pub static DCCP: Protocol = Protocol {
    name: "dccp",
    id: 9,
    layer: Transport,
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
        field("type", &DCCP_PKTTYPE, 67, 4),
    ],
    ..PROTOCOL
};

pub static SCTP: Protocol = Protocol {
    name: "sctp",
    id: 10,
    layer: Transport,
    checksum: Some((CSUM_SCTP, 4)),
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
        num("vtag", 32, 32),
        num("checksum", 64, 32),
    ],
    ..PROTOCOL
};

/// The ports that all transport protocols have in the same place.
pub static TH: Protocol = Protocol {
    name: "th",
    id: 11,
    layer: Transport,
    fields: &[
        NO_FIELD,
        field("sport", &INET_SERVICE, 0, 16),
        field("dport", &INET_SERVICE, 16, 16),
    ],
    ..PROTOCOL
};

/// `NFT_META_L4PROTO`, `NFT_META_NFPROTO`, `NFT_META_PROTOCOL`
const META_L4PROTO: u32 = 16;
const META_NFPROTO: u32 = 15;
const META_PROTOCOL: u32 = 1;

pub static IP: Protocol = Protocol {
    name: "ip",
    id: 12,
    layer: Network,
    checksum: Some((CSUM_INET, 10)),
    upper: &[
        (1, &ICMP),
        (2, &IGMP),
        (58, &ICMPV6),
        (50, &ESP),
        (51, &AH),
        (108, &COMP),
        (17, &UDP),
        (136, &UDPLITE),
        (6, &TCP),
        (33, &DCCP),
        (132, &SCTP),
    ],
    fields: &[
        meta("l4proto", &INET_PROTOCOL, META_L4PROTO, 8),
        num("version", 0, 4),
        num("hdrlength", 4, 4),
        field("dscp", &DSCP, 8, 6),
        field("ecn", &ECN, 14, 2),
        num("length", 16, 16),
        num("id", 32, 16),
        num("frag-off", 48, 16),
        num("ttl", 64, 8),
        field("protocol", &INET_PROTOCOL, 72, 8),
        num("checksum", 80, 16),
        field("saddr", &IPADDR, 96, 32),
        field("daddr", &IPADDR, 128, 32),
    ],
    ..PROTOCOL
};
pub const IP_PROTOCOL_FIELD: usize = 9;

pub static ICMPV6: Protocol = Protocol {
    name: "icmpv6",
    id: 14,
    layer: Transport,
    key: 1,
    checksum: Some((CSUM_INET, 3)),
    fields: &[
        NO_FIELD,
        field("type", &ICMP6_TYPE, 0, 8),
        field("code", &ICMPV6_CODE, 8, 8),
        num("checksum", 16, 16),
        icmp("parameter-problem", 32, 32, 4),
        icmp("mtu", 32, 32, 2),
        icmp("id", 32, 16, 128),
        icmp("sequence", 48, 16, 128),
        icmp("max-delay", 32, 16, 130),
    ],
    ..PROTOCOL
};

pub static IP6: Protocol = Protocol {
    name: "ip6",
    id: 13,
    layer: Network,
    upper: &[
        (50, &ESP),
        (51, &AH),
        (108, &COMP),
        (17, &UDP),
        (136, &UDPLITE),
        (6, &TCP),
        (33, &DCCP),
        (132, &SCTP),
        (1, &ICMP),
        (2, &IGMP),
        (58, &ICMPV6),
    ],
    fields: &[
        meta("l4proto", &INET_PROTOCOL, META_L4PROTO, 8),
        num("version", 0, 4),
        field("dscp", &DSCP, 4, 6),
        field("ecn", &ECN, 10, 2),
        num("flowlabel", 12, 20),
        num("length", 32, 16),
        field("nexthdr", &INET_PROTOCOL, 48, 8),
        num("hoplimit", 56, 8),
        field("saddr", &IP6ADDR, 64, 128),
        field("daddr", &IP6ADDR, 192, 128),
    ],
    ..PROTOCOL
};
pub const IP6_NEXTHDR_FIELD: usize = 6;

/// Mixed IPv4 and IPv6 tables.
pub static INET: Protocol = Protocol {
    name: "inet",
    layer: Link,
    upper: &[(2, &IP), (10, &IP6)],
    fields: &[meta("nfproto", &NFPROTO, META_NFPROTO, 8)],
    ..PROTOCOL
};

/// Where it is not known whether the network layer is IPv4 or IPv6.
pub static INET_SERVICE_PROTOCOL: Protocol = Protocol {
    name: "inet-service",
    layer: Transport,
    upper: &[
        (50, &ESP),
        (51, &AH),
        (108, &COMP),
        (17, &UDP),
        (136, &UDPLITE),
        (6, &TCP),
        (33, &DCCP),
        (132, &SCTP),
        (1, &ICMP),
        (2, &IGMP),
        (58, &ICMPV6),
    ],
    fields: &[meta("l4proto", &INET_PROTOCOL, META_L4PROTO, 8)],
    ..PROTOCOL
};

pub static ARP: Protocol = Protocol {
    name: "arp",
    id: 15,
    layer: Network,
    fields: &[
        NO_FIELD,
        num("htype", 0, 16),
        field("ptype", &ETHERTYPE, 16, 16),
        num("hlen", 32, 8),
        num("plen", 40, 8),
        field("operation", &ARPOP, 48, 16),
        field("saddr ether", &ETHERADDR, 64, 48),
        field("saddr ip", &IPADDR, 112, 32),
        field("daddr ether", &ETHERADDR, 144, 48),
        field("daddr ip", &IPADDR, 192, 32),
    ],
    ..PROTOCOL
};

static ETHER_UPPER: [(u32, &Protocol); 5] = [
    (0x0800, &IP),
    (0x0806, &ARP),
    (0x86dd, &IP6),
    (0x8100, &VLAN),
    (0x88a8, &VLAN),
];

pub static VLAN: Protocol = Protocol {
    name: "vlan",
    id: 16,
    layer: Link,
    key: 5,
    length: 32,
    upper: &ETHER_UPPER,
    fields: &[
        NO_FIELD,
        num("pcp", 0, 3),
        num("dei", 3, 1),
        num("cfi", 3, 1),
        num("id", 4, 12),
        field("type", &ETHERTYPE, 16, 16),
    ],
    ..PROTOCOL
};

pub static ETHER: Protocol = Protocol {
    name: "ether",
    id: 17,
    layer: Link,
    key: 3,
    length: 112,
    upper: &ETHER_UPPER,
    fields: &[
        NO_FIELD,
        field("daddr", &ETHERADDR, 0, 48),
        field("saddr", &ETHERADDR, 48, 48),
        field("type", &ETHERTYPE, 96, 16),
    ],
    ..PROTOCOL
};

/// netdev tables.
pub static NETDEV: Protocol = Protocol {
    name: "netdev",
    layer: Link,
    upper: &ETHER_UPPER,
    fields: &[meta("protocol", &ETHERTYPE, META_PROTOCOL, 16)],
    ..PROTOCOL
};

pub static PROTOCOLS: [&Protocol; 17] = [
    &AH, &ESP, &COMP, &ICMP, &IGMP, &UDP, &UDPLITE, &TCP, &DCCP, &SCTP, &TH, &IP, &IP6, &ICMPV6,
    &ARP, &VLAN, &ETHER,
];

/// By the number in the user data of sets.
pub fn by_id(id: u32) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|protocol| protocol.id == id)
}

pub fn by_name(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS
        .iter()
        .copied()
        .find(|protocol| protocol.name == name)
}

/// The link-layer protocol of an ARP hardware type.
pub fn by_device_type(kind: u32) -> Option<&'static Protocol> {
    (kind == 1).then_some(&ETHER)
}

/// The ARP hardware type of devices whose packets begin with a protocol, or with one that it follows directly.
pub fn device_type_of(protocol: &'static Protocol) -> Option<u32> {
    (protocol.is(&ETHER) || ETHER.number_of(protocol).is_some()).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_their_places() {
        for (index, protocol) in PROTOCOLS.iter().enumerate() {
            assert_eq!(protocol.id as usize, index + 1, "{}", protocol.name);
            assert_eq!(by_name(protocol.name).map(|p| p.id), Some(protocol.id));
            assert_eq!(
                protocol.fields[0].token == "l4proto",
                [12, 13].contains(&protocol.id)
            );
        }
        assert_eq!(IP.fields[IP_PROTOCOL_FIELD].token, "protocol");
        assert_eq!(IP6.fields[IP6_NEXTHDR_FIELD].token, "nexthdr");
    }
}
