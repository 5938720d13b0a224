//! Names that a machine keeps in files: a rule written with one is the rule that the family's own program writes.

mod common;

use common::{BINARY, in_namespace, output, run};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;

/// Rules of one family, written by hookscope in one namespace and by `program` in another, as `program` lists them.
fn same_rules(family: &'static str, program: &'static str, rules: &'static [&'static str]) {
    let listed = |write: fn(&str, &str, &str)| {
        let (sender, receiver) = std::sync::mpsc::channel();
        in_namespace("same_rules", move || {
            for rule in rules {
                write(family, program, rule);
            }
            let save = format!("{program}-save");
            let text = output(&save, &[]);
            let lines = text.lines().filter(|line| line.starts_with("-A"));
            let _ = sender.send(lines.collect::<Vec<_>>().join("\n"));
        });
        // Nothing where namespaces cannot be had: said once by `in_namespace`.
        receiver.recv().unwrap_or_default()
    };
    let ours = listed(|family, _, rule| {
        let arguments = [
            "apply", "--format", "iptables", "--family", family, "-e", rule,
        ];
        output(BINARY, &arguments);
    });
    let theirs = listed(|_, program, rule| {
        let words: Vec<&str> = rule.split_whitespace().collect();
        output(program, &words);
    });
    assert_eq!(ours, theirs, "{program}");
}

#[test]
fn names_of_protocols_are_known_in_every_family() {
    same_rules(
        "ip",
        "iptables-nft",
        &["-A INPUT -p udplite -j ACCEPT", "-A INPUT -p ESP -j DROP"],
    );
    same_rules("ip6", "ip6tables-nft", &["-A INPUT -p ipv6-icmp -j ACCEPT"]);
    same_rules(
        "bridge",
        "ebtables-nft",
        &[
            "-A INPUT -p ARP --arp-op Request -j ACCEPT",
            "-A INPUT -p LLDP -j DROP",
            "-A FORWARD -p 802_1Q --vlan-encap IPv6 -j ACCEPT",
        ],
    );
}

#[test]
fn names_of_labels_are_read_from_their_file() {
    in_namespace("names_of_labels_are_read_from_their_file", || {
        // A directory of files that stands in the place of /etc, seen by this thread and what it starts.
        let here = tempfile::tempdir().expect("a directory");
        fs::create_dir(here.path().join("xtables")).expect("a directory");
        let labels = here.path().join("xtables/connlabel.conf");
        fs::write(labels, "0\teth-in\n7 vip\n").expect("a file");
        fs::copy("/etc/protocols", here.path().join("protocols")).expect("a file");
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
        let (nothing, flags) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        mount(nothing, "/", nothing, flags, nothing).expect("private mounts");
        let place = Some(here.path());
        mount(place, "/etc", nothing, MsFlags::MS_BIND, nothing).expect("a bind mount");
        let rule = "-A INPUT -m connlabel --label vip -j ACCEPT";
        output(BINARY, &["apply", "--format", "iptables", "-e", rule]);
        let rules = |text: String| {
            let lines = text.lines().filter(|line| line.starts_with("-A"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let theirs = rules(output("iptables-nft-save", &[]));
        assert!(theirs.contains("vip"), "{theirs}");
        assert_eq!(
            rules(output(BINARY, &["show", "--format", "iptables"])),
            theirs
        );
        let wrong = "-A INPUT -m connlabel --label vap -j ACCEPT";
        let refused = run(BINARY, &["apply", "--format", "iptables", "-e", wrong], "");
        assert_eq!(refused.status.code(), Some(1));
    });
}

/// Names may be any bytes: they come out as they went in, on both backends.
#[test]
fn names_that_are_no_text_stay_what_they_are() {
    const CHAIN: &[u8] = b"a\x11b\xb1\xff";
    in_namespace("names_that_are_no_text_stay_what_they_are", || {
        let here = tempfile::tempdir().expect("a directory");
        let file = here.path().join("rules");
        let parts: [&[u8]; 5] = [
            b"*filter\n:",
            CHAIN,
            b" - [0:0]\n-A INPUT -j ",
            CHAIN,
            b"\nCOMMIT\n",
        ];
        fs::write(&file, parts.concat()).expect("a file");
        let path = file.display().to_string();
        for backend in ["nft", "legacy"] {
            let ours = ["--format", "iptables", "--backend", backend];
            output(BINARY, &[&["apply"], &ours[..], &[&path]].concat());
            let rules = |program: &str, arguments: &[&str]| -> Vec<Vec<u8>> {
                let told = run(program, arguments, "").stdout;
                let lines = told.split(|byte| *byte == b'\n');
                let named = lines.filter(|line| line.windows(CHAIN.len()).any(|at| at == CHAIN));
                named.map(<[u8]>::to_vec).collect()
            };
            let theirs = rules(&format!("iptables-{backend}-save"), &[]);
            assert_eq!(theirs.len(), 2, "{backend}: {theirs:?}");
            let listed = rules(BINARY, &[&["show"], &ours[..]].concat());
            assert_eq!(listed, theirs, "{backend}");
        }
    });
}
