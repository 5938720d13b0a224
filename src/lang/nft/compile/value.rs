//! Words and numbers of a text as constants of a data type.

use super::super::ast::{Expr, Kind};
use super::super::datatype::{self as types, DataType, Form, Type};
use super::super::number::{self, Num, Order};
use super::super::syntax::{Diagnostic, Span};
use super::resolve::Resolve;
use crate::lang::near::near;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use std::net::{IpAddr, Ipv4Addr};

type Result<T> = std::result::Result<T, Diagnostic>;

/// The constant that a word is, as a value of `dtype`. Its byte order and length are the type's own.
pub fn parse(word: &str, span: Span, dtype: Type, resolve: &dyn Resolve) -> Result<Expr> {
    let Some(basic) = dtype.basic() else {
        return Err(Diagnostic::new(
            span,
            format!("expected {}, found the single value `{word}`", dtype.name()),
        )
        .help("write the fields with ` . ` between them"));
    };
    let mut base = Some(basic);
    while let Some(this) = base {
        if let Some(value) = parse_as(word, span, basic, this, resolve)? {
            return Ok(value.at(span));
        }
        base = this.base;
    }
    Err(Diagnostic::new(
        span,
        format!("`{word}` cannot be a value of type {}", basic.name),
    ))
}

/// One step of the way from a type to its root: `None` hands over to the base.
fn parse_as(
    word: &str,
    span: Span,
    dtype: &'static DataType,
    this: &'static DataType,
    resolve: &dyn Resolve,
) -> Result<Option<Expr>> {
    let fail = |what: String| Err(Diagnostic::new(span, what));
    let constant =
        |value: u64, order, len| Ok(Some(Expr::value(Num::from(value), dtype, order, len)));
    match this.form {
        Form::Inherit => Ok(None),
        Form::Invalid => fail(format!("the type of `{word}` is not known here")),
        Form::Verdict => fail(format!("expected a verdict, found `{word}`")),
        Form::Text => {
            let mut bytes = crate::model::text::to_bytes(word);
            bytes.push(0);
            if bytes.len() > 64 {
                return fail(format!("`{word}` is too long for a name"));
            }
            let len = bytes.len() as u32 * 8;
            Ok(Some(Expr::value(
                number::import(&bytes, Order::Host),
                dtype,
                Order::Host,
                len,
            )))
        }
        Form::LinkAddress => match link_address(word) {
            Some(bytes) => Ok(Some(Expr::value(
                number::import(&bytes, Order::Big),
                dtype,
                Order::Big,
                bytes.len() as u32 * 8,
            ))),
            None => fail(format!("`{word}` is not a link-layer address")),
        },
        Form::Ip => {
            let address = match inet_aton(word) {
                Some(address) => address,
                None => one(word, span, resolve.ipv4(word))?,
            };
            constant(u64::from(u32::from(address)), Order::Big, 32)
        }
        Form::Ip6 => {
            let address = match word.parse::<IpAddr>() {
                Ok(IpAddr::V6(address)) => address,
                Ok(IpAddr::V4(_)) => {
                    return fail(format!(
                        "expected an IPv6 address, found the IPv4 address `{word}`"
                    ));
                }
                Err(_) => one(word, span, resolve.ipv6(word))?,
            };
            let value = number::import(&address.octets(), Order::Big);
            Ok(Some(Expr::value(value, dtype, Order::Big, 128)))
        }
        Form::Protocol => match integer(word).map(u8::try_from) {
            Some(Ok(number)) => constant(u64::from(number), Order::Host, 8),
            Some(Err(_)) => fail(format!("protocol number {word} is out of range 0-255")),
            None => match resolve.protocol(word) {
                Some(number) => constant(u64::from(number), Order::Host, 8),
                None => fail(format!("unknown protocol `{word}`")),
            },
        },
        Form::Integer if dtype.is(&types::INET_SERVICE) => match integer(word).map(u16::try_from) {
            Some(Ok(port)) => constant(u64::from(port), Order::Big, 16),
            Some(Err(_)) => fail(format!("port {word} is out of range 0-65535")),
            None => match resolve.service(word) {
                Some(port) => constant(u64::from(port), Order::Big, 16),
                None => fail(format!("unknown service `{word}`")),
            },
        },
        Form::Integer if dtype.is(&types::UID) => {
            match resolve.user(word).or_else(|| word.parse().ok()) {
                Some(id) => constant(u64::from(id), Order::Host, 32),
                None => fail(format!("unknown user `{word}`")),
            }
        }
        Form::Integer if dtype.is(&types::GID) => {
            let number = || integer(word).and_then(|id| u32::try_from(id).ok());
            match resolve.group(word).or_else(number) {
                Some(id) => constant(u64::from(id), Order::Host, 32),
                None => fail(format!("unknown group `{word}`")),
            }
        }
        Form::Integer | Form::Hex => match big_integer(word) {
            Some(value) => Ok(Some(Expr::value(value, dtype, Order::Host, 1))),
            None => fail(match near_symbol(word, dtype) {
                Some(near) => format!(
                    "`{word}` is not a value of type {}; near: `{near}`",
                    dtype.name
                ),
                None => format!("`{word}` is not a value of type {}", dtype.name),
            }),
        },
        Form::Symbol { .. } => Ok(symbolic(this.symbols.value(word), dtype)),
        Form::Mark => Ok(symbolic(resolve.mark(word).map(u64::from), dtype)),
        Form::Realm => Ok(symbolic(resolve.realm(word).map(u64::from), dtype)),
        Form::DeviceGroup => Ok(symbolic(resolve.device_group(word).map(u64::from), dtype)),
        Form::Time => {
            let value = u32::try_from(time(word, span)?)
                .map_err(|_| Diagnostic::new(span, format!("the time `{word}` is too long")))?;
            constant(u64::from(value), Order::Host, 32)
        }
        Form::ClassId => match class_id(word) {
            Some(id) => constant(u64::from(id), Order::Host, 32),
            None => fail(format!(
                "`{word}` is not a class (`major:minor`, `root`, `none`)"
            )),
        },
        Form::InterfaceIndex => {
            let number = || {
                word.parse::<i32>()
                    .ok()
                    .and_then(|index| u32::try_from(index).ok())
            };
            match resolve.interface(word).or_else(number) {
                Some(index) => constant(u64::from(index), Order::Host, 32),
                None => Err(no_interface(word, span, resolve)),
            }
        }
        Form::Date => match date(word, resolve) {
            Some(seconds) => constant(seconds.wrapping_mul(1_000_000_000), Order::Host, 64),
            None => fail(format!("`{word}` is not a date (`2024-12-31 23:59:00`)")),
        },
        Form::Hour => constant(u64::from(hour(word, span, resolve)?), Order::Host, 32),
        Form::Label => {
            let bit = resolve
                .conntrack_label(word)
                .map(u64::from)
                .or_else(|| integer(word));
            match bit {
                Some(bit @ 0..128) => Ok(Some(Expr::value(
                    number::shl(Num::ONE, bit as u32),
                    dtype,
                    Order::Host,
                    128,
                ))),
                Some(bit) => fail(format!("label bit {bit} is out of range 0-127")),
                None => fail(format!("unknown connection label `{word}`")),
            }
        }
        Form::Cgroup => match resolve.cgroup(word) {
            Ok(inode) => constant(inode, Order::Host, 64),
            Err(why) => fail(format!("cgroup `{word}`: {why}")),
        },
    }
}

