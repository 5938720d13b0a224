//! Interval sets: the kernel stores half-open intervals as starts and ends; here they become values, prefixes, ranges.

use super::super::ast::{Expr, Kind, SetElem};
use super::super::datatype::{self as types, Type};
use super::super::number::{self, Num, Order};
use super::registers;
use std::cmp::Ordering;

/// A range whose bounds are those of a prefix becomes one.
pub fn range_to_prefix(range: Expr) -> Expr {
    let Kind::Range(left, right) = &range.kind else {
        return range;
    };
    let (Some(low), Some(high)) = (left.as_value(), right.as_value()) else {
        return range;
    };
    let len = left.len;
    let difference = low ^ high;
    // Ones from the lowest bit on, and nothing above them.
    let ones = number::scan0(difference, 0);
    if number::scan1(difference, ones + 1).is_some_and(|bit| bit < len) || ones > len {
        return range;
    }
    let prefix = len - ones;
    if number::scan1(low, 0).is_some_and(|bit| bit < len - prefix) {
        return range;
    }
    Expr::prefix((**left).clone(), prefix)
}

/// A range of one value becomes the value; one of addresses a prefix where it is one.
pub fn reduce(range: Expr) -> Expr {
    let Kind::Range(left, right) = &range.kind else {
        return range;
    };
    if left.as_value() == right.as_value() {
        return (**left).clone();
    }
    if left.dtype.is(&types::IPADDR) || left.dtype.is(&types::IP6ADDR) {
        return range_to_prefix(range);
    }
    range
}

fn element(expr: &Expr) -> Option<&SetElem> {
    match &expr.kind {
        Kind::SetElem(element) => Some(element),
        Kind::Mapping(left, _) => element_of(left),
        _ => None,
    }
}

fn element_of(expr: &Expr) -> Option<&SetElem> {
    match &expr.kind {
        Kind::SetElem(element) => Some(element),
        _ => None,
    }
}

/// The key of an element or of a mapping.
fn key(expr: &Expr) -> Option<&Expr> {
    element(expr).map(|element| &element.key)
}

fn key_mut(expr: &mut Expr) -> Option<&mut Expr> {
    match &mut expr.kind {
        Kind::SetElem(element) => Some(&mut element.key),
        Kind::Mapping(left, _) => key_mut(left),
        _ => None,
    }
}

fn value(expr: &Expr) -> Num {
    key(expr).and_then(Expr::as_value).unwrap_or_default()
}

/// The element marks the end of an interval. Ends carry no data, so they are never mappings.
fn is_end(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::SetElem(element) if element.interval_end)
}

/// The same element with another key.
fn with_key(low: &Expr, new: Expr) -> Expr {
    let mut expr = low.clone();
    if let Some(key) = key_mut(&mut expr) {
        *key = new;
    }
    expr
}

/// Starts and ends of a set as single elements, in ascending order; the catch-all element last.
pub fn decompose(elements: Vec<Expr>) -> Vec<Expr> {
    let mut catchall = None;
    let mut points = Vec::with_capacity(elements.len());
    for expr in elements {
        if key(&expr).is_some_and(|key| matches!(key.kind, Kind::CatchAll)) {
            catchall = Some(expr);
        } else {
            points.push(expr);
        }
    }
    points.sort_by(|a, b| {
        value(a)
            .cmp(&value(b))
            .then_with(|| match (is_end(a), is_end(b)) {
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                _ => Ordering::Equal,
            })
    });
    let mut out = Vec::with_capacity(points.len() / 2 + 1);
    let mut low: Option<Expr> = None;
    for expr in points {
        let end = is_end(&expr);
        let Some(start) = low.take() else {
            // An end without a start is the mark below the first interval.
            if !end {
                low = Some(expr);
            }
            continue;
        };
        let size = value(&expr)
            .saturating_sub(value(&start))
            .saturating_sub(Num::ONE);
        out.push(interval(start, size, expr.dtype, expr.len));
        if !end {
            low = Some(expr);
        }
    }
    if let Some(start) = low {
        let (len, dtype) = key(&start).map_or((0, start.dtype), |key| (key.len, start.dtype));
        let last = number::bitmask(len);
        if last == value(&start) {
            out.push(start);
        } else {
            let size = last.saturating_sub(value(&start));
            out.push(interval(start, size, dtype, len));
        }
    }
    out.extend(catchall);
    out
}

