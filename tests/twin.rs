//! What the twin network copies, and what its kernel tells beyond rules: counters, bridges, connections, sources.
//! Beside `in_kernel.rs`, which is about the answers as a whole.

mod common;

use common::{BINARY, batch, in_namespace, nft, output, router};
use serde_json::Value;

/// Run lines of `ip -batch`.
fn ask(options: &str) -> Value {
    let words = ["trace", "--in-kernel", "--json"].into_iter();
    let words: Vec<&str> = words.chain(options.split_whitespace()).collect();
    serde_json::from_str(&output(BINARY, &words)).expect("JSON")
}

/// What no rule ends: the kernel's counters say why.
#[test]
fn counters_tell_why_a_packet_is_gone() {
    in_namespace("counters_tell_why_a_packet_is_gone", || {
        router();
        std::fs::write("/proc/sys/net/ipv4/conf/wan/forwarding", "0").expect("a sysctl");
        for (packet, fate, words) in [
            (
                "--iif lan --src 172.16.0.1 --dst 203.0.113.1",
                "dropped",
                "reverse path filter",
            ),
            (
                "--iif lan --src 10.0.1.9 --dst 203.0.113.1 --ttl 1",
                "dropped",
                "TTL",
            ),
            (
                "--iif wan --src 10.0.2.9 --dst 10.0.1.9",
                "dropped",
                "not forwarded",
            ),
            (
                "--iif lan --src fd00:1::9 --dst fd00:9::1",
                "no-route",
                "want of a route",
            ),
        ] {
            let answer = ask(&format!("{packet} --proto udp --sport 4000 --dport 53"));
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["agrees"], true, "{packet}: {kernel}");
            assert_eq!(kernel["fate"], fate, "{packet}: {kernel}");
            let end = kernel["end"].as_str().expect("words");
            assert!(end.contains(words), "{packet}: {end}");
        }
    });
}

/// A local packet's source, its protocol and rules that come before routes with gateways are as on the machine.
#[test]
fn local_packets_are_routed_by_their_source() {
    in_namespace("local_packets_are_routed_by_their_source", || {
        router();
        let lines = "route add default via 10.0.1.254 dev lan table 60
rule add from 10.0.1.1 table 60
rule add ipproto udp to 198.51.100.0/24 prohibit
rule add tos 0x10 to 198.51.100.0/24 blackhole
";
        batch(lines);
        for (packet, fate) in [
            (
                "--src 10.0.1.1 --dst 203.0.113.1 --proto tcp --sport 4000 --dport 80",
                "sent",
            ),
            (
                "--src 10.0.2.1 --dst 203.0.113.1 --proto tcp --sport 4000 --dport 80",
                "sent",
            ),
            (
                "--src 10.0.2.1 --dst 198.51.100.1 --proto tcp --sport 4000 --dport 80",
                "sent",
            ),
        ] {
            let answer = ask(packet);
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["agrees"], true, "{packet}: {kernel}");
            assert_eq!(answer["fate"], fate, "{packet}");
            assert_eq!(kernel["oif"], answer["oif"], "{packet}");
            assert_eq!(kernel["not_copied"], Value::Array(Vec::new()), "{packet}");
        }
        let refused = ask("--src 10.0.2.1 --dst 198.51.100.1 --proto udp --sport 4000 --dport 53");
        assert_eq!(refused["fate"], "no-route");
        let eaten =
            ask("--src 10.0.2.1 --dst 198.51.100.1 --proto tcp --sport 4 --dport 5 --dscp 4");
        assert_eq!(
            (&eaten["fate"], &eaten["in_kernel"]["agrees"]),
            (&"no-route".into(), &true.into())
        );
        assert!(
            eaten["in_kernel"]["end"]
                .as_str()
                .is_some_and(|end| end.starts_with("gone"))
        );
        assert_eq!(refused["in_kernel"]["agrees"], true, "{refused}");
        // With a rule that keeps every gateway from being found, the routes are copied all the same.
        output(
            "ip",
            &["rule", "add", "iif", "lo", "blackhole", "pref", "70"],
        );
        let answer =
            ask("--iif lan --src 10.0.1.9 --dst 203.0.113.1 --proto udp --sport 9 --dport 53");
        let kernel = &answer["in_kernel"];
        assert_eq!(
            (&kernel["fate"], &kernel["agrees"]),
            (&"forwarded".into(), &true.into())
        );
        assert_eq!(kernel["not_copied"], Value::Array(Vec::new()));
    });
}

