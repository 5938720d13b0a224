//! Connection tracking: tuples, the table of known flows, and what the tracker makes of a packet
//! (`nf_conntrack_core.c`, `nf_conntrack_proto_*.c`).

mod sctp;
mod tcp;

use super::frame::Skb;
use super::hash::{Map, with_room};
use super::packet::{
    CtOverride, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP,
    IPPROTO_UDPLITE, has_ports,
};
use crate::model::conntrack::{Flow, Ports, ProtocolState, Tuple as ModelTuple, status};
use std::net::IpAddr;

/// `struct nf_conntrack_tuple`: one direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: u8,
    /// Port, or the identifier of ICMP.
    pub sport: u16,
    /// Port, or type and code of ICMP.
    pub dport: u16,
}

/// ICMP types that are answered, and their answers, in the families of both.
fn inverse_icmp(v6: bool, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = if v6 {
        &[(128, 129), (139, 140)]
    } else {
        &[(8, 0), (13, 14), (15, 16), (17, 18)]
    };
    pairs.iter().find_map(|(a, b)| match kind {
        kind if kind == *a => Some(*b),
        kind if kind == *b => Some(*a),
        _ => None,
    })
}

fn is_icmp(proto: u8, v6: bool) -> bool {
    proto == if v6 { IPPROTO_ICMPV6 } else { IPPROTO_ICMP }
}

impl Tuple {
    pub fn from_model(tuple: &ModelTuple) -> Tuple {
        let (sport, dport) = match tuple.ports {
            Ports::None => (0, 0),
            Ports::Ports { src, dst } => (src, dst),
            Ports::Icmp { id, kind, code } => (id, u16::from_be_bytes([kind, code])),
        };
        Tuple {
            src: tuple.src,
            dst: tuple.dst,
            proto: tuple.protocol,
            sport,
            dport,
        }
    }

    /// As an answer looks (`nf_ct_invert_tuple`); `None`: nothing answers to this.
    pub fn invert(&self) -> Option<Tuple> {
        let v6 = self.src.is_ipv6();
        let (sport, dport) = if is_icmp(self.proto, v6) {
            let [kind, code] = self.dport.to_be_bytes();
            let kind = inverse_icmp(v6, kind)?;
            (self.sport, u16::from_be_bytes([kind, code]))
        } else {
            (self.dport, self.sport)
        };
        Some(Tuple {
            src: self.dst,
            dst: self.src,
            proto: self.proto,
            sport,
            dport,
        })
    }

    /// The tuple of a packet whose network header begins at `at` (`nf_ct_get_tuple`).
    fn of(skb: &Skb, proto: u8, offset: usize, src: IpAddr, dst: IpAddr) -> Option<Tuple> {
        let v6 = src.is_ipv6();
        let (sport, dport) = if has_ports(proto) {
            (skb.u16_at(offset)?, skb.u16_at(offset + 2)?)
        } else if is_icmp(proto, v6) {
            skb.data.get(offset..offset + 8)?;
            (skb.u16_at(offset + 4)?, skb.u16_at(offset)?)
        } else {
            (0, 0)
        };
        Some(Tuple {
            src,
            dst,
            proto,
            sport,
            dport,
        })
    }
}

/// Conntrack could tell which flow the packet belongs to (`nf_ct_get_tuplepr`).
pub fn has_tuple(skb: &Skb) -> bool {
    let l4 = skb.l4();
    match (skb.src(), skb.dst()) {
        (Some(src), Some(dst)) if l4.known && l4.fragment == 0 => {
            Tuple::of(skb, l4.proto, l4.offset, src, dst).is_some()
        }
        _ => false,
    }
}

/// `enum ip_conntrack_info` with the two states without an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CtInfo {
    /// No entry: not looked up yet, or refused.
    #[default]
    None,
    Untracked,
    New,
    Established,
    Related,
    EstablishedReply,
    RelatedReply,
}

impl CtInfo {
    pub fn is_reply(self) -> bool {
        matches!(self, CtInfo::EstablishedReply | CtInfo::RelatedReply)
    }

    pub fn has_entry(self) -> bool {
        !matches!(self, CtInfo::None | CtInfo::Untracked)
    }

