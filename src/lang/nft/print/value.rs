//! Constants, by their data type.

use super::super::ast::{Expr, Kind};
use super::super::datatype::{self as types, Digits, Form, Type};
use super::super::number::{self, Num, Order};
use super::super::symbols;
use super::{Printer, duration, put};
use crate::model::Verdict;
use crate::model::text::from_bytes;
use std::net::{Ipv4Addr, Ipv6Addr};

impl Printer<'_> {
    /// A constant.
    pub(super) fn value(&mut self, expr: &Expr, value: Num) {
        let Some(mut kind) = expr.dtype.basic() else {
            // A concatenation that was not taken apart: its bytes.
            put!(self, "0x{value:x}");
            return;
        };
        loop {
            if kind.form != Form::Inherit {
                return self.formed(expr, value, kind);
            }
            match kind.base {
                Some(base) => kind = base,
                None => return self.integer(expr, value),
            }
        }
    }

    fn formed(&mut self, expr: &Expr, value: Num, kind: &'static types::DataType) {
        match kind.form {
            Form::Inherit | Form::Integer => self.integer(expr, value),
            Form::Invalid => put!(self, "0x{value:x} [invalid type]"),
            Form::Verdict => put!(self, "{value}"),
            Form::Hex => put!(self, "0x{value:x}"),
            Form::Text => {
                let bytes = number::export(value, Order::Host, number::bytes_of(expr.len));
                let text = bytes.split(|&b| b == 0).next().unwrap_or_default();
                put!(self, "\"{}\"", from_bytes(text));
            }
            Form::LinkAddress => {
                let bytes = number::export(value, Order::Big, number::bytes_of(expr.len));
                for (n, byte) in bytes.iter().enumerate() {
                    put!(self, "{}{byte:02x}", if n > 0 { ":" } else { "" });
                }
            }
            Form::Ip => put!(self, "{}", Ipv4Addr::from(number::low32(value))),
            Form::Ip6 => {
                let bytes = number::export(value, Order::Big, 16);
                let address: [u8; 16] = bytes.try_into().unwrap_or_default();
                self.put(&ip6_text(address));
            }
            Form::Protocol => {
                let name = self.names.protocols.get(&number::low8(value));
                match name.filter(|_| !self.numeric) {
                    Some(name) => self.out.push_str(name),
                    None => self.integer(expr, value),
                }
            }
            Form::Symbol { quotes } => match self.symbol(expr, value, kind.symbols) {
                Some(name) if quotes => put!(self, "\"{name}\""),
                Some(name) => self.put(name),
                None => self.integer(expr, value),
            },
            Form::Time => {
                let milliseconds = number::low64(value);
                let text = if self.numeric {
                    format!("{}s", milliseconds / 1000)
                } else {
                    duration(milliseconds)
                };
                self.put(&text);
            }
            Form::Mark => self.named(expr, value, |names| &names.marks),
            Form::Realm => self.named(expr, value, |names| &names.realms),
            Form::DeviceGroup => self.named(expr, value, |names| &names.device_groups),
            Form::ClassId => match number::low32(value) {
                u32::MAX => self.put("root"),
                0 => self.put("none"),
                handle => put!(self, "{:x}:{:x}", handle >> 16, handle & 0xffff),
            },
            Form::InterfaceIndex => {
                let index = number::low32(value);
                match self.names.interfaces.get(&index) {
                    Some(name) => put!(self, "\"{name}\""),
                    None => put!(self, "{}", index.cast_signed()),
                }
            }
            Form::Date => {
                let seconds = (number::low64(value) / 1_000_000_000).cast_signed();
                let local = seconds + i64::from((self.names.zone.offset_at)(seconds));
                put!(self, "\"{}\"", date(local));
            }
            Form::Hour => {
                let seconds =
                    i64::from(number::low32(value)) + i64::from(self.names.zone.offset_now);
                // C's `%` on an unsigned sum: negative offsets wrap before they are reduced.
                let seconds = (seconds.cast_unsigned() as u32) % 86_400;
                let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                put!(self, "\"{hours:02}:{minutes:02}");
                if rest > 0 {
                    put!(self, ":{rest:02}");
                }
                self.put("\"");
            }
            Form::Label => {
                let bit = number::scan1(value, 0).unwrap_or(0);
                match self.names.conntrack_labels.get(&bit) {
                    Some(name) => put!(self, "\"{name}\""),
                    None => put!(self, "{bit}"),
                }
            }
            Form::Cgroup => {
                let id = number::low64(value);
                match self.names.cgroups.get(&id) {
                    Some(path) => put!(self, "\"{path}\""),
                    None => put!(self, "{id}"),
                }
            }
        }
    }

    fn symbol(&self, expr: &Expr, value: Num, table: &symbols::Table) -> Option<&'static str> {
        if self.numeric {
            return None;
        }
        symbol(expr, value, table)
    }

    /// A name of the machine in quotes, or the number.
    fn named(
        &mut self,
        expr: &Expr,
        value: Num,
        table: fn(&crate::lang::Names) -> &std::collections::BTreeMap<u32, String>,
    ) {
        let name = u32::try_from(number::low64(value))
            .ok()
            .and_then(|n| table(self.names).get(&n));
        match name.filter(|_| !self.numeric) {
            Some(name) => put!(self, "\"{name}\""),
            None => self.integer(expr, value),
        }
    }

    fn integer(&mut self, expr: &Expr, value: Num) {
        let mut kind = expr.dtype.basic();
        while let Some(this) = kind {
            match this.digits {
                Digits::Inherit => kind = this.base,
                Digits::Decimal => break,
                Digits::Hex(width) => return put!(self, "0x{value:0width$x}"),
            }
        }
        put!(self, "{value}");
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Drop => self.put("drop"),
            Verdict::Accept => self.put("accept"),
            Verdict::Stolen => self.put("stolen"),
            Verdict::Queue => self.put("queue"),
            Verdict::Repeat => self.put("unknown verdict value 4"),
            Verdict::Stop => self.put("unknown verdict value 5"),
            Verdict::Continue => self.put("continue"),
            Verdict::Break => self.put("break"),
            Verdict::Jump(chain) => put!(self, "jump {chain}"),
            Verdict::Goto(chain) => put!(self, "goto {chain}"),
            Verdict::Return => self.put("return"),
            Verdict::Unknown(code) => put!(self, "unknown verdict value {}", code.cast_unsigned()),
        }
    }
}

