//! Making entries of the connection tracking table, and forgetting all: `IPCTNL_MSG_CT_NEW`, `_DELETE`.
//! May use `model` and `kernel::netlink`.

use crate::kernel::netlink::message::{NLM_F_CREATE, NLM_F_EXCL, Nfgen};
use crate::kernel::netlink::{AttrWriter, KernelError, Protocol, Socket};
use crate::model::conntrack::{Flow, Ports, ProtocolState, Tuple, status};
use std::net::IpAddr;

const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const NEW: u16 = NFNL_SUBSYS_CTNETLINK << 8;
const DELETE: u16 = (NFNL_SUBSYS_CTNETLINK << 8) | 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_NAT_SRC: u16 = 6;
const CTA_TIMEOUT: u16 = 7;
const CTA_MARK: u16 = 8;
const CTA_NAT_DST: u16 = 13;
const CTA_ZONE: u16 = 18;
const CTA_LABELS: u16 = 22;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
/// Source of IPv4; destination, and both of IPv6, follow.
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// Identifier, type and code.
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMPV6_ID: u16 = 7;

const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;
const TCP_CONNTRACK_ESTABLISHED: u8 = 3;
/// `IP_CT_TCP_FLAG_BE_LIBERAL`: sequence numbers are not known, and do not count.
const LIBERAL: u8 = 8;

const CTA_PROTOINFO_SCTP: u16 = 3;
const CTA_PROTOINFO_SCTP_STATE: u16 = 1;
const CTA_PROTOINFO_SCTP_VTAG_ORIGINAL: u16 = 2;
const CTA_PROTOINFO_SCTP_VTAG_REPLY: u16 = 3;

const CTA_NAT_V4_MINIP: u16 = 1;
const CTA_NAT_V4_MAXIP: u16 = 2;
const CTA_NAT_PROTO: u16 = 3;
const CTA_NAT_V6_MINIP: u16 = 4;
const CTA_NAT_V6_MAXIP: u16 = 5;
const CTA_PROTONAT_PORT_MIN: u16 = 1;
const CTA_PROTONAT_PORT_MAX: u16 = 2;

/// An entry goes after so long, if the original does not say. seconds
const TIMEOUT: u32 = 120;

/// Forget every entry of the current network namespace.
pub fn flush(socket: &mut Socket) -> Result<(), KernelError> {
    match socket.request(DELETE, 0, &[&Nfgen::bytes(0, 0)], |_| Ok(())) {
        // This kernel does not track connections.
        Err(error) if error.errno() == Some(libc::EINVAL) => Ok(()),
        result => result,
    }
}

/// Make an entry like this one in the current network namespace. Sequence numbers of TCP are not part of it.
pub fn insert(flow: &Flow) -> Result<(), KernelError> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let header = Nfgen::bytes(flow.family, 0);
    let attributes = encode(flow);
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    socket.request(NEW, flags, &[&header, attributes.as_bytes()], |_| Ok(()))
}

fn encode(flow: &Flow) -> AttrWriter {
    let mut out = AttrWriter::new();
    let original = &flow.original;
    out.nest(CTA_TUPLE_ORIG, |nest| tuple(nest, original));
    // Before NAT; the kernel derives the real one from what is said of NAT.
    out.nest(CTA_TUPLE_REPLY, |nest| tuple(nest, &turned(original)));
    let kept = status::SEEN_REPLY | status::ASSURED | status::CONFIRMED | status::FIXED_TIMEOUT;
    out.be32(CTA_STATUS, flow.status & kept | status::CONFIRMED);
    out.be32(CTA_TIMEOUT, flow.timeout.unwrap_or(TIMEOUT).max(10));
    if let Some(mark) = flow.mark {
        out.be32(CTA_MARK, mark);
    }
    if let Some(zone) = flow.zone {
        out.be16(CTA_ZONE, zone);
    }
    let labels = flow.rare.as_deref().and_then(|rare| rare.labels.as_ref());
    if let Some(labels) = labels {
        out.put(CTA_LABELS, labels);
    }
    protocol(&mut out, flow);
    let reply = &flow.reply;
    let side = |ports: Ports, source: bool| match ports {
        Ports::Ports { src, dst } => Some(if source { src } else { dst }),
        _ => None,
    };
    let ends = [
        (
            CTA_NAT_SRC,
            status::SRC_NAT_DONE,
            (reply.dst, side(reply.ports, false)),
            (original.src, side(original.ports, true)),
        ),
        (
            CTA_NAT_DST,
            status::DST_NAT_DONE,
            (reply.src, side(reply.ports, true)),
            (original.dst, side(original.ports, false)),
        ),
    ];
    for (kind, done, to, from) in ends {
        // Decided once, even if that was to leave it as it is: the rules are not asked again.
        if to != from || flow.status & done != 0 {
            out.nest(kind, |nest| nat(nest, to.0, to.1));
        }
    }
    out
}

