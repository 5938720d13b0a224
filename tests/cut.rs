//! Who would be cut: real connections through a real firewall, and what a change would do to them; then the change
//! is made, and the connections are tried.

mod common;

use common::{nft, output, run};
use hookscope::flow::cut::{self, By, Session};
use hookscope::flow::report::Fate;
use hookscope::flow::words::Words;
use hookscope::flow::{Simulator, World};
use hookscope::model::{Names, Ruleset, Snapshot};
use hookscope::session::{compile, snapshot};
use hookscope::stage::staged::staged;
use nix::sched::{CloneFlags, unshare};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const FIREWALL: &str = "table inet f {
  chain input { type filter hook input priority 0; policy drop;
    ct state established,related accept
    tcp dport { 22, 80, 443 } accept
  }
  chain output { type filter hook output priority 0; policy accept;
  }
}
";

fn world<'a>(picture: &'a Snapshot, ruleset: &'a Ruleset) -> World<'a> {
    World {
        ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    }
}

fn compiled(lines: &str) -> Vec<hookscope::model::command::Command> {
    let script = compile::parse("changes", lines.to_owned(), Vec::new());
    let script = script.map_err(|_| ()).expect("it parses");
    compile::compile(script.commands)
        .expect("it compiles")
        .commands
}

/// A connection that has said something both ways.
fn connect(port: u16) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a listener");
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let (mut server, _) = listener.accept().expect("accepted");
    let mut byte = [0];
    client.write_all(b"a").expect("sent");
    server.read_exact(&mut byte).expect("heard");
    server.write_all(b"b").expect("sent");
    client.read_exact(&mut byte).expect("heard");
    for stream in [&client, &server] {
        let time = Some(Duration::from_millis(400));
        stream.set_read_timeout(time).expect("a timeout");
    }
    (client, server)
}

fn works((client, server): &mut (TcpStream, TcpStream)) -> bool {
    let mut byte = [0];
    client.write_all(b"c").is_ok() && server.read_exact(&mut byte).is_ok()
}

