//! Routing tables: all routes of one number and family, with lookup.

use super::prefix::Prefix;
use super::route::{OwnedRoute, RawAttribute, Route, RouteBody};
use super::trie::{Entry, Key, Trie};
use super::trie_index::Keyed;
use super::trie_leaves::Answer;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

/// The families that have a FIB with policy rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FibFamily {
    Ip4,
    Ip6,
}

impl FibFamily {
    /// `AF_INET` or `AF_INET6`
    pub fn to_wire(self) -> u8 {
        match self {
            FibFamily::Ip4 => 2,
            FibFamily::Ip6 => 10,
        }
    }

    pub fn from_wire(value: u8) -> Option<FibFamily> {
        match value {
            2 => Some(FibFamily::Ip4),
            10 => Some(FibFamily::Ip6),
            _ => None,
        }
    }

    pub fn of(address: IpAddr) -> FibFamily {
        if address.is_ipv4() {
            FibFamily::Ip4
        } else {
            FibFamily::Ip6
        }
    }

    /// Bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            FibFamily::Ip4 => 32,
            FibFamily::Ip6 => 128,
        }
    }

    /// The prefix that contains every address.
    pub fn any(self) -> Prefix {
        match self {
            FibFamily::Ip4 => Prefix::any4(),
            FibFamily::Ip6 => Prefix::any6(),
        }
    }
}

/// All routing tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fib {
    /// In the order of the kernel's dump.
    pub tables: Vec<Arc<RouteTable>>,
    /// Routes of other families (MPLS, multicast), not decoded.
    pub other: Vec<RawRoute>,
}

impl Fib {
    pub fn table(&self, family: FibFamily, id: u32) -> Option<&Arc<RouteTable>> {
        self.tables
            .iter()
            .find(|table| table.family == family && table.id == id)
    }

    pub fn tables_of(&self, family: FibFamily) -> impl Iterator<Item = &Arc<RouteTable>> {
        self.tables
            .iter()
            .filter(move |table| table.family == family)
    }

    pub fn route_count(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }
}

/// A route of a family without a decoder here: `struct rtmsg` and its attributes, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRoute {
    /// `AF_*`
    pub family: u8,
    #[serde(with = "serde_bytes")]
    pub header: Vec<u8>,
    pub attributes: Vec<RawAttribute>,
}

#[derive(Clone, Debug)]
enum Tries {
    Ip4(Trie<u32>),
    Ip6(Trie<u128>),
}

/// The routes of one table, sorted by address, then prefix length, then as the kernel prefers them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "SavedTable", try_from = "SavedTable")]
pub struct RouteTable {
    pub family: FibFamily,
    pub id: u32,
    bodies: Vec<RouteBody>,
    tries: Tries,
}

impl PartialEq for RouteTable {
    fn eq(&self, other: &RouteTable) -> bool {
        self.family == other.family
            && self.id == other.id
            && self.len() == other.len()
            && self.iter().eq(other.iter())
    }
}

impl RouteTable {
    pub fn new(family: FibFamily, id: u32) -> RouteTable {
        RouteTableBuilder::new(family, id).finish()
    }

    pub fn len(&self) -> usize {
        match &self.tries {
            Tries::Ip4(trie) => trie.entries().len(),
            Tries::Ip6(trie) => trie.entries().len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The route in row `place`.
    pub fn get(&self, place: usize) -> Option<Route<'_>> {
        let (address, length, body) = match &self.tries {
            Tries::Ip4(trie) => {
                let entry = trie.entries().get(place)?;
                (IpAddr::V4(entry.key().into()), entry.length, entry.body)
            }
            Tries::Ip6(trie) => {
                let entry = trie.entries().get(place)?;
                (IpAddr::V6(entry.key().into()), entry.length, entry.body)
            }
        };
        Some(Route {
            destination: Prefix::new(address, length),
            body: self.bodies.get(body as usize)?,
        })
    }

    /// By address, shorter prefixes first.
    pub fn iter(&self) -> impl Iterator<Item = Route<'_>> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// The rows of all routes to `address`: longest prefix first, then as the kernel prefers them (IPv4: higher
    /// TOS first, then lower metric). A route with a TOS fits packets of that TOS only: that is left to
    /// the caller, as are dead next hops.
    pub fn lookup_rows(&self, address: IpAddr) -> impl Iterator<Item = usize> + '_ {
        let (four, six) = match (&self.tries, address) {
            (Tries::Ip4(trie), IpAddr::V4(address)) => (Some(trie.matches(address.into())), None),
            (Tries::Ip6(trie), IpAddr::V6(address)) => (None, Some(trie.matches(address.into()))),
            _ => (None, None),
        };
        let four = four.into_iter().flatten().flatten();
        four.chain(six.into_iter().flatten().flatten())
    }

