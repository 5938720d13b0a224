//! A prefix trie laid out flat: entries in preorder (by address, then by length), each with the place of
//! the prefix that encloses it.
//!
//! An IPv4 entry takes 16 bytes, a clone is one copy of memory, and the rows of a table can be addressed by
//! number, which a screen needs. A general map of prefixes (the `prefix-trie` crate) takes several times
//! the space, and holds one value a prefix where a table holds routes of several metrics.
//! Changes are merged in batches, in one pass over the entries.

use super::prefix::{mask32, mask128};
use super::trie_index::{Index, Keyed};
use super::trie_leaves::{Answer, Leaves};
use std::ops::Range;
use std::sync::OnceLock;

/// An address as a number, most significant bit first.
pub(super) trait Key: Copy + Ord + Default + std::fmt::Debug {
    /// bits
    const BITS: u8;
    fn masked(self, length: u8) -> Self;
    /// The last address of the prefix of `length` bits that this one lies in.
    fn last(self, length: u8) -> Self;
    /// The address behind this one.
    fn next(self) -> Option<Self>;
    /// How many upper bits are the same.
    fn common(self, other: Self) -> u8;
    /// `bits` bits behind the first `skip`.
    fn part(self, skip: u8, bits: u8) -> usize;
}

impl Key for u32 {
    const BITS: u8 = 32;
    fn masked(self, length: u8) -> u32 {
        self & mask32(length)
    }
    fn last(self, length: u8) -> u32 {
        self | !mask32(length)
    }
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }
    fn common(self, other: u32) -> u8 {
        (self ^ other).leading_zeros() as u8
    }
    fn part(self, skip: u8, bits: u8) -> usize {
        let rest = self.checked_shl(skip.into()).unwrap_or(0);
        rest.checked_shr(u32::from(32 - bits)).unwrap_or(0) as usize
    }
}

impl Key for u128 {
    const BITS: u8 = 128;
    fn masked(self, length: u8) -> u128 {
        self & mask128(length)
    }
    fn last(self, length: u8) -> u128 {
        self | !mask128(length)
    }
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }
    fn common(self, other: u128) -> u8 {
        (self ^ other).leading_zeros() as u8
    }
    fn part(self, skip: u8, bits: u8) -> usize {
        let rest = self.checked_shl(skip.into()).unwrap_or(0);
        rest.checked_shr(u32::from(128 - bits)).unwrap_or(0) as usize
    }
}

/// A prefix, and all entries that it has from now on.
pub(super) type Group<K> = ((K, u8), Vec<Entry<K>>);

/// No enclosing prefix.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry<K> {
    key: K,
    /// Place of the first entry of the longest shorter prefix that contains this one.
    parent: u32,
    /// The caller's value.
    pub body: u32,
    /// bits
    pub length: u8,
}

impl<K: Key> Entry<K> {
    /// Bits beyond the length are cleared, a length beyond the address is cut.
    pub fn new(key: K, length: u8, body: u32) -> Entry<K> {
        let length = length.min(K::BITS);
        Entry {
            key: key.masked(length),
            parent: NONE,
            body,
            length,
        }
    }

    pub fn order(&self) -> (K, u8) {
        (self.key, self.length)
    }

    fn contains(&self, key: K) -> bool {
        key.masked(self.length) == self.key
    }
}

impl<K: Key> Keyed<K> for Entry<K> {
    fn key(&self) -> K {
        self.key
    }
}

/// How many entries there are to a slot of the index: neighbours lie in two lines of memory.
const DENSITY: usize = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Trie<K: Copy> {
    entries: Vec<Entry<K>>,
    // Both are made when first asked for. Most lookups end at the leaves; a table that changes all the time, or is only
    // looked at, needs neither.
    index: OnceLock<Index>,
    leaves: OnceLock<Leaves<K>>,
}

