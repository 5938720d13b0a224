//! Comparisons that stand for the header match of a rule.

use super::{NotIptables, Reader, no};
use crate::model::expression::CmpOp;
use crate::model::xtables::Extension;
use crate::model::xtables::protocol::{PktType, Ttl};
use crate::model::xtables::rule::{ArpHeader, BridgeHeader, Device, Header, Ip6Header, IpHeader};
use crate::model::xtables::state::Mark;

/// `EBT_NOPROTO` and the other bits of `ebt_entry.bitmask`
pub(super) const NO_PROTOCOL: u32 = 1;
const LENGTH: u32 = 2;
const SOURCE_MAC: u32 = 4;
const DESTINATION_MAC: u32 = 8;

/// `enum nft_meta_keys`
mod key {
    pub const PROTOCOL: u32 = 1;
    pub const MARK: u32 = 3;
    pub const IIF: u32 = 4;
    pub const OIF: u32 = 5;
    pub const IIFNAME: u32 = 6;
    pub const OIFNAME: u32 = 7;
    pub const L4PROTO: u32 = 16;
    pub const BRI_IIFNAME: u32 = 17;
    pub const BRI_OIFNAME: u32 = 18;
    pub const PKTTYPE: u32 = 19;
}

/// `IPT_INV_*`
const INPUT: u8 = 1;
const OUTPUT: u8 = 2;
const SOURCE: u8 = 8;
const DESTINATION: u8 = 0x10;
const FRAGMENT: u8 = 0x20;
const PROTOCOL: u8 = 0x40;

fn bytes<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(from) {
        *to = *from;
    }
    out
}

/// The mask of a bit operation, or ones for what was loaded.
fn mask<const N: usize>(masked: Option<&[u8]>, len: u32) -> [u8; N] {
    match masked {
        Some(mask) => bytes(mask),
        None => {
            let mut out = [0; N];
            for to in out.iter_mut().take(len as usize) {
                *to = 0xff;
            }
            out
        }
    }
}

/// A device name as it is compared: with its NUL, or the beginning of a name.
fn device(data: &[u8]) -> Device {
    let mut device = Device::default();
    let text = data.iter().position(|&byte| byte == 0);
    let compared = text.map_or(data.len(), |end| end + 1);
    for ((name, mask), byte) in device
        .name
        .iter_mut()
        .zip(&mut device.mask)
        .zip(data)
        .take(compared)
    {
        *name = *byte;
        *mask = 0xff;
    }
    if text.is_none() {
        if let Some(name) = device.name.get_mut(data.len()) {
            *name = b'+';
        }
        // Without the NUL that would follow, the name is a beginning.
        if let Some(mask) = device.mask.get_mut(data.len()) {
            *mask = 0;
        }
    }
    device
}

/// What iptables-nft compares with to match no device at all.
const NO_DEVICE: &[u8] = b"INVAL/D\0";

/// `! -i +`
fn any_device() -> Device {
    let mut device = Device::default();
    if let Some(name) = device.name.first_mut() {
        *name = b'+';
    }
    device.mask = bytes(&[0xff, 0xff]);
    device
}

