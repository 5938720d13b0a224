//! The program in a real terminal: signals, stopping and resuming, a terminal that goes away.

#[path = "common/pty.rs"]
#[allow(dead_code)]
mod pty;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use pty::Pty;
use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

fn command() -> CommandBuilder {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_hookscope"));
    command.arg("demo");
    command.env("TERM", "xterm-256color");
    command
}

/// The program in a terminal, and how the terminal was set before. None: this machine gives no private namespaces.
fn start() -> Option<(Pty, String)> {
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_hookscope"))
        .args(["demo", "--exec", "true"])
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no demo here");
        return None;
    }
    let pty = Pty::start(command(), 80, 24);
    let before = pty.fresh.clone();
    pty.wait_text("Ruleset");
    assert_ne!(pty.settings(), before, "raw while the program runs");
    Some((pty, before))
}

fn signal(pty: &Pty, signal: Signal) {
    kill(Pid::from_raw(pty.id()), signal).unwrap();
}

fn assert_given_back(pty: &Pty, before: &str) {
    assert_eq!(pty.settings(), before);
    let screen = pty.screen();
    assert!(!screen.alternate_screen());
    assert!(!screen.hide_cursor());
    assert!(!screen.bracketed_paste());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

#[test]
fn every_way_to_end_gives_the_terminal_back() {
    for end in [
        None,
        Some(Signal::SIGTERM),
        Some(Signal::SIGHUP),
        Some(Signal::SIGINT),
    ] {
        let Some((mut pty, before)) = start() else {
            return;
        };
        match end {
            Some(end) => signal(&pty, end),
            None => pty.write("q"),
        }
        let status = pty.ended(SOON);
        assert!(status.is_some_and(|status| status.success()), "{end:?}");
        assert_given_back(&pty, &before);
    }
}

fn is_stopped(pty: &Pty) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pty.id())).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
    rest.is_some_and(|rest| rest.starts_with('T'))
}

#[test]
fn stopping_gives_the_terminal_back_until_it_goes_on() {
    let Some((mut pty, before)) = start() else {
        return;
    };
    for from_outside in [true, false] {
        if from_outside {
            signal(&pty, Signal::SIGTSTP);
        } else {
            pty.write("\x1a");
        }
        let deadline = Instant::now() + SOON;
        while !is_stopped(&pty) {
            assert!(Instant::now() < deadline, "does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        pty.wait("the own screen", |screen| !screen.alternate_screen());
        assert_given_back(&pty, &before);
        signal(&pty, Signal::SIGCONT);
        pty.wait("the screen again", |screen| {
            screen.alternate_screen() && screen.contents().contains("Ruleset")
        });
        assert_ne!(pty.settings(), before);
        // Input still works.
        pty.write("?");
        pty.wait_text("Help: Explore");
        pty.write("\x1b");
        pty.wait("no help", |screen| {
            !screen.contents().contains("Help: Explore")
        });
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_program() {
    if start().is_none() {
        return;
    }
    let size = PtySize {
        rows: 24,
        cols: 80,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut child = pair.slave.spawn_command(command()).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("Ruleset") {
        let length = reader.read(&mut buffer).unwrap();
        seen.extend_from_slice(&buffer[..length]);
    }
    drop(reader);
    drop(pair.master);
    let deadline = Instant::now() + SOON;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "still runs without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_mouse_works() {
    let Some((mut pty, _)) = start() else {
        return;
    };
    // Clicks and the wheel as terminals report them: button, column, row.
    pty.write("\x1b[<0;16;2M\x1b[<0;16;2m");
    pty.wait_text("Where would it go?");
    pty.write("\x1b[<0;5;2M\x1b[<0;5;2m");
    pty.wait_text("inet filter › input");
    pty.write("\x1b[<0;12;7M\x1b[<0;12;7m");
    pty.wait_text("inet filter › forward");
    pty.write("?");
    pty.wait_text("Explore shows the nf_tables ruleset");
    pty.write("\x1b[<65;10;8M\x1b[<65;10;8M");
    pty.wait("the help scrolled", |screen| {
        !screen
            .contents()
            .contains("Explore shows the nf_tables ruleset")
    });
}

#[test]
fn a_terminal_that_is_too_small_says_so() {
    if start().is_none() {
        return;
    }
    let mut pty = Pty::start(command(), 40, 10);
    pty.wait_text("80 x 24 is needed");
    pty.resize(80, 24);
    pty.wait_text("Ruleset");
    pty.write("q");
    assert!(pty.ended(SOON).is_some());
}

#[test]
fn connections_of_the_demo_are_shown_and_explained() {
    let Some((mut pty, _)) = start() else {
        return;
    };
    pty.write("7");
    // The demo's clients are behind masquerade.
    pty.wait("a connection with NAT", |screen| {
        let screen = screen.contents();
        screen.contains("Connections") && screen.contains("⇒") && screen.contains("client ")
    });
    pty.write("/!udp !icmp\r");
    pty.wait("connections of TCP only", |screen| {
        let screen = screen.contents();
        screen.contains(" of ") && screen.contains(" tcp ") && !screen.contains(" udp ")
    });
    pty.write("\r");
    pty.wait_text("ip · tcp ");
    pty.wait_text("live, generation");
    pty.write("q");
    assert!(pty.ended(SOON).is_some_and(|status| status.success()));
}
