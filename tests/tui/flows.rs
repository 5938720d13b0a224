//! Flows: the table of connections, what keys make of it, and when it is read.

use super::check;
use super::sample::{Bench, network, picture, ruleset};
use hookscope::flow::cut::Session;
use hookscope::insight::services::{
    Balance, Endpoint as ServiceEnd, Found, Service, Source as Kept,
};
use hookscope::model::Family;
use hookscope::model::conntrack::{
    Flow, FlowCounter, FlowRare, Ports, ProtocolState, Tuple, status,
};
use hookscope::session::flows::{self, Flows, Moment};
use hookscope::session::{Beside, Picture};
use hookscope::tui::app::Screen;
use hookscope::tui::job::Answer;
use hookscope::tui::job::flows::By;
use hookscope::tui::request::{Reply, Request};
use hookscope::tui::{Effect, Event};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The clock at which the tables of these tests are read: seconds since 1970.
const NOW: u64 = 1_800_000_000;
/// `enum tcp_conntrack`
const SYN_SENT: u8 = 1;
const ESTABLISHED: u8 = 3;
const TIME_WAIT: u8 = 7;

fn ports(protocol: u8, from: &str, to: &str) -> Tuple {
    let (from, to): (SocketAddr, SocketAddr) =
        (from.parse().expect("an end"), to.parse().expect("an end"));
    Tuple {
        src: from.ip(),
        dst: to.ip(),
        protocol,
        ports: Ports::Ports {
            src: from.port(),
            dst: to.port(),
        },
        zone: None,
        unknown: Vec::new(),
    }
}

fn flow(original: Tuple, reply: Tuple, flags: u32, timeout: u32) -> Flow {
    let protocol_state = (original.protocol == 6).then_some(ProtocolState::Tcp {
        state: ESTABLISHED,
        scale_original: None,
        scale_reply: None,
        flags_original: None,
        flags_reply: None,
    });
    Flow {
        family: if original.src.is_ipv4() { 2 } else { 10 },
        original,
        reply,
        status: flags | status::CONFIRMED,
        timeout: Some(timeout),
        mark: Some(0),
        zone: None,
        id: Some(timeout),
        use_count: Some(1),
        protocol_state,
        counter_original: None,
        counter_reply: None,
        rare: None,
    }
}

fn in_state(state: u8, flow: Flow) -> Flow {
    let protocol_state = Some(ProtocolState::Tcp {
        state,
        scale_original: None,
        scale_reply: None,
        flags_original: None,
        flags_reply: None,
    });
    Flow {
        protocol_state,
        ..flow
    }
}

const BOTH: u32 = status::SEEN_REPLY | status::ASSURED;

/// Nobody counts these.
fn plain() -> Vec<Flow> {
    let ssh = flow(
        ports(6, "192.0.2.7:50000", "10.0.0.1:22"),
        ports(6, "10.0.0.1:22", "192.0.2.7:50000"),
        BOTH,
        431_999,
    );
    // To a service, and from there to its endpoint; the endpoint sees this machine.
    let web = flow(
        ports(6, "10.0.0.5:40000", "10.96.0.1:80"),
        ports(6, "10.1.0.5:8080", "198.51.100.1:40000"),
        BOTH | status::SRC_NAT | status::DST_NAT,
        300,
    );
    let over = in_state(
        TIME_WAIT,
        flow(
            ports(6, "10.0.0.5:40001", "10.96.0.1:80"),
            ports(6, "10.1.0.6:8080", "10.0.0.5:40001"),
            BOTH | status::DST_NAT,
            117,
        ),
    );
    let asks = in_state(
        SYN_SENT,
        flow(
            ports(6, "10.0.0.5:40002", "203.0.113.9:443"),
            ports(6, "203.0.113.9:443", "198.51.100.1:61000"),
            status::SRC_NAT,
            119,
        ),
    );
    let dns = flow(
        ports(17, "10.0.0.5:53000", "10.0.0.1:53"),
        ports(17, "10.0.0.1:53", "10.0.0.5:53000"),
        0,
        29,
    );
    let mut v6 = flow(
        ports(
            6,
            "[2001:db8:1234:5678:9abc:def0:1234:5]:55182",
            "[2001:db8:1234:5678:9abc:def0:1234:1]:8443",
        ),
        ports(
            6,
            "[fd00:17:ffff:eeee:dddd:cccc:bbbb:2]:443",
            "[2001:db8:1234:5678:9abc:def0:1234:5]:55182",
        ),
        BOTH | status::DST_NAT,
        86_399,
    );
    v6.mark = Some(0x10);
    v6.zone = Some(5);
    let echo = |kind| Ports::Icmp {
        id: 77,
        kind,
        code: 0,
    };
    let tuple = |from: [u8; 4], to: [u8; 4], kind| Tuple {
        src: from.into(),
        dst: to.into(),
        protocol: 1,
        ports: echo(kind),
        zone: None,
        unknown: Vec::new(),
    };
    let ping = flow(
        tuple([10, 0, 0, 9], [10, 0, 0, 1], 8),
        tuple([10, 0, 0, 1], [10, 0, 0, 9], 0),
        status::SEEN_REPLY,
        28,
    );
    let mut ftp = flow(
        ports(6, "10.0.0.200:49152", "203.0.113.200:21"),
        ports(6, "203.0.113.200:21", "10.0.0.200:49152"),
        BOTH | status::HELPER,
        3_600,
    );
    ftp.rare = Some(Box::new(FlowRare {
        helper: Some("ftp".into()),
        ..FlowRare::default()
    }));
    vec![dns, web, ssh, over, v6, asks, ping, ftp]
}

