//! Addresses of devices: `RTM_NEWADDR`, `IFA_*` in `linux/if_addr.h`.

use super::prefix::Prefix;
use crate::model::Name;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Device.
    pub index: u32,
    /// The machine's own address with the length of the subnet.
    pub local: Prefix,
    /// The other end of a point-to-point device.
    pub peer: Option<IpAddr>,
    pub broadcast: Option<IpAddr>,
    /// See [`super::scope`].
    pub scope: u8,
    /// `IFA_F_*`: 0x01 secondary or temporary, 0x20 deprecated, 0x40 tentative, 0x80 permanent.
    pub flags: u32,
    pub label: Option<Name>,
    /// seconds; absent: forever
    pub valid_lifetime: Option<u32>,
    /// seconds; absent: forever
    pub preferred_lifetime: Option<u32>,
    /// Metric of the prefix route (`IFA_RT_PRIORITY`).
    pub metric: Option<u32>,
    /// Who added it (`IFAPROT_*`).
    pub protocol: Option<u8>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Address {
    /// Not the first address of its subnet on the device (IPv4), or a temporary one (IPv6).
    pub fn is_secondary(&self) -> bool {
        self.flags & 1 != 0
    }
}
