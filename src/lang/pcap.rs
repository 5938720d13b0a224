//! Captures of packets: pcap and pcapng as the crate `pcap-parser` reads them, and what each link type has before
//! the network header. Pure, on bytes; what is wrong is told with its offset. May use nothing else.
//!
//! What the blocks carry beside packets (comments, statistics, name resolution) is passed over.

use pcap_parser::nom;
use pcap_parser::pcapng::{parse_block_be, parse_block_le};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    Block, LegacyPcapBlock, Linktype, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header,
};
use thiserror::Error;

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PcapError {
    #[error("it is no capture: it begins with neither pcap's nor pcapng's magic number")]
    NotOne,
    #[error("at byte {offset}: the file ends inside {what}")]
    Short { offset: usize, what: &'static str },
    #[error("at byte {offset}: a block that contradicts itself; what is before it can be read")]
    Broken { offset: usize },
    #[error(
        "at byte {offset}: packets of link type {link_type} are not read; Ethernet (1), raw IP (101), Linux cooked (113, 276) are"
    )]
    LinkType { offset: usize, link_type: i32 },
    #[error(
        "at byte {offset}: a packet of interface {interface}, which the file does not describe"
    )]
    Interface { offset: usize, interface: u32 },
}

/// One packet of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Where it begins in the file.
    pub offset: usize,
    /// From 1.
    pub number: usize,
    /// Nanoseconds since 1970.
    pub time: Option<u64>,
    /// An Ethernet header, maybe with tags behind it; empty for other links.
    pub link: &'a [u8],
    /// EtherType of `network`.
    pub ethertype: u16,
    pub network: &'a [u8],
    /// This machine sent it, where the capture says so.
    pub outgoing: Option<bool>,
    /// Bytes that the capture left away.
    pub missing: usize,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: Linktype,
    /// Time stamps in a second.
    per_second: u64,
}

/// The packets of a file, in order. After an error there is nothing more.
pub struct Packets<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
    next_generation: bool,
    interfaces: Vec<Interface>,
    number: usize,
    done: bool,
}

