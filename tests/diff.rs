//! `hookscope diff`: what was changed between two pictures of a machine is told, all of it, and nothing else.

mod common;

use common::{BINARY, in_namespace, nft, output, run};

fn ip(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    output("ip", &words);
}

#[test]
fn what_was_changed_is_told_and_nothing_else() {
    in_namespace("what_was_changed_is_told_and_nothing_else", || {
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        ip("addr add 192.0.2.1/24 dev v0");
        ip("link set v0 up");
        ip("link set v1 up");
        ip("route add 198.51.100.0/24 via 192.0.2.9");
        nft("table inet f {
  counter hits { }
  set ports { type inet_service; elements = { 22, 80 } }
  chain input { type filter hook input priority 0; policy accept;
    ct state established accept
    tcp dport @ports counter accept
    ip saddr 10.0.0.0/8 drop
  }
}
");
        let rule = ["-A", "INPUT", "-p", "tcp", "--dport", "25", "-j", "DROP"];
        output("iptables-legacy", &rule);
        let here = tempfile::tempdir().expect("a directory");
        let file = |name: &str| here.path().join(name).display().to_string();
        let (before, after) = (file("before"), file("after"));
        output(BINARY, &["snapshot", "-o", &before]);
        // Packets are counted, connections come: no difference.
        for _ in 0..3 {
            let _ = std::net::TcpStream::connect(("127.0.0.1", 80));
        }
        assert_eq!(output(BINARY, &["diff", &before, "live"]), "");

        nft("delete element inet f ports { 80 }
add element inet f ports { 443 }
insert rule inet f input tcp dport 23 drop
add chain inet f extra { type filter hook forward priority 5; policy drop; }
");
        output("iptables-legacy", &["-P", "FORWARD", "DROP"]);
        ip("route replace 198.51.100.0/24 via 192.0.2.10");
        ip("rule add from 10.0.0.0/8 lookup 100 pref 7");
        ip("addr add 192.0.2.2/24 dev v0");
        ip("link set v1 mtu 1400");
        output(BINARY, &["snapshot", "-o", &after]);
        let told = output(BINARY, &["diff", &before, &after]);
        for line in [
            "+   tcp dport 23 drop",
            "-   :FORWARD ACCEPT [0:0]",
            "+   :FORWARD DROP [0:0]",
            "-   198.51.100.0/24 via 192.0.2.9 dev v0",
            "+   198.51.100.0/24 via 192.0.2.10 dev v0",
            "+   priority 7 from 10.0.0.0/8 lookup 100",
            "+   192.0.2.2/24 dev v0",
            "-   v1 mtu 1500 up veth",
            "+   v1 mtu 1400 up veth",
        ] {
            assert!(told.lines().any(|one| one == line), "{line}\n{told}");
        }
        assert!(
            told.contains("443") && told.contains("chain extra"),
            "{told}"
        );
        // A rule that stayed is in no line that changed.
        let changed = told.lines().filter(|line| line.starts_with(['+', '-']));
        let stayed = ["10.0.0.0/8 drop", "established", "dport 25"];
        for line in changed {
            assert!(!stayed.iter().any(|rule| line.contains(rule)), "{line}");
        }
        // The other way round, what came is what goes.
        let back = output(BINARY, &["diff", &after, &before]);
        let turned = |text: &str| {
            let swap = |line: &str| match line.split_at_checked(1) {
                Some(("+", rest)) => format!("-{rest}"),
                Some(("-", rest)) => format!("+{rest}"),
                _ => String::new(),
            };
            let mut lines: Vec<String> = text.lines().map(swap).collect();
            lines.retain(|line| !line.is_empty());
            lines.sort();
            lines
        };
        let mut changed: Vec<String> = told.lines().map(str::to_owned).collect();
        changed.retain(|line| line.starts_with(['+', '-']));
        changed.sort();
        assert_eq!(turned(&back), changed);

        let code = |arguments: &[&str]| run(BINARY, arguments, "").status.code();
        assert_eq!(code(&["diff", "--exit-code", &before, &after]), Some(1));
        assert_eq!(code(&["diff", "--exit-code", &after, "live"]), Some(0));
        let wrong = run(BINARY, &["diff", &before, &file("nothing")], "");
        let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert_eq!(wrong.status.code(), Some(1));
        assert!(text.contains("nothing"), "{text}");
    });
}
