//! Putting packets into a network: frames on a device (`packet(7)`), and IP packets as this machine sends them
//! (`raw(7)`). May use `model` only.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind,
    sendto, setsockopt, socket, sockopt,
};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, SocketAddrV6};
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
    /// The address that its program has chosen: rules may ask for it.
    pub source: Option<IpAddr>,
    /// `IPPROTO_*` of the packet, for rules that ask for it; 0 is none.
    pub protocol: u8,
    /// Type of service or traffic class of the packet, for the same.
    pub tos: u8,
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
    let tos = i32::from(from.tos);
    match to {
        _ if tos == 0 => {}
        IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4Tos, &tos)?,
        IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6TClass, &tos)?,
    }
    let flags = MsgFlags::MSG_DONTWAIT;
    match from.source {
        Some(IpAddr::V4(source)) if !source.is_unspecified() => {
            let source = SockaddrIn::from(SocketAddrV4::new(source, 0));
            bind(socket.as_raw_fd(), &source)?;
        }
        // Which device a link-local address is of nobody said.
        Some(IpAddr::V6(source)) if !source.is_unspecified() && !source.is_unicast_link_local() => {
            let source = SockaddrIn6::from(SocketAddrV6::new(source, 0, 0, 0));
            match bind(socket.as_raw_fd(), &source) {
                // A program may send from an address that is not the machine's.
                Ok(()) | Err(nix::errno::Errno::EADDRNOTAVAIL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        _ => {}
    }
    match to {
        IpAddr::V4(to) => match send4(&socket, packet, to, from.protocol) {
            // Older kernels let nobody say the protocol; a route that drops answers the same, twice.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                sendto(socket.as_raw_fd(), packet, &to, flags)?;
            }
            result => result?,
        },
        IpAddr::V6(to) => {
            // The port of a raw socket is the protocol.
            let protocol = u16::from(from.protocol);
            let to = SockaddrIn6::from(SocketAddrV6::new(to, protocol, 0, 0));
            sendto(socket.as_raw_fd(), packet, &to, flags)?;
        }
    }
    Ok(())
}

/// Send it with a word about its protocol, which routing does not take from a header that is there already.
fn send4(socket: &OwnedFd, packet: &[u8], to: Ipv4Addr, protocol: u8) -> io::Result<()> {
    /// `linux/in.h`
    const IP_PROTOCOL: libc::c_int = 52;
    let protocol = libc::c_int::from(protocol.max(1));
    let length = size_of_val(&protocol) as libc::c_uint;
    let mut address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(to.octets()),
        },
        sin_zero: [0; 8],
    };
    let mut part = libc::iovec {
        iov_base: packet.as_ptr().cast_mut().cast(),
        iov_len: packet.len(),
    };
    // Aligned as its header wants it, and with room for more than one number.
    let mut control = [0u64; 8];
    // SAFETY: all bytes zero is a valid `msghdr`: no parts and null pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = size_of_val(&address) as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the macros only compute lengths, and an address inside the buffer, which is larger than they ask for;
    // what is written lies in it. The kernel only reads what the message points to, all of which is alive.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(length) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::IPPROTO_IP;
        (*header).cmsg_type = IP_PROTOCOL;
        (*header).cmsg_len = libc::CMSG_LEN(length) as _;
        libc::CMSG_DATA(header)
            .cast::<libc::c_int>()
            .write_unaligned(protocol);
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT)
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
