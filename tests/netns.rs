//! Entering network namespaces, and what traffic control looks like there.

use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::kernel::netns;
use hookscope::kernel::route::read_links_with_filters;
use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::process::Command;

fn skipped(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason}");
}

/// The namespace of the calling thread.
fn current() -> String {
    let link = std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
    link.to_string_lossy().into_owned()
}

fn succeeds(program: &str, arguments: &str) -> bool {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_namespace_is_entered_by_name_process_and_path() {
    let name = format!("hookscope-test-{}", std::process::id());
    if !succeeds("ip", &format!("netns add {name}")) {
        return skipped(
            "a_namespace_is_entered_by_name_process_and_path",
            "needs root",
        );
    }
    let inside = {
        let name = name.clone();
        move |namespace: String| {
            let thread = std::thread::spawn(move || netns::enter(&namespace).map(|()| current()));
            thread
                .join()
                .expect("a thread")
                .map_err(|error| format!("{name}: {error}"))
        }
    };
    let home = current();
    let by_name = inside(name.clone());
    let by_path = inside(format!("/run/netns/{name}"));
    let by_process = inside(std::process::id().to_string());
    let known = netns::names().contains(&name);
    assert!(succeeds("ip", &format!("netns del {name}")));
    assert_eq!(by_name, by_path);
    assert_ne!(by_name.as_ref(), Ok(&home));
    assert_eq!(by_process, Ok(home));
    assert!(known);
}

#[test]
fn lacking_privileges_are_named() {
    let name = "lacking_privileges_are_named";
    if !nix::unistd::geteuid().is_root() {
        return skipped(name, "needs root to drop it");
    }
    // The privileges are dropped in a process of its own: `setpriv` runs this program's command.
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "--inh-caps=-all", "--"])
        .arg(env!("CARGO_BIN_EXE_hookscope"))
        .args(["--netns", "/proc/self/ns/net", "route", "list"])
        .output();
    let Ok(output) = output else {
        return skipped(name, "no setpriv here");
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("setpriv") {
        return skipped(name, "the program cannot be run by another user here");
    }
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("hookscope: error: "), "{text}");
    assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
}

#[test]
fn filters_of_traffic_control_are_counted() {
    let name = "filters_of_traffic_control_are_counted";
    let thread = std::thread::spawn(move || {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            return skipped(name, "needs root");
        }
        assert!(succeeds("ip", "link add v0 type veth peer name v1"));
        let read = || {
            let mut socket = Socket::open(Protocol::Route).expect("a socket");
            let links = read_links_with_filters(&mut socket).expect("links");
            links
                .into_iter()
                .find(|link| &*link.name == "v0")
                .expect("v0")
        };
        assert!(!read().tc.clsact);
        if !succeeds("tc", "qdisc add dev v0 clsact") {
            return skipped(name, "this kernel has no clsact");
        }
        assert!(read().tc.clsact);
        let filter = "filter add dev v0 ingress pref 1 protocol all matchall action drop";
        let simple = "filter add dev v0 ingress pref 2 protocol ip u32 match u32 0 0 action drop";
        let added = [filter, simple]
            .iter()
            .filter(|line| succeeds("tc", line))
            .count();
        let tc = read().tc;
        assert_eq!((tc.ingress as usize, tc.egress), (added, 0), "{tc:?}");
    });
    thread.join().expect("a thread");
}