fn symbolic(value: Option<u64>, dtype: &'static DataType) -> Option<Expr> {
    value.map(|value| Expr::value(Num::from(value), dtype, dtype.order, dtype.size))
}

fn one<T: Copy>(word: &str, span: Span, found: std::result::Result<Vec<T>, String>) -> Result<T> {
    match found.as_deref() {
        Ok([address]) => Ok(*address),
        Ok([]) => Err(Diagnostic::new(
            span,
            format!("`{word}` has no such address"),
        )),
        Ok(_) => Err(Diagnostic::new(
            span,
            format!("the host name `{word}` has more than one address"),
        )
        .help("write the address that you mean")),
        Err(why) => Err(Diagnostic::new(
            span,
            format!("`{word}` is neither an address nor a known host name ({why})"),
        )),
    }
}

fn no_interface(word: &str, span: Span, resolve: &dyn Resolve) -> Diagnostic {
    let names = resolve.interfaces();
    let diagnostic = Diagnostic::new(span, format!("there is no interface `{word}`"));
    match near(word, names.iter().map(String::as_str)) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")),
        None => {
            diagnostic.help("`iifname` and `oifname` also match interfaces that do not exist yet")
        }
    }
}

fn near_symbol(word: &str, dtype: &'static DataType) -> Option<&'static str> {
    near(word, dtype.symbols.rows.iter().map(|row| row.0))
}

/// A number as C reads it: decimal, `0x` hexadecimal, leading `0` octal.
pub fn integer(word: &str) -> Option<u64> {
    let value = big_integer(word)?;
    u64::try_from(value).ok()
}

fn big_integer(word: &str) -> Option<Num> {
    let (digits, radix) = match word.as_bytes() {
        [b'0', b'x' | b'X', ..] => (word.get(2..)?, 16),
        [b'0', b'b' | b'B', ..] => (word.get(2..)?, 2),
        [b'0', _, ..] => (word.get(1..)?, 8),
        _ => (word, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Num::from_str_radix(digits, u64::from(radix)).ok()
}

/// Hexadecimal bytes between single separators.
fn link_address(word: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = word
        .split([':', '-'])
        .map(|part| u8::from_str_radix(part, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() <= 64)
}

/// An IPv4 address in the forms that the C library takes: one to four parts, the last one filling the rest.
fn inet_aton(word: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = word
        .split('.')
        .map(|part| integer(part).and_then(|n| u32::try_from(n).ok()))
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * first.len() as u32;
    if room < 32 && *last >= 1 << room {
        return None;
    }
    let high = first
        .iter()
        .enumerate()
        .fold(0u32, |sum, (place, part)| sum | part << (24 - 8 * place));
    Some(Ipv4Addr::from(high | last))
}

/// `1d2h3m4s5ms`, or seconds: milliseconds.
pub fn time(word: &str, span: Span) -> Result<u64> {
    let wrong = || {
        Diagnostic::new(span, format!("`{word}` is not a time"))
            .help("days, hours, minutes, seconds, milliseconds: `1d2h3m4s5ms`")
    };
    if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: u32 = word.parse().map_err(|_| wrong())?;
        return Ok(u64::from(seconds) * 1000);
    }
    let mut rest = word;
    let mut total = 0u64;
    let mut seen: Vec<&str> = Vec::new();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = ["ms", "d", "h", "m", "s"]
            .into_iter()
            .find(|unit| after.starts_with(unit))
            .ok_or_else(wrong)?;
        if seen.contains(&unit) || digits > 8 {
            return Err(wrong());
        }
        let number: u64 = if number.is_empty() {
            0
        } else {
            number.parse().map_err(|_| wrong())?
        };
        total += number
            * match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => 86_400_000,
            };
        seen.push(unit);
        rest = after.get(unit.len()..).unwrap_or_default();
    }
    Ok(total)
}

/// Local time as seconds since the epoch; also a plain number of them.
fn date(word: &str, resolve: &dyn Resolve) -> Option<u64> {
    let local = NaiveDateTime::parse_from_str(word, "%Y-%m-%d %H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(word, "%Y-%m-%d %H:%M"))
        .or_else(|_| {
            NaiveDate::parse_from_str(word, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN))
        });
    match local {
        Ok(local) => {
            // As nft: the offset that is in force when this clock reading is taken as UTC.
            let seconds = local.and_utc().timestamp();
            let offset = (resolve.zone().offset_at)(seconds);
            Some((seconds - i64::from(offset)) as u64)
        }
        Err(_) => word.parse().ok(),
    }
}

/// Local time of day as seconds since midnight in UTC; a plain number is taken as it is.
fn hour(word: &str, span: Span, resolve: &dyn Resolve) -> Result<u32> {
    if let Ok(seconds) = word.parse::<u32>() {
        return Ok(seconds);
    }
    let of_day = NaiveTime::parse_from_str(word, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(word, "%H:%M"))
        .ok()
        .map(|time| i64::from(chrono::Timelike::num_seconds_from_midnight(&time)));
    let local = match of_day {
        Some(seconds) => seconds,
        None => (time(word, span)? / 1000) as i64,
    };
    let offset = i64::from(resolve.zone().offset_now);
    let utc = if local >= offset {
        (local - offset) % 86_400
    } else {
        86_400 - offset + local
    };
    u32::try_from(utc).map_err(|_| Diagnostic::new(span, format!("`{word}` is not a time of day")))
}

fn class_id(word: &str) -> Option<u32> {
    match word {
        "root" => return Some(0xffff_ffff),
        "none" => return Some(0),
        _ => {}
    }
    let hex = |digits: &str| {
        if digits.is_empty() {
            Some(0)
        } else {
            u32::from_str_radix(digits, 16).ok()
        }
    };
    match word.split_once(':') {
        Some((major, minor)) => Some((hex(major)? & 0xffff) << 16 | hex(minor)?),
        None => integer(word).and_then(|n| u32::try_from(n).ok()),
    }
}

/// The bytes of a name as a text constant, with its NUL.
pub fn text_of(expr: &Expr) -> Option<Vec<u8>> {
    match &expr.kind {
        Kind::Value(value) => {
            let mut bytes = number::export(*value, Order::Host, number::bytes_of(expr.len));
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            Some(bytes)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::resolve::Nothing;
    use super::*;

    fn value(word: &str, dtype: &'static DataType) -> Option<u64> {
        parse(word, Span::default(), Type::Basic(dtype), &Nothing)
            .ok()
            .and_then(|expr| expr.as_value())
            .map(number::low64)
    }

    #[test]
    fn words_of_types() {
        assert_eq!(value("10.1", &types::IPADDR), Some(0x0a00_0001));
        assert_eq!(value("192.0.2.1", &types::IPADDR), Some(0xc000_0201));
        assert_eq!(value("192.0.2.256", &types::IPADDR), None);
        assert_eq!(
            value("00:1b:21:02:6f:ad", &types::ETHERADDR),
            Some(0x1b_2102_6fad)
        );
        assert_eq!(value("ip", &types::ETHERTYPE), Some(0x0800));
        assert_eq!(value("0x86dd", &types::ETHERTYPE), Some(0x86dd));
        assert_eq!(value("tcp", &types::INET_PROTOCOL), Some(6));
        assert_eq!(value("256", &types::INET_PROTOCOL), None);
        assert_eq!(value("65536", &types::INET_SERVICE), None);
        assert_eq!(value("established", &types::CT_STATE), Some(2));
        assert_eq!(value("010", &types::INTEGER), Some(8));
        assert_eq!(value("1:2", &types::CLASSID), Some(0x1_0002));
        assert_eq!(value("exists", &types::BOOLEAN), Some(1));
        assert_eq!(value("Monday", &types::DAY), Some(1));
        assert_eq!(value("1d1s", &types::TIME), Some(86_401_000));
    }

    #[test]
    fn times() {
        assert_eq!(time("1h30m", Span::default()), Ok(5_400_000));
        assert_eq!(time("90", Span::default()), Ok(90_000));
        assert_eq!(time("5ms", Span::default()), Ok(5));
        assert!(time("1x", Span::default()).is_err());
        assert!(time("1s1s", Span::default()).is_err());
    }
}
