//! Rules, chains and routes read as sentences: what a person would say who knows exactly what the rule does.

mod common;

use common::{in_namespace, run};
use hookscope::kernel::machine;
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::lang::english;
use hookscope::lang::nft::delinearize::TableView;
use hookscope::lang::nft::facts;

const RULESET: &str = include_str!("nft/families.nft");

/// Every rule of the namespace as text and as a sentence.
fn readings() -> Vec<(String, String)> {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    let ruleset = load::load(&mut socket, ReadElements::All).expect("a ruleset");
    let names = machine::names(&ruleset);
    let mut readings = Vec::new();
    for table in &ruleset.tables {
        let view = TableView::new(table);
        for chain in &table.chains {
            for rule in chain.rules.iter() {
                readings.push((
                    facts::rule_text(&view, &names, rule),
                    english::rule(&view, &names, rule),
                ));
            }
        }
    }
    readings
}

/// Lines that this kernel or this nft refuses are left out.
fn load_what_works(text: &str) {
    let mut lines: Vec<&str> = text.lines().collect();
    for _ in 0..12 {
        let result = run("nft", &["-f", "-"], &lines.join("\n"));
        if result.status.success() {
            return;
        }
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        let line = message.lines().find_map(|line| {
            let number = line.strip_prefix("/dev/stdin:")?.split(':').next()?;
            number.parse::<usize>().ok()
        });
        let Some(line) = line else {
            panic!("nft: {message}");
        };
        eprintln!("left out: {}", lines[line - 1]);
        lines[line - 1] = "";
    }
    panic!("nft refuses too much");
}

/// What the rules of the table below may name.
const NAMED: &str = "\
    set web { type inet_service; elements = { 80, 443 } }\n\
    set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.1.5-192.168.1.77 } }\n\
    set flood { type ipv4_addr; flags dynamic; size 100; }\n\
    map where { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.1 } }\n\
    map both { type inet_service : ipv4_addr . inet_service; elements = { 80 : 10.0.0.1 . 8080 } }\n\
    counter seen { }\n\
    quota monthly { over 20 mbytes }\n\
    chain other { }\n";

