//! The lock that programs for the legacy tables agree on (`/run/xtables.lock`): who holds it may read a table and
//! write it back. The kernel itself does not tell whether a table was replaced in between.

use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Held until it is dropped; where the file cannot be made there is nothing to hold.
pub struct XtablesLock {
    _file: Option<Flock<File>>,
}

impl XtablesLock {
    /// # Errors
    /// When another program holds it for longer than `patience`.
    pub fn take(patience: Duration) -> io::Result<XtablesLock> {
        let named = std::env::var_os("XTABLES_LOCKFILE").map(PathBuf::from);
        let path = named.unwrap_or_else(|| PathBuf::from("/run/xtables.lock"));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let Ok(mut file) = options.mode(0o600).open(&path) else {
            // A system without a place for it: the others cannot lock either.
            return Ok(XtablesLock { _file: None });
        };
        let started = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(XtablesLock { _file: Some(lock) }),
                Err((back, nix::errno::Errno::EWOULDBLOCK)) if started.elapsed() < patience => {
                    file = back;
                    thread::sleep(Duration::from_millis(20));
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                    let path = path.display();
                    let why = format!("another program holds '{path}'; try again when it is done");
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
                }
                Err((_, error)) => return Err(error.into()),
            }
        }
    }
}
