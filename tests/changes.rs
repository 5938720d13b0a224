//! Changes made by keys in a terminal, against the real kernel: staged, committed, refused, taken back.

mod common;
#[path = "common/pty.rs"]
#[allow(dead_code)]
mod pty;

use common::{BINARY, in_namespace, nft, output};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::CommandBuilder;
use pty::Pty;
use std::time::{Duration, Instant};

const OLD: &str = "table ip t {
	chain c {
		type filter hook input priority filter; policy accept;
		tcp dport { 22, 80 } accept
		udp dport 53 accept
	}
}
";

/// The interface on a fresh ruleset, in a place where nothing is left behind.
fn start(directory: &tempfile::TempDir) -> Pty {
    nft(OLD);
    start_again(directory)
}

/// On the ruleset as it is.
fn start_again(directory: &tempfile::TempDir) -> Pty {
    let mut command = CommandBuilder::new(BINARY);
    command.env("TERM", "xterm-256color");
    command.env_remove("SSH_CONNECTION");
    command.env("HOOKSCOPE_RUN_DIR", directory.path().join("run"));
    command.env("HOOKSCOPE_JOURNAL_DIR", directory.path().join("state"));
    let mut pty = Pty::start(command, 100, 30);
    pty.wait_text("tcp dport { 22, 80 }");
    pty.write("\r");
    pty
}

fn ruleset() -> String {
    output("nft", &["list", "ruleset"])
}

fn soon(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}\n{}", ruleset());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Another port in the first rule, a new rule after it, the other policy.
fn stage(pty: &mut Pty) {
    pty.write("e\x15tcp dport 2222 accept");
    pty.wait_text("well-formed");
    pty.write("\r");
    pty.wait_text("± 1 pending");
    pty.write("a");
    pty.wait_text("such as:");
    pty.write("ip saddr 192.0.2.0/24 drop");
    pty.wait_text("well-formed");
    pty.write("\r");
    pty.wait_text("± 2 pending");
    pty.write("p3");
    pty.wait_text("3 changes");
}

const NEW: &str = "table ip t {
	chain c {
		type filter hook input priority filter; policy drop;
		tcp dport 2222 accept
		ip saddr 192.0.2.0/24 drop
		udp dport 53 accept
	}
}
";

#[test]
fn what_is_staged_by_keys_is_what_the_kernel_gets() {
    in_namespace("commit", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        stage(&mut pty);
        assert_eq!(ruleset(), OLD, "nothing before the commit");
        pty.write("v");
        pty.wait_text("the kernel takes them");
        assert_eq!(ruleset(), OLD, "validating changes nothing");
        pty.write("c");
        pty.wait_text("Commit?");
        pty.write("\r");
        pty.wait_text("3 changes committed");
        assert_eq!(ruleset(), NEW);
        pty.write("1");
        pty.wait_text("tcp dport 2222 accept");
        // The journal has it, and takes it back.
        pty.write("3");
        pty.wait_text("R takes the last one back");
        pty.write("R");
        pty.wait_text("Take it back?");
        pty.write("\r");
        pty.wait_text("the commit was taken back");
        assert_eq!(ruleset(), OLD);
        pty.wait_text("undone");
        pty.write("q");
        assert!(pty.ended(Duration::from_secs(10)).is_some());
        assert_eq!(ruleset(), OLD);
    });
}

#[test]
fn a_rule_that_somebody_else_changed_is_not_touched() {
    in_namespace("stale", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        stage(&mut pty);
        let listed = output("nft", &["-a", "list", "ruleset"]);
        let line = listed
            .lines()
            .find(|line| line.contains("22, 80"))
            .expect("a rule");
        let handle = line.rsplit(' ').next().expect("a handle");
        nft(&format!(
            "replace rule ip t c handle {handle} tcp dport {{ 22, 81 }} accept"
        ));
        let theirs = ruleset();
        for key in ["v", "c\r"] {
            pty.write(key);
            pty.wait_text("theirs    tcp dport { 22, 81 }");
            assert_eq!(ruleset(), theirs);
        }
        nft(&format!("delete rule ip t c handle {handle}"));
        let theirs = ruleset();
        pty.write("c\r");
        pty.wait_text("is gone since this change was made");
        assert_eq!(ruleset(), theirs);
    });
}

