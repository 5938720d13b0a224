//! Packets on their way out: the lookup of a socket, the output hook with its re-routing, postrouting, the device
//! (`ip_output.c`, `route.c`, `ip6_output.c`, `netfilter.c` of both families).

use super::{Dst, Walk};
use crate::flow::fib::{FlowKey, Found, Hop, Hops, LOOPBACK, is_link_local};
use crate::flow::frame::Link;
use crate::flow::hooks::{Function, inet, netdev};
use crate::flow::report::{Fate, RuleVerdict, Step};
use crate::model::Family;
use crate::model::network::{RouteKind, scope};
use std::net::{IpAddr, Ipv4Addr};

/// Why the output lookup failed before any route was looked for.
enum NoOutput {
    Refused,
    /// The source or destination cannot be used.
    Invalid(String),
}

impl<'s> Walk<'s, '_> {
    fn family(&self) -> Family {
        if self.skb.is_v6() {
            Family::Ip6
        } else {
            Family::Ip
        }
    }

    /// A socket of this machine sends it.
    pub(in crate::flow) fn send(&mut self) {
        let Some(mut key) = self.flow_key() else {
            return self.end(Fate::Dropped);
        };
        key.uid = self.question.uid.unwrap_or(0);
        let chosen = key.src.is_unspecified();
        let found = match self.lookup_output(&key, !chosen) {
            Ok(found) => found,
            Err(NoOutput::Refused) => return self.end(Fate::NoRoute),
            Err(NoOutput::Invalid(why)) => return self.fail(Fate::NoRoute, "source", || why),
        };
        let (found, hop) = self.choose_hop(found);
        self.push_route("output", &found);
        if chosen {
            let Some(source) = self.sim.fib.source_for(&found, key.dst) else {
                return self.fail(Fate::NoRoute, "source", || {
                    "this machine has no address to send it from".into()
                });
            };
            self.skb.set_src(source);
            if let Some(Step::Route(route)) = self.steps.last_mut() {
                route.src = Some(source);
            }
        }
        let local = matches!(found.kind, RouteKind::Local | RouteKind::Anycast);
        let oif = if local { LOOPBACK } else { hop.oif };
        self.dst = Some(Dst {
            oif,
            gateway: hop.gateway,
            mtu: found.mtu,
            local,
        });
        if self.skb.is_v4() {
            // As a socket's IP_TOS sets it.
            self.skb.priority = self.skb.tos_priority();
        }
        let family = self.family();
        if self.run_hook(family, inet::OUTPUT, 0, oif) {
            self.output(Fate::Sent, 0);
        }
    }

    /// `ip_route_output_key_hash_rcu`, `ip6_route_output`
    fn lookup_output(&mut self, key: &FlowKey, check_source: bool) -> Result<Found, NoOutput> {
        let sim = self.sim;
        let mut key = *key;
        match (key.src, key.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                if check_source {
                    let bad = src.is_multicast() || src.is_broadcast() || src.octets()[0] == 0;
                    let owner = sim.fib.owner4(src);
                    if bad || owner.is_none() {
                        return Err(NoOutput::Invalid(format!(
                            "{src} is no address of this machine"
                        )));
                    }
                    if let Some(owner) = owner
                        && (dst.is_multicast() || dst.is_broadcast())
                    {
                        return Ok(on_link(owner, key.dst));
                    }
                }
                if dst.octets()[0] == 0 && !dst.is_unspecified() {
                    return Err(NoOutput::Invalid(format!("{dst} is no destination")));
                }
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                if is_link_local(dst) || dst.is_multicast() {
                    // Such a destination needs a device; the one with the source address is meant.
                    let owner = sim
                        .network
                        .addresses
                        .iter()
                        .find(|own| own.local.address == IpAddr::V6(src));
                    if let Some(owner) = owner {
                        (key.strict, key.oif) = (true, owner.index);
                    }
                }
            }
            _ => return Err(NoOutput::Invalid("two families".into())),
        }
        match sim.fib.lookup(&key) {
            Ok(found) => {
                let device = found.hops.first().map_or(0, |hop| hop.oif);
                let loopback = sim
                    .network
                    .link(device)
                    .is_some_and(|link| link.is_loopback());
                if let IpAddr::V4(src) = key.src
                    && src.is_loopback()
                    && !loopback
                    && found.kind != RouteKind::Local
                    && !sim.settings.device4(device).route_localnet
                {
                    return Err(NoOutput::Invalid(format!(
                        "{src} cannot leave by {}",
                        self.device(device)
                    )));
                }
                Ok(found)
            }
            Err(refusal) => {
                self.push_refusal(&refusal);
                Err(NoOutput::Refused)
            }
        }
    }

    /// A chain of type `route`: what it changes may change the way (`nf_route_table_hook4`, `_hook6`).
    pub(super) fn run_route_chain(&mut self, chain: usize) {
        let before = self.routing_facts();
        let verdict = self.run_chain(chain);
        self.take(verdict);
        if !self.is_over() && before != self.routing_facts() {
            self.reroute();
        }
    }

    /// What a route depends on and rules can change.
    pub(super) fn routing_facts(&self) -> (Option<IpAddr>, Option<IpAddr>, u32, u8, u32) {
        let extra = if self.skb.is_v6() {
            // Hop limit and flow label count as well.
            let label = self.skb.u16_at(2).unwrap_or(0);
            u32::from(label) << 8 | u32::from(self.skb.ttl())
        } else {
            0
        };
        (
            self.skb.src(),
            self.skb.dst(),
            self.skb.mark,
            self.skb.tos(),
            extra,
        )
    }

    /// `ip_route_me_harder`, `ip6_route_me_harder`: a new lookup. The source stays, hooks that are still to come
    /// see the old device.
    pub(super) fn reroute(&mut self) {
        let Some(full) = self.flow_key() else {
            return;
        };
        let sim = self.sim;
        let mut key = FlowKey {
            mark: full.mark,
            tos: full.tos,
            ..FlowKey::new(full.src, full.dst)
        };
        let mut any_source = false;
        match key.src {
            IpAddr::V4(src) => {
                any_source = matches!(
                    sim.fib.kind4(src, None),
                    RouteKind::Local | RouteKind::Unicast
                );
                if !any_source {
                    key.src = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                }
            }
            IpAddr::V6(_) => {
                key.uid = self.question.uid.unwrap_or(0);
                (key.proto, key.sport, key.dport) = (full.proto, full.sport, full.dport);
                if let IpAddr::V6(dst) = key.dst
                    && (dst.is_multicast() || is_link_local(dst))
                {
                    (key.strict, key.oif) = (true, self.dst.as_ref().map_or(0, |dst| dst.oif));
                }
            }
        }
        let check = !any_source && key.src.is_ipv4() && !key.src.is_unspecified();
        match self.lookup_output(&key, check) {
            Ok(found) => {
                let (found, hop) = self.choose_hop(found);
                self.push_route("reroute", &found);
                let local = matches!(found.kind, RouteKind::Local | RouteKind::Anycast);
                self.dst = Some(Dst {
                    oif: if local { LOOPBACK } else { hop.oif },
                    gateway: hop.gateway,
                    mtu: found.mtu,
                    local,
                });
            }
            Err(NoOutput::Refused) => self.end(Fate::Dropped),
            Err(NoOutput::Invalid(why)) => self.fail(Fate::Dropped, "reroute", || why),
        }
    }

    /// After the NAT function: destinations that changed need a new route.
    pub(super) fn after_nat(&mut self, before: Option<IpAddr>) {
        match self.state.hook {
            inet::PREROUTING if before != self.skb.dst() => self.dst = None,
            inet::OUTPUT => {
                let Some(entry) = self.entry.as_deref() else {
                    return;
                };
                let reply = u8::from(self.ct_info.is_reply());
                let own = entry.tuple(reply).dst;
                let other = entry.tuple(1 - reply).src;
                if own != other {
                    self.reroute();
                }
            }
            _ => {}
        }
    }

    /// Postrouting and the device.
    pub(super) fn output(&mut self, fate: Fate, iif: u32) {
        let family = self.family();
        let Some(oif) = self.dst.as_ref().map(|dst| dst.oif) else {
            return self.end(Fate::Dropped);
        };
        if !self.run_hook(family, inet::POSTROUTING, iif, oif) {
            return;
        }
        self.transmit(fate, oif);
    }

    /// A device takes the packet.
    pub(super) fn transmit(&mut self, fate: Fate, oif: u32) {
        let sim = self.sim;
        let Some(link) = sim.network.link(oif) else {
            return self.end_at(fate, oif);
        };
        let own: Option<[u8; 6]> = link.address.as_slice().try_into().ok();
        if let Some(source) = own {
            self.skb.mac = self.next_station(oif).map(|destination| Link {
                destination,
                source,
                protocol: self.skb.protocol,
            });
        }
        if !self.run_egress(oif) {
            return;
        }
        if link.tc.egress > 0 || link.tc.tcx_egress.as_ref().is_some_and(|p| !p.is_empty()) {
            self.note(|| format!("traffic control on {} decides at the end", link.name));
        }
        if link.is_loopback() {
            return self.loop_back();
        }
        if link.kind.as_deref() == Some("bridge") {
            return self.bridge_send(fate, oif);
        }
        if let (Some(vlan), Some(lower)) = (link.vlan, link.lower)
            && link.lower_netns.is_none()
        {
            self.skb.vlan = Some((vlan.protocol, vlan.id));
            if !self.run_egress(lower) {
                return;
            }
        }
        self.end_at(fate, oif);
    }

    /// The station that the frame goes to, if its address is known.
    fn next_station(&self, oif: u32) -> Option<[u8; 6]> {
        let hop = self
            .dst
            .as_ref()
            .and_then(|dst| dst.gateway)
            .or(self.skb.dst())?;
        match hop {
            IpAddr::V4(a) if a.is_broadcast() => return Some([0xff; 6]),
            IpAddr::V4(a) if a.is_multicast() => {
                let [_, b, c, d] = a.octets();
                return Some([1, 0, 0x5e, b & 0x7f, c, d]);
            }
            IpAddr::V6(a) if a.is_multicast() => {
                let o = a.octets();
                return Some([0x33, 0x33, o[12], o[13], o[14], o[15]]);
            }
            IpAddr::V4(a) if self.sim.fib.kind4(a, None) == RouteKind::Broadcast => {
                return Some([0xff; 6]);
            }
            _ => {}
        }
        let neighbour = self
            .sim
            .network
            .neighbours
            .iter()
            .find(|n| n.index == oif && n.address == Some(hop) && n.family != 7)?;
        neighbour.link_address.as_slice().try_into().ok()
    }

    pub(super) fn run_egress(&mut self, index: u32) -> bool {
        let sim = self.sim;
        for entry in sim.hooks.egress(index) {
            let Function::Nft(chain) = entry.function else {
                continue;
            };
            self.enter(Family::Netdev, netdev::EGRESS, 0, index);
            self.state.is_egress = true;
            let verdict = self.run_chain(chain);
            if verdict == RuleVerdict::Stolen {
                // Forwarded to another device by the rule.
                self.end(Fate::Stolen);
            }
            self.take(verdict);
            if self.is_over() {
                return false;
            }
        }
        true
    }
}

/// Multicast and broadcast leave by the device of their source.
fn on_link(device: u32, dst: IpAddr) -> Found {
    Found {
        rule: None,
        table: 0,
        prefix: crate::model::network::Prefix::new(dst, 32),
        kind: RouteKind::Unicast,
        scope: scope::LINK,
        source: None,
        hops: Hops::One([Hop {
            oif: device,
            gateway: None,
            weight: 1,
        }]),
        mtu: None,
    }
}
