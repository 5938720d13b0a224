//! What is left when a program or a guard is killed at any step of a guarded commit, while somebody else changes
//! another table as fast as the kernel lets them: the old ruleset, or the new one confirmed, and every change of
//! theirs.

mod common;

use common::{BINARY, in_namespace, output};
use hookscope::kernel::nf_tables::commit;
use hookscope::model::command::*;
use hookscope::model::{Chain, Data, Element, Expression, Family, RuleList, Verdict};
use hookscope::stage::commit::{Hold, Options, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const OLD: &str = "table ip t {
	set s {
		type ipv4_addr
		elements = { 192.0.2.1, 192.0.2.2 }
	}

	set u {
		type ipv4_addr
		flags timeout
		elements = { 192.0.2.9 timeout 1h }
	}

	chain a {
		type filter hook input priority filter; policy accept;
		tcp dport { 22, 80 } accept
		ip saddr @s counter drop
		tcp dport 443 jump b
	}

	chain b {
		accept
	}
}
";

fn change() -> Vec<Command> {
    let command = |what| Command {
        family: Family::Ip,
        table: "t".into(),
        what,
    };
    let rule = |chain: &str, verdict| {
        command(What::MakeRule(NewRule {
            chain: chain.into(),
            place: Place::Last,
            id: None,
            body: RuleBody::Built {
                expressions: vec![Expression::Immediate {
                    dreg: 0,
                    data: Data::Verdict(verdict),
                }],
                userdata: Vec::new(),
                compat: None,
            },
        }))
    };
    let chain = Chain {
        name: "new".into(),
        handle: 0,
        base: None,
        flags: 0,
        use_count: 0,
        userdata: Vec::new(),
        rules: RuleList::default(),
        raw: Vec::new(),
    };
    vec![
        command(What::MakeChain(Make::Create, Box::new(chain))),
        command(What::FlushRules(Some("a".into()))),
        rule("new", Verdict::Drop),
        rule("a", Verdict::Jump("new".into())),
        command(What::TakeChain(Take::Delete, Key::Name("b".into()))),
        command(What::FlushSet("u".into())),
        command(What::TakeElements {
            set: "s".into(),
            take: Take::Delete,
            elements: vec![Element {
                key: Some(vec![192, 0, 2, 1]),
                ..Element::default()
            }],
        }),
    ]
}

/// Not a test: the program that the tests start and kill. It commits under guard, as they tell it.
#[test]
fn program() {
    let Ok(seconds) = std::env::var("TEST_CONFIRM_MS") else {
        return;
    };
    let time = Duration::from_millis(seconds.parse().expect("a number"));
    let limited = std::env::var_os("TEST_LIMITED").is_some();
    let options = Options {
        confirm: (!limited).then_some(time),
        limited: limited.then_some(time),
        hold: match std::env::var_os("TEST_HOLD") {
            Some(_) => Hold::WithProgram,
            None => Hold::Detached,
        },
        why: "a test".into(),
        ..Options::default()
    };
    let result = run(&change(), &options);
    // The harness eats what is written to standard output.
    let line = match &result {
        Ok(done) => format!("committed {:?}", done.warnings),
        Err(error) => format!("refused: {error}"),
    };
    std::fs::write(std::env::var("TEST_RESULT").expect("a place"), line).expect("written");
    if std::env::var_os("TEST_HOLD").is_some() {
        thread::sleep(Duration::from_secs(60));
    }
}