#[test]
fn what_others_did_since_the_person_looked_is_shown_before_it_is_overruled() {
    in_namespace("theirs", || {
        let directory = tempfile::tempdir().expect("a directory");
        output("ip", &["link", "set", "lo", "up"]);
        let mut pty = start(&directory);
        nft(
            "add table ip other\nadd counter ip t n\nadd rule ip t c icmp type echo-request counter name n",
        );
        pty.wait_text("echo-request");
        stage(&mut pty);
        // Counters and other tables do not count.
        pty.write("c");
        pty.wait_text("Commit?");
        pty.wait_text("would be cut off");
        nft("add chain ip other x");
        output("ping", &["-c", "1", "-W", "1", "127.0.0.1"]);
        nft("add rule ip t c tcp dport 8443 accept\nadd set ip t s { type ipv4_addr; }");
        let theirs = ruleset();
        pty.write("\r");
        let screen = pty.wait_text("since you looked").contents();
        for text in [
            "table ip t, chain c",
            "+ tcp dport 8443 accept",
            "+ set s",
            "yours stand below",
        ] {
            assert!(screen.contains(text), "{text}: {screen}");
        }
        // Nothing else was theirs: the rest of the signs is of the person's own changes.
        let (theirs_part, _) = screen.split_once("yours stand below").expect("both");
        assert_eq!(theirs_part.matches(" + ").count(), 3, "{screen}");
        assert_eq!(theirs_part.matches(" - ").count(), 0, "{screen}");
        assert_eq!(ruleset(), theirs, "nothing was changed");
        // Now the person knows.
        pty.write("c");
        pty.wait_text("would be cut off");
        pty.write("\r");
        pty.wait_text("3 changes committed");
        let now = ruleset();
        assert!(now.contains("8443") && now.contains("2222"), "{now}");
    });
}

#[test]
fn what_the_next_boot_loads_is_shown_and_written() {
    in_namespace("boot", || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        let etc = tempfile::tempdir().expect("a directory");
        std::fs::write(etc.path().join("os-release"), "ID=debian\n").expect("a file");
        mount(Some(etc.path()), "/etc", none, MsFlags::MS_BIND, none).expect("an /etc");
        let file = etc.path().join("nftables.conf");
        std::fs::write(&file, format!("flush ruleset\n# kept\n{OLD}")).expect("a file");
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        pty.write("3");
        pty.wait_text("nftables.conf says what runs");
        pty.write("1");
        stage(&mut pty);
        pty.write("c");
        pty.wait_text("would be cut off");
        pty.write("\r");
        pty.wait_text("3 changes committed");
        pty.wait_text("nftables.conf differs from what runs in 5 lines");
        pty.write("S");
        pty.wait_text("+ ip saddr 192.0.2.0/24 drop");
        let before = std::fs::read_to_string(&file).expect("a file");
        assert!(before.contains("# kept"), "looking changes nothing");
        pty.write("w");
        pty.wait_text("nftables.conf says what runs");
        let saved = std::fs::read_to_string(&file).expect("a file");
        assert!(saved.ends_with(NEW), "{saved}");
        let kept = std::fs::read_to_string(etc.path().join("nftables.conf.backup-1"));
        assert_eq!(kept.expect("a copy"), before);
    });
}

#[test]
fn the_kernels_refusal_is_put_on_its_change() {
    in_namespace("refusal", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        stage(&mut pty);
        // The language allows it; the kernel knows no such helper hook in this family's table.
        pty.write("xadd rule ip t c masquerade");
        pty.wait_text("well-formed");
        pty.write("\rv");
        let screen = pty.wait_text("the kernel refuses it").contents();
        assert_eq!(screen.matches("✖ refused").count(), 1, "{screen}");
        pty.write("c\r");
        pty.wait_text("nothing was changed");
        assert_eq!(ruleset(), OLD);
    });
}

#[test]
fn an_unconfirmed_commit_comes_back() {
    in_namespace("window", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        // Kept.
        stage(&mut pty);
        pty.write("cw\r");
        pty.wait_text("s to keep");
        assert_eq!(ruleset(), NEW);
        pty.write("K");
        pty.wait_text("the commit is kept");
        assert_eq!(ruleset(), NEW);
        // Taken back by key.
        pty.write("1");
        pty.wait_text("tcp dport 2222");
        pty.write("d3cw\r");
        pty.wait_text("s to keep");
        assert!(!ruleset().contains("2222") || !ruleset().contains("192.0.2.0"));
        pty.write("B");
        pty.wait_text("the commit was taken back");
        assert_eq!(ruleset(), NEW);
        // The program dies.
        pty.write("1");
        pty.wait_text("tcp dport 2222");
        pty.write("d3cw\r");
        pty.wait_text("s to keep");
        assert_ne!(ruleset(), NEW);
        kill(Pid::from_raw(pty.id()), Signal::SIGKILL).expect("it lives");
        soon("what a dead program left is taken back", || {
            ruleset() == NEW
        });
    });
}

