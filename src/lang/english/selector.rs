//! What a rule looks at, as a noun: "destination port", "mark", "name of the device it arrived on".

use super::Reader;
use super::value::{either, network_name, protocol_name};
use crate::lang::nft::ast::{Expr, Exthdr, ExthdrOp, Kind, Op, Payload};
use crate::lang::nft::keys;
use crate::lang::nft::protocol::Layer;

/// Conversions of byte order change nothing that people see.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match &expr.kind {
        Kind::Unary { arg, .. } => bare(arg),
        _ => expr,
    }
}

/// The token of a known field.
pub(super) fn field(payload: &Payload) -> Option<&'static str> {
    let field = payload.template().filter(|_| payload.is_known())?;
    Some(field.token)
}

/// A source or destination port of any transport protocol.
pub(super) fn is_port(payload: &Payload, token: &str) -> bool {
    field(payload) == Some(token)
        && matches!(
            payload.protocol.name,
            "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "th"
        )
}

impl Reader<'_> {
    /// Without an article.
    pub(super) fn noun(&self, expr: &Expr) -> String {
        match &expr.kind {
            Kind::Payload(payload) => payload_noun(payload, expr.len),
            Kind::Exthdr(header) => exthdr_noun(header, expr.len),
            Kind::Meta { key } => meta_noun(*key).to_owned(),
            Kind::Ct { key, direction, .. } => ct_noun(*key, *direction),
            Kind::Rt { key } => match keys::get(&keys::RT, *key).map(|key| key.token) {
                Some("classid") => "routing realm",
                Some("nexthop") => "next hop",
                Some("mtu") => "largest TCP segment that the route allows",
                Some("ipsec") => "IPsec use of the route",
                _ => "unknown route property",
            }
            .to_owned(),
            Kind::Socket { key, level } => {
                match keys::get(&keys::SOCKET, *key).map(|key| key.token) {
                    Some("transparent") => "transparency of the local socket".to_owned(),
                    Some("mark") => "mark of the local socket".to_owned(),
                    Some("wildcard") => "wildcard binding of the local socket".to_owned(),
                    Some("cgroupv2") => {
                        format!("control group at level {level} of the local socket")
                    }
                    _ => "unknown property of the local socket".to_owned(),
                }
            }
            Kind::Osf { ttl, flags } => {
                let what = if flags & 1 != 0 {
                    "operating system and version"
                } else {
                    "operating system"
                };
                let ttl = match ttl {
                    1 => ", TTL loosely compared",
                    2 => ", TTL not compared",
                    _ => "",
                };
                format!("sender's {what} (guessed from the SYN packet{ttl})")
            }
            Kind::Fib { flags, result } => fib_noun(*flags, *result),
            Kind::Hash(hash) => {
                let of = match (&hash.expr, hash.symmetric) {
                    (_, true) => "both ends of the flow".to_owned(),
                    (Some(inner), false) => self.the_noun(inner),
                    (None, false) => "nothing".to_owned(),
                };
                let seed = hash.seed.map(|seed| format!(", seed {seed:#x}"));
                number_between(
                    &format!("hash of {of}{}", seed.unwrap_or_default()),
                    hash.modulus,
                    hash.offset,
                )
            }
            Kind::Numgen {
                kind,
                modulus,
                offset,
            } => {
                let what = match kind {
                    0 => "number that counts up with every packet",
                    1 => "random number",
                    _ => "number of an unknown generator",
                };
                number_between(what, *modulus, *offset)
            }
            Kind::Xfrm {
                key,
                direction,
                spnum,
            } => {
                let what = match keys::get(&keys::XFRM, *key).map(|key| key.token) {
                    Some("saddr") => "source address",
                    Some("daddr") => "destination address",
                    Some("reqid") => "request id",
                    Some("spi") => "SPI",
                    _ => "unknown property",
                };
                let way = if *direction == 0 {
                    "incoming"
                } else {
                    "outgoing"
                };
                match spnum {
                    0 => format!("{what} of the {way} IPsec transformation"),
                    place => format!("{what} of the {way} IPsec transformation at depth {place}"),
                }
            }
            Kind::Tunnel { key } => match keys::get(&keys::TUNNEL, *key).map(|key| key.token) {
                Some("path") => "arrival through a tunnel",
                Some("id") => "tunnel id",
                _ => "unknown tunnel property",
            }
            .to_owned(),
            Kind::Inner { tunnel, expr } => {
                format!("{} inside the {tunnel} tunnel", self.noun(expr))
            }
            Kind::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.noun(bare(part))).collect();
                either(&parts, "and")
            }
            Kind::Unary { arg, .. } => self.noun(arg),
            Kind::Binop { op, left, right } => self.arithmetic(*op, left, right),
            Kind::Map { key, mappings } => self.mapped(key, mappings),
            Kind::Value(_)
            | Kind::Range(..)
            | Kind::List(_)
            | Kind::SetElem(_)
            | Kind::CatchAll => self.value(expr),
            _ => self.plain(expr),
        }
    }

    /// With an article, where the noun wants one.
    pub(super) fn the_noun(&self, expr: &Expr) -> String {
        let expr = bare(expr);
        match &expr.kind {
            Kind::Value(_)
            | Kind::Range(..)
            | Kind::Prefix(..)
            | Kind::Text(_)
            | Kind::List(_)
            | Kind::Verdict(_)
            | Kind::SetElem(_)
            | Kind::CatchAll => self.value(expr),
            Kind::Concat(parts) if parts.iter().all(|part| bare(part).is_value()) => {
                self.value(expr)
            }
            Kind::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.the_noun(part)).collect();
                either(&parts, "and")
            }
            Kind::Numgen { kind: 0 | 1, .. } => format!("a {}", self.noun(expr)),
            Kind::Map { .. } => self.noun(expr),
            _ => format!("the {}", self.noun(expr)),
        }
    }

    fn arithmetic(&self, op: Op, left: &Expr, right: &Expr) -> String {
        let right_text = |right: &Expr| {
            let right = bare(right);
            match right.as_value() {
                // Masks are read in hexadecimal.
                Some(value)
                    if !right.dtype.is(&crate::lang::nft::datatype::IPADDR)
                        && !right.dtype.is(&crate::lang::nft::datatype::IP6ADDR) =>
                {
                    format!("{value:#x}")
                }
                _ => self.the_noun(right),
            }
        };
        let (left, right) = (bare(left), bare(right));
        let left_text = self.the_noun(left);
        let left_text = left_text.strip_prefix("the ").unwrap_or(&left_text);
        match op {
            Op::And => format!("{left_text} masked with {}", right_text(right)),
            Op::Or => format!("{left_text} with the bits {} set", right_text(right)),
            Op::Xor => format!("{left_text} with the bits {} flipped", right_text(right)),
            Op::LeftShift => format!("{left_text} shifted left by {}", self.plain(right)),
            Op::RightShift => format!("{left_text} shifted right by {}", self.plain(right)),
            _ => format!(
                "{left_text} {} {}",
                op.symbol().unwrap_or("with"),
                self.value(right)
            ),
        }
    }

    /// `what the map M has for KEY`
    fn mapped(&self, key: &Expr, mappings: &Expr) -> String {
        let key = self.the_noun(key);
        let Kind::SetRef(reference) = &mappings.kind else {
            return format!("what an unknown map has for {key}");
        };
        match &reference.elements {
            Some(elements) => {
                let pairs: Vec<String> =
                    elements.iter().map(|element| self.pair(element)).collect();
                format!("a value that depends on {key} ({})", pairs.join(", "))
            }
            None => format!("what {} has for {key}", self.set_name(reference)),
        }
    }

    /// One mapping of a map: `22 (ssh): 0x1`.
    pub(super) fn pair(&self, element: &Expr) -> String {
        match &element.kind {
            Kind::Mapping(left, right) => {
                format!("{}: {}", self.value(left), self.the_noun(right))
            }
            _ => self.value(element),
        }
    }
}

