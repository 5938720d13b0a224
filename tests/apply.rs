//! `hookscope apply` against nft on the real kernel: the same text gives the same ruleset, and what is refused
//! changes nothing.

mod common;

use common::{BINARY, in_namespace, nft, output, run};
use std::collections::BTreeMap;

const RULESET: &str = include_str!("nft/families.nft");

/// `nft list ruleset` and `nft --debug=netlink`, in a namespace of its own.
fn state_after(make: impl FnOnce() + Send + 'static) -> (String, String) {
    std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
        make();
        let bytecode = output("nft", &["--debug=netlink", "-a", "list", "ruleset"]);
        (
            output("nft", &["list", "ruleset"]),
            without_handles(&bytecode),
        )
    })
    .join()
    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Elements of hashed sets come in any order.
fn without_handles(text: &str) -> String {
    let mut lines: Vec<&str> = text
        .lines()
        .map(|line| line.split(" # handle").next().unwrap_or(line))
        // The kernel numbers the chains of `jump { ... }` for all namespaces together.
        .map(|line| line.split("__chain").next().unwrap_or(line))
        .collect();
    for run in lines.chunk_by_mut(|a, b| is_element(a) && is_element(b)) {
        run.sort_unstable();
    }
    lines.join("\n")
}

fn is_element(line: &str) -> bool {
    line.starts_with("\telement ")
}

/// Line by line, so that a difference can be read.
#[track_caller]
fn equal(ours: &(String, String), theirs: &(String, String)) {
    for (ours, theirs) in [(&ours.0, &theirs.0), (&ours.1, &theirs.1)] {
        for (place, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
            assert_eq!(a, b, "line {place}");
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
    }
}

fn apply(text: &str) {
    let result = run(BINARY, &["apply", "-"], text);
    assert!(
        result.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&result.stderr)
    );
}

#[track_caller]
fn same(name: &str, text: &'static str) {
    in_namespace(name, move || {
        let ours = state_after(move || apply(text));
        let theirs = state_after(move || nft(text));
        assert_eq!(ours.0, theirs.0, "listing of {text}");
        assert_eq!(ours.1, theirs.1, "bytecode of {text}");
    });
}

/// What this nft and this kernel refuse of the own ruleset is left out.
fn loadable(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    loop {
        let text = lines.join("\n");
        // Some refusals come only when the ruleset is really made.
        let result = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            run("nft", &["-f", "-"], &text)
        })
        .join()
        .expect("nft ran");
        if result.status.success() {
            return lines.join("\n") + "\n";
        }
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        let line = message
            .lines()
            .find_map(|line| {
                let rest = line.strip_prefix("/dev/stdin:")?;
                rest.split(':').next()?.parse::<usize>().ok()
            })
            .unwrap_or_else(|| panic!("nft: {message}"));
        lines[line - 1] = "";
    }
}

#[test]
fn the_own_ruleset_loads_as_through_nft() {
    in_namespace("the_own_ruleset_loads_as_through_nft", || {
        let text = loadable(RULESET);
        let rules = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(rules > 80, "only {rules} lines are left");
        let (a, b) = (text.clone(), text);
        let ours = state_after(move || apply(&a));
        let theirs = state_after(move || nft(&b));
        equal(&ours, &theirs);
    });
}

/// What is printed is read back as the same bytecode.
#[test]
fn a_listing_is_a_fixed_point() {
    in_namespace("a_listing_is_a_fixed_point", || {
        let text = loadable(RULESET);
        let (listing, bytecode) = state_after(move || nft(&text));
        let again = listing.clone();
        let (second, second_bytecode) = state_after(move || apply(&again));
        equal(&(second, second_bytecode), &(listing, bytecode));
    });
}

#[test]
fn rules_go_where_they_are_told() {
    same(
        "rules_go_where_they_are_told",
        "add table ip t
add chain ip t c
add rule ip t c tcp dport 1
add rule ip t c tcp dport 2
insert rule ip t c tcp dport 3
add rule ip t c index 0 tcp dport 4
insert rule ip t c index 2 tcp dport 5
add rule ip t c index 4 tcp dport 6
add rule ip t c index 5 tcp dport 7
",
    );
}

#[test]
fn intervals_are_joined_cut_and_refused() {
    same(
        "intervals_are_joined_cut_and_refused",
        "add table ip t
add set ip t s { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/24, 10.0.1.0/24, 10.9.0.1 }; }
add element ip t s { 10.0.2.0-10.0.2.9, 10.0.0.7 }
add map ip t m { type inet_service : ipv4_addr; flags interval; elements = { 1-9 : 10.0.0.1, 80 : 10.0.0.2 }; }
add element ip t m { 100-200 : 10.0.0.3 }
add set ip t c { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 1-1023, 192.0.2.1 . 80 }; }
",
    );
    // nft 1.0.6 says that there is no such element; the kernel can do it.
    in_namespace("cut", || {
        apply(
            "table ip t { set s { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/24 }\n}\n}\n",
        );
        apply("delete element ip t s { 10.0.0.16/28 }\n");
        let left = output("nft", &["list", "set", "ip", "t", "s"]);
        let left: Vec<&str> = left.split_whitespace().collect();
        assert!(
            left.join(" ")
                .contains("{ 10.0.0.0/28, 10.0.0.32-10.0.0.255 }"),
            "{left:?}"
        );
    });
    in_namespace("overlap", || {
        apply(
            "table ip t { set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }\n}\n}\n",
        );
        let before = output("nft", &["-a", "list", "ruleset"]);
        let text = "add element ip t s { 10.1.0.0/16 }\nadd chain ip t new\n";
        let result = run(BINARY, &["apply", "-"], text);
        assert_eq!(result.status.code(), Some(1));
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(message.contains("<stdin>:1:22"), "{message}");
        assert!(message.contains("overlaps"), "{message}");
        assert_eq!(before, output("nft", &["-a", "list", "ruleset"]));
    });
}

