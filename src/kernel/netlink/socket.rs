//! A blocking netlink socket: dumps, single requests, and what can go wrong with them.
//!
//! Events are read elsewhere (asynchronously); this socket is for questions with an answer.

use super::attr::{Attrs, DecodeError};
use super::message::{self, Message, Messages};
use netlink_sys::SocketAddr;
use std::io;
use thiserror::Error;

/// `NETLINK_*` protocol numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Route,
    Xfrm,
    Netfilter,
    Generic,
}

impl Protocol {
    pub fn number(self) -> isize {
        match self {
            Protocol::Route => 0,
            Protocol::Xfrm => 6,
            Protocol::Netfilter => 12,
            Protocol::Generic => 16,
        }
    }
}

#[derive(Debug, Error)]
pub enum KernelError {
    /// The kernel answered with an error code; the message is that of the extended ack, if any.
    #[error("{}{}", io::Error::from_raw_os_error(*errno), detail(message))]
    Refused { errno: i32, message: Option<String> },
    /// The data changed while it was dumped: ask again.
    #[error("the kernel's data changed while it was read")]
    Interrupted,
    #[error("the kernel dropped messages because they were not read in time")]
    Overrun,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot read the kernel's answer: {0}")]
    Decode(#[from] DecodeError),
}

fn detail(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default()
}

impl KernelError {
    pub fn errno(&self) -> Option<i32> {
        match self {
            KernelError::Refused { errno, .. } => Some(*errno),
            KernelError::Io(error) => error.raw_os_error(),
            _ => None,
        }
    }

    /// A dump that failed this way gives a whole answer when it is repeated.
    pub fn is_transient(&self) -> bool {
        matches!(self, KernelError::Interrupted | KernelError::Overrun)
            || self.errno() == Some(libc::EINTR)
    }
}

/// The kernel caps one receive at 32 KiB (`NLMSG_GOODSIZE` for dumps); twice that is room enough.
const RECEIVE: usize = 128 * 1024;

pub struct Socket {
    inner: netlink_sys::Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn open(protocol: Protocol) -> Result<Socket, KernelError> {
        let mut inner = netlink_sys::Socket::new(protocol.number())?;
        inner.bind_auto()?;
        inner.connect(&SocketAddr::new(0, 0))?;
        // Extended acks carry the kernel's own words and the offset of the offending attribute.
        let _ = inner.set_ext_ack(true);
        let _ = inner.set_cap_ack(true);
        if protocol == Protocol::Route {
            // Without it rtnetlink ignores the filter in the request header.
            let _ = inner.set_netlink_get_strict_chk(true);
        }
        Ok(Socket {
            inner,
            sequence: 0,
            buffer: Vec::with_capacity(RECEIVE),
        })
    }

    /// Ask for a dump and hand every message of the answer to `each`.
    ///
    /// The answer is whole or the result is an error: an interrupted dump is [`KernelError::Interrupted`].
    pub fn dump<F>(&mut self, kind: u16, payload: &[&[u8]], mut each: F) -> Result<(), KernelError>
    where
        F: FnMut(&Message<'_>) -> Result<(), KernelError>,
    {
        let flags = message::NLM_F_REQUEST | message::NLM_F_DUMP;
        let sequence = self.send(kind, flags, payload)?;
        let mut interrupted = false;
        let mut failed: Option<KernelError> = None;
        loop {
            self.receive()?;
            for message in Messages::new(&self.buffer) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                interrupted |= message.flags & message::NLM_F_DUMP_INTR != 0;
                match message.kind {
                    message::NLMSG_DONE => {
                        let code = read_code(message.payload);
                        return match failed {
                            Some(error) => Err(error),
                            None if code < 0 => Err(refusal(-code, &message)),
                            None if interrupted => Err(KernelError::Interrupted),
                            None => Ok(()),
                        };
                    }
                    message::NLMSG_ERROR => {
                        let code = read_code(message.payload);
                        return match (failed, code) {
                            (Some(error), _) => Err(error),
                            (None, 0) => Ok(()),
                            (None, code) => Err(refusal(-code, &message)),
                        };
                    }
                    message::NLMSG_OVERRUN => failed = Some(KernelError::Overrun),
                    message::NLMSG_NOOP => {}
                    // The rest of the answer is read even after a failure, so that the socket stays usable.
                    _ if failed.is_none() => failed = each(&message).err(),
                    _ => {}
                }
            }
        }
    }

    /// Ask for one thing; `each` gets every message of the answer.
    pub fn request<F>(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[&[u8]],
        mut each: F,
    ) -> Result<(), KernelError>
    where
        F: FnMut(&Message<'_>) -> Result<(), KernelError>,
    {
        let flags = flags | message::NLM_F_REQUEST | message::NLM_F_ACK;
        let sequence = self.send(kind, flags, payload)?;
        loop {
            self.receive()?;
            for message in Messages::new(&self.buffer) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match message.kind {
                    message::NLMSG_ERROR => {
                        return match read_code(message.payload) {
                            0 => Ok(()),
                            code => Err(refusal(-code, &message)),
                        };
                    }
                    message::NLMSG_DONE => return Ok(()),
                    _ => each(&message)?,
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, payload: &[&[u8]]) -> Result<u32, KernelError> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let mut out = Vec::new();
        message::write(&mut out, kind, flags, self.sequence, payload);
        loop {
            match self.inner.send(&out, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    result?;
                    return Ok(self.sequence);
                }
            }
        }
    }

    fn receive(&mut self) -> Result<(), KernelError> {
        loop {
            self.buffer.clear();
            match self.inner.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Err(KernelError::Overrun);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

pub(in crate::kernel) fn read_code(payload: &[u8]) -> i32 {
    payload
        .first_chunk::<4>()
        .map_or(0, |code| i32::from_ne_bytes(*code))
}

/// Offset of the extended-ack attributes behind `struct nlmsgerr` with a capped request.
const ACK_TLVS: usize = 4 + message::HEADER;
const NLMSGERR_ATTR_MSG: u16 = 1;

pub(in crate::kernel) fn refusal(errno: i32, message: &Message<'_>) -> KernelError {
    let mut text = None;
    if message.kind == message::NLMSG_ERROR && message.flags & message::NLM_F_ACK_TLVS != 0 {
        let tlvs = message.payload.get(ACK_TLVS..).unwrap_or_default();
        text = Attrs::new(tlvs)
            .filter_map(Result::ok)
            .find(|attr| attr.kind == NLMSGERR_ATTR_MSG)
            .map(|attr| crate::model::text::from_bytes(attr.text()));
    }
    KernelError::Refused {
        errno,
        message: text,
    }
}

/// Watch one of this layer's event sockets with tokio.
pub fn watch<T: std::os::fd::AsRawFd + Owned>(
    events: T,
) -> io::Result<tokio::io::unix::AsyncFd<T>> {
    // SAFETY: an `Owned` type holds its socket for as long as it lives, always returns that one descriptor, and
    // gives nobody a way to close it.
    unsafe { tokio::io::unix::AsyncFd::register(events) }.map_err(Into::into)
}

/// Types that own the descriptor they return from `as_raw_fd` and never replace or close it while they live.
pub trait Owned: private::Sealed {}
impl Owned for crate::kernel::nf_tables::events::Events {}
impl Owned for crate::kernel::route::Events {}

mod private {
    pub trait Sealed {}
    impl Sealed for crate::kernel::nf_tables::events::Events {}
    impl Sealed for crate::kernel::route::Events {}
}
