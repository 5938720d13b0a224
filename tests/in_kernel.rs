//! `hookscope trace --in-kernel`: the kernel's own answer in a twin of this network, against the prediction and
//! against what the network itself does; and nothing of the machine is touched.

mod common;

use common::{BINARY, Host, batch, in_namespace, nft, output, router, run, until};
use serde_json::Value;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const RULES: &str = "table inet fw {
  set allowed { type ipv4_addr . inet_service; flags interval; elements = { 10.0.1.0/24 . 80-90 } }
  map verdicts { type inet_service : verdict; elements = { 25 : drop, 143 : jump mail } }
  chain forward { type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ip saddr . tcp dport @allowed accept
    tcp dport { 22, 23 } reject
    tcp dport vmap @verdicts
    meta mark 0x7 accept
    udp dport 53-60 counter accept
    ip6 daddr 2001:db8::/32 accept
  }
  chain mail { ip saddr 10.0.1.2 accept; ct mark set 0x5; }
  chain input { type filter hook input priority 0; policy accept;
    tcp dport 22 drop
    udp dport 500 return
  }
  chain output { type filter hook output priority 0; policy accept;
    meta skuid 1000 udp dport 53 drop
  }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat;
    tcp dport 8080 dnat to 10.0.2.5:80
    tcp dport 8081 redirect to :81
  }
  chain postrouting { type nat hook postrouting priority srcnat;
    oifname \"wan\" masquerade
  }
}
table ip raw {
  chain pre { type filter hook prerouting priority raw; udp dport 55 notrack; ip saddr 10.0.1.66 drop; }
}
";

/// The router with some more routes and policy rules, and its firewall.
fn firewall() {
    router();
    batch(
        "route add 2001:db8::/32 via fd00:2::9 dev wan
route add blackhole 192.168.0.0/16
route add unreachable 10.99.0.0/16
route add 10.50.0.0/16 via 10.0.2.77 dev wan table 50
rule add fwmark 0x32 table 50
rule add to 10.51.0.0/16 prohibit
",
    );
    nft(RULES);
}