/// The same, with counters and time stamps.
fn counted(times: u64) -> Vec<Flow> {
    let mut list = plain();
    for (place, flow) in (1u64..).zip(&mut list) {
        let counter = |per: u64| FlowCounter {
            packets: 100 + place * times,
            bytes: 100_000 + place * times * per,
        };
        flow.counter_original = Some(counter(100));
        flow.counter_reply = flow.has(status::SEEN_REPLY).then(|| counter(1_000));
        flow.counter_reply.get_or_insert_default();
        let start = Some((NOW - 60 * place) * 1_000_000_000);
        flow.rare.get_or_insert_default().start = start;
    }
    list
}

fn at(seconds: u64) -> Moment {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Moment {
        clock: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + seconds),
        steady: *BEGUN.get_or_init(Instant::now) + Duration::from_secs(seconds),
    }
}

/// As read two seconds after the first reading, by somebody who came by SSH.
fn busy() -> Arc<Flows> {
    let first = Flows::new(counted(0), None, at(0));
    let mut flows = Flows::new(counted(10), Some(&first), at(2));
    flows.own = Some(Session {
        peer: "192.0.2.7:50000".parse().expect("an end"),
        local: "10.0.0.1:22".parse().expect("an end"),
    });
    Arc::new(flows)
}

fn services() -> Found {
    let end = |address: &str| ServiceEnd {
        address: Some(address.parse().expect("an address")),
        chain: "KUBE-SEP-A".into(),
        rule: None,
        share: None,
        counters: None,
        rate: None,
        counted: Vec::new(),
    };
    Found::new(vec![Service {
        source: Kept::Kubernetes,
        family: Family::Ip,
        table: "nat".into(),
        name: "shop/web:http".into(),
        protocol: "tcp".into(),
        cluster: Some("10.96.0.1:80".parse().expect("an address")),
        external: Vec::new(),
        node_port: None,
        counters: None,
        rate: None,
        ways: Vec::new(),
        balance: Balance::Random,
        chain: "KUBE-SVC-WEB".into(),
        rule: None,
        endpoints: vec![end("10.1.0.5:8080"), end("10.1.0.6:8080")],
        counted: Vec::new(),
    }])
}

/// A machine whose kernel may track a hundred connections, and counts what they carry or not.
fn machine(counts: bool) -> Picture {
    let mut network = network(0);
    let sysctls = Arc::make_mut(&mut network.sysctls);
    for (key, value) in [("max", "100"), ("acct", if counts { "1" } else { "0" })] {
        let key = format!("net/netfilter/nf_conntrack_{key}");
        sysctls.0.insert(key.as_str().into(), value.into());
    }
    Arc::unwrap_or_clone(picture(ruleset(), network))
}

fn answer(bench: &mut Bench, flows: Result<Arc<Flows>, String>) {
    bench.send(Event::Answer(Answer::Reply(Reply::Flows(flows))));
}