    /// `NF_CT_STATE_BIT`
    pub fn bit(self) -> u32 {
        match self {
            CtInfo::None => 1,
            CtInfo::Established | CtInfo::EstablishedReply => 2,
            CtInfo::Related | CtInfo::RelatedReply => 4,
            CtInfo::New => 8,
            CtInfo::Untracked => 64,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            CtInfo::None => "invalid",
            CtInfo::Established | CtInfo::EstablishedReply => "established",
            CtInfo::Related | CtInfo::RelatedReply => "related",
            CtInfo::New => "new",
            CtInfo::Untracked => "untracked",
        }
    }
}

/// An entry as the packet sees it: a copy of a known one, or a new one.
#[derive(Clone, Debug)]
pub struct Entry {
    pub original: Tuple,
    pub reply: Tuple,
    /// `IPS_*`
    pub status: u32,
    pub mark: u32,
    pub zone: u16,
    pub labels: [u8; 16],
    /// Known to the kernel, as its place among the flows.
    pub flow: Option<usize>,
    pub tcp_state: Option<u8>,
    pub sctp_state: u8,
    /// Verification tags of the directions.
    pub sctp_tags: [u32; 2],
    pub helper: Option<String>,
    pub timeout: u32,
    pub packets: [u64; 2],
    pub bytes: [u64; 2],
}

impl Entry {
    pub fn new(original: Tuple, reply: Tuple, zone: u16) -> Entry {
        Entry {
            original,
            reply,
            status: 0,
            mark: 0,
            zone,
            labels: [0; 16],
            flow: None,
            tcp_state: None,
            sctp_state: 0,
            sctp_tags: [0; 2],
            helper: None,
            timeout: 0,
            packets: [0; 2],
            bytes: [0; 2],
        }
    }

    pub fn from_flow(flow: &Flow, place: usize) -> Entry {
        let mut entry = Entry::new(
            Tuple::from_model(&flow.original),
            Tuple::from_model(&flow.reply),
            flow.zone.unwrap_or(0),
        );
        entry.status = flow.status;
        entry.mark = flow.mark.unwrap_or(0);
        entry.flow = Some(place);
        entry.timeout = flow.timeout.unwrap_or(0);
        match flow.protocol_state {
            Some(ProtocolState::Tcp { state, .. }) => entry.tcp_state = Some(state),
            Some(ProtocolState::Sctp {
                state,
                tag_original,
                tag_reply,
            }) => {
                entry.sctp_state = state;
                entry.sctp_tags = [tag_original.unwrap_or(0), tag_reply.unwrap_or(0)];
            }
            _ => {}
        }
        if let Some(rare) = &flow.rare {
            entry.helper = rare.helper.as_ref().map(|name| name.to_string());
            if let Some(labels) = &rare.labels {
                for (own, byte) in entry.labels.iter_mut().zip(labels.iter()) {
                    *own = *byte;
                }
            }
        }
        let sides = entry.packets.iter_mut().zip(&mut entry.bytes);
        for ((packets, bytes), counter) in sides.zip([flow.counter_original, flow.counter_reply]) {
            if let Some(counter) = counter {
                *packets = counter.packets;
                *bytes = counter.bytes;
            }
        }
        entry
    }

    pub fn has(&self, flag: u32) -> bool {
        self.status & flag != 0
    }

    pub fn is_confirmed(&self) -> bool {
        self.has(status::CONFIRMED)
    }

    /// The tuple of a direction: 0 original, 1 reply.
    pub fn tuple(&self, direction: u8) -> &Tuple {
        if direction == 0 {
            &self.original
        } else {
            &self.reply
        }
    }
}

/// All known flows by both of their tuples.
pub struct Table<'a> {
    flows: &'a [Flow],
    index: Map<(Tuple, u16), (u32, u8)>,
    /// By source of the first packet, for source NAT that keeps its choice.
    by_source: Map<(IpAddr, u8, u16), Vec<u32>>,
}

