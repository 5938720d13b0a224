//! Writes the nft language: `value` constants, `expr` expressions, `stmt` statements, `ruleset` everything around them.

mod expr;
mod ruleset;
mod sections;
mod stmt;
mod value;

pub use ruleset::{Options, ruleset, timeout_states};
pub use sections::{Section, sections};
pub use stmt::{log_level, object_kind};
pub(super) use value::symbol;

use super::delinearize::TableView;
use crate::lang::Names;
use std::fmt::{self, Write};

/// Collects text; knows the table that is written and how.
pub struct Printer<'p> {
    pub out: String,
    pub names: &'p Names,
    pub view: &'p TableView,
    /// Leave out counters and other state.
    pub stateless: bool,
    /// Numbers instead of symbols, as inside ranges.
    numeric: bool,
}

impl<'p> Printer<'p> {
    pub fn new(names: &'p Names, view: &'p TableView, stateless: bool) -> Printer<'p> {
        Printer {
            out: String::new(),
            names,
            view,
            stateless,
            numeric: false,
        }
    }

    pub(super) fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn put_fmt(&mut self, args: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(args);
    }
}

/// `write!` for the printer, without an error that cannot happen.
macro_rules! put {
    ($printer:expr, $($arg:tt)*) => { $printer.put_fmt(format_args!($($arg)*)) };
}
pub(super) use put;

/// The largest unit of bytes that divides a number, and how many of it.
pub(super) fn data_unit(bytes: u64) -> (u64, &'static str) {
    if bytes == 0 {
        return (0, "bytes");
    }
    let mut amount = bytes;
    for unit in ["bytes", "kbytes"] {
        if !amount.is_multiple_of(1024) {
            return (amount, unit);
        }
        amount /= 1024;
    }
    (amount, "mbytes")
}

/// The name of a unit of time, given in seconds.
pub(super) fn time_unit(seconds: u64) -> &'static str {
    match seconds {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86_400 => "day",
        604_800 => "week",
        _ => "error",
    }
}

/// A duration in days, hours, minutes, seconds and milliseconds.
pub(super) fn duration(milliseconds: u64) -> String {
    let mut text = String::new();
    let mut rest = milliseconds;
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(data_unit(1024), (1, "kbytes"));
        assert_eq!(data_unit(1025), (1025, "bytes"));
        assert_eq!(data_unit(3 << 30), (3072, "mbytes"));
        assert_eq!(duration(90_061_001), "1d1h1m1s1ms");
        assert_eq!(duration(0), "");
    }
}
