//! The sysctls that decide, read once from the picture, with the kernel's defaults where one is absent.

use super::hash::ByIndex;
use crate::model::Network;
use crate::model::network::Sysctls;

/// IPv4 settings of one device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device4 {
    pub forwarding: bool,
    pub rp_filter: i64,
    pub accept_local: bool,
    pub route_localnet: bool,
    pub src_valid_mark: bool,
    pub send_redirects: bool,
    pub bc_forwarding: bool,
    pub drop_unicast_in_l2_multicast: bool,
    pub ignore_linkdown: bool,
}

/// IPv6 settings of one device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device6 {
    pub disabled: bool,
    pub force_forwarding: bool,
    pub ignore_linkdown: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    by_index4: ByIndex<Device4>,
    by_index6: ByIndex<Device6>,
    pub forwarding6: bool,
    pub ct_checksum: bool,
    pub tcp_loose: bool,
    pub tcp_liberal: bool,
    pub br_call_ip: bool,
    pub br_call_ip6: bool,
    pub br_call_arp: bool,
    /// br_netfilter is there at all.
    pub br_netfilter: bool,
    pub default_ttl: u8,
    /// Forwarded IPv4 packets get the priority that their type of service asks for.
    pub forward_priority: bool,
}

impl Settings {
    pub fn read(network: &Network) -> Settings {
        let sysctls: &Sysctls = &network.sysctls;
        let on =
            |path: &str, default: bool| sysctls.number(path).map_or(default, |value| value != 0);
        let either = |device: &str, key: &str| {
            [device, "all"]
                .into_iter()
                .any(|name| sysctls.interface("ipv4", name, key).unwrap_or(0) != 0)
        };
        let mut by_index4 = ByIndex::default();
        let mut by_index6 = ByIndex::default();
        for link in network.links.iter() {
            let name = &*link.name;
            let own = |family: &str, key: &str| sysctls.interface(family, name, key).unwrap_or(0);
            by_index4.insert(
                link.index,
                Device4 {
                    forwarding: own("ipv4", "forwarding") != 0,
                    rp_filter: sysctls.max_of_all4(name, "rp_filter").unwrap_or(0),
                    accept_local: either(name, "accept_local"),
                    route_localnet: either(name, "route_localnet"),
                    src_valid_mark: either(name, "src_valid_mark"),
                    send_redirects: either(name, "send_redirects"),
                    bc_forwarding: own("ipv4", "bc_forwarding") != 0
                        && sysctls
                            .interface("ipv4", "all", "bc_forwarding")
                            .unwrap_or(0)
                            != 0,
                    drop_unicast_in_l2_multicast: either(name, "drop_unicast_in_l2_multicast"),
                    ignore_linkdown: own("ipv4", "ignore_routes_with_linkdown") != 0,
                },
            );
            by_index6.insert(
                link.index,
                Device6 {
                    disabled: own("ipv6", "disable_ipv6") != 0,
                    force_forwarding: own("ipv6", "force_forwarding") != 0,
                    ignore_linkdown: own("ipv6", "ignore_routes_with_linkdown") != 0,
                },
            );
        }
        Settings {
            by_index4,
            by_index6,
            forwarding6: on("net/ipv6/conf/all/forwarding", false),
            ct_checksum: on("net/netfilter/nf_conntrack_checksum", true),
            tcp_loose: on("net/netfilter/nf_conntrack_tcp_loose", true),
            tcp_liberal: on("net/netfilter/nf_conntrack_tcp_be_liberal", false),
            br_call_ip: on("net/bridge/bridge-nf-call-iptables", false),
            br_call_ip6: on("net/bridge/bridge-nf-call-ip6tables", false),
            br_call_arp: on("net/bridge/bridge-nf-call-arptables", false),
            br_netfilter: sysctls.get("net/bridge/bridge-nf-call-iptables").is_some(),
            forward_priority: on("net/ipv4/ip_forward_update_priority", true),
            default_ttl: sysctls
                .number("net/ipv4/ip_default_ttl")
                .and_then(|value| u8::try_from(value).ok())
                .unwrap_or(64),
        }
    }

    pub fn device4(&self, index: u32) -> Device4 {
        self.by_index4.get(index).copied().unwrap_or_default()
    }

    pub fn device6(&self, index: u32) -> Device6 {
        self.by_index6.get(index).copied().unwrap_or_default()
    }
}
