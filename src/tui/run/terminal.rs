//! The terminal: taken over, given back in every case, drawn in one piece.

use crate::tui::app::State;
use crate::tui::chrome;
use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::sys::signal::{Signal, raise};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};
use std::io::{self, IsTerminal, Stdout, Write, stdout};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// True while the terminal is ours; the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

type Inner = ratatui::Terminal<CrosstermBackend<Stdout>>;

pub struct Terminal {
    inner: Inner,
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

/// Empty the screen, so that the next frame draws all of it.
///
/// `ratatui::Terminal::clear` would ask the terminal for the place of the cursor first and wait: a round trip
/// before the first frame, and two seconds and an error where nothing answers.
fn wipe(inner: &mut Inner) -> io::Result<()> {
    let size = inner.size()?;
    inner.resize(Rect::new(0, 0, size.width, size.height))
}

impl Terminal {
    pub fn enter() -> io::Result<Terminal> {
        if !stdout().is_terminal() {
            return Err(io::Error::other(
                "standard output is no terminal; `hookscope show` prints without one",
            ));
        }
        HOOK.call_once(|| {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                next(info);
            }));
        });
        let entered = take(true).and_then(|()| {
            let mut inner = ratatui::Terminal::new(CrosstermBackend::new(stdout()))?;
            wipe(&mut inner)?;
            Ok(inner)
        });
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

    /// Give the terminal back, stop until somebody resumes the process, and take it over again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        raise(Signal::SIGSTOP)?;
        take(self.mouse)?;
        wipe(&mut self.inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}
