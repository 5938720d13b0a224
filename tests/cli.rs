//! What a person sees who asks for what cannot be had: words, a next step, and the right exit code.

mod common;

use common::{BINARY, in_namespace, nft, run};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const NOBODY: u32 = 65534;

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    told(&run(BINARY, arguments, ""), code, words);
}

fn told(output: &Output, code: i32, words: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(
        output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    for word in words {
        assert!(error.contains(word), "'{word}' is not in: {error}");
    }
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn wrong_words_exit_2() {
    refused(&["shwo"], 2, &["show"]);
    refused(&["show", "--purple"], 2, &["--purple"]);
    refused(&["route", "get"], 2, &["<DST>"]);
    refused(&["route", "get", "10.0.0.1", "sideways"], 2, &["sideways"]);
}

#[test]
fn what_is_not_there_exits_1() {
    refused(
        &["--netns", "no-such-place", "show"],
        1,
        &["no network namespace 'no-such-place'"],
    );
    refused(&["--netns", "4194305", "show"], 1, &["no process 4194305"]);
    refused(
        &["--snapshot", "/no/such/file", "show"],
        1,
        &["/no/such/file", "No such file"],
    );
    refused(
        &["demo", "no-such-scenario"],
        1,
        &["no-such-scenario", "--list"],
    );
    refused(
        &["snapshot", "-o", "/no/such/directory/file"],
        1,
        &["/no/such/directory/file"],
    );
}

#[test]
fn files_that_are_no_snapshot_of_ours() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    let name = file.display().to_string();
    for (bytes, words) in [
        (&b""[..], "is not a hookscope snapshot"),
        (b"\x7fELF and so on", "is not a hookscope snapshot"),
        (b"hookscope snapshot 99\nfrom the future", "format 99"),
        (b"hookscope snapshot 1\n", "damaged or cut off"),
        (
            b"hookscope snapshot 1\nnot compressed",
            "damaged or cut off",
        ),
    ] {
        std::fs::write(&file, bytes).expect("a file");
        refused(&["--snapshot", &name, "show"], 1, &[words, &name]);
        refused(&["--snapshot", &name, "route", "list"], 1, &[words]);
        refused(&["--snapshot", &name], 1, &[words]);
    }
}

#[test]
fn without_rights_the_next_step_is_named() {
    in_namespace("without_rights_the_next_step_is_named", || {
        // Where another user may run it from.
        let directory = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .expect("a directory");
        let binary = directory.path().join("hookscope");
        std::fs::copy(BINARY, &binary).expect("a copy");
        for arguments in [&["show"][..], &["snapshot", "-o", "/dev/null"], &[]] {
            let output = Command::new(&binary)
                .args(arguments)
                .uid(NOBODY)
                .gid(NOBODY)
                .stdin(Stdio::null())
                .output()
                .expect("it runs");
            told(&output, 1, &["CAP_NET_ADMIN", "hookscope demo"]);
        }
    });
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    in_namespace("a_reader_that_leaves_is_no_error", || {
        let mut text = String::from("table ip t {\n chain c {\n");
        for number in 0..20_000 {
            text.push_str(&format!(
                "ip saddr 10.0.{}.{} counter drop\n",
                number / 250,
                number % 250
            ));
        }
        nft(&(text + "}\n}\n"));
        for arguments in [&["show"][..], &["show", "--json"]] {
            let mut child = Command::new(BINARY)
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
            let mut start = [0; 10];
            let mut stdout = child.stdout.take().expect("its output");
            stdout.read_exact(&mut start).expect("a beginning");
            drop(stdout);
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{output:?}");
            assert!(output.stderr.is_empty(), "{output:?}");
        }
    });
}

#[test]
fn the_log_goes_to_a_file() {
    in_namespace("the_log_goes_to_a_file", || {
        let state = tempfile::tempdir().expect("a directory");
        let output = Command::new(BINARY)
            .args(["-v", "show"])
            .env("XDG_STATE_HOME", state.path())
            .output()
            .expect("it runs");
        assert!(
            output.status.success() && output.stderr.is_empty() && output.stdout.is_empty(),
            "{output:?}"
        );
        let log = std::fs::read_to_string(state.path().join("hookscope/log")).expect("a log");
        assert!(log.contains("started"), "{log}");
    });
}

/// Processes whose environment carries a mark.
fn marked(mark: &str) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let environments = entries
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments
        .filter(|bytes| {
            bytes
                .windows(mark.len())
                .any(|part| part == mark.as_bytes())
        })
        .count()
}

#[test]
fn the_demo_leaves_nothing_however_it_ends() {
    in_namespace("the_demo_leaves_nothing_however_it_ends", || {
        let shown = run(BINARY, &["demo", "--exec", BINARY, "show"], "");
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(
            shown.status.success(),
            "{}",
            String::from_utf8_lossy(&shown.stderr)
        );
        assert!(
            text.contains("masquerade") && text.contains("hook forward"),
            "{text}"
        );
        let code = run(BINARY, &["demo", "--exec", "sh", "-c", "exit 7"], "");
        assert_eq!(code.status.code(), Some(7));

        // Ended without a chance to clean up.
        let mark = format!("HOOKSCOPE_TEST={}", std::process::id());
        let (name, value) = mark.split_once('=').expect("two parts");
        let mut demo = Command::new(BINARY)
            .args(["demo", "--exec", "sleep", "1000"])
            .env(name, value)
            .stdin(Stdio::null())
            .spawn()
            .expect("it runs");
        wait_for("the demo's processes", || marked(&mark) >= 2);
        demo.kill().expect("a signal");
        demo.wait().expect("an end");
        wait_for("no process left", || marked(&mark) == 0);
    });
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "waited in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
