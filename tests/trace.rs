//! The simulator against the kernel: `hookscope trace` and `test` on rulesets in network namespaces of our own, and
//! route lookups against RTM_GETROUTE.

mod common;

use common::{hookscope, in_namespace, nft, output, run};
use hookscope::flow::fib::{FibView, FlowKey, LOOPBACK};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::route::{RouteLookup, read_network, route_get};
use hookscope::model::network::RouteKind;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// A router between `lan` and `wan`.
fn router() {
    let lines = "link set lo up
link add lan type veth peer name lanpeer
link add wan type veth peer name wanpeer
link set lan up
link set lanpeer up
link set wan up
link set wanpeer up
address add 10.0.1.1/24 dev lan
address add 10.0.2.1/24 dev wan
route add default via 10.0.2.254 dev wan
route add blackhole 192.168.0.0/16
route add unreachable 10.99.0.0/16
";
    let done = run("ip", &["-batch", "-"], lines);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a sysctl");
    output(
        "ip",
        &[
            "neigh",
            "add",
            "10.0.2.9",
            "lladdr",
            "02:00:00:00:00:09",
            "dev",
            "wan",
        ],
    );
}

const RULES: &str = "table inet fw {
  set allowed { type ipv4_addr . inet_service; flags interval; elements = { 10.0.1.0/24 . 80-90 } }
  chain forward { type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ip saddr . tcp dport @allowed accept
    tcp dport 23 reject
    ip protocol udp goto udp_only
  }
  chain deeper {
    limit rate 5/second accept
    drop
  }
  chain udp_only {
    udp dport vmap { 53 : accept, 54 : jump deeper }
  }
  chain input { type filter hook input priority 0; policy accept;
    tcp dport 22 meta mark set 0x7
    meta mark 0x7 drop
  }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; 
    tcp dport 8080 dnat to 10.0.1.5:80
  }
  chain postrouting { type nat hook postrouting priority srcnat; 
    oifname \"wan\" masquerade
  }
}
";

fn trace(options: &str) -> Value {
    let words: Vec<&str> = ["trace", "--json"]
        .into_iter()
        .chain(options.split(' '))
        .collect();
    serde_json::from_str(&hookscope(&words)).expect("JSON")
}

/// Verdicts of the rules that matched.
fn verdicts(answer: &Value) -> Vec<String> {
    let steps = answer["steps"].as_array().expect("steps").iter();
    steps
        .flat_map(|step| step["rules"].as_array().into_iter().flatten())
        .filter(|rule| rule["matched"] == true)
        .map(|rule| rule["verdict"].as_str().expect("a verdict").to_owned())
        .collect()
}

