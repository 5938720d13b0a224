//! A program in a terminal of its own: keys go in, and what a person would see comes out.

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What the program wrote: as it came, and as a terminal shows it.
struct Output {
    raw: Vec<u8>,
    parser: vt100::Parser,
    last: Instant,
}

pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Arc<Mutex<Output>>,
    /// How the terminal was set before the program ran.
    pub fresh: String,
}

impl Pty {
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Pty {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let fresh = settings(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("the program");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let output = Arc::new(Mutex::new(Output {
            raw: Vec::new(),
            parser: vt100::Parser::new(
                rows.try_into().expect("rows"),
                columns.try_into().expect("columns"),
                0,
            ),
            last: Instant::now(),
        }));
        let shared = output.clone();
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                let mut output = shared.lock().unwrap_or_else(PoisonError::into_inner);
                output.raw.extend_from_slice(&buffer[..length]);
                output.parser.process(&buffer[..length]);
                output.last = Instant::now();
            }
        });
        Pty {
            master: pair.master,
            writer,
            child,
            output,
            fresh,
        }
    }

    fn output(&self) -> std::sync::MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn screen(&self) -> vt100::Screen {
        self.output().parser.screen().clone()
    }

    /// Everything that was written, byte for byte.
    pub fn raw(&self) -> Vec<u8> {
        self.output().raw.clone()
    }

    pub fn id(&self) -> i32 {
        let id = self.child.process_id().expect("a process");
        i32::try_from(id).expect("a process id")
    }

    pub fn write(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).expect("input");
        self.writer.flush().expect("input");
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let (height, width) = (rows.try_into(), columns.try_into());
        let parser = &mut self.output().parser;
        parser
            .screen_mut()
            .set_size(height.expect("rows"), width.expect("columns"));
        self.master.resize(size).expect("another size");
    }

    /// Wait until `wanted` is on the screen and the screen is at rest.
    pub fn wait(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> vt100::Screen {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            {
                let output = self.output();
                let screen = output.parser.screen();
                if output.last.elapsed() > Duration::from_millis(80) && wanted(screen) {
                    return screen.clone();
                }
                assert!(
                    Instant::now() < deadline,
                    "not seen: {what}\n{}",
                    screen.contents()
                );
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_text(&self, text: &str) -> vt100::Screen {
        self.wait(text, |screen| screen.contents().contains(text))
    }

    /// How the program ended; None: it still runs after `limit`.
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                // The reader gets the last words a moment later.
                thread::sleep(Duration::from_millis(100));
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// How the terminal treats input and output: raw, echoing, and so on.
    pub fn settings(&self) -> String {
        settings(self.master.as_ref())
    }
}

fn settings(master: &dyn MasterPty) -> String {
    let settings = master.get_termios().expect("settings of the terminal");
    format!(
        "{:?} {:?} {:?}",
        settings.input_flags, settings.output_flags, settings.local_flags
    )
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
