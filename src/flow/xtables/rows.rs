//! What tells the rules of a legacy chain apart, so that runs of them are passed over (see [`crate::flow::runs`]):
//! addresses, which the kernel compares before anything else, and the port behind them.

use super::super::packet::{IPPROTO_TCP, IPPROTO_UDP};
use super::super::path::Walk;
use super::super::runs::Run;
use super::Code;
use crate::model::xtables::Extension;
use crate::model::xtables::rule::Header;

const INVERTED_SOURCE: u8 = 8;
const INVERTED_DESTINATION: u8 = 0x10;
const INVERTED_PROTOCOL: u8 = 0x40;

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Of an address at this place of the header what the mask leaves.
    Ip {
        at: u8,
        mask: [u8; 4],
    },
    Ip6 {
        at: u8,
        mask: [u8; 16],
    },
    /// Protocol and destination port of TCP and UDP.
    Port,
}

fn port_value(proto: u8, port: u16) -> u128 {
    u128::from(proto) << 16 | u128::from(port)
}

/// The fields that a rule is decided by before it does anything, and what it wants of them.
pub fn wants(header: &Header, matches: &[Code]) -> impl Iterator<Item = (Field, u128)> {
    let [source, destination] = match header {
        Header::Ip(own) => {
            let side = |at, wanted: [u8; 4], mask: [u8; 4], inverted: u8| {
                (mask != [0; 4] && own.invflags & inverted == 0)
                    .then_some((Field::Ip { at, mask }, u32::from_be_bytes(wanted).into()))
            };
            [
                side(12, own.src, own.smsk, INVERTED_SOURCE),
                side(16, own.dst, own.dmsk, INVERTED_DESTINATION),
            ]
        }
        Header::Ip6(own) => {
            let side = |at, wanted: [u8; 16], mask: [u8; 16], inverted: u8| {
                (mask != [0; 16] && own.invflags & inverted == 0)
                    .then_some((Field::Ip6 { at, mask }, u128::from_be_bytes(wanted)))
            };
            [
                side(8, own.src, own.smsk, INVERTED_SOURCE),
                side(24, own.dst, own.dmsk, INVERTED_DESTINATION),
            ]
        }
        Header::Arp(_) | Header::Bridge(_) => [None, None],
    };
    let port = port(header, matches).map(|value| (Field::Port, value));
    [source, destination, port].into_iter().flatten()
}

/// Protocol and port of a rule whose first match wants one destination port.
fn port(header: &Header, matches: &[Code]) -> Option<u128> {
    let (proto, inverted) = match header {
        Header::Ip(own) => (own.proto, own.invflags & INVERTED_PROTOCOL != 0),
        Header::Ip6(own) => (own.proto, own.invflags & INVERTED_PROTOCOL != 0),
        Header::Arp(_) | Header::Bridge(_) => return None,
    };
    // Comments do nothing.
    let mut matches = matches.iter().map(|code| code.extension.as_ref().ok());
    let first = matches.find(|one| !matches!(one, Some(Extension::Comment(_))))??;
    const INVERTED_PORT: u8 = 2;
    let (own, ports, invflags) = match first {
        Extension::Tcp(tcp) => (IPPROTO_TCP, tcp.dpts, tcp.invflags),
        Extension::Udp(udp) => (IPPROTO_UDP, udp.dpts, udp.invflags),
        _ => return None,
    };
    let [first, last] = ports;
    let one = first == last && invflags & INVERTED_PORT == 0;
    (one && !inverted && proto == u16::from(own)).then(|| port_value(own, first))
}

impl Walk<'_, '_> {
    /// The first rule from `at` on, which is in this run, that is worth looking at.
    pub(super) fn pass_over_rows(&self, run: &Run<Field>, at: usize) -> usize {
        let bytes = |at: u8| self.skb.data.get(usize::from(at)..);
        let value = match run.field {
            Field::Ip { at, mask } => bytes(at)
                .and_then(|data| data.first_chunk())
                .map(|own| (u32::from_be_bytes(*own) & u32::from_be_bytes(mask)).into()),
            Field::Ip6 { at, mask } => bytes(at)
                .and_then(|data| data.first_chunk())
                .map(|own| u128::from_be_bytes(*own) & u128::from_be_bytes(mask)),
            Field::Port => match self.port_field() {
                Some(value) => Some(value),
                // A match that wants to see more drops the packet.
                None => return at,
            },
        };
        value.map_or(run.end, |value| run.next(value, at))
    }

    /// Protocol and destination port, where the matches of TCP and UDP read them.
    fn port_field(&self) -> Option<u128> {
        let l4 = self.l4;
        if !l4.known || l4.fragment != 0 {
            return None;
        }
        let header = match l4.proto {
            IPPROTO_TCP => 20,
            IPPROTO_UDP => 8,
            // No rule that wants a port is about it.
            other => return Some(port_value(other, 0)),
        };
        self.skb.data.get(l4.offset..l4.offset + header)?;
        let port = self.skb.u16_at(l4.offset + 2)?;
        Some(port_value(l4.proto, port))
    }
}
