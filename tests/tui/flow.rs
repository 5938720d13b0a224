//! Flow: the diagram, packets asked about, steps, pending changes. What the kernel would be asked for is given.

use super::check;
use super::sample::{Bench, network, picture, ruleset};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use hookscope::flow::Question;
use hookscope::flow::observed::Observed;
use hookscope::flow::report::Fate;
use hookscope::model::conntrack::{Flow, Ports, Tuple};
use hookscope::model::network::{
    Address, Fib, FibFamily, Network, Prefix, RouteBody, RouteKind, RouteTableBuilder,
};
use hookscope::model::{Family, Ruleset};
use hookscope::session::watch::{ChainPass, Packet, RuleHit};
use hookscope::session::{Beside, Command};
use hookscope::tui::app::Screen;
use hookscope::tui::job::Answer;
use hookscope::tui::job::flow::Station;
use hookscope::tui::request::{Reply, Request};
use hookscope::tui::screen::flow::{Focus, Side, View, update};
use hookscope::tui::screen::live::Feed;
use hookscope::tui::{Effect, Event};
use std::sync::Arc;
use std::time::SystemTime;

fn flow() -> Flow {
    let tuple = |src: [u8; 4], dst: [u8; 4], sport: u16, dport: u16| Tuple {
        src: src.into(),
        dst: dst.into(),
        protocol: 6,
        ports: Ports::Ports {
            src: sport,
            dst: dport,
        },
        zone: None,
        unknown: Vec::new(),
    };
    Flow {
        family: 2,
        original: tuple([10, 0, 0, 7], [10, 0, 0, 20], 40000, 22),
        reply: tuple([10, 0, 0, 20], [10, 0, 0, 7], 22, 40000),
        status: 2 | 4 | 8,
        timeout: Some(100),
        mark: None,
        zone: None,
        id: None,
        use_count: None,
        protocol_state: None,
        counter_original: None,
        counter_reply: None,
        rare: None,
    }
}

/// Answer what Flow asked the kernel for.
fn answer(bench: &mut Bench) {
    let asked = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Kernel(Request::Beside { ruleset }) => Some(ruleset.clone()),
        _ => None,
    });
    let ruleset = asked.expect("the kernel was asked");
    let beside = Beside {
        ruleset: (*ruleset).clone(),
        flows: vec![flow()],
        ipsets: Vec::new(),
        legacy: Vec::new(),
        missing: Vec::new(),
        read_at: SystemTime::UNIX_EPOCH,
    };
    let reply = Reply::Beside(Arc::new(beside));
    bench.send(Event::Answer(Answer::Reply(reply)));
}

/// The network of the sample, with an address of its own: 10.0.0.20.
fn here() -> Network {
    let mut network = network(0);
    let mut local = RouteTableBuilder::new(FibFamily::Ip4, 255);
    let own: std::net::IpAddr = [10, 0, 0, 20].into();
    let body = local.add_body(RouteBody {
        oif: Some(2),
        protocol: 2,
        kind: RouteKind::Local,
        ..RouteBody::new(FibFamily::Ip4, 255)
    });
    local.push(Prefix::new(own, 32), body);
    let mut tables = network.routes.tables.clone();
    tables.insert(0, Arc::new(local.finish()));
    network.routes = Arc::new(Fib {
        tables,
        other: Vec::new(),
    });
    network.addresses = Arc::new(vec![Address {
        index: 2,
        local: Prefix::new(own, 24),
        peer: None,
        broadcast: None,
        scope: 0,
        flags: 0x80,
        label: None,
        valid_lifetime: None,
        preferred_lifetime: None,
        metric: None,
        protocol: None,
        raw: Vec::new(),
    }]);
    network
}

fn bench(width: u16, height: u16) -> Bench {
    let mut bench = Bench::new(width, height, "dark");
    bench.show(picture(ruleset(), here()));
    bench
}

fn opened(width: u16, height: u16) -> Bench {
    let mut bench = bench(width, height);
    bench.keys("4");
    answer(&mut bench);
    bench
}

const SSH: &str = "--iif eth0 --src 10.0.0.7 --dst 10.0.0.20 --proto tcp --sport 999 --dport 22";
const BLOCKED: &str = "--iif eth0 --src 10.0.0.1 --dst 10.0.0.20 --proto tcp --dport 443";

