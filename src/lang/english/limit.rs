//! Limits, quotas and times in words.

use super::value::either;
use crate::model::expression::{Limit, Quota};

/// `NFT_LIMIT_F_INV`, `NFT_QUOTA_F_INV`
const INVERTED: u32 = 1;

/// `as long as they come at no more than 10 a second (20 at once)`
pub(super) fn limit_words(limit: &Limit) -> String {
    let unit = match limit.unit {
        1 => "a second".to_owned(),
        60 => "a minute".to_owned(),
        3600 => "an hour".to_owned(),
        86_400 => "a day".to_owned(),
        604_800 => "a week".to_owned(),
        seconds => format!("in {seconds} seconds"),
    };
    const PACKETS: u32 = 0;
    let (rate, burst) = if limit.kind == PACKETS {
        (limit.rate.to_string(), limit.burst.to_string())
    } else {
        (bytes(limit.rate), bytes(u64::from(limit.burst)))
    };
    let over = limit.flags & INVERTED != 0;
    let burst = match limit.burst {
        0 => String::new(),
        _ if over => format!(" (after a burst of {burst})"),
        _ => format!(" (bursts of up to {burst})"),
    };
    match over {
        true => format!("as far as they exceed {rate} {unit}{burst}"),
        false => format!("as long as they come at no more than {rate} {unit}{burst}"),
    }
}

pub(super) fn quota_words(quota: &Quota) -> String {
    let amount = bytes(quota.bytes);
    match quota.flags & INVERTED != 0 {
        true => format!("once {amount} of them have passed"),
        false => format!("until {amount} of them have passed"),
    }
}

pub(super) fn connection_words(count: u32, flags: u32) -> String {
    match flags & INVERTED != 0 {
        true => format!("once there are more than {count} connections of them"),
        false => format!("as long as there are at most {count} connections of them"),
    }
}

/// An amount of bytes in the largest unit that divides it.
fn bytes(amount: u64) -> String {
    for (unit, size) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if amount >= size && amount.is_multiple_of(size) {
            return format!("{} {unit}", amount / size);
        }
    }
    format!("{amount} bytes")
}

/// Milliseconds in words.
pub(super) fn duration(milliseconds: u64) -> String {
    let mut parts = Vec::new();
    let mut rest = milliseconds;
    for (unit, size) in [
        ("day", 86_400_000),
        ("hour", 3_600_000),
        ("minute", 60_000),
        ("second", 1000),
        ("millisecond", 1),
    ] {
        let count = rest / size;
        rest %= size;
        match count {
            0 => {}
            1 => parts.push(format!("1 {unit}")),
            count => parts.push(format!("{count} {unit}s")),
        }
    }
    either(&parts, "and")
}
