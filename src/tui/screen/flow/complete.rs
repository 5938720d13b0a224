//! What could stand in a field of the packet form: from the machine's devices, addresses, neighbours, connections
//! and rules.

use crate::flow::options::{OPTIONS, STATES};
use crate::flow::packet::{PROTOCOLS, TCP_FLAGS, protocol_name};
use crate::model::conntrack::{Flow, Ports, Tuple};
use crate::session::Picture;

/// Connections that are looked at.
const FLOWS: usize = 5000;
/// Offers for one field.
const MOST: usize = 200;

/// Everything for one field that begins with what is there; what only holds it comes after.
pub fn offers(picture: &Picture, flows: &[Flow], name: &str, typed: &str) -> Vec<String> {
    let all = values(picture, flows, name);
    // Of a list only the last word is completed.
    let (before, last) = match (name, typed.rfind(',')) {
        ("tcp-flags", Some(at)) => typed.split_at(at + 1),
        _ => ("", typed),
    };
    let begins = all.iter().filter(|value| value.starts_with(last));
    let holds = all
        .iter()
        .filter(|value| !value.starts_with(last) && value.contains(last));
    let found = begins.chain(holds).take(MOST);
    found.map(|value| format!("{before}{value}")).collect()
}

fn values(picture: &Picture, flows: &[Flow], name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut put = |value: String| {
        if !found.contains(&value) {
            found.push(value);
        }
    };
    let network = &picture.network;
    let tuples = || {
        flows
            .iter()
            .take(FLOWS)
            .flat_map(|flow| [&flow.original, &flow.reply])
    };
    match name {
        "iif" => {
            for link in network.links.iter().filter(|link| link.is_up()) {
                put(link.name.to_string());
            }
        }
        "src" | "dst" => {
            for own in network.addresses.iter() {
                put(own.local.address.to_string());
            }
            for neighbour in network.neighbours.iter().take(FLOWS) {
                if let Some(address) = neighbour.address.filter(|a| !a.is_multicast()) {
                    put(address.to_string());
                }
            }
            for tuple in tuples().take(MOST) {
                put(tuple.src.to_string());
                put(tuple.dst.to_string());
            }
        }
        "proto" => {
            for (name, _) in PROTOCOLS {
                put((*name).to_owned());
            }
            for tuple in tuples().take(MOST) {
                put(protocol_name(tuple.protocol));
            }
        }
        "sport" | "dport" => {
            let ports = |tuple: &Tuple| match tuple.ports {
                Ports::Ports { src, dst } => Some((src, dst)),
                _ => None,
            };
            for (src, dst) in tuples().filter_map(ports).take(MOST) {
                let port = if name == "sport" { src } else { dst };
                put(port.to_string());
            }
            for port in ["22", "53", "80", "443", "8080"] {
                put(port.to_owned());
            }
        }
        "tcp-flags" => {
            for (name, _) in TCP_FLAGS {
                put((*name).to_owned());
            }
        }
        "ct-state" => {
            for (name, _) in STATES {
                put((*name).to_owned());
            }
        }
        "mark" => {
            for mark in network.rules.iter().filter_map(|rule| rule.mark) {
                put(format!("{mark:#x}"));
            }
            for mark in flows.iter().take(FLOWS).filter_map(|flow| flow.mark) {
                if mark != 0 {
                    put(format!("{mark:#x}"));
                }
            }
        }
        "icmp-type" => {
            for kind in ["8", "0", "3", "11", "128", "129", "135", "136"] {
                put(kind.to_owned());
            }
        }
        "ether-src" | "ether-dst" => {
            for link in network.links.iter().filter(|link| link.address.len() == 6) {
                put(link.mac());
            }
            let known = network.neighbours.iter().take(MOST);
            for address in known.map(|one| &one.link_address).filter(|a| a.len() == 6) {
                let parts: Vec<String> = address.iter().map(|b| format!("{b:02x}")).collect();
                put(parts.join(":"));
            }
        }
        "fragment" => {
            for which in ["first", "later", "last"] {
                put(which.to_owned());
            }
        }
        _ => {}
    }
    found
}

/// Offers for the line of options: names, or values behind a name. They are whole lines.
pub fn of_line(picture: &Picture, flows: &[Flow], line: &str) -> Vec<String> {
    let (before, last) = match line.rfind(char::is_whitespace) {
        Some(at) => line.split_at(at + 1),
        None => ("", line),
    };
    let previous = before.split_whitespace().next_back();
    let name = previous.and_then(|word| word.strip_prefix("--"));
    let known = name.filter(|name| OPTIONS.iter().any(|(one, ..)| one == name));
    let join = |value: String| format!("{before}{value}");
    match known.filter(|_| !last.starts_with('-')) {
        Some(name) => offers(picture, flows, name, last)
            .into_iter()
            .map(join)
            .collect(),
        None => {
            let given = |name: &str| {
                before
                    .split_whitespace()
                    .any(|word| word == format!("--{name}"))
            };
            OPTIONS
                .iter()
                .map(|(name, ..)| *name)
                .filter(|name| !given(name))
                .map(|name| format!("--{name}"))
                .filter(|option| option.starts_with(last))
                .map(join)
                .collect()
        }
    }
}
