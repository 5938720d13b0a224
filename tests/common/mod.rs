//! What tests on the real kernel share: network namespaces of their own, and the programs they compare with.
#![allow(dead_code)]

pub mod place;

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

/// Another host: a network namespace of a thread, at the other end of a cable.
pub struct Host {
    work: std::sync::mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

impl Host {
    /// A cable from `device` here to `eth0` there, with an address (`10.0.0.9/24`) there.
    pub fn cable(device: &str, address: &str) -> Host {
        let (work, jobs) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (ready, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
            ready.send(nix::unistd::gettid()).expect("somebody waits");
            for job in jobs {
                job();
            }
        });
        let thread = told.recv().expect("a thread").to_string();
        let make = [
            "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", &thread,
        ];
        output("ip", &make);
        output("ip", &["link", "set", device, "up"]);
        let host = Host { work };
        let address = address.to_owned();
        host.run(move || {
            output("ip", &["address", "add", &address, "dev", "eth0"]);
            output("ip", &["link", "set", "eth0", "up"]);
            output("ip", &["link", "set", "lo", "up"]);
        });
        host
    }

    /// Do something there, and wait.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, told) = std::sync::mpsc::channel();
        let job = Box::new(move || {
            let _ = answer.send(job());
        });
        self.work.send(job).expect("the host is there");
        told.recv().expect("the job ends well")
    }
}

/// Wait until something is so, at most ten seconds.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !is() {
        assert!(
            std::time::Instant::now() < end,
            "{what}: not in ten seconds"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Lines of `ip -batch`, all of which must work.
pub fn batch(lines: &str) {
    let done = run("ip", &["-batch", "-"], lines);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
}

/// A router between `lan` and `wan`, with a bridge beside them.
pub fn router() {
    batch(
        "link set lo up
link add lan type veth peer name lanpeer
link add wan type veth peer name wanpeer
link add br0 type bridge
link add port type veth peer name portpeer
link set port master br0
link set lan up
link set lanpeer up
link set wan up
link set wanpeer up
link set br0 up
link set port up
link set portpeer up
address add 10.0.1.1/24 dev lan
address add 10.0.2.1/24 dev wan
address add 10.0.3.1/24 dev br0
address add fd00:1::1/64 dev lan nodad
address add fd00:2::1/64 dev wan nodad
route add default via 10.0.2.254 dev wan
",
    );
    for path in [
        "ipv4/ip_forward",
        "ipv6/conf/all/forwarding",
        "ipv4/conf/lan/rp_filter",
    ] {
        std::fs::write(format!("/proc/sys/net/{path}"), "1").expect("a sysctl");
    }
}