#[test]
fn rules_routes_and_nat() {
    in_namespace("rules_routes_and_nat", || {
        router();
        nft(RULES);
        let from_lan = "--iif lan --src 10.0.1.2 --sport 4000";
        let web = trace(&format!(
            "{from_lan} --dst 203.0.113.1 --proto tcp --dport 85"
        ));
        assert_eq!(
            (&web["fate"], &web["oif"]),
            (&"forwarded".into(), &"wan".into())
        );
        assert_eq!(verdicts(&web), ["accept", "accept"]);
        assert_eq!(web["final"]["src"], "10.0.2.1");
        assert_eq!(web["uncertain"], Value::Array(Vec::new()));

        let telnet = trace(&format!(
            "{from_lan} --dst 203.0.113.1 --proto tcp --dport 23"
        ));
        assert_eq!(
            (&telnet["fate"], verdicts(&telnet)),
            (&"rejected".into(), vec!["reject".to_owned()])
        );
        assert_eq!(telnet["dropped_by"]["table"], "fw");

        let other = trace(&format!(
            "{from_lan} --dst 203.0.113.1 --proto tcp --dport 99"
        ));
        assert_eq!(other["fate"], "dropped");
        let chain = other["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (&chain["by"], &chain["verdict"]),
            (&"policy".into(), &"drop".into())
        );
        let failed: Vec<&str> = chain["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["failed_at"].as_str().unwrap())
            .collect();
        assert_eq!(failed[2], "tcp dport 23");

        // The likeliest branch, and what else might happen.
        let limited = trace(&format!(
            "{from_lan} --dst 203.0.113.1 --proto udp --dport 54"
        ));
        assert_eq!(
            verdicts(&limited),
            ["goto udp_only", "jump deeper", "accept", "accept"]
        );
        assert_eq!(limited["uncertain"][0]["branches"][1]["fate"], "dropped");

        let published =
            trace("--iif wan --src 10.0.2.9 --sport 4000 --dst 10.0.2.1 --proto tcp --dport 8080");
        let steps = published["steps"].as_array().unwrap();
        let nat = steps.iter().find(|step| step["kind"] == "nat").unwrap();
        assert_eq!(
            (&nat["from"], &nat["to"]),
            (&"10.0.2.1:8080".into(), &"10.0.1.5:80".into())
        );
        assert_eq!(published["fate"], "dropped");
    });
}

/// The echo of one flow is dropped, that of the other is not, and nobody said whose it is.
#[test]
fn an_icmp_answer_that_fits_two_flows_is_uncertain() {
    in_namespace("an_icmp_answer_that_fits_two_flows_is_uncertain", || {
        router();
        nft(
            "table ip t { chain forward { type filter hook forward priority 0; ct mark 1 drop; }; }",
        );
        for id in ["1", "2"] {
            let flow = ["-I", "-p", "icmp", "-s", "10.0.1.2", "-d", "10.0.2.9"];
            let icmp = ["--icmp-type", "8", "--icmp-code", "0", "--icmp-id", id];
            let rest = ["-t", "300", "--mark", id];
            output("conntrack", &[&flow[..], &icmp, &rest].concat());
        }
        let answer = trace("--iif wan --src 10.0.2.9 --dst 10.0.1.2 --proto icmp --icmp-type 0");
        assert_eq!(answer["fate"], "uncertain");
        let branches = answer["uncertain"][0]["branches"]
            .as_array()
            .expect("branches");
        let mut fates: Vec<&str> = branches.iter().filter_map(|b| b["fate"].as_str()).collect();
        fates.sort_unstable();
        assert_eq!(fates, ["dropped", "forwarded"]);
        nft("flush ruleset");
        let answer = trace("--iif wan --src 10.0.2.9 --dst 10.0.1.2 --proto icmp --icmp-type 0");
        assert_eq!(answer["fate"], "forwarded");
    });
}

#[test]
fn what_is_no_rule() {
    in_namespace("what_is_no_rule", || {
        router();
        let fate = |options: &str| trace(options)["fate"].as_str().unwrap().to_owned();
        let tcp = "--proto tcp --sport 1 --dport 2";
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.1.2 --dst 192.168.1.1 {tcp}")),
            "no-route"
        );
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.1.2 --dst 10.99.1.1 {tcp}")),
            "no-route"
        );
        assert_eq!(
            fate(&format!(
                "--iif lan --src 10.0.1.2 --dst 8.8.8.8 --ttl 1 {tcp}"
            )),
            "dropped"
        );
        assert_eq!(
            fate(&format!("--iif lan --src 127.0.0.1 --dst 8.8.8.8 {tcp}")),
            "dropped"
        );
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.1.1 --dst 8.8.8.8 {tcp}")),
            "dropped"
        );
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.1.2 --dst 10.0.2.1 {tcp}")),
            "delivered"
        );
        assert_eq!(fate(&format!("--dst 8.8.8.8 {tcp}")), "sent");
        assert_eq!(fate(&format!("--dst 10.0.1.1 {tcp}")), "delivered");
        std::fs::write("/proc/sys/net/ipv4/conf/lan/rp_filter", "1").unwrap();
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.2.9 --dst 8.8.8.8 {tcp}")),
            "dropped"
        );
        std::fs::write("/proc/sys/net/ipv4/conf/lan/forwarding", "0").unwrap();
        assert_eq!(
            fate(&format!("--iif lan --src 10.0.1.2 --dst 8.8.8.8 {tcp}")),
            "dropped"
        );
    });
}

