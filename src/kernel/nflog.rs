//! Log groups (`linux/netfilter/nfnetlink_log.h`): packets that rules `log group N` hand to whoever listens.
//! May use `model` and `kernel::netlink`.

use crate::kernel::netlink::message::{self, NLM_F_ACK, NLM_F_REQUEST, Nfgen};
use crate::kernel::netlink::{
    AttrWriter, Attrs, DecodeError, KernelError, Listener, Message, Protocol,
};
use crate::model::Family;
use crate::model::text;
use crate::model::trace::LoggedPacket;
use std::os::fd::{AsFd, BorrowedFd};

const NFNL_SUBSYS_ULOG: u16 = 4;
const NFULNL_MSG_PACKET: u16 = 0;
const NFULNL_MSG_CONFIG: u16 = 1;

const NFULA_PACKET_HDR: u16 = 1;
const NFULA_MARK: u16 = 2;
const NFULA_TIMESTAMP: u16 = 3;
const NFULA_IFINDEX_INDEV: u16 = 4;
const NFULA_IFINDEX_OUTDEV: u16 = 5;
const NFULA_IFINDEX_PHYSINDEV: u16 = 6;
const NFULA_IFINDEX_PHYSOUTDEV: u16 = 7;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_UID: u16 = 11;
const NFULA_GID: u16 = 14;
const NFULA_HWTYPE: u16 = 15;
const NFULA_HWHEADER: u16 = 16;

const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_TIMEOUT: u16 = 4;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;

/// Packets may wait so long in the kernel before it sends them. 1/100 s
const DELAY: u32 = 10;
/// bytes
const BUFFER: usize = 8 << 20;
const TURN: usize = 2048;

