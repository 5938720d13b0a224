//! Lookups by rules, tables, type of service, throw; labels and scopes.

use super::address::{label, source_scope};
use super::*;
use crate::model::network::{Fib, Link, RouteBody, RouteTableBuilder, TcHooks};

pub(in crate::flow) fn device() -> Link {
    Link {
        index: 0,
        name: "".into(),
        alt_names: Vec::new(),
        hardware: 1,
        kind: None,
        slave_kind: None,
        flags: 1,
        mtu: 1500,
        address: vec![2, 0, 0, 0, 0, 9],
        operstate: 6,
        carrier: Some(true),
        master: None,
        lower: None,
        lower_netns: None,
        group: 0,
        alias: None,
        txqlen: 0,
        qdisc: "".into(),
        vlan: None,
        vrf_table: None,
        xdp: Vec::new(),
        tc: TcHooks::default(),
        stats: None,
        raw: Vec::new(),
    }
}

fn rule(priority: u32, table: u32) -> PolicyRule {
    PolicyRule {
        priority,
        table,
        ..PolicyRule::new(2)
    }
}

fn network(rules: Vec<PolicyRule>) -> Network {
    let mut tables = Vec::new();
    for (id, routes) in [
        (255, vec![("10.0.0.1/32", RouteKind::Local, 0, 2)]),
        (
            254,
            vec![
                ("0.0.0.0/0", RouteKind::Unicast, 0, 3),
                ("10.0.0.0/8", RouteKind::Unicast, 0x10, 3),
                ("10.0.0.0/8", RouteKind::Unicast, 0, 2),
                ("192.168.0.0/16", RouteKind::Blackhole, 0, 1),
            ],
        ),
        (
            100,
            vec![
                ("0.0.0.0/0", RouteKind::Unicast, 0, 4),
                ("10.9.0.0/16", RouteKind::Throw, 0, 1),
            ],
        ),
    ] {
        let mut table = RouteTableBuilder::new(FibFamily::Ip4, id);
        for (prefix, kind, tos, oif) in routes {
            let (address, length) = prefix.split_once('/').unwrap();
            let destination = Prefix::new(address.parse().unwrap(), length.parse().unwrap());
            let body = RouteBody {
                kind,
                tos,
                oif: Some(oif),
                ..RouteBody::new(FibFamily::Ip4, id)
            };
            let body = table.add_body(body);
            table.push(destination, body);
        }
        tables.push(Arc::new(table.finish()));
    }
    let link = |index, name: &str| Link {
        index,
        name: name.into(),
        ..device()
    };
    Network {
        links: Arc::new(vec![
            link(1, "lo"),
            link(2, "a"),
            link(3, "b"),
            link(4, "c"),
        ]),
        routes: Arc::new(Fib {
            tables,
            other: Vec::new(),
        }),
        rules: Arc::new(rules),
        ..Network::default()
    }
}

fn to(dst: &str) -> FlowKey {
    FlowKey::new("0.0.0.0".parse().unwrap(), dst.parse().unwrap())
}

fn oif(view: &FibView<'_>, key: &FlowKey) -> Result<u32, NoWay> {
    view.lookup(key)
        .map(|found| found.hops[0].oif)
        .map_err(|refusal| refusal.why)
}

#[test]
fn rules_tables_tos_and_throw() {
    let marked = PolicyRule {
        mark: Some(1),
        mask: Some(1),
        ..rule(50, 100)
    };
    let network = network(vec![
        rule(0, 255),
        marked,
        rule(32766, 254),
        rule(32767, 253),
    ]);
    let view = FibView::new(&network);
    assert!(view.custom4);
    assert_eq!(oif(&view, &to("10.9.1.1")), Ok(2));
    assert_eq!(
        oif(
            &view,
            &FlowKey {
                tos: 0x10,
                ..to("10.9.1.1")
            }
        ),
        Ok(3)
    );
    assert_eq!(
        oif(
            &view,
            &FlowKey {
                mark: 1,
                ..to("8.8.8.8")
            }
        ),
        Ok(4)
    );
    // A throw route sends it on to the next rule.
    assert_eq!(
        oif(
            &view,
            &FlowKey {
                mark: 1,
                ..to("10.9.1.1")
            }
        ),
        Ok(2)
    );
    assert_eq!(oif(&view, &to("192.168.1.1")), Err(NoWay::Blackhole));
    assert_eq!(view.lookup(&to("10.0.0.1")).unwrap().kind, RouteKind::Local);
    assert_eq!(
        view.kind4("10.0.0.1".parse().unwrap(), Some(3)),
        RouteKind::Unicast
    );
    assert_eq!(
        view.kind4("10.0.0.1".parse().unwrap(), None),
        RouteKind::Local
    );
}

#[test]
fn suppressed_results_and_gotos_go_on() {
    let suppress = PolicyRule {
        suppress_prefix_length: Some(0),
        ..rule(10, 254)
    };
    let jump = PolicyRule {
        action: RuleAction::Goto(Some(40)),
        ..rule(20, 0)
    };
    let block = PolicyRule {
        action: RuleAction::Prohibit,
        ..rule(30, 0)
    };
    let network = network(vec![rule(0, 255), suppress, jump, block, rule(40, 100)]);
    let view = FibView::new(&network);
    assert_eq!(oif(&view, &to("10.1.1.1")), Ok(2));
    assert_eq!(oif(&view, &to("8.8.8.8")), Ok(4));
}

#[test]
fn labels_and_scopes() {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    assert_eq!(label(address("fd00::1")), 5);
    assert_eq!(label(address("2001:db8::1")), 1);
    assert_eq!(source_scope(address("fe80::1")), 2);
    assert_eq!(source_scope(address("ff02::1")), 2);
    assert_eq!(source_scope(address("fd00::1")), 14);
}

#[test]
fn groups_have_scopes_as_stations_have() {
    let scope = |text: &str| super::address::scope_bits(text.parse().unwrap());
    assert_eq!([scope("ff02::1"), scope("fe80::1")], [0x20, 0x20]);
    assert_eq!([scope("ff05::2"), scope("fec0::1")], [0x40, 0x40]);
    assert_eq!([scope("ff0e::1"), scope("2001:db8::1")], [0, 0]);
}
