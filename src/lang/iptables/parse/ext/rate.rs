//! Matches and targets that count and measure.

use super::state::mask_of;
use super::{Built, Spec, m, t};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::{bytes_to_cost, cost_to_bytes};
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::{Bridge, Inet};
use crate::model::xtables::bridge::EbtLimit;
use crate::model::xtables::layout::{Addr16, Field, Text};
use crate::model::xtables::state::*;
use crate::model::xtables::target::Rateest;

pub const SPECS: &[Spec] = &[
    m("limit", Inet, "limit limit-burst", limit),
    m("limit", Bridge, "limit limit-burst", bridge_limit),
    m(
        "hashlimit",
        Inet,
        "hashlimit-upto,hashlimit! hashlimit-above! hashlimit-burst hashlimit-htable-size hashlimit-htable-max \
         hashlimit-htable-gcinterval hashlimit-htable-expire hashlimit-srcmask hashlimit-dstmask hashlimit-mode \
         hashlimit-name+ hashlimit-rate-match- hashlimit-rate-interval",
        hashlimit,
    ),
    m("quota", Inet, "quota!+", quota),
    m(
        "recent",
        Inet,
        "set!- rcheck!- update!- remove!- seconds reap- hitcount rttl- name rsource- rdest- mask",
        recent,
    ),
    m(
        "statistic",
        Inet,
        "mode+ probability! every! packet",
        statistic,
    ),
    m(
        "rateest",
        Inet,
        "rateest1,rateest+ rateest2 rateest-bps1? rateest-pps1? rateest-bps2,rateest-bps? rateest-pps2,rateest-pps? \
         rateest-delta- rateest-lt!- rateest-gt!- rateest-eq!-",
        rateest_match,
    ),
    t(
        "RATEEST",
        Inet,
        "rateest-name+ rateest-interval+ rateest-ewmalog+",
        rateest,
    ),
];

/// `5/min`: how many, and the seconds of the unit.
fn rate(given: &Given) -> Result<(u64, u64), Wrong> {
    let wrong = || given.wrong(format!("`{}` is no rate", given.value));
    let (count, unit) = given
        .value
        .split_once('/')
        .unwrap_or((&given.value, "second"));
    let unit = unit.to_ascii_lowercase();
    let seconds = [
        ("second", 1),
        ("minute", 60),
        ("hour", 3600),
        ("day", 86_400),
    ]
    .into_iter()
    .find(|(name, _)| !unit.is_empty() && name.starts_with(&*unit))
    .ok_or_else(wrong)?
    .1;
    let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(0) | Err(_) => Err(wrong()),
        Ok(count) => Ok((count, seconds)),
    }
}

fn limited(o: &Options<'_>) -> Result<(u32, u32), Wrong> {
    let avg = match o.get("limit") {
        Some(given) => {
            let (count, seconds) = rate(given)?;
            match 10_000 * seconds / count {
                0 => return Err(given.wrong("too fast")),
                avg => avg as u32,
            }
        }
        None => 10_000 * 3600 / 3,
    };
    let burst = match o.get("limit-burst") {
        Some(given) => given.number(&given.value, 0..=10_000)?,
        None => 5,
    };
    Ok((avg, burst))
}

fn limit(o: &Options<'_>) -> Built {
    let (avg, burst) = limited(o)?;
    Ok(Part::Known(X::Limit(Limit {
        avg,
        burst,
        ..Limit::zero()
    })))
}

fn bridge_limit(o: &Options<'_>) -> Built {
    let (avg, burst) = limited(o)?;
    Ok(Part::Known(X::EbtLimit(EbtLimit {
        avg,
        burst,
        ..EbtLimit::zero()
    })))
}

