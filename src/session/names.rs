//! The names of tables, protocols and so on that this machine's iproute2 is configured with.

pub use crate::kernel::machine::route_names as read_names;
