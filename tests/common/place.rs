//! The program with a journal and a run directory of its own, so that tests do not see each other's commits.

use super::{BINARY, output, run};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    pub fn runtime(&self) -> PathBuf {
        self.0.path().join("run")
    }

    pub fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("HOOKSCOPE_RUN_DIR", self.runtime())
            .env("HOOKSCOPE_JOURNAL_DIR", self.journal())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program")
    }

    /// What it prints; it must succeed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{arguments:?}: {why}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// What it says is wrong; it must fail.
    pub fn bad(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(!done.status.success(), "{arguments:?} went well");
        String::from_utf8_lossy(&done.stderr).into_owned()
    }
}

/// What one of iptables' saving programs prints, with counters and without the lines that say when.
pub fn saved(program: &str) -> String {
    let text = output(program, &["-c"]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Load what [`saved`] gave.
pub fn restore(program: &str, text: &str) {
    let loaded = run(program, &["-c"], text);
    let why = String::from_utf8_lossy(&loaded.stderr).into_owned();
    assert!(loaded.status.success(), "{program}: {why}\n{text}");
}
