//! How long an address, a time or a class id at the start of a text is. Only the form counts, not the value:
//! `999.1.1.1` has the form of an address.

fn hex_run(text: &[u8], at: usize, most: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter()
        .take(most)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count()
}

fn digit_run(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn is(text: &[u8], at: usize, byte: u8) -> bool {
    text.get(at) == Some(&byte)
}

/// The end of an IPv4 address: four groups of one to three digits.
pub fn ip4(text: &[u8], mut at: usize) -> Option<usize> {
    for group in 0..4 {
        let digits = digit_run(text, at);
        if digits == 0 || (digits > 3 && group < 3) {
            return None;
        }
        at += digits.min(3);
        if group < 3 {
            if !is(text, at, b'.') {
                return None;
            }
            at += 1;
        }
    }
    Some(at)
}

/// The end of a hardware address: six groups of one or two hexadecimal digits.
pub fn mac(text: &[u8], mut at: usize) -> Option<usize> {
    for group in 0..6 {
        let digits = hex_run(text, at, 2);
        if digits == 0 {
            return None;
        }
        at += digits;
        if group < 5 {
            if !is(text, at, b':') {
                return None;
            }
            at += 1;
        }
    }
    Some(at)
}

/// The end of an IPv6 address.
pub fn ip6(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut groups = 0;
    if is(text, at, b':') {
        at += 1;
        if !is(text, at, b':') {
            return None;
        }
        at += 1;
    } else {
        loop {
            let digits = hex_run(text, at, 4);
            if digits == 0 {
                return None;
            }
            at += digits;
            groups += 1;
            if groups == 8 {
                return Some(at);
            }
            if !is(text, at, b':') {
                return None;
            }
            at += 1;
            if is(text, at, b':') {
                at += 1;
                break;
            }
        }
    }
    // Behind `::`: up to seven groups in all.
    let gap = at;
    while groups < 7 {
        let digits = hex_run(text, at, 4);
        if digits == 0 {
            break;
        }
        groups += 1;
        at += digits;
        let more = groups < 7 && is(text, at, b':') && hex_run(text, at + 1, 4) > 0;
        if !more {
            break;
        }
        at += 1;
    }
    if gap == start + 2 {
        let tail = match text.get(gap..gap + 5) {
            Some([a, b, c, d, b':'])
                if [a, b, c, d].iter().all(|f| f.eq_ignore_ascii_case(&b'f')) =>
            {
                ip4(text, gap + 5)
            }
            _ => None,
        };
        at = [tail, ip4(text, gap)]
            .into_iter()
            .flatten()
            .fold(at, usize::max);
    }
    Some(at)
}

/// The end of a class id (`1:2`, hexadecimal), if what follows may follow one.
pub fn class_id(text: &[u8], at: usize) -> Option<usize> {
    let major = hex_run(text, at, 4);
    if major == 0 || !is(text, at + major, b':') {
        return None;
    }
    let minor = hex_run(text, at + major + 1, 4);
    let end = at + major + 1 + minor;
    let follows = matches!(
        text.get(end),
        Some(b' ' | b'\t' | b'\n' | b':' | b'-' | b'}' | b',')
    );
    (minor > 0 && follows).then_some(end)
}

/// The end of a time: days, hours, minutes, seconds, milliseconds in this order; `at` where there is none.
pub fn time(text: &[u8], at: usize) -> usize {
    let mut end = at;
    for unit in [&b"d"[..], b"h", b"m", b"s", b"ms"] {
        let digits = digit_run(text, end);
        let unit_at = end + digits;
        let rest = text.get(unit_at..).unwrap_or_default();
        // `5ms` is not five minutes followed by an `s`, unless nothing longer fits.
        let taken = rest.starts_with(unit) && !(unit == b"m" && rest.starts_with(b"ms"));
        if digits > 0 && taken {
            end = unit_at + unit.len();
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let ip6_of = |text: &str| ip6(text.as_bytes(), 0).map(|end| text[..end].to_owned());
        for whole in [
            "::",
            "::1",
            "1::",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
            "2001:db8::a:b",
        ] {
            assert_eq!(ip6_of(whole).as_deref(), Some(whole));
        }
        assert_eq!(ip6_of("fe80::1/64").as_deref(), Some("fe80::1"));
        assert_eq!(ip6_of("a::12345").as_deref(), Some("a::1234"));
        assert_eq!(ip6_of("1:2:3"), None);
        assert_eq!(ip6_of(":1"), None);
        assert_eq!(ip4(b"10.0.0.1-10.0.0.9", 0), Some(8));
        assert_eq!(ip4(b"10.0.0", 0), None);
        assert_eq!(mac(b"00:11:22:33:44:55", 0), Some(17));
        assert_eq!(class_id(b"80:8080 ", 0), Some(7));
        assert_eq!(class_id(b"80:8080;", 0), None);
        assert_eq!(time(b"1d2h3m4s5ms", 0), 11);
        assert_eq!(time(b"5ms", 0), 3);
        assert_eq!(time(b"5minute", 0), 2);
        assert_eq!(time(b"30s1h", 0), 3);
    }
}
