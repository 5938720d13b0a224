//! The kernel's trace: messages `NFT_MSG_TRACE` of multicast group `NFNLGRP_NFTRACE`, for packets on which a rule
//! set `meta nftrace`. May use `model` and `kernel::netlink`.

use super::{abi, decode, expression};
use crate::kernel::netlink::{Attr, Attrs, DecodeError, KernelError, Listener, Message, Protocol};
use crate::model::text::name_from_bytes;
use crate::model::trace::{TraceEvent, TraceKind, TracedCt, TracedPacket};
use crate::model::{Family, Policy};
use rustables::sys::*;
use std::os::fd::{AsFd, BorrowedFd};

/// `NFNLGRP_NFTRACE` of `linux/netfilter/nfnetlink.h`.
const GROUP: u32 = 9;
/// Events are some hundred bytes; thousands of packets may wait. bytes
const BUFFER: usize = 16 << 20;
/// Datagrams that are read before others get their turn.
const TURN: usize = 2048;

// enum nft_trace_attributes, Linux 6.16
const NFTA_TRACE_CT_ID: u16 = 18;
const NFTA_TRACE_CT_DIRECTION: u16 = 19;
const NFTA_TRACE_CT_STATUS: u16 = 20;
const NFTA_TRACE_CT_STATE: u16 = 21;

/// Decode one message; none for those that are no trace.
pub fn decode(message: &Message<'_>) -> Result<Option<TraceEvent>, DecodeError> {
    if message.kind != abi::message(abi::TRACE) {
        return Ok(None);
    }
    let (family, attributes) = decode::split(message.payload)?;
    event(family, attributes).map(Some)
}

fn event(family: Family, attributes: &[u8]) -> Result<TraceEvent, DecodeError> {
    let mut event = TraceEvent {
        id: 0,
        kind: TraceKind::Unknown(0),
        family,
        table: name_from_bytes(b""),
        chain: name_from_bytes(b""),
        handle: None,
        verdict: None,
        policy: None,
        protocol: None,
        mark: 0,
        packet: None,
        unknown: Vec::new(),
    };
    let (mut iif, mut oif) = ((None, 0), (None, 0));
    let mut packet = TracedPacket::default();
    let mut ct = None;
    let mut named = (false, false, false);
    for attr in Attrs::new(attributes) {
        let attr = attr?;
        match attr.kind {
            NFTA_TRACE_ID => (event.id, named.0) = (attr.be32()?, true),
            NFTA_TRACE_TYPE => event.kind = kind(attr.be32()?),
            NFTA_TRACE_TABLE => (event.table, named.1) = (name_from_bytes(attr.text()), true),
            NFTA_TRACE_CHAIN => (event.chain, named.2) = (name_from_bytes(attr.text()), true),
            NFTA_TRACE_RULE_HANDLE => event.handle = Some(attr.be64()?),
            NFTA_TRACE_VERDICT => event.verdict = Some(expression::verdict(attr)?),
            NFTA_TRACE_POLICY => event.policy = Some(policy(attr.be32()?)),
            NFTA_TRACE_NFPROTO => event.protocol = Some(protocol(attr.be32()?)),
            NFTA_TRACE_MARK => event.mark = attr.be32()?,
            NFTA_TRACE_IIF => iif.0 = Some(attr.be32()?),
            NFTA_TRACE_IIFTYPE => iif.1 = attr.be16()?,
            NFTA_TRACE_OIF => oif.0 = Some(attr.be32()?),
            NFTA_TRACE_OIFTYPE => oif.1 = attr.be16()?,
            NFTA_TRACE_LL_HEADER => packet.link = attr.payload.to_vec(),
            NFTA_TRACE_NETWORK_HEADER => packet.network = attr.payload.to_vec(),
            NFTA_TRACE_TRANSPORT_HEADER => packet.transport = attr.payload.to_vec(),
            NFTA_TRACE_PAD => {}
            NFTA_TRACE_CT_ID..=NFTA_TRACE_CT_STATE => {
                connection(ct.get_or_insert_default(), attr)?;
            }
            other => event.unknown.push((other, attr.payload.to_vec())),
        }
    }
    if !(named.0 && named.1 && named.2) {
        return Err(DecodeError::Missing(match named {
            (false, ..) => NFTA_TRACE_ID,
            (_, false, _) => NFTA_TRACE_TABLE,
            _ => NFTA_TRACE_CHAIN,
        }));
    }
    packet.iif = iif.0.map(|index| (index, iif.1));
    packet.oif = oif.0.map(|index| (index, oif.1));
    packet.ct = ct.map(|ct: Connection| TracedCt {
        id: ct.id,
        reply: ct.reply,
        status: ct.status,
        state: ct.state,
    });
    // Devices, headers and connection come together, once for each base chain.
    if packet != TracedPacket::default() {
        event.packet = Some(packet);
    }
    Ok(event)
}

