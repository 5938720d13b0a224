//! Comparisons of ports, TCP flags and ICMP types: the `tcp`, `udp`, `icmp` and `icmp6` matches.

use super::{Held, Loaded, NotIptables, Reader, no};
use crate::lang::iptables::rule::Part;
use crate::model::expression::{CmpOp, PayloadBase};
use crate::model::xtables::Extension;
use crate::model::xtables::protocol::{Icmp, Tcp, Udp};
use crate::model::xtables::rule::Header;

const TCP: u16 = 6;
const UDP: u16 = 17;
const ICMP: u16 = 1;
const ICMP6: u16 = 58;

const ALL: [u16; 2] = [0, u16::MAX];

/// Source or destination ports of a match, where its bits of inversion are, and the bit for these ports.
type Ports<'m> = (&'m mut [u16; 2], &'m mut u8, u8);

impl Reader<'_> {
    fn proto(&self) -> Result<u16, NotIptables> {
        match &self.rule.header {
            Header::Ip(header) => Ok(header.proto),
            Header::Ip6(header) => Ok(header.proto),
            _ => no("ports in a family without them"),
        }
    }

    /// The match that holds ports; made when it is first needed.
    fn port_match(&mut self) -> Result<&mut Extension, NotIptables> {
        let index = match self.ports {
            Some(index) => index,
            None => {
                let made = match self.proto()? {
                    TCP => Extension::Tcp(Tcp {
                        spts: ALL,
                        dpts: ALL,
                        ..Tcp::default()
                    }),
                    UDP => Extension::Udp(Udp {
                        spts: ALL,
                        dpts: ALL,
                        ..Udp::default()
                    }),
                    _ => return no("ports of a protocol without them"),
                };
                let index = self.rule.parts.len();
                self.push(made);
                self.ports = Some(index);
                index
            }
        };
        match self.rule.parts.get_mut(index) {
            Some(Part::Known(extension)) => Ok(extension),
            _ => no("no match for ports"),
        }
    }

    fn ports(&mut self, destination: bool) -> Result<Ports<'_>, NotIptables> {
        match (self.port_match()?, destination) {
            (Extension::Tcp(tcp), false) => Ok((&mut tcp.spts, &mut tcp.invflags, 1)),
            (Extension::Tcp(tcp), true) => Ok((&mut tcp.dpts, &mut tcp.invflags, 2)),
            (Extension::Udp(udp), false) => Ok((&mut udp.spts, &mut udp.invflags, 1)),
            (Extension::Udp(udp), true) => Ok((&mut udp.dpts, &mut udp.invflags, 2)),
            _ => no("no match for ports"),
        }
    }

    fn port(&mut self, destination: bool, op: CmpOp, port: u16) -> Result<(), NotIptables> {
        let (ports, invflags, bit) = self.ports(destination)?;
        let [from, to] = ports;
        match op {
            CmpOp::Eq => *ports = [port, port],
            CmpOp::Neq => {
                *ports = [port, port];
                *invflags |= bit;
            }
            CmpOp::Lt => *to = port.saturating_sub(1).max(1),
            CmpOp::Lte => *to = port,
            CmpOp::Gt => *from = port.saturating_add(1),
            CmpOp::Gte => *from = port,
        }
        Ok(())
    }

    pub(super) fn port_range(
        &mut self,
        loaded: &Loaded,
        op: CmpOp,
        from: &[u8],
        to: &[u8],
    ) -> Result<(), NotIptables> {
        let Held::Payload {
            base: PayloadBase::Transport,
            offset: offset @ (0 | 2),
            ..
        } = loaded.held
        else {
            return no("a range of something else than ports");
        };
        let (Ok(from), Ok(to)) = (from.try_into(), to.try_into()) else {
            return no("a range of something else than ports");
        };
        let (range, invflags, bit) = self.ports(offset == 2)?;
        *range = [u16::from_be_bytes(from), u16::from_be_bytes(to)];
        if op == CmpOp::Neq {
            *invflags |= bit;
        }
        Ok(())
    }

    pub(super) fn transport(
        &mut self,
        offset: u32,
        masked: Option<&[u8]>,
        op: CmpOp,
        data: &[u8],
    ) -> Result<(), NotIptables> {
        let proto = self.proto()?;
        match (proto, offset, data) {
            (ICMP | ICMP6, 0, [kind]) => self.icmp(*kind, [0, u8::MAX]),
            (ICMP | ICMP6, 0, [kind, code]) => self.icmp(*kind, [*code, *code]),
            (ICMP, 1, [code]) => self.icmp(u8::MAX, [*code, *code]),
            (TCP | UDP, 0 | 2, [high, low]) => {
                self.port(offset == 2, op, u16::from_be_bytes([*high, *low]))
            }
            (TCP | UDP, 0, [a, b, c, d]) => {
                self.port(false, op, u16::from_be_bytes([*a, *b]))?;
                self.port(true, op, u16::from_be_bytes([*c, *d]))
            }
            (TCP, 13, [flags]) => {
                if let Extension::Tcp(tcp) = self.port_match()? {
                    tcp.flg_cmp = *flags;
                    tcp.flg_mask = masked
                        .and_then(|mask| mask.first())
                        .copied()
                        .unwrap_or(u8::MAX);
                    if op == CmpOp::Neq {
                        tcp.invflags |= 4;
                    }
                }
                Ok(())
            }
            _ => no("a part of the transport header that iptables does not look at"),
        }
    }

    fn icmp(&mut self, kind: u8, code: [u8; 2]) -> Result<(), NotIptables> {
        let icmp = Icmp {
            kind,
            code,
            invflags: 0,
        };
        self.push(match self.rule.header {
            Header::Ip6(_) => Extension::Icmp6(icmp),
            _ => Extension::Icmp(icmp),
        });
        Ok(())
    }
}
