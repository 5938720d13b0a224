//! Changing routes, rules, neighbours and next hops on the real kernel, with `ip` as the judge.
//!
//! What hookscope makes of random commands must equal what `ip` makes of them, command by command; a list in which
//! one is refused must leave no trace; and what was applied must go again without one.

#[allow(dead_code)]
#[path = "../src/cli/route/mod.rs"]
mod cli;
mod common;
#[allow(dead_code)]
mod random;
#[path = "../src/cli/safety.rs"]
mod safety;

use cli::change::{ChangeError, Options, Outcome, apply_text, apply_words};
use common::{in_namespace, run};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::route::{read_links, read_network};
use hookscope::lang::route::{Context, Names, ParseContext, parse_batch, route_line};
use hookscope::model::network::Network;
use hookscope::session::names::read_names;
use hookscope::stage::route as stage;
use random::Random;
use safety::Safety;
use std::fmt::Write;
use std::sync::mpsc;

fn ip(arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    String::from_utf8_lossy(&run("ip", &words, "").stdout).into_owned()
}

/// The devices of `random`, once the kernel has done what it does when links come up.
fn make_devices() {
    run("ip", &["-force", "-batch", "-"], &random::devices());
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
    panic!("the devices did not come up");
}

/// Everything that `ip` shows, without what changes by itself.
fn state() -> String {
    let mut text = String::new();
    for question in [
        "nexthop",
        "rule",
        "-6 rule",
        "route show table all",
        "-6 route show table all",
        "neigh",
        "neigh show proxy",
    ] {
        let answer = ip(question);
        let _ = writeln!(text, "## {question}");
        // The kernel makes the multicast routes of devices whenever their links come up, in any order.
        let lasting = answer.lines().filter(|line| !line.contains("ff00::/8"));
        let mut lines: Vec<String> = lasting.map(ageless).collect();
        if question.contains("neigh") {
            lines.sort();
        }
        text.push_str(&lines.join("\n"));
        text.push('\n');
    }
    text
}

/// States that the kernel moves on from, and seconds that pass.
fn ageless(line: &str) -> String {
    let mut line = line.to_owned();
    for state in [
        "REACHABLE",
        "STALE",
        "DELAY",
        "PROBE",
        "INCOMPLETE",
        "FAILED",
    ] {
        if let Some(rest) = line.strip_suffix(state) {
            line = format!("{rest}(moving)");
        }
        let with_blank = format!("{state} ");
        if let Some(rest) = line.strip_suffix(&with_blank) {
            line = format!("{rest}(moving)");
        }
    }
    match line.split_once("expires ") {
        Some((before, after)) => {
            let rest = after.split_once("sec").map_or("", |(_, rest)| rest);
            format!("{before}expires{rest}")
        }
        None => line,
    }
}

fn assert_same(ours: &str, theirs: &str, what: &str) {
    if ours != theirs {
        let differing: Vec<_> = ours
            .lines()
            .zip(theirs.lines())
            .filter(|(a, b)| a != b)
            .collect();
        panic!(
            "{what}: {:#?}, {} and {} lines",
            &differing[..differing.len().min(3)],
            ours.lines().count(),
            theirs.lines().count()
        );
    }
}

/// Six seeds from `first` on; more with `HOOKSCOPE_SEEDS`, for a longer search.
fn seeds(first: u64) -> std::ops::Range<u64> {
    let count = std::env::var("HOOKSCOPE_SEEDS").ok();
    first..first + count.and_then(|count| count.parse().ok()).unwrap_or(6)
}