#[derive(Default)]
struct Connection {
    id: Option<u32>,
    reply: Option<bool>,
    status: Option<u32>,
    state: u32,
}

fn connection(ct: &mut Connection, attr: Attr<'_>) -> Result<(), DecodeError> {
    match attr.kind {
        NFTA_TRACE_CT_ID => ct.id = Some(attr.be32()?),
        NFTA_TRACE_CT_DIRECTION => ct.reply = Some(attr.u8()? != 0),
        NFTA_TRACE_CT_STATUS => ct.status = Some(attr.be32()?),
        _ => ct.state = attr.be32()?,
    }
    Ok(())
}

fn kind(value: u32) -> TraceKind {
    match value {
        1 => TraceKind::Policy,
        2 => TraceKind::Return,
        3 => TraceKind::Rule,
        other => TraceKind::Unknown(other),
    }
}

fn policy(value: u32) -> Policy {
    match value {
        0 => Policy::Drop,
        1 => Policy::Accept,
        other => Policy::Unknown(other),
    }
}

fn protocol(value: u32) -> Family {
    Family::from_wire(u8::try_from(value).unwrap_or(u8::MAX))
}

/// What a reading brought.
#[derive(Debug, Default)]
pub struct Batch {
    pub events: Vec<TraceEvent>,
    /// The kernel had to drop events before the last of these, because they were not read in time.
    pub lost: bool,
    /// Messages that could not be read.
    pub unreadable: usize,
    /// There may be more.
    pub more: bool,
}

/// Hears the trace of the network namespace of the thread that opens it.
pub struct Traces {
    listener: Listener,
}

impl Traces {
    pub fn open() -> Result<Traces, KernelError> {
        let mut listener = Listener::open(Protocol::Netfilter, BUFFER)?;
        listener.join(GROUP)?;
        Ok(Traces { listener })
    }

    /// What waits; returns at once.
    pub fn read(&mut self) -> Result<Batch, KernelError> {
        let mut batch = Batch::default();
        let (events, unreadable) = (&mut batch.events, &mut batch.unreadable);
        let read = self.listener.read(TURN, |message| {
            match decode(message) {
                Ok(event) => events.extend(event),
                Err(_) => *unreadable += 1,
            }
            Ok(())
        });
        match read {
            Ok(more) => batch.more = more,
            Err(KernelError::Overrun) => (batch.lost, batch.more) = (true, true),
            Err(error) => return Err(error),
        }
        Ok(batch)
    }
}

impl AsFd for Traces {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    fn sample() -> AttrWriter {
        let mut attributes = AttrWriter::new();
        attributes
            .be32(NFTA_TRACE_ID, 0xdead_beef)
            .be32(NFTA_TRACE_TYPE, 3)
            .text(NFTA_TRACE_TABLE, "filter")
            .text(NFTA_TRACE_CHAIN, "input")
            .be64(NFTA_TRACE_RULE_HANDLE, 7)
            .nest(NFTA_TRACE_VERDICT, |verdict| {
                verdict.be32(1, 0xffff_fffd).text(2, "deeper");
            })
            .be32(NFTA_TRACE_IIF, 2)
            .be16(NFTA_TRACE_IIFTYPE, 1)
            .put(NFTA_TRACE_NETWORK_HEADER, &[0x45; 20])
            .be32(NFTA_TRACE_CT_STATE, 8)
            .put(99, &[1, 2, 3]);
        attributes
    }

    #[test]
    fn reads_what_the_kernel_sends_and_keeps_what_it_does_not_know() {
        let event = event(Family::Inet, sample().as_bytes()).unwrap();
        assert_eq!((event.id, event.handle), (0xdead_beef, Some(7)));
        assert_eq!(
            event.verdict,
            Some(crate::model::Verdict::Jump("deeper".into()))
        );
        let packet = event.packet.unwrap();
        assert_eq!((packet.iif, packet.oif), (Some((2, 1)), None));
        assert_eq!(packet.ct.unwrap().state_word(), "new");
        assert_eq!(event.unknown, [(99, vec![1, 2, 3])]);
    }

    #[test]
    fn any_bytes_are_fine() {
        let bytes = sample().into_bytes();
        for end in 0..bytes.len() {
            let _ = event(Family::Inet, &bytes[..end]);
        }
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            let _ = event(Family::Inet, &bytes);
        }
    }
}
