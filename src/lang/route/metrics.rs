//! Metrics of a route (`RTAX_*`) in iproute2's words.

use super::out::Out;
use crate::model::network::{RouteMetric, metric};

/// `RTAX_*` by number.
const METRICS: [&str; 18] = [
    "",
    "lock",
    "mtu",
    "window",
    "rtt",
    "rttvar",
    "ssthresh",
    "cwnd",
    "advmss",
    "reordering",
    "hoplimit",
    "initcwnd",
    "features",
    "rto_min",
    "initrwnd",
    "quickack",
    "congctl",
    "fastopen_no_cookie",
];

pub(super) fn metrics(out: &mut Out, metrics: &[RouteMetric]) {
    let value_of = |kind: u16| metrics.iter().rev().find(|metric| metric.kind == kind);
    let locks = value_of(metric::LOCK)
        .and_then(RouteMetric::number)
        .unwrap_or(0);
    let last = metrics.iter().map(|metric| metric.kind).max().unwrap_or(0);
    out.open_array(Some("metrics"));
    out.open_object(None);
    for kind in metric::MTU..=last.max(metric::FASTOPEN_NO_COOKIE) {
        let present = value_of(kind);
        let locked = locks.checked_shr(u32::from(kind)).unwrap_or(0) & 1 != 0;
        if present.is_none() && !locked {
            continue;
        }
        let value = present.and_then(RouteMetric::number).unwrap_or(0);
        if kind == metric::HOPLIMIT && value == u32::MAX {
            continue;
        }
        let known = METRICS.get(usize::from(kind)).copied();
        match known {
            Some(name) => out.text(format_args!("{name} ")),
            None => out.text(format_args!("metric {kind} ")),
        }
        if locked {
            out.text("lock ");
        }
        let key = known.map_or_else(|| format!("metric_{kind}"), str::to_owned);
        match kind {
            metric::FEATURES => features(out, value),
            metric::RTT => time(out, &key, value / 8),
            metric::RTTVAR => time(out, &key, value / 4),
            metric::RTO_MIN => time(out, &key, value),
            metric::CC_ALGO => {
                let bytes = present.map_or(&[][..], |metric| &metric.value);
                let name = crate::model::text::name_from_bytes(bytes);
                out.string("congestion", "", &name, " ");
            }
            _ => out.number(&key, "", value, " "),
        }
    }
    out.close_object();
    out.close_array();
}

fn features(out: &mut Out, features: u32) {
    const ECN: u32 = 1;
    if features & ECN != 0 {
        out.word("ecn", "ecn ");
    }
    if features & !ECN != 0 {
        out.hex("features", "", u64::from(features), " ");
    }
}

/// `value` in milliseconds.
fn time(out: &mut Out, key: &str, value: u32) {
    if out.is_json() {
        out.number(key, "", value, "");
    } else if value >= 1000 {
        out.text(format_args!("{}s ", general(f64::from(value) / 1e3)));
    } else {
        out.text(format_args!("{value}ms "));
    }
}

/// C's `%g`: six significant digits, no trailing zeros, an exponent from a million on.
fn general(value: f64) -> String {
    let exponential = format!("{value:.5e}");
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or(0);
        let fixed = format!("{value:.places$}");
        return trim_zeros(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(digits), exponent.abs())
}

fn trim_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_like_c() {
        for (value, text) in [
            (1.0, "1"),
            (1.5, "1.5"),
            (4294967.295, "4.29497e+06"),
            (999999.5, "1e+06"),
            (12345.678, "12345.7"),
        ] {
            assert_eq!(general(value), text);
        }
    }
}
