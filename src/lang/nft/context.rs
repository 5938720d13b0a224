//! What a rule has established about the protocols of the packets that get so far.
//!
//! Used in both directions: to name raw loads when rules are read, and to know which protocol matches a
//! header field still needs when they are written.

use super::ast::*;
use super::number::{self, Num};
use super::protocol::{self, Layer, Protocol};
use crate::model::Family;

/// Headers of one layer that may be stacked (VLAN in VLAN).
const STACKED_MAX: usize = 16;

/// What the rule has established about the packet so far.
pub struct ProtocolContext {
    pub family: Family,
    protocols: [Option<&'static Protocol>; 6],
    /// Headers that lie before the one of the link layer (a VLAN tag behind Ethernet).
    pub stacked_link: Vec<&'static Protocol>,
    /// All transport protocols that the rule allows so far.
    pub transports: Vec<&'static Protocol>,
    pub icmp_type: u8,
}

impl ProtocolContext {
    pub fn new(family: Family) -> ProtocolContext {
        let mut context = ProtocolContext {
            family,
            protocols: [None; 6],
            stacked_link: Vec::new(),
            transports: Vec::new(),
            icmp_type: 0,
        };
        if let Some((layer, protocol)) = hook(family) {
            context.update(layer, protocol);
        }
        context
    }

    pub fn at(&self, layer: Layer) -> Option<&'static Protocol> {
        self.protocols.get(layer as usize).copied().flatten()
    }

    pub fn update(&mut self, layer: Layer, protocol: &'static Protocol) {
        if let Some(slot) = self.protocols.get_mut(layer as usize) {
            *slot = Some(protocol);
        }
        if layer == Layer::Transport && !self.transports.iter().any(|seen| seen.is(protocol)) {
            self.transports.push(protocol);
        }
    }

    /// The header a link-layer offset falls into, and how many bits lie before it.
    pub fn stacked(&self, top: &'static Protocol, payload: &Payload) -> (&'static Protocol, u32) {
        let mut offset = payload.offset;
        if payload.layer != Layer::Link || offset < top.length {
            return (top, 0);
        }
        let mut total = 0;
        for protocol in &self.stacked_link {
            if offset < protocol.length {
                return (protocol, total);
            }
            offset -= protocol.length;
            total += protocol.length;
        }
        (top, total)
    }

    /// A match `left == right` was seen.
    pub fn learn(&mut self, left: &Expr, right: &Expr) {
        if !left.protocol {
            return;
        }
        let Some(value) = right.as_value() else {
            return;
        };
        match &left.kind {
            Kind::Payload(payload) => self.learn_payload(payload, value, right.len),
            Kind::Meta { key } => self.learn_meta(*key, value),
            Kind::Ct { .. } => {
                let layer = left.base_layer();
                if let Some(upper) = self
                    .at(layer)
                    .and_then(|base| base.upper_by_number(number::low32(value)))
                {
                    let above = match layer {
                        Layer::Link => Layer::Network,
                        _ => Layer::Transport,
                    };
                    self.update(above, upper);
                }
            }
            _ => {}
        }
    }

    fn learn_payload(&mut self, payload: &Payload, value: Num, len: u32) {
        if len > 32 {
            return;
        }
        let Some(base) = self.at(payload.layer) else {
            return;
        };
        let number = number::low32(value);
        let Some(upper) = base.upper_by_number(number) else {
            // Type 0 is an echo reply: it stands for echo, so that "no type seen" stays 0.
            if base.is(&protocol::ICMP) {
                self.icmp_type = if number == 0 { 8 } else { number as u8 };
            } else if base.is(&protocol::ICMPV6) {
                self.icmp_type = if number == 129 { 128 } else { number as u8 };
            }
            return;
        };
        if upper.layer == base.layer
            && !payload.raw
            && upper.layer == Layer::Link
            && self.stacked_link.len() < STACKED_MAX
        {
            self.stacked_link.push(base);
        }
        self.update(upper.layer, upper);
    }

    fn learn_meta(&mut self, key: u32, value: Num) {
        use super::keys::meta;
        let base = hook(self.family);
        match key {
            meta::IIFTYPE => {
                let below_network = base.is_some_and(|(layer, _)| layer < Layer::Network);
                if below_network && !matches!(self.family, Family::Inet | Family::Netdev) {
                    return;
                }
                let found = protocol::by_device_type(number::low32(value));
                self.update(Layer::Link, found.unwrap_or(&protocol::UNKNOWN));
            }
            meta::NFPROTO => {
                let number = number::low8(value);
                let found = base.and_then(|(layer, protocol)| {
                    protocol.upper_by_number(u32::from(number)).or_else(|| {
                        (number == self.family.to_wire() && layer == Layer::Network)
                            .then_some(protocol)
                    })
                });
                self.update(Layer::Network, found.unwrap_or(&protocol::UNKNOWN));
            }
            meta::L4PROTO => {
                let number = u32::from(number::low8(value));
                let found = protocol::INET_SERVICE_PROTOCOL.upper_by_number(number);
                self.update(Layer::Transport, found.unwrap_or(&protocol::UNKNOWN));
            }
            meta::PROTOCOL => {
                if !matches!(self.family, Family::Netdev | Family::Bridge) {
                    return;
                }
                let number = number::low32(value) & 0xffff;
                let found = base.and_then(|(_, protocol)| protocol.upper_by_number(number));
                self.update(Layer::Network, found.unwrap_or(&protocol::UNKNOWN));
            }
            _ => {}
        }
    }
}

/// What a family's hooks see: the layer packets begin at, and its protocol.
pub fn hook(family: Family) -> Option<(Layer, &'static Protocol)> {
    Some(match family {
        Family::Bridge => (Layer::Link, &protocol::ETHER),
        Family::Netdev => (Layer::Link, &protocol::NETDEV),
        Family::Inet => (Layer::Link, &protocol::INET),
        Family::Ip => (Layer::Network, &protocol::IP),
        Family::Ip6 => (Layer::Network, &protocol::IP6),
        Family::Arp => (Layer::Network, &protocol::ARP),
        Family::Unknown(_) => return None,
    })
}
