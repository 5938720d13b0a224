//! Staging, editing and committing, as far as no kernel is needed for it.

use super::sample::{Bench, network, picture, ruleset};
use super::{bench, check};
use hookscope::model::Elements;
use hookscope::session::boot::{Saved, Says};
use hookscope::session::changes::{Past, Problem, Window, Wrong};
use hookscope::stage::difference::{Difference, compare};
use hookscope::tui::job::Answer;
use hookscope::tui::request::{Reply, Request};
use hookscope::tui::{Effect, Event};
use std::sync::Arc;
use std::time::Duration;

fn staged(bench: &Bench) -> Vec<String> {
    let changes = bench.state.changes.set.changes();
    changes.iter().map(|one| one.edit.command()).collect()
}

fn reply(bench: &mut Bench, reply: Reply) {
    bench.send(Event::Answer(Answer::Reply(reply)));
}

fn request(bench: &Bench) -> Request {
    let last = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Kernel(request) => Some(request.clone()),
        _ => None,
    });
    last.expect("something was asked of the kernel")
}

/// Nobody would be cut off.
fn nobody_cut(bench: &mut Bench) {
    let version = bench.state.changes.set.version();
    let outcome = Ok(hookscope::session::changes::severed::Severed::default());
    reply(bench, Reply::Severed { version, outcome });
}

/// A rule changed, one deleted, one new behind the last one, one before the first one, the other policy.
fn pending(width: u16, height: u16) -> Bench {
    let mut bench = bench(width, height);
    bench.keys("enter e ctrl-u").text("tcp dport 2222 accept");
    bench
        .keys("enter down d down a")
        .text("udp dport 53 accept");
    bench
        .keys("enter home A")
        .text("ct state established accept");
    bench.keys("enter p");
    bench
}

#[test]
fn screens_of_changes_are_as_expected() {
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50)] {
        let mut editor = bench(width, height);
        editor.keys("enter e ctrl-u").text("tcp dprt 22 accept");
        check(&format!("editor-error-{size}"), &editor);
        check(&format!("explore-pending-{size}"), &pending(width, height));
        let mut two = bench(width, height);
        two.keys("enter e ctrl-u").text("tcp dport 2222 accept");
        two.keys("enter down d 3 v");
        let refused = Wrong {
            moved: None,
            change: 1,
            span: 0..31,
            message: "rule #5 was changed by somebody; it says now: accept".into(),
            help: Some("remove this change, and make it again if it still fits".into()),
        };
        let version = two.state.changes.set.version();
        let outcome = Err(Problem::Changes(vec![refused]));
        reply(&mut two, Reply::Checked { version, outcome });
        check(&format!("changes-two-{size}"), &two);
        check(
            &format!("changes-empty-{size}"),
            bench(width, height).keys("3"),
        );
    }
    check("changes-ask", pending(80, 24).keys("3 c"));
    let mut mono = Bench::new(80, 24, "mono");
    mono.show(picture(ruleset(), network(0)));
    mono.keys("enter d 3");
    check("changes-mono", &mono);
}

#[test]
fn what_others_did_and_what_the_next_boot_loads() {
    let text = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_string())
            .collect::<Vec<_>>()
    };
    let old = text(&[
        "type filter hook input priority filter; policy drop;",
        "tcp dport 22 accept",
        "ip saddr @blocklist drop",
    ]);
    let new = text(&[
        "type filter hook input priority filter; policy drop;",
        "tcp dport 22 accept",
        "tcp dport { 8443, 9443 } counter accept comment \"the console of the appliance, until the ticket is closed\"",
        "ip saddr @blocklist drop",
    ]);
    let found = vec![
        Difference {
            place: "table inet guard, chain input".into(),
            lines: compare(&old, &new),
        },
        Difference {
            place: "table inet guard, chain wide 名前".into(),
            lines: compare(&new, &old),
        },
    ];
    for (size, width, height) in [("80x24", 80, 24), ("200x50", 200, 50)] {
        let mut bench = bench(width, height);
        bench.keys("enter d 3 c");
        nobody_cut(&mut bench);
        bench.keys("enter");
        let version = bench.state.changes.set.version();
        let outcome = Err(Problem::Theirs(found.clone()));
        reply(&mut bench, Reply::Committed { version, outcome });
        check(&format!("changes-theirs-{size}"), &bench);
        bench.keys("X S");
        let saved = |program, path: &str, says| Saved {
            program,
            path: path.into(),
            says,
            notes: Vec::new(),
        };
        let files = vec![
            saved("nft", "/etc/nftables.conf", Says::Differs(found.clone())),
            saved("iptables", "/etc/iptables/rules.v4", Says::Same),
            saved(
                "ip6tables",
                "/etc/iptables/rules.v6",
                Says::Unknown("line 3: there is no match `nonsense`".into()),
            ),
        ];
        reply(&mut bench, Reply::Boot(Ok(files)));
        check(&format!("changes-boot-{size}"), &bench);
        bench.keys("w");
        assert!(
            matches!(request(&bench), Request::SaveBoot(programs) if programs == ["nft", "ip6tables"])
        );
        let failed = "cannot write '/etc/iptables/rules.v6': No space left on device (os error 28); the file is what it was";
        reply(
            &mut bench,
            Reply::BootSaved(vec![
                Ok("/etc/nftables.conf is written".into()),
                Err(failed.into()),
            ]),
        );
        assert!(matches!(request(&bench), Request::Boot));
        let now = vec![saved("nft", "/etc/nftables.conf", Says::Same)];
        reply(&mut bench, Reply::Boot(Ok(now)));
        bench.keys("w");
        assert!(
            matches!(request(&bench), Request::Boot),
            "there is nothing to write"
        );
        bench.tick(30);
        bench.keys("esc");
        assert!(
            bench.screen().contains("/etc/nftables.conf says what runs"),
            "{}",
            bench.screen()
        );
    }
}

