//! Speed of the packet simulator, in one run on one core: packets a second through an ordinary host's rules and
//! through what kube-proxy leaves for 5,000 services, who of 100,000 connections a change would cut off, and route
//! lookups in a large table. Needs root, `ip` and `nft`; works in a network namespace of its own.
//!
//! `cargo bench --bench flow`, or one part by its name: `cargo bench --bench flow -- packets`. The machine does other
//! things as well, so each part runs several times: the best and the median count.

// What the other benchmark takes of it is more.
#[allow(dead_code)]
#[path = "../scale/input.rs"]
mod input;

use hookscope::flow::cut::cut;
use hookscope::flow::fib::{FibView, FlowKey};
use hookscope::flow::{Question, Simulator, World};
use hookscope::model::conntrack::{Flow, Ports, ProtocolState, Tuple, status};
use hookscope::model::network::{Fib, FibFamily, Prefix, RouteBody, RouteTableBuilder};
use hookscope::model::{Network, Snapshot};
use hookscope::session::snapshot;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// A host with three base chains on the way of a packet and 50 rules.
fn ruleset() -> String {
    let mut text = String::from(
        "table inet fw {
  set admins { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }
  chain prerouting { type filter hook prerouting priority raw; policy accept;
    iifname \"lo\" accept
    fib daddr type broadcast drop
  }
  chain input { type filter hook input priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname \"lo\" accept
    ip saddr @admins tcp dport 22 accept
",
    );
    for port in 0..43 {
        text += &format!(
            "    ip saddr 10.{port}.0.0/16 tcp dport {} counter accept\n",
            1000 + port
        );
    }
    text += "    tcp dport { 80, 443, 8080 } accept
  }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; policy accept;
    tcp dport 8443 redirect to :443
  }
}
";
    text
}

/// How often each part is measured.
const ROUNDS: usize = 7;

const PARTS: [(&str, fn()); 4] = [
    ("packets", packets),
    ("flows", flows),
    ("services", services),
    ("routes", routes),
];

fn main() {
    // Cargo adds `--bench`; what does not look like an option is the name of a part.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let Some(unknown) = named
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| part == name))
    {
        eprintln!("there is no part '{unknown}'; parts: packets, flows, services, routes");
        std::process::exit(2);
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    input::feed(
        "ip",
        &["-batch", "-"],
        "link set lo up\nlink add eth0 type veth peer name peer0\nlink set eth0 up\nlink set peer0 up\naddress add 192.0.2.1/24 dev eth0\n",
    );
    for (name, part) in PARTS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            part();
        }
    }
}

/// The seconds that a round takes: the least and the median of some rounds.
fn seconds(mut round: impl FnMut()) -> (f64, f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_secs_f64()
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[ROUNDS / 2])
}

fn print_rate(what: &str, count: u32, (best, median): (f64, f64)) {
    let rate = |seconds: f64| f64::from(count) / seconds;
    println!(
        "{what}: {:.0} a second at best, {:.0} median",
        rate(best),
        rate(median)
    );
}

fn world(picture: &Snapshot) -> World<'_> {
    World {
        ruleset: &picture.ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    }
}

fn packets() {
    input::feed("nft", &["-f", "-"], &ruleset());
    let picture = snapshot::take(None).expect("a picture");
    let simulator = Simulator::new(world(&picture));
    let question = Question {
        iif: Some("eth0".into()),
        src: Some("192.0.2.9".parse().expect("an address")),
        dst: Some("192.0.2.1".parse().expect("an address")),
        proto: Some(6),
        sport: Some(40000),
        dport: Some(443),
        time: Some(0),
        ..Question::default()
    };
    let skb = question.build(&picture.network).expect("a packet");
    let count = 200_000u32;
    let taken = seconds(|| {
        let delivered = (0..count).filter(|_| {
            let (fate, _) = simulator.fate_of(&question, skb.clone());
            fate.word() == "delivered"
        });
        assert_eq!(delivered.count(), count as usize);
    });
    print_rate("packets through 50 rules", count, taken);
}

