//! `RTM_NEWADDR`: `struct ifaddrmsg` and `IFA_*` in `linux/if_addr.h`.

use super::{ip, split};
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::{Address, Prefix};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

/// Decode the payload of `RTM_NEWADDR` or `RTM_DELADDR`.
pub fn decode_address(payload: &[u8]) -> Result<Address, DecodeError> {
    let (header, attributes) = split::<8>(payload)?;
    let [_, length, flags, scope, i0, i1, i2, i3] = *header;
    let fields = Fields::<16>::parse(attributes)?;
    let address = |kind: u16| {
        fields
            .get(kind)
            .map(|attr| ip(kind, attr.payload))
            .transpose()
    };
    let (local, other) = (address(IFA_LOCAL)?, address(IFA_ADDRESS)?);
    let own = local.or(other).ok_or(DecodeError::Missing(IFA_ADDRESS))?;
    let (mut preferred, mut valid) = (None, None);
    if let Some(cache) = fields.get(IFA_CACHEINFO) {
        let lifetime = |at: usize| {
            let bytes = cache.payload.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_ne_bytes(*bytes)).filter(|&seconds| seconds != u32::MAX)
        };
        (preferred, valid) = (lifetime(0), lifetime(4));
    }
    Ok(Address {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        local: Prefix::new(own, length),
        peer: other.filter(|other| *other != own),
        broadcast: address(IFA_BROADCAST)?,
        scope,
        flags: fields.ne32(IFA_FLAGS)?.unwrap_or(u32::from(flags)),
        label: fields.name(IFA_LABEL),
        valid_lifetime: valid,
        preferred_lifetime: preferred,
        metric: fields.ne32(IFA_RT_PRIORITY)?,
        protocol: fields.u8(IFA_PROTO)?,
        raw: attributes.to_vec(),
    })
}