#[rustfmt::skip]
const READINGS: &[(&str, &str)] = &[
    ("tcp dport { 22, 80 } ct state new accept",
     "Accept TCP packets to port 22 (ssh) or 80 (http) that start a new connection."),
    ("accept", "Accept all packets."),
    ("counter drop", "Count and drop all packets."),
    ("ct state established,related accept",
     "Accept packets that belong to an established connection or start a related one."),
    ("ct state != new drop", "Drop packets whose connection state is not new."),
    ("ct state { established, new } accept", "Accept packets whose connection state is established or new."),
    ("ct state ! established,new drop", "Drop packets whose connection state is none of established and new."),
    ("tcp flags syn drop", "Drop TCP packets with the TCP flag syn set."),
    ("tcp flags syn,ack drop", "Drop TCP packets with any of the TCP flags syn and ack set."),
    ("tcp flags ! syn,ack drop", "Drop TCP packets with none of the TCP flags syn and ack set."),
    ("tcp flags == syn,ack drop", "Drop TCP packets with exactly the TCP flags syn and ack set."),
    ("tcp flags & (fin|syn|rst) == syn drop", "Drop TCP packets with these TCP flags: syn set and fin and rst not set."),
    ("tcp flags != syn / syn,ack drop",
     "Drop TCP packets without this combination of TCP flags: syn set and ack not set."),
    ("tcp flags syn,ack / syn,rst drop",
     "Drop TCP packets whose TCP flags, masked with syn and rst, are exactly syn and ack (which never happens)."),
    ("tcp dport != 22 drop", "Drop TCP packets to a port other than 22 (ssh)."),
    ("tcp dport != { 1, 22 } drop", "Drop TCP packets to a port other than 1 and 22 (ssh)."),
    ("tcp dport 1-5 drop", "Drop TCP packets to a port from 1 to 5."),
    ("tcp dport != 1-5 drop", "Drop TCP packets to a port outside 1 to 5."),
    ("udp sport > 1023 drop", "Drop UDP packets from a port above 1023."),
    ("tcp dport @web accept", "Accept TCP packets to a port in the set web (2 entries)."),
    ("tcp dport != @web drop", "Drop TCP packets to a port that is not in the set web (2 entries)."),
    ("ip saddr @nets accept", "Accept IPv4 packets from an address in the set nets (2 entries)."),
    ("ip saddr 10.0.0.0/8 ip daddr != 10.1.1.1 accept",
     "Accept packets from 10.0.0.0/8 to an address other than 10.1.1.1."),
    ("ip saddr 10.0.0.1-10.0.0.9 drop", "Drop packets from an address from 10.0.0.1 to 10.0.0.9."),
    ("iifname != \"lo\" oifname { \"eth0\", \"eth1\" } drop",
     "Drop packets arriving on a device other than lo leaving by eth0 or eth1."),
    ("meta l4proto { tcp, udp } th dport 53 accept", "Accept TCP or UDP packets to port 53 (dns)."),
    ("meta l4proto != { tcp, udp } drop", "Drop packets that are of a protocol other than TCP or UDP."),
    ("meta nfproto ipv6 drop", "Drop IPv6 packets."),
    ("icmp type echo-request accept", "Accept ICMP packets whose ICMP type is echo request."),
    ("ip ttl < 5 drop", "Drop IPv4 packets whose TTL is below 5."),
    ("ip ttl 5-9 drop", "Drop IPv4 packets whose TTL is from 5 to 9."),
    ("tcp dport 22 ct state new limit rate 10/minute burst 3 packets accept",
     "For TCP packets to port 22 (ssh) that start a new connection, as long as they come at no more than 10 a minute (bursts of up to 3): accept them."),
    ("limit rate over 400/hour drop", "For all packets, as far as they exceed 400 an hour (after a burst of 5): drop them."),
    ("limit rate 1 mbytes/second accept",
     "For all packets, as long as they come at no more than 1 MiB a second: accept them."),
    ("counter tcp dport 80 accept",
     "Count all packets; then, accept those of them to port 80 (http) that are TCP."),
    ("tcp dport 80 counter limit rate 5/second ip saddr 1.2.3.4 drop",
     "Count TCP packets to port 80 (http); then, look at those packets, as long as they come at no more than 5 a second (bursts of up to 5); then, drop those of them from 1.2.3.4."),
    ("tcp dport 80", "Look at TCP packets to port 80 (http), and do nothing with them."),
    ("log prefix \"in: \" level info drop", "Log all packets with the prefix \"in: \" at level info, and drop them."),
    ("ip saddr 1.2.3.4 log prefix \"x\" drop", "For packets from 1.2.3.4: log them with the prefix \"x\", and drop them."),
    ("tcp dport 113 reject with tcp reset", "For TCP packets to port 113 (ident): refuse them with a TCP reset."),
    ("reject with icmpv6 no-route", "Refuse IPv6 packets with the ICMPv6 error no route."),
    ("reject with icmpx admin-prohibited", "Refuse all packets with the ICMP error admin prohibited."),
    ("jump other", "Send all packets through the chain other, and go on here with what it does not decide."),
    ("goto other", "Send all packets to the chain other, without coming back to this one."),
    ("return", "End this chain for all packets."),
    ("tcp dport vmap { 22 : accept, 80 : jump other }",
     "Decide about TCP packets by the destination port (22 (ssh): accept, 80 (http): go through the chain other; others go on)."),
    ("ct state vmap { new : goto other, * : drop }",
     "Decide about all packets by the connection state (new: go to the chain other for good, anything else: drop)."),
    ("add @flood { ip saddr limit rate over 10/second } drop",
     "Add the source address of IPv4 packets to the set flood (0 entries), unless it is there; then, for those packets, as far as they exceed 10 a second (after a burst of 5), counted for the source address by itself in flood: drop them."),
    ("ip protocol vmap { tcp : accept, udp : continue } counter drop",
     "Decide about IPv4 packets by the protocol (TCP: accept, UDP: go on; others go on); then, count and drop those of them that are still undecided."),
    ("ip protocol 33-45 drop", "Drop IPv4 packets whose protocol is from 33 to 45."),
    ("ct count over 20 drop", "For all packets, once there are more than 20 connections of them: drop them."),
    ("quota over 10 mbytes drop", "For all packets, once 10 MiB of them have passed: drop them."),
    ("counter name \"seen\" quota name \"monthly\" drop",
     "Count all packets in the counter seen; then, for those packets, as far as the quota monthly lets them pass: drop them."),
    ("meta mark set ct mark & 0xff", "Set the mark of all packets to the connection mark masked with 0xff."),
    ("meta mark set meta mark | 0x100", "Set the mark of all packets to the mark with the bits 0x100 set."),
    ("meta mark set meta mark ^ 3", "Set the mark of all packets to the mark with the bits 0x3 flipped."),
    ("meta mark & 0xff < 5 drop", "Drop packets whose mark masked with 0xff is below 0x5."),
    ("meta mark set numgen inc mod 2 map { 0 : 1, 1 : 2 }",
     "Set the mark of all packets to a value that depends on a number that counts up with every packet (0 to 1) (0: 0x1, 1: 0x2)."),
    ("ip ttl set 64", "Set the TTL of IPv4 packets to 64."),
    ("ct label set 5", "Add the label 5 to the connections of all packets."),
    ("notrack", "Exempt all packets from connection tracking."),
    ("fib saddr . iif oif missing drop",
     "Drop packets for whose source address and device of arrival the routing tables have no route."),
    ("fib daddr type local accept",
     "Accept packets whose kind of address that the routing tables give for the destination address is local."),
    ("tcp option sack-perm missing drop", "Drop TCP packets without the TCP option sack-perm."),
    ("exthdr frag exists drop", "Drop IPv6 packets with the IPv6 extension header frag."),
    ("ip saddr . tcp dport { 1.2.3.4 . 22, 5.6.7.0/24 . 80 } accept",
     "Accept IPv4 TCP packets whose source address and destination port are (1.2.3.4, 22 (ssh)) or (5.6.7.0/24, 80 (http))."),
    ("meta day \"Saturday\" meta hour \"22:00\"-\"23:00\" drop",
     "Drop packets whose day of arrival is Saturday and whose time of day of arrival is from 22:00 to 23:00."),
    ("meta pkttype != broadcast drop", "Drop packets that are not broadcast."),
    ("ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8, 10.0.0.9, 10.0.0.10 } drop",
     "Drop packets from 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5, 10.0.0.6, 10.0.0.7, 10.0.0.8 or one of 2 more."),
    ("@th,0,8 5 drop", "Drop packets whose 8 bits at bit 0 of the transport header is 0x5."),
];

