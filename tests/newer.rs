//! Expressions that the kernel has and nft 1.0.6 does not write: made here, taken by the kernel, and shown in the
//! syntax of the nft that introduced them.

mod common;

use common::{hookscope, in_namespace};
use hookscope::kernel::nf_tables::batch::Batch;
use hookscope::model::expression::{BitwiseOp, BitwiseOperand, CmpOp, PayloadBase};
use hookscope::model::{BaseChain, Data, Expression, Family, Policy};

const META_L4PROTO: u32 = 16;
const META_PROTOCOL: u32 = 1;
const META_MARK: u32 = 3;
const CT_MARK: u32 = 3;
/// `NFT_REG32_00` + 4 is the second 128-bit register.
const SECOND: u32 = 2;

fn load(base: PayloadBase, offset: u32, len: u32) -> Expression {
    Expression::Payload {
        dreg: 1,
        base,
        offset,
        len,
    }
}

fn equal(data: &[u8]) -> Expression {
    Expression::Cmp {
        sreg: 1,
        op: CmpOp::Eq,
        data: data.to_vec(),
    }
}

/// In a tunnel of VXLAN: `NFT_INNER_VXLAN`, with link, network and transport headers inside.
fn inner(expression: Expression) -> Expression {
    Expression::Inner {
        num: 0,
        kind: 0,
        flags: 0xf,
        header_size: 8,
        expression: Box::new(expression),
    }
}

/// The lines of rules that hookscope shows of these; `None` where this kernel refuses.
fn shown(rules: &[&[Expression]]) -> Option<Vec<String>> {
    let mut batch = Batch::new();
    batch.table(Family::Ip, "t");
    let base = BaseChain {
        kind: "filter".into(),
        hook: 0,
        priority: 0,
        policy: Some(Policy::Accept),
        devices: Vec::new(),
        device_list: false,
        counters: None,
    };
    batch.chain(Family::Ip, "t", "c", Some(&base));
    for rule in rules {
        batch.rule(Family::Ip, "t", "c", rule, &[]);
    }
    if let Err(error) = batch.commit() {
        eprintln!("this kernel refuses: {error}");
        return None;
    }
    let text = hookscope(&["show"]);
    let rules = text
        .lines()
        .skip_while(|line| !line.contains(" hook "))
        .skip(1);
    Some(
        rules
            .take_while(|line| *line != "\t}")
            .map(|line| line.trim().to_owned())
            .collect(),
    )
}

#[test]
fn inside_a_tunnel() {
    in_namespace("inside_a_tunnel", || {
        let udp = || {
            [
                Expression::Meta {
                    dreg: 1,
                    key: META_L4PROTO,
                },
                equal(&[17]),
                load(PayloadBase::Transport, 2, 2),
                equal(&4789u16.to_be_bytes()),
            ]
        };
        let mut address = udp().to_vec();
        address.extend([
            inner(Expression::Meta {
                dreg: 1,
                key: META_PROTOCOL,
            }),
            equal(&0x0800u16.to_be_bytes()),
            inner(load(PayloadBase::Network, 12, 4)),
            equal(&[10, 141, 11, 2]),
        ]);
        let mut port = udp().to_vec();
        port.extend([
            inner(Expression::Meta {
                dreg: 1,
                key: META_PROTOCOL,
            }),
            equal(&0x86ddu16.to_be_bytes()),
            inner(Expression::Meta {
                dreg: 1,
                key: META_L4PROTO,
            }),
            equal(&[6]),
            inner(load(PayloadBase::Transport, 2, 2)),
            equal(&80u16.to_be_bytes()),
        ]);
        let mut network = udp().to_vec();
        network.extend([
            inner(Expression::Meta {
                dreg: 1,
                key: META_PROTOCOL,
            }),
            equal(&0x86ddu16.to_be_bytes()),
            inner(load(PayloadBase::Network, 8, 16)),
            equal(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ]);
        let mut frame = udp().to_vec();
        frame.extend([
            inner(load(PayloadBase::Link, 0, 6)),
            equal(&[0x62, 0x87, 0x4d, 0xd6, 0x19, 5]),
        ]);
        let Some(lines) = shown(&[&address, &port, &network, &frame]) else {
            return;
        };
        let expected = [
            "udp dport 4789 vxlan ip saddr 10.141.11.2",
            "udp dport 4789 vxlan meta protocol ip6 vxlan tcp dport 80",
            "udp dport 4789 vxlan ip6 saddr 2001:db8::1",
            "udp dport 4789 vxlan ether daddr 62:87:4d:d6:19:05",
        ];
        assert_eq!(lines, expected);
    });
}

#[test]
fn two_registers() {
    in_namespace("two_registers", || {
        for (op, sign) in [
            (BitwiseOp::Or(BitwiseOperand::Register(SECOND)), "|"),
            (BitwiseOp::And(BitwiseOperand::Register(SECOND)), "&"),
            (BitwiseOp::Xor(BitwiseOperand::Register(SECOND)), "^"),
        ] {
            let rule = [
                Expression::Meta {
                    dreg: 1,
                    key: META_MARK,
                },
                Expression::Ct {
                    dreg: SECOND,
                    key: CT_MARK,
                    direction: None,
                },
                Expression::Bitwise {
                    sreg: 1,
                    dreg: 1,
                    len: 4,
                    op,
                },
                Expression::MetaSet {
                    sreg: 1,
                    key: META_MARK,
                },
            ];
            let Some(lines) = shown(&[&rule]) else { return };
            assert_eq!(
                lines.last().map(String::as_str),
                Some(&*format!("meta mark set meta mark {sign} ct mark"))
            );
        }
    });
}

#[test]
fn when_a_rule_last_matched() {
    in_namespace("when_a_rule_last_matched", || {
        let rule = [
            Expression::Last {
                set: false,
                msecs: 0,
            },
            Expression::Immediate {
                dreg: 0,
                data: Data::Verdict(hookscope::model::Verdict::Drop),
            },
        ];
        let Some(lines) = shown(&[&rule]) else { return };
        assert_eq!(lines, ["last used never drop"]);
    });
}
