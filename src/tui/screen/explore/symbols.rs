//! Hooks, priorities and kinds by their names.

use crate::model::{Family, Policy};

/// The name of a hook number: `NF_INET_*`, `NF_ARP_*`, `NF_NETDEV_*`, `NF_BR_*`.
pub fn hook(family: Family, hook: u32) -> String {
    let names: &[&str] = match family {
        Family::Inet => &[
            "prerouting",
            "input",
            "forward",
            "output",
            "postrouting",
            "ingress",
        ],
        Family::Ip | Family::Ip6 | Family::Bridge => {
            &["prerouting", "input", "forward", "output", "postrouting"]
        }
        Family::Arp => &["input", "output", "forward"],
        Family::Netdev => &["ingress", "egress"],
        Family::Unknown(_) => &[],
    };
    match names.get(hook as usize) {
        Some(name) => (*name).into(),
        None => format!("hook {hook}"),
    }
}

/// Standard priorities: `enum nf_ip_hook_priorities`, `enum nf_br_hook_priorities`.
#[rustfmt::skip]
const INET: &[(&str, i32)] = &[
    ("raw", -300), ("mangle", -150), ("dstnat", -100), ("filter", 0), ("security", 50), ("srcnat", 100),
];
const BRIDGE: &[(&str, i32)] = &[
    ("dstnat", -300),
    ("filter", -200),
    ("out", 100),
    ("srcnat", 300),
];

/// A priority as nft writes it: `filter`, `mangle + 5`, or the number where no name is near.
pub fn priority(family: Family, hook: u32, priority: i32) -> String {
    let names = match family {
        Family::Bridge => BRIDGE,
        Family::Arp | Family::Netdev => INET.get(3..4).unwrap_or_default(),
        _ => INET,
    };
    let may = |name: &str| match name {
        // Prerouting is where destinations change, postrouting (and, in older nft, input) sources.
        "dstnat" => hook == 0 || (family == Family::Bridge && hook == 0),
        "srcnat" => hook == 4,
        "out" => hook == 3,
        _ => true,
    };
    let near = names
        .iter()
        .filter(|(name, _)| may(name))
        .map(|(name, value)| (*name, priority.saturating_sub(*value)))
        .min_by_key(|(_, distance)| distance.unsigned_abs());
    match near {
        Some((name, 0)) => name.into(),
        Some((name, distance)) if distance.unsigned_abs() <= 10 => {
            let sign = if distance < 0 { '-' } else { '+' };
            format!("{name} {sign} {}", distance.unsigned_abs())
        }
        _ => priority.to_string(),
    }
}

pub fn policy(policy: Policy) -> String {
    match policy {
        Policy::Accept => "accept".into(),
        Policy::Drop => "drop".into(),
        Policy::Unknown(value) => format!("policy {value}"),
    }
}

/// `NFT_OBJECT_*`
pub fn object_kind(kind: u32) -> String {
    let names = [
        "object",
        "counter",
        "quota",
        "ct helper",
        "limit",
        "connlimit",
        "tunnel",
        "ct timeout",
        "secmark",
        "ct expectation",
        "synproxy",
    ];
    match names.get(kind as usize) {
        Some(name) => (*name).into(),
        None => format!("object of kind {kind}"),
    }
}

/// Flags of a set in words.
pub fn set_flags(flags: u32) -> Vec<&'static str> {
    use crate::model::set::flags as f;
    let names = [
        (f::CONSTANT, "constant"),
        (f::INTERVAL, "interval"),
        (f::TIMEOUT, "timeout"),
        (f::EVAL, "dynamic"),
        (f::CONCAT, "concatenated"),
    ];
    names
        .into_iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_have_names_where_nft_has_them() {
        assert_eq!(priority(Family::Ip, 1, 0), "filter");
        assert_eq!(priority(Family::Ip, 0, -95), "dstnat + 5");
        assert_eq!(priority(Family::Ip, 4, 100), "srcnat");
        assert_eq!(priority(Family::Ip, 1, 400), "400");
        assert_eq!(priority(Family::Bridge, 2, -200), "filter");
        assert_eq!(hook(Family::Netdev, 1), "egress");
        assert_eq!(hook(Family::Ip, 9), "hook 9");
    }
}