/// Three rules with counters and a set of their own, to be moved and switched off.
const THREE: &str = "table ip t {
	chain c {
		type filter hook input priority filter; policy accept;
		tcp dport { 22, 80 } counter packets 7 bytes 700 accept
		udp dport 53 counter packets 5 bytes 500 accept comment \"dns\"
		icmp type echo-request counter packets 3 bytes 300 accept
	}
}
";

#[test]
fn rules_are_moved_and_switched_off_with_their_counters() {
    in_namespace("move", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        nft("flush ruleset");
        nft(THREE);
        pty.wait_text("echo-request");
        // The first rule behind the last one, one step at a time; the second one is switched off.
        pty.write("g>");
        pty.wait_text("± 1 pending");
        pty.wait_text("moved here");
        pty.write(">");
        pty.write("gjt");
        pty.wait_text("± 2 pending");
        assert_eq!(ruleset(), THREE, "nothing before the commit");
        pty.write("3");
        pty.wait_text("move rule");
        let screen = pty.wait_text("switch off rule").contents();
        assert!(screen.contains("counters kept"), "{screen}");
        pty.write("c\r");
        pty.wait_text("2 changes committed");
        let moved = "table ip t {
	chain c {
		type filter hook input priority filter; policy accept;
		meta length 0 udp dport 53 counter packets 5 bytes 500 accept comment \"disabled: dns\"
		icmp type echo-request counter packets 3 bytes 300 accept
		tcp dport { 22, 80 } counter packets 7 bytes 700 accept
	}
}
";
        assert_eq!(ruleset(), moved);
        // On again, with the counters that it has.
        pty.write("1");
        pty.wait_text("meta length 0");
        pty.write("gt");
        pty.wait_text("± 1 pending");
        pty.write("3c\r");
        pty.wait_text("1 change committed");
        assert_eq!(
            ruleset(),
            moved
                .replace("meta length 0 ", "")
                .replace("disabled: dns", "dns")
        );
        // Both commits go again, and what they moved stands where it stood.
        for _ in 0..2 {
            pty.wait_text("R takes the last one back");
            pty.write("R");
            pty.wait_text("Take it back?");
            pty.write("\r");
            pty.wait_text("the commit was taken back");
            std::thread::sleep(Duration::from_millis(300));
        }
        soon("everything is as it was", || ruleset() == THREE);
    });
}

#[test]
fn a_rule_goes_to_another_chain_as_it_is() {
    in_namespace("pick", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        nft("flush ruleset");
        nft(&format!(
            "{THREE}table ip t {{ chain d {{ accept; }}; chain empty {{ }}; }}\ntable ip u {{ chain x {{ }}; }}"
        ));
        pty.wait_text("echo-request");
        // The first rule, with its counters and its set, behind the rule of d; the second one into the empty chain,
        // where it is put before a new one.
        pty.write("gM");
        pty.wait_text("P puts #");
        pty.write("hj\r");
        pty.wait_text("ip t › d");
        pty.write("P");
        pty.wait_text("moved here");
        pty.write("hj\r");
        pty.wait_text("ip t › empty");
        pty.write("a");
        pty.wait_text("such as:");
        pty.write("drop");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.wait_text("± 2 pending");
        pty.write("hkk\r");
        pty.wait_text("ip t › c");
        pty.write("gjM");
        pty.wait_text("P puts #");
        // Not into another table.
        pty.write("hjjjj\r");
        pty.wait_text("ip u › x");
        pty.write("P");
        pty.wait_text("rules move within their table");
        pty.write("hkk\r");
        pty.wait_text("ip t › empty");
        pty.write("P");
        pty.wait_text("± 3 pending");
        pty.write("3c");
        pty.wait_text("would be cut off");
        pty.write("\r");
        pty.wait_text("3 changes committed");
        let now = ruleset();
        let part = |from: &str| {
            let (_, rest) = now.split_once(from).expect("a chain");
            rest.split_once("\t}")
                .expect("its end")
                .0
                .replace(['\t', '\n'], " ")
        };
        assert_eq!(
            part("chain d {").trim(),
            "accept  tcp dport { 22, 80 } counter packets 7 bytes 700 accept".replace("  ", "   ")
        );
        assert!(
            part("chain empty {").contains("counter packets 5 bytes 500 accept comment \"dns\""),
            "{now}"
        );
        assert!(part("chain empty {").contains("drop"), "{now}");
        assert!(!part("chain c {").contains("dport"), "{now}");
    });
}

