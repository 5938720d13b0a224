//! Everything known of one machine at one moment, to be looked at elsewhere.
//!
//! Raw bytes of the kernel are part of it: a later version of the program may understand more of them.

use super::conntrack::Flow;
use super::{Names, Network, Ruleset};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the program that took it.
    pub program: String,
    pub host: String,
    /// `uname -r`
    pub kernel: String,
    pub taken: SystemTime,
    /// Name of the network namespace, where it is not the machine's own.
    pub netns: Option<String>,
    pub ruleset: Ruleset,
    pub network: Network,
    pub names: Names,
    pub flows: Vec<Flow>,
    #[serde(default)]
    pub ipsets: Vec<super::ipset::IpSet>,
    /// Tables of the legacy iptables backends, newest first within a family.
    #[serde(default)]
    pub legacy: Vec<super::xtables::rule::LegacyTable>,
    /// What could not be read, and why.
    pub missing: Vec<String>,
}
