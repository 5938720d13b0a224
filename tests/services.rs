//! `services` on rulesets in the kernel: the iptables and the nftables mode of kube-proxy.

mod common;
#[path = "common/pty.rs"]
#[allow(dead_code)]
mod pty;

use common::{BINARY, hookscope, in_namespace, nft, output, run};
use portable_pty::CommandBuilder;
use pty::Pty;
use std::cell::Cell;
use std::net::UdpSocket;

const IPTABLES: &str = r#"*nat
:KUBE-SEP-A - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-WEB - [0:0]
[5:300] -A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB
[4:240] -A KUBE-SVC-WEB -m comment --comment "shop/web:http -> 10.1.0.5:8080" -j KUBE-SEP-A
[4:240] -A KUBE-SEP-A -p tcp -m comment --comment "shop/web:http" -m tcp -j DNAT --to-destination 10.1.0.5:8080
COMMIT
"#;

const NFTABLES: &str = "table ip kube-proxy {
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = {
			10.96.0.1 . tcp . 80 : goto service-AAAA-shop/web/tcp/http,
			203.0.113.9 . tcp . 80 : goto external-AAAA-shop/web/tcp/http,
			10.96.0.10 . udp . 53 : goto service-BBBB-kube-system/dns/udp/
		}
	}
	map no-endpoint-services {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = {
			10.96.0.99 . tcp . 80 comment \"shop/gone:http\" : goto reject-chain,
			203.0.113.8 . tcp . 81 : drop
		}
	}
	map no-endpoint-nodeports {
		type inet_proto . inet_service : verdict
		elements = { tcp . 30099 comment \"shop/gone:http\" : goto reject-chain }
	}
	chain reject-chain {
		reject
	}
	set affinity-C {
		type ipv4_addr
		flags dynamic,timeout
		timeout 3h
	}
	map service-nodeports {
		type inet_proto . inet_service : verdict
		elements = { tcp . 30080 : goto external-AAAA-shop/web/tcp/http }
	}
	chain mark-for-masquerade { }
	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
	}
	chain endpoint-C-shop/web/tcp/http__10.1.0.5/8080 {
		meta l4proto tcp dnat to 10.1.0.5:8080
	}
	chain endpoint-D-shop/web/tcp/http__10.1.0.6/8080 {
		meta l4proto tcp dnat to 10.1.0.6:8080
	}
	chain service-AAAA-shop/web/tcp/http {
		ip saddr @affinity-C goto endpoint-C-shop/web/tcp/http__10.1.0.5/8080
		numgen random mod 2 vmap { 0 : goto endpoint-C-shop/web/tcp/http__10.1.0.5/8080, 1 : goto endpoint-D-shop/web/tcp/http__10.1.0.6/8080 }
	}
	chain external-AAAA-shop/web/tcp/http {
		jump mark-for-masquerade
		goto service-AAAA-shop/web/tcp/http
	}
	chain service-BBBB-kube-system/dns/udp/ { }
}
";

#[test]
fn services_of_either_backend_of_iptables() {
    for restore in ["iptables-nft-restore", "iptables-legacy-restore"] {
        in_namespace("services_of_either_backend_of_iptables", move || {
            let loaded = run(restore, &["-c"], IPTABLES);
            assert!(loaded.status.success(), "{restore}");
            assert_eq!(
                hookscope(&["services"]),
                "shop/web:http  tcp 10.96.0.1:80  5 packets, 300 bytes\n    -> 10.1.0.5:8080  4 packets, 240 bytes\n"
            );
            let json: serde_json::Value =
                serde_json::from_str(&hookscope(&["services", "--json", "10.1.0.5"]))
                    .expect("JSON");
            assert_eq!(json["name"], "shop/web:http");
            assert_eq!(json["endpoints"][0]["address"], "10.1.0.5:8080");
            assert_eq!(json["endpoints"][0]["counters"]["packets"], 4);
        });
    }
}

#[test]
fn services_of_the_nftables_mode() {
    in_namespace("services_of_the_nftables_mode", || {
        assert_eq!(hookscope(&["services"]), "");
        nft(NFTABLES);
        assert_eq!(
            hookscope(&["services"]),
            "203.0.113.8:81  tcp 203.0.113.8:81\n    no endpoints: packets are refused\n\
             kube-system/dns  udp 10.96.0.10:53\n    no endpoints: packets are refused\n\
             shop/gone:http  tcp 10.96.0.99:80, node port 30099\n    no endpoints: packets are refused\n\
             shop/web:http  tcp 10.96.0.1:80, 203.0.113.9:80, node port 30080\n    \
             -> 10.1.0.5:8080\n    -> 10.1.0.6:8080\n"
        );
        assert_eq!(hookscope(&["services", "nothing"]), "");
        let web: serde_json::Value =
            serde_json::from_str(&hookscope(&["services", "--json", "shop/web"])).expect("JSON");
        assert_eq!(web["balance"], "sticky");
        assert_eq!(web["table"], "kube-proxy");
        let ends = web["endpoints"].as_array().expect("endpoints");
        let shares: Vec<_> = ends.iter().map(|one| &one["share"]).collect();
        assert_eq!(shares, [0.5, 0.5]);
    });
}

