//! The terminal: taken over, given back in every case, drawn in one piece.

use crate::tui::app::State;
use crate::tui::chrome;
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use std::io::{self, IsTerminal, Stdout, Write, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// True while the terminal is ours; the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
}

fn take(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// A blank screen to draw on. Asks the terminal nothing: one behind a slow or strange line may not answer.
fn blank() -> io::Result<ratatui::Terminal<CrosstermBackend<Stdout>>> {
    execute!(stdout(), Clear(ClearType::All))?;
    ratatui::Terminal::new(CrosstermBackend::new(stdout()))
}

/// Give the terminal back; errors do not matter any more then.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            stdout(),
            EndSynchronizedUpdate,
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}

impl Terminal {
    pub fn enter() -> io::Result<Terminal> {
        if !stdout().is_terminal() {
            return Err(io::Error::other(
                "standard output is no terminal; `hookscope show` prints without one",
            ));
        }
        let own = thread::current().id();
        HOOK.call_once(|| {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if thread::current().id() != own && TAKEN.load(Ordering::SeqCst) {
                    // The interface goes on without what that thread was doing; its screen is no place for this.
                    tracing::error!("{info}");
                    return;
                }
                give_back();
                next(info);
            }));
        });
        let entered = take(true).and_then(|()| blank());
        match entered {
            Ok(inner) => Ok(Terminal { inner, mouse: true }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    pub fn leave(&mut self) {
        give_back();
    }

    pub fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    /// Draw the state; the terminal shows the new screen in one piece.
    pub fn draw(&mut self, state: &State) -> io::Result<()> {
        queue!(stdout(), BeginSynchronizedUpdate)?;
        self.inner.draw(|frame| chrome::render(state, frame))?;
        execute!(stdout(), EndSynchronizedUpdate)
    }

    /// Text to the clipboard of the terminal, through any number of SSH connections.
    pub fn copy(&mut self, text: &str) {
        // A terminal that refuses is no reason to stop.
        let _ = execute!(stdout(), CopyToClipboard::to_clipboard_from(text));
        let _ = stdout().flush();
    }

    pub fn mouse(&mut self, on: bool) {
        self.mouse = on;
        let _ = if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        };
    }

    /// Give the terminal to another program until it is done with it.
    pub fn lend<T>(&mut self, to: impl FnOnce() -> T) -> io::Result<T> {
        give_back();
        let outcome = to();
        take(self.mouse)?;
        self.inner = blank()?;
        Ok(outcome)
    }

    /// Give the terminal back, stop until somebody resumes the process, and take it over again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        raise(Signal::SIGSTOP)?;
        take(self.mouse)?;
        self.inner = blank()?;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

#[cfg(test)]
#[path = "../../../tests/common/pty.rs"]
#[allow(dead_code)]
mod pty;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Not a test by itself: the one below runs it in a terminal.
    #[test]
    #[ignore = "panics on purpose"]
    fn panics() {
        let mut terminal = Terminal::enter().unwrap();
        let lost = thread::spawn(|| panic!("aside")).join();
        assert!(lost.is_err());
        terminal.copy("still there");
        thread::sleep(Duration::from_millis(200));
        panic!("in the middle");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_reported() {
        let mut command = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
        let own = "tui::run::terminal::tests::panics";
        command.args([
            own,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        let mut pty = pty::Pty::start(command, 80, 24);
        let before = pty.fresh.clone();
        assert!(pty.ended(Duration::from_secs(30)).is_some());
        assert_eq!(pty.settings(), before);
        let written = String::from_utf8_lossy(&pty.raw()).into_owned();
        let place = |text: &str| {
            let found = written.find(text);
            found.unwrap_or_else(|| panic!("{text:?} is not in {written:?}"))
        };
        // A clipboard sequence came after the panic of the other thread, which said nothing.
        assert!(place("\x1b[?1049h") < place("\x1b]52;"));
        assert!(place("\x1b]52;") < place("\x1b[?1049l"));
        assert!(place("\x1b[?1049l") < place("in the middle"));
        assert!(!written.contains("aside"), "{written:?}");
    }
}
