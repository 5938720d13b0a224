//! What a guard must know, on disk: where, in which form, and who holds it.
//!
//! `/run/hookscope/net-INODE/` (one per network namespace, mode 0700) holds a directory for the confirm window
//! (`window`) and one for each change for a limited time (`limited-N`). In each: `state`, written whole and synced
//! before it replaces the last one; `lock`, held by the guard for as long as it lives; `socket`, on which it takes
//! words. A `state` without a holder of its `lock` is one whose guard was killed.

use crate::kernel::netns;
use crate::model::{Family, Name, Ruleset};
use crate::stage::Step;
use crate::stage::touched::Scope;
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far a commit under guard has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The guard stands by; the commit may or may not have been sent.
    Prepared,
    /// The commit is done, and waits.
    Armed,
    /// It is being taken back.
    RollingBack,
}

/// Everything that taking a commit back needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub phase: Phase,
    /// The thread that commits: the kernel names it with the new generation.
    pub program: u32,
    /// Seconds since 1970.
    pub made: u64,
    /// When it is taken back, by the clock that goes on while the machine sleeps. milliseconds
    pub deadline: u64,
    /// When `before` was read, by the clock of the kernel's timeouts. milliseconds
    pub read: u64,
    pub who: String,
    pub why: String,
    /// True for rules for a limited time: nobody is asked to confirm.
    pub limited: bool,
    /// The tables that it is about; none for all.
    pub scope: Option<Vec<(Family, Name)>>,
    /// The chains, if it is only about the rules of these.
    #[serde(default)]
    pub chains: Vec<(Family, Name, Name)>,
    /// They as they were.
    pub before: Ruleset,
    /// They as the commit made them.
    pub after: Option<Ruleset>,
    /// What else was done, in order; taken back in reverse.
    pub steps: Vec<Step>,
    /// Where the commit stands in the journal.
    pub entry: Option<u64>,
}

impl State {
    pub fn scope(&self) -> Scope {
        Scope::kept(self.scope.as_deref(), &self.chains)
    }

    /// Until it is taken back; nothing when it is time.
    pub fn left(&self) -> Option<Duration> {
        let left = self.deadline.checked_sub(boot_time())?;
        (left > 0).then(|| Duration::from_millis(left))
    }
}

/// Since the machine started, asleep or not. milliseconds
pub fn boot_time() -> u64 {
    clock(ClockId::CLOCK_BOOTTIME)
}

/// Since the machine started, awake: what timeouts of set elements go by. milliseconds
pub fn awake_time() -> u64 {
    clock(ClockId::CLOCK_MONOTONIC)
}

fn clock(id: ClockId) -> u64 {
    clock_gettime(id).map_or(0, |time| {
        let (seconds, nanos) = (time.tv_sec(), time.tv_nsec());
        u64::try_from(seconds).unwrap_or(0) * 1000 + u64::try_from(nanos).unwrap_or(0) / 1_000_000
    })
}

/// Where the guards of the current network namespace keep their state.
pub fn directory() -> PathBuf {
    let base = match std::env::var_os("HOOKSCOPE_RUN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None if nix::unistd::geteuid().is_root() => PathBuf::from("/run/hookscope"),
        None => match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(directory) => PathBuf::from(directory).join("hookscope"),
            None => PathBuf::from("/run/hookscope"),
        },
    };
    base.join(format!("net-{}", namespace()))
}

/// The number of the current network namespace: one that is not given again where the kernel has such numbers.
pub fn namespace() -> u64 {
    let inode = || fs::metadata("/proc/thread-self/ns/net").map_or(0, |meta| meta.ino());
    netns::cookie().unwrap_or_else(inode)
}

/// The confirm window of the current network namespace.
pub fn window() -> PathBuf {
    directory().join("window")
}

/// A place for one more change for a limited time.
pub fn limited() -> io::Result<PathBuf> {
    let base = directory();
    for number in 0..10_000u32 {
        let path = base.join(format!("limited-{number}"));
        if !path.exists() {
            return Ok(path);
        }
    }
    Err(io::Error::other(
        "10,000 changes for a limited time are under way",
    ))
}

/// All places with a state in the current network namespace.
pub fn all() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.join("state").exists())
        .collect();
    found.sort();
    found
}

/// Make the directory, for its owner only.
pub fn make(place: &Path) -> io::Result<()> {
    const CLOSED: u32 = 0o700;
    let is_ours = |meta: fs::Metadata| meta.is_dir() && meta.mode() & 0o7777 == CLOSED;
    if fs::symlink_metadata(place).is_ok_and(is_ours) {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(CLOSED);
    builder.create(place)?;
    // What was there before is not ours to close, but for the place itself.
    fs::set_permissions(place, fs::Permissions::from_mode(CLOSED))?;
    Ok(())
}

pub fn write(place: &Path, state: &State) -> io::Result<()> {
    let mut bytes = Vec::new();
    ciborium::into_writer(state, &mut bytes).map_err(io::Error::other)?;
    write_whole(&place.join("state"), &bytes, 0o600)
}

pub fn read(place: &Path) -> io::Result<State> {
    let bytes = fs::read(place.join("state"))?;
    ciborium::from_reader(bytes.as_slice()).map_err(io::Error::other)
}

/// The file is the old one or the new one at any moment, even when the power fails.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, true)
}

/// The same, but for a power failure: for what is about the running kernel, which is gone then, too. Waiting for the
/// disk would take longer than many a change.
pub fn write_quickly(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, false)
}

fn replace(path: &Path, bytes: &[u8], mode: u32, durable: bool) -> io::Result<()> {
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("a file needs a directory"))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".new-{}", std::process::id()));
    let new = directory.join(name);
    let result = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&new)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&new, path)?;
        match durable {
            true => File::open(directory)?.sync_all(),
            false => Ok(()),
        }
    })();
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}

/// Be the one who acts on this state; nothing when another process is.
pub fn hold(place: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(place.join("lock"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// Nothing is left to guard.
pub fn forget(place: &Path) {
    // The state first: without it the rest means nothing.
    for file in ["state", "socket", "lock"] {
        let _ = fs::remove_file(place.join(file));
    }
    let _ = fs::remove_dir(place);
}
