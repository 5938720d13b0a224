//! The contents of a set under change.

use super::{Result, Why};
use crate::kernel::netlink::AttrWriter;
use crate::kernel::nf_tables::{decode, encode_objects};
use crate::model::set::{element_flags, flags};
use crate::model::{Data, Element, ElementList, Elements, Name, Set, Verdict};
use std::collections::HashMap;

/// What makes an element the one it is: key, end of its range, whether it ends an interval or stands for all.
type Identity = (Option<Vec<u8>>, Option<Vec<u8>>, u32);

/// Elements in the order in which they came, found by what they are.
#[derive(Debug, Default)]
pub struct Open {
    bytes: Vec<Option<Vec<u8>>>,
    places: HashMap<Identity, usize>,
}

impl Open {
    pub fn new(set: &Set) -> Result<Open> {
        let Elements::Read(list) = &set.elements else {
            return Err(Why::Unread(set.name.clone()));
        };
        let mut open = Open::default();
        for (place, bytes) in list.iter().enumerate() {
            if let Ok(element) = decode::element(bytes) {
                open.places.insert(identity(&element), place);
            }
            open.bytes.push(Some(bytes.to_vec()));
        }
        Ok(open)
    }

    /// Put an element there; false if it is there already.
    pub fn add(&mut self, set: &Set, mut element: Element) -> Result<bool> {
        let identity = identity(&element);
        if self.places.contains_key(&identity) {
            return Ok(false);
        }
        let is_end = element.flags & element_flags::INTERVAL_END != 0;
        if !is_end {
            complete(set, &mut element);
        }
        let mut out = AttrWriter::new();
        encode_objects::element(&mut out, &element);
        if out.is_cut() {
            return Err(Why::Large("an element"));
        }
        self.places.insert(identity, self.bytes.len());
        self.bytes.push(Some(out.into_bytes()));
        Ok(true)
    }

    /// Take an element away; false if it is not there.
    pub fn take(&mut self, element: &Element) -> bool {
        let place = self.places.remove(&identity(element));
        let slot = place.and_then(|place| self.bytes.get_mut(place));
        slot.is_some_and(|slot| slot.take().is_some())
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    pub fn finish(self, set: &Set) -> ElementList {
        let mut bytes: Vec<Vec<u8>> = self.bytes.into_iter().flatten().collect();
        // Intervals of one field are kept in a tree, and come from the highest to the lowest, where one ends and the
        // next begins the beginning first.
        if set.has(flags::INTERVAL) && set.field_lens.is_empty() {
            bytes.sort_by_cached_key(|bytes| {
                let element = decode::element(bytes).unwrap_or_default();
                let end = element.flags & element_flags::INTERVAL_END != 0;
                let catch_all = element.key.is_none();
                (!catch_all, std::cmp::Reverse(element.key), end)
            });
        }
        let mut list = ElementList::default();
        for bytes in &bytes {
            list.push(bytes);
        }
        list
    }
}

fn identity(element: &Element) -> Identity {
    let flags = element.flags & (element_flags::INTERVAL_END | element_flags::CATCHALL);
    // A range of one key is that key.
    let end = element
        .key_end
        .clone()
        .filter(|end| element.key.as_ref() != Some(end));
    (element.key.clone(), end, flags)
}

/// What an element gets from its set.
fn complete(set: &Set, element: &mut Element) {
    if element.timeout.is_none() && set.has(flags::TIMEOUT) {
        element.timeout = set.timeout.filter(|timeout| *timeout > 0);
    }
    if element.expiration.is_none() {
        element.expiration = element.timeout.filter(|timeout| *timeout > 0);
    }
    if element.expressions.is_empty() {
        element.expressions.clone_from(&set.expressions);
    }
}

/// The chain that an element sends packets to.
pub fn target(element: &mut Element) -> Option<&mut Name> {
    match &mut element.data {
        Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => Some(chain),
        _ => None,
    }
}

/// The elements with other chains to go to; nothing where none is another.
pub fn renamed(list: &ElementList, rename: &dyn Fn(&Name) -> Option<Name>) -> Option<ElementList> {
    let mut changed = false;
    let mut out = ElementList::default();
    for bytes in list.iter() {
        let element = decode::element(bytes).ok().and_then(|mut element| {
            let chain = target(&mut element)?;
            *chain = rename(chain)?;
            Some(element)
        });
        match element {
            Some(element) => {
                changed = true;
                let mut writer = AttrWriter::new();
                encode_objects::element(&mut writer, &element);
                out.push(writer.as_bytes());
            }
            None => {
                out.push(bytes);
            }
        }
    }
    changed.then_some(out)
}
