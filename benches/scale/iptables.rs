//! Both backends of iptables with a cluster in them: printing it all, and one rule more.

use crate::table::{Limit, Table, Value};
use crate::{PROGRAM, Sizes, alternate, input, run};
use hookscope::lang::iptables::parse::Reading;
use hookscope::model::Family;
use hookscope::session::iptables;
use hookscope::stage::commit;
use std::path::PathBuf;
use std::process::Command;

/// The journal of this benchmark, for as long as it runs.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let name = format!("hookscope-bench-{}", std::process::id());
        let place = Place(std::env::temp_dir().join(name));
        let [journal, run] = place.variables();
        // SAFETY: the benchmark has no other thread when a part of it begins.
        unsafe {
            std::env::set_var(journal.0, journal.1);
            std::env::set_var(run.0, run.1);
        }
        place
    }

    fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("HOOKSCOPE_JOURNAL_DIR", self.0.join("journal")),
            ("HOOKSCOPE_RUN_DIR", self.0.join("run")),
        ]
    }

    fn ours(&self, arguments: &[&str]) {
        let mut command = Command::new(PROGRAM.as_str());
        command.envs(self.variables()).args(arguments);
        let status = command.status().expect("hookscope");
        assert!(status.success(), "{arguments:?}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// In a small chain, and in the largest one.
const CHAINS: [&str; 2] = ["PREROUTING", "KUBE-SERVICES"];
const TIMES: usize = 9;

fn rule(chain: &str) -> [&str; 8] {
    ["-t", "nat", "-A", chain, "-s", "192.0.2.1", "-j", "ACCEPT"]
}

/// The ruleset of the namespace, in iptables-nft.
pub fn nft(table: &mut Table, size: &str) {
    let place = Place::new();
    let show = ["show", "--format", "iptables"];
    let (time, other) = alternate(3, || run(&PROGRAM, &show), || run("iptables-nft-save", &[]));
    table.row(
        "iptables-nft: show --format iptables",
        size,
        Value::Time(time),
        ("iptables-save", Value::Time(other)),
        Limit::FasterBy(5.0),
    );
    for chain in CHAINS {
        let rule = rule(chain);
        let text = rule.join(" ");
        let (time, other) = alternate(
            TIMES,
            || place.ours(&["apply", "--format", "iptables", "-e", &text]),
            || run("iptables-nft", &rule),
        );
        table.row(
            &format!("iptables-nft: one rule appended to {chain}"),
            size,
            Value::Time(time),
            ("iptables -A", Value::Time(other)),
            Limit::AtMost(1.0),
        );
        let (time, other) = alternate(TIMES, || commit_nft(&text), || run("iptables-nft", &rule));
        table.row(
            &format!("iptables-nft: the same by a program that runs, {chain}"),
            size,
            Value::Time(time),
            ("iptables -A", Value::Time(other)),
            Limit::AtMost(1.0),
        );
    }
}

/// As the terminal does it: read, compared with the kernel, committed and written down.
fn commit_nft(text: &str) {
    let compiled = iptables::compile_nft(text, Family::Ip, Reading::default());
    let compiled = compiled.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let options = commit::Options {
        compiled_at: Some(compiled.generation),
        text: text.to_owned(),
        ..commit::Options::default()
    };
    let done = commit::run(&compiled.commands, &options).expect("a commit");
    assert!(done.warnings.is_empty(), "{:?}", done.warnings);
}

/// The same in the legacy tables.
pub fn legacy(sizes: Sizes, table: &mut Table) {
    let place = Place::new();
    input::feed(
        "iptables-legacy-restore",
        &[],
        &input::kubernetes(sizes.services),
    );
    let size = format!("{} services", sizes.services);
    let show = ["show", "--format", "iptables", "--backend", "legacy"];
    let (time, other) = alternate(
        3,
        || run(&PROGRAM, &show),
        || run("iptables-legacy-save", &[]),
    );
    table.row(
        "iptables-legacy: show --format iptables",
        &size,
        Value::Time(time),
        ("iptables-legacy-save", Value::Time(other)),
        Limit::AtMost(1.0),
    );
    for chain in CHAINS {
        let rule = rule(chain);
        let text = rule.join(" ");
        let apply = ["apply", "--format", "iptables", "--backend", "legacy", "-e"];
        let (time, other) = alternate(
            TIMES,
            || place.ours(&[&apply[..], &[&text]].concat()),
            || run("iptables-legacy", &rule),
        );
        table.row(
            &format!("iptables-legacy: one rule appended to {chain}"),
            &size,
            Value::Time(time),
            ("iptables-legacy -A", Value::Time(other)),
            Limit::AtMost(1.0),
        );
    }
}
