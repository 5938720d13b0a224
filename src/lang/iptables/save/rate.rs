//! Matches that count and measure.

use super::Context;
use crate::lang::iptables::format::{not, w};
use crate::model::xtables::state::*;
use crate::model::xtables::target::Rateest;

const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3600), ("min", 60), ("sec", 1)];

/// The place in [`UNITS`] with which iptables writes a period, given in `scale` parts of a second. No period (the kernel
/// takes that, too) has the first.
pub fn rate_unit(period: u64, scale: u64) -> usize {
    if period == 0 {
        return 0;
    }
    let mut place = 1;
    while let Some((_, seconds)) = UNITS.get(place) {
        let unit = seconds * scale;
        if period > unit || unit / period < unit % period {
            break;
        }
        place += 1;
    }
    place - 1
}

/// ` 5/min`; returns the unit in milliseconds.
fn rate(period: u64, scale: u64, out: &mut String) -> u64 {
    if period == 0 {
        out.push_str(" inf");
        return 0;
    }
    let (name, seconds) = UNITS
        .get(rate_unit(period, scale))
        .copied()
        .unwrap_or(("sec", 1));
    w!(out, " {}/{name}", seconds * scale / period);
    seconds * 1000
}

/// `XT_LIMIT_SCALE`
pub const LIMIT_SCALE: u64 = 10_000;

pub fn limit(limit: &Limit, out: &mut String) {
    out.push_str(" --limit");
    rate(u64::from(limit.avg), LIMIT_SCALE, out);
    if limit.burst != 5 {
        w!(out, " --limit-burst {}", limit.burst);
    }
}

/// The same for bridge tables, where the burst is always written.
pub fn bridge_limit(avg: u32, burst: u32, out: &mut String) {
    out.push_str("--limit");
    rate(u64::from(avg), LIMIT_SCALE, out);
    w!(out, " --limit-burst {burst} ");
}

/// All revisions of `hashlimit` in one form.
pub struct Hashlimit {
    pub revision: u8,
    pub name: String,
    pub cfg: HashlimitCfg3,
}

impl Hashlimit {
    /// `XT_HASHLIMIT_SCALE`, `XT_HASHLIMIT_SCALE_v2`: parts of a second
    pub fn scale(&self) -> u64 {
        if self.revision == 1 {
            10_000
        } else {
            1_000_000
        }
    }
}

impl From<&Hashlimit1> for Hashlimit {
    fn from(h: &Hashlimit1) -> Hashlimit {
        let c = &h.cfg;
        Hashlimit {
            revision: 1,
            name: h.name.text(),
            cfg: HashlimitCfg3 {
                avg: u64::from(c.avg),
                burst: u64::from(c.burst),
                mode: c.mode,
                size: c.size,
                max: c.max,
                gc_interval: c.gc_interval,
                expire: c.expire,
                interval: 0,
                srcmask: c.srcmask,
                dstmask: c.dstmask,
            },
        }
    }
}

impl From<&Hashlimit2> for Hashlimit {
    fn from(h: &Hashlimit2) -> Hashlimit {
        let c = &h.cfg;
        Hashlimit {
            revision: 2,
            name: h.name.text(),
            cfg: HashlimitCfg3 {
                avg: c.avg,
                burst: c.burst,
                mode: c.mode,
                size: c.size,
                max: c.max,
                gc_interval: c.gc_interval,
                expire: c.expire,
                interval: 0,
                srcmask: c.srcmask,
                dstmask: c.dstmask,
            },
        }
    }
}

impl From<&Hashlimit3> for Hashlimit {
    fn from(h: &Hashlimit3) -> Hashlimit {
        Hashlimit {
            revision: 3,
            name: h.name.text(),
            cfg: h.cfg.clone(),
        }
    }
}

/// The kernel's cost of 16 bytes, as bytes per second.
pub fn cost_to_bytes(cost: u64) -> u64 {
    let r = u64::from(u32::MAX)
        .checked_div(cost)
        .unwrap_or(u64::from(u32::MAX));
    r.wrapping_sub(1) << 4
}

/// The inverse.
pub fn bytes_to_cost(bytes: u64) -> u64 {
    let r = u64::from((bytes >> 4) as u32);
    u64::from(u32::MAX) / u64::from((r as u32).wrapping_add(1)).max(1)
}

pub const BYTE_UNITS: [(&str, u64); 3] = [("m", 1 << 20), ("k", 1 << 10), ("", 1)];

