//! Captures of packets: the classic pcap format (micro- and nanoseconds, either byte order) and pcapng
//! (draft-ietf-opsawg-pcapng). Pure, on bytes; what is wrong is told with its offset. May use nothing.
//!
//! What the blocks carry beside packets (comments, statistics, name resolution) is passed over.

use thiserror::Error;

/// `LINKTYPE_*`
const ETHERNET: u32 = 1;
/// Also 12 and 14, as some systems write it.
const RAW: u32 = 101;
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_SLL2: u32 = 276;

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// A packet can be no longer; a length beyond it is a broken file. bytes
const LONGEST: usize = 256 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PcapError {
    #[error("it is no capture: it begins with neither pcap's nor pcapng's magic number")]
    NotOne,
    #[error("at byte {offset}: the file ends inside {what}")]
    Short { offset: usize, what: &'static str },
    #[error("at byte {offset}: {what} {length} bytes long, which makes no sense")]
    Length {
        offset: usize,
        what: &'static str,
        length: usize,
    },
    #[error(
        "at byte {offset}: packets of link type {link_type} are not read; Ethernet (1), raw IP (101), Linux cooked (113, 276) are"
    )]
    LinkType { offset: usize, link_type: u32 },
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
    link_type: u32,
    /// Time stamps in a second, as a power of 10 (or of 2).
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
        let mut packets = Packets {
            bytes,
            at: 0,
            big: false,
            next_generation: false,
            interfaces: Vec::new(),
            number: 0,
            done: false,
        };
        let magic = bytes.first_chunk::<4>().ok_or(PcapError::NotOne)?;
        let per_second = match *magic {
            [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0xc3, 0xd4] => 1_000_000,
            [0x4d, 0x3c, 0xb2, 0xa1] | [0xa1, 0xb2, 0x3c, 0x4d] => 1_000_000_000,
            [0x0a, 0x0d, 0x0d, 0x0a] => {
                packets.next_generation = true;
                return Ok(packets);
            }
            _ => return Err(PcapError::NotOne),
        };
        packets.big = magic[0] == 0xa1;
        // The upper bits tell of frame check sequences.
        let link_type = packets.u32(20, "the file's header")? & 0x0fff_ffff;
        packets.interfaces.push(Interface {
            link_type,
            per_second,
        });
        packets.at = 24;
        Ok(packets)
    }

    fn slice(
        &self,
        offset: usize,
        length: usize,
        what: &'static str,
    ) -> Result<&'a [u8], PcapError> {
        let end = offset.checked_add(length);
        end.and_then(|end| self.bytes.get(offset..end))
            .ok_or(PcapError::Short { offset, what })
    }

    fn u32(&self, offset: usize, what: &'static str) -> Result<u32, PcapError> {
        let bytes = self.slice(offset, 4, what)?;
        let bytes: [u8; 4] = bytes
            .try_into()
            .map_err(|_| PcapError::Short { offset, what })?;
        Ok(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    fn u16(&self, offset: usize, what: &'static str) -> Result<u16, PcapError> {
        let bytes = self.slice(offset, 2, what)?;
        let bytes: [u8; 2] = bytes
            .try_into()
            .map_err(|_| PcapError::Short { offset, what })?;
        Ok(if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn classic(&mut self) -> Result<Option<Captured<'a>>, PcapError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let offset = self.at;
        const WHAT: &str = "the header of a packet";
        let seconds = self.u32(offset, WHAT)?;
        let part = self.u32(offset + 4, WHAT)?;
        let length = self.length(offset + 8, "a packet")?;
        let whole = self.u32(offset + 12, WHAT)? as usize;
        let data = self.slice(offset + 16, length, "a packet")?;
        self.at = offset + 16 + length;
        let interface = self.interface(offset, 0)?;
        let stamp = u64::from(seconds) * interface.per_second + u64::from(part);
        let time = nanoseconds(stamp, interface.per_second);
        self.packet(offset, interface, data, whole, time).map(Some)
    }

    fn length(&self, offset: usize, what: &'static str) -> Result<usize, PcapError> {
        let length = self.u32(offset, what)? as usize;
        if length > LONGEST {
            return Err(PcapError::Length {
                offset,
                what,
                length,
            });
        }
        Ok(length)
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
        const SECTION: u32 = 0x0a0d_0d0a;
        const INTERFACE: u32 = 1;
        const SIMPLE: u32 = 3;
        const ENHANCED: u32 = 6;
        const WHAT: &str = "the header of a block";
        while self.at < self.bytes.len() {
            let offset = self.at;
            if self.slice(offset, 4, WHAT)? == [0x0a, 0x0d, 0x0d, 0x0a] {
                self.big = match self.slice(offset + 8, 4, "the header of a section")? {
                    [0x1a, 0x2b, 0x3c, 0x4d] => true,
                    [0x4d, 0x3c, 0x2b, 0x1a] => false,
                    _ => return Err(PcapError::NotOne),
                };
                self.interfaces.clear();
            }
            let kind = self.u32(offset, WHAT)?;
            let length = self.length(offset + 4, "a block")?;
            if length < 12 || length % 4 != 0 {
                return Err(PcapError::Length {
                    offset,
                    what: "a block",
                    length,
                });
            }
            self.slice(offset, length, "a block")?;
            self.at = offset + length;
            // Behind the body, the length stands again.
            let end = offset + length - 4;
            match kind {
                SECTION => {}
                INTERFACE => {
                    let link_type = self.u16(offset + 8, "an interface")?.into();
                    let per_second = self.resolution(offset + 16, end)?;
                    self.interfaces.push(Interface {
                        link_type,
                        per_second,
                    });
                }
                ENHANCED => {
                    const WHAT: &str = "a packet";
                    let number = self.u32(offset + 8, WHAT)?;
                    let high = u64::from(self.u32(offset + 12, WHAT)?);
                    let low = u64::from(self.u32(offset + 16, WHAT)?);
                    let captured = self.length(offset + 20, WHAT)?;
                    let whole = self.u32(offset + 24, WHAT)? as usize;
                    let data = self.inside(offset + 28, captured, end)?;
                    let interface = self.interface(offset, number)?;
                    let time = nanoseconds(high << 32 | low, interface.per_second);
                    return self.packet(offset, interface, data, whole, time).map(Some);
                }
                SIMPLE => {
                    let whole = self.length(offset + 8, "a packet")?;
                    let room = end.saturating_sub(offset + 12);
                    let data = self.inside(offset + 12, whole.min(room), end)?;
                    let interface = self.interface(offset, 0)?;
                    return self.packet(offset, interface, data, whole, None).map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Bytes of a block that must not go beyond it.
    fn inside(&self, offset: usize, length: usize, end: usize) -> Result<&'a [u8], PcapError> {
        const WHAT: &str = "a packet";
        if offset + length > end {
            return Err(PcapError::Length {
                offset,
                what: WHAT,
                length,
            });
        }
        self.slice(offset, length, WHAT)
    }

    /// The option `if_tsresol`; microseconds without it.
    fn resolution(&self, mut at: usize, end: usize) -> Result<u64, PcapError> {
        const IF_TSRESOL: u16 = 9;
        const WHAT: &str = "an interface's options";
        while at + 4 <= end {
            let (code, length) = (self.u16(at, WHAT)?, self.u16(at + 2, WHAT)?);
            if code == 0 {
                break;
            }
            if code == IF_TSRESOL
                && let Some(value) = self.slice(at + 4, 1, WHAT)?.first()
            {
                let power = u32::from(value & 0x7f);
                let base: u64 = if value & 0x80 != 0 { 2 } else { 10 };
                return Ok(base.checked_pow(power).unwrap_or(u64::MAX));
            }
            at += 4 + usize::from(length).next_multiple_of(4);
        }
        Ok(1_000_000)
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
            ETHERNET => {
                let (mut ethertype, mut at) = (be16(12).unwrap_or(0), 14);
                while matches!(ethertype, 0x8100 | 0x88a8) {
                    ethertype = be16(at + 2).unwrap_or(0);
                    at += 4;
                }
                (data.get(..at).unwrap_or(data), ethertype, from(at), None)
            }
            12 | 14 | RAW => (&[], version, data, None),
            IPV4 => (&[], ETH_P_IP, data, None),
            IPV6 => (&[], ETH_P_IPV6, data, None),
            LINUX_SLL => {
                let outgoing = be16(0).map(|kind| kind == OUTGOING);
                (&[], be16(14).unwrap_or(0), from(16), outgoing)
            }
            LINUX_SLL2 => {
                let outgoing = data.get(10).map(|kind| u16::from(*kind) == OUTGOING);
                (&[], be16(0).unwrap_or(0), from(20), outgoing)
            }
            link_type => return Err(PcapError::LinkType { offset, link_type }),
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
