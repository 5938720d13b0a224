//! Elements of interval sets: as ranges, merged, checked for overlaps, and as the kernel's tree has them, where a
//! range is its first value and, flagged as an end, the value behind its last one.

use super::super::ast::*;
use super::super::number::{self, Num, Order};
use super::super::syntax::{Diagnostic, Span};
use super::eval::take;

/// The [`SetElem`] of an element or mapping.
pub fn elem_mut(expr: &mut Expr) -> Option<&mut SetElem> {
    match &mut expr.kind {
        Kind::SetElem(element) => Some(element),
        Kind::Mapping(left, _) => elem_mut(left),
        _ => None,
    }
}

pub fn elem(expr: &Expr) -> Option<&SetElem> {
    match &expr.kind {
        Kind::SetElem(element) => Some(element),
        Kind::Mapping(left, _) => elem(left),
        _ => None,
    }
}

/// First and last value of an element that is a range; none for the catch-all element.
pub fn bounds(expr: &Expr) -> Option<(Num, Num)> {
    match &elem(expr)?.key.kind {
        Kind::Range(from, to) => Some((from.as_value()?, to.as_value()?)),
        Kind::Value(value) => Some((*value, *value)),
        _ => None,
    }
}

fn set_bounds(expr: &mut Expr, first: Num, last: Num) {
    if let Some(element) = elem_mut(expr)
        && let Kind::Range(from, to) = &mut element.key.kind
    {
        from.kind = Kind::Value(first);
        to.kind = Kind::Value(last);
    }
}

/// Names are ordered by their first byte, as everything is in network order.
fn text_swap(key: &mut Expr) {
    if let Kind::Value(value) = key.kind
        && key.dtype.is_text()
    {
        key.kind = Kind::Value(number::swap(value, number::bytes_of(key.len)));
    }
}

/// Every element as a range.
pub fn to_ranges(elements: Vec<Expr>) -> Vec<Expr> {
    let mut elements = elements;
    for expr in &mut elements {
        let Some(element) = elem_mut(expr) else {
            continue;
        };
        let key = &mut element.key;
        match &mut key.kind {
            Kind::Prefix(base, bits) => {
                let bits = *bits;
                let mut first = take(base);
                text_swap(&mut first);
                let rest = number::bitmask(first.len.saturating_sub(bits));
                let mut last = first.clone();
                last.kind = Kind::Value(first.as_value().unwrap_or_default() | rest);
                let (dtype, order, len, span) = (first.dtype, first.order, first.len, key.span);
                *key = Expr::range(first, last).at(span);
                (key.dtype, key.order, key.len) = (dtype, order, len);
            }
            Kind::Value(_) => {
                let mut value = take(key);
                text_swap(&mut value);
                let (dtype, order, len, span) = (value.dtype, value.order, value.len, value.span);
                *key = Expr::range(value.clone(), value).at(span);
                (key.dtype, key.order, key.len) = (dtype, order, len);
            }
            _ => {}
        }
    }
    elements
}

/// By first value; the catch-all element last.
pub fn sort(elements: &mut [Expr]) {
    elements.sort_by_key(|expr| bounds(expr).map_or(Num::MAX, |bounds| bounds.0));
}

/// Join what overlaps or touches. The elements are sorted.
pub fn merge(elements: Vec<Expr>) -> Vec<Expr> {
    let mut merged: Vec<Expr> = Vec::with_capacity(elements.len());
    for expr in elements {
        let Some((first, last)) = bounds(&expr) else {
            merged.push(expr);
            continue;
        };
        let previous = merged.iter_mut().rev().find(|expr| bounds(expr).is_some());
        if let Some(previous) = previous
            && let Some((from, to)) = bounds(previous)
            && (first <= to || first - to == Num::ONE)
        {
            if last > to {
                set_bounds(previous, from, last);
            }
            continue;
        }
        merged.push(expr);
    }
    merged
}

