//! Addresses, masks, hardware addresses and quoted strings as iptables writes them.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `write!` into text, which cannot fail.
macro_rules! w {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($arg)*);
    }};
}
pub(crate) use w;

pub fn ip4(addr: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::from(addr)
}

/// An IPv6 address as `inet_ntop` writes it: IPv4-mapped and -compatible addresses end in dotted form.
pub fn ip6(addr: [u8; 16]) -> String {
    let value = u128::from_be_bytes(addr);
    let [.., a, b, c, d] = addr;
    // `::a.b.c.d`, but not `::`, `::1` and what fits 16 bits.
    if value >> 32 == 0 && value > 0xffff {
        return format!("::{a}.{b}.{c}.{d}");
    }
    Ipv6Addr::from(addr).to_string()
}

/// The number of leading ones of a mask that has nothing but zeros after them.
pub fn prefix_len(mask: &[u8]) -> Option<u32> {
    let mut bits = 0;
    let mut rest = mask.iter();
    for &byte in rest.by_ref() {
        bits += byte.leading_ones();
        if byte != 0xff {
            if byte.leading_ones() + byte.trailing_zeros() < 8 {
                return None;
            }
            break;
        }
    }
    rest.all(|&byte| byte == 0).then_some(bits)
}

/// `/24`, `/255.0.255.0`, or nothing for a whole address.
pub fn mask4(mask: [u8; 4]) -> String {
    match prefix_len(&mask) {
        Some(32) => String::new(),
        Some(bits) => format!("/{bits}"),
        None => format!("/{}", ip4(mask)),
    }
}

/// The same for IPv6.
pub fn mask6(mask: [u8; 16]) -> String {
    match prefix_len(&mask) {
        Some(128) => String::new(),
        Some(bits) => format!("/{bits}"),
        None => format!("/{}", ip6(mask)),
    }
}

/// `02:00:00:00:00:01`
pub fn mac(addr: &[u8]) -> String {
    let mut text = String::with_capacity(17);
    for (n, byte) in addr.iter().take(6).enumerate() {
        if n > 0 {
            text.push(':');
        }
        w!(text, "{byte:02x}");
    }
    text
}

/// A hardware address and its mask, where not all bits count.
pub fn mac_and_mask(addr: &[u8], mask: &[u8]) -> String {
    if mask.iter().take(6).all(|&byte| byte == 0xff) {
        mac(addr)
    } else {
        format!("{}/{}", mac(addr), mac(mask))
    }
}

/// As `xtables_save_string`: a space, then the text, quoted unless it is made of letters, digits, `_` and `-`.
pub fn quoted(out: &mut String, text: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    out.push(' ');
    if !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// ` !` where a condition is inverted.
pub fn not(out: &mut String, inverted: bool) {
    if inverted {
        out.push_str(" !");
    }
}

/// ` OPTION 1` or ` OPTION 1:2`
pub fn range<T: PartialEq + std::fmt::Display>(out: &mut String, option: &str, from: T, to: T) {
    let _ = if from == to {
        write!(out, " {option} {from}")
    } else {
        write!(out, " {option} {from}:{to}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(prefix_len(&[255, 255, 240, 0]), Some(20));
        assert_eq!(prefix_len(&[255, 0, 255, 0]), None);
        assert_eq!(prefix_len(&[0, 0, 0, 0]), Some(0));
        assert_eq!(prefix_len(&[255, 253, 0, 0]), None);
        assert_eq!(mask4([255; 4]), "");
        assert_eq!(mask4([255, 0, 255, 0]), "/255.0.255.0");
    }

    #[test]
    fn strings_are_quoted_where_needed() {
        let mut out = String::new();
        quoted(&mut out, "plain-1");
        quoted(&mut out, "it's \"a\"");
        quoted(&mut out, "");
        assert_eq!(out, " plain-1 \"it\\'s \\\"a\\\"\" \"\"");
    }
}
