//! Which way a packet goes: hooks, rules, conntrack, NAT and routes, as the kernel does it.
//!
//! Pure: takes model values and returns values. May use `model` and the attribute decoders of `kernel`; never a
//! socket, a file or a clock. Texts of rules are the caller's: a path names rules by their place.
//!
//! [`Simulator`] is made once for a picture; [`Simulator::trace`] answers one [`Question`].
//!
//! What the kernel knows and no picture holds (tokens of a limit, random numbers, sockets) is a decision: the
//! likeliest outcome is walked, and the others are reported as uncertain with their own fates.

#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unwrap_used
    )
)]

pub mod conntrack;
pub mod cut;
pub mod eval;
pub mod fib;
pub mod filter_words;
pub mod frame;
pub mod group;
mod hash;
pub mod hooks;
pub mod jhash;
pub mod nat;
pub mod observed;
pub mod options;
pub mod packet;
pub mod path;
pub mod report;
mod runs;
pub mod sets;
pub mod settings;
pub mod tracer;
pub mod words;
pub mod xtables;

pub use packet::{Question, QuestionError};
pub use path::{Simulator, Trace, World};
pub use report::{Check, Fate, Step};
