//! Elements of a set, indexed for lookup: exact keys by hash, intervals by binary search, concatenations of
//! ranges field by field (`nft_set_hash.c`, `nft_set_rbtree.c`, `nft_set_pipapo.c`).

use super::eval::program::Target;
use super::hash::{Map, with_room};
use crate::kernel::nf_tables::decode;
use crate::model::set::{element_flags, flags};
use crate::model::{Data, Element, Elements, Expression, Name, Set};
use std::borrow::Borrow;

/// What an element holds besides its key.
#[derive(Clone, Debug, Default)]
pub struct Value {
    pub data: Option<Vec<u8>>,
    pub verdict: Option<Target>,
    pub object: Option<Name>,
    pub expressions: Vec<Expression>,
}

/// Keys of up to sixteen bytes, which nearly all sets have, are numbers: hashed and compared without a call.
#[derive(Clone, Debug)]
enum Index {
    Exact(Map<u128, u32>),
    ExactLong(Map<Box<[u8]>, u32>),
    Interval(Vec<Bound<u128>>),
    IntervalLong(Vec<Bound<Box<[u8]>>>),
    Ranges(Vec<Ranged>),
}

/// Where an interval begins or ends; ascending. An end begins a gap.
#[derive(Clone, Debug)]
struct Bound<K> {
    key: K,
    /// A start, with the place of its value.
    value: Option<u32>,
}

impl Index {
    fn exact(elements: Vec<(Box<[u8]>, u32)>) -> Index {
        match numbers(elements.iter().map(|(key, _)| &**key)) {
            Some(keys) => {
                let mut map = with_room(keys.len());
                map.extend(
                    keys.into_iter()
                        .zip(elements)
                        .map(|(key, (_, value))| (key, value)),
                );
                Index::Exact(map)
            }
            None => Index::ExactLong(elements.into_iter().collect()),
        }
    }

    fn interval(mut bounds: Vec<Bound<Box<[u8]>>>) -> Index {
        // Where one interval ends and the next begins, the beginning counts.
        bounds.sort_by(|a, b| (&a.key, a.value.is_some()).cmp(&(&b.key, b.value.is_some())));
        match numbers(bounds.iter().map(|bound| &*bound.key)) {
            Some(keys) => {
                let bounds = keys.into_iter().zip(bounds);
                let bounds = bounds.map(|(key, Bound { value, .. })| Bound { key, value });
                Index::Interval(bounds.collect())
            }
            None => Index::IntervalLong(bounds),
        }
    }
}

/// A key as a number that orders as its bytes do, if it is not too long.
fn number(key: &[u8]) -> Option<u128> {
    Some(match *key {
        [a, b, c, d] => u128::from(u32::from_be_bytes([a, b, c, d])) << 96,
        [a, b] => u128::from(u16::from_be_bytes([a, b])) << 112,
        [a] => u128::from(a) << 120,
        _ => {
            let mut bytes = [0; 16];
            bytes.get_mut(..key.len())?.copy_from_slice(key);
            u128::from_be_bytes(bytes)
        }
    })
}

/// Keys as numbers, when all of them are of one length and short enough.
fn numbers<'k>(mut keys: impl Iterator<Item = &'k [u8]> + Clone) -> Option<Vec<u128>> {
    let len = keys.clone().next().map(<[u8]>::len);
    let same = keys.clone().all(|key| Some(key.len()) == len);
    if !same {
        return None;
    }
    keys.by_ref().map(number).collect()
}

/// The value of the last bound that is not above `key`.
fn among<K: Borrow<Q>, Q: Ord + ?Sized>(bounds: &[Bound<K>], key: &Q) -> Option<u32> {
    let after = bounds.partition_point(|bound| bound.key.borrow() <= key);
    bounds.get(after.checked_sub(1)?)?.value
}

#[derive(Clone, Debug)]
struct Ranged {
    from: Box<[u8]>,
    to: Box<[u8]>,
    value: u32,
}

/// A set ready for lookups.
#[derive(Clone, Debug)]
pub struct SetIndex {
    index: Index,
    /// Start and length of each field in the key, in bytes.
    fields: Vec<(usize, usize)>,
    values: Vec<Value>,
    catch_all: Option<u32>,
    pub key_len: usize,
    /// Why lookups cannot be trusted, if so.
    pub problem: Option<String>,
}

impl SetIndex {
    /// `resolve` finds the chain that a verdict names.
    pub fn build(set: &Set, resolve: &dyn Fn(&crate::model::Verdict) -> Target) -> SetIndex {
        let mut built = SetIndex {
            index: Index::Ranges(Vec::new()),
            fields: fields_of(set),
            values: Vec::new(),
            catch_all: None,
            key_len: set.key_len as usize,
            problem: None,
        };
        let Elements::Read(list) = &set.elements else {
            built.problem = Some("its elements have not been read".into());
            return built;
        };
        let interval = set.has(flags::INTERVAL);
        let mut exact = Vec::new();
        let (mut bounds, mut ranges) = (Vec::new(), Vec::new());
        for raw in list.iter() {
            let element = match decode::element(raw) {
                Ok(element) => element,
                Err(error) => {
                    built.problem = Some(format!("an element cannot be read: {error}"));
                    continue;
                }
            };
            let end = element.flags & element_flags::INTERVAL_END != 0;
            let place = built.values.len() as u32;
            let (key, key_end) = (element.key.clone(), element.key_end.clone());
            if element.flags & element_flags::CATCHALL != 0 || key.is_none() {
                built.catch_all = Some(place);
                built.values.push(value_of(element, resolve));
                continue;
            }
            let key = key.unwrap_or_default().into_boxed_slice();
            if end {
                bounds.push(Bound { key, value: None });
                continue;
            }
            built.values.push(value_of(element, resolve));
            match (interval, key_end) {
                (true, Some(to)) => ranges.push(Ranged {
                    from: key,
                    to: to.into_boxed_slice(),
                    value: place,
                }),
                (true, None) if set.has(flags::CONCAT) && !set.field_lens.is_empty() => {
                    ranges.push(Ranged {
                        from: key.clone(),
                        to: key,
                        value: place,
                    });
                }
                (true, None) => bounds.push(Bound {
                    key,
                    value: Some(place),
                }),
                (false, _) => {
                    exact.push((key, place));
                }
            }
        }
        built.index = if !ranges.is_empty() {
            Index::Ranges(ranges)
        } else if interval {
            Index::interval(bounds)
        } else {
            Index::exact(exact)
        };
        built
    }