/// Text that is wrong in one way each, with what the message must say and where.
#[test]
fn mistakes_are_told_where_they_are() {
    let cases: BTreeMap<&str, (&str, &str)> = BTreeMap::from([
        (
            "add rule ip t c tcp dprot 22\n",
            (":1:21:", "did you mean `dport`"),
        ),
        ("add rule ip t c tcp dport 70000\n", (":1:27:", "65535")),
        (
            "add rule ip t c iif nosuchif0 accept\n",
            (":1:21:", "no interface"),
        ),
        ("add rule ip t x accept\n", (":1:15:", "no chain `x`")),
        ("add rule ip nosuch c accept\n", (":1:13:", "no table")),
        (
            "add rule ip t c ip saddr @t accept\n",
            (":1:26:", "no set `t`"),
        ),
        (
            "add rule ip t c ip6 saddr ::1 accept\n",
            (":1:17:", "conflicting protocols"),
        ),
        ("add rule ip t c accept drop\n", (":1:24:", "never reached")),
        ("add rule ip t c jump nosuch\n", (":1:", "nosuch")),
        (
            "add rule ip t c index 7 accept\n",
            (":1:23:", "only 0 rules"),
        ),
        (
            "add chain ip t i { type filter hook ingres priority 0; }\n",
            (":1:37:", "`ingress`"),
        ),
        (
            "add set ip t s { type ipv4_adr; }\n",
            (":1:23:", "did you mean `ipv4_addr`"),
        ),
        (
            "include \"/nonexistent/x.nft\"\n",
            (":1:1:", "/nonexistent/x.nft"),
        ),
    ]);
    in_namespace("mistakes_are_told_where_they_are", move || {
        apply("add table ip t\nadd chain ip t c\n");
        let before = output("nft", &["-a", "list", "ruleset"]);
        for (text, (place, words)) in cases {
            let result = run(BINARY, &["apply", "-"], text);
            let message = String::from_utf8_lossy(&result.stderr).into_owned();
            assert_eq!(result.status.code(), Some(1), "{text}{message}");
            assert!(
                message.contains(&format!("<stdin>{place}")),
                "{text}{message}"
            );
            assert!(message.contains(words), "{text}{message}");
            assert_eq!(before, output("nft", &["-a", "list", "ruleset"]), "{text}");
        }
    });
}

#[test]
fn check_changes_nothing_and_finds_what_the_kernel_refuses() {
    in_namespace("check_changes_nothing", || {
        let fine = run(BINARY, &["apply", "--check", "-e", "add table ip t"], "");
        assert!(fine.status.success());
        assert_eq!(output("nft", &["list", "ruleset"]), "");
        let text = "create table ip t\ncreate table ip t\n";
        let result = run(BINARY, &["apply", "--check", "-"], text);
        assert_eq!(result.status.code(), Some(1));
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        assert!(message.contains("<stdin>:2:"), "{message}");
        assert_eq!(output("nft", &["list", "ruleset"]), "");
    });
}

/// Nothing of a text stays when its last line is refused.
#[test]
fn all_or_nothing() {
    in_namespace("all_or_nothing", || {
        let mut text = String::from("table ip t {\n chain c {\n");
        for port in 1..=5000 {
            text.push_str(&format!("  tcp dport {port} counter accept\n"));
        }
        text.push_str(" }\n}\ncreate table ip t\n");
        let result = run(BINARY, &["apply", "-"], &text);
        assert_eq!(result.status.code(), Some(1));
        assert_eq!(output("nft", &["list", "ruleset"]), "");
    });
}

#[test]
fn random_bytes_and_deep_nesting_are_errors() {
    in_namespace("random_bytes_and_deep_nesting", || {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20 {
            let mut bytes = Vec::new();
            for _ in 0..2000 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                bytes.push((state >> 24) as u8);
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let result = run(BINARY, &["apply", "-"], &text);
            assert_eq!(result.status.code(), Some(1));
        }
        let deep = format!("add rule ip t c ip saddr {}\n", "{".repeat(100_000));
        let result = run(BINARY, &["apply", "-"], &deep);
        assert_eq!(result.status.code(), Some(1));
        let deep = format!("add rule ip t c {}\n", "jump { ".repeat(50_000));
        let result = run(BINARY, &["apply", "-"], &deep);
        assert_eq!(result.status.code(), Some(1));
    });
}
