//! Extension headers, TCP options, IP options, SCTP chunks: fields. Data.
//!
//! Offsets and lengths are in bits; field numbers are those of nft's user data.

use super::datatype::{DataType, INET_PROTOCOL, INTEGER, IP6ADDR, MH_TYPE};

#[derive(Debug)]
pub struct Field {
    pub token: &'static str,
    pub kind: &'static DataType,
    pub offset: u32,
    pub len: u32,
}

#[derive(Debug)]
pub struct Header {
    pub name: &'static str,
    /// Number in the user data of sets (`enum exthdr_desc_id`); only IPv6 headers have one.
    pub id: u32,
    /// Next-header value, option kind, chunk type.
    pub kind: u8,
    pub fields: &'static [Field],
}

const fn field(token: &'static str, kind: &'static DataType, offset: u32, len: u32) -> Field {
    Field {
        token,
        kind,
        offset,
        len,
    }
}

const fn num(token: &'static str, offset: u32, len: u32) -> Field {
    field(token, &INTEGER, offset, len)
}

const NONE: Field = num("", 0, 0);

const fn v6(name: &'static str, id: u32, kind: u8, fields: &'static [Field]) -> Header {
    Header {
        name,
        id,
        kind,
        fields,
    }
}

// IPv6 extension headers: RFC 8200, RFC 6275, RFC 8754

pub static HBH: Header = v6(
    "hbh",
    1,
    0,
    &[
        NONE,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("hdrlength", 8, 8),
    ],
);
pub static RT: Header = v6(
    "rt",
    2,
    43,
    &[
        NONE,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("hdrlength", 8, 8),
        num("type", 16, 8),
        num("seg-left", 24, 8),
    ],
);
pub static RT0: Header = v6(
    "rt0",
    3,
    43,
    &[
        NONE,
        num("reserved", 32, 32),
        field("addr[1]", &IP6ADDR, 64, 128),
        field("addr[2]", &IP6ADDR, 192, 128),
    ],
);
pub static RT2: Header = v6("rt2", 4, 43, &[NONE, NONE, NONE]);
pub static SRH: Header = v6(
    "srh",
    5,
    43,
    &[
        NONE,
        num("last-entry", 32, 8),
        num("flags", 40, 8),
        num("tag", 48, 16),
        field("sid[1]", &IP6ADDR, 64, 128),
        field("sid[2]", &IP6ADDR, 192, 128),
    ],
);
pub static FRAG: Header = v6(
    "frag",
    6,
    44,
    &[
        NONE,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("reserved", 8, 8),
        num("frag-off", 16, 13),
        num("reserved2", 29, 2),
        num("more-fragments", 31, 1),
        num("id", 32, 32),
    ],
);
pub static DST: Header = v6(
    "dst",
    7,
    60,
    &[
        NONE,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("hdrlength", 8, 8),
    ],
);
pub static MH: Header = v6(
    "mh",
    8,
    135,
    &[
        NONE,
        field("nexthdr", &INET_PROTOCOL, 0, 8),
        num("hdrlength", 8, 8),
        field("type", &MH_TYPE, 16, 8),
        num("reserved", 24, 8),
        num("checksum", 32, 16),
    ],
);

pub static IPV6_HEADERS: [&Header; 8] = [&HBH, &RT, &RT0, &RT2, &SRH, &FRAG, &DST, &MH];

/// The header that a next-header value names.
pub fn ipv6_by_kind(kind: u8) -> Option<&'static Header> {
    [&HBH, &RT, &FRAG, &DST, &MH]
        .into_iter()
        .find(|header| header.kind == kind)
}

pub fn ipv6_by_id(id: u32) -> Option<&'static Header> {
    IPV6_HEADERS.into_iter().find(|header| header.id == id)
}

const fn option(name: &'static str, kind: u8, fields: &'static [Field]) -> Header {
    Header {
        name,
        id: 0,
        kind,
        fields,
    }
}

const KIND: Field = num("kind", 0, 8);
const LENGTH: Field = num("length", 8, 8);