/// A random command as `ip` takes it behind its options.
fn command(random: &mut Random) -> String {
    match random.below(24) {
        0..=6 => {
            let verb = ["add", "append", "prepend", "replace", "change"][random.below(5) as usize];
            let route = random.route();
            format!(
                "route {verb} {}",
                route.strip_prefix("-6 ").unwrap_or(&route)
            )
        }
        7..=10 => {
            let verb = ["append", "replace"][random.below(2) as usize];
            let route = random.route();
            format!(
                "route {verb} {}",
                route.strip_prefix("-6 ").unwrap_or(&route)
            )
        }
        11..=13 => {
            // Some deletions say more than the destination, some things that do not fit.
            let route = random.route();
            let route = route.strip_prefix("-6 ").unwrap_or(&route);
            let keep = random.below(3) as usize * 2 + 1;
            let words: Vec<&str> = route.split(' ').collect();
            let full = words.iter().any(|word| {
                [
                    "encap",
                    "nexthop",
                    "blackhole",
                    "unreachable",
                    "prohibit",
                    "throw",
                ]
                .contains(word)
            });
            let keep = if full {
                words.len()
            } else {
                keep.min(words.len())
            };
            format!("route del {}", words[..keep].join(" "))
        }
        14..=16 => {
            let rule = random.rule();
            format!("rule add {rule}")
        }
        17 => format!("rule del pref {}", random.below(30) * 1000 + 1),
        18 => {
            let rule = random.rule();
            let rule = rule.split(" pref ").next().unwrap_or_default();
            format!("rule {} {rule}", ["add", "del"][random.below(2) as usize])
        }
        19..=20 => {
            let verb = ["add", "replace", "change", "del"][random.below(4) as usize];
            let host = random.below(4) + 50;
            let device = ["v0", "v1"][random.below(2) as usize];
            let address = match random.below(3) {
                0 => format!("2001:db8::{host}"),
                _ => format!("192.0.2.{host}"),
            };
            let mut line = format!("neigh {verb} {address} dev {device}");
            if verb != "del" {
                let _ = write!(line, " lladdr 02:00:00:00:00:{:02x}", random.below(256));
                let state = [
                    "",
                    " nud permanent",
                    " nud noarp",
                    " nud stale router",
                    " proto static",
                    " extern_learn nud stale",
                ];
                line.push_str(state[random.below(6) as usize]);
            }
            line
        }
        21 => {
            let verb = ["add", "del"][random.below(2) as usize];
            format!("neigh {verb} proxy 192.0.2.{} dev v0", random.below(4) + 90)
        }
        22 => {
            let id = random.below(4) + 40;
            match random.below(4) {
                0 => format!(
                    "nexthop add id {id} via 192.0.2.{} dev v0",
                    random.below(9) + 100
                ),
                1 => format!(
                    "nexthop replace id {id} via 192.0.2.{} dev v0 proto bgp",
                    random.below(9) + 100
                ),
                2 => format!("nexthop add id {} group 1,3/2", id + 10),
                _ => format!("nexthop add id {id} blackhole"),
            }
        }
        _ => {
            let known = ["1", "2", "3", "5", "10", "11", "21", "30", "40", "41", "50"];
            format!("nexthop del id {}", known[random.below(11) as usize])
        }
    }
}

fn commands(random: &mut Random, count: usize) -> Vec<String> {
    (0..count).map(|_| command(random)).collect()
}

/// Commands that leave the routes to the gateways alone: a next hop that was made when its gateway could be reached
/// stays when it no longer can, but the kernel does not let anybody make it again.
fn harmless(random: &mut Random, count: usize) -> Vec<String> {
    let mut lines = commands(random, count);
    lines.retain(|line| {
        let refusing = ["blackhole", "unreachable", "prohibit"];
        let refuses = line.starts_with("rule") && refusing.iter().any(|word| line.contains(word));
        !refuses && !line.contains("2001:db8:0:0::/6") && !line.contains("2001:db8:0::/48")
    });
    lines
}

fn is_rule6(line: &str) -> bool {
    line.starts_with("rule") && (line.contains("::") || line.contains("2001:"))
}

/// Tests leave nothing in the machine's journal.
fn unlogged() -> hookscope::stage::commit::Options<'static> {
    hookscope::stage::commit::Options {
        unlogged: true,
        ..Default::default()
    }
}

