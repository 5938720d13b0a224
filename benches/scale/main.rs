//! What hookscope costs at scale, next to what the kernel and the usual tools cost in the same run.
//!
//! `cargo bench --bench scale` makes its own network namespaces and rulesets, and prints one table. It needs
//! root. Parts run alone by name (`cargo bench --bench scale -- k8s routes`), and `HOOKSCOPE_BENCH=small` makes
//! everything a tenth of the size. Seconds depend on the machine, so limits are ratios wherever there is
//! something to compare with, and the best of several alternated runs counts.

mod bare;
mod input;
mod iptables;
mod memory;
mod parts;
mod table;
mod terminal;

use nix::sched::{CloneFlags, unshare};
use std::process::{Command, ExitCode, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use table::Table;

/// The program that is measured: the one of `make build`, where `make bench` names it, else the one that cargo built.
pub static PROGRAM: LazyLock<String> = LazyLock::new(|| {
    let built = env!("CARGO_BIN_EXE_hookscope").to_owned();
    std::env::var("HOOKSCOPE_PROGRAM").unwrap_or(built)
});

/// How large everything is.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub services: u32,
    pub rules: u32,
    pub elements: u32,
    pub routes: u32,
    pub idle: Duration,
}

const FULL: Sizes = Sizes {
    services: 5_000,
    rules: 100_000,
    elements: 1_000_000,
    routes: 1_000_000,
    idle: Duration::from_secs(20),
};

const SMALL: Sizes = Sizes {
    services: 500,
    rules: 10_000,
    elements: 100_000,
    routes: 100_000,
    idle: Duration::from_secs(10),
};

type Part = fn(Sizes, &mut Table);

const PARTS: [(&str, Part); 6] = [
    ("k8s", parts::k8s),
    ("legacy", iptables::legacy),
    ("flat", parts::flat),
    ("set", parts::set),
    ("apply", parts::apply),
    ("routes", parts::routes),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .first()
        .is_some_and(|first| first == memory::CHILD)
    {
        memory::child();
        return ExitCode::SUCCESS;
    }
    // Cargo adds `--bench`; what does not look like an option is the name of a part.
    let named: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let Some(unknown) = named
        .iter()
        .find(|name| !PARTS.iter().any(|(part, _)| part == *name))
    {
        let known: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no part '{unknown}'; parts: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let small = std::env::var_os("HOOKSCOPE_BENCH").is_some_and(|size| size == "small");
    let sizes = if small { SMALL } else { FULL };
    let mut table = Table::new();
    for (name, part) in PARTS {
        if !named.is_empty() && !named.iter().any(|wanted| *wanted == name) {
            continue;
        }
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            eprintln!("the benchmark makes network namespaces and needs root: {error}");
            return ExitCode::FAILURE;
        }
        eprintln!("{name} ...");
        part(sizes, &mut table);
    }
    table.print();
    ExitCode::SUCCESS
}

/// Run `ours` and `other` by turns, so that noise meets both, and give the shortest time of each.
pub fn alternate(
    times: usize,
    mut ours: impl FnMut(),
    mut other: impl FnMut(),
) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..times {
        best.1 = best.1.min(timed(&mut other));
        best.0 = best.0.min(timed(&mut ours));
    }
    best
}

pub fn timed(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Run a program to its end with nobody reading what it prints.
pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
