//! Speed of the packet simulator, in one run on one core: packets a second through an ordinary host's rules and
//! through what kube-proxy leaves for 5,000 services, and route lookups in a large table. Needs root, `ip` and `nft`; works in a network namespace of its own.
//!
//! `cargo bench --bench flow`

// What the other benchmark takes of it is more.
#[allow(dead_code)]
#[path = "../scale/input.rs"]
mod input;

use hookscope::flow::fib::{FibView, FlowKey};
use hookscope::flow::{Question, Simulator, World};
use hookscope::model::Network;
use hookscope::model::network::{Fib, FibFamily, Prefix, RouteBody, RouteTableBuilder};
use hookscope::session::snapshot;
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

fn main() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    input::feed(
        "ip",
        &["-batch", "-"],
        "link set lo up\nlink add eth0 type veth peer name peer0\nlink set eth0 up\nlink set peer0 up\naddress add 192.0.2.1/24 dev eth0\n",
    );
    input::feed("nft", &["-f", "-"], &ruleset());
    let picture = snapshot::take(None).expect("a picture");
    let simulator = Simulator::new(World {
        ruleset: &picture.ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    });
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
    let count = 1_000_000u32;
    let start = Instant::now();
    let mut delivered = 0;
    for _ in 0..count {
        let (fate, _) = simulator.fate_of(&question, skb.clone());
        delivered += u32::from(fate.word() == "delivered");
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(delivered, count);
    println!(
        "packets through 50 rules: {:.0} a second",
        f64::from(count) / seconds
    );
    for backend in ["nft", "legacy"] {
        kubernetes(backend);
    }
    routes();
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
    let simulator = Simulator::new(World {
        ruleset: &picture.ruleset,
        network: &picture.network,
        flows: &picture.flows,
        ipsets: &picture.ipsets,
        legacy: &picture.legacy,
    });
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
    let start = Instant::now();
    all();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "packets through 5,000 services ({backend}): {:.0} a second",
        f64::from(SERVICES) / seconds
    );
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
    let start = Instant::now();
    let found = keys
        .iter()
        .filter(|key| view.lookup_table(254, key).is_some())
        .count();
    let nanoseconds = start.elapsed().as_nanos() / u128::from(count);
    println!("lookup among 1,000,000 routes: {nanoseconds} ns ({found} found)");
}
