//! Transactions against the real kernel: what a picture shows is made again elsewhere, and refusals name what was
//! refused.

mod common;

use common::{in_namespace, nft, output, run};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::commit::{Options, commit};
use hookscope::kernel::nf_tables::load::{self, ReadElements};
use hookscope::kernel::nf_tables::refusal::{Refusal, Refused};
use hookscope::kernel::nf_tables::transaction::Part;
use hookscope::model::command::*;
use hookscope::model::{Data, Element, Expression, Family, Name, Ruleset, Verdict};
use hookscope::stage::make::Maker;

const RULESET: &str = include_str!("nft/families.nft");

fn read() -> Ruleset {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a socket");
    load::load(&mut socket, ReadElements::All).expect("a ruleset")
}

/// The commands that make a whole ruleset.
fn all(ruleset: &Ruleset) -> Vec<Command> {
    let mut maker = Maker::new();
    for table in &ruleset.tables {
        maker.whole_table(table);
    }
    maker.commands
}

fn apply(commands: &[Command]) {
    if let Err(error) = commit(commands, Options::default()) {
        let why = match &error {
            Refused::Commands(refusals) => explain(refusals, commands),
            other => other.to_string(),
        };
        panic!("{why}");
    }
}

fn explain(refusals: &[Refusal], commands: &[Command]) -> String {
    let lines = refusals.iter().take(5).map(|refusal| {
        let command = &commands[refusal.command];
        format!("{}\n  {command:?}\n  {refusal:?}", refusal.explain(command))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `nft -s list ruleset`, in a namespace of its own in which `make` ran before.
fn listed(make: impl FnOnce() + Send + 'static) -> String {
    std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
        make();
        output("nft", &["-s", "list", "ruleset"])
    })
    .join()
    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Lines that this kernel or this nft refuses are left out, one by one.
fn load_what_works(text: &str) {
    let mut lines: Vec<&str> = text.lines().collect();
    loop {
        let result = run("nft", &["-f", "-"], &lines.join("\n"));
        if result.status.success() {
            return;
        }
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        let line = message
            .lines()
            .find_map(|line| {
                let rest = line.strip_prefix("/dev/stdin:")?;
                rest.split(':').next()?.parse::<usize>().ok()
            })
            .unwrap_or_else(|| panic!("nft: {message}"));
        lines[line - 1] = "";
    }
}

#[test]
fn what_was_read_is_made_again() {
    in_namespace("what_was_read_is_made_again", || {
        load_what_works(RULESET);
        let (ruleset, text) = (read(), output("nft", &["-s", "list", "ruleset"]));
        let again = listed(move || apply(&all(&ruleset)));
        for (a, b) in again.lines().zip(text.lines()) {
            assert_eq!(a, b);
        }
        assert_eq!(again.lines().count(), text.lines().count());
        assert!(text.lines().count() > 150);
    });
}

/// Counters, quotas and remaining timeouts travel, too.
#[test]
fn state_is_made_again() {
    in_namespace("state_is_made_again", || {
        nft("table ip t {
            counter c { packets 5 bytes 500 }
            quota q { over 100 mbytes used 20 mbytes }
            set s { type ipv4_addr; flags timeout; counter
                elements = { 192.0.2.1 counter packets 3 bytes 90 timeout 1h expires 30m }
            }
            chain x { counter packets 7 bytes 700 accept; quota 1 mbytes used 500 kbytes drop; }
       
}");
        let ruleset = read();
        let text = std::thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            apply(&all(&ruleset));
            output("nft", &["list", "ruleset"])
        })
        .join()
        .expect("it works");
        for part in [
            "packets 5 bytes 500",
            "used 20 mbytes",
            "packets 3 bytes 90",
            "packets 7 bytes 700",
            "used 500 kbytes",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let left = text.split("expires ").nth(1).expect("a timeout");
        assert!(
            left.starts_with("29m59s") || left.starts_with("30m"),
            "{left}"
        );
    });
}

fn command(table: &str, what: What) -> Command {
    Command {
        family: Family::Ip,
        table: table.into(),
        what,
    }
}

fn rule(chain: &str, place: Place, verdict: Verdict) -> What {
    What::MakeRule(NewRule {
        chain: chain.into(),
        place,
        id: None,
        body: RuleBody::Built {
            expressions: vec![Expression::Immediate {
                dreg: 0,
                data: Data::Verdict(verdict),
            }],
            userdata: Vec::new(),
            compat: None,
        },
    })
}

fn refused(commands: &[Command], options: Options) -> Vec<Refusal> {
    match commit(commands, options) {
        Err(Refused::Commands(refusals)) => refusals,
        other => panic!("{other:?}"),
    }
}

#[test]
fn refusals_name_the_command_and_the_part() {
    in_namespace("refusals_name_the_command_and_the_part", || {
        nft(
            "table ip t { set s { type ipv4_addr; elements = { 192.0.2.1 }
             }
             chain a { jump b; }
             chain b { accept; }
}",
        );
        let before = output("nft", &["-a", "list", "ruleset"]);
        let element = |last: u8| Element {
            key: Some(vec![192, 0, 2, last]),
            ..Element::default()
        };
        let chain = |name: &str| Key::Name(name.into());
        let commands = [
            command("t", rule("a", Place::Last, Verdict::Accept)),
            command("none", rule("a", Place::Last, Verdict::Accept)),
            command("t", rule("none", Place::Last, Verdict::Accept)),
            command("t", rule("a", Place::Last, Verdict::Jump("none".into()))),
            command("t", What::TakeChain(Take::Delete, chain("b"))),
            command("t", What::TakeRule(Take::Delete, "a".into(), 9999)),
            command(
                "t",
                What::MakeElements {
                    set: "s".into(),
                    make: Make::Create,
                    elements: vec![element(7), element(8), element(1), element(9)],
                },
            ),
            command("t", What::TakeSet(Take::Delete, chain("gone"))),
        ];
        for check in [false, true] {
            let options = Options {
                check,
                ..Options::default()
            };
            let refusals = refused(&commands, options);
            let found: Vec<_> = refusals
                .iter()
                .map(|refusal| (refusal.command, refusal.errno))
                .collect();
            let expected = [
                (1, libc::ENOENT),
                (2, libc::ENOENT),
                (3, libc::ENOENT),
                (4, libc::EBUSY),
                (5, libc::ENOENT),
                (6, libc::EEXIST),
                (7, libc::ENOENT),
            ];
            assert_eq!(found, expected);
            assert_eq!(refusals[2].part, Some(Part::Expression(0)));
            assert_eq!(refusals[5].part, Some(Part::Element(2)));
            let words: Vec<String> = refusals
                .iter()
                .map(|refusal| refusal.explain(&commands[refusal.command]))
                .collect();
            for (text, part) in words.iter().zip([
                "no table ip none",
                "no chain 'none'",
                "no chain 'none'",
                "chain is in use",
                "no rule with handle 9999",
                "has this element already",
                "no set 'gone'",
            ]) {
                assert!(text.contains(part), "{text} / {part}");
            }
        }
        assert_eq!(before, output("nft", &["-a", "list", "ruleset"]));
    });
}

