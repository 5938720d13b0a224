//! Reading whole routing tables, and everything else that a [`Network`] holds.

use super::route::{BodyCache, RouteMessage};
use super::{RTM_GETROUTE, whole};
use crate::kernel::netlink::{AttrWriter, DecodeError, KernelError, Protocol, Socket};
use crate::model::network::{Fib, FibFamily, Network, RawRoute, RouteTable, RouteTableBuilder};
use std::sync::Arc;

const RTA_TABLE: u16 = 15;

/// Which routes to dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteFilter {
    /// All families when absent, also those that are not decoded (MPLS, multicast).
    pub family: Option<FibFamily>,
    /// All tables when absent. The kernel refuses an IPv4 table that does not exist with `ENOENT`.
    pub table: Option<u32>,
    /// Cached exceptions instead of the routes of tables.
    pub cloned: bool,
}

/// Dump routes, in the kernel's order, one message at a time.
pub fn dump_routes(
    socket: &mut Socket,
    filter: RouteFilter,
    mut each: impl FnMut(&RouteMessage<'_>) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let mut header = [0; super::route::HEADER];
    header[0] = filter.family.map_or(0, FibFamily::to_wire);
    if filter.cloned {
        let flags = crate::model::network::route_flags::CLONED.to_ne_bytes();
        header[8..12].copy_from_slice(&flags);
    }
    let mut attributes = AttrWriter::new();
    if let Some(table) = filter.table {
        attributes.ne32(RTA_TABLE, table);
    }
    socket.dump(RTM_GETROUTE, &[&header, attributes.as_bytes()], |message| {
        each(&RouteMessage::split(message.payload)?)
    })
}

/// Builds routing tables from route messages.
#[derive(Debug, Default)]
pub struct RouteLoader {
    tables: Vec<RouteTableBuilder>,
    /// Place of a body: in `tables`, and in the table.
    bodies: BodyCache<(usize, u32)>,
    other: Vec<RawRoute>,
    count: usize,
}

impl RouteLoader {
    pub fn new() -> RouteLoader {
        RouteLoader::default()
    }

    /// Routes added so far.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn add(&mut self, message: &RouteMessage<'_>) -> Result<(), DecodeError> {
        let Some(family) = message.fib_family() else {
            self.other.push(message.raw()?);
            return Ok(());
        };
        if message.is_cloned() {
            return Ok(());
        }
        let tables = &mut self.tables;
        let cached = self.bodies.place(message, || {
            let body = message.body(family)?;
            let place = place_of(tables, family, message.table());
            let number = tables
                .get_mut(place)
                .map_or(u32::MAX, |table| table.add_body(body));
            Ok::<_, DecodeError>((place, number))
        })?;
        let destination = message.destination(family)?;
        if let Some(&(place, body)) = self.bodies.get(cached)
            && let Some(table) = self.tables.get_mut(place)
        {
            table.push(destination, body);
        }
        self.count += 1;
        Ok(())
    }

    pub fn finish(self) -> Fib {
        let tables = self.tables.into_iter();
        Fib {
            tables: tables.map(|table| Arc::new(table.finish())).collect(),
            other: self.other,
        }
    }
}

fn place_of(tables: &mut Vec<RouteTableBuilder>, family: FibFamily, id: u32) -> usize {
    let known = tables
        .iter()
        .position(|table| table.family() == family && table.id() == id);
    known.unwrap_or_else(|| {
        tables.push(RouteTableBuilder::new(family, id));
        tables.len() - 1
    })
}

/// All routes of all tables and families. `progress` hears the number of routes now and then.
pub fn read_fib(socket: &mut Socket, mut progress: impl FnMut(usize)) -> Result<Fib, KernelError> {
    const STEP: usize = 16_384;
    whole(socket, |socket| {
        let mut loader = RouteLoader::new();
        dump_routes(socket, RouteFilter::default(), |message| {
            loader.add(message)?;
            if loader.count().is_multiple_of(STEP) {
                progress(loader.count());
            }
            Ok(())
        })?;
        progress(loader.count());
        Ok(loader.finish())
    })
}

/// One table; empty when there is none.
pub fn read_table(
    socket: &mut Socket,
    family: FibFamily,
    id: u32,
) -> Result<RouteTable, KernelError> {
    let filter = RouteFilter {
        family: Some(family),
        table: Some(id),
        cloned: false,
    };
    let loaded = whole(socket, |socket| {
        let mut loader = RouteLoader::new();
        dump_routes(socket, filter, |message| Ok(loader.add(message)?))?;
        Ok(loader.finish())
    });
    let fib = match loaded {
        Err(error) if error.errno() == Some(libc::ENOENT) => Fib::default(),
        other => other?,
    };
    Ok(match fib.table(family, id) {
        Some(table) => RouteTable::clone(table),
        None => RouteTable::new(family, id),
    })
}

/// Everything that routes packets in the current network namespace. Sysctls, legacy tables and hooks come from
/// their own modules.
pub fn read_network(progress: impl FnMut(usize)) -> Result<Network, KernelError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let links = super::read_links_with_filters(&mut socket)?;
    let addresses = super::read_addresses(&mut socket)?;
    let mut rules = super::read_rules(&mut socket, FibFamily::Ip4)?;
    rules.extend(super::read_rules(&mut socket, FibFamily::Ip6)?);
    let nexthops = super::read_nexthops(&mut socket)?;
    let neighbours = super::read_neighbours(&mut socket)?;
    let routes = read_fib(&mut socket, progress)?;
    Ok(Network {
        links: Arc::new(links),
        addresses: Arc::new(addresses),
        routes: Arc::new(routes),
        rules: Arc::new(rules),
        neighbours: Arc::new(neighbours),
        nexthops: Arc::new(nexthops),
        ..Network::default()
    })
}
