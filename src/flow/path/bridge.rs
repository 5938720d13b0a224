//! Frames between the ports of a bridge, and br_netfilter's calls into the IP families
//! (`br_input.c`, `br_forward.c`, `br_netfilter_hooks.c`, `br_netfilter_ipv6.c`).

use super::Walk;
use crate::flow::frame::pkt_type;
use crate::flow::hooks::inet;
use crate::flow::packet::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6};
use crate::flow::report::Fate;
use crate::kernel::route::{BridgePort, bridge_port, filters_vlans};
use crate::model::Family;
use crate::model::network::neighbour_flags;
use std::net::IpAddr;

/// What br_netfilter keeps with a packet: `struct nf_bridge_info`.
#[derive(Clone, Copy, Debug)]
pub struct BridgeInfo {
    /// The IP prerouting hook has been passed inside the bridge's.
    pub prerouting_done: bool,
    /// The packet was forwarded between ports.
    pub forwarded: bool,
    other_host: bool,
    /// The port it came in by; 0: it did not.
    pub in_port: u32,
    /// The port it leaves by, once known.
    pub out_port: u32,
}

const AF_BRIDGE: u8 = 7;

impl<'s> Walk<'s, '_> {
    fn is_link_reserved(&self) -> bool {
        let destination = self.skb.mac.map(|mac| mac.destination).unwrap_or_default();
        destination[..5] == [1, 0x80, 0xc2, 0, 0] && destination[5] < 0x10
    }

    /// `br_handle_frame`
    pub(super) fn bridge_receive(&mut self, port: u32, bridge: u32) {
        if self.is_link_reserved() {
            return self.fail(Fate::Dropped, "bridge", || {
                "a frame for the bridge protocols themselves".into()
            });
        }
        let to_bridge = self.sim.network.link(bridge).is_some_and(|link| {
            self.skb
                .mac
                .is_some_and(|mac| link.address.as_slice() == mac.destination)
        });
        if to_bridge {
            self.skb.pkt_type = pkt_type::HOST;
        }
        const LEARNING: u8 = 2;
        let state = self.port(port).state;
        if !matches!(state, LEARNING | BridgePort::FORWARDING) {
            return self.fail(Fate::Dropped, "bridge", || {
                "the port does not forward (spanning tree)".into()
            });
        }
        if self.sim.network.link(bridge).is_some_and(filters_vlans) {
            self.note(|| {
                "the bridge keeps VLANs apart; which of them its ports are in is not known here"
                    .into()
            });
        }
        if !self.run_hook(Family::Bridge, inet::PREROUTING, port, 0) {
            return;
        }
        if state == LEARNING {
            return self.fail(Fate::Dropped, "bridge", || {
                "the port only learns yet (spanning tree)".into()
            });
        }
        let destination = self.skb.mac.map(|mac| mac.destination).unwrap_or_default();
        if destination[0] & 1 != 0 {
            // To all ports and to the bridge itself: the copy for this machine is followed.
            self.note(|| "a frame for many also goes to the other ports of the bridge; its copy for this machine is shown".into());
            return self.bridge_pass_up(port, bridge);
        }
        let own = |index: u32| {
            let link = self.sim.network.link(index);
            link.is_some_and(|link| link.address.as_slice() == destination)
        };
        if own(bridge) || self.is_local_entry(bridge, destination) {
            return self.bridge_pass_up(port, bridge);
        }
        let Some(out) = self.port_for(bridge, destination) else {
            return self.flood(port, bridge);
        };
        if let Err(why) = self.may_leave(port, out) {
            return self.fail(Fate::Dropped, "bridge", || why.into());
        }
        self.bridge_forward_to(port, out);
    }

    fn port(&self, index: u32) -> BridgePort {
        let link = self.sim.network.link(index);
        link.map_or_else(BridgePort::default, bridge_port)
    }

    /// `should_deliver`: may a frame that came in by one port leave by another? If not, why.
    fn may_leave(&self, port: u32, out: u32) -> Result<(), &'static str> {
        let (from, to) = (self.port(port), self.port(out));
        if out == port && !to.hairpin {
            return Err("the station is behind the port it came from");
        }
        if !to.forwards() {
            return Err("the port that it would leave by does not forward (spanning tree)");
        }
        if from.isolated && to.isolated {
            return Err("both ports are isolated");
        }
        Ok(())
    }

    /// A local entry of the forwarding table: an address of a port.
    fn is_local_entry(&self, bridge: u32, destination: [u8; 6]) -> bool {
        let network = self.sim.network;
        network
            .links
            .iter()
            .any(|link| link.master == Some(bridge) && link.address.as_slice() == destination)
    }

    fn port_for(&self, bridge: u32, destination: [u8; 6]) -> Option<u32> {
        self.sim
            .network
            .neighbours
            .iter()
            .find(|entry| {
                entry.family == AF_BRIDGE
                    && entry.master == Some(bridge)
                    && entry.flags & neighbour_flags::SELF == 0
                    && entry.link_address.as_slice() == destination
                    && entry.index != bridge
            })
            .map(|entry| entry.index)
    }

    /// Nobody knows where the station is: every other port gets a copy.
    fn flood(&mut self, port: u32, bridge: u32) {
        let others: Vec<u32> = self
            .sim
            .network
            .links
            .iter()
            .filter(|link| link.master == Some(bridge) && link.is_up())
            .filter(|link| bridge_port(link).flood && self.may_leave(port, link.index).is_ok())
            .map(|link| link.index)
            .collect();
        let Some(first) = others.first() else {
            return self.fail(Fate::Dropped, "bridge", || {
                "no other port takes frames for stations that nobody knows".into()
            });
        };
        if others.len() > 1 {
            self.note(|| "the bridge does not know the station: all other ports get a copy, the first is shown".into());
        }
        self.bridge_forward_to(port, *first);
    }

    fn bridge_forward_to(&mut self, port: u32, out: u32) {
        if self.run_hook(Family::Bridge, inet::FORWARD, port, out)
            && self.run_hook(Family::Bridge, inet::POSTROUTING, 0, out)
            && self.run_egress(out)
        {
            self.end_at(Fate::Forwarded, out);
        }
    }

    /// `br_pass_frame_up`
    fn bridge_pass_up(&mut self, port: u32, bridge: u32) {
        if !self.run_hook(Family::Bridge, inet::INPUT, port, 0) {
            return;
        }
        let destination = self.skb.mac.map(|mac| mac.destination).unwrap_or_default();
        if destination[0] & 1 == 0 {
            let link = self.sim.network.link(bridge);
            let own = link.is_some_and(|link| link.address.as_slice() == destination)
                || self.is_local_entry(bridge, destination);
            self.skb.pkt_type = if own {
                pkt_type::HOST
            } else {
                pkt_type::OTHERHOST
            };
        }
        self.handle(bridge);
    }

    /// The bridge device sends: `br_dev_xmit`.
    pub(super) fn bridge_send(&mut self, fate: Fate, bridge: u32) {
        let Some(mac) = self.skb.mac else {
            self.note(|| "the station behind the bridge is not known".into());
            return self.end_at(fate, bridge);
        };
        let [first, ..] = mac.destination;
        let unicast = first & 1 == 0;
        let out = match unicast {
            true => self.port_for(bridge, mac.destination),
            false => None,
        };
        let out = out.or_else(|| {
            let links = &self.sim.network.links;
            let port = links.iter().find(|link| {
                let own = link.master == Some(bridge) && link.is_up();
                own && (!unicast || bridge_port(link).flood) && bridge_port(link).forwards()
            });
            port.map(|link| link.index)
        });
        let Some(out) = out else {
            return self.fail(Fate::Dropped, "bridge", || "no port is up".into());
        };
        if self.run_hook(Family::Bridge, inet::OUTPUT, 0, out)
            && self.run_hook(Family::Bridge, inet::POSTROUTING, 0, out)
            && self.run_egress(out)
        {
            self.end_at(fate, out);
        }
    }

    /// The IP family that br_netfilter calls for this frame, if it is told to.
    fn called_family(&self) -> Option<Family> {
        match self.skb.protocol {
            ETH_P_IP if self.sim.settings.br_call_ip => Some(Family::Ip),
            ETH_P_IPV6 if self.sim.settings.br_call_ip6 => Some(Family::Ip6),
            _ => None,
        }
    }

    /// `br_nf_pre_routing`: IP prerouting, with the bridge as device.
    pub(super) fn bridge_prerouting(&mut self) {
        let port = self.state.iif;
        let (Some(family), Some(bridge)) = (self.called_family(), self.bridge_of(port)) else {
            return;
        };
        let sane = match family {
            Family::Ip => self.ip4_sane(),
            _ => self.ip6_sane(bridge),
        };
        if !sane {
            return;
        }
        let other_host = self.skb.pkt_type == pkt_type::OTHERHOST;
        if other_host {
            self.skb.pkt_type = pkt_type::HOST;
        }
        let before = self.skb.dst();
        if !self.run_hook(family, inet::PREROUTING, bridge, 0) {
            return;
        }
        if other_host {
            self.skb.pkt_type = pkt_type::OTHERHOST;
        }
        self.nf_bridge = Some(BridgeInfo {
            prerouting_done: true,
            forwarded: false,
            other_host,
            in_port: port,
            out_port: 0,
        });
        if before != self.skb.dst() {
            self.bridge_redirected(family, bridge);
        }
    }

    /// Destination NAT inside the bridge: to another port, or up to be routed
    /// (`br_nf_pre_routing_finish`).
    fn bridge_redirected(&mut self, family: Family, bridge: u32) {
        let Some(mut key) = self.flow_key() else {
            return;
        };
        key.iif = bridge;
        let found = self.sim.fib.lookup(&key);
        let settings = &self.sim.settings;
        let forwarding = match family {
            Family::Ip => settings.device4(bridge).forwarding,
            _ => true,
        };
        let out = match &found {
            Ok(found) => found.hops.first().map(|hop| (hop.oif, hop.gateway)),
            Err(_) => None,
        };
        let local =
            matches!(&found, Ok(found) if found.kind == crate::model::network::RouteKind::Local);
        match out {
            Some((oif, gateway)) if oif == bridge && !local => {
                let station = gateway.or(self.skb.dst());
                match station.and_then(|hop| self.neighbour(bridge, hop)) {
                    Some(destination) => {
                        if let Some(mac) = &mut self.skb.mac {
                            mac.destination = destination;
                        }
                    }
                    None => self
                        .note(|| "the new destination's station on the bridge is not known".into()),
                }
            }
            // IPv4 answers "no way" with a route that refuses (`ip_error`), which is found for the bridge itself: the
            // frame goes up through the bridge's input, and ends at the route there.
            _ if forwarding && out.is_some() || local || family == Family::Ip => {
                let own: Option<[u8; 6]> = self
                    .sim
                    .network
                    .link(bridge)
                    .and_then(|link| link.address.as_slice().try_into().ok());
                if let (Some(mac), Some(own)) = (&mut self.skb.mac, own) {
                    mac.destination = own;
                }
                self.skb.pkt_type = pkt_type::HOST;
            }
            _ => self.fail(Fate::Dropped, "bridge", || {
                "no way to the new destination".into()
            }),
        }
    }

    fn neighbour(&self, device: u32, address: IpAddr) -> Option<[u8; 6]> {
        let neighbour =
            self.sim.network.neighbours.iter().find(|n| {
                n.index == device && n.address == Some(address) && n.family != AF_BRIDGE
            })?;
        neighbour.link_address.as_slice().try_into().ok()
    }

    /// `br_nf_forward`: the IP forward hook, with the bridge as both devices.
    pub(super) fn bridge_forward(&mut self) {
        let (port, out) = (self.state.iif, self.state.oif);
        if self.skb.protocol == ETH_P_ARP {
            if self.sim.settings.br_call_arp {
                self.run_hook(Family::Arp, crate::flow::hooks::arp::FORWARD, port, out);
            }
            return;
        }
        let Some(info) = self.nf_bridge else {
            return;
        };
        let family = match self.skb.protocol {
            ETH_P_IP => Family::Ip,
            ETH_P_IPV6 => Family::Ip6,
            _ => return,
        };
        let (Some(inside), Some(outside)) = (self.bridge_of(port), self.bridge_of(out)) else {
            return;
        };
        if let Some(info) = &mut self.nf_bridge {
            info.out_port = out;
        }
        self.skb.pkt_type = pkt_type::HOST;
        let passed = self.run_hook(family, inet::FORWARD, inside, outside);
        if info.other_host {
            self.skb.pkt_type = pkt_type::OTHERHOST;
        }
        if passed {
            self.nf_bridge = Some(BridgeInfo {
                forwarded: true,
                out_port: out,
                ..info
            });
        }
    }

    /// `br_nf_post_routing`: the IP postrouting hook, for packets that passed between ports.
    pub(super) fn bridge_postrouting(&mut self) {
        let Some(info) = self.nf_bridge.filter(|info| info.forwarded) else {
            return;
        };
        let family = match self.skb.protocol {
            ETH_P_IP => Family::Ip,
            ETH_P_IPV6 => Family::Ip6,
            _ => return,
        };
        let Some(bridge) = self.bridge_of(self.state.oif) else {
            return;
        };
        self.skb.pkt_type = pkt_type::HOST;
        self.run_hook(family, inet::POSTROUTING, 0, bridge);
        if info.other_host {
            self.skb.pkt_type = pkt_type::OTHERHOST;
        }
    }
}
