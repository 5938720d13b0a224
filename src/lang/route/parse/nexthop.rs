//! The words of `ip nexthop add` and its kin.

use super::ParseContext;
use super::encap::encap;
use super::value::{self, Result};
use super::words::Words;
use crate::lang::route::number;
use crate::model::network::{
    ChangeAction, FibFamily, Nexthop, NexthopMember, ResilientGroup, hop_flags,
};

const KEYS: [&str; 10] = [
    "id",
    "dev",
    "via",
    "encap",
    "blackhole",
    "fdb",
    "onlink",
    "group",
    "type",
    "protocol",
];

/// The words after `nexthop add`.
pub(super) fn nexthop(
    action: ChangeAction,
    mut words: Words<'_>,
    context: &ParseContext<'_>,
) -> Result<Nexthop> {
    let mut one = Nexthop::new(0);
    let mut family = context.family;
    let mut said_device = false;
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "id" => {
                let read = |text: &str| number(text).filter(|&id| id != 0);
                one.id = value::value(&mut words, "id", "a number from 1 on", read)?;
            }
            "dev" => {
                one.oif = Some(value::device(&mut words, "dev", context)?);
                said_device = true;
            }
            "via" => {
                match words.peek() {
                    Some("inet") => family = Some(FibFamily::Ip4),
                    Some("inet6") => family = Some(FibFamily::Ip6),
                    _ => {}
                }
                let _ = words.take("inet") || words.take("inet6");
                one.gateway = Some(value::address(&mut words, "via", &mut family)?);
            }
            "encap" => one.encap = Some(encap(&mut words, context)?),
            "blackhole" => one.blackhole = true,
            "fdb" => one.fdb = true,
            "onlink" => one.flags |= u32::from(hop_flags::ONLINK),
            "group" => {
                let expected = "next hops as ID[,WEIGHT][/ID[,WEIGHT]]...";
                one.group = value::value(&mut words, "group", expected, members)?;
            }
            "type" => {
                let read = |text: &str| match text {
                    "mpath" => Some(0),
                    "resilient" => Some(1),
                    _ => None,
                };
                let kind = value::value(&mut words, "type", "mpath or resilient", read)?;
                one.group_kind = Some(kind);
                if kind == 1 {
                    one.resilient = Some(resilient(&mut words)?);
                }
            }
            other if !other.is_empty() && "protocol".starts_with(other) => {
                one.protocol = value::named8(&mut words, "protocol", &context.names.protocols)?;
            }
            _ => {
                return Err(words.unknown(
                    word,
                    "is not a word of a next hop",
                    "id, via, dev, group, blackhole, onlink, encap, type, protocol",
                    KEYS,
                ));
            }
        }
    }
    if family.is_none() && (said_device || one.blackhole) {
        family = Some(FibFamily::Ip4);
    }
    one.family = family.map_or(0, FibFamily::to_wire);
    if one.id == 0 && action == ChangeAction::Delete {
        return Err(words.missing("the number of the next hop is missing", "id and a number"));
    }
    Ok(one)
}

fn members(text: &str) -> Option<Vec<NexthopMember>> {
    text.split('/')
        .map(|part| {
            let (id, weight) = match part.split_once(',') {
                Some((id, weight)) => (id, number(weight)?),
                None => (part, 1),
            };
            let id = number(id)?;
            (1..=256)
                .contains(&weight)
                .then_some(NexthopMember { id, weight })
        })
        .collect()
}

/// What may follow `type resilient`; times are in seconds.
fn resilient(words: &mut Words<'_>) -> Result<ResilientGroup> {
    const USER_HZ: u32 = 100;
    let mut group = ResilientGroup {
        // The kernel's own: 120 seconds.
        idle_timer: 120 * USER_HZ,
        ..ResilientGroup::default()
    };
    let ticks = |text: &str| number(text)?.checked_mul(USER_HZ);
    loop {
        if words.take("buckets") {
            group.buckets = value::number16(words, "buckets")?;
        } else if words.take("idle_timer") {
            group.idle_timer = value::value(words, "idle_timer", "seconds", ticks)?;
        } else if words.take("unbalanced_timer") {
            group.unbalanced_timer = value::value(words, "unbalanced_timer", "seconds", ticks)?;
        } else {
            return Ok(group);
        }
    }
}
