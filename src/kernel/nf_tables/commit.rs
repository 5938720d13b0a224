//! Hand a transaction to the kernel: check it or apply it, all or nothing, and collect what the kernel says.
//!
//! The kernel works while `send` is under way: when it returns, the transaction is applied or refused and everything
//! the kernel has to say waits in the socket. The echo of the first message makes it tell the new generation, too;
//! no error message means that nothing was refused.

use super::abi;
use super::decode;
use super::refusal::{Refusal, Refused};
use super::transaction::{Framing, Transaction};
use crate::kernel::netlink::message::{self, NLM_F_ACK_TLVS, NLMSG_ERROR, NLMSG_OVERRUN, Nfgen};
use crate::kernel::netlink::socket::read_code;
use crate::kernel::netlink::{Attrs, KernelError, Message, Messages, Protocol, Socket};
use crate::model::command::{Command, What};
use netlink_sys::SocketAddr;
use nix::sys::socket::{setsockopt, sockopt};
use rustables::sys::*;
use std::borrow::Cow;
use std::io;

/// What to ask of the kernel beside the commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Refuse everything unless the ruleset is still of this generation.
    pub generation: Option<u32>,
    /// Have everything checked and nothing applied.
    pub check: bool,
    /// Learn the handles of what is made.
    pub echo: bool,
}

/// A transaction that the kernel took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The generation that it made; none after a check.
    pub generation: Option<u32>,
    /// With [`Options::echo`]: (index of the command, handle of what it made), in order. The first command's is
    /// there in any case.
    pub handles: Vec<(usize, u64)>,
    /// False when the kernel had more to echo than it had room for: handles are missing then, nothing else is.
    pub echo_complete: bool,
}

/// Messages beyond the receive buffer are lost: room for the refusal of every command, and for the echo. bytes
const RECEIVE_ROOM: usize = 64 << 20;
/// Accounted for one refusal or echo: the message and the kernel's structures around it. bytes
const PER_MESSAGE: usize = 2048;

/// The socket of a transaction. Tables with the flag `owner` belong to it: the kernel takes them away when it is
/// closed, however the process ends.
pub struct Held {
    socket: netlink_sys::Socket,
}

impl Held {
    /// The port by which the kernel names the owner of a table.
    pub fn port(&self) -> Option<u32> {
        let mut address = SocketAddr::new(0, 0);
        self.socket.get_address(&mut address).ok()?;
        Some(address.port_number())
    }
}

/// Check or apply `commands` in the current network namespace.
pub fn commit(commands: &[Command], options: Options) -> Result<Outcome, Refused> {
    commit_held(commands, options).map(|(outcome, _)| outcome)
}

/// The same, and keep the socket. None was needed for nothing to do.
pub fn commit_held(
    commands: &[Command],
    options: Options,
) -> Result<(Outcome, Option<Held>), Refused> {
    if commands.is_empty() {
        return Ok(Default::default());
    }
    let commands = with_handles(commands)?;
    let framing = Framing {
        generation: options.generation,
        check: options.check,
        echo: options.echo,
    };
    let transaction = Transaction::new(&commands, framing).map_err(|(command, reason)| {
        Refused::Commands(vec![Refusal::unsendable(command, reason)])
    })?;
    if transaction.is_empty() {
        return Ok(Default::default());
    }
    let (outcome, socket) = exchange(&transaction, options)?;
    Ok((outcome, Some(Held { socket })))
}

/// A chain is renamed by its handle: look it up where it is not known.
fn with_handles(commands: &[Command]) -> Result<Cow<'_, [Command]>, Refused> {
    let lacks = |command: &Command| matches!(&command.what, What::RenameChain { handle: None, .. });
    if !commands.iter().any(lacks) {
        return Ok(Cow::Borrowed(commands));
    }
    let mut commands = commands.to_vec();
    let mut socket = Socket::open(Protocol::Netfilter)?;
    for command in &mut commands {
        if let What::RenameChain { handle, from, .. } = &mut command.what
            && handle.is_none()
        {
            *handle = super::dump::chain(&mut socket, command.family, &command.table, from)?
                .map(|chain| chain.handle);
        }
    }
    Ok(Cow::Owned(commands))
}

