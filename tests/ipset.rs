//! Sets of ipset: shown as `ipset save` prints them, made as `ipset restore` makes them, all of a text or none.

mod common;

use common::{BINARY, hookscope, in_namespace, output, run};
use std::process::Output;

/// All types that many kernels have, with all that may belong to a set and to an element.
const SETS: &str = "\
create maps bitmap:ip range 10.0.0.0-10.0.255.255 timeout 600 counters comment skbinfo
add maps 10.0.0.1 timeout 0 packets 5 bytes 500 comment \"hello x\" skbmark 0x10/0xff skbprio 1:10 skbqueue 3
add maps 10.0.0.4-10.0.0.6 timeout 0
create masked bitmap:ip range 10.0.0.0/8 netmask 24
add masked 10.1.2.0
create macs bitmap:ip,mac range 192.168.0.0/24
add macs 192.168.0.5,01:23:45:67:89:ab
add macs 192.168.0.6
create ports bitmap:port range 0-1024
add ports 22
add ports 80-82
create ip hash:ip
add ip 192.0.2.1
create six hash:ip family inet6 netmask 64 maxelem 100 hashsize 64
add six 2001:db8::1
create bits hash:ip bitmask 255.255.0.255 bucketsize 6 initval 0x12345678
add bits 10.1.2.3
create services hash:ip,port counters
add services 192.0.2.1,tcp:80 packets 7 bytes 700
add services 192.0.2.1,udp:53
add services 192.0.2.1,icmp:echo-request
add services 192.0.2.1,icmp:3/13
add services 192.0.2.1,vrrp:0
add services 192.0.2.2,sctp:9-12
create services6 hash:ip,port family inet6
add services6 2001:db8::1,icmpv6:echo-reply
create triple hash:ip,port,ip
add triple 192.0.2.1,tcp:80,198.51.100.1
create ipnet hash:ip,port,net
add ipnet 192.0.2.1,tcp:80,198.51.100.0/24
add ipnet 192.0.2.1,tcp:80,198.51.100.0/28 nomatch
create nets hash:net counters comment
add nets 192.0.2.0/24 comment \"a b\"
add nets 192.0.2.0/28 nomatch
add nets 198.51.100.1
create netports hash:net,port skbinfo
add netports 192.0.2.0/24,tcp:80 skbmark 0x1 skbqueue 5
add netports 192.0.2.0/24,tcp:0
create devices hash:net,iface
add devices 192.0.2.0/24,eth0
add devices 192.0.2.0/24,physdev:eth1
add devices 0.0.0.0/0,eth9
create list list:set size 12 counters comment
add list ip
add list nets comment \"those\"
add list ports before ip
";

fn is_here() -> bool {
    let there = run("ipset", &["create", "probe", "hash:ip"], "")
        .status
        .success();
    if there {
        output("ipset", &["destroy", "probe"]);
    } else {
        eprintln!("skipped: this kernel has no ipset");
    }
    there
}

fn apply(arguments: &[&str], text: &str) -> Output {
    let directory = std::env::temp_dir().join(format!("hookscope-ipset-{}", std::process::id()));
    std::process::Command::new(BINARY)
        .args(["apply", "--format", "ipset"])
        .args(arguments)
        .args(["-e", text])
        .env("HOOKSCOPE_RUN_DIR", directory.join("run"))
        .env("HOOKSCOPE_JOURNAL_DIR", directory.join("journal"))
        .output()
        .expect("the program")
}

fn applied(arguments: &[&str], text: &str) {
    let done = apply(arguments, text);
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{text}\n{why}");
}