/// `40mb/s`, as bytes per second.
fn byte_rate(given: &Given) -> Result<Option<u64>, Wrong> {
    let text = given.value.as_str();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, rest) = text.split_at(digits);
    let factor = match rest {
        "b/s" => 1u64,
        "kb/s" => 1 << 10,
        "mb/s" => 1 << 20,
        _ => return Ok(None),
    };
    let bytes = count
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(factor));
    match bytes.map(bytes_to_cost) {
        Some(cost) if cost > 0 => Ok(Some(cost)),
        _ => Err(given.wrong("too high a rate")),
    }
}

fn burst(given: &Given) -> Result<u64, Wrong> {
    let text = given.value.as_str();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, rest) = text.split_at(digits);
    let factor = match rest {
        "" | "b" => 1u64,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        _ => return Err(given.wrong(format!("`{rest}` is no unit"))),
    };
    let count: u64 = given.number(count, 1..=u64::from(u32::MAX))?;
    count
        .checked_mul(factor)
        .ok_or_else(|| given.wrong("too great a burst"))
}

fn hashlimit(o: &Options<'_>) -> Built {
    let given = o.one(&["hashlimit-upto", "hashlimit-above"])?;
    let bits = if o.is_ip6() { 128 } else { 32 };
    let mut cfg = HashlimitCfg3 {
        burst: 5,
        gc_interval: 1000,
        srcmask: bits,
        dstmask: bits,
        ..HashlimitCfg3::zero()
    };
    if (given.name == "hashlimit-above") != given.inverted {
        cfg.mode |= 0x10;
    }
    let mut seconds = 1;
    if let Some(cost) = byte_rate(given)? {
        cfg.avg = cost;
        cfg.mode |= 0x20;
        seconds = 15;
    } else {
        let (count, unit) = rate(given)?;
        seconds = unit.max(seconds);
        cfg.avg = 1_000_000 * unit / count;
        if cfg.avg == 0 {
            return Err(given.wrong("too fast"));
        }
    }
    let number = |name: &str, place: &mut u32| -> Result<(), Wrong> {
        if let Some(given) = o.get(name) {
            *place = given.u32()?;
        }
        Ok(())
    };
    number("hashlimit-htable-size", &mut cfg.size)?;
    number("hashlimit-htable-max", &mut cfg.max)?;
    number("hashlimit-htable-gcinterval", &mut cfg.gc_interval)?;
    number("hashlimit-htable-expire", &mut cfg.expire)?;
    for (name, place) in [
        ("hashlimit-srcmask", &mut cfg.srcmask),
        ("hashlimit-dstmask", &mut cfg.dstmask),
    ] {
        if let Some(given) = o.get(name) {
            *place = given.number(&given.value, 0..=u64::from(bits))?;
        }
    }
    if let Some(given) = o.get("hashlimit-mode") {
        for name in given.value.split(',') {
            cfg.mode |= match name.to_ascii_lowercase().as_str() {
                "dstip" => 1,
                "dstport" => 2,
                "srcip" => 4,
                "srcport" => 8,
                _ => {
                    return Err(given.wrong(format!(
                        "`{name}` is none of srcip, srcport, dstip, dstport"
                    )));
                }
            };
        }
    }
    let expires = o.has("hashlimit-htable-expire");
    if !expires {
        cfg.expire = seconds as u32 * 1000;
    }
    let burst = o.get("hashlimit-burst").map(burst).transpose()?;
    if cfg.mode & 0x20 != 0 {
        let unit = cost_to_bytes(cfg.avg).max(1);
        cfg.burst = match burst {
            Some(burst) if burst < unit => {
                return Err(o.wrong(format!("--hashlimit-burst is at least {unit}b")));
            }
            Some(burst) => {
                if !expires {
                    cfg.expire = 60_000;
                }
                burst.div_ceil(unit)
            }
            None => 0,
        };
    } else if let Some(burst) = burst {
        if burst > 1_000_000 {
            return Err(o.wrong("--hashlimit-burst is at most 1000000"));
        }
        cfg.burst = burst;
    }
    if let Some(given) = o.get("hashlimit-rate-interval") {
        cfg.interval = given.u32()?;
    }
    if o.has("hashlimit-rate-match") {
        cfg.mode |= 0x40;
        if cfg.mode & 0x20 == 0 {
            cfg.avg /= seconds;
        }
        if cfg.interval == 0 {
            cfg.interval = if cfg.mode & 0x20 != 0 {
                1
            } else {
                seconds as u32
            };
        }
    }
    Ok(Part::Known(X::Hashlimit3(Box::new(Hashlimit3 {
        name: o.need("hashlimit-name")?.text()?,
        cfg,
        hinfo: 0,
    }))))
}

