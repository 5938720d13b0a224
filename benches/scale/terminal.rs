//! The program in a pseudo terminal: what a person at the keyboard waits for.

use crate::PROGRAM;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const COLUMNS: NonZeroU16 = NonZeroU16::new(120).unwrap();
const LINES: NonZeroU16 = NonZeroU16::new(40).unwrap();
/// Frames arrive as synchronized updates; this ends one.
const END_OF_FRAME: &[u8] = b"\x1b[?2026l";
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Terminal {
    child: Child,
    master: File,
    screen: vt100::Parser,
    started: Instant,
    /// Nothing of the person who runs the benchmark decides how the program looks.
    _home: tempfile::TempDir,
}

impl Terminal {
    /// Start the program in the namespace of this thread.
    pub fn start() -> Terminal {
        let size = Winsize {
            ws_row: LINES.get(),
            ws_col: COLUMNS.get(),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a pseudo terminal");
        let home = tempfile::tempdir().expect("a directory");
        let slave = || pty.slave.try_clone().expect("a descriptor");
        let mut command = Command::new(PROGRAM.as_str());
        command
            .env("TERM", "xterm-256color")
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .stdin(slave())
            .stdout(slave())
            .stderr(slave());
        let started = Instant::now();
        let child = command.spawn().expect("the program starts");
        Terminal {
            child,
            master: File::from(pty.master),
            screen: vt100::Parser::new(LINES, COLUMNS, 0),
            started,
            _home: home,
        }
    }

    /// Time from the start of the program until the screen shows `text`.
    pub fn first(&mut self, text: &str) -> Duration {
        self.wait(|screen| screen.contains(text));
        self.started.elapsed()
    }

    /// Take output until the screen is as `wanted`.
    pub fn wait(&mut self, wanted: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(&self.contents()) {
            assert!(Instant::now() < end, "this stays:\n{}", self.contents());
            self.take(Duration::from_secs(1));
        }
    }

    pub fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Wait until the first reading of the kernel is complete: then nothing turns in the header any more.
    pub fn loaded(&mut self) {
        const TURNING: [char; 8] = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇', '⠏', '⠹'];
        self.wait(|screen| screen.contains(" rules") && !screen.contains(TURNING));
    }

    /// Press a key and wait for the whole frame that answers it.
    pub fn press(&mut self, key: &[u8]) -> Duration {
        // What was on its way before is no answer.
        while self.take(Duration::ZERO) > 0 {}
        let start = Instant::now();
        self.master.write_all(key).expect("the key is sent");
        let mut frame = Vec::new();
        loop {
            let mut chunk = [0; 16 * 1024];
            if self.ready(PATIENCE) {
                let length = self.master.read(&mut chunk).expect("output");
                frame.extend_from_slice(chunk.get(..length).unwrap_or_default());
            }
            // The frame of a clock tick changes nothing and is all but empty.
            if frame.ends_with(END_OF_FRAME) && frame.len() > 100 {
                let took = start.elapsed();
                self.screen.process(&frame);
                return took;
            }
            assert!(start.elapsed() < PATIENCE, "no answer to a key");
        }
    }

    /// Take output for so long, whatever it is.
    pub fn idle(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.take(left);
        }
    }

    /// Processor time that the program has used, in the kernel and outside.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("/proc");
        // Fields 14 and 15; the name in field 2 may hold spaces, so count from behind it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
        let per_second = per_second.ok().flatten().unwrap_or(100);
        Duration::from_secs_f64(ticks as f64 / per_second as f64)
    }

    fn ready(&self, time: Duration) -> bool {
        let mut wait = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        poll(&mut wait, timeout).is_ok_and(|ready| ready > 0)
    }

    /// Bytes taken within `time`.
    fn take(&mut self, time: Duration) -> usize {
        if !self.ready(time) {
            return 0;
        }
        let mut chunk = [0; 16 * 1024];
        let length = self.master.read(&mut chunk).expect("the program runs");
        self.screen.process(chunk.get(..length).unwrap_or_default());
        length
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
