//! Matches on network headers, extension headers and payload.

use super::Context;
use crate::lang::iptables::format::{ip6, not, prefix_len, range, w};
use crate::model::text::from_bytes;
use crate::model::xtables::protocol::*;

pub fn frag6(frag: &Frag6, out: &mut String) {
    if frag.ids != [0, u32::MAX] {
        not(out, frag.invflags & 1 != 0);
        range(out, "--fragid", frag.ids[0], frag.ids[1]);
    }
    if frag.flags & 2 != 0 {
        not(out, frag.invflags & 2 != 0);
        w!(out, " --fraglen {}", frag.hdrlen);
    }
    for (flag, option) in [
        (0x04, " --fragres"),
        (0x08, " --fragfirst"),
        (0x10, " --fragmore"),
        (0x20, " --fraglast"),
    ] {
        if frag.flags & flag != 0 {
            out.push_str(option);
        }
    }
}

pub fn opts6(opts: &Opts6, word: &str, out: &mut String) {
    if opts.flags & 1 != 0 {
        not(out, opts.invflags & 1 != 0);
        w!(out, " --{word}-len {}", opts.hdrlen);
    }
    if opts.flags & 2 != 0 {
        w!(out, " --{word}-opts");
    }
    let mut separator = ' ';
    for option in opts.opts.iter().take(usize::from(opts.optsnr)) {
        w!(out, "{separator}{}", option >> 8);
        if option & 0xff != 0xff {
            w!(out, ":{}", option & 0xff);
        }
        separator = ',';
    }
}

pub fn rt6(rt: &Rt6, out: &mut String) {
    if rt.flags & 1 != 0 {
        not(out, rt.invflags & 1 != 0);
        w!(out, " --rt-type {}", rt.rt_type);
    }
    if rt.segsleft != [0, u32::MAX] {
        not(out, rt.invflags & 2 != 0);
        range(out, "--rt-segsleft", rt.segsleft[0], rt.segsleft[1]);
    }
    if rt.flags & 4 != 0 {
        not(out, rt.invflags & 4 != 0);
        w!(out, " --rt-len {}", rt.hdrlen);
    }
    if rt.flags & 8 != 0 {
        out.push_str(" --rt-0-res");
    }
    if rt.flags & 0x10 != 0 {
        out.push_str(" --rt-0-addrs");
    }
    let mut separator = ' ';
    for addr in rt.addrs.iter().take(usize::from(rt.addrnr)) {
        w!(out, "{separator}{}", ip6(addr.0));
        separator = ',';
    }
    if rt.flags & 0x20 != 0 {
        out.push_str(" --rt-0-not-strict");
    }
}

/// Headers in the order in which they are named: protocol number, bit, name where `/etc/protocols` has none.
pub const IPV6_HEADERS: [(u8, u8, &str); 8] = [
    (0, 128, "hop-by-hop"),
    (60, 64, "dst"),
    (43, 32, "route"),
    (44, 16, "frag"),
    (51, 8, "auth"),
    (50, 4, "esp"),
    (59, 2, "none"),
    (255, 1, "protocol"),
];

pub fn ipv6header(header: &Ipv6Header, cx: &Context<'_>, out: &mut String) {
    not(out, header.invflags != 0);
    out.push_str(" --header ");
    let names: Vec<&str> = IPV6_HEADERS
        .iter()
        .filter(|(_, bit, _)| header.matchflags & bit != 0)
        .map(|(number, _, name)| match cx.names.protocols.get(number) {
            Some(known) if *number != 0 => known.as_str(),
            _ => name,
        })
        .collect();
    if names.is_empty() {
        out.push_str("NONE");
    }
    out.push_str(&names.join(","));
    if header.modeflag != 0 {
        out.push_str(" --soft");
    }
}

pub fn mh(mh: &Mh, out: &mut String) {
    if mh.types != [0, 0xff] {
        not(out, mh.invflags & 1 != 0);
        range(out, "--mh-type", mh.types[0], mh.types[1]);
    }
}

struct SrhFields {
    next_hdr: u8,
    hdr_len: u8,
    segs_left: u8,
    last_entry: u8,
    tag: u16,
    flags: u16,
    invflags: u16,
}

