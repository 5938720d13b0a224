//! Subcommands.

pub mod route;
