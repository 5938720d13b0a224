//! A second writer of rulesets, with nothing of nft or of this program in it: what the builders of rustables
//! make is read back as what was meant.

mod common;

use common::{hookscope, in_namespace, output};
use ipnetwork::IpNetwork;
use rustables::expr::{
    Bitwise, Cmp, CmpOp, Counter, HighLevelPayload, ICMPv6HeaderField, IPv4HeaderField, Immediate,
    Log, Lookup, Meta, MetaType, Nat, NatType, NetworkHeaderField, Register, Reject, RejectType,
    TCPHeaderField, TransportHeaderField, VerdictKind,
};
use rustables::set::SetBuilder;
use rustables::{
    Batch, Chain, ChainPolicy, ChainType, Hook, HookClass, MsgType, Protocol, ProtocolFamily, Rule,
    Table,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Sends a table with a chain of the given rules, and returns the rules that hookscope reads from it.
fn read_back(chain: &Chain, table: &Table, mut batch: Batch, rules: Vec<Rule>) -> Vec<String> {
    batch.add(chain, MsgType::Add);
    for rule in rules {
        batch.add(&rule, MsgType::Add);
    }
    batch.send().expect("the kernel takes it");
    let text = hookscope(&["show"]);
    assert_eq!(text, output("nft", &["list", "ruleset"]), "{table:?}");
    let lines = text.lines().map(str::trim);
    let rules = lines.skip_while(|line| !line.contains(" hook ")).skip(1);
    rules
        .take_while(|line| *line != "}")
        .map(str::to_owned)
        .collect()
}

fn new_table(family: ProtocolFamily) -> (Table, Batch) {
    let mut batch = Batch::new();
    let table = Table::new(family).with_name("written");
    batch.add(&table, MsgType::Add);
    (table, batch)
}

fn input(table: &Table) -> Chain {
    Chain::new(table)
        .with_name("input")
        .with_hook(Hook::new(HookClass::In, -7))
        .with_type(ChainType::Filter)
        .with_policy(ChainPolicy::Drop)
}

#[test]
fn matches_of_the_builders() {
    in_namespace("matches_of_the_builders", || {
        let (table, batch) = new_table(ProtocolFamily::Inet);
        let chain = input(&table);
        let rule = || Rule::new(&chain).expect("a rule");
        let network = |text: &str| text.parse::<IpNetwork>().expect("a network");
        let rules = vec![
            rule().dport(22, Protocol::TCP).accept(),
            rule().sport(53, Protocol::UDP).drop(),
            rule()
                .saddr(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
                .accept(),
            rule()
                .daddr(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))
                .drop(),
            rule()
                .snetwork(network("10.1.0.0/16"))
                .expect("a mask")
                .accept(),
            rule()
                .dnetwork(network("10.1.2.0/23"))
                .expect("a mask")
                .drop(),
            rule()
                .snetwork(network("2001:db8::/32"))
                .expect("a mask")
                .drop(),
            rule().established().expect("a mask").accept(),
            rule().iiface("lan0").expect("a name").accept(),
            rule().oiface("wan").expect("a name").drop(),
            rule().icmp().accept(),
            rule().igmp().drop(),
            rule().protocol(Protocol::UDP),
        ];
        let read = read_back(&chain, &table, batch, rules);
        assert_eq!(
            read,
            [
                "tcp dport 22 accept",
                "udp sport 53 drop",
                "ip saddr 192.0.2.1 accept",
                "ip6 daddr 2001:db8::1 drop",
                "ip saddr 10.1.0.0/16 accept",
                "ip daddr 10.1.2.0/23 drop",
                "ip6 saddr 2001:db8::/32 drop",
                "ct state established accept",
                "iifname \"lan0\" accept",
                "oifname \"wan\" drop",
                "meta l4proto icmp accept",
                "meta l4proto igmp drop",
                "meta l4proto udp",
            ]
        );
        let head = hookscope(&["show"]);
        assert!(
            head.contains("type filter hook input priority filter - 7; policy drop;"),
            "{head}"
        );
    });
}

#[test]
fn expressions_of_the_builders() {
    in_namespace("expressions_of_the_builders", || {
        let (table, mut batch) = new_table(ProtocolFamily::Ipv4);
        let chain = input(&table);
        let mut names = SetBuilder::<Ipv4Addr>::new("hosts", &table).expect("a set");
        names.add(&Ipv4Addr::new(192, 0, 2, 7));
        names.add(&Ipv4Addr::new(192, 0, 2, 9));
        let (set, elements) = names.finish();
        // Its builder leaves the family and the number that a batch names it by to the caller.
        let mut set = set.with_id(1u32);
        set.family = ProtocolFamily::Ipv4;
        batch.add(&set, MsgType::Add);
        batch.add(&elements, MsgType::Add);
        let other = Chain::new(&table).with_name("other");
        batch.add(&other, MsgType::Add);

        let rule = || Rule::new(&chain).expect("a rule");
        let source =
            || HighLevelPayload::Network(NetworkHeaderField::IPv4(IPv4HeaderField::Saddr)).build();
        let port = || {
            HighLevelPayload::Transport(TransportHeaderField::Tcp(TCPHeaderField::Dport)).build()
        };
        let kind = || {
            HighLevelPayload::Transport(TransportHeaderField::ICMPv6(ICMPv6HeaderField::Type))
                .build()
        };
        let rules = vec![
            rule()
                .with_expr(source())
                .with_expr(Lookup::new(&set).expect("a set"))
                .accept(),
            rule()
                .protocol(Protocol::TCP)
                .with_expr(port())
                .with_expr(Cmp::new(CmpOp::Gte, 1024u16.to_be_bytes()))
                .drop(),
            rule()
                .with_expr(source())
                .with_expr(Cmp::new(CmpOp::Neq, [127, 0, 0, 1]))
                .drop(),
            rule()
                .with_expr(Meta::new(MetaType::Mark))
                .with_expr(Bitwise::new(0xffu32.to_ne_bytes(), 0u32.to_ne_bytes()).expect("a mask"))
                .with_expr(Cmp::new(CmpOp::Eq, 5u32.to_ne_bytes()))
                .accept(),
            rule()
                .with_expr(
                    Counter::default()
                        .with_nb_packets(3u64)
                        .with_nb_bytes(200u64),
                )
                .drop(),
            rule().with_expr(Log::new(Some(7u16), Some("seen: ")).expect("a prefix")),
            rule().with_expr(Reject::default().with_type(RejectType::TcpRst)),
            rule().with_expr(Immediate::new_verdict(VerdictKind::Jump {
                chain: "other".into(),
            })),
            rule().with_expr(Immediate::new_verdict(VerdictKind::Return)),
            rule()
                .with_expr(Meta::new(MetaType::L4Proto))
                .with_expr(Cmp::new(CmpOp::Eq, [58u8]))
                .with_expr(kind())
                .with_expr(Cmp::new(CmpOp::Eq, [128u8]))
                .accept(),
        ];
        let read = read_back(&chain, &table, batch, rules);
        assert_eq!(
            read,
            [
                "ip saddr @hosts accept",
                "tcp dport >= 1024 drop",
                "ip saddr != 127.0.0.1 drop",
                "meta mark & 0x000000ff == 0x00000005 accept",
                "counter packets 3 bytes 200 drop",
                "log prefix \"seen: \" group 7",
                "reject with tcp reset",
                "jump other",
                "return",
                "icmpv6 type echo-request accept",
            ]
        );
        let text = hookscope(&["show"]);
        assert!(
            text.contains("elements = { 192.0.2.7, 192.0.2.9 }"),
            "{text}"
        );
    });
}

#[test]
fn address_translation_of_the_builders() {
    in_namespace("address_translation_of_the_builders", || {
        let (table, batch) = new_table(ProtocolFamily::Ipv4);
        let chain = Chain::new(&table)
            .with_name("post")
            .with_hook(Hook::new(HookClass::PostRouting, 100))
            .with_type(ChainType::Nat);
        let rule = || Rule::new(&chain).expect("a rule");
        let source = Nat::default()
            .with_nat_type(NatType::SNat)
            .with_family(ProtocolFamily::Ipv4)
            .with_ip_register(Register::Reg1);
        let rules = vec![
            rule().oiface("wan").expect("a name").masquerade(),
            rule()
                .with_expr(Immediate::new_data(vec![192, 0, 2, 5], Register::Reg1))
                .with_expr(source),
        ];
        let read = read_back(&chain, &table, batch, rules);
        assert_eq!(read, ["oifname \"wan\" masquerade", "snat to 192.0.2.5"]);
    });
}
