//! The header match of a rule: addresses, devices, protocol, and what arptables and ebtables have instead.

use super::options::{self, Given};
use super::{Machine, Wrong};
use crate::lang::iptables::print::WELL_KNOWN_MACS;
use crate::model::Family;
use crate::model::xtables::layout::Addr16;
use crate::model::xtables::rule::{ArpHeader, BridgeHeader, Device, Header, Ip6Header, IpHeader};

/// Options that every rule of a family has, in the form of `options::known`, with short letters as names.
pub fn known(family: Family) -> &'static str {
    match family {
        Family::Arp => {
            "s,source,src-ip! d,destination,dst-ip! i,in-interface! o,out-interface! source-mac,src-mac! \
             destination-mac,dst-mac! l,h-length,arp-hln! opcode,op! h-type,arhrd! proto-type! p,protocol!"
        }
        Family::Bridge => {
            "s,source,src! d,destination,dst! p,protocol,proto! i,in-interface,in-if! o,out-interface,out-if! \
             logical-in! logical-out!"
        }
        _ => {
            "s,source,src! d,destination,dst! p,protocol,proto! i,in-interface! o,out-interface! f,fragments,fragment!-"
        }
    }
}

/// What was given for the header; addresses may be several.
#[derive(Debug)]
pub struct HeaderText {
    pub header: Header,
    pub sources: Vec<(Addr16, Addr16)>,
    pub destinations: Vec<(Addr16, Addr16)>,
}

impl HeaderText {
    pub fn new(family: Family) -> HeaderText {
        let header = match family {
            Family::Ip6 => Header::Ip6(Ip6Header::default()),
            Family::Arp => Header::Arp(Box::new(ArpHeader {
                arhln: 6,
                arhln_mask: 255,
                arhrd: 1,
                arhrd_mask: u16::MAX,
                ..ArpHeader::default()
            })),
            Family::Bridge => Header::Bridge(BridgeHeader {
                bitmask: 1,
                ..BridgeHeader::default()
            }),
            _ => Header::Ip(IpHeader::default()),
        };
        HeaderText {
            header,
            sources: Vec::new(),
            destinations: Vec::new(),
        }
    }

    /// Protocol and whether it is inverted.
    pub fn proto(&self) -> (u16, bool) {
        match &self.header {
            Header::Ip(h) => (h.proto, h.invflags & 0x40 != 0),
            Header::Ip6(h) => (h.proto, h.invflags & 0x40 != 0),
            Header::Bridge(h) => (h.ethproto, h.invflags & 1 != 0),
            Header::Arp(_) => (0, false),
        }
    }

    pub fn set(&mut self, given: &Given, family: Family, machine: &Machine) -> Result<(), Wrong> {
        let inverted = given.inverted;
        match (given.name, &mut self.header) {
            ("s" | "d", Header::Bridge(header)) => return bridge_mac(header, given),
            ("s" | "d", header) => {
                let mut networks = Vec::new();
                for one in given.value.split(',') {
                    let network = options::network(one, family);
                    networks.push(
                        network.ok_or_else(|| given.wrong(format!("`{one}` is no address")))?,
                    );
                }
                if inverted && networks.len() > 1 {
                    return Err(given.wrong("several addresses cannot be inverted"));
                }
                let (bit, arp_bit) = if given.name == "s" { (8, 4) } else { (0x10, 8) };
                if inverted {
                    match header {
                        Header::Ip(h) => h.invflags |= bit,
                        Header::Ip6(h) => h.invflags |= bit,
                        Header::Arp(h) => h.invflags |= arp_bit,
                        Header::Bridge(_) => {}
                    }
                }
                if given.name == "s" {
                    self.sources = networks;
                } else {
                    self.destinations = networks;
                }
            }
            ("i", header) => device(header, given, 0)?,
            ("o", header) => device(header, given, 1)?,
            ("logical-in", header) => device(header, given, 2)?,
            ("logical-out", header) => device(header, given, 3)?,
            ("p", Header::Bridge(header)) => bridge_protocol(header, given, machine)?,
            (
                "p",
                Header::Ip(IpHeader {
                    proto, invflags, ..
                }),
            )
            | (
                "p",
                Header::Ip6(Ip6Header {
                    proto, invflags, ..
                }),
            ) => {
                let number = machine.protocol(&given.value);
                *proto = number
                    .ok_or_else(|| given.wrong(format!("`{}` is no protocol", given.value)))?;
                if inverted {
                    *invflags |= 0x40;
                    if *proto == 0 {
                        return Err(given.wrong("this would never match"));
                    }
                }
            }
            ("f", Header::Ip(header)) => {
                header.flags |= 1;
                if inverted {
                    header.invflags |= 0x20;
                }
            }
            (_, Header::Arp(header)) => arp(header, given)?,
            _ => return Err(given.wrong("not in this family")),
        }
        Ok(())
    }

