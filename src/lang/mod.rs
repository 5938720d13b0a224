//! Text to model and back: nft, iptables and iproute2 syntax, plain English.
//!
//! May use `model` and the pure codecs of `kernel` (decoding attributes); never a socket, a file or a clock.
//! What depends on the machine (names of interfaces, protocols, marks, the time zone) comes in as [`Names`].

// What others wrote must never make the program panic. Tests may.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod conntrack;
pub mod english;
pub mod ipset;
pub mod iptables;
pub mod near;
pub mod nft;
pub mod pcap;
pub mod route;

pub use crate::model::Names;
