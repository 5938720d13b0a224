//! A non-blocking netlink socket for what the kernel tells unasked.

use super::message::{NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};
use super::socket::{read_code, refusal};
use super::{KernelError, Message, Messages, Protocol};
use netlink_sys::SocketAddr;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

pub struct Listener {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

impl Listener {
    /// `room`: bytes that may wait to be read.
    pub fn open(protocol: Protocol, room: usize) -> Result<Listener, KernelError> {
        let mut socket = netlink_sys::Socket::new(protocol.number())?;
        if setsockopt(&socket, sockopt::RcvBufForce, &room).is_err() {
            // Beyond the system's limit needs CAP_NET_ADMIN; without it the usual size has to do.
            let _ = setsockopt(&socket, sockopt::RcvBuf, &room);
        }
        socket.bind(&SocketAddr::new(0, 0))?;
        Ok(Listener {
            socket,
            buffer: Vec::with_capacity(128 * 1024),
        })
    }

    /// Hear a multicast group.
    pub fn join(&mut self, group: u32) -> Result<(), KernelError> {
        Ok(self.socket.add_membership(group)?)
    }

    /// Send a request and wait for its acknowledgement; what else comes meanwhile is handed to `each`.
    pub fn request(
        &mut self,
        message: &[u8],
        sequence: u32,
        mut each: impl FnMut(&Message<'_>) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        self.socket.set_non_blocking(false)?;
        self.socket.send_to(message, &SocketAddr::new(0, 0), 0)?;
        loop {
            self.receive()?;
            for message in Messages::new(&self.buffer) {
                let message = message?;
                if message.kind == NLMSG_ERROR && message.sequence == sequence {
                    return match read_code(message.payload) {
                        0 => Ok(()),
                        code => Err(refusal(code.saturating_neg(), &message)),
                    };
                }
                each(&message)?;
            }
        }
    }

    fn receive(&mut self) -> Result<(), KernelError> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Err(KernelError::Overrun);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Hand on what waits, at most `most` datagrams; true when there may be more. [`KernelError::Overrun`] means
    /// that messages were lost; the next call goes on behind them.
    pub fn read(
        &mut self,
        most: usize,
        mut each: impl FnMut(&Message<'_>) -> Result<(), KernelError>,
    ) -> Result<bool, KernelError> {
        self.socket.set_non_blocking(true)?;
        for _ in 0..most {
            match self.receive() {
                Ok(()) => {}
                Err(KernelError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
            for message in Messages::new(&self.buffer) {
                let message = message?;
                match message.kind {
                    NLMSG_OVERRUN => return Err(KernelError::Overrun),
                    NLMSG_ERROR | NLMSG_NOOP => {}
                    _ => each(&message)?,
                }
            }
        }
        Ok(true)
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
