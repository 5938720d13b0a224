//! Routes, rules and the rest against iproute2 and the kernel, in network namespaces of our own.
//!
//! Every test makes a fresh namespace for its thread and fills it with `ip`, which is also the judge of what
//! is printed. Without the privilege to make one, a test says so by name on standard error.

/// The subcommand itself, run on a thread inside the test's network namespace.
#[allow(dead_code)]
#[path = "../src/cli/route/mod.rs"]
mod cli;
#[path = "../src/cli/safety.rs"]
mod safety;

use cli::{How, RouteArgs, RouteCommand, RouteContext, run};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::route::{
    Events, RouteLookup, read_fib, read_links, read_network, read_rules, route_get,
};
use hookscope::lang::route::{Context, Names, route_line, rule_line};
use hookscope::model::network::{FibFamily, Network, OwnedRoute, RouteKind, table};
use hookscope::session::names::read_names;
use nix::sched::{CloneFlags, CpuSet, sched_getcpu, sched_setaffinity, unshare};
use nix::unistd::Pid;
use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

mod random;
use random::Random;

/// Six seeds from `first` on; more with `HOOKSCOPE_SEEDS`, for a longer search.
fn seeds(first: u64) -> std::ops::Range<u64> {
    let count = std::env::var("HOOKSCOPE_SEEDS").ok();
    first..first + count.and_then(|count| count.parse().ok()).unwrap_or(6)
}

