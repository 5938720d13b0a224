//! `payload`, `meta` and `exthdr`: what is read from the packet and from beside it
//! (`nft_payload.c`, `nft_meta.c`, `nft_exthdr.c`).

use super::{Next, Walk};
use crate::flow::frame::Skb;
use crate::flow::hooks::inet;
use crate::flow::packet::{IPPROTO_GRE, IPPROTO_TCP, IPPROTO_UDP};
use crate::model::Family;
use crate::model::expression::PayloadBase;

/// `enum nft_meta_keys`
pub mod key {
    pub const LEN: u32 = 0;
    pub const PROTOCOL: u32 = 1;
    pub const PRIORITY: u32 = 2;
    pub const MARK: u32 = 3;
    pub const IIF: u32 = 4;
    pub const OIF: u32 = 5;
    pub const IIFNAME: u32 = 6;
    pub const OIFNAME: u32 = 7;
    pub const IIFTYPE: u32 = 8;
    pub const OIFTYPE: u32 = 9;
    pub const SKUID: u32 = 10;
    pub const SKGID: u32 = 11;
    pub const RTCLASSID: u32 = 13;
    pub const SECMARK: u32 = 14;
    pub const NFPROTO: u32 = 15;
    pub const L4PROTO: u32 = 16;
    pub const BRI_IIFNAME: u32 = 17;
    pub const BRI_OIFNAME: u32 = 18;
    pub const PKTTYPE: u32 = 19;
    pub const CPU: u32 = 20;
    pub const IIFGROUP: u32 = 21;
    pub const OIFGROUP: u32 = 22;
    pub const CGROUP: u32 = 23;
    pub const PRANDOM: u32 = 24;
    pub const SECPATH: u32 = 25;
    pub const IIFKIND: u32 = 26;
    pub const OIFKIND: u32 = 27;
    pub const BRI_IIFPVID: u32 = 28;
    pub const BRI_IIFVPROTO: u32 = 29;
    pub const TIME_NS: u32 = 30;
    pub const TIME_DAY: u32 = 31;
    pub const TIME_HOUR: u32 = 32;
    pub const SDIF: u32 = 33;
    pub const SDIFNAME: u32 = 34;
}

