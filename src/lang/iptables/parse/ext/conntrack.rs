//! Matches on conntrack.

use super::{Built, Spec, m};
use crate::lang::iptables::parse::Wrong;
use crate::lang::iptables::parse::options::{Given, Options, mask};
use crate::lang::iptables::rule::Part;
use crate::lang::iptables::save::{STATES, STATUSES};
use crate::model::xtables::Extension as X;
use crate::model::xtables::Families::Inet;
use crate::model::xtables::layout::{Addr16, Field};
use crate::model::xtables::state::*;

pub const SPECS: &[Spec] = &[
    m(
        "conntrack",
        Inet,
        "ctstate! ctproto! ctorigsrc! ctorigdst! ctreplsrc! ctrepldst! ctorigsrcport! ctorigdstport! \
         ctreplsrcport! ctrepldstport! ctstatus! ctexpire! ctdir",
        conntrack,
    ),
    m("state", Inet, "state!+", state),
    m(
        "connbytes",
        Inet,
        "connbytes!+ connbytes-dir+ connbytes-mode+",
        connbytes,
    ),
    m("connlabel", Inet, "label!+ set-", connlabel),
    m(
        "connlimit",
        Inet,
        "connlimit-upto! connlimit-above! connlimit-mask connlimit-saddr- connlimit-daddr-",
        connlimit,
    ),
    m("helper", Inet, "helper!+", helper),
    m(
        "cluster",
        Inet,
        "cluster-total-nodes+ cluster-local-node! cluster-local-nodemask! cluster-hash-seed+",
        cluster,
    ),
];

fn bits(given: &Given, names: &[(&str, u16)]) -> Result<u16, Wrong> {
    let mut all = 0;
    for name in given.value.split(',') {
        let found = names.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        all |= found
            .ok_or_else(|| given.wrong(format!("`{name}` is not known")))?
            .1;
    }
    Ok(all)
}

/// The states, and whether they are NAT states, which count as a status.
fn states(given: &Given) -> Result<u16, Wrong> {
    bits(given, &STATES)
}

fn conntrack(o: &Options<'_>) -> Built {
    let mut c = Conntrack3::zero();
    for given in &o.given {
        let inverted = given.inverted;
        let bit = match given.name {
            "ctstate" => {
                c.state_mask = states(given)?;
                1
            }
            "ctproto" => {
                c.l4proto = o.protocol(given, &given.value)?;
                if c.l4proto == 0 && inverted {
                    return Err(given.wrong("this would never match"));
                }
                2
            }
            "ctorigsrc" => {
                (c.connection.origsrc_addr, c.connection.origsrc_mask) = o.host_mask(given)?;
                4
            }
            "ctorigdst" => {
                (c.connection.origdst_addr, c.connection.origdst_mask) = o.host_mask(given)?;
                8
            }
            "ctreplsrc" => {
                (c.connection.replsrc_addr, c.connection.replsrc_mask) = o.host_mask(given)?;
                0x10
            }
            "ctrepldst" => {
                (c.connection.repldst_addr, c.connection.repldst_mask) = o.host_mask(given)?;
                0x20
            }
            "ctstatus" => {
                if given.value.eq_ignore_ascii_case("NONE") {
                    c.status_mask = 0;
                } else {
                    c.status_mask = bits(given, &STATUSES)?;
                }
                0x40
            }
            "ctexpire" => {
                [c.connection.expires_min, c.connection.expires_max] =
                    given.range(u64::from(u32::MAX))?;
                0x80
            }
            "ctorigsrcport" => {
                [c.origsrc_port, c.origsrc_port_high] = o.ports(given)?;
                0x100
            }
            "ctorigdstport" => {
                [c.origdst_port, c.origdst_port_high] = o.ports(given)?;
                0x200
            }
            "ctreplsrcport" => {
                [c.replsrc_port, c.replsrc_port_high] = o.ports(given)?;
                0x400
            }
            "ctrepldstport" => {
                [c.repldst_port, c.repldst_port_high] = o.ports(given)?;
                0x800
            }
            _ => {
                if given.one_of(&["ORIGINAL", "REPLY"])? == 1 {
                    c.invert_flags |= 0x1000;
                }
                0x1000
            }
        };
        c.match_flags |= bit;
        if inverted {
            c.invert_flags |= bit;
        }
    }
    if c.match_flags == 0 {
        return Err(o.wrong("one option is needed"));
    }
    Ok(Part::Known(X::Conntrack3(Box::new(c))))
}