/// A namespace with the old ruleset and places for state and journal.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        output("nft", &["flush", "ruleset"]);
        common::nft(OLD);
        common::nft("table ip other { set w { type ipv4_addr; size 10000000; }\n }\n");
        Bench {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn with(&self, program: &Path, fault: &str) -> Process {
        let mut process = Process::new(program);
        process
            .env("HOOKSCOPE_RUN_DIR", self.place("run"))
            .env("HOOKSCOPE_JOURNAL_DIR", self.place("journal"))
            .env("HOOKSCOPE_PROGRAM", BINARY)
            .env("HOOKSCOPE_FAULT", fault)
            .env("TEST_RESULT", self.place("result"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        process
    }

    /// Start the program with a window of so many milliseconds.
    fn commit(&self, fault: &str, window: u64, hold: bool) -> Child {
        let own = std::env::current_exe().expect("this test");
        let mut process = self.with(&own, fault);
        process
            .args(["--exact", "program", "--nocapture"])
            .env("TEST_CONFIRM_MS", window.to_string());
        if hold {
            process.env("TEST_HOLD", "1");
        }
        process.stderr(Stdio::null()).spawn().expect("it starts")
    }

    fn result(&self) -> String {
        std::fs::read_to_string(self.place("result")).unwrap_or_default()
    }

    fn hookscope(&self, arguments: &[&str], fault: &str) -> Output {
        self.with(Path::new(BINARY), fault)
            .args(arguments)
            .stdout(Stdio::piped())
            .output()
            .expect("it runs")
    }

    /// The process of the guard.
    fn guard(&self) -> Pid {
        let place = self.place("run").display().to_string();
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let is_guard = |pid: &i32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            words.contains("guard-run") && words.contains(&place)
        };
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let guard = pids.into_iter().find(is_guard);
        Pid::from_raw(guard.expect("a guard runs"))
    }

    /// Where states of guards are.
    fn states(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for namespace in std::fs::read_dir(self.place("run"))
            .into_iter()
            .flatten()
            .flatten()
        {
            for place in std::fs::read_dir(namespace.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                if place.path().join("state").exists() {
                    found.push(place.path());
                }
            }
        }
        found
    }

    /// Wait until no guard has anything to do. After `patience` another hookscope comes along, and again after that.
    fn settle(&self, patience: Duration) {
        let started = Instant::now();
        let mut visited = started;
        while !self.states().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(20), "never settles");
            if visited.elapsed() > patience {
                let seen = self.hookscope(&["route", "list"], "");
                assert!(seen.status.success());
                visited = Instant::now();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn ruleset(&self) -> String {
        output("nft", &["-s", "list", "table", "ip", "t"])
    }
}

fn is_old(text: &str) -> bool {
    text == OLD
}

fn is_new(text: &str) -> bool {
    text.contains("chain new")
        && text.contains("jump new")
        && !text.contains("chain b")
        && !text.contains("192.0.2.1,")
}

/// Somebody else, who adds elements to a set of another table without a pause.
struct Writer {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    fn start() -> Writer {
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let (stopped, count) = (stop.clone(), done.clone());
        // A thread starts in the namespace of the one that starts it.
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                let one = Command {
                    family: Family::Ip,
                    table: "other".into(),
                    what: What::MakeElements {
                        set: "w".into(),
                        make: Make::Create,
                        elements: vec![Element {
                            key: Some(number.to_be_bytes().to_vec()),
                            ..Element::default()
                        }],
                    },
                };
                commit::commit(&[one], commit::Options::default()).expect("their table is theirs");
                count.store(number + 1, Ordering::Relaxed);
            }
        });
        Writer { stop, done, thread }
    }

    /// Stop, and see that nothing of it was lost.
    fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer");
        let done = self.done.load(Ordering::Relaxed);
        let mut socket = hookscope::kernel::netlink::Socket::open(
            hookscope::kernel::netlink::Protocol::Netfilter,
        )
        .expect("a socket");
        let list =
            hookscope::kernel::nf_tables::dump::elements(&mut socket, Family::Ip, "other", "w")
                .expect("their set");
        assert_eq!(list.len(), done as usize, "changes of others were lost");
        done
    }
}

fn skipped() -> bool {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: a release build has no places to be killed at");
    }
    !cfg!(debug_assertions)
}

/// Nobody confirms; whoever is killed wherever, the old ruleset is back.
#[test]
fn killed_anywhere_the_old_ruleset_is_back() {
    if skipped() {
        return;
    }
    in_namespace("killed_anywhere_the_old_ruleset_is_back", || {
        let places = [
            "",
            "program:before-guard",
            "program:state-written",
            "program:before-commit",
            "program:committed",
            "program:said-committed",
            "program:armed",
            "guard:before-ready",
            "guard:ready",
            "guard:committed",
            "guard:armed",
            "guard:rolling-back",
            "guard:rolled-back",
            "program:committed,guard:ready",
            "program:said-committed,guard:committed",
            "program:armed,guard:armed",
        ];
        let mut theirs = 0;
        for place in places {
            for hold in [false, true] {
                let bench = Bench::new();
                let writer = Writer::start();
                let mut child = bench.commit(place, 700, hold);
                let started = Instant::now();
                while bench.result().is_empty() && child.try_wait().expect("a child").is_none() {
                    assert!(
                        started.elapsed() < Duration::from_secs(15),
                        "{place}: hangs"
                    );
                    thread::sleep(Duration::from_millis(5));
                }
                if hold {
                    // The terminal goes away.
                    let _ = child.kill();
                }
                let _ = child.wait();
                bench.settle(Duration::from_millis(1500));
                let text = bench.ruleset();
                assert!(
                    is_old(&text),
                    "{place}, hold {hold}: {}\n{text}",
                    bench.result()
                );
                let done = writer.finish();
                eprintln!(
                    "{place}, hold {hold}: {:?}, {done} of theirs",
                    started.elapsed()
                );
                theirs += done;
            }
        }
        assert!(theirs > 1000, "the writer was slow: {theirs}");
    });
}