    /// The element for a key, the catch-all element if there is none.
    pub fn find(&self, key: &[u8]) -> Option<&Value> {
        let place = self.find_own(key).or(self.catch_all)?;
        self.values.get(place as usize)
    }

    fn find_own(&self, key: &[u8]) -> Option<u32> {
        match &self.index {
            Index::Exact(map) => map.get(&number(key)?).copied(),
            Index::ExactLong(map) => map.get(key).copied(),
            Index::Interval(bounds) => among(bounds, &number(key)?),
            Index::IntervalLong(bounds) => among(bounds, key),
            Index::Ranges(ranges) => ranges
                .iter()
                .find(|range| {
                    self.fields.iter().all(|&(start, len)| {
                        let (Some(from), Some(to), Some(own)) = (
                            range.from.get(start..start + len),
                            range.to.get(start..start + len),
                            key.get(start..start + len),
                        ) else {
                            return false;
                        };
                        from <= own && own <= to
                    })
                })
                .map(|range| range.value),
        }
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

fn fields_of(set: &Set) -> Vec<(usize, usize)> {
    if set.field_lens.is_empty() {
        return vec![(0, set.key_len as usize)];
    }
    let mut start = 0;
    set.field_lens
        .iter()
        .map(|len| {
            let field = (start, *len as usize);
            // Fields begin at registers of four bytes.
            start += (*len as usize).next_multiple_of(4);
            field
        })
        .collect()
}

fn value_of(element: Element, resolve: &dyn Fn(&crate::model::Verdict) -> Target) -> Value {
    let (data, verdict) = match element.data {
        Some(Data::Value(bytes)) => (Some(bytes), None),
        Some(Data::Verdict(verdict)) => (None, Some(resolve(&verdict))),
        None => (None, None),
    };
    Value {
        data,
        verdict,
        object: element.object,
        expressions: element.expressions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(index: Index, fields: Vec<(usize, usize)>, values: usize) -> SetIndex {
        SetIndex {
            index,
            fields,
            values: (0..values)
                .map(|n| Value {
                    data: Some(vec![n as u8]),
                    ..Value::default()
                })
                .collect(),
            catch_all: None,
            key_len: 4,
            problem: None,
        }
    }

    fn found(index: &SetIndex, key: &[u8]) -> Option<u8> {
        index.find(key).map(|value| value.data.as_ref().unwrap()[0])
    }

    #[test]
    fn intervals_end_where_the_next_begins() {
        let bound = |key: u8, value: Option<u32>| Bound {
            key: Box::from([0, key]),
            value,
        };
        let bounds = vec![
            bound(10, Some(0)),
            bound(20, None),
            bound(20, Some(1)),
            bound(30, None),
            bound(250, Some(2)),
        ];
        let short = Index::interval(bounds.clone());
        assert!(matches!(short, Index::Interval(_)));
        for kind in [short, Index::IntervalLong(bounds)] {
            let mut index = index(kind, vec![(0, 2)], 4);
            assert_eq!(found(&index, &[0, 9]), None);
            assert_eq!(found(&index, &[0, 19]), Some(0));
            assert_eq!(found(&index, &[0, 20]), Some(1));
            assert_eq!(found(&index, &[0, 30]), None);
            assert_eq!(found(&index, &[9, 9]), Some(2));
            index.catch_all = Some(3);
            assert_eq!(found(&index, &[0, 9]), Some(3));
        }
    }

    #[test]
    fn keys_are_found_whatever_their_length() {
        for len in [1, 2, 3, 4, 6, 8, 16, 17, 40] {
            let keys = (0..3u8).map(|last| {
                let mut key = vec![9; len];
                key[len - 1] = last;
                key
            });
            let elements = keys.clone().map(Vec::into_boxed_slice).zip(0..).collect();
            let index = index(Index::exact(elements), vec![(0, len)], 3);
            assert_eq!(matches!(index.index, Index::Exact(_)), len <= 16);
            for (key, place) in keys.zip(0..) {
                assert_eq!(found(&index, &key), Some(place));
            }
            assert_eq!(found(&index, &vec![8; len]), None);
        }
    }

    #[test]
    fn concatenated_ranges_match_field_by_field() {
        let ranged = Ranged {
            from: [10, 0, 0, 5].into(),
            to: [20, 0, 0, 9].into(),
            value: 0,
        };
        let index = index(Index::Ranges(vec![ranged]), vec![(0, 1), (3, 1)], 1);
        assert_eq!(found(&index, &[15, 7, 7, 7]), Some(0));
        assert_eq!(found(&index, &[15, 7, 7, 10]), None);
        assert_eq!(found(&index, &[9, 7, 7, 7]), None);
    }
}
