//! Matches on transport and network headers: `linux/netfilter/xt_{tcpudp,sctp,dccp,multiport,esp,...}.h`,
//! `netfilter_ipv4/ipt_*.h`, `netfilter_ipv6/ip6t_*.h`. Uses nothing but the rest of `model`.

use super::layout::{Addr16, layouts};

layouts! {
    /// `struct xt_tcp`. Ranges are inclusive.
    struct Tcp {
        spts: [u16; 2],
        dpts: [u16; 2],
        /// TCP option that must be present; 0 for none.
        option: u8,
        flg_mask: u8,
        flg_cmp: u8,
        /// `XT_TCP_INV_*`: 1 source port, 2 destination port, 4 flags, 8 option
        invflags: u8,
    }
    /// `struct xt_udp`, for UDP and UDP-Lite
    struct Udp {
        spts: [u16; 2],
        dpts: [u16; 2],
        /// `XT_UDP_INV_*`: 1 source port, 2 destination port
        invflags: u8,
    }
    /// `struct ipt_icmp`, `struct ip6t_icmp`
    struct Icmp {
        kind: u8,
        /// inclusive
        code: [u8; 2],
        /// 1: inverted
        invflags: u8,
    }
    /// `struct xt_sctp_flag_info`
    struct SctpFlags {
        chunktype: u8,
        flag: u8,
        flag_mask: u8,
    }
    /// `struct xt_sctp_info`
    struct Sctp {
        dpts: [u16; 2],
        spts: [u16; 2],
        /// One bit per chunk type.
        chunkmap: [u32; 64],
        /// `SCTP_CHUNK_MATCH_*`: 1 any, 2 all, 4 only
        chunk_match_type: u32,
        flag_info: [SctpFlags; 4],
        flag_count: i32,
        /// `XT_SCTP_*`: 1 source ports, 2 destination ports, 4 chunk types
        flags: u32,
        invflags: u32,
    }
    /// `struct xt_dccp_info`
    struct Dccp {
        dpts: [u16; 2],
        spts: [u16; 2],
        /// `XT_DCCP_*`: 1 source ports, 2 destination ports, 4 type, 8 option
        flags: u16,
        invflags: u16,
        /// One bit per packet type.
        typemask: u16,
        option: u8,
    }
    /// `struct xt_multiport_v1`
    struct Multiport {
        /// `XT_MULTIPORT_*`: 0 source, 1 destination, 2 either
        flags: u8,
        count: u8,
        ports: [u16; 15],
        /// Nonzero: this port and the next one are a range.
        pflags: [u8; 15],
        invert: u8,
    }
    /// `struct xt_esp`, and IPv4's `struct ipt_ah`
    struct Spi {
        spis: [u32; 2],
        /// 1: inverted
        invflags: u8,
    }
    /// `struct xt_ipcomp`
    struct Ipcomp {
        spis: [u32; 2],
        invflags: u8,
        /// Test the reserved field of the header.
        hdrres: u8,
    }
    /// `struct ip6t_ah`
    struct Ah6 {
        spis: [u32; 2],
        hdrlen: u32,
        hdrres: u8,
        /// `IP6T_AH_INV_*`: 1 SPI, 2 length
        invflags: u8,
    }
    /// `struct ip6t_frag`
    struct Frag6 {
        ids: [u32; 2],
        hdrlen: u32,
        /// `IP6T_FRAG_*`
        flags: u8,
        /// `IP6T_FRAG_INV_*`: 1 id, 2 length
        invflags: u8,
    }
    /// `struct ip6t_opts`: `hbh` and `dst`
    struct Opts6 {
        hdrlen: u32,
        /// `IP6T_OPTS_*`: 1 length, 2 options, 4 not strict
        flags: u8,
        invflags: u8,
        /// Type in the high byte; length in the low one, 0xff for any.
        opts: [u16; 16],
        optsnr: u8,
    }
    /// `struct ip6t_rt`
    struct Rt6 {
        rt_type: u32,
        segsleft: [u32; 2],
        hdrlen: u32,
        /// `IP6T_RT_*`
        flags: u8,
        invflags: u8,
        addrs: [Addr16; 16],
        addrnr: u8,
    }
    /// `struct ip6t_ipv6header_info`
    struct Ipv6Header {
        matchflags: u8,
        invflags: u8,
        /// Nonzero: `--soft`
        modeflag: u8,
    }
    /// `struct ip6t_mh`
    struct Mh {
        types: [u8; 2],
        invflags: u8,
    }
    /// `struct ip6t_srh`
    struct Srh {
        next_hdr: u8,
        hdr_len: u8,
        segs_left: u8,
        last_entry: u8,
        tag: u16,
        /// `IP6T_SRH_*`
        mt_flags: u16,
        mt_invflags: u16,
    }
    /// `struct ip6t_srh1`
    struct Srh1 {
        next_hdr: u8,
        hdr_len: u8,
        segs_left: u8,
        last_entry: u8,
        tag: u16,
        psid_addr: Addr16,
        nsid_addr: Addr16,
        lsid_addr: Addr16,
        psid_msk: Addr16,
        nsid_msk: Addr16,
        lsid_msk: Addr16,
        mt_flags: u16,
        mt_invflags: u16,
    }
    /// `struct ipt_ttl_info`, `struct ip6t_hl_info`, and the targets `TTL` and `HL`
    struct Ttl {
        /// Match: 0 equal, 1 not equal, 2 less, 3 greater. Target: 0 set, 1 increment, 2 decrement.
        mode: u8,
        ttl: u8,
    }
    /// `struct xt_dscp_info`
    struct Dscp {
        dscp: u8,
        invert: u8,
    }
    /// `struct xt_tos_match_info`
    struct Tos {
        tos_mask: u8,
        tos_value: u8,
        invert: u8,
    }
    /// `struct xt_ecn_info`
    struct Ecn {
        /// `XT_ECN_OP_MATCH_*`: 1 IP, 0x10 ECE, 0x20 CWR
        operation: u8,
        invert: u8,
        ip_ect: u8,
        ect: u8,
    }
    /// `struct xt_length_info`: bytes, inclusive
    struct Length {
        min: u16,
        max: u16,
        invert: u8,
    }
    /// `struct xt_tcpmss_match_info`
    struct TcpMss {
        mss_min: u16,
        mss_max: u16,
        invert: u8,
    }
    /// `struct xt_l2tp_info`
    struct L2tp {
        tid: u32,
        sid: u32,
        version: u8,
        /// `enum xt_l2tp_type`
        kind: u8,
        /// `XT_L2TP_*`: 1 tunnel id, 2 session id, 4 version, 8 type
        flags: u8,
    }
    /// `struct xt_u32_location_element`
    struct U32Location {
        number: u32,
        /// `enum xt_u32_ops`: 0 and, 1 left shift, 2 right shift, 3 at
        nextop: u8,
    }
    /// `struct xt_u32_value_element`
    struct U32Value {
        min: u32,
        max: u32,
    }
    /// `struct xt_u32_test`
    struct U32Test {
        location: [U32Location; 11],
        value: [U32Value; 11],
        nnums: u8,
        nvalues: u8,
    }
    /// `struct xt_u32`
    struct U32 {
        tests: [U32Test; 11],
        ntests: u8,
        invert: u8,
    }
    /// `struct xt_string_info` of revision 1
    struct StringMatch {
        from_offset: u16,
        to_offset: u16,
        algo: super::layout::Text<16>,
        pattern: [u8; 128],
        patlen: u8,
        /// `XT_STRING_FLAG_*`: 1 invert, 2 ignore case
        flags: u8,
        /// Kernel pointer.
        config: u64,
    }
    /// `struct sock_filter`
    struct SockFilter {
        code: u16,
        jt: u8,
        jf: u8,
        k: u32,
    }
    /// `struct xt_bpf_info`
    struct Bpf0 {
        len: u16,
        program: [SockFilter; 64],
        filter: u64,
    }
    /// `struct xt_bpf_info_v1`
    struct Bpf1 {
        /// `enum xt_bpf_modes`: 0 bytecode, 1 pinned descriptor, 2 ELF descriptor
        mode: u16,
        len: u16,
        fd: i32,
        /// In the pinned mode these bytes are the path.
        program: [SockFilter; 64],
        filter: u64,
    }
    /// `struct xt_mac_info`
    struct Mac {
        srcaddr: [u8; 6],
        invert: i32,
    }
    /// `struct xt_pkttype_info`
    struct PktType {
        /// `PACKET_*` of `linux/if_packet.h`
        pkttype: i32,
        invert: i32,
    }
    /// `struct xt_iprange_mtinfo`
    struct IpRange {
        src_min: Addr16,
        src_max: Addr16,
        dst_min: Addr16,
        dst_max: Addr16,
        /// `IPRANGE_*`: 1 source, 2 destination, 0x10 and 0x20 their inversions
        flags: u8,
    }
}
