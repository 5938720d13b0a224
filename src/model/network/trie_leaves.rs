//! What a lookup in a table ends at: the address space in pieces, each with the entry that decides about all of it.
//!
//! A sorted list of prefixes leaves a lookup to find the prefixes around an entry, one read of memory behind another.
//! Here the answer stands where the search ends, as it does in tables of forwarding hardware. Neighbours whose answers
//! are of the same length and have the same value are one piece: the prefix follows from the address that was asked for.

use super::trie::{Entry, Key};
use super::trie_index::{Index, Keyed};

/// How many pieces there are to a slot of the index. They are read at once, without waiting for each other; what a
/// search waits for is the slot, and fewer slots stay nearer.
const DENSITY: usize = 16;

/// No prefix contains the piece.
const NOTHING: u32 = u32::MAX;

/// What is known about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The first of the entries of the longest prefix that contains it.
    Entry {
        body: u32,
        length: u8,
    },
    Nothing,
    /// The table is too large for leaves.
    Unknown,
}

/// Addresses up to the next piece. Packed, so that two of IPv6 do not take the room of three.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Leaf<K: Copy> {
    start: K,
    /// Value and length of the entry: 24 and 8 bits.
    answer: u32,
}

impl<K: Key> Keyed<K> for Leaf<K> {
    fn key(&self) -> K {
        self.start
    }
}

#[derive(Clone, Debug)]
pub(super) struct Leaves<K: Copy> {
    /// From the lowest address on, without gaps; empty where there is an entry that does not fit.
    leaves: Vec<Leaf<K>>,
    index: Index,
}

impl<K: Copy> Default for Leaves<K> {
    fn default() -> Leaves<K> {
        Leaves {
            leaves: Vec::new(),
            index: Index::default(),
        }
    }
}

impl<K: Key> Leaves<K> {
    /// Of entries in their order.
    pub fn new(entries: &[Entry<K>]) -> Leaves<K> {
        let Some(mut leaves) = cut(entries) else {
            return Leaves::default();
        };
        leaves.shrink_to_fit();
        Leaves {
            index: Index::new(&leaves, DENSITY),
            leaves,
        }
    }

    pub fn bytes(&self) -> usize {
        self.leaves.capacity() * size_of::<Leaf<K>>() + self.index.bytes()
    }

    pub fn get(&self, key: K) -> Answer {
        let place = self.index.last_up_to(&self.leaves, key);
        match place.and_then(|place| self.leaves.get(place)) {
            None => Answer::Unknown,
            Some(leaf) if leaf.answer == NOTHING => Answer::Nothing,
            Some(leaf) => Answer::Entry {
                body: leaf.answer >> 8,
                length: leaf.answer as u8,
            },
        }
    }
}

/// Cut the address space where the longest prefix changes. None when a value needs more than its 24 bits.
fn cut<K: Key>(entries: &[Entry<K>]) -> Option<Vec<Leaf<K>>> {
    let mut leaves = Vec::with_capacity(entries.len() + 1);
    begin(&mut leaves, K::default(), NOTHING);
    // Prefixes around the place, with their last addresses.
    let mut open: Vec<(K, u32)> = Vec::with_capacity(usize::from(K::BITS) + 1);
    let around = |open: &[(K, u32)]| open.last().map_or(NOTHING, |(_, answer)| *answer);
    let mut known = None;
    for entry in entries {
        // The first of the entries of a prefix is asked first.
        if known.replace(entry.order()) == Some(entry.order()) {
            continue;
        }
        let key = entry.key();
        while let Some((last, _)) = open.pop_if(|(last, _)| *last < key) {
            begin(&mut leaves, last.next()?, around(&open));
        }
        if entry.body >= NOTHING >> 8 {
            return None;
        }
        let answer = entry.body << 8 | u32::from(entry.length);
        begin(&mut leaves, key, answer);
        open.push((key.last(entry.length), answer));
    }
    while let Some((last, _)) = open.pop() {
        if let Some(next) = last.next() {
            begin(&mut leaves, next, around(&open));
        }
    }
    Some(leaves)
}

/// A piece from `start` on, behind those that begin before or there.
fn begin<K: Key>(leaves: &mut Vec<Leaf<K>>, start: K, answer: u32) {
    // Nothing is left of one that began there as well.
    leaves.pop_if(|last| last.key() == start);
    if leaves.last().is_none_or(|last| last.answer != answer) {
        leaves.push(Leaf { start, answer });
    }
}