/// Apply a text as one change set.
fn ours(text: &str) -> Result<Outcome, ChangeError> {
    let names = read_names();
    apply_text(
        text,
        &Options {
            names: &names,
            family: None,
            check: false,
            read_only: false,
            commit: unlogged(),
            safety: &Safety::default(),
        },
    )
}

#[test]
fn each_command_does_what_ip_does() {
    for seed in seeds(100) {
        let mut random = Random::new(seed);
        random.mixed = false;
        let lines = commands(&mut random, 250);
        let (send, receive) = mpsc::channel();
        let theirs = lines.clone();
        in_namespace("each_command_does_what_ip_does", move || {
            make_devices();
            let mut failed = Vec::new();
            let mut states = Vec::new();
            for (place, line) in theirs.iter().enumerate() {
                let mut words: Vec<&str> = line.split(' ').collect();
                if is_rule6(line) {
                    words.insert(0, "-6");
                }
                let output = run("ip", &words, "");
                if !output.status.success() {
                    failed.push((
                        line.clone(),
                        String::from_utf8_lossy(&output.stderr).into_owned(),
                    ));
                }
                if place % 25 == 24 {
                    states.push(state());
                }
            }
            send.send((failed, states)).expect("a listener");
        });
        let Ok((theirs_failed, theirs)) = receive.recv() else {
            return;
        };
        in_namespace("each_command_does_what_ip_does", move || {
            make_devices();
            let mut failed = Vec::new();
            let mut states = Vec::new();
            for (place, line) in lines.iter().enumerate() {
                if let Err(error) = ours(line) {
                    failed.push((line.clone(), error.to_string()));
                }
                if place % 25 == 24 {
                    states.push(state());
                }
            }
            for (ours, theirs) in failed.iter().zip(&theirs_failed) {
                assert_eq!(
                    ours.0, theirs.0,
                    "seed {seed}: ours {ours:#?} theirs {theirs:#?}"
                );
            }
            assert_eq!(
                failed.len(),
                theirs_failed.len(),
                "{failed:?} {theirs_failed:?}"
            );
            assert!(
                lines.len() - failed.len() > 80,
                "too few commands are good: {failed:#?}"
            );
            for (place, (ours, theirs)) in states.iter().zip(&theirs).enumerate() {
                assert_same(
                    ours,
                    theirs,
                    &format!("seed {seed}, after command {}", (place + 1) * 25),
                );
            }
        });
    }
}

/// Those of the commands that can follow one another, found by making them.
fn good_commands(random: &mut Random, count: usize) -> Vec<String> {
    let mut good = Vec::new();
    for line in harmless(random, count) {
        if ours(&line).is_ok() {
            good.push(line);
        }
    }
    good
}

#[test]
fn what_was_applied_goes_again() {
    for seed in seeds(300) {
        in_namespace("what_was_applied_goes_again", move || {
            make_devices();
            let mut random = Random::new(seed);
            random.mixed = false;
            let _ = good_commands(&mut random, 150);
            let start = state();
            let good = good_commands_then_back(&mut random, &start, seed);
            assert!(good > 20, "{good}");
        });
    }
}

