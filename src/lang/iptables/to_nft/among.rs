//! The ebtables match `among`: a set of its own for each side.

use super::super::rule::{Among, AmongSide};
use super::encode::{Encoder, REG_1, key};
use crate::model::Name;
use crate::model::command::pending_name;
use crate::model::expression::{CmpOp, Expression, PayloadBase};
use crate::model::set::{Element, Elements, Set, flags};

impl Encoder<'_> {
    pub(super) fn among(&mut self, among: &Among) {
        let with_ip = |side: &AmongSide| !side.pairs.is_empty() && side.with_ip;
        if with_ip(&among.source) || with_ip(&among.destination) {
            self.meta(key::PROTOCOL);
            self.cmp(CmpOp::Eq, 0x0800u16.to_be_bytes().to_vec());
        }
        for (side, ether, ip) in [(&among.source, 6, 12), (&among.destination, 0, 16)] {
            if side.pairs.is_empty() {
                continue;
            }
            *self.next_set += 1;
            let name = pending_name("__set", *self.next_set);
            self.out.sets.push(among_set(side, name.clone()));
            self.payload(PayloadBase::Link, ether, 6);
            if side.with_ip {
                self.push(Expression::Payload {
                    dreg: 10,
                    base: PayloadBase::Network,
                    offset: ip,
                    len: 4,
                });
            }
            self.push(Expression::Lookup {
                set: name,
                sreg: REG_1,
                dreg: None,
                flags: u32::from(side.inverted),
            });
        }
    }
}

fn among_set(side: &AmongSide, name: Name) -> (Set, Vec<Element>) {
    // nft's data types: an IPv4 address, an Ethernet address; six bits each in a concatenation.
    const IP: u32 = 7;
    const ETHER: u32 = 9;
    let set = Set {
        name,
        handle: 0,
        flags: flags::ANONYMOUS
            | flags::CONSTANT
            | if side.with_ip {
                flags::INTERVAL | flags::CONCAT
            } else {
                0
            },
        key_type: if side.with_ip { ETHER << 6 | IP } else { ETHER },
        key_len: if side.with_ip { 12 } else { 6 },
        data_type: None,
        data_len: None,
        object_type: None,
        timeout: None,
        gc_interval: None,
        size: Some(side.pairs.len() as u32),
        field_lens: if side.with_ip { vec![6, 4] } else { Vec::new() },
        policy: None,
        expressions: Vec::new(),
        userdata: Vec::new(),
        count: None,
        elements: Elements::NotRead,
        raw: Vec::new(),
    };
    let elements = side
        .pairs
        .iter()
        .map(|pair| {
            let mut end = *pair;
            if let Some(ip) = end.get_mut(8..12)
                && ip == [0; 4]
            {
                ip.copy_from_slice(&[0xff; 4]);
            }
            let len = if side.with_ip { 12 } else { 6 };
            Element {
                key: pair.get(..len).map(<[u8]>::to_vec),
                key_end: side.with_ip.then(|| end.to_vec()),
                ..Element::default()
            }
        })
        .collect();
    (set, elements)
}
