//! What tests on the real kernel share: network namespaces of their own, and the programs they compare with.
#![allow(dead_code)]

use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::process::{Command, Output, Stdio};

pub const BINARY: &str = env!("CARGO_BIN_EXE_hookscope");

/// Run `test` in a network namespace of its own; a namespace belongs to a thread, and so do programs started there.
pub fn in_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let name = name.to_owned();
    let thread = std::thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        // Not through the macro, whose output the test harness hides.
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "skipped: {name}: needs root ({error})");
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Run a program with text on its standard input.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot run {program}: {error}; `make setup-test` installs it")
        });
    let _ = child
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(input.as_bytes()));
    child.wait_with_output().expect("the program ends")
}

/// What a program prints; it must succeed.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments, "");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Load a ruleset with nft.
pub fn nft(text: &str) {
    let output = run("nft", &["-f", "-"], text);
    assert!(
        output.status.success(),
        "nft: {}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What hookscope prints.
pub fn hookscope(arguments: &[&str]) -> String {
    output(BINARY, arguments)
}

/// Lines that this kernel or this nft refuses are left out, one by one, so that the rest is compared everywhere.
#[allow(dead_code)]
pub fn load_what_works(text: &str) -> usize {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut left_out = 0;
    loop {
        let result = run("nft", &["-f", "-"], &lines.join("\n"));
        if result.status.success() {
            return left_out;
        }
        let message = String::from_utf8_lossy(&result.stderr).into_owned();
        let line = message
            .lines()
            .find_map(|line| {
                line.strip_prefix("/dev/stdin:")?
                    .split(':')
                    .next()?
                    .parse::<usize>()
                    .ok()
            })
            .unwrap_or_else(|| panic!("nft: {message}"));
        eprintln!("left out: {}", lines[line - 1]);
        lines[line - 1] = "";
        left_out += 1;
        assert!(left_out < 8, "nft refuses too much: {message}");
    }
}