    /// The first of these routes about which `judge` has something to say.
    pub fn find<T>(
        &self,
        address: IpAddr,
        mut judge: impl FnMut(Route<'_>) -> Option<T>,
    ) -> Option<T> {
        let longest = match (&self.tries, address) {
            (Tries::Ip4(trie), IpAddr::V4(address)) => trie.longest(address.into()),
            (Tries::Ip6(trie), IpAddr::V6(address)) => trie.longest(address.into()),
            _ => Answer::Nothing,
        };
        let asked = match longest {
            Answer::Nothing => return None,
            Answer::Unknown => 0,
            Answer::Entry { body, length } => {
                let found = judge(Route {
                    destination: Prefix::new(address, length).masked(),
                    body: self.bodies.get(body as usize)?,
                });
                if found.is_some() {
                    return found;
                }
                1
            }
        };
        self.lookup(address).skip(asked).find_map(judge)
    }

    /// See [`RouteTable::lookup_rows`].
    pub fn lookup(&self, address: IpAddr) -> impl Iterator<Item = Route<'_>> {
        self.lookup_rows(address)
            .filter_map(|place| self.get(place))
    }

    /// Some routes are for packets of some sources only.
    pub fn has_sources(&self) -> bool {
        let mut rare = self.bodies.iter().filter_map(|body| body.rare.as_deref());
        rare.any(|rare| rare.from.is_some())
    }

    /// The rows with exactly this destination.
    pub fn exact(&self, destination: Prefix) -> Range<usize> {
        match (&self.tries, destination.address) {
            (Tries::Ip4(trie), IpAddr::V4(address)) => {
                trie.exact(address.into(), destination.length)
            }
            (Tries::Ip6(trie), IpAddr::V6(address)) => {
                trie.exact(address.into(), destination.length)
            }
            _ => 0..0,
        }
    }

    /// The rows in the order in which the kernel dumps the table and `ip route show` prints it.
    pub fn kernel_order(&self) -> Vec<u32> {
        match &self.tries {
            Tries::Ip4(trie) => trie.by_address(),
            Tries::Ip6(trie) => trie.postorder(|entry| {
                let body = self.bodies.get(entry.body as usize);
                let rare = body.and_then(|body| body.rare.as_deref());
                rare.is_some_and(|rare| rare.from.is_some())
            }),
        }
    }

    /// Bytes held, without what rare routes keep in boxes.
    pub fn bytes(&self) -> usize {
        let tries = match &self.tries {
            Tries::Ip4(trie) => trie.bytes(),
            Tries::Ip6(trie) => trie.bytes(),
        };
        tries + self.bodies.capacity() * size_of::<RouteBody>()
    }

    /// Replace all routes of some destinations, in one pass over the table.
    pub(super) fn replace_groups(&mut self, mut groups: Vec<(Prefix, Vec<OwnedRoute>)>) {
        groups.sort_by_key(|(destination, _)| *destination);
        match &mut self.tries {
            Tries::Ip4(trie) => merge(trie, &mut self.bodies, groups, |address| match address {
                IpAddr::V4(address) => Some(address.into()),
                IpAddr::V6(_) => None,
            }),
            Tries::Ip6(trie) => merge(trie, &mut self.bodies, groups, |address| match address {
                IpAddr::V6(address) => Some(address.into()),
                IpAddr::V4(_) => None,
            }),
        }
        self.drop_unused_bodies();
    }