#[test]
fn keys_become_commands_in_the_order_they_were_given() {
    let bench = pending(80, 24);
    assert_eq!(
        staged(&bench),
        [
            "delete rule ip guard input handle 5",
            "add rule ip guard input handle 6 udp dport 53 accept",
            "insert rule ip guard input handle 4 ct state established accept",
            // What is put beside a rule comes before the rule is replaced.
            "replace rule ip guard input handle 4 tcp dport 2222 accept",
            "add chain ip guard input { policy accept; }",
        ]
    );
    assert!(bench.screen().contains("± 5 pending"));
}

#[test]
fn leaving_a_rule_as_it_is_stages_nothing() {
    let mut bench = bench(80, 24);
    bench.keys("enter");
    for _ in 0..3 {
        bench.keys("e");
        assert!(bench.state.overlay.is_some());
        bench.keys("enter down");
        assert!(bench.state.overlay.is_none());
    }
    bench.keys("e x esc a enter");
    assert!(staged(&bench).is_empty());
    // There and back again is no change, either.
    bench.keys("home e ctrl-u").text("accept").keys("enter");
    assert_eq!(staged(&bench).len(), 1);
    bench
        .keys("e ctrl-u")
        .text("tcp dport 22 counter accept")
        .keys("enter");
    assert!(staged(&bench).is_empty());
}

#[test]
fn what_cannot_be_read_is_not_staged() {
    let mut bench = bench(80, 24);
    bench
        .keys("enter a")
        .text("tcp dport nonsense accept")
        .keys("enter");
    assert!(bench.state.overlay.is_some());
    assert!(bench.screen().contains("^^^^^^^^"), "{}", bench.screen());
    bench
        .keys("ctrl-u")
        .text("ip saddr @nowhere drop")
        .keys("enter");
    assert!(bench.state.overlay.is_some(), "{}", bench.screen());
    // A set that the change set makes is there for later changes.
    bench.keys("esc x");
    bench.text("add set ip guard nowhere { type ipv4_addr; }");
    bench.keys("enter a").text("ip saddr @nowhere drop");
    bench.keys("enter");
    assert_eq!(staged(&bench).len(), 2, "{}", bench.screen());
}

#[test]
fn deleting_twice_keeps_and_undo_goes_back() {
    let mut bench = bench(80, 24);
    bench.keys("enter d d");
    assert!(staged(&bench).is_empty());
    bench.keys("u");
    assert_eq!(staged(&bench), ["delete rule ip guard input handle 4"]);
    bench.keys("u");
    assert!(staged(&bench).is_empty());
    bench.keys("U U p u");
    assert!(staged(&bench).is_empty(), "{:?}", staged(&bench));
    // A new rule is edited and deleted where it stands.
    let mut bench = super::bench(80, 24);
    bench.keys("enter a").text("accept").keys("enter e ctrl-u");
    bench.text("drop").keys("enter");
    assert_eq!(staged(&bench), ["add rule ip guard input handle 4 drop"]);
    bench.keys("d");
    assert!(staged(&bench).is_empty());
    assert_eq!(bench.state.explore.list.selected, 1);
}

#[test]
fn elements_are_added_and_deleted() {
    let mut bench = bench(80, 24);
    bench.keys("f").text("blocklist").keys("enter down d a");
    bench.text("192.0.2.7").keys("enter");
    assert_eq!(
        staged(&bench),
        [
            "delete element ip guard blocklist { 10.0.0.2 }",
            "add element ip guard blocklist { 192.0.2.7 }",
        ]
    );
    let screen = bench.screen();
    assert!(screen.contains("-   2  10.0.0.2"), "{screen}");
    assert!(screen.contains("+ 192.0.2.7"), "{screen}");
}