/// TCP options: RFC 9293, RFC 7323, RFC 2018, RFC 2385, RFC 7413, RFC 8684
pub static TCP_OPTIONS: [Header; 10] = [
    option("eol", 0, &[KIND]),
    option("nop", 1, &[KIND]),
    option("maxseg", 2, &[KIND, LENGTH, num("size", 16, 16)]),
    option("window", 3, &[KIND, LENGTH, num("count", 16, 8)]),
    option("sack-perm", 4, &[KIND, LENGTH]),
    option(
        "sack",
        5,
        &[
            KIND,
            LENGTH,
            num("left", 16, 32),
            num("right", 48, 32),
            num("left", 80, 32),
            num("right", 112, 32),
            num("left", 144, 32),
            num("right", 176, 32),
            num("left", 208, 32),
            num("right", 240, 32),
        ],
    ),
    option(
        "timestamp",
        8,
        &[KIND, LENGTH, num("tsval", 16, 32), num("tsecr", 48, 32)],
    ),
    option("md5sig", 19, &[KIND, LENGTH]),
    option("mptcp", 30, &[KIND, LENGTH, num("subtype", 16, 4)]),
    option("fastopen", 34, &[KIND, LENGTH]),
];

/// IP options: RFC 791, RFC 2113
pub static IP_OPTIONS: [Header; 4] = [
    option("lsrr", 131, IP_ROUTE_FIELDS),
    option("rr", 7, IP_ROUTE_FIELDS),
    option("ssrr", 137, IP_ROUTE_FIELDS),
    option(
        "ra",
        148,
        &[NONE, num("type", 0, 8), LENGTH, num("value", 16, 16)],
    ),
];
const IP_ROUTE_FIELDS: &[Field] = &[
    NONE,
    num("type", 0, 8),
    LENGTH,
    NONE,
    num("ptr", 16, 8),
    num("addr", 24, 32),
];

const CHUNK: [Field; 3] = [num("type", 0, 8), num("flags", 8, 8), num("length", 16, 16)];
const fn chunk(name: &'static str, kind: u8) -> Header {
    option(name, kind, &CHUNK)
}
const fn common(index: usize) -> Field {
    match index {
        0 => num("type", 0, 8),
        1 => num("flags", 8, 8),
        _ => num("length", 16, 16),
    }
}

static CHUNK_INIT: [Field; 8] = [
    common(0),
    common(1),
    common(2),
    num("init-tag", 32, 32),
    num("a-rwnd", 64, 32),
    num("num-outbound-streams", 96, 16),
    num("num-inbound-streams", 112, 16),
    num("initial-tsn", 128, 32),
];
static CHUNK_LOWEST: [Field; 4] = [common(0), common(1), common(2), num("lowest-tsn", 32, 32)];
static CHUNK_SEQNO: [Field; 4] = [common(0), common(1), common(2), num("seqno", 32, 32)];

/// SCTP chunks: RFC 9260, RFC 5061, RFC 3758
pub static SCTP_CHUNKS: [Header; 18] = [
    option(
        "data",
        0,
        &[
            common(0),
            common(1),
            common(2),
            num("tsn", 32, 32),
            num("stream", 64, 16),
            num("ssn", 80, 16),
            num("ppid", 96, 32),
        ],
    ),
    option("init", 1, &CHUNK_INIT),
    option("init-ack", 2, &CHUNK_INIT),
    option(
        "sack",
        3,
        &[
            common(0),
            common(1),
            common(2),
            num("cum-tsn-ack", 32, 32),
            num("a-rwnd", 64, 32),
            num("num-gap-ack-blocks", 96, 16),
            num("num-dup-tsns", 112, 16),
        ],
    ),
    chunk("heartbeat", 4),
    chunk("heartbeat-ack", 5),
    chunk("abort", 6),
    option(
        "shutdown",
        7,
        &[common(0), common(1), common(2), num("cum-tsn-ack", 32, 32)],
    ),
    chunk("shutdown-ack", 8),
    chunk("error", 9),
    chunk("cookie-echo", 10),
    chunk("cookie-ack", 11),
    option("ecne", 12, &CHUNK_LOWEST),
    option("cwr", 13, &CHUNK_LOWEST),
    chunk("shutdown-complete", 14),
    option("asconf-ack", 128, &CHUNK_SEQNO),
    option(
        "forward-tsn",
        192,
        &[common(0), common(1), common(2), num("new-cum-tsn", 32, 32)],
    ),
    option("asconf", 193, &CHUNK_SEQNO),
];

pub fn by_kind(table: &'static [Header], kind: u8) -> Option<&'static Header> {
    table.iter().find(|header| header.kind == kind)
}

pub fn by_name(table: &'static [Header], name: &str) -> Option<&'static Header> {
    table.iter().find(|header| header.name == name)
}

impl Header {
    /// The field at this place, if there is one of exactly this length.
    pub fn field_at(&self, offset: u32, len: u32) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.len > 0 && field.offset == offset && field.len == len)
    }
}
