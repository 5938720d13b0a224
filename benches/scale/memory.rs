//! Peak memory of a load, measured in a process that does nothing else.

use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::nf_tables::load::{ReadElements, load};
use std::fs;
use std::hint::black_box;
use std::process::Command;

/// The argument that makes this program the process that is measured.
pub const CHILD: &str = "--peak-of-a-load";

/// Bytes that loading the ruleset adds to the peak of a process, and the whole peak.
pub fn peak_of_load() -> (u64, u64) {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program).arg(CHILD).output();
    let output = output.expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(before), Some(after)) => (after - before, after),
        _ => panic!(
            "the load failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// In the process that is measured: prints the peak before and after the load.
pub fn child() {
    let mut socket = Socket::open(Protocol::Netfilter).expect("a netlink socket");
    let before = peak();
    let ruleset = load(&mut socket, ReadElements::All).expect("a ruleset");
    println!("{before} {}", peak());
    black_box(ruleset);
}

/// The most memory this process has had at once, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("VmHWM") * 1024
}