fn show(bench: &mut Bench, flows: Arc<Flows>) {
    bench.show(Arc::new(machine(flows.counted)));
    bench.state.services.found = Some(Arc::new(services()));
    bench.keys("7");
    answer(bench, Ok(flows));
}

fn bench(width: u16, height: u16, theme: &str) -> Bench {
    let mut bench = Bench::new(width, height, theme);
    show(&mut bench, busy());
    bench
}

/// How often the connections were asked for.
fn asked(bench: &Bench) -> usize {
    let reads = bench
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Kernel(Request::Flows { .. })));
    reads.count()
}

fn selected(bench: &Bench) -> String {
    let (flow, _) = bench.state.flows.selected().expect("a connection");
    hookscope::lang::conntrack::ends(flow)
}

#[test]
fn screens_of_flows_are_as_expected() {
    for (size, width, height) in [
        ("80x24", 80, 24),
        ("120x40", 120, 40),
        ("200x50", 200, 50),
        ("60x15", 60, 15),
    ] {
        check(
            &format!("flows-{size}"),
            bench(width, height, "dark").keys("down"),
        );
    }
    check("flows-mono", &bench(80, 24, "mono"));
    check("flows-zoom", bench(80, 24, "dark").keys("end i"));
    check(
        "flows-search",
        bench(80, 24, "dark").keys("/").text("10.0.0.5 !udp"),
    );
    let mut plain_list = Bench::new(80, 24, "dark");
    show(&mut plain_list, Arc::new(Flows::new(plain(), None, at(0))));
    check("flows-uncounted", plain_list.keys("down"));
}

#[test]
fn empty_states_say_why() {
    let mut bench = Bench::new(80, 24, "dark");
    bench.show(Arc::new(machine(true))).keys("7");
    assert!(bench.screen().contains("Reading connections…"));
    answer(
        &mut bench,
        Ok(Arc::new(Flows::new(Vec::new(), None, at(0)))),
    );
    check("flows-none", &bench);
    let mut without = Flows::new(Vec::new(), None, at(0));
    without.offered = false;
    bench.tick(3);
    answer(&mut bench, Ok(Arc::new(without)));
    assert!(bench.screen().contains("No connection tracking"));
    bench.tick(3);
    answer(&mut bench, Err("no right to read them".into()));
    assert!(bench.screen().contains("Connections cannot be read"));
    assert!(bench.screen().contains("no right to read them"));
    // It is tried again, but not at once.
    let before = asked(&bench);
    bench.tick(5);
    assert_eq!(asked(&bench), before);
    bench.tick(6);
    assert_eq!(asked(&bench), before + 1);
    let mut full = self::bench(80, 24, "dark");
    full.keys("/").text("nowhere");
    assert!(full.screen().contains("No connection has that"));
}

#[test]
fn every_column_orders() {
    let mut bench = bench(200, 50, "dark");
    let first = |bench: &mut Bench| {
        bench.keys("home");
        (bench.state.flows.order.by, selected(bench))
    };
    let expected = [
        (By::Source, "icmp 10.0.0.9 → 10.0.0.1"),
        (By::Destination, "udp 10.0.0.5:53000 → 10.0.0.1:53"),
        (By::State, "udp 10.0.0.5:53000 → 10.0.0.1:53"),
        (By::Rate, "tcp 10.0.0.200:49152 → 203.0.113.200:21"),
        (By::Bytes, "tcp 10.0.0.200:49152 → 203.0.113.200:21"),
        (By::Left, "tcp 192.0.2.7:50000 → 10.0.0.1:22"),
        (By::Age, "tcp 10.0.0.200:49152 → 203.0.113.200:21"),
    ];
    // Of the client 10.0.0.5, the lowest port comes first.
    assert_eq!(first(&mut bench).1, "tcp 10.0.0.5:40000 → 10.96.0.1:80");
    for (by, flow) in expected.iter().skip(1) {
        bench.keys("s");
        let found = first(&mut bench);
        if *by == By::Destination {
            assert_eq!(found.0, By::Destination);
            assert!(found.1.contains("→ 10.0.0.1"), "{found:?}");
        } else {
            assert_eq!(found, (*by, (*flow).to_owned()));
        }
    }
    bench.keys("R");
    assert_eq!(first(&mut bench).1, "udp 10.0.0.5:53000 → 10.0.0.1:53");
    bench.keys("< <");
    assert_eq!(bench.state.flows.order.by, By::Bytes);
    // What nobody counts does not order.
    let mut plain_list = Bench::new(80, 24, "dark");
    show(&mut plain_list, Arc::new(Flows::new(plain(), None, at(0))));
    plain_list.keys("s s s");
    assert_eq!(plain_list.state.flows.order.by, By::Left);
    plain_list.keys("s");
    assert_eq!(plain_list.state.flows.order.by, By::Source);
}