fn asked(bench: &mut Bench, line: &str) {
    bench.keys("e").text(line).keys("enter");
}

#[test]
fn screens_of_flow_are_as_expected() {
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50)] {
        check(&format!("flow-examples-{size}"), &opened(width, height));
        let mut path = opened(width, height);
        asked(&mut path, SSH);
        check(&format!("flow-path-{size}"), path.keys("p p"));
        check(&format!("flow-hooks-{size}"), path.keys("tab right"));
    }
    let mut form = opened(80, 24);
    check(
        "flow-form",
        form.keys("e").text(BLOCKED).keys("down down down tab"),
    );
    let mut wrong = opened(80, 24);
    wrong
        .keys("e")
        .text("--iif eth0 --src 10.0.0.1 --dst 10.0.0.20 --dport 80");
    check("flow-form-error", wrong.keys("down enter"));
    let mut empty = Bench::new(80, 24, "mono");
    empty
        .show(picture(Ruleset::default(), network(0)))
        .keys("4");
    answer(&mut empty);
    check("flow-empty", &empty);
}

#[test]
fn the_end_comes_first_and_steps_lead_through_the_path() {
    let mut bench = opened(80, 24);
    asked(&mut bench, BLOCKED);
    let told = bench.state.flow.told().expect("a path").clone();
    let end = bench.state.flow.row().expect("a row").row.clone();
    assert_eq!(end.text, told.end);
    assert!(bench.screen().contains(&told.end), "{}", bench.screen());
    // From the end on it begins again, and every step is a place of the diagram.
    bench.keys("n");
    assert_eq!(bench.state.flow.steps.selected, 0);
    assert_eq!(bench.state.flow.station, Station::Ingress);
    let mut last = 0;
    while bench.state.flow.steps.selected >= last && last + 1 < told.rows.len() {
        let row = bench.state.flow.row().expect("a row").row;
        assert_eq!(row.station, bench.state.flow.station);
        last = bench.state.flow.steps.selected + 1;
        bench.keys("n");
    }
    bench.keys("p");
}

#[test]
fn a_rule_of_the_path_opens_in_explore() {
    let mut bench = opened(80, 24);
    asked(&mut bench, SSH);
    let rows = bench.state.flow.rows();
    let place = rows.iter().position(|shown| shown.row.rule.is_some());
    let (key, handle) = rows[place.expect("a rule")].row.rule.clone().unwrap();
    bench.keys("home");
    for _ in 0..place.unwrap() {
        bench.keys("down");
    }
    bench.keys("enter");
    assert_eq!(bench.state.screen, Screen::Explore);
    assert_eq!(bench.state.explore.handle, Some(handle));
    assert!(bench.screen().contains(&*key.chain));
}

#[test]
fn the_form_completes_from_what_the_machine_has() {
    let mut bench = opened(80, 24);
    bench.keys("e up ctrl-u down e t tab");
    let field = |bench: &Bench, place: usize| {
        let form = bench.state.flow.form.as_ref().expect("the form");
        form.fields[place].text().to_owned()
    };
    assert_eq!(field(&bench, 0), "eth0");
    bench.keys("down tab");
    assert_eq!(field(&bench, 1), "10.0.0.20", "its own address");
    bench.keys("tab");
    assert_eq!(field(&bench, 1), "10.0.0.7", "from a connection");
    bench.keys("down down u tab down down tab");
    assert_eq!(field(&bench, 3), "udp");
    assert_eq!(field(&bench, 5), "22");
    let line = bench
        .state
        .flow
        .form
        .as_ref()
        .unwrap()
        .line
        .text()
        .to_owned();
    assert_eq!(line, "--iif eth0 --src 10.0.0.7 --proto udp --dport 22");
    // What is missing is said at its field.
    bench.keys("enter");
    let form = bench.state.flow.form.as_ref().expect("still open");
    assert_eq!(form.name(), Some("dst"));
    assert!(bench.screen().contains("--dst is missing"));
    bench.keys("esc");
    assert!(bench.state.flow.form.is_none());
}

