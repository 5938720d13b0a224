//! Rules of the lab as the expressions that nft itself writes for them.

use crate::kernel::nf_tables::batch::Batch;
use crate::model::expression::{BitwiseOp, CmpOp, Counter, Limit, NatKind, PayloadBase};
use crate::model::{BaseChain, Data, Expression, Family, Name, Policy, Verdict};
use std::net::Ipv4Addr;

/// `NFT_REG_1`
const R1: u32 = 1;
const R2: u32 = 2;

const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;
const META_NFPROTO: u32 = 15;
const CT_STATE: u32 = 0;

pub const ESTABLISHED_RELATED: u32 = 2 | 4;
pub const INVALID: u32 = 1;
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// A rule in the making.
#[derive(Default)]
pub struct RuleBuilder {
    expressions: Vec<Expression>,
    userdata: Vec<u8>,
}

pub fn rule() -> RuleBuilder {
    RuleBuilder::default()
}

impl RuleBuilder {
    fn push(mut self, expression: Expression) -> Self {
        self.expressions.push(expression);
        self
    }

    fn equals(self, data: &[u8]) -> Self {
        self.push(Expression::Cmp {
            sreg: R1,
            op: CmpOp::Eq,
            data: data.to_vec(),
        })
    }

    fn device(self, key: u32, name: &str) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(16, 0);
        self.push(Expression::Meta { dreg: R1, key }).equals(&bytes)
    }

    pub fn iifname(self, name: &str) -> Self {
        self.device(META_IIFNAME, name)
    }

    pub fn oifname(self, name: &str) -> Self {
        self.device(META_OIFNAME, name)
    }

    pub fn l4proto(self, protocol: u8) -> Self {
        self.push(Expression::Meta {
            dreg: R1,
            key: META_L4PROTO,
        })
        .equals(&[protocol])
    }

    pub fn ipv4(self) -> Self {
        self.push(Expression::Meta {
            dreg: R1,
            key: META_NFPROTO,
        })
        .equals(&[2])
    }

    fn load(self, base: PayloadBase, offset: u32, len: u32) -> Self {
        self.push(Expression::Payload {
            dreg: R1,
            base,
            offset,
            len,
        })
    }

    pub fn dport(self, protocol: u8, port: u16) -> Self {
        self.l4proto(protocol)
            .load(PayloadBase::Transport, 2, 2)
            .equals(&port.to_be_bytes())
    }

    pub fn icmp_type(self, kind: u8) -> Self {
        self.l4proto(ICMP)
            .load(PayloadBase::Transport, 0, 1)
            .equals(&[kind])
    }

    /// An IPv4 source in a named set.
    pub fn saddr_in(self, set: &str) -> Self {
        self.load(PayloadBase::Network, 12, 4)
            .push(Expression::Lookup {
                set: set.into(),
                sreg: R1,
                dreg: None,
                flags: 0,
            })
    }

    pub fn ct_state(self, states: u32) -> Self {
        self.push(Expression::Ct {
            dreg: R1,
            key: CT_STATE,
            direction: None,
        })
        .push(Expression::Bitwise {
            sreg: R1,
            dreg: R1,
            len: 4,
            op: BitwiseOp::Mask {
                mask: states.to_ne_bytes().into(),
                xor: vec![0; 4],
            },
        })
        .push(Expression::Cmp {
            sreg: R1,
            op: CmpOp::Neq,
            data: vec![0; 4],
        })
    }

    pub fn limit(self, rate: u64) -> Self {
        self.push(Expression::Limit(Limit {
            rate,
            unit: 60,
            burst: 5,
            kind: 0,
            flags: 0,
        }))
    }

    pub fn counter(self) -> Self {
        self.push(Expression::Counter(Counter::default()))
    }

    pub fn log(self, prefix: &str) -> Self {
        self.push(Expression::Log {
            prefix: Some(prefix.into()),
            group: None,
            snaplen: None,
            qthreshold: None,
            level: None,
            flags: None,
        })
    }

    pub fn masquerade(self) -> Self {
        self.push(Expression::Masq {
            flags: 0,
            proto_min: None,
            proto_max: None,
        })
    }

    pub fn dnat(self, address: Ipv4Addr, port: u16) -> Self {
        self.push(Expression::Immediate {
            dreg: R1,
            data: Data::Value(address.octets().into()),
        })
        .push(Expression::Immediate {
            dreg: R2,
            data: Data::Value(port.to_be_bytes().into()),
        })
        .push(Expression::Nat {
            kind: NatKind::Destination,
            family: 2,
            addr_min: Some(R1),
            addr_max: None,
            proto_min: Some(R2),
            proto_max: None,
            // NF_NAT_RANGE_PROTO_SPECIFIED
            flags: 2,
        })
    }

    pub fn verdict(self, verdict: Verdict) -> Self {
        self.push(Expression::Immediate {
            dreg: 0,
            data: Data::Verdict(verdict),
        })
    }

    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    pub fn jump(self, chain: &str) -> Self {
        self.verdict(Verdict::Jump(chain.into()))
    }

    /// As nft stores comments: type 0, length, text with a NUL.
    pub fn comment(mut self, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.userdata = vec![0, u8::try_from(bytes.len()).unwrap_or(u8::MAX)];
        self.userdata.extend(bytes);
        self
    }

    pub fn add(self, batch: &mut Batch, family: Family, table: &str, chain: &str) {
        batch.rule(family, table, chain, &self.expressions, &self.userdata);
    }
}

pub fn base(kind: &str, hook: u32, priority: i32, policy: Policy) -> BaseChain {
    BaseChain {
        kind: Name::from(kind),
        hook,
        priority,
        policy: Some(policy),
        devices: Vec::new(),
        device_list: false,
        counters: None,
    }
}
