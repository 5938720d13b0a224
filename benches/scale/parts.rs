//! The parts of the benchmark, each in a network namespace of its own.

use crate::bare::Bare;
use crate::table::{Limit, Table, Value};
use crate::terminal::Terminal;
use crate::{PROGRAM, Sizes, alternate, input, iptables, memory, run};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::dump;
use hookscope::kernel::nf_tables::load::{ReadElements, load};
use hookscope::kernel::route::read_fib;
use hookscope::model::{Family, Ruleset};
use std::hint::black_box;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What kube-proxy leaves on a large cluster: many small chains.
pub fn k8s(sizes: Sizes, table: &mut Table) {
    input::feed(
        "iptables-nft-restore",
        &[],
        &input::kubernetes(sizes.services),
    );
    let size = reading(table, "k8s", Limit::FasterBy(3.0), 5);
    iptables::nft(table, &size);
    first_screen(table, "k8s", &size, "PREROUTING");
    idle(table, &size, sizes.idle);
}

/// One chain that is longer than anybody should make it.
pub fn flat(sizes: Sizes, table: &mut Table) {
    input::feed("nft", &["-f", "-"], &input::flat(sizes.rules));
    let size = reading(table, "flat", Limit::None, 3);
    first_screen(table, "flat", &size, input::FLAT_CHAIN);
    keys(table, &size);
}

/// Load, memory and `show` against bare dumps and nft. Returns the size in words.
fn reading(table: &mut Table, name: &str, show: Limit, times: usize) -> String {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a netlink socket");
    let mut bare = Bare::open(Protocol::Netfilter);
    let known = load(&mut socket, ReadElements::All).expect("a ruleset");
    let size = words(&known);
    let mut bytes = 0;
    let (ours, other) = alternate(
        times,
        || {
            black_box(load(&mut socket, ReadElements::All).expect("a ruleset"));
        },
        || bytes = bare.ruleset(&known, true),
    );
    let one = crate::timed(|| {
        bare.ruleset(&known, false);
    });
    drop(known);
    table.row(
        &format!("{name}: load"),
        &size,
        Value::Time(ours),
        ("bare dump", Value::Time(other)),
        Limit::AtMost(1.3),
    );
    table.row(
        &format!("{name}: load"),
        &size,
        Value::Time(ours),
        ("bare dump, rules by one request", Value::Time(one)),
        Limit::None,
    );
    let (grown, whole) = memory::peak_of_load();
    table.row(
        &format!("{name}: peak memory of the load"),
        &format!("{} in all", Value::Bytes(whole)),
        Value::Bytes(grown),
        ("bytes dumped", Value::Bytes(bytes)),
        Limit::AtMost(3.0),
    );
    let (ours, other) = alternate(
        times - 1,
        || run(&PROGRAM, &["show"]),
        || run("nft", &["list", "ruleset"]),
    );
    table.row(
        &format!("{name}: show"),
        &size,
        Value::Time(ours),
        ("nft list ruleset", Value::Time(other)),
        show,
    );
    size
}

fn words(ruleset: &Ruleset) -> String {
    let chains: usize = ruleset.tables.iter().map(|table| table.chains.len()).sum();
    let ending = if chains == 1 { "" } else { "s" };
    format!("{} rules, {chains} chain{ending}", ruleset.rule_count())
}

/// From the start of the program to a screen that shows the chain that it opens with.
fn first_screen(table: &mut Table, name: &str, size: &str, chain: &str) {
    let best = (0..5).map(|_| Terminal::start().first(chain)).min();
    table.row(
        &format!("{name}: start to first useful screen"),
        size,
        Value::Time(best.unwrap_or_default()),
        ("", Value::Time(Duration::from_millis(150))),
        Limit::Below,
    );
}

/// From a key to the frame that answers it, while counters are read as always.
fn keys(table: &mut Table, size: &str) {
    const DOWN: &[u8] = b"\x1b[B";
    const PAGE_DOWN: &[u8] = b"\x1b[6~";
    let mut terminal = Terminal::start();
    terminal.first(input::FLAT_CHAIN);
    terminal.loaded();
    // From the tree to the rules.
    terminal.press(b"\t");
    let mut times: Vec<Duration> = (0..400)
        .map(|number| {
            // As fast as a keyboard repeats.
            terminal.idle(Duration::from_millis(33));
            terminal.press(if number % 4 == 3 { PAGE_DOWN } else { DOWN })
        })
        .collect();
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    for (what, share) in [("median", 50), ("99th percentile", 99)] {
        table.row(
            &format!("flat: key to screen, {what}"),
            size,
            Value::Time(at(share).unwrap_or_default()),
            ("", Value::Time(Duration::from_millis(16))),
            Limit::Below,
        );
    }
}

