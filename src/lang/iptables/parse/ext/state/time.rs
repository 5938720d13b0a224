//! The match on the time of day and on dates.

use super::super::Built;
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::WEEKDAYS;
use crate::model::xtables::Extension as X;
use crate::model::xtables::layout::Field;
use crate::model::xtables::state::*;
use chrono::NaiveDateTime;

/// `8:00` or `8:00:30`, in seconds.
fn daytime(given: &Given) -> Result<u32, Wrong> {
    let wrong = || given.wrong(format!("`{}` is no time of day", given.value));
    let parts: Option<Vec<u32>> = given
        .value
        .split(':')
        .map(|part| part.parse().ok())
        .collect();
    match parts.ok_or_else(wrong)?.as_slice() {
        [h, m] if *h < 24 && *m < 60 => Ok(h * 3600 + m * 60),
        [h, m, s] if *h < 24 && *m < 60 && *s < 60 => Ok(h * 3600 + m * 60 + s),
        _ => Err(wrong()),
    }
}

/// `2024`, `2024-01-31T08:00:00` and everything between, in UTC.
fn date(given: &Given) -> Result<u32, Wrong> {
    let wrong = || given.wrong(format!("`{}` is no date", given.value));
    let (day, clock) = given.value.split_once('T').unwrap_or((&given.value, ""));
    let mut day: Vec<String> = day.split('-').map(str::to_owned).collect();
    let mut clock: Vec<String> = clock
        .split(':')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    day.resize(3, "1".to_owned());
    clock.resize(3, "0".to_owned());
    let text = format!("{} {}", day.join("-"), clock.join(":"));
    let parsed = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S").map_err(|_| wrong())?;
    u32::try_from(parsed.and_utc().timestamp()).map_err(|_| wrong())
}

pub(super) fn time(o: &Options<'_>) -> Built {
    let mut out = Time {
        date_stop: i32::MAX as u32,
        daytime_stop: 86_399,
        monthdays_match: 0xffff_fffe,
        weekdays_match: 0xfe,
        ..Time::zero()
    };
    for given in &o.given {
        match given.name {
            "timestart" => out.daytime_start = daytime(given)?,
            "timestop" => out.daytime_stop = daytime(given)?,
            "datestart" => out.date_start = date(given)?,
            "datestop" => out.date_stop = date(given)?,
            "monthdays" => {
                let mut days = 0;
                for day in given.value.split(',') {
                    let day: u32 = given.number(day, 1..=31)?;
                    days |= 1 << day;
                }
                out.monthdays_match = if given.inverted {
                    days ^ 0xffff_fffe
                } else {
                    days
                };
            }
            "weekdays" => {
                let mut days = 0;
                for day in given.value.split(',') {
                    let named = WEEKDAYS.iter().position(|name| {
                        day.len() >= 2
                            && day.get(..2).is_some_and(|two| {
                                name.get(..2).is_some_and(|n| n.eq_ignore_ascii_case(two))
                            })
                    });
                    let place = match named {
                        Some(place) => place as u8 + 1,
                        None => given.number(day, 1..=7)?,
                    };
                    days |= 1 << place;
                }
                out.weekdays_match = if given.inverted { days ^ 0xfe } else { days };
            }
            "kerneltz" => out.flags |= 1,
            "contiguous" => out.flags |= 2,
            _ => {}
        }
    }
    if out.flags & 2 != 0 && out.daytime_start < out.daytime_stop {
        return Err(o.wrong("--contiguous needs a time that goes over midnight"));
    }
    Ok(Part::Known(X::Time(out)))
}
