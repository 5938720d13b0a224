//! Processes that this one starts.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The process to be started is killed when the thread that starts it ends, even by SIGKILL.
pub fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    // SAFETY: between fork and exec only prctl and getppid are called, both safe after fork (signal-safety(7)).
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Some(nix::sys::signal::Signal::SIGKILL))?;
            // The parent may have ended before the request was made.
            if nix::unistd::getppid() != parent {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            Ok(())
        });
    }
}