/// As Docker's nftables backend writes the ports of two containers.
const DOCKER: &str = "table ip docker-bridges {
	chain nat-prerouting-and-output {
		iifname != docker0 tcp dport 8080 counter packets 4 bytes 240 dnat to 172.17.0.2:80 comment DNAT
		iifname != docker0 ip daddr 127.0.0.1 udp dport 5353 counter dnat to 172.17.0.3:53 comment DNAT
	}
	chain nat-PREROUTING {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump nat-prerouting-and-output
	}
}
table ip6 docker-bridges {
	chain nat-prerouting-and-output {
		iifname != docker0 ip6 saddr != fe80::/10 ip6 daddr 2001:db8::1 tcp dport 443 counter dnat to [fd00::2]:8443 comment DNAT
	}
}
";

#[test]
fn ports_published_by_docker() {
    in_namespace("ports_published_by_docker", || {
        nft(DOCKER);
        assert_eq!(
            hookscope(&["services"]),
            "published 443/tcp  tcp [2001:db8::1]:443  0 packets, 0 bytes\n    \
             -> [fd00::2]:8443  0 packets, 0 bytes\n\
             published 5353/udp  udp 127.0.0.1:5353  0 packets, 0 bytes\n    \
             -> 172.17.0.3:53  0 packets, 0 bytes\n\
             published 8080/tcp  tcp *:8080  4 packets, 240 bytes\n    \
             -> 172.17.0.2:80  4 packets, 240 bytes\n"
        );
        // The same chain in a table of somebody else is nobody's.
        nft("delete table ip6 docker-bridges");
        nft("table ip mine {
            chain nat-prerouting-and-output {
                tcp dport 1 dnat to 10.0.0.1:2
            }
        }");
        assert_eq!(hookscope(&["services"]).matches("published").count(), 2);
    });
}

/// A service that is in use.
const DNS: &str = r#"*nat
:OUTPUT ACCEPT [0:0]
:KUBE-SEP-DNS - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-DNS - [0:0]
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-DNS
-A KUBE-SVC-DNS -m comment --comment "kube-system/dns:dns -> 10.1.0.9:53" -j KUBE-SEP-DNS
-A KUBE-SEP-DNS -p udp -m comment --comment "kube-system/dns:dns" -m udp -j DNAT --to-destination 10.1.0.9:53
COMMIT
"#;

#[test]
fn the_screen_counts_with_the_kernel_and_follows_a_packet() {
    for restore in ["iptables-nft-restore", "iptables-legacy-restore"] {
        in_namespace("the_screen_counts_with_the_kernel", move || {
            assert!(run(restore, &[], DNS).status.success(), "{restore}");
            output("ip", &["link", "set", "lo", "up"]);
            output("ip", &["address", "add", "10.2.0.1/32", "dev", "lo"]);
            output("ip", &["route", "add", "10.0.0.0/8", "dev", "lo"]);
            let mut command = CommandBuilder::new(BINARY);
            command.env("TERM", "xterm-256color");
            let mut pty = Pty::start(command, 80, 24);
            pty.wait_text("KUBE-SERVICES");
            pty.write("6");
            pty.wait_text("→ endpoint    10.1.0.9:53");
            // Every client is a new connection.
            let sent = Cell::new(0);
            let counts = |line: &str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                // service, proto, address, ends, pkts, pkt/s
                words.len() == 6 && words.last().and_then(|rate| rate.parse().ok()) > Some(1.0)
            };
            pty.wait("the rate of the service", |screen| {
                let client = UdpSocket::bind("127.0.0.1:0").expect("a client");
                sent.set(sent.get() + usize::from(client.send_to(b"x", "10.96.0.10:53").is_ok()));
                let text = screen.contents();
                let mut lines = text.lines();
                lines.any(|line| line.contains("kube-system/dns:dns ") && counts(line))
            });
            assert!(sent.get() > 1);
            pty.write("p");
            pty.wait_text("destination 10.96.0.10:53 → 10.1.0.9:53");
            pty.write("6\r");
            pty.wait_text("› KUBE-SVC-DNS");
            pty.write("q");
        });
    }
}

#[test]
fn chains_behind_maps_are_led_to() {
    in_namespace("chains_behind_maps_are_led_to", || {
        nft(NFTABLES);
        let mut command = CommandBuilder::new(BINARY);
        command.env("TERM", "xterm-256color");
        let mut pty = Pty::start(command, 150, 32);
        pty.wait_text("kube-proxy");
        pty.write("6");
        pty.wait_text("shop/web:http");
        // The last endpoint: its chain stands in the map of a rule.
        pty.write("/shop/web");
        pty.wait_text("1 match");
        pty.write("\r\tG\r");
        pty.wait_text("› endpoint-D-shop/web/tcp/http");
        pty.wait_text("from service-AAAA");
        // The service's own is led to by a chain, and by a map with a name, whose elements the screen has had read.
        pty.write("6\tg\r");
        pty.wait_text("› service-AAAA-shop/web/tcp/http");
        pty.wait_text("from 2 rules");
        pty.write("q");
    });
}
