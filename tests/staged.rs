//! The ruleset that changes will leave, worked out without the kernel, against what the kernel makes of them.

mod common;
#[path = "random/ruleset.rs"]
mod random;

use common::{in_namespace, nft};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::commit::{Options, commit};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::lang::nft::print::{self, Options as Print};
use hookscope::model::{Family, Names, Ruleset};
use hookscope::session::compile;
use hookscope::stage::staged::staged;
use random::Rng;

fn read() -> Ruleset {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    load::load(&mut socket, ReadElements::All).expect("a ruleset")
}

/// What `show` prints, without state; tables sorted, because one that is made anew stands behind others.
fn text(ruleset: &Ruleset) -> String {
    let options = Print {
        stateless: true,
        ..Print::default()
    };
    let mut sorted = ruleset.clone();
    sorted
        .tables
        .sort_by(|a, b| (a.family, &a.name).cmp(&(b.family, &b.name)));
    let mut out = Vec::new();
    print::ruleset(&sorted, &Names::default(), options, &mut out).expect("it prints");
    String::from_utf8_lossy(&out).into_owned()
}

fn handles(ruleset: &Ruleset, table: &str) -> Vec<(u64, u64)> {
    let table = ruleset.table(Family::Ip, table);
    let chains = table.into_iter().flat_map(|table| &table.chains);
    chains
        .filter_map(|chain| Some((chain.name.strip_prefix('c')?.parse().ok()?, chain)))
        .flat_map(|(number, chain)| chain.rules.iter().map(move |rule| (number, rule.handle)))
        .collect()
}

/// What the commands would make of the ruleset, and what the kernel makes of it.
fn compare(lines: &str, what: &str) {
    let before = read();
    let script = compile::parse("changes", lines.to_owned(), Vec::new());
    let script = script.unwrap_or_else(|(_, wrong)| panic!("{what}: {wrong:?}"));
    let compiled =
        compile::compile(script.commands).unwrap_or_else(|why| panic!("{what}: {why:?}"));
    let expected =
        staged(&before, &compiled.commands).unwrap_or_else(|why| panic!("{what}: {why}"));
    commit(&compiled.commands, Options::default()).unwrap_or_else(|why| panic!("{what}: {why}"));
    same(&text(&expected), &text(&read()), what);
}

fn same(a: &str, b: &str, what: &str) {
    for (number, (a, b)) in a.lines().zip(b.lines()).enumerate() {
        assert_eq!(a, b, "line {number}, {what}");
    }
    assert_eq!(a.lines().count(), b.lines().count(), "{what}\n{a}\n{b}");
}

/// Lines that nft would take together, one after the other: what the kernel refuses alone is left out.
#[test]
fn the_kernel_makes_of_random_commands_what_was_staged() {
    in_namespace(
        "the_kernel_makes_of_random_commands_what_was_staged",
        || {
            let (mut made, mut lists) = (0, 0);
            for seed in 1..=150 {
                let mut rng = Rng::new(seed);
                common::output("nft", &["flush", "ruleset"]);
                for table in ["a", "b"] {
                    nft(&random::table(&mut rng, table));
                }
                // A list of several commands is one transaction; handles are of rules that are there before it.
                let mut lines: Vec<String> = Vec::new();
                let known = read();
                for _ in 0..1 + rng.below(8) {
                    let table = rng.pick(&["a", "b"]);
                    let line = random::change(&mut rng, table, &handles(&known, table));
                    let mut all = lines.clone();
                    all.push(line);
                    let text = all.join("\n") + "\n";
                    if common::run("nft", &["-c", "-f", "-"], &text)
                        .status
                        .success()
                    {
                        lines = all;
                    }
                }
                let text = lines.join("\n") + "\n";
                if lines.is_empty()
                    || !common::run("nft", &["-c", "-f", "-"], &text)
                        .status
                        .success()
                {
                    continue;
                }
                let script = compile::parse("changes", text.clone(), Vec::new());
                let Ok(compiled) =
                    compile::compile(script.map_err(|_| ()).expect("it parses").commands)
                else {
                    continue;
                };
                // A dry run does not tell of everything; what the kernel refuses in the end is nothing to compare with.
                let before = read();
                let expected = staged(&before, &compiled.commands);
                if commit(&compiled.commands, Options::default()).is_err() {
                    continue;
                }
                let what = format!("seed {seed}\n{text}");
                let expected = expected.unwrap_or_else(|why| panic!("{why}, {what}"));
                same(&self::text(&expected), &self::text(&read()), &what);
                made += lines.len();
                lists += 1;
            }
            assert!(
                lists > 100 && made > 300,
                "{lists} lists of {made} commands"
            );
        },
    );
}

