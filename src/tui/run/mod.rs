//! The runner: the only part of the interface that does I/O.
//!
//! One loop owns the state. It waits for the terminal, the session, finished jobs, signals and the clock,
//! takes everything that is ready, and draws once.

mod config;
mod editor;
mod jobs;
mod requests;
mod terminal;

pub use config::{Color, Options, settings};

use super::app::{State, update};
use super::effect::Effect;
use super::event::Event;
use super::keymap::KeymapError;
use super::request::Request;
use super::theme::ThemeError;
use crate::session::{Command, SessionEvent, SessionHandle};
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_core::Stream;
use jobs::Jobs;
use ratatui::layout::Size;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use terminal::Terminal;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Time passes in steps of this.
const TICK: Duration = Duration::from_millis(250);
/// Events taken before the screen is drawn again; more can wait for one frame.
const DRAIN_MAX: usize = 512;

/// Why the interface could not start or go on.
#[derive(Debug, Error)]
pub enum Error {
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
    #[error(transparent)]
    Keymap(#[from] KeymapError),
    #[error(transparent)]
    Theme(#[from] ThemeError),
}

/// Show the interface until the person leaves it. The terminal is given back in every case.
pub async fn run(options: Options, session: SessionHandle) -> Result<(), Error> {
    let settings = Arc::new(settings(&options)?);
    let mut terminal = Terminal::enter()?;
    let result = drive(settings, session, &mut terminal).await;
    terminal.leave();
    result
}

async fn drive(
    settings: Arc<super::Settings>,
    session: SessionHandle,
    terminal: &mut Terminal,
) -> Result<(), Error> {
    let SessionHandle {
        mut events,
        commands,
    } = session;
    let mut state = State::new(settings, terminal.size()?);
    let mut runner = Runner {
        jobs: Jobs::new(),
        commands,
        waiting: VecDeque::new(),
        quit: false,
        suspend: false,
        edit: None,
    };
    let mut input = EventStream::new();
    let started = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP))?;
    let mut session_open = true;
    // Another session may have left a commit that waits.
    runner.jobs.ask(Request::Window);
    terminal.draw(&state)?;
    while !runner.quit {
        // Every future here is cancel safe: a receive or a poll that does not complete loses nothing.
        let event = tokio::select! {
            event = poll_fn(|context| Pin::new(&mut input).poll_next(context)) => match event {
                Some(Ok(event)) => translate(event),
                Some(Err(error)) => return Err(error.into()),
                // The terminal is gone.
                None => break,
            },
            event = events.recv(), if session_open => Some(match event {
                Some(event) => Event::Session(event),
                None => {
                    session_open = false;
                    Event::SessionEnded
                }
            }),
            answer = runner.jobs.next() => answer.map(Event::Answer),
            _ = ticks.tick() => Some(Event::Tick(started.elapsed())),
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            _ = interrupt.recv() => break,
            _ = stop.recv() => {
                runner.suspend = true;
                None
            }
        };
        if let Some(event) = event {
            runner.take(&mut state, event, terminal);
        }
        for _ in 0..DRAIN_MAX {
            if runner.quit {
                break;
            }
            // With the waker of this task: the stream keeps the first that it is given until a key comes.
            let key = poll_fn(|context| Poll::Ready(Pin::new(&mut input).poll_next(context))).await;
            let next = if let Poll::Ready(Some(Ok(event))) = key {
                translate(event)
            } else if let Ok(event) = events.try_recv() {
                Some(Event::Session(newest(event, &mut events)))
            } else if let Some(answer) = runner.jobs.try_next() {
                Some(Event::Answer(answer))
            } else {
                break;
            };
            if let Some(event) = next {
                runner.take(&mut state, event, terminal);
            }
        }
        runner.flush();
        if runner.suspend {
            runner.suspend = false;
            drop(input);
            terminal.suspend()?;
            input = EventStream::new();
            let size = terminal.size()?;
            runner.take(&mut state, Event::Resize(size), terminal);
        }
        if let Some((text, about)) = runner.edit.take() {
            drop(input);
            // Nothing is drawn and no key is taken while the editor has the terminal; the session goes on.
            let text = terminal.lend(|| editor::run(&text, &about))?;
            input = EventStream::new();
            let size = terminal.size()?;
            runner.take(&mut state, Event::Resize(size), terminal);
            runner.take(&mut state, Event::Edited(text), terminal);
        }
        if !runner.quit {
            terminal.draw(&state)?;
        }
    }
    Ok(())
}

/// Of several pictures that wait, only the newest is worth drawing.
fn newest(
    event: SessionEvent,
    events: &mut tokio::sync::mpsc::Receiver<SessionEvent>,
) -> SessionEvent {
    let mut event = event;
    while matches!(event, SessionEvent::Picture(_)) && !events.is_empty() {
        match events.try_recv() {
            Ok(next @ SessionEvent::Picture(_)) => event = next,
            // Anything else must not be lost; the picture before it may be.
            Ok(next) => return next,
            Err(_) => break,
        }
    }
    event
}

fn translate(event: TerminalEvent) -> Option<Event> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
            Some(Event::Key(key.into()))
        }
        TerminalEvent::Mouse(mouse) => Some(Event::Mouse(mouse)),
        TerminalEvent::Paste(text) => Some(Event::Paste(text)),
        TerminalEvent::Resize(width, height) => Some(Event::Resize(Size { width, height })),
        _ => None,
    }
}

struct Runner {
    jobs: Jobs,
    commands: Sender<Command>,
    /// Commands the session has not taken yet.
    waiting: VecDeque<Command>,
    quit: bool,
    suspend: bool,
    /// A text that an editor is to be opened for.
    edit: Option<(String, String)>,
}

impl Runner {
    fn take(&mut self, state: &mut State, event: Event, terminal: &mut Terminal) {
        for effect in update(state, event) {
            match effect {
                Effect::Quit => self.quit = true,
                Effect::Suspend => self.suspend = true,
                Effect::EditText { text, about } => self.edit = Some((text, about)),
                Effect::Copy(text) => terminal.copy(&text),
                Effect::Mouse(on) => terminal.mouse(on),
                Effect::Job(job) => self.jobs.start(job),
                Effect::Kernel(request) => self.jobs.ask(request),
                Effect::Send(command) => self.send(command),
            }
        }
    }

    /// Put a command into the queue; a newer `Show` replaces one that still waits.
    fn send(&mut self, command: Command) {
        if matches!(command, Command::Show(_)) {
            self.waiting.retain(|old| !matches!(old, Command::Show(_)));
        }
        self.waiting.push_back(command);
    }

    /// Hand over as much as the session takes now; the rest is tried again after the next event.
    fn flush(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            match self.commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    self.waiting.push_front(command);
                    break;
                }
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }
}
