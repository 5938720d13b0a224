//! Processes that this one starts, and what a process must do to outlive those that started it.

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

/// A hangup of the terminal does not end this process.
pub fn ignore_hangup() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: no handler is installed that could run anything; the signal is ignored.
    let _ = unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) };
}

/// Leave the control group of a login session, whose processes the system may kill at logout
/// (`KillUserProcesses=` of systemd-logind). Where that cannot be done, nothing happens.
pub fn leave_session_scope() {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let in_session = own.lines().any(|line| {
        line.strip_prefix("0::")
            .is_some_and(|path| path.contains("/user.slice/") && path.contains("/session-"))
    });
    if in_session {
        let pid = std::process::id().to_string();
        let _ = std::fs::write("/sys/fs/cgroup/cgroup.procs", pid);
    }
}
