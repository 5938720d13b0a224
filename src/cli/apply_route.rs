//! `hookscope apply --format route`: a text as `ip -batch` takes it for routes, rules, neighbours and next hops.
//!
//! The work is done where `route add` and its like do theirs.

pub use super::route::change::{Options, apply_text, told};