const NAT: &[(&str, &str)] = &[
    (
        "iifname \"eth0\" tcp dport 80 dnat ip to 10.0.0.1:8080",
        "For IPv4 TCP packets arriving on eth0 to port 80 (http): send them on to 10.0.0.1 and port 8080 (http-alt) instead, and their whole connection.",
    ),
    (
        "dnat ip to tcp dport map @where",
        "Send IPv4 TCP packets on to what the map where (1 entry) has for the destination port instead, and their whole connection.",
    ),
    (
        "dnat ip to tcp dport map @both",
        "Send IPv4 TCP packets on to the address and port that the map both (1 entry) has for the destination port instead, and their whole connection.",
    ),
    (
        "tcp dport 81 redirect to :3128",
        "For TCP packets to port 81: send them to this machine itself, to port 3128 (squid) instead, and their whole connection.",
    ),
];

#[test]
fn rules_read_as_sentences() {
    in_namespace("rules_read_as_sentences", || {
        let lines = |rules: &[(&str, &str)]| -> String {
            let said = rules.iter().filter(|(_, sentence)| !sentence.is_empty());
            said.map(|(rule, _)| format!("{rule}\n")).collect()
        };
        let text = format!(
            "table inet t {{\n{NAMED}chain c {{\n{}}}\nchain n {{\ntype nat hook prerouting priority -100\n{}}}\n}}\n",
            lines(READINGS),
            lines(NAT)
        );
        common::nft(&text);
        let expected = READINGS
            .iter()
            .chain(NAT)
            .filter(|(_, sentence)| !sentence.is_empty());
        let readings = readings();
        assert_eq!(readings.len(), expected.clone().count());
        let mut wrong = Vec::new();
        for ((rule, sentence), (printed, read)) in expected.zip(readings) {
            if *sentence != read {
                wrong.push(format!("{rule} ({printed})\n  {sentence}\n  {read}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn every_rule_has_words() {
    in_namespace("every_rule_has_words", || {
        load_what_works(RULESET);
        let readings = readings();
        assert!(readings.len() > 60, "{}", readings.len());
        for (rule, sentence) in readings {
            assert!(
                sentence.ends_with('.') && sentence.len() > 10,
                "{rule}: {sentence}"
            );
            assert!(
                sentence.starts_with(char::is_uppercase),
                "{rule}: {sentence}"
            );
            // Nothing of the program's own, and nothing that had no words.
            for raw in [
                "{", "}", "::Some", "Expr", "Kind", "None", "@", "  ", "unknown", "fit '", "[",
                "..",
            ] {
                assert!(
                    !sentence.contains(raw),
                    "'{raw}' in the reading of {rule}: {sentence}"
                );
            }
        }
    });
}

#[test]
fn chains_say_which_packets_come() {
    in_namespace("chains", || {
        common::nft(
            "table inet t { chain i { type filter hook input priority 0; policy drop; }\n\
             chain n { type nat hook postrouting priority srcnat; }\nchain o { type route hook output priority mangle + 1; }\nchain x { }\n}\n\
             table netdev d { chain in { type filter hook ingress device \"lo\" priority -500; }\n}\n\
             table bridge b { chain f { type filter hook forward priority filter; }\n}",
        );
        let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
        let ruleset = load::load(&mut socket, ReadElements::All).expect("a ruleset");
        let mut told = Vec::new();
        for table in &ruleset.tables {
            for chain in &table.chains {
                told.push(english::chain(table.family, chain));
            }
        }
        assert_eq!(
            told,
            [
                "Packets arriving for this machine, at priority 0 (filter); those that no rule decides are dropped.",
                "Packets on their way out, sent by this machine or passed on, at priority 100 (srcnat), for address translation: asked once for each connection, by its first packet; those that no rule decides are accepted.",
                "Packets that this machine sends itself, at priority -149 (mangle + 1), with a new look at the routing tables when a rule changes what they look at; those that no rule decides are accepted.",
                "Packets that other chains send here; those that no rule decides go back to where they came from.",
                "Packets as they come in on lo, before anything else, at priority -500; those that no rule decides are accepted.",
                "Bridged frames on their way from one bridge port to another, at priority -200 (filter); those that no rule decides are accepted.",
            ]
        );
    });
}