fn quota(o: &Options<'_>) -> Built {
    let given = o.need("quota")?;
    Ok(Part::Known(X::Quota(Quota {
        flags: given.inverted.into(),
        quota: given.u64()?,
        ..Quota::zero()
    })))
}

fn recent(o: &Options<'_>) -> Built {
    // XT_RECENT_CHECK 1, SET 2, UPDATE 4, REMOVE 8, TTL 0x10, REAP 0x20
    let given = o.one(&["set", "rcheck", "update", "remove"])?;
    let mut out = Recent1 {
        check_set: match given.name {
            "rcheck" => 1,
            "set" => 2,
            "update" => 4,
            _ => 8,
        },
        invert: given.inverted.into(),
        name: Text::new(b"DEFAULT").unwrap_or(Text([0; 200])),
        mask: Addr16([0xff; 16]),
        ..Recent1::zero()
    };
    let checks = out.check_set & 5 != 0;
    for name in ["seconds", "hitcount", "rttl"] {
        if let Some(given) = o.get(name).filter(|_| !checks) {
            return Err(given.wrong("only with --rcheck or --update"));
        }
    }
    if let Some(given) = o.get("seconds") {
        out.seconds = given.number(&given.value, 1..=u64::from(u32::MAX))?;
    }
    if let Some(given) = o.get("hitcount") {
        out.hit_count = given.u32()?;
    }
    if o.has("rttl") {
        out.check_set |= 0x10;
    }
    if let Some(given) = o.get("reap") {
        if !o.has("seconds") {
            return Err(given.wrong("only with --seconds"));
        }
        out.check_set |= 0x20;
    }
    if let Some(given) = o.get("name") {
        // libxtables writes the name over the default one and leaves what is behind it.
        let name = given.text::<200>()?;
        for (to, from) in out.name.0.iter_mut().zip(name.bytes().iter().chain(&[0])) {
            *to = *from;
        }
    }
    o.at_most_one(&["rsource", "rdest"])?;
    out.side = o.has("rdest").into();
    if let Some(given) = o.get("mask") {
        out.mask = mask_of(o, given)?;
    }
    Ok(Part::Known(X::Recent1(Box::new(out))))
}

fn statistic(o: &Options<'_>) -> Built {
    let mode = o.need("mode")?;
    let mut out = Statistic::zero();
    match mode.value.to_ascii_lowercase().as_str() {
        "random" => {
            let given = o.need("probability")?;
            let value: f64 = given.parse(&given.value, "a probability")?;
            if !(0.0..=1.0).contains(&value) {
                return Err(given.wrong("from 0 to 1"));
            }
            // In parts of 2^31, rounded.
            out.every = (value * 2_147_483_648.0).round() as u32;
            out.flags = given.inverted.into();
        }
        "nth" => {
            let given = o.need("every")?;
            let every: u32 = given.number(&given.value, 1..=u64::from(u32::MAX))?;
            out.mode = 1;
            out.every = every - 1;
            out.flags = given.inverted.into();
            let packet = o.need("packet")?;
            out.packet = packet.u32()?;
            if out.packet >= every {
                return Err(packet.wrong("less than --every"));
            }
        }
        other => return Err(mode.wrong(format!("`{other}` is none of random, nth"))),
    }
    // libxtables sets this in both modes.
    out.count = out.every.wrapping_sub(out.packet);
    Ok(Part::Known(X::Statistic(out)))
}

