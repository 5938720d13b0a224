//! Names by addresses, to be shown beside them.

use super::{Service, Source};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Finds what an address belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    exact: HashMap<(IpAddr, u16), String>,
    /// None where an address belongs to several.
    any: HashMap<IpAddr, Option<String>>,
}

impl Index {
    pub fn new(services: &[Service]) -> Index {
        let mut index = Index::default();
        for service in services {
            for address in service.cluster.iter().chain(&service.external) {
                index.add(*address, &service.name);
            }
            for address in service.endpoints.iter().filter_map(|one| one.address) {
                let text = match service.source {
                    Source::Kubernetes => format!("endpoint of {}", service.name),
                    Source::Docker => format!("container behind {}", service.name),
                };
                index.add(address, &text);
            }
        }
        index
    }

    fn add(&mut self, address: SocketAddr, name: &str) {
        self.exact
            .entry((address.ip(), address.port()))
            .or_insert_with(|| name.to_owned());
        self.any
            .entry(address.ip())
            .and_modify(|known| {
                if known.as_deref() != Some(name) {
                    *known = None;
                }
            })
            .or_insert_with(|| Some(name.to_owned()));
    }

    pub fn is_empty(&self) -> bool {
        self.exact.is_empty()
    }

    /// What an address and port are; without the port what the address is, if it is but one thing.
    pub fn name(&self, address: IpAddr, port: Option<u16>) -> Option<&str> {
        if let Some(name) = port.and_then(|port| self.exact.get(&(address, port))) {
            return Some(name);
        }
        self.any.get(&address)?.as_deref()
    }

    /// The names of the addresses in a text, each once, in their order: what to show beside a rule, a flow, a packet.
    pub fn names_in(&self, text: &str) -> Vec<(String, &str)> {
        let mut found: Vec<(String, &str)> = Vec::new();
        if self.is_empty() {
            return found;
        }
        let part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '[' | ']' | '/');
        let words: Vec<&str> = text
            .split(|c: char| !part(c))
            .filter(|word| word.contains(['.', ':']))
            .collect();
        let port = port_in(text);
        for word in words {
            let (address, own_port) = match word.parse::<SocketAddr>() {
                Ok(socket) => (socket.ip(), Some(socket.port())),
                Err(_) => {
                    let (address, bits) = word.split_once('/').unwrap_or((word, ""));
                    let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() else {
                        continue;
                    };
                    let whole = if address.is_ipv4() { "32" } else { "128" };
                    // A network is more than what lives in it.
                    if !bits.is_empty() && bits != whole {
                        continue;
                    }
                    (address, port)
                }
            };
            if let Some(name) = self.name(address, own_port)
                && !found.iter().any(|(_, known)| *known == name)
            {
                found.push((word.to_owned(), name));
            }
        }
        found
    }
}

/// The destination port that a rule names.
fn port_in(text: &str) -> Option<u16> {
    let mut words = text.split_whitespace();
    words.find(|word| matches!(*word, "--dport" | "dport"))?;
    words.next()?.trim_end_matches(',').parse().ok()
}