#[test]
fn a_rule_that_goes_back_where_it_was_is_no_change() {
    in_namespace("move-home", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        nft("flush ruleset");
        nft(THREE);
        pty.wait_text("echo-request");
        pty.write("g>");
        pty.wait_text("± 1 pending");
        pty.write(">");
        pty.wait_text("± 1 pending");
        pty.write("<");
        pty.write("<");
        pty.wait("no change", |screen| !screen.contents().contains("pending"));
    });
}

#[test]
fn a_change_can_be_made_for_the_rule_as_somebody_left_it() {
    in_namespace("rebase", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        pty.write("e\x15tcp dport 2222 accept");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.wait_text("± 1 pending");
        let listed = output("nft", &["-a", "list", "ruleset"]);
        let line = listed
            .lines()
            .find(|line| line.contains("22, 80"))
            .expect("a rule");
        let handle = line.rsplit(' ').next().expect("a handle");
        nft(&format!(
            "replace rule ip t c handle {handle} tcp dport {{ 22, 81 }} accept"
        ));
        pty.write("3v");
        let screen = pty.wait_text("theirs").contents();
        for part in [
            "it said   tcp dport { 22, 80 } accept",
            "yours     tcp dport 2222 accept",
        ] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
        assert!(
            screen.contains("theirs    tcp dport { 22, 81 } accept"),
            "{screen}"
        );
        pty.write("T");
        pty.wait_text("validate it again");
        pty.write("c\r");
        pty.wait_text("1 change committed");
        assert!(ruleset().contains("tcp dport 2222 accept"), "{}", ruleset());
    });
}

#[test]
fn routes_are_in_the_same_commit() {
    in_namespace("with-routes", || {
        output(
            "ip",
            &["link", "add", "up0", "type", "veth", "peer", "name", "up1"],
        );
        output("ip", &["link", "set", "up1", "up"]);
        output("ip", &["addr", "add", "192.0.2.1/24", "dev", "up0"]);
        output("ip", &["link", "set", "up0", "up"]);
        let routes = || output("ip", &["route", "show"]);
        let before = routes();
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        pty.write("p2");
        pty.wait_text("192.0.2.0/24");
        pty.write("\ta10.9.0.0/16 via 192.0.2.77");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.wait_text("+ route add 10.9.0.0/16 via 192.0.2.77");
        assert_eq!(routes(), before, "nothing before the commit");
        pty.write("3v");
        pty.wait_text("the kernel takes them");
        assert_eq!(routes(), before, "validating changes nothing");
        pty.write("cw\r");
        pty.wait_text("s to keep");
        assert!(
            routes().contains("10.9.0.0/16 via 192.0.2.77 dev up0"),
            "{}",
            routes()
        );
        assert!(ruleset().contains("policy drop"));
        // Not confirmed: both go again.
        pty.write("B");
        pty.wait_text("the commit was taken back");
        assert_eq!((routes(), ruleset()), (before.clone(), OLD.to_owned()));
        // A refusal of either leaves neither.
        pty.write("1");
        pty.wait_text("udp dport 53");
        pty.write("p2");
        pty.wait_text("192.0.2.0/24");
        pty.write("a198.18.0.0/15 via 203.0.113.1");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.write("3c\r");
        let screen = pty.wait_text("the kernel refuses it").contents();
        assert_eq!(screen.matches("✖ refused").count(), 1, "{screen}");
        assert_eq!((routes(), ruleset()), (before.clone(), OLD.to_owned()));
        // The journal takes routes back, too.
        pty.write("X");
        pty.write("2");
        pty.write("a10.8.0.0/16 dev up0");
        pty.wait_text("well-formed");
        pty.write("\r");
        pty.write("3c\r");
        pty.wait_text("1 change committed");
        assert!(routes().contains("10.8.0.0/16 dev up0"));
        pty.wait_text("R takes the last one back");
        pty.write("R");
        pty.wait_text("Take it back?");
        pty.write("\r");
        pty.wait_text("the commit was taken back");
        assert_eq!(routes(), before);
    });
}

