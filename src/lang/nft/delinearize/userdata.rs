//! User data of rules, sets, elements, tables, chains and objects: type, length, value; one byte each for the first two.
//!
//! The types are libnftnl's (`libnftnl/udata.h`); the kernel keeps the bytes and does not look at them.

use crate::model::text::from_bytes;

/// Comment of a rule, chain, table, object or element.
pub const COMMENT: u8 = 0;
/// Flags of an element (`NFTNL_UDATA_SET_ELEM_FLAGS`).
pub const ELEMENT_FLAGS: u8 = 1;

pub mod set {
    pub const KEY_BYTEORDER: u8 = 0;
    pub const DATA_BYTEORDER: u8 = 1;
    pub const MERGE_ELEMENTS: u8 = 2;
    pub const KEY_TYPEOF: u8 = 3;
    pub const DATA_TYPEOF: u8 = 4;
    pub const DATA_INTERVAL: u8 = 6;
    pub const COMMENT: u8 = 7;
    pub const TYPEOF_EXPR: u8 = 0;
    pub const TYPEOF_DATA: u8 = 1;
}

/// The entries, in order; stops at the first that does not fit.
pub fn tlvs(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, len], rest) = bytes.split_first_chunk::<2>()?;
        let value = rest.get(..usize::from(len))?;
        bytes = rest.get(usize::from(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The last entry of a type.
pub fn get(bytes: &[u8], kind: u8) -> Option<&[u8]> {
    tlvs(bytes)
        .filter(|entry| entry.0 == kind)
        .last()
        .map(|entry| entry.1)
}

/// A number in host byte order.
pub fn get_u32(bytes: &[u8], kind: u8) -> Option<u32> {
    get(bytes, kind)?.try_into().ok().map(u32::from_ne_bytes)
}

/// A text that ends with a NUL, as nft writes it.
pub fn get_text(bytes: &[u8], kind: u8) -> Option<String> {
    let value = get(bytes, kind)?;
    (value.last() == Some(&0))
        .then(|| from_bytes(value.split(|&b| b == 0).next().unwrap_or_default()))
}

/// The comment of a set, which has a type of its own.
pub fn set_comment(bytes: &[u8]) -> Option<String> {
    get_text(bytes, set::COMMENT)
}

pub fn comment(bytes: &[u8]) -> Option<String> {
    get_text(bytes, COMMENT)
}