/// Refuse new elements that overlap each other or those that are there, unless they are the same.
/// Both lists are sorted ranges.
pub fn check_overlap(new: &[Expr], existing: &[Expr], span: Span) -> Result<(), Diagnostic> {
    let mut all: Vec<(Num, Num, bool, Span)> = Vec::with_capacity(new.len() + existing.len());
    for (list, known) in [(new, false), (existing, true)] {
        for expr in list {
            if let Some((first, last)) = bounds(expr) {
                all.push((first, last, known, expr.span));
            }
        }
    }
    all.sort_by_key(|entry| entry.0);
    for pair in all.windows(2) {
        let [(from, to, known, at), (first, last, known_too, here)] = pair else {
            continue;
        };
        if from == first && to == last {
            continue;
        }
        if first <= to {
            let place = if *known_too { *at } else { *here };
            let place = if place == Span::default() {
                span
            } else {
                place
            };
            return Err(Diagnostic::new(
                place,
                if *known || *known_too {
                    "this interval overlaps with one that is in the set"
                } else {
                    "this interval overlaps with another one here"
                },
            )
            .help("`auto-merge` in the set's declaration joins overlapping intervals"));
        }
    }
    Ok(())
}

/// What adding elements to a set with `auto-merge` comes to: what to take out first, and what to put in.
pub fn merge_into(new: Vec<Expr>, existing: &[Expr]) -> (Vec<Expr>, Vec<Expr>) {
    let mut tagged: Vec<(Expr, bool)> = existing
        .iter()
        .map(|expr| (expr.clone(), true))
        .chain(new.into_iter().map(|expr| (expr, false)))
        .collect();
    tagged.sort_by_key(|(expr, known)| {
        (
            bounds(expr).map_or(Num::MAX, |bounds| bounds.0),
            // What is there comes first, so that equal intervals change nothing.
            !*known,
        )
    });
    let (mut purge, mut add): (Vec<Expr>, Vec<Expr>) = Default::default();
    // The interval in the making, whether the kernel has exactly it, and which of the kernel's it swallowed.
    let mut current: Option<(Expr, bool)> = None;
    let finish = |current: Option<(Expr, bool)>, add: &mut Vec<Expr>| {
        if let Some((expr, false)) = current {
            add.push(expr);
        }
    };
    for (expr, known) in tagged {
        let Some((first, last)) = bounds(&expr) else {
            if !known {
                add.push(expr);
            }
            continue;
        };
        if let Some((previous, previous_known)) = &mut current
            && let Some((from, to)) = bounds(previous)
        {
            if from <= first && to >= last {
                if known {
                    purge.push(expr);
                }
                continue;
            }
            if first <= to || first - to == Num::ONE {
                if *previous_known {
                    purge.push(previous.clone());
                    *previous_known = false;
                }
                if known {
                    purge.push(expr);
                }
                set_bounds(previous, from, last);
                continue;
            }
        }
        finish(current.take(), &mut add);
        current = Some((expr, known));
    }
    finish(current, &mut add);
    (purge, add)
}

/// What taking intervals out of a set comes to: what to take out, and which remainders to put back.
pub fn cut_out(
    delete: Vec<Expr>,
    existing: &[Expr],
    auto_merge: bool,
    span: Span,
) -> Result<(Vec<Expr>, Vec<Expr>), Diagnostic> {
    let mut kept: Vec<(Expr, bool)> = existing.iter().map(|expr| (expr.clone(), true)).collect();
    let mut remove = Vec::new();
    for expr in delete {
        let Some((first, last)) = bounds(&expr) else {
            remove.push(expr);
            continue;
        };
        let holder = kept.iter().position(|(kept, _)| {
            bounds(kept).is_some_and(|(from, to)| {
                (from == first && to == last) || (auto_merge && from <= first && to >= last)
            })
        });
        let Some(place) = holder else {
            let at = if expr.span == Span::default() {
                span
            } else {
                expr.span
            };
            return Err(Diagnostic::new(at, "there is no such element in the set"));
        };
        let (held, known) = kept.remove(place);
        let Some((from, to)) = bounds(&held) else {
            continue;
        };
        if known {
            remove.push(held.clone());
        }
        if from < first {
            let mut before = held.clone();
            set_bounds(&mut before, from, first - Num::ONE);
            kept.push((before, false));
        }
        if to > last {
            let mut after = held;
            set_bounds(&mut after, last + Num::ONE, to);
            kept.push((after, false));
        }
    }
    let back = kept
        .into_iter()
        .filter(|(_, known)| !known)
        .map(|(expr, _)| expr)
        .collect();
    Ok((remove, back))
}

/// One entry of the kernel's tree.
pub struct Entry {
    pub expr: Expr,
    /// `NFT_SET_ELEM_INTERVAL_END`
    pub end: bool,
    /// The interval reaches to the highest value (`NFTNL_SET_ELEM_F_INTERVAL_OPEN` in the user data).
    pub open: bool,
}