/// An alias of conntrack since 2012; a flag that the kernel ignores says how it was written.
fn state(o: &Options<'_>) -> Built {
    let given = o.need("state")?;
    let names: Vec<(&str, u16)> = STATES
        .iter()
        .copied()
        .filter(|(name, _)| !name.ends_with("NAT"))
        .collect();
    let mut c = Conntrack3::zero();
    c.match_flags = 1 | 1 << 13;
    c.state_mask = bits(given, &names)?;
    if given.inverted {
        c.invert_flags = 1;
    }
    Ok(Part::Known(X::Conntrack3(Box::new(c))))
}

fn connbytes(o: &Options<'_>) -> Built {
    let given = o.need("connbytes")?;
    let (from, to) = match given.value.split_once(':') {
        Some((from, to)) => (
            given.number(from, 0..=u64::MAX)?,
            if to.is_empty() {
                u64::MAX
            } else {
                given.number(to, 0..=u64::MAX)?
            },
        ),
        None => (given.u64()?, u64::MAX),
    };
    if to < from {
        return Err(given.wrong("the first number is greater than the last"));
    }
    let (from, to) = if given.inverted {
        (to, from)
    } else {
        (from, to)
    };
    Ok(Part::Known(X::Connbytes(Connbytes {
        from,
        to,
        what: o
            .need("connbytes-mode")?
            .one_of(&["packets", "bytes", "avgpkt"])? as u8,
        direction: o
            .need("connbytes-dir")?
            .one_of(&["original", "reply", "both"])? as u8,
    })))
}

fn connlabel(o: &Options<'_>) -> Built {
    let given = o.need("label")?;
    let named = o
        .machine
        .names
        .xtables_labels
        .iter()
        .find(|(_, name)| **name == given.value);
    let bit = match named {
        Some((bit, _)) => u16::try_from(*bit).unwrap_or(0),
        None => given.number(&given.value, 0..=127)?,
    };
    Ok(Part::Known(X::Connlabel(Connlabel {
        bit,
        options: given.inverted as u16 | (o.has("set") as u16) << 1,
    })))
}

fn connlimit(o: &Options<'_>) -> Built {
    let given = o.one(&["connlimit-upto", "connlimit-above"])?;
    o.at_most_one(&["connlimit-saddr", "connlimit-daddr"])?;
    let below = (given.name == "connlimit-upto") != given.inverted;
    let mask = match o.get("connlimit-mask") {
        Some(given) => mask(&given.value, o.family).ok_or_else(|| given.wrong("no mask"))?,
        None => Addr16([0xff; 16]),
    };
    Ok(Part::Known(X::Connlimit(Connlimit {
        mask,
        limit: given.u32()?,
        flags: below as u32 | (o.has("connlimit-daddr") as u32) << 1,
        data: 0,
    })))
}

fn helper(o: &Options<'_>) -> Built {
    let given = o.need("helper")?;
    Ok(Part::Known(X::Helper(Helper {
        invert: given.inverted.into(),
        name: given.text()?,
    })))
}

fn cluster(o: &Options<'_>) -> Built {
    let total_nodes = o.need("cluster-total-nodes")?;
    let total_nodes: u32 = total_nodes.number(&total_nodes.value, 1..=32)?;
    let given = o.one(&["cluster-local-node", "cluster-local-nodemask"])?;
    let node_mask = if given.name == "cluster-local-node" {
        let node: u32 = given.number(&given.value, 1..=32)?;
        1 << (node - 1)
    } else {
        given.u32()?
    };
    if u64::from(node_mask) >= 1 << total_nodes {
        return Err(given.wrong("more nodes than there are"));
    }
    Ok(Part::Known(X::Cluster(Cluster {
        total_nodes,
        node_mask,
        hash_seed: o.need("cluster-hash-seed")?.u32()?,
        flags: given.inverted.into(),
    })))
}
