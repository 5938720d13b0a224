//! `hookscope apply --format route`: a text as `ip -batch` takes it for routes, rules, neighbours and next hops.
//!
//! [`prepare_text`] gives the plan that a guard needs to take the changes back; [`make`] makes them.

pub use super::route::change::{
    ChangeError, Options, Outcome, Prepared, apply_text, make, prepare_text,
};
