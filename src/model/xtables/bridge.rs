//! Matches, watchers and targets of bridge tables: `linux/netfilter_bridge/ebt_*.h`.
//! Uses nothing but the rest of `model`.

use super::layout::{Addr4, Addr16, Net16, Text, layouts};

layouts! {
    /// `struct ebt_802_3_info`
    struct Ebt8023 {
        sap: u8,
        kind: Net16,
        /// 1 SAP, 2 type
        bitmask: u8,
        invflags: u8,
    }
    /// `struct ebt_arp_info`
    struct EbtArp {
        htype: Net16,
        ptype: Net16,
        opcode: Net16,
        saddr: Addr4,
        smsk: Addr4,
        daddr: Addr4,
        dmsk: Addr4,
        smaddr: [u8; 6],
        smmsk: [u8; 6],
        dmaddr: [u8; 6],
        dmmsk: [u8; 6],
        /// `EBT_ARP_*`
        bitmask: u8,
        invflags: u8,
    }
    /// What `struct ebt_ip_info` and `struct ebt_ip6_info` have after the addresses.
    struct EbtAbove {
        /// TOS or traffic class
        class: u8,
        protocol: u8,
        /// `EBT_IP_*`, `EBT_IP6_*`: 1 source, 2 destination, 4 class, 8 protocol, 0x10 source port,
        /// 0x20 destination port, 0x40 ICMP, 0x80 IGMP (IPv4 only)
        bitmask: u8,
        invflags: u8,
        /// Source ports; in the same bytes the ICMP or IGMP types.
        sport: [u16; 2],
        /// Destination ports; in the same bytes the ICMP codes.
        dport: [u16; 2],
    }
    /// `struct ebt_ip_info`
    struct EbtIp {
        saddr: Addr4,
        daddr: Addr4,
        smsk: Addr4,
        dmsk: Addr4,
        above: EbtAbove,
    }
    /// `struct ebt_ip6_info`
    struct EbtIp6 {
        saddr: Addr16,
        daddr: Addr16,
        smsk: Addr16,
        dmsk: Addr16,
        above: EbtAbove,
    }
    /// `struct ebt_limit_info`
    struct EbtLimit {
        avg: u32,
        burst: u32,
        prev: u64,
        credit: u32,
        credit_cap: u32,
        cost: u32,
    }
    /// `struct ebt_log_info`
    struct EbtLog {
        loglevel: u8,
        prefix: Text<30>,
        /// `EBT_LOG_*`: 1 IP, 2 ARP, 4 nflog, 8 IPv6
        bitmask: u32,
    }
    /// `struct ebt_mark_m_info`
    struct EbtMarkMatch {
        mark: u64,
        mask: u64,
        invert: u8,
        /// 1 and, 2 or
        bitmask: u8,
    }
    /// `struct ebt_mark_t_info`
    struct EbtMark {
        mark: u64,
        /// The action in the upper bits, the verdict in the lower four.
        target: i32,
    }
    /// `struct ebt_nat_info`, `struct ebt_arpreply_info`
    struct EbtNat {
        mac: [u8; 6],
        target: i32,
    }
    /// `struct ebt_pkttype_info`
    struct EbtPktType {
        pkt_type: u8,
        invert: u8,
    }
    /// `struct ebt_redirect_info`
    struct EbtRedirect {
        target: i32,
    }
    /// `struct ebt_stp_config_info`
    struct EbtStpConfig {
        flags: u8,
        root_prio: [u16; 2],
        root_addr: [u8; 6],
        root_addrmsk: [u8; 6],
        root_cost: [u32; 2],
        sender_prio: [u16; 2],
        sender_addr: [u8; 6],
        sender_addrmsk: [u8; 6],
        port: [u16; 2],
        msg_age: [u16; 2],
        max_age: [u16; 2],
        hello_time: [u16; 2],
        forward_delay: [u16; 2],
    }
    /// `struct ebt_stp_info`
    struct EbtStp {
        kind: u8,
        config: EbtStpConfig,
        /// `EBT_STP_*`
        bitmask: u16,
        invflags: u16,
    }
    /// `struct ebt_vlan_info`
    struct EbtVlan {
        id: u16,
        prio: u8,
        encap: Net16,
        /// 1 id, 2 priority, 4 encapsulated protocol
        bitmask: u8,
        invflags: u8,
    }
}
