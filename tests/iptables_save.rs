//! `save --format iptables`: the file brings the very tables back, and what goes wrong leaves the old file alone.

mod common;

use common::{BINARY, in_namespace, nft, output, run};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::Path;

const RULES: &str = "*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ADMIN - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"the way \\\"in\\\"\" -j ADMIN
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ADMIN -s 192.0.2.0/24 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE
COMMIT
";

fn save(arguments: &[&str]) -> (bool, String, String) {
    let arguments = [&["save", "--format", "iptables"], arguments].concat();
    let done = run(BINARY, &arguments, "");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        done.status.success(),
        text(&done.stdout),
        text(&done.stderr),
    )
}

fn load(program: &str, text: &str) {
    let loaded = run(program, &[], text);
    let why = String::from_utf8_lossy(&loaded.stderr).into_owned();
    assert!(loaded.status.success(), "{program}: {why}");
}

/// What a `-save` program says, without dates and counters of policies.
fn listed(program: &str) -> String {
    let text = output(program, &[]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_file_brings_the_tables_back() {
    for (backend, restore, saved) in [
        ("nft", "iptables-nft-restore", "iptables-nft-save"),
        ("legacy", "iptables-legacy-restore", "iptables-legacy-save"),
    ] {
        in_namespace("the_file_brings_the_tables_back", move || {
            let directory = tempfile::tempdir().expect("a directory");
            let file = directory.path().join("rules.v4");
            let path = file.to_str().expect("a path");
            load(restore, RULES);
            let before = listed(saved);
            // The backend is the one that has tables.
            let (done, out, error) = save(&["--output", path]);
            assert!(done, "{error}");
            assert!(out.contains("written"), "{out}");
            assert_eq!(
                fs::read_to_string(&file).expect("a file"),
                before,
                "{backend}"
            );
            let (_, again, _) = save(&["--output", path]);
            assert!(again.contains("says this already"), "{again}");

            load(restore, "*filter\n-A INPUT -j DROP\nCOMMIT\n");
            load(restore, &fs::read_to_string(&file).expect("a file"));
            assert_eq!(listed(saved), before, "{backend}");

            // Others rules: the old file is kept beside.
            load(restore, "*filter\n-A INPUT -j DROP\nCOMMIT\n");
            let (done, out, error) = save(&["--output", path, "--backend", backend]);
            assert!(done, "{error}");
            assert!(out.contains("rules.v4.backup-1"), "{out}");
            let kept = fs::read_to_string(directory.path().join("rules.v4.backup-1"));
            assert_eq!(kept.expect("a copy"), before);
        });
    }
}

#[test]
fn each_family_has_its_file_and_both_are_checked_first() {
    in_namespace(
        "each_family_has_its_file_and_both_are_checked_first",
        || {
            // A system of its own below a private mount.
            unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            let none: Option<&str> = None;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
            let etc = tempfile::tempdir().expect("a directory");
            fs::write(etc.path().join("os-release"), "ID=debian\n").expect("a file");
            mount(Some(etc.path()), "/etc", none, MsFlags::MS_BIND, none).expect("an /etc");
            let (done, _, error) = save(&[]);
            assert!(!done && error.contains("no tables"), "{error}");

            load("iptables-nft-restore", RULES);
            load(
                "ip6tables-nft-restore",
                "*filter\n-A INPUT -s 2001:db8::/32 -j DROP\nCOMMIT\n",
            );
            let (done, out, error) = save(&[]);
            assert!(done, "{error}");
            assert!(out.contains("/etc/iptables/rules.v4"), "{out}");
            assert!(error.contains("iptables-persistent"), "{error}");
            let read = |name: &str| fs::read_to_string(etc.path().join("iptables").join(name));
            assert_eq!(
                read("rules.v4").expect("a file"),
                listed("iptables-nft-save")
            );
            assert_eq!(
                read("rules.v6").expect("a file"),
                listed("ip6tables-nft-save")
            );

            // What iptables cannot say is not lost in silence, and nothing is written for the other family either.
            load("iptables-nft-restore", "*filter\nCOMMIT\n");
            nft("add rule ip6 filter INPUT meta mark set jhash ip6 saddr mod 4\n");
            let (done, _, error) = save(&[]);
            assert!(!done, "{error}");
            assert!(
                error.contains("ip6 filter") && error.contains("cannot express"),
                "{error}"
            );
            assert!(read("rules.v4").expect("a file").contains("ADMIN"));

            load("iptables-legacy-restore", RULES);
            let (done, _, error) = save(&["--family", "ip"]);
            assert!(!done && error.contains("both backends"), "{error}");
        },
    );
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    in_namespace("a_full_disk_leaves_the_old_file", || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        let disk = tempfile::tempdir().expect("a directory");
        let at = |name: &str| disk.path().join(name);
        let options = Some("size=32k,mode=755");
        mount(
            Some("none"),
            disk.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            options,
        )
        .expect("a disk");
        let old = "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n";
        fs::write(at("rules.v4"), old).expect("room");
        let full = fs::write(at("rest"), vec![0; 1 << 20]);
        assert!(full.is_err(), "the disk is full");

        load("iptables-nft-restore", RULES);
        let path = at("rules.v4");
        let (done, _, error) = save(&["--output", path.to_str().expect("a path")]);
        assert!(!done);
        assert!(
            error.contains("cannot write") && error.contains("the file is what it was"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).expect("a file"), old);
        assert_eq!(
            names(disk.path()),
            ["rest", "rules.v4"],
            "nothing is left behind"
        );
    });
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
