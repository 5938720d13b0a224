//! The `conntrack` match in all its revisions (`xt_conntrack.c`).

use super::Matched;
use crate::flow::conntrack::Tuple;
use crate::flow::path::Walk;
use crate::model::xtables::Extension;
use crate::model::xtables::layout::Addr16;
use std::net::IpAddr;

/// `XT_CONNTRACK_*`
mod what {
    pub const STATE: u16 = 1;
    pub const PROTO: u16 = 2;
    pub const ORIGSRC: u16 = 4;
    pub const ORIGDST: u16 = 8;
    pub const REPLSRC: u16 = 0x10;
    pub const REPLDST: u16 = 0x20;
    pub const STATUS: u16 = 0x40;
    pub const EXPIRES: u16 = 0x80;
    pub const ORIGSRC_PORT: u16 = 0x100;
    pub const ORIGDST_PORT: u16 = 0x200;
    pub const REPLSRC_PORT: u16 = 0x400;
    pub const REPLDST_PORT: u16 = 0x800;
    pub const DIRECTION: u16 = 0x1000;
}

/// All revisions of the `conntrack` match in one form.
pub(super) struct Conntrack {
    addresses: [(Addr16, Addr16); 4],
    ports: [(u16, u16); 4],
    l4proto: u16,
    wanted: u16,
    inverted: u16,
    states: u16,
    status: u16,
}

macro_rules! conntrack {
    ($info:expr, $port:expr) => {
        Conntrack {
            addresses: [
                ($info.connection.origsrc_addr, $info.connection.origsrc_mask),
                ($info.connection.origdst_addr, $info.connection.origdst_mask),
                ($info.connection.replsrc_addr, $info.connection.replsrc_mask),
                ($info.connection.repldst_addr, $info.connection.repldst_mask),
            ],
            ports: $port,
            l4proto: $info.l4proto,
            wanted: $info.match_flags,
            inverted: $info.invert_flags,
            states: $info.state_mask.into(),
            status: $info.status_mask.into(),
        }
    };
}

impl Conntrack {
    pub(super) fn of(extension: &Extension) -> Option<Conntrack> {
        Some(match extension {
            Extension::Conntrack1(i) => conntrack!(
                i,
                [
                    (i.origsrc_port.0, i.origsrc_port.0),
                    (i.origdst_port.0, i.origdst_port.0),
                    (i.replsrc_port.0, i.replsrc_port.0),
                    (i.repldst_port.0, i.repldst_port.0),
                ]
            ),
            Extension::Conntrack2(i) => conntrack!(
                i,
                [
                    (i.origsrc_port.0, i.origsrc_port.0),
                    (i.origdst_port.0, i.origdst_port.0),
                    (i.replsrc_port.0, i.replsrc_port.0),
                    (i.repldst_port.0, i.repldst_port.0),
                ]
            ),
            Extension::Conntrack3(i) => conntrack!(
                i,
                [
                    (i.origsrc_port, i.origsrc_port_high),
                    (i.origdst_port, i.origdst_port_high),
                    (i.replsrc_port, i.replsrc_port_high),
                    (i.repldst_port, i.repldst_port_high),
                ]
            ),
            _ => return None,
        })
    }
}

fn bytes_of(address: IpAddr) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(a) => {
            bytes[..4].copy_from_slice(&a.octets());
            (bytes, 4)
        }
        IpAddr::V6(a) => (a.octets(), 16),
    }
}

fn masked_equal(own: IpAddr, wanted: Addr16, mask: Addr16) -> bool {
    let (own, len) = bytes_of(own);
    let bytes = own.iter().zip(&wanted.0).zip(&mask.0).take(len);
    bytes
        .into_iter()
        .all(|((own, wanted), mask)| (own ^ wanted) & mask == 0)
}

impl Walk<'_, '_> {
    pub(super) fn conntrack_match(&mut self, info: &Conntrack) -> Option<Matched> {
        use crate::model::conntrack::status;
        const SNAT: u16 = 0x40;
        const DNAT: u16 = 0x80;
        const UNTRACKED: u16 = 0x100;
        let wanted = |flag: u16| info.wanted & flag != 0;
        let inverted = |flag: u16| info.inverted & flag != 0;
        let entry = self.ct_entry();
        if wanted(what::STATE) {
            let mut bits = match self.ct_state_bit() {
                64 => UNTRACKED,
                bit => bit as u16,
            };
            if let Some(entry) = entry {
                bits |= if entry.has(status::SRC_NAT) { SNAT } else { 0 };
                bits |= if entry.has(status::DST_NAT) { DNAT } else { 0 };
            }
            if (info.states & bits != 0) == inverted(what::STATE) {
                return Some(Matched::No);
            }
        }
        let Some(entry) = entry else {
            return Some(wanted(what::STATE).into());
        };
        if wanted(what::DIRECTION) && self.ct_info.is_reply() != inverted(what::DIRECTION) {
            return Some(Matched::No);
        }
        let (original, reply): (Tuple, Tuple) = (entry.original, entry.reply);
        let sides = [original.src, original.dst, reply.src, reply.dst];
        let flags = [what::ORIGSRC, what::ORIGDST, what::REPLSRC, what::REPLDST];
        for ((flag, own), (address, mask)) in flags.into_iter().zip(sides).zip(info.addresses) {
            if wanted(flag) && masked_equal(own, address, mask) == inverted(flag) {
                return Some(Matched::No);
            }
        }
        if wanted(what::PROTO)
            && (u16::from(original.proto) == info.l4proto) == inverted(what::PROTO)
        {
            return Some(Matched::No);
        }
        let own = [original.sport, original.dport, reply.sport, reply.dport];
        let flags = [
            what::ORIGSRC_PORT,
            what::ORIGDST_PORT,
            what::REPLSRC_PORT,
            what::REPLDST_PORT,
        ];
        for ((flag, own), (low, high)) in flags.into_iter().zip(own).zip(info.ports) {
            let hit = low <= own && own <= high.max(low);
            if wanted(flag) && hit == inverted(flag) {
                return Some(Matched::No);
            }
        }
        if wanted(what::STATUS)
            && (u32::from(info.status) & entry.status != 0) == inverted(what::STATUS)
        {
            return Some(Matched::No);
        }
        if wanted(what::EXPIRES) {
            return None;
        }
        Some(Matched::Yes)
    }
}
