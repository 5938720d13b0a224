//! Chains in words: which packets come here, when, and what becomes of those that no rule decides.

use super::value::either;
use crate::lang::nft::chain::{hook_name, priority_text};
use crate::model::ruleset::{BaseChain, Policy};
use crate::model::{Chain, Family};

/// `Packets arriving for this machine, at priority 0 (filter); those that no rule decides are dropped.`
pub fn chain(family: Family, chain: &Chain) -> String {
    let Some(base) = &chain.base else {
        return "Packets that other chains send here; those that no rule decides go back to where they came from."
            .to_owned();
    };
    let what = packets(family, base);
    let priority = match priority_text(family, base.hook, base.priority) {
        text if text == base.priority.to_string() => format!("priority {text}"),
        text => format!("priority {} ({text})", base.priority),
    };
    let kind = match &*base.kind {
        "nat" => ", for address translation: asked once for each connection, by its first packet",
        "route" => ", with a new look at the routing tables when a rule changes what they look at",
        _ => "",
    };
    let rest = match base.policy {
        Some(Policy::Accept) => "are accepted",
        Some(Policy::Drop) => "are dropped",
        Some(Policy::Unknown(_)) => "meet a policy that is not known",
        None => "are accepted",
    };
    format!("{what}, at {priority}{kind}; those that no rule decides {rest}.")
}

fn packets(family: Family, base: &BaseChain) -> String {
    let devices = || -> String {
        let names: Vec<String> = base.devices.iter().map(ToString::to_string).collect();
        either(&names, "or")
    };
    let what = match family {
        Family::Ip => "IPv4 packets",
        Family::Ip6 => "IPv6 packets",
        Family::Inet => "Packets",
        Family::Arp => "ARP packets",
        Family::Bridge => "Bridged frames",
        Family::Netdev => "Packets",
        Family::Unknown(_) => "Packets of an unknown family",
    };
    let hook = hook_name(family, base.hook);
    let place = match (family, hook) {
        (Family::Bridge, "prerouting") => "as they arrive on a bridge port".to_owned(),
        (Family::Bridge, "input") => "for this machine itself".to_owned(),
        (Family::Bridge, "forward") => "on their way from one bridge port to another".to_owned(),
        (Family::Bridge, "output") => "that this machine sends by a bridge".to_owned(),
        (Family::Bridge, "postrouting") => "as they leave by a bridge port".to_owned(),
        (Family::Arp, "input") => "as they arrive".to_owned(),
        (Family::Arp, "output") => "that this machine sends".to_owned(),
        (_, "prerouting") => "as they arrive, before it is decided where they go".to_owned(),
        (_, "input") => "arriving for this machine".to_owned(),
        (_, "forward") => "that this machine passes on between others".to_owned(),
        (_, "output") => "that this machine sends itself".to_owned(),
        (_, "postrouting") => "on their way out, sent by this machine or passed on".to_owned(),
        (_, "ingress") => format!("as they come in on {}, before anything else", devices()),
        (_, "egress") => format!("as they go out by {}, after everything else", devices()),
        _ => format!("at the unknown hook {}", base.hook),
    };
    format!("{what} {place}")
}