    /// Bodies that no route uses any more are dropped when they have become the larger part.
    fn drop_unused_bodies(&mut self) {
        if self.bodies.len() < 64 {
            return;
        }
        let mut used = vec![false; self.bodies.len()];
        let mut mark = |body: u32| {
            if let Some(used) = used.get_mut(body as usize) {
                *used = true;
            }
        };
        match &self.tries {
            Tries::Ip4(trie) => trie.entries().iter().for_each(|entry| mark(entry.body)),
            Tries::Ip6(trie) => trie.entries().iter().for_each(|entry| mark(entry.body)),
        }
        if used.iter().filter(|used| **used).count() * 2 >= used.len() {
            return;
        }
        let mut numbers = Vec::with_capacity(used.len());
        let mut next = 0u32;
        for used in &used {
            numbers.push(next);
            next += u32::from(*used);
        }
        let mut keep = used.iter();
        self.bodies
            .retain(|_| keep.next().copied().unwrap_or_default());
        self.bodies.shrink_to_fit();
        let new = |body: u32| numbers.get(body as usize).copied().unwrap_or_default();
        match &mut self.tries {
            Tries::Ip4(trie) => trie.renumber(new),
            Tries::Ip6(trie) => trie.renumber(new),
        }
    }
}

/// Up to this many bodies are searched for one that a changed route can share.
const SHARED_BODIES: usize = 1024;

fn merge<K: Key>(
    trie: &mut Trie<K>,
    bodies: &mut Vec<RouteBody>,
    groups: Vec<(Prefix, Vec<OwnedRoute>)>,
    number: impl Fn(IpAddr) -> Option<K>,
) {
    let mut changes = Vec::with_capacity(groups.len());
    for (destination, routes) in groups {
        let Some(key) = number(destination.address) else {
            continue;
        };
        let wanted = (key.masked(destination.length), destination.length);
        let mut entries = Vec::with_capacity(routes.len());
        for route in routes {
            let shared = match bodies.len() {
                0..SHARED_BODIES => bodies.iter().position(|body| *body == route.body),
                _ => None,
            };
            let place = shared.unwrap_or_else(|| {
                bodies.push(route.body);
                bodies.len() - 1
            });
            if let Ok(body) = u32::try_from(place) {
                entries.push(Entry::new(key, destination.length, body));
            }
        }
        changes.push((wanted, entries));
    }
    trie.merge(changes);
}

/// Collects the routes of a dump.
#[derive(Clone, Debug)]
pub struct RouteTableBuilder {
    family: FibFamily,
    id: u32,
    bodies: Vec<RouteBody>,
    four: Vec<Entry<u32>>,
    six: Vec<Entry<u128>>,
}

impl RouteTableBuilder {
    pub fn new(family: FibFamily, id: u32) -> RouteTableBuilder {
        RouteTableBuilder {
            family,
            id,
            bodies: Vec::new(),
            four: Vec::new(),
            six: Vec::new(),
        }
    }

    pub fn family(&self) -> FibFamily {
        self.family
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// Add a body; the number that routes refer to it by.
    pub fn add_body(&mut self, body: RouteBody) -> u32 {
        self.bodies.push(body);
        u32::try_from(self.bodies.len() - 1).unwrap_or(u32::MAX)
    }

    /// Add a route with a body that was added before. False when family or body do not fit.
    pub fn push(&mut self, destination: Prefix, body: u32) -> bool {
        if body as usize >= self.bodies.len() {
            return false;
        }
        match (self.family, destination.address) {
            (FibFamily::Ip4, IpAddr::V4(address)) => {
                self.four
                    .push(Entry::new(address.into(), destination.length, body));
            }
            (FibFamily::Ip6, IpAddr::V6(address)) => {
                self.six
                    .push(Entry::new(address.into(), destination.length, body));
            }
            _ => return false,
        }
        true
    }

    pub fn finish(mut self) -> RouteTable {
        self.bodies.shrink_to_fit();
        RouteTable {
            family: self.family,
            id: self.id,
            bodies: self.bodies,
            tries: match self.family {
                FibFamily::Ip4 => Tries::Ip4(Trie::build(self.four)),
                FibFamily::Ip6 => Tries::Ip6(Trie::build(self.six)),
            },
        }
    }
}

/// A table in a snapshot: one byte string for each column.
#[derive(Serialize, Deserialize)]
struct SavedTable {
    family: FibFamily,
    id: u32,
    bodies: Vec<RouteBody>,
    /// Addresses, network byte order.
    #[serde(with = "serde_bytes")]
    addresses: Vec<u8>,
    /// Prefix lengths, one byte each.
    #[serde(with = "serde_bytes")]
    lengths: Vec<u8>,
    /// Places in `bodies`, four bytes each, least significant first.
    #[serde(with = "serde_bytes")]
    places: Vec<u8>,
}

impl From<RouteTable> for SavedTable {
    fn from(table: RouteTable) -> SavedTable {
        let mut saved = SavedTable {
            family: table.family,
            id: table.id,
            bodies: Vec::new(),
            addresses: Vec::new(),
            lengths: Vec::new(),
            places: Vec::new(),
        };
        match &table.tries {
            Tries::Ip4(trie) => {
                for entry in trie.entries() {
                    saved.addresses.extend(entry.key().to_be_bytes());
                    saved.row(entry.length, entry.body);
                }
            }
            Tries::Ip6(trie) => {
                for entry in trie.entries() {
                    saved.addresses.extend(entry.key().to_be_bytes());
                    saved.row(entry.length, entry.body);
                }
            }
        }
        saved.bodies = table.bodies;
        saved
    }
}

impl SavedTable {
    fn row(&mut self, length: u8, body: u32) {
        self.lengths.push(length);
        self.places.extend(body.to_le_bytes());
    }
}

impl TryFrom<SavedTable> for RouteTable {
    type Error = &'static str;

