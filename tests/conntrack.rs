//! The connection tracking table against conntrack(8), in a network namespace of our own.

use hookscope::kernel::conntrack::read_conntrack;
use hookscope::lang::conntrack::flow_line;
use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

const RULES: &str = "
table ip t {
	chain o {
		type nat hook output priority -100
		tcp dport 9 dnat to 127.0.0.1:5001
	}
	chain p {
		type filter hook output priority 0
		tcp dport 5001 ct mark set 7
	}
	chain i {
		type filter hook input priority 0
		ct state established,related accept
	}
}
table ip6 t {
	chain p {
		type filter hook output priority 0
		ct state new accept
	}
}
table inet raw {
	chain r {
		type filter hook output priority -300
		udp dport 77 ct zone set 5
		udp dport 79 ct original zone set 6
	}
}
";

fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout)
        .ok()
        .filter(|_| output.status.success())
}

/// Timeouts run down between two readings: the fifth word of a line.
fn without_timeout(line: &str) -> String {
    let words = line.split_whitespace().enumerate();
    let words: Vec<&str> = words
        .map(|(place, word)| if place == 4 { "-" } else { word })
        .collect();
    words.join(" ")
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

#[test]
fn reads_what_conntrack_prints() {
    let compared = std::thread::spawn(|| {
        let skip = |reason: &str| {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: reads_what_conntrack_prints: {reason}"
            );
        };
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            return skip("needs root");
        }
        run("ip", &["link", "set", "lo", "up"], "").expect("ip");
        if run("nft", &["-f", "-"], RULES).is_none() {
            return skip("this kernel has no nf_tables with conntrack");
        }
        std::fs::write("/proc/sys/net/netfilter/nf_conntrack_acct", "1").expect("accounting");
        let listener = TcpListener::bind("127.0.0.1:5001").expect("a listener");
        let translated = TcpStream::connect("127.0.0.1:9").expect("a connection");
        let (answer, _) = listener.accept().expect("a connection");
        drop(TcpStream::connect("127.0.0.1:5001").expect("a connection"));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for port in [77, 78, 79] {
            udp.send_to(b"x", ("127.0.0.5", port)).expect("sent");
        }
        let udp6 = UdpSocket::bind("[::1]:0").expect("a socket");
        udp6.send_to(b"x", "[::1]:78").expect("sent");
        let mut theirs = String::new();
        for family in ["ipv4", "ipv6"] {
            let Some(lines) = run("conntrack", &["-f", family, "-L", "-o", "extended"], "") else {
                return skip("no conntrack(8) here");
            };
            theirs.push_str(&lines);
        }
        let flows = read_conntrack().expect("the table");
        assert!(flows.len() >= 6, "{flows:#?}");
        let ours = sorted(
            flows
                .iter()
                .map(|flow| without_timeout(&flow_line(flow, None))),
        );
        let theirs = sorted(theirs.lines().map(without_timeout));
        assert_eq!(ours, theirs);
        drop((translated, answer));
    });
    if let Err(panic) = compared.join() {
        std::panic::resume_unwind(panic);
    }
}
