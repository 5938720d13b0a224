//! What else of a network namespace decides about packets: sysctls, legacy tables, registered hooks.

use crate::model::{Family, Name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values of `/proc/sys`, by their path below it with `/` between the parts: `net/ipv4/ip_forward`.
/// What the kernel does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctls(pub BTreeMap<Name, Name>);

impl Sysctls {
    pub fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(|value| &**value)
    }

    pub fn number(&self, path: &str) -> Option<i64> {
        self.get(path)?.trim().parse().ok()
    }

    /// `net/FAMILY/conf/DEVICE/KEY`; a device name may hold dots, which is why parts are joined with `/`.
    pub fn interface(&self, family: &str, device: &str, key: &str) -> Option<i64> {
        self.number(&format!("net/{family}/conf/{device}/{key}"))
    }

    /// IPv4 settings of a device that count together with `all` as their maximum (`rp_filter`, `log_martians`).
    pub fn max_of_all4(&self, device: &str, key: &str) -> Option<i64> {
        let own = self.interface("ipv4", device, key);
        own.max(self.interface("ipv4", "all", key))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, value)| (&**path, &**value))
    }
}

/// Tables of the legacy (get/setsockopt) iptables backends that exist now, as
/// `/proc/net/ip_tables_names` and friends tell. `None`: this kernel does not have the backend (loaded).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegacyTables {
    pub ip: Option<Vec<Name>>,
    pub ip6: Option<Vec<Name>>,
    pub arp: Option<Vec<Name>>,
}

impl LegacyTables {
    pub fn is_empty(&self) -> bool {
        [&self.ip, &self.ip6, &self.arp]
            .into_iter()
            .all(|names| names.as_ref().is_none_or(Vec::is_empty))
    }
}

/// Whether the kernel answers a kind of question at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Offered {
    /// Not asked yet.
    #[default]
    Unasked,
    Yes,
    /// With the reason in words.
    No(String),
}

/// The functions registered at netfilter hooks, where the kernel can list them (`CONFIG_NETFILTER_NETLINK_HOOK`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    pub offered: Offered,
    /// By family and hook, then in the order in which they run.
    pub functions: Vec<HookFunction>,
}

/// `NFNLA_HOOK_*` in `linux/netfilter/nfnetlink_hook.h`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookFunction {
    pub family: Family,
    pub hook: u32,
    pub priority: i32,
    /// Device of a netdev hook.
    pub device: Option<Name>,
    /// Name of the kernel function.
    pub function: Option<Name>,
    pub module: Option<Name>,
    /// `NFNL_HOOK_TYPE_*`: 1 nf_tables chain, 2 BPF program, 3 flowtable.
    pub kind: Option<u32>,
    /// Table and chain (or flowtable) that the function stands for.
    pub table: Option<Name>,
    pub chain: Option<Name>,
    /// BPF program id.
    pub program: Option<u32>,
    /// The attributes of the message, byte for byte.
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}