fn number_between(what: &str, modulus: u32, offset: u32) -> String {
    let last = u64::from(offset) + u64::from(modulus).saturating_sub(1);
    format!("{what} ({offset} to {last})")
}

/// A protocol's name, whatever its layer.
fn display_name(name: &str) -> String {
    match name {
        "ip" | "ip6" | "arp" | "ether" | "vlan" => network_name(name),
        other => protocol_name(other),
    }
}

fn payload_noun(payload: &Payload, len: u32) -> String {
    let Some(token) = field(payload) else {
        let header = match payload.layer {
            Layer::Link => "link layer header",
            Layer::Network => "network header",
            Layer::Transport => "transport header",
            Layer::Inner => "payload of the transport protocol",
            Layer::Tunnel => "tunnel header",
            Layer::None => "unknown header",
        };
        return format!("{len} bits at bit {} of the {header}", payload.offset);
    };
    match (payload.protocol.name, token) {
        ("ip" | "ip6", "saddr") => "source address".to_owned(),
        ("ip" | "ip6", "daddr") => "destination address".to_owned(),
        ("ether", "saddr") => "source hardware address".to_owned(),
        ("ether", "daddr") => "destination hardware address".to_owned(),
        ("ether" | "vlan", "type") => format!("{} type", network_name(payload.protocol.name)),
        ("ip", "ttl") => "TTL".to_owned(),
        ("ip" | "ip6", "dscp") => "DSCP".to_owned(),
        ("ip" | "ip6", "ecn") => "ECN field".to_owned(),
        ("ip", "frag-off") => "fragment field".to_owned(),
        ("ip", "protocol") => "protocol".to_owned(),
        ("ip6", "nexthdr") => "next header".to_owned(),
        ("ip6", "hoplimit") => "hop limit".to_owned(),
        ("ip6", "flowlabel") => "flow label".to_owned(),
        ("arp", "saddr ip") => "ARP sender's IP address".to_owned(),
        ("arp", "daddr ip") => "ARP target's IP address".to_owned(),
        ("arp", "saddr ether") => "ARP sender's hardware address".to_owned(),
        ("arp", "daddr ether") => "ARP target's hardware address".to_owned(),
        ("vlan", "pcp") => "VLAN priority".to_owned(),
        ("th", "sport") => "source port".to_owned(),
        ("th", "dport") => "destination port".to_owned(),
        (_, "sport") => "source port".to_owned(),
        (_, "dport") => "destination port".to_owned(),
        (_, "ackseq") => format!(
            "{} acknowledgement number",
            display_name(payload.protocol.name)
        ),
        (_, "sequence") => format!("{} sequence number", display_name(payload.protocol.name)),
        (name, "hdrlength" | "doff") => format!("{} header length", display_name(name)),
        (name, token) => format!("{} {}", display_name(name), token.replace('-', " ")),
    }
}

