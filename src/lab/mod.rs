//! The demo: a real firewall in private namespaces, with traffic, made and gone with this process.
//!
//! `twin` is a copy of a machine's network, to ask the kernel which way a packet goes.
//!
//! The demo may use `kernel` and `model`. Everything is made through the kernel's own interfaces; no other program is run.
//! Namespaces hang on this process alone (no files, no mounts that others see): however it ends, they are gone.

mod link;
mod namespace;
mod router;
mod rules;
mod traffic;
pub mod twin;

pub use namespace::LabError;

/// A network, a ruleset and traffic to look at.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    build: fn() -> Result<Lab, LabError>,
}

pub static SCENARIOS: [Scenario; 1] = [Scenario {
    name: "router",
    about: "a router with NAT between a home network and the internet, under live traffic",
    build: router::build,
}];

/// A running scenario. Its traffic stops when it is dropped.
pub struct Lab {
    _traffic: traffic::Traffic,
}

/// Enter private namespaces and start a scenario there. Call it before any other thread exists: only a
/// single-threaded process may change its user namespace.
pub fn start(scenario: &Scenario) -> Result<Lab, LabError> {
    namespace::enter_private()?;
    (scenario.build)()
}

pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