fn ask(options: &str) -> Value {
    let words: Vec<&str> = ["trace", "--in-kernel", "--json"]
        .into_iter()
        .chain(options.split_whitespace())
        .collect();
    let text = output(BINARY, &words);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_kernel_says_what_was_predicted() {
    in_namespace("the_kernel_says_what_was_predicted", || {
        firewall();
        let lan = "--iif lan --src 10.0.1.9 --sport 4000";
        for (packet, fate) in [
            (
                format!("{lan} --dst 203.0.113.1 --proto tcp --dport 85"),
                "forwarded",
            ),
            (
                format!("{lan} --dst 203.0.113.1 --proto tcp --dport 23"),
                "rejected",
            ),
            (
                format!("{lan} --dst 203.0.113.1 --proto tcp --dport 25"),
                "dropped",
            ),
            (
                format!("{lan} --dst 203.0.113.1 --proto tcp --dport 99 --mark 7"),
                "forwarded",
            ),
            (
                format!("{lan} --dst 10.0.2.1 --proto tcp --dport 8081"),
                "delivered",
            ),
            (
                "--dst 10.0.2.9 --proto udp --sport 5 --dport 53 --uid 0".to_owned(),
                "sent",
            ),
            (
                "--dst 10.0.2.9 --proto udp --sport 5 --dport 53 --uid 1000".to_owned(),
                "dropped",
            ),
        ] {
            let answer = ask(&packet);
            let kernel = &answer["in_kernel"];
            assert_eq!(
                (&answer["fate"], &kernel["fate"]),
                (&fate.into(), &fate.into()),
                "{packet}: {kernel}"
            );
            assert_eq!(kernel["agrees"], true, "{packet}: {kernel}");
            assert_eq!(kernel["not_copied"], Value::Array(Vec::new()), "{packet}");
        }
        // The kernel's rules are named by their handles here, with the same texts.
        let answer = ask(&format!("{lan} --dst 203.0.113.1 --proto tcp --dport 143"));
        let rules = |steps: &Value| -> Vec<(String, Value)> {
            let steps = steps.as_array().expect("steps").iter();
            steps
                .flat_map(|step| step["rules"].as_array().into_iter().flatten())
                .filter(|rule| rule["matched"] == true)
                .map(|rule| (rule["text"].to_string(), rule["handle"].clone()))
                .collect()
        };
        assert!(!rules(&answer["steps"]).is_empty());
        assert_eq!(
            rules(&answer["steps"]),
            rules(&answer["in_kernel"]["steps"])
        );
    });
}

#[test]
fn random_packets_agree_and_nothing_is_touched() {
    in_namespace("random_packets_agree_and_nothing_is_touched", || {
        firewall();
        let state = || {
            [
                output("nft", &["-a", "list", "ruleset"]),
                output("ip", &["address"]),
                output("ip", &["route", "show", "table", "all"]),
                output("ip", &["rule"]),
            ]
        };
        // New devices find their IPv6 addresses in their own time.
        let mut before = state();
        until("quiet devices", || {
            std::thread::sleep(Duration::from_millis(2500));
            let last = std::mem::replace(&mut before, state());
            last == before
        });
        // A linear congruential generator: the same packets every time.
        let mut seed = 20_260_701_u64;
        let mut pick = |count: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % count
        };
        let mut lines = String::new();
        for _ in 0..60 {
            let six = pick(4) == 0;
            let sources = ["10.0.1.2", "10.0.1.9", "10.0.1.66", "172.16.0.1"];
            let targets = [
                "10.0.2.5",
                "10.0.1.1",
                "203.0.113.9",
                "192.168.1.1",
                "10.99.0.1",
                "10.50.0.1",
                "10.51.0.1",
                "10.0.3.7",
                "255.255.255.255",
            ];
            let (src, dst) = if six {
                (
                    "fd00:1::9",
                    ["2001:db8::1", "fd00:2::7", "fd00:1::1", "fd00:9::1"][pick(4)],
                )
            } else {
                (sources[pick(4)], targets[pick(9)])
            };
            let proto = ["tcp", "udp"][pick(2)];
            let port = [22, 23, 25, 53, 55, 80, 85, 143, 500, 8080, 8081][pick(11)];
            let mark = [0, 7, 0x32][pick(3)];
            let ttl = [1, 2, 64][pick(3)];
            let arriving = pick(4) > 0;
            let way = if arriving {
                format!("--iif lan --src {src} --ttl {ttl} ")
            } else {
                String::new()
            };
            lines += &format!(
                "{way}--dst {dst} --proto {proto} --sport {} --dport {port} --mark {mark}\n",
                1024 + pick(60000)
            );
        }
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("packets");
        std::fs::write(&file, &lines).expect("written");
        let path = file.to_str().expect("a path");
        let text = output(BINARY, &["trace", "--in-kernel", "--json", "--batch", path]);
        let answers: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(answers.len(), 60);
        let mut fates = std::collections::BTreeSet::new();
        for (answer, line) in answers.iter().zip(lines.lines()) {
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["agrees"], true, "{line}\n{kernel}");
            fates.insert(answer["fate"].to_string());
        }
        assert!(fates.len() >= 5, "{fates:?}");
        for (now, before) in state().into_iter().zip(before) {
            assert_eq!(now, before);
        }
    });
}