fn exthdr_noun(header: &Exthdr, len: u32) -> String {
    let name = header.header.map(|header| header.name);
    let field = header.template().map(|field| field.token);
    let whole = match (header.op, name) {
        (ExthdrOp::TcpOption, Some(name)) => format!("TCP option {name}"),
        (ExthdrOp::TcpOption, None) => format!("TCP option {}", header.kind),
        (ExthdrOp::Ipv4Option, Some(name)) => format!("IPv4 option {name}"),
        (ExthdrOp::Ipv4Option, None) => format!("IPv4 option {}", header.kind),
        (ExthdrOp::SctpChunk, Some(name)) => format!("SCTP chunk {name}"),
        (ExthdrOp::SctpChunk, None) => format!("SCTP chunk {}", header.kind),
        (ExthdrOp::DccpOption, _) => format!("DCCP option {}", header.kind),
        (ExthdrOp::Ipv6, Some(name)) => format!("IPv6 extension header {name}"),
        (ExthdrOp::Ipv6, None) => format!("IPv6 extension header {}", header.kind),
        (ExthdrOp::Unknown(op), _) => format!("unknown header {op}/{}", header.kind),
    };
    match field {
        _ if header.present => whole,
        Some(field) if !field.is_empty() => {
            // A repeated field is told by its place.
            let block = match (header.op, header.offset / 64) {
                (ExthdrOp::TcpOption, block) if block > 0 => format!("{block}"),
                _ => String::new(),
            };
            format!("field {field}{block} of the {whole}")
        }
        _ => format!("{len} bits at bit {} of the {whole}", header.offset),
    }
}

