//! `RTM_NEWNEIGH`: `struct ndmsg` and `NDA_*` in `linux/neighbour.h`.

use super::{ip, split};
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::Neighbour;

pub(super) const NDA_DST: u16 = 1;
pub(super) const NDA_LLADDR: u16 = 2;
pub(super) const NDA_PROBES: u16 = 4;
pub(super) const NDA_VLAN: u16 = 5;
pub(super) const NDA_VNI: u16 = 7;
pub(super) const NDA_MASTER: u16 = 9;
pub(super) const NDA_PROTOCOL: u16 = 12;
pub(super) const NDA_NH_ID: u16 = 13;
pub(super) const NDA_FLAGS_EXT: u16 = 15;

/// Decode the payload of `RTM_NEWNEIGH` or `RTM_DELNEIGH`.
pub fn decode_neighbour(payload: &[u8]) -> Result<Neighbour, DecodeError> {
    let (header, attributes) = split::<12>(payload)?;
    let [family, _, _, _, i0, i1, i2, i3, s0, s1, flags, kind] = *header;
    let fields = Fields::<24>::parse(attributes)?;
    Ok(Neighbour {
        family,
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        state: u16::from_ne_bytes([s0, s1]),
        flags,
        extended_flags: fields.ne32(NDA_FLAGS_EXT)?.unwrap_or(0),
        kind,
        // Of other families (Ethernet in some forwarding entries) the address stays in `raw`.
        address: fields
            .get(NDA_DST)
            .and_then(|attr| ip(NDA_DST, attr.payload).ok()),
        link_address: fields.bytes(NDA_LLADDR),
        master: fields.ne32(NDA_MASTER)?,
        vlan: fields.ne16(NDA_VLAN)?,
        vni: fields.ne32(NDA_VNI)?,
        probes: fields.ne32(NDA_PROBES)?,
        nexthop: fields.ne32(NDA_NH_ID)?,
        protocol: fields.u8(NDA_PROTOCOL)?,
        raw: attributes.to_vec(),
    })
}
