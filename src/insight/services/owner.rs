//! Programs by the names that they give to chains and tables.

/// A program that writes rules by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub program: &'static str,
    /// What happens to changes by hand.
    pub advice: &'static str,
}

const PROGRAMS: &[(&[&str], Owner)] = &[
    (
        &["KUBE-"],
        Owner {
            program: "kube-proxy",
            advice: "it writes its chains again from the services of the cluster; change the Service instead",
        },
    ),
    (
        &["DOCKER"],
        Owner {
            program: "Docker",
            advice: "it writes its chains again when it starts; rules of your own belong in DOCKER-USER",
        },
    ),
    (
        &["ISTIO_"],
        Owner {
            program: "Istio",
            advice: "it redirects a pod's traffic through its proxy; change the pod's annotations instead",
        },
    ),
    (
        &["cali-", "cali:", "felix-"],
        Owner {
            program: "Calico",
            advice: "it corrects its chains within seconds; change the network policy instead",
        },
    ),
    (
        &["CILIUM_"],
        Owner {
            program: "Cilium",
            advice: "it writes its chains again when it starts; change the network policy instead",
        },
    ),
    (
        &["ufw-", "ufw6-"],
        Owner {
            program: "ufw",
            advice: "it writes its chains again at `ufw reload`; use `ufw allow` and `ufw deny`",
        },
    ),
    (
        &["f2b-"],
        Owner {
            program: "fail2ban",
            advice: "it adds and takes away rules as it bans; use `fail2ban-client set JAIL unbanip`",
        },
    ),
    (
        &["CNI-"],
        Owner {
            program: "a CNI plugin",
            advice: "it writes its chains for every pod anew",
        },
    ),
    (
        &["FLANNEL-"],
        Owner {
            program: "flannel",
            advice: "it corrects its chains within seconds",
        },
    ),
    (
        &["LIBVIRT_"],
        Owner {
            program: "libvirt",
            advice: "it writes its chains again when a network starts; change the network's definition",
        },
    ),
];

/// Whose chain this is by its name. Names of kube-proxy's nftables mode and of Docker's are known by their
/// tables.
pub fn owner(table: &str, chain: &str) -> Option<Owner> {
    let by_table = match table {
        super::KUBE_PROXY_TABLE => Some("KUBE-"),
        super::DOCKER_TABLE => Some("DOCKER"),
        _ => None,
    };
    let name = by_table.unwrap_or(chain);
    let fits = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let found = PROGRAMS.iter().find(|(prefixes, _)| fits(prefixes));
    found.map(|(_, owner)| *owner)
}