/// Run `test` in a network namespace of its own; a namespace belongs to a thread.
fn in_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let name = name.to_owned();
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            // Not through the macro, whose output the test harness hides.
            let _ = writeln!(std::io::stderr(), "skipped: {name}: needs root ({error})");
            return;
        }
        // The kernel caches answers for each processor: `ip` has to ask on ours.
        let mut here = CpuSet::new();
        if let Ok(cpu) = sched_getcpu()
            && here.set(cpu).is_ok()
        {
            let _ = sched_setaffinity(Pid::from_raw(0), &here);
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Run `ip` with lines on standard input; lines that this kernel refuses are left out.
fn batch(lines: &str) {
    let mut child = Command::new("ip")
        .args(["-force", "-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ip is installed");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(lines.as_bytes())
        .expect("ip reads");
    let output = child.wait_with_output().expect("ip ends");
    // A line that `ip` itself does not understand ends it; that is a fault of the test.
    let complaints = String::from_utf8_lossy(&output.stderr);
    if std::env::var_os("SHOW_COMPLAINTS").is_some() {
        eprintln!("{complaints}");
    }
    for word in ["is wrong", "garbage", "Usage:", "is expected"] {
        assert!(!complaints.contains(word), "{complaints}");
    }
}

/// Make the devices, and wait for what the kernel does on its own when a link comes up.
fn make_devices() {
    batch(&random::devices());
    let ready = || {
        let text = ip("-6 route show table local");
        [
            "local 2001:db8::1 ",
            "local 2001:db8:1::1 ",
            "ff00::/8 dev v0",
            "ff00::/8 dev v1",
        ]
        .iter()
        .all(|wanted| text.contains(wanted))
    };
    for _ in 0..50 {
        if ready() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!(
        "the devices did not come up: {}",
        ip("-6 route show table local")
    );
}

/// What `ip` prints.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("ip is installed");
    String::from_utf8(output.stdout).expect("text")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What hookscope prints; with an error, nothing.
fn ours(command: RouteCommand, six: bool, json: bool, snapshot: Option<&Network>) -> String {
    let names = read_names();
    let context = RouteContext {
        snapshot,
        names: &names,
        read_only: false,
    };
    let args = RouteArgs {
        command,
        four: false,
        six,
        json,
        how: How::default(),
    };
    let mut out = Vec::new();
    match run(&args, context, &mut out) {
        Ok(()) => String::from_utf8(out).expect("text"),
        Err(_) => String::new(),
    }
}

/// Routes that expire do so while the test runs: all made by `random` have 86,390 seconds at first.
fn ageless(text: &str) -> String {
    let ages = 86_360..86_390;
    ages.fold(text.to_owned(), |text, age| {
        match text.contains("expires") {
            true => text.replace(&age.to_string(), "86390"),
            false => text,
        }
    })
}

fn same(ours: &str, theirs: &str, what: &str) {
    let (ours, theirs) = (ageless(ours), ageless(theirs));
    if ours == theirs {
        return;
    }
    let differing = ours.lines().zip(theirs.lines()).find(|(a, b)| a != b);
    panic!(
        "{what}: first difference {differing:#?}, {} and {} lines",
        ours.lines().count(),
        theirs.lines().count()
    );
}

/// Compare everything that is listed, in text and JSON, live and from a snapshot.
fn compare_listings(seed: u64) -> usize {
    let network = read_network(|_| {}).expect("a network");
    let mut bytes = Vec::new();
    ciborium::into_writer(&network, &mut bytes).expect("a snapshot");
    let saved: Network = ciborium::from_reader(&*bytes).expect("a snapshot");
    assert_eq!(saved, network);
    let mut lines = 0;
    for (six, option) in [(false, ""), (true, "-6")] {
        let mut selectors = vec![String::new(), "table all".to_owned()];
        let family = if six { FibFamily::Ip6 } else { FibFamily::Ip4 };
        for table in network.routes.tables_of(family) {
            selectors.push(format!("table {}", table.id));
        }
        for json in [false, true] {
            let form = if json { "-j" } else { "" };
            for selector in &selectors {
                let theirs = ip(&format!("{form} {option} route show {selector}"));
                let list = || RouteCommand::List {
                    words: words(selector),
                };
                let what = format!("seed {seed} {form} {option} route show {selector}");
                same(&ours(list(), six, json, None), &theirs, &what);
                same(
                    &ours(list(), six, json, Some(&saved)),
                    &theirs,
                    &format!("snapshot, {what}"),
                );
                lines += theirs.lines().count();
            }
            let theirs = ip(&format!("{form} {option} rule"));
            let what = format!("seed {seed} {form} {option} rule");
            same(
                &ours(RouteCommand::Rules { words: Vec::new() }, six, json, None),
                &theirs,
                &what,
            );
            same(
                &ours(
                    RouteCommand::Rules { words: Vec::new() },
                    six,
                    json,
                    Some(&saved),
                ),
                &theirs,
                &what,
            );
        }
    }
    lines
}

/// What tells routes apart. The kernel remembers one IPv6 route for each next hop object and processor, and names
/// that one, whichever route or group led to the object.
fn identity(route: &OwnedRoute) -> String {
    match (route.body.family, route.body.nexthop) {
        (FibFamily::Ip6, Some(_)) => "through a next hop object".to_owned(),
        _ => format!("{} {:?}", route.destination, route.body.metric),
    }
}

/// A lookup as a reader of the tables would do it, with the three rules that every namespace has.
fn predicted(network: &Network, address: IpAddr) -> Result<String, i32> {
    let family = FibFamily::of(address);
    // IPv6 has no rule for the default table.
    let tables: &[u32] = match family {
        FibFamily::Ip4 => &[table::LOCAL, table::MAIN, table::DEFAULT],
        FibFamily::Ip6 => &[table::LOCAL, table::MAIN],
    };
    for &id in tables {
        let Some(table) = network.routes.table(family, id) else {
            continue;
        };
        let fits = |tos: u8| tos == 0 || family == FibFamily::Ip6;
        let found = table.lookup(address).find(|route| {
            let from = route.rare.as_deref().and_then(|rare| rare.from);
            fits(route.tos) && from.is_none()
        });
        let Some(route) = found else {
            continue;
        };
        let nexthop = route.nexthop.and_then(|id| network.nexthop(id));
        if nexthop.is_some_and(|nexthop| nexthop.blackhole) {
            return Err(libc::EINVAL);
        }
        return match route.kind {
            RouteKind::Throw => continue,
            RouteKind::Blackhole => Err(libc::EINVAL),
            RouteKind::Unreachable => Err(libc::EHOSTUNREACH),
            RouteKind::Prohibit => Err(libc::EACCES),
            _ => Ok(identity(&route.to_owned())),
        };
    }
    Err(libc::ENETUNREACH)
}

fn compare_lookups(random: &mut Random, seed: u64) {
    let network = read_network(|_| {}).expect("a network");
    let mut socket = Socket::open(Protocol::Route).expect("a socket");
    for _ in 0..200 {
        let address = random.address();
        let mut lookup = RouteLookup::new(address);
        lookup.fib_match = true;
        let kernel = route_get(&mut socket, &lookup)
            .map(|route| identity(&route))
            .map_err(|error| error.errno().unwrap_or(0));
        assert_eq!(
            predicted(&network, address),
            kernel,
            "seed {seed} {address}\n{}{}",
            ip(&format!("route get {address} fibmatch")),
            ip("-6 route show table all"),
        );
    }
}

fn compare_gets(random: &mut Random, seed: u64) {
    for _ in 0..60 {
        let query = random.query();
        for json in [false, true] {
            let form = if json { "-j" } else { "" };
            let theirs = ip(&format!("{form} route get {query}"));
            let get = RouteCommand::Get {
                words: words(&query),
            };
            let what = format!("seed {seed} {form} route get {query}");
            same(&ours(get, false, json, None), &theirs, &what);
        }
    }
}

#[test]
fn prints_what_ip_prints() {
    for seed in seeds(1) {
        in_namespace("prints_what_ip_prints", move || {
            let mut random = Random::new(seed);
            make_devices();
            batch(&random.routes(150));
            batch(&random.rules(40));
            let lines = compare_listings(seed);
            assert!(lines > 300, "seed {seed}: only {lines} lines were compared");
            compare_gets(&mut random, seed);
        });
    }
}

#[test]
fn lookups_agree_with_the_kernel() {
    for seed in seeds(11) {
        in_namespace("lookups_agree_with_the_kernel", move || {
            let mut random = Random::new(seed);
            // The kernel's own search gets lost in tables with both kinds of routes, and weighs preferences and
            // reachability where IPv6 routes of one metric differ.
            random.sources = false;
            random.mixed = false;
            make_devices();
            batch(&random.routes(200));
            compare_lookups(&mut random, seed);
        });
    }
}

/// All routes and rules as text, in the order in which the picture holds them.
fn text_of(network: &Network) -> Vec<String> {
    let names = Names::built_in();
    let device = |index| network.link_name(index);
    let context = Context {
        names: &names,
        device: &device,
        one_table: false,
    };
    let mut tables: Vec<_> = network.routes.tables.iter().collect();
    tables.sort_by_key(|table| (table.family, table.id));
    let mut lines = Vec::new();
    for table in tables {
        for route in table.iter() {
            // The time a route has left changes by itself.
            let mut route = route.to_owned();
            if let Some(cache) = route
                .body
                .rare
                .as_deref_mut()
                .and_then(|rare| rare.cache.as_mut())
            {
                cache.expires = 0;
            }
            lines.push(route_line(route.as_route(), &context));
        }
    }
    lines.extend(network.rules.iter().map(|rule| rule_line(rule, &context)));
    lines
}

#[test]
fn events_keep_a_picture_true() {
    for seed in seeds(21) {
        in_namespace("events_keep_a_picture_true", move || {
            let mut random = Random::new(seed);
            random.mixed = false;
            make_devices();
            batch(&random.routes(40));
            let mut events = Events::open().expect("events");
            let mut network = read_network(|_| {}).expect("a network");
            for round in 0..15 {
                let changes = random.changes(12);
                let before = text_of(&network);
                batch(&changes);
                let summary = network.apply(events.read().expect("events"));
                if summary.reread_routes4 || summary.reread_routes6 {
                    let mut socket = Socket::open(Protocol::Route).expect("a socket");
                    network.routes = read_fib(&mut socket, |_| {}).expect("routes").into();
                }
                let fresh = read_network(|_| {}).expect("a network");
                let (mine, real) = (text_of(&network), text_of(&fresh));
                let wrong: Vec<_> = mine.iter().filter(|line| !real.contains(line)).collect();
                let missing: Vec<_> = real.iter().filter(|line| !mine.contains(line)).collect();
                let first = mine.iter().zip(&real).find(|(mine, real)| mine != real);
                let about = first.map(|(mine, _)| mine.split(' ').next().unwrap_or_default());
                let history: Vec<_> = [&before, &mine, &real]
                    .map(|lines| {
                        lines
                            .iter()
                            .filter(|line| line.starts_with(about.unwrap_or("-")))
                            .collect::<Vec<_>>()
                    })
                    .into();
                if mine != real {
                    eprintln!("before, ours, the kernel's: {history:#?}");
                }
                assert!(
                    mine == real,
                    "seed {seed} round {round}: first {first:#?}, ours only {wrong:#?}, the kernel's {missing:#?}, 
{changes}"
                );
                assert_eq!(
                    network.nexthops, fresh.nexthops,
                    "seed {seed} round {round}"
                );
                let mut addresses = (network.addresses.to_vec(), fresh.addresses.to_vec());
                addresses
                    .0
                    .sort_by_key(|address| (address.index, address.local));
                addresses
                    .1
                    .sort_by_key(|address| (address.index, address.local));
                assert_eq!(addresses.0, addresses.1, "seed {seed} round {round}");
            }
        });
    }
}

#[test]
fn lost_events_are_reported() {
    in_namespace("lost_events_are_reported", || {
        batch("link set lo up\n");
        let mut events = Events::open().expect("events");
        // The smallest buffer, so that a few hundred routes overflow it.
        nix::sys::socket::setsockopt(&events, nix::sys::socket::sockopt::RcvBuf, &1)
            .expect("a smaller buffer");
        let lines: String = (0..2000)
            .map(|n| format!("route add 10.{}.{}.0/24 dev lo\n", n / 256, n % 256))
            .collect();
        batch(&lines);
        let error = events.read().expect_err("an overrun");
        assert!(error.is_transient(), "{error}");
    });
}

#[test]
fn links_and_rules_have_their_names() {
    in_namespace("links_and_rules_have_their_names", || {
        batch(&random::devices());
        batch(
            "link property add dev v0 altname uplink\nlink add link v0 name v0.7 type vlan id 7\n",
        );
        let mut socket = Socket::open(Protocol::Route).expect("a socket");
        let links = read_links(&mut socket).expect("links");
        let link = |name: &str| links.iter().find(|link| &*link.name == name);
        assert_eq!(&*link("v0").expect("v0").alt_names[0], "uplink");
        match link("v0.7") {
            Some(vlan) => {
                assert_eq!(vlan.vlan.map(|vlan| vlan.id), Some(7));
                assert_eq!(vlan.lower, link("v0").map(|link| link.index));
            }
            None => {
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: part of links_and_rules_have_their_names: no VLAN devices in this kernel"
                );
            }
        }
        let rules = read_rules(&mut socket, FibFamily::Ip4).expect("rules");
        assert_eq!(rules.len(), 3);
    });
}

#[test]
fn looking_creates_no_legacy_tables() {
    in_namespace("looking_creates_no_legacy_tables", || {
        use hookscope::kernel::legacy::read_legacy_tables;
        assert!(read_legacy_tables().expect("lists").is_empty());
        assert!(read_legacy_tables().expect("lists").is_empty());
        let made = Command::new("iptables-legacy")
            .args(["-t", "mangle", "-L"])
            .output();
        if made.is_ok_and(|output| output.status.success()) {
            let tables = read_legacy_tables().expect("lists");
            assert_eq!(tables.ip, Some(vec!["mangle".into()]));
        } else {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: part of looking_creates_no_legacy_tables: no iptables-legacy here"
            );
        }
    });
}

#[test]
fn sysctls_are_of_this_namespace() {
    in_namespace("sysctls_are_of_this_namespace", || {
        use hookscope::kernel::sysctl::read_sysctls;
        batch(&random::devices());
        let before = read_sysctls();
        assert_eq!(before.number("net/ipv4/ip_forward"), Some(0));
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a namespace of our own");
        std::fs::write("/proc/sys/net/ipv4/conf/v0/rp_filter", "2").expect("ours");
        let after = read_sysctls();
        assert_eq!(after.number("net/ipv4/ip_forward"), Some(1));
        assert_eq!(after.interface("ipv4", "v0", "rp_filter"), Some(2));
        assert_eq!(after.interface("ipv6", "v0", "forwarding"), Some(0));
        assert_eq!(after.get("net/ipv4/no_such_thing"), None);
    });
}

#[test]
fn hooks_are_listed_or_plainly_not_offered() {
    in_namespace("hooks_are_listed_or_plainly_not_offered", || {
        use hookscope::kernel::hooks::read_hooks;
        use hookscope::model::network::Offered;
        let hooks = read_hooks(&["lo"]).expect("an answer");
        match hooks.offered {
            Offered::Yes => {}
            Offered::No(reason) => assert!(reason.contains("CONFIG_NETFILTER_NETLINK_HOOK")),
            Offered::Unasked => panic!("the kernel was asked"),
        }
    });
}