/// Decode one message; none for those that are no packet.
pub fn decode(message: &Message<'_>) -> Result<Option<LoggedPacket>, DecodeError> {
    if message.kind != (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET {
        return Ok(None);
    }
    let (header, attributes) = Nfgen::split(message.payload)?;
    let mut packet = LoggedPacket {
        group: header.res_id,
        protocol: Some(Family::from_wire(header.family)),
        ..LoggedPacket::default()
    };
    for attr in Attrs::new(attributes) {
        let attr = attr?;
        match attr.kind {
            NFULA_PACKET_HDR => {
                // struct nfulnl_msg_packet_hdr: be16, u8, padding
                let Some(&[high, low, hook]) = attr.payload.first_chunk::<3>() else {
                    return Err(DecodeError::Length {
                        kind: attr.kind,
                        length: attr.payload.len(),
                        expected: 4,
                    });
                };
                packet.ethertype = u16::from_be_bytes([high, low]);
                packet.hook = hook;
            }
            NFULA_MARK => packet.mark = attr.be32()?,
            NFULA_TIMESTAMP => packet.time = time(attr.payload),
            NFULA_IFINDEX_INDEV => packet.iif = Some(attr.be32()?),
            NFULA_IFINDEX_OUTDEV => packet.oif = Some(attr.be32()?),
            NFULA_IFINDEX_PHYSINDEV => packet.physical_iif = Some(attr.be32()?),
            NFULA_IFINDEX_PHYSOUTDEV => packet.physical_oif = Some(attr.be32()?),
            NFULA_PAYLOAD => packet.payload = attr.payload.to_vec(),
            NFULA_PREFIX => packet.prefix = text::from_bytes(attr.text()),
            NFULA_UID => packet.uid = Some(attr.be32()?),
            NFULA_GID => packet.gid = Some(attr.be32()?),
            NFULA_HWTYPE => packet.link_type = attr.be16()?,
            NFULA_HWHEADER => packet.link = attr.payload.to_vec(),
            other => packet.unknown.push((other, attr.payload.to_vec())),
        }
    }
    Ok(Some(packet))
}

/// Seconds and microseconds, 64 bits each. A value beyond what fits is none.
fn time(bytes: &[u8]) -> Option<u64> {
    let (seconds, rest) = bytes.split_first_chunk::<8>()?;
    let micros = rest.first_chunk::<8>()?;
    u64::from_be_bytes(*seconds)
        .checked_mul(1_000_000)?
        .checked_add(u64::from_be_bytes(*micros))
}

/// What a reading brought.
#[derive(Debug, Default)]
pub struct Batch {
    pub packets: Vec<LoggedPacket>,
    /// The kernel had to drop packets, because they were not read in time.
    pub lost: bool,
    pub unreadable: usize,
}

/// Listens to log groups. Only one listener may have a group.
pub struct LogGroups {
    listener: Listener,
}

impl LogGroups {
    /// Listen to `groups`, to at most `copy` bytes of each packet.
    pub fn open(groups: &[u16], copy: u32) -> Result<LogGroups, KernelError> {
        let mut listener = Listener::open(Protocol::Netfilter, BUFFER)?;
        for (number, group) in (0u32..).zip(groups) {
            for (part, attributes) in (1u32..).zip([bind(), settings(copy)]) {
                let sequence = number * 2 + part;
                let mut out = Vec::new();
                message::write(
                    &mut out,
                    (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG,
                    NLM_F_REQUEST | NLM_F_ACK,
                    sequence,
                    &[&Nfgen::bytes(0, *group), attributes.as_bytes()],
                );
                // Packets of a group that is bound already may come before the answer; they are not of interest yet.
                listener.request(&out, sequence, |_| Ok(()))?;
            }
        }
        Ok(LogGroups { listener })
    }

    /// What waits; returns at once.
    pub fn read(&mut self) -> Result<Batch, KernelError> {
        let mut batch = Batch::default();
        let (packets, unreadable) = (&mut batch.packets, &mut batch.unreadable);
        let read = self.listener.read(TURN, |message| {
            match decode(message) {
                Ok(packet) => packets.extend(packet),
                Err(_) => *unreadable += 1,
            }
            Ok(())
        });
        match read {
            Ok(_) => {}
            Err(KernelError::Overrun) => batch.lost = true,
            Err(error) => return Err(error),
        }
        Ok(batch)
    }
}

impl AsFd for LogGroups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn bind() -> AttrWriter {
    let mut attributes = AttrWriter::new();
    attributes.u8(NFULA_CFG_CMD, NFULNL_CFG_CMD_BIND);
    attributes
}

fn settings(copy: u32) -> AttrWriter {
    // struct nfulnl_msg_config_mode
    let mut mode = copy.to_be_bytes().to_vec();
    mode.extend([NFULNL_COPY_PACKET, 0]);
    let mut attributes = AttrWriter::new();
    attributes
        .put(NFULA_CFG_MODE, &mode)
        .be32(NFULA_CFG_TIMEOUT, DELAY)
        .be32(NFULA_CFG_QTHRESH, 64);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_fine() {
        let mut attributes = AttrWriter::new();
        attributes
            .put(NFULA_PACKET_HDR, &[8, 0, 1, 0])
            .text(NFULA_PREFIX, "dropped: ")
            .put(NFULA_TIMESTAMP, &[0xff; 16])
            .put(NFULA_PAYLOAD, &[0x45; 20]);
        let mut payload = Nfgen::bytes(2, 5).to_vec();
        payload.extend_from_slice(attributes.as_bytes());
        let message = |payload| Message {
            kind: NFNL_SUBSYS_ULOG << 8,
            flags: 0,
            sequence: 0,
            port: 0,
            payload,
        };
        let packet = decode(&message(&payload)).unwrap().unwrap();
        assert_eq!((packet.group, packet.hook), (5, 1));
        assert_eq!(packet.prefix, "dropped: ");
        assert_eq!(packet.time, None);
        for end in 0..payload.len() {
            let _ = decode(&message(&payload[..end]));
        }
    }
}