/// Options of bridges and ports decide where frames go, in the prediction and in the copy.
#[test]
fn ports_of_bridges_are_what_they_are() {
    in_namespace("ports_of_bridges_are_what_they_are", || {
        router();
        let lines = "link add port2 type veth peer name portpeer2
link set port2 master br0
link set port2 up
link set portpeer2 up
";
        batch(lines);
        nft("table bridge b { chain f { type filter hook forward priority 0; }; }");
        let station = |port: &str, mac: &str| {
            output(
                "bridge",
                &["fdb", "replace", mac, "dev", port, "master", "static"],
            );
        };
        station("port", "02:00:00:00:00:01");
        station("port2", "02:00:00:00:00:02");
        station("port", "02:00:00:00:00:03");
        let ask_from_1 = |to: &str| {
            let frame = format!("--ether-src 02:00:00:00:00:01 --ether-dst {to}");
            let packet = "--src 10.0.3.5 --dst 10.0.3.6 --proto udp --sport 9 --dport 53";
            let answer = ask(&format!("--iif port {frame} {packet}"));
            let kernel = &answer["in_kernel"];
            assert_eq!(kernel["agrees"], true, "{to}: {kernel}");
            let fate = answer["fate"].as_str().expect("a fate").to_owned();
            (fate, kernel["fate"].as_str().map(str::to_owned))
        };
        let passes = ("forwarded".to_owned(), Some("forwarded".to_owned()));
        let gone = ("dropped".to_owned(), None);
        let (other, same) = ("02:00:00:00:00:02", "02:00:00:00:00:03");
        let unknown = "02:00:00:00:00:99";
        assert_eq!(ask_from_1(other), passes);
        assert_eq!(ask_from_1(same), gone);
        assert_eq!(ask_from_1(unknown), passes);
        let set = |port: &str, options: &[&str]| {
            let link = ["link", "set", "dev", port, "type", "bridge_slave"];
            output("ip", &[&link, options].concat());
        };
        set("port", &["hairpin", "on"]);
        assert_eq!(ask_from_1(same), passes);
        set("port", &["hairpin", "off"]);
        set("port2", &["flood", "off"]);
        assert_eq!(ask_from_1(unknown), gone);
        set("port", &["isolated", "on"]);
        assert_eq!(ask_from_1(other), passes);
        set("port2", &["isolated", "on"]);
        assert_eq!(ask_from_1(other), gone);
    });
}

/// A packet that does not fit its connection is invalid, in the copy as well.
#[test]
fn a_connection_is_as_far_as_it_has_come() {
    in_namespace("a_connection_is_as_far_as_it_has_come", || {
        router();
        nft(
            "table ip t { chain f { type filter hook forward priority 0; ct state invalid drop; }; }",
        );
        let flow = ["-I", "-p", "tcp", "-s", "10.0.1.9", "-d", "10.0.2.9"];
        let ports = ["--sport", "4000", "--dport", "85", "-t", "100"];
        output(
            "conntrack",
            &[&flow[..], &ports, &["--state", "SYN_SENT"]].concat(),
        );
        let packet = "--iif lan --src 10.0.1.9 --sport 4000 --dst 10.0.2.9 --dport 85 --proto tcp";
        let answer = ask(&format!("{packet} --tcp-flags ack"));
        let states = answer["steps"].as_array().expect("steps").iter();
        let mut states = states.filter(|step| step["kind"] == "conntrack");
        let state = states.next().expect("a state");
        assert_eq!(
            (&state["state"], &state["known"]),
            (&"invalid".into(), &true.into())
        );
        assert_eq!(answer["in_kernel"]["agrees"], true, "{answer}");
    });
}
