//! `hookscope watch` against the real kernel: packets from another namespace, the kernel's trace of them, and nothing
//! that stays behind.

mod common;

use common::{BINARY, Host, in_namespace, nft, output, run, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RULES: &str = "table inet fw {
  chain input { type filter hook input priority 0; policy drop;
    meta l4proto icmpv6 accept
    tcp dport 23 reject
    jump deeper
    udp dport 53 accept
    udp dport 514 log prefix \"syslog \" group 7 drop
  }
  chain deeper {
    udp dport 99 drop
    udp dport 53 return
    udp dport 98 goto last
  }
  chain last { meta mark set 0x7 accept; }
}
";

/// A host with rules, and another one that sends.
fn scene() -> Host {
    output("ip", &["link", "set", "lo", "up"]);
    let host = Host::cable("lan", "10.0.1.9/24");
    output("ip", &["address", "add", "10.0.1.1/24", "dev", "lan"]);
    nft(RULES);
    host
}

fn send(host: &Host, port: u16, count: usize) {
    host.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:4000").expect("a socket");
        for _ in 0..count {
            socket.send_to(b"hello", ("10.0.1.1", port)).expect("sent");
        }
    });
}

fn tables() -> String {
    output("nft", &["list", "tables"])
}

struct Watching {
    child: Child,
}

impl Watching {
    /// Started, and its table is there.
    fn start(options: &[&str]) -> Watching {
        let child = Command::new(BINARY)
            .arg("watch")
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("hookscope");
        until("the table of watch", || {
            tables().contains("hookscope-watch")
        });
        Watching { child }
    }

