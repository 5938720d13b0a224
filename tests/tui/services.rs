//! Services: the table of what rules lead to, and what keys make of it.

use super::sample::{Bench, chain, network, picture};
use super::{check, sample};
use hookscope::kernel::nf_tables::encode;
use hookscope::lang::iptables::parse::{self, Machine, Reading};
use hookscope::lang::iptables::rule::{Chain, Table};
use hookscope::lang::iptables::to_nft;
use hookscope::model::expression::Counter;
use hookscope::model::xtables::rule::LegacyVerdict;
use hookscope::model::{Family, Policy, RuleList, Ruleset};
use hookscope::session::{ChainKey, Command, Picture, Rate, RateHistory, Rates, RuleKey};
use hookscope::tui::app::Screen;
use hookscope::tui::screen::explore::Pane;
use hookscope::tui::{Effect, Event};
use std::sync::Arc;

const NAT: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-EXT-WEB - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SEP-C - [0:0]
:KUBE-SEP-DNS - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-DNS - [0:0]
:KUBE-SVC-WEB - [0:0]
[5:300] -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
[2:120] -A KUBE-SERVICES -d 203.0.113.9/32 -p tcp -m comment --comment "shop/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-WEB
[7100:520000] -A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/日本語-name-that-does-not-end-for-a-long-while:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-DNS
[0:0] -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
[1:60] -A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:http" -m tcp --dport 30080 -j KUBE-EXT-WEB
[3:180] -A KUBE-EXT-WEB -j KUBE-SVC-WEB
[1:60] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.5:8080" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-A --mask 255.255.255.255 --rsource -j KUBE-SEP-A
[2:120] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.5:8080" -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-A
[4:240] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.6:8080" -m statistic --mode random --probability 0.5 -j KUBE-SEP-B
[1:60] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.7:8080" -j KUBE-SEP-C
[7100:520000] -A KUBE-SVC-DNS -m comment --comment "kube-system/dns:dns -> 10.1.0.9:53" -j KUBE-SEP-DNS
[3:180] -A KUBE-SEP-A -p tcp -m comment --comment "shop/web:http" -m recent --set --name KUBE-SEP-A --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.1.0.5:8080
[4:240] -A KUBE-SEP-B -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.1.0.6:8080
[1:60] -A KUBE-SEP-C -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.1.0.7:8080
[7100:520000] -A KUBE-SEP-DNS -p udp -m comment --comment "kube-system/dns:dns" -m udp -j DNAT --to-destination 10.1.0.9:53
[9:540] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
COMMIT
*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
[7:420] -A KUBE-SERVICES -d 10.96.0.99/32 -p tcp -m comment --comment "shop/gone:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
"#;

/// What iptables-nft makes of a text, as the kernel has it.
fn ruleset(text: &str) -> Ruleset {
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
    let tables = texts.iter().map(|text| {
        let empty = Table {
            family: Family::Ip,
            name: text.name.as_str().into(),
            chains: vec![built_in(if text.name == "nat" {
                "PREROUTING"
            } else {
                "INPUT"
            })],
        };
        let table = parse::apply(text, empty).expect("a table");
        let mut sets = 0;
        let chains = table.chains.iter().map(|one| {
            let base = match (&*one.name, &*table.name) {
                ("PREROUTING", _) => Some(("nat", 0, -100, Policy::Accept)),
                ("INPUT", _) => Some(("filter", 1, 0, Policy::Accept)),
                _ => None,
            };
            let mut made = chain(&one.name, base, &[]);
            let mut rules = RuleList::default();
            for (handle, rule) in (10u64..).zip(&one.rules) {
                let expressions = to_nft::rule(rule, &mut sets).expressions;
                let bytes = sample::rule(|list| encode::list(list, &expressions));
                rules.push(handle, &bytes);
            }
            rules.read = true;
            made.rules = rules;
            made
        });
        sample::table(Family::Ip, &table.name, chains.collect(), vec![])
    });
    Ruleset {
        generation: 7,
        tables: tables.collect(),
        ..Ruleset::default()
    }
}

/// With rates: 12 packets per second to the cluster IP of `shop/web`, 4 of them to its first endpoint.
fn counting() -> Arc<Picture> {
    let mut picture = Arc::unwrap_or_clone(picture(ruleset(NAT), network(0)));
    let key = |chain: &str, handle| RuleKey {
        chain: ChainKey {
            family: Family::Ip,
            table: "nat".into(),
            chain: chain.into(),
        },
        handle,
    };
    let rate = |packets: f64| RateHistory {
        now: Rate {
            packets,
            bytes: packets * 60.0,
        },
        packets: vec![packets as f32],
    };
    let mut rates = Rates::default();
    rates.rules.insert(key("KUBE-SERVICES", 10), rate(12.0));
    rates.rules.insert(key("KUBE-SVC-WEB", 11), rate(4.0));
    picture.rates = Arc::new(rates);
    Arc::new(picture)
}

