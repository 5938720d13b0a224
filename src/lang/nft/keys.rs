//! Selectors with a key: `meta`, `ct`, `rt`, `socket`, `ipsec`. Data; the numbers index the tables.

use super::datatype::*;
use super::number::Order::{self, Big, Host};
use super::protocol::Layer;

/// A selector: its token, type, length in bits, byte order.
#[derive(Debug)]
pub struct Key {
    pub token: &'static str,
    pub kind: &'static DataType,
    pub len: u32,
    pub order: Order,
}

const fn key(token: &'static str, kind: &'static DataType, len: u32, order: Order) -> Key {
    Key {
        token,
        kind,
        len,
        order,
    }
}

/// `enum nft_meta_keys`
pub static META: [Key; 38] = [
    key("length", &INTEGER, 32, Host),
    key("protocol", &ETHERTYPE, 16, Big),
    key("priority", &CLASSID, 32, Host),
    key("mark", &MARK, 32, Host),
    key("iif", &IFINDEX, 32, Host),
    key("oif", &IFINDEX, 32, Host),
    key("iifname", &IFNAME, 128, Host),
    key("oifname", &IFNAME, 128, Host),
    key("iiftype", &ARPHRD, 16, Host),
    key("oiftype", &ARPHRD, 16, Host),
    key("skuid", &UID, 32, Host),
    key("skgid", &GID, 32, Host),
    key("nftrace", &INTEGER, 1, Host),
    key("rtclassid", &REALM, 32, Host),
    key("secmark", &INTEGER, 32, Host),
    key("nfproto", &NFPROTO, 8, Host),
    key("l4proto", &INET_PROTOCOL, 8, Host),
    key("ibrname", &IFNAME, 128, Host),
    key("obrname", &IFNAME, 128, Host),
    key("pkttype", &PKTTYPE, 8, Host),
    key("cpu", &INTEGER, 32, Host),
    key("iifgroup", &DEVGROUP, 32, Host),
    key("oifgroup", &DEVGROUP, 32, Host),
    key("cgroup", &INTEGER, 32, Host),
    // A random number has no byte order; big endian avoids a conversion.
    key("random", &INTEGER, 32, Big),
    key("ipsec", &BOOLEAN, 8, Host),
    key("iifkind", &IFNAME, 128, Host),
    key("oifkind", &IFNAME, 128, Host),
    key("ibrpvid", &INTEGER, 16, Host),
    key("ibrvproto", &ETHERTYPE, 16, Big),
    key("time", &DATE, 64, Host),
    key("day", &DAY, 8, Host),
    key("hour", &HOUR, 32, Host),
    key("sdif", &IFINDEX, 32, Host),
    key("sdifname", &IFNAME, 128, Host),
    // Linux 6.2: NFT_META_BRI_BROUTE; nft 1.0.7. Key 35 is internal to the kernel (`__NFT_META_IIFTYPE`).
    key("broute", &INTEGER, 8, Host),
    key("broute", &INTEGER, 8, Host),
    // Linux 6.18: NFT_META_BRI_IIFHWADDR; nft 1.1.6
    key("ibrhwaddr", &ETHERADDR, 48, Big),
];

pub mod meta {
    pub const PROTOCOL: u32 = 1;
    pub const IIFTYPE: u32 = 8;
    pub const NFPROTO: u32 = 15;
    pub const L4PROTO: u32 = 16;

    /// Written without the word `meta`.
    pub fn is_unqualified(key: u32) -> bool {
        // iif, oif, iifname, oifname, iifgroup, oifgroup
        matches!(key, 4 | 5 | 6 | 7 | 21 | 22)
    }
}

/// The layer below the one that a `meta` key tells the protocol of; `None` where the key tells no protocol.
pub fn meta_layer(key: u32) -> Option<Layer> {
    match key {
        meta::IIFTYPE => Some(Layer::None),
        meta::NFPROTO | meta::PROTOCOL => Some(Layer::Link),
        meta::L4PROTO => Some(Layer::Network),
        _ => None,
    }
}

/// `enum nft_ct_keys`
pub static CT: [Key; 24] = [
    key("state", &CT_STATE, 32, Host),
    key("direction", &CT_DIR, 8, Host),
    key("status", &CT_STATUS, 32, Host),
    key("mark", &MARK, 32, Host),
    key("secmark", &INTEGER, 32, Host),
    key("expiration", &TIME, 32, Host),
    key("helper", &STRING, 128, Host),
    key("l3proto", &NFPROTO, 8, Host),
    key("saddr", &INVALID, 0, Big),
    key("daddr", &INVALID, 0, Big),
    key("protocol", &INET_PROTOCOL, 8, Big),
    key("proto-src", &INVALID, 16, Big),
    key("proto-dst", &INVALID, 16, Big),
    key("label", &CT_LABEL, 128, Host),
    key("packets", &INTEGER, 64, Host),
    key("bytes", &INTEGER, 64, Host),
    key("avgpkt", &INTEGER, 64, Host),
    key("zone", &INTEGER, 16, Host),
    key("event", &CT_EVENT, 32, Host),
    key("ip saddr", &IPADDR, 32, Big),
    key("ip daddr", &IPADDR, 32, Big),
    key("ip6 saddr", &IP6ADDR, 128, Big),
    key("ip6 daddr", &IP6ADDR, 128, Big),
    key("id", &INTEGER, 32, Big),
];

pub mod ct {
    pub const L3PROTOCOL: u32 = 7;
    pub const SRC: u32 = 8;
    pub const DST: u32 = 9;
    pub const PROTOCOL: u32 = 10;
    pub const PROTO_SRC: u32 = 11;
    pub const PROTO_DST: u32 = 12;
    pub const EVENTMASK: u32 = 18;
    pub const SRC_IP: u32 = 19;
    pub const DST_IP: u32 = 20;
    pub const SRC_IP6: u32 = 21;
    pub const DST_IP6: u32 = 22;
}

/// `enum nft_rt_keys`
pub static RT: [Key; 5] = [
    key("classid", &REALM, 32, Host),
    key("nexthop", &IPADDR, 32, Big),
    key("nexthop", &IP6ADDR, 128, Big),
    key("mtu", &INTEGER, 16, Host),
    key("ipsec", &BOOLEAN, 8, Host),
];
pub const RT_NEXTHOP4: u32 = 1;
pub const RT_NEXTHOP6: u32 = 2;

/// `enum nft_socket_keys`
pub static SOCKET: [Key; 4] = [
    key("transparent", &INTEGER, 8, Host),
    key("mark", &MARK, 32, Host),
    key("wildcard", &INTEGER, 8, Host),
    key("cgroupv2", &CGROUPV2, 64, Host),
];
pub const SOCKET_CGROUPV2: u32 = 3;

/// `enum nft_xfrm_keys`; 0 is not used.
pub static XFRM: [Key; 7] = [
    key("", &INVALID, 0, Big),
    key("daddr", &IPADDR, 32, Big),
    key("daddr", &IP6ADDR, 128, Big),
    key("saddr", &IPADDR, 32, Big),
    key("saddr", &IP6ADDR, 128, Big),
    key("reqid", &INTEGER, 32, Host),
    key("spi", &INTEGER, 32, Big),
];

/// `enum nft_tunnel_keys`; nft 1.1.4
pub static TUNNEL: [Key; 2] = [
    key("path", &BOOLEAN, 8, Host),
    key("id", &INTEGER, 32, Host),
];

pub fn get(table: &'static [Key], number: u32) -> Option<&'static Key> {
    table.get(number as usize)
}