#[test]
fn the_editor_offers_words_and_says_what_a_rule_does() {
    in_namespace("complete", || {
        let directory = tempfile::tempdir().expect("a directory");
        let mut pty = start(&directory);
        nft("add chain ip t aside; add rule ip t aside drop");
        pty.wait_text("3 rules");
        pty.write("gatcp dp");
        pty.wait_text("⇥ dport");
        pty.write("\t");
        pty.wait_text("tcp dport");
        pty.write(" 8443 jump as");
        pty.wait_text("⇥ aside");
        pty.write("\t");
        pty.wait_text("jump aside");
        pty.wait_text("TCP packets to port 8443");
        pty.write("\r");
        pty.wait_text("± 1 pending");
    });
}

#[test]
fn a_table_goes_through_the_editor_of_the_person() {
    in_namespace("editor", || {
        let directory = tempfile::tempdir().expect("a directory");
        let script = directory.path().join("editor");
        let text = "#!/bin/sh\nsed -i 's/udp dport 53 accept/udp dport 5353 accept\\n\\t\\ticmp type echo-request accept/; s/policy accept/policy drop/' \"$1\"\n";
        std::fs::write(&script, text).expect("a script");
        output("chmod", &["+x", &script.to_string_lossy()]);
        nft(OLD);
        let mut command = CommandBuilder::new(BINARY);
        command.env("TERM", "xterm-256color");
        command.env("EDITOR", &script);
        command.env_remove("VISUAL");
        command.env("HOOKSCOPE_RUN_DIR", directory.path().join("run"));
        command.env("HOOKSCOPE_JOURNAL_DIR", directory.path().join("state"));
        let mut pty = Pty::start(command, 100, 30);
        pty.wait_text("tcp dport { 22, 80 }");
        pty.write("E");
        pty.wait_text("± 3 pending");
        pty.write("u");
        pty.wait("one undo takes all of it", |screen| {
            !screen.contents().contains("pending")
        });
        pty.write("U");
        pty.wait_text("± 3 pending");
        pty.write("3c\r");
        pty.wait_text("3 changes committed");
        let expected = OLD
            .replace(
                "udp dport 53 accept",
                "udp dport 5353 accept\n\t\ticmp type echo-request accept",
            )
            .replace("policy accept", "policy drop");
        assert_eq!(ruleset(), expected);
        // An editor that fails changes nothing and says so; the screen is whole again.
        std::fs::write(&script, "#!/bin/sh\nexit 3\n").expect("a script");
        pty.write("1E");
        pty.wait_text("nothing was staged");
        pty.wait_text("tcp dport { 22, 80 }");
        // A text that cannot be read is not lost.
        let text = "#!/bin/sh\ngrep -q nonsense \"$1\" && sed -i /nonsense/d \"$1\" || sed -i 's/drop;/drop;\\n\\t\\tnonsense/' \"$1\"\n";
        std::fs::write(&script, text).expect("a script");
        pty.write("E");
        pty.wait_text("E opens your text again");
        pty.write("E");
        pty.wait_text("the table was left as it is");
        assert_eq!(ruleset(), expected);
    });
}