/// The unit in which a byte rate is written.
pub fn byte_rate(avg: u64) -> (u64, &'static str) {
    let r = cost_to_bytes(avg);
    let fits = |unit: u64| r >= unit && bytes_to_cost(r & !(unit - 1)) == avg;
    let (name, unit) = BYTE_UNITS
        .into_iter()
        .find(|(_, unit)| *unit == 1 || fits(*unit))
        .unwrap_or(("", 1));
    (r / unit, name)
}

/// The unit in which a burst of bytes is written.
pub fn byte_burst(avg: u64, burst: u64) -> (u64, &'static str) {
    let r = cost_to_bytes(avg).wrapping_mul(burst);
    let (name, unit) = BYTE_UNITS
        .into_iter()
        .find(|(_, unit)| *unit == 1 || r >= *unit)
        .unwrap_or(("", 1));
    (r / unit, name)
}

/// `XT_HASHLIMIT_*` mode bits
pub mod mode {
    pub const DSTIP: u32 = 1;
    pub const DSTPORT: u32 = 2;
    pub const SRCIP: u32 = 4;
    pub const SRCPORT: u32 = 8;
    pub const INVERT: u32 = 0x10;
    pub const BYTES: u32 = 0x20;
    pub const RATE_MATCH: u32 = 0x40;
}

pub fn hashlimit(h: &Hashlimit, cx: &Context<'_>, out: &mut String) {
    let c = &h.cfg;
    let inverted = c.mode & mode::INVERT != 0;
    out.push_str(if inverted {
        " --hashlimit-above"
    } else {
        " --hashlimit-upto"
    });
    let quantum = if c.mode & mode::BYTES != 0 {
        let (amount, unit) = byte_rate(c.avg);
        w!(out, " {amount}{unit}b/s");
        if c.burst == 0 {
            15_000
        } else {
            let (amount, unit) = byte_burst(c.avg, c.burst);
            w!(out, " --hashlimit-burst {amount}{unit}b");
            60_000
        }
    } else {
        let quantum = rate(c.avg, h.scale(), out);
        w!(out, " --hashlimit-burst {}", c.burst);
        quantum
    };
    let modes: Vec<&str> = [
        (mode::SRCIP, "srcip"),
        (mode::SRCPORT, "srcport"),
        (mode::DSTIP, "dstip"),
        (mode::DSTPORT, "dstport"),
    ]
    .into_iter()
    .filter(|(bit, _)| c.mode & bit != 0)
    .map(|(_, name)| name)
    .collect();
    if !modes.is_empty() {
        w!(out, " --hashlimit-mode {}", modes.join(","));
    }
    w!(out, " --hashlimit-name {}", h.name);
    if c.size != 0 {
        w!(out, " --hashlimit-htable-size {}", c.size);
    }
    if c.max != 0 {
        w!(out, " --hashlimit-htable-max {}", c.max);
    }
    if c.gc_interval != 1000 {
        w!(out, " --hashlimit-htable-gcinterval {}", c.gc_interval);
    }
    if u64::from(c.expire) != quantum {
        w!(out, " --hashlimit-htable-expire {}", c.expire);
    }
    if c.srcmask != cx.bits() {
        w!(out, " --hashlimit-srcmask {}", c.srcmask);
    }
    if c.dstmask != cx.bits() {
        w!(out, " --hashlimit-dstmask {}", c.dstmask);
    }
    if h.revision == 3 && c.mode & mode::RATE_MATCH != 0 {
        out.push_str(" --hashlimit-rate-match");
        if c.interval != 1 {
            w!(out, " --hashlimit-rate-interval {}", c.interval);
        }
    }
}

pub fn quota(quota: &Quota, out: &mut String) {
    not(out, quota.flags & 1 != 0);
    w!(out, " --quota {}", quota.quota);
}

/// `XT_RATEEST_MATCH_*`
mod rateest_flags {
    pub const INVERT: u16 = 1;
    pub const ABS: u16 = 2;
    pub const REL: u16 = 4;
    pub const DELTA: u16 = 8;
    pub const BPS: u16 = 0x10;
    pub const PPS: u16 = 0x20;
}

fn bit_rate(bytes: u32) -> String {
    let bits = f64::from(bytes) * 8.0;
    if bits >= 1e9 {
        format!(" {:.0}Mbit", bits / 1e6)
    } else if bits >= 1e6 {
        format!(" {:.0}Kbit", bits / 1e3)
    } else {
        format!(" {bits:.0}bit")
    }
}

