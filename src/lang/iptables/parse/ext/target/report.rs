//! Targets that tell somebody of a packet: logs, queues, timers.

use super::super::Built;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::{NftLog, Part};
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::Field;
use crate::model::xtables::target::*;

pub(super) fn audit(o: &Options<'_>) -> Built {
    let kind = o.need("type")?.one_of(&["accept", "drop", "reject"])? as u8;
    Ok(Part::Known(X::Audit(Audit { kind })))
}

pub(super) fn idletimer(o: &Options<'_>) -> Built {
    let timeout = o.need("timeout")?;
    Ok(Part::Known(X::Idletimer1(Idletimer1 {
        timeout: timeout.number(&timeout.value, 1..=u64::from(u32::MAX))?,
        label: o.need("label")?.text()?,
        timer_type: o.has("alarm").into(),
        ..Idletimer1::zero()
    })))
}

pub(super) fn led(o: &Options<'_>) -> Built {
    let id = o.need("led-trigger-id")?;
    let mut out = Led::zero();
    let named = Given {
        value: format!("netfilter-{}", id.value),
        ..id.clone()
    };
    out.id = named.text()?;
    out.always_blink = o.has("led-always-blink").into();
    if let Some(given) = o.get("led-delay") {
        out.delay = if given.value == "inf" {
            u32::MAX
        } else {
            given.u32()?
        };
    }
    Ok(Part::Known(X::Led(out)))
}

/// Levels of syslog by number or name.
pub fn level(given: &Given) -> Result<u8, Wrong> {
    let names: [&[&str]; 8] = [
        &["emerg", "panic"],
        &["alert"],
        &["crit"],
        &["err", "error"],
        &["warning", "warn"],
        &["notice"],
        &["info"],
        &["debug"],
    ];
    let named = names.iter().position(|names| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&given.value))
    });
    match named {
        Some(level) => Ok(level as u8),
        None => given.number(&given.value, 0..=7),
    }
}

pub(super) fn log(o: &Options<'_>) -> Built {
    let mut out = Log {
        level: 4,
        ..Log::zero()
    };
    if let Some(given) = o.get("log-level") {
        out.level = level(given)?;
    }
    if let Some(given) = o.get("log-prefix") {
        if given.value.contains('\n') {
            return Err(given.wrong("no line breaks"));
        }
        out.prefix = given.text()?;
    }
    for (bit, name) in [
        (1, "log-tcp-sequence"),
        (2, "log-tcp-options"),
        (4, "log-ip-options"),
        (8, "log-uid"),
        (0x20, "log-macdecode"),
    ] {
        if o.has(name) {
            out.logflags |= bit;
        }
    }
    Ok(Part::Known(X::Log(out)))
}

/// As the nft expression may hold it; the legacy structure has room for 63 bytes of prefix.
pub(super) fn nflog(o: &Options<'_>) -> Built {
    o.at_most_one(&["nflog-range", "nflog-size"])?;
    let mut out = Nflog::zero();
    let mut long = NftLog::default();
    if let Some(given) = o.get("nflog-group") {
        out.group = given.u16()?;
    }
    if let Some(given) = o.get("nflog-threshold") {
        out.threshold = given.u16()?;
    }
    if let Some(given) = o.get("nflog-size") {
        out.len = given.u32()?;
        out.flags = 1;
    }
    if let Some(given) = o.get("nflog-range") {
        out.len = given.u32()?;
    }
    if let Some(given) = o.get("nflog-prefix") {
        if given.value.contains('\n') || given.value.len() > 127 {
            return Err(given.wrong("at most 127 bytes without line breaks"));
        }
        if given.value.len() > 63 {
            long.prefix = given.value.clone();
        } else {
            out.prefix = given.text()?;
        }
    }
    if long.prefix.is_empty() {
        return Ok(Part::Known(X::Nflog(out)));
    }
    long.group = out.group;
    long.threshold = out.threshold;
    long.snaplen = (out.flags & 1 != 0).then_some(out.len);
    Ok(Part::Log(long))
}

pub(super) fn nfqueue(o: &Options<'_>) -> Built {
    o.at_most_one(&["queue-num", "queue-balance"])?;
    let mut out = Nfqueue3 {
        queues_total: 1,
        ..Nfqueue3::zero()
    };
    if let Some(given) = o.get("queue-num") {
        out.queuenum = given.u16()?;
    }
    if let Some(given) = o.get("queue-balance") {
        let (from, to) = given
            .value
            .split_once(':')
            .ok_or_else(|| given.wrong("two numbers are needed"))?;
        let (from, to): (u16, u16) = (
            given.number(from, 0..=0xffff)?,
            given.number(to, 0..=0xffff)?,
        );
        if to <= from || (from == 0 && to == u16::MAX) {
            return Err(given.wrong("these are no queues"));
        }
        (out.queuenum, out.queues_total) = (from, to - from + 1);
    }
    if let Some(given) = o.get("queue-cpu-fanout") {
        if !o.has("queue-balance") {
            return Err(given.wrong("only with --queue-balance"));
        }
        out.flags |= 2;
    }
    out.flags |= o.has("queue-bypass") as u16;
    Ok(Part::Known(X::Nfqueue3(out)))
}