    /// One header per pair of addresses.
    pub fn headers(self) -> Vec<Header> {
        let none = vec![None];
        let side = |list: Vec<(Addr16, Addr16)>| -> Vec<Option<(Addr16, Addr16)>> {
            if list.is_empty() {
                none.clone()
            } else {
                list.into_iter().map(Some).collect()
            }
        };
        let (sources, destinations) = (side(self.sources), side(self.destinations));
        let mut headers = Vec::new();
        for source in &sources {
            for destination in &destinations {
                let mut header = self.header.clone();
                if let Some(source) = source {
                    address(&mut header, source, true);
                }
                if let Some(destination) = destination {
                    address(&mut header, destination, false);
                }
                if let Header::Ip6(header) = &mut header
                    && header.proto != 0
                {
                    header.flags |= 1;
                }
                headers.push(header);
            }
        }
        headers
    }
}

fn address(header: &mut Header, (addr, mask): &(Addr16, Addr16), source: bool) {
    let (v4, mask4) = (addr.v4().0, mask.v4().0);
    match (header, source) {
        (Header::Ip(h), true) => (h.src, h.smsk) = (v4, mask4),
        (Header::Ip(h), false) => (h.dst, h.dmsk) = (v4, mask4),
        (Header::Ip6(h), true) => (h.src, h.smsk) = (addr.0, mask.0),
        (Header::Ip6(h), false) => (h.dst, h.dmsk) = (addr.0, mask.0),
        (Header::Arp(h), true) => (h.src, h.smsk) = (v4, mask4),
        (Header::Arp(h), false) => (h.tgt, h.tmsk) = (v4, mask4),
        (Header::Bridge(_), _) => {}
    }
}

/// The name of a device, or its beginning with `+`.
fn device(header: &mut Header, given: &Given, which: usize) -> Result<(), Wrong> {
    let bytes = crate::model::text::to_bytes(&given.value);
    if bytes.is_empty() || bytes.len() > 15 {
        return Err(given.wrong("a device's name has 1 to 15 bytes"));
    }
    let mut device = Device::default();
    for (to, from) in device.name.iter_mut().zip(&bytes) {
        *to = *from;
    }
    let masked = if bytes.last() == Some(&b'+') {
        bytes.len() - 1
    } else {
        bytes.len() + 1
    };
    for mask in device.mask.iter_mut().take(masked) {
        *mask = 0xff;
    }
    let (_, bit) = (which, [1u8, 2, 0x20, 0x40].get(which).copied().unwrap_or(0));
    let inverted = if given.inverted { bit } else { 0 };
    match header {
        Header::Ip(IpHeader {
            input,
            output,
            invflags,
            ..
        })
        | Header::Ip6(Ip6Header {
            input,
            output,
            invflags,
            ..
        }) => {
            *invflags |= inverted;
            *(if which == 0 { input } else { output }) = device;
        }
        Header::Arp(h) => {
            h.invflags |= u16::from(inverted);
            *(if which == 0 {
                &mut h.input
            } else {
                &mut h.output
            }) = device;
        }
        Header::Bridge(h) => {
            // EBT_IIN 2, EBT_IOUT 4, EBT_ILOGICALIN 0x20, EBT_ILOGICALOUT 0x40
            let (place, bit) = match which {
                0 => (&mut h.input, 2),
                1 => (&mut h.output, 4),
                2 => (&mut h.logical_input, 0x20),
                _ => (&mut h.logical_output, 0x40),
            };
            *place = device.name;
            if given.inverted {
                h.invflags |= bit;
            }
        }
    }
    Ok(())
}

/// A hardware address with an optional mask, or one of the names of ebtables.
pub fn mac_and_mask(given: &Given) -> Result<([u8; 6], [u8; 6]), Wrong> {
    for (name, addr, mask) in WELL_KNOWN_MACS {
        if name.eq_ignore_ascii_case(&given.value) {
            return Ok((addr, mask));
        }
    }
    let (addr, mask) = match given.value.split_once('/') {
        Some((addr, mask)) => (addr, options::mac(mask)),
        None => (&*given.value, Some([0xff; 6])),
    };
    match (options::mac(addr), mask) {
        (Some(mut addr), Some(mask)) => {
            for (byte, mask) in addr.iter_mut().zip(mask) {
                *byte &= mask;
            }
            Ok((addr, mask))
        }
        _ => Err(given.wrong(format!("`{}` is no hardware address", given.value))),
    }
}