#[test]
fn batches_and_tests() {
    in_namespace("batches_and_tests", || {
        router();
        nft(RULES);
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("packets");
        let packets = "--iif lan --src 10.0.1.2 --dst 10.0.1.1 --proto tcp --dport 22\n--iif none --src 10.0.1.2 --dst 10.0.1.1\n";
        std::fs::write(&file, packets).expect("a file");
        let done = run(
            common::BINARY,
            &["trace", "--json", "--batch", file.to_str().unwrap()],
            "",
        );
        let text = String::from_utf8(done.stdout).expect("text");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["fate"], verdicts(&lines[0])),
            (
                &"dropped".into(),
                vec!["continue".to_owned(), "drop".to_owned()]
            )
        );
        assert!(lines[1]["error"].as_str().unwrap().contains("'none'"));

        let tests = directory.path().join("policy.toml");
        let case = |fate: &str| {
            format!(
                "[[test]]\nname = \"ssh\"\npacket = \"--iif lan --src 10.0.1.2 --dst 10.0.1.1 --proto tcp --dport 22\"\nfate = \"{fate}\"\nrule = {{ table = \"fw\", text = \"mark 0x00000007 drop\" }}\n"
            )
        };
        std::fs::write(&tests, case("dropped")).unwrap();
        assert!(hookscope(&["test", tests.to_str().unwrap()]).contains("1 of 1 as expected"));
        std::fs::write(&tests, case("delivered")).unwrap();
        let failed = run(common::BINARY, &["test", tests.to_str().unwrap()], "");
        assert_eq!(failed.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&failed.stdout).contains("is dropped, expected delivered"));
    });
}

/// Small deterministic random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

#[test]
fn lookups_agree_with_the_kernel() {
    in_namespace("lookups_agree_with_the_kernel", || {
        router();
        let mut random = Random(4);
        let mut lines = String::new();
        for _ in 0..120 {
            let length = 9 + random.below(24);
            let net = 0x0a00_0000u32 | random.below(1 << 22) << 2;
            let net: Ipv4Addr = (net & (u32::MAX << (32 - length))).into();
            let table = ["main", "100", "101"][random.below(3) as usize];
            let what = match random.below(8) {
                0 => format!("blackhole {net}/{length}"),
                1 => format!("unreachable {net}/{length}"),
                2 => format!("prohibit {net}/{length}"),
                3 => format!("throw {net}/{length}"),
                4 => format!(
                    "{net}/{length} via 10.0.1.254 dev lan metric {}",
                    random.below(90)
                ),
                _ => format!(
                    "{net}/{length} dev {}",
                    ["lan", "wan"][random.below(2) as usize]
                ),
            };
            lines += &format!("route replace {what} table {table}\n");
        }
        for priority in [100, 200, 300, 400] {
            let selector = [
                "fwmark 1".to_owned(),
                format!("to 10.{}.0.0/14", random.below(64) * 4),
                "fwmark 0x10/0xf0".to_owned(),
                "ipproto udp dport 53".to_owned(),
            ];
            let selector = &selector[random.below(4) as usize];
            let action = [
                "lookup 100",
                "lookup 101",
                "lookup 100 suppress_prefixlength 12",
                "unreachable",
            ];
            lines += &format!(
                "rule add pref {priority} {selector} {}\n",
                action[random.below(4) as usize]
            );
        }
        run("ip", &["-force", "-batch", "-"], &lines);
        let network = read_network(|_| {}).expect("the network");
        let view = FibView::new(&network);
        let mut socket = Socket::open(Protocol::Route).expect("a socket");
        let mut found_some = 0;
        for _ in 0..500 {
            let dst: IpAddr = Ipv4Addr::from(0x0a00_0000u32 | random.below(1 << 24)).into();
            let mark = [0, 1, 0x10][random.below(3) as usize];
            let dport = [0u16, 53, 80][random.below(3) as usize];
            let lookup = RouteLookup {
                mark: Some(mark),
                ipproto: Some(17),
                dport: Some(dport).filter(|port| *port != 0),
                ..RouteLookup::new(dst)
            };
            let key = FlowKey {
                mark,
                proto: 17,
                dport,
                iif: LOOPBACK,
                ..FlowKey::new(Ipv4Addr::UNSPECIFIED.into(), dst)
            };
            match (route_get(&mut socket, &lookup), view.lookup(&key)) {
                (Ok(kernel), Ok(own)) => {
                    found_some += 1;
                    if kernel.body.kind != RouteKind::Local {
                        assert_eq!(
                            kernel.body.oif,
                            own.hops.first().map(|hop| hop.oif),
                            "{key:?}"
                        );
                        assert_eq!(kernel.body.gateway, own.hops[0].gateway, "{key:?}");
                    }
                    assert_eq!(kernel.body.kind, own.kind, "{key:?}");
                }
                (Err(_), Err(_)) => {}
                (kernel, own) => panic!("{key:?}: kernel {kernel:?}, own {own:?}"),
            }
        }
        assert!(found_some > 100, "{found_some}");
    });
}

