//! The connection tracking table: `NFNL_SUBSYS_CTNETLINK`, `CTA_*` in
//! `linux/netfilter/nfnetlink_conntrack.h`. May use `model` and `kernel::netlink`.

use crate::kernel::netlink::message::Nfgen;
use crate::kernel::netlink::{Attr, Attrs, DecodeError, Fields, KernelError, Protocol, Socket};
use crate::model::conntrack::{Flow, FlowCounter, FlowRare, Ports, ProtocolState, Tuple};
use crate::model::network::RawAttribute;
use serde_bytes::ByteBuf;
use std::net::IpAddr;

const NFNL_SUBSYS_CTNETLINK: u16 = 1;
const IPCTNL_MSG_CT_GET: u16 = 1;
const GET: u16 = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_HELP: u16 = 5;
const CTA_TIMEOUT: u16 = 7;
const CTA_MARK: u16 = 8;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_USE: u16 = 11;
const CTA_ID: u16 = 12;
const CTA_TUPLE_MASTER: u16 = 14;
const CTA_ZONE: u16 = 18;
const CTA_SECCTX: u16 = 19;
const CTA_TIMESTAMP: u16 = 20;
const CTA_LABELS: u16 = 22;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMPV6_ID: u16 = 7;

/// Read the whole table of the current network namespace; `each` gets every entry.
pub fn dump(mut each: impl FnMut(Flow)) -> Result<(), KernelError> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    // Family 0: all.
    socket.dump(GET, &[&Nfgen::bytes(0, 0)], |message| {
        each(decode_flow(message.payload)?);
        Ok(())
    })
}

/// The whole table. Entries come and go while it is read; one may be missed or come twice.
pub fn read_conntrack() -> Result<Vec<Flow>, KernelError> {
    let mut flows = Vec::new();
    match dump(|flow| flows.push(flow)) {
        // nfnetlink says so when this kernel does not track connections.
        Err(error) if error.errno() == Some(libc::EINVAL) => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(()) => Ok(flows),
    }
}

/// Decode the payload of one message: of a dump, or of a notification.
pub fn decode_flow(payload: &[u8]) -> Result<Flow, DecodeError> {
    let (header, attributes) = Nfgen::split(payload)?;
    let mut flow = Parts::default();
    let mut rare = FlowRare::default();
    for attr in Attrs::new(attributes) {
        let attr = attr?;
        match attr.kind {
            CTA_TUPLE_ORIG => flow.original = Some(decode_tuple(attr.payload)?),
            CTA_TUPLE_REPLY => flow.reply = Some(decode_tuple(attr.payload)?),
            CTA_STATUS => flow.status = attr.be32()?,
            CTA_PROTOINFO => flow.state = decode_state(attr.payload)?,
            CTA_HELP => rare.helper = Fields::<2>::parse(attr.payload)?.name(1),
            CTA_TIMEOUT => flow.timeout = Some(attr.be32()?),
            CTA_MARK => flow.mark = Some(attr.be32()?),
            CTA_COUNTERS_ORIG => flow.counter_original = Some(decode_counter(attr.payload)?),
            CTA_COUNTERS_REPLY => flow.counter_reply = Some(decode_counter(attr.payload)?),
            CTA_USE => flow.use_count = Some(attr.be32()?),
            CTA_ID => flow.id = Some(attr.be32()?),
            CTA_TUPLE_MASTER => rare.master = Some(decode_tuple(attr.payload)?),
            CTA_ZONE => flow.zone = Some(attr.be16()?),
            CTA_SECCTX => rare.security = Fields::<2>::parse(attr.payload)?.name(1),
            CTA_TIMESTAMP => {
                let times = Fields::<4>::parse(attr.payload)?;
                (rare.start, rare.stop) = (times.be64(1)?, times.be64(2)?);
            }
            CTA_LABELS => rare.labels = Some(ByteBuf::from(attr.payload)),
            _ => rare.unknown.push(raw(attr)),
        }
    }
    Ok(Flow {
        family: header.family,
        original: flow.original.ok_or(DecodeError::Missing(CTA_TUPLE_ORIG))?,
        reply: flow.reply.ok_or(DecodeError::Missing(CTA_TUPLE_REPLY))?,
        status: flow.status,
        timeout: flow.timeout,
        mark: flow.mark,
        zone: flow.zone,
        id: flow.id,
        use_count: flow.use_count,
        protocol_state: flow.state,
        counter_original: flow.counter_original,
        counter_reply: flow.counter_reply,
        rare: (rare != FlowRare::default()).then(|| Box::new(rare)),
    })
}

