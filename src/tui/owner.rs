//! Who made a table or chain, as far as its name tells: a table of data.
//!
//! A wrong guess costs little here: it is shown as a remark and decides nothing.

use crate::model::ruleset::table_flags;
use crate::model::{Family, Table};

/// `Name*` matches beginnings, anything else whole names; families as nft writes them, empty for all.
struct Known {
    pattern: &'static str,
    families: &'static [Family],
    owner: &'static str,
}

const fn known(pattern: &'static str, owner: &'static str) -> Known {
    Known {
        pattern,
        families: &[],
        owner,
    }
}

#[rustfmt::skip]
const TABLES: &[Known] = &[
    known("firewalld",          "firewalld"),
    known("firewalld_*",        "firewalld"),
    known("kube-proxy",         "kube-proxy"),
    known("libvirt_network",    "libvirt"),
    known("f2b-table",          "fail2ban"),
    known("f2b*",               "fail2ban"),
    known("docker-bridges",     "Docker"),
    known("docker*",            "Docker"),
    known("calico",             "Calico"),
    known("cali*",              "Calico"),
    known("fw4",                "OpenWrt fw4"),
    known("netavark",           "Podman netavark"),
    known("cni_hostport",       "CNI portmap"),
    known("cni_plugins_masquerade", "CNI"),
    known("crowdsec*",          "CrowdSec"),
    known("incus",              "Incus"),
    known("lxd",                "LXD"),
    known("lxc",                "LXC"),
    known("ts-*",               "Tailscale"),
    known("wg-quick-*",         "wg-quick"),
    known("mullvad*",           "Mullvad VPN"),
    known("nixos-fw*",          "NixOS"),
    known("qubes*",             "Qubes OS"),
    known("io.systemd.nat",     "systemd"),
    known("vyos_*",             "VyOS"),
    known("sshuttle*",          "sshuttle"),
    known("hookscope*",         "hookscope"),
];

#[rustfmt::skip]
const CHAINS: &[Known] = &[
    known("DOCKER*",    "Docker"),
    known("KUBE-*",     "Kubernetes"),
    known("LIBVIRT_*",  "libvirt"),
    known("f2b-*",      "fail2ban"),
    known("f2b*",       "fail2ban"),
    known("fail2ban-*", "fail2ban"),
    known("ufw-*",      "ufw"),
    known("ufw6-*",     "ufw"),
    known("cali-*",     "Calico"),
    known("CILIUM_*",   "Cilium"),
    known("OLD_CILIUM_*", "Cilium"),
    known("FLANNEL-*",  "flannel"),
    known("WEAVE*",     "Weave"),
    known("CNI-*",      "CNI"),
    known("ISTIO_*",    "Istio"),
    known("NETAVARK*",  "Podman netavark"),
    known("ts-*",       "Tailscale"),
    known("AS0_*",      "OpenVPN AS"),
    known("NM-*",       "NetworkManager"),
    known("nm-sh-*",    "NetworkManager"),
    known("CROWDSEC*",  "CrowdSec"),
    known("sshguard",   "sshguard"),
    known("nixos-fw*",  "NixOS"),
    known("MINIUPNPD*", "miniupnpd"),
    known("cali*",      "Calico"),
];

/// Tables and chains that iptables-nft makes; both must fit, because people use such names too.
const XTABLES: &[&str] = &["filter", "nat", "mangle", "raw", "security", "broute"];
const XCHAINS: &[&str] = &[
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "PREROUTING",
    "POSTROUTING",
    "BROUTING",
];

fn find(rows: &[Known], family: Family, name: &str) -> Option<&'static str> {
    rows.iter()
        .find(|row| {
            let fits = match row.pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == row.pattern,
            };
            fits && (row.families.is_empty() || row.families.contains(&family))
        })
        .map(|row| row.owner)
}

/// True when the table looks like one that iptables-nft keeps.
pub fn is_xtables(table: &Table) -> bool {
    let family = matches!(
        table.family,
        Family::Ip | Family::Ip6 | Family::Arp | Family::Bridge
    );
    family
        && XTABLES.contains(&&*table.name)
        && table
            .chains
            .iter()
            .filter(|chain| chain.base.is_some())
            .all(|chain| XCHAINS.contains(&&*chain.name))
        && table.chains.iter().any(|chain| {
            XCHAINS.contains(&&*chain.name) || find(CHAINS, table.family, &chain.name).is_some()
        })
}

/// Who manages this table: a program, or the process that holds the owner flag.
pub fn of_table(table: &Table) -> Option<String> {
    if let Some(owner) = find(TABLES, table.family, &table.name) {
        return Some(owner.into());
    }
    if is_xtables(table) {
        return Some(
            match table.family {
                Family::Ip6 => "ip6tables-nft",
                Family::Arp => "arptables-nft",
                Family::Bridge => "ebtables-nft",
                _ => "iptables-nft",
            }
            .into(),
        );
    }
    match table.owner {
        Some(port) if table.flags & table_flags::OWNER != 0 => Some(format!("owned by {port}")),
        _ => None,
    }
}

/// Who made a chain, where its name tells.
pub fn of_chain(family: Family, name: &str) -> Option<&'static str> {
    find(CHAINS, family, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who() {
        assert_eq!(of_chain(Family::Ip, "DOCKER-USER"), Some("Docker"));
        assert_eq!(of_chain(Family::Ip, "KUBE-SVC-X"), Some("Kubernetes"));
        assert_eq!(of_chain(Family::Ip, "input"), None);
        assert_eq!(find(TABLES, Family::Inet, "firewalld"), Some("firewalld"));
    }
}