/// The header's own place for a bit of inversion, and for devices.
impl Reader<'_> {
    pub(super) fn meta(
        &mut self,
        key: u32,
        masked: Option<&[u8]>,
        op: CmpOp,
        data: &[u8],
    ) -> Result<(), NotIptables> {
        let inverted = op == CmpOp::Neq;
        match key {
            key::MARK => {
                let value = data.try_into().map(u32::from_ne_bytes);
                let mask =
                    masked.map_or(Ok(u32::MAX), |mask| mask.try_into().map(u32::from_ne_bytes));
                let (Ok(mark), Ok(mask)) = (value, mask) else {
                    return no("a mark of another size");
                };
                self.push(Extension::Mark(Mark {
                    mark,
                    mask,
                    invert: inverted.into(),
                }));
                return Ok(());
            }
            key::PKTTYPE => {
                self.push(Extension::Pkttype(PktType {
                    pkttype: data.first().copied().unwrap_or(0).into(),
                    invert: inverted.into(),
                }));
                return Ok(());
            }
            key::IIF | key::OIF => return no("a device by its index"),
            _ => {}
        }
        match &mut self.rule.header {
            Header::Ip(header) => internet(
                (&mut header.proto, &mut header.invflags),
                (&mut header.input, &mut header.output),
                key,
                inverted,
                data,
            ),
            Header::Ip6(header) => internet(
                (&mut header.proto, &mut header.invflags),
                (&mut header.input, &mut header.output),
                key,
                inverted,
                data,
            ),
            Header::Arp(header) => {
                let mut invflags = 0;
                devices(
                    key,
                    inverted,
                    data,
                    &mut header.input,
                    &mut header.output,
                    &mut invflags,
                )?;
                header.invflags |= u16::from(invflags);
                Ok(())
            }
            Header::Bridge(header) => bridge_meta(header, key, inverted, data),
        }
    }

    pub(super) fn network(
        &mut self,
        offset: u32,
        len: u32,
        masked: Option<&[u8]>,
        op: CmpOp,
        data: &[u8],
    ) -> Result<(), NotIptables> {
        let time_to_live = match &mut self.rule.header {
            Header::Ip(header) => {
                if offset == 8 {
                    true
                } else {
                    return ip(header, offset, len, masked, op, data);
                }
            }
            Header::Ip6(header) => {
                if offset == 7 {
                    false
                } else {
                    return ip6(header, offset, len, masked, op, data);
                }
            }
            Header::Arp(header) => return arp(header, offset, len, masked, op, data),
            Header::Bridge(_) => return no("a part of the packet that ebtables does not look at"),
        };
        let hops = ttl(op, data.first().copied().unwrap_or(0))?;
        self.push(if time_to_live {
            Extension::Ttl(hops)
        } else {
            Extension::Hl(hops)
        });
        Ok(())
    }

    /// The link-layer header of bridge rules.
    pub(super) fn link(
        &mut self,
        offset: u32,
        len: u32,
        masked: Option<&[u8]>,
        op: CmpOp,
        data: &[u8],
    ) -> Result<(), NotIptables> {
        let Header::Bridge(header) = &mut self.rule.header else {
            return Ok(());
        };
        let inverted = op == CmpOp::Neq;
        match offset {
            0 => {
                header.destination = bytes(data);
                header.destination_mask = mask(masked, len);
                header.bitmask |= DESTINATION_MAC;
                if inverted {
                    header.invflags |= 0x10;
                }
            }
            6 => {
                header.source = bytes(data);
                header.source_mask = mask(masked, len);
                header.bitmask |= SOURCE_MAC;
                if inverted {
                    header.invflags |= 8;
                }
            }
            12 => {
                let proto = u16::from_be_bytes(bytes(data));
                header.bitmask &= !NO_PROTOCOL;
                let mut inverted = inverted;
                if proto == 0x0600 {
                    header.bitmask |= LENGTH;
                    inverted = op == CmpOp::Gte;
                } else {
                    header.ethproto = proto;
                }
                if inverted {
                    header.invflags |= 1;
                }
            }
            _ => return no("a part of the frame that ebtables does not look at"),
        }
        Ok(())
    }
}

/// A meta key in a rule of the IPv4 or IPv6 tables.
fn internet(
    (proto, invflags): (&mut u16, &mut u8),
    (input, output): (&mut Device, &mut Device),
    key: u32,
    inverted: bool,
    data: &[u8],
) -> Result<(), NotIptables> {
    if key != key::L4PROTO {
        return devices(key, inverted, data, input, output, invflags);
    }
    *proto = data.first().copied().unwrap_or(0).into();
    if inverted {
        *invflags |= PROTOCOL;
    }
    Ok(())
}

fn devices(
    key: u32,
    inverted: bool,
    data: &[u8],
    input: &mut Device,
    output: &mut Device,
    invflags: &mut u8,
) -> Result<(), NotIptables> {
    let (place, flag) = match key {
        key::IIFNAME | key::BRI_IIFNAME => (input, INPUT),
        key::OIFNAME | key::BRI_OIFNAME => (output, OUTPUT),
        _ => return no("a meta key that iptables does not know"),
    };
    if inverted {
        *invflags |= flag;
    }
    *place = device(data);
    if !inverted && data == NO_DEVICE {
        *invflags |= flag;
        *place = any_device();
    }
    Ok(())
}

fn bridge_meta(
    header: &mut BridgeHeader,
    key: u32,
    inverted: bool,
    data: &[u8],
) -> Result<(), NotIptables> {
    let (place, flag) = match key {
        key::PROTOCOL => return Ok(()),
        key::IIFNAME => (&mut header.input, 2),
        key::OIFNAME => (&mut header.output, 4),
        key::BRI_IIFNAME => (&mut header.logical_input, 0x20),
        key::BRI_OIFNAME => (&mut header.logical_output, 0x40),
        _ => return no("a meta key that ebtables does not know"),
    };
    *place = device(data).name;
    if !inverted && data == NO_DEVICE {
        *place = any_device().name;
        header.invflags |= flag;
    }
    if inverted {
        header.invflags |= flag;
    }
    Ok(())
}

