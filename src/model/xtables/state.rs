//! Matches on what the kernel knows of a packet: conntrack, marks, devices, sockets, routes, time, rates.
//! `linux/netfilter/xt_*.h`. Uses nothing but the rest of `model`.

use super::layout::{Addr16, Net16, Text, layouts};

layouts! {
    /// Addresses and lifetime of the connections that match: what all revisions begin with.
    struct ConntrackRange {
        origsrc_addr: Addr16, origsrc_mask: Addr16,
        origdst_addr: Addr16, origdst_mask: Addr16,
        replsrc_addr: Addr16, replsrc_mask: Addr16,
        repldst_addr: Addr16, repldst_mask: Addr16,
        /// seconds
        expires_min: u32, expires_max: u32,
    }
    /// `struct xt_conntrack_mtinfo1`
    struct Conntrack1 {
        connection: ConntrackRange,
        l4proto: u16,
        origsrc_port: Net16, origdst_port: Net16,
        replsrc_port: Net16, repldst_port: Net16,
        match_flags: u16, invert_flags: u16,
        state_mask: u8, status_mask: u8,
    }
    /// `struct xt_conntrack_mtinfo2`
    struct Conntrack2 {
        connection: ConntrackRange,
        l4proto: u16,
        origsrc_port: Net16, origdst_port: Net16,
        replsrc_port: Net16, repldst_port: Net16,
        match_flags: u16, invert_flags: u16,
        state_mask: u16, status_mask: u16,
    }
    /// `struct xt_conntrack_mtinfo3`. Ports are in host order here.
    struct Conntrack3 {
        connection: ConntrackRange,
        l4proto: u16,
        origsrc_port: u16, origdst_port: u16,
        replsrc_port: u16, repldst_port: u16,
        /// `XT_CONNTRACK_*`
        match_flags: u16, invert_flags: u16,
        /// `XT_CONNTRACK_STATE_*`: 1 invalid, 2 established, 4 related, 8 new, 0x40 snat, 0x80 dnat, 0x100 untracked
        state_mask: u16,
        /// `IPS_*`
        status_mask: u16,
        origsrc_port_high: u16, origdst_port_high: u16,
        replsrc_port_high: u16, repldst_port_high: u16,
    }
    /// `struct xt_state_info`
    struct State {
        /// 1 invalid, 2 established, 4 related, 8 new, 0x40 untracked
        statemask: u32,
    }
    /// `struct xt_connbytes_info`
    struct Connbytes {
        from: u64,
        to: u64,
        /// `enum xt_connbytes_what`: 0 packets, 1 bytes, 2 average packet size
        what: u8,
        /// 0 original, 1 reply, 2 both
        direction: u8,
    }
    /// `struct xt_connlabel_mtinfo`
    struct Connlabel {
        bit: u16,
        /// 1 invert, 2 set
        options: u16,
    }
    /// `struct xt_connlimit_info`
    struct Connlimit {
        mask: Addr16,
        limit: u32,
        /// 1 invert, 2 count by destination
        flags: u32,
        data: u64,
    }
    /// `struct xt_connmark_mtinfo1`, `struct xt_mark_mtinfo1`
    struct Mark {
        mark: u32,
        mask: u32,
        invert: u8,
    }
    /// `struct xt_helper_info`
    struct Helper {
        invert: i32,
        name: Text<30>,
    }
    /// `struct xt_cluster_match_info`
    struct Cluster {
        total_nodes: u32,
        node_mask: u32,
        hash_seed: u32,
        flags: u32,
    }
    /// `struct xt_addrtype_info`
    struct Addrtype0 {
        source: u16,
        dest: u16,
        invert_source: u32,
        invert_dest: u32,
    }
    /// `struct xt_addrtype_info_v1`
    struct Addrtype1 {
        /// One bit per `RTN_*`.
        source: u16,
        dest: u16,
        /// 1 invert source, 2 invert destination, 4 limit to the input device, 8 to the output device
        flags: u32,
    }
    /// `struct xt_cpu_info`
    struct Cpu {
        cpu: u32,
        invert: u32,
    }
    /// `struct xt_devgroup_info`
    struct Devgroup {
        /// 1 source, 2 invert it, 4 destination, 8 invert it
        flags: u32,
        src_group: u32,
        src_mask: u32,
        dst_group: u32,
        dst_mask: u32,
    }
    /// `struct xt_physdev_info`
    struct Physdev {
        physindev: Text<16>,
        in_mask: [u8; 16],
        physoutdev: Text<16>,
        out_mask: [u8; 16],
        /// `XT_PHYSDEV_OP_*`: 1 in, 2 out, 4 bridged, 8 is in, 0x10 is out
        invert: u8,
        bitmask: u8,
    }
    /// `struct xt_realm_info`
    struct Realm {
        id: u32,
        mask: u32,
        invert: u8,
    }
    /// `struct xt_rpfilter_info`
    struct Rpfilter {
        /// 1 loose, 2 valid mark, 4 accept local, 8 invert
        flags: u8,
    }
    /// `struct xt_socket_mtinfo1` and later
    struct Socket {
        /// 1 transparent, 2 no wildcard, 4 restore the socket's mark
        flags: u8,
    }
    /// `struct xt_owner_match_info`
    struct Owner {
        uid_min: u32, uid_max: u32,
        gid_min: u32, gid_max: u32,
        /// `XT_OWNER_*`: 1 user, 2 group, 4 socket exists, 8 supplementary groups
        match_: u8,
        invert: u8,
    }
    /// `struct xt_cgroup_info_v0`
    struct Cgroup0 {
        id: u32,
        invert: u32,
    }
    /// `struct xt_cgroup_info_v1`
    struct Cgroup1 {
        has_path: u8,
        has_classid: u8,
        invert_path: u8,
        invert_classid: u8,
        path: Text<4096>,
        classid: u32,
        private: u64,
    }
    /// `struct xt_cgroup_info_v2`
    struct Cgroup2 {
        has_path: u8,
        has_classid: u8,
        invert_path: u8,
        invert_classid: u8,
        /// Without a path, the first four bytes are the class id, in host order.
        path: Text<512>,
        private: u64,
    }
    /// `struct xt_ipvs_mtinfo`
    struct Ipvs {
        vaddr: Addr16,
        vmask: Addr16,
        vport: Net16,
        l4proto: u8,
        fwd_method: u8,
        vportctl: Net16,
        invert: u8,
        /// `XT_IPVS_*`
        bitmask: u8,
    }
    /// `struct xt_policy_elem`
    struct PolicyElement {
        saddr: Addr16,
        smask: Addr16,
        daddr: Addr16,
        dmask: Addr16,
        spi: super::layout::Net32,
        reqid: u32,
        proto: u8,
        /// 0 transport, 1 tunnel
        mode: u8,
        /// Bits: 1 source, 2 destination, 4 protocol, 8 mode, 0x10 SPI, 0x20 request id
        match_: u8,
        invert: u8,
    }
    /// `struct xt_policy_info`
    struct Policy {
        pol: [PolicyElement; 4],
        /// `XT_POLICY_MATCH_*`: 1 in, 2 out, 4 none, 8 strict
        flags: u16,
        len: u16,
    }
    /// `struct xt_osf_info`
    struct Osf {
        genre: Text<32>,
        len: u32,
        /// `XT_OSF_*`: 1 genre, 2 TTL, 4 log, 8 invert
        flags: u32,
        loglevel: u32,
        ttl: u32,
    }
    /// `struct xt_comment_info`
    struct Comment {
        comment: Text<256>,
    }
    /// `struct xt_nfacct_match_info`, both revisions
    struct Nfacct {
        name: Text<32>,
        nfacct: u64,
    }
    /// `struct xt_time_info`
    struct Time {
        /// Unix time, seconds
        date_start: u32,
        date_stop: u32,
        /// seconds since midnight
        daytime_start: u32,
        daytime_stop: u32,
        monthdays_match: u32,
        weekdays_match: u8,
        /// 1 local time zone, 2 contiguous
        flags: u8,
    }
    /// `struct xt_set_info`
    struct SetInfo {
        /// The set's number (`ip_set_id_t`), 0xffff for none.
        index: u16,
        dim: u8,
        /// Bit 0 of dimension n is in bit n: source. `IPSET_INV_MATCH` is 1.
        flags: u8,
    }
    /// `struct xt_set_info_v0`
    struct SetInfo0 {
        index: u16,
        flags: [u32; 7],
    }
    /// `struct xt_set_info_match_v0`
    struct Set0 { match_set: SetInfo0 }
    /// `struct xt_set_info_match_v1`, revision 2 too
    struct Set1 { match_set: SetInfo }
    /// `struct ip_set_counter_match0`
    struct CounterMatch0 {
        op: u8,
        value: u64,
    }
    /// `struct ip_set_counter_match`
    struct CounterMatch {
        value: u64,
        /// `IPSET_COUNTER_*`: 0 none, 1 equal, 2 not equal, 3 less, 4 greater
        op: u8,
    }
    /// `struct xt_set_info_match_v3`
    struct Set3 {
        match_set: SetInfo,
        packets: CounterMatch0,
        bytes: CounterMatch0,
        flags: u32,
    }
    /// `struct xt_set_info_match_v4`
    struct Set4 {
        match_set: SetInfo,
        packets: CounterMatch,
        bytes: CounterMatch,
        /// `IPSET_FLAG_*`
        flags: u32,
    }
    /// `struct xt_rateinfo`
    struct Limit {
        /// 10,000ths of a second per packet
        avg: u32,
        burst: u32,
        prev: u64,
        credit: u32,
        credit_cap: u32,
        cost: u32,
        master: u64,
    }
    /// `struct hashlimit_cfg1`
    struct HashlimitCfg1 {
        mode: u32,
        avg: u32,
        burst: u32,
        size: u32,
        max: u32,
        gc_interval: u32,
        expire: u32,
        srcmask: u8,
        dstmask: u8,
    }
    /// `struct hashlimit_cfg2`
    struct HashlimitCfg2 {
        avg: u64,
        burst: u64,
        mode: u32,
        size: u32,
        max: u32,
        gc_interval: u32,
        expire: u32,
        srcmask: u8,
        dstmask: u8,
    }
    /// `struct hashlimit_cfg3`
    struct HashlimitCfg3 {
        avg: u64,
        burst: u64,
        /// `XT_HASHLIMIT_*`
        mode: u32,
        size: u32,
        max: u32,
        /// milliseconds
        gc_interval: u32,
        /// milliseconds
        expire: u32,
        /// seconds, with rate match
        interval: u32,
        srcmask: u8,
        dstmask: u8,
    }
    /// `struct xt_hashlimit_mtinfo1`
    struct Hashlimit1 {
        name: Text<16>,
        cfg: HashlimitCfg1,
        hinfo: u64,
    }
    /// `struct xt_hashlimit_mtinfo2`
    struct Hashlimit2 {
        name: Text<255>,
        cfg: HashlimitCfg2,
        hinfo: u64,
    }
    /// `struct xt_hashlimit_mtinfo3`
    struct Hashlimit3 {
        name: Text<255>,
        cfg: HashlimitCfg3,
        hinfo: u64,
    }
    /// `struct xt_quota_info`
    struct Quota {
        flags: u32,
        pad: u32,
        /// bytes
        quota: u64,
        master: u64,
    }
    /// `struct xt_rateest_match_info`
    struct RateestMatch {
        name1: Text<16>,
        name2: Text<16>,
        /// `XT_RATEEST_MATCH_*`: 1 invert, 2 absolute, 4 relative, 8 delta, 0x10 bytes, 0x20 packets
        flags: u16,
        /// 1 equal, 2 less, 3 greater
        mode: u16,
        bps1: u32,
        pps1: u32,
        bps2: u32,
        pps2: u32,
        est1: u64,
        est2: u64,
    }
    /// `struct xt_recent_mtinfo`
    struct Recent0 {
        seconds: u32,
        hit_count: u32,
        check_set: u8,
        invert: u8,
        name: Text<200>,
        side: u8,
    }
    /// `struct xt_recent_mtinfo_v1`
    struct Recent1 {
        seconds: u32,
        hit_count: u32,
        /// `XT_RECENT_*`: 1 check, 2 set, 4 update, 8 remove, 0x10 TTL, 0x20 reap
        check_set: u8,
        invert: u8,
        name: Text<200>,
        /// 0 source, 1 destination
        side: u8,
        mask: Addr16,
    }
    /// `struct xt_statistic_info`
    struct Statistic {
        /// 0 random, 1 nth
        mode: u16,
        /// 1: inverted
        flags: u16,
        /// `every`; in random mode the probability, of 2^31
        every: u32,
        packet: u32,
        count: u32,
        master: u64,
    }
    /// A structure without fields (`eui64`'s `int`).
    struct Number {
        number: i32,
    }
}
