//! The rules of one chain: which stay, which go, which come, and where. Pure; rules are known by their contents
//! (`stage::content`) and by their place in three lists.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// One place in the chain as it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// The rule at this place of the chain as it is now; it stays.
    Keep(usize),
    /// The same, but it has to be made anew, because what it refers to is.
    Again(usize),
    /// The rule at this place of the chain as it is wanted.
    Want(usize),
}

/// Which element of `base` each element of `want` is: equal, and in the same order. Not always the longest such
/// match, but one that a person would see: equal beginnings and ends, then what is unique or first.
pub fn matches<T: Eq + Hash>(want: &[T], base: &[T]) -> Vec<Option<usize>> {
    let mut found = vec![None; want.len()];
    let head = want.iter().zip(base).take_while(|(a, b)| a == b).count();
    let (want_rest, base_rest) = (
        want.get(head..).unwrap_or_default(),
        base.get(head..).unwrap_or_default(),
    );
    let tail = want_rest
        .iter()
        .rev()
        .zip(base_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    for (index, slot) in found.iter_mut().enumerate().take(head) {
        *slot = Some(index);
    }
    for back in 1..=tail {
        if let Some(slot) = found.get_mut(want.len() - back) {
            *slot = Some(base.len() - back);
        }
    }
    // Each in the middle takes the first equal one that is left; of these, as many as are in order.
    let mut places: HashMap<&T, VecDeque<usize>> = HashMap::new();
    for (index, item) in base.iter().enumerate().take(base.len() - tail).skip(head) {
        places.entry(item).or_default().push_back(index);
    }
    let pairs: Vec<(usize, usize)> = want
        .iter()
        .enumerate()
        .take(want.len() - tail)
        .skip(head)
        .filter_map(|(index, item)| Some((index, places.get_mut(item)?.pop_front()?)))
        .collect();
    for (index, place) in increasing(&pairs) {
        if let Some(slot) = found.get_mut(index) {
            *slot = Some(place);
        }
    }
    found
}

/// The longest part of `pairs` whose second numbers increase.
fn increasing(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // For each length, the pair that ends the best such part, and for each pair the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, (_, place)) in pairs.iter().enumerate() {
        let length =
            ends.partition_point(|end| pairs.get(*end).is_some_and(|pair| pair.1 < *place));
        before.push(
            length
                .checked_sub(1)
                .and_then(|last| ends.get(last).copied()),
        );
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut part = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(index) = at {
        part.extend(pairs.get(index));
        at = before.get(index).copied().flatten();
    }
    part.reverse();
    part
}

/// The chain as it shall be: what was made of `want` to `base` is taken back in `now`, and what others did to `base`
/// since stays. `now_of` tells where a rule of `base` is in `now`, which has `now` rules.
///
/// To go from one list to another, `base` is the list as it is, and nothing was done since.
pub fn merge<T: Eq + Hash>(
    want: &[T],
    base: &[T],
    now: usize,
    now_of: impl Fn(usize) -> Option<usize>,
) -> Vec<Item> {
    let matched = matches(want, base);
    let mut stays = vec![true; now];
    let mut wanted = vec![false; base.len()];
    for place in matched.iter().flatten() {
        if let Some(slot) = wanted.get_mut(*place) {
            *slot = true;
        }
    }
    for (place, wanted) in wanted.iter().enumerate() {
        if !wanted && let Some(slot) = now_of(place).and_then(|index| stays.get_mut(index)) {
            *slot = false;
        }
    }
    // What is missing goes behind the nearest rule before it that is there.
    let mut first: Vec<usize> = Vec::new();
    let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut anchor = None;
    for (index, place) in matched.iter().enumerate() {
        match place {
            Some(place) => anchor = now_of(*place).or(anchor),
            None => match anchor {
                Some(anchor) => behind.entry(anchor).or_default().push(index),
                None => first.push(index),
            },
        }
    }
    let mut items: Vec<Item> = first.into_iter().map(Item::Want).collect();
    for (index, stays) in stays.iter().enumerate() {
        if *stays {
            items.push(Item::Keep(index));
        }
        let here = behind.remove(&index).unwrap_or_default();
        items.extend(here.into_iter().map(Item::Want));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(want: &str, base: &str, now: &str) -> String {
        let list = |text: &str| text.chars().collect::<Vec<_>>();
        let (want, base, now) = (list(want), list(base), list(now));
        let items = merge(&want, &base, now.len(), |place| {
            now.iter().position(|c| *c == base[place])
        });
        items
            .into_iter()
            .map(|item| match item {
                Item::Keep(index) | Item::Again(index) => now[index],
                Item::Want(index) => want[index].to_ascii_uppercase(),
            })
            .collect()
    }

    #[test]
    fn from_one_list_to_another() {
        for (want, base, expected) in [
            ("abc", "abc", "abc"),
            ("abc", "", "ABC"),
            ("", "abc", ""),
            ("axbyc", "abc", "aXbYc"),
            ("bca", "abc", "bcA"),
            ("xabcy", "abc", "XabcY"),
            ("ac", "abc", "ac"),
        ] {
            assert_eq!(text(want, base, base), expected, "{want} {base}");
        }
    }

    #[test]
    fn what_others_did_stays() {
        for (want, base, now, expected) in [
            // We deleted b; others put o behind c.
            ("abc", "ac", "aco", "aBco"),
            // We added x; others took a away and put o in front.
            ("abc", "axbc", "oxbc", "obc"),
            // The rule before the deleted one was taken away by others, too.
            ("abc", "ac", "c", "Bc"),
            ("abcd", "ad", "oad", "oaBCd"),
            // We replaced everything; they added theirs.
            ("abc", "xyz", "xyzo", "ABCo"),
        ] {
            assert_eq!(text(want, base, now), expected, "{want} {base} {now}");
        }
    }

    #[test]
    fn equal_rules_are_told_apart_by_their_place() {
        assert_eq!(
            matches(&[1, 1, 2, 1], &[1, 2, 1, 1]),
            [Some(0), None, Some(1), Some(3)]
        );
        let long: Vec<u32> = (0..10_000).map(|n| n % 7).collect();
        let found = matches(&long, &long[1..]);
        assert_eq!(found.iter().flatten().count(), 9_999);
    }
}