/// The element from `low` on with `size` more values.
fn interval(mut low: Expr, size: Num, end_type: Type, end_len: u32) -> Expr {
    let start = value(&low);
    let len = key(&low).map_or(0, |key| key.len);
    if size.is_zero() {
        if low.dtype.is_text()
            && let Some(key) = key_mut(&mut low)
            && let Kind::Value(value) = &mut key.kind
        {
            *value = number::swap(*value, number::bytes_of(len));
        }
        return low;
    }
    let is_prefix = (size & (size.wrapping_add(Num::ONE))).is_zero() && (start & size).is_zero();
    if is_prefix {
        let prefix = len.saturating_sub(number::scan0(size, 0));
        if end_type.allows_prefix() {
            return with_prefix(&low, prefix);
        }
        if end_type.is_text() {
            return wildcard(&low, prefix, end_len).unwrap_or_else(|| with_prefix(&low, prefix));
        }
    }
    let mut high = key(&low).cloned().unwrap_or_else(|| low.clone());
    high.kind = Kind::Value(start.wrapping_add(size));
    high.dtype = low.dtype;
    high.order = low.order;
    let bounds = Expr::range(key(&low).cloned().unwrap_or_else(|| low.clone()), high);
    with_key(&low, bounds)
}

fn with_prefix(low: &Expr, len: u32) -> Expr {
    let inner = key(low).cloned().unwrap_or_else(|| low.clone());
    with_key(low, Expr::prefix(inner, len))
}

/// A prefix of whole bytes of a name: `eth*`.
fn wildcard(low: &Expr, prefix: u32, end_len: u32) -> Option<Expr> {
    if prefix > end_len || !prefix.is_multiple_of(8) {
        return None;
    }
    let bytes = number::export(value(low), Order::Big, number::bytes_of(end_len));
    let length = bytes.iter().position(|&b| b == 0)?;
    if length == 0 {
        return None;
    }
    let mut text = bytes.get(..length)?.to_vec();
    text.push(b'*');
    let bits = u32::try_from(text.len() * 8).ok()?;
    let value = number::import(&text, Order::Host);
    let expr = Expr::new(Kind::Value(value), low.dtype, Order::Host, bits);
    Some(with_key(low, expr))
}

/// Concatenated intervals: elements come as pairs of lower and upper bounds of all fields.
pub fn aggregate(elements: Vec<Expr>) -> Vec<Expr> {
    let mut out = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let Some(low) = elements.next() {
        let Some(mut high) = elements.next() else {
            out.push(low);
            break;
        };
        let (Some(Kind::Concat(lows)), Some(Kind::Concat(highs))) = (
            key(&low).map(|key| &key.kind),
            key(&high).map(|key| &key.kind),
        ) else {
            out.push(low);
            continue;
        };
        let fields = lows
            .iter()
            .zip(highs)
            .map(|(low, high)| field(low, high))
            .collect();
        if let Some(key) = key_mut(&mut high) {
            key.kind = Kind::Concat(fields);
        }
        if let Kind::SetElem(element) = &mut high.kind {
            element.interval_end = false;
        }
        out.push(high);
    }
    out
}

/// One field of a concatenation from its bounds.
fn field(low: &Expr, high: &Expr) -> Expr {
    let (Some(mut start), Some(mut end)) = (low.as_value(), high.as_value()) else {
        return high.clone();
    };
    if start == end {
        return high.clone();
    }
    let text = low.dtype.is_text() && high.dtype.is_text();
    if text {
        start = number::swap(start, number::bytes_of(low.len));
        end = number::swap(end, number::bytes_of(high.len));
    }
    let prefix = common_prefix(start, end, low.len);
    match prefix {
        Some(prefix) if text && prefix % 8 == 0 => {
            let mut bytes = number::export(
                low.as_value().unwrap_or_default(),
                Order::Host,
                (prefix / 8) as usize,
            );
            bytes.push(b'*');
            let value = number::import(&bytes, Order::Host);
            Expr::new(Kind::Value(value), low.dtype, Order::Host, high.len)
        }
        Some(prefix) if low.dtype.allows_prefix() => {
            let mut expr = Expr::prefix(low.clone(), prefix);
            expr.len = high.len;
            expr
        }
        _ => Expr::range(low.clone(), high.clone()),
    }
}

/// Length of the prefix that exactly covers the values from `start` to `end`.
fn common_prefix(mut start: Num, mut end: Num, mut len: u32) -> Option<u32> {
    while start <= end && !start.bit(0) && end.bit(0) && len > 0 {
        start = number::shr(start, 1);
        end = number::shr(end, 1);
        len -= 1;
    }
    (start == end).then_some(len)
}

/// Values of a map that are intervals: lower and upper bound one behind the other.
pub fn data_interval(data: &Expr, template: &Expr) -> Expr {
    let mut rest = data.clone();
    let half = data.len / 2;
    let order = template.dtype.order();
    let mut bound = || {
        let mut part = registers::splice(&mut rest, half)?;
        part.set_type(template.dtype, order);
        Some(part)
    };
    match (bound(), bound()) {
        (Some(low), Some(high)) => range_to_prefix(Expr::range(low, high)),
        _ => data.clone(),
    }
}