#[test]
fn every_kind_of_command() {
    in_namespace("every_kind_of_command", || {
        common::run(
            "ip",
            &["link", "add", "v0", "type", "veth", "peer", "name", "v1"],
            "",
        );
        nft("table ip t {
            set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 10.0.2.0-10.0.2.9 }
            }
            map m { type inet_service : verdict; elements = { 22 : jump ssh, 80 : drop }
            }
            quota q { over 1 mbytes }
            counter c { }
            chain ssh { accept
            }
            chain in { type filter hook input priority 0; policy accept;
                tcp dport vmap @m
                ip saddr @s drop
                tcp dport { 1, 2, 3 } jump { udp dport 5 accept; }
                meta mark 7 goto ssh
            }
        }
        table netdev d { chain i { type filter hook ingress device v0 priority 0; }
        }
");
        for (number, lines) in [
            "rename chain ip t ssh secure",
            "add element ip t s { 10.0.1.0/24, 192.0.2.1 }\ndelete element ip t s { 10.0.0.0/24 }",
            "add element ip t m { 443 : jump secure }\ndelete element ip t m { 80 }",
            "add set ip t n { type ipv4_addr . inet_service; flags interval; }\nadd element ip t n { 10.0.0.0/8 . 80-90, 1.2.3.4 . 5 }\ninsert rule ip t in ip saddr . tcp dport @n counter accept",
            "add quota ip t q { over 5 mbytes }\nadd limit ip t l { rate 5/second }\nadd rule ip t in limit name \"l\" accept",
            "delete counter ip t c",
            "add chain netdev d i { type filter hook ingress device v1 priority 0; }",
            "add chain ip t through { type filter hook forward priority 5; policy drop; }\nadd rule ip t through meta l4proto tcp counter comment \"tcp\"",
            "add table inet new { flags dormant; }\nadd chain inet new o { type nat hook output priority -100; }\nadd rule inet new o meta nfproto ipv4 dnat ip to 10.0.0.1",
            "flush chain ip t in\nadd chain ip t in { policy drop; }",
            // What the kernel puts in by itself.
            "add set ip t d { type ipv4_addr; flags dynamic; }\nadd rule ip t in add @d { ip saddr }",
            "add map ip t v { typeof udp length . @ih,32,32 : verdict; }\nadd element ip t v { 20 . 0x14 : accept }",
            "add rule ip t in udp length . @th,160,128 vmap { 47-63 . 0xe373135363130333131303735353203 : accept }",
            "add ct helper ip t h { type \"ftp\" protocol tcp; }",
            "flush set ip t s\nadd element ip t s { 10.9.0.0/16 }",
            "delete table inet new\ntable inet new { chain c { accept; }\n }",
            "flush ruleset\nadd table ip alone",
        ]
        .into_iter()
        .enumerate()
        {
            compare(&format!("{lines}\n"), &format!("list {number}: {lines}"));
        }
    });
}

#[test]
fn what_there_is_nothing_to_apply_to_is_refused() {
    in_namespace("what_there_is_nothing_to_apply_to_is_refused", || {
        nft("table ip t {
            set s { type ipv4_addr; }
            chain c { accept
            }
        }
");
        let before = read();
        let compiled = |lines: &str| {
            let script = compile::parse("changes", lines.to_owned(), Vec::new());
            let script = script.map_err(|_| ()).expect("it parses");
            compile::compile(script.commands)
                .expect("it compiles")
                .commands
        };
        let rule = compiled("add rule ip t c accept\n");
        let element = compiled("add element ip t s { 1.2.3.4 }\n");
        let refuse =
            |ruleset: &Ruleset, commands: &[_]| staged(ruleset, commands).unwrap_err().to_string();
        let mut without = before.clone();
        std::sync::Arc::make_mut(&mut without.tables[0])
            .chains
            .clear();
        assert_eq!(refuse(&without, &rule), "there is no chain 'c'");
        without.tables.clear();
        assert_eq!(refuse(&without, &element), "there is no table 'ip t'");
        let mut unread = before.clone();
        let table = std::sync::Arc::make_mut(&mut unread.tables[0]);
        std::sync::Arc::make_mut(&mut table.sets[0]).elements = hookscope::model::Elements::NotRead;
        assert_eq!(
            refuse(&unread, &element),
            "the elements of set 's' have not been read"
        );
    });
}