fn meta_noun(key: u32) -> &'static str {
    match keys::get(&keys::META, key).map(|key| key.token) {
        Some("length") => "length",
        Some("protocol") => "network protocol",
        Some("priority") => "priority",
        Some("mark") => "mark",
        Some("iif") => "device of arrival",
        Some("oif") => "device of departure",
        Some("iifname") => "name of the device of arrival",
        Some("oifname") => "name of the device of departure",
        Some("iiftype") => "type of the device of arrival",
        Some("oiftype") => "type of the device of departure",
        Some("skuid") => "owner of the local socket",
        Some("skgid") => "group of the local socket",
        Some("nftrace") => "tracing",
        Some("rtclassid") => "routing realm",
        Some("secmark") => "security mark",
        Some("nfproto") => "network protocol",
        Some("l4proto") => "protocol",
        Some("ibrname") => "bridge of arrival",
        Some("obrname") => "bridge of departure",
        Some("pkttype") => "kind of delivery",
        Some("cpu") => "handling CPU",
        Some("iifgroup") => "group of the device of arrival",
        Some("oifgroup") => "group of the device of departure",
        Some("cgroup") => "control group",
        Some("random") => "random number",
        Some("ipsec") => "protection by IPsec",
        Some("iifkind") => "kind of the device of arrival",
        Some("oifkind") => "kind of the device of departure",
        Some("ibrpvid") => "VLAN of the bridge port of arrival",
        Some("ibrvproto") => "VLAN protocol of the bridge of arrival",
        Some("time") => "time of arrival",
        Some("day") => "day of arrival",
        Some("hour") => "time of day of arrival",
        Some("sdif") => "device of arrival inside the VRF",
        Some("sdifname") => "name of the device of arrival inside the VRF",
        Some("broute") => "routing instead of bridging",
        Some("ibrhwaddr") => "hardware address of the bridge of arrival",
        _ => "unknown property",
    }
}

fn ct_noun(key: u32, direction: Option<u8>) -> String {
    let what = match keys::get(&keys::CT, key).map(|key| key.token) {
        Some("state") => "connection state",
        Some("direction") => "direction within the connection",
        Some("status") => "connection status",
        Some("mark") => "connection mark",
        Some("secmark") => "security mark of the connection",
        Some("expiration") => "time until the connection is forgotten",
        Some("helper") => "connection helper",
        Some("l3proto") => "network protocol of the connection",
        Some("saddr" | "ip saddr" | "ip6 saddr") => "source address of the connection",
        Some("daddr" | "ip daddr" | "ip6 daddr") => "destination address of the connection",
        Some("protocol") => "protocol of the connection",
        Some("proto-src") => "source port of the connection",
        Some("proto-dst") => "destination port of the connection",
        Some("label") => "set of connection labels",
        Some("packets") => "number of packets of the connection",
        Some("bytes") => "number of bytes of the connection",
        Some("avgpkt") => "average packet size of the connection",
        Some("zone") => "connection tracking zone",
        Some("event") => "connection events reported",
        Some("id") => "connection id",
        _ => "unknown property of the connection",
    };
    match direction {
        Some(0) => format!("{what} in the original direction"),
        Some(1) => format!("{what} in the reply direction"),
        Some(other) => format!("{what} in the unknown direction {other}"),
        None => what.to_owned(),
    }
}

/// What a question to the routing tables is about.
pub(super) fn fib_inputs(flags: u32) -> String {
    let named: Vec<String> = [
        (1, "source address"),
        (2, "destination address"),
        (4, "mark"),
        (8, "device of arrival"),
        (16, "device of departure"),
    ]
    .iter()
    .filter(|(flag, _)| flags & flag != 0)
    .map(|(_, name)| (*name).to_owned())
    .collect();
    either(&named, "and")
}

fn fib_noun(flags: u32, result: u32) -> String {
    let what = match result {
        1 | 2 => "device that the routing tables give",
        3 => "kind of address that the routing tables give",
        _ => "unknown answer that the routing tables give",
    };
    format!("{what} for the {}", fib_inputs(flags))
}