#[test]
fn flows_that_are_known_stay_known() {
    in_namespace("flows_that_are_known_stay_known", || {
        output("ip", &["link", "set", "lo", "up"]);
        let host = Host::cable("lan", "10.0.1.9/24");
        output("ip", &["address", "add", "10.0.1.1/24", "dev", "lan"]);
        nft("table inet fw {
  chain input { type filter hook input priority 0; policy drop;
    ct state established accept
    udp dport 7000 accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
}
");
        let server = UdpSocket::bind("10.0.1.1:7000").expect("a socket");
        server
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let client = host.run(|| {
            let socket = UdpSocket::bind("10.0.1.9:4000").expect("a socket");
            socket.send_to(b"ask", "10.0.1.1:7000").expect("sent");
            socket
        });
        let mut buffer = [0; 9];
        let (_, from) = server.recv_from(&mut buffer).expect("a question");
        server.send_to(b"tell", from).expect("answered");
        drop(client);
        nft("flush chain inet fw input\nadd rule inet fw input ct state established accept\n");
        let answer =
            ask("--iif lan --src 10.0.1.9 --sport 4000 --dst 10.0.1.1 --dport 7000 --proto udp");
        assert_eq!(
            (&answer["fate"], &answer["in_kernel"]["fate"]),
            (&"delivered".into(), &"delivered".into()),
            "{answer}"
        );
        assert_eq!(answer["in_kernel"]["agrees"], true, "{answer}");
        let other =
            ask("--iif lan --src 10.0.1.9 --sport 4001 --dst 10.0.1.1 --dport 7000 --proto udp");
        assert_eq!(
            (&other["fate"], &other["in_kernel"]["fate"]),
            (&"dropped".into(), &"dropped".into()),
            "{other}"
        );
    });
}

#[test]
fn ipsets_and_legacy_tables_are_copied() {
    in_namespace("ipsets_and_legacy_tables_are_copied", || {
        firewall();
        let sets = "create gone hash:ip\ncreate bad hash:net\nadd bad 10.0.1.32/28\ncreate pairs hash:ip,port timeout 600\nadd pairs 10.0.1.9,tcp:86\ndestroy gone\n";
        let done = run("ipset", &["restore"], sets);
        if !done.status.success() {
            eprintln!("skipped: no ipset here");
            return;
        }
        let rules = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m set --match-set bad src -j DROP\n-A FORWARD -p tcp -m set --match-set pairs src,dst -j DROP\nCOMMIT\n";
        let done = run("iptables-legacy-restore", &[], rules);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        for (src, port, passes) in [
            ("10.0.1.40", 85, false),
            ("10.0.1.9", 85, true),
            ("10.0.1.9", 86, false),
        ] {
            let answer = ask(&format!(
                "--iif lan --src {src} --sport 4000 --dst 203.0.113.1 --proto tcp --dport {port}"
            ));
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["fate"] == "forwarded", passes, "{answer}");
            assert_eq!(kernel["agrees"], true, "{answer}");
            assert_eq!(kernel["not_copied"], Value::Array(Vec::new()), "{answer}");
        }
    });
}

#[test]
fn it_is_quick_and_says_what_it_cannot() {
    in_namespace("it_is_quick_and_says_what_it_cannot", || {
        firewall();
        let begun = Instant::now();
        ask("--iif lan --src 10.0.1.9 --sport 1 --dst 203.0.113.1 --proto tcp --dport 85");
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        let refused = run(
            BINARY,
            &[
                "trace",
                "--in-kernel",
                "--iif",
                "lan",
                "--src",
                "10.0.1.9",
                "--dst",
                "10.0.1.1",
                "--ct-state",
                "established",
            ],
            "",
        );
        assert!(!refused.status.success());
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(text.contains("--ct-state is an assumption"), "{text}");
    });
}

