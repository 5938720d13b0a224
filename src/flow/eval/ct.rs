//! `ct` and `notrack`: what is read from the packet's conntrack entry and written to it (`nft_ct.c`).

use super::{Next, Walk};
use crate::flow::conntrack::{CtInfo, Entry};
use crate::model::Family;
use std::net::IpAddr;

/// `enum nft_ct_keys`
pub mod key {
    pub const STATE: u32 = 0;
    pub const DIRECTION: u32 = 1;
    pub const STATUS: u32 = 2;
    pub const MARK: u32 = 3;
    pub const SECMARK: u32 = 4;
    pub const EXPIRATION: u32 = 5;
    pub const HELPER: u32 = 6;
    pub const L3PROTOCOL: u32 = 7;
    pub const SRC: u32 = 8;
    pub const DST: u32 = 9;
    pub const PROTOCOL: u32 = 10;
    pub const PROTO_SRC: u32 = 11;
    pub const PROTO_DST: u32 = 12;
    pub const LABELS: u32 = 13;
    pub const PKTS: u32 = 14;
    pub const BYTES: u32 = 15;
    pub const AVGPKT: u32 = 16;
    pub const ZONE: u32 = 17;
    pub const SRC_IP: u32 = 19;
    pub const DST_IP: u32 = 20;
    pub const SRC_IP6: u32 = 21;
    pub const DST_IP6: u32 = 22;
    pub const ID: u32 = 23;
}

impl<'s> Walk<'s, '_> {
    pub(super) fn ct_load(&mut self, dreg: usize, key: u32, direction: Option<u8>) -> Next<'s> {
        if key == key::STATE {
            self.registers.put_u32(dreg, self.ct_state_bit());
            return Next::Continue;
        }
        let info = self.ct_info;
        let template = self.template.as_deref();
        let Some(entry) = self.entry.as_deref().or(template) else {
            return Next::Break;
        };
        let reply = u8::from(info.is_reply());
        let registers = &mut self.registers;
        match key {
            key::DIRECTION => registers.put(dreg, &[reply]),
            key::STATUS => registers.put_u32(dreg, entry.status),
            key::MARK => registers.put_u32(dreg, entry.mark),
            key::SECMARK => registers.put_u32(dreg, 0),
            key::EXPIRATION => {
                registers.put_unknown(dreg, 4, "when the conntrack entry expires");
            }
            key::HELPER => {
                // The helper of the connection that expected this one.
                return Next::Break;
            }
            key::L3PROTOCOL => {
                let family = if entry.original.src.is_ipv4() {
                    Family::Ip
                } else {
                    Family::Ip6
                };
                registers.put(dreg, &[family.to_wire()]);
            }
            key::PROTOCOL => registers.put(dreg, &[entry.original.proto]),
            key::LABELS => registers.put(dreg, &entry.labels),
            key::PKTS | key::BYTES | key::AVGPKT => {
                let value = counter(entry, key, direction);
                registers.put(dreg, &value.to_ne_bytes());
            }
            key::ZONE => registers.put(dreg, &entry.zone.to_ne_bytes()),
            key::ID => registers.put_unknown(dreg, 4, "the id of the conntrack entry"),
            _ => {
                let tuple = *entry.tuple(direction.unwrap_or(0));
                let address = |address: IpAddr, v6: Option<bool>| -> Option<Vec<u8>> {
                    if v6.is_some_and(|v6| v6 != address.is_ipv6()) {
                        return None;
                    }
                    Some(match address {
                        IpAddr::V4(a) => a.octets().to_vec(),
                        IpAddr::V6(a) => a.octets().to_vec(),
                    })
                };
                let value = match key {
                    key::SRC => address(tuple.src, None),
                    key::DST => address(tuple.dst, None),
                    key::SRC_IP => address(tuple.src, Some(false)),
                    key::DST_IP => address(tuple.dst, Some(false)),
                    key::SRC_IP6 => address(tuple.src, Some(true)),
                    key::DST_IP6 => address(tuple.dst, Some(true)),
                    key::PROTO_SRC => Some(tuple.sport.to_be_bytes().to_vec()),
                    key::PROTO_DST => Some(tuple.dport.to_be_bytes().to_vec()),
                    _ => {
                        return self
                            .break_or_not(|| format!("ct key {key}, which is not understood"));
                    }
                };
                match value {
                    Some(bytes) => self.registers.put(dreg, &bytes),
                    None => return Next::Break,
                }
            }
        }
        Next::Continue
    }

    /// As a rule sees it: a template (a zone that was set) counts as a new entry.
    pub(in crate::flow) fn ct_state_bit(&self) -> u32 {
        if self.ct_info == CtInfo::None && self.template.is_some() {
            return CtInfo::New.bit();
        }
        self.ct_info.bit()
    }

    pub(super) fn ct_store(&mut self, sreg: usize, key: u32) -> Next<'s> {
        if key == key::ZONE {
            if self.entry.is_none() && self.template.is_none() {
                let zone = self
                    .registers
                    .get(sreg, 2)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map_or(0, u16::from_ne_bytes);
                self.set_template(zone);
            }
            return Next::Continue;
        }
        let Some(entry) = self.entry.as_deref_mut() else {
            return Next::Continue;
        };
        match key {
            key::MARK => entry.mark = self.registers.u32(sreg),
            key::LABELS => {
                if let Some(bytes) = self.registers.get(sreg, 16) {
                    entry.labels.copy_from_slice(bytes);
                }
            }
            _ => {}
        }
        Next::Continue
    }

    pub(in crate::flow) fn notrack(&mut self) {
        if self.entry.is_none() && self.template.is_none() && self.ct_info == CtInfo::None {
            self.ct_info = CtInfo::Untracked;
        }
    }
}

fn counter(entry: &Entry, key: u32, direction: Option<u8>) -> u64 {
    let sum = |values: [u64; 2]| match direction {
        Some(0) => values[0],
        Some(1) => values[1],
        _ => values[0].wrapping_add(values[1]),
    };
    let (packets, bytes) = (sum(entry.packets), sum(entry.bytes));
    match key {
        key::PKTS => packets,
        key::BYTES => bytes,
        _ => bytes.checked_div(packets).unwrap_or(0),
    }
}