/// Apply good commands one by one, take them back last first; then the same as one list, as one list with a
/// refusal at its end, and after a crash in its middle.
fn good_commands_then_back(random: &mut Random, start: &str, seed: u64) -> usize {
    let mut journal = Vec::new();
    let mut good = Vec::new();
    for line in harmless(random, 80) {
        if let Ok(Outcome::Applied(applied)) = ours(&line) {
            journal.push(applied);
            good.push(line);
        }
    }
    for (applied, line) in journal.iter().zip(&good).rev() {
        let undone = stage::undo(&applied.plan.before).expect("the kernel answers");
        assert!(undone.failed.is_empty(), "seed {seed}: {line}: {undone}");
    }
    assert_same(
        &state(),
        start,
        &format!("seed {seed}, one by one: {good:#?}"),
    );

    let text = good.join("\n");
    let applied = match ours(&text) {
        Ok(Outcome::Applied(applied)) => applied,
        other => panic!("seed {seed}: {other:?}"),
    };
    let changed = state();
    assert_ne!(changed, start);
    // As a guard would do it that has kept the plan in a file.
    let mut bytes = Vec::new();
    ciborium::into_writer(&applied.plan, &mut bytes).expect("a file");
    let plan: stage::Plan = ciborium::from_reader(&*bytes).expect("a plan");
    assert_eq!(plan, applied.plan);
    let undone = stage::undo(&plan.before).expect("the kernel answers");
    assert!(undone.failed.is_empty(), "seed {seed}: {undone}\n{text}");
    assert_same(
        &state(),
        start,
        &format!("seed {seed}, as a list: {good:#?}"),
    );

    let bad = format!("{text}\nroute add 10.99.0.0/16 nhid 999");
    match ours(&bad) {
        Err(ChangeError::Refused(refusal)) => {
            assert_eq!(refusal.refused.index(), Some(good.len()));
            let words = refusal.to_string();
            assert!(words.contains("10.99.0.0/16"), "{words}");
            assert!(words.contains("has been taken back"), "{words}");
        }
        other => panic!("seed {seed}: {other:?}"),
    }
    assert_same(&state(), start, &format!("seed {seed}, refused: {good:#?}"));

    // Dead in the middle: only some of the changes were made.
    let half = stage::Plan {
        changes: applied.plan.changes[..good.len() / 2].to_vec(),
        before: applied.plan.before.clone(),
    };
    stage::apply(half, true).expect("as before");
    let undone = stage::undo(&applied.plan.before).expect("the kernel answers");
    assert!(undone.failed.is_empty(), "{undone}");
    assert_same(&state(), start, &format!("seed {seed}, crashed: {good:#?}"));
    good.len()
}

#[test]
fn refusals_name_the_command_and_the_kernel_says_why() {
    in_namespace("refusals", || {
        make_devices();
        let start = state();
        for (text, words) in [
            (
                "route add 10.0.0.0/8 via 172.31.0.1",
                "Nexthop has invalid gateway",
            ),
            (
                "route add 192.0.2.0/24 dev v0 scope link src 192.0.2.1 proto kernel",
                "there is one already",
            ),
            ("route add 10.0.0.1/8 dev v0", "Invalid prefix"),
            ("route del 10.0.0.0/8", "no such route"),
            ("rule del pref 77", "no such rule"),
            ("neigh add 192.0.2.9 lladdr 02:00 dev v0", "Invalid"),
            ("route add 10.0.0.0/8 nhid 999", "Nexthop id does not exist"),
            ("nexthop add id 10 group 1/2", "there is one already"),
        ] {
            let text = format!("# first\nroute add 10.77.0.0/16 dev v0\n{text}\n");
            let error = ours(&text).expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
            assert!(error.contains("change 2 of 2, line 3"), "{error}");
            assert_same(&state(), &start, &text);
        }
        let names = read_names();
        let options = Options {
            names: &names,
            family: None,
            check: false,
            read_only: true,
            commit: unlogged(),
            safety: &Safety::default(),
        };
        let words: Vec<String> = "route add 10.0.0.0/8 dev v0"
            .split(' ')
            .map(str::to_owned)
            .collect();
        let error = apply_words(&words, &options).expect_err("read only");
        assert!(error.to_string().contains("--read-only"), "{error}");
        let checked = apply_text(
            "route add 10.0.0.0/8 dev v0",
            &Options {
                check: true,
                ..options.clone()
            },
        );
        assert!(matches!(checked, Ok(Outcome::Checked { changes: 1, .. })));
        let error = apply_text("route add 10.0.0.0/8 dev v9\nrule ad\nrule dd", &options)
            .expect_err("words");
        let error = error.to_string();
        assert!(
            error.contains("3 mistakes") && error.contains("'v9'") && error.contains("line 3"),
            "{error}"
        );
        assert_same(&state(), &start, "nothing was done");
    });
}

