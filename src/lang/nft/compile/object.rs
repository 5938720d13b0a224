//! Stateful objects.

use super::super::ast::Kind;
use super::super::datatype::{self as types, Type};
use super::super::number;
use super::super::syntax::{At, Diagnostic, ObjectBody, ObjectWords};
use super::eval::Result;
use super::world::World;
use super::{userdata, value};
use crate::model::{Family, Name, Object, ObjectData};

/// `IPPROTO_TCP`, `IPPROTO_UDP`
const TCP: u8 = 6;
const UDP: u8 = 17;

/// States of `ct timeout` policies (`CTA_TIMEOUT_TCP_*` from 1) with nft's defaults in seconds.
static TCP_STATES: [(&str, u32); 11] = [
    ("syn_sent", 120),
    ("syn_recv", 60),
    ("established", 432_000),
    ("fin_wait", 120),
    ("close_wait", 60),
    ("last_ack", 30),
    ("time_wait", 120),
    ("close", 10),
    ("syn_sent2", 120),
    ("retrans", 300),
    ("unack", 300),
];
static UDP_STATES: [(&str, u32); 2] = [("unreplied", 30), ("replied", 180)];

fn protocol(world: &World<'_>, name: &At<Name>) -> Result<u8> {
    let dtype = Type::Basic(&types::INET_PROTOCOL);
    let expr = value::parse(&name.value, name.span, dtype, world.resolve)?;
    Ok(number::low8(expr.as_value().unwrap_or_default()))
}

fn network(l3: Option<&At<Family>>, table: Family) -> u16 {
    let family = l3.map_or(table, |family| family.value);
    u16::from(family.to_wire())
}

pub fn object(
    world: &World<'_>,
    family: Family,
    id: &At<Name>,
    kind: u32,
    body: &ObjectBody,
) -> Result<Object> {
    let data = match &body.data {
        ObjectWords::Counter(counter) => ObjectData::Counter(*counter),
        ObjectWords::Quota(quota) => ObjectData::Quota(*quota),
        ObjectWords::Limit(limit) => ObjectData::Limit(*limit),
        ObjectWords::CtHelper {
            helper,
            protocol: word,
            l3,
        } => ObjectData::CtHelper {
            name: helper.value.clone(),
            l3proto: l3.as_ref().map_or(0, |l3| network(Some(l3), family)),
            l4proto: protocol(world, word)?,
        },
        ObjectWords::CtTimeout {
            protocol: word,
            l3,
            policy,
        } => {
            let l4proto = protocol(world, word)?;
            let states: &[(&str, u32)] = match l4proto {
                TCP => &TCP_STATES,
                UDP => &UDP_STATES,
                _ => {
                    return Err(Diagnostic::new(
                        word.span,
                        format!("there are no timeouts for protocol `{}`", word.value),
                    )
                    .help("tcp or udp"));
                }
            };
            let mut seconds: Vec<(u16, u32)> = states
                .iter()
                .zip(1u16..)
                .map(|((_, default), index)| (index, *default))
                .collect();
            for (state, value) in policy {
                let place = states.iter().position(|known| known.0 == &*state.value);
                match place.and_then(|place| seconds.get_mut(place)) {
                    Some(slot) => slot.1 = *value,
                    None => {
                        let known: Vec<&str> = states.iter().map(|known| known.0).collect();
                        return Err(Diagnostic::new(
                            state.span,
                            format!("`{}` is no state of this protocol", state.value),
                        )
                        .help(format!("states: {}", known.join(", "))));
                    }
                }
            }
            ObjectData::CtTimeout {
                l3proto: l3.as_ref().map_or(0, |l3| network(Some(l3), family)),
                l4proto,
                policy: seconds,
            }
        }
        ObjectWords::CtExpectation {
            protocol: word,
            dport,
            timeout,
            size,
            l3,
        } => {
            let (Some(dport), Some(timeout), Some(size)) = (dport, timeout, size) else {
                return Err(Diagnostic::new(
                    id.span,
                    "an expectation needs `protocol`, `dport`, `timeout` and `size`",
                ));
            };
            let port = match &dport.kind {
                Kind::Symbol(word) => {
                    let dtype = Type::Basic(&types::INET_SERVICE);
                    value::parse(word, dport.span, dtype, world.resolve)?.as_value()
                }
                Kind::Value(value) => Some(*value),
                _ => None,
            };
            let port = port.ok_or_else(|| Diagnostic::new(dport.span, "expected a port"))?;
            ObjectData::CtExpectation {
                l3proto: l3.as_ref().map_or(0, |l3| network(Some(l3), family)),
                l4proto: protocol(world, word)?,
                dport: (number::low32(port) & 0xffff) as u16,
                timeout: u32::try_from(*timeout).unwrap_or(u32::MAX),
                size: u8::try_from(*size)
                    .map_err(|_| Diagnostic::new(id.span, "`size` is 255 at most"))?,
            }
        }
        ObjectWords::Synproxy(synproxy) => ObjectData::Synproxy(*synproxy),
        ObjectWords::Secmark(context) => ObjectData::Secmark {
            context: context.value.clone(),
        },
    };
    let mut notes = Vec::new();
    if let Some(comment) = &body.comment {
        userdata::comment(&mut notes, comment)?;
    }
    Ok(Object {
        name: id.value.clone(),
        handle: 0,
        kind,
        use_count: 0,
        data,
        userdata: notes,
        raw: Vec::new(),
    })
}