#[test]
fn nobody_cuts_off_their_own_session_by_accident() {
    in_namespace("own-session", || {
        output("ip", &["link", "set", "lo", "up"]);
        nft(
            "table ip t { chain c { type filter hook input priority filter\n ct state established accept\n }\n }",
        );
        // A session that is tracked, as a server sees it.
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let local = server.local_addr().expect("an address");
        let client = std::net::TcpStream::connect(local).expect("a connection");
        let peer = client.local_addr().expect("an address");
        let _accepted = server.accept().expect("a connection");
        let connection = format!("127.0.0.1 {} 127.0.0.1 {}", peer.port(), local.port());
        let directory = tempfile::tempdir().expect("a directory");
        let before = ruleset();
        // By the command line.
        let apply = |arguments: &[&str]| {
            std::process::Command::new(BINARY)
                .arg("apply")
                .args(arguments)
                .env("SSH_CONNECTION", &connection)
                .env("HOOKSCOPE_RUN_DIR", directory.path().join("run"))
                .env("HOOKSCOPE_JOURNAL_DIR", directory.path().join("state"))
                .output()
                .expect("it runs")
        };
        let bad = ["-e", "insert rule ip t c tcp dport != 1 drop"];
        let refused = apply(&bad);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{words}");
        assert!(words.contains("cut your own SSH session off"), "{words}");
        assert!(words.contains("tcp dport != 1 drop"), "{words}");
        assert_eq!(ruleset(), before);
        let harmless = apply(&["-e", "add rule ip t c udp dport 9 drop"]);
        assert!(harmless.status.success(), "{harmless:?}");
        assert!(apply(&["--cut-me-off", bad[0], bad[1]]).status.success());
        assert!(ruleset().contains("!= 1 drop"));
        // On the screen a word has to be typed.
        nft("flush ruleset");
        let mut command = CommandBuilder::new(BINARY);
        command.env("TERM", "xterm-256color");
        command.env("SSH_CONNECTION", &connection);
        command.env("HOOKSCOPE_RUN_DIR", directory.path().join("run"));
        command.env("HOOKSCOPE_JOURNAL_DIR", directory.path().join("state"));
        nft(OLD);
        let mut pty = Pty::start(command, 100, 30);
        pty.wait_text("tcp dport { 22, 80 }");
        pty.write("p3c");
        pty.wait_text("would be cut off:");
        pty.write("\r");
        pty.wait_text("Cut yourself off?");
        pty.write("\r");
        pty.write("cu\r");
        assert_eq!(ruleset(), OLD);
        pty.write("t\r");
        pty.wait_text("s to keep");
        assert!(ruleset().contains("policy drop"));
    });
}

#[test]
fn what_was_staged_survives_the_terminal_and_can_be_traced() {
    in_namespace("staged", || {
        output(
            "ip",
            &["link", "add", "in0", "type", "veth", "peer", "name", "in1"],
        );
        output("ip", &["addr", "add", "192.0.2.1/24", "dev", "in0"]);
        output("ip", &["link", "set", "in0", "up"]);
        output("ip", &["link", "set", "in1", "up"]);
        let directory = tempfile::tempdir().expect("a directory");
        let trace = |staged: &[&str]| {
            let output = std::process::Command::new(BINARY)
                .args([
                    "trace",
                    "--json",
                    "--iif",
                    "in0",
                    "--src",
                    "192.0.2.9",
                    "--dst",
                ])
                .args([
                    "192.0.2.1",
                    "--proto",
                    "udp",
                    "--sport",
                    "9",
                    "--dport",
                    "53",
                ])
                .args(staged)
                .env("HOOKSCOPE_RUN_DIR", directory.path().join("run"))
                .output()
                .expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (text, String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let mut pty = start(&directory);
        let (text, error) = trace(&[]);
        assert!(text.contains(r#""fate":"delivered""#), "{text}{error}");
        assert!(trace(&["--staged"]).1.contains("nothing is staged"));
        pty.write("jdp");
        pty.wait_text("± 2 pending");
        soon("the change is kept", || {
            trace(&["--staged"]).0.contains(r#""fate":"dropped""#)
        });
        assert!(
            trace(&[]).0.contains(r#""fate":"delivered""#),
            "only staged"
        );
        kill(Pid::from_raw(pty.id()), Signal::SIGKILL).expect("it lives");
        assert!(pty.ended(Duration::from_secs(10)).is_some());
        let mut pty = start_again(&directory);
        pty.wait_text("± 2 pending");
        pty.wait_text("are here again");
        pty.write("q");
        pty.wait_text("Leave?");
        pty.write("\r");
        assert!(pty.ended(Duration::from_secs(10)).is_some());
        assert!(trace(&["--staged"]).1.contains("nothing is staged"));
        // A text works as well.
        let file = directory.path().join("drop.nft");
        std::fs::write(&file, "insert rule ip t c udp dport 53 drop\n").expect("a file");
        let (text, error) = trace(&[&format!("--staged={}", file.display())]);
        assert!(text.contains(r#""fate":"dropped""#), "{text}{error}");
        assert!(text.contains(r#""staged":true"#), "{text}");
        assert_eq!(ruleset(), OLD);
    });
}
