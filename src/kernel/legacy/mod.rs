//! The legacy backends: `ip_tables`, `ip6_tables`, `arp_tables`, by getsockopt and setsockopt.
//!
//! `lock` keeps other programs away; `names` asks which tables exist without creating any; `sockopt` speaks to the kernel; `entries`
//! are the bytes between them; `blob` and `layout` are pure: bytes of a table to plain rules and back; `splice` changes
//! single rules in the bytes. May use `model` and the codecs beside it.

pub mod blob;
mod entries;
mod layout;
mod lock;
mod names;
pub mod sockopt;
pub mod splice;

pub use lock::XtablesLock;
pub use names::{legacy_table_exists, read_legacy_tables};
pub use sockopt::{LegacyError, read_blobs, read_table, read_tables};