/// How far the connection has come.
fn protocol(out: &mut AttrWriter, flow: &Flow) {
    const TCP: u8 = 6;
    match flow.protocol_state {
        Some(ProtocolState::Sctp {
            state,
            tag_original,
            tag_reply,
        }) => out.nest(CTA_PROTOINFO, |nest| {
            nest.nest(CTA_PROTOINFO_SCTP, |sctp| {
                sctp.u8(CTA_PROTOINFO_SCTP_STATE, state)
                    .be32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, tag_original.unwrap_or(0))
                    .be32(CTA_PROTOINFO_SCTP_VTAG_REPLY, tag_reply.unwrap_or(0));
            });
        }),
        _ if flow.original.protocol != TCP => out,
        ref known => {
            let state = match known {
                Some(ProtocolState::Tcp { state, .. }) => *state,
                _ => TCP_CONNTRACK_ESTABLISHED,
            };
            out.nest(CTA_PROTOINFO, |nest| {
                nest.nest(CTA_PROTOINFO_TCP, |tcp| {
                    tcp.u8(CTA_PROTOINFO_TCP_STATE, state)
                        .put(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &[LIBERAL, LIBERAL])
                        .put(CTA_PROTOINFO_TCP_FLAGS_REPLY, &[LIBERAL, LIBERAL]);
                });
            })
        }
    };
}

fn nat(out: &mut AttrWriter, to: IpAddr, port: Option<u16>) {
    match to {
        IpAddr::V4(to) => out
            .put(CTA_NAT_V4_MINIP, &to.octets())
            .put(CTA_NAT_V4_MAXIP, &to.octets()),
        IpAddr::V6(to) => out
            .put(CTA_NAT_V6_MINIP, &to.octets())
            .put(CTA_NAT_V6_MAXIP, &to.octets()),
    };
    if let Some(port) = port {
        out.nest(CTA_NAT_PROTO, |ports| {
            ports
                .be16(CTA_PROTONAT_PORT_MIN, port)
                .be16(CTA_PROTONAT_PORT_MAX, port);
        });
    }
}

fn tuple(out: &mut AttrWriter, tuple: &Tuple) {
    out.nest(CTA_TUPLE_IP, |ip| {
        for (place, address) in (0..).zip([tuple.src, tuple.dst]) {
            match address {
                IpAddr::V4(address) => ip.put(CTA_IP_V4_SRC + place, &address.octets()),
                IpAddr::V6(address) => ip.put(CTA_IP_V6_SRC + place, &address.octets()),
            };
        }
    });
    out.nest(CTA_TUPLE_PROTO, |proto| {
        proto.u8(CTA_PROTO_NUM, tuple.protocol);
        match tuple.ports {
            Ports::None => {}
            Ports::Ports { src, dst } => {
                proto
                    .be16(CTA_PROTO_SRC_PORT, src)
                    .be16(CTA_PROTO_DST_PORT, dst);
            }
            Ports::Icmp { id, kind, code } => {
                let first = match tuple.src {
                    IpAddr::V4(_) => CTA_PROTO_ICMP_ID,
                    IpAddr::V6(_) => CTA_PROTO_ICMPV6_ID,
                };
                proto
                    .be16(first, id)
                    .u8(first + 1, kind)
                    .u8(first + 2, code);
            }
        }
    });
}

/// The tuple of answers, without NAT.
fn turned(tuple: &Tuple) -> Tuple {
    Tuple {
        src: tuple.dst,
        dst: tuple.src,
        ports: match tuple.ports {
            Ports::None => Ports::None,
            Ports::Ports { src, dst } => Ports::Ports { src: dst, dst: src },
            Ports::Icmp { id, kind, code } => Ports::Icmp {
                id,
                kind: answer(tuple.src.is_ipv4(), kind),
                code,
            },
        },
        ..tuple.clone()
    }
}

/// The ICMP type that answers a request, and the other way round.
fn answer(v4: bool, kind: u8) -> u8 {
    const PAIRS4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
    const PAIRS6: [(u8, u8); 2] = [(128, 129), (139, 140)];
    let pairs: &[(u8, u8)] = if v4 { &PAIRS4 } else { &PAIRS6 };
    pairs
        .iter()
        .find_map(|(ask, tell)| match kind {
            _ if kind == *ask => Some(*tell),
            _ if kind == *tell => Some(*ask),
            _ => None,
        })
        .unwrap_or(kind)
}
