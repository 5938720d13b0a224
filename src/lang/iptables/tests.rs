//! Text to rules, to both backends' forms, and back to the same text.

use super::parse::{self, Machine, Reading, words};
use super::rule::Rule;
use super::save::Context;
use super::{from_legacy, print, to_legacy};
use crate::model::Family;
use crate::model::names::Names;

fn machine() -> Machine {
    Machine {
        service: Some(|name| (name == "http").then_some(80)),
        ..Machine::default()
    }
}

fn rules(family: Family, text: &str) -> Result<Vec<Rule>, parse::Wrong> {
    parse::rule(&words::split(text, 0)?, family, &machine())
}

fn printed(family: Family, rule: &Rule) -> String {
    let names = Names::default();
    let cx = Context {
        family,
        names: &names,
    };
    let mut out = String::new();
    print::rule(rule, &cx, &mut out);
    out.trim_start().to_owned()
}

#[test]
fn rules_survive_text_and_legacy_form() {
    let texts = [
        "-s 10.0.0.0/8 ! -i eth+ -p tcp -m tcp --dport 80:90 -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        "-p udp -m multiport ! --ports 53,1024:65535 -m comment --comment \"it\\'s\\\"\" -j LOG --log-prefix \"a b \"",
        "-m limit --limit 5/min --limit-burst 10 -j RETURN",
        "-m hashlimit --hashlimit-above 1mb/s --hashlimit-name x -g chain",
        "-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90/8080 --persistent",
        "-m u32 --u32 \"0x0=0x0&&0x0&0xff00>>0x8=0x1:0x2,0x5\" -j MARK --set-xmark 0x1/0xff",
        "-f -m recent --rcheck --seconds 60 --hitcount 4 --name a --mask 255.255.255.255 --rsource -j DROP",
    ];
    for text in texts {
        let rule = rules(Family::Ip, text).expect(text).remove(0);
        assert_eq!(printed(Family::Ip, &rule), text);
        let legacy = to_legacy::rule(&rule).unwrap();
        let again = from_legacy::rule(Family::Ip, &legacy);
        assert_eq!(printed(Family::Ip, &again), text);
    }
}

#[test]
fn several_addresses_are_several_rules() {
    let made = rules(
        Family::Ip,
        "-s 10.0.0.1,10.0.0.2 -d 10.1.0.0/16 -p tcp --dport http -j ACCEPT",
    )
    .unwrap();
    let texts: Vec<String> = made.iter().map(|rule| printed(Family::Ip, rule)).collect();
    assert_eq!(
        texts,
        [
            "-s 10.0.0.1/32 -d 10.1.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT",
            "-s 10.0.0.2/32 -d 10.1.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT",
        ]
    );
}

#[test]
fn mistakes_say_where() {
    for (text, at) in [
        ("-p tcp --dport 70000", 7),
        ("-m nothing", 3),
        ("-m tcp --dport 1", 3),
        ("-j REJECT --reject-with nonsense", 10),
        ("--dport 1", 0),
        ("-s 10.0.0.300", 0),
        ("-m comment --comment \"open", 21),
    ] {
        let wrong = rules(Family::Ip, text).unwrap_err();
        assert_eq!(wrong.start, at, "{text}: {wrong}");
    }
}

#[test]
fn a_file_makes_tables() {
    let text = "# comment\n*filter\n:INPUT DROP [1:2]\n:own - [0:0]\n[3:4] -A INPUT -j own\n-A own -j RETURN\nCOMMIT\n";
    let reading = Reading {
        counters: true,
        ..Reading::default()
    };
    let tables = parse::text(text, Family::Ip, &machine(), reading).unwrap();
    assert_eq!(tables.len(), 1);
    assert!(tables[0].flush);
    assert_eq!(tables[0].actions.len(), 4);
    let wrong = parse::text(
        "*filter\n-A INPUT -j\nCOMMIT\n",
        Family::Ip,
        &machine(),
        reading,
    )
    .unwrap_err();
    assert_eq!((wrong.len(), wrong[0].start), (1, 17));
}
