//! Questions to nf_tables: one function per kind of object. Each answer is whole or an error.

use super::abi;
use super::decode::{self, Generation};
use crate::kernel::netlink::message::Nfgen;
use crate::kernel::netlink::{AttrWriter, KernelError, Socket};
use crate::model::{Chain, ElementList, Family, Flowtable, Name, Object, Set, Table};
use rustables::sys::*;

type Result<T> = std::result::Result<T, KernelError>;

const UNSPEC: u8 = 0;

/// The current generation id.
pub fn generation(socket: &mut Socket) -> Result<Generation> {
    let mut found = Generation::default();
    socket.request(
        abi::message(abi::GETGEN),
        0,
        &[&Nfgen::bytes(UNSPEC, 0)],
        |message| {
            let (_, attributes) = decode::split(message.payload)?;
            found = decode::generation(attributes)?;
            Ok(())
        },
    )?;
    Ok(found)
}

pub fn tables(socket: &mut Socket) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    dump(socket, abi::GETTABLE, UNSPEC, &[], |family, attributes| {
        tables.push(decode::table(family, attributes)?);
        Ok(())
    })?;
    Ok(tables)
}

/// All chains of all tables: family, table, chain.
pub fn chains(socket: &mut Socket) -> Result<Vec<(Family, Name, Chain)>> {
    let mut chains = Vec::new();
    dump(socket, abi::GETCHAIN, UNSPEC, &[], |family, attributes| {
        let (table, chain) = decode::chain(attributes)?;
        chains.push((family, table, chain));
        Ok(())
    })?;
    Ok(chains)
}

/// One chain, without its rules; none when it is not there.
pub fn chain(
    socket: &mut Socket,
    family: Family,
    table: &str,
    chain: &str,
) -> Result<Option<Chain>> {
    let mut which = AttrWriter::new();
    which.text(NFTA_CHAIN_TABLE, table);
    which.text(NFTA_CHAIN_NAME, chain);
    let mut found = None;
    let header = Nfgen::bytes(family.to_wire(), 0);
    let result = socket.request(
        abi::message(abi::GETCHAIN),
        0,
        &[&header, which.as_bytes()],
        |message| {
            let (_, attributes) = decode::split(message.payload)?;
            found = Some(decode::chain(attributes)?.1);
            Ok(())
        },
    );
    match result {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
        result => result.map(|()| found),
    }
}

/// All sets of all tables.
pub fn sets(socket: &mut Socket) -> Result<Vec<(Family, Name, Set)>> {
    let mut sets = Vec::new();
    dump(socket, abi::GETSET, UNSPEC, &[], |family, attributes| {
        let (table, set) = decode::set(attributes)?;
        sets.push((family, table, set));
        Ok(())
    })?;
    Ok(sets)
}

/// All stateful objects of all tables.
pub fn objects(socket: &mut Socket) -> Result<Vec<(Family, Name, Object)>> {
    let mut objects = Vec::new();
    dump(socket, abi::GETOBJ, UNSPEC, &[], |family, attributes| {
        let (table, object) = decode::object(attributes)?;
        objects.push((family, table, object));
        Ok(())
    })?;
    Ok(objects)
}

/// All flowtables of all tables.
pub fn flowtables(socket: &mut Socket) -> Result<Vec<(Family, Name, Flowtable)>> {
    let mut flowtables = Vec::new();
    dump(
        socket,
        abi::GETFLOWTABLE,
        UNSPEC,
        &[],
        |family, attributes| {
            let (table, flowtable) = decode::flowtable(attributes)?;
            flowtables.push((family, table, flowtable));
            Ok(())
        },
    )?;
    Ok(flowtables)
}

/// Which rules a dump asks for.
#[derive(Clone, Copy, Debug)]
pub enum RuleScope<'a> {
    All,
    Table(Family, &'a str),
    Chain(Family, &'a str, &'a str),
}

/// Rules in the kernel's order; `each` gets the family and the attributes of each.
pub fn rules<F>(socket: &mut Socket, scope: RuleScope<'_>, mut each: F) -> Result<()>
where
    F: FnMut(Family, &[u8]) -> Result<()>,
{
    let mut filter = AttrWriter::new();
    let family = match scope {
        RuleScope::All => UNSPEC,
        RuleScope::Table(family, table) => {
            filter.text(NFTA_RULE_TABLE, table);
            family.to_wire()
        }
        RuleScope::Chain(family, table, chain) => {
            filter.text(NFTA_RULE_TABLE, table);
            filter.text(NFTA_RULE_CHAIN, chain);
            family.to_wire()
        }
    };
    dump(
        socket,
        abi::GETRULE,
        family,
        filter.as_bytes(),
        |family, attributes| each(family, attributes),
    )
}

/// All elements of one set.
pub fn elements(
    socket: &mut Socket,
    family: Family,
    table: &str,
    set: &str,
) -> Result<ElementList> {
    let mut which = AttrWriter::new();
    which.text(NFTA_SET_ELEM_LIST_TABLE, table);
    which.text(NFTA_SET_ELEM_LIST_SET, set);
    let mut list = ElementList::default();
    dump(
        socket,
        abi::GETSETELEM,
        family.to_wire(),
        which.as_bytes(),
        |_, attributes| {
            for element in decode::set_elements(attributes)? {
                if !list.push(element?) {
                    return Err(KernelError::Overrun);
                }
            }
            Ok(())
        },
    )?;
    list.shrink();
    Ok(list)
}

fn dump<F>(socket: &mut Socket, kind: u16, family: u8, attributes: &[u8], mut each: F) -> Result<()>
where
    F: FnMut(Family, &[u8]) -> Result<()>,
{
    socket.dump(
        abi::message(kind),
        &[&Nfgen::bytes(family, 0), attributes],
        |message| {
            let (family, attributes) = decode::split(message.payload)?;
            each(family, attributes)
        },
    )
}
