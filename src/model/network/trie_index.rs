//! Narrows the search in a list sorted by address to a few of its entries, as a level-compressed trie does: a node
//! looks at as many bits at once as its entries fill, behind those that all of them share. A byte an entry or less, and
//! two or three memory accesses however large the list is and wherever its addresses lie.

use super::trie::Key;

/// What such a list holds.
pub(super) trait Keyed<K> {
    /// Its first address.
    fn key(&self) -> K;
}

/// So few entries are searched as they are: a node for them would be one more line of memory.
const FEW: usize = 64;

/// A slot is the number of a node, not the place of an entry.
const NODE: u32 = 1 << 31;

/// More bits are not looked at at once.
const MOST_BITS: u8 = 22;

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The first is the root.
    nodes: Vec<Node>,
    /// For each value of a node's bits the place of the first entry that has it or a larger one, or the node of
    /// those entries; behind the last one the end.
    slots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The entries that it is about.
    low: u32,
    high: u32,
    /// Its first slot.
    slots: u32,
    /// Bits that its entries share, and how many behind those are looked at.
    skip: u8,
    bits: u8,
}

impl Index {
    /// With about `density` entries to a slot.
    pub fn new<K: Key>(entries: &[impl Keyed<K>], density: usize) -> Index {
        let mut index = Index::default();
        if u32::try_from(entries.len()).is_ok_and(|len| len < NODE) {
            index.add(entries, density.max(1), 0, entries.len());
            index.nodes.shrink_to_fit();
            index.slots.shrink_to_fit();
        }
        index
    }

    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.slots.capacity() * size_of::<u32>()
    }

    /// The node of some neighbouring entries; none when they are few, or all of one address.
    fn add<K: Key>(
        &mut self,
        entries: &[impl Keyed<K>],
        density: usize,
        low: usize,
        high: usize,
    ) -> Option<u32> {
        let own = entries.get(low..high)?;
        let (first, last) = (own.first()?.key(), own.last()?.key());
        let skip = first.common(last);
        if own.len() <= FEW || skip == K::BITS {
            return None;
        }
        // Neighbours lie in one line of memory, so that a few of them cost less than a slot each.
        let fill = (own.len() / density).max(1).ilog2() as u8;
        let bits = fill.clamp(1, MOST_BITS).min(K::BITS - skip);
        let number = u32::try_from(self.nodes.len()).ok()?;
        let slots = self.slots.len();
        self.nodes.push(Node {
            low: low as u32,
            high: high as u32,
            slots: u32::try_from(slots).ok()?,
            skip,
            bits,
        });
        self.slots.reserve((1 << bits) + 1);
        let mut place = low;
        for value in 0..1usize << bits {
            self.slots.push(place as u32);
            let rest = entries.get(place..high).unwrap_or_default();
            place += rest
                .iter()
                .take_while(|entry| entry.key().part(skip, bits) == value)
                .count();
        }
        self.slots.push(high as u32);
        for value in 0..1usize << bits {
            let at = slots + value;
            let (Some(&low), Some(&high)) = (self.slots.get(at), self.slots.get(at + 1)) else {
                break;
            };
            if high as usize - low as usize > FEW
                && let Some(node) = self.add(entries, density, low as usize, high as usize)
                && let Some(slot) = self.slots.get_mut(at)
            {
                *slot = node | NODE;
            }
        }
        Some(number)
    }

    /// Where a slot's entries begin.
    fn start(&self, slot: u32) -> usize {
        if slot & NODE == 0 {
            return slot as usize;
        }
        let node = self.nodes.get((slot & !NODE) as usize);
        node.map_or(0, |node| node.low as usize)
    }

    /// Among which entries the last one that is not above `key` ends: those before are not above it, those behind are.
    fn narrow<K: Key>(&self, entries: &[impl Keyed<K>], key: K) -> (usize, usize) {
        let mut node = match self.nodes.first() {
            Some(root) => *root,
            None => return (0, entries.len()),
        };
        loop {
            let (low, high) = (node.low as usize, node.high as usize);
            if node.skip > 0 {
                let first = entries.get(low).map_or(key, Keyed::key);
                if first.common(key) < node.skip {
                    // Beside all of them.
                    return if key < first {
                        (low, low)
                    } else {
                        (high, high)
                    };
                }
            }
            let at = node.slots as usize + key.part(node.skip, node.bits);
            let (Some(&from), Some(&to)) = (self.slots.get(at), self.slots.get(at + 1)) else {
                return (low, high);
            };
            if from & NODE == 0 {
                return (from as usize, self.start(to));
            }
            match self.nodes.get((from & !NODE) as usize) {
                Some(next) => node = *next,
                None => return (low, high),
            }
        }
    }

    /// The last entry that is not above `key`.
    pub fn last_up_to<K: Key>(&self, entries: &[impl Keyed<K>], key: K) -> Option<usize> {
        let (low, high) = self.narrow(entries, key);
        let bucket = entries.get(low..high)?;
        let before = if bucket.len() <= FEW {
            // Reads that do not wait for each other, where halving would wait for memory at every step.
            bucket.iter().filter(|entry| entry.key() <= key).count()
        } else {
            bucket.partition_point(|entry| entry.key() <= key)
        };
        (low + before).checked_sub(1)
    }
}
