//! Connection tracking: tuples, the table of known flows, and what the tracker makes of a packet
//! (`nf_conntrack_core.c`, `nf_conntrack_proto_*.c`).

mod sctp;
mod tcp;
#[cfg(test)]
mod tests;
mod tracker;

pub use tracker::{Tracked, Tracker};

use super::frame::Skb;
use super::hash::{Map, with_room};
use super::packet::{IPPROTO_ICMP, IPPROTO_ICMPV6, has_ports};
use crate::model::conntrack::{Flow, Ports, ProtocolState, Tuple as ModelTuple, status};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// `struct nf_conntrack_tuple`: one direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: u8,
    /// Port, or the identifier of ICMP.
    pub sport: u16,
    /// Port, or type and code of ICMP.
    pub dport: u16,
}

/// In few words: a packet is looked up several times.
impl Hash for Tuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                state.write_u64(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()));
            }
            (src, dst) => {
                for address in [src, dst] {
                    let bits = match address {
                        IpAddr::V4(address) => address.to_bits().into(),
                        IpAddr::V6(address) => address.to_bits(),
                    };
                    state.write_u64(bits as u64);
                    state.write_u64((bits >> 64) as u64);
                }
            }
        }
        let ports = u64::from(self.sport) << 16 | u64::from(self.dport);
        state.write_u64(u64::from(self.proto) << 32 | ports);
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// What rules can see of an ICMP flow, but for its identifier and its age.
    fn without_id(flow: &Flow) -> Entry {
        let mut entry = Entry::from_flow(flow, 0);
        (entry.original.sport, entry.reply.sport, entry.timeout) = (0, 0, 0);
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

    /// A flow among those of its addresses, in words.
    pub fn words(&self, place: usize) -> String {
        let Some(flow) = self.flows.get(place) else {
            return "a flow".into();
        };
        let own = Tuple::from_model(&flow.original);
        format!("that of {} to {}, id {}", own.src, own.dst, own.sport)
    }

    /// Flows that fit, newest first (ids grow neither with time nor at all, timeouts do).
    fn newest_first(&self, fits: impl Fn(&Flow) -> bool) -> Vec<usize> {
        let flows = self.flows.iter().enumerate();
        let mut found: Vec<_> = flows
            .filter(|(_, flow)| fits(flow))
            .map(|(place, flow)| (flow.timeout.unwrap_or(0), place))
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, place)| place).collect()
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
