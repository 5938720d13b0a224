//! Ports that Docker publishes with its nftables backend: the DNAT rules of its tables.

use super::{RuleAt, Service, protocol};
use crate::kernel::nf_tables::decode;
use crate::model::expression::{CmpOp, Counter, Data, Expression, NatKind, PayloadBase, Register};
use crate::model::{Family, Rule, Table};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// The name of its tables, one for `ip` and one for `ip6`.
pub const TABLE: &str = "docker-bridges";
/// The chain that nat's hooks lead to.
const CHAIN: &str = "nat-prerouting-and-output";

/// What a rule with DNAT says.
#[derive(Debug, Default, PartialEq)]
struct Published {
    protocol: Option<u16>,
    host: Option<IpAddr>,
    port: Option<u16>,
    to: Option<(IpAddr, u16)>,
    counter: Option<Counter>,
}

#[derive(Clone, Debug)]
enum Held {
    Protocol,
    Destination,
    Port,
    Value(Vec<u8>),
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    let two = bytes.get(..2)?.try_into().ok()?;
    Some(u16::from_be_bytes(two))
}

/// `NFT_META_L4PROTO`
const L4PROTO: u32 = 16;

fn read(family: Family, rule: Rule<'_>) -> Option<Published> {
    // Where the destination is in the header.
    let destination = if family == Family::Ip6 {
        (24, 16)
    } else {
        (16, 4)
    };
    let mut held: HashMap<Register, Held> = HashMap::new();
    let mut found = Published::default();
    for expression in &decode::rule(rule).ok()?.expressions {
        match expression {
            Expression::Meta { key, dreg } if *key == L4PROTO => {
                held.insert(*dreg, Held::Protocol);
            }
            Expression::Payload {
                dreg,
                base,
                offset,
                len,
            } => {
                let what = match (base, (*offset, *len)) {
                    (PayloadBase::Network, place) if place == destination => Held::Destination,
                    (PayloadBase::Transport, (2, 2)) => Held::Port,
                    _ => Held::Value(Vec::new()),
                };
                held.insert(*dreg, what);
            }
            Expression::Cmp {
                sreg,
                op: CmpOp::Eq,
                data,
            } => match held.get(sreg) {
                Some(Held::Protocol) => found.protocol = data.first().map(|one| (*one).into()),
                Some(Held::Destination) => found.host = address(data),
                Some(Held::Port) => found.port = port(data),
                _ => {}
            },
            Expression::Immediate {
                dreg,
                data: Data::Value(value),
            } => {
                held.insert(*dreg, Held::Value(value.clone()));
            }
            Expression::Counter(counter) => found.counter = Some(*counter),
            Expression::Nat {
                kind: NatKind::Destination,
                addr_min,
                proto_min,
                ..
            } => {
                let value = |register: &Option<Register>| match held.get(&(*register)?)? {
                    Held::Value(value) => Some(value.clone()),
                    _ => None,
                };
                let to = value(addr_min).and_then(|value| address(&value));
                // Without a port of its own, the container has the same.
                let at = value(proto_min).and_then(|value| port(&value));
                found.to = to.zip(at.or(found.port));
            }
            _ => {}
        }
    }
    Some(found)
}

/// The published ports of a table, if it is Docker's.
pub fn services(table: &Table) -> Vec<Service> {
    if &*table.name != TABLE {
        return Vec::new();
    }
    let Some(chain) = table.chain(CHAIN) else {
        return Vec::new();
    };
    let published = chain.rules.iter().filter_map(|rule| {
        let found = read(table.family, rule)?;
        let (to, at) = found.to?;
        let handle = rule.handle;
        let chain = chain.name.clone();
        Some(Service::published(
            (table.family, &table.name),
            &protocol(found.protocol?),
            (found.host, found.port?),
            SocketAddr::new(to, at),
            (RuleAt { chain, handle }, found.counter),
        ))
    });
    published.collect()
}
