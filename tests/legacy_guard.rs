//! Legacy tables under the guard and in the journal: what was comes back with its counters, what others did stays,
//! and of several tables all are replaced or none.

mod common;

use common::place::{Place, restore, saved};
use common::{in_namespace, output};
use std::thread::sleep;
use std::time::{Duration, Instant};

const OLD: &str = "*filter
:INPUT ACCEPT [3:300]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:USER - [0:0]
[7:700] -A INPUT -p tcp -m tcp --dport 22 -j USER
[0:0] -A INPUT -m limit --limit 5/min -j LOG --log-prefix \"in: \"
[5:500] -A USER -s 192.0.2.1/32 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
[9:900] -A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
";

fn apply(place: &Place, more: &[&str], text: &str) -> String {
    let legacy = ["apply", "--format", "iptables", "--backend", "legacy"];
    place.good(&[&legacy, more, &["-e", text]].concat())
}

fn tables() -> String {
    saved("iptables-legacy-save")
}

/// Wait until the tables are what they were.
fn settle(expected: &str) {
    let started = Instant::now();
    while tables() != expected && started.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(50));
    }
    assert_eq!(tables(), expected);
}

const CHANGE: &str = "-A INPUT -p udp -j DROP\n-D USER 1\n-t nat -F POSTROUTING\n-P INPUT DROP";

#[test]
fn a_window_ends_by_confirm_by_rollback_and_by_time() {
    in_namespace("a_window_ends_by_confirm_by_rollback_and_by_time", || {
        let place = Place::new();
        restore("iptables-legacy-restore", OLD);
        let before = tables();

        apply(&place, &["--confirm", "60", "--why", "udp"], CHANGE);
        assert!(tables().contains("udp"));
        assert!(!tables().contains("MASQUERADE"));
        let refused = place.bad(&[
            "apply",
            "--format",
            "iptables",
            "--backend",
            "legacy",
            "-e",
            "-F INPUT",
        ]);
        assert!(refused.contains("waits for confirmation"), "{refused}");
        assert!(place.good(&["rollback"]).contains("taken back"));
        assert_eq!(tables(), before);

        apply(&place, &["--confirm", "1"], CHANGE);
        settle(&before);

        apply(&place, &["--confirm", "60"], CHANGE);
        place.good(&["confirm"]);
        let after = tables();
        assert!(after.contains("udp"));
        let history = place.good(&["history"]);
        assert!(
            history.contains("kept") && history.contains("taken back"),
            "{history}"
        );

        place.good(&["rollback", "--last"]);
        assert_eq!(tables(), before);
        assert_ne!(after, before);
    });
}