/// A flow while its attributes come in.
#[derive(Default)]
struct Parts {
    original: Option<Tuple>,
    reply: Option<Tuple>,
    status: u32,
    timeout: Option<u32>,
    mark: Option<u32>,
    zone: Option<u16>,
    id: Option<u32>,
    use_count: Option<u32>,
    state: Option<ProtocolState>,
    counter_original: Option<FlowCounter>,
    counter_reply: Option<FlowCounter>,
}

fn raw(attr: Attr<'_>) -> RawAttribute {
    RawAttribute {
        kind: attr.kind,
        payload: attr.payload.to_vec(),
    }
}

fn decode_tuple(bytes: &[u8]) -> Result<Tuple, DecodeError> {
    let mut addresses = (None, None);
    let (mut protocol, mut ports, mut zone) = (0, Ports::None, None);
    let mut unknown = Vec::new();
    for attr in Attrs::new(bytes) {
        let attr = attr?;
        match attr.kind {
            CTA_TUPLE_IP => addresses = decode_addresses(attr.payload)?,
            CTA_TUPLE_PROTO => (protocol, ports) = decode_ports(attr.payload)?,
            CTA_TUPLE_ZONE => zone = Some(attr.be16()?),
            _ => unknown.push(raw(attr)),
        }
    }
    let (Some(src), Some(dst)) = addresses else {
        return Err(DecodeError::Missing(CTA_TUPLE_IP));
    };
    Ok(Tuple {
        src,
        dst,
        protocol,
        ports,
        zone,
        unknown,
    })
}

/// `CTA_IP_*`: 1 and 2 IPv4, 3 and 4 IPv6.
fn decode_addresses(bytes: &[u8]) -> Result<(Option<IpAddr>, Option<IpAddr>), DecodeError> {
    let fields = Fields::<8>::parse(bytes)?;
    let address = |four: u16, six: u16| -> Result<Option<IpAddr>, DecodeError> {
        if let Some(attr) = fields.get(four) {
            return attr.be32().map(|bits| Some(IpAddr::V4(bits.into())));
        }
        match fields.get(six) {
            None => Ok(None),
            Some(attr) => match <[u8; 16]>::try_from(attr.payload) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(_) => Err(DecodeError::Length {
                    kind: six,
                    length: attr.payload.len(),
                    expected: 16,
                }),
            },
        }
    };
    Ok((address(1, 3)?, address(2, 4)?))
}

/// `CTA_PROTO_*`; the numbers of ICMPv6 follow those of ICMP.
fn decode_ports(bytes: &[u8]) -> Result<(u8, Ports), DecodeError> {
    let fields = Fields::<16>::parse(bytes)?;
    let protocol = fields.u8(CTA_PROTO_NUM)?.unwrap_or(0);
    for first in [CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID] {
        if let Some(id) = fields.be16(first)? {
            let ports = Ports::Icmp {
                id,
                kind: fields.u8(first + 1)?.unwrap_or(0),
                code: fields.u8(first + 2)?.unwrap_or(0),
            };
            return Ok((protocol, ports));
        }
    }
    let src = fields.be16(CTA_PROTO_SRC_PORT)?;
    let dst = fields.be16(CTA_PROTO_DST_PORT)?;
    Ok(match (src, dst) {
        (None, None) => (protocol, Ports::None),
        (src, dst) => {
            let (src, dst) = (src.unwrap_or(0), dst.unwrap_or(0));
            (protocol, Ports::Ports { src, dst })
        }
    })
}