pub fn rateest(r: &RateestMatch, out: &mut String) {
    use rateest_flags::*;
    let relative = r.flags & REL != 0;
    if r.flags & DELTA != 0 {
        out.push_str(" --rateest-delta");
    }
    let option = if relative { "--rateest1" } else { "--rateest" };
    w!(out, " {option} {}", r.name1.text());
    let mode = |out: &mut String| {
        not(out, r.flags & INVERT != 0);
        let word = ["none", "eq", "lt", "gt"]
            .get(usize::from(r.mode))
            .unwrap_or(&"unknown");
        w!(out, " --rateest-{word}");
    };
    let numbers = [
        (BPS, "bps", bit_rate(r.bps1), bit_rate(r.bps2)),
        (PPS, "pps", format!(" {}", r.pps1), format!(" {}", r.pps2)),
    ];
    for (flag, name, first, second) in numbers {
        if r.flags & flag == 0 {
            continue;
        }
        if r.flags & DELTA != 0 {
            w!(out, " --rateest-{name}1{first}");
            mode(out);
            w!(out, " --rateest-{name}2");
        } else {
            mode(out);
            w!(out, " --rateest-{name}");
        }
        if r.flags & (ABS | DELTA) != 0 {
            out.push_str(&second);
        }
    }
    if relative {
        w!(out, " --rateest2 {}", r.name2.text());
    }
}

pub fn rateest_target(r: &Rateest, out: &mut String) {
    let time = |out: &mut String, micros: u32| {
        let value = f64::from(micros);
        if micros >= 1_000_000 {
            w!(out, " {:.1}s", value / 1e6);
        } else if micros >= 1000 {
            w!(out, " {:.1}ms", value / 1e3);
        } else {
            w!(out, " {micros}us");
        }
    };
    let shift = (i32::from(r.interval) + 2).clamp(0, 31) as u32;
    let interval = 1_000_000u32.wrapping_shl(shift) / 4;
    let ewma = interval.wrapping_mul(1u32.wrapping_shl(u32::from(r.ewma_log)));
    w!(out, " --rateest-name {} --rateest-interval", r.name.text());
    time(out, interval);
    out.push_str(" --rateest-ewmalog");
    time(out, ewma);
}

fn recent_head(check_set: u8, invert: u8, seconds: u32, hits: u32, name: &str, out: &mut String) {
    not(out, invert != 0);
    for (bit, word) in [
        (2, " --set"),
        (1, " --rcheck"),
        (4, " --update"),
        (8, " --remove"),
    ] {
        if check_set & bit != 0 {
            out.push_str(word);
        }
    }
    if seconds != 0 {
        w!(out, " --seconds {}", seconds.cast_signed());
    }
    if check_set & 0x20 != 0 {
        out.push_str(" --reap");
    }
    if hits != 0 {
        w!(out, " --hitcount {}", hits.cast_signed());
    }
    if check_set & 0x10 != 0 {
        out.push_str(" --rttl");
    }
    w!(out, " --name {name}");
}

fn recent_side(side: u8, out: &mut String) {
    match side {
        0 => out.push_str(" --rsource"),
        1 => out.push_str(" --rdest"),
        _ => {}
    }
}

pub fn recent0(r: &Recent0, out: &mut String) {
    recent_head(
        r.check_set,
        r.invert,
        r.seconds,
        r.hit_count,
        &r.name.text(),
        out,
    );
    recent_side(r.side, out);
}

pub fn recent(r: &Recent1, cx: &Context<'_>, out: &mut String) {
    recent_head(
        r.check_set,
        r.invert,
        r.seconds,
        r.hit_count,
        &r.name.text(),
        out,
    );
    w!(out, " --mask {}", cx.addr(r.mask.0));
    recent_side(r.side, out);
}

pub fn statistic(s: &Statistic, out: &mut String) {
    let inverted = if s.flags & 1 != 0 { " !" } else { "" };
    match s.mode {
        0 => {
            let probability = f64::from(s.every) / f64::from(0x8000_0000u32);
            w!(
                out,
                " --mode random{inverted} --probability {probability:.11}"
            );
        }
        1 => w!(
            out,
            " --mode nth{inverted} --every {} --packet {}",
            s.every.wrapping_add(1),
            s.packet
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_without_a_period_is_written() {
        let mut out = String::new();
        let without = Limit {
            burst: 5,
            ..Limit::default()
        };
        limit(&without, &mut out);
        assert_eq!(out, " --limit inf");
        assert_eq!(rate_unit(0, LIMIT_SCALE), 0);
    }
}