#[test]
fn heads_of_columns_can_be_clicked() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut bench = bench(120, 40, "dark");
    let screen = bench.screen();
    let (row, line) = screen
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains("destination"))
        .expect("heads");
    let column = line.chars().collect::<Vec<_>>();
    let column = column
        .windows(5)
        .position(|five| five.iter().collect::<String>() == "state");
    let click = |bench: &mut Bench, x: usize, y: usize| {
        bench.send(Event::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: x as u16,
            row: y as u16,
            modifiers: KeyModifiers::NONE,
        }));
    };
    click(&mut bench, column.expect("a head"), row);
    assert_eq!(bench.state.flows.order.by, By::State);
    assert!(!bench.state.flows.order.turned);
    click(&mut bench, column.expect("a head"), row);
    assert!(bench.state.flows.order.turned);
    click(&mut bench, 10, row + 3);
    assert_eq!(bench.state.flows.list.selected, 2);
}

#[test]
fn the_cursor_stays_on_its_connection() {
    let mut bench = bench(80, 24, "dark");
    bench.keys("down down");
    let here = selected(&bench);
    // Others come before it, and its own counters go on.
    let mut list = counted(20);
    let mut other = list[1].clone();
    other.original = ports(6, "10.0.0.2:1", "10.96.0.1:80");
    list.insert(0, other);
    let before = bench.state.flows.now.clone().expect("connections");
    bench.tick(3);
    answer(
        &mut bench,
        Ok(Arc::new(Flows::new(list, Some(&before), at(4)))),
    );
    assert_eq!(selected(&bench), here);
    assert_eq!(bench.state.flows.list.selected, 3);
    bench.keys("/").text("!tcp").keys("enter");
    assert_eq!(bench.state.flows.len(), 2);
    bench.keys("esc");
    assert_eq!(bench.state.flows.len(), 9);
}

#[test]
fn words_of_conntrack_and_names_of_services_are_found() {
    for (query, count) in [
        ("dport=80", 2),
        ("shop/web", 2),
        ("endpoint", 2),
        ("[UNREPLIED]", 2),
        ("syn_sent", 1),
        ("helper ftp", 1),
        ("mark 0x10", 1),
        ("your session", 1),
        ("tcp !10.0.0.5", 3),
        ("[2001:db8:1234:5678:9abc:def0:1234:1]:8443", 1),
        ("198.51.100.1", 2),
        ("nothing at all", 0),
    ] {
        let mut bench = bench(120, 40, "dark");
        bench.keys("/").text(query);
        assert_eq!(bench.state.flows.len(), count, "{query}");
    }
}

#[test]
fn a_connection_is_explained_both_ways() {
    let asked = |keys: &str| {
        let mut bench = bench(80, 24, "dark");
        bench.keys("/").text("sport=40000").keys("enter");
        bench.keys(keys);
        assert_eq!(bench.state.screen, Screen::Flow, "{keys}");
        let question = bench.state.flow.question.clone().expect("a question");
        let end = |address: Option<std::net::IpAddr>, port: Option<u16>| {
            format!("{}:{}", address.expect("an address"), port.expect("a port"))
        };
        (
            end(question.src, question.sport),
            end(question.dst, question.dport),
            question.tcp_flags,
            question.iif,
        )
    };
    let (ack, eth0) = (Some(16), Some("eth0".to_owned()));
    let original = (
        "10.0.0.5:40000".into(),
        "10.96.0.1:80".into(),
        ack,
        eth0.clone(),
    );
    assert_eq!(asked("enter"), original);
    assert_eq!(asked("p"), original);
    let reply = (
        "10.1.0.5:8080".into(),
        "198.51.100.1:40000".into(),
        ack,
        eth0,
    );
    assert_eq!(asked("P"), reply);
    // Who waits for the first answer asks again.
    let mut waits = bench(80, 24, "dark");
    waits.keys("/").text("syn_sent").keys("enter p");
    let question = waits.state.flow.question.clone().expect("a question");
    assert_eq!(question.tcp_flags, None);
}

