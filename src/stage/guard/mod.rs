//! Guards: processes that take a commit back unless it is confirmed, and take rules for a limited time away.
//!
//! The order of things, and what is left when everything is killed at that point:
//!
//! | step | on disk | killed here |
//! | --- | --- | --- |
//! | the tables are read | nothing | nothing happened |
//! | the state is written and synced | `Prepared` | nothing happened; the next hookscope removes it |
//! | the guard runs, holds the lock and hears the kernel's events | `Prepared` | program: the guard sees whether it committed; guard: the program does not commit |
//! | the kernel commits | `Prepared` | program: the guard takes it back at once; both: the next hookscope does |
//! | the guard reads what was made | `Armed` | program: at once, or at its time after `detach`; guard: the program starts another one; both: the next hookscope starts one, which acts when the time is up |
//! | somebody confirms | nothing | it stays |
//! | or it is taken back | `RollingBack` | the next hookscope goes on with it |
//!
//! A second commit inside a window is refused: what it would be taken back to is not settled yet. Changes for a
//! limited time have places of their own and do not stand in each other's way.

pub mod process;
pub mod restore;
pub mod state;

use crate::stage::touched::Watch;
use crate::stage::{Step, fault, journal};
pub use restore::Restored;
use state::{Phase, State};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum GuardError {
    #[error("nothing waits for a confirmation")]
    None,
    #[error("the guard could not be started ({0}); nothing was changed")]
    Start(String),
    #[error("cannot write the guard's state below '{}' ({error}); nothing was changed", path.display())]
    State { path: PathBuf, error: io::Error },
    #[error("the guard does not answer ({0})")]
    Silent(String),
    #[error("could not take the change back: {0}")]
    Restore(String),
    #[error("too late: the change was taken back {0}")]
    Late(String),
}

/// A confirm window, or a change for a limited time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub place: PathBuf,
    /// Until it is taken back; nothing when it is being taken back.
    pub left: Option<Duration>,
    pub who: String,
    pub why: String,
    pub limited: bool,
    /// Seconds since 1970.
    pub made: u64,
    /// Whether its guard lives.
    pub guarded: bool,
}

/// The guard that was started for a commit, on the side of the program.
pub struct Guard {
    place: PathBuf,
    child: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// Write the state, start the guard, and wait until it stands by.
    pub fn prepare(place: &Path, state: &State) -> Result<Guard, GuardError> {
        let wrong = |error| GuardError::State {
            path: place.to_owned(),
            error,
        };
        state::make(place).map_err(wrong)?;
        state::write(place, state).map_err(|error| {
            state::forget(place);
            wrong(error)
        })?;
        fault::point("program:state-written");
        let started = Guard::start(place).and_then(|mut guard| {
            guard.expect("ready")?;
            Ok(guard)
        });
        if started.is_err() {
            state::forget(place);
        }
        started
    }

