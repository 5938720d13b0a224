//! Single rules of legacy tables, changed in the bytes of the table: the same as iptables-legacy makes of them, and
//! taken back without a trace.

mod common;

use common::place::{Place, restore, saved};
use common::{in_namespace, output};
use std::process::Output;

fn apply(place: &Place, family: &str, more: &[&str], text: &str) -> Output {
    let legacy = ["apply", "--format", "iptables", "--backend", "legacy"];
    place.run(&[&legacy[..], &["--family", family], more, &["-e", text]].concat())
}

/// The programs of a family, and what the test says in it.
struct Programs {
    family: &'static str,
    save: &'static str,
    restore: &'static str,
    single: &'static str,
    rules: &'static [&'static str],
}

const FAMILIES: [Programs; 2] = [
    Programs {
        family: "ip",
        save: "iptables-legacy-save",
        restore: "iptables-legacy-restore",
        single: "iptables-legacy",
        rules: &[
            "-s 192.0.2.1/32 -j ACCEPT",
            "-p tcp -m tcp --dport 22 -j FIRST",
            "-i eth0 -g SECOND",
            "-p udp",
            "-m limit --limit 5/min -j LOG --log-prefix in:",
            "-m hashlimit --hashlimit-above 3/sec --hashlimit-mode srcip --hashlimit-name a -j DROP",
            "-m statistic --mode nth --every 3 --packet 0 -j RETURN",
            "-m recent --set --name seen --mask 255.255.255.255 --rsource",
            "-m conntrack --ctstate ESTABLISHED -m comment --comment known -j LAST",
            "-m quota --quota 1000 -j ACCEPT",
        ],
    },
    Programs {
        family: "ip6",
        save: "ip6tables-legacy-save",
        restore: "ip6tables-legacy-restore",
        single: "ip6tables-legacy",
        rules: &[
            "-s 2001:db8::1/128 -j ACCEPT",
            "-p tcp -m tcp --dport 22 -j FIRST",
            "-i eth0 -g SECOND",
            "-p ipv6-icmp",
            "-m limit --limit 5/min -j LOG --log-prefix in:",
            "-m connlimit --connlimit-upto 3 -j LAST",
            "-j REJECT --reject-with icmp6-adm-prohibited",
        ],
    },
];

const CHAINS: [&str; 6] = ["INPUT", "FORWARD", "OUTPUT", "FIRST", "SECOND", "LAST"];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Rules, user chains that lead to each other, and counters that have to go on.
fn beginning(programs: &Programs) -> String {
    let mut text = String::from(
        "*filter\n:INPUT ACCEPT [3:300]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [1:40]\n:FIRST - [0:0]\n:SECOND - [0:0]\n:LAST - [0:0]\n",
    );
    let own = programs.rules[0];
    for (number, line) in [
        "-A INPUT -j FIRST",
        "-A INPUT -j SECOND",
        "-A FIRST -g LAST",
        "-A FIRST -j SECOND",
    ]
    .iter()
    .map(|line| (*line).to_owned())
    .chain([format!("-A SECOND {own}"), format!("-A OUTPUT {own}")])
    .enumerate()
    {
        text += &format!("[{number}:{number}00] {line}\n");
    }
    text + "COMMIT\n"
}