#[test]
fn staged_changes_are_asked_about_as_well() {
    in_namespace("staged_changes_are_asked_about_as_well", || {
        firewall();
        let rules = output("nft", &["-a", "list", "chain", "inet", "fw", "forward"]);
        let allowed = rules.lines().find(|line| line.contains("@allowed"));
        let handle = allowed
            .and_then(|line| line.rsplit(' ').next())
            .expect("its handle");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("changes.nft");
        let changes = format!(
            "delete rule inet fw forward handle {handle}
add chain inet fw extra
add rule inet fw extra tcp dport 85 counter accept
insert rule inet fw forward jump extra
add set inet fw more {{ type inet_service; elements = {{ 90, 91 }}; }}
add rule inet fw forward tcp dport @more accept
add element inet fw verdicts {{ 99 : accept }}
add table ip later
add chain ip later pre {{ type nat hook prerouting priority dstnat - 1; }}
add rule ip later pre tcp dport 8090 dnat to 10.0.2.7:85
"
        );
        std::fs::write(&file, changes).expect("written");
        let staged = format!("--staged={}", file.to_str().expect("a path"));
        for (port, fate, text) in [
            (85, "forwarded", "tcp dport 85 counter accept"),
            (86, "dropped", ""),
            (91, "forwarded", "tcp dport @more accept"),
            (99, "forwarded", "tcp dport vmap @verdicts"),
            (8090, "forwarded", "tcp dport 85 counter accept"),
        ] {
            let packet = "--iif lan --src 10.0.1.9 --sport 4000 --dst 203.0.113.1 --proto tcp";
            let answer = ask(&format!("{staged} {packet} --dport {port}"));
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["fate"], fate, "{port}: {answer}");
            assert_eq!(kernel["agrees"], true, "{port}: {answer}");
            assert_eq!(kernel["not_copied"], Value::Array(Vec::new()), "{answer}");
            assert!(
                kernel["steps"].to_string().contains(text),
                "{port}: {kernel}"
            );
        }
        // Nothing of it is on the machine.
        assert!(!output("nft", &["list", "ruleset"]).contains("8090"));
    });
}

#[test]
fn a_case_holds_everything() {
    in_namespace("a_case_holds_everything", || {
        firewall();
        // In a snapshot whose packet the kernel has to answer differently: the rule is another one than the kernel
        // gets to see when `--time` is not now.
        nft(
            "add rule inet fw forward meta day \"Friday\" tcp dport 4444 accept\nadd rule inet fw forward meta day != \"Friday\" tcp dport 4444 reject\n",
        );
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("case");
        let path = file.to_str().expect("a path");
        let weekday = output("date", &["-u", "+%A"]);
        // A Friday, unless today is one: then a Saturday.
        let time = if weekday.trim() == "Friday" {
            "2024-01-06T12:00:00"
        } else {
            "2024-01-05T12:00:00"
        };
        let words = format!(
            "trace --in-kernel --json --save-case {path} --iif lan --src 10.0.1.9 --sport 1 --dst 203.0.113.1 --proto tcp --dport 4444 --time {time}"
        );
        let text = output(BINARY, &words.split(' ').collect::<Vec<_>>());
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["in_kernel"]["agrees"], false, "{answer}");
        let first = answer["in_kernel"]["differences"][0]
            .as_str()
            .expect("words");
        assert!(first.starts_with("rules: "), "{first}");
        let case = hookscope::session::case::open(&file).expect("a case");
        assert!(case.options.contains("--dport 4444"), "{}", case.options);
        assert_eq!(case.snapshot.ruleset.tables.len(), 3);
        // It holds everything: the machine has other rules by now, and the answers are those of that time.
        nft("flush ruleset\n");
        let again = output(BINARY, &["trace", "--case", path, "--json"]);
        let again: Value = serde_json::from_str(&again).expect("JSON");
        for member in ["packet", "steps", "fate"] {
            assert_eq!(again[member], answer[member], "{again}");
        }
        let (now, then) = (&again["in_kernel"], &answer["in_kernel"]);
        for member in ["steps", "fate", "agrees", "differences"] {
            assert_eq!(now[member], then[member], "{again}");
        }
        assert_eq!(&again["case"]["in_kernel"], then);
        assert_eq!(again["case"]["predicted"]["fate"], answer["fate"]);
        assert_eq!(again["evidence"]["source"], "case");
        let lines = output(BINARY, &["trace", "--case", path]);
        assert!(lines.contains("when the case was kept"), "{lines}");
        // What is no case, and what a case leaves no room for.
        let words = directory.path().join("words");
        std::fs::write(&words, "no case").expect("written");
        let words = words.to_str().expect("a path");
        let refused = run(BINARY, &["trace", "--case", words], "");
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{text}");
        assert!(text.contains("it is not a case"), "{text}");
        let refused = run(BINARY, &["trace", "--case", path, "--dst", "10.0.0.1"], "");
        assert_eq!(refused.status.code(), Some(2));
    });
}