/// Sorted ranges as entries of the kernel's tree. `first`: the set is empty so far, so that what lies below the first
/// interval needs an end of its own.
pub fn to_entries(set: &SetInfo, ranges: Vec<Expr>, first: bool) -> Vec<Entry> {
    let len = set.key.len;
    let bytes = number::bytes_of(len);
    let key = |value: Num| {
        let value = if set.key.order == Order::Host {
            number::swap(value, bytes)
        } else {
            value
        };
        Expr::new(Kind::Value(value), set.key.dtype, set.key.order, len)
    };
    let end_of = |value: Num, like: &Expr| {
        let element = Expr::untyped(
            Kind::SetElem(Box::new(SetElem::new(key(value)))),
            Span::default(),
        );
        let expr = match &like.kind {
            Kind::Mapping(_, data) => Expr::untyped(
                Kind::Mapping(Box::new(element), data.clone()),
                Span::default(),
            ),
            _ => element,
        };
        Entry {
            expr,
            end: true,
            open: false,
        }
    };
    let highest = number::bitmask(len);
    let mut entries = Vec::with_capacity(ranges.len() * 2 + 1);
    let mut catch_all = Vec::new();
    let mut pending: Option<(Num, Entry)> = None;
    let mut any = false;
    for mut expr in ranges {
        let Some((from, to)) = bounds(&expr) else {
            catch_all.push(Entry {
                expr,
                end: false,
                open: false,
            });
            continue;
        };
        if !any && first && !from.is_zero() {
            entries.push(end_of(Num::ZERO, &expr));
        }
        if let Some((value, end)) = pending.take()
            && (!set.is_anonymous() || value != from)
        {
            entries.push(end);
        }
        let open = to == highest;
        if !open {
            let next = to + Num::ONE;
            pending = Some((next, end_of(next, &expr)));
        }
        if let Some(element) = elem_mut(&mut expr) {
            element.key = key(from).at(element.key.span);
        }
        entries.push(Entry {
            expr,
            end: false,
            open,
        });
        any = true;
    }
    if let Some((_, end)) = pending {
        entries.push(end);
    }
    entries.extend(catch_all);
    entries
}

#[cfg(test)]
mod tests {
    use super::super::super::datatype as types;
    use super::*;

    fn range(from: u32, to: u32) -> Expr {
        let value = |n: u32| Expr::value(Num::from(n), &types::IPADDR, Order::Big, 32);
        let mut key = Expr::range(value(from), value(to));
        key.len = 32;
        Expr::untyped(Kind::SetElem(Box::new(SetElem::new(key))), Span::default())
    }

    fn all(list: &[Expr]) -> Vec<(u64, u64)> {
        list.iter()
            .filter_map(bounds)
            .map(|(a, b)| (number::low64(a), number::low64(b)))
            .collect()
    }

    #[test]
    fn neighbours_are_joined() {
        let merged = merge(vec![range(1, 5), range(3, 4), range(6, 8), range(10, 12)]);
        assert_eq!(all(&merged), [(1, 8), (10, 12)]);
    }

    #[test]
    fn merging_into_a_set_replaces_what_grows() {
        let (purge, add) = merge_into(vec![range(6, 8)], &[range(1, 5), range(20, 30)]);
        assert_eq!(all(&purge), [(1, 5)]);
        assert_eq!(all(&add), [(1, 8)]);
        let (purge, add) = merge_into(vec![range(2, 3)], &[range(1, 5)]);
        assert!(purge.is_empty() && add.is_empty());
    }

    #[test]
    fn cutting_leaves_the_rest() {
        let cut = |from, to, merge| {
            cut_out(
                vec![range(from, to)],
                &[range(1, 9)],
                merge,
                Span::default(),
            )
        };
        let (remove, back) = cut(3, 4, true).unwrap();
        assert_eq!(all(&remove), [(1, 9)]);
        assert_eq!(all(&back), [(1, 2), (5, 9)]);
        assert!(cut(3, 4, false).is_err());
        assert!(cut(1, 9, false).is_ok());
        assert!(cut(8, 10, true).is_err());
    }

    #[test]
    fn overlaps_are_refused() {
        assert!(check_overlap(&[range(1, 5), range(5, 6)], &[], Span::default()).is_err());
        assert!(
            check_overlap(&[range(1, 5), range(6, 6)], &[range(1, 5)], Span::default()).is_ok()
        );
        assert!(check_overlap(&[range(1, 4)], &[range(1, 5)], Span::default()).is_err());
    }
}