/// Without what policies have counted: iptables-legacy loses that with every change of a rule.
fn rules_only(saved: &str) -> String {
    let head = |line: &str| match line.strip_prefix(':') {
        Some(rest) => rest.split(" [").next().unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    saved.lines().map(head).collect::<Vec<_>>().join("\n")
}

/// The rules of a chain, without their counters.
fn rules_of(saved: &str, chain: &str) -> Vec<String> {
    let start = format!("-A {chain} ");
    let lines = saved
        .lines()
        .filter_map(|line| Some(line.split_once("] ")?.1));
    lines
        .filter_map(|line| line.strip_prefix(&start))
        .map(str::to_owned)
        .collect()
}

#[test]
fn one_rule_is_what_iptables_makes_of_it_and_is_taken_back() {
    in_namespace(
        "one_rule_is_what_iptables_makes_of_it_and_is_taken_back",
        || {
            let place = Place::new();
            let mut made = 0;
            for programs in &FAMILIES {
                restore(programs.restore, &beginning(programs));
                let mut numbers = Numbers(7);
                for round in 0..60 {
                    let before = saved(programs.save);
                    let chain = numbers.of(&CHAINS);
                    // No chain leads to itself.
                    let rule = loop {
                        let rule = numbers.of(programs.rules);
                        let to = rule.split(' ').next_back().unwrap();
                        let from = CHAINS.iter().position(|one| *one == chain);
                        let at = CHAINS.iter().position(|one| *one == to);
                        let forth = at.is_none_or(|at| Some(at) > from);
                        if forth && !(chain == "OUTPUT" && rule.contains("-i eth0")) {
                            break rule.to_owned();
                        }
                    };
                    let there = rules_of(&before, chain);
                    let number = 1 + numbers.below(there.len() + 1);
                    let text = match numbers.below(6) {
                        0 | 1 => format!("-A {chain} {rule}"),
                        2 => format!("-I {chain} {number} {rule}"),
                        3 if number <= there.len() => format!("-R {chain} {number} {rule}"),
                        4 if number <= there.len() => format!("-D {chain} {number}"),
                        5 if number <= there.len() => format!("-D {chain} {}", there[number - 1]),
                        _ => format!("-I {chain} {rule}"),
                    };
                    let more: &[&str] = if round % 7 == 3 {
                        &["--confirm", "60"]
                    } else {
                        &[]
                    };
                    let applied = apply(&place, programs.family, more, &text);
                    let why = String::from_utf8_lossy(&applied.stderr).into_owned();
                    assert!(applied.status.success(), "{text}: {why}");
                    let ours = saved(programs.save);
                    match more.is_empty() {
                        true => place.good(&["rollback", "--last"]),
                        false => place.good(&["rollback"]),
                    };
                    assert_eq!(saved(programs.save), before, "{text} taken back");
                    let words = text.split(' ').map(|word| word.trim_matches('"'));
                    output(programs.single, &words.collect::<Vec<_>>());
                    let theirs = saved(programs.save);
                    assert_eq!(
                        rules_only(&ours),
                        rules_only(&theirs),
                        "{text}\nbefore:\n{before}"
                    );
                    made += usize::from(theirs != before);
                }
            }
            assert!(made > 110, "{made}");
        },
    );
}

#[test]
fn several_in_one_text_and_what_others_did_since() {
    in_namespace("several_in_one_text_and_what_others_did_since", || {
        let place = Place::new();
        let programs = &FAMILIES[0];
        restore(programs.restore, &beginning(programs));
        let before = saved(programs.save);
        let text = "-A FIRST -p udp -j DROP\n-I FIRST -p tcp -j LAST\n-D INPUT 2\n-R OUTPUT 1 -p icmp -j DROP";
        let good = |text: &str| {
            let applied = apply(&place, "ip", &[], text);
            let why = String::from_utf8_lossy(&applied.stderr).into_owned();
            assert!(applied.status.success(), "{text}: {why}");
        };
        good(text);
        let ours = saved(programs.save);
        restore(programs.restore, &before);
        for line in text.lines() {
            output(programs.single, &line.split(' ').collect::<Vec<_>>());
        }
        assert_eq!(rules_only(&ours), rules_only(&saved(programs.save)));
        assert!(ours.contains(":INPUT ACCEPT [3:300]"), "{ours}");
        // A chain that was not changed, and one that was: what others put there stays.
        for line in ["-A SECOND -p sctp -j DROP", "-I FIRST -p sctp -j DROP"] {
            output(programs.single, &line.split(' ').collect::<Vec<_>>());
        }
        place.good(&["rollback", "--last"]);
        let lines = |text: &str| {
            let text = rules_only(text);
            let lines = text.lines().map(str::to_owned);
            lines.collect::<std::collections::BTreeSet<_>>()
        };
        let (was, is) = (lines(&before), lines(&saved(programs.save)));
        assert!(was.is_subset(&is), "{was:?}\n{is:?}");
        let more: Vec<_> = is.difference(&was).collect();
        assert_eq!(more.len(), 2, "{more:?}");
        assert!(more.iter().all(|line| line.contains("sctp")), "{more:?}");
        // All of a text or nothing, and the mistake where it is.
        let now = saved(programs.save);
        for (text, expected) in [
            ("-A FIRST -p udp\n-D INPUT 9", "there is no rule 9"),
            ("-A FIRST -p udp\n-I INPUT 5 -p udp", "there is no rule 5"),
            ("-A NOWHERE -p udp", "there is no chain `NOWHERE`"),
            ("-A FIRST -j OUTPUT", "there is no chain or target `OUTPUT`"),
            ("-D FIRST -p esp -j DROP", "there is no such rule"),
            ("-A LAST -j FIRST", "its chains loop"),
        ] {
            let refused = apply(&place, "ip", &[], text);
            let why = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(
                !refused.status.success() && why.contains(expected),
                "{text}: {why}"
            );
            assert_eq!(saved(programs.save), now, "{text}");
        }
    });
}

#[test]
fn a_check_asks_the_kernel_and_leaves_nothing() {
    in_namespace("a_check_asks_the_kernel_and_leaves_nothing", || {
        let place = Place::new();
        let programs = &FAMILIES[0];
        let names = || std::fs::read_to_string("/proc/thread-self/net/ip_tables_names");
        let check = |text: &str| {
            let done = apply(&place, "ip", &["--check"], text);
            let why = String::from_utf8_lossy(&done.stderr).into_owned();
            (done.status.success(), why)
        };
        let fine = (true, String::new());
        assert_eq!(check("-A INPUT -s 192.0.2.1 -j ACCEPT"), fine);
        assert_eq!(
            check("*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n"),
            fine
        );
        let (good, why) = check("-t mangle -A OUTPUT -j MASQUERADE");
        assert!(!good && why.contains("does not fit its chain"), "{why}");
        assert!(why.contains("nothing was changed"), "{why}");
        // Not even a table: with it would come its hooks.
        assert_eq!(names().unwrap_or_default(), "");
        restore(programs.restore, &beginning(programs));
        // Sets have the numbers in the attempt that they have here.
        for set in ["first", "second", "third"] {
            let made = place.run(&[
                "apply",
                "--format",
                "ipset",
                "-e",
                &format!("create {set} hash:ip"),
            ]);
            assert!(made.status.success());
        }
        let gone = place.run(&["apply", "--format", "ipset", "-e", "destroy first"]);
        assert!(gone.status.success());
        let before = saved(programs.save);
        assert_eq!(check("-I INPUT -m set --match-set third src -j DROP"), fine);
        let (good, why) = check("-A LAST -j FIRST\n");
        assert!(!good && why.contains("its chains loop"), "{why}");
        assert_eq!(saved(programs.save), before);
        let entries = std::fs::read_dir(place.journal()).expect("a journal");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let written = names.filter(|name| name.to_string_lossy().ends_with(".json"));
        assert_eq!(written.count(), 4, "only the sets");
    });
}

#[test]
fn what_cannot_be_taken_back_or_shown_is_said() {
    in_namespace("what_cannot_be_taken_back_or_shown_is_said", || {
        let place = Place::new();
        let applied = apply(&place, "ip", &[], "-A INPUT -s 192.0.2.9 -j DROP");
        assert!(applied.status.success());
        let before = saved("iptables-legacy-save");
        let pictures = place.journal().join("00000001.pictures");
        let bytes = std::fs::read(&pictures).expect("pictures");
        // Cut anywhere, it is damaged, and nothing happens.
        for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&pictures, &bytes[..len]).expect("written");
            let why = place.bad(&["rollback", "--last"]);
            assert!(
                why.contains("00000001.pictures' is damaged"),
                "{len}: {why}"
            );
            assert_eq!(saved("iptables-legacy-save"), before);
        }
        std::fs::write(&pictures, &bytes).expect("written");
        place.good(&["rollback", "--last"]);
        assert!(!saved("iptables-legacy-save").contains("192.0.2.9"));
        let show = ["show", "--format", "iptables", "--backend", "legacy"];
        let why = place.bad(&[&show[..], &["--family", "bridge"]].concat());
        assert!(why.contains("family bridge are not supported"), "{why}");
    });
}
