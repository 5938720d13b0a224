//! Private namespaces for the lab: one for the process, others for the hosts around it.

use crate::kernel::netlink::KernelError;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs::{self, File};
use std::io;
use std::thread;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LabError {
    #[error(
        "this machine does not let you make private namespaces ({0}); allow it (sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0), or run the demo with sudo"
    )]
    NotAllowed(Errno),
    #[error("cannot set up the demo's namespaces: {0}")]
    Io(#[from] io::Error),
    #[error("cannot set up the demo's {what}: {error}")]
    Kernel {
        what: &'static str,
        error: KernelError,
    },
    #[error("cannot start the demo's threads")]
    Thread,
}

/// Names the part of the lab that the kernel refused.
pub fn part<T>(what: &'static str, result: Result<T, KernelError>) -> Result<T, LabError> {
    result.map_err(|error| LabError::Kernel { what, error })
}

/// Put this process into a network of its own; as an ordinary user into a user namespace of its own, too.
pub fn enter_private() -> Result<(), LabError> {
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let (uid, gid) = (geteuid(), getegid());
    if !uid.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(LabError::NotAllowed)?;
    if !uid.is_root() {
        // Without CAP_SETGID outside, groups can be mapped only when setgroups is given up.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    // /sys shows the network of the namespace it was mounted in; programs run in the lab want the lab's. It is a
    // convenience: a machine that refuses the mount still gets its demo.
    let none = None::<&str>;
    let _ = mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none);
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none);
    Ok(())
}

/// A network namespace that exists as long as this handle, or a thread in it.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// A new, empty one.
    pub fn new() -> Result<Namespace, LabError> {
        let made = thread::Builder::new().spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = made?.join().map_err(|_| LabError::Thread)??;
        Ok(Namespace { file })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Run something in it, on a thread of its own, and wait.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LabError> + Send + 'static,
    ) -> Result<T, LabError> {
        let file = self.file.try_clone()?;
        let thread = thread::Builder::new().spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
            work()
        })?;
        thread.join().map_err(|_| LabError::Thread)?
    }

    /// Start a thread that works in it.
    pub fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), LabError> {
        let file = self.file.try_clone()?;
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if setns(file, CloneFlags::CLONE_NEWNET).is_ok() {
                    work();
                }
            })?;
        Ok(())
    }
}