#[test]
fn what_others_did_in_the_window_stays() {
    in_namespace("what_others_did_in_the_window_stays", || {
        let place = Place::new();
        restore("iptables-legacy-restore", OLD);
        apply(&place, &["--confirm", "60"], CHANGE);
        output(
            "iptables-legacy",
            &["-I", "INPUT", "-s", "198.51.100.7", "-j", "DROP"],
        );
        output("iptables-legacy", &["-N", "f2b"]);
        place.good(&["rollback"]);
        // iptables-legacy sets the counters of policies to zero whenever it writes.
        let expected = OLD
            .replace("[3:300]", "[0:0]")
            .replace(
                "[7:700] -A INPUT",
                "[0:0] -A INPUT -s 198.51.100.7/32 -j DROP\n[7:700] -A INPUT",
            )
            .replace(":USER - [0:0]\n", ":USER - [0:0]\n:f2b - [0:0]\n");
        assert_eq!(sorted(&tables()), sorted(&expected));
    });
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn counters_go_on_over_a_replacement() {
    in_namespace("counters_go_on_over_a_replacement", || {
        let place = Place::new();
        output("ip", &["link", "set", "lo", "up"]);
        restore(
            "iptables-legacy-restore",
            "*filter\n[0:0] -A INPUT -s 127.0.0.1/32 -p icmp\nCOMMIT\n",
        );
        output("ping", &["-c", "3", "-i", "0.01", "127.0.0.1"]);
        apply(&place, &["--confirm", "60"], "-A INPUT -p udp");
        assert!(
            tables().contains("[6:504] -A INPUT -s 127.0.0.1/32 -p icmp"),
            "{}",
            tables()
        );
        output("ping", &["-c", "1", "127.0.0.1"]);
        place.good(&["rollback"]);
        assert!(
            tables().contains("[8:672] -A INPUT -s 127.0.0.1/32 -p icmp"),
            "{}",
            tables()
        );
        assert!(!tables().contains("udp"));
    });
}

#[test]
fn all_tables_or_none() {
    in_namespace("all_tables_or_none", || {
        let place = Place::new();
        restore("iptables-legacy-restore", OLD);
        let before = tables();
        // The kernel has MASQUERADE only in the table nat: mangle is refused when filter and nat are replaced.
        let text = "*filter\n-A INPUT -p udp -j DROP\nCOMMIT\n*nat\n-A PREROUTING -j ACCEPT\nCOMMIT\n*raw\n-A OUTPUT -j MASQUERADE\nCOMMIT\n";
        let arguments = [
            "apply",
            "--format",
            "iptables",
            "--backend",
            "legacy",
            "-e",
            text,
        ];
        for more in [&["--confirm", "60"][..], &[]] {
            let error = place.bad(&[&arguments, more].concat());
            assert!(error.contains("nothing was changed"), "{error}");
            assert!(
                error.contains(":8:") || error.contains("MASQUERADE"),
                "{error}"
            );
            let now = tables();
            let now = sorted(&now);
            assert!(
                sorted(&before).iter().all(|line| now.contains(line)),
                "{now:?}"
            );
            assert!(!tables().contains("udp"), "{}", tables());
        }
        assert!(place.good(&["history"]).contains("no commits"));
    });
}

#[test]
fn other_families() {
    in_namespace("other_families", || {
        let place = Place::new();
        restore(
            "ip6tables-legacy-restore",
            "*filter\n[4:400] -A INPUT -s 2001:db8::/32 -j DROP\nCOMMIT\n",
        );
        output(
            "arptables-legacy",
            &["-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP"],
        );
        for (family, program) in [("ip6", "ip6tables-legacy"), ("arp", "arptables-legacy")] {
            let listed = || output(program, &["-L", "INPUT", "-n", "-v"]);
            let before = listed();
            assert!(before.contains("DROP"), "{before}");
            apply(&place, &["--family", family, "--confirm", "60"], "-F INPUT");
            assert!(!listed().contains("DROP"), "{}", listed());
            place.good(&["rollback"]);
            assert_eq!(listed(), before);
        }
    });
}

#[test]
fn a_killed_program_leaves_the_old_tables() {
    for fault in [
        "program:before-commit",
        "program:committed",
        "guard:armed",
        "guard:ready",
    ] {
        in_namespace("a_killed_program_leaves_the_old_tables", move || {
            let place = Place::new();
            restore("iptables-legacy-restore", OLD);
            let before = tables();
            let arguments = [
                "apply",
                "--format",
                "iptables",
                "--backend",
                "legacy",
                "--confirm",
                "2",
                "-e",
                CHANGE,
            ];
            let done = place
                .command(&arguments)
                .env("HOOKSCOPE_FAULT", fault)
                .output();
            drop(done.expect("the program"));
            // Whoever comes next deals with what is left; a guard that was killed is replaced.
            place.run(&["show"]);
            settle(&before);
            let started = Instant::now();
            while !left(&place).is_empty() && started.elapsed() < Duration::from_secs(10) {
                place.run(&["show"]);
                sleep(Duration::from_millis(100));
            }
            assert!(left(&place).is_empty(), "{fault}: {:?}", left(&place));
            assert_eq!(tables(), before, "{fault}");
        });
    }
}

/// States that somebody still has to deal with.
fn left(place: &Place) -> Vec<std::path::PathBuf> {
    let run = place.runtime();
    let mut found = Vec::new();
    let mut todo = vec![run];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.file_name().is_some_and(|name| name == "state") {
                found.push(path);
            }
        }
    }
    found
}
