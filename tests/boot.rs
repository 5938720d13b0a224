//! `save --diff`: what is loaded at boot is held against what runs by meaning, not by text.

mod common;

use common::{BINARY, in_namespace, nft, run};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::Path;

/// A Debian of its own for this thread: `test` gets its `/etc`, which is empty but for its name.
fn on_a_system(name: &str, test: impl FnOnce(&Path) + Send + 'static) {
    in_namespace(name, move || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        let etc = tempfile::tempdir().expect("a directory");
        fs::write(etc.path().join("os-release"), "ID=debian\n").expect("a file");
        mount(Some(etc.path()), "/etc", none, MsFlags::MS_BIND, none).expect("an /etc");
        test(etc.path());
    });
}

/// Whether all is the same, and what is said.
fn diff() -> (bool, String) {
    let done = run(BINARY, &["save", "--diff"], "");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&done.stderr), "");
    (done.status.success(), text(&done.stdout))
}

/// What must be different: lines with their sign.
fn differs(lines: &[&str]) {
    let (same, out) = diff();
    assert!(!same, "{out}");
    let mut found: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with(['+', '-']))
        .collect();
    found.sort_unstable();
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    assert_eq!(found, lines, "{out}");
}

fn same() {
    let (same, out) = diff();
    assert!(same, "{out}");
}

const FILE: &str = "#!/usr/sbin/nft -f
flush ruleset
include \"/etc/parts/*.nft\"
define ssh = 22
table inet t {
    # Not in the kernel.
    set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/25, 10.0.0.128/25, 192.0.2.1 }; auto-merge; }
    set seen { type ipv4_addr; flags dynamic; timeout 1h; }
    map v { type inet_service : verdict; elements = { 80 : accept, $ssh : jump ssh }; }
    chain ssh { counter packets 3 bytes 4 accept; }
    chain in {
        type filter hook input priority filter + 5; policy drop;
        ct state { established, related } accept
        tcp dport vmap @v
        ip saddr @s tcp dport { 443, 80 } accept comment \"web\"
        add @seen { ip saddr }
    }
}
";

#[test]
fn the_file_of_nft_is_compared_by_meaning() {
    on_a_system("the_file_of_nft_is_compared_by_meaning", |etc| {
        let (nothing, out) = diff();
        assert!(nothing && out.contains("no rules run"), "{out}");
        let file = etc.join("nftables.conf");
        nft("add table ip alone");
        differs(&["+   table ip alone"]);
        fs::create_dir(etc.join("parts")).expect("a directory");
        fs::write(etc.join("parts/a.nft"), "add table ip alone\n").expect("a file");
        fs::write(&file, FILE).expect("a file");
        nft(&FILE.replace("/etc/parts", &etc.join("parts").display().to_string()));
        same();
        // What comes and goes by itself does not count.
        nft("add element inet t seen { 198.51.100.1 }\nreset counters\n");
        same();
        nft(
            "insert rule inet t in iifname lo accept\nadd chain inet t in { policy accept; }\n\
             add element inet t s { 198.51.100.7 }\ndelete element inet t v { 80 }\n",
        );
        differs(&[
            "+   198.51.100.7",
            "-   80 : accept",
            "-   type filter hook input priority filter + 5; policy drop;",
            "+   type filter hook input priority filter + 5; policy accept;",
            "+   iifname \"lo\" accept",
        ]);
        // Saved is saved.
        let done = run(BINARY, &["save"], "");
        assert!(done.status.success());
        same();
        fs::write(
            &file,
            "table inet t {\n chain in { tcp dprt 22 accept\n }\n}\n",
        )
        .expect("a file");
        let (same, out) = diff();
        assert!(
            !same && out.contains("cannot be compared") && out.contains("dport"),
            "{out}"
        );
    });
}

const RULES: &str = "*filter
:INPUT DROP [5:9]
:FORWARD ACCEPT
:OUTPUT ACCEPT [0:0]
:ADMIN -
-A INPUT -i lo -j ACCEPT
-A INPUT --protocol tcp --dport ssh -j ADMIN
-A ADMIN -s 192.0.2.0/255.255.255.0 -j ACCEPT
COMMIT
";

