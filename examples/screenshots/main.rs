//! Makes the pictures in `screenshots/`: opens `hookscope demo` in a terminal, presses keys, and draws what
//! is on the screen as SVG. `make screenshots` builds the program first.

#[path = "../../tests/common/pty.rs"]
#[allow(dead_code)]
mod pty;
mod svg;

use portable_pty::CommandBuilder;
use pty::Pty;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A theme, a size, and how to get to what the picture shows.
struct Picture {
    name: &'static str,
    theme: &'static str,
    size: (u16, u16),
    play: fn(&mut Pty) -> vt100::Screen,
}

const PICTURES: &[Picture] = &[
    Picture {
        name: "explore",
        theme: "dark",
        size: (120, 36),
        play: |terminal| {
            // A rule of the input chain that has traffic.
            find(terminal, "udp dport 53");
            moving(terminal)
        },
    },
    Picture {
        name: "set",
        theme: "dark",
        size: (120, 30),
        play: |terminal| {
            find(terminal, "blocklist");
            terminal.wait_text("203.0.113.66")
        },
    },
    Picture {
        name: "find",
        theme: "dark",
        size: (120, 30),
        play: |terminal| {
            terminal.write("f");
            terminal.write("dport");
            terminal.wait_text("dport 8080")
        },
    },
    Picture {
        name: "routes",
        theme: "dark",
        size: (120, 30),
        play: |terminal| {
            terminal.write("2");
            terminal.wait_text("default");
            terminal.write("L");
            terminal.write("198.51.100.7 from 192.168.1.10 iif lan0\r");
            terminal.wait("the answer", |screen| {
                screen.contents().contains("via 203.0.113.1 dev wan0")
            })
        },
    },
    Picture {
        name: "flow",
        theme: "dark",
        size: (120, 40),
        play: |terminal| {
            terminal.write("4");
            terminal.wait_text("Packets to begin with");
            terminal.write("\r");
            terminal.wait_text("Why")
        },
    },
    Picture {
        name: "live",
        theme: "dark",
        size: (120, 30),
        play: |terminal| {
            terminal.write("5");
            terminal.wait_text("Filter");
            terminal.write("s\r");
            terminal.wait("packets", |screen| {
                let text = screen.contents();
                text.contains("DROP") && text.contains("forwarded")
            })
        },
    },
    Picture {
        name: "flows",
        theme: "dark",
        size: (160, 30),
        play: |terminal| {
            terminal.write("7");
            terminal.wait("connections with rates", |screen| {
                let text = screen.contents();
                text.contains("bytes/s") && text.contains("nothing now")
            })
        },
    },
    Picture {
        name: "changes",
        theme: "dark",
        size: (120, 30),
        play: |terminal| {
            find(terminal, "udp dport 53");
            moving(terminal);
            terminal.write("t");
            terminal.wait_text("1 pending");
            terminal.write("jjd3v");
            terminal.wait_text("the kernel takes them")
        },
    },
    Picture {
        name: "help",
        theme: "dark",
        size: (100, 36),
        play: |terminal| {
            terminal.write("?");
            terminal.wait_text("Help: Explore")
        },
    },
    Picture {
        name: "small",
        theme: "dark",
        size: (80, 24),
        play: |terminal| {
            find(terminal, "udp dport 53");
            moving(terminal)
        },
    },
    Picture {
        name: "light",
        theme: "light",
        size: (120, 36),
        play: |terminal| {
            find(terminal, "oifname lan0");
            moving(terminal)
        },
    },
];

/// Go to what find thinks best.
fn find(terminal: &mut Pty, query: &str) {
    terminal.write("f");
    terminal.wait_text("Find");
    terminal.write(query);
    terminal.wait("found", |screen| {
        let text = screen.contents();
        text.contains(query) && !text.contains("looking")
    });
    terminal.write("\r");
}

/// Wait until there is a history of rates to look at.
fn moving(terminal: &Pty) -> vt100::Screen {
    terminal.wait("rates", |screen| {
        let bars = |c: &char| ('▁'..='█').contains(c);
        screen.contents().chars().filter(bars).count() >= 14
    })
}

fn main() {
    let own = env::current_exe().expect("the path of this program");
    let folder = own.parent().and_then(Path::parent).expect("target folder");
    let program = folder.join("hookscope");
    assert!(
        program.exists(),
        "{} is missing: cargo build --release",
        program.display()
    );
    let only: Vec<String> = env::args().skip(1).collect();
    let out = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("screenshots");
    fs::create_dir_all(&out).expect("screenshots/");
    for picture in PICTURES {
        if !only.is_empty() && !only.iter().any(|name| name == picture.name) {
            continue;
        }
        let mut command = CommandBuilder::new(&program);
        command.args(["demo", "--theme", picture.theme]);
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")] {
            command.env(name, value);
        }
        // What was done on this machine before is not in the pictures.
        let state = tempfile::tempdir().expect("a directory");
        command.env("HOOKSCOPE_RUN_DIR", state.path().join("run"));
        command.env("HOOKSCOPE_JOURNAL_DIR", state.path().join("journal"));
        command.env_remove("NO_COLOR");
        let mut terminal = Pty::start(command, picture.size.0, picture.size.1);
        terminal.wait_text("Ruleset");
        let screen = (picture.play)(&mut terminal);
        let path = out.join(format!("{}.svg", picture.name));
        let text = svg::draw(&screen, "hookscope demo");
        fs::write(&path, &text).expect("screenshots/");
        println!("{} {} kB", path.display(), text.len() / 1000);
    }
}
