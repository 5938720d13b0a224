//! The live picture: loads everything, follows the kernel's events, refreshes counters, derives rates.
//!
//! May use `model`, `kernel`, `lang`, `flow`, `stage`, `insight`. Screens see immutable [`Picture`]s and send
//! [`Command`]s; they never touch a socket.

pub mod beside;
pub mod boot;
pub mod case;
pub mod changes;
pub mod compile;
pub mod diff;
pub mod flows;
pub mod ipset;
pub mod iptables;
pub mod live;
pub mod names;
mod pending;
pub mod picture;
mod rates;
pub mod reader;
pub mod resolve;
pub mod route;
pub mod snapshot;
pub mod ssh;
mod system;
pub mod watch;

pub use beside::Beside;
pub use flows::Flows;
pub use picture::{
    ChainKey, Change, Command, Evidence, Picture, Progress, Rate, RateHistory, Rates, RouteQuery,
    RuleKey, SessionEvent, SessionHandle, Source,
};
