//! Arriving IPv6 packets: sanity, routing decision, delivery and forwarding (`ip6_input.c`, `ip6_output.c`).

use super::{Dst, Walk};
use crate::flow::fib::is_link_local;
use crate::flow::frame::pkt_type;
use crate::flow::hooks::inet;
use crate::flow::report::Fate;
use crate::model::Family;
use crate::model::network::RouteKind;
use std::net::{IpAddr, Ipv6Addr};

impl Walk<'_, '_> {
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

    pub(super) fn ip6_receive(&mut self, index: u32) {
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
}