#[test]
fn a_plan_notices_who_was_faster() {
    in_namespace("a_plan_notices_who_was_faster", || {
        make_devices();
        let links =
            read_links(&mut Socket::open(Protocol::Route).expect("a socket")).expect("links");
        let names = read_names();
        let context = ParseContext {
            names: &names,
            links: &links,
            family: None,
        };
        let parsed = parse_batch("route add 10.0.0.0/8 dev v0 metric 5", &context).expect("words");
        let changes = parsed.into_iter().map(|one| one.change).collect();
        let plan = stage::plan(changes, &read_network(|_| {}).expect("a network"));
        ip("route add 10.0.0.0/8 dev v1 metric 7");
        let refused = stage::apply(plan.clone(), true).expect_err("moved");
        assert!(
            refused
                .to_string()
                .contains("somebody changed the routes to 10.0.0.0/8"),
            "{refused}"
        );
        ip("route del 10.0.0.0/8");
        // What happens elsewhere is nobody's business.
        ip("route add 10.0.0.0/9 dev v1");
        let applied = stage::apply(plan, true).expect("as before");
        let undone = stage::undo(&applied.plan.before).expect("the kernel answers");
        assert_eq!(
            undone.to_string(),
            "what was changed before it has been taken back"
        );
        assert!(ip("route").contains("10.0.0.0/9"));
    });
}

#[test]
fn the_command_line_changes_routes() {
    in_namespace("the_command_line_changes_routes", || {
        make_devices();
        let told = |arguments: &str| {
            let words: Vec<&str> = arguments.split(' ').collect();
            let output = run(common::BINARY, &words, "");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), text)
        };
        let done = (Some(0), String::new());
        assert_eq!(told("route add 10.0.0.0/8 via 192.0.2.9 metric 5"), done);
        assert_eq!(
            told("route replace 10.0.0.0/8 via 192.0.2.8 metric 5"),
            done
        );
        assert_eq!(told("route -6 add default via 2001:db8::5"), done);
        assert_eq!(
            told("route rules add from 10.0.0.0/8 pref 7 table 100"),
            done
        );
        assert_eq!(
            told("route neigh add 192.0.2.3 lladdr 02:00:00:00:00:07 dev v0"),
            done
        );
        assert!(ip("route").contains("10.0.0.0/8 via 192.0.2.8 dev v0 metric 5"));
        assert!(ip("-6 route").contains("default via 2001:db8::5 dev v0"));
        assert!(ip("rule").contains("7:\tfrom 10.0.0.0/8 lookup 100"));
        assert!(ip("neigh").contains("192.0.2.3 dev v0 lladdr 02:00:00:00:00:07 PERMANENT"));
        for arguments in [
            "route list --confirm 5",
            "route rules --why x",
            "route get 192.0.2.1 --check",
        ] {
            let (code, wrong) = told(arguments);
            assert_eq!(code, Some(2), "{arguments}: {wrong}");
            assert!(wrong.contains("this only looks"), "{wrong}");
        }
        let (code, wrong) = told("route add 10.1.0.0/16 via 192.0.2.9 --for nonsense");
        assert_eq!(code, Some(1));
        assert_eq!(wrong.matches("is no time").count(), 1, "{wrong}");
        for (arguments, code, words) in [
            (
                "route add 10.0.0.0/8 via 192.0.2.7 metric 5",
                1,
                "there is one already",
            ),
            (
                "route add 10.0.0.0/8 vai 192.0.2.7",
                2,
                "did you mean 'via'",
            ),
            ("route rules ad from 1.2.3.4", 0, ""),
            ("route neigh add 192.0.2.3", 2, "the device is missing"),
            ("--read-only route del 10.0.0.0/8", 1, "--read-only"),
            ("route del 10.77.0.0/16", 1, "nothing was changed"),
        ] {
            let (status, text) = told(arguments);
            assert_eq!(status, Some(code), "{arguments}: {text}");
            assert!(text.contains(words), "{arguments}: {text}");
        }
        assert_eq!(told("route del 10.0.0.0/8"), done);
        assert_eq!(told("route rules del pref 7"), done);
        assert!(!ip("route").contains("10.0.0.0/8"));
    });
}