fn refused(text: &str) -> String {
    let done = apply(&[], text);
    assert!(!done.status.success(), "{text}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Without what the kernel makes up, and in an order that does not depend on it.
fn known(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let made_up = line.split_once(" initval ");
            made_up.map_or(line, |(line, _)| line).to_owned()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn sets_are_shown_as_ipset_shows_them() {
    in_namespace("sets_are_shown_as_ipset_shows_them", || {
        if !is_here() {
            return;
        }
        output(
            "ipset",
            &["create", "force", "hash:ip", "timeout", "300", "forceadd"],
        );
        // ipset 7.17 leaves the word out, and what it saves makes another set.
        let ours = hookscope(&["show", "--format", "ipset"]);
        assert!(ours.contains("timeout 300 forceadd bucketsize"), "{ours}");
        output("ipset", &["destroy"]);
        let loaded = run("ipset", &["restore"], SETS);
        assert!(
            loaded.status.success(),
            "{}",
            String::from_utf8_lossy(&loaded.stderr)
        );
        let (ours, theirs) = (
            hookscope(&["show", "--format", "ipset"]),
            output("ipset", &["save"]),
        );
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours, theirs);
    });
}

#[test]
fn texts_make_what_ipset_makes() {
    in_namespace("texts_make_what_ipset_makes", || {
        if !is_here() {
            return;
        }
        let loaded = run("ipset", &["restore"], SETS);
        assert!(
            loaded.status.success(),
            "{}",
            String::from_utf8_lossy(&loaded.stderr)
        );
        let theirs = output("ipset", &["save"]);
        output("ipset", &["destroy", "list"]);
        output("ipset", &["destroy"]);
        applied(&[], SETS);
        assert_eq!(known(&output("ipset", &["save"])), known(&theirs));
        // What is there already is an error, unless it is asked for.
        assert!(refused("add ip 192.0.2.1").contains("there already"));
        applied(&["--exist"], "add ip 192.0.2.1");
        applied(
            &[],
            "add -exist ip 192.0.2.1\nipset del nets 198.51.100.1\nflush ports",
        );
        applied(&[], "swap ip bits\nrename six seven\ndestroy list");
        let now = output("ipset", &["save"]);
        assert!(
            now.contains("add bits 192.0.2.1") && now.contains("add ip 10.1.0.3"),
            "{now}"
        );
        assert!(
            now.contains("create seven") && !now.contains("create list"),
            "{now}"
        );
        assert!(!now.contains("add ports") && !now.contains("add nets 198.51.100.1"));
        output("ipset", &["destroy"]);
    });
}

#[test]
fn a_text_is_made_whole_or_not_at_all() {
    in_namespace("a_text_is_made_whole_or_not_at_all", || {
        if !is_here() {
            return;
        }
        applied(&[], SETS);
        output(
            "ip6tables-nft",
            &["-A", "INPUT", "-m", "set", "--match-set", "six", "src"],
        );
        let before = known(&output("ipset", &["save"]));
        // Everything that can be refused only by the kernel, after changes that it takes.
        let changes = "flush nets\ndel ip 192.0.2.1\nadd ports 443\nswap ip bits\nrename macs cards\ncreate new hash:ip\nadd new 1.2.3.4\ndestroy masked\n";
        for (last, why) in [
            ("add ports 2000", "outside of the set's range"),
            ("add new 1.2.3.4", "there already"),
            ("destroy ip", "in use"),
            ("swap new services6", "different types"),
            ("add new 1.2.3.5 timeout 5", "without timeouts"),
        ] {
            let text = format!("{changes}{last}\n");
            let error = refused(&text);
            assert!(error.contains(why), "{last}: {error}");
            assert!(error.contains(":9:1"), "{last}: {error}");
            assert!(error.contains("nothing was changed"), "{last}: {error}");
            assert_eq!(known(&output("ipset", &["save"])), before, "{last}");
        }
        // The same under guard.
        applied(&["--confirm", "60"], changes);
        assert_ne!(known(&output("ipset", &["save"])), before);
        output("ipset", &["add", "nets", "203.0.113.7"]);
        let directory =
            std::env::temp_dir().join(format!("hookscope-ipset-{}", std::process::id()));
        let back = std::process::Command::new(BINARY)
            .arg("rollback")
            .env("HOOKSCOPE_RUN_DIR", directory.join("run"))
            .env("HOOKSCOPE_JOURNAL_DIR", directory.join("journal"))
            .output()
            .expect("the program");
        assert!(
            back.status.success(),
            "{}",
            String::from_utf8_lossy(&back.stderr)
        );
        let now = output("ipset", &["save"]);
        assert!(
            now.contains("add nets 203.0.113.7 "),
            "what others did stays: {now}"
        );
        output("ipset", &["del", "nets", "203.0.113.7"]);
        assert_eq!(known(&output("ipset", &["save"])), before);
        let _ = std::fs::remove_dir_all(directory);
    });
}