/// What the program costs when nothing happens: counters are read every second.
fn idle(table: &mut Table, size: &str, time: Duration) {
    let mut terminal = Terminal::start();
    terminal.loaded();
    terminal.idle(Duration::from_secs(2));
    let before = terminal.processor_time();
    terminal.idle(time);
    let used = terminal.processor_time() - before;
    table.row(
        "k8s: processor time when idle",
        size,
        Value::Percent(used.as_secs_f64() / time.as_secs_f64() * 100.0),
        ("", Value::Percent(3.0)),
        Limit::Below,
    );
}

/// A set that somebody opens.
pub fn set(sizes: Sizes, table: &mut Table) {
    for text in input::set(sizes.elements) {
        input::feed("nft", &["-f", "-"], &text);
    }
    let mut socket = Socket::open(Protocol::Netfilter).expect("a netlink socket");
    let mut bare = Bare::open(Protocol::Netfilter);
    let (name, set) = (input::SET_TABLE, input::SET_NAME);
    let mut count = 0;
    // The kernel walks a set from its start for every 32 KiB: each of these takes long.
    let (ours, other) = alternate(
        2,
        || {
            let list = dump::elements(&mut socket, Family::Ip, name, set);
            count = list.expect("elements").len();
        },
        || {
            bare.elements(Family::Ip.to_wire(), name, set);
        },
    );
    assert_eq!(count, sizes.elements as usize);
    table.row(
        "set: opened and counted",
        &format!("{count} elements"),
        Value::Time(ours),
        ("bare dump", Value::Time(other)),
        Limit::AtMost(1.3),
    );
}

/// A file of rules, and a set of a million elements, from text to kernel.
pub fn apply(sizes: Sizes, table: &mut Table) {
    let rules = sizes.rules / 5;
    let text = input::flat(rules);
    let (ours, other) = alternate(
        3,
        || {
            input::feed(&PROGRAM, &["apply", "-"], &text);
            run("nft", &["flush", "ruleset"]);
        },
        || {
            input::feed("nft", &["-f", "-"], &text);
            run("nft", &["flush", "ruleset"]);
        },
    );
    table.row(
        "apply: a file of rules",
        &format!("{rules} rules"),
        Value::Time(ours),
        ("nft -f", Value::Time(other)),
        Limit::FasterBy(1.0),
    );
    let text: String = input::set(sizes.elements).collect();
    let (ours, other) = alternate(
        1,
        || {
            input::feed(&PROGRAM, &["apply", "-"], &text);
            run("nft", &["flush", "ruleset"]);
        },
        || {
            for part in input::set(sizes.elements) {
                input::feed("nft", &["-f", "-"], &part);
            }
            run("nft", &["flush", "ruleset"]);
        },
    );
    table.row(
        "apply: a set",
        &format!("{} elements", sizes.elements),
        Value::Time(ours),
        ("nft -f", Value::Time(other)),
        Limit::FasterBy(1.0),
    );
}

/// The routes of a full internet table.
pub fn routes(sizes: Sizes, table: &mut Table) {
    input::feed("ip", &["-batch", "-"], &input::routes(sizes.routes));
    let mut socket = Socket::open(Protocol::Route).expect("a route socket");
    let mut bare = Bare::open(Protocol::Route);
    let mut fib = Default::default();
    let (ours, other) = alternate(
        5,
        || fib = read_fib(&mut socket, |_| {}).expect("routes"),
        || {
            bare.routes();
        },
    );
    let size = format!("{} routes", fib.route_count());
    table.row(
        "routes: loaded, searchable",
        &size,
        Value::Time(ours),
        ("bare dump", Value::Time(other)),
        Limit::AtMost(2.0),
    );
    let addresses: Vec<IpAddr> = (0..1_000_000u32)
        .map(|number| IpAddr::from(Ipv4Addr::from(number.wrapping_mul(0x9e37_79b1))))
        .collect();
    let mut hits = 0;
    let main = fib.tables.iter().max_by_key(|table| table.len());
    let main = main.expect("a table");
    let looked = crate::timed(|| {
        let found = |address: &&IpAddr| main.lookup(**address).next().is_some();
        hits = addresses.iter().filter(found).count();
    });
    eprintln!(
        "  one look-up: {:?}, {hits} hits of 1000000",
        looked / 1_000_000
    );
    let (ours, other) = alternate(
        3,
        || piped(&PROGRAM, &["route", "list"]),
        || piped("ip", &["route", "show"]),
    );
    table.row(
        "routes: route list into a pipe",
        &size,
        Value::Time(ours),
        ("ip route show", Value::Time(other)),
        Limit::FasterBy(1.0),
    );
}

/// Run a program to its end, taking what it prints through a pipe.
fn piped(program: &str, arguments: &[&str]) {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut buffer = vec![0; 64 * 1024];
    while stdout.read(&mut buffer).is_ok_and(|length| length > 0) {}
    let status = child.wait().expect("the program ends");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