#[test]
fn a_check_tries_on_a_copy() {
    in_namespace("a_check_tries_on_a_copy", || {
        make_devices();
        // Nothing of what the changes depend on is missing in the copy.
        for line in [
            "route add 10.1.0.0/16 via 192.0.2.9 metric 5",
            "route add 10.2.0.0/16 nhid 10",
            "route add default via 192.0.2.3",
            "-6 route add default via 2001:db8::3",
            "rule add from 10.0.0.0/8 pref 5 table 77",
            "rule del pref 32767",
        ] {
            ip(line);
        }
        let start = state();
        let names = read_names();
        let check = |text: &str| {
            let options = Options {
                names: &names,
                family: None,
                check: true,
                read_only: true,
                commit: unlogged(),
                safety: &Safety::default(),
            };
            let outcome = apply_text(text, &options);
            assert_same(&state(), &start, text);
            match outcome {
                Ok(Outcome::Checked { unchecked, .. }) => unchecked.unwrap_or_default(),
                Ok(other) => panic!("{other:?}"),
                Err(error) => error.to_string(),
            }
        };
        for text in [
            "route add 10.3.0.0/16 via 10.1.0.1 onlink dev v0\nroute replace default via 192.0.2.4",
            "route add 10.3.0.0/16 nhid 10\nnexthop del id 1",
            "route del 10.1.0.0/16 metric 5\nrule del pref 5\nneigh del 192.0.2.77 dev v0",
            "route add 10.3.0.0/16 dev w0\nroute del default\nroute del 2001:db8:1::/64",
        ] {
            assert_eq!(check(text), "", "{text}");
        }
        for (text, words) in [
            (
                "route add 10.3.0.0/16 dev v0\nroute add 10.1.0.0/16 via 192.0.2.8 metric 5",
                "change 2 of 2, line 2",
            ),
            (
                "route add 10.3.0.0/16 via 172.31.0.1 dev v0",
                "Nexthop has invalid gateway",
            ),
            ("route del 10.1.0.0/16 metric 6", "no such route"),
            (
                "rule add from 10.0.0.0/8 pref 5 table 77",
                "there is one already",
            ),
            (
                "neigh add 192.0.2.77 lladdr 02:00:00:00:00:09 dev v0",
                "there is one already",
            ),
        ] {
            let answer = check(text);
            assert!(answer.contains(words), "{text}: {answer}");
            assert!(answer.contains("nothing was changed"), "{text}: {answer}");
        }
    });
}

/// What the copy says that the network will be is what it is when the changes are made: compared as lists of routes,
/// rules, next hops and neighbours of this program's own reading, which other tests hold against iproute2.
#[test]
fn the_copy_foretells_the_network() {
    for seed in seeds(500) {
        in_namespace("the_copy_foretells_the_network", move || {
            make_devices();
            let mut random = Random::new(seed);
            let _ = good_commands(&mut random, 60);
            let names = read_names();
            let mut compared = 0;
            for text in harmless(&mut random, 40) {
                let before = read_network(|_| {}).expect("a network");
                let context = ParseContext {
                    names: &names,
                    links: &before.links,
                    family: None,
                };
                let Ok(parsed) = parse_batch(&text, &context) else {
                    continue;
                };
                let changes = parsed.into_iter().map(|one| one.change).collect();
                let plan = stage::plan(changes, &before);
                let told = stage::rehearse_on(&before, &plan);
                let made = stage::apply(plan, true);
                let after = read_network(|_| {}).expect("a network");
                match (told, made) {
                    (stage::Rehearsal::Fine(told), Ok(_)) => {
                        assert_same(
                            &words_of(&told, &names),
                            &words_of(&after, &names),
                            &format!("seed {seed}: {text}"),
                        );
                        compared += 1;
                    }
                    (stage::Rehearsal::Refused(_), Err(_)) => {}
                    (stage::Rehearsal::Fine(_), Err(refused)) => {
                        panic!("seed {seed}: {text}: only in the copy; {refused}")
                    }
                    (stage::Rehearsal::NotTried(why), _) => panic!("seed {seed}: {text}: {why}"),
                    (_, Ok(_)) => panic!("seed {seed}: {text}: refused in the copy only"),
                }
            }
            assert!(compared > 8, "seed {seed}: {compared}");
        });
    }
}

