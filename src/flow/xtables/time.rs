//! The `time` match (`xt_time.c`).

use crate::model::xtables::state::Time;

/// `xt_time`
pub(super) fn time(info: &Time, now: i64) -> bool {
    const DAY: i64 = 86_400;
    const CONTIGUOUS: u8 = 2;
    let (start, stop) = (i64::from(info.date_start), i64::from(info.date_stop));
    if now < start || now > stop {
        return false;
    }
    let mut stamp = now;
    let second = stamp.rem_euclid(DAY);
    let (from, to) = (i64::from(info.daytime_start), i64::from(info.daytime_stop));
    if from < to {
        if second < from || second > to {
            return false;
        }
    } else {
        if second < from && second > to {
            return false;
        }
        // After midnight the day that it began counts.
        if info.flags & CONTIGUOUS != 0 && second < to {
            stamp -= DAY;
        }
    }
    let day = stamp.div_euclid(DAY);
    // 1970 began on a Thursday; Monday is 1 and Sunday 7.
    let weekday = (day + 3).rem_euclid(7) + 1;
    if info.weekdays_match & (1 << weekday) == 0 {
        return false;
    }
    if info.monthdays_match != u32::MAX - 1 {
        let monthday = day_of_month(day);
        if info.monthdays_match & (1 << monthday) == 0 {
            return false;
        }
    }
    true
}

/// Days since 1970 to the day of the month.
fn day_of_month(days: i64) -> u32 {
    // Months counted from March, in eras of 400 years.
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    (of_year - (153 * month + 2) / 5 + 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times() {
        let at = |text: &str| {
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
                .unwrap()
                .and_utc()
                .timestamp()
        };
        assert_eq!(day_of_month(at("2024-02-29 12:00") / 86_400), 29);
        assert_eq!(day_of_month(at("2023-12-31 00:00") / 86_400), 31);
        let mut info = Time {
            date_start: 0,
            date_stop: u32::MAX,
            daytime_start: 9 * 3600,
            daytime_stop: 17 * 3600,
            monthdays_match: u32::MAX - 1,
            // Monday to Friday
            weekdays_match: 0b0011_1110,
            flags: 0,
        };
        assert!(time(&info, at("2024-01-31 10:00")));
        assert!(!time(&info, at("2024-01-31 18:00")));
        assert!(!time(&info, at("2024-02-03 10:00")));
        (info.daytime_start, info.daytime_stop) = (22 * 3600, 6 * 3600);
        assert!(time(&info, at("2024-01-31 23:00")) && time(&info, at("2024-01-31 05:00")));
        info.monthdays_match = 1 << 1;
        assert!(!time(&info, at("2024-01-31 23:00")));
    }
}
