//! What hookscope prints against what nft prints, on rulesets of our own in network namespaces of our own.

mod common;

use common::{hookscope, in_namespace, load_what_works, nft, output, run};
use hookscope::kernel::netlink::{AttrWriter, Attrs, Protocol, Socket};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::kernel::nf_tables::{decode, encode, expression};
use hookscope::lang::nft::facts;
use hookscope::model::Ruleset;
use serde_json::Value;
use std::collections::HashMap;

const RULESET: &str = include_str!("nft/families.nft");

fn same(ours: &str, theirs: &str, what: &str) {
    for (number, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {}", number + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{what}");
}

#[test]
fn text_is_that_of_nft() {
    in_namespace("text_is_that_of_nft", || {
        load_what_works(RULESET);
        for (ours, theirs) in [
            (&["show"][..], &["list", "ruleset"][..]),
            (&["show", "--handles"], &["-a", "list", "ruleset"]),
            (&["show", "--stateless"], &["-s", "list", "ruleset"]),
            (
                &["show", "--terse", "--stateless", "--handles"],
                &["-t", "-s", "-a", "list", "ruleset"],
            ),
        ] {
            same(&hookscope(ours), &output("nft", theirs), &ours.join(" "));
        }
        assert!(
            hookscope(&["show"]).lines().count() > 150,
            "the ruleset is there"
        );
    });
}

#[test]
fn json_is_that_of_nft() {
    in_namespace("json_is_that_of_nft", || {
        // The flags of a dormant table are the one place where nft 1.0.6 prints freed memory.
        load_what_works(&RULESET.replace("flags dormant", ""));
        let items = |text: &str| -> Vec<Value> {
            let mut value: Value = serde_json::from_str(text).expect("JSON");
            let items = value["nftables"].as_array_mut().expect("an array");
            items.retain(|item| item.get("metainfo").is_none());
            std::mem::take(items)
        };
        let (ours, theirs) = (
            items(&hookscope(&["show", "--json"])),
            items(&output("nft", &["-j", "list", "ruleset"])),
        );
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!(a, b);
        }
        assert_eq!(ours.len(), theirs.len());
    });
}