/// Routes, rules and next hops in words, without what time changes.
fn words_of(network: &Network, names: &Names) -> String {
    let device = |index| network.link_name(index);
    let context = Context {
        names,
        device: &device,
        one_table: false,
    };
    let mut lines = Vec::new();
    for table in &network.routes.tables {
        let routes = table
            .iter()
            .map(|route| ageless(&route_line(route, &context)));
        lines.extend(routes.filter(|line| !line.contains("ff00::/8")));
    }
    lines.extend(network.rules.iter().map(|rule| format!("{rule:?}")));
    lines.extend(network.nexthops.iter().map(|one| format!("{one:?}")));
    lines.join("\n")
}

/// The words of what is there make it again: every route, rule and neighbour is taken away by its words and made
/// anew from them, and the machine is what it was.
#[test]
fn the_words_of_what_is_there_make_it_again() {
    use hookscope::lang::route::{Context, neighbour_words, route_words, rule_words};
    for seed in seeds(30) {
        in_namespace("words_make_it_again", move || {
            make_devices();
            let mut random = Random::new(seed);
            random.mixed = false;
            let _ = good_commands(&mut random, 120);
            let start = state();
            let network = read_network(|_| {}).expect("the kernel answers");
            let names = read_names();
            let device = |index| network.link_name(index);
            let context = Context {
                names: &names,
                device: &device,
                one_table: false,
            };
            let mut all = Vec::new();
            for table in &network.routes.tables {
                all.extend(table.iter().map(|route| route_words(route, &context)));
            }
            all.extend(network.rules.iter().map(|rule| rule_words(rule, &context)));
            let neighbours = network.neighbours.iter();
            all.extend(
                neighbours
                    .filter_map(|one| Some(("neigh".to_owned(), neighbour_words(one, &context)?))),
            );
            let mut made = 0;
            for (object, words) in all {
                // The kernel keeps the local table and link-local routes itself, and rules with `not` by priority.
                let kept = [
                    "table local",
                    "proto kernel",
                    "broadcast",
                    "multicast",
                    "anycast",
                    "nud ",
                ];
                if kept.iter().any(|word| words.contains(word)) {
                    continue;
                }
                let links = &network.links;
                let parse = ParseContext {
                    names: &names,
                    links,
                    family: None,
                };
                let add = format!("{object} add {words}");
                let text = format!("{object} del {words}\n{add}");
                let read = parse_batch(&text, &parse);
                assert!(read.is_ok(), "seed {seed}: {text}\n{read:?}");
                // IPv6 keeps the next hops of equal routes as one: which of them a deletion means is its own affair.
                if object.starts_with("-6") && words.contains("nexthop") {
                    continue;
                }
                // Of routes to one destination, only the place among their equals may differ.
                if let Ok(Outcome::Applied(_)) = ours(&text) {
                    made += 1;
                }
            }
            assert!(made > 5, "seed {seed}: {made}");
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines.join("\n")
            };
            assert_same(&sorted(&state()), &sorted(&start), &format!("seed {seed}"));
        });
    }
}
