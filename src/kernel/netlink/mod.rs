//! Netlink: attributes, messages and sockets (`linux/netlink.h`), shared by every codec of this layer.

pub mod attr;
pub mod listener;
pub mod message;
pub mod socket;

pub use attr::{Attr, AttrWriter, Attrs, DecodeError, Fields};
pub use listener::Listener;
pub use message::{Message, Messages};
pub use socket::{KernelError, Protocol, Socket};
