//! Where things lie in the entries of the three legacy families, and what their header match holds.
//!
//! `struct ipt_entry`, `struct ip6t_entry`, `struct arpt_entry` on 64-bit machines. Pure.

use crate::model::Family;
use crate::model::xtables::rule::{ArpHeader, Device, DeviceAddress, Header, Ip6Header, IpHeader};

/// Offsets and sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// `target_offset`; `next_offset` follows it.
    pub offsets: usize,
    /// `struct xt_counters`
    pub counters: usize,
    /// The whole entry: where the matches begin.
    pub size: usize,
}

pub fn layout(family: Family) -> Option<Layout> {
    match family {
        Family::Ip => Some(Layout {
            offsets: 88,
            counters: 96,
            size: 112,
        }),
        Family::Ip6 => Some(Layout {
            offsets: 140,
            counters: 152,
            size: 168,
        }),
        Family::Arp => Some(Layout {
            offsets: 164,
            counters: 176,
            size: 192,
        }),
        _ => None,
    }
}

/// Reads fixed pieces from the front of a slice; a piece that is not there is an error of the caller's making.
struct Pieces<'a>(&'a [u8]);

impl Pieces<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (piece, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*piece)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn host16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn net16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// `iniface`, `outiface`, and their masks.
    fn devices(&mut self) -> Option<(Device, Device)> {
        let (input, output) = (self.take()?, self.take()?);
        let (input_mask, output_mask) = (self.take()?, self.take()?);
        let device = |name, mask| Device { name, mask };
        Some((device(input, input_mask), device(output, output_mask)))
    }
}

/// The header match at the front of an entry. `None` when the entry is too short.
pub fn decode_header(family: Family, bytes: &[u8]) -> Option<Header> {
    let mut p = Pieces(bytes);
    match family {
        Family::Ip => {
            let (src, dst, smsk, dmsk) = (p.take()?, p.take()?, p.take()?, p.take()?);
            let (input, output) = p.devices()?;
            Some(Header::Ip(IpHeader {
                src,
                dst,
                smsk,
                dmsk,
                input,
                output,
                proto: p.host16()?,
                flags: p.byte()?,
                invflags: p.byte()?,
            }))
        }
        Family::Ip6 => {
            let (src, dst, smsk, dmsk) = (p.take()?, p.take()?, p.take()?, p.take()?);
            let (input, output) = p.devices()?;
            Some(Header::Ip6(Ip6Header {
                src,
                dst,
                smsk,
                dmsk,
                input,
                output,
                proto: p.host16()?,
                tos: p.byte()?,
                flags: p.byte()?,
                invflags: p.byte()?,
            }))
        }
        Family::Arp => {
            let (src, tgt, smsk, tmsk) = (p.take()?, p.take()?, p.take()?, p.take()?);
            let (arhln, arhln_mask) = (p.byte()?, p.byte()?);
            let src_devaddr = DeviceAddress {
                addr: p.take()?,
                mask: p.take()?,
            };
            let tgt_devaddr = DeviceAddress {
                addr: p.take()?,
                mask: p.take()?,
            };
            let (arpop, arpop_mask) = (p.net16()?, p.net16()?);
            let (arhrd, arhrd_mask) = (p.net16()?, p.net16()?);
            let (arpro, arpro_mask) = (p.net16()?, p.net16()?);
            let (input, output) = p.devices()?;
            let flags = p.byte()?;
            let _padding = p.byte()?;
            Some(Header::Arp(Box::new(ArpHeader {
                src,
                tgt,
                smsk,
                tmsk,
                arhln,
                arhln_mask,
                src_devaddr,
                tgt_devaddr,
                arpop,
                arpop_mask,
                arhrd,
                arhrd_mask,
                arpro,
                arpro_mask,
                input,
                output,
                flags,
                invflags: p.host16()?,
            })))
        }
        _ => None,
    }
}

fn put_devices(out: &mut Vec<u8>, input: &Device, output: &Device) {
    for part in [&input.name, &output.name, &input.mask, &output.mask] {
        out.extend_from_slice(part);
    }
}

/// The header match as the front of an entry, without what follows it.
pub fn encode_header(header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    match header {
        Header::Ip(h) => {
            for part in [&h.src, &h.dst, &h.smsk, &h.dmsk] {
                out.extend_from_slice(part);
            }
            put_devices(&mut out, &h.input, &h.output);
            out.extend(h.proto.to_ne_bytes());
            out.extend([h.flags, h.invflags]);
        }
        Header::Ip6(h) => {
            for part in [&h.src, &h.dst, &h.smsk, &h.dmsk] {
                out.extend_from_slice(part);
            }
            put_devices(&mut out, &h.input, &h.output);
            out.extend(h.proto.to_ne_bytes());
            out.extend([h.tos, h.flags, h.invflags, 0, 0, 0]);
        }
        Header::Arp(h) => {
            for part in [&h.src, &h.tgt, &h.smsk, &h.tmsk] {
                out.extend_from_slice(part);
            }
            out.extend([h.arhln, h.arhln_mask]);
            for part in [
                &h.src_devaddr.addr,
                &h.src_devaddr.mask,
                &h.tgt_devaddr.addr,
                &h.tgt_devaddr.mask,
            ] {
                out.extend_from_slice(part);
            }
            for number in [
                h.arpop,
                h.arpop_mask,
                h.arhrd,
                h.arhrd_mask,
                h.arpro,
                h.arpro_mask,
            ] {
                out.extend(number.to_be_bytes());
            }
            put_devices(&mut out, &h.input, &h.output);
            out.extend([h.flags, 0]);
            out.extend(h.invflags.to_ne_bytes());
            out.extend([0, 0]);
        }
        Header::Bridge(_) => {}
    }
    out
}
