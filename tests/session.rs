//! The live picture against a real kernel: what another process does is seen, soon, and as it is.

mod common;

use common::{hookscope, in_namespace, nft, run};
use hookscope::lang::nft::print;
use hookscope::model::network::Offered;
use hookscope::model::{Elements, Family, Policy};
use hookscope::session::live;
use hookscope::session::picture::{
    ChainKey, Command, Picture, SessionEvent, SessionHandle, Source,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough for the slowest machine; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session on the namespace of a test, and the runtime that it lives on.
struct Watched {
    runtime: tokio::runtime::Runtime,
    session: SessionHandle,
}

impl Watched {
    fn start() -> Watched {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let source = Source::Live {
            host: "test".into(),
            netns: None,
        };
        let session = runtime
            .block_on(async { live::start(source) })
            .expect("a session");
        Watched { runtime, session }
    }

    fn send(&mut self, command: Command) {
        self.runtime
            .block_on(self.session.commands.send(command))
            .expect("the session runs");
    }

    /// Wait for a picture that is right.
    fn until(&mut self, what: &str, mut right: impl FnMut(&Picture) -> bool) -> Arc<Picture> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        self.runtime.block_on(async {
            loop {
                let event = tokio::time::timeout_at(deadline, self.session.events.recv()).await;
                match event.unwrap_or_else(|_| panic!("not seen: {what}")) {
                    Some(SessionEvent::Picture(picture)) if right(&picture) => return picture,
                    Some(_) => {}
                    None => panic!("the session ended before: {what}"),
                }
            }
        })
    }

    fn loaded(&mut self) -> Arc<Picture> {
        self.until("a complete picture", |picture| picture.progress.complete)
    }
}

fn rules(picture: &Picture, chain: &str) -> Option<usize> {
    let table = picture.ruleset.table(Family::Inet, "t")?;
    Some(table.chain(chain)?.rules.len())
}

fn text(picture: &Picture) -> String {
    let mut out = Vec::new();
    let options = print::Options {
        handles: true,
        stateless: true,
        terse: false,
    };
    print::ruleset(&picture.ruleset, &picture.names, options, &mut out).expect("text");
    String::from_utf8(out).expect("text")
}

const BASE: &str =
    "table inet t { chain c { type filter hook input priority 0; policy accept; counter\n}\n}";

#[test]
fn a_rule_of_somebody_else_appears_with_its_maker() {
    in_namespace("a_rule_of_somebody_else_appears_with_its_maker", || {
        nft(BASE);
        let mut watched = Watched::start();
        watched.loaded();
        let started = Instant::now();
        nft("add rule inet t c tcp dport 22 accept");
        let picture = watched.until("the rule", |picture| rules(picture, "c") == Some(2));
        eprintln!("seen {:?} after nft was started", started.elapsed());
        let change = picture.changes.last().expect("a change");
        assert_eq!(change.process.as_deref(), Some("nft"));
        assert!(change.pid.is_some_and(|pid| pid > 1));
        assert!(change.summary.contains("rule"), "{}", change.summary);
        assert_eq!(text(&picture), hookscope(&["show", "-a", "-s"]));
    });
}

#[test]
fn a_reload_of_many_rules_does_not_confuse() {
    in_namespace("a_reload_of_many_rules_does_not_confuse", || {
        nft(BASE);
        let mut watched = Watched::start();
        watched.loaded();
        let reload = |first: u32| {
            let mut file = format!("flush ruleset\n{BASE}\n");
            for number in 0..20_000 {
                file.push_str(&format!(
                    "add rule inet t c ip saddr 10.0.{}.{} drop\n",
                    number / 250,
                    (number + first) % 250
                ));
            }
            nft(&file);
        };
        for first in [0, 7] {
            reload(first);
            let made = hookscope(&["show", "-a", "-s"]);
            let picture = watched.until("20,001 rules", |picture| {
                rules(picture, "c") == Some(20_001) && text(picture) == made
            });
            assert_eq!(picture.ruleset.rule_count(), 20_001);
        }
    });
}

#[test]
fn every_kind_of_change_is_seen() {
    in_namespace("every_kind_of_change_is_seen", || {
        nft(BASE);
        let mut watched = Watched::start();
        watched.loaded();

        nft("chain inet t c { policy drop; }");
        watched.until("the policy", |picture| {
            let table = picture.ruleset.table(Family::Inet, "t");
            let chain = table.and_then(|table| table.chain("c"));
            chain.and_then(|chain| chain.base.as_ref()?.policy) == Some(Policy::Drop)
        });

        // Deleted and made again under the same name in one transaction, and in two.
        nft(
            "delete chain inet t c; add chain inet t c { type filter hook forward priority 7; }; add rule inet t c drop",
        );
        watched.until("the chain made again", |picture| {
            let table = picture.ruleset.table(Family::Inet, "t");
            let chain = table.and_then(|table| table.chain("c"));
            chain.and_then(|chain| Some(chain.base.as_ref()?.priority)) == Some(7)
                && rules(picture, "c") == Some(1)
        });
        nft("delete table inet t");
        watched.until("no table", |picture| picture.ruleset.tables.is_empty());
        nft(BASE);
        nft("add set inet t s { type ipv4_addr; flags timeout; }");
        nft("insert rule inet t c index 0 ip saddr @s drop; add counter inet t n");
        watched.until("set, object, rule", |picture| {
            let Some(table) = picture.ruleset.table(Family::Inet, "t") else {
                return false;
            };
            !table.sets.is_empty() && !table.objects.is_empty() && rules(picture, "c") == Some(2)
        });
        let handle = hookscope(&["show", "-a"]);
        let handle = handle
            .lines()
            .find_map(|line| line.split_once("@s drop # handle "))
            .expect("the rule")
            .1;
        nft(&format!(
            "replace rule inet t c handle {handle} ip saddr @s accept"
        ));
        watched.until("the rule replaced", |picture| {
            text(picture).contains("ip saddr @s accept")
        });
        let picture = watched.loaded();
        assert_eq!(text(&picture), hookscope(&["show", "-a", "-s"]));
    });
}