impl<K: Key> Trie<K> {
    /// Entries of one prefix stay in the order given.
    pub fn build(mut entries: Vec<Entry<K>>) -> Trie<K> {
        if !entries.is_sorted_by_key(Entry::order) {
            entries.sort_by_key(Entry::order);
        }
        // Places are 32 bits wide; a table of 4 billion routes does not exist.
        entries.truncate(NONE as usize);
        entries.shrink_to_fit();
        let mut trie = Trie {
            entries,
            index: OnceLock::new(),
            leaves: OnceLock::new(),
        };
        trie.link();
        trie
    }

    pub fn entries(&self) -> &[Entry<K>] {
        &self.entries
    }

    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K>>()
            + self.index.get().map_or(0, Index::bytes)
            + self.leaves.get().map_or(0, Leaves::bytes)
    }

    /// Set the parents.
    fn link(&mut self) {
        let mut open: Vec<(u32, Entry<K>)> = Vec::with_capacity(usize::from(K::BITS) + 1);
        for (place, entry) in (0u32..).zip(self.entries.iter_mut()) {
            while let Some((_, top)) = open.last() {
                if top.contains(entry.key) {
                    break;
                }
                open.pop();
            }
            entry.parent = match open.last() {
                Some((_, top)) if top.order() == entry.order() => top.parent,
                Some((parent, _)) => *parent,
                None => NONE,
            };
            if open
                .last()
                .is_none_or(|(_, top)| top.order() != entry.order())
            {
                open.push((place, *entry));
            }
        }
    }

    /// The last entry whose address is not above `key`. The longest match is it or encloses it: whatever
    /// stands between the match and it has an address inside the match.
    fn last_up_to(&self, key: K) -> Option<usize> {
        let index = self
            .index
            .get_or_init(|| Index::new(&self.entries, DENSITY));
        index.last_up_to(&self.entries, key)
    }

    /// The first entry of the longest prefix that contains `key`, without a look at the entries.
    pub fn longest(&self, key: K) -> Answer {
        self.leaves
            .get_or_init(|| Leaves::new(&self.entries))
            .get(key)
    }

    /// The places of the entries that contain `key`, longest prefix first, one range a prefix.
    pub fn matches(&self, key: K) -> Matches<'_, K> {
        let at = self
            .last_up_to(key)
            .and_then(|place| u32::try_from(place).ok());
        Matches {
            trie: self,
            key,
            at: at.unwrap_or(NONE),
        }
    }

    /// The places of the entries with exactly this prefix.
    pub fn exact(&self, key: K, length: u8) -> Range<usize> {
        let wanted = (key.masked(length), length);
        let start = self.entries.partition_point(|entry| entry.order() < wanted);
        let end = self.group_end(start, wanted);
        start..end
    }

    fn group_end(&self, start: usize, wanted: (K, u8)) -> usize {
        let rest = self.entries.get(start..).unwrap_or_default();
        start
            + rest
                .iter()
                .take_while(|entry| entry.order() == wanted)
                .count()
    }

    /// Replace the entries of some prefixes, in one pass. `changes` holds, for each prefix, all entries that
    /// it has from now on; the prefixes are ascending and each comes once.
    pub fn merge(&mut self, changes: Vec<Group<K>>) {
        let mut out = Vec::with_capacity(self.entries.len() + changes.len());
        let mut rest = self.entries.as_slice();
        for (wanted, new) in changes {
            let before = rest.partition_point(|entry| entry.order() < wanted);
            let (keep, tail) = rest.split_at(before);
            out.extend_from_slice(keep);
            let gone = tail
                .iter()
                .take_while(|entry| entry.order() == wanted)
                .count();
            rest = tail.get(gone..).unwrap_or_default();
            out.extend(new);
        }
        out.extend_from_slice(rest);
        *self = Trie::build(out);
    }

    /// Change the value of every entry.
    pub fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        for entry in &mut self.entries {
            entry.body = new(entry.body);
        }
        self.leaves = OnceLock::new();
    }

    /// The places of all entries in the order of the kernel's IPv4 dump: by address, longer prefixes first.
    pub fn by_address(&self) -> Vec<u32> {
        let mut places: Vec<u32> = (0u32..).take(self.entries.len()).collect();
        places.sort_by_key(|&place| {
            let entry = self
                .entries
                .get(place as usize)
                .copied()
                .unwrap_or_default();
            (entry.key, u8::MAX - entry.length)
        });
        places
    }

    /// The places of all entries in the order of the kernel's IPv6 dump: what a prefix encloses comes before it,
    /// but for `early` entries (routes with a source), which come before what their prefix encloses.
    pub fn postorder(&self, early: impl Fn(&Entry<K>) -> bool) -> Vec<u32> {
        let mut places = Vec::with_capacity(self.entries.len());
        let mut open: Vec<Range<u32>> = Vec::new();
        let is_early = |place: u32| self.entries.get(place as usize).is_some_and(&early);
        for (place, entry) in (0u32..).zip(&self.entries) {
            if let Some(last) = open.last_mut()
                && self
                    .entries
                    .get(last.start as usize)
                    .is_some_and(|first| first.order() == entry.order())
            {
                last.end = place + 1;
                continue;
            }
            while let Some(last) = open.last() {
                if last.start == entry.parent {
                    break;
                }
                places.extend(last.clone().filter(|&place| !is_early(place)));
                open.pop();
            }
            open.push(place..place + 1);
            let group = self.entries.get(place as usize..).unwrap_or_default();
            let group = group
                .iter()
                .take_while(|other| other.order() == entry.order());
            places.extend(
                (place..)
                    .zip(group)
                    .map(|(place, _)| place)
                    .filter(|&place| is_early(place)),
            );
        }
        while let Some(last) = open.pop() {
            places.extend(last.filter(|&place| !is_early(place)));
        }
        places
    }
}