/// Somebody confirms; whoever is killed wherever, the new ruleset stays.
#[test]
fn confirmed_stays_confirmed() {
    if skipped() {
        return;
    }
    in_namespace("confirmed_stays_confirmed", || {
        for place in ["", "guard:armed", "guard:committed", "guard:confirmed"] {
            let bench = Bench::new();
            let writer = Writer::start();
            let mut child = bench.commit(place, 4000, false);
            child.wait().expect("it ends");
            assert!(
                bench.result().starts_with("committed"),
                "{place}: {}",
                bench.result()
            );
            assert!(is_new(&bench.ruleset()), "{place}");
            let said = bench.hookscope(&["confirm"], "");
            if place != "guard:confirmed" {
                assert!(
                    said.status.success(),
                    "{place}: {}",
                    String::from_utf8_lossy(&said.stderr)
                );
            }
            bench.settle(Duration::from_millis(1500));
            thread::sleep(Duration::from_millis(200));
            let text = bench.ruleset();
            assert!(is_new(&text), "{place}: {text}");
            writer.finish();
        }
    });
}

/// A second commit in a window is refused; rollback on request, and of the last commit.
#[test]
fn windows_and_history() {
    if skipped() {
        return;
    }
    in_namespace("windows_and_history", || {
        let bench = Bench::new();
        bench.commit("", 30_000, false).wait().expect("it ends");
        assert!(is_new(&bench.ruleset()));
        bench.commit("", 30_000, false).wait().expect("it ends");
        assert!(
            bench.result().contains("waits for confirmation"),
            "{}",
            bench.result()
        );
        let said = bench.hookscope(&["rollback"], "");
        assert!(said.status.success(), "{said:?}");
        assert!(is_old(&bench.ruleset()), "{}", bench.ruleset());
        // With what was left of its hour, not with a new one.
        let set = output("nft", &["list", "set", "ip", "t", "u"]);
        assert!(set.contains("expires 59m"), "{set}");
        let said = bench.hookscope(&["rollback"], "");
        assert!(!said.status.success());
        assert!(String::from_utf8_lossy(&said.stderr).contains("nothing waits"));

        // Kept, and taken back from the journal.
        bench.commit("", 30_000, false).wait().expect("it ends");
        let said = bench.hookscope(&["confirm"], "");
        assert!(said.status.success(), "{said:?}");
        assert!(is_new(&bench.ruleset()));
        let said = bench.hookscope(&["rollback", "--last"], "");
        assert!(said.status.success(), "{said:?}");
        assert!(is_old(&bench.ruleset()), "{}", bench.ruleset());
        let said = bench.hookscope(&["rollback", "--last"], "");
        assert!(!said.status.success(), "{said:?}");
        let entries = std::fs::read_dir(bench.place("journal")).expect("a journal");
        let texts: Vec<String> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(|path| std::fs::read_to_string(path).expect("an entry"))
            .collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        let all = texts.join("\n");
        for part in [
            "rolled-back",
            "somebody asked for it",
            "undone",
            "\"undoes\": ",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    });
}

/// A machine that was suspended past the end of a window: the guard acts when it wakes, not a whole window later.
#[test]
fn a_guard_that_slept_past_its_time_acts_when_it_wakes() {
    if skipped() {
        return;
    }
    in_namespace("a_guard_that_slept_past_its_time", || {
        let bench = Bench::new();
        bench.commit("", 2_000, false).wait().expect("it ends");
        let guard = bench.guard();
        let signal = |signal| kill(guard, signal).expect("it lives");
        signal(Signal::SIGSTOP);
        thread::sleep(Duration::from_secs(4));
        assert!(is_new(&bench.ruleset()), "nobody is awake to take it back");
        signal(Signal::SIGCONT);
        let woken = Instant::now();
        while !is_old(&bench.ruleset()) {
            assert!(
                woken.elapsed() < Duration::from_secs(10),
                "{}",
                bench.ruleset()
            );
            thread::sleep(Duration::from_millis(5));
        }
        bench.settle(Duration::from_secs(5));
    });
}

/// A commit that the kernel refuses leaves no guard and no state.
#[test]
fn a_refused_commit_leaves_no_guard() {
    if skipped() {
        return;
    }
    in_namespace("a_refused_commit_leaves_no_guard", || {
        let bench = Bench::new();
        output(
            "nft",
            &["delete", "element", "ip", "t", "s", "{ 192.0.2.1 }"],
        );
        let before = bench.ruleset();
        bench.commit("", 500, false).wait().expect("it ends");
        assert!(
            bench.result().contains("refuses change 7 of 7"),
            "{}",
            bench.result()
        );
        assert!(bench.states().is_empty());
        assert_eq!(bench.ruleset(), before);
        let journal = std::fs::read_dir(bench.place("journal"));
        let files = journal.into_iter().flatten().flatten();
        let mut entries =
            files.filter(|file| file.file_name().to_string_lossy().ends_with(".json"));
        assert!(entries.next().is_none());
    });
}

/// What somebody else adds to the same tables while a change waits stays when it is taken back.
#[test]
fn what_others_added_in_a_window_stays() {
    if skipped() {
        return;
    }
    in_namespace("what_others_added_in_a_window_stays", || {
        let bench = Bench::new();
        bench.commit("", 30_000, false).wait().expect("it ends");
        common::nft(
            "add rule ip t a tcp dport 7777 drop
             add rule ip t new tcp dport 8888 drop
             add element ip t s { 192.0.2.77 }
            ",
        );
        let said = bench.hookscope(&["rollback"], "");
        let (text, told) = (
            bench.ruleset(),
            String::from_utf8_lossy(&said.stderr).into_owned(),
        );
        // Their rule keeps the chain that the change made; that is told.
        assert!(
            !said.status.success() && told.contains("chain 'new'"),
            "{told}\n{text}"
        );
        let expected = OLD
            .replace(
                "192.0.2.1, 192.0.2.2 }",
                "192.0.2.1, 192.0.2.2,\n\t\t\t     192.0.2.77 }",
            )
            .replace("jump b\n", "jump b\n\t\ttcp dport 7777 drop\n");
        let (head, tail) = expected.split_at(expected.find("\tchain b").expect("the chain"));
        let theirs = "\tchain new {\n\t\ttcp dport 8888 drop\n\t}\n\n";
        assert_eq!(text, format!("{head}{theirs}{tail}"));
        assert!(bench.states().is_empty());
    });
}

/// Rules for a limited time go by themselves; they are no window, and nothing waits for them.
#[test]
fn limited_time() {
    if skipped() {
        return;
    }
    in_namespace("limited_time", || {
        let bench = Bench::new();
        let own = std::env::current_exe().expect("this test");
        let status = bench
            .with(&own, "")
            .args(["--exact", "program", "--nocapture"])
            .env("TEST_CONFIRM_MS", "1500")
            .env("TEST_LIMITED", "1")
            .status();
        assert!(status.expect("it runs").success());
        assert!(
            bench.result().starts_with("committed"),
            "{}",
            bench.result()
        );
        assert!(is_new(&bench.ruleset()));
        let said = bench.hookscope(&["confirm"], "");
        assert!(!said.status.success(), "{said:?}");
        assert!(is_new(&bench.ruleset()));
        bench.settle(Duration::from_secs(5));
        assert!(is_old(&bench.ruleset()), "{}", bench.ruleset());
    });
}

/// The change was made for a picture; others changed the same table since.
#[test]
fn a_change_for_an_older_picture_is_refused() {
    in_namespace("a_change_for_an_older_picture_is_refused", || {
        let bench = Bench::new();
        let mut socket = hookscope::kernel::netlink::Socket::open(
            hookscope::kernel::netlink::Protocol::Netfilter,
        )
        .expect("a socket");
        let elements = hookscope::kernel::nf_tables::load::ReadElements::All;
        let reviewed =
            hookscope::kernel::nf_tables::load::load(&mut socket, elements).expect("a ruleset");
        let options = Options {
            reviewed: Some(&reviewed),
            unlogged: true,
            ..Options::default()
        };
        // Another table does not matter.
        common::nft("add element ip other w { 192.0.2.1 }\n");
        common::nft("add rule ip t a tcp dport 9999 drop\n");
        let before = bench.ruleset();
        match run(&change(), &options) {
            Err(hookscope::stage::commit::CommitError::Moved(three)) => {
                assert_eq!(three.theirs.commands.len(), 1, "{:?}", three.theirs);
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("committed"),
        }
        assert_eq!(bench.ruleset(), before);
        output("nft", &["flush", "ruleset"]);
        common::nft(OLD);
    });
}
