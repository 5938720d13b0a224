//! Arriving IPv4 packets: sanity, routing decision, delivery and forwarding (`ip_input.c`, `route.c`, `ip_forward.c`).

use super::{Dst, Walk};
use crate::flow::fib::{FlowKey, Found, SourceFault};
use crate::flow::frame::pkt_type;
use crate::flow::hooks::inet;
use crate::flow::report::Fate;
use crate::model::Family;
use crate::model::network::RouteKind;
use std::net::{IpAddr, Ipv4Addr};

fn is_zero(address: Ipv4Addr) -> bool {
    address.octets()[0] == 0
}

impl Walk<'_, '_> {
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

    pub(super) fn ip4_receive(&mut self, index: u32) {
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
}
