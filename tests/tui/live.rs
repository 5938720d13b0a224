//! Live, as far as no kernel is needed for it: what keys start, and what packets look like.

use super::sample::Bench;
use super::{bench, check};
use hookscope::flow::observed::Observed;
use hookscope::flow::report::Fate;
use hookscope::model::Family;
use hookscope::session::watch::{ChainPass, Packet, RuleHit};
use hookscope::tui::screen::live::{Feed, Running};
use hookscope::tui::{Effect, Event};
use std::sync::Arc;
use std::time::SystemTime;

fn hit(chain: &str, handle: u64, text: &str, verdict: &str, depth: usize) -> RuleHit {
    RuleHit {
        chain: chain.into(),
        handle,
        text: Some(text.into()),
        verdict: verdict.into(),
        depth,
    }
}

fn packet(number: u64, fate: Option<Fate>) -> Arc<Packet> {
    let dropped = fate == Some(Fate::Dropped);
    let last = if dropped {
        hit(
            "services",
            12,
            "tcp dport 23 counter drop comment \"no telnet, 電話\"",
            "drop",
            1,
        )
    } else {
        hit("input", 7, "tcp dport { 22, 80, 443 } accept", "accept", 0)
    };
    Arc::new(Packet {
        number,
        id: 0x1234,
        time: SystemTime::UNIX_EPOCH,
        clock: format!("12:00:{:02}.123456", number % 60),
        seen: Observed {
            src: Some("192.0.2.77".parse().unwrap()),
            dst: Some("198.51.100.2".parse().unwrap()),
            proto: Some(6),
            sport: Some(40_000),
            dport: Some(if dropped { 23 } else { 443 }),
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
            family: Family::Inet,
            table: "filter".into(),
            chain: "input".into(),
            hits: vec![hit("input", 6, "jump services", "jump services", 0), last],
            verdict: if dropped {
                "drop".into()
            } else {
                "accept".into()
            },
            by_policy: false,
            seen: None,
        }],
        fate,
        last: None,
    })
}

fn feed(bench: &mut Bench, packets: Vec<Arc<Packet>>) {
    bench.send(Event::Live(Feed::Packets {
        packets,
        lost: false,
        left_out: 0,
    }));
}

fn watched(bench: &Bench) -> Option<bool> {
    bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Watch(options) => Some(options.is_some()),
        _ => None,
    })
}

/// Started, with packets.
fn running(width: u16, height: u16) -> Bench {
    let mut bench = bench(width, height);
    bench.keys("5 s");
    bench.send(Event::Live(Feed::Started));
    feed(
        &mut bench,
        vec![
            packet(1, Some(Fate::Delivered)),
            packet(2, Some(Fate::Dropped)),
            packet(3, None),
        ],
    );
    bench
}

#[test]
fn screens_of_live_are_as_expected() {
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50)] {
        let mut empty = bench(width, height);
        empty.keys("5");
        check(&format!("live-empty-{size}"), &empty);
        let mut list = running(width, height);
        check(&format!("live-list-{size}"), &list);
        list.keys("down enter");
        check(&format!("live-path-{size}"), &list);
    }
    let mut filter = bench(80, 24);
    filter.keys("5 i").text("proto icmp dport 80");
    filter.keys("enter");
    check("live-filter-error", &filter);
}

#[test]
fn nothing_is_installed_until_the_person_starts_it() {
    let mut bench = bench(80, 24);
    bench.keys("5");
    assert_eq!(watched(&bench), None);
    bench.keys("s");
    assert_eq!(watched(&bench), Some(true));
    bench.send(Event::Live(Feed::Started));
    bench.keys("s");
    assert_eq!(watched(&bench), Some(false));
    bench.send(Event::Live(Feed::Stopped(None)));
    assert_eq!(bench.state.live.running, Running::No);
}

#[test]
fn the_filter_has_the_words_of_watch() {
    let mut bench = bench(80, 24);
    bench
        .keys("5 i")
        .text("--proto tcp --dport 443 --src 10.0.0.0/8");
    bench.keys("enter s");
    let options = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Watch(Some(options)) => Some(options.clone()),
        _ => None,
    });
    let filter = options.expect("a watch").filter;
    assert_eq!(filter.options(), "--src 10.0.0.0/8 --proto tcp --dport 443");
}

#[test]
fn a_paused_list_holds_still_and_the_selected_packet_stays() {
    let mut bench = running(80, 24);
    bench.keys("down");
    let selected = |bench: &Bench| bench.state.live.selected().map(|packet| packet.number);
    assert_eq!(selected(&bench), Some(2));
    feed(&mut bench, vec![packet(4, Some(Fate::Delivered))]);
    assert_eq!(selected(&bench), Some(2));
    bench.keys("space");
    feed(&mut bench, vec![packet(5, Some(Fate::Dropped))]);
    assert_eq!(bench.state.live.shown().count(), 4);
    bench.keys("space");
    assert_eq!(bench.state.live.shown().count(), 5);
    bench.keys("d");
    assert_eq!(bench.state.live.shown().count(), 2);
    bench.keys("r");
    assert_eq!(bench.state.screen, hookscope::tui::app::Screen::Explore);
    bench.keys("5");
    let question = bench.state.live.question().expect("a question");
    assert_eq!(question.iif.as_deref(), Some("eth0"));
    assert_eq!(question.dport, Some(23));
}

#[test]
fn memory_is_bounded() {
    let mut bench = running(80, 24);
    for batch in 0..20 {
        let packets = (0..200)
            .map(|place| packet(batch * 200 + place, None))
            .collect();
        feed(&mut bench, packets);
    }
    assert_eq!(bench.state.live.shown().count(), 2_000);
}