fn ip(
    header: &mut IpHeader,
    offset: u32,
    len: u32,
    masked: Option<&[u8]>,
    op: CmpOp,
    data: &[u8],
) -> Result<(), NotIptables> {
    let inverted = op == CmpOp::Neq;
    let flag = match offset {
        12 => {
            header.src = bytes(data);
            header.smsk = mask(masked, len);
            SOURCE
        }
        16 => {
            header.dst = bytes(data);
            header.dmsk = mask(masked, len);
            DESTINATION
        }
        9 => {
            header.proto = data.first().copied().unwrap_or(0).into();
            PROTOCOL
        }
        6 => {
            header.flags |= 1;
            if masked.is_some() && op == CmpOp::Eq {
                header.invflags |= FRAGMENT;
            }
            return Ok(());
        }
        _ => return no("a part of the header that iptables does not look at"),
    };
    if inverted {
        header.invflags |= flag;
    }
    Ok(())
}

fn ip6(
    header: &mut Ip6Header,
    offset: u32,
    len: u32,
    masked: Option<&[u8]>,
    op: CmpOp,
    data: &[u8],
) -> Result<(), NotIptables> {
    let flag = match offset {
        8 => {
            header.src = bytes(data);
            header.smsk = mask(masked, len);
            SOURCE
        }
        24 => {
            header.dst = bytes(data);
            header.dmsk = mask(masked, len);
            DESTINATION
        }
        6 => {
            header.proto = data.first().copied().unwrap_or(0).into();
            PROTOCOL
        }
        _ => return no("a part of the header that ip6tables does not look at"),
    };
    if op == CmpOp::Neq {
        header.invflags |= flag;
    }
    Ok(())
}

/// `struct arphdr`; addresses follow it, as long as the header says.
fn arp(
    header: &mut ArpHeader,
    offset: u32,
    len: u32,
    masked: Option<&[u8]>,
    op: CmpOp,
    data: &[u8],
) -> Result<(), NotIptables> {
    let number = || u16::from_be_bytes(bytes(data));
    let hardware = u32::from(header.arhln);
    let flag = match offset {
        0 => {
            header.arhrd = number();
            header.arhrd_mask = u16::MAX;
            0x80
        }
        2 => {
            header.arpro = number();
            header.arpro_mask = u16::MAX;
            0x100
        }
        4 => {
            header.arhln = data.first().copied().unwrap_or(0);
            header.arhln_mask = u8::MAX;
            0x200
        }
        5 if data == [4] && op == CmpOp::Eq => return Ok(()),
        6 => {
            header.arpop = number();
            header.arpop_mask = u16::MAX;
            0x40
        }
        8 if data.len() == 6 => {
            header.src_devaddr.addr = bytes(data);
            header.src_devaddr.mask = mask(masked, len.min(6));
            0x10
        }
        _ if offset == 8 + hardware => {
            header.src = bytes(data);
            header.smsk = mask(masked, len);
            4
        }
        _ if offset == 8 + hardware + 4 && data.len() == 6 => {
            header.tgt_devaddr.addr = bytes(data);
            header.tgt_devaddr.mask = mask(masked, len.min(6));
            0x20
        }
        _ if offset == 8 + hardware * 2 + 4 => {
            header.tgt = bytes(data);
            header.tmsk = mask(masked, len);
            8
        }
        _ => return no("a part of the header that arptables does not look at"),
    };
    if op == CmpOp::Neq {
        header.invflags |= flag;
    }
    Ok(())
}

/// Time to live or hop limit: equal, other, less, greater.
fn ttl(op: CmpOp, value: u8) -> Result<Ttl, NotIptables> {
    let (mode, ttl) = match op {
        CmpOp::Eq => (0, Some(value)),
        CmpOp::Neq => (1, Some(value)),
        CmpOp::Lt => (2, Some(value)),
        CmpOp::Gt => (3, Some(value)),
        CmpOp::Lte => (2, value.checked_add(1)),
        CmpOp::Gte => (3, value.checked_sub(1)),
    };
    match ttl {
        Some(ttl) => Ok(Ttl { mode, ttl }),
        None => no("a number of hops that no packet has"),
    }
}
