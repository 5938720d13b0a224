//! Arriving packets: the device, VLANs, ingress chains, and who takes the packet from there (`net/core/dev.c`).
//! `ip4` and `ip6` go on from here.

use super::Walk;
use crate::flow::fib::{Found, LOOPBACK, Refusal};
use crate::flow::frame::pkt_type;
use crate::flow::hooks::{arp, inet, netdev};
use crate::flow::packet::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6};
use crate::flow::report::{Fate, RouteStep, Step};
use crate::model::Family;

impl Walk<'_, '_> {
    /// A frame comes in on a device.
    pub(in crate::flow) fn receive(&mut self, index: u32) {
        let sim = self.sim;
        let Some(link) = sim.network.link(index) else {
            return self.end(Fate::Dropped);
        };
        if let Some(mac) = self.skb.mac {
            let own = link.address.as_slice() == mac.destination;
            self.skb.pkt_type = match mac.destination {
                destination if destination == [0xff; 6] => pkt_type::BROADCAST,
                destination if destination[0] & 1 != 0 => pkt_type::MULTICAST,
                _ if own || link.address.len() != 6 => pkt_type::HOST,
                _ => pkt_type::OTHERHOST,
            };
        }
        if !link.xdp.is_empty() {
            self.note(|| format!("an XDP program on {} sees the packet first", link.name));
        }
        if link.tc.ingress > 0 || link.tc.tcx_ingress.as_ref().is_some_and(|p| !p.is_empty()) {
            self.note(|| format!("traffic control on {} sees the packet first", link.name));
        }
        if !self.run_ingress(index) {
            return;
        }
        if let Some((protocol, tci)) = self.skb.vlan {
            let id = tci & 0xfff;
            let upper = sim.network.links.iter().find(|upper| {
                upper.lower == Some(index)
                    && upper
                        .vlan
                        .is_some_and(|vlan| vlan.id == id && vlan.protocol == protocol)
            });
            if let Some(upper) = upper {
                self.skb.vlan = None;
                if self.skb.pkt_type == pkt_type::OTHERHOST
                    && self
                        .skb
                        .mac
                        .is_some_and(|mac| mac.destination == *upper.address)
                {
                    self.skb.pkt_type = pkt_type::HOST;
                }
                let upper = upper.index;
                if !self.run_ingress(upper) {
                    return;
                }
                return self.handle(upper);
            }
            if self.bridge_of(index).is_none() && id != 0 {
                self.skb.pkt_type = pkt_type::OTHERHOST;
            }
        }
        self.handle(index);
    }

    fn run_ingress(&mut self, index: u32) -> bool {
        let sim = self.sim;
        let list = sim.hooks.ingress(index);
        for entry in list {
            let crate::flow::hooks::Function::Nft(chain) = entry.function else {
                continue;
            };
            if sim.program.family_of(chain) == Family::Inet {
                // Chains of inet see IP packets only, and drop broken ones.
                let family = match self.skb.protocol {
                    ETH_P_IP => Family::Ip,
                    ETH_P_IPV6 => Family::Ip6,
                    _ => continue,
                };
                if !self.skb.l4_checked().known {
                    self.fail(Fate::Dropped, "ingress", || "a broken IP header".into());
                    return false;
                }
                self.enter(family, inet::INGRESS, index, 0);
            } else {
                self.enter(Family::Netdev, netdev::INGRESS, index, 0);
            }
            let verdict = self.run_chain(chain);
            self.take(verdict);
            if self.is_over() {
                return false;
            }
        }
        true
    }

    /// The bridge that a device is a port of.
    pub(in crate::flow) fn bridge_of(&self, index: u32) -> Option<u32> {
        let link = self.sim.network.link(index)?;
        let master = self.sim.network.link(link.master?)?;
        (master.kind.as_deref() == Some("bridge")).then_some(master.index)
    }

    /// To the protocol, or to the bridge.
    pub(super) fn handle(&mut self, index: u32) {
        if let Some(bridge) = self.bridge_of(index) {
            return self.bridge_receive(index, bridge);
        }
        self.protocol(index);
    }

