//! Putting packets into a network: frames on a device (`packet(7)`), and IP packets as this machine sends them
//! (`raw(7)`). May use `model` only.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto,
    setsockopt, socket, sockopt,
};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use std::io;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

/// Sends whole frames on devices of the namespace it was opened in.
pub struct Frames {
    socket: OwnedFd,
}

impl Frames {
    /// Hears nothing itself.
    pub fn open() -> io::Result<Frames> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Frames {
            socket: socket(AddressFamily::Packet, SockType::Raw, flags, None)?,
        })
    }

    /// Send one frame, its link-layer header first.
    pub fn send(&self, device: u32, frame: &[u8]) -> io::Result<()> {
        let protocol = frame
            .get(12..14)
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0, 0]);
        // SAFETY: all bytes zero is a valid `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = u16::from_ne_bytes(protocol);
        address.sll_ifindex = i32::try_from(device).map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = std::mem::size_of_val(&address) as libc::socklen_t;
        // SAFETY: both pointers are to live memory of the lengths that are given; the kernel only reads it.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const address).cast(),
                length,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// Who sends a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mark: u32,
}

/// Send an IP packet, header and all, from a socket of the calling thread's namespace.
pub fn send_ip(packet: &[u8], to: IpAddr, from: Sender) -> io::Result<()> {
    let family = match to {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    // A socket belongs to whom the thread acts as in file systems when it is made; this is of the thread alone.
    let me = (
        from.uid.map(|uid| setfsuid(Uid::from_raw(uid))),
        from.gid.map(|gid| setfsgid(Gid::from_raw(gid))),
    );
    let made = socket(
        family,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Raw,
    );
    if let Some(uid) = me.0 {
        setfsuid(uid);
    }
    if let Some(gid) = me.1 {
        setfsgid(gid);
    }
    let socket = made?;
    setsockopt(&socket, sockopt::Broadcast, &true)?;
    if from.mark != 0 {
        setsockopt(&socket, sockopt::Mark, &from.mark)?;
    }
    let flags = MsgFlags::MSG_DONTWAIT;
    match to {
        IpAddr::V4(to) => {
            let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
            sendto(socket.as_raw_fd(), packet, &to, flags)?;
        }
        IpAddr::V6(to) => {
            let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, 0));
            sendto(socket.as_raw_fd(), packet, &to, flags)?;
        }
    }
    Ok(())
}