#[test]
fn an_element_that_expires_goes() {
    in_namespace("an_element_that_expires_goes", || {
        nft(
            "table inet t { set s { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 2s, 10.0.0.2 }\n}\n}",
        );
        let mut watched = Watched::start();
        watched.loaded();
        let wanted = Command::ReadElements {
            family: Family::Inet,
            table: "t".into(),
            set: "s".into(),
        };
        let count =
            |picture: &Picture| match &picture.ruleset.table(Family::Inet, "t")?.set("s")?.elements
            {
                Elements::Read(list) => Some(list.len()),
                Elements::NotRead => None,
            };
        watched.send(wanted);
        watched.until("both elements", |picture| count(picture) == Some(2));
        // The kernel says nothing when it goes: it is read again by and by.
        watched.until("one element", |picture| count(picture) == Some(1));
        nft("add element inet t s { 10.0.0.3, 10.0.0.4 }");
        watched.until("elements of somebody else", |picture| {
            count(picture) == Some(3)
        });
        nft("delete element inet t s { 10.0.0.2 }");
        watched.until("an element less", |picture| count(picture) == Some(2));
    });
}

#[test]
fn counters_move_and_have_rates() {
    in_namespace("counters_move_and_have_rates", || {
        assert!(run("ip", &["link", "set", "lo", "up"], "").status.success());
        nft(BASE);
        let mut watched = Watched::start();
        watched.loaded();
        let chain = ChainKey {
            family: Family::Inet,
            table: "t".into(),
            chain: "c".into(),
        };
        watched.send(Command::Interval(Duration::from_millis(200)));
        watched.send(Command::Show(vec![chain.clone()]));
        let running = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let sender = std::thread::spawn({
            let running = running.clone();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            move || {
                while running.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = socket.send_to(b"hello", "127.0.0.1:9");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        let picture = watched.until("a rate", |picture| {
            picture
                .rates
                .rules
                .iter()
                .any(|(key, history)| key.chain == chain && history.now.packets > 10.0)
        });
        running.store(false, std::sync::atomic::Ordering::Relaxed);
        sender.join().expect("the sender");
        let history = picture.rates.rules.values().next().expect("a history");
        assert!(
            history.now.bytes > history.now.packets * 20.0,
            "{:?}",
            history.now
        );
    });
}

#[test]
fn links_and_routes_are_followed() {
    in_namespace("links_and_routes_are_followed", || {
        let mut watched = Watched::start();
        watched.loaded();
        for words in [
            &["link", "add", "one", "type", "veth", "peer", "name", "two"][..],
            &["address", "add", "192.0.2.1/24", "dev", "one"],
            &["link", "set", "one", "up"],
            &["link", "set", "two", "up"],
            &["route", "add", "198.51.100.0/24", "via", "192.0.2.2"],
            &["rule", "add", "fwmark", "5", "table", "77"],
        ] {
            assert!(run("ip", words, "").status.success(), "{words:?}");
        }
        watched.until("the route and the rule", |picture| {
            let network = &picture.network;
            let routes = network.routes.tables.iter().flat_map(|table| table.iter());
            network.link_by_name("one").is_some()
                && network.rules.iter().any(|rule| rule.table == 77)
                && routes
                    .map(|route| route.destination.to_string())
                    .any(|prefix| prefix == "198.51.100.0/24")
        });
        // The kernel tells of no route that goes with its link.
        assert!(
            run("ip", &["link", "set", "one", "down"], "")
                .status
                .success()
        );
        watched.until("the route gone", |picture| {
            let mut routes = picture
                .network
                .routes
                .tables
                .iter()
                .flat_map(|table| table.iter());
            !routes.any(|route| route.destination.to_string() == "198.51.100.0/24")
        });
    });
}

#[test]
fn what_tells_nobody_is_read_too() {
    in_namespace("what_tells_nobody_is_read_too", || {
        nft(BASE);
        let mut watched = Watched::start();
        let picture = watched.loaded();
        let taken = hookscope::session::snapshot::take(None).expect("a snapshot");
        for network in [&picture.network, &taken.network] {
            assert!(network.sysctls.number("net/ipv4/ip_forward").is_some());
            assert!(
                network
                    .sysctls
                    .interface("ipv4", "lo", "rp_filter")
                    .is_some()
            );
            assert_ne!(network.hooks.offered, Offered::Unasked);
        }
        // Not in every kernel: where it is, its tables are seen.
        if run("iptables-legacy", &["-t", "nat", "-L"], "")
            .status
            .success()
        {
            let taken = hookscope::session::snapshot::take(None).expect("a snapshot");
            let tables = taken.network.legacy_tables.ip.clone().unwrap_or_default();
            assert!(tables.iter().any(|name| &**name == "nat"), "{tables:?}");
        }
    });
}
