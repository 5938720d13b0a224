//! Differences and inverses on the real kernel: a random change taken back leaves the ruleset as it was, and what
//! somebody else did in between stays.

mod common;
#[path = "random/ruleset.rs"]
mod random;

use common::{in_namespace, output, run};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::commit::{Options, commit};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::kernel::nf_tables::refusal::Refused;
use hookscope::model::command::Command;
use hookscope::model::{Family, Ruleset};
use hookscope::stage::plan::{self, Pictures};
use random::Rng;

fn read() -> Ruleset {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    load::load(&mut socket, ReadElements::All).expect("a ruleset")
}

fn apply(commands: &[Command], what: &str) {
    match commit(commands, Options::default()) {
        Ok(_) => {}
        Err(Refused::Commands(refusals)) => {
            let first = &refusals[0];
            let command = &commands[first.command];
            panic!(
                "{what}: {}\n{command:?}\nof {} commands",
                first.explain(command),
                commands.len()
            );
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

/// The listing, its tables sorted: a table that is made anew stands behind others.
fn listed() -> Vec<String> {
    let text = output("nft", &["-s", "list", "ruleset"]);
    let mut tables: Vec<String> = text
        .split("\ntable ")
        .map(|t| t.trim().trim_start_matches("table ").to_owned())
        .collect();
    tables.sort();
    tables
}

fn same(a: &[String], b: &[String], what: &str) {
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a.lines().zip(b.lines()) {
            assert_eq!(a, b, "{what}");
        }
        assert_eq!(a.lines().count(), b.lines().count(), "{what}\n{a}\n{b}");
    }
    assert_eq!(a.len(), b.len(), "{what}");
}

fn handles(ruleset: &Ruleset, table: &str) -> Vec<(u64, u64)> {
    let table = ruleset.table(Family::Ip, table);
    let chains = table.into_iter().flat_map(|table| &table.chains);
    chains
        .filter_map(|chain| Some((chain.name.strip_prefix('c')?.parse().ok()?, chain)))
        .flat_map(|(number, chain)| chain.rules.iter().map(move |rule| (number, rule.handle)))
        .collect()
}

/// Try random changes with nft until some were taken.
fn change(rng: &mut Rng, tables: &[&str], count: u64) -> String {
    let mut done = String::new();
    let mut taken = 0;
    for _ in 0..count * 4 {
        let table = rng.pick(tables);
        let line = random::change(rng, table, &handles(&read(), table));
        if run("nft", &["-f", "-"], &format!("{line}\n"))
            .status
            .success()
        {
            done += &line;
            done.push('\n');
            taken += 1;
        }
        if taken == count {
            break;
        }
    }
    done
}

fn make(rng: &mut Rng, tables: &[&str]) {
    for table in tables {
        let text = random::table(rng, table);
        let result = run("nft", &["-f", "-"], &text);
        assert!(
            result.status.success(),
            "{}\n{text}",
            String::from_utf8_lossy(&result.stderr)
        );
    }
}

#[test]
fn a_change_and_its_inverse_leave_nothing() {
    in_namespace("a_change_and_its_inverse_leave_nothing", || {
        let mut changes = 0;
        for seed in 1..=120 {
            let mut rng = Rng::new(seed);
            common::output("nft", &["flush", "ruleset"]);
            make(&mut rng, &["a", "b"]);
            let (before, text) = (read(), listed());
            let count = 1 + rng.below(6);
            let done = change(&mut rng, &["a", "b"], count);
            let (after, changed) = (read(), listed());
            changes += usize::from(changed != text);
            let what = format!("seed {seed}\n{done}");

            let plan = plan::inverse(&before, &after);
            assert!(plan.left.is_empty(), "{what}{:?}", plan.left);
            apply(&plan.commands, &what);
            same(&listed(), &text, &format!("inverse, {what}"));
            // And nothing is left to do.
            assert!(
                plan::inverse(&before, &read()).commands.is_empty(),
                "{what}"
            );

            let forth = plan::plan(
                Pictures {
                    want: &after,
                    base: &read(),
                    now: &read(),
                },
                plan::Options {
                    order: true,
                    ..plan::Options::default()
                },
            );
            apply(&forth.commands, &what);
            same(&listed(), &changed, &format!("forth, {what}"));
        }
        assert!(changes > 90, "{changes}");
    });
}

/// Two people change the same table; the changes of one are taken back.
#[test]
fn what_others_did_stays() {
    in_namespace("what_others_did_stays", || {
        common::nft(
            "table ip t {
               set s { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }
               }
               chain a { type filter hook input priority 0; policy accept
                 tcp dport 1 accept; tcp dport 2 accept; tcp dport 3 accept; tcp dport 4 accept
               }
               chain b { counter
               }
             }
             table ip other { chain o { accept
               }
             }
            ",
        );
        let before = read();
        let rules: Vec<u64> = handles_of(&before, "a");
        common::nft(&format!(
            "delete rule ip t a handle {}
             add rule ip t a tcp dport 99 drop
             insert rule ip t a tcp dport 98 drop
             add chain ip t a {{ policy drop; }}
             add element ip t s {{ 192.0.2.9 }}
             delete element ip t s {{ 192.0.2.1 }}
             add chain ip t mine
             add rule ip t mine accept
             delete chain ip t b
            ",
            rules[1]
        ));
        let after = read();
        let own: Vec<u64> = handles_of(&after, "a");
        common::nft(&format!(
            "add rule ip t a tcp dport 50 accept
             insert rule ip t a position {} tcp dport 51 accept
             delete rule ip t a handle {}
             add element ip t s {{ 192.0.2.77 }}
             add rule ip t mine drop
             delete table ip other
             add table ip another
            ",
            own[2], own[3],
        ));
        let now = read();
        let plan = plan::plan(
            Pictures {
                want: &before,
                base: &after,
                now: &now,
            },
            plan::Options {
                order: true,
                ..plan::Options::default()
            },
        );
        // The table `other` was not ours to bring back; the rule of port 4 was deleted by both.
        apply(&plan.commands, "restore");
        let text = output("nft", &["-s", "list", "table", "ip", "t"]);
        let chain = |name: &str| -> Vec<String> {
            let body = text
                .split(&format!("chain {name} {{"))
                .nth(1)
                .expect("the chain");
            let body = body.split('}').next().expect("an end");
            body.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(
            chain("a"),
            [
                "type filter hook input priority filter; policy accept;",
                "tcp dport 1 accept",
                "tcp dport 2 accept",
                "tcp dport 51 accept",
                "tcp dport 3 accept",
                "tcp dport 50 accept",
            ]
            .map(|line| line.to_owned())
            .to_vec()
            .into_iter()
            .collect::<Vec<_>>(),
            "{text}"
        );
        assert_eq!(chain("mine"), ["drop"]);
        assert_eq!(chain("b"), ["counter"]);
        let set = output("nft", &["list", "set", "ip", "t", "s"]);
        assert!(
            set.contains("192.0.2.1, 192.0.2.2") && set.contains("192.0.2.77"),
            "{set}"
        );
        assert!(!set.contains("192.0.2.9"), "{set}");
        let left = plan.left.join("\n");
        assert!(left.contains("chain 'mine'"), "{left}");
        assert!(left.contains("table ip other"), "{left}");
        let all = output("nft", &["list", "ruleset"]);
        assert!(
            all.contains("table ip another") && !all.contains("table ip other"),
            "{all}"
        );
    });
}

fn handles_of(ruleset: &Ruleset, chain: &str) -> Vec<u64> {
    let table = ruleset.table(Family::Ip, "t").expect("the table");
    let chain = table.chain(chain).expect("the chain");
    chain.rules.iter().map(|rule| rule.handle).collect()
}