impl<'a> Table<'a> {
    pub fn new(flows: &'a [Flow]) -> Table<'a> {
        let mut index = with_room(flows.len() * 2);
        let mut by_source: Map<_, Vec<u32>> = Map::default();
        for (place, flow) in (0u32..).zip(flows) {
            let zone = flow.zone.unwrap_or(0);
            let original = Tuple::from_model(&flow.original);
            let reply = Tuple::from_model(&flow.reply);
            index.insert((original, flow.original.zone.unwrap_or(zone)), (place, 0));
            index.insert((reply, flow.reply.zone.unwrap_or(zone)), (place, 1));
            if flow.status & status::SRC_NAT_DONE != 0 {
                let key = (original.src, original.proto, original.sport);
                by_source.entry(key).or_default().push(place);
            }
        }
        Table {
            flows,
            index,
            by_source,
        }
    }

    /// The entry that a tuple belongs to, and its direction.
    pub fn find(&self, tuple: &Tuple, zone: u16) -> Option<(usize, u8)> {
        let (place, direction) = self.index.get(&(*tuple, zone))?;
        Some((*place as usize, *direction))
    }

    pub fn flow(&self, place: usize) -> Option<&'a Flow> {
        self.flows.get(place)
    }

    /// The reply direction of the newest flow that fits (ids grow neither with time nor at all, timeouts do).
    fn newest(&self, fits: impl Fn(&Flow) -> bool) -> Option<(usize, u8)> {
        let flows = self.flows.iter().enumerate();
        let (newest, _) = flows
            .filter(|(_, flow)| fits(flow))
            .max_by_key(|(_, flow)| flow.timeout.unwrap_or(0))?;
        Some((newest, 1))
    }

    /// Flows from this source, newest last.
    pub fn from_source(&self, src: IpAddr, proto: u8, port: u16) -> impl Iterator<Item = &'a Flow> {
        let places = self.by_source.get(&(src, proto, port));
        places
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|place| self.flows.get(*place as usize))
    }
}

/// How the tracker looks at a packet.
pub struct Tracker<'a> {
    pub table: &'a Table<'a>,
    /// Zone that a template asks for, and the direction that it is for.
    pub zone: u16,
    pub checksum: bool,
    pub tcp_loose: bool,
    /// Nobody said which ICMP identifier the packet has.
    pub any_icmp_id: bool,
    /// The hook is prerouting, where checksums are looked at.
    pub prerouting: bool,
}

/// What tracking came to.
#[derive(Debug)]
pub struct Tracked {
    pub info: CtInfo,
    pub entry: Option<Entry>,
    /// Why it is invalid or untracked, in words.
    pub why: Option<&'static str>,
}

impl Tracked {
    fn invalid(why: &'static str) -> Tracked {
        Tracked {
            info: CtInfo::None,
            entry: None,
            why: Some(why),
        }
    }
}

