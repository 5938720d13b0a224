//! Types of sets: what their elements are made of.

/// One part of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Ip,
    /// An address with the length of its prefix.
    Net,
    Mac,
    Mark,
    /// With a protocol, but in bitmaps.
    Port,
    Iface,
    Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub parts: &'static [Part],
    /// Sets of it have a family.
    pub with_family: bool,
}

impl Kind {
    pub fn is_bitmap(&self) -> bool {
        self.name.starts_with("bitmap:")
    }

    pub fn is_hash(&self) -> bool {
        self.name.starts_with("hash:")
    }
}

use Part::{Iface, Ip, Mac, Mark, Net, Port, Set};

const fn kind(name: &'static str, parts: &'static [Part], with_family: bool) -> Kind {
    Kind {
        name,
        parts,
        with_family,
    }
}

#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    kind("bitmap:ip", &[Ip], false),
    kind("bitmap:ip,mac", &[Ip, Mac], false),
    kind("bitmap:port", &[Port], false),
    kind("hash:ip", &[Ip], true),
    kind("hash:mac", &[Mac], false),
    kind("hash:ip,mac", &[Ip, Mac], true),
    kind("hash:ip,mark", &[Ip, Mark], true),
    kind("hash:ip,port", &[Ip, Port], true),
    kind("hash:ip,port,ip", &[Ip, Port, Ip], true),
    kind("hash:ip,port,net", &[Ip, Port, Net], true),
    kind("hash:net", &[Net], true),
    kind("hash:net,net", &[Net, Net], true),
    kind("hash:net,port", &[Net, Port], true),
    kind("hash:net,port,net", &[Net, Port, Net], true),
    kind("hash:net,iface", &[Net, Iface], true),
    kind("list:set", &[Set], false),
];

pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
