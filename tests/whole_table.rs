//! A whole table edited as text: what is left as it was stays, and what comes out is what was written.

mod common;

use common::{in_namespace, load_what_works, nft, output};
use hookscope::kernel::machine;
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::load::{ReadElements, load};
use hookscope::model::{Family, Ruleset};
use hookscope::session::changes::{self, whole};

fn ruleset() -> Ruleset {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    load(&mut socket, ReadElements::All).expect("the kernel answers")
}

fn names() -> hookscope::model::Names {
    machine::names(&ruleset())
}

fn open(family: Family, table: &str) -> whole::Opened {
    whole::open(family, &table.into(), &names()).expect("a table")
}

/// Without handles and counters.
fn listed() -> String {
    output("nft", &["-s", "list", "ruleset"])
}

/// xorshift: the same numbers for the same seed.
fn below(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % limit.max(1) as u64) as usize
}

const RULES: [&str; 9] = [
    "tcp dport { 22, 80 } counter accept",
    "ip saddr @hosts counter drop",
    "jump aside",
    "ct state vmap { established : accept, invalid : drop }",
    "meta mark set 0x00000007 comment \"a # in it\"",
    "log prefix \"} drop\" counter",
    "udp dport 53 limit rate 5/second accept",
    "ip daddr 10.0.0.0/8 return",
    "counter name \"seen\" drop",
];

fn table(state: &mut u64) -> String {
    let mut hosts: Vec<String> = (0..below(state, 5))
        .map(|n| format!("192.0.2.{}", n * 2 + below(state, 2)))
        .collect();
    hosts.dedup();
    let elements = match hosts.len() {
        0 => String::new(),
        _ => format!("\t\telements = {{ {} }}\n", hosts.join(", ")),
    };
    let mut text = format!(
        "table ip t {{\n\tcounter seen {{\n\t}}\n\n\tset hosts {{\n\t\ttype ipv4_addr\n{elements}\t}}\n\n\tchain aside {{\n"
    );
    let rules = |text: &mut String, state: &mut u64, of: &[&str]| {
        for _ in 0..below(state, 8) {
            let rule = of[below(state, of.len())];
            text.push_str(&format!("\t\t{rule}\n"));
        }
    };
    rules(&mut text, state, &RULES[3..]);
    let policy = ["accept", "drop"][below(state, 2)];
    text.push_str(&format!(
        "\t}}\n\n\tchain c {{\n\t\ttype filter hook input priority filter; policy {policy};\n"
    ));
    rules(&mut text, state, &RULES);
    text.push_str("\t}\n}\n");
    text
}

#[test]
fn what_is_written_is_what_the_kernel_gets() {
    in_namespace("whole-random", || {
        let names = names();
        for seed in 1..=80u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let (before, after) = (table(&mut state), table(&mut state));
            nft("flush ruleset");
            nft(&before);
            let before = listed();
            let opened = open(Family::Ip, "t");
            let edits = whole::edits(&opened, &after, &names).expect("it can be read");
            let mut set = hookscope::stage::change::ChangeSet::default();
            for edit in edits {
                set.stage(edit);
            }
            let edits: Vec<_> = set.changes().iter().map(|one| one.edit.clone()).collect();
            if let Err(problem) = changes::commit(&edits, &names, None, None) {
                panic!("seed {seed}: {problem:?}\n{before}\n{after}\n{edits:#?}");
            }
            let made = listed();
            nft("flush ruleset");
            nft(&after);
            assert_eq!(made, listed(), "seed {seed}:\n{before}\n{edits:#?}");
        }
    });
}

#[test]
fn an_untouched_table_is_no_change() {
    in_namespace("whole-same", || {
        let names = names();
        let mut tried = 0;
        for file in std::fs::read_dir("tests/nft").expect("rulesets") {
            let path = file.expect("a file").path();
            nft("flush ruleset");
            let text = std::fs::read_to_string(&path).expect("a text");
            load_what_works(&text);
            let ruleset = ruleset();
            for table in &ruleset.tables {
                let opened = open(table.family, &table.name);
                let edits = whole::edits(&opened, &opened.text, &names);
                assert_eq!(
                    edits,
                    Ok(Vec::new()),
                    "{}:\n{}",
                    path.display(),
                    opened.text
                );
                let text = format!("{}{}", whole::heading(&opened), opened.text);
                assert_eq!(whole::edits(&opened, &text, &names), Ok(Vec::new()));
                tried += 1;
            }
        }
        assert!(tried > 0);
    });
}

#[test]
fn mistakes_and_other_tables_are_refused() {
    in_namespace("whole-wrong", || {
        nft("table ip t { chain c { type filter hook input priority 0\n }\n }");
        let (opened, names) = (open(Family::Ip, "t"), names());
        for (text, expected) in [
            ("table ip t {\n chain c {\n tcp dprt 22\n }\n}\n", "dprt"),
            ("table ip u {\n}\n", "only one block of table ip t"),
            ("flush ruleset\n", "only the block"),
        ] {
            let error = whole::edits(&opened, text, &names).expect_err("refused");
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(whole::edits(&opened, "# nothing\n", &names), Ok(Vec::new()));
    });
}
