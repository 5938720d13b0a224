//! Numbers for people: short in tables, exact in details.

/// At most five characters: `999`, `1.2k`, `34.5M`, `120G`.
pub fn count(value: u64) -> String {
    scaled(value as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes in powers of 1024: `999 B`, `1.2 KiB`.
pub fn bytes(value: u64) -> String {
    scaled(
        value as f64,
        1024.0,
        &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"],
    )
}

/// Events per second, without the unit: `0.3`, `12`, `1.2k`.
pub fn rate(value: f64) -> String {
    if value < 0.05 {
        return "0".into();
    }
    if value < 9.95 {
        return format!("{value:.1}");
    }
    scaled(value.round(), 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// Every digit, in groups of three.
pub fn exact(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn scaled(value: f64, base: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value >= base - 0.5 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 || value >= 99.95 {
        format!("{value:.0}{name}")
    } else {
        format!("{value:.1}{name}")
    }
}

/// `1 rule`, `2 rules`, `12,000 rules`.
pub fn plural(value: usize, one: &str, many: &str) -> String {
    let number = exact(value as u64);
    format!("{number} {}", if value == 1 { one } else { many })
}

/// `4s`, `3m 20s`, `2h 05m`.
pub fn duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A length of time that a person chose: 60 s, 15 min, 2 h.
pub fn span(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds % 60, seconds % 3600) {
        (0, 0) if seconds > 0 => format!("{} h", seconds / 3600),
        (0, _) if seconds >= 120 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (1234, "1.2k"),
            (99_949, "99.9k"),
            (123_456, "123k"),
            (999_999, "1.0M"),
            (3_400_000, "3.4M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(value), expected);
            assert!(count(value).len() <= 5);
        }
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.26), "0.3");
        assert_eq!(rate(12.3), "12");
        assert_eq!(exact(1_234_567), "1,234,567");
        assert_eq!(exact(12), "12");
        assert_eq!(plural(1, "rule", "rules"), "1 rule");
    }
}