fn bench(width: u16, height: u16) -> Bench {
    let mut bench = Bench::new(width, height, "dark");
    bench.show(counting()).keys("6");
    bench
}

#[test]
fn screens_of_services_are_as_expected() {
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50), ("60x15", 60, 15)] {
        check(&format!("services-{size}"), bench(width, height).keys("G"));
        let mut empty = Bench::new(width, height, "dark");
        empty.show(picture(sample::ruleset(), network(0))).keys("6");
        check(&format!("services-empty-{size}"), &empty);
    }
    let mut found = bench(80, 24);
    check("services-search", found.keys("/").text("10.1.0.6"));
}

#[test]
fn the_cursor_stays_on_its_service() {
    let mut bench = bench(80, 24);
    let name = |bench: &Bench| {
        let selected = bench.state.services.selected();
        selected.map(|(service, _)| service.name.clone())
    };
    bench.keys("G");
    assert_eq!(name(&bench).as_deref(), Some("shop/web:http"));
    // Another one comes before it; the counters go on.
    let more = NAT.replace(
        "[9:540] -A DOCKER",
        "[1:60] -A DOCKER -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.9\n[9:540] -A DOCKER",
    );
    let mut next = ruleset(&more);
    next.generation = 8;
    bench.show(picture(next, network(0))).tick(5);
    assert_eq!(bench.state.services.len(), 5);
    assert_eq!(name(&bench).as_deref(), Some("shop/web:http"));
    bench.keys("/").text("10.1.0.6").keys("enter");
    assert_eq!(bench.state.services.len(), 1);
    assert!(bench.screen().contains("1 match"));
    bench.keys("esc");
    assert_eq!(name(&bench).as_deref(), Some("shop/web:http"));
    // In another order the first is what one wants to see.
    bench.keys("s s");
    assert_eq!(
        name(&bench).as_deref(),
        Some("kube-system/日本語-name-that-does-not-end-for-a-long-while:dns")
    );
}

#[test]
fn rules_and_packets_are_a_key_away() {
    let mut there = bench(80, 24);
    there.keys("G enter");
    assert_eq!(there.state.screen, Screen::Explore);
    assert!(there.screen().contains("ip nat › KUBE-SVC-WEB"));
    // The load balancer's rule among those of the portal.
    there.keys("6 tab down enter");
    assert!(there.screen().contains("ip nat › KUBE-SERVICES"));
    assert_eq!(there.state.explore.handle, Some(11));
    assert_eq!(there.state.explore.focus, Pane::Main);
    // Docker's is one rule.
    there.keys("6 tab g down enter");
    assert!(there.screen().contains("ip nat › DOCKER"));
    assert_eq!(there.state.explore.handle, Some(10));

    let asked = |keys: &str| {
        let mut bench = bench(80, 24);
        bench.keys(keys);
        assert_eq!(bench.state.screen, Screen::Flow, "{keys}");
        let question = bench.state.flow.question.clone().expect("a question");
        (question.dst.map(|dst| dst.to_string()), question.dport)
    };
    let to = |address: &str, port| (Some(address.to_owned()), Some(port));
    assert_eq!(asked("G p"), to("10.96.0.1", 80));
    assert_eq!(asked("G tab down p"), to("203.0.113.9", 80));
    assert_eq!(asked("G tab G p"), to("10.1.0.7", 8080));
}

#[test]
fn counters_of_what_is_on_the_screen_are_read() {
    let mut bench = bench(80, 24);
    bench.keys("G").tick(1);
    let shown = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Send(Command::Show(chains)) => Some(chains.clone()),
        _ => None,
    });
    let shown = shown.expect("chains to be read");
    let names: Vec<&str> = shown.iter().map(|key| &*key.chain).collect();
    for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-WEB", "DOCKER"] {
        assert!(names.contains(&chain), "{names:?}");
    }
}

#[test]
fn services_that_go_away_are_not_shown_any_more() {
    let mut bench = bench(80, 24);
    let mut none = sample::ruleset();
    none.generation = 9;
    bench.tick(5).show(picture(none, network(0)));
    assert!(bench.screen().contains("No services"), "{}", bench.screen());
    bench.send(Event::Tick(std::time::Duration::from_secs(60)));
    bench.show(counting());
    assert!(bench.screen().contains("shop/web:http"));
}