fn srh_fields(f: &SrhFields, out: &mut String) {
    let rows: [(&str, u16); 11] = [
        ("next-hdr", u16::from(f.next_hdr)),
        ("hdr-len-eq", u16::from(f.hdr_len)),
        ("hdr-len-gt", u16::from(f.hdr_len)),
        ("hdr-len-lt", u16::from(f.hdr_len)),
        ("segs-left-eq", u16::from(f.segs_left)),
        ("segs-left-gt", u16::from(f.segs_left)),
        ("segs-left-lt", u16::from(f.segs_left)),
        ("last-entry-eq", u16::from(f.last_entry)),
        ("last-entry-gt", u16::from(f.last_entry)),
        ("last-entry-lt", u16::from(f.last_entry)),
        ("tag", f.tag),
    ];
    for (n, (word, value)) in rows.into_iter().enumerate() {
        if f.flags & 1 << n != 0 {
            not(out, f.invflags & 1 << n != 0);
            w!(out, " --srh-{word} {value}");
        }
    }
}

pub fn srh(srh: &Srh, out: &mut String) {
    let fields = SrhFields {
        next_hdr: srh.next_hdr,
        hdr_len: srh.hdr_len,
        segs_left: srh.segs_left,
        last_entry: srh.last_entry,
        tag: srh.tag,
        flags: srh.mt_flags,
        invflags: srh.mt_invflags,
    };
    srh_fields(&fields, out);
}

pub fn srh1(srh: &Srh1, out: &mut String) {
    let fields = SrhFields {
        next_hdr: srh.next_hdr,
        hdr_len: srh.hdr_len,
        segs_left: srh.segs_left,
        last_entry: srh.last_entry,
        tag: srh.tag,
        flags: srh.mt_flags,
        invflags: srh.mt_invflags,
    };
    srh_fields(&fields, out);
    for (bit, word, addr, mask) in [
        (0x0800, "psid", &srh.psid_addr, &srh.psid_msk),
        (0x1000, "nsid", &srh.nsid_addr, &srh.nsid_msk),
        (0x2000, "lsid", &srh.lsid_addr, &srh.lsid_msk),
    ] {
        if srh.mt_flags & bit != 0 {
            not(out, srh.mt_invflags & bit != 0);
            // A mask that is not a prefix is -1 printed as unsigned.
            let bits = prefix_len(&mask.0).unwrap_or(u32::MAX);
            w!(out, " --srh-{word} {}/{bits}", ip6(addr.0));
        }
    }
}

pub fn ttl(ttl: &Ttl, word: &str, out: &mut String) {
    match ttl.mode {
        0 => w!(out, " --{word}-eq"),
        1 => w!(out, " ! --{word}-eq"),
        2 => w!(out, " --{word}-lt"),
        3 => w!(out, " --{word}-gt"),
        _ => {}
    }
    w!(out, " {}", ttl.ttl);
}

pub fn dscp(dscp: &Dscp, out: &mut String) {
    not(out, dscp.invert != 0);
    w!(out, " --dscp 0x{:02x}", dscp.dscp);
}

pub fn tos(tos: &Tos, out: &mut String) {
    not(out, tos.invert != 0);
    w!(out, " --tos 0x{:02x}/0x{:02x}", tos.tos_value, tos.tos_mask);
}

pub fn ecn(ecn: &Ecn, out: &mut String) {
    if ecn.operation & 0x10 != 0 {
        not(out, ecn.invert & 0x10 != 0);
        out.push_str(" --ecn-tcp-ece");
    }
    if ecn.operation & 0x20 != 0 {
        not(out, ecn.invert & 0x20 != 0);
        out.push_str(" --ecn-tcp-cwr");
    }
    if ecn.operation & 1 != 0 {
        not(out, ecn.invert & 1 != 0);
        w!(out, " --ecn-ip-ect {}", ecn.ip_ect);
    }
}

pub fn length(length: &Length, out: &mut String) {
    not(out, length.invert != 0);
    range(out, "--length", length.min, length.max);
}

/// Not part of iptables 1.8.9's extensions in Debian: the words of its manual page.
pub fn l2tp(l2tp: &L2tp, out: &mut String) {
    if l2tp.flags & 1 != 0 {
        w!(out, " --tid {}", l2tp.tid);
    }
    if l2tp.flags & 2 != 0 {
        w!(out, " --sid {}", l2tp.sid);
    }
    if l2tp.flags & 4 != 0 {
        w!(out, " --pversion {}", l2tp.version);
    }
    if l2tp.flags & 8 != 0 {
        let kind = if l2tp.kind == 0 { "control" } else { "data" };
        w!(out, " --type {kind}");
    }
}

