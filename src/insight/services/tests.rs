//! Rules as kube-proxy and Docker write them, made smaller by hand.

use super::*;
use crate::lang::iptables::parse::{self, Machine, Reading};
use crate::lang::iptables::rule::{Chain, Table};
use crate::model::xtables::rule::LegacyVerdict;

const KUBE: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:KUBE-EXT-WEB - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-DNS - [0:0]
:KUBE-SVC-WEB - [0:0]
:DOCKER - [0:0]
[5:300] -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
[2:120] -A KUBE-SERVICES -d 203.0.113.9/32 -p tcp -m comment --comment "shop/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-WEB
[0:0] -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/dns cluster IP" -m udp --dport 53 -j KUBE-SVC-DNS
[0:0] -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
[1:60] -A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j KUBE-EXT-WEB
[3:180] -A KUBE-EXT-WEB -j KUBE-SVC-WEB
[4:240] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.5:8080" -m statistic --mode random --probability 0.5 -j KUBE-SEP-A
[4:240] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.6:8080" -j KUBE-SEP-B
[0:0] -A KUBE-SEP-A -s 10.1.0.5/32 -m comment --comment "shop/web:http" -j KUBE-MARK-MASQ
[4:240] -A KUBE-SEP-A -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.1.0.5:8080
[4:240] -A KUBE-SEP-B -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.1.0.6:8080
[9:540] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
[0:0] -A DOCKER -d 127.0.0.1/32 ! -i docker0 -p udp -m udp --dport 5353 -j DNAT --to-destination 172.17.0.3:53
COMMIT
*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
[7:420] -A KUBE-SERVICES -d 10.96.0.99/32 -p tcp -m comment --comment "shop/gone:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
"#;

fn tables(text: &str) -> Vec<Table> {
    let reading = Reading {
        counters: true,
        ..Reading::default()
    };
    let texts = parse::text(text, Family::Ip, &Machine::default(), reading).expect("a text");
    let built_in = |name: &str| Chain {
        name: name.into(),
        policy: Some((LegacyVerdict::Accept, Counter::default())),
        rules: Vec::new(),
    };
    texts
        .iter()
        .map(|text| {
            let empty = Table {
                family: Family::Ip,
                name: text.name.as_str().into(),
                chains: vec![built_in("PREROUTING"), built_in("INPUT")],
            };
            parse::apply(text, empty).expect("a table")
        })
        .collect()
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn kube_proxy_and_docker_in_iptables() {
    let found = services(&Ruleset::default(), &tables(KUBE));
    let names: Vec<&str> = found.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "kube-system/dns",
            "published 5353/udp",
            "published 8443/tcp",
            "shop/gone:http",
            "shop/web:http"
        ]
    );
    let web = &found[4];
    assert_eq!(web.cluster, Some(socket("10.96.0.1:80")));
    assert_eq!(web.external, [socket("203.0.113.9:80")]);
    assert_eq!(web.node_port, Some(30080));
    assert_eq!(
        web.counters,
        Some(Traffic {
            packets: 8,
            bytes: 480
        })
    );
    let ends: Vec<_> = web.endpoints.iter().map(|one| one.address).collect();
    assert_eq!(
        ends,
        [Some(socket("10.1.0.5:8080")), Some(socket("10.1.0.6:8080"))]
    );
    assert_eq!(web.endpoints[0].counters.map(|c| c.packets), Some(4));
    let gone = &found[3];
    assert!(gone.endpoints.is_empty());
    assert_eq!(gone.cluster, Some(socket("10.96.0.99:80")));
    assert_eq!(gone.counters.map(|c| c.packets), Some(7));
    let published = &found[2];
    assert_eq!(published.source, Source::Docker);
    assert_eq!(published.node_port, Some(8443));
    assert_eq!(
        published.endpoints[0].address,
        Some(socket("172.17.0.2:443"))
    );
    assert_eq!(found[1].external, [socket("127.0.0.1:5353")]);
}

#[test]
fn names_by_addresses() {
    let index = Index::new(&services(&Ruleset::default(), &tables(KUBE)));
    let ip = |text: &str| text.parse().expect("an address");
    assert_eq!(index.name(ip("10.96.0.1"), Some(80)), Some("shop/web:http"));
    assert_eq!(index.name(ip("10.96.0.1"), None), Some("shop/web:http"));
    assert_eq!(
        index.name(ip("10.1.0.6"), Some(8080)),
        Some("endpoint of shop/web:http")
    );
    assert_eq!(index.name(ip("192.0.2.1"), Some(80)), None);
    for (text, expected) in [
        (
            "-A X -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j Y",
            &["shop/web:http"][..],
        ),
        ("ip saddr 10.1.0.5 counter", &["endpoint of shop/web:http"]),
        (
            "dnat to 172.17.0.2:443",
            &["container behind published 8443/tcp"],
        ),
        ("ip saddr 10.96.0.0/16 drop", &[]),
        (
            "10.1.0.5:40000 -> 10.96.0.1:80",
            &["endpoint of shop/web:http", "shop/web:http"],
        ),
    ] {
        let names: Vec<&str> = index
            .names_in(text)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, expected, "{text}");
    }
}

#[test]
fn chains_are_known_by_their_programs() {
    for (table, chain, program) in [
        ("nat", "KUBE-SVC-X", Some("kube-proxy")),
        ("nat", "DOCKER-USER", Some("Docker")),
        ("nat", "ISTIO_INBOUND", Some("Istio")),
        ("filter", "cali-FORWARD", Some("Calico")),
        ("filter", "CILIUM_INPUT", Some("Cilium")),
        ("filter", "ufw-user-input", Some("ufw")),
        ("filter", "f2b-sshd", Some("fail2ban")),
        ("kube-proxy", "services", Some("kube-proxy")),
        ("filter", "INPUT", None),
    ] {
        let found = owner(table, chain).map(|owner| owner.program);
        assert_eq!(found, program, "{chain}");
    }
}

#[test]
fn rates_are_what_was_counted_in_between() {
    use super::{Endpoint, Rate, Service, Source, Traffic, measure};
    let counted = |packets: u64| {
        Some(Traffic {
            packets,
            bytes: packets * 60,
        })
    };
    let service = |name: &str, packets: u64, there: u64| {
        let mut service = Service::new(
            Source::Kubernetes,
            name.into(),
            "tcp".into(),
            (Family::Ip, &"nat".into(), &name.into()),
        );
        service.counters = counted(packets);
        service.endpoints.push(Endpoint {
            address: None,
            share: None,
            counters: counted(there),
            rate: None,
            chain: "SEP".into(),
            rule: None,
            counted: Vec::new(),
        });
        service
    };
    let before = [service("idle", 5, 5), service("busy", 10, 4)];
    let mut after = [
        service("new", 9, 9),
        service("idle", 5, 5),
        service("busy", 30, 1),
    ];
    measure(&before, &mut after, 2.0);
    let rate = |packets: f64| {
        Some(Rate {
            packets,
            bytes: packets * 60.0,
        })
    };
    let told: Vec<_> = after
        .iter()
        .map(|one| (&*one.name, one.rate, one.endpoints[0].rate))
        .collect();
    // A counter that was set back counts from zero.
    let expected = [
        ("busy", rate(10.0), rate(0.5)),
        ("idle", rate(0.0), rate(0.0)),
        ("new", None, None),
    ];
    assert_eq!(told, expected);
}