#[test]
fn what_is_said_to_be_cut_is_cut() {
    // Connections belong to the namespace, which belongs to the thread.
    let thread = std::thread::spawn(|| {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: what_is_said_to_be_cut_is_cut: needs root"
            );
            return;
        }
        output("ip", &["link", "set", "lo", "up"]);
        nft(FIREWALL);
        let mut ssh = connect(22);
        let mut web = connect(80);
        let picture = snapshot::take(None).expect("a picture");
        assert!(picture.flows.len() >= 2, "{:?}", picture.flows);
        let session = Session {
            peer: ssh.0.local_addr().expect("an address"),
            local: ssh.1.local_addr().expect("an address"),
        };
        let before = Simulator::new(world(&picture, &picture.ruleset));
        let look = |lines: &str| -> (Ruleset, Vec<cut::Cut>) {
            let ruleset = staged(&picture.ruleset, &compiled(lines)).expect("it is staged");
            let after = Simulator::new(world(&picture, &ruleset));
            let cuts = cut::cut(&before, &after, &picture.flows, Some(&session), None);
            drop(after);
            (ruleset, cuts)
        };
        // New connections only: nobody is cut.
        let (_, cuts) = look("insert rule inet f input tcp dport 80 ct state new drop\n");
        assert!(cuts.is_empty(), "{cuts:?}");

        let change = "insert rule inet f input tcp dport 22 drop\ninsert rule inet f output tcp sport 9 drop\n";
        let (ruleset, cuts) = look(change);
        assert_eq!(cuts.len(), 1, "{cuts:?}");
        assert!(cuts[0].own && cuts[0].flow.is_some() && !cuts[0].reply);
        assert_eq!(
            (cuts[0].before, cuts[0].after),
            (Fate::Delivered, Fate::Dropped)
        );
        let after = Simulator::new(world(&picture, &ruleset));
        let names = Names::default();
        let words = Words::new(&after, &ruleset, &names);
        let by = cuts[0].by.as_ref().expect("a reason");
        assert!(matches!(by, By::Rule(..)));
        let text = by.words(&words);
        assert!(
            text.ends_with("of inet f input: tcp dport 22 drop"),
            "{text}"
        );

        // Answers count, too, and whoever asks comes first.
        let (_, cuts) = look("insert rule inet f output tcp sport { 22, 80 } drop\n");
        assert_eq!(cuts.len(), 2, "{cuts:?}");
        assert!(cuts[0].own && !cuts[1].own && cuts[1].reply);
        let (_, cuts) = look("flush chain inet f input\n");
        assert_eq!(cuts.len(), 2);
        let policy = cuts.iter().all(|cut| matches!(cut.by, Some(By::Policy(_))));
        assert!(policy, "{cuts:?}");

        // And so it is.
        let made = run("nft", &["-f", "-"], change);
        assert!(made.status.success());
        assert!(!works(&mut ssh), "the session is cut");
        assert!(works(&mut web), "the other one is not");
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A session that conntrack does not know is a question of its own.
#[test]
fn a_session_that_is_not_tracked_is_looked_at_as_well() {
    let thread = std::thread::spawn(|| {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: a_session_that_is_not_tracked: needs root"
            );
            return;
        }
        output("ip", &["link", "set", "lo", "up"]);
        output(
            "ip",
            &["link", "add", "v0", "type", "veth", "peer", "name", "v1"],
        );
        output("ip", &["addr", "add", "10.5.0.1/24", "dev", "v0"]);
        output("ip", &["link", "set", "v0", "up"]);
        output("ip", &["link", "set", "v1", "up"]);
        nft("table ip t {
  chain input { type filter hook input priority 0; policy accept;
  }
}
");
        let picture = snapshot::take(None).expect("a picture");
        let session = Session {
            peer: "10.5.0.9:50000".parse().expect("an address"),
            local: "10.5.0.1:22".parse().expect("an address"),
        };
        let ruleset = staged(
            &picture.ruleset,
            &compiled("add chain ip t input { policy drop; }\n"),
        );
        let ruleset = ruleset.expect("it is staged");
        let (before, after) = (
            Simulator::new(world(&picture, &picture.ruleset)),
            Simulator::new(world(&picture, &ruleset)),
        );
        let cuts = cut::cut(&before, &after, &picture.flows, Some(&session), None);
        assert_eq!(cuts.len(), 1);
        assert!(cuts[0].own && cuts[0].flow.is_none());
        assert_eq!(cuts[0].question.iif.as_deref(), Some("v0"));
        assert!(matches!(cuts[0].by, Some(By::Policy(_))));
        let none = cut::cut(&before, &before, &picture.flows, Some(&session), None);
        assert!(none.is_empty());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Whoever is at the other end of an SSH session is not locked out by the way: not by routes, policy rules or legacy
/// tables, unless the change is taken back by itself or the person says so.
#[test]
fn no_change_of_any_kind_cuts_the_own_session_off_by_accident() {
    common::in_namespace("no_change_of_any_kind", || {
        let ip = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            output("ip", &words)
        };
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        ip("addr add 10.5.0.1/24 dev v0");
        ip("link set v0 up");
        ip("link set v1 up");
        ip("route add default via 10.5.0.254");
        let over_ssh = |line: &[&str]| {
            let words = [
                &[
                    "SSH_CONNECTION=203.0.113.9 50000 10.5.0.1 22",
                    common::BINARY,
                ],
                line,
            ];
            let done = run("env", &words.concat(), "");
            let text = [done.stdout, done.stderr].concat();
            (
                done.status.code(),
                String::from_utf8_lossy(&text).into_owned(),
            )
        };
        let legacy = ["apply", "--format", "iptables", "--backend", "legacy", "-e"];
        let refused: [&[&str]; 5] = [
            &["route", "del", "default"],
            &["route", "add", "blackhole", "203.0.113.9/32"],
            &[
                "route",
                "rules",
                "add",
                "to",
                "203.0.113.0/24",
                "pref",
                "5",
                "prohibit",
            ],
            &[
                "apply",
                "--format",
                "route",
                "-e",
                "route replace default dev lo",
            ],
            &[&legacy[..], &["-A INPUT -p tcp --dport 22 -j DROP"]].concat(),
        ];
        // The kernel tells routes of a carrier a moment after the device has it.
        let settled = || !ip("route").contains("linkdown");
        let settled = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            settled()
        });
        assert!(settled, "{}", ip("route"));
        let before = (ip("route"), ip("rule"));
        for line in refused {
            let (code, text) = over_ssh(line);
            assert_eq!(code, Some(1), "{line:?}: {text}");
            assert!(
                text.contains("your own SSH session off"),
                "{line:?}: {text}"
            );
            assert_eq!(before, (ip("route"), ip("rule")), "{line:?}");
        }
        // What leaves the session alone is made.
        let (code, text) = over_ssh(&["route", "add", "198.51.100.0/24", "via", "10.5.0.254"]);
        assert_eq!((code, &*text), (Some(0), ""));
        let other = "-A INPUT -p tcp --dport 80 -j DROP";
        let (code, text) = over_ssh(&[&legacy[..], &[other]].concat());
        assert_eq!((code, &*text), (Some(0), ""));
        // And what a guard brings back.
        let (code, text) = over_ssh(&["route", "del", "default", "--confirm", "60"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("taken back in 60 s"), "{text}");
        assert!(!ip("route").contains("default"));
        let (code, text) = over_ssh(&["rollback"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(ip("route").contains("default via 10.5.0.254"));
    });
}