/// What the kernel finds only when it looks at the whole table.
#[test]
fn a_check_finds_what_a_commit_finds() {
    in_namespace("a_check_finds_what_a_commit_finds", || {
        nft(
            "table ip t { chain base { type filter hook input priority 0; jump a; }
             chain a { jump b; }
             chain b { accept; }
}",
        );
        for check in [true, false] {
            let options = Options {
                check,
                ..Options::default()
            };
            let circle = [
                command("t", rule("b", Place::Last, Verdict::Accept)),
                command("t", rule("b", Place::Last, Verdict::Jump("a".into()))),
            ];
            let refusals = refused(&circle, options);
            let found: Vec<_> = refusals.iter().map(|r| (r.command, r.errno)).collect();
            assert!(
                found == [(1, libc::ELOOP)] || found == [(1, libc::EMLINK)],
                "{found:?}"
            );
            // Masquerading in a filter chain: its own validation, not a jump's.
            let masquerade = What::MakeRule(NewRule {
                chain: "b".into(),
                place: Place::Last,
                id: None,
                body: RuleBody::Built {
                    expressions: vec![Expression::Masq {
                        flags: 0,
                        proto_min: None,
                        proto_max: None,
                    }],
                    userdata: Vec::new(),
                    compat: None,
                },
            });
            let refusals = refused(&[command("t", masquerade)], options);
            assert_eq!(
                (refusals[0].command, refusals[0].errno),
                (0, libc::EOPNOTSUPP)
            );
        }
    });
}

