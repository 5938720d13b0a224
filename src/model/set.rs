//! Sets and maps and their elements.

use super::expression::{Data, Expression};
use super::text::Name;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `enum nft_set_flags`
pub mod flags {
    pub const ANONYMOUS: u32 = 1;
    pub const CONSTANT: u32 = 2;
    pub const INTERVAL: u32 = 4;
    pub const MAP: u32 = 8;
    pub const TIMEOUT: u32 = 16;
    pub const EVAL: u32 = 32;
    pub const OBJECT: u32 = 64;
    pub const CONCAT: u32 = 128;
    pub const EXPR: u32 = 256;
}

/// `enum nft_set_elem_flags`
pub mod element_flags {
    pub const INTERVAL_END: u32 = 1;
    pub const CATCHALL: u32 = 2;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Set {
    pub name: Name,
    pub handle: u64,
    /// See [`flags`].
    pub flags: u32,
    /// Data type number as user space stored it (the kernel does not interpret it).
    pub key_type: u32,
    /// bytes
    pub key_len: u32,
    pub data_type: Option<u32>,
    /// bytes
    pub data_len: Option<u32>,
    /// `NFT_OBJECT_*` of an object map.
    pub object_type: Option<u32>,
    /// milliseconds
    pub timeout: Option<u64>,
    /// milliseconds
    pub gc_interval: Option<u32>,
    /// Maximum number of elements.
    pub size: Option<u32>,
    /// Length in bytes of each field of a concatenated interval set.
    pub field_lens: Vec<u32>,
    /// `enum nft_set_policies`
    pub policy: Option<u32>,
    /// Expressions attached to every element.
    pub expressions: Vec<Expression>,
    #[serde(with = "serde_bytes")]
    pub userdata: Vec<u8>,
    /// Number of elements, where the kernel tells it with the set (`NFTA_SET_COUNT`, Linux 6.16).
    pub count: Option<u32>,
    pub elements: Elements,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl Set {
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub fn is_anonymous(&self) -> bool {
        self.has(flags::ANONYMOUS)
    }

    pub fn is_map(&self) -> bool {
        self.flags & (flags::MAP | flags::OBJECT) != 0
    }
}

/// Elements are read from the kernel when somebody looks at them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Elements {
    NotRead,
    Read(Arc<ElementList>),
}

/// Elements as the kernel sent them: the concatenated payloads of `NFTA_LIST_ELEM`, decoded on demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ElementList {
    #[serde(with = "serde_bytes")]
    buffer: Vec<u8>,
    ends: Vec<u32>,
}

impl ElementList {
    /// Append one element's attributes. Returns false when the list is full (4 GiB).
    pub fn push(&mut self, attributes: &[u8]) -> bool {
        match u32::try_from(self.buffer.len() + attributes.len()) {
            Ok(end) => {
                self.buffer.extend_from_slice(attributes);
                self.ends.push(end);
                true
            }
            Err(_) => false,
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The attributes (`NFTA_SET_ELEM_*`) of element `index`.
    pub fn raw(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(previous) => *self.ends.get(previous)? as usize,
            None => 0,
        };
        self.buffer.get(start..end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.raw(index))
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    pub fn shrink(&mut self) {
        self.buffer.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// One element, decoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// Absent for the catch-all element.
    pub key: Option<Vec<u8>>,
    pub key_end: Option<Vec<u8>>,
    pub data: Option<Data>,
    /// See [`element_flags`].
    pub flags: u32,
    /// milliseconds
    pub timeout: Option<u64>,
    /// milliseconds left
    pub expiration: Option<u64>,
    pub expressions: Vec<Expression>,
    pub object: Option<Name>,
    pub userdata: Vec<u8>,
    /// Attribute types this build does not know.
    pub unknown: Vec<u16>,
}
