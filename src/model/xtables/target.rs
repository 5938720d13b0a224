//! Targets: `linux/netfilter/xt_*.h`, `netfilter_ipv4/ipt_*.h`, `netfilter_ipv6/ip6t_*.h`,
//! `netfilter_arp/arpt_mangle.h`, `linux/netfilter/nf_nat.h`. Uses nothing but the rest of `model`.

use super::layout::{Addr4, Addr16, Net16, Text, layouts};
use super::state::{SetInfo, SetInfo0};

layouts! {
    /// A target without data.
    struct Nothing {}
    /// `struct xt_audit_info`
    struct Audit { kind: u8 }
    /// `struct xt_CHECKSUM_info`
    struct Checksum {
        /// 1: fill
        operation: u8
    }
    /// `struct xt_classify_target_info`
    struct Classify { priority: u32 }
    /// `struct xt_connmark_tginfo1`
    struct Connmark1 {
        ctmark: u32,
        ctmask: u32,
        nfmask: u32,
        /// 0 set, 1 save, 2 restore
        mode: u8,
    }
    /// `struct xt_connmark_tginfo2`
    struct Connmark2 {
        ctmark: u32,
        ctmask: u32,
        nfmask: u32,
        /// 0 left, 1 right
        shift_dir: u8,
        shift_bits: u8,
        mode: u8,
    }
    /// `struct xt_connsecmark_target_info`
    struct Connsecmark {
        /// 1 save, 2 restore
        mode: u8
    }
    /// `struct xt_ct_target_info`
    struct Ct0 {
        flags: u16,
        zone: u16,
        ct_events: u32,
        exp_events: u32,
        helper: Text<16>,
        ct: u64,
    }
    /// `struct xt_ct_target_info_v1`, revision 2 too
    struct Ct1 {
        /// `XT_CT_*`: 1 notrack, 2 notrack alias, 4 zone original, 8 zone reply, 0x10 zone from mark
        flags: u16,
        zone: u16,
        /// One bit per `IPCT_*`.
        ct_events: u32,
        /// One bit per `IPEXP_*`.
        exp_events: u32,
        helper: Text<16>,
        timeout: Text<32>,
        ct: u64,
    }
    /// `struct xt_DSCP_info`
    struct DscpTarget { dscp: u8 }
    /// `struct xt_tos_target_info`
    struct TosTarget {
        tos_value: u8,
        tos_mask: u8,
    }
    /// `struct xt_hmark_info`
    struct Hmark {
        src_mask: Addr16,
        dst_mask: Addr16,
        /// Source, destination; network order.
        port_mask: [Net16; 2],
        port_set: [Net16; 2],
        /// One bit per `XT_HMARK_*`.
        flags: u32,
        proto_mask: u16,
        hashrnd: u32,
        hmodulus: u32,
        hoffset: u32,
    }
    /// `struct idletimer_tg_info`
    struct Idletimer0 {
        /// seconds
        timeout: u32,
        label: Text<28>,
        timer: u64,
    }
    /// `struct idletimer_tg_info_v1`
    struct Idletimer1 {
        timeout: u32,
        label: Text<28>,
        send_nl_msg: u8,
        timer_type: u8,
        timer: u64,
    }
    /// `struct xt_led_info`
    struct Led {
        id: Text<27>,
        always_blink: u8,
        /// milliseconds; all ones: for ever
        delay: u32,
        internal_data: u64,
    }
    /// `struct xt_log_info`
    struct Log {
        level: u8,
        /// `XT_LOG_*`: 1 TCP sequence, 2 TCP options, 4 IP options, 8 user, 0x20 link layer
        logflags: u8,
        prefix: Text<30>,
    }
    /// `struct xt_mark_tginfo2`
    struct MarkTarget {
        mark: u32,
        mask: u32,
    }
    /// `struct xt_nflog_info`, `struct ebt_nflog_info`
    struct Nflog {
        len: u32,
        group: u16,
        threshold: u16,
        flags: u16,
        pad: u16,
        prefix: Text<64>,
    }
    /// `struct xt_NFQ_info`
    struct Nfqueue0 { queuenum: u16 }
    /// `struct xt_NFQ_info_v1`
    struct Nfqueue1 {
        queuenum: u16,
        queues_total: u16,
    }
    /// `struct xt_NFQ_info_v3`, revision 2 too (there `flags` is `bypass`)
    struct Nfqueue3 {
        queuenum: u16,
        queues_total: u16,
        /// 1 bypass, 2 CPU fan-out
        flags: u16,
    }
    /// `struct xt_rateest_target_info`
    struct Rateest {
        name: Text<16>,
        interval: i8,
        ewma_log: u8,
        est: u64,
    }
    /// `struct ipt_reject_info`, `struct ip6t_reject_info`
    struct Reject {
        /// `enum ipt_reject_with`, `enum ip6t_reject_with`
        with: u32
    }
    /// `struct xt_secmark_target_info`
    struct Secmark0 {
        mode: u8,
        secid: u32,
        secctx: Text<256>,
    }
    /// `struct xt_secmark_target_info_v1`
    struct Secmark1 {
        mode: u8,
        secctx: Text<256>,
        secid: u32,
    }
    /// `struct xt_set_info_target_v0`
    struct SetTarget0 {
        add_set: SetInfo0,
        del_set: SetInfo0,
    }
    /// `struct xt_set_info_target_v1`
    struct SetTarget1 {
        add_set: SetInfo,
        del_set: SetInfo,
    }
    /// `struct xt_set_info_target_v2`
    struct SetTarget2 {
        add_set: SetInfo,
        del_set: SetInfo,
        flags: u32,
        timeout: u32,
    }
    /// `struct xt_set_info_target_v3`
    struct SetTarget3 {
        add_set: SetInfo,
        del_set: SetInfo,
        map_set: SetInfo,
        flags: u32,
        /// seconds
        timeout: u32,
    }
    /// `struct xt_synproxy_info`
    struct Synproxy {
        /// `XT_SYNPROXY_OPT_*`: 1 MSS, 2 window scale, 4 SACK, 8 timestamp, 0x10 ECN
        options: u8,
        wscale: u8,
        mss: u16,
    }
    /// `struct xt_tcpmss_info`
    struct TcpmssTarget {
        /// 0xffff: clamp to the path's MTU
        mss: u16
    }
    /// `struct xt_tcpoptstrip_target_info`
    struct Tcpoptstrip { strip_bmap: [u32; 8] }
    /// `struct xt_tee_tginfo`
    struct Tee {
        gw: Addr16,
        oif: Text<16>,
        private: u64,
    }
    /// `struct xt_tproxy_target_info`
    struct Tproxy0 {
        mark_mask: u32,
        mark_value: u32,
        laddr: Addr4,
        lport: Net16,
    }
    /// `struct xt_tproxy_target_info_v1`
    struct Tproxy1 {
        mark_mask: u32,
        mark_value: u32,
        laddr: Addr16,
        lport: Net16,
    }
    /// `struct ipt_ECN_info`
    struct EcnTarget {
        /// 1 IP, 0x10 ECE, 0x20 CWR
        operation: u8,
        ip_ect: u8,
        /// Bits: 1 ECE, 2 CWR
        tcp: u8,
    }
    /// `struct ipt_clusterip_tgt_info`
    struct Clusterip {
        flags: u32,
        clustermac: [u8; 6],
        num_total_nodes: u16,
        num_local_nodes: u16,
        local_nodes: [u16; 16],
        hash_mode: u32,
        hash_initval: u32,
        config: u64,
    }
    /// `struct nf_nat_ipv4_multi_range_compat`; `NF_NAT_RANGE_*` flags
    struct NatRange4 {
        rangesize: u32,
        flags: u32,
        min_ip: Addr4,
        max_ip: Addr4,
        min: Net16,
        max: Net16,
    }
    /// `struct nf_nat_range`
    struct NatRange {
        /// `NF_NAT_RANGE_*`
        flags: u32,
        min_addr: Addr16,
        max_addr: Addr16,
        min_proto: Net16,
        max_proto: Net16,
    }
    /// `struct nf_nat_range2`
    struct NatRange2 {
        flags: u32,
        min_addr: Addr16,
        max_addr: Addr16,
        min_proto: Net16,
        max_proto: Net16,
        base_proto: Net16,
    }
    /// `struct ip6t_npt_tginfo`
    struct Npt {
        src_pfx: Addr16,
        dst_pfx: Addr16,
        src_pfx_len: u8,
        dst_pfx_len: u8,
        adjustment: u16,
    }
    /// `struct arpt_mangle`
    struct ArpMangle {
        src_devaddr: [u8; 16],
        tgt_devaddr: [u8; 16],
        src_ip: Addr4,
        tgt_ip: Addr4,
        /// 1 source device, 2 target device, 4 source IP, 8 target IP
        flags: u8,
        /// `NF_ACCEPT`, `NF_DROP`, `XT_CONTINUE`
        target: i32,
    }
}
