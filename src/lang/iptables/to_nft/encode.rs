//! One rule as expressions, in the order in which iptables-nft writes them.

use super::super::rule::{Part, Rule, Target};
use super::super::save::rate_unit;
use crate::kernel::xtables;
use crate::model::expression::{BitwiseOp, CmpOp, Data, Expression, PayloadBase, Verdict, Xtables};
use crate::model::set::{Element, Set};
use crate::model::xtables::rule::{ArpHeader, BridgeHeader, Header, LegacyVerdict};
use crate::model::xtables::{Extension, ExtensionKind};
use crate::model::{self};

/// `NFT_REG_1`, `NFT_REG32_01`
pub(super) const REG_1: u32 = 1;
const REG32_01: u32 = 9;

/// `enum nft_meta_keys`
pub(super) mod key {
    pub const PROTOCOL: u32 = 1;
    pub const MARK: u32 = 3;
    pub const IIFNAME: u32 = 6;
    pub const OIFNAME: u32 = 7;
    pub const NFTRACE: u32 = 12;
    pub const L4PROTO: u32 = 16;
    pub const BRI_IIFNAME: u32 = 17;
    pub const BRI_OIFNAME: u32 = 18;
}

/// What a rule becomes, with the sets it looks into.
#[derive(Debug, Default)]
pub struct Encoded {
    pub expressions: Vec<Expression>,
    pub compat: Option<(u32, u32)>,
    /// Anonymous sets and their elements.
    pub sets: Vec<(Set, Vec<Element>)>,
}

/// Encode one rule. `next_set` numbers anonymous sets within the transaction.
pub fn rule(rule: &Rule, next_set: &mut u32) -> Encoded {
    let mut out = Encoder {
        out: Encoded::default(),
        next_set,
    };
    match &rule.header {
        Header::Ip(h) => {
            out.device(key::IIFNAME, &h.input.name, h.invflags & 1 != 0, true);
            out.device(key::OIFNAME, &h.output.name, h.invflags & 2 != 0, true);
            out.protocol(h.proto, h.invflags & 0x40 != 0);
            for (offset, addr, mask, bit) in [(12, h.src, h.smsk, 8), (16, h.dst, h.dmsk, 0x10)] {
                let inverted = h.invflags & bit != 0;
                if addr != [0; 4] || mask != [0; 4] || inverted {
                    out.address(PayloadBase::Network, offset, &addr, &mask, inverted);
                }
            }
            if h.flags & 1 != 0 {
                out.payload(PayloadBase::Network, 6, 2);
                out.mask(&[0x1f, 0xff]);
                let op = if h.invflags & 0x20 != 0 {
                    CmpOp::Eq
                } else {
                    CmpOp::Neq
                };
                out.cmp(op, vec![0, 0]);
            }
            out.compat(h.proto, h.invflags & 0x40 != 0);
        }
        Header::Ip6(h) => {
            out.device(key::IIFNAME, &h.input.name, h.invflags & 1 != 0, true);
            out.device(key::OIFNAME, &h.output.name, h.invflags & 2 != 0, true);
            out.protocol(h.proto, h.invflags & 0x40 != 0);
            for (offset, addr, mask, bit) in [(8, h.src, h.smsk, 8), (24, h.dst, h.dmsk, 0x10)] {
                let inverted = h.invflags & bit != 0;
                if addr != [0; 16] || mask != [0; 16] || inverted {
                    out.address(PayloadBase::Network, offset, &addr, &mask, inverted);
                }
            }
            out.compat(h.proto, h.invflags & 0x40 != 0);
        }
        Header::Arp(h) => out.arp(h),
        Header::Bridge(h) => out.bridge(h),
    }
    for part in &rule.parts {
        out.part(part);
    }
    out.push(Expression::Counter(rule.counters));
    out.target(&rule.target);
    out.out
}

pub(super) struct Encoder<'e> {
    pub(super) out: Encoded,
    pub(super) next_set: &'e mut u32,
}

fn eq(inverted: bool) -> CmpOp {
    if inverted { CmpOp::Neq } else { CmpOp::Eq }
}