impl Tracker<'_> {
    /// `nf_conntrack_in`
    pub fn track(&self, skb: &Skb) -> Tracked {
        let l4 = skb.l4();
        let (Some(src), Some(dst)) = (skb.src(), skb.dst()) else {
            return Tracked::invalid("no IP addresses");
        };
        if !l4.known || l4.fragment != 0 {
            return Tracked::invalid("no transport header");
        }
        let v6 = skb.is_v6();
        if is_icmp(l4.proto, v6) {
            match self.icmp_error(skb, l4.offset, v6) {
                Icmp::Done(tracked) => return *tracked,
                Icmp::Track => {}
            }
        }
        let Some(tuple) = Tuple::of(skb, l4.proto, l4.offset, src, dst) else {
            return Tracked::invalid("the transport header is cut off");
        };
        let found = self
            .table
            .find(&tuple, self.zone)
            .or_else(|| self.answer_of_any_id(&tuple));
        let (mut entry, direction) = match found {
            Some((place, direction)) => match self.table.flow(place) {
                Some(flow) => (Entry::from_flow(flow, place), direction),
                None => return Tracked::invalid("no such flow"),
            },
            None => match tuple.invert() {
                Some(reply) => (Entry::new(tuple, reply, self.zone), 0),
                None => return Tracked::invalid("ICMP of a kind that is not tracked"),
            },
        };
        let info = if direction == 1 {
            CtInfo::EstablishedReply
        } else if entry.has(status::SEEN_REPLY) {
            CtInfo::Established
        } else if entry.has(status::EXPECTED) {
            CtInfo::Related
        } else {
            CtInfo::New
        };
        if let Err(why) = self.packet(skb, l4.proto, l4.offset, &mut entry, direction) {
            return Tracked::invalid(why);
        }
        if info == CtInfo::EstablishedReply {
            entry.status |= status::SEEN_REPLY;
        }
        Tracked {
            info,
            entry: Some(entry),
            why: None,
        }
    }

    /// An ICMP answer without an identifier belongs to the newest question that it can answer.
    fn answer_of_any_id(&self, tuple: &Tuple) -> Option<(usize, u8)> {
        let kind = (tuple.dport >> 8) as u8;
        let answers = match tuple.src {
            IpAddr::V4(_) => matches!(kind, 0 | 14 | 16 | 18),
            IpAddr::V6(_) => matches!(kind, 129 | 140),
        };
        if !self.any_icmp_id || !is_icmp(tuple.proto, tuple.src.is_ipv6()) || !answers {
            return None;
        }
        self.table.newest(|flow| {
            let reply = Tuple::from_model(&flow.reply);
            let own = Tuple {
                sport: reply.sport,
                ..*tuple
            };
            reply == own && flow.zone.unwrap_or(0) == self.zone
        })
    }

    /// The protocol's own view: refuses what makes no sense, and steps the state.
    fn packet(
        &self,
        skb: &Skb,
        proto: u8,
        offset: usize,
        entry: &mut Entry,
        direction: u8,
    ) -> Result<(), &'static str> {
        let left = skb.data.len().saturating_sub(offset);
        let bad_checksum = self.checksum && self.prerouting && skb.checksums.bad_l4;
        match proto {
            IPPROTO_TCP => {
                let (Some(word), Some(flags)) = (skb.u8_at(offset + 12), skb.u8_at(offset + 13))
                else {
                    return Err("the TCP header is cut off");
                };
                let header = usize::from(word >> 4) * 4;
                if left < 20 || header < 20 || left < header {
                    return Err("the TCP header is cut off");
                }
                if bad_checksum {
                    return Err("bad TCP checksum");
                }
                if !tcp::flags_are_valid(flags) {
                    return Err("TCP flags that make no sense together");
                }
                self.tcp(flags, entry, direction)
            }
            IPPROTO_UDP | IPPROTO_UDPLITE => {
                let Some(length) = skb.u16_at(offset + 4) else {
                    return Err("the UDP header is cut off");
                };
                let length = usize::from(length);
                if left < 8 {
                    return Err("the UDP header is cut off");
                }
                if proto == IPPROTO_UDP && (length > left || length < 8) {
                    return Err("wrong UDP length");
                }
                if bad_checksum {
                    return Err("bad UDP checksum");
                }
                Ok(())
            }
            IPPROTO_SCTP => {
                if left < 12 {
                    return Err("the SCTP header is cut off");
                }
                if bad_checksum {
                    return Err("bad SCTP checksum");
                }
                sctp::packet(skb, offset, entry, direction)
            }
            IPPROTO_ICMP | IPPROTO_ICMPV6 if is_icmp(proto, skb.is_v6()) => {
                let kind = (entry.original.dport >> 8) as u8;
                let asks = match proto {
                    IPPROTO_ICMP => matches!(kind, 8 | 13 | 15 | 17),
                    _ => matches!(kind, 128 | 139),
                };
                if !entry.is_confirmed() && !asks {
                    return Err("an ICMP answer to nothing");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn tcp(&self, flags: u8, entry: &mut Entry, direction: u8) -> Result<(), &'static str> {
        let kind = tcp::kind(flags);
        let old = if entry.is_confirmed() {
            entry.tcp_state.unwrap_or(tcp::ESTABLISHED)
        } else {
            0
        };
        let next = tcp::NEXT
            .get(usize::from(direction))
            .and_then(|kinds| kinds.get(kind)?.get(usize::from(old)))
            .copied()
            .unwrap_or(tcp::INVALID);
        if !entry.is_confirmed() {
            if next == tcp::INVALID {
                return Err("TCP without a connection and not its beginning");
            }
            if next == tcp::ESTABLISHED && !self.tcp_loose {
                return Err(
                    "TCP in the middle of an unknown connection (nf_conntrack_tcp_loose=0)",
                );
            }
            entry.tcp_state = Some(next);
            return Ok(());
        }
        match next {
            tcp::INVALID => return Err("TCP that does not fit the connection's state"),
            tcp::IGNORE => return Ok(()),
            _ => {}
        }
        entry.tcp_state = Some(next);
        if !entry.has(status::SEEN_REPLY) {
            if kind == 4 {
                entry.status |= status::DYING;
            }
        } else if !entry.has(status::ASSURED)
            && matches!(old, tcp::SYN_RECV | tcp::ESTABLISHED)
            && next == tcp::ESTABLISHED
        {
            entry.status |= status::ASSURED;
        }
        Ok(())
    }

    /// Errors are about another packet; some kinds of ICMPv6 are never tracked.
    fn icmp_error(&self, skb: &Skb, offset: usize, v6: bool) -> Icmp {
        let (Some(kind), Some(code)) = (skb.u8_at(offset), skb.u8_at(offset + 1)) else {
            return Icmp::Done(Box::new(Tracked::invalid("the ICMP header is cut off")));
        };
        if skb.data.len() < offset + 8 {
            return Icmp::Done(Box::new(Tracked::invalid("the ICMP header is cut off")));
        }
        if self.checksum && self.prerouting && skb.checksums.bad_l4 {
            return Icmp::Done(Box::new(Tracked::invalid("bad ICMP checksum")));
        }
        if v6 {
            let discovery = matches!(kind, 130..=136 | 143);
            if discovery && code == 0 {
                return Icmp::Done(Box::new(Tracked {
                    info: CtInfo::Untracked,
                    entry: None,
                    why: Some("neighbour discovery and multicast listeners are not tracked"),
                }));
            }
            if kind >= 128 {
                return Icmp::Track;
            }
        } else {
            if kind > 18 {
                return Icmp::Done(Box::new(Tracked::invalid("ICMP of an unknown type")));
            }
            if !matches!(kind, 3 | 4 | 5 | 11 | 12) {
                return Icmp::Track;
            }
        }
        Icmp::Done(Box::new(self.about_another(skb, offset + 8, v6)))
    }

    /// `nf_conntrack_inet_error`: find the flow of the packet inside.
    fn about_another(&self, skb: &Skb, offset: usize, v6: bool) -> Tracked {
        let unknown = Tracked::invalid("an ICMP error about no known flow");
        let Some(bytes) = skb.data.get(offset..) else {
            return unknown;
        };
        let inner = Skb {
            data: bytes.to_vec(),
            protocol: skb.protocol,
            ..Skb::default()
        };
        let (Some(src), Some(dst)) = (inner.src(), inner.dst()) else {
            return unknown;
        };
        let l4 = inner.l4();
        let version = inner.u8_at(0).map(|byte| byte >> 4);
        if !l4.known || l4.fragment != 0 || version != Some(if v6 { 6 } else { 4 }) {
            return unknown;
        }
        let tuple = Tuple::of(&inner, l4.proto, l4.offset, src, dst);
        let Some(inverted) = tuple.and_then(|tuple| tuple.invert()) else {
            return unknown;
        };
        let Some((place, direction)) = self.table.find(&inverted, self.zone) else {
            return unknown;
        };
        let Some(flow) = self.table.flow(place) else {
            return unknown;
        };
        let entry = Entry::from_flow(flow, place);
        // The address it goes to must be the one that the packet inside came from.
        let own = entry.tuple(direction);
        if skb.dst() != Some(own.dst) {
            return Tracked::invalid("an ICMP error to somebody else than the sender");
        }
        Tracked {
            info: if direction == 1 {
                CtInfo::RelatedReply
            } else {
                CtInfo::Related
            },
            entry: Some(entry),
            why: None,
        }
    }

    /// What a person asked for instead of what the table says.
    pub fn forced(&self, skb: &Skb, state: CtOverride) -> Tracked {
        let l4 = skb.l4();
        let mut tracked = self.track(skb);
        let (Some(src), Some(dst)) = (skb.src(), skb.dst()) else {
            return tracked;
        };
        let bare = || {
            let tuple = Tuple::of(skb, l4.proto, l4.offset, src, dst).unwrap_or(Tuple {
                src,
                dst,
                proto: l4.proto,
                sport: 0,
                dport: 0,
            });
            let reply = tuple.invert().unwrap_or(Tuple {
                src: dst,
                dst: src,
                ..tuple
            });
            Entry::new(tuple, reply, self.zone)
        };
        let info = match state {
            CtOverride::Invalid => {
                return Tracked {
                    info: CtInfo::None,
                    entry: None,
                    why: Some("as asked for"),
                };
            }
            CtOverride::Untracked => {
                return Tracked {
                    info: CtInfo::Untracked,
                    entry: None,
                    why: Some("as asked for"),
                };
            }
            CtOverride::New => CtInfo::New,
            CtOverride::Established => CtInfo::Established,
            CtOverride::Related => CtInfo::Related,
        };
        let settled = status::CONFIRMED | status::SRC_NAT_DONE | status::DST_NAT_DONE;
        let mut entry = match tracked.entry.take() {
            // An entry that the packet has anyway keeps its translations.
            Some(entry) if info != CtInfo::New && entry.flow.is_some() => entry,
            _ => bare(),
        };
        if info == CtInfo::Established {
            entry.status |= settled | status::SEEN_REPLY;
        }
        let info = match (info, tracked.info.is_reply() && entry.flow.is_some()) {
            (CtInfo::Established, true) => CtInfo::EstablishedReply,
            (info, _) => info,
        };
        Tracked {
            info,
            entry: Some(entry),
            why: Some("as asked for"),
        }
    }
}

enum Icmp {
    Done(Box<Tracked>),
    Track,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Question;
    use crate::flow::frame;

    fn packet(src: &str, dst: &str, flags: u8) -> Skb {
        let question = Question {
            proto: Some(6),
            sport: Some(4000),
            dport: Some(80),
            tcp_flags: Some(flags),
            ..Question::default()
        };
        frame::build(&question, src.parse().unwrap(), dst.parse().unwrap()).unwrap()
    }

    fn flow(state: u8, flags: u32) -> Flow {
        let tuple = |src: &str, dst: &str, sport, dport| ModelTuple {
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            protocol: 6,
            ports: Ports::Ports {
                src: sport,
                dst: dport,
            },
            zone: None,
            unknown: Vec::new(),
        };
        Flow {
            family: 2,
            original: tuple("10.0.0.1", "10.0.0.2", 4000, 80),
            reply: tuple("10.0.0.2", "10.0.0.1", 80, 4000),
            status: flags | status::CONFIRMED,
            timeout: None,
            mark: Some(7),
            zone: None,
            id: None,
            use_count: None,
            protocol_state: Some(ProtocolState::Tcp {
                state,
                scale_original: None,
                scale_reply: None,
                flags_original: None,
                flags_reply: None,
            }),
            counter_original: None,
            counter_reply: None,
            rare: None,
        }
    }

    fn track(flows: &[Flow], skb: &Skb) -> Tracked {
        let table = Table::new(flows);
        let tracker = Tracker {
            table: &table,
            zone: 0,
            checksum: true,
            tcp_loose: true,
            any_icmp_id: false,
            prerouting: true,
        };
        tracker.track(skb)
    }

    #[test]
    fn first_packets() {
        let state = |flags| track(&[], &packet("10.0.0.1", "10.0.0.2", flags)).info;
        assert_eq!(state(0x02), CtInfo::New);
        assert_eq!(state(0x10), CtInfo::New);
        assert_eq!(state(0x12), CtInfo::None);
        assert_eq!(state(0x11), CtInfo::None);
        assert_eq!(state(0x00), CtInfo::None);
        assert_eq!(state(0x03), CtInfo::None);
    }

    #[test]
    fn known_flows() {
        let ack = packet("10.0.0.1", "10.0.0.2", 0x10);
        // An acknowledgement before the answer does not fit SYN_SENT.
        assert_eq!(track(&[flow(1, 0)], &ack).info, CtInfo::None);
        let established = track(&[flow(2, status::SEEN_REPLY)], &ack);
        assert_eq!(established.info, CtInfo::Established);
        let entry = established.entry.unwrap();
        assert!(entry.has(status::ASSURED));
        assert_eq!((entry.mark, entry.tcp_state), (7, Some(3)));
        let syn = packet("10.0.0.1", "10.0.0.2", 0x02);
        assert_eq!(track(&[flow(1, 0)], &syn).info, CtInfo::New);
    }

    #[test]
    fn icmp_tuples_turn_around() {
        let echo = Tuple {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            proto: 1,
            sport: 77,
            dport: 0x0800,
        };
        let answer = echo.invert().unwrap();
        assert_eq!((answer.sport, answer.dport), (77, 0));
        assert_eq!(answer.invert(), Some(echo));
        assert_eq!(
            Tuple {
                dport: 0x0900,
                ..echo
            }
            .invert(),
            None
        );
    }
}