/// Who of 100,000 connections a staged rule would cut off: both directions of each, before and after.
fn flows() {
    const FLOWS: u32 = 100_000;
    const DEFAULT: &str = "default via 192.0.2.254 dev eth0\n";
    input::feed("ip", &["-batch", "-"], &format!("route add {DEFAULT}"));
    input::feed("nft", &["-f", "-"], "flush ruleset\n");
    input::feed("nft", &["-f", "-"], &ruleset());
    let picture = snapshot::take(None).expect("a picture");
    let local = IpAddr::from([192, 0, 2, 1]);
    let flows: Vec<Flow> = (0..FLOWS)
        .map(|number| {
            let peer = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            let port = 1024 + (number % 60_000) as u16;
            let tuple = |src, dst, from, to| Tuple {
                src,
                dst,
                protocol: 6,
                ports: Ports::Ports { src: from, dst: to },
                zone: None,
                unknown: Vec::new(),
            };
            Flow {
                family: 2,
                original: tuple(peer, local, port, 443),
                reply: tuple(local, peer, 443, port),
                status: status::CONFIRMED | status::SEEN_REPLY | status::ASSURED,
                timeout: Some(400_000),
                mark: None,
                zone: None,
                id: Some(number),
                use_count: None,
                protocol_state: Some(ProtocolState::Tcp {
                    state: 3,
                    scale_original: None,
                    scale_reply: None,
                    flags_original: None,
                    flags_reply: None,
                }),
                counter_original: None,
                counter_reply: None,
                rare: None,
            }
        })
        .collect();
    input::feed(
        "nft",
        &["-f", "-"],
        "insert rule inet fw input ip saddr 10.0.0.0/24 drop\n",
    );
    let changed = snapshot::take(None).expect("a picture");
    let world = |picture| World {
        flows: &flows,
        ..world(picture)
    };
    let taken = seconds(|| {
        let (before, after) = (
            Simulator::new(world(&picture)),
            Simulator::new(world(&changed)),
        );
        let cuts = cut(&before, &after, &flows, None, Some(0));
        assert_eq!(cuts.len(), 256);
    });
    println!(
        "{FLOWS} connections against a staged rule: {:.0} ms at best, {:.0} median",
        taken.0 * 1e3,
        taken.1 * 1e3
    );
    input::feed("ip", &["-batch", "-"], &format!("route del {DEFAULT}"));
}

fn services() {
    for backend in ["nft", "legacy"] {
        kubernetes(backend);
    }
}

/// Packets to services chosen at random, which are rules in a row.
fn kubernetes(backend: &str) {
    const SERVICES: u32 = 5_000;
    input::feed("nft", &["-f", "-"], "flush ruleset\n");
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a sysctl");
    let restore = format!("iptables-{backend}-restore");
    if Command::new(&restore).arg("--version").output().is_err() {
        println!("packets through 5,000 services ({backend}): no {restore} here");
        return;
    }
    input::feed(&restore, &[], &input::kubernetes(SERVICES));
    let picture = snapshot::take(None).expect("a picture");
    let simulator = Simulator::new(world(&picture));
    let packets: Vec<_> = (0..SERVICES)
        .map(|number| {
            let service = number.wrapping_mul(2_654_435_761) % SERVICES;
            let dst = std::net::Ipv4Addr::from(0x0a60_0000 + service + 1);
            let question = Question {
                iif: Some("eth0".into()),
                src: Some("192.0.2.9".parse().expect("an address")),
                dst: Some(dst.into()),
                proto: Some(6),
                sport: Some(40000),
                dport: Some(80),
                time: Some(0),
                ..Question::default()
            };
            let skb = question.build(&picture.network).expect("a packet");
            (question, skb)
        })
        .collect();
    // Rules are made ready when a packet first comes to them.
    let all = || {
        for (question, skb) in &packets {
            std::hint::black_box(simulator.fate_of(question, skb.clone()));
        }
    };
    all();
    let what = format!("packets through 5,000 services ({backend})");
    print_rate(&what, SERVICES, seconds(all));
}

fn routes() {
    let mut random = 1u64;
    let mut next = || {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 32) as u32
    };
    let mut table = RouteTableBuilder::new(FibFamily::Ip4, 254);
    let body = table.add_body(RouteBody {
        oif: Some(2),
        ..RouteBody::new(FibFamily::Ip4, 254)
    });
    for _ in 0..1_000_000 {
        let length = 16 + (next() % 9) as u8;
        let address: std::net::Ipv4Addr = (next() & !(u32::MAX >> length)).into();
        table.push(Prefix::new(address.into(), length), body);
    }
    let network = Network {
        routes: Arc::new(Fib {
            tables: vec![Arc::new(table.finish())],
            other: Vec::new(),
        }),
        ..Network::default()
    };
    let view = FibView::new(&network);
    // Without rules nothing is looked up: the three that always exist are merged.
    let count = 1_000_000u32;
    let keys: Vec<FlowKey> = (0..count)
        .map(|_| {
            let dst: std::net::Ipv4Addr = next().into();
            FlowKey::new([0, 0, 0, 0].into(), dst.into())
        })
        .collect();
    let mut found = 0;
    let (best, median) = seconds(|| {
        found = keys
            .iter()
            .filter(|key| view.lookup_table(254, key).is_some())
            .count();
    });
    let nanoseconds = |seconds: f64| seconds * 1e9 / f64::from(count);
    println!(
        "lookup among 1,000,000 routes: {:.0} ns at best, {:.0} median ({found} found)",
        nanoseconds(best),
        nanoseconds(median)
    );
}