#[test]
fn a_moved_generation_is_told_apart() {
    in_namespace("a_moved_generation_is_told_apart", || {
        nft("table ip t { chain a { }
}");
        let generation = read().generation;
        let one = [command("t", rule("a", Place::Last, Verdict::Accept))];
        let options = Options {
            generation: Some(generation),
            echo: true,
            ..Options::default()
        };
        let outcome = commit(&one, options).expect("nothing moved");
        assert_eq!(outcome.generation, Some(generation + 1));
        let [(0, handle)] = outcome.handles[..] else {
            panic!("{outcome:?}");
        };
        let text = output("nft", &["-a", "list", "ruleset"]);
        assert!(
            text.contains(&format!("accept # handle {handle}")),
            "{text}"
        );
        assert!(matches!(commit(&one, options), Err(Refused::Moved)));
        let check = Options {
            check: true,
            ..options
        };
        assert!(matches!(commit(&one, check), Err(Refused::Moved)));
        assert_eq!(text, output("nft", &["-a", "list", "ruleset"]));
    });
}

#[test]
fn rules_go_where_they_belong() {
    in_namespace("rules_go_where_they_belong", || {
        nft("table ip t { chain a { accept; drop; }
             chain b { }
             chain c { }
             chain d { }
             chain e { }
}");
        let ruleset = read();
        let table = ruleset.table(Family::Ip, "t").expect("the table");
        let handles: Vec<u64> = table
            .chain("a")
            .expect("the chain")
            .rules
            .iter()
            .map(|r| r.handle)
            .collect();
        let jump = |name: &str| Verdict::Goto(Name::from(name));
        let named = |id: u32, what: What| match what {
            What::MakeRule(mut rule) => {
                rule.id = Some(id);
                What::MakeRule(rule)
            }
            other => other,
        };
        let handle = |index: usize| RuleKey::Handle(handles[index]);
        let commands = [
            command("t", rule("a", Place::After(handle(0)), jump("b"))),
            command(
                "t",
                named(7, rule("a", Place::Before(handle(1)), jump("c"))),
            ),
            command("t", rule("a", Place::After(RuleKey::Id(7)), jump("d"))),
            command("t", rule("a", Place::First, jump("e"))),
            command("t", rule("a", Place::Replace(handles[0]), Verdict::Return)),
            command("t", rule("a", Place::Last, Verdict::Accept)),
            command(
                "t",
                What::RenameChain {
                    handle: None,
                    from: "b".into(),
                    to: "renamed".into(),
                },
            ),
        ];
        let options = Options {
            echo: true,
            ..Options::default()
        };
        let outcome = match commit(&commands, options) {
            Ok(outcome) => outcome,
            Err(Refused::Commands(refusals)) => panic!("{}", explain(&refusals, &commands)),
            Err(error) => panic!("{error}"),
        };
        let made: Vec<usize> = outcome.handles.iter().map(|(index, _)| *index).collect();
        assert_eq!(made, [0, 1, 2, 3, 4, 5, 6]);
        let text = output("nft", &["list", "chain", "ip", "t", "a"]);
        let rules: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.contains(['{', '}']))
            .collect();
        assert_eq!(
            rules,
            [
                "goto e",
                "return",
                "goto renamed",
                "goto c",
                "goto d",
                "drop",
                "accept"
            ]
        );
    });
}

/// One transaction of 50,000 rules and one of many set elements; the last rule's refusal finds its way back.
#[test]
fn large_transactions() {
    in_namespace("large_transactions", || {
        nft("table ip t { chain a { }
             set s { type ipv4_addr; }
}");
        let mut commands = vec![command("t", rule("a", Place::Last, Verdict::Accept)); 50_000];
        commands.push(command("t", rule("none", Place::Last, Verdict::Accept)));
        let refusals = refused(&commands, Options::default());
        assert_eq!(
            refusals.iter().map(|r| r.command).collect::<Vec<_>>(),
            [50_000]
        );
        // Every one of them refused: all are told.
        let wrong = vec![command("t", rule("none", Place::Last, Verdict::Accept)); 50_000];
        assert_eq!(refused(&wrong, Options::default()).len(), 50_000);
        commands.pop();
        let elements = (0..200_000u32)
            .map(|number| Element {
                key: Some((0x0a00_0000 + number).to_be_bytes().to_vec()),
                ..Element::default()
            })
            .collect();
        commands.push(command(
            "t",
            What::MakeElements {
                set: "s".into(),
                make: Make::Add,
                elements,
            },
        ));
        let options = Options {
            echo: true,
            ..Options::default()
        };
        let outcome = commit(&commands, options).expect("taken");
        assert!(outcome.echo_complete);
        assert_eq!(outcome.handles.len(), 50_000);
        let ruleset = read();
        let table = ruleset.table(Family::Ip, "t").expect("the table");
        assert_eq!(table.chain("a").expect("the chain").rules.len(), 50_000);
        let hookscope::model::Elements::Read(list) = &table.set("s").expect("the set").elements
        else {
            panic!("not read");
        };
        assert_eq!(list.len(), 200_000);
    });
}