    /// What it printed, once it has ended by itself.
    fn json(mut self) -> Vec<Value> {
        let mut text = String::new();
        let mut out = self.child.stdout.take().expect("its output");
        out.read_to_string(&mut text).expect("text");
        assert!(self.child.wait().expect("it ends").success());
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[test]
fn packets_are_put_together_with_their_rules() {
    in_namespace("packets_are_put_together_with_their_rules", || {
        let host = scene();
        let watch = Watching::start(&[
            "--json",
            "--iif",
            "lan",
            "--count",
            "5",
            "--src",
            "10.0.1.0/24",
        ]);
        send(&host, 99, 1);
        send(&host, 53, 1);
        send(&host, 98, 1);
        send(&host, 54, 1);
        host.run(|| {
            let refused = TcpStream::connect_timeout(
                &"10.0.1.1:23".parse().expect("an address"),
                Duration::from_secs(3),
            );
            assert!(refused.is_err());
        });
        let mut seen = watch.json();
        let summary = seen.pop().expect("a summary");
        assert_eq!(summary["summary"]["packets"], 5);
        assert_eq!(summary["summary"]["fates"]["dropped"], 2);
        let fates: Vec<&str> = seen
            .iter()
            .map(|one| one["fate"].as_str().unwrap_or("-"))
            .collect();
        assert_eq!(
            fates,
            ["dropped", "delivered", "delivered", "dropped", "rejected"]
        );

        let dropped = &seen[0];
        assert_eq!(dropped["packet"]["dport"], 99);
        assert_eq!(dropped["packet"]["iif"], "lan");
        assert_eq!(dropped["dropped_by"]["chain"], "deeper");
        let rules = dropped["steps"][0]["rules"].as_array().expect("rules");
        assert_eq!(
            rules
                .iter()
                .map(|rule| rule["text"].as_str().expect("text"))
                .collect::<Vec<_>>(),
            ["jump deeper", "udp dport 99 drop"]
        );
        assert_eq!(dropped["steps"][0]["hook"], "input");

        let verdicts = |one: &Value| -> Vec<String> {
            let rules = one["steps"][0]["rules"].as_array().expect("rules").iter();
            rules
                .map(|rule| rule["verdict"].as_str().expect("words").to_owned())
                .collect()
        };
        assert_eq!(verdicts(&seen[1]), ["jump deeper", "return", "accept"]);
        assert_eq!(verdicts(&seen[2]), ["jump deeper", "goto last", "accept"]);
        assert_eq!(
            (&seen[3]["steps"][0]["by"], &seen[3]["steps"][0]["verdict"]),
            (&"policy".into(), &"drop".into())
        );
        assert_eq!(verdicts(&seen[4]), ["reject"]);
        assert!(!tables().contains("hookscope"), "{}", tables());
    });
}

#[test]
fn the_same_rules_as_nft_monitor_trace() {
    in_namespace("the_same_rules_as_nft_monitor_trace", || {
        let host = scene();
        let mut monitor = Command::new("nft")
            .args(["-a", "monitor", "trace"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("nft");
        let watch =
            Watching::start(&["--json", "--iif", "lan", "--proto", "udp", "--timeout", "3"]);
        std::thread::sleep(Duration::from_millis(300));
        for port in [99, 53, 98, 54, 514] {
            send(&host, port, 2);
        }
        let ours: Vec<String> = watch
            .json()
            .iter()
            .filter(|one| one.get("summary").is_none())
            .flat_map(|one| {
                let rules = one["steps"][0]["rules"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                rules.into_iter().map(|rule| {
                    format!(
                        "{} {}",
                        rule["chain"].as_str().expect("a chain"),
                        rule["handle"]
                    )
                })
            })
            .collect();
        monitor.kill().expect("ended");
        monitor.wait().expect("ended");
        let text = BufReader::new(monitor.stdout.take().expect("its output"));
        // trace id 1a2b3c4d inet fw input rule jump deeper # handle 7 (verdict jump deeper)
        let theirs: Vec<String> = text
            .lines()
            .map_while(Result::ok)
            .filter(|line| line.contains(" inet fw ") && line.contains(" rule "))
            .map(|line| {
                let chain = line.split_whitespace().nth(5).expect("a chain").to_owned();
                let handle = line.split("# handle ").nth(1).expect("a handle");
                format!("{chain} {}", handle.split(' ').next().expect("a number"))
            })
            .collect();
        assert_eq!(ours.len(), 22, "{ours:?}");
        assert_eq!(ours, theirs);
    });
}

#[test]
fn watching_is_no_part_of_predictions() {
    in_namespace("watching_is_no_part_of_predictions", || {
        let _host = scene();
        let options =
            "trace --json --iif lan --src 10.0.1.9 --dst 10.0.1.1 --proto udp --dport 99 --time 0";
        let ask = || -> Value {
            let text = output(BINARY, &options.split(' ').collect::<Vec<_>>());
            serde_json::from_str(&text).expect("JSON")
        };
        let before = ask();
        let mut watch = Watching::start(&["--json", "--sample", "20", "--iif", "lan"]);
        let meanwhile = ask();
        output("kill", &["-INT", &watch.child.id().to_string()]);
        watch.child.wait().expect("it ends");
        for member in ["steps", "fate", "uncertain", "dropped_by"] {
            assert_eq!(meanwhile[member], before[member], "{meanwhile}");
        }
        // A table that only has the name is followed as any other.
        nft("table inet hookscope-watch-1 {
  chain arrived { type filter hook prerouting priority -300; udp dport 99 drop; }
}
");
        assert_eq!(ask()["fate"], "dropped");
    });
}

#[test]
fn nothing_stays_behind() {
    in_namespace("nothing_stays_behind", || {
        let _host = scene();
        let before = output("nft", &["list", "ruleset"]);
        for signal in ["KILL", "INT", "TERM"] {
            let mut watch = Watching::start(&["--json"]);
            output(
                "kill",
                &[&format!("-{signal}"), &watch.child.id().to_string()],
            );
            let status = watch.child.wait().expect("it ends");
            assert_eq!(status.success(), signal != "KILL", "{signal}: {status}");
            // The kernel closes the socket of a killed process a moment after it is gone.
            until("the table to be gone", || !tables().contains("hookscope"));
            assert_eq!(
                output("nft", &["list", "ruleset"]),
                before,
                "after {signal}"
            );
        }
    });
}

#[test]
fn it_ends_in_time_and_refuses_what_it_must() {
    in_namespace("it_ends_in_time_and_refuses_what_it_must", || {
        let _host = scene();
        let begun = Instant::now();
        let done = Watching::start(&["--json", "--timeout", "0.5"]).json();
        assert!(done.last().expect("a summary").get("summary").is_some());
        assert!(begun.elapsed() < Duration::from_secs(5));
        let refused = |options: &[&str], status: i32, words: &str| {
            let done = run(BINARY, options, "");
            let text = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(status), "{text}");
            assert!(text.contains(words), "{text}");
        };
        refused(
            &["--read-only", "watch", "--timeout", "1"],
            1,
            "--read-only refuses",
        );
        refused(&["watch", "--iif", "nowhere"], 2, "no such device");
        refused(&["watch", "--dport", "1", "--proto", "icmp"], 2, "no ports");
        refused(&["watch", "--src", "10.0.0.0/33"], 2, "prefix length");
    });
}

#[test]
fn too_many_packets_stop_it() {
    in_namespace("too_many_packets_stop_it", || {
        let host = scene();
        let watch = Watching::start(&[
            "--json",
            "--max-rate",
            "50",
            "--iif",
            "lan",
            "--timeout",
            "20",
        ]);
        send(&host, 99, 400);
        let seen = watch.json();
        let summary = &seen.last().expect("a summary")["summary"];
        let words = summary["stopped"].as_str().expect("a reason");
        assert!(words.contains("more than 50 packets a second"), "{words}");
        // The kernel itself marks no more than twice as many a second, and as many at once.
        assert!(seen.len() <= 250, "{}", seen.len());
    });
}

#[test]
fn sampling_looks_at_some_only() {
    in_namespace("sampling_looks_at_some_only", || {
        let host = scene();
        let watch = Watching::start(&[
            "--json",
            "--sample",
            "20",
            "--max-rate",
            "0",
            "--iif",
            "lan",
            "--timeout",
            "1.5",
        ]);
        send(&host, 99, 1000);
        let count = watch.json().len() - 1;
        // 50 are expected; the bounds are six standard deviations away.
        assert!((8..=92).contains(&count), "{count}");
    });
}

#[test]
fn log_groups_and_packets_of_our_own() {
    in_namespace("log_groups_and_packets_of_our_own", || {
        let host = scene();
        let watch = Watching::start(&[
            "--json", "--nflog", "7", "--dport", "514", "--proto", "udp", "--count", "2",
        ]);
        send(&host, 514, 1);
        let seen = watch.json();
        let logged = seen
            .iter()
            .find(|one| one.get("log").is_some())
            .expect("a logged packet");
        assert_eq!(logged["log"]["prefix"], "syslog ");
        assert_eq!(logged["log"]["hook"], "input");
        assert_eq!(logged["packet"]["dport"], 514);
        assert_eq!(logged["packet"]["iif"], "lan");
        let traced = seen
            .iter()
            .find(|one| one.get("steps").is_some())
            .expect("a traced packet");
        assert_eq!(traced["fate"], "dropped");

        let watch = Watching::start(&["--json", "--dport", "5353", "--count", "2"]);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.send_to(b"x", "127.0.0.1:5353").expect("sent");
        let seen = watch.json();
        assert_eq!(
            (&seen[0]["fate"], &seen[0]["oif"]),
            (&"sent".into(), &"lo".into())
        );
        assert_eq!(seen[1]["fate"], "dropped");
        assert_eq!(seen[1]["packet"]["iif"], "lo");
    });
}
