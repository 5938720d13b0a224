//! Addresses as the C library writes them (`inet_ntop`), which differs from Rust for addresses that embed
//! an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address in the C library's spelling.
pub fn ip_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => ip6_text(address),
    }
}

/// `::a.b.c.d` where the first 96 bits are zero, but for `::` to `::ffff`.
fn ip6_text(address: Ipv6Addr) -> String {
    let number = u128::from(address);
    match u32::try_from(number) {
        Ok(low) if low > 0xffff => format!("::{}", Ipv4Addr::from(low)),
        _ => address.to_string(),
    }
}

/// Bytes of an address in a family's spelling; `???` where iproute2 has none.
pub(super) fn bytes_text(family: u16, bytes: &[u8]) -> String {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    const AF_PACKET: u16 = 17;
    const AF_MPLS: u16 = 28;
    match family {
        AF_INET => match <[u8; 4]>::try_from(bytes) {
            Ok(four) => ip_text(four.into()),
            Err(_) => "???".to_owned(),
        },
        AF_INET6 => match <[u8; 16]>::try_from(bytes) {
            Ok(six) => ip_text(six.into()),
            Err(_) => "???".to_owned(),
        },
        AF_PACKET => {
            let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            parts.join(":")
        }
        AF_MPLS => labels_text(bytes),
        _ => "???".to_owned(),
    }
}

/// An MPLS label stack (RFC 3032), outermost first.
pub(super) fn labels_text(bytes: &[u8]) -> String {
    let mut labels = Vec::new();
    for entry in bytes.chunks_exact(4) {
        let entry = entry.iter().fold(0u32, |sum, &b| (sum << 8) | u32::from(b));
        labels.push((entry >> 12).to_string());
        let bottom = entry & 0x100 != 0;
        if bottom {
            break;
        }
    }
    labels.join("/")
}

/// The word iproute2 uses for an address family.
pub(super) fn family_name(family: u16) -> &'static str {
    match family {
        2 => "inet",
        10 => "inet6",
        17 => "link",
        28 => "mpls",
        7 => "bridge",
        _ => "???",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_addresses_like_the_c_library() {
        for text in [
            "::",
            "::1",
            "::ffff",
            "::1.2.3.4",
            "::0.1.0.0",
            "::ffff:1.2.3.4",
            "2001:db8::1",
            "fe80::1:0:0:1",
            "1:0:2:3:4:5:6:7",
        ] {
            let address: Ipv6Addr = text.parse().unwrap();
            assert_eq!(ip6_text(address), text);
        }
    }

    #[test]
    fn label_stacks_end_at_the_bottom() {
        assert_eq!(
            labels_text(&[0, 6, 0x40, 0, 0, 12, 0x81, 0, 9, 9, 9, 9]),
            "100/200"
        );
    }
}
