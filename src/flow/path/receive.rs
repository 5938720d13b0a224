//! Arriving packets: device, IP input, routing decision, delivery and forwarding
//! (`net/core/dev.c`, `ip_input.c`, `route.c`, `ip_forward.c`, `ip6_input.c`, `ip6_output.c`).

use super::{Dst, Walk};
use crate::flow::fib::{FlowKey, Found, LOOPBACK, Refusal, SourceFault, is_link_local};
use crate::flow::frame::pkt_type;
use crate::flow::hooks::{arp, inet, netdev};
use crate::flow::packet::{ETH_P_ARP, ETH_P_IP, ETH_P_IPV6};
use crate::flow::report::{Fate, RouteStep, Step};
use crate::model::Family;
use crate::model::network::RouteKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn is_zero(address: Ipv4Addr) -> bool {
    address.octets()[0] == 0
}

impl<'s> Walk<'s, '_> {
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

    fn other_host(&mut self) {
        let mac = self.skb.mac.map(|mac| mac.destination).unwrap_or_default();
        self.fail(Fate::Dropped, "other_host", || {
            let text: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("the frame is for another station ({})", text.join(":"))
        });
    }

    /// `ip_rcv_core`: false when the packet is not fit to go on.
    pub(super) fn ip4_sane(&mut self) -> bool {
        let header = self.skb.v4_header_len();
        let total = usize::from(self.skb.u16_at(2).unwrap_or(0));
        let version = self.skb.u8_at(0).map(|byte| byte >> 4);
        let good = self.skb.data.len() >= 20
            && version == Some(4)
            && header >= 20
            && self.skb.data.len() >= header
            && total >= header
            && self.skb.data.len() >= total;
        if !good || self.skb.checksums.bad_ip {
            let why = if good {
                "wrong checksum"
            } else {
                "broken header"
            };
            self.fail(Fate::Dropped, "ip_header", || {
                format!("{why} of the IP packet")
            });
            return false;
        }
        self.skb.data.truncate(total);
        true
    }

    fn ip4_receive(&mut self, index: u32) {
        if self.skb.pkt_type == pkt_type::OTHERHOST {
            return self.other_host();
        }
        if !self.ip4_sane() {
            return;
        }
        let passed = self
            .nf_bridge
            .as_ref()
            .is_some_and(|info| info.prerouting_done);
        if !passed && !self.run_hook(Family::Ip, inet::PREROUTING, index, 0) {
            return;
        }
        if self.dst.as_ref().is_none_or(|dst| !dst.local) {
            self.ip4_route_input(index);
        } else {
            self.ip4_deliver(index);
        }
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

    /// `ip_route_input_slow`
    pub(super) fn ip4_route_input(&mut self, index: u32) {
        let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst)), Some(mut key)) =
            (self.skb.src(), self.skb.dst(), self.flow_key())
        else {
            return self.end(Fate::Dropped);
        };
        key.iif = index;
        let sim = self.sim;
        let own = sim.settings.device4(index);
        if dst.is_multicast() {
            return self.ip4_multicast(index, src, dst, &key);
        }
        if src.is_multicast() || src.is_broadcast() {
            return self.martian("source", src.into());
        }
        if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
            return self.ip4_broadcast(index, src, &key, None);
        }
        if is_zero(src) {
            return self.martian("source", src.into());
        }
        if is_zero(dst) {
            return self.martian("destination", dst.into());
        }
        if !own.route_localnet {
            if dst.is_loopback() {
                return self.martian("destination", dst.into());
            }
            if src.is_loopback() {
                return self.martian("source", src.into());
            }
        }
        let found = match sim.fib.lookup(&key) {
            Ok(found) => found,
            Err(refusal) => {
                if !own.forwarding {
                    return self.not_forwarding(index);
                }
                self.push_refusal(&refusal);
                return self.end(Fate::NoRoute);
            }
        };
        match found.kind {
            RouteKind::Broadcast if own.bc_forwarding => {}
            RouteKind::Broadcast => return self.ip4_broadcast(index, src, &key, Some(&found)),
            RouteKind::Local => {
                let back = FlowKey { oif: 0, ..key };
                if !self.source_is_valid(&back, index) {
                    return;
                }
                self.push_route("local", &found);
                return self.ip4_deliver(index);
            }
            _ if !own.forwarding => return self.not_forwarding(index),
            RouteKind::Unicast => {}
            _ => return self.martian("destination", dst.into()),
        }
        let (found, hop) = self.choose_hop(found);
        let back = FlowKey {
            oif: hop.oif,
            ..key
        };
        if !self.source_is_valid(&back, index) {
            return;
        }
        self.push_route("forward", &found);
        self.dst = Some(Dst {
            oif: hop.oif,
            gateway: hop.gateway,
            mtu: found.mtu,
            local: false,
        });
        self.ip4_forward(index);
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

    fn martian(&mut self, what: &'static str, address: IpAddr) {
        self.fail(Fate::Dropped, "martian", || {
            format!("{address} cannot be the {what} of a packet here")
        });
    }

    fn not_forwarding(&mut self, index: u32) {
        let sim = self.sim;
        self.fail(Fate::Dropped, "forwarding", || {
            let device = sim.network.link_name(index);
            format!("not for this machine, and forwarding is off on {device}")
        });
    }

    fn source_is_valid(&mut self, key: &FlowKey, index: u32) -> bool {
        let sim = self.sim;
        let result = sim.fib.validate4(key, index, &sim.settings);
        match result {
            Ok(()) => {
                if sim.settings.device4(index).rp_filter != 0 {
                    self.check("rp_filter", true, || "the way back is acceptable".into());
                }
                true
            }
            Err(fault) => {
                let (name, text) = match fault {
                    SourceFault::Local => {
                        ("local_source", "the source is an address of this machine")
                    }
                    SourceFault::Martian => ("martian", "the source is no station's address"),
                    SourceFault::ReversePath => (
                        "rp_filter",
                        "the way back does not lead out of the device it came in on",
                    ),
                };
                self.fail(Fate::Dropped, name, || {
                    format!("{text} ({})", sim.network.link_name(index))
                });
                false
            }
        }
    }

    fn ip4_broadcast(&mut self, index: u32, src: Ipv4Addr, key: &FlowKey, found: Option<&Found>) {
        if !is_zero(src) {
            let back = FlowKey {
                dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                oif: 0,
                ..*key
            };
            if !self.source_is_valid(&back, index) {
                return;
            }
        }
        match found {
            Some(found) => self.push_route("broadcast", found),
            None => self.check("broadcast", true, || "for everybody on the link".into()),
        }
        self.ip4_deliver(index);
    }

    /// `ip_route_input_mc`: to this machine when somebody here has joined the group.
    fn ip4_multicast(&mut self, index: u32, src: Ipv4Addr, dst: Ipv4Addr, key: &FlowKey) {
        let all_hosts = Ipv4Addr::new(224, 0, 0, 1);
        if dst != all_hosts {
            let sim = self.sim;
            let options = ["nobody has", "somebody has"];
            let what = || {
                let device = sim.network.link_name(index);
                format!("whether a program here has joined {dst} on {device}")
            };
            if self.decide(what, &options, true) == 0 {
                return self.fail(Fate::Dropped, "multicast", || {
                    format!("nobody here has joined {dst}")
                });
            }
        }
        if src.is_multicast() || src.is_broadcast() {
            return self.martian("source", src.into());
        }
        if src.is_loopback() && !self.sim.settings.device4(index).route_localnet {
            return self.martian("source", src.into());
        }
        if is_zero(src) {
            if dst.octets()[..3] != [224, 0, 0] {
                return self.martian("source", src.into());
            }
        } else {
            let back = FlowKey {
                dst: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                oif: 0,
                ..*key
            };
            if !self.source_is_valid(&back, index) {
                return;
            }
        }
        self.check("multicast", true, || {
            format!("this machine is in the group {dst}")
        });
        self.ip4_deliver(index);
    }

    /// `ip_local_deliver`
    pub(super) fn ip4_deliver(&mut self, index: u32) {
        let grouped = matches!(self.skb.pkt_type, pkt_type::BROADCAST | pkt_type::MULTICAST);
        if grouped
            && self
                .sim
                .settings
                .device4(index)
                .drop_unicast_in_l2_multicast
            && matches!(self.skb.dst(), Some(IpAddr::V4(dst)) if !dst.is_multicast() && !dst.is_broadcast())
        {
            return self.fail(Fate::Dropped, "l2_multicast", || {
                "a unicast packet in a frame for many".into()
            });
        }
        if self.skb.is_fragment() {
            return self.fail(Fate::Stolen, "defragmentation", || {
                "the fragment waits until the others have come".into()
            });
        }
        if self.run_hook(Family::Ip, inet::INPUT, index, 0) {
            self.end(Fate::Delivered);
        }
    }

    /// `ip_forward`
    fn ip4_forward(&mut self, index: u32) {
        if self.skb.pkt_type != pkt_type::HOST {
            return self.fail(Fate::Dropped, "packet_type", || {
                "only frames for this machine alone are forwarded".into()
            });
        }
        if self.skb.ttl() <= 1 {
            return self.fail(Fate::Dropped, "ttl", || {
                "the TTL is used up; the sender gets an ICMP error".into()
            });
        }
        if !self.fits_mtu() {
            return;
        }
        self.skb.decrease_ttl();
        if self.sim.settings.forward_priority {
            self.skb.priority = self.skb.tos_priority();
        }
        let Some(oif) = self.dst.as_ref().map(|dst| dst.oif) else {
            return self.end(Fate::Dropped);
        };
        if self.run_hook(Family::Ip, inet::FORWARD, index, oif) {
            self.output(Fate::Forwarded, index);
        }
    }

    /// Too big for the way on and not to be cut: the sender gets an ICMP error.
    fn fits_mtu(&mut self) -> bool {
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

    /// `ip6_rcv_core`: false when the packet is not fit to go on.
    pub(super) fn ip6_sane(&mut self, index: u32) -> bool {
        let version = self.skb.u8_at(0).map(|byte| byte >> 4);
        let payload = usize::from(self.skb.u16_at(4).unwrap_or(0));
        if self.skb.data.len() < 40 || version != Some(6) || self.skb.data.len() < payload + 40 {
            self.fail(Fate::Dropped, "ip_header", || "broken IPv6 header".into());
            return false;
        }
        if payload > 0 || self.skb.u8_at(6) != Some(0) {
            self.skb.data.truncate(payload + 40);
        }
        let (Some(IpAddr::V6(src)), Some(IpAddr::V6(dst))) = (self.skb.src(), self.skb.dst())
        else {
            return false;
        };
        let loopback = self
            .sim
            .network
            .link(index)
            .is_some_and(|link| link.is_loopback());
        let bad = if (src.is_loopback() || dst.is_loopback()) && !loopback {
            Some("the loopback address from outside")
        } else if src.is_multicast() {
            Some("a multicast address as source")
        } else if dst.is_multicast() && dst.octets()[1] & 15 == 0 {
            Some("a multicast address of scope 0")
        } else if dst.is_multicast() && dst.octets()[1] & 15 == 1 && !loopback {
            Some("an interface-local group from outside")
        } else {
            None
        };
        if let Some(why) = bad {
            self.fail(Fate::Dropped, "martian", || why.into());
            return false;
        }
        true
    }

    fn ip6_receive(&mut self, index: u32) {
        if self.skb.pkt_type == pkt_type::OTHERHOST {
            return self.other_host();
        }
        if self.sim.settings.device6(index).disabled {
            return self.fail(Fate::Dropped, "ipv6", || "IPv6 is off on the device".into());
        }
        if !self.ip6_sane(index) {
            return;
        }
        let passed = self
            .nf_bridge
            .as_ref()
            .is_some_and(|info| info.prerouting_done);
        if !passed && !self.run_hook(Family::Ip6, inet::PREROUTING, index, 0) {
            return;
        }
        if self.dst.as_ref().is_none_or(|dst| !dst.local) {
            self.ip6_route_input(index);
        } else {
            self.ip6_deliver(index);
        }
    }

    fn ip6_route_input(&mut self, index: u32) {
        let (Some(IpAddr::V6(src)), Some(IpAddr::V6(dst)), Some(mut key)) =
            (self.skb.src(), self.skb.dst(), self.flow_key())
        else {
            return self.end(Fate::Dropped);
        };
        key.iif = index;
        if dst.is_multicast() {
            return self.ip6_multicast(index, dst);
        }
        if is_link_local(dst) || dst.is_loopback() {
            (key.strict, key.oif) = (true, index);
        }
        let found = match self.sim.fib.lookup(&key) {
            Ok(found) => found,
            Err(refusal) => {
                self.push_refusal(&refusal);
                return self.end(Fate::NoRoute);
            }
        };
        match found.kind {
            RouteKind::Local | RouteKind::Anycast => {
                self.push_route("local", &found);
                return self.ip6_deliver(index);
            }
            _ => {}
        }
        let (found, hop) = self.choose_hop(found);
        self.push_route("forward", &found);
        self.dst = Some(Dst {
            oif: hop.oif,
            gateway: hop.gateway,
            mtu: found.mtu,
            local: false,
        });
        self.ip6_forward(index, src);
    }

    fn ip6_multicast(&mut self, index: u32, dst: Ipv6Addr) {
        let solicited = dst.segments()[..7] == [0xff02, 0, 0, 0, 0, 1, dst.segments()[6]]
            && dst.octets()[13] == 0xff
            || dst.octets()[..13] == [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        let everybody = dst == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)
            || dst == Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 1);
        let routers = matches!(
            dst.segments(),
            [0xff01 | 0xff02 | 0xff05, 0, 0, 0, 0, 0, 0, 2]
        );
        let own = self.sim.network.addresses_of(index).any(|address| {
            matches!(address.local.address, IpAddr::V6(own)
                if solicited && own.octets()[13..] == dst.octets()[13..])
        });
        let member = everybody || own || (routers && self.sim.settings.forwarding6);
        if !member {
            let sim = self.sim;
            let options = ["nobody has", "somebody has"];
            let what = || {
                let device = sim.network.link_name(index);
                format!("whether a program here has joined {dst} on {device}")
            };
            if self.decide(what, &options, true) == 0 {
                return self.fail(Fate::Dropped, "multicast", || {
                    format!("nobody here has joined {dst}")
                });
            }
        }
        self.check("multicast", true, || {
            format!("this machine is in the group {dst}")
        });
        self.ip6_deliver(index);
    }

    pub(super) fn ip6_deliver(&mut self, index: u32) {
        if !self.run_hook(Family::Ip6, inet::INPUT, index, 0) {
            return;
        }
        self.end(Fate::Delivered);
    }

    /// `ip6_forward`
    fn ip6_forward(&mut self, index: u32, src: Ipv6Addr) {
        let settings = &self.sim.settings;
        if !settings.forwarding6 && !settings.device6(index).force_forwarding {
            return self.fail(Fate::Dropped, "forwarding", || {
                "not for this machine, and net.ipv6.conf.all.forwarding is 0".into()
            });
        }
        if self.skb.pkt_type != pkt_type::HOST {
            return self.fail(Fate::Dropped, "packet_type", || {
                "only frames for this machine alone are forwarded".into()
            });
        }
        if self.skb.ttl() <= 1 {
            return self.fail(Fate::Dropped, "ttl", || {
                "the hop limit is used up; the sender gets an ICMP error".into()
            });
        }
        let Some(oif) = self.dst.as_ref().map(|dst| dst.oif) else {
            return self.end(Fate::Dropped);
        };
        if src.is_unspecified() || src.is_loopback() || is_link_local(src) {
            return self.fail(Fate::Dropped, "source_scope", || {
                format!("{src} is valid on its own link only")
            });
        }
        if !self.fits_mtu() {
            return;
        }
        self.skb.decrease_ttl();
        if self.run_hook(Family::Ip6, inet::FORWARD, index, oif) {
            self.output(Fate::Forwarded, index);
        }
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