fn exchange(
    transaction: &Transaction,
    options: Options,
) -> Result<(Outcome, netlink_sys::Socket), Refused> {
    let bytes = transaction.as_bytes();
    let mut socket = netlink_sys::Socket::new(Protocol::Netfilter.number())?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    // The kernel takes a message of at most the send buffer, less a little. It doubles what it is told.
    let room = bytes.len() + 4096;
    if setsockopt(&socket, sockopt::SndBuf, &room).is_err()
        || setsockopt(&socket, sockopt::SndBufForce, &room).is_err()
    {
        // Without CAP_NET_ADMIN of the machine the system's limit stands; sending says whether that was enough.
    }
    let mut wanted = RECEIVE_ROOM + transaction.len().saturating_mul(PER_MESSAGE);
    if options.echo {
        wanted += bytes.len().saturating_mul(4);
    }
    let wanted = wanted.min(i32::MAX as usize / 2);
    if setsockopt(&socket, sockopt::RcvBufForce, &wanted).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &wanted);
    }
    loop {
        match socket.send(bytes, 0) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                return Err(Refused::TooBig { bytes: bytes.len() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let outcome = receive(&mut socket, transaction)?;
    Ok((outcome, socket))
}

fn receive(
    socket: &mut netlink_sys::Socket,
    transaction: &Transaction,
) -> Result<Outcome, Refused> {
    let mut outcome = Outcome {
        echo_complete: true,
        ..Outcome::default()
    };
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut whole: Option<Refused> = None;
    let mut buffer = Vec::with_capacity(128 * 1024);
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, libc::MSG_DONTWAIT) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Refusals come only of a refused transaction, and the first of them always finds room.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                outcome.echo_complete = false;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        for answer in Messages::new(&buffer) {
            let answer = answer.map_err(KernelError::from)?;
            match answer.kind {
                NLMSG_ERROR => match read_code(answer.payload) {
                    0 => {}
                    code => match refusal(transaction, &answer, code.saturating_neg()) {
                        Ok(one) => refusals.push(one),
                        Err(error) => whole = Some(error),
                    },
                },
                NLMSG_OVERRUN => outcome.echo_complete = false,
                _ => learn(&mut outcome, transaction, &answer),
            }
        }
    }
    match (whole, refusals.is_empty()) {
        (Some(error), _) => Err(error),
        (None, false) => Err(Refused::Commands(refusals)),
        (None, true) => Ok(outcome),
    }
}

/// One error message: of a command, or of the transaction as a whole.
fn refusal(
    transaction: &Transaction,
    answer: &Message<'_>,
    errno: i32,
) -> Result<Refusal, Refused> {
    let (mut text, mut offset) = (None, None);
    if answer.flags & NLM_F_ACK_TLVS != 0 {
        // `struct nlmsgerr` with a capped request: the code and the header of the request.
        let attributes = answer.payload.get(4 + message::HEADER..);
        for attr in Attrs::new(attributes.unwrap_or_default()).filter_map(Result::ok) {
            match attr.kind {
                NLMSGERR_ATTR_MSG => text = Some(crate::model::text::from_bytes(attr.text())),
                NLMSGERR_ATTR_OFFS => offset = attr.ne32().ok(),
                _ => {}
            }
        }
    }
    match transaction.message(answer.sequence) {
        Some(of) => Ok(Refusal {
            command: of.command,
            errno,
            message: text,
            offset,
            part: offset.and_then(|offset| transaction.part(of, offset)),
        }),
        // What the kernel says of the beginning is of all.
        None if errno == libc::ERESTART => Err(Refused::Moved),
        None => Err(Refused::Kernel(KernelError::Refused {
            errno,
            message: text,
        })),
    }
}

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// What an echoed message says of the command that made it.
fn learn(outcome: &mut Outcome, transaction: &Transaction, answer: &Message<'_>) {
    if answer.kind >> 8 != abi::SUBSYSTEM {
        return;
    }
    let Ok((_, attributes)) = Nfgen::split(answer.payload) else {
        return;
    };
    let handle = match answer.kind & 0xff {
        abi::NEWGEN => {
            outcome.generation = decode::generation(attributes).ok().map(|g| g.id);
            return;
        }
        abi::NEWTABLE => NFTA_TABLE_HANDLE,
        abi::NEWCHAIN => NFTA_CHAIN_HANDLE,
        abi::NEWRULE => NFTA_RULE_HANDLE,
        abi::NEWSET => NFTA_SET_HANDLE,
        abi::NEWOBJ => NFTA_OBJ_HANDLE,
        abi::NEWFLOWTABLE => NFTA_FLOWTABLE_HANDLE,
        _ => return,
    };
    let handle = Attrs::new(attributes)
        .filter_map(Result::ok)
        .find(|attr| attr.kind == handle)
        .and_then(|attr| attr.be64().ok());
    if let (Some(handle), Some(of)) = (handle, transaction.message(answer.sequence)) {
        outcome.handles.push((of.command, handle));
    }
}