#[test]
fn the_path_is_looked_at_again_when_the_ruleset_changes() {
    let mut bench = opened(80, 24);
    asked(&mut bench, SSH);
    let before = bench.state.flow.told().expect("a path").end.clone();
    let mut changed = ruleset();
    for table in &mut changed.tables {
        for chain in &mut Arc::make_mut(table).chains {
            let chain = Arc::make_mut(chain);
            chain.rules = hookscope::model::RuleList::EMPTY;
            if let Some(base) = &mut chain.base {
                base.policy = Some(hookscope::model::Policy::Drop);
            }
        }
    }
    changed.generation += 1;
    bench.show(picture(changed, here())).tick(3);
    answer(&mut bench);
    let after = bench.state.flow.told().expect("a path").end.clone();
    assert_ne!(before, after);
    assert!(bench.screen().contains("has changed"), "{}", bench.screen());
}

#[test]
fn pending_changes_are_part_of_the_path_when_asked_for() {
    let mut bench = bench(200, 50);
    // The policy of the first chain, and its first rule.
    bench.keys("enter d p 4");
    answer(&mut bench);
    asked(&mut bench, SSH);
    let flow = &bench.state.flow;
    let (now, staged) = flow.both().expect("both paths");
    assert_ne!(now.rows, staged.rows);
    assert_eq!(flow.view, View::Now);
    bench.keys("v");
    assert_eq!(bench.state.flow.view, View::Staged);
    bench.keys("v");
    let rows = bench.state.flow.rows();
    let sides: Vec<Side> = rows.iter().map(|shown| shown.side).collect();
    assert!(sides.contains(&Side::Before) && sides.contains(&Side::After));
    check("flow-both-200x50", &bench);
    // Without changes there is nothing to compare.
    bench.keys("u u").tick(3);
    assert!(bench.state.flow.both().is_none());
    assert_eq!(bench.state.flow.view, View::Now);
}

#[test]
fn other_screens_open_it_with_a_packet() {
    let mut bench = bench(80, 24);
    let question = Question {
        dst: Some([192, 0, 2, 7].into()),
        ..Question::default()
    };
    let mut effects = Vec::new();
    update::show(&mut bench.state, question, &mut effects);
    bench.effects.extend(effects);
    answer(&mut bench);
    assert_eq!(bench.state.screen, Screen::Flow);
    let told = bench.state.flow.told().expect("a path");
    assert!(!matches!(told.fate, Fate::Delivered), "{}", told.end);
    assert_eq!(bench.state.flow.focus, Focus::Steps);
}

/// A packet from eth0 as the kernel told it: the rules that matched in the input chain of the sample.
fn seen(hits: &[(u64, &str, &str)], by_policy: bool, fate: Option<Fate>) -> Arc<Packet> {
    let hit = |(handle, text, verdict): &(u64, &str, &str)| RuleHit {
        chain: "input".into(),
        handle: *handle,
        text: Some((*text).into()),
        verdict: (*verdict).into(),
        depth: 0,
    };
    Arc::new(Packet {
        number: 1,
        id: 7,
        time: SystemTime::UNIX_EPOCH,
        clock: "12:00:01.123456".into(),
        seen: Observed {
            src: Some([10, 0, 0, 7].into()),
            dst: Some([10, 0, 0, 20].into()),
            proto: Some(6),
            sport: Some(999),
            dport: Some(22),
            tcp_flags: Some(2),
            ..Observed::default()
        },
        iif: Some("eth0".into()),
        oif: None,
        local: false,
        continued: false,
        ct: None,
        passes: vec![ChainPass {
            hook: Some("input"),
            kind: Some("filter".into()),
            priority: Some(0),
            family: Family::Ip,
            table: "guard".into(),
            chain: "input".into(),
            hits: hits.iter().map(hit).collect(),
            verdict: if fate == Some(Fate::Dropped) {
                "drop"
            } else {
                "accept"
            }
            .into(),
            by_policy,
            seen: None,
        }],
        fate,
        last: None,
    })
}

/// Live opens the packet on the diagram.
fn on_the_diagram(bench: &mut Bench, packet: Arc<Packet>) {
    bench.keys("5 s");
    bench.send(Event::Live(Feed::Started));
    bench.send(Event::Live(Feed::Packets {
        packets: vec![packet],
        lost: false,
        left_out: 0,
    }));
    bench.keys("p");
    answer(bench);
}

