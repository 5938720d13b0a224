//! The sysctls that decide what happens to packets, from `/proc/sys` of the calling thread's network namespace
//! (Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst). May use `model`.

use crate::model::Name;
use crate::model::network::Sysctls;
use crate::model::text::from_bytes;
use std::collections::BTreeMap;
use std::path::Path;

const ROOT: &str = "/proc/sys";

/// Single files below [`ROOT`].
const SINGLE: &[&str] = &[
    "net/ipv4/ip_forward",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/ip_forward_use_pmtu",
    "net/ipv4/ip_forward_update_priority",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/ip_early_demux",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/ip_no_pmtu_disc",
    "net/ipv4/fib_multipath_hash_policy",
    "net/ipv4/fib_multipath_hash_fields",
    "net/ipv4/fib_multipath_hash_seed",
    "net/ipv4/fib_multipath_use_neigh",
    "net/ipv4/fwmark_reflect",
    "net/ipv4/tcp_fwmark_accept",
    "net/ipv4/tcp_l3mdev_accept",
    "net/ipv4/udp_l3mdev_accept",
    "net/ipv4/raw_l3mdev_accept",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/icmp_echo_ignore_broadcasts",
    "net/ipv4/icmp_errors_use_inbound_ifaddr",
    "net/ipv4/icmp_ignore_bogus_error_responses",
    "net/ipv4/icmp_ratelimit",
    "net/ipv4/icmp_ratemask",
    "net/ipv4/ipfrag_high_thresh",
    "net/ipv4/ipfrag_time",
    "net/ipv4/nexthop_compat_mode",
    "net/ipv6/bindv6only",
    "net/ipv6/ip_nonlocal_bind",
    "net/ipv6/fib_multipath_hash_policy",
    "net/ipv6/fib_multipath_hash_fields",
    "net/ipv6/fwmark_reflect",
    "net/ipv6/skip_notify_on_dev_down",
    "net/ipv6/ip6frag_high_thresh",
    "net/ipv6/ip6frag_time",
    "net/ipv6/icmp/echo_ignore_all",
    "net/ipv6/icmp/echo_ignore_multicast",
    "net/ipv6/icmp/echo_ignore_anycast",
    "net/ipv6/icmp/ratelimit",
    "net/mpls/platform_labels",
    "net/mpls/ip_ttl_propagate",
    "net/mpls/default_ttl",
    "net/nf_conntrack_max",
];

/// Directories that are read whole: everything in them is about packets.
const WHOLE: &[&str] = &["net/bridge", "net/netfilter", "net/netfilter/nf_log"];

/// Files of each device, and of `all` and `default`.
const PER_DEVICE: &[(&str, &[&str])] = &[
    (
        "net/ipv4/conf",
        &[
            "forwarding",
            "mc_forwarding",
            "bc_forwarding",
            "rp_filter",
            "accept_local",
            "route_localnet",
            "src_valid_mark",
            "ignore_routes_with_linkdown",
            "accept_source_route",
            "accept_redirects",
            "secure_redirects",
            "send_redirects",
            "shared_media",
            "log_martians",
            "drop_unicast_in_l2_multicast",
            "drop_gratuitous_arp",
            "arp_ignore",
            "arp_filter",
            "arp_announce",
            "arp_accept",
            "proxy_arp",
            "proxy_arp_pvlan",
            "disable_policy",
            "disable_xfrm",
            "promote_secondaries",
        ],
    ),
    (
        "net/ipv6/conf",
        &[
            "forwarding",
            "force_forwarding",
            "mc_forwarding",
            "disable_ipv6",
            "proxy_ndp",
            "accept_ra",
            "accept_ra_defrtr",
            "accept_redirects",
            "accept_source_route",
            "accept_untracked_na",
            "autoconf",
            "hop_limit",
            "mtu",
            "ignore_routes_with_linkdown",
            "drop_unicast_in_l2_multicast",
            "drop_unsolicited_na",
            "disable_policy",
            "seg6_enabled",
            "rpl_seg_enabled",
            "keep_addr_on_down",
        ],
    ),
    ("net/mpls/conf", &["input"]),
];

/// Read all of them. What this kernel does not have, or does not let this process read, is absent.
pub fn read_sysctls() -> Sysctls {
    read_from(Path::new(ROOT))
}

fn read_from(root: &Path) -> Sysctls {
    let mut values = BTreeMap::new();
    let mut add = |path: String| {
        // Secrets and triggers cannot be read; they say nothing about packets.
        if let Ok(bytes) = std::fs::read(root.join(&path)) {
            let text = from_bytes(bytes.trim_ascii());
            values.insert(Name::from(path), Name::from(text));
        }
    };
    for path in SINGLE {
        add((*path).to_owned());
    }
    for directory in WHOLE {
        for name in entries(&root.join(directory)) {
            add(format!("{directory}/{name}"));
        }
    }
    for (directory, files) in PER_DEVICE {
        for device in entries(&root.join(directory)) {
            for file in *files {
                add(format!("{directory}/{device}/{file}"));
            }
        }
    }
    Sysctls(values)
}

/// One value, read now.
pub fn read_sysctl(path: &str) -> Option<String> {
    let bytes = std::fs::read(Path::new(ROOT).join(path)).ok()?;
    Some(from_bytes(bytes.trim_ascii()))
}

/// Names in a directory. Device names are bytes without a slash; those that are not UTF-8 cannot be
/// told apart here and are left out.
fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_absent() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, value: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value).unwrap();
        };
        write("net/ipv4/ip_forward", "1\n");
        write("net/ipv4/conf/all/rp_filter", "2\n");
        write("net/ipv4/conf/eth0.7/rp_filter", "1\n");
        write("net/netfilter/nf_conntrack_max", "262144\n");
        let sysctls = read_from(root.path());
        assert_eq!(sysctls.number("net/ipv4/ip_forward"), Some(1));
        assert_eq!(sysctls.number("net/ipv6/conf/all/forwarding"), None);
        assert_eq!(sysctls.interface("ipv4", "eth0.7", "rp_filter"), Some(1));
        assert_eq!(sysctls.max_of_all4("eth0.7", "rp_filter"), Some(2));
        assert_eq!(
            sysctls.number("net/netfilter/nf_conntrack_max"),
            Some(262_144)
        );
        assert_eq!(sysctls.iter().count(), 4);
    }
}
