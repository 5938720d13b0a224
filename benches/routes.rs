//! How long routes take: a dump that throws everything away, a dump that makes routing tables, look-ups.
//!
//! Run inside a network namespace with many routes:
//! `ip netns exec NAME cargo bench --bench routes`.

use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::route::{RouteFilter, RouteLoader, dump_routes, read_fib};
use hookscope::model::network::FibFamily;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

fn best(times: usize, mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..times).map(run).min().unwrap_or_default()
}

fn main() {
    let mut socket = Socket::open(Protocol::Route).expect("a route socket");
    let bare = best(5, || {
        let mut header = [0u8; 12];
        header[0] = 0;
        let dumped = socket.dump(26, &[&header], |_| Ok(()));
        dumped.expect("a dump");
    });
    let split = best(5, || {
        let dumped = dump_routes(&mut socket, RouteFilter::default(), |message| {
            black_box(message);
            Ok(())
        });
        dumped.expect("a dump");
    });
    let mut loader_only = Duration::MAX;
    let loaded = best(5, || {
        let mut loader = RouteLoader::new();
        let dumped = dump_routes(&mut socket, RouteFilter::default(), |message| {
            Ok(loader.add(message)?)
        });
        dumped.expect("a dump");
        let start = Instant::now();
        black_box(loader.finish());
        loader_only = loader_only.min(start.elapsed());
    });
    let fib = read_fib(&mut socket, |_| {}).expect("routes");
    println!(
        "{} routes in {} tables",
        fib.route_count(),
        fib.tables.len()
    );
    println!("messages only        {bare:?}");
    println!("split                {split:?}");
    println!("loaded, searchable   {loaded:?} (of it building {loader_only:?})");
    for table in &fib.tables {
        println!(
            "table {} {:?}: {} routes, {} bytes",
            table.id,
            table.family,
            table.len(),
            table.bytes()
        );
        if table.family != FibFamily::Ip4 || table.len() < 1000 {
            continue;
        }
        let mut seed = 1u64;
        let addresses: Vec<IpAddr> = (0..1_000_000)
            .map(|_| {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                IpAddr::from(((seed >> 32) as u32).to_be_bytes())
            })
            .collect();
        let mut hits = 0usize;
        let time = best(3, || {
            hits = addresses
                .iter()
                .filter(|address| table.lookup(**address).next().is_some())
                .count();
        });
        println!(
            "  {} look-ups, {hits} hits: {:?} each",
            addresses.len(),
            time / 1_000_000
        );
        let few: Vec<IpAddr> = addresses.iter().copied().step_by(1000).collect();
        let time = best(100, || {
            hits = few
                .iter()
                .filter(|address| table.lookup(**address).next().is_some())
                .count();
        });
        println!(
            "  {} addresses again and again: {:?} each",
            few.len(),
            time / 1000
        );
        let copy = best(3, || {
            black_box(hookscope::model::network::RouteTable::clone(table));
        });
        println!("  a copy: {copy:?}");
    }
}