/// `5kbit`, as bytes per second; nothing where no rate is given.
fn bit_rate(given: &Given) -> Result<u32, Wrong> {
    let text = given.value.as_str();
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: f64 = given.parse(count, "a rate")?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "bit" => 1.0,
        "kibit" => 1024.0,
        "kbit" => 1000.0,
        "mibit" => 1_048_576.0,
        "mbit" => 1_000_000.0,
        "gibit" => 1_073_741_824.0,
        "gbit" => 1e9,
        "tibit" => 1_099_511_627_776.0,
        "tbit" => 1e12,
        "bps" => 8.0,
        "kibps" => 8192.0,
        "kbps" => 8000.0,
        "mibps" => 8_388_608.0,
        "mbps" => 8_000_000.0,
        "gibps" => 8_589_934_592.0,
        "gbps" => 8e9,
        "tibps" => 8_796_093_022_208.0,
        "tbps" => 8e12,
        _ => return Err(given.wrong(format!("`{unit}` is no unit"))),
    };
    Ok((count * scale / 8.0) as u32)
}

fn rateest_match(o: &Options<'_>) -> Built {
    // XT_RATEEST_MATCH_INVERT 1, ABS 2, REL 4, DELTA 8, BPS 0x10, PPS 0x20
    let mut out = RateestMatch::zero();
    for given in &o.given {
        let packets = || {
            if given.value.is_empty() {
                Ok(0)
            } else {
                given.u32()
            }
        };
        match given.name {
            "rateest1" => out.name1 = given.text()?,
            "rateest2" => {
                out.name2 = given.text()?;
                out.flags |= 4;
            }
            "rateest-bps1" => {
                out.bps1 = bit_rate(given)?;
                out.flags |= 0x10;
            }
            "rateest-bps2" => {
                out.bps2 = bit_rate(given)?;
                out.flags |= 0x10;
            }
            "rateest-pps1" => {
                out.pps1 = packets()?;
                out.flags |= 0x20;
            }
            "rateest-pps2" => {
                out.pps2 = packets()?;
                out.flags |= 0x20;
            }
            "rateest-delta" => out.flags |= 8,
            comparison => {
                out.mode = match comparison {
                    "rateest-eq" => 1,
                    "rateest-lt" => 2,
                    _ => 3,
                };
                out.flags |= u16::from(given.inverted);
            }
        }
    }
    o.one(&["rateest-lt", "rateest-gt", "rateest-eq"])?;
    if out.flags & 4 == 0 {
        out.flags |= 2;
    }
    Ok(Part::Known(X::Rateest(out)))
}

/// `250ms`, in microseconds.
fn duration(given: &Given) -> Result<u64, Wrong> {
    let text = given.value.as_str();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let scale = match unit {
        "s" | "sec" | "secs" => 1_000_000.0,
        "ms" | "msec" | "msecs" => 1000.0,
        "us" | "usec" | "usecs" | "" => 1.0,
        _ => return Err(given.wrong(format!("`{unit}` is no unit of time"))),
    };
    let count: f64 = given.parse(count, "a time")?;
    Ok((count * scale) as u64)
}

fn rateest(o: &Options<'_>) -> Built {
    let given = o.need("rateest-interval")?;
    let interval = duration(given)?;
    let step = (0..=5).find(|step| interval <= (1_000_000 / 4) << step);
    let step: i32 = step.ok_or_else(|| given.wrong("too long"))?;
    let average = o.need("rateest-ewmalog")?;
    let ewma = duration(average)?;
    let mut log = 1;
    while log < 32 && ewma as f64 > (interval as f64) * 2f64.powi(log) {
        log += 1;
    }
    Ok(Part::Known(X::RateestTarget(Rateest {
        name: o.need("rateest-name")?.text()?,
        interval: (step - 2) as i8,
        ewma_log: (log - 1).max(1) as u8,
        est: 0,
    })))
}