fn bridge_mac(header: &mut BridgeHeader, given: &Given) -> Result<(), Wrong> {
    let (addr, mask) = mac_and_mask(given)?;
    if given.name == "s" {
        (header.source, header.source_mask) = (addr, mask);
        header.bitmask |= 4;
        header.invflags |= u32::from(given.inverted) * 8;
    } else {
        (header.destination, header.destination_mask) = (addr, mask);
        header.bitmask |= 8;
        header.invflags |= u32::from(given.inverted) * 0x10;
    }
    Ok(())
}

fn bridge_protocol(
    header: &mut BridgeHeader,
    given: &Given,
    machine: &Machine,
) -> Result<(), Wrong> {
    header.bitmask &= !1;
    header.invflags |= u32::from(given.inverted);
    if given.value.eq_ignore_ascii_case("LENGTH") {
        header.bitmask |= 2;
        return Ok(());
    }
    header.ethproto = match u16::from_str_radix(given.value.trim_start_matches("0x"), 16) {
        Ok(number) if number < 0x600 => return Err(given.wrong("types below 0x0600 are lengths")),
        Ok(number) => number,
        Err(_) => machine
            .names
            .ethertypes
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(&given.value))
            .map(|(number, _)| *number)
            .or_else(|| ethertype(&given.value))
            .ok_or_else(|| given.wrong(format!("`{}` is no protocol", given.value)))?,
    };
    Ok(())
}

/// Other names in `/etc/ethertypes`.
fn ethertype(name: &str) -> Option<u16> {
    Some(match name.to_ascii_lowercase().as_str() {
        "ip" | "ip4" => 0x0800,
        "ip6" => 0x86dd,
        "ether-arp" => 0x0806,
        "vlan" | "8021q" | "1q" | "802.1q" | "dot1q" => 0x8100,
        _ => return None,
    })
}

const OPCODES: [&str; 9] = [
    "Request",
    "Reply",
    "Request_Reverse",
    "Reply_Reverse",
    "DRARP_Request",
    "DRARP_Reply",
    "DRARP_Error",
    "InARP_Request",
    "ARP_NAK",
];

fn arp(header: &mut ArpHeader, given: &Given) -> Result<(), Wrong> {
    let (value, mask) = match given.value.split_once('/') {
        Some((value, mask)) => (value, Some(mask)),
        None => (&*given.value, None),
    };
    let number = |text: &str, radix: u32| {
        u16::from_str_radix(text.trim_start_matches("0x"), radix)
            .map_err(|_| given.wrong(format!("`{text}` is no number")))
    };
    let bit = match given.name {
        "source-mac" | "destination-mac" => {
            let (addr, mask) = mac_and_mask(given)?;
            let source = given.name == "source-mac";
            let place = if source {
                &mut header.src_devaddr
            } else {
                &mut header.tgt_devaddr
            };
            for (to, from) in place.addr.iter_mut().zip(addr) {
                *to = from;
            }
            for (to, from) in place.mask.iter_mut().zip(mask) {
                *to = from;
            }
            if source { 0x10 } else { 0x20 }
        }
        "l" => {
            header.arhln = given.number(value, 0..=255)?;
            header.arhln_mask = mask.map_or(Ok(255), |mask| given.number(mask, 0..=255))?;
            if header.arhln != 6 {
                return Err(given.wrong("only a length of 6 is possible"));
            }
            0x200
        }
        "opcode" => {
            let named = OPCODES
                .iter()
                .position(|name| name.eq_ignore_ascii_case(value));
            header.arpop = match named {
                Some(place) => place as u16 + 1,
                None => number(value, 10)?,
            };
            header.arpop_mask = mask.map_or(Ok(u16::MAX), |mask| number(mask, 10))?;
            0x40
        }
        "h-type" => {
            header.arhrd = if value.eq_ignore_ascii_case("Ethernet") {
                1
            } else {
                number(value, 16)?
            };
            header.arhrd_mask = mask.map_or(Ok(u16::MAX), |mask| number(mask, 16))?;
            0x80
        }
        "proto-type" => {
            header.arpro = if value.eq_ignore_ascii_case("IPv4") {
                0x800
            } else {
                number(value, 16)?
            };
            header.arpro_mask = mask.map_or(Ok(u16::MAX), |mask| number(mask, 16))?;
            0x100
        }
        _ => return Err(given.wrong("not in arptables")),
    };
    if given.inverted {
        header.invflags |= bit;
    }
    Ok(())
}
