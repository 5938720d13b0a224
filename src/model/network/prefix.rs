//! Address prefixes: `10.0.0.0/8`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its leading bits count. Bits beyond the length may be set: policy rules
/// and addresses keep them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    pub address: IpAddr,
    /// bits
    pub length: u8,
}

impl Prefix {
    pub fn new(address: IpAddr, length: u8) -> Prefix {
        Prefix { address, length }
    }

    /// `0.0.0.0/0`
    pub fn any4() -> Prefix {
        Prefix::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
    }

    /// `::/0`
    pub fn any6() -> Prefix {
        Prefix::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)
    }

    /// Bits of an address of this family.
    pub fn bits(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// One address only.
    pub fn is_host(&self) -> bool {
        self.length >= self.bits()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(host)) => {
                let mask = mask32(self.length);
                u32::from(net) & mask == u32::from(host) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(host)) => {
                let mask = mask128(self.length);
                u128::from(net) & mask == u128::from(host) & mask
            }
            _ => false,
        }
    }

    /// With the bits beyond the length cleared.
    pub fn masked(&self) -> Prefix {
        let address = match self.address {
            IpAddr::V4(net) => IpAddr::V4((u32::from(net) & mask32(self.length)).into()),
            IpAddr::V6(net) => IpAddr::V6((u128::from(net) & mask128(self.length)).into()),
        };
        Prefix::new(address, self.length)
    }
}

/// The netmask of a prefix length; lengths above 32 count as 32.
pub(super) fn mask32(length: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(length.min(32)))
        .unwrap_or(0)
}

/// The netmask of a prefix length; lengths above 128 count as 128.
pub(super) fn mask128(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length.min(128)))
        .unwrap_or(0)
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_given_number_of_bits() {
        assert_eq!((mask32(0), mask32(1), mask32(32)), (0, 1 << 31, u32::MAX));
        assert_eq!((mask128(0), mask128(200)), (0, u128::MAX));
        let net = Prefix::new(IpAddr::from([10, 1, 2, 3]), 8);
        assert!(net.contains(IpAddr::from([10, 9, 9, 9])));
        assert!(!net.contains(IpAddr::from([11, 0, 0, 0])));
        assert_eq!(net.masked().to_string(), "10.0.0.0/8");
    }
}
