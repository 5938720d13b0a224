//! The guard's own process: `hookscope guard-run PLACE`, started by the program that commits (or by the next one,
//! when a guard was killed), detached from its terminal and its fate.
//!
//! Words on its standard input and output, one a line, during the commit: it says `ready`; the program says
//! `committed` or `refused`, and then `detach` when the commit shall wait for its time even if the program ends;
//! the guard answers `armed`. The end of the input without `detach` means that the program died: the commit is taken
//! back at once. Words on its socket afterwards: `confirm`, `rollback`.

use super::restore::{self, Restored};
use super::state::{self, Phase, State};
use crate::kernel::process;
use crate::stage::touched::Watch;
use crate::stage::{Step, fault, journal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Run until the commit is confirmed, taken back or refused. `resume` takes up what a killed guard left.
pub fn run(place: &Path, resume: bool) -> Result<(), String> {
    // Its own session: the terminal's hangup and ^C are not for it.
    let _ = nix::unistd::setsid();
    process::ignore_hangup();
    process::leave_session_scope();
    let _ = std::env::set_current_dir("/");
    let text = |error: io::Error| error.to_string();
    let lock = (0..20)
        .find_map(|_| {
            let lock = state::hold(place);
            // Somebody may just be looking whether a guard is there.
            if matches!(lock, Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
                return None;
            }
            Some(lock)
        })
        .unwrap_or(Ok(None))
        .map_err(text)?
        .ok_or("another guard is at work here")?;
    let mut state = state::read(place).map_err(text)?;
    let _ = std::fs::remove_file(place.join("socket"));
    let listener = UnixListener::bind(place.join("socket")).map_err(text)?;
    listener.set_nonblocking(true).map_err(text)?;
    fault::point("guard:before-ready");
    let mut attached = false;
    let outcome = if resume {
        match state.phase {
            Phase::Prepared if !restore::happened(&state)? => Outcome::Over,
            Phase::Prepared | Phase::RollingBack => Outcome::RollBack("its guard was killed"),
            Phase::Armed => Outcome::Wait,
        }
    } else {
        attached = true;
        prepared(place, &mut state)?
    };
    let reason = match outcome {
        Outcome::Over => {
            state::forget(place);
            return Ok(());
        }
        Outcome::RollBack(reason) => Some(Ended::RollBack(reason, None)),
        // As long as the program has not let go, its end is a reason, too.
        Outcome::Wait => wait(&state, &listener, attached),
    };
    let result = match reason {
        Some(Ended::Confirmed(mut client)) => {
            journal::confirmed(&state);
            state::forget(place);
            fault::point("guard:confirmed");
            let _ = writeln!(client, "confirmed");
            Ok(())
        }
        Some(Ended::RollBack(reason, client)) => roll_back(place, &mut state, reason, client),
        None => Err("cannot wait".to_owned()),
    };
    drop(lock);
    result
}

enum Outcome {
    /// There is nothing to guard.
    Over,
    RollBack(&'static str),
    Wait,
}

enum Ended {
    Confirmed(UnixStream),
    RollBack(&'static str, Option<UnixStream>),
}

/// From standing by to what became of the commit.
fn prepared(place: &Path, state: &mut State) -> Result<Outcome, String> {
    let scope = state.scope();
    let mut watch = Watch::new().map_err(|error| error.to_string())?;
    say("ready");
    fault::point("guard:ready");
    let mut input = String::new();
    let ended = loop {
        match next_word(&mut input) {
            Some(word) if word == "committed" => break false,
            Some(word) if word == "refused" => return Ok(Outcome::Over),
            Some(_) => {}
            None => break true,
        }
    };
    if ended {
        // The program died. A transaction that it sent is done by now, and was heard of.
        let happened = match watch.heard(&scope) {
            Ok(heard) if names_processes() => {
                heard.iter().any(|one| one.pid == Some(state.program))
            }
            Ok(heard) => heard.iter().any(|one| one.touched) && restore::happened(state)?,
            Err(_) => restore::happened(state)?,
        };
        // Steps are taken back even if they were never made: that changes nothing.
        if !happened && state.steps.is_empty() {
            return Ok(Outcome::Over);
        }
        arm(place, state, &mut watch)?;
        return Ok(Outcome::RollBack("the program ended before it was done"));
    }
    fault::point("guard:committed");
    arm(place, state, &mut watch)?;
    fault::point("guard:armed");
    say("armed");
    Ok(Outcome::Wait)
}

/// Whether the numbers by which the kernel names processes to us are the ones that we know them by: not in a
/// container with process numbers of its own.
fn names_processes() -> bool {
    use std::os::unix::fs::MetadataExt;
    /// `PROC_PID_INIT_INO` of the kernel.
    const FIRST: u64 = 0xEFFF_FFFC;
    std::fs::metadata("/proc/self/ns/pid").is_ok_and(|meta| meta.ino() == FIRST)
}

/// Read what the commit made, and keep it.
fn arm(place: &Path, state: &mut State, watch: &mut Watch) -> Result<(), String> {
    let scope = state.scope();
    let after = watch.read(&scope).map_err(|error| error.to_string())?;
    state.steps.iter_mut().for_each(Step::done);
    state.after = Some(after);
    state.phase = Phase::Armed;
    state::write(place, state).map_err(|error| error.to_string())
}

fn say(word: &str) {
    let mut out = io::stdout();
    // Nobody may listen any more.
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

/// The next line of the standard input; nothing at its end.
fn next_word(buffer: &mut String) -> Option<String> {
    loop {
        if let Some(end) = buffer.find('\n') {
            let word = buffer[..end].to_owned();
            buffer.drain(..=end);
            return Some(word);
        }
        let mut bytes = [0; 64];
        match io::stdin().read(&mut bytes) {
            Ok(0) => return None,
            Ok(length) => {
                let read = bytes.get(..length).unwrap_or_default();
                buffer.push_str(&String::from_utf8_lossy(read));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Until somebody says what to do, or the time is up, or the program is gone. The clock goes on during a suspend,
/// and is looked at often enough to act at once afterwards.
fn wait(state: &State, listener: &UnixListener, attached: bool) -> Option<Ended> {
    let stdin = io::stdin();
    let mut attached = attached;
    loop {
        let Some(left) = state.left() else {
            let reason = if state.limited {
                "its time was over"
            } else {
                "it was not confirmed in time"
            };
            return Some(Ended::RollBack(reason, None));
        };
        let nap = left.min(Duration::from_millis(500));
        let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if attached {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(
            &mut fds,
            PollTimeout::try_from(nap).unwrap_or(PollTimeout::MAX),
        );
        let ready = |index: usize| {
            fds.get(index)
                .and_then(|fd| fd.revents())
                .is_some_and(|events| !events.is_empty())
        };
        // Who asks gets an answer, even if the program ends at the same moment.
        while let Ok((client, _)) = listener.accept() {
            match asked(&client).as_deref() {
                Some("confirm") => return Some(Ended::Confirmed(client)),
                Some("rollback") => {
                    return Some(Ended::RollBack("somebody asked for it", Some(client)));
                }
                _ => {}
            }
        }
        if attached && ready(1) {
            match next_word(&mut String::new()) {
                Some(word) if word == "detach" => attached = false,
                Some(_) => {}
                None => {
                    let reason = "the program ended before the change was confirmed";
                    return Some(Ended::RollBack(reason, None));
                }
            }
        }
    }
}

fn asked(mut client: &UnixStream) -> Option<String> {
    client.set_nonblocking(false).ok()?;
    client.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut word = Vec::new();
    let mut bytes = [0; 32];
    while !word.ends_with(b"\n") && word.len() < bytes.len() {
        let length = client.read(&mut bytes).ok().filter(|length| *length > 0)?;
        word.extend(bytes.get(..length)?);
    }
    let text = String::from_utf8_lossy(&word).into_owned();
    Some(text.trim().to_owned())
}

fn roll_back(
    place: &Path,
    state: &mut State,
    reason: &'static str,
    client: Option<UnixStream>,
) -> Result<(), String> {
    let result = act(place, state, reason);
    if let Some(mut client) = client {
        let line = match &result {
            Ok(restored) => serde_json::to_string(restored).unwrap_or_default(),
            Err(why) => format!("error {why}"),
        };
        let _ = writeln!(client, "{line}");
    }
    result.map(|_| ())
}

/// Take it back, write down how it went, and forget it. The caller holds the lock.
pub fn act(place: &Path, state: &mut State, reason: &str) -> Result<Restored, String> {
    state.phase = Phase::RollingBack;
    state::write(place, state).map_err(|error| error.to_string())?;
    fault::point("guard:rolling-back");
    let (taken_back, left) = Step::undo_all(&state.steps);
    let mut restored = restore::restore(state)?;
    restored.commands += taken_back;
    restored.left.extend(left);
    journal::rolled_back(state, reason, &restored);
    state::forget(place);
    Ok(restored)
}
