//! Single rules of iptables-nft: changed without rewriting their table, written down, and taken back.

mod common;

use common::place::Place;
use common::{in_namespace, output, run};

fn apply(place: &Place, more: &[&str], text: &str) {
    place.good(&[&["apply", "--format", "iptables"], more, &["-e", text]].concat());
}

/// The rules with their handles: those that stay keep theirs.
fn handles() -> String {
    output("nft", &["-a", "-s", "list", "ruleset"])
}

#[test]
fn rules_around_a_change_stay_what_they_are() {
    in_namespace("rules_around_a_change_stay_what_they_are", || {
        let place = Place::new();
        let rules = "*filter\n:USER - [0:0]\n-A INPUT -s 10.0.0.1 -j USER\n-A INPUT -s 10.0.0.2 -j ACCEPT\n-A USER -s 10.0.0.3 -j DROP\nCOMMIT\n";
        let loaded = run("iptables-nft-restore", &[], rules);
        assert!(loaded.status.success());
        for (ours, theirs) in [
            (
                "-A INPUT -s 192.0.2.1 -j ACCEPT",
                "-A INPUT -s 192.0.2.1 -j ACCEPT",
            ),
            (
                "-I INPUT 2 -s 192.0.2.2 -j USER",
                "-I INPUT 2 -s 192.0.2.2 -j USER",
            ),
            ("-I INPUT -s 192.0.2.3", "-I INPUT -s 192.0.2.3"),
            (
                "-R INPUT 2 -s 192.0.2.4 -j DROP",
                "-R INPUT 2 -s 192.0.2.4 -j DROP",
            ),
            (
                "-D INPUT -s 10.0.0.2 -j ACCEPT",
                "-D INPUT -s 10.0.0.2 -j ACCEPT",
            ),
            ("-D INPUT 2", "-D INPUT 2"),
            ("-F USER", "-F USER"),
        ] {
            for more in [&[][..], &["--confirm", "60"]] {
                let before = handles();
                let others = |text: &str| -> Vec<String> {
                    let lines = text.lines().filter(|line| line.contains("10.0.0.1"));
                    lines.map(str::to_owned).collect()
                };
                apply(&place, more, ours);
                assert_eq!(others(&handles()), others(&before), "{ours}");
                let made = output("iptables-nft", &["-S"]);
                match more.is_empty() {
                    true => place.good(&["rollback", "--last"]),
                    false => place.good(&["rollback"]),
                };
                let saved = output("iptables-nft", &["-S"]);
                assert_ne!(made, saved, "{ours}");
                // iptables itself makes the same of it.
                output("iptables-nft", &theirs.split(' ').collect::<Vec<_>>());
                assert_eq!(output("iptables-nft", &["-S"]), made, "{ours}");
                let again = run("iptables-nft-restore", &[], rules);
                assert!(again.status.success());
            }
        }
        let wrong = place.run(&["apply", "--format", "iptables", "-e", "-D INPUT 9"]);
        assert!(!wrong.status.success());
        let why = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(
            why.contains("there is no rule 9") && why.contains(":1:1"),
            "{why}"
        );
    });
}

/// A note of the last number saves listing the journal. Without it, or when it says something else, numbers go on.
#[test]
fn entries_are_numbered_on_whatever_the_note_says() {
    in_namespace("entries_are_numbered_on_whatever_the_note_says", || {
        let place = Place::new();
        let numbers = || -> Vec<u64> {
            let files = std::fs::read_dir(place.journal()).expect("a journal");
            let names = files.map(|file| file.expect("a file").file_name());
            let mut numbers: Vec<u64> = names
                .filter_map(|name| name.to_str()?.strip_suffix(".json")?.parse().ok())
                .collect();
            numbers.sort_unstable();
            numbers
        };
        let append = || apply(&place, &[], "-A INPUT -s 192.0.2.1 -j ACCEPT");
        append();
        append();
        let note = place.journal().join("last");
        assert_eq!(std::fs::read_to_string(&note).expect("a note"), "00000002");
        for stale in ["00000001", "00000999", "garbage", "", "-1\n"] {
            std::fs::write(&note, stale).expect("written");
            append();
        }
        std::fs::remove_file(&note).expect("a note");
        append();
        assert_eq!(numbers(), (1..=8).collect::<Vec<u64>>());
        place.good(&["rollback", "--last"]);
        let rules = output("iptables-nft", &["-S", "INPUT"]);
        assert_eq!(rules.matches("-A INPUT").count(), 7, "{rules}");
    });
}
