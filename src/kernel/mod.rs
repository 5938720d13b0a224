//! Bytes of the kernel to model values and back: the only layer that talks to the kernel.
//!
//! May use `model`. Codecs (`decode`, `encode`) are pure and total: on any bytes they return a value or
//! an error and never panic. Sockets live in `netlink` and in the modules that name a kernel interface.

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
pub mod conntrack_change;
pub mod hooks;
pub mod inject;
pub mod ipset;
pub mod legacy;
pub mod machine;
pub mod name_service;
pub mod netlink;
pub mod netns;
pub mod nf_tables;
pub mod nflog;
pub mod process;
pub mod route;
pub mod snmp;
pub mod sysctl;
pub mod xtables;