#[test]
fn connections_are_read_while_somebody_looks() {
    let mut bench = Bench::new(80, 24, "dark");
    bench.show(Arc::new(machine(true))).tick(5);
    assert_eq!(asked(&bench), 0, "on another screen");
    bench.keys("7");
    assert_eq!(asked(&bench), 1);
    // One at a time.
    bench.tick(5);
    assert_eq!(asked(&bench), 1);
    answer(&mut bench, Ok(busy()));
    bench.tick(1);
    assert_eq!(asked(&bench), 1);
    bench.tick(1);
    assert_eq!(asked(&bench), 2);
    answer(&mut bench, Ok(busy()));
    bench.keys("r");
    assert_eq!(asked(&bench), 3, "at once");
    answer(&mut bench, Ok(busy()));
    // Reading that takes long is done more rarely.
    let mut slow = Arc::unwrap_or_clone(busy());
    slow.took = Duration::from_secs(1);
    bench.tick(2);
    answer(&mut bench, Ok(Arc::new(slow)));
    bench.tick(19);
    assert_eq!(asked(&bench), 4);
    bench.tick(2);
    assert_eq!(asked(&bench), 5);
    answer(&mut bench, Ok(busy()));
    bench.keys("space").tick(60);
    assert_eq!(asked(&bench), 5, "frozen");
    bench.keys("space 1").tick(60);
    assert_eq!(asked(&bench), 6, "unfrozen, and then elsewhere");
    answer(&mut bench, Ok(busy()));
    bench.tick(60);
    assert_eq!(asked(&bench), 6);
    // What was a minute ago is not shown as what is.
    bench.keys("7");
    assert_eq!(asked(&bench), 7);
    assert!(bench.screen().contains("Reading connections…"));
}

#[test]
fn a_snapshot_has_its_connections() {
    let mut picture = machine(true);
    let beside = Arc::new(Beside {
        ruleset: ruleset(),
        flows: counted(0),
        ipsets: Vec::new(),
        legacy: Vec::new(),
        missing: Vec::new(),
        read_at: at(0).clock,
    });
    picture.beside = Some(beside);
    let mut bench = Bench::new(80, 24, "dark");
    bench.show(Arc::new(picture)).keys("7");
    let request = bench.effects.iter().find_map(|effect| match effect {
        Effect::Kernel(Request::Flows { snapshot, .. }) => snapshot.clone(),
        _ => None,
    });
    let flows = flows::of_snapshot(&request.expect("its connections are asked for"));
    answer(&mut bench, Ok(Arc::new(flows)));
    assert_eq!(bench.state.flows.len(), 8);
    assert!(bench.screen().contains("10.96.0.1:80 ⇒ 10.1.0.5:8080"));
    bench.keys("i");
    assert!(
        bench.screen().contains("a snapshot is one moment"),
        "{}",
        bench.screen()
    );
    bench.tick(60);
    assert_eq!(asked(&bench), 1, "it does not change");
}

#[test]
fn an_entry_that_is_read_twice_is_one() {
    let mut list = plain();
    list.push(list[2].clone());
    let flows = Flows::new(list, None, at(0));
    assert_eq!(flows.list().len(), 8);
    // Set to zero meanwhile: no rate, rather than a wrong one.
    let before = Flows::new(counted(50), None, at(0));
    let now = Flows::new(counted(10), Some(&before), at(2));
    assert!(now.speed(0).is_none());
    let busy = busy();
    let place = busy.place(&plain()[1]).expect("it is there");
    let speed = busy.speed(place).expect("a rate");
    assert_eq!(
        (speed.original.packets, speed.original.bytes),
        (10.0, 1_000.0)
    );
    assert_eq!(speed.reply.bytes, 10_000.0);
    assert!(busy.is_own(&plain()[2]));
}