impl Encoder<'_> {
    pub(super) fn push(&mut self, expression: Expression) {
        self.out.expressions.push(expression);
    }

    pub(super) fn meta(&mut self, key: u32) {
        self.push(Expression::Meta { dreg: REG_1, key });
    }

    pub(super) fn payload(&mut self, base: PayloadBase, offset: u32, len: u32) {
        self.push(Expression::Payload {
            dreg: REG_1,
            base,
            offset,
            len,
        });
    }

    fn mask(&mut self, mask: &[u8]) {
        self.push(Expression::Bitwise {
            sreg: REG_1,
            dreg: REG_1,
            len: mask.len() as u32,
            op: BitwiseOp::Mask {
                mask: mask.to_vec(),
                xor: vec![0; mask.len()],
            },
        });
    }

    pub(super) fn cmp(&mut self, op: CmpOp, data: Vec<u8>) {
        self.push(Expression::Cmp {
            sreg: REG_1,
            op,
            data,
        });
    }

    /// A device, or the beginning of its name. `any` knows what `+` alone means.
    fn device(&mut self, key: u32, name: &[u8; 16], inverted: bool, any: bool) {
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(16);
        let Some((last, begin)) = name.get(..len).and_then(<[u8]>::split_last) else {
            return;
        };
        self.meta(key);
        if *last != b'+' {
            let mut whole = name.get(..len).unwrap_or_default().to_vec();
            whole.push(0);
            self.cmp(eq(inverted), whole);
        } else if !begin.is_empty() || !any {
            self.cmp(eq(inverted), begin.to_vec());
        } else if inverted {
            self.cmp(CmpOp::Eq, b"INVAL/D\0".to_vec());
        }
    }

    fn protocol(&mut self, proto: u16, inverted: bool) {
        if proto != 0 {
            self.meta(key::L4PROTO);
            self.cmp(eq(inverted), vec![proto as u8]);
        }
    }

    fn compat(&mut self, proto: u16, inverted: bool) {
        // NFT_RULE_COMPAT_F_INV
        self.out.compat = Some((u32::from(proto), u32::from(inverted) << 1));
    }

    /// An address under a mask; a mask of whole bytes shortens what is compared.
    fn address(
        &mut self,
        base: PayloadBase,
        offset: u32,
        addr: &[u8],
        mask: &[u8],
        inverted: bool,
    ) {
        let ones = mask.iter().take_while(|&&byte| byte == 0xff).count();
        let rest = mask.get(ones..).unwrap_or_default();
        let masked = rest.iter().any(|&byte| byte != 0);
        let len = if masked { mask.len() } else { ones };
        self.payload(base, offset, len as u32);
        if masked {
            self.mask(mask);
        }
        self.cmp(eq(inverted), addr.get(..len).unwrap_or_default().to_vec());
    }

    fn arp(&mut self, h: &ArpHeader) {
        let inverted = |bit: u16| h.invflags & bit != 0;
        self.device(key::IIFNAME, &h.input.name, inverted(1), true);
        self.device(key::OIFNAME, &h.output.name, inverted(2), true);
        let net = PayloadBase::Network;
        for (offset, value, bit) in [(0, h.arhrd, 0x80), (2, h.arpro, 0x100)] {
            if value != 0 || inverted(bit) {
                self.payload(net, offset, 2);
                self.cmp(eq(inverted(bit)), value.to_be_bytes().to_vec());
            }
        }
        if h.arhln != 0 || inverted(0x200) {
            self.payload(net, 4, 1);
            self.cmp(eq(inverted(0x200)), vec![h.arhln]);
        }
        self.payload(net, 5, 1);
        self.cmp(CmpOp::Eq, vec![4]);
        if h.arpop != 0 || inverted(0x40) {
            self.payload(net, 6, 2);
            self.cmp(eq(inverted(0x40)), h.arpop.to_be_bytes().to_vec());
        }
        let hardware = u32::from(h.arhln);
        let sides = [
            (8, &h.src_devaddr, 0x10, h.src, h.smsk, 4),
            (8 + hardware + 4, &h.tgt_devaddr, 0x20, h.tgt, h.tmsk, 8),
        ];
        for (offset, mac, mac_bit, addr, mask, bit) in sides {
            let (mac_addr, mac_mask) = (mac.addr.get(..6), mac.mask.get(..6));
            let (mac_addr, mac_mask) = (mac_addr.unwrap_or_default(), mac_mask.unwrap_or_default());
            if mac_addr.iter().chain(mac_mask).any(|&byte| byte != 0) {
                self.address(net, offset, mac_addr, mac_mask, inverted(mac_bit));
            }
            if addr != [0; 4] || mask != [0; 4] || inverted(bit) {
                self.address(net, offset + hardware, &addr, &mask, inverted(bit));
            }
        }
    }

    fn bridge(&mut self, h: &BridgeHeader) {
        let inverted = |bit: u32| h.invflags & bit != 0;
        self.device(key::IIFNAME, &h.input, inverted(2), true);
        self.device(key::OIFNAME, &h.output, inverted(4), true);
        self.device(key::BRI_IIFNAME, &h.logical_input, inverted(0x20), false);
        self.device(key::BRI_OIFNAME, &h.logical_output, inverted(0x40), false);
        let link = PayloadBase::Link;
        if h.bitmask & 4 != 0 {
            self.address(link, 6, &h.source, &h.source_mask, inverted(8));
        }
        if h.bitmask & 8 != 0 {
            self.address(link, 0, &h.destination, &h.destination_mask, inverted(0x10));
        }
        if h.bitmask & 1 == 0 {
            self.payload(link, 12, 2);
            if h.bitmask & 2 != 0 {
                let op = if inverted(1) { CmpOp::Gte } else { CmpOp::Lt };
                self.cmp(op, 0x0600u16.to_be_bytes().to_vec());
            } else {
                self.cmp(eq(inverted(1)), h.ethproto.to_be_bytes().to_vec());
            }
        }
        // The number stands there as it is on the wire.
        self.compat(h.ethproto.to_be(), inverted(1));
    }

    fn xtables(extension: &Extension) -> Xtables {
        let (name, revision) = extension.name();
        Xtables {
            name: name.into(),
            revision,
            info: xtables::encode(extension),
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Known(Extension::Limit(limit)) => self.limit(limit.avg, limit.burst),
            Part::Known(Extension::EbtLimit(limit)) => self.limit(limit.avg, limit.burst),
            Part::Known(Extension::Mark(mark)) => {
                self.meta(key::MARK);
                if mark.mask != u32::MAX {
                    self.mask(&mark.mask.to_ne_bytes());
                }
                self.cmp(eq(mark.invert != 0), mark.mark.to_ne_bytes().to_vec());
            }
            Part::Known(whole @ Extension::Tcp(tcp)) => {
                let ports = (tcp.spts, tcp.dpts) != ALL_PORTS;
                let plain = tcp.option == 0 && tcp.invflags & !7 == 0;
                if !plain || (!ports && tcp.flg_mask == 0 && tcp.flg_cmp == 0 && tcp.invflags == 0)
                {
                    self.push(Expression::Match(Self::xtables(whole)));
                    return;
                }
                if tcp.flg_mask != 0 {
                    self.payload(PayloadBase::Transport, 13, 1);
                    self.mask(&[tcp.flg_mask]);
                    self.cmp(eq(tcp.invflags & 4 != 0), vec![tcp.flg_cmp]);
                }
                self.ports(
                    tcp.spts,
                    tcp.invflags & 1 != 0,
                    tcp.dpts,
                    tcp.invflags & 2 != 0,
                );
            }
            Part::Known(whole @ Extension::Udp(udp)) => {
                if udp.invflags == 0 && (udp.spts, udp.dpts) == ALL_PORTS {
                    self.push(Expression::Match(Self::xtables(whole)));
                    return;
                }
                self.ports(
                    udp.spts,
                    udp.invflags & 1 != 0,
                    udp.dpts,
                    udp.invflags & 2 != 0,
                );
            }
            Part::Known(extension) if extension.kind() == ExtensionKind::Match => {
                self.push(Expression::Match(Self::xtables(extension)));
            }
            Part::Known(extension) => self.push(Expression::Target(Self::xtables(extension))),
            Part::Among(among) => self.among(among),
            Part::Log(_) => {}
            Part::Unknown(raw) => self.push(Expression::Match(raw.clone())),
        }
    }

    fn limit(&mut self, avg: u32, burst: u32) {
        const UNITS: [u64; 4] = [86_400, 3600, 60, 1];
        let avg = u64::from(avg.max(1));
        let unit = UNITS.get(rate_unit(avg, 10_000)).copied().unwrap_or(1);
        self.push(Expression::Limit(model::expression::Limit {
            rate: unit * 10_000 / avg,
            unit,
            burst,
            kind: 0,
            flags: 0,
        }));
    }

    fn ports(
        &mut self,
        source: [u16; 2],
        no_source: bool,
        destination: [u16; 2],
        no_destination: bool,
    ) {
        let transport = PayloadBase::Transport;
        let one = |[from, to]: [u16; 2]| from != 0 && from == to;
        if one(source) && one(destination) && no_source == no_destination {
            self.payload(transport, 0, 4);
            let [from, to] = [source[0].to_be_bytes(), destination[0].to_be_bytes()];
            self.cmp(eq(no_source), [from, to].concat());
            return;
        }
        for (offset, [from, to], inverted) in
            [(0, source, no_source), (2, destination, no_destination)]
        {
            if from == 0 && to == u16::MAX {
                continue;
            }
            self.payload(transport, offset, 2);
            if from == to {
                self.cmp(eq(inverted), from.to_be_bytes().to_vec());
            } else if from == 0 {
                let op = if inverted { CmpOp::Gt } else { CmpOp::Lte };
                self.cmp(op, to.to_be_bytes().to_vec());
            } else {
                self.push(Expression::Range {
                    sreg: REG_1,
                    op: eq(inverted),
                    from: from.to_be_bytes().to_vec(),
                    to: to.to_be_bytes().to_vec(),
                });
            }
        }
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.push(Expression::Immediate {
            dreg: 0,
            data: Data::Verdict(verdict),
        });
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Nothing => {}
            Target::Verdict(verdict) => match verdict {
                LegacyVerdict::Accept => self.verdict(Verdict::Accept),
                LegacyVerdict::Drop => self.verdict(Verdict::Drop),
                LegacyVerdict::Return => self.verdict(Verdict::Return),
                LegacyVerdict::Queue => self.verdict(Verdict::Queue),
                LegacyVerdict::Continue | LegacyVerdict::Unknown(_) => {}
            },
            Target::Jump(chain) => self.verdict(Verdict::Jump(chain.clone())),
            Target::Goto(chain) => self.verdict(Verdict::Goto(chain.clone())),
            Target::Extension(Part::Known(Extension::Trace(_))) => {
                self.push(Expression::Immediate {
                    dreg: REG32_01,
                    data: Data::Value(vec![1]),
                });
                self.push(Expression::MetaSet {
                    sreg: REG32_01,
                    key: key::NFTRACE,
                });
            }
            Target::Extension(Part::Known(Extension::Nflog(log))) => {
                let prefix = log.prefix.text();
                self.push(Expression::Log {
                    prefix: (!prefix.is_empty()).then_some(prefix),
                    group: Some(log.group),
                    snaplen: (log.flags & 1 != 0).then_some(log.len),
                    qthreshold: (log.threshold != 0).then_some(log.threshold),
                    level: None,
                    flags: None,
                });
            }
            Target::Extension(Part::Log(log)) => self.push(Expression::Log {
                prefix: Some(log.prefix.clone()),
                group: Some(log.group),
                snaplen: log.snaplen,
                qthreshold: (log.threshold != 0).then_some(log.threshold),
                level: None,
                flags: None,
            }),
            Target::Extension(Part::Known(extension)) => {
                self.push(Expression::Target(Self::xtables(extension)));
            }
            Target::Extension(Part::Unknown(raw)) => self.push(Expression::Target(raw.clone())),
            Target::Extension(Part::Among(_)) => {}
        }
    }
}

const ALL_PORTS: ([u16; 2], [u16; 2]) = ([0, u16::MAX], [0, u16::MAX]);
