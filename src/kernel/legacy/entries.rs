//! The bytes of a legacy table between the kernel and whoever reads or edits them.
//!
//! Tables of clusters have tens of megabytes, and the kernel wants a header right in front of the entries, a
//! different one for reading and for replacing: with room for both there, neither way copies them. Pure.

use super::blob::HOOKS;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

/// `struct ipt_getinfo` without the name: where chains begin and end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Info {
    /// One bit per hook.
    pub valid_hooks: u32,
    pub hook_entry: [u32; HOOKS],
    pub underflow: [u32; HOOKS],
    pub num_entries: u32,
    /// bytes
    pub size: u32,
}

/// The bytes of a table as the kernel gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Blob {
    pub info: Info,
    /// A clone shares them.
    pub bytes: Arc<Entries>,
}

/// Room for the larger header (`struct ipt_replace` of five hooks has 96 bytes), aligned as the entries are.
const ROOM: usize = 128;

/// Entries one after the other, with room in front of them.
#[derive(Clone)]
pub struct Entries(Vec<u8>);

impl Entries {
    /// So many bytes of zeros.
    pub fn zeroed(size: usize) -> Entries {
        Entries(vec![0; ROOM + size])
    }

    /// The entries behind a header of this many bytes, which may hold anything; more than there is room for is none.
    pub fn behind(&mut self, header: usize) -> Option<&mut [u8]> {
        self.0.get_mut(ROOM.checked_sub(header)?..)
    }

    /// Put other bytes in the place of these. What is not there is left as it is.
    pub fn replace(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let range = ROOM + from..ROOM + to;
        if from <= to && self.0.get(range.clone()).is_some() {
            self.0.splice(range, bytes.iter().copied());
        }
    }

    /// Write over what is there.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        let place = self.0.get_mut(ROOM + at..ROOM + at + bytes.len());
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }
}

impl Default for Entries {
    fn default() -> Entries {
        Entries::zeroed(0)
    }
}

impl From<Vec<u8>> for Entries {
    fn from(bytes: Vec<u8>) -> Entries {
        let mut entries = Vec::with_capacity(ROOM + bytes.len());
        entries.resize(ROOM, 0);
        entries.extend(bytes);
        Entries(entries)
    }
}

impl Deref for Entries {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(ROOM..).unwrap_or_default()
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Entries) -> bool {
        **self == **other
    }
}

impl Eq for Entries {}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Entries, E> {
                Ok(bytes.to_vec().into())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
