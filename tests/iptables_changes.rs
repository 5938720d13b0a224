//! Rules of iptables changed by keys in a terminal, in its own language: in tables of iptables-nft and in legacy ones.

mod common;
#[path = "common/pty.rs"]
#[allow(dead_code)]
mod pty;

use common::{BINARY, in_namespace, output};
use portable_pty::CommandBuilder;
use pty::Pty;
use std::time::{Duration, Instant};

fn start(directory: &tempfile::TempDir, first: &str) -> Pty {
    let mut command = CommandBuilder::new(BINARY);
    command.env("TERM", "xterm-256color");
    command.env_remove("SSH_CONNECTION");
    command.env("HOOKSCOPE_RUN_DIR", directory.path().join("run"));
    command.env("HOOKSCOPE_JOURNAL_DIR", directory.path().join("state"));
    let mut pty = Pty::start(command, 110, 32);
    pty.wait_text(first);
    pty.write("\r");
    pty
}

fn run(program: &str, commands: &[&str]) {
    for command in commands {
        output(program, &command.split(' ').collect::<Vec<_>>());
    }
}

/// What a save program says, without its comments and counters of chains.
fn saved(program: &str, table: &str) -> String {
    let text = output(program, &["-t", table]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(" [").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn soon(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Write a rule into the editor that is open, and stage it.
fn write(pty: &mut Pty, text: &str, pending: usize) {
    pty.write(&format!("\x15{text}"));
    pty.wait_text("well-formed");
    pty.write("\r");
    pty.wait_text(&format!("± {pending} pending"));
}

fn commit(pty: &mut Pty, count: &str) {
    pty.write("3");
    pty.wait_text(count);
    pty.write("c");
    pty.wait_text("Commit?");
    pty.write("\r");
    pty.wait_text(&format!("{count} committed"));
}

#[test]
fn what_is_written_in_iptables_syntax_is_what_iptables_nft_writes() {
    in_namespace("iptables-editor", || {
        let directory = tempfile::tempdir().expect("a directory");
        let there = [
            "-N extra",
            "-A INPUT -p tcp --dport 22 -j ACCEPT",
            "-A INPUT -p udp --dport 53 -j ACCEPT",
        ];
        run("iptables-nft", &there);
        let mut pty = start(&directory, "-p tcp -m tcp --dport 22 -j ACCEPT");
        let before = output("nft", &["-a", "list", "ruleset"]);
        // Opened and left as it was.
        pty.write("e");
        pty.wait_text("iptables syntax (or nft's)");
        pty.wait_text("unchanged: nothing will be staged");
        pty.write("\r");
        // A mistake is marked where it is, and a near chain is named.
        pty.write("a");
        pty.wait_text("such as: -p tcp --dport 22");
        pty.write("-p tcp -j extr");
        pty.wait_text("^^^^");
        pty.wait_text("did you mean `extra`?");
        pty.write("\t");
        pty.wait_text("send them through the chain extra");
        pty.write("\r");
        pty.wait_text("± 1 pending");
        // With the command that a person copied from somewhere, and in the words of nft.
        pty.write("a");
        pty.wait_text("such as:");
        write(
            &mut pty,
            "-A INPUT -s 192.0.2.0/24 -m conntrack --ctstate NEW -m limit --limit 5/min -j LOG --log-prefix \"a b\"",
            2,
        );
        pty.write("a");
        pty.wait_text("such as:");
        pty.write("tcp dport { 80, 443 } accept");
        pty.wait_text("iptables cannot show this table as it is then");
        write(&mut pty, "tcp dport 80 counter accept", 3);
        assert_eq!(output("nft", &["-a", "list", "ruleset"]), before);
        commit(&mut pty, "3 changes");
        let made = output("nft", &["list", "ruleset"]);
        let saved_by_iptables = saved("iptables-nft-save", "filter");
        // The same by iptables-nft itself: byte for byte the same ruleset.
        output("nft", &["flush", "ruleset"]);
        run("iptables-nft", &there);
        let rules: Vec<&str> = saved_by_iptables
            .lines()
            .filter(|line| line.starts_with("-A INPUT"))
            .collect();
        assert_eq!(rules.len(), 5, "{saved_by_iptables}");
        output("iptables-nft", &["-F", "INPUT"]);
        for rule in rules {
            let words: Vec<String> = rule
                .replace("\"a b\"", "a_b")
                .split(' ')
                .map(|word| word.replace("a_b", "a b"))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            output("iptables-nft", &words);
        }
        assert_eq!(output("nft", &["list", "ruleset"]), made);
        pty.write("q");
        assert!(pty.ended(Duration::from_secs(10)).is_some());
    });
}

const LEGACY: [&str; 6] = [
    "-N extra",
    "-A extra -j RETURN",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -p tcp --dport 22 -j ACCEPT",
    "-A INPUT -p udp --dport 53 -j ACCEPT",
    "-A INPUT -j extra",
];

/// A new rule behind the first, the second one another, the third one gone, the last one over it, the other policy.
fn stage(pty: &mut Pty) {
    pty.write("a");
    pty.wait_text("-t filter -I INPUT 2");
    write(pty, "-s 192.0.2.0/24 -j extra", 1);
    pty.write("\x1b[B");
    pty.write("e");
    pty.wait_text("-t filter -R INPUT 2");
    write(pty, "tcp dport 2222 counter accept", 2);
    pty.write("\x1b[Bd");
    pty.wait_text("± 3 pending");
    pty.write("\x1b[B<");
    pty.wait_text("± 4 pending");
    pty.write("p");
    pty.wait_text("± 5 pending");
}

const AFTER: &str = "*filter
:INPUT DROP
:FORWARD ACCEPT
:OUTPUT ACCEPT
:extra -
-A INPUT -i lo -j ACCEPT
-A INPUT -s 192.0.2.0/24 -j extra
-A INPUT -j extra
-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT
-A extra -j RETURN
COMMIT";

#[test]
fn legacy_tables_are_changed_by_keys() {
    in_namespace("legacy-changes", || {
        let directory = tempfile::tempdir().expect("a directory");
        run("iptables-legacy", &LEGACY);
        let before = saved("iptables-legacy-save", "filter");
        let mut pty = start(&directory, "-i lo -j ACCEPT");
        stage(&mut pty);
        assert_eq!(saved("iptables-legacy-save", "filter"), before);
        commit(&mut pty, "5 changes");
        assert_eq!(saved("iptables-legacy-save", "filter"), AFTER);
        // The picture has it at once, though the kernel tells nobody of legacy tables.
        pty.write("1");
        pty.wait_text("--dport 2222 -j ACCEPT");
        pty.write("3");
        pty.wait_text("R takes the last one back");
        pty.write("R");
        pty.wait_text("Take it back?");
        pty.write("\r");
        pty.wait_text("the commit was taken back");
        assert_eq!(saved("iptables-legacy-save", "filter"), before);
        pty.write("q");
        assert!(pty.ended(Duration::from_secs(10)).is_some());
    });
}

#[test]
fn a_legacy_rule_that_somebody_else_changed_is_not_touched() {
    in_namespace("legacy-stale", || {
        let directory = tempfile::tempdir().expect("a directory");
        run("iptables-legacy", &LEGACY);
        let mut pty = start(&directory, "-i lo -j ACCEPT");
        pty.write("\x1b[Bd");
        pty.wait_text("± 1 pending");
        run(
            "iptables-legacy",
            &["-R INPUT 2 -p tcp --dport 23 -j ACCEPT"],
        );
        let now = saved("iptables-legacy-save", "filter");
        pty.write("3v");
        pty.wait_text("theirs    -p tcp -m tcp --dport 23 -j ACCEPT");
        pty.write("c");
        pty.wait_text("Commit?");
        pty.write("\r");
        pty.wait_text("nothing was changed");
        assert_eq!(saved("iptables-legacy-save", "filter"), now);
        // It is back, at another number: that is the rule that was meant.
        let moved = [
            "-R INPUT 2 -p tcp --dport 22 -j ACCEPT",
            "-I INPUT -p icmp -j ACCEPT",
        ];
        run("iptables-legacy", &moved);
        commit(&mut pty, "1 change");
        let wanted = now
            .replace(
                "-A INPUT -i lo",
                "-A INPUT -p icmp -j ACCEPT\n-A INPUT -i lo",
            )
            .replace("-A INPUT -p tcp -m tcp --dport 23 -j ACCEPT\n", "");
        assert_eq!(saved("iptables-legacy-save", "filter"), wanted);
        pty.write("q");
    });
}

#[test]
fn both_backends_are_committed_together_and_taken_back() {
    in_namespace("both-backends", || {
        let directory = tempfile::tempdir().expect("a directory");
        run("iptables-nft", &["-t mangle -A INPUT -j ACCEPT"]);
        run("iptables-legacy", &["-A INPUT -i lo -j ACCEPT"]);
        let before = (
            saved("iptables-legacy-save", "filter"),
            saved("iptables-nft-save", "mangle"),
        );
        let now = || {
            (
                saved("iptables-legacy-save", "filter"),
                saved("iptables-nft-save", "mangle"),
            )
        };
        let mut pty = start(&directory, "rule, as iptables writes it");
        pty.write("d");
        pty.wait_text("± 1 pending");
        // The way to the chain of the legacy table in the tree.
        pty.write("\x1b[D\x1b[B\x1b[B\r");
        pty.wait_text("legacy backend");
        pty.write("d");
        pty.wait_text("± 2 pending");
        pty.write("3");
        pty.wait_text("2 changes");
        pty.write("c");
        pty.wait_text("Commit?");
        pty.write("w\r");
        pty.wait_text("taken back in");
        soon("both are made", || {
            let (legacy, nft) = now();
            !legacy.contains("-A INPUT") && !nft.contains("-A INPUT")
        });
        pty.write("B");
        soon("both are taken back", || now() == before);
        pty.write("q");
    });
}

/// Go to a node of the tree by its name.
fn select(pty: &mut Pty, name: &str, title: &str) {
    pty.write("/");
    pty.write(name);
    pty.wait_text("1 match");
    pty.write("\r");
    pty.wait_text(title);
}

#[test]
fn chains_of_legacy_tables_come_go_and_get_other_names() {
    in_namespace("legacy-chains", || {
        let directory = tempfile::tempdir().expect("a directory");
        run("iptables-legacy", &LEGACY);
        run(
            "iptables-legacy",
            &["-N unused", "-N empty", "-A OUTPUT -j empty"],
        );
        let before = saved("iptables-legacy-save", "filter");
        let mut pty = start(&directory, "-i lo -j ACCEPT");
        pty.write("\x1b[D");
        // A new one; names that are taken or cannot be are refused as they are written.
        pty.write("a");
        pty.wait_text("iptables-legacy -t filter -N");
        pty.write("extra");
        pty.wait_text("there is a chain extra already");
        pty.write("\x15a b");
        pty.wait_text("a chain's name is one word");
        write(&mut pty, "web", 1);
        pty.wait_text("+ web");
        // Chains that hold rules, or that rules lead to, stay.
        select(&mut pty, "extra", "filter (legacy) › extra");
        pty.write("d");
        pty.wait_text("chain extra holds 1 rule");
        select(&mut pty, "empty", "filter (legacy) › empty");
        pty.write("d");
        pty.wait_text("rule 1 of OUTPUT goes to empty");
        select(&mut pty, "unused", "filter (legacy) › unused");
        pty.write("d");
        pty.wait_text("± 2 pending");
        // Another name, taken back and made again.
        select(&mut pty, "extra", "filter (legacy) › extra");
        pty.write("e");
        pty.wait_text("-E extra");
        write(&mut pty, "more", 3);
        pty.wait_text("extra → more");
        pty.write("u");
        pty.wait_text("± 2 pending");
        pty.write("U");
        pty.wait_text("± 3 pending");
        assert_eq!(saved("iptables-legacy-save", "filter"), before);
        commit(&mut pty, "3 changes");
        let made = saved("iptables-legacy-save", "filter");
        // What iptables makes of it, word for word.
        let undo = ["-E more extra", "-X web", "-N unused"];
        run("iptables-legacy", &undo);
        assert_eq!(saved("iptables-legacy-save", "filter"), before);
        run("iptables-legacy", &["-N web", "-X unused", "-E extra more"]);
        assert_eq!(saved("iptables-legacy-save", "filter"), made);
        assert!(made.contains("-A INPUT -j more"), "{made}");
        pty.wait_text("R takes the last one back");
        pty.write("R");
        pty.wait_text("Take it back?");
        pty.write("\r");
        pty.wait_text("the commit was taken back");
        assert_eq!(saved("iptables-legacy-save", "filter"), before);
        // Somebody puts a rule into the chain that is about to go.
        pty.write("1");
        select(&mut pty, "unused", "filter (legacy) › unused");
        pty.write("d");
        pty.wait_text("± 1 pending");
        run("iptables-legacy", &["-A unused -j ACCEPT"]);
        let now = saved("iptables-legacy-save", "filter");
        pty.write("3c");
        pty.wait_text("Commit?");
        pty.write("\r");
        pty.wait_text("nothing was changed");
        assert_eq!(saved("iptables-legacy-save", "filter"), now);
        pty.write("q");
    });
}

#[test]
fn chains_of_iptables_nft_come_go_and_get_other_names() {
    in_namespace("iptables-nft-chains", || {
        let directory = tempfile::tempdir().expect("a directory");
        let there = ["-N extra", "-N unused", "-A INPUT -i lo -j extra"];
        run("iptables-nft", &there);
        let before = saved("iptables-nft-save", "filter");
        let mut pty = start(&directory, "-i lo -j extra");
        pty.write("\x1b[D");
        pty.write("a");
        pty.wait_text("add chain ip filter");
        pty.write("web");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.wait_text("+ web");
        select(&mut pty, "unused", "ip filter › unused");
        pty.write("d");
        pty.wait_text("± 2 pending");
        select(&mut pty, "extra", "ip filter › extra");
        pty.write("e");
        pty.wait_text("rename chain ip filter extra");
        pty.write("more");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.wait_text("extra → more");
        assert_eq!(saved("iptables-nft-save", "filter"), before);
        commit(&mut pty, "3 changes");
        let made = saved("iptables-nft-save", "filter");
        let wanted = before
            .replace(":extra", ":more")
            .replace(":unused -", ":web -")
            .replace("-j extra", "-j more");
        assert_eq!(made, wanted);
        pty.wait_text("R takes the last one back");
        pty.write("R");
        pty.wait_text("Take it back?");
        pty.write("\r");
        pty.wait_text("the commit was taken back");
        assert_eq!(saved("iptables-nft-save", "filter"), before);
        pty.write("q");
    });
}

#[test]
fn renaming_takes_the_jumps_along_and_what_is_used_stays() {
    in_namespace("legacy-rename", || {
        run("iptables-legacy", &["-N a", "-A INPUT -j a", "-N b"]);
        let apply = |text: &str| {
            let arguments = [
                "apply",
                "--backend",
                "legacy",
                "--format",
                "iptables",
                "-e",
                text,
            ];
            let done = common::run(BINARY, &arguments, "");
            let told = String::from_utf8_lossy(&done.stderr).into_owned();
            (done.status.success(), told)
        };
        let (done, told) = apply("iptables -X a");
        assert!(
            !done && told.contains("chain `INPUT` still goes to `a`"),
            "{told}"
        );
        let (done, told) = apply("iptables -E a b");
        assert!(!done && told.contains("chain `b` exists"), "{told}");
        let (done, told) = apply("iptables -E a c");
        assert!(done, "{told}");
        let now = saved("iptables-legacy-save", "filter");
        assert!(
            now.contains("-A INPUT -j c") && now.contains(":c -"),
            "{now}"
        );
    });
}