#[derive(Clone, Debug)]
pub(super) struct Matches<'a, K: Copy> {
    trie: &'a Trie<K>,
    key: K,
    at: u32,
}

impl<K: Key> Iterator for Matches<'_, K> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let end = self.at as usize;
            let entry = self.trie.entries.get(end)?;
            self.at = entry.parent;
            if !entry.contains(self.key) {
                continue;
            }
            // The first search may end on the last of several entries of a prefix, parents are the first.
            let before = self.trie.entries.get(..end).unwrap_or_default();
            let earlier = before
                .iter()
                .rev()
                .take_while(|other| other.order() == entry.order())
                .count();
            let start = end - earlier;
            return Some(start..self.trie.group_end(end, entry.order()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u32, length: u8, body: u32) -> Entry<u32> {
        Entry::new(key, length, body)
    }

    /// Small deterministic random numbers.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u32 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 32) as u32
        }
    }

    fn found(trie: &Trie<u32>, key: u32) -> Vec<u32> {
        trie.matches(key)
            .flatten()
            .map(|place| trie.entries()[place].body)
            .collect()
    }

    /// What the leaves say about an address.
    fn first(trie: &Trie<u32>, key: u32) -> Option<u32> {
        match trie.longest(key) {
            Answer::Entry { body, .. } => Some(body),
            Answer::Nothing => None,
            Answer::Unknown => panic!("{key:x} has no answer"),
        }
    }

    /// The ends of prefixes, the addresses beside them, and some others.
    fn keys_near(entries: &[Entry<u32>], random: &mut Random) -> Vec<u32> {
        let mut keys = vec![0, 1, u32::MAX];
        for entry in entries.iter().step_by(entries.len() / 64 + 1) {
            let last = entry.key.last(entry.length);
            keys.extend([
                entry.key,
                entry.key.wrapping_sub(1),
                last,
                last.wrapping_add(1),
            ]);
            keys.push(random.next() & 0xC3C0_F0FF);
        }
        keys
    }

    /// What a walk over everything finds.
    fn expected(entries: &[Entry<u32>], key: u32) -> Vec<u32> {
        let mut hits: Vec<&Entry<u32>> = entries.iter().filter(|e| e.contains(key)).collect();
        hits.sort_by_key(|e| std::cmp::Reverse(e.length));
        hits.iter().map(|e| e.body).collect()
    }

    #[test]
    fn agrees_with_a_walk_over_everything() {
        let mut random = Random(7);
        for size in [0usize, 1, 2, 50, 6000] {
            // Few addresses, so that prefixes nest and repeat.
            let entries: Vec<Entry<u32>> = (0..size as u32)
                .map(|body| {
                    let key = random.next() & 0xC3C0_F00F;
                    entry(key, (random.next() % 33) as u8, body)
                })
                .collect();
            let trie = Trie::build(entries.clone());
            for _ in 0..300 {
                let key = random.next() & 0xC3C0_F0FF;
                assert_eq!(found(&trie, key), expected(&entries, key));
            }
            for key in keys_near(&entries, &mut random) {
                assert_eq!(first(&trie, key), expected(&entries, key).first().copied());
            }
            for e in &entries {
                let range = trie.exact(e.key, e.length);
                assert!(trie.entries()[range].iter().any(|x| x.body == e.body));
            }
        }
    }

    #[test]
    fn prefixes_that_share_their_beginnings_are_found() {
        let mut random = Random(11);
        // Registries, networks inside them, hosts inside those, and the ends of the address space.
        let mut entries: Vec<Entry<u128>> =
            vec![Entry::new(0, 0, 0), Entry::new(u128::MAX, 128, 1)];
        for body in 2..9000u32 {
            let registry =
                [0x2001u128, 0x2a00, 0x2a01, 0xfd00][(random.next() % 4) as usize] << 112;
            let network = u128::from(random.next() & 0xf0f) << 90;
            let host = u128::from(random.next() & 0x7f);
            let length = [3, 16, 29, 32, 48, 64, 128][(random.next() % 7) as usize];
            entries.push(Entry::new(registry | network | host, length, body));
        }
        let trie = Trie::build(entries.clone());
        let mut keys: Vec<u128> =
            vec![0, 1, u128::MAX, u128::MAX - 1, 0x2000 << 112, 0x2a02 << 112];
        for _ in 0..200 {
            let near = entries[random.next() as usize % entries.len()].key();
            keys.push(near ^ 1u128.checked_shl(random.next() % 128).unwrap_or(0));
            keys.push(near);
        }
        for key in keys {
            let found: Vec<u32> = trie
                .matches(key)
                .flatten()
                .map(|place| trie.entries()[place].body)
                .collect();
            let mut hits: Vec<&Entry<u128>> = entries.iter().filter(|e| e.contains(key)).collect();
            hits.sort_by_key(|e| std::cmp::Reverse(e.length));
            let expected: Vec<u32> = hits.iter().map(|e| e.body).collect();
            assert_eq!(found, expected, "{key:x}");
            let longest = hits.first().map_or(Answer::Nothing, |hit| Answer::Entry {
                body: hit.body,
                length: hit.length,
            });
            assert_eq!(trie.longest(key), longest, "{key:x}");
        }
    }

    #[test]
    fn merging_equals_building() {
        let mut trie = Trie::build(vec![entry(0, 0, 1), entry(0x0a00_0000, 8, 2)]);
        trie.merge(vec![
            ((0, 0), vec![]),
            (
                (0x0a00_0000, 8),
                vec![entry(0x0a00_0000, 8, 3), entry(0x0a00_0000, 8, 4)],
            ),
            ((0x0a01_0000, 16), vec![entry(0x0a01_0000, 16, 5)]),
        ]);
        assert_eq!(found(&trie, 0x0a01_0203), [5, 3, 4]);
        assert_eq!(found(&trie, 0x0b00_0000), [] as [u32; 0]);
    }

    #[test]
    fn orders_of_the_kernel() {
        let trie = Trie::build(vec![
            entry(0, 0, 0),
            entry(0x0a00_0000, 8, 1),
            entry(0x0a00_0000, 24, 2),
            entry(0x0b00_0000, 8, 3),
        ]);
        let bodies = |places: Vec<u32>| -> Vec<u32> {
            places
                .iter()
                .map(|&place| trie.entries()[place as usize].body)
                .collect()
        };
        assert_eq!(bodies(trie.by_address()), [0, 2, 1, 3]);
        assert_eq!(bodies(trie.postorder(|_| false)), [2, 1, 3, 0]);
    }
}
