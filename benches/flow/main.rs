//! Speed of the packet simulator, in one run on one core: packets a second through an ordinary host's rules and
//! route lookups in a large table. Needs root, `ip` and `nft`; works in a network namespace of its own.
//!
//! `cargo bench --bench flow`

use hookscope::flow::fib::{FibView, FlowKey};
use hookscope::flow::{Question, Simulator, World};
use hookscope::model::Network;
use hookscope::model::network::{Fib, FibFamily, Prefix, RouteBody, RouteTableBuilder};
use hookscope::session::snapshot;
use std::io::Write;
use std::process::{Command, Stdio};
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

fn run(program: &str, args: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "{program}");
}

fn main() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
    run(
        "ip",
        &["-batch", "-"],
        "link set lo up\nlink add eth0 type veth peer name peer0\nlink set eth0 up\nlink set peer0 up\naddress add 192.0.2.1/24 dev eth0\n",
    );
    run("nft", &["-f", "-"], &ruleset());
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
    routes();
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