    pub(super) fn protocol(&mut self, index: u32) {
        let link = self.sim.network.link(index);
        let vrf = link
            .and_then(|link| self.sim.network.link(link.master?))
            .filter(|master| master.vrf_table.is_some());
        if let Some(vrf) = vrf {
            self.note(|| {
                format!(
                    "the device belongs to the VRF {}, whose own hooks are not followed",
                    vrf.name
                )
            });
        }
        match self.skb.protocol {
            ETH_P_IP => self.ip4_receive(index),
            ETH_P_IPV6 => self.ip6_receive(index),
            ETH_P_ARP => {
                if self.skb.pkt_type == pkt_type::OTHERHOST {
                    return self.other_host();
                }
                if self.run_hook(Family::Arp, arp::IN, index, 0) {
                    self.end(Fate::Delivered);
                }
            }
            other => self.fail(Fate::Dropped, "protocol", || {
                format!("nothing here takes frames of type {other:#06x}")
            }),
        }
    }

    pub(super) fn other_host(&mut self) {
        let mac = self.skb.mac.map(|mac| mac.destination).unwrap_or_default();
        self.fail(Fate::Dropped, "other_host", || {
            let text: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("the frame is for another station ({})", text.join(":"))
        });
    }

    pub(super) fn push_route(&mut self, decision: &'static str, found: &Found) {
        if !self.record {
            return;
        }
        let hop = found.hops.first();
        let candidates = if found.hops.len() > 1 {
            found
                .hops
                .iter()
                .map(|hop| (hop.oif, hop.gateway))
                .collect()
        } else {
            Vec::new()
        };
        self.steps.push(Step::Route(RouteStep {
            decision,
            rule: found.rule,
            table: Some(found.table),
            prefix: Some(found.prefix),
            oif: hop.map(|hop| hop.oif),
            via: hop.and_then(|hop| hop.gateway),
            src: None,
            candidates,
            refused: None,
        }));
    }

    pub(super) fn push_refusal(&mut self, refusal: &Refusal) {
        if !self.record {
            return;
        }
        self.steps.push(Step::Route(RouteStep {
            decision: refusal.why.words(),
            rule: refusal.rule,
            table: refusal.table,
            prefix: refusal.prefix,
            oif: None,
            via: None,
            src: None,
            candidates: Vec::new(),
            refused: Some(refusal.why),
        }));
    }

    /// Of several next hops a hash of the packet takes one, with a seed nobody knows.
    pub(super) fn choose_hop(&mut self, mut found: Found) -> (Found, crate::flow::fib::Hop) {
        if found.hops.len() > 1 {
            let sim = self.sim;
            let words = |hop: &crate::flow::fib::Hop| {
                let device = sim.network.link_name(hop.oif);
                match hop.gateway {
                    Some(gateway) => format!("via {gateway} on {device}"),
                    None => format!("on {device}"),
                }
            };
            let prefix = found.prefix;
            let taken = self.choose(
                || format!("which next hop of the multipath route to {prefix} the hash takes"),
                || found.hops.iter().map(words).collect(),
                false,
            );
            let last = found.hops.len() - 1;
            found.hops.swap(0, taken.min(last));
        }
        let hop = found
            .hops
            .first()
            .copied()
            .unwrap_or(crate::flow::fib::Hop {
                oif: 0,
                gateway: None,
                weight: 1,
            });
        (found, hop)
    }

    /// Too big for the way on and not to be cut: the sender gets an ICMP error.
    pub(super) fn fits_mtu(&mut self) -> bool {
        let Some(dst) = &self.dst else {
            return true;
        };
        let link = self.sim.network.link(dst.oif).map(|link| link.mtu);
        let mtu = dst.mtu.or(link).unwrap_or(u32::MAX) as usize;
        let length = self.skb.data.len();
        if length <= mtu || (self.skb.is_v4() && !self.skb.is_df()) {
            return true;
        }
        self.fail(Fate::Dropped, "mtu", || {
            format!(
                "{length} bytes are too much for the way on ({mtu}); the sender gets an ICMP error"
            )
        });
        false
    }

    /// What the loopback device sends comes in again.
    pub(super) fn loop_back(&mut self) {
        self.skb.mac = Some(crate::flow::frame::Link {
            destination: [0; 6],
            source: [0; 6],
            protocol: self.skb.protocol,
        });
        self.skb.pkt_type = pkt_type::HOST;
        self.socket = false;
        if self.run_ingress(LOOPBACK) {
            self.protocol(LOOPBACK);
        }
    }
}