fn decode_counter(bytes: &[u8]) -> Result<FlowCounter, DecodeError> {
    let fields = Fields::<8>::parse(bytes)?;
    // Old kernels send 32 bits, in the third and fourth attribute.
    let number = |long: u16, short: u16| -> Result<u64, DecodeError> {
        match fields.be64(long)? {
            Some(number) => Ok(number),
            None => Ok(u64::from(fields.be32(short)?.unwrap_or(0))),
        }
    };
    Ok(FlowCounter {
        packets: number(1, 3)?,
        bytes: number(2, 4)?,
    })
}

/// `CTA_PROTOINFO_*`
fn decode_state(bytes: &[u8]) -> Result<Option<ProtocolState>, DecodeError> {
    let Some(attr) = Attrs::new(bytes).next().transpose()? else {
        return Ok(None);
    };
    let fields = Fields::<8>::parse(attr.payload)?;
    let state = fields.u8(1)?.unwrap_or(0);
    // The flags come with a mask behind them, which is unused towards user space.
    let flags = |kind: u16| {
        let payload = fields.get(kind).map(|attr| attr.payload);
        payload.and_then(|bytes| bytes.first().copied())
    };
    Ok(Some(match attr.kind {
        1 => ProtocolState::Tcp {
            state,
            scale_original: fields.u8(2)?,
            scale_reply: fields.u8(3)?,
            flags_original: flags(4),
            flags_reply: flags(5),
        },
        2 => ProtocolState::Dccp {
            state,
            role: fields.u8(2)?,
        },
        3 => ProtocolState::Sctp {
            state,
            tag_original: fields.be32(2)?,
            tag_reply: fields.be32(3)?,
        },
        _ => ProtocolState::Unknown(raw(attr)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    fn tuple(writer: &mut AttrWriter, src: [u8; 4], dst: [u8; 4], ports: [u16; 2]) {
        writer
            .nest(CTA_TUPLE_IP, |ip| {
                ip.put(1, &src).put(2, &dst);
            })
            .nest(CTA_TUPLE_PROTO, |protocol| {
                protocol.u8(1, 6).be16(2, ports[0]).be16(3, ports[1]);
            });
    }

    fn payload() -> Vec<u8> {
        let mut attributes = AttrWriter::new();
        attributes
            .nest(CTA_TUPLE_ORIG, |t| {
                tuple(t, [10, 0, 0, 1], [10, 0, 0, 2], [1, 2])
            })
            .nest(CTA_TUPLE_REPLY, |t| {
                tuple(t, [10, 0, 0, 2], [10, 0, 0, 9], [2, 1])
            })
            .be32(CTA_STATUS, 0x1e)
            .nest(CTA_PROTOINFO, |info| {
                info.nest(1, |tcp| {
                    tcp.u8(1, 3).u8(2, 7).u8(3, 9).put(4, &[0x23, 0]);
                });
            })
            .nest(CTA_COUNTERS_ORIG, |counter| {
                counter.be64(1, 4).be64(2, 400);
            })
            .put(99, b"new");
        let mut payload = Nfgen::bytes(2, 0).to_vec();
        payload.extend_from_slice(attributes.as_bytes());
        payload
    }

    #[test]
    fn reads_an_entry() {
        let flow = decode_flow(&payload()).unwrap();
        assert_eq!(flow.reply.dst, IpAddr::from([10, 0, 0, 9]));
        assert_eq!(flow.original.ports, Ports::Ports { src: 1, dst: 2 });
        assert_eq!(flow.state_name(), Some("ESTABLISHED"));
        assert!(flow.is_translated());
        assert_eq!(flow.counter_original.map(|c| c.bytes), Some(400));
        assert_eq!(flow.rare.unwrap().unknown[0].payload, b"new");
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let good = payload();
        for place in 0..good.len() {
            let _ = decode_flow(&good[..place]);
            for value in [0, 1, 5, 255] {
                let mut bad = good.clone();
                bad[place] = value;
                let _ = decode_flow(&bad);
            }
        }
    }
}