/// The kernel's expressions, rule by rule, against `nft --debug=netlink`.
#[test]
fn bytecode_is_that_of_nft() {
    in_namespace("bytecode_is_that_of_nft", || {
        load_what_works(RULESET);
        let theirs = output("nft", &["--debug=netlink", "list", "ruleset"]);
        // Newer libnftnl writes values in their own byte order.
        if cfg!(target_endian = "little") && !theirs.contains("reg 1 0x00005000 ]") {
            eprintln!("skipped: this nft writes another form");
            return;
        }
        // A rule begins with its family, table, chain and handle; its expressions are set in.
        let mut rules: HashMap<String, Vec<String>> = HashMap::new();
        let mut rule = String::new();
        for line in theirs.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if line.starts_with("  [") {
                rules.entry(rule.clone()).or_default().push(words.join(" "));
            } else {
                rule = words.into_iter().take(4).collect::<Vec<_>>().join(" ");
            }
        }
        // What nft leaves out.
        let common = |line: String| {
            let line = line.replace("load sctp ", "load ");
            match line
                .strip_prefix("[ synproxy")
                .and(line.split_once(" flags"))
            {
                Some((start, _)) => format!("{start} ]"),
                None => line.split_whitespace().collect::<Vec<_>>().join(" "),
            }
        };
        let mut compared = 0;
        for table in &read().tables {
            for chain in &table.chains {
                for rule in chain.rules.iter() {
                    let (family, table, chain) = (table.family, &table.name, &chain.name);
                    let key = format!("{family} {table} {chain} {}", rule.handle);
                    let ours: Vec<String> = facts::expression_lines(rule)
                        .into_iter()
                        .map(common)
                        .collect();
                    assert_eq!(ours, rules.remove(&key).unwrap_or_default(), "{key}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 60, "{compared} rules");
        assert!(rules.is_empty(), "{rules:?}");
    });
}

fn read() -> Ruleset {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    load::load(&mut socket, ReadElements::All).expect("a ruleset")
}

/// What the kernel sent, decoded and encoded again, means the same: decoding it again gives the same expressions,
/// and nothing in it is unknown.
#[test]
fn expressions_survive_decoding_and_encoding() {
    in_namespace("expressions_survive_decoding_and_encoding", || {
        load_what_works(RULESET);
        let mut rules = 0;
        for table in &read().tables {
            for rule in table.chains.iter().flat_map(|chain| chain.rules.iter()) {
                let body = decode::rule(rule).expect("a rule");
                let mut out = AttrWriter::new();
                encode::list(&mut out, &body.expressions);
                assert_eq!(
                    expression::list(out.as_bytes()).expect("expressions"),
                    body.expressions
                );
                assert!(!format!("{body:?}").contains("Unknown"), "{body:?}");
                rules += 1;
            }
        }
        assert!(rules > 60, "{rules} rules");
    });
}

/// An expression from the future is shown as unknown, with its bytes, and the rest of the rule with it.
#[test]
fn what_is_not_understood_is_kept_and_shown() {
    let mut out = AttrWriter::new();
    out.nest(1, |element| {
        element.text(1, "teleport").nest(2, |data| {
            data.be32(7, 0xdead_beef);
        });
    });
    // A known expression with an attribute that is not known is not known either.
    out.nest(1, |element| {
        element.text(1, "meta").nest(2, |data| {
            data.be32(1, 1).be32(2, 3).be32(99, 1);
        });
    });
    let expressions = expression::list(out.as_bytes()).expect("expressions");
    let text = format!("{expressions:?}");
    assert_eq!(text.matches("Unknown(").count(), 2, "{text}");
    let mut again = AttrWriter::new();
    encode::list(&mut again, &expressions);
    let bytes = |list: &[u8]| -> Vec<Vec<u8>> {
        Attrs::new(list)
            .map(|attr| attr.expect("an attribute").payload.to_vec())
            .collect()
    };
    assert_eq!(
        bytes(again.as_bytes()),
        bytes(out.as_bytes()),
        "byte for byte"
    );
}

#[test]
fn a_snapshot_shows_the_same() {
    in_namespace("a_snapshot_shows_the_same", || {
        load_what_works(RULESET);
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("s.hookscope").display().to_string();
        hookscope(&["snapshot", "-o", &file]);
        for options in [
            &["show"][..],
            &["show", "--json"],
            &["show", "--handles", "--stateless"],
        ] {
            let saved: Vec<&str> = ["--snapshot", &file]
                .into_iter()
                .chain(options.iter().copied())
                .collect();
            same(&hookscope(&saved), &hookscope(options), &options.join(" "));
        }
        let whole = std::fs::read(&file).expect("the snapshot");
        std::fs::write(&file, &whole[..whole.len() / 2]).expect("a shorter one");
        let refused = run(common::BINARY, &["--snapshot", &file, "show"], "");
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("damaged or cut off"));
    });
}

#[test]
fn a_table_that_a_process_owns_says_whose_it_is() {
    in_namespace("a_table_that_a_process_owns_says_whose_it_is", || {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut owner = Command::new("nft")
            .args(["-i"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nft");
        let mut input = owner.stdin.take().expect("its input");
        writeln!(input, "add table ip mine {{ flags owner; }}").expect("a command");
        input.flush().expect("sent");
        for _ in 0..100 {
            if hookscope(&["show"]).contains("progname nft") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let (ours, theirs) = (hookscope(&["show"]), output("nft", &["list", "ruleset"]));
        drop(input);
        let _ = owner.wait();
        // An nft built without an interactive mode makes no table; then there is nothing to compare.
        same(&ours, &theirs, "an owned table");
    });
}

#[test]
fn nothing_is_there_at_first() {
    in_namespace("nothing_is_there_at_first", || {
        assert_eq!(hookscope(&["show"]), "");
        nft("table ip t {}");
        assert_eq!(hookscope(&["show"]), "table ip t {\n}\n");
    });
}