pub fn u32(test: &U32, out: &mut String) {
    not(out, test.invert != 0);
    out.push_str(" --u32 \"");
    for (n, test) in test.tests.iter().take(usize::from(test.ntests)).enumerate() {
        if n > 0 {
            out.push_str("&&");
        }
        for (n, location) in test
            .location
            .iter()
            .take(usize::from(test.nnums).max(1))
            .enumerate()
        {
            if n > 0 {
                out.push_str(match location.nextop {
                    0 => "&",
                    1 => "<<",
                    2 => ">>",
                    3 => "@",
                    _ => "",
                });
            }
            w!(out, "0x{:x}", location.number);
        }
        out.push('=');
        for (n, value) in test
            .value
            .iter()
            .take(usize::from(test.nvalues))
            .enumerate()
        {
            if n > 0 {
                out.push(',');
            }
            w!(out, "0x{:x}", value.min);
            if value.min != value.max {
                w!(out, ":0x{:x}", value.max);
            }
        }
    }
    out.push('"');
}

pub fn string(string: &StringMatch, out: &mut String) {
    not(out, string.flags & 1 != 0);
    let pattern = string
        .pattern
        .get(..usize::from(string.patlen))
        .unwrap_or(&string.pattern);
    let printable = |byte: &u8| (0x20..0x7f).contains(byte);
    if pattern.iter().all(printable) && pattern.last() != Some(&b'\\') {
        out.push_str(" --string \"");
        for c in from_bytes(pattern).chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    } else {
        out.push_str(" --hex-string \"|");
        for byte in pattern {
            w!(out, "{byte:02x}");
        }
        out.push_str("|\"");
    }
    w!(out, " --algo {}", string.algo.text());
    if string.from_offset != 0 {
        w!(out, " --from {}", string.from_offset);
    }
    if string.to_offset != u16::MAX {
        w!(out, " --to {}", string.to_offset);
    }
    if string.flags & 2 != 0 {
        out.push_str(" --icase");
    }
}

pub fn bpf_code(program: &[SockFilter], len: u16, out: &mut String) {
    w!(out, " --bytecode \"{len}");
    for op in program.iter().take(usize::from(len)) {
        w!(out, ",{} {} {} {}", op.code, op.jt, op.jf, op.k);
    }
    out.push('"');
}

pub fn bpf(bpf: &Bpf1, out: &mut String) {
    match bpf.mode {
        0 => bpf_code(&bpf.program, bpf.len, out),
        mode => {
            let mut path = Vec::new();
            for op in &bpf.program {
                path.extend(op.code.to_ne_bytes());
                path.extend([op.jt, op.jf]);
                path.extend(op.k.to_ne_bytes());
            }
            let end = path
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(path.len());
            let path = from_bytes(path.get(..end).unwrap_or(&path));
            let option = if mode == 1 {
                "--object-pinned"
            } else {
                "--object"
            };
            w!(out, " {option} {path}");
        }
    }
}

pub fn mac(mac: &Mac, out: &mut String) {
    not(out, mac.invert != 0);
    w!(
        out,
        " --mac-source {}",
        crate::lang::iptables::format::mac(&mac.srcaddr)
    );
}

pub fn pkttype(pkttype: &PktType, out: &mut String) {
    not(out, pkttype.invert != 0);
    out.push_str(" --pkt-type ");
    match pkttype.pkttype {
        0 => out.push_str("unicast"),
        1 => out.push_str("broadcast"),
        2 => out.push_str("multicast"),
        3 => out.push_str("otherhost"),
        other => w!(out, "{other}"),
    }
}

pub fn iprange(range: &IpRange, cx: &Context<'_>, out: &mut String) {
    if range.flags & 1 != 0 {
        not(out, range.flags & 0x10 != 0);
        w!(
            out,
            " --src-range {}-{}",
            cx.addr(range.src_min.0),
            cx.addr(range.src_max.0)
        );
    }
    if range.flags & 2 != 0 {
        not(out, range.flags & 0x20 != 0);
        w!(
            out,
            " --dst-range {}-{}",
            cx.addr(range.dst_min.0),
            cx.addr(range.dst_max.0)
        );
    }
}