/// Walks that nobody records pass over rules; they must end as those that look at every rule.
#[test]
fn what_is_passed_over_would_not_have_matched() {
    in_namespace("what_is_passed_over_would_not_have_matched", || {
        router();
        let mut seed = 7_u64;
        let mut pick = |count: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % count
        };
        let mut rules = String::from("table inet fw {\n");
        for chain in 0..6 {
            rules += &format!("  chain c{chain} {{\n");
            if chain == 5 {
                rules += "    type filter hook forward priority 0; policy accept;\n";
            }
            // Rows of one field each, with others in between.
            for _ in 0..12 {
                let field = pick(6);
                for _ in 0..1 + pick(20) {
                    let number = pick(9);
                    let negated = if pick(12) == 0 { "!= " } else { "" };
                    let test = match field {
                        0 => format!("ip saddr {negated}10.0.1.{number}"),
                        1 => format!("ip daddr {negated}203.0.{number}.0/24"),
                        2 => format!("tcp dport {negated}{}", 80 + number),
                        3 => format!("meta mark {negated}{number:#x}"),
                        4 => format!("ip6 daddr {negated}2001:db8::{number}"),
                        _ => format!("iifname {negated}\"lan{number}\""),
                    };
                    let more = match pick(5) {
                        0 => format!("meta length {} ", 60 + pick(4)),
                        1 => format!("meta mark != {:#x} ", pick(9)),
                        _ => String::new(),
                    };
                    let verdict = match pick(9) {
                        0 => "accept".to_owned(),
                        1 => "drop".to_owned(),
                        2 if chain > 0 => format!("jump c{}", pick(chain)),
                        3 if chain > 0 => format!("goto c{}", pick(chain)),
                        4 => "return".to_owned(),
                        5 | 6 => format!("meta mark set {:#x}", pick(9)),
                        _ => "counter".to_owned(),
                    };
                    rules += &format!("    {test} {more}{verdict}\n");
                }
            }
            rules += "  }\n";
        }
        rules += "}\n";
        nft(&rules);
        let picture = hookscope::session::snapshot::take(None).expect("a picture");
        let simulator = hookscope::flow::Simulator::new(hookscope::flow::World {
            ruleset: &picture.ruleset,
            network: &picture.network,
            flows: &picture.flows,
            ipsets: &picture.ipsets,
            legacy: &picture.legacy,
        });
        let mut looked_at = std::collections::HashSet::new();
        let mut fates = std::collections::HashSet::new();
        for _ in 0..4000 {
            let question = hookscope::flow::Question {
                iif: Some("lan".into()),
                src: Some(IpAddr::from([10, 0, 1, pick(9) as u8])),
                dst: Some(IpAddr::from([203, 0, pick(9) as u8, 9])),
                proto: Some([6, 17][pick(2)]),
                sport: Some(4000 + pick(4) as u16),
                dport: Some(80 + pick(9) as u16),
                mark: pick(9) as u32,
                length: Some(60 + pick(4) as u32),
                time: Some(0),
                ..hookscope::flow::Question::default()
            };
            let trace = simulator.trace(&question).expect("an answer");
            assert!(trace.uncertain.is_empty());
            let fate = simulator.fate(&question).expect("an answer");
            assert_eq!(fate, (trace.fate, trace.oif), "{question:?}");
            looked_at.extend(
                hookscope::flow::path::matched(&trace).map(|(place, rule, _)| (place, rule)),
            );
            fates.insert(trace.fate);
        }
        assert!(fates.len() >= 2, "{fates:?}");
        assert!(looked_at.len() > 60, "{}", looked_at.len());
    });
}
