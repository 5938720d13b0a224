//! Symbolic constants of the nft language: data. The header with the numbers stands beside each table.

/// Symbols of a data type, in the order in which they are tried; the first of a value is printed.
#[derive(Debug)]
pub struct Table {
    /// Values are kept in network byte order in nft (`htons`), which shows when an expression's own order differs.
    pub network16: bool,
    pub rows: &'static [(&'static str, u64)],
}

impl Table {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn value(&self, name: &str) -> Option<u64> {
        self.rows.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    pub fn name(&self, value: u64) -> Option<&'static str> {
        self.rows.iter().find(|row| row.1 == value).map(|row| row.0)
    }
}

const fn table(rows: &'static [(&'static str, u64)]) -> Table {
    Table {
        network16: false,
        rows,
    }
}

pub static NONE: Table = table(&[]);

/// linux/netfilter.h
pub static NFPROTO: Table = table(&[("ipv4", 2), ("ipv6", 10)]);

/// linux/if_ether.h
pub static ETHERTYPE: Table = Table {
    network16: true,
    rows: &[
        ("ip", 0x0800),
        ("arp", 0x0806),
        ("ip6", 0x86dd),
        ("8021q", 0x8100),
        ("8021ad", 0x88a8),
        ("vlan", 0x8100),
    ],
};

/// linux/if_arp.h
pub static ARPOP: Table = Table {
    network16: true,
    rows: &[
        ("request", 1),
        ("reply", 2),
        ("rrequest", 3),
        ("rreply", 4),
        ("inrequest", 8),
        ("inreply", 9),
        ("nak", 10),
    ],
};

/// linux/if_arp.h
pub static ARPHRD: Table = table(&[
    ("ether", 1),
    ("ppp", 512),
    ("ipip", 768),
    ("ipip6", 769),
    ("loopback", 772),
    ("sit", 776),
    ("ipgre", 778),
]);

/// RFC 792 and successors
pub static ICMP_TYPE: Table = table(&[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
]);

/// RFC 792, RFC 1812
pub static ICMP_CODE: Table = table(&[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
    ("frag-needed", 4),
]);

/// RFC 4443
pub static ICMPV6_CODE: Table = table(&[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
]);

/// `enum nft_reject_inet_code`
pub static ICMPX_CODE: Table = table(&[
    ("port-unreachable", 1),
    ("admin-prohibited", 3),
    ("no-route", 0),
    ("host-unreachable", 2),
]);

/// RFC 4443, RFC 4861, RFC 2710, RFC 3810
pub static ICMP6_TYPE: Table = table(&[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
]);

/// RFC 2236, RFC 3376
pub static IGMP_TYPE: Table = table(&[
    ("membership-query", 0x11),
    ("membership-report-v1", 0x12),
    ("membership-report-v2", 0x16),
    ("membership-report-v3", 0x22),
    ("leave-group", 0x17),
]);

/// RFC 9293, RFC 3168
pub static TCP_FLAG: Table = table(&[
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("cwr", 0x80),
]);

/// RFC 4340
pub static DCCP_PKTTYPE: Table = table(&[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("dataack", 4),
    ("closereq", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("syncack", 9),
]);

/// RFC 6275, RFC 5568, RFC 5096
pub static MH_TYPE: Table = table(&[
    ("binding-refresh-request", 0),
    ("home-test-init", 1),
    ("careof-test-init", 2),
    ("home-test", 3),
    ("careof-test", 4),
    ("binding-update", 5),
    ("binding-acknowledgement", 6),
    ("binding-error", 7),
    ("fast-binding-update", 8),
    ("fast-binding-acknowledgement", 9),
    ("fast-binding-advertisement", 10),
    ("experimental-mobility-header", 11),
    ("home-agent-switch-message", 12),
]);

/// RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622
pub static DSCP: Table = table(&[
    ("cs0", 0x00),
    ("cs1", 0x08),
    ("cs2", 0x10),
    ("cs3", 0x18),
    ("cs4", 0x20),
    ("cs5", 0x28),
    ("cs6", 0x30),
    ("cs7", 0x38),
    ("df", 0x00),
    ("be", 0x00),
    ("lephb", 0x01),
    ("af11", 0x0a),
    ("af12", 0x0c),
    ("af13", 0x0e),
    ("af21", 0x12),
    ("af22", 0x14),
    ("af23", 0x16),
    ("af31", 0x1a),
    ("af32", 0x1c),
    ("af33", 0x1e),
    ("af41", 0x22),
    ("af42", 0x24),
    ("af43", 0x26),
    ("va", 0x2c),
    ("ef", 0x2e),
]);

/// RFC 3168
pub static ECN: Table = table(&[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)]);

/// linux/netfilter/nf_conntrack_common.h: `NF_CT_STATE_BIT`
pub static CT_STATE: Table = table(&[
    ("invalid", 1),
    ("new", 8),
    ("established", 2),
    ("related", 4),
    ("untracked", 64),
]);

/// linux/netfilter/nf_conntrack_tuple_common.h
pub static CT_DIR: Table = table(&[("original", 0), ("reply", 1)]);

/// linux/netfilter/nf_conntrack_common.h: `enum ip_conntrack_status`
pub static CT_STATUS: Table = table(&[
    ("expected", 1),
    ("seen-reply", 2),
    ("assured", 4),
    ("confirmed", 8),
    ("snat", 16),
    ("dnat", 32),
    ("dying", 512),
]);

/// linux/netfilter/nf_conntrack_common.h: `enum ip_conntrack_events`, as bits
pub static CT_EVENT: Table = table(&[
    ("new", 1 << 0),
    ("related", 1 << 1),
    ("destroy", 1 << 2),
    ("reply", 1 << 3),
    ("assured", 1 << 4),
    ("protoinfo", 1 << 5),
    ("helper", 1 << 6),
    ("mark", 1 << 7),
    ("seqadj", 1 << 8),
    ("secmark", 1 << 9),
    ("label", 1 << 10),
]);

/// linux/if_packet.h
pub static PKTTYPE: Table = table(&[
    ("host", 0),
    ("unicast", 0),
    ("broadcast", 1),
    ("multicast", 2),
    ("other", 3),
]);

/// linux/rtnetlink.h: `RTN_*`
pub static FIB_ADDRTYPE: Table = table(&[
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
]);

pub static BOOLEAN: Table = table(&[("exists", 1), ("missing", 0)]);

pub static DAY: Table = table(&[
    ("Sunday", 0),
    ("Monday", 1),
    ("Tuesday", 2),
    ("Wednesday", 3),
    ("Thursday", 4),
    ("Friday", 5),
    ("Saturday", 6),
]);