impl<'a> Packets<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Packets<'a>, PcapError> {
        const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
        let mut packets = Packets {
            bytes,
            at: 0,
            big: false,
            next_generation: true,
            interfaces: Vec::new(),
            number: 0,
            done: false,
        };
        if bytes.starts_with(&SECTION) {
            return Ok(packets);
        }
        let (rest, header) = parse_pcap_header(bytes).map_err(|error| match error {
            nom::Err::Incomplete(_) if bytes.len() >= 4 => PcapError::Short {
                offset: 0,
                what: "the file's header",
            },
            _ => PcapError::NotOne,
        })?;
        if header.is_modified_format() {
            return Err(PcapError::NotOne);
        }
        packets.at = bytes.len() - rest.len();
        packets.next_generation = false;
        packets.big = header.is_bigendian();
        packets.interfaces.push(Interface {
            // The upper bits tell of frame check sequences.
            link_type: Linktype(header.network.0 & 0x0fff_ffff),
            per_second: match header.is_nanosecond_precision() {
                true => 1_000_000_000,
                false => 1_000_000,
            },
        });
        Ok(packets)
    }

    /// What is not read yet.
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn classic(&mut self) -> Result<Option<Captured<'a>>, PcapError> {
        const HEADER: usize = 16;
        let (offset, rest) = (self.at, self.rest());
        if rest.is_empty() {
            return Ok(None);
        }
        let parse = match self.big {
            true => parse_pcap_frame_be,
            false => parse_pcap_frame,
        };
        let (rest, frame): (_, LegacyPcapBlock<'a>) = parse(rest).map_err(|_| {
            let (behind, what) = match rest.len() < HEADER {
                true => (0, "the header of a packet"),
                false => (HEADER, "a packet"),
            };
            PcapError::Short {
                offset: offset + behind,
                what,
            }
        })?;
        self.at = self.bytes.len() - rest.len();
        let interface = self.interface(offset, 0)?;
        let stamp = u64::from(frame.ts_sec) * interface.per_second + u64::from(frame.ts_usec);
        let time = nanoseconds(stamp, interface.per_second);
        let whole = frame.origlen as usize;
        self.packet(offset, interface, frame.data, whole, time)
            .map(Some)
    }

    fn interface(&self, offset: usize, number: u32) -> Result<Interface, PcapError> {
        let found = self.interfaces.get(number as usize).copied();
        found.ok_or(PcapError::Interface {
            offset,
            interface: number,
        })
    }

    /// Blocks up to the next packet.
    fn blocks(&mut self) -> Result<Option<Captured<'a>>, PcapError> {
        while !self.rest().is_empty() {
            let (offset, rest) = (self.at, self.rest());
            let parse = match self.big {
                true => parse_block_be,
                false => parse_block_le,
            };
            let (after, block) = parse(rest).map_err(|error| self.wrong(offset, &error))?;
            self.at = self.bytes.len() - after.len();
            match block {
                Block::SectionHeader(section) => {
                    self.big = section.big_endian();
                    self.interfaces.clear();
                }
                Block::InterfaceDescription(described) => self.interfaces.push(Interface {
                    link_type: described.linktype,
                    // Finer than numbers can say: no time stamp will be told of it.
                    per_second: described.ts_resolution().unwrap_or(u64::MAX),
                }),
                Block::EnhancedPacket(packet) => {
                    let data = captured(packet.data, packet.caplen);
                    let interface = self.interface(offset, packet.if_id)?;
                    let stamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    let time = nanoseconds(stamp, interface.per_second);
                    let whole = packet.orig_len() as usize;
                    return self.packet(offset, interface, data, whole, time).map(Some);
                }
                Block::SimplePacket(packet) => {
                    let data = captured(packet.data, packet.origlen);
                    let interface = self.interface(offset, 0)?;
                    let whole = packet.orig_len() as usize;
                    return self.packet(offset, interface, data, whole, None).map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Why a block could not be read: the file ends inside it, or it is wrong in itself.
    fn wrong(
        &self,
        offset: usize,
        error: &nom::Err<pcap_parser::PcapError<&'a [u8]>>,
    ) -> PcapError {
        let said = self.rest().get(4..8).and_then(|word| word.try_into().ok());
        let said = said.map(|word| match self.big {
            true => u32::from_be_bytes(word),
            false => u32::from_le_bytes(word),
        });
        // A length that the file does have means that something inside the block reaches beyond it.
        let whole = said.is_some_and(|said| said as usize <= self.rest().len());
        match error {
            nom::Err::Incomplete(_) if !whole => PcapError::Short {
                offset,
                what: "a block",
            },
            _ => PcapError::Broken { offset },
        }
    }

    fn packet(
        &mut self,
        offset: usize,
        interface: Interface,
        data: &'a [u8],
        whole: usize,
        time: Option<u64>,
    ) -> Result<Captured<'a>, PcapError> {
        self.number += 1;
        let be16 = |at: usize| {
            let bytes = data.get(at..at + 2)?;
            Some(u16::from_be_bytes(bytes.try_into().ok()?))
        };
        let from = |at: usize| data.get(at..).unwrap_or_default();
        // `sll_pkttype`: 4 is outgoing.
        const OUTGOING: u16 = 4;
        let version = match data.first().map(|byte| byte >> 4) {
            Some(6) => ETH_P_IPV6,
            _ => ETH_P_IP,
        };
        let (link, ethertype, network, outgoing): (&[u8], _, _, _) = match interface.link_type {
            Linktype::ETHERNET => {
                let (mut ethertype, mut at) = (be16(12).unwrap_or(0), 14);
                while matches!(ethertype, 0x8100 | 0x88a8) {
                    ethertype = be16(at + 2).unwrap_or(0);
                    at += 4;
                }
                (data.get(..at).unwrap_or(data), ethertype, from(at), None)
            }
            Linktype(12 | 14) | Linktype::RAW => (&[], version, data, None),
            Linktype::IPV4 => (&[], ETH_P_IP, data, None),
            Linktype::IPV6 => (&[], ETH_P_IPV6, data, None),
            Linktype::LINUX_SLL => {
                let outgoing = be16(0).map(|kind| kind == OUTGOING);
                (&[], be16(14).unwrap_or(0), from(16), outgoing)
            }
            Linktype::LINUX_SLL2 => {
                let outgoing = data.get(10).map(|kind| u16::from(*kind) == OUTGOING);
                (&[], be16(0).unwrap_or(0), from(20), outgoing)
            }
            Linktype(link_type) => return Err(PcapError::LinkType { offset, link_type }),
        };
        Ok(Captured {
            offset,
            number: self.number,
            time,
            link,
            ethertype,
            network,
            outgoing,
            missing: whole.saturating_sub(data.len()),
        })
    }
}

/// The bytes of a packet, without what fills its block up.
fn captured(data: &[u8], length: u32) -> &[u8] {
    data.get(..length as usize).unwrap_or(data)
}

fn nanoseconds(stamp: u64, per_second: u64) -> Option<u64> {
    let per_second = u128::from(per_second.max(1));
    u64::try_from(u128::from(stamp) * 1_000_000_000 / per_second).ok()
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Captured<'a>, PcapError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = if self.next_generation {
            self.blocks()
        } else {
            self.classic()
        };
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A classic file with one packet.
    fn classic(big: bool, nano: bool, link_type: u32, data: &[u8]) -> Vec<u8> {
        let word = |value: u32| {
            if big {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let magic = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let mut out = Vec::new();
        // The version's two numbers come in one word here.
        for value in [magic, 0, 0, 0, 65535, link_type, 10, 7] {
            out.extend(word(value));
        }
        let length = data.len() as u32;
        out.extend(word(length));
        out.extend(word(length + 5));
        out.extend(data);
        out
    }

    /// A pcapng file with one interface of nanoseconds, a block that is passed over, and one packet.
    fn next_generation(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let mut body = body.to_vec();
            body.resize(body.len().next_multiple_of(4), 0);
            let length = body.len() as u32 + 12;
            out.extend(kind.to_le_bytes());
            out.extend(length.to_le_bytes());
            out.extend(body);
            out.extend(length.to_le_bytes());
        };
        let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        section.extend([1, 0, 0, 0]);
        section.extend([0xff; 8]);
        block(0x0a0d_0d0a, &section);
        block(1, &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0]);
        block(5, &[7; 9]);
        let mut packet = 0u32.to_le_bytes().to_vec();
        for value in [0, 42, data.len() as u32, data.len() as u32] {
            packet.extend(value.to_le_bytes());
        }
        packet.extend(data);
        block(6, &packet);
        out
    }

    fn frame() -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([0x81, 0, 0, 7, 8, 0]);
        frame.extend([0x45; 21]);
        frame
    }

    #[test]
    fn every_form_is_read() {
        for (big, nano) in [(false, false), (false, true), (true, false), (true, true)] {
            let file = classic(big, nano, 1, &frame());
            let packets: Vec<_> = Packets::new(&file).unwrap().collect();
            let packet = packets[0].clone().unwrap();
            assert_eq!(packets.len(), 1);
            let unit = if nano { 7 } else { 7_000 };
            assert_eq!(packet.time, Some(10_000_000_000 + unit));
            assert_eq!((packet.offset, packet.missing), (24, 5));
            assert_eq!(
                (packet.ethertype, packet.network),
                (0x0800, &[0x45; 21][..])
            );
            assert_eq!(packet.link.len(), 18);
        }
        let file = next_generation(&frame());
        let packets: Vec<_> = Packets::new(&file).unwrap().map(Result::unwrap).collect();
        assert_eq!((packets.len(), packets[0].time), (1, Some(42)));
        assert_eq!(packets[0].network, [0x45; 21]);
        let mut cooked = vec![0, 4, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x86, 0xdd];
        cooked.extend([0x60; 40]);
        let file = classic(false, false, 113, &cooked);
        let packet = Packets::new(&file).unwrap().next().unwrap().unwrap();
        assert_eq!((packet.ethertype, packet.outgoing), (0x86dd, Some(true)));
        assert_eq!(packet.network.len(), 40);
        let file = classic(false, false, 101, &[0x60; 40]);
        let packet = Packets::new(&file).unwrap().next().unwrap().unwrap();
        assert_eq!(packet.ethertype, 0x86dd);
    }

    #[test]
    fn broken_files_say_where() {
        let words = |file: &[u8]| match Packets::new(file) {
            Ok(packets) => {
                let last = packets.last();
                last.and_then(Result::err).map(|error| error.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        let file = classic(false, false, 1, &frame());
        assert_eq!(words(&file), None);
        assert_eq!(
            words(&file[..50]).unwrap(),
            "at byte 40: the file ends inside a packet"
        );
        assert!(words(b"GIF89a").unwrap().contains("no capture"));
        let file = next_generation(&frame());
        assert_eq!(
            words(&file[..file.len() - 3]).unwrap(),
            "at byte 80: the file ends inside a block"
        );
        let odd = classic(false, false, 147, &frame());
        assert!(
            words(&odd)
                .unwrap()
                .starts_with("at byte 24: packets of link type 147")
        );
    }

    #[test]
    fn any_bytes_are_fine() {
        for file in [classic(true, false, 1, &frame()), next_generation(&frame())] {
            for end in 0..file.len() {
                let _ = Packets::new(&file[..end]).map(Iterator::count);
            }
            for place in 0..file.len() {
                let mut file = file.clone();
                for value in [0, 0x7f, 0xff] {
                    file[place] = value;
                    let _ = Packets::new(&file).map(Iterator::count);
                }
            }
        }
    }
}