    fn start(place: &Path) -> Result<Guard, GuardError> {
        let mut child = command(place, false)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| GuardError::Start(error.to_string()))?;
        let (Some(words), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(GuardError::Start("it has no input or output".into()));
        };
        Ok(Guard {
            place: place.to_owned(),
            child,
            words: Some(words),
            answers: BufReader::new(answers),
        })
    }

    fn expect(&mut self, word: &str) -> Result<(), GuardError> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read {
            Ok(_) if line.trim() == word => Ok(()),
            _ => {
                let status = self.child.try_wait().ok().flatten();
                let why = status.map_or(line, |status| status.to_string());
                Err(GuardError::Start(why))
            }
        }
    }

    fn say(&mut self, word: &str) -> io::Result<()> {
        match &mut self.words {
            Some(words) => writeln!(words, "{word}").and_then(|()| words.flush()),
            None => Ok(()),
        }
    }

    /// The commit was refused: nothing is to be guarded.
    pub fn refused(mut self) {
        let _ = self.say("refused");
        self.words = None;
        let _ = self.child.wait();
        // A guard that was killed cannot clean up.
        state::forget(&self.place);
    }

    /// The commit is done. With `detach` the guard waits for its time even if this program ends; otherwise it takes
    /// the commit back when this value is dropped or the program dies.
    pub fn committed(mut self, detach: bool) -> Result<Guard, GuardError> {
        let said = self.say("committed");
        fault::point("program:said-committed");
        let armed = said.is_ok() && self.expect("armed").is_ok();
        if !armed {
            // It was killed. The program knows that it committed: it does the guard's part and starts another one.
            let _ = self.child.wait();
            self.words = None;
            take_over(&self.place)?;
            return Ok(self);
        }
        fault::point("program:armed");
        if detach {
            let _ = self.say("detach");
            self.words = None;
        }
        Ok(self)
    }

    /// From now on the guard waits for its time even if this program ends.
    pub fn detach(mut self) {
        let _ = self.say("detach");
        self.words = None;
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether there is still something to guard, by this guard or by one that took its place.
    pub fn waits(&self) -> bool {
        self.place.join("state").exists()
    }

    /// Whether the guard is done. A program that lives on asks now and then, so that no zombie is left.
    pub fn is_over(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

/// Read what was committed in place of the guard, and start another one, which waits for the time to be up.
fn take_over(place: &Path) -> Result<(), GuardError> {
    let wrong = |error: io::Error| GuardError::Silent(error.to_string());
    let mut state = state::read(place).map_err(wrong)?;
    if state.phase == Phase::Prepared {
        let silent = |error: String| GuardError::Silent(error);
        let mut watch = Watch::new().map_err(|error| silent(error.to_string()))?;
        let after = watch.read(&state.scope());
        state.steps.iter_mut().for_each(Step::done);
        state.after = Some(after.map_err(|error| silent(error.to_string()))?);
        state.phase = Phase::Armed;
        state::write(place, &state).map_err(wrong)?;
    }
    resume(place)
}

/// The program as guard of a place, in the network namespace of the calling thread.
fn command(place: &Path, resume: bool) -> Command {
    // An upgrade may have replaced the file, but not what this process runs. A test is another program.
    let tested = std::env::var_os("HOOKSCOPE_PROGRAM").filter(|_| cfg!(debug_assertions));
    let program = tested.map_or_else(|| PathBuf::from("/proc/self/exe"), PathBuf::from);
    let mut command = Command::new(program);
    command.arg("guard-run").arg(place).stderr(Stdio::null());
    if resume {
        command.arg("--resume");
    }
    command
}

/// Start a guard for what a killed one left.
pub fn resume(place: &Path) -> Result<(), GuardError> {
    command(place, true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map(|_| ())
        .map_err(|error| GuardError::Start(error.to_string()))
}

/// The confirm window and the changes for a limited time of this network namespace.
pub fn pending() -> Vec<Pending> {
    state::all()
        .into_iter()
        .filter_map(|place| {
            let state = state::read(&place).ok()?;
            Some(Pending {
                left: state.left().filter(|_| state.phase == Phase::Armed),
                who: state.who,
                why: state.why,
                limited: state.limited,
                made: state.made,
                guarded: state::hold(&place).is_ok_and(|lock| lock.is_none()),
                place,
            })
        })
        .collect()
}

/// Look for guards that were killed and start others in their place; returns what to tell, a sentence each.
pub fn check() -> Vec<String> {
    let mut told = Vec::new();
    for one in pending().into_iter().filter(|one| !one.guarded) {
        let what = if one.limited {
            "a change for a limited time"
        } else {
            "a change that waits for confirmation"
        };
        let then = match (resume(&one.place), one.left) {
            (Err(error), _) => format!("and {error}"),
            (Ok(()), Some(left)) => {
                format!("another one takes it back in {} s", left.as_secs())
            }
            (Ok(()), None) => "another one is taking it back now".to_owned(),
        };
        told.push(format!(
            "the guard of {what} ({}) was killed; {then}",
            one.why
        ));
    }
    told
}

/// Keep the change that waits.
pub fn confirm() -> Result<Pending, GuardError> {
    let place = state::window();
    let one = window(&place)?;
    if one.guarded {
        match ask(&place, "confirm") {
            Ok(answer) if answer == "confirmed" => return Ok(one),
            Ok(other) => return Err(GuardError::Silent(other)),
            Err(error) if !is_left_alone(&place) => return Err(error),
            Err(_) => {}
        }
    }
    // Its guard was killed.
    let Ok(Some(_lock)) = state::hold(&place) else {
        return Err(GuardError::Silent("another program deals with it".into()));
    };
    let mut state = state::read(&place).map_err(|error| GuardError::Silent(error.to_string()))?;
    if state.phase == Phase::Armed && state.left().is_some() {
        journal::confirmed(&state);
        state::forget(&place);
        return Ok(one);
    }
    process::act(
        &place,
        &mut state,
        "its guard was killed, and its time is over",
    )
    .map_err(GuardError::Restore)?;
    Err(GuardError::Late(
        "just now, because its guard had been killed".into(),
    ))
}

/// Take the change back that waits.
pub fn rollback() -> Result<(Pending, Restored), GuardError> {
    let place = state::window();
    let one = window(&place)?;
    if one.guarded {
        match ask(&place, "rollback") {
            Ok(answer) => {
                return match serde_json::from_str(&answer) {
                    Ok(restored) => Ok((one, restored)),
                    Err(_) => Err(GuardError::Restore(answer)),
                };
            }
            Err(error) if !is_left_alone(&place) => return Err(error),
            Err(_) => {}
        }
    }
    let Ok(Some(_lock)) = state::hold(&place) else {
        return Err(GuardError::Silent("another program deals with it".into()));
    };
    let mut state = state::read(&place).map_err(|error| GuardError::Silent(error.to_string()))?;
    if state.phase == Phase::Prepared && !restore::happened(&state).map_err(GuardError::Restore)? {
        state::forget(&place);
        return Err(GuardError::None);
    }
    let restored =
        process::act(&place, &mut state, "somebody asked for it").map_err(GuardError::Restore)?;
    Ok((one, restored))
}

fn window(place: &Path) -> Result<Pending, GuardError> {
    let mut all = pending().into_iter();
    all.find(|one| one.place == place).ok_or(GuardError::None)
}

/// Whether the guard that did not answer was killed just then: the state is there and nobody holds it.
fn is_left_alone(place: &Path) -> bool {
    (0..40).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        place.exists() && matches!(state::hold(place), Ok(Some(_)))
    })
}

fn ask(place: &Path, word: &str) -> Result<String, GuardError> {
    let silent = |error: io::Error| GuardError::Silent(error.to_string());
    let mut stream = UnixStream::connect(place.join("socket")).map_err(silent)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .map_err(silent)?;
    // In one piece: the guard may answer and be gone before a second one.
    let word = format!("{word}\n");
    stream.write_all(word.as_bytes()).map_err(silent)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(silent)?;
    if line.is_empty() {
        return Err(GuardError::Silent("it ended meanwhile".into()));
    }
    Ok(line.trim().to_owned())
}