/// The symbol of a value. nft compares the value's bytes as they lie in memory with its table, whose 16-bit
/// entries are in network order; a value of another byte order than its type therefore has no symbol.
pub(in super::super) fn symbol(
    expr: &Expr,
    value: Num,
    table: &symbols::Table,
) -> Option<&'static str> {
    if expr.len > 64 {
        return None;
    }
    let in_host_order = expr.order == Order::Host;
    let number = number::low64(value);
    let number = match (table.network16, in_host_order) {
        (true, true) => u64::from((number as u16).swap_bytes()),
        (false, false) if expr.len > 8 => {
            number::low64(number::swap(value, number::bytes_of(expr.len)))
        }
        _ => number,
    };
    table.name(number)
}

/// As `getnameinfo` writes an address: like `inet_ntop`, which also writes `::a.b.c.d`.
fn ip6_text(address: [u8; 16]) -> String {
    let address = Ipv6Addr::from(address);
    let segments = address.segments();
    // inet_ntop writes the last 32 bits as IPv4 for ::ffff:0:0/96 and for ::/96 where they are not small.
    if segments[..6] == [0; 6] && (segments[6] != 0) {
        return format!(
            "::{}",
            Ipv4Addr::from((u32::from(segments[6]) << 16) | u32::from(segments[7]))
        );
    }
    address.to_string()
}

/// A Unix time, already shifted to local time, as `%Y-%m-%d %T`.
fn date(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let time = seconds.rem_euclid(86_400);
    // Howard Hinnant's days-to-civil: eras of 400 years from 0000-03-01.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

/// The constant is of a type that is written as flags or symbols joined by `|`.
pub(super) fn must_write_equal(left: &Expr, right: &Expr) -> bool {
    (right.dtype.is_bitmask() && right.is_value()) || matches!(left.kind, Kind::Binop { .. })
}

/// Type names where the type of a set's key has a size of its own.
pub(super) fn has_name(dtype: Type) -> bool {
    dtype.size() > 0 || dtype.is(&types::VERDICT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(1_709_210_096), "2024-02-29 12:34:56");
        assert_eq!(date(-1), "1969-12-31 23:59:59");
    }

    #[test]
    fn ip6_as_inet_ntop() {
        let text = |s: &str| ip6_text(s.parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(text("::1"), "::1");
        assert_eq!(text("::1.2.3.4"), "::1.2.3.4");
        assert_eq!(text("::ffff:1.2.3.4"), "::ffff:1.2.3.4");
        assert_eq!(text("2001:db8::"), "2001:db8::");
        assert_eq!(text("::5"), "::5");
    }
}
