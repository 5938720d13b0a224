//! Hash tables for what a packet is looked up in: flows, set elements, devices. Keys are small, and a packet asks
//! several tables: the standard hash, made for strings from strangers, takes longer than the lookup itself.
//! The start value is drawn anew by each process, so that nobody can choose addresses that collide.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

pub type Map<K, V> = HashMap<K, V, Start>;

/// An empty table with room.
pub fn with_room<K, V>(room: usize) -> Map<K, V> {
    Map::with_capacity_and_hasher(room, Start::default())
}

#[derive(Clone, Copy, Debug)]
pub struct Start(u64);

impl Default for Start {
    fn default() -> Start {
        static DRAWN: OnceLock<u64> = OnceLock::new();
        Start(*DRAWN.get_or_init(|| RandomState::new().hash_one(0u8)))
    }
}

impl BuildHasher for Start {
    type Hasher = Fold;

    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// Multiplies to 128 bits and folds the halves together, one word of the key after the other.
pub struct Fold(u64);

impl Fold {
    fn mix(&mut self, word: u64) {
        // An odd number with about as many ones as zeros.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let wide = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64);
        self.0 = self.0.rotate_left(23);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let last = rest
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u64::from(*byte));
            self.mix(last);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Values of devices. Nearly all numbers of devices are small: those are places.
#[derive(Clone, Debug, Default)]
pub struct ByIndex<T> {
    near: Vec<Option<T>>,
    far: Map<u32, T>,
}

/// Numbers below this are places.
const NEAR: u32 = 4096;

impl<T> ByIndex<T> {
    pub fn get(&self, index: u32) -> Option<&T> {
        match self.near.get(index as usize) {
            Some(value) => value.as_ref(),
            None if index < NEAR => None,
            None => self.far.get(&index),
        }
    }

    pub fn insert(&mut self, index: u32, value: T) {
        if index >= NEAR {
            self.far.insert(index, value);
            return;
        }
        let place = index as usize;
        if self.near.len() <= place {
            self.near.resize_with(place + 1, || None);
        }
        if let Some(own) = self.near.get_mut(place) {
            *own = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_small_and_large_numbers() {
        let mut values = ByIndex::default();
        for index in [7, 2, 100_000] {
            values.insert(index, index);
        }
        let found: Vec<u32> = [0, 2, 3, 7, 8, 100_000, 100_001]
            .into_iter()
            .filter_map(|index| values.get(index).copied())
            .collect();
        assert_eq!(found, [2, 7, 100_000]);
    }

    #[test]
    fn neighbouring_keys_spread_over_low_and_high_bits() {
        let start = Start::default();
        let mut low = [0u32; 256];
        let mut high = [0u32; 256];
        for key in 0..65_536u32 {
            let address = std::net::IpAddr::from((key << 8).to_be_bytes());
            let hash = start.hash_one((address, 6u8, 443u16));
            low[hash as usize & 255] += 1;
            high[(hash >> 56) as usize] += 1;
        }
        // 256 are expected everywhere; the standard deviation is 16.
        for count in low.iter().chain(&high) {
            assert!((128..=384).contains(count), "{count}");
        }
    }
}
