//! The interface as a person meets it: keys in, screens out. Expected screens are in `tests/tui/screens`;
//! `BLESS=1 cargo test --test tui` writes them anew.

#[path = "tui/sample.rs"]
mod sample;

#[path = "tui/flow.rs"]
mod flow;

#[path = "tui/changes.rs"]
mod changes;
#[path = "tui/flows.rs"]
mod flows;
#[path = "tui/iptables.rs"]
mod iptables;
#[path = "tui/live.rs"]
mod live;
#[path = "tui/services.rs"]
mod services;

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use hookscope::model::{Family, Policy, Ruleset};
use hookscope::session::{Command, Progress};
use hookscope::tui::screen::explore::Pane;
use hookscope::tui::{Effect, Event};
use sample::{Bench, chain, counter, network, picture, rule, ruleset, set, table, verdict};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

fn bench(width: u16, height: u16) -> Bench {
    let mut bench = Bench::new(width, height, "dark");
    bench.show(picture(ruleset(), network(0)));
    bench
}

fn check(name: &str, bench: &Bench) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/tui/screens/{name}.txt"));
    let screen = bench.screen();
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &screen).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(screen, expected, "screen {name}:\n{screen}");
}

#[test]
fn screens_are_as_expected() {
    check("explore-80x24-tree", &bench(80, 24));
    check("explore-80x24-rules", bench(80, 24).keys("enter down"));
    check("explore-200x50", bench(200, 50).keys("enter"));
    check(
        "explore-set",
        bench(80, 24).keys("f").text("blocklist").keys("enter"),
    );
    check("explore-table", bench(100, 30).keys("up"));
    check("help", bench(80, 24).keys("?"));
    check("palette", bench(80, 24).keys(":").text("fre"));
    check("find", bench(80, 24).keys("f").text("443"));
    check("routes-80x24", bench(80, 24).keys("2"));
    check("routes-200x50", bench(200, 50).keys("2 tab"));
    check("too-small", &bench(50, 12));
    let mut mono = Bench::new(80, 24, "mono");
    check("mono", mono.show(picture(ruleset(), network(0))));
    let mut empty = Bench::new(80, 24, "dark");
    check("empty", empty.show(picture(Ruleset::default(), network(0))));
    check("before-the-first-picture", &Bench::new(80, 24, "dark"));
}

#[test]
fn loading_is_usable_and_shows_how_far_it_is() {
    let mut bench = Bench::new(80, 24, "dark");
    let mut loading = (*picture(ruleset(), network(0))).clone();
    loading.progress = Progress {
        step: "rules".into(),
        done: 1,
        total: 4,
        complete: false,
    };
    bench.show(Arc::new(loading)).keys("enter");
    let screen = bench.screen();
    assert!(screen.contains("rules 25%"), "{screen}");
    assert!(screen.contains("tcp dport 22"), "{screen}");
}

#[test]
fn nothing_from_the_kernel_reaches_the_terminal_raw() {
    let screen = bench(200, 50).screen();
    assert!(screen.contains("bad\\xff\\x1b[31mname"), "{screen}");
    assert!(!screen.contains('\x1b'));
}

#[test]
fn jumps_can_be_followed_and_taken_back() {
    let mut bench = bench(80, 24);
    bench.keys("enter down down enter");
    assert!(bench.screen().contains("ip guard › web"));
    assert!(bench.screen().contains("from input #6"));
    bench.keys("backspace");
    assert!(bench.screen().contains("ip guard › input"));
    assert_eq!(bench.state.explore.handle, Some(6));
}

#[test]
fn the_session_is_told_what_is_on_the_screen() {
    let bench = bench(80, 24);
    let shown = bench.effects.iter().find_map(|effect| match effect {
        Effect::Send(Command::Show(chains)) => Some(chains.clone()),
        _ => None,
    });
    assert_eq!(&*shown.unwrap()[0].chain, "input");
}

#[test]
fn the_cursor_stays_on_its_rule_when_rules_come_and_go() {
    let mut bench = bench(80, 24);
    bench.keys("enter down down");
    let mut changed = ruleset();
    let table = Arc::make_mut(&mut changed.tables[0]);
    let input = Arc::make_mut(&mut table.chains[0]);
    let mut rules = hookscope::model::RuleList::default();
    rules.push(99, &rule(|l| verdict(l, 1, None)));
    for old in input.rules.iter().skip(1) {
        rules.push(old.handle, old.attributes);
    }
    rules.read = true;
    input.rules = rules;
    changed.generation = 8;
    bench.show(picture(changed, network(0)));
    assert_eq!(bench.state.explore.handle, Some(6));
    assert_eq!(bench.state.explore.list.selected, 2);
}

#[test]
fn frozen_means_frozen() {
    let mut bench = bench(80, 24);
    bench.keys("space").tick(3);
    bench.show(picture(Ruleset::default(), network(0)));
    assert!(bench.screen().contains("FROZEN 3s"));
    assert!(bench.screen().contains("tcp dport 22"));
    bench.keys("space");
    assert!(bench.screen().contains("No firewall here"));
}

