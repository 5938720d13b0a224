//! What the tracker makes of a packet: which flow it belongs to, in which state, or why it is invalid
//! (`nf_conntrack_in`, `nf_conntrack_inet_error`).

use super::{CtInfo, Entry, Table, Tuple, is_icmp, sctp, tcp};
use crate::flow::frame::Skb;
use crate::flow::packet::{
    CtOverride, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP,
    IPPROTO_UDPLITE,
};
use crate::model::conntrack::status;

/// How the tracker looks at a packet.
pub struct Tracker<'a> {
    pub table: &'a Table<'a>,
    /// Zone that a template asks for, and the direction that it is for.
    pub zone: u16,
    pub checksum: bool,
    pub tcp_loose: bool,
    /// Nobody said which identifier the packet has: the flow of an ICMP answer, out of [`Tracker::questions`].
    pub answers: Option<usize>,
    /// The hook is prerouting, where checksums are looked at.
    pub prerouting: bool,
}

/// What tracking came to.
#[derive(Debug)]
pub struct Tracked {
    pub info: CtInfo,
    pub entry: Option<Entry>,
    /// The known flow that it is of, as its place, even where it does not fit in.
    pub flow: Option<usize>,
    /// Why it is invalid or untracked, in words.
    pub why: Option<&'static str>,
}

impl Tracked {
    fn invalid(why: &'static str) -> Tracked {
        Tracked {
            info: CtInfo::None,
            entry: None,
            flow: None,
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
            .or_else(|| Some((self.answers?, 1)));
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
            return Tracked {
                flow: entry.flow,
                ..Tracked::invalid(why)
            };
        }
        if info == CtInfo::EstablishedReply {
            entry.status |= status::SEEN_REPLY;
        }
        Tracked {
            info,
            flow: entry.flow,
            entry: Some(entry),
            why: None,
        }
    }

    /// The flows that an ICMP answer could belong to when nobody said which identifier it has, newest first. Of those
    /// in which rules see no difference there is only one.
    pub fn questions(&self, skb: &Skb) -> Vec<usize> {
        let l4 = skb.l4();
        let v6 = skb.is_v6();
        if !is_icmp(l4.proto, v6) || !l4.known || l4.fragment != 0 {
            return Vec::new();
        }
        let (Some(src), Some(dst), Some(kind)) = (skb.src(), skb.dst(), skb.u8_at(l4.offset))
        else {
            return Vec::new();
        };
        let answers = match v6 {
            false => matches!(kind, 0 | 14 | 16 | 18),
            true => matches!(kind, 129 | 140),
        };
        let tuple = Tuple::of(skb, l4.proto, l4.offset, src, dst).filter(|_| answers);
        let Some(tuple) = tuple.filter(|tuple| self.table.find(tuple, self.zone).is_none()) else {
            return Vec::new();
        };
        let mut seen = Vec::new();
        let mut places = self.table.newest_first(|flow| {
            let reply = Tuple::from_model(&flow.reply);
            let own = Tuple {
                sport: reply.sport,
                ..tuple
            };
            reply == own && flow.zone.unwrap_or(0) == self.zone
        });
        places.retain(|place| {
            let look = self.table.flow(*place).map(Entry::without_id);
            let new = !seen.contains(&look);
            seen.push(look);
            new
        });
        places
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
                    flow: None,
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
            return Tracked {
                flow: Some(place),
                ..Tracked::invalid("an ICMP error to somebody else than the sender")
            };
        }
        Tracked {
            flow: Some(place),
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
                    flow: None,
                    why: Some("as asked for"),
                };
            }
            CtOverride::Untracked => {
                return Tracked {
                    info: CtInfo::Untracked,
                    entry: None,
                    flow: None,
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
            flow: entry.flow,
            entry: Some(entry),
            why: Some("as asked for"),
        }
    }
}

enum Icmp {
    Done(Box<Tracked>),
    Track,
}
