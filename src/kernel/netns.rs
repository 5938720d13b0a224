//! Network namespaces: entering one by its name, by a process in it, or by a path.
//!
//! A namespace belongs to a thread: enter it before other threads start, they inherit it. May use nothing
//! but the system.

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where `ip netns add` binds namespaces.
const DIRECTORY: &str = "/run/netns";

#[derive(Debug, Error)]
pub enum NetnsError {
    #[error("there is no network namespace '{name}'; {}", existing(names))]
    UnknownName { name: String, names: Vec<String> },
    #[error("there is no process {0}, or it has ended; name a running process or a namespace")]
    UnknownProcess(u32),
    #[error("cannot open '{}': {error}", path.display())]
    Open { path: PathBuf, error: io::Error },
    #[error(
        "'{}' is not a network namespace; name one of 'ip netns list', a process id, or a path such as /proc/PID/ns/net",
        .0.display()
    )]
    NotANamespace(PathBuf),
    #[error(
        "entering network namespace '{0}' needs CAP_SYS_ADMIN; run as root, or try 'hookscope demo', which needs no privileges"
    )]
    Denied(String),
    #[error("cannot enter network namespace '{name}': {error}")]
    Enter { name: String, error: io::Error },
}

/// What tells the current network namespace from all others of this boot, those that are gone included: inodes of
/// `/proc/PID/ns/net` are used again. Linux 5.14 and later have it (`SO_NETNS_COOKIE`).
pub fn cookie() -> Option<u64> {
    let socket = UnixDatagram::unbound().ok()?;
    let mut cookie = 0u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the socket is open until the end of the function, and `cookie` is as long as `length` says.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (failed == 0 && length as usize == size_of::<u64>()).then_some(cookie)
}

fn existing(names: &[String]) -> String {
    match names {
        [] => "none has a name here (ip netns add creates them), a process id works too".to_owned(),
        names => format!("known are: {}", names.join(", ")),
    }
}

/// The namespaces with a name, sorted.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Move the calling thread into a namespace: a name below `/run/netns`, a process id, or a path.
pub fn enter(namespace: &str) -> Result<(), NetnsError> {
    let (path, process) = locate(namespace)?;
    let net = File::open(&path).map_err(|error| open_error(namespace, &path, process, error))?;
    let refused = match setns(&net, CloneFlags::CLONE_NEWNET) {
        Ok(()) => return Ok(()),
        Err(refused) => refused,
    };
    // The namespace of a container without privileges can be entered through its user namespace.
    if refused == Errno::EPERM
        && let Some(process) = process
        && let Ok(user) = File::open(format!("/proc/{process}/ns/user"))
        && setns(&user, CloneFlags::CLONE_NEWUSER).is_ok()
        && setns(&net, CloneFlags::CLONE_NEWNET).is_ok()
    {
        return Ok(());
    }
    Err(match refused {
        Errno::EPERM => NetnsError::Denied(namespace.to_owned()),
        Errno::EINVAL => NetnsError::NotANamespace(path),
        other => NetnsError::Enter {
            name: namespace.to_owned(),
            error: other.into(),
        },
    })
}

/// Do something in a network namespace of its own, which is gone afterwards. On a thread of its own, because a
/// namespace belongs to a thread, and ends with it.
pub fn in_new<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let failed =
        |error: io::Error| format!("a network namespace for the attempt cannot be made: {error}");
    std::thread::scope(|scope| {
        let attempt = std::thread::Builder::new().spawn_scoped(scope, || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|error| failed(error.into()))?;
            Ok(work())
        });
        let ended = attempt.map_err(failed)?.join();
        ended.unwrap_or_else(|_| Err("the attempt came to no end".to_owned()))
    })
}

/// The file of a namespace, and the process that was named.
fn locate(namespace: &str) -> Result<(PathBuf, Option<u32>), NetnsError> {
    if namespace.contains('/') {
        return Ok((PathBuf::from(namespace), None));
    }
    let named = Path::new(DIRECTORY).join(namespace);
    // `.` and `..` are no names.
    if !namespace.is_empty() && !namespace.starts_with('.') && named.exists() {
        return Ok((named, None));
    }
    match namespace.parse::<u32>() {
        Ok(process) => Ok((
            PathBuf::from(format!("/proc/{process}/ns/net")),
            Some(process),
        )),
        Err(_) => Err(NetnsError::UnknownName {
            name: namespace.to_owned(),
            names: names(),
        }),
    }
}

fn open_error(namespace: &str, path: &Path, process: Option<u32>, error: io::Error) -> NetnsError {
    match (error.kind(), process) {
        (io::ErrorKind::NotFound, Some(process)) => NetnsError::UnknownProcess(process),
        // Looking at another user's process needs more than the namespace itself.
        (io::ErrorKind::PermissionDenied, _) => NetnsError::Denied(namespace.to_owned()),
        _ => NetnsError::Open {
            path: path.to_owned(),
            error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong() {
        let text = |namespace: &str| match enter(namespace) {
            Ok(()) => String::from("entered"),
            Err(error) => error.to_string(),
        };
        assert!(text("no-such-namespace").contains("there is no network namespace"));
        assert!(text("").contains("there is no network namespace"));
        assert!(text("..").contains("there is no network namespace"));
        assert!(text("4294967295").contains("there is no process"));
        assert!(text("/no/such/file").contains("cannot open"));
        assert!(text("/dev/null").contains("is not a network namespace"));
    }
}
