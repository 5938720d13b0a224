//! Address translation in words.

use super::Reader;
use super::selector::bare;
use super::sentence::Effect;
use super::value::either;
use crate::lang::nft::ast::{Expr, Kind, Nat, NatKind};

impl Reader<'_> {
    pub(super) fn nat(&self, nat: &Nat) -> Effect {
        let addr = nat.addr.as_ref().map(bare);
        let port = nat.proto.as_ref().map(bare);
        // A map or a concatenation may give both at once.
        let both = nat.concat
            || addr.is_some_and(
                |addr| matches!(&addr.kind, Kind::Map { mappings, .. } if gives_both(mappings)),
            );
        let words = |expr: &Expr| match &expr.kind {
            Kind::Range(..) if nat.prefix => format!("the network {}", self.value(expr)),
            Kind::Prefix(..) => format!("the same place in the network {}", self.value(expr)),
            Kind::Range(..) => format!("one of {}", self.value(expr)),
            _ => self.the_noun(expr),
        };
        let address = addr.map(|addr| match (&addr.kind, both) {
            (Kind::Map { key, mappings }, true) => self.address_and_port(key, mappings),
            (_, true) => format!("the address and port {}", words(addr)),
            (_, false) => words(addr),
        });
        let port = port.map(|port| match &port.kind {
            Kind::Value(_) => format!("port {}", self.value(port)),
            Kind::Range(..) => format!("one of the ports {}", self.value(port)),
            _ => format!("the port that is {}", self.the_noun(port)),
        });
        let target: Vec<String> = address.into_iter().chain(port.clone()).collect();
        let target = either(&target, "and");
        // NF_NAT_RANGE_PROTO_RANDOM, _RANDOM_FULLY, _PERSISTENT
        let options: Vec<String> = [
            (4, "the port drawn at random"),
            (16, "the port drawn fully at random"),
            (8, "the same for each client"),
        ]
        .iter()
        .filter(|(flag, _)| nat.flags & flag != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
        let options = match options.is_empty() {
            true => String::new(),
            false => format!(" ({})", options.join(", ")),
        };
        match nat.kind {
            NatKind::Snat => Effect::new(
                "rewrite the source of",
                format!("to {target}{options}, and of their whole connection"),
            ),
            NatKind::Dnat => Effect::new(
                "send",
                format!("on to {target} instead{options}, and their whole connection"),
            ),
            NatKind::Masquerade => {
                let port = port.map(|port| format!(" and {port}"));
                Effect::new(
                    "rewrite the source of",
                    format!(
                        "to the address of the device they leave by{}{options}, and of their whole connection",
                        port.unwrap_or_default()
                    ),
                )
            }
            NatKind::Redirect => {
                let port = port.map(|port| format!(", to {port}"));
                Effect::new(
                    "send",
                    format!(
                        "to this machine itself{} instead{options}, and their whole connection",
                        port.unwrap_or_default()
                    ),
                )
            }
        }
    }

    /// A map that gives both.
    fn address_and_port(&self, key: &Expr, mappings: &Expr) -> String {
        let key = self.the_noun(key);
        let Kind::SetRef(reference) = &mappings.kind else {
            return format!("the address and port that an unknown map has for {key}");
        };
        match &reference.elements {
            Some(elements) => {
                let pairs: Vec<String> =
                    elements.iter().map(|element| self.pair(element)).collect();
                let pairs = pairs.join(", ");
                format!("an address and port that depend on {key} ({pairs})")
            }
            None => {
                let map = self.set_name(reference);
                format!("the address and port that {map} has for {key}")
            }
        }
    }
}

/// A map to addresses and ports at once.
fn gives_both(mappings: &Expr) -> bool {
    match &mappings.kind {
        Kind::SetRef(reference) => reference
            .set
            .data
            .as_ref()
            .is_some_and(|data| data.dtype.basic().is_none()),
        _ => false,
    }
}
