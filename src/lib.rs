//! hookscope: what the Linux firewall and routing of a machine really do, and changing it safely.
//!
//! See ARCHITECTURE.md for the layers; each module says at its top what it may use.

pub mod flow;
pub mod insight;
pub mod kernel;
pub mod lab;
pub mod lang;
pub mod model;
pub mod session;
pub mod stage;
pub mod tui;
