//! Rules of iptables: in their own words and in nft's, with names of services beside them; legacy tables.

use super::check;
use super::sample::{Bench, network, picture, ruleset};
use hookscope::lang::iptables::parse::{self, Machine, Reading};
use hookscope::lang::iptables::rule::{Chain, Table};
use hookscope::lang::iptables::{as_nft, to_legacy};
use hookscope::model::expression::Counter;
use hookscope::model::ruleset::LEGACY;
use hookscope::model::xtables::rule::LegacyVerdict;
use hookscope::model::{self, Family, Ruleset};
use std::sync::Arc;

const RULES: &str = "*nat
:PREROUTING ACCEPT [3:180]
:DOCKER - [0:0]
[12:720] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[7:420] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
";

/// The table of the text, as the kernel would have it.
fn table() -> model::Table {
    let reading = Reading {
        counters: true,
        ..Reading::default()
    };
    let texts = parse::text(RULES, Family::Ip, &Machine::default(), reading).expect("a text");
    let empty = Table {
        family: Family::Ip,
        name: "nat".into(),
        chains: vec![Chain {
            name: "PREROUTING".into(),
            policy: Some((LegacyVerdict::Accept, Counter::default())),
            rules: Vec::new(),
        }],
    };
    let filled = parse::apply(&texts[0], empty).expect("a table");
    as_nft::table(&to_legacy::table(&filled).expect("a legacy table"))
}

fn with_legacy() -> Ruleset {
    Ruleset {
        legacy: vec![Arc::new(table())],
        ..ruleset()
    }
}

/// The same as a table of nf_tables.
fn with_nft() -> Ruleset {
    let nat = table();
    let name = nat.name.trim_end_matches(LEGACY).into();
    Ruleset {
        generation: 7,
        tables: vec![Arc::new(model::Table { name, ..nat })],
        ..Ruleset::default()
    }
}

#[test]
fn rules_are_shown_in_either_language() {
    let mut bench = Bench::new(100, 30, "dark");
    bench.show(picture(with_nft(), network(0)));
    bench.keys("down");
    let screen = bench.keys("enter").screen();
    assert!(screen.contains("as iptables writes it"), "{screen}");
    assert!(
        screen.contains("! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT"),
        "{screen}"
    );
    // In full below, with the same in nft's words, and what the address is.
    assert!(screen.contains("-A DOCKER ! -i docker0"), "{screen}");
    check("iptables", &bench);
    let screen = bench.keys("v").screen();
    assert!(screen.contains("as nft writes it"), "{screen}");
    assert!(screen.contains("iifname != \"docker0\""), "{screen}");
    assert!(bench.keys("v").screen().contains("as iptables writes it"));
}

#[test]
fn legacy_tables_are_in_the_tree() {
    let mut bench = Bench::new(100, 30, "dark");
    bench.show(picture(with_legacy(), network(0)));
    let screen = bench.screen();
    assert!(screen.contains("nat (legacy)"), "{screen}");
    bench.keys("f").text("PREROUTING").keys("enter");
    let screen = bench.screen();
    assert!(screen.contains("nat (legacy) › PREROUTING"), "{screen}");
    assert!(
        screen.contains("-m addrtype --dst-type LOCAL -j DOCKER"),
        "{screen}"
    );
    assert!(screen.contains("legacy backend"), "{screen}");
    assert!(screen.contains("with its whole table"), "{screen}");
    check("legacy", &bench);
    bench.keys("d");
    let changes = bench.state.changes.set.changes().clone();
    let commands: Vec<String> = changes.iter().map(|one| one.edit.command()).collect();
    assert_eq!(commands, ["iptables-legacy -t nat -D PREROUTING 1"]);
}
