//! The least that reading the kernel can cost: the same requests, and every byte of the answers thrown away.

use hookscope::kernel::netlink::message::{self, Nfgen};
use hookscope::kernel::netlink::{AttrWriter, Protocol};
use hookscope::kernel::nf_tables::abi;
use hookscope::kernel::nf_tables::load;
use hookscope::model::{Ruleset, Table};
use netlink_sys::{Socket, SocketAddr};

/// As large as the program's own buffer.
const RECEIVE: usize = 128 * 1024;
/// A `NLMSG_DONE` without extended acks: header and code. It always ends the last receive of a dump.
const DONE: usize = message::HEADER + 4;

/// `NFTA_SET_ELEM_LIST_TABLE`, `NFTA_SET_ELEM_LIST_SET`
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;

/// `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN`
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;

const RTM_GETROUTE: u16 = 26;

pub struct Bare {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Bare {
    pub fn open(protocol: Protocol) -> Bare {
        let mut socket = Socket::new(protocol.number()).expect("a netlink socket");
        socket.bind_auto().expect("an address");
        socket
            .connect(&SocketAddr::new(0, 0))
            .expect("the kernel's address");
        Bare {
            socket,
            buffer: Vec::with_capacity(RECEIVE),
        }
    }

    /// Ask, and read to the end. Returns the bytes of the answer.
    fn dump(&mut self, kind: u16, payload: &[&[u8]]) -> u64 {
        let mut request = Vec::new();
        let flags = message::NLM_F_REQUEST | message::NLM_F_DUMP;
        message::write(&mut request, kind, flags, 1, payload);
        self.socket.send(&request, 0).expect("the request is sent");
        let mut bytes = 0;
        loop {
            self.buffer.clear();
            let received = self.socket.recv(&mut self.buffer, 0);
            bytes += received.expect("an answer") as u64;
            assert_ne!(kind_at(&self.buffer, 0), Some(message::NLMSG_ERROR));
            let last = self.buffer.len().checked_sub(DONE);
            if last.and_then(|at| kind_at(&self.buffer, at)) == Some(message::NLMSG_DONE) {
                return bytes;
            }
        }
    }

    /// Everything that a load with all elements asks for; the rules by one dump, or by one for each chain of
    /// those tables that the program reads this way.
    pub fn ruleset(&mut self, known: &Ruleset, by_chain: bool) -> u64 {
        let any = Nfgen::bytes(0, 0);
        let kinds = [
            abi::GETTABLE,
            abi::GETCHAIN,
            abi::GETSET,
            abi::GETOBJ,
            abi::GETFLOWTABLE,
        ];
        let mut bytes = kinds
            .iter()
            .map(|kind| self.dump(abi::message(*kind), &[&any]))
            .sum();
        let chains = |table: &Table| by_chain && load::by_chain(table.chains.len());
        if !known.tables.iter().any(|table| chains(table)) {
            bytes += self.dump(abi::message(abi::GETRULE), &[&any]);
        } else {
            for table in &known.tables {
                bytes += self.rules(table, chains(table));
            }
        }
        for table in &known.tables {
            for set in &table.sets {
                bytes += self.elements(table.family.to_wire(), &table.name, &set.name);
            }
        }
        bytes
    }

    fn rules(&mut self, table: &Table, by_chain: bool) -> u64 {
        let header = Nfgen::bytes(table.family.to_wire(), 0);
        let mut ask = |chain: Option<&str>| {
            let mut which = AttrWriter::new();
            which.text(RULE_TABLE, &table.name);
            if let Some(chain) = chain {
                which.text(RULE_CHAIN, chain);
            }
            self.dump(abi::message(abi::GETRULE), &[&header, which.as_bytes()])
        };
        if by_chain {
            let chains = table.chains.iter();
            chains.map(|chain| ask(Some(&chain.name))).sum()
        } else {
            ask(None)
        }
    }

    pub fn elements(&mut self, family: u8, table: &str, set: &str) -> u64 {
        let mut which = AttrWriter::new();
        which.text(LIST_TABLE, table);
        which.text(LIST_SET, set);
        let header = Nfgen::bytes(family, 0);
        self.dump(abi::message(abi::GETSETELEM), &[&header, which.as_bytes()])
    }

    /// All routes of all families.
    pub fn routes(&mut self) -> u64 {
        self.dump(RTM_GETROUTE, &[&[0; 12]])
    }
}

/// The message type in the header at `at`.
fn kind_at(buffer: &[u8], at: usize) -> Option<u16> {
    let kind = buffer.get(at + 4..at + 6)?;
    Some(u16::from_ne_bytes(kind.try_into().ok()?))
}
