//! `RTM_NEWNEXTHOP`: `struct nhmsg` and `NHA_*` in `linux/nexthop.h`.

use super::{ip, split};
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::{Encap, Nexthop, NexthopMember, ResilientGroup};

pub(super) const NHA_ID: u16 = 1;
pub(super) const NHA_GROUP: u16 = 2;
pub(super) const NHA_GROUP_TYPE: u16 = 3;
pub(super) const NHA_BLACKHOLE: u16 = 4;
pub(super) const NHA_OIF: u16 = 5;
pub(super) const NHA_GATEWAY: u16 = 6;
pub(super) const NHA_ENCAP_TYPE: u16 = 7;
pub(super) const NHA_ENCAP: u16 = 8;
pub(super) const NHA_FDB: u16 = 11;
pub(super) const NHA_RES_GROUP: u16 = 12;

pub(super) const NHA_RES_GROUP_BUCKETS: u16 = 1;
pub(super) const NHA_RES_GROUP_IDLE_TIMER: u16 = 2;
pub(super) const NHA_RES_GROUP_UNBALANCED_TIMER: u16 = 3;
pub(super) const NHA_RES_GROUP_UNBALANCED_TIME: u16 = 4;

/// Decode the payload of `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP`.
pub fn decode_nexthop(payload: &[u8]) -> Result<Nexthop, DecodeError> {
    let (header, attributes) = split::<8>(payload)?;
    let [family, scope, protocol, _, f0, f1, f2, f3] = *header;
    let fields = Fields::<24>::parse(attributes)?;
    let encap = match (fields.ne16(NHA_ENCAP_TYPE)?, fields.get(NHA_ENCAP)) {
        (None, None) => None,
        (kind, attributes) => Some(Encap {
            kind: kind.unwrap_or(0),
            attributes: attributes
                .map(|attr| attr.payload.to_vec())
                .unwrap_or_default(),
        }),
    };
    let resilient = match fields.get(NHA_RES_GROUP) {
        Some(group) => Some(decode_resilient(group.payload)?),
        None => None,
    };
    Ok(Nexthop {
        id: fields.need(NHA_ID)?.ne32()?,
        family,
        scope,
        protocol,
        flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        gateway: fields
            .get(NHA_GATEWAY)
            .map(|attr| ip(NHA_GATEWAY, attr.payload))
            .transpose()?,
        oif: fields.ne32(NHA_OIF)?,
        blackhole: fields.get(NHA_BLACKHOLE).is_some(),
        fdb: fields.get(NHA_FDB).is_some(),
        group: decode_group(fields.get(NHA_GROUP).map_or(&[], |attr| attr.payload))?,
        group_kind: fields.ne16(NHA_GROUP_TYPE)?,
        resilient,
        encap,
        raw: attributes.to_vec(),
    })
}

/// An array of `struct nexthop_grp`; the weight has a high byte since Linux 6.12.
fn decode_group(bytes: &[u8]) -> Result<Vec<NexthopMember>, DecodeError> {
    let members = bytes.chunks_exact(8);
    if !members.remainder().is_empty() {
        return Err(DecodeError::Length {
            kind: NHA_GROUP,
            length: bytes.len(),
            expected: bytes.len().next_multiple_of(8),
        });
    }
    let mut group = Vec::new();
    for member in members {
        let (&[i0, i1, i2, i3, low, high, ..], _) = split::<8>(member)?;
        group.push(NexthopMember {
            id: u32::from_ne_bytes([i0, i1, i2, i3]),
            weight: u32::from(u16::from_le_bytes([low, high])) + 1,
        });
    }
    Ok(group)
}

fn decode_resilient(bytes: &[u8]) -> Result<ResilientGroup, DecodeError> {
    let fields = Fields::<8>::parse(bytes)?;
    Ok(ResilientGroup {
        buckets: fields.ne16(NHA_RES_GROUP_BUCKETS)?.unwrap_or(0),
        idle_timer: fields.ne32(NHA_RES_GROUP_IDLE_TIMER)?.unwrap_or(0),
        unbalanced_timer: fields.ne32(NHA_RES_GROUP_UNBALANCED_TIMER)?.unwrap_or(0),
        unbalanced_time: fields.ne64(NHA_RES_GROUP_UNBALANCED_TIME)?.unwrap_or(0),
    })
}