#[test]
fn rules_can_be_sorted_searched_and_copied() {
    let mut bench = bench(80, 24);
    bench.keys("enter s s");
    assert!(bench.screen().contains("▼pkts"));
    bench.keys("s s /").text("blocklist");
    assert_eq!(bench.state.explore.list.selected, 1);
    assert!(bench.screen().contains("1 match"));
    bench.keys("enter y Y");
    let copied: Vec<String> = bench
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Copy(text) => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        copied,
        [
            "ip saddr @blocklist counter packets 1203 bytes 90233 drop",
            "5"
        ]
    );
}

#[test]
fn the_mouse_does_what_keys_do() {
    let mut bench = bench(80, 24);
    let mouse = |kind, column, row| {
        Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let click = |column, row| mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    bench.send(click(16, 1));
    assert!(bench.screen().contains("Where would it go?"));
    bench.send(click(3, 1));
    bench.send(click(50, 6));
    assert_eq!(bench.state.explore.focus, Pane::Main);
    assert_eq!(bench.state.explore.list.selected, 1);
    bench.send(mouse(MouseEventKind::ScrollDown, 40, 8));
    bench.keys("left").send(click(12, 6));
    assert!(bench.screen().contains("ip guard › output"));
}

#[test]
fn a_route_can_be_asked_for() {
    let mut bench = bench(80, 24);
    bench.keys("2 L").text("192.0.2.7 mark 5").keys("enter");
    let Some(Effect::Send(Command::RouteGet { ticket, query })) = bench.effects.last() else {
        panic!("no question: {:?}", bench.effects);
    };
    assert_eq!(query.mark, Some(5));
    let answer = hookscope::session::SessionEvent::RouteAnswer {
        ticket: *ticket,
        answer: Ok("blackhole 192.0.2.7".into()),
    };
    bench.send(Event::Session(answer));
    assert!(bench.screen().contains("blackhole 192.0.2.7"));
}

#[test]
fn every_key_on_every_screen_at_every_size_is_survived() {
    let keys = "down up enter esc tab enter d d s s b b / x esc ? esc : esc f esc right left l h G g \
                pgdn pgup end home y Y space space n N backspace ! esc m m + - r ] [ C backtab 2 L esc down";
    for (width, height) in [(80, 24), (60, 15), (200, 50), (10, 3), (1, 1), (110, 30)] {
        for sample in [ruleset(), Ruleset::default()] {
            let mut bench = Bench::new(width, height, "16");
            bench.keys(keys);
            bench.show(picture(sample, network(3)));
            for _ in 0..3 {
                for key in keys.split_whitespace() {
                    bench.keys(key);
                    bench.screen();
                }
                bench.keys("1 enter down");
            }
        }
    }
}

/// 100,000 rules, 30,000 chains, a million routes, a set of 200,000: how long a key takes to the screen.
#[test]
fn a_large_ruleset_is_walked_like_a_small_one() {
    let rules: Vec<Vec<u8>> = (0..100_000u64)
        .map(|place| {
            rule(|l| {
                sample::tcp_dport(l, place as u16);
                counter(l, place, place * 60);
                verdict(l, 1, None);
            })
        })
        .collect();
    let mut chains = vec![chain(
        "huge",
        Some(("filter", 1, 0, Policy::Accept)),
        &rules,
    )];
    chains.extend((0..30_000).map(|place| chain(&format!("KUBE-SVC-{place:06X}"), None, &[])));
    let tables = vec![table(Family::Ip, "kube", chains, vec![set("big", 200_000)])];
    let big = Ruleset {
        generation: 1,
        tables,
        ..Ruleset::default()
    };
    let mut bench = Bench::new(200, 50, "dark");
    bench.show(picture(big.clone(), network(1_000_000)));
    // How fast is a matter of the benches; here keys at any size do what they do at a small one.
    let press = |bench: &mut Bench, keys: &str| {
        for key in keys.split_whitespace() {
            bench.keys(key);
            bench.screen();
        }
    };
    press(&mut bench, "enter enter down down pgdn G pgup g");
    press(&mut bench, "left up right down enter down down G pgup");
    press(&mut bench, "2 tab down G pgup g");
    bench.keys("1 f");
    bench.text("10.0.0.9 33.7");
    assert!(bench.screen().contains("33.7."));
    bench.keys("esc 1");
    // Counters have changed, nothing else: this happens every second.
    let mut counted = big;
    Arc::make_mut(
        Arc::make_mut(&mut counted.tables[0])
            .chains
            .first_mut()
            .unwrap(),
    );
    let next = picture(counted, network(0));
    hookscope::tui::update(
        &mut bench.state,
        Event::Session(hookscope::session::SessionEvent::Picture(next)),
    );
    assert!(bench.screen().contains("tcp dport 0 counter"));
}

#[test]
fn a_change_by_somebody_is_told_with_its_maker() {
    let mut bench = bench(120, 24);
    let mut next = Arc::unwrap_or_clone(picture(ruleset(), network(0)));
    next.changes = Arc::new(vec![hookscope::session::Change {
        at: std::time::SystemTime::UNIX_EPOCH,
        generation: 9,
        pid: Some(4711),
        process: Some("nft".into()),
        summary: "+rule inet filter input".into(),
    }]);
    bench.show(Arc::new(next.clone()));
    let told = "± nft[4711]  +rule inet filter input";
    assert!(
        bench
            .screen()
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains(told))
    );
    // The same picture again is no news; the change is kept among the messages.
    bench.show(Arc::new(next));
    assert_eq!(bench.state.notices.len(), 1);
    assert!(bench.keys("!").screen().contains("nft[4711]"));
}