    fn try_from(saved: SavedTable) -> Result<RouteTable, &'static str> {
        const DAMAGED: &str = "the columns of a routing table do not fit together";
        let mut builder = RouteTableBuilder::new(saved.family, saved.id);
        builder.bodies = saved.bodies;
        let width = usize::from(saved.family.bits() / 8);
        let rows = saved.lengths.len();
        if saved.addresses.len() != rows * width || saved.places.len() != rows * 4 {
            return Err(DAMAGED);
        }
        let columns = saved
            .addresses
            .chunks_exact(width)
            .zip(&saved.lengths)
            .zip(saved.places.chunks_exact(4));
        for ((address, &length), place) in columns {
            let address = match saved.family {
                FibFamily::Ip4 => <[u8; 4]>::try_from(address).map(IpAddr::from),
                FibFamily::Ip6 => <[u8; 16]>::try_from(address).map(IpAddr::from),
            };
            let place = <[u8; 4]>::try_from(place).map(u32::from_le_bytes);
            let (Ok(address), Ok(place)) = (address, place) else {
                return Err(DAMAGED);
            };
            if !builder.push(Prefix::new(address, length), place) {
                return Err(DAMAGED);
            }
        }
        Ok(builder.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RouteTable {
        let mut builder = RouteTableBuilder::new(FibFamily::Ip4, 254);
        let near = builder.add_body(RouteBody::new(FibFamily::Ip4, 254));
        let far = builder.add_body(RouteBody {
            metric: Some(5),
            ..RouteBody::new(FibFamily::Ip4, 254)
        });
        assert!(builder.push(Prefix::any4(), far));
        assert!(builder.push(Prefix::new(IpAddr::from([10, 0, 0, 0]), 8), near));
        assert!(!builder.push(Prefix::any6(), near));
        assert!(!builder.push(Prefix::any4(), 9));
        builder.finish()
    }

    #[test]
    fn lookup_prefers_the_longest_prefix() {
        let lengths = |address: [u8; 4]| -> Vec<u8> {
            let table = table();
            let routes = table.lookup(address.into());
            routes.map(|route| route.destination.length).collect()
        };
        assert_eq!(lengths([10, 1, 1, 1]), [8, 0]);
        assert_eq!(lengths([11, 1, 1, 1]), [0]);
        assert_eq!(table().lookup(IpAddr::from([0u8; 16])).count(), 0);
    }

    #[test]
    fn a_snapshot_holds_the_same_routes() {
        let mut bytes = Vec::new();
        ciborium::into_writer(&table(), &mut bytes).unwrap();
        let read: RouteTable = ciborium::from_reader(&*bytes).unwrap();
        assert_eq!(read, table());
        let mut saved = SavedTable::from(table());
        saved.lengths.pop();
        assert!(RouteTable::try_from(saved).is_err());
    }

    #[test]
    fn an_ipv4_route_takes_sixteen_bytes() {
        assert_eq!(size_of::<Entry<u32>>(), 16);
        assert!(size_of::<RouteBody>() <= 112);
    }
}
