//! The connections of the Flows screen against conntrack(8), in a network namespace of our own.

mod common;

use common::{in_namespace, nft, output};
use hookscope::lang::conntrack::flow_line;
use hookscope::session::Flows;
use hookscope::session::flows;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

const RULES: &str = "
table ip t {
	chain o {
		type nat hook output priority -100
		tcp dport 9 dnat to 127.0.0.1:5001
	}
	chain i {
		type filter hook input priority 0
		ct state established,related accept
	}
}
";

/// What conntrack(8) prints, without what runs down between two readings.
fn theirs() -> Vec<String> {
    let mut lines: Vec<String> = output("conntrack", &["-f", "ipv4", "-L", "-o", "extended"])
        .lines()
        .map(without_timeout)
        .collect();
    lines.sort();
    lines
}

fn without_timeout(line: &str) -> String {
    let words = line.split_whitespace().enumerate();
    let words = words.map(|(place, word)| if place == 4 { "-" } else { word });
    // An age of seconds is another one soon.
    let words = words.filter(|word| !word.starts_with("delta-time="));
    words.collect::<Vec<_>>().join(" ")
}

fn ours(flows: &Flows) -> Vec<String> {
    let lines = flows.list().iter().map(|flow| flow_line(flow, None));
    let mut lines: Vec<String> = lines.map(|line| without_timeout(&line)).collect();
    lines.sort();
    lines
}

/// Bytes of both directions that conntrack(8) counts of the connection to this port.
fn counted(port: u16) -> u64 {
    let lines = theirs();
    let needle = format!(" dport={port} ");
    let line = lines.iter().find(|line| line.contains(&needle));
    let words = line.expect("the connection").split_whitespace();
    let bytes = words.filter_map(|word| word.strip_prefix("bytes="));
    bytes
        .map(|bytes| bytes.parse::<u64>().expect("a number"))
        .sum()
}

#[test]
fn connections_and_their_rates_are_those_of_the_kernel() {
    in_namespace(
        "connections_and_their_rates_are_those_of_the_kernel",
        || {
            output("ip", &["link", "set", "lo", "up"]);
            nft(RULES);
            for key in ["acct", "timestamp"] {
                let path = format!("/proc/sys/net/netfilter/nf_conntrack_{key}");
                std::fs::write(path, "1").expect("a setting");
            }
            let listener = TcpListener::bind("127.0.0.1:5001").expect("a listener");
            let mut client = TcpStream::connect("127.0.0.1:9").expect("a connection");
            let (mut server, _) = listener.accept().expect("a connection");
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            for port in 7000..7020 {
                udp.send_to(b"x", ("127.0.0.5", port)).expect("sent");
            }
            // Packets may be on their way between two readings: look again before calling it a difference.
            let mut first = None;
            for attempt in 1..=10 {
                let flows = flows::read(None).expect("the table");
                let (ours, theirs) = (ours(&flows), theirs());
                if ours == theirs {
                    first = Some(Arc::new(flows));
                    break;
                }
                assert!(attempt < 10, "{ours:#?}\n{theirs:#?}");
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            let first = first.expect("a table");
            assert!(first.list().len() >= 21, "{:#?}", first.list());
            assert!(first.offered && first.counted && first.stamped && !first.compared);
            let before = counted(9);

            let mut received = vec![0; 50_000];
            client.write_all(&vec![b'x'; received.len()]).expect("sent");
            server.read_exact(&mut received).expect("received");
            std::thread::sleep(std::time::Duration::from_millis(300));
            let second = flows::read(Some(&first)).expect("the table");
            let after = counted(9);
            let translated = |flow: &hookscope::model::conntrack::Flow| flow.is_translated();
            let flow = second
                .list()
                .iter()
                .find(|flow| translated(flow))
                .expect("it");
            let place = second.place(flow).expect("its place");
            let speed = second.speed(place).expect("a rate");
            let between = second.at.steady - first.at.steady;
            let bytes = speed.bytes() * between.as_secs_f64();
            let counted = (after - before) as f64;
            assert!(counted >= 50_000.0, "{counted}");
            assert!((bytes - counted).abs() < 0.5, "{bytes} of {counted}");
            // Nobody sends to the others.
            let quiet = second
                .list()
                .iter()
                .find(|flow| flow.original.protocol == 17);
            let quiet = second.place(quiet.expect("another")).expect("its place");
            assert_eq!(second.speed(quiet).map(|speed| speed.bytes()), Some(0.0));
            let age = second.age(flow).expect("an age");
            assert!(age.as_secs() < 60, "{age:?}");
            drop((client, server));
        },
    );
}