#[test]
fn a_commit_is_asked_for_and_waits_for_confirmation() {
    let mut bench = pending(80, 24);
    bench.keys("3 c");
    let asked = |bench: &Bench| {
        let commits = |e: &Effect| matches!(e, Effect::Kernel(Request::Commit { .. }));
        bench.effects.iter().any(commits)
    };
    assert!(!asked(&bench));
    bench.keys("esc c w enter");
    // The yes counts, and nothing is committed before it is known who would be cut off.
    assert!(!asked(&bench));
    assert!(matches!(request(&bench), Request::Severed { .. }));
    nobody_cut(&mut bench);
    let Request::Commit {
        changes,
        confirm,
        version,
        ..
    } = request(&bench)
    else {
        panic!("not a commit");
    };
    assert_eq!((changes.len(), confirm), (5, Some(Duration::from_secs(60))));
    // Nothing else while it is being made.
    bench.keys("u X c d");
    assert_eq!(staged(&bench).len(), 5);
    let outcome = Ok((Some(7), Vec::new()));
    reply(&mut bench, Reply::Committed { version, outcome });
    assert!(staged(&bench).is_empty());
    bench.tick(1);
    assert!(
        bench.screen().contains("59 s to keep (K)"),
        "{}",
        bench.screen()
    );
    bench.tick(2);
    assert!(matches!(request(&bench), Request::Window));
    let left = Some(Duration::from_secs(30));
    let who = "root".into();
    reply(&mut bench, Reply::Window(Some(Window { left, who })));
    assert!(bench.screen().contains("30 s to keep"));
    // Leaving would take it back: that is asked first.
    bench.keys("q");
    assert!(
        bench.screen().contains("takes it back now"),
        "{}",
        bench.screen()
    );
    assert!(!bench.effects.iter().any(|e| matches!(e, Effect::Quit)));
    bench.keys("esc B");
    assert!(matches!(request(&bench), Request::RollBack));
    reply(&mut bench, Reply::RolledBack(Ok(Vec::new())));
    assert!(!bench.screen().contains("to keep"));
    assert!(bench.screen().contains("taken back"));
}

#[test]
fn commits_are_listed_and_the_last_one_can_be_taken_back() {
    let past = |number, fate: &str, stands| Past {
        number,
        when: "11-22 18:50".into(),
        who: "root from 192.0.2.1".into(),
        what: format!("delete rule ip guard input handle {number} (and 2 more)"),
        fate: fate.into(),
        stands,
    };
    let history = vec![past(3, "taken back", false), past(2, "kept", true)];
    let mut bench = bench(80, 24);
    bench.keys("3 R");
    assert!(bench.state.overlay.is_none(), "nothing to take back");
    bench.tick(1);
    assert!(matches!(request(&bench), Request::History));
    reply(&mut bench, Reply::History(history));
    check("changes-history", &bench);
    bench.keys("R");
    assert!(bench.screen().contains("Commit 2 of"), "{}", bench.screen());
    bench.keys("enter");
    assert!(matches!(request(&bench), Request::UndoCommit));
    let left = vec!["the chain web is gone".to_string()];
    reply(&mut bench, Reply::RolledBack(Ok(left)));
    assert!(
        bench
            .screen()
            .contains("not restored: the chain web is gone")
    );
}

#[test]
fn a_refused_commit_keeps_the_changes_and_says_why() {
    let mut bench = pending(80, 24);
    bench.keys("3 c enter");
    nobody_cut(&mut bench);
    let version = bench.state.changes.set.version();
    let outcome = Err(Problem::Other("no permission".into()));
    reply(&mut bench, Reply::Committed { version, outcome });
    assert_eq!(staged(&bench).len(), 5);
    assert!(bench.screen().contains("no permission"));
    bench.tick(20).keys("down d");
    assert_eq!(staged(&bench).len(), 4);
    assert!(!bench.screen().contains("no permission"));
}

#[test]
fn a_remote_session_gets_a_confirm_window_by_itself() {
    let mut bench = bench(80, 24);
    Arc::make_mut(&mut bench.state.settings).remote = true;
    bench.keys("enter d 3 c enter");
    nobody_cut(&mut bench);
    assert!(matches!(
        request(&bench),
        Request::Commit {
            confirm: Some(_),
            ..
        }
    ));
}

#[test]
fn a_rule_that_is_half_read_is_not_changed_yet() {
    let mut half = ruleset();
    let table = Arc::make_mut(&mut half.tables[0]);
    let written_out = Arc::make_mut(&mut table.sets[0]);
    written_out.flags |= 1;
    written_out.elements = Elements::NotRead;
    let mut bench = Bench::new(80, 24, "dark");
    bench.show(picture(half, network(0)));
    bench.keys("enter down d e a");
    assert!(staged(&bench).is_empty() && bench.state.overlay.is_none());
    assert!(bench.screen().contains("still being read"));
    bench.keys("up d");
    assert_eq!(staged(&bench).len(), 1);
}

#[test]
fn read_only_changes_nothing() {
    let mut bench = bench(80, 24);
    Arc::make_mut(&mut bench.state.settings).read_only = true;
    bench.keys("enter d a p e x");
    assert!(staged(&bench).is_empty() && bench.state.overlay.is_none());
    let footer = bench.screen().lines().last().unwrap().to_string();
    for word in ["edit", "delete", "add", "policy", "command "] {
        assert!(!footer.contains(word), "{footer}");
    }
    assert!(bench.keys("3").screen().contains("--read-only"));
}