#[test]
fn the_files_of_iptables_are_compared_by_meaning() {
    for backend in ["nft", "legacy"] {
        on_a_system(
            "the_files_of_iptables_are_compared_by_meaning",
            move |etc| {
                // iptables knows services by their file.
                fs::write(etc.join("services"), "ssh 22/tcp\n").expect("a file");
                fs::create_dir(etc.join("iptables")).expect("a directory");
                fs::write(etc.join("iptables/rules.v4"), RULES).expect("a file");
                let load = |family: &str, text: &str| {
                    let program = format!("{family}-{backend}-restore");
                    assert!(run(&program, &[], text).status.success());
                };
                load("iptables", RULES);
                same();
                // A table that does nothing is as good as none.
                load("iptables", "*mangle\n:PREROUTING ACCEPT [7:8]\nCOMMIT\n");
                same();
                load("ip6tables", "*filter\n-A INPUT -p tcp -j DROP\nCOMMIT\n");
                differs(&["+   -A INPUT -p tcp -j DROP"]);
                let program = format!("iptables-{backend}");
                assert!(run(&program, &["-D", "INPUT", "1"], "").status.success());
                assert!(
                    run(&program, &["-P", "OUTPUT", "DROP"], "")
                        .status
                        .success()
                );
                differs(&[
                    "+   -A INPUT -p tcp -j DROP",
                    "-   -A INPUT -i lo -j ACCEPT",
                    "-   :OUTPUT ACCEPT",
                    "+   :OUTPUT DROP",
                ]);
                fs::write(
                    etc.join("iptables/rules.v6"),
                    "*filter\n-A INPUT -p nonsense -j DROP\nCOMMIT\n",
                )
                .expect("a file");
                let (same, out) = diff();
                assert!(
                    !same && out.contains("line 2") && out.contains("nonsense"),
                    "{out}"
                );
            },
        );
    }
}

#[test]
fn what_both_languages_keep_is_looked_for_where_it_is() {
    on_a_system(
        "what_both_languages_keep_is_looked_for_where_it_is",
        |etc| {
            let load =
                |text: &str| assert!(run("iptables-nft-restore", &[], text).status.success());
            load("*filter\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n");
            nft("add table inet own\n");
            // Each in its own file.
            fs::write(
                etc.join("nftables.conf"),
                "flush ruleset\ntable inet own { }\n",
            )
            .expect("a file");
            differs(&["+   -A INPUT -i lo -j ACCEPT"]);
            fs::create_dir(etc.join("iptables")).expect("a directory");
            fs::write(
                etc.join("iptables/rules.v4"),
                "*filter\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n",
            )
            .expect("a file");
            same();
            // All in the file of nft.
            fs::remove_file(etc.join("iptables/rules.v4")).expect("it is gone");
            assert!(run(BINARY, &["save"], "").status.success());
            same();
        },
    );
}

#[test]
fn what_is_not_the_machines_own_is_not_what_it_loads() {
    on_a_system("what_is_not_the_machines_own", |etc| {
        let refused = |arguments: &[&str], why: &str| {
            let done = run(BINARY, arguments, "");
            let told = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(1), "{told}");
            assert!(told.contains(why) && told.contains("--output"), "{told}");
        };
        let own = std::process::id().to_string();
        for diff in [&["save"][..], &["save", "--diff"]] {
            refused(
                &[&["--netns", &own], diff].concat(),
                "its own network namespace",
            );
            refused(
                &[&["demo", "--exec", BINARY], diff].concat(),
                "the demo is not",
            );
        }
        assert!(!etc.join("nftables.conf").exists());
        let file = etc.join("own").display().to_string();
        let done = run(
            BINARY,
            &["demo", "--exec", BINARY, "save", "--output", &file],
            "",
        );
        assert!(done.status.success(), "{done:?}");
    });
}