#[test]
fn a_packet_that_was_seen_is_held_against_the_prediction() {
    let as_predicted = [(4, "tcp dport 22 counter accept", "accept")];
    let mut bench = bench(80, 24);
    on_the_diagram(
        &mut bench,
        seen(&as_predicted, false, Some(Fate::Delivered)),
    );
    assert_eq!(
        (bench.state.screen, bench.state.flow.view),
        (Screen::Flow, View::Now)
    );
    let screen = bench.screen();
    assert!(
        screen.contains("delivered to this machine, as predicted"),
        "{screen}"
    );
    bench.keys("v");
    assert_eq!(bench.state.flow.view, View::Real);
    let sides = |bench: &Bench| -> Vec<Side> {
        bench
            .state
            .flow
            .rows()
            .iter()
            .map(|shown| shown.side)
            .collect()
    };
    assert!(
        sides(&bench).iter().all(|side| *side == Side::Same),
        "{}",
        bench.screen()
    );
    // A trace that breaks off says nothing against the prediction.
    on_the_diagram(&mut bench, seen(&as_predicted, false, None));
    assert_eq!(bench.state.flow.view, View::Now);

    // The kernel did something else: that is what one sees.
    let other = [(5, "ip saddr @blocklist counter drop", "drop")];
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50)] {
        let mut bench = self::bench(width, height);
        on_the_diagram(&mut bench, seen(&other, false, Some(Fate::Dropped)));
        assert_eq!(bench.state.flow.view, View::Real);
        let sides = sides(&bench);
        assert!(
            sides.contains(&Side::Before) && sides.contains(&Side::After),
            "{sides:?}"
        );
        check(&format!("flow-real-{size}"), &bench);
        // From the rule of the kernel one comes to Explore.
        bench.keys("enter");
        assert_eq!(bench.state.screen, Screen::Explore);
        assert_eq!(bench.state.explore.handle, Some(5));
    }
    // The policy alone, and no rule.
    on_the_diagram(&mut bench, seen(&[], true, Some(Fate::Dropped)));
    let screen = bench.screen();
    assert!(
        screen.contains("DROPPED by the policy of ip guard input"),
        "{screen}"
    );
    // Another packet has no real path.
    asked(
        &mut bench,
        "--iif eth0 --src 10.0.0.7 --dst 10.0.0.20 --proto tcp --sport 999 --dport 22",
    );
    assert_eq!(bench.state.flow.views(), [View::Now]);
}

#[test]
fn the_session_is_told_which_chains_are_on_the_diagram() {
    let bench = opened(80, 24);
    let shown = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Send(Command::Show(chains)) => Some(chains.clone()),
        _ => None,
    });
    let chains = shown.expect("a list");
    assert!(chains.iter().any(|key| &*key.chain == "input"));
    assert!(
        chains
            .iter()
            .all(|key| key.family == Family::Ip || key.family == Family::Inet)
    );
}

#[test]
fn the_mouse_selects_hooks_steps_and_families() {
    let mut bench = opened(80, 24);
    asked(&mut bench, SSH);
    let click = |bench: &mut Bench, x: u16, y: u16| {
        bench.send(Event::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: x,
            row: y,
            modifiers: KeyModifiers::NONE,
        }));
    };
    let layout = bench.state.flow.layout(bench.state.body());
    let output = layout.area(Station::Output);
    click(&mut bench, output.x + 2, output.y + 1);
    assert_eq!(
        (bench.state.flow.station, bench.state.flow.focus),
        (Station::Output, Focus::Hooks)
    );
    let (family, place) = layout.families()[1];
    click(&mut bench, place.x, place.y);
    assert_eq!(bench.state.flow.family, family);
    bench.keys("tab tab home");
    click(&mut bench, 20, layout.list.y + 2);
    assert_eq!(bench.state.flow.steps.selected, 1);
    click(&mut bench, 20, layout.about.y + 1);
    assert_eq!(bench.state.flow.focus, Focus::About);
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [
        (60, 15),
        (70, 20),
        (80, 24),
        (119, 30),
        (120, 30),
        (132, 43),
        (300, 100),
    ] {
        let mut bench = opened(width, height);
        asked(&mut bench, BLOCKED);
        for keys in [
            "p", "tab", "right", "down", "tab", "down", "a", "a", "a", "a", "e", "down",
        ] {
            bench.keys(keys).screen();
        }
    }
}
