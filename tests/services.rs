//! `services` on rulesets in the kernel: the iptables and the nftables mode of kube-proxy.

mod common;

use common::{hookscope, in_namespace, nft, run};

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
            "kube-system/dns  udp 10.96.0.10:53\n    no endpoints: packets are refused\n\
             shop/web:http  tcp 10.96.0.1:80, 203.0.113.9:80, node port 30080\n    \
             -> 10.1.0.5:8080\n    -> 10.1.0.6:8080\n"
        );
        assert_eq!(hookscope(&["services", "nothing"]), "");
    });
}