impl<'s> Walk<'s, '_> {
    pub(super) fn payload(
        &mut self,
        dreg: usize,
        base: PayloadBase,
        offset: usize,
        len: usize,
    ) -> Next<'s> {
        // What fits the register file is at most 64 bytes.
        if len > 64 {
            return Next::Break;
        }
        let start = match base {
            PayloadBase::Network => Some(offset),
            PayloadBase::Transport => {
                let l4 = self.l4;
                // Loads of 1, 2 or 4 aligned bytes do not look at the fragment offset.
                let fast = matches!(len, 1 | 2 | 4) && offset.is_multiple_of(len);
                (l4.known && (fast || l4.fragment == 0)).then_some(l4.offset + offset)
            }
            PayloadBase::Inner => self.inner_offset().map(|inner| inner + offset),
            PayloadBase::Link => return self.link_payload(dreg, offset, len),
            PayloadBase::Tunnel => None,
        };
        match start.and_then(|start| self.skb.data.get(start..start + len)) {
            Some(bytes) => {
                self.registers.put(dreg, bytes);
                Next::Continue
            }
            None => Next::Break,
        }
    }

    fn link_payload(&mut self, dreg: usize, offset: usize, len: usize) -> Next<'s> {
        let mut own = [0u8; 64];
        let Some(out) = own.get_mut(..len) else {
            return Next::Break;
        };
        if self.link_bytes(offset, out) {
            self.registers.put(dreg, out);
            return Next::Continue;
        }
        if self.state.is_egress && self.skb.mac.is_none() {
            let what = "the link-layer header: the neighbour's address is not known";
            self.registers.put_unknown(dreg, len, what);
            return Next::Continue;
        }
        Next::Break
    }

    fn link_bytes(&self, offset: usize, out: &mut [u8]) -> bool {
        let Some(mac) = self.skb.mac else {
            return false;
        };
        let (stations, kind) = (mac.bytes(), mac.protocol.to_be_bytes());
        let tag = match self.skb.vlan {
            Some((protocol, tci)) if offset + out.len() > 12 => {
                let ([a, b], [c, d]) = (protocol.to_be_bytes(), tci.to_be_bytes());
                Some([a, b, c, d])
            }
            _ => None,
        };
        let whole = stations.iter().take(12);
        let whole = whole.chain(tag.iter().flatten()).chain(&kind);
        let whole = whole.chain(&self.skb.data);
        let mut taken = whole.skip(offset);
        for byte in out.iter_mut() {
            match taken.next() {
                Some(value) => *byte = *value,
                None => return false,
            }
        }
        true
    }

    /// Where the data behind the transport header begins.
    fn inner_offset(&self) -> Option<usize> {
        let l4 = self.l4;
        if !l4.known || l4.fragment != 0 {
            return None;
        }
        match l4.proto {
            IPPROTO_UDP => Some(l4.offset + 8),
            IPPROTO_TCP => {
                self.skb.data.get(l4.offset..l4.offset + 20)?;
                let words = self.skb.u8_at(l4.offset + 12)? >> 4;
                Some(l4.offset + usize::from(words) * 4)
            }
            IPPROTO_GRE => {
                let flags = self.skb.u16_at(l4.offset)?;
                if flags & 7 != 0 {
                    return None;
                }
                let optional = [0x8000, 0x2000, 0x1000];
                let extra = optional.iter().filter(|bit| flags & **bit != 0).count() * 4;
                Some(l4.offset + 4 + extra)
            }
            4 => Some(l4.offset),
            _ => None,
        }
    }

    pub(super) fn meta(&mut self, dreg: usize, key: u32) -> Next<'s> {
        let state = self.state;
        match key {
            key::IIFNAME => {
                let name = self.device_name(state.iif);
                self.registers.put(dreg, &name);
            }
            key::OIFNAME => {
                let name = self.device_name(state.oif);
                self.registers.put(dreg, &name);
            }
            key::L4PROTO => {
                if !self.l4.known {
                    return Next::Break;
                }
                self.registers.put(dreg, &[self.l4.proto]);
            }
            key::NFPROTO => self.registers.put(dreg, &[state.nfproto]),
            key::MARK => self.registers.put_u32(dreg, self.skb.mark),
            key::IIF => self.registers.put_u32(dreg, state.iif),
            key::OIF => self.registers.put_u32(dreg, state.oif),
            key::LEN => {
                let header = if state.is_egress { 14 } else { 0 };
                let len = self.skb.data.len() + header;
                self.registers.put_u32(dreg, len as u32);
            }
            key::PROTOCOL => self.registers.put(dreg, &self.skb.protocol.to_be_bytes()),
            key::PRIORITY => self.registers.put_u32(dreg, self.skb.priority),
            key::PKTTYPE => self.registers.put(dreg, &[self.skb.pkt_type]),
            key::SKUID | key::SKGID => {
                if !self.socket {
                    return Next::Break;
                }
                let (owner, what) = if key == key::SKUID {
                    (
                        self.question.uid,
                        "whose socket sends it (say it with --uid)",
                    )
                } else {
                    (
                        self.question.gid,
                        "whose socket sends it (say it with --gid)",
                    )
                };
                match owner {
                    Some(owner) => self.registers.put_u32(dreg, owner),
                    None => self.registers.put_unknown(dreg, 4, what),
                }
            }
            key::IIFTYPE
            | key::OIFTYPE
            | key::IIFGROUP
            | key::OIFGROUP
            | key::IIFKIND
            | key::OIFKIND => {
                return self.meta_device(dreg, key);
            }
            key::TIME_NS | key::TIME_DAY | key::TIME_HOUR => self.meta_time(dreg, key),
            key::BRI_IIFNAME | key::BRI_OIFNAME => {
                let port = if key == key::BRI_IIFNAME {
                    state.iif
                } else {
                    state.oif
                };
                let link = self.sim.network.link(port);
                let Some(bridge) = link.and_then(|link| link.master) else {
                    return Next::Break;
                };
                let name = self.device_name(bridge);
                self.registers.put(dreg, &name);
            }
            key::RTCLASSID => {
                if self.dst.is_none() {
                    return Next::Break;
                }
                self.registers.put_u32(dreg, 0);
            }
            key::SECMARK => self.registers.put_u32(dreg, 0),
            key::SECPATH => self.registers.put(dreg, &[0]),
            key::CPU => self
                .registers
                .put_unknown(dreg, 4, "the CPU that handles the packet"),
            key::PRANDOM => self.registers.put_unknown(dreg, 4, "a random number"),
            key::CGROUP => {
                if !self.socket {
                    return Next::Break;
                }
                self.registers
                    .put_unknown(dreg, 4, "the control group of the socket");
            }
            key::SDIF => self.registers.put_u32(dreg, 0),
            key::SDIFNAME => {
                let name = self.device_name(state.iif);
                self.registers.put(dreg, &name);
            }
            key::BRI_IIFPVID | key::BRI_IIFVPROTO => {
                self.registers
                    .put_unknown(dreg, 4, "the VLAN settings of the bridge");
            }
            other => {
                return self.break_or_not(|| format!("meta key {other}, which is not understood"));
            }
        }
        Next::Continue
    }

    fn meta_device(&mut self, dreg: usize, key: u32) -> Next<'s> {
        let incoming = matches!(key, key::IIFTYPE | key::IIFGROUP | key::IIFKIND);
        let index = if incoming {
            self.state.iif
        } else {
            self.state.oif
        };
        let Some(link) = self.sim.network.link(index) else {
            return Next::Break;
        };
        match key {
            key::IIFTYPE | key::OIFTYPE => self.registers.put(dreg, &link.hardware.to_ne_bytes()),
            key::IIFGROUP | key::OIFGROUP => self.registers.put_u32(dreg, link.group),
            _ => {
                let Some(kind) = &link.kind else {
                    return Next::Break;
                };
                let mut name = [0; 16];
                for (place, byte) in name.iter_mut().take(15).zip(kind.bytes()) {
                    *place = byte;
                }
                self.registers.put(dreg, &name);
            }
        }
        Next::Continue
    }

    fn meta_time(&mut self, dreg: usize, key: u32) {
        const DAY: i64 = 86_400;
        let Some(now) = self.question.time else {
            let len = if key == key::TIME_NS { 8 } else { 4 };
            self.registers
                .put_unknown(dreg, len, "the time (say it with --time)");
            return;
        };
        let seconds = now.div_euclid(1_000_000_000);
        match key {
            key::TIME_NS => self.registers.put(dreg, &now.to_ne_bytes()),
            // 1970 began on a Thursday.
            key::TIME_DAY => {
                let day = (4 + seconds.div_euclid(DAY)).rem_euclid(7);
                self.registers.put(dreg, &[day as u8]);
            }
            _ => self.registers.put_u32(dreg, seconds.rem_euclid(DAY) as u32),
        }
    }

    pub(super) fn exthdr(
        &mut self,
        dreg: usize,
        kind: u8,
        offset: usize,
        len: usize,
        flags: u32,
        op: u32,
    ) -> Next<'s> {
        const PRESENT: u32 = 1;
        let (asked, found): (bool, Option<Vec<u8>>) = match op {
            0 => {
                if !self.skb.is_v6() {
                    return Next::Break;
                }
                let place = self.skb.find_v6(Some(kind)).map(|found| found.offset);
                (
                    place.is_some(),
                    place.and_then(|at| slice(&self.skb, at + offset, len)),
                )
            }
            1 => match self.tcp_option(kind) {
                Some((at, size)) => (
                    true,
                    (offset + len <= size)
                        .then(|| slice(&self.skb, at + offset, len))
                        .flatten(),
                ),
                None => (false, None),
            },
            2 => {
                if !self.skb.is_v4() {
                    return Next::Break;
                }
                match self.ip_option(kind) {
                    Some((at, _)) => (true, slice(&self.skb, at + offset, len)),
                    None => (false, None),
                }
            }
            3 => match self.sctp_chunk(kind) {
                Some(at) => (true, slice(&self.skb, at + offset, len)),
                None => (false, None),
            },
            _ => {
                return self
                    .break_or_not(|| format!("header option kind {op}, which is not understood"));
            }
        };
        if flags & PRESENT != 0 {
            self.registers.put(dreg, &[u8::from(asked)]);
            return Next::Continue;
        }
        match found {
            Some(bytes) => {
                self.registers.put(dreg, &bytes);
                Next::Continue
            }
            None => Next::Break,
        }
    }

    /// Place and size of a TCP option.
    pub(in crate::flow) fn tcp_option(&self, kind: u8) -> Option<(usize, usize)> {
        let l4 = self.l4;
        if !l4.known || l4.proto != IPPROTO_TCP || l4.fragment != 0 {
            return None;
        }
        let header = usize::from(self.skb.u8_at(l4.offset + 12)? >> 4) * 4;
        let bytes = self.skb.data.get(l4.offset..l4.offset + header)?;
        let mut at = 20;
        while at + 1 < header {
            let own = *bytes.get(at)?;
            let size = match (own, *bytes.get(at + 1)?) {
                (0 | 1, _) | (_, 0) => 1,
                (_, size) => usize::from(size),
            };
            if own == kind {
                return (at + size <= header).then_some((l4.offset + at, size));
            }
            at += size;
        }
        None
    }

    fn ip_option(&self, kind: u8) -> Option<(usize, usize)> {
        let header = self.skb.v4_header_len();
        let bytes = self.skb.data.get(..header)?;
        let mut at = 20;
        while at < header {
            let own = *bytes.get(at)?;
            let size = match own {
                0 => return None,
                1 => 1,
                _ => usize::from(*bytes.get(at + 1)?),
            };
            if size == 0 || at + size > header {
                return None;
            }
            if own == kind {
                return Some((at, size));
            }
            at += size;
        }
        None
    }

    fn sctp_chunk(&self, kind: u8) -> Option<usize> {
        let l4 = self.l4;
        if !l4.known || l4.proto != 132 || l4.fragment != 0 {
            return None;
        }
        let mut at = l4.offset + 12;
        loop {
            let own = self.skb.u8_at(at)?;
            let size = usize::from(self.skb.u16_at(at + 2)?);
            if size < 4 {
                return None;
            }
            if own == kind {
                return Some(at);
            }
            at += size.next_multiple_of(4);
        }
    }

    /// The checksums that a change must correct are there; without them nothing is written.
    pub(super) fn has_checksums(
        &self,
        base: PayloadBase,
        kind: u32,
        offset: usize,
        flags: u32,
    ) -> bool {
        const INTERNET: u32 = 1;
        const SCTP: u32 = 2;
        const PSEUDO_HEADER: u32 = 1;
        let l4 = self.l4;
        let start = match base {
            PayloadBase::Network => 0,
            PayloadBase::Transport => l4.offset,
            PayloadBase::Inner => self.inner_offset().unwrap_or(usize::MAX / 2),
            PayloadBase::Link | PayloadBase::Tunnel => return true,
        };
        if kind == INTERNET && self.skb.u16_at(start + offset).is_none() {
            return false;
        }
        if kind == SCTP && l4.known && l4.proto == 132 && self.skb.data.len() < l4.offset + 12 {
            return false;
        }
        if flags & PSEUDO_HEADER == 0 || !l4.known || l4.fragment != 0 {
            return true;
        }
        let place = match l4.proto {
            IPPROTO_TCP => 16,
            // Without a checksum there is none to correct; cut off, nobody can tell.
            IPPROTO_UDP => match self.skb.u16_at(l4.offset + 6) {
                None | Some(0) => return true,
                Some(_) => 6,
            },
            136 => 6,
            58 => 2,
            _ => return true,
        };
        self.skb.u16_at(l4.offset + place).is_some()
    }

    /// Write to the packet; false: there is no such place.
    pub(super) fn write_payload(&mut self, base: PayloadBase, offset: usize, data: &[u8]) -> bool {
        let start = match base {
            PayloadBase::Network => offset,
            PayloadBase::Transport => {
                if !self.l4.known || self.l4.fragment != 0 {
                    return false;
                }
                self.l4.offset + offset
            }
            PayloadBase::Inner => match self.inner_offset() {
                Some(inner) => inner + offset,
                None => return false,
            },
            PayloadBase::Link => return self.write_link(offset, data),
            PayloadBase::Tunnel => return false,
        };
        match self.skb.data.get_mut(start..start + data.len()) {
            Some(place) => {
                place.copy_from_slice(data);
                true
            }
            None => false,
        }
    }

    fn write_link(&mut self, offset: usize, data: &[u8]) -> bool {
        let Some(mac) = &mut self.skb.mac else {
            return false;
        };
        let mut bytes = mac.bytes();
        let Some(place) = bytes.get_mut(offset..offset + data.len()) else {
            return false;
        };
        place.copy_from_slice(data);
        mac.destination.copy_from_slice(&bytes[..6]);
        mac.source.copy_from_slice(&bytes[6..12]);
        mac.protocol = u16::from_be_bytes([bytes[12], bytes[13]]);
        true
    }

    /// The hook is one that arriving packets meet before routing.
    pub(super) fn is_before_routing(&self) -> bool {
        let ip = matches!(self.state.family, Family::Ip | Family::Ip6);
        ip && matches!(self.state.hook, inet::PREROUTING | inet::INGRESS)
    }
}

fn slice(skb: &Skb, offset: usize, len: usize) -> Option<Vec<u8>> {
    skb.data.get(offset..offset + len).map(<[u8]>::to_vec)
}
